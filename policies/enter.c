/* enter.c - a signed order becomes a record: what it has to be, and what has to
 * be here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/access.h"
#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/orders_inside.h"
#include "policies/register.h"

#define DAY 86400

struct entering {
	struct node *node;
	const struct rules *rules;
	const struct order *order;
	const struct signed_order *signed_order;
	struct json *reg; /* of a disposal */
	struct receipt *receipt;
};

/* ---- what it names ---- */

static enum err_code not_here(const struct order *o, const char *origin,
	uint64_t seq, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND,
		"order %s names %s/%" PRIu64 ", which is not here", o->id,
		origin, seq);
}

static enum err_code check_record(const struct entering *e, uint32_t log,
	const char *origin, uint64_t seq, struct err *err)
{
	char hold[UUID_TEXT_SIZE];
	struct run run = {0};
	struct entry entry;
	enum err_code rc =
		store_read(e->node->store, log, seq, 1, 0, &run, err);

	if (rc == ERR_NOT_FOUND)
		return not_here(e->order, origin, seq, err);
	if (rc == ERR_CORRUPT)
		return ERR_OK; /* carrying out looks again */
	if (rc)
		return rc;
	rc = entry_parse(
		run.record[0].entry, run.record[0].entry_len, &entry, err);
	if (rc == ERR_OK && e->order->kind == ORDER_RESTRICT &&
		!strncmp(entry.series, "sys-", 4))
		rc = err_set(err, ERR_DENIED,
			"order %s names %s/%" PRIu64
			" of %s, which is never restricted",
			e->order->id, origin, seq, entry.series);
	if (rc == ERR_OK && e->order->kind == ORDER_ERASE &&
		!(rc = orders_may_destroy(e->rules, e->order, entry.series,
			  origin, seq, err)) &&
		orders_held(e->node, origin, seq, entry.series, entry.at, hold))
		rc = err_set(err, ERR_DENIED,
			"%s/%" PRIu64 " is under the hold %s", origin, seq,
			hold);
	run_free(&run);
	return rc;
}

static enum err_code check_range(const struct entering *e, const char *origin,
	uint64_t from, uint64_t to, struct err *err)
{
	struct log_info log;
	enum err_code rc = store_log_find(e->node->store, origin, &log, err);

	if (rc == ERR_NOT_FOUND)
		return not_here(e->order, origin, from, err);
	if (rc)
		return rc;
	if (log.kind != LOG_SPARSE && to > log.size)
		return not_here(e->order, origin,
			from > log.size ? from : log.size, err);
	for (uint64_t seq = from; rc == ERR_OK && seq < to; seq++)
		rc = check_record(e, log.id, origin, seq, err);
	return rc;
}

static enum err_code check_named(const struct entering *e, struct err *err)
{
	const struct order *o = e->order;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < o->record_count; i++)
		rc = check_range(e, o->record[i].origin, o->record[i].seq,
			o->record[i].seq + 1, err);
	for (size_t i = 0; rc == ERR_OK && i < o->part_count; i++)
		for (size_t k = 0; rc == ERR_OK && k < o->part[i].count; k++)
			rc = check_range(e, o->part[i].origin,
				o->part[i].range[k].from,
				o->part[i].range[k].to, err);
	return rc;
}

/* ---- what it ends ---- */

/* `*about` is a copy of the place only: the book keeps it. */
static enum err_code find_about(struct orders *book, const struct order *o,
	const struct order **about, struct err *err)
{
	const struct booked *b;
	enum err_code rc = ERR_OK;

	pthread_mutex_lock(&book->lock);
	b = orders_find(book, o->about);
	if (!b || !b->counts)
		rc = err_set(err, ERR_NOT_FOUND,
			"the order %s that %s ends is not here", o->about,
			o->id);
	else if (b->done && b->o.kind == ORDER_ERASE)
		rc = err_set(err, ERR_DENIED,
			"order %s was carried out here already", o->about);
	else if (orders_ended(book, b))
		rc = err_set(
			err, ERR_EXISTS, "order %s is ended already", o->about);
	else
		*about = &b->o;
	pthread_mutex_unlock(&book->lock);
	return rc;
}

/* ---- together ---- */

static enum err_code check_place(const struct entering *e, struct err *err)
{
	const struct order *o = e->order;
	const char *own = e->node->config.code;
	char text[TIME_TEXT_SIZE];

	if (!code_within(o->node, own))
		return err_set(err, ERR_DENIED,
			"order %s is about %s, which does not lie within %s: "
			"enter it at a node above both",
			o->id, o->node, own);
	time_format(o->made_at, text);
	if (o->made_at > time_now() + DAY)
		return err_set(err, ERR_DENIED,
			"order %s was made at %s, which is yet to come", o->id,
			text);
	return ERR_OK;
}

