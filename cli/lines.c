/* lines.c - cuts a stream into lines of bounded length. */
#include "cli/lines.h"

#include <string.h>

void lines_init(struct lines *l, size_t limit)
{
	memset(l, 0, sizeof(*l));
	l->limit = limit;
}

void lines_free(struct lines *l)
{
	buf_wipe(&l->buf);
}

enum err_code lines_feed(
	struct lines *l, const void *data, size_t len, struct err *err)
{
	size_t left = l->buf.len - l->at;

	if (l->at > 0 && left > 0)
		memmove(l->buf.data, l->buf.data + l->at, left);
	l->buf.len = left;
	l->at = 0;
	buf_add(&l->buf, data, len);
	return buf_ok(&l->buf, err);
}

void lines_end(struct lines *l)
{
	l->ended = true;
}

/* The end of the line at hand, or NULL; *next is where the one behind starts.
 */
static const uint8_t *line_end(const struct lines *l, size_t *next)
{
	size_t left = l->buf.len - l->at;
	const uint8_t *start, *end;

	*next = l->buf.len;
	if (left == 0)
		return NULL;
	start = l->buf.data + l->at;
	if ((end = memchr(start, '\n', left))) {
		*next = l->at + (size_t)(end - start) + 1;
		return end;
	}
	return l->ended ? start + left : NULL;
}

static enum lines_next wait_for_more(struct lines *l)
{
	if (l->skipping || l->buf.len - l->at > l->limit + 1) {
		l->skipping = true;
		l->at = l->buf.len;
	}
	if (l->ended && l->skipping) {
		l->skipping = false;
		l->number++;
		return LINES_LONG;
	}
	return LINES_MORE;
}

enum lines_next lines_next(struct lines *l, const char **text, size_t *len)
{
	size_t start = l->at, next, size;
	const uint8_t *end = line_end(l, &next);

	if (!end)
		return wait_for_more(l);
	l->at = next;
	l->number++;
	size = (size_t)(end - (l->buf.data + start));
	if (size > 0 && end[-1] == '\r')
		size--;
	if (l->skipping || size > l->limit) {
		l->skipping = false;
		return LINES_LONG;
	}
	*text = (const char *)l->buf.data + start;
	*len = size;
	return LINES_LINE;
}
