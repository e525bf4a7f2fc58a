/* listing.h - records in the order of their arrival, as a list shows them. */
#pragma once

#include "policies/node.h"

#define LISTING_LIMIT 1000000

struct listing {
	const char *series; /* NULL: all but those of the system */
	const char *from;   /* captured at this division or below it, or NULL */
	bool system;	    /* those of the system too */
	bool has_after;
	uint64_t after; /* from this arrival on; else the newest */
	size_t limit;	/* at most LISTING_LIMIT */
};
/* What is left out of a list. */
struct listing_left {
	size_t damaged, restricted;
};
/* Takes {"arrival","at","erased","id","lost","node","origin","rev","seq",
 * "series"}: `erased` and `lost` where there is any. */
typedef enum err_code listing_visit(
	void *arg, struct json *row, struct err *err);
enum err_code listing_read(struct node *n, const struct listing *what,
	listing_visit *visit, void *arg, struct listing_left *left,
	struct err *err);
