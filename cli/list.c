/* list.c - `cundang list`: records in the order of their arrival. */
#include <inttypes.h>
#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MOST 1000000
/* Arrivals looked at in one go. */
#define WINDOW_LEAST 64
#define WINDOW_MOST 4096

struct row {
	uint64_t arrival, seq;
	char origin[ORIGIN_SIZE];
	struct entry entry;
	struct json *erased; /* NULL where nothing is */
	uint8_t lost;	     /* labels that damage took for good */
};

struct list {
	struct cli *cli;
	struct node *node;
	struct store *store;
	const char *series, *from;
	const struct rules *rules;
	bool system;
	size_t limit, window, count, cap;
	size_t damaged, restricted; /* left out */
	struct row *row;
};

/* A division that was merged is found by its own code, with what its successor
 * records about it, and by the successor's, with what it recorded itself. */
static bool comes_from(const struct list *l, const struct row *r)
{
	const struct node_info *from = rules_node(l->rules, l->from);
	const char *at = origin_code(r->origin);
	char code[CODE_SIZE] = "";

	if (!at)
		return false;
	memcpy(code, at, CODE_LEN);
	return rules_answers_for(l->rules, l->from, code) ||
		(from && from->retired[0] &&
			code_within(r->entry.node, l->from));
}

static bool is_wanted(const struct list *l, const struct row *r)
{
	if (l->series ? strcmp(l->series, r->entry.series) != 0
		      : !l->system && !strncmp(r->entry.series, "sys-", 4))
		return false;
	return !l->from || comes_from(l, r);
}

static enum err_code add(struct list *l, const struct row *r, struct err *err)
{
	if (!grow(&l->row, &l->cap, l->count, sizeof(*l->row)))
		return err_nomem(err);
	l->row[l->count++] = *r;
	return ERR_OK;
}

/* Only what was mended may lack a part of ours. */
static enum err_code find_lost(struct list *l, const struct log_info *log,
	struct row *row, struct err *err)
{
	struct run run = {0};
	enum err_code rc;

	if (log->kind != LOG_OWN ||
		!store_was_mended(l->store, log->id, row->seq))
		return ERR_OK;
	rc = store_read(l->store, log->id, row->seq, 1, LABEL_ALL, &run, err);
	if (rc == ERR_OK)
		row->lost = view_lost(l->rules, log, &run.record[0]);
	run_free(&run);
	return rc;
}

static enum err_code on_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct row row = {.arrival = arrival, .seq = seq};
	struct list *l = arg;
	struct restriction by;
	struct log_info info;
	struct run run = {0};
	enum err_code rc;

	if (again)
		return ERR_OK; /* it is listed where it came first */
	if ((rc = store_log_by_id(l->store, log, &info, err)))
		goto out;
	if ((rc = store_read(l->store, log, seq, 1, 0, &run, err)) ==
		ERR_CORRUPT) {
		l->damaged++;
		rc = ERR_OK;
		goto out;
	}
	if (rc ||
		(rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			 &row.entry, err)))
		goto out;
	memcpy(row.origin, info.origin, sizeof(row.origin));
	if (!is_wanted(l, &row) ||
		(rc = orders_restricted(
			 l->node, row.origin, seq, &row.entry, &by, err)))
		goto out;
	if (by.order[0]) {
		l->restricted++;
		goto out;
	}
	if ((rc = find_lost(l, &info, &row, err)))
		goto out;
	if (run.record[0].erased &&
		!(row.erased = view_destroyed(&run.record[0])))
		rc = err_nomem(err);
	else if ((rc = add(l, &row, err)))
		json_free(row.erased);
out:
	run_free(&run);
	return rc;
}

static void drop_rows(struct list *l)
{
	while (l->count)
		json_free(l->row[--l->count].erased);
}

static struct json *row_json(const struct row *r)
{
	struct json *v = json_new_object();

