/* test_fsck.c - fsck finds whatever was flipped, and names the place. */
#include "records.h"

#include <fcntl.h>
#include <sys/stat.h>

struct faults {
	size_t count;
	char where[256];
};

static void on_fault(void *arg, const char *where, const char *what)
{
	struct faults *f = arg;

	assert_true(*what);
	if (!f->count++)
		snprintf(f->where, sizeof(f->where), "%s", where);
}

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

static void a_sound_store_has_no_faults(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 2000);
	struct fsck_result r;

	put_records(s, 0, 5);
	put_records(s, 5, 400);
	OK(store_fsck(s, 0, NULL, NULL, &r, &test_err));
	assert_int_equal(r.records, 405);
	assert_int_equal(r.parts, 405 * LABEL_COUNT);
	assert_int_equal(r.faults, 0);
	assert_true(r.segments >= 2);
	store_close(s);
}

/* Of a sealed record: with the message that its entry names, or another. */
static void put_sealed(struct store *s, uint64_t i, const char *message)
{
	struct record r = {.have = LABEL_BIT(LABEL_SENSITIVE)};
	struct part *p = &r.part[LABEL_SENSITIVE];
	struct buf text = BUF_EMPTY, part = BUF_EMPTY;
	struct batch *b = NULL;
	struct log_info log;
	struct made m;
	uint64_t seq;

	make_record(&m, i, 1);
	strcpy(m.entry.series, SERIES_SEALED);
	m.entry.sealed = true;
	m.entry.seal = digest_of("to its readers", 14);
	sealed_part(message, strlen(message), &part);
	p->json = (const char *)part.data;
	p->len = part.len;
	m.entry.sd_count = 1;
	OK(part_digest(p->seed, LABEL_SENSITIVE, p->json, p->len, m.entry.sd,
		&test_err));
	OK(entry_write(&m.entry, &text, &test_err));
	r.entry = (const char *)text.data;
	r.entry_len = text.len;
	OK(batch_begin(s, &b, &test_err));
	OK(batch_log(b, ORIGIN, LOG_OWN, &log, &test_err));
	OK(batch_append(b, log.id, &r, &seq, &test_err));
	OK(batch_commit(b, test_sign, NULL, &test_err));
	buf_free(&text);
	buf_free(&part);
	free_record(&m);
}

static void a_message_that_is_not_the_one_of_its_seal_is_a_fault(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct faults f = {0};
	struct fsck_result r;

	put_records(s, 0, 3);
	put_sealed(s, 3, "to its readers");
	OK(store_fsck(s, 1, on_fault, &f, &r, &test_err));
	assert_int_equal(f.count, 0);
	put_sealed(s, 4, "to its reader");
	assert_code(store_fsck(s, 1, on_fault, &f, &r, &test_err), ERR_CORRUPT);
	assert_int_equal(f.count, 1);
	store_close(s);
}

static struct store *growing; /* what a progress function writes to */

