/* test_finder.c - what was added is found, after any number of merges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "store/finder.h"
#include "store/ids.h"

#define GAP ((uint64_t)1 << 40) /* wider than any one run */

static struct digest digest_at(uint64_t n)
{
	return digest_of(&n, sizeof(n));
}

static struct index *open_index(void **state)
{
	struct index *ix = NULL;
	struct err err;

	if (index_open(*state, true, false, &ix, &err))
		fail_msg("%s", err.text);
	return ix;
}

static struct index_txn *begin(struct index *ix)
{
	struct index_txn *t = NULL;

	assert_int_equal(index_begin(ix, true, &t, NULL), ERR_OK);
	return t;
}

static void add(struct index_txn *t, uint64_t first, size_t count)
{
	struct finder_entry *e = calloc(count + 1, sizeof(*e));

	assert_non_null(e);
	for (size_t i = 0; i < count; i++) {
		struct digest d = digest_at(first + i);

		e[i] = finder_entry_of(t, &d, first + i);
	}
	assert_int_equal(finder_add(t, DB_DIGEST, e, count, NULL), ERR_OK);
	free(e);
}

static enum err_code is_it(void *arg, uint64_t arrival, struct err *err)
{
	(void)err;
	return arrival == *(uint64_t *)arg ? ERR_OK : ERR_NOT_FOUND;
}

static bool has(struct index_txn *t, uint64_t n)
{
	struct digest d = digest_at(n);

	return finder_find(t, DB_DIGEST, &d, is_it, &n, NULL) == ERR_OK;
}

static void all_are_found_whatever_came_at_once(void **state)
{
	static const size_t sizes[] = {1, 3, 63, 64, 1000, 1, 5000, 17};
	struct index *ix = open_index(state);
	struct index_txn *t = begin(ix);
	uint64_t next = 1;

	for (size_t i = 0; i < 300; i++) {
		size_t count = sizes[i % 8];

		add(t, next, count);
		next += count;
	}
	add(t, 0, 0);
	for (uint64_t n = 1; n < next; n++)
		if (!has(t, n))
			fail_msg("%llu of %llu is lost", (unsigned long long)n,
				(unsigned long long)next);
	for (uint64_t n = next; n < next + 1000; n++)
		assert_false(has(t, n));
	assert_true(index_count(t, DB_DIGEST) < 16 * 5);
	index_abort(t);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
}

static void arrivals_far_apart_share_a_run(void **state)
{
	struct index *ix = open_index(state);
	struct index_txn *t = begin(ix);

	for (uint64_t i = 0; i < 16; i++)
		add(t, 1 + i * GAP, 1);
	assert_int_equal(index_count(t, DB_DIGEST), 1);
	for (uint64_t i = 0; i < 16; i++)
		assert_true(has(t, 1 + i * GAP));
	index_abort(t);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
}

/* As one makes them who looks for digests that begin alike. */
static struct digest alike(uint64_t n)
{
	struct digest d = digest_at(n);

	memset(d.b, 0xab, 7);
	return d;
}

static enum err_code count_visit(void *arg, uint64_t arrival, struct err *err)
{
	(void)arrival;
	(void)err;
	++*(size_t *)arg;
	return ERR_NOT_FOUND;
}

static void digests_that_begin_alike_are_not_all_looked_at(void **state)
{
	static struct finder_entry e[2000];
	struct index *ix = open_index(state);
	struct index_txn *t = begin(ix);
	size_t visits = 0;

	for (uint64_t n = 0; n < ARRAY_LEN(e); n++) {
		struct digest d = alike(n);

		e[n] = finder_entry_of(t, &d, n);
	}
	assert_int_equal(
		finder_add(t, DB_DIGEST, e, ARRAY_LEN(e), NULL), ERR_OK);
	for (uint64_t n = 0; n < ARRAY_LEN(e); n++) {
		struct digest d = alike(n);
		uint64_t sought = n;

		assert_int_equal(
			finder_find(t, DB_DIGEST, &d, is_it, &sought, NULL),
			ERR_OK);
		assert_int_equal(finder_find(t, DB_DIGEST, &d, count_visit,
					 &visits, NULL),
			ERR_NOT_FOUND);
	}
	/* Of two million pairs none has a print in common but by chance. */
	assert_in_range(visits, ARRAY_LEN(e), ARRAY_LEN(e) + 20);
	index_abort(t);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
}

