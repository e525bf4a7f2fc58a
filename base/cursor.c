/* cursor.c - reads outside bytes; cannot leave its input, failure sticks. */
#include "base/cursor.h"

#include <string.h>

struct cursor cursor_over(const void *data, size_t len)
{
	return (struct cursor){data, len, false};
}

const uint8_t *cursor_bytes(struct cursor *c, size_t len)
{
	/* An empty input may be NULL, but no bytes of it are not a failure. */
	static const uint8_t nothing[1];
	const uint8_t *at = c->at ? c->at : nothing;

	if (c->failed || len > c->left) {
		c->failed = true;
		return NULL;
	}
	if (len > 0)
		c->at += len;
	c->left -= len;
	return at;
}

static uint64_t big_endian(struct cursor *c, size_t len)
{
	const uint8_t *at = cursor_bytes(c, len);
	uint64_t v = 0;

	for (size_t i = 0; at && i < len; i++)
		v = v << 8 | at[i];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)big_endian(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)big_endian(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)big_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return big_endian(c, 8);
}

const char *cursor_line(struct cursor *c, size_t *len)
{
	const uint8_t *start = c->at;
	const uint8_t *end = NULL;

	*len = 0;
	if (!c->failed && c->left > 0)
		end = memchr(start, '\n', c->left);
	if (!end) {
		c->failed = true;
		return NULL;
	}
	*len = (size_t)(end - start);
	c->at = end + 1;
	c->left -= *len + 1;
	return (const char *)start;
}

void cursor_copy(struct cursor *c, void *out, size_t len)
{
	const uint8_t *at = cursor_bytes(c, len);

	if (len == 0)
		return;
	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}

bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

bool cursor_done(const struct cursor *c)
{
	return !c->failed && c->left == 0;
}
