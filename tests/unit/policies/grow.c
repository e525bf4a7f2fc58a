/* grow.c - documents that a series takes, and documents that it must not. */
#include "tests/unit/policies/grow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policies/shape.h"

#define TEXT_SIZE 160

struct growth {
	uint64_t seed;
	enum spoil spoil;
	size_t at, values;
	bool spoiled;
};

static uint32_t below(struct growth *g, uint32_t n)
{
	g->seed = g->seed * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (uint32_t)(g->seed >> 33) % n;
}

/* ---- values ---- */

static void digits(struct growth *g, char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s[i] = (char)('0' + below(g, 10));
	s[n] = '\0';
}

static void grow_date(struct growth *g, unsigned first, unsigned years, char *s)
{
	snprintf(s, TEXT_SIZE, "%04u-%02u-%02u", first + below(g, years),
		1 + below(g, 12), 1 + below(g, 28));
}

/* A region that no province has: nobody's. */
static void grow_id_no(struct growth *g, char *s)
{
	static const unsigned weight[17] = {
		7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	unsigned sum = 0;

	snprintf(s, TEXT_SIZE, "99%04u%04u%02u%02u%03u", below(g, 10000),
		1930 + below(g, 95), 1 + below(g, 12), 1 + below(g, 28),
		below(g, 1000));
	for (size_t i = 0; i < 17; i++)
		sum += (unsigned)(s[i] - '0') * weight[i];
	s[17] = "10X98765432"[sum % 11];
	s[18] = '\0';
}

static void grow_uscc(struct growth *g, char *s)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
	unsigned sum = 0, weight = 1;

	strcpy(s, "5");
	digits(g, s + 1, 7);
	for (size_t i = 8; i < 17; i++)
		s[i] = alphabet[below(g, 31)];
	for (size_t i = 0; i < 17; i++, weight = weight * 3 % 31)
		sum += (unsigned)(strchr(alphabet, s[i]) - alphabet) * weight;
	s[17] = alphabet[(31 - sum % 31) % 31];
	s[18] = '\0';
}

static void grow_card(struct growth *g, char *s)
{
	size_t len = 16 + below(g, 4);
	unsigned sum = 0;

	digits(g, s, len);
	for (size_t i = 1; i < len; i++) {
		unsigned d = (unsigned)(s[len - 1 - i] - '0') << (i % 2);

		sum += d > 9 ? d - 9 : d;
	}
	s[len - 1] = (char)('0' + (10 - sum % 10) % 10);
}

static void grow_phone(struct growth *g, char *s)
{
	switch (below(g, 4)) {
	case 0:
		strcpy(s, "0571-8");
		digits(g, s + 6, 7);
		break;
	case 1:
		s[0] = '\0';
		break;
	default:
		strcpy(s, "13");
		digits(g, s + 2, 9);
	}
}

static void grow_words(struct growth *g, char *s, size_t least, size_t most)
{
	static const char *const words[] = {"某", "甲", "乙", "春", "水", "山",
		"文", "一", "🌾", "𠮷", "Ab", "7"};
	size_t count = least + below(g, (uint32_t)(most - least + 1));

	s[0] = '\0';
	for (size_t i = 0; i < count; i++)
		strcat(s, words[below(g, ARRAY_LEN(words))]);
}

static void grow_text(struct growth *g, const struct field *f, char *s)
{
	static const char *const places[] = {"三墩镇", "转塘街道象山社区",
		"双浦镇小叔房村", "西湖区", "文三路"};
	size_t choices = 0;

	switch (f->type) {
	case TYPE_DATE:
		grow_date(g, 1930, 100, s);
		break;
	case TYPE_TIME:
		grow_date(g, 2000, 30, s);
		snprintf(s + 10, TEXT_SIZE - 10, "T%02u:%02u:%02u+08:00",
			below(g, 24), below(g, 60), below(g, 60));
		break;
	case TYPE_NAME:
		grow_words(g, s, 1, 4);
		break;
	case TYPE_ADDRESS:
		strcpy(s, places[below(g, ARRAY_LEN(places))]);
		snprintf(s + strlen(s), TEXT_SIZE - strlen(s), "%u组%u号",
			below(g, 20), below(g, 200));
		break;
	case TYPE_ID_NO:
		grow_id_no(g, s);
		break;
	case TYPE_PHONE:
		grow_phone(g, s);
		break;
	case TYPE_DIVISION:
		strcpy(s, below(g, 2) ? "330106110201" : "330106000000");
		break;
	case TYPE_USCC:
		grow_uscc(g, s);
		break;
	case TYPE_BANK_CARD:
		grow_card(g, s);
		break;
	case TYPE_CHOICE:
		while (f->choices[choices])
			choices++;
		strcpy(s, f->choices[below(g, (uint32_t)choices)]);
		break;
	case TYPE_STRING:
	case TYPE_TEXT:
	case TYPE_INTEGER:
	case TYPE_NUMBER:
	case TYPE_BOOLEAN:
	case TYPE_MONEY:
		grow_words(g, s, 0, 12);
		if (f->type == TYPE_TEXT)
			strcat(s, "\n“甲” 乙\\\n");
	}
}

