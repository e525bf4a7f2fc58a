/* ids.h - records by their id: in the index, and those of a batch that are
 * still to be written.  Internal to store/.
 *
 * In the index an id is a print of four bytes (finder.h), as ids in full would
 * take more room than all the rest of it.  A batch keeps its own in full.
 */
#pragma once

#include "store/entry.h"
#include "store/index.h"

struct id_row {
	uint8_t uuid[UUID_SIZE];
	uint64_t arrival;
	uint32_t rev;  /* less one: 1..REV_LIMIT in four bytes */
	uint32_t next; /* head of another id, in the same slot */
	uint32_t more; /* of the same id; 0 is none, as in all of these */
	uint32_t last; /* in a head: of the same id */
};

/* All zero is empty. */
struct ids {
	struct id_row *rows; /* from 1 on */
	size_t count, cap;
	uint32_t *slots;
	size_t slot_count;
	uint64_t seed[2]; /* ids come from outside: they must not aim */
};
enum err_code ids_add(struct ids *s, const struct entry *e, uint64_t arrival,
	struct err *err);
/* The first row of the id, or 0; the following ones by `more`. */
uint32_t ids_find(const struct ids *s, const uint8_t uuid[UUID_SIZE]);
/* Writes their prints into the index and forgets the rows. */
enum err_code ids_flush(struct ids *s, struct index_txn *t, struct err *err);
void ids_free(struct ids *s); /* leaves it empty */

/* Tells arrivals that may have the id, in their order; a visit that returns an
 * error ends it. */
typedef enum err_code id_visit(void *arg, uint64_t arrival, struct err *err);
enum err_code ids_each(struct index_txn *t, const uint8_t uuid[UUID_SIZE],
	id_visit *visit, void *arg, struct err *err);
/* Whether all of them are known; the rows' ids and arrivals are looked at. */
enum err_code ids_known(struct index_txn *t, const struct id_row *rows,
	size_t count, bool *all, struct err *err);
