/* test_provision.c - the register of who was given personal data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "policies/epoch.h"
#include "tests/unit/policies/fixture.h"

/* The day does not end while it is looked at: the clock of dates stands, that
 * of deadlines goes on. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
	static struct timespec stands;

	if (clock != CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, clock, out);
	if (!stands.tv_sec &&
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &stands))
		return -1;
	*out = stands;
	return 0;
}

static const struct provision_to township = {.code = "330106110000"};
static const struct provision_to platform = {.consumer = "platform"};
static const struct provision_to statistics = {.consumer = "statistics"};

static int setup(void **state)
{
	static const enum fixture_place some[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_some(&f, some, ARRAY_LEN(some));
	*state = &f;
	return 0;
}

/* ---- fields ---- */

static void fields_come_back_as_they_were_written(void **state)
{
	struct provision_item items[] = {
		{"xihu.example/330106110201/0123456789abcdef", 7, 0,
			LABEL_BIT(LABEL_PERSONAL)},
		{"xihu.example/330106110203/0123456789abcdef", 0, 12,
			PROVISION_LABELS},
	};
	struct provision p = {"2026-04-22", "platform", true, items, 2}, back;
	struct json *v = NULL;
	struct buf text = BUF_EMPTY;
	struct err err;

	(void)state;
	fixture_ok(provision_write(&p, &v, &err), &err);
	fixture_ok(json_write(v, &text, &err), &err);
	fixture_ok(provision_parse(text.data, text.len, &back, &err), &err);
	assert_string_equal(back.day, p.day);
	assert_string_equal(back.to, p.to);
	assert_true(back.consumer);
	assert_int_equal(back.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(back.item[i].origin, items[i].origin);
		assert_int_equal(back.item[i].from, items[i].from);
		assert_int_equal(back.item[i].before, items[i].before);
		assert_int_equal(back.item[i].labels, items[i].labels);
	}
	provision_free(&back);
	json_free(v);
	buf_free(&text);
}

#define ITEM                                                                   \
	"{\"from\":1,\"labels\":[\"personal\"],\"origin\":"                    \
	"\"xihu.example/330106110201/0123456789abcdef\"}"
#define FIELDS(day, to, items) "{\"day\":" day "," to ",\"given\":" items "}"
#define DAY "\"2026-04-22\""
#define TO "\"to\":\"330106110000\""

static void what_is_no_register_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		FIELDS("\"2026-02-30\"", TO, "[" ITEM "]"),
		FIELDS("\"2026-4-22\"", TO, "[" ITEM "]"),
		FIELDS("20260422", TO, "[" ITEM "]"),
		FIELDS(DAY, "\"to\":\"33010611000\"", "[" ITEM "]"),
		FIELDS(DAY, "\"to\":7", "[" ITEM "]"),
		FIELDS(DAY, "\"consumer\":\"\"", "[" ITEM "]"),
		FIELDS(DAY, TO ",\"consumer\":\"a\"", "[" ITEM "]"),
		FIELDS(DAY, "\"for\":\"a\"", "[" ITEM "]"),
		FIELDS(DAY, TO, "[]"),
		FIELDS(DAY, TO, "{}"),
		FIELDS(DAY, TO, ITEM),
		FIELDS(DAY, TO, "[{}]"),
		FIELDS(DAY, TO, "[" ITEM ",7]"),
		FIELDS(DAY, TO,
			"[{\"from\":-1,\"labels\":[\"personal\"],\"origin\":"
			"\"xihu.example/330106110201/0123456789abcdef\"}]"),
		FIELDS(DAY, TO,
			"[{\"from\":1,\"labels\":[\"public\"],\"origin\":"
			"\"xihu.example/330106110201/0123456789abcdef\"}]"),
		FIELDS(DAY, TO,
			"[{\"from\":1,\"labels\":[\"secret\"],\"origin\":"
			"\"xihu.example/330106110201/0123456789abcdef\"}]"),
		FIELDS(DAY, TO,
			"[{\"from\":1,\"labels\":[\"personal\"],\"origin\":"
			"\"xihu.example/330106110201\"}]"),
		FIELDS(DAY, TO,
			"[{\"before\":\"7\",\"from\":1,\"labels\":[\"personal\""
			"],\"origin\":"
			"\"xihu.example/330106110201/0123456789abcdef\"}]"),
	};
	static const char good[] = FIELDS(DAY, TO, "[" ITEM "]");
	struct provision p;
	struct err err;

	(void)state;
	fixture_ok(provision_parse(good, strlen(good), &p, &err), &err);
	provision_free(&p);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (provision_parse(bad[i], strlen(bad[i]), &p, &err) !=
			ERR_INVALID)
			fail_msg("%s", bad[i]);
}

