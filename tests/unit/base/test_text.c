/* test_text.c - base64, hex, UTF-8, UUIDs and division codes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base.h"

/* RFC 4648 section 10. */
static void base64_vectors(void **state)
{
	static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="},
		{"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		size_t len = strlen(cases[ran][0]);
		size_t text_len = strlen(cases[ran][1]);
		char text[BASE64_SIZE(6)];
		char back[6];
		size_t back_len;

		assert_int_equal(
			base64_encode(cases[ran][0], len, text), text_len);
		assert_string_equal(text, cases[ran][1]);
		assert_int_equal(BASE64_SIZE(len), text_len + 1);
		assert_true(base64_decode(
			text, text_len, back, sizeof(back), &back_len));
		assert_int_equal(back_len, len);
		assert_memory_equal(back, cases[ran][0], len);
		text_len = base64url_encode(cases[ran][0], len, text);
		assert_null(strchr(text, '='));
		assert_int_equal(BASE64URL_SIZE(len), text_len + 1);
		assert_true(base64url_decode(
			text, text_len, back, sizeof(back), &back_len));
		assert_int_equal(back_len, len);
		assert_memory_equal(back, cases[ran][0], len);
	}
	assert_int_equal(ran, 7);
}

/* One digit at a time, and back. */
static void base64_of_any_length_is_digit_by_digit_the_same(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_";
	uint8_t bytes[200], back[sizeof(bytes)];
	char text[BASE64URL_SIZE(sizeof(bytes))];
	size_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i * 41 + i * 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t n = base64url_encode(bytes, len, text);

		assert_int_equal(n, (len * 4 + 2) / 3);
		for (size_t i = 0; i < n; i++) {
			size_t at = i * 6 / 8;
			unsigned two = (unsigned)bytes[at] << 8;

			if (at + 1 < len)
				two |= bytes[at + 1];
			assert_int_equal(
				text[i], digits[two >> (10 - i * 6 % 8) & 63]);
		}
		assert_true(
			base64url_decode(text, n, back, sizeof(back), &got));
		assert_int_equal(got, len);
		assert_memory_equal(back, bytes, len);
	}
}

static void base64_alphabets_differ_in_two_digits(void **state)
{
	static const uint8_t bytes[] = {0xfb, 0xef, 0xff};
	char text[BASE64_SIZE(3)];
	uint8_t back[3];
	size_t len;

	(void)state;
	base64_encode(bytes, 3, text);
	assert_string_equal(text, "++//");
	assert_false(base64url_decode(text, 4, back, sizeof(back), &len));
	base64url_encode(bytes, 3, text);
	assert_string_equal(text, "--__");
	assert_false(base64_decode(text, 4, back, sizeof(back), &len));
	assert_true(base64url_decode(text, 4, back, sizeof(back), &len));
	assert_memory_equal(back, bytes, 3);
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg=x",
		"Zh==", "Zm9=", "Z===", "====", "=", "==", "Zg==Zg==", "Zm 9v",
		"Zm9v\n", "Zm9vZ", "Zm*v"};
	static const char *const bad_url[] = {
		"Z", "Zh", "Zm9", "Zg==", "Zm8=", "Zm+v", "Zm9v\n", "Zm 9v"};
	size_t ran = 0;
	uint8_t out[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++, ran++)
		assert_false(base64_decode(
			bad[i], strlen(bad[i]), out, sizeof(out), &len));
	for (size_t i = 0; i < ARRAY_LEN(bad_url); i++, ran++)
		assert_false(base64url_decode(bad_url[i], strlen(bad_url[i]),
			out, sizeof(out), &len));
	assert_int_equal(ran, 23);
}

static void base64_stays_within_its_room(void **state)
{
	uint8_t out[3] = {0, 0, 9};
	size_t len;

	(void)state;
	assert_false(base64_decode("Zm9v", 4, out, 2, &len));
	assert_int_equal(out[2], 9);
	assert_true(base64_decode("Zm8=", 4, out, 2, &len));
	assert_int_equal(len, 2);
	assert_int_equal(out[2], 9);
	assert_true(base64_decode("", 0, NULL, 0, &len));
	assert_int_equal(len, 0);
}

static void hex_is_lower_case_and_exact(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x7f, 0xab, 0xff};
	char text[HEX_SIZE(4)];
	uint8_t back[4];

	(void)state;
	assert_int_equal(hex_encode(bytes, 4, text), 8);
	assert_string_equal(text, "007fabff");
	assert_true(hex_decode(text, 8, back, 4));
	assert_memory_equal(back, bytes, 4);
	assert_false(hex_decode(text, 8, back, 3));
	assert_false(hex_decode(text, 7, back, 4));
	assert_false(hex_decode("007FABFF", 8, back, 4));
	assert_false(hex_decode("007fabfg", 8, back, 4));
}

