/* test_governance.c - heads count by the signatures the head before demands. */
#include <sys/wait.h>

#include "tests/unit/policies/domain.h"

static void init_makes_a_proposal_that_two_officers_complete(void **state)
{
	struct digest pin = domain_make(state);
	struct governance *g = gov_open(state, "gov.git");
	unsigned have = 0, want = 0;
	struct rules *rules = NULL;
	struct statement s;
	struct err err;

	assert_int_equal(governance_head(g, &s, &err), ERR_NOT_FOUND);
	assert_int_equal(
		governance_rules(g, 0, &pin, &rules, &err), ERR_NOT_FOUND);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_OK);
	assert_int_equal(have, 1);
	assert_int_equal(want, 2);
	assert_int_equal(governance_head(g, &s, &err), ERR_NOT_FOUND);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(have, 2);
	ok(governance_head(g, &s, &err), &err);
	assert_int_equal(s.serial, 1);
	assert_true(digest_equal(&s.digest, &pin));
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_int_equal(rules_node_count(rules), 235);
	assert_string_equal(rules_domain(rules), DOMAIN);
	assert_true(rules_series_count(rules) > 11);
	assert_true(digest_equal(rules_root_fingerprint(rules), &pin));
	rules_unref(rules);
	governance_close(g);
}

static void rules_are_refused_under_another_pin(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *rules = NULL;
	struct err err;

	pin.b[0] ^= 1;
	assert_int_equal(
		governance_rules(g, 0, &pin, &rules, &err), ERR_DENIED);
	assert_null(rules);
	governance_close(g);
}

static void the_same_officer_counts_once(void **state)
{
	unsigned have = 0, want = 0;
	struct governance *g;

	(void)domain_make(state);
	g = gov_open(state, "gov.git");
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_EXISTS);
	assert_int_equal(have, 1);
	governance_close(g);
}

static void a_stranger_cannot_sign(void **state)
{
	unsigned have = 0, want = 0;
	struct governance *g;

	(void)domain_make(state);
	g = gov_open(state, "gov.git");
	assert_int_equal(sign_by(state, g, 4, &have, &want), ERR_DENIED);
	governance_close(g);
}

static void init_refuses_a_single_officer(void **state)
{
	struct governance_officer one;
	struct digest pin;
	struct err err;

	shell(state, "ssh-keygen -q -t ed25519 -N '' -f k1");
	one.name = "officer1";
	one.key_path = scratch_path(state, "k1.pub");
	assert_int_equal(governance_init(scratch_path(state, "gov.git"), DOMAIN,
				 ROOT, DIVISIONS, &one, 1, &pin, &err),
		ERR_USAGE);
	assert_false(file_exists(scratch_path(state, "gov.git")));
}

static void armor_of_stock_ssh_keygen_is_a_signature(void **state)
{
	struct buf bytes = BUF_EMPTY, armor = BUF_EMPTY;
	unsigned have = 0, want = 0;
	struct governance *g;
	struct err err;

	(void)domain_make(state);
	g = gov_open(state, "gov.git");
	ok(governance_to_sign(g, &bytes, &err), &err);
	ok(file_replace(scratch_path(state, "statement"), bytes.data, bytes.len,
		   0600, &err),
		&err);
	shell(state,
		"ssh-keygen -Y sign -f k2 -n cundang-governance statement");
	ok(file_read(
		   scratch_path(state, "statement.sig"), 1 << 16, &armor, &err),
		&err);
	ok(governance_sign(g, NULL, armor.data, armor.len, &have, &want, &err),
		&err);
	assert_int_equal(have, 1);
	buf_clear(&armor);
	shell(state,
		"rm statement.sig && ssh-keygen -Y sign -f k1 -n file "
		"statement");
	ok(file_read(
		   scratch_path(state, "statement.sig"), 1 << 16, &armor, &err),
		&err);
	assert_int_equal(governance_sign(g, NULL, armor.data, armor.len, &have,
				 &want, &err),
		ERR_DENIED);
	buf_free(&bytes);
	buf_free(&armor);
	governance_close(g);
}

