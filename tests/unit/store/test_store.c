/* test_store.c - what is committed is read back, in every way there is. */
#include "records.h"

#include <sys/wait.h>

#define SMALL_SEGMENT ((uint64_t)64 << 10)

static void records_come_back_after_reopening(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint32_t log = put_records(s, 0, 300);
	struct log_info info;

	assert_records(s, log, 300);
	OK(store_log_find(s, ORIGIN, &info, &test_err));
	assert_int_equal(info.checkpoint_size, 300);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 0);
	assert_records(s, log, 300);
	OK(store_log_own(s, &info, &test_err));
	assert_root(s, &info, 300);
	store_close(s);
}

static void three_thousand_records_spread_over_segments(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct log_info info;
	uint64_t at = 0;
	uint32_t log = 0;
	static const uint64_t steps[] = {
		1, 1, 1, 254, 255, 256, 257, 1, 974, 1000};

	for (size_t i = 0; i < ARRAY_LEN(steps); at += steps[i++])
		log = put_records(s, at, steps[i]);
	assert_int_equal(at, 3000);
	assert_records(s, log, 3000);
	OK(store_log_by_id(s, log, &info, &test_err));
	assert_root(s, &info, 3000);
	assert_int_equal(store_arrivals(s), 3000);
	assert_true(file_exists(scratch_path(state, "segments/00000003.seg")));
	store_close(s);
}

static enum err_code count_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	uint64_t *next = arg;

	(void)again;
	(void)log;
	(void)err;
	assert_int_equal(arrival, *next);
	assert_int_equal(seq, *next - 1);
	++*next;
	return ERR_OK;
}

static void arrivals_have_no_gaps(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint64_t next = 1;

	put_records(s, 0, 3);
	put_records(s, 3, 1);
	put_records(s, 4, 10);
	OK(store_arrival_each(s, 0, 5, count_arrival, &next, &test_err));
	assert_int_equal(next, 6);
	OK(store_arrival_each(s, 5, 100, count_arrival, &next, &test_err));
	assert_int_equal(next, 15);
	store_close(s);
}

struct revisions {
	size_t count;
	uint64_t seq[8], rev[8];
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct revisions *r = arg;

	(void)log;
	(void)err;
	assert_true(r->count < 8);
	r->seq[r->count] = seq;
	r->rev[r->count++] = rev;
	return ERR_OK;
}

static void a_batch_sees_its_own_revisions(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct revisions found = {0};
	struct run run = {0};
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	put_records(s, 0, 2);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN, LOG_OWN, &log, &test_err));
	for (uint64_t rev = 2; rev <= 3; rev++) {
		make_record(&m, 1, rev);
		OK(batch_append(b, log.id, &m.record, &seq, &test_err));
		assert_int_equal(seq, rev);
		OK(batch_read(b, log.id, seq, 1, LABEL_ALL, &run, &test_err));
		assert_memory_equal(
			run.record[0].entry, m.text.data, m.text.len);
		run_free(&run);
		free_record(&m);
	}
	make_record(&m, 1, 1);
	OK(batch_find_id(b, m.entry.uuid, on_revision, &found, &test_err));
	assert_int_equal(found.count, 3);
	assert_int_equal(found.rev[0], 1);
	assert_int_equal(found.rev[2], 3);
	assert_int_equal(found.seq[2], 3);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	found.count = 0;
	OK(store_find_id(s, m.entry.uuid, on_revision, &found, &test_err));
	assert_int_equal(found.count, 3);
	assert_int_equal(found.seq[1], 2);
	free_record(&m);
	store_close(s);
}

static void an_aborted_batch_leaves_nothing(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info info;
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, 0, 5);
	batch_abort(b);
	assert_code(store_log_find(s, ORIGIN, &info, &test_err), ERR_NOT_FOUND);
	assert_int_equal(store_arrivals(s), 0);
	put_records(s, 0, 1);
	assert_int_equal(store_arrivals(s), 1);
	store_close(s);
}

