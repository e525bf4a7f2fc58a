/* failing.h - a disk that becomes full at the n-th call that needs room.
 *
 * Linked into a test, it stands in front of the calls of the C library: open
 * with O_CREAT, mkostemp, mkdir, rename, link, write, pwrite, writev, pwritev,
 * fallocate, posix_fallocate, an ftruncate that grows, and the syncs, where
 * some file systems find out.  Counted are those that concern files below one
 * folder.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum failing_mode {
	FAIL_ONCE,    /* the n-th call fails, those behind it do not */
	FAIL_FROM_ON, /* the n-th and all behind it */
};

/* From now on the n-th call (from 1) for `folder` fails with ENOSPC. */
void failing_start(const char *folder, uint64_t n, enum failing_mode mode);
/* All calls work again; tells whether one had failed. */
bool failing_stop(void);
