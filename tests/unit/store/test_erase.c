/* test_erase.c - what was erased is nowhere, and does not come back. */
#include "records.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define SMALL_SEGMENT ((uint64_t)30000)

struct search {
	const char *needle;
	size_t found;
};

static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	struct search *s = arg;

	(void)where;
	(void)err;
	s->found += memmem(plain, len, s->needle, strlen(s->needle)) != NULL;
	return ERR_OK;
}

static size_t occurrences(const char *data, const char *needle)
{
	struct search s = {needle, 0};

	OK(store_dump(data, on_plain, &s, &test_err));
	return s.found;
}

static void erase(
	struct store *s, const struct erase_target *targets, size_t count)
{
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, targets, count, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
}

/* All records but for the labels erased in `target`. */
static void assert_all_but(struct store *s, uint32_t log, uint64_t count,
	const struct erase_target *targets, size_t target_count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct run run = {0};
		uint8_t erased = 0;

		for (size_t t = 0; t < target_count; t++)
			if (targets[t].seq == i)
				erased |= LABEL_BIT(targets[t].label);
		OK(store_read(s, log, i, 1, LABEL_ALL, &run, &test_err));
		assert_record(&run.record[0], i, LABEL_ALL, erased);
		run_free(&run);
	}
}

static void assert_sound(struct store *s)
{
	struct fsck_result result;

	OK(store_fsck(s, 2, NULL, NULL, &result, &test_err));
	assert_int_equal(result.faults, 0);
}

static void an_erased_part_is_nowhere(void **state)
{
	static const struct erase_target targets[] = {{1, 2, LABEL_PERSONAL},
		{1, 2, LABEL_SENSITIVE}, {1, 150, LABEL_PERSONAL},
		{1, 305, LABEL_PUBLIC}};
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct log_info before;
	struct log_info after;
	struct found found;
	struct made m;
	uint32_t log = 0;

	for (uint64_t i = 0; i < 10; i++)
		log = put_records(s, i, 1);
	put_records(s, 10, 290);
	put_records(s, 300, 10);
	OK(store_log_own(s, &before, &test_err));
	assert_true(occurrences(*state, "secret-personal-2\"") > 0);
	erase(s, targets, ARRAY_LEN(targets));
	assert_int_equal(occurrences(*state, "secret-personal-2\""), 0);
	assert_int_equal(occurrences(*state, "secret-sensitive-2\""), 0);
	assert_int_equal(occurrences(*state, "secret-personal-150\""), 0);
	assert_int_equal(occurrences(*state, "secret-public-305\""), 0);
	assert_int_equal(occurrences(*state, "secret-personal-5\""), 1);
	assert_all_but(s, log, 310, targets, ARRAY_LEN(targets));
	OK(store_log_own(s, &after, &test_err));
	assert_true(digest_equal(&before.root, &after.root));
	make_record(&m, 150, 1);
	assert_code(store_find_digest(
			    s, &m.digest[LABEL_PERSONAL], &found, &test_err),
		ERR_ERASED);
	OK(store_find_digest(s, &m.digest[LABEL_PUBLIC], &found, &test_err));
	free_record(&m);
	assert_sound(s);
	/* Erasing from a block that was written anew before. */
	erase(s, &(struct erase_target){1, 5, LABEL_PERSONAL}, 1);
	assert_int_equal(occurrences(*state, "secret-personal-5\""), 0);
	assert_int_equal(occurrences(*state, "secret-personal-8\""), 1);
	erase(s, targets, ARRAY_LEN(targets)); /* again: nothing to do */
	assert_sound(s);
	store_close(s);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	put_records(s, 310, 3);
	assert_sound(s);
	store_close(s);
}

struct again {
	uint64_t seq[8];
	size_t count, all;
};

static enum err_code see_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct again *a = arg;

	(void)log;
	(void)err;
	assert_int_equal(arrival, ++a->all);
	if (again)
		a->seq[a->count++] = seq;
	return ERR_OK;
}

static enum err_code count_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	(void)log;
	(void)seq;
	(void)rev;
	(void)err;
	++*(size_t *)arg;
	return ERR_OK;
}

