/* test_run.c - runs give the exact entries back, whatever travels with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "store/columns.h"

#define COUNT 23

static struct run make_run(size_t count, uint8_t labels)
{
	struct run r = {.start = 512, .count = count};

	r.record = calloc(count, sizeof(*r.record));
	assert_non_null(r.record);
	for (size_t i = 0; i < count; i++)
		record_make(&r.record[i], i, labels);
	return r;
}

static void drop_run(struct run *r)
{
	for (size_t i = 0; i < r->count; i++)
		record_free(&r->record[i]);
	run_free(r);
}

static void assert_part(const struct part *a, const struct part *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->json, b->json, a->len);
	assert_memory_equal(a->seed, b->seed, SEED_SIZE);
}

static void assert_record(
	const struct record *a, const struct record *b, uint8_t labels)
{
	assert_int_equal(a->entry_len, b->entry_len);
	assert_memory_equal(a->entry, b->entry, a->entry_len);
	assert_true(digest_equal(&a->leaf, &b->leaf));
	assert_int_equal(b->have, a->have & labels);
	for (int l = 0; l < LABEL_COUNT; l++)
		if (b->have & LABEL_BIT(l))
			assert_part(&a->part[l], &b->part[l]);
}

static void assert_survives(const struct run *r, uint8_t labels)
{
	struct buf b = BUF_EMPTY;
	struct run again = {0};
	struct err err = {0};

	if (run_encode(r, labels, 3, &b, &err) != ERR_OK ||
		run_decode(b.data, b.len, r->start, &again, &err) != ERR_OK)
		fail_msg("labels %x: %s", labels, err.text);
	assert_int_equal(again.start, r->start);
	assert_int_equal(again.count, r->count);
	for (size_t i = 0; i < r->count; i++)
		assert_record(&r->record[i], &again.record[i], labels);
	run_free(&again);
	buf_free(&b);
}

static void a_run_survives_for_every_choice_of_labels(void **state)
{
	int ran = 0;

	(void)state;
	for (uint8_t have = 1; have <= LABEL_ALL; have++) {
		struct run r = make_run(COUNT, have);

		for (uint8_t labels = 0; labels <= LABEL_ALL; labels++, ran++)
			assert_survives(&r, labels);
		drop_run(&r);
	}
	assert_int_equal(ran, 15 * 16);
}

static void parts_that_are_not_here_stay_explicit(void **state)
{
	struct run r = make_run(COUNT, LABEL_ALL);

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		r.record[i].have = (uint8_t)(i & LABEL_ALL);
		r.record[i].erased = (uint8_t)(~i & LABEL_ALL);
	}
	assert_survives(&r, LABEL_ALL);
	r.count = 1;
	assert_survives(&r, LABEL_ALL);
	r.count = COUNT;
	drop_run(&r);
}

static void the_longest_run_and_any_id_survive(void **state)
{
	struct run r = make_run(RUN_LIMIT, LABEL_BIT(LABEL_INTERNAL));
	struct buf b = BUF_EMPTY;

	(void)state;
	/* An id whose time has nothing to do with the record's. */
	for (size_t i = 0; i < RUN_LIMIT; i++) {
		struct record *rec = &r.record[i];
		struct buf text = BUF_EMPTY;
		struct entry e;
		uint8_t uuid[UUID_SIZE];

		memset(uuid, (int)i, sizeof(uuid));
		assert_int_equal(
			entry_parse(rec->entry, rec->entry_len, &e, NULL),
			ERR_OK);
		uuid_format(uuid, e.id);
		time_format(i % 2 ? -2209017600 : 253402271999, e.at);
		assert_int_equal(entry_write(&e, &text, NULL), ERR_OK);
		free((void *)(uintptr_t)rec->entry);
		rec->entry = (char *)text.data;
		rec->entry_len = text.len;
		rec->leaf = tree_leaf(text.data, text.len);
	}
	assert_survives(&r, LABEL_ALL);
	r.count = RUN_LIMIT + 1;
	assert_int_equal(run_encode(&r, LABEL_ALL, 3, &b, NULL), ERR_LIMIT);
	r.count = 0;
	assert_int_equal(run_encode(&r, LABEL_ALL, 3, &b, NULL), ERR_LIMIT);
	r.count = RUN_LIMIT;
	assert_int_equal(b.len, 0);
	drop_run(&r);
}

static void a_part_that_is_not_the_entrys_is_refused(void **state)
{
	struct run r = make_run(2, LABEL_ALL);
	struct buf b = BUF_EMPTY;
	struct err err;

	(void)state;
	r.record[1].part[LABEL_PERSONAL].seed[3] ^= 1;
	assert_int_equal(run_encode(&r, LABEL_ALL, 3, &b, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "513"));
	assert_non_null(strstr(err.text, "personal"));
	assert_int_equal(b.len, 0);
	/* Left out, it does not matter. */
	assert_survives(&r, LABEL_BIT(LABEL_PUBLIC));
	drop_run(&r);
}

