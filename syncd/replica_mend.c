/* replica_mend.c - what a peer gave of what is damaged here: verified, stored,
 * and what to ask for next. */
#include "syncd/ask.h"

static enum repair_side side_of(const struct ask *a)
{
	return a->role == SESSION_CHILD ? REPAIR_PARENT : REPAIR_CHILD;
}

static enum err_code store_job(struct batch *b, void *arg, struct err *err)
{
	return brought_store(b, arg, err);
}

static enum err_code mend(struct ask *a, struct replica *r, struct err *err)
{
	struct brought *b = NULL;
	uint64_t count;
	uint64_t useful;
	enum err_code rc;

	if ((rc = exchange_take_entries(r->node, r->rules, &a->again,
		     a->data.data + a->head, a->data.len - a->head, &b, &count,
		     &useful, err)))
		return rc;
	if (useful)
		rc = writer_run(r->writer, store_job, b, err);
	brought_free(b);
	if (rc == ERR_OK)
		rc = repair_stored(
			r->node, &a->again, side_of(a), count, useful, err);
	a->changed = rc == ERR_OK && useful;
	return rc;
}

/* What does not verify is not asked of that peer again. */
enum err_code mend_run(struct ask *a, struct replica *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (a->data.len)
		rc = mend(a, r, err);
	if (rc == ERR_FULL || rc == ERR_IO || rc == ERR_NOMEM)
		return rc;
	if (rc || !a->data.len)
		repair_denied(r->node, &a->again, side_of(a));
	a->lacks = repair_next(r->node, a->peer, side_of(a), &a->again);
	return rc;
}
