/* buf.h - bytes under construction, the one growing buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

/* All zero is an empty buffer.  An append that runs out of memory sets
 * `failed` and later appends do nothing, so a writer appends freely and asks
 * once, by buf_ok(). */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_EMPTY ((struct buf){NULL, 0, 0, false})

void buf_free(struct buf *b); /* leaves it empty; NULL does nothing */
/* As buf_free, zeroing the bytes first.  Growing leaves copies behind: reserve
 * room for a whole secret before its first byte. */
void buf_wipe(struct buf *b);
void buf_clear(struct buf *b); /* len 0, keeps the memory */
/* Room for `more` bytes behind len; NULL when out of memory. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v); /* big-endian, as all integers */
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* ERR_NOMEM when an append failed. */
enum err_code buf_ok(const struct buf *b, struct err *err);
/* NUL behind the bytes, not counted in len; NULL when out of memory. */
const char *buf_cstr(struct buf *b);
