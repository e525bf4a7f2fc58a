/* due.h - which parts of a node's records may go by now.
 *
 * All of it is found by going through the records: nothing about it is kept
 * beside them, so nothing of it can be wrong, costs anything while records are
 * put, or tells of a part that is gone.
 */
#pragma once

#include "policies/clock.h"
#include "policies/retention.h"

struct due_range {
	uint64_t from, to; /* half-open */
};
/* Parts of one log, series and label that may go since the same instant. */
struct due_group {
	char origin[ORIGIN_SIZE];
	char series[SERIES_NAME_SIZE];
	enum label label;
	bool sealed;	/* messages: they go whole, when all in them may */
	char period[8]; /* the longer one of capture and now: "D10" */
	int64_t since;
	int first_year, last_year; /* the records were made in */
	int start; /* the year that the last of their periods began with */
	uint64_t count;
	struct due_range *range; /* ascending, apart */
	size_t range_count, range_cap;
};
struct due_options {
	int64_t now;
	const char *series; /* of this series only, or NULL; SERIES_SEALED: all
			     * that is sealed */
	const char *from;   /* captured at this division or below it, or NULL */
	uint8_t labels;	    /* LABEL_BITs */
	bool automatic;	    /* only what goes by itself */
	/* Told of a part that may go; true keeps it for now (a hold).  NULL:
	 * nothing is held.  One thread. */
	bool (*held)(void *arg, const char *origin, uint64_t seq,
		const char *series, int64_t at);
	void *arg;
};
struct due {
	struct due_group *group; /* by origin, series, since, label */
	size_t count, cap;
	uint64_t records; /* looked at that have a period which ends */
	uint64_t parts;	  /* in groups */
	uint64_t held;	  /* parts that would be in groups */
	uint64_t open;	  /* records with a period that has not begun */
	uint64_t unknown; /* ... of which this node does not know whether it
			   * has, or which rules held at capture */
};

/* Every part of the records here, also those that this node may not hold
 * itself, as far as the anchor is known.  Parts that were destroyed are left
 * out, system series too.  A sealed record is of the series in it where this
 * node captured it, and where that one told that it went by itself of the
 * series sealed; of any other nobody here knows when it may go.  `pool` may be
 * NULL.  Any thread. */
enum err_code due_find(struct node *n, const struct rules *rules,
	struct pool *pool, const struct due_options *opt, struct due *out,
	struct err *err);
void due_free(struct due *d); /* leaves it empty */
