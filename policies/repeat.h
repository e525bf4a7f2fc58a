/* repeat.h - the same record in two logs of one node.
 *
 * Where a node and a copy of it both run, both bring what neither had given
 * before: the copy enters it again in its own epoch.  Who reads records in the
 * order of their arrival passes over the later one.
 */
#pragma once

#include "policies/node.h"

/* Has the node that wrote `log` another log here? */
enum err_code log_has_others(
	struct node *n, const struct log_info *log, bool *out, struct err *err);
/* Did the same revision with the same content arrive before, in another log of
 * the same node?  Parts that only one of the two has are not compared; at least
 * one must be the same. */
enum err_code record_repeats(struct node *n, const struct log_info *log,
	uint64_t seq, const struct entry *e, bool *out, struct err *err);
