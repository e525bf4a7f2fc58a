/* test_frame.c - blocks keep their columns, and zstd its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "store/columns.h"

#define COUNT 40
#define HEAVY ((size_t)100000)

static void what_is_compressed_comes_back(void **state)
{
	static const size_t lengths[] = {0, 1, 100, HEAVY};
	uint8_t *data = calloc(1, HEAVY);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < HEAVY; i++)
		data[i] = (uint8_t)(i / 7);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct buf packed = BUF_EMPTY, plain = BUF_EMPTY;

		buf_str(&plain, "before");
		assert_int_equal(
			frame_compress(data, lengths[i], 3, &packed, NULL),
			ERR_OK);
		assert_int_equal(frame_decompress(packed.data, packed.len,
					 lengths[i], &plain, NULL),
			ERR_OK);
		assert_int_equal(plain.len, 6 + lengths[i]);
		if (lengths[i] > 0)
			assert_memory_equal(plain.data + 6, data, lengths[i]);
		buf_free(&packed);
		buf_free(&plain);
	}
	free(data);
}

static enum err_code unpack(const void *data, size_t len, size_t limit)
{
	struct buf plain = BUF_EMPTY;
	enum err_code rc = frame_decompress(data, len, limit, &plain, NULL);

	if (rc != ERR_OK)
		assert_int_equal(plain.len, 0);
	buf_free(&plain);
	return rc;
}

static void only_one_bounded_frame_is_taken(void **state)
{
	/* A skippable frame, and a frame that does not tell its size. */
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
	static const uint8_t unsized[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x01, 0x00, 0x00};
	struct buf b = BUF_EMPTY;
	size_t one;

	(void)state;
	assert_int_equal(frame_compress("abcabcabc", 9, 3, &b, NULL), ERR_OK);
	one = b.len;
	assert_int_equal(unpack(b.data, one, 9), ERR_OK);
	assert_int_equal(unpack(b.data, one, 8), ERR_LIMIT);
	for (size_t len = 0; len < one; len++)
		assert_int_equal(unpack(b.data, len, 9), ERR_CORRUPT);
	assert_int_equal(frame_compress("def", 3, 3, &b, NULL), ERR_OK);
	assert_int_equal(unpack(b.data, b.len, 100), ERR_CORRUPT);
	assert_int_equal(
		unpack(skippable, sizeof(skippable), 100), ERR_CORRUPT);
	assert_int_equal(unpack(unsized, sizeof(unsized), 100), ERR_CORRUPT);
	buf_free(&b);
}

static struct entry_row row_of(const struct record *r, uint8_t computed)
{
	struct entry_row row = {
		.entry = r->entry,
		.entry_len = r->entry_len,
		.leaf = r->leaf,
		.computed = computed,
	};

	for (int l = 0; l < LABEL_COUNT; l++)
		if (computed & LABEL_BIT(l))
			assert_int_equal(
				part_digest(r->part[l].seed, (enum label)l,
					r->part[l].json, r->part[l].len,
					&row.digest[l], NULL),
				ERR_OK);
	return row;
}

static void entries_come_back_to_the_byte(void **state)
{
	struct record r[COUNT];
	struct entry_row rows[COUNT];
	struct entry_stub stubs[COUNT];
	struct buf plain = BUF_EMPTY, text = BUF_EMPTY;
	struct digest leaf;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		record_make(&r[i], i, LABEL_ALL);
		rows[i] = row_of(&r[i], (uint8_t)(i & LABEL_ALL));
	}
	assert_int_equal(entries_block(rows, COUNT, &plain, NULL), ERR_OK);
	assert_int_equal(entries_block_read(plain.data, plain.len, stubs,
				 COUNT - 1, &count, NULL),
		ERR_CORRUPT);
	assert_int_equal(entries_block_read(plain.data, plain.len, stubs, COUNT,
				 &count, NULL),
		ERR_OK);
	assert_int_equal(count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		buf_clear(&text);
		assert_int_equal(stubs[i].computed, i & LABEL_ALL);
		assert_int_equal(entry_rebuild(&stubs[i], rows[i].digest, &text,
					 &leaf, NULL),
			ERR_OK);
		assert_int_equal(text.len, r[i].entry_len);
		assert_memory_equal(text.data, r[i].entry, text.len);
		assert_true(digest_equal(&leaf, &r[i].leaf));
		/* Another part is noticed. */
		rows[i].digest[0].b[5] ^= 1;
		if (stubs[i].computed & LABEL_BIT(0))
			assert_int_equal(
				entry_rebuild(&stubs[i], rows[i].digest, &text,
					&leaf, NULL),
				ERR_CORRUPT);
		record_free(&r[i]);
	}
	buf_free(&plain);
	buf_free(&text);
}

