/* test_effect.c - what other rules would do to stored records is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define EDIT(script) "sed -i '" script "' series/household.yaml"

static void put_households(struct fixture *f, int count)
{
	for (int i = 0; i < count; i++) {
		struct receipt receipt;

		fixture_capture(f, VILLAGE,
			fixture_document_of("household", VILLAGE), NULL, NULL,
			&receipt);
	}
}

/* The effect of an edit, from the rules before it to those after it. */
static struct effect effect_of(
	struct fixture *f, enum fixture_place at, const char *edit)
{
	struct rules *from = node_rules(f->node[at]), *to;
	struct effect e = {.seen_count = 0};
	struct err err;

	fixture_change_rules(f, edit);
	to = node_rules(f->node[at]);
	fixture_ok(effect_find(f->node[at], from, to, &e, &err), &err);
	rules_unref(from);
	rules_unref(to);
	return e;
}

static void less_is_seen_above(void **state)
{
	struct fixture f;
	struct effect e;

	(void)state;
	fixture_all(&f);
	put_households(&f, 3);
	e = effect_of(&f, VILLAGE,
		EDIT("s/township: .public, internal, personal./township: "
		     "[public, internal]/"));
	assert_int_equal(e.seen_count, 1);
	assert_string_equal(e.seen[0].series, "household");
	assert_int_equal(e.seen[0].rank, RANK_TOWNSHIP);
	assert_int_equal(e.seen[0].less, LABEL_BIT(LABEL_PERSONAL));
	assert_int_equal(e.seen[0].more, 0);
	assert_int_equal(e.seen[0].records, 3);
	assert_int_equal(e.seen[0].waiting, 3);
	assert_int_equal(e.unfit_count, 0);
	effect_free(&e);
	/* The other way round, at the county: it holds none of them. */
	e = effect_of(&f, COUNTY,
		EDIT("s/county: .public, internal./county: [public, internal, "
		     "personal]/"));
	assert_int_equal(e.seen_count, 0);
	effect_free(&e);
	fixture_close(&f);
}

#define COUNTY_HOLDS(labels) EDIT("s/^  county: .*/  county: [" labels "]/")

/* What is here was captured under rules that withheld it, so it stays so: only
 * where those rules let the county have it does it come to see it again, and of
 * that only what the township on the way may hold too. */
static void more_is_seen_only_of_what_capture_let_through(void **state)
{
	struct fixture f;
	struct effect e;

	(void)state;
	fixture_all(&f);
	put_households(&f, 2);
	e = effect_of(&f, VILLAGE,
		COUNTY_HOLDS("public, internal, personal, sensitive"));
	assert_int_equal(e.seen_count, 0);
	effect_free(&e);
	put_households(&f, 3);
	e = effect_of(&f, VILLAGE, COUNTY_HOLDS("public, internal"));
	assert_int_equal(e.seen_count, 1);
	assert_int_equal(e.seen[0].rank, RANK_COUNTY);
	assert_int_equal(e.seen[0].less, LABEL_BIT(LABEL_PERSONAL));
	assert_int_equal(e.seen[0].records, 3);
	effect_free(&e);
	e = effect_of(&f, VILLAGE,
		COUNTY_HOLDS("public, internal, personal, sensitive"));
	assert_int_equal(e.seen_count, 1);
	assert_int_equal(e.seen[0].more, LABEL_BIT(LABEL_PERSONAL));
	assert_int_equal(e.seen[0].records, 3);
	assert_int_equal(e.seen[0].waiting, 3);
	effect_free(&e);
	fixture_close(&f);
}

static void documents_that_no_longer_pass_are_counted(void **state)
{
	struct fixture f;
	struct effect e;

	(void)state;
	fixture_all(&f);
	put_households(&f, 2);
	e = effect_of(&f, VILLAGE, EDIT("/path: household_no,/d"));
	assert_int_equal(e.unfit_count, 1);
	assert_string_equal(e.unfit[0].series, "household");
	assert_int_equal(e.unfit[0].documents, 2);
	assert_non_null(strstr(e.unfit[0].why, "household_no"));
	/* No node above has told the time. */
	assert_false(e.clock);
	assert_int_equal(e.due_count, 0);
	effect_free(&e);
	e = effect_of(&f, VILLAGE, "rm series/household.yaml");
	assert_int_equal(e.unfit_count, 1);
	assert_int_equal(e.unfit[0].documents, 2);
	assert_non_null(strstr(e.unfit[0].why, "taken out"));
	effect_free(&e);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(less_is_seen_above),
		cmocka_unit_test(more_is_seen_only_of_what_capture_let_through),
		cmocka_unit_test(documents_that_no_longer_pass_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
