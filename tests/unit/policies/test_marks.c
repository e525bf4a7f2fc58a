/* test_marks.c - parts destroyed before they could travel: what arrives of
 * them, and what does not come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/message.h"
#include "tests/unit/policies/fixture.h"

#define TARGET ((size_t)64 << 10)

static const struct erasure order = {1782000000, "销毁令 7"};

static struct log_info log_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(f->node[p]->store, origin, &log, &err), &err);
	return log;
}

static void destroy(struct fixture *f, enum fixture_place p, const char *origin,
	uint64_t seq, enum label label)
{
	struct node *n = f->node[p];
	struct erase_target part = {log_at(f, p, origin).id, seq, label};
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(batch_erase(b, &part, 1, &order, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
}

static void assert_record(struct fixture *f, enum fixture_place p,
	const char *origin, uint64_t seq, uint8_t have, uint8_t erased)
{
	struct node *n = f->node[p];
	struct run run = {0};
	const struct record *r;
	struct err err;

	fixture_ok(store_read(n->store, log_at(f, p, origin).id, seq, 1,
			   LABEL_ALL, &run, &err),
		&err);
	r = &run.record[0];
	assert_int_equal(r->have, have);
	assert_int_equal(r->erased, erased);
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (erased & LABEL_BIT(l))
			assert_true(erasure_equal(&r->erasure[l], &order));
	run_free(&run);
}

static uint64_t put_household(struct fixture *f)
{
	struct receipt r;

	fixture_capture(f, VILLAGE, fixture_document_of("household", VILLAGE),
		NULL, NULL, &r);
	return r.seq;
}

static uint64_t put_alert(struct fixture *f, enum fixture_place p)
{
	struct receipt r;

	fixture_capture(f, p, fixture_document_of("alert", p), NULL, NULL, &r);
	return r.seq;
}

#define PUBLIC LABEL_BIT(LABEL_PUBLIC)
#define INTERNAL LABEL_BIT(LABEL_INTERNAL)
#define PERSONAL LABEL_BIT(LABEL_PERSONAL)
#define SENSITIVE LABEL_BIT(LABEL_SENSITIVE)

/* ---- what a taker makes of a message ---- */

static enum err_code store_it(struct node *n, const struct taken *t)
{
	struct batch *b = NULL;
	struct err err;
	enum err_code rc;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	if ((rc = taken_store(b, t, &err))) {
		batch_abort(b);
		return rc;
	}
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	return ERR_OK;
}

static void take_checkpoint(struct fixture *f, const char *origin)
{
	struct node *n = f->node[TOWNSHIP];
	struct log_info log = log_at(f, VILLAGE, origin);
	struct taken *t = NULL;
	struct buf m = BUF_EMPTY;
	struct err err;

	fixture_ok(
		exchange_make_checkpoint(f->node[VILLAGE], &log, 0, &m, &err),
		&err);
	fixture_ok(exchange_take_checkpoint(n, n->rules, fixture_code(VILLAGE),
			   m.data, m.len, &t, NULL, &err),
		&err);
	assert_int_equal(store_it(n, t), ERR_OK);
	taken_free(t);
	buf_free(&m);
}

/* The whole log in one message. */
static void give_package(struct fixture *f, const char *origin, struct buf *out)
{
	struct node *n = f->node[VILLAGE];
	struct log_info log = log_at(f, VILLAGE, origin);
	uint64_t next;
	struct err err;

	fixture_ok(
		exchange_make_package(n, n->rules, &log, fixture_code(TOWNSHIP),
			0, log.checkpoint_size, TARGET, out, &next, NULL, &err),
		&err);
	assert_int_equal(next, log.size);
}

static enum err_code take_package(
	struct fixture *f, const struct buf *m, struct err *err)
{
	struct node *n = f->node[TOWNSHIP];
	struct taken *t = NULL;
	enum err_code rc;

	rc = exchange_take_package(
		n, n->rules, fixture_code(VILLAGE), m->data, m->len, &t, err);
	if (rc == ERR_OK)
		rc = store_it(n, t);
	taken_free(t);
	return rc;
}

static enum err_code carry_proved(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin, uint64_t seq)
{
	struct node *giver = f->node[from], *n = f->node[to];
	struct log_info log = log_at(f, from, origin);
	struct taken *t = NULL;
	struct buf m = BUF_EMPTY;
	struct err err;
	enum err_code rc;

	fixture_ok(exchange_make_proved(giver, giver->rules, &log, seq,
			   fixture_code(to), &m, NULL, &err),
		&err);
	rc = exchange_take_proved(
		n, n->rules, fixture_code(from), m.data, m.len, &t, &err);
	if (rc == ERR_OK)
		rc = store_it(n, t);
	taken_free(t);
	buf_free(&m);
	return rc;
}

/* ---- up ---- */

