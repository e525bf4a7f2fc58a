/* differ.h - lines of a difference while they are written.
 * Internal to policies/. */
#pragma once

#include "policies/difference.h"
#include "policies/heads.h"
#include "policies/words.h"

/* Appending does not fail on the way: the first failure stays in rc. */
struct differ {
	difference_visit *visit;
	void *arg;
	char file[FILESET_PATH_SIZE]; /* that the next lines are about */
	struct buf text[PAGE_LANGUAGES];
	struct buf told; /* the files that have a line, a NUL behind each */
	enum err_code rc;
	struct err *err;
};

/* Both languages say a thing in the same order, so a line is put together
 * from its beginning on. */
void differ_put(struct differ *d, const char *english, const char *chinese);
void differ_text(struct differ *d, const char *s); /* the same in both */
void differ_number(struct differ *d, uint64_t n);
void differ_labels(struct differ *d, uint8_t labels);
void differ_ranks(struct differ *d, uint8_t ranks);
/* A comma before all but the first. */
void differ_comma(struct differ *d, bool *first);
/* " from “A” to “B”" */
void differ_texts(struct differ *d, const char *a, const char *b);
/* The line is whole. */
void differ_end(struct differ *d);

/* ---- the parts of a tree; `a` has the rules of before ---- */

void differ_series(
	struct differ *d, const struct rules *a, const struct rules *b);
/* domain.yaml, officers.yaml, seals.yaml, consumers.yaml, calendar.yaml */
void differ_domain(
	struct differ *d, const struct rules *a, const struct rules *b);
void differ_officers(
	struct differ *d, const struct rules *a, const struct rules *b);
void differ_seals(
	struct differ *d, const struct rules *a, const struct rules *b);
void differ_consumers(
	struct differ *d, const struct rules *a, const struct rules *b);
void differ_calendar(
	struct differ *d, const struct rules *a, const struct rules *b);
/* All roster files that differ; names are looked up in the rules. */
void differ_rosters(struct differ *d, const struct fileset *a,
	const struct fileset *b, const struct rules *rules);
