/* test_lines.c - a stream cut into lines of bounded length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/lines.h"

#define LIMIT 8

/* Everything told so far: lines in brackets, "!" for one too long. */
static void drain(struct lines *l, char *told)
{
	const char *text = NULL;
	size_t len = 0;

	for (;;) {
		char *end = told + strlen(told);

		switch (lines_next(l, &text, &len)) {
		case LINES_MORE:
			return;
		case LINES_LONG:
			sprintf(end, "%d!", (int)l->number);
			break;
		case LINES_LINE:
			sprintf(end, "%d[%.*s]", (int)l->number, (int)len,
				text);
			break;
		}
	}
}

/* Feeds `text` in pieces of `step` bytes. */
static void cut(const char *text, size_t step, char *told)
{
	size_t len = strlen(text);
	struct lines l;

	told[0] = '\0';
	lines_init(&l, LIMIT);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(lines_feed(&l, text + at, n, NULL), ERR_OK);
		drain(&l, told);
	}
	lines_end(&l);
	drain(&l, told);
	lines_free(&l);
}

static void check(const char *text, const char *expected)
{
	char told[256];

	for (size_t step = 1; step <= strlen(text) + 1; step++) {
		cut(text, step, told);
		assert_string_equal(told, expected);
	}
}

static void lines_are_the_same_however_they_arrive(void **state)
{
	(void)state;
	check("a\nbc\n\ndef\r\n", "1[a]2[bc]3[]4[def]");
}

static void an_unterminated_last_line_counts(void **state)
{
	(void)state;
	check("a\nb", "1[a]2[b]");
	check("a\n", "1[a]");
	check("", "");
}

static void a_line_beyond_the_limit_is_told_by_its_number(void **state)
{
	(void)state;
	check("12345678\n", "1[12345678]");
	check("123456789\nx\n", "1!2[x]");
	check("x\n1234567890123456789012345", "1[x]2!");
	check("12345678901234567890\n\ny", "1!2[]3[y]");
}

static void a_long_line_is_not_kept(void **state)
{
	char piece[64];
	struct lines l;
	const char *text;
	size_t len;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	lines_init(&l, LIMIT);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
			lines_feed(&l, piece, sizeof(piece), NULL), ERR_OK);
		assert_int_equal(lines_next(&l, &text, &len), LINES_MORE);
	}
	assert_true(l.buf.cap < 4096);
	lines_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_they_arrive),
		cmocka_unit_test(an_unterminated_last_line_counts),
		cmocka_unit_test(a_line_beyond_the_limit_is_told_by_its_number),
		cmocka_unit_test(a_long_line_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
