/* seals.h - seals.yaml: to whose keys the records of sealed series go.
 * Internal to policies/. */
#pragma once

#include "policies/series.h"

#define SEALS_LIMIT 256
/* Of one role and scope; five scopes cover a division at most. */
#define SEALS_PLACE_LIMIT 8

struct seal_recipient {
	char name[64];
	char role[SEAL_ROLE_SIZE];
	char scope[CODE_SIZE]; /* of records captured within */
	struct seal_public key;
};
struct seals {
	bool is; /* there is a file */
	struct seal_public recovery;
	struct seal_recipient *item;
	size_t count;
};

/* Pure; fuzzed. */
enum err_code seals_load(
	const void *text, size_t len, struct seals *out, struct err *err);
void seals_free(struct seals *s);
/* What the scopes and a series ask for; `root` is the domain's. */
enum err_code seals_check_scopes(
	const struct seals *s, const char *root, struct err *err);
enum err_code seals_check_series(const struct seals *s, const char *root,
	const struct series *series, struct err *err);
