/* policy.h - sys-policy records: which rules hold for what follows them in a
 * log.  Internal to policies/. */
#pragma once

#include "policies/node.h"

/* The serial a record names; false = it is no sys-policy, or its part is not
 * here. */
bool policy_of(const struct record *r, uint64_t *serial);
/* That of the newest such record in [from, end), 0 for none; *sure is false
 * where one behind it may be damaged.  Reads no entry. */
enum err_code policy_between(struct store *s, uint32_t log, uint64_t from,
	uint64_t end, uint64_t *serial, bool *sure, struct err *err);
/* That of the newest such record of a log below `end`, and its place; *serial
 * is 0 when there is none. */
enum err_code policy_before(struct store *s, uint32_t log, uint64_t end,
	uint64_t *serial, uint64_t *seq, struct err *err);
