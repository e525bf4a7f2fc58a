/* orders.c - the orders that a node has: found, judged, asked. */
#include "policies/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/exchange.h"
#include "policies/logs.h"
#include "policies/orders_inside.h"

enum err_code orders_new(struct orders **out, struct err *err)
{
	struct orders *o = calloc(1, sizeof(*o));

	if (!o)
		return err_nomem(err);
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->work, NULL);
	*out = o;
	return ERR_OK;
}

static void booked_free(struct booked *b)
{
	if (!b)
		return;
	order_free(&b->o);
	signed_order_free(&b->s);
	free(b->told);
	free(b);
}

void orders_free(struct orders *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		booked_free(o->list[i]);
	free(o->list);
	free(o->cursor);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->work);
	free(o);
}

bool orders_is_root(struct node *n)
{
	struct rules *r = node_rules(n);
	bool is = !strcmp(rules_root(r)->code, n->config.code);

	rules_unref(r);
	return is;
}

/* ---- finding them ---- */

static struct order_cursor *cursor_of(
	struct orders *o, uint32_t log, struct err *err)
{
	struct order_cursor *more;

	for (size_t i = 0; i < o->cursor_count; i++)
		if (o->cursor[i].log == log)
			return &o->cursor[i];
	more = reallocarray(o->cursor, o->cursor_count + 1, sizeof(*more));
	if (!more) {
		(void)err_nomem(err);
		return NULL;
	}
	o->cursor = more;
	more = &o->cursor[o->cursor_count++];
	*more = (struct order_cursor){.log = log};
	return more;
}

struct down {
	uint64_t *seq;
	size_t count, cap;
};

/* Gathered first, so that nothing is read inside a walk. */
static enum err_code on_down(void *arg, uint64_t seq, struct err *err)
{
	struct down *d = arg;

	if (!grow(&d->seq, &d->cap, d->count, sizeof(*d->seq)))
		return err_nomem(err);
	d->seq[d->count++] = seq;
	return ERR_OK;
}

static void read_order(
	struct booked *b, const struct entry *e, const struct record *r)
{
	const struct part *p = &r->part[LABEL_INTERNAL];
	struct err err;

	memcpy(b->id, e->id, sizeof(b->id));
	memcpy(b->at, e->at, sizeof(b->at));
	if (!(r->have & LABEL_BIT(LABEL_INTERNAL))) {
		snprintf(b->why, sizeof(b->why), "%s",
			err_reason("its text is not here"));
		return;
	}
	if (signed_order_parse(p->json, p->len, &b->s, &err) ||
		order_parse(b->s.text.data, b->s.text.len, &b->o, &err)) {
		snprintf(b->why, sizeof(b->why), "%s", err.text);
		return;
	}
	b->readable = !strcmp(b->o.id, e->id) &&
		!strcmp(order_series(b->o.kind), e->series);
	if (!b->readable)
		snprintf(b->why, sizeof(b->why),
			"its record is of another order or series");
}

/* What does not count keeps its head only: whoever may write a log could fill
 * our memory with orders that nobody signed. */
static void drop_body(struct booked *b)
{
	signed_order_free(&b->s);
	for (size_t i = 0; i < b->o.part_count; i++)
		free(b->o.part[i].range);
	free(b->o.part);
	free(b->o.record);
	b->o.part = NULL;
	b->o.record = NULL;
	b->o.part_count = b->o.record_count = 0;
}

static enum err_code book(struct orders *o, const struct log_info *log,
	uint64_t seq, const struct record *r, const struct entry *e,
	struct err *err)
{
	struct booked *b;

	if (!grow(&o->list, &o->cap, o->count, sizeof(struct booked *)) ||
		!(b = calloc(1, sizeof(*b))))
		return err_nomem(err);
	memcpy(b->origin, log->origin, sizeof(b->origin));
	b->seq = seq;
	read_order(b, e, r);
	if (!b->readable)
		drop_body(b);
	o->list[o->count++] = b;
	return ERR_OK;
}

