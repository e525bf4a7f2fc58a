/* sign.h - Ed25519 keys and signatures (RFC 8032, PureEdDSA). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/seal.h"

#define SIGN_PUBLIC_SIZE 32
#define SIGN_SEED_SIZE 32
#define SIGNATURE_SIZE 64

struct sign_public {
	uint8_t b[SIGN_PUBLIC_SIZE];
};
struct sign_key; /* a private key */

enum err_code sign_key_new(struct sign_key **out, struct err *err);
enum err_code sign_key_from_seed(const uint8_t seed[SIGN_SEED_SIZE],
	struct sign_key **out, struct err *err);
void sign_key_free(struct sign_key *k);
struct sign_public sign_key_public(const struct sign_key *k);
void sign_key_seed(const struct sign_key *k, uint8_t seed[SIGN_SEED_SIZE]);
/* May be called from any thread. */
enum err_code sign_make(const struct sign_key *k, const void *msg, size_t len,
	uint8_t sig[SIGNATURE_SIZE], struct err *err);
/* false also for keys of small order, which verify anything. */
bool sign_check(const struct sign_public *p, const void *msg, size_t len,
	const uint8_t sig[SIGNATURE_SIZE]);
/* A key that may be enrolled: a canonical point, not of small order. */
bool sign_public_sound(const struct sign_public *p);

/* PKCS#8 PEM, as `openssl pkey` reads it; 0600 by file_replace. */
enum err_code sign_key_save(
	const struct sign_key *k, const char *path, struct err *err);
enum err_code sign_key_load(
	const char *path, struct sign_key **out, struct err *err);

/* A P-256 key pair for sealing (crypto/cms.h); PEM file, 0600, and the
 * SubjectPublicKeyInfo in DER for the roster. */
#define SEAL_PUBLIC_SIZE 91
struct seal_public {
	uint8_t spki[SEAL_PUBLIC_SIZE];
};
struct seal_key; /* a private key */

enum err_code seal_key_create(const char *path, struct err *err);
enum err_code seal_key_load(
	const char *path, struct seal_key **out, struct err *err);
void seal_key_free(struct seal_key *k); /* NULL does nothing */
enum err_code seal_key_public(
	const char *path, struct buf *spki, struct err *err);
/* Is it one, and the point on the curve? */
bool seal_public_sound(const struct seal_public *p);
struct seal_public seal_key_own(const struct seal_key *k);
/* A secret for another use, which only who has the private key knows: HMAC of
 * the purpose under it.  seal_secret_wipe() it. */
enum err_code seal_key_secret(const struct seal_key *k, const char *purpose,
	struct seal_secret *out, struct err *err);
