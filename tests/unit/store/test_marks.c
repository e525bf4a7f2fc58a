/* test_marks.c - which parts were destroyed is known whatever is damaged, or
 * else no part comes in. */
#include "records.h"

#include <unistd.h>

#include "store/marks.h"

#define SEGMENT "segments/00000001.seg"
#define MARKS "erased"

static const struct erase_target targets[] = {
	{1, 2, LABEL_PERSONAL}, {1, 2, LABEL_SENSITIVE}, {1, 5, LABEL_PUBLIC}};

static void write_bytes(const char *path, const struct buf *bytes)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
	assert_int_equal(fclose(f), 0);
}

static void erase_in(struct store *s)
{
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, targets, ARRAY_LEN(targets), &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
}

/* A foreign log of which parts were destroyed, closed. */
static void make(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 8);
	OK(batch_commit(b, NULL, NULL, &test_err));
	erase_in(s);
	store_close(s);
	unlink(scratch_path(state, "index/data.mdb"));
}

/* The payload of the last item of marks gets a bit wrong. */
static void damage_item(void **state)
{
	const char *path = scratch_path(state, SEGMENT);
	struct buf all = BUF_EMPTY;
	size_t found = 0;

	OK(file_read(path, 1 << 20, &all, &test_err));
	for (size_t i = 0; i + 80 < all.len; i++)
		if (!memcmp(all.data + i, "CDit\1\7", 6))
			found = i;
	assert_true(found > 0);
	all.data[found + 72 + 3] ^= 1;
	write_bytes(path, &all);
	buf_free(&all);
}

static void damage_file(void **state, off_t at, size_t cut)
{
	const char *path = scratch_path(state, MARKS);
	struct buf all = BUF_EMPTY;

	OK(file_read(path, 1 << 20, &all, &test_err));
	assert_int_equal(
		all.len, MARKS_HEAD_SIZE + ARRAY_LEN(targets) * MARK_ROW_SIZE);
	if (at)
		all.data[at] ^= 1;
	all.len -= cut;
	write_bytes(path, &all);
	buf_free(&all);
}

static uint8_t erased_of(struct store *s, uint64_t seq)
{
	struct record_known known;

	OK(store_known(s, 1, seq, &known, &test_err));
	return known.erased;
}

static void assert_all_known(struct store *s)
{
	assert_int_equal(erased_of(s, 2),
		LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_SENSITIVE));
	assert_int_equal(erased_of(s, 5), LABEL_BIT(LABEL_PUBLIC));
}

static bool told_of(struct store *s, const char *file);

/* What a peer brings of record 8. */
static enum err_code bring(struct store *s, uint64_t seq)
{
	struct log_info log;
	struct batch *b;
	struct made m;
	enum err_code rc;

	make_record(&m, seq, 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	rc = batch_append(b, log.id, &m.record, NULL, &test_err);
	if (rc)
		batch_abort(b);
	else
		OK(batch_commit(b, NULL, NULL, &test_err));
	free_record(&m);
	return rc;
}

static void a_damaged_mark_is_known_from_the_other_file(void **state)
{
	struct store *s;
	struct run run = {0};

	make(state);
	damage_item(state);
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	assert_true(told_of(s, "segments/"));
	OK(store_read(s, 1, 2, 1, LABEL_ALL, &run, &test_err));
	assert_int_equal(
		run.record[0].erasure[LABEL_PERSONAL].at, test_order.at);
	run_free(&run);
	OK(bring(s, 8));
	store_close(s);
}

static void without_the_other_file_it_is_made_again(void **state)
{
	struct buf before = BUF_EMPTY;
	struct buf after = BUF_EMPTY;
	struct store *s;

	make(state);
	OK(file_read(scratch_path(state, MARKS), 1 << 20, &before, &test_err));
	unlink(scratch_path(state, MARKS));
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	store_close(s);
	OK(file_read(scratch_path(state, MARKS), 1 << 20, &after, &test_err));
	assert_int_equal(after.len, before.len);
	buf_free(&before);
	buf_free(&after);
}

static void damage_in_the_other_file_is_told_and_mended(void **state)
{
	static const off_t places[] = {4, 30, 60};

	make(state);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct store *s;

		damage_file(state, places[i], 0);
		unlink(scratch_path(state, "index/data.mdb"));
		s = open_store(*state, STORE_WRITE, 0);
		assert_all_known(s);
		assert_true(told_of(s, MARKS));
		OK(bring(s, 8 + i));
		store_close(s);
		damage_file(state, 0, 0); /* it is whole again */
		assert_int_equal(unlink(scratch_path(state, "erased.kept")), 0);
	}
}

/* A power cut in the middle of its writing. */
static void an_end_that_is_torn_is_no_damage(void **state)
{
	struct store *s;

	make(state);
	damage_file(state, 0, 30);
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	assert_false(told_of(s, MARKS));
	store_close(s);
	damage_file(state, 0, 0);
}

static void where_marks_are_lost_no_parts_come_in(void **state)
{
	struct store *s;

	make(state);
	damage_item(state);
	damage_file(state, 30, 0);
	for (int i = 0; i < 2; i++) {
		s = open_store(*state, STORE_WRITE, 0);
		assert_true(told_of(s, MARKS));
		assert_code(bring(s, 8), ERR_ERASED);
		assert_non_null(strstr(test_err.text, "1 destroyed"));
		/* What is put here goes on. */
		put_records(s, (uint64_t)i, 1);
		store_close(s);
	}
}

