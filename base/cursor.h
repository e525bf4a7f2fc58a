/* cursor.h - reads outside bytes; cannot leave its input, failure sticks.
 *
 * Read all fields, then ask once: cursor_done() also refuses trailing bytes.
 * After a failed read every further read gives 0 or NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

struct cursor cursor_over(const void *data, size_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c); /* big-endian */
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* A borrowed look at the next `len` bytes; NULL when fewer are left. */
const uint8_t *cursor_bytes(struct cursor *c, size_t len);
/* The line up to the next '\n', without it; NULL when there is none. */
const char *cursor_line(struct cursor *c, size_t *len);
/* Copies `len` bytes to `out`; zeroes `out` on failure. */
void cursor_copy(struct cursor *c, void *out, size_t len);
bool cursor_ok(const struct cursor *c);
bool cursor_done(const struct cursor *c); /* ok and nothing left */
