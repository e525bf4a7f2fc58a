/* heap.h - how the C library's heap is to behave in our processes. */
#pragma once

/* Once, before the first thread.  What is freed goes back to the kernel soon,
 * and threads share what they may: a process that takes a million records in
 * stays as small as one that takes a thousand. */
void heap_start(void);
/* Once, before the first thread: what is freed is overwritten, but for small
 * pieces that the C library keeps at hand for a thread (syncd/free.c).  For a
 * process that lives on when what it read is destroyed. */
void heap_overwrite_freed(void);
