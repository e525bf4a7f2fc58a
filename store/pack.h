/* pack.h - a sealed segment written anew, with many groups in one.  Internal to
 * store/. */
#pragma once

#include "store/batch.h"

/* A group of so many plain and packed bytes, and entries, is taken as it is. */
bool pack_is_large(uint64_t bytes, uint64_t records);

/* Writes what the segment `from` holds, durably, into the file that is to be
 * the segment `to`, and that segment_replace() gives its name; one that stands
 * there half made is removed on failure.  Memory is bounded by
 * 4 * PACK_BYTES and the largest item.  ERR_CORRUPT and others of damage, also
 * when an erasure beside it destroyed what it was about to read; ERR_BUSY when
 * *stop became true. */
enum err_code pack_segment(struct store *s, uint32_t from, uint32_t to,
	const bool *stop, struct err *err);
