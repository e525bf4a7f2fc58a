/* test_damage.c - whatever is flipped, cut, zeroed or gone: the rest is read,
 * the place is named, nothing is deleted, and no number means two entries. */
#include "records.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SEGMENT "segments/00000001.seg"
#define RECORDS 60

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void zero(const char *path, off_t at, size_t len)
{
	int fd = open(path, O_RDWR);
	uint8_t *zeros = calloc(1, len);

	assert_true(fd >= 0 && zeros);
	assert_int_equal(pwrite(fd, zeros, len, at), len);
	free(zeros);
	close(fd);
}

static void drop_index(void **state)
{
	unlink(scratch_path(state, "index/data.mdb"));
	unlink(scratch_path(state, "index/lock.mdb"));
}

/* Groups of one record and of many. */
static void fill(void **state, uint64_t segment_size)
{
	struct store *s = open_store(*state, STORE_WRITE, segment_size);

	for (uint64_t i = 0; i < 20; i++)
		put_records(s, i, 1);
	put_records(s, 20, RECORDS - 20);
	store_close(s);
}

struct told {
	size_t count;
	bool named; /* one of them names the file */
	const char *file;
};

static void on_fault(void *arg, const char *where, const char *what)
{
	struct told *t = arg;

	assert_true(*what);
	t->count++;
	t->named |= strncmp(where, t->file, strlen(t->file)) == 0;
}

static enum err_code on_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	(void)err;
	on_fault(arg, where, what);
	return ERR_OK;
}

/* Record by record: the very one that was put, or damaged in words. */
static size_t count_readable(struct store *s, const struct log_info *log)
{
	size_t good = 0;

	for (uint64_t i = 0; i < log->size; i++) {
		struct run run = {0};
		struct made m;
		enum err_code rc = store_read(
			s, log->id, i, 1, LABEL_ALL, &run, &test_err);

		if (rc) {
			assert_code(rc, ERR_CORRUPT);
			assert_non_null(strstr(test_err.text, "segment"));
			continue;
		}
		make_record(&m, i, 1);
		assert_int_equal(run.record[0].entry_len, m.text.len);
		assert_memory_equal(
			run.record[0].entry, m.text.data, m.text.len);
		assert_int_equal(run.record[0].have, LABEL_ALL);
		free_record(&m);
		run_free(&run);
		good++;
	}
	return good;
}

/* What a new own log would be, and that the old one is left alone. */
static void assert_next_epoch(struct store *s, const struct log_cut *cut)
{
	struct log_info log;
	struct batch *b;
	struct made m;
	enum err_code rc;

	assert_string_equal(cut->origin, ORIGIN);
	OK(batch_begin(s, &b, &test_err));
	make_record(&m, 999, 1);
	rc = batch_log(b, ORIGIN, LOG_OWN, &log, &test_err);
	if (!rc)
		rc = batch_append(b, log.id, &m.record, NULL, &test_err);
	assert_code(rc, ERR_CORRUPT);
	assert_non_null(strstr(test_err.text, "epoch"));
	put_into(b, ORIGIN_OTHER, LOG_OWN, 999, 1);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	free_record(&m);
}

/* Opens the store, reads, writes on, and opens it once more. */
static size_t assert_lives(void **state, size_t least)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint64_t arrivals = store_arrivals(s);
	struct log_info log = {.size = 0};
	struct log_cut cut;
	size_t good = 0;

	if (!store_log_find(s, ORIGIN, &log, &test_err))
		good = count_readable(s, &log);
	assert_true(good >= least);
	if (store_log_cut(s, &cut)) {
		assert_next_epoch(s, &cut);
	} else {
		assert_int_equal(log.size, RECORDS);
		put_records(s, RECORDS, 2);
	}
	assert_true(store_arrivals(s) > arrivals);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 0);
	if (!store_log_find(s, ORIGIN, &log, &test_err))
		assert_true(count_readable(s, &log) >= good);
	store_close(s);
	return good;
}

