/* test_catalogue.c - any document of any series of the catalogue comes back
 * equal where it was captured, and elsewhere exactly as far as the rules go;
 * any spoiled one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/message.h"
#include "tests/unit/policies/fixture.h"
#include "tests/unit/policies/grow.h"

#define ROUNDS 10  /* good documents of a series */
#define SPOILS 6   /* bad ones of each kind */
#define DOWN 4	   /* good ones sent down, of a series that is */
#define SERIES 256 /* more than there are */

/* A document that was captured. */
struct kept {
	const struct series *series;
	uint64_t seed;
	char at[TIME_TEXT_SIZE];
	struct json *stored;
	struct receipt receipt;
	enum fixture_place about;
};

struct world {
	struct fixture f;
	const struct rules *rules;
	const struct series *series[SERIES];
	size_t count;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	fixture_all(&w->f);
	w->rules = w->f.node[COUNTY]->rules;
	for (size_t i = 0; i < rules_series_count(w->rules); i++) {
		const struct series *s = rules_series_at(w->rules, i);

		if (!s->system)
			w->series[w->count++] = s;
	}
	assert_int_equal(w->count, 25);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	free(w);
	return 0;
}

static void set(struct json *doc, const char *name, const char *text)
{
	assert_true(json_set(doc, name, json_new_text(text)));
}

/* A day of the years in which some of the people are under 18. */
static void day_of(uint64_t seed, char at[TIME_TEXT_SIZE])
{
	time_format(INT64_C(946684800) + (int64_t)(seed % 9000) * 86400, at);
}

/* Takes `given`. */
static struct json *document(const struct series *s, struct json *given,
	const char *at, enum fixture_place about)
{
	struct json *doc = json_new_object();

	set(doc, "series", s->name);
	set(doc, "node", fixture_code(about));
	set(doc, "created_at", at);
	assert_true(json_set(doc, "fields", given));
	return doc;
}

/* ---- good documents ---- */

static void keep(struct world *w, struct kept *k, const struct series *s,
	uint64_t seed, enum fixture_place at, enum fixture_place about)
{
	struct grown g;

	grow_fields(s, seed, SPOIL_NOTHING, 0, &g);
	day_of(seed, k->at);
	k->series = s;
	k->seed = seed;
	k->about = about;
	k->stored = g.stored;
	fixture_capture(&w->f, at, document(s, g.given, k->at, about), NULL,
		NULL, &k->receipt);
}

static void differ(const struct kept *k, enum fixture_place p,
	const struct json *is, const struct json *want)
{
	struct buf a = BUF_EMPTY, b = BUF_EMPTY;

	(void)json_write(is, &a, NULL);
	(void)json_write(want, &b, NULL);
	fail_msg("%s, seed %llu, at %s: %s, not %s", k->series->name,
		(unsigned long long)k->seed, fixture_code(p), buf_cstr(&a),
		buf_cstr(&b));
}

/* What a node shows of it is what its labels show, no less and no more. */
static void check_at(struct world *w, const struct kept *k,
	enum fixture_place p, uint8_t labels)
{
	struct node *n = w->f.node[p];
	struct json *doc = NULL, *want;
	struct log_info log;
	struct run run = {0};
	struct err err;

	fixture_ok(
		store_log_find(n->store, k->receipt.origin, &log, &err), &err);
	fixture_ok(store_read(n->store, log.id, k->receipt.seq, 1, LABEL_ALL,
			   &run, &err),
		&err);
	assert_int_equal(run.count, 1);
	assert_int_equal(run.record[0].have, labels);
	fixture_ok(view_document(w->rules, k->receipt.origin, k->receipt.seq,
			   &run.record[0], VIEW_RAW, &doc, &err),
		&err);
	want = grow_shown(k->series, k->stored, k->at, labels);
	if (!json_equal(json_get(doc, "fields"), want))
		differ(k, p, json_get(doc, "fields"), want);
	json_free(want);
	json_free(doc);
	run_free(&run);
}

