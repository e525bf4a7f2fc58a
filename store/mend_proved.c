/* mend_proved.c - a single entry that was damaged, once more with its proof. */
#include <inttypes.h>

#include "store/batch.h"

enum err_code mend_proved_put(
	const struct view *v, uint32_t log, uint64_t seq, struct err *err)
{
	struct key k = key_of_seq(log, seq);
	struct key value = KEY_EMPTY;

	key_u64(&value, seq);
	return index_put(
		v->txn, DB_MENDED, key_bytes(&k), key_bytes(&value), err);
}

bool mend_proved_is(const struct view *v, uint32_t log, uint64_t seq)
{
	struct key k = key_of_seq(log, seq);

	return index_get(v->txn, DB_MENDED, key_bytes(&k), NULL, NULL) ==
		ERR_OK;
}

/* It keeps its number of arrival. */
static enum err_code find_again(struct batch *b, const struct pending *p,
	const struct entry *e, struct err *err)
{
	struct finds finds = {&b->prints, &b->print_count, &b->print_cap};
	uint64_t arrival;
	enum err_code rc =
		arrival_find(b->view.txn, p->log, p->seq, 1, &arrival, err);

	if (rc)
		return rc;
	return arrival ? mend_finds(&b->view, &b->ids, &finds, e, &p->leaf,
				 p->log, p->seq, arrival, err)
		       : batch_arrive(b, p, e, err);
}

enum err_code batch_mend_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *from, const void *proof, size_t proof_len,
	struct err *err)
{
	struct record r = *from;
	struct batch_log *l;
	struct entry_place at;
	uint8_t erased;
	struct entry e;
	enum err_code rc;

	if ((rc = batch_log_of(b, log, &l, err)) ||
		(rc = entry_locate_proved(&b->view, log, seq, &at, err)) ||
		(rc = view_erased(&b->view, log, seq, &erased, NULL, err)))
		return rc;
	/* What was destroyed here does not come back by a peer. */
	r.have &= b->s->marks_lost ? 0 : (uint8_t)~erased;
	r.digested = 0;
	if ((rc = batch_place_proved(
		     b, log, seq, &r, proof, proof_len, &e, err)))
		return rc;
	if ((rc = mend_proved_put(&b->view, log, seq, err)) ||
		(rc = find_again(
			 b, &b->pending[b->pending_count - 1], &e, err)))
		b->spoiled = rc;
	return rc;
}
