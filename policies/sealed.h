/* sealed.h - records of sealed series: a message to people, which whoever
 * carries it cannot read, and what is in it (docs/format.md section 1.1).
 *
 * An entry `sealed` says nothing of what it holds; the message in its part has
 * series, id, revision and the parts as they would stand without it.
 */
#pragma once

#include "policies/node.h"

/* What the message says, as a record like any other. */
struct opened {
	struct entry entry;
	struct record record;
	struct buf text, part[LABEL_COUNT];
};
/* Wipes it; of one that is all zero nothing is done. */
void opened_free(struct opened *o);

/* Pure; fuzzed.  ERR_CORRUPT when the plaintext is not what nodes write, or not
 * of the record with this entry. */
enum err_code sealed_parse(const struct entry *outer, const void *plain,
	size_t len, struct opened *out, struct err *err);
/* ERR_NOT_FOUND when the record is not sealed or its part is not here,
 * ERR_DENIED when it is sealed to other keys, ERR_CORRUPT. */
enum err_code sealed_open(const struct seal_key *key, const struct record *r,
	struct opened *out, struct err *err);
/* What is shown of a record at this node: `r`, or where it is sealed to the
 * node's own key too, what is in it. */
const struct record *sealed_shown(
	struct node *n, const struct record *r, struct opened *room);
/* {"series","id","node","created_at","rev","fields"}: all of it. */
enum err_code opened_document(
	const struct opened *o, struct json **out, struct err *err);

/* ---- where it is captured ---- */

/* The newest revision of an id in the own logs. */
struct sealed_place {
	uint64_t rev; /* 0: there is none */
	struct log_info log;
	uint64_t seq;
	uint8_t uuid[UUID_SIZE]; /* of its entry */
};
/* Through the batch where there is one, else in the store. */
enum err_code sealed_newest(struct node *n, struct batch *b,
	const uint8_t uuid[UUID_SIZE], struct sealed_place *out,
	struct err *err);
/* The same for revision `rev`, 0 in out->rev when there is none. */
enum err_code sealed_revision(struct node *n, struct batch *b,
	const uint8_t uuid[UUID_SIZE], uint64_t rev, struct sealed_place *out,
	struct err *err);

/* As point_find(), and for the id of what was sealed at this node, too. */
struct point;
enum err_code sealed_find(struct node *n, const struct point *p,
	struct log_info *log, uint64_t *seq, struct err *err);

struct sealed_draft {
	const struct rules *rules;
	const struct series *series;
	struct entry entry;	     /* of its first revision, not sealed */
	const struct record *record; /* its parts */
	uint64_t rev;
	const uint8_t
		*before; /* the entry's id of the revision before, or NULL */
};
/* Seals it, and appends it to the own log. */
enum err_code sealed_append(struct batch *b, struct node *n,
	const struct log_info *own, const struct sealed_draft *d, uint64_t *seq,
	struct digest *leaf, struct err *err);