/* As tired hands type it: digits wide, spaces before, behind and between. */
static struct json *typed(
	struct growth *g, const struct field *f, const char *s)
{
	bool code = f->type == TYPE_ID_NO || f->type == TYPE_PHONE ||
		f->type == TYPE_USCC || f->type == TYPE_BANK_CARD ||
		f->type == TYPE_DIVISION || f->type == TYPE_DATE ||
		f->type == TYPE_TIME;
	bool tidy = code || f->type == TYPE_NAME || f->type == TYPE_ADDRESS ||
		f->type == TYPE_CHOICE;
	char out[8 * TEXT_SIZE] = "";
	size_t used = 0;

	if (!tidy || below(g, 2))
		return json_new_text(s);
	used = (size_t)snprintf(
		out, sizeof(out), "%s", below(g, 2) ? "　" : "");
	for (; *s; s++) {
		bool wide = f->type != TYPE_CHOICE && *s >= '0' && *s <= '9' &&
			below(g, 2);

		bool small = *s >= 'A' && *s <= 'Z' && below(g, 2) &&
			(f->type == TYPE_ID_NO || f->type == TYPE_USCC);

		if (wide)
			used += (size_t)snprintf(out + used, sizeof(out) - used,
				"\xef\xbc%c", 0x90 + (*s - '0'));
		else
			out[used++] = small ? (char)(*s + 'a' - 'A') : *s;
		if (code && below(g, 8) == 0)
			out[used++] = ' ';
	}
	strcpy(out + used, below(g, 2) ? " " : "");
	return json_new_text(out);
}

static struct json *grow_number(struct growth *g, const struct field *f)
{
	double n = (double)below(g, 1000000) - 1000;

	return json_new_number(f->type == TYPE_NUMBER ? n / 8 : n);
}

static void grow_good(struct growth *g, const struct field *f,
	struct json **given, struct json **stored)
{
	char s[TEXT_SIZE];

	if (f->type == TYPE_BOOLEAN) {
		*stored = json_new_bool(below(g, 2));
	} else if (f->type == TYPE_INTEGER || f->type == TYPE_NUMBER ||
		f->type == TYPE_MONEY) {
		*stored = grow_number(g, f);
	} else {
		grow_text(g, f, s);
		*given = typed(g, f, s);
		*stored = json_new_text(s);
		return;
	}
	*given = json_copy(*stored);
}

/* Of the right kind, and not of the type. */
static struct json *bad_value(const struct field *f)
{
	switch (f->type) {
	case TYPE_INTEGER:
	case TYPE_MONEY:
		return json_new_number(0.5);
	case TYPE_NUMBER:
	case TYPE_BOOLEAN:
		return json_new_text("1");
	case TYPE_STRING:
		return json_new_text("一\n二");
	case TYPE_TEXT:
		return json_new_text("一\x01二");
	case TYPE_DATE:
		return json_new_text("2025-02-29");
	case TYPE_TIME:
		return json_new_text("2026-04-22T24:00:00+08:00");
	case TYPE_NAME:
	case TYPE_ADDRESS:
		return json_new_text("　 ");
	case TYPE_ID_NO:
		return json_new_text("110105194912310021");
	case TYPE_PHONE:
		return json_new_text("12800000000");
	case TYPE_DIVISION:
		return json_new_text("990106110201");
	case TYPE_CHOICE:
		return json_new_text("没有这一项");
	case TYPE_USCC:
		return json_new_text("91310115MA1H8R7C6D");
	case TYPE_BANK_CARD:
		return json_new_text("6222021234567890123");
	}
	return NULL;
}

