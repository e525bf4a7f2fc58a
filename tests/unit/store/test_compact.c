/* test_compact.c - packed segments hold what they held, and no more. */
#include "records.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/wait.h>

#include "store/compact.h"
#include "store/pack.h"

#define SMALL_SEGMENT ((uint64_t)32000)

struct search {
	const char *needle;
	size_t found;
};

static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	struct search *s = arg;

	(void)where;
	(void)err;
	s->found += memmem(plain, len, s->needle, strlen(s->needle)) != NULL;
	return ERR_OK;
}

static size_t occurrences(const char *data, const char *label, uint64_t i)
{
	char needle[64];
	struct search s = {needle, 0};

	snprintf(needle, sizeof(needle), "secret-%s-%" PRIu64 "\"", label, i);
	OK(store_dump(data, on_plain, &s, &test_err));
	return s.found;
}

static void on_fault(void *arg, const char *where, const char *what)
{
	(void)arg;
	fail_msg("%s: %s", where, what);
}

static struct fsck_result assert_sound(struct store *s)
{
	struct fsck_result result;

	OK(store_fsck(s, 2, on_fault, NULL, &result, &test_err));
	assert_int_equal(result.faults, 0);
	return result;
}

static void compact(struct store *s)
{
	OK(store_compact(s, SIZE_MAX, &test_err));
}

static void put_singly(struct store *s, uint64_t from, uint64_t count)
{
	for (uint64_t i = from; i < from + count; i++)
		put_records(s, i, 1);
}

/* Which parts a test has erased, by record. */
#define RECORDS_LIMIT 2000
static uint8_t erased[RECORDS_LIMIT];

static int begin(void **state)
{
	memset(erased, 0, sizeof(erased));
	return scratch_make(state);
}

static void erase_part(struct store *s, uint64_t seq, enum label label)
{
	struct erase_target t = {1, seq, label};
	struct batch *b;

	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &t, 1, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	erased[seq] |= LABEL_BIT(label);
}

static void assert_all(struct store *s, uint64_t count)
{
	struct log_info log;

	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.size, count);
	for (uint64_t i = 0; i < count; i++) {
		struct run run = {0};
		struct found found;

		OK(store_read(s, 1, i, 1, LABEL_ALL, &run, &test_err));
		assert_record(&run.record[0], i, LABEL_ALL, erased[i]);
		OK(store_find_digest(
			s, &run.record[0].leaf, &found, &test_err));
		assert_int_equal(found.seq, i);
		run_free(&run);
	}
}

/* The name of each part is "secret-LABEL-I". */
static enum err_code on_erased(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	static const char secret[] = "secret-";
	const char *at = plain;
	const char *end = at + len;
	uint64_t limit = *(uint64_t *)arg;

	(void)err;
	while ((at = memmem(at, (size_t)(end - at), secret, 7))) {
		uint64_t i = 0;
		uint8_t l = 0;

		at += 7;
		while (l < LABEL_COUNT &&
			strncmp(at, label_name(l), strlen(label_name(l))) != 0)
			l++;
		assert_true(l < LABEL_COUNT);
		for (at += strlen(label_name(l)) + 1; *at != '"'; at++)
			i = i * 10 + (uint64_t)(*at - '0');
		if (i < limit && (erased[i] & LABEL_BIT(l)))
			fail_msg("%s has part %d of %d", where, l, (int)i);
	}
	return ERR_OK;
}

static void assert_nowhere(const char *data, uint64_t count)
{
	OK(store_dump(data, on_erased, &count, &test_err));
}

static struct store *rebuilt(const char *data)
{
	struct store_options opt = {.mode = STORE_WRITE,
		.rebuild_index = true,
		.segment_size = SMALL_SEGMENT};
	struct store *s;

	OK(store_open(data, &opt, &s, &test_err));
	return s;
}

/* As it is, opened anew, and with its index made anew. */
static struct store *assert_holds(void **state, struct store *s, uint64_t count)
{
	for (int i = 0; i < 3; i++) {
		assert_all(s, count);
		assert_sound(s);
		if (i == 2)
			break;
		store_close(s);
		s = i ? rebuilt(*state)
		      : open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	}
	assert_nowhere(*state, count);
	return s;
}

static uint32_t packs_of(struct store *s, uint32_t number)
{
	return segment_packs(segment_now(s->segments, number));
}

/* ---- what single puts leave ---- */

