/* test_view.c - parts come back as the document, or as much as may be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalogue.h"
#include "policies/capture.h"
#include "policies/merge.h"
#include "policies/split.h"

/* A document split into the parts of a record. */
struct cut {
	const struct series *series;
	struct buf text[LABEL_COUNT];
	struct buf entry;
	struct record record;
};

static void cut_entry(struct cut *c, const struct json *doc)
{
	struct entry e = {.rev = 1, .sd_count = 1};

	strcpy(e.series, c->series->name);
	strcpy(e.iss, "cundang.example/330106000000");
	strcpy(e.node, json_get_string(doc, "node"));
	strcpy(e.id, json_get_string(doc, "id"));
	assert_true(uuid_parse(e.id, strlen(e.id), e.uuid));
	strcpy(e.at, json_get_string(doc, "created_at"));
	assert_int_equal(entry_write(&e, &c->entry, NULL), ERR_OK);
	c->record.entry = (const char *)c->entry.data;
	c->record.entry_len = c->entry.len;
}

static void cut_make(struct cut *c, const struct catalogue *all,
	const struct json *doc, const struct buf *attachments)
{
	struct err err = {0};

	memset(c, 0, sizeof(*c));
	c->series = catalogue_find(all, json_get_string(doc, "series"));
	assert_non_null(c->series);
	if (split_fields(c->series, json_get(doc, "fields"), attachments,
		    json_get_string(doc, "created_at"), c->text, &err))
		fail_msg("%s: %s", c->series->name, err.text);
	c->record.have = c->series->labels;
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		c->record.part[i].json = (const char *)c->text[i].data;
		c->record.part[i].len = c->text[i].len;
	}
	cut_entry(c, doc);
}

static void cut_free(struct cut *c)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_free(&c->text[i]);
	buf_free(&c->entry);
}

static struct json *merged(
	const struct cut *c, enum merge_mode mode, uint8_t labels)
{
	struct record r = c->record;
	struct json *v = NULL;
	struct err err = {0};

	r.have &= labels;
	if (merge_parts(c->series, &r, mode, &v, &err))
		fail_msg("%s: %s", c->series->name, err.text);
	return v;
}

static void assert_parts_are_canonical(const struct cut *c)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		const struct part *p = &c->record.part[i];
		struct json *v = NULL;

		if (!(c->record.have & LABEL_BIT(i))) {
			assert_int_equal(p->len, 0);
			continue;
		}
		assert_int_equal(json_parse_canonical(p->json, p->len,
					 PART_SIZE_LIMIT, &v, NULL),
			ERR_OK);
		json_free(v);
	}
}

static void check_round_trip(void *arg, const struct json *doc)
{
	struct cut c;
	struct json *content;

	cut_make(&c, arg, doc, NULL);
	assert_parts_are_canonical(&c);
	content = merged(&c, MERGE_CONTENT, LABEL_ALL);
	assert_true(json_equal(content, json_get(doc, "fields")));
	json_free(content);
	cut_free(&c);
}

static void parts_of_every_sample_merge_back_to_it(void **state)
{
	assert_int_equal(sample_each(check_round_trip, *state), SAMPLE_SIZE);
}

/* Every string of v that is longer than a character, in the text? */
static bool shows_any(const struct json *v, const struct buf *text)
{
	const struct json *below;
	const char *name;
	void *at = NULL;
	size_t len = 0;
	const char *s = json_string(v, &len);

	if (s)
		return len > 8 && memmem(text->data, text->len, s, len);
	for (size_t i = 0; i < json_count(v); i++) {
		if (json_at(v, i) && shows_any(json_at(v, i), text))
			return true;
	}
	while (json_kind(v) == JSON_KIND_OBJECT &&
		json_next(v, &at, &name, &below)) {
		if (shows_any(below, text))
			return true;
	}
	return false;
}

/* Nothing that only the parts above internal have is seen in the masked view,
 * and what is derived is. */
