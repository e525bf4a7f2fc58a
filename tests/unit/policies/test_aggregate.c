/* test_aggregate.c - counts of a month: which may be told, when, and of what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define ID "019db4a5-2278-7abc-8def-0123456789ab"
#define K 5
#define SERIES_COUNTED 7 /* of the template */
#define DAY_S 86400

static int setup(void **state)
{
	static const enum fixture_place some[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_open(&f);
	fixture_init_nodes(&f, some, ARRAY_LEN(some));
	fixture_enrol(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* ---- which may be told ---- */

#define CELLS 4

/* What is told of a table, as text: "7 - 9 -". */
static void told_of(const uint64_t *count, size_t n, char out[64])
{
	struct aggregate_cell cell[CELLS];
	struct aggregate a = {.k = K, .tables = 1};
	size_t len = 0;

	memset(cell, 0, sizeof(cell));
	for (size_t i = 0; i < n; i++)
		a.total.count += cell[i].count = count[i];
	a.table[0].cell = cell;
	a.table[0].count = n;
	aggregate_withhold(&a);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)(cell[i].withheld
				? snprintf(out + len, 64 - len, " -")
				: snprintf(out + len, 64 - len, " %d",
					  (int)cell[i].count));
}

static void a_small_count_is_withheld_and_another_with_it(void **state)
{
	static const struct {
		uint64_t count[CELLS];
		const char *told;
	} rows[] = {
		{{12, 3, 9, 20}, " 12 - - 20"}, /* the least of the others */
		{{12, 3, 2, 20}, " - - - 20"},
		{{12, 3, 12, 20}, " - - - 20"}, /* both are the least */
		{{12, 0, 3, 20}, " - - - 20"},	/* zeros do not stand out */
		{{12, 0, 0, 20}, " 12 0 0 20"}, /* nothing to hide */
		{{0, 0, 0, 0}, " 0 0 0 0"},
		{{5, 5, 5, 5}, " 5 5 5 5"},
		{{4, 5, 6, 7}, " - - 6 7"},
		{{4, 4, 4, 4}, " - - - -"},
		{{3, 0, 0, 0}, " - - - -"},
	};
	char told[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		told_of(rows[i].count, CELLS, told);
		assert_string_equal(told, rows[i].told);
	}
}

static void a_small_total_is_withheld(void **state)
{
	static const struct {
		uint64_t total, told, withheld;
	} rows[] = {{0, 0, 0}, {1, 0, 1}, {4, 0, 1}, {5, 5, 0}, {90, 90, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aggregate a = {
			.k = K, .total = {.count = rows[i].total}};

		aggregate_withhold(&a);
		assert_int_equal(a.total.count, rows[i].told);
		assert_int_equal(a.total.withheld, rows[i].withheld);
	}
}

/* A table, and what is told of it, eight bits a cell. */
struct outcome {
	uint32_t told;
	uint8_t count[CELLS];
};
struct outcomes {
	struct outcome *at;
	size_t count, cap;
};
#define HIDDEN 0xff

static void add_outcome(struct outcomes *o, const uint8_t *count, size_t n)
{
	struct aggregate_cell cell[CELLS];
	struct aggregate a = {.k = K, .tables = 1};
	struct outcome *to;

	memset(cell, 0, sizeof(cell));
	for (size_t i = 0; i < n; i++)
		cell[i].count = count[i];
	a.table[0].cell = cell;
	a.table[0].count = n;
	aggregate_withhold(&a);
	assert_true(grow(&o->at, &o->cap, o->count, sizeof(*o->at)));
	to = &o->at[o->count++];
	*to = (struct outcome){.told = 0};
	memcpy(to->count, count, n);
	for (size_t i = 0; i < n; i++)
		to->told = to->told << 8 |
			(cell[i].withheld ? HIDDEN : (uint32_t)cell[i].count);
}

/* All tables of n cells with this total. */
static void all_tables(
	struct outcomes *o, uint8_t *count, size_t at, size_t n, uint8_t left)
{
	if (at + 1 == n) {
		count[at] = left;
		add_outcome(o, count, n);
		return;
	}
	for (uint8_t c = 0; c <= left; c++) {
		count[at] = c;
		all_tables(o, count, at + 1, n, (uint8_t)(left - c));
	}
}

static int by_told(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	return (x->told > y->told) - (x->told < y->told);
}

/* Tables that are told alike: what of a cell can be said from that. */
static void judge_alike(const struct outcome *o, size_t count, size_t n)
{
	for (size_t cell = 0; cell < n; cell++) {
		bool hidden = (o->told >> 8 * (n - 1 - cell) & 0xff) == HIDDEN;
		bool small = false, large = false, any = false;
		uint8_t least = UINT8_MAX, most = 0;

		for (size_t i = 0; i < count; i++) {
			uint8_t c = o[i].count[cell];

			small |= c < K;
			large |= c >= K;
			least = c < least ? c : least;
			most = c > most ? c : most;
			for (size_t k = 0; k < n; k++)
				any |= o[i].count[k] >= K;
		}
		/* What is told is never small. */
		if (!hidden)
			assert_true(least == most && (!least || least >= K));
		else
			assert_true(any ? small && large : least < most);
	}
}

/* Whoever knows the rule, the total and all that is told; also that nothing is
 * ever in some of the cells, which the smaller tables are. */
static void nobody_can_tell_a_count_that_is_withheld(void **state)
{
	uint8_t count[CELLS] = {0};

	(void)state;
	for (size_t n = 2; n <= CELLS; n++) {
		for (uint8_t total = 0; total <= 24; total++) {
			struct outcomes o = {.at = NULL};
			size_t from = 0;

			all_tables(&o, count, 0, n, total);
			qsort(o.at, o.count, sizeof(*o.at), by_told);
			for (size_t i = 1; i <= o.count; i++) {
				if (i < o.count &&
					o.at[i].told == o.at[from].told)
					continue;
				judge_alike(o.at + from, i - from, n);
				from = i;
			}
			free(o.at);
		}
	}
}

/* ---- fields ---- */

#define CELL "{\"count\":12,\"value\":\"高\"}"
#define BY(cells) "[{\"cells\":[" cells "],\"field\":\"risk\"}]"
#define FIELDS(by, k, month, rest)                                             \
	"{\"by\":" by ",\"k\":" k ",\"month\":" month                          \
	",\"series\":\"mediation\"" rest "}"
#define GOOD                                                                   \
	FIELDS(BY(CELL ",{\"value\":\"低\"},{\"count\":0}"), "5", MONTH,       \
		",\"total\":24")
#define MONTH "\"2026-04\""

static void fields_come_back_as_they_were_written(void **state)
{
	static const char text[] = GOOD;
	struct aggregate a;
	struct json *v = NULL;
	struct buf out = BUF_EMPTY;
	struct err err;

	(void)state;
	fixture_ok(aggregate_parse(text, strlen(text), &a, &err), &err);
	assert_string_equal(a.series, "mediation");
	assert_string_equal(a.month, "2026-04");
	assert_int_equal(a.total.count, 24);
	assert_int_equal(a.tables, 1);
	assert_int_equal(a.table[0].count, 3);
	assert_int_equal(a.table[0].cell[1].withheld, 1);
	assert_string_equal(a.table[0].cell[2].value, "");
	fixture_ok(aggregate_write(&a, &v, &err), &err);
	fixture_ok(json_write(v, &out, &err), &err);
	assert_int_equal(out.len, strlen(text));
	assert_memory_equal(out.data, text, out.len);
	aggregate_free(&a);
	json_free(v);
	buf_free(&out);
}

static void what_is_no_count_of_a_month_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		FIELDS("{}", "5", MONTH, ""),
		FIELDS("[]", "4", MONTH, ""),
		FIELDS("[]", "1001", MONTH, ""),
		FIELDS("[]", "5", "\"2026-13\"", ""),
		FIELDS("[]", "5", "\"2026-4\"", ""),
		FIELDS("[]", "5", MONTH, ",\"total\":4"),
		FIELDS("[]", "5", MONTH, ",\"total\":\"24\""),
		FIELDS("[{}]", "5", MONTH, ""),
		FIELDS(BY(""), "5", MONTH, ""),
		FIELDS(BY("7"), "5", MONTH, ""),
		FIELDS(BY(CELL "," CELL), "5", MONTH, ""),
		FIELDS(BY("{\"count\":3,\"value\":\"高\"}"), "5", MONTH, ""),
		FIELDS(BY("{\"count\":7,\"value\":\"高\"}"), "8", MONTH, ""),
		FIELDS(BY("{\"count\":7,\"value\":\"\"}"), "5", MONTH, ""),
		FIELDS("[{\"cells\":[" CELL
		       "],\"field\":\"a\"},{\"cells\":[" CELL
		       "],\"field\":\"a\"}]",
			"5", MONTH, ""),
	};
	struct aggregate a;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (aggregate_parse(bad[i], strlen(bad[i]), &a, &err) !=
			ERR_INVALID)
			fail_msg("%s", bad[i]);
}

static void a_month_is_told_ten_days_after_its_end(void **state)
{
	static const struct {
		const char *now, *month;
	} rows[] = {
		{"2026-05-10T23:59:59+08:00", "2026-03"},
		{"2026-05-11T00:00:00+08:00", "2026-04"},
		{"2027-01-10T23:59:59+08:00", "2026-11"},
		{"2027-01-10T16:00:00Z", "2026-12"},
	};
	char month[AGGREGATE_MONTH_SIZE];
	int64_t now;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(time_parse(rows[i].now, strlen(rows[i].now), &now));
		aggregate_month_text(aggregate_closed(now), month);
		assert_string_equal(month, rows[i].month);
	}
}

