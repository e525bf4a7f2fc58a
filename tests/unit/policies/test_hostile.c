/* test_hostile.c - what a node that means harm, or one that rules overtook,
 * makes another take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/heads.h"
#include "policies/merge.h"
#include "tests/unit/policies/fixture.h"

#define TARGET ((size_t)64 << 10)

/* ---- rules that change ---- */

#define MORE_LABELS                                                            \
	"sed -i 's/^retention:/&\\n  - {label: public, period: Y}/; "          \
	"s/^fields:/&\\n  - {path: remark, type: string, label: public}/' "    \
	"series/household.yaml"
/* For the township too: what it did not get before, it cannot pass on. */
#define WIDER                                                                  \
	"sed -i -E 's/^  (township|county): .public, internal.*/  \\1: "       \
	"[public, internal, personal, sensitive]/' series/household.yaml"

static struct log_info log_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(f->node[p]->store, origin, &log, &err), &err);
	return log;
}

static void put_households(struct fixture *f, size_t count)
{
	struct receipt r;

	for (size_t i = 0; i < count; i++)
		fixture_capture(f, VILLAGE,
			fixture_document_of("household", VILLAGE), NULL, NULL,
			&r);
}

static uint8_t parts_at(struct fixture *f, enum fixture_place p, uint64_t seq)
{
	struct log_info log = log_at(f, p, f->node[VILLAGE]->origin);
	struct run run = {0};
	struct err err;
	uint8_t have;

	fixture_ok(store_read(f->node[p]->store, log.id, seq, 1, LABEL_ALL,
			   &run, &err),
		&err);
	have = run.record[0].have;
	run_free(&run);
	return have;
}

