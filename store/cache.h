/* cache.h - decompressed blocks, the last used ones.  Internal to store/. */
#pragma once

#include <pthread.h>

#include "store/frame.h"
#include "store/item.h"

/* From ten to a hundred thousand records of some 800 bytes. */
#define CACHE_LEAST ((size_t)24 << 20)
#define CACHE_MOST ((size_t)192 << 20)
#define CACHE_SHARE 32 /* of the machine's memory, between these */

enum block_kind {
	BLOCK_ENTRIES, /* also one proved entry */
	BLOCK_PARTS,
	BLOCK_DIRECTORY,
	BLOCK_REFS,
};

/* An entry that was made: its parts tell its digests. */
struct block_entry {
	const char *text;
	size_t len;
	struct digest leaf;
	const char *series; /* in text */
	size_t series_len;
	uint8_t computed; /* labels whose part stands in a parts block */
	struct digest digest[LABEL_COUNT]; /* where computed */
	/* The block at `damage` cannot be read: the text has wrong digests, and
	 * the leaf is not known. */
	bool damaged;
	struct place damage;
};

/* Entries that were made together, and their texts. */
struct made_entries {
	struct made_entries *below;
	struct buf texts;
	struct block_entry entries[];
};
struct made_entries *made_entries_new(size_t count);
void made_entries_free(struct made_entries *m); /* NULL does nothing */

/* Several threads may hold it.  Nothing in it changes but that entries are
 * made, under the lock, by block_make(): who called it may read them. */
struct block {
	enum block_kind kind;
	struct place at;
	unsigned pins;
	size_t bytes; /* of memory, about */
	struct item head;
	struct buf plain; /* what the rows borrow */
	size_t count;
	struct place commit; /* of the group, of a block of entries */
	struct entry_stub *stubs;
	pthread_mutex_t lock;
	struct block_entry **entries; /* NULL where not made */
	struct made_entries *made;
	size_t damaged; /* so many of the entries that were made */
	struct part_row *parts;
	bool digested; /* all parts have their digest, and no text */
	struct directory directory;
	const uint8_t *proof; /* of a proved entry */
	size_t proof_len;
	/* The cache's. */
	bool cached;
	uint64_t used;
	struct block *newer, *older, *next;
};
struct block *block_new(enum block_kind kind, struct place at); /* pinned */
struct block *block_pin(struct block *b);
void block_unpin(struct block *b); /* NULL does nothing */

struct cache;
/* Bytes that blocks may take on this machine. */
size_t cache_room(void);
struct cache *cache_new(size_t room); /* NULL when out of memory */
void cache_free(struct cache *c);
/* Pinned, or NULL. */
struct block *cache_get(struct cache *c, struct place at);
/* The caller keeps its pin. */
void cache_put(struct cache *c, struct block *b);
/* It takes so many bytes more. */
void cache_grew(struct cache *c, struct block *b, size_t bytes);
/* It is not given any more. */
void cache_drop(struct cache *c, struct block *b);
void cache_clear(struct cache *c);
/* Forgets what was not used since this was called last. */
void cache_tidy(struct cache *c);
