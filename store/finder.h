/* finder.h - finds records by digests, or ids, of theirs in few bytes each.
 * Internal to store/.
 *
 * Sorted runs of (print, arrival), merged 16 at a time into larger ones.  A hit
 * is only a hint: the record must be looked at.  A print is four bytes that
 * depend on the index's salt: who sends records cannot aim at one, to have all
 * of them looked at for each.
 */
#pragma once

#include "crypto/crypto.h"
#include "store/index.h"

struct finder_entry {
	uint32_t print;
	uint64_t arrival;
};
struct finder_entry finder_entry_of(
	const struct index_txn *t, const struct digest *d, uint64_t arrival);
/* Half of a product, as hard to aim at as the keys are to guess. */
uint64_t mix_keyed(uint64_t a, uint64_t b, uint64_t key_a, uint64_t key_b);
/* Adds the entries of one commit (sorts them) to DB_DIGEST or DB_ID. */
enum err_code finder_add(struct index_txn *t, enum index_db db,
	struct finder_entry *entries, size_t count, struct err *err);
/* Tells arrivals that may have the digest; a visit that returns another code
 * than ERR_NOT_FOUND ends it.  ERR_NOT_FOUND when none did. */
typedef enum err_code finder_visit(
	void *arg, uint64_t arrival, struct err *err);
/* How many of the very entries are there. */
enum err_code finder_count(struct index_txn *t, enum index_db db,
	const struct finder_entry *entries, size_t count, size_t *found,
	struct err *err);
enum err_code finder_find(struct index_txn *t, enum index_db db,
	const struct digest *d, finder_visit *visit, void *arg,
	struct err *err);
