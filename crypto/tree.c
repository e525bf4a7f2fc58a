/* tree.c - the RFC 6962 Merkle tree: appending, proofs, tile paths. */
#include "crypto/tree.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct digest tree_leaf(const void *data, size_t len)
{
	static const uint8_t prefix = 0x00;
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, &prefix, 1);
	sha256_update(&h, data, len);
	return sha256_final(&h);
}

/* One update of 65 bytes: this is what a whole log's check spends its time
 * on. */
struct digest tree_node(const struct digest *left, const struct digest *right)
{
	uint8_t bytes[1 + 2 * DIGEST_SIZE + SHA256_PAD];
	struct sha256 h;

	bytes[0] = 0x01;
	memcpy(bytes + 1, left->b, DIGEST_SIZE);
	memcpy(bytes + 1 + DIGEST_SIZE, right->b, DIGEST_SIZE);
	sha256_init(&h);
	return sha256_finish(&h, bytes, 1 + 2 * DIGEST_SIZE);
}

struct digest tree_empty(void)
{
	return digest_of(NULL, 0);
}

unsigned tree_edge_count(uint64_t size)
{
	return (unsigned)__builtin_popcountll(size);
}

void tree_append_subtree(
	struct tree_edge *e, unsigned level, const struct digest *root)
{
	unsigned count = tree_edge_count(e->size);
	struct digest d = *root;

	assert(level < 64);
	assert((e->size & (((uint64_t)1 << level) - 1)) == 0);
	for (uint64_t rest = e->size >> level; rest & 1; rest >>= 1)
		d = tree_node(&e->hash[--count], &d);
	e->hash[count] = d;
	e->size += (uint64_t)1 << level;
}

void tree_append(struct tree_edge *e, const struct digest *leaf)
{
	tree_append_subtree(e, 0, leaf);
}

struct digest tree_root(const struct tree_edge *e)
{
	unsigned count = tree_edge_count(e->size);
	struct digest d;

	if (!count)
		return tree_empty();
	d = e->hash[--count];
	while (count)
		d = tree_node(&e->hash[--count], &d);
	return d;
}

/* Where the makers read from; the tree they read has `size` leaves. */
struct source {
	tree_read *read;
	void *arg;
};

/* The roots of the perfect subtrees that make up leaves [lo, hi), largest
 * first.  lo is a multiple of the largest of them. */
static enum err_code read_edge(const struct source *src, uint64_t lo,
	uint64_t hi, struct tree_edge *out, struct err *err)
{
	uint64_t n = hi - lo;
	unsigned count = 0;
	enum err_code rc;

	for (unsigned level = 64; level-- > 0;) {
		if (!(n >> level & 1))
			continue;
		rc = src->read(
			src->arg, level, lo >> level, &out->hash[count++], err);
		if (rc)
			return rc;
		lo += (uint64_t)1 << level;
	}
	out->size = n;
	return ERR_OK;
}

static enum err_code range_root(const struct source *src, uint64_t lo,
	uint64_t hi, struct digest *out, struct err *err)
{
	struct tree_edge e;
	enum err_code rc;

	if ((rc = read_edge(src, lo, hi, &e, err)))
		return rc;
	*out = tree_root(&e);
	return ERR_OK;
}

static enum err_code check_size(uint64_t size, struct err *err)
{
	if (size > TREE_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"tree of %" PRIu64 " leaves, limit %" PRIu64, size,
			TREE_SIZE_LIMIT);
	return ERR_OK;
}

enum err_code tree_root_at(uint64_t size, tree_read *read, void *arg,
	struct digest *root, struct err *err)
{
	struct source src = {read, arg};
	enum err_code rc;

	if ((rc = check_size(size, err)))
		return rc;
	return range_root(&src, 0, size, root, err);
}

enum err_code tree_edge_at(uint64_t size, tree_read *read, void *arg,
	struct tree_edge *edge, struct err *err)
{
	struct source src = {read, arg};
	struct tree_edge e = {0};
	enum err_code rc;

	if ((rc = check_size(size, err)) ||
		(rc = read_edge(&src, 0, size, &e, err)))
		return rc;
	*edge = e;
	return ERR_OK;
}

/* The largest power of two below n, for n > 1: where RFC 6962 splits. */
static uint64_t split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* Proofs are told from the root down and hold the leaf's sibling first. */
static void turn_around(struct tree_proof *p)
{
	for (unsigned i = 0; i < p->count / 2; i++) {
		struct digest d = p->hash[i];

		p->hash[i] = p->hash[p->count - 1 - i];
		p->hash[p->count - 1 - i] = d;
	}
}