/* Damage that needs no index: told by fsck as it is, and when all is read
 * anew. */
static size_t assert_told_and_lives(
	void **state, const char *file, size_t least)
{
	struct store_options opt = {.mode = STORE_READ, .scratch_index = true};
	struct told told = {.file = file};
	struct fsck_result r;
	struct store *s;
	size_t good;

	drop_index(state);
	OK(store_open(*state, &opt, &s, &test_err));
	assert_code(
		store_fsck(s, 1, on_fault, &told, &r, &test_err), ERR_CORRUPT);
	assert_true(told.named);
	store_close(s);
	good = assert_lives(state, least);
	/* It is not forgotten by writing on. */
	told = (struct told){.file = file};
	s = open_store(*state, STORE_READ, 0);
	assert_code(
		store_fsck(s, 1, on_fault, &told, &r, &test_err), ERR_CORRUPT);
	assert_true(told.named);
	store_close(s);
	return good;
}

typedef void damaging(void **state, off_t at);

/* The same store damaged at `count` places, one after the other. */
static void each_place(
	void **state, size_t count, off_t from, size_t least, damaging *damage)
{
	off_t size = 0;
	size_t best = 0;

	for (size_t i = 0; i < count; i++) {
		char dir[SCRATCH_SIZE];
		void *inner = dir;
		size_t good;

		snprintf(dir, sizeof(dir), "%s/%zu", (char *)*state, i);
		fill(&inner, 0);
		size = size_of(scratch_path(&inner, SEGMENT));
		damage(&inner, from + (off_t)i * (size - from) / (off_t)count);
		good = assert_told_and_lives(&inner, "segments/", least);
		best = good > best ? good : best;
	}
	assert_true(best >= RECORDS - 1);
}

static void flip_segment(void **state, off_t at)
{
	flip(scratch_path(state, SEGMENT), at);
}

/* One bit costs no more than the group of many. */
static void a_flipped_bit_costs_the_records_of_its_block(void **state)
{
	each_place(state, 40, 40, 20, flip_segment);
}

static void zero_segment(void **state, off_t at)
{
	const char *path = scratch_path(state, SEGMENT);
	off_t left = size_of(path) - at;

	zero(path, at, left < 512 ? (size_t)left : 512);
}

static void zeroed_bytes_are_walked_past(void **state)
{
	each_place(state, 24, 40, 17, zero_segment);
}

static void a_flipped_head_is_named_and_all_is_read(void **state)
{
	fill(state, 0);
	flip(scratch_path(state, SEGMENT), 20);
	assert_int_equal(
		assert_told_and_lives(state, SEGMENT, RECORDS), RECORDS);
}

/* ---- shorter than it was ---- */

static void assert_cut(void **state, uint64_t had)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct told told = {.file = "segments/"};
	struct log_cut cut;

	assert_true(store_log_cut(s, &cut));
	assert_int_equal(cut.had, had);
	assert_true(cut.left < had);
	OK(store_damage_each(s, on_damage, &told, &test_err));
	assert_true(told.named);
	store_close(s);
}

static void a_segment_cut_short_is_not_written_on(void **state)
{
	for (int lost_index = 0; lost_index < 2; lost_index++) {
		char dir[SCRATCH_SIZE];
		void *inner = dir;
		const char *path;

		snprintf(dir, sizeof(dir), "%s/%d", (char *)*state, lost_index);
		fill(&inner, 0);
		path = scratch_path(&inner, SEGMENT);
		assert_int_equal(truncate(path, size_of(path) / 2), 0);
		if (lost_index)
			drop_index(&inner);
		assert_cut(&inner, RECORDS);
		assert_cut(&inner, RECORDS); /* again, with what that left */
		assert_told_and_lives(&inner, SEGMENT, 5);
	}
}

