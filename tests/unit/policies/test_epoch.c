/* test_epoch.c - copies, restored logs and replaced keys: what is written under
 * which epoch, and that nothing is lost or entered twice. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "policies/nodefile.h"
#include "tests/unit/policies/fixture.h"

/* ---- looking ---- */

static void path_of(struct fixture *f, enum fixture_place p, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", f->dir, fixture_code(p));
}

static void close_node(struct fixture *f, enum fixture_place p)
{
	node_close(f->node[p]);
	f->node[p] = NULL;
}

static void open_node(struct fixture *f, enum fixture_place p, const char *data)
{
	struct err err;

	fixture_ok(node_open(data, STORE_WRITE, &f->node[p], &err), &err);
}

static void reopen(struct fixture *f, enum fixture_place p)
{
	char data[PATH_MAX];

	path_of(f, p, data);
	close_node(f, p);
	open_node(f, p, data);
}

static void read_at(struct node *n, const char *origin, uint64_t seq,
	struct run *run, struct entry *e)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(n->store, origin, &log, &err), &err);
	fixture_ok(store_read(n->store, log.id, seq, 1, LABEL_ALL, run, &err),
		&err);
	fixture_ok(entry_parse(run->record[0].entry, run->record[0].entry_len,
			   e, &err),
		&err);
}

static void expect_series(
	struct node *n, const char *origin, uint64_t seq, const char *series)
{
	struct run run = {0};
	struct entry e;

	read_at(n, origin, seq, &run, &e);
	assert_string_equal(e.series, series);
	run_free(&run);
}

/* Records of a log that are not the node's own. */
static size_t count_of(struct node *n, const char *origin)
{
	struct log_info log;
	size_t count = 0;

	if (store_log_find(n->store, origin, &log, NULL))
		return 0;
	for (uint64_t i = 0; i < log.size; i++) {
		struct run run = {0};
		struct entry e;

		read_at(n, origin, i, &run, &e);
		count += strncmp(e.series, "sys-", 4) != 0;
		run_free(&run);
	}
	return count;
}

/* ---- a log that cannot go on ---- */

static void begin(struct fixture *f, enum fixture_place p, const char *origin)
{
	bool begun = false;
	struct err err;

	fixture_ok(epoch_begin(f->node[p], NULL, origin, EPOCH_RESTORED, &begun,
			   &err),
		&err);
	assert_true(begun);
}

static struct settled settle(struct fixture *f, enum fixture_place p,
	const char *origin, uint64_t common)
{
	struct settled s = {.size = common + 7, .common = common};
	struct err err;

	snprintf(s.origin, sizeof(s.origin), "%s", origin);
	fixture_ok(epoch_settle(f->node[p], NULL, &s, &err), &err);
	return s;
}

static void a_copied_directory_writes_a_log_of_its_own(void **state)
{
	struct fixture *f = *state;
	char data[PATH_MAX], copy[PATH_MAX], before[ORIGIN_SIZE];
	struct node_config config;
	struct epoch_story story;
	struct log_info log;
	struct err err;
	char path[PATH_MAX + 16];

	fixture_put(f, VILLAGE, 5);
	node_origin(f->node[VILLAGE], before);
	log = fixture_log(f, VILLAGE);
	path_of(f, VILLAGE, data);
	snprintf(copy, sizeof(copy), "%s/copy", f->dir);
	close_node(f, VILLAGE);
	fixture_copy(data, copy);

	open_node(f, VILLAGE, copy);
	assert_true(f->node[VILLAGE]->copied);
	assert_string_not_equal(f->node[VILLAGE]->origin, before);
	expect_series(
		f->node[VILLAGE], f->node[VILLAGE]->origin, 0, "sys-policy");
	expect_series(
		f->node[VILLAGE], f->node[VILLAGE]->origin, 1, "sys-epoch");
	fixture_ok(epoch_tell(f->node[VILLAGE], &story, &err), &err);
	assert_true(story.any && !story.settled);
	assert_int_equal(story.reason, EPOCH_COPIED);
	assert_string_equal(story.origin, before);
	assert_int_equal(story.last, log.size);
	snprintf(path, sizeof(path), "%s/node.yaml", copy);
	fixture_ok(node_config_load(path, &config, &err), &err);
	assert_string_equal(config.epoch, f->node[VILLAGE]->config.epoch);
	fixture_put(f, VILLAGE, 3);
	assert_int_equal(
		count_of(f->node[VILLAGE], f->node[VILLAGE]->origin), 3);
	close_node(f, VILLAGE);
	open_node(f, VILLAGE, copy);
	assert_false(f->node[VILLAGE]->copied);
	close_node(f, VILLAGE);

	open_node(f, VILLAGE, data);
	assert_false(f->node[VILLAGE]->copied);
	assert_string_equal(f->node[VILLAGE]->origin, before);
}

