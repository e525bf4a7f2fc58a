/* dump.c - `cundang store dump`: every byte that the keys here open, for
 * privacy scanners. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* "== WHERE LENGTH", the bytes, a line feed. */
static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	(void)arg;
	printf("== %s %zu\n", where, len);
	fwrite(plain, 1, len, stdout);
	putchar('\n');
	return ferror(stdout) ? err_sys(err, "standard output") : ERR_OK;
}

/* ---- what this node may hold ---- */

struct clearance {
	const char *code;
	const struct rules *rules;
	struct json *logs;
};

/* {"SERIES":["LABEL",...],...} of what was captured at a node. */
static struct json *clearance_of(const struct clearance *c, const char *origin)
{
	struct json *v = json_new_object();

	for (size_t i = 0; v && i < rules_series_count(c->rules); i++) {
		const struct series *s = rules_series_at(c->rules, i);
		uint8_t may = rules_clearance(c->rules, s, origin, c->code);

		if (!json_set(v, s->name, labels_json(may))) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct clearance *c = arg;
	const char *at = origin_code(log->origin);
	struct json *o = json_new_object();
	char id[16], code[CODE_SIZE] = "";

	snprintf(id, sizeof(id), "%u", log->id);
	if (at)
		memcpy(code, at, CODE_LEN);
	if (json_set(o, "may", clearance_of(c, code)) &&
		json_set(o, "origin", json_new_text(log->origin)))
		return json_set(c->logs, id, o) ? ERR_OK : err_nomem(err);
	json_free(o);
	return err_nomem(err);
}

/* {"LOG":{"may":{"SERIES":["LABEL",...]},"origin"},...} by the rules in force;
 * the index tells of the logs, which the dump itself does without. */
static enum err_code print_clearance(struct cli *c, struct err *err)
{
	struct clearance clearance = {.logs = NULL};
	struct rules *rules = NULL;
	struct node *n = NULL;
	enum err_code rc = open_reader(c, &n, err);

	if (rc)
		return rc;
	rules = node_rules(n);
	clearance.code = n->config.code;
	clearance.rules = rules;
	clearance.logs = json_new_object();
	if (!clearance.logs)
		rc = err_nomem(err);
	else
		rc = store_log_each(n->store, on_log, &clearance, err);
	if (rc == ERR_OK)
		rc = out_json(clearance.logs, err);
	else
		json_free(clearance.logs);
	rules_unref(rules);
	node_close(n);
	return rc;
}

static enum err_code run_dump(
	struct cli *c, const struct args *a, struct err *err)
{
	enum err_code rc;

	if (args_has(a, "clearance"))
		return print_clearance(c, err);
	rc = open_check(c, err);
	return rc ? rc : store_dump(c->data, on_plain, NULL, err);
}

static const struct option_spec options[] = {
	{"clearance", 0, NULL,
		N_("which parts of each log this node may hold, instead")},
	{NULL, 0, NULL, NULL},
};

const struct command command_store_dump = {
	.name = "store dump",
	.words = "",
	.summary = N_("print all that the keys in the directory open"),
	.hidden = true,
	.options = options,
	.run = run_dump,
};
