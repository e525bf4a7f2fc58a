/* carry.c - carrying out erasures: what may be destroyed, where nothing holds
 * it, with a receipt in the same group. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/clock.h"
#include "policies/epoch.h"
#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/orders_inside.h"

void order_erasure(const struct order *o, int64_t at, struct erasure *out)
{
	*out = (struct erasure){.at = (uint64_t)at};
	snprintf(out->why, sizeof(out->why), "order %s", o->id);
}

/* What nodes record about themselves is what proves all else. */
enum err_code orders_may_destroy(const struct rules *rules,
	const struct order *o, const char *series, const char *origin,
	uint64_t seq, struct err *err)
{
	const struct series *s = rules_series(rules, series);

	if (!strncmp(series, "sys-", 4))
		return err_set(err, ERR_DENIED,
			"order %s names %s/%" PRIu64
			" of %s, which is never destroyed",
			o->id, origin, seq, series);
	if (s && s->accounts && !o->accounts)
		return err_set(err, ERR_DENIED,
			"order %s names %s/%" PRIu64
			" of the accounts %s, and does not say accounts",
			o->id, origin, seq, series);
	return ERR_OK;
}

/* ---- what is here of it ---- */

struct carrying {
	struct node *node;
	const struct rules *rules;
	struct batch *batch;
	struct booked *booked;
	const struct order *order;
	int64_t now;
	struct erase_target *target;
	size_t count, cap;
	uint64_t destroyed, absent;
	char code[CODE_SIZE]; /* of the log being looked at */
	struct receipt receipt;
};

static enum err_code add_target(struct carrying *c, uint32_t log, uint64_t seq,
	enum label label, struct err *err)
{
	if (!grow(&c->target, &c->cap, c->count, sizeof(*c->target)))
		return err_nomem(err);
	c->target[c->count++] = (struct erase_target){log, seq, label};
	return ERR_OK;
}

static enum err_code see_record(struct carrying *c, const struct log_info *log,
	uint64_t seq, const struct record *r, enum label label, struct err *err)
{
	char hold[UUID_TEXT_SIZE];
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)) ||
		(rc = orders_may_destroy(
			 c->rules, c->order, e.series, log->origin, seq, err)))
		return rc;
	if (orders_held(c->node, log->origin, seq, e.series, e.at, hold))
		return err_set(err, ERR_DENIED,
			"%s/%" PRIu64 " is under the hold %s", log->origin, seq,
			hold);
	if (r->erased & LABEL_BIT(label)) {
		c->absent++;
		return ERR_OK;
	}
	if (r->have & LABEL_BIT(label)) {
		c->destroyed++;
		return add_target(c, log->id, seq, label, err);
	}
	c->absent++;
	/* It is missing, and may come back from a peer that mends. */
	if (entry_clearance(c->rules, &e, c->code, c->node->config.code) &
		LABEL_BIT(label))
		return add_target(c, log->id, seq, label, err);
	return ERR_OK;
}

/* What cannot be read is destroyed all the same, where its series is known. */
static enum err_code see_damaged(struct carrying *c, const struct log_info *log,
	uint64_t seq, enum label label, struct err *err)
{
	struct record_known known;
	enum err_code rc;

	rc = store_known(c->node->store, log->id, seq, &known, err);
	if (rc)
		return rc;
	if (!known.series[0])
		return err_set(err, ERR_CORRUPT,
			"%s/%" PRIu64
			" is damaged: what it is is not known (cundang repair)",
			log->origin, seq);
	if ((rc = orders_may_destroy(
		     c->rules, c->order, known.series, log->origin, seq, err)))
		return rc;
	c->destroyed++;
	return add_target(c, log->id, seq, label, err);
}

static enum err_code see_run(struct carrying *c, const struct log_info *log,
	uint64_t from, size_t count, enum label label, size_t *seen,
	struct err *err)
{
	struct run run = {0};
	enum err_code rc = batch_read(
		c->batch, log->id, from, count, LABEL_BIT(label), &run, err);

	*seen = count;
	if (rc == ERR_CORRUPT && count > 1) {
		*seen = 0;
		return ERR_OK;
	}
	if (rc == ERR_CORRUPT)
		return see_damaged(c, log, from, label, err);
	if (rc == ERR_NOT_FOUND) {
		c->absent += count;
		return ERR_OK;
	}
	for (size_t i = 0; rc == ERR_OK && i < run.count; i++)
		rc = see_record(c, log, from + i, &run.record[i], label, err);
	if (rc == ERR_OK && run.count)
		*seen = run.count;
	run_free(&run);
	return rc;
}