/* ---- at a node ---- */

static int this_month(void)
{
	return aggregate_month_of(time_now());
}

/* When the counts of a month are told. */
static int64_t closing(int month)
{
	char text[TIME_TEXT_SIZE], name[AGGREGATE_MONTH_SIZE];
	int64_t t;

	aggregate_month_text(month + 1, name);
	snprintf(text, sizeof(text), "%s-11T00:00:00+08:00", name);
	assert_true(time_parse(text, strlen(text), &t));
	return t;
}

/* One of this month. */
static struct receipt put_case(struct fixture *f, enum fixture_place p,
	const char *id, const char *risk)
{
	struct json *doc = fixture_document_of("mediation", p);
	struct json *fields = json_copy(json_get(doc, "fields"));
	char at[TIME_TEXT_SIZE];
	struct receipt receipt;

	json_remove(fields, "risk");
	json_remove(fields, "outcome");
	assert_true(
		json_set(fields, "outcome", json_new_string("达成协议", 12)));
	if (risk)
		assert_true(json_set(
			fields, "risk", json_new_string(risk, strlen(risk))));
	json_remove(doc, "attachments");
	json_remove(doc, "id");
	if (id)
		assert_true(
			json_set(doc, "id", json_new_string(id, strlen(id))));
	time_format(time_now(), at);
	json_remove(doc, "created_at");
	assert_true(
		json_set(doc, "created_at", json_new_string(at, strlen(at))));
	assert_true(json_set(doc, "fields", fields));
	fixture_capture(f, p, doc, NULL, NULL, &receipt);
	return receipt;
}

