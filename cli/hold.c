/* hold.c - `cundang hold ...`: what must not be destroyed. */
#include "cli/order.h"

static const struct option_spec add_options[] = {
	{"record", 0, "RECORD", N_("this record; may be repeated")},
	{"person", 0, NULL,
		N_("the records that name a person, who is asked for")},
	{"request", 0, "NO", N_("with --person: the number of the request")},
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
	return order_add(c, a, ORDER_HOLD, err);
}

const struct command command_hold_add = {
	.name = "hold add",
	.words = "[--record R...] [--series S] [--node CODE] [--from D] [--to "
		 "D] [--person] --reason TEXT",
	.summary = N_("write an order that records are not to be destroyed"),
	.detail = N_("All conditions together select what is held, within "
		     "this node's division."),
	.options = add_options,
	.run = run_add,
};

/* ---- release ---- */

static enum err_code run_release(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_end(c, a, ORDER_RELEASE, err);
}

const struct command command_hold_release = {
	.name = "hold release",
	.words = "ORDER --reason TEXT",
	.summary = N_("write an order that ends a hold"),
	.least = 1,
	.most = 1,
	.options = order_end_options,
	.run = run_release,
};

static enum err_code run_cancel(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_end(c, a, ORDER_CANCEL, err);
}

const struct command command_disposal_cancel = {
	.name = "disposal cancel",
	.words = "ORDER --reason TEXT",
	.summary = N_("write an order that an erasure is not carried out"),
	.detail = N_("Nodes that have carried it out already have destroyed "
		     "it for good."),
	.least = 1,
	.most = 1,
	.options = order_end_options,
	.run = run_cancel,
};

/* ---- list ---- */

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_list(c, a, 1u << ORDER_HOLD, 0, err);
}

const struct command command_hold_list = {
	.name = "hold list",
	.words = "[--all]",
	.summary = N_("list the holds in force here"),
	.options = order_list_options,
	.run = run_list,
};