static void check_masked(void *arg, const struct json *doc)
{
	struct cut c;
	struct json *shown, *hidden;
	struct buf text = BUF_EMPTY;

	cut_make(&c, arg, doc, NULL);
	shown = merged(&c, MERGE_MASKED, LABEL_ALL);
	hidden = merged(&c, MERGE_CONTENT, LABEL_BIT(LABEL_SENSITIVE));
	assert_int_equal(json_write(shown, &text, NULL), ERR_OK);
	if (shows_any(hidden, &text))
		fail_msg("%s", c.series->name);
	for (size_t i = 0; i < c.series->field_count; i++) {
		const struct field *f = &c.series->fields[i];

		if (strcmp(f->path, "applicant.id_no") == 0)
			assert_non_null(
				strstr(buf_cstr(&text), "id_no_masked"));
	}
	json_free(shown);
	json_free(hidden);
	buf_free(&text);
	cut_free(&c);
}

static void masked_views_show_no_raw_value(void **state)
{
	assert_int_equal(sample_each(check_masked, *state), SAMPLE_SIZE);
}

static struct json *parse(const char *text)
{
	struct json *v = NULL;

	assert_int_equal(
		json_parse(text, strlen(text), JSON_TEXT_LIMIT, &v, NULL),
		ERR_OK);
	return v;
}

static struct json *document(const char *series, const char *fields)
{
	struct json *doc = json_new_object();

	assert_true(json_set(doc, "series", json_new_text(series)));
	assert_true(json_set(doc, "node", json_new_string("330106110201", 12)));
	assert_true(json_set(
		doc, "id", parse("\"01943a70-1fe5-7ced-a0ff-cc06ed61153b\"")));
	assert_true(json_set(
		doc, "created_at", parse("\"2026-04-22T17:48:35+08:00\"")));
	assert_true(json_set(doc, "fields", parse(fields)));
	return doc;
}

static void assert_part(
	const struct cut *c, enum label label, const char *expected)
{
	assert_int_equal(c->text[label].len, strlen(expected));
	assert_memory_equal(c->text[label].data, expected, c->text[label].len);
}

static void a_part_has_its_values_and_the_places_of_others(void **state)
{
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\",\"members\":["
		"{\"name\":\"甲乙\"},"
		"{\"name\":\"丙\",\"birth\":\"1950-01-01\"},"
		"{\"name\":\"丁\"}],\"tags\":[]}");

	cut_make(&c, *state, doc, NULL);
	assert_part(&c, LABEL_SENSITIVE,
		"{\"members\":[{},{\"birth\":\"1950-01-01\"},{}]}");
	assert_part(&c, LABEL_INTERNAL,
		"{\"address_masked\":\"甲村**\",\"household_no\":\"H1\","
		"\"members\":[{\"name_masked\":\"甲*\"},"
		"{\"name_masked\":\"*\"},{\"name_masked\":\"*\"}]}");
	assert_part(&c, LABEL_PERSONAL,
		"{\"address\":\"甲村1号\",\"members\":[{\"name\":\"甲乙\"},"
		"{\"name\":\"丙\"},{\"name\":\"丁\"}],\"tags\":[]}");
	cut_free(&c);
	json_free(doc);
}

static void an_empty_array_lies_in_its_most_public_part(void **state)
{
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\","
		"\"members\":[]}");

	cut_make(&c, *state, doc, NULL);
	assert_part(&c, LABEL_SENSITIVE, "{}");
	assert_part(&c, LABEL_INTERNAL,
		"{\"address_masked\":\"甲村**\",\"household_no\":\"H1\","
		"\"members\":[]}");
	cut_free(&c);
	json_free(doc);
}

