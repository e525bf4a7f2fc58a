/* aggregate_fields.c - which counts may be told, and the fields of a
 * sys-aggregate record, read and written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/aggregate.h"

#define DAY_S 86400

void aggregate_free(struct aggregate *a)
{
	for (size_t i = 0; i < a->tables; i++)
		free(a->table[i].cell);
	*a = (struct aggregate){.k = 0};
}

/* ---- which may be told ---- */

static void withhold(struct aggregate_cell *c)
{
	c->count = 0;
	c->withheld = 1;
}

/* Whoever knows the rule, the total and what is told can put the counts that
 * are withheld in any order: the same would be told.  One of them is k or more,
 * if any of the table is, and one is not; so of none it can be said whether it
 * is small.  That only holds if no place among them is better than another:
 * hence all that are equal to the least go with it, and zeros with the rest. */
static void withhold_table(struct aggregate_table *t, unsigned k)
{
	uint64_t least = UINT64_MAX;
	bool small = false;

	for (size_t i = 0; i < t->count; i++) {
		uint64_t count = t->cell[i].count;

		small |= count > 0 && count < k;
		if (count >= k && count < least)
			least = count;
	}
	for (size_t i = 0; small && i < t->count; i++)
		if (t->cell[i].count < k || t->cell[i].count == least)
			withhold(&t->cell[i]);
}

void aggregate_withhold(struct aggregate *a)
{
	if (a->total.count > 0 && a->total.count < a->k)
		withhold(&a->total);
	for (size_t i = 0; i < a->tables; i++)
		withhold_table(&a->table[i], a->k);
}

/* ---- months ---- */

int aggregate_month_of(int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return time_year(t) * 12 + (text[5] - '0') * 10 + (text[6] - '0') - 1;
}

void aggregate_month_text(int month, char out[AGGREGATE_MONTH_SIZE])
{
	unsigned m = month < 0 ? 0 : (unsigned)month;

	snprintf(out, AGGREGATE_MONTH_SIZE, "%04u-%02u", m / 12 % 10000,
		m % 12 + 1);
}

int aggregate_closed(int64_t now)
{
	return aggregate_month_of(now - AGGREGATE_DAYS * DAY_S) - 1;
}

bool aggregate_month_valid(const char *s)
{
	char text[TIME_TEXT_SIZE + AGGREGATE_MONTH_SIZE];
	int64_t t;

	if (strlen(s) != AGGREGATE_MONTH_SIZE - 1)
		return false;
	snprintf(text, sizeof(text), "%s-01T00:00:00+08:00", s);
	return time_parse(text, strlen(text), &t);
}

void aggregate_id(const char *code, const char *series, const char *month,
	uint8_t out[UUID_SIZE])
{
	const char *const lines[] = {AGGREGATE_SERIES, code, series, month};
	struct sha256 h;
	struct digest d;

	sha256_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		sha256_update(&h, lines[i], strlen(lines[i]));
		sha256_update(&h, "\n", 1);
	}
	d = sha256_final(&h);
	memcpy(out, d.b, UUID_SIZE);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

/* ---- writing ---- */

static struct json *new_cell(const struct aggregate_cell *c)
{
	struct json *v = json_new_object();

	if (v &&
		(c->withheld || json_set(v, "count", json_new_u64(c->count))) &&
		(!c->value[0] || json_set(v, "value", json_new_text(c->value))))
		return v;
	json_free(v);
	return NULL;
}

static struct json *new_table(const struct aggregate_table *t)
{
	struct json *v = json_new_object(), *cells = json_new_array();

	for (size_t i = 0; cells && i < t->count; i++) {
		if (!json_append(cells, new_cell(&t->cell[i]))) {
			json_free(cells);
			cells = NULL;
		}
	}
	if (json_set(v, "cells", cells) &&
		json_set(v, "field", json_new_text(t->field)))
		return v;
	json_free(v);
	return NULL;
}

