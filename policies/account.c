/* account.c - accounts of node.yaml, and who stands at the door. */
#include "policies/account.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PASSWD_ROOM 4096

/* System, security and audit administrators do not see what they administer,
 * and none is another (GB/T 22239). */
static const struct {
	const char *name;
	uint8_t powers;
	bool apart; /* not beside an admin */
} roles[ACCOUNT_COUNT] = {
	[ACCOUNT_READER] = {"reader", 0, false},
	[ACCOUNT_CLERK] = {"clerk", POWER_PUT | POWER_REVEAL, false},
	[ACCOUNT_APPROVER] = {"approver", POWER_APPROVE, true},
	[ACCOUNT_AUDITOR] = {"auditor", POWER_AUDIT, true},
	[ACCOUNT_OPERATOR] = {"operator", POWER_PUT | POWER_OPERATE, true},
	[ACCOUNT_ADMIN] = {"admin",
		POWER_PUT | POWER_REVEAL | POWER_APPROVE | POWER_AUDIT |
			POWER_OPERATE,
		false},
};

const char *account_role_name(enum account_role r)
{
	return roles[r].name;
}

uint8_t account_powers(enum account_role r)
{
	return roles[r].powers;
}

static bool user_valid(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= ACCOUNT_SIZE)
		return false;
	return strspn(s,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		       "0123456789._-$") == len;
}

/* Is somebody named whom the law wants to be nobody else? */
static bool any_apart(const struct accounts *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (roles[a->at[i].role].apart)
			return true;
	}
	return false;
}

static bool any_admin(const struct accounts *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->at[i].role == ACCOUNT_ADMIN)
			return true;
	}
	return false;
}

enum err_code accounts_add(struct accounts *a, const char *file,
	const char *user, const char *role, struct err *err)
{
	unsigned r = 0;

	if (!user_valid(user))
		return err_set(err, ERR_INVALID,
			"%s: accounts: user \"%.40s\" is no name of an account",
			file, user);
	while (r < ACCOUNT_COUNT && strcmp(roles[r].name, role))
		r++;
	if (r == ACCOUNT_COUNT)
		return err_set(err, ERR_INVALID,
			"%s: accounts: role \"%.20s\" of %s is none of reader, "
			"clerk, approver, auditor, operator, admin",
			file, role, user);
	for (size_t i = 0; i < a->count; i++) {
		if (!strcmp(a->at[i].user, user))
			return err_set(err, ERR_INVALID,
				"%s: accounts: %s is there twice; an account "
				"has one role",
				file, user);
	}
	if (a->count == ACCOUNTS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"%s: accounts: more than %d of them", file,
			ACCOUNTS_LIMIT);
	snprintf(a->at[a->count].user, ACCOUNT_SIZE, "%s", user);
	a->at[a->count++].role = (enum account_role)r;
	if (any_admin(a) && any_apart(a))
		return err_set(err, ERR_INVALID,
			"%s: accounts: nobody can be admin where operator, "
			"approver or auditor are named, for these exclude each "
			"other",
			file);
	return ERR_OK;
}

enum account_role accounts_role(
	const struct accounts *a, const char *user, bool keeper)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!strcmp(a->at[i].user, user))
			return a->at[i].role;
	}
	if (!keeper)
		return ACCOUNT_READER;
	return any_apart(a) ? ACCOUNT_OPERATOR : ACCOUNT_ADMIN;
}

void who_of(
	const struct accounts *a, const char *data, uid_t uid, struct who *out)
{
	struct passwd entry, *found = NULL;
	char room[PASSWD_ROOM];
	struct stat st;
	bool keeper = uid == 0 || (stat(data, &st) == 0 && st.st_uid == uid);

	if (getpwuid_r(uid, &entry, room, sizeof(room), &found) == 0 && found &&
		user_valid(found->pw_name))
		snprintf(out->account, sizeof(out->account), "%s",
			found->pw_name);
	else
		snprintf(out->account, sizeof(out->account), "uid-%lu",
			(unsigned long)uid);
	out->role = accounts_role(a, out->account, keeper);
}

enum err_code who_may(const struct who *w, enum power power, struct err *err)
{
	if (account_powers(w->role) & power)
		return ERR_OK;
	return err_set(err, ERR_DENIED,
		"the account %s has the role %s here, which may not do "
		"that",
		w->account, account_role_name(w->role));
}
