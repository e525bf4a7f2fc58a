/* test_access.c - who sees what is masked, and what stays of it on record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

#define REASON "查核受理单"
#define ADULT "11010519491231002X"
#define PHONE "13800138000"

static int setup(void **state)
{
	static const enum fixture_place some[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_some(&f, some, ARRAY_LEN(some));
	*state = &f;
	return 0;
}

static struct receipt put_case(struct fixture *f, const char *id_no)
{
	struct json *doc = NULL;
	struct receipt r;
	struct err err;
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"series\":\"service-case\",\"node\":\"330106110201\","
		"\"created_at\":\"2026-04-22T17:48:35+08:00\",\"fields\":{"
		"\"accept_no\":\"A1\",\"item\":\"x\",\"channel\":\"y\","
		"\"status\":\"已受理\","
		"\"applicant\":{\"name\":\"王小明\",\"id_no\":\"%s\","
		"\"phone\":\"" PHONE "\"}}}",
		id_no);
	fixture_ok(json_parse(text, strlen(text), JSON_TEXT_LIMIT, &doc, &err),
		&err);
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &r);
	return r;
}

static struct who somebody(const char *account, enum account_role role)
{
	struct who w = {.role = role};

	snprintf(w.account, sizeof(w.account), "%s", account);
	return w;
}

static struct access_ask ask_for(const struct receipt *r, struct who who)
{
	struct access_ask ask = {.who = who, .reason = REASON};

	ask.point.kind = POINT_ORIGIN;
	memcpy(ask.point.origin, r->origin, sizeof(ask.point.origin));
	ask.point.seq = r->seq;
	return ask;
}

static bool says(const struct json *v, const char *what)
{
	struct buf text = BUF_EMPTY;
	bool found;

	assert_int_equal(json_write(v, &text, NULL), ERR_OK);
	found = memmem(text.data, text.len, what, strlen(what)) != NULL;
	buf_free(&text);
	return found;
}

/* What is on record, in its order. */
struct lines {
	size_t count;
	struct json *line[64];
};

static enum err_code on_line(void *arg, struct json *line, struct err *err)
{
	struct lines *l = arg;

	(void)err;
	assert_true(l->count < 64);
	l->line[l->count++] = line;
	return ERR_OK;
}

static struct lines audited(struct node *n, const char *account)
{
	struct audit_filter filter = {.account = account, .to = INT64_MAX};
	struct lines l = {.count = 0};
	struct err err;

	fixture_ok(audit_access(n, &filter, on_line, &l, &err), &err);
	return l;
}

static void lines_free(struct lines *l)
{
	while (l->count)
		json_free(l->line[--l->count]);
}

static const char *result_of(const struct lines *l, size_t i)
{
	return json_get_string(json_get(l->line[i], "access"), "result");
}

static void what_is_shown_is_on_record_before(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, ADULT);
	struct access_ask ask = ask_for(&r, somebody("li", ACCOUNT_CLERK));
	struct json *out = NULL;
	struct lines l;
	struct err err;

	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_true(says(out, ADULT));
	assert_true(says(out, PHONE));
	l = audited(n, "li");
	assert_int_equal(l.count, 1);
	assert_string_equal(result_of(&l, 0), "shown");
	assert_true(says(l.line[0], r.id));
	assert_true(says(l.line[0], REASON));
	assert_false(says(l.line[0], ADULT));
	assert_false(says(l.line[0], PHONE));
	assert_false(says(l.line[0], "王小明"));
	lines_free(&l);
	json_free(out);
}

static void only_the_label_or_field_asked_for_is_shown(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, ADULT);
	struct access_ask ask = ask_for(&r, somebody("li2", ACCOUNT_CLERK));
	struct json *out = NULL;
	struct err err;

	ask.labels = LABEL_BIT(LABEL_PERSONAL);
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_true(says(out, PHONE));
	assert_false(says(out, ADULT));
	assert_true(says(out, "\"masked\":[\"sensitive\"]"));
	json_free(out);
	ask.labels = 0;
	ask.field = "applicant.id_no";
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_true(says(out, ADULT));
	assert_false(says(out, PHONE));
	json_free(out);
	ask.field = "applicant.none";
	assert_int_equal(
		access_reveal(n, NULL, NULL, &ask, &out, &err), ERR_NOT_FOUND);
	ask.field = "../x";
	assert_int_equal(
		access_reveal(n, NULL, NULL, &ask, &out, &err), ERR_USAGE);
}

