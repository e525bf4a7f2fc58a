/* test_mend.c - entries that a peer proved take the place of damaged ones: all
 * reads again, the index made anew says the same, and what is erased later is
 * gone from the damaged blocks, too. */
#include "items.h"

#define SEGMENT "segments/00000001.seg"
#define RECORDS 300
#define PLACES 12

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void drop_index(void **state)
{
	unlink(scratch_path(state, "index/data.mdb"));
	unlink(scratch_path(state, "index/lock.mdb"));
}

/* Groups of one record and of many; what was damaged is followed by some. */
static void fill(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);

	for (uint64_t i = 0; i < 10; i++)
		put_records(s, i, 1);
	put_records(s, 10, RECORDS - 20);
	for (uint64_t i = RECORDS - 10; i < RECORDS; i++)
		put_records(s, i, 1);
	store_close(s);
}

struct mending {
	struct batch *b;
	uint32_t log;
	uint8_t labels; /* that the peer holds */
	size_t count;
};

static enum err_code mend_range(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct mending *m = arg;
	enum err_code rc = ERR_OK;

	for (uint64_t i = from; i < from + count && !rc; i++, m->count++) {
		struct made made;

		make_record(&made, i, 1);
		made.record.have &= m->labels;
		rc = batch_mend(m->b, m->log, i, &made.record, 1, err);
		free_record(&made);
	}
	return rc;
}

/* Mends what is damaged; how many entries that were. */
static size_t mend(struct store *s, uint8_t labels)
{
	struct mending m = {.labels = labels};
	struct damage_places *places;
	struct log_info log;

	OK(store_log_find(s, ORIGIN, &log, &test_err));
	m.log = log.id;
	OK(batch_begin(s, &m.b, &test_err));
	OK(store_damaged_each(s, log.id, mend_range, &m, &test_err));
	OK(batch_commit(m.b, NULL, NULL, &test_err));
	OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
	OK(batch_begin(s, &m.b, &test_err));
	OK(batch_close(m.b, places, &test_err));
	OK(batch_commit(m.b, NULL, NULL, &test_err));
	damage_places_free(places);
	return m.count;
}

static void print_fault(void *arg, const char *where, const char *what)
{
	(void)arg;
	print_error("%s: %s\n", where, what);
}

static void assert_whole(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct fsck_result r;
	struct log_info log;

	OK(store_fsck(s, 1, print_fault, NULL, &r, &test_err));
	OK(store_log_find(s, ORIGIN, &log, &test_err));
	assert_root(s, &log, RECORDS);
	assert_records(s, log.id, RECORDS);
	for (uint64_t i = 0; i < RECORDS; i += 7) {
		struct found found;
		struct made m;

		make_record(&m, i, 1);
		m.record.leaf = tree_leaf(m.record.entry, m.record.entry_len);
		OK(store_find_digest(s, &m.record.leaf, &found, &test_err));
		assert_int_equal(found.seq, i);
		free_record(&m);
	}
	store_close(s);
}

static enum err_code one_more(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	(void)log;
	(void)seq;
	(void)rev;
	(void)err;
	++*(size_t *)arg;
	return ERR_OK;
}

static enum err_code next_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	bool *seen = arg;

	(void)again;
	(void)arrival;
	(void)log;
	(void)err;
	assert_true(seq < RECORDS + 1 && !seen[seq]);
	seen[seq] = true;
	return ERR_OK;
}

/* Each record has one number of arrival, and each id one revision. */
static void assert_order(void **state)
{
	struct store *s = open_store(*state, STORE_READ, 0);
	bool seen[RECORDS + 1] = {false};

	OK(store_arrival_each(
		s, 0, RECORDS * 2, next_arrival, seen, &test_err));
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct made m;
		size_t count = 0;

		assert_true(seen[i]);
		if (i % 11)
			continue;
		make_record(&m, i, 1);
		OK(store_find_id(s, m.entry.uuid, one_more, &count, &test_err));
		assert_int_equal(count, 1);
		free_record(&m);
	}
	store_close(s);
}

struct secret {
	uint64_t seq;
	bool found;
};

