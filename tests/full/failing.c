/* failing.c - a disk that becomes full at the n-th call that needs room. */
#include "tests/full/failing.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char below[PATH_MAX];
static size_t below_len;
static uint64_t wanted, seen;
static enum failing_mode how;
static bool on, hit;

void failing_start(const char *folder, uint64_t n, enum failing_mode mode)
{
	pthread_mutex_lock(&lock);
	below_len = strlen(folder);
	memcpy(below, folder, below_len + 1);
	wanted = n;
	seen = 0;
	how = mode;
	hit = false;
	on = true;
	pthread_mutex_unlock(&lock);
}

bool failing_stop(void)
{
	bool was;

	pthread_mutex_lock(&lock);
	on = false;
	was = hit;
	pthread_mutex_unlock(&lock);
	return was;
}

static bool concerns(const char *path)
{
	return strncmp(path, below, below_len) == 0 &&
		(path[below_len] == '/' || !path[below_len]);
}

/* Counts a call; true when it is to fail, errno then says why. */
static bool refused(const char *path)
{
	bool no = false;

	pthread_mutex_lock(&lock);
	if (on && concerns(path)) {
		seen++;
		no = how == FAIL_ONCE ? seen == wanted : seen >= wanted;
		hit |= no;
	}
	pthread_mutex_unlock(&lock);
	if (no)
		errno = ENOSPC;
	return no;
}

static bool refused_fd(int fd)
{
	char name[64], path[PATH_MAX];
	int saved = errno;
	ssize_t n;

	if (!__atomic_load_n(&on, __ATOMIC_RELAXED))
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path) - 1);
	errno = saved;
	if (n <= 0)
		return false;
	path[n] = '\0';
	return refused(path);
}

/* ---- the calls ---- */

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & O_CREAT) &&
		(path[0] == '/' || dir == AT_FDCWD ? refused(path)
						   : refused_fd(dir)))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & O_CREAT) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_of(flags, ap);                                     \
		va_end(ap);                                                    \
		return open_at(AT_FDCWD, path, flags, mode);                   \
	}

#define OPENAT(name)                                                           \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_of(flags, ap);                                     \
		va_end(ap);                                                    \
		return open_at(dir, path, flags, mode);                        \
	}

#define WRITE_AT(name)                                                         \
	ssize_t name(int fd, const void *data, size_t len, off_t offset)       \
	{                                                                      \
		return refused_fd(fd)                                          \
			? -1                                                   \
			: syscall(SYS_pwrite64, fd, data, len, offset);        \
	}

#define TRUNCATE(name)                                                         \
	int name(int fd, off_t len)                                            \
	{                                                                      \
		struct stat st;                                                \
                                                                               \
		if (fstat(fd, &st) == 0 && len > st.st_size && refused_fd(fd)) \
			return -1;                                             \
		return (int)syscall(SYS_ftruncate, fd, len);                   \
	}

#define ALLOCATE(name)                                                         \
	int name(int fd, int mode, off_t offset, off_t len)                    \
	{                                                                      \
		/* Punching a hole needs no room. */                           \
		if (!(mode & FALLOC_FL_PUNCH_HOLE) && refused_fd(fd))          \
			return -1;                                             \
		return (int)syscall(SYS_fallocate, fd, mode, offset, len);     \
	}

#define POSIX_ALLOCATE(name)                                                   \
	int name(int fd, off_t offset, off_t len)                              \
	{                                                                      \
		if (refused_fd(fd))                                            \
			return ENOSPC;                                         \
		return syscall(SYS_fallocate, fd, 0, offset, len) ? errno : 0; \
	}

#define MAKE_TEMPORARY(name)                                                   \
	int name(char *path, int flags)                                        \
	{                                                                      \
		int (*next)(char *, int);                                      \
		void *found = dlsym(RTLD_NEXT, #name);                         \
                                                                               \
		memcpy(&next, &found, sizeof(next));                           \
		return refused(path) ? -1 : next(path, flags);                 \
	}

/* Each has a second name where files may be large. */
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
WRITE_AT(pwrite)
WRITE_AT(pwrite64)
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)
ALLOCATE(fallocate)
ALLOCATE(fallocate64)
POSIX_ALLOCATE(posix_fallocate)
POSIX_ALLOCATE(posix_fallocate64)
MAKE_TEMPORARY(mkostemp)
MAKE_TEMPORARY(mkostemp64)

/* Where room is only found for the bytes when they go to the disk.  No power
 * fails here, so nothing waits for it. */
int fdatasync(int fd)
{
	return refused_fd(fd) ? -1 : 0;
}

int fsync(int fd)
{
	return refused_fd(fd) ? -1 : 0;
}

ssize_t write(int fd, const void *data, size_t len)
{
	return refused_fd(fd) ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
	return refused_fd(fd) ? -1 : syscall(SYS_writev, fd, v, count);
}

ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
	return refused_fd(fd) ? -1
			      : syscall(SYS_pwritev, fd, v, count, offset, 0);
}

int mkdir(const char *path, mode_t mode)
{
	struct stat st;

	/* What is there already takes no room. */
	if (stat(path, &st) != 0 && refused(path))
		return -1;
	return (int)syscall(SYS_mkdir, path, mode);
}

int rename(const char *from, const char *to)
{
	return refused(to) ? -1 : (int)syscall(SYS_rename, from, to);
}

int link(const char *from, const char *to)
{
	return refused(to) ? -1 : (int)syscall(SYS_link, from, to);
}