static void stock_git_edits_publish_as_the_next_head(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *rules = NULL;
	struct statement s;
	struct err err;

	assert_int_equal(governance_publish(g, &s, &err), ERR_EXISTS);
	change_rules(state, g, 7);
	shell(state, "git -C gov.git fsck --strict");
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_int_equal(rules_serial(rules), 2);
	rules_unref(rules);
	rules = NULL;
	ok(governance_rules(g, 1, &pin, &rules, &err), &err);
	assert_int_equal(rules_serial(rules), 1);
	rules_unref(rules);
	governance_close(g);
}

static void publishing_twice_keeps_the_signatures(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct statement s;
	struct err err;
	char edit[512];

	snprintf(edit, sizeof(edit), ADD_CONSUMER, 1);
	officer_edits(state, edit);
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(governance_publish(g, &s, &err), ERR_EXISTS);
	assert_int_equal(sign_by(state, g, 2, &have, &want), ERR_OK);
	assert_int_equal(have, 2);
	governance_close(g);
}

struct faults {
	unsigned count;
	char file[8][64];
	char what[8][256];
};

static void on_fault(void *arg, const char *file, const char *what)
{
	struct faults *f = arg;

	if (f->count < 8) {
		snprintf(f->file[f->count], 64, "%s", file);
		snprintf(f->what[f->count], 256, "%s", what);
	}
	f->count++;
}

static void check_tells_every_mistake_with_its_file(void **state)
{
	struct faults f = {.count = 0};
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	ok(governance_check(g, "main", on_fault, NULL, &f, &err), &err);
	assert_int_equal(f.count, 0);
	officer_edits(state,
		"echo 'days: [{date: 2026-02-30, kind: holiday}]' > "
		"calendar.yaml && echo x > oficers.yaml && echo 'children: "
		"[{code: 330107000000, name: x, rank: village}]' > "
		"roster/" VILLAGE ".yaml && echo '  colour: red' >> "
		"series/alert.yaml");
	assert_int_equal(governance_check(g, "main", on_fault, NULL, &f, &err),
		ERR_INVALID);
	assert_int_equal(f.count, 4);
	assert_string_equal(f.file[0], "calendar.yaml");
	assert_non_null(strstr(f.what[0], "2026-02-30"));
	assert_string_equal(f.file[1], "oficers.yaml");
	assert_string_equal(f.file[2], "series/alert.yaml");
	assert_string_equal(f.file[3], "roster/" VILLAGE ".yaml");
	assert_int_equal(governance_publish(g, &s, &err), ERR_INVALID);
	governance_close(g);
}

static void expect_publish_fails(void **state, const char *edit)
{
	struct governance *g;
	struct statement s;
	struct digest pin;
	struct err err;

	g = domain_final(state, &pin);
	officer_edits(state, edit);
	assert_int_not_equal(governance_publish(g, &s, &err), ERR_OK);
	ok(governance_head(g, &s, &err), &err);
	assert_int_equal(s.serial, 1);
	governance_close(g);
}

static void links_in_the_tree_are_refused(void **state)
{
	expect_publish_fails(state, "ln -s /etc/passwd README.md -f");
}

static void a_domain_keeps_its_name(void **state)
{
	expect_publish_fails(state, "sed -i s/xihu/other/ domain.yaml");
}

static void one_approval_for_rules_is_refused(void **state)
{
	expect_publish_fails(
		state, "sed -i 's/rules: \"2\"/rules: \"1\"/' domain.yaml");
}

static void officers_too_few_for_the_approvals_are_refused(void **state)
{
	expect_publish_fails(
		state, "sed -i 's/rules: \"2\"/rules: \"4\"/' domain.yaml");
}

