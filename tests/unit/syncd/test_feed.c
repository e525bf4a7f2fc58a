/* test_feed.c - the feed and the log's tiles over a real store. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "syncd/feed.h"
#include "syncd/tlog.h"
#include "tests/unit/policies/fixture.h"

#define RECORDS 300

static struct fixture fixture;

static struct node *village(void)
{
	return fixture.node[VILLAGE];
}

static struct grant grant_of(uint8_t labels)
{
	struct grant g = {.labels = labels};

	return g;
}

/* Reads all, `room` lines at a time; the ids' sequences into seqs. */
static size_t read_all(const struct grant *g, const struct feed_query *q,
	size_t room, uint64_t *seqs, size_t cap)
{
	struct rules *rules = node_rules(village());
	struct feed_cursor at;
	struct err err;
	size_t count = 0, lines;
	bool more = true;

	fixture_ok(feed_position(village(), g, q, &at, &err), &err);
	while (more) {
		struct buf out = BUF_EMPTY;
		struct cursor c;
		const char *line;
		size_t len;

		fixture_ok(feed_read(village(), rules, g, q, room, &at, &out,
				   &lines, &more, NULL, &err),
			&err);
		assert_true(lines <= room);
		c = cursor_over(out.data, out.len);
		while ((line = cursor_line(&c, &len))) {
			struct json *event = NULL;
			const char *id;

			fixture_ok(
				json_parse(line, len, len, &event, &err), &err);
			id = strrchr(json_get_string(event, "id"), '/') + 1;
			assert_true(count < cap);
			assert_true(number_parse(
				id, strlen(id), UINT64_MAX, &seqs[count++]));
			json_free(event);
			lines--;
		}
		assert_int_equal(lines, 0);
		buf_free(&out);
	}
	rules_unref(rules);
	return count;
}

static void pages_of_any_size_neither_skip_nor_repeat(void **state)
{
	static const size_t rooms[] = {1000, 77, 1};
	static uint64_t seqs[RECORDS + 10], first[RECORDS + 10];
	struct grant g = grant_of(LABEL_ALL);
	struct feed_query q = {.limit = 1};
	size_t count = read_all(&g, &q, 1000, first, ARRAY_LEN(first));

	(void)state;
	/* System records are not in it. */
	assert_int_equal(count, RECORDS);
	for (size_t i = 1; i < count; i++)
		assert_true(first[i] > first[i - 1]);
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		assert_int_equal(
			read_all(&g, &q, rooms[i], seqs, ARRAY_LEN(seqs)),
			count);
		assert_memory_equal(seqs, first, count * sizeof(seqs[0]));
	}
}

static void a_series_is_picked_out_and_the_cursor_still_moves(void **state)
{
	static uint64_t seqs[RECORDS + 10];
	struct grant g = grant_of(LABEL_ALL);
	struct feed_query q = {.limit = 1, .series_count = 1};
	struct feed_query none = {.limit = 1, .series_count = 1};
	size_t count;

	(void)state;
	strcpy(q.series[0], "service-case");
	count = read_all(&g, &q, 10, seqs, ARRAY_LEN(seqs));
	assert_true(count > 0 && count < RECORDS);
	strcpy(none.series[0], "no-such");
	assert_int_equal(read_all(&g, &none, 10, seqs, ARRAY_LEN(seqs)), 0);
}

static void system_series_come_only_by_name(void **state)
{
	static uint64_t seqs[RECORDS + 10];
	struct grant g = grant_of(LABEL_ALL);
	struct feed_query q = {.limit = 1};

	(void)state;
	g.series_count = 1;
	strcpy(g.series[0], "sys-policy");
	assert_int_equal(read_all(&g, &q, 10, seqs, ARRAY_LEN(seqs)), 2);
}

/* Whatever the grant leaves out is not in the answer's bytes. */
static void labels_outside_the_grant_do_not_show(void **state)
{
	struct grant all = grant_of(LABEL_ALL);
	struct grant low = grant_of(LABEL_BIT(LABEL_PUBLIC));
	struct rules *rules = node_rules(village());
	struct log_info log = fixture_log(&fixture, VILLAGE);
	size_t shown = 0, more = 0;
	struct err err;

	(void)state;
	for (uint64_t seq = 0; seq < 20; seq++) {
		struct run run = {0};
		struct buf a = BUF_EMPTY, b = BUF_EMPTY;

		fixture_ok(store_read(village()->store, log.id, seq, 1,
				   LABEL_ALL, &run, &err),
			&err);
		if (feed_record(village(), rules, &all, log.origin, seq,
			    &run.record[0], &a, &err) == ERR_OK &&
			feed_record(village(), rules, &low, log.origin, seq,
				&run.record[0], &b, &err) == ERR_OK) {
			shown++;
			more += a.len > b.len;
			assert_null(memmem(b.data, b.len, "id_no", 5));
			assert_null(memmem(b.data, b.len, "\"phone\"", 7));
		}
		buf_free(&a);
		buf_free(&b);
		run_free(&run);
	}
	assert_true(shown > 0 && more > 0);
	rules_unref(rules);
}

