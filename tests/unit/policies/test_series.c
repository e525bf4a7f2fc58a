/* test_series.c - the template's series say what they should; mistakes in a
 * series file are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalogue.h"
#include "policies/shape.h"

#define PUBLIC LABEL_BIT(LABEL_PUBLIC)
#define INTERNAL LABEL_BIT(LABEL_INTERNAL)
#define PERSONAL LABEL_BIT(LABEL_PERSONAL)
#define MASKED (PUBLIC | INTERNAL)

static void ranks_are_known_by_name(void **state)
{
	enum rank r = RANK_VILLAGE;

	(void)state;
	assert_string_equal(rank_name(RANK_TOWNSHIP), "township");
	assert_true(rank_parse("county", &r));
	assert_int_equal(r, RANK_COUNTY);
	assert_false(rank_parse("province", &r));
}

static void the_template_gives_ranks_what_the_catalogue_says(void **state)
{
	static const struct {
		const char *name;
		uint8_t village, township, county;
	} expected[] = {
		{"service-case", LABEL_ALL, LABEL_ALL, MASKED},
		{"complaint", MASKED, LABEL_ALL, LABEL_ALL},
		{"service-rating", PUBLIC, MASKED, LABEL_ALL},
		{"alert", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"household", LABEL_ALL, MASKED | PERSONAL, MASKED},
		{"care-service", MASKED, MASKED, PUBLIC},
		{"deliberation", LABEL_ALL, LABEL_ALL, PUBLIC},
		{"mediation", MASKED, MASKED, PUBLIC},
		{"facility-geo", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"volunteer-partner", LABEL_ALL, MASKED, PUBLIC},
		{"sensor", LABEL_ALL, LABEL_ALL, PUBLIC},
		{"org-profile", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"worker-roster", LABEL_ALL, LABEL_ALL, MASKED},
		{"election-handover", LABEL_ALL, LABEL_ALL, PUBLIC},
		{"village-disclosure", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"fund-project", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"service-catalog", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"social-assistance", MASKED, LABEL_ALL, LABEL_ALL},
		{"minor-protection", 0, 0, 0},
		{"special-rehab", 0, 0, 0},
		{"public-health", MASKED, MASKED, LABEL_ALL},
		{"safety-patrol", LABEL_ALL, LABEL_ALL, PUBLIC},
		{"emergency-response", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"open-data-down", LABEL_ALL, LABEL_ALL, LABEL_ALL},
		{"task-ledger", LABEL_ALL, LABEL_ALL, LABEL_ALL},
	};

	assert_int_equal(ARRAY_LEN(expected), CATALOGUE_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		const struct series *s =
			catalogue_find(*state, expected[i].name);

		assert_non_null(s);
		assert_int_equal(
			s->clearance[RANK_VILLAGE], expected[i].village);
		/* Who may have counts only, above, gets counts. */
		assert_int_equal(s->aggregate.k,
			expected[i].county == PUBLIC ? AGGREGATE_K_LEAST : 0);
		assert_int_equal(
			s->clearance[RANK_TOWNSHIP], expected[i].township);
		assert_int_equal(s->clearance[RANK_COUNTY], expected[i].county);
	}
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

static void directions_and_urgency_are_the_catalogue_s(void **state)
{
	static const char *const below[] = {"alert", "service-catalog", NULL};
	static const char *const node[] = {"org-profile", "worker-roster",
		"village-disclosure", "fund-project", "social-assistance",
		"public-health", "emergency-response", "open-data-down",
		"task-ledger", NULL};
	static const char *const urgent[] = {
		"alert", "minor-protection", "emergency-response", NULL};
	struct catalogue *c = *state;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		const struct series *s = c->series[i];
		bool down = is_one_of(s->name, below);
		bool one = is_one_of(s->name, node);

		assert_int_equal(s->direction == DIRECTION_DOWN, down || one);
		assert_int_equal(s->reach == REACH_NODE, one);
		assert_int_equal(s->urgent, is_one_of(s->name, urgent));
		if (one)
			assert_false(s->senders & RANK_BIT(RANK_VILLAGE));
	}
}

/* What the county may hold has nothing sensitive but in the series that are its
 * own work; identity numbers are sensitive, and masked everywhere. */
