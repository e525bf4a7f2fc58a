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
		{TYPE_ID_NO, "\"440524188001010014\""},
		{TYPE_MONEY, "1250"},
		{TYPE_MONEY, "-1"},
		{TYPE_USCC, "\"91350100M000100Y43\""},
		{TYPE_USCC, "\"91310115MA1H8R7C67\""},
		{TYPE_BANK_CARD, "\"6222021234567890128\""},
		{TYPE_BANK_CARD, "\"4111111111111111\""},
		{TYPE_DIVISION, "\"330000000000\""},
		{TYPE_STRING, "\"★\""},
		{TYPE_STRING, "\"保守秘密\""},
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
		{TYPE_ID_NO, "\"11010517491231002X\""}, /* before 1800 */
		{TYPE_ID_NO, "\"１１０１０５１９４９１２３１００２1\""},
		{TYPE_MONEY, "12.5"},
		{TYPE_MONEY, "\"1250\""},
		{TYPE_USCC, "\"91310115MA1H8R7C6D\""}, /* published wrong */
		{TYPE_USCC, "\"91350100M000100Y4\""},
		{TYPE_USCC, "\"91350100I000100Y43\""},
		{TYPE_USCC, "\"91A50100M000100Y43\""},
		{TYPE_BANK_CARD, "\"6222021234567890123\""},
		{TYPE_BANK_CARD, "\"411111111111111\""},
		{TYPE_BANK_CARD, "\"\""},
		{TYPE_DIVISION, "\"990000000000\""},
		{TYPE_DIVISION, "\"330006000000\""},
		{TYPE_DIVISION, "\"330106000201\""},
		{TYPE_STRING, "\"机密\""},
		{TYPE_TEXT, "\"通知 绝密★10年 一\""},
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

/* The code whose sum is a multiple of 31 ends in 0, not in a 31st character. */
static void a_credit_code_wraps_to_0(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
	char text[] = "\"91330106000000000?\"";
	unsigned wrapped = 0;

	(void)state;
	for (size_t i = 0; i < 31 * 31; i++) {
		size_t good = 0;

		text[16] = alphabet[i / 31];
		text[17] = alphabet[i % 31];
		for (size_t k = 0; k < 31; k++) {
			text[18] = alphabet[k];
			if (check(TYPE_USCC, text))
				continue;
			good++;
			wrapped += k == 0;
		}
		assert_int_equal(good, 1);
	}
	assert_int_equal(wrapped, 31);
}

static void assert_normal(
	enum field_type type, const char *from, const char *to)
{
	char room[VALUE_ROOM], again[VALUE_ROOM];
	struct value_text t = value_normal(type, from, strlen(from), room);
	struct value_text u = value_normal(type, t.s, t.len, again);

	if (t.len != strlen(to) || memcmp(t.s, to, t.len) != 0)
		fail_msg("%s: %.*s", from, (int)t.len, t.s);
	assert_int_equal(u.len, t.len);
	assert_memory_equal(u.s, t.s, t.len);
}

