/* tiles.h - a log as files in the layout of C2SP tlog-tiles, written and
 * checked.  Internal to policies/.
 */
#pragma once

#include "policies/logs.h"

/* Writes the tiles of the tree of `size` and the bundles that hold entries
 * [from, to) below `dir`, which exists. */
enum err_code tiles_write(struct store *s, const struct log_info *log,
	uint64_t size, uint64_t from, uint64_t to, const char *dir,
	struct err *err);
/* One bundle of it: that of entry `seq`. */
enum err_code tiles_write_bundle(struct store *s, const struct log_info *log,
	uint64_t size, uint64_t seq, const char *dir, struct err *err);
/* Writes a fresh file, folders before it made where missing; not synced. */
enum err_code tiles_put(const char *dir, const char *name, const void *data,
	size_t len, struct err *err);

/* ---- checking ---- */

/* "tile 0/001", "entries 001": how faults name a file of the tree. */
#define TILE_NAME_SIZE 64
void tile_name(int level, uint64_t index, char out[TILE_NAME_SIZE]);

typedef void tiles_fault(void *arg, const char *thing, const char *what);

/* A tree that was read back: the true leaf hashes as far as they could be told,
 * and the entries that match them. */
struct tiles_entry {
	const char *text; /* NULL: damaged or not in the tree's files */
	size_t len;
};
struct tiles {
	uint64_t size;
	uint64_t from, to;	   /* entries that are there, whole bundles */
	struct tiles_entry *entry; /* to - from */
	struct buf *bundle;	   /* their bytes */
	size_t bundle_count;
	bool proved; /* the root is that of the files */
};
void tiles_free(struct tiles *t);
/* Reads the tree of `size` below `dir` with the bundles of entries [from, to)
 * and holds them against each other and the root.  Each damaged file is told
 * once, by the one that the others speak against.  ERR_OK also when there were
 * faults. */
enum err_code tiles_check(const char *dir, uint64_t size, uint64_t from,
	uint64_t to, const struct digest *root, tiles_fault *fault, void *arg,
	struct tiles *out, struct err *err);

/* Pure: the entries of a bundle of `width`.  false = it is none. */
bool tiles_bundle_parse(
	const void *data, size_t len, unsigned width, struct tiles_entry *out);