static void empty_parts_are_nobody_s_data(void **state)
{
	struct record r = {.have = LABEL_ALL};

	(void)state;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		r.part[l].json = "{}";
		r.part[l].len = 2;
	}
	assert_int_equal(provided_labels(&r), 0);
	r.part[LABEL_PUBLIC].len = r.part[LABEL_SENSITIVE].len = 7;
	assert_int_equal(provided_labels(&r), LABEL_BIT(LABEL_SENSITIVE));
	r.have = LABEL_BIT(LABEL_PUBLIC);
	assert_int_equal(provided_labels(&r), 0);
}

/* ---- who received it ---- */

struct lines {
	size_t count;
	struct json *line[16];
};

static enum err_code on_line(void *arg, struct json *line, struct err *err)
{
	struct lines *l = arg;

	(void)err;
	assert_true(l->count < ARRAY_LEN(l->line));
	l->line[l->count++] = line;
	return ERR_OK;
}

/* "DAY STATE LABELS,DAY STATE LABELS" of who received a record. */
static const char *received(struct node *n, const char *origin, uint64_t seq)
{
	static char text[512];
	struct point point = {.kind = POINT_ORIGIN, .seq = seq};
	struct lines l = {.count = 0};
	struct err err;

	memcpy(point.origin, origin, strlen(origin) + 1);
	fixture_ok(audit_provision(n, &point, on_line, &l, &err), &err);
	text[0] = '\0';
	for (size_t i = 0; i < l.count; i++) {
		const struct json *labels = json_get(l.line[i], "labels");
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s %s %zu",
			i ? "," : "", json_get_string(l.line[i], "day"),
			json_get_string(l.line[i], "state"),
			json_count(labels));
		json_free(l.line[i]);
	}
	return text;
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

static void on_record(struct node *n, const char *day, const char *to,
	uint64_t from, uint64_t before)
{
	struct provision_item item = {
		.from = from, .before = before, .labels = PROVISION_LABELS};
	struct provision p = {.item = &item, .count = 1};
	struct noted x = {n, &p};
	struct batch *b = NULL;
	struct err err;

	memcpy(p.day, day, sizeof(p.day));
	memcpy(p.to, to, strlen(to) + 1);
	node_origin(n, item.origin);
	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(write_register(b, &x, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
}

/* Whose applicant the township may know, and the county may not. */
static uint64_t put_case(struct fixture *f)
{
	struct json *doc = fixture_document_of("service-case", VILLAGE);
	struct receipt r;

	json_remove(doc, "attachments");
	json_remove(doc, "id");
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &r);
	return r.seq;
}

static void the_registers_tell_who_received_a_record(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	uint64_t first = put_case(f), second, third;
	char origin[ORIGIN_SIZE];

	node_origin(n, origin);
	assert_string_equal(received(n, origin, first), "");
	on_record(n, "2026-01-01", township.code, first, 0);
	assert_string_equal(received(n, origin, first), "2026-01-01 open 2");
	second = put_case(f);
	/* The next day begins with what is new. */
	on_record(n, "2026-01-02", township.code, second, second - 1);
	assert_string_equal(received(n, origin, first), "2026-01-01 given 2");
	assert_string_equal(received(n, origin, second), "2026-01-02 open 2");
	/* From its beginning again: it was given twice. */
	third = put_case(f);
	on_record(n, "2026-01-03", township.code, first, second + 1);
	assert_string_equal(received(n, origin, first),
		"2026-01-01 given 2,2026-01-03 open 2");
	assert_string_equal(received(n, origin, second),
		"2026-01-02 given 2,2026-01-03 open 2");
	assert_string_equal(received(n, origin, third), "2026-01-03 open 2");
	/* A start in between: nobody knew how far it went. */
	on_record(n, "2026-01-04", township.code, third, 0);
	assert_string_equal(received(n, origin, third), "2026-01-04 open 2");
	/* Nobody is said to have what the rules kept from him. */
	on_record(n, "2026-01-05", "330106110203", first, 0);
	assert_string_equal(received(n, origin, third), "2026-01-04 open 2");
	/* The same from what came up; there it was received. */
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	assert_string_equal(received(f->node[TOWNSHIP], origin, first),
		"2026-01-01 received 2,2026-01-03 received 2");
}

static void of_what_is_nobody_s_nothing_is_told(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct json *doc = fixture_document_of("sensor", VILLAGE);
	char origin[ORIGIN_SIZE];
	struct receipt r;

	json_remove(doc, "attachments");
	json_remove(doc, "id");
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &r);
	node_origin(n, origin);
	on_record(n, "2026-01-06", township.code, 0, 0);
	assert_string_equal(received(n, origin, r.seq), "");
	assert_string_equal(received(n, origin, 0), "");
}

