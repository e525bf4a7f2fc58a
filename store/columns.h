/* columns.h - what blocks and runs share inside: a head with counts, a stretch
 * of random bytes, columns of numbers, lines of text.  Internal to store/. */
#pragma once

#include "store/frame.h"

/* u32 random, u16 rows, u16 digests, u16 seeds; then `random` bytes. */
struct columns_head {
	size_t random;	/* bytes that do not compress, right behind the head */
	size_t rows;	/* entries, or parts in a parts block */
	size_t digests; /* that stand explicitly */
	size_t seeds;
};
void columns_head_write(const struct columns_head *h, struct buf *out);
/* Takes the head and the random bytes behind it.  false = they are not all
 * there, or the counts are beyond their bounds. */
bool columns_head_read(struct cursor *c, struct columns_head *h);

/* LEB128, at most 10 bytes. */
void varint_write(uint64_t v, struct buf *out);
uint64_t varint_read(struct cursor *c);

/* The random bytes of stubs: leaf checks, ends of ids, explicit digests. */
size_t stubs_random_size(const struct columns_head *h);
void stubs_write_random(
	const struct entry_stub *stubs, size_t count, struct buf *out);
/* Their other columns. */
void stubs_write(const struct entry_stub *stubs, size_t count, struct buf *out);
/* Failures stick in the cursors. */
void stubs_read(struct cursor *random, struct cursor *c,
	struct entry_stub *stubs, size_t count);

/* Fits a line: without control characters, not empty, within bounds. */
bool part_text_valid(const struct part *p);
