/* proposal.h - what officers are asked to have destroyed: the register (清册)
 * of it, and the order that names the register.
 *
 * The same parts at the same day give the same register to the byte.
 */
#pragma once

#include "policies/due.h"
#include "policies/order.h"

/* Of one order: what does not fit is left for the next. */
#define PROPOSAL_PARTS_LIMIT ((uint64_t)100000)
#define PROPOSAL_RANGES_LIMIT ((size_t)13000)
#define PROPOSAL_GROUPS_LIMIT ((size_t)500)

struct proposal {
	struct due due; /* what is in it */
	uint64_t left;	/* parts that did not fit */
	int64_t as_of;
	char node[CODE_SIZE];
	const char *reason; /* borrowed */
	const struct rules *rules;
	bool accounts; /* it reaches series of accounts */
};
/* Takes what fits out of `due`, group by group, and leaves that empty.
 * ERR_NOT_FOUND when there is nothing. */
enum err_code proposal_make(const struct rules *rules, const char *node,
	const char *reason, int64_t as_of, struct due *due,
	struct proposal *out, struct err *err);
void proposal_free(struct proposal *p); /* leaves it empty */

/* The group's ranges as JSON: [[from,to],...]; NULL without memory. */
struct json *due_ranges_json(const struct due_group *g);

/* Appends the register's text (policies/register.h). */
enum err_code proposal_json(
	const struct proposal *p, struct buf *out, struct err *err);

/* The order of it, not before the waiting time is over.  `reg` is its register,
 * `holds` the digest of those that were seen; the caller sets out->reg to the
 * SHA-256 of the register's text. */
enum err_code proposal_order(const struct proposal *p, const struct json *reg,
	const struct digest *holds, struct order *out, struct err *err);