static void single_puts_become_large_blocks(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct log_info before, after;
	struct fsck_result loose, packed;

	put_singly(s, 0, 120);
	OK(store_log_own(s, &before, &test_err));
	loose = assert_sound(s);
	assert_true(segments_count(s->segments) > 3);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	OK(store_log_own(s, &after, &test_err));
	assert_true(digest_equal(&before.root, &after.root));
	packed = assert_sound(s);
	assert_int_equal(packed.records, loose.records);
	assert_int_equal(packed.parts, loose.parts);
	assert_int_equal(packed.segments, loose.segments);
	assert_true(packed.blocks < loose.blocks / 3);
	assert_false(file_exists(scratch_path(state, "segments/00000001.seg")));
	assert_true(
		file_exists(scratch_path(state, "segments/00000001-1.seg")));
	put_singly(s, 120, 60);
	compact(s);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	s = assert_holds(state, s, 180);
	put_singly(s, 180, 3);
	s = assert_holds(state, s, 183);
	store_close(s);
}

static void large_groups_are_taken_as_they_are(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 2000000);
	struct batch *b;

	put_singly(s, 0, 60);
	put_records(s, 60, 5000);
	put_singly(s, 5060, 40);
	erased[0] = 0;
	store_close(s);
	s = open_store(*state, STORE_WRITE, 1000);
	put_singly(s, 5100, 1);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &(struct erase_target){1, 4000, LABEL_PERSONAL}, 1,
		&test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_int_equal(occurrences(*state, "personal", 4000), 0);
	assert_int_equal(occurrences(*state, "personal", 4001), 1);
	assert_sound(s);
	store_close(s);
	s = rebuilt(*state);
	assert_sound(s);
	assert_int_equal(occurrences(*state, "personal", 4001), 1);
	store_close(s);
}

static void sparse_and_proved_entries_stay(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct log_info log;
	struct buf proof = BUF_EMPTY;
	struct run run = {0};
	struct batch *b;
	struct made m;

	for (uint64_t i = 0; i < 60; i++) {
		OK(batch_begin(s, &b, &test_err));
		OK(batch_log(b, ORIGIN_OTHER, LOG_FULL, &log, &test_err));
		if (i % 3 == 0) {
			make_record(&m, i + 2, 1);
			OK(batch_proved(b, log.id, i + 2, &m.record, "proof", 5,
				&test_err));
			free_record(&m);
		}
		put_into(b, ORIGIN_OTHER, LOG_FULL, i, 1);
		OK(batch_commit(b, NULL, NULL, &test_err));
	}
	OK(batch_begin(s, &b, &test_err));
	make_record(&m, 500, 1);
	OK(batch_proved(b, log.id, 500, &m.record, "far ahead", 9, &test_err));
	free_record(&m);
	OK(batch_commit(b, NULL, NULL, &test_err));
	put_singly(s, 0, 120);
	compact(s);
	assert_true(packs_of(s, 1) == 1);
	for (int round = 0; round < 2; round++) {
		assert_sound(s);
		buf_clear(&proof);
		OK(store_sparse_proof(s, log.id, 500, &proof, &test_err));
		assert_int_equal(proof.len, 9);
		for (uint64_t i = 0; i < 60; i++) {
			OK(store_read(
				s, log.id, i, 1, LABEL_ALL, &run, &test_err));
			assert_record(&run.record[0], i, LABEL_ALL, 0);
			run_free(&run);
		}
		OK(store_read(s, log.id, 500, 1, LABEL_ALL, &run, &test_err));
		assert_record(&run.record[0], 500, LABEL_ALL, 0);
		run_free(&run);
		store_close(s);
		s = rebuilt(*state);
	}
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, &(struct erase_target){log.id, 11, LABEL_PERSONAL}, 1,
		&test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	assert_int_equal(occurrences(*state, "personal", 500), 1);
	assert_sound(s);
	buf_free(&proof);
	store_close(s);
}

