/* incident.c - what an incident reaches, counted record by record, and told. */
#include "policies/incident_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/csv.h"
#include "policies/merge.h"
#include "policies/provision.h"
#include "policies/shape.h"

#define DAY_TEXT_LEN 10

void incident_fini(struct incident *in)
{
	for (size_t i = 0; i < in->group_count; i++)
		free(in->group[i].range);
	free(in->group);
	free(in->person);
	*in = (struct incident){.group_count = 0};
}

/* ---- people ---- */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, PERSON_KEY_SIZE);
}

/* Each once. */
static void settle_persons(struct incident *in)
{
	size_t n = 0;

	if (!in->person_count)
		return;
	qsort(in->person, in->person_count, PERSON_KEY_SIZE, by_bytes);
	for (size_t i = 1; i < in->person_count; i++)
		if (memcmp(in->person[n], in->person[i], PERSON_KEY_SIZE) != 0)
			memmove(in->person[++n], in->person[i],
				PERSON_KEY_SIZE);
	in->person_count = n + 1;
}

/* How far somebody can be told from others; the first byte of the key. */
enum known_by {
	BY_NUMBER, /* or a telephone */
	BY_NAME,   /* in one record */
};

static uint64_t persons_by(const struct incident *in, enum known_by by)
{
	uint64_t n = 0;

	for (size_t i = 0; i < in->person_count; i++)
		n += in->person[i][0] == (uint8_t)by;
	return n;
}

/* Told apart by a digest: no value is kept. */
static enum err_code add_person(struct incident *in, enum known_by by,
	const struct buf *who, struct err *err)
{
	struct digest d = digest_of(who->data, who->len);

	if (in->person_count == in->person_cap)
		settle_persons(in);
	if (!grow(&in->person, &in->person_cap, in->person_count,
		    PERSON_KEY_SIZE))
		return err_nomem(err);
	d.b[0] = (uint8_t)by;
	memcpy(in->person[in->person_count++], d.b, PERSON_KEY_SIZE);
	return ERR_OK;
}

struct looking {
	struct incident *incident;
	const struct incident_record *record;
	bool deep; /* somebody was found */
};

/* The first member of that type that says something. */
static const char *text_of(const struct shape *s, const struct json *object,
	enum field_type type, size_t *len)
{
	for (size_t i = 0; i < s->member_count; i++) {
		const struct shape *m = &s->members[i];
		const char *text;

		if (m->kind != SHAPE_VALUE || m->derived ||
			m->field->type != type)
			continue;
		text = json_string(json_get(object, m->name), len);
		if (text && *len)
			return text;
	}
	return NULL;
}

/* An identity number is one person.  Else a name, with the telephone beside it;
 * a name alone is another person in each record. */
static enum err_code add_named(struct looking *l, enum field_type type,
	const char *text, size_t len, const char *phone, size_t phone_len,
	struct err *err)
{
	struct buf who = BUF_EMPTY;
	enum known_by by = BY_NUMBER;
	enum err_code rc;

	buf_u8(&who, (uint8_t)type);
	buf_add(&who, text, len);
	buf_u8(&who, 0);
	if (type == TYPE_NAME && phone) {
		buf_add(&who, phone, phone_len);
	} else if (type == TYPE_NAME) {
		buf_add(&who, l->record->uuid, UUID_SIZE);
		by = BY_NAME;
	}
	if ((rc = buf_ok(&who, err)) == ERR_OK)
		rc = add_person(l->incident, by, &who, err);
	buf_wipe(&who);
	l->deep = true;
	return rc;
}

