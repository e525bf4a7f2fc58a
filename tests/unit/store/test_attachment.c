/* test_attachment.c - files come back whole, resume, and never half there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "store/attachment.h"
#include "store/keyring.h"

struct fixture {
	struct keyring *keyring;
	uint8_t *bytes; /* a few chunks and a bit */
	size_t len;
	struct err err;
};

static struct fixture setup(void **state)
{
	struct fixture f = {.len = 3 * ATTACHMENT_CHUNK + 777};

	f.bytes = malloc(f.len);
	assert_non_null(f.bytes);
	for (size_t i = 0; i < f.len; i++)
		f.bytes[i] = (uint8_t)(i * 31 ^ i >> 9);
	if (keyring_open(*state, true, false, &f.keyring, &f.err) != ERR_OK)
		fail_msg("%s", f.err.text);
	return f;
}

static void teardown(struct fixture *f)
{
	keyring_close(f->keyring);
	free(f->bytes);
}

static struct attachment_made make(
	void **state, struct fixture *f, size_t len, size_t step)
{
	struct attachment_writer *w = NULL;
	struct attachment_made made;

	assert_int_equal(
		attachment_create(*state, f->keyring, &w, &f->err), ERR_OK);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(
			attachment_write(w, f->bytes + at,
				len - at < step ? len - at : step, &f->err),
			ERR_OK);
	assert_int_equal(attachment_finish(w, &made, &f->err), ERR_OK);
	assert_int_equal(made.size, len);
	return made;
}

/* Reads all of it in odd steps. */
static enum err_code check(void **state, struct fixture *f,
	const struct digest *object, size_t len)
{
	struct attachment_reader *r = NULL;
	uint8_t piece[5000];
	uint64_t size = 0;
	size_t got = 1;
	enum err_code rc;

	rc = attachment_open(*state, f->keyring, object, &r, &size, &f->err);
	if (rc != ERR_OK)
		return rc;
	rc = size == len ? ERR_OK : ERR_CORRUPT;
	for (uint64_t at = 0; rc == ERR_OK && got > 0; at += got) {
		rc = attachment_read(
			r, at, piece, sizeof(piece), &got, &f->err);
		if (rc == ERR_OK)
			assert_memory_equal(piece, f->bytes + at, got);
	}
	attachment_close(r);
	return rc;
}

static const char *object_path(void **state, const struct digest *object)
{
	char hex[DIGEST_HEX_SIZE], name[128];

	digest_hex(object, hex);
	snprintf(name, sizeof(name), "attachments/%.2s/%s", hex, hex);
	return scratch_path(state, name);
}

static void what_is_written_is_read_whatever_its_length(void **state)
{
	static const size_t lengths[] = {0, 1, ATTACHMENT_CHUNK - 1,
		ATTACHMENT_CHUNK, ATTACHMENT_CHUNK + 1, 2 * ATTACHMENT_CHUNK,
		3 * ATTACHMENT_CHUNK + 777};
	struct fixture f = setup(state);

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct attachment_made made =
			make(state, &f, lengths[i], 10007 + i);
		struct digest plain = digest_of(f.bytes, lengths[i]);
		struct stat st;

		assert_true(attachment_here(*state, &made.object));
		assert_true(digest_equal(&plain, &made.plain));
		assert_int_equal(
			check(state, &f, &made.object, lengths[i]), ERR_OK);
		assert_int_equal(
			stat(object_path(state, &made.object), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	teardown(&f);
}

static void the_name_is_the_digest_of_salt_and_content(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, 100, 100);
	struct attachment_made again = make(state, &f, 100, 100);
	uint8_t salted[ATTACHMENT_SALT_SIZE + 100];
	struct digest name;

	memcpy(salted, made.salt, ATTACHMENT_SALT_SIZE);
	memcpy(salted + ATTACHMENT_SALT_SIZE, f.bytes, 100);
	name = digest_of(salted, sizeof(salted));
	assert_true(digest_equal(&name, &made.object));
	assert_false(digest_equal(&made.object, &again.object));
	teardown(&f);
}

static void no_plain_byte_lies_on_the_disk(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, f.len, f.len);
	struct buf b = BUF_EMPTY;

	assert_int_equal(
		file_read(object_path(state, &made.object), 1 << 20, &b, NULL),
		ERR_OK);
	for (size_t at = 0; at + 16 <= f.len; at += 1000)
		assert_null(memmem(b.data, b.len, f.bytes + at, 16));
	buf_free(&b);
	teardown(&f);
}