static void references_to_attachments_are_led_over(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct attachment_made made[20];
	struct attachment_ref got;

	for (uint64_t i = 0; i < 100; i++) {
		struct attachment_writer *w;
		struct attachment_ref ref = {.log = 1,
			.seq = i,
			.label = i % 2 ? LABEL_PERSONAL : LABEL_INTERNAL};
		struct batch *b;
		char text[32];

		put_records(s, i, 1);
		if (i >= ARRAY_LEN(made))
			continue;
		snprintf(text, sizeof(text), "scan %" PRIu64, i);
		OK(attachment_create(*state, store_keyring(s), &w, &test_err));
		OK(attachment_write(w, text, strlen(text), &test_err));
		OK(attachment_finish(w, &made[i], &test_err));
		ref.object = made[i].object;
		ref.size = made[i].size;
		memcpy(ref.salt, made[i].salt, sizeof(ref.salt));
		OK(batch_begin(s, &b, &test_err));
		OK(batch_refer(b, &ref, &test_err));
		OK(batch_commit(b, NULL, NULL, &test_err));
	}
	erase_part(s, 3, LABEL_PERSONAL);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	erase_part(s, 5, LABEL_PERSONAL);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(made); i++) {
			enum err_code rc = store_attachment_find(
				s, &made[i].object, &got, &test_err);

			if (i == 3 || i == 5) {
				assert_code(rc, ERR_ERASED);
				continue;
			}
			assert_code(rc, ERR_OK);
			assert_memory_equal(
				got.salt, made[i].salt, sizeof(got.salt));
			assert_int_equal(got.seq, i);
		}
		s = assert_holds(state, s, 100);
	}
	store_close(s);
}

/* ---- erasing ---- */

/* What an erasure wrote anew elsewhere comes home; the next erasure reaches it
 * there. */
static void erasing_goes_before_and_behind(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);

	put_singly(s, 0, 100);
	erase_part(s, 2, LABEL_PERSONAL);
	erase_part(s, 3, LABEL_SENSITIVE);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	s = assert_holds(state, s, 100);
	assert_int_equal(occurrences(*state, "personal", 5), 1);
	erase_part(s, 5, LABEL_PERSONAL);
	assert_int_equal(occurrences(*state, "personal", 8), 1);
	s = assert_holds(state, s, 100);
	/* Enough of it is dead for another time. */
	for (uint64_t i = 0; i < 6; i++)
		for (uint8_t l = 0; l < LABEL_COUNT; l++)
			erase_part(s, i, l);
	put_singly(s, 100, 100);
	compact(s);
	assert_int_equal(packs_of(s, 1), 2);
	s = assert_holds(state, s, 200);
	erase_part(s, 8, LABEL_PERSONAL);
	for (uint64_t i = 15; i < 30; i++)
		erase_part(s, i * 5, LABEL_INTERNAL);
	compact(s);
	s = assert_holds(state, s, 200);
	assert_int_equal(occurrences(*state, "personal", 11), 1);
	store_close(s);
}

/* At random, in one order that a seed tells. */
static void erasing_and_packing_in_any_order(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	uint64_t size = 0;
	unsigned seed = 7;

	for (int step = 0; step < 36; step++) {
		switch (rand_r(&seed) % 6) {
		case 0:
		case 1:
		case 2:
			put_singly(s, size, 20);
			size += 20;
			break;
		case 3:
			for (int i = 0; i < 3 && size; i++)
				erase_part(s, (uint64_t)rand_r(&seed) % size,
					(enum label)(rand_r(&seed) % 4));
			break;
		case 4:
			compact(s);
			break;
		default:
			store_close(s);
			s = step % 2 ? rebuilt(*state)
				     : open_store(*state, STORE_WRITE,
					       SMALL_SEGMENT);
		}
	}
	compact(s);
	s = assert_holds(state, s, size);
	store_close(s);
}

static char copy_to[SCRATCH_SIZE * 2];
static size_t copy_from;

static int copy_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[SCRATCH_SIZE * 4];
	struct buf bytes = BUF_EMPTY;

	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", copy_to, path + copy_from);
	if (type == FTW_D)
		return mkdir(to, 0700);
	OK(file_read(path, (size_t)st->st_size + 1, &bytes, &test_err));
	OK(file_replace(to, bytes.data, bytes.len, 0600, &test_err));
	buf_free(&bytes);
	return 0;
}

static void copy_tree(const char *from, const char *to)
{
	snprintf(copy_to, sizeof(copy_to), "%s", to);
	copy_from = strlen(from);
	assert_int_equal(nftw(from, copy_one, 8, FTW_PHYS), 0);
}

static void copy_file(const char *from, const char *to, const char *name)
{
	char a[SCRATCH_SIZE * 3], b[SCRATCH_SIZE * 3];
	struct buf bytes = BUF_EMPTY;

	snprintf(a, sizeof(a), "%s/%s", from, name);
	snprintf(b, sizeof(b), "%s/%s", to, name);
	OK(file_read(a, 1 << 24, &bytes, &test_err));
	OK(file_replace(b, bytes.data, bytes.len, 0600, &test_err));
	buf_free(&bytes);
}

