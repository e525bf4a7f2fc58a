/* number.h - checked arithmetic and strict decimal numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* true = overflowed, as C23's. */
#define ckd_add(r, a, b) __builtin_add_overflow((a), (b), (r))
#define ckd_mul(r, a, b) __builtin_mul_overflow((a), (b), (r))

/* ASCII decimal without sign, spaces or leading zeros, at most `max`.
 * true = it is one. */
bool number_parse(const char *s, size_t len, uint64_t max, uint64_t *out);
