/* test_disclose.c - part digests against a separate computation (Python's
 * hmac, hashlib and json), and what is no part. */
#include "vectors.h"

static const uint8_t seed[SEED_SIZE] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void assert_part(enum label label, const char *json, const char *want)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d;

	assert_ok(part_digest(seed, label, json, strlen(json), &d, err));
	digest_base64url(&d, text);
	assert_string_equal(text, want);
}

static void parts_have_the_digests_of_a_separate_computation(void **state)
{
	(void)state;
	assert_part(LABEL_PUBLIC, "{}",
		"3T6RGtlv_yJE4C7jw2cVqUcy6lQEfQ-j3Q5KDaT1IkQ");
	assert_part(LABEL_INTERNAL,
		"{\"accept_no\":\"SL20260001\",\"steps\":[{\"by\":\"a\"},{}],"
		"\"urgent\":true}",
		"TbQ0NbNA8ZWrVL-FjtwYw7eC-5qzdiFxLKVCpJ2PRbE");
	/* A name with every kind of escape is salted by what it stands for. */
	assert_part(LABEL_PERSONAL,
		"{\"a\\nb\\\"c\\\\d\\u0001\":null,"
		"\"applicant\":{\"name\":\"甲\",\"phone\":\"13800000000\"}}",
		"ZQB_bFwmgm_JUIeTWXMDbgNzmEkl16BM49-8dhkgcxE");
}

/* Over the size of an encoder's piece and over the small sort. */
static void long_values_and_many_fields_count_too(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_str(&b, "{\"x\":-1.5e+30,\"y\":\"");
	for (int i = 0; i < 3000; i++)
		buf_u8(&b, 'z');
	buf_str(&b, "\"}");
	assert_non_null(buf_cstr(&b));
	assert_part(LABEL_SENSITIVE, (char *)b.data,
		"TZq-CMtZg3oDjJaI3g_FCxfGcjXWZCxEqsH0tyHUO0Q");

	buf_clear(&b);
	for (int i = 0; i < 40; i++)
		buf_printf(&b, "%c\"f%03d\":%d", i ? ',' : '{', i, i);
	buf_str(&b, "}");
	assert_non_null(buf_cstr(&b));
	assert_part(LABEL_PUBLIC, (char *)b.data,
		"Ocy8iBq3KzIQXid9dT4L-WeM1F_zRqtnEB8shqgRe30");
	buf_free(&b);
}

static void digest_text(const struct buf *b, char out[DIGEST_TEXT_SIZE])
{
	char *text = malloc(BASE64URL_SIZE(b->len));
	struct digest d;

	assert_non_null(text);
	d = digest_of(text, base64url_encode(b->data, b->len, text));
	digest_base64url(&d, out);
	free(text);
}

/* Somebody who holds one disclosure and the other digests gets the part's. */
static void a_field_shown_alone_leads_to_the_part(void **state)
{
	/* salt("") and the digests of the two fields not shown */
	static const char head[] =
		"[\"ubXH3gFzouAhDBk4oK8lyw\",\"internal\",{\"_sd\":[";
	static const char steps[] =
		"fOAR753QjR9paq5gNyFam12BoISr9v1AelmpEucn7es";
	static const char urgent[] =
		"gw3zmNdxRDpELPauAC7Wb6EHQ-O7ji3G7GgMXYGYQks";
	char field[DIGEST_TEXT_SIZE], part[DIGEST_TEXT_SIZE];
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_ok(field_disclosure(seed, LABEL_INTERNAL, "accept_no",
		"\"SL20260001\"", 12, &b, err));
	assert_non_null(buf_cstr(&b));
	assert_string_equal(b.data,
		"[\"AXIPx-gt1jsmxT8Qs_YakA\",\"accept_no\",\"SL20260001\"]");
	digest_text(&b, field);
	assert_string_equal(
		field, "GU_ZjlvLD1YOg7vfacLggL5DbgCOEEDSrUimN7Qco4Q");

	/* "G" < "f" < "g" */
	buf_clear(&b);
	buf_printf(&b, "%s\"%s\",\"%s\",\"%s\"]}]", head, field, steps, urgent);
	digest_text(&b, part);
	assert_string_equal(
		part, "TbQ0NbNA8ZWrVL-FjtwYw7eC-5qzdiFxLKVCpJ2PRbE");
	buf_free(&b);
}

