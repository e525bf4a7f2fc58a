/* test_file.c - durable files, folders, locks and crash points. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

#include "base/base.h"

/* A folder of its own for each test, and the paths inside it. */
struct place {
	char dir[64];
	char *path;
	char *other;
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = "/tmp/cundang-test-file-XXXXXX";

	assert_non_null(p);
	strcpy(p->dir, tmp);
	assert_non_null(mkdtemp(p->dir));
	p->path = file_join(p->dir, "file");
	p->other = file_join(p->dir, "other");
	assert_non_null(p->path);
	assert_non_null(p->other);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	struct buf command = BUF_EMPTY;
	int rc;

	buf_printf(&command, "rm -rf '%s'", p->dir);
	rc = system(buf_cstr(&command));
	buf_free(&command);
	free(p->path);
	free(p->other);
	free(p);
	return rc;
}

static size_t count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void write_text(const char *path, const char *text)
{
	assert_int_equal(
		file_replace(path, text, strlen(text), 0600, NULL), ERR_OK);
}

static void assert_holds(const char *path, const char *text)
{
	struct buf b = BUF_EMPTY;

	assert_int_equal(file_read(path, 1 << 20, &b, NULL), ERR_OK);
	assert_int_equal(b.len, strlen(text));
	assert_string_equal((char *)b.data, text);
	buf_free(&b);
}

static void replaces_a_file_and_its_mode(void **state)
{
	struct place *p = *state;
	uint64_t syncs = file_sync_count();
	struct stat st;

	umask(0077);
	write_text(p->path, "first");
	assert_int_equal(file_sync_count() - syncs, 2);
	assert_holds(p->path, "first");
	assert_int_equal(file_replace(p->path, "", 0, 0644, NULL), ERR_OK);
	assert_holds(p->path, "");
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(count_entries(p->dir), 1);
}

static void a_failed_replace_leaves_nothing_behind(void **state)
{
	struct place *p = *state;
	struct err err;
	char *below;

	assert_int_equal(mkdir(p->path, 0700), 0);
	below = file_join(p->path, "kept");
	assert_non_null(below);
	write_text(below, "kept");
	assert_int_equal(file_replace(p->path, "x", 1, 0600, &err), ERR_IO);
	assert_int_equal(count_entries(p->dir), 1);
	assert_holds(below, "kept");
	free(below);
	below = file_join(p->other, "x");
	assert_non_null(below);
	assert_int_equal(
		file_replace(below, "x", 1, 0600, &err), ERR_NOT_FOUND);
	free(below);
}

static void a_path_without_a_folder_is_one_here(void **state)
{
	struct place *p = *state;
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(before >= 0);
	assert_int_equal(chdir(p->dir), 0);
	write_text("file", "here");
	assert_int_equal(file_make_dirs("a/b", NULL), ERR_OK);
	assert_true(file_exists("a/b"));
	assert_int_equal(fchdir(before), 0);
	close(before);
	assert_holds(p->path, "here");
}