/* A print of it, and whether it is the same when it is opened again. */
static uint32_t print_in(void **state)
{
	struct index *ix = open_index(state);
	struct index_txn *t = begin(ix);
	struct digest d = digest_at(1);
	uint32_t print = finder_entry_of(t, &d, 1).print;

	assert_int_equal(index_commit(t, NULL), ERR_OK);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
	assert_int_equal(index_open(*state, false, true, &ix, NULL), ERR_OK);
	assert_int_equal(index_begin(ix, false, &t, NULL), ERR_OK);
	assert_int_equal(finder_entry_of(t, &d, 1).print, print);
	index_abort(t);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
	return print;
}

static void an_index_has_prints_of_its_own(void **state)
{
	uint32_t first = print_in(state);

	assert_int_equal(print_in(state), first);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(index_delete(*state, NULL), ERR_OK);
		if (print_in(state) != first)
			return;
	}
	fail_msg("another index has the same prints");
}

struct seen {
	size_t count;
	uint64_t last;
};

static enum err_code see(void *arg, uint64_t arrival, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	assert_true(arrival > s->last);
	s->last = arrival;
	s->count++;
	return ERR_OK;
}

static void ids_come_in_order_of_arrival(void **state)
{
	struct index *ix = open_index(state);
	struct index_txn *t = begin(ix);
	struct ids ids = {0};
	struct id_row known[2] = {
		{.uuid = {7}, .arrival = 8}, {.uuid = {49}, .arrival = 8000}};
	struct seen seen = {0};
	uint64_t arrival = 1;
	uint32_t at;
	bool all = false;

	for (size_t group = 0; group < 40; group++) {
		for (size_t i = 0; i < 200; i++, arrival++) {
			struct entry e = {.rev = 1 + i % 3};

			e.uuid[0] = (uint8_t)(i % 50);
			assert_int_equal(
				ids_add(&ids, &e, arrival, NULL), ERR_OK);
		}
		at = ids_find(&ids, (const uint8_t[UUID_SIZE]){7});
		for (size_t i = 0; i < 4; i++, at = ids.rows[at].more)
			assert_int_equal(
				ids.rows[at].arrival, group * 200 + 8 + i * 50);
		assert_int_equal(at, 0);
		assert_int_equal(
			ids_find(&ids, (const uint8_t[UUID_SIZE]){50}), 0);
		assert_int_equal(ids_flush(&ids, t, NULL), ERR_OK);
	}
	assert_int_equal(
		ids_each(t, (const uint8_t[UUID_SIZE]){7}, see, &seen, NULL),
		ERR_OK);
	assert_int_equal(seen.count, 160);
	assert_int_equal(ids_known(t, known, 2, &all, NULL), ERR_OK);
	assert_true(all);
	known[1].arrival++;
	assert_int_equal(ids_known(t, known, 2, &all, NULL), ERR_OK);
	assert_false(all);
	assert_int_equal(ids_known(t, known, 1, &all, NULL), ERR_OK);
	assert_true(all);
	index_abort(t);
	assert_int_equal(index_close(ix, false, NULL), ERR_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_are_found_whatever_came_at_once),
		TEST(arrivals_far_apart_share_a_run),
		TEST(digests_that_begin_alike_are_not_all_looked_at),
		TEST(an_index_has_prints_of_its_own),
		TEST(ids_come_in_order_of_arrival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
