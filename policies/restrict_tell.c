/* restrict_tell.c - what a restriction or its end reaches is told once more,
 * with a receipt in the same group. */
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/orders_inside.h"

#define WINDOW ((size_t)4096) /* arrivals looked at in one go */

struct place {
	uint32_t log;
	uint64_t seq;
};

struct places {
	struct place *at;
	size_t count, cap;
};

struct telling {
	struct node *node;
	const struct order *order;	 /* the restriction or its end */
	const struct order *restriction; /* the restriction */
	bool quiet;			 /* nothing is to be told of it */
	struct places window, found;
	size_t before; /* how many were found before the job */
	uint64_t upto; /* arrivals looked at before it */
	struct receipt receipt;
};

static enum err_code add_place(
	struct places *p, uint32_t log, uint64_t seq, struct err *err)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 256;
		struct place *more = reallocarray(p->at, cap, sizeof(*more));

		if (!more)
			return err_nomem(err);
		p->at = more;
		p->cap = cap;
	}
	p->at[p->count++] = (struct place){log, seq};
	return ERR_OK;
}

static bool reaches(
	const struct telling *t, const char *origin, const struct record *r)
{
	char code[CODE_SIZE];
	struct entry e;

	return log_code(origin, code) &&
		!entry_parse(r->entry, r->entry_len, &e, NULL) &&
		strncmp(e.series, "sys-", 4) != 0 &&
		order_reaches_beside(t->restriction, code, e.series, e.at);
}

/* ---- all that it selects ---- */

static enum err_code on_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct telling *t = arg;

	(void)arrival;
	return again ? ERR_OK : add_place(&t->window, log, seq, err);
}

/* How many from `i` on follow one another in one log. */
static size_t stretch(
	const struct places *p, size_t i, const struct log_info *log)
{
	size_t n = 1;

	if (log->kind == LOG_SPARSE || p->at[i].seq >= log->size)
		return 1;
	while (n < RUN_LIMIT && i + n < p->count &&
		p->at[i + n].log == p->at[i].log &&
		p->at[i + n].seq == p->at[i].seq + n &&
		p->at[i + n].seq < log->size)
		n++;
	return n;
}

/* What is damaged holds the feed up by itself: nobody got past it. */
static enum err_code look_at(struct telling *t, const struct log_info *log,
	size_t i, size_t count, size_t *took, struct err *err)
{
	uint64_t first = t->window.at[i].seq;
	struct run run = {0};
	enum err_code rc =
		store_read(t->node->store, log->id, first, count, 0, &run, err);

	*took = 1;
	if (rc == ERR_CORRUPT && count > 1)
		return look_at(t, log, i, 1, took, err);
	if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND)
		return ERR_OK;
	for (size_t k = 0; !rc && k < run.count; k++)
		if (reaches(t, log->origin, &run.record[k]))
			rc = add_place(&t->found, log->id, first + k, err);
	if (run.count)
		*took = run.count;
	run_free(&run);
	return rc;
}

static enum err_code look_in_window(struct telling *t, struct err *err)
{
	struct log_info log = {.id = 0};
	bool known = false;
	enum err_code rc = ERR_OK;

	for (size_t i = 0, took; !rc && i < t->window.count; i += took) {
		uint32_t id = t->window.at[i].log;

		took = 1;
		if ((!known || log.id != id) &&
			(rc = store_log_by_id(t->node->store, id, &log, err)))
			break;
		known = true;
		rc = look_at(
			t, &log, i, stretch(&t->window, i, &log), &took, err);
	}
	return rc;
}

static enum err_code find_from(
	struct telling *t, uint64_t from, uint64_t to, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (; !rc && from < to; from += WINDOW) {
		t->window.count = 0;
		if (!(rc = store_arrival_each(t->node->store, from,
			      to - from < WINDOW ? (size_t)(to - from) : WINDOW,
			      on_arrival, t, err)))
			rc = look_in_window(t, err);
	}
	return rc;
}

/* ---- the records that it names, in all revisions ---- */

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct telling *t = arg;

	(void)rev;
	return add_place(&t->window, log, seq, err);
}

static enum err_code find_revisions(
	struct telling *t, const struct order_record *at, struct err *err)
{
	struct run run = {0};
	struct log_info log;
	struct entry e;
	enum err_code rc =
		store_log_find(t->node->store, at->origin, &log, err);

	if (rc ||
		(rc = store_read(
			 t->node->store, log.id, at->seq, 1, 0, &run, err)))
		return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT ? ERR_OK : rc;
	rc = entry_parse(run.record[0].entry, run.record[0].entry_len, &e, err);
	run_free(&run);
	if (rc)
		return rc;
	rc = store_find_id(t->node->store, e.uuid, on_revision, t, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static int compare_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void sort_once(struct places *p)
{
	size_t n = 0;

	if (p->count)
		qsort(p->at, p->count, sizeof(*p->at), compare_place);
	for (size_t i = 0; i < p->count; i++)
		if (!n || compare_place(&p->at[n - 1], &p->at[i]))
			p->at[n++] = p->at[i];
	p->count = n;
}

static enum err_code find_named(struct telling *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	t->window.count = 0;
	for (size_t i = 0; !rc && i < t->restriction->record_count; i++)
		rc = find_revisions(t, &t->restriction->record[i], err);
	sort_once(&t->window);
	return rc ? rc : look_in_window(t, err);
}

/* ---- the job ---- */

static struct json *receipt_fields(const struct telling *t, uint64_t told)
{
	char at[TIME_TEXT_SIZE];
	struct json *v = json_new_object();

	time_format(time_now(), at);
	if (json_set(v, "at", json_new_string(at, strlen(at))) &&
		json_set(v, "order",
			json_new_string(t->order->id, strlen(t->order->id))) &&
		json_set(v, "told", json_new_u64(told)))
		return v;
	json_free(v);
	return NULL;
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

	t->found.count = t->before;
	if (t->quiet)
		t->found.count = 0;
	else if (t->restriction->record_count)
		rc = find_named(t, err);
	else
		rc = find_from(t, t->upto, store_arrivals(t->node->store), err);
	sort_once(&t->found);
	for (size_t i = 0; !rc && i < t->found.count; i++) {
		const struct place *p = &t->found.at[i];
		bool once = false;

		rc = batch_tell(b, p->log, p->seq, &once, err);
		told += once;
	}
	if (rc)
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
	t.upto = store_arrivals(n->store);
	if (!quiet && !about->record_count)
		rc = find_from(&t, 0, t.upto, err);
	sort_once(&t.found);
	t.before = t.found.count;
	if (rc == ERR_OK)
		rc = node_run_job(n, w, tell_job, &t, err);
	free(t.window.at);
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
