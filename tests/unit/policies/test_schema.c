/* test_schema.c - what capture takes, the JSON Schema takes, and what it does
 * not, the schema refuses where it can; pages tell every field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>

#include "catalogue.h"
#include "grow.h"
#include "policies/schema.h"

/* ---- a small validator: just what our schemas say ---- */

static bool accepts(const struct json *schema, const struct json *v);

static bool has_name(const struct json *list, const char *name)
{
	for (size_t i = 0; i < json_count(list); i++) {
		if (!strcmp(json_string(json_at(list, i), NULL), name))
			return true;
	}
	return false;
}

static bool accepts_object(const struct json *schema, const struct json *v)
{
	const struct json *properties = json_get(schema, "properties");
	const struct json *required = json_get(schema, "required");
	const struct json *least = json_get(schema, "minProperties");
	const struct json *member;
	const char *name;
	void *at = NULL;

	if (json_kind(v) != JSON_KIND_OBJECT ||
		(least && json_count(v) < (size_t)json_number(least)))
		return false;
	for (size_t i = 0; i < json_count(required); i++) {
		if (!json_get(v, json_string(json_at(required, i), NULL)))
			return false;
	}
	while (json_next(v, &at, &name, &member)) {
		const struct json *s = json_get(properties, name);

		if (!s || !accepts(s, member))
			return false;
	}
	return true;
}

static bool accepts_array(const struct json *schema, const struct json *v)
{
	if (json_kind(v) != JSON_KIND_ARRAY ||
		json_count(v) >
			(size_t)json_number(json_get(schema, "maxItems")))
		return false;
	for (size_t i = 0; i < json_count(v); i++) {
		if (!accepts(json_get(schema, "items"), json_at(v, i)))
			return false;
	}
	return true;
}

static bool matches(const char *pattern, const char *s)
{
	regex_t re;
	bool is;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	is = regexec(&re, s, 0, NULL, 0) == 0;
	regfree(&re);
	return is;
}

static bool accepts_string(const struct json *schema, const struct json *v)
{
	const struct json *least = json_get(schema, "minLength");
	const struct json *most = json_get(schema, "maxLength");
	const struct json *choices = json_get(schema, "enum");
	const char *pattern = json_get_string(schema, "pattern");
	const char *constant = json_get_string(schema, "const");
	size_t len = 0, count;
	const char *s = json_string(v, &len);

	if (!s)
		return false;
	count = utf8_count(s, len);
	return (!least || count >= (size_t)json_number(least)) &&
		(!most || count <= (size_t)json_number(most)) &&
		(!choices || has_name(choices, s)) &&
		(!pattern || matches(pattern, s)) &&
		(!constant || !strcmp(constant, s));
}

static bool accepts_number(
	const struct json *schema, const struct json *v, bool whole)
{
	const struct json *least = json_get(schema, "minimum");
	const struct json *most = json_get(schema, "maximum");
	double n = json_number(v);

	return json_kind(v) == JSON_KIND_NUMBER &&
		(!whole || n == (double)(int64_t)n) &&
		(!least || n >= json_number(least)) &&
		(!most || n <= json_number(most));
}

static bool accepts(const struct json *schema, const struct json *v)
{
	const char *type = json_get_string(schema, "type");

	if (!type || !strcmp(type, "string"))
		return accepts_string(schema, v);
	if (!strcmp(type, "object"))
		return accepts_object(schema, v);
	if (!strcmp(type, "array"))
		return accepts_array(schema, v);
	if (!strcmp(type, "boolean"))
		return json_kind(v) == JSON_KIND_BOOL;
	return accepts_number(schema, v, !strcmp(type, "integer"));
}

/* ---- schemas ---- */

static struct json *schema_of(const struct series *s)
{
	struct buf text = BUF_EMPTY;
	struct json *v = NULL;
	struct err err;

