/* test_account.c - accounts of node.yaml, their roles, and what these may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policies/nodefile.h"

#define HEAD                                                                   \
	"code: \"330106110201\"\ndomain: \"xihu.example\"\nroot: "             \
	"\"0000000000000000000000000000000000000000000000000000000000000000\"" \
	"\nepoch: \"0123456789abcdef\"\n"

static enum err_code parse(
	const char *accounts, struct node_config *out, struct err *err)
{
	char text[2048];

	snprintf(text, sizeof(text), HEAD "%s", accounts);
	return node_config_parse("node.yaml", text, strlen(text), out, err);
}

static void a_node_without_accounts_is_its_keepers(void **state)
{
	struct node_config c;
	struct err err;

	(void)state;
	assert_int_equal(parse("", &c, &err), ERR_OK);
	assert_int_equal(c.accounts.count, 0);
	assert_int_equal(
		accounts_role(&c.accounts, "root", true), ACCOUNT_ADMIN);
	assert_int_equal(
		accounts_role(&c.accounts, "wang", false), ACCOUNT_READER);
}

static void accounts_are_read_from_node_yaml(void **state)
{
	struct node_config c;
	struct err err;

	(void)state;
	assert_int_equal(parse("accounts: [{user: \"clerk1\", role: clerk}, "
			       "{user: a.b-c_d, role: auditor}]\n",
				 &c, &err),
		ERR_OK);
	assert_int_equal(
		accounts_role(&c.accounts, "clerk1", false), ACCOUNT_CLERK);
	assert_int_equal(
		accounts_role(&c.accounts, "a.b-c_d", false), ACCOUNT_AUDITOR);
	/* Where an auditor is named, who keeps the machine does not look. */
	assert_int_equal(
		accounts_role(&c.accounts, "root", true), ACCOUNT_OPERATOR);
	assert_int_equal(
		accounts_role(&c.accounts, "clerk1", true), ACCOUNT_CLERK);
}

static void clerks_alone_leave_the_keeper_what_it_may(void **state)
{
	struct node_config c;
	struct err err;

	(void)state;
	assert_int_equal(
		parse("accounts: [{user: clerk1, role: clerk}]\n", &c, &err),
		ERR_OK);
	assert_int_equal(
		accounts_role(&c.accounts, "root", true), ACCOUNT_ADMIN);
}

static void wrong_accounts_are_refused_with_the_reason(void **state)
{
	static const struct {
		const char *accounts, *why;
	} bad[] = {
		{"accounts: [{user: a, role: chief}]\n", "none of reader"},
		{"accounts: [{user: a, role: clerk}, {user: a, role: "
		 "auditor}]\n",
			"twice"},
		{"accounts: [{user: \"a b\", role: clerk}]\n", "no name"},
		{"accounts: [{user: a, role: admin}, {user: b, role: "
		 "approver}]\n",
			"exclude"},
		{"accounts: [{user: b, role: auditor}, {user: a, role: "
		 "admin}]\n",
			"exclude"},
		{"accounts: [{user: a}]\n", "role"},
		{"accounts: [{user: a, role: clerk, more: 1}]\n", "more"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct node_config c;
		struct err err;

		assert_int_equal(parse(bad[i].accounts, &c, &err), ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
	}
}

static void more_accounts_than_the_limit_are_refused(void **state)
{
	struct accounts a = {.count = 0};
	struct err err;
	char user[16];

	(void)state;
	for (unsigned i = 0; i < ACCOUNTS_LIMIT; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		assert_int_equal(
			accounts_add(&a, "f", user, "clerk", &err), ERR_OK);
	}
	assert_int_equal(
		accounts_add(&a, "f", "more", "clerk", &err), ERR_LIMIT);
}

static void administrators_exclude_each_other(void **state)
{
	uint8_t keeper = account_powers(ACCOUNT_OPERATOR);
	uint8_t approver = account_powers(ACCOUNT_APPROVER);
	uint8_t auditor = account_powers(ACCOUNT_AUDITOR);

	(void)state;
	assert_int_equal(keeper & approver, 0);
	assert_int_equal(keeper & auditor, 0);
	assert_int_equal(approver & auditor, 0);
	assert_int_equal((keeper | approver | auditor) & POWER_REVEAL, 0);
	assert_int_equal(account_powers(ACCOUNT_READER), 0);
}

static void an_account_is_told_by_its_number(void **state)
{
	struct accounts a = {.count = 0};
	struct who who;
	struct err err;

	(void)state;
	who_of(&a, "/", 0, &who);
	assert_string_equal(who.account, "root");
	assert_int_equal(who.role, ACCOUNT_ADMIN);
	who_of(&a, "/", 4000000001u, &who);
	assert_string_equal(who.account, "uid-4000000001");
	assert_int_equal(who.role, ACCOUNT_READER);
	assert_int_equal(who_may(&who, POWER_REVEAL, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "uid-4000000001"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_without_accounts_is_its_keepers),
		cmocka_unit_test(accounts_are_read_from_node_yaml),
		cmocka_unit_test(clerks_alone_leave_the_keeper_what_it_may),
		cmocka_unit_test(wrong_accounts_are_refused_with_the_reason),
		cmocka_unit_test(more_accounts_than_the_limit_are_refused),
		cmocka_unit_test(administrators_exclude_each_other),
		cmocka_unit_test(an_account_is_told_by_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
