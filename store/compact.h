/* compact.h - sealed segments are packed, and the index led over to them.
 * Internal to store/; store_compact() is in store.h. */
#pragma once

#include "store/inside.h"

/* For a batch that writes blocks anew, before it looks for any: what is packed
 * takes its segment's place in the batch's own transaction, or not at all. */
enum err_code compact_settle(const struct view *v, struct err *err);
/* Blocks of the segment were written anew elsewhere: it is looked at again. */
enum err_code compact_again(
	struct index_txn *t, uint32_t number, struct err *err);
/* ERR_CORRUPT when a segment was packed that the index still leads to as it was
 * before: an older index stands beside newer segments. */
enum err_code compact_fits(struct store *s, struct err *err);
/* The index leads to the files as they are. */
enum err_code compact_note(
	struct store *s, struct index_txn *t, struct err *err);
/* Ends what a crash left; for a writer that opens. */
enum err_code compact_recover(struct store *s, struct err *err);
/* Removes files that nothing leads to, overwritten where an erasure has
 * something to destroy. */
enum err_code compact_sweep(struct store *s, struct err *err);
/* The id of the segment that the index is being led over to, or 0. */
enum err_code compact_underway(
	struct index_txn *t, uint32_t *id, struct err *err);

/* A thread that packs while somebody writes. */
struct compactor;
enum err_code compactor_start(
	struct store *s, struct compactor **out, struct err *err);
void compactor_wake(struct compactor *c); /* NULL does nothing */
/* Breaks off what it is about.  NULL does nothing. */
void compactor_stop(struct compactor *c);
