/* test_buf.c - the growing buffer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"

static void appends_big_endian_integers(void **state)
{
	static const uint8_t expected[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_u8(&b, 1);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0f);
	assert_int_equal(buf_ok(&b, NULL), ERR_OK);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	buf_free(&b);
}

static void grows_over_many_appends(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%04d", i);
	assert_int_equal(b.len, 40000);
	assert_memory_equal(b.data + 4 * 1234, "1234", 4);
	assert_int_equal(strlen(buf_cstr(&b)), 40000);
	assert_int_equal(b.len, 40000);
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.len + b.cap, 0);
}

static void an_empty_buffer_has_an_empty_text(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_add(&b, NULL, 0);
	buf_str(&b, "");
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
	buf_free(NULL);
	buf_wipe(NULL);
}

static void clearing_keeps_the_memory(void **state)
{
	struct buf b = BUF_EMPTY;
	uint8_t *before;

	(void)state;
	buf_str(&b, "abc");
	before = b.data;
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	buf_str(&b, "de");
	assert_ptr_equal(b.data, before);
	assert_string_equal(buf_cstr(&b), "de");
	buf_wipe(&b);
	assert_null(b.data);
}

static void running_out_of_memory_sticks(void **state)
{
	struct buf b = BUF_EMPTY;
	struct err err;

	(void)state;
	buf_str(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_null(buf_reserve(&b, SIZE_MAX / 2));
	buf_str(&b, "def");
	buf_printf(&b, "%d", 1);
	assert_int_equal(b.len, 3);
	assert_null(buf_cstr(&b));
	assert_int_equal(buf_ok(&b, &err), ERR_NOMEM);
	buf_clear(&b);
	buf_str(&b, "g");
	assert_int_equal(buf_ok(&b, &err), ERR_OK);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_big_endian_integers),
		cmocka_unit_test(grows_over_many_appends),
		cmocka_unit_test(an_empty_buffer_has_an_empty_text),
		cmocka_unit_test(clearing_keeps_the_memory),
		cmocka_unit_test(running_out_of_memory_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
