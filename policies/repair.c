/* repair.c - the list of what is damaged here, worked off by the sessions. */
#include "policies/repair.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bounds.h"
#include "policies/message.h"

/* Entries in a row, to be asked of whoever was not asked. */
struct gap {
	char origin[ORIGIN_SIZE];
	char code[CODE_SIZE];
	uint64_t from, count;
	bool single;	/* with proofs of their own: they came down */
	unsigned asked; /* sides */
};

struct repair {
	pthread_mutex_t lock;
	struct gap *gap;
	size_t count, cap;
	struct repair_count found;
};

enum err_code repair_new(struct repair **out, struct err *err)
{
	struct repair *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return ERR_OK;
}

void repair_free(struct repair *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->gap);
	free(r);
}

static bool add_gap(struct repair *r, const struct gap *g)
{
	if (!grow(&r->gap, &r->cap, r->count, sizeof(*r->gap)))
		return false;
	r->gap[r->count++] = *g;
	return true;
}

/* ---- parts that are lost ---- */

/* ---- looking ---- */

struct looking {
	struct node *node;
	const struct rules *rules;
	struct log_info log;
	char code[CODE_SIZE];
	struct repair list;
	repair_visit *visit; /* of what is lost, or NULL */
	void *arg;
};

static enum err_code keep(
	struct looking *l, uint64_t from, uint64_t count, struct err *err)
{
	struct gap *last =
		l->list.count ? &l->list.gap[l->list.count - 1] : NULL;
	struct gap g = {.from = from,
		.count = count,
		.single = l->log.kind == LOG_SPARSE};

	l->list.found.records += count;
	if (last && !strcmp(last->origin, l->log.origin) &&
		last->from + last->count == from) {
		last->count += count;
		return ERR_OK;
	}
	memcpy(g.origin, l->log.origin, sizeof(g.origin));
	memcpy(g.code, l->code, sizeof(g.code));
	return add_gap(&l->list, &g) ? ERR_OK : err_nomem(err);
}

static enum err_code on_damaged(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct looking *l = arg;
	struct repair_lost lost = {.entry = true};
	enum err_code rc = keep(l, from, count, err);

	memcpy(lost.origin, l->log.origin, sizeof(lost.origin));
	for (lost.seq = from; l->visit && !rc && lost.seq < from + count;
		lost.seq++) {
		struct record_known known;

		lost.series[0] = '\0';
		if (!store_known(
			    l->node->store, l->log.id, lost.seq, &known, NULL))
			memcpy(lost.series, known.series, sizeof(lost.series));
		rc = l->visit(l->arg, &lost, err);
	}
	return rc;
}

/* The labels that we should hold of the record and do not. */
static enum err_code find_lost_parts(struct looking *l, uint64_t seq,
	const struct record *r, struct entry *e, uint8_t *labels,
	struct err *err)
{
	const char *holder = l->node->config.code;
	const struct series *s;
	struct bounds b;
	struct bound bound;
	enum err_code rc;

	*labels = 0;
	if (entry_parse(r->entry, r->entry_len, e, NULL) ||
		!(s = rules_series(l->rules, e->series)) ||
		(size_t)__builtin_popcount(s->labels) != e->sd_count)
		return ERR_OK; /* other rules held then */
	bound.must = s->labels;
	if (strcmp(l->code, holder) &&
		((rc = bounds_begin(&b, l->node, l->rules, l->log.origin,
			  l->log.kind == LOG_SPARSE ? NULL : &l->log, holder,
			  err)) ||
			(rc = bounds_of(&b, seq, e, &bound, err))))
		return rc;
	*labels = bound.must & (uint8_t) ~(r->have | r->erased);
	return ERR_OK;
}

static enum err_code look_at_record(struct looking *l, uint64_t seq,
	const struct record *r, struct err *err)
{
	struct repair_lost lost = {.seq = seq};
	struct entry e;
	enum err_code rc;

	if ((rc = find_lost_parts(l, seq, r, &e, &lost.labels, err)) ||
		!lost.labels)
		return rc;
	if ((rc = keep(l, seq, 1, err)) || !l->visit)
		return rc;
	memcpy(lost.origin, l->log.origin, sizeof(lost.origin));
	memcpy(lost.series, e.series, sizeof(lost.series));
	return l->visit(l->arg, &lost, err);
}

