/* powercut.c - preloaded: writes down what a program does to the files of one
 * directory, so that a power cut at any instant can be made of it afterwards.
 *
 * POWERCUT_DATA is the directory, POWERCUT_TRACE the file to append to.  Each
 * call is made and written down under one lock, so the trace is in the order
 * in which things happened.  A record: u8 what, u64 file, u64 a, u64 b, u32
 * len, u32 len, then two strings (paths below POWERCUT_DATA, or bytes written);
 * integers as the machine has them.  powercut.py reads it.
 *
 * Memory maps are not seen: only the index's table of readers is written
 * through one.  Calls go to the kernel directly, so that a sanitizer's own
 * wrappers do no harm.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define DESCRIPTORS 65536

enum what {
	DID_OPEN = 1, /* file, a: 1 truncated; path */
	DID_WRITE,    /* file, a: offset, b: 1 through O_DSYNC; bytes */
	DID_TRUNCATE, /* file, a: length */
	DID_SYNC,     /* file */
	DID_SYNC_DIR, /* path */
	DID_RENAME,   /* path, path */
	DID_LINK,     /* path, path */
	DID_UNLINK,   /* path */
	DID_MKDIR,    /* path */
	DID_RMDIR,    /* path */
};

struct known {
	uint64_t file; /* 0: none of ours */
	int folder;
	int dsync;
	char path[512]; /* of a folder */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *table;
static char data[PATH_MAX];
static size_t data_len;
static int trace = -1;
static uint64_t files;

static void fail(const char *why)
{
	fprintf(stderr, "powercut: %s\n", why);
	_exit(70);
}

__attribute__((constructor)) static void start(void)
{
	const char *dir = getenv("POWERCUT_DATA");
	const char *to = getenv("POWERCUT_TRACE");

	if (!dir || !to)
		return;
	data_len = strlen(dir);
	if (data_len >= sizeof(data))
		fail("POWERCUT_DATA is too long");
	memcpy(data, dir, data_len + 1);
	trace = (int)syscall(SYS_openat, AT_FDCWD, to,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	table = calloc(DESCRIPTORS, sizeof(*table));
	if (trace < 0 || !table)
		fail("no trace");
	/* Numbers of files go on where an earlier process ended. */
	files = (uint64_t)getpid() << 32;
}

static void record(enum what what, uint64_t file, uint64_t a, uint64_t b,
	const void *one, size_t one_len, const void *two, size_t two_len)
{
	uint8_t head[33];
	uint32_t lens[2] = {(uint32_t)one_len, (uint32_t)two_len};
	struct iovec v[3] = {{head, sizeof(head)}, {(void *)one, one_len},
		{(void *)two, two_len}};

	head[0] = (uint8_t)what;
	memcpy(head + 1, &file, 8);
	memcpy(head + 9, &a, 8);
	memcpy(head + 17, &b, 8);
	memcpy(head + 25, lens, 8);
	if (syscall(SYS_writev, trace, v, 3) !=
		(long)(sizeof(head) + one_len + two_len))
		fail("the trace cannot be written");
}

/* The path below POWERCUT_DATA; NULL for others. */
static const char *below(int dir, const char *path, char out[PATH_MAX])
{
	char link[64], full[PATH_MAX];
	ssize_t n;

	if (trace < 0 || !path)
		return NULL;
	if (path[0] != '/') {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = dir == AT_FDCWD
			? (getcwd(full, sizeof(full)) ? (ssize_t)strlen(full)
						      : -1)
			: (ssize_t)syscall(SYS_readlinkat, AT_FDCWD, link, full,
				  sizeof(full));
		if (n < 0 ||
			snprintf(out, PATH_MAX, "%.*s/%s", (int)n, full,
				path) >= PATH_MAX)
			return NULL;
	} else if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX) {
		return NULL;
	}
	if (strncmp(out, data, data_len) != 0 ||
		(out[data_len] != '/' && out[data_len] != '\0'))
		return NULL;
	return out[data_len] ? out + data_len + 1 : out + data_len;
}

static void record_path(enum what what, const char *one, const char *two)
{
	record(what, 0, 0, 0, one, one ? strlen(one) : 0, two,
		two ? strlen(two) : 0);
}

static void remember(int fd, const char *path, int flags)
{
	struct stat st;
	struct known *k;

	if (fd < 0 || fd >= DESCRIPTORS)
		return;
	k = &table[fd];
	memset(k, 0, sizeof(*k));
	if (fstat(fd, &st) != 0)
		return;
	k->file = ++files;
	if (S_ISDIR(st.st_mode)) {
		k->folder = 1;
		snprintf(k->path, sizeof(k->path), "%s", path);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		k->file = 0;
		return;
	}
	k->dsync = (flags & O_DSYNC) != 0;
	record(DID_OPEN, k->file, (flags & O_TRUNC) != 0, 0, path, strlen(path),
		NULL, 0);
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	const char *ours = below(dir, path, full);
	int fd;

	if (!ours)
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	pthread_mutex_lock(&lock);
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	remember(fd, ours, flags);
	pthread_mutex_unlock(&lock);
	return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE
		? va_arg(ap, mode_t)
		: 0;
}

#define OPENS(name, dir, params)                                               \
	EXPORT int name params                                                 \
	{                                                                      \
		va_list ap;                                                    \
		mode_t mode;                                                   \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_of(flags, ap);                                     \
		va_end(ap);                                                    \
		return open_at(dir, path, flags, mode);                        \
	}
OPENS(open, AT_FDCWD, (const char *path, int flags, ...))
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...))
OPENS(openat, at, (int at, const char *path, int flags, ...))
OPENS(openat64, at, (int at, const char *path, int flags, ...))

