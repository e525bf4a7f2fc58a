/* test_keyring.c - keys come back, dropped ones never, whatever crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "store/keyring.h"

#define RECORD 72

static struct keyring *open_keyring(void **state, bool create, bool read_only)
{
	struct keyring *k = NULL;
	struct err err = {0};

	if (keyring_open(*state, create, read_only, &k, &err) != ERR_OK)
		fail_msg("%s", err.text);
	return k;
}

static struct seal_secret key_of(struct keyring *k, uint64_t id)
{
	struct seal_secret s = {{0}};

	assert_int_equal(keyring_get(k, id, &s, NULL), ERR_OK);
	return s;
}

static bool secret_equal(
	const struct seal_secret *a, const struct seal_secret *b)
{
	return memcmp(a->b, b->b, SEAL_KEY_SIZE) == 0;
}

static void read_whole(const char *path, struct buf *out)
{
	assert_int_equal(file_read(path, 1 << 20, out, NULL), ERR_OK);
}

static void write_whole(const char *path, const struct buf *b)
{
	assert_int_equal(
		file_replace(path, b->data, b->len, 0600, NULL), ERR_OK);
}

static void keys_come_back_after_reopening(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	struct seal_secret before[3];
	uint64_t ids[3], syncs;

	syncs = file_sync_count();
	assert_int_equal(keyring_add(k, ids, 3, NULL), ERR_OK);
	assert_int_equal(file_sync_count() - syncs, 1);
	for (int i = 0; i < 3; i++)
		before[i] = key_of(k, ids[i]);
	assert_false(secret_equal(&before[0], &before[1]));
	keyring_close(k);

	k = open_keyring(state, false, false);
	for (int i = 0; i < 3; i++) {
		struct seal_secret again = key_of(k, ids[i]);

		assert_true(secret_equal(&before[i], &again));
	}
	keyring_close(k);
}

static void both_files_are_for_their_owner_only(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	struct stat st;

	assert_int_equal(stat(scratch_path(state, "keyring"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(scratch_path(state, "keys/master"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	keyring_close(k);
}

static void a_missing_keyring_is_not_found_unless_it_may_be_made(void **state)
{
	struct keyring *k = NULL;

	assert_int_equal(
		keyring_open(*state, false, false, &k, NULL), ERR_NOT_FOUND);
	assert_int_equal(
		keyring_open(*state, true, true, &k, NULL), ERR_NOT_FOUND);
	assert_null(k);
}

static void a_lost_half_is_never_made_anew(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	uint64_t id;

	assert_int_equal(keyring_add(k, &id, 1, NULL), ERR_OK);
	keyring_close(k);
	assert_int_equal(rename(scratch_path(state, "keyring"),
				 scratch_path(state, "aside")),
		0);
	assert_int_equal(
		keyring_open(*state, true, false, &k, NULL), ERR_CORRUPT);
	assert_int_equal(rename(scratch_path(state, "aside"),
				 scratch_path(state, "keyring")),
		0);
	assert_int_equal(unlink(scratch_path(state, "keys/master")), 0);
	assert_int_equal(
		keyring_open(*state, true, false, &k, NULL), ERR_CORRUPT);
}

static void dropped_keys_are_gone_and_ids_never_return(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	struct seal_secret kept, s;
	uint64_t ids[3], more;

	assert_int_equal(keyring_add(k, ids, 3, NULL), ERR_OK);
	kept = key_of(k, ids[0]);
	assert_int_equal(keyring_drop(k, ids + 1, 2, NULL), ERR_OK);
	assert_int_equal(keyring_get(k, ids[1], &s, NULL), ERR_NOT_FOUND);
	/* Dropping again is fine. */
	assert_int_equal(keyring_drop(k, ids + 1, 2, NULL), ERR_OK);
	keyring_close(k);

	k = open_keyring(state, false, false);
	assert_int_equal(keyring_get(k, ids[2], &s, NULL), ERR_NOT_FOUND);
	s = key_of(k, ids[0]);
	assert_true(secret_equal(&kept, &s));
	assert_int_equal(keyring_add(k, &more, 1, NULL), ERR_OK);
	assert_true(more > ids[2]);
	keyring_close(k);
}