/* What cannot be read may be a hold: it is told, and looked at again. */
static bool may_be_order(struct node *n, uint32_t log, uint64_t seq)
{
	struct record_known known;

	if (store_known(n->store, log, seq, &known, NULL))
		return true;
	return !known.series[0] || order_is_series(known.series);
}

static enum err_code look_at(struct node *n, const struct log_info *log,
	uint64_t seq, struct err *err)
{
	struct orders *o = n->orders;
	struct run run = {0};
	struct entry e;
	enum err_code rc;

	rc = store_read(n->store, log->id, seq, 1, LABEL_BIT(LABEL_INTERNAL),
		&run, err);
	if (rc == ERR_CORRUPT)
		return may_be_order(n, log->id, seq) ? rc : ERR_OK;
	if (rc)
		return rc;
	if (!(rc = entry_parse(
		      run.record[0].entry, run.record[0].entry_len, &e, err)) &&
		order_is_series(e.series))
		rc = book(o, log, seq, &run.record[0], &e, err);
	run_free(&run);
	return rc;
}

static enum err_code look_in(
	void *arg, const struct log_info *log, struct err *err)
{
	struct node *n = arg;
	struct order_cursor *c = cursor_of(n->orders, log->id, err);
	struct down d = {0};
	enum err_code rc;

	if (!c)
		return ERR_NOMEM;
	rc = store_down_each(n->store, log->id, c->next, on_down, &d, err);
	for (size_t i = 0; rc == ERR_OK && i < d.count; i++) {
		rc = look_at(n, log, d.seq[i], err);
		if (rc == ERR_CORRUPT) {
			n->orders->damaged = true;
			rc = ERR_OK;
			break;
		}
		if (rc == ERR_OK)
			c->next = d.seq[i] + 1;
	}
	free(d.seq);
	return rc;
}

static enum err_code look(struct node *n, struct err *err)
{
	n->orders->damaged = false;
	return store_log_each(n->store, look_in, n, err);
}

/* ---- judging them ---- */

struct booked *orders_find(struct orders *o, const char *id)
{
	struct booked *any = NULL;

	for (size_t i = 0; i < o->count; i++) {
		struct booked *b = o->list[i];

		if (strcmp(b->id, id))
			continue;
		if (b->counts)
			return b;
		any = b;
	}
	return any;
}

static bool is_end(enum order_kind kind)
{
	return kind == ORDER_RELEASE || kind == ORDER_CANCEL ||
		kind == ORDER_LIFT;
}

/* By the head that it names: an officer who left since signed it all the
 * same.  (An erasure is judged by the head in force once more.) */
static enum err_code judge(struct node *n, struct booked *b, struct err *err)
{
	const struct booked *about = NULL;
	struct rules *rules = NULL;
	enum err_code rc;

	if (is_end(b->o.kind)) {
		about = orders_find(n->orders, b->o.about);
		if (!about || !about->counts)
			return err_set(err, ERR_BUSY,
				"the order %s that it ends is not here",
				b->o.about);
	}
	rc = node_rules_of(n, b->o.rules, &rules, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_BUSY,
			"the head %llu that it names is not here",
			(unsigned long long)b->o.rules);
	if (rc)
		return rc;
	rc = order_check(rules, &b->o, &b->s, about ? &about->o : NULL, err);
	rules_unref(rules);
	return rc;
}

/* Restrictions and their ends are looked up until they are told. */
static enum err_code find_all_told(struct node *n, struct err *err)
{
	struct orders *o = n->orders;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < o->count; i++) {
		struct booked *b = o->list[i];

		if (b->counts && !b->done &&
			(b->o.kind == ORDER_RESTRICT ||
				b->o.kind == ORDER_LIFT))
			rc = orders_find_told(n, b, err);
	}
	return rc;
}

