/* test_cms.c - what is sealed to people opens with their keys only, with stock
 * openssl too, and tells nothing of who they are. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vectors.h"

#define KEYS 3

struct people {
	char dir[32], path[KEYS][48];
	struct seal_key *key[KEYS];
	struct seal_public pub[KEYS];
};

static int setup(void **state)
{
	struct people *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/cundang-cms-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(p->path[i], sizeof(p->path[i]), "%s/%zu.pem", p->dir,
			i);
		assert_ok(seal_key_create(p->path[i], err));
		assert_ok(seal_key_load(p->path[i], &p->key[i], err));
		p->pub[i] = seal_key_own(p->key[i]);
	}
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct people *p = *state;

	for (size_t i = 0; i < KEYS; i++) {
		seal_key_free(p->key[i]);
		unlink(p->path[i]);
	}
	rmdir(p->dir);
	free(p);
	return 0;
}

static const char text[] = "{\"situation\":\"…\"}";

static void those_it_is_sealed_to_open_it(void **state)
{
	struct people *p = *state;
	struct buf cms = BUF_EMPTY, plain = BUF_EMPTY;

	assert_ok(cms_seal(p->pub, 2, text, sizeof(text), &cms, err));
	assert_null(memmem(cms.data, cms.len, "situation", 9));
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&plain);
		assert_ok(cms_open(p->key[i], cms.data, cms.len, &plain, err));
		assert_int_equal(plain.len, sizeof(text));
		assert_memory_equal(plain.data, text, sizeof(text));
	}
	assert_int_equal(cms_open(p->key[2], cms.data, cms.len, &plain, NULL),
		ERR_DENIED);
	buf_free(&cms);
	buf_free(&plain);
}

/* Neither a key nor the number of keys shows: one or three are alike. */
static void recipients_do_not_show(void **state)
{
	struct people *p = *state;
	struct buf one = BUF_EMPTY, three = BUF_EMPTY;

	assert_ok(cms_seal(p->pub, 1, text, sizeof(text), &one, err));
	assert_ok(cms_seal(p->pub, KEYS, text, sizeof(text), &three, err));
	assert_int_equal(one.len, three.len);
	for (size_t i = 0; i < KEYS; i++)
		assert_null(
			memmem(three.data, three.len, p->pub[i].spki + 27, 32));
	buf_free(&one);
	buf_free(&three);
}

static void what_was_altered_opens_for_nobody(void **state)
{
	struct people *p = *state;
	struct buf cms = BUF_EMPTY, plain = BUF_EMPTY;
	enum err_code rc;

	assert_ok(cms_seal(p->pub, 1, text, sizeof(text), &cms, err));
	for (size_t i = 0; i < cms.len; i += 7) {
		cms.data[i] ^= 0x10;
		rc = cms_open(p->key[0], cms.data, cms.len, &plain, NULL);
		/* A stranger's identifier or key is not read at all. */
		if (rc == ERR_OK)
			assert_memory_equal(plain.data, text, sizeof(text));
		else
			assert_true(rc == ERR_CORRUPT || rc == ERR_DENIED);
		buf_clear(&plain);
		cms.data[i] ^= 0x10;
	}
	cms.data[cms.len - 1] ^= 1; /* of the tag */
	assert_int_equal(cms_open(p->key[0], cms.data, cms.len, &plain, NULL),
		ERR_CORRUPT);
	assert_int_equal(plain.len, 0);
	cms.data[cms.len - 1] ^= 1;
	for (size_t len = 0; len < cms.len; len += 5)
		assert_int_equal(
			cms_open(p->key[0], cms.data, len, &plain, NULL),
			ERR_CORRUPT);
	buf_free(&cms);
	buf_free(&plain);
}

static void stock_openssl_opens_it(void **state)
{
	struct people *p = *state;
	struct buf cms = BUF_EMPTY, plain = BUF_EMPTY;
	char file[48], out[48], command[256];

	snprintf(file, sizeof(file), "%s/x.cms", p->dir);
	snprintf(out, sizeof(out), "%s/x.json", p->dir);
	assert_ok(cms_seal(p->pub, 2, text, sizeof(text), &cms, err));
	assert_ok(file_replace(file, cms.data, cms.len, 0600, err));
	snprintf(command, sizeof(command),
		"openssl cms -decrypt -binary -inform DER -in %s -inkey %s "
		"-out %s",
		file, p->path[1], out);
	assert_int_equal(system(command), 0);
	assert_ok(file_read(out, 4096, &plain, err));
	assert_int_equal(plain.len, sizeof(text));
	assert_memory_equal(plain.data, text, sizeof(text));
	unlink(file);
	unlink(out);
	buf_free(&cms);
	buf_free(&plain);
}

static void limits_are_told(void **state)
{
	struct people *p = *state;
	struct seal_public off = p->pub[0];
	struct buf cms = BUF_EMPTY;
	char *much = calloc(1, CMS_PLAIN_LIMIT + 1);

	assert_non_null(much);
	assert_int_equal(cms_seal(p->pub, 0, text, 1, &cms, NULL), ERR_LIMIT);
	assert_int_equal(
		cms_seal(p->pub, 1, much, CMS_PLAIN_LIMIT + 1, &cms, NULL),
		ERR_LIMIT);
	off.spki[SEAL_PUBLIC_SIZE - 1] ^= 1;
	assert_int_equal(cms_seal(&off, 1, text, 1, &cms, NULL), ERR_INVALID);
	assert_int_equal(cms.len, 0);
	assert_ok(cms_seal(p->pub, 1, much, CMS_PLAIN_LIMIT, &cms, err));
	assert_in_range(cms.len, CMS_PLAIN_LIMIT, CMS_SIZE_LIMIT);
	free(much);
	buf_free(&cms);
}

static void a_secret_is_the_keys_own(void **state)
{
	struct people *p = *state;
	struct seal_secret a, b;

	assert_ok(seal_key_secret(p->key[0], "ids", &a, err));
	assert_ok(seal_key_secret(p->key[0], "ids", &b, err));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_ok(seal_key_secret(p->key[0], "other", &b, err));
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_ok(seal_key_secret(p->key[1], "ids", &b, err));
	assert_memory_not_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_it_is_sealed_to_open_it),
		cmocka_unit_test(recipients_do_not_show),
		cmocka_unit_test(what_was_altered_opens_for_nobody),
		cmocka_unit_test(stock_openssl_opens_it),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(a_secret_is_the_keys_own),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
