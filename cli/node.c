/* node.c - `cundang node ...`: how a node comes into its domain. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/request.h"

/* request */

static enum err_code tell_request(struct cli *c, const char *path,
	const char *code, const char *check, struct err *err)
{
	struct json *v;

	if (!c->json) {
		printf(_("The request of %s is in %s. Its check number is %s: "
			 "the officer sees the same.\n"),
			code, path, check);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "code", out_text(code)) ||
		!json_set(v, "check", out_text(check)) ||
		!json_set(v, "file", out_text(path))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_request(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *path = args_get(a, "output");
	char check[CHECK_SIZE];
	struct node *n = NULL;
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "node request needs -o FILE");
	if ((rc = open_reader(c, &n, err)) ||
		(rc = request_save(n, path, check, err)))
		goto out;
	if (strcmp(path, "-"))
		rc = tell_request(c, path, n->config.code, check, err);
out:
	node_close(n);
	return rc;
}

static const struct option_spec request_options[] = {
	{"output", 'o', "FILE", N_("the file to bring to an officer")},
	{NULL, 0, NULL, NULL},
};
const struct command command_node_request = {
	.name = "node request",
	.words = "-o FILE",
	.summary = N_("write this node's public keys, to be admitted"),
	.options = request_options,
	.run = run_request,
};

/* pending and admit */

static const char *standing(
	const struct node_info *known, const struct node_request *r)
{
	if (!known)
		return N_("no division of this domain");
	if (!known->enrolled)
		return N_("new");
	if (!memcmp(&known->log, &r->log, sizeof(r->log)) &&
		!memcmp(&known->tls, &r->tls, sizeof(r->tls)))
		return N_("admitted already");
	return N_("has other keys");
}

static enum err_code tell_pending(struct cli *c, const struct rules *rules,
	const struct node_request *r, const char *check, struct err *err)
{
	const struct node_info *known = rules_node(rules, r->code);
	const char *how = standing(known, r), *name = known ? known->name : "";
	struct json *v;

	if (!c->json) {
		printf("%s  ", check);
		out_column(r->code, 14);
		out_column(name, 24);
		printf(" %s\n", _(how));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "code", out_text(r->code)) ||
		!json_set(v, "name", out_text(name)) ||
		!json_set(v, "check", out_text(check)) ||
		!json_set(v, "state", out_text(how))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_pending(
	struct cli *c, const struct args *a, struct err *err)
{
	struct governance *g = NULL;
	struct rules *rules = NULL;
	char check[CHECK_SIZE];
	struct node_request r;
	enum err_code rc;

	if ((rc = governance_open(a->word[0], &g, err)) ||
		(rc = governance_rules(g, 0, NULL, &rules, err)))
		goto out;
	for (size_t i = 1; rc == ERR_OK && i < a->count; i++) {
		if ((rc = request_load(a->word[i], &r, check, err)) == ERR_OK)
			rc = tell_pending(c, rules, &r, check, err);
	}
	if (rc == ERR_OK && !c->json)
		puts(_("Compare each number with the one its node shows, then "
		       "admit: cundang node admit GOV FILE..."));
out:
	rules_unref(rules);
	governance_close(g);
	return rc;
}

const struct command command_node_pending = {
	.name = "node pending",
	.words = "GOV FILE...",
	.summary = N_("show requests with their check numbers"),
	.least = 2,
	.most = WORDS_ANY,
	.run = run_pending,
};

/* A node that lost its disk, or somebody who says so. */
static void tell_other_keys(struct cli *c, const struct args *a)
{
	char gov[QUOTED_SIZE];

	cli_safe(c,
		_("Nothing was changed. If the machine was replaced, compare "
		  "its check number on the phone, and let its keys take the "
		  "place of the old ones."));
	cli_next(c, "cundang node admit --replace %s FILE...",
		out_quoted(a->word[0], gov));
}

static enum err_code run_admit(
	struct cli *c, const struct args *a, struct err *err)
{
	size_t count = a->count - 1;
	struct node_request *r = calloc(count, sizeof(*r));
	struct governance *g = NULL;
	struct statement s = {0};
	char check[CHECK_SIZE], quoted[QUOTED_SIZE];
	struct json *v;
	enum err_code rc = ERR_OK;

	if (!r)
		return err_nomem(err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = request_load(a->word[i + 1], &r[i], check, err);
	if (rc || (rc = governance_open(a->word[0], &g, err)) ||
		(rc = governance_admit_as(g, r, count,
			 args_has(a, "replace") ? ADMIT_REPLACE : ADMIT_NEW, &s,
			 err))) {
		if (rc == ERR_EXISTS)
			tell_other_keys(c, a);
		goto out;
	}
	if (!c->json) {
		printf(ngettext("%zu node is in head %" PRIu64
				", which officers sign now:\n",
			       "%zu nodes are in head %" PRIu64
			       ", which officers sign now:\n",
			       count),
			count, s.serial);
		printf("  cundang governance sign %s --key KEY\n",
			out_quoted(a->word[0], quoted));
		goto out;
	}
	v = json_new_object();
	if (!json_set(v, "serial", json_new_u64(s.serial)) ||
		!json_set(v, "nodes", json_new_u64(count))) {
		json_free(v);
		v = NULL;
	}
	rc = out_json(v, err);
out:
	governance_close(g);
	free(r);
	return rc;
}

static const struct option_spec admit_options[] = {
	{"replace", 0, NULL,
		N_("let these keys take the place of those that a node has")},
	{NULL, 0, NULL, NULL},
};
const struct command command_node_admit = {
	.name = "node admit",
	.words = "GOV FILE...",
	.summary = N_("propose rules in which these nodes have their keys"),
	.options = admit_options,
	.least = 2,
	.most = WORDS_ANY,
	.run = run_admit,
};
