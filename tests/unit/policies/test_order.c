/* test_order.c - orders of officers: the text, who signed, what counts. */
#include "policies/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/policies/domain.h"

#define ORIGIN DOMAIN "/" VILLAGE "/0123456789abcdef"
#define ORIGIN2 DOMAIN "/" TOWNSHIP "/0123456789abcdef"

/* ---- the text ---- */

static struct order order_of(enum order_kind kind, const char *node)
{
	struct order o = {.kind = kind,
		.domain = DOMAIN,
		.id = "01961234-5678-7abc-8def-0123456789ab",
		.reason = "audit 7",
		.made_at = 4102416000, /* 2100-01-01 */
		.rules = 1};

	snprintf(o.node, sizeof(o.node), "%s", node);
	o.not_before = o.made_at + 15 * 86400;
	o.has_register = true;
	snprintf(o.about, sizeof(o.about), "%s", o.id);
	return o;
}

static void add(struct order *o, const char *origin, enum label label,
	uint64_t from, uint64_t to)
{
	struct err err;

	ok(order_add_part(o, origin, label, from, to, &err), &err);
}

static struct order erasure(void)
{
	struct order o = order_of(ORDER_ERASE, ROOT);

	add(&o, ORIGIN, LABEL_PERSONAL, 3, 5);
	add(&o, ORIGIN, LABEL_PERSONAL, 5, 6);
	add(&o, ORIGIN, LABEL_PERSONAL, 9, 10);
	add(&o, ORIGIN, LABEL_SENSITIVE, 4, 5);
	return o;
}

static void check_round_trip(struct order *o)
{
	struct buf text = BUF_EMPTY;
	struct order again;
	struct err err;

	ok(order_write(o, &text, &err), &err);
	ok(order_parse(text.data, text.len, &again, &err), &err);
	assert_int_equal(again.kind, o->kind);
	assert_true(digest_equal(&again.digest, &o->digest));
	order_free(&again);
	buf_free(&text);
}

static void an_order_of_each_kind_is_read_as_it_was_written(void **state)
{
	struct err err;

	(void)state;
	for (unsigned kind = 0; kind < ORDER_KINDS; kind++) {
		struct order o = kind == ORDER_ERASE
			? erasure()
			: order_of((enum order_kind)kind, ROOT);

		for (uint64_t i = 9; i > 0; i--)
			if (kind == ORDER_HOLD || kind == ORDER_RESTRICT)
				ok(order_add_record(&o, ORIGIN, i % 7, &err),
					&err);
		check_round_trip(&o);
		order_free(&o);
	}
}

static void runs_of_parts_that_touch_are_one(void **state)
{
	struct order o = erasure();

	(void)state;
	assert_int_equal(o.part_count, 2);
	assert_int_equal(o.part[0].count, 2);
	assert_true(order_names(&o, ORIGIN, LABEL_PERSONAL, 5));
	assert_true(order_names(&o, ORIGIN, LABEL_PERSONAL, 9));
	assert_false(order_names(&o, ORIGIN, LABEL_PERSONAL, 6));
	assert_false(order_names(&o, ORIGIN, LABEL_SENSITIVE, 5));
	assert_false(order_names(&o, ORIGIN2, LABEL_PERSONAL, 5));
	order_free(&o);
}

static void a_hold_reaches_what_all_its_conditions_select(void **state)
{
	static const char at[] = "2026-04-22T17:48:35+08:00";
	struct order o = order_of(ORDER_HOLD, TOWNSHIP);

	(void)state;
	snprintf(o.series, sizeof(o.series), "household");
	snprintf(o.until, sizeof(o.until), "2026-04-22");
	assert_true(order_reaches(&o, ORIGIN, VILLAGE, 1, "household", at));
	assert_false(order_reaches(&o, ORIGIN, VILLAGE, 1, "alert", at));
	assert_false(order_reaches(&o, ORIGIN, ROOT, 1, "household", at));
	assert_false(order_reaches(&o, ORIGIN, VILLAGE, 1, "household",
		"2026-04-23T00:00:00+08:00"));
	snprintf(o.since, sizeof(o.since), "2026-04-23");
	assert_false(order_reaches(&o, ORIGIN, VILLAGE, 1, "household", at));
	order_free(&o);
}

