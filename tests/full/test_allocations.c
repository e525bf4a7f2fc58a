/* test_allocations.c - memory gives out at the n-th request, for every n: an
 * error, no leak, and nothing is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/full/allocating.h"
#include "tests/unit/policies/fixture.h"
#include "tests/unit/store/records.h"

#define RECORDS 3
#define REQUESTS_LIMIT 20000 /* a step of more never ends */

static int setup(void **state)
{
	static struct fixture f;

	fixture_all(&f);
	fixture_put(&f, VILLAGE, RECORDS);
	*state = &f;
	return 0;
}

typedef enum err_code step_run(struct fixture *f, void *arg, struct err *err);
typedef void step_check(struct fixture *f, void *arg, enum err_code rc);

/* Tells how many requests there were. */
static uint64_t some_requests(struct fixture *f, uint64_t stride, step_run *run,
	step_check *check, void *arg)
{
	for (uint64_t n = 1; n < REQUESTS_LIMIT; n += stride) {
		struct err err = {ERR_OK, ""};
		enum err_code rc;
		bool hit;

		allocating_start(n);
		rc = run(f, arg, &err);
		hit = allocating_stop();
		if (rc && rc != ERR_NOMEM)
			fail_msg("request %llu: %s: %s", (unsigned long long)n,
				err_name(rc), err.text);
		if (check)
			check(f, arg, rc);
		if (!hit) {
			assert_int_equal(rc, ERR_OK);
			return n;
		}
	}
	fail_msg("more than %d requests", REQUESTS_LIMIT);
	return 0;
}

static uint64_t every_request(
	struct fixture *f, step_run *run, step_check *check, void *arg)
{
	return some_requests(f, 1, run, check, arg);
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

/* ---- parsers ---- */

static enum err_code run_json(struct fixture *f, void *arg, struct err *err)
{
	const struct buf *text = arg;
	struct buf again = BUF_EMPTY;
	struct json *v = NULL;
	enum err_code rc;

	(void)f;
	rc = json_parse(
		(const char *)text->data, text->len, DOCUMENT_LIMIT, &v, err);
	if (!rc && !(rc = json_write(v, &again, err))) {
		assert_int_equal(again.len, text->len);
		assert_memory_equal(again.data, text->data, text->len);
	}
	json_free(v);
	buf_free(&again);
	return rc;
}

static void a_document_is_parsed_or_not(void **state)
{
	struct json *document = fixture_document(0, VILLAGE);
	struct buf text = BUF_EMPTY;
	struct err err;

	fixture_ok(json_write(document, &text, &err), &err);
	assert_true(every_request(*state, run_json, NULL, &text) > 3);
	json_free(document);
	buf_free(&text);
}

static enum err_code run_run(struct fixture *f, void *arg, struct err *err)
{
	const struct buf *bytes = arg;
	struct run run = {.count = 0};
	enum err_code rc = run_decode(bytes->data, bytes->len, 0, &run, err);

	(void)f;
	if (!rc)
		assert_int_equal(run.count, RECORDS);
	run_free(&run);
	return rc;
}

static void a_run_is_decoded_or_not(void **state)
{
	struct fixture *f = *state;
	struct log_info log = fixture_log(f, VILLAGE);
	struct run run = {.count = 0};
	struct buf bytes = BUF_EMPTY;
	struct err err;

	fixture_ok(store_read(f->node[VILLAGE]->store, log.id,
			   log.size - RECORDS, RECORDS, LABEL_ALL, &run, &err),
		&err);
	fixture_ok(run_encode(&run, LABEL_ALL, 3, &bytes, &err), &err);
	run_free(&run);
	assert_true(every_request(f, run_run, NULL, &bytes) > 2);
	buf_free(&bytes);
}

/* ---- get ---- */

struct get_step {
	struct log_info log;
	struct digest leaf;
	struct buf document; /* as it is when memory lasts */
};

static enum err_code run_get(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	struct get_step *s = arg;
	uint64_t seq = s->log.size - 1;
	struct run run = {.count = 0};
	struct buf text = BUF_EMPTY;
	struct json *v = NULL;
	struct found found;
	enum err_code rc;

	if ((rc = store_find_digest(n->store, &s->leaf, &found, err)) ||
		(rc = store_read(n->store, found.log, found.seq, 1, LABEL_ALL,
			 &run, err)) ||
		(rc = view_document(n->rules, s->log.origin, seq,
			 &run.record[0], VIEW_MASKED, &v, err)) ||
		(rc = json_write(v, &text, err)))
		goto out;
	assert_int_equal(found.seq, seq);
	if (!s->document.len)
		buf_add(&s->document, text.data, text.len);
	assert_int_equal(text.len, s->document.len);
	assert_memory_equal(text.data, s->document.data, text.len);
out:
	json_free(v);
	buf_free(&text);
	run_free(&run);
	return rc;
}

/* What is kept in memory is forgotten, so that each try reads the disk. */
static void check_get(struct fixture *f, void *arg, enum err_code rc)
{
	char data[128];
	struct err err;

	(void)arg;
	(void)rc;
	snprintf(data, sizeof(data), "%s", f->node[VILLAGE]->data);
	node_close(f->node[VILLAGE]);
	fixture_ok(node_open(data, STORE_WRITE, &f->node[VILLAGE], &err), &err);
}

static void a_record_is_shown_or_not(void **state)
{
	struct fixture *f = *state;
	struct get_step s = {.document = BUF_EMPTY};
	struct run run = {.count = 0};
	struct err err;

	s.log = fixture_log(f, VILLAGE);
	fixture_ok(store_read(f->node[VILLAGE]->store, s.log.id, s.log.size - 1,
			   1, LABEL_ALL, &run, &err),
		&err);
	s.leaf = run.record[0].leaf;
	run_free(&run);
	fixture_ok(run_get(f, &s, &err), &err);
	check_get(f, NULL, ERR_OK);
	assert_true(every_request(f, run_get, check_get, &s) > 10);
	buf_free(&s.document);
}

/* ---- opening ---- */

struct open_step {
	char data[128];
	uint64_t size;	/* of the log */
	uint64_t noted; /* of its newest checkpoint in the segments */
	bool rebuild;
};

static enum err_code run_open(struct fixture *f, void *arg, struct err *err)
{
	struct open_step *s = arg;
	struct store_options opt = {
		.mode = STORE_WRITE, .rebuild_index = s->rebuild};
	struct store *store = NULL;
	enum err_code rc = store_open(s->data, &opt, &store, err);

