/* attachment.h - files beside the records: encrypted, resumable, by object
 * name.
 *
 * An object's name is SHA-256(16-byte salt, content).  It lies in
 * DATA/attachments/xx/NAME as chunks of 64 KiB, each sealed under the object's
 * own key with its number as associated data.  What is on its way lies in
 * DATA/attachments/incoming/ and resumes at a whole chunk.
 */
#pragma once

#include "crypto/crypto.h"

struct keyring;
struct attachment_writer;
struct attachment_reader;

#define ATTACHMENT_CHUNK ((size_t)64 << 10)
#define ATTACHMENT_SIZE_LIMIT ((uint64_t)4 << 30)
#define ATTACHMENT_SALT_SIZE 16

struct attachment_made {
	uint8_t salt[ATTACHMENT_SALT_SIZE];
	struct digest object; /* SHA-256(salt, content): its name */
	struct digest plain;  /* SHA-256(content) */
	uint64_t size;
};

/* A new object under a fresh salt. */
enum err_code attachment_create(const char *data, struct keyring *k,
	struct attachment_writer **out, struct err *err);
/* Goes on receiving `object` of `size` bytes with its known salt; *offset is
 * where the sender shall start.  Nothing is allocated by `size`. */
enum err_code attachment_resume(const char *data, struct keyring *k,
	const struct digest *object, const uint8_t salt[ATTACHMENT_SALT_SIZE],
	uint64_t size, struct attachment_writer **out, uint64_t *offset,
	struct err *err);
enum err_code attachment_write(struct attachment_writer *w, const void *data,
	size_t len, struct err *err);
/* Syncs, checks the name (ERR_PROTOCOL when a resumed one does not match: the
 * file is then gone) and moves it into place; the writer is closed in every
 * case. */
enum err_code attachment_finish(struct attachment_writer *w,
	struct attachment_made *out, struct err *err);
/* Stops for now: a resumed one stays for the next time, a created one goes. */
void attachment_pause(struct attachment_writer *w);
/* A record refers to the object, durably: until then a created one is noted in
 * attachments/incoming, for the sweep.  Cheap where it is not. */
void attachment_settled(const char *data, const struct digest *object);
bool attachment_noted(const char *data, const struct digest *object);
/* Removes what a crash left of created ones, and those noted that nothing
 * refers to (NULL: leaves them); only while none is being made. */
typedef enum err_code attachment_referred(void *arg,
	const struct digest *object, bool *referred, struct err *err);
enum err_code attachment_sweep(const char *data, struct keyring *k,
	attachment_referred *referred, void *arg, struct err *err);

bool attachment_here(const char *data, const struct digest *object);
enum err_code attachment_open(const char *data, struct keyring *k,
	const struct digest *object, struct attachment_reader **out,
	uint64_t *size, struct err *err);
/* Reads up to len bytes from offset; *got is 0 at the end.  ERR_CORRUPT when
 * the bytes do not open. */
enum err_code attachment_read(struct attachment_reader *r, uint64_t offset,
	void *out, size_t len, size_t *got, struct err *err);
void attachment_close(struct attachment_reader *r);
/* Unlinks it and gives the key to drop. */
enum err_code attachment_remove(const char *data, const struct digest *object,
	uint64_t *key_id, struct err *err);

/* Moves its file, which is damaged, to DATA/quarantine; none is fine. */
enum err_code attachment_set_aside(
	const char *data, const struct digest *object, struct err *err);

#define ATTACHMENT_KEYS 3 /* of an object's files */
/* For erasing: the keys of the object's file and of what is on its way, and
 * the end of its files.  None being there is fine. */
enum err_code attachment_keys(const char *data, const struct digest *object,
	uint64_t ids[ATTACHMENT_KEYS], size_t *count, struct err *err);
enum err_code attachment_destroy(
	const char *data, const struct digest *object, struct err *err);
/* For scanners: any file of the folder; a `partial` one has no last chunk. */
enum err_code attachment_open_path(const char *path, bool partial,
	struct keyring *k, struct attachment_reader **out, uint64_t *size,
	struct err *err);
