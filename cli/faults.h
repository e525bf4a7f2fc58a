/* faults.h - faults of what is kept, by what is to be done about them. */
#pragma once

#include "cli/cli.h"

enum fault_sort {
	FAULT_FILES, /* node.yaml, keys: nobody else has them */
	FAULT_RULES,
	FAULT_EXTENT,
	FAULT_MARKS,
	FAULT_INDEX,
	FAULT_RECORDS, /* another node may have them */
	FAULT_SORTS
};
struct fault_sorts {
	uint64_t count[FAULT_SORTS];
};
/* Counts one by where it is. */
void fault_sort(struct fault_sorts *s, const char *where);
/* Prints the next step of each sort that there is; `marks` of the faults in
 * segments are at marks of destroyed parts.  `repaired`: after a repair. */
void fault_steps(const struct fault_sorts *s, uint64_t marks, bool repaired);