/* A limit on the size of files stands in for a disk that refuses. */
static void a_write_that_stops_short_keeps_the_old_bytes(void **state)
{
	struct place *p = *state;
	struct rlimit before;
	struct rlimit small;
	struct err err;
	enum err_code rc;

	write_text(p->path, "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = file_replace(p->path, "too long", 8, 0600, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, ERR_IO);
	assert_holds(p->path, "old");
	assert_int_equal(count_entries(p->dir), 1);
}

static void a_full_disk_says_so(void **state)
{
	struct err err;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(file_write_at(fd, 0, "a", 1, &err), ERR_FULL);
	close(fd);
}

static void reads_up_to_the_limit(void **state)
{
	struct place *p = *state;
	struct buf b = BUF_EMPTY;
	struct err err;

	write_text(p->path, "12345");
	assert_int_equal(file_read(p->path, 5, &b, &err), ERR_OK);
	assert_int_equal(b.len, 5);
	assert_int_equal(b.data[5], 0);
	assert_int_equal(file_read(p->path, 4, &b, &err), ERR_LIMIT);
	assert_int_equal(b.len, 5);
	assert_int_equal(file_read(p->path, 0, &b, &err), ERR_LIMIT);
	assert_int_equal(file_read(p->path, SIZE_MAX, &b, &err), ERR_OK);
	assert_int_equal(b.len, 5);
	assert_int_equal(file_read(p->other, 5, &b, &err), ERR_NOT_FOUND);
	assert_int_equal(file_read(p->dir, 5, &b, &err), ERR_INVALID);
	buf_free(&b);
}

static void reads_a_file_of_many_steps(void **state)
{
	struct place *p = *state;
	struct buf written = BUF_EMPTY;
	struct buf read = BUF_EMPTY;

	for (uint32_t i = 0; i < 100000; i++)
		buf_u32(&written, i);
	assert_int_equal(
		file_replace(p->path, written.data, written.len, 0600, NULL),
		ERR_OK);
	assert_int_equal(file_read(p->path, 400000, &read, NULL), ERR_OK);
	assert_int_equal(read.len, 400000);
	assert_memory_equal(read.data, written.data, read.len);
	assert_int_equal(file_read(p->path, 399999, &read, NULL), ERR_LIMIT);
	buf_free(&written);
	buf_free(&read);
}

static void reads_and_writes_at_an_offset(void **state)
{
	struct place *p = *state;
	struct err err;
	char got[4];
	int fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_at(fd, 3, "abcd", 4, &err), ERR_OK);
	assert_int_equal(file_read_at(fd, 3, got, 4, &err), ERR_OK);
	assert_memory_equal(got, "abcd", 4);
	assert_int_equal(file_read_at(fd, 4, got, 4, &err), ERR_CORRUPT);
	assert_string_equal(err.text, "file ends after 3 of 4 bytes at 4");
	assert_int_equal(file_read_at(fd, 7, got, 0, &err), ERR_OK);
	assert_int_equal(
		file_read_at(fd, UINT64_MAX, got, 4, &err), ERR_CORRUPT);
	assert_int_equal(file_write_at(fd, (uint64_t)INT64_MAX, "ab", 2, &err),
		ERR_LIMIT);
	close(fd);
	fd = open(p->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_write_at(fd, 0, "a", 1, &err), ERR_IO);
	close(fd);
}

