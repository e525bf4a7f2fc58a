/* restrict_tell.c - what a restriction or its end reaches is told once more,
 * with a receipt in the same group. */
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/orders_inside.h"
#include "policies/walk.h"

struct telling {
	struct node *node;
	const struct order *order;	 /* the restriction or its end */
	const struct order *restriction; /* the restriction */
	bool quiet;			 /* nothing is to be told of it */
	struct walk walk;
	struct walk_places before, found; /* before the job, and in it */
	uint64_t upto;			  /* arrivals looked at before it */
	struct receipt receipt;
};

static enum err_code on_record(void *arg, const struct log_info *log,
	uint64_t seq, const struct record *r, struct err *err)
{
	struct telling *t = arg;
	char code[CODE_SIZE];
	struct entry e;

	if (!log_code(log->origin, code) ||
		entry_parse(r->entry, r->entry_len, &e, NULL) ||
		!strncmp(e.series, "sys-", 4) ||
		!order_reaches_beside(t->restriction, code, e.series, e.at))
		return ERR_OK;
	return walk_add(&t->found, log->id, seq, err);
}

/* ---- the records that it names, in all revisions ---- */

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct telling *t = arg;

	(void)rev;
	return walk_add(&t->walk.window, log, seq, err);
}

static enum err_code find_revisions(
	struct telling *t, const struct order_record *at, struct err *err)
{
	struct store *s = t->node->store;
	struct log_info log;
	struct entry e;
	enum err_code rc;

	if ((rc = store_log_find(s, at->origin, &log, err)) ||
		(rc = store_entry(s, log.id, at->seq, &e, err)))
		return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT ? ERR_OK : rc;
	rc = store_find_id(s, e.uuid, on_revision, t, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code find_named(struct telling *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	t->walk.window.count = 0;
	for (size_t i = 0; !rc && i < t->restriction->record_count; i++)
		rc = find_revisions(t, &t->restriction->record[i], err);
	walk_sort(&t->walk.window);
	return rc ? rc : walk_window(&t->walk, err);
}

/* ---- the job ---- */

static struct json *receipt_fields(const struct telling *t, uint64_t told)
{
	char at[TIME_TEXT_SIZE];
	struct json *v = json_new_object();

	time_format(time_now(), at);
	if (json_set(v, "at", json_new_text(at)) &&
		json_set(v, "order", json_new_text(t->order->id)) &&
		json_set(v, "told", json_new_u64(told)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code tell_places(struct batch *b, const struct walk_places *p,
	uint64_t *told, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < p->count; i++) {
		bool once = false;

		rc = batch_tell(b, p->at[i].log, p->at[i].seq, &once, err);
		*told += once;
	}
	return rc;
}

/* Whoever reads what is new sees either nothing of the order's effect here, or
 * all of it: numbers and receipt are one group.  What came with this very batch
 * nobody has passed yet. */
static enum err_code tell_job(struct batch *b, void *arg, struct err *err)
{
	struct telling *t = arg;
	struct system_place at = {.rev = 1};
	char id[UUID_TEXT_SIZE];
	uint64_t told = 0;
	enum err_code rc = ERR_OK;

	t->found.count = 0;
	if (t->quiet)
		rc = ERR_OK;
	else if (t->restriction->record_count)
		rc = find_named(t, err);
	else
		rc = walk_arrivals(
			&t->walk, t->upto, store_arrivals(t->node->store), err);
	walk_sort(&t->found);
	if (rc || (rc = tell_places(b, &t->before, &told, err)) ||
		(rc = tell_places(b, &t->found, &told, err)))
		return rc;
	orders_receipt_id(t->order->id, t->node->config.code, at.uuid, id);
	return system_revision(b, t->node, "sys-receipt", &at,
		receipt_fields(t, told), &t->receipt, err);
}

static enum err_code tell(struct node *n, struct writer *w,
	const struct order *o, const struct order *about, bool quiet,
	struct err *err)
{
	struct telling t = {
		.node = n, .order = o, .restriction = about, .quiet = quiet};
	enum err_code rc = ERR_OK;

	/* What takes long beside the writer, so that nobody waits for it. */
	t.walk = (struct walk){.node = n, .visit = on_record, .arg = &t};
	t.upto = store_arrivals(n->store);
	if (!quiet && !about->record_count)
		rc = walk_arrivals(&t.walk, 0, t.upto, err);
	walk_sort(&t.found);
	t.before = t.found;
	t.found = (struct walk_places){.at = NULL};
	if (rc == ERR_OK)
		rc = node_run_job(n, w, tell_job, &t, err);
	walk_free(&t.walk);
	free(t.before.at);
	free(t.found.at);
	return rc;
}

/* ---- which ---- */

struct next {
	const struct order *order, *about;
	bool quiet;
};

/* Of what another order ended before nothing is left to tell. */
static bool next_of(
	struct orders *o, enum order_kind kind, size_t *at, struct next *out)
{
	bool found = false;

	pthread_mutex_lock(&o->lock);
	for (; !found && *at < o->count; ++*at) {
		const struct booked *b = o->list[*at], *about = b;

		if (!b->counts || b->done || b->o.kind != kind)
			continue;
		if (kind == ORDER_LIFT)
			about = orders_find(o, b->o.about);
		if (!about || !about->counts)
			continue;
		*out = (struct next){&b->o, &about->o, orders_ended(o, about)};
		found = true;
	}
	pthread_mutex_unlock(&o->lock);
	return found;
}

static enum err_code tell_kind(struct node *n, struct writer *w,
	enum order_kind kind, size_t *done, struct err *err)
{
	struct next next;
	size_t at = 0;
	enum err_code rc = ERR_OK;

	while (!rc && next_of(n->orders, kind, &at, &next)) {
		if (!(rc = tell(
			      n, w, next.order, next.about, next.quiet, err)) &&
			!(rc = orders_refresh(n, err)))
			++*done;
	}
	return rc;
}

enum err_code orders_tell(
	struct node *n, struct writer *w, size_t *done, struct err *err)
{
	enum err_code rc = tell_kind(n, w, ORDER_RESTRICT, done, err);

	return rc ? rc : tell_kind(n, w, ORDER_LIFT, done, err);
}
