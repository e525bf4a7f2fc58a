/* noted.h - the registers of provision that are here, read item by item.
 * Internal to policies/. */
#pragma once

#include "policies/provision.h"

/* An item of a register. */
struct noted_item {
	uint32_t log; /* of the register, with its place there */
	char giver[ORIGIN_SIZE];
	uint64_t seq, rev;
	int64_t at;
	char id[UUID_TEXT_SIZE];
	char day[PROVISION_DAY_SIZE];
	char to[PROVISION_TO_SIZE];
	bool consumer;
	struct provision_item what;
};
struct noted {
	struct noted_item *item;
	size_t count, cap;
};
typedef bool noted_wanted(void *arg, const struct provision *p,
	const struct provision_item *what);
/* Those of this node and of those below it, in the order of the logs. */
enum err_code noted_read(struct node *n, noted_wanted *wanted, void *arg,
	struct noted *out, struct err *err);
void noted_free(struct noted *r);

#define NOTED_OPEN UINT64_MAX
/* docs/format.md 8.10: "An item holds from its `from` on, and ends where the
 * next one about the same log, label and recipient says". NOTED_OPEN for
 * the newest. */
uint64_t noted_end(const struct noted *r, size_t at, enum label label);
/* The serial of the giver's rules of that day; 0 where nobody can tell. */
enum err_code noted_serial(struct node *n, const struct noted_item *item,
	uint64_t *serial, struct err *err);
/* The rules of that serial, or `now` where they are not here; rules_unref
 * them. */
enum err_code noted_rules(struct node *n, struct rules *now, uint64_t serial,
	struct rules **out, struct err *err);
/* What a consumer of the rules could see of a series; of one that they do not
 * know, that is for the register alone to say. */
uint8_t noted_consumer_may(
	const struct rules *rules, const char *name, const char *series);
