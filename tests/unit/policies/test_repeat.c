/* test_repeat.c - a record that a node and its copy both bring counts once. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define RECORDS 3

/* The records of `origin` that the township's readers pass over. */
static size_t repeated(struct fixture *f, const char *origin)
{
	struct node *n = f->node[TOWNSHIP];
	struct log_info log;
	size_t count = 0;
	struct err err;

	fixture_ok(store_log_find(n->store, origin, &log, &err), &err);
	for (uint64_t i = 0; i < log.size; i++) {
		struct run run = {0};
		struct entry e;
		bool is;

		fixture_ok(store_read(n->store, log.id, i, 1, 0, &run, &err),
			&err);
		fixture_ok(entry_parse(run.record[0].entry,
				   run.record[0].entry_len, &e, &err),
			&err);
		fixture_ok(record_repeats(n, &log, i, &e, &is, &err), &err);
		count += is;
		run_free(&run);
	}
	return count;
}

static bool others(struct fixture *f, const char *origin)
{
	struct log_families families = LOG_FAMILIES_EMPTY;
	struct log_info log;
	struct err err;
	bool any;

	fixture_ok(store_log_find(f->node[TOWNSHIP]->store, origin, &log, &err),
		&err);
	fixture_ok(log_families_read(f->node[TOWNSHIP], &families, &err), &err);
	any = log_has_others(&families, &log);
	log_families_free(&families);
	return any;
}

/* Three records of a closed log are entered again in the next. */
static void enter_again(struct fixture *f, char before[ORIGIN_SIZE])
{
	struct node *n = f->node[VILLAGE];
	struct settled s = {.common = fixture_log(f, VILLAGE).size};
	struct err err;
	bool begun;

	fixture_put(f, VILLAGE, RECORDS);
	node_origin(n, before);
	snprintf(s.origin, sizeof(s.origin), "%s", before);
	s.size = s.common + RECORDS + 1;
	fixture_ok(
		epoch_begin(n, NULL, before, EPOCH_COPIED, &begun, &err), &err);
	fixture_ok(epoch_settle(n, NULL, &s, &err), &err);
	assert_int_equal(s.entered, RECORDS);
}

static void what_both_bring_counts_once(void **state)
{
	struct fixture *f = *state;
	char before[ORIGIN_SIZE];

	enter_again(f, before);
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	assert_int_equal(repeated(f, f->node[VILLAGE]->origin), 0);
	assert_false(others(f, f->node[VILLAGE]->origin));
	fixture_carry(f, VILLAGE, TOWNSHIP, before);
	assert_true(others(f, before));
	assert_int_equal(repeated(f, before), RECORDS);
	assert_int_equal(repeated(f, f->node[VILLAGE]->origin), 0);
}

static void put_remark(struct fixture *f, const char *remark)
{
	struct json *doc = fixture_document_of("household", VILLAGE);
	struct json *fields = json_copy(json_get(doc, "fields"));
	struct receipt r;

	assert_true(json_set(fields, "grid_worker", json_new_text(remark)) &&
		json_set(doc, "fields", fields));
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &r);
	assert_int_equal(r.rev, 1);
}

/* The same id and revision with other content, at a node and at its copy. */
static void another_content_counts_too(void **state)
{
	struct fixture *f = *state;
	struct node *original = f->node[VILLAGE], *copy = NULL;
	char data[PATH_MAX], from[PATH_MAX], before[ORIGIN_SIZE];
	struct err err;

	node_origin(original, before);
	snprintf(from, sizeof(from), "%s/%s", f->dir, fixture_code(VILLAGE));
	snprintf(data, sizeof(data), "%s/copy", f->dir);
	fixture_copy(from, data);
	put_remark(f, "\xe7\x94\xb2");
	fixture_carry(f, VILLAGE, TOWNSHIP, before);
	fixture_ok(node_open(data, STORE_WRITE, &copy, &err), &err);
	assert_true(copy->copied);
	f->node[VILLAGE] = copy;
	put_remark(f, "\xe4\xb9\x99");
	fixture_carry(f, VILLAGE, TOWNSHIP, copy->origin);
	assert_true(others(f, copy->origin));
	assert_int_equal(repeated(f, copy->origin), 0);
	f->node[VILLAGE] = original;
	node_close(copy);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_both_bring_counts_once),
		TEST(another_content_counts_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