static void a_single_put_costs_one_sync(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint64_t syncs;

	put_records(s, 0, 3);
	syncs = file_sync_count();
	for (uint64_t i = 3; i < 13; i++)
		put_records(s, i, 1);
	assert_int_equal(file_sync_count() - syncs, 10);
	store_close(s);
}

static void digests_lead_to_records(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	uint32_t log = 0;
	struct found found;
	struct digest none = {{9}};

	for (uint64_t i = 0; i < 400; i++)
		log = put_records(s, i, 1);
	for (uint64_t i = 0; i < 400; i += 37) {
		struct digest leaf;
		struct made m;

		make_record(&m, i, 1);
		leaf = tree_leaf(m.text.data, m.text.len);
		OK(store_find_digest(s, &leaf, &found, &test_err));
		assert_int_equal(found.kind, FOUND_ENTRY);
		assert_int_equal(found.seq, i);
		OK(store_find_digest(s, &m.digest[2], &found, &test_err));
		assert_int_equal(found.kind, FOUND_PART);
		assert_int_equal(found.label, 2);
		assert_int_equal(found.log, log);
		assert_int_equal(found.seq, i);
		free_record(&m);
	}
	assert_code(
		store_find_digest(s, &none, &found, &test_err), ERR_NOT_FOUND);
	store_close(s);
}

static void a_part_that_is_not_its_entrys_is_refused(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN, LOG_OWN, &log, &test_err));
	make_record(&m, 0, 1);
	m.record.part[1].seed[0] ^= 1;
	OK(batch_append(b, log.id, &m.record, &seq, &test_err));
	assert_code(batch_commit(b, test_sign, NULL, &test_err), ERR_INVALID);
	assert_non_null(strstr(test_err.text, "entry 0"));
	free_record(&m);
	assert_int_equal(store_arrivals(s), 0);
	put_records(s, 0, 1);
	store_close(s);
}

static void withheld_parts_leave_the_entry_whole(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct run run = {0};
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	for (uint64_t i = 0; i < 10; i++) {
		make_record(&m, i, 1);
		m.record.have = (uint8_t)(i % 16);
		OK(batch_append(b, log.id, &m.record, &seq, &test_err));
		free_record(&m);
	}
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_read(s, log.id, 0, 256, LABEL_ALL, &run, &test_err));
	assert_int_equal(run.count, 10);
	for (uint64_t i = 0; i < 10; i++)
		assert_record(&run.record[i], i, (uint8_t)(i % 16), 0);
	run_free(&run);
	OK(store_read(s, log.id, 7, 1, LABEL_BIT(1), &run, &test_err));
	assert_record(&run.record[0], 7, LABEL_BIT(1), 0);
	run_free(&run);
	assert_code(store_read(s, log.id, 10, 1, LABEL_ALL, &run, &test_err),
		ERR_NOT_FOUND);
	store_close(s);
}

/* A checkpoint over the first `size` records. */
static void make_note(
	const char *origin, uint64_t size, struct buf *out, bool other_root)
{
	struct checkpoint cp = {.size = size};
	struct tree_edge edge = {0};

	for (uint64_t i = 0; i < size; i++) {
		struct digest leaf;
		struct made m;

		make_record(&m, i, 1);
		leaf = tree_leaf(m.record.entry, m.record.entry_len);
		tree_append(&edge, &leaf);
		free_record(&m);
	}
	strcpy(cp.origin, origin);
	cp.root = tree_root(&edge);
	if (other_root)
		cp.root.b[0] ^= 1;
	OK(test_sign(NULL, &cp, out, &test_err));
}

