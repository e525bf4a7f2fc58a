/* sign.c - Ed25519 keys and signatures, and key files. */
#include "crypto/sign_inside.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define KEY_FILE_LIMIT ((size_t)16 << 10)

/* To begin takes half as long as to sign, so what has begun is copied. */
struct sign_key {
	EVP_PKEY *pkey;
	EVP_MD_CTX *begun;
	struct sign_public pub;
	uint8_t seed[SIGN_SEED_SIZE];
};

/* Takes pkey in every case. */
static enum err_code key_wrap(
	EVP_PKEY *pkey, struct sign_key **out, struct err *err)
{
	struct sign_key *k = calloc(1, sizeof(*k));
	size_t seed_len = SIGN_SEED_SIZE, pub_len = SIGN_PUBLIC_SIZE;

	if (!k) {
		EVP_PKEY_free(pkey);
		return err_nomem(err);
	}
	k->pkey = pkey;
	if (!(k->begun = EVP_MD_CTX_new())) {
		sign_key_free(k);
		return err_nomem(err);
	}
	if (!EVP_DigestSignInit(k->begun, NULL, NULL, NULL, pkey) ||
		!EVP_PKEY_get_raw_private_key(pkey, k->seed, &seed_len) ||
		!EVP_PKEY_get_raw_public_key(pkey, k->pub.b, &pub_len) ||
		seed_len != SIGN_SEED_SIZE || pub_len != SIGN_PUBLIC_SIZE) {
		sign_key_free(k);
		return err_set(
			err, ERR_INTERNAL, "ed25519 key without its raw bytes");
	}
	*out = k;
	return ERR_OK;
}

enum err_code sign_key_from_seed(const uint8_t seed[SIGN_SEED_SIZE],
	struct sign_key **out, struct err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, seed, SIGN_SEED_SIZE);

	if (!pkey)
		return err_set(err, ERR_INTERNAL, "ed25519 key not made");
	return key_wrap(pkey, out, err);
}

enum err_code sign_key_new(struct sign_key **out, struct err *err)
{
	uint8_t seed[SIGN_SEED_SIZE];
	enum err_code rc;

	if ((rc = random_bytes(seed, sizeof(seed), err)))
		return rc;
	rc = sign_key_from_seed(seed, out, err);
	OPENSSL_cleanse(seed, sizeof(seed));
	return rc;
}

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	EVP_MD_CTX_free(k->begun);
	EVP_PKEY_free(k->pkey);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

struct sign_public sign_key_public(const struct sign_key *k)
{
	return k->pub;
}

void sign_key_seed(const struct sign_key *k, uint8_t seed[SIGN_SEED_SIZE])
{
	memcpy(seed, k->seed, SIGN_SEED_SIZE);
}

enum err_code sign_make(const struct sign_key *k, const void *msg, size_t len,
	uint8_t sig[SIGNATURE_SIZE], struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t sig_len = SIGNATURE_SIZE;
	enum err_code rc = ERR_OK;

	if (!ctx)
		return err_nomem(err);
	if (!EVP_MD_CTX_copy_ex(ctx, k->begun) ||
		!EVP_DigestSign(ctx, sig, &sig_len, msg, len) ||
		sig_len != SIGNATURE_SIZE)
		rc = err_set(err, ERR_INTERNAL,
			"ed25519 refused to sign %zu bytes", len);
	EVP_MD_CTX_free(ctx);
	return rc;
}

/* The y coordinates of the eight points of small order, sign bit cleared;
 * 0 and 1 are spelled a second time as p and p + 1.  A signature under such a
 * key can be made for any message (OpenSSL accepts them). */
