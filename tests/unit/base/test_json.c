/* test_json.c - strict parsing and RFC 8785 writing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static struct json *parsed(const char *text)
{
	struct json *v = NULL;
	struct err err;

	if (json_parse(text, strlen(text), JSON_TEXT_LIMIT, &v, &err))
		fail_msg("%s: %s", text, err.text);
	return v;
}

static void assert_writes(const struct json *v, const char *expected)
{
	struct buf b = BUF_EMPTY;
	struct err err;

	assert_int_equal(json_write(v, &b, &err), ERR_OK);
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
}

static void assert_canonical(const char *text, const char *expected)
{
	struct json *v = parsed(text);

	assert_writes(v, expected);
	json_free(v);
	assert_int_equal(json_parse_canonical(expected, strlen(expected),
				 JSON_TEXT_LIMIT, &v, NULL),
		ERR_OK);
	json_free(v);
}

/* RFC 8785 sections 3.2.2 to 3.2.4. */
static void rfc8785_sample(void **state)
{
	(void)state;
	assert_canonical("{\n"
			 "  \"numbers\": [333333333.33333329, 1E30, 4.50,\n"
			 "    2e-3, 0.000000000000000000000000001],\n"
			 "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042"
			 "\\u0022\\u005c\\\\\\\"\\/\",\n"
			 "  \"literals\": [null, true, false]\n"
			 "}",
		"{\"literals\":[null,true,false],\"numbers\":"
		"[333333333.3333333,1e+30,4.5,0.002,1e-27],"
		"\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

/* RFC 8785 section 3.2.3: the order is that of UTF-16 code units. */
static void rfc8785_sorting(void **state)
{
	(void)state;
	assert_canonical("{\"\\u20ac\":\"Euro Sign\","
			 "\"\\r\":\"Carriage Return\","
			 "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\","
			 "\"1\":\"One\","
			 "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\","
			 "\"\\u0080\":\"Control\","
			 "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
		"{\"\\r\":\"Carriage Return\",\"1\":\"One\","
		"\"\xc2\x80\":\"Control\","
		"\"ö\":\"Latin Small Letter O With Diaeresis\","
		"\"€\":\"Euro Sign\","
		"\"😀\":\"Emoji: Grinning Face\","
		"\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

static void sorts_prefixes_and_many_names(void **state)
{
	struct buf text = BUF_EMPTY;
	struct buf expected = BUF_EMPTY;

	(void)state;
	assert_canonical("{\"ab\":1,\"\":2,\"a\":3,\"B\":4}",
		"{\"\":2,\"B\":4,\"a\":3,\"ab\":1}");
	assert_canonical("{\"村\":1,\"\\ue000\":2,\"\\ud800\\udc00\":3,"
			 "\"村a\":4}",
		"{\"村\":1,\"村a\":4,\"\xf0\x90\x80\x80\":3,"
		"\"\xee\x80\x80\":2}");
	for (int i = 0; i < 100; i++) {
		buf_printf(&text, "%s\"n%02d\":%d", i ? "," : "{", 99 - i, i);
		buf_printf(
			&expected, "%s\"n%02d\":%d", i ? "," : "{", i, 99 - i);
	}
	buf_str(&text, "}");
	buf_str(&expected, "}");
	assert_canonical(buf_cstr(&text), buf_cstr(&expected));
	buf_free(&text);
	buf_free(&expected);
}

/* RFC 8785 appendix B, and the corners of our own fast paths. */
static void number_vectors(void **state)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} cases[] = {
		{0x0000000000000000, "0"},
		{0x8000000000000000, "0"},
		{0x0000000000000001, "5e-324"},
		{0x8000000000000001, "-5e-324"},
		{0x7fefffffffffffff, "1.7976931348623157e+308"},
		{0xffefffffffffffff, "-1.7976931348623157e+308"},
		{0x4340000000000000, "9007199254740992"},
		{0xc340000000000000, "-9007199254740992"},
		{0x4430000000000000, "295147905179352830000"},
		{0x44b52d02c7e14af5, "9.999999999999997e+22"},
		{0x44b52d02c7e14af6, "1e+23"},
		{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
		{0x444b1ae4d6e2ef4e, "999999999999999700000"},
		{0x444b1ae4d6e2ef4f, "999999999999999900000"},
		{0x444b1ae4d6e2ef50, "1e+21"},
		{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
		{0x3eb0c6f7a0b5ed8d, "0.000001"},
		{0x41b3de4355555553, "333333333.3333332"},
		{0x41b3de4355555554, "333333333.33333325"},
		{0x41b3de4355555555, "333333333.3333333"},
		{0x41b3de4355555556, "333333333.3333334"},
		{0x41b3de4355555557, "333333333.33333343"},
		{0xbecbf647612f3696, "-0.0000033333333333333333"},
		{0x43143ff3c1cb0959, "1424953923781206.2"},
		/* 2^-44: the nearest decimal of 16 digits misses it. */
		{0x3d30000000000000, "5.684341886080802e-14"},
		{0x433fffffffffffff, "9007199254740991"},
		{0x000fffffffffffff, "2.225073858507201e-308"},
		{0x0010000000000000, "2.2250738585072014e-308"},
		{0x3fb999999999999a, "0.1"},
		{0x3fd3333333333334, "0.30000000000000004"},
		{0x4042333333333333, "36.4"},
		{0xc042333333333333, "-36.4"},
		{0x3f50624dd2f1a9fc, "0.001"},
		{0x3e7ad7f29abcaf48, "1e-7"},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		struct json *v;
		double d;

		memcpy(&d, &cases[ran].bits, sizeof(d));
		v = json_new_number(d);
		assert_non_null(v);
		assert_writes(v, cases[ran].text);
		json_free(v);
	}
	assert_int_equal(ran, 34);
	assert_null(json_new_number(NAN));
	assert_null(json_new_number(INFINITY));
	assert_null(json_new_number(-INFINITY));
}

static void numbers_in_other_spellings(void **state)
{
	static const char *const cases[][2] = {{"-0", "0"}, {"-0.0", "0"},
		{"0e999999999999", "0"}, {"0.0e-5", "0"}, {"1.0", "1"},
		{"100e-2", "1"}, {"1E2", "100"}, {"-1.50", "-1.5"},
		{"1e15", "1000000000000000"}, {"9007199254740991", NULL},
		{"-9007199254740991", NULL}, {"9007199254740990.5", NULL},
		{"1e21", "1e+21"}, {"1000000000000000000000e5", "1e+26"},
		{"123456789.1234", NULL}, {"0.00001", NULL}, {"1e-400", "0"},
		{"4503599627370495.5", NULL},
		{"0.0000000000000000000000009007199254740993e24",
			"0.9007199254740993"}};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		const char *expected = cases[ran][1];

		if (strcmp(cases[ran][0], "9007199254740990.5") == 0)
			expected = "9007199254740990";
		assert_canonical(
			cases[ran][0], expected ? expected : cases[ran][0]);
	}
	assert_int_equal(ran, 19);
}

/* Written after another writer's spelling was read, as in a locale whose
 * decimal point is a comma. */
static void numbers_do_not_follow_the_locale(void **state)
{
	static const char *const names[] = {
		"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8"};
	bool found = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names) && !found; i++)
		found = setlocale(LC_NUMERIC, names[i]) &&
			localeconv()->decimal_point[0] == ',';
	assert_canonical(
		"[1.5,3.333333333333334e-30]", "[1.5,3.333333333333334e-30]");
	setlocale(LC_NUMERIC, "C");
	if (!found)
		skip();
}

static void escapes_in_strings(void **state)
{
	struct json *v;
	char all[0x80];
	size_t len = 0;

	(void)state;
	for (char c = 1; c < 0x7f; c++)
		all[len++] = c;
	all[len++] = 0x7f;
	v = json_new_string(all, len);
	assert_writes(v,
		"\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n"
		"\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013"
		"\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b"
		"\\u001c\\u001d\\u001e\\u001f !\\\"#$%&'()*+,-./0123456789:;<="
		">?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvw"
		"xyz{|}~\x7f\"");
	json_free(v);
}

/* An escape at every place of runs of every length about eight. */
static void escapes_at_every_place(void **state)
{
	static const char specials[] = "\"\\\n\x01";
	size_t ran = 0;

	(void)state;
	for (size_t len = 1; len <= 20; len++) {
		for (size_t at = 0; at < len; at++) {
			for (size_t s = 0; s < 4; s++, ran++) {
				char text[20];
				struct json *v, *back;
				struct buf b = BUF_EMPTY;

				memset(text, '\xc3', sizeof(text));
				memset(text, '!', len);
				text[at] = specials[s];
				v = json_new_string(text, len);
				assert_int_equal(
					json_write(v, &b, NULL), ERR_OK);
				back = parsed(buf_cstr(&b));
				assert_true(json_equal(v, back));
				assert_int_equal(b.len,
					len + 2 + (specials[s] == 1 ? 5 : 1));
				json_free(v);
				json_free(back);
				buf_free(&b);
			}
		}
	}
	assert_int_equal(ran, 840);
}

static void refuses_with_line_and_column(void **state)
{
	static const char *const cases[][2] = {
		{"{\"a\":1,\"a\":2}", "column 10: duplicate name"},
		{"{\"a\":1,\"\\u0061\":2}", "column 15: duplicate name"},
		{"[1,\n 2,\n  9007199254740992]",
			"line 3 column 3: number beyond 2^53-1"},
		{"[\"村\",9007199254740993]", "column 6: number beyond 2^53-1"},
		{"-9007199254740992", "column 1: number beyond 2^53-1"},
		{"9223372036854775808", "column 1: number beyond 2^53-1"},
		{"99999999999999999999999999",
			"column 1: number beyond 2^53-1"},
		{"1e16", "column 1: number beyond 2^53-1"},
		{"9007199254740991.5", "column 1: number beyond 2^53-1"},
		{"999999999999999999999.9", "column 1: number beyond 2^53-1"},
		{"90071992547409920e-1", "column 1: number beyond 2^53-1"},
		{"0.9007199254740992e16", "column 1: number beyond 2^53-1"},
		{"1e400", "column 5: number too large"},
		{"-1e999999999999999999", "column 21: number too large"},
		{"[1] 2", "column 5: text goes on behind the value"},
		{"[1", "column 2: text ends too early"},
		{"", "column 1: text ends too early"},
		{"\"\\u0000\"", "column 8: NUL in a string"},
		{"{\"a\\u0000b\":1}", "column 11: NUL in a string"},
		{"[\"a\xff\"]", "column 3: invalid utf-8"},
		{"[\"\xc0\x80\"]", "column 2: invalid utf-8"},
		{"[\"\xed\xa0\x80\"]", "column 2: invalid utf-8"},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		struct json *v = NULL;
		struct err err;

		assert_int_equal(json_parse(cases[ran][0],
					 strlen(cases[ran][0]), 100, &v, &err),
			ERR_INVALID);
		assert_string_equal(err.text, cases[ran][1]);
		assert_null(v);
	}
	assert_int_equal(ran, 22);
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const bad[] = {"\"\\ud800\"", "\"\\ud800x\"",
		"\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\u12g4\"", "\"\\x\"",
		"\"a\nb\"", "\"a", "01", "-", "+1", ".5", "1.", "1.e5", "1e",
		"1e+", "0x10", "NaN", "Infinity", "nul", "True", "'a'", "{a:1}",
		"{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[,1]", "[1 2]",
		"{\"a\" 1}", "[1}", "{1:2}", "]", "}", ",", "\xef\xbb\xbf[]",
		"// c\n1", "[1]/**/", "\v1", "--1", "1-2", "1..2", "\\"};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		struct json *v = NULL;
		struct err err;
		enum err_code rc =
			json_parse(bad[ran], strlen(bad[ran]), 100, &v, &err);

		if (rc != ERR_INVALID)
			fail_msg("%s is taken", bad[ran]);
		assert_null(v);
	}
	assert_int_equal(ran, 43);
}

