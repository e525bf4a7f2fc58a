/* test_repair.c - what a neighbour gives of damaged entries is taken when it is
 * what was asked for, under the signed root, and no more than we may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static int setup(void **state)
{
	static struct fixture f;

	fixture_all(&f);
	fixture_put(&f, VILLAGE, 300);
	fixture_carry(&f, VILLAGE, TOWNSHIP, f.node[VILLAGE]->origin);
	*state = &f;
	return 0;
}

static struct again question(struct fixture *f, uint64_t from, uint64_t count)
{
	struct log_info log = fixture_log(f, VILLAGE);
	struct again a = {
		.from = from, .count = count, .size = log.checkpoint_size};

	memcpy(a.origin, log.origin, sizeof(a.origin));
	return a;
}

/* `giver` answers as if to `to`. */
static void answer(struct fixture *f, enum fixture_place giver,
	const struct again *a, const char *to, struct buf *out)
{
	struct rules *rules = node_rules(f->node[giver]);
	struct err err;

	fixture_ok(exchange_make_entries(
			   f->node[giver], rules, a, to, out, NULL, &err),
		&err);
	rules_unref(rules);
}

static enum err_code take(struct fixture *f, enum fixture_place taker,
	const struct again *a, const struct buf *bytes, uint64_t *count,
	struct err *err)
{
	struct rules *rules = node_rules(f->node[taker]);
	struct brought *b = NULL;
	uint64_t useful;
	enum err_code rc = exchange_take_entries(f->node[taker], rules, a,
		bytes->data, bytes->len, &b, count, &useful, err);

	if (rc == ERR_OK)
		assert_int_equal(useful, 0);
	brought_free(b);
	rules_unref(rules);
	return rc;
}

static void an_honest_answer_is_taken(void **state)
{
	struct fixture *f = *state;
	const uint64_t froms[] = {0, 17, 255, 256, 299};
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(froms); i++) {
		struct again a = question(f, froms[i], 1);
		struct buf bytes = BUF_EMPTY;
		uint64_t count = 0;

		answer(f, TOWNSHIP, &a, fixture_code(VILLAGE), &bytes);
		fixture_ok(take(f, VILLAGE, &a, &bytes, &count, &err), &err);
		assert_int_equal(count, 1);
		buf_free(&bytes);
	}
}

static void each_altered_byte_is_refused(void **state)
{
	struct fixture *f = *state;
	struct again a = question(f, 3, 4);
	struct buf bytes = BUF_EMPTY;
	uint64_t count;
	struct err err;

	answer(f, TOWNSHIP, &a, fixture_code(VILLAGE), &bytes);
	for (size_t at = 0; at < bytes.len; at += 1 + bytes.len / 97) {
		bytes.data[at] ^= 1;
		assert_int_equal(take(f, VILLAGE, &a, &bytes, &count, &err),
			ERR_PROTOCOL);
		bytes.data[at] ^= 1;
	}
	for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 29) {
		struct buf cut = {.data = bytes.data, .len = len};

		assert_int_equal(
			take(f, VILLAGE, &a, &cut, &count, &err), ERR_PROTOCOL);
	}
	buf_free(&bytes);
}

static void the_answer_to_another_question_is_refused(void **state)
{
	struct fixture *f = *state;
	struct again asked = question(f, 3, 4);
	struct again others[] = {asked, asked, asked};
	uint64_t count;
	struct err err;

	others[0].from = 4;
	others[1].count = 9;
	others[2].size -= 20;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct buf bytes = BUF_EMPTY;

		answer(f, TOWNSHIP, &others[i], fixture_code(VILLAGE), &bytes);
		assert_int_equal(take(f, VILLAGE, &asked, &bytes, &count, &err),
			ERR_PROTOCOL);
		buf_free(&bytes);
	}
}

static void parts_above_the_clearance_are_refused(void **state)
{
	struct fixture *f = *state;
	struct again a = question(f, 0, 200);
	struct buf honest = BUF_EMPTY;
	struct buf lavish = BUF_EMPTY;
	uint64_t count;
	struct err err;

	answer(f, VILLAGE, &a, fixture_code(TOWNSHIP), &honest);
	fixture_ok(take(f, TOWNSHIP, &a, &honest, &count, &err), &err);
	/* All that is the village's own. */
	answer(f, VILLAGE, &a, fixture_code(VILLAGE), &lavish);
	assert_int_equal(
		take(f, TOWNSHIP, &a, &lavish, &count, &err), ERR_DENIED);
	buf_free(&honest);
	buf_free(&lavish);
}

static void what_is_not_in_one_tile_is_not_given(void **state)
{
	struct fixture *f = *state;
	struct again bad[] = {question(f, 250, 10), question(f, 0, 0),
		question(f, 0, 257), question(f, 5000, 1)};
	struct rules *rules = node_rules(f->node[TOWNSHIP]);
	struct buf out = BUF_EMPTY;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			exchange_make_entries(f->node[TOWNSHIP], rules, &bad[i],
				fixture_code(VILLAGE), &out, NULL, &err),
			ERR_PROTOCOL);
	bad[0] = question(f, 0, 1);
	bad[0].size += 1000;
	assert_int_equal(
		exchange_make_entries(f->node[TOWNSHIP], rules, &bad[0],
			fixture_code(VILLAGE), &out, NULL, &err),
		ERR_NOT_FOUND);
	assert_int_equal(out.len, 0);
	buf_free(&out);
	rules_unref(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_answer_is_taken),
		cmocka_unit_test(each_altered_byte_is_refused),
		cmocka_unit_test(the_answer_to_another_question_is_refused),
		cmocka_unit_test(parts_above_the_clearance_are_refused),
		cmocka_unit_test(what_is_not_in_one_tile_is_not_given),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