/* Each record once, where its parts stand together; found by its id as ever. */
static void assert_told_again(struct store *s)
{
	struct again a = {.count = 0};
	struct made m;
	size_t revisions = 0;

	OK(store_arrival_each(s, 0, 100, see_arrival, &a, &test_err));
	assert_int_equal(a.all, 13);
	assert_int_equal(store_arrivals(s), 13);
	assert_int_equal(a.count, 3);
	assert_int_equal(a.seq[0], 2);
	assert_int_equal(a.seq[1], 3);
	assert_int_equal(a.seq[2], 7);
	make_record(&m, 3, 1);
	OK(store_find_id(
		s, m.entry.uuid, count_revision, &revisions, &test_err));
	assert_int_equal(revisions, 1);
	free_record(&m);
}

static void an_erasure_is_told_under_a_new_number(void **state)
{
	static const struct erase_target targets[] = {{1, 2, LABEL_PERSONAL},
		{1, 2, LABEL_SENSITIVE}, {1, 3, LABEL_PUBLIC},
		{1, 99, LABEL_PUBLIC}, {1, 7, LABEL_PERSONAL}};
	const struct store_options rebuild = {
		.mode = STORE_WRITE, .rebuild_index = true};
	struct store *s = open_store(*state, STORE_WRITE, 0);

	put_records(s, 0, 10);
	erase(s, targets, ARRAY_LEN(targets));
	erase(s, targets, ARRAY_LEN(targets)); /* nothing new */
	assert_told_again(s);
	assert_sound(s);
	store_close(s);
	OK(store_open(*state, &rebuild, &s, &test_err));
	assert_told_again(s);
	assert_sound(s);
	store_close(s);
}

static void an_erased_part_does_not_come_back(void **state)
{
	struct erase_target target = {1, 7, LABEL_PERSONAL};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 7);
	OK(batch_commit(b, NULL, NULL, &test_err));
	erase(s, &target, 1); /* before it ever came */
	make_record(&m, 7, 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	assert_code(batch_append(b, log.id, &m.record, &seq, &test_err),
		ERR_ERASED);
	assert_code(batch_proved(b, log.id, 7, &m.record, "p", 1, &test_err),
		ERR_ERASED);
	m.record.have &= (uint8_t)~LABEL_BIT(LABEL_PERSONAL);
	OK(batch_append(b, log.id, &m.record, &seq, &test_err));
	free_record(&m);
	OK(batch_commit(b, NULL, NULL, &test_err));
	target.log = log.id;
	assert_all_but(s, log.id, 8, &target, 1);
	assert_sound(s);
	store_close(s);
}

static void a_part_erased_in_its_own_batch_is_never_written(void **state)
{
	struct erase_target target = {1, 3, LABEL_SENSITIVE};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, 0, 5);
	OK(batch_erase(b, &target, 1, &test_order, &test_err));
	OK(batch_commit(b, test_sign, NULL, &test_err));
	assert_int_equal(occurrences(*state, "secret-sensitive-3\""), 0);
	assert_all_but(s, 1, 5, &target, 1);
	assert_sound(s);
	store_close(s);
}

/* ---- what a crash left, what a disk lost ---- */

#define SEGMENT "segments/00000001.seg"

static void write_bytes(const char *path, const struct buf *bytes)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
	assert_int_equal(fclose(f), 0);
}

/* A store whose last group, of record 4, was cut off in its commit item and
 * has its byte `flip`, counted from the group's start, wrong. */
static struct store *cut_off(const char *data, size_t flip)
{
	struct store *s = open_store(data, STORE_WRITE, 0);
	char path[SCRATCH_SIZE * 3];
	struct buf bytes = BUF_EMPTY;
	size_t first;

	snprintf(path, sizeof(path), "%s/" SEGMENT, data);
	put_records(s, 0, 4);
	OK(file_read(path, 1 << 20, &bytes, &test_err));
	first = bytes.len;
	put_records(s, 4, 1);
	store_close(s);
	OK(file_read(path, 1 << 20, &bytes, &test_err));
	if (first + flip < bytes.len)
		bytes.data[first + flip] ^= 1;
	bytes.len -= 5;
	write_bytes(path, &bytes);
	buf_free(&bytes);
	snprintf(path, sizeof(path), "%s/index/data.mdb", data);
	unlink(path);
	/* It was never acknowledged. */
	snprintf(path, sizeof(path), "%s/extent", data);
	unlink(path);
	return open_store(data, STORE_WRITE, 0);
}