static void what_is_sensitive_is_for_those_whose_work_it_is(void **state)
{
	static const char *const county[] = {"fund-project",
		"social-assistance", "public-health", "emergency-response",
		"open-data-down", NULL};
	struct catalogue *c = *state;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		const struct series *s = c->series[i];
		uint8_t held = s->labels & s->clearance[RANK_COUNTY];

		if (held & LABEL_BIT(LABEL_SENSITIVE) &&
			!is_one_of(s->name, county))
			fail_msg("%s: the county holds what is sensitive",
				s->name);
		for (size_t k = 0; k < s->field_count; k++) {
			const struct field *f = &s->fields[k];

			if (f->type != TYPE_ID_NO)
				continue;
			assert_int_equal(f->label, LABEL_SENSITIVE);
			assert_int_equal(f->derive, DERIVE_MASK);
			assert_int_equal(f->derive_label, LABEL_INTERNAL);
		}
	}
}

/* For people: a title in Chinese for every field, the plan's words, how long
 * every label is kept; and wherever age can be known, minors are sensitive. */
/* What law and catalogue fix; counties may lengthen all of it. */
static void the_template_keeps_what_the_law_wants_kept(void **state)
{
	static const struct {
		const char *name;
		enum label label;
		const char *period, *anchor;
	} expected[] = {
		/* 会计档案管理办法: vouchers 30 years, annual reports always */
		{"fund-project", LABEL_INTERNAL, "D30", "voucher_date"},
		{"fund-project", LABEL_PERSONAL, "D30", "voucher_date"},
		{"fund-project", LABEL_SENSITIVE, "D30", "voucher_date"},
		{"fund-project", LABEL_PUBLIC, "Y", NULL},
		/* 村民委员会组织法 art. 34 */
		{"election-handover", LABEL_PUBLIC, "Y", NULL},
		{"election-handover", LABEL_INTERNAL, "D30", "term_end"},
		{"deliberation", LABEL_PUBLIC, "Y", NULL},
		{"facility-geo", LABEL_PUBLIC, "Y", NULL},
		{"village-disclosure", LABEL_PUBLIC, "D30", "publish_from"},
		{"social-assistance", LABEL_SENSITIVE, "D30", "ended_at"},
		/* thirty years from a closing lie behind any 18th birthday */
		{"minor-protection", LABEL_SENSITIVE, "D30", "closed_at"},
		{"mediation", LABEL_SENSITIVE, "D30", NULL},
		{"service-case", LABEL_SENSITIVE, "D10", "closed_at"},
		{"complaint", LABEL_PERSONAL, "D10", "closed_at"},
		{"emergency-response", LABEL_PUBLIC, "Y", NULL},
		{"emergency-response", LABEL_INTERNAL, "D30", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		const struct series *s =
			catalogue_find(*state, expected[i].name);
		enum label l = expected[i].label;

		assert_string_equal(s->retention[l], expected[i].period);
		assert_false(s->automatic[l]);
		if (expected[i].anchor)
			assert_string_equal(s->anchor[l], expected[i].anchor);
		else
			assert_null(s->anchor[l]);
	}
}

/* 突发事件应对法 art. 85, and data lent for a purpose: it ends by itself. */
static void what_was_taken_for_one_purpose_ends_with_it(void **state)
{
	static const struct {
		const char *name, *period, *anchor;
	} expected[] = {
		{"emergency-response", "T30d", "ended_at"},
		{"public-health", "T30d", "purge_at"},
		{"special-rehab", "T30d", "term_to"},
		{"open-data-down", "T1d", "valid_until"},
	};

	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		const struct series *s =
			catalogue_find(*state, expected[i].name);

		assert_string_equal(
			s->retention[LABEL_SENSITIVE], expected[i].period);
		assert_string_equal(
			s->anchor[LABEL_SENSITIVE], expected[i].anchor);
		assert_true(s->automatic[LABEL_SENSITIVE]);
	}
}

