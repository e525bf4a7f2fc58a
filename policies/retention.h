/* retention.h - how long a part is kept: the arithmetic.  Pure, and without the
 * host's time zone: a year is one at +08:00.  docs/rules.md, "Retention".
 */
#pragma once

#include "policies/series.h"

/* Kept for ever, or its period has not begun: the anchor has no value yet. */
#define RETENTION_NEVER INT64_MAX
/* In place of a year: the anchor has no value, or it is not known here. */
#define RETENTION_OPEN 0

/* The year that the value of an anchor names, a date or a time in normal form;
 * RETENTION_OPEN when it is neither. */
int retention_year(const char *value, size_t len);
/* The first instant at which what has this anchor may go: a period starts on
 * 1 January of the year after, and lasts so many whole years or days. */
int64_t retention_due(const struct period *p, int anchor_year);
/* What a series says of it, read once. */
struct retention {
	uint8_t labels; /* LABEL_BITs that have a period */
	uint8_t ending; /* ... which ends some day */
	struct period period[LABEL_COUNT];
	/* The label of the field that a label's period starts at; where it is
	 * not anchored, that is the document's created_at. */
	uint8_t anchored;
	enum label of[LABEL_COUNT];
};
void retention_make(const struct series *s, struct retention *out);
/* When each label's part may go, from the years of their anchors.  A part that
 * holds the anchor of others stays as long as they do, or nobody could tell any
 * more when they may go. */
void retention_of(const struct retention *r, const int year[LABEL_COUNT],
	int64_t due[LABEL_COUNT]);
/* The later one for each label, into `due`. */
void retention_longer(
	int64_t due[LABEL_COUNT], const int64_t other[LABEL_COUNT]);
/* The text at `path` (names and dots) in a canonical object; false when there
 * is no string there.  *value borrows from `json`, as it stands between its
 * quotes. */
bool retention_find(const char *json, size_t len, const char *path,
	const char **value, size_t *value_len);
