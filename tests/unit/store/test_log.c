/* test_log.c - checkpoints that are signed when somebody asks for them. */
#include "records.h"

#define ORIGIN_NEXT "xihu.example/330106110201/00112233aabbccef"

static struct store *open_lazy(const char *data)
{
	struct store *s = open_store(data, STORE_WRITE, 0);

	store_sign_later(s, test_sign, NULL);
	return s;
}

/* The note verifies, and is of the log's first `size` entries. */
static void assert_noted(struct store *s, uint64_t size)
{
	struct sign_key *k = test_key();
	struct sign_public pub = sign_key_public(k);
	struct buf note = BUF_EMPTY;
	struct log_info log;
	struct log_reader reader = {.store = s};
	struct checkpoint cp;
	struct digest root;
	struct note parsed;

	OK(store_log_find(s, ORIGIN, &log, &test_err));
	assert_int_equal(log.checkpoint_size, size);
	assert_int_equal(log.pending_size, size);
	OK(store_note(s, log.id, NOTE_COMPLETE, &note, &test_err));
	OK(checkpoint_open(note.data, note.len, &pub, &parsed, &cp, &test_err));
	assert_int_equal(cp.size, size);
	reader.log = log.id;
	OK(tree_root_at(size, store_tree_read, &reader, &root, &test_err));
	assert_true(digest_equal(&cp.root, &root));
	buf_free(&note);
	sign_key_free(k);
}

/* As who has no key sees it. */
static void assert_stored(void **state, uint64_t size)
{
	struct store *s = open_store(*state, STORE_READ, 0);

	assert_noted(s, size);
	store_close(s);
}

static void a_checkpoint_of_few_records_is_signed_for_who_asks(void **state)
{
	struct store *s = open_lazy(*state);

	put_records(s, 0, 1);
	assert_stored(state, 1);
	for (uint64_t i = 1; i < 10; i++)
		put_records(s, i, 1);
	assert_noted(s, 10);
	assert_stored(state, 1);
	store_close(s);
	s = open_lazy(*state);
	assert_noted(s, 10);
	OK(store_fsck(s, 1, NULL, NULL, &(struct fsck_result){0}, &test_err));
	store_close(s);
}

static void a_checkpoint_is_stored_before_many_lack_one(void **state)
{
	struct store *s = open_lazy(*state);

	put_records(s, 0, 1);
	put_records(s, 1, NOTE_LAG - 1);
	assert_stored(state, 1);
	put_records(s, NOTE_LAG, 1);
	assert_stored(state, NOTE_LAG + 1);
	store_close(s);
}

static void a_batch_may_want_it_at_once(void **state)
{
	struct store *s = open_lazy(*state);
	struct batch *b;

	put_records(s, 0, 1);
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, 1, 1);
	batch_sign_now(b);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	assert_stored(state, 2);
	store_close(s);
}

/* Another may have gone on in it. */
static void nobody_signs_for_a_log_that_another_follows(void **state)
{
	struct store *s = open_lazy(*state);
	struct batch *b;

	put_records(s, 0, 1);
	put_records(s, 1, 2);
	assert_noted(s, 3);
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_NEXT, LOG_OWN, 0, 1);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	assert_noted(s, 1);
	store_close(s);
}

/* A restored directory: a longer one of the same epoch was signed. */
static void nobody_signs_less_than_is_known_to_be_signed(void **state)
{
	struct checkpoint cp = {.origin = ORIGIN, .size = 9};
	struct store *s = open_lazy(*state);
	struct buf note = BUF_EMPTY;
	struct log_info log;
	struct batch *b;

	put_records(s, 0, 1);
	put_records(s, 1, 2);
	OK(test_sign(NULL, &cp, &note, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log_find(b, ORIGIN, &log, &test_err));
	OK(batch_note(b, log.id, note.data, note.len, false, &test_err));
	OK(batch_commit(b, test_sign, NULL, &test_err));
	OK(store_log_find(s, ORIGIN, &log, &test_err));
	assert_int_equal(log.size, 3);
	assert_int_equal(log.checkpoint_size, 1);
	assert_int_equal(log.pending_size, 9);
	buf_free(&note);
	store_close(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_checkpoint_of_few_records_is_signed_for_who_asks),
		test(a_checkpoint_is_stored_before_many_lack_one),
		test(a_batch_may_want_it_at_once),
		test(nobody_signs_for_a_log_that_another_follows),
		test(nobody_signs_less_than_is_known_to_be_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