static void refuses_nul_bytes(void **state)
{
	static const char *const bad[] = {"1.", "[1.,2]", "[.]", "\".\"",
		"{\"a.\":1}", ".", "[1,2].", "{\"a\":1.}"};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		size_t len = strlen(bad[ran]);
		struct json *v = NULL;
		struct err err;
		char text[16];

		memcpy(text, bad[ran], len);
		*(char *)memchr(text, '.', len) = '\0';
		assert_int_equal(
			json_parse(text, len, 100, &v, &err), ERR_INVALID);
		assert_non_null(strstr(err.text, "NUL in the text"));
		assert_null(v);
	}
	assert_int_equal(ran, 8);
}

/* What a person wrote must not reach a log through an error. */
static void errors_do_not_quote_the_text(void **state)
{
	static const char *const bad[] = {"{\"secret\":secret}",
		"{\"secret\":1,\"secret\":2}", "[\"secret\xff\"]",
		"[\"secret\" \"secret\"]", "\"secret\\u0000\"", "\"secret"};
	struct err err;
	struct json *v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			json_parse(bad[i], strlen(bad[i]), 100, &v, &err),
			ERR_INVALID);
		assert_null(strstr(err.text, "secret"));
	}
}

static void keeps_to_the_limits(void **state)
{
	static const char deep[] = "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]";
	struct buf deeper = BUF_EMPTY;
	struct json *v = NULL;
	struct err err;

	(void)state;
	assert_int_equal(json_parse("[1,2]", 5, 4, &v, &err), ERR_LIMIT);
	assert_string_equal(err.text, "json text of 5 bytes, limit 4");
	assert_canonical(deep, deep);
	assert_canonical("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]",
		"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
	assert_canonical("\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"",
		"\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"");
	buf_printf(&deeper, "{\"a\":%s}", deep);
	assert_int_equal(json_parse(deeper.data, deeper.len, 100, &v, &err),
		ERR_INVALID);
	assert_string_equal(err.text, "column 21: nested deeper than 16");
	buf_free(&deeper);
}

static void canonical_parse_takes_nothing_else(void **state)
{
	static const char *const bad[] = {" 1", "1 ", "1.0", "-0", "1e2",
		"{\"b\":1,\"a\":2}", "\"\\u0041\"", "\"\\/\"", "[1, 2]",
		"\"\\u000A\"", "\"\\u001F\"", "0.10", "1e21"};
	size_t ran = 0;
	struct json *v = NULL;
	struct err err;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		assert_int_equal(json_parse_canonical(bad[ran],
					 strlen(bad[ran]), 100, &v, &err),
			ERR_INVALID);
		assert_non_null(strstr(err.text, "not in canonical form"));
		assert_null(v);
	}
	assert_int_equal(ran, 13);
	assert_int_equal(
		json_parse_canonical("{\"a\":[1, 2]}", 12, 100, &v, &err),
		ERR_INVALID);
	assert_string_equal(err.text, "column 9: not in canonical form");
}

static void getters_answer_for_their_own_type_only(void **state)
{
	struct json *v = parsed("{\"s\":\"村\",\"n\":1.5,\"u\":7,\"t\":true,"
				"\"z\":null,\"a\":[1,2],\"m\":-1,"
				"\"w\":2.0,\"o\":{}}");
	size_t len = 9;
	uint64_t u = 42;

	(void)state;
	assert_string_equal(json_get_string(v, "s"), "村");
	assert_string_equal(json_string(json_get(v, "s"), &len), "村");
	assert_int_equal(len, 3);
	assert_null(json_string(json_get(v, "n"), &len));
	assert_int_equal(len, 0);
	assert_null(json_get_string(v, "u"));
	assert_null(json_get_string(v, "none"));
	assert_null(json_get_string(json_get(v, "a"), "s"));
	assert_true(json_number(json_get(v, "n")) == 1.5);
	assert_true(json_number(json_get(v, "s")) == 0);
	assert_true(json_get_u64(v, "u", &u));
	assert_int_equal(u, 7);
	assert_true(json_get_u64(v, "w", &u));
	assert_int_equal(u, 2);
	assert_false(json_get_u64(v, "n", &u));
	assert_false(json_get_u64(v, "m", &u));
	assert_false(json_get_u64(v, "s", &u));
	assert_false(json_get_u64(v, "none", &u));
	assert_int_equal(u, 2);
	assert_true(json_bool(json_get(v, "t")));
	assert_false(json_bool(json_get(v, "u")));
	assert_int_equal(json_count(v), 9);
	assert_int_equal(json_count(json_get(v, "a")), 2);
	assert_int_equal(json_count(json_get(v, "s")), 0);
	assert_int_equal(json_count(NULL), 0);
	assert_true(json_number(json_at(json_get(v, "a"), 1)) == 2);
	assert_null(json_at(json_get(v, "a"), 2));
	assert_null(json_at(v, 0));
	assert_null(json_get(NULL, "x"));
	assert_int_equal(json_kind(json_get(v, "s")), JSON_KIND_STRING);
	assert_int_equal(json_kind(json_get(v, "n")), JSON_KIND_NUMBER);
	assert_int_equal(json_kind(json_get(v, "u")), JSON_KIND_NUMBER);
	assert_int_equal(json_kind(json_get(v, "t")), JSON_KIND_BOOL);
	assert_int_equal(json_kind(json_get(v, "z")), JSON_KIND_NULL);
	assert_int_equal(json_kind(json_get(v, "a")), JSON_KIND_ARRAY);
	assert_int_equal(json_kind(json_get(v, "o")), JSON_KIND_OBJECT);
	json_free(v);
	json_free(NULL);
}

static void members_come_in_the_order_of_insertion(void **state)
{
	static const char *const names[] = {"z", "a", "m"};
	struct json *v = parsed("{\"z\":0,\"a\":1,\"m\":2}");
	const struct json *value;
	const char *name;
	void *at = NULL;
	size_t i = 0;

	(void)state;
	for (; json_next(v, &at, &name, &value); i++) {
		assert_string_equal(name, names[i]);
		assert_true(json_number(value) == (double)i);
		assert_ptr_equal(json_member(v, i, &name), value);
		assert_string_equal(name, names[i]);
	}
	assert_int_equal(i, 3);
	assert_null(json_member(v, 3, NULL));
	assert_null(json_member(json_get(v, "z"), 0, NULL));
	at = NULL;
	assert_false(json_next(json_get(v, "z"), &at, &name, &value));
	json_free(v);
}

/* Past a few members an object is searched, not walked. */
static void many_members_are_found_and_told_apart(void **state)
{
	struct buf text = BUF_EMPTY;
	struct json *v, *copy;
	struct err err;
	char name[8];

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_printf(
			&text, "%s\"n%d\":%d", i ? ",\n" : "{", i * 7 % 40, i);
	buf_str(&text, "}");
	v = parsed(buf_cstr(&text));
	assert_true(json_set(v, "more", json_new_null()));
	for (int i = 0; i < 40; i += 2) {
		snprintf(name, sizeof(name), "n%d", i * 7 % 40);
		json_remove(v, name);
	}
	assert_true(json_set(v, "n0", json_new_bool(true)));
	assert_true(json_set(v, "n7", json_new_bool(true)));
	copy = json_copy(v);
	assert_int_equal(json_count(v), 22);
	for (int i = 0; i < 40; i++) {
		const struct json *m;

		snprintf(name, sizeof(name), "n%d", i * 7 % 40);
		m = json_get(copy, name);
		if (i == 0 || i == 1)
			assert_true(json_bool(m));
		else if (i % 2)
			assert_true(json_number(m) == i);
		else
			assert_null(m);
	}
	assert_true(json_equal(v, copy));
	json_free(copy);
	json_free(v);
	text.len--;
	buf_str(&text, ",\n\"n\\u0033\":3}");
	assert_int_equal(
		json_parse(text.data, text.len, JSON_TEXT_LIMIT, &v, &err),
		ERR_INVALID);
	assert_string_equal(err.text, "line 41 column 9: duplicate name");
	buf_free(&text);
}

static void makers_nest_and_one_check_is_enough(void **state)
{
	struct json *v = json_new_object();
	struct json *a = json_new_array();

	(void)state;
	assert_true(json_append(a, json_new_u64(UINT64_C(9007199254740991))));
	assert_true(json_append(a, json_new_bool(false)));
	assert_true(json_append(a, json_new_null()));
	assert_true(json_append(a, json_new_string("", 0)));
	assert_true(json_set(v, "a", a));
	assert_true(json_set(v, "b", json_new_number(-0.0)));
	assert_true(json_set(v, "b", json_new_number(0.5)));
	assert_writes(
		v, "{\"a\":[9007199254740991,false,null,\"\"],\"b\":0.5}");
	/* NULL children, and children that are freed by the failure. */
	assert_false(json_set(v, "c", json_new_string("\xff", 1)));
	assert_false(json_set(v, "c", json_new_string("a\0b", 3)));
	assert_false(json_set(v, "c", json_new_u64(UINT64_C(1) << 53)));
	assert_false(json_set(v, "\xff", json_new_array()));
	assert_false(json_set(NULL, "c", json_new_array()));
	assert_false(json_append(NULL, json_new_object()));
	assert_false(json_append(v, json_new_object()));
	assert_int_equal(json_count(v), 2);
	json_remove(v, "a");
	json_remove(v, "none");
	assert_writes(v, "{\"b\":0.5}");
	json_free(v);
}

static void copies_stand_alone(void **state)
{
	struct json *v = parsed("{\"a\":[1,{\"b\":\"c\"}],\"d\":1.5}");
	struct json *copy = json_copy(v);

	(void)state;
	assert_true(json_equal(v, copy));
	json_remove(v, "a");
	assert_false(json_equal(v, copy));
	assert_writes(copy, "{\"a\":[1,{\"b\":\"c\"}],\"d\":1.5}");
	json_free(v);
	json_free(copy);
}

static void equality_is_that_of_canonical_texts(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool equal;
	} cases[] = {
		{"1", "1.0", true},
		{"0", "-0.0", true},
		{"1", "\"1\"", false},
		{"1", "2", false},
		{"true", "false", false},
		{"null", "false", false},
		{"\"a\"", "\"\\u0061\"", true},
		{"\"a\"", "\"ab\"", false},
		{"[1,2]", "[2,1]", false},
		{"[1]", "[1,2]", false},
		{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{}", "[]", false},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		struct json *a = parsed(cases[ran].a);
		struct json *b = parsed(cases[ran].b);

		assert_int_equal(json_equal(a, b), cases[ran].equal);
		assert_int_equal(json_equal(b, a), cases[ran].equal);
		json_free(a);
		json_free(b);
	}
	assert_int_equal(ran, 14);
	assert_true(json_equal(NULL, NULL));
}

static void a_failed_write_leaves_the_buffer_as_it_was(void **state)
{
	struct json *v = json_new_array();
	struct buf b = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 70; i++) {
		struct json *outer = json_new_array();

		assert_true(json_append(outer, v));
		v = outer;
	}
	buf_str(&b, "kept");
	assert_int_equal(json_write(v, &b, NULL), ERR_LIMIT);
	assert_int_equal(json_write(NULL, &b, NULL), ERR_NOMEM);
	assert_string_equal(buf_cstr(&b), "kept");
	buf_free(&b);
	json_free(v);
}

