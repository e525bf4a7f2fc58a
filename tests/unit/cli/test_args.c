/* test_args.c - options by a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/args.h"

static const struct option_spec specs[] = {
	{"output", 'o', "FILE", "a file"},
	{"attachments", 0, "DIR", "a folder"},
	{"all", 0, NULL, "everything"},
	{"limit", 'n', "N", "how many"},
	{NULL, 0, NULL, NULL},
};
static const struct option_spec common[] = {
	{"json", 0, NULL, "for programs"},
	{NULL, 0, NULL, NULL},
};

static enum err_code parse(
	struct args *a, enum args_mode mode, struct err *err, char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return args_parse(argc, argv, mode, specs, common, a, err);
}

#define WORDS(...)                                                             \
	(char *[])                                                             \
	{                                                                      \
		"put", __VA_ARGS__, NULL                                       \
	}

static void options_and_words_may_be_mixed(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, ARGS_ALL, NULL,
				 WORDS("x", "--all", "-o", "f", "-", "--json",
					 "--", "--y")),
		ERR_OK);
	assert_int_equal(a.count, 3);
	assert_string_equal(a.word[0], "x");
	assert_string_equal(a.word[1], "-");
	assert_string_equal(a.word[2], "--y");
	assert_true(args_has(&a, "all"));
	assert_true(args_has(&a, "json"));
	assert_false(args_has(&a, "limit"));
	assert_string_equal(args_get(&a, "output"), "f");
	assert_null(args_get(&a, "attachments"));
}

static void leading_options_end_at_the_command(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(
		parse(&a, ARGS_LEADING, NULL, WORDS("--json", "show", "--all")),
		ERR_OK);
	assert_int_equal(a.count, 2);
	assert_false(args_has(&a, "all"));
}

static void a_repeated_option_keeps_all_its_values(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, ARGS_ALL, NULL,
				 WORDS("-o", "a", "--output=b", "-oc")),
		ERR_OK);
	assert_string_equal(args_nth(&a, "output", 0), "a");
	assert_string_equal(args_nth(&a, "output", 1), "b");
	assert_string_equal(args_get(&a, "output"), "c");
	assert_null(args_nth(&a, "output", 3));
}

static void an_unknown_option_gets_the_nearest_one(void **state)
{
	struct args a;
	struct err err;

	(void)state;
	assert_int_equal(parse(&a, ARGS_ALL, &err, WORDS("--attachmets", "d")),
		ERR_USAGE);
	assert_string_equal(err.text,
		"there is no option --attachmets; is it --attachments");
	assert_int_equal(parse(&a, ARGS_ALL, &err, WORDS("--zzz")), ERR_USAGE);
	assert_string_equal(err.text, "there is no option --zzz");
	assert_int_equal(parse(&a, ARGS_ALL, &err, WORDS("-q")), ERR_USAGE);
	assert_string_equal(err.text, "there is no option -q");
}

static void a_missing_or_needless_value_is_told(void **state)
{
	struct args a;
	struct err err;

	(void)state;
	assert_int_equal(
		parse(&a, ARGS_ALL, &err, WORDS("--output")), ERR_USAGE);
	assert_string_equal(err.text, "option --output needs a value: FILE");
	assert_int_equal(
		parse(&a, ARGS_ALL, &err, WORDS("--all=3")), ERR_USAGE);
	assert_string_equal(err.text, "option --all takes no value");
}

static void numbers_are_strict_and_bounded(void **state)
{
	struct args a;
	struct err err;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(parse(&a, ARGS_ALL, NULL, WORDS("--all")), ERR_OK);
	assert_int_equal(args_number(&a, "limit", 10, &n, &err), ERR_OK);
	assert_int_equal(n, 7);
	assert_int_equal(parse(&a, ARGS_ALL, NULL, WORDS("-n", "10")), ERR_OK);
	assert_int_equal(args_number(&a, "limit", 10, &n, &err), ERR_OK);
	assert_int_equal(n, 10);
	assert_int_equal(args_number(&a, "limit", 9, &n, &err), ERR_USAGE);
	assert_string_equal(
		err.text, "--limit 10 is no whole number from 0 to 9");
	assert_int_equal(parse(&a, ARGS_ALL, NULL, WORDS("-n", "1x")), ERR_OK);
	assert_int_equal(args_number(&a, "limit", 10, &n, &err), ERR_USAGE);
}

static void the_nearest_name_is_near(void **state)
{
	static const char *const names[] = {
		"put", "status", "sync", "governance sign", "verify"};

	(void)state;
	assert_string_equal(args_nearest("stauts", names, 5), "status");
	assert_string_equal(args_nearest("verfy", names, 5), "verify");
	assert_string_equal(args_nearest("stat", names, 5), "status");
	assert_string_equal(
		args_nearest("governance sing", names, 5), "governance sign");
	assert_null(args_nearest("x", names, 5));
	assert_null(args_nearest("frobnicate", names, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_may_be_mixed),
		cmocka_unit_test(leading_options_end_at_the_command),
		cmocka_unit_test(a_repeated_option_keeps_all_its_values),
		cmocka_unit_test(an_unknown_option_gets_the_nearest_one),
		cmocka_unit_test(a_missing_or_needless_value_is_told),
		cmocka_unit_test(numbers_are_strict_and_bounded),
		cmocka_unit_test(the_nearest_name_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