static void store_taken(struct node *n, struct taken *t)
{
	struct batch *b = NULL;
	struct err err;

	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(taken_store(b, t, &err), &err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	taken_free(t);
}

static void arrives_everywhere(struct fixture *f)
{
	const char *origin = f->node[VILLAGE]->origin;
	uint64_t size = fixture_log(f, VILLAGE).size;

	fixture_carry(f, VILLAGE, TOWNSHIP, origin);
	assert_int_equal(log_at(f, TOWNSHIP, origin).size, size);
	fixture_carry(f, TOWNSHIP, COUNTY, origin);
	assert_int_equal(log_at(f, COUNTY, origin).size, size);
}

static void records_from_before_a_label_came_arrive(void **state)
{
	struct fixture *f = *state;

	put_households(f, 3);
	fixture_change_rules(f, MORE_LABELS);
	put_households(f, 3);
	arrives_everywhere(f);
}

static void records_from_before_a_clearance_grew_arrive(void **state)
{
	struct fixture *f = *state;
	const uint8_t sensitive = LABEL_BIT(LABEL_SENSITIVE);
	uint64_t before;

	put_households(f, 3);
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	before = fixture_log(f, VILLAGE).size - 1;
	fixture_change_rules(f, WIDER);
	put_households(f, 3);
	arrives_everywhere(f);
	assert_false(parts_at(f, COUNTY, before) & sensitive);
	assert_true(parts_at(f, COUNTY, fixture_log(f, VILLAGE).size - 1) &
		sensitive);
}

#define TOWNSHIP_HOLDS(labels)                                                 \
	"sed -i 's/^  township: .*/  township: [" labels                       \
	"]/' series/household.yaml"

/* DESIGN: the stricter of capture and now, for what is not yet sent. */
static void what_waits_to_be_sent_goes_by_the_stricter_rules(void **state)
{
	struct fixture *f = *state;
	const uint8_t wide =
		LABEL_BIT(LABEL_INTERNAL) | LABEL_BIT(LABEL_PERSONAL);
	const uint8_t narrow = LABEL_BIT(LABEL_INTERNAL);
	uint64_t at[4];

	put_households(f, 1);
	at[0] = fixture_log(f, VILLAGE).size - 1;
	fixture_change_rules(f, TOWNSHIP_HOLDS("internal"));
	put_households(f, 1);
	at[1] = fixture_log(f, VILLAGE).size - 1;
	/* Narrowed: of neither. */
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	assert_int_equal(parts_at(f, TOWNSHIP, at[0]), narrow);
	assert_int_equal(parts_at(f, TOWNSHIP, at[1]), narrow);
	put_households(f, 1);
	at[2] = fixture_log(f, VILLAGE).size - 1;
	/* Widened: what was captured before stays, what comes behind goes. */
	fixture_change_rules(f, TOWNSHIP_HOLDS("internal, personal"));
	put_households(f, 1);
	at[3] = fixture_log(f, VILLAGE).size - 1;
	fixture_carry(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	assert_int_equal(parts_at(f, TOWNSHIP, at[0]), narrow);
	assert_int_equal(parts_at(f, TOWNSHIP, at[2]), narrow);
	assert_int_equal(parts_at(f, TOWNSHIP, at[3]), wide);
	/* What a head between kept from the township does not stop the log. */
	fixture_change_rules(f,
		"sed -i 's/^  county: .*/  county: [internal, personal]/' "
		"series/household.yaml");
	put_households(f, 1);
	arrives_everywhere(f);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		assert_int_equal(parts_at(f, COUNTY, at[i]), narrow);
	assert_int_equal(
		parts_at(f, COUNTY, fixture_log(f, VILLAGE).size - 1), wide);
}

/* What the township says to all of the village's log, with the parts that
 * `clearance` may hold. */
static enum err_code offer(
	struct fixture *f, enum fixture_place clearance, struct err *err)
{
	struct node *from = f->node[VILLAGE], *n = f->node[TOWNSHIP];
	struct log_info log = fixture_log(f, VILLAGE);
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	enum err_code rc;
	uint64_t next;

	fixture_ok(exchange_make_checkpoint(from, &log, 0, &m, err), err);
	fixture_ok(exchange_take_checkpoint(n, n->rules, from->config.code,
			   m.data, m.len, &t, NULL, err),
		err);
	store_taken(n, t);
	t = NULL;
	buf_clear(&m);
	fixture_ok(exchange_make_package(from, from->rules, &log,
			   fixture_code(clearance), 0, log.size, TARGET, &m,
			   &next, NULL, err),
		err);
	assert_int_equal(next, log.size);
	rc = exchange_take_package(
		n, n->rules, from->config.code, m.data, m.len, &t, err);
	taken_free(t);
	buf_free(&m);
	return rc;
}

/* The rules of its time do not excuse what those rules asked for. */
static void what_old_rules_asked_for_is_still_missed(void **state)
{
	struct fixture *f = *state;
	struct err err;

	put_households(f, 3);
	fixture_change_rules(f, MORE_LABELS);
	/* What a county may hold is too little for a township. */
	assert_int_equal(offer(f, COUNTY, &err), ERR_PROTOCOL);
	assert_int_equal(log_at(f, TOWNSHIP, f->node[VILLAGE]->origin).size, 0);
}

/* Behind the sys-policy record of other rules it would be judged by those. */
static void a_document_prepared_under_earlier_rules_is_not_entered(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct rules *rules = node_rules(n);
	struct capture_source src = {.node = n, .rules = rules};
	struct json *d = fixture_document_of("household", VILLAGE);
	struct buf text = BUF_EMPTY;
	struct captured *c = NULL;
	struct batch *b = NULL;
	struct receipt r;
	uint64_t size;
	struct err err;

	assert_non_null(d);
	fixture_ok(json_write(d, &text, &err), &err);
	fixture_ok(capture_prepare(&src, (const char *)text.data, text.len,
			   NULL, &c, &err),
		&err);
	fixture_change_rules(f, MORE_LABELS);
	size = fixture_log(f, VILLAGE).size;
	fixture_ok(batch_begin(n->store, &b, &err), &err);
	assert_int_equal(capture_commit(b, c, &r, &err), ERR_BUSY);
	assert_non_null(strstr(err.text, "put the document again"));
	batch_abort(b);
	captured_free(c);
	assert_int_equal(fixture_log(f, VILLAGE).size, size);
	rules_unref(rules);
	buf_free(&text);
	json_free(d);
	put_households(f, 1);
	arrives_everywhere(f);
}

/* ---- records that a key makes and no document could ---- */

static void forge_part(
	struct record *r, struct entry *e, enum label label, const char *json)
{
	struct part *p = &r->part[label];
	struct err err;

	p->json = json;
	p->len = strlen(json);
	memset(p->seed, (int)label + 1, SEED_SIZE);
	r->have |= LABEL_BIT(label);
	fixture_ok(part_digest(p->seed, label, p->json, p->len,
			   &e->sd[e->sd_count++], &err),
		&err);
}

/* Appends to the own log of `p` what its key can sign. */
static uint64_t forge(struct fixture *f, enum fixture_place p, struct entry *e,
	struct record *r)
{
	struct log_info log = fixture_log(f, p);
	struct buf text = BUF_EMPTY;
	struct batch *b = NULL;
	uint64_t seq = 0;
	struct err err;

	snprintf(e->iss, sizeof(e->iss), FIXTURE_DOMAIN "/%s", fixture_code(p));
	strcpy(e->node, fixture_code(p));
	strcpy(e->id, "019d0000-0000-7000-8000-000000000001");
	assert_true(uuid_parse(e->id, strlen(e->id), e->uuid));
	strcpy(e->at, "2026-04-22T17:48:35+08:00");
	e->rev = 1;
	fixture_ok(entry_write(e, &text, &err), &err);
	r->entry = (const char *)text.data;
	r->entry_len = text.len;
	r->leaf = tree_leaf(text.data, text.len);
	fixture_ok(batch_begin(f->node[p]->store, &b, &err), &err);
	fixture_ok(batch_append(b, log.id, r, &seq, &err), &err);
	fixture_ok(batch_commit(b, node_sign, f->node[p], &err), &err);
	buf_free(&text);
	return seq;
}

static void parts_that_contradict_each_other_are_refused(void **state)
{
	struct fixture *f = *state;
	struct entry e = {.series = "household"};
	struct record r = {0};
	struct err err;

	forge_part(&r, &e, LABEL_INTERNAL, "{\"a\":1}");
	forge_part(&r, &e, LABEL_PERSONAL, "{\"a\":2}");
	forge_part(&r, &e, LABEL_SENSITIVE, "{}");
	(void)forge(f, VILLAGE, &e, &r);
	assert_int_equal(offer(f, TOWNSHIP, &err), ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "contradict"));
}

/* A village that writes the whole county into `to` reaches nobody by it. */
static void nobody_sends_down_to_those_beside_and_above(void **state)
{
	struct fixture *f = *state;
	struct entry e = {.series = "alert", .to_count = 1, .to = {"330106"}};
	struct record r = {0};
	struct node *n = f->node[OTHER];
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct log_info log;
	uint64_t seq;
	struct err err;

	forge_part(&r, &e, LABEL_PUBLIC, "{}");
	forge_part(&r, &e, LABEL_INTERNAL, "{}");
	seq = forge(f, VILLAGE, &e, &r);
	assert_false(exchange_goes_down(n->rules, &e, fixture_code(TOWNSHIP)));
	assert_false(exchange_goes_down(n->rules, &e, fixture_code(OTHER)));
	assert_true(exchange_goes_down(n->rules, &e, fixture_code(VILLAGE)));
	log = fixture_log(f, VILLAGE);
	fixture_ok(
		exchange_make_proved(f->node[VILLAGE], f->node[VILLAGE]->rules,
			&log, seq, fixture_code(OTHER), &m, NULL, &err),
		&err);
	assert_int_equal(
		exchange_take_proved(n, n->rules, fixture_code(TOWNSHIP),
			m.data, m.len, &t, &err),
		ERR_DENIED);
	buf_free(&m);
}

/* What the county at `n` sends down to the other village. */
static enum err_code send_down(
	struct fixture *f, struct node *n, uint64_t seq, struct err *err)
{
	struct buf m = BUF_EMPTY;
	struct taken *t = NULL;
	struct log_info log;
	enum err_code rc;

	fixture_ok(store_log_own(n->store, &log, err), err);
	fixture_ok(exchange_make_proved(n, n->rules, &log, seq,
			   fixture_code(OTHER), &m, NULL, err),
		err);
	rc = exchange_take_proved(f->node[OTHER], f->node[OTHER]->rules,
		fixture_code(TOWNSHIP), m.data, m.len, &t, err);
	if (rc == ERR_OK)
		store_taken(f->node[OTHER], t);
	buf_free(&m);
	return rc;
}

static void another_alert_at_the_same_place_is_a_fork(void **state)
{
	struct fixture *f = *state;
	struct node *first = f->node[COUNTY], *second = NULL;
	char data[96], copy[96];
	struct receipt a, b;
	struct err err;

	snprintf(data, sizeof(data), "%s/%s", f->dir, fixture_code(COUNTY));
	snprintf(copy, sizeof(copy), "%s/copy", f->dir);
	node_close(first);
	f->node[COUNTY] = NULL;
	fixture_clone(data, copy);
	fixture_ok(node_open(copy, STORE_WRITE, &second, &err), &err);
	f->node[COUNTY] = second;
	fixture_capture(f, COUNTY, fixture_document_of("alert", COUNTY), NULL,
		NULL, &b);
	fixture_ok(node_open(data, STORE_WRITE, &first, &err), &err);
	f->node[COUNTY] = first;
	fixture_capture(f, COUNTY, fixture_document_of("alert", COUNTY), NULL,
		NULL, &a);
	assert_int_equal(a.seq, b.seq);

	fixture_ok(send_down(f, first, a.seq, &err), &err);
	assert_int_equal(send_down(f, first, a.seq, &err), ERR_BUSY);
	assert_int_equal(send_down(f, second, b.seq, &err), ERR_FORK);
	node_close(second);
}

/* A thief with all keys of a village cannot make its custody. */
static void a_node_is_no_witness_of_its_own_log(void **state)
{
	static const enum fixture_place not_above[] = {VILLAGE, OTHER};
	struct fixture *f = *state;
	struct node *n = f->node[VILLAGE];
	struct log_info log = fixture_log(f, VILLAGE);

	for (size_t i = 0; i < 2; i++) {
		struct node *by = f->node[not_above[i]];
		struct buf bytes = BUF_EMPTY, merged = BUF_EMPTY;
		char name[NOTE_NAME_SIZE], origin[ORIGIN_SIZE];
		struct note note;
		struct err err;

		fixture_ok(store_note(n->store, log.id, NOTE_COMPLETE, &bytes,
				   &err),
			&err);
		fixture_ok(
			note_parse(bytes.data, bytes.len, &note, &err), &err);
		buf_add(&merged, bytes.data, bytes.len);
		snprintf(name, sizeof(name), FIXTURE_DOMAIN "/%s/witness",
			by->config.code);
		fixture_ok(checkpoint_cosign(&note, name, by->witness,
				   1790000000, &merged, &err),
			&err);
		buf_clear(&bytes);
		assert_int_equal(
			exchange_take_cosigned(n, n->rules, merged.data,
				merged.len, origin, &bytes, &err),
			ERR_DENIED);
		assert_non_null(strstr(err.text, "without a cosignature"));
		buf_free(&bytes);
		buf_free(&merged);
	}
}

/* ---- heads ---- */

/* A final head, as officers' own tools could make it: the files of the newest
 * one with `path` in other words, signed by keys. */
static void forge_head(struct fixture *f, const char *path, const char *text,
	const char *const *keys, size_t count)
{
	struct governance *g = NULL;
	struct chain c = {.last = {.serial = 0}};
	struct fileset fs = {.file = NULL};
	struct head_text h = {.count = 0};
	struct statement s = {.has_previous = true};
	char ref[HEAD_REF_SIZE], tree[41], name[SIGNATURE_NAME_SIZE];
	struct err err;

	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(heads_follow(g, &c, 0, &err), &err);
	for (size_t i = 0; i < c.files.count; i++) {
		struct buf old = BUF_EMPTY;

		if (strcmp(c.files.file[i].path, path)) {
			fixture_ok(fileset_read(&c.files, &c.files.file[i],
					   &old, &err),
				&err);
			fixture_ok(fileset_put(&fs, c.files.file[i].path,
					   old.data, old.len, &err),
				&err);
		}
		buf_free(&old);
	}
	fixture_ok(fileset_put(&fs, path, text, strlen(text), &err), &err);
	fixture_ok(fileset_seal(&fs, &err), &err);
	s.serial = c.last.serial + 1;
	s.at = c.last.at;
	s.previous = c.last.digest;
	s.tree = fileset_digest(&fs);
	strcpy(s.domain, c.last.domain);
	fixture_ok(repo_commit(g->repo, &fs, c.last.commit, "forged", s.commit,
			   &err),
		&err);
	fixture_ok(statement_write(&s, &h.statement, &err), &err);
	for (size_t i = 0; i < count; i++) {
		struct buf armor = BUF_EMPTY;
		struct ssh_public key;

		fixture_ok(sshsig_make(keys[i], GOVERNANCE_NAMESPACE,
				   h.statement.data, h.statement.len, &armor,
				   &err),
			&err);
		fixture_ok(sshsig_check(armor.data, armor.len,
				   GOVERNANCE_NAMESPACE, h.statement.data,
				   h.statement.len, &key, &err),
			&err);
		signature_name(&key, name);
		fixture_ok(head_text_add(&h, name, armor.data, armor.len, &err),
			&err);
		buf_free(&armor);
	}
	fixture_ok(repo_head_write(g->repo, &h, tree, &err), &err);
	head_ref(s.serial, ref);
	fixture_ok(repo_ref_set(g->repo, ref, tree, NULL, &err), &err);
	head_text_free(&h);
	fileset_free(&fs);
	chain_free(&c);
	governance_close(g);
}

/* What a node says to the newest head; it keeps the one it has. */
static enum err_code offer_head(struct fixture *f, struct err *err)
{
	struct node *n = f->node[VILLAGE];
	uint64_t serial = rules_serial(n->rules), newest = 0, adopted = 1;
	struct governance *g = NULL;
	struct buf bytes = BUF_EMPTY;
	struct statement s;
	struct err own;
	enum err_code rc;

	fixture_ok(governance_open(f->repository, &g, &own), &own);
	fixture_ok(governance_export(g, serial, &bytes, &own), &own);
	rc = governance_import(
		n->governance, bytes.data, bytes.len, &f->pin, &newest, err);
	assert_int_equal(newest, 0);
	fixture_ok(governance_head(n->governance, &s, &own), &own);
	assert_int_equal(s.serial, serial);
	fixture_ok(node_adopt(n, NULL, &adopted, &own), &own);
	assert_int_equal(adopted, 0);
	buf_free(&bytes);
	governance_close(g);
	return rc;
}

static void a_signed_head_that_does_not_load_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *const both[] = {f->key[0], f->key[1]};
	struct err err;

	forge_head(f, "series/household.yaml", "name: [", both, 2);
	assert_int_equal(offer_head(f, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "series/household.yaml"));
}

