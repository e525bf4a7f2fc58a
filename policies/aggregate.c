/* aggregate.c - a node counts its own records of a month, and tells it once. */
#include "policies/aggregate.h"

#include <stdlib.h>
#include <string.h>

#include "policies/clock.h"
#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/orders.h"
#include "policies/retention.h"

/* A series that is counted, and the months of it that were not told yet. */
struct plan {
	const struct series *s;
	size_t name_len;
	uint8_t wants;	       /* labels whose parts tell the choices */
	bool before;	       /* a month before was told */
	int from;	       /* the first that is to be told */
	int base;	       /* the first of `out` */
	struct aggregate *out; /* a month each */
};

struct row {
	uint8_t uuid[UUID_SIZE];
	uint64_t seq;
	int64_t at;
	uint32_t rev, log;
	uint16_t plan;
	bool left; /* it does not count */
	int month;
	uint8_t cell[AGGREGATE_FIELDS_LIMIT];
};

struct telling {
	struct node *node;
	const struct rules *rules;
	int end; /* the month behind the last */
	struct plan *plan;
	size_t plan_count;
	struct row *row;
	size_t count, cap;
	uint32_t log; /* in hand */
	const struct plan *last;
	size_t told;
};

/* ---- what was not told yet ---- */

/* What was before the log began is not told of: a log before it may have told
 * it, with other counts. */
static enum err_code first_month(struct telling *t, int *out, struct err *err)
{
	char origin[ORIGIN_SIZE];
	struct log_info own;
	struct entry e;
	int64_t began;
	int first, least = t->end - AGGREGATE_MONTHS;
	enum err_code rc;

	node_origin(t->node, origin);
	if ((rc = store_log_find(t->node->store, origin, &own, err)) ||
		(rc = store_entry(t->node->store, own.id, 0, &e, err)))
		return rc;
	if (!time_parse(e.at, strlen(e.at), &began))
		return err_set(
			err, ERR_CORRUPT, "the own log has no beginning");
	first = aggregate_closed(began) + 1;
	*out = first > least ? first : least;
	return ERR_OK;
}

struct looking {
	struct node *node;
	bool there;
};

/* In a log of ours: others may choose the same id. */
static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct looking *l = arg;
	struct log_info info;
	char code[CODE_SIZE];
	enum err_code rc = store_log_by_id(l->node->store, log, &info, err);

	(void)seq;
	(void)rev;
	if (rc == ERR_OK && log_code(info.origin, code))
		l->there |= !strcmp(code, l->node->config.code);
	return rc;
}

static enum err_code was_told(const struct telling *t, const struct series *s,
	int month, bool *out, struct err *err)
{
	struct looking l = {.node = t->node};
	char text[AGGREGATE_MONTH_SIZE];
	uint8_t uuid[UUID_SIZE];
	enum err_code rc;

	aggregate_month_text(month, text);
	aggregate_id(t->node->config.code, s->name, text, uuid);
	rc = store_find_id(t->node->store, uuid, on_revision, &l, err);
	*out = l.there;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static struct aggregate *month_at(const struct plan *p, int month)
{
	return &p->out[month - p->base];
}

static void look_where(struct plan *p)
{
	for (size_t i = 0; i < p->s->aggregate.by_count; i++) {
		p->wants |= LABEL_BIT(p->s->aggregate.by[i]->label);
		/* Where the record is about a minor, what is personal is. */
		if (p->s->aggregate.by[i]->label == LABEL_PERSONAL)
			p->wants |= LABEL_BIT(LABEL_SENSITIVE);
	}
}

static enum err_code plan_series(
	struct telling *t, const struct series *s, int first, struct err *err)
{
	struct plan p = {.s = s, .name_len = strlen(s->name), .from = t->end};
	enum err_code rc = ERR_OK;

	while (p.from > first && !p.before) {
		if ((rc = was_told(t, s, p.from - 1, &p.before, err)))
			return rc;
		p.from -= !p.before;
	}
	if (p.from >= t->end)
		return ERR_OK;
	look_where(&p);
	p.base = p.from;
	p.out = calloc((size_t)(t->end - p.from), sizeof(*p.out));
	t->plan[t->plan_count++] = p;
	return p.out ? ERR_OK : err_nomem(err);
}

static enum err_code make_plans(struct telling *t, struct err *err)
{
	size_t count = rules_series_count(t->rules);
	int first;
	enum err_code rc = first_month(t, &first, err);

	if (rc == ERR_OK && !(t->plan = calloc(count + 1, sizeof(*t->plan))))
		rc = err_nomem(err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		const struct series *s = rules_series_at(t->rules, i);

		if (s->aggregate.k)
			rc = plan_series(t, s, first, err);
	}
	return rc;
}

/* ---- tables ---- */

/* A row for each choice, and the last for what is none of them. */
static enum err_code make_table(
	struct aggregate_table *out, const struct field *f, struct err *err)
{
	size_t count = 1;

	while (f->choices[count - 1])
		count++;
	if (!(out->cell = calloc(count, sizeof(*out->cell))))
		return err_nomem(err);
	out->count = out->cap = count;
	memcpy(out->field, f->path, sizeof(out->field));
	for (size_t i = 0; i + 1 < count; i++)
		strncpy(out->cell[i].value, f->choices[i],
			sizeof(out->cell[i].value) - 1);
	return ERR_OK;
}

static enum err_code make_month(
	const struct plan *p, int month, struct err *err)
{
	const struct aggregate_rule *rule = &p->s->aggregate;
	struct aggregate *a = month_at(p, month);
	enum err_code rc = ERR_OK;

	a->k = rule->k;
	memcpy(a->series, p->s->name, sizeof(a->series));
	aggregate_month_text(month, a->month);
	for (size_t i = 0; rc == ERR_OK && i < rule->by_count; i++)
		rc = make_table(&a->table[a->tables++], rule->by[i], err);
	return rc;
}

static enum err_code make_months(struct telling *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < t->plan_count; i++)
		for (int m = t->plan[i].from; rc == ERR_OK && m < t->end; m++)
			rc = make_month(&t->plan[i], m, err);
	return rc;
}

