/* due.c - which parts of a node's records may go by now. */
#include "policies/due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/due_sealed.h"
#include "policies/logs.h"
#include "policies/register.h"

/* Records that one job goes through. */
#define STRETCH ((uint64_t)16384)
#define NO_PLAN UINT16_MAX /* of a sealed record that is not read here */

/* What a series says, now and where paths of anchors are needed. */
struct plan {
	const struct series *series;
	struct retention r;
	uint8_t wants;	/* labels whose part tells an anchor */
	uint8_t wanted; /* labels that were asked for */
	bool sealed;	/* sealed records too: all of one ends some day */
	size_t name_len;
};

struct row {
	uint64_t seq;
	int64_t at;
	int64_t sealed_at; /* of a sealed one the entry's time, else 0 */
	uint8_t uuid[UUID_SIZE];
	uint32_t rev;
	uint32_t log; /* number among those looked at */
	uint16_t plan;
	int16_t year[LABEL_COUNT];
	uint8_t gone;	 /* labels destroyed */
	uint8_t unknown; /* labels whose anchor is not here */
};
struct rows {
	struct row *at;
	size_t count, cap;
};

struct head_at { /* a sys-policy record */
	uint64_t seq, serial;
};
struct heads_at {
	struct head_at *at;
	size_t count, cap;
};

struct source { /* a log */
	struct log_info info;
	char code[CODE_SIZE];
};

/* Rules of before, with what they say of each series that is looked for. */
struct then {
	struct rules *rules;
	struct plan *plan; /* series NULL: not looked up yet, or unknown */
	bool *looked;
};

struct finding {
	struct node *node;
	const struct rules *rules;
	const struct due_options *opt;
	struct plan *plan;
	size_t plan_count;
	bool sealed; /* sealed records are looked at too */
	struct source *source;
	size_t source_count, source_cap;
	struct then *then; /* as they were asked for */
	size_t then_count, then_cap;
	struct due *out;
};

struct stretch {
	struct finding *f;
	uint32_t log;
	uint64_t from, to;
	const struct plan *last; /* met: records of a series follow another */
	struct rows rows;
	struct heads_at heads;
	struct due_told told;
	enum err_code rc;
	struct err err;
};

/* ---- plans ---- */

static void plan_make(struct plan *p, const struct series *s)
{
	*p = (struct plan){.series = s, .name_len = strlen(s->name)};
	retention_make(s, &p->r);
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (!(p->r.anchored & LABEL_BIT(l)))
			continue;
		p->wants |= LABEL_BIT(p->r.of[l]);
		/* Where the record is about a minor, what is personal is. */
		if (p->r.of[l] == LABEL_PERSONAL)
			p->wants |= LABEL_BIT(LABEL_SENSITIVE);
	}
}

static void plan_want(struct plan *p, const struct due_options *o)
{
	p->wanted = o->labels & p->r.ending;
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (o->automatic && !p->series->automatic[l])
			p->wanted &= (uint8_t)~LABEL_BIT(l);
	p->sealed = p->r.labels == p->r.ending &&
		(o->labels & LABEL_BIT(LABEL_SENSITIVE)) &&
		(!o->automatic || p->wanted == p->r.ending);
}

static enum err_code make_plans(struct finding *f, struct err *err)
{
	size_t count = rules_series_count(f->rules);
	bool only_sealed =
		f->opt->series && !strcmp(f->opt->series, SERIES_SEALED);
	const char *named = only_sealed ? NULL : f->opt->series;

	if (!(f->plan = calloc(count + 1, sizeof(*f->plan))))
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const struct series *s = rules_series_at(f->rules, i);
		struct plan *p = &f->plan[f->plan_count];

		if (s->system || (named && strcmp(named, s->name)))
			continue;
		plan_make(p, s);
		plan_want(p, f->opt);
		if (only_sealed)
			p->wanted = 0;
		f->sealed = f->sealed || p->sealed;
		f->plan_count += p->wanted || p->sealed;
	}
	/* What others sealed does not go by itself here. */
	if (!named && !f->opt->automatic)
		f->sealed = (f->opt->labels & LABEL_BIT(LABEL_SENSITIVE)) != 0;
	return ERR_OK;
}

