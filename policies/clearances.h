/* clearances.h - who could hold what of each series, head by head.  Internal to
 * policies/. */
#pragma once

#include "policies/node.h"

struct clearances;
void clearances_free(struct clearances *c); /* NULL does nothing */

/* Has the node know those of all heads up to `rules`, which are in force.  Any
 * thread; the first time it loads each head. */
enum err_code clearances_reach(
	struct node *n, const struct rules *rules, struct err *err);

/* Whose they are, of which record: the way is that of `rules`, what a rank on
 * it may hold of the series is what each head said. */
struct clearance_asked {
	const struct rules *rules;
	const struct entry *entry;
	const char *code, *holder;
	uint64_t first, last; /* heads */
};
/* What all of these heads that know the series let the holder hold, every label
 * where there is none; *fits tells whether one of them has it with the entry's
 * number of labels.  `same`: of those only. */
uint8_t clearances_of(struct node *n, const struct clearance_asked *asked,
	bool same, bool *fits);
/* What any head that is known let the holder hold of a series: what it was
 * given under it, it may have still. */
uint8_t clearances_ever(struct node *n, const struct rules *rules,
	const char *series, const char *code, const char *holder);
