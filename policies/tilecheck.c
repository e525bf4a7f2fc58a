/* tilecheck.c - tiles and entry bundles held against each other and the root.
 *
 * Every hash is there twice: a tile's root stands in the tile above, a leaf's
 * hash in its entry's bytes, the right edge in the checkpoint.  So one damaged
 * file is told from its neighbours: what the root proves is true, what it does
 * not is held against what lies below it.
 */
#include "policies/tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/packagefile.h"

#define LEVELS 8
#define BUNDLE_LIMIT ((size_t)TILE_WIDTH * (2 + ENTRY_SIZE_LIMIT))

enum tile_state {
	TILE_ABSENT, /* no file, or not of its length */
	TILE_READ,
	TILE_TRUE, /* the root proves it */
};
struct tile {
	enum tile_state state;
	bool told;
};
struct level {
	uint64_t count, tiles;
	struct digest *hash;
	struct tile *tile;
};

struct check {
	const char *dir;
	struct level level[LEVELS];
	unsigned levels;
	struct tiles *t;
	struct digest *leaf; /* of the entries that are there */
	bool *bundle_ok;
	uint64_t first; /* bundle */
	tiles_fault *fault;
	void *arg;
};

void tile_name(int level, uint64_t index, char out[TILE_NAME_SIZE])
{
	char path[TILE_PATH_SIZE];

	tile_path(level, index, TILE_WIDTH, path);
	if (level == TILE_ENTRIES_LEVEL)
		snprintf(out, TILE_NAME_SIZE, "entries %s",
			path + strlen("tile/entries/"));
	else
		snprintf(
			out, TILE_NAME_SIZE, "tile %s", path + strlen("tile/"));
}

void tiles_free(struct tiles *t)
{
	for (size_t i = 0; i < t->bundle_count; i++)
		buf_free(&t->bundle[i]);
	free(t->bundle);
	free(t->entry);
	*t = (struct tiles){.size = 0};
}

static void tell(struct check *c, int level, uint64_t index, const char *what)
{
	char name[TILE_NAME_SIZE];

	tile_name(level, index, name);
	c->fault(c->arg, name, what);
}

static void tell_tile(
	struct check *c, unsigned level, uint64_t index, const char *what)
{
	struct tile *tile = &c->level[level].tile[index];

	if (!tile->told)
		tell(c, (int)level, index, what);
	tile->told = true;
}

static unsigned width_of(uint64_t count, uint64_t index)
{
	uint64_t left = count - index * TILE_WIDTH;

	return left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
}

/* ---- reading ---- */

/* ERR_NOT_FOUND and ERR_LIMIT are about the file, anything else about us. */
static enum err_code read_file(const struct check *c, int level, uint64_t index,
	unsigned width, size_t limit, struct buf *out, struct err *err)
{
	char name[TILE_PATH_SIZE];
	enum err_code rc;
	char *path;

	tile_path(level, index, width, name);
	if (!(path = file_join(c->dir, name)))
		return err_nomem(err);
	rc = file_read(path, limit, out, err);
	free(path);
	return rc;
}

static enum err_code read_tile(
	struct check *c, unsigned level, uint64_t index, struct err *err)
{
	struct level *l = &c->level[level];
	unsigned width = width_of(l->count, index);
	size_t len = width * sizeof(struct digest);
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	rc = read_file(c, (int)level, index, width, len, &bytes, err);
	if (rc == ERR_OK && bytes.len == len) {
		memcpy(&l->hash[index * TILE_WIDTH], bytes.data, len);
		l->tile[index].state = TILE_READ;
	} else if (rc == ERR_NOT_FOUND) {
		tell_tile(c, level, index, "is missing");
		rc = ERR_OK;
	} else if (rc == ERR_OK || rc == ERR_LIMIT) {
		tell_tile(c, level, index, "has a wrong length");
		rc = ERR_OK;
	}
	buf_free(&bytes);
	return rc;
}

