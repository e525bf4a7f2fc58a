/* restrict.c - `cundang restrict ...`: what is kept, and shown to nobody. */
#include "cli/order.h"

static const struct option_spec add_options[] = {
	{"record", 0, "RECORD",
		N_("this record, all its revisions; may be repeated")},
	{"series", 0, "SERIES", N_("records of this series")},
	{"node", 0, "CODE", N_("records captured there or below")},
	{"from", 0, "DATE", N_("records from this day on")},
	{"to", 0, "DATE", N_("records up to this day")},
	{"reason", 0, "TEXT", N_("a reference; nothing personal")},
	{"out", 'o', "FILE", N_("where to write the order")},
	{NULL, 0, NULL, NULL},
};

static enum err_code run_add(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_add(c, a, ORDER_RESTRICT, err);
}

const struct command command_restrict_add = {
	.name = "restrict add",
	.words = "[--record R...] [--series S] [--node CODE] [--from D] [--to "
		 "D] --reason TEXT",
	.summary = N_("write an order that records are shown to nobody"),
	.detail = N_("All conditions together select what is restricted, "
		     "within this node's division, what comes later too. It "
		     "is kept, verified, exchanged, and may be held and "
		     "destroyed; lists, feeds, show and reveal leave it out."),
	.options = add_options,
	.run = run_add,
};

/* ---- lift ---- */

static enum err_code run_lift(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_end(c, a, ORDER_LIFT, err);
}

const struct command command_restrict_lift = {
	.name = "restrict lift",
	.words = "ORDER --reason TEXT",
	.summary = N_("write an order that ends a restriction"),
	.least = 1,
	.most = 1,
	.options = order_end_options,
	.run = run_lift,
};

/* ---- list ---- */

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_list(c, a, 1u << ORDER_RESTRICT, 1u << ORDER_LIFT, err);
}

const struct command command_restrict_list = {
	.name = "restrict list",
	.words = "[--all]",
	.summary = N_("list the restrictions in force here, and which nodes "
		      "have confirmed them"),
	.options = order_list_options,
	.run = run_list,
};
