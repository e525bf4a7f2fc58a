/* test_random.c - the kernel's random bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"

static void fills_all_bytes_and_never_twice_alike(void **state)
{
	uint8_t a[4096] = {0};
	uint8_t b[4096] = {0};
	unsigned int seen[256] = {0};

	(void)state;
	assert_int_equal(random_bytes(a, sizeof(a), NULL), ERR_OK);
	assert_int_equal(random_bytes(b, sizeof(b), NULL), ERR_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, a + 2048, 2048);
	for (size_t i = 0; i < sizeof(a); i++)
		seen[a[i]]++;
	/* 16 expected of each; 80 has a probability below 1e-25. */
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		assert_true(seen[i] < 80);
}

static void touches_nothing_else(void **state)
{
	uint8_t a[3] = {1, 2, 3};

	(void)state;
	assert_int_equal(random_bytes(a, 0, NULL), ERR_OK);
	assert_int_equal(random_bytes(a + 1, 1, NULL), ERR_OK);
	assert_int_equal(a[0], 1);
	assert_int_equal(a[2], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_all_bytes_and_never_twice_alike),
		cmocka_unit_test(touches_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
