/* due_sealed.h - when sealed records may go: what their nodes can read of them,
 * and what these say of those that went by themselves.  Internal to policies/.
 */
#pragma once

#include "policies/due.h"
#include "policies/sealed.h"

/* Sealed records that went where they were captured, as a sys-disposal there
 * tells it: whoever carries them cannot know by himself. */
struct due_told_range {
	char origin[ORIGIN_SIZE];
	struct due_range range;
	char period[8];
	int64_t since;
	int start; /* the year that their periods began with */
};
struct due_told {
	struct due_told_range *at;
	size_t count, cap;
};
/* Reads the fields of a sys-disposal, a register; what is not one of sealed
 * records of the node `code` is left out.  Pure. */
enum err_code due_told_read(struct due_told *t, const char *json, size_t len,
	const char *code, struct err *err);
/* NULL: nothing was told of it. */
const struct due_told_range *due_told_of(
	const struct due_told *t, const char *origin, uint64_t seq);
void due_told_free(struct due_told *t); /* leaves it empty */

/* A sealed record that this node can read, as a sketch that borrows from
 * `room`; false when it cannot. */
bool due_sealed_open(struct node *n, uint32_t log, uint64_t seq,
	struct opened *room, struct sketch *out);
/* When all of a sealed record may go, and the label that keeps it longest. */
int64_t due_sealed_of(const struct retention *r, const int64_t due[LABEL_COUNT],
	enum label *longest);