static void a_pending_checkpoint_becomes_complete(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf note = BUF_EMPTY;
	struct buf got = BUF_EMPTY;
	struct log_info log;
	struct batch *b;

	make_note(ORIGIN_OTHER, 20, &note, false);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	OK(batch_note(b, log.id, note.data, note.len, false, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 5);
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_log_by_id(s, log.id, &log, &test_err));
	assert_int_equal(log.pending_size, 20);
	assert_int_equal(log.checkpoint_size, 0);
	assert_code(store_note(s, log.id, NOTE_COMPLETE, &got, &test_err),
		ERR_NOT_FOUND);
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 5, 25);
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_log_by_id(s, log.id, &log, &test_err));
	assert_int_equal(log.checkpoint_size, 20);
	assert_int_equal(log.pending_size, 20);
	OK(store_note(s, log.id, NOTE_COMPLETE, &got, &test_err));
	assert_int_equal(got.len, note.len);
	assert_memory_equal(got.data, note.data, got.len);
	buf_free(&note);
	buf_free(&got);
	store_close(s);
}

static void a_checkpoint_with_another_root_is_a_fork(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf note = BUF_EMPTY;
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 300);
	for (uint64_t size = 1; size < 300; size += 13) {
		buf_clear(&note);
		make_note(ORIGIN_OTHER, size, &note, true);
		assert_code(batch_note(b, log.id, note.data, note.len, false,
				    &test_err),
			ERR_FORK);
		buf_clear(&note);
		make_note(ORIGIN_OTHER, size, &note, false);
		OK(batch_note(
			b, log.id, note.data, note.len, false, &test_err));
	}
	buf_clear(&note);
	make_note(ORIGIN_OTHER, 301, &note, true);
	OK(batch_note(b, log.id, note.data, note.len, false, &test_err));
	make_record(&m, 300, 1);
	assert_code(
		batch_append(b, log.id, &m.record, &seq, &test_err), ERR_FORK);
	free_record(&m);
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_log_by_id(s, log.id, &log, &test_err));
	assert_int_equal(log.size, 300);
	assert_int_equal(log.checkpoint_size, 287);
	assert_int_equal(log.pending_size, 301);
	buf_free(&note);
	store_close(s);
}