EXPORT int creat(const char *path, mode_t mode)
{
	return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int make_temporary(char *path, int flags)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(path);
	uint8_t random[6];

	for (;;) {
		int fd;

		if (syscall(SYS_getrandom, random, sizeof(random), 0) < 0)
			return -1;
		for (size_t i = 0; i < sizeof(random); i++)
			path[len - 6 + i] = letters[random[i] % 36];
		fd = open_at(AT_FDCWD, path, flags | O_RDWR | O_CREAT | O_EXCL,
			0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
}

EXPORT int mkstemp(char *path)
{
	return make_temporary(path, 0);
}

EXPORT int mkstemp64(char *path)
{
	return make_temporary(path, 0);
}

EXPORT int mkostemp(char *path, int flags)
{
	return make_temporary(path, flags);
}

EXPORT int mkostemp64(char *path, int flags)
{
	return make_temporary(path, flags);
}

static struct known *known(int fd)
{
	return trace >= 0 && fd >= 0 && fd < DESCRIPTORS && table[fd].file
		? &table[fd]
		: NULL;
}

EXPORT int close(int fd)
{
	if (known(fd)) {
		pthread_mutex_lock(&lock);
		table[fd].file = 0;
		pthread_mutex_unlock(&lock);
	}
	return (int)syscall(SYS_close, fd);
}

/* The calls that write: all as one vector at an offset. */
static ssize_t write_at(int fd, const struct iovec *v, int count, off_t offset)
{
	struct known *k = known(fd);
	struct stat st;
	off_t at = offset;
	ssize_t n, left;

	if (!k)
		return offset < 0
			? syscall(SYS_writev, fd, v, count)
			: syscall(SYS_pwritev, fd, v, count, offset, 0);
	pthread_mutex_lock(&lock);
	if (offset < 0) {
		at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
		if ((syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND) &&
			fstat(fd, &st) == 0)
			at = st.st_size;
		n = syscall(SYS_writev, fd, v, count);
	} else {
		n = syscall(SYS_pwritev, fd, v, count, offset, 0);
	}
	left = n;
	for (int i = 0; i < count && left > 0; i++) {
		size_t len = v[i].iov_len < (size_t)left ? v[i].iov_len
							 : (size_t)left;

		record(DID_WRITE, k->file, (uint64_t)at, (uint64_t)k->dsync,
			NULL, 0, v[i].iov_base, len);
		at += (off_t)len;
		left -= (ssize_t)len;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
	struct iovec v = {(void *)bytes, len};

	return known(fd) ? write_at(fd, &v, 1, -1)
			 : syscall(SYS_write, fd, bytes, len);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	struct iovec v = {(void *)bytes, len};

	return write_at(fd, &v, 1, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int count)
{
	return write_at(fd, v, count, -1);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
	return write_at(fd, v, count, offset);
}

EXPORT ssize_t pwritev64(
	int fd, const struct iovec *v, int count, off64_t offset)
{
	return write_at(fd, v, count, offset);
}

EXPORT int ftruncate(int fd, off_t length)
{
	struct known *k = known(fd);
	int rc;

	if (!k)
		return (int)syscall(SYS_ftruncate, fd, length);
	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_ftruncate, fd, length);
	if (rc == 0)
		record(DID_TRUNCATE, k->file, (uint64_t)length, 0, NULL, 0,
			NULL, 0);
	pthread_mutex_unlock(&lock);
	return rc;
}

EXPORT int ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}

/* A hole is zeros, and room beyond the end is length. */
static void record_room(struct known *k, int fd, int mode, off_t at, off_t len)
{
	static const char zeros[4096];
	struct stat st;

	if (fstat(fd, &st) != 0)
		fail("no stat");
	if (mode == 0)
		record(DID_TRUNCATE, k->file, (uint64_t)st.st_size, 0, NULL, 0,
			NULL, 0);
	else if (!(mode & FALLOC_FL_KEEP_SIZE))
		fail("a fallocate that it does not know");
	for (off_t n; (mode & FALLOC_FL_PUNCH_HOLE) && len > 0;
		at += n, len -= n) {
		n = len < (off_t)sizeof(zeros) ? len : (off_t)sizeof(zeros);
		record(DID_WRITE, k->file, (uint64_t)at, 0, NULL, 0, zeros,
			(size_t)n);
	}
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
	struct known *k = known(fd);
	int rc;

	if (!k)
		return (int)syscall(SYS_fallocate, fd, mode, offset, len);
	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_fallocate, fd, mode, offset, len);
	if (rc == 0)
		record_room(k, fd, mode, offset, len);
	pthread_mutex_unlock(&lock);
	return rc;
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	return fallocate(fd, mode, offset, len);
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t len)
{
	return fallocate(fd, 0, offset, len) ? errno : 0;
}

EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
	return posix_fallocate(fd, offset, len);
}