static void denied_tries_are_recorded_and_then_counted(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, ADULT);
	struct access_ask ask = ask_for(&r, somebody("mao", ACCOUNT_AUDITOR));
	struct access_tries *tries = access_tries_new();
	struct json *out = NULL;
	uint64_t count = 0;
	struct lines l;
	struct err err;

	assert_non_null(tries);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
			access_reveal(n, NULL, tries, &ask, &out, &err),
			ERR_DENIED);
	assert_null(out);
	assert_false(access_tries_due(tries));
	l = audited(n, "mao");
	assert_int_equal(l.count, ACCESS_DENIED_LIMIT);
	for (size_t i = 0; i < l.count; i++)
		assert_string_equal(result_of(&l, i), "denied");
	assert_true(says(l.line[0], r.id));
	lines_free(&l);
	fixture_ok(access_tries_flush(n, NULL, tries, true, &err), &err);
	fixture_ok(access_tries_flush(n, NULL, tries, true, &err), &err);
	l = audited(n, "mao");
	assert_int_equal(l.count, ACCESS_DENIED_LIMIT + 1);
	assert_true(json_get_u64(
		json_get(l.line[l.count - 1], "access"), "count", &count));
	assert_int_equal(count, 20 - ACCESS_DENIED_LIMIT);
	lines_free(&l);
	access_tries_free(tries);
}

static void many_accounts_share_what_is_kept_of_denied_tries(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, ADULT);
	struct access_tries *tries = access_tries_new();
	struct json *out = NULL;
	struct err err;

	assert_non_null(tries);
	for (unsigned i = 0; i < 200; i++) {
		struct access_ask ask =
			ask_for(&r, somebody("", ACCOUNT_READER));

		snprintf(ask.who.account, sizeof(ask.who.account), "uid-%u", i);
		assert_int_equal(
			access_reveal(n, NULL, tries, &ask, &out, &err),
			ERR_DENIED);
	}
	fixture_ok(access_tries_flush(n, NULL, tries, true, &err), &err);
	access_tries_free(tries);
}

/* Somebody born in 2020. */
static const char *child(void)
{
	static char text[19] = "33010620200105001";
	static const unsigned weight[] = {
		7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	unsigned sum = 0;

	for (size_t i = 0; i < 17; i++)
		sum += weight[i] * (unsigned)(text[i] - '0');
	text[17] = "10X98765432"[sum % 11];
	return text;
}

static void about_a_minor_a_second_person_approves_one_reading(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, child());
	struct who li = somebody("li3", ACCOUNT_ADMIN);
	struct who zhao = somebody("zhao", ACCOUNT_APPROVER);
	struct access_ask ask = ask_for(&r, li);
	struct json *out = NULL;
	char request[UUID_TEXT_SIZE];
	struct lines l;
	struct err err;

	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	assert_false(says(out, child()));
	snprintf(request, sizeof(request), "%s",
		json_get_string(out, "request"));
	json_free(out);
	/* Asking again makes no second request. */
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_string_equal(json_get_string(out, "request"), request);
	json_free(out);
	assert_int_equal(access_decide(n, NULL, NULL, &li, ACCESS_APPROVE,
				 request, &out, &err),
		ERR_DENIED);
	assert_non_null(strstr(err.text, "another person"));
	fixture_ok(access_decide(n, NULL, NULL, &zhao, ACCESS_APPROVE, request,
			   &out, &err),
		&err);
	assert_true(says(out, REASON));
	assert_string_equal(json_get_string(out, "for"), "li3");
	json_free(out);
	assert_int_equal(access_decide(n, NULL, NULL, &zhao, ACCESS_APPROVE,
				 request, &out, &err),
		ERR_NOT_FOUND);
	/* Of another field, for another reason nothing was approved. */
	ask.labels = LABEL_BIT(LABEL_SENSITIVE);
	ask.field = "applicant.id_no";
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	json_free(out);
	ask = ask_for(&r, li);
	ask.reason = "another matter";
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	assert_string_not_equal(json_get_string(out, "request"), request);
	json_free(out);
	ask = ask_for(&r, li);
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_true(says(out, child()));
	json_free(out);
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	json_free(out);
	l = audited(n, "li3");
	assert_int_equal(l.count, 6);
	assert_string_equal(result_of(&l, 0), "waiting");
	assert_string_equal(result_of(&l, 1), "denied");
	assert_string_equal(result_of(&l, 2), "waiting");
	assert_string_equal(result_of(&l, 3), "waiting");
	assert_string_equal(result_of(&l, 4), "shown");
	assert_string_equal(result_of(&l, 5), "waiting");
	lines_free(&l);
}

struct forged {
	struct node *node;
	struct system_place place;
	const char *text;
};

#define APPROVED                                                               \
	"{\"account\":\"zhao\",\"act\":\"approve\",\"result\":"                \
	"\"approved\",\"until\":\"2099-01-01T00:00:00+08:00\"}"
#define LONG_AGO                                                               \
	"{\"account\":\"li7\",\"act\":\"reveal\",\"result\":"                  \
	"\"waiting\",\"until\":\"2020-01-01T00:00:00+08:00\"}"

static enum err_code forge(struct batch *b, void *arg, struct err *err)
{
	struct forged *x = arg;
	struct json *fields = NULL;
	struct receipt r;
	enum err_code rc = json_parse(
		x->text, strlen(x->text), JSON_TEXT_LIMIT, &fields, err);

	return rc ? rc
		  : system_revision(b, x->node, ACCESS_SERIES, &x->place,
			    fields, &r, err);
}

