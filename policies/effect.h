/* effect.h - what other rules would do to what is stored at this node. */
#pragma once

#include "policies/due.h"

/* Records of which a rank above may hold more, or less, by the stricter of the
 * rules and those of their capture.  So a wider clearance reaches only those
 * that were captured when it had been as wide before. */
struct effect_seen {
	char series[SERIES_NAME_SIZE];
	enum rank rank;
	uint8_t more, less; /* LABEL_BITs; one of the two is 0 */
	uint64_t records;
	uint64_t waiting; /* of them, ours, not acknowledged above yet */
};
/* Documents of which the next revision would be refused as they are: newest
 * revisions of our own that are whole here. */
struct effect_unfit {
	char series[SERIES_NAME_SIZE];
	uint64_t documents;
	char why[160]; /* of the first: the path and the reason */
};
/* Parts that may go by now. */
struct effect_due {
	char series[SERIES_NAME_SIZE];
	enum label label;
	uint64_t before, after;
};
struct effect {
	struct effect_seen *seen;
	struct effect_unfit *unfit;
	struct effect_due *due; /* where the two differ */
	size_t seen_count, unfit_count, due_count;
	size_t seen_cap, unfit_cap, due_cap;
	bool clock; /* a node above has told the time: `due` was counted */
};
enum err_code effect_find(struct node *n, struct rules *from, struct rules *to,
	struct effect *out, struct err *err);
void effect_free(struct effect *e); /* leaves it empty */
