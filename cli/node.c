/* node.c - `cundang node request` and `retire`: how a node comes and goes. */
#include <inttypes.h>
#include <string.h>

#include "cli/request.h"

static enum err_code run_request(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *path = args_get(a, "output");
	struct buf text = BUF_EMPTY;
	char check[CHECK_SIZE];
	struct node *n = NULL;
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "node request needs -o FILE");
	if ((rc = open_reader(c, &n, err)) ||
		(rc = request_make(n, &text, err)) ||
		(rc = request_save(&text, path, check, err)))
		goto out;
	rc = request_tell(c, path, n->config.code, check, err);
out:
	node_close(n);
	buf_free(&text);
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

/* retire */

static enum err_code tell_retired(struct cli *c, const char *path,
	const struct retirement *t, uint64_t serial, struct err *err)
{
	char quoted[QUOTED_SIZE];
	struct json *v;

	if (!c->json) {
		printf(_("%s is retired in head %" PRIu64
			 ", which officers sign now:\n"),
			t->code, serial);
		printf("  cundang governance sign %s --key KEY\n",
			out_quoted(path, quoted));
		puts(_("Before they do, let its node send what it has: what no "
		       "node above has countersigned by then is taken from "
		       "nobody any more."));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "code", json_new_text(t->code)) ||
		!json_set(v, "retired", json_new_text(t->date)) ||
		!json_set(v, "successor", json_new_text(t->successor)) ||
		!json_set(v, "serial", json_new_u64(serial))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code need_code(
	const char *what, const char *code, struct err *err)
{
	if (code_valid(code, strlen(code)))
		return ERR_OK;
	return err_set(err, ERR_USAGE, "%s %s is no 12-digit code", what, code);
}

static enum err_code run_retire(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *successor = args_get(a, "successor");
	const char *date = args_get(a, "date");
	struct retirement t = {.code = a->word[1]};
	struct governance *g = NULL;
	char now[TIME_TEXT_SIZE];
	struct statement s = {0};
	enum err_code rc;

	time_format(time_now(), now);
	now[DATE_SIZE - 1] = '\0';
	t.date = date ? date : now;
	t.successor = successor ? successor : "";
	if (!date_valid(t.date, strlen(t.date)))
		return err_set(err, ERR_USAGE,
			"--date %s is no date YYYY-MM-DD", t.date);
	if ((rc = need_code("node retire", t.code, err)) ||
		(successor &&
			(rc = need_code("--successor", successor, err))) ||
		(rc = governance_open(a->word[0], &g, err)))
		return rc;
	rc = governance_retire(g, &t, &s, err);
	if (rc == ERR_OK)
		rc = tell_retired(c, a->word[0], &t, s.serial, err);
	governance_close(g);
	return rc;
}

static const struct option_spec retire_options[] = {
	{"successor", 0, "CODE",
		N_("the division that answers for it from now on")},
	{"date", 0, "YYYY-MM-DD", N_("since when (today)")},
	{NULL, 0, NULL, NULL},
};
const struct command command_node_retire = {
	.name = "node retire",
	.words = "GOV CODE",
	.summary = N_("propose rules in which a division is out of service"),
	.options = retire_options,
	.least = 2,
	.most = 2,
	.run = run_retire,
};