static enum err_code push_range(const struct source *src, uint64_t lo,
	uint64_t hi, struct tree_proof *p, struct err *err)
{
	assert(p->count < TREE_PROOF_LIMIT);
	return range_root(src, lo, hi, &p->hash[p->count++], err);
}

/* The proof of a valid subtree [start, end) from the root down.  With `known`
 * the verifier has the subtree's hash and the proof leaves it out. */
static enum err_code descend(const struct source *src, uint64_t start,
	uint64_t end, uint64_t size, bool known, struct tree_proof *p,
	struct err *err)
{
	uint64_t lo = 0, hi = size;
	enum err_code rc = ERR_OK;

	while (start != lo || end != hi) {
		uint64_t mid = lo + split(hi - lo);

		if (end <= mid) {
			rc = push_range(src, mid, hi, p, err);
			hi = mid;
		} else {
			rc = push_range(src, lo, mid, p, err);
			lo = mid;
			/* A subtree over both halves starts at the left
			 * one; what remains is only a part of it. */
			if (start < mid) {
				start = mid;
				known = false;
			}
		}
		if (rc)
			return rc;
	}
	return known ? ERR_OK : push_range(src, lo, hi, p, err);
}

static enum err_code prove(uint64_t start, uint64_t end, uint64_t size,
	const struct source *src, struct tree_proof *proof, struct err *err)
{
	struct tree_proof p = {0};
	enum err_code rc;

	if ((rc = check_size(size, err)) ||
		(rc = descend(src, start, end, size, true, &p, err)))
		return rc;
	turn_around(&p);
	*proof = p;
	return ERR_OK;
}

enum err_code tree_prove_inclusion(uint64_t index, uint64_t size,
	tree_read *read, void *arg, struct tree_proof *proof, struct err *err)
{
	struct source src = {read, arg};

	if (index >= size)
		return err_set(err, ERR_USAGE,
			"leaf %" PRIu64 " in a tree of %" PRIu64, index, size);
	return prove(index, index + 1, size, &src, proof, err);
}

enum err_code tree_prove_subtree(uint64_t start, uint64_t end, uint64_t size,
	tree_read *read, void *arg, struct tree_proof *proof, struct err *err)
{
	struct source src = {read, arg};

	if (!tree_subtree_valid(start, end) || end > size)
		return err_set(err, ERR_USAGE,
			"no subtree %" PRIu64 " to %" PRIu64
			" in a tree of %" PRIu64,
			start, end, size);
	if (start == end) {
		proof->count = 0;
		return ERR_OK;
	}
	return prove(start, end, size, &src, proof, err);
}

bool tree_subtree_valid(uint64_t start, uint64_t end)
{
	uint64_t n;

	if (start > end)
		return false;
	n = end - start;
	if (n <= 1)
		return true;
	if (n > (uint64_t)1 << 63)
		return start == 0;
	return (start & (2 * split(n) - 1)) == 0;
}

/* RFC 9162 section 2.1.3.2. */
bool tree_check_inclusion(uint64_t index, uint64_t size,
	const struct digest *leaf, const struct tree_proof *proof,
	const struct digest *root)
{
	struct digest r = *leaf;
	uint64_t f = index, t = size - 1;

	if (index >= size || proof->count > TREE_PROOF_LIMIT)
		return false;
	for (unsigned i = 0; i < proof->count; i++) {
		const struct digest *c = &proof->hash[i];

		if (t == 0)
			return false;
		if (f & 1 || f == t) {
			r = tree_node(c, &r);
			while (f && !(f & 1)) {
				f >>= 1;
				t >>= 1;
			}
		} else {
			r = tree_node(&r, c);
		}
		f >>= 1;
		t >>= 1;
	}
	return t == 0 && digest_equal(&r, root);
}

/* RFC 9162 section 2.1.4.2, for any start: f and t walk up from the subtree's
 * first and last leaf, u from the tree's last; fr rebuilds the subtree's hash,
 * sr the root. */
