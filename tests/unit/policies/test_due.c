/* test_due.c - what may go by now, over revisions, rules, nodes and orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/due.h"
#include "tests/unit/policies/fixture.h"

#define ID "019db4a5-2278-7abc-8def-0123456789ab"

/* A case made at `at`, closed at `closed` unless that is NULL. */
static struct receipt put_case(struct fixture *f, enum fixture_place p,
	const char *id, const char *at, const char *closed)
{
	struct json *doc = fixture_document_of("service-case", p);
	struct json *fields = json_copy(json_get(doc, "fields"));
	struct receipt receipt;

	json_remove(fields, "closed_at");
	if (closed)
		assert_true(
			json_set(fields, "closed_at", json_new_text(closed)));
	json_remove(doc, "attachments");
	json_remove(doc, "id");
	if (id)
		assert_true(json_set(doc, "id", json_new_text(id)));
	assert_true(json_set(doc, "created_at", json_new_text(at)));
	assert_true(json_set(doc, "fields", fields));
	fixture_capture(f, p, doc, NULL, NULL, &receipt);
	return receipt;
}

static int64_t instant(const char *text)
{
	int64_t t;

	assert_true(time_parse(text, strlen(text), &t));
	return t;
}

static struct due find_with(
	struct fixture *f, enum fixture_place p, const struct due_options *opt)
{
	struct rules *rules = node_rules(f->node[p]);
	struct due due;
	struct err err;

	fixture_ok(due_find(f->node[p], rules, NULL, opt, &due, &err), &err);
	rules_unref(rules);
	return due;
}

static struct due find(struct fixture *f, enum fixture_place p, const char *now)
{
	const struct due_options opt = {
		.now = instant(now), .labels = LABEL_ALL};

	return find_with(f, p, &opt);
}

static uint64_t parts_at(
	struct fixture *f, enum fixture_place p, const char *now)
{
	struct due due = find(f, p, now);
	uint64_t parts = due.parts;

	due_free(&due);
	return parts;
}

static void a_closed_case_may_go_at_midnight_of_its_year(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put_case(f, VILLAGE, NULL,
		"2012-12-30T10:00:00+08:00", "2013-01-02T09:00:00+08:00");
	struct due due;

	assert_int_equal(parts_at(f, VILLAGE, "2023-12-31T23:59:59+08:00"), 0);
	due = find(f, VILLAGE, "2024-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct due_group *g = &due.group[i];

		assert_int_equal(g->label, i);
		assert_string_equal(g->origin, r.origin);
		assert_string_equal(g->series, "service-case");
		assert_string_equal(g->period, "D10");
		assert_int_equal(
			g->since, instant("2024-01-01T00:00:00+08:00"));
		assert_int_equal(g->first_year, 2012);
		assert_int_equal(g->last_year, 2012);
		assert_int_equal(g->count, 1);
		assert_int_equal(g->range_count, 1);
		assert_int_equal(g->range[0].from, r.seq);
		assert_int_equal(g->range[0].to, r.seq + 1);
	}
	due_free(&due);
}

