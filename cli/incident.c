/* incident.c - `cundang incident report`: whom the loss of a machine, a token
 * or a package reaches. */
#include <inttypes.h>
#include <string.h>

#include "cli/audit.h"

struct incident {
	struct cli *cli;
	struct incident_ask ask;
	const char *output;
	struct json *report;
};

/* ---- what is told ---- */

static void print_fields(const struct json *row)
{
	const struct json *fields = json_get(row, "fields");

	for (size_t i = 0; i < json_count(fields); i++) {
		const char *s = json_string(json_at(fields, i), NULL);

		audit_print(i ? _(", ") : "    ", s ? s : "");
	}
	if (json_count(fields))
		putchar('\n');
}

static void print_row(const struct json *row)
{
	char text[COUNT_TEXT_SIZE];
	uint64_t count = 0;

	(void)json_get_u64(row, "count", &count);
	printf("%12s  ", out_count(count, text));
	out_column(out_label(audit_text(row, "label")), 10);
	printf("  %s..%s", audit_text(row, "first"), audit_text(row, "last"));
	audit_print("  ", audit_text(row, "title"));
	audit_print("  [", audit_text(row, "origin"));
	puts("]");
	print_fields(row);
}

static void print_given(const struct json *row)
{
	audit_print(_("given to "), audit_text(row, "to"));
	audit_print(_("given to "), audit_text(row, "consumer"));
	printf("  %s..%s", audit_text(row, "first_day"),
		audit_text(row, "last_day"));
	audit_print_labels(json_get(row, "labels"));
	putchar('\n');
}

static void print_unsure(const struct json *v)
{
	uint64_t n = 0;
	char a[COUNT_TEXT_SIZE];

	if (json_get_u64(v, "uncounted", &n) && n)
		printf(ngettext("%s record is not counted in that: its values "
				"are not here, or sealed.\n",
			       "%s records are not counted in that: their "
			       "values are not here, or sealed.\n",
			       n),
			out_count(n, a));
	if (json_get_u64(v, "destroyed", &n) && n)
		printf(ngettext("%s part was destroyed here, and is not in the "
				"list; what was lost may have it still.\n",
			       "%s parts were destroyed here, and are not in "
			       "the list; what was lost may have them still.\n",
			       n),
			out_count(n, a));
	if (json_get_u64(v, "damaged", &n) && n)
		printf(ngettext("%s record here cannot be read: it may belong "
				"to it.\n",
			       "%s records here cannot be read: they may "
			       "belong to it.\n",
			       n),
			out_count(n, a));
}

static void print_report(const struct json *v)
{
	const struct json *data = json_get(v, "data");
	const struct json *given = json_get(v, "given");
	uint64_t records = 0, persons = 0, mentions = 0;
	char a[COUNT_TEXT_SIZE], b[COUNT_TEXT_SIZE];

	(void)json_get_u64(v, "records", &records);
	(void)json_get_u64(v, "persons", &persons);
	(void)json_get_u64(v, "mentions", &mentions);
	if (!records)
		puts(_("It reaches no record that this node knows of."));
	else
		printf(ngettext("%s record, made from %s to %s.\n",
			       "%s records, made from %s to %s.\n", records),
			out_count(records, a), audit_text(v, "first"),
			audit_text(v, "last"));
	if (records)
		printf(_("At most %s people told by a number, and %s who are "
			 "named without one.\n"),
			out_count(persons, a), out_count(mentions, b));
	print_unsure(v);
	for (size_t i = 0; i < json_count(data); i++)
		print_row(json_at(data, i));
	for (size_t i = 0; i < json_count(given); i++)
		print_given(json_at(given, i));
}

static enum err_code tell(const struct incident *in, struct err *err)
{
	struct buf csv = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	if (in->output &&
		((rc = incident_csv(in->report, &csv, err)) ||
			(rc = file_replace(
				 in->output, csv.data, csv.len, 0600, err))))
		goto out;
	if (!in->cli->json)
		print_report(in->report);
	else
		rc = out_json(json_copy(in->report), err);
out:
	buf_free(&csv);
	return rc;
}

/* ---- asking ---- */

