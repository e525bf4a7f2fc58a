/* test_incident.c - whom a loss or a leak reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define LI_FANG "11010519491231002X"
#define ZHAO "440524188001010014"
#define MOBILE "13812345678"

struct world {
	struct fixture f;
	uint64_t first; /* sequence of the first household of the village */
	char package[96];
};

static struct receipt put(struct world *w, enum fixture_place p,
	const char *fmt, ...) PRINTF_LIKE(3, 4);
static struct receipt put(
	struct world *w, enum fixture_place p, const char *fmt, ...)
{
	char text[2048];
	struct json *doc = NULL;
	struct receipt r;
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fixture_ok(
		json_parse(text, strlen(text), sizeof(text), &doc, &err), &err);
	fixture_capture(&w->f, p, doc, NULL, NULL, &r);
	return r;
}

/* One or two who live there, and a worker of whom nothing but a name is
 * known. */
static struct receipt put_household(struct world *w, enum fixture_place p,
	const char *day, const char *more)
{
	return put(w, p,
		"{\"series\":\"household\",\"node\":\"%s\",\"created_at\":"
		"\"%sT08:00:00+08:00\",\"fields\":{\"household_no\":\"H1\","
		"\"address\":\"外张村4组\",\"grid_worker\":\"杨浩然\","
		"\"members\":[{\"name\":\"李芳\",\"id_no\":\"" LI_FANG
		"\",\"phone\":\"" MOBILE "\"}%s]}}",
		fixture_code(p), day, more);
}

static int setup(void **state)
{
	static struct world w;
	struct archive_options opt = {.code = fixture_code(VILLAGE)};
	struct archive_made made;
	struct err err;

	fixture_all(&w.f);
	w.first = put_household(&w, VILLAGE, "2026-02-03", "").seq;
	put_household(&w, VILLAGE, "2026-03-04",
		",{\"name\":\"赵建国\",\"id_no\":\"" ZHAO "\"}");
	put(&w, VILLAGE,
		"{\"series\":\"sensor\",\"node\":\"%s\",\"created_at\":"
		"\"2026-03-05T08:00:00+08:00\",\"fields\":{\"device\":\"S1\","
		"\"kind\":\"水位\",\"at\":\"2026-03-05T08:00:00+08:00\","
		"\"status\":\"正常\"}}",
		fixture_code(VILLAGE));
	put_household(&w, OTHER, "2026-04-22", "");
	fixture_carry(&w.f, VILLAGE, TOWNSHIP, w.f.node[VILLAGE]->origin);
	fixture_carry(&w.f, OTHER, TOWNSHIP, w.f.node[OTHER]->origin);
	snprintf(w.package, sizeof(w.package), "%s/village.tar", w.f.dir);
	fixture_ok(
		archive_create(w.f.node[VILLAGE], &opt, w.package, &made, &err),
		&err);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	return 0;
}

static struct json *report(struct world *w, enum fixture_place at,
	enum incident_kind kind, const char *name)
{
	struct incident_ask ask = {kind, name, .to = INT64_MAX};
	struct json *v = NULL;
	struct err err;

	if (kind == INCIDENT_RECORD)
		fixture_ok(point_parse(name, strlen(name), &ask.point, &err),
			&err);
	fixture_ok(incident_find(w->f.node[at], &ask, &v, &err), &err);
	return v;
}

static uint64_t number(const struct json *v, const char *name)
{
	uint64_t n = 0;

	assert_true(json_get_u64(v, name, &n));
	return n;
}

/* "SERIES LABEL COUNT FROM-TO,..." of a log, without the entries about its
 * beginning. */
static const char *data_of(const struct json *v, const char *origin)
{
	static char text[1024];
	const struct json *data = json_get(v, "data");
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_count(data); i++) {
		const struct json *row = json_at(data, i);
		const struct json *range = json_at(json_get(row, "ranges"), 0);

		if (strcmp(json_get_string(row, "origin"), origin) != 0)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"%s%s %s %.0f %zu", len ? "," : "",
			json_get_string(row, "series"),
			json_get_string(row, "label"),
			json_number(json_get(row, "count")),
			json_count(json_get(row, "ranges")));
		assert_int_equal(json_count(range), 2);
	}
	return text;
}

