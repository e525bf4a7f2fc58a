/* test_due_sealed.c - when sealed records may go: by what their node reads of
 * them, and by what it tells of those that went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/automatic.h"
#include "policies/asked.h"
#include "policies/due_sealed.h"
#include "tests/unit/policies/fixture.h"

#define ID "019db4a5-2278-7abc-8def-0123456789ab"

static int setup(void **state)
{
	static const enum fixture_place places[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_some(&f, places, ARRAY_LEN(places));
	fixture_seal(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static int64_t instant(const char *text)
{
	int64_t t;

	assert_true(time_parse(text, strlen(text), &t));
	return t;
}

#define HEAD                                                                   \
	",\"node\":\"330106110201\","                                          \
	"\"created_at\":\"1990-04-12T10:00:00+08:00\",\"fields\":{"
#define REPORT                                                                 \
	"{\"series\":\"minor-protection\"" HEAD                                \
	"\"found_at\":\"1990-04-12T09:00:00+08:00\",\"minor_token\":"          \
	"\"T-1\",\"report_no\":\"RB-1\",\"situation\":\"x\",\"type\":\"x\"}}"
#define NOTES                                                                  \
	"{\"series\":\"special-rehab\"" HEAD                                   \
	"\"competent_body\":\"x\",\"person_token\":\"T-2\",\"program\":"       \
	"\"社区康复\",\"term_from\":\"1990-04-01\"}}"

static struct json *text_json(const char *s)
{
	return json_new_string(s, strlen(s));
}

static struct receipt put(struct fixture *f, const char *document,
	const char *anchor, const char *id, const char *value)
{
	struct json *doc = NULL, *fields;
	struct receipt receipt;
	struct err err;

	fixture_ok(json_parse(document, strlen(document), DOCUMENT_LIMIT, &doc,
			   &err),
		&err);
	fields = json_copy(json_get(doc, "fields"));
	if (value)
		assert_true(json_set(fields, anchor, text_json(value)));
	if (id)
		assert_true(json_set(doc, "id", text_json(id)));
	assert_true(json_set(doc, "fields", fields));
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &receipt);
	return receipt;
}

static struct receipt put_report(
	struct fixture *f, const char *id, const char *closed)
{
	return put(f, REPORT, "closed_at", id, closed);
}

static struct receipt put_notes(struct fixture *f, const char *term_to)
{
	return put(f, NOTES, "term_to", NULL, term_to);
}

static bool is_held(void *arg, const char *origin, uint64_t seq,
	const char *series, int64_t at)
{
	(void)origin;
	(void)seq;
	(void)at;
	return !strcmp(series, arg);
}

static struct due find_as(struct fixture *f, enum fixture_place p,
	const char *now, const char *series, const char *held)
{
	const struct due_options opt = {.now = instant(now),
		.labels = LABEL_ALL,
		.series = series,
		.held = held ? is_held : NULL,
		.arg = (void *)(uintptr_t)held};
	struct rules *rules = node_rules(f->node[p]);
	struct due due;
	struct err err;

	fixture_ok(due_find(f->node[p], rules, NULL, &opt, &due, &err), &err);
	rules_unref(rules);
	return due;
}

static struct due find(struct fixture *f, enum fixture_place p, const char *now)
{
	return find_as(f, p, now, NULL, NULL);
}

static uint64_t parts_at(
	struct fixture *f, enum fixture_place p, const char *now)
{
	struct due due = find(f, p, now);
	uint64_t parts = due.parts;

	due_free(&due);
	return parts;
}

static struct asked_retention asked(
	struct fixture *f, enum fixture_place p, const struct receipt *r)
{
	struct asked_retention out[LABEL_COUNT];
	struct rules *rules = node_rules(f->node[p]);
	struct log_info log;
	struct err err;

	fixture_ok(
		store_log_find(f->node[p]->store, r->origin, &log, &err), &err);
	fixture_ok(asked_retention(f->node[p], rules, &log, r->seq, out, &err),
		&err);
	rules_unref(rules);
	assert_int_equal(out[LABEL_INTERNAL].state, ASKED_NONE);
	return out[LABEL_SENSITIVE];
}

static void who_captured_it_knows_when_the_message_may_go(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put_report(f, NULL, "1990-06-02T09:00:00+08:00");
	const struct due_group *g;
	struct asked_retention a;
	struct due due;

	assert_int_equal(parts_at(f, VILLAGE, "2020-12-31T23:59:59+08:00"), 0);
	due = find(f, VILLAGE, "2021-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 1);
	g = due.group;
	assert_int_equal(g->label, LABEL_SENSITIVE);
	assert_true(g->sealed);
	assert_string_equal(g->series, "minor-protection");
	assert_string_equal(g->origin, r.origin);
	assert_string_equal(g->period, "D30");
	assert_int_equal(g->since, instant("2021-01-01T00:00:00+08:00"));
	assert_int_equal(g->start, 1991);
	assert_int_equal(g->first_year, 1990);
	assert_int_equal(g->range[0].from, r.seq);
	assert_int_equal(g->count, 1);
	due_free(&due);
	a = asked(f, VILLAGE, &r);
	assert_int_equal(a.state, ASKED_ENDS);
	assert_int_equal(a.since, instant("2021-01-01T00:00:00+08:00"));
}

static void it_is_found_by_the_series_in_it_and_as_sealed(void **state)
{
	static const char *const series[] = {
		"minor-protection", SERIES_SEALED, "special-rehab", "alert"};

	for (size_t i = 0; i < ARRAY_LEN(series); i++) {
		struct due due = find_as(*state, VILLAGE,
			"2021-01-01T00:00:00+08:00", series[i], NULL);

		assert_int_equal(due.parts, i < 2);
		due_free(&due);
	}
}

static void a_hold_by_either_name_keeps_it(void **state)
{
	static const char *const series[] = {"minor-protection", SERIES_SEALED};

	for (size_t i = 0; i < ARRAY_LEN(series); i++) {
		struct due due = find_as(*state, VILLAGE,
			"2021-01-01T00:00:00+08:00", NULL, series[i]);

		assert_int_equal(due.parts, 0);
		assert_int_equal(due.held, 1);
		due_free(&due);
	}
}

static void who_carries_it_cannot_tell(void **state)
{
	struct fixture *f = *state;
	struct log_info log = fixture_log(f, VILLAGE);
	struct receipt r = {.seq = log.size - 1};
	struct due due;

	memcpy(r.origin, log.origin, sizeof(r.origin));
	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	due = find(f, TOWNSHIP, "2999-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 0);
	assert_int_equal(due.unknown, 1);
	due_free(&due);
	assert_int_equal(asked(f, TOWNSHIP, &r).state, ASKED_SEALED);
}

static void the_newest_revision_rules_all_of_them(void **state)
{
	struct fixture *f = *state;
	struct due due;

	put_report(f, ID, "1990-06-02T09:00:00+08:00");
	put_report(f, ID, NULL);
	due = find(f, VILLAGE, "2999-01-01T00:00:00+08:00");
	assert_int_equal(due.parts, 1);
	assert_int_equal(due.open, 2);
	assert_int_equal(due.unknown, 0);
	due_free(&due);
	put_report(f, ID, "1992-06-02T09:00:00+08:00");
	assert_int_equal(parts_at(f, VILLAGE, "2022-12-31T23:59:59+08:00"), 1);
	assert_int_equal(parts_at(f, VILLAGE, "2023-01-01T00:00:00+08:00"), 4);
}

static uint64_t run_at(struct fixture *f, enum fixture_place p, const char *now)
{
	uint64_t parts = 0;
	struct err err;

	fixture_ok(automatic_run(f->node[p], NULL, instant(now), &parts, &err),
		&err);
	return parts;
}

/* What goes by itself goes where it was captured; of the rest its record says
 * no more than that something sealed did, and officers above can name it. */
