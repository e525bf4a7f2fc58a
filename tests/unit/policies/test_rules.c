/* test_rules.c - clearance on the way, and the governance files one by one. */
#include "policies/rules_load.h"
#include "policies/template.h"
#include "tests/unit/policies/domain.h"

#define P LABEL_BIT(LABEL_PUBLIC)
#define I LABEL_BIT(LABEL_INTERNAL)
#define E LABEL_BIT(LABEL_PERSONAL)
#define S LABEL_BIT(LABEL_SENSITIVE)

static struct rules *rules_of(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *r = NULL;
	struct err err;

	ok(governance_rules(g, 0, &pin, &r, &err), &err);
	governance_close(g);
	return r;
}

static void a_part_goes_as_far_as_every_node_on_the_way_may_hold_it(
	void **state)
{
	struct rules *r = rules_of(state);
	struct series s = {.direction = DIRECTION_UP, .labels = LABEL_ALL};

	s.clearance[RANK_VILLAGE] = LABEL_ALL;
	s.clearance[RANK_TOWNSHIP] = P | I;
	s.clearance[RANK_COUNTY] = P | I | E;
	assert_int_equal(rules_clearance(r, &s, VILLAGE, VILLAGE), LABEL_ALL);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, TOWNSHIP), P | I);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, ROOT), P | I);
	assert_int_equal(rules_clearance(r, &s, TOWNSHIP, ROOT), P | I | E);
	assert_int_equal(rules_clearance(r, &s, ROOT, ROOT), LABEL_ALL);
	assert_int_equal(rules_clearance(r, &s, ROOT, TOWNSHIP), 0);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, "330106110203"), 0);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, "330106109000"), 0);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, "330107000000"), 0);
	assert_int_equal(rules_clearance(r, &s, "330107000000", ROOT), 0);
	rules_unref(r);
}

static void what_goes_down_is_narrowed_on_its_way_too(void **state)
{
	struct rules *r = rules_of(state);
	struct series s = {.direction = DIRECTION_DOWN, .labels = P | I | E};

	s.clearance[RANK_VILLAGE] = P | E;
	s.clearance[RANK_TOWNSHIP] = P | I;
	s.clearance[RANK_COUNTY] = P;
	assert_int_equal(rules_clearance(r, &s, ROOT, TOWNSHIP), P | I);
	assert_int_equal(rules_clearance(r, &s, ROOT, VILLAGE), P);
	assert_int_equal(rules_clearance(r, &s, VILLAGE, ROOT), P);
	assert_int_equal(rules_clearance(r, &s, ROOT, ROOT), P | I | E);
	rules_unref(r);
}

static void ranks_come_from_the_codes_and_series_from_the_template(void **state)
{
	struct rules *r = rules_of(state);

	assert_int_equal(rules_root(r)->rank, RANK_COUNTY);
	assert_string_equal(rules_root(r)->code, ROOT);
	assert_int_equal(rules_node(r, TOWNSHIP)->rank, RANK_TOWNSHIP);
	assert_int_equal(rules_node(r, VILLAGE)->rank, RANK_VILLAGE);
	assert_string_equal(rules_node(r, VILLAGE)->parent, TOWNSHIP);
	assert_false(rules_node(r, VILLAGE)->enrolled);
	assert_int_equal(rules_officer_count(r), 3);
	assert_int_equal(rules_approvals(r), 2);
	assert_int_equal(rules_roster_approvals(r), 1);
	assert_non_null(rules_series(r, "service-case"));
	assert_non_null(rules_series(r, "sys-policy"));
	assert_null(rules_series(r, "no-such"));
	for (size_t i = 1; i < rules_series_count(r); i++)
		assert_true(strcmp(rules_series_at(r, i - 1)->name,
				    rules_series_at(r, i)->name) < 0);
	rules_unref(r);
}

/* ---- single files ---- */

static enum err_code council(
	const char *domain, const char *officers, struct err *err)
{
	struct council c = {.officer = NULL};
	enum err_code rc;

	if (!(rc = council_load_domain(domain, strlen(domain), &c, err)) &&
		!(rc = council_load_officers(
			  officers, strlen(officers), &c, err)))
		rc = council_check(&c, err);
	council_free(&c);
	return rc;
}