static enum err_code check_holds(const struct entering *e, struct err *err)
{
	struct digest now;
	enum err_code rc = orders_holds(e->node, e->order->node, &now, err);

	if (rc == ERR_OK && !digest_equal(&now, &e->order->holds))
		rc = err_set(err, ERR_DENIED,
			"order %s was made over another list of holds than "
			"there is now: propose it anew",
			e->order->id);
	return rc;
}

static enum err_code is_known(
	struct orders *book, const char *id, struct err *err)
{
	const struct booked *b;

	pthread_mutex_lock(&book->lock);
	b = orders_find(book, id);
	pthread_mutex_unlock(&book->lock);
	return b && b->counts
		? err_set(err, ERR_EXISTS, "order %s was entered before", id)
		: ERR_OK;
}

/* A disposal is entered with its register, and nothing else is. */
static enum err_code check_register(
	struct entering *e, const struct rules *named, struct err *err)
{
	const struct buf *text = &e->signed_order->reg;
	const char *id = e->order->id;
	enum err_code rc;

	if (!e->order->has_register && !text->len)
		return ERR_OK;
	if (!e->order->has_register)
		return err_set(
			err, ERR_INVALID, "order %s names no register", id);
	if (!text->len)
		return err_set(err, ERR_INVALID,
			"order %s is of a disposal, and its register is not "
			"with it",
			id);
	if ((rc = register_parse(text->data, text->len, &e->reg, err)))
		return rc;
	return register_check(
		e->reg, text->data, text->len, named, e->order, err);
}

static enum err_code check(struct entering *e, struct err *err)
{
	const struct order *o = e->order, *about = NULL;
	struct rules *named = NULL;
	enum err_code rc;

	if ((rc = is_known(e->node->orders, o->id, err)) ||
		(o->about[0] &&
			(rc = find_about(e->node->orders, o, &about, err))) ||
		(rc = order_check(e->rules, o, e->signed_order, about, err)) ||
		(rc = node_rules_of(e->node, o->rules, &named, err)) ||
		(rc = order_check(named, o, e->signed_order, about, err)) ||
		(rc = check_place(e, err)) ||
		(o->kind == ORDER_ERASE && (rc = check_holds(e, err))))
		goto out;
	if (!(rc = check_named(e, err)))
		rc = check_register(e, named, err);
out:
	rules_unref(named);
	return rc;
}

/* In the log of the node for ever, and at those above. */
static enum err_code enter_register(
	struct batch *b, struct entering *e, struct err *err)
{
	struct system_place at = {.rev = 1};
	struct receipt receipt;

	register_id(e->order->id, at.uuid);
	return system_revision(b, e->node, REGISTER_SERIES, &at,
		json_copy(e->reg), &receipt, err);
}

static enum err_code enter_job(struct batch *b, void *arg, struct err *err)
{
	struct entering *e = arg;
	struct system_place at = {
		.rev = 1, .node = e->order->node, .down = true};
	enum err_code rc;

	if (!uuid_parse(e->order->id, strlen(e->order->id), at.uuid))
		return err_set(err, ERR_INTERNAL, "no UUID: %s", e->order->id);
	if (e->reg && (rc = enter_register(b, e, err)))
		return rc;
	return system_revision(b, e->node, order_series(e->order->kind), &at,
		signed_order_json(e->signed_order), e->receipt, err);
}

enum err_code orders_enter(struct node *n, struct writer *w,
	const struct signed_order *s, struct receipt *out, struct err *err)
{
	struct order o = {.part = NULL};
	struct receipt receipt;
	struct entering e = {
		.node = n, .order = &o, .signed_order = s, .receipt = &receipt};
	struct rules *rules;
	enum err_code rc;

	if ((rc = order_parse(s->text.data, s->text.len, &o, err)))
		return rc;
	/* What is entered already, here or elsewhere, counts as it is. */
	if ((rc = access_reason_check(o.reason, err))) {
		order_free(&o);
		return rc;
	}
	rules = node_rules(n);
	e.rules = rules;
	/* One at a time: it is judged by what was entered before. */
	pthread_mutex_lock(&n->orders->work);
	if (!(rc = orders_refresh(n, err)) && !(rc = check(&e, err)) &&
		!(rc = node_run_job(n, w, enter_job, &e, err))) {
		*out = receipt;
		rc = orders_refresh(n, err);
	}
	pthread_mutex_unlock(&n->orders->work);
	rules_unref(rules);
	json_free(e.reg);
	order_free(&o);
	return rc;
}
