/* clock.h - what time it is where something cannot be undone: not what the own
 * machine says, but the newest time that a node above has signed. */
#pragma once

#include "policies/node.h"

/* A head of the rules that is older than this stops disposal. */
#define HEAD_AGE_LIMIT_DAYS RULES_OLD_DAYS

/* The newest time of a cosignature by a node above on an own log; at the root
 * its own clock.  ERR_DENIED when there is none yet.  Any thread. */
enum err_code cosigned_now(struct node *n, const struct rules *rules,
	int64_t *now, struct err *err);
/* The rules are fresh at that time.  ERR_DENIED when they are older than
 * HEAD_AGE_LIMIT_DAYS, or made more than a day after it: then one of the two
 * clocks is wrong, and nothing may be destroyed by it. */
enum err_code rules_fresh(
	const struct rules *rules, int64_t now, struct err *err);
