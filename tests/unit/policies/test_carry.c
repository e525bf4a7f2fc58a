/* test_carry.c - erasures are carried out where nothing speaks against it, and
 * wait where it is not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/orders_inside.h"
#include "tests/unit/policies/fixture.h"

static int setup(void **state)
{
	static const enum fixture_place places[] = {COUNTY, TOWNSHIP, VILLAGE};
	static struct fixture f;

	fixture_some(&f, places, 3);
	*state = &f;
	return 0;
}

static void make(struct fixture *f, enum fixture_place p, enum order_kind kind,
	struct order *o)
{
	struct rules *rules = node_rules(f->node[p]);
	struct err err;

	fixture_ok(order_new(kind, rules, fixture_code(p), "a case", o, &err),
		&err);
	rules_unref(rules);
}

static void make_erasure(struct fixture *f, enum fixture_place p,
	const struct receipt *r, struct order *o)
{
	struct err err;

	make(f, p, ORDER_ERASE, o);
	o->not_before = o->made_at;
	fixture_ok(order_add_part(o, r->origin, LABEL_PERSONAL, r->seq,
			   r->seq + 1, &err),
		&err);
	fixture_ok(orders_holds(f->node[p], o->node, &o->holds, &err), &err);
}

static void sign(struct fixture *f, struct order *o, struct signed_order *s)
{
	struct err err;

	*s = (struct signed_order){.count = 0};
	fixture_ok(order_write(o, &s->text, &err), &err);
	for (int i = 0; i < 2; i++) {
		struct buf armor = BUF_EMPTY;

		fixture_ok(sshsig_make(f->key[i], ORDER_NAMESPACE, s->text.data,
				   s->text.len, &armor, &err),
			&err);
		fixture_ok(
			signed_order_add(s, armor.data, armor.len, &err), &err);
		buf_free(&armor);
	}
}

static void enter(struct fixture *f, enum fixture_place p, struct order *o)
{
	struct signed_order s;
	struct receipt receipt;
	struct err err;

	sign(f, o, &s);
	fixture_ok(orders_enter(f->node[p], NULL, &s, &receipt, &err), &err);
	signed_order_free(&s);
}

/* As it would come from elsewhere: nobody asks whether it counts here. */
static void record(struct fixture *f, enum fixture_place p, struct order *o)
{
	struct node *n = f->node[p];
	const char *own = fixture_code(p);
	struct system_place at = {.rev = 1,
		.node = code_within(o->node, own) ? o->node : own,
		.down = true};
	struct batch *b = NULL;
	struct signed_order s;
	struct receipt receipt;
	struct err err;

	sign(f, o, &s);
	assert_true(uuid_parse(o->id, strlen(o->id), at.uuid));
	fixture_ok(batch_begin(n->store, &b, &err), &err);
	fixture_ok(system_revision(b, n, order_series(o->kind), &at,
			   signed_order_json(&s), &receipt, &err),
		&err);
	fixture_ok(batch_commit(b, node_sign, n, &err), &err);
	signed_order_free(&s);
}

static size_t carried_out(struct fixture *f, enum fixture_place p)
{
	size_t done = 0;
	struct err err;

	fixture_ok(orders_run(f->node[p], NULL, &done, &err), &err);
	return done;
}

struct wanted {
	const char *id;
	enum order_state state;
	char why[ERR_TEXT_SIZE];
	size_t count;
};

static enum err_code on_row(
	void *arg, const struct order_row *row, struct err *err)
{
	struct wanted *w = arg;

	(void)err;
	if (strcmp(row->order->id, w->id))
		return ERR_OK;
	w->count++;
	w->state = row->state;
	snprintf(w->why, sizeof(w->why), "%s", row->why);
	return ERR_OK;
}

static struct wanted look(
	struct fixture *f, enum fixture_place p, const struct order *o)
{
	struct wanted w = {.id = o->id};
	struct err err;

	fixture_ok(orders_each(f->node[p], on_row, &w, &err), &err);
	assert_true(w.count > 0);
	return w;
}

static struct receipt put(struct fixture *f, enum fixture_place p)
{
	struct receipt r;

	fixture_capture(
		f, p, fixture_document_of("complaint", p), NULL, NULL, &r);
	return r;
}

static bool is_here(
	struct fixture *f, enum fixture_place p, const struct receipt *r)
{
	struct log_info log;
	struct run run = {0};
	struct err err;
	bool is;

	fixture_ok(
		store_log_find(f->node[p]->store, r->origin, &log, &err), &err);
	fixture_ok(store_read(f->node[p]->store, log.id, r->seq, 1, LABEL_ALL,
			   &run, &err),
		&err);
	is = run.record[0].have & LABEL_BIT(LABEL_PERSONAL);
	run_free(&run);
	return is;
}

