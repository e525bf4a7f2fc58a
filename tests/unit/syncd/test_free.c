/* test_free.c - the daemon's free() and realloc(). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MARK 0xc9

static int memory = -1;

static int open_memory(void **state)
{
	(void)state;
	memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	return memory < 0;
}

static int close_memory(void **state)
{
	(void)state;
	return close(memory);
}

/* So many marks stand there, read as another process would. */
static size_t marks_at(uintptr_t at, size_t len)
{
	uint8_t bytes[4096];
	size_t count = 0;

	assert_true(len <= sizeof(bytes));
	assert_int_equal(pread(memory, bytes, len, (off_t)at), len);
	for (size_t i = 0; i < len; i++)
		count += bytes[i] == MARK;
	return count;
}

static void *marked(size_t len)
{
	void *p = malloc(len);

	assert_non_null(p);
	memset(p, MARK, len);
	return p;
}

static void a_small_piece_is_overwritten_when_it_is_freed(void **state)
{
	static const size_t sizes[] = {24, 100, 500, 1032};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *p = marked(sizes[i]);
		uintptr_t at = (uintptr_t)p;

		assert_int_equal(marks_at(at, sizes[i]), sizes[i]);
		free(p);
		assert_int_equal(marks_at(at, sizes[i]), 0);
	}
	free(NULL);
}

static void what_moves_leaves_nothing_where_it_was(void **state)
{
	uint8_t *p = marked(200);
	uintptr_t at = (uintptr_t)p;

	(void)state;
	p = realloc(p, 4000);
	assert_non_null(p);
	assert_true((uintptr_t)p != at);
	assert_int_equal(marks_at((uintptr_t)p, 200), 200);
	assert_int_equal(marks_at(at, 200), 0);
	free(p);
}

static void what_is_cut_off_is_overwritten(void **state)
{
	uint8_t *p = marked(3000);
	uintptr_t at = (uintptr_t)p;

	(void)state;
	p = realloc(p, 2500);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p, at);
	assert_int_equal(marks_at(at, 3000), 2500);
	free(p);
}

static void realloc_takes_and_frees_as_ever(void **state)
{
	uint8_t *p = realloc(NULL, 40);

	(void)state;
	assert_non_null(p);
	memset(p, MARK, 40);
	for (size_t size = 50; size < 200000; size += size / 3) {
		p = realloc(p, size);
		assert_non_null(p);
		assert_int_equal(marks_at((uintptr_t)p, 40), 40);
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_piece_is_overwritten_when_it_is_freed),
		cmocka_unit_test(what_moves_leaves_nothing_where_it_was),
		cmocka_unit_test(what_is_cut_off_is_overwritten),
		cmocka_unit_test(realloc_takes_and_frees_as_ever),
	};

	return cmocka_run_group_tests(tests, open_memory, close_memory);
}
