/* test_query.c - the query of the feed and its cursors, taken and refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "syncd/syncd.h"

static struct feed_query query;

static enum err_code parse(const char *s)
{
	return feed_query_parse(s, strlen(s), &query, NULL);
}

static void an_empty_query_asks_for_a_hundred_from_the_beginning(void **state)
{
	(void)state;
	assert_int_equal(feed_query_parse(NULL, 0, &query, NULL), ERR_OK);
	assert_int_equal(query.limit, 100);
	assert_int_equal(query.wait_s, 0);
	assert_false(query.has_after);
	assert_int_equal(query.series_count, 0);
	assert_int_equal(parse("after="), ERR_OK);
	assert_false(query.has_after);
}

static void series_come_sorted_and_once(void **state)
{
	(void)state;
	assert_int_equal(parse("series=notice,alert%2cnotice"), ERR_OK);
	assert_int_equal(query.series_count, 2);
	assert_string_equal(query.series[0], "alert");
	assert_string_equal(query.series[1], "notice");
}

static void numbers_outside_their_bounds_are_refused(void **state)
{
	static const char *const bad[] = {"limit=0", "limit=1001", "limit=01",
		"limit=", "limit=-1", "wait=61", "wait=1s", "wait= 1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(parse(bad[i]), ERR_OK);
	assert_int_equal(parse("limit=1000&wait=60"), ERR_OK);
	assert_int_equal(query.limit, 1000);
	assert_int_equal(query.wait_s, 60);
}

static void what_is_unknown_or_repeated_is_refused(void **state)
{
	static const char *const bad[] = {"limt=1", "limit=1&limit=1", "limit",
		"limit=1&", "&limit=1", "=1", "series=", "series=a,",
		"series=A", "series=%zz", "series=%", "series=a%00", "after=x",
		"series=a b"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i]), ERR_USAGE);
}

static void more_series_than_the_limit_are_refused(void **state)
{
	struct buf s = BUF_EMPTY;

	(void)state;
	buf_str(&s, "series=");
	for (int i = 0; i <= QUERY_SERIES_LIMIT; i++)
		buf_printf(&s, "%ss%d", i ? "," : "", i);
	assert_int_equal(parse(buf_cstr(&s)), ERR_USAGE);
	buf_clear(&s);
	for (size_t i = 0; i <= QUERY_LIMIT; i++)
		buf_str(&s, "a");
	assert_int_equal(parse(buf_cstr(&s)), ERR_LIMIT);
	buf_free(&s);
}

static void a_cursor_is_read_as_it_was_written(void **state)
{
	struct feed_cursor c;
	char text[FEED_CURSOR_SIZE];
	const char *good = "0123456789abcdef-9007199254740992-0a1b2c3d";

	(void)state;
	assert_true(feed_cursor_parse(good, strlen(good), &c));
	assert_string_equal(c.epoch, "0123456789abcdef");
	assert_true(c.arrival == (uint64_t)1 << 53);
	assert_string_equal(c.filter, "0a1b2c3d");
	feed_cursor_write(&c, text);
	assert_string_equal(text, good);
}

static void a_cursor_of_another_shape_is_refused(void **state)
{
	static const char *const bad[] = {"", "0", "0123456789abcdef--0a1b2c3d",
		"0123456789abcdef-01-0a1b2c3d", "0123456789abcdeF-1-0a1b2c3d",
		"0123456789abcdef-1-0a1b2c3", "0123456789abcdef-1-0a1b2c3dd",
		"0123456789abcdef-9007199254740993-0a1b2c3d",
		"0123456789abcdef-1-0a1b2c3d-", "0123456789abcde-11-0a1b2c3d"};
	struct feed_cursor c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(feed_cursor_parse(bad[i], strlen(bad[i]), &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_empty_query_asks_for_a_hundred_from_the_beginning),
		cmocka_unit_test(series_come_sorted_and_once),
		cmocka_unit_test(numbers_outside_their_bounds_are_refused),
		cmocka_unit_test(what_is_unknown_or_repeated_is_refused),
		cmocka_unit_test(more_series_than_the_limit_are_refused),
		cmocka_unit_test(a_cursor_is_read_as_it_was_written),
		cmocka_unit_test(a_cursor_of_another_shape_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
