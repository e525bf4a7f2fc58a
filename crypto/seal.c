/* seal.c - AES-256-GCM with random nonces. */
#include "crypto/seal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum err_code seal_secret_new(struct seal_secret *out, struct err *err)
{
	return random_bytes(out->b, sizeof(out->b), err);
}

void seal_secret_wipe(struct seal_secret *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

static enum err_code check_sizes(size_t len, size_t aad_len, struct err *err)
{
	const size_t limit = INT_MAX;

	if (len > limit || aad_len > limit)
		return err_set(err, ERR_LIMIT,
			"sealing %zu bytes with %zu beside, limit %zu", len,
			aad_len, limit);
	return ERR_OK;
}

static bool encrypt(EVP_CIPHER_CTX *ctx, const struct seal_secret *k,
	const void *aad, size_t aad_len, const void *plain, size_t len,
	uint8_t *out)
{
	uint8_t *text = out + SEAL_NONCE_SIZE;
	int n;

	return EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), k->b, out, NULL) &&
		(!aad_len ||
			EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len)) &&
		(!len || EVP_EncryptUpdate(ctx, text, &n, plain, (int)len)) &&
		EVP_EncryptFinal_ex(ctx, text + len, &n) &&
		EVP_CIPHER_CTX_ctrl(
			ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, text + len);
}

enum err_code seal_close(const struct seal_secret *k, const void *aad,
	size_t aad_len, const void *plain, size_t len, uint8_t *out,
	struct err *err)
{
	EVP_CIPHER_CTX *ctx;
	enum err_code rc;

	if ((rc = check_sizes(len, aad_len, err)) ||
		(rc = random_bytes(out, SEAL_NONCE_SIZE, err)))
		return rc;
	if (!(ctx = EVP_CIPHER_CTX_new()))
		return err_nomem(err);
	if (!encrypt(ctx, k, aad, aad_len, plain, len, out))
		rc = err_set(err, ERR_INTERNAL,
			"aes-256-gcm refused to seal %zu bytes", len);
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const struct seal_secret *k,
	const void *aad, size_t aad_len, const uint8_t *sealed, size_t len,
	uint8_t *out)
{
	const uint8_t *text = sealed + SEAL_NONCE_SIZE;
	uint8_t tag[SEAL_TAG_SIZE];
	int n;

	memcpy(tag, text + len, sizeof(tag));
	return EVP_DecryptInit_ex2(
		       ctx, EVP_aes_256_gcm(), k->b, sealed, NULL) &&
		(!aad_len ||
			EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len)) &&
		(!len || EVP_DecryptUpdate(ctx, out, &n, text, (int)len)) &&
		EVP_CIPHER_CTX_ctrl(
			ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag) &&
		EVP_DecryptFinal_ex(ctx, out + len, &n) > 0;
}

/* The library tells plaintext before it has seen the tag, so it tells it to a
 * buffer of ours first. */
enum err_code seal_open(const struct seal_secret *k, const void *aad,
	size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *out,
	struct err *err)
{
	EVP_CIPHER_CTX *ctx = NULL;
	uint8_t *plain = NULL;
	size_t plain_len = 0;
	enum err_code rc;

	if (len < SEAL_OVERHEAD)
		return err_set(err, ERR_CORRUPT,
			"sealed bytes: %zu, at least %d", len, SEAL_OVERHEAD);
	if ((rc = check_sizes(len, aad_len, err)))
		return rc;
	plain_len = len - SEAL_OVERHEAD;
	plain = malloc(plain_len ? plain_len : 1);
	if (!plain || !(ctx = EVP_CIPHER_CTX_new())) {
		rc = err_nomem(err);
		goto out;
	}
	if (!decrypt(ctx, k, aad, aad_len, sealed, plain_len, plain)) {
		rc = err_set(err, ERR_CORRUPT,
			"sealed bytes: %zu that do not match their tag", len);
		goto out;
	}
	if (plain_len)
		memcpy(out, plain, plain_len);
out:
	EVP_CIPHER_CTX_free(ctx);
	if (plain)
		OPENSSL_cleanse(plain, plain_len);
	free(plain);
	return rc;
}