static void no_entry_is_taken_apart_that_does_not_parse(void **state)
{
	struct entry_row row = {.entry = "{}", .entry_len = 2};
	struct buf plain = BUF_EMPTY;

	(void)state;
	assert_int_equal(entries_block(&row, 1, &plain, NULL), ERR_INVALID);
	assert_int_equal(
		entries_block(&row, BLOCK_ROWS_LIMIT + 1, &plain, NULL),
		ERR_LIMIT);
	assert_int_equal(plain.len, 0);
}

static void fill_parts(struct part_row *rows, struct record *r)
{
	for (size_t i = 0; i < COUNT; i++) {
		record_make(&r[i], i, LABEL_BIT(LABEL_SENSITIVE));
		rows[i] = (struct part_row){
			.seq = i * i * i * 1000000007, .erased = i % 3 == 0};
		if (rows[i].erased)
			rows[i].digest = digest_of(&i, sizeof(i));
		else
			rows[i].part = r[i].part[LABEL_SENSITIVE];
	}
}

static void parts_come_back_and_erased_ones_keep_their_digest(void **state)
{
	struct record r[COUNT];
	struct part_row rows[COUNT], got[COUNT];
	struct buf plain = BUF_EMPTY;
	size_t count = 0;

	(void)state;
	fill_parts(rows, r);
	assert_int_equal(parts_block(rows, COUNT, &plain, NULL), ERR_OK);
	assert_int_equal(parts_block_read(plain.data, plain.len, got, COUNT - 1,
				 &count, NULL),
		ERR_CORRUPT);
	assert_int_equal(parts_block_read(plain.data, plain.len, got, COUNT,
				 &count, NULL),
		ERR_OK);
	assert_int_equal(count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(got[i].seq, rows[i].seq);
		assert_int_equal(got[i].erased, rows[i].erased);
		if (got[i].erased) {
			assert_true(
				digest_equal(&got[i].digest, &rows[i].digest));
			continue;
		}
		assert_int_equal(got[i].part.len, rows[i].part.len);
		assert_memory_equal(
			got[i].part.json, rows[i].part.json, got[i].part.len);
		assert_memory_equal(
			got[i].part.seed, rows[i].part.seed, SEED_SIZE);
	}
	for (size_t len = 0; len < plain.len; len++)
		assert_int_equal(parts_block_read(plain.data, len, got, COUNT,
					 &count, NULL),
			ERR_CORRUPT);
	for (size_t i = 0; i < COUNT; i++)
		record_free(&r[i]);
	buf_free(&plain);
}

static void parts_out_of_order_or_of_two_lines_are_refused(void **state)
{
	struct part_row rows[2] = {
		{.seq = 5, .part = {.json = "{}", .len = 2}},
		{.seq = 5, .part = {.json = "{}", .len = 2}},
	};
	struct buf plain = BUF_EMPTY;

	(void)state;
	assert_int_equal(parts_block(rows, 2, &plain, NULL), ERR_INVALID);
	rows[1].seq = 6;
	rows[1].part = (struct part){.json = "{\n}", .len = 3};
	assert_int_equal(parts_block(rows, 2, &plain, NULL), ERR_INVALID);
	rows[1].part = (struct part){.json = "", .len = 0};
	assert_int_equal(parts_block(rows, 2, &plain, NULL), ERR_INVALID);
	rows[1].part = (struct part){.json = "{}", .len = PART_SIZE_LIMIT + 1};
	assert_int_equal(parts_block(rows, 2, &plain, NULL), ERR_INVALID);
	assert_int_equal(plain.len, 0);
}