static void a_directory_that_was_moved_is_no_copy(void **state)
{
	struct fixture *f = *state;
	char data[PATH_MAX], moved[PATH_MAX], before[ORIGIN_SIZE];

	node_origin(f->node[VILLAGE], before);
	path_of(f, VILLAGE, data);
	snprintf(moved, sizeof(moved), "%s/moved", f->dir);
	close_node(f, VILLAGE);
	assert_int_equal(rename(data, moved), 0);
	open_node(f, VILLAGE, moved);
	assert_false(f->node[VILLAGE]->copied);
	assert_string_equal(f->node[VILLAGE]->origin, before);
}

static void only_the_log_being_written_gets_a_new_epoch(void **state)
{
	struct fixture *f = *state;
	char first[ORIGIN_SIZE], second[ORIGIN_SIZE];
	struct settled s = {.common = 0};
	bool begun = true;
	struct err err;

	node_origin(f->node[VILLAGE], first);
	begin(f, VILLAGE, first);
	node_origin(f->node[VILLAGE], second);
	assert_string_not_equal(first, second);
	fixture_ok(epoch_begin(f->node[VILLAGE], NULL, first, EPOCH_FORKED,
			   &begun, &err),
		&err);
	assert_false(begun);
	assert_string_equal(f->node[VILLAGE]->origin, second);
	memcpy(s.origin, second, sizeof(second));
	assert_int_equal(
		epoch_settle(f->node[VILLAGE], NULL, &s, &err), ERR_USAGE);
}

/* The text of a document again, with another value. */
static void put_revision(
	struct fixture *f, const char *id, unsigned i, struct receipt *r)
{
	struct json *doc = fixture_document_of("household", VILLAGE);
	char note[32];

	snprintf(note, sizeof(note), "2026-04-%02uT08:00:00+08:00", i + 1);
	assert_true(json_set(doc, "created_at", json_new_text(note)));
	if (id)
		assert_true(json_set(doc, "id", json_new_text(id)));
	fixture_capture(f, VILLAGE, doc, NULL, NULL, r);
}

static void revisions_go_on_across_epochs(void **state)
{
	struct fixture *f = *state;
	char before[ORIGIN_SIZE];
	struct node *n = f->node[VILLAGE];
	struct run one = {0}, two = {0}, three = {0};
	struct receipt r[4];
	struct settled s;
	struct entry e;

	node_origin(n, before);
	put_revision(f, NULL, 0, &r[0]);
	put_revision(f, r[0].id, 1, &r[1]);
	put_revision(f, r[0].id, 2, &r[2]);
	assert_int_equal(r[2].rev, 3);
	begin(f, VILLAGE, before);
	s = settle(f, VILLAGE, before, r[0].seq + 1);
	assert_int_equal(s.entered, 2);
	read_at(n, before, r[0].seq, &one, &e);
	/* Behind sys-policy and sys-epoch. */
	read_at(n, n->origin, 2, &two, &e);
	assert_int_equal(e.rev, 2);
	assert_string_equal(e.id, r[0].id);
	assert_true(digest_equal(&e.prev, &one.record[0].leaf));
	assert_false(digest_equal(&two.record[0].leaf, &r[1].leaf));
	read_at(n, n->origin, 3, &three, &e);
	assert_int_equal(e.rev, 3);
	assert_true(digest_equal(&e.prev, &two.record[0].leaf));
	put_revision(f, r[0].id, 3, &r[3]);
	assert_int_equal(r[3].rev, 4);
	put_revision(f, r[0].id, 3, &r[3]);
	assert_true(r[3].repeated);
	run_free(&one);
	read_at(n, n->origin, r[3].seq, &one, &e);
	assert_true(digest_equal(&e.prev, &three.record[0].leaf));
	run_free(&one);
	run_free(&two);
	run_free(&three);
}