static void a_hold_of_records_reaches_those_only(void **state)
{
	struct order o = order_of(ORDER_HOLD, ROOT);
	struct err err;

	(void)state;
	ok(order_add_record(&o, ORIGIN, 7, &err), &err);
	ok(order_add_record(&o, ORIGIN, 3, &err), &err);
	assert_true(order_reaches(&o, ORIGIN, VILLAGE, 3, "alert", "2026"));
	assert_false(order_reaches(&o, ORIGIN, VILLAGE, 4, "alert", "2026"));
	assert_false(order_reaches(&o, ORIGIN2, TOWNSHIP, 3, "alert", "2026"));
	order_free(&o);
}

#define HEAD "{\"domain\":\"" DOMAIN "\","
#define MADE "\"made_at\":\"2026-04-22T17:48:35+08:00\",\"node\":\"" ROOT "\","
#define ID "\"order\":\"01961234-5678-7abc-8def-0123456789ab\","
#define WHY "\"reason\":\"audit 7\",\"rules\":1"
#define HOLD(select)                                                           \
	HEAD "\"kind\":\"hold\"," MADE ID WHY ",\"select\":" select "}"
#define RECORDS(records) HOLD("{\"records\":" records "}")
#define DIGEST "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define ERASE(parts)                                                           \
	"{\"accounts\":false,\"domain\":\"" DOMAIN "\",\"holds\":\"" DIGEST    \
	"\",\"kind\":\"erase\"," MADE                                          \
	"\"not_before\":\"2026-05-22T17:48:35+08:00\"," ID "\"parts\":" parts  \
	"," WHY "}"
#define PART(seqs)                                                             \
	"{\"label\":\"personal\",\"origin\":\"" ORIGIN "\",\"seqs\":" seqs "}"

static const struct bad_text {
	const char *text, *says;
} bad_texts[] = {
	{"", "order"},
	{"[]", "kind"},
	{HOLD("{}"), "select"},
	{HOLD("{\"node\":\"33010611020\"}"), "select.node"},
	{HOLD("{\"from\":\"2026-02-30\"}"), "select.from"},
	{HOLD("{\"from\":\"2026-05-02\",\"to\":\"2026-05-01\"}"), "select.to"},
	{HOLD("{\"token\":\"x\"}"), "unknown"},
	{HOLD("{\"node\":\"" ROOT "\",\"person\":\"x\"}"), "unknown"},
	{HEAD "\"kind\":\"burn\"," MADE ID WHY "}", "kind"},
	{HEAD "\"kind\":\"release\"," MADE ID WHY "}", "hold"},
	{HEAD "\"kind\":\"lift\"," MADE ID WHY "}", "restriction"},
	{HEAD "\"kind\":\"restrict\"," MADE ID WHY "}", "select"},
	{RECORDS("[]"), "select.records"},
	{RECORDS("[[\"" ORIGIN "\",3],[\"" ORIGIN "\",3]]"), "select.records"},
	{RECORDS("[[\"" ORIGIN "\",4],[\"" ORIGIN "\",3]]"), "select.records"},
	{RECORDS("[[\"" ORIGIN "\",-1]]"), "select.records"},
	{RECORDS("[[\"other.example/" VILLAGE "/0123456789abcdef\",3]]"),
		"select.records"},
	{ERASE("[]"), "parts"},
	{ERASE("[" PART("[]") "]"), "parts"},
	{ERASE("[" PART("[[3,3]]") "]"), "parts"},
	{ERASE("[" PART("[[3,5],[5,6]]") "]"), "parts"},
	{ERASE("[" PART("[[3,5]]") "," PART("[[7,8]]") "]"), "parts"},
};

static void what_is_not_exactly_an_order_is_refused(void **state)
{
	struct order o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_texts); i++) {
		const struct bad_text *b = &bad_texts[i];

		if (order_parse(b->text, strlen(b->text), &o, &err) == ERR_OK)
			fail_msg("read: %s", b->text);
		if (!strstr(err.text, b->says))
			fail_msg("%s: %s", b->text, err.text);
	}
}

static void a_digest_of_holds_does_not_depend_on_their_order(void **state)
{
	char a[2][UUID_TEXT_SIZE] = {"b", "a"},
	     b[2][UUID_TEXT_SIZE] = {"a", "b"};
	struct digest x = order_holds_digest(a, 2);
	struct digest y = order_holds_digest(b, 2);
	struct digest lines = digest_of("a\nb\n", 4);

	(void)state;
	assert_true(digest_equal(&x, &y));
	assert_true(digest_equal(&x, &lines));
}

/* ---- signatures ---- */

