/* test_retention.c - when a part may go, to the day, wherever the host is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "policies/retention.h"

/* The day of the first instant, at +08:00; "never" for none.  It begins at
 * midnight there. */
static const char *day_of(int64_t t)
{
	static char text[TIME_TEXT_SIZE];

	if (t == RETENTION_NEVER)
		return "never";
	time_format(t, text);
	assert_string_equal(text + 10, "T00:00:00+08:00");
	text[10] = '\0';
	return text;
}

static const char *due(const char *period, const char *anchor)
{
	struct period p;

	assert_true(period_parse(period, &p));
	return day_of(
		retention_due(&p, retention_year(anchor, strlen(anchor))));
}

static void ten_years_from_june_2025_end_with_2035(void **state)
{
	(void)state;
	assert_string_equal(due("D10", "2025-06-30"), "2036-01-01");
	assert_string_equal(due("D10", "2025-01-01"), "2036-01-01");
	assert_string_equal(due("D10", "2025-12-31"), "2036-01-01");
	assert_string_equal(due("D30", "2025-06-30"), "2056-01-01");
	assert_string_equal(due("T3y", "2025-06-30"), "2029-01-01");
	assert_string_equal(due("Y", "2025-06-30"), "never");
}

static void the_year_is_the_one_at_beijing(void **state)
{
	(void)state;
	assert_string_equal(
		due("D10", "2025-12-31T23:59:59+08:00"), "2036-01-01");
	assert_string_equal(
		due("D10", "2026-01-01T00:00:00+08:00"), "2037-01-01");
	assert_string_equal(due("D10", "2025-12-31T16:00:00Z"), "2037-01-01");
	assert_string_equal(due("D10", "2025-12-31T15:59:59Z"), "2036-01-01");
}

static void days_are_counted_over_leap_days(void **state)
{
	(void)state;
	/* 31 + 28 + 31 days of 2026; 31 + 29 + 30 of 2028. */
	assert_string_equal(due("T90d", "2025-06-30"), "2026-04-01");
	assert_string_equal(due("T90d", "2027-06-30"), "2028-03-31");
	assert_string_equal(due("T365d", "2024-02-29"), "2026-01-01");
	assert_string_equal(due("T366d", "2027-02-28"), "2029-01-01");
	assert_string_equal(due("T1d", "2025-12-31"), "2026-01-02");
	/* No leap day in 2100, one in 2000. */
	assert_string_equal(due("T60d", "2099-03-01"), "2100-03-02");
	assert_string_equal(due("T60d", "1999-03-01"), "2000-03-01");
}

static void odd_years_stay_apart(void **state)
{
	(void)state;
	assert_string_equal(due("T999y", "1900-01-01"), "2900-01-01");
	assert_string_equal(due("D30", "9968-12-31"), "9999-01-01");
	assert_string_equal(due("D10", "1987-07-01"), "1998-01-01");
	/* Beyond the years that can be shown it is later than any now. */
	{
		const struct period p = {PERIOD_YEARS, 999, true};

		assert_true(retention_due(&p, 9999) > year_start(9999));
		assert_true(retention_due(&p, 9999) < RETENTION_NEVER);
	}
}