static void what_is_settled_is_not_entered_twice(void **state)
{
	struct fixture *f = *state;
	char data[PATH_MAX], path[PATH_MAX + 16], before[ORIGIN_SIZE];
	struct log_info log;
	struct settled s;

	fixture_put(f, VILLAGE, 30);
	node_origin(f->node[VILLAGE], before);
	log = fixture_log(f, VILLAGE);
	begin(f, VILLAGE, before);
	s = settle(f, VILLAGE, before, log.size - 12);
	assert_int_equal(s.entered, 12);
	assert_true(epoch_settled(f->node[VILLAGE], before, NULL));
	log = fixture_log(f, VILLAGE);
	assert_int_equal(log.size, 2 + 12 + 1);
	reopen(f, VILLAGE);
	assert_true(epoch_settled(f->node[VILLAGE], before, NULL));
	path_of(f, VILLAGE, data);
	snprintf(path, sizeof(path), "%s/epochs", data);
	assert_int_equal(remove(path), 0);
	reopen(f, VILLAGE);
	assert_false(epoch_settled(f->node[VILLAGE], before, NULL));
	s = settle(f, VILLAGE, before, s.common);
	assert_int_equal(s.entered, 12);
	assert_int_equal(fixture_log(f, VILLAGE).size, log.size);
}

static enum err_code look_job(struct batch *b, void *arg, struct err *err)
{
	struct receipt r;

	return system_record(b, arg, "sys-access", json_new_object(), &r, err);
}

/* Only what the new log says of itself is not. */
static void what_a_node_recorded_of_itself_is_entered_again(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	char before[ORIGIN_SIZE];
	struct run was = {0}, is = {0};
	struct log_info log;
	struct entry old, now;
	struct err err;

	fixture_put(f, VILLAGE, 3);
	node_origin(n, before);
	fixture_ok(node_run_job(n, NULL, look_job, n, &err), &err);
	log = fixture_log(f, VILLAGE);
	begin(f, VILLAGE, before);
	assert_int_equal(settle(f, VILLAGE, before, log.size - 1).entered, 1);
	read_at(n, before, log.size - 1, &was, &old);
	read_at(n, n->origin, 2, &is, &now);
	assert_string_equal(now.series, "sys-access");
	assert_string_equal(now.id, old.id);
	assert_string_equal(now.at, old.at);
	expect_series(n, n->origin, 3, "sys-epoch");
	run_free(&was);
	run_free(&is);
	/* The whole log once more: its rules and beginning are told anew. */
	node_origin(n, before);
	log = fixture_log(f, VILLAGE);
	begin(f, VILLAGE, before);
	assert_int_equal(settle(f, VILLAGE, before, 0).entered, 1);
}

static void a_lost_log_is_written_down_once(void **state)
{
	static const char lost[] =
		FIXTURE_DOMAIN "/330106110201/00112233445566ff";
	struct fixture *f = *state;
	struct epoch_story story;
	uint64_t size = fixture_log(f, VILLAGE).size;
	struct err err;

	(void)settle(f, VILLAGE, lost, 0);
	(void)settle(f, VILLAGE, lost, 0);
	assert_int_equal(fixture_log(f, VILLAGE).size, size + 1);
	expect_series(
		f->node[VILLAGE], f->node[VILLAGE]->origin, size, "sys-epoch");
	fixture_ok(epoch_tell(f->node[VILLAGE], &story, &err), &err);
	assert_true(story.any && story.settled);
	assert_int_equal(story.reason, EPOCH_LOST);
	assert_string_equal(story.origin, lost);
}

#define MORE_LABELS                                                            \
	"sed -i 's/^retention:/&\\n  - {label: public, period: Y}/; "          \
	"s/^fields:/&\\n  - {path: remark, type: string, label: public}/' "    \
	"series/household.yaml"

