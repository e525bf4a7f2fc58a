/* incident_find.c - whom an incident reaches, from what this node holds: the
 * records, who may hold what of them, and the registers of what was given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/clearances.h"
#include "policies/exchange.h"
#include "policies/incident_inside.h"
#include "policies/logs.h"
#include "policies/noted.h"

/* What a register says that a consumer was given. */
struct window {
	const char *origin;
	enum label label;
	uint64_t from, end;
	uint64_t serial; /* of the rules of that day */
	struct rules *rules;
};
struct finding {
	struct node *node;
	struct rules *rules;
	const struct incident_ask *ask;
	struct incident incident;
	uint8_t uuid[UUID_SIZE]; /* INCIDENT_RECORD */
	struct noted noted;
	struct window *window;
	size_t window_count, window_cap;
	/* The log being read. */
	const struct log_info *log;
	char code[CODE_SIZE];
	/* Of the series that was met last. */
	char last[SERIES_NAME_SIZE];
	const struct series *series;
	uint8_t may;
	bool one_by_one; /* each record says itself where it goes down */
};

/* ---- what was given to a consumer ---- */

static bool is_subject(
	void *arg, const struct provision *p, const struct provision_item *what)
{
	const struct finding *f = arg;

	(void)what;
	switch (f->ask->kind) {
	case INCIDENT_NODE:
		return !p->consumer && !strcmp(p->to, f->ask->name);
	case INCIDENT_CONSUMER:
		return p->consumer && !strcmp(p->to, f->ask->name);
	case INCIDENT_RECORD:
	case INCIDENT_SERIES:
		break;
	}
	return true;
}

static bool day_is_asked(
	const struct incident_ask *ask, const struct noted_item *item)
{
	char text[TIME_TEXT_SIZE];
	int64_t at;

	snprintf(text, sizeof(text), "%.10sT00:00:00+08:00", item->day);
	return time_parse(text, strlen(text), &at) && at >= ask->from &&
		at < ask->to;
}

static int by_origin(const void *x, const void *y)
{
	const struct window *a = x, *b = y;
	int d = strcmp(a->origin, b->origin);

	if (!d && a->label != b->label)
		d = (int)a->label - (int)b->label;
	if (!d && a->serial != b->serial)
		d = a->serial < b->serial ? -1 : 1;
	if (!d && a->from != b->from)
		d = a->from < b->from ? -1 : 1;
	return d;
}

/* Days follow each other: of most there is one window in the end. */
static void join_windows(struct finding *f)
{
	size_t n = 0;

	if (!f->window_count)
		return;
	qsort(f->window, f->window_count, sizeof(*f->window), by_origin);
	for (size_t i = 1; i < f->window_count; i++) {
		struct window *at = &f->window[n], *next = &f->window[i];

		if (!strcmp(at->origin, next->origin) &&
			at->label == next->label &&
			at->serial == next->serial && next->from <= at->end) {
			if (next->end > at->end)
				at->end = next->end;
		} else {
			f->window[++n] = *next;
		}
	}
	f->window_count = n + 1;
}

static enum err_code add_windows(struct finding *f, size_t at, struct err *err)
{
	const struct noted_item *item = &f->noted.item[at];
	struct window w = {
		.origin = item->what.origin, .from = item->what.from};
	enum err_code rc = noted_serial(f->node, item, &w.serial, err);

	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
		if (!(item->what.labels & LABEL_BIT(l)))
			continue;
		if (!grow(&f->window, &f->window_cap, f->window_count,
			    sizeof(w)))
			return err_nomem(err);
		w.label = (enum label)l;
		w.end = noted_end(&f->noted, at, w.label);
		f->window[f->window_count++] = w;
	}
	return rc;
}

static enum err_code make_windows(struct finding *f, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < f->noted.count; i++)
		if (day_is_asked(f->ask, &f->noted.item[i]))
			rc = add_windows(f, i, err);
	join_windows(f);
	for (size_t i = 0; !rc && i < f->window_count; i++)
		rc = noted_rules(f->node, f->rules, f->window[i].serial,
			&f->window[i].rules, err);
	return rc;
}

static uint8_t given_to_consumer(
	const struct finding *f, uint64_t seq, const char *series)
{
	uint8_t labels = 0;

	for (size_t i = 0; i < f->window_count; i++) {
		const struct window *w = &f->window[i];

		if (seq >= w->from && seq < w->end &&
			!strcmp(w->origin, f->log->origin))
			labels |= LABEL_BIT(w->label) &
				noted_consumer_may(
					w->rules, f->ask->name, series);
	}
	return labels;
}

/* ---- which of a record ---- */