#define KEY1                                                                   \
	"ssh-ed25519 "                                                         \
	"AAAAC3NzaC1lZDI1NTE5AAAAIO0bXawOl3sbZbKvpaJp1r2+jeji1Y3VbsWVlyfaplpl"
#define KEY2                                                                   \
	"ssh-ed25519 "                                                         \
	"AAAAC3NzaC1lZDI1NTE5AAAAIDGAX1nQQQ3vxLOKIOq8QaHYcmRqU15mS7a1x78d5wWr"
#define DOMAIN_YAML                                                            \
	"name: a.example\nroot: {code: " ROOT ", name: r, rank: county}\n"     \
	"approvals: {rules: 2, roster: 1}\n"
#define DOMAIN_ORDERS(approvals)                                               \
	"name: a\nroot: {code: " ROOT ", name: r, rank: county}\n"             \
	"approvals: {rules: 2, roster: 1, " approvals "}\n"
#define OFFICER(name, role, scope, key)                                        \
	"  - {name: " name ", role: " role ", scope: " scope ", key: \"" key   \
	"\"}\n"
#define UNTIL(name, day)                                                       \
	"  - {name: " name ", role: governor, scope: " ROOT ", key: \"" KEY2   \
	"\", until: " day "}\n"
#define TWO                                                                    \
	"officers:\n" OFFICER("a", "governor", ROOT, KEY1)                     \
		OFFICER("b", "governor", ROOT, KEY2)

#define KEPT(series, period)                                                   \
	"retention:\n  - {series: " series ", period: " period "}\n"

static void what_nodes_note_is_kept_as_the_domain_says(void **state)
{
	static const char text[] = DOMAIN_YAML KEPT("sys-provision",
		"T3y") "  - {series: sys-access, period: T184d}\n";
	struct rules r = {.node = NULL};
	struct err err;

	(void)state;
	ok(council_load_domain(text, strlen(text), &r.council, &err), &err);
	assert_string_equal(rules_kept(&r, "sys-provision"), "T3y");
	assert_string_equal(rules_kept(&r, "sys-access"), "T184d");
	assert_string_equal(rules_kept(&r, "sys-erasure"), "Y");
}

static void a_domain_that_says_nothing_of_orders_has_the_floors(void **state)
{
	static const char less[] = DOMAIN_YAML "waiting_days: 0\n";
	struct rules r = {.node = NULL};
	struct err err;

	(void)state;
	ok(council_load_domain(
		   DOMAIN_YAML, strlen(DOMAIN_YAML), &r.council, &err),
		&err);
	assert_int_equal(rules_disposal_approvals(&r), 2);
	assert_int_equal(rules_accounts_approvals(&r), 5);
	assert_int_equal(rules_hold_approvals(&r), 1);
	assert_int_equal(rules_waiting_days(&r), 15);
	ok(council_load_domain(less, strlen(less), &r.council, &err), &err);
	assert_int_equal(rules_waiting_days(&r), 0);
}

static void two_governors_of_the_root_make_a_council(void **state)
{
	struct err err;

	(void)state;
	ok(council(DOMAIN_YAML, TWO, &err), &err);
}