static void an_old_copy_opens_nothing_after_a_drop(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	struct buf old = BUF_EMPTY;
	uint64_t ids[2];

	assert_int_equal(keyring_add(k, ids, 2, NULL), ERR_OK);
	read_whole(scratch_path(state, "keyring"), &old);
	assert_int_equal(keyring_drop(k, ids, 1, NULL), ERR_OK);
	keyring_close(k);
	write_whole(scratch_path(state, "keyring"), &old);
	assert_int_equal(
		keyring_open(*state, false, true, &k, NULL), ERR_CORRUPT);
	buf_free(&old);
}

static void a_reader_follows_adds_and_drops(void **state)
{
	struct keyring *w = open_keyring(state, true, false);
	struct keyring *r = open_keyring(state, false, true);
	struct seal_secret a, b;
	uint64_t ids[2];

	assert_int_equal(keyring_add(w, ids, 2, NULL), ERR_OK);
	a = key_of(w, ids[0]);
	b = key_of(r, ids[0]);
	assert_true(secret_equal(&a, &b));
	assert_int_equal(keyring_drop(w, ids, 1, NULL), ERR_OK);
	assert_int_equal(keyring_get(r, ids[0], &a, NULL), ERR_NOT_FOUND);
	(void)key_of(r, ids[1]);
	assert_int_equal(keyring_add(r, ids, 1, NULL), ERR_USAGE);
	assert_int_equal(keyring_drop(r, ids, 1, NULL), ERR_USAGE);
	keyring_close(r);
	keyring_close(w);
}

static void a_torn_append_is_cut_off_by_the_writer(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	const char *path = scratch_path(state, "keyring");
	struct buf whole = BUF_EMPTY;
	uint64_t ids[2], more;
	int tried = 0;

	assert_int_equal(keyring_add(k, ids, 2, NULL), ERR_OK);
	keyring_close(k);
	read_whole(path, &whole);
	assert_int_equal(whole.len, 3 * RECORD);
	/* Every length, and every sector's edge with zeros behind it. */
	for (size_t cut = 1; cut < RECORD; cut++) {
		struct buf torn = BUF_EMPTY;
		struct stat st;

		buf_add(&torn, whole.data, 2 * RECORD + cut);
		while (cut % 8 == 0 && torn.len < whole.len)
			buf_u8(&torn, 0);
		write_whole(path, &torn);
		buf_free(&torn);
		k = open_keyring(state, false, true);
		(void)key_of(k, ids[0]);
		keyring_close(k);
		k = open_keyring(state, false, false);
		(void)key_of(k, ids[0]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 2 * RECORD);
		assert_int_equal(keyring_add(k, &more, 1, NULL), ERR_OK);
		(void)key_of(k, more);
		keyring_close(k);
		tried++;
	}
	assert_int_equal(tried, RECORD - 1);
	buf_free(&whole);
}

static void damage_is_named_and_never_opens(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	const char *path = scratch_path(state, "keyring");
	const char *master = scratch_path(state, "keys/master");
	struct buf b = BUF_EMPTY;
	struct err err;
	uint64_t ids[2];

	assert_int_equal(keyring_add(k, ids, 2, NULL), ERR_OK);
	keyring_close(k);
	read_whole(path, &b);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x20;
		write_whole(path, &b);
		assert_int_equal(keyring_open(*state, false, false, &k, &err),
			ERR_CORRUPT);
		assert_non_null(strstr(err.text, "keyring"));
		b.data[i] ^= 0x20;
	}
	write_whole(path, &b);
	read_whole(master, &b);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x20;
		write_whole(master, &b);
		assert_int_equal(keyring_open(*state, false, false, &k, NULL),
			ERR_CORRUPT);
		b.data[i] ^= 0x20;
	}
	buf_free(&b);
}