static void put_households(struct fixture *f, int count)
{
	struct receipt r;

	while (count-- > 0)
		fixture_capture(f, VILLAGE,
			fixture_document_of("household", VILLAGE), NULL, NULL,
			&r);
}

/* They have other parts than the rules of now ask for. */
static void records_of_earlier_rules_are_entered_under_those(void **state)
{
	struct fixture *f = *state;
	char before[ORIGIN_SIZE];
	uint64_t common = fixture_log(f, VILLAGE).size;
	struct settled s;

	node_origin(f->node[VILLAGE], before);
	put_households(f, 3);
	fixture_change_rules(f, MORE_LABELS);
	put_households(f, 3);
	begin(f, VILLAGE, before);
	put_households(f, 1);
	s = settle(f, VILLAGE, before, common);
	assert_int_equal(s.entered, 6);
	put_households(f, 1);
	assert_int_equal(
		count_of(f->node[VILLAGE], f->node[VILLAGE]->origin), 8);
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	assert_int_equal(
		count_of(f->node[TOWNSHIP], f->node[VILLAGE]->origin), 8);
	fixture_carry(f, TOWNSHIP, COUNTY, f->node[VILLAGE]->origin);
	/* The rules in force are still found. */
	reopen(f, VILLAGE);
	assert_int_equal(rules_serial(f->node[VILLAGE]->rules), 3);
}

