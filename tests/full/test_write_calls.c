/* test_write_calls.c - the disk becomes full at the n-th call that needs room,
 * for every n: what was acknowledged is whole, nothing is half there, and all
 * goes on once there is room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glob.h>

#include "tests/full/failing.h"
#include "tests/unit/policies/fixture.h"
#include "tests/unit/store/records.h"

#define PUT_RECORDS 3
#define ERASE_RECORDS 12
#define ERASED_RECORD 4
#define CALLS_LIMIT 4000 /* a step of more never ends */

/* ---- a step that is tried with every call failing ---- */

/* Runs with the disk failing; what it needs for checking goes to `arg`. */
typedef enum err_code step_run(struct fixture *f, void *arg, struct err *err);
/* Checks what the step left; the disk has room again. */
typedef void step_check(struct fixture *f, void *arg, enum err_code rc);

static void only_full(enum err_code rc, const struct err *err, uint64_t n)
{
	/* What neither the index nor the segment would take back. */
	if (rc == ERR_IO && strstr(err->text, "cannot be taken back"))
		return;
	if (rc && rc != ERR_FULL)
		fail_msg("call %llu: %s: %s", (unsigned long long)n,
			err_name(rc), err->text);
}

/* Calls of one run, tried one by one; tells how many there were, about. */
static uint64_t some_calls(struct fixture *f, const char *data,
	enum failing_mode mode, uint64_t stride, step_run *run,
	step_check *check, void *arg)
{
	char folder[128]; /* the node of `data` is closed on the way */

	snprintf(folder, sizeof(folder), "%s", data);
	for (uint64_t n = 1; n < CALLS_LIMIT; n += stride) {
		struct err err = {ERR_OK, ""};
		enum err_code rc;
		bool hit;

		failing_start(folder, n, mode);
		rc = run(f, arg, &err);
		hit = failing_stop();
		only_full(rc, &err, n);
		check(f, arg, rc);
		if (hit)
			continue;
		assert_int_equal(rc, ERR_OK);
		return n;
	}
	fail_msg("more than %d calls", CALLS_LIMIT);
	return 0;
}

static uint64_t every_call(struct fixture *f, const char *data,
	enum failing_mode mode, step_run *run, step_check *check, void *arg)
{
	return some_calls(f, data, mode, 1, run, check, arg);
}

/* Steps with hundreds of calls that are much alike: each only when there is
 * time. */
static uint64_t stride_of(uint64_t short_stride)
{
	return getenv("CUNDANG_TEST_LONG") ? 1 : short_stride;
}

static void print_fault(void *arg, const char *where, const char *what)
{
	(void)arg;
	print_error("%s: %s\n", where, what);
}

static void assert_sound(struct node *n)
{
	struct fsck_result result;
	struct err err;

	fixture_ok(store_fsck(n->store, 1, print_fault, NULL, &result, &err),
		&err);
}

/* Closes and opens the node of `p` again. */
static void reopen(struct fixture *f, enum fixture_place p)
{
	char *data = strdup(f->node[p]->data);
	struct err err;

	assert_non_null(data);
	node_close(f->node[p]);
	f->node[p] = NULL;
	fixture_ok(node_open(data, STORE_WRITE, &f->node[p], &err), &err);
	free(data);
}

static size_t count_files(const char *data, const char *what)
{
	char pattern[256];
	glob_t found;
	size_t count;

	snprintf(pattern, sizeof(pattern), "%s/%s", data, what);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	count = found.gl_pathc;
	globfree(&found);
	return count;
}

/* ---- put ---- */

struct put_step {
	struct json *document[PUT_RECORDS];
	char content[64]; /* of the file that the last one refers to */
	char path[128];
	uint64_t size;	/* of the log before */
	size_t objects; /* attachments before */
	unsigned tries;
	struct receipt receipt[PUT_RECORDS];
};

static enum err_code find_content(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	struct put_step *s = arg;
	struct digest d = digest_of(s->content, strlen(s->content));

	if (!digest_equal(plain, &d))
		return err_set(err, ERR_NOT_FOUND, "no such file");
	*path = strdup(s->path);
	return *path ? ERR_OK : err_nomem(err);
}

