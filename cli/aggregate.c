/* aggregate.c - `cundang aggregate`: what divisions counted, together. */
#include <inttypes.h>
#include <libintl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

struct asked {
	struct cli *cli;
	struct node *node;
	const struct rules *rules;
	const struct series *series;
	const char *from; /* a code */
	size_t months;	  /* printed */
};

/* ---- for people ---- */

static const struct field *field_of(const struct series *s, const char *path)
{
	for (size_t i = 0; s && i < s->field_count; i++)
		if (!strcmp(s->fields[i].path, path))
			return &s->fields[i];
	return NULL;
}

/* How many there are, and by how many divisions nothing is told: those are not
 * in it. */
static void print_count(uint64_t count, uint64_t withheld)
{
	char text[COUNT_TEXT_SIZE], more[COUNT_TEXT_SIZE];

	printf("%10s", out_count(count, text));
	if (withheld)
		printf(ngettext("  + too few to tell in %s division",
			       "  + too few to tell in %s divisions", withheld),
			out_count(withheld, more));
	putchar('\n');
}

static void print_cell(const struct json *cell)
{
	const char *value = json_get_string(cell, "value");
	uint64_t count = 0, withheld = 0;
	char plain[256];

	(void)json_get_u64(cell, "count", &count);
	(void)json_get_u64(cell, "withheld", &withheld);
	snprintf(plain, sizeof(plain), "    %s",
		value && *value ? value : _("(not said)"));
	out_column(plain, 30);
	print_count(count, withheld);
}

static void print_month(const struct asked *a, const struct json *sum)
{
	const struct json *by = json_get(sum, "by");
	uint64_t divisions = 0, total = 0, withheld = 0;
	char text[COUNT_TEXT_SIZE];

	(void)json_get_u64(sum, "divisions", &divisions);
	(void)json_get_u64(sum, "total", &total);
	(void)json_get_u64(sum, "withheld", &withheld);
	printf("%s  %s  ", json_get_string(sum, "month"), a->series->title);
	printf(ngettext("%s division told", "%s divisions told", divisions),
		out_count(divisions, text));
	putchar('\n');
	out_column(_("  records"), 30);
	print_count(total, withheld);
	for (size_t i = 0; i < json_count(by); i++) {
		const struct json *table = json_at(by, i);
		const struct json *cells = json_get(table, "cells");
		const char *path = json_get_string(table, "field");
		const struct field *f = field_of(a->series, path);

		fputs("  ", stdout);
		path = f && f->title ? f->title : path;
		out_plain(stdout, path, strlen(path));
		putchar('\n');
		for (size_t k = 0; k < json_count(cells); k++)
			print_cell(json_at(cells, k));
	}
}

/* ---- asking ---- */

static enum err_code ask_month(
	struct asked *a, const char *month, struct err *err)
{
	struct json *sum = NULL;
	enum err_code rc = aggregate_sum(
		a->node, a->rules, a->series->name, month, a->from, &sum, err);

	if (rc || !sum)
		return rc;
	a->months++;
	if (a->cli->json)
		return out_json(sum, err);
	print_month(a, sum);
	json_free(sum);
	return ERR_OK;
}

/* The newest first would be read from its end: so the oldest. */
static enum err_code ask_all(struct asked *a, struct err *err)
{
	int end = aggregate_month_of(time_now()) + 1;
	enum err_code rc = ERR_OK;

	for (int m = end - AGGREGATE_MONTHS; rc == ERR_OK && m < end; m++) {
		char month[AGGREGATE_MONTH_SIZE];

		aggregate_month_text(m, month);
		rc = ask_month(a, month, err);
	}
	return rc;
}

static enum err_code nothing(
	const struct asked *a, const char *month, struct err *err)
{
	if (!a->series->aggregate.k)
		return err_set(err, ERR_NOT_FOUND,
			"no counts of %s are here: by the rules none are made",
			a->series->name);
	if (month)
		return err_set(err, ERR_NOT_FOUND,
			"no counts of %s in %s are here: a month is told %d "
			"days after its end",
			a->series->name, month, AGGREGATE_DAYS);
	return err_set(err, ERR_NOT_FOUND,
		"no counts of %s are here yet: a month is told %d days after "
		"its end",
		a->series->name, AGGREGATE_DAYS);
}

static enum err_code ask(
	struct asked *a, const char *name, const char *month, struct err *err)
{
	enum err_code rc;

	a->series = rules_series(a->rules, name);
	if (!a->series)
		return err_set(
			err, ERR_NOT_FOUND, "series: %s is unknown", name);
	if (!rules_node(a->rules, a->from))
		return err_set(
			err, ERR_NOT_FOUND, "division: %s is unknown", a->from);
	rc = month ? ask_month(a, month, err) : ask_all(a, err);
	return rc || a->months ? rc : nothing(a, month, err);
}

static enum err_code run_aggregate(
	struct cli *c, const struct args *args, struct err *err)
{
	const char *month = args_get(args, "month");
	struct asked a = {.cli = c, .from = args_get(args, "node")};
	struct rules *rules = NULL;
	enum err_code rc;

	if (month && !aggregate_month_valid(month))
		return err_set(err, ERR_USAGE, "--month %s is not like 2026-04",
			month);
	if (a.from && !code_valid(a.from, strlen(a.from)))
		return err_set(err, ERR_USAGE, "--node %s is no 12-digit code",
			a.from);
	if ((rc = open_reader(c, &a.node, err)))
		return rc;
	a.rules = rules = node_rules(a.node);
	if (!a.from)
		a.from = a.node->config.code;
	rc = ask(&a, args->word[0], month, err);
	rules_unref(rules);
	node_close(a.node);
	return rc;
}

static const struct option_spec options[] = {
	{"month", 0, "YYYY-MM", N_("of this month only")},
	{"node", 0, "CODE", N_("counted at this division or below it")},
	{NULL, 0, NULL, NULL},
};

const struct command command_aggregate = {
	.name = "aggregate",
	.words = "SERIES [--month YYYY-MM] [--node CODE]",
	.summary = N_("tell how many records there were, month by month"),
	.detail = N_("As each division counted its own, from all that told. "
		     "Counts too small to tell\nare withheld where they were "
		     "made, and others with them: sums are of what was told."),
	.least = 1,
	.most = 1,
	.options = options,
	.run = run_aggregate,
};