/* The labels of a series that it may reach at all. */
static void meet(struct finding *f, const struct sketch *r)
{
	if (r->series_len == strlen(f->last) &&
		!memcmp(f->last, r->series, r->series_len))
		return;
	memcpy(f->last, r->series, r->series_len);
	f->last[r->series_len] = '\0';
	f->series = rules_series(f->rules, f->last);
	f->may = f->series ? f->series->labels : LABEL_ALL;
	f->one_by_one = false;
	if (!strncmp(f->last, "sys-", 4) ||
		(f->ask->kind == INCIDENT_SERIES &&
			strcmp(f->last, f->ask->name) != 0))
		f->may = 0;
	if (f->ask->kind != INCIDENT_NODE || !strcmp(f->code, f->ask->name))
		return;
	f->may &= clearances_ever(
		f->node, f->rules, f->last, f->code, f->ask->name);
	f->one_by_one = f->may && f->series &&
		code_within(f->ask->name, f->code) &&
		f->series->reach == REACH_NODE;
}

static bool goes_there(const struct finding *f, const struct sketch *r)
{
	struct entry e;

	return store_entry(f->node->store, f->log->id, r->seq, &e, NULL) !=
		ERR_OK ||
		exchange_goes_down(f->rules, &e, f->ask->name);
}

static uint8_t reached(struct finding *f, const struct sketch *r)
{
	const struct incident_ask *ask = f->ask;

	meet(f, r);
	if (!f->may)
		return 0;
	if (ask->kind == INCIDENT_CONSUMER)
		return f->may & given_to_consumer(f, r->seq, f->last);
	if (r->at < ask->from || r->at >= ask->to ||
		(ask->kind == INCIDENT_RECORD &&
			memcmp(r->uuid, f->uuid, UUID_SIZE) != 0) ||
		(f->one_by_one && !goes_there(f, r)))
		return 0;
	return f->may;
}

/* Whether a part is empty is told by itself; one that is not here may not be.
 */
static uint8_t wants(void *arg, const struct sketch *r)
{
	return reached(arg, r) ? LABEL_ALL : 0;
}

static uint8_t empty_parts(const struct sketch *r)
{
	uint8_t empty = 0;

	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (r->have & LABEL_BIT(l) && r->part[l].len <= 2)
			empty |= LABEL_BIT(l);
	return empty;
}

static enum err_code see(void *arg, const struct sketch *r, struct err *err)
{
	struct finding *f = arg;
	uint8_t labels = reached(f, r);
	struct record parts = {.have = r->have};
	struct incident_record one = {.series = f->series,
		.name = f->last,
		.seq = r->seq,
		.at = r->at,
		.labels = labels & (uint8_t)~empty_parts(r),
		.missed = (uint8_t)~labels,
		.parts = &parts};

	one.gone = one.labels & r->erased;
	memcpy(one.uuid, r->uuid, UUID_SIZE);
	memcpy(parts.part, r->part, sizeof(parts.part));
	return incident_add(&f->incident, &one, err);
}

static enum err_code count_damaged(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct finding *f = arg;

	(void)from;
	(void)err;
	f->incident.damaged += count;
	return ERR_OK;
}

static enum err_code see_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct finding *f = arg;
	const struct sketch_visitor v = {wants, see, f};
	enum err_code rc;

	if (!log_code(log->origin, f->code))
		return ERR_OK;
	f->log = log;
	f->last[0] = '\0';
	incident_log(&f->incident, log->origin);
	rc = store_sketch_each(f->node->store, log->id, 0, UINT64_MAX, &v, err);
	return rc ? rc
		  : store_damaged_each(
			    f->node->store, log->id, count_damaged, f, err);
}

/* ---- who was given it ---- */

struct given {
	const struct noted_item *item; /* one of that recipient */
	const char *first, *last;
	uint8_t labels;
};

static bool reaches(
	const struct finding *f, const struct noted_item *item, uint8_t *labels)
{
	const struct incident *in = &f->incident;

	*labels = 0;
	for (size_t i = 0; i < in->group_count; i++) {
		const struct incident_group *g = &in->group[i];

		if (g->range_count && item->what.labels & LABEL_BIT(g->label) &&
			!strcmp(g->origin, item->what.origin) &&
			item->what.from < g->range[g->range_count - 1][1])
			*labels |= LABEL_BIT(g->label);
	}
	return *labels && day_is_asked(f->ask, item);
}

static struct json *new_given(const struct given *g)
{
	struct json *v = json_new_object();

