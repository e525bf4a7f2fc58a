/* logs.h - what exchange and archives ask of a log: its code, roots, notes,
 * and what its records show to whom.  Internal to policies/.
 */
#pragma once

#include "policies/capture.h"

/* The code in an origin, as a string of its own.  false = there is none. */
bool log_code(const char *origin, char out[CODE_SIZE]);
/* `iss` is the "domain/code" of `origin`. */
bool log_issuer_is(const char *origin, const char *iss);
/* The root at `size` that a note here signs; ERR_NOT_FOUND. */
enum err_code log_noted_root(struct store *s, uint32_t log, uint64_t size,
	struct digest *root, struct err *err);
/* The root at `size`, which is not beyond log->size.  ERR_CORRUPT where neither
 * the tree nor a note tells it any more. */
enum err_code log_root_at(struct store *s, const struct log_info *log,
	uint64_t size, struct digest *root, struct err *err);
/* A note of the store, parsed: `note` borrows from `bytes`, which the caller
 * frees. */
enum err_code log_note(struct store *s, uint32_t log, enum which_note which,
	struct buf *bytes, struct note *note, struct checkpoint *cp,
	struct err *err);
/* The newest checkpoint that is known of a log: its pending one, or where there
 * is none what is here. */
enum err_code log_known(struct store *s, const struct log_info *log,
	uint64_t *size, struct digest *root, struct err *err);

/* Opens a note of `origin` by the log key of the roster, or by one it had
 * before where the note is also cosigned by another node: what a replaced key
 * signed stands, but it signs no more; so with the key of a retired node.
 * Beyond the size that the roster tells for such a key nothing stands; up to it
 * the root's needs no cosignature, for nobody gives it any.  `key` is the one
 * that fits.  ERR_DENIED when there is none, ERR_PROTOCOL for a note of another
 * log. */
enum err_code log_note_open(const struct rules *rules, const char *origin,
	const void *data, size_t len, struct note *note, struct checkpoint *cp,
	struct note_key *key, struct err *err);

/* Appends the note with the line of `log_key` and those of witnesses of the
 * roster only; `cosignatures` counts those of nodes above the log's. ERR_DENIED
 * when a witness of the roster has a line that does not verify.  With
 * NOTE_BESIDE one more line by the log's name is kept: while a node changes its
 * key both sign, and whoever gets the note next may know the other one. */
enum note_lines { NOTE_JUDGED, NOTE_BESIDE };
enum err_code note_clean(enum note_lines lines, const struct rules *rules,
	const struct note *note, const struct note_key *log_key,
	struct buf *out, unsigned *cosignatures, struct err *err);
/* The witness key of the roster that made the line (its name is
 * "domain/code/witness"), one of before too.  false = there is none. */
bool witness_key(const struct rules *rules, const struct note_line *line,
	struct note_key *out);
/* Is that witness, which witness_key() took, a node above the log's? */
bool witness_above(const char *witness, const char *origin);

/* The labels that `holder` may hold of an entry of `code`'s log: those of its
 * series, cut by clearance; 0 where the series is not known. */
uint8_t entry_clearance(const struct rules *rules, const struct entry *e,
	const char *code, const char *holder);