static void stray_spaces_and_wide_digits_are_put_right(void **state)
{
	static const struct {
		enum field_type type;
		const char *from, *to;
	} cases[] = {
		{TYPE_ID_NO, "１１０１０５１９４９１２３１００２ｘ",
			"11010519491231002X"},
		{TYPE_ID_NO, " 110105 19491231　002x\xe2\x80\x8b",
			"11010519491231002X"},
		{TYPE_USCC, "91350100m000100y43", "91350100M000100Y43"},
		{TYPE_PHONE, "138 0000 0000", "13800000000"},
		{TYPE_PHONE, "０５７１－８０００００００", "0571-80000000"},
		{TYPE_PHONE, " ", ""},
		{TYPE_BANK_CARD, "6222 0212 3456 7890 128",
			"6222021234567890128"},
		{TYPE_DIVISION, "330106 110201", "330106110201"},
		{TYPE_DATE, "２０２６-04-22 ", "2026-04-22"},
		{TYPE_TIME, "2026-04-22T09:48:35Z",
			"2026-04-22T17:48:35+08:00"},
		{TYPE_TIME, "2026-04-22T17:48:35.5+08:00",
			"2026-04-22T17:48:35+08:00"},
		{TYPE_TIME, "2025-12-31T23:30:00+07:00",
			"2026-01-01T00:30:00+08:00"},
		{TYPE_NAME, " 段　某 ", "段某"},
		{TYPE_NAME, "段\xc2\xa0某", "段某"},
		{TYPE_NAME, "John  Doe ", "John Doe"},
		{TYPE_NAME, "阿依古丽·买买提", "阿依古丽·买买提"},
		{TYPE_NAME, "段某（大）", "段某（大）"},
		{TYPE_ADDRESS, " 求是村３１幢２Ａ ", "求是村31幢2A"},
		{TYPE_CHOICE, "　低 ", "低"},
		{TYPE_STRING, " １ ", " １ "},
		{TYPE_TEXT, "一 二\n", "一 二\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_normal(cases[i].type, cases[i].from, cases[i].to);
	assert_null(check(TYPE_PHONE, "\"１３８ ００００ ００００\""));
	assert_null(check(TYPE_CHOICE, "\" 低\""));
	assert_non_null(check(TYPE_NAME, "\"　 \""));
}

static bool minor(enum field_type type, const char *text, const char *at)
{
	const struct field f = {.type = type, .minors = true};
	struct json *v = json_new_text(text);
	bool is = value_minor(&f, v, at);

	json_free(v);
	return is;
}

static void minors_are_known_by_their_birthday(void **state)
{
	(void)state;
	assert_true(minor(TYPE_DATE, "2008-04-22", "2026-04-21T00:00:00"));
	assert_true(minor(TYPE_DATE, "2008-04-22", "2026-04-22"));
	assert_false(minor(TYPE_DATE, "2008-04-22", "2026-04-23"));
	assert_true(minor(TYPE_DATE, "2008-02-29", "2026-02-28"));
	assert_false(minor(TYPE_DATE, "2008-02-29", "2026-03-01"));
	assert_true(minor(TYPE_DATE, "２００８-04-22", "2026-04-22"));
	assert_false(minor(TYPE_DATE, "2008-02-30", "2009-01-01"));
	assert_false(minor(TYPE_DATE, "", "2009-01-01"));
	/* what tells of age is the number's date, not its region */
	assert_true(minor(TYPE_ID_NO, "11010519491231002X", "1967-12-31"));
	assert_false(minor(TYPE_ID_NO, "11010519491231002x", "1968-01-01"));
	assert_false(minor(TYPE_ID_NO, "110105194912310021", "1960-01-01"));
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
	assert_string_equal(check(TYPE_NAME, text), "longer than 128 bytes");
	assert_string_equal(check(TYPE_ADDRESS, text), "longer than 512 bytes");
	text[1025] = 'a';
	text[1026] = '"';
	text[1027] = '\0';
	assert_non_null(strstr(check(TYPE_STRING, text), "1,024"));
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
		{TYPE_BANK_CARD, "4111111111111111", "4111********1111"},
		{TYPE_BANK_CARD, "6222021234567890128", "6222***********0128"},
		{TYPE_BANK_CARD, "6222021234567890123", "*******************"},
		{TYPE_MONEY, "1250", "****"},
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

/* Small, and the same on every machine: the seed is in the failure's text. */
static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(*seed >> 33);
}

/* What people type, and what breaks masks: digits, stars, divisions' words,
 * spaces, characters beyond the first 65,536. */
static void scribble(uint64_t *seed, struct buf *b)
{
	static const char *const pieces[] = {"0", "1", "3", "8", "9", "X", "x",
		"-", "*", "**", "段", "某", "村", "社区", "镇", "乡", "区",
		"县", " ", "　", "２", "Ａ", "𠮷", "葛\xf3\xa0\x84\x80", "é",
		"·"};
	size_t count = next_random(seed) % 20;

	buf_clear(b);
	for (size_t i = 0; i < count; i++)
		buf_str(b, pieces[next_random(seed) % ARRAY_LEN(pieces)]);
	assert_non_null(buf_cstr(b));
}

static void check_mask(enum field_type type, const struct buf *raw)
{
	const struct field f = {.type = type};
	struct json *v = json_new_string((char *)raw->data, raw->len);
	struct buf once = BUF_EMPTY, twice = BUF_EMPTY;
	bool good = value_check(&f, v) == NULL;

	value_mask(type, (char *)raw->data, raw->len, &once);
	assert_non_null(buf_cstr(&once));
	value_mask(type, (char *)once.data, once.len, &twice);
	assert_int_equal(utf8_count((char *)raw->data, raw->len),
		utf8_count((char *)once.data, once.len));
	assert_non_null(buf_cstr(&twice));
	if (strcmp((char *)once.data, (char *)twice.data) != 0)
		fail_msg("%s: masked twice, another text", (char *)raw->data);
	for (size_t i = 0; !good && i < once.len; i++) {
		if (once.data[i] != '*' && !strchr((char *)raw->data, '*'))
			fail_msg("%s: shows %s", (char *)raw->data,
				(char *)once.data);
	}
	buf_free(&once);
	buf_free(&twice);
	json_free(v);
}

static void any_text_masked_keeps_its_length_and_stays_masked(void **state)
{
	static const enum field_type types[] = {TYPE_ID_NO, TYPE_PHONE,
		TYPE_BANK_CARD, TYPE_NAME, TYPE_ADDRESS, TYPE_STRING};
	struct buf raw = BUF_EMPTY;
	uint64_t seed = 20260422;

	(void)state;
	for (size_t i = 0; i < 6000; i++) {
		scribble(&seed, &raw);
		check_mask(types[i % ARRAY_LEN(types)], &raw);
	}
	buf_free(&raw);
}

static void any_text_has_one_normal_form(void **state)
{
	struct buf raw = BUF_EMPTY;
	uint64_t seed = 20260423;

	(void)state;
	for (size_t i = 0; i < 8000; i++) {
		enum field_type type =
			(enum field_type)(i % (TYPE_BANK_CARD + 1));
		char room[VALUE_ROOM], again[VALUE_ROOM];
		struct value_text t, u;

		scribble(&seed, &raw);
		t = value_normal(type, (char *)raw.data, raw.len, room);
		u = value_normal(type, t.s, t.len, again);
		assert_true(t.len <= raw.len);
		assert_true(utf8_valid(t.s, t.len));
		if (t.len != u.len || memcmp(t.s, u.s, t.len) != 0)
			fail_msg("%s: %.*s", (char *)raw.data, (int)u.len, u.s);
	}
	buf_free(&raw);
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
		cmocka_unit_test(a_credit_code_wraps_to_0),
		cmocka_unit_test(stray_spaces_and_wide_digits_are_put_right),
		cmocka_unit_test(minors_are_known_by_their_birthday),
		cmocka_unit_test(long_values_are_refused),
		cmocka_unit_test(identity_numbers_need_digit_date_and_past),
		cmocka_unit_test(masks_show_what_the_rules_say_and_no_more),
		cmocka_unit_test(
			any_text_masked_keeps_its_length_and_stays_masked),
		cmocka_unit_test(any_text_has_one_normal_form),
		cmocka_unit_test(stars_do_not_carry_other_text_into_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