static void a_cursor_of_elsewhere_is_refused(void **state)
{
	struct grant g = grant_of(LABEL_ALL);
	struct grant other = grant_of(LABEL_BIT(LABEL_PUBLIC));
	struct feed_query q = {.limit = 1, .has_after = true};
	struct feed_cursor at;

	(void)state;
	feed_start(village(), &g, &q, &q.after);
	assert_int_equal(feed_position(village(), &g, &q, &at, NULL), ERR_OK);
	assert_int_equal(
		feed_position(village(), &other, &q, &at, NULL), ERR_EXISTS);
	q.after.arrival = store_arrivals(village()->store) + 1;
	assert_int_equal(
		feed_position(village(), &g, &q, &at, NULL), ERR_EXISTS);
	q.after.arrival = 0;
	q.after.epoch[0] = q.after.epoch[0] == '0' ? '1' : '0';
	assert_int_equal(
		feed_position(village(), &g, &q, &at, NULL), ERR_EXISTS);
}

/* ---- tiles ---- */

static enum err_code get(
	const char *path, enum tlog_kind *kind, struct buf *out)
{
	struct log_info log = fixture_log(&fixture, VILLAGE);

	buf_clear(out);
	return tlog_read(village()->store, log.origin, path, strlen(path), kind,
		out, NULL);
}

/* Entries hash to the tile's hashes, and those to the checkpoint's root. */
static void tiles_add_up_to_the_checkpoint(void **state)
{
	struct log_info log = fixture_log(&fixture, VILLAGE);
	struct buf tile = BUF_EMPTY, entries = BUF_EMPTY, note = BUF_EMPTY;
	struct tree_edge edge = {0};
	struct checkpoint cp;
	struct note parsed;
	enum tlog_kind kind;
	char path[TILE_PATH_SIZE];
	struct digest root;

	(void)state;
	assert_int_equal(get("checkpoint", &kind, &note), ERR_OK);
	assert_int_equal(kind, TLOG_CHECKPOINT);
	assert_int_equal(
		note_parse(note.data, note.len, &parsed, NULL), ERR_OK);
	assert_int_equal(
		checkpoint_parse(parsed.text, parsed.text_len, &cp, NULL),
		ERR_OK);
	assert_true(cp.size == log.checkpoint_size && cp.size > TILE_WIDTH);
	for (uint64_t at = 0; at < cp.size; at += TILE_WIDTH) {
		unsigned width = cp.size - at < TILE_WIDTH
			? (unsigned)(cp.size - at)
			: TILE_WIDTH;
		struct cursor c;

		tile_path(0, at / TILE_WIDTH, width, path);
		assert_int_equal(get(path, &kind, &tile), ERR_OK);
		assert_int_equal(tile.len, width * DIGEST_SIZE);
		tile_path(TILE_ENTRIES_LEVEL, at / TILE_WIDTH, width, path);
		assert_int_equal(get(path, &kind, &entries), ERR_OK);
		assert_int_equal(kind, TLOG_ENTRIES);
		c = cursor_over(entries.data, entries.len);
		for (unsigned i = 0; i < width; i++) {
			size_t len = cursor_u16(&c);
			const uint8_t *e = cursor_bytes(&c, len);
			struct digest leaf;

			assert_non_null(e);
			leaf = tree_leaf(e, len);
			assert_memory_equal(tile.data + i * DIGEST_SIZE, leaf.b,
				DIGEST_SIZE);
			tree_append(&edge, &leaf);
		}
		assert_true(cursor_done(&c));
	}
	root = tree_root(&edge);
	assert_true(digest_equal(&root, &cp.root));
	buf_free(&tile);
	buf_free(&entries);
	buf_free(&note);
}

static void every_partial_width_is_a_prefix(void **state)
{
	struct buf whole = BUF_EMPTY, part = BUF_EMPTY;
	enum tlog_kind kind;
	char path[TILE_PATH_SIZE];
	unsigned tried = 0;

	(void)state;
	assert_int_equal(get("tile/0/000", &kind, &whole), ERR_OK);
	for (unsigned width = 1; width < TILE_WIDTH; width++) {
		tile_path(0, 0, width, path);
		assert_int_equal(get(path, &kind, &part), ERR_OK);
		assert_int_equal(part.len, width * DIGEST_SIZE);
		assert_memory_equal(part.data, whole.data, part.len);
		tried++;
	}
	assert_int_equal(tried, 255);
	buf_free(&whole);
	buf_free(&part);
}