bool tree_check_subtree(uint64_t start, uint64_t end, uint64_t size,
	const struct digest *hash, const struct tree_proof *proof,
	const struct digest *root)
{
	uint64_t f = start, t = end - 1, u = size - 1;
	struct digest fr = *hash, sr, empty = tree_empty();
	unsigned i = 0;

	if (!tree_subtree_valid(start, end) || end > size ||
		proof->count > TREE_PROOF_LIMIT)
		return false;
	if (start == end)
		return proof->count == 0 && digest_equal(hash, &empty);
	for (; f != t && (t == u || t & 1); f >>= 1, t >>= 1)
		u >>= 1;
	if (f != t) {
		if (proof->count == 0)
			return false;
		fr = proof->hash[i++];
	}
	sr = fr;
	for (; i < proof->count; i++, f >>= 1, t >>= 1, u >>= 1) {
		const struct digest *c = &proof->hash[i];

		if (u == 0)
			return false;
		if (!(t & 1) && t != u) {
			sr = tree_node(&sr, c);
			continue;
		}
		if (f < t)
			fr = tree_node(c, &fr);
		sr = tree_node(c, &sr);
		for (; t && !(t & 1); f >>= 1, t >>= 1)
			u >>= 1;
	}
	return u == 0 && digest_equal(&fr, hash) && digest_equal(&sr, root);
}

void tree_proof_write(const struct tree_proof *p, struct buf *out)
{
	assert(p->count <= TREE_PROOF_LIMIT);
	buf_u8(out, (uint8_t)p->count);
	buf_add(out, p->hash, p->count * sizeof(p->hash[0]));
}

bool tree_proof_read(struct cursor *c, struct tree_proof *p)
{
	unsigned count = cursor_u8(c);
	const uint8_t *bytes;

	if (count > TREE_PROOF_LIMIT)
		return false;
	bytes = cursor_bytes(c, (size_t)count * DIGEST_SIZE);
	if (!cursor_ok(c))
		return false;
	p->count = count;
	if (count)
		memcpy(p->hash, bytes, (size_t)count * DIGEST_SIZE);
	return true;
}

#define INDEX_GROUPS 7 /* of three digits, for any 64-bit index */

void tile_path(
	int level, uint64_t index, unsigned width, char out[TILE_PATH_SIZE])
{
	unsigned group[INDEX_GROUPS];
	size_t n = 0;
	int at;

	assert(level >= TILE_ENTRIES_LEVEL && level < 64);
	assert(width >= 1 && width <= TILE_WIDTH);
	do {
		group[n++] = (unsigned)(index % 1000);
		index /= 1000;
	} while (index);

	if (level == TILE_ENTRIES_LEVEL)
		at = snprintf(out, TILE_PATH_SIZE, "tile/entries/");
	else
		at = snprintf(out, TILE_PATH_SIZE, "tile/%d/", level);
	while (n-- > 1)
		at += snprintf(out + at, TILE_PATH_SIZE - (size_t)at, "x%03u/",
			group[n]);
	at += snprintf(out + at, TILE_PATH_SIZE - (size_t)at, "%03u", group[0]);
	if (width < TILE_WIDTH)
		snprintf(out + at, TILE_PATH_SIZE - (size_t)at, ".p/%u", width);
}

/* Digits up to `stop` or the end; returns what stands behind them, NULL when
 * there is no digit or the number passes `max`. */
static const char *take_number(
	const char *s, const char *end, uint64_t max, uint64_t *value)
{
	const char *p = s;
	uint64_t v = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > max)
			return NULL;
	}
	*value = v;
	return p > s ? p : NULL;
}

static bool skip_text(const char **p, const char *end, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(end - *p) < len || memcmp(*p, text, len))
		return false;
	*p += len;
	return true;
}

/* Reads loosely and then asks whether the numbers give just this path back,
 * which settles leading zeros, group lengths and widths at once. */
bool tile_path_parse(
	const char *s, size_t len, int *level, uint64_t *index, unsigned *width)
{
	const char *p = s, *end = s + len;
	uint64_t lev = 0, n = 0, w = TILE_WIDTH, group;
	int l = TILE_ENTRIES_LEVEL;
	char again[TILE_PATH_SIZE];
	bool more = true;

	if (len >= TILE_PATH_SIZE || !skip_text(&p, end, "tile/"))
		return false;
	if (!skip_text(&p, end, "entries/")) {
		if (!(p = take_number(p, end, 63, &lev)) ||
			!skip_text(&p, end, "/"))
			return false;
		l = (int)lev;
	}
	while (more) {
		more = skip_text(&p, end, "x");
		if (!(p = take_number(p, end, 999, &group)) ||
			n > TREE_SIZE_LIMIT / 1000)
			return false;
		n = n * 1000 + group;
		if (more && !skip_text(&p, end, "/"))
			return false;
	}
	if (p < end &&
		(!skip_text(&p, end, ".p/") ||
			!(p = take_number(p, end, TILE_WIDTH - 1, &w)) ||
			w == 0))
		return false;
	tile_path(l, n, (unsigned)w, again);
	if (p != end || strlen(again) != len || memcmp(again, s, len))
		return false;
	*level = l;
	*index = n;
	*width = (unsigned)w;
	return true;
}