static void attach(struct json *document, const char *content)
{
	struct digest d = digest_of(content, strlen(content));
	struct json *list = json_new_array(), *one = json_new_object();
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&d, hex);
	assert_true(json_set(one, "media_type", json_new_string("a/b", 3)) &&
		json_set(one, "name", json_new_string("a.txt", 5)) &&
		json_set(one, "sha256", json_new_text(hex)) &&
		json_set(one, "size", json_new_u64(strlen(content))) &&
		json_append(list, one) &&
		json_set(document, "attachments", list));
}

static void put_prepare(struct fixture *f, struct put_step *s)
{
	struct node *n = f->node[VILLAGE];
	struct err err;

	s->tries++;
	snprintf(s->content, sizeof(s->content), "a scan, number %u", s->tries);
	snprintf(s->path, sizeof(s->path), "%s/scan", f->dir);
	fixture_ok(file_replace(
			   s->path, s->content, strlen(s->content), 0600, &err),
		&err);
	for (size_t i = 0; i < PUT_RECORDS; i++)
		s->document[i] = i + 1 < PUT_RECORDS
			? fixture_document(s->tries + i, VILLAGE)
			: fixture_document_of("service-case", VILLAGE);
	attach(s->document[PUT_RECORDS - 1], s->content);
	s->size = fixture_log(f, VILLAGE).size;
	s->objects = count_files(n->data, "attachments/*/*");
}

static void put_forget(struct put_step *s)
{
	for (size_t i = 0; i < PUT_RECORDS; i++)
		json_free(s->document[i]);
}

static enum err_code prepare_one(const struct capture_source *src,
	const struct json *document, struct captured **out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!(rc = json_write(document, &text, err)))
		rc = capture_prepare(
			src, (const char *)text.data, text.len, NULL, out, err);
	buf_free(&text);
	return rc;
}

static enum err_code put_once(
	struct fixture *f, struct put_step *s, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	struct rules *rules = node_rules(n);
	struct capture_source src = {n, rules, find_content, s};
	struct captured *c[PUT_RECORDS] = {NULL};
	struct batch *b = NULL;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < PUT_RECORDS && !rc; i++)
		rc = prepare_one(&src, s->document[i], &c[i], err);
	if (!rc)
		rc = batch_begin(n->store, &b, err);
	for (size_t i = 0; i < PUT_RECORDS && !rc; i++)
		rc = capture_commit(b, c[i], &s->receipt[i], err);
	if (rc)
		batch_abort(b);
	else
		rc = batch_commit(b, node_sign, n, err);
	for (size_t i = 0; i < PUT_RECORDS; i++) {
		if (rc && rc != ERR_IO && c[i])
			captured_undo(c[i]);
		captured_free(c[i]);
	}
	rules_unref(rules);
	return rc;
}

/* Each receipt names a whole record, and the last one's file is here. */
static void assert_put(struct fixture *f, const struct put_step *s)
{
	struct node *n = f->node[VILLAGE];
	struct log_info log = fixture_log(f, VILLAGE);
	struct err err;

	assert_int_equal(log.size, s->size + PUT_RECORDS);
	assert_int_equal(log.checkpoint_size, log.size);
	for (size_t i = 0; i < PUT_RECORDS; i++) {
		struct attachment_ref *refs = NULL;
		struct run run = {.count = 0};
		size_t count = 0;

		fixture_ok(store_read(n->store, log.id, s->receipt[i].seq, 1,
				   LABEL_ALL, &run, &err),
			&err);
		assert_true(
			digest_equal(&run.record[0].leaf, &s->receipt[i].leaf));
		fixture_ok(view_attachments(n->rules, &run.record[0], &refs,
				   &count, &err),
			&err);
		assert_int_equal(count, i + 1 == PUT_RECORDS);
		if (count)
			assert_true(attachment_here(n->data, &refs[0].object));
		free(refs);
		run_free(&run);
	}
}

static enum err_code run_put(struct fixture *f, void *arg, struct err *err)
{
	return put_once(f, arg, err);
}

/* Goes on without being opened anew, and stays what it is when it is. */
static void check_put(struct fixture *f, void *arg, enum err_code rc)
{
	struct put_step *s = arg;
	size_t objects = s->objects + 1;
	struct err err;

	/* A file stays where its record may come back, and its note. */
	if (rc == ERR_IO)
		objects += 2;
	if (rc) {
		assert_int_equal(fixture_log(f, VILLAGE).size, s->size);
		fixture_ok(put_once(f, s, &err), &err);
	}
	assert_put(f, s);
	assert_true(count_files(f->node[VILLAGE]->data, "attachments/*/*") <=
		objects);
	reopen(f, VILLAGE);
	assert_put(f, s);
	assert_sound(f->node[VILLAGE]);
	assert_true(count_files(f->node[VILLAGE]->data, "attachments/*/*") <=
		s->objects + 2);
	put_forget(s);
	put_prepare(f, s);
}