static void a_tile_above_holds_the_root_of_the_one_below(void **state)
{
	struct buf below = BUF_EMPTY, above = BUF_EMPTY;
	struct tree_edge edge = {0};
	struct digest leaf, root;
	enum tlog_kind kind;

	(void)state;
	assert_int_equal(get("tile/0/000", &kind, &below), ERR_OK);
	assert_int_equal(get("tile/1/000.p/1", &kind, &above), ERR_OK);
	for (size_t i = 0; i < TILE_WIDTH; i++) {
		memcpy(leaf.b, below.data + i * DIGEST_SIZE, DIGEST_SIZE);
		tree_append(&edge, &leaf);
	}
	root = tree_root(&edge);
	assert_int_equal(above.len, DIGEST_SIZE);
	assert_memory_equal(above.data, root.b, DIGEST_SIZE);
	buf_free(&below);
	buf_free(&above);
}

static void nothing_lies_beyond_the_checkpoint(void **state)
{
	static const char *const absent[] = {"tile/0/001", "tile/0/002.p/1",
		"tile/1/000", "tile/1/000.p/2", "tile/2/000.p/1",
		"tile/63/000.p/1", "tile/entries/001", "tile/entries/999.p/1",
		"tile/0/x999/x999/x999/x999/x999/999", "tile/0/1", "", "tile",
		"checkpoint/", "tile/0/000.p/0", "tile/0/000.p/256"};
	struct buf out = BUF_EMPTY;
	enum tlog_kind kind;
	char path[TILE_PATH_SIZE];
	struct log_info log = fixture_log(&fixture, VILLAGE);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		assert_int_equal(get(absent[i], &kind, &out), ERR_NOT_FOUND);
	tile_path(0, log.checkpoint_size / TILE_WIDTH,
		(unsigned)(log.checkpoint_size % TILE_WIDTH) + 1, path);
	assert_int_equal(get(path, &kind, &out), ERR_NOT_FOUND);
	buf_free(&out);
}

static int open_all(void **state)
{
	static const enum fixture_place places[] = {VILLAGE};

	(void)state;
	fixture_some(&fixture, places, 1);
	fixture_put(&fixture, VILLAGE, RECORDS);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

/* Who may see a series may see its counts, without their being named. */
static void counts_come_to_whom_the_series_is_granted(void **state)
{
	static uint64_t seqs[RECORDS + 20];
	struct grant g =
		grant_of(LABEL_BIT(LABEL_PUBLIC) | LABEL_BIT(LABEL_INTERNAL));
	struct feed_query counts = {.limit = 1, .series_count = 1};
	struct feed_query all = {.limit = 1};
	size_t told = 0, before;
	struct err err;

	(void)state;
	strcpy(counts.series[0], AGGREGATE_SERIES);
	before = read_all(&g, &all, 10, seqs, ARRAY_LEN(seqs));
	assert_int_equal(read_all(&g, &counts, 10, seqs, ARRAY_LEN(seqs)), 0);
	fixture_ok(aggregate_tell(village(), NULL, time_now() + 62 * 86400,
			   &told, &err),
		&err);
	assert_true(told > 2);
	assert_int_equal(
		read_all(&g, &counts, 10, seqs, ARRAY_LEN(seqs)), told);
	assert_int_equal(
		read_all(&g, &all, 10, seqs, ARRAY_LEN(seqs)), before + told);
	g.series_count = 2;
	strcpy(g.series[0], "mediation");
	strcpy(g.series[1], "service-case");
	assert_int_equal(
		read_all(&g, &counts, 10, seqs, ARRAY_LEN(seqs)), told / 7);
	g.labels = LABEL_BIT(LABEL_PUBLIC);
	assert_int_equal(read_all(&g, &counts, 10, seqs, ARRAY_LEN(seqs)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_any_size_neither_skip_nor_repeat),
		cmocka_unit_test(
			a_series_is_picked_out_and_the_cursor_still_moves),
		cmocka_unit_test(system_series_come_only_by_name),
		cmocka_unit_test(labels_outside_the_grant_do_not_show),
		cmocka_unit_test(a_cursor_of_elsewhere_is_refused),
		cmocka_unit_test(tiles_add_up_to_the_checkpoint),
		cmocka_unit_test(every_partial_width_is_a_prefix),
		cmocka_unit_test(a_tile_above_holds_the_root_of_the_one_below),
		cmocka_unit_test(nothing_lies_beyond_the_checkpoint),
		cmocka_unit_test(counts_come_to_whom_the_series_is_granted),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