static enum err_code find_done(
	struct node *n, struct booked *b, struct err *err)
{
	struct receipt r;
	enum err_code rc = orders_receipt(n, b->o.id, n->config.code, &r, err);

	b->done = rc == ERR_OK;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Those that end others come behind them, whatever came first. */
static enum err_code judge_all(struct node *n, bool ends, struct err *err)
{
	struct orders *o = n->orders;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < o->count; i++) {
		struct booked *b = o->list[i];
		struct err told;

		if (!b->readable || b->judged || is_end(b->o.kind) != ends)
			continue;
		rc = judge(n, b, &told);
		b->counts = rc == ERR_OK;
		b->judged = rc == ERR_OK || rc == ERR_DENIED;
		snprintf(b->why, sizeof(b->why), "%s", rc ? told.text : "");
		if (rc == ERR_DENIED)
			drop_body(b);
		if (rc == ERR_DENIED || rc == ERR_BUSY)
			rc = ERR_OK;
		else if (rc)
			return err_set(err, rc, "%s", told.text);
		if (b->counts && b->o.kind == ORDER_ERASE)
			rc = find_done(n, b, err);
	}
	return rc;
}

static enum err_code refresh(struct node *n, struct err *err)
{
	uint64_t seen = store_arrivals(n->store);
	enum err_code rc;

	if ((rc = look(n, err)) || (rc = judge_all(n, false, err)) ||
		(rc = judge_all(n, true, err)) || (rc = find_all_told(n, err)))
		return rc;
	n->orders->ready = true;
	n->orders->seen = seen;
	return ERR_OK;
}

enum err_code orders_catch_up(struct node *n, struct err *err)
{
	bool known;

	pthread_mutex_lock(&n->orders->lock);
	known = n->orders->ready && n->orders->seen == store_arrivals(n->store);
	pthread_mutex_unlock(&n->orders->lock);
	return known ? ERR_OK : orders_refresh(n, err);
}

enum err_code orders_refresh(struct node *n, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&n->orders->lock);
	rc = refresh(n, err);
	pthread_mutex_unlock(&n->orders->lock);
	return rc ? err_while(err, rc, "read orders") : ERR_OK;
}

enum err_code orders_whole(struct node *n, struct err *err)
{
	enum err_code rc = orders_refresh(n, err);
	bool damaged;

	if (rc)
		return rc;
	pthread_mutex_lock(&n->orders->lock);
	damaged = n->orders->damaged;
	pthread_mutex_unlock(&n->orders->lock);
	return damaged ? err_set(err, ERR_CORRUPT,
				 "a record that may be a hold cannot be read: "
				 "nothing is destroyed before cundang repair")
		       : ERR_OK;
}

enum err_code orders_ready(struct node *n, struct err *err)
{
	bool ready;

	pthread_mutex_lock(&n->orders->lock);
	ready = n->orders->ready;
	pthread_mutex_unlock(&n->orders->lock);
	return ready ? ERR_OK : orders_refresh(n, err);
}

/* ---- asking ---- */

bool orders_ended(const struct orders *o, const struct booked *b)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct booked *end = o->list[i];

		if (end->counts && is_end(end->o.kind) &&
			(end->done || end->o.kind != ORDER_LIFT) &&
			!strcmp(end->o.about, b->id))
			return true;
	}
	return false;
}

const char *order_state_name(enum order_state state)
{
	static const char *const names[ORDER_STATES] = {
		[ORDER_VOID] = "void",
		[ORDER_FORCE] = "in-force",
		[ORDER_ENDED] = "ended",
		[ORDER_WAITING] = "waiting",
		[ORDER_DONE] = "done",
	};

	return names[state];
}

static enum order_state state_of(const struct orders *o, const struct booked *b)
{
	if (!b->counts)
		return ORDER_VOID;
	if (b->done && b->o.kind == ORDER_ERASE)
		return ORDER_DONE;
	if (!is_end(b->o.kind) && orders_ended(o, b))
		return ORDER_ENDED;
	return b->o.kind == ORDER_ERASE ? ORDER_WAITING : ORDER_FORCE;
}