/* ---- going through the records ---- */

/* Records of a series mostly follow another. */
static const struct plan *plan_of(struct telling *t, const struct sketch *r)
{
	for (size_t i = 0; i <= t->plan_count; i++) {
		const struct plan *p = i ? &t->plan[i - 1] : t->last;

		if (p && p->name_len == r->series_len &&
			!memcmp(p->s->name, r->series, r->series_len))
			return t->last = p;
	}
	return NULL;
}

static bool is_asked(const struct telling *t, const struct plan *p, int month)
{
	return month >= p->from && month < t->end;
}

static uint8_t wants(void *arg, const struct sketch *r)
{
	const struct plan *p = plan_of(arg, r);

	return p && is_asked(arg, p, aggregate_month_of(r->at)) ? p->wants : 0;
}

static uint8_t cell_of(const struct sketch *r, const struct field *f)
{
	const struct part *p = &r->part[f->label];
	const char *value = NULL;
	size_t len = 0;
	uint8_t i = 0;
	bool found = (r->have & LABEL_BIT(f->label)) &&
		retention_find(p->json, p->len, f->path, &value, &len);

	p = &r->part[LABEL_SENSITIVE];
	if (!found && f->label == LABEL_PERSONAL &&
		(r->have & LABEL_BIT(LABEL_SENSITIVE)))
		found = retention_find(p->json, p->len, f->path, &value, &len);
	while (f->choices[i] &&
		!(found && strlen(f->choices[i]) == len &&
			!memcmp(f->choices[i], value, len)))
		i++;
	return i;
}

/* A revision that followed another takes its place, whenever it was. */
static enum err_code on_sketch(
	void *arg, const struct sketch *r, struct err *err)
{
	struct telling *t = arg;
	const struct plan *p = plan_of(t, r);
	int month = aggregate_month_of(r->at);
	struct row *row;

	if (!p || (r->rev == 1 && !is_asked(t, p, month)))
		return ERR_OK;
	if (!grow(&t->row, &t->cap, t->count, sizeof(*t->row)))
		return err_nomem(err);
	row = &t->row[t->count++];
	*row = (struct row){.seq = r->seq,
		.at = r->at,
		.rev = (uint32_t)(r->rev - 1),
		.log = t->log,
		.plan = (uint16_t)(p - t->plan),
		.left = r->erased || (r->here & p->wants & ~r->have),
		.month = month};
	memcpy(row->uuid, r->uuid, sizeof(row->uuid));
	for (size_t i = 0; i < p->s->aggregate.by_count; i++)
		row->cell[i] = cell_of(r, p->s->aggregate.by[i]);
	return ERR_OK;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct telling *t = arg;
	const struct sketch_visitor v = {wants, on_sketch, t};
	char code[CODE_SIZE];

	if (!log_code(log->origin, code) ||
		strcmp(code, t->node->config.code) != 0)
		return ERR_OK;
	t->log = log->id;
	return store_sketch_each(
		t->node->store, log->id, 0, UINT64_MAX, &v, err);
}

/* ---- counting ---- */

/* The newest revision of a record first; of what was entered again, the later
 * one. */
static int by_record(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = memcmp(x->uuid, y->uuid, sizeof(x->uuid));

	if (c)
		return c;
	if (x->rev != y->rev)
		return x->rev > y->rev ? -1 : 1;
	return (x->log < y->log) - (x->log > y->log);
}

