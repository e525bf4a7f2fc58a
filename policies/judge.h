/* judge.h - whether a record that another node brings is what it should be:
 * entry, parts, clearance.  Internal to policies/. */
#pragma once

#include "policies/bounds.h"

/* What records of one log are judged by. */
struct judge {
	struct node *node; /* the taker */
	const struct rules *rules;
	const char *origin;
	char code[CODE_SIZE]; /* of the origin */
	/* The log where records come in turn, NULL for single entries. */
	const struct log_info *log;
	struct bounds bounds;
};
/* ERR_PROTOCOL when `origin` is none. */
enum err_code judge_begin(struct judge *j, struct node *n,
	const struct rules *rules, const char *origin,
	const struct log_info *log, struct err *err);
/* Records of a run in their order; `seq` is the record's place.  ERR_DENIED: a
 * part above our clearance, now or at its capture, or one is missing that we
 * should hold; ERR_PROTOCOL: something else is wrong with it.  A record from
 * before the rules changed needs no more parts than all rules since its own
 * time say. */
enum err_code judge_record(
	struct judge *j, uint64_t seq, const struct record *r, struct err *err);
/* The same of a record that is here and damaged: it may lack any part, and we
 * may hold all of our own. */
enum err_code judge_again(
	struct judge *j, uint64_t seq, const struct record *r, struct err *err);