static void keeping_the_random_head_apart_changes_no_plain_byte(void **state)
{
	struct record r[COUNT];
	struct part_row rows[COUNT];
	struct buf plain = BUF_EMPTY, packed = BUF_EMPTY, again = BUF_EMPTY;

	(void)state;
	fill_parts(rows, r);
	assert_int_equal(parts_block(rows, COUNT, &plain, NULL), ERR_OK);
	assert_int_equal(
		block_compress(NULL, plain.data, plain.len, 3, &packed, NULL),
		ERR_OK);
	assert_int_equal(frame_decompress(packed.data, packed.len, plain.len,
				 &again, NULL),
		ERR_OK);
	assert_int_equal(again.len, plain.len);
	assert_memory_equal(again.data, plain.data, plain.len);
	for (size_t i = 0; i < COUNT; i++)
		record_free(&r[i]);
	buf_free(&plain);
	buf_free(&packed);
	buf_free(&again);
}

static void working_memory_used_again_leaves_nothing_in_the_next_block(
	void **state)
{
	struct record r[COUNT];
	struct part_row rows[COUNT];
	struct packers *p = NULL;

	(void)state;
	fill_parts(rows, r);
	assert_int_equal(packers_new(&p, NULL), ERR_OK);
	for (size_t count = COUNT; count > 0; count--) {
		struct buf one = BUF_EMPTY, packed = BUF_EMPTY,
			   fresh = BUF_EMPTY;
		struct packers *other = NULL;

		assert_int_equal(parts_block(rows, count, &one, NULL), ERR_OK);
		assert_int_equal(
			block_compress(p, one.data, one.len, 3, &packed, NULL),
			ERR_OK);
		assert_int_equal(packers_new(&other, NULL), ERR_OK);
		assert_int_equal(block_compress(other, one.data, one.len, 3,
					 &fresh, NULL),
			ERR_OK);
		assert_int_equal(packed.len, fresh.len);
		assert_memory_equal(packed.data, fresh.data, fresh.len);
		packers_free(other);
		buf_free(&one);
		buf_free(&packed);
		buf_free(&fresh);
	}
	packers_free(p);
	for (size_t i = 0; i < COUNT; i++)
		record_free(&r[i]);
}

static void numbers_of_any_size_survive(void **state)
{
	static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384,
		UINT32_MAX, (uint64_t)1 << 62, (uint64_t)1 << 63, UINT64_MAX};
	static const uint8_t long_one[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf b = BUF_EMPTY;
		struct cursor c;

		varint_write(numbers[i], &b);
		c = cursor_over(b.data, b.len);
		assert_true(varint_read(&c) == numbers[i]);
		assert_true(cursor_done(&c));
		buf_free(&b);
	}
	for (size_t len = 0; len <= sizeof(long_one); len++) {
		struct cursor c = cursor_over(long_one, len);

		assert_int_equal(varint_read(&c), 0);
		assert_false(cursor_ok(&c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_compressed_comes_back),
		cmocka_unit_test(only_one_bounded_frame_is_taken),
		cmocka_unit_test(entries_come_back_to_the_byte),
		cmocka_unit_test(no_entry_is_taken_apart_that_does_not_parse),
		cmocka_unit_test(
			parts_come_back_and_erased_ones_keep_their_digest),
		cmocka_unit_test(
			parts_out_of_order_or_of_two_lines_are_refused),
		cmocka_unit_test(
			keeping_the_random_head_apart_changes_no_plain_byte),
		cmocka_unit_test(
			working_memory_used_again_leaves_nothing_in_the_next_block),
		cmocka_unit_test(numbers_of_any_size_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