enum err_code orders_each(
	struct node *n, orders_visit *visit, void *arg, struct err *err)
{
	struct orders *o = n->orders;
	enum err_code rc;

	pthread_mutex_lock(&o->lock);
	rc = refresh(n, err);
	for (size_t i = 0; rc == ERR_OK && i < o->count; i++) {
		const struct booked *b = o->list[i];
		struct order_row row = {.order = &b->o,
			.origin = b->origin,
			.seq = b->seq,
			.state = state_of(o, b),
			.why = b->why};

		if (b->readable)
			rc = visit(arg, &row, err);
	}
	pthread_mutex_unlock(&o->lock);
	return rc;
}

static bool meets(const char *a, const char *b)
{
	return code_within(a, b) || code_within(b, a);
}

static bool in_force(const struct orders *o, const struct booked *b)
{
	return b->counts && b->o.kind == ORDER_HOLD && !orders_ended(o, b);
}

/* A hold whose head is not here yet holds until it can be judged, as far as the
 * node in whose log it stands could order at all. */
bool orders_open(const struct booked *b)
{
	char code[CODE_SIZE];

	return b->readable && !b->judged && log_code(b->origin, code) &&
		code_within(b->o.node, code);
}

static bool may_hold(const struct orders *o, const struct booked *b)
{
	return in_force(o, b) || (b->o.kind == ORDER_HOLD && orders_open(b));
}

enum err_code orders_holds(
	struct node *n, const char *code, struct digest *out, struct err *err)
{
	struct orders *o = n->orders;
	char(*ids)[UUID_TEXT_SIZE] = NULL;
	size_t count = 0;
	enum err_code rc;

	pthread_mutex_lock(&o->lock);
	if (!(rc = refresh(n, err)) &&
		!(ids = calloc(o->count + 1, sizeof(*ids))))
		rc = err_nomem(err);
	for (size_t i = 0; rc == ERR_OK && i < o->count; i++)
		if (may_hold(o, o->list[i]) && meets(o->list[i]->o.node, code))
			memcpy(ids[count++], o->list[i]->id, UUID_TEXT_SIZE);
	pthread_mutex_unlock(&o->lock);
	if (rc == ERR_OK)
		*out = order_holds_digest(ids, count);
	free(ids);
	return rc;
}

bool orders_open_cancel(const struct orders *o, const struct booked *b)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct booked *end = o->list[i];

		if (end->readable && !end->judged &&
			end->o.kind == ORDER_CANCEL &&
			!strcmp(end->o.about, b->id))
			return true;
	}
	return false;
}

bool orders_held(struct node *n, const char *origin, uint64_t seq,
	const char *series, const char *at, char hold[UUID_TEXT_SIZE])
{
	struct orders *o = n->orders;
	char code[CODE_SIZE];
	bool held = false;

	if (!log_code(origin, code))
		return false;
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; !held && i < o->count; i++) {
		const struct booked *b = o->list[i];

		held = may_hold(o, b) &&
			order_reaches(&b->o, origin, code, seq, series, at);
		if (held)
			memcpy(hold, b->id, UUID_TEXT_SIZE);
	}
	pthread_mutex_unlock(&o->lock);
	return held;
}

static bool goes_down(
	const struct rules *rules, const struct booked *b, const char *child)
{
	struct entry e = {.to_count = 1};
	char code[CODE_SIZE];

	if (!b->readable || !log_code(b->origin, code) ||
		(code_within(code, child) && strcmp(code, child)))
		return false;
	snprintf(e.series, sizeof(e.series), "%s", order_series(b->o.kind));
	snprintf(e.iss, sizeof(e.iss), "%.*s",
		(int)(strrchr(b->origin, '/') - b->origin), b->origin);
	memcpy(e.node, b->o.node, CODE_SIZE);
	memcpy(e.to[0], b->o.node, code_prefix_len(b->o.node));
	return exchange_goes_down(rules, &e, child);
}

