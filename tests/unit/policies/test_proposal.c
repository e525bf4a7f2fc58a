/* test_proposal.c - the register and the order of what may be destroyed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/proposal.h"
#include "policies/register.h"
#include "tests/unit/policies/fixture.h"

#define ORIGIN "cundang.example/330106110201/00112233aabbccdd"
#define AS_OF INT64_C(1795536000) /* 2026-11-25 at +08:00 */

static int setup(void **state)
{
	static struct fixture f;
	const enum fixture_place places[] = {COUNTY};

	fixture_open(&f);
	fixture_init_nodes(&f, places, 1);
	*state = &f;
	return 0;
}

static void add_group(struct due *d, const char *series, enum label label,
	const char *period, uint64_t from, size_t ranges, uint64_t step)
{
	struct due_group *g;

	d->group = realloc(d->group, (d->count + 1) * sizeof(*d->group));
	assert_non_null(d->group);
	g = &d->group[d->count++];
	*g = (struct due_group){.label = label,
		.since = year_start(2021),
		.first_year = 2009,
		.last_year = 2010,
		.start = 2011,
		.count = ranges,
		.range_count = ranges};
	strcpy(g->origin, ORIGIN);
	strcpy(g->series, series);
	strcpy(g->period, period);
	g->range = calloc(ranges, sizeof(*g->range));
	assert_non_null(g->range);
	for (size_t i = 0; i < ranges; i++)
		g->range[i] = (struct due_range){
			from + i * step, from + i * step + 1};
	d->parts += ranges;
}

static struct proposal propose(
	struct fixture *f, struct due *due, const char *reason)
{
	struct proposal p;
	struct err err;

	fixture_ok(proposal_make(f->node[COUNTY]->rules, "330106000000", reason,
			   AS_OF, due, &p, &err),
		&err);
	assert_int_equal(due->count, 0);
	return p;
}

static struct json *register_of(const struct proposal *p)
{
	struct buf text = BUF_EMPTY;
	struct json *reg = NULL;
	struct err err;

	fixture_ok(proposal_json(p, &text, &err), &err);
	fixture_ok(register_parse(text.data, text.len, &reg, &err), &err);
	buf_free(&text);
	return reg;
}

static const char *text_of(enum err_code (*write)(const struct json *,
				   const char *, struct buf *, struct err *),
	const struct json *reg, struct buf *b)
{
	struct err err;

	buf_clear(b);
	fixture_ok(write(reg, "", b, &err), &err);
	return buf_cstr(b);
}

static const char *json_of(const struct proposal *p, struct buf *b)
{
	struct err err;

	buf_clear(b);
	fixture_ok(proposal_json(p, b, &err), &err);
	return buf_cstr(b);
}

static void the_register_has_the_columns_of_archives(void **state)
{
	struct due due = {.count = 0};
	struct buf b = BUF_EMPTY, again = BUF_EMPTY;
	struct json *reg;
	struct proposal p;
	struct err err;
	const char *text;

	add_group(&due, "service-case", LABEL_SENSITIVE, "D10", 0, 2, 5);
	add_group(&due, "sensor", LABEL_PUBLIC, "T90d", 0, 1, 1);
	p = propose(*state, &due, "鉴定 7");
	reg = register_of(&p);
	text = text_of(register_csv, reg, &b);
	assert_true(
		strncmp(text,
			"\xef\xbb\xbf序号,名称,卷号,册号,起止年度,档号,"
			"应保管期限,已保管期限,销毁时间,",
			strlen("\xef\xbb\xbf序号,名称,卷号,册号,起止年度,档号"
			       ",应保管期限,已保管期限,销毁时间,")) == 0);
	assert_non_null(strstr(text,
		"\r\n\"1\",\"一窗受理·代办·证明\",\"\",\"\",\"2009-2010\",\"\","
		"\"10年\",\"15年\",\"\",\"2\",\"330106110201 "));
	assert_non_null(strstr(text, "\"90天\",\"58"));
	assert_non_null(strstr(text, "\"0 5\","));
	/* The masked values of the sensitive part lie in the internal one,
	 * which stays. */
	assert_non_null(strstr(text, "脱敏值仍在：内部"));
	assert_string_equal(text_of(register_csv, reg, &again), text);
	text = json_of(&p, &b);
	assert_non_null(strstr(text, "\"kept_years\":15"));
	assert_non_null(strstr(text, "\"masked_in\":[\"internal\"]"));
	assert_non_null(strstr(text, "\"seqs\":[[0,1],[5,6]]"));
	assert_string_equal(json_of(&p, &again), text);
	text = text_of(register_html, reg, &b);
	assert_non_null(strstr(text, "<td>一窗受理·代办·证明</td>"));
	assert_null(strstr(text, "会计机构负责人"));
	buf_clear(&b);
	fixture_ok(register_csv(reg, "2026-12-09", &b, &err), &err);
	assert_non_null(strstr(buf_cstr(&b), "\"15年\",\"2026-12-09\",\"2\","));
	json_free(reg);
	proposal_free(&p);
	buf_free(&b);
	buf_free(&again);
}