static void put_forged(struct node *n, struct forged *forged)
{
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(forge(b, forged, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
}

static size_t pending_of(struct node *n, const struct who *who,
	const char *request, char state[16])
{
	struct json *out = NULL;
	struct err err;
	const struct json *rows;
	size_t count = 0;

	fixture_ok(access_pending(n, who, &out, &err), &err);
	assert_false(says(out, child()));
	rows = json_get(out, "requests");
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);

		count++;
		if (strcmp(json_get_string(row, "request"), request))
			continue;
		snprintf(state, 16, "%s", json_get_string(row, "state"));
		assert_string_equal(json_get_string(row, "account"), "li7");
		assert_string_equal(json_get_string(row, "reason"), REASON);
		assert_non_null(json_get(json_get(row, "record"), "id"));
	}
	json_free(out);
	return count;
}

static void what_waits_is_listed_until_it_is_decided_or_over(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct receipt r = put_case(f, child());
	struct who li = somebody("li7", ACCOUNT_CLERK);
	struct who wang = somebody("wang", ACCOUNT_CLERK);
	struct who zhao = somebody("zhao", ACCOUNT_APPROVER);
	struct who reader = somebody("nobody", ACCOUNT_READER);
	struct access_ask ask = ask_for(&r, li);
	struct forged old = {
		.node = n, .place = {.uuid = {7}, .rev = 1}, .text = LONG_AGO};
	char request[UUID_TEXT_SIZE], is[16] = "";
	struct json *out = NULL;
	struct err err;

	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	snprintf(request, sizeof(request), "%s",
		json_get_string(out, "request"));
	json_free(out);
	put_forged(n, &old);
	assert_int_not_equal(pending_of(n, &zhao, request, is), 0);
	assert_string_equal(is, "waiting");
	assert_int_equal(pending_of(n, &li, request, is), 1);
	assert_int_equal(pending_of(n, &wang, request, is), 0);
	assert_int_equal(access_pending(n, &reader, &out, &err), ERR_DENIED);
	fixture_ok(access_decide(n, NULL, NULL, &zhao, ACCESS_APPROVE, request,
			   &out, &err),
		&err);
	json_free(out);
	assert_int_equal(pending_of(n, &li, request, is), 1);
	assert_string_equal(is, "approved");
	/* Taken back: nothing waits, and nothing is shown. */
	fixture_ok(access_decide(n, NULL, NULL, &zhao, ACCESS_REFUSE, request,
			   &out, &err),
		&err);
	assert_string_equal(json_get_string(out, "for"), "li7");
	json_free(out);
	assert_int_equal(pending_of(n, &li, request, is), 0);
	assert_int_equal(access_decide(n, NULL, NULL, &zhao, ACCESS_REFUSE,
				 request, &out, &err),
		ERR_NOT_FOUND);
	fixture_ok(access_reveal(n, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	json_free(out);
	assert_int_equal(pending_of(n, &li, request, is), 1);
	assert_string_equal(is, "waiting");
}

static void an_approval_in_the_log_of_another_node_is_none(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put_case(f, child());
	struct access_ask ask = ask_for(&r, somebody("li4", ACCOUNT_CLERK));
	struct forged forged = {.node = f->node[VILLAGE],
		.place = {.rev = 2},
		.text = APPROVED};
	struct node *above = f->node[TOWNSHIP];
	struct json *out = NULL;
	const char *request;
	struct err err;

	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	fixture_ok(access_reveal(above, NULL, NULL, &ask, &out, &err), &err);
	request = json_get_string(out, "request");
	assert_non_null(request);
	assert_true(uuid_parse(request, strlen(request), forged.place.uuid));
	json_free(out);
	put_forged(f->node[VILLAGE], &forged);
	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	fixture_ok(access_reveal(above, NULL, NULL, &ask, &out, &err), &err);
	assert_null(json_get(out, "document"));
	json_free(out);
}

static void reasons_are_short_texts_without_numbers_of_people(void **state)
{
	static const char *const bad[] = {
		"",
		"打电话给" PHONE,
		"１３８００１３８０００",
		"138 0013 8000",
		"id " ADULT,
		"11010519491231002x",
		"a\nb",
		"\xff",
	};
	static const char *const good[] = {
		"核对 2026 年第 17 号申请",
		"case 20260422001",
		"12345",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(access_reason_check(bad[i], NULL), ERR_USAGE);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(access_reason_check(good[i], NULL), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_shown_is_on_record_before),
		cmocka_unit_test(only_the_label_or_field_asked_for_is_shown),
		cmocka_unit_test(denied_tries_are_recorded_and_then_counted),
		cmocka_unit_test(
			many_accounts_share_what_is_kept_of_denied_tries),
		cmocka_unit_test(
			about_a_minor_a_second_person_approves_one_reading),
		cmocka_unit_test(
			what_waits_is_listed_until_it_is_decided_or_over),
		cmocka_unit_test(
			an_approval_in_the_log_of_another_node_is_none),
		cmocka_unit_test(
			reasons_are_short_texts_without_numbers_of_people),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
