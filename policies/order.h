/* order.h - what officers order: holds, restrictions, erasures, and their ends.
 *
 * An order is a text that officers sign (SSHSIG, namespace ORDER_NAMESPACE);
 * docs/format.md section 10 has its members.  It names records by log and
 * sequence, never a person.  All here is pure but order_new(), which asks for
 * the time and an id.
 */
#pragma once

#include "policies/rules.h"

#define ORDER_NAMESPACE "cundang-approval"
#define ORDER_TEXT_LIMIT ((size_t)512 << 10)
#define ORDER_SIGNATURES_LIMIT 16
#define ORDER_REASON_LIMIT 200 /* bytes */
#define ORDER_RECORDS_LIMIT 4096
#define ORDER_PARTS_LIMIT 4096
#define ORDER_RANGES_LIMIT 65536 /* of all parts together */

enum order_kind {
	ORDER_HOLD,	/* what it selects is not destroyed */
	ORDER_RELEASE,	/* ends a hold */
	ORDER_ERASE,	/* destroys parts */
	ORDER_CANCEL,	/* an erasure is not carried out */
	ORDER_RESTRICT, /* what it selects is kept, and shown to nobody */
	ORDER_LIFT,	/* ends a restriction */
};
#define ORDER_KINDS 6
const char *order_kind_name(enum order_kind kind); /* "hold" ... */
/* The system series of its records: "sys-hold" ... */
const char *order_series(enum order_kind kind);
/* Is the series one of orders? */
bool order_is_series(const char *series);

struct order_range {
	uint64_t from, to; /* half-open */
};
struct order_part {
	char origin[ORIGIN_SIZE];
	enum label label;
	struct order_range *range; /* ascending, apart */
	size_t count;
};
struct order_record {
	char origin[ORIGIN_SIZE];
	uint64_t seq;
};

struct order {
	enum order_kind kind;
	char domain[DOMAIN_SIZE];
	char id[UUID_TEXT_SIZE];
	char node[CODE_SIZE]; /* all that it names lies within this division */
	char reason[ORDER_REASON_LIMIT + 1];
	int64_t made_at;
	uint64_t rules; /* serial of the head it was made under */

	/* Of a hold or a restriction; at least one of them. */
	struct order_record *record; /* sorted, each once */
	size_t record_count;
	/* "" for none. */
	char series[SERIES_NAME_SIZE];
	char prefix[CODE_SIZE]; /* a code: what was captured there or below */
	char since[11], until[11]; /* dates, of the records' `at`, inclusive */

	char about[UUID_TEXT_SIZE]; /* the order that is ended or cancelled */

	/* Of an erasure. */
	struct order_part *part; /* sorted by origin, label */
	size_t part_count;
	struct digest holds; /* order_holds_digest() of what was seen */
	bool has_register;   /* a disposal; else a request of a person */
	struct digest reg;   /* SHA-256 of the register's JSON */
	int64_t not_before;
	bool accounts; /* it may destroy parts of series of accounts */

	struct digest digest; /* SHA-256 of the text */
};
void order_free(struct order *o); /* leaves it empty */

/* Pure: what may stand as the reason of an order.  ERR_USAGE. */
enum err_code order_reason_check(const char *reason, struct err *err);
/* Sets kind, domain, id, node, reason, made_at and rules. */
enum err_code order_new(enum order_kind kind, const struct rules *rules,
	const char *node, const char *reason, struct order *out,
	struct err *err);
/* Adds [from, to) to the part of origin and label, behind what is there: the
 * caller comes in the order of (origin, label, sequence). */
enum err_code order_add_part(struct order *o, const char *origin,
	enum label label, uint64_t from, uint64_t to, struct err *err);
/* In any order, a record twice counts once. */
enum err_code order_add_record(
	struct order *o, const char *origin, uint64_t seq, struct err *err);

/* Strict: exactly the canonical text, all members known.  ERR_INVALID,
 * ERR_LIMIT. */
enum err_code order_parse(
	const void *text, size_t len, struct order *out, struct err *err);
/* Appends the canonical text, and sets o->digest. */
enum err_code order_write(struct order *o, struct buf *out, struct err *err);

/* What stands for a list of holds: SHA-256 over the ids, sorted, each once with
 * a line feed.  Sorts `ids`. */
struct digest order_holds_digest(char (*ids)[UUID_TEXT_SIZE], size_t count);

/* Does the hold or restriction reach this record?  `code` is that of the log's
 * node, `at` the entry's. */
bool order_reaches(const struct order *o, const char *origin, const char *code,
	uint64_t seq, const char *series, const char *at);
/* The same by all but its list of records. */
bool order_reaches_beside(const struct order *o, const char *code,
	const char *series, const char *at);
bool order_has_record(const struct order *o, const char *origin, uint64_t seq);
/* Does the erasure name this part? */
bool order_names(const struct order *o, const char *origin, enum label label,
	uint64_t seq);

/* ---- with signatures: the fields of its record ---- */

struct signed_order {
	struct buf text;
	struct buf signature[ORDER_SIGNATURES_LIMIT];
	size_t count;
	struct buf reg; /* of a disposal that is entered: its register's text */
};
void signed_order_free(struct signed_order *s); /* leaves it empty */
enum err_code signed_order_add(
	struct signed_order *s, const void *armor, size_t len, struct err *err);
/* {"signatures":[ARMOR,...],"text":TEXT}; strict. */
enum err_code signed_order_parse(const void *fields, size_t len,
	struct signed_order *out, struct err *err);
/* NULL without memory. */
struct json *signed_order_json(const struct signed_order *s);

struct order_quorum {
	unsigned have, want;
};
/* Judges each signature by the officers of `rules`: it is one of these very
 * bytes, its key an officer's, whose role and scope cover all that the order
 * names, and no officer signed twice.  And the order itself: of this domain,
 * what it names within its node, the waiting time kept.  `about` is the order
 * that this one ends, NULL where there is none or it is not known: then the
 * scope has to cover the node of this one.  Whether the signatures are enough
 * is told by *q.  ERR_DENIED; ERR_BUSY when the head that it names is not
 * here yet. */
enum err_code order_judge(const struct rules *rules, const struct order *o,
	const struct signed_order *s, const struct order *about,
	struct order_quorum *q, struct err *err);
/* The same, and the signatures are enough. */
enum err_code order_check(const struct rules *rules, const struct order *o,
	const struct signed_order *s, const struct order *about,
	struct err *err);
