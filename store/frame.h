/* frame.h - columns of records as compressed, encrypted blocks (zstd lives
 * here).  Internal to store/. */
#pragma once

#include "store/keyring.h"
#include "store/run.h"

#define BLOCK_LEVEL 5 /* zstd's */
/* Of a record or two, which are packed later: entropy tables of their own would
 * save a fortieth of the bytes and take twice the time. */
#define SMALL_BLOCK ((size_t)1024)
#define SMALL_LEVEL (-1)
#define BLOCK_ROWS_LIMIT ((size_t)4096)

/* zstd with a bound on both sides; the output is appended.  Decompression
 * takes exactly one frame with a declared size of at most `limit`. */
enum err_code frame_compress(const void *data, size_t len, int level,
	struct buf *out, struct err *err);
enum err_code frame_decompress(const void *data, size_t len, size_t limit,
	struct buf *out, struct err *err);

/* zstd's working memory, kept from block to block: to make it takes longer than
 * to compress one record.  It is as small as blocks of 256 parts allow.  Any
 * thread; there is one for each that compressed, or decompressed, at the same
 * time. */
struct packers;
enum err_code packers_new(struct packers **out, struct err *err);
void packers_free(struct packers *p);
/* Frees what is not in use: pieces of the last blocks stand in it. */
void packers_clear(struct packers *p);

/* As frame_compress, for the plain bytes of a block or run: the random bytes at
 * their head do not spoil the statistics of the text behind.  `p` may be
 * NULL. */
enum err_code block_compress(struct packers *p, const void *plain, size_t len,
	int level, struct buf *out, struct err *err);

/* As frame_decompress.  `p` may be NULL. */
enum err_code block_decompress(struct packers *p, const void *data, size_t len,
	size_t limit, struct buf *out, struct err *err);

/* The plain bytes of an entries block: entries [start, start+count) with, for
 * each, the labels whose digest is to be computed from a part (`computed`),
 * the explicit digests of the others, and 4 bytes of the leaf hash. */
struct entry_row {
	const char *entry;
	size_t entry_len;
	struct digest leaf;
	uint8_t computed;		   /* LABEL_BITs */
	struct digest digest[LABEL_COUNT]; /* by label, where computed */
	/* Of an entry that parsed before, what its text says; else NULL. */
	const struct digest *sd;
	size_t sd_count;
};
enum err_code entries_block(const struct entry_row *rows, size_t count,
	struct buf *out, struct err *err);
/* What is left of an entry once its digests are taken out. */
struct entry_stub {
	int64_t at;
	uint8_t uuid[UUID_SIZE];
	const char *tail; /* the text after the id */
	size_t tail_len;
	uint8_t computed;
	size_t explicit_count;
	const struct digest *explicit_digest;
	uint8_t leaf_check[4];
};
/* Takes an entry apart; the stub borrows from it, and its explicit digests from
 * `digests`.  ERR_INVALID when it does not parse or lacks a computed digest. */
enum err_code entry_stub_make(const struct entry_row *row,
	struct digest digests[LABEL_COUNT], struct entry_stub *out,
	struct err *err);
/* Stubs borrow from `plain`.  ERR_CORRUPT. */
enum err_code entries_block_read(const void *plain, size_t len,
	struct entry_stub *stubs, size_t cap, size_t *count, struct err *err);
/* Rebuilds the exact entry from its stub and the digests by label (those in
 * stub->computed are used); checks leaf_check and gives the leaf hash. */
enum err_code entry_rebuild(const struct entry_stub *stub,
	const struct digest digest[LABEL_COUNT], struct buf *out,
	struct digest *leaf, struct err *err);

/* The plain bytes of a parts block: rows sorted by seq.  An erased part keeps
 * its digest, so that its entry can still be rebuilt. */
struct part_row {
	uint64_t seq;
	bool erased;
	struct digest digest; /* where erased */
	struct part part;     /* where not */
};
enum err_code parts_block(const struct part_row *rows, size_t count,
	struct buf *out, struct err *err);
enum err_code parts_block_read(const void *plain, size_t len,
	struct part_row *rows, size_t cap, size_t *count, struct err *err);