static void what_went_by_itself_is_listed_above(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put_notes(f, "1991-06-30");
	const char *day = "1992-01-31T00:00:00+08:00";
	struct run run = {.count = 0};
	const struct part *told;
	struct log_info log;
	struct err err;
	struct due due;

	put_notes(f, NULL);
	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	assert_int_equal(run_at(f, TOWNSHIP, "2999-01-01T00:00:00+08:00"), 0);
	assert_int_equal(run_at(f, VILLAGE, "1992-01-30T23:59:59+08:00"), 0);
	assert_int_equal(run_at(f, VILLAGE, day), 1);
	assert_int_equal(run_at(f, VILLAGE, day), 0);
	assert_int_equal(asked(f, VILLAGE, &r).state, ASKED_DESTROYED);
	log = fixture_log(f, VILLAGE);
	fixture_ok(store_read(f->node[VILLAGE]->store, log.id, log.size - 1, 1,
			   LABEL_ALL, &run, &err),
		&err);
	told = &run.record[0].part[LABEL_INTERNAL];
	assert_non_null(memmem(told->json, told->len, ":\"sealed\"", 9));
	assert_null(memmem(told->json, told->len, "special-rehab", 13));
	run_free(&run);

	assert_int_equal(parts_at(f, TOWNSHIP, "2999-01-01T00:00:00+08:00"), 0);
	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	due = find(f, TOWNSHIP, day);
	assert_int_equal(due.parts, 1);
	assert_int_equal(due.unknown, 5);
	assert_string_equal(due.group->series, SERIES_SEALED);
	assert_string_equal(due.group->period, "T30d");
	assert_int_equal(due.group->since, instant(day));
	assert_int_equal(due.group->range[0].from, r.seq);
	due_free(&due);
	assert_int_equal(asked(f, TOWNSHIP, &r).state, ASKED_ENDS);
	/* Nothing goes there on a node's word alone. */
	assert_int_equal(run_at(f, TOWNSHIP, "2999-01-01T00:00:00+08:00"), 0);
}