static const struct plan *plan_of(struct stretch *s, const struct sketch *r)
{
	const struct plan *p = s->last;

	if (p && p->name_len == r->series_len &&
		!memcmp(p->series->name, r->series, r->series_len))
		return p;
	for (size_t i = 0; i < s->f->plan_count; i++) {
		p = &s->f->plan[i];
		if (p->name_len == r->series_len &&
			!memcmp(p->series->name, r->series, r->series_len))
			return s->last = p;
	}
	return NULL;
}

/* ---- the years of the anchors ---- */

/* False when the part that would tell is not here. */
static bool look_in(const struct sketch *r, enum label label, const char *path,
	const char **value, size_t *len)
{
	const struct part *p = &r->part[label];

	*value = NULL;
	if (!(r->have & LABEL_BIT(label)))
		return false;
	if (!retention_find(p->json, p->len, path, value, len))
		*value = NULL;
	return true;
}

static int year_of(const struct plan *p, enum label label,
	const struct sketch *r, uint8_t *unknown)
{
	const char *value = NULL;
	size_t len = 0;
	bool known;

	if (!(p->r.anchored & LABEL_BIT(label)))
		return time_year(r->at);
	known = look_in(
		r, p->r.of[label], p->series->anchor[label], &value, &len);
	if (!value && p->r.of[label] == LABEL_PERSONAL)
		known = look_in(r, LABEL_SENSITIVE, p->series->anchor[label],
				&value, &len) &&
			known;
	if (value)
		return retention_year(value, len);
	if (!known)
		*unknown |= LABEL_BIT(label);
	return RETENTION_OPEN;
}

static void years_of(const struct plan *p, const struct sketch *r,
	int16_t year[LABEL_COUNT], uint8_t *unknown)
{
	*unknown = 0;
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		year[l] = p->r.ending & LABEL_BIT(l)
			? (int16_t)year_of(p, (enum label)l, r, unknown)
			: RETENTION_OPEN;
}

/* ---- going through the records ---- */

static bool is_of(const struct sketch *r, const char *series)
{
	return r->series_len == strlen(series) &&
		!memcmp(r->series, series, r->series_len);
}

static uint8_t wants(void *arg, const struct sketch *r)
{
	struct stretch *s = arg;
	const struct plan *p = plan_of(s, r);

	if (p)
		return p->wants;
	return is_of(r, "sys-policy") ||
			(s->f->sealed && is_of(r, REGISTER_SERIES))
		? LABEL_BIT(LABEL_INTERNAL)
		: 0;
}

static enum err_code on_policy(
	struct stretch *s, const struct sketch *r, struct err *err)
{
	const struct part *p = &r->part[LABEL_INTERNAL];
	struct heads_at *h = &s->heads;
	struct json *fields = NULL;
	uint64_t serial = 0;

	if ((r->have & LABEL_BIT(LABEL_INTERNAL)) &&
		!json_parse(p->json, p->len, PART_SIZE_LIMIT, &fields, NULL))
		(void)json_get_u64(fields, "serial", &serial);
	json_free(fields);
	if (!grow(&h->at, &h->cap, h->count, sizeof(*h->at)))
		return err_nomem(err);
	h->at[h->count++] = (struct head_at){r->seq, serial};
	return ERR_OK;
}

static struct row *add_row(
	struct stretch *s, const struct sketch *r, struct err *err)
{
	struct rows *rows = &s->rows;
	struct row *row;

	if (!grow(&rows->at, &rows->cap, rows->count, sizeof(*rows->at))) {
		(void)err_nomem(err);
		return NULL;
	}
	row = &rows->at[rows->count++];
	*row = (struct row){.seq = r->seq,
		.at = r->at,
		.rev = r->rev > UINT32_MAX ? UINT32_MAX : (uint32_t)r->rev,
		.log = s->log,
		.plan = NO_PLAN,
		.gone = r->erased};
	memcpy(row->uuid, r->uuid, sizeof(row->uuid));
	return row;
}