/* Signs what stands in the scratch file `order` by stock ssh-keygen. */
static void sign(void **state, struct signed_order *s, struct order *o,
	const char *ns, const char *keys)
{
	struct err err;

	*s = (struct signed_order){.count = 0};
	ok(order_write(o, &s->text, &err), &err);
	ok(file_replace(scratch_path(state, "order"), s->text.data, s->text.len,
		   0600, &err),
		&err);
	for (; *keys; keys++) {
		struct buf armor = BUF_EMPTY;

		shell(state,
			"rm -f order.sig && ssh-keygen -q -Y sign -n %s -f "
			"k%c order",
			ns, *keys);
		ok(file_read(scratch_path(state, "order.sig"),
			   SSHSIG_TEXT_LIMIT, &armor, &err),
			&err);
		ok(signed_order_add(s, armor.data, armor.len, &err), &err);
		buf_free(&armor);
	}
}

/* officer1 a governor of the root, officer2 an archivist of the township,
 * officer3 a registrar; k4 is nobody's; officers 5 and 6 govern, too. */
static const char roles[] =
	"for i in 5 6; do ssh-keygen -q -t ed25519 -N '' -C '' -f ../k$i; "
	"printf '  - name: officer%s\\n    role: governor\\n    "
	"scope: \"" ROOT "\"\\n    key: \"%s\"\\n' $i \"$(cat ../k$i.pub)\" "
	">> officers.yaml; done; sed -i '/officer2/,/officer3/ "
	"{s/governor/archivist/;s/" ROOT "/" TOWNSHIP
	"/}; /officer3/,/officer5/ "
	"s/role: governor/role: registrar/' officers.yaml";

static struct rules *rules_of(struct governance *g)
{
	struct rules *r = NULL;
	struct err err;

	ok(governance_rules(g, 0, NULL, &r, &err), &err);
	return r;
}

static const struct signing {
	const char *what;
	enum order_kind kind;
	const char *node, *origin; /* of the part or record */
	const char *keys, *ns;
	const char *says; /* NULL: it is one */
} signings[] = {
	{"two of scope", ORDER_ERASE, ROOT, ORIGIN, "12", "cundang-approval",
		NULL},
	{"one signs a hold", ORDER_HOLD, ROOT, ORIGIN, "2", "cundang-approval",
		NULL},
	{"too few", ORDER_ERASE, ROOT, ORIGIN, "1", "cundang-approval",
		"has 1 signatures, it needs 2"},
	{"nobody", ORDER_HOLD, ROOT, ORIGIN, "", "cundang-approval",
		"has 0 signatures"},
	{"same officer twice", ORDER_ERASE, ROOT, ORIGIN, "11",
		"cundang-approval", "twice"},
	{"wrong role", ORDER_ERASE, ROOT, ORIGIN, "13", "cundang-approval",
		"governors and archivists"},
	{"unknown key", ORDER_ERASE, ROOT, ORIGIN, "14", "cundang-approval",
		"no officer's"},
	{"outside the scope", ORDER_ERASE, ROOT,
		DOMAIN "/330106000000/0123456789abcdef", "12",
		"cundang-approval", "outside that scope"},
	{"outside its node", ORDER_ERASE, VILLAGE, ORIGIN2, "15",
		"cundang-approval", "outside " VILLAGE},
	{"another purpose", ORDER_ERASE, ROOT, ORIGIN, "15",
		"cundang-governance", "signature 1"},
	{"accounts by two", ORDER_ERASE, TOWNSHIP, ORIGIN2, "1256",
		"cundang-approval", "it needs 5"},
};

static void check_signing(
	void **state, const struct rules *r, const struct signing *s)
{
	struct order o = order_of(s->kind, s->node);
	struct signed_order signed_;
	struct err err;
	enum err_code rc;

	o.accounts = !strcmp(s->what, "accounts by two");
	if (s->kind == ORDER_ERASE)
		add(&o, s->origin, LABEL_PERSONAL, 1, 2);
	else
		ok(order_add_record(&o, s->origin, 1, &err), &err);
	sign(state, &signed_, &o, s->ns, s->keys);
	rc = order_check(r, &o, &signed_, NULL, &err);
	if (!s->says)
		ok(rc, &err);
	else if (rc != ERR_DENIED || !strstr(err.text, s->says))
		fail_msg("%s: %s", s->what, rc ? err.text : "passed");
	signed_order_free(&signed_);
	order_free(&o);
}

static void signatures_make_an_order_by_role_scope_and_number(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *r;

	officer_changes(state, g, roles);
	r = rules_of(g);
	for (size_t i = 0; i < ARRAY_LEN(signings); i++)
		check_signing(state, r, &signings[i]);
	rules_unref(r);
	governance_close(g);
}

