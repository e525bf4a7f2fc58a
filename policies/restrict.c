/* restrict.c - which records are restricted here, and when they are told of
 * once more. */
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/orders_inside.h"

/* The record, as orders are asked about it. */
struct asked {
	struct node *node;
	const char *origin;
	uint64_t seq;
	const struct entry *e;
	char code[CODE_SIZE];
	struct restriction *out;
	/* Another revision of it, where that is what is asked about. */
	const char *other;
	uint64_t other_seq;
	bool by_record; /* an order names records, and not this one */
};

static bool is_restricting(const struct orders *o, const struct booked *b)
{
	if (b->o.kind != ORDER_RESTRICT)
		return false;
	return b->counts ? !orders_ended(o, b) : orders_open(b);
}

/* With the lock held. */
static void ask(struct asked *a)
{
	const struct orders *o = a->node->orders;
	const char *origin = a->other ? a->other : a->origin;
	uint64_t seq = a->other ? a->other_seq : a->seq;

	for (size_t i = 0; i < o->count; i++) {
		const struct booked *b = o->list[i];

		if (!is_restricting(o, b) ||
			!order_reaches_beside(
				&b->o, a->code, a->e->series, a->e->at))
			continue;
		if (b->o.record_count &&
			!order_has_record(&b->o, origin, seq)) {
			a->by_record = true;
			continue;
		}
		/* One in force says more than one that may be. */
		if (a->out->order[0] && (!a->out->open || !b->counts))
			continue;
		memcpy(a->out->order, b->id, sizeof(a->out->order));
		memcpy(a->out->since, b->at, sizeof(a->out->since));
		a->out->open = !b->counts;
	}
}

static void ask_locked(struct asked *a)
{
	pthread_mutex_lock(&a->node->orders->lock);
	ask(a);
	pthread_mutex_unlock(&a->node->orders->lock);
}

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct asked *a = arg;
	struct log_info info;
	char code[CODE_SIZE];
	enum err_code rc = store_log_by_id(a->node->store, log, &info, err);

	(void)rev;
	/* Who uses the id elsewhere names another record. */
	if (rc || !log_code(info.origin, code) ||
		(!code_within(code, a->code) && !code_within(a->code, code)))
		return rc;
	a->other = info.origin;
	a->other_seq = seq;
	ask_locked(a);
	a->other = NULL;
	return ERR_OK;
}

enum err_code orders_restricted(struct node *n, const char *origin,
	uint64_t seq, const struct entry *e, struct restriction *out,
	struct err *err)
{
	struct asked a = {
		.node = n, .origin = origin, .seq = seq, .e = e, .out = out};
	enum err_code rc;

	*out = (struct restriction){.open = false};
	if (!strncmp(e->series, "sys-", 4) || !log_code(origin, a.code))
		return ERR_OK;
	ask_locked(&a);
	if (!a.by_record || (out->order[0] && !out->open))
		return ERR_OK;
	/* A later revision, or the same in a log that follows, is the same
	 * record. */
	rc = store_find_id(n->store, e->uuid, on_revision, &a, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* ---- told once more ---- */

static int compare_told(const void *a, const void *b)
{
	const struct told_run *x = a, *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* The number under which the order told of the record, 0 for none. */
static uint64_t told_at(const struct booked *b, uint32_t log, uint64_t seq)
{
	size_t from = 0, to = b->told_count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const struct told_run *t = &b->told[mid];

		if (t->log < log ||
			(t->log == log && t->first + t->count <= seq))
			from = mid + 1;
		else if (t->log > log || t->first > seq)
			to = mid;
		else
			return t->arrival + (seq - t->first);
	}
	return 0;
}

struct retold orders_retold(
	struct node *n, uint32_t log, uint64_t seq, uint64_t arrival)
{
	struct orders *o = n->orders;
	struct retold is = {.lifted = false};

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->count; i++) {
		const struct booked *b = o->list[i];

		if (!arrival || told_at(b, log, seq) != arrival)
			continue;
		is.restricted = b->o.kind == ORDER_RESTRICT;
		is.lifted = !is.restricted;
		memcpy(is.by.order, b->id, sizeof(is.by.order));
		memcpy(is.by.since, b->at, sizeof(is.by.since));
	}
	pthread_mutex_unlock(&o->lock);
	return is;
}

struct telling {
	struct told_run *run;
	size_t count, cap;
};

static enum err_code on_told(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct telling *t = arg;
	struct told_run *last = t->count ? &t->run[t->count - 1] : NULL;

	if (!again)
		return ERR_OK;
	if (last && last->log == log && last->first + last->count == seq &&
		last->arrival + last->count == arrival) {
		last->count++;
		return ERR_OK;
	}
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;

		last = reallocarray(t->run, cap, sizeof(*last));
		if (!last)
			return err_nomem(err);
		t->run = last;
		t->cap = cap;
	}
	t->run[t->count++] = (struct told_run){log, seq, 1, arrival};
	return ERR_OK;
}

/* How many, as the receipt says. */
static enum err_code read_count(struct node *n, uint32_t log, uint64_t seq,
	uint64_t *out, struct err *err)
{
	struct run run = {0};
	struct json *v = NULL;
	enum err_code rc = store_read(
		n->store, log, seq, 1, LABEL_BIT(LABEL_INTERNAL), &run, err);

	*out = 0;
	if (!rc && (run.record[0].have & LABEL_BIT(LABEL_INTERNAL))) {
		const struct part *p = &run.record[0].part[LABEL_INTERNAL];

		rc = json_parse(p->json, p->len, JSON_TEXT_LIMIT, &v, err);
		(void)json_get_u64(v, "told", out);
		json_free(v);
	}
	run_free(&run);
	return rc;
}

static enum err_code read_told(struct node *n, const struct booked *b,
	const struct receipt *r, struct telling *t, struct err *err)
{
	uint64_t arrival = 0, count = 0;
	uint8_t uuid[UUID_SIZE];
	char id[UUID_TEXT_SIZE];
	struct log_info log;
	enum err_code rc;

	orders_receipt_id(b->o.id, n->config.code, uuid, id);
	if ((rc = store_log_find(n->store, r->origin, &log, err)) ||
		(rc = read_count(n, log.id, r->seq, &count, err)) ||
		(rc = store_arrival_of(
			 n->store, uuid, log.id, r->seq, &arrival, err)) ||
		count == 0 || count >= arrival)
		return rc;
	return store_arrival_each(
		n->store, arrival - count - 1, (size_t)count, on_told, t, err);
}

/* Receipts that came from elsewhere tell of other numbers.  Where ours cannot
 * be read, what it told may be told to somebody twice. */
enum err_code orders_find_told(
	struct node *n, struct booked *b, struct err *err)
{
	struct telling t = {.count = 0};
	struct receipt r;
	enum err_code rc = orders_own_receipt(n, b->o.id, &r, err);

	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (!rc)
		rc = read_told(n, b, &r, &t, err);
	if (rc && rc != ERR_CORRUPT && rc != ERR_NOT_FOUND) {
		free(t.run);
		return rc;
	}
	if (t.count)
		qsort(t.run, t.count, sizeof(*t.run), compare_told);
	free(b->told);
	b->told = t.run;
	b->told_count = t.count;
	b->done = true;
	return ERR_OK;
}