static enum err_code add_all_of(struct looking *l, const struct shape *s,
	const struct json *object, enum field_type type, const char *phone,
	size_t phone_len, bool *any, struct err *err)
{
	enum err_code rc = ERR_OK;

	*any = false;
	for (size_t i = 0; !rc && i < s->member_count; i++) {
		const struct shape *m = &s->members[i];
		const struct json *v = json_get(object, m->name);
		bool list = m->kind == SHAPE_LIST;
		size_t count = list ? json_count(v) : 1;

		if (!v || m->derived || (!list && m->kind != SHAPE_VALUE) ||
			m->field->type != type)
			continue;
		for (size_t k = 0; !rc && k < count; k++) {
			size_t len = 0;
			const char *t =
				json_string(list ? json_at(v, k) : v, &len);

			if (!t || !len)
				continue;
			*any = true;
			rc = add_named(l, type, t, len, phone, phone_len, err);
		}
	}
	return rc;
}

static enum err_code look_at(struct looking *l, const struct shape *s,
	const struct json *object, struct err *err);

static enum err_code look_below(struct looking *l, const struct shape *s,
	const struct json *object, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < s->member_count; i++) {
		const struct shape *m = &s->members[i];
		const struct json *v = json_get(object, m->name);

		if (m->kind == SHAPE_OBJECT && v)
			rc = look_at(l, m, v, err);
		for (size_t k = 0;
			m->kind == SHAPE_ROWS && !rc && k < json_count(v); k++)
			rc = look_at(l, m, json_at(v, k), err);
	}
	return rc;
}

/* Whom an object names, and what is in it. */
static enum err_code look_at(struct looking *l, const struct shape *s,
	const struct json *object, struct err *err)
{
	size_t phone_len = 0;
	const char *phone = text_of(s, object, TYPE_PHONE, &phone_len);
	bool any;
	enum err_code rc;

	rc = add_all_of(l, s, object, TYPE_ID_NO, NULL, 0, &any, err);
	if (!rc && !any)
		rc = add_all_of(
			l, s, object, TYPE_NAME, phone, phone_len, &any, err);
	if (!rc && !any && phone)
		rc = add_named(l, TYPE_PHONE, phone, phone_len, NULL, 0, err);
	return rc ? rc : look_below(l, s, object, err);
}

static enum err_code count_persons(
	struct incident *in, const struct incident_record *r, struct err *err)
{
	struct looking l = {.incident = in, .record = r};
	struct json *fields = NULL;
	struct record some = *r->parts;
	enum err_code rc;

	some.have &= r->labels;
	if (!r->series || !r->series->shape ||
		merge_parts(r->series, &some, MERGE_ALL, &fields, NULL)) {
		in->uncounted++;
		return ERR_OK;
	}
	rc = look_at(&l, r->series->shape, fields, err);
	json_free(fields);
	/* What is not here may name somebody whom the rest does not. */
	if (!l.deep && (r->labels & PROVISION_LABELS & ~some.have))
		in->uncounted++;
	return rc;
}

/* ---- records ---- */

void incident_log(struct incident *in, const char *origin)
{
	in->origin = origin;
	in->group_from = in->group_count;
}

static struct incident_group *group_of(
	struct incident *in, const char *series, enum label label, bool make)
{
	struct incident_group *g;

	for (size_t i = in->group_from; i < in->group_count; i++) {
		g = &in->group[i];
		if (g->label == label && !strcmp(g->series, series))
			return g;
	}
	if (!make ||
		!grow(&in->group, &in->group_cap, in->group_count, sizeof(*g)))
		return NULL;
	g = &in->group[in->group_count++];
	*g = (struct incident_group){.label = label};
	snprintf(g->origin, sizeof(g->origin), "%s", in->origin);
	snprintf(g->series, sizeof(g->series), "%s", series);
	return g;
}

static void widen(int64_t *first, int64_t *last, bool empty, int64_t at)
{
	if (empty || at < *first)
		*first = at;
	if (empty || at > *last)
		*last = at;
}

