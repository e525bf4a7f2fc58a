/* test_recordproof.c - a record shown with nothing but its own proof. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policies/fixture.h"

static int setup(void **state)
{
	static const enum fixture_place one[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_some(&f, one, ARRAY_LEN(one));
	fixture_put(&f, VILLAGE, 40);
	*state = &f;
	return 0;
}

static struct note_key vkey(struct fixture *f, enum fixture_place p)
{
	struct sign_public pub = sign_key_public(f->node[p]->log);
	struct note_key key;
	struct err err;

	fixture_ok(note_key_make(
			   f->node[p]->origin, NOTE_ED25519, &pub, &key, &err),
		&err);
	return key;
}

static uint64_t make(struct fixture *f, uint8_t labels, struct buf *out)
{
	struct log_info log;
	struct receipt r;
	struct err err;

	fixture_capture(f, VILLAGE, fixture_document_of("household", VILLAGE),
		NULL, NULL, &r);
	log = fixture_log(f, VILLAGE);
	fixture_ok(proof_make(f->node[VILLAGE], &log, r.seq, labels, out, &err),
		&err);
	return r.seq;
}

static void a_proof_verifies_with_the_log_key_alone(void **state)
{
	struct fixture *f = *state;
	struct note_key key = vkey(f, VILLAGE);
	struct proof_report report;
	struct buf text = BUF_EMPTY;
	struct err err;
	uint64_t seq = make(f, LABEL_ALL, &text);

	fixture_ok(
		proof_verify(text.data, text.len, &key, &report, &err), &err);
	assert_int_equal(report.seq, seq);
	assert_string_equal(report.origin, f->node[VILLAGE]->origin);
	assert_string_equal(report.entry.series, "household");
	assert_int_equal(
		(int)report.entry.sd_count, __builtin_popcount(report.labels));
	assert_non_null(json_get(report.fields, "members"));
	json_free(report.fields);
	buf_free(&text);
}

static void a_proof_shows_only_the_labels_asked_for(void **state)
{
	struct fixture *f = *state;
	struct note_key key = vkey(f, VILLAGE);
	struct proof_report report;
	struct buf text = BUF_EMPTY;
	struct err err;

	make(f, LABEL_BIT(LABEL_INTERNAL), &text);
	fixture_ok(
		proof_verify(text.data, text.len, &key, &report, &err), &err);
	assert_int_equal(report.labels, LABEL_BIT(LABEL_INTERNAL));
	json_free(report.fields);
	buf_free(&text);
}

static void another_key_proves_nothing(void **state)
{
	struct fixture *f = *state;
	struct note_key key = vkey(f, TOWNSHIP);
	struct proof_report report;
	struct buf text = BUF_EMPTY;
	struct err err;

	make(f, LABEL_ALL, &text);
	assert_int_equal(proof_verify(text.data, text.len, &key, &report, &err),
		ERR_DENIED);
	key = vkey(f, VILLAGE);
	key.type = NOTE_COSIGNATURE;
	assert_int_equal(proof_verify(text.data, text.len, &key, &report, &err),
		ERR_USAGE);
	buf_free(&text);
}

static void no_altered_byte_verifies(void **state)
{
	struct fixture *f = *state;
	struct note_key key = vkey(f, VILLAGE);
	struct proof_report report;
	struct buf text = BUF_EMPTY;
	struct err err;
	size_t tried = 0;

	make(f, LABEL_ALL, &text);
	for (size_t i = 0; i < text.len; i += text.len / 300 + 1) {
		uint8_t was = text.data[i];

		text.data[i] = was == 'B' ? 'C' : 'B';
		assert_int_not_equal(
			proof_verify(text.data, text.len, &key, &report, &err),
			ERR_OK);
		text.data[i] = was;
		tried++;
	}
	assert_true(tried >= 200);
	for (size_t cut = 0; cut < text.len; cut += text.len / 50 + 1)
		assert_int_not_equal(
			proof_verify(text.data, cut, &key, &report, &err),
			ERR_OK);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_verifies_with_the_log_key_alone),
		cmocka_unit_test(a_proof_shows_only_the_labels_asked_for),
		cmocka_unit_test(another_key_proves_nothing),
		cmocka_unit_test(no_altered_byte_verifies),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
