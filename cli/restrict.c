/* restrict.c - `cundang restrict ...`: what is kept, and shown to nobody. */
#include <string.h>

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

/* The nodes above hold the records, too. */
void restrict_tell_reach(const struct cli *c, const struct node *n)
{
	if (!c->json && strcmp(rules_root(n->rules)->code, n->config.code))
		printf(_("It is about what was captured at %s and below. "
			 "Nodes above hold copies and go on showing them until "
			 "the order has reached them; entered at the highest "
			 "node that holds them it goes to all from there.\n"),
			n->config.code);
}

static enum err_code run_add(
	struct cli *c, const struct args *a, struct err *err)
{
	struct order o = {.part = NULL};
	const char *reason = args_get(a, "reason");
	struct node *n = NULL;
	enum err_code rc;

	if (!reason)
		return err_set(err, ERR_USAGE, "restrict add needs --reason");
	if (!(rc = open_reader(c, &n, err)) &&
		!(rc = order_new(ORDER_RESTRICT, n->rules, n->config.code,
			  reason, &o, err)) &&
		!(rc = order_select(n, a, &o, err)) &&
		!(rc = order_save(c, args_get(a, "out"), &o, err)))
		restrict_tell_reach(c, n);
	order_free(&o);
	node_close(n);
	return rc;
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

static const struct option_spec end_options[] = {
	{"reason", 0, "TEXT", N_("a reference; nothing personal")},
	{"out", 'o', "FILE", N_("where to write the order")},
	{NULL, 0, NULL, NULL},
};

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
	.options = end_options,
	.run = run_lift,
};

/* ---- list ---- */

static const struct option_spec list_options[] = {
	{"all", 0, NULL, N_("ended ones and those that do not count, too")},
	{NULL, 0, NULL, NULL},
};

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	bool all = args_has(a, "all");
	unsigned kinds = 1u << ORDER_RESTRICT;
	struct json *rows = NULL;
	enum err_code rc;

	if (all)
		kinds |= 1u << ORDER_LIFT;
	if ((rc = order_rows(c, &rows, err)) == ERR_OK)
		rc = order_print(c, rows, kinds,
			all ? ORDER_ANY : 1u << ORDER_FORCE, err);
	json_free(rows);
	return rc;
}

const struct command command_restrict_list = {
	.name = "restrict list",
	.words = "[--all]",
	.summary = N_("list the restrictions in force here, and which nodes "
		      "have confirmed them"),
	.options = list_options,
	.run = run_list,
};