static enum err_code add_to(struct incident_group *g,
	const struct incident_record *r, struct err *err)
{
	if (g->apart || !g->range_count) {
		if (!grow(&g->range, &g->range_cap, g->range_count,
			    sizeof(*g->range)))
			return err_nomem(err);
		g->range[g->range_count++][0] = r->seq;
	}
	g->apart = false;
	g->range[g->range_count - 1][1] = r->seq + 1;
	widen(&g->first, &g->last, !g->count, r->at);
	g->count++;
	return ERR_OK;
}

enum err_code incident_add(
	struct incident *in, const struct incident_record *r, struct err *err)
{
	uint8_t labels = r->labels & (uint8_t)~r->gone;
	enum err_code rc = ERR_OK;

	in->destroyed +=
		(uint64_t)__builtin_popcount((unsigned)(r->labels & r->gone));
	for (unsigned l = 0; !rc && l < LABEL_COUNT; l++) {
		bool here = labels & LABEL_BIT(l);
		struct incident_group *g =
			group_of(in, r->name, (enum label)l, here);

		if (here)
			rc = g ? add_to(g, r, err) : err_nomem(err);
		else if (g && (r->missed | r->gone) & LABEL_BIT(l))
			g->apart = true;
	}
	if (rc || !labels)
		return rc;
	widen(&in->first, &in->last, !in->records, r->at);
	in->records++;
	return labels & PROVISION_LABELS ? count_persons(in, r, err) : ERR_OK;
}

/* ---- telling ---- */

static struct json *new_day(int64_t at)
{
	char text[TIME_TEXT_SIZE];

	time_format(at, text);
	return json_new_string(text, DAY_TEXT_LEN);
}

/* The kinds of data: what the rules call the fields of a label. */
static struct json *new_fields(const struct series *s, enum label label)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && s && i < s->field_count; i++) {
		const struct field *f = &s->fields[i];

		if (f->label == label &&
			!json_append(v,
				json_new_text(f->title ? f->title : f->path)))
			goto failed;
	}
	return v;
failed:
	json_free(v);
	return NULL;
}

static struct json *new_ranges(const struct incident_group *g)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < g->range_count; i++) {
		struct json *pair = json_new_array();

		if (!pair || !json_append(pair, json_new_u64(g->range[i][0])) ||
			!json_append(pair, json_new_u64(g->range[i][1]))) {
			json_free(pair);
			pair = NULL;
		}
		if (!json_append(v, pair)) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

static struct json *new_group(
	const struct rules *rules, const struct incident_group *g)
{
	const struct series *s = rules ? rules_series(rules, g->series) : NULL;
	struct json *v = json_new_object();

	if (v && json_set(v, "count", json_new_u64(g->count)) &&
		json_set(v, "fields", new_fields(s, g->label)) &&
		json_set(v, "first", new_day(g->first)) &&
		json_set(v, "label", json_new_text(label_name(g->label))) &&
		json_set(v, "last", new_day(g->last)) &&
		json_set(v, "origin", json_new_text(g->origin)) &&
		json_set(v, "ranges", new_ranges(g)) &&
		json_set(v, "series", json_new_text(g->series)) &&
		json_set(v, "title",
			json_new_text(s && s->title ? s->title : g->series)))
		return v;
	json_free(v);
	return NULL;
}

static int by_place(const void *x, const void *y)
{
	const struct incident_group *a = x, *b = y;
	int d = strcmp(a->origin, b->origin);

	if (!d)
		d = strcmp(a->series, b->series);
	return d ? d : (int)a->label - (int)b->label;
}

static struct json *new_data(struct incident *in)
{
	struct json *v = json_new_array();

