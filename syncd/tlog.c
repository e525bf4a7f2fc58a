/* tlog.c - checkpoints, tiles and entry bundles out of the store. */
#include "syncd/tlog.h"

#include <string.h>

#define TILE_BITS 8

static enum err_code not_there(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no such resource of this log");
}

/* Is [index * 256, index * 256 + width) below `count`? */
static bool within(uint64_t index, unsigned width, uint64_t count)
{
	uint64_t end;

	return !ckd_mul(&end, index, (uint64_t)TILE_WIDTH) &&
		!ckd_add(&end, end, width) && end <= count;
}

static enum err_code read_tile(struct store *s, const struct log_info *log,
	unsigned level, uint64_t index, unsigned width, struct buf *out,
	struct err *err)
{
	struct log_reader reader = {s, log->id};
	unsigned shift = level * TILE_BITS;
	struct digest d;
	enum err_code rc;

	if (shift >= 64 || !within(index, width, log->checkpoint_size >> shift))
		return not_there(err);
	for (unsigned i = 0; i < width; i++) {
		if ((rc = store_tree_read(
			     &reader, shift, index * TILE_WIDTH + i, &d, err)))
			return rc;
		buf_add(out, d.b, sizeof(d.b));
	}
	return buf_ok(out, err);
}

static enum err_code read_entries(struct store *s, const struct log_info *log,
	uint64_t index, unsigned width, struct buf *out, struct err *err)
{
	struct run run = {0};
	enum err_code rc;

	if (!within(index, width, log->checkpoint_size))
		return not_there(err);
	if ((rc = store_read(
		     s, log->id, index * TILE_WIDTH, width, 0, &run, err)))
		return rc;
	if (run.count != width)
		rc = err_set(err, ERR_CORRUPT, "%zu entries, not %u", run.count,
			width);
	for (size_t i = 0; rc == ERR_OK && i < run.count; i++) {
		buf_u16(out, (uint16_t)run.record[i].entry_len);
		buf_add(out, run.record[i].entry, run.record[i].entry_len);
	}
	run_free(&run);
	return rc ? rc : buf_ok(out, err);
}

enum err_code tlog_read(struct store *s, const char *origin, const char *path,
	size_t len, enum tlog_kind *kind, struct buf *out, struct err *err)
{
	struct log_info log;
	uint64_t index;
	unsigned width;
	int level;
	enum err_code rc;

	if ((rc = store_log_find(s, origin, &log, err)))
		return rc;
	if (log.kind == LOG_SPARSE)
		return not_there(err);
	if (len == strlen("checkpoint") && !memcmp(path, "checkpoint", len)) {
		*kind = TLOG_CHECKPOINT;
		return store_note(s, log.id, NOTE_COMPLETE, out, err);
	}
	if (!tile_path_parse(path, len, &level, &index, &width))
		return not_there(err);
	if (level == TILE_ENTRIES_LEVEL) {
		*kind = TLOG_ENTRIES;
		return read_entries(s, &log, index, width, out, err);
	}
	*kind = TLOG_TILE;
	return read_tile(s, &log, (unsigned)level, index, width, out, err);
}