	if (schema_write(s, &text, &err) ||
		json_parse_canonical(
			text.data, text.len, JSON_TEXT_LIMIT, &v, &err))
		fail_msg("%s: %s", s->name, err.text);
	buf_free(&text);
	return v;
}

static void check_sample(void *arg, const struct json *doc)
{
	const char *name = json_get_string(doc, "series");
	struct json *schema = schema_of(catalogue_find(arg, name));

	if (!accepts(schema, doc))
		fail_msg("%s: %s", name, json_get_string(doc, "id"));
	json_free(schema);
}

static void schemas_take_the_samples(void **state)
{
	assert_int_equal(sample_each(check_sample, *state), SAMPLE_SIZE);
}

static const struct json *fields_of(const struct json *schema)
{
	return json_get(json_get(schema, "properties"), "fields");
}

static void schemas_take_whatever_is_stored(void **state)
{
	const struct catalogue *c = *state;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		struct json *schema = schema_of(c->series[i]);

		for (uint64_t seed = 0; seed < 40; seed++) {
			struct grown g;

			grow_fields(c->series[i], seed, SPOIL_NOTHING, 0, &g);
			if (!accepts(fields_of(schema), g.stored))
				fail_msg("%s, seed %llu", c->series[i]->name,
					(unsigned long long)seed);
			grown_free(&g);
		}
		json_free(schema);
	}
}

/* Check digits and real dates are beyond a schema; shapes are not. */
static void schemas_refuse_what_has_another_shape(void **state)
{
	static const enum spoil shapes[] = {SPOIL_KIND, SPOIL_NULL,
		SPOIL_MISSING, SPOIL_UNKNOWN, SPOIL_HOLLOW};
	const struct catalogue *c = *state;
	size_t spoiled = 0;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		struct json *schema = schema_of(c->series[i]);

		for (uint64_t seed = 0; seed < 40; seed++) {
			struct grown g;

			grow_fields(c->series[i], seed,
				shapes[seed % ARRAY_LEN(shapes)], seed / 5, &g);
			spoiled += g.spoiled;
			if (g.spoiled && accepts(fields_of(schema), g.given))
				fail_msg("%s, seed %llu", c->series[i]->name,
					(unsigned long long)seed);
			grown_free(&g);
		}
		json_free(schema);
	}
	assert_true(spoiled > 200);
}

static void a_schema_says_labels_titles_and_what_is_derived(void **state)
{
	struct json *schema = schema_of(catalogue_find(*state, "household"));
	const struct json *p = json_get(fields_of(schema), "properties");
	const struct json *of = json_get(
		json_get(json_get(p, "members"), "items"), "properties");
	const struct json *id = json_get(of, "id_no");
	const struct json *masked = json_get(of, "id_no_masked");

	assert_string_equal(json_get_string(schema, "title"), "户籍家庭信息");
	assert_string_equal(json_get_string(id, "title"), "公民身份号码");
	assert_string_equal(json_get_string(id, "x-type"), "id_no");
	assert_string_equal(json_get_string(id, "x-label"), "sensitive");
	assert_true(json_bool(json_get(id, "x-minors")));
	assert_null(json_get(id, "readOnly"));
	assert_true(json_bool(json_get(masked, "readOnly")));
	assert_string_equal(json_get_string(masked, "x-label"), "internal");
	json_free(schema);
	schema = schema_of(catalogue_find(*state, "sensor"));
	assert_null(json_get(json_get(schema, "properties"), "attachments"));
	json_free(schema);
}

static void system_series_have_no_schema(void **state)
{
	struct buf text = BUF_EMPTY;

	(void)state;
	assert_int_equal(
		schema_write(series_system_at(0), &text, NULL), ERR_NOT_FOUND);
	assert_int_equal(text.len, 0);
}

/* ---- pages ---- */

static const char *page_of(
	const struct series *s, enum page_language in, struct buf *b)
{
	struct err err = {0};

	buf_clear(b);
	if (page_write(s, in, b, &err))
		fail_msg("%s: %s", s->name, err.text);
	return buf_cstr(b);
}

