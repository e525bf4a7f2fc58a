/* test_divisions.c - the CSV of divisions, and what is wrong with others. */
#include "policies/divisions.h"
#include "tests/unit/policies/domain.h"

static enum err_code parse(const char *text, struct division **list,
	size_t *count, struct err *err)
{
	return divisions_parse(text, strlen(text), ROOT, list, count, err);
}

static void the_real_county_has_235_divisions(void **state)
{
	struct division *list = NULL;
	struct buf text = BUF_EMPTY;
	const struct division *d;
	struct err err;
	size_t count = 0;

	(void)state;
	ok(file_read(DIVISIONS, 1 << 20, &text, &err), &err);
	ok(divisions_parse(text.data, text.len, ROOT, &list, &count, &err),
		&err);
	assert_int_equal(count, 235);
	assert_non_null(d = divisions_find(list, count, VILLAGE));
	assert_string_equal(d->parent, TOWNSHIP);
	assert_null(divisions_find(list, count, "330106999999"));
	free(list);
	buf_free(&text);
}

static void marks_quotes_and_crlf_are_taken(void **state)
{
	struct division *list = NULL;
	struct err err;
	size_t count = 0;

	(void)state;
	ok(parse("\xef\xbb\xbf"
		 "code,name,parent\r\n"
		 "330106000000,\"West, \"\"Lake\"\"\",330100000000\r\n"
		 "\"330106110000\",b,330106000000",
		   &list, &count, &err),
		&err);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].name, "West, \"Lake\"");
	assert_string_equal(list[0].parent, "");
	assert_string_equal(list[1].code, TOWNSHIP);
	free(list);
}

#define HEAD "code,name,parent\n330106000000,root,\n"

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"", "line 1"},
		{"code,name\n", "line 1"},
		{"name,code,parent\n", "line 1"},
		{HEAD "330106110000,b\n", "line 3"},
		{HEAD "330106110000,b,330106000000,x\n", "line 3"},
		{HEAD "33010611,b,330106000000\n", "line 3"},
		{HEAD "330106110000,,330106000000\n", "line 3"},
		{HEAD "330106110000,b,\n", "line 3"},
		{HEAD "330106110000,b,330106110000\n", "line 3"},
		{HEAD "330107110000,b,330107000000\n", "root"},
		{HEAD "330106110201,b,330106110000\n", "unknown parent"},
		{HEAD "330106110000,b,330106000000\n"
		      "330106109000,d,330106000000\n"
		      "330106110000,c,330106000000\n",
			"line 5: 330106110000 is on line 3"},
		{HEAD "330106110000,\"b,330106000000\n", "line 3"},
		{HEAD "330106110000,\"b\"x,330106000000\n", "line 3"},
		{HEAD "330106110000,b\tc,330106000000\n", "line 3"},
		{HEAD "330106110000,b\xff,330106000000\n", "UTF-8"},
		{HEAD "\n", "line 3"},
		{"code,name,parent\n", "no line for the root"},
	};
	struct division *list = NULL;
	struct err err;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
			parse(cases[i].text, &list, &count, &err), ERR_INVALID);
		if (!strstr(err.text, cases[i].told))
			fail_msg("case %zu: \"%s\" does not tell of %s", i,
				err.text, cases[i].told);
	}
	assert_null(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_real_county_has_235_divisions),
		cmocka_unit_test(marks_quotes_and_crlf_are_taken),
		cmocka_unit_test(mistakes_are_told_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
