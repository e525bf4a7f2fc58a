/* seal.h - AES-256-GCM with random nonces. */
#pragma once

#include <stdint.h>

#include "crypto/digest.h"

#define SEAL_KEY_SIZE 32
#define SEAL_NONCE_SIZE 12
#define SEAL_TAG_SIZE 16
#define SEAL_OVERHEAD (SEAL_NONCE_SIZE + SEAL_TAG_SIZE)

struct seal_secret {
	uint8_t b[SEAL_KEY_SIZE];
};
enum err_code seal_secret_new(struct seal_secret *out, struct err *err);
void seal_secret_wipe(struct seal_secret *k);

/* out has len + SEAL_OVERHEAD bytes: nonce, ciphertext, tag. */
enum err_code seal_close(const struct seal_secret *k, const void *aad,
	size_t aad_len, const void *plain, size_t len, uint8_t *out,
	struct err *err);
/* out has len - SEAL_OVERHEAD bytes, written only when the tag holds, else
 * ERR_CORRUPT. */
enum err_code seal_open(const struct seal_secret *k, const void *aad,
	size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *out,
	struct err *err);