static void row_plan(const struct stretch *s, struct row *row,
	const struct plan *p, const struct sketch *r)
{
	row->plan = (uint16_t)(p - s->f->plan);
	years_of(p, r, row->year, &row->unknown);
}

/* What is read here counts as the series that it is of, and not at all where
 * that was not asked for.  Only who captured it can read it. */
static enum err_code on_sealed(
	struct stretch *s, const struct sketch *r, struct err *err)
{
	const struct log_info *log = &s->f->source[s->log].info;
	struct opened opened = {.text = BUF_EMPTY};
	const struct plan *p = NULL;
	struct sketch inner;
	struct row *row = NULL;
	enum err_code rc = ERR_OK;

	if (r->erased || !s->f->sealed)
		return ERR_OK;
	if (log->kind != LOG_OWN ||
		!due_sealed_open(
			s->f->node, log->id, r->seq, &opened, &inner)) {
		if (!(row = add_row(s, r, err)))
			rc = ERR_NOMEM;
	} else if ((p = plan_of(s, &inner)) && p->sealed) {
		if (!(row = add_row(s, &inner, err)))
			rc = ERR_NOMEM;
		else
			row_plan(s, row, p, &inner);
	}
	if (row)
		row->sealed_at = r->at;
	opened_free(&opened);
	return rc;
}

static enum err_code on_sketch(
	void *arg, const struct sketch *r, struct err *err)
{
	struct stretch *s = arg;
	const struct part *p = &r->part[LABEL_INTERNAL];
	const struct plan *plan = plan_of(s, r);
	struct row *row;

	if (plan) {
		if (!(row = add_row(s, r, err)))
			return ERR_NOMEM;
		row_plan(s, row, plan, r);
		return ERR_OK;
	}
	if (is_of(r, SERIES_SEALED))
		return on_sealed(s, r, err);
	if (is_of(r, REGISTER_SERIES) && (r->have & LABEL_BIT(LABEL_INTERNAL)))
		return due_told_read(&s->told, p->json, p->len,
			s->f->source[s->log].code, err);
	return is_of(r, "sys-policy") ? on_policy(s, r, err) : ERR_OK;
}

static void run_stretch(void *arg)
{
	struct stretch *s = arg;
	const struct sketch_visitor v = {wants, on_sketch, s};

	s->rc = store_sketch_each(s->f->node->store,
		s->f->source[s->log].info.id, s->from, s->to, &v, &s->err);
}

/* ---- the rules of then ---- */

static struct then *then_at(struct finding *f, uint64_t serial)
{
	for (size_t i = 0; i < f->then_count; i++)
		if (rules_serial(f->then[i].rules) == serial)
			return &f->then[i];
	return NULL;
}

static enum err_code then_load(
	struct finding *f, uint64_t serial, struct then **out, struct err *err)
{
	struct then t = {NULL, NULL, NULL};
	enum err_code rc;

	if (!grow(&f->then, &f->then_cap, f->then_count, sizeof(*f->then)))
		return err_nomem(err);
	if ((rc = node_rules_of(f->node, serial, &t.rules, err)))
		return rc;
	t.plan = calloc(f->plan_count, sizeof(*t.plan));
	t.looked = calloc(f->plan_count, sizeof(*t.looked));
	*out = &f->then[f->then_count++];
	**out = t;
	return t.plan && t.looked ? ERR_OK : err_nomem(err);
}

/* What those rules say of the series of a plan; NULL when it is unknown to
 * them. */
static const struct plan *then_plan(
	const struct finding *f, struct then *t, uint16_t plan)
{
	struct plan *p = &t->plan[plan];
	const struct series *s;

	if (!t->looked[plan]) {
		s = rules_series(t->rules, f->plan[plan].series->name);
		if (s)
			plan_make(p, s);
		t->looked[plan] = true;
	}
	return p->series ? p : NULL;
}

