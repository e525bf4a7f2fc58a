/* staged.h - attachment bytes that a following put refers to, in memory.
 *
 * Held as memfds, never on disk: what is put is written encrypted, and a crash
 * leaves nothing.  Found by the SHA-256 of the plain bytes.  Any thread.
 */
#pragma once

#include "crypto/crypto.h"

#define STAGED_FILE_LIMIT ((uint64_t)64 << 20)
#define STAGED_TOTAL_LIMIT ((uint64_t)256 << 20)
#define STAGED_FILES_LIMIT 512
#define STAGED_UNUSED_MS 600000 /* kept so long */
#define STAGED_USED_MS 30000	/* after a put found it */

struct staged;

struct staged *staged_new(void); /* NULL when out of memory */
void staged_free(struct staged *s);
/* Copies the bytes.  ERR_USAGE when `name` is not their SHA-256, ERR_LIMIT for
 * one too large, ERR_BUSY when what waits already fills the room. */
enum err_code staged_add(struct staged *s, const struct digest *name,
	const void *data, size_t len, struct err *err);
/* An attachment_find (policies/capture.h); `staged` is the struct. */
enum err_code staged_find(
	void *staged, const struct digest *plain, char **path, struct err *err);
/* Between these the descriptors behind found paths stay open. */
void staged_hold(struct staged *s);
void staged_release(struct staged *s);
/* Drops what is too old, unless somebody holds. */
void staged_expire(struct staged *s);
uint64_t staged_bytes(struct staged *s);
