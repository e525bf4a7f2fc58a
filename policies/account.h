/* account.h - who works at a node: Unix accounts, their roles, and what a role
 * may.  docs/rules.md, "Accounts". */
#pragma once

#include <sys/types.h>

#include "base/base.h"

#define ACCOUNT_SIZE 33
#define ACCOUNTS_LIMIT 64

enum account_role {
	ACCOUNT_READER, /* whoever is named nowhere: what is masked stays so */
	ACCOUNT_CLERK,
	ACCOUNT_APPROVER, /* security administrator */
	ACCOUNT_AUDITOR,
	ACCOUNT_OPERATOR, /* system administrator */
	ACCOUNT_ADMIN,	  /* all of them in one */
};
#define ACCOUNT_COUNT 6
const char *account_role_name(enum account_role r); /* "reader" ... */

enum power {
	POWER_PUT = 1,	   /* enter records, have them sent */
	POWER_REVEAL = 2,  /* see what is masked, for a reason */
	POWER_APPROVE = 4, /* let another see a record about minors */
	POWER_AUDIT = 8,   /* see who saw or tried */
	POWER_OPERATE = 16 /* mend, adopt rules */
};
uint8_t account_powers(enum account_role r);

struct account {
	char user[ACCOUNT_SIZE];
	enum account_role role;
};
struct accounts {
	size_t count;
	struct account at[ACCOUNTS_LIMIT];
};
/* Adds one from a file; ERR_INVALID names what is wrong with it: a user twice,
 * no such role, an admin beside those whom the law wants to be others. */
enum err_code accounts_add(struct accounts *a, const char *file,
	const char *user, const char *role, struct err *err);
/* `keeper`: root, or the owner of the data directory. */
enum account_role accounts_role(
	const struct accounts *a, const char *user, bool keeper);

/* Somebody at the door. */
struct who {
	char account[ACCOUNT_SIZE];
	enum account_role role;
};
/* The account's name, or "uid-N" where it has none that is plain ASCII. */
void who_of(
	const struct accounts *a, const char *data, uid_t uid, struct who *out);
/* ERR_DENIED names account and role unless it has the power. */
enum err_code who_may(const struct who *w, enum power power, struct err *err);