static void an_anchor_that_is_no_date_has_not_begun(void **state)
{
	static const char *const no[] = {
		"", "2025", "2025-13-01", "2025-02-29", "soon", "2025-6-1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_string_equal(due("D10", no[i]), "never");
}

/* The same table under zones with summer time, one of them Beijing's own in the
 * summers of 1986 to 1991, when its clocks said +09:00. */
static void the_zone_of_the_host_does_not_matter(void **state)
{
	static const char *const zones[] = {"America/New_York", "Asia/Shanghai",
		"Asia/Urumqi", "Pacific/Kiritimati", "UTC"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		assert_int_equal(setenv("TZ", zones[i], 1), 0);
		tzset();
		assert_string_equal(
			due("D10", "1988-12-31T23:30:00+08:00"), "1999-01-01");
		assert_string_equal(
			due("T3y", "1988-07-15T00:10:00+08:00"), "1992-01-01");
		assert_string_equal(due("T90d", "1987-07-15"), "1988-03-31");
		assert_string_equal(due("D10", "2025-06-30"), "2036-01-01");
	}
	unsetenv("TZ");
	tzset();
}

/* Every day of 150 years: what is due depends on the year alone, never before
 * N years are over, and at most a year behind them. */
static void a_period_is_never_short_and_at_most_a_year_long(void **state)
{
	const struct period years = {PERIOD_YEARS, 10, false};
	const struct period days = {PERIOD_DAYS, 90, true};

	(void)state;
	for (int64_t t = year_start(1950); t < year_start(2100); t += 86400) {
		char text[TIME_TEXT_SIZE];
		int year = time_year(t);
		int64_t a, b;

		time_format(t, text);
		assert_int_equal(retention_year(text, 10), year);
		assert_int_equal(retention_year(text, 25), year);
		a = retention_due(&years, year);
		b = retention_due(&days, year);
		assert_int_equal(a, year_start(year + 11));
		assert_true(a - t > (int64_t)10 * 365 * 86400);
		assert_true(a - t <= (int64_t)(11 * 366) * 86400);
		assert_true(b - t > (int64_t)90 * 86400);
		assert_true(b - t <= (int64_t)(366 + 90) * 86400);
	}
}

static struct series *load(const char *retention)
{
	static const char head[] =
		"name: odd\ntitle: t\nplan: p\ndirection: up\nurgent: no\n"
		"attachments: none\nclearance: {village: [public, internal, "
		"sensitive], township: [], county: []}\nretention:\n";
	static const char fields[] =
		"fields:\n"
		"  - {path: kind, type: string, label: public}\n"
		"  - {path: ended.on, type: date, label: internal}\n"
		"  - {path: note, type: text, label: sensitive}\n";
	struct series *s = NULL;
	struct buf yaml = BUF_EMPTY;
	struct err err;

	buf_str(&yaml, head);
	buf_str(&yaml, retention);
	buf_str(&yaml, fields);
	if (series_load("odd.yaml", yaml.data, yaml.len, &s, &err))
		fail_msg("%s", err.text);
	buf_free(&yaml);
	return s;
}

static void a_part_with_an_anchor_stays_as_long_as_what_it_anchors(void **state)
{
	struct series *s = load("  - {label: public, period: Y}\n"
				"  - {label: internal, period: D10}\n"
				"  - {label: sensitive, period: D30, anchor: "
				"ended.on}\n");
	int year[LABEL_COUNT] = {2025, 2025, 2025, 2027};
	int64_t d[LABEL_COUNT];
	struct retention r;

	(void)state;
	retention_make(s, &r);
	retention_of(&r, year, d);
	assert_string_equal(day_of(d[LABEL_PUBLIC]), "never");
	assert_string_equal(day_of(d[LABEL_INTERNAL]), "2058-01-01");
	assert_string_equal(day_of(d[LABEL_PERSONAL]), "never");
	assert_string_equal(day_of(d[LABEL_SENSITIVE]), "2058-01-01");
	year[LABEL_SENSITIVE] = RETENTION_OPEN;
	retention_of(&r, year, d);
	assert_string_equal(day_of(d[LABEL_INTERNAL]), "never");
	series_free(s);

	s = load("  - {label: public, period: Y, anchor: ended.on}\n"
		 "  - {label: internal, period: D10}\n"
		 "  - {label: sensitive, period: T90d}\n");
	retention_make(s, &r);
	retention_of(&r, year, d);
	assert_string_equal(day_of(d[LABEL_INTERNAL]), "2036-01-01");
	series_free(s);
}

static void the_longer_of_two_periods_counts_for_each_label(void **state)
{
	int64_t a[LABEL_COUNT] = {1, 5, RETENTION_NEVER, 7};
	const int64_t b[LABEL_COUNT] = {2, 4, 3, RETENTION_NEVER};

	(void)state;
	retention_longer(a, b);
	assert_int_equal(a[0], 2);
	assert_int_equal(a[1], 5);
	assert_int_equal(a[2], RETENTION_NEVER);
	assert_int_equal(a[3], RETENTION_NEVER);
}

static bool found(const char *json, const char *path, const char *expected)
{
	const char *value;
	size_t len;

	if (!retention_find(json, strlen(json), path, &value, &len))
		return expected == NULL;
	return expected && len == strlen(expected) &&
		memcmp(value, expected, len) == 0;
}

static void an_anchor_is_found_where_its_path_leads_and_nowhere_else(
	void **state)
{
	static const char doc[] =
		"{\"a\":{\"closed_at\":\"2001-01-01\"},\"b\":[{\"closed_at\":"
		"\"2002-01-01\"},{}],\"c\":\"\\\"closed_at\\\":\\\"2003-01-01"
		"\\\"\",\"closed_at\":\"2025-06-30\",\"n\":-1.5e3,\"x\":{}}";

	(void)state;
	assert_true(found(doc, "closed_at", "2025-06-30"));
	assert_true(found(doc, "a.closed_at", "2001-01-01"));
	assert_true(found(doc, "b.closed_at", NULL));
	assert_true(found(doc, "c.closed_at", NULL));
	assert_true(found(doc, "x.closed_at", NULL));
	assert_true(found(doc, "n", NULL));
	assert_true(found(doc, "closed", NULL));
	assert_true(found("{}", "a", NULL));
	assert_true(found("{\"a\":\"", "a", NULL));
	assert_true(found("{\"a\":\"x\\", "a", NULL));
	assert_true(found("{\"a\"", "a", NULL));
	assert_true(found("", "a", NULL));
	/* However it is cut, nothing behind its end is read. */
	for (size_t n = 0; n < sizeof(doc) - 1; n++) {
		char *cut = malloc(n + 1);
		const char *value;
		size_t len;

		assert_non_null(cut);
		memcpy(cut, doc, n);
		if (retention_find(cut, n, "closed_at", &value, &len))
			assert_int_equal(len, 10);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_years_from_june_2025_end_with_2035),
		cmocka_unit_test(the_year_is_the_one_at_beijing),
		cmocka_unit_test(days_are_counted_over_leap_days),
		cmocka_unit_test(odd_years_stay_apart),
		cmocka_unit_test(an_anchor_that_is_no_date_has_not_begun),
		cmocka_unit_test(the_zone_of_the_host_does_not_matter),
		cmocka_unit_test(
			a_period_is_never_short_and_at_most_a_year_long),
		cmocka_unit_test(
			a_part_with_an_anchor_stays_as_long_as_what_it_anchors),
		cmocka_unit_test(
			the_longer_of_two_periods_counts_for_each_label),
		cmocka_unit_test(
			an_anchor_is_found_where_its_path_leads_and_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
