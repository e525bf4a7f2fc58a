/* free.c - the daemon's free() and realloc(): small pieces are overwritten. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__

/* heap_overwrite_freed() makes the C library overwrite all that is freed but
 * pieces up to this, which it keeps at hand for each thread as they are. */
#define AT_HAND 1032

void __libc_free(void *p);
void *__libc_realloc(void *p, size_t size);

static void overwrite_behind(void *p, size_t from)
{
	size_t room = malloc_usable_size(p);

	if (from < room)
		explicit_bzero((char *)p + from, room - from);
}

void free(void *p)
{
	if (p && malloc_usable_size(p) <= AT_HAND)
		overwrite_behind(p, 0);
	__libc_free(p);
}

static void *move(void *p, size_t room, size_t size)
{
	void *to = malloc(size);

	if (to) {
		memcpy(to, p, room);
		free(p);
	}
	return to;
}

/* What it would move or cut off is freed within the C library. */
void *realloc(void *p, size_t size)
{
	size_t room = p ? malloc_usable_size(p) : 0;

	if (size < room)
		overwrite_behind(p, size);
	else if (size > room && p && room <= AT_HAND)
		return move(p, room, size);
	return __libc_realloc(p, size);
}

#endif