static void receiving_resumes_at_a_whole_chunk(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, f.len, f.len), got;
	struct attachment_writer *w = NULL;
	uint64_t key_id, offset = 0, before = 0;
	int sessions = 0;

	assert_int_equal(
		attachment_remove(*state, &made.object, &key_id, NULL), ERR_OK);
	assert_int_equal(keyring_drop(f.keyring, &key_id, 1, NULL), ERR_OK);
	assert_false(attachment_here(*state, &made.object));
	for (;;) {
		size_t n = 100000;

		assert_int_equal(
			attachment_resume(*state, f.keyring, &made.object,
				made.salt, f.len, &w, &offset, &f.err),
			ERR_OK);
		assert_int_equal(offset % ATTACHMENT_CHUNK, 0);
		assert_true(sessions == 0 || offset > before);
		before = offset;
		sessions++;
		if (f.len - offset <= n)
			break;
		assert_int_equal(
			attachment_write(w, f.bytes + offset, n, &f.err),
			ERR_OK);
		attachment_pause(w);
	}
	assert_true(sessions > 2);
	assert_int_equal(
		attachment_write(w, f.bytes + offset, f.len - offset, &f.err),
		ERR_OK);
	assert_int_equal(attachment_finish(w, &got, &f.err), ERR_OK);
	assert_true(digest_equal(&got.plain, &made.plain));
	assert_int_equal(check(state, &f, &made.object, f.len), ERR_OK);
	teardown(&f);
}

static void a_damaged_beginning_is_asked_for_again(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, f.len, f.len);
	struct attachment_writer *w = NULL;
	char hex[DIGEST_HEX_SIZE], name[128];
	struct buf b = BUF_EMPTY;
	uint64_t offset;

	digest_hex(&made.object, hex);
	snprintf(name, sizeof(name), "attachments/incoming/%s", hex);
	assert_int_equal(attachment_resume(*state, f.keyring, &made.object,
				 made.salt, f.len, &w, &offset, NULL),
		ERR_OK);
	assert_int_equal(attachment_write(w, f.bytes, f.len - 1, NULL), ERR_OK);
	attachment_pause(w);
	assert_int_equal(
		file_read(scratch_path(state, name), 1 << 20, &b, NULL),
		ERR_OK);
	b.data[ATTACHMENT_CHUNK + 1000] ^= 1;
	assert_int_equal(file_replace(scratch_path(state, name), b.data, b.len,
				 0600, NULL),
		ERR_OK);
	assert_int_equal(attachment_resume(*state, f.keyring, &made.object,
				 made.salt, f.len, &w, &offset, NULL),
		ERR_OK);
	assert_int_equal(offset, ATTACHMENT_CHUNK);
	attachment_pause(w);
	/* Without a sound header it starts anew. */
	assert_int_equal(
		file_replace(scratch_path(state, name), "x", 1, 0600, NULL),
		ERR_OK);
	assert_int_equal(attachment_resume(*state, f.keyring, &made.object,
				 made.salt, f.len, &w, &offset, NULL),
		ERR_OK);
	assert_int_equal(offset, 0);
	attachment_pause(w);
	buf_free(&b);
	teardown(&f);
}