static struct json *other_kind(const struct field *f)
{
	struct json *v = json_new_array();

	assert_true(json_append(v, bad_value(f)));
	return v;
}

/* ---- documents ---- */

/* Is it the turn of this value, and can it be? */
static bool spoils(struct growth *g, const struct shape *m)
{
	bool can = g->spoil != SPOIL_NOTHING && g->values == g->at;

	g->values++;
	if (g->spoil == SPOIL_MISSING)
		can = can && m->required && m->kind == SHAPE_VALUE;
	if (g->spoil == SPOIL_DERIVED)
		can = can && m->field->derive != DERIVE_NONE;
	g->spoiled |= can;
	return can;
}

static void set(struct json *object, const char *name, struct json *v)
{
	assert_true(json_set(object, name, v));
}

/* The value in `given`, NULL for none; what stands beside it is set here. */
static struct json *spoiled(
	struct growth *g, const struct shape *m, struct json *beside)
{
	char name[FIELD_PATH_SIZE + 8];

	switch (g->spoil) {
	case SPOIL_NULL:
		return json_new_null();
	case SPOIL_VALUE:
		return bad_value(m->field);
	case SPOIL_HOLLOW:
		return json_new_object();
	case SPOIL_MISSING:
		return NULL;
	case SPOIL_UNKNOWN:
		set(beside, "religion", json_new_text("x"));
		return json_new_text("x");
	case SPOIL_DERIVED:
		snprintf(name, sizeof(name), "%s_masked", m->name);
		set(beside, name, json_new_text("*"));
		return json_new_text("x");
	case SPOIL_KIND:
	case SPOIL_NOTHING:
		break;
	}
	return other_kind(m->field);
}

static void grow_object(struct growth *g, const struct shape *shape, bool full,
	struct json *given, struct json *stored);

static void grow_value(struct growth *g, const struct shape *m,
	struct json *given, struct json *stored)
{
	struct json *in = NULL, *out = NULL;
	bool spoil = spoils(g, m);

	grow_good(g, m->field, &in, &out);
	if (spoil) {
		json_free(in);
		in = spoiled(g, m, given);
	}
	if (in)
		set(given, m->name, in);
	set(stored, m->name, out);
}

static void grow_list(struct growth *g, const struct shape *m,
	struct json *given, struct json *stored)
{
	struct json *a = json_new_array(), *b = json_new_array();

	for (size_t count = below(g, 4); count > 0; count--) {
		struct json *in = NULL, *out = NULL;
		bool spoil = spoils(g, m);

		grow_good(g, m->field, &in, &out);
		if (spoil) {
			json_free(in);
			in = spoiled(g, m, given);
		}
		assert_true(json_append(a, in));
		assert_true(json_append(b, out));
	}
	set(given, m->name, a);
	set(stored, m->name, b);
}

static void grow_rows(struct growth *g, const struct shape *m,
	struct json *given, struct json *stored)
{
	struct json *a = json_new_array(), *b = json_new_array();

	for (size_t count = below(g, 4); count > 0; count--) {
		struct json *x = json_new_object(), *y = json_new_object();

		grow_object(g, m, false, x, y);
		assert_true(json_append(a, x));
		assert_true(json_append(b, y));
	}
	set(given, m->name, a);
	set(stored, m->name, b);
}

static void grow_member(struct growth *g, const struct shape *m,
	struct json *given, struct json *stored)
{
	struct json *x, *y;

	switch (m->kind) {
	case SHAPE_VALUE:
		grow_value(g, m, given, stored);
		break;
	case SHAPE_LIST:
		grow_list(g, m, given, stored);
		break;
	case SHAPE_ROWS:
		grow_rows(g, m, given, stored);
		break;
	case SHAPE_OBJECT:
		x = json_new_object();
		y = json_new_object();
		grow_object(g, m, false, x, y);
		set(given, m->name, x);
		set(stored, m->name, y);
		break;
	case SHAPE_FILES:
		break;
	}
}

