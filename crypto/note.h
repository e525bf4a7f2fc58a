/* note.h - C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sign.h"
#include "crypto/tree.h"

#define NOTE_SIZE_LIMIT ((size_t)64 << 10)
#define NOTE_SIGNATURES_LIMIT 64
#define NOTE_NAME_SIZE 128 /* key names and origins, with the NUL */
#define VKEY_SIZE 256

enum note_type { NOTE_ED25519 = 0x01, NOTE_COSIGNATURE = 0x04 };

/* Who may sign: a vkey without its text. */
struct note_key {
	char name[NOTE_NAME_SIZE];
	enum note_type type;
	struct sign_public pub;
	uint32_t id; /* SHA-256(name LF type pub)[0:4] */
};
/* No space, no "+", no control byte, valid UTF-8, not empty, and not
 * "cosignature/v1". */
bool note_name_valid(const char *name, size_t len);
enum err_code note_key_make(const char *name, enum note_type type,
	const struct sign_public *pub, struct note_key *out, struct err *err);
void note_key_vkey(const struct note_key *k, char out[VKEY_SIZE]);
enum err_code note_key_parse(
	const char *vkey, struct note_key *out, struct err *err);

struct note_line {
	char name[NOTE_NAME_SIZE];
	uint32_t id;
	const char *raw; /* base64 of id and signature, borrowed */
	size_t raw_len;
};
/* A parsed note; borrows the bytes it was parsed from. */
struct note {
	const char *text; /* what is signed, with its last "\n" */
	size_t text_len;
	size_t count;
	struct note_line line[NOTE_SIGNATURES_LIMIT];
};
/* ERR_PROTOCOL when the bytes are not a note. */
enum err_code note_parse(
	const void *data, size_t len, struct note *out, struct err *err);
enum note_verdict { NOTE_ABSENT, NOTE_GOOD, NOTE_BAD };
/* Looks for lines of the key (name and id) and checks them; for a cosignature
 * key, *time (may be NULL) is its claimed POSIX time. */
enum note_verdict note_check(
	const struct note *n, const struct note_key *k, uint64_t *time);

struct checkpoint {
	char origin[NOTE_NAME_SIZE];
	uint64_t size;
	struct digest root;
};
/* The three lines; extension lines and an empty tree with a root are refused
 * (ERR_PROTOCOL). */
enum err_code checkpoint_parse(
	const char *text, size_t len, struct checkpoint *out, struct err *err);
/* Appends the three lines. */
void checkpoint_text(const struct checkpoint *cp, struct buf *out);
/* Appends a whole note: text, blank line, the log key's line; the key's name
 * is the origin. */
enum err_code checkpoint_sign(const struct checkpoint *cp,
	const struct sign_key *k, struct buf *out, struct err *err);
/* Appends the line of one more log key to such a note. */
enum err_code checkpoint_sign_too(const struct checkpoint *cp,
	const struct sign_key *k, struct buf *out, struct err *err);
/* Parses a note and its checkpoint and checks the log's signature: the log
 * key's name must be the origin.  ERR_DENIED when it is absent or bad. */
enum err_code checkpoint_open(const void *data, size_t len,
	const struct sign_public *log_key, struct note *note,
	struct checkpoint *cp, struct err *err);
/* Appends one signature line: a cosignature by `name` at POSIX `time`. */
enum err_code checkpoint_cosign(const struct note *note, const char *name,
	const struct sign_key *k, uint64_t time, struct buf *out,
	struct err *err);
/* Appends a note of a's text with a's and b's signature lines, once each (the
 * newest cosignature of a key wins); the texts must be equal (ERR_USAGE).
 * Signatures are not checked here: merge what note_check() found good. */
enum err_code note_merge(const struct note *a, const struct note *b,
	struct buf *out, struct err *err);

/* C2SP tlog-proof: index, inclusion proof, checkpoint.  `extra` may be NULL. */
#define PROOF_SIZE_LIMIT ((size_t)4 << 20)
void proof_write(uint64_t index, const struct tree_proof *p, const void *extra,
	size_t extra_len, const char *note, size_t note_len, struct buf *out);
struct proof {
	uint64_t index;
	struct tree_proof path;
	uint8_t *extra; /* heap, or NULL */
	size_t extra_len;
	const char *note; /* borrowed */
	size_t note_len;
};
/* ERR_PROTOCOL when the bytes are not such a proof; the note is not yet parsed
 * then, nor anything verified.  out is proof_fini()'s only after success. */
enum err_code proof_parse(
	const void *data, size_t len, struct proof *out, struct err *err);
void proof_fini(struct proof *p);