static void cosignatures_are_merged(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf merged = BUF_EMPTY;
	struct buf got = BUF_EMPTY;
	struct sign_key *k = test_key();
	struct log_info log;
	struct note note;
	struct batch *b;

	put_records(s, 0, 4);
	OK(store_log_own(s, &log, &test_err));
	OK(store_note(s, log.id, NOTE_COMPLETE, &got, &test_err));
	OK(note_parse(got.data, got.len, &note, &test_err));
	buf_add(&merged, got.data, got.len);
	OK(checkpoint_cosign(&note, "xihu.example/330106110000/witness", k,
		1750000000, &merged, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_note(b, log.id, merged.data, merged.len, true, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.cosigned_size, 4);
	put_records(s, 4, 1);
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.cosigned_size, 4);
	assert_int_equal(log.checkpoint_size, 5);
	buf_clear(&got);
	OK(store_note(s, log.id, NOTE_COSIGNED, &got, &test_err));
	OK(note_parse(got.data, got.len, &note, &test_err));
	assert_int_equal(note.count, 2);
	sign_key_free(k);
	buf_free(&merged);
	buf_free(&got);
	store_close(s);
}

static enum err_code on_sparse(void *arg, uint64_t seq, struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	*sum += seq;
	return ERR_OK;
}

static void an_entry_that_was_proved_to_be_another_one_is_a_fork(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;

	for (int own_batch = 0; own_batch < 2; own_batch++) {
		uint64_t ahead = own_batch ? 3 : 1;

		OK(batch_begin(s, &b, &test_err));
		OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
		make_record(&m, ahead, 2);
		OK(batch_proved(
			b, log.id, ahead, &m.record, "proof", 5, &test_err));
		free_record(&m);
		if (!own_batch) {
			OK(batch_commit(b, NULL, NULL, &test_err));
			OK(batch_begin(s, &b, &test_err));
		}
		put_into(b, ORIGIN_OTHER, LOG_FULL, ahead - 1, 1);
		make_record(&m, ahead, 1);
		assert_code(batch_append(b, log.id, &m.record, NULL, &test_err),
			ERR_FORK);
		free_record(&m);
		make_record(&m, ahead, 2);
		OK(batch_append(b, log.id, &m.record, NULL, &test_err));
		free_record(&m);
		OK(batch_commit(b, NULL, NULL, &test_err));
	}
	assert_int_equal(store_arrivals(s), 4);
	OK(store_fsck(s, 1, NULL, NULL, &(struct fsck_result){0}, &test_err));
	store_close(s);
}

static enum err_code on_down(void *arg, uint64_t seq, struct err *err)
{
	struct buf *text = arg;

	(void)err;
	buf_printf(text, " %" PRIu64, seq);
	return ERR_OK;
}

static void assert_down(
	struct store *s, uint32_t log, uint64_t from, const char *expected)
{
	struct buf text = BUF_EMPTY;

	OK(store_down_each(s, log, from, on_down, &text, &test_err));
	assert_string_equal(buf_cstr(&text), expected);
	buf_free(&text);
}

/* The i-th record, which goes down. */
static void make_down(struct made *m, uint64_t i)
{
	make_record(m, i, 1);
	strcpy(m->entry.to[m->entry.to_count++], "330106110");
	buf_clear(&m->text);
	OK(entry_write(&m->entry, &m->text, &test_err));
	m->record.entry = (const char *)m->text.data;
	m->record.entry_len = m->text.len;
}

static void assert_all_down(struct store *s)
{
	assert_down(s, 1, 0, " 2 5 8");
	assert_down(s, 1, 5, " 5 8");
	assert_down(s, 1, 6, " 8");
	assert_down(s, 1, 9, "");
	assert_down(s, 2, 0, " 4 70");
	assert_down(s, 2, 71, "");
	assert_down(s, 3, 0, "");
}

static enum err_code stop_at_once(void *arg, uint64_t seq, struct err *err)
{
	(void)arg;
	(void)seq;
	return err_set(err, ERR_BUSY, "enough");
}

static void entries_that_go_down_are_listed_in_logs_of_every_kind(void **state)
{
	struct store_options opt = {.mode = STORE_WRITE, .rebuild_index = true};
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct log_info log;
	struct batch *b;
	struct made m;

	OK(batch_begin(s, &b, &test_err));
	for (uint64_t i = 0; i < 9; i++) {
		if (i % 3 != 2) {
			put_into(b, ORIGIN, LOG_OWN, i, 1);
			continue;
		}
		make_down(&m, i);
		OK(batch_append(b, 1, &m.record, NULL, &test_err));
		free_record(&m);
	}
	OK(batch_log(b, ORIGIN_OTHER, LOG_SPARSE, &log, &test_err));
	for (uint64_t i = 4; i < 100; i += 33) {
		if (i == 37)
			make_record(&m, i, 1);
		else
			make_down(&m, i);
		OK(batch_proved(
			b, log.id, i, &m.record, "proof", 5, &test_err));
		free_record(&m);
	}
	OK(batch_commit(b, test_sign, NULL, &test_err));
	assert_all_down(s);
	assert_code(store_down_each(s, 1, 0, stop_at_once, NULL, &test_err),
		ERR_BUSY);
	store_close(s);
	OK(store_open(*state, &opt, &s, &test_err));
	assert_all_down(s);
	store_close(s);
}

static void proved_entries_stand_alone_and_arrive_once(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf proof = BUF_EMPTY;
	struct run run = {0};
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t sum = 0;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN_OTHER, LOG_SPARSE, &log, &test_err));
	for (uint64_t i = 3; i < 10; i += 3) {
		make_record(&m, i, 1);
		OK(batch_proved(
			b, log.id, i, &m.record, "proof", 5, &test_err));
		assert_code(batch_proved(b, log.id, i, &m.record, "proof", 5,
				    &test_err),
			ERR_EXISTS);
		OK(batch_read(b, log.id, i, 1, LABEL_ALL, &run, &test_err));
		assert_record(&run.record[0], i, LABEL_ALL, 0);
		run_free(&run);
		free_record(&m);
	}
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_int_equal(store_arrivals(s), 3);
	OK(store_sparse_each(s, log.id, 4, on_sparse, &sum, &test_err));
	assert_int_equal(sum, 15);
	OK(store_sparse_proof(s, log.id, 6, &proof, &test_err));
	assert_int_equal(proof.len, 5);
	assert_memory_equal(proof.data, "proof", 5);
	buf_free(&proof);
	OK(store_read(s, log.id, 9, 1, LABEL_ALL, &run, &test_err));
	assert_record(&run.record[0], 9, LABEL_ALL, 0);
	run_free(&run);
	assert_code(store_read(s, log.id, 5, 1, LABEL_ALL, &run, &test_err),
		ERR_NOT_FOUND);
	/* From now on in order too. */
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 7);
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_records(s, log.id, 7);
	assert_int_equal(store_arrivals(s), 8);
	OK(store_read(s, log.id, 9, 1, LABEL_ALL, &run, &test_err));
	run_free(&run);
	store_close(s);
}

