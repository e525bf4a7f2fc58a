/* test_extent.c - the file that knows how far the segments went. */
#include "records.h"

#include <unistd.h>

#include "store/extent.h"

static struct extent sample(void)
{
	struct extent e = {.store = {1, 2, 3},
		.segment = 7,
		.end = 1234567,
		.arrivals = 99,
		.next_key = 17,
		.marks = 5,
		.own_size = 42};

	strcpy(e.own, ORIGIN);
	return e;
}

static void what_was_written_is_read_again(void **state)
{
	struct extent e = sample();
	struct extent got;
	int fd;

	assert_code(extent_read(*state, &got, &test_err), ERR_NOT_FOUND);
	OK(extent_open(*state, &fd, &test_err));
	for (uint64_t i = 1; i < 6; i++) {
		e.own_size = i;
		OK(extent_write(fd, &e, &test_err));
		OK(extent_read(*state, &got, &test_err));
		assert_memory_equal(&got, &e, sizeof(e));
		assert_int_equal(got.count, i);
	}
	close(fd);
}

static void a_torn_slot_leaves_the_one_before(void **state)
{
	const char *path = scratch_path(state, "extent");
	struct extent e = sample();
	struct buf all = BUF_EMPTY;
	struct extent got;
	size_t runs = 0;
	int fd;

	OK(extent_open(*state, &fd, &test_err));
	OK(extent_write(fd, &e, &test_err));
	OK(extent_write(fd, &e, &test_err));
	close(fd);
	OK(file_read(path, EXTENT_SIZE, &all, &test_err));
	assert_int_equal(all.len, EXTENT_SIZE);
	for (size_t at = 0; at < all.len; at += 7, runs++) {
		all.data[at] ^= 4;
		OK(file_replace(path, all.data, all.len, 0600, &test_err));
		OK(extent_read(*state, &got, &test_err));
		assert_int_equal(got.count, at < EXTENT_SLOT_SIZE ? 2 : 1);
		all.data[at] ^= 4;
	}
	assert_true(runs > 100);
	all.data[3] ^= 1;
	all.data[EXTENT_SLOT_SIZE + 30] ^= 1;
	OK(file_replace(path, all.data, all.len, 0600, &test_err));
	assert_code(extent_read(*state, &got, &test_err), ERR_CORRUPT);
	memset(all.data, 0, all.len);
	OK(file_replace(path, all.data, all.len, 0600, &test_err));
	assert_code(extent_read(*state, &got, &test_err), ERR_NOT_FOUND);
	buf_free(&all);
}

static void a_file_that_was_taken_away_is_made_again(void **state)
{
	const char *path = scratch_path(state, "extent");
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf of_before = BUF_EMPTY;
	struct extent got;

	put_records(s, 0, 1);
	OK(file_read(path, EXTENT_SIZE, &of_before, &test_err));
	assert_int_equal(unlink(path), 0);
	put_records(s, 1, 1);
	OK(extent_read(*state, &got, &test_err));
	assert_int_equal(got.own_size, 2);
	/* So is one that a copy of before was put in place of. */
	OK(file_replace(path, of_before.data, of_before.len, 0600, &test_err));
	put_records(s, 2, 1);
	OK(extent_read(*state, &got, &test_err));
	assert_int_equal(got.own_size, 3);
	buf_free(&of_before);
	store_close(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_written_is_read_again),
		test(a_torn_slot_leaves_the_one_before),
		test(a_file_that_was_taken_away_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
