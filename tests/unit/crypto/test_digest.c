/* test_digest.c - SHA-256 and HMAC against published vectors. */
#include "vectors.h"

static const char abc_hex[] =
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void abc_has_the_digest_of_fips_180(void **state)
{
	struct digest d = digest_of("abc", 3);

	(void)state;
	assert_digest_hex(&d, abc_hex);
}

static void nothing_has_the_digest_of_the_empty_string(void **state)
{
	struct digest d = digest_of(NULL, 0);

	(void)state;
	assert_digest_hex(&d,
		"e3b0c44298fc1c149afbf4c8996fb924"
		"27ae41e4649b934ca495991b7852b855");
}

static void pieces_hash_as_the_whole_does(void **state)
{
	uint8_t bytes[300], last[sizeof(bytes) + SHA256_PAD];
	struct digest whole, pieces;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	whole = digest_of(bytes, sizeof(bytes));
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		struct sha256 h, copy;

		sha256_init(&h);
		sha256_update(&h, bytes, cut);
		copy = h;
		sha256_update(&copy, bytes + cut, sizeof(bytes) - cut);
		pieces = sha256_final(&copy);
		assert_true(digest_equal(&whole, &pieces));
		memcpy(last, bytes + cut, sizeof(bytes) - cut);
		pieces = sha256_finish(&h, last, sizeof(bytes) - cut);
		assert_true(digest_equal(&whole, &pieces));
	}
}

/* RFC 4231, cases 1, 2, 3 and 6 (a key longer than a block). */
static void hmac_agrees_with_rfc_4231(void **state)
{
	static const struct {
		uint8_t key_byte;
		size_t key_len;
		const char *key_text;
		uint8_t data_byte;
		size_t data_len;
		const char *data_text;
		const char *mac;
	} cases[] = {
		{0x0b, 20, NULL, 0, 8, "Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b"
			"881dc200c9833da726e9376c2e32cff7"},
		{0, 4, "Jefe", 0, 28, "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c7"
			"5a003f089d2739839dec58b964ec3843"},
		{0xaa, 20, NULL, 0xdd, 50, NULL,
			"773ea91e36800e46854db8ebd09181a7"
			"2959098b3ef8c122d9635514ced565fe"},
		{0xaa, 131, NULL, 0, 54,
			"Test Using Larger Than Block-Size Key - "
			"Hash Key First",
			"60e431591ee0b67f0d8a26aacbf5b77f"
			"8e0bc6213728c5140546040f0ee37f54"},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		uint8_t key[131], data[64];
		struct hmac_key k;
		struct digest d;

		memset(key, cases[ran].key_byte, sizeof(key));
		if (cases[ran].key_text)
			memcpy(key, cases[ran].key_text, cases[ran].key_len);
		memset(data, cases[ran].data_byte, sizeof(data));
		if (cases[ran].data_text)
			memcpy(data, cases[ran].data_text, cases[ran].data_len);
		hmac_init(&k, key, cases[ran].key_len);
		d = hmac_of(&k, data, cases[ran].data_len);
		assert_digest_hex(&d, cases[ran].mac);
		/* The key is there for more than one message. */
		d = hmac_of(&k, data, cases[ran].data_len);
		assert_digest_hex(&d, cases[ran].mac);
		hmac_fini(&k);
	}
	assert_int_equal(ran, 4);
}

static void hmac_fini_leaves_nothing_of_the_key(void **state)
{
	struct hmac_key k, zero;

	(void)state;
	memset(&zero, 0, sizeof(zero));
	hmac_init(&k, "secret", 6);
	hmac_fini(&k);
	assert_memory_equal(&k, &zero, sizeof(k));
}

static void texts_come_back_as_the_digest(void **state)
{
	struct digest d = digest_of("abc", 3), back = {{0}};
	char text[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];

	(void)state;
	digest_base64url(&d, text);
	assert_string_equal(
		text, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
	assert_true(digest_from_base64url(text, 43, &back));
	assert_true(digest_equal(&d, &back));
	digest_hex(&d, hex);
	memset(&back, 0, sizeof(back));
	assert_true(digest_from_hex(hex, 64, &back));
	assert_int_equal(digest_compare(&d, &back), 0);
}

static void texts_of_another_length_or_alphabet_are_refused(void **state)
{
	const char *text = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
	char bad[DIGEST_TEXT_SIZE];
	struct digest d = {{1}}, before = d;

	(void)state;
	assert_false(digest_from_base64url(text, 42, &d));
	memcpy(bad, text, sizeof(bad));
	bad[9] = '+'; /* the other alphabet */
	assert_false(digest_from_base64url(bad, 43, &d));
	memcpy(bad, text, sizeof(bad));
	bad[42] = '1'; /* bits behind the last byte */
	assert_false(digest_from_base64url(bad, 43, &d));
	assert_false(digest_from_hex(abc_hex, 63, &d));
	assert_false(digest_from_hex(
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015"
		"AD",
		64, &d));
	assert_true(digest_equal(&d, &before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abc_has_the_digest_of_fips_180),
		cmocka_unit_test(nothing_has_the_digest_of_the_empty_string),
		cmocka_unit_test(pieces_hash_as_the_whole_does),
		cmocka_unit_test(hmac_agrees_with_rfc_4231),
		cmocka_unit_test(hmac_fini_leaves_nothing_of_the_key),
		cmocka_unit_test(texts_come_back_as_the_digest),
		cmocka_unit_test(
			texts_of_another_length_or_alphabet_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
