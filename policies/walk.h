/* walk.h - every record that is here, whatever log it lies in, past damage.
 * Internal to policies/. */
#pragma once

#include "policies/node.h"

struct walk_place {
	uint32_t log;
	uint64_t seq;
};
struct walk_places {
	struct walk_place *at;
	size_t count, cap;
};
enum err_code walk_add(
	struct walk_places *p, uint32_t log, uint64_t seq, struct err *err);
/* Ascending by log and sequence, each once. */
void walk_sort(struct walk_places *p);

typedef enum err_code walk_visit(void *arg, const struct log_info *log,
	uint64_t seq, const struct record *r, struct err *err);
struct walk {
	struct node *node;
	uint8_t labels; /* parts that are read */
	walk_visit *visit;
	void *arg;
	size_t damaged; /* passed over */
	struct walk_places window;
};
/* Visits what lies at the places of w->window and is here. */
enum err_code walk_window(struct walk *w, struct err *err);
/* Visits what came first in (from, to]. */
enum err_code walk_arrivals(
	struct walk *w, uint64_t from, uint64_t to, struct err *err);
void walk_free(struct walk *w);