static void puts_fail_whole_at_every_call(void **state)
{
	struct fixture *f = *state;
	struct put_step s = {.tries = 0};

	put_prepare(f, &s);
	/* A file, its folder and name, a group, pages of the index. */
	assert_true(every_call(f, f->node[VILLAGE]->data, FAIL_ONCE, run_put,
			    check_put, &s) > 8);
	every_call(f, f->node[VILLAGE]->data, FAIL_FROM_ON, run_put, check_put,
		&s);
	put_forget(&s);
}

/* ---- an end without room, and an opening ---- */

static enum err_code run_reopen(struct fixture *f, void *arg, struct err *err)
{
	char *data = arg;

	node_close(f->node[VILLAGE]);
	f->node[VILLAGE] = NULL;
	return node_open(data, STORE_WRITE, &f->node[VILLAGE], err);
}

static void check_reopen(struct fixture *f, void *arg, enum err_code rc)
{
	uint64_t size;
	struct err err;

	if (rc)
		fixture_ok(node_open(arg, STORE_WRITE, &f->node[VILLAGE], &err),
			&err);
	size = fixture_log(f, VILLAGE).size;
	assert_sound(f->node[VILLAGE]);
	fixture_put(f, VILLAGE, 2);
	assert_int_equal(fixture_log(f, VILLAGE).size, size + 2);
}

static void a_node_ends_and_starts_without_room(void **state)
{
	struct fixture *f = *state;
	char *data = strdup(f->node[VILLAGE]->data);

	fixture_put(f, VILLAGE, 2);
	assert_true(every_call(f, data, FAIL_ONCE, run_reopen, check_reopen,
			    data) > 1);
	every_call(f, data, FAIL_FROM_ON, run_reopen, check_reopen, data);
	free(data);
}

/* ---- sync in ---- */

struct take_step {
	char origin[ORIGIN_SIZE];
	struct buf checkpoint, package;
};