static bool same_anchors(const struct plan *p, const struct plan *q)
{
	const struct series *a = p->series, *b = q->series;

	if (p->r.ending != q->r.ending || p->r.anchored != q->r.anchored)
		return false;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		const char *x = a->anchor[l], *y = b->anchor[l];

		if (!x != !y || (x && strcmp(x, y)))
			return false;
	}
	return true;
}

struct again {
	const struct plan *plan;
	int16_t year[LABEL_COUNT];
	uint8_t unknown;
};

static uint8_t again_wants(void *arg, const struct sketch *r)
{
	const struct again *a = arg;

	(void)r;
	return a->plan->wants;
}

static enum err_code again_years(
	void *arg, const struct sketch *r, struct err *err)
{
	struct again *a = arg;

	(void)err;
	years_of(a->plan, r, a->year, &a->unknown);
	return ERR_OK;
}

static enum err_code again_sealed(const struct finding *f, struct again *a,
	const struct row *r, struct err *err)
{
	struct opened opened = {.text = BUF_EMPTY};
	struct sketch inner;
	enum err_code rc = ERR_OK;

	if (due_sealed_open(f->node, f->source[r->log].info.id, r->seq, &opened,
		    &inner))
		rc = again_years(a, &inner, err);
	else
		for (unsigned l = 0; l < LABEL_COUNT; l++)
			a->year[l] = RETENTION_OPEN;
	opened_free(&opened);
	return rc;
}

/* When the parts of a record may go by the rules of before, where its newest
 * revision is `newest`. */
static enum err_code due_then(struct finding *f, const struct plan *then,
	const struct row *newest, int64_t due[LABEL_COUNT], struct err *err)
{
	struct again a = {.plan = then};
	const struct sketch_visitor v = {again_wants, again_years, &a};
	int year[LABEL_COUNT];
	enum err_code rc;

	memcpy(a.year, newest->year, sizeof(a.year));
	if (same_anchors(then, &f->plan[newest->plan]))
		rc = ERR_OK;
	else if (newest->sealed_at)
		rc = again_sealed(f, &a, newest, err);
	else
		rc = store_sketch_each(f->node->store,
			f->source[newest->log].info.id, newest->seq,
			newest->seq + 1, &v, err);
	if (rc)
		return rc;
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		year[l] = a.year[l];
	retention_of(&then->r, year, due);
	return ERR_OK;
}

/* ---- revisions ---- */

/* The newest revision of each id that has more than one: open addressing. */
struct newest {
	const struct row **slot;
	size_t mask; /* slots - 1, or 0 with no slots */
};

static size_t slot_of(const struct newest *n, const uint8_t uuid[UUID_SIZE])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < UUID_SIZE; i++)
		h = (h ^ uuid[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 29) & n->mask;
}

static const struct row **newest_at(
	const struct newest *n, const uint8_t uuid[UUID_SIZE])
{
	size_t i = slot_of(n, uuid);

	while (n->slot[i] && memcmp(n->slot[i]->uuid, uuid, UUID_SIZE))
		i = (i + 1) & n->mask;
	return &n->slot[i];
}

/* A later log of the node holds what was entered again: of two of a number one
 * counts whose anchors are known. */
static enum err_code newest_make(
	const struct rows *rows, struct newest *n, struct err *err)
{
	size_t count = 0, slots = 16;

	for (size_t i = 0; i < rows->count; i++)
		count += rows->at[i].rev > 1;
	if (!count)
		return ERR_OK;
	while (slots < 2 * count)
		slots *= 2;
	if (!(n->slot = calloc(slots, sizeof(*n->slot))))
		return err_nomem(err);
	n->mask = slots - 1;
	for (size_t i = 0; i < rows->count; i++) {
		const struct row **at;

		if (rows->at[i].rev <= 1)
			continue;
		at = newest_at(n, rows->at[i].uuid);
		if (!*at || (*at)->rev < rows->at[i].rev ||
			((*at)->rev == rows->at[i].rev && (*at)->unknown))
			*at = &rows->at[i];
	}
	return ERR_OK;
}

static const struct row *newest_of(const struct newest *n, const struct row *r)
{
	const struct row *newest = n->slot ? *newest_at(n, r->uuid) : NULL;

	return newest && newest->rev > r->rev ? newest : r;
}