static void disclosures_quote_names_as_the_part_does(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_ok(field_disclosure(
		seed, LABEL_PERSONAL, "a\nb\"c\\d\x01", "null", 4, &b, err));
	assert_non_null(buf_cstr(&b));
	assert_non_null(
		strstr((char *)b.data, "\",\"a\\nb\\\"c\\\\d\\u0001\",null]"));
	buf_clear(&b);
	assert_int_equal(
		field_disclosure(seed, LABEL_PUBLIC, "_sd", "1", 1, &b, NULL),
		ERR_INVALID);
	assert_int_equal(
		field_disclosure(seed, LABEL_PUBLIC, "", "1", 1, &b, NULL),
		ERR_INVALID);
	assert_int_equal(
		field_disclosure(seed, LABEL_PUBLIC, "a", "1,2", 3, &b, NULL),
		ERR_INVALID);
	assert_int_equal(
		field_disclosure(seed, LABEL_PUBLIC, "a", "", 0, &b, NULL),
		ERR_INVALID);
	assert_int_equal(
		field_disclosure(seed, LABEL_PUBLIC, "\xff", "1", 1, &b, NULL),
		ERR_INVALID);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void seed_label_name_and_value_all_matter(void **state)
{
	static const char *const others[] = {
		"{\"a\":2}", "{\"b\":1}", "{}", "{\"a\":\"1\"}"};
	uint8_t other_seed[SEED_SIZE] = {1};
	struct digest one, d;

	(void)state;
	assert_ok(part_digest(seed, LABEL_PUBLIC, "{\"a\":1}", 7, &one, err));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_ok(part_digest(seed, LABEL_PUBLIC, others[i],
			strlen(others[i]), &d, err));
		assert_false(digest_equal(&one, &d));
	}
	assert_ok(part_digest(seed, LABEL_INTERNAL, "{\"a\":1}", 7, &d, err));
	assert_false(digest_equal(&one, &d));
	assert_ok(
		part_digest(other_seed, LABEL_PUBLIC, "{\"a\":1}", 7, &d, err));
	assert_false(digest_equal(&one, &d));
}

static void what_is_no_compact_object_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "}", "[]", "\"a\"", "1",
		"null", "{}x", "{} ", " {}", "{\"a\"}", "{\"a\":}", "{\"a\":1",
		"{\"a\":1,}", "{\"a\":1 }", "{\"a\": 1}", "{\"a\" :1}",
		"{ \"a\":1}", "{\"a\":1, \"b\":2}", "{\"a\":1,\n\"b\":2}",
		"{a:1}", "{\"a\":[1,]}", "{\"a\":[1 ,2]}", "{\"a\":[1}",
		"{\"a\":{\"b\":1]}", "{\"a\":{\"b\"}}", "{\"a\":{b:1}}",
		"{\"a\":tru}", "{\"a\":\"x}", "{\"a\":\"x\ny\"}",
		/* reserved names */
		"{\"_sd\":1}", "{\"...\":1}", "{\"\":1}", "{\"a\":1,\"\":2}",
		/* escapes that canonical form does not write */
		"{\"\\u005fsd\":1}", "{\"\\/\":1}", "{\"\\u000a\":1}",
		"{\"\\u0000\":1}", "{\"\\u001F\":1}", "{\"\\u4e2d\":1}",
		"{\"\\x\":1}", "{\"a\":\"\\u00e9\"}", "{\"a\":\"\\u00"};
	struct digest d = {{7}}, before = d;
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(bad); ran++)
		if (part_digest(seed, LABEL_PUBLIC, bad[ran], strlen(bad[ran]),
			    &d, NULL) != ERR_INVALID)
			fail_msg("taken: %s", bad[ran]);
	assert_int_equal(ran, 43);
	assert_true(digest_equal(&d, &before));
}

static void nesting_and_the_number_of_fields_are_bounded(void **state)
{
	struct buf b = BUF_EMPTY;
	struct digest d;
	struct err err;

	(void)state;
	for (int depth = 1; depth < 40; depth++) {
		buf_clear(&b);
		buf_str(&b, "{\"a\":");
		for (int i = 0; i < depth; i++)
			buf_u8(&b, '[');
		for (int i = 0; i < depth; i++)
			buf_u8(&b, ']');
		buf_u8(&b, '}');
		assert_int_equal(part_digest(seed, LABEL_PUBLIC, (char *)b.data,
					 b.len, &d, NULL),
			depth <= JSON_DEPTH_LIMIT + 2 ? ERR_OK : ERR_INVALID);
	}
	for (int n = PART_FIELDS_LIMIT; n <= PART_FIELDS_LIMIT + 1; n++) {
		buf_clear(&b);
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%c\"%d\":1", i ? ',' : '{', i);
		buf_u8(&b, '}');
		assert_int_equal(part_digest(seed, LABEL_PUBLIC, (char *)b.data,
					 b.len, &d, &err),
			n == PART_FIELDS_LIMIT ? ERR_OK : ERR_INVALID);
	}
	assert_string_equal(err.text, "part of more than 1024 fields");
	buf_free(&b);
}

static void labels_have_names_and_an_order(void **state)
{
	enum label l;

	(void)state;
	assert_true(LABEL_PUBLIC < LABEL_INTERNAL &&
		LABEL_INTERNAL < LABEL_PERSONAL &&
		LABEL_PERSONAL < LABEL_SENSITIVE);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		const char *name = label_name((enum label)i);

		assert_true(label_parse(name, strlen(name), &l));
		assert_int_equal(l, i);
		assert_false(label_parse(name, strlen(name) - 1, &l));
	}
	assert_false(label_parse("Public", 6, &l));
	assert_false(label_parse("", 0, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			parts_have_the_digests_of_a_separate_computation),
		cmocka_unit_test(long_values_and_many_fields_count_too),
		cmocka_unit_test(a_field_shown_alone_leads_to_the_part),
		cmocka_unit_test(disclosures_quote_names_as_the_part_does),
		cmocka_unit_test(seed_label_name_and_value_all_matter),
		cmocka_unit_test(what_is_no_compact_object_is_refused),
		cmocka_unit_test(nesting_and_the_number_of_fields_are_bounded),
		cmocka_unit_test(labels_have_names_and_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
