/* lines.h - cuts a stream into lines of bounded length.  Internal to cli/. */
#pragma once

#include "base/base.h"

enum lines_next {
	LINES_MORE, /* nothing whole is left: feed, or end */
	LINES_LINE,
	LINES_LONG, /* a line beyond the limit; its bytes are not kept */
};

struct lines {
	size_t limit; /* bytes of a line */
	struct buf buf;
	size_t at;
	uint64_t number; /* of the line told last, from 1 */
	bool skipping;	 /* within a line beyond the limit */
	bool ended;
};

void lines_init(struct lines *l, size_t limit);
void lines_free(struct lines *l);
/* Call it when lines_next() has given LINES_MORE: what it gave goes. */
enum err_code lines_feed(
	struct lines *l, const void *data, size_t len, struct err *err);
/* No more comes: an unterminated last line counts. */
void lines_end(struct lines *l);
/* *text is borrowed until the next feed; without "\n" and a "\r" before it. */
enum lines_next lines_next(struct lines *l, const char **text, size_t *len);