static void expect_denied(const struct rules *r, const struct order *o,
	const struct signed_order *s, const struct order *about,
	const char *says)
{
	struct err err;

	assert_int_equal(order_check(r, o, s, about, &err), ERR_DENIED);
	if (!strstr(err.text, says))
		fail_msg("%s", err.text);
}

static void bytes_of_another_order_are_not_signed(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *r = rules_of(g);
	struct order o = erasure();
	struct signed_order s;

	sign(state, &s, &o, ORDER_NAMESPACE, "12");
	s.text.data[s.text.len / 2] ^= 1;
	expect_denied(r, &o, &s, NULL, "signature 1");
	signed_order_free(&s);
	order_free(&o);
	rules_unref(r);
	governance_close(g);
}

static void an_erasure_waits_and_is_of_this_domain(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct rules *r = rules_of(g);
	struct order o = erasure();
	struct signed_order s;
	struct err err;

	o.not_before--;
	sign(state, &s, &o, ORDER_NAMESPACE, "12");
	expect_denied(r, &o, &s, NULL, "15 days");
	o.has_register = false; /* a request of a person waits for nothing */
	o.not_before = o.made_at;
	signed_order_free(&s);
	sign(state, &s, &o, ORDER_NAMESPACE, "12");
	ok(order_check(r, &o, &s, NULL, &err), &err);
	snprintf(o.domain, sizeof(o.domain), "other.example");
	expect_denied(r, &o, &s, NULL, "other.example");
	signed_order_free(&s);
	order_free(&o);
	rules_unref(r);
	governance_close(g);
}

static void whoever_ends_a_hold_covers_what_it_reaches(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct order hold = order_of(ORDER_HOLD, ROOT);
	struct order release = order_of(ORDER_RELEASE, ROOT);
	struct signed_order s;
	struct rules *r;
	struct err err;

	officer_changes(state, g, roles);
	r = rules_of(g);
	snprintf(hold.series, sizeof(hold.series), "alert");
	sign(state, &s, &release, ORDER_NAMESPACE, "2");
	expect_denied(r, &release, &s, &hold, "outside that scope");
	signed_order_free(&s);
	/* It would not come to those beside. */
	release = order_of(ORDER_RELEASE, TOWNSHIP);
	sign(state, &s, &release, ORDER_NAMESPACE, "2");
	expect_denied(r, &release, &s, &hold, "does not reach all");
	hold = order_of(ORDER_HOLD, TOWNSHIP);
	snprintf(hold.prefix, sizeof(hold.prefix), VILLAGE);
	ok(order_check(r, &release, &s, &hold, &err), &err);
	hold.kind = ORDER_ERASE;
	expect_denied(r, &release, &s, &hold, "does not end");
	signed_order_free(&s);
	rules_unref(r);
	governance_close(g);
}

static void an_order_and_its_signatures_are_fields_of_a_record(void **state)
{
	struct signed_order s = {.count = 0}, again;
	struct buf text = BUF_EMPTY;
	struct json *v;
	struct err err;

	(void)state;
	buf_str(&s.text, "{\"a\":1}");
	assert_int_equal(signed_order_add(&s, NULL, 0, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "no ssh signature"));
	ok(signed_order_add(&s, "x\ny\n", 4, &err), &err);
	v = signed_order_json(&s);
	assert_non_null(v);
	ok(json_write(v, &text, &err), &err);
	ok(signed_order_parse(text.data, text.len, &again, &err), &err);
	assert_int_equal(again.count, 1);
	assert_int_equal(again.text.len, s.text.len);
	assert_memory_equal(again.text.data, s.text.data, s.text.len);
	json_free(v);
	buf_free(&text);
	signed_order_free(&s);
	signed_order_free(&again);
}

#define T(test)                                                                \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_order_of_each_kind_is_read_as_it_was_written),
		cmocka_unit_test(runs_of_parts_that_touch_are_one),
		cmocka_unit_test(a_hold_reaches_what_all_its_conditions_select),
		cmocka_unit_test(a_hold_of_records_reaches_those_only),
		cmocka_unit_test(what_is_not_exactly_an_order_is_refused),
		cmocka_unit_test(
			a_digest_of_holds_does_not_depend_on_their_order),
		cmocka_unit_test(
			an_order_and_its_signatures_are_fields_of_a_record),
		T(signatures_make_an_order_by_role_scope_and_number),
		T(bytes_of_another_order_are_not_signed),
		T(an_erasure_waits_and_is_of_this_domain),
		T(whoever_ends_a_hold_covers_what_it_reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