static void erasing_reaches_what_a_crash_cut_off(void **state)
{
	struct erase_target targets[] = {
		{1, 4, LABEL_PERSONAL}, {1, 1, LABEL_SENSITIVE}};
	static const size_t flips[] = {50, 300, 500, 700, 900, 1u << 20};

	for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
		char data[SCRATCH_SIZE * 2];
		struct log_info log;
		struct store *s;

		snprintf(data, sizeof(data), "%s/%zu", (char *)*state, i);
		s = cut_off(data, flips[i]);
		OK(store_log_own(s, &log, &test_err));
		assert_int_equal(log.size, 4);
		put_records(s, 4, 2);
		assert_sound(s);
		erase(s, targets, ARRAY_LEN(targets));
		assert_int_equal(occurrences(data, "secret-personal-4\""), 0);
		assert_int_equal(occurrences(data, "secret-public-4\""), 1);
		assert_all_but(s, 1, 6, targets, ARRAY_LEN(targets));
		assert_sound(s);
		store_close(s);
	}
}

/* The checkpoint of a group that was never acknowledged is none of the log's,
 * even where another came to its size. */
static void a_checkpoint_that_was_cut_off_is_no_fault(void **state)
{
	struct store *s = cut_off(*state, 1u << 20);
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, 77, 1);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	assert_sound(s);
	store_close(s);
}

static void damage_in_a_segment_stops_erasing_from_it(void **state)
{
	struct erase_target target = {1, 2, LABEL_PERSONAL};
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct buf bytes = BUF_EMPTY;
	struct batch *b;
	uint8_t *head;

	for (uint64_t i = 0; i < 30; i++)
		put_records(s, i, 1);
	store_close(s);
	OK(file_read(scratch_path(state, SEGMENT), 1 << 20, &bytes, &test_err));
	head = memmem(bytes.data + bytes.len / 2, bytes.len / 2, "CDit", 4);
	assert_non_null(head);
	head[70] ^= 1;
	write_bytes(scratch_path(state, SEGMENT), &bytes);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &target, 1, &test_order, &test_err));
	assert_code(batch_commit(b, NULL, NULL, &test_err), ERR_CORRUPT);
	assert_non_null(strstr(test_err.text, "segment 00000001"));
	/* Its key opens all that it opened before. */
	for (uint64_t i = 2; i < 10; i += 3) {
		char needle[64];

		snprintf(needle, sizeof(needle),
			"secret-personal-%" PRIu64 "\"", i);
		assert_int_equal(occurrences(*state, needle), 1);
	}
	store_close(s);
	buf_free(&bytes);
}

static void a_proved_part_is_erased_in_both_places(void **state)
{
	struct erase_target target = {1, 3, LABEL_PERSONAL};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	make_record(&m, 3, 1);
	OK(batch_proved(b, log.id, 3, &m.record, "p", 1, &test_err));
	free_record(&m);
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 5);
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_int_equal(occurrences(*state, "secret-personal-3\""), 2);
	erase(s, &target, 1);
	assert_int_equal(occurrences(*state, "secret-personal-3\""), 0);
	assert_all_but(s, log.id, 5, &target, 1);
	assert_sound(s);
	store_close(s);
}

static void an_erasure_that_cannot_end_is_durable_and_ends_later(void **state)
{
	struct erase_target target = {1, 3, LABEL_PERSONAL};
	const char *master = scratch_path(state, "keys/master");
	const char *away = scratch_path(state, "keys/away");
	struct store *s = open_store(*state, STORE_WRITE, 0);

	put_records(s, 0, 5);
	assert_int_equal(rename(master, away), 0);
	assert_int_equal(mkdir(master, 0700), 0);
	erase(s, &target, 1);
	put_records(s, 5, 1);
	assert_all_but(s, 1, 6, &target, 1);
	assert_int_not_equal(store_finish_erasing(s, &test_err), ERR_OK);
	master = scratch_path(state, "keys/master");
	away = scratch_path(state, "keys/away");
	assert_int_equal(rmdir(master), 0);
	assert_int_equal(rename(away, master), 0);
	assert_int_equal(occurrences(*state, "secret-personal-3\""), 1);
	OK(store_finish_erasing(s, &test_err));
	assert_int_equal(occurrences(*state, "secret-personal-3\""), 0);
	OK(store_finish_erasing(s, &test_err));
	assert_sound(s);
	store_close(s);
}