static enum err_code is_restricted(const struct telling *t, const struct row *r,
	bool *out, struct err *err)
{
	struct restriction by;
	struct log_info log;
	struct entry e = {.rev = (uint64_t)r->rev + 1};
	enum err_code rc = store_log_by_id(t->node->store, r->log, &log, err);

	if (rc)
		return rc;
	memcpy(e.series, t->plan[r->plan].s->name, sizeof(e.series));
	memcpy(e.uuid, r->uuid, sizeof(e.uuid));
	time_format(r->at, e.at);
	rc = orders_restricted(t->node, log.origin, r->seq, &e, &by, err);
	*out = by.order[0] != '\0';
	return rc;
}

static enum err_code count_row(
	struct telling *t, const struct row *r, struct err *err)
{
	const struct plan *p = &t->plan[r->plan];
	struct aggregate *a;
	bool restricted;
	enum err_code rc;

	if (r->left || !is_asked(t, p, r->month))
		return ERR_OK;
	if ((rc = is_restricted(t, r, &restricted, err)) || restricted)
		return rc;
	a = month_at(p, r->month);
	a->total.count++;
	for (size_t i = 0; i < a->tables; i++)
		a->table[i].cell[r->cell[i]].count++;
	return ERR_OK;
}

static enum err_code count_rows(struct telling *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (t->count)
		qsort(t->row, t->count, sizeof(*t->row), by_record);
	for (size_t i = 0; rc == ERR_OK && i < t->count; i++)
		if (!i || memcmp(t->row[i].uuid, t->row[i - 1].uuid, UUID_SIZE))
			rc = count_row(t, &t->row[i], err);
	return rc;
}

/* ---- telling ---- */

/* Before the first record of all there is nothing to tell, but that the month
 * that just ended had none. */
static void skip_empty(struct plan *p, int end)
{
	while (!p->before && p->from + 1 < end &&
		!month_at(p, p->from)->total.count)
		p->from++;
}

static enum err_code tell_month(struct batch *b, struct node *n,
	const struct aggregate *a, struct err *err)
{
	struct system_place place = {.rev = 1};
	struct json *fields = NULL;
	struct receipt receipt;
	enum err_code rc = aggregate_write(a, &fields, err);

	aggregate_id(n->config.code, a->series, a->month, place.uuid);
	return rc ? rc
		  : system_revision(b, n, AGGREGATE_SERIES, &place, fields,
			    &receipt, err);
}

/* May run twice. */
static enum err_code tell_job(struct batch *b, void *arg, struct err *err)
{
	struct telling *t = arg;
	enum err_code rc = ERR_OK;

	t->told = 0;
	for (size_t i = 0; i < t->plan_count; i++) {
		const struct plan *p = &t->plan[i];

		for (int m = p->from; rc == ERR_OK && m < t->end; m++) {
			rc = tell_month(b, t->node, month_at(p, m), err);
			t->told++;
		}
	}
	return rc;
}

static void withhold_all(struct telling *t)
{
	for (size_t i = 0; i < t->plan_count; i++)
		for (int m = t->plan[i].from; m < t->end; m++)
			aggregate_withhold(month_at(&t->plan[i], m));
}

static enum err_code tell(struct telling *t, struct writer *w, struct err *err)
{
	enum err_code rc = make_plans(t, err);

	if (rc || !t->plan_count || (rc = make_months(t, err)) ||
		(rc = store_log_each(t->node->store, on_log, t, err)) ||
		(rc = count_rows(t, err)))
		return rc;
	for (size_t i = 0; i < t->plan_count; i++)
		skip_empty(&t->plan[i], t->end);
	withhold_all(t);
	return node_run_job(t->node, w, tell_job, t, err);
}

int64_t aggregate_now(struct node *n)
{
	struct rules *rules = node_rules(n);
	int64_t now = 0, known = orders_now(n);

	if (cosigned_now(n, rules, &now, NULL))
		now = 0;
	rules_unref(rules);
	return now > known ? now : known;
}

static void telling_free(struct telling *t)
{
	for (size_t i = 0; i < t->plan_count; i++) {
		struct plan *p = &t->plan[i];

		for (int m = p->base; p->out && m < t->end; m++)
			aggregate_free(month_at(p, m));
		free(p->out);
	}
	free(t->plan);
	free(t->row);
}

enum err_code aggregate_tell(struct node *n, struct writer *w, int64_t now,
	size_t *told, struct err *err)
{
	struct rules *rules = node_rules(n);
	struct telling t = {
		.node = n, .rules = rules, .end = aggregate_closed(now) + 1};
	enum err_code rc;

	/* Which are restricted has to be known. */
	if ((rc = orders_whole(n, err)) == ERR_OK)
		rc = tell(&t, w, err);
	if (rc == ERR_OK)
		*told = t.told;
	else
		rc = err_while(err, rc, "count the records of a month");
	telling_free(&t);
	rules_unref(rules);
	return rc;
}
