/* automatic.h - parts of series that say `automatic: yes` go by themselves when
 * their period is over: each node that holds them destroys its own, by the
 * same arithmetic, and records what.  A hold is stronger. */
#pragma once

#include "policies/orders.h"
#include "policies/proposal.h"

/* In registers of what went so, in place of an order's reason. */
#define AUTOMATIC_REASON "automatic"

/* Is a record held by an order, as of the last orders_refresh()?  For struct
 * due_options; arg is a struct node. */
bool held_by_orders(void *node, const char *origin, uint64_t seq,
	const char *series, int64_t at);
/* The time it is for that here: the newest countersigned time, but no later
 * than what this node knows the holds of; 0 when it knows of neither, or the
 * rules are not fresh by that time (`why` says, lower case).  Any thread. */
int64_t automatic_now(struct node *n, struct err *why);
/* Destroys what may go by itself at `now` and is not held, and puts a
 * sys-disposal record with the register of it into the own log, in one group
 * each.  Again it finds nothing.  Through `w`, or batches of its own when w is
 * NULL.  *parts is what went. */
enum err_code automatic_run(struct node *n, struct writer *w, int64_t now,
	uint64_t *parts, struct err *err);
