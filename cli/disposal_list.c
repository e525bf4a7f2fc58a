/* disposal_list.c - `cundang disposal list`: what may be destroyed by now. */
#include <inttypes.h>
#include <libintl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static struct json *group_json(const struct due_group *g)
{
	struct json *v = json_new_object();
	char since[TIME_TEXT_SIZE];

	time_format(g->since, since);
	since[10] = '\0';
	if (json_set(v, "count", json_new_u64(g->count)) &&
		json_set(v, "first_year",
			json_new_u64((uint64_t)g->first_year)) &&
		json_set(v, "label", json_new_text(label_name(g->label))) &&
		json_set(
			v, "last_year", json_new_u64((uint64_t)g->last_year)) &&
		json_set(v, "origin", json_new_text(g->origin)) &&
		json_set(v, "period", json_new_text(g->period)) &&
		json_set(v, "seqs", due_ranges_json(g)) &&
		json_set(v, "series", json_new_text(g->series)) &&
		json_set(v, "since", json_new_text(since)))
		return v;
	json_free(v);
	return NULL;
}

static void print_group(const struct rules *rules, const struct due_group *g)
{
	const struct series *s = rules_series(rules, g->series);
	char since[TIME_TEXT_SIZE], code[CODE_SIZE], count[COUNT_TEXT_SIZE];

	time_format(g->since, since);
	snprintf(code, sizeof(code), "%.12s", origin_code(g->origin));
	printf("%.10s  %-5s  %s  ", since, g->period, code);
	out_column(out_label(label_name(g->label)), 10);
	printf(" %8s  ", out_count(g->count, count));
	out_column(g->series, 18);
	printf(" %s\n", s ? s->title : "");
}

/* What people want to know beside what is listed. */
static void print_sums(const struct due *d, int64_t now)
{
	char when[TIME_TEXT_SIZE], a[COUNT_TEXT_SIZE];

	time_format(now, when);
	fprintf(stderr,
		ngettext("%s part may be destroyed by %.10s.\n",
			"%s parts may be destroyed by %.10s.\n", d->parts),
		out_count(d->parts, a), when);
	if (d->held)
		fprintf(stderr,
			ngettext("%s more is held.\n", "%s more are held.\n",
				d->held),
			out_count(d->held, a));
	if (d->open > d->unknown)
		fprintf(stderr,
			ngettext("%s record is still open: its period has not "
				 "begun.\n",
				"%s records are still open: their periods "
				"have not begun.\n",
				d->open - d->unknown),
			out_count(d->open - d->unknown, a));
	if (d->unknown)
		fprintf(stderr,
			ngettext("Of %s record this node cannot tell: what "
				 "its period starts at is not here.\n",
				"Of %s records this node cannot tell: what "
				"their periods start at is not here.\n",
				d->unknown),
			out_count(d->unknown, a));
}

static enum err_code options(const struct args *a, const struct rules *rules,
	struct due_options *o, struct err *err)
{
	const char *labels = args_get(a, "labels");

	o->labels = LABEL_ALL;
	o->series = args_get(a, "series");
	o->from = args_get(a, "from");
	if (o->series && !rules_series(rules, o->series))
		return err_set(
			err, ERR_NOT_FOUND, "series: %s is unknown", o->series);
	if (o->from && !code_valid(o->from, strlen(o->from)))
		return err_set(err, ERR_USAGE, "--from %s is no 12-digit code",
			o->from);
	return labels ? labels_parse(labels, &o->labels, err) : ERR_OK;
}

enum err_code disposal_find(struct cli *c, const struct args *a, struct node *n,
	const struct rules *rules, struct due *out, int64_t *now,
	struct err *err)
{
	struct due_options o = {
		.labels = LABEL_ALL, .held = held_by_orders, .arg = n};
	struct pool *pool = NULL;
	enum err_code rc;

	if ((rc = options(a, rules, &o, err)))
		return rc;
	if ((rc = cosigned_now(n, rules, &o.now, err))) {
		cli_safe(c, _("Nothing is destroyed before that."));
		cli_next_command(c, "sync");
		return rc;
	}
	if (!(rc = orders_refresh(n, err)) &&
		!(rc = pool_new(0, 64, &pool, err)))
		rc = due_find(n, rules, pool, &o, out, err);
	pool_free(pool);
	*now = o.now;
	return rc;
}

static enum err_code run_disposal_list(
	struct cli *c, const struct args *a, struct err *err)
{
	struct due due = {.count = 0};
	struct rules *rules = NULL;
	struct node *n = NULL;
	int64_t now = 0;
	struct err stale;
	enum err_code rc;

	if ((rc = open_reader(c, &n, err)))
		return rc;
	rules = node_rules(n);
	rc = disposal_find(c, a, n, rules, &due, &now, err);
	for (size_t i = 0; i < due.count && !rc; i++) {
		if (c->json)
			rc = out_json(group_json(&due.group[i]), err);
		else
			print_group(rules, &due.group[i]);
	}
	if (!rc && !c->json) {
		print_sums(&due, now);
		if (rules_fresh(rules, now, &stale)) {
			out_reason(stderr, stale.text);
			fputc('\n', stderr);
		}
	}
	due_free(&due);
	rules_unref(rules);
	node_close(n);
	return rc;
}

static const struct option_spec list_options[] = {
	{"series", 0, "SERIES", N_("of this series only")},
	{"from", 0, "CODE", N_("captured at this division or below it")},
	{"labels", 0, "L,L", N_("parts of these labels only")},
	{NULL, 0, NULL, NULL},
};

const struct command command_disposal_list = {
	.name = "disposal list",
	.words = "",
	.summary = N_("list what may be destroyed by now"),
	.detail = N_("A line tells since when, the period, where it was "
		     "captured, the label, how many parts, and the series. "
		     "What is held is left out. The day is that of the newest "
		     "countersignature, not of this machine's clock."),
	.options = list_options,
	.run = run_disposal_list,
};