/* Whatever is required, the rest by chance, but never nothing. */
static void grow_object(struct growth *g, const struct shape *shape, bool full,
	struct json *given, struct json *stored)
{
	const struct shape *any = NULL;

	for (size_t i = 0; i < shape->member_count; i++) {
		const struct shape *m = &shape->members[i];

		if (m->derived || m->kind == SHAPE_FILES)
			continue;
		any = m;
		if (m->required || full || below(g, 4) > 0)
			grow_member(g, m, given, stored);
	}
	if (json_count(stored) == 0)
		grow_member(g, any, given, stored);
}

void grow_fields(const struct series *s, uint64_t seed, enum spoil spoil,
	size_t at, struct grown *out)
{
	struct growth g = {.seed = seed, .spoil = spoil, .at = at};

	/* neighbouring seeds differ from the first value on */
	for (unsigned i = 0; i < 4; i++)
		(void)below(&g, 1);
	out->given = json_new_object();
	out->stored = json_new_object();
	grow_object(&g, s->shape, below(&g, 4) == 0, out->given, out->stored);
	out->values = g.values;
	out->spoiled = g.spoiled;
}

void grown_free(struct grown *g)
{
	json_free(g->given);
	json_free(g->stored);
}

/* ---- what the parts of some labels show ---- */

struct showing {
	const char *at;
	uint8_t labels;
};

static bool shown(const struct showing *w, const struct shape *m, bool minor)
{
	enum label label = m->label;

	if (minor && label == LABEL_PERSONAL)
		label = LABEL_SENSITIVE;
	return w->labels & LABEL_BIT(label);
}

static bool about_minor(const struct showing *w, const struct shape *shape,
	const struct json *object)
{
	for (size_t i = 0; i < shape->member_count; i++) {
		const struct shape *m = &shape->members[i];

		if (m->field && m->field->minors &&
			value_minor(m->field, json_get(object, m->name), w->at))
			return true;
	}
	return false;
}

static struct json *masked(
	const struct field *f, const struct json *raw, bool minor)
{
	struct buf b = BUF_EMPTY;
	size_t len = 0;
	const char *s = json_string(raw, &len);
	struct json *v;

	if (minor) {
		for (size_t n = utf8_count(s, len); n > 0; n--)
			buf_str(&b, "*");
	} else {
		value_mask(f->type, s, len, &b);
	}
	v = json_new_text(buf_cstr(&b));
	buf_free(&b);
	return v;
}

static struct json *show_object(const struct showing *w,
	const struct shape *shape, const struct json *object, bool minor);

static struct json *show_rows(const struct showing *w, const struct shape *m,
	const struct json *rows, bool minor)
{
	struct json *out = json_new_array();
	bool any = json_count(rows) == 0 && shown(w, m, minor);

	for (size_t i = 0; i < json_count(rows); i++) {
		struct json *v = show_object(w, m, json_at(rows, i), minor);

		any |= json_count(v) > 0;
		assert_true(json_append(out, v));
	}
	if (any)
		return out;
	json_free(out);
	return NULL;
}

static struct json *show_member(const struct showing *w, const struct shape *m,
	const struct json *object, bool minor)
{
	const struct json *v =
		json_get(object, m->derived ? m->source : m->name);
	struct json *out;

	if (!v)
		return NULL;
	if (m->kind == SHAPE_ROWS)
		return show_rows(w, m, v, minor);
	if (m->kind == SHAPE_OBJECT) {
		out = show_object(w, m, v, minor);
		if (json_count(out) > 0)
			return out;
		json_free(out);
		return NULL;
	}
	if (!shown(w, m, minor))
		return NULL;
	return m->derived ? masked(m->field, v, minor) : json_copy(v);
}

static struct json *show_object(const struct showing *w,
	const struct shape *shape, const struct json *object, bool minor)
{
	struct json *out = json_new_object();

	minor = minor || about_minor(w, shape, object);
	for (size_t i = 0; i < shape->member_count; i++) {
		struct json *v =
			show_member(w, &shape->members[i], object, minor);

		if (v)
			set(out, shape->members[i].name, v);
	}
	return out;
}

struct json *grow_shown(const struct series *s, const struct json *stored,
	const char *at, uint8_t labels)
{
	const struct showing w = {.at = at, .labels = labels};

	return show_object(&w, s->shape, stored, false);
}