	if (in->group_count)
		qsort(in->group, in->group_count, sizeof(*in->group), by_place);
	for (size_t i = 0; v && i < in->group_count; i++) {
		if (!json_append(v, new_group(in->rules, &in->group[i]))) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

enum err_code incident_json(struct incident *in, struct json *about,
	struct json *given, struct json **out, struct err *err)
{
	struct json *v = json_new_object();
	char now[TIME_TEXT_SIZE];
	bool ok;

	settle_persons(in);
	time_format(time_now(), now);
	/* Each is taken, whatever comes of it. */
	ok = json_set(v, "about", about);
	ok = json_set(v, "given", given) && ok;
	if (ok && json_set(v, "at", json_new_text(now)) &&
		json_set(v, "damaged", json_new_u64(in->damaged)) &&
		json_set(v, "data", new_data(in)) &&
		json_set(v, "destroyed", json_new_u64(in->destroyed)) &&
		(!in->records ||
			(json_set(v, "first", new_day(in->first)) &&
				json_set(v, "last", new_day(in->last)))) &&
		json_set(
			v, "mentions", json_new_u64(persons_by(in, BY_NAME))) &&
		json_set(v, "persons",
			json_new_u64(persons_by(in, BY_NUMBER))) &&
		json_set(v, "records", json_new_u64(in->records)) &&
		json_set(v, "uncounted", json_new_u64(in->uncounted))) {
		*out = v;
		return ERR_OK;
	}
	json_free(v);
	return err_nomem(err);
}

/* ---- CSV ---- */

static void add_cell(struct buf *out, const char *text, size_t len)
{
	if (out->len && out->data[out->len - 1] == '"')
		buf_u8(out, ',');
	csv_cell(text, len, out);
}

static void add_member(
	struct buf *out, const struct json *row, const char *name)
{
	const char *s = json_get_string(row, name);

	add_cell(out, s ? s : "", s ? strlen(s) : 0);
}

static void add_number(struct buf *out, uint64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)n);

	add_cell(out, text, (size_t)len);
}

static void list_fields(const struct json *row, struct buf *out)
{
	const struct json *fields = json_get(row, "fields");

	buf_clear(out);
	for (size_t i = 0; i < json_count(fields); i++) {
		const char *s = json_string(json_at(fields, i), NULL);

		buf_str(out, i ? "、" : "");
		buf_str(out, s ? s : "");
	}
}

/* The last number belongs to it, as people count. */
static void list_ranges(const struct json *row, struct buf *out)
{
	const struct json *ranges = json_get(row, "ranges");

	buf_clear(out);
	for (size_t i = 0; i < json_count(ranges); i++) {
		const struct json *r = json_at(ranges, i);
		uint64_t from = 0, to = 1;

		(void)json_u64(json_at(r, 0), &from);
		(void)json_u64(json_at(r, 1), &to);
		buf_printf(
			out, "%s%llu", i ? "、" : "", (unsigned long long)from);
		if (to > from + 1)
			buf_printf(out, "至%llu", (unsigned long long)(to - 1));
	}
}

static void csv_row(const struct json *row, size_t number, struct buf *list,
	struct buf *out)
{
	uint64_t count = 0;

	(void)json_get_u64(row, "count", &count);
	add_number(out, number);
	add_member(out, row, "title");
	add_member(out, row, "series");
	add_member(out, row, "label");
	list_fields(row, list);
	add_cell(out, (const char *)list->data, list->len);
	add_number(out, count);
	add_member(out, row, "first");
	add_member(out, row, "last");
	add_member(out, row, "origin");
	list_ranges(row, list);
	add_cell(out, (const char *)list->data, list->len);
	buf_str(out, "\r\n");
}

enum err_code incident_csv(
	const struct json *report, struct buf *out, struct err *err)
{
	const struct json *data = json_get(report, "data");
	struct buf list = BUF_EMPTY;
	enum err_code rc;

	buf_str(out,
		"\xef\xbb\xbf序号,名称,类别,标签,数据项,条数,最早,最晚,"
		"日志,日志序号\r\n");
	for (size_t i = 0; i < json_count(data); i++)
		csv_row(json_at(data, i), i + 1, &list, out);
	rc = list.failed ? err_nomem(err) : buf_ok(out, err);
	buf_free(&list);
	return rc;
}
