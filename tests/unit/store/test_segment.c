/* test_segment.c - items as bytes, and the files they stand in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "store/crc.h"
#include "store/segment.h"

static struct err test_err;

#define OK(call) assert_int_equal((call), ERR_OK)

static void crc32c_gives_the_published_values(void **state)
{
	/* RFC 3720 B.4. */
	uint8_t bytes[32] = {0};

	(void)state;
	assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
	assert_int_equal(
		crc32c(crc32c(0, bytes, 13), bytes + 13, 19), 0x46dd794e);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
}

static struct item sample_item(void)
{
	struct item it = {.kind = ITEM_PARTS,
		.suite = SUITE_SEALED,
		.label = LABEL_PERSONAL,
		.flags = 3,
		.log = 7,
		.count = 9,
		.first = 11,
		.last = 500,
		.plain_len = 4000,
		.key = 77,
		.origin = {2, 12345},
		.name = "service-case"};

	return it;
}

static void an_item_reads_as_it_was_written(void **state)
{
	struct buf b = BUF_EMPTY;
	struct item it = sample_item();
	struct item got;

	(void)state;
	item_write(&it, "payload", 7, &b);
	assert_int_equal(b.len, item_size(&it));
	OK(item_parse(b.data, b.len, &got, &test_err));
	assert_memory_equal(&got, &it, sizeof(it));
	for (size_t i = 0; i < item_head_size(&it); i++) {
		b.data[i] ^= 1;
		assert_int_equal(
			item_parse(b.data, b.len, &got, NULL), ERR_CORRUPT);
		b.data[i] ^= 1;
	}
	for (size_t len = 0; len < item_head_size(&it); len++)
		assert_int_equal(
			item_parse(b.data, len, &got, NULL), ERR_CORRUPT);
	buf_free(&b);
}

static void a_directory_finds_the_block_of_a_part(void **state)
{
	struct arrival_run runs[] = {{1, 5, 6, false}, {2, 0, 1, true}};
	struct directory_block blocks[] = {
		{"alert", 1, 0, 5, 9, 100},
		{"alert", 1, 1, 5, 9, 200},
		{"alert", 1, 1, 12, 20, 300},
		{"alert-x", 1, 1, 0, 99, 400},
		{"alert", 2, 0, 0, 0, 500},
	};
	struct directory d = {.start = 40,
		.items = 8,
		.heads_crc = 123,
		.arrival = 55,
		.run_count = 2,
		.runs = runs,
		.block_count = 5,
		.blocks = blocks};
	struct buf b = BUF_EMPTY;
	struct directory got;

	(void)state;
	directory_write(&d, &b);
	OK(directory_parse(b.data, b.len, &got, &test_err));
	assert_int_equal(got.arrival, 55);
	assert_int_equal(got.runs[1].log, 2);
	assert_int_equal(got.runs[1].count, 1);
	assert_true(got.runs[1].again);
	assert_false(got.runs[0].again);
	assert_int_equal(
		directory_find(&got, 1, "alert", 5, 1, 9)->offset, 200);
	assert_int_equal(
		directory_find(&got, 1, "alert", 5, 1, 15)->offset, 300);
	assert_int_equal(
		directory_find(&got, 1, "alert-x", 7, 1, 50)->offset, 400);
	assert_null(directory_find(&got, 1, "alert", 5, 1, 10));
	assert_null(directory_find(&got, 1, "alert", 5, 2, 9));
	assert_null(directory_find(&got, 1, "aler", 4, 1, 9));
	assert_null(directory_find(&got, 3, "alert", 5, 0, 0));
	directory_free(&got);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(
			directory_parse(b.data, len, &got, NULL), ERR_CORRUPT);
	buf_free(&b);
}

static enum err_code no_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	(void)arg;
	(void)at;
	(void)it;
	return err_set(err, ERR_INTERNAL, "an item");
}

static enum err_code count_gap(
	void *arg, struct place at, uint64_t len, struct err *err)
{
	uint64_t *sum = arg;

	(void)at;
	(void)err;
	*sum += len;
	return ERR_OK;
}

