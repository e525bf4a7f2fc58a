/* test_number.c - strict decimal numbers and checked arithmetic. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"

static void reads_decimal_numbers(void **state)
{
	uint64_t v = 9;

	(void)state;
	assert_true(number_parse("0", 1, 10, &v));
	assert_int_equal(v, 0);
	assert_true(number_parse("1024x", 4, 1024, &v));
	assert_int_equal(v, 1024);
	assert_true(number_parse("18446744073709551615", 20, UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
}

static void refuses_what_is_none(void **state)
{
	static const char *const bad[] = {"", "00", "01", "+1", "-1", " 1",
		"1 ", "1.0", "0x1", "1a", "1025", "18446744073709551616",
		"99999999999999999999999"};
	size_t ran = 0;
	uint64_t v = 7;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		assert_false(
			number_parse(bad[ran], strlen(bad[ran]), 1024, &v));
		assert_int_equal(v, 7);
	}
	assert_int_equal(ran, 13);
}

static void checked_arithmetic_says_when_it_overflows(void **state)
{
	uint32_t small;
	uint64_t v;

	(void)state;
	assert_true(ckd_add(&v, UINT64_MAX, (uint64_t)1));
	assert_false(ckd_add(&v, UINT64_MAX - 1, (uint64_t)1));
	assert_true(v == UINT64_MAX);
	assert_true(ckd_mul(&small, (uint64_t)1 << 20, (uint64_t)1 << 12));
	assert_false(ckd_mul(&small, (uint64_t)1 << 20, (uint64_t)1 << 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_decimal_numbers),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(checked_arithmetic_says_when_it_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