/* ---- groups ---- */

/* The group that was added to last, for each plan and label. */
struct filing {
	size_t *last; /* number + 1, by plan and label; 0 for none */
	size_t first; /* groups before it are of other logs */
	const struct stretch *stretch;
	size_t stretches;
};

/* A part of a row that may go. */
struct ending {
	enum label label;
	int start; /* the year that its period began with */
	int64_t since;
	const char *period;
};

static const char *series_of(const struct finding *f, const struct row *r)
{
	return r->plan == NO_PLAN ? SERIES_SEALED
				  : f->plan[r->plan].series->name;
}

static bool is_group(const struct due_group *g, const char *origin,
	const char *series, bool sealed, const struct ending *e)
{
	return g->since == e->since && g->label == e->label &&
		g->sealed == sealed && !strcmp(g->series, series) &&
		!strcmp(g->period, e->period) && !strcmp(g->origin, origin);
}

static struct due_group *group_of(struct finding *f, struct filing *fi,
	const struct row *r, const struct ending *e)
{
	size_t plan = r->plan == NO_PLAN ? f->plan_count : r->plan;
	size_t *last = &fi->last[plan * LABEL_COUNT + e->label];
	const char *origin = f->source[r->log].info.origin;
	const char *series = series_of(f, r);
	bool sealed = r->sealed_at != 0;
	struct due *d = f->out;
	struct due_group *g = *last ? &d->group[*last - 1] : NULL;

	if (g && is_group(g, origin, series, sealed, e))
		return g;
	for (size_t i = fi->first; i < d->count; i++) {
		if (!is_group(&d->group[i], origin, series, sealed, e))
			continue;
		*last = i + 1;
		return &d->group[i];
	}
	if (!grow(&d->group, &d->cap, d->count, sizeof(*d->group)))
		return NULL;
	g = &d->group[d->count++];
	*g = (struct due_group){.label = e->label,
		.sealed = sealed,
		.since = e->since,
		.first_year = time_year(r->at),
		.last_year = time_year(r->at)};
	snprintf(g->origin, sizeof(g->origin), "%s", origin);
	snprintf(g->series, sizeof(g->series), "%s", series);
	snprintf(g->period, sizeof(g->period), "%s", e->period);
	*last = d->count;
	return g;
}

static enum err_code group_add(struct finding *f, struct filing *fi,
	const struct row *r, const struct ending *e, struct err *err)
{
	struct due_group *g = group_of(f, fi, r, e);
	int year = time_year(r->at);
	struct due_range *last;

	if (!g)
		return err_nomem(err);
	if (year < g->first_year)
		g->first_year = year;
	if (year > g->last_year)
		g->last_year = year;
	if (e->start > g->start)
		g->start = e->start;
	g->count++;
	f->out->parts++;
	last = g->range_count ? &g->range[g->range_count - 1] : NULL;
	if (last && last->to == r->seq) {
		last->to++;
		return ERR_OK;
	}
	if (!grow(&g->range, &g->range_cap, g->range_count, sizeof(*g->range)))
		return err_nomem(err);
	g->range[g->range_count++] = (struct due_range){r->seq, r->seq + 1};
	return ERR_OK;
}

/* ---- judging ---- */

/* What the rules at capture ask, on top of what holds now. */
static enum err_code add_then(struct finding *f, uint64_t serial,
	const struct row *r, const struct row *newest, int64_t due[LABEL_COUNT],
	const char *period[LABEL_COUNT], bool *known, struct err *err)
{
	int64_t other[LABEL_COUNT];
	struct then *then = then_at(f, serial);
	const struct plan *p;
	enum err_code rc;

	*known = true;
	/* A single entry does not tell the rules of its time. */
	if (serial == 0 || serial == rules_serial(f->rules))
		return ERR_OK;
	if (!then && (rc = then_load(f, serial, &then, err))) {
		*known = false;
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	}
	if (!(p = then_plan(f, then, r->plan)))
		return ERR_OK;
	if ((rc = due_then(f, p, newest, other, err)))
		return rc;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (other[l] <= due[l] || !(p->r.labels & LABEL_BIT(l)))
			continue;
		due[l] = other[l];
		period[l] = p->series->retention[l];
	}
	return ERR_OK;
}