static void what_was_destroyed_stays_destroyed(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	char before[ORIGIN_SIZE];
	static const struct erasure order = {1782000000, "order 7"};
	struct erase_target t = {.label = LABEL_INTERNAL};
	struct batch *b = NULL;
	struct log_info log;
	struct run run = {0};
	struct receipt r;
	struct entry e;
	struct err err;

	node_origin(n, before);
	fixture_capture(f, VILLAGE, fixture_document_of("household", VILLAGE),
		NULL, NULL, &r);
	log = fixture_log(f, VILLAGE);
	t.log = log.id;
	t.seq = r.seq;
	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(batch_erase(b, &t, 1, &order, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	begin(f, VILLAGE, before);
	assert_int_equal(settle(f, VILLAGE, before, r.seq).entered, 1);
	read_at(n, n->origin, 2, &run, &e);
	assert_string_equal(e.id, r.id);
	assert_true(run.record[0].erased & LABEL_BIT(LABEL_INTERNAL));
	assert_true(
		erasure_equal(&run.record[0].erasure[LABEL_INTERNAL], &order));
	assert_false(run.record[0].have & LABEL_BIT(LABEL_INTERNAL));
	assert_true(run.record[0].have & LABEL_BIT(LABEL_SENSITIVE));
	run_free(&run);
	/* And is not missed above. */
	fixture_carry(f, VILLAGE, TOWNSHIP, n->origin);
	read_at(f->node[TOWNSHIP], n->origin, 2, &run, &e);
	assert_true(run.record[0].erased & LABEL_BIT(LABEL_INTERNAL));
	assert_true(
		erasure_equal(&run.record[0].erasure[LABEL_INTERNAL], &order));
	run_free(&run);
}

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	(void)plain;
	*path = strdup(arg);
	return *path ? ERR_OK : err_nomem(err);
}

static void attachments_come_along(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct json *doc = fixture_document_of("facility-geo", VILLAGE);
	static const char bytes[] = "a small file";
	struct digest plain = digest_of(bytes, sizeof(bytes));
	char hex[DIGEST_HEX_SIZE], path[96], before[ORIGIN_SIZE];
	struct json *list = json_new_array(), *one = json_new_object();
	struct attachment_ref *refs = NULL;
	struct run run = {0};
	size_t count = 0;
	struct receipt r;
	struct entry e;
	struct err err;

	node_origin(n, before);
	snprintf(path, sizeof(path), "%s/file", f->dir);
	fixture_ok(file_replace(path, bytes, sizeof(bytes), 0600, &err), &err);
	digest_hex(&plain, hex);
	assert_true(json_set(one, "sha256", json_new_string(hex, 64)) &&
		json_set(one, "name", json_new_string("a.pdf", 5)) &&
		json_set(one, "media_type",
			json_new_string("application/pdf", 15)) &&
		json_set(one, "size", json_new_u64(sizeof(bytes))) &&
		json_append(list, one) && json_set(doc, "attachments", list));
	fixture_capture(f, VILLAGE, doc, find_file, path, &r);
	begin(f, VILLAGE, before);
	assert_int_equal(settle(f, VILLAGE, before, r.seq).entered, 1);
	read_at(n, n->origin, 2, &run, &e);
	fixture_ok(
		view_attachments(n->rules, &run.record[0], &refs, &count, &err),
		&err);
	assert_int_equal(count, 1);
	assert_true(attachment_here(n->data, &refs[0].object));
	assert_int_equal(store_wanted_count(n->store), 0);
	free(refs);
	run_free(&run);
}

/* ---- killed on the way ---- */

#ifdef CUNDANG_CRASH_POINTS
static void settle_and_die(const char *data, const char *origin,
	uint64_t common, const char *crash)
{
	struct settled s = {.size = common, .common = common};
	struct node *n = NULL;
	bool begun;

	setenv("CUNDANG_CRASH", crash, 1);
	snprintf(s.origin, sizeof(s.origin), "%s", origin);
	if (node_open(data, STORE_WRITE, &n, NULL) ||
		epoch_begin(n, NULL, origin, EPOCH_RESTORED, &begun, NULL) ||
		epoch_settle(n, NULL, &s, NULL))
		_exit(1);
	node_close(n);
	_exit(0);
}

static void a_kill_at_any_instant_loses_and_doubles_nothing(void **state)
{
	static const char *const points[] = {"epoch.begun",
		"epoch.entered-some", "epoch.entered-some*2", "epoch.marked"};
	struct fixture *f = *state;
	char data[PATH_MAX], before[ORIGIN_SIZE];
	uint64_t common = fixture_log(f, VILLAGE).size;
	size_t all = 300;
	int status;

	node_origin(f->node[VILLAGE], before);
	fixture_put(f, VILLAGE, all);
	path_of(f, VILLAGE, data);
	close_node(f, VILLAGE);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			settle_and_die(data, before, common, points[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 137);
		open_node(f, VILLAGE, data);
		assert_string_not_equal(f->node[VILLAGE]->origin, before);
		close_node(f, VILLAGE);
	}
	open_node(f, VILLAGE, data);
	assert_int_equal(settle(f, VILLAGE, before, common).entered, all);
	assert_int_equal(
		count_of(f->node[VILLAGE], f->node[VILLAGE]->origin), all);
	/* sys-policy, sys-epoch, and one that says what was entered again. */
	assert_int_equal(fixture_log(f, VILLAGE).size, all + 3);
}

static void a_copy_killed_at_its_start_is_one_still(void **state)
{
	static const char *const points[] = {
		"epoch.begun", "node.instance", "instance.made"};
	struct fixture *f = *state;
	char data[PATH_MAX], copy[PATH_MAX], before[ORIGIN_SIZE];
	int status;

	node_origin(f->node[VILLAGE], before);
	path_of(f, VILLAGE, data);
	snprintf(copy, sizeof(copy), "%s/copy", f->dir);
	close_node(f, VILLAGE);
	fixture_copy(data, copy);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		pid_t pid = fork();
		struct node *n = NULL;

		assert_true(pid >= 0);
		if (pid == 0) {
			setenv("CUNDANG_CRASH", points[i], 1);
			_exit(node_open(copy, STORE_WRITE, &n, NULL) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 137);
	}
	open_node(f, VILLAGE, copy);
	assert_true(f->node[VILLAGE]->copied);
	assert_string_not_equal(f->node[VILLAGE]->origin, before);
	fixture_put(f, VILLAGE, 2);
	assert_int_equal(count_of(f->node[VILLAGE], before), 0);
}
#endif

/* ---- what a node above proves ---- */

static struct prefix ask(struct fixture *f, const char *origin, uint64_t size,
	enum err_code want)
{
	struct node *n = f->node[VILLAGE], *above = f->node[TOWNSHIP];
	struct prefix p = {.size = 0};
	struct buf m = BUF_EMPTY;
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(above->store, origin, &log, &err), &err);
	fixture_ok(exchange_make_prefix(above, &log, size, &m, &err), &err);
	assert_int_equal(exchange_take_prefix(
				 n, n->rules, size, m.data, m.len, &p, &err),
		want);
	buf_free(&m);
	return p;
}

