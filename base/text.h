/* text.h - base64, hex, UTF-8 and UUIDs: the spellings of bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Sizes with the terminating NUL. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define BASE64URL_SIZE(n) (((n)*4 + 2) / 3 + 1)
#define HEX_SIZE(n) ((n)*2 + 1)

/* RFC 4648 section 4, with padding; section 5 without.  Return the length. */
size_t base64_encode(const void *data, size_t len, char *out);
size_t base64url_encode(const void *data, size_t len, char *out);
/* Strict: alphabet, padding, zero trailing bits.  false = not base64 or
 * longer than `cap` bytes; nothing is then promised of `out`. */
bool base64_decode(
	const char *s, size_t len, void *out, size_t cap, size_t *out_len);
bool base64url_decode(
	const char *s, size_t len, void *out, size_t cap, size_t *out_len);
size_t hex_encode(const void *data, size_t len, char *out); /* lower case */
/* Exactly 2*out_len lower-case digits. */
bool hex_decode(const char *s, size_t len, void *out, size_t out_len);

bool utf8_valid(const char *s, size_t len);
/* The code point at s (of valid UTF-8) and its length in *n (1..4). */
uint32_t utf8_next(const char *s, size_t len, size_t *n);
size_t utf8_count(const char *s, size_t len); /* code points */

#define UUID_TEXT_SIZE 37
#define UUID_SIZE 16
/* Lower-case 8-4-4-4-12; any version.  false = it is not one. */
bool uuid_parse(const char *s, size_t len, uint8_t out[UUID_SIZE]);
void uuid_format(const uint8_t id[UUID_SIZE], char out[UUID_TEXT_SIZE]);
/* RFC 9562 section 5.7: milliseconds since 1970, then random bits. */
enum err_code uuid_v7(uint64_t now_ms, uint8_t out[UUID_SIZE], struct err *err);

/* 12 digits.  Prefix semantics of division codes: a county is NNNNNN000000,
 * a township NNNNNNNNN000, anything else a village. */
#define CODE_LEN 12
#define CODE_SIZE 13
bool code_valid(const char *s, size_t len);
/* The significant digits: 6, 9 or 12. */
size_t code_prefix_len(const char *code);
/* code equals `above` or lies below it. */
bool code_within(const char *code, const char *above);