static const uint8_t small_order[7][SIGN_PUBLIC_SIZE] = {
	{0},
	{1},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89,
		0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
		0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76,
		0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
		0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static bool is_small_order(const struct sign_public *p)
{
	uint8_t y[SIGN_PUBLIC_SIZE];

	memcpy(y, p->b, sizeof(y));
	y[31] &= 0x7f;
	for (size_t i = 0; i < ARRAY_LEN(small_order); i++)
		if (!memcmp(y, small_order[i], sizeof(y)))
			return true;
	return false;
}

/* y < p = 2^255 - 19. */
static bool is_canonical(const struct sign_public *p)
{
	if ((p->b[31] & 0x7f) != 0x7f)
		return true;
	for (size_t i = 30; i > 0; i--)
		if (p->b[i] != 0xff)
			return true;
	return p->b[0] < 0xed;
}

bool sign_check(const struct sign_public *p, const void *msg, size_t len,
	const uint8_t sig[SIGNATURE_SIZE])
{
	EVP_PKEY *pkey = NULL;
	EVP_MD_CTX *ctx = NULL;
	bool good = false;

	if (is_small_order(p) || !is_canonical(p))
		return false;
	pkey = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, p->b, sizeof(p->b));
	ctx = EVP_MD_CTX_new();
	if (pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey))
		good = EVP_DigestVerify(ctx, sig, SIGNATURE_SIZE, msg, len) ==
			1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}

/* x^2 = (y^2 - 1) / (d y^2 + 1) has a root exactly when the product of the two
 * is a square modulo p.  OpenSSL looks only when it verifies, and then says no
 * more than "bad signature", so a key is asked when it is enrolled. */
static bool is_on_curve(const struct sign_public *p)
{
	static const char prime[] = "7fffffffffffffffffffffffffffffff"
				    "ffffffffffffffffffffffffffffffed";
	static const char d_hex[] = "52036cee2b6ffe738cc740797779e898"
				    "00700a4d4141d8ab75eb4dca135978a3";
	uint8_t y_bytes[SIGN_PUBLIC_SIZE];
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *m = NULL, *d = NULL, *y = NULL, *v = BN_new();
	bool on = false;

	memcpy(y_bytes, p->b, sizeof(y_bytes));
	y_bytes[31] &= 0x7f;
	y = BN_lebin2bn(y_bytes, sizeof(y_bytes), NULL);
	if (ctx && v && y && BN_hex2bn(&m, prime) && BN_hex2bn(&d, d_hex) &&
		BN_mod_sqr(y, y, m, ctx) && BN_mod_mul(v, d, y, m, ctx) &&
		BN_add_word(v, 1) && BN_sub_word(y, 1) &&
		BN_mod_mul(v, v, y, m, ctx))
		on = BN_kronecker(v, m, ctx) == 1;
	BN_free(m);
	BN_free(d);
	BN_free(y);
	BN_free(v);
	BN_CTX_free(ctx);
	return on;
}

bool sign_public_sound(const struct sign_public *p)
{
	return !is_small_order(p) && is_canonical(p) && is_on_curve(p);
}

static enum err_code save_pem(EVP_PKEY *pkey, const char *path, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	enum err_code rc;
	char *pem;
	long len;

	if (!bio ||
		!PEM_write_bio_PKCS8PrivateKey(
			bio, pkey, NULL, NULL, 0, NULL, NULL)) {
		rc = err_set(err, ERR_INTERNAL, "key for %s not written as pem",
			path);
		goto out;
	}
	len = BIO_get_mem_data(bio, &pem);
	rc = file_replace(path, pem, (size_t)len, 0600, err);
out:
	BIO_free(bio);
	return rc;
}