/* Copies of every age, with the keys of after. */
static void copies_of_before_open_nothing_of_it(void **state)
{
	static const char *const when[] = {"put", "erased", "packed", "moved"};
	char data[SCRATCH_SIZE * 2];
	char copy[SCRATCH_SIZE * 2];
	struct store *s;

	snprintf(data, sizeof(data), "%s/data", (char *)*state);
	s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
	put_singly(s, 0, 80);
	for (size_t i = 0; i < ARRAY_LEN(when); i++) {
		if (i == 1)
			erase_part(s, 2, LABEL_PERSONAL);
		if (i == 2)
			compact(s);
		if (i == 3)
			erase_part(s, 4, LABEL_SENSITIVE);
		snprintf(copy, sizeof(copy), "%s/%s", (char *)*state, when[i]);
		copy_tree(data, copy);
	}
	erase_part(s, 5, LABEL_PERSONAL);
	compact(s);
	for (size_t i = 0; i < ARRAY_LEN(when); i++) {
		snprintf(copy, sizeof(copy), "%s/%s", (char *)*state, when[i]);
		assert_true(occurrences(copy, "personal", 5) >= 1);
		copy_file(data, copy, "keyring");
		copy_file(data, copy, "keys/master");
		assert_nowhere(copy, 10);
		assert_true(occurrences(copy, "public", 5) >= 1);
	}
	store_close(s);
}

/* The packed file has its name, and the index leads to the old one. */
static void name_packed(struct store *s, uint32_t number)
{
	uint32_t id = segment_id(number, 1);
	struct index_txn *t;
	bool stop = false;
	bool unknown;

	OK(pack_segment(s, number, id, &stop, &test_err));
	OK(index_begin(s->index, true, &t, &test_err));
	OK(meta_put_u64(t, "packing", id, &test_err));
	OK(index_commit(t, &test_err));
	OK(segment_replace(s->segments, id, &unknown, &test_err));
}

static void an_erasure_meets_a_segment_on_its_way(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);

	put_singly(s, 0, 90);
	erase_part(s, 2, LABEL_PERSONAL);
	name_packed(s, 1);
	erase_part(s, 5, LABEL_PERSONAL);
	assert_false(file_exists(scratch_path(state, "segments/00000001.seg")));
	assert_int_equal(occurrences(*state, "personal", 5), 0);
	assert_int_equal(occurrences(*state, "personal", 8), 1);
	s = assert_holds(state, s, 90);
	name_packed(s, 2);
	assert_all(s, 90);
	store_close(s);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	assert_false(file_exists(scratch_path(state, "segments/00000002.seg")));
	s = assert_holds(state, s, 90);
	name_packed(s, 3);
	store_close(s);
	s = rebuilt(*state);
	assert_false(file_exists(scratch_path(state, "segments/00000003.seg")));
	s = assert_holds(state, s, 90);
	store_close(s);
}

/* What was written aside before an erasure takes nobody's place. */
static void an_erasure_overtakes_packing(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct index_txn *t;
	bool stop = false;

	put_singly(s, 0, 60);
	OK(pack_segment(s, 1, segment_id(1, 1), &stop, &test_err));
	OK(index_begin(s->index, true, &t, &test_err));
	OK(meta_put_u64(t, "packing", segment_id(1, 1), &test_err));
	OK(index_commit(t, &test_err));
	erase_part(s, 2, LABEL_PERSONAL);
	assert_int_equal(occurrences(*state, "personal", 2), 0);
	store_close(s);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	assert_int_equal(packs_of(s, 1), 0);
	s = assert_holds(state, s, 60);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	s = assert_holds(state, s, 60);
	store_close(s);
}

static enum err_code count_moved(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	(void)at;
	(void)err;
	*(size_t *)arg += it->origin.segment != 0;
	return ERR_OK;
}

