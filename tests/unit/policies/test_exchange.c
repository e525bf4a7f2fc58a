/* test_exchange.c - logs up, entries down, and what is refused on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/message.h"
#include "policies/point.h"
#include "tests/unit/policies/fixture.h"

#define TARGET ((size_t)64 << 10)

/* ---- the way of things between two nodes ---- */

static enum err_code in_batch(struct node *n, const struct taken *t)
{
	struct batch *b = NULL;
	struct err err;
	enum err_code rc;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	if ((rc = taken_store(b, t, &err))) {
		batch_abort(b);
		return rc;
	}
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	return ERR_OK;
}

static struct log_info log_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(f->node[p]->store, origin, &log, &err), &err);
	return log;
}

static uint64_t known_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;
	enum err_code rc =
		store_log_find(f->node[p]->store, origin, &log, NULL);

	return rc ? 0 : exchange_known_size(&log);
}

static uint64_t size_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;

	return store_log_find(f->node[p]->store, origin, &log, NULL) ? 0
								     : log.size;
}

/* One message from a giver to a taker, kept until stored. */
static void give_checkpoint(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin, struct buf *out)
{
	struct log_info log = log_at(f, from, origin);
	struct err err;

	fixture_ok(exchange_make_checkpoint(f->node[from], &log,
			   known_at(f, to, origin), out, &err),
		&err);
}

static void give_package(struct fixture *f, enum fixture_place from,
	enum fixture_place clearance, const char *origin, uint64_t start,
	struct buf *out, uint64_t *next)
{
	struct log_info log = log_at(f, from, origin);
	struct err err;

	fixture_ok(exchange_make_package(f->node[from], f->node[from]->rules,
			   &log, fixture_code(clearance), start,
			   log.checkpoint_size, TARGET, out, next, NULL, &err),
		&err);
}

static enum err_code take_checkpoint(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const struct buf *m, struct err *err)
{
	struct taken *t = NULL;
	struct node *n = f->node[to];
	enum err_code rc;

	rc = exchange_take_checkpoint(n, n->rules, fixture_code(from), m->data,
		m->len, &t, NULL, err);
	if (rc == ERR_OK) {
		assert_int_equal(taken_kind(t), TAKEN_CHECKPOINT);
		rc = in_batch(n, t);
	}
	taken_free(t);
	return rc;
}

static enum err_code take_package(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const struct buf *m, struct err *err)
{
	struct taken *t = NULL;
	struct node *n = f->node[to];
	enum err_code rc;

	rc = exchange_take_package(
		n, n->rules, fixture_code(from), m->data, m->len, &t, err);
	if (rc == ERR_OK) {
		assert_int_equal(taken_kind(t), TAKEN_PACKAGE);
		rc = in_batch(n, t);
	}
	taken_free(t);
	return rc;
}

static const char *village_origin(struct fixture *f)
{
	return f->node[VILLAGE]->origin;
}

/* Every record of a log at `p` has the parts that p may hold and no other;
 * tells how many parts there are. */
static size_t check_parts(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct node *n = f->node[p];
	struct log_info log = log_at(f, p, origin);
	char code[CODE_SIZE] = {0};
	size_t parts = 0;
	struct err err;

	memcpy(code, origin_code(origin), CODE_LEN);
	for (uint64_t at = 0; at < log.size;) {
		struct run run = {0};

		fixture_ok(store_read(n->store, log.id, at, RUN_LIMIT,
				   LABEL_ALL, &run, &err),
			&err);
		for (size_t i = 0; i < run.count; i++) {
			const struct record *r = &run.record[i];
			const struct series *s;
			struct entry e;

			fixture_ok(
				entry_parse(r->entry, r->entry_len, &e, &err),
				&err);
			s = rules_series(n->rules, e.series);
			assert_non_null(s);
			assert_int_equal(r->have,
				s->labels &
					rules_clearance(n->rules, s, code,
						fixture_code(p)));
			parts += (size_t)__builtin_popcount(r->have);
		}
		at += run.count;
		run_free(&run);
	}
	return parts;
}

