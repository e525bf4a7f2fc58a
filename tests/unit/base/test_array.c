/* test_array.c - room for one more element of an array that grows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/base.h"

struct wide {
	uint64_t n;
	char name[40];
};

static void keeps_all_elements_while_it_grows(void **state)
{
	struct wide *list = NULL;
	size_t count = 0, cap = 0;

	(void)state;
	for (; count < 1000; count++) {
		assert_true(grow(&list, &cap, count, sizeof(*list)));
		assert_true(cap > count);
		list[count] = (struct wide){.n = count, .name = "a name"};
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(list[i].n, i);
		assert_string_equal(list[i].name, "a name");
	}
	free(list);
}

static void moves_nothing_while_there_is_room(void **state)
{
	uint8_t *list = NULL, *first;
	size_t cap = 0, moves = 0;

	(void)state;
	for (size_t count = 0; count < 4096; count++) {
		size_t before = cap;

		first = list;
		assert_true(grow(&list, &cap, count, sizeof(*list)));
		if (cap == before)
			assert_ptr_equal(list, first);
		else
			moves++;
		list[count] = 1;
	}
	assert_int_equal(cap, 4096);
	assert_true(moves <= 12);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_all_elements_while_it_grows),
		cmocka_unit_test(moves_nothing_while_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