static void put_one(void *arg, const char *doing, uint64_t done, uint64_t all)
{
	struct erase_target t = {1, 0, LABEL_PERSONAL};
	uint64_t *next = arg;
	struct batch *b;

	(void)all;
	if (!growing || strcmp(doing, "segments") != 0)
		return;
	put_records(growing, (*next)++, 1);
	if (done)
		return;
	OK(batch_begin(growing, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
}

static void what_is_put_and_erased_meanwhile_is_no_fault(void **state)
{
	uint64_t next = 20;
	struct store_options opt = {.mode = STORE_WRITE,
		.create = true,
		.segment_size = 4000,
		.progress = put_one,
		.arg = &next};
	struct faults f = {0};
	struct fsck_result r;
	struct store *s;

	growing = NULL;
	OK(store_open(*state, &opt, &s, &test_err));
	put_records(s, 0, 20);
	growing = s;
	OK(store_fsck(s, 1, on_fault, &f, &r, &test_err));
	assert_true(next > 20);
	assert_int_equal(f.count, 0);
	growing = NULL;
	OK(store_fsck(s, 1, on_fault, &f, &r, &test_err));
	assert_int_equal(r.records, next);
	store_close(s);
}

static void every_flipped_byte_is_found(void **state)
{
	const char *path = scratch_path(state, "segments/00000001.seg");
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct stat st;
	size_t runs = 0;

	put_records(s, 0, 2);
	put_records(s, 2, 20);
	store_close(s);
	s = open_store(*state, STORE_WRITE, 0);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 40; at < st.st_size; at += 31) {
		struct faults f = {0};
		struct fsck_result r;

		flip(path, at);
		assert_code(store_fsck(s, 1, on_fault, &f, &r, &test_err),
			ERR_CORRUPT);
		assert_true(f.count > 0);
		assert_int_equal(f.count, r.faults);
		assert_non_null(strstr(f.where, "segments/00000001.seg"));
		flip(path, at);
		runs++;
	}
	assert_true(runs > 50);
	OK(store_fsck(s, 1, NULL, NULL, &(struct fsck_result){0}, &test_err));
	store_close(s);
}

static void a_damaged_attachment_is_named(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct faults f = {0};
	struct attachment_writer *w;
	struct attachment_made made;
	struct fsck_result r;
	char name[DIGEST_HEX_SIZE];
	char path[SCRATCH_SIZE];

	put_records(s, 0, 1);
	OK(attachment_create(*state, store_keyring(s), &w, &test_err));
	OK(attachment_write(w, "content", 7, &test_err));
	OK(attachment_finish(w, &made, &test_err));
	OK(store_fsck(s, 1, NULL, NULL, &r, &test_err));
	assert_int_equal(r.attachments, 1);
	digest_hex(&made.object, name);
	snprintf(path, sizeof(path), "attachments/%.2s/%s", name, name);
	flip(scratch_path(state, path), 40);
	assert_code(store_fsck(s, 1, on_fault, &f, &r, &test_err), ERR_CORRUPT);
	assert_string_equal(f.where, path);
	store_close(s);
}

static void an_old_index_is_brought_up(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct fsck_result r;
	struct faults f = {0};
	struct buf old = BUF_EMPTY;
	const char *path = scratch_path(state, "index/data.mdb");

	put_records(s, 0, 3);
	store_close(s);
	/* An index of before, with a clean mark: opening replays what it
	 * lacks, so nothing is wrong. */
	OK(file_read(path, 64 << 20, &old, &test_err));
	s = open_store(*state, STORE_WRITE, 0);
	put_records(s, 3, 3);
	store_close(s);
	OK(file_replace(path, old.data, old.len, 0600, &test_err));
	buf_free(&old);
	s = open_store(*state, STORE_WRITE, 0);
	OK(store_fsck(s, 1, on_fault, &f, &r, &test_err));
	assert_int_equal(r.records, 6);
	store_close(s);
}

/* Behind all that the index knows, two whole groups, and before them bytes that
 * are none: a look beside a writer may meet what it is writing just now. */
static void what_is_on_its_way_is_no_damage(void **state)
{
	const char *path = scratch_path(state, "segments/00000001.seg");
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct buf later = BUF_EMPTY;
	struct faults f = {0};
	struct fsck_result r;
	struct stat st;
	int fd;

	put_records(s, 0, 7);
	store_close(s);
	assert_int_equal(stat(path, &st), 0);
	s = open_store(*state, STORE_WRITE, 0);
	for (uint64_t i = 7; i < 10; i++)
		put_records(s, i, 1);
	store_close(s);
	OK(file_read(path, 1 << 20, &later, &test_err));
	memset(later.data + st.st_size, 0, 50);
	assert_int_equal(truncate(path, st.st_size), 0);
	assert_int_equal(unlink(scratch_path(state, "index/data.mdb")), 0);
	assert_int_equal(unlink(scratch_path(state, "extent")), 0);
	s = open_store(*state, STORE_WRITE, 0);
	fd = open(path, O_WRONLY);
	OK(file_write_at(fd, 0, later.data, later.len, &test_err));
	close(fd);
	assert_code(store_fsck(s, 0, on_fault, &f, &r, &test_err), ERR_OK);
	assert_int_equal(f.count, 0);
	assert_int_equal(r.records, 7);
	store_close(s);
	buf_free(&later);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_sound_store_has_no_faults),
		test(a_message_that_is_not_the_one_of_its_seal_is_a_fault),
		test(what_is_put_and_erased_meanwhile_is_no_fault),
		test(every_flipped_byte_is_found),
		test(a_damaged_attachment_is_named),
		test(an_old_index_is_brought_up),
		test(what_is_on_its_way_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
