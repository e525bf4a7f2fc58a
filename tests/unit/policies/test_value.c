/* test_value.c - values are of their types, masked forms show what they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "policies/series.h"

#define NOW INT64_C(1767225600) /* 2026-01-01 */

static const char *check(enum field_type type, const char *json)
{
	static char *choices[] = {"高", "低", NULL};
	const struct field f = {.type = type, .choices = choices};
	struct json *v = NULL;
	const char *reason;

	assert_int_equal(
		json_parse(json, strlen(json), JSON_TEXT_LIMIT, &v, NULL),
		ERR_OK);
	reason = value_check(&f, v);
	json_free(v);
	return reason;
}

struct example {
	enum field_type type;
	const char *json;
};

static void values_of_their_types_pass(void **state)
{
	static const struct example good[] = {
		{TYPE_STRING, "\"\""},
		{TYPE_STRING, "\"西湖区\""},
		{TYPE_TEXT, "\"一\\n二\""},
		{TYPE_INTEGER, "-3"},
		{TYPE_INTEGER, "9007199254740991"},
		{TYPE_INTEGER, "2.0"},
		{TYPE_NUMBER, "0.5"},
		{TYPE_BOOLEAN, "false"},
		{TYPE_DATE, "\"2024-02-29\""},
		{TYPE_TIME, "\"2026-04-22T17:48:35+08:00\""},
		{TYPE_NAME, "\"officer1\""},
		{TYPE_ID_NO, "\"11010519491231002X\""},
		{TYPE_PHONE, "\"\""},
		{TYPE_PHONE, "\"13800000000\""},
		{TYPE_PHONE, "\"0571-80000000\""},
		{TYPE_PHONE, "\"0108000000\""},
		{TYPE_ADDRESS, "\"三墩镇\""},
		{TYPE_DIVISION, "\"330106110201\""},
		{TYPE_CHOICE, "\"低\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (check(good[i].type, good[i].json))
			fail_msg("%s", good[i].json);
	}
}

static void values_of_other_types_are_refused(void **state)
{
	static const struct example bad[] = {
		{TYPE_STRING, "1"},
		{TYPE_STRING, "null"},
		{TYPE_STRING, "\"a\\nb\""},
		{TYPE_STRING, "\"a\\u0085b\""},
		{TYPE_STRING, "\"a\\u007fb\""},
		{TYPE_TEXT, "\"a\\tb\""},
		{TYPE_TEXT, "[]"},
		{TYPE_INTEGER, "0.5"},
		{TYPE_INTEGER, "1e300"},
		{TYPE_INTEGER, "\"1\""},
		{TYPE_NUMBER, "\"0.5\""},
		{TYPE_BOOLEAN, "0"},
		{TYPE_DATE, "\"2025-02-29\""},
		{TYPE_TIME, "\"2026-04-22T17:48:35\""},
		{TYPE_NAME, "\"\""},
		{TYPE_ID_NO, "\"110105194912310020\""},
		{TYPE_ID_NO, "\"11010519491231002\""},
		{TYPE_ID_NO, "\"110105194902300026\""},
		{TYPE_ID_NO, "\"440524188001010014\""}, /* before 1900 */
		{TYPE_PHONE, "\"12800000000\""},
		{TYPE_PHONE, "\"0571-800000\""},
		{TYPE_PHONE, "\"057180000000000\""},
		{TYPE_ADDRESS, "\"\""},
		{TYPE_DIVISION, "\"33010611020\""},
		{TYPE_CHOICE, "\"中\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (!check(bad[i].type, bad[i].json))
			fail_msg("%s", bad[i].json);
	}
}

static void long_values_are_refused(void **state)
{
	char text[1100];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '"';
	text[1025] = '"';
	text[1026] = '\0';
	assert_null(check(TYPE_STRING, text));
	assert_non_null(check(TYPE_NAME, text));
	assert_non_null(check(TYPE_ADDRESS, text));
	text[1025] = 'a';
	text[1026] = '"';
	text[1027] = '\0';
	assert_non_null(check(TYPE_STRING, text));
	assert_null(check(TYPE_TEXT, text));
}

static void identity_numbers_need_digit_date_and_past(void **state)
{
	static const char birth[] = "1949-12-31T00:00:00+08:00";
	int64_t born;

	(void)state;
	assert_true(time_parse(birth, strlen(birth), &born));
	assert_true(id_no_valid("11010519491231002X", 18, NOW));
	assert_true(id_no_valid("11010519491231002x", 18, NOW));
	assert_false(id_no_valid("110105194912310021", 18, NOW));
	assert_false(id_no_valid("11010519491231002X", 17, NOW));
	assert_true(id_no_valid("11010519491231002X", 18, born));
	assert_false(id_no_valid("11010519491231002X", 18, born - 1));
}

struct masked {
	enum field_type type;
	const char *raw, *shown;
};

static void mask_into(struct buf *b, enum field_type type, const char *s)
{
	buf_clear(b);
	value_mask(type, s, strlen(s), b);
	assert_non_null(buf_cstr(b));
}

static void masks_show_what_the_rules_say_and_no_more(void **state)
{
	static const struct masked cases[] = {
		{TYPE_ID_NO, "11010519491231002X", "1***************2X"},
		{TYPE_ID_NO, "110105194912310021", "******************"},
		{TYPE_ID_NO, "abc", "***"},
		{TYPE_PHONE, "18000001999", "180****1999"},
		{TYPE_PHONE, "0915-1234579", "0915******79"},
		{TYPE_PHONE, "12345", "*****"},
		{TYPE_PHONE, "", ""},
		{TYPE_NAME, "段某某", "段**"},
		{TYPE_NAME, "欧阳某", "欧**"},
		{TYPE_NAME, "段", "*"},
		{TYPE_NAME, "𠮷某", "𠮷*"},
		{TYPE_NAME, "段 ", "**"},
		{TYPE_NAME, "段　", "**"},
		{TYPE_NAME, "葛\xf3\xa0\x84\x80", "**"},
		{TYPE_NAME, " 段", "**"},
		{TYPE_ID_NO, "11010519491231002x", "1***************2x"},
		{TYPE_ADDRESS, "转塘街道象山社区求是村31幢",
			"转塘街道象山社区******"},
		{TYPE_ADDRESS, "双浦镇小叔房村委会10组121号",
			"双浦镇小叔房村*********"},
		{TYPE_ADDRESS, "北京市海淀区马甸路1号", "北京市海淀区*****"},
		{TYPE_ADDRESS, "三墩镇12号张村", "三墩镇*****"},
		{TYPE_ADDRESS, "文三路90号留下村", "*********"},
		{TYPE_ADDRESS, "文三路９０号留下村", "*********"},
		{TYPE_STRING, "abc", "***"},
	};
	struct buf b = BUF_EMPTY, again = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		mask_into(&b, cases[i].type, cases[i].raw);
		assert_string_equal((char *)b.data, cases[i].shown);
		assert_int_equal(utf8_count((char *)b.data, b.len),
			utf8_count(cases[i].raw, strlen(cases[i].raw)));
		mask_into(&again, cases[i].type, (char *)b.data);
		assert_string_equal((char *)again.data, cases[i].shown);
	}
	buf_free(&b);
	buf_free(&again);
}

static void stars_do_not_carry_other_text_into_view(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	mask_into(&b, TYPE_PHONE, "abcd*****ef");
	assert_string_equal((char *)b.data, "***********");
	mask_into(&b, TYPE_ID_NO, "a***************bc");
	assert_string_equal((char *)b.data, "******************");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_their_types_pass),
		cmocka_unit_test(values_of_other_types_are_refused),
		cmocka_unit_test(long_values_are_refused),
		cmocka_unit_test(identity_numbers_need_digit_date_and_past),
		cmocka_unit_test(masks_show_what_the_rules_say_and_no_more),
		cmocka_unit_test(stars_do_not_carry_other_text_into_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