/* Counts a record that nobody can say of when it may go. */
static void count_open(struct due *d, const struct row *newest,
	const int year[LABEL_COUNT], uint8_t labels)
{
	uint8_t open = 0;

	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if ((labels & LABEL_BIT(l)) && year[l] == RETENTION_OPEN)
			open |= LABEL_BIT(l);
	d->open += open != 0;
	d->unknown += (open & newest->unknown) != 0;
}

static uint8_t past(const int64_t due[LABEL_COUNT], int64_t now, uint8_t labels)
{
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (due[l] > now)
			labels &= (uint8_t)~LABEL_BIT(l);
	return labels;
}

/* Without the labels whose part holds the anchor of one that stays. */
static uint8_t without_needed(
	const struct plan *p, const struct row *r, uint8_t labels)
{
	uint8_t stay = p->r.ending & (uint8_t) ~(labels | r->gone);

	for (unsigned i = 0; i < LABEL_COUNT; i++)
		for (unsigned l = 0; l < LABEL_COUNT; l++)
			if (stay & p->r.anchored & LABEL_BIT(l))
				stay |= LABEL_BIT(p->r.of[l]);
	return labels & (uint8_t)~stay;
}

/* A hold may name a sealed record by what everybody knows of it, or by what
 * only its node does. */
static bool is_held(const struct finding *f, const struct row *r)
{
	const struct due_options *o = f->opt;
	const char *origin = f->source[r->log].info.origin;

	if (!o->held)
		return false;
	if (r->plan != NO_PLAN &&
		o->held(o->arg, origin, r->seq, f->plan[r->plan].series->name,
			r->at))
		return true;
	return r->sealed_at &&
		o->held(o->arg, origin, r->seq, SERIES_SEALED, r->sealed_at);
}

static enum err_code file_row(struct finding *f, struct filing *fi,
	const struct row *r, const struct ending *e, size_t count,
	struct err *err)
{
	enum err_code rc = ERR_OK;

	if (count && is_held(f, r)) {
		f->out->held += count;
		return ERR_OK;
	}
	for (size_t i = 0; i < count && !rc; i++)
		rc = group_add(f, fi, r, &e[i], err);
	return rc;
}

/* The parts of a row that may go; of a sealed one the message, when all that is
 * in it may. */
static size_t endings_of(const struct finding *f, const struct row *r,
	const int year[LABEL_COUNT], uint8_t labels,
	const int64_t due[LABEL_COUNT], const char *const period[LABEL_COUNT],
	struct ending out[LABEL_COUNT])
{
	const struct plan *p = &f->plan[r->plan];
	enum label longest = LABEL_SENSITIVE;
	size_t count = 0;

	if (r->sealed_at) {
		if (due_sealed_of(&p->r, due, &longest) > f->opt->now)
			return 0;
		out[0] = (struct ending){LABEL_SENSITIVE, year[longest] + 1,
			due[longest], period[longest]};
		return 1;
	}
	labels = without_needed(p, r, past(due, f->opt->now, labels));
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (labels & LABEL_BIT(l))
			out[count++] = (struct ending){
				(enum label)l, year[l] + 1, due[l], period[l]};
	return count;
}

/* A sealed record that cannot be read here: may it go, as its own node told? */
static enum err_code judge_closed(struct finding *f, struct filing *fi,
	const struct row *r, struct err *err)
{
	const struct due_options *o = f->opt;
	const struct due_told_range *t = NULL;
	struct ending e;

	if (o->automatic || (o->series && strcmp(o->series, SERIES_SEALED)))
		return ERR_OK;
	for (size_t i = 0; i < fi->stretches && !t; i++)
		t = due_told_of(&fi->stretch[i].told,
			f->source[r->log].info.origin, r->seq);
	f->out->records++;
	if (!t || t->since > o->now) {
		f->out->open++;
		f->out->unknown++;
		return ERR_OK;
	}
	e = (struct ending){LABEL_SENSITIVE, t->start, t->since, t->period};
	return file_row(f, fi, r, &e, 1, err);
}

