/* buf.c - the one growing buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

#define FIRST_CAP 64

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = BUF_EMPTY;
}

void buf_wipe(struct buf *b)
{
	if (!b)
		return;
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Not inlined into the appends: they stay short where there is room. */
static __attribute__((noinline)) bool grow(struct buf *b, size_t more)
{
	size_t need;
	size_t cap;
	uint8_t *data;

	if (b->failed)
		return false;
	b->failed = true;
	if (ckd_add(&need, b->len, more) || need > SIZE_MAX / 2)
		return false;
	cap = b->cap ? b->cap * 2 : FIRST_CAP;
	if (cap < need)
		cap = need;
	data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	b->failed = false;
	return true;
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
	if ((b->failed || !b->data || b->cap - b->len < more) && !grow(b, more))
		return NULL;
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	uint8_t *to;

	if (len == 0)
		return;
	to = buf_reserve(b, len);
	if (!to)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;
	size_t size;
	uint8_t *to;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	size = (size_t)n + 1;
	to = buf_reserve(b, size);
	if (!to)
		return;
	va_start(ap, fmt);
	vsnprintf((char *)to, size, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

void buf_u32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

void buf_u64(struct buf *b, uint64_t v)
{
	buf_u32(b, (uint32_t)(v >> 32));
	buf_u32(b, (uint32_t)v);
}

enum err_code buf_ok(const struct buf *b, struct err *err)
{
	return b->failed ? err_nomem(err) : ERR_OK;
}

const char *buf_cstr(struct buf *b)
{
	uint8_t *end = buf_reserve(b, 1);

	if (!end)
		return NULL;
	*end = '\0';
	return (const char *)b->data;
}