static void ten_thousand_parts_of_one_order_rewrite_a_block_once(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct erase_target *targets = calloc(10000, sizeof(*targets));
	size_t moved = 0;
	size_t blocks = 0;
	uint64_t end;
	struct batch *b;

	assert_non_null(targets);
	for (uint64_t i = 0; i < 11; i++)
		put_records(s, i * 1000, 1000);
	for (size_t i = 0; i < 10000; i++)
		targets[i] = (struct erase_target){1, i, LABEL_PERSONAL};
	OK(batch_begin(s, &b, &test_err));
	OK(batch_erase(b, targets, 10000, &test_order, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	OK(segment_each(
		s->segments, 1, 0, 0, count_moved, &moved, &end, &test_err));
	/* Three series, a block each has up to 256 of 333 or 334 rows. */
	blocks = 11 * 3 * 2;
	assert_int_equal(moved, blocks);
	assert_int_equal(occurrences(*state, "personal", 9999), 0);
	assert_int_equal(occurrences(*state, "personal", 10000), 1);
	assert_sound(s);
	free(targets);
	store_close(s);
}

/* ---- crashes ---- */

#ifdef CUNDANG_CRASH_POINTS
static void die_while_packing(const char *data, const char *point)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct store_options opt = {
			.mode = STORE_WRITE, .segment_size = SMALL_SEGMENT};
		struct store *s;

		setenv("CUNDANG_CRASH", point, 1);
		if (!store_open(data, &opt, &s, NULL))
			(void)store_compact(s, SIZE_MAX, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 137);
}

static void a_crash_at_any_step_is_mended(void **state)
{
	static const char *const points[] = {"compact.written",
		"compact.claimed", "compact.replaced", "compact.led-some",
		"compact.led-some*2", "compact.led", "compact.settled",
		"compact.removed"};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		char data[SCRATCH_SIZE * 2];
		void *at = data;
		struct store *s;

		memset(erased, 0, sizeof(erased));
		snprintf(data, sizeof(data), "%s/%zu", (char *)*state, i);
		s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
		put_singly(s, 0, 50);
		erase_part(s, 1, LABEL_PERSONAL);
		erase_part(s, 2, LABEL_PUBLIC);
		store_close(s);
		die_while_packing(data, points[i]);
		s = open_store(data, STORE_READ, 0);
		assert_all(s, 50);
		assert_sound(s);
		store_close(s);
		s = i % 2 ? rebuilt(data)
			  : open_store(data, STORE_WRITE, SMALL_SEGMENT);
		erase_part(s, 4, LABEL_PERSONAL);
		s = assert_holds(&at, s, 50);
		compact(s);
		s = assert_holds(&at, s, 50);
		store_close(s);
	}
}
#endif

/* ---- beside it ---- */

struct reading {
	struct store *s;
	bool stop;
	uint64_t reads;
};

static void *read_on(void *arg)
{
	struct reading *r = arg;
	struct err err;

	for (uint64_t i = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED);
		i++) {
		struct run run = {0};

		if (store_read(r->s, 1, i * 7 % 150, 3, LABEL_ALL, &run, &err))
			return strdup(err.text);
		run_free(&run);
		r->reads++;
	}
	return NULL;
}

static enum err_code put_job(struct batch *b, void *arg, struct err *err)
{
	struct log_info log;
	struct made m;
	uint64_t seq;
	enum err_code rc;

	make_record(&m, *(uint64_t *)arg, 1);
	if (!(rc = batch_log(b, ORIGIN, LOG_OWN, &log, err)))
		rc = batch_append(b, log.id, &m.record, &seq, err);
	free_record(&m);
	return rc;
}

static enum err_code erase_job(struct batch *b, void *arg, struct err *err)
{
	return batch_erase(b, arg, 1, &test_order, err);
}

/* The writer's own thread packs, while readers in the process read, and the
 * writer puts and erases. */
static void readers_and_a_writer_go_on(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct reading r = {.s = s};
	struct writer *w;
	pthread_t thread;
	void *fault;

	put_singly(s, 0, 150);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (uint64_t i = 150; i < 350; i++) {
		OK(writer_run(w, put_job, &i, &test_err));
		if (i % 20 == 0) {
			struct erase_target t = {1, i / 2, LABEL_PERSONAL};

			OK(writer_run(w, erase_job, &t, &test_err));
			erased[i / 2] |= LABEL_BIT(LABEL_PERSONAL);
		}
	}
	while (!packs_of(s, 1))
		usleep(1000);
	writer_stop(w);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, &fault), 0);
	if (fault)
		fail_msg("%s", (char *)fault);
	assert_true(r.reads > 0);
	compact(s);
	s = assert_holds(state, s, 350);
	store_close(s);
}

