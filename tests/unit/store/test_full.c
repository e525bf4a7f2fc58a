/* test_full.c - a disk without a free byte: puts fail whole, all else goes
 * on.  On a small disk of the test's own, where one can be mounted. */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BALLAST ((size_t)512 << 10)
#define DISK "size=4m"

static void write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, line, strlen(line));
		close(fd);
	}
}

static void map_id(const char *path, unsigned id)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1", id);
	write_line(path, map);
}

/* Mounts of our own; without root in a user namespace.  The process has no
 * other thread yet. */
static bool may_mount(void)
{
	unsigned uid = getuid();
	unsigned gid = getgid();

	if (unshare(CLONE_NEWNS) != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		write_line("/proc/self/setgroups", "deny");
		map_id("/proc/self/uid_map", uid);
		map_id("/proc/self/gid_map", gid);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool mounts;

static int disk_make(void **state)
{
	if (scratch_make(state))
		return -1;
	return mounts ? mount("tmpfs", *state, "tmpfs", 0, DISK) : 0;
}

static int disk_remove(void **state)
{
	int rc = mounts ? umount2(*state, MNT_DETACH) : 0;

	return scratch_remove(state) || rc;
}

/* Fills a file until it has `size` bytes or the disk is full; tells how many
 * it has. */
static size_t fill_file(const char *path, size_t size)
{
	static const char bytes[4096] = {1};
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	size_t done = 0;
	ssize_t n = 1;

	assert_true(fd >= 0);
	while (done < size && n > 0) {
		n = write(fd, bytes, sizeof(bytes));
		done += n > 0 ? (size_t)n : 0;
	}
	assert_true(done == size || errno == ENOSPC);
	close(fd);
	return done;
}

static enum err_code try_put(struct store *s, uint64_t from, uint64_t count)
{
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, from, count);
	return batch_commit(b, test_sign, NULL, &test_err);
}

/* Puts until the disk is full; tells how many records there are. */
static uint64_t put_until_full(struct store *s)
{
	enum err_code rc = ERR_OK;
	uint64_t count = 0;

	for (uint64_t step = 40; step; step /= 2) {
		while (!(rc = try_put(s, count, step)))
			count += step;
		assert_code(rc, ERR_FULL);
	}
	return count;
}

static uint64_t size_of(void **state, const char *name)
{
	struct stat st;

	assert_int_equal(stat(scratch_path(state, name), &st), 0);
	return (uint64_t)st.st_size;
}

static void assert_whole(struct store *s, uint64_t count)
{
	struct log_info log;

	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.checkpoint_size, count);
	assert_root(s, &log, count);
	assert_records(s, log.id, count);
	OK(store_fsck(s, 1, NULL, NULL, &(struct fsck_result){0}, &test_err));
}

static void a_full_disk_stops_puts_and_nothing_else(void **state)
{
	struct store *s;
	uint64_t count;

	if (!mounts)
		skip();
	fill_file(scratch_path(state, "ballast"), BALLAST);
	s = open_store(*state, STORE_WRITE, 200000);
	count = put_until_full(s);
	assert_true(count > 40);
	fill_file(scratch_path(state, "rest"), SIZE_MAX);
	assert_code(try_put(s, count, 1), ERR_FULL);
	assert_whole(s, count);
	/* Opened without a free byte, for writing too, after a start of the
	 * machine. */
	store_close(s);
	s = open_store(*state, STORE_READ, 0);
	assert_whole(s, count);
	store_close(s);
	write_line(scratch_path(state, "index/boot"), "another");
	s = open_store(*state, STORE_WRITE, 200000);
	assert_code(try_put(s, count, 1), ERR_FULL);
	assert_whole(s, count);
	assert_int_equal(unlink(scratch_path(state, "ballast")), 0);
	OK(try_put(s, count, 40));
	assert_whole(s, count + 40);
	store_close(s);
}

static enum err_code try_erase(
	struct store *s, uint32_t log, uint64_t seq, uint64_t count)
{
	enum err_code rc = ERR_OK;
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	for (uint64_t i = seq; i < seq + count && !rc; i++) {
		struct erase_target t = {log, i, LABEL_PERSONAL};

		rc = batch_erase(b, &t, 1, &test_order, &test_err);
	}
	OK(rc);
	rc = batch_commit(b, test_sign, NULL, &test_err);
	return rc ? rc : store_finish_erasing(s, &test_err);
}

static uint64_t free_bytes(const char *path)
{
	struct statvfs st;

	assert_int_equal(statvfs(path, &st), 0);
	return (uint64_t)st.f_bavail * st.f_frsize;
}

/* From the reserve, which is there again when there is room for it. */
static void parts_are_erased_without_a_free_byte(void **state)
{
	struct fsck_result result;
	struct log_info log;
	struct store *s;
	uint64_t count;

	if (!mounts)
		skip();
	fill_file(scratch_path(state, "ballast"), BALLAST);
	s = open_store(*state, STORE_WRITE, 200000);
	count = put_until_full(s);
	fill_file(scratch_path(state, "rest"), SIZE_MAX);
	assert_int_equal(free_bytes(*state), 0);
	OK(store_log_own(s, &log, &test_err));
	for (uint64_t i = 0; i < 5; i++)
		OK(try_erase(s, log.id, 2 * i, 2));
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	assert_int_equal(result.erased, 10);
	/* What is left of the reserve is not for records. */
	assert_code(try_put(s, count, 1), ERR_FULL);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 200000);
	assert_code(try_put(s, count, 1), ERR_FULL);
	OK(try_erase(s, log.id, 20, 2));
	assert_int_equal(unlink(scratch_path(state, "ballast")), 0);
	OK(try_put(s, count, 10));
	assert_int_equal(size_of(state, "reserve"), 256 << 10);
	OK(store_fsck(s, 1, NULL, NULL, &result, &test_err));
	assert_int_equal(result.erased, 12);
	store_close(s);
}

static void an_attachment_without_room_leaves_nothing(void **state)
{
	static const uint8_t bytes[8192] = {7};
	struct attachment_writer *w;
	struct attachment_made made;
	enum err_code rc = ERR_OK;
	struct store *s;

	if (!mounts)
		skip();
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, 0, 3);
	fill_file(scratch_path(state, "ballast"), BALLAST);
	OK(attachment_create(*state, store_keyring(s), &w, &test_err));
	while (!rc)
		rc = attachment_write(w, bytes, sizeof(bytes), &test_err);
	assert_code(rc, ERR_FULL);
	attachment_pause(w);
	/* What it took is free again. */
	OK(attachment_create(*state, store_keyring(s), &w, &test_err));
	for (int i = 0; i < 64; i++)
		OK(attachment_write(w, bytes, sizeof(bytes), &test_err));
	OK(attachment_finish(w, &made, &test_err));
	assert_true(attachment_here(*state, &made.object));
	assert_whole(s, 3);
	store_close(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, disk_make, disk_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_full_disk_stops_puts_and_nothing_else),
		test(parts_are_erased_without_a_free_byte),
		test(an_attachment_without_room_leaves_nothing),
	};

	mounts = may_mount();
	if (!mounts)
		printf("no disk of our own can be mounted: skipped\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