/* ---- up ---- */

static void a_log_travels_up_through_the_middle(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	size_t village, township, county;
	struct log_info a, b;

	fixture_put(f, VILLAGE, 600);
	a = fixture_log(f, VILLAGE);
	assert_true(a.size >= 600);
	assert_true(fixture_carry(f, VILLAGE, TOWNSHIP, origin) >= 3);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);

	b = log_at(f, COUNTY, origin);
	assert_int_equal(a.size, b.size);
	assert_int_equal(a.size, b.checkpoint_size);
	assert_true(digest_equal(&a.root, &b.root));
	village = check_parts(f, VILLAGE, origin);
	township = check_parts(f, TOWNSHIP, origin);
	county = check_parts(f, COUNTY, origin);
	assert_true(village > township && township > county && county > 0);
}

static void a_second_trip_carries_only_what_is_new(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct digest up, down;
	struct err err;

	fixture_put(f, VILLAGE, 30);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	fixture_put(f, VILLAGE, 7);
	fixture_ok(exchange_hash_up(f->node[VILLAGE], &up, &err), &err);
	fixture_ok(exchange_hash_from(f->node[TOWNSHIP], fixture_code(VILLAGE),
			   &down, &err),
		&err);
	assert_false(digest_equal(&up, &down));

	assert_int_equal(fixture_carry(f, VILLAGE, TOWNSHIP, origin), 1);
	fixture_ok(exchange_hash_from(f->node[TOWNSHIP], fixture_code(VILLAGE),
			   &down, &err),
		&err);
	assert_true(digest_equal(&up, &down));
}

static void small_targets_halve_a_package(void **state)
{
	struct fixture *f = *state;
	struct log_info log;
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	fixture_put(f, VILLAGE, 100);
	log = fixture_log(f, VILLAGE);
	fixture_ok(
		exchange_make_package(f->node[VILLAGE], f->node[VILLAGE]->rules,
			&log, fixture_code(TOWNSHIP), 0, log.size, 4096, &m,
			&next, NULL, &err),
		&err);
	assert_true(next > 1 && next < 60);
	buf_clear(&m);
	fixture_ok(
		exchange_make_package(f->node[VILLAGE], f->node[VILLAGE]->rules,
			&log, fixture_code(TOWNSHIP), 5, log.size, 1, &m, &next,
			NULL, &err),
		&err);
	assert_int_equal(next, 6);
	buf_free(&m);
}

struct names {
	size_t count;
	char last[ORIGIN_SIZE];
};

static enum err_code on_up(
	void *arg, const struct log_info *log, struct err *err)
{
	struct names *n = arg;

	(void)err;
	assert_true(strcmp(n->last, log->origin) < 0);
	memcpy(n->last, log->origin, sizeof(n->last));
	n->count++;
	return ERR_OK;
}

static void logs_up_are_told_in_the_order_of_origins(void **state)
{
	struct fixture *f = *state;
	struct names names = {0};
	struct err err;

	fixture_carry(f, OTHER, TOWNSHIP, f->node[OTHER]->origin);
	fixture_carry(f, VILLAGE, TOWNSHIP, village_origin(f));
	fixture_ok(
		exchange_each_up(f->node[TOWNSHIP], on_up, &names, &err), &err);
	assert_int_equal(names.count, 3);
}

/* ---- refused ---- */

static void a_known_checkpoint_is_no_news(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;
	struct err err;

	give_checkpoint(f, VILLAGE, TOWNSHIP, village_origin(f), &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	assert_int_equal(
		take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), ERR_BUSY);
	buf_free(&m);
}

static void a_package_before_a_checkpoint_is_refused(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	give_package(f, VILLAGE, TOWNSHIP, village_origin(f), 0, &m, &next);
	assert_int_equal(
		take_package(f, VILLAGE, TOWNSHIP, &m, &err), ERR_PROTOCOL);
	buf_free(&m);
}

