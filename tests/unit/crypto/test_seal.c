/* test_seal.c - what is sealed opens, and only unchanged. */
#include "vectors.h"

static const char aad[] = "header";

static void sealed_bytes_open_again(void **state)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 70000};
	struct seal_secret k;

	(void)state;
	assert_ok(seal_secret_new(&k, err));
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t n = lengths[i];
		uint8_t *plain = malloc(n + 1), *back = malloc(n + 1);
		uint8_t *sealed = malloc(n + SEAL_OVERHEAD);

		assert_true(plain && back && sealed);
		memset(plain, 0x5a, n + 1);
		memset(back, 0, n + 1);
		assert_ok(seal_close(
			&k, aad, sizeof(aad), plain, n, sealed, err));
		assert_ok(seal_open(&k, aad, sizeof(aad), sealed,
			n + SEAL_OVERHEAD, back, err));
		assert_memory_equal(back, plain, n);
		assert_int_equal(back[n], 0);
		free(plain);
		free(back);
		free(sealed);
	}
	seal_secret_wipe(&k);
}

static void any_flipped_bit_is_corrupt_and_writes_nothing(void **state)
{
	uint8_t sealed[5 + SEAL_OVERHEAD], out[5], untouched[5];
	struct seal_secret k;
	size_t ran = 0;

	(void)state;
	memset(untouched, 0xee, sizeof(untouched));
	assert_ok(seal_secret_new(&k, err));
	assert_ok(seal_close(&k, aad, 6, "hello", 5, sealed, err));
	for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++, ran++) {
		memset(out, 0xee, sizeof(out));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(seal_open(&k, aad, 6, sealed, sizeof(sealed),
					 out, NULL),
			ERR_CORRUPT);
		assert_memory_equal(out, untouched, sizeof(out));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(ran, 33 * 8);
	assert_ok(seal_open(&k, aad, 6, sealed, sizeof(sealed), out, err));
	assert_memory_equal(out, "hello", 5);
}

static void another_header_key_or_length_is_corrupt(void **state)
{
	uint8_t sealed[5 + SEAL_OVERHEAD], out[5];
	struct seal_secret k, other;

	(void)state;
	assert_ok(seal_secret_new(&k, err));
	assert_ok(seal_secret_new(&other, err));
	assert_ok(seal_close(&k, aad, 6, "hello", 5, sealed, err));
	assert_int_equal(
		seal_open(&k, aad, 5, sealed, sizeof(sealed), out, NULL),
		ERR_CORRUPT);
	assert_int_equal(
		seal_open(&other, aad, 6, sealed, sizeof(sealed), out, NULL),
		ERR_CORRUPT);
	for (size_t len = 0; len < sizeof(sealed); len++)
		assert_int_equal(seal_open(&k, aad, 6, sealed, len, out, NULL),
			ERR_CORRUPT);
}

static void nonces_differ_from_one_sealing_to_the_next(void **state)
{
	uint8_t a[SEAL_OVERHEAD], b[SEAL_OVERHEAD];
	struct seal_secret k;

	(void)state;
	assert_ok(seal_secret_new(&k, err));
	assert_ok(seal_close(&k, NULL, 0, NULL, 0, a, err));
	assert_ok(seal_close(&k, NULL, 0, NULL, 0, b, err));
	assert_memory_not_equal(a, b, SEAL_NONCE_SIZE);
	assert_ok(seal_open(&k, NULL, 0, a, sizeof(a), a, err));
}

/* NIST GCM test case 15 (256-bit key, 64 bytes), opened: the layout is nonce,
 * ciphertext, tag. */
static void a_published_vector_opens(void **state)
{
	static const char key[] = "feffe9928665731c6d6a8f9467308308"
				  "feffe9928665731c6d6a8f9467308308";
	static const char sealed_hex[] =
		"cafebabefacedbaddecaf888"
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d"
		"1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66289"
		"8015ad"
		"b094dac5d93471bdec1a502270e3cc6c";
	static const char plain_hex[] =
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318"
		"a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391a"
		"afd255";
	uint8_t sealed[64 + SEAL_OVERHEAD], plain[64], out[64];
	struct seal_secret k;

	(void)state;
	assert_true(hex_decode(key, strlen(key), k.b, sizeof(k.b)));
	assert_true(hex_decode(
		sealed_hex, strlen(sealed_hex), sealed, sizeof(sealed)));
	assert_true(
		hex_decode(plain_hex, strlen(plain_hex), plain, sizeof(plain)));
	assert_ok(seal_open(&k, NULL, 0, sealed, sizeof(sealed), out, err));
	assert_memory_equal(out, plain, sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_bytes_open_again),
		cmocka_unit_test(any_flipped_bit_is_corrupt_and_writes_nothing),
		cmocka_unit_test(another_header_key_or_length_is_corrupt),
		cmocka_unit_test(nonces_differ_from_one_sealing_to_the_next),
		cmocka_unit_test(a_published_vector_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