/* Behind what its copies have in common, a restored log is in the next, too. */
static void what_is_entered_again_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct settled s = {.common = put_case(f) + 1};
	bool begun = false;
	struct err err;

	node_origin(n, s.origin);
	on_record(n, "2026-01-07", township.code, s.common - 1, 0);
	s.size = s.common + 7;
	fixture_ok(epoch_begin(n, NULL, s.origin, EPOCH_RESTORED, &begun, &err),
		&err);
	fixture_ok(epoch_settle(n, NULL, &s, &err), &err);
	assert_int_equal(s.entered, 1);
	assert_string_equal(
		received(n, s.origin, s.common - 1), "2026-01-07 open 2");
}

/* ---- noting ---- */

/* Tells whether that made a record. */
static bool note(struct node *n, const struct provision_to *to, uint32_t log,
	uint64_t from, uint64_t end, uint8_t labels)
{
	struct provided p = {log, from, end, labels};
	const struct provided_list list = {.given = &p, .count = 1};
	bool noted = false;
	struct err err;

	fixture_ok(provision_note(n, NULL, to, &list, &noted, &err), &err);
	return noted;
}

/* The newest record of the own log as a register. */
static struct provision newest(
	struct fixture *f, enum fixture_place place, struct entry *e)
{
	struct log_info own = fixture_log(f, place);
	struct run run = {0};
	struct provision p;
	const struct part *part;
	struct err err;

	fixture_ok(store_read(f->node[place]->store, own.id, own.size - 1, 1,
			   LABEL_BIT(LABEL_INTERNAL), &run, &err),
		&err);
	fixture_ok(entry_parse(run.record[0].entry, run.record[0].entry_len, e,
			   &err),
		&err);
	assert_string_equal(e->series, PROVISION_SERIES);
	part = &run.record[0].part[LABEL_INTERNAL];
	fixture_ok(provision_parse(part->json, part->len, &p, &err), &err);
	run_free(&run);
	return p;
}

#define PERSONAL LABEL_BIT(LABEL_PERSONAL)
#define SENSITIVE LABEL_BIT(LABEL_SENSITIVE)

static void a_day_has_one_record_a_recipient(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct log_info own = fixture_log(f, VILLAGE);
	struct provision p;
	struct entry first, e;

	fixture_put(f, VILLAGE, 20);
	own = fixture_log(f, VILLAGE);
	assert_true(note(n, &township, own.id, 4, 9, PERSONAL));
	p = newest(f, VILLAGE, &first);
	assert_int_equal(first.rev, 1);
	assert_string_equal(p.to, township.code);
	assert_false(p.consumer);
	assert_int_equal(p.count, 1);
	assert_string_equal(p.item[0].origin, own.origin);
	assert_int_equal(p.item[0].from, 4);
	assert_int_equal(p.item[0].labels, PERSONAL);
	assert_int_equal(p.item[0].before, 0);
	provision_free(&p);
	/* What lies behind that is on record with it. */
	assert_false(note(n, &township, own.id, 9, 20, PERSONAL));
	assert_false(note(n, &township, own.id, 4, 5, PERSONAL));
	assert_int_equal(fixture_log(f, VILLAGE).size, own.size + 1);
	/* Another label, and an earlier beginning, are not. */
	assert_true(note(n, &township, own.id, 9, 10, PROVISION_LABELS));
	p = newest(f, VILLAGE, &e);
	assert_int_equal(e.rev, 2);
	assert_true(e.has_prev);
	assert_string_equal(e.id, first.id);
	assert_int_equal(p.item[0].labels, SENSITIVE);
	assert_int_equal(p.item[0].from, 9);
	provision_free(&p);
	assert_true(note(n, &township, own.id, 2, 3, PERSONAL));
	p = newest(f, VILLAGE, &e);
	assert_int_equal(e.rev, 3);
	assert_int_equal(p.item[0].from, 2);
	assert_int_equal(p.item[0].before, 20);
	provision_free(&p);
	/* Another recipient has a record of its own. */
	assert_true(note(n, &platform, own.id, 9, 10, PERSONAL));
	p = newest(f, VILLAGE, &e);
	assert_int_equal(e.rev, 1);
	assert_string_not_equal(e.id, first.id);
	assert_true(p.consumer);
	provision_free(&p);
	assert_int_equal(fixture_log(f, VILLAGE).size, own.size + 4);
}

