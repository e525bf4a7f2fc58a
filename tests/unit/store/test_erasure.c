/* test_erasure.c - when and why a part was destroyed, as bytes and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

static bool reads(uint64_t at, const void *why, uint8_t len)
{
	struct buf bytes = BUF_EMPTY;
	struct erasure e;
	struct cursor c;
	bool is;

	buf_u64(&bytes, at);
	buf_u8(&bytes, len);
	buf_add(&bytes, why, len);
	c = cursor_over(bytes.data, bytes.len);
	is = erasure_read(&c, &e) && cursor_done(&c);
	if (is) {
		assert_true(erasure_valid(&e));
		assert_int_equal(e.at, at);
		assert_memory_equal(e.why, why, len);
		assert_int_equal(strlen(e.why), len);
	}
	buf_free(&bytes);
	return is;
}

static void what_is_written_reads(void **state)
{
	static const struct erasure orders[] = {{0, ""}, {1, "a"},
		{1782000000, "销毁令〔2026〕7号"},
		{UINT64_C(253402271999), "z"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct buf bytes = BUF_EMPTY;
		struct erasure e;
		struct cursor c;

		erasure_write(&orders[i], &bytes);
		c = cursor_over(bytes.data, bytes.len);
		assert_true(erasure_read(&c, &e) && cursor_done(&c));
		assert_true(erasure_equal(&e, &orders[i]));
		for (size_t n = 0; n < bytes.len; n++) {
			c = cursor_over(bytes.data, n);
			assert_false(erasure_read(&c, &e));
		}
		buf_free(&bytes);
	}
}

static void only_a_short_line_of_text_is_a_reason(void **state)
{
	char why[ERASURE_WHY_SIZE];

	(void)state;
	memset(why, 'x', sizeof(why));
	assert_true(reads(0, why, ERASURE_WHY_SIZE - 1));
	assert_false(reads(0, why, ERASURE_WHY_SIZE));
	assert_true(reads(0, "a b", 3));
	assert_false(reads(0, "a\nb", 3));
	assert_false(reads(0, "a\0b", 3));
	assert_false(reads(0, "\x1b[2J", 4));
	assert_false(reads(0, "\x7f", 1));
	assert_false(reads(0, "\xc2\x9b", 2));	   /* a control of C1 */
	assert_false(reads(0, "\xe2\x80\xae", 3)); /* right to left */
	assert_false(reads(0, "\xe9\x94", 2));	   /* cut */
}

static void no_date_lies_beyond_the_calendar(void **state)
{
	struct erasure e = {UINT64_C(253402272000), ""};

	(void)state;
	assert_true(reads(e.at - 1, "", 0));
	assert_false(reads(e.at, "", 0));
	assert_false(erasure_valid(&e));
	assert_false(reads(UINT64_MAX, "", 0));
}

static void a_reason_without_an_end_is_none(void **state)
{
	struct erasure e = {0};

	(void)state;
	memset(e.why, 'x', sizeof(e.why));
	assert_false(erasure_valid(&e));
}

static void words_tell_both(void **state)
{
	struct erasure e = {1782000000, "order 7"};
	char text[ERASURE_TEXT_SIZE];

	(void)state;
	assert_string_equal(
		erasure_text(&e, text), "2026-06-21T08:00:00+08:00, order 7");
	assert_string_equal(erasure_text(&(struct erasure){0}, text), "?, ?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads),
		cmocka_unit_test(only_a_short_line_of_text_is_a_reason),
		cmocka_unit_test(no_date_lies_beyond_the_calendar),
		cmocka_unit_test(a_reason_without_an_end_is_none),
		cmocka_unit_test(words_tell_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
