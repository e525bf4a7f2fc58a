/* test_pinyin.c - divisions found by the first letters of their pinyin. */
#include "tests/unit/policies/domain.h"

static void letters_fit_the_beginning_of_a_name(void **state)
{
	static const struct {
		const char *name, *letters;
		bool fits;
	} rows[] = {
		{"西溪街道", "xxj", true},
		{"西溪街道", "XXJD", true},
		{"西溪街道", "x", true},
		{"西溪街道", "xj", false},
		{"西溪街道", "xxjda", false},
		{"西溪街道", "", false},
		{"西溪街道", "x*", false},
		{"北山街道", "bsjd", true},
		{"三墩镇", "sdz", true},
		{"", "a", false},
		{"第1社区A", "d1sqa", true},
		{"第1社区A", "d2", false},
		{"老（东）村", "ldc", true},
		{"啊", "a", true},
		{"座", "z", true},
		{"座", "y", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (pinyin_begins(rows[i].name, rows[i].letters) !=
			rows[i].fits)
			fail_msg("%s by \"%s\"", rows[i].name, rows[i].letters);
}

static void each_reading_of_a_hanzi_fits(void **state)
{
	(void)state;
	assert_true(pinyin_begins("长兴村", "cxc"));
	assert_true(pinyin_begins("长兴村", "zxc"));
	assert_true(pinyin_begins("里弄", "ll"));
	assert_true(pinyin_begins("里弄", "ln"));
	assert_false(pinyin_begins("里弄", "lx"));
}

/* 埭 is of the second level of GB 2312, 㘵 in no level. */
static void a_hanzi_outside_the_table_fits_any_letter(void **state)
{
	(void)state;
	for (char c = 'a'; c <= 'z'; c++) {
		char letters[] = {c, 'c', '\0'};

		assert_true(pinyin_begins("埭村", letters));
		assert_true(pinyin_begins("㘵村", letters));
	}
}

static void every_division_of_a_county_is_found_by_its_letters(void **state)
{
	struct rules *rules = NULL;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct err err;
	size_t found = 0;

	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	for (size_t i = 0; i < rules_node_count(rules); i++) {
		const char *name = rules_node_at(rules, i)->name;
		bool fits = false;

		for (char c = 'a'; c <= 'z' && !fits; c++)
			fits = pinyin_begins(name, (char[]){c, '\0'});
		found += fits;
	}
	assert_int_equal(found, rules_node_count(rules));
	rules_unref(rules);
	governance_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_fit_the_beginning_of_a_name),
		cmocka_unit_test(each_reading_of_a_hanzi_fits),
		cmocka_unit_test(a_hanzi_outside_the_table_fits_any_letter),
		cmocka_unit_test_setup_teardown(
			every_division_of_a_county_is_found_by_its_letters,
			scratch_make, scratch_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
