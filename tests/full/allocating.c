/* allocating.c - memory that gives out at the n-th request. */
#include "tests/full/allocating.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_bool on, hit;
static atomic_uint_fast64_t left;

void allocating_start(uint64_t n)
{
	atomic_store(&hit, false);
	atomic_store(&left, n);
	atomic_store(&on, true);
}

bool allocating_stop(void)
{
	atomic_store(&on, false);
	return atomic_load(&hit);
}

static bool refused(void)
{
	if (!atomic_load_explicit(&on, memory_order_relaxed) ||
		atomic_fetch_sub(&left, 1) != 1)
		return false;
	atomic_store(&hit, true);
	errno = ENOMEM;
	return true;
}

/* No power fails here: nothing waits for the disk. */
int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* The linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t size);

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refused() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return refused() ? NULL : __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *s)
{
	return refused() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t size)
{
	return refused() ? NULL : __real_strndup(s, size);
}
