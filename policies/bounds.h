/* bounds.h - which parts of a record a node may hold by the rules of now and by
 * those of its capture.  Internal to policies/. */
#pragma once

#include "policies/logs.h"

/* Of records of one log, and one holder. */
struct bounds {
	struct node *node;
	const struct rules *rules; /* of now */
	const struct log_info *log;
	char code[CODE_SIZE]; /* of the origin */
	const char *holder;
	/* The heads one of which held when the next record was made; `end` is
	 * where it stands, `asked` whether the log was asked at all. */
	bool asked;
	uint64_t end, first, last;
};
/* What follows of a record. */
struct bound {
	/* By now and by its capture: what is given.  Where nobody can tell the
	 * head of its capture, by all that it may have been. */
	uint8_t may;
	/* By all heads since: what a head between did not let through need not
	 * have arrived. */
	uint8_t must;
	bool sure; /* the head of its capture is known */
	bool fits; /* and it has the entry's number of labels, or one that it
		    * may have been */
};
/* `log` where records stand in their turn, NULL for single entries. `rules` are
 * those in force at the node.  ERR_PROTOCOL when `origin` is none. */
enum err_code bounds_begin(struct bounds *b, struct node *n,
	const struct rules *rules, const char *origin,
	const struct log_info *log, const char *holder, struct err *err);
/* The log is asked only for series whose clearance ever changed. */
enum err_code bounds_of(struct bounds *b, uint64_t seq, const struct entry *e,
	struct bound *out, struct err *err);
/* Behind this record, which came by a run, with its part internal. */
void bounds_past(struct bounds *b, uint64_t seq, const struct record *r);

/* Leaves of each record of a run what the holder may hold. */
enum err_code bounds_cut(struct bounds *b, struct run *run, struct err *err);