static void an_open_case_does_not_expire(void **state)
{
	struct fixture *f = *state;
	struct due due;

	put_case(f, VILLAGE, NULL, "1999-01-01T10:00:00+08:00", NULL);
	due = find(f, VILLAGE, "2999-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 0);
	assert_int_equal(due.open, 1);
	assert_int_equal(due.unknown, 0);
	due_free(&due);
}

static void the_newest_revision_rules_all_of_them(void **state)
{
	struct fixture *f = *state;
	struct due due;

	put_case(f, VILLAGE, ID, "2010-01-01T10:00:00+08:00",
		"2010-02-01T10:00:00+08:00");
	assert_int_equal(parts_at(f, VILLAGE, "2021-01-01T00:00:00+08:00"), 4);
	/* opened again */
	put_case(f, VILLAGE, ID, "2010-01-01T10:00:00+08:00", NULL);
	assert_int_equal(parts_at(f, VILLAGE, "2921-01-01T00:00:00+08:00"), 0);
	/* closed again, later */
	put_case(f, VILLAGE, ID, "2010-01-01T10:00:00+08:00",
		"2015-06-30T10:00:00+08:00");
	assert_int_equal(parts_at(f, VILLAGE, "2025-12-31T23:59:59+08:00"), 0);
	due = find(f, VILLAGE, "2026-01-01T00:00:00+08:00");
	assert_int_equal(due.parts, 12);
	assert_int_equal(due.count, 4);
	assert_int_equal(due.group[0].range_count, 1);
	assert_int_equal(due.group[0].count, 3);
	due_free(&due);
}

static void the_longer_of_the_periods_at_capture_and_now_counts(void **state)
{
	struct fixture *f = *state;

	put_case(f, VILLAGE, NULL, "2000-01-01T10:00:00+08:00",
		"2000-02-01T10:00:00+08:00");
	/* lengthened: also for what was captured before */
	fixture_change_rules(f,
		"sed -i 's/period: D10/period: D30/' "
		"series/service-case.yaml");
	assert_int_equal(parts_at(f, VILLAGE, "2030-12-31T23:59:59+08:00"), 0);
	assert_int_equal(parts_at(f, VILLAGE, "2031-01-01T00:00:00+08:00"), 4);
	put_case(f, VILLAGE, NULL, "2000-01-01T10:00:00+08:00",
		"2000-02-01T10:00:00+08:00");
	/* shortened: for what is captured from now on */
	fixture_change_rules(f,
		"sed -i 's/period: D30/period: T3y/' "
		"series/service-case.yaml");
	put_case(f, VILLAGE, NULL, "2000-01-01T10:00:00+08:00",
		"2000-02-01T10:00:00+08:00");
	assert_int_equal(parts_at(f, VILLAGE, "2003-12-31T23:59:59+08:00"), 0);
	assert_int_equal(parts_at(f, VILLAGE, "2004-01-01T00:00:00+08:00"), 4);
	assert_int_equal(parts_at(f, VILLAGE, "2011-01-01T00:00:00+08:00"), 8);
	assert_int_equal(parts_at(f, VILLAGE, "2031-01-01T00:00:00+08:00"), 12);
}

static void an_anchor_of_other_rules_is_looked_up_again(void **state)
{
	struct fixture *f = *state;

	put_case(f, VILLAGE, NULL, "2000-01-01T10:00:00+08:00", NULL);
	put_case(f, VILLAGE, NULL, "2000-01-01T10:00:00+08:00",
		"2004-02-01T10:00:00+08:00");
	/* from now on from the day it was made, which would be sooner */
	fixture_change_rules(f,
		"sed -i 's/, anchor: closed_at//' "
		"series/service-case.yaml");
	assert_int_equal(parts_at(f, VILLAGE, "2014-12-31T23:59:59+08:00"), 0);
	assert_int_equal(parts_at(f, VILLAGE, "2015-01-01T00:00:00+08:00"), 4);
	assert_int_equal(parts_at(f, VILLAGE, "2515-01-01T00:00:00+08:00"), 4);
}

static void destroy(
	struct fixture *f, enum fixture_place p, uint64_t seq, enum label label)
{
	static const struct erasure order = {1782000000, "order 7"};
	struct erase_target part = {fixture_log(f, p).id, seq, label};
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	fixture_ok(batch_erase(b, &part, 1, &order, &err), &err);
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
}

static void what_is_destroyed_is_not_listed_again(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put_case(f, VILLAGE, NULL,
		"2010-01-01T10:00:00+08:00", "2010-02-01T10:00:00+08:00");
	struct due due;

	destroy(f, VILLAGE, r.seq, LABEL_SENSITIVE);
	due = find(f, VILLAGE, "2026-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 3);
	assert_int_equal(due.group[2].label, LABEL_PERSONAL);
	due_free(&due);
	/* With the anchor gone nobody knows of the others. */
	destroy(f, VILLAGE, r.seq, LABEL_INTERNAL);
	due = find(f, VILLAGE, "2026-01-01T00:00:00+08:00");
	assert_int_equal(due.count, 0);
	assert_int_equal(due.unknown, 1);
	due_free(&due);
}

static void nodes_above_find_the_same_also_of_parts_they_may_not_hold(
	void **state)
{
	struct fixture *f = *state;
	const struct due_options elsewhere = {.now = INT64_C(9999999999),
		.labels = LABEL_ALL,
		.from = fixture_code(OTHER)};
	const struct due_options personal = {.now = INT64_C(9999999999),
		.labels = LABEL_BIT(LABEL_PERSONAL),
		.series = "service-case",
		.from = fixture_code(TOWNSHIP)};
	const struct due_options alert = {.now = INT64_C(9999999999),
		.labels = LABEL_ALL,
		.series = "alert"};
	struct due due;

	put_case(f, VILLAGE, NULL, "2010-01-01T10:00:00+08:00",
		"2010-02-01T10:00:00+08:00");
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	fixture_carry(f, TOWNSHIP, COUNTY, f->node[VILLAGE]->origin);
	assert_int_equal(parts_at(f, TOWNSHIP, "2021-01-01T00:00:00+08:00"), 4);
	assert_int_equal(parts_at(f, COUNTY, "2021-01-01T00:00:00+08:00"), 4);
	assert_int_equal(parts_at(f, OTHER, "2921-01-01T00:00:00+08:00"), 0);
	due = find_with(f, COUNTY, &personal);
	assert_int_equal(due.count, 1);
	assert_int_equal(due.group[0].label, LABEL_PERSONAL);
	due_free(&due);
	due = find_with(f, COUNTY, &elsewhere);
	assert_int_equal(due.parts, 0);
	due_free(&due);
	due = find_with(f, COUNTY, &alert);
	assert_int_equal(due.parts, 0);
	due_free(&due);
}

static bool is_held(void *arg, const char *origin, uint64_t seq,
	const char *series, int64_t at)
{
	(void)origin;
	assert_string_equal(series, "service-case");
	assert_int_equal(at, instant("2010-01-01T10:00:00+08:00"));
	return seq == *(uint64_t *)arg;
}

static void what_is_held_is_counted_and_not_listed(void **state)
{
	struct fixture *f = *state;
	struct receipt a = put_case(f, VILLAGE, NULL,
		"2010-01-01T10:00:00+08:00", "2010-02-01T10:00:00+08:00");
	struct receipt b = put_case(f, VILLAGE, NULL,
		"2010-01-01T10:00:00+08:00", "2010-02-01T10:00:00+08:00");
	struct due_options opt = {.now = instant("2021-01-01T00:00:00+08:00"),
		.labels = LABEL_ALL,
		.held = is_held,
		.arg = &a.seq};
	struct due due = find_with(f, VILLAGE, &opt);

	assert_int_equal(due.held, 4);
	assert_int_equal(due.parts, 4);
	assert_int_equal(due.group[0].range[0].from, b.seq);
	due_free(&due);
}

static void a_node_that_never_connected_knows_no_day(void **state)
{
	struct fixture *f = *state;
	struct rules *rules = node_rules(f->node[VILLAGE]);
	int64_t now = 0, made = rules_at(rules), before;
	struct err err;

	assert_int_equal(
		cosigned_now(f->node[VILLAGE], rules, &now, &err), ERR_DENIED);
	assert_int_equal(now, 0);
	before = time_now();
	fixture_ok(cosigned_now(f->node[COUNTY], rules, &now, &err), &err);
	assert_true(before <= now && now <= time_now());
	fixture_ok(rules_fresh(rules, made + 30 * 86400, &err), &err);
	assert_int_equal(
		rules_fresh(rules, made + 30 * 86400 + 1, &err), ERR_DENIED);
	/* A clock ten years off in either direction. */
	assert_int_equal(
		rules_fresh(rules, made + 3650 * 86400LL, &err), ERR_DENIED);
	assert_int_equal(
		rules_fresh(rules, made - 3650 * 86400LL, &err), ERR_DENIED);
	rules_unref(rules);
}

static void the_day_is_that_of_the_newest_cosignature(void **state)
{
	struct fixture *f = *state;
	struct node *v = f->node[VILLAGE], *t = f->node[TOWNSHIP];
	struct rules *rules = node_rules(v);
	struct buf note = BUF_EMPTY, merged = BUF_EMPTY;
	char origin[ORIGIN_SIZE];
	struct batch *b = NULL;
	struct log_info log;
	int64_t now = 0, before = time_now();
	struct err err;

	fixture_carry(f, VILLAGE, TOWNSHIP, v->origin);
	fixture_ok(batch_begin(t->store, &b, &err), &err);
	fixture_ok(exchange_cosign(b, t, v->origin, &note, &err), &err);
	fixture_ok(batch_commit(b, node_sign, t, &err), &err);
	fixture_ok(exchange_take_cosigned(v, rules, note.data, note.len, origin,
			   &merged, &err),
		&err);
	fixture_ok(batch_begin(v->store, &b, &err), &err);
	fixture_ok(store_log_find(v->store, origin, &log, &err), &err);
	fixture_ok(batch_note(b, log.id, merged.data, merged.len, true, &err),
		&err);
	fixture_ok(batch_commit(b, node_sign, v, &err), &err);
	fixture_ok(cosigned_now(v, rules, &now, &err), &err);
	assert_true(before <= now && now <= time_now());
	rules_unref(rules);
	buf_free(&note);
	buf_free(&merged);
}

int main(void)
{
#define TEST(test)                                                             \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_closed_case_may_go_at_midnight_of_its_year),
		TEST(an_open_case_does_not_expire),
		TEST(the_newest_revision_rules_all_of_them),
		TEST(the_longer_of_the_periods_at_capture_and_now_counts),
		TEST(an_anchor_of_other_rules_is_looked_up_again),
		TEST(what_is_destroyed_is_not_listed_again),
		TEST(nodes_above_find_the_same_also_of_parts_they_may_not_hold),
		TEST(what_is_held_is_counted_and_not_listed),
		TEST(a_node_that_never_connected_knows_no_day),
		TEST(the_day_is_that_of_the_newest_cosignature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