static enum err_code read_levels(struct check *c, struct err *err)
{
	enum err_code rc = ERR_OK;
	uint64_t count = c->t->size;

	for (; count; count >>= 8) {
		struct level *l = &c->level[c->levels];

		l->count = count;
		l->tiles = (count + TILE_WIDTH - 1) / TILE_WIDTH;
		l->hash = calloc(count, sizeof(*l->hash));
		l->tile = calloc(l->tiles, sizeof(*l->tile));
		if (!l->hash || !l->tile)
			return err_nomem(err);
		for (uint64_t i = 0; rc == ERR_OK && i < l->tiles; i++)
			rc = read_tile(c, c->levels, i, err);
		if (rc)
			return rc;
		c->levels++;
	}
	return ERR_OK;
}

bool tiles_bundle_parse(
	const void *data, size_t len, unsigned width, struct tiles_entry *out)
{
	struct cursor c = cursor_over(data, len);

	for (unsigned i = 0; i < width; i++) {
		out[i].len = cursor_u16(&c);
		out[i].text = (const char *)cursor_bytes(&c, out[i].len);
	}
	return cursor_done(&c);
}

static enum err_code read_bundle(
	struct check *c, uint64_t index, struct err *err)
{
	unsigned width = width_of(c->t->size, index);
	size_t at = (size_t)(index - c->first);
	struct tiles_entry *entry = &c->t->entry[at * TILE_WIDTH];
	struct buf *bytes = &c->t->bundle[at];
	enum err_code rc;

	rc = read_file(
		c, TILE_ENTRIES_LEVEL, index, width, BUNDLE_LIMIT, bytes, err);
	if (rc && rc != ERR_NOT_FOUND && rc != ERR_LIMIT)
		return rc;
	if (rc == ERR_OK &&
		tiles_bundle_parse(bytes->data, bytes->len, width, entry)) {
		for (unsigned i = 0; i < width; i++)
			c->leaf[at * TILE_WIDTH + i] =
				tree_leaf(entry[i].text, entry[i].len);
		c->bundle_ok[at] = true;
		return ERR_OK;
	}
	memset(entry, 0, width * sizeof(*entry));
	tell(c, TILE_ENTRIES_LEVEL, index,
		rc == ERR_NOT_FOUND ? "is missing" : "is no entry bundle");
	return ERR_OK;
}

static enum err_code read_bundles(
	struct check *c, uint64_t from, uint64_t to, struct err *err)
{
	struct tiles *t = c->t;
	uint64_t end = (to + TILE_WIDTH - 1) / TILE_WIDTH;
	enum err_code rc = ERR_OK;
	size_t count;

	c->first = from / TILE_WIDTH;
	count = (size_t)(end - c->first);
	t->from = c->first * TILE_WIDTH;
	t->to = end * TILE_WIDTH < t->size ? end * TILE_WIDTH : t->size;
	t->entry = calloc(count * TILE_WIDTH, sizeof(*t->entry));
	t->bundle = calloc(count, sizeof(*t->bundle));
	c->leaf = calloc(count * TILE_WIDTH, sizeof(*c->leaf));
	c->bundle_ok = calloc(count, sizeof(*c->bundle_ok));
	if (!t->entry || !t->bundle || !c->leaf || !c->bundle_ok)
		return err_nomem(err);
	t->bundle_count = count;
	for (uint64_t i = c->first; rc == ERR_OK && i < end; i++)
		rc = read_bundle(c, i, err);
	return rc;
}

/* ---- what lies below a tile ---- */

static struct digest root_of(const struct digest *hash, unsigned width)
{
	struct tree_edge e = {0};

	for (unsigned i = 0; i < width; i++)
		tree_append(&e, &hash[i]);
	return tree_root(&e);
}

/* The tile as the files below it say it should be.  false = they do not say. */
static bool from_below(const struct check *c, unsigned level, uint64_t index,
	struct digest out[TILE_WIDTH])
{
	unsigned width = width_of(c->level[level].count, index);

