/* heap.c - how the C library's heap is to behave in our processes. */
#include "base/heap.h"

#include <malloc.h>

/* glibc gives each thread an arena that keeps what was ever free in it, and
 * takes larger and larger buffers from there once one was freed: a put of many
 * records had twice the memory that it used.  Two arenas cost a put less than
 * a thirtieth of its time. */
#define ARENAS 2
#define MAPPED_FROM (512 << 10)
#define KEPT_FREE (2 << 20)
#define FREED 0x5a

void heap_start(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, ARENAS);
#endif
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}

void heap_overwrite_freed(void)
{
#ifdef M_PERTURB
	(void)mallopt(M_PERTURB, FREED);
#endif
}