static void a_replayed_package_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct node *n = f->node[TOWNSHIP];
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	uint64_t next, arrivals;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	give_checkpoint(f, VILLAGE, TOWNSHIP, origin, &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	buf_clear(&m);
	give_package(f, VILLAGE, TOWNSHIP, origin, 0, &m, &next);
	fixture_ok(exchange_take_package(n, n->rules, fixture_code(VILLAGE),
			   m.data, m.len, &t, &err),
		&err);
	assert_int_equal(taken_size(t), next);
	assert_string_equal(taken_origin(t), origin);
	assert_int_equal(in_batch(n, t), ERR_OK);
	arrivals = store_arrivals(n->store);

	assert_int_equal(in_batch(n, t), ERR_BUSY);
	assert_int_equal(
		take_package(f, VILLAGE, TOWNSHIP, &m, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "starts at 0"));
	assert_int_equal(exchange_package_end(m.data, m.len), next);
	assert_int_equal(store_arrivals(n->store), arrivals);
	taken_free(t);
	buf_free(&m);
}

static void a_package_from_a_later_start_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	give_checkpoint(f, VILLAGE, TOWNSHIP, origin, &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	buf_clear(&m);
	give_package(f, VILLAGE, TOWNSHIP, origin, 3, &m, &next);
	assert_int_equal(
		take_package(f, VILLAGE, TOWNSHIP, &m, &err), ERR_PROTOCOL);
	assert_int_equal(size_at(f, TOWNSHIP, origin), 0);
	buf_free(&m);
}

/* Verified and not stored. */
static bool verifies(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const void *message, size_t len)
{
	struct node *n = f->node[to];
	struct taken *t = NULL;
	bool is = exchange_take_package(n, n->rules, fixture_code(from),
			  message, len, &t, NULL) == ERR_OK;

	taken_free(t);
	return is;
}

/* What is at `to` is what is at `from`, as far as it came. */
static void assert_same(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin)
{
	struct log_info a = log_at(f, from, origin);
	struct log_info b = log_at(f, to, origin);
	struct err err;

	assert_int_equal(a.size, b.size);
	assert_true(digest_equal(&a.root, &b.root));
	for (uint64_t i = 0; i < a.size; i++) {
		struct run x = {0}, y = {0};

		fixture_ok(store_read(f->node[from]->store, a.id, i, 1,
				   LABEL_ALL, &x, &err),
			&err);
		fixture_ok(store_read(f->node[to]->store, b.id, i, 1, LABEL_ALL,
				   &y, &err),
			&err);
		for (unsigned l = 0; l < LABEL_COUNT; l++) {
			const struct part *p = &x.record[0].part[l];
			const struct part *q = &y.record[0].part[l];

			if (!(y.record[0].have & LABEL_BIT(l)))
				continue;
			assert_int_equal(p->len, q->len);
			assert_memory_equal(p->json, q->json, p->len);
		}
		run_free(&x);
		run_free(&y);
	}
}