static void several_logs_are_one_record(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[TOWNSHIP];
	struct provided_list list = {.count = 0};
	struct log_info own, village;
	struct provision p;
	bool noted;
	struct entry e;
	struct err err;

	fixture_put(f, VILLAGE, 5);
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	own = fixture_log(f, TOWNSHIP);
	fixture_ok(store_log_find(
			   n->store, f->node[VILLAGE]->origin, &village, &err),
		&err);
	for (uint64_t i = 0; i < 4; i++) {
		fixture_ok(provided_add(&list, village.id, 3 - i,
				   i == 2 ? SENSITIVE : PERSONAL, &err),
			&err);
		fixture_ok(provided_add(&list, own.id, i,
				   LABEL_BIT(LABEL_INTERNAL), &err),
			&err);
	}
	assert_int_equal(list.count, 1);
	fixture_ok(provided_add(&list, own.id, 1, LABEL_ALL, &err), &err);
	fixture_ok(
		provision_note(n, NULL, &platform, &list, &noted, &err), &err);
	assert_true(noted);
	p = newest(f, TOWNSHIP, &e);
	assert_int_equal(p.count, 2);
	assert_string_equal(p.item[0].origin, village.origin);
	assert_int_equal(p.item[0].from, 0);
	assert_int_equal(p.item[0].labels, PROVISION_LABELS);
	assert_string_equal(p.item[1].origin, own.origin);
	provision_free(&p);
	provided_free(&list);
}

static void a_node_s_own_records_are_no_news_to_it(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[TOWNSHIP];
	const struct provision_to village = {.code = fixture_code(VILLAGE)};
	struct log_info log;
	uint64_t before;
	struct err err;

	fixture_put(f, VILLAGE, 5);
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	fixture_ok(
		store_log_find(n->store, f->node[VILLAGE]->origin, &log, &err),
		&err);
	before = fixture_log(f, TOWNSHIP).size;
	assert_false(note(n, &village, log.id, 0, 5, PROVISION_LABELS));
	assert_int_equal(fixture_log(f, TOWNSHIP).size, before);
}

static void after_a_start_nothing_is_noted_twice(void **state)
{
	struct fixture *f = *state;
	struct log_info own = fixture_log(f, VILLAGE);
	struct provision p;
	struct entry e;
	struct err err;
	char *data;

	fixture_put(f, VILLAGE, 20);
	assert_true(note(
		f->node[VILLAGE], &statistics, own.id, 4, 9, PROVISION_LABELS));
	data = strdup(f->node[VILLAGE]->data);
	assert_non_null(data);
	node_close(f->node[VILLAGE]);
	fixture_ok(node_open(data, STORE_WRITE, &f->node[VILLAGE], &err), &err);
	free(data);
	own = fixture_log(f, VILLAGE);
	assert_false(note(f->node[VILLAGE], &statistics, own.id, 5, 20,
		PROVISION_LABELS));
	assert_int_equal(fixture_log(f, VILLAGE).size, own.size);
	assert_true(
		note(f->node[VILLAGE], &statistics, own.id, 3, 4, PERSONAL));
	p = newest(f, VILLAGE, &e);
	assert_int_equal(e.rev, 2);
	assert_true(e.has_prev);
	provision_free(&p);
}

int main(void)
{
	/* Those that ask who received a record come before others note. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back_as_they_were_written),
		cmocka_unit_test(what_is_no_register_is_refused),
		cmocka_unit_test(empty_parts_are_nobody_s_data),
		cmocka_unit_test(the_registers_tell_who_received_a_record),
		cmocka_unit_test(of_what_is_nobody_s_nothing_is_told),
		cmocka_unit_test(what_is_entered_again_is_told_once),
		cmocka_unit_test(a_day_has_one_record_a_recipient),
		cmocka_unit_test(several_logs_are_one_record),
		cmocka_unit_test(a_node_s_own_records_are_no_news_to_it),
		cmocka_unit_test(after_a_start_nothing_is_noted_twice),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
