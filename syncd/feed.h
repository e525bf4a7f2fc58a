/* feed.h - reads a stretch of the feed: docs/http.md section 2.1. */
#pragma once

#include "syncd/grant.h"
#include "syncd/query.h"

#define FEED_SCAN_LIMIT 4096 /* arrivals looked at for one answer */
#define FEED_BODY_LIMIT ((size_t)8 << 20) /* bytes; one line more at most */

/* The cursor of the beginning under this filter, in this store. */
void feed_start(const struct node *n, const struct grant *g,
	const struct feed_query *q, struct feed_cursor *out);
/* Checks q->after, and sets *at to where to go on.  ERR_EXISTS when the cursor
 * is not one of this filter and store: start anew. */
enum err_code feed_position(const struct node *n, const struct grant *g,
	const struct feed_query *q, struct feed_cursor *at, struct err *err);
/* Appends at most `room` lines of what lies behind *at, and moves it on; *lines
 * counts them.  *more: there was more to look at.  ERR_CORRUPT with *at
 * right before a record that is damaged: nobody gets past it, or they would
 * miss it.  What personal data the lines give is added to `given`.  Reads the
 * store: for a worker. */
enum err_code feed_read(struct node *n, const struct rules *rules,
	const struct grant *g, const struct feed_query *q, size_t room,
	struct feed_cursor *at, struct buf *out, size_t *lines, bool *more,
	struct provided_list *given, struct err *err);
/* One record as canonical JSON: the labels granted of what is here, or that it
 * is restricted.  ERR_NOT_FOUND when the grant does not let it be seen. */
enum err_code feed_record(struct node *n, const struct rules *rules,
	const struct grant *g, const char *origin, uint64_t seq,
	const struct record *r, struct buf *out, struct err *err);