static void what_holds_nothing_to_see_is_not_seen(void **state)
{
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\","
		"\"tags\":[\"a\"],\"members\":["
		"{\"name\":\"甲乙\",\"birth\":\"1950-01-01\"}]}");
	struct json *visit = document("care-service",
		"{\"visit_no\":\"1\",\"elder\":{\"name\":\"甲乙\"},"
		"\"vitals\":{\"pulse\":70}}");
	struct json *v;
	struct buf text = BUF_EMPTY;

	cut_make(&c, *state, doc, NULL);
	v = merged(&c, MERGE_MASKED, LABEL_ALL);
	assert_int_equal(json_write(v, &text, NULL), ERR_OK);
	assert_string_equal(buf_cstr(&text),
		"{\"address_masked\":\"甲村**\",\"household_no\":\"H1\","
		"\"members\":[{\"name_masked\":\"甲*\"}]}");
	json_free(v);
	v = merged(&c, MERGE_MASKED, LABEL_BIT(LABEL_SENSITIVE));
	assert_int_equal(json_count(v), 0);
	json_free(v);
	cut_free(&c);
	cut_make(&c, *state, visit, NULL);
	v = merged(&c, MERGE_MASKED, LABEL_ALL);
	assert_null(json_get(v, "vitals"));
	assert_non_null(json_get(v, "elder"));
	json_free(v);
	cut_free(&c);
	buf_free(&text);
	json_free(doc);
	json_free(visit);
}

static void contradicting_parts_are_refused(void **state)
{
	static const struct {
		const char *public, *internal;
	} pairs[] = {
		{"{\"a\":1}", "{\"a\":1}"},
		{"{\"a\":[{}]}", "{\"a\":[{},{}]}"},
		{"{\"a\":[{\"b\":1}]}", "{\"a\":[1]}"},
		{"{\"a\":{}}", "{\"a\":[]}"},
		{"[]", "{}"},
		{"{", "{}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct record r = {.have = 3};
		struct json *v = NULL;

		r.part[0].json = pairs[i].public;
		r.part[0].len = strlen(pairs[i].public);
		r.part[1].json = pairs[i].internal;
		r.part[1].len = strlen(pairs[i].internal);
		assert_int_equal(merge_parts(NULL, &r, MERGE_ALL, &v, NULL),
			ERR_CORRUPT);
		assert_null(v);
	}
}

/* The rules as far as views ask for them. */
static const struct catalogue *rules_of_test;

const struct series *rules_series(const struct rules *r, const char *name)
{
	(void)r;
	return rules_of_test ? catalogue_find(rules_of_test, name) : NULL;
}

#define OBJECT "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo"
#define ATTACHMENT                                                             \
	"[{\"media_type\":\"image/jpeg\",\"name\":\"a.jpg\",\"object\":"       \
	"\"" OBJECT "\",\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sha256\":"       \
	"\"00\",\"size\":7}]"

static void a_view_tells_what_is_withheld_and_destroyed(void **state)
{
	static const struct erasure why[LABEL_COUNT] = {
		[LABEL_PERSONAL] = {1782000000, "销毁令 7"}};
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\"}");
	struct json *shown = NULL;
	struct buf text = BUF_EMPTY;

	rules_of_test = *state;
	cut_make(&c, *state, doc, NULL);
	c.record.have = LABEL_BIT(LABEL_INTERNAL);
	c.record.erased = LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_PUBLIC);
	c.record.erasure = why;
	assert_int_equal(
		view_document(NULL, "o", 7, &c.record, VIEW_RAW, &shown, NULL),
		ERR_OK);
	assert_int_equal(json_write(shown, &text, NULL), ERR_OK);
	assert_string_equal(buf_cstr(&text),
		"{\"created_at\":\"2026-04-22T17:48:35+08:00\","
		"\"erased\":{\"personal\":{"
		"\"at\":\"2026-06-21T08:00:00+08:00\","
		"\"why\":\"销毁令 7\"},\"public\":{}},"
		"\"fields\":{\"address_masked\":\"甲村**\","
		"\"household_no\":\"H1\"},"
		"\"id\":\"01943a70-1fe5-7ced-a0ff-cc06ed61153b\","
		"\"node\":\"330106110201\",\"origin\":\"o\",\"rev\":1,"
		"\"seq\":7,\"series\":\"household\","
		"\"withheld\":[\"sensitive\"]}");
	json_free(shown);
	buf_free(&text);
	cut_free(&c);
	json_free(doc);
}

