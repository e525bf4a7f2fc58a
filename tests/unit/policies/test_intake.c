/* test_intake.c - many lines at once: each has its own answer, what was well
 * is stored together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "village.h"

static int open_county(void **state)
{
	(void)village_open(state, "330106000000");
	return 0;
}

struct lines {
	char *text[INTAKE_LINES_LIMIT];
	size_t len[INTAKE_LINES_LIMIT];
	size_t count;
	struct intake_result result[INTAKE_LINES_LIMIT];
};

static void lines_add(struct lines *l, const char *s)
{
	l->text[l->count] = strdup(s);
	assert_non_null(l->text[l->count]);
	l->len[l->count++] = strlen(s);
}

static void add_document(void *arg, const struct json *doc)
{
	struct buf b = BUF_EMPTY;

	assert_int_equal(json_write(doc, &b, NULL), ERR_OK);
	lines_add(arg, buf_cstr(&b));
	buf_free(&b);
}

static struct lines *lines_make(void)
{
	struct lines *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	return l;
}

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->text[i]);
	free(l);
}

static void take_in(struct village *v, struct lines *l)
{
	struct capture_source src = village_source(v);
	struct err err;

	village_ok(intake_lines(&src, v->pool, v->writer,
			   (const char *const *)l->text, l->len, l->count,
			   l->result, &err),
		&err);
}

static void every_generated_record_is_taken(void **state)
{
	struct lines *l = lines_make();

	assert_int_equal(sample_each(add_document, l), SAMPLE_SIZE);
	take_in(*state, l);
	for (size_t i = 0; i < l->count; i++) {
		if (l->result[i].rc)
			fail_msg("%zu: %s", i, l->result[i].text);
		assert_int_equal(l->result[i].receipt.seq, i);
		assert_int_equal(l->result[i].receipt.rev, 1);
	}
	assert_int_equal(village_size(*state), SAMPLE_SIZE);
	take_in(*state, l);
	for (size_t i = 0; i < l->count; i++) {
		assert_int_equal(l->result[i].rc, ERR_OK);
		assert_true(l->result[i].receipt.repeated);
		assert_int_equal(l->result[i].receipt.seq, i);
	}
	assert_int_equal(village_size(*state), SAMPLE_SIZE);
	lines_free(l);
}

#define SENSOR(id, extra)                                                      \
	"{\"series\":\"sensor\",\"id\":\"019d0000-0000-7000-8000-"             \
	"00000000000" id "\",\"node\":\"330106110201\","                       \
	"\"created_at\":\"2026-04-22T09:48:35Z\",\"fields\":{"                 \
	"\"device\":\"d\",\"kind\":\"k\",\"at\":\"2026-04-22T09:48:35Z\","     \
	"\"interval_s\":" extra "}}"

static void bad_lines_do_not_hold_up_good_ones(void **state)
{
	struct lines *l = lines_make();

	lines_add(l, SENSOR("1", "1"));
	lines_add(l, "{");
	lines_add(l, "  \r\n");
	lines_add(l, SENSOR("2", "\"1\""));
	lines_add(l,
		"{\"series\":\"sensor\",\"node\":\"330106999999\","
		"\"created_at\":\"2026-04-22T09:48:35Z\","
		"\"fields\":{}}");
	lines_add(l, SENSOR("3", "1"));
	take_in(*state, l);
	assert_int_equal(l->result[0].rc, ERR_OK);
	assert_int_equal(l->result[0].receipt.seq, 0);
	assert_int_equal(l->result[1].rc, ERR_INVALID);
	assert_int_equal(l->result[2].rc, ERR_OK);
	assert_int_equal(l->result[2].receipt.rev, 0);
	assert_int_equal(l->result[3].rc, ERR_INVALID);
	assert_string_equal(
		l->result[3].text, "fields.interval_s: not a number");
	assert_int_equal(l->result[4].rc, ERR_DENIED);
	assert_string_equal(l->result[4].text,
		"node: 330106999999 is no division of " VILLAGE_DOMAIN);
	assert_int_equal(l->result[5].rc, ERR_OK);
	assert_int_equal(l->result[5].receipt.seq, 1);
	assert_int_equal(village_size(*state), 2);
	lines_free(l);
}

static void an_id_twice_in_one_go_is_one_record_or_two_revisions(void **state)
{
	struct lines *l = lines_make();

	lines_add(l, SENSOR("1", "1"));
	lines_add(l, SENSOR("1", "1"));
	lines_add(l, SENSOR("1", "2"));
	take_in(*state, l);
	assert_false(l->result[0].receipt.repeated);
	assert_true(l->result[1].receipt.repeated);
	assert_int_equal(l->result[1].receipt.rev, 1);
	assert_int_equal(l->result[1].receipt.seq, 0);
	assert_int_equal(l->result[2].receipt.rev, 2);
	assert_int_equal(l->result[2].receipt.seq, 1);
	lines_free(l);
}

static enum err_code refuse_to_sign(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	(void)arg;
	(void)cp;
	(void)note;
	return err_set(err, ERR_DENIED, "the key is away");
}

static void a_failed_commit_is_told_on_every_line_and_stores_nothing(
	void **state)
{
	struct village *v = *state;
	struct capture_source src = village_source(v);
	struct lines *l = lines_make();
	struct err err;

	writer_stop(v->writer);
	village_ok(writer_start(
			   v->node.store, refuse_to_sign, v, &v->writer, &err),
		&err);
	lines_add(l, SENSOR("1", "1"));
	lines_add(l, "{");
	assert_int_equal(intake_lines(&src, v->pool, v->writer,
				 (const char *const *)l->text, l->len, l->count,
				 l->result, &err),
		ERR_DENIED);
	assert_int_equal(l->result[0].rc, ERR_DENIED);
	assert_non_null(strstr(l->result[0].text, "the key is away"));
	assert_int_equal(l->result[1].rc, ERR_INVALID);
	assert_int_equal(village_size(v), 0);
	lines_free(l);
}

/* The second is prepared before the first is told of, and knows of it. */
static void two_at_once_keep_their_order(void **state)
{
	struct village *v = *state;
	struct capture_source src = village_source(v);
	struct lines *l[2] = {lines_make(), lines_make()};
	struct intake *in[2];
	struct err err;

	lines_add(l[0], SENSOR("1", "1"));
	lines_add(l[0], "{");
	lines_add(l[1], SENSOR("1", "1"));
	lines_add(l[1], SENSOR("1", "2"));
	for (size_t i = 0; i < 2; i++)
		village_ok(intake_begin(&src, v->pool, v->writer,
				   (const char *const *)l[i]->text, l[i]->len,
				   l[i]->count, l[i]->result, &in[i], &err),
			&err);
	for (size_t i = 0; i < 2; i++)
		village_ok(intake_finish(in[i], &err), &err);
	assert_int_equal(l[0]->result[0].rc, ERR_OK);
	assert_int_equal(l[0]->result[1].rc, ERR_INVALID);
	assert_true(l[1]->result[0].receipt.repeated);
	assert_int_equal(l[1]->result[0].receipt.seq, 0);
	assert_int_equal(l[1]->result[1].receipt.rev, 2);
	assert_int_equal(village_size(v), 2);
	lines_free(l[0]);
	lines_free(l[1]);
}

static void too_many_lines_are_refused(void **state)
{
	struct village *v = *state;
	struct capture_source src = village_source(v);

	assert_int_equal(intake_lines(&src, v->pool, v->writer, NULL, NULL,
				 INTAKE_LINES_LIMIT + 1, NULL, NULL),
		ERR_LIMIT);
	assert_int_equal(intake_lines(&src, v->pool, v->writer, NULL, NULL, 0,
				 NULL, NULL),
		ERR_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_county, village_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_generated_record_is_taken),
		TEST(bad_lines_do_not_hold_up_good_ones),
		TEST(an_id_twice_in_one_go_is_one_record_or_two_revisions),
		TEST(a_failed_commit_is_told_on_every_line_and_stores_nothing),
		TEST(two_at_once_keep_their_order),
		TEST(too_many_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