static void what_is_common_is_proved_by_our_own_signature(void **state)
{
	struct fixture *f = *state;
	char data[PATH_MAX], copy[PATH_MAX], origin[ORIGIN_SIZE];
	uint64_t common;
	struct prefix p;

	fixture_put(f, VILLAGE, 20);
	node_origin(f->node[VILLAGE], origin);
	common = fixture_log(f, VILLAGE).size;
	path_of(f, VILLAGE, data);
	snprintf(copy, sizeof(copy), "%s/copy", f->dir);
	close_node(f, VILLAGE);
	fixture_clone(data, copy);
	open_node(f, VILLAGE, data);
	fixture_put(f, VILLAGE, 10);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	p = ask(f, origin, common, ERR_OK);
	assert_true(p.proven && !p.other);
	close_node(f, VILLAGE);

	open_node(f, VILLAGE, copy);
	p = ask(f, origin, common, ERR_OK);
	assert_true(p.proven && p.other);
	assert_int_equal(p.here, common);
	assert_int_equal(p.size, common + 10);
	fixture_put(f, VILLAGE, 25);
	p = ask(f, origin, common, ERR_OK);
	assert_true(p.proven && p.other);
	p = ask(f, origin, common + 1, ERR_OK);
	assert_false(p.proven);
	p = ask(f, origin, common + 10, ERR_OK);
	assert_false(p.proven);
	p = ask(f, origin, common + 25, ERR_OK);
	assert_true(!p.proven && p.other);
	fixture_put(f, OTHER, 2);
	fixture_carry(f, OTHER, TOWNSHIP, f->node[OTHER]->origin);
	ask(f, f->node[OTHER]->origin, 1, ERR_DENIED);
}

/* ---- keys that are replaced ---- */

