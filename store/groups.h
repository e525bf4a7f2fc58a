/* groups.h - which groups of a segment are whole, and what is damaged.
 * Internal to store/. */
#pragma once

#include "store/segment.h"

struct group_at {
	uint32_t segment;
	uint64_t start;
	/* Offset of the commit item; of a group that lost it, a place within
	 * its last item that stands for it. */
	uint64_t commit;
	uint64_t end;
	bool damaged; /* walk it by segment_walk() */
};

/* A block that was written anew. */
struct move {
	struct place origin;
	struct place now;
};

/* Told of bytes that cannot be read; `what` in plain words. */
typedef void damage_visit(
	void *arg, struct place at, uint64_t len, const char *what);

struct groups {
	struct segments *segments;
	const struct extent *known; /* what DATA/extent tells, or NULL */
	damage_visit *damage;
	void *arg;
	struct group_at *at;
	size_t count, cap;
	struct move *moves; /* of these groups */
	size_t move_count, move_cap;
	/* Of the segment that was scanned last. */
	uint64_t end; /* where its groups end */
	bool torn;    /* there are bytes behind, or should be some before */
	bool damaged;
};

/* Adds the groups of a segment from `from` (0: its beginning) on.  What DATA
 * or the segment behind tells to have been there and is not is damage, and the
 * rest of the newest segment a group that was never acknowledged.  The errors
 * are those of the machine. */
enum err_code groups_scan(
	struct groups *s, uint32_t number, uint64_t from, struct err *err);
/* Forgets groups and moves. */
void groups_clear(struct groups *s);
void groups_free(struct groups *s);