/* From the village up: each holds what all on the way may hold. */
static void what_goes_in_comes_back_and_goes_up_as_far_as_cleared(void **state)
{
	struct world *w = *state;
	size_t count = w->count * ROUNDS;
	struct kept *kept = calloc(count, sizeof(*kept));
	const char *origin = w->f.node[VILLAGE]->origin;

	assert_non_null(kept);
	for (size_t i = 0; i < count; i++)
		keep(w, &kept[i], w->series[i % w->count], 1000 + i, VILLAGE,
			VILLAGE);
	fixture_carry(&w->f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(&w->f, TOWNSHIP, COUNTY, origin);
	for (size_t i = 0; i < count; i++) {
		const struct series *s = kept[i].series;
		uint8_t township = s->labels & s->clearance[RANK_TOWNSHIP];
		uint8_t county = township & s->clearance[RANK_COUNTY];

		check_at(w, &kept[i], VILLAGE, s->labels);
		check_at(w, &kept[i], TOWNSHIP, township);
		check_at(w, &kept[i], COUNTY, county);
		json_free(kept[i].stored);
	}
	free(kept);
}

/* ---- down ---- */

static void entry_at(struct world *w, const struct kept *k,
	enum fixture_place p, struct entry *e, struct log_info *log)
{
	struct store *s = w->f.node[p]->store;
	struct run run = {0};
	struct err err;

	fixture_ok(store_log_find(s, k->receipt.origin, log, &err), &err);
	fixture_ok(
		store_read(s, log->id, k->receipt.seq, 1, 0, &run, &err), &err);
	assert_int_equal(run.count, 1);
	fixture_ok(entry_parse(run.record[0].entry, run.record[0].entry_len, e,
			   &err),
		&err);
	run_free(&run);
}

/* One entry from the county to the township, or on to a village. */
static enum err_code bring(struct world *w, const struct kept *k,
	enum fixture_place from, enum fixture_place to)
{
	struct node *giver = w->f.node[from], *taker = w->f.node[to];
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct batch *b = NULL;
	struct log_info log;
	struct entry e;
	struct err err;
	enum err_code rc;

	entry_at(w, k, from, &e, &log);
	fixture_ok(exchange_make_proved(giver, w->rules, &log, k->receipt.seq,
			   fixture_code(to), &m, NULL, &err),
		&err);
	rc = exchange_take_proved(taker, taker->rules, fixture_code(from),
		m.data, m.len, &t, &err);
	if (rc == ERR_OK) {
		fixture_ok(batch_begin(taker->store, &b, &err), &err);
		fixture_ok(taken_store(b, t, &err), &err);
		fixture_ok(batch_commit(b, node_sign, taker, &err), &err);
	}
	taken_free(t);
	buf_free(&m);
	return rc;
}

static void check_down(struct world *w, const struct kept *k)
{
	const struct series *s = k->series;
	bool everyone = s->reach == REACH_BELOW;
	struct log_info log;
	struct entry e;
	uint8_t township = s->labels & s->clearance[RANK_TOWNSHIP];
	uint8_t village = township & s->clearance[RANK_VILLAGE];

	entry_at(w, k, COUNTY, &e, &log);
	assert_int_equal(e.to_count, 1);
	assert_string_equal(
		e.to[0], everyone ? "330106" : fixture_code(VILLAGE));
	assert_true(exchange_goes_down(w->rules, &e, fixture_code(TOWNSHIP)));
	assert_true(exchange_goes_down(w->rules, &e, fixture_code(VILLAGE)));
	assert_int_equal(exchange_goes_down(w->rules, &e, fixture_code(OTHER)),
		everyone);
	/* what an issuer writes into `to` does not widen it */
	strcpy(e.to[0], "330106");
	assert_int_equal(exchange_goes_down(w->rules, &e, fixture_code(OTHER)),
		everyone);
	assert_int_equal(bring(w, k, COUNTY, TOWNSHIP), ERR_OK);
	assert_int_equal(bring(w, k, TOWNSHIP, VILLAGE), ERR_OK);
	assert_int_equal(
		bring(w, k, TOWNSHIP, OTHER), everyone ? ERR_OK : ERR_DENIED);
	check_at(w, k, TOWNSHIP, township);
	check_at(w, k, VILLAGE, village);
}

static void what_is_sent_down_reaches_whom_it_is_for_and_nobody_else(
	void **state)
{
	struct world *w = *state;
	size_t sent = 0;

	for (size_t i = 0; i < w->count * DOWN; i++) {
		const struct series *s = w->series[i % w->count];
		struct kept k;

		if (s->direction != DIRECTION_DOWN)
			continue;
		keep(w, &k, s, 5000 + i, COUNTY, VILLAGE);
		check_down(w, &k);
		json_free(k.stored);
		sent++;
	}
	assert_int_equal(sent, 11 * DOWN);
}

/* A village that enters one sends it nowhere but up; nor does the county one
 * that is about itself. */
static void what_nobody_is_named_for_does_not_go_down(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < w->count; i++) {
		struct log_info log;
		struct entry e;
		struct kept k;

		if (w->series[i]->reach != REACH_NODE)
			continue;
		keep(w, &k, w->series[i], 7000 + i, VILLAGE, VILLAGE);
		entry_at(w, &k, VILLAGE, &e, &log);
		assert_int_equal(e.to_count, 0);
		e.to_count = 1;
		strcpy(e.to[0], fixture_code(VILLAGE));
		assert_false(exchange_goes_down(
			w->rules, &e, fixture_code(VILLAGE)));
		json_free(k.stored);
		keep(w, &k, w->series[i], 7100 + i, COUNTY, COUNTY);
		entry_at(w, &k, COUNTY, &e, &log);
		assert_int_equal(e.to_count, 0);
		assert_false(exchange_goes_down(
			w->rules, &e, fixture_code(TOWNSHIP)));
		json_free(k.stored);
	}
}

