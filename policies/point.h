/* point.h - how people name records, and where those are. */
#pragma once

#include "store/store.h"

enum point_kind { POINT_ID, POINT_DIGEST, POINT_ORIGIN, POINT_CODE };
/* How a person names a record. */
struct point {
	enum point_kind kind;
	uint8_t uuid[UUID_SIZE];
	struct digest digest;
	char origin[ORIGIN_SIZE]; /* POINT_ORIGIN */
	char code[CODE_SIZE];	  /* POINT_CODE */
	uint64_t seq;
};
/* UUID, digest (base64url or hexadecimal), ORIGIN/SEQ or CODE/SEQ.  Pure.
 * ERR_USAGE. */
enum err_code point_parse(
	const char *s, size_t len, struct point *out, struct err *err);
/* The record meant: for an id its newest revision here.  ERR_NOT_FOUND. */
enum err_code point_find(struct store *s, const struct point *p,
	struct log_info *log, uint64_t *seq, struct err *err);
/* A log by its origin, or the newest of a code.  ERR_NOT_FOUND. */
enum err_code point_log(struct store *s, const char *origin_or_code,
	struct log_info *out, struct err *err);