static void a_destroyed_part_arrives_as_a_mark(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	uint64_t a = put_household(f), b = put_household(f);
	struct log_info log;

	destroy(f, VILLAGE, origin, a, LABEL_PERSONAL);
	destroy(f, VILLAGE, origin, a, LABEL_SENSITIVE);
	destroy(f, VILLAGE, origin, b, LABEL_INTERNAL);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	log = log_at(f, COUNTY, origin);
	assert_int_equal(log.size, fixture_log(f, VILLAGE).size);
	assert_int_equal(log.checkpoint_size, log.size);

	assert_record(f, VILLAGE, origin, a, INTERNAL, PERSONAL | SENSITIVE);
	assert_record(f, TOWNSHIP, origin, a, INTERNAL, PERSONAL);
	assert_record(f, COUNTY, origin, a, INTERNAL, 0);
	assert_record(f, VILLAGE, origin, b, PERSONAL | SENSITIVE, INTERNAL);
	assert_record(f, TOWNSHIP, origin, b, PERSONAL, INTERNAL);
	assert_record(f, COUNTY, origin, b, 0, INTERNAL);
}

/* It says nothing of what is here already. */
static void a_mark_destroys_nothing_that_came_before(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	uint64_t seq = put_alert(f, VILLAGE);

	assert_int_equal(
		carry_proved(f, VILLAGE, TOWNSHIP, origin, seq), ERR_OK);
	destroy(f, VILLAGE, origin, seq, LABEL_INTERNAL);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	assert_record(f, TOWNSHIP, origin, seq, PUBLIC | INTERNAL, 0);
	assert_int_equal(
		carry_proved(f, VILLAGE, TOWNSHIP, origin, seq), ERR_BUSY);
	assert_record(f, TOWNSHIP, origin, seq, PUBLIC | INTERNAL, 0);
}

/* From an old copy, for instance. */
static void a_marked_part_is_taken_from_nobody(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	uint64_t seq = put_alert(f, VILLAGE);
	struct buf before = BUF_EMPTY, after = BUF_EMPTY;
	struct err err;

	give_package(f, origin, &before);
	destroy(f, VILLAGE, origin, seq, LABEL_INTERNAL);
	give_package(f, origin, &after);
	assert_int_equal(
		carry_proved(f, VILLAGE, TOWNSHIP, origin, seq), ERR_OK);
	assert_record(f, TOWNSHIP, origin, seq, PUBLIC, INTERNAL);
	take_checkpoint(f, origin);
	assert_int_equal(take_package(f, &before, &err), ERR_ERASED);
	assert_int_equal(log_at(f, TOWNSHIP, origin).size, 0);
	fixture_ok(take_package(f, &after, &err), &err);
	assert_record(f, TOWNSHIP, origin, seq, PUBLIC, INTERNAL);
	/* Once more changes nothing. */
	assert_int_equal(take_package(f, &after, &err), ERR_EXISTS);
	buf_free(&before);
	buf_free(&after);
}

/* ---- down ---- */

static void marks_go_down_with_their_record(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[COUNTY]->origin;
	uint64_t seq = put_alert(f, COUNTY);

	destroy(f, COUNTY, origin, seq, LABEL_INTERNAL);
	assert_int_equal(
		carry_proved(f, COUNTY, TOWNSHIP, origin, seq), ERR_OK);
	assert_int_equal(
		carry_proved(f, TOWNSHIP, VILLAGE, origin, seq), ERR_OK);
	assert_record(f, VILLAGE, origin, seq, PUBLIC, INTERNAL);
}

/* ---- false marks ---- */

struct false_mark {
	uint64_t seq;
	enum label label;
	const char *fault;
};

/* The message with one mark instead of those it had. */
static void mark_falsely(
	const struct buf *m, const struct false_mark *mark, struct buf *out)
{
	struct package_message p;
	struct buf marks = BUF_EMPTY;
	struct err err;

	fixture_ok(package_message_parse(m->data, m->len, &p, &err), &err);
	buf_u16(&marks, 1);
	buf_u8(&marks, (uint8_t)(mark->seq - p.start));
	buf_u8(&marks, (uint8_t)mark->label);
	erasure_write(&order, &marks);
	p.marks = (struct marks){marks.data, marks.len};
	package_message_write(&p, out);
	buf_add(out, p.run, p.run_len);
	buf_free(&marks);
}

static void false_marks_are_refused(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	uint64_t house = put_household(f), alert = put_alert(f, VILLAGE);
	const struct false_mark marks[] = {
		{house, LABEL_PERSONAL, "is here and marked as destroyed"},
		{house, LABEL_SENSITIVE, "above the clearance"},
		{alert, LABEL_SENSITIVE, "with those destroyed"},
		{0, LABEL_PUBLIC, "is marked as destroyed"},
		{alert + 1, LABEL_PUBLIC, "is marked as destroyed"},
	};
	struct buf m = BUF_EMPTY, forged = BUF_EMPTY;
	struct err err;

	take_checkpoint(f, origin);
	give_package(f, origin, &m);
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		buf_clear(&forged);
		mark_falsely(&m, &marks[i], &forged);
		assert_int_not_equal(take_package(f, &forged, &err), ERR_OK);
		if (!strstr(err.text, marks[i].fault))
			fail_msg("%zu: %s", i, err.text);
	}
	assert_int_equal(log_at(f, TOWNSHIP, origin).size, 0);
	fixture_ok(take_package(f, &m, &err), &err);
	buf_free(&m);
	buf_free(&forged);
}

int main(void)
{
#define test(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(a_destroyed_part_arrives_as_a_mark),
		test(a_mark_destroys_nothing_that_came_before),
		test(a_marked_part_is_taken_from_nobody),
		test(marks_go_down_with_their_record),
		test(false_marks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