	if (json_set(v, "arrival", json_new_u64(r->arrival)) &&
		json_set(v, "at", json_new_text(r->entry.at)) &&
		json_set(v, "series", json_new_text(r->entry.series)) &&
		json_set(v, "id", json_new_text(r->entry.id)) &&
		json_set(v, "node", json_new_text(r->entry.node)) &&
		json_set(v, "origin", json_new_text(r->origin)) &&
		json_set(v, "seq", json_new_u64(r->seq)) &&
		json_set(v, "rev", json_new_u64(r->entry.rev)) &&
		(!r->erased || json_set(v, "erased", json_copy(r->erased))) &&
		(!r->lost || json_set(v, "lost", labels_json(r->lost))))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code print_row(
	const struct list *l, const struct row *r, struct err *err)
{
	char when[17];

	if (l->cli->json)
		return out_json(row_json(r), err);
	snprintf(when, sizeof(when), "%s", r->entry.at);
	when[10] = ' ';
	printf("%8" PRIu64 "  %s  ", r->arrival, when);
	out_column(r->entry.series, 18);
	printf(" %s  %.12s/%-6" PRIu64, r->entry.id, origin_code(r->origin),
		r->seq);
	if (r->entry.rev > 1)
		printf("  %s %" PRIu64, _("revision"), r->entry.rev);
	if (r->erased) {
		printf("  %s ", _("destroyed:"));
		out_erased(stdout, r->erased);
	}
	if (r->lost)
		fputs("  ", stdout);
	out_label_list(_("lost:"), r->lost);
	putchar('\n');
	return ERR_OK;
}

/* From a point on: the first `limit` that are wanted. */
static enum err_code after(struct list *l, uint64_t from, struct err *err)
{
	uint64_t newest = store_arrivals(l->store);
	enum err_code rc = ERR_OK;
	size_t told = 0;

	while (rc == ERR_OK && from < newest && told < l->limit) {
		drop_rows(l);
		rc = store_arrival_each(
			l->store, from, l->window, on_arrival, l, err);
		for (size_t i = 0; rc == ERR_OK && i < l->count; i++) {
			if (told++ == l->limit)
				break;
			rc = print_row(l, &l->row[i], err);
		}
		from += l->window;
	}
	return rc;
}

static int by_arrival(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

/* The newest: windows from the end backwards until there are enough. */
static enum err_code newest(struct list *l, struct err *err)
{
	uint64_t end = store_arrivals(l->store);
	enum err_code rc = ERR_OK;
	size_t skip;

	while (rc == ERR_OK && end > 0 && l->count < l->limit) {
		uint64_t from = end > l->window ? end - l->window : 0;

		rc = store_arrival_each(l->store, from, (size_t)(end - from),
			on_arrival, l, err);
		end = from;
	}
	if (rc || l->count == 0)
		return rc;
	qsort(l->row, l->count, sizeof(*l->row), by_arrival);
	skip = l->count > l->limit ? l->count - l->limit : 0;
	for (size_t i = skip; rc == ERR_OK && i < l->count; i++)
		rc = print_row(l, &l->row[i], err);
	return rc;
}

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	struct rules *rules;
	struct list l = {
		.cli = c,
		.series = args_get(a, "series"),
		.from = args_get(a, "from"),
		.system = args_has(a, "system"),
	};
	uint64_t limit = LIMIT_DEFAULT, from = 0;
	struct node *n = NULL;
	enum err_code rc;

	if (l.from && !code_valid(l.from, strlen(l.from)))
		return err_set(err, ERR_USAGE, "--from %s is no 12-digit code",
			l.from);
	if ((rc = args_number(a, "limit", LIMIT_MOST, &limit, err)) ||
		(rc = args_number(a, "after", UINT64_MAX / 2, &from, err)) ||
		(rc = open_reader(c, &n, err)))
		return rc;
	l.node = n;
	l.store = n->store;
	l.rules = rules = node_rules(n);
	l.limit = (size_t)limit;
	l.window = limit < WINDOW_LEAST ? WINDOW_LEAST
		: limit > WINDOW_MOST	? WINDOW_MOST
					: l.limit;
	if (!(rc = orders_refresh(n, err)))
		rc = args_has(a, "after") ? after(&l, from, err)
					  : newest(&l, err);
	if (rc == ERR_OK && l.restricted)
		fprintf(stderr,
			ngettext("%zu restricted record is left out: cundang "
				 "restrict list tells why.\n",
				"%zu restricted records are left out: cundang "
				"restrict list tells why.\n",
				l.restricted),
			l.restricted);
	if (rc == ERR_OK && l.damaged) {
		fprintf(stderr,
			ngettext("%zu damaged record is left out: cundang fsck "
				 "tells where.\n",
				"%zu damaged records are left out: cundang "
				"fsck tells where.\n",
				l.damaged),
			l.damaged);
		c->damaged = true;
	}
	drop_rows(&l);
	free(l.row);
	rules_unref(rules);
	node_close(n);
	return rc;
}

static const struct option_spec options[] = {
	{"series", 0, "SERIES", N_("of this series only")},
	{"from", 0, "CODE", N_("captured at this division or below it")},
	{"limit", 'n', "N", N_("how many (20)")},
	{"after", 0, "ARRIVAL", N_("from an arrival number on")},
	{"system", 0, NULL, N_("the node's own records too")},
	{NULL, 0, NULL, NULL},
};

const struct command command_list = {
	.name = "list",
	.words = "",
	.summary = N_("list records: the newest, or from a point on"),
	.options = options,
	.run = run_list,
};
