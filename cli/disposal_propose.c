/* disposal_propose.c - `cundang disposal propose`: the register of what may be
 * destroyed, and the order for officers to sign. */
#include <errno.h>
#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/disposal.h"

/* The order's file: with its signatures beside it, as PATH*.sig. */
#define ORDER_FILE "disposal.order"

struct propose {
	struct cli *cli;
	const char *dir;
	struct node *node;
	struct rules *rules;
	struct proposal proposal;
	struct buf text; /* the register */
	struct json *reg;
};

/* The order comes last: a folder without one is of no use to anybody. */
static enum err_code save_all(
	const struct propose *p, struct order *o, struct err *err)
{
	struct buf text = BUF_EMPTY;
	char *path = file_join(p->dir, ORDER_FILE);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = disposal_save(p->dir, p->reg, &p->text, "", err)))
		goto out;
	o->reg = digest_of(p->text.data, p->text.len);
	if (!(rc = order_write(o, &text, err)))
		rc = file_replace(path, text.data, text.len, 0600, err);
out:
	free(path);
	buf_free(&text);
	return rc;
}

static enum err_code tell(
	const struct propose *p, const struct order *o, struct err *err)
{
	char a[COUNT_TEXT_SIZE], quoted[QUOTED_SIZE], since[TIME_TEXT_SIZE];
	struct json *v;

	time_format(o->not_before, since);
	if (p->cli->json) {
		v = json_new_object();
		if (!json_set(v, "order", json_new_text(o->id)) ||
			!json_set(v, "count",
				json_new_u64(p->proposal.due.parts)) ||
			!json_set(v, "left", json_new_u64(p->proposal.left)) ||
			!json_set(v, "not_before", json_new_text(since))) {
			json_free(v);
			v = NULL;
		}
		return out_json(v, err);
	}
	printf(ngettext("%s part is in the register, to be destroyed from "
			"%.10s on.\n",
		       "%s parts are in the register, to be destroyed from "
		       "%.10s on.\n",
		       p->proposal.due.parts),
		out_count(p->proposal.due.parts, a), since);
	if (p->proposal.left)
		printf(ngettext("%s more did not fit: propose again when these "
				"are gone, or of one series or division.\n",
			       "%s more did not fit: propose again when these "
			       "are gone, or of one series or division.\n",
			       p->proposal.left),
			out_count(p->proposal.left, a));
	printf(ngettext("%u officer signs it:\n", "%u officers sign it:\n",
		       p->proposal.accounts
			       ? rules_accounts_approvals(p->rules)
			       : rules_disposal_approvals(p->rules)),
		p->proposal.accounts ? rules_accounts_approvals(p->rules)
				     : rules_disposal_approvals(p->rules));
	printf("  ssh-keygen -Y sign -n %s -f KEY %s/" ORDER_FILE "\n",
		ORDER_NAMESPACE, out_quoted(p->dir, quoted));
	return ERR_OK;
}

static enum err_code make(
	struct propose *p, const struct args *a, struct err *err)
{
	const char *reason = args_get(a, "reason");
	struct digest holds;
	struct due due = {.count = 0};
	struct order o = {.part = NULL};
	int64_t now = 0;
	enum err_code rc;

	if ((rc = order_reason_check(reason, err)) ||
		(rc = disposal_find(
			 p->cli, a, p->node, p->rules, &due, &now, err)))
		return rc;
	if ((rc = rules_fresh(p->rules, now, err))) {
		cli_safe(p->cli, _("Nothing is destroyed before that."));
		cli_next(p->cli,
			_("officers sign a newer head: cundang help "
			  "governance publish"));
		goto out;
	}
	if ((rc = proposal_make(p->rules, p->node->config.code, reason, now,
		     &due, &p->proposal, err)) ||
		(rc = orders_holds(
			 p->node, p->node->config.code, &holds, err)) ||
		(rc = proposal_json(&p->proposal, &p->text, err)) ||
		(rc = register_parse(
			 p->text.data, p->text.len, &p->reg, err)) ||
		(rc = proposal_order(&p->proposal, p->reg, &holds, &o, err)))
		goto out;
	if (mkdir(p->dir, 0700)) {
		rc = errno == EEXIST ? err_set(err, ERR_EXISTS,
					       "%s is there already", p->dir)
				     : err_sys(err, "%s", p->dir);
		goto out;
	}
	if (!(rc = save_all(p, &o, err)))
		rc = tell(p, &o, err);
out:
	order_free(&o);
	due_free(&due);
	return rc;
}

static enum err_code run_disposal_propose(
	struct cli *c, const struct args *a, struct err *err)
{
	struct propose p = {.cli = c, .dir = args_get(a, "output")};
	enum err_code rc;

	if (!p.dir || !args_get(a, "reason"))
		return err_set(err, ERR_USAGE,
			"disposal propose needs --output and --reason");
	if ((rc = open_reader(c, &p.node, err)))
		return rc;
	p.rules = node_rules(p.node);
	rc = make(&p, a, err);
	proposal_free(&p.proposal);
	buf_free(&p.text);
	json_free(p.reg);
	rules_unref(p.rules);
	node_close(p.node);
	return rc;
}

static const struct option_spec propose_options[] = {
	{"output", 'o', "DIR", N_("the folder to make")},
	{"reason", 0, "TEXT", N_("a reference; nothing personal")},
	{"series", 0, "SERIES", N_("of this series only")},
	{"from", 0, "CODE", N_("captured at this division or below it")},
	{"labels", 0, "L,L", N_("parts of these labels only")},
	{NULL, 0, NULL, NULL},
};

const struct command command_disposal_propose = {
	.name = "disposal propose",
	.words = "",
	.summary = N_("write the register of what may be destroyed, and the "
		      "order"),
	.detail = N_("The folder has the register to print and sign "
		     "(register.html), for spreadsheets (register.csv, and "
		     "register-gb18030.csv) and for programs (register.json), "
		     "and the order that names it (disposal.order), for "
		     "officers to sign. Nothing is destroyed by it."),
	.options = propose_options,
	.run = run_disposal_propose,
};