/* With the lock held. */
static enum err_code down_digest(struct node *n, const struct rules *rules,
	const char *child, struct digest *out, struct err *err)
{
	struct orders *o = n->orders;
	char(*ids)[UUID_TEXT_SIZE];
	size_t count = 0;
	enum err_code rc;

	if ((rc = refresh(n, err)))
		return rc;
	if (!(ids = calloc(o->count + 1, sizeof(*ids))))
		return err_nomem(err);
	for (size_t i = 0; i < o->count; i++)
		if (goes_down(rules, o->list[i], child))
			memcpy(ids[count++], o->list[i]->id, UUID_TEXT_SIZE);
	*out = order_holds_digest(ids, count);
	free(ids);
	return ERR_OK;
}

enum err_code orders_down_digest(struct node *n, const struct rules *rules,
	const char *child, struct digest *out, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&n->orders->lock);
	rc = down_digest(n, rules, child, out, err);
	pthread_mutex_unlock(&n->orders->lock);
	return rc;
}

int64_t orders_now(struct node *n)
{
	int64_t now;

	if (orders_is_root(n))
		return time_now();
	pthread_mutex_lock(&n->orders->lock);
	now = n->orders->now;
	pthread_mutex_unlock(&n->orders->lock);
	return now;
}

/* Only the orders that are in the digest are fresh: none comes meanwhile. */
enum err_code orders_fresh(struct node *n, const struct digest *down,
	int64_t now, bool *news, struct err *err)
{
	struct rules *rules = node_rules(n);
	struct orders *o = n->orders;
	struct digest here;
	enum err_code rc;

	pthread_mutex_lock(&o->lock);
	*news = false;
	rc = down_digest(n, rules, n->config.code, &here, err);
	if (rc == ERR_OK && digest_equal(&here, down)) {
		*news = now && !o->now;
		o->now = now;
		for (size_t i = 0; i < o->count; i++) {
			*news = *news || (now && !o->list[i]->fresh_at);
			o->list[i]->fresh_at = now;
		}
	}
	pthread_mutex_unlock(&o->lock);
	rules_unref(rules);
	return rc;
}

bool orders_waiting(struct node *n)
{
	struct orders *o = n->orders;
	bool waiting = false;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; !waiting && i < o->count; i++)
		waiting = state_of(o, o->list[i]) == ORDER_WAITING;
	pthread_mutex_unlock(&o->lock);
	return waiting;
}

/* ---- receipts ---- */

/* Made of the order and the node, so that it is found without a search: a UUID
 * of version 8. */
void orders_receipt_id(const char *order, const char *code,
	uint8_t uuid[UUID_SIZE], char id[UUID_TEXT_SIZE])
{
	char text[UUID_TEXT_SIZE + CODE_SIZE + 16];
	struct digest d;

	snprintf(text, sizeof(text), "receipt\n%s\n%s\n", order, code);
	d = digest_of(text, strlen(text));
	memcpy(uuid, d.b, UUID_SIZE);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	uuid_format(uuid, id);
}

struct receipt_search {
	struct node *n;
	const char *code;
	struct receipt *out;
	bool own; /* in a log of this very node only */
	bool found;
};

static enum err_code read_receipt(struct receipt_search *r,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	struct run run = {0};
	struct entry e;
	enum err_code rc;

	if ((rc = store_read(r->n->store, log->id, seq, 1, 0, &run, err)))
		return rc;
	rc = entry_parse(run.record[0].entry, run.record[0].entry_len, &e, err);
	if (rc == ERR_OK && !strcmp(e.series, "sys-receipt")) {
		r->found = true;
		*r->out = (struct receipt){
			.rev = 1, .seq = seq, .leaf = run.record[0].leaf};
		memcpy(r->out->id, e.id, sizeof(e.id));
		memcpy(r->out->origin, log->origin, sizeof(log->origin));
	}
	run_free(&run);
	return rc;
}

