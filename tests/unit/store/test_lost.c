/* test_lost.c - where whole segments are gone, the rest goes on. */
#include "records.h"

#define ORIGIN_THIRD "xihu.example/330106110203/00112233aabbccff"
#define TINY_SEGMENT 1000

static void put_log(
	struct store *s, const char *origin, uint64_t from, uint64_t count)
{
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, origin, LOG_FULL, from, count);
	OK(batch_commit(b, NULL, NULL, &test_err));
}

static void erase_one(struct store *s, uint64_t seq)
{
	struct erase_target t = {1, seq, LABEL_PERSONAL};
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
}

/* Without the segment; the index knows of it, or is made anew. */
static struct store *without(
	void **state, struct store *s, const char *segment, bool rebuild)
{
	struct store_options opt = {.mode = STORE_WRITE,
		.rebuild_index = rebuild,
		.segment_size = TINY_SEGMENT};

	store_close(s);
	assert_int_equal(unlink(scratch_path(state, segment)), 0);
	OK(store_open(*state, &opt, &s, &test_err));
	return s;
}

static uint32_t id_of(struct store *s, const char *origin)
{
	struct log_info log;

	OK(store_log_find(s, origin, &log, &test_err));
	return log.id;
}

static enum err_code count_log(
	void *arg, const struct log_info *log, struct err *err)
{
	(void)log;
	(void)err;
	++*(size_t *)arg;
	return ERR_OK;
}

static void assert_read(struct store *s, const char *origin, uint64_t seq)
{
	struct run run = {0};

	OK(store_read(s, id_of(s, origin), seq, 1, LABEL_ALL, &run, &test_err));
	assert_record(&run.record[0], seq, LABEL_ALL, 0);
	run_free(&run);
}

static void a_new_log_takes_no_other_log_s_number(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, TINY_SEGMENT);
	size_t count = 0;

	put_log(s, ORIGIN, 0, 10);
	put_log(s, ORIGIN_OTHER, 0, 5);
	s = without(state, s, "segments/00000001.seg", true);
	OK(store_log_each(s, count_log, &count, &test_err));
	assert_int_equal(count, 1);
	put_log(s, ORIGIN_THIRD, 0, 2);
	assert_int_equal(id_of(s, ORIGIN_OTHER), 2);
	assert_int_equal(id_of(s, ORIGIN_THIRD), 3);
	assert_read(s, ORIGIN_OTHER, 4);
	assert_read(s, ORIGIN_THIRD, 1);
	OK(store_log_each(s, count_log, &count, &test_err));
	assert_int_equal(count, 3);
	store_close(s);
}

/* Entries of it are there, and its name is not. */
static void nor_that_of_one_without_a_name(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, TINY_SEGMENT);

	put_log(s, ORIGIN, 0, 10);
	put_log(s, ORIGIN_OTHER, 0, 5);
	put_log(s, ORIGIN_OTHER, 5, 5);
	s = without(state, s, "segments/00000002.seg", true);
	put_log(s, ORIGIN_THIRD, 0, 2);
	assert_int_equal(id_of(s, ORIGIN_THIRD), 3);
	assert_read(s, ORIGIN, 9);
	store_close(s);
}

static void marks_of_a_lost_log_are_none_of_another(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);

	put_log(s, ORIGIN, 0, 10);
	erase_one(s, 3);
	s = without(state, s, "segments/00000001.seg", true);
	put_log(s, ORIGIN_OTHER, 0, 5);
	assert_read(s, ORIGIN_OTHER, 3);
	store_close(s);
}

static void an_erasure_goes_past_a_file_that_is_gone(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, TINY_SEGMENT);
	struct run run = {0};

	for (uint64_t i = 0; i < 4; i++)
		put_log(s, ORIGIN, i * 10, 10);
	s = without(state, s, "segments/00000002.seg", false);
	erase_one(s, 33);
	OK(store_read(s, 1, 33, 1, LABEL_ALL, &run, &test_err));
	assert_record(&run.record[0], 33, LABEL_ALL, LABEL_BIT(LABEL_PERSONAL));
	run_free(&run);
	store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_log_takes_no_other_log_s_number),
		TEST(nor_that_of_one_without_a_name),
		TEST(marks_of_a_lost_log_are_none_of_another),
		TEST(an_erasure_goes_past_a_file_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
