/* test_person.c - a person is found where a document names them, and gets what
 * is theirs of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policies/person.h"
#include "policies/shape.h"

#define NOW 1780000000
#define ID "11010519491231002X"
#define OTHER_ID "440524188001010014"

static const char rules[] =
	"name: household\ntitle: 户\nplan: 计划\ndirection: up\nurgent: no\n"
	"attachments: internal\n"
	"clearance:\n"
	"  village: [public, internal, personal, sensitive]\n"
	"  township: [public, internal, personal]\n  county: [public]\n"
	"retention:\n  - {label: internal, period: Y}\n"
	"  - {label: personal, period: D30}\n"
	"  - {label: sensitive, period: D30}\n"
	"fields:\n"
	"  - {path: no, title: 号, type: string, label: internal}\n"
	"  - {path: note, title: 注, type: text, label: personal}\n"
	"  - {path: worker, title: 员, type: name, label: personal}\n"
	"  - {path: id_no, title: 号码, type: id_no, label: sensitive}\n"
	"  - {path: \"members[].name\", title: 名, type: name, label: "
	"personal}\n"
	"  - {path: \"members[].id_no\", title: 号码, type: id_no, label: "
	"sensitive}\n"
	"  - {path: \"members[].phone\", title: 电话, type: phone, label: "
	"personal}\n";

static struct json *parse(const char *text)
{
	struct json *v = NULL;

	assert_int_equal(
		json_parse(text, strlen(text), JSON_TEXT_LIMIT, &v, NULL),
		ERR_OK);
	return v;
}

static struct person person(
	const char *id_no, const char *name, const char *phone)
{
	struct person p = {.id_no = ""};
	struct err err;

	if (person_set(&p, id_no, name, phone, NOW, &err))
		fail_msg("%s", err.text);
	return p;
}

static void full_width_and_spaces_are_taken(void **state)
{
	struct person p =
		person("　１１０１０５１９４９１２３１００２ｘ ", NULL, NULL);

	(void)state;
	assert_string_equal(p.id_no, ID);
	p = person(NULL, " 王芳 ", "１３８００１３８０００");
	assert_string_equal(p.name, "王芳");
	assert_string_equal(p.phone, "13800138000");
}

static void who_is_not_told_is_refused_without_being_repeated(void **state)
{
	static const struct {
		const char *id_no, *name, *phone;
	} bad[] = {{"110105194912310021", NULL, NULL}, {NULL, "王芳", NULL},
		{NULL, "王芳", "12345"}, {NULL, NULL, "13800138000"},
		{NULL, NULL, NULL}, {"", "", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct person p;
		struct err err;

		assert_int_equal(person_set(&p, bad[i].id_no, bad[i].name,
					 bad[i].phone, NOW, &err),
			ERR_USAGE);
		assert_null(strstr(err.text, "1101"));
		assert_null(strstr(err.text, "王芳"));
		assert_null(strstr(err.text, "12345"));
	}
}

static enum err_code on_place(
	void *arg, const char *path, const struct buf *masked, struct err *err)
{
	struct buf *out = arg;

	buf_printf(out, "%s=%.*s;", path, (int)masked->len,
		(const char *)masked->data);
	return buf_ok(out, err);
}

static void assert_found(
	const struct person *p, const char *fields, const char *places)
{
	struct json *v = parse(fields);
	struct buf out = BUF_EMPTY;

	assert_int_equal(person_find(p, v, on_place, &out, NULL), ERR_OK);
	assert_string_equal(buf_cstr(&out) ? (char *)out.data : "", places);
	buf_free(&out);
	json_free(v);
}

static void a_number_is_found_wherever_it_stands_by_itself(void **state)
{
	struct person p = person(ID, NULL, NULL);

	(void)state;
	assert_found(&p,
		"{\"members\":[{\"id_no\":\"" OTHER_ID "\"},{\"id_no\":\"" ID
		"\"}]}",
		"members[1].id_no=1***************2X;");
	assert_found(&p, "{\"note\":\"证件" ID "，已核\"}",
		"note=1***************2X;");
	assert_found(&p, "{\"note\":\"9" ID "\"}", "");
	assert_found(&p, "{\"note\":\"" ID "X\"}", "");
	assert_found(&p, "{\"n\":[null,true,7,[],{}]}", "");
}

static void a_name_counts_with_its_telephone_in_one_object(void **state)
{
	struct person p = person(NULL, "王芳", "13800138000");

	(void)state;
	assert_found(&p,
		"{\"members\":[{\"name\":\"王芳\",\"phone\":\"13800138000\"}]}",
		"members[0].name=王*;members[0].phone=138****8000;");
	assert_found(&p,
		"{\"members\":[{\"name\":\"王芳\"},{\"phone\":\"13800138000\"}]"
		"}",
		"");
	assert_found(&p, "{\"name\":\"王芳\",\"phone\":\"13900139000\"}", "");
}

static void assert_copied(
	const struct person *p, const char *fields, const char *copy)
{
	struct series *s = NULL;
	struct json *v = parse(fields), *out = NULL;
	struct buf text = BUF_EMPTY;
	struct err err;

	if (series_load("household.yaml", rules, strlen(rules), &s, &err))
		fail_msg("%s", err.text);
	assert_int_equal(person_copy(p, s, v, &out, NULL), ERR_OK);
	assert_int_equal(json_write(out, &text, NULL), ERR_OK);
	assert_non_null(buf_cstr(&text));
	assert_string_equal((char *)text.data, copy);
	buf_free(&text);
	json_free(out);
	json_free(v);
	series_free(s);
}

static void a_copy_shows_what_is_theirs_and_nobody_elses(void **state)
{
	struct person p = person(ID, NULL, NULL);

	(void)state;
	assert_copied(&p,
		"{\"members\":[{\"id_no\":\"" ID
		"\",\"name\":\"王芳\"},{\"id_no\":\"" OTHER_ID
		"\",\"name\":\"李四\",\"phone\":\"13900139000\"}],\"no\":\"7\","
		"\"note\":\"李四的事\",\"worker\":\"赵六\"}",
		"{\"members\":[{\"id_no\":\"" ID
		"\",\"name\":\"王芳\"},{}],\"no\":\"7\"}");
	/* At the top: what tells of no other person. */
	assert_copied(&p,
		"{\"id_no\":\"" ID "\",\"members\":[{\"name\":\"李四\"}],"
		"\"note\":\"来访\",\"worker\":\"赵六\"}",
		"{\"id_no\":\"" ID "\",\"members\":[{}],\"note\":\"来访\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_width_and_spaces_are_taken),
		cmocka_unit_test(
			who_is_not_told_is_refused_without_being_repeated),
		cmocka_unit_test(
			a_number_is_found_wherever_it_stands_by_itself),
		cmocka_unit_test(
			a_name_counts_with_its_telephone_in_one_object),
		cmocka_unit_test(a_copy_shows_what_is_theirs_and_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