/* Runs a drop of `id` in a process that dies at `point`. */
static void die_dropping(void **state, const char *point, uint64_t id)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct keyring *k = NULL;

		setenv("CUNDANG_CRASH", point, 1);
		if (keyring_open(*state, false, false, &k, NULL) != ERR_OK)
			_exit(1);
		_exit(keyring_drop(k, &id, 1, NULL) == ERR_OK ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
#ifdef CUNDANG_CRASH_POINTS
	assert_int_equal(WEXITSTATUS(status), 137);
#else
	assert_int_equal(WEXITSTATUS(status), 0);
#endif
}

static void count_masters(void **state, uint8_t expected)
{
	struct buf b = BUF_EMPTY;

	read_whole(scratch_path(state, "keys/master"), &b);
	assert_int_equal(b.data[15], expected);
	buf_free(&b);
}

static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int count = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		count += d->d_type == DT_REG;
	closedir(dir);
	return count;
}

static void a_crash_within_a_drop_leaves_every_kept_key(void **state)
{
	static const char *const points[] = {
		"file.replace.written*1",
		"file.replace.renamed*1",
		"keyring.drop.masters",
		"file.replace.written*2",
		"file.replace.renamed*2",
		"keyring.drop.rewritten",
		"file.replace.written*3",
		"file.replace.renamed*3",
	};
	struct keyring *k = open_keyring(state, true, false);
	struct seal_secret kept, s;
	uint64_t keep, ids[ARRAY_LEN(points)];

	assert_int_equal(keyring_add(k, &keep, 1, NULL), ERR_OK);
	assert_int_equal(keyring_add(k, ids, ARRAY_LEN(ids), NULL), ERR_OK);
	kept = key_of(k, keep);
	keyring_close(k);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		die_dropping(state, points[i], ids[i]);
		/* A reader gets through at once, */
		k = open_keyring(state, false, true);
		s = key_of(k, keep);
		assert_true(secret_equal(&kept, &s));
		keyring_close(k);
		/* the writer ends what was cut short, */
		k = open_keyring(state, false, false);
		s = key_of(k, keep);
		assert_true(secret_equal(&kept, &s));
		count_masters(state, 1);
		/* and dropping again works. */
		assert_int_equal(keyring_drop(k, &ids[i], 1, NULL), ERR_OK);
		assert_int_equal(
			keyring_get(k, ids[i], &s, NULL), ERR_NOT_FOUND);
		keyring_close(k);
		/* No half-written file with keys in it stays behind. */
		assert_int_equal(count_files(*state), 1);
		assert_int_equal(count_files(scratch_path(state, "keys")), 1);
	}
}

static enum err_code collect(void *arg, uint64_t id, struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	*sum += id;
	return ERR_OK;
}

static void each_visits_every_id(void **state)
{
	struct keyring *k = open_keyring(state, true, false);
	uint64_t ids[5], sum = 0, expected = 0;

	assert_int_equal(keyring_add(k, ids, 5, NULL), ERR_OK);
	assert_int_equal(keyring_drop(k, &ids[2], 1, NULL), ERR_OK);
	for (int i = 0; i < 5; i++)
		expected += i == 2 ? 0 : ids[i];
	assert_int_equal(keyring_each(k, collect, &sum, NULL), ERR_OK);
	assert_int_equal(sum, expected);
	keyring_close(k);
}

#define WITH_SCRATCH(test)                                                     \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(keys_come_back_after_reopening),
		WITH_SCRATCH(both_files_are_for_their_owner_only),
		WITH_SCRATCH(
			a_missing_keyring_is_not_found_unless_it_may_be_made),
		WITH_SCRATCH(a_lost_half_is_never_made_anew),
		WITH_SCRATCH(dropped_keys_are_gone_and_ids_never_return),
		WITH_SCRATCH(an_old_copy_opens_nothing_after_a_drop),
		WITH_SCRATCH(a_reader_follows_adds_and_drops),
		WITH_SCRATCH(a_torn_append_is_cut_off_by_the_writer),
		WITH_SCRATCH(damage_is_named_and_never_opens),
		WITH_SCRATCH(a_crash_within_a_drop_leaves_every_kept_key),
		WITH_SCRATCH(each_visits_every_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