static void a_merge_is_refused(void **state)
{
	struct governance *g;
	struct statement s;
	struct digest pin;
	struct err err;

	g = domain_final(state, &pin);
	shell(state,
		"git clone -q gov.git work && cd work && git checkout -q -b "
		"side && echo '# a' >> calendar.yaml && git commit -q -am a && "
		"git checkout -q main && echo '# b' >> consumers.yaml && git "
		"commit -q -am b && git merge -q -m m side && git push -q "
		"origin main");
	assert_int_equal(governance_publish(g, &s, &err), ERR_DENIED);
	governance_close(g);
}

static void history_behind_the_head_is_refused(void **state)
{
	struct governance *g;
	struct statement s;
	struct digest pin;
	struct err err;

	g = domain_final(state, &pin);
	shell(state,
		"git clone -q gov.git work && cd work && git checkout -q "
		"--orphan other && echo '# a' >> calendar.yaml && git add -A "
		"&& git commit -q -m a && git push -q ../gov.git other && git "
		"-C ../gov.git update-ref refs/heads/main other");
	assert_int_equal(governance_publish(g, &s, &err), ERR_DENIED);
	governance_close(g);
}

/* ---- scopes ---- */

#define REGISTRAR                                                              \
	"sed -i '/name: \"officer3\"/,$ {s/governor/registrar/;"               \
	"s/" ROOT "/" TOWNSHIP "/}' officers.yaml"
#define RENAME(code) "sed -i 's/name: \"/name: \"X/' roster/" code ".yaml"

static void a_registrar_signs_a_roster_within_the_scope_alone(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct statement s;
	struct err err;

	officer_changes(state, g, REGISTRAR);
	officer_edits(state, RENAME(TOWNSHIP));
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_OK);
	assert_int_equal(have, 1);
	assert_int_equal(want, 1);
	ok(governance_head(g, &s, &err), &err);
	assert_int_equal(s.serial, 3);
	governance_close(g);
}

static void a_registrar_signs_nothing_outside_the_scope(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct statement s;
	struct err err;

	officer_changes(state, g, REGISTRAR);
	officer_edits(state, RENAME("330106109000"));
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_DENIED);
	assert_int_equal(sign_by(state, g, 2, &have, &want), ERR_OK);
	assert_int_equal(have, 1);
	governance_close(g);
}

static void a_registrar_signs_no_rules(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct statement s;
	struct err err;

	officer_changes(state, g, REGISTRAR);
	officer_edits(
		state, RENAME(TOWNSHIP) " && echo '# x' >> series/alert.yaml");
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_DENIED);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(have, 1);
	assert_int_equal(want, 2);
	governance_close(g);
}

/* The officers of the head before judge: one that a change brings in does not
 * help it through, one that it puts out still may. */
static void a_new_officer_signs_from_the_next_head_on(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	unsigned have = 0, want = 0;
	struct statement s;
	struct err err;

	officer_edits(state,
		"printf '  - name: officer4\\n    role: governor\\n    "
		"scope: " ROOT "\\n    key: \"%s\"\\n' \"$(cat ../k4.pub)\" >> "
		"officers.yaml");
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 4, &have, &want), ERR_DENIED);
	sign_both(state, g);
	officer_edits(state, "echo '# x' >> calendar.yaml");
	ok(governance_publish(g, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 4, &have, &want), ERR_OK);
	governance_close(g);
}

/* ---- tampering with the repository ---- */

static void signatures_over_other_files_do_not_count(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *rules = NULL;
	struct err err;

	/* The statement of head 1, its commit's tree exchanged by hand. */
	change_rules(state, g, 1);
	shell(state,
		"cd gov.git && git cat-file blob "
		"refs/cundang/heads/0000000002:statement.json > ../s && "
		"sed -i 's/\"tree\":\"0/\"tree\":\"1/;t;"
		"s/\"tree\":\"./\"tree\":\"0/' ../s && b=$(git hash-object -w "
		"../s) && t=$(git ls-tree "
		"refs/cundang/heads/0000000002 | sed "
		"\"s/[0-9a-f]*\\tstatement.json/$b\\tstatement.json/\" | git "
		"mktree) && git update-ref refs/cundang/heads/0000000002 $t");
	assert_int_equal(
		governance_rules(g, 0, &pin, &rules, &err), ERR_DENIED);
	ok(governance_rules(g, 1, &pin, &rules, &err), &err);
	rules_unref(rules);
	governance_close(g);
}