static void segments_that_are_gone_do_not_make_a_new_store(void **state)
{
	char epoch[17];
	struct store *s;

	for (int lost_index = 0; lost_index < 2; lost_index++) {
		char dir[SCRATCH_SIZE];
		void *inner = dir;

		snprintf(dir, sizeof(dir), "%s/%d", (char *)*state, lost_index);
		fill(&inner, 0);
		s = open_store(dir, STORE_READ, 0);
		snprintf(epoch, sizeof(epoch), "%s", store_arrival_epoch(s));
		store_close(s);
		unlink(scratch_path(&inner, SEGMENT));
		if (lost_index)
			drop_index(&inner);
		assert_cut(&inner, RECORDS);
		assert_told_and_lives(&inner, SEGMENT, 0);
		s = open_store(dir, STORE_READ, 0);
		assert_string_equal(epoch, store_arrival_epoch(s));
		assert_true(store_arrivals(s) > RECORDS);
		store_close(s);
		assert_int_equal(size_of(scratch_path(&inner, SEGMENT)), -1);
	}
}

static void a_missing_middle_costs_only_itself(void **state)
{
	struct store *s;
	uint64_t count = 0;
	struct told told = {.file = "segments/00000002.seg"};

	fill(state, 4000);
	unlink(scratch_path(state, "segments/00000002.seg"));
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 4000);
	assert_false(store_log_cut(s, NULL));
	OK(store_damage_each(s, on_damage, &told, &test_err));
	assert_true(told.named);
	store_close(s);
	count = assert_told_and_lives(state, "segments/00000002.seg", 40);
	assert_true(count < RECORDS);
}

/* ---- the index ---- */

static void an_index_that_cannot_be_read_is_made_anew(void **state)
{
	off_t size;
	size_t bad = 0;

	fill(state, 0);
	size = size_of(scratch_path(state, "index/data.mdb"));
	assert_true(size > 8192);
	for (off_t at = 0; at < size; at += 4096) {
		struct store_options opt = {
			.mode = STORE_READ, .scratch_index = true};
		struct told told = {.file = "index/"};
		struct fsck_result r;
		struct log_info log;
		struct store *s;

		zero(scratch_path(state, "index/data.mdb"), at, 4096);
		OK(store_open(*state, &opt, &s, &test_err));
		(void)!store_fsck(s, 1, on_fault, &told, &r, &test_err);
		assert_int_equal(r.records, RECORDS);
		bad += told.named;
		store_close(s);
		/* The writer did not end in order, so it looks. */
		unlink(scratch_path(state, "index/clean"));
		s = open_store(*state, STORE_WRITE, 0);
		OK(store_log_own(s, &log, &test_err));
		assert_int_equal(log.size, RECORDS);
		assert_int_equal(count_readable(s, &log), RECORDS);
		OK(store_fsck(s, 1, NULL, NULL, &r, &test_err));
		store_close(s);
	}
	assert_true(bad >= 3);
}

static void a_half_made_index_never_counts(void **state)
{
	struct buf half = BUF_EMPTY;
	struct fsck_result r;
	struct store *s;

	s = open_store(*state, STORE_WRITE, 0);
	store_close(s);
	OK(file_read(scratch_path(state, "index/data.mdb"), 1 << 20, &half,
		&test_err));
	fill(state, 0);
	/* One that was never finished: it knows no record. */
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_fsck(s, 1, NULL, NULL, &r, &test_err));
	assert_int_equal(r.records, RECORDS);
	store_close(s);
	buf_free(&half);
}

static void what_the_index_was_before_damage_is_kept(void **state)
{
	struct store_options opt = {.mode = STORE_WRITE, .rebuild_index = true};
	struct log_info log;
	struct store *s;

	fill(state, 0);
	flip(scratch_path(state, SEGMENT), 300);
	OK(store_open(*state, &opt, &s, &test_err));
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.size, RECORDS);
	assert_true(count_readable(s, &log) < RECORDS);
	put_records(s, RECORDS, 1);
	store_close(s);
	assert_true(size_of(scratch_path(state, "index.kept/data.mdb")) > 0);
	assert_int_equal(size_of(scratch_path(state, "index.old")), -1);
	assert_int_equal(size_of(scratch_path(state, "index.new")), -1);
}