static enum err_code store_taken(
	struct node *n, struct taken *t, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	if ((rc = batch_begin(n->store, &b, err)))
		return rc;
	if ((rc = taken_store(b, t, err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, node_sign, n, err);
}

static enum err_code take_message(
	struct node *n, const struct buf *m, bool checkpoint, struct err *err)
{
	const char *from = fixture_code(VILLAGE);
	struct taken *t = NULL;
	enum err_code rc;

	rc = checkpoint ? exchange_take_checkpoint(n, n->rules, from, m->data,
				  m->len, &t, NULL, err)
			: exchange_take_package(
				  n, n->rules, from, m->data, m->len, &t, err);
	if (!rc)
		rc = store_taken(n, t, err);
	taken_free(t);
	return rc;
}

static void take_prepare(struct fixture *f, struct take_step *s)
{
	struct node *to = f->node[TOWNSHIP];
	struct log_info log, there = {.size = 0};
	struct err err;
	uint64_t next;

	buf_clear(&s->checkpoint);
	buf_clear(&s->package);
	fixture_put(f, VILLAGE, PUT_RECORDS);
	log = fixture_log(f, VILLAGE);
	memcpy(s->origin, log.origin, sizeof(s->origin));
	if (store_log_find(to->store, s->origin, &there, &err))
		there = (struct log_info){.size = 0};
	fixture_ok(exchange_make_checkpoint(f->node[VILLAGE], &log,
			   exchange_known_size(&there), &s->checkpoint, &err),
		&err);
	fixture_ok(
		exchange_make_package(f->node[VILLAGE], f->node[VILLAGE]->rules,
			&log, fixture_code(TOWNSHIP), there.size,
			log.checkpoint_size, (size_t)1 << 20, &s->package,
			&next, NULL, &err),
		&err);
	assert_int_equal(next, log.size);
}

static enum err_code run_take(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[TOWNSHIP];
	struct take_step *s = arg;
	enum err_code rc;

	rc = take_message(n, &s->checkpoint, true, err);
	return rc ? rc : take_message(n, &s->package, false, err);
}

static void check_take(struct fixture *f, void *arg, enum err_code rc)
{
	struct take_step *s = arg;
	struct log_info log, there;
	struct err err;

	if (rc) {
		/* The checkpoint may have come before the disk was full. */
		rc = take_message(
			f->node[TOWNSHIP], &s->checkpoint, true, &err);
		if (rc != ERR_BUSY)
			fixture_ok(rc, &err);
		fixture_ok(take_message(
				   f->node[TOWNSHIP], &s->package, false, &err),
			&err);
	}
	reopen(f, TOWNSHIP);
	log = fixture_log(f, VILLAGE);
	fixture_ok(store_log_find(
			   f->node[TOWNSHIP]->store, s->origin, &there, &err),
		&err);
	assert_int_equal(there.size, log.size);
	assert_int_equal(there.checkpoint_size, log.size);
	assert_true(digest_equal(&there.root, &log.root));
	assert_sound(f->node[TOWNSHIP]);
	take_prepare(f, s);
}

static void what_a_peer_sends_is_taken_whole_or_later(void **state)
{
	struct fixture *f = *state;
	struct take_step s = {.checkpoint = BUF_EMPTY, .package = BUF_EMPTY};

	take_prepare(f, &s);
	assert_true(every_call(f, f->node[TOWNSHIP]->data, FAIL_ONCE, run_take,
			    check_take, &s) > 4);
	every_call(f, f->node[TOWNSHIP]->data, FAIL_FROM_ON, run_take,
		check_take, &s);
	buf_free(&s.checkpoint);
	buf_free(&s.package);
}

/* ---- erase ---- */

/* A store of its own each time: a block is rewritten with all that lies under
 * its key, so erasing again and again would take ever more calls. */
struct erase_step {
	char data[96];
	unsigned tries;
	struct store *store;
	struct erase_target target;
};

static enum err_code erase_once(struct erase_step *s, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	if ((rc = batch_begin(s->store, &b, err)))
		return rc;
	if ((rc = batch_erase(b, &s->target, 1, &test_order, err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, test_sign, NULL, err);
}

static void erase_prepare(struct fixture *f, struct erase_step *s)
{
	snprintf(s->data, sizeof(s->data), "%s/erase/%u", f->dir, s->tries++);
	s->store = open_store(s->data, STORE_WRITE, 0);
	s->target.log = put_records(s->store, 0, ERASE_RECORDS / 2);
	put_records(s->store, ERASE_RECORDS / 2, ERASE_RECORDS / 2);
	s->target.seq = ERASED_RECORD;
	s->target.label = LABEL_SENSITIVE;
}

static enum err_code run_erase(struct fixture *f, void *arg, struct err *err)
{
	struct erase_step *s = arg;
	enum err_code rc = erase_once(s, err);

	(void)f;
	/* A batch that is durable is not undone by what comes after. */
	return rc ? rc : store_finish_erasing(s->store, err);
}

static enum err_code look_for(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	const char *gone = arg;

	if (memmem(plain, len, gone, strlen(gone)))
		return err_set(err, ERR_EXISTS, "%s: still there", where);
	return ERR_OK;
}

/* The part is gone from all that any key here opens, the others are not. */
static void assert_erased(const struct erase_step *s)
{
	char gone[64];

	OK(store_finish_erasing(s->store, &test_err));
	for (uint64_t i = 0; i < ERASE_RECORDS; i++) {
		struct run run = {.count = 0};

		OK(store_read(s->store, s->target.log, i, 1, LABEL_ALL, &run,
			&test_err));
		assert_record(&run.record[0], i, LABEL_ALL,
			i == ERASED_RECORD ? LABEL_BIT(LABEL_SENSITIVE) : 0);
		run_free(&run);
	}
	snprintf(gone, sizeof(gone), "secret-%s-%d\"",
		label_name(LABEL_SENSITIVE), ERASED_RECORD);
	OK(store_dump(s->data, look_for, gone, &test_err));
	OK(store_fsck(s->store, 1, print_fault, NULL,
		&(struct fsck_result){.faults = 0}, &test_err));
}

static void check_erase(struct fixture *f, void *arg, enum err_code rc)
{
	struct erase_step *s = arg;

	if (rc && (rc = erase_once(s, &test_err)))
		fail_msg("%s", test_err.text);
	assert_erased(s);
	store_close(s->store);
	s->store = open_store(s->data, STORE_WRITE, 0);
	assert_erased(s);
	store_close(s->store);
	erase_prepare(f, s);
}

static void erasing_is_done_or_done_later(void **state)
{
	struct fixture *f = *state;
	struct erase_step s = {.tries = 0};
	char folder[96];

	snprintf(folder, sizeof(folder), "%s/erase", f->dir);
	erase_prepare(f, &s);
	assert_true(every_call(f, folder, FAIL_ONCE, run_erase, check_erase,
			    &s) > 8);
	every_call(f, folder, FAIL_FROM_ON, run_erase, check_erase, &s);
	store_close(s.store);
}

/* ---- governance ---- */

struct head_step {
	unsigned changes;
	struct buf bytes;
	uint64_t serial;
};

/* A new head with another file of rules. */
static void head_prepare(struct fixture *f, struct head_step *s)
{
	char command[1024];
	struct governance *g = NULL;
	struct statement made;
	struct rules *rules;
	struct err err;

	s->changes++;
	snprintf(command, sizeof(command),
		"cd '%s' && rm -rf work && git clone -q governance work && "
		"cd work && printf 'consumers:\\n  - name: c\\n    "
		"token_sha256: \"%%064d\"\\n    labels: [public]\\n' %u "
		"> consumers.yaml && git add -A && "
		"git -c user.name=officer -c user.email=officer@localhost "
		"commit -q -m edit && git push -q origin HEAD:main",
		f->dir, s->changes);
	assert_int_equal(system(command), 0);
	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_publish(g, &made, &err), &err);
	fixture_sign(f);
	s->serial = made.serial;
	rules = node_rules(f->node[VILLAGE]);
	buf_clear(&s->bytes);
	fixture_ok(governance_export(g, rules_serial(rules), &s->bytes, &err),
		&err);
	rules_unref(rules);
	governance_close(g);
}

static enum err_code run_head(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	struct head_step *s = arg;
	uint64_t newest, adopted;
	enum err_code rc;

	rc = governance_import(n->governance, s->bytes.data, s->bytes.len,
		&f->pin, &newest, err);
	if (rc == ERR_OK || rc == ERR_EXISTS)
		rc = node_adopt(n, NULL, &adopted, err);
	return rc;
}

static void check_head(struct fixture *f, void *arg, enum err_code rc)
{
	struct head_step *s = arg;
	struct rules *rules;
	struct err err;

	if (rc)
		fixture_ok(run_head(f, arg, &err), &err);
	rules = node_rules(f->node[VILLAGE]);
	assert_int_equal(rules_serial(rules), s->serial);
	rules_unref(rules);
	reopen(f, VILLAGE);
	rules = node_rules(f->node[VILLAGE]);
	assert_int_equal(rules_serial(rules), s->serial);
	rules_unref(rules);
	assert_sound(f->node[VILLAGE]);
	head_prepare(f, s);
}

static void a_head_is_adopted_or_adopted_later(void **state)
{
	struct fixture *f = *state;
	struct head_step s = {.bytes = BUF_EMPTY};

	head_prepare(f, &s);
	assert_true(some_calls(f, f->node[VILLAGE]->data, FAIL_ONCE,
			    stride_of(29), run_head, check_head, &s) > 8);
	some_calls(f, f->node[VILLAGE]->data, FAIL_FROM_ON, stride_of(37),
		run_head, check_head, &s);
	buf_free(&s.bytes);
}

/* ---- init ---- */

static enum err_code run_init(struct fixture *f, void *arg, struct err *err)
{
	const char *data = arg;
	struct node_init_options opt = {.governance = f->repository,
		.pin = &f->pin,
		.code = fixture_code(OTHER)};

	return node_init(data, &opt, err);
}

/* Made or not made: a second try needs no cleaning up. */
static void check_init(struct fixture *f, void *arg, enum err_code rc)
{
	struct node *n = NULL;
	char command[256];
	struct err err;

	if (rc)
		fixture_ok(run_init(f, arg, &err), &err);
	fixture_ok(node_open(arg, STORE_WRITE, &n, &err), &err);
	assert_sound(n);
	node_close(n);
	snprintf(command, sizeof(command), "rm -rf '%s'", (char *)arg);
	assert_int_equal(system(command), 0);
}

static void a_node_is_made_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	char data[96];

	snprintf(data, sizeof(data), "%s/fresh", f->dir);
	assert_true(some_calls(f, data, FAIL_FROM_ON, stride_of(97), run_init,
			    check_init, data) > 20);
}

/* ---- packing ---- */

#define PACKED_RECORDS 60
#define PACKED_SEGMENT 40000

struct pack_step {
	char data[128];
	struct store *store;
};

static void pack_prepare(struct fixture *f, struct pack_step *s)
{
	snprintf(s->data, sizeof(s->data), "%s/packed", f->dir);
	s->store = open_store(s->data, STORE_WRITE, PACKED_SEGMENT);
	for (uint64_t i = 0; i < PACKED_RECORDS; i++)
		put_records(s->store, i, 1);
}

static enum err_code run_pack(struct fixture *f, void *arg, struct err *err)
{
	struct pack_step *s = arg;

	(void)f;
	return store_compact(s->store, SIZE_MAX, err);
}

/* All is there, now and when it is opened anew; another time goes on. */
static void check_pack(struct fixture *f, void *arg, enum err_code rc)
{
	struct pack_step *s = arg;
	struct fsck_result result;

	(void)f;
	(void)rc;
	assert_records(s->store, 1, PACKED_RECORDS);
	store_close(s->store);
	s->store = open_store(s->data, STORE_WRITE, PACKED_SEGMENT);
	assert_records(s->store, 1, PACKED_RECORDS);
	OK(store_fsck(s->store, 1, print_fault, NULL, &result, &test_err));
}

/* A full disk only puts it off. */
static void packing_fails_without_harm(void **state)
{
	struct fixture *f = *state;
	struct pack_step s;

	pack_prepare(f, &s);
	assert_true(
		every_call(f, s.data, FAIL_ONCE, run_pack, check_pack, &s) > 5);
	assert_int_equal(count_files(s.data, "segments/00000001-1.seg"), 1);
	store_close(s.store);
}

static void packing_waits_for_room(void **state)
{
	struct fixture *f = *state;
	struct pack_step s;

	pack_prepare(f, &s);
	assert_true(every_call(f, s.data, FAIL_FROM_ON, run_pack, check_pack,
			    &s) > 5);
	assert_int_equal(count_files(s.data, "segments/00000001-1.seg"), 1);
	store_close(s.store);
}

/* ---- what is given is on record first ---- */

struct note_step {
	char name[16]; /* of a consumer that was given nothing yet */
	unsigned count;
	uint64_t size; /* of the log before */
};

static void note_prepare(struct fixture *f, struct note_step *s)
{
	snprintf(s->name, sizeof(s->name), "platform-%u", s->count++);
	s->size = fixture_log(f, VILLAGE).size;
}

static enum err_code run_note(struct fixture *f, void *arg, struct err *err)
{
	struct note_step *s = arg;
	const struct provision_to to = {.consumer = s->name};
	struct provided p = {.from = 1, .end = 2, .labels = PROVISION_LABELS};
	const struct provided_list list = {.given = &p, .count = 1};

	p.log = fixture_log(f, VILLAGE).id;
	return provision_note(f->node[VILLAGE], NULL, &to, &list, NULL, err);
}

/* On record when it said so, also after a start; else it is told again, and
 * then it is on record once. */
static void check_note(struct fixture *f, void *arg, enum err_code rc)
{
	struct note_step *s = arg;
	struct err err;

	reopen(f, VILLAGE);
	if (!rc)
		assert_int_equal(fixture_log(f, VILLAGE).size, s->size + 1);
	fixture_ok(run_note(f, s, &err), &err);
	assert_int_equal(fixture_log(f, VILLAGE).size, s->size + 1);
	assert_sound(f->node[VILLAGE]);
	note_prepare(f, s);
}

static void what_cannot_be_put_on_record_is_not_given(void **state)
{
	struct fixture *f = *state;
	struct note_step s = {.count = 0};

	fixture_put(f, VILLAGE, PUT_RECORDS);
	note_prepare(f, &s);
	assert_true(every_call(f, f->node[VILLAGE]->data, FAIL_ONCE, run_note,
			    check_note, &s) > 1);
	every_call(f, f->node[VILLAGE]->data, FAIL_FROM_ON, run_note,
		check_note, &s);
}

#define test(f)                                                                \
	cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(puts_fail_whole_at_every_call),
		test(packing_fails_without_harm),
		test(packing_waits_for_room),
		test(a_node_ends_and_starts_without_room),
		test(what_a_peer_sends_is_taken_whole_or_later),
		test(erasing_is_done_or_done_later),
		test(a_head_is_adopted_or_adopted_later),
		test(a_node_is_made_whole_or_not_at_all),
		test(what_cannot_be_put_on_record_is_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