static void put_cases(struct fixture *f, enum fixture_place p, unsigned count,
	const char *risk)
{
	while (count--)
		put_case(f, p, NULL, risk);
}

static size_t tell_at(struct fixture *f, enum fixture_place p, int64_t now)
{
	size_t told = 0;
	struct err err;

	fixture_ok(aggregate_tell(f->node[p], NULL, now, &told, &err), &err);
	return told;
}

/* "total | outcome cells | risk cells" as a county adds them up. */
static void assert_sum(struct fixture *f, enum fixture_place p, int month,
	const char *series, const char *expected)
{
	struct rules *rules = node_rules(f->node[p]);
	char name[AGGREGATE_MONTH_SIZE];
	struct json *sum = NULL;
	struct buf text = BUF_EMPTY;
	struct err err;

	aggregate_month_text(month, name);
	fixture_ok(aggregate_sum(f->node[p], rules, series, name,
			   fixture_code(COUNTY), &sum, &err),
		&err);
	if (sum) {
		const struct json *by = json_get(sum, "by");
		uint64_t n = 0;

		assert_true(json_get_u64(sum, "divisions", &n));
		buf_printf(&text, "%d:", (int)n);
		assert_true(json_get_u64(sum, "total", &n));
		buf_printf(&text, " %d", (int)n);
		assert_true(json_get_u64(sum, "withheld", &n));
		buf_printf(&text, "-%d", (int)n);
		for (size_t i = 0; i < json_count(by); i++) {
			const struct json *cells =
				json_get(json_at(by, i), "cells");

			buf_str(&text, " |");
			for (size_t k = 0; k < json_count(cells); k++) {
				const struct json *c = json_at(cells, k);

				assert_true(json_get_u64(c, "count", &n));
				buf_printf(&text, " %d", (int)n);
				assert_true(json_get_u64(c, "withheld", &n));
				buf_printf(&text, "-%d", (int)n);
			}
		}
	}
	buf_u8(&text, 0);
	assert_string_equal((const char *)text.data, expected);
	buf_free(&text);
	json_free(sum);
	rules_unref(rules);
}

