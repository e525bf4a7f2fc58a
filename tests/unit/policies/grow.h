/* grow.h - documents that a series takes, and documents that it must not.
 *
 * Everything comes from the series' own fields and a seed: the same seed, the
 * same document.  A failing test prints it.
 */
#pragma once

#include "policies/series.h"

/* What is done to one of a document's values, or beside it. */
enum spoil {
	SPOIL_NOTHING,
	SPOIL_KIND,    /* another kind of json */
	SPOIL_VALUE,   /* not of its type */
	SPOIL_NULL,    /* null */
	SPOIL_MISSING, /* a required one left out */
	SPOIL_UNKNOWN, /* a member that no path names beside it */
	SPOIL_DERIVED, /* a derived value beside it */
	SPOIL_HOLLOW,  /* {} in its place */
};
#define SPOIL_COUNT (SPOIL_HOLLOW + 1)

struct grown {
	struct json *given;  /* as people type it: spaces, wide digits */
	struct json *stored; /* as it comes back */
	size_t values;	     /* how many there are in it */
	bool spoiled;	     /* what was asked for was possible */
};
/* Fields of the series.  With a spoil, value `at` (below `values` of the same
 * seed without) is spoiled in `given`. */
void grow_fields(const struct series *s, uint64_t seed, enum spoil spoil,
	size_t at, struct grown *out);
void grown_free(struct grown *g);

/* What is in the parts `labels` of a record with these stored fields, made at
 * `at` (YYYY-MM-DD...): its derived values too. */
struct json *grow_shown(const struct series *s, const struct json *stored,
	const char *at, uint8_t labels);
