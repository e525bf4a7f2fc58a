/* test_archive_erased.c - packages of a log whose parts were destroyed verify
 * at each level, and what they say of it cannot be altered unseen. */
#include "tests/unit/policies/packages.h"

struct erased_world {
	struct world w;
	uint64_t gone, whole; /* households */
};

static uint64_t put_household(struct world *w)
{
	struct receipt r;

	fixture_capture(&w->f, VILLAGE,
		fixture_document_of("household", VILLAGE), NULL, NULL, &r);
	return r.seq;
}

static void destroy(struct world *w, uint64_t seq)
{
	static const struct erasure order = {1782000000, "order 7"};
	struct node *n = w->f.node[VILLAGE];
	const uint32_t log = fixture_log(&w->f, VILLAGE).id;
	const struct erase_target parts[] = {
		{log, seq, LABEL_PERSONAL}, {log, seq, LABEL_SENSITIVE}};
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(batch_erase(b, parts, ARRAY_LEN(parts), &order, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
}

static int setup(void **state)
{
	static struct erased_world e;
	struct world *w = &e.w;
	struct archive_made made;
	const char *origin;

	memset(&e, 0, sizeof(e));
	fixture_all(&w->f);
	origin = w->f.node[VILLAGE]->origin;
	e.gone = put_household(w);
	e.whole = put_household(w);
	destroy(w, e.gone);
	fixture_carry(&w->f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(&w->f, TOWNSHIP, COUNTY, origin);
	snprintf(w->village, sizeof(w->village), "%s/village.tar", w->f.dir);
	create(w, VILLAGE, w->village, &made);
	assert_int_equal(made.erased, 2);
	snprintf(w->bag, sizeof(w->bag), "%s/bag", w->f.dir);
	w->tar = w->village;
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	struct erased_world *e = *state;

	fixture_close(&e->w.f);
	return 0;
}

static void a_package_of_each_level_verifies(void **state)
{
	static const struct {
		enum fixture_place place;
		uint64_t erased, withheld;
	} levels[] = {{VILLAGE, 2, 0}, {TOWNSHIP, 1, 2}, {COUNTY, 0, 4}};
	struct erased_world *e = *state;

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		struct archive_report report;
		struct archive_made made;
		char path[96];

		snprintf(path, sizeof(path), "%s/level-%zu.tar", e->w.f.dir, i);
		create(&e->w, levels[i].place, path, &made);
		assert_int_equal(made.erased, levels[i].erased);
		assert_int_equal(made.withheld, levels[i].withheld);
		assert_well(&e->w, path, &report);
		assert_int_equal(report.erased, levels[i].erased);
	}
}

/* Puts `now` in place of `was` in the unpacked package.json. */
static void say(struct world *w, const char *was, const char *now)
{
	struct buf text = BUF_EMPTY, out = BUF_EMPTY;
	char path[160];
	const char *all, *at;
	struct err err;

	snprintf(path, sizeof(path), "%s/data/package.json", w->bag);
	fixture_ok(file_read(path, 1 << 20, &text, &err), &err);
	all = buf_cstr(&text);
	if (!(at = strstr(all, was)))
		fail_msg("no %s in %s", was, all);
	buf_add(&out, all, (size_t)(at - all));
	buf_str(&out, now);
	buf_str(&out, at + strlen(was));
	fixture_ok(file_replace(path, out.data, out.len, 0600, &err), &err);
	buf_free(&text);
	buf_free(&out);
}

static void a_false_list_is_told(void **state)
{
	struct erased_world *e = *state;
	char list[64], moved[64], more[64], record[32];
	const unsigned long long gone = e->gone, whole = e->whole;
	const struct {
		const char *now, *thing;
	} lies[] = {
		{"\"household.personal\":[]", record},
		{moved, record},
		{more, "package"},
	};

	snprintf(list, sizeof(list), "\"household.personal\":[%llu]", gone);
	snprintf(moved, sizeof(moved), "\"household.personal\":[%llu]", whole);
	snprintf(more, sizeof(more), "\"household.personal\":[%llu,%llu]", gone,
		whole);
	snprintf(record, sizeof(record), "record %llu", gone);
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		unpack(&e->w);
		say(&e->w, list, lies[i].now);
		reseal(&e->w);
		assert_damaged(&e->w, lies[i].thing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_package_of_each_level_verifies),
		cmocka_unit_test(a_false_list_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
