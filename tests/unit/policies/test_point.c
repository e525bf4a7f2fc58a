/* test_point.c - how people name records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policies/point.h"

#define ORIGIN "xihu.example/330106110201/0123456789abcdef"
#define ID "01942d61-8bbe-7fe6-b97a-eafa141b9486"

static enum err_code parse(const char *s, struct point *p)
{
	return point_parse(s, strlen(s), p, NULL);
}

static void an_id_a_digest_an_origin_and_a_code_are_told_apart(void **state)
{
	struct digest d = digest_of("x", 1);
	char text[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	struct point p;

	(void)state;
	digest_base64url(&d, text);
	digest_hex(&d, hex);
	assert_int_equal(parse(ID, &p), ERR_OK);
	assert_int_equal(p.kind, POINT_ID);
	assert_int_equal(parse(text, &p), ERR_OK);
	assert_int_equal(p.kind, POINT_DIGEST);
	assert_true(digest_equal(&p.digest, &d));
	assert_int_equal(parse(hex, &p), ERR_OK);
	assert_int_equal(p.kind, POINT_DIGEST);
	assert_true(digest_equal(&p.digest, &d));
	assert_int_equal(parse(ORIGIN "/17", &p), ERR_OK);
	assert_int_equal(p.kind, POINT_ORIGIN);
	assert_string_equal(p.origin, ORIGIN);
	assert_int_equal(p.seq, 17);
	assert_int_equal(parse("330106110201/0", &p), ERR_OK);
	assert_int_equal(p.kind, POINT_CODE);
	assert_string_equal(p.code, "330106110201");
	assert_int_equal(p.seq, 0);
}

static void anything_else_is_a_usage_error(void **state)
{
	static const char *const bad[] = {"", "/", "/1", "x", "330106110201",
		"330106110201/", "330106110201/-1", "330106110201/01",
		"330106110201/99999999999999999999", ORIGIN, ORIGIN "/x",
		"33010611020/1", "01942D61-8BBE-7FE6-B97A-EAFA141B9486"};
	struct point p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], &p), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_id_a_digest_an_origin_and_a_code_are_told_apart),
		cmocka_unit_test(anything_else_is_a_usage_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
