/* allowed.h - what one node may show of another's log, head by head.
 * Internal to policies/.
 *
 * docs/format.md section 9.3: an entry has the parts that the head in force
 * for it says; a holder shows those that this head and every later one allow.
 */
#pragma once

#include "policies/logs.h"

struct allowed_series {
	char name[SERIES_NAME_SIZE];
	uint8_t labels; /* it knows in this head */
	uint8_t shown;	/* of them, by this head and all later ones */
};
struct allowed_head {
	struct allowed_series *series; /* sorted by name */
	size_t count;
};
struct allowed {
	char code[CODE_SIZE], holder[CODE_SIZE];
	struct allowed_head *head; /* of serials 1 to count */
	size_t count, cap;
};
/* All zero before.  `code` is that of the log. */
void allowed_begin(struct allowed *a, const char *code, const char *holder);
/* Head by head, from the first on; a visitor of governance_each_rules(). */
enum err_code allowed_add(void *allowed, struct rules *r, struct err *err);
/* When all heads are there. */
void allowed_end(struct allowed *a);
/* NULL where the head is not there or does not know the series. */
const struct allowed_series *allowed_find(
	const struct allowed *a, uint64_t serial, const char *series);
void allowed_free(struct allowed *a); /* leaves it empty */