static void a_head_with_one_signature_taken_away_is_refused(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *rules = NULL;
	struct err err;

	shell(state,
		"cd gov.git && t=$(git ls-tree refs/cundang/heads/0000000001 | "
		"sed 1d | git mktree) && git update-ref "
		"refs/cundang/heads/0000000001 $t");
	assert_int_equal(
		governance_rules(g, 0, &pin, &rules, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "1 signatures, it needs 2"));
	governance_close(g);
}

/* ---- exchange ---- */

struct peer {
	struct governance *g;
	uint64_t newest;
	struct err err;
};

static struct peer peer_make(void **state, const char *name)
{
	struct peer p = {.newest = 0};

	ok(governance_create(scratch_path(state, name), &p.g, &p.err), &p.err);
	return p;
}

static enum err_code give(struct governance *from, uint64_t after,
	struct peer *to, const struct digest *pin)
{
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	ok(governance_export(from, after, &bytes, &to->err), &to->err);
	rc = governance_import(
		to->g, bytes.data, bytes.len, pin, &to->newest, &to->err);
	buf_free(&bytes);
	return rc;
}

static void heads_travel_to_a_peer_and_again_only_news(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");
	struct buf all = BUF_EMPTY, news = BUF_EMPTY;
	struct rules *rules = NULL;
	struct err err;

	ok(give(g, 0, &p, &pin), &p.err);
	assert_int_equal(p.newest, 1);
	assert_int_equal(give(g, 0, &p, &pin), ERR_EXISTS);
	change_rules(state, g, 1);
	change_rules(state, g, 2);
	ok(governance_export(g, 0, &all, &err), &err);
	ok(governance_export(g, 1, &news, &err), &err);
	assert_true(news.len < all.len / 4);
	ok(give(g, 1, &p, &pin), &p.err);
	assert_int_equal(p.newest, 3);
	assert_int_equal(governance_export(g, 3, &all, &err), ERR_NOT_FOUND);
	ok(governance_rules(p.g, 0, &pin, &rules, &err), &err);
	assert_int_equal(rules_serial(rules), 3);
	shell(state,
		"git -C peer.git fsck --strict && git -C peer.git "
		"rev-parse main > a && git -C gov.git rev-parse main > b "
		"&& cmp a b");
	rules_unref(rules);
	buf_free(&all);
	buf_free(&news);
	governance_close(p.g);
	governance_close(g);
}

static void a_foreign_domain_is_refused_by_the_pin(void **state)
{
	struct digest pin, other = {{0}};
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");
	struct statement s;

	assert_int_equal(give(g, 0, &p, &other), ERR_DENIED);
	assert_int_equal(governance_head(p.g, &s, &p.err), ERR_NOT_FOUND);
	shell(state,
		"test -z \"$(git -C peer.git for-each-ref)\" && test -z "
		"\"$(find peer.git/objects -type f)\"");
	governance_close(p.g);
	governance_close(g);
}

/* Two copies of the repository whose officers went separate ways. */
static void a_rival_successor_is_told_as_a_fork(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin), *rival;
	struct peer p = peer_make(state, "peer.git");
	struct statement s;

	shell(state, "cp -r gov.git rival.git");
	change_rules(state, g, 1);
	ok(give(g, 0, &p, &pin), &p.err);
	shell(state, "rm -rf gov.git && mv rival.git gov.git");
	rival = gov_open(state, "gov.git");
	change_rules(state, rival, 2);
	change_rules(state, rival, 3);
	assert_int_equal(give(rival, 1, &p, &pin), ERR_FORK);
	ok(governance_head(p.g, &s, &p.err), &p.err);
	assert_int_equal(s.serial, 2);
	governance_close(rival);
	governance_close(p.g);
	governance_close(g);
}

