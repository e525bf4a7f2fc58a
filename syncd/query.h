/* query.h - what a reader of the feed asks: the query of /v1/feed, and cursors.
 *
 * Pure and strict: an unknown or repeated parameter is ERR_USAGE, not ignored.
 */
#pragma once

#include "policies/policies.h"

#define FEED_LIMIT_DEFAULT 100
#define FEED_LIMIT_MOST 1000
#define FEED_WAIT_MOST 60 /* seconds */
#define QUERY_SERIES_LIMIT 64
#define QUERY_LIMIT ((size_t)4096) /* bytes */

#define FEED_EPOCH_SIZE 17
#define FEED_CURSOR_SIZE 48
/* "EPOCH-ARRIVAL-FILTER": 16 hex digits, decimal, 8 hex digits. */
struct feed_cursor {
	char epoch[FEED_EPOCH_SIZE];
	uint64_t arrival;
	char filter[9];
};
bool feed_cursor_parse(const char *s, size_t len, struct feed_cursor *out);
void feed_cursor_write(const struct feed_cursor *c, char out[FEED_CURSOR_SIZE]);

struct feed_query {
	bool has_after; /* false also for an empty one */
	struct feed_cursor after;
	size_t series_count;				   /* 0: all */
	char series[QUERY_SERIES_LIMIT][SERIES_NAME_SIZE]; /* sorted, once */
	uint64_t limit, wait_s;
};
/* `s` may be NULL where len is 0. */
enum err_code feed_query_parse(
	const char *s, size_t len, struct feed_query *out, struct err *err);
/* The query text again, in its own order; parses to the same. */
void feed_query_write(const struct feed_query *q, struct buf *out);