static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	struct secret *s = arg;
	char text[64];

	(void)where;
	(void)err;
	snprintf(text, sizeof(text), "\"secret-personal-%" PRIu64 "\"", s->seq);
	s->found |= memmem(plain, len, text, strlen(text)) != NULL;
	return ERR_OK;
}

static void assert_erases(void **state, uint64_t seq)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct secret secret = {.seq = seq};
	struct erase_target t = {.seq = seq, .label = LABEL_PERSONAL};
	struct fsck_result r;
	struct log_info log;
	struct batch *b;

	OK(store_log_find(s, ORIGIN, &log, &test_err));
	t.log = log.id;
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_fsck(s, 1, print_fault, NULL, &r, &test_err));
	store_close(s);
	OK(store_dump(*state, on_plain, &secret, &test_err));
	assert_false(secret.found);
}

static void each_place(void **state, bool rebuild)
{
	size_t mended = 0;

	for (size_t i = 0; i < PLACES; i++) {
		char dir[SCRATCH_SIZE];
		void *inner = dir;
		struct log_cut cut;
		struct store *s;
		size_t count;
		off_t size;

		snprintf(dir, sizeof(dir), "%s/%zu", (char *)*state, i);
		assert_int_equal(mkdir(dir, 0700), 0);
		fill(&inner);
		size = size_of(scratch_path(&inner, SEGMENT));
		flip(scratch_path(&inner, SEGMENT),
			41 + (off_t)(i * 1543) % (size - 41));
		if (rebuild)
			drop_index(&inner);
		s = open_store(dir, STORE_WRITE, 0);
		/* A log that lost its end goes on as another. */
		if (store_log_cut(s, &cut)) {
			store_close(s);
			continue;
		}
		count = mend(s, LABEL_ALL);
		store_close(s);
		mended += count;
		if (!count)
			continue;
		assert_whole(&inner);
		assert_order(&inner);
		drop_index(&inner);
		assert_whole(&inner);
		assert_order(&inner);
		assert_erases(&inner, 20);
	}
	assert_true(mended > 0);
}

static void what_a_flipped_bit_took_is_mended(void **state)
{
	each_place(state, false);
}

static void what_it_took_from_the_index_too_is_mended(void **state)
{
	each_place(state, true);
}

/* The newest record's parts of one label are not held by the peer, and one of
 * another record was destroyed here. */
static void lost_and_erased_parts_do_not_come_back(void **state)
{
	struct erase_target t = {.seq = 30, .label = LABEL_PERSONAL};
	size_t mended = 0;
	struct log_info log;
	struct store *s;
	struct batch *b;
	off_t size;

	fill(state);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_log_find(s, ORIGIN, &log, &test_err));
	t.log = log.id;
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	store_close(s);
	size = size_of(scratch_path(state, SEGMENT));
	for (off_t at = size / 8; at < size / 2; at += size / 8)
		flip(scratch_path(state, SEGMENT), at);
	s = open_store(*state, STORE_WRITE, 0);
	mended = mend(s, LABEL_ALL & (uint8_t)~LABEL_BIT(LABEL_SENSITIVE));
	assert_true(mended > 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct run run = {0};
		const struct record *r;

		OK(store_read(s, log.id, i, 1, LABEL_ALL, &run, &test_err));
		r = run.record;
		assert_int_equal(
			r->erased, i == 30 ? LABEL_BIT(LABEL_PERSONAL) : 0);
		assert_int_equal(r->have & r->erased, 0);
		assert_int_equal(
			(r->have | r->erased | LABEL_BIT(LABEL_SENSITIVE)),
			LABEL_ALL);
		run_free(&run);
	}
	/* Another peer has the rest. */
	OK(batch_begin(s, &b, &test_err));
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct made m;

		make_record(&m, i, 1);
		OK(batch_mend(b, log.id, i, &m.record, 1, &test_err));
		free_record(&m);
	}
	OK(batch_commit(b, NULL, NULL, &test_err));
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct run run = {0};

		OK(store_read(s, log.id, i, 1, LABEL_ALL, &run, &test_err));
		assert_record(run.record, i, LABEL_ALL,
			i == 30 ? LABEL_BIT(LABEL_PERSONAL) : 0);
		run_free(&run);
	}
	store_close(s);
}

