/* run.h - consecutive records as compact bytes, on disk and on the wire.
 *
 * Entries are written without the digests of the parts that travel with them:
 * the reader computes those from the parts and so gets the entries' exact
 * bytes back.  Digests of absent parts (withheld, erased) stand explicitly.
 * Each record carries the first 4 bytes of its leaf hash, so that damage is
 * told by record.  docs/format.md section 3 has the bytes.
 */
#pragma once

#include "store/entry.h"
#include "store/erasure.h"

#define RUN_LIMIT 256 /* records */
#define PART_SIZE_LIMIT JSON_TEXT_LIMIT
#define RUN_PLAIN_LIMIT ((size_t)64 << 20) /* bytes before compression */

/* One part; borrows its bytes. */
struct part {
	uint8_t seed[SEED_SIZE];
	const char *json; /* canonical object */
	size_t len;
};

/* One record of a log: the entry's exact bytes and the parts at hand. */
struct record {
	const char *entry;
	size_t entry_len;
	struct digest leaf;
	/* Whoever made the record has computed the leaf from its entry: it is
	 * not computed again. */
	bool hashed;
	/* To batch_append(): the bytes stay where they are until the batch is
	 * gone, and need not be copied. */
	bool lasting;
	uint8_t have;	/* LABEL_BITs of part[] that are here */
	uint8_t erased; /* LABEL_BITs destroyed under an order */
	/* When and why: LABEL_COUNT of them, by label; NULL where none is. */
	const struct erasure *erasure;
	struct part part[LABEL_COUNT];
	/* LABEL_BITs of digest[] that whoever made the record has computed from
	 * the parts it holds: they are not computed again. */
	uint8_t digested;
	struct digest digest[LABEL_COUNT];
};

/* Up to RUN_LIMIT records [start, start + count) and the memory they borrow. */
struct run {
	uint64_t start;
	size_t count;
	struct record *record;
	struct buf arena;
};
void run_free(struct run *r); /* leaves it empty */

/* Appends the bytes of the records, parts outside `labels` left out and their
 * digests given explicitly.  ERR_INVALID when a part's digest is not in its
 * entry, ERR_LIMIT past RUN_PLAIN_LIMIT: take fewer records.  Compressed by
 * zstd at `level`; never encrypted. */
enum err_code run_encode(const struct run *r, uint8_t labels, int level,
	struct buf *out, struct err *err);
/* The reverse; sets leaf of each record by hashing the rebuilt entry.  Bounded
 * by RUN_LIMIT, ENTRY_SIZE_LIMIT, PART_SIZE_LIMIT, RUN_PLAIN_LIMIT.
 * ERR_PROTOCOL names the first record that does not add up.  Entries parse and
 * parts are what their entries commit to; whether a part is wholly canonical is
 * for the caller to check, and `erased` is not carried. */
enum err_code run_decode(const void *data, size_t len, uint64_t start,
	struct run *out, struct err *err);
