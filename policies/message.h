/* message.h - the bytes of messages that carry logs (docs/protocol.md section
 * 4).  Internal to policies/.
 *
 * Parsers are pure and strict; what they give borrows from the input and is
 * not yet verified.
 */
#pragma once

#include "policies/marks.h"

#define MESSAGE_VERSION 1

struct checkpoint_message {
	char origin[ORIGIN_SIZE];
	uint64_t old_size; /* where the proof starts; 0: no proof */
	struct tree_proof proof;
	const void *note;
	size_t note_len;
};
void checkpoint_message_write(
	const struct checkpoint_message *m, struct buf *out);
enum err_code checkpoint_message_parse(const void *data, size_t len,
	struct checkpoint_message *out, struct err *err);

struct package_message {
	char origin[ORIGIN_SIZE];
	uint64_t tree_size, start, end;
	struct tree_proof proof; /* of [floor256(start), end) */
	struct marks marks;
	const void *run;
	size_t run_len;
};
/* Everything but the run's bytes, which follow. */
void package_message_write(const struct package_message *m, struct buf *out);
enum err_code package_message_parse(const void *data, size_t len,
	struct package_message *out, struct err *err);

/* Entries once more: those of one tile, with the parts of [from, to). */
struct entries_message {
	char origin[ORIGIN_SIZE];
	uint64_t tree_size, from, to;
	struct tree_proof proof; /* of the tile, as far as the tree goes */
	const void *run;
	size_t run_len;
};
/* Everything but the run's bytes, which follow. */
void entries_message_write(const struct entries_message *m, struct buf *out);
enum err_code entries_message_parse(const void *data, size_t len,
	struct entries_message *out, struct err *err);
/* The tile's end in a tree. */
uint64_t tile_end(uint64_t seq, uint64_t tree_size);

struct proved_message {
	const void *proof; /* a tlog-proof */
	size_t proof_len;
	struct marks marks;
	const void *run;
	size_t run_len;
};
void proved_message_write(const struct proved_message *m, struct buf *out);
enum err_code proved_message_parse(const void *data, size_t len,
	struct proved_message *out, struct err *err);

/* Where the subtree of a package starts. */
#define PACKAGE_FLOOR(seq) ((seq) & ~(uint64_t)(TILE_WIDTH - 1))