/* A thief with one of the two keys, and one with a key of his own. */
static void one_key_or_a_strange_one_is_not_enough(void **state)
{
	struct fixture *f = *state;
	const char *const one[] = {f->key[0]};
	char path[96], command[256];
	const char *const strange[] = {path};
	struct err err;

	snprintf(path, sizeof(path), "%s/strange", f->dir);
	snprintf(command, sizeof(command),
		"ssh-keygen -q -t ed25519 -N '' -C '' -f '%s' && "
		"cp -r '%s' '%s/kept'",
		path, f->repository, f->dir);
	assert_int_equal(system(command), 0);
	forge_head(f, "README.md", "mine", one, 1);
	assert_int_equal(offer_head(f, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "has 1 signatures, it needs 2"));
	snprintf(f->repository, sizeof(f->repository), "%s/kept", f->dir);
	/* Not even read: its files would be refused for themselves. */
	forge_head(f, "officers.yaml", "officers: [", strange, 1);
	assert_int_equal(offer_head(f, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "no officer's"));
}

static struct json *parse(const char *text)
{
	struct json *v = NULL;
	struct err err;

	fixture_ok(
		json_parse(text, strlen(text), DOCUMENT_LIMIT, &v, &err), &err);
	return v;
}

static void parts_fit_by_member_and_by_place(void **state)
{
	static const struct {
		const char *a, *b;
		bool fit;
	} pairs[] = {
		{"{}", "{}", true},
		{"{\"a\":1}", "{\"b\":1}", true},
		{"{\"a\":{\"b\":1}}", "{\"a\":{\"c\":1}}", true},
		{"{\"a\":[{},{\"b\":1}]}", "{\"a\":[{\"c\":1},{}]}", true},
		{"{\"a\":1}", "{\"a\":1}", false},
		{"{\"a\":[{}]}", "{\"a\":[{},{}]}", false},
		{"{\"a\":{\"b\":1}}", "{\"a\":[]}", false},
		{"{\"a\":[1]}", "{\"a\":[2]}", false},
		{"{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1}]}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct json *part[LABEL_COUNT] = {
			parse(pairs[i].a), NULL, parse(pairs[i].b), NULL};

		assert_int_equal(merge_fits(part), pairs[i].fit);
		json_free(part[0]);
		json_free(part[2]);
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_from_before_a_label_came_arrive),
		TEST(records_from_before_a_clearance_grew_arrive),
		TEST(what_waits_to_be_sent_goes_by_the_stricter_rules),
		TEST(what_old_rules_asked_for_is_still_missed),
		TEST(a_document_prepared_under_earlier_rules_is_not_entered),
		TEST(parts_that_contradict_each_other_are_refused),
		TEST(nobody_sends_down_to_those_beside_and_above),
		TEST(another_alert_at_the_same_place_is_a_fork),
		TEST(a_node_is_no_witness_of_its_own_log),
		TEST(a_signed_head_that_does_not_load_is_refused),
		TEST(one_key_or_a_strange_one_is_not_enough),
		cmocka_unit_test(parts_fit_by_member_and_by_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