	if (level == 0) {
		if (index < c->first ||
			index - c->first >= c->t->bundle_count ||
			!c->bundle_ok[index - c->first])
			return false;
		memcpy(out, &c->leaf[(index - c->first) * TILE_WIDTH],
			width * sizeof(*out));
		return true;
	}
	for (unsigned i = 0; i < width; i++) {
		const struct level *below = &c->level[level - 1];
		uint64_t child = index * TILE_WIDTH + i;

		if (below->tile[child].state == TILE_ABSENT)
			return false;
		out[i] = root_of(&below->hash[child * TILE_WIDTH], TILE_WIDTH);
	}
	return true;
}

static struct digest *hashes(
	const struct check *c, unsigned level, uint64_t index)
{
	return &c->level[level].hash[index * TILE_WIDTH];
}

/* ---- the right edge ---- */

struct edge_tile {
	bool here; /* the level has a tile that is not full */
	bool can;  /* what lies below says how it should be */
	bool same; /* and that is how it is */
	uint64_t index;
	unsigned width;
	struct digest below[TILE_WIDTH];
};

static void find_edge(const struct check *c, struct edge_tile edge[LEVELS])
{
	for (unsigned l = 0; l < c->levels; l++) {
		const struct level *level = &c->level[l];
		struct edge_tile *e = &edge[l];

		*e = (struct edge_tile){.width = level->count % TILE_WIDTH};
		if (!e->width)
			continue;
		e->here = true;
		e->index = level->tiles - 1;
		e->can = from_below(c, l, e->index, e->below);
		e->same = e->can &&
			level->tile[e->index].state != TILE_ABSENT &&
			!memcmp(e->below, hashes(c, l, e->index),
				e->width * sizeof(struct digest));
	}
}

/* The root with the tiles in `swap` as what lies below them says. */
static struct digest edge_root(const struct check *c,
	const struct edge_tile edge[LEVELS], unsigned swap)
{
	struct tree_edge e = {0};

	for (unsigned l = c->levels; l-- > 0;) {
		const struct digest *from = swap & 1u << l
			? edge[l].below
			: hashes(c, l, edge[l].index);

		for (unsigned i = 0; edge[l].here && i < edge[l].width; i++)
			tree_append_subtree(&e, 8 * l, &from[i]);
	}
	return tree_root(&e);
}

/* Which tiles of the edge have to be taken from below so that the root comes
 * out: none, one, or all that can.  false = none of these. */
static bool solve_edge(const struct check *c,
	const struct edge_tile edge[LEVELS], const struct digest *root,
	unsigned *swap)
{
	unsigned absent = 0, all = 0;

	for (unsigned l = 0; l < c->levels; l++) {
		if (!edge[l].here || edge[l].same)
			continue;
		if (edge[l].can)
			all |= 1u << l;
		if (c->level[l].tile[edge[l].index].state == TILE_ABSENT)
			absent |= 1u << l;
	}
	if (absent & ~all)
		return false;
	for (unsigned l = 0; l <= c->levels + 1; l++) {
		struct digest d;

		*swap = l == 0		? absent
			: l > c->levels ? all
					: (absent | (1u << (l - 1))) & all;
		d = edge_root(c, edge, *swap);
		if (digest_equal(&d, root))
			return true;
	}
	return false;
}