static struct json *new_tables(const struct aggregate *a)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < a->tables; i++) {
		if (!json_append(v, new_table(&a->table[i]))) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

enum err_code aggregate_write(
	const struct aggregate *a, struct json **out, struct err *err)
{
	struct json *v = json_new_object();

	if (json_set(v, "by", new_tables(a)) &&
		json_set(v, "k", json_new_u64(a->k)) &&
		json_set(v, "month", json_new_text(a->month)) &&
		json_set(v, "series", json_new_text(a->series)) &&
		(a->total.withheld ||
			json_set(v, "total", json_new_u64(a->total.count)))) {
		*out = v;
		return ERR_OK;
	}
	json_free(v);
	return err_nomem(err);
}

/* ---- reading ---- */

static bool copy_text(const char *s, char *out, size_t size)
{
	if (!s || !*s || strlen(s) >= size)
		return false;
	memcpy(out, s, strlen(s) + 1);
	return true;
}

static bool read_count(const struct json *v, const char *name, unsigned k,
	struct aggregate_cell *out)
{
	if (!json_get(v, name)) {
		out->withheld = 1;
		return true;
	}
	return json_get_u64(v, name, &out->count) &&
		(out->count == 0 || out->count >= k);
}

static bool read_cell(
	const struct json *v, unsigned k, struct aggregate_table *t)
{
	struct aggregate_cell *c = &t->cell[t->count];

	if (json_kind(v) != JSON_KIND_OBJECT || !read_count(v, "count", k, c) ||
		(json_get(v, "value") &&
			!copy_text(json_get_string(v, "value"), c->value,
				sizeof(c->value))))
		return false;
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->cell[i].value, c->value))
			return false;
	t->count++;
	return true;
}

static enum err_code bad_table(size_t i, struct err *err)
{
	return err_set(
		err, ERR_INVALID, "counts of a month: table %zu is none", i);
}

static enum err_code read_table(
	const struct json *v, struct aggregate *a, struct err *err)
{
	const struct json *cells = json_get(v, "cells");
	size_t count =
		json_kind(cells) == JSON_KIND_ARRAY ? json_count(cells) : 0;
	struct aggregate_table *t = &a->table[a->tables];

	if (count == 0 || count > AGGREGATE_CELLS_LIMIT ||
		!copy_text(json_get_string(v, "field"), t->field,
			sizeof(t->field)))
		return bad_table(a->tables, err);
	for (size_t i = 0; i < a->tables; i++)
		if (!strcmp(a->table[i].field, t->field))
			return bad_table(a->tables, err);
	if (!(t->cell = calloc(count, sizeof(*t->cell))))
		return err_nomem(err);
	t->cap = count;
	a->tables++;
	for (size_t i = 0; i < count; i++)
		if (!read_cell(json_at(cells, i), a->k, t))
			return bad_table(a->tables - 1, err);
	return ERR_OK;
}

static enum err_code read_tables(
	const struct json *v, struct aggregate *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (json_kind(v) != JSON_KIND_ARRAY ||
		json_count(v) > AGGREGATE_FIELDS_LIMIT)
		return err_set(err, ERR_INVALID,
			"counts of a month: no list of at most %d tables",
			AGGREGATE_FIELDS_LIMIT);
	for (size_t i = 0; rc == ERR_OK && i < json_count(v); i++)
		rc = read_table(json_at(v, i), a, err);
	return rc;
}

static bool read_head(const struct json *v, struct aggregate *a)
{
	uint64_t k;

	if (!json_get_u64(v, "k", &k) || k < AGGREGATE_K_LEAST ||
		k > AGGREGATE_K_MOST ||
		!copy_text(json_get_string(v, "month"), a->month,
			sizeof(a->month)) ||
		!aggregate_month_valid(a->month) ||
		!copy_text(json_get_string(v, "series"), a->series,
			sizeof(a->series)))
		return false;
	a->k = (unsigned)k;
	return read_count(v, "total", a->k, &a->total);
}

enum err_code aggregate_parse(
	const void *text, size_t len, struct aggregate *out, struct err *err)
{
	struct aggregate a = {.k = 0};
	struct json *v = NULL;
	enum err_code rc = json_parse(text, len, PART_SIZE_LIMIT, &v, err);

	if (rc)
		return rc;
	if (!read_head(v, &a))
		rc = err_set(err, ERR_INVALID,
			"counts of a month: no k, month, series and total "
			"that belong together");
	else
		rc = read_tables(json_get(v, "by"), &a, err);
	json_free(v);
	if (rc == ERR_OK)
		*out = a;
	else
		aggregate_free(&a);
	return rc;
}