/* Random trees, all from one seed. */
struct source {
	uint64_t state;
};

static uint64_t draw(struct source *s, uint64_t below)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return (s->state >> 11) % below;
}

/* Any finite double that may stand in a text. */
static struct json *draw_number(struct source *s)
{
	uint64_t bits = draw(s, UINT64_C(1) << 53) << 11 | draw(s, 1 << 11);
	double d;

	switch (draw(s, 3)) {
	case 0:
		return json_new_number((double)draw(s, 1000000) / 100);
	case 1:
		return json_new_u64(draw(s, UINT64_C(1) << 53));
	default:
		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d) ||
			(fabs(d) > 9007199254740991.0 && fabs(d) < 1e21))
			d = 0.1;
		return json_new_number(d);
	}
}

static size_t draw_text(struct source *s, char *out)
{
	static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x1f",
		"村", "😀", "é", "\xee\x80\x80", " ", "/"};
	size_t n = draw(s, 12);
	size_t len = 0;

	while (n-- > 0) {
		const char *piece = pieces[draw(s, ARRAY_LEN(pieces))];

		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
	}
	out[len] = '\0';
	return len;
}

static struct json *draw_value(struct source *s, size_t depth)
{
	char text[64];
	size_t len = draw_text(s, text);
	struct json *v;

