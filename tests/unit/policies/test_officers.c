/* test_officers.c - stolen, expired and replaced keys; rival, frozen and old
 * heads: each ends with the rules that the officers signed. */
#include "policies/heads.h"
#include "tests/unit/policies/domain.h"

/* Another node's repository. */
static struct governance *other(void **state, const char *name)
{
	struct governance *g = NULL;
	struct err err;

	ok(governance_create(scratch_path(state, name), &g, &err), &err);
	return g;
}

static enum err_code carry(struct governance *from, uint64_t after,
	struct governance *to, const struct digest *pin, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	uint64_t newest = 0;
	enum err_code rc;

	ok(governance_export(from, after, &bytes, err), err);
	rc = governance_import(to, bytes.data, bytes.len, pin, &newest, err);
	buf_free(&bytes);
	return rc;
}

static uint64_t newest(struct governance *g)
{
	struct statement s;
	struct err err;

	ok(governance_head(g, &s, &err), &err);
	return s.serial;
}

static void publish(struct governance *g)
{
	struct statement s;
	struct err err;

	ok(governance_publish(g, &s, &err), &err);
}

static void check_chain(struct governance *g, const struct digest *pin)
{
	struct rules *rules = NULL;
	struct err err;

	ok(governance_rules(g, 0, pin, &rules, &err), &err);
	rules_unref(rules);
}

#define WITHOUT_OFFICER3 "sed -i '/name: \"officer3\"/,$d' officers.yaml"
#define OFFICER3_UNTIL(day)                                                    \
	"sed -i '/name: \"officer3\"/,$ {/key:/a\\    until: \"" day           \
	"\"\n}' officers.yaml"

/* What the stolen key signed while it counted stays, what it signs later is
 * nothing; its thief alone could do nothing at any time. */
static void a_withdrawn_key_keeps_its_past_and_has_no_future(void **state)
{
	struct digest pin = domain_make(state);
	struct governance *g = gov_open(state, "gov.git");
	unsigned have = 0, want = 0;
	struct err err;

	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_OK);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	officer_edits(state, WITHOUT_OFFICER3);
	publish(g);
	sign_both(state, g);
	officer_edits(state, "echo '# x' >> calendar.yaml");
	publish(g);
	assert_int_equal(governance_sign(g, scratch_path(state, "k3"), NULL, 0,
				 &have, &want, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "no officer's"));
	sign_both(state, g);
	assert_int_equal(newest(g), 3);
	check_chain(g, &pin);
	governance_close(g);
}

static void a_key_past_its_last_day_signs_nothing(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct err err;

	officer_changes(state, g, OFFICER3_UNTIL("2020-02-29"));
	officer_edits(state, "echo '# x' >> calendar.yaml");
	publish(g);
	assert_int_equal(governance_sign(g, scratch_path(state, "k3"), NULL, 0,
				 &have, &want, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "counted until 2020-02-29"));
	sign_both(state, g);
	officer_changes(
		state, g, "sed -i s/2020-02-29/9999-12-31/ officers.yaml");
	officer_edits(state, "echo '# y' >> calendar.yaml");
	publish(g);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_OK);
	check_chain(g, &pin);
	governance_close(g);
}

static void a_key_counts_to_the_end_of_its_last_day(void **state)
{
	struct officer o = {.until = "2027-06-30"};
	int64_t day;

	(void)state;
	assert_true(time_parse("2027-06-30T23:59:59+08:00", 25, &day));
	assert_true(officer_valid_at(&o, day));
	assert_false(officer_valid_at(&o, day + 1));
	o.until[0] = '\0';
	assert_true(officer_valid_at(&o, day + 1));
}

/* An older day in the statement does not make an expired key count. */
static void a_head_is_not_older_than_the_one_before(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct chain c = {.last = {.serial = 0}};
	struct head_text h = {.count = 0};
	struct fileset files = {.file = NULL};
	struct buf armor = BUF_EMPTY;
	char name[SIGNATURE_NAME_SIZE];
	struct ssh_public key;
	struct quorum q;
	struct statement s;
	struct err err;

	officer_edits(state, "echo '# x' >> calendar.yaml");
	publish(g);
	ok(heads_follow(g, &c, 0, &err), &err);
	ok(head_get(g, "refs/cundang/proposals/0000000002", &s, NULL, NULL,
		   &err),
		&err);
	ok(repo_files(g->repo, s.commit, &files, &err), &err);
	s.at = c.last.at - 1;
	ok(statement_write(&s, &h.statement, &err), &err);
	ok(sshsig_make(scratch_path(state, "k1"), GOVERNANCE_NAMESPACE,
		   h.statement.data, h.statement.len, &armor, &err),
		&err);
	ok(sshsig_check(armor.data, armor.len, GOVERNANCE_NAMESPACE,
		   h.statement.data, h.statement.len, &key, &err),
		&err);
	signature_name(&key, name);
	ok(head_text_add(&h, name, armor.data, armor.len, &err), &err);
	assert_int_equal(chain_judge(&c, &h, &files, &s, &q, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "earlier time"));
	buf_free(&armor);
	head_text_free(&h);
	fileset_free(&files);
	chain_free(&c);
	governance_close(g);
}

