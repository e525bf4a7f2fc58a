/* test_cache.c - the last used blocks stay, as far as there is room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/cache.h"

#define BLOCK ((size_t)1 << 20)
#define ROOM ((size_t)24)

static struct place place_of(uint64_t n)
{
	return (struct place){(uint32_t)(n % 3) + 1, n * 4096};
}

static struct block *add(struct cache *c, uint64_t n, size_t bytes)
{
	struct block *b = block_new(BLOCK_PARTS, place_of(n));

	assert_non_null(b);
	b->bytes = bytes;
	cache_put(c, b);
	return b;
}

static void fill(struct cache *c, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		block_unpin(add(c, from, BLOCK));
}

static bool has(struct cache *c, uint64_t n)
{
	struct block *b = cache_get(c, place_of(n));

	if (b)
		assert_true(place_equal(b->at, place_of(n)));
	block_unpin(b);
	return b;
}

static void the_last_used_blocks_stay(void **state)
{
	struct cache *c = cache_new(ROOM * BLOCK);

	(void)state;
	fill(c, 0, ROOM);
	assert_true(has(c, 0));
	fill(c, ROOM, ROOM + 3);
	assert_true(has(c, 0));
	for (uint64_t n = 1; n < ROOM + 3; n++)
		assert_int_equal(has(c, n), n > 3);
	cache_clear(c);
	for (uint64_t n = 0; n < ROOM + 3; n++)
		assert_false(has(c, n));
	cache_free(c);
}

static void what_grows_takes_the_room_of_others(void **state)
{
	struct cache *c = cache_new(ROOM * BLOCK);
	struct block *b = add(c, 0, BLOCK);

	(void)state;
	fill(c, 1, ROOM);
	assert_true(has(c, 0));
	cache_grew(c, b, 2 * BLOCK);
	assert_int_equal(b->bytes, 3 * BLOCK);
	for (uint64_t n = 0; n < ROOM; n++)
		assert_int_equal(has(c, n), n == 0 || n > 2);
	cache_drop(c, b);
	assert_false(has(c, 0));
	cache_grew(c, b, BLOCK);
	fill(c, ROOM, ROOM + 3);
	for (uint64_t n = 3; n < ROOM + 3; n++)
		assert_true(has(c, n));
	block_unpin(b);
	cache_free(c);
}

static void one_that_is_too_large_is_not_kept(void **state)
{
	struct cache *c = cache_new(ROOM * BLOCK);

	(void)state;
	fill(c, 1, ROOM);
	block_unpin(add(c, 0, ROOM * BLOCK / 4 + 1));
	assert_false(has(c, 0));
	for (uint64_t n = 1; n < ROOM; n++)
		assert_true(has(c, n));
	cache_free(c);
}

/* As when two threads read it at the same time. */
static void of_two_in_one_place_the_newer_is_given(void **state)
{
	struct cache *c = cache_new(ROOM * BLOCK);
	struct block *old = add(c, 7, BLOCK);
	struct block *now = add(c, 7, BLOCK);
	struct block *got = cache_get(c, place_of(7));

	(void)state;
	assert_ptr_equal(got, now);
	cache_drop(c, old);
	assert_true(has(c, 7));
	block_unpin(got);
	block_unpin(old);
	block_unpin(now);
	cache_free(c);
}

static void what_nobody_used_in_between_is_tidied_away(void **state)
{
	struct cache *c = cache_new(ROOM * BLOCK);

	(void)state;
	fill(c, 0, 4);
	cache_tidy(c);
	for (uint64_t n = 0; n < 4; n++)
		assert_true(has(c, n));
	cache_tidy(c);
	assert_true(has(c, 2));
	fill(c, 4, 5);
	cache_tidy(c);
	for (uint64_t n = 0; n < 5; n++)
		assert_int_equal(has(c, n), n == 2 || n == 4);
	cache_tidy(c);
	cache_tidy(c);
	for (uint64_t n = 0; n < 5; n++)
		assert_false(has(c, n));
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_used_blocks_stay),
		cmocka_unit_test(what_grows_takes_the_room_of_others),
		cmocka_unit_test(one_that_is_too_large_is_not_kept),
		cmocka_unit_test(of_two_in_one_place_the_newer_is_given),
		cmocka_unit_test(what_nobody_used_in_between_is_tidied_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
