/* test_statement.c - a statement is its canonical text, to the byte. */
#include "tests/unit/policies/domain.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define TREE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FIRST                                                                  \
	"{\"at\":\"2026-04-22T17:48:35+08:00\",\"commit\":\"" COMMIT           \
	"\",\"domain\":\"xihu.example\",\"serial\":1,\"tree\":\"" TREE "\"}"
#define SECOND                                                                 \
	"{\"at\":\"2026-04-22T17:48:35+08:00\",\"commit\":\"" COMMIT           \
	"\",\"domain\":\"xihu.example\",\"previous\":\"" TREE                  \
	"\",\"serial\":2,\"tree\":\"" TREE "\"}"

static enum err_code parse(const char *text, struct statement *s)
{
	struct err err;

	return statement_parse(text, strlen(text), s, &err);
}

static void the_first_statement_has_no_previous(void **state)
{
	struct statement s;
	struct digest d;

	(void)state;
	assert_int_equal(parse(FIRST, &s), ERR_OK);
	assert_int_equal(s.serial, 1);
	assert_false(s.has_previous);
	assert_string_equal(s.commit, COMMIT);
	assert_string_equal(s.domain, "xihu.example");
	d = digest_of(FIRST, strlen(FIRST));
	assert_true(digest_equal(&s.digest, &d));
}

static void later_statements_name_their_previous(void **state)
{
	struct statement s;

	(void)state;
	assert_int_equal(parse(SECOND, &s), ERR_OK);
	assert_int_equal(s.serial, 2);
	assert_true(s.has_previous);
	assert_int_equal(s.previous.b[1], 0x11);
}

/* Replaces the first `from` of SECOND. */
static char *changed(const char *from, const char *to)
{
	static char text[1024];
	const char *at = strstr(SECOND, from);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - SECOND), SECOND, to,
		at + strlen(from));
	return text;
}

static void anything_else_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"{\"at\"", "{ \"at\""},
		{"\"serial\":2", "\"serial\":1"},
		{"\"serial\":2", "\"serial\":0"},
		{"\"serial\":2", "\"serial\":\"2\""},
		{"\"serial\":2", "\"serial\":2.5"},
		{"\"serial\":2", "\"serial\":2,\"sign\":1"},
		{"\"previous\":\"" TREE "\",", ""},
		{"+08:00", "Z"},
		{"T17:48:35", "T25:48:35"},
		{COMMIT, "HEAD"},
		{COMMIT, "0123456789ABCDEF0123456789abcdef01234567"},
		{"xihu.example", "Xihu.example"},
		{"xihu.example", ""},
		{TREE, "00"},
		{"}", "} "},
		{"\"at\":", "\"ad\":"},
	};
	struct statement s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (parse(changed(cases[i].from, cases[i].to), &s) == ERR_OK)
			fail_msg("case %zu was taken", i);
}

static void a_long_statement_is_refused_unread(void **state)
{
	char *text = malloc(8192);
	struct statement s;
	struct err err;

	(void)state;
	memset(text, ' ', 8192);
	assert_int_equal(statement_parse(text, 8192, &s, &err), ERR_LIMIT);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_statement_has_no_previous),
		cmocka_unit_test(later_statements_name_their_previous),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_long_statement_is_refused_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