static void a_gap_in_the_serials_is_refused(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");

	change_rules(state, g, 1);
	assert_int_equal(give(g, 1, &p, &pin), ERR_PROTOCOL);
	governance_close(p.g);
	governance_close(g);
}

static void damaged_exchange_bytes_change_nothing(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");
	struct buf bytes = BUF_EMPTY, plain = BUF_EMPTY, again = BUF_EMPTY;
	unsigned refused = 0, tried = 0;
	struct statement s;

	ok(governance_export(g, 0, &bytes, &p.err), &p.err);
	ok(store_decompress(
		   bytes.data, bytes.len, (size_t)64 << 20, &plain, &p.err),
		&p.err);
	for (size_t at = 0; at < plain.len; at += plain.len / 150 + 1) {
		plain.data[at] ^= 0x04;
		buf_clear(&again);
		ok(store_compress(plain.data, plain.len, 1, &again, &p.err),
			&p.err);
		refused += governance_import(p.g, again.data, again.len, &pin,
				   &p.newest, &p.err) != ERR_OK;
		plain.data[at] ^= 0x04;
		tried++;
	}
	assert_true(tried > 100);
	assert_int_equal(refused, tried);
	assert_int_equal(governance_head(p.g, &s, &p.err), ERR_NOT_FOUND);
	ok(governance_import(
		   p.g, bytes.data, bytes.len, &pin, &p.newest, &p.err),
		&p.err);
	buf_free(&bytes);
	buf_free(&plain);
	buf_free(&again);
	governance_close(p.g);
	governance_close(g);
}

static void truncated_exchange_bytes_are_refused(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct buf bytes = BUF_EMPTY;
	struct err err;

	ok(governance_export(g, 0, &bytes, &err), &err);
	ok(governance_scan(bytes.data, bytes.len, &err), &err);
	for (size_t n = 0; n < bytes.len; n += 97)
		assert_int_not_equal(
			governance_scan(bytes.data, n, &err), ERR_OK);
	buf_free(&bytes);
	governance_close(g);
}

/* ---- dying in between ---- */

#ifdef CUNDANG_CRASH_POINTS
#define DIES_AT 137
#else
#define DIES_AT 0 /* nothing to die at: the child just ends */
#endif

static void expect_death(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), DIES_AT);
}

static void a_death_while_a_head_becomes_final_leaves_it_final(void **state)
{
	struct digest pin = domain_make(state);
	struct governance *g = gov_open(state, "gov.git");
	unsigned have = 0, want = 0;
	struct rules *rules = NULL;
	struct err err;
	pid_t child;

	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	if ((child = fork()) == 0) {
		setenv("CUNDANG_CRASH", "governance.final", 1);
		(void)sign_by(state, g, 2, &have, &want);
		_exit(0);
	}
	expect_death(child);
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_int_equal(sign_by(state, g, 3, &have, &want), ERR_NOT_FOUND);
	change_rules(state, g, 1);
	rules_unref(rules);
	governance_close(g);
}

static void die_importing(struct governance *g, const char *point,
	const struct buf *bytes, const struct digest *pin)
{
	uint64_t newest = 0;
	struct err err;
	pid_t child = fork();

	if (child == 0) {
		setenv("CUNDANG_CRASH", point, 1);
		(void)governance_import(
			g, bytes->data, bytes->len, pin, &newest, &err);
		_exit(0);
	}
	expect_death(child);
}

static void a_death_while_heads_are_taken_is_made_good_by_the_next(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");
	struct buf bytes = BUF_EMPTY;
	struct err err;

	change_rules(state, g, 1);
	change_rules(state, g, 2);
	ok(governance_export(g, 0, &bytes, &err), &err);
	die_importing(p.g, "governance.objects", &bytes, &pin);
	die_importing(p.g, "governance.head*2", &bytes, &pin);
	if (DIES_AT) {
		ok(give(g, 0, &p, &pin), &p.err);
		assert_int_equal(p.newest, 3);
	}
	shell(state,
		"git -C peer.git fsck --strict && git -C peer.git "
		"rev-parse main > a && git -C gov.git rev-parse main > b "
		"&& cmp a b");
	buf_free(&bytes);
	governance_close(p.g);
	governance_close(g);
}

