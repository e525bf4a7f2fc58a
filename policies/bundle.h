/* bundle.h - the bytes in which governance heads travel, and their pure scan.
 * Internal to policies/.
 *
 * zstd over the magic and items of u8 type, u32 length, bytes: for each head
 * its statement, its signatures, then the objects that the heads before it do
 * not have.  Never packs: a pack from a peer can hang the indexer. */
#pragma once

#include "policies/gitobj.h"
#include "policies/statement.h"

#define BUNDLE_MAGIC "CUNDGOV1"
#define BUNDLE_PLAIN_LIMIT ((size_t)64 << 20)
#define BUNDLE_ITEMS_LIMIT ((size_t)65536)

enum item_type {
	ITEM_STATEMENT = 1,
	ITEM_SIGNATURE,
	ITEM_BLOB,
	ITEM_TREE,
	ITEM_COMMIT,
};
struct bundle_item {
	enum item_type type;
	const uint8_t *data; /* borrowed from plain */
	size_t len;
};
struct bundle {
	struct buf plain;
	struct bundle_item *item;
	size_t count, cap;
	size_t heads;
	uint64_t first; /* serial of its first head */
};
void bundle_free(struct bundle *b); /* leaves it empty */
void bundle_item_write(
	enum item_type type, const void *data, size_t len, struct buf *out);
/* Bounds, types, order, statements with serials that follow each other, trees
 * and commits as gitobj.h takes them.  Judges nothing. */
enum err_code bundle_scan(
	const void *data, size_t len, struct bundle *out, struct err *err);
