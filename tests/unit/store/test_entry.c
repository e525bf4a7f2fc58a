/* test_entry.c - one text for each entry, and no other is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/entry.h"

#define A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B "aAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SD "{\"_sd\":[\"" A "\",\"" B "\"]"
#define ALG ",\"_sd_alg\":\"sha-256\""
#define AT ",\"at\":\"2026-04-22T17:48:35+08:00\""
#define ID ",\"id\":\"019d7b5e-0001-7abc-8def-0123456789ab\""
#define ISS ",\"iss\":\"xihu.example/330106110201\""
#define NODE ",\"node\":\"330106110201\""
#define PREV ",\"prev\":\"" B "\""
#define REV ",\"rev\":1"
#define SERIES ",\"series\":\"service-case\""
#define FIRST SD ALG AT ID ISS NODE REV SERIES "}"
#define SECOND                                                                 \
	SD ALG AT ID ISS NODE PREV ",\"rev\":2" SERIES                         \
				   ",\"to\":[\"330106\",\"330106110\","        \
				   "\"330106110202\"]}"

static enum err_code parse(const char *text, struct entry *out)
{
	return entry_parse(text, strlen(text), out, NULL);
}

static void assert_writes(const struct entry *e, const char *text)
{
	struct buf b = BUF_EMPTY;

	assert_int_equal(entry_write(e, &b, NULL), ERR_OK);
	assert_string_equal(buf_cstr(&b), text);
	buf_free(&b);
}

static void the_canonical_text_is_read_and_written_back(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(parse(FIRST, &e), ERR_OK);
	assert_int_equal(e.sd_count, 2);
	assert_int_equal(e.sd[1].b[0], 0x68);
	assert_string_equal(e.series, "service-case");
	assert_string_equal(e.iss, "xihu.example/330106110201");
	assert_string_equal(e.node, "330106110201");
	assert_string_equal(e.at, "2026-04-22T17:48:35+08:00");
	assert_string_equal(e.id, "019d7b5e-0001-7abc-8def-0123456789ab");
	assert_int_equal(e.uuid[15], 0xab);
	assert_int_equal(e.rev, 1);
	assert_false(e.has_prev);
	assert_int_equal(e.to_count, 0);
	assert_writes(&e, FIRST);
	assert_int_equal(parse(SECOND, &e), ERR_OK);
	assert_int_equal(e.rev, 2);
	assert_true(e.has_prev);
	assert_true(digest_equal(&e.prev, &e.sd[1]));
	assert_int_equal(e.to_count, 3);
	assert_string_equal(e.to[1], "330106110");
	assert_writes(&e, SECOND);
}

static void a_revision_may_lack_the_hash_of_the_one_before(void **state)
{
	static const char text[] =
		SD ALG AT ID ISS NODE ",\"rev\":2" SERIES "}";
	struct entry e;

	(void)state;
	assert_int_equal(parse(text, &e), ERR_OK);
	assert_int_equal(e.rev, 2);
	assert_false(e.has_prev);
	assert_writes(&e, text);
}

static void writing_sorts_digests_by_their_encoded_text(void **state)
{
	struct buf b = BUF_EMPTY;
	struct entry e, again;
	char text[LABEL_COUNT][DIGEST_TEXT_SIZE];

	(void)state;
	assert_int_equal(parse(FIRST, &e), ERR_OK);
	/* By value: '-' is 62 and '_' is 63; by ASCII they are not last. */
	e.sd_count = 4;
	e.sd[0].b[0] = 0xff;
	e.sd[1].b[0] = 0xf8;
	memset(&e.sd[2], 0, sizeof(e.sd[2]));
	memset(&e.sd[3], 0x70, sizeof(e.sd[3]));
	assert_int_equal(entry_write(&e, &b, NULL), ERR_OK);
	assert_int_equal(
		entry_parse((char *)b.data, b.len, &again, NULL), ERR_OK);
	for (int i = 0; i < LABEL_COUNT; i++)
		digest_base64url(&again.sd[i], text[i]);
	for (int i = 1; i < LABEL_COUNT; i++)
		assert_true(strcmp(text[i - 1], text[i]) < 0);
	assert_int_equal(text[0][0], '-');
	assert_int_equal(text[2][0], '_');
	buf_free(&b);
}

#define SEAL ",\"seal\":\"" A "\",\"series\":\"sealed\""
#define SEALED "{\"_sd\":[\"" A "\"]" ALG AT ID ISS NODE SEAL "}"

static void a_sealed_entry_tells_no_revision(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(parse(SEALED, &e), ERR_OK);
	assert_true(e.sealed);
	assert_int_equal(e.rev, 1);
	assert_string_equal(e.series, SERIES_SEALED);
	assert_int_equal(e.seal.b[0], 0);
	assert_writes(&e, SEALED);
}