static enum err_code on_mended(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct looking *l = arg;
	enum err_code rc = ERR_OK;

	for (uint64_t i = from; i < from + count && !rc; i++) {
		struct run run = {0};

		rc = store_read(
			l->node->store, l->log.id, i, 1, LABEL_ALL, &run, err);
		if (rc == ERR_CORRUPT)
			rc = ERR_OK; /* it is among the damaged */
		else if (rc == ERR_OK)
			rc = look_at_record(l, i, &run.record[0], err);
		run_free(&run);
	}
	return rc;
}

static enum err_code look_at_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct looking *l = arg;
	struct store *s = l->node->store;
	enum err_code rc;

	if (!log_code(log->origin, l->code))
		return ERR_OK;
	l->log = *log;
	rc = store_damaged_each(s, log->id, on_damaged, l, err);
	return rc ? rc : store_mended_each(s, log->id, on_mended, l, err);
}

/* ---- attachments ---- */

struct objects {
	struct digest *at;
	size_t count, cap;
	bool starved;
};

static void on_fault(void *arg, const char *where, const char *what)
{
	struct objects *o = arg;
	const char *name = strrchr(where, '/');
	struct digest d;

	(void)what;
	if (strncmp(where, "attachments/", strlen("attachments/")) != 0 ||
		!name || !digest_from_hex(name + 1, strlen(name + 1), &d))
		return;
	if (grow(&o->at, &o->cap, o->count, sizeof(*o->at)))
		o->at[o->count++] = d;
	else
		o->starved = true;
}

static enum err_code want_job(struct batch *b, void *arg, struct err *err)
{
	const struct objects *o = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < o->count && !rc; i++) {
		rc = batch_want(b, &o->at[i], err);
		if (rc == ERR_NOT_FOUND || rc == ERR_ERASED)
			rc = ERR_OK; /* nothing refers to it any more */
	}
	return rc;
}

/* ---- the look ---- */

enum err_code repair_look(struct node *n, struct writer *w,
	struct repair_count *out, struct err *err)
{
	struct rules *rules = node_rules(n);
	struct looking l = {.node = n, .rules = rules};
	struct damage_places *places = NULL;
	struct objects objects = {0};
	struct repair *r = n->repair;
	enum err_code rc;

	if ((rc = store_damage_look(
		     n->store, 0, on_fault, &objects, &places, err)) ||
		(objects.starved && (rc = err_nomem(err))) ||
		(objects.count &&
			(rc = writer_run(w, want_job, &objects, err))) ||
		(rc = store_log_each(n->store, look_at_log, &l, err)))
		goto out;
	l.list.found.attachments = store_wanted_count(n->store);
	pthread_mutex_lock(&r->lock);
	free(r->gap);
	r->gap = l.list.gap;
	r->count = l.list.count;
	r->cap = l.list.cap;
	r->found = l.list.found;
	pthread_mutex_unlock(&r->lock);
	l.list.gap = NULL;
	*out = l.list.found;
out:
	free(l.list.gap);
	free(objects.at);
	damage_places_free(places);
	rules_unref(rules);
	return rc;
}

void repair_tell(struct node *n, struct repair_count *out)
{
	pthread_mutex_lock(&n->repair->lock);
	*out = n->repair->found;
	pthread_mutex_unlock(&n->repair->lock);
	out->attachments = store_wanted_count(n->store);
}

/* ---- what to ask ---- */

/* A parent has our logs and those below us, a child its own and those below
 * it; what came down came from the parent. */
static bool may_have(const struct node *n, const struct gap *g,
	const char *peer, enum repair_side side)
{
	if (g->single)
		return side == REPAIR_PARENT && !(g->asked & side);
	return !(g->asked & side) &&
		code_within(
			g->code, side == REPAIR_PARENT ? n->config.code : peer);
}

size_t repair_open(struct node *n, const char *peer, enum repair_side side)
{
	struct repair *r = n->repair;
	size_t open = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count; i++)
		open += may_have(n, &r->gap[i], peer, side);
	pthread_mutex_unlock(&r->lock);
	return open;
}

/* Cut to one tile; the rest is a gap of its own. */
static bool split(struct repair *r, size_t i, uint64_t end)
{
	struct gap rest = r->gap[i];

	if (rest.from + rest.count <= end)
		return true;
	rest.count -= end - rest.from;
	rest.from = end;
	if (!add_gap(r, &rest))
		return false;
	r->gap[i].count = end - r->gap[i].from;
	return true;
}

/* protocol 3.11: "Of a parent under the size that it cosigned, where that
 * reaches so far: it has no less." */
static uint64_t size_for(
	struct node *n, const struct gap *g, enum repair_side side)
{
	struct log_info log;

