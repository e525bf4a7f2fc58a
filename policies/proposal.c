/* proposal.c - the register of what is to be destroyed, and its order. */
#include "policies/proposal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/register.h"

#define DAY_S 86400

/* ---- what fits ---- */

/* So much of groups stands below a sequence. */
struct amount {
	uint64_t parts;
	size_t ranges;
};

static struct amount below(
	const struct due_group *g, size_t count, uint64_t end)
{
	struct amount a = {0, 0};

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < g[i].range_count; k++) {
			const struct due_range *r = &g[i].range[k];

			if (r->from >= end)
				break;
			a.parts += (r->to < end ? r->to : end) - r->from;
			a.ranges++;
		}
	}
	return a;
}

static bool fits(const struct amount *taken, const struct amount *more)
{
	return taken->parts + more->parts <= PROPOSAL_PARTS_LIMIT &&
		taken->ranges + more->ranges <= PROPOSAL_RANGES_LIMIT;
}

/* The greatest sequence below which all fits. */
static uint64_t end_of(
	const struct due_group *g, size_t count, const struct amount *taken)
{
	uint64_t lo = 0, hi = TREE_SIZE_LIMIT;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo + 1) / 2;
		struct amount a = below(g, count, mid);

		if (fits(taken, &a))
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

static void cut(struct due_group *g, uint64_t end)
{
	size_t i;

	g->count = 0;
	for (i = 0; i < g->range_count && g->range[i].from < end; i++) {
		if (g->range[i].to > end)
			g->range[i].to = end;
		g->count += g->range[i].to - g->range[i].from;
	}
	g->range_count = i;
}

/* Groups [at, *end) are of one log and series. */
static size_t set_end(const struct due *due, size_t at)
{
	size_t end = at + 1;

	while (end < due->count &&
		!strcmp(due->group[end].origin, due->group[at].origin) &&
		!strcmp(due->group[end].series, due->group[at].series))
		end++;
	return end;
}

/* A record is taken with all its labels or not at all, and its older revisions
 * before the newer ones: what tells when the rest may go goes last. */
enum err_code proposal_make(const struct rules *rules, const char *node,
	const char *reason, int64_t as_of, struct due *due,
	struct proposal *out, struct err *err)
{
	struct proposal p = {.reason = reason, .rules = rules, .as_of = as_of};
	struct amount taken = {0, 0};
	uint64_t all = due->parts;
	bool full = false;

	if (!due->count)
		return err_set(
			err, ERR_NOT_FOUND, "nothing may be destroyed by now");
	snprintf(p.node, sizeof(p.node), "%s", node);
	for (size_t at = 0, end; at < due->count; at = end) {
		uint64_t to = 0;
		struct amount a;

		end = set_end(due, at);
		if (!full && end <= PROPOSAL_GROUPS_LIMIT)
			to = end_of(due->group + at, end - at, &taken);
		full = to != TREE_SIZE_LIMIT;
		a = below(due->group + at, end - at, to);
		taken.parts += a.parts;
		taken.ranges += a.ranges;
		for (size_t i = at; i < end; i++) {
			struct due_group *g = &due->group[i];
			const struct series *s = rules_series(rules, g->series);

			cut(g, to);
			if (!g->count) {
				free(g->range);
				continue;
			}
			p.accounts = p.accounts || (s && s->accounts);
			/* Registers are read where nobody can read that. */
			if (g->sealed)
				snprintf(g->series, sizeof(g->series), "%s",
					SERIES_SEALED);
			due->group[p.due.count++] = *g;
		}
	}
	p.due.group = due->group;
	p.due.cap = due->cap;
	p.due.parts = taken.parts;
	p.left = all - taken.parts;
	*due = (struct due){.count = 0};
	*out = p;
	return ERR_OK;
}

void proposal_free(struct proposal *p)
{
	due_free(&p->due);
	*p = (struct proposal){.left = 0};
}

/* ---- JSON ---- */

/* Whole years, or days where the period is one of days. */
static void kept(const struct proposal *p, const struct due_group *g,
	struct period *period, uint64_t *count)
{
	int64_t since = year_start(g->start);

	if (!period_parse(g->period, period))
		period->unit = PERIOD_YEARS;
	if (since > p->as_of)
		*count = 0;
	else if (period->unit == PERIOD_DAYS)
		*count = (uint64_t)(p->as_of - since) / DAY_S;
	else
		*count = (uint64_t)(time_year(p->as_of) - g->start);
}

/* Labels of the parts that keep a masked value of what is destroyed: those that
 * are not in the register for the same records. */