	switch (draw(s, depth > 0 ? 7 : 4)) {
	case 0:
		return json_new_null();
	case 1:
		return json_new_bool(draw(s, 2));
	case 2:
		return json_new_string(text, len);
	case 3:
		return draw_number(s);
	case 4:
		v = json_new_array();
		for (uint64_t n = draw(s, 6); n > 0; n--)
			assert_true(json_append(v, draw_value(s, depth - 1)));
		return v;
	default:
		v = json_new_object();
		for (uint64_t n = draw(s, 40); n > 0; n--) {
			draw_text(s, text);
			assert_true(
				json_set(v, text, draw_value(s, depth - 1)));
		}
		return v;
	}
}

static void what_is_written_reads_back_equal(void **state)
{
	struct source s = {UINT64_C(0x9e3779b97f4a7c15)};

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct json *v = draw_value(&s, 3);
		struct json *back = NULL;
		struct buf b = BUF_EMPTY;
		struct err err;

		assert_non_null(v);
		assert_int_equal(json_write(v, &b, &err), ERR_OK);
		if (json_parse_canonical(
			    b.data, b.len, JSON_TEXT_LIMIT, &back, &err))
			fail_msg("tree %d: %s: %s", i, err.text, buf_cstr(&b));
		assert_true(json_equal(v, back));
		json_free(v);
		json_free(back);
		buf_free(&b);
	}
}

