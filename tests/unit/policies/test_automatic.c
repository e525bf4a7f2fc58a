/* test_automatic.c - parts of automatic series go by themselves, by a
 * countersigned clock, once, with a record of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/automatic.h"
#include "tests/unit/policies/fixture.h"

static int setup(void **state)
{
	static struct fixture f;

	fixture_all(&f);
	/* Complaints go by themselves: what names people, in ninety days. */
	fixture_change_rules(&f,
		"sed -i 's/label: personal, period: D10, anchor: closed_at/"
		"label: personal, period: T90d, anchor: closed_at, automatic: "
		"yes/' series/complaint.yaml");
	*state = &f;
	return 0;
}

static int64_t instant(const char *text)
{
	int64_t t;

	assert_true(time_parse(text, strlen(text), &t));
	return t;
}

static struct receipt put_complaint(struct fixture *f, const char *closed)
{
	struct json *doc = fixture_document_of("complaint", VILLAGE);
	struct json *fields = json_copy(json_get(doc, "fields"));
	struct receipt receipt;

	json_remove(fields, "closed_at");
	if (closed)
		assert_true(
			json_set(fields, "closed_at", json_new_text(closed)));
	json_remove(doc, "attachments");
	json_remove(doc, "id");
	assert_true(json_set(doc, "created_at",
		json_new_string("2020-01-01T10:00:00+08:00", 25)));
	assert_true(json_set(doc, "fields", fields));
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &receipt);
	return receipt;
}

static uint64_t run_at(struct fixture *f, enum fixture_place p, const char *now)
{
	uint64_t parts = 0;
	struct err err;

	fixture_ok(automatic_run(f->node[p], NULL, instant(now), &parts, &err),
		&err);
	return parts;
}

static void read_at(struct fixture *f, enum fixture_place p, const char *origin,
	uint64_t seq, struct run *run)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(f->node[p]->store, origin, &log, &err), &err);
	fixture_ok(store_read(f->node[p]->store, log.id, seq, 1, LABEL_ALL, run,
			   &err),
		&err);
}

static uint8_t erased_at(
	struct fixture *f, enum fixture_place p, const struct receipt *r)
{
	struct run run = {.count = 0};
	uint8_t erased;

	read_at(f, p, r->origin, r->seq, &run);
	erased = run.record[0].erased;
	run_free(&run);
	return erased;
}

static void what_is_due_goes_once_with_a_record_of_it(void **state)
{
	struct fixture *f = *state;
	struct receipt a = put_complaint(f, "2020-05-05T10:00:00+08:00");
	struct receipt open = put_complaint(f, NULL);
	struct run run = {.count = 0};
	struct log_info log;
	struct json *fields = NULL;
	struct err err;

	assert_int_equal(run_at(f, VILLAGE, "2021-03-31T23:59:59+08:00"), 0);
	log = fixture_log(f, VILLAGE);
	assert_int_equal(run_at(f, VILLAGE, "2021-04-01T00:00:00+08:00"), 1);
	assert_int_equal(erased_at(f, VILLAGE, &a), LABEL_BIT(LABEL_PERSONAL));
	assert_int_equal(erased_at(f, VILLAGE, &open), 0);
	/* The record stands behind what was there. */
	assert_int_equal(fixture_log(f, VILLAGE).size, log.size + 1);
	read_at(f, VILLAGE, log.origin, log.size, &run);
	assert_non_null(strstr(run.record[0].entry, "\"sys-disposal\""));
	fixture_ok(json_parse(run.record[0].part[LABEL_INTERNAL].json,
			   run.record[0].part[LABEL_INTERNAL].len,
			   PART_SIZE_LIMIT, &fields, &err),
		&err);
	assert_string_equal(json_get_string(fields, "reason"), "automatic");
	assert_string_equal(json_get_string(fields, "as_of"), "2021-04-01");
	assert_int_equal(json_count(json_get(fields, "rows")), 1);
	json_free(fields);
	run_free(&run);
	/* Again there is nothing. */
	assert_int_equal(run_at(f, VILLAGE, "2021-04-02T00:00:00+08:00"), 0);
	assert_int_equal(fixture_log(f, VILLAGE).size, log.size + 1);
}

static void each_holder_destroys_its_own_by_the_same_arithmetic(void **state)
{
	struct fixture *f = *state;
	struct receipt a = put_complaint(f, "2020-05-05T10:00:00+08:00");

	fixture_carry(f, VILLAGE, TOWNSHIP, a.origin);
	assert_int_equal(run_at(f, TOWNSHIP, "2021-03-31T23:59:59+08:00"), 0);
	assert_int_equal(run_at(f, TOWNSHIP, "2021-04-01T00:00:00+08:00"), 1);
	assert_int_equal(erased_at(f, TOWNSHIP, &a), LABEL_BIT(LABEL_PERSONAL));
	assert_int_equal(erased_at(f, VILLAGE, &a), 0);
	assert_int_equal(run_at(f, VILLAGE, "2021-04-01T00:00:00+08:00"), 1);
}

static void a_node_that_never_connected_destroys_nothing(void **state)
{
	struct fixture *f = *state;
	struct err why;

	put_complaint(f, "2000-05-05T10:00:00+08:00");
	assert_int_equal(automatic_now(f->node[VILLAGE], &why), 0);
	assert_non_null(strstr(why.text, "no node above"));
	assert_true(automatic_now(f->node[COUNTY], &why) > 0);
}

int main(void)
{
#define TEST(test)                                                             \
	cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_due_goes_once_with_a_record_of_it),
		TEST(each_holder_destroys_its_own_by_the_same_arithmetic),
		TEST(a_node_that_never_connected_destroys_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