static void a_missing_segment_is_a_gap(void **state)
{
	struct extent known = {.segment = 5, .end = 99};
	struct segments *g;
	uint64_t lost = 0;

	OK(segments_open(*state, SEGMENTS_CREATE, NULL, &g, &test_err));
	OK(segment_create(g, 0, &test_err));
	OK(segment_create(g, SEGMENT_HEAD_SIZE, &test_err));
	OK(segment_create(g, SEGMENT_HEAD_SIZE, &test_err));
	segments_close(g);
	unlink(scratch_path(state, "segments/00000002.seg"));
	unlink(scratch_path(state, "segments/00000003.seg"));
	OK(segments_open(*state, SEGMENTS_CREATE, &known, &g, &test_err));
	assert_int_equal(segments_count(g), 5);
	OK(segment_walk(
		g, 5, 0, known.end, no_item, count_gap, &lost, &test_err));
	assert_int_equal(lost, known.end - SEGMENT_HEAD_SIZE);
	OK(segment_create(g, known.end, &test_err));
	assert_int_equal(segments_count(g), 6);
	segments_close(g);
}

static void a_segment_without_a_head_was_never_born(void **state)
{
	struct segments *g;

	OK(segments_open(*state, SEGMENTS_CREATE, NULL, &g, &test_err));
	OK(segment_create(g, 0, &test_err));
	segments_close(g);
	OK(file_replace(scratch_path(state, "segments/00000002.seg"), "CDSE", 4,
		0600, &test_err));
	OK(segments_open(*state, SEGMENTS_CREATE, NULL, &g, &test_err));
	assert_int_equal(segments_count(g), 1);
	segments_close(g);
}

/* Who looks for damage beside puts must not count what the writer is making: it
 * would be counted twice, and what goes into it told to be in another. */
static void only_readers_count_files_again(void **state)
{
	struct segments *g, *reader;

	OK(segments_open(*state, SEGMENTS_CREATE, NULL, &g, &test_err));
	OK(segment_create(g, 0, &test_err));
	OK(segments_open(*state, SEGMENTS_READ, NULL, &reader, &test_err));
	OK(file_replace(scratch_path(state, "segments/00000002.seg"), "", 0,
		0600, &test_err));
	OK(segments_recount(g, &test_err));
	OK(segments_recount(reader, &test_err));
	assert_int_equal(segments_count(g), 1);
	assert_int_equal(segments_count(reader), 2);
	segments_close(reader);
	segments_close(g);
}

/* A commit item that says its group starts at `start`. */
static void add_commit(struct buf *out, uint64_t start, uint64_t first)
{
	struct directory d = {.start = start, .items = 1};
	struct item it = {.kind = ITEM_COMMIT, .first = first, .last = first};
	struct buf payload = BUF_EMPTY;

	directory_write(&d, &payload);
	item_write(&it, payload.data, payload.len, out);
	buf_free(&payload);
}

static size_t commits_behind(struct segments *g, struct buf *tail)
{
	bool torn = false, broken = false;
	size_t count;

	OK(segment_append(g, SEGMENT_HEAD_SIZE, tail, 0, &torn, &test_err));
	OK(segment_settle(g, SEGMENT_HEAD_SIZE, &torn, &broken, &test_err));
	OK(segment_commits_behind(g, 1, SEGMENT_HEAD_SIZE, &count, &test_err));
	OK(segment_cut(g, SEGMENT_HEAD_SIZE, &test_err));
	buf_clear(tail);
	return count;
}

/* Two commit items in a torn tail are damage, which nobody opens a store over:
 * a peer must not bring that about by what its entries hold. */
static void only_whole_commit_items_count_in_a_tail(void **state)
{
	struct buf tail = BUF_EMPTY;
	struct segments *g;

	OK(segments_open(*state, SEGMENTS_CREATE, NULL, &g, &test_err));
	OK(segment_create(g, 0, &test_err));
	buf_str(&tail, "torn");
	add_commit(&tail, SEGMENT_HEAD_SIZE, 0);
	add_commit(&tail, SEGMENT_HEAD_SIZE + 70, 0);
	assert_int_equal(commits_behind(g, &tail), 2);
	buf_str(&tail, "torn");
	add_commit(&tail, SEGMENT_HEAD_SIZE, 7); /* no commit has a first */
	add_commit(&tail, 1, 0);		 /* before the tail */
	add_commit(&tail, 5000, 0);		 /* behind itself */
	add_commit(&tail, SEGMENT_HEAD_SIZE, 0);
	tail.data[tail.len - 1] ^= 1; /* a payload of another crc */
	add_commit(&tail, SEGMENT_HEAD_SIZE, 0);
	tail.len--; /* cut off */
	assert_int_equal(commits_behind(g, &tail), 0);
	buf_free(&tail);
	segments_close(g);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(crc32c_gives_the_published_values),
		test(an_item_reads_as_it_was_written),
		test(a_directory_finds_the_block_of_a_part),
		test(a_missing_segment_is_a_gap),
		test(only_whole_commit_items_count_in_a_tail),
		test(a_segment_without_a_head_was_never_born),
		test(only_readers_count_files_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