	(void)f;
	store_close(store);
	return rc;
}

/* What was acknowledged is not taken for the end of a broken write. */
static void check_open(struct fixture *f, void *arg, enum err_code rc)
{
	const struct store_options opt = {.mode = STORE_WRITE};
	struct open_step *s = arg;
	struct store *store = NULL;
	struct log_info log;
	struct err err;

	(void)f;
	(void)rc;
	fixture_ok(store_open(s->data, &opt, &store, &err), &err);
	fixture_ok(store_log_own(store, &log, &err), &err);
	assert_int_equal(log.size, s->size);
	if (!s->noted)
		s->noted = log.checkpoint_size;
	assert_true(log.checkpoint_size > 0);
	assert_int_equal(log.checkpoint_size, s->noted);
	store_close(store);
}

static void a_store_is_opened_or_not(void **state)
{
	struct fixture *f = *state;
	struct open_step s = {.rebuild = false};
	struct err err;

	s.size = fixture_log(f, VILLAGE).size;
	snprintf(s.data, sizeof(s.data), "%s", f->node[VILLAGE]->data);
	node_close(f->node[VILLAGE]);
	f->node[VILLAGE] = NULL;
	check_open(f, &s, ERR_OK);
	assert_true(every_request(f, run_open, check_open, &s) > 20);
	s.rebuild = true;
	assert_true(every_request(f, run_open, check_open, &s) > 20);
	fixture_ok(
		node_open(s.data, STORE_WRITE, &f->node[VILLAGE], &err), &err);
	assert_sound(f->node[VILLAGE]);
}

/* ---- put ---- */

struct put_step {
	struct buf text;
	struct receipt receipt;
	uint64_t size; /* of the log before */
};

static enum err_code commit_one(
	struct node *n, struct captured *c, struct receipt *r, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	if ((rc = batch_begin(n->store, &b, err)))
		return rc;
	if ((rc = capture_commit(b, c, r, err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, node_sign, n, err);
}

static enum err_code run_put(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	struct rules *rules = node_rules(n);
	struct capture_source src = {.node = n, .rules = rules};
	struct captured *c = NULL;
	struct put_step *s = arg;
	enum err_code rc;

	rc = capture_prepare(
		&src, (const char *)s->text.data, s->text.len, NULL, &c, err);
	if (!rc)
		rc = commit_one(n, c, &s->receipt, err);
	captured_free(c);
	rules_unref(rules);
	return rc;
}

/* Whole or not there; the same store takes the next one. */
static void check_put(struct fixture *f, void *arg, enum err_code rc)
{
	struct put_step *s = arg;
	struct log_info log = fixture_log(f, VILLAGE);

	s->size += rc == ERR_OK;
	assert_int_equal(log.size, s->size);
	assert_int_equal(log.checkpoint_size, s->size);
	if (rc == ERR_OK) {
		struct run run = {.count = 0};
		struct err err;

		fixture_ok(store_read(f->node[VILLAGE]->store, log.id,
				   s->receipt.seq, 1, LABEL_ALL, &run, &err),
			&err);
		assert_true(
			digest_equal(&run.record[0].leaf, &s->receipt.leaf));
		run_free(&run);
	}
}

static void a_put_is_whole_or_not_there(void **state)
{
	struct fixture *f = *state;
	struct json *document = fixture_document_of("service-case", VILLAGE);
	struct put_step s = {.text = BUF_EMPTY};
	struct err err;

	fixture_ok(json_write(document, &s.text, &err), &err);
	s.size = fixture_log(f, VILLAGE).size;
	assert_true(every_request(f, run_put, check_put, &s) > 50);
	assert_sound(f->node[VILLAGE]);
	check_get(f, NULL, ERR_OK);
	assert_int_equal(fixture_log(f, VILLAGE).size, s.size);
	assert_sound(f->node[VILLAGE]);
	json_free(document);
	buf_free(&s.text);
}

/* ---- fsck ---- */

static void count_fault(void *arg, const char *where, const char *what)
{
	/* Running out of memory is no fault of the store. */
	print_error("%s: %s\n", where, what);
	++*(uint64_t *)arg;
}

static enum err_code run_fsck(struct fixture *f, void *arg, struct err *err)
{
	struct fsck_result result;

	return store_fsck(
		f->node[VILLAGE]->store, 1, count_fault, arg, &result, err);
}

static void fsck_ends_or_finds_no_fault(void **state)
{
	uint64_t faults = 0;

	assert_true(every_request(*state, run_fsck, NULL, &faults) > 20);
	assert_int_equal(faults, 0);
}

/* ---- exchange ---- */

struct carry_step {
	struct log_info log;
	struct buf checkpoint, package;
	uint64_t known, size; /* of the log at the township */
};

static enum err_code run_make(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	struct carry_step *s = arg;
	uint64_t next;
	enum err_code rc;

	buf_clear(&s->checkpoint);
	buf_clear(&s->package);
	rc = exchange_make_checkpoint(
		n, &s->log, s->known, &s->checkpoint, err);
	if (!rc)
		rc = exchange_make_package(n, n->rules, &s->log,
			fixture_code(TOWNSHIP), s->size, s->log.checkpoint_size,
			(size_t)1 << 20, &s->package, &next, NULL, err);
	return rc;
}

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

static enum err_code run_take(struct fixture *f, void *arg, struct err *err)
{
	struct node *n = f->node[TOWNSHIP];
	const char *from = fixture_code(VILLAGE);
	struct carry_step *s = arg;
	struct taken *t = NULL;
	enum err_code rc;

	rc = exchange_take_checkpoint(n, n->rules, from, s->checkpoint.data,
		s->checkpoint.len, &t, NULL, err);
	if (!rc)
		rc = store_taken(n, t, err);
	taken_free(t);
	t = NULL;
	if (rc && rc != ERR_BUSY) /* known from the try before */
		return rc;
	rc = exchange_take_package(
		n, n->rules, from, s->package.data, s->package.len, &t, err);
	if (!rc)
		rc = store_taken(n, t, err);
	taken_free(t);
	return rc;
}

/* Whole or not there; once it is there, the next records are tried. */
static void check_take(struct fixture *f, void *arg, enum err_code rc)
{
	struct carry_step *s = arg;
	struct log_info there = {.size = 0};
	struct err err;

	if (store_log_find(
		    f->node[TOWNSHIP]->store, s->log.origin, &there, &err))
		there = (struct log_info){.size = 0};
	assert_int_equal(there.size, rc ? s->size : s->log.size);
	if (rc)
		return;
	s->size = there.size;
	s->known = exchange_known_size(&there);
	fixture_put(f, VILLAGE, 1);
	s->log = fixture_log(f, VILLAGE);
	fixture_ok(run_make(f, s, &err), &err);
}

static void a_log_is_given_and_taken_or_not(void **state)
{
	struct fixture *f = *state;
	struct carry_step s = {.checkpoint = BUF_EMPTY, .package = BUF_EMPTY};

	s.log = fixture_log(f, VILLAGE);
	assert_true(every_request(f, run_make, NULL, &s) > 10);
	assert_true(every_request(f, run_take, check_take, &s) > 20);
	assert_sound(f->node[TOWNSHIP]);
	buf_free(&s.checkpoint);
	buf_free(&s.package);
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

static void a_segment_is_packed_or_stays(void **state)
{
	struct fixture *f = *state;
	/* Requests are much alike, record by record. */
	uint64_t stride = getenv("CUNDANG_TEST_LONG") ? 7 : 97;
	struct pack_step s;

	pack_prepare(f, &s);
	assert_true(some_requests(f, stride, run_pack, check_pack, &s) > 50);
	store_close(s.store);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_document_is_parsed_or_not),
		test(a_run_is_decoded_or_not),
		test(a_record_is_shown_or_not),
		test(a_store_is_opened_or_not),
		test(a_put_is_whole_or_not_there),
		test(a_segment_is_packed_or_stays),
		test(fsck_ends_or_finds_no_fault),
		test(a_log_is_given_and_taken_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