/* The disk need not be asked: what counts is what stands in the trace. */
static int sync_fd(int fd, long call)
{
	struct known *k = known(fd);

	if (!k)
		return (int)syscall(call, fd);
	pthread_mutex_lock(&lock);
	if (k->folder)
		record_path(DID_SYNC_DIR, k->path, NULL);
	else
		record(DID_SYNC, k->file, 0, 0, NULL, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	return 0;
}

EXPORT int fsync(int fd)
{
	return sync_fd(fd, SYS_fsync);
}

EXPORT int fdatasync(int fd)
{
	return sync_fd(fd, SYS_fdatasync);
}

/* Calls on paths: `call` is made, then written down. */
#define ON_PATH(what, dir, path, call)                                         \
	do {                                                                   \
		char full[PATH_MAX];                                           \
		const char *ours = below(dir, path, full);                     \
		int rc;                                                        \
                                                                               \
		if (!ours)                                                     \
			return (int)(call);                                    \
		pthread_mutex_lock(&lock);                                     \
		rc = (int)(call);                                              \
		if (rc == 0)                                                   \
			record_path(what, ours, NULL);                         \
		pthread_mutex_unlock(&lock);                                   \
		return rc;                                                     \
	} while (0)

EXPORT int unlinkat(int dir, const char *path, int flags)
{
	ON_PATH(flags & AT_REMOVEDIR ? DID_RMDIR : DID_UNLINK, dir, path,
		syscall(SYS_unlinkat, dir, path, flags));
}

EXPORT int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
	ON_PATH(DID_MKDIR, dir, path, syscall(SYS_mkdirat, dir, path, mode));
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static int two_paths(enum what what, int from, const char *old, int to,
	const char *new, unsigned flags)
{
	long call = what == DID_LINK ? SYS_linkat : SYS_renameat2;
	char one[PATH_MAX], two[PATH_MAX];
	const char *a = below(from, old, one);
	const char *b = below(to, new, two);
	int rc;

	if (!a && !b)
		return (int)syscall(call, from, old, to, new, flags);
	if (!a || !b || (what == DID_RENAME && flags))
		fail("a rename that it does not know");
	pthread_mutex_lock(&lock);
	rc = (int)syscall(call, from, old, to, new, flags);
	if (rc == 0)
		record_path(what, a, b);
	pthread_mutex_unlock(&lock);
	return rc;
}

EXPORT int renameat2(
	int from, const char *old, int to, const char *new, unsigned flags)
{
	return two_paths(DID_RENAME, from, old, to, new, flags);
}

EXPORT int renameat(int from, const char *old, int to, const char *new)
{
	return two_paths(DID_RENAME, from, old, to, new, 0);
}

EXPORT int rename(const char *old, const char *new)
{
	return two_paths(DID_RENAME, AT_FDCWD, old, AT_FDCWD, new, 0);
}

EXPORT int linkat(int from, const char *old, int to, const char *new, int flags)
{
	return two_paths(DID_LINK, from, old, to, new, (unsigned)flags);
}

EXPORT int link(const char *old, const char *new)
{
	return two_paths(DID_LINK, AT_FDCWD, old, AT_FDCWD, new, 0);
}