/* A peer that offers the heads of before moves nothing back. */
static void an_older_repository_takes_nothing_back(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin), *old, *node;
	struct err err;

	shell(state, "cp -r gov.git old.git");
	change_rules(state, g, 1);
	change_rules(state, g, 2);
	node = other(state, "node.git");
	ok(carry(g, 0, node, &pin, &err), &err);
	old = gov_open(state, "old.git");
	assert_int_equal(carry(old, 0, node, &pin, &err), ERR_EXISTS);
	assert_int_equal(newest(node), 3);
	governance_close(old);
	governance_close(node);
	governance_close(g);
}

/* The officers signed two heads 2: whoever has one refuses what follows the
 * other, and says which they are. */
static void rival_heads_are_refused_by_name_whatever_follows(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin), *rival, *node;
	struct statement s;
	struct err err;

	shell(state, "cp -r gov.git rival.git");
	change_rules(state, g, 1);
	node = other(state, "node.git");
	ok(carry(g, 0, node, &pin, &err), &err);
	ok(governance_agree(node, g, &err), &err);
	governance_close(g);
	shell(state, "mv gov.git first.git && mv rival.git gov.git");
	rival = gov_open(state, "gov.git");
	change_rules(state, rival, 2);
	assert_int_equal(governance_agree(node, rival, &err), ERR_FORK);
	assert_non_null(strstr(err.text, "number 2 is "));
	assert_int_equal(carry(rival, 1, node, &pin, &err), ERR_FORK);
	change_rules(state, rival, 3);
	/* As a session gives it: what is after the number that the node has. */
	assert_int_equal(carry(rival, 2, node, &pin, &err), ERR_FORK);
	assert_non_null(strstr(err.text, "number 2 is "));
	ok(governance_head(node, &s, &err), &err);
	assert_int_equal(s.serial, 2);
	governance_close(rival);
	governance_close(node);
}

static void rules_that_did_not_change_are_renewed(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin), *node;
	unsigned have = 0, want = 0;
	struct rules *rules = NULL;
	struct statement s;
	struct err err;

	node = other(state, "node.git");
	ok(carry(g, 0, node, &pin, &err), &err);
	assert_int_equal(governance_publish(g, &s, &err), ERR_EXISTS);
	ok(governance_renew(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(want, 2);
	assert_int_equal(sign_by(state, g, 2, &have, &want), ERR_OK);
	ok(carry(g, 1, node, &pin, &err), &err);
	ok(governance_rules(node, 2, &pin, &rules, &err), &err);
	assert_false(rules_old(rules, time_now()));
	assert_false(rules_old(rules, rules_at(rules) + 30 * 24 * 3600));
	assert_true(rules_old(rules, rules_at(rules) + 30 * 24 * 3600 + 1));
	assert_false(rules_old(rules, rules_at(rules) - 1));
	rules_unref(rules);
	governance_close(node);
	governance_close(g);
}

/* In each head one more officer goes and a new one comes: after four nobody is
 * left whom a node of before the first would know. */
static void a_node_that_slept_finds_officers_it_never_saw(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin), *node;
	unsigned have = 0, want = 0;
	struct err err;

	node = other(state, "node.git");
	ok(carry(g, 0, node, &pin, &err), &err);
	for (int i = 1; i <= 3; i++) {
		char edit[512];

		shell(state, "ssh-keygen -q -t ed25519 -N '' -C '' -f n%d", i);
		snprintf(edit, sizeof(edit),
			"k=$(cut -d' ' -f2 ../n%d.pub) && sed -i "
			"\"/name: .officer%d\\\"/,/key:/ "
			"s#AAAA[^\\\"]*#$k#\" officers.yaml",
			i, i);
		officer_edits(state, edit);
		publish(g);
		/* The old keys of those who are still to go, the new ones of
		 * those who came. */
		for (int k = 1; k <= 2; k++) {
			char name[8];

			snprintf(name, sizeof(name), "%s%d", k < i ? "n" : "k",
				k);
			ok(governance_sign(g, scratch_path(state, name), NULL,
				   0, &have, &want, &err),
				&err);
		}
		assert_int_equal(have, want);
	}
	assert_int_equal(newest(g), 4);
	ok(carry(g, 1, node, &pin, &err), &err);
	assert_int_equal(newest(node), 4);
	check_chain(node, &pin);
	officer_edits(state, "echo '# x' >> calendar.yaml");
	publish(g);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_DENIED);
	governance_close(node);
	governance_close(g);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_withdrawn_key_keeps_its_past_and_has_no_future),
		T(a_key_past_its_last_day_signs_nothing),
		cmocka_unit_test(a_key_counts_to_the_end_of_its_last_day),
		T(a_head_is_not_older_than_the_one_before),
		T(an_older_repository_takes_nothing_back),
		T(rival_heads_are_refused_by_name_whatever_follows),
		T(rules_that_did_not_change_are_renewed),
		T(a_node_that_slept_finds_officers_it_never_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