/* Nobody's value is in it, nor in the spreadsheet. */
static void check_silent(const struct json *v)
{
	static const char *const values[] = {
		"李芳", "赵建国", "杨浩然", LI_FANG, ZHAO, MOBILE, "外张村"};
	struct buf text = BUF_EMPTY;
	struct err err;

	fixture_ok(json_write(v, &text, &err), &err);
	fixture_ok(incident_csv(v, &text, &err), &err);
	buf_u8(&text, 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		assert_null(strstr((char *)text.data, values[i]));
	buf_free(&text);
}

static void a_lost_node_reaches_its_own_records_whole(void **state)
{
	struct world *w = *state;
	const char *village = w->f.node[VILLAGE]->origin;
	struct json *v =
		report(w, VILLAGE, INCIDENT_NODE, fixture_code(VILLAGE));

	assert_int_equal(number(v, "records"), 3);
	/* Two numbers, the one twice; the worker's name in two records. */
	assert_int_equal(number(v, "persons"), 2);
	assert_int_equal(number(v, "mentions"), 2);
	assert_int_equal(number(v, "uncounted"), 0);
	assert_string_equal(data_of(v, village),
		"household internal 2 1,household personal 2 1,"
		"household sensitive 2 1,sensor public 1 1,"
		"sensor internal 1 1");
	assert_string_equal(json_get_string(v, "first"), "2026-02-03");
	assert_string_equal(json_get_string(v, "last"), "2026-03-05");
	check_silent(v);
	json_free(v);
	/* At the node above the numbers are not: a name with a telephone, and
	 * three alone. */
	v = report(w, TOWNSHIP, INCIDENT_NODE, fixture_code(VILLAGE));
	assert_int_equal(number(v, "records"), 3);
	assert_int_equal(number(v, "persons"), 1);
	assert_int_equal(number(v, "mentions"), 3);
	assert_string_equal(data_of(v, w->f.node[OTHER]->origin), "");
	json_free(v);
}

static void a_lost_node_reaches_of_others_what_it_may_hold(void **state)
{
	struct world *w = *state;
	const char *village = w->f.node[VILLAGE]->origin;
	struct json *v =
		report(w, TOWNSHIP, INCIDENT_NODE, fixture_code(TOWNSHIP));

	assert_int_equal(number(v, "records"), 4);
	assert_string_equal(data_of(v, village),
		"household internal 2 1,household personal 2 1,"
		"sensor public 1 1,sensor internal 1 1");
	json_free(v);
	v = report(w, TOWNSHIP, INCIDENT_NODE, fixture_code(COUNTY));
	assert_string_equal(data_of(v, village),
		"household internal 2 1,sensor public 1 1");
	assert_int_equal(number(v, "persons"), 0);
	json_free(v);
}

static void what_earlier_rules_let_through_counts(void **state)
{
	struct world *w = *state;
	struct json *v;

	fixture_change_rules(&w->f,
		"sed -i 's/township: .*/township: [public]/' "
		"series/household.yaml");
	v = report(w, TOWNSHIP, INCIDENT_NODE, fixture_code(TOWNSHIP));
	assert_non_null(strstr(data_of(v, w->f.node[VILLAGE]->origin),
		"household personal 2 1"));
	json_free(v);
}

static void a_span_of_days_leaves_out_the_rest(void **state)
{
	struct world *w = *state;
	struct incident_ask ask = {INCIDENT_SERIES, "household", .from = 0};
	struct json *v = NULL;
	struct err err;

	assert_true(time_parse("2026-03-01T00:00:00+08:00", 25, &ask.from));
	assert_true(time_parse("2026-04-01T00:00:00+08:00", 25, &ask.to));
	fixture_ok(incident_find(w->f.node[TOWNSHIP], &ask, &v, &err), &err);
	assert_int_equal(number(v, "records"), 1);
	assert_string_equal(json_get_string(v, "first"), "2026-03-04");
	json_free(v);
}

struct noted {
	struct node *node;
	struct provision *p;
};

static enum err_code write_register(struct batch *b, void *arg, struct err *err)
{
	struct noted *x = arg;
	struct json *v = NULL;
	struct receipt receipt;
	enum err_code rc = provision_write(x->p, &v, err);

	return rc
		? rc
		: system_record(b, x->node, PROVISION_SERIES, v, &receipt, err);
}

static void on_record(
	struct node *n, const char *day, uint64_t from, uint64_t before)
{
	struct provision_item item = {
		.from = from, .before = before, .labels = PROVISION_LABELS};
	struct provision p = {
		.to = "platform", .consumer = true, .item = &item, .count = 1};
	struct noted x = {n, &p};
	struct batch *b = NULL;
	struct err err;

	memcpy(p.day, day, sizeof(p.day));
	node_origin(n, item.origin);
	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(write_register(b, &x, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
}

static void a_leaked_token_reaches_what_left_by_it(void **state)
{
	struct world *w = *state;
	struct node *n = w->f.node[VILLAGE];
	struct incident_ask ask = {
		INCIDENT_CONSUMER, "platform", .to = INT64_MAX};
	struct json *v = NULL;
	const struct json *given;
	struct err err;

	assert_int_equal(incident_find(n, &ask, &v, &err), ERR_NOT_FOUND);
	on_record(n, "2026-05-01", w->first, 0);
	on_record(n, "2026-05-02", w->first + 1, w->first + 1);
	v = report(w, VILLAGE, INCIDENT_CONSUMER, "platform");
	assert_string_equal(data_of(v, n->origin),
		"household personal 2 1,household sensitive 2 1");
	given = json_at(json_get(v, "given"), 0);
	assert_string_equal(json_get_string(given, "consumer"), "platform");
	assert_string_equal(json_get_string(given, "first_day"), "2026-05-01");
	assert_string_equal(json_get_string(given, "last_day"), "2026-05-02");
	json_free(v);
	/* From the second day on only what was new then. */
	assert_true(time_parse("2026-05-02T00:00:00+08:00", 25, &ask.from));
	fixture_ok(incident_find(n, &ask, &v, &err), &err);
	assert_int_equal(number(v, "records"), 1);
	assert_int_equal(number(v, "persons"), 2);
	json_free(v);
}

static void of_a_record_those_who_were_given_it_are_told(void **state)
{
	struct world *w = *state;
	struct node *n = w->f.node[VILLAGE];
	char name[ORIGIN_SIZE + 24];
	struct json *v;

	snprintf(name, sizeof(name), "%s/%llu", n->origin,
		(unsigned long long)w->first);
	v = report(w, VILLAGE, INCIDENT_RECORD, name);
	assert_int_equal(number(v, "records"), 1);
	assert_int_equal(json_count(json_get(v, "given")), 1);
	json_free(v);
}

static void a_lost_package_reaches_what_is_in_it(void **state)
{
	struct world *w = *state;
	struct rules *rules = node_rules(w->f.node[TOWNSHIP]);
	struct json *v = NULL;
	struct err err;

	fixture_ok(incident_package(w->package, rules, &v, &err), &err);
	assert_int_equal(number(v, "records"), 3);
	assert_int_equal(number(v, "persons"), 2);
	assert_string_equal(data_of(v, w->f.node[VILLAGE]->origin),
		"household internal 2 1,household personal 2 1,"
		"household sensitive 2 1,sensor public 1 1,"
		"sensor internal 1 1");
	assert_string_equal(json_get_string(v, "first"), "2026-02-03");
	check_silent(v);
	json_free(v);
	assert_int_not_equal(
		incident_package(w->f.key[0], rules, &v, &err), ERR_OK);
	assert_int_not_equal(
		incident_package(w->f.dir, rules, &v, &err), ERR_OK);
	rules_unref(rules);
}

static void what_is_destroyed_is_counted_apart(void **state)
{
	static const struct erasure order = {1782000000, "order 7"};
	struct world *w = *state;
	struct node *n = w->f.node[VILLAGE];
	const uint32_t log = fixture_log(&w->f, VILLAGE).id;
	const struct erase_target parts[] = {{log, w->first, LABEL_PERSONAL},
		{log, w->first, LABEL_SENSITIVE}};
	struct batch *b = NULL;
	struct json *v;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(batch_erase(b, parts, ARRAY_LEN(parts), &order, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	v = report(w, VILLAGE, INCIDENT_NODE, fixture_code(VILLAGE));
	assert_int_equal(number(v, "records"), 3);
	assert_int_equal(number(v, "destroyed"), 2);
	assert_int_equal(number(v, "persons"), 2);
	assert_string_equal(data_of(v, n->origin),
		"household internal 2 1,household personal 1 1,"
		"household sensitive 1 1,sensor public 1 1,"
		"sensor internal 1 1");
	json_free(v);
}

static void a_spreadsheet_has_a_row_a_kind(void **state)
{
	struct world *w = *state;
	struct json *v = report(w, VILLAGE, INCIDENT_SERIES, "household");
	struct buf text = BUF_EMPTY;
	struct err err;

	fixture_ok(incident_csv(v, &text, &err), &err);
	buf_u8(&text, 0);
	assert_non_null(strstr((char *)text.data,
		"\"户籍家庭信息\",\"household\",\"sensitive\",\"公民身份号码、"
		"出生日期\",\"1\",\"2026-03-04\",\"2026-03-04\","));
	buf_free(&text);
	json_free(v);
}

static void what_nobody_knows_is_refused(void **state)
{
	struct world *w = *state;
	struct incident_ask asks[] = {
		{INCIDENT_NODE, "330107000000", .to = INT64_MAX},
		{INCIDENT_SERIES, "weather", .to = INT64_MAX},
		{INCIDENT_CONSUMER, "nobody", .to = INT64_MAX},
		{INCIDENT_RECORD, "", .to = INT64_MAX},
	};
	struct json *v = NULL;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		assert_int_equal(
			incident_find(w->f.node[COUNTY], &asks[i], &v, &err),
			ERR_NOT_FOUND);
}

int main(void)
{
	/* Each may leave something for those behind it. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_node_reaches_its_own_records_whole),
		cmocka_unit_test(
			a_lost_node_reaches_of_others_what_it_may_hold),
		cmocka_unit_test(what_earlier_rules_let_through_counts),
		cmocka_unit_test(a_span_of_days_leaves_out_the_rest),
		cmocka_unit_test(a_leaked_token_reaches_what_left_by_it),
		cmocka_unit_test(of_a_record_those_who_were_given_it_are_told),
		cmocka_unit_test(a_lost_package_reaches_what_is_in_it),
		cmocka_unit_test(what_is_destroyed_is_counted_apart),
		cmocka_unit_test(a_spreadsheet_has_a_row_a_kind),
		cmocka_unit_test(what_nobody_knows_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