#define LOG 1
#define PROVED 4

static void close_damage(struct store *s)
{
	struct damage_places *places;
	struct batch *b;

	OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_close(b, places, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	damage_places_free(places);
}

/* Three single entries of another's log. */
static void fill_singly(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);

	for (uint64_t i = 3; i < 6; i++) {
		struct log_info log;
		struct batch *b;
		struct made m;

		make_record(&m, i, 1);
		OK(batch_begin(s, &b, &test_err));
		OK(batch_log(b, ORIGIN_OTHER, LOG_SPARSE, &log, &test_err));
		OK(batch_proved(b, log.id, i, &m.record, "p", 1, &test_err));
		OK(batch_commit(b, NULL, NULL, &test_err));
		free_record(&m);
	}
	store_close(s);
}

static void assert_singles(struct store *s, uint32_t log)
{
	bool seen[RECORDS + 1] = {false};
	struct fsck_result r;

	OK(store_fsck(s, 1, print_fault, NULL, &r, &test_err));
	for (uint64_t i = 3; i < 6; i++) {
		struct run run = {0};
		struct found found;

		OK(store_read(s, log, i, 1, LABEL_ALL, &run, &test_err));
		assert_record(run.record, i, LABEL_ALL, 0);
		OK(store_find_digest(
			s, &run.record[0].leaf, &found, &test_err));
		assert_int_equal(found.seq, i);
		run_free(&run);
	}
	assert_int_equal(store_arrivals(s), 3);
	OK(store_arrival_each(s, 0, 9, next_arrival, seen, &test_err));
}

static void mend_single(void **state, bool rebuild)
{
	struct log_info log;
	struct run run = {0};
	struct store *s;
	struct batch *b;
	struct made m;

	fill_singly(state);
	flip_byte(state, find_item(state, PROVED).payload + 20);
	if (rebuild)
		drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_log_find(s, ORIGIN_OTHER, &log, &test_err));
	assert_code(store_read(s, log.id, 3, 1, LABEL_ALL, &run, &test_err),
		ERR_CORRUPT);
	make_record(&m, 3, 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_mend_proved(b, log.id, 3, &m.record, "p", 1, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	free_record(&m);
	close_damage(s);
	assert_singles(s, log.id);
	store_close(s);
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	assert_singles(s, log.id);
	store_close(s);
}

/* The part stood in a block that was whole, too. */
static void assert_single_erases(void **state)
{
	struct erase_target t = {1, 3, LABEL_PERSONAL};
	struct secret secret = {.seq = 3};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct fsck_result r;
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_fsck(s, 1, print_fault, NULL, &r, &test_err));
	store_close(s);
	OK(store_dump(*state, on_plain, &secret, &test_err));
	assert_false(secret.found);
}

static void a_single_entry_is_mended(void **state)
{
	mend_single(state, false);
	assert_single_erases(state);
}

static void a_single_entry_that_a_new_index_lacks_is_mended(void **state)
{
	mend_single(state, true);
	assert_single_erases(state);
}

static void the_name_of_a_log_is_told_again(void **state)
{
	struct store *s;

	fill(state);
	flip_byte(state, find_item(state, LOG).payload + 3);
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	close_damage(s);
	store_close(s);
	assert_whole(state);
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, RECORDS, 1);
	store_close(s);
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	assert_records(s, 1, RECORDS + 1);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_single_entry_is_mended, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(
			a_single_entry_that_a_new_index_lacks_is_mended,
			scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(the_name_of_a_log_is_told_again,
			scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(
			lost_and_erased_parts_do_not_come_back, scratch_make,
			scratch_remove),
		cmocka_unit_test_setup_teardown(
			what_a_flipped_bit_took_is_mended, scratch_make,
			scratch_remove),
		cmocka_unit_test_setup_teardown(
			what_it_took_from_the_index_too_is_mended, scratch_make,
			scratch_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
