/* test_enrol.c - a node asks for its place, and is admitted by one head. */
#include "tests/unit/policies/domain.h"

struct asker {
	struct sign_key *log;
	struct node_request request;
	struct buf text;
};

static struct asker asker_make(void **state, const char *code)
{
	struct sign_key *witness = NULL, *tls = NULL;
	struct asker a = {.log = NULL};
	struct buf spki = BUF_EMPTY;
	struct err err;

	ok(sign_key_new(&a.log, &err), &err);
	ok(sign_key_new(&witness, &err), &err);
	ok(sign_key_new(&tls, &err), &err);
	ok(seal_key_create(scratch_path(state, "seal.pem"), &err), &err);
	ok(seal_key_public(scratch_path(state, "seal.pem"), &spki, &err), &err);
	snprintf(a.request.domain, sizeof(a.request.domain), "%s", DOMAIN);
	snprintf(a.request.code, sizeof(a.request.code), "%s", code);
	a.request.log = sign_key_public(a.log);
	a.request.witness = sign_key_public(witness);
	a.request.tls = sign_key_public(tls);
	memcpy(a.request.seal, spki.data, spki.len);
	a.request.seal_len = spki.len;
	ok(node_request_write(&a.request, a.log, NULL, &a.text, &err), &err);
	sign_key_free(witness);
	sign_key_free(tls);
	buf_free(&spki);
	return a;
}

static void asker_free(struct asker *a)
{
	sign_key_free(a->log);
	buf_free(&a->text);
}

static void any_changed_byte_of_a_request_is_refused(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	struct node_request r;
	struct err err;

	ok(node_request_parse(a.text.data, a.text.len, &r, &err), &err);
	for (size_t i = 0; i < a.text.len; i++) {
		a.text.data[i] ^= 1;
		if (node_request_parse(a.text.data, a.text.len, &r, &err) ==
			ERR_OK)
			fail_msg("byte %zu does not matter", i);
		a.text.data[i] ^= 1;
	}
	asker_free(&a);
}

static void a_request_signed_by_another_key_is_refused(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	struct asker b = asker_make(state, VILLAGE);
	struct buf text = BUF_EMPTY;
	struct node_request r;
	struct err err;

	ok(node_request_write(&a.request, b.log, NULL, &text, &err), &err);
	assert_int_equal(
		node_request_parse(text.data, text.len, &r, &err), ERR_DENIED);
	buf_free(&text);
	asker_free(&a);
	asker_free(&b);
}

static void admission_enrols_nodes_of_all_ranks_by_one_head(void **state)
{
	static const char *const codes[] = {ROOT, TOWNSHIP, VILLAGE};
	struct node_request requests[3];
	const struct node_info *n;
	struct rules *rules = NULL;
	struct sign_public key;
	struct asker a[3];
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	for (int i = 0; i < 3; i++) {
		a[i] = asker_make(state, codes[i]);
		ok(node_request_parse(
			   a[i].text.data, a[i].text.len, &requests[i], &err),
			&err);
	}
	ok(governance_admit(g, requests, 3, &s, &err), &err);
	assert_int_equal(s.serial, 2);
	sign_both(state, g);
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_int_equal(rules_node_count(rules), 235);
	for (int i = 0; i < 3; i++) {
		n = rules_node_by_tls(rules, &requests[i].tls);
		assert_non_null(n);
		assert_string_equal(n->code, codes[i]);
	}
	ok(rules_log_key(
		   rules, DOMAIN "/" VILLAGE "/0123456789abcdef", &key, &err),
		&err);
	assert_memory_equal(&key, &requests[2].log, sizeof(key));
	assert_int_equal(
		rules_log_key(rules, DOMAIN "/330106110203/0123456789abcdef",
			&key, &err),
		ERR_DENIED);
	assert_int_equal(rules_log_key(rules,
				 "other.example/" VILLAGE "/0123456789abcdef",
				 &key, &err),
		ERR_DENIED);
	rules_unref(rules);
	for (int i = 0; i < 3; i++)
		asker_free(&a[i]);
	governance_close(g);
}

static void one_signature_admits_where_only_a_roster_changes(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	unsigned have = 0, want = 0;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	ok(governance_admit(g, &a.request, 1, &s, &err), &err);
	assert_int_equal(sign_by(state, g, 1, &have, &want), ERR_OK);
	assert_int_equal(want, 1);
	ok(governance_head(g, &s, &err), &err);
	assert_int_equal(s.serial, 2);
	governance_close(g);
	asker_free(&a);
}

static void other_keys_unknown_codes_and_domains_are_refused(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	struct asker b = asker_make(state, VILLAGE);
	struct asker c = asker_make(state, "330106110999");
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	ok(governance_admit(g, &a.request, 1, &s, &err), &err);
	sign_both(state, g);
	assert_int_equal(
		governance_admit(g, &a.request, 1, &s, &err), ERR_EXISTS);
	assert_int_equal(
		governance_admit(g, &b.request, 1, &s, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "other keys"));
	assert_int_equal(
		governance_admit(g, &c.request, 1, &s, &err), ERR_NOT_FOUND);
	snprintf(c.request.domain, sizeof(c.request.domain), "other.example");
	assert_int_equal(
		governance_admit(g, &c.request, 1, &s, &err), ERR_DENIED);
	/* The same key at a second node. */
	snprintf(b.request.code, sizeof(b.request.code), "330106110203");
	b.request.tls = a.request.log;
	assert_int_equal(
		governance_admit(g, &b.request, 1, &s, &err), ERR_INVALID);
	ok(governance_head(g, &s, &err), &err);
	assert_int_equal(s.serial, 2);
	governance_close(g);
	asker_free(&a);
	asker_free(&b);
	asker_free(&c);
}

