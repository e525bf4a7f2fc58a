/* council.h - domain.yaml and officers.yaml: who may sign what, and how many
 * have to.  Internal to policies/. */
#pragma once

#include "policies/fileset.h"
#include "policies/roster.h"

#define OFFICERS_LIMIT 256
#define APPROVALS_LIMIT 16
#define WAITING_DAYS_LIMIT 365
#define WAITING_DAYS_DEFAULT 15

enum role { ROLE_GOVERNOR, ROLE_REGISTRAR, ROLE_ARCHIVIST };
bool role_parse(const char *s, enum role *out);

/* How long what nodes note about themselves is kept, where not for ever. */
struct kept {
	char series[SERIES_NAME_SIZE];
	char period[8];
};
#define KEPT_LIMIT 3

struct council {
	char domain[DOMAIN_SIZE];
	char root_code[CODE_SIZE];
	char root_name[NODE_TITLE_SIZE];
	enum rank root_rank;
	unsigned approvals;	   /* of rules, officers: at least 2 */
	unsigned roster_approvals; /* of a roster: at least 1 */
	/* Of orders: erasures at least 2, of accounts at least 5. */
	unsigned disposal, accounts, hold;
	unsigned waiting_days; /* between an erasure's making and its doing */
	struct kept kept[KEPT_LIMIT];
	size_t kept_count;
	struct officer *officer;
	size_t count;
};
void council_free(struct council *c);

/* Pure.  `out` is all zero before the first of the two. */
enum err_code council_load_domain(
	const void *text, size_t len, struct council *out, struct err *err);
enum err_code council_load_officers(
	const void *text, size_t len, struct council *out, struct err *err);
/* What the two promise together: as many governors of root scope as rules
 * need. */
enum err_code council_check(const struct council *c, struct err *err);
enum err_code council_load(
	const struct fileset *fs, struct council *out, struct err *err);
enum err_code council_write_domain(
	const struct council *c, struct buf *out, struct err *err);
enum err_code council_write_officers(
	const struct council *c, struct buf *out, struct err *err);
const struct officer *council_find(
	const struct council *c, const struct ssh_public *key);
