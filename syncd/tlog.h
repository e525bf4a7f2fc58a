/* tlog.h - a log as C2SP tlog-tiles: what lies under /tlog/CODE/EPOCH/. */
#pragma once

#include "policies/policies.h"

enum tlog_kind { TLOG_CHECKPOINT, TLOG_TILE, TLOG_ENTRIES };

/* The resource `path` ("checkpoint", "tile/0/000", "tile/entries/000.p/7") of a
 * log, never beyond its newest complete checkpoint.  Reads the store: for a
 * worker.  ERR_NOT_FOUND. */
enum err_code tlog_read(struct store *s, const char *origin, const char *path,
	size_t len, enum tlog_kind *kind, struct buf *out, struct err *err);