static void other_content_than_named_is_refused_and_gone(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, 1000, 1000), got;
	struct attachment_writer *w = NULL;
	char hex[DIGEST_HEX_SIZE], name[128];
	uint64_t offset, key_id;

	assert_int_equal(
		attachment_remove(*state, &made.object, &key_id, NULL), ERR_OK);
	digest_hex(&made.object, hex);
	snprintf(name, sizeof(name), "attachments/incoming/%s", hex);
	assert_int_equal(attachment_resume(*state, f.keyring, &made.object,
				 made.salt, 1000, &w, &offset, NULL),
		ERR_OK);
	assert_int_equal(attachment_write(w, f.bytes + 1, 1000, NULL), ERR_OK);
	assert_true(file_exists(scratch_path(state, name)));
	assert_int_equal(attachment_finish(w, &got, &f.err), ERR_PROTOCOL);
	assert_false(file_exists(scratch_path(state, name)));
	assert_false(attachment_here(*state, &made.object));
	teardown(&f);
}

static void more_bytes_than_announced_are_refused(void **state)
{
	struct fixture f = setup(state);
	struct digest object = {{1}};
	uint8_t salt[ATTACHMENT_SALT_SIZE] = {0};
	struct attachment_writer *w = NULL;
	uint64_t offset;

	assert_int_equal(attachment_resume(*state, f.keyring, &object, salt,
				 ATTACHMENT_SIZE_LIMIT + 1, &w, &offset, NULL),
		ERR_LIMIT);
	assert_int_equal(attachment_resume(*state, f.keyring, &object, salt,
				 100, &w, &offset, NULL),
		ERR_OK);
	assert_int_equal(attachment_write(w, f.bytes, 60, NULL), ERR_OK);
	assert_int_equal(attachment_write(w, f.bytes, 41, NULL), ERR_PROTOCOL);
	attachment_pause(w);
	teardown(&f);
}

static void damage_and_truncation_are_told(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made =
		make(state, &f, 2 * ATTACHMENT_CHUNK, 99999);
	const char *path = object_path(state, &made.object);
	struct buf b = BUF_EMPTY;
	size_t whole;

	assert_int_equal(file_read(path, 1 << 20, &b, NULL), ERR_OK);
	whole = b.len;
	for (size_t at = 0; at < whole; at += 1009) {
		b.data[at] ^= 4;
		assert_int_equal(
			file_replace(path, b.data, whole, 0600, NULL), ERR_OK);
		assert_int_not_equal(
			check(state, &f, &made.object, 2 * ATTACHMENT_CHUNK),
			ERR_OK);
		b.data[at] ^= 4;
	}
	/* Cut exactly behind the first chunk, it is still not whole. */
	assert_int_equal(
		file_replace(path, b.data,
			20 + ATTACHMENT_CHUNK + SEAL_OVERHEAD, 0600, NULL),
		ERR_OK);
	assert_int_equal(
		check(state, &f, &made.object, ATTACHMENT_CHUNK), ERR_CORRUPT);
	buf_free(&b);
	teardown(&f);
}

static void a_removed_one_is_gone_with_its_key(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, 500, 500);
	struct seal_secret s;
	uint64_t key_id = 0;

	assert_int_equal(
		attachment_remove(*state, &made.object, &key_id, NULL), ERR_OK);
	assert_int_equal(keyring_get(f.keyring, key_id, &s, NULL), ERR_OK);
	assert_int_equal(attachment_remove(*state, &made.object, &key_id, NULL),
		ERR_NOT_FOUND);
	assert_int_equal(check(state, &f, &made.object, 500), ERR_NOT_FOUND);
	teardown(&f);
}

static enum err_code count_key(void *arg, uint64_t id, struct err *err)
{
	(void)id;
	(void)err;
	++*(int *)arg;
	return ERR_OK;
}

static void an_abandoned_one_leaves_neither_file_nor_key(void **state)
{
	struct fixture f = setup(state);
	struct attachment_writer *w = NULL;
	int keys = 0;

	assert_int_equal(
		attachment_create(*state, f.keyring, &w, NULL), ERR_OK);
	attachment_pause(w);
	assert_int_equal(rmdir(scratch_path(state, "attachments/incoming")), 0);
	assert_int_equal(
		keyring_each(f.keyring, count_key, &keys, NULL), ERR_OK);
	assert_int_equal(keys, 0);
	teardown(&f);
}