/* ---- files for packages ---- */

static void rules_come_back_from_files(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *rules = NULL;
	struct err err;

	change_rules(state, g, 1);
	ok(governance_files(g, 2, scratch_path(state, "files"), &err), &err);
	ok(governance_rules_from_files(
		   scratch_path(state, "files"), &pin, 0, &rules, &err),
		&err);
	assert_int_equal(rules_serial(rules), 2);
	rules_unref(rules);
	rules = NULL;
	ok(governance_rules_from_files(
		   scratch_path(state, "files"), &pin, 1, &rules, &err),
		&err);
	assert_int_equal(rules_serial(rules), 1);
	rules_unref(rules);
	rules = NULL;
	shell(state, "echo '#' >> files/0000000001/tree/officers.yaml");
	assert_int_equal(
		governance_rules_from_files(
			scratch_path(state, "files"), &pin, 0, &rules, &err),
		ERR_DENIED);
	governance_close(g);
}

static void seventy_heads_are_checked_and_travel_in_two_exchanges(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct peer p = peer_make(state, "peer.git");
	struct rules *rules = NULL;
	uint64_t start;
	struct err err;

	shell(state, "git clone -q gov.git work");
	for (int i = 2; i <= 70; i++) {
		struct statement s;

		shell(state,
			"cd work && echo '# %d' >> calendar.yaml && git commit "
			"-q -am x && git push -q origin HEAD:main",
			i);
		ok(governance_publish(g, &s, &err), &err);
		sign_both(state, g);
	}
	start = time_mono_ms();
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	print_message(
		"70 heads in %u ms\n", (unsigned)(time_mono_ms() - start));
	assert_int_equal(rules_serial(rules), 70);
	/* Two exchanges: at most 64 heads in one. */
	ok(give(g, 0, &p, &pin), &p.err);
	assert_int_equal(p.newest, GOVERNANCE_HEADS_LIMIT);
	ok(give(g, p.newest, &p, &pin), &p.err);
	assert_int_equal(p.newest, 70);
	rules_unref(rules);
	governance_close(p.g);
	governance_close(g);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(init_makes_a_proposal_that_two_officers_complete),
		T(rules_are_refused_under_another_pin),
		T(the_same_officer_counts_once),
		T(a_stranger_cannot_sign),
		T(init_refuses_a_single_officer),
		T(armor_of_stock_ssh_keygen_is_a_signature),
		T(stock_git_edits_publish_as_the_next_head),
		T(publishing_twice_keeps_the_signatures),
		T(check_tells_every_mistake_with_its_file),
		T(links_in_the_tree_are_refused),
		T(a_domain_keeps_its_name),
		T(one_approval_for_rules_is_refused),
		T(officers_too_few_for_the_approvals_are_refused),
		T(a_merge_is_refused),
		T(history_behind_the_head_is_refused),
		T(a_registrar_signs_a_roster_within_the_scope_alone),
		T(a_registrar_signs_nothing_outside_the_scope),
		T(a_registrar_signs_no_rules),
		T(a_new_officer_signs_from_the_next_head_on),
		T(signatures_over_other_files_do_not_count),
		T(a_head_with_one_signature_taken_away_is_refused),
		T(heads_travel_to_a_peer_and_again_only_news),
		T(a_foreign_domain_is_refused_by_the_pin),
		T(a_rival_successor_is_told_as_a_fork),
		T(a_gap_in_the_serials_is_refused),
		T(damaged_exchange_bytes_change_nothing),
		T(truncated_exchange_bytes_are_refused),
		T(a_death_while_a_head_becomes_final_leaves_it_final),
		T(a_death_while_heads_are_taken_is_made_good_by_the_next),
		T(rules_come_back_from_files),
		T(seventy_heads_are_checked_and_travel_in_two_exchanges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