/* ---- keys ---- */

static void lose_last_key(void **state)
{
	const char *path = scratch_path(state, "keyring");

	assert_int_equal(truncate(path, size_of(path) - 72), 0);
}

static void assert_keyring_told(struct store *s)
{
	struct told told = {.file = "keyring"};

	OK(store_damage_each(s, on_damage, &told, &test_err));
	assert_true(told.named);
}

static void assert_refused(void **state)
{
	struct store_options opt = {.mode = STORE_WRITE};
	struct store *s = NULL;

	assert_code(store_open(*state, &opt, &s, &test_err), ERR_CORRUPT);
	assert_non_null(strstr(test_err.text, "keyring lost its keys"));
}

static void a_keyring_that_lost_its_end_is_read_and_not_written(void **state)
{
	off_t size;

	fill(state, 0);
	size = size_of(scratch_path(state, "keyring"));
	lose_last_key(state);
	assert_refused(state);
	/* With an index to be made anew, too. */
	drop_index(state);
	assert_refused(state);
	assert_int_equal(size_of(scratch_path(state, "keyring")), size - 72);
}

static void reading_goes_on_without_the_end_of_the_keyring(void **state)
{
	struct store *s;

	fill(state, 0);
	lose_last_key(state);
	s = open_store(*state, STORE_READ, 0);
	assert_keyring_told(s);
	store_close(s);
}

/* What comes back from a backup is short itself by then. */
static void to_go_on_without_the_keys_is_for_good(void **state)
{
	struct store_options opt = {.mode = STORE_WRITE, .rebuild_index = true};
	struct buf backup = BUF_EMPTY;
	struct log_info log;
	struct store *s;

	fill(state, 0);
	OK(file_read(
		scratch_path(state, "keyring"), SIZE_MAX, &backup, &test_err));
	lose_last_key(state);
	OK(store_open(*state, &opt, &s, &test_err));
	assert_keyring_told(s);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, RECORDS, 1);
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.size, RECORDS + 1);
	store_close(s);
	OK(file_replace(scratch_path(state, "keyring"), backup.data, backup.len,
		0600, &test_err));
	assert_refused(state);
	buf_free(&backup);
}

/* The ids of what was destroyed at the end are in the header. */
static void an_erasure_leaves_the_keyring_whole(void **state)
{
	struct erase_target t = {1, RECORDS, LABEL_PERSONAL};
	struct store *s;
	struct batch *b;
	off_t size;

	fill(state, 0);
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, RECORDS, 1);
	size = size_of(scratch_path(state, "keyring"));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	store_close(s);
	assert_true(size_of(scratch_path(state, "keyring")) != size);
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, RECORDS + 1, 1);
	store_close(s);
	/* And hides nothing: the header tells how many there are to be. */
	OK(file_replace(
		scratch_path(state, "extent"), NULL, 0, 0600, &test_err));
	assert_int_equal(truncate(scratch_path(state, "keyring"), 144), 0);
	assert_refused(state);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_flipped_bit_costs_the_records_of_its_block),
		test(zeroed_bytes_are_walked_past),
		test(a_flipped_head_is_named_and_all_is_read),
		test(a_segment_cut_short_is_not_written_on),
		test(segments_that_are_gone_do_not_make_a_new_store),
		test(a_missing_middle_costs_only_itself),
		test(an_index_that_cannot_be_read_is_made_anew),
		test(a_half_made_index_never_counts),
		test(what_the_index_was_before_damage_is_kept),
		test(a_keyring_that_lost_its_end_is_read_and_not_written),
		test(reading_goes_on_without_the_end_of_the_keyring),
		test(to_go_on_without_the_keys_is_for_good),
		test(an_erasure_leaves_the_keyring_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
