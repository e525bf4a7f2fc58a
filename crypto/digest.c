/* digest.c - SHA-256 and HMAC-SHA-256, one shot and incremental. */

/* The low-level calls hash 65-byte tree nodes at 10 to 13 million a second,
 * EVP with a prefetched method at 6 to 7.  They are deprecated in OpenSSL 3
 * but there for its lifetime; only this file knows them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/digest.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define BLOCK_SIZE 64

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256),
	"SHA256_CTX does not fit struct sha256");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sha256),
	"struct sha256 is less aligned than SHA256_CTX");

static SHA256_CTX *context(struct sha256 *h)
{
	return (SHA256_CTX *)(void *)h->state;
}

void sha256_init(struct sha256 *h)
{
	SHA256_Init(context(h));
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	if (len)
		SHA256_Update(context(h), data, len);
}

struct digest sha256_final(struct sha256 *h)
{
	struct digest d;

	SHA256_Final(d.b, context(h));
	return d;
}

/* SHA256_Final() costs as much as two blocks: it copies, clears and cleanses.
 * Of a message whose last bytes begin a block all that can be done in place. */
struct digest sha256_finish(struct sha256 *h, uint8_t *last, size_t len)
{
	SHA256_CTX *c = context(h);
	size_t end = (len + 8) / BLOCK_SIZE * BLOCK_SIZE + BLOCK_SIZE;
	uint64_t bits;
	struct digest d;
	uint32_t word;

	if (c->num) {
		sha256_update(h, last, len);
		return sha256_final(h);
	}
	bits = htobe64(((uint64_t)c->Nh << 32 | c->Nl) + 8 * (uint64_t)len);
	last[len] = 0x80;
	memset(last + len + 1, 0, end - 8 - len - 1);
	memcpy(last + end - 8, &bits, 8);
	SHA256_Update(c, last, end);
	for (int i = 0; i < DIGEST_SIZE / 4; i++) {
		word = htobe32(c->h[i]);
		memcpy(d.b + 4 * i, &word, 4);
	}
	return d;
}

struct digest digest_of(const void *data, size_t len)
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, data, len);
	return sha256_final(&h);
}

static void pad_state(
	struct sha256 *h, const uint8_t key[BLOCK_SIZE], uint8_t pad)
{
	uint8_t block[BLOCK_SIZE];

	for (size_t i = 0; i < BLOCK_SIZE; i++)
		block[i] = key[i] ^ pad;
	sha256_init(h);
	sha256_update(h, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

void hmac_init(struct hmac_key *k, const void *key, size_t len)
{
	uint8_t block[BLOCK_SIZE] = {0};

	if (len > BLOCK_SIZE) {
		struct digest d = digest_of(key, len);

		memcpy(block, d.b, sizeof(d.b));
		OPENSSL_cleanse(&d, sizeof(d));
	} else if (len) {
		memcpy(block, key, len);
	}
	pad_state(&k->inner, block, 0x36);
	pad_state(&k->outer, block, 0x5c);
	OPENSSL_cleanse(block, sizeof(block));
}

void hmac_fini(struct hmac_key *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

struct digest hmac_finish(
	const struct hmac_key *k, struct sha256 *h, uint8_t *last, size_t len)
{
	struct digest d = sha256_finish(h, last, len);
	uint8_t inner[DIGEST_SIZE + SHA256_PAD];

	memcpy(inner, d.b, DIGEST_SIZE);
	*h = k->outer;
	return sha256_finish(h, inner, DIGEST_SIZE);
}

struct digest hmac_of(const struct hmac_key *k, const void *data, size_t len)
{
	struct sha256 h = k->inner;
	uint8_t nothing[SHA256_PAD];

	sha256_update(&h, data, len);
	return hmac_finish(k, &h, nothing, 0);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return CRYPTO_memcmp(a->b, b->b, DIGEST_SIZE) == 0;
}

int digest_compare(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_SIZE);
}

void digest_base64url(const struct digest *d, char out[DIGEST_TEXT_SIZE])
{
	base64url_encode(d->b, DIGEST_SIZE, out);
}

bool digest_from_base64url(const char *s, size_t len, struct digest *out)
{
	struct digest d;
	size_t got;

	if (len != DIGEST_TEXT_SIZE - 1 ||
		!base64url_decode(s, len, d.b, sizeof(d.b), &got) ||
		got != DIGEST_SIZE)
		return false;
	*out = d;
	return true;
}

void digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE])
{
	hex_encode(d->b, DIGEST_SIZE, out);
}

bool digest_from_hex(const char *s, size_t len, struct digest *out)
{
	struct digest d;

	if (len != DIGEST_HEX_SIZE - 1 || !hex_decode(s, len, d.b, sizeof(d.b)))
		return false;
	*out = d;
	return true;
}
