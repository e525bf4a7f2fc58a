/* difference.h - what changes from one governance head to another, in words,
 * for the officers who answer for it. */
#pragma once

#include "policies/governance.h"
#include "policies/schema.h"

/* Which rules are meant. */
enum edition {
	EDITION_HEAD,	  /* a final head, checked from serial 1 on */
	EDITION_PROPOSAL, /* what is being signed */
	EDITION_MAIN,	  /* what officers work on */
};
struct version; /* rules and their files, of one edition */

/* serial 0: the newest head.  Borrows `g`.  ERR_NOT_FOUND when there is none;
 * ERR_INVALID when its files do not load. */
enum err_code version_open(struct governance *g, enum edition edition,
	uint64_t serial, struct version **out, struct err *err);
void version_free(struct version *v);		      /* NULL does nothing */
struct rules *version_rules(const struct version *v); /* borrowed */
/* Of the proposal: SHA-256 of the very bytes that are signed. */
const struct digest *version_statement(const struct version *v);

struct difference_line {
	const char *file; /* in which it stands */
	const char *text[PAGE_LANGUAGES];
};
typedef enum err_code difference_visit(
	void *arg, const struct difference_line *line, struct err *err);
/* One line for each change from `a` (NULL: from nothing) to `b`, none when
 * nothing changed.  A file that differs has at least one. */
enum err_code difference_each(const struct version *a, const struct version *b,
	difference_visit *visit, void *arg, struct err *err);
