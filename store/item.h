/* item.h - the items that segments are made of, as bytes.  Internal to store/.
 *
 * A segment is a header and then items; items up to and with a commit item
 * are a group.  Everything here is pure.  docs/format.md section 4.
 */
#pragma once

#include "store/entry.h"

#define SEGMENT_HEAD_SIZE 40
#define STORE_ID_SIZE 8

struct segment_head {
	uint32_t id;
	uint8_t store[STORE_ID_SIZE]; /* the same in all segments of a store */
	uint64_t prev_end; /* where the groups of the segment before end */
	uint32_t end;	   /* of a packed one: where its own do; else 0 */
};
void segment_head_write(
	const struct segment_head *h, uint8_t out[SEGMENT_HEAD_SIZE]);
bool segment_head_parse(
	const uint8_t *data, size_t len, struct segment_head *out);

/* These are on disk. */
enum item_kind {
	ITEM_LOG = 1,	  /* a log begins, or changes its kind */
	ITEM_ENTRIES = 2, /* entries [first, last] of a log */
	ITEM_PARTS = 3,	  /* parts of one series and label, sealed */
	ITEM_PROVED = 4,  /* one entry and its proof */
	ITEM_NOTE = 5,	  /* a checkpoint, flags: which slots it fills */
	ITEM_REFS = 6,	  /* attachments referred to, sealed */
	ITEM_ERASED = 7,  /* (log, seq, label) destroyed */
	ITEM_COMMIT = 8,  /* the group is whole; its directory */
	ITEM_MENDED = 9,  /* entries [first, last] again, in place of damaged */
	ITEM_CLOSED = 10, /* places of damage that nothing needs any more */
};
enum item_suite {
	SUITE_RAW = 0,
	SUITE_ZSTD = 1,
	SUITE_SEALED = 2, /* AES-256-GCM over zstd */
};

#define ITEM_HEAD_SIZE 72
#define ITEM_HEAD_LIMIT (ITEM_HEAD_SIZE + SERIES_NAME_SIZE)
#define ITEM_PAYLOAD_LIMIT ((uint32_t)80 << 20)
#define ITEM_PLAIN_LIMIT ((uint32_t)64 << 20)

/* A segment's id: its number, and above that how often it was packed.  What is
 * packed is another file under another id. */
#define SEGMENT_NUMBER_LIMIT ((uint32_t)0xffffff)
#define SEGMENT_PACKS_LIMIT ((uint32_t)0xff)
static inline uint32_t segment_number(uint32_t id)
{
	return id & SEGMENT_NUMBER_LIMIT;
}
static inline uint32_t segment_packs(uint32_t id)
{
	return id >> 24;
}
static inline uint32_t segment_id(uint32_t number, uint32_t packs)
{
	return packs << 24 | number;
}
/* "00000017", once packed "00000017-1". */
struct segment_name {
	char text[24];
};
struct segment_name segment_name(uint32_t id);

/* A place in the segments, by id; segment 0 is nowhere. */
struct place {
	uint32_t segment;
	uint64_t offset;
};
static inline bool place_equal(struct place a, struct place b)
{
	return a.segment == b.segment && a.offset == b.offset;
}
/* In the order in which segments were written and packed. */
bool place_before(struct place a, struct place b);

struct item {
	enum item_kind kind;
	enum item_suite suite;
	uint8_t label;
	uint8_t flags;
	uint32_t log;
	uint32_t count;
	uint64_t first, last;
	uint32_t plain_len;
	uint64_t key; /* SUITE_SEALED */
	/* A rewritten block: where the first one of its content stood. */
	struct place origin;
	char name[SERIES_NAME_SIZE]; /* the series, or empty */
	uint32_t payload_len;
	uint32_t payload_crc;
	uint32_t head_crc;
};
size_t item_head_size(const struct item *it);
/* What a commit item tells of the items of its group: over their head_crc. */
uint32_t item_chain(uint32_t crc, const struct item *it);
uint64_t item_size(const struct item *it); /* head and payload */
/* What a seal of the payload covers besides it: all but the CRCs. */
size_t item_aad(const struct item *it, uint8_t out[ITEM_HEAD_LIMIT]);
/* Appends head and payload; sets payload_len and the CRCs of `it`. */
void item_write(
	struct item *it, const void *payload, size_t len, struct buf *out);
/* Reads a head from the first bytes of `data` (ITEM_HEAD_LIMIT are always
 * enough).  ERR_CORRUPT. */
enum err_code item_parse(
	const void *data, size_t len, struct item *out, struct err *err);

/* Records that arrived, in order; `again`: they had, and lost parts by an
 * erasure. */
struct arrival_run {
	uint32_t log;
	uint64_t first;
	uint32_t count;
	bool again;
};
/* Of the count as it stands on disk. */
#define RUN_AGAIN (UINT32_C(1) << 31)
#define RUN_COUNT_LIMIT (RUN_AGAIN - 1)
/* A parts block of the group. */
struct directory_block {
	char name[SERIES_NAME_SIZE];
	uint32_t log;
	uint8_t label;
	uint64_t first, last;
	uint64_t offset;
};
/* What a log's right edge has become: the hashes behind those that it had at
 * size `from` already, all of them for 0. */
struct directory_edge {
	uint32_t log;
	uint64_t from, to; /* sizes of the log before and after the group */
	size_t at;	   /* the first of them in `hashes` */
};
/* How many there are: those of the subtrees that `from` does not have. */
unsigned edge_fresh(uint64_t from, uint64_t to);
/* The payload of a commit item. */
struct directory {
	uint64_t start;	    /* of the group's first item */
	uint32_t items;	    /* the commit item not counted */
	uint32_t heads_crc; /* over their head_crc, 4 bytes each */
	uint64_t arrival;   /* of the first that arrived */
	size_t run_count;
	struct arrival_run *runs;
	size_t block_count;
	struct directory_block *blocks; /* sorted by directory_compare */
	size_t edge_count;
	struct directory_edge *edges;
	size_t hash_count;
	struct digest *hashes; /* of the edges */
};
/* Brings blocks into their order. */
void directory_sort(struct directory *d);
void directory_write(const struct directory *d, struct buf *out);
/* Allocates runs and blocks.  ERR_CORRUPT. */
enum err_code directory_parse(
	const void *data, size_t len, struct directory *out, struct err *err);
void directory_free(struct directory *d); /* leaves it empty */
/* The block that would hold the part, or NULL. */
const struct directory_block *directory_find(const struct directory *d,
	uint32_t log, const char *name, size_t name_len, uint8_t label,
	uint64_t seq);
