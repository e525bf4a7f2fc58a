/* test_refs.c - references to attachments that damage took: nothing is erased
 * before they are told again, and then nothing of an attachment is left. */
#include "items.h"

#define REFS 6 /* the kind of their block */

static bool is_zero(void **state, const struct item_place *p)
{
	int fd = open(scratch_path(state, ITEMS_SEGMENT), O_RDONLY);
	uint8_t b[4096];
	bool zero = true;

	assert_true(fd >= 0 && p->len <= sizeof(b));
	assert_int_equal(pread(fd, b, p->len, p->payload), p->len);
	close(fd);
	for (size_t i = 0; i < p->len; i++)
		zero = zero && !b[i];
	return zero;
}

static void drop_index(void **state)
{
	unlink(scratch_path(state, "index/data.mdb"));
	unlink(scratch_path(state, "index/lock.mdb"));
}

static struct attachment_made attach(struct store *s, const char *content)
{
	struct attachment_writer *w;
	struct attachment_made made;

	OK(attachment_create(store_path(s), store_keyring(s), &w, &test_err));
	OK(attachment_write(w, content, strlen(content), &test_err));
	OK(attachment_finish(w, &made, &test_err));
	return made;
}

/* As the document of the record says. */
static void refer(
	struct batch *b, const struct attachment_made *made, uint64_t seq)
{
	struct attachment_ref ref = {.object = made->object,
		.size = made->size,
		.log = 1,
		.seq = seq,
		.label = LABEL_PERSONAL};

	memcpy(ref.salt, made->salt, sizeof(ref.salt));
	OK(batch_refer(b, &ref, &test_err));
}

/* Five records, the second and the third with an attachment. */
static void fill(void **state, struct attachment_made made[2])
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN, LOG_OWN, 0, 4);
	made[0] = attach(s, "scanned-card");
	made[1] = attach(s, "scanned-form");
	refer(b, &made[0], 1);
	refer(b, &made[1], 2);
	OK(batch_commit(b, test_sign, NULL, &test_err));
	put_records(s, 4, 1);
	store_close(s);
}

static enum err_code erase(struct store *s, uint64_t seq)
{
	struct erase_target t = {1, seq, LABEL_PERSONAL};
	struct batch *b;
	enum err_code rc;

	OK(batch_begin(s, &b, &test_err));
	if ((rc = batch_erase(b, &t, 1, &test_order, &test_err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, NULL, NULL, &test_err);
}

/* What repair does: `made` of the records [1, 1 + count) can be read. */
static void tell_again(
	struct store *s, const struct attachment_made *made, size_t count)
{
	struct damage_places *places;
	struct batch *b;

	OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
	OK(batch_begin(s, &b, &test_err));
	for (size_t i = 0; i < count; i++)
		refer(b, &made[i], 1 + i);
	OK(batch_refs_told(b, places, &test_err));
	OK(batch_close(b, places, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	damage_places_free(places);
}

static void print_fault(void *arg, const char *where, const char *what)
{
	(void)arg;
	print_error("%s: %s\n", where, what);
}

static void assert_sound(struct store *s)
{
	struct fsck_result r;

	OK(store_fsck(s, 1, print_fault, NULL, &r, &test_err));
}

static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	(void)where;
	(void)err;
	*(bool *)arg |= memmem(plain, len, "scanned-card", 12) != NULL;
	return ERR_OK;
}

static void assert_gone(void **state, const struct attachment_made *made)
{
	bool found = false;

	assert_false(attachment_here(*state, &made->object));
	OK(store_dump(*state, on_plain, &found, &test_err));
	assert_false(found);
}

/* The damage is in the payload, or hides even what block it was. */
static void check_told_again(void **state, bool head, bool rebuild)
{
	struct attachment_made made[2];
	struct attachment_ref got;
	struct item_place at;
	struct store *s;

	fill(state, made);
	at = find_item(state, REFS);
	flip_byte(state, head ? at.head + 20 : at.payload + 20);
	if (rebuild)
		drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	assert_code(erase(s, 1), ERR_CORRUPT);
	assert_true(attachment_here(*state, &made[0].object));
	if (rebuild)
		assert_code(store_refs_check(s, &test_err), ERR_CORRUPT);
	tell_again(s, made, 2);
	OK(store_refs_check(s, &test_err));
	assert_sound(s);
	OK(store_attachment_find(s, &made[1].object, &got, &test_err));
	assert_memory_equal(got.salt, made[1].salt, sizeof(got.salt));
	assert_int_equal(store_wanted_count(s), 0);
	OK(erase(s, 1));
	assert_sound(s);
	store_close(s);
	assert_gone(state, &made[0]);
	assert_true(head || is_zero(state, &at));
	/* The same from the segments alone, to the end. */
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_refs_check(s, &test_err));
	assert_true(attachment_here(*state, &made[1].object));
	OK(store_attachment_find(s, &made[1].object, &got, &test_err));
	assert_memory_equal(got.salt, made[1].salt, sizeof(got.salt));
	assert_sound(s);
	OK(erase(s, 2));
	assert_false(attachment_here(*state, &made[1].object));
	assert_sound(s);
	store_close(s);
}

static void an_erasure_waits_for_references_that_a_new_index_lacks(void **state)
{
	check_told_again(state, false, true);
}

static void an_erasure_waits_for_references_whose_block_is_hidden(void **state)
{
	check_told_again(state, true, true);
}

static void references_are_told_again_beside_an_index_that_has_them(
	void **state)
{
	check_told_again(state, false, false);
}

/* A record whose part is not here. */
static uint64_t put_without(struct store *s, uint64_t i)
{
	struct log_info log;
	struct batch *b;
	struct made m;
	uint64_t seq;

	make_record(&m, i, 1);
	m.record.have &= (uint8_t)~LABEL_BIT(LABEL_PERSONAL);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log_own(b, &log, &test_err));
	OK(batch_append(b, log.id, &m.record, &seq, &test_err));
	OK(batch_commit(b, test_sign, NULL, &test_err));
	free_record(&m);
	return seq;
}

/* Of a part that is not here nobody knows what it referred to: a file that no
 * other part refers to goes with it. */
static void what_a_lost_part_referred_to_goes_when_it_is_erased(void **state)
{
	struct attachment_made made[2];
	struct store *s;

	fill(state, made);
	flip_byte(state, find_item(state, REFS).payload + 20);
	drop_index(state);
	s = open_store(*state, STORE_WRITE, 0);
	tell_again(s, made, 1);
	OK(erase(s, 4)); /* whose part could be read */
	assert_true(attachment_here(*state, &made[1].object));
	OK(erase(s, put_without(s, 5)));
	assert_false(attachment_here(*state, &made[1].object));
	assert_true(attachment_here(*state, &made[0].object));
	assert_sound(s);
	store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_erasure_waits_for_references_that_a_new_index_lacks),
		TEST(an_erasure_waits_for_references_whose_block_is_hidden),
		TEST(references_are_told_again_beside_an_index_that_has_them),
		TEST(what_a_lost_part_referred_to_goes_when_it_is_erased),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
