/* listing.c - records in the order of their arrival, found for a list. */
#include "policies/listing.h"

#include <stdlib.h>
#include <string.h>

#include "policies/orders.h"

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
	struct node *node;
	struct store *store;
	const struct rules *rules;
	const struct listing *what;
	listing_visit *visit;
	void *arg;
	size_t window, count, cap;
	struct listing_left left;
	struct row *row;
};

/* A division that was merged is found by its own code, with what its successor
 * records about it, and by the successor's, with what it recorded itself. */
static bool comes_from(const struct list *l, const struct row *r)
{
	const struct node_info *from = rules_node(l->rules, l->what->from);
	const char *at = origin_code(r->origin);
	char code[CODE_SIZE] = "";

	if (!at)
		return false;
	memcpy(code, at, CODE_LEN);
	return rules_answers_for(l->rules, l->what->from, code) ||
		(from && from->retired[0] &&
			code_within(r->entry.node, l->what->from));
}

static bool is_wanted(const struct list *l, const struct row *r)
{
	if (l->what->series ? strcmp(l->what->series, r->entry.series) != 0
			    : !l->what->system &&
				!strncmp(r->entry.series, "sys-", 4))
		return false;
	return !l->what->from || comes_from(l, r);
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
		l->left.damaged++;
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
		l->left.restricted++;
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

static enum err_code tell(
	const struct list *l, const struct row *r, struct err *err)
{
	struct json *v = row_json(r);

	return v ? l->visit(l->arg, v, err) : err_nomem(err);
}

/* From a point on: the first `limit` that are wanted. */
static enum err_code after(struct list *l, uint64_t from, struct err *err)
{
	uint64_t newest = store_arrivals(l->store);
	enum err_code rc = ERR_OK;
	size_t told = 0;

	while (rc == ERR_OK && from < newest && told < l->what->limit) {
		drop_rows(l);
		rc = store_arrival_each(
			l->store, from, l->window, on_arrival, l, err);
		for (size_t i = 0; rc == ERR_OK && i < l->count; i++) {
			if (told++ == l->what->limit)
				break;
			rc = tell(l, &l->row[i], err);
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

	while (rc == ERR_OK && end > 0 && l->count < l->what->limit) {
		uint64_t from = end > l->window ? end - l->window : 0;

		rc = store_arrival_each(l->store, from, (size_t)(end - from),
			on_arrival, l, err);
		end = from;
	}
	if (rc || l->count == 0)
		return rc;
	qsort(l->row, l->count, sizeof(*l->row), by_arrival);
	skip = l->count > l->what->limit ? l->count - l->what->limit : 0;
	for (size_t i = skip; rc == ERR_OK && i < l->count; i++)
		rc = tell(l, &l->row[i], err);
	return rc;
}

enum err_code listing_read(struct node *n, const struct listing *what,
	listing_visit *visit, void *arg, struct listing_left *left,
	struct err *err)
{
	struct rules *rules = node_rules(n);
	struct list l = {.node = n,
		.store = n->store,
		.rules = rules,
		.what = what,
		.visit = visit,
		.arg = arg,
		.window = what->limit < WINDOW_LEAST ? WINDOW_LEAST
			: what->limit > WINDOW_MOST  ? WINDOW_MOST
						     : what->limit};
	enum err_code rc;

	if (!(rc = orders_refresh(n, err)))
		rc = what->has_after ? after(&l, what->after, err)
				     : newest(&l, err);
	*left = l.left;
	drop_rows(&l);
	free(l.row);
	rules_unref(rules);
	return rc;
}