/* 反家庭暴力法 art. 14: nobody reads by rank who reported, or about whom. */
static void who_reported_a_child_in_danger_is_kept_from_all_ranks(void **state)
{
	static const char *const secret[] = {"reporter_ref", "minor_token",
		"name", "birth_date", "guardian", "situation", NULL};
	const struct series *s = catalogue_find(*state, "minor-protection");
	size_t count = 0;

	for (unsigned r = 0; r < RANK_COUNT; r++)
		assert_int_equal(s->clearance[r], 0);
	for (size_t k = 0; k < s->field_count; k++) {
		if (!is_one_of(s->fields[k].path, secret))
			continue;
		assert_int_equal(s->fields[k].label, LABEL_SENSITIVE);
		count++;
	}
	assert_int_equal(count, ARRAY_LEN(secret) - 1);
}

static void every_field_is_explained_and_every_label_kept(void **state)
{
	static const char *const ages[] = {"household", "care-service",
		"service-case", "mediation", "social-assistance",
		"minor-protection", "public-health", "emergency-response",
		NULL};
	struct catalogue *c = *state;

	for (size_t i = 0; i < CATALOGUE_SIZE; i++) {
		const struct series *s = c->series[i];
		bool tells = false;

		assert_true(strlen(s->title) > 0 && strlen(s->plan) > 0);
		for (size_t k = 0; k < s->field_count; k++) {
			const struct field *f = &s->fields[k];

			if (!f->title)
				fail_msg("%s: %s: no title", s->name, f->path);
			tells |= f->minors;
		}
		assert_int_equal(tells, is_one_of(s->name, ages));
		for (unsigned l = 0; l < LABEL_COUNT; l++)
			assert_int_equal(s->retention[l] != NULL,
				(s->labels & LABEL_BIT(l)) != 0);
	}
}

static void a_series_knows_labels_of_derived_values_and_files(void **state)
{
	const struct series *household = catalogue_find(*state, "household");
	const struct series *sensor = catalogue_find(*state, "sensor");
	const struct series *alert = catalogue_find(*state, "alert");
	const struct shape *members = shape_member(household->shape, "members");
	const struct shape *masked = shape_member(members, "id_no_masked");

	assert_int_equal(household->labels, LABEL_ALL & ~PUBLIC);
	assert_int_equal(sensor->labels, MASKED);
	assert_false(sensor->attachments);
	assert_null(shape_member(sensor->shape, SHAPE_ATTACHMENTS));
	assert_true(alert->attachments);
	assert_int_equal(alert->attachments_label, LABEL_PUBLIC);
	assert_non_null(masked);
	assert_true(masked->derived);
	assert_int_equal(masked->label, LABEL_INTERNAL);
	assert_string_equal(masked->source, "id_no");
	assert_int_equal(members->kind, SHAPE_ROWS);
	assert_int_equal(members->label, LABEL_INTERNAL);
	assert_string_equal(household->retention[LABEL_INTERNAL], "Y");
	assert_string_equal(alert->anchor[LABEL_PUBLIC], "expires");
	assert_null(household->retention[LABEL_PUBLIC]);
}

static void system_series_are_built_in(void **state)
{
	bool sealed = false;
	size_t count = 0;

	(void)state;
	for (; series_system_at(count); count++) {
		const struct series *s = series_system_at(count);

		assert_ptr_equal(series_system(s->name), s);
		assert_true(s->system);
		if (!strcmp(s->name, SERIES_SEALED)) {
			sealed = true;
			assert_int_equal(s->labels, LABEL_BIT(LABEL_SENSITIVE));
			assert_int_equal(s->clearance[RANK_COUNTY],
				LABEL_BIT(LABEL_SENSITIVE));
			continue;
		}
		assert_int_equal(s->labels, INTERNAL);
		assert_int_equal(s->clearance[RANK_COUNTY], INTERNAL);
	}
	assert_true(sealed);
	assert_int_equal(count, 14);
	assert_null(series_system("service-case"));
	series_free(NULL);
}

/* A small series with one line replaced. */
static enum err_code load_with(
	const char *line, const char *instead, struct err *err)
{
	static const char text[] =
		"name: sample\n"
		"title: t\n"
		"plan: p\n"
		"direction: up\n"
		"urgent: no\n"
		"attachments: none\n"
		"clearance: {village: [public], "
		"township: [], county: []}\n"
		"retention:\n"
		"  - {label: public, period: D10}\n"
		"fields:\n"
		"  - {path: a, type: string, label: public}\n";
	struct buf b = BUF_EMPTY;
	struct series *s = NULL;
	const char *at = strstr(text, line);
	enum err_code rc;

	assert_non_null(at);
	buf_add(&b, text, (size_t)(at - text));
	buf_str(&b, instead);
	buf_str(&b, at + strlen(line));
	rc = series_load("series/sample.yaml", b.data, b.len, &s, err);
	assert_int_equal(rc == ERR_OK, s != NULL);
	series_free(s);
	buf_free(&b);
	return rc;
}