static void a_message_is_the_one_that_the_entry_names(void **state)
{
	static const char message[] = "any bytes";
	struct buf part = BUF_EMPTY, out = BUF_EMPTY;
	struct entry e;
	const char *text;

	(void)state;
	assert_int_equal(parse(SEALED, &e), ERR_OK);
	sealed_part(message, sizeof(message), &part);
	text = (const char *)part.data;
	assert_memory_equal(text, "{\"cms\":\"", 8);
	assert_false(sealed_message(&e, text, part.len, &out));
	e.seal = digest_of(message, sizeof(message));
	assert_true(sealed_message(&e, text, part.len, &out));
	assert_int_equal(out.len, sizeof(message));
	assert_memory_equal(out.data, message, out.len);
	for (size_t len = 0; len < part.len; len++)
		assert_false(sealed_message(&e, text, len, &out));
	e.sealed = false;
	assert_false(sealed_message(&e, text, part.len, &out));
	assert_int_equal(out.len, sizeof(message));
	buf_free(&part);
	buf_free(&out);
}

static const char *const refused[] = {
	"",
	"{}",
	/* Sealed, with what tells more, or without what it names. */
	SD ALG AT ID ISS NODE REV ",\"series\":\"sealed\"}",
	SD ALG AT ID ISS NODE REV SEAL "}",
	SD ALG AT ID ISS NODE PREV SEAL "}",
	SD ALG AT ID ISS NODE ",\"seal\":\"" A "\"" SERIES "}",
	SD ALG AT ID ISS NODE SEAL ",\"to\":[\"330106\"]}",
	FIRST " ",
	" " FIRST,
	FIRST FIRST,
	/* Digests: none, five, twice, unsorted, not base64url, spaces. */
	"{\"_sd\":[]" ALG AT ID ISS NODE REV SERIES "}",
	"{\"_sd\":[\"" A "\",\"" A "\"]" ALG AT ID ISS NODE REV SERIES "}",
	"{\"_sd\":[\"" B "\",\"" A "\"]" ALG AT ID ISS NODE REV SERIES "}",
	"{\"_sd\":[\"" A "\",\"" B "\",\"b" A
	"\"]" ALG AT ID ISS NODE REV SERIES "}",
	"{\"_sd\":[\"A\"]" ALG AT ID ISS NODE REV SERIES "}",
	"{\"_sd\":[\"" A "\", \"" B "\"]" ALG AT ID ISS NODE REV SERIES "}",
	"{ \"_sd\":[\"" A "\"]" ALG AT ID ISS NODE REV SERIES "}",
	/* Another algorithm, another order, a member twice, missing, unknown.
	 */
	SD ",\"_sd_alg\":\"sha-384\"" AT ID ISS NODE REV SERIES "}",
	SD ALG ID AT ISS NODE REV SERIES "}",
	SD ALG AT AT ID ISS NODE REV SERIES "}",
	SD ALG AT ID ISS REV SERIES "}",
	SD ALG AT ID ISS NODE REV SERIES ",\"zz\":1}",
	SD ALG AT ",\"extra\":1" ID ISS NODE REV SERIES "}",
	/* Times. */
	SD ALG ",\"at\":\"2026-04-22T17:48:35Z\"" ID ISS NODE REV SERIES "}",
	SD ALG ",\"at\":\"2026-04-22T09:48:35+00:00\"" ID ISS NODE REV SERIES
	       "}",
	SD ALG ",\"at\":\"2026-02-30T17:48:35+08:00\"" ID ISS NODE REV SERIES
	       "}",
	SD ALG ",\"at\":\"2026-04-22t17:48:35+08:00\"" ID ISS NODE REV SERIES
	       "}",
	SD ALG ",\"at\":\"2026-04-22T17:48:60+08:00\"" ID ISS NODE REV SERIES
	       "}",
	SD ALG ",\"at\":\"2026-04-22T17:48:35.1+08:00\"" ID ISS NODE REV SERIES
	       "}",
	/* Ids, issuers, nodes. */
	SD ALG AT
	",\"id\":\"019D7B5E-0001-7ABC-8DEF-0123456789AB\"" ISS NODE REV SERIES
	"}",
	SD ALG AT ",\"id\":\"\"" ISS NODE REV SERIES "}",
	SD ALG AT ID ",\"iss\":\"330106110201\"" NODE REV SERIES "}",
	SD ALG AT ID ",\"iss\":\"/330106110201\"" NODE REV SERIES "}",
	SD ALG AT ID ",\"iss\":\"Xihu.example/330106110201\"" NODE REV SERIES
		     "}",
	SD ALG AT ID ",\"iss\":\"a/b/330106110201\"" NODE REV SERIES "}",
	SD ALG AT ID ISS ",\"node\":\"33010611020\"" REV SERIES "}",
	SD ALG AT ID ISS ",\"node\":\"33010611020x\"" REV SERIES "}",
	/* Revisions. */
	SD ALG AT ID ISS NODE ",\"rev\":0" SERIES "}",
	SD ALG AT ID ISS NODE ",\"rev\":01" SERIES "}",
	SD ALG AT ID ISS NODE ",\"rev\":\"1\"" SERIES "}",
	SD ALG AT ID ISS NODE PREV REV SERIES "}",
	SD ALG AT ID ISS NODE PREV ",\"rev\":4294967297" SERIES "}",
	SD ALG AT ID ISS NODE PREV ",\"rev\":2e0" SERIES "}",
	/* Series. */
	SD ALG AT ID ISS NODE REV ",\"series\":\"\"}",
	SD ALG AT ID ISS NODE REV ",\"series\":\"Alert\"}",
	SD ALG AT ID ISS NODE REV ",\"series\":\"1a\"}",
	SD ALG AT ID ISS NODE REV ",\"series\":\"a b\"}",
	SD ALG AT ID ISS NODE REV ",\"series\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	/* Receivers. */
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[]}",
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[\"3301\"]}",
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[\"33010a\"]}",
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[\"330106\",\"330106\"]}",
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[\"330107\",\"330106\"]}",
	SD ALG AT ID ISS NODE REV SERIES ",\"to\":[\"330106\",]}",
};

static void any_other_text_is_refused(void **state)
{
	struct entry e;
	int ran = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++, ran++)
		if (parse(refused[i], &e) != ERR_INVALID)
			fail_msg("taken: %s", refused[i]);
	assert_int_equal(ran, 54);
}

static void no_beginning_of_an_entry_is_taken(void **state)
{
	struct entry e;

	(void)state;
	for (size_t len = 0; len < strlen(SECOND); len++)
		assert_int_equal(
			entry_parse(SECOND, len, &e, NULL), ERR_INVALID);
}

/* Whatever is taken is written back to the byte. */
static void no_two_texts_mean_the_same_entry(void **state)
{
	char text[] = SECOND;
	int taken = 0;

	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		char was = text[i];

		for (int c = 1; c < 256; c++) {
			struct entry e;

			text[i] = (char)c;
			if (parse(text, &e) != ERR_OK)
				continue;
			assert_writes(&e, text);
			taken++;
		}
		text[i] = was;
	}
	assert_true(taken > 1000);
}

static void what_would_not_parse_is_not_written(void **state)
{
	struct buf b = BUF_EMPTY;
	struct entry e;

	(void)state;
	assert_int_equal(parse(FIRST, &e), ERR_OK);
	strcpy(e.series, "Not A Series");
	assert_int_equal(entry_write(&e, &b, NULL), ERR_INVALID);
	assert_int_equal(parse(FIRST, &e), ERR_OK);
	e.sd[1] = e.sd[0];
	assert_int_equal(entry_write(&e, &b, NULL), ERR_INVALID);
	assert_int_equal(parse(FIRST, &e), ERR_OK);
	e.sd_count = LABEL_COUNT + 1;
	assert_int_equal(entry_write(&e, &b, NULL), ERR_LIMIT);
	e.sd_count = 0;
	assert_int_equal(entry_write(&e, &b, NULL), ERR_INVALID);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void origins_are_domain_code_and_epoch(void **state)
{
	static const char good[] = "xihu.example/330106110201/0123456789abcdef";
	static const char *const bad[] = {"", "/", "x/330106110201/",
		"x/330106110201/0123456789abcde",
		"x/330106110201/0123456789abcdeF",
		"x/33010611020/0123456789abcdef",
		"/330106110201/0123456789abcdef",
		"X/330106110201/0123456789abcdef",
		"x/330106110201/0123456789abcdef/"};

	(void)state;
	assert_true(origin_valid(good, strlen(good)));
	assert_memory_equal(origin_code(good), "330106110201", CODE_LEN);
	assert_memory_equal(
		origin_code("x/330106110201"), "330106110201", CODE_LEN);
	assert_null(origin_code("x/3301061102011"));
	assert_null(origin_code("330106110201"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(origin_valid(bad[i], strlen(bad[i])));
		assert_null(origin_code(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_entry_tells_no_revision),
		cmocka_unit_test(a_message_is_the_one_that_the_entry_names),
		cmocka_unit_test(the_canonical_text_is_read_and_written_back),
		cmocka_unit_test(
			a_revision_may_lack_the_hash_of_the_one_before),
		cmocka_unit_test(writing_sorts_digests_by_their_encoded_text),
		cmocka_unit_test(any_other_text_is_refused),
		cmocka_unit_test(no_beginning_of_an_entry_is_taken),
		cmocka_unit_test(no_two_texts_mean_the_same_entry),
		cmocka_unit_test(what_would_not_parse_is_not_written),
		cmocka_unit_test(origins_are_domain_code_and_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
