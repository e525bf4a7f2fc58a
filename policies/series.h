/* series.h - a kind of record: its fields, their labels, who may hold what.
 *
 * Loaded from series/NAME.yaml of the governance tree.  A path names a value
 * in a document's fields: "applicant.id_no", "members[].phone", "tags[]" (the
 * scalars of an array).  docs/rules.md has the grammar and every type.
 */
#pragma once

#include "store/store.h"

#define SERIES_TEXT_LIMIT ((size_t)256 << 10)
#define SERIES_FIELDS_LIMIT 256
#define FIELD_PATH_SIZE 128

enum rank { RANK_VILLAGE, RANK_TOWNSHIP, RANK_COUNTY };
#define RANK_COUNT 3
const char *rank_name(enum rank r); /* "village" ... */
bool rank_parse(const char *s, enum rank *out);

#define RANK_BIT(r) ((uint8_t)(1u << (r)))
#define RANK_ALL ((uint8_t)(RANK_BIT(RANK_COUNT) - 1))

enum direction { DIRECTION_UP, DIRECTION_DOWN };
/* Where records go that are sent down. */
enum reach {
	REACH_BELOW, /* to all below who sends */
	REACH_NODE,  /* to the division the record is about, and on the way */
};

enum period_unit { PERIOD_FOREVER, PERIOD_YEARS, PERIOD_DAYS };
struct period {
	enum period_unit unit;
	unsigned count;
	bool temporary; /* "T...": may end by itself */
};
/* "Y", "D30", "D10", "T3y", "T90d" (1 to 999); false = it is none. */
bool period_parse(const char *s, struct period *out);

enum field_type {
	TYPE_STRING, /* one line */
	TYPE_TEXT,   /* may hold line feeds */
	TYPE_INTEGER,
	TYPE_NUMBER,
	TYPE_BOOLEAN,
	TYPE_DATE,  /* YYYY-MM-DD */
	TYPE_TIME,  /* RFC 3339 with an offset */
	TYPE_NAME,  /* a person's */
	TYPE_ID_NO, /* GB 11643, check digit and date */
	TYPE_PHONE, /* mobile or landline; "" stands for none */
	TYPE_ADDRESS,
	TYPE_DIVISION,	/* 12-digit code */
	TYPE_CHOICE,	/* one of `choices` */
	TYPE_MONEY,	/* whole 分 */
	TYPE_USCC,	/* GB 32100, check character */
	TYPE_BANK_CARD, /* 16 to 19 digits, Luhn */
};
const char *field_type_name(enum field_type type); /* "id_no" ... */

/* How a derived value is made from its raw sibling; the sibling's name has
 * "_masked" behind. */
enum derive { DERIVE_NONE, DERIVE_MASK };

struct field {
	char path[FIELD_PATH_SIZE];
	enum field_type type;
	enum label label;
	/* In the document, or in each element of the innermost array that its
	 * path goes through: required too are the objects on the way. */
	bool required;
	enum derive derive;
	enum label derive_label;
	/* A date of birth or identity number: what is personal in the object
	 * that it lies in is sensitive when it tells of somebody under 18. */
	bool minors;
	char **choices; /* NULL-terminated, or NULL */
	char *title;	/* Chinese, for people, or NULL */
};

/* What is told to the nodes above about the records of a month: how many there
 * were, and how many of each choice of some fields (policies/aggregate.h). */
#define AGGREGATE_FIELDS_LIMIT 4
#define AGGREGATE_K_LEAST 5
#define AGGREGATE_K_MOST 1000
struct aggregate_rule {
	unsigned k; /* the least count that is told; 0: none is made */
	const struct field *by[AGGREGATE_FIELDS_LIMIT];
	size_t by_count;
};

#define SEAL_ROLE_SIZE 32 /* [a-z][a-z0-9-]*, with the NUL */
bool seal_role_valid(const char *s);

struct series {
	char name[SERIES_NAME_SIZE];
	char *title; /* Chinese, for people */
	char *plan;  /* the plan's phrase it serves */
	enum direction direction;
	enum reach reach; /* of what is sent down */
	uint8_t senders;  /* RANK_BITs whose records go down */
	bool urgent;	  /* lane 0 */
	bool system;	  /* built in */
	bool accounts;	  /* more officers sign for its destruction */
	/* Whose keys its records are sealed to: a role of seals.yaml, or ""
	 * where they are not. */
	char sealed[SEAL_ROLE_SIZE];
	bool attachments; /* may have some */
	enum label attachments_label;
	uint8_t labels; /* LABEL_BITs its documents can have: one part each */
	uint8_t clearance[RANK_COUNT]; /* LABEL_BITs a rank may hold */
	char *retention[LABEL_COUNT];  /* "Y", "D30", "D10", "T3y", "T90d" */
	char *anchor[LABEL_COUNT];   /* path of the date it starts at, or NULL:
				      * the document's created_at */
	bool automatic[LABEL_COUNT]; /* ends by itself; "T..." only */
	struct aggregate_rule aggregate;
	struct field *fields;
	size_t field_count;
	struct shape *shape; /* the fields as a tree (policies/shape.h) */
};

/* From YAML; strict: unknown and duplicate keys, missing labels, a series
 * without clearance or retention, kinds of fields that must not be are
 * ERR_INVALID with the line and the remedy.  `file` is for messages. */
enum err_code series_load(const char *file, const void *yaml, size_t len,
	struct series **out, struct err *err);
/* The built-in series sys-* and `sealed`; NULL when the name is none of them.
 */
const struct series *series_system(const char *name);
/* The i-th of them; NULL past the last. */
const struct series *series_system_at(size_t i);
void series_free(struct series *s); /* NULL and built-in ones: nothing */

/* ---- values (policies/value.c) ---- */

/* NULL when the value, in its normal form, is of the type, else the reason as a
 * constant text. */
const char *value_check(const struct field *f, const struct json *v);

struct value_text {
	const char *s;
	size_t len;
};
#define VALUE_ROOM 1024
/* A string as it is stored: without stray spaces, full-width digits and letters
 * narrow, capitals where the type has only capitals, times at +08:00
 * (docs/rules.md says which type has what).  Of what is not of the type nothing
 * is promised but that its own normal form is the same.  `s` is valid UTF-8;
 * the answer lies there or in `room`. */
struct value_text value_normal(
	enum field_type type, const char *s, size_t len, char room[VALUE_ROOM]);
/* Does a date of birth or an identity number say that somebody was under 18 at
 * `at`, a text that begins with YYYY-MM-DD? */
bool value_minor(const struct field *f, const struct json *v, const char *at);

/* domain rules on identity numbers: 17 digits, check digit, a real date not in
 * the future of `now` (POSIX seconds). */
bool id_no_valid(const char *s, size_t len, int64_t now);
bool mobile_valid(const char *s, size_t len);
bool phone_valid(const char *s, size_t len); /* mobile or landline */
bool bank_card_valid(const char *s, size_t len);
/* Control characters, and those that are not seen or turn the direction of what
 * follows: they have no place in names that people read. */
bool char_unseen(uint32_t c);
/* Appends the masked form, by code point, length kept, idempotent; a value
 * that fails its type's check is masked whole.  `s` is valid UTF-8. */
void value_mask(
	enum field_type type, const char *s, size_t len, struct buf *out);