static void counts_its_syncs(void **state)
{
	struct place *p = *state;
	uint64_t before;
	int fd;

	write_text(p->path, "x");
	fd = open(p->path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	before = file_sync_count();
	assert_int_equal(file_sync_data(fd, p->path, NULL), ERR_OK);
	assert_int_equal(file_sync_count() - before, 1);
	assert_int_equal(file_sync_dir(p->dir, NULL), ERR_OK);
	assert_int_equal(file_sync_count() - before, 2);
	close(fd);
	assert_int_equal(file_sync_data(fd, p->path, NULL), ERR_IO);
	assert_int_equal(file_sync_dir(p->other, NULL), ERR_NOT_FOUND);
	assert_int_equal(file_sync_dir(p->path, NULL), ERR_IO);
}

static void makes_folders_on_the_way(void **state)
{
	struct place *p = *state;
	struct err err;
	struct stat st;
	char *deep = file_join(p->dir, "a//b/c/");
	char *through = file_join(p->path, "below");

	assert_non_null(deep);
	assert_non_null(through);
	assert_int_equal(file_make_dirs(deep, &err), ERR_OK);
	assert_int_equal(file_make_dirs(deep, &err), ERR_OK);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	write_text(p->path, "a file");
	assert_int_equal(file_make_dirs(p->path, &err), ERR_EXISTS);
	assert_int_equal(file_make_dirs(through, &err), ERR_IO);
	assert_int_equal(file_make_dirs("/", &err), ERR_OK);
	assert_int_equal(file_make_dirs("", &err), ERR_NOT_FOUND);
	assert_true(file_exists(p->path));
	assert_false(file_exists(through));
	free(deep);
	free(through);
}

static void a_lock_has_one_holder(void **state)
{
	struct place *p = *state;
	struct err err;
	int a = -1;
	int b = -1;

	assert_int_equal(file_lock(p->path, &a, &err), ERR_OK);
	assert_true(a >= 0);
	assert_int_equal(file_lock(p->path, &b, &err), ERR_BUSY);
	assert_int_equal(b, -1);
	close(a);
	assert_int_equal(file_lock(p->path, &b, &err), ERR_OK);
	close(b);
	assert_int_equal(file_lock(p->dir, &b, &err), ERR_IO);
}

#ifdef CUNDANG_CRASH_POINTS
/* Replaces twice in a child with CUNDANG_CRASH set; its exit code. */
static int replace_in_child(const char *path, const char *crash)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("CUNDANG_CRASH", crash, 1);
		if (file_replace(path, "second", 6, 0600, NULL) ||
			file_replace(path, "third", 5, 0600, NULL))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
#endif

static void syncs_all_that_lies_below(void **state)
{
	struct place *p = *state;
	char *inner = file_join(p->other, "inner");
	char *link = file_join(p->other, "up");
	char *deep = file_join(inner, "file");
	uint64_t before;

	assert_non_null(inner);
	assert_non_null(link);
	assert_non_null(deep);
	assert_int_equal(file_make_dirs(inner, NULL), ERR_OK);
	assert_int_equal(file_replace(p->path, "a", 1, 0600, NULL), ERR_OK);
	assert_int_equal(file_replace(deep, "b", 1, 0600, NULL), ERR_OK);
	assert_int_equal(symlink(p->dir, link), 0);
	before = file_sync_count();
	assert_int_equal(
		file_sync_tree(p->dir, FILE_SYNC_FOLDERS, NULL), ERR_OK);
	assert_int_equal(file_sync_count() - before, 3);
	before = file_sync_count();
	assert_int_equal(file_sync_tree(p->dir, FILE_SYNC_ALL, NULL), ERR_OK);
	assert_int_equal(file_sync_count() - before, 5);
	assert_int_equal(file_sync_tree(p->path, FILE_SYNC_ALL, NULL), ERR_IO);
	free(inner);
	free(link);
	free(deep);
}

static void dies_at_the_crash_point_named(void **state)
{
#ifdef CUNDANG_CRASH_POINTS
	static const struct {
		const char *crash;
		int code;
		const char *holds;
	} cases[] = {
		{"file.replace.written", 137, "first"},
		{"file.replace.written*1", 137, "first"},
		{"file.replace.renamed", 137, "second"},
		{"file.replace.written*2", 137, "second"},
		{"file.replace.renamed*2", 137, "third"},
		{"file.replace.renamed*3", 0, "third"},
		{"file.replace.renamed*", 0, "third"},
		{"file.replace.renamed2", 0, "third"},
		{"file.replace", 0, "third"},
		{"", 0, "third"},
	};
	struct place *p = *state;
	size_t ran = 0;

	for (; ran < ARRAY_LEN(cases); ran++) {
		write_text(p->path, "first");
		assert_int_equal(replace_in_child(p->path, cases[ran].crash),
			cases[ran].code);
		assert_holds(p->path, cases[ran].holds);
	}
	assert_int_equal(ran, 10);
#else
	(void)state;
	skip();
#endif
}

int main(void)
{
#define test_in_place(f)                                                       \
	cmocka_unit_test_setup_teardown(f, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		test_in_place(replaces_a_file_and_its_mode),
		test_in_place(a_failed_replace_leaves_nothing_behind),
		test_in_place(a_path_without_a_folder_is_one_here),
		test_in_place(a_write_that_stops_short_keeps_the_old_bytes),
		test_in_place(a_full_disk_says_so),
		test_in_place(reads_up_to_the_limit),
		test_in_place(reads_a_file_of_many_steps),
		test_in_place(reads_and_writes_at_an_offset),
		test_in_place(counts_its_syncs),
		test_in_place(makes_folders_on_the_way),
		test_in_place(a_lock_has_one_holder),
		test_in_place(syncs_all_that_lies_below),
		test_in_place(dies_at_the_crash_point_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