static enum err_code judge_row(struct finding *f, struct filing *fi,
	const struct newest *n, const struct row *r, uint64_t serial,
	struct err *err)
{
	const struct plan *p = &f->plan[r->plan];
	const struct row *newest = newest_of(n, r);
	struct ending ending[LABEL_COUNT];
	const char *period[LABEL_COUNT];
	int64_t due[LABEL_COUNT];
	int year[LABEL_COUNT];
	uint8_t labels =
		r->sealed_at ? p->r.ending : p->wanted & (uint8_t)~r->gone;
	bool known;
	enum err_code rc;

	if (!labels)
		return ERR_OK;
	f->out->records++;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		year[l] = newest->plan == r->plan ? newest->year[l]
						  : RETENTION_OPEN;
		period[l] = p->series->retention[l];
	}
	count_open(f->out, newest, year, labels);
	retention_of(&p->r, year, due);
	if (!past(due, f->opt->now, labels))
		return ERR_OK;
	if ((rc = add_then(f, serial, r, newest, due, period, &known, err)))
		return rc;
	if (!known) {
		f->out->unknown++;
		return ERR_OK;
	}
	return file_row(f, fi, r, ending,
		endings_of(f, r, year, labels, due, period, ending), err);
}

/* The serial in force at a record: the last sys-policy before it. */
struct following {
	const struct stretch *s; /* all stretches of the node's logs */
	size_t count, at, next;
	uint32_t log;
	uint64_t serial;
};

static uint64_t serial_at(struct following *w, const struct row *r)
{
	for (; w->at < w->count; w->at++, w->next = 0) {
		const struct stretch *s = &w->s[w->at];

		if (s->log > r->log)
			break;
		if (s->log != w->log) {
			w->log = s->log;
			w->serial = 0;
		}
		for (; w->next < s->heads.count &&
			(s->log < r->log || s->heads.at[w->next].seq < r->seq);
			w->next++)
			w->serial = s->heads.at[w->next].serial;
		if (s->log == r->log && r->seq < s->to)
			break;
	}
	return w->log == r->log ? w->serial : 0;
}

static enum err_code judge_rows(struct finding *f, const struct stretch *s,
	size_t count, const struct rows *rows, struct err *err)
{
	struct filing fi = {
		.first = f->out->count, .stretch = s, .stretches = count};
	struct following w = {.s = s, .count = count, .log = UINT32_MAX};
	struct newest n = {NULL, 0};
	enum err_code rc;

	if (!(fi.last = calloc(
		      (f->plan_count + 1) * LABEL_COUNT, sizeof(*fi.last))))
		return err_nomem(err);
	rc = newest_make(rows, &n, err);
	for (size_t i = 0; i < rows->count && !rc; i++) {
		uint64_t serial = serial_at(&w, &rows->at[i]);

		rc = rows->at[i].plan == NO_PLAN
			? judge_closed(f, &fi, &rows->at[i], err)
			: judge_row(f, &fi, &n, &rows->at[i], serial, err);
	}
	free(fi.last);
	free(n.slot);
	return rc;
}

/* ---- the logs of one node ---- */

static size_t stretches_of(const struct source *s)
{
	return (size_t)(s->info.size / STRETCH) + 1;
}

static enum err_code gather(
	struct stretch *s, size_t count, struct rows *all, struct err *err)
{
	size_t rows = 0;

	for (size_t i = 0; i < count; i++) {
		if (s[i].rc) {
			if (err)
				*err = s[i].err;
			return s[i].rc;
		}
		rows += s[i].rows.count;
	}
	if (!(all->at = calloc(rows + 1, sizeof(*all->at))))
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		if (s[i].rows.count)
			memcpy(all->at + all->count, s[i].rows.at,
				s[i].rows.count * sizeof(*all->at));
		all->count += s[i].rows.count;
		free(s[i].rows.at);
		s[i].rows = (struct rows){NULL, 0, 0};
	}
	return ERR_OK;
}

