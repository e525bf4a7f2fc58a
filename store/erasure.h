/* erasure.h - when and why a part was destroyed: what stays of it for ever.
 *
 * It is told to whoever may have held the part, so it holds no personal data:
 * a reference to the order, or a short reason.  Pure.
 */
#pragma once

#include "base/base.h"

#define ERASURE_WHY_SIZE 64 /* with the NUL */

struct erasure {
	uint64_t at; /* POSIX seconds, up to the year 9999 */
	/* UTF-8 without control characters. */
	char why[ERASURE_WHY_SIZE];
};

/* All zero: that the part was destroyed is all that is known any more. */
bool erasure_valid(const struct erasure *e);
bool erasure_equal(const struct erasure *a, const struct erasure *b);
/* u64 at, u8 length, why. */
void erasure_write(const struct erasure *e, struct buf *out);
/* False when it is not a valid one. */
bool erasure_read(struct cursor *c, struct erasure *out);

/* "2026-04-22T17:48:35+08:00, WHY", for messages. */
#define ERASURE_TEXT_SIZE (TIME_TEXT_SIZE + 2 + ERASURE_WHY_SIZE)
const char *erasure_text(const struct erasure *e, char out[ERASURE_TEXT_SIZE]);