static void two_requests_for_one_code_change_nothing(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	struct asker b = asker_make(state, VILLAGE);
	struct node_request both[2] = {a.request, b.request};
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	assert_int_equal(governance_admit(g, both, 2, &s, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "two requests"));
	assert_int_equal(governance_to_sign(g, &a.text, &err), ERR_NOT_FOUND);
	governance_close(g);
	asker_free(&a);
	asker_free(&b);
}

#define SUCCESSOR "330106110203"

static enum err_code retire(struct governance *g, const char *code,
	const char *successor, struct err *err)
{
	const struct retirement t = {code, "2026-11-23", successor};
	struct statement s;

	return governance_retire(g, &t, &s, err);
}

static void a_retired_node_keeps_its_keys_and_has_no_connection(void **state)
{
	struct asker a = asker_make(state, VILLAGE);
	struct asker b = asker_make(state, VILLAGE);
	struct rules *rules = NULL;
	struct sign_public key;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct statement s;
	struct err err;

	ok(governance_admit(g, &a.request, 1, &s, &err), &err);
	sign_both(state, g);
	ok(retire(g, VILLAGE, SUCCESSOR, &err), &err);
	sign_both(state, g);
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_string_equal(rules_node(rules, VILLAGE)->retired, "2026-11-23");
	assert_string_equal(rules_node(rules, VILLAGE)->successor, SUCCESSOR);
	assert_null(rules_node_by_tls(rules, &a.request.tls));
	ok(rules_log_key(
		   rules, DOMAIN "/" VILLAGE "/0123456789abcdef", &key, &err),
		&err);
	assert_true(rules_answers_for(rules, SUCCESSOR, VILLAGE));
	assert_true(rules_answers_for(rules, TOWNSHIP, VILLAGE));
	assert_false(rules_answers_for(rules, VILLAGE, SUCCESSOR));
	assert_false(rules_answers_for(rules, "330106110204", VILLAGE));
	/* Neither its own machine nor another takes the code again, and its
	 * keys are nobody else's. */
	assert_int_equal(
		governance_admit(g, &b.request, 1, &s, &err), ERR_DENIED);
	assert_int_equal(
		governance_admit_as(g, &a.request, 1, ADMIT_REPLACE, &s, &err),
		ERR_DENIED);
	memcpy(a.request.code, SUCCESSOR, sizeof(a.request.code));
	assert_int_equal(
		governance_admit(g, &a.request, 1, &s, &err), ERR_INVALID);
	rules_unref(rules);
	governance_close(g);
	asker_free(&a);
	asker_free(&b);
}

static void what_cannot_be_retired_is_refused(void **state)
{
	struct rules *rules = NULL;
	struct digest pin;
	struct governance *g = domain_final(state, &pin);
	struct err err;

	assert_int_equal(retire(g, ROOT, "", &err), ERR_DENIED);
	assert_int_equal(retire(g, TOWNSHIP, "", &err), ERR_DENIED);
	assert_int_equal(retire(g, "330106110999", "", &err), ERR_NOT_FOUND);
	assert_int_equal(
		retire(g, VILLAGE, "330106110999", &err), ERR_NOT_FOUND);
	assert_int_equal(retire(g, VILLAGE, VILLAGE, &err), ERR_INVALID);
	ok(retire(g, VILLAGE, SUCCESSOR, &err), &err);
	/* On main it is so already, signed or not. */
	assert_int_equal(retire(g, VILLAGE, "", &err), ERR_EXISTS);
	assert_int_equal(retire(g, "330106110204", VILLAGE, &err), ERR_DENIED);
	/* The successor goes on to the next; never in a circle. */
	ok(retire(g, SUCCESSOR, "330106110204", &err), &err);
	sign_both(state, g);
	ok(governance_rules(g, 0, &pin, &rules, &err), &err);
	assert_true(rules_answers_for(rules, "330106110204", VILLAGE));
	officer_edits(state,
		"sed -i '/\"330106110204\"/,/rank:/ s/    rank: village/"
		"    rank: village\\n    retired: \"2026-11-23\"\\n"
		"    successor: \"330106110201\"/' roster/330106110000.yaml");
	assert_int_equal(governance_check(g, "main", NULL, NULL, NULL, &err),
		ERR_INVALID);
	assert_non_null(strstr(err.text, "circle"));
	rules_unref(rules);
	governance_close(g);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_changed_byte_of_a_request_is_refused),
		T(a_request_signed_by_another_key_is_refused),
		T(admission_enrols_nodes_of_all_ranks_by_one_head),
		T(one_signature_admits_where_only_a_roster_changes),
		T(other_keys_unknown_codes_and_domains_are_refused),
		T(two_requests_for_one_code_change_nothing),
		T(a_retired_node_keeps_its_keys_and_has_no_connection),
		T(what_cannot_be_retired_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