static void drawn_numbers_read_back_exactly(void **state)
{
	struct source s = {UINT64_C(0x2545f4914f6cdd1d)};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct json *v = draw_number(&s);
		struct json *back;
		struct buf b = BUF_EMPTY;

		assert_int_equal(json_write(v, &b, NULL), ERR_OK);
		back = parsed(buf_cstr(&b));
		if (json_number(v) != json_number(back))
			fail_msg("number %d: %s", i, buf_cstr(&b));
		json_free(v);
		json_free(back);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc8785_sample),
		cmocka_unit_test(rfc8785_sorting),
		cmocka_unit_test(sorts_prefixes_and_many_names),
		cmocka_unit_test(number_vectors),
		cmocka_unit_test(numbers_in_other_spellings),
		cmocka_unit_test(numbers_do_not_follow_the_locale),
		cmocka_unit_test(escapes_in_strings),
		cmocka_unit_test(escapes_at_every_place),
		cmocka_unit_test(refuses_with_line_and_column),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(refuses_nul_bytes),
		cmocka_unit_test(errors_do_not_quote_the_text),
		cmocka_unit_test(keeps_to_the_limits),
		cmocka_unit_test(canonical_parse_takes_nothing_else),
		cmocka_unit_test(getters_answer_for_their_own_type_only),
		cmocka_unit_test(members_come_in_the_order_of_insertion),
		cmocka_unit_test(many_members_are_found_and_told_apart),
		cmocka_unit_test(makers_nest_and_one_check_is_enough),
		cmocka_unit_test(copies_stand_alone),
		cmocka_unit_test(equality_is_that_of_canonical_texts),
		cmocka_unit_test(a_failed_write_leaves_the_buffer_as_it_was),
		cmocka_unit_test(what_is_written_reads_back_equal),
		cmocka_unit_test(drawn_numbers_read_back_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