/* An encrypted key must not make a daemon ask at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static enum err_code load_pem(const char *path, EVP_PKEY **out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	EVP_PKEY *pkey;
	enum err_code rc;
	BIO *bio;

	if ((rc = file_read(path, KEY_FILE_LIMIT, &text, err)))
		goto out;
	if (!(bio = BIO_new_mem_buf(text.data, (int)text.len))) {
		rc = err_nomem(err);
		goto out;
	}
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (pkey)
		*out = pkey;
	else
		rc = err_set(err, ERR_CORRUPT,
			"%s is not an unencrypted pem private key", path);
out:
	buf_wipe(&text);
	return rc;
}

enum err_code sign_key_save(
	const struct sign_key *k, const char *path, struct err *err)
{
	return save_pem(k->pkey, path, err);
}

enum err_code sign_key_load(
	const char *path, struct sign_key **out, struct err *err)
{
	EVP_PKEY *pkey = NULL;
	enum err_code rc;

	if ((rc = load_pem(path, &pkey, err)))
		return rc;
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		return err_set(err, ERR_CORRUPT,
			"%s holds a key that is not ed25519", path);
	}
	return key_wrap(pkey, out, err);
}

enum err_code seal_key_create(const char *path, struct err *err)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	enum err_code rc;

	if (!pkey)
		return err_set(err, ERR_INTERNAL, "p-256 key not made");
	rc = save_pem(pkey, path, err);
	EVP_PKEY_free(pkey);
	return rc;
}

static bool is_p256(const EVP_PKEY *pkey)
{
	char group[32];
	size_t len;

	return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
		EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) &&
		!strcmp(group, SN_X9_62_prime256v1);
}

/* ---- keys for sealing ---- */

struct seal_key {
	EVP_PKEY *pkey;
	struct seal_public pub;
};

static bool read_spki(const EVP_PKEY *pkey, struct seal_public *out)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	bool well = len == (int)sizeof(out->spki);

	if (well)
		memcpy(out->spki, der, sizeof(out->spki));
	OPENSSL_free(der);
	return well;
}

enum err_code seal_key_load(
	const char *path, struct seal_key **out, struct err *err)
{
	struct seal_key *k = calloc(1, sizeof(*k));
	enum err_code rc;

	if (!k)
		return err_nomem(err);
	if ((rc = load_pem(path, &k->pkey, err)))
		goto out;
	/* A point that is written with other bytes is none of ours. */
	if (!is_p256(k->pkey) || !read_spki(k->pkey, &k->pub)) {
		rc = err_set(err, ERR_CORRUPT,
			"%s holds a key that is not p-256", path);
		goto out;
	}
	*out = k;
	k = NULL;
out:
	seal_key_free(k);
	return rc;
}

void seal_key_free(struct seal_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

bool seal_public_sound(const struct seal_public *p)
{
	const uint8_t *der = p->spki;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &der, sizeof(p->spki));
	struct seal_public again;
	bool sound = pkey && is_p256(pkey) && read_spki(pkey, &again) &&
		!memcmp(again.spki, p->spki, sizeof(again.spki));

	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return sound;
}

struct seal_public seal_key_own(const struct seal_key *k)
{
	return k->pub;
}

EVP_PKEY *seal_key_pkey(const struct seal_key *k)
{
	return k->pkey;
}

enum err_code seal_key_secret(const struct seal_key *k, const char *purpose,
	struct seal_secret *out, struct err *err)
{
	uint8_t scalar[32];
	struct hmac_key h;
	struct digest d;
	BIGNUM *bn = NULL;
	bool well =
		EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &bn) &&
		BN_bn2binpad(bn, scalar, sizeof(scalar)) == sizeof(scalar);

	BN_clear_free(bn);
	if (!well)
		return err_set(
			err, ERR_INTERNAL, "p-256 key without its raw bytes");
	hmac_init(&h, scalar, sizeof(scalar));
	d = hmac_of(&h, purpose, strlen(purpose));
	memcpy(out->b, d.b, sizeof(out->b));
	OPENSSL_cleanse(&d, sizeof(d));
	hmac_fini(&h);
	OPENSSL_cleanse(scalar, sizeof(scalar));
	return ERR_OK;
}

enum err_code seal_key_public(
	const char *path, struct buf *spki, struct err *err)
{
	struct seal_key *k = NULL;
	enum err_code rc = seal_key_load(path, &k, err);

	if (rc)
		return rc;
	buf_add(spki, k->pub.spki, sizeof(k->pub.spki));
	seal_key_free(k);
	return buf_ok(spki, err);
}
