/* tiles.c - a log written as files in the layout of C2SP tlog-tiles. */
#include "policies/tiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/archive.h"

enum err_code tiles_put(const char *dir, const char *name, const void *data,
	size_t len, struct err *err)
{
	char *path = file_join(dir, name), *slash;
	enum err_code rc = ERR_OK;
	FILE *f = NULL;

	if (!path)
		return err_nomem(err);
	slash = strrchr(path, '/');
	*slash = 0;
	rc = file_make_dirs(path, err);
	*slash = '/';
	if (rc)
		goto out;
	if (!(f = fopen(path, "wxe")) ||
		(len && fwrite(data, 1, len, f) != len))
		rc = err_sys(err, "write %s", path);
	if (f && fclose(f) && rc == ERR_OK)
		rc = err_sys(err, "write %s", path);
out:
	free(path);
	return rc;
}

static enum err_code write_tile(const struct log_reader *reader, unsigned level,
	uint64_t index, unsigned width, const char *dir, struct err *err)
{
	struct digest hash[TILE_WIDTH];
	char name[TILE_PATH_SIZE];
	enum err_code rc;

	for (unsigned i = 0; i < width; i++) {
		rc = store_tree_read((void *)(uintptr_t)reader, 8 * level,
			index * TILE_WIDTH + i, &hash[i], err);
		if (rc)
			return rc;
	}
	tile_path((int)level, index, width, name);
	return tiles_put(dir, name, hash, width * sizeof(hash[0]), err);
}

static unsigned width_at(uint64_t count, uint64_t index)
{
	uint64_t left = count - index * TILE_WIDTH;

	return left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
}

static enum err_code write_bundle(struct store *s, uint32_t log, uint64_t index,
	unsigned width, const char *dir, struct err *err)
{
	char name[TILE_PATH_SIZE];
	struct buf bytes = BUF_EMPTY;
	struct run run = {0};
	enum err_code rc;

	rc = store_read(s, log, index * TILE_WIDTH, width, 0, &run, err);
	if (rc == ERR_OK && run.count != width)
		rc = err_set(err, ERR_CORRUPT,
			"%zu entries where %u are in the log", run.count,
			width);
	for (size_t i = 0; rc == ERR_OK && i < run.count; i++) {
		buf_u16(&bytes, (uint16_t)run.record[i].entry_len);
		buf_add(&bytes, run.record[i].entry, run.record[i].entry_len);
	}
	tile_path(TILE_ENTRIES_LEVEL, index, width, name);
	if (rc == ERR_OK && (rc = buf_ok(&bytes, err)) == ERR_OK)
		rc = tiles_put(dir, name, bytes.data, bytes.len, err);
	buf_free(&bytes);
	run_free(&run);
	return rc;
}

enum err_code tiles_write_bundle(struct store *s, const struct log_info *log,
	uint64_t size, uint64_t seq, const char *dir, struct err *err)
{
	uint64_t i = seq / TILE_WIDTH;

	return write_bundle(s, log->id, i, width_at(size, i), dir, err);
}

enum err_code tiles_write(struct store *s, const struct log_info *log,
	uint64_t size, uint64_t from, uint64_t to, const char *dir,
	struct err *err)
{
	struct log_reader reader = {s, log->id};
	enum err_code rc = ERR_OK;
	uint64_t count = size;

	for (unsigned level = 0; count; level++, count >>= 8) {
		for (uint64_t i = 0; i * TILE_WIDTH < count; i++) {
			rc = write_tile(&reader, level, i, width_at(count, i),
				dir, err);
			if (rc)
				return rc;
		}
	}
	for (uint64_t i = from / TILE_WIDTH; i * TILE_WIDTH < to; i++) {
		rc = tiles_write_bundle(s, log, size, i * TILE_WIDTH, dir, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

enum err_code log_export(struct node *n, const struct log_info *log,
	const char *dir, uint64_t *size, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	char *checkpoint = file_join(dir, "checkpoint");
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if (!checkpoint)
		return err_nomem(err);
	if (file_exists(checkpoint)) {
		rc = err_set(
			err, ERR_EXISTS, "%s is already there", checkpoint);
		goto out;
	}
	/* The checkpoint last: what it names is there. */
	if ((rc = log_note(n->store, log->id, NOTE_COMPLETE, &bytes, &note, &cp,
		     err)) ||
		(rc = file_make_dirs(dir, err)) ||
		(rc = tiles_write(
			 n->store, log, cp.size, 0, cp.size, dir, err)) ||
		(rc = tiles_put(dir, "checkpoint", bytes.data, bytes.len, err)))
		goto out;
	*size = cp.size;
out:
	buf_free(&bytes);
	free(checkpoint);
	return rc;
}