static enum err_code see_range(struct carrying *c, const struct log_info *log,
	uint64_t from, uint64_t to, enum label label, struct err *err)
{
	size_t step = RUN_LIMIT;
	enum err_code rc = ERR_OK;

	if (to > log->size) {
		c->absent += to - (from > log->size ? from : log->size);
		to = log->size;
	}
	while (rc == ERR_OK && from < to) {
		size_t left = to - from < step ? (size_t)(to - from) : step;
		size_t seen = 0;

		rc = see_run(c, log, from, left, label, &seen, err);
		from += seen;
		/* One by one past damage. */
		step = rc == ERR_OK && seen == 0 ? 1 : step;
	}
	return rc;
}

struct sparse {
	uint64_t *seq;
	size_t count, cap;
	uint64_t to;
};

static enum err_code on_sparse(void *arg, uint64_t seq, struct err *err)
{
	struct sparse *s = arg;

	if (seq >= s->to)
		return ERR_OK;
	if (!grow(&s->seq, &s->cap, s->count, sizeof(*s->seq)))
		return err_nomem(err);
	s->seq[s->count++] = seq;
	return ERR_OK;
}

/* Of a log of which only single entries are here. */
static enum err_code see_sparse(struct carrying *c, const struct log_info *log,
	const struct order_range *range, enum label label, struct err *err)
{
	struct sparse s = {.to = range->to};
	enum err_code rc = store_sparse_each(
		c->node->store, log->id, range->from, on_sparse, &s, err);
	size_t seen;

	for (size_t i = 0; rc == ERR_OK && i < s.count; i++)
		rc = see_run(c, log, s.seq[i], 1, label, &seen, err);
	if (rc == ERR_OK)
		c->absent += range->to - range->from - s.count;
	free(s.seq);
	return rc;
}

/* Up to where is a log what the nodes above have of it, too?  One of our own
 * that was restored may have others at the places which an order names. */
static enum err_code sure_size(
	struct carrying *c, struct log_info *log, uint64_t end, struct err *err)
{
	if (log->kind != LOG_OWN || orders_is_root(c->node))
		return ERR_OK;
	if (epoch_settled(c->node, log->origin, NULL)) {
		log->size = epoch_common(c->node, log);
		return ERR_OK;
	}
	if (end > log->cosigned_size && log->size > log->cosigned_size)
		return err_set(err, ERR_BUSY,
			"the node above has not countersigned all that it "
			"names of %s",
			log->origin);
	return ERR_OK;
}

static enum err_code see_part(
	struct carrying *c, const struct order_part *p, struct err *err)
{
	struct log_info log;
	enum err_code rc = batch_log_find(c->batch, p->origin, &log, err);
	bool here = rc == ERR_OK;

	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (!log_code(p->origin, c->code))
		return err_set(err, ERR_INVALID, "no origin: %s", p->origin);
	rc = here ? sure_size(c, &log, p->range[p->count - 1].to, err) : ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < p->count; i++) {
		const struct order_range *r = &p->range[i];

		if (!here)
			c->absent += r->to - r->from;
		else if (log.kind == LOG_SPARSE)
			rc = see_sparse(c, &log, r, p->label, err);
		else
			rc = see_range(c, &log, r->from, r->to, p->label, err);
	}
	return rc;
}

/* ---- the job ---- */

static struct json *receipt_fields(const struct carrying *c)
{
	char at[TIME_TEXT_SIZE];
	struct json *v = json_new_object();

	time_format(c->now, at);
	if (json_set(v, "absent", json_new_u64(c->absent)) &&
		json_set(v, "at", json_new_text(at)) &&
		json_set(v, "destroyed", json_new_u64(c->destroyed)) &&
		json_set(v, "order", json_new_text(c->order->id)))
		return v;
	json_free(v);
	return NULL;
}

static void begin(struct orders *o, struct booked *b)
{
	pthread_mutex_lock(&o->lock);
	b->doing = true;
	pthread_mutex_unlock(&o->lock);
}

/* Marks, what is written anew and the receipt are one group: a receipt without
 * the destruction cannot be, nor the other way round. */
static enum err_code carry_job(struct batch *b, void *arg, struct err *err)
{
	struct carrying *c = arg;
	struct system_place at = {.rev = 1};
	char id[UUID_TEXT_SIZE];
	struct erasure why;
	enum err_code rc = ERR_OK;

