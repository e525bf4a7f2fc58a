/* partials.c - partial tiles are prefixes of the tile they grow into. */
#include "cli/partials.h"

#include <stdlib.h>
#include <string.h>

#define BUNDLE_LIMIT ((size_t)TILE_WIDTH * (2 + 65535))

enum err_code partials_cut(const void *data, size_t len, unsigned width,
	size_t *end, struct err *err)
{
	struct cursor c = cursor_over(data, len);

	for (unsigned i = 0; i < width; i++)
		cursor_bytes(&c, cursor_u16(&c));
	if (!cursor_ok(&c))
		return err_set(err, ERR_CORRUPT,
			"bundle with fewer than %u entries", width);
	*end = len - c.left;
	return ERR_OK;
}

static enum err_code prefix_end(int level, const struct buf *tile,
	unsigned width, size_t *end, struct err *err)
{
	if (level == TILE_ENTRIES_LEVEL)
		return partials_cut(tile->data, tile->len, width, end, err);
	*end = (size_t)width * DIGEST_SIZE;
	return *end <= tile->len
		? ERR_OK
		: err_set(err, ERR_CORRUPT, "tile of %zu bytes, not %zu",
			  tile->len, *end);
}

static enum err_code write_one(const char *dir, int level, uint64_t index,
	unsigned width, const void *data, size_t len, struct err *err)
{
	char name[TILE_PATH_SIZE], *path, *slash;
	enum err_code rc;

	tile_path(level, index, width, name);
	if (!(path = file_join(dir, name)))
		return err_nomem(err);
	slash = strrchr(path, '/');
	*slash = '\0';
	rc = file_make_dirs(path, err);
	*slash = '/';
	if (rc == ERR_OK)
		rc = file_replace(path, data, len, 0644, err);
	free(path);
	return rc;
}

static enum err_code grow_tile(const char *dir, int level, uint64_t index,
	unsigned width, struct err *err)
{
	char name[TILE_PATH_SIZE], *path;
	struct buf tile = BUF_EMPTY;
	enum err_code rc;
	size_t end;

	tile_path(level, index, width, name);
	if (!(path = file_join(dir, name)))
		return err_nomem(err);
	rc = file_read(path, BUNDLE_LIMIT, &tile, err);
	for (unsigned w = 1; rc == ERR_OK && w < width; w++) {
		if ((rc = prefix_end(level, &tile, w, &end, err)) == ERR_OK)
			rc = write_one(
				dir, level, index, w, tile.data, end, err);
	}
	buf_free(&tile);
	free(path);
	return rc;
}

/* `count` items of a level lie in tiles of TILE_WIDTH. */
static enum err_code grow_level(
	const char *dir, int level, uint64_t count, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (uint64_t i = 0; rc == ERR_OK && i * TILE_WIDTH < count; i++) {
		uint64_t left = count - i * TILE_WIDTH;

		rc = grow_tile(dir, level, i,
			left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH, err);
	}
	return rc;
}

enum err_code partials_write(const char *dir, uint64_t size, struct err *err)
{
	enum err_code rc = grow_level(dir, TILE_ENTRIES_LEVEL, size, err);
	int level = 0;

	for (uint64_t n = size; rc == ERR_OK && n > 0; n /= TILE_WIDTH)
		rc = grow_level(dir, level++, n, err);
	return rc;
}