static enum err_code find_in(struct finding *f, struct pool *pool,
	uint32_t first, uint32_t end, struct err *err)
{
	struct rows all = {NULL, 0, 0};
	struct stretch *s;
	size_t count = 0, at = 0;
	enum err_code rc;

	for (uint32_t i = first; i < end; i++)
		count += stretches_of(&f->source[i]);
	if (!(s = calloc(count, sizeof(*s))))
		return err_nomem(err);
	for (uint32_t i = first; i < end; i++) {
		size_t of = stretches_of(&f->source[i]);

		for (size_t k = 0; k < of; k++)
			s[at++] = (struct stretch){.f = f,
				.log = i,
				.from = k * STRETCH,
				/* behind it stand single entries */
				.to = k + 1 < of ? (k + 1) * STRETCH
						 : UINT64_MAX};
	}
	if (pool && count > 1)
		pool_each(pool, run_stretch, s, sizeof(*s), count);
	else
		for (size_t i = 0; i < count; i++)
			run_stretch(&s[i]);
	if (!(rc = gather(s, count, &all, err)))
		rc = judge_rows(f, s, count, &all, err);
	for (size_t i = 0; i < count; i++) {
		free(s[i].rows.at);
		free(s[i].heads.at);
		due_told_free(&s[i].told);
	}
	free(s);
	free(all.at);
	return rc;
}

static enum err_code add_source(
	void *arg, const struct log_info *log, struct err *err)
{
	struct finding *f = arg;
	struct source s = {.info = *log};

	if (!log_code(log->origin, s.code) ||
		(f->opt->from && !code_within(s.code, f->opt->from)))
		return ERR_OK;
	if (!grow(&f->source, &f->source_cap, f->source_count,
		    sizeof(*f->source)))
		return err_nomem(err);
	f->source[f->source_count++] = s;
	return ERR_OK;
}

/* The logs of a node stand together, in the order in which they came. */
static int by_code(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	int c = strcmp(x->code, y->code);

	return c ? c : (x->info.id > y->info.id) - (x->info.id < y->info.id);
}

static int by_group(const void *a, const void *b)
{
	const struct due_group *x = a, *y = b;
	int c;

	if ((c = strcmp(x->origin, y->origin)) ||
		(c = strcmp(x->series, y->series)))
		return c;
	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	return strcmp(x->period, y->period);
}

static enum err_code find_all(
	struct finding *f, struct pool *pool, struct err *err)
{
	uint32_t end;
	enum err_code rc = make_plans(f, err);

	if (rc || (!f->plan_count && !f->sealed) ||
		(rc = store_log_each(f->node->store, add_source, f, err)) ||
		!f->source_count)
		return rc;
	qsort(f->source, f->source_count, sizeof(*f->source), by_code);
	for (uint32_t at = 0; at < f->source_count && !rc; at = end) {
		for (end = at + 1; end < f->source_count &&
			!strcmp(f->source[at].code, f->source[end].code);
			end++)
			;
		rc = find_in(f, pool, at, end, err);
	}
	if (!rc && f->out->count)
		qsort(f->out->group, f->out->count, sizeof(*f->out->group),
			by_group);
	return rc;
}

enum err_code due_find(struct node *n, const struct rules *rules,
	struct pool *pool, const struct due_options *opt, struct due *out,
	struct err *err)
{
	struct due d = {.count = 0};
	struct finding f = {.node = n, .rules = rules, .opt = opt, .out = &d};
	enum err_code rc = find_all(&f, pool, err);

	for (size_t i = 0; i < f.then_count; i++) {
		rules_unref(f.then[i].rules);
		free(f.then[i].plan);
		free(f.then[i].looked);
	}
	free(f.then);
	free(f.source);
	free(f.plan);
	if (rc)
		due_free(&d);
	else
		*out = d;
	return rc;
}

void due_free(struct due *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->group[i].range);
	free(d->group);
	*d = (struct due){.count = 0};
}