static void fresh(struct fixture *f, enum fixture_place p)
{
	struct rules *rules = node_rules(f->node[p]);
	struct digest down;
	struct err err;
	bool news;

	fixture_ok(orders_down_digest(
			   f->node[p], rules, fixture_code(p), &down, &err),
		&err);
	fixture_ok(orders_fresh(f->node[p], &down, time_now() + 1, &news, &err),
		&err);
	rules_unref(rules);
}

static void a_hold_of_a_head_that_is_not_here_holds_until_it_is(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY);
	struct order erase, hold;
	struct wanted w;

	make(f, COUNTY, ORDER_HOLD, &hold);
	snprintf(hold.series, sizeof(hold.series), "complaint");
	hold.rules++;
	hold.made_at += 3600;
	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	record(f, COUNTY, &hold);
	assert_int_equal(carried_out(f, COUNTY), 0);
	assert_true(is_here(f, COUNTY, &r));
	w = look(f, COUNTY, &erase);
	assert_non_null(strstr(w.why, hold.id));
	fixture_change_rules(f, "echo '# x' >> calendar.yaml");
	assert_int_equal(carried_out(f, COUNTY), 0);
	assert_int_equal(look(f, COUNTY, &hold).state, ORDER_FORCE);
	order_free(&erase);
	order_free(&hold);
}

/* A node's own key may not keep others from destroying. */
static void a_hold_of_no_head_that_its_node_could_not_order_is_nothing(
	void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY);
	struct order erase, hold;
	struct log_info log;

	make(f, COUNTY, ORDER_HOLD, &hold);
	snprintf(hold.series, sizeof(hold.series), "complaint");
	hold.rules = 999;
	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	record(f, VILLAGE, &hold);
	log = fixture_log(f, VILLAGE);
	fixture_carry(f, VILLAGE, TOWNSHIP, log.origin);
	fixture_carry(f, TOWNSHIP, COUNTY, log.origin);
	assert_int_equal(look(f, COUNTY, &hold).state, ORDER_VOID);
	assert_int_equal(carried_out(f, COUNTY), 1);
	assert_false(is_here(f, COUNTY, &r));
	order_free(&erase);
	order_free(&hold);
}

static void a_cancel_of_a_head_that_is_not_here_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY);
	struct order erase, cancel;

	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	make(f, COUNTY, ORDER_CANCEL, &cancel);
	memcpy(cancel.about, erase.id, sizeof(cancel.about));
	cancel.rules++;
	cancel.made_at += 3600;
	record(f, COUNTY, &cancel);
	assert_int_equal(carried_out(f, COUNTY), 0);
	assert_true(is_here(f, COUNTY, &r));
	fixture_change_rules(f, "echo '# x' >> calendar.yaml");
	assert_int_equal(carried_out(f, COUNTY), 0);
	assert_int_equal(look(f, COUNTY, &erase).state, ORDER_ENDED);
	order_free(&erase);
	order_free(&cancel);
}

static void an_order_in_two_logs_is_carried_out_once(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY);
	struct log_info before;
	struct order erase;

	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	record(f, COUNTY, &erase);
	before = fixture_log(f, COUNTY);
	assert_true(carried_out(f, COUNTY) > 0);
	assert_false(is_here(f, COUNTY, &r));
	assert_int_equal(fixture_log(f, COUNTY).size, before.size + 1);
	assert_int_equal(look(f, COUNTY, &erase).state, ORDER_DONE);
	order_free(&erase);
}

static void reopen(struct fixture *f, enum fixture_place p)
{
	char data[128];
	struct err err;

	snprintf(data, sizeof(data), "%s", f->node[p]->data);
	node_close(f->node[p]);
	f->node[p] = NULL;
	fixture_ok(node_open(data, STORE_WRITE, &f->node[p], &err), &err);
}

/* Who knows the order knows the receipt's id before it is there. */
static void a_receipt_stays_whoever_takes_its_id(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY), taken, mine;
	struct json *doc = fixture_document_of("complaint", VILLAGE);
	struct order erase;
	uint8_t uuid[UUID_SIZE];
	char id[UUID_TEXT_SIZE];
	struct log_info log;
	struct err err;

	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	assert_int_equal(carried_out(f, COUNTY), 1);
	orders_receipt_id(erase.id, fixture_code(COUNTY), uuid, id);
	assert_true(json_set(doc, "id", json_new_text(id)));
	fixture_capture(f, VILLAGE, doc, NULL, NULL, &taken);
	log = fixture_log(f, VILLAGE);
	fixture_carry(f, VILLAGE, TOWNSHIP, log.origin);
	fixture_carry(f, TOWNSHIP, COUNTY, log.origin);
	fixture_ok(orders_receipt(f->node[COUNTY], erase.id,
			   fixture_code(COUNTY), &mine, &err),
		&err);
	assert_string_equal(mine.origin, f->node[COUNTY]->origin);
	reopen(f, COUNTY);
	assert_int_equal(look(f, COUNTY, &erase).state, ORDER_DONE);
	order_free(&erase);
}

