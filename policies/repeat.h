/* repeat.h - the same record in two logs of one node.
 *
 * Where a node and a copy of it both run, both bring what neither had given
 * before: the copy enters it again in its own epoch.  Who reads records in the
 * order of their arrival passes over the later one.
 */
#pragma once

#include "policies/node.h"

/* Which logs are here, by the node that wrote them. */
struct log_family {
	char code[CODE_SIZE];
	uint32_t log;
};
struct log_families {
	struct log_family *row;
	size_t count, cap;
};
#define LOG_FAMILIES_EMPTY ((struct log_families){0})
/* Adds those that are here now; on failure, too, it is to be freed. */
enum err_code log_families_read(
	struct node *n, struct log_families *out, struct err *err);
void log_families_free(struct log_families *f);
/* Has the node that wrote `log` another log here? */
bool log_has_others(const struct log_families *f, const struct log_info *log);
/* Did the same revision with the same content arrive before, in another log of
 * the same node?  Parts that only one of the two has are not compared; at least
 * one must be the same. */
enum err_code record_repeats(struct node *n, const struct log_info *log,
	uint64_t seq, const struct entry *e, bool *out, struct err *err);