#define ORIGIN "cundang.example/330106110201/0123456789abcdef"
#define ROW(reason, origin, series)                                            \
	"{\"accounts\":false,\"as_of\":\"2026-11-24\",\"count\":2,"            \
	"\"domain\":\"cundang.example\",\"node\":\"330106110201\","            \
	"\"reason\":\"" reason "\",\"rows\":[{\"archive_no\":\"\","            \
	"\"book\":\"\",\"count\":2,\"destroyed_at\":\"\",\"first_year\":"      \
	"2023,\"kept_years\":2,\"label\":\"sensitive\",\"last_year\":2023,"    \
	"\"masked_in\":[],\"name\":\"\",\"origin\":\"" origin                  \
	"\",\"period\":\"T2y\",\"seqs\":[[3,5]],\"series\":\"" series          \
	"\",\"since\":\"2026-01-01\",\"source\":\"\",\"volume\":\"\"}],"       \
	"\"rules\":3,\"unit\":\"\"}"

static void a_node_tells_only_of_its_own_sealed_records(void **state)
{
	static const char *const rows[] = {
		ROW("automatic", ORIGIN, "sealed"),
		ROW("automatic",
			"cundang.example/330106110203/0123456789abcdef",
			"sealed"),
		ROW("automatic", ORIGIN, "household"),
		ROW("of an order", ORIGIN, "sealed"),
		"{\"rows\":7}",
		"rows",
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct due_told t = {.at = NULL};

		fixture_ok(due_told_read(&t, rows[i], strlen(rows[i]),
				   "330106110201", &err),
			&err);
		assert_int_equal(t.count, i == 0);
		if (i == 0) {
			assert_int_equal(t.at->start, 2024);
			assert_non_null(due_told_of(&t, ORIGIN, 4));
			assert_null(due_told_of(&t, ORIGIN, 5));
			assert_null(due_told_of(&t, ORIGIN, 2));
		}
		due_told_free(&t);
	}
}

int main(void)
{
	/* One domain for all of them, in this order: they are slow to make. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_captured_it_knows_when_the_message_may_go),
		cmocka_unit_test(it_is_found_by_the_series_in_it_and_as_sealed),
		cmocka_unit_test(a_hold_by_either_name_keeps_it),
		cmocka_unit_test(who_carries_it_cannot_tell),
		cmocka_unit_test(the_newest_revision_rules_all_of_them),
		cmocka_unit_test(what_went_by_itself_is_listed_above),
		cmocka_unit_test(a_node_tells_only_of_its_own_sealed_records),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