	if (v &&
		json_set(v, g->item->consumer ? "consumer" : "to",
			json_new_text(g->item->to)) &&
		json_set(v, "first_day", json_new_text(g->first)) &&
		json_set(v, "last_day", json_new_text(g->last)) &&
		json_set(v, "labels", labels_json(g->labels)))
		return v;
	json_free(v);
	return NULL;
}

static struct given *given_of(
	struct given *list, size_t *count, const struct noted_item *item)
{
	for (size_t i = 0; i < *count; i++)
		if (list[i].item->consumer == item->consumer &&
			!strcmp(list[i].item->to, item->to))
			return &list[i];
	list[*count] = (struct given){item, item->day, item->day, 0};
	return &list[(*count)++];
}

/* Who was given any of it, and from which day to which. */
static struct json *tell_given(const struct finding *f)
{
	struct given *list = calloc(f->noted.count + 1, sizeof(*list));
	struct json *v = json_new_array();
	size_t count = 0;
	bool ok = list && v;

	for (size_t i = 0; ok && i < f->noted.count; i++) {
		const struct noted_item *item = &f->noted.item[i];
		struct given *g;
		uint8_t labels;

		if (!reaches(f, item, &labels))
			continue;
		g = given_of(list, &count, item);
		g->labels |= labels;
		if (strcmp(item->day, g->first) < 0)
			g->first = item->day;
		if (strcmp(item->day, g->last) > 0)
			g->last = item->day;
	}
	for (size_t i = 0; ok && i < count; i++)
		ok = json_append(v, new_given(&list[i]));
	free(list);
	if (ok)
		return v;
	json_free(v);
	return NULL;
}

/* ---- asking ---- */

static enum err_code find_record(struct finding *f, struct err *err)
{
	struct log_info log;
	struct entry e;
	uint64_t seq;
	enum err_code rc =
		point_find(f->node->store, &f->ask->point, &log, &seq, err);

	if (rc || (rc = store_entry(f->node->store, log.id, seq, &e, err)))
		return rc;
	memcpy(f->uuid, e.uuid, UUID_SIZE);
	return ERR_OK;
}

static enum err_code check_ask(struct finding *f, struct err *err)
{
	const char *name = f->ask->name;

	switch (f->ask->kind) {
	case INCIDENT_NODE:
		if (!rules_node(f->rules, name))
			return err_set(err, ERR_NOT_FOUND,
				"the rules have no division %s", name);
		return clearances_reach(f->node, f->rules, err);
	case INCIDENT_SERIES:
		if (!rules_series(f->rules, name))
			return err_set(err, ERR_NOT_FOUND,
				"the rules have no series %s", name);
		return ERR_OK;
	case INCIDENT_RECORD:
		return find_record(f, err);
	case INCIDENT_CONSUMER:
		break;
	}
	return ERR_OK;
}

/* A consumer that the rules do not have any more is known by its registers. */
static enum err_code check_consumer(const struct finding *f, struct err *err)
{
	if (f->ask->kind != INCIDENT_CONSUMER || f->noted.count ||
		rules_consumer_named(f->rules, f->ask->name))
		return ERR_OK;
	return err_set(err, ERR_NOT_FOUND,
		"neither the rules nor the registers here name a consumer %s",
		f->ask->name);
}

static struct json *new_about(const struct incident_ask *ask)
{
	static const char *const names[] = {
		[INCIDENT_NODE] = "node",
		[INCIDENT_CONSUMER] = "consumer",
		[INCIDENT_RECORD] = "record",
		[INCIDENT_SERIES] = "series",
	};
	struct json *v = json_new_object();

	if (json_set(v, names[ask->kind], json_new_text(ask->name)))
		return v;
	json_free(v);
	return NULL;
}

static void finding_fini(struct finding *f)
{
	for (size_t i = 0; i < f->window_count; i++)
		rules_unref(f->window[i].rules);
	free(f->window);
	noted_free(&f->noted);
	incident_fini(&f->incident);
	rules_unref(f->rules);
}

enum err_code incident_find(struct node *n, const struct incident_ask *ask,
	struct json **out, struct err *err)
{
	struct finding f = {.node = n, .rules = node_rules(n), .ask = ask};
	enum err_code rc;

	f.incident.rules = f.rules;
	if ((rc = check_ask(&f, err)) ||
		(rc = noted_read(n, is_subject, &f, &f.noted, err)) ||
		(rc = check_consumer(&f, err)) ||
		(ask->kind == INCIDENT_CONSUMER &&
			(rc = make_windows(&f, err))) ||
		(rc = store_log_each(n->store, see_log, &f, err)))
		goto out;
	rc = incident_json(
		&f.incident, new_about(ask), tell_given(&f), out, err);
out:
	finding_fini(&f);
	return rc;
}