	if (store_log_find(n->store, g->origin, &log, NULL))
		return 0;
	if (side == REPAIR_PARENT && g->from < log.cosigned_size)
		return log.cosigned_size;
	return log.checkpoint_size;
}

bool repair_next(struct node *n, const char *peer, enum repair_side side,
	struct again *out)
{
	struct repair *r = n->repair;
	bool found = false;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count && !found; i++) {
		struct gap *g = &r->gap[i];
		uint64_t size;

		if (!may_have(n, g, peer, side))
			continue;
		size = g->single ? 0 : size_for(n, g, side);
		if (g->single ? !split(r, i, g->from + 1)
			      : g->from >= size ||
					!split(r, i, tile_end(g->from, size))) {
			g->asked |= side; /* no note proves it */
			continue;
		}
		g = &r->gap[i];
		*out = (struct again){
			.from = g->from, .count = g->count, .size = size};
		memcpy(out->origin, g->origin, sizeof(out->origin));
		found = true;
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

static struct gap *find_gap(struct repair *r, const struct again *a)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->gap[i].from == a->from &&
			!strcmp(r->gap[i].origin, a->origin))
			return &r->gap[i];
	return NULL;
}

void repair_denied(struct node *n, const struct again *a, enum repair_side side)
{
	struct gap *g;

	pthread_mutex_lock(&n->repair->lock);
	if ((g = find_gap(n->repair, a)))
		g->asked |= side;
	pthread_mutex_unlock(&n->repair->lock);
}

/* Which of them lack a part still. */
static enum err_code find_lacking(struct node *n, const struct again *a,
	uint64_t count, bool lack[TILE_WIDTH], struct err *err)
{
	struct rules *rules = node_rules(n);
	struct looking l = {.node = n, .rules = rules};
	enum err_code rc = store_log_find(n->store, a->origin, &l.log, err);

	if (!rc && !log_code(a->origin, l.code))
		rc = err_set(err, ERR_USAGE, "no origin: %s", a->origin);
	for (uint64_t i = 0; i < count && i < TILE_WIDTH && !rc; i++) {
		l.list.found.records = 0;
		rc = on_mended(&l, a->from + i, 1, err);
		lack[i] = l.list.found.records > 0;
	}
	free(l.list.gap);
	rules_unref(rules);
	return rc;
}

enum err_code repair_stored(struct node *n, const struct again *a,
	enum repair_side side, uint64_t count, uint64_t useful, struct err *err)
{
	struct repair *r = n->repair;
	bool lack[TILE_WIDTH] = {false};
	struct gap one;
	struct gap *g;
	enum err_code rc = find_lacking(n, a, count, lack, err);

	pthread_mutex_lock(&r->lock);
	if ((g = find_gap(r, a)) && count <= g->count) {
		one = *g;
		one.asked |= side;
		one.count = 1;
		r->found.mended += useful;
		g->from += count;
		g->count -= count;
		if (!g->count)
			*g = r->gap[--r->count];
		for (uint64_t i = 0; i < count && i < TILE_WIDTH && !rc; i++) {
			one.from = a->from + i;
			if (lack[i] && !add_gap(r, &one))
				rc = err_nomem(err);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* ---- what is given up ---- */

static bool node_above(struct node *n)
{
	struct rules *rules = node_rules(n);
	const struct node_info *us = rules_node(rules, n->config.code);
	bool above = us && us->parent[0];

	rules_unref(rules);
	return above;
}

bool repair_given_up(
	struct node *n, const char *origin, uint64_t from, uint64_t *count)
{
	const char *self = n->config.code;
	unsigned above = node_above(n) ? REPAIR_PARENT : 0;
	struct repair *r = n->repair;
	bool is = false;

	*count = 0;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count && !*count; i++) {
		const struct gap *g = &r->gap[i];
		unsigned all = above;

		if (strcmp(g->origin, origin) || from < g->from ||
			from - g->from >= g->count)
			continue;
		if (!g->single && strcmp(g->code, self))
			all |= REPAIR_CHILD;
		*count = g->count - (from - g->from);
		is = (g->single || code_within(g->code, self)) &&
			(g->asked & all) == all;
	}
	pthread_mutex_unlock(&r->lock);
	return is;
}

enum err_code repair_list(
	struct node *n, repair_visit *visit, void *arg, struct err *err)
{
	struct rules *rules = node_rules(n);
	struct looking l = {
		.node = n, .rules = rules, .visit = visit, .arg = arg};
	enum err_code rc = store_log_each(n->store, look_at_log, &l, err);

	free(l.list.gap);
	rules_unref(rules);
	return rc;
}