/* A process that reads all the time, with an index of its own moment. */
static void readers_in_other_processes_go_on(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	int to[2];
	int status;
	pid_t child;

	put_singly(s, 0, 100);
	store_close(s);
	assert_int_equal(pipe(to), 0);
	if ((child = fork()) == 0) {
		struct store_options opt = {.mode = STORE_READ};
		struct reading r = {.stop = false};
		struct run run = {0};

		close(to[0]);
		if (store_open(*state, &opt, &r.s, NULL) ||
			store_read(r.s, 1, 1, 1, LABEL_ALL, &run, NULL) ||
			write(to[1], "r", 1) != 1)
			_exit(2);
		for (uint64_t i = 0; i < 2000; i++) {
			struct found found;

			run_free(&run);
			if (store_read(r.s, 1, i * 13 % 100, 5, LABEL_ALL, &run,
				    NULL))
				_exit(3);
			if (store_find_digest(
				    r.s, &run.record[0].leaf, &found, NULL))
				_exit(4);
		}
		_exit(0);
	}
	close(to[1]);
	assert_int_equal(read(to[0], &(char){0}, 1), 1);
	close(to[0]);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	put_singly(s, 100, 60);
	erase_part(s, 1, LABEL_PERSONAL);
	compact(s);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	s = assert_holds(state, s, 160);
	store_close(s);
}

static void a_check_keeps_segments_as_they_are(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	int hold;

	put_singly(s, 0, 40);
	OK(segments_hold(s->segments, SEGMENTS_KEPT, &hold, &test_err));
	assert_code(store_compact(s, 1, &test_err), ERR_BUSY);
	assert_int_equal(packs_of(s, 1), 0);
	close(hold);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	store_close(s);
}

/* ---- damage ---- */

static void a_damaged_segment_stays_as_it_is(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	const char *path = scratch_path(state, "segments/00000001.seg");
	struct buf bytes = BUF_EMPTY;
	struct buf again = BUF_EMPTY;

	put_singly(s, 0, 60);
	store_close(s);
	OK(file_read(path, 1 << 20, &bytes, &test_err));
	bytes.data[bytes.len / 2] ^= 1;
	OK(file_replace(path, bytes.data, bytes.len, 0600, &test_err));
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	compact(s);
	path = scratch_path(state, "segments/00000001.seg");
	OK(file_read(path, 1 << 20, &again, &test_err));
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	assert_int_equal(packs_of(s, 1), 0);
	assert_int_equal(packs_of(s, 2), 1);
	store_close(s);
	buf_free(&bytes);
	buf_free(&again);
}

static enum err_code mend_range(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (uint64_t i = from; i < from + count && !rc; i++) {
		struct made m;

		make_record(&m, i, 1);
		rc = batch_mend(arg, 1, i, &m.record, 1, err);
		free_record(&m);
	}
	return rc;
}

/* Neither what was damaged nor what mends it is packed; what lies between is.
 */