static void a_month_that_is_over_is_told_once(void **state)
{
	struct fixture *f = *state;
	int month = this_month();
	struct log_info log;

	put_cases(f, VILLAGE, 7, "低");
	put_cases(f, VILLAGE, 3, "高");
	put_cases(f, VILLAGE, 1, NULL);
	assert_int_equal(tell_at(f, VILLAGE, closing(month) - 1), 0);
	assert_int_equal(tell_at(f, VILLAGE, closing(month)), SERIES_COUNTED);
	/* 达成协议 未达成 转司法 none | 低 中 高 none */
	assert_sum(f, VILLAGE, month, "mediation",
		"1: 11-0 | 11-0 0-0 0-0 0-0 | 0-1 0-1 0-1 0-1");
	assert_sum(f, VILLAGE, month, "deliberation", "1: 0-0");
	log = fixture_log(f, VILLAGE);
	/* What comes late would show in the difference of two versions. */
	put_case(f, VILLAGE, NULL, "中");
	assert_int_equal(tell_at(f, VILLAGE, closing(month)), 0);
	assert_int_equal(fixture_log(f, VILLAGE).size, log.size + 1);
	assert_int_equal(
		tell_at(f, VILLAGE, closing(month + 1)), SERIES_COUNTED);
	assert_sum(f, VILLAGE, month, "mediation",
		"1: 11-0 | 11-0 0-0 0-0 0-0 | 0-1 0-1 0-1 0-1");
	assert_sum(f, VILLAGE, month + 1, "mediation",
		"1: 0-0 | 0-0 0-0 0-0 0-0 | 0-0 0-0 0-0 0-0");
	/* What was before the log began is not told of. */
	assert_sum(f, VILLAGE, month - 1, "mediation", "");
}

static void months_that_were_missed_are_told_too(void **state)
{
	struct fixture *f = *state;
	int month = this_month();

	put_cases(f, VILLAGE, 6, "低");
	assert_int_equal(
		tell_at(f, VILLAGE, closing(month + 2)), SERIES_COUNTED + 2);
	assert_sum(f, VILLAGE, month, "mediation",
		"1: 6-0 | 6-0 0-0 0-0 0-0 | 6-0 0-0 0-0 0-0");
	assert_sum(f, VILLAGE, month + 1, "mediation",
		"1: 0-0 | 0-0 0-0 0-0 0-0 | 0-0 0-0 0-0 0-0");
}

