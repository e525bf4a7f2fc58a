/* erasure.c - when and why a part was destroyed, as bytes and as words. */
#include "store/erasure.h"

#include <stdio.h>
#include <string.h>

#define AT_LIMIT UINT64_C(253402271999) /* 9999-12-31T23:59:59+08:00 */

/* Control characters, and those that turn what stands beside them around. */
static bool printable(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c > 0x9f) &&
		(c < 0x2028 || c > 0x202e) && (c < 0x2066 || c > 0x2069);
}

static bool why_valid(const char *why, size_t len)
{
	size_t n;

	if (len >= ERASURE_WHY_SIZE || !utf8_valid(why, len))
		return false;
	for (size_t i = 0; i < len; i += n)
		if (!printable(utf8_next(why + i, len - i, &n)))
			return false;
	return true;
}

bool erasure_valid(const struct erasure *e)
{
	return e->at <= AT_LIMIT &&
		why_valid(e->why, strnlen(e->why, ERASURE_WHY_SIZE));
}

bool erasure_equal(const struct erasure *a, const struct erasure *b)
{
	return a->at == b->at && strcmp(a->why, b->why) == 0;
}

void erasure_write(const struct erasure *e, struct buf *out)
{
	size_t len = strlen(e->why);

	buf_u64(out, e->at);
	buf_u8(out, (uint8_t)len);
	buf_add(out, e->why, len);
}

bool erasure_read(struct cursor *c, struct erasure *out)
{
	struct erasure e = {.at = cursor_u64(c)};
	uint8_t len = cursor_u8(c);
	const uint8_t *why = cursor_bytes(c, len);

	if (!why || e.at > AT_LIMIT || !why_valid((const char *)why, len))
		return false;
	memcpy(e.why, why, len);
	*out = e;
	return true;
}

const char *erasure_text(const struct erasure *e, char out[ERASURE_TEXT_SIZE])
{
	char at[TIME_TEXT_SIZE] = "?";

	if (e->at)
		time_format((int64_t)e->at, at);
	snprintf(out, ERASURE_TEXT_SIZE, "%s, %s", at, *e->why ? e->why : "?");
	return out;
}
