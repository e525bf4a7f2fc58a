/* aggregate_sum.c - what divisions told about a month, together. */
#include <stdlib.h>
#include <string.h>

#include "policies/aggregate.h"
#include "policies/logs.h"

static enum err_code read_part(
	const struct record *r, struct aggregate *out, struct err *err)
{
	const struct part *p = &r->part[LABEL_INTERNAL];

	if (!(r->have & LABEL_BIT(LABEL_INTERNAL)))
		return err_set(err, ERR_NOT_FOUND, "no counts in it");
	return aggregate_parse(p->json, p->len, out, err);
}

bool aggregate_about(const struct record *r, char series[SERIES_NAME_SIZE])
{
	struct aggregate a;

	if (read_part(r, &a, NULL))
		return false;
	memcpy(series, a.series, SERIES_NAME_SIZE);
	aggregate_free(&a);
	return true;
}

/* ---- one division's ---- */

struct looking {
	struct node *node;
	const char *code, *series, *month;
	bool found;
	struct aggregate a;
};

/* What a log of that division says; the first one, should there be two. */
static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct looking *l = arg;
	struct run run = {0};
	struct log_info info;
	char code[CODE_SIZE];
	enum err_code rc = store_log_by_id(l->node->store, log, &info, err);

	(void)rev;
	if (rc || l->found || !log_code(info.origin, code) ||
		strcmp(code, l->code) != 0)
		return rc;
	rc = store_read(l->node->store, log, seq, 1, LABEL_BIT(LABEL_INTERNAL),
		&run, err);
	/* What cannot be read is as if it were not here. */
	if (rc == ERR_OK && run.count &&
		read_part(&run.record[0], &l->a, NULL) == ERR_OK) {
		l->found = !strcmp(l->a.series, l->series) &&
			!strcmp(l->a.month, l->month);
		if (!l->found)
			aggregate_free(&l->a);
	}
	run_free(&run);
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* ---- adding ---- */

static void add_cell(
	struct aggregate_cell *to, const struct aggregate_cell *from)
{
	to->count += from->count;
	to->withheld += from->withheld;
}

static struct aggregate_cell *cell_at(
	struct aggregate_table *t, const char *value)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->cell[i].value, value))
			return &t->cell[i];
	if (!grow(&t->cell, &t->cap, t->count, sizeof(*t->cell)))
		return NULL;
	t->cell[t->count] = (struct aggregate_cell){.count = 0};
	memcpy(t->cell[t->count].value, value, strlen(value) + 1);
	return &t->cell[t->count++];
}

/* NULL where other divisions told of other fields, and there is no place. */
static struct aggregate_table *table_at(struct aggregate *a, const char *field)
{
	for (size_t i = 0; i < a->tables; i++)
		if (!strcmp(a->table[i].field, field))
			return &a->table[i];
	if (a->tables == AGGREGATE_FIELDS_LIMIT)
		return NULL;
	memcpy(a->table[a->tables].field, field, strlen(field) + 1);
	return &a->table[a->tables++];
}

static enum err_code add(
	struct aggregate *to, const struct aggregate *from, struct err *err)
{
	add_cell(&to->total, &from->total);
	for (size_t i = 0; i < from->tables; i++) {
		const struct aggregate_table *t = &from->table[i];
		struct aggregate_table *into = table_at(to, t->field);

		for (size_t k = 0; into && k < t->count; k++) {
			struct aggregate_cell *c =
				cell_at(into, t->cell[k].value);

			if (!c)
				return err_nomem(err);
			add_cell(c, &t->cell[k]);
		}
	}
	return ERR_OK;
}

/* ---- as JSON ---- */

static struct json *new_cells(const struct aggregate_table *t)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < t->count; i++) {
		const struct aggregate_cell *c = &t->cell[i];
		struct json *o = json_new_object();

		if (!json_set(o, "count", json_new_u64(c->count)) ||
			!json_set(o, "value", json_new_text(c->value)) ||
			!json_set(o, "withheld", json_new_u64(c->withheld))) {
			json_free(o);
			o = NULL;
		}
		if (!json_append(v, o)) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

static struct json *new_tables(const struct aggregate *a)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < a->tables; i++) {
		struct json *o = json_new_object();

		if (!json_set(o, "cells", new_cells(&a->table[i])) ||
			!json_set(
				o, "field", json_new_text(a->table[i].field))) {
			json_free(o);
			o = NULL;
		}
		if (!json_append(v, o)) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

static enum err_code sum_json(const struct aggregate *a, uint64_t divisions,
	const char *series, const char *month, struct json **out,
	struct err *err)
{
	struct json *v = json_new_object();

	if (json_set(v, "by", new_tables(a)) &&
		json_set(v, "divisions", json_new_u64(divisions)) &&
		json_set(v, "month", json_new_text(month)) &&
		json_set(v, "series", json_new_text(series)) &&
		json_set(v, "total", json_new_u64(a->total.count)) &&
		json_set(v, "withheld", json_new_u64(a->total.withheld))) {
		*out = v;
		return ERR_OK;
	}
	json_free(v);
	return err_nomem(err);
}

enum err_code aggregate_sum(struct node *n, const struct rules *rules,
	const char *series, const char *month, const char *from,
	struct json **out, struct err *err)
{
	struct aggregate sum = {.k = 0};
	uint64_t divisions = 0;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < rules_node_count(rules); i++) {
		const struct node_info *at = rules_node_at(rules, i);
		struct looking l = {.node = n,
			.code = at->code,
			.series = series,
			.month = month};
		uint8_t uuid[UUID_SIZE];

		if (!code_within(at->code, from))
			continue;
		aggregate_id(at->code, series, month, uuid);
		rc = store_find_id(n->store, uuid, on_revision, &l, err);
		if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
		if (rc == ERR_OK && l.found)
			rc = add(&sum, &l.a, err);
		divisions += l.found;
		aggregate_free(&l.a);
	}
	*out = NULL;
	if (rc == ERR_OK && divisions)
		rc = sum_json(&sum, divisions, series, month, out, err);
	aggregate_free(&sum);
	return rc;
}
