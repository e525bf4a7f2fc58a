/* test_time.c - instants and dates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"

static void reads_instants(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T08:00:00+08:00", 0},
		{"1970-01-01t00:00:00z", 0},
		{"1970-01-01T00:00:00.999999999Z", 0},
		{"1969-12-31T23:59:59Z", -1},
		{"2026-04-22T17:48:35+08:00", 1776851315},
		{"2026-04-22T09:48:35.5-00:00", 1776851315},
		{"2000-02-29T00:00:00Z", 951782400},
		{"2024-02-29T23:59:59-23:59", 1709337539},
		{"1900-01-01T00:00:00+08:00", -2209017600},
		{"9999-12-31T23:59:59+08:00", 253402271999},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		int64_t t = 42;

		assert_true(time_parse(
			cases[ran].text, strlen(cases[ran].text), &t));
		assert_true(t == cases[ran].t);
	}
	assert_int_equal(ran, 11);
}

static void refuses_what_is_no_instant(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-04-22",
		"2026-04-22T17:48:35",
		"2026-04-22 17:48:35Z",
		"2026-04-22T17:48Z",
		"2026-04-22T24:00:00Z",
		"2026-04-22T23:60:00Z",
		"2026-04-22T23:59:60Z",
		"2026-04-22T23:59:5.Z",
		"2026-04-22T23:59:59.Z",
		"2026-04-22T23:59:59,5Z",
		"2026-04-22T23:59:59+24:00",
		"2026-04-22T23:59:59+08:60",
		"2026-04-22T23:59:59+0800",
		"2026-04-22T23:59:59+08:00 ",
		"2026-04-31T00:00:00Z",
		"2026-00-10T00:00:00Z",
		"2026-13-10T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"1899-12-31T23:59:59Z",
		"1900-01-01T00:00:00+09:00",
		"9999-12-31T23:59:59Z",
		"+026-04-22T17:48:35Z",
		"2026-4-22T17:48:35ZZZ",
	};
	size_t ran = 0;
	int64_t t = 42;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++) {
		assert_false(time_parse(bad[ran], strlen(bad[ran]), &t));
		assert_true(t == 42);
	}
	assert_int_equal(ran, 26);
}

/* Against the C library, which counts days on its own. */
static void agrees_with_the_c_library(void **state)
{
	char text[TIME_TEXT_SIZE];
	char expected[64];
	size_t ran = 0;

	(void)state;
	for (int64_t t = -2209017600; t <= 253402271999; t += 12345679) {
		time_t shifted = (time_t)(t + 8 * 3600);
		struct tm tm;
		int64_t back;

		gmtime_r(&shifted, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S+08:00",
			&tm);
		time_format(t, text);
		assert_string_equal(text, expected);
		assert_true(time_parse(text, strlen(text), &back));
		assert_true(back == t);
		ran++;
	}
	assert_true(ran > 20000);
}

static void never_writes_beyond_the_text(void **state)
{
	char text[TIME_TEXT_SIZE];

	(void)state;
	time_format(INT64_MIN, text);
	assert_string_equal(text, "1900-01-01T00:00:00+08:00");
	time_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59+08:00");
}

static void the_hosts_zone_does_not_matter(void **state)
{
	char text[TIME_TEXT_SIZE];
	int64_t t;

	(void)state;
	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	tzset();
	time_format(0, text);
	assert_string_equal(text, "1970-01-01T08:00:00+08:00");
	assert_true(time_parse(text, strlen(text), &t));
	assert_true(t == 0);
}

static void knows_real_dates(void **state)
{
	static const char *const good[] = {
		"1900-01-01", "2000-02-29", "2024-02-29", "9999-12-31"};
	static const char *const bad[] = {"", "1899-12-31", "1900-02-29",
		"2023-02-29", "2024-04-31", "2024-13-01", "2024-1-01x",
		"2024/01/01", "2024-01-01 "};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(date_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(date_valid(bad[i], strlen(bad[i])));
}

static void the_clocks_go(void **state)
{
	uint64_t before = time_mono_ms(), first = time_now_ms();
	struct timespec wait = {.tv_nsec = 3000000};
	int64_t now;

	(void)state;
	assert_true(time_now() > 1700000000);
	now = time_now();
	assert_true(first / 1000 <= (uint64_t)now);
	assert_true((uint64_t)now <= time_now_ms() / 1000);
	nanosleep(&wait, NULL);
	assert_true(time_mono_ms() >= before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_instants),
		cmocka_unit_test(refuses_what_is_no_instant),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(never_writes_beyond_the_text),
		cmocka_unit_test(the_hosts_zone_does_not_matter),
		cmocka_unit_test(knows_real_dates),
		cmocka_unit_test(the_clocks_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
