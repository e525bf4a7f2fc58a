/* test_sign.c - Ed25519 against RFC 8032, weak keys, and key files. */
#include "vectors.h"

#include <sys/stat.h>
#include <unistd.h>

/* RFC 8032 section 7.1, tests 1 to 3. */
static void rfc_8032_vectors_hold(void **state)
{
	static const struct {
		const char *seed, *pub, *msg, *sig;
	} cases[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae"
		 "7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021"
			"a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e"
			"065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f059"
			"5bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8"
		 "a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd5"
			"5f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762"
			"223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4"
			"302aeeb00d291612bb0c00"},
		{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b44"
		 "58f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb9"
			"11548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e368"
			"0d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e971"
			"6ed28dc027beceea1ec40a"},
	};
	size_t ran = 0;

	(void)state;
	for (; ran < ARRAY_LEN(cases); ran++) {
		uint8_t seed[32], back[32], want[64], sig[64], msg[2];
		size_t len = strlen(cases[ran].msg) / 2;
		struct sign_public pub, expected;
		struct sign_key *k;

		seed_from_hex(cases[ran].seed, seed);
		seed_from_hex(cases[ran].pub, expected.b);
		assert_true(hex_decode(cases[ran].sig, 128, want, 64));
		assert_true(hex_decode(cases[ran].msg, 2 * len, msg, len));
		assert_ok(sign_key_from_seed(seed, &k, err));
		pub = sign_key_public(k);
		assert_memory_equal(pub.b, expected.b, 32);
		sign_key_seed(k, back);
		assert_memory_equal(back, seed, 32);
		assert_ok(sign_make(k, msg, len, sig, err));
		assert_memory_equal(sig, want, 64);
		assert_true(sign_check(&pub, msg, len, sig));
		assert_true(sign_public_sound(&pub));
		sign_key_free(k);
	}
	assert_int_equal(ran, 3);
}

static void any_flipped_bit_is_refused(void **state)
{
	struct sign_public pub;
	struct sign_key *k;
	uint8_t sig[64], msg[4] = {1, 2, 3, 4};

	(void)state;
	assert_ok(sign_key_new(&k, err));
	pub = sign_key_public(k);
	assert_ok(sign_make(k, msg, sizeof(msg), sig, err));
	for (size_t bit = 0; bit < 512; bit++) {
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sign_check(&pub, msg, sizeof(msg), sig));
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 32; bit++) {
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sign_check(&pub, msg, sizeof(msg), sig));
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(sign_check(&pub, msg, sizeof(msg), sig));
	assert_false(sign_check(&pub, msg, sizeof(msg) - 1, sig));
	sign_key_free(k);
	sign_key_free(NULL);
}

static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

/* The identity as key, R the identity and S = 0 satisfy the equation for any
 * message. */
static void keys_of_small_order_verify_nothing(void **state)
{
	uint8_t sig[64] = {1};
	size_t ran = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(small_order); i++) {
		for (unsigned sign = 0; sign < 2; sign++, ran++) {
			struct sign_public p;

			seed_from_hex(small_order[i], p.b);
			p.b[31] |= (uint8_t)(sign << 7);
			assert_false(sign_public_sound(&p));
			assert_false(sign_check(&p, "any", 3, sig));
		}
	}
	assert_int_equal(ran, 14);
}

static void keys_that_are_no_canonical_point_are_not_sound(void **state)
{
	struct sign_public p;
	size_t sound = 0;

	(void)state;
	/* y from p to 2^255 - 1 is a second spelling of 0 to 18. */
	for (unsigned y0 = 0xed; y0 <= 0xff; y0++) {
		memset(p.b, 0xff, sizeof(p.b));
		p.b[0] = (uint8_t)y0;
		assert_false(sign_public_sound(&p));
		p.b[31] = 0x7f;
		assert_false(sign_public_sound(&p));
	}
	/* Which of y = 2 ... 18 have an x, computed separately. */
	for (unsigned y = 2; y <= 18; y++) {
		memset(p.b, 0, sizeof(p.b));
		p.b[0] = (uint8_t)y;
		sound |= (size_t)sign_public_sound(&p) << y;
	}
	assert_int_equal(sound, 0x5c678);
}

static void key_files_are_private_pem_that_openssl_reads(void **state)
{
	char dir[] = "/tmp/cundang-sign-XXXXXX", path[64], command[160];
	struct sign_key *k, *again;
	uint8_t a[32], b[32];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log.pem", dir);
	assert_ok(sign_key_new(&k, err));
	assert_ok(sign_key_save(k, path, err));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(sign_key_load(path, &again, err));
	sign_key_seed(k, a);
	sign_key_seed(again, b);
	assert_memory_equal(a, b, 32);
	snprintf(command, sizeof(command),
		"openssl pkey -in %s -noout -text | grep -qi ed25519", path);
	assert_int_equal(system(command), 0);
	sign_key_free(k);
	sign_key_free(again);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void seal_keys_are_p256(void **state)
{
	char dir[] = "/tmp/cundang-sign-XXXXXX", path[64], command[160];
	struct buf a = BUF_EMPTY, b = BUF_EMPTY;
	struct sign_key *k = NULL;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/seal.pem", dir);
	assert_ok(seal_key_create(path, err));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(seal_key_public(path, &a, err));
	assert_ok(seal_key_public(path, &b, err));
	assert_int_equal(a.len, 91); /* SubjectPublicKeyInfo of P-256 */
	assert_memory_equal(a.data, b.data, a.len);
	snprintf(command, sizeof(command),
		"openssl pkey -in %s -noout -text | grep -q prime256v1", path);
	assert_int_equal(system(command), 0);
	/* Neither kind passes for the other. */
	assert_int_equal(sign_key_load(path, &k, NULL), ERR_CORRUPT);
	assert_ok(sign_key_new(&k, err));
	assert_ok(sign_key_save(k, path, err));
	assert_int_equal(seal_key_public(path, &b, NULL), ERR_CORRUPT);
	sign_key_free(k);
	buf_free(&a);
	buf_free(&b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void files_that_are_no_keys_are_refused(void **state)
{
	char dir[] = "/tmp/cundang-sign-XXXXXX", path[64], command[160];
	struct sign_key *k = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key.pem", dir);
	assert_int_equal(sign_key_load(path, &k, NULL), ERR_NOT_FOUND);
	assert_ok(file_replace(path, "", 0, 0600, err));
	assert_int_equal(sign_key_load(path, &k, NULL), ERR_CORRUPT);
	assert_ok(file_replace(
		path, "-----BEGIN PRIVATE KEY-----\nAAAA\n", 32, 0600, err));
	assert_int_equal(sign_key_load(path, &k, NULL), ERR_CORRUPT);
	/* An encrypted key is refused without asking anybody. */
	snprintf(command, sizeof(command),
		"openssl genpkey -algorithm ed25519 -aes256 -pass pass:abcd "
		"-out %s",
		path);
	assert_int_equal(system(command), 0);
	assert_int_equal(sign_key_load(path, &k, NULL), ERR_CORRUPT);
	assert_null(k);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_8032_vectors_hold),
		cmocka_unit_test(any_flipped_bit_is_refused),
		cmocka_unit_test(keys_of_small_order_verify_nothing),
		cmocka_unit_test(
			keys_that_are_no_canonical_point_are_not_sound),
		cmocka_unit_test(key_files_are_private_pem_that_openssl_reads),
		cmocka_unit_test(seal_keys_are_p256),
		cmocka_unit_test(files_that_are_no_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