	/* Holds come in through the writer too: none comes while this runs. */
	if ((rc = orders_whole(c->node, err)))
		return rc;
	c->batch = b;
	c->count = 0;
	c->destroyed = c->absent = 0;
	for (size_t i = 0; rc == ERR_OK && i < c->order->part_count; i++)
		rc = see_part(c, &c->order->part[i], err);
	if (rc)
		return rc;
	order_erasure(c->order, c->now, &why);
	orders_receipt_id(c->order->id, c->node->config.code, at.uuid, id);
	batch_use_reserve(b);
	if (c->count && (rc = batch_erase(b, c->target, c->count, &why, err)))
		return rc;
	rc = system_revision(b, c->node, "sys-receipt", &at, receipt_fields(c),
		&c->receipt, err);
	/* What later jobs of the group bring is stripped already; that it is
	 * done is told when the group is durable. */
	if (rc == ERR_OK)
		begin(c->node->orders, c->booked);
	return rc;
}

/* ---- whether it may be now ---- */

/* To work on beside the lock: the book grows, what is in it stays. */
static struct booked *next_waiting(struct orders *o, size_t *at)
{
	struct booked *found = NULL;

	pthread_mutex_lock(&o->lock);
	for (; !found && *at < o->count; ++*at) {
		struct booked *b = o->list[*at];

		if (b->counts && b->o.kind == ORDER_ERASE && !b->done &&
			!orders_ended(o, b))
			found = b;
	}
	pthread_mutex_unlock(&o->lock);
	return found;
}

static enum err_code check_time(
	const struct order *o, int64_t now, struct err *err)
{
	char text[TIME_TEXT_SIZE];
	int64_t from = o->not_before > o->made_at ? o->not_before : o->made_at;

	if (now == 0)
		return err_set(err, ERR_BUSY,
			"whether there are new holds is not known before the "
			"next session with the node above");
	time_format(from, text);
	if (now < from)
		return err_set(err, ERR_BUSY, "it waits until %s", text);
	return ERR_OK;
}

static enum err_code check_open(
	struct orders *o, const struct booked *b, struct err *err)
{
	bool open;

	pthread_mutex_lock(&o->lock);
	open = orders_open_cancel(o, b);
	pthread_mutex_unlock(&o->lock);
	return open ? err_set(err, ERR_BUSY,
			      "an order that may cancel it names a head that "
			      "is not here")
		    : ERR_OK;
}

static enum err_code carry(struct node *n, struct writer *w, struct booked *b,
	int64_t now, struct err *err)
{
	struct carrying c = {
		.node = n, .booked = b, .order = &b->o, .now = now};
	struct rules *rules = node_rules(n);
	struct receipt before;
	enum err_code rc;

	c.rules = rules;
	/* The same order may stand in two logs. */
	rc = orders_receipt(n, b->o.id, n->config.code, &before, err);
	if (rc != ERR_NOT_FOUND)
		goto out;
	/* The officers of now, too: who left since does not count. */
	if (!(rc = order_check(rules, &b->o, &b->s, NULL, err)) &&
		!(rc = check_open(n->orders, b, err)) &&
		!(rc = check_time(&b->o, now, err)) &&
		!(rc = rules_fresh(rules, now, err)))
		rc = node_run_job(n, w, carry_job, &c, err);
out:
	free(c.target);
	rules_unref(rules);
	return rc;
}

static void tell(struct orders *o, struct booked *b, enum err_code rc,
	const struct err *err)
{
	pthread_mutex_lock(&o->lock);
	b->doing = false;
	b->done = rc == ERR_OK;
	snprintf(b->why, sizeof(b->why), "%s", rc ? err->text : "");
	pthread_mutex_unlock(&o->lock);
}

static int64_t fresh_at(struct orders *o, const struct booked *b)
{
	int64_t at;

	pthread_mutex_lock(&o->lock);
	at = b->fresh_at;
	pthread_mutex_unlock(&o->lock);
	return at;
}

static enum err_code run_waiting(
	struct node *n, struct writer *w, size_t *done, struct err *err)
{
	const bool root = orders_is_root(n);
	struct booked *b;
	size_t at = 0;

	while ((b = next_waiting(n->orders, &at))) {
		int64_t now = root ? time_now() : fresh_at(n->orders, b);
		struct err told;
		enum err_code rc = carry(n, w, b, now, &told);

		tell(n->orders, b, rc, &told);
		if (rc == ERR_NOMEM || rc == ERR_IO || rc == ERR_FULL)
			return err_set(err, rc, "%s", told.text);
		if (rc == ERR_OK) {
			crash_point("orders.carried");
			++*done;
		}
	}
	return ERR_OK;
}

enum err_code orders_run(
	struct node *n, struct writer *w, size_t *done, struct err *err)
{
	enum err_code rc;

	*done = 0;
	pthread_mutex_lock(&n->orders->work);
	if (!(rc = orders_refresh(n, err)) &&
		!(rc = orders_tell(n, w, done, err)) &&
		!(rc = orders_whole(n, err)))
		rc = run_waiting(n, w, done, err);
	pthread_mutex_unlock(&n->orders->work);
	return rc;
}
