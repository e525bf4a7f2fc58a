/* entry.h - the entry of a log: what a signature commits to for ever.
 *
 * Canonical JSON, docs/format.md section 1.  An entry never holds personal
 * data: digests of parts, and what routing and retention need.
 */
#pragma once

#include "crypto/crypto.h"

#define ENTRY_SIZE_LIMIT ((size_t)4096)
#define ENTRY_TO_LIMIT 16
#define SERIES_NAME_SIZE 64 /* [a-z][a-z0-9-]*, with the NUL */
#define ORIGIN_SIZE NOTE_NAME_SIZE
#define ISSUER_SIZE 112
#define REV_LIMIT ((uint64_t)1 << 32)

/* Of records whose content is sealed: a part {"cms":"BASE64URL"} of the label
 * sensitive, which `seal` names too. */
#define SERIES_SEALED "sealed"

struct entry {
	char series[SERIES_NAME_SIZE];
	char iss[ISSUER_SIZE]; /* domain "/" code */
	char node[CODE_SIZE];
	char id[UUID_TEXT_SIZE];
	uint8_t uuid[UUID_SIZE];
	char at[TIME_TEXT_SIZE];
	uint64_t rev; /* from 1; of a sealed one 1, which its text does not say
		       */
	bool has_prev;
	/* Leaf hash of the revision before; absent from the first, and where
	 * that one was damaged and nobody knew its hash. */
	struct digest prev;
	bool sealed;	    /* the series is SERIES_SEALED */
	struct digest seal; /* then: SHA-256 of the message in its part */
	size_t to_count;
	char to[ENTRY_TO_LIMIT][CODE_SIZE]; /* code prefixes, sorted */
	size_t sd_count;		    /* 1..LABEL_COUNT */
	struct digest sd[LABEL_COUNT];	    /* sorted by their encoded ASCII */
};

/* Appends the canonical text; sorts sd.  ERR_LIMIT past ENTRY_SIZE_LIMIT. */
enum err_code entry_write(
	const struct entry *e, struct buf *out, struct err *err);
/* Strict: exactly the canonical text of an entry.  Names of members that this
 * version does not know are ERR_INVALID.  Pure and allocation-free. */
enum err_code entry_parse(
	const char *text, size_t len, struct entry *out, struct err *err);
/* The message in the part of a sealed record, appended to `out`; false when it
 * is none, or not the one that the entry names.  Pure. */
bool sealed_message(
	const struct entry *e, const char *part, size_t len, struct buf *out);
/* The part of a message. */
void sealed_part(const void *message, size_t len, struct buf *out);
/* How an entry's text runs, for the columns of runs and blocks: the digests,
 * ENTRY_AT, 25 characters of time, ENTRY_ID, 36 of the id, and its tail. */
#define ENTRY_AT ",\"_sd_alg\":\"sha-256\",\"at\":\""
#define ENTRY_ID "\",\"id\":\""
/* Appends `{"_sd":[...]`, sorted, of up to LABEL_COUNT digests. */
void entry_sd_write(const struct digest *sd, size_t count, struct buf *out);
/* The code in "domain/code" or "domain/code/epoch" (borrowed, CODE_LEN long),
 * or NULL when there is none. */
const char *origin_code(const char *origin);
/* "domain/code/epoch": domain of [a-z0-9.-], 12 digits, 16 hex digits. */
bool origin_valid(const char *origin, size_t len);