static void each_mistake_in_a_series_file_is_refused(void **state)
{
	static const struct {
		const char *line, *instead, *told;
	} mistakes[] = {
		{"title: t\n", "", "title"},
		{"title: t\n", "title: t\ntitle: u\n", "title"},
		{"title: t\n", "title: t\ncolour: red\n", "colour"},
		{"name: sample", "name: Sample", "name"},
		{"name: sample", "name: sys-key", "name"},
		{"name: sample", "name: sealed", "name"},
		{"direction: up", "direction: sideways", "direction"},
		{"urgent: no", "urgent: 1", "urgent"},
		{"attachments: none", "attachments: all", "attachments"},
		{"attachments: none", "attachments: personal", "personal"},
		{", county: []", "", "county"},
		{"[public]", "[none]", "none"},
		{"[public]", "[public, public]", "village"},
		{"urgent: no", "urgent: no\naggregate: {k: \"4\"}",
			"aggregate: k 4 is no number from 5 to 1000"},
		{"urgent: no", "urgent: no\naggregate: {k: few}",
			"aggregate: k few"},
		{"urgent: no", "urgent: no\naggregate: {by: [x]}", "k"},
		{"urgent: no", "urgent: no\naggregate: {k: \"5\", by: []}",
			"by"},
		{"urgent: no", "urgent: no\naggregate: {k: \"5\", by: [nil]}",
			"aggregate by nil: there is no such field"},
		{"urgent: no", "urgent: no\naggregate: {k: \"5\", by: [a]}",
			"line 6: aggregate by a: only fields of type choice"},
		{"string, label: public}\n",
			"choice, choices: [x], label: public}\naggregate: {k: "
			"\"5\", by: [a]}\n",
			"aggregate by a: one choice alone"},
		{"string, label: public}\n",
			"choice, choices: [x, y], label: public}\naggregate: "
			"{k: \"5\", by: [a, a]}\n",
			"aggregate by a: is there twice"},
		{"string, label: public}\n",
			"choice, choices: [x, 'y\"'], label: "
			"public}\naggregate: "
			"{k: \"5\", by: [a]}\n",
			"aggregate by a: choices with a quote"},
		{"urgent: no", "urgent: no\nsealed: Child", "sealed"},
		{"urgent: no", "urgent: no\nsealed: child-protection",
			"no rank holds what is sealed"},
		{"attachments: none",
			"attachments: public\nsealed: child-protection",
			"files are not sealed"},
		{"direction: up", "direction: down\nsealed: child-protection",
			"goes with direction: up"},
		{"period: D10", "period: D11", "line 9: retention of public"},
		{"period: D10", "period: D11", "D11"},
		{"period: D10", "period: T0d", "T0d"},
		{"period: D10", "period: T030d", "T030d"},
		{"period: D10", "period: D10, anchor: a", "anchor"},
		{"{label: public, period: D10}",
			"{label: internal, period: D10}", "internal"},
		{"label: public}", "label: none}", "label"},
		{"path: a", "path: A", "not a path"},
		{"path: a", "path: a..b", "not a path"},
		{"path: a", "path: \"a[][]\"", "not a path"},
		{"path: a", "path: \"[]\"", "not a path"},
		{"path: a", "path: a.b.c.d.e.f.g.h.i", "8 names"},
		{"path: a", "path: attachments", "reserved"},
		{"path: a", "path: _sd", "not a path"},
		{"type: string", "type: choice", "choices"},
		{"type: string", "type: string, choices: [x]", "choices"},
		{"type: string", "type: blob", "type"},
		{"type: string", "type: name, derive: mask", "derive_label"},
		{"type: string",
			"type: name, derive: mask, derive_label: public",
			"more public"},
		{"label: public}\n",
			"label: public}\n  - {path: a, type: date, "
			"label: public}\n",
			"taken"},
		{"label: public}\n",
			"label: public}\n  - {path: a.b, type: date, "
			"label: public}\n",
			"taken"},
		{"label: public}\n",
			"label: public}\n  - {path: \"b[]\", type: name, "
			"label: internal, derive: mask, derive_label: "
			"public}\n",
			"array"},
		{"title: t\nplan: p\n", "title: &x t\nplan: *x\n",
			"line 3: plan: no anchors"},
		{"title: t\n", "", "title: this key is missing: add it"},
		{"title: t\n", "title: [t]\n", "line 2: title: a word"},
		{"title: t\n", "title: 't\n", "no well-formed yaml"},
		{"urgent: no", "urgent: 1", "line 5: urgent: 1: not one of"},
		{"direction: up", "direction: up\nto: node",
			"line 5: to: goes with"},
		{"direction: up", "direction: up\nfrom: [county]",
			"line 5: from: goes with"},
		{"direction: up", "direction: down\nfrom: [county, county]",
			"line 5: from: a rank is there twice"},
		{"direction: up", "direction: down\nto: me", "to: me"},
		{"period: D10", "period: D10, automatic: yes",
			"line 9: retention of public: only periods"},
		{"type: string", "type: date, minors: yes",
			"line 11: field a: what tells of minors must have"},
		{"type: string", "type: name, minors: yes", "date and id_no"},
		{"attachments: none\n", "", "attachments: this key"},
		{", label: public}", "}",
			"line 11: label: this key is missing: add it"},
		{", period: D10", "",
			"line 9: period: this key is missing: add it"},
		{"fields:\n  - {path: a, type: string, label: public}\n",
			"fields: []\n", "line 10: fields: too few elements"},
		{"path: a", "path: face.template", "biometric"},
		{"path: a", "path: user_fingerprint", "biometric"},
		{"path: a", "path: a, title: 人脸照片", "biometric"},
		{"path: a", "path: a, title: 密级", "state secret"},
		{"type: string", "type: choice, choices: [公开, 机密]",
			"state secret"},
		{"path: a", "path: a, title: \"\"", "title: too short"},
	};
	struct err err;
	size_t ran = 0;

	(void)state;
	assert_int_equal(load_with("title: t", "title: t", &err), ERR_OK);
	for (; ran < ARRAY_LEN(mistakes); ran++) {
		assert_int_not_equal(load_with(mistakes[ran].line,
					     mistakes[ran].instead, &err),
			ERR_OK);
		if (!strstr(err.text, mistakes[ran].told))
			fail_msg("%zu: %s", ran, err.text);
	}
	assert_int_equal(ran, 70);
}