/* Makes an attachment in a process that dies at `point`. */
static void die_making(void **state, struct fixture *f, const char *point)
{
	struct attachment_writer *w = NULL;
	struct attachment_made made;
	pid_t pid;
	int status;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("CUNDANG_CRASH", point, 1);
		if (attachment_create(*state, f->keyring, &w, NULL) ||
			attachment_write(w, f->bytes, f->len, NULL))
			_exit(1);
		if (strcmp(point, "written") == 0)
			_exit(137);
		(void)attachment_finish(w, &made, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
#ifdef CUNDANG_CRASH_POINTS
	assert_int_equal(WEXITSTATUS(status), 137);
#endif
}

static enum err_code nothing_refers(
	void *arg, const struct digest *object, bool *referred, struct err *err)
{
	(void)arg;
	(void)object;
	(void)err;
	*referred = false;
	return ERR_OK;
}

static void what_a_crash_left_is_swept(void **state)
{
	static const char *const points[] = {"written", "attachment.noted",
		"attachment.synced", "attachment.renamed"};
	struct fixture f = setup(state);
	int keys = 0;

	assert_int_equal(
		attachment_sweep(*state, f.keyring, NULL, NULL, NULL), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		die_making(state, &f, points[i]);
		keyring_close(f.keyring);
		assert_int_equal(
			keyring_open(*state, false, false, &f.keyring, NULL),
			ERR_OK);
		assert_int_equal(attachment_sweep(*state, f.keyring,
					 nothing_refers, NULL, NULL),
			ERR_OK);
		assert_int_equal(
			rmdir(scratch_path(state, "attachments/incoming")), 0);
	}
	assert_int_equal(
		keyring_each(f.keyring, count_key, &keys, NULL), ERR_OK);
#ifdef CUNDANG_CRASH_POINTS
	assert_int_equal(keys, 0);
#endif
	teardown(&f);
}

/* What a power cut may leave of a move from one folder to another. */
static void a_file_under_both_names_is_kept(void **state)
{
	struct fixture f = setup(state);
	struct attachment_made made = make(state, &f, f.len, f.len);
	char name[DIGEST_HEX_SIZE], path[128];
	const char *const left = "attachments/incoming/new-0011223344556677";
	char *there, *again;

	digest_hex(&made.object, name);
	snprintf(path, sizeof(path), "attachments/%.2s/%s", name, name);
	there = strdup(scratch_path(state, path));
	again = strdup(scratch_path(state, left));
	assert_int_equal(link(there, again), 0);
	assert_int_equal(
		attachment_sweep(*state, f.keyring, NULL, NULL, NULL), ERR_OK);
	assert_false(file_exists(again));
	assert_int_equal(check(state, &f, &made.object, f.len), ERR_OK);
	free(there);
	free(again);
	teardown(&f);
}

#define WITH_SCRATCH(test)                                                     \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(what_is_written_is_read_whatever_its_length),
		WITH_SCRATCH(the_name_is_the_digest_of_salt_and_content),
		WITH_SCRATCH(no_plain_byte_lies_on_the_disk),
		WITH_SCRATCH(receiving_resumes_at_a_whole_chunk),
		WITH_SCRATCH(a_damaged_beginning_is_asked_for_again),
		WITH_SCRATCH(other_content_than_named_is_refused_and_gone),
		WITH_SCRATCH(more_bytes_than_announced_are_refused),
		WITH_SCRATCH(damage_and_truncation_are_told),
		WITH_SCRATCH(a_removed_one_is_gone_with_its_key),
		WITH_SCRATCH(an_abandoned_one_leaves_neither_file_nor_key),
		WITH_SCRATCH(what_a_crash_left_is_swept),
		WITH_SCRATCH(a_file_under_both_names_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
