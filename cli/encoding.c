/* encoding.c - which text a file of documents is, from its first bytes. */
#include "cli/encoding.h"

#include <string.h>

#include "base/base.h"

static bool is_ascii(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] >= 0x80)
			return false;
	return true;
}

/* Pairs and fours of GB 18030. */
static bool is_gb(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x80)
			continue;
		if (s[i] == 0x80 || s[i] == 0xff || ++i == len || s[i] < 0x30 ||
			s[i] == 0x7f || s[i] == 0xff)
			return false;
		if (s[i] <= 0x39 && (i += 2) >= len)
			return false;
	}
	return true;
}

/* A text that begins with a brace or bracket has a zero byte beside it.  Two
 * bytes are no text yet. */
static bool is_utf16(const unsigned char *s, size_t len)
{
	if (len < 4)
		return false;
	return (s[0] == 0xff && s[1] == 0xfe) ||
		(s[0] == 0xfe && s[1] == 0xff) || !s[0] || !s[1];
}

enum encoding encoding_of(const void *data, size_t len, bool end)
{
	const unsigned char *s = data;
	size_t gb = 0;

	if (is_utf16(s, len))
		return ENCODING_UTF16;
	for (size_t at = 0, size; at < len; at += size + 1) {
		const unsigned char *lf = memchr(s + at, '\n', len - at);

		size = lf ? (size_t)(lf - (s + at)) : len - at;
		if ((!lf && !end) || is_ascii(s + at, size))
			continue;
		if (utf8_valid((const char *)s + at, size) ||
			!is_gb(s + at, size))
			return ENCODING_UTF8;
		gb++;
	}
	return gb ? ENCODING_GB : ENCODING_UTF8;
}
