/* test_sketch.c - going through all records tells what reading each tells. */
#include "records.h"

struct seen {
	uint64_t next, count;
	uint8_t wanted;
	uint8_t erased_at_7;
};

static uint8_t wants(void *arg, const struct sketch *r)
{
	struct seen *s = arg;

	(void)r;
	return s->wanted;
}

static enum err_code on_sketch(
	void *arg, const struct sketch *r, struct err *err)
{
	struct seen *s = arg;
	struct made m;
	int64_t at;

	(void)err;
	assert_int_equal(r->seq, s->next++);
	make_record(&m, r->seq, 1);
	assert_int_equal(r->rev, 1);
	assert_memory_equal(r->uuid, m.entry.uuid, UUID_SIZE);
	assert_true(time_parse(m.entry.at, strlen(m.entry.at), &at));
	assert_int_equal(r->at, at);
	assert_int_equal(r->series_len, strlen(m.entry.series));
	assert_memory_equal(r->series, m.entry.series, r->series_len);
	assert_int_equal(r->here, LABEL_ALL);
	if (r->seq == 7)
		s->erased_at_7 = r->erased;
	else
		assert_int_equal(r->erased, 0);
	assert_int_equal(r->have, s->wanted & ~r->erased);
	for (int l = 0; l < LABEL_COUNT; l++) {
		if (!(r->have & LABEL_BIT(l)))
			continue;
		assert_int_equal(r->part[l].len, m.record.part[l].len);
		assert_memory_equal(
			r->part[l].json, m.record.part[l].json, r->part[l].len);
	}
	free_record(&m);
	s->count++;
	return ERR_OK;
}

static struct seen walk(struct store *s, uint32_t log, uint64_t from,
	uint64_t to, uint8_t wanted)
{
	struct seen seen = {.next = from, .wanted = wanted};
	const struct sketch_visitor v = {wants, on_sketch, &seen};

	OK(store_sketch_each(s, log, from, to, &v, &test_err));
	return seen;
}

static void all_records_are_told_once_with_the_parts_asked_for(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 30000);
	uint32_t log = put_records(s, 0, 300);
	struct seen seen;

	for (uint64_t i = 300; i < 310; i++)
		put_records(s, i, 1);
	seen = walk(s, log, 0, UINT64_MAX, LABEL_ALL);
	assert_int_equal(seen.count, 310);
	seen = walk(s, log, 255, 301, LABEL_BIT(LABEL_INTERNAL));
	assert_int_equal(seen.count, 46);
	seen = walk(s, log, 310, 400, 0);
	assert_int_equal(seen.count, 0);
	store_close(s);
}

static void destroyed_parts_are_told_and_not_given(void **state)
{
	const struct erase_target target[] = {
		{1, 7, LABEL_PERSONAL}, {1, 7, LABEL_SENSITIVE}};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint32_t log = put_records(s, 0, 20);
	struct batch *b;
	struct seen seen;

	assert_int_equal(log, 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, target, 2, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	seen = walk(s, log, 0, 20, LABEL_ALL);
	assert_int_equal(seen.count, 20);
	assert_int_equal(seen.erased_at_7,
		LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_SENSITIVE));
	store_close(s);
}

struct gone {
	struct seen seen; /* first: on_sketch() gets it */
	const char *at, *away;
	int looks;
};

/* The file is not there between the first look at the index and the second. */
static uint8_t wants_what_moves(void *arg, const struct sketch *r)
{
	struct gone *g = arg;

	if (r->seq == 0 && g->looks == 0)
		assert_int_equal(rename(g->at, g->away), 0);
	else if (r->seq == 0)
		assert_int_equal(rename(g->away, g->at), 0);
	g->looks += r->seq == 0;
	return LABEL_ALL;
}

static void a_part_that_moves_meanwhile_is_looked_for_again(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint32_t log = put_records(s, 0, 20);
	struct gone g = {.seen.wanted = LABEL_ALL};
	const struct sketch_visitor v = {wants_what_moves, on_sketch, &g};
	char at[256], away[256];

	snprintf(at, sizeof(at), "%s/segments/00000001.seg", (char *)*state);
	snprintf(away, sizeof(away), "%s/away", (char *)*state);
	g.at = at;
	g.away = away;
	OK(store_sketch_each(s, log, 0, 20, &v, &test_err));
	assert_int_equal(g.seen.count, 20);
	assert_int_equal(g.looks, 2);
	store_close(s);
}

static void single_entries_of_a_sparse_log_are_told(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;
	struct seen seen;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_SPARSE, &log, &test_err));
	make_record(&m, 41, 1);
	OK(batch_proved(b, log.id, 41, &m.record, "proof", 5, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	free_record(&m);
	seen = walk(s, log.id, 41, UINT64_MAX, LABEL_ALL);
	assert_int_equal(seen.count, 1);
	seen = walk(s, log.id, 42, UINT64_MAX, LABEL_ALL);
	assert_int_equal(seen.count, 0);
	store_close(s);
}

static enum err_code count_visit(
	void *arg, const struct sketch *r, struct err *err)
{
	(void)r;
	(void)err;
	++*(uint64_t *)arg;
	return ERR_OK;
}

/* Zeros over the middle of a segment's file. */
static void spoil(const char *data)
{
	char path[256];
	uint8_t zeros[64] = {0};
	FILE *f;

	snprintf(path, sizeof(path), "%s/segments/00000001.seg", data);
	f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 200, SEEK_SET), 0);
	assert_int_equal(fwrite(zeros, 1, sizeof(zeros), f), sizeof(zeros));
	fclose(f);
}

static void what_is_damaged_is_left_out_and_the_rest_told(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint32_t log = put_records(s, 0, 10);
	uint64_t count = 0;
	const struct sketch_visitor v = {NULL, count_visit, &count};

	put_records(s, 10, 10);
	store_close(s);
	spoil(*state);
	s = open_store(*state, STORE_READ, 0);
	OK(store_sketch_each(s, log, 0, UINT64_MAX, &v, &test_err));
	assert_int_equal(count, 10);
	store_close(s);
}

int main(void)
{
#define SCRATCH(test)                                                          \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		SCRATCH(all_records_are_told_once_with_the_parts_asked_for),
		SCRATCH(destroyed_parts_are_told_and_not_given),
		SCRATCH(a_part_that_moves_meanwhile_is_looked_for_again),
		SCRATCH(single_entries_of_a_sparse_log_are_told),
		SCRATCH(what_is_damaged_is_left_out_and_the_rest_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
