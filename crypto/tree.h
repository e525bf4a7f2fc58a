/* tree.h - the RFC 6962 section 2.1 Merkle tree and its proofs.
 *
 * Subtree proofs are those of C2SP tlog-mirror (and the MTC draft): a subtree
 * [start, end) is valid when start is a multiple of the smallest power of two
 * that is not less than end - start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/digest.h"

#define TREE_PROOF_LIMIT 64 /* hashes in any proof; 63 is the most possible */
#define TREE_SIZE_LIMIT ((uint64_t)1 << 53)

struct digest tree_leaf(const void *data, size_t len);
struct digest tree_node(const struct digest *left, const struct digest *right);
struct digest tree_empty(void);

/* The right edge of a tree: the roots of its perfect subtrees, largest first.
 * All zero is the empty tree. */
struct tree_edge {
	uint64_t size;
	struct digest hash[64]; /* one per set bit of size, highest bit first */
};
void tree_append(struct tree_edge *e, const struct digest *leaf);
/* Appends the root of a perfect subtree of 2^level leaves; size must be a
 * multiple of 2^level (asserted: our own bug). */
void tree_append_subtree(
	struct tree_edge *e, unsigned level, const struct digest *root);
struct digest tree_root(const struct tree_edge *e);
/* Hashes in use: the set bits of size. */
unsigned tree_edge_count(uint64_t size);

/* Tells the root of the perfect subtree `index` of 2^level leaves, all of them
 * within the tree.  What a store gives the proof makers below. */
typedef enum err_code tree_read(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err);

struct tree_proof {
	unsigned count;
	struct digest hash[TREE_PROOF_LIMIT];
};

/* The makers ask `read` for subtrees of the tree of `size` leaves only. */
enum err_code tree_root_at(uint64_t size, tree_read *read, void *arg,
	struct digest *root, struct err *err);
/* The edge at `size`, to go on appending from there. */
enum err_code tree_edge_at(uint64_t size, tree_read *read, void *arg,
	struct tree_edge *edge, struct err *err);
enum err_code tree_prove_inclusion(uint64_t index, uint64_t size,
	tree_read *read, void *arg, struct tree_proof *proof, struct err *err);
/* Subtree [start, end) of `size`; start 0 gives the ordinary consistency proof
 * end -> size.  ERR_USAGE when the subtree is not valid. */
enum err_code tree_prove_subtree(uint64_t start, uint64_t end, uint64_t size,
	tree_read *read, void *arg, struct tree_proof *proof, struct err *err);

bool tree_subtree_valid(uint64_t start, uint64_t end);
bool tree_check_inclusion(uint64_t index, uint64_t size,
	const struct digest *leaf, const struct tree_proof *proof,
	const struct digest *root);
/* Also consistency: start 0, end the old size (not 0), hash the old root. */
bool tree_check_subtree(uint64_t start, uint64_t end, uint64_t size,
	const struct digest *hash, const struct tree_proof *proof,
	const struct digest *root);

/* Proof bytes on disk and wire: u8 count, then the hashes. */
void tree_proof_write(const struct tree_proof *p, struct buf *out);
bool tree_proof_read(struct cursor *c, struct tree_proof *p);

/* "tile/0/x001/x234/067" or "tile/entries/067" of C2SP tlog-tiles, with ".p/W"
 * behind when width < 256.
 * At most TILE_PATH_SIZE bytes with the NUL. */
#define TILE_PATH_SIZE 64
#define TILE_WIDTH 256
#define TILE_ENTRIES_LEVEL (-1) /* the level of tile/entries/ */
void tile_path(
	int level, uint64_t index, unsigned width, char out[TILE_PATH_SIZE]);
/* The other way round; width is 256 for a full one.  false = no tile path. */
bool tile_path_parse(const char *s, size_t len, int *level, uint64_t *index,
	unsigned *width);