static void set_name(struct json *reg, size_t row, const char *name)
{
	struct json *v = (struct json *)json_at(json_get(reg, "rows"), row);

	assert_true(json_set(v, "name", json_new_string(name, strlen(name))));
}

static void what_is_written_by_people_is_no_markup_and_no_formula(void **state)
{
	struct due due = {.count = 0};
	struct buf b = BUF_EMPTY;
	struct proposal p;
	struct json *reg;
	const char *text;

	for (uint64_t i = 0; i < 3; i++)
		add_group(&due, "alert", LABEL_PUBLIC, "D10", i, 1, 1);
	p = propose(*state, &due, "<script>alert(1)</script>");
	reg = register_of(&p);
	set_name(reg, 0, "=cmd|' /C calc'!A0");
	set_name(reg, 1, " \t+1,\"x\"");
	set_name(reg, 2, "<b>&'\"");
	text = text_of(register_csv, reg, &b);
	assert_non_null(strstr(text, ",\"'=cmd|' /C calc'!A0\","));
	assert_non_null(strstr(text, ",\"' \t+1,\"\"x\"\"\","));
	text = text_of(register_html, reg, &b);
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&lt;script&gt;"));
	assert_non_null(strstr(text, "<td>&lt;b&gt;&amp;&#39;&quot;</td>"));
	json_free(reg);
	proposal_free(&p);
	buf_free(&b);
}

static void accounts_ask_for_more_signatures(void **state)
{
	struct due due = {.count = 0};
	struct buf b = BUF_EMPTY;
	struct digest d = digest_of("x", 1);
	struct json *reg;
	struct order o;
	struct proposal p;
	struct err err;

	add_group(&due, "fund-project", LABEL_INTERNAL, "D30", 0, 1, 1);
	p = propose(*state, &due, "r");
	assert_true(p.accounts);
	reg = register_of(&p);
	assert_non_null(
		strstr(text_of(register_html, reg, &b), "会计机构经办人"));
	fixture_ok(proposal_order(&p, reg, &d, &o, &err), &err);
	json_free(reg);
	assert_true(o.accounts);
	order_free(&o);
	proposal_free(&p);
	buf_free(&b);
}

static void the_order_names_the_parts_and_the_register(void **state)
{
	struct due due = {.count = 0};
	struct digest reg = digest_of("register", 8), holds = digest_of("", 0);
	struct buf b = BUF_EMPTY;
	struct json *list;
	struct order o, back;
	struct proposal p;
	struct err err;

	/* Of two series, one between the other's records. */
	add_group(&due, "alert", LABEL_PUBLIC, "D10", 0, 3, 2);
	add_group(&due, "complaint", LABEL_PERSONAL, "D10", 1, 2, 6);
	add_group(&due, "complaint", LABEL_PUBLIC, "D10", 1, 2, 6);
	p = propose(*state, &due, "鉴定 7");
	list = register_of(&p);
	fixture_ok(proposal_order(&p, list, &holds, &o, &err), &err);
	json_free(list);
	o.reg = reg;
	fixture_ok(order_write(&o, &b, &err), &err);
	fixture_ok(order_parse(b.data, b.len, &back, &err), &err);
	assert_int_equal(back.kind, ORDER_ERASE);
	assert_true(back.has_register && digest_equal(&back.reg, &reg));
	assert_true(digest_equal(&back.holds, &holds));
	assert_false(back.accounts);
	assert_int_equal(back.not_before - back.made_at, 15 * 86400);
	assert_true(order_names(&back, ORIGIN, LABEL_PUBLIC, 0));
	assert_true(order_names(&back, ORIGIN, LABEL_PUBLIC, 4));
	assert_true(order_names(&back, ORIGIN, LABEL_PUBLIC, 7));
	assert_true(order_names(&back, ORIGIN, LABEL_PUBLIC, 1));
	assert_false(order_names(&back, ORIGIN, LABEL_PUBLIC, 3));
	assert_true(order_names(&back, ORIGIN, LABEL_PERSONAL, 7));
	assert_false(order_names(&back, ORIGIN, LABEL_PERSONAL, 4));
	order_free(&o);
	order_free(&back);
	proposal_free(&p);
	buf_free(&b);
}