/* Reads how many records there must be, looks, and answers. */
static int follow(const char *data, int from, int to)
{
	struct store *s = NULL;
	char c;

	while (read(from, &c, 1) == 1) {
		struct log_info log;

		if (!s)
			s = open_store(data, STORE_READ, 0);
		OK(store_log_own(s, &log, &test_err));
		assert_int_equal(log.size, c);
		assert_records(s, log.id, (uint64_t)c);
		assert_int_equal(write(to, &c, 1), 1);
	}
	store_close(s);
	return 0;
}

static void a_reader_process_follows_the_writer(void **state)
{
	struct store *s;
	int down[2];
	int up[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe(down), 0);
	assert_int_equal(pipe(up), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(down[1]);
		_exit(follow(*state, down[0], up[1]));
	}
	close(down[0]);
	close(up[1]);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	for (char i = 1; i < 60; i++) {
		char answer = 0;

		put_records(s, (uint64_t)i - 1, 1);
		assert_int_equal(write(down[1], &i, 1), 1);
		assert_int_equal(read(up[0], &answer, 1), 1);
		assert_int_equal(answer, i);
	}
	close(down[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(up[0]);
	store_close(s);
}

static void a_second_writer_is_told_to_wait(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct store_options opt = {.mode = STORE_WRITE};
	struct store *other;

	assert_code(store_open(*state, &opt, &other, &test_err), ERR_BUSY);
	store_close(s);
}

static void a_reader_without_an_index_is_told_what_to_do(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct store_options opt = {.mode = STORE_READ};

	put_records(s, 0, 1);
	store_close(s);
	unlink(scratch_path(state, "index/data.mdb"));
	assert_code(store_open(*state, &opt, &s, &test_err), ERR_NOT_FOUND);
	assert_non_null(strstr(test_err.text, "fsck --rebuild"));
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(records_come_back_after_reopening),
		test(three_thousand_records_spread_over_segments),
		test(arrivals_have_no_gaps),
		test(a_batch_sees_its_own_revisions),
		test(an_aborted_batch_leaves_nothing),
		test(a_single_put_costs_one_sync),
		test(digests_lead_to_records),
		test(a_part_that_is_not_its_entrys_is_refused),
		test(withheld_parts_leave_the_entry_whole),
		test(a_pending_checkpoint_becomes_complete),
		test(a_checkpoint_with_another_root_is_a_fork),
		test(cosignatures_are_merged),
		test(an_entry_that_was_proved_to_be_another_one_is_a_fork),
		test(entries_that_go_down_are_listed_in_logs_of_every_kind),
		test(proved_entries_stand_alone_and_arrive_once),
		test(a_reader_process_follows_the_writer),
		test(a_second_writer_is_told_to_wait),
		test(a_reader_without_an_index_is_told_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