static void a_page_tells_every_field_in_both_languages(void **state)
{
	const struct catalogue *c = *state;
	struct buf b = BUF_EMPTY;
	char row[FIELD_PATH_SIZE + 8];

	for (size_t i = 0; i < CATALOGUE_SIZE * PAGE_LANGUAGES; i++) {
		const struct series *s = c->series[i / PAGE_LANGUAGES];
		const char *page = page_of(
			s, (enum page_language)(i % PAGE_LANGUAGES), &b);

		assert_non_null(strstr(page, s->title));
		assert_non_null(strstr(page, s->plan));
		for (size_t k = 0; k < s->field_count; k++) {
			snprintf(row, sizeof(row), "| `%s` |",
				s->fields[k].path);
			if (!strstr(page, row) ||
				!strstr(page, s->fields[k].title))
				fail_msg("%s: %s", s->name, row);
		}
	}
	buf_free(&b);
}

static void a_page_tells_who_may_hold_what_and_how_long(void **state)
{
	const struct series *s = catalogue_find(*state, "public-health");
	struct buf b = BUF_EMPTY;
	const char *page = page_of(s, PAGE_CHINESE, &b);

	assert_non_null(strstr(
		page, "| 层级 | 公开 | 内部 | 个人信息 | 敏感个人信息 |\n"));
	assert_non_null(strstr(page, "| 乡镇（街道） | 可 | 可 | – | – |\n"));
	assert_non_null(
		strstr(page, "| 公开 | 10年 | 记录日期 | 可提请销毁 |"));
	assert_non_null(strstr(
		page, "| 敏感个人信息 | 30日 | `purge_at` | 自动清除 |"));
	assert_non_null(strstr(page, "未满18周岁"));
	assert_non_null(strstr(page,
		"由以下层级录入的，下发至记录所属的区划："
		"乡镇（街道）、县（市、区）。"));
	page = page_of(catalogue_find(*state, "alert"), PAGE_ENGLISH, &b);
	assert_non_null(strstr(page, "| public | 10 years | `expires` |"));
	assert_non_null(strstr(page, "one of: 蓝色, 黄色, 橙色, 红色"));
	assert_non_null(strstr(page, "Urgent"));
	assert_null(strstr(page, "under 18"));
	buf_free(&b);
}

static void what_rules_say_does_not_become_markup(void **state)
{
	static const char text[] =
		"name: sample\ntitle: \"a|b <script>\"\nplan: \"[x](y)\"\n"
		"direction: up\nurgent: no\nattachments: none\n"
		"clearance: {village: [], township: [], county: []}\n"
		"retention:\n  - {label: public, period: Y}\n"
		"fields:\n  - {path: a, type: string, label: public}\n";
	struct series *s = NULL;
	struct buf b = BUF_EMPTY;
	const char *page;

	(void)state;
	assert_int_equal(
		series_load("x", text, strlen(text), &s, NULL), ERR_OK);
	page = page_of(s, PAGE_ENGLISH, &b);
	assert_non_null(strstr(page, "# a\\|b \\<script\\>"));
	assert_non_null(strstr(page, "\\[x\\](y)"));
	buf_free(&b);
	series_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas_take_the_samples),
		cmocka_unit_test(schemas_take_whatever_is_stored),
		cmocka_unit_test(schemas_refuse_what_has_another_shape),
		cmocka_unit_test(
			a_schema_says_labels_titles_and_what_is_derived),
		cmocka_unit_test(system_series_have_no_schema),
		cmocka_unit_test(a_page_tells_every_field_in_both_languages),
		cmocka_unit_test(a_page_tells_who_may_hold_what_and_how_long),
		cmocka_unit_test(what_rules_say_does_not_become_markup),
	};

	return cmocka_run_group_tests(tests, catalogue_make, catalogue_free);
}