static void attachments_are_counted_where_they_may_not_be_seen(void **state)
{
	struct buf field = BUF_EMPTY;
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\"}");
	struct json *shown = NULL;
	uint64_t count = 0;

	rules_of_test = *state;
	buf_str(&field, ATTACHMENT);
	cut_make(&c, *state, doc, &field);
	assert_part(&c, LABEL_SENSITIVE, "{\"attachments\":" ATTACHMENT "}");
	assert_int_equal(view_document(NULL, "o", 7, &c.record, VIEW_MASKED,
				 &shown, NULL),
		ERR_OK);
	assert_null(json_get(shown, "attachments"));
	assert_true(json_get_u64(shown, "attachment_count", &count));
	assert_int_equal(count, 1);
	json_free(shown);
	assert_int_equal(
		view_document(NULL, "o", 7, &c.record, VIEW_RAW, &shown, NULL),
		ERR_OK);
	assert_int_equal(json_count(json_get(shown, "attachments")), 1);
	assert_null(json_get(json_get(shown, "fields"), "attachments"));
	json_free(shown);
	buf_free(&field);
	cut_free(&c);
	json_free(doc);
}

static void the_files_of_a_record_are_found_in_its_parts(void **state)
{
	struct buf field = BUF_EMPTY;
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\"}");
	struct attachment_ref *refs = NULL;
	size_t count = 9;
	char object[DIGEST_TEXT_SIZE];

	rules_of_test = *state;
	buf_str(&field, ATTACHMENT);
	cut_make(&c, *state, doc, &field);
	assert_int_equal(
		view_attachments(NULL, &c.record, &refs, &count, NULL), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(refs[0].size, 7);
	assert_int_equal(refs[0].label, LABEL_SENSITIVE);
	digest_base64url(&refs[0].object, object);
	assert_string_equal(object, OBJECT);
	free(refs);
	refs = NULL;
	c.record.have = LABEL_BIT(LABEL_PERSONAL);
	assert_int_equal(
		view_attachments(NULL, &c.record, &refs, &count, NULL), ERR_OK);
	assert_int_equal(count, 0);
	assert_null(refs);
	buf_free(&field);
	cut_free(&c);
	json_free(doc);
}

static void a_part_with_a_bad_list_of_files_is_refused(void **state)
{
	static const char *const lists[] = {"{\"attachments\":1}",
		"{\"attachments\":[1]}", "{\"attachments\":[{}]}",
		"{\"attachments\":[{\"object\":1,\"size\":1}]}"};
	struct cut c;
	struct json *doc = document("household",
		"{\"household_no\":\"H1\",\"address\":\"甲村1号\"}");

	rules_of_test = *state;
	cut_make(&c, *state, doc, NULL);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct attachment_ref *refs = NULL;
		size_t count = 0;

		c.record.part[LABEL_SENSITIVE].json = lists[i];
		c.record.part[LABEL_SENSITIVE].len = strlen(lists[i]);
		assert_int_equal(
			view_attachments(NULL, &c.record, &refs, &count, NULL),
			ERR_INVALID);
	}
	cut_free(&c);
	json_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_every_sample_merge_back_to_it),
		cmocka_unit_test(masked_views_show_no_raw_value),
		cmocka_unit_test(
			a_part_has_its_values_and_the_places_of_others),
		cmocka_unit_test(an_empty_array_lies_in_its_most_public_part),
		cmocka_unit_test(what_holds_nothing_to_see_is_not_seen),
		cmocka_unit_test(contradicting_parts_are_refused),
		cmocka_unit_test(a_view_tells_what_is_withheld_and_destroyed),
		cmocka_unit_test(
			attachments_are_counted_where_they_may_not_be_seen),
		cmocka_unit_test(the_files_of_a_record_are_found_in_its_parts),
		cmocka_unit_test(a_part_with_a_bad_list_of_files_is_refused),
	};

	return cmocka_run_group_tests(tests, catalogue_make, catalogue_free);
}