static void a_derived_name_cannot_be_taken(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
		load_with("label: public}\n",
			"label: public}\n"
			"  - {path: n_masked, type: string, label: public}\n"
			"  - {path: n, type: name, label: personal, "
			"derive: mask, derive_label: public}\n",
			&err),
		ERR_INVALID);
	assert_non_null(strstr(err.text, "field n: "));
}

static void a_text_over_the_limit_is_refused(void **state)
{
	struct series *s = NULL;
	char *text = calloc(1, SERIES_TEXT_LIMIT + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', SERIES_TEXT_LIMIT + 1);
	assert_int_equal(
		series_load("x", text, SERIES_TEXT_LIMIT + 1, &s, NULL),
		ERR_LIMIT);
	assert_null(s);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_are_known_by_name),
		cmocka_unit_test(
			the_template_gives_ranks_what_the_catalogue_says),
		cmocka_unit_test(directions_and_urgency_are_the_catalogue_s),
		cmocka_unit_test(
			what_is_sensitive_is_for_those_whose_work_it_is),
		cmocka_unit_test(the_template_keeps_what_the_law_wants_kept),
		cmocka_unit_test(what_was_taken_for_one_purpose_ends_with_it),
		cmocka_unit_test(
			who_reported_a_child_in_danger_is_kept_from_all_ranks),
		cmocka_unit_test(every_field_is_explained_and_every_label_kept),
		cmocka_unit_test(
			a_series_knows_labels_of_derived_values_and_files),
		cmocka_unit_test(system_series_are_built_in),
		cmocka_unit_test(each_mistake_in_a_series_file_is_refused),
		cmocka_unit_test(a_derived_name_cannot_be_taken),
		cmocka_unit_test(a_text_over_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, catalogue_make, catalogue_free);
}
