/* test_staged.c - attachment bytes that wait for their put. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "syncd/staged.h"

static void bytes_are_found_by_their_digest(void **state)
{
	struct staged *s = staged_new();
	struct digest name = digest_of("scan", 4), other = digest_of("x", 1);
	struct buf bytes = BUF_EMPTY;
	char *path = NULL;

	(void)state;
	assert_int_equal(staged_add(s, &name, "scan", 4, NULL), ERR_OK);
	assert_int_equal(staged_bytes(s), 4);
	staged_hold(s);
	assert_int_equal(staged_find(s, &other, &path, NULL), ERR_NOT_FOUND);
	assert_int_equal(staged_find(s, &name, &path, NULL), ERR_OK);
	assert_int_equal(file_read(path, 100, &bytes, NULL), ERR_OK);
	assert_int_equal(bytes.len, 4);
	assert_memory_equal(bytes.data, "scan", 4);
	staged_release(s);
	buf_free(&bytes);
	free(path);
	staged_free(s);
}

static void bytes_under_another_digest_are_refused(void **state)
{
	struct staged *s = staged_new();
	struct digest name = digest_of("scan", 4);

	(void)state;
	assert_int_equal(staged_add(s, &name, "scam", 4, NULL), ERR_USAGE);
	assert_int_equal(staged_bytes(s), 0);
	staged_free(s);
}

static void the_same_bytes_take_room_once(void **state)
{
	struct staged *s = staged_new();
	struct digest name = digest_of("scan", 4);

	(void)state;
	assert_int_equal(staged_add(s, &name, "scan", 4, NULL), ERR_OK);
	assert_int_equal(staged_add(s, &name, "scan", 4, NULL), ERR_OK);
	assert_int_equal(staged_bytes(s), 4);
	staged_free(s);
}

static enum err_code add_number(struct staged *s, uint32_t i)
{
	struct digest name = digest_of(&i, sizeof(i));

	return staged_add(s, &name, &i, sizeof(i), NULL);
}

static void used_ones_make_room_and_unused_ones_do_not(void **state)
{
	struct staged *s = staged_new();
	uint32_t first = 0;
	struct digest name = digest_of(&first, sizeof(first));
	char *path = NULL;

	(void)state;
	for (uint32_t i = 0; i < STAGED_FILES_LIMIT; i++)
		assert_int_equal(add_number(s, i), ERR_OK);
	assert_int_equal(add_number(s, STAGED_FILES_LIMIT), ERR_BUSY);
	assert_int_equal(staged_find(s, &name, &path, NULL), ERR_OK);
	staged_hold(s);
	assert_int_equal(add_number(s, STAGED_FILES_LIMIT), ERR_BUSY);
	staged_release(s);
	assert_int_equal(add_number(s, STAGED_FILES_LIMIT), ERR_OK);
	free(path);
	staged_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_found_by_their_digest),
		cmocka_unit_test(bytes_under_another_digest_are_refused),
		cmocka_unit_test(the_same_bytes_take_room_once),
		cmocka_unit_test(used_ones_make_room_and_unused_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
