/* chain.h - the heads of a domain, each judged by the one before it.
 * Internal to policies/. */
#pragma once

#include "policies/council.h"
#include "policies/statement.h"

/* A statement's bytes and its signatures, as they lie under a ref, in a folder
 * or in an exchange. */
struct head_text {
	struct buf statement;
	size_t count;
	struct {
		char name[SIGNATURE_NAME_SIZE];
		struct buf armor;
	} sig[GOVERNANCE_SIGNATURES_LIMIT];
};
void head_text_free(struct head_text *h); /* leaves it empty */
/* Takes the bytes of one file of a head: statement.json or a signature. */
enum err_code head_text_add(struct head_text *h, const char *name,
	const void *data, size_t len, struct err *err);

/* What is known after `last`; all zero is the empty chain. */
struct chain {
	struct statement last;	   /* serial 0: none */
	struct digest fingerprint; /* of statement 1 */
	struct fileset files;
	struct council council;
};
void chain_free(struct chain *c);

/* How the signatures of a head stand. */
struct quorum {
	unsigned have, want;
	bool rules; /* governors of root scope have to sign */
};
/* Judges `h`, whose tree is `files`, as the successor of the chain: serial,
 * predecessor, domain, tree digest, and that each signature holds, is an
 * officer's whose role and scope cover the change, and is there once.  Whether
 * the signatures are enough is told by *q, not by the return code.
 * ERR_DENIED, or ERR_INVALID for files that do not load. */
enum err_code chain_judge(const struct chain *c, const struct head_text *h,
	const struct fileset *files, struct statement *s, struct quorum *q,
	struct err *err);
/* Judges, wants enough signatures, and moves the chain on.  `files` is taken
 * on success. */
enum err_code chain_step(struct chain *c, const struct head_text *h,
	struct fileset *files, struct err *err);