/* ---- attachments ---- */

static struct attachment_made attach(struct store *s, const char *content)
{
	struct attachment_writer *w;
	struct attachment_made made;

	OK(attachment_create(store_path(s), store_keyring(s), &w, &test_err));
	OK(attachment_write(w, content, strlen(content), &test_err));
	OK(attachment_finish(w, &made, &test_err));
	return made;
}

static struct attachment_ref refer(
	struct store *s, const struct attachment_made *made, uint64_t seq)
{
	struct attachment_ref ref = {.object = made->object,
		.size = made->size,
		.log = 1,
		.seq = seq,
		.label = LABEL_PERSONAL};
	struct batch *b;

	memcpy(ref.salt, made->salt, sizeof(ref.salt));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_refer(b, &ref, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	return ref;
}

static enum err_code count_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct attachment_ref *out = arg;

	(void)err;
	*out = *ref;
	return ERR_OK;
}

static void an_attachment_is_wanted_until_it_is_here(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct attachment_made made = {.salt = {7}, .size = 5};
	struct attachment_writer *w;
	struct attachment_ref got = {0};
	struct attachment_ref ref;
	uint8_t bytes[ATTACHMENT_SALT_SIZE + 5] = {7};
	uint64_t offset;
	struct batch *b;

	put_records(s, 0, 3);
	memcpy(bytes + ATTACHMENT_SALT_SIZE, "hello", 5);
	made.object = digest_of(bytes, sizeof(bytes));
	ref = refer(s, &made, 1);
	assert_int_equal(store_wanted_count(s), 1);
	OK(store_wanted_each(s, count_wanted, &got, &test_err));
	assert_memory_equal(got.salt, ref.salt, sizeof(got.salt));
	assert_int_equal(got.size, 5);
	assert_int_equal(got.seq, 1);
	OK(batch_begin(s, &b, &test_err));
	assert_code(batch_attached(b, &made.object, &test_err), ERR_NOT_FOUND);
	OK(attachment_resume(*state, store_keyring(s), &made.object, made.salt,
		5, &w, &offset, &test_err));
	OK(attachment_write(w, "hello", 5, &test_err));
	OK(attachment_finish(w, &made, &test_err));
	OK(batch_attached(b, &made.object, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_int_equal(store_wanted_count(s), 0);
	OK(store_attachment_find(s, &made.object, &got, &test_err));
	assert_memory_equal(got.salt, ref.salt, sizeof(got.salt));
	assert_sound(s);
	store_close(s);
}

static void an_attachment_goes_with_the_last_part_that_refers_to_it(
	void **state)
{
	struct erase_target first = {1, 1, LABEL_PERSONAL};
	struct erase_target second = {1, 2, LABEL_PERSONAL};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct attachment_made made;
	struct attachment_ref got;

	put_records(s, 0, 3);
	made = attach(s, "scanned-card");
	refer(s, &made, 1);
	refer(s, &made, 2);
	assert_int_equal(store_wanted_count(s), 0);
	erase(s, &first, 1);
	assert_true(attachment_here(*state, &made.object));
	OK(store_attachment_find(s, &made.object, &got, &test_err));
	assert_int_equal(got.seq, 2);
	assert_memory_equal(got.salt, made.salt, sizeof(got.salt));
	assert_true(occurrences(*state, "scanned-card") > 0);
	erase(s, &second, 1);
	assert_false(attachment_here(*state, &made.object));
	assert_int_equal(occurrences(*state, "scanned-card"), 0);
	assert_code(store_attachment_find(s, &made.object, &got, &test_err),
		ERR_ERASED);
	assert_sound(s);
	store_close(s);
}

static void an_attachment_that_came_again_outlives_a_new_index(void **state)
{
	struct erase_target target = {1, 1, LABEL_PERSONAL};
	struct store_options opt = {.mode = STORE_WRITE, .rebuild_index = true};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct attachment_writer *w;
	struct attachment_made made;
	struct attachment_ref got;
	uint64_t offset;
	struct batch *b;

	put_records(s, 0, 3);
	made = attach(s, "scanned-card");
	refer(s, &made, 1);
	erase(s, &target, 1);
	assert_false(attachment_here(*state, &made.object));
	refer(s, &made, 2);
	OK(attachment_resume(*state, store_keyring(s), &made.object, made.salt,
		made.size, &w, &offset, &test_err));
	OK(attachment_write(w, "scanned-card", 12, &test_err));
	OK(attachment_finish(w, &made, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_attached(b, &made.object, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	store_close(s);
	OK(store_open(*state, &opt, &s, &test_err));
	assert_true(attachment_here(*state, &made.object));
	assert_true(occurrences(*state, "scanned-card") > 0);
	OK(store_attachment_find(s, &made.object, &got, &test_err));
	assert_int_equal(got.seq, 2);
	assert_sound(s);
	store_close(s);
}

/* The command erases in a process of its own. */
static void erasing_by_one_process_each_begins_no_segments(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct fsck_result r;

	put_records(s, 0, 10);
	store_close(s);
	for (uint64_t i = 0; i < 6; i++) {
		struct erase_target t = {1, i, LABEL_PERSONAL};

		s = open_store(*state, STORE_WRITE, 0);
		erase(s, &t, 1);
		store_close(s);
	}
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_fsck(s, 1, NULL, NULL, &r, &test_err));
	assert_int_equal(r.segments, 1);
	store_close(s);
}

/* ---- crashes ---- */

static void erase_until_dead(const char *data, const char *point)
{
	struct erase_target target = {1, 4, LABEL_PERSONAL};
	struct store *s;

	setenv("CUNDANG_CRASH", point, 1);
	s = open_store(data, STORE_WRITE, 0);
	erase(s, &target, 1);
	store_close(s);
	_exit(0);
}

static void assert_erasure_survives(void **state, const char *point)
{
	struct erase_target target = {1, 4, LABEL_PERSONAL};
	static int runs;
	char data[SCRATCH_SIZE * 2];
	struct run run = {0};
	struct attachment_made made;
	struct store *s;
	int status;
	pid_t pid;

	snprintf(data, sizeof(data), "%s/%d", (char *)*state, runs++);
	s = open_store(data, STORE_WRITE, 0);
	put_records(s, 0, 10);
	made = attach(s, "scanned-card");
	refer(s, &made, 4);
	store_close(s);
	fflush(NULL);
	pid = fork();
	if (!pid)
		erase_until_dead(data, point);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 137);
	s = open_store(data, STORE_WRITE, 0);
	OK(store_read(s, 1, 4, 1, LABEL_ALL, &run, &test_err));
	if (run.record[0].erased) {
		assert_int_equal(occurrences(data, "secret-personal-4\""), 0);
		assert_int_equal(occurrences(data, "scanned-card"), 0);
		assert_false(attachment_here(data, &made.object));
	} else {
		assert_record(&run.record[0], 4, LABEL_ALL, 0);
		erase(s, &target, 1);
	}
	run_free(&run);
	assert_int_equal(occurrences(data, "secret-personal-4\""), 0);
	assert_int_equal(occurrences(data, "secret-personal-7\""), 1);
	assert_all_but(s, 1, 10, &target, 1);
	assert_sound(s);
	store_close(s);
}

static void a_kill_within_an_erasure_does_not_leave_it_half_done(void **state)
{
	static const char *const points[] = {"batch.appended", "batch.synced",
		"batch.indexed", "erase.committed", "erase.dropped",
		"erase.punched"};

	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		assert_erasure_survives(state, points[i]);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_erased_part_is_nowhere),
		test(an_erasure_is_told_under_a_new_number),
		test(an_erased_part_does_not_come_back),
		test(a_part_erased_in_its_own_batch_is_never_written),
		test(a_proved_part_is_erased_in_both_places),
		test(an_erasure_that_cannot_end_is_durable_and_ends_later),
		test(erasing_reaches_what_a_crash_cut_off),
		test(a_checkpoint_that_was_cut_off_is_no_fault),
		test(damage_in_a_segment_stops_erasing_from_it),
		test(erasing_by_one_process_each_begins_no_segments),
		test(an_attachment_is_wanted_until_it_is_here),
		test(an_attachment_goes_with_the_last_part_that_refers_to_it),
		test(an_attachment_that_came_again_outlives_a_new_index),
#ifdef CUNDANG_CRASH_POINTS
		test(a_kill_within_an_erasure_does_not_leave_it_half_done),
#endif
	};

	(void)a_kill_within_an_erasure_does_not_leave_it_half_done;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
