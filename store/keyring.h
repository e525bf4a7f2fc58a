/* keyring.h - the file of block and attachment keys, wrapped.  Internal to
 * store/.
 *
 * DATA/keyring holds every key under the master key of DATA/keys/master.
 * Adding appends and syncs.  Dropping rewrites the whole file under a fresh
 * master key, so that a dropped key opens nothing, not even in an old copy of
 * the keyring read with today's master key.  docs/format.md section 5.
 */
#pragma once

#include "crypto/crypto.h"

struct keyring;

/* `data` is the node's data directory; creates both files when `create` and
 * neither is there.  A writer removes what a crash left of replaced files in
 * DATA and DATA/keys.  ERR_CORRUPT names the file and the first bad record. */
enum err_code keyring_open(const char *data, bool create, bool read_only,
	struct keyring **out, struct err *err);
void keyring_close(struct keyring *k);
/* Makes and durably adds `count` keys with fresh ids (never reused).  One
 * fdatasync in all. */
enum err_code keyring_add(
	struct keyring *k, uint64_t *ids, size_t count, struct err *err);
/* ERR_NOT_FOUND for a dropped or unknown key.  A read-only keyring rereads the
 * files when they changed.  Safe from any thread. */
enum err_code keyring_get(struct keyring *k, uint64_t id,
	struct seal_secret *out, struct err *err);
/* Durable when it returns; crash points between the steps. */
enum err_code keyring_drop(
	struct keyring *k, const uint64_t *ids, size_t count, struct err *err);
/* The id of the key that is added next. */
uint64_t keyring_next(struct keyring *k);
/* Are keys missing at the end, of those that the header tells or of those below
 * `next`?  *last is the id of the last that is there, or 0. */
bool keyring_short(struct keyring *k, uint64_t next, uint64_t *last);
/* Goes on without what is missing, durably; no key gets an id below `next`:
 * such ids are lost, not free. */
enum err_code keyring_forgo(struct keyring *k, uint64_t next, struct err *err);
/* Every id, for scanners. */
typedef enum err_code keyring_visit(void *arg, uint64_t id, struct err *err);
enum err_code keyring_each(
	struct keyring *k, keyring_visit *visit, void *arg, struct err *err);