static void what_mends_stays_where_it_is(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	const char *path = scratch_path(state, "segments/00000001.seg");
	struct damage_places *places;
	struct buf bytes = BUF_EMPTY;
	uint32_t mends;
	struct batch *b;

	put_singly(s, 0, 60);
	store_close(s);
	OK(file_read(path, 1 << 20, &bytes, &test_err));
	bytes.data[bytes.len / 2] ^= 1;
	OK(file_replace(path, bytes.data, bytes.len, 0600, &test_err));
	buf_free(&bytes);
	s = rebuilt(*state);
	OK(batch_begin(s, &b, &test_err));
	OK(store_damaged_each(s, 1, mend_range, b, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	mends = segments_count(s->segments);
	OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
	OK(batch_begin(s, &b, &test_err));
	OK(batch_close(b, places, &test_err));
	OK(batch_commit(b, NULL, NULL, &test_err));
	damage_places_free(places);
	put_singly(s, 60, 60);
	store_close(s);
	s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	compact(s);
	assert_int_equal(packs_of(s, 1), 0);
	assert_int_equal(packs_of(s, 2), 1);
	assert_int_equal(packs_of(s, mends), 0);
	assert_int_equal(packs_of(s, mends + 1), 1);
	s = assert_holds(state, s, 120);
	for (uint64_t i = 0; i < 20; i++)
		erase_part(s, i, LABEL_PERSONAL);
	compact(s);
	s = assert_holds(state, s, 120);
	store_close(s);
}

/* Somebody may have copied the keyring before. */
static void what_is_packed_while_an_erasure_waits_is_overwritten(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	char master[SCRATCH_SIZE], away[SCRATCH_SIZE];
	uint8_t bytes[4096];
	ssize_t got;
	int fd;

	snprintf(master, sizeof(master), "%s/keys/master", (char *)*state);
	snprintf(away, sizeof(away), "%s/keys/away", (char *)*state);
	put_singly(s, 0, 120);
	fd = open(scratch_path(state, "segments/00000001.seg"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(rename(master, away), 0);
	assert_int_equal(mkdir(master, 0700), 0);
	erase_part(s, 5, LABEL_PERSONAL);
	assert_int_not_equal(store_compact(s, SIZE_MAX, &test_err), ERR_OK);
	assert_int_equal(packs_of(s, 1), 1);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < got; i++)
			assert_int_equal(bytes[i], 0);
	close(fd);
	assert_int_equal(rmdir(master), 0);
	assert_int_equal(rename(away, master), 0);
	OK(store_finish_erasing(s, &test_err));
	s = assert_holds(state, s, 120);
	store_close(s);
}

/* One bit of a head, and it tells nothing any more. */
static void flip_head(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, 20), 1);
	b ^= 4;
	assert_int_equal(pwrite(fd, &b, 1, 20), 1);
	close(fd);
}

/* The machine was started again; or the index is asked to be made anew. */
static void opens_and_erases(void **state, bool rebuild, uint64_t seq)
{
	struct store_options opt = {.mode = STORE_WRITE,
		.rebuild_index = rebuild,
		.segment_size = SMALL_SEGMENT};
	struct store *s;

	unlink(scratch_path(state, "index/clean"));
	unlink(scratch_path(state, "index/boot"));
	OK(store_open(*state, &opt, &s, &test_err));
	erase_part(s, seq, LABEL_SENSITIVE);
	store_close(s);
}

static void damage_head_of_second(void **state, bool packed)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);

	put_singly(s, 0, 150);
	for (uint64_t i = 0; i < 100; i += 9)
		erase_part(s, i, LABEL_PERSONAL);
	if (packed)
		compact(s);
	store_close(s);
	flip_head(scratch_path(state,
		packed ? "segments/00000002-1.seg" : "segments/00000002.seg"));
	opens_and_erases(state, false, 1);
	opens_and_erases(state, true, 2);
	opens_and_erases(state, false, 149);
}

static void erasing_goes_past_a_damaged_head(void **state)
{
	damage_head_of_second(state, false);
}

static void erasing_goes_past_a_damaged_head_of_a_pack(void **state)
{
	damage_head_of_second(state, true);
}

/* A packed file that is cut does not pass for a shorter one. */
static void a_packed_segment_that_was_cut_is_damaged(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	const char *path = scratch_path(state, "segments/00000001-1.seg");
	struct fsck_result result;
	uint64_t size;

	put_singly(s, 0, 40);
	compact(s);
	OK(segment_size(s->segments, segment_id(1, 1), &size, &test_err));
	store_close(s);
	assert_int_equal(truncate(path, SEGMENT_HEAD_SIZE), 0);
	s = rebuilt(*state);
	assert_code(
		store_fsck(s, 2, NULL, NULL, &result, &test_err), ERR_CORRUPT);
	store_close(s);
}

#ifdef CUNDANG_CRASH_POINTS
/* A crash between an erasure's group and the index, while a segment with blocks
 * of another's is on its way. */
static void die_while_erasing_on_its_way(const char *data, uint32_t number)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct store_options opt = {
			.mode = STORE_WRITE, .segment_size = SMALL_SEGMENT};
		struct store *s;

		setenv("CUNDANG_CRASH", "batch.synced", 1);
		if (!store_open(data, &opt, &s, NULL)) {
			name_packed(s, number);
			erase_part(s, 5, LABEL_PERSONAL);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 137);
}

static void a_crash_behind_an_erasure_leads_nothing_back(void **state)
{
	for (int round = 0; round < 2; round++) {
		char data[SCRATCH_SIZE * 2];
		void *at = data;
		struct store *s;
		uint32_t number;

		memset(erased, 0, sizeof(erased));
		snprintf(data, sizeof(data), "%s/%d", (char *)*state, round);
		s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
		put_singly(s, 0, 40);
		erase_part(s, 2, LABEL_PERSONAL);
		number = segments_count(s->segments);
		put_singly(s, 40, 40);
		assert_true(segments_count(s->segments) > number);
		store_close(s);
		die_while_erasing_on_its_way(data, number);
		erased[5] |= LABEL_BIT(LABEL_PERSONAL);
		s = round ? rebuilt(data)
			  : open_store(data, STORE_WRITE, SMALL_SEGMENT);
		assert_int_equal(packs_of(s, number), 1);
		s = assert_holds(&at, s, 80);
		store_close(s);
	}
}
#endif