/* Only the node itself tells that it destroyed: who else takes the id, before
 * or after, hides nothing. */
static enum err_code on_receipt(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct receipt_search *r = arg;
	struct log_info info;
	char code[CODE_SIZE];
	enum err_code rc;

	(void)rev;
	if (r->found)
		return ERR_OK;
	if ((rc = store_log_by_id(r->n->store, log, &info, err)))
		return rc;
	if (!log_code(info.origin, code) || strcmp(code, r->code) ||
		(r->own && info.kind != LOG_OWN))
		return ERR_OK;
	return read_receipt(r, &info, seq, err);
}

static enum err_code find_receipt(
	struct receipt_search *r, const char *order, struct err *err)
{
	uint8_t uuid[UUID_SIZE];
	char id[UUID_TEXT_SIZE];
	enum err_code rc;

	orders_receipt_id(order, r->code, uuid, id);
	rc = store_find_id(r->n->store, uuid, on_receipt, r, err);
	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && !r->found))
		return err_set(err, ERR_NOT_FOUND, "no receipt of %s", r->code);
	return rc;
}

enum err_code orders_receipt(struct node *n, const char *order,
	const char *code, struct receipt *out, struct err *err)
{
	struct receipt_search r = {.n = n, .code = code, .out = out};

	return find_receipt(&r, order, err);
}

enum err_code orders_own_receipt(
	struct node *n, const char *order, struct receipt *out, struct err *err)
{
	struct receipt_search r = {
		.n = n, .code = n->config.code, .out = out, .own = true};

	return find_receipt(&r, order, err);
}

/* ---- what comes late ---- */

static bool names_any(
	const struct order *o, const char *origin, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < o->part_count; i++) {
		const struct order_part *p = &o->part[i];

		if (strcmp(p->origin, origin))
			continue;
		if (p->range[0].from < to && p->range[p->count - 1].to > from)
			return true;
	}
	return false;
}

/* Does what comes now miss what it names? */
static bool takes(const struct booked *b)
{
	return b->done || b->doing;
}

bool orders_doom(struct node *n, const char *origin, uint64_t from, uint64_t to)
{
	struct orders *o = n->orders;
	bool any = false;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; !any && i < o->count; i++)
		any = takes(o->list[i]) &&
			names_any(&o->list[i]->o, origin, from, to);
	pthread_mutex_unlock(&o->lock);
	return any;
}

bool orders_destroyed(
	struct node *n, const char *origin, enum label label, uint64_t seq)
{
	struct orders *o = n->orders;
	bool is = false;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; !is && i < o->count; i++)
		is = takes(o->list[i]) &&
			order_names(&o->list[i]->o, origin, label, seq);
	pthread_mutex_unlock(&o->lock);
	return is;
}

static void strip_label(const struct order *o, enum label label,
	struct record *r, struct erasure *room)
{
	r->have &= (uint8_t)~LABEL_BIT(label);
	r->digested &= (uint8_t)~LABEL_BIT(label);
	r->part[label] = (struct part){.json = NULL};
	r->erased |= LABEL_BIT(label);
	order_erasure(o, o->not_before, &room[label]);
}

void orders_strip(struct node *n, const char *origin, uint64_t seq,
	struct record *r, struct erasure *room)
{
	struct orders *o = n->orders;

	if (r->erasure)
		memcpy(room, r->erasure, LABEL_COUNT * sizeof(*room));
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->count; i++) {
		const struct booked *b = o->list[i];

		for (unsigned l = 0; takes(b) && l < LABEL_COUNT; l++)
			if ((r->have & LABEL_BIT(l)) &&
				order_names(&b->o, origin, (enum label)l, seq))
				strip_label(&b->o, (enum label)l, r, room);
	}
	pthread_mutex_unlock(&o->lock);
	if (r->erased)
		r->erasure = room;
}