static void mistakes_in_domain_and_officers_are_told(void **state)
{
	static const struct {
		const char *domain, *officers, *told;
	} cases[] = {
		{"name: A\nroot: {code: " ROOT ", name: r, rank: county}\n"
		 "approvals: {rules: 2, roster: 1}\n",
			TWO, "a-z"},
		{"name: a\nroot: {code: 33, name: r, rank: county}\n"
		 "approvals: {rules: 2, roster: 1}\n",
			TWO, "12-digit"},
		{"name: a\nroot: {code: " ROOT ", name: r, rank: city}\n"
		 "approvals: {rules: 2, roster: 1}\n",
			TWO, "rank"},
		{"name: a\nroot: {code: " ROOT ", name: r, rank: county}\n"
		 "approvals: {rules: 02, roster: 1}\n",
			TWO, "approvals.rules"},
		{"name: a\nroot: {code: " ROOT ", name: r, rank: county}\n"
		 "approvals: {rules: 2, roster: 0}\n",
			TWO, "approvals.roster"},
		{"name: a\nroot: {code: " ROOT ", name: r, rank: county}\n",
			TWO, "approvals"},
		{DOMAIN_ORDERS("disposal: 1"), TWO, "approvals.disposal"},
		{DOMAIN_ORDERS("accounts: 4"), TWO, "approvals.accounts"},
		{DOMAIN_ORDERS("disposal: 6"), TWO, "is less than"},
		{DOMAIN_ORDERS("hold: 0"), TWO, "approvals.hold"},
		{DOMAIN_ORDERS("restrict: 1"), TWO, "domain.yaml"},
		{DOMAIN_YAML "waiting_days: 366\n", TWO, "waiting_days"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1),
			"1 governors"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				OFFICER("b", "governor", ROOT, KEY1),
			"same key"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				OFFICER("a", "governor", ROOT, KEY2),
			"twice"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("Li Si", "governor", ROOT, KEY1)
				OFFICER("ｌｉｓｉ", "governor", ROOT, KEY2),
			"twice"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				OFFICER("b", "king", ROOT, KEY2),
			"role"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				UNTIL("b", "2027-02-29"),
			"no date"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				UNTIL("b", "2027-02-28"),
			"1 governors"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				OFFICER("b", "registrar", "330107000000", KEY2),
			"outside"},
		{DOMAIN_YAML,
			"officers:\n" OFFICER("a", "governor", ROOT, KEY1)
				OFFICER("b", "registrar", ROOT, "ssh-dss AAAA"),
			"officers.yaml: line 3: b: "},
		{DOMAIN_YAML KEPT("sys-provision", "T2y"), TWO,
			"domain.yaml: line 5: retention of sys-provision: the "
			"law wants at least three years"},
		{DOMAIN_YAML KEPT("sys-provision", "T999d"), TWO,
			"three years"},
		{DOMAIN_YAML KEPT("sys-access", "T183d"), TWO, "six months"},
		{DOMAIN_YAML KEPT("sys-witness", "T1d"), TWO, "six months"},
		{DOMAIN_YAML KEPT("sys-erasure", "D30"), TWO, "for ever"},
		{DOMAIN_YAML KEPT("household", "D30"), TWO, "for ever"},
		{DOMAIN_YAML KEPT("sys-access", "6m"), TWO, "not Y"},
		{DOMAIN_YAML KEPT("sys-access", "D10") "  - {series: "
						       "sys-access, period: Y}"
						       "\n",
			TWO, "line 6: retention of sys-access: is there twice"},
		{DOMAIN_YAML "colour: red\n", TWO, "colour"},
		{DOMAIN_YAML "---\nname: b\n", TWO, "more than one"},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
			council(cases[i].domain, cases[i].officers, &err),
			ERR_INVALID);
		if (!strstr(err.text, cases[i].told))
			fail_msg("case %zu: \"%s\" does not tell of %s", i,
				err.text, cases[i].told);
	}
}

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_consumer_is_found_by_its_token(void **state)
{
	static const char text[] =
		"consumers:\n  - name: c\n    token_sha256: " TOKEN
		"\n    labels: [public, internal]\n    series: [alert]\n";
	struct rules r = {.node = NULL};
	const struct consumer *c;
	struct digest token;
	struct err err;

	(void)state;
	ok(consumers_load(
		   text, strlen(text), &r.consumer, &r.consumer_count, &err),
		&err);
	assert_true(digest_from_hex(TOKEN, 64, &token));
	assert_non_null(c = rules_consumer(&r, &token));
	assert_int_equal(c->labels, P | I);
	assert_int_equal(c->series_count, 1);
	token.b[31] ^= 1;
	assert_null(rules_consumer(&r, &token));
	free(r.consumer);
}