static void cosign(struct fixture *f, const char *origin)
{
	struct node *n = f->node[TOWNSHIP];
	struct buf note = BUF_EMPTY;
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(exchange_cosign(b, n, origin, &note, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	buf_free(&note);
}

/* A new disk for a village, and its new keys in the place of the old ones. */
static void replace_disk(struct fixture *f, enum fixture_place p)
{
	struct node_init_options opt = {.code = fixture_code(p),
		.governance = f->repository,
		.pin = &f->pin};
	struct governance *g = NULL;
	struct node_request r;
	char data[PATH_MAX], old[PATH_MAX + 8];
	struct statement s;
	struct err err;

	path_of(f, p, data);
	snprintf(old, sizeof(old), "%s.old", data);
	close_node(f, p);
	assert_int_equal(rename(data, old), 0);
	fixture_ok(node_init(data, &opt, &err), &err);
	open_node(f, p, data);
	fixture_ok(node_make_request(f->node[p], &r, &err), &err);
	fixture_ok(governance_open(f->repository, &g, &err), &err);
	assert_int_equal(governance_admit(g, &r, 1, &s, &err), ERR_EXISTS);
	fixture_ok(
		governance_admit_as(g, &r, 1, ADMIT_REPLACE, &s, &err), &err);
	governance_close(g);
	fixture_sign(f);
	fixture_adopt(f);
}

static enum err_code offer_up(
	struct fixture *f, const char *origin, struct err *err)
{
	struct node *from = f->node[TOWNSHIP], *to = f->node[COUNTY];
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct log_info log;
	enum err_code rc;

	fixture_ok(store_log_find(from->store, origin, &log, err), err);
	fixture_ok(exchange_make_checkpoint(from, &log, 0, &m, err), err);
	rc = exchange_take_checkpoint(
		to, to->rules, from->config.code, m.data, m.len, &t, NULL, err);
	taken_free(t);
	buf_free(&m);
	return rc;
}

static void a_replaced_key_counts_where_its_note_was_seen(void **state)
{
	struct fixture *f = *state;
	char seen[ORIGIN_SIZE], unseen[ORIGIN_SIZE];
	const struct node_info *info;
	struct err err;

	fixture_put(f, VILLAGE, 4);
	fixture_put(f, OTHER, 4);
	node_origin(f->node[VILLAGE], seen);
	node_origin(f->node[OTHER], unseen);
	fixture_carry(f, VILLAGE, TOWNSHIP, seen);
	fixture_carry(f, OTHER, TOWNSHIP, unseen);
	cosign(f, seen);
	replace_disk(f, VILLAGE);
	replace_disk(f, OTHER);
	info = rules_node(f->node[COUNTY]->rules, fixture_code(VILLAGE));
	assert_int_equal(info->former_count, 2);
	fixture_ok(offer_up(f, seen, &err), &err);
	fixture_carry(f, TOWNSHIP, COUNTY, seen);
	assert_int_equal(count_of(f->node[COUNTY], seen), 4);
	assert_int_equal(offer_up(f, unseen, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "replaced"));
	/* The new ones go up like any. */
	fixture_put(f, OTHER, 2);
	fixture_carry(f, OTHER, TOWNSHIP, f->node[OTHER]->origin);
	fixture_carry(f, TOWNSHIP, COUNTY, f->node[OTHER]->origin);
}

/* ---- evidence ---- */

static void write_fork(struct fixture *f, const char *name)
{
	char path[512];
	struct err err;

	snprintf(path, sizeof(path), "%s/forks", f->dir);
	fixture_ok(file_make_dirs(path, &err), &err);
	snprintf(path, sizeof(path), "%s/forks/%s", f->dir, name);
	fixture_ok(file_replace(path, "", 0, 0600, &err), &err);
}

static void evidence_is_listed_newest_first_within_its_bound(void **state)
{
	static const char origin[] =
		"a-b.example/330106110201/00112233445566ff";
	struct fixture *f = *state;
	struct fork *list = calloc(FORKS_LIMIT, sizeof(*list));
	struct fork one;
	size_t count = 99;
	char date[16];
	struct err err;

	assert_non_null(list);
	fixture_ok(forks_list(f->dir, list, &count, &err), &err);
	assert_int_equal(count, 0);
	write_fork(f, "notes.txt");
	write_fork(
		f, "a-b.example-330106110201-00112233445566ff.2026-02-30.txt");
	write_fork(f, ".2026-02-20.txt");
	for (int i = 0; i < FORKS_LIMIT + 6; i++) {
		snprintf(date, sizeof(date), "2026-%02d-%02d", i / 28 + 1,
			i % 28 + 1);
		fork_file(origin, date, &one);
		write_fork(f, strchr(one.file, '/') + 1);
	}
	fixture_ok(forks_list(f->dir, list, &count, &err), &err);
	assert_int_equal(count, FORKS_LIMIT);
	assert_string_equal(list[0].date, "2026-03-14");
	assert_string_equal(list[0].origin, origin);
	assert_string_equal(list[FORKS_LIMIT - 1].date, "2026-01-07");
	free(list);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copied_directory_writes_a_log_of_its_own),
		TEST(a_directory_that_was_moved_is_no_copy),
		TEST(only_the_log_being_written_gets_a_new_epoch),
		TEST(revisions_go_on_across_epochs),
		TEST(what_is_settled_is_not_entered_twice),
		TEST(what_a_node_recorded_of_itself_is_entered_again),
		TEST(a_lost_log_is_written_down_once),
		TEST(records_of_earlier_rules_are_entered_under_those),
		TEST(what_was_destroyed_stays_destroyed),
		TEST(attachments_come_along),
#ifdef CUNDANG_CRASH_POINTS
		TEST(a_kill_at_any_instant_loses_and_doubles_nothing),
		TEST(a_copy_killed_at_its_start_is_one_still),
#endif
		TEST(what_is_common_is_proved_by_our_own_signature),
		TEST(a_replaced_key_counts_where_its_note_was_seen),
		TEST(evidence_is_listed_newest_first_within_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
