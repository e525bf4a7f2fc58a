/* asked.h - what an auditor asks of one record: which rules held, who signed
 * them, and when it may go.
 */
#pragma once

#include "policies/due.h"
#include "policies/governance.h"

/* The head that held where the record was captured: that of the last sys-policy
 * before it in its log.  ERR_NOT_FOUND where this node does not know it: of a
 * log of which it has single entries only, or where damage may hide a later
 * one. */
enum err_code asked_rules(struct node *n, const struct log_info *log,
	uint64_t seq, uint64_t *serial, struct err *err);

enum asked_state {
	ASKED_NONE,	 /* the series has no such label */
	ASKED_DESTROYED, /* or nobody has it any more */
	ASKED_FOR_EVER,
	ASKED_OPEN,   /* the period has not begun, or is not known here */
	ASKED_ENDS,   /* it may be destroyed from `since` on */
	ASKED_SEALED, /* only the node that captured it can tell */
};
struct asked_retention {
	enum asked_state state;
	char period[8]; /* the longer one of capture and now */
	int64_t since;
};
/* Of each label of a record of a series, by `rules`.  Goes through the records
 * of that series here.  ERR_NOT_FOUND where the rules do not know the
 * series. */
enum err_code asked_retention(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq,
	struct asked_retention out[LABEL_COUNT], struct err *err);