static void withheld_parts_leave_no_byte(void **state)
{
	struct run r = make_run(COUNT, LABEL_ALL);
	struct buf b = BUF_EMPTY, plain = BUF_EMPTY;

	(void)state;
	assert_int_equal(
		run_encode(&r, LABEL_BIT(LABEL_PUBLIC), 3, &b, NULL), ERR_OK);
	assert_int_equal(frame_decompress(b.data + 1, b.len - 1,
				 RUN_PLAIN_LIMIT, &plain, NULL),
		ERR_OK);
	assert_non_null(memmem(plain.data, plain.len, "public", 6));
	assert_null(memmem(plain.data, plain.len, "personal", 8));
	for (size_t i = 0; i < COUNT; i++)
		assert_null(memmem(plain.data, plain.len,
			r.record[i].part[LABEL_SENSITIVE].seed, SEED_SIZE));
	buf_free(&b);
	buf_free(&plain);
	drop_run(&r);
}

/* Decodes damaged bytes: either refused, or every record whose leaf is still
 * that of the log is still the same to the byte. */
static bool decode_damaged(const struct run *r, const uint8_t *data, size_t len)
{
	struct run got = {0};
	struct err err = {0};
	enum err_code rc = run_decode(data, len, r->start, &got, &err);

	if (rc != ERR_OK) {
		if (rc != ERR_PROTOCOL || !err.text[0])
			fail_msg("%s: %s", err_name(rc), err.text);
		return false;
	}
	for (size_t i = 0; i < got.count && i < r->count; i++)
		if (digest_equal(&got.record[i].leaf, &r->record[i].leaf))
			assert_record(&r->record[i], &got.record[i], LABEL_ALL);
	run_free(&got);
	return true;
}

static void damage_is_never_taken_for_the_record(void **state)
{
	struct run r = make_run(COUNT, LABEL_ALL);
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_int_equal(run_encode(&r, LABEL_ALL, 3, &b, NULL), ERR_OK);
	assert_true(decode_damaged(&r, b.data, b.len));
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.data[i] ^= (uint8_t)(1 << bit);
			(void)decode_damaged(&r, b.data, b.len);
			b.data[i] ^= (uint8_t)(1 << bit);
		}
	for (size_t len = 0; len < b.len; len++)
		assert_false(decode_damaged(&r, b.data, len));
	buf_free(&b);
	drop_run(&r);
}

/* docs/format.md, sections 2 and 3.2. */
static void the_vector_of_the_format_document_holds(void **state)
{
	static const char head[] =
		"0000003e000100010001"
		"17e5538c7abc8def0123456789ab"
		"4f3864614c2f88e38628f8af790d7d48a876434d0e575ecb5dc6e1ad8f7f"
		"08b1000102030405060708090a0b0c0d0e0f12e6e5c49e0d80e56d";
	static const char text[] =
		"\",\"iss\":\"xihu.example/330106110201\",\"node\":"
		"\"330106110201\",\"rev\":1,\"series\":\"service-case\"}\n"
		"{\"item\":\"临时救助\",\"status\":\"已办结\"}\n";
	static const char entry[] =
		"{\"_sd\":[\"TzhkYUwviOOGKPiveQ19SKh2Q00OV17LXcbhrY9_CLE\","
		"\"iin0BKUoAo6FbZ1Upq7r4R-LyThTODaDA8z_q1tpbFs\"],"
		"\"_sd_alg\":\"sha-256\",\"at\":\"2026-04-22T17:48:35+08:00\","
		"\"id\":\"019db4a5-2278-7abc-8def-0123456789ab\","
		"\"iss\":\"xihu.example/330106110201\","
		"\"node\":\"330106110201\",\"rev\":1,"
		"\"series\":\"service-case\"}";
	uint8_t first[(sizeof(head) - 1) / 2];
	struct buf plain = BUF_EMPTY, b = BUF_EMPTY;
	char leaf[DIGEST_TEXT_SIZE];
	struct run r = {0};
	struct err err = {0};

	(void)state;
	assert_true(hex_decode(head, sizeof(head) - 1, first, sizeof(first)));
	buf_add(&plain, first, sizeof(first));
	buf_str(&plain, text);
	buf_u8(&b, 1);
	assert_int_equal(
		frame_compress(plain.data, plain.len, 3, &b, NULL), ERR_OK);
	if (run_decode(b.data, b.len, 0, &r, &err) != ERR_OK)
		fail_msg("%s", err.text);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.record[0].have, LABEL_BIT(LABEL_INTERNAL));
	assert_int_equal(r.record[0].entry_len, strlen(entry));
	assert_memory_equal(r.record[0].entry, entry, strlen(entry));
	digest_base64url(&r.record[0].leaf, leaf);
	assert_string_equal(
		leaf, "F-VTjIOG8xN_LRTxlKlrLcA0JSJtQZIiLLJZQlKiVd4");
	/* And the other way round. */
	buf_clear(&b);
	assert_int_equal(run_encode(&r, LABEL_ALL, 3, &b, NULL), ERR_OK);
	run_free(&r);
	r.arena = BUF_EMPTY;
	assert_int_equal(
		frame_decompress(b.data + 1, b.len - 1, 4096, &r.arena, NULL),
		ERR_OK);
	assert_int_equal(r.arena.len, plain.len);
	assert_memory_equal(r.arena.data, plain.data, plain.len);
	run_free(&r);
	buf_free(&plain);
	buf_free(&b);
}

