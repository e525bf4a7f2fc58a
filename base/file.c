/* file.c - files that survive a power cut: staged writes, syncs, locks. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"

#define READ_STEP ((size_t)64 << 10)
#define STAGED ".new-"
#define ANY_NAME "XXXXXX" /* mkstemp's */

/* A count for tests of how often durability was paid for; nothing in the
 * program depends on it.  The only state of this folder that outlives a call,
 * beside the count of passings in crash_point(). */
static atomic_uint_fast64_t syncs;

uint64_t file_sync_count(void)
{
	return atomic_load(&syncs);
}

static void close_quietly(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static enum err_code read_all(int fd, const char *path, size_t limit,
	struct buf *out, struct err *err)
{
	for (;;) {
		/* One byte beyond the limit tells a file that is too long. */
		size_t room = limit - out->len < READ_STEP
			? limit - out->len + 1
			: READ_STEP;
		uint8_t *to = buf_reserve(out, room);
		ssize_t n;

		if (!to)
			return err_nomem(err);
		n = read(fd, to, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EISDIR)
			return err_set(err, ERR_INVALID,
				"%s is a folder, not a file", path);
		if (n < 0)
			return err_sys(err, "read %s", path);
		if (n == 0)
			break;
		out->len += (size_t)n;
		if (out->len > limit)
			return err_set(err, ERR_LIMIT,
				"%s is longer than the limit of %zu bytes",
				path, limit);
	}
	return buf_cstr(out) ? ERR_OK : err_nomem(err);
}

enum err_code file_read(
	const char *path, size_t limit, struct buf *out, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (limit == SIZE_MAX)
		limit--;
	rc = read_all(fd, path, limit, &bytes, err);
	close_quietly(fd);
	if (rc == ERR_OK) {
		buf_free(out);
		*out = bytes;
		bytes = BUF_EMPTY;
	}
	buf_free(&bytes);
	return rc;
}

/* The folder that holds `path`, in a fresh string. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	if (slash == path)
		return strdup("/");
	return strndup(path, (size_t)(slash - path));
}

static enum err_code write_all(
	int fd, const char *path, const void *data, size_t len, struct err *err)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "write %s", path);
		at += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

/* Bytes and mode reach the disk under the temporary name. */
static enum err_code write_staged(int fd, const char *path, const void *data,
	size_t len, mode_t mode, struct err *err)
{
	enum err_code rc;

	if ((rc = write_all(fd, path, data, len, err)))
		return rc;
	if (fchmod(fd, mode) != 0)
		return err_sys(err, "set the mode of %s", path);
	atomic_fetch_add(&syncs, 1);
	if (fsync(fd) != 0)
		return err_sys(err, "sync %s", path);
	return ERR_OK;
}

enum err_code file_replace(const char *path, const void *data, size_t len,
	mode_t mode, struct err *err)
{
	struct buf staged = BUF_EMPTY;
	char *dir = parent_of(path);
	int fd = -1;
	enum err_code rc;

	buf_str(&staged, path);
	buf_str(&staged, STAGED ANY_NAME);
	if (!dir || !buf_cstr(&staged)) {
		rc = err_nomem(err);
		goto out;
	}
	fd = mkostemp((char *)staged.data, O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(err, "make a file beside %s", path);
		goto out;
	}
	rc = write_staged(fd, path, data, len, mode, err);
	if (rc == ERR_OK) {
		crash_point("file.replace.written");
		if (rename((char *)staged.data, path) != 0)
			rc = err_sys(err, "replace %s", path);
	}
	if (rc != ERR_OK) {
		unlink((char *)staged.data);
		goto out;
	}
	crash_point("file.replace.renamed");
	rc = file_sync_dir(dir, err);
out:
	close_quietly(fd);
	buf_free(&staged);
	free(dir);
	return rc;
}

static bool is_staged(const char *name)
{
	size_t tail = strlen(STAGED ANY_NAME);
	size_t len = strlen(name);

	return len > tail &&
		strncmp(name + len - tail, STAGED, strlen(STAGED)) == 0;
}

enum err_code file_sweep(const char *dir, struct err *err)
{
	DIR *folder = opendir(dir);
	enum err_code rc = ERR_OK;
	struct dirent *d;

	if (!folder)
		return err_sys(err, "open %s", dir);
	while (rc == ERR_OK && (d = readdir(folder)))
		if (is_staged(d->d_name) &&
			unlinkat(dirfd(folder), d->d_name, 0) != 0)
			rc = err_sys(err, "remove %s/%s", dir, d->d_name);
	closedir(folder);
	return rc;
}

/* The kernel counts positions in off_t, which is signed. */
static bool range_fits(uint64_t offset, size_t len)
{
	uint64_t end;

	return !ckd_add(&end, offset, (uint64_t)len) && end <= INT64_MAX;
}

enum err_code file_read_at(
	int fd, uint64_t offset, void *out, size_t len, struct err *err)
{
	uint8_t *at = out;
	size_t done = 0;

	if (!range_fits(offset, len))
		return err_set(err, ERR_CORRUPT,
			"offset %llu lies beyond any file",
			(unsigned long long)offset);
	while (done < len) {
		ssize_t n = pread(
			fd, at + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %zu bytes at %llu", len,
				(unsigned long long)offset);
		if (n == 0)
			return err_set(err, ERR_CORRUPT,
				"file ends after %zu of %zu bytes at %llu",
				done, len, (unsigned long long)offset);
		done += (size_t)n;
	}
	return ERR_OK;
}

enum err_code file_write_at(
	int fd, uint64_t offset, const void *data, size_t len, struct err *err)
{
	const uint8_t *at = data;
	size_t done = 0;

	if (!range_fits(offset, len))
		return err_set(err, ERR_LIMIT,
			"offset %llu lies beyond any file",
			(unsigned long long)offset);
	while (done < len) {
		ssize_t n = pwrite(
			fd, at + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "write %zu bytes at %llu", len,
				(unsigned long long)offset);
		done += (size_t)n;
	}
	return ERR_OK;
}

enum err_code file_sync_data(int fd, const char *path, struct err *err)
{
	atomic_fetch_add(&syncs, 1);
	if (fdatasync(fd) != 0)
		return err_sys(err, "sync %s", path);
	return ERR_OK;
}

enum err_code file_sync_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err_code rc = ERR_OK;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	atomic_fetch_add(&syncs, 1);
	/* EINVAL: a file system that has no such thing as syncing a folder. */
	if (fsync(fd) != 0 && errno != EINVAL)
		rc = err_sys(err, "sync %s", path);
	close_quietly(fd);
	return rc;
}