static void the_newest_revision_counts(void **state)
{
	struct fixture *f = *state;
	int month = this_month();

	put_case(f, VILLAGE, ID, "低");
	put_cases(f, VILLAGE, 6, "中");
	put_case(f, VILLAGE, ID, "中");
	assert_int_equal(tell_at(f, VILLAGE, closing(month)), SERIES_COUNTED);
	assert_sum(f, VILLAGE, month, "mediation",
		"1: 7-0 | 7-0 0-0 0-0 0-0 | 0-0 7-0 0-0 0-0");
}

static void what_was_destroyed_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct erasure why = {.at = 1, .why = "test"};
	struct receipt r = put_case(f, VILLAGE, NULL, "中");
	struct log_info log = fixture_log(f, VILLAGE);
	struct erase_target t = {log.id, r.seq, LABEL_SENSITIVE};
	struct batch *b = NULL;
	int month = this_month();
	struct err err;

	put_cases(f, VILLAGE, 6, "中");
	fixture_ok(batch_begin(f->node[VILLAGE]->store, &b, &err), &err);
	fixture_ok(batch_erase(b, &t, 1, &why, &err), &err);
	fixture_ok(batch_commit(b, node_sign, f->node[VILLAGE], &err), &err);
	assert_int_equal(tell_at(f, VILLAGE, closing(month)), SERIES_COUNTED);
	assert_sum(f, VILLAGE, month, "mediation",
		"1: 6-0 | 6-0 0-0 0-0 0-0 | 0-0 6-0 0-0 0-0");
}

static void nodes_above_add_up_what_was_told(void **state)
{
	struct fixture *f = *state;
	int month = this_month();

	put_cases(f, VILLAGE, 9, "低");
	put_cases(f, VILLAGE, 4, "高");
	put_cases(f, TOWNSHIP, 8, "低");
	put_cases(f, TOWNSHIP, 6, "高");
	assert_int_equal(tell_at(f, VILLAGE, closing(month)), SERIES_COUNTED);
	assert_int_equal(tell_at(f, TOWNSHIP, closing(month)), SERIES_COUNTED);
	fixture_carry(f, VILLAGE, TOWNSHIP, fixture_log(f, VILLAGE).origin);
	fixture_carry(f, TOWNSHIP, COUNTY, fixture_log(f, VILLAGE).origin);
	fixture_carry(f, TOWNSHIP, COUNTY, fixture_log(f, TOWNSHIP).origin);
	assert_sum(f, COUNTY, month, "mediation",
		"2: 27-0 | 27-0 0-0 0-0 0-0 | 8-1 0-1 6-1 0-1");
	/* A log that is here is not counted by who holds it. */
	assert_int_equal(tell_at(f, COUNTY, closing(month)), SERIES_COUNTED);
	assert_sum(f, COUNTY, month, "mediation",
		"3: 27-0 | 27-0 0-0 0-0 0-0 | 8-1 0-1 6-1 0-1");
}

int main(void)
{
#define PURE(name) cmocka_unit_test(name)
#define NODES(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		PURE(a_small_count_is_withheld_and_another_with_it),
		PURE(a_small_total_is_withheld),
		PURE(nobody_can_tell_a_count_that_is_withheld),
		PURE(fields_come_back_as_they_were_written),
		PURE(what_is_no_count_of_a_month_is_refused),
		PURE(a_month_is_told_ten_days_after_its_end),
		NODES(a_month_that_is_over_is_told_once),
		NODES(months_that_were_missed_are_told_too),
		NODES(the_newest_revision_counts),
		NODES(what_was_destroyed_does_not_count),
		NODES(nodes_above_add_up_what_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
