/* digest.h - SHA-256 and HMAC-SHA-256, one shot and incremental. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define DIGEST_SIZE 32
#define DIGEST_TEXT_SIZE BASE64URL_SIZE(32) /* 44: 43 characters and a NUL */
#define DIGEST_HEX_SIZE HEX_SIZE(32)

struct digest {
	uint8_t b[DIGEST_SIZE];
};

/* SHA-256 in progress; by value, nothing to free. */
struct sha256 {
	_Alignas(8) uint8_t state[112]; /* OpenSSL's SHA256_CTX */
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t len);
struct digest sha256_final(struct sha256 *h);
/* Room behind the last bytes, for what SHA-256 adds to a message. */
#define SHA256_PAD 72
/* As sha256_update() with the last `len` bytes and sha256_final(), in one call
 * of the hash: writes the padding into `last`, SHA256_PAD bytes behind them. */
struct digest sha256_finish(struct sha256 *h, uint8_t *last, size_t len);
struct digest digest_of(const void *data, size_t len);

/* A prepared HMAC key: the two pad states, so a short message costs two
 * compressions.  Wipe by hmac_fini(). */
struct hmac_key {
	struct sha256 inner, outer;
};
void hmac_init(struct hmac_key *k, const void *key, size_t len);
void hmac_fini(struct hmac_key *k);
struct digest hmac_of(const struct hmac_key *k, const void *data, size_t len);
/* Ends a message that began with a copy of k->inner; `last` is as in
 * sha256_finish(). */
struct digest hmac_finish(
	const struct hmac_key *k, struct sha256 *h, uint8_t *last, size_t len);

bool digest_equal(const struct digest *a, const struct digest *b);
int digest_compare(const struct digest *a, const struct digest *b);
void digest_base64url(const struct digest *d, char out[DIGEST_TEXT_SIZE]);
bool digest_from_base64url(const char *s, size_t len, struct digest *out);
void digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE]);
bool digest_from_hex(const char *s, size_t len, struct digest *out);