/* An index of before, put back beside segments of after. */
static void an_index_of_before_is_made_anew(void **state)
{
	char data[SCRATCH_SIZE * 2];
	char old[SCRATCH_SIZE * 2];
	char index[SCRATCH_SIZE * 3], kept[SCRATCH_SIZE * 3];
	void *at = data;
	struct store *s;
	struct log_cut cut;

	snprintf(data, sizeof(data), "%s/data", (char *)*state);
	snprintf(old, sizeof(old), "%s/old", (char *)*state);
	s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
	put_singly(s, 0, 50);
	store_close(s);
	copy_tree(data, old);
	s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
	put_singly(s, 50, 50);
	compact(s);
	store_close(s);
	snprintf(index, sizeof(index), "%s/index", data);
	snprintf(kept, sizeof(kept), "%s/index.gone", data);
	assert_int_equal(rename(index, kept), 0);
	snprintf(old, sizeof(old), "%s/old/index", (char *)*state);
	assert_int_equal(rename(old, index), 0);
	s = open_store(data, STORE_WRITE, SMALL_SEGMENT);
	assert_false(store_log_cut(s, &cut));
	s = assert_holds(&at, s, 100);
	store_close(s);
}

/* Only what was packed is left. */
static void behind_a_packed_segment_it_goes_on(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);
	struct batch *b;
	uint32_t count;
	char name[64];

	put_singly(s, 0, 60);
	compact(s);
	count = segments_count(s->segments);
	assert_int_equal(packs_of(s, count - 1), 1);
	store_close(s);
	snprintf(name, sizeof(name), "segments/%08" PRIu32 ".seg", count);
	assert_int_equal(unlink(scratch_path(state, name)), 0);
	assert_int_equal(unlink(scratch_path(state, "extent")), 0);
	s = rebuilt(*state);
	OK(batch_begin(s, &b, &test_err));
	put_into(b, ORIGIN_OTHER, LOG_FULL, 0, 3);
	OK(batch_commit(b, NULL, NULL, &test_err));
	store_close(s);
}

/* What an erasure wrote anew stands in the newest group, which a power cut
 * could have cut off; packing takes some of it away there.  Nothing but the
 * segments tells that it was durable. */
static void packing_takes_nothing_from_the_newest_group(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, SMALL_SEGMENT);

	put_singly(s, 0, 100);
	erase_part(s, 2, LABEL_PERSONAL);
	compact(s);
	assert_int_equal(packs_of(s, 1), 1);
	store_close(s);
	assert_int_equal(unlink(scratch_path(state, "extent")), 0);
	s = rebuilt(*state);
	assert_all(s, 100);
	assert_sound(s);
	s = assert_holds(state, s, 100);
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(single_puts_become_large_blocks),
		TEST(large_groups_are_taken_as_they_are),
		TEST(sparse_and_proved_entries_stay),
		TEST(references_to_attachments_are_led_over),
		TEST(what_is_packed_while_an_erasure_waits_is_overwritten),
		TEST(erasing_goes_before_and_behind),
		TEST(erasing_and_packing_in_any_order),
		TEST(copies_of_before_open_nothing_of_it),
		TEST(an_erasure_meets_a_segment_on_its_way),
		TEST(an_erasure_overtakes_packing),
		TEST(ten_thousand_parts_of_one_order_rewrite_a_block_once),
#ifdef CUNDANG_CRASH_POINTS
		TEST(a_crash_at_any_step_is_mended),
		TEST(a_crash_behind_an_erasure_leads_nothing_back),
#endif
		TEST(readers_and_a_writer_go_on),
		TEST(readers_in_other_processes_go_on),
		TEST(a_check_keeps_segments_as_they_are),
		TEST(a_damaged_segment_stays_as_it_is),
		TEST(what_mends_stays_where_it_is),
		TEST(a_packed_segment_that_was_cut_is_damaged),
		TEST(erasing_goes_past_a_damaged_head),
		TEST(erasing_goes_past_a_damaged_head_of_a_pack),
		TEST(an_index_of_before_is_made_anew),
		TEST(behind_a_packed_segment_it_goes_on),
		TEST(packing_takes_nothing_from_the_newest_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
