/* test_difference.c - what changes between two heads is told in words. */
#include "tests/unit/policies/domain.h"

struct told {
	struct buf text[PAGE_LANGUAGES];
	size_t count;
};

static enum err_code on_line(
	void *arg, const struct difference_line *line, struct err *err)
{
	struct told *t = arg;

	(void)err;
	for (size_t i = 0; i < PAGE_LANGUAGES; i++)
		buf_printf(&t->text[i], "%s: %s\n", line->file, line->text[i]);
	t->count++;
	return ERR_OK;
}

static struct told tell(
	struct governance *g, uint64_t serial, enum edition edition)
{
	struct told t = {.count = 0};
	struct version *a = NULL, *b = NULL;
	struct err err;

	if (serial)
		ok(version_open(g, EDITION_HEAD, serial, &a, &err), &err);
	ok(version_open(g, edition, 0, &b, &err), &err);
	ok(difference_each(a, b, on_line, &t, &err), &err);
	version_free(a);
	version_free(b);
	return t;
}

static void expect(struct told *t, enum page_language in, const char *words)
{
	const char *s = buf_cstr(&t->text[in]);

	if (!s || !strstr(s, words))
		fail_msg("not told: %s\nbut\n%s", words, s);
}

static void told_free(struct told *t)
{
	for (size_t i = 0; i < PAGE_LANGUAGES; i++)
		buf_free(&t->text[i]);
}

static void a_head_that_is_not_here_is_named_as_it_was_asked_for(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct version *v = NULL;
	struct err err;

	assert_int_equal(
		version_open(g, EDITION_HEAD, 42, &v, &err), ERR_NOT_FOUND);
	assert_string_equal(
		err.text, "there is no head 42: the newest here is 1");
	governance_close(g);
}

/* An officer's edit told in exactly `count` lines, one of which has these
 * words. */
struct change_case {
	const char *edit;
	size_t count;
	const char *english, *chinese;
};

static void check_cases(void **state, const struct change_case *cases, size_t n)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);

	for (size_t i = 0; i < n; i++) {
		struct told t;

		officer_edits(state, cases[i].edit);
		t = tell(g, 1, EDITION_MAIN);
		expect(&t, PAGE_ENGLISH, cases[i].english);
		expect(&t, PAGE_CHINESE, cases[i].chinese);
		if (t.count != cases[i].count)
			fail_msg("%s: %zu lines\n%s", cases[i].edit, t.count,
				buf_cstr(&t.text[PAGE_ENGLISH]));
		told_free(&t);
		shell(state,
			"git -C gov.git update-ref refs/heads/main "
			"refs/heads/main~1");
	}
	governance_close(g);
}

#define IN(file, script) "sed -i '" script "' " file
#define ALERT(script) IN("series/alert.yaml", script)
#define HOUSEHOLD(script) IN("series/household.yaml", script)

static void changes_of_series_are_told(void **state)
{
	static const struct change_case cases[] = {
		{HOUSEHOLD("s/township: .public, internal, personal./"
			   "township: [public, internal]/"),
			1,
			"household.yaml: household (户籍家庭信息): township no "
			"longer sees personal: ",
			"户籍家庭信息（household）：乡镇（街道）不再看到个人信"
			"息："},
		{HOUSEHOLD("s/county: .public, internal./"
			   "county: [public, internal, sensitive]/"),
			1, "county comes to see sensitive: ",
			"县（市、区）可以看到敏感个人信息："},
		{HOUSEHOLD("s/label: internal, period: Y/"
			   "label: internal, period: D30/"),
			1,
			"period of internal: for ever (Y) → 30 years (D30), "
			"shorter: what was captured under the longer one keeps "
			"it",
			"内部：永久（Y） → 30年（D30），缩短"},
		{HOUSEHOLD("s/label: sensitive, period: D30/"
			   "label: sensitive, period: Y/"),
			1, "30 years (D30) → for ever (Y), longer", "延长"},
		{HOUSEHOLD("s/^urgent: no/urgent: yes/"), 1, "urgent no → yes",
			"紧急：否 → 是"},
		{HOUSEHOLD("s/户籍家庭信息/户籍信息/"), 1,
			"its title changes from \"户籍家庭信息\" to",
			"由“户籍家庭信息”改为“户籍信息”"},
		{HOUSEHOLD("s/^  - {path: household_no,\\(.*\\)required: yes/"
			   "  - {path: household_no,\\1required: no/"),
			1, "field household_no (户编号): required yes → no",
			"字段户编号（household_no）：必填是 → 否"},
		{"rm series/household.yaml", 1, "is taken out", "删除"},
		{"sed -i 's/^aggregate: .*/aggregate: {k: \"10\", by: "
		 "[outcome]}/' series/mediation.yaml",
			1,
			"counts told upwards: by month and outcome (调解结果) "
			"and risk (风险等级), those below 5 withheld → by "
			"month "
			"and outcome (调解结果), those below 10 withheld",
			"向上汇总的统计：按月、调解结果（outcome）、风险等级（"
			"risk），低于 5 的数不公布 → "},
		{HOUSEHOLD("1s/^/# a comment\\n/"), 1, "git diff shows it",
			"git diff"},
		{"printf '  - {path: note, title: 备注, type: text, label: "
		 "personal}\\n' >> series/household.yaml",
			1,
			"field note (备注) is added: text, personal; seen by "
			"the node that captures it and by village, township",
			"字段备注（note）新增：多行文本，个人信息"},
	};

	check_cases(state, cases, ARRAY_LEN(cases));
}

