/* shown.c - a record as whoever asks may see it: restricted or not. */
#include "policies/orders.h"
#include "policies/sealed.h"

enum err_code orders_check_shown(struct node *n, const char *origin,
	uint64_t seq, const struct entry *e, struct err *err)
{
	struct restriction r;
	enum err_code rc;

	if ((rc = orders_catch_up(n, err)) ||
		(rc = orders_restricted(n, origin, seq, e, &r, err)))
		return rc;
	return r.order[0]
		? err_set(err, ERR_DENIED,
			  "the record is restricted by order %s", r.order)
		: ERR_OK;
}

enum err_code view_shown(struct node *n, const struct rules *rules,
	const char *origin, uint64_t seq, const struct record *r,
	struct json **out, struct err *err)
{
	struct opened opened = {.text = BUF_EMPTY};
	struct restriction by;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)) ||
		(rc = orders_catch_up(n, err)) ||
		(rc = orders_restricted(n, origin, seq, &e, &by, err)))
		return rc;
	if (by.order[0])
		return view_restricted(origin, seq, r, &by, out, err);
	rc = view_document(rules, origin, seq, sealed_shown(n, r, &opened),
		VIEW_MASKED, out, err);
	opened_free(&opened);
	return rc;
}