static uint8_t derived_in(const struct proposal *p, const struct due_group *g)
{
	const struct series *s = rules_series(p->rules, g->series);
	uint8_t labels = 0;

	for (size_t i = 0; s && i < s->field_count; i++) {
		const struct field *f = &s->fields[i];

		if (f->derive != DERIVE_NONE && f->label == g->label)
			labels |= LABEL_BIT(f->derive_label);
	}
	for (size_t i = 0; i < p->due.count; i++) {
		const struct due_group *o = &p->due.group[i];

		if (o->since <= g->since && o->count >= g->count &&
			!strcmp(o->origin, g->origin) &&
			!strcmp(o->series, g->series))
			labels &= (uint8_t)~LABEL_BIT(o->label);
	}
	return labels;
}

static const struct node_info *source_of(const struct proposal *p,
	const struct due_group *g, char code[CODE_SIZE])
{
	const char *at = origin_code(g->origin);

	snprintf(code, CODE_SIZE, "%.12s", at ? at : "");
	return rules_node(p->rules, code);
}

struct json *due_ranges_json(const struct due_group *g)
{
	struct json *all = json_new_array();

	for (size_t i = 0; all && i < g->range_count; i++) {
		struct json *one = json_new_array();
		bool made = json_append(one, json_new_u64(g->range[i].from)) &&
			json_append(one, json_new_u64(g->range[i].to));

		if (!made)
			json_free(one);
		if (!made || !json_append(all, one)) {
			json_free(all);
			return NULL;
		}
	}
	return all;
}

static bool set_day(struct json *v, const char *name, int64_t t)
{
	char day[TIME_TEXT_SIZE];

	time_format(t, day);
	return json_set(v, name, json_new_string(day, 10));
}

static struct json *row_json(const struct proposal *p, size_t row)
{
	const struct due_group *g = &p->due.group[row];
	const struct series *s = rules_series(p->rules, g->series);
	struct json *v = json_new_object();
	const struct node_info *node;
	char code[CODE_SIZE];
	struct period period;
	uint64_t count;

	node = source_of(p, g, code);
	kept(p, g, &period, &count);
	if (json_set(v, "archive_no", json_new_text("")) &&
		json_set(v, "book", json_new_text("")) &&
		json_set(v, "count", json_new_u64(g->count)) &&
		json_set(v, "destroyed_at", json_new_text("")) &&
		json_set(v, "first_year",
			json_new_u64((uint64_t)g->first_year)) &&
		json_set(v,
			period.unit == PERIOD_DAYS ? "kept_days" : "kept_years",
			json_new_u64(count)) &&
		json_set(v, "label", json_new_text(label_name(g->label))) &&
		json_set(
			v, "last_year", json_new_u64((uint64_t)g->last_year)) &&
		json_set(v, "masked_in", labels_json(derived_in(p, g))) &&
		json_set(v, "name",
			json_new_text(s && s->title ? s->title : g->series)) &&
		json_set(v, "origin", json_new_text(g->origin)) &&
		json_set(v, "period", json_new_text(g->period)) &&
		json_set(v, "seqs", due_ranges_json(g)) &&
		json_set(v, "series", json_new_text(g->series)) &&
		set_day(v, "since", g->since) &&
		json_set(v, "source", json_new_text(node ? node->name : "")) &&
		json_set(v, "volume", json_new_text("")))
		return v;
	json_free(v);
	return NULL;
}

enum err_code proposal_json(
	const struct proposal *p, struct buf *out, struct err *err)
{
	struct json *v = json_new_object(), *rows = json_new_array();
	const struct node_info *unit = rules_node(p->rules, p->node);
	enum err_code rc = ERR_OK;
	bool made = v && rows;

	for (size_t i = 0; made && i < p->due.count; i++)
		made = json_append(rows, row_json(p, i));
	made = made && set_day(v, "as_of", p->as_of) &&
		json_set(v, "accounts", json_new_bool(p->accounts)) &&
		json_set(v, "count", json_new_u64(p->due.parts)) &&
		json_set(v, "domain", json_new_text(rules_domain(p->rules))) &&
		json_set(v, "node", json_new_text(p->node)) &&
		json_set(v, "reason", json_new_text(p->reason)) &&
		json_set(v, "rules", json_new_u64(rules_serial(p->rules))) &&
		json_set(v, "unit", json_new_text(unit ? unit->name : ""));
	if (made) {
		made = json_set(v, "rows", rows);
		rows = NULL;
	}
	rc = made ? json_write(v, out, err) : err_nomem(err);
	json_free(rows);
	json_free(v);
	return rc ? rc : buf_ok(out, err);
}

/* ---- the order ---- */

enum err_code proposal_order(const struct proposal *p, const struct json *reg,
	const struct digest *holds, struct order *out, struct err *err)
{
	struct order o = {.part = NULL};
	enum err_code rc =
		order_new(ORDER_ERASE, p->rules, p->node, p->reason, &o, err);

	if (rc == ERR_OK && !(rc = register_parts(reg, &o, err))) {
		o.holds = *holds;
		o.has_register = true;
		o.accounts = p->accounts;
		o.not_before = o.made_at +
			(int64_t)rules_waiting_days(p->rules) * DAY_S;
		*out = o;
		return ERR_OK;
	}
	order_free(&o);
	return rc;
}
