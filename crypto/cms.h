/* cms.h - bytes sealed to people: CMS (RFC 5652) to P-256 keys.
 *
 * AuthEnvelopedData (RFC 5083), AES-256-GCM, ECDH with X9.63 and SHA-256; stock
 * `openssl cms -decrypt` opens it.  Who can open it does not show: recipients
 * bear random identifiers, and there are always a multiple of CMS_CROWD.
 */
#pragma once

#include <stdint.h>

#include "base/base.h"
#include "crypto/sign.h"

#define CMS_PLAIN_LIMIT ((size_t)512 << 10)
#define CMS_SIZE_LIMIT ((size_t)700 << 10)
#define CMS_RECIPIENTS_LIMIT 64
#define CMS_CROWD 4

/* Appends the DER.  ERR_LIMIT past the limits, ERR_INVALID when a key is no
 * point of the curve. */
enum err_code cms_seal(const struct seal_public *to, size_t count,
	const void *plain, size_t len, struct buf *out, struct err *err);
/* Appends the plaintext, wipe it.  ERR_DENIED when it was not sealed to the
 * key, ERR_CORRUPT when it is not what cms_seal() writes, or was altered. */
enum err_code cms_open(const struct seal_key *key, const void *cms, size_t len,
	struct buf *plain, struct err *err);