/* A session may be quicker than the first look at what was ordered. */
static void what_was_ordered_counts_before_anybody_asked(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, VILLAGE);
	struct log_info log = fixture_log(f, VILLAGE);
	struct order erase;

	fixture_carry(f, VILLAGE, TOWNSHIP, log.origin);
	make_erasure(f, TOWNSHIP, &r, &erase);
	record(f, COUNTY, &erase);
	assert_int_equal(carried_out(f, COUNTY), 1);
	reopen(f, COUNTY);
	fixture_carry(f, TOWNSHIP, COUNTY, log.origin);
	assert_false(is_here(f, COUNTY, &r));
	order_free(&erase);
}

/* What was restored may have another record at that place. */
static void what_nobody_above_has_is_not_destroyed_by_its_place(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, VILLAGE);
	struct order erase;

	make_erasure(f, VILLAGE, &r, &erase);
	enter(f, VILLAGE, &erase);
	fresh(f, VILLAGE);
	assert_int_equal(carried_out(f, VILLAGE), 0);
	assert_true(is_here(f, VILLAGE, &r));
	assert_non_null(strstr(look(f, VILLAGE, &erase).why, "countersigned"));
	order_free(&erase);
}

static void nothing_is_destroyed_under_an_old_head(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, VILLAGE);
	struct log_info log = fixture_log(f, VILLAGE);
	struct rules *rules;
	struct digest down;
	struct order erase;
	struct err err;
	bool news;

	fixture_carry(f, VILLAGE, TOWNSHIP, log.origin);
	make_erasure(f, TOWNSHIP, &r, &erase);
	enter(f, TOWNSHIP, &erase);
	rules = node_rules(f->node[TOWNSHIP]);
	fixture_ok(orders_down_digest(f->node[TOWNSHIP], rules,
			   fixture_code(TOWNSHIP), &down, &err),
		&err);
	rules_unref(rules);
	fixture_ok(orders_fresh(f->node[TOWNSHIP], &down,
			   time_now() + 40 * 86400, &news, &err),
		&err);
	assert_int_equal(carried_out(f, TOWNSHIP), 0);
	assert_non_null(strstr(look(f, TOWNSHIP, &erase).why, "days old"));
	fresh(f, TOWNSHIP);
	assert_int_equal(carried_out(f, TOWNSHIP), 1);
	assert_false(is_here(f, TOWNSHIP, &r));
	order_free(&erase);
}

struct watch {
	struct fixture *f;
	const struct order *order;
	const struct receipt *receipt;
	unsigned signed_groups;
};

/* In the middle of the group, before any of it is on the disk. */
static enum err_code watch(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	struct watch *w = arg;
	struct node *n = w->f->node[COUNTY];

	w->signed_groups++;
	assert_int_equal(look(w->f, COUNTY, w->order).state, ORDER_WAITING);
	assert_true(orders_destroyed(
		n, w->receipt->origin, LABEL_PERSONAL, w->receipt->seq));
	return node_sign(n, cp, note, err);
}

static void it_is_told_as_done_when_the_group_is_durable(void **state)
{
	struct fixture *f = *state;
	struct receipt r = put(f, COUNTY);
	struct order erase;
	struct watch w = {.f = f, .order = &erase, .receipt = &r};
	struct writer *writer = NULL;
	size_t done = 0;
	struct err err;

	make_erasure(f, COUNTY, &r, &erase);
	enter(f, COUNTY, &erase);
	assert_int_equal(look(f, COUNTY, &erase).state, ORDER_WAITING);
	fixture_ok(
		writer_start(f->node[COUNTY]->store, watch, &w, &writer, &err),
		&err);
	fixture_ok(orders_run(f->node[COUNTY], writer, &done, &err), &err);
	writer_stop(writer);
	assert_int_equal(done, 1);
	assert_true(w.signed_groups > 0);
	assert_int_equal(look(f, COUNTY, &erase).state, ORDER_DONE);
	assert_false(is_here(f, COUNTY, &r));
	order_free(&erase);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_hold_of_a_head_that_is_not_here_holds_until_it_is),
		T(a_hold_of_no_head_that_its_node_could_not_order_is_nothing),
		T(a_cancel_of_a_head_that_is_not_here_is_waited_for),
		T(an_order_in_two_logs_is_carried_out_once),
		T(a_receipt_stays_whoever_takes_its_id),
		T(what_was_ordered_counts_before_anybody_asked),
		T(what_nobody_above_has_is_not_destroyed_by_its_place),
		T(nothing_is_destroyed_under_an_old_head),
		T(it_is_told_as_done_when_the_group_is_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