static enum err_code sync_below(
	int folder, enum file_sync what, const char *path, struct err *err);

/* Takes the descriptor. */
static enum err_code sync_entry(
	int fd, enum file_sync what, const char *path, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct stat st;

	if (fstat(fd, &st) != 0)
		rc = err_sys(err, "look at %s", path);
	else if (S_ISDIR(st.st_mode))
		return sync_below(fd, what, path, err);
	else if (S_ISREG(st.st_mode) && what == FILE_SYNC_ALL)
		rc = file_sync_data(fd, path, err);
	close_quietly(fd);
	return rc;
}

/* What goes away meanwhile, or is no file, is left out. */
static enum err_code sync_below(
	int folder, enum file_sync what, const char *path, struct err *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	DIR *dir = fdopendir(folder);
	enum err_code rc = ERR_OK;
	struct dirent *d;

	if (what == FILE_SYNC_FOLDERS)
		flags |= O_DIRECTORY;
	if (!dir) {
		close_quietly(folder);
		return err_sys(err, "open %s", path);
	}
	while (rc == ERR_OK && (d = readdir(dir))) {
		int fd = -1;

		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			fd = openat(dirfd(dir), d->d_name, flags);
		if (fd >= 0)
			rc = sync_entry(fd, what, path, err);
	}
	atomic_fetch_add(&syncs, 1);
	if (rc == ERR_OK && fsync(dirfd(dir)) != 0 && errno != EINVAL)
		rc = err_sys(err, "sync %s", path);
	closedir(dir);
	return rc;
}

enum err_code file_sync_tree(
	const char *path, enum file_sync what, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", path);
	return sync_below(fd, what, path, err);
}

/* A folder whose own entry is not durable takes its files with it, so the
 * parent of each new one is synced. */
static enum err_code make_dir(const char *path, struct err *err)
{
	struct stat st;
	char *parent;
	enum err_code rc;

	if (mkdir(path, 0700) != 0) {
		if (errno != EEXIST)
			return err_sys(err, "make folder %s", path);
		if (stat(path, &st) != 0)
			return err_sys(err, "look at %s", path);
		if (!S_ISDIR(st.st_mode))
			return err_set(
				err, ERR_EXISTS, "%s is not a folder", path);
		return ERR_OK;
	}
	parent = parent_of(path);
	if (!parent)
		return err_nomem(err);
	rc = file_sync_dir(parent, err);
	free(parent);
	return rc;
}

enum err_code file_make_dirs(const char *path, struct err *err)
{
	char *copy = strdup(path);
	size_t len = strlen(path);
	enum err_code rc = ERR_OK;

	if (!copy)
		return err_nomem(err);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	for (size_t i = 1; i < len && rc == ERR_OK; i++) {
		if (copy[i] != '/' || copy[i - 1] == '/')
			continue;
		copy[i] = '\0';
		/* A folder above that we may not read need only exist. */
		if (!file_exists(copy))
			rc = make_dir(copy, err);
		copy[i] = '/';
	}
	if (rc == ERR_OK)
		rc = make_dir(copy, err);
	free(copy);
	return rc;
}

bool file_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

enum err_code file_lock(const char *path, int *fd, struct err *err)
{
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum err_code rc = ERR_OK;

	if (lock < 0)
		return err_sys(err, "open %s", path);
	while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		rc = errno == EWOULDBLOCK
			? err_set(err, ERR_BUSY,
				  "%s is locked by another process", path)
			: err_sys(err, "lock %s", path);
		close_quietly(lock);
		return rc;
	}
	*fd = lock;
	return rc;
}

char *file_join(const char *dir, const char *name)
{
	size_t dir_len = strlen(dir);
	size_t name_len = strlen(name);
	char *path = malloc(dir_len + name_len + 2);

	if (!path)
		return NULL;
	memcpy(path, dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, name, name_len + 1);
	return path;
}

#ifdef CUNDANG_CRASH_POINTS
void crash_point(const char *name)
{
	static atomic_uint_fast64_t passings;
	const char *wanted = getenv("CUNDANG_CRASH");
	size_t len = strlen(name);
	uint64_t which = 1;

	if (!wanted || strncmp(wanted, name, len) != 0)
		return;
	if (wanted[len] == '*') {
		const char *k = wanted + len + 1;

		if (!number_parse(k, strlen(k), UINT64_MAX, &which))
			return;
	} else if (wanted[len] != '\0') {
		return;
	}
	if (atomic_fetch_add(&passings, 1) + 1 == which)
		_exit(137);
}
#endif