static void calendars_ascend_and_have_real_dates(void **state)
{
	static const char *const bad[] = {
		"days: [{date: 2026-02-29, kind: holiday}]\n",
		"days: [{date: 2026-02-28, kind: off}]\n",
		("days: [{date: 2026-02-28, kind: holiday}, {date: 2026-02-28, "
		 "kind: workday}]\n"),
		"days: [{date: 2026-2-28, kind: holiday}]\n",
	};
	static const char good[] =
		"days: [{date: 2026-02-27, kind: holiday}, {date: 2026-02-28, "
		"kind: workday}]\n";
	struct calendar_day *days = NULL;
	size_t count = 0;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(calendar_load(bad[i], strlen(bad[i]), &days,
					 &count, &err),
			ERR_INVALID);
	ok(calendar_load(good, strlen(good), &days, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_true(days[1].workday);
	free(days);
}

#define SEAL_KEY                                                               \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkVgw1vWfHSUtqJc2qU9Swl/VJq"       \
	"ZXSbBgxSfYVxAYV0zlv7FOUYtFUaY1MkIbGACGPwv/kdrUOw5f1yW9+ciafQ=="
#define OFF_CURVE                                                              \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkVgw1vWfHSUtqJc2qU9Swl/VJq"       \
	"ZXSbBgxSfYVxAYV0zlv7FOUYtFUaY1MkIbGACGPwv/kdrUOw5f1yW9+ciafA=="
#define RECOVERY "recovery: \"" SEAL_KEY "\"\n"
#define RECIPIENT(role, scope, key)                                            \
	"{name: a, role: " role ", scope: \"" scope "\", key: \"" key "\"}"

static void a_sealed_series_has_somebody_who_can_open_it(void **state)
{
	static const char text[] =
		RECOVERY "recipients: [" RECIPIENT("child-protection", TOWNSHIP,
			SEAL_KEY) ", " RECIPIENT("rehabilitation", ROOT,
			SEAL_KEY) "]\n";
	struct series child = {.name = "a", .sealed = "child-protection"};
	struct series rehab = {.name = "b", .sealed = "rehabilitation"};
	struct seals s = {.item = NULL};
	struct err err;

	(void)state;
	assert_int_equal(
		seals_check_series(&s, ROOT, &child, &err), ERR_INVALID);
	ok(seals_load(text, strlen(text), &s, &err), &err);
	assert_int_equal(s.count, 2);
	assert_int_equal(
		seals_check_series(&s, ROOT, &child, &err), ERR_INVALID);
	ok(seals_check_series(&s, ROOT, &rehab, &err), &err);
	ok(seals_check_scopes(&s, ROOT, &err), &err);
	assert_int_equal(seals_check_scopes(&s, TOWNSHIP, &err), ERR_INVALID);
	seals_free(&s);
}

static void mistakes_in_seals_are_told(void **state)
{
	static const struct {
		const char *text, *told;
	} bad[] = {
		{"recipients: []\n", "recovery"},
		{"recovery: x\nrecipients: []\n", "recovery is no p-256 key"},
		{"recovery: \"" OFF_CURVE "\"\nrecipients: []\n",
			"recovery is no p-256 key"},
		{RECOVERY "recipients: [" RECIPIENT(
			 "Child", ROOT, SEAL_KEY) "]\n",
			"a: role \"Child\""},
		{RECOVERY "recipients: [" RECIPIENT(
			 "child", "3301", SEAL_KEY) "]\n",
			"a: scope \"3301\""},
		{RECOVERY "recipients: [" RECIPIENT(
			 "child", ROOT, OFF_CURVE) "]\n",
			"a: the key is no p-256 key"},
		{RECOVERY "recipients: [" RECIPIENT(
			 "child", ROOT, SEAL_KEY) ", " RECIPIENT("child", ROOT,
			 SEAL_KEY) "]\n",
			"a and a have the same key"},
	};
	struct seals s = {.item = NULL};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			seals_load(bad[i].text, strlen(bad[i].text), &s, &err),
			ERR_INVALID);
		if (!strstr(err.text, bad[i].told))
			fail_msg("%s, not %s", err.text, bad[i].told);
		assert_null(s.item);
	}
}

static void rosters_come_back_from_what_they_write(void **state)
{
	static const char text[] = "children:\n  - {code: " VILLAGE
				   ", name: 'a \"b\" \\ c', rank: village, "
				   "address: \"[::1]:70\"}\n";
	struct roster a = {NULL, 0}, b = {NULL, 0};
	struct buf out = BUF_EMPTY;
	struct err err;

	(void)state;
	ok(roster_load("f", TOWNSHIP, text, strlen(text), &a, &err), &err);
	assert_string_equal(a.child[0].info.name, "a \"b\" \\ c");
	ok(roster_write(&a, &out, &err), &err);
	ok(roster_load("f", TOWNSHIP, out.data, out.len, &b, &err), &err);
	assert_int_equal(b.count, 1);
	assert_true(roster_child_equal(&a.child[0], &b.child[0]));
	roster_free(&a);
	roster_free(&b);
	buf_free(&out);
}

