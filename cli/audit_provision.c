/* audit_provision.c - `cundang audit provision`: who received a record. */
#include <string.h>

#include "cli/audit.h"

struct asked {
	struct cli *cli;
	struct point point;
	uint64_t lines;
};

static const char *state_words(const char *state)
{
	if (!strcmp(state, "received"))
		return _("received and countersigned");
	if (!strcmp(state, "given"))
		return _("was given");
	if (!strcmp(state, "open"))
		return _("may have been given by now");
	return "?";
}

static void print_line(const struct cli *c, const struct json *line)
{
	const struct json *record = json_get(line, "record");
	uint64_t rev = 0, seq = 0;

	(void)json_get_u64(record, "rev", &rev);
	(void)json_get_u64(line, "seq", &seq);
	out_plain(stdout, audit_text(line, "day"), 10);
	audit_print("  ", audit_text(line, "to"));
	audit_print("  ", audit_text(line, "consumer"));
	printf("  %s", state_words(audit_text(line, "state")));
	audit_print_labels(json_get(line, "labels"));
	printf(_("  (revision %llu)"), (unsigned long long)rev);
	printf("\n    cundang -C %s show ", c->quoted);
	audit_print("", audit_text(line, "origin"));
	printf("/%llu --proof\n", (unsigned long long)seq);
}

static enum err_code on_line(void *arg, struct json *line, struct err *err)
{
	struct asked *a = arg;

	a->lines++;
	if (a->cli->json)
		return out_json(line, err);
	print_line(a->cli, line);
	json_free(line);
	return ERR_OK;
}

static enum err_code look(
	struct node *n, audit_visit *visit, void *arg, struct err *err)
{
	struct asked *a = arg;

	return audit_provision(n, &a->point, visit, arg, err);
}

static enum err_code run_audit(
	struct cli *c, const struct args *a, struct err *err)
{
	struct asked asked = {.cli = c};
	struct json *body;
	enum err_code rc;

	if ((rc = point_parse(
		     a->word[0], strlen(a->word[0]), &asked.point, err)))
		return rc;
	body = json_new_object();
	if (!json_set(body, "record", json_new_text(a->word[0]))) {
		json_free(body);
		return err_nomem(err);
	}
	rc = audit_ask(c, "/audit/provision", body, look, on_line, &asked, err);
	if (rc == ERR_OK && !asked.lines && !c->json)
		puts(_("Nobody was given personal data of it, as far as this "
		       "node knows."));
	return rc;
}

static const struct option_spec options[] = {
	{NULL, 0, NULL, NULL},
};

const struct command command_audit_provision = {
	.name = "audit provision",
	.words = "RECORD",
	.summary = N_("tell who received personal data of a record"),
	.detail = N_("From the registers of this node and of those below it "
		     "whose logs are here, all revisions\nof the record. "
		     "Behind each line stands the command that proves it."),
	.least = 1,
	.most = 1,
	.options = options,
	.run = run_audit,
};