/* What stands here undamaged stays, but nothing comes from a peer. */
static void nor_do_they_where_damage_is_mended(void **state)
{
	struct run run = {0};
	struct batch *b;
	struct store *s;
	struct made m;

	make(state);
	damage_item(state);
	damage_file(state, 30, 0);
	s = open_store(*state, STORE_WRITE, 0);
	make_record(&m, 5, 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_mend(b, 1, 5, &m.record, 1, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	free_record(&m);
	OK(store_read(s, 1, 5, 1, LABEL_ALL, &run, &test_err));
	assert_int_equal(
		run.record[0].have, LABEL_ALL & ~LABEL_BIT(LABEL_PUBLIC));
	run_free(&run);
	store_close(s);
}

static enum err_code on_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	const char **file = arg;

	(void)what;
	(void)err;
	if (*file && !strncmp(where, *file, strlen(*file)))
		*file = NULL;
	return ERR_OK;
}

static bool told_of(struct store *s, const char *file)
{
	OK(store_damage_each(s, on_damage, &file, &test_err));
	return !file;
}

static void on_fault(void *arg, const char *where, const char *what)
{
	(void)what;
	*(bool *)arg |= !strcmp(where, MARKS);
}

static void fsck_names_the_file(void **state)
{
	struct fsck_result result;
	bool named = false;
	struct store *s;

	make(state);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	damage_file(state, 30, 0);
	assert_code(store_fsck(s, 1, on_fault, &named, &result, &test_err),
		ERR_CORRUPT);
	assert_true(named);
	store_close(s);
}

/* What repair does at its end. */
static void mend_marks(struct store *s)
{
	struct damage_places *places = NULL;
	struct batch *b;

	OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_close(b, places, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	damage_places_free(places);
}

/* Nothing but the segments tells of them then. */
static void assert_told_by_segments(void **state)
{
	struct fsck_result result;
	struct run run = {0};
	struct store *s;

	unlink(scratch_path(state, "index/data.mdb"));
	unlink(scratch_path(state, MARKS));
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	OK(store_read(s, 1, 2, 1, LABEL_ALL, &run, &test_err));
	assert_true(erasure_equal(
		&run.record[0].erasure[LABEL_PERSONAL], &test_order));
	run_free(&run);
	assert_false(told_of(s, "segments/"));
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	store_close(s);
}

static void damaged_marks_are_written_again(void **state)
{
	struct fsck_result result;
	struct store *s;

	make(state);
	s = open_store(*state, STORE_WRITE, 0);
	damage_item(state);
	assert_code(
		store_fsck(s, 1, NULL, NULL, &result, &test_err), ERR_CORRUPT);
	mend_marks(s);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	assert_int_equal(result.erased, ARRAY_LEN(targets));
	store_close(s);
	assert_told_by_segments(state);
	/* And what told it again is told again. */
	damage_item(state);
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	mend_marks(s);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 0);
	assert_all_known(s);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	store_close(s);
}

static void where_some_are_lost_it_stays_a_fault(void **state)
{
	struct fsck_result result;
	struct store *s;

	make(state);
	damage_item(state);
	damage_file(state, 30, 0);
	s = open_store(*state, STORE_WRITE, 0);
	mend_marks(s);
	assert_code(
		store_fsck(s, 1, NULL, NULL, &result, &test_err), ERR_CORRUPT);
	assert_code(bring(s, 8), ERR_ERASED);
	store_close(s);
}

static void the_other_file_is_written_again(void **state)
{
	struct fsck_result result;
	struct store *s;

	make(state);
	s = open_store(*state, STORE_WRITE, 0);
	damage_file(state, 30, 0);
	assert_code(
		store_fsck(s, 1, NULL, NULL, &result, &test_err), ERR_CORRUPT);
	mend_marks(s);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	store_close(s);
	damage_file(state, 0, 0);
}

/* A damaged note, too, is told by the index. */
static void a_damaged_note_is_written_again(void **state)
{
	const char *path = scratch_path(state, SEGMENT);
	struct buf all = BUF_EMPTY;
	struct fsck_result result;
	struct log_info log;
	struct store *s;
	size_t found = 0;

	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, 0, 3);
	OK(file_read(path, 1 << 20, &all, &test_err));
	for (size_t i = 0; i + 80 < all.len; i++)
		if (!memcmp(all.data + i, "CDit\1\5", 6))
			found = i;
	assert_true(found > 0);
	all.data[found + 72 + 3] ^= 1;
	write_bytes(path, &all);
	buf_free(&all);
	assert_code(
		store_fsck(s, 1, NULL, NULL, &result, &test_err), ERR_CORRUPT);
	mend_marks(s);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	store_close(s);
	unlink(scratch_path(state, "index/data.mdb"));
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.checkpoint_size, 3);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_damaged_mark_is_known_from_the_other_file),
		TEST(without_the_other_file_it_is_made_again),
		TEST(damage_in_the_other_file_is_told_and_mended),
		TEST(an_end_that_is_torn_is_no_damage),
		TEST(where_marks_are_lost_no_parts_come_in),
		TEST(nor_do_they_where_damage_is_mended),
		TEST(fsck_names_the_file),
		TEST(damaged_marks_are_written_again),
		TEST(where_some_are_lost_it_stays_a_fault),
		TEST(the_other_file_is_written_again),
		TEST(a_damaged_note_is_written_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