static void mistakes_in_rosters_are_told(void **state)
{
	static const char zero[] =
		"keys: {log: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, "
		"witness: x, tls: x, seal: x}";
	static const struct {
		const char *child, *told;
	} cases[] = {
		{"{code: 33010611020, name: a, rank: village}", "12-digit"},
		{"{code: " VILLAGE ", name: a, rank: hamlet}", "rank"},
		{"{code: " VILLAGE ", name: \"a\\nb\", rank: village}",
			"one line"},
		{"{code: " VILLAGE ", name: a, rank: village, address: a}",
			"host:port"},
		{"{code: " VILLAGE ", name: a, rank: village, %s}", "log key"},
		{"{code: " VILLAGE ", rank: village}", "name"},
	};
	struct roster r = {NULL, 0};
	char child[512], text[600];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *hole = strstr(cases[i].child, "%s");

		snprintf(child, sizeof(child), "%.*s%s%s",
			hole ? (int)(hole - cases[i].child) : 500,
			cases[i].child, hole ? zero : "", hole ? "}" : "");
		snprintf(text, sizeof(text), "children:\n  - %s\n", child);
		assert_int_equal(roster_load("roster/x.yaml", TOWNSHIP, text,
					 strlen(text), &r, &err),
			ERR_INVALID);
		if (!strstr(err.text, cases[i].told))
			fail_msg("case %zu: \"%s\" does not tell of %s", i,
				err.text, cases[i].told);
	}
}

static void addresses_have_a_host_and_a_port(void **state)
{
	static const char *const good[] = {
		"a:1", "127.0.0.1:7000", "[::1]:65535", "node-1.example:9443"};
	static const char *const bad[] = {"", "a", "a:", ":1", "a:0", "a:65536",
		"a b:1", "[::1:1", "::1:1", "a:01", "[]:1", "a:1 "};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(address_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (address_valid(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
}

/* The digest an auditor's tool computes too (docs/format.md section 8). */
static void the_digest_of_a_tree_is_over_path_length_and_hash(void **state)
{
	static const char lines[] =
		"a/b\0"
		"3\0ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2"
		"0015ad\n"
		"z\0"
		"0\0e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78"
		"52b855\n";
	struct digest want = digest_of(lines, sizeof(lines) - 1), is;
	struct fileset fs = {.file = NULL};
	struct err err;

	(void)state;
	ok(fileset_put(&fs, "z", "", 0, &err), &err);
	ok(fileset_put(&fs, "a/b", "abc", 3, &err), &err);
	ok(fileset_seal(&fs, &err), &err);
	is = fileset_digest(&fs);
	assert_true(digest_equal(&is, &want));
	fileset_free(&fs);
}

static void odd_file_names_are_refused(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/..", "../a", "/a",
		"a/", "a//b", ".git", "a/.git/x", "a\nb", "a\\b", "a:b",
		"a\xff", "a/b/c/d/e"};
	struct fileset fs = {.file = NULL};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (fileset_put(&fs, bad[i], "", 0, &err) == ERR_OK)
			fail_msg("\"%s\" was taken", bad[i]);
	fileset_free(&fs);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_part_goes_as_far_as_every_node_on_the_way_may_hold_it),
		T(what_goes_down_is_narrowed_on_its_way_too),
		T(ranks_come_from_the_codes_and_series_from_the_template),
		cmocka_unit_test(
			a_domain_that_says_nothing_of_orders_has_the_floors),
		cmocka_unit_test(two_governors_of_the_root_make_a_council),
		cmocka_unit_test(what_nodes_note_is_kept_as_the_domain_says),
		cmocka_unit_test(mistakes_in_domain_and_officers_are_told),
		cmocka_unit_test(a_consumer_is_found_by_its_token),
		cmocka_unit_test(calendars_ascend_and_have_real_dates),
		cmocka_unit_test(a_sealed_series_has_somebody_who_can_open_it),
		cmocka_unit_test(mistakes_in_seals_are_told),
		cmocka_unit_test(rosters_come_back_from_what_they_write),
		cmocka_unit_test(mistakes_in_rosters_are_told),
		cmocka_unit_test(addresses_have_a_host_and_a_port),
		cmocka_unit_test(
			the_digest_of_a_tree_is_over_path_length_and_hash),
		cmocka_unit_test(odd_file_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