static void utf8_takes_and_counts_characters(void **state)
{
	static const struct {
		const char *text;
		uint32_t point;
		size_t n;
	} cases[] = {
		{"A", 'A', 1},
		{"\xc2\x80", 0x80, 2},
		{"\xdf\xbf", 0x7ff, 2},
		{"\xe0\xa0\x80", 0x800, 3},
		{"村", 0x6751, 3},
		{"\xed\x9f\xbf", 0xd7ff, 3},
		{"\xee\x80\x80", 0xe000, 3},
		{"\xef\xbf\xbf", 0xffff, 3},
		{"\xf0\x90\x80\x80", 0x10000, 4},
		{"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		size_t len = strlen(cases[ran].text);
		size_t n;

		assert_true(utf8_valid(cases[ran].text, len));
		assert_int_equal(
			utf8_next(cases[ran].text, len, &n), cases[ran].point);
		assert_int_equal(n, cases[ran].n);
		assert_int_equal(utf8_count(cases[ran].text, len), 1);
		if (len > 1)
			assert_false(utf8_valid(cases[ran].text, len - 1));
	}
	assert_int_equal(ran, 10);
	assert_int_equal(utf8_count("村档 a", 8), 4);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\0b", 3));
}

static void utf8_refuses_ill_formed_bytes(void **state)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xe6\x9d", "\xe6\x9d\x41",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xf0\x9f\x98", "\xf8\x88\x80\x80\x80", "\xff", "\xfe"};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		size_t n;

		assert_false(utf8_valid(bad[ran], strlen(bad[ran])));
		assert_int_equal(
			utf8_next(bad[ran], strlen(bad[ran]), &n), 0xfffd);
		assert_int_equal(n, 1);
	}
	assert_int_equal(ran, 19);
}

static void uuids_have_one_spelling(void **state)
{
	static const char text[] = "01941df6-65b8-7ea0-ba53-d7d4dd6fb63e";
	static const char *const bad[] = {"",
		"01941DF6-65b8-7ea0-ba53-d7d4dd6fb63e",
		"01941df665b87ea0ba53d7d4dd6fb63e",
		"01941df6-65b8-7ea0-ba53-d7d4dd6fb63",
		"01941df6-65b8-7ea0-ba53-d7d4dd6fb63e0",
		"01941df6-65b8-7ea0-ba53-d7d4dd6fb63g",
		"01941df6-65b8-7ea0-ba5-3d7d4dd6fb63e",
		"01941df6-65b8-7ea0-ba53--7d4dd6fb63e",
		"{1941df6-65b8-7ea0-ba53-d7d4dd6fb63}"};
	uint8_t id[UUID_SIZE];
	char back[UUID_TEXT_SIZE];
	size_t ran = 0;

	(void)state;
	assert_true(uuid_parse(text, strlen(text), id));
	assert_int_equal(id[0], 0x01);
	assert_int_equal(id[15], 0x3e);
	uuid_format(id, back);
	assert_string_equal(back, text);
	for (; ran < ARRAY_LEN(bad); ran++)
		assert_false(uuid_parse(bad[ran], strlen(bad[ran]), id));
	assert_int_equal(ran, 9);
}

/* RFC 9562 appendix A.6 has this time. */
static void uuid_v7_begins_with_the_time(void **state)
{
	uint8_t a[UUID_SIZE];
	uint8_t b[UUID_SIZE];
	char text[UUID_TEXT_SIZE];

	(void)state;
	assert_int_equal(uuid_v7(0x017f22e279b0, a, NULL), ERR_OK);
	assert_int_equal(uuid_v7(0x017f22e279b0, b, NULL), ERR_OK);
	assert_memory_not_equal(a, b, UUID_SIZE);
	uuid_format(a, text);
	assert_memory_equal(text, "017f22e2-79b0-7", 15);
	assert_non_null(strchr("89ab", text[19]));
}

static void codes_are_twelve_digits(void **state)
{
	(void)state;
	assert_true(code_valid("330106110201", 12));
	assert_true(code_valid("000000000001", 12));
	assert_false(code_valid("000000000000", 12));
	assert_false(code_valid("33010611020", 11));
	assert_false(code_valid("3301061102010", 13));
	assert_false(code_valid("33010611020a", 12));
	assert_false(code_valid("", 0));
}

static void codes_lie_below_their_prefix(void **state)
{
	static const char county[] = "330106000000";
	static const char township[] = "330106110000";
	static const char village[] = "330106110201";

	(void)state;
	assert_int_equal(code_prefix_len(county), 6);
	assert_int_equal(code_prefix_len(township), 9);
	assert_int_equal(code_prefix_len(village), 12);
	assert_true(code_within(village, village));
	assert_true(code_within(village, township));
	assert_true(code_within(village, county));
	assert_true(code_within(township, county));
	assert_true(code_within(county, county));
	assert_false(code_within(county, township));
	assert_false(code_within(township, village));
	assert_false(code_within("330106111201", township));
	assert_false(code_within("330105110201", county));
	assert_false(code_within("330106110202", village));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(
			base64_of_any_length_is_digit_by_digit_the_same),
		cmocka_unit_test(base64_alphabets_differ_in_two_digits),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(base64_stays_within_its_room),
		cmocka_unit_test(hex_is_lower_case_and_exact),
		cmocka_unit_test(utf8_takes_and_counts_characters),
		cmocka_unit_test(utf8_refuses_ill_formed_bytes),
		cmocka_unit_test(uuids_have_one_spelling),
		cmocka_unit_test(uuid_v7_begins_with_the_time),
		cmocka_unit_test(codes_are_twelve_digits),
		cmocka_unit_test(codes_lie_below_their_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