/* Damage behind the compression, where a peer's own bytes would be. */
static void damaged_columns_are_never_taken_for_the_record(void **state)
{
	struct run r = make_run(COUNT, LABEL_ALL);
	struct buf b = BUF_EMPTY, plain = BUF_EMPTY;
	int refused = 0;

	(void)state;
	assert_int_equal(
		run_encode(&r, LABEL_BIT(1) | LABEL_BIT(2), 3, &b, NULL),
		ERR_OK);
	assert_int_equal(frame_decompress(b.data + 1, b.len - 1,
				 RUN_PLAIN_LIMIT, &plain, NULL),
		ERR_OK);
	for (size_t i = 0; i < COUNT; i++)
		r.record[i].have = LABEL_BIT(1) | LABEL_BIT(2);
	for (size_t i = 0; i < plain.len; i++) {
		buf_clear(&b);
		buf_u8(&b, 1);
		plain.data[i] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(
			frame_compress(plain.data, plain.len, 1, &b, NULL),
			ERR_OK);
		refused += !decode_damaged(&r, b.data, b.len);
		plain.data[i] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(refused, plain.len);
	buf_free(&b);
	buf_free(&plain);
	drop_run(&r);
}

/* A run by hand: a head that says something, and a body. */
static enum err_code decode_head(struct columns_head h, size_t body)
{
	struct buf plain = BUF_EMPTY, b = BUF_EMPTY;
	struct run got = {0};
	enum err_code rc;

	columns_head_write(&h, &plain);
	while (body-- > 0)
		buf_u8(&plain, 0x11);
	buf_u8(&b, 1);
	assert_int_equal(
		frame_compress(plain.data, plain.len, 1, &b, NULL), ERR_OK);
	rc = run_decode(b.data, b.len, 0, &got, NULL);
	run_free(&got);
	buf_free(&plain);
	buf_free(&b);
	return rc;
}

static void absurd_counts_are_refused(void **state)
{
	static const struct columns_head heads[] = {
		{0, 0, 0, 0},
		{14, 1, 0, 0},
		{14 * 257, 257, 0, 0},
		{14 + 32 * 65535, 1, 65535, 0},
		{0xffffffff, 1, 0, 0},
		{14 + 16, 1, 0, 1},
		{0, 65535, 65535, 65535},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		assert_int_equal(decode_head(heads[i], 0), ERR_PROTOCOL);
		assert_int_equal(decode_head(heads[i], 5000), ERR_PROTOCOL);
	}
}

static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
	size_t len = RUN_PLAIN_LIMIT + 1;
	uint8_t *zeros = calloc(1, len);
	struct buf b = BUF_EMPTY;
	struct run got = {0};
	struct err err;

	(void)state;
	assert_non_null(zeros);
	buf_u8(&b, 1);
	assert_int_equal(frame_compress(zeros, len, 1, &b, NULL), ERR_OK);
	assert_true(b.len < 100000);
	assert_int_equal(
		run_decode(b.data, b.len, 0, &got, &err), ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "limit"));
	buf_free(&b);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_survives_for_every_choice_of_labels),
		cmocka_unit_test(parts_that_are_not_here_stay_explicit),
		cmocka_unit_test(the_longest_run_and_any_id_survive),
		cmocka_unit_test(a_part_that_is_not_the_entrys_is_refused),
		cmocka_unit_test(withheld_parts_leave_no_byte),
		cmocka_unit_test(damage_is_never_taken_for_the_record),
		cmocka_unit_test(
			damaged_columns_are_never_taken_for_the_record),
		cmocka_unit_test(the_vector_of_the_format_document_holds),
		cmocka_unit_test(absurd_counts_are_refused),
		cmocka_unit_test(a_bomb_is_refused_before_it_is_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
