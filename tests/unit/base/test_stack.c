/* test_stack.c - what functions leave on the stack behind them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

#define LEFT ((size_t)48 << 10)
#define BELOW ((size_t)96 << 10)
#define MARK 0xc9

static __attribute__((noinline)) void leave_marks(void)
{
	uint8_t room[LEFT];

	memset(room, MARK, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
}

/* So many marks stand below `top`, read as another process would. */
static size_t count_marks(uintptr_t top, uint8_t *below)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t count = 0;
	ssize_t n;

	assert_true(fd >= 0);
	n = pread(fd, below, BELOW, (off_t)(top - BELOW));
	close(fd);
	assert_int_equal(n, BELOW);
	for (size_t i = 0; i < BELOW; i++)
		count += below[i] == MARK;
	return count;
}

static void what_a_function_left_is_overwritten(void **state)
{
	uintptr_t top = (uintptr_t)__builtin_frame_address(0);
	uint8_t *below = test_malloc(BELOW);

	(void)state;
	leave_marks();
	assert_true(count_marks(top, below) >= LEFT / 2);
	stack_forget();
	assert_true(count_marks(top, below) < LEFT / 64);
	test_free(below);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_function_left_is_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