/* What is cut off is cut off for all labels of a record alike. */
static void what_does_not_fit_is_left_record_by_record(void **state)
{
	struct due due = {.count = 0};
	size_t many = PROPOSAL_RANGES_LIMIT;
	struct digest d = digest_of("x", 1);
	struct buf b = BUF_EMPTY;
	struct proposal p;
	struct json *reg;
	struct order o;
	struct err err;

	add_group(&due, "complaint", LABEL_PUBLIC, "D10", 0, many, 90000000000);
	add_group(
		&due, "complaint", LABEL_PERSONAL, "D10", 0, many, 90000000000);
	add_group(&due, "service-case", LABEL_PUBLIC, "D10", 0, 3, 2);
	p = propose(*state, &due, "r");
	assert_int_equal(p.due.count, 2);
	assert_int_equal(p.due.group[0].count, many / 2);
	assert_int_equal(p.due.group[1].count, many / 2);
	assert_int_equal(p.due.parts, many);
	assert_int_equal(p.left, many + 3);
	reg = register_of(&p);
	fixture_ok(proposal_order(&p, reg, &d, &o, &err), &err);
	fixture_ok(order_write(&o, &b, &err), &err);
	assert_true(b.len <= ORDER_TEXT_LIMIT);
	json_of(&p, &b);
	assert_true(b.len <= REGISTER_SIZE_LIMIT);
	json_free(reg);
	order_free(&o);
	proposal_free(&p);
	buf_free(&b);
}

/* The order of what is due, and the text of its register. */
static struct order order_of(struct fixture *f, struct buf *text)
{
	struct due due = {.count = 0};
	struct digest holds = digest_of("", 0);
	struct proposal p;
	struct json *reg;
	struct order o;
	struct err err;

	add_group(&due, "complaint", LABEL_PERSONAL, "D10", 1, 2, 6);
	add_group(&due, "complaint", LABEL_PUBLIC, "D10", 1, 2, 6);
	p = propose(f, &due, "r");
	json_of(&p, text);
	reg = register_of(&p);
	fixture_ok(proposal_order(&p, reg, &holds, &o, &err), &err);
	json_free(reg);
	proposal_free(&p);
	return o;
}

/* What it says of `text` with `from` made `to`, under an order that names that
 * very text. */
static enum err_code judge(struct fixture *f, struct order *o,
	const struct buf *text, const char *from, const char *to)
{
	const char *at = strstr((const char *)text->data, from);
	struct buf other = BUF_EMPTY;
	struct json *reg = NULL;
	struct err err;
	enum err_code rc;

	assert_non_null(at);
	buf_add(&other, text->data, (size_t)(at - (const char *)text->data));
	buf_str(&other, to);
	buf_str(&other, at + strlen(from));
	o->reg = digest_of(other.data, other.len);
	if (!(rc = register_parse(other.data, other.len, &reg, &err)))
		rc = register_check(reg, other.data, other.len,
			f->node[COUNTY]->rules, o, &err);
	json_free(reg);
	buf_free(&other);
	return rc;
}

static void a_register_is_that_of_its_order_and_names_nobody(void **state)
{
	static const char *const wrong[][2] = {
		{"\"label\":\"personal\"", "\"label\":\"sensitive\""},
		{"[7,8]", "[8,9]"},
		{"[[1,2],[7,8]]", "[[7,8],[1,2]]"},
		{"\"reason\":\"r\"", "\"reason\":\"s\""},
		{"\"accounts\":false", "\"accounts\":true"},
		{"\"unit\":\"", "\"unit\":\"某某"},
		{"\"name\":\"", "\"name\":\"甄士隐 "},
		{"\"source\":\"", "\"source\":\"甄士隐"},
		{"\"archive_no\":\"\"", "\"archive_no\":\"甄士隐\""},
		{"\"volume\":\"\"", "\"volume\":\"\",\"who\":\"甄士隐\""},
		{"\"count\":2,", "\"count\":3,"},
	};
	struct buf text = BUF_EMPTY;
	struct order o = order_of(*state, &text);

	(void)buf_cstr(&text);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(
			judge(*state, &o, &text, wrong[i][0], wrong[i][1]),
			ERR_INVALID);
	assert_int_equal(judge(*state, &o, &text, "r", "r"), ERR_OK);
	order_free(&o);
	buf_free(&text);
}

static void nothing_to_destroy_is_no_proposal(void **state)
{
	struct fixture *f = *state;
	struct due due = {.count = 0};
	struct proposal p;
	struct err err;

	assert_int_equal(proposal_make(f->node[COUNTY]->rules, "330106000000",
				 "r", AS_OF, &due, &p, &err),
		ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(test) cmocka_unit_test(test)
	const struct CMUnitTest tests[] = {
		TEST(the_register_has_the_columns_of_archives),
		TEST(what_is_written_by_people_is_no_markup_and_no_formula),
		TEST(accounts_ask_for_more_signatures),
		TEST(the_order_names_the_parts_and_the_register),
		TEST(what_does_not_fit_is_left_record_by_record),
		TEST(a_register_is_that_of_its_order_and_names_nobody),
		TEST(nothing_to_destroy_is_no_proposal),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