/* zstd reads a few bits of its tables either way, to the same effect. */
static void an_altered_byte_of_a_package_alters_nothing_taken(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	size_t refused = 0, odd = SIZE_MAX;
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	fixture_put(f, VILLAGE, 40);
	give_checkpoint(f, VILLAGE, TOWNSHIP, origin, &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	buf_clear(&m);
	give_package(f, VILLAGE, TOWNSHIP, origin, 0, &m, &next);
	for (size_t i = 0; i < m.len; i += m.len / 200 + 1) {
		m.data[i] ^= 0x20;
		if (verifies(f, VILLAGE, TOWNSHIP, m.data, m.len))
			odd = i;
		else
			refused++;
		m.data[i] ^= 0x20;
	}
	assert_true(refused >= 95);
	for (size_t cut = 0; cut < m.len; cut += m.len / 50 + 1)
		assert_false(verifies(f, VILLAGE, TOWNSHIP, m.data, cut));
	if (odd != SIZE_MAX)
		m.data[odd] ^= 0x20;
	fixture_ok(take_package(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	assert_same(f, VILLAGE, TOWNSHIP, origin);
	buf_free(&m);
}

static void parts_above_the_clearance_are_refused(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	give_checkpoint(f, TOWNSHIP, COUNTY, origin, &m);
	fixture_ok(take_checkpoint(f, TOWNSHIP, COUNTY, &m, &err), &err);
	buf_clear(&m);
	/* What a township may hold is too much for a county. */
	give_package(f, TOWNSHIP, TOWNSHIP, origin, 0, &m, &next);
	assert_int_equal(
		take_package(f, TOWNSHIP, COUNTY, &m, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "above the clearance"));
	assert_non_null(strstr(err.text, origin));
	assert_int_equal(size_at(f, COUNTY, origin), 0);
	buf_free(&m);
}

static void withheld_parts_are_noticed(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	uint64_t next;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	give_checkpoint(f, VILLAGE, TOWNSHIP, origin, &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	buf_clear(&m);
	/* What a county may hold is too little for a township. */
	give_package(f, VILLAGE, COUNTY, origin, 0, &m, &next);
	assert_int_equal(
		take_package(f, VILLAGE, TOWNSHIP, &m, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "withheld"));
	buf_free(&m);
}

/* A checkpoint message as one who has `key` would make it. */
static void forge_checkpoint(const char *origin, uint64_t size, uint8_t fill,
	const struct sign_key *key, uint64_t old_size, struct buf *out)
{
	struct checkpoint_message m = {.old_size = old_size};
	struct checkpoint cp = {.size = size};
	struct buf note = BUF_EMPTY;
	struct err err;

	memset(cp.root.b, fill, sizeof(cp.root.b));
	snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
	snprintf(m.origin, sizeof(m.origin), "%s", origin);
	fixture_ok(checkpoint_sign(&cp, key, &note, &err), &err);
	m.note = note.data;
	m.note_len = note.len;
	buf_clear(out);
	checkpoint_message_write(&m, out);
	buf_free(&note);
}

static void assert_fork(struct fixture *f, const struct buf *m)
{
	struct node *n = f->node[TOWNSHIP];
	struct buf evidence = BUF_EMPTY;
	struct taken *t = NULL;
	struct err err;

	assert_int_equal(
		exchange_take_checkpoint(n, n->rules, fixture_code(VILLAGE),
			m->data, m->len, &t, &evidence, &err),
		ERR_FORK);
	assert_null(t);
	buf_cstr(&evidence);
	/* Two notes: two lines of the origin and two signatures. */
	assert_non_null(evidence.data);
	assert_ptr_not_equal(strstr((char *)evidence.data, "\n\n"), NULL);
	assert_non_null(
		strstr(strstr((char *)evidence.data, "\n\n") + 2, "\n\n"));
	buf_free(&evidence);
}

static void a_fork_is_refused_with_both_notes(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	const struct sign_key *key = f->node[VILLAGE]->log;
	struct buf m = BUF_EMPTY;
	struct log_info before, after;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	before = log_at(f, TOWNSHIP, origin);
	forge_checkpoint(origin, before.size, 7, key, before.size, &m);
	assert_fork(f, &m);
	forge_checkpoint(origin, before.size - 3, 7, key, 0, &m);
	assert_fork(f, &m);
	forge_checkpoint(origin, before.size + 3, 7, key, before.size, &m);
	assert_fork(f, &m);
	after = log_at(f, TOWNSHIP, origin);
	assert_int_equal(after.pending_size, before.pending_size);

	/* The true log goes on. */
	fixture_put(f, VILLAGE, 5);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	(void)err;
	buf_free(&m);
}

static void a_fork_of_what_is_still_pending_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	uint64_t known;
	struct err err;

	fixture_put(f, VILLAGE, 20);
	give_checkpoint(f, VILLAGE, TOWNSHIP, origin, &m);
	fixture_ok(take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	known = known_at(f, TOWNSHIP, origin);
	forge_checkpoint(
		origin, known + 9, 7, f->node[VILLAGE]->log, known, &m);
	assert_fork(f, &m);
	/* A proof from elsewhere says nothing. */
	forge_checkpoint(origin, known + 9, 7, f->node[VILLAGE]->log, 0, &m);
	assert_int_equal(
		take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), ERR_PROTOCOL);
	buf_free(&m);
}

static void only_the_log_key_of_the_roster_counts(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	struct err err;

	forge_checkpoint(origin, 9, 7, f->node[OTHER]->log, 0, &m);
	assert_int_equal(
		take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), ERR_DENIED);
	forge_checkpoint("elsewhere.example/330106110201/0123456789abcdef", 9,
		7, f->node[VILLAGE]->log, 0, &m);
	assert_int_equal(
		take_checkpoint(f, VILLAGE, TOWNSHIP, &m, &err), ERR_DENIED);
	assert_int_equal(known_at(f, TOWNSHIP, origin), 0);
	buf_free(&m);
}

static void a_child_brings_its_own_logs_only(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;
	struct err err;

	give_checkpoint(f, VILLAGE, TOWNSHIP, village_origin(f), &m);
	assert_int_equal(
		take_checkpoint(f, OTHER, TOWNSHIP, &m, &err), ERR_DENIED);
	assert_int_equal(
		take_checkpoint(f, VILLAGE, COUNTY, &m, &err), ERR_DENIED);
	buf_clear(&m);
	give_checkpoint(f, COUNTY, TOWNSHIP, f->node[COUNTY]->origin, &m);
	assert_int_equal(
		take_checkpoint(f, COUNTY, TOWNSHIP, &m, &err), ERR_DENIED);
	buf_free(&m);
}

/* ---- single entries ---- */

static void give_proved(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const char *origin, uint64_t seq,
	struct buf *out)
{
	struct log_info log = log_at(f, from, origin);
	struct err err;

	buf_clear(out);
	fixture_ok(exchange_make_proved(f->node[from], f->node[from]->rules,
			   &log, seq, fixture_code(to), out, NULL, &err),
		&err);
}

static enum err_code take_proved(struct fixture *f, enum fixture_place from,
	enum fixture_place to, const struct buf *m, struct err *err)
{
	struct taken *t = NULL;
	struct node *n = f->node[to];
	enum err_code rc;

	rc = exchange_take_proved(
		n, n->rules, fixture_code(from), m->data, m->len, &t, err);
	if (rc == ERR_OK) {
		assert_int_equal(taken_kind(t), TAKEN_PROVED);
		rc = in_batch(n, t);
	}
	taken_free(t);
	return rc;
}

/* The records of a proved message as they would be written here. */
static bool run_again(const struct buf *m, struct buf *out)
{
	struct proved_message p;
	struct run run = {0};
	bool is;

	is = !proved_message_parse(m->data, m->len, &p, NULL) &&
		!run_decode(p.run, p.run_len, 0, &run, NULL) &&
		!run_encode(&run, LABEL_ALL, 3, out, NULL);
	run_free(&run);
	return is;
}

/* What is compressed can be written in more than one way. */
static bool says_the_same(const struct buf *a, const struct buf *b)
{
	struct buf x = BUF_EMPTY, y = BUF_EMPTY;
	struct proved_message p, q;
	bool same;

	same = run_again(a, &x) && run_again(b, &y) && x.len == y.len &&
		!memcmp(x.data, y.data, x.len) &&
		!proved_message_parse(a->data, a->len, &p, NULL) &&
		!proved_message_parse(b->data, b->len, &q, NULL) &&
		p.proof_len == q.proof_len &&
		!memcmp(p.proof, q.proof, p.proof_len) &&
		p.marks.len == q.marks.len &&
		!memcmp(p.marks.data, q.marks.data, p.marks.len);
	buf_free(&x);
	buf_free(&y);
	return same;
}

static void an_alert_goes_down_by_its_own_proof(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[COUNTY]->origin;
	struct buf m = BUF_EMPTY, whole = BUF_EMPTY;
	struct receipt r;
	struct err err;

	fixture_put(f, COUNTY, 3);
	fixture_capture(f, COUNTY, fixture_document_of("alert", COUNTY), NULL,
		NULL, &r);
	fixture_put(f, COUNTY, 3);
	give_proved(f, COUNTY, TOWNSHIP, origin, r.seq, &m);
	fixture_ok(take_proved(f, COUNTY, TOWNSHIP, &m, &err), &err);
	assert_int_equal(take_proved(f, COUNTY, TOWNSHIP, &m, &err), ERR_BUSY);

	give_proved(f, TOWNSHIP, VILLAGE, origin, r.seq, &m);
	fixture_ok(take_proved(f, TOWNSHIP, VILLAGE, &m, &err), &err);
	buf_add(&whole, m.data, m.len);
	for (size_t i = 0; i < m.len; i += m.len / 100 + 1) {
		m.data[i] ^= 0x20;
		if (!says_the_same(&m, &whole))
			assert_int_not_equal(
				take_proved(f, TOWNSHIP, OTHER, &m, &err),
				ERR_OK);
		m.data[i] ^= 0x20;
	}
	fixture_ok(take_proved(f, TOWNSHIP, OTHER, &m, &err), &err);
	buf_free(&whole);
	buf_free(&m);
}

static void what_goes_up_does_not_come_down(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;
	struct receipt r;
	struct err err;

	fixture_capture(f, COUNTY, fixture_document_of("facility-geo", COUNTY),
		NULL, NULL, &r);
	give_proved(f, COUNTY, TOWNSHIP, r.origin, r.seq, &m);
	assert_int_equal(
		take_proved(f, COUNTY, TOWNSHIP, &m, &err), ERR_DENIED);
	buf_free(&m);
}

static void an_urgent_entry_goes_up_ahead_of_its_turn(void **state)
{
	struct fixture *f = *state;
	const char *origin = village_origin(f);
	struct buf m = BUF_EMPTY;
	struct receipt r;
	struct err err;

	fixture_put(f, VILLAGE, 300);
	fixture_capture(f, VILLAGE, fixture_document_of("alert", VILLAGE), NULL,
		NULL, &r);
	give_proved(f, VILLAGE, TOWNSHIP, origin, r.seq, &m);
	fixture_ok(take_proved(f, VILLAGE, TOWNSHIP, &m, &err), &err);
	assert_int_equal(size_at(f, TOWNSHIP, origin), 0);
	give_proved(f, TOWNSHIP, COUNTY, origin, r.seq, &m);
	fixture_ok(take_proved(f, TOWNSHIP, COUNTY, &m, &err), &err);

	/* And again in order, later. */
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	assert_int_equal(
		size_at(f, TOWNSHIP, origin), fixture_log(f, VILLAGE).size);
	check_parts(f, TOWNSHIP, origin);
	assert_int_equal(take_proved(f, VILLAGE, TOWNSHIP, &m, &err), ERR_BUSY);
	buf_free(&m);
}

static void a_to_prefix_meets_those_above_and_below(void **state)
{
	struct fixture *f = *state;
	const struct rules *rules = f->node[COUNTY]->rules;
	struct entry e = {.series = "alert", .to_count = 1};

	strcpy(e.iss, FIXTURE_DOMAIN "/330106000000");
	strcpy(e.to[0], "330106110");
	assert_true(exchange_goes_down(rules, &e, fixture_code(TOWNSHIP)));
	assert_true(exchange_goes_down(rules, &e, fixture_code(VILLAGE)));
	assert_true(exchange_goes_down(rules, &e, fixture_code(COUNTY)));
	assert_false(exchange_goes_down(rules, &e, "330106111000"));
	strcpy(e.to[0], fixture_code(VILLAGE));
	assert_true(exchange_goes_down(rules, &e, fixture_code(TOWNSHIP)));
	assert_false(exchange_goes_down(rules, &e, fixture_code(OTHER)));
	strcpy(e.series, "household");
	assert_false(exchange_goes_down(rules, &e, fixture_code(VILLAGE)));
}

/* ---- cosignatures ---- */

static void cosign_at(struct fixture *f, enum fixture_place p,
	const char *origin, struct buf *note)
{
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	fixture_ok(exchange_cosign(b, f->node[p], origin, note, &err), &err);
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
}

static void keep_cosigned(
	struct fixture *f, enum fixture_place p, const struct buf *merged)
{
	struct log_info log = fixture_log(f, p);
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	fixture_ok(batch_note(b, log.id, merged->data, merged->len, true, &err),
		&err);
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
}

static void a_cosignature_comes_back(void **state)
{
	struct fixture *f = *state;
	struct node *village = f->node[VILLAGE];
	const char *origin = village_origin(f);
	struct buf note = BUF_EMPTY, merged = BUF_EMPTY;
	char told[ORIGIN_SIZE];
	struct err err;
	size_t bad;

	fixture_put(f, VILLAGE, 12);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	cosign_at(f, TOWNSHIP, origin, &note);
	assert_int_equal(log_at(f, TOWNSHIP, origin).cosigned_size,
		fixture_log(f, VILLAGE).size);
	fixture_ok(exchange_take_cosigned(village, village->rules, note.data,
			   note.len, told, &merged, &err),
		&err);
	assert_string_equal(told, origin);
	keep_cosigned(f, VILLAGE, &merged);
	assert_int_equal(fixture_log(f, VILLAGE).cosigned_size,
		fixture_log(f, VILLAGE).size);

	bad = note.len - 20; /* in the cosignature's base64 */
	note.data[bad] = note.data[bad] == 'A' ? 'B' : 'A';
	buf_clear(&merged);
	assert_int_equal(exchange_take_cosigned(village, village->rules,
				 note.data, note.len, told, &merged, &err),
		ERR_DENIED);
	assert_int_equal(merged.len, 0);
	buf_free(&note);
	buf_free(&merged);
}

static void a_note_without_cosignature_is_no_receipt(void **state)
{
	struct fixture *f = *state;
	struct node *village = f->node[VILLAGE];
	struct buf note = BUF_EMPTY, merged = BUF_EMPTY;
	struct log_info log = fixture_log(f, VILLAGE);
	char told[ORIGIN_SIZE];
	struct err err;

	fixture_ok(
		store_note(village->store, log.id, NOTE_COMPLETE, &note, &err),
		&err);
	assert_int_equal(exchange_take_cosigned(village, village->rules,
				 note.data, note.len, told, &merged, &err),
		ERR_DENIED);
	buf_free(&note);
	buf_free(&merged);
}

/* ---- attachments ---- */

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	(void)plain;
	*path = strdup(arg);
	return *path ? ERR_OK : err_nomem(err);
}

static void attachments_of_parts_taken_are_wanted(void **state)
{
	struct fixture *f = *state;
	struct json *doc = fixture_document_of("facility-geo", VILLAGE);
	static const char bytes[] = "a small file";
	struct digest plain = digest_of(bytes, sizeof(bytes));
	char hex[DIGEST_HEX_SIZE], path[96];
	struct json *list = json_new_array(), *one = json_new_object();
	struct log_info log;
	struct receipt r;
	struct err err;

	snprintf(path, sizeof(path), "%s/file", f->dir);
	fixture_ok(file_replace(path, bytes, sizeof(bytes), 0600, &err), &err);
	digest_hex(&plain, hex);
	assert_true(json_set(one, "sha256", json_new_string(hex, 64)) &&
		json_set(one, "name", json_new_string("a.pdf", 5)) &&
		json_set(one, "media_type",
			json_new_string("application/pdf", 15)) &&
		json_set(one, "size", json_new_u64(sizeof(bytes))) &&
		json_append(list, one) && json_set(doc, "attachments", list));
	fixture_capture(f, VILLAGE, doc, find_file, path, &r);
	fixture_carry(f, VILLAGE, TOWNSHIP, r.origin);
	log = log_at(f, TOWNSHIP, r.origin);
	/* Wanted exactly where the township may hold the attachments' label. */
	const struct series *s =
		rules_series(f->node[TOWNSHIP]->rules, "facility-geo");
	uint8_t clear = rules_clearance(f->node[TOWNSHIP]->rules, s,
		fixture_code(VILLAGE), fixture_code(TOWNSHIP));
	assert_int_equal(store_wanted_count(f->node[TOWNSHIP]->store),
		clear & LABEL_BIT(s->attachments_label) ? 1 : 0);
	assert_true(log.size > r.seq);
}

/* PIPL arts. 8, 46: what was wrong is put right everywhere, and stays on
 * record.
 */
static void a_correction_is_the_newest_at_each_node_above(void **state)
{
	struct fixture *f = *state;
	struct json *doc = fixture_document_of("facility-geo", VILLAGE);
	struct json *right, *fields;
	struct receipt first, second;
	const char *origin = village_origin(f);
	struct point p;
	struct err err;

	json_remove(doc, "attachments");
	right = json_copy(doc);
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &first);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	fields = json_copy(json_get(right, "fields"));
	assert_true(json_set(fields, "location", json_new_string("x", 1)));
	assert_true(json_set(right, "fields", fields));
	assert_true(json_set(right, "id", json_new_text(first.id)));
	fixture_capture(f, VILLAGE, right, NULL, NULL, &second);
	assert_int_equal(second.rev, 2);
	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	fixture_ok(point_parse(first.id, strlen(first.id), &p, &err), &err);
	for (unsigned i = 0; i < 2; i++) {
		struct node *n = f->node[i ? COUNTY : TOWNSHIP];
		struct log_info log;
		struct run run = {0};
		uint64_t seq = 0;

		fixture_ok(point_find(n->store, &p, &log, &seq, &err), &err);
		assert_int_equal(seq, second.seq);
		fixture_ok(store_read(n->store, log.id, first.seq, 1, LABEL_ALL,
				   &run, &err),
			&err);
		assert_true(digest_equal(&run.record[0].leaf, &first.leaf));
		run_free(&run);
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_travels_up_through_the_middle),
		TEST(a_second_trip_carries_only_what_is_new),
		TEST(a_correction_is_the_newest_at_each_node_above),
		TEST(small_targets_halve_a_package),
		TEST(logs_up_are_told_in_the_order_of_origins),
		TEST(a_known_checkpoint_is_no_news),
		TEST(a_package_before_a_checkpoint_is_refused),
		TEST(a_replayed_package_changes_nothing),
		TEST(a_package_from_a_later_start_is_refused),
		TEST(an_altered_byte_of_a_package_alters_nothing_taken),
		TEST(parts_above_the_clearance_are_refused),
		TEST(withheld_parts_are_noticed),
		TEST(a_fork_is_refused_with_both_notes),
		TEST(a_fork_of_what_is_still_pending_is_refused),
		TEST(only_the_log_key_of_the_roster_counts),
		TEST(a_child_brings_its_own_logs_only),
		TEST(an_alert_goes_down_by_its_own_proof),
		TEST(what_goes_up_does_not_come_down),
		TEST(an_urgent_entry_goes_up_ahead_of_its_turn),
		TEST(a_to_prefix_meets_those_above_and_below),
		TEST(a_cosignature_comes_back),
		TEST(a_note_without_cosignature_is_no_receipt),
		TEST(attachments_of_parts_taken_are_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
