/* test_out.c - what reaches the terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/control.h"

static void counts_have_commas(void **state)
{
	char text[COUNT_TEXT_SIZE];

	(void)state;
	assert_string_equal(out_count(0, text), "0");
	assert_string_equal(out_count(999, text), "999");
	assert_string_equal(out_count(1998, text), "1,998");
	assert_string_equal(
		out_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void plain(const char *s, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	out_plain(f, s, strlen(s));
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void a_record_cannot_command_the_terminal(void **state)
{
	(void)state;
	plain("外张村 no. 1", "外张村 no. 1");
	plain("a\033[2Jb\rc\nd\177", "a?[2Jb?c?d?");
	plain("\xc2\x9b"
	      "31m",
		"?31m");
	plain("\xff\x9b"
	      "31m",
		"??31m");
}

static void wide_characters_count_twice(void **state)
{
	(void)state;
	assert_int_equal(out_width("abc"), 3);
	assert_int_equal(out_width("村档"), 4);
}

static void the_first_variable_that_is_set_decides_the_language(void **state)
{
	(void)state;
	unsetenv("LC_ALL");
	unsetenv("LC_MESSAGES");
	setenv("LANG", "zh_CN.UTF-8", 1);
	assert_true(locale_wants_chinese());
	setenv("LC_MESSAGES", "en_US.UTF-8", 1);
	assert_false(locale_wants_chinese());
	setenv("LC_ALL", "zh_TW", 1);
	assert_true(locale_wants_chinese());
	setenv("LC_ALL", "", 1);
	assert_false(locale_wants_chinese());
}

static void an_error_of_the_daemon_becomes_ours(void **state)
{
	const char *text = "{\"error\":{\"code\":\"full\",\"text\":\"disk\"}}";
	struct json *v = NULL;
	enum err_code rc;
	struct err err;

	(void)state;
	assert_int_equal(
		json_parse(text, strlen(text), 1000, &v, NULL), ERR_OK);
	assert_true(control_error(v, &rc, &err));
	assert_int_equal(rc, ERR_FULL);
	assert_string_equal(err.text, "disk");
	json_free(v);
	assert_int_equal(json_parse("{\"id\":1}", 8, 1000, &v, NULL), ERR_OK);
	assert_false(control_error(v, &rc, &err));
	json_free(v);
}

static void every_error_has_an_exit_code(void **state)
{
	(void)state;
	assert_int_equal(err_exit_code(ERR_OK), 0);
	for (int i = ERR_USAGE; i <= ERR_INTERNAL; i++)
		assert_in_range(err_exit_code((enum err_code)i), 1, 9);
	assert_int_equal(err_exit_code(ERR_NOT_FOUND), 3);
	assert_int_equal(err_exit_code(ERR_FULL), 6);
}

static void a_path_is_quoted_where_a_shell_would_cut_it(void **state)
{
	static const char *const cases[][2] = {
		{"/var/lib/cundang", "/var/lib/cundang"},
		{"a b", "'a b'"},
		{"it's", "'it'\\''s'"},
		{"$HOME;x", "'$HOME;x'"},
		{"", "''"},
		{"\xe6\x9d\x91", "\xe6\x9d\x91"},
	};
	char text[QUOTED_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(out_quoted(cases[i][0], text), cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_quoted_where_a_shell_would_cut_it),
		cmocka_unit_test(counts_have_commas),
		cmocka_unit_test(a_record_cannot_command_the_terminal),
		cmocka_unit_test(wide_characters_count_twice),
		cmocka_unit_test(
			the_first_variable_that_is_set_decides_the_language),
		cmocka_unit_test(an_error_of_the_daemon_becomes_ours),
		cmocka_unit_test(every_error_has_an_exit_code),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