static void check_edge(struct check *c, const struct digest *root)
{
	struct edge_tile edge[LEVELS];
	bool suspect = false;
	unsigned swap = 0;

	find_edge(c, edge);
	c->t->proved = solve_edge(c, edge, root, &swap);
	for (unsigned l = 0; l < c->levels; l++) {
		struct tile *tile;

		if (!edge[l].here)
			continue;
		tile = &c->level[l].tile[edge[l].index];
		if (!c->t->proved) {
			suspect |= !edge[l].same;
			if (!edge[l].same)
				tell_tile(c, l, edge[l].index,
					"does not lead to the root");
			continue;
		}
		if (swap & 1u << l) {
			tell_tile(c, l, edge[l].index,
				"does not lead to the root");
			memcpy(hashes(c, l, edge[l].index), edge[l].below,
				edge[l].width * sizeof(struct digest));
		}
		tile->state = TILE_TRUE;
	}
	if (!c->t->proved && !suspect)
		c->fault(c->arg, "checkpoint",
			"its root is not that of the tiles");
}

/* ---- full tiles, from the top ---- */

static void check_tile(struct check *c, unsigned level, uint64_t index)
{
	const struct level *above = &c->level[level + 1];
	struct tile *tile = &c->level[level].tile[index];
	const struct digest *want = &above->hash[index];
	struct digest below[TILE_WIDTH], d;

	if (above->tile[index / TILE_WIDTH].state != TILE_TRUE)
		return;
	if (tile->state == TILE_READ) {
		d = root_of(hashes(c, level, index), TILE_WIDTH);
		if (digest_equal(&d, want)) {
			tile->state = TILE_TRUE;
			return;
		}
	}
	tell_tile(c, level, index, "does not match the tile above it");
	if (!from_below(c, level, index, below))
		return;
	d = root_of(below, TILE_WIDTH);
	if (digest_equal(&d, want)) {
		memcpy(hashes(c, level, index), below, sizeof(below));
		tile->state = TILE_TRUE;
	}
}

static void check_levels(struct check *c)
{
	for (unsigned l = c->levels - 1; l-- > 0;) {
		uint64_t full = c->level[l].count / TILE_WIDTH;

		for (uint64_t i = 0; i < full; i++)
			check_tile(c, l, i);
	}
}

/* Entries that do not match are taken out. */
static void check_bundle(struct check *c, uint64_t index)
{
	size_t at = (size_t)(index - c->first) * TILE_WIDTH;
	const struct tile *tile = &c->level[0].tile[index];
	unsigned width = width_of(c->t->size, index);
	bool well = true;

	if (!c->bundle_ok[index - c->first])
		return;
	for (unsigned i = 0; i < width; i++) {
		if (tile->state == TILE_ABSENT ||
			digest_equal(&c->leaf[at + i],
				&c->level[0].hash[index * TILE_WIDTH + i]))
			continue;
		c->t->entry[at + i].text = NULL;
		well = false;
	}
	/* Against a tile that is itself in doubt it says nothing. */
	if (!well && tile->state == TILE_TRUE)
		tell(c, TILE_ENTRIES_LEVEL, index,
			"does not match the tile above it");
}

enum err_code tiles_check(const char *dir, uint64_t size, uint64_t from,
	uint64_t to, const struct digest *root, tiles_fault *fault, void *arg,
	struct tiles *out, struct err *err)
{
	struct tiles t = {.size = size};
	struct check c = {.dir = dir, .t = &t, .fault = fault, .arg = arg};
	enum err_code rc;

	if (size == 0 || size > PACKAGE_TREE_LIMIT || from >= to || to > size)
		return err_set(err, ERR_LIMIT,
			"tree of %" PRIu64 " entries, limit %" PRIu64, size,
			PACKAGE_TREE_LIMIT);
	if ((rc = read_levels(&c, err)) ||
		(rc = read_bundles(&c, from, to, err)))
		goto out;
	check_edge(&c, root);
	check_levels(&c);
	for (size_t i = 0; i < t.bundle_count; i++)
		check_bundle(&c, c.first + i);
	*out = t;
	t = (struct tiles){.size = 0};
out:
	for (unsigned l = 0; l < LEVELS; l++) {
		free(c.level[l].hash);
		free(c.level[l].tile);
	}
	free(c.leaf);
	free(c.bundle_ok);
	tiles_free(&t);
	return rc;
}