/* ---- bad documents ---- */

/* true: it could be spoiled that way, and was refused. */
static bool refused(struct world *w, const struct series *s, uint64_t seed,
	enum spoil spoil)
{
	struct capture_source src = {w->f.node[VILLAGE], w->rules, NULL, NULL};
	struct captured *c = NULL;
	struct buf text = BUF_EMPTY;
	struct grown g, good;
	struct json *doc;
	char at[TIME_TEXT_SIZE];
	struct err err;
	enum err_code rc;

	grow_fields(s, seed, SPOIL_NOTHING, 0, &good);
	grow_fields(s, seed, spoil, seed % good.values, &g);
	grown_free(&good);
	day_of(seed, at);
	doc = document(s, g.given, at, VILLAGE);
	json_free(g.stored);
	fixture_ok(json_write(doc, &text, &err), &err);
	json_free(doc);
	rc = capture_prepare(
		&src, (const char *)text.data, text.len, NULL, &c, &err);
	captured_free(c);
	if (g.spoiled && (rc != ERR_INVALID || strncmp(err.text, "fields", 6)))
		fail_msg("%s, seed %llu, spoil %u: %s: %s", s->name,
			(unsigned long long)seed, spoil,
			rc ? err.text : "taken", buf_cstr(&text));
	if (!g.spoiled)
		fixture_ok(rc, &err);
	buf_free(&text);
	return g.spoiled;
}

static void what_is_spoiled_is_refused_with_its_place(void **state)
{
	struct world *w = *state;
	size_t counts[SPOIL_COUNT] = {0};
	uint64_t before = fixture_log(&w->f, VILLAGE).size;

	for (size_t i = 0; i < w->count * SPOILS * SPOIL_COUNT; i++) {
		enum spoil spoil = (enum spoil)(1 + i % (SPOIL_COUNT - 1));
		const struct series *s = w->series[i / SPOIL_COUNT % w->count];

		counts[spoil] += refused(w, s, 9000 + i, spoil);
	}
	for (unsigned i = 1; i < SPOIL_COUNT; i++)
		assert_true(counts[i] > 5);
	assert_int_equal(fixture_log(&w->f, VILLAGE).size, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_goes_in_comes_back_and_goes_up_as_far_as_cleared),
		cmocka_unit_test(
			what_is_sent_down_reaches_whom_it_is_for_and_nobody_else),
		cmocka_unit_test(what_nobody_is_named_for_does_not_go_down),
		cmocka_unit_test(what_is_spoiled_is_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
