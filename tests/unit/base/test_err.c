/* test_err.c - codes and texts of failures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/base.h"

static void sets_code_and_text(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
		err_set(&err, ERR_LIMIT, "chunk of %d bytes, limit %d", 5, 4),
		ERR_LIMIT);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.text, "chunk of 5 bytes, limit 4");
}

static void allows_no_err(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
	assert_int_equal(err_while(NULL, ERR_BUSY, "x"), ERR_BUSY);
	assert_int_equal(err_nomem(NULL), ERR_NOMEM);
	errno = ENOENT;
	assert_int_equal(err_sys(NULL, "x"), ERR_NOT_FOUND);
}

static void an_empty_format_gives_an_empty_text(void **state)
{
	struct err err;
	const char *empty = "";

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, empty, 0), ERR_IO);
	assert_string_equal(err.text, "");
}

static void maps_errno(void **state)
{
	static const struct {
		int number;
		enum err_code code;
	} cases[] = {
		{ENOSPC, ERR_FULL},
		{EDQUOT, ERR_FULL},
		{ENOENT, ERR_NOT_FOUND},
		{ENOMEM, ERR_NOMEM},
		{EACCES, ERR_IO},
		{EIO, ERR_IO},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		errno = cases[i].number;
		assert_int_equal(err_sys(&err, "open %s", "f"), cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(errno, cases[i].number);
		assert_memory_equal(err.text, "open f: ", 8);
		assert_string_equal(err.text + 8, strerror(cases[i].number));
	}
}

static void while_puts_the_doing_in_front(void **state)
{
	struct err err;
	enum err_code rc = err_set(&err, ERR_IO, "disk gone");

	(void)state;
	assert_int_equal(err_while(&err, rc, "put chunk %d", 7), ERR_IO);
	assert_string_equal(err.text, "put chunk 7: disk gone");
}

static void want_of_memory_stays_what_it_is(void **state)
{
	struct err err;

	(void)state;
	(void)!err_nomem(&err);
	assert_int_equal(err_while(&err, ERR_CORRUPT, "head 1"), ERR_NOMEM);
	assert_int_equal(err.code, ERR_NOMEM);
	assert_string_equal(err.text, "head 1: out of memory");
}

static void the_text_may_be_its_own_argument(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, "inner"), ERR_IO);
	assert_int_equal(
		err_set(&err, ERR_DENIED, "outer (%s)", err.text), ERR_DENIED);
	assert_string_equal(err.text, "outer (inner)");
}

/* Every alignment of characters of 2, 3 and 4 bytes against the end. */
static void cuts_at_a_whole_character(void **state)
{
	static const char *const characters[] = {"é", "村", "😀"};
	char filler[ERR_TEXT_SIZE + 8];
	struct err err;
	size_t ran = 0;

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(characters); c++) {
		size_t size = strlen(characters[c]);

		for (size_t lead = 0; lead < size; lead++) {
			size_t used = lead;
			size_t len;

			memset(filler, 'x', lead);
			while (used + size < sizeof(filler)) {
				memcpy(filler + used, characters[c], size);
				used += size;
			}
			filler[used] = '\0';
			assert_int_equal(
				err_set(&err, ERR_IO, "%s", filler), ERR_IO);
			len = strlen(err.text);
			assert_true(utf8_valid(err.text, len));
			assert_true(len > ERR_TEXT_SIZE - 1 - size);
			assert_int_equal((len - lead) % size, 0);
			ran++;
		}
	}
	assert_int_equal(ran, 9);
}

static void a_long_chain_of_doings_stays_within_the_text(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, "村"), ERR_IO);
	for (int i = 0; i < 300; i++)
		assert_int_equal(err_while(&err, ERR_IO, "村档"), ERR_IO);
	assert_true(utf8_valid(err.text, strlen(err.text)));
	errno = EIO;
	assert_int_equal(err_sys(&err, "%s", err.text), ERR_IO);
	assert_true(strlen(err.text) < ERR_TEXT_SIZE);
}

static void every_code_has_a_name_of_its_own(void **state)
{
	size_t named = 0;

	(void)state;
	for (unsigned int a = ERR_OK; a <= ERR_INTERNAL; a++) {
		const char *name = err_name((enum err_code)a);

		assert_string_not_equal(name, "unknown");
		for (unsigned int b = ERR_OK; b < a; b++)
			assert_string_not_equal(
				name, err_name((enum err_code)b));
		named++;
	}
	assert_int_equal(named, 16);
	assert_string_equal(err_name(ERR_NOT_FOUND), "not-found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_code_and_text),
		cmocka_unit_test(allows_no_err),
		cmocka_unit_test(an_empty_format_gives_an_empty_text),
		cmocka_unit_test(maps_errno),
		cmocka_unit_test(while_puts_the_doing_in_front),
		cmocka_unit_test(want_of_memory_stays_what_it_is),
		cmocka_unit_test(the_text_may_be_its_own_argument),
		cmocka_unit_test(cuts_at_a_whole_character),
		cmocka_unit_test(a_long_chain_of_doings_stays_within_the_text),
		cmocka_unit_test(every_code_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