static enum err_code on_report(void *arg, struct json *line, struct err *err)
{
	struct incident *in = arg;

	(void)err;
	json_free(in->report);
	in->report = line;
	return ERR_OK;
}

static enum err_code look(
	struct node *n, audit_visit *visit, void *arg, struct err *err)
{
	const struct incident *in = arg;
	struct json *report = NULL;
	enum err_code rc = incident_find(n, &in->ask, &report, err);

	return rc ? rc : visit(arg, report, err);
}

static const char *const kinds[] = {
	[INCIDENT_NODE] = "node",
	[INCIDENT_CONSUMER] = "consumer",
	[INCIDENT_RECORD] = "record",
	[INCIDENT_SERIES] = "series",
};

static struct json *body_of(const struct incident_ask *ask)
{
	struct json *v = json_new_object();

	if (v && json_set(v, kinds[ask->kind], json_new_text(ask->name)) &&
		(!ask->from || audit_set_time(v, "from", ask->from)) &&
		(ask->to == INT64_MAX || audit_set_time(v, "to", ask->to)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code look_in_package(
	struct incident *in, const char *path, struct err *err)
{
	struct node *n = NULL;
	struct rules *rules = NULL;
	enum err_code rc = open_reader(in->cli, &n, err);

	if (rc)
		return rc;
	rules = node_rules(n);
	rc = cli_input(incident_package(path, rules, &in->report, err), err);
	rules_unref(rules);
	node_close(n);
	return rc;
}

/* Exactly one thing is lost. */
static enum err_code take_ask(const struct args *a, struct incident *in,
	const char **package, struct err *err)
{
	unsigned said = 0;
	enum err_code rc;

	*package = args_get(a, "package");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!args_get(a, kinds[i]))
			continue;
		said++;
		in->ask.kind = (enum incident_kind)i;
		in->ask.name = args_get(a, kinds[i]);
	}
	if (said + (*package != NULL) != 1)
		return err_set(err, ERR_USAGE,
			"say what was lost: one of --node, --consumer, "
			"--record, --series and --package");
	if (*package && (args_get(a, "from") || args_get(a, "to")))
		return err_set(err, ERR_USAGE,
			"--from and --to do not go with --package");
	if (in->ask.kind == INCIDENT_RECORD && !*package &&
		(rc = point_parse(in->ask.name, strlen(in->ask.name),
			 &in->ask.point, err)))
		return rc;
	return audit_days(a, &in->ask.from, &in->ask.to, err);
}

static enum err_code run_incident(
	struct cli *c, const struct args *a, struct err *err)
{
	struct incident in = {.cli = c, .output = args_get(a, "output")};
	const char *package;
	enum err_code rc;

	in.ask.to = INT64_MAX;
	if ((rc = take_ask(a, &in, &package, err)))
		return rc;
	if (package)
		rc = look_in_package(&in, package, err);
	else
		rc = audit_ask(c, "/incident", body_of(&in.ask), look,
			on_report, &in, err);
	if (rc == ERR_OK)
		rc = tell(&in, err);
	json_free(in.report);
	return rc;
}

static const struct option_spec options[] = {
	{"node", 0, "CODE", N_("its machine was lost or stolen")},
	{"consumer", 0, "NAME", N_("its token leaked")},
	{"package", 0, "FILE",
		N_("an archive package was lost; this is a copy")},
	{"record", 0, "RECORD", N_("this record leaked, all its revisions")},
	{"series", 0, "SERIES", N_("the records of this series leaked")},
	{"from", 0, "DAY",
		N_("made, or given to the consumer, from this day on")},
	{"to", 0, "DAY", N_("up to and with this day")},
	{"output", 'o', "FILE", N_("the list as CSV, for the authority")},
	{NULL, 0, NULL, NULL},
};

const struct command command_incident_report = {
	.name = "incident report",
	.words = "",
	.summary = N_("tell whom a loss or leak reaches"),
	.detail = N_("Records, kinds of data, how many people at most, the "
		     "span of time and who was given it,\nfrom what this node "
		     "knows. No value of anybody is shown, and nothing is "
		     "changed."),
	.options = options,
	.run = run_incident,
};