#define CONSUMER(labels)                                                       \
	"printf 'consumers:\\n  - name: platform\\n    token_sha256: "         \
	"\"%064d\"\\n    labels: [" labels "]\\n' 7 > consumers.yaml"

static void changes_of_people_are_told(void **state)
{
	static const struct change_case cases[] = {
		{IN("domain.yaml", "s/rules: .2./rules: 3/"), 1,
			"signatures that a change of rules and officers needs: "
			"2 → 3",
			"2 → 3"},
		{"printf 'retention:\\n  - {series: sys-access, period: "
		 "T2y}\\n' >> domain.yaml",
			1, "sys-access is kept: for ever (Y) → 2 years (T2y)",
			"sys-access的保管期限：永久（Y） → 2年（T2y）"},
		{IN("officers.yaml", "/name: .officer3/,$d"), 1,
			"officer officer3 goes: the key SHA256:", "退出"},
		{IN("officers.yaml", "s/officer3/officer9/"), 1,
			"officer officer9 is renamed from \"officer3\"",
			"由“officer3”改为“officer9”"},
		{IN("officers.yaml",
			 "/name: .officer3/,$ s/governor/registrar/"),
			1, "officer officer3: role governor → registrar",
			"治理员（governor） → 登记员（registrar）"},
		{"k=$(cut -d' ' -f2 ../k4.pub) && sed -i "
		 "\"/name: .officer3/,\\$ s#AAAA[^\\\"]*#$k#\" officers.yaml",
			1, "officer officer3: another key SHA256:", "更换密钥"},
		{"printf '  - name: officer4\\n    role: registrar\\n    "
		 "scope: " TOWNSHIP "\\n    key: \"%s\"\\n    until: "
		 "\"2030-12-31\"\\n' \"$(cat ../k4.pub)\" >> officers.yaml",
			1, "officer officer4 comes in: registrar of " TOWNSHIP,
			"有效期至 2030-12-31"},
		{CONSUMER("public, internal"), 1,
			"consumer platform comes in and is granted public, "
			"internal of every series",
			"授权标签：公开、内部"},
		{"printf 'days:\\n  - {date: \"2030-10-01\", kind: "
		 "holiday}\\n' > calendar.yaml",
			1, "2030-10-01: as the weekday says → a holiday",
			"休息日"},
	};

	check_cases(state, cases, ARRAY_LEN(cases));
}

static void changes_of_rosters_are_told(void **state)
{
	static const struct change_case cases[] = {
		{"sed -i '0,/name: /s/name: \"/name: \"X/' "
		 "roster/" TOWNSHIP ".yaml",
			1, "is renamed from \"", "更名：由“"},
		{"sed -i '/" VILLAGE "/a\\    retired: \"2026-11-23\"' "
		 "roster/" TOWNSHIP ".yaml",
			1, "is retired since 2026-11-23", "2026-11-23"},
		{"printf '  - code: \"330106110299\"\\n    name: 新村\\n    "
		 "rank: village\\n' >> roster/" TOWNSHIP ".yaml",
			1, "新村 (330106110299) is added, a village below ",
			"新村（330106110299）新增，层级 村（社区），上级 "},
		{"rm roster/" TOWNSHIP ".yaml", 31, "is abolished", "撤销"},
	};

	check_cases(state, cases, ARRAY_LEN(cases));
}

static void nothing_changed_has_no_line(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct told t = tell(g, 1, EDITION_MAIN);

	assert_int_equal(t.count, 0);
	told_free(&t);
	governance_close(g);
}

/* Who signs statement 1 is shown the domain and every officer's key. */
static void the_first_head_is_told_from_nothing(void **state)
{
	struct governance *g;
	struct told t;

	(void)domain_make(state);
	g = gov_open(state, "gov.git");
	t = tell(g, 0, EDITION_PROPOSAL);
	expect(&t, PAGE_ENGLISH, "divisions: 235, of them with a node: 0");
	expect(&t, PAGE_ENGLISH,
		"officer officer2 comes in: governor of " ROOT);
	expect(&t, PAGE_CHINESE, "户籍家庭信息（household）：新增");
	told_free(&t);
	governance_close(g);
}

static void any_two_heads_are_compared(void **state)
{
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct version *a = NULL, *b = NULL;
	struct told t = {.count = 0};
	struct err err;

	officer_changes(state, g, CONSUMER("public"));
	officer_changes(state, g, CONSUMER("public, internal"));
	ok(version_open(g, EDITION_HEAD, 3, &a, &err), &err);
	ok(version_open(g, EDITION_HEAD, 1, &b, &err), &err);
	ok(difference_each(a, b, on_line, &t, &err), &err);
	assert_int_equal(t.count, 1);
	expect(&t, PAGE_ENGLISH, "consumer platform goes");
	version_free(a);
	version_free(b);
	told_free(&t);
	assert_int_equal(
		version_open(g, EDITION_HEAD, 4, &a, &err), ERR_NOT_FOUND);
	assert_int_equal(
		version_open(g, EDITION_PROPOSAL, 0, &a, &err), ERR_NOT_FOUND);
	governance_close(g);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(changes_of_series_are_told),
		T(changes_of_people_are_told),
		T(changes_of_rosters_are_told),
		T(nothing_changed_has_no_line),
		T(the_first_head_is_told_from_nothing),
		T(any_two_heads_are_compared),
		T(a_head_that_is_not_here_is_named_as_it_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
