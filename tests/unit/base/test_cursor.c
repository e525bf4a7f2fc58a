/* test_cursor.c - reading outside bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

static void reads_what_buf_wrote(void **state)
{
	struct buf b = BUF_EMPTY;
	struct cursor c;
	uint8_t copy[3];

	(void)state;
	buf_u8(&b, 0xfe);
	buf_u16(&b, 0xfedc);
	buf_u32(&b, 0xfedcba98);
	buf_u64(&b, 0xfedcba9876543210);
	buf_str(&b, "abc");
	c = cursor_over(b.data, b.len);
	assert_int_equal(cursor_u8(&c), 0xfe);
	assert_int_equal(cursor_u16(&c), 0xfedc);
	assert_int_equal(cursor_u32(&c), 0xfedcba98);
	assert_true(cursor_u64(&c) == 0xfedcba9876543210);
	assert_false(cursor_done(&c));
	cursor_copy(&c, copy, sizeof(copy));
	assert_memory_equal(copy, "abc", 3);
	assert_true(cursor_done(&c));
	buf_free(&b);
}

static void failure_sticks(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct cursor c = cursor_over(bytes, sizeof(bytes));
	uint8_t copy[2] = {9, 9};
	size_t len = 9;

	(void)state;
	assert_int_equal(cursor_u32(&c), 0);
	assert_false(cursor_ok(&c));
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_bytes(&c, 1));
	assert_null(cursor_bytes(&c, 0));
	assert_null(cursor_line(&c, &len));
	assert_int_equal(len, 0);
	cursor_copy(&c, copy, sizeof(copy));
	assert_int_equal(copy[0] + copy[1], 0);
	assert_false(cursor_done(&c));
}

static void a_length_from_outside_cannot_leave_the_input(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct cursor c = cursor_over(bytes, sizeof(bytes));

	(void)state;
	assert_null(cursor_bytes(&c, SIZE_MAX));
	assert_false(cursor_ok(&c));
}

static void no_input_is_done_at_once(void **state)
{
	struct cursor c = cursor_over(NULL, 0);

	(void)state;
	assert_true(cursor_done(&c));
	assert_non_null(cursor_bytes(&c, 0));
	assert_true(cursor_done(&c));
	assert_int_equal(cursor_u8(&c), 0);
	assert_false(cursor_ok(&c));
}

static void lines_end_in_a_newline(void **state)
{
	struct cursor c = cursor_over("ab\n\nrest", 8);
	size_t len;

	(void)state;
	assert_memory_equal(cursor_line(&c, &len), "ab", 2);
	assert_int_equal(len, 2);
	assert_non_null(cursor_line(&c, &len));
	assert_int_equal(len, 0);
	assert_null(cursor_line(&c, &len));
	assert_false(cursor_ok(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_buf_wrote),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(a_length_from_outside_cannot_leave_the_input),
		cmocka_unit_test(no_input_is_done_at_once),
		cmocka_unit_test(lines_end_in_a_newline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
