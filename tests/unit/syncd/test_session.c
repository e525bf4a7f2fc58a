/* test_session.c - two sessions against each other in memory, over real nodes:
 * what arrives, what is refused, what a cut costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "syncd/ask.h"
#include "syncd/frames.h"
#include "tests/unit/policies/fixture.h"

/* ---- two ends and what lies between ---- */

struct end {
	struct session *s;
	struct node *node;
	struct writer *writer;
	struct buf line;  /* on its way from this end */
	uint64_t budget;  /* bytes that this end may still send */
	enum err_code rc; /* what ended it */
	struct err err;
	struct ask *held[SESSION_ASKS_LIMIT]; /* handed out, as to threads */
	bool ran[SESSION_ASKS_LIMIT];
	size_t held_count;
};
struct link {
	struct fixture *f;
	struct end child, parent;
	/* Looks at, and may change, each message of an end. */
	void (*tap)(struct link *l, struct end *from, unsigned kind,
		uint8_t *payload, size_t len);
	void *tap_arg;
	size_t step;   /* bytes an end sends in one turn */
	uint32_t seed; /* not 0: asks run and end in any order */
};

static void end_open(
	struct end *e, struct node *n, enum session_role role, const char *peer)
{
	struct session_options opt = {
		.role = role, .frame_limit = FRAME_SLOW_LIMIT};
	struct err err;

	snprintf(opt.peer, sizeof(opt.peer), "%s", peer);
	*e = (struct end){.node = n, .budget = UINT64_MAX};
	fixture_ok(
		writer_start(n->store, node_sign, n, &e->writer, &err), &err);
	fixture_ok(session_new(&opt, &e->s, &err), &err);
}

static void end_close(struct end *e)
{
	for (size_t i = 0; i < e->held_count; i++)
		ask_free(e->held[i]);
	session_free(e->s);
	writer_stop(e->writer);
	buf_free(&e->line);
}

static void link_open(struct link *l, struct fixture *f,
	enum fixture_place child, enum fixture_place parent)
{
	memset(l, 0, sizeof(*l));
	l->f = f;
	l->step = (size_t)64 << 10;
	end_open(
		&l->child, f->node[child], SESSION_CHILD, fixture_code(parent));
	end_open(&l->parent, f->node[parent], SESSION_PARENT,
		fixture_code(child));
}

static void link_close(struct link *l)
{
	end_close(&l->child);
	end_close(&l->parent);
}

/* As a daemon does: what changed the node wakes the session. */
static enum err_code answer(struct end *e, struct ask *a)
{
	bool changed = ask_changed(a);
	enum err_code rc = session_answer(e->s, a, &e->err);

	if (changed)
		session_wake(e->s);
	return rc;
}

static bool run_asks(struct end *e)
{
	struct ask *a;
	bool any = false;

	while ((a = session_next_ask(e->s))) {
		ask_run(a, e->node, e->writer);
		any = true;
		if ((e->rc = answer(e, a)))
			break;
	}
	return any;
}

static uint32_t chance(struct link *l, uint32_t of)
{
	l->seed = l->seed * 1664525u + 1013904223u;
	return (l->seed >> 8) % of;
}

/* As on threads: up to eight are out, run at one time, answered at another. */
static bool shuffle_asks(struct link *l, struct end *e)
{
	size_t i;

	while (e->held_count < SESSION_ASKS_LIMIT &&
		(e->held[e->held_count] = session_next_ask(e->s)))
		e->ran[e->held_count++] = false;
	if (e->held_count == 0)
		return false;
	i = chance(l, (uint32_t)e->held_count);
	if (!e->ran[i]) {
		ask_run(e->held[i], e->node, e->writer);
		e->ran[i] = true;
	} else {
		fixture_ok(answer(e, e->held[i]), &e->err);
		e->held_count--;
		e->held[i] = e->held[e->held_count];
		e->ran[i] = e->ran[e->held_count];
	}
	return true;
}

/* Frames one after the other, so that a tap sees each. */
static void show_frames(struct link *l, struct end *from)
{
	size_t at = 0;

	while (l->tap && from->line.len - at >= FRAME_HEADER_SIZE) {
		uint8_t *frame = from->line.data + at;
		size_t len = (size_t)frame[4] << 24 | (size_t)frame[5] << 16 |
			(size_t)frame[6] << 8 | frame[7];

		l->tap(l, from, frame[1], frame + FRAME_HEADER_SIZE, len);
		at += FRAME_HEADER_SIZE + len;
	}
}

/* One turn: what this end has to say, cut where the budget ends. */
static bool carry(struct link *l, struct end *from, struct end *to)
{
	size_t len;

	buf_clear(&from->line);
	if (from->budget == 0)
		return false;
	fixture_ok(session_output(from->s, l->step, &from->line, &from->err),
		&from->err);
	if (from->line.len == 0)
		return false;
	show_frames(l, from);
	len = from->line.len;
	if (len > from->budget)
		len = (size_t)from->budget;
	from->budget -= len;
	if (session_receive(to->s, from->line.data, len, &to->err))
		to->rc = to->err.code;
	return true;
}

static bool turn(struct link *l)
{
	bool any = l->seed ? shuffle_asks(l, &l->child) : run_asks(&l->child);

	any |= carry(l, &l->child, &l->parent);
	any |= l->seed ? shuffle_asks(l, &l->parent) : run_asks(&l->parent);
	any |= carry(l, &l->parent, &l->child);
	return any;
}

static void drive(struct link *l)
{
	size_t turns = 0;

	while (turn(l))
		assert_true(++turns < 100000);
}

static struct session_status status(const struct end *e)
{
	struct session_status st;

	session_status(e->s, &st);
	return st;
}

static void expect_complete(struct link *l)
{
	struct session_status st = status(&l->child);

	if (!st.complete)
		fail_msg("child waits for: %s", st.waiting_for);
	assert_int_equal(st.backlog, 0);
	assert_int_equal(st.state, SESSION_OPEN);
	assert_int_equal(status(&l->parent).state, SESSION_OPEN);
}

static void sync_once(
	struct fixture *f, enum fixture_place child, enum fixture_place parent)
{
	struct link l;

	link_open(&l, f, child, parent);
	drive(&l);
	expect_complete(&l);
	link_close(&l);
}

static struct log_info log_at(
	struct fixture *f, enum fixture_place p, const char *origin)
{
	struct log_info log;
	struct err err;

	fixture_ok(store_log_find(f->node[p]->store, origin, &log, &err), &err);
	return log;
}

static void expect_same_log(struct fixture *f, enum fixture_place a,
	enum fixture_place b, const char *origin)
{
	struct log_info x = log_at(f, a, origin), y = log_at(f, b, origin);

	assert_int_equal(x.size, y.size);
	assert_int_equal(y.size, y.checkpoint_size);
	assert_true(digest_equal(&x.root, &y.root));
}

/* ---- logs up ---- */

static void a_log_goes_up_whole_and_is_cosigned(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	struct log_info log;
	struct link l;

	fixture_put(f, VILLAGE, 600);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_true(status(&l.parent).complete);
	assert_int_equal(
		status(&l.parent).entries_in, fixture_log(f, VILLAGE).size);
	expect_same_log(f, VILLAGE, TOWNSHIP, origin);
	log = fixture_log(f, VILLAGE);
	assert_int_equal(log.cosigned_size, log.size);

	/* New records while it is open. */
	fixture_put(f, VILLAGE, 10);
	session_wake(l.child.s);
	assert_false(status(&l.child).complete);
	drive(&l);
	expect_complete(&l);
	expect_same_log(f, VILLAGE, TOWNSHIP, origin);
	assert_int_equal(fixture_log(f, VILLAGE).cosigned_size, log.size + 10);
	link_close(&l);
}

static void nothing_new_costs_a_kilobyte_and_one_round_trip(void **state)
{
	struct fixture *f = *state;
	struct link l;

	fixture_put(f, VILLAGE, 300);
	fixture_put(f, COUNTY, 11); /* an alert among them */
	sync_once(f, VILLAGE, TOWNSHIP);
	sync_once(f, TOWNSHIP, COUNTY);
	sync_once(f, VILLAGE, TOWNSHIP);

	link_open(&l, f, VILLAGE, TOWNSHIP);
	assert_true(turn(&l));
	drive(&l);
	expect_complete(&l);
	assert_true(status(&l.parent).complete);
	assert_true(status(&l.child).sent + status(&l.parent).sent <= 1024);
	assert_int_equal(status(&l.child).sent, status(&l.parent).received);
	link_close(&l);
}

static void a_middle_node_relays_logs_up_and_cosignatures_down(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[VILLAGE]->origin;
	struct buf note = BUF_EMPTY;
	struct link lower, upper;
	struct log_info log;
	struct err err;

	fixture_put(f, VILLAGE, 30);
	fixture_put(f, OTHER, 20);
	link_open(&lower, f, VILLAGE, TOWNSHIP);
	drive(&lower);
	expect_complete(&lower);
	/* The one writer of the township serves both of its sessions. */
	session_wake(lower.parent.s);
	writer_stop(lower.parent.writer);
	lower.parent.writer = NULL;

	link_open(&upper, f, TOWNSHIP, COUNTY);
	drive(&upper);
	expect_complete(&upper);
	expect_same_log(f, VILLAGE, COUNTY, origin);
	lower.parent.writer = upper.child.writer;
	session_wake(lower.parent.s);
	drive(&lower);
	expect_complete(&lower);
	lower.parent.writer = NULL;
	link_close(&upper);
	link_close(&lower);

	log = log_at(f, VILLAGE, origin);
	fixture_ok(store_note(f->node[VILLAGE]->store, log.id, NOTE_COSIGNED,
			   &note, &err),
		&err);
	assert_non_null(memmem(note.data, note.len, "/330106000000/witness",
		strlen("/330106000000/witness")));
	assert_non_null(memmem(note.data, note.len, "/330106110000/witness",
		strlen("/330106110000/witness")));
	buf_free(&note);
}

/* ---- cuts ---- */

static uint64_t whole_cost(struct fixture *f)
{
	struct link l;
	uint64_t cost;

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	cost = status(&l.child).sent;
	link_close(&l);
	return cost;
}

static void a_cut_costs_at_most_a_window(void **state)
{
	struct fixture *f = *state;
	const char *origin = f->node[OTHER]->origin;
	uint64_t whole, sent = 0;
	unsigned cuts = 0;

	/* Two villages with as many records of the same kinds: one without a
	 * cut, to compare with. */
	fixture_put(f, VILLAGE, 1500);
	fixture_put(f, OTHER, 1500);
	whole = whole_cost(f);
	for (;; cuts++) {
		struct link l;
		bool done;

		link_open(&l, f, OTHER, TOWNSHIP);
		l.step = 10007;
		l.child.budget = 61 + whole / 5 * (1 + cuts % 3);
		drive(&l);
		sent += status(&l.child).sent;
		done = status(&l.child).complete;
		link_close(&l);
		if (done)
			break;
		assert_true(cuts < 20);
	}
	assert_true(cuts >= 2);
	expect_same_log(f, OTHER, TOWNSHIP, origin);
	assert_true(sent <= whole + cuts * (SESSION_WINDOW + 1024));
}

static void a_cut_inside_the_first_bytes_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	static const uint64_t budgets[] = {0, 1, 7, 8, 200, 700, 2000, 20000};
	struct log_info log;

	fixture_put(f, VILLAGE, 300);
	for (size_t i = 0; i < ARRAY_LEN(budgets); i++) {
		struct link l;

		link_open(&l, f, VILLAGE, TOWNSHIP);
		l.child.budget = budgets[i];
		drive(&l);
		assert_int_equal(l.parent.rc, ERR_OK);
		link_close(&l);
	}
	if (store_log_find(f->node[TOWNSHIP]->store, f->node[VILLAGE]->origin,
		    &log, NULL) == ERR_OK)
		assert_true(log.checkpoint_size == 0);
	sync_once(f, VILLAGE, TOWNSHIP);
	expect_same_log(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
}

/* The parent stores, and its acknowledgement is lost. */
static void lost_acknowledgements_cost_nothing_twice(void **state)
{
	struct fixture *f = *state;
	struct link l;

	/* What is given today is on record from here on. */
	fixture_put(f, VILLAGE, 20);
	sync_once(f, VILLAGE, TOWNSHIP);
	fixture_put(f, VILLAGE, 700);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	l.parent.budget = 300; /* its hello, and a piece of an answer */
	drive(&l);
	assert_true(status(&l.child).backlog > 0);
	link_close(&l);
	expect_same_log(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(status(&l.child).packages_out, 0);
	assert_int_equal(fixture_log(f, VILLAGE).cosigned_size,
		fixture_log(f, VILLAGE).size);
	link_close(&l);
}

/* ---- down ---- */

static void an_alert_comes_down_while_the_backlog_moves(void **state)
{
	struct fixture *f = *state;
	struct session_status st;
	struct receipt r;
	struct found found;
	struct link l;
	size_t turns = 0;
	struct err err;

	fixture_put(f, VILLAGE, 1000);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	l.step = 8 << 10;
	while (status(&l.parent).packages_in == 0)
		assert_true(turn(&l) && ++turns < 1000);
	/* Captured between two turns, by the writer that runs. */
	writer_stop(l.parent.writer);
	fixture_capture(f, TOWNSHIP, fixture_document_of("alert", TOWNSHIP),
		NULL, NULL, &r);
	fixture_ok(writer_start(f->node[TOWNSHIP]->store, node_sign,
			   f->node[TOWNSHIP], &l.parent.writer, &err),
		&err);
	session_wake(l.parent.s);
	for (turns = 0; status(&l.child).proved_in == 0; turns++)
		assert_true(turn(&l) && turns < 4);
	st = status(&l.child);
	assert_true(st.backlog > 0);
	fixture_ok(store_find_digest(
			   f->node[VILLAGE]->store, &r.leaf, &found, &err),
		&err);
	drive(&l);
	expect_complete(&l);
	link_close(&l);
}

static void many_alerts_come_down_once_each(void **state)
{
	struct fixture *f = *state;
	struct receipt r;
	struct link l;

	for (int i = 0; i < 40; i++)
		fixture_capture(f, COUNTY, fixture_document_of("alert", COUNTY),
			NULL, NULL, &r);
	sync_once(f, TOWNSHIP, COUNTY);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(status(&l.child).proved_in, 40);
	link_close(&l);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	assert_int_equal(status(&l.parent).proved_out, 0);
	link_close(&l);
}

/* ---- rules ---- */

/* One more head, as officers make it: a commit, published and signed. */
static void newer_rules(struct fixture *f)
{
	struct governance *g = NULL;
	struct statement s;
	char command[512];
	struct err err;

	snprintf(command, sizeof(command),
		"cd '%s' && rm -rf edit && git clone -q governance edit && "
		"cd edit && printf '# again\\n' >> calendar.yaml && "
		"git -c user.name=officer1 -c user.email=officer1@localhost "
		"commit -q -a -m again && git push -q origin HEAD:main",
		f->dir);
	assert_int_equal(system(command), 0);
	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_publish(g, &s, &err), &err);
	governance_close(g);
	fixture_sign(f);
}

static void adopt_at(struct fixture *f, enum fixture_place p)
{
	struct node *n = f->node[p];
	struct governance *g = NULL;
	struct buf bytes = BUF_EMPTY;
	uint64_t newest, adopted;
	struct err err;

	fixture_ok(governance_open(f->repository, &g, &err), &err);
	fixture_ok(governance_export(g, rules_serial(n->rules), &bytes, &err),
		&err);
	fixture_ok(governance_import(n->governance, bytes.data, bytes.len,
			   &f->pin, &newest, &err),
		&err);
	fixture_ok(node_adopt(n, NULL, &adopted, &err), &err);
	governance_close(g);
	buf_free(&bytes);
}

static void newer_rules_come_first_and_alone(void **state)
{
	struct fixture *f = *state;
	uint64_t before = rules_serial(f->node[VILLAGE]->rules);
	struct link l;

	fixture_put(f, VILLAGE, 20);
	newer_rules(f);
	adopt_at(f, TOWNSHIP);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	assert_int_equal(status(&l.child).state, SESSION_RESTART);
	assert_int_equal(status(&l.parent).state, SESSION_RESTART);
	assert_int_equal(status(&l.child).packages_out, 0);
	link_close(&l);
	assert_int_equal(rules_serial(f->node[VILLAGE]->rules), before + 1);
	sync_once(f, VILLAGE, TOWNSHIP);
	expect_same_log(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
}

static void rules_that_change_while_open_are_sent_at_once(void **state)
{
	struct fixture *f = *state;
	struct link l;

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	newer_rules(f);
	writer_stop(l.parent.writer);
	adopt_at(f, TOWNSHIP);
	l.parent.writer = NULL;
	session_wake(l.parent.s);
	drive(&l);
	assert_int_equal(status(&l.child).state, SESSION_RESTART);
	assert_int_equal(rules_serial(f->node[VILLAGE]->rules),
		rules_serial(f->node[TOWNSHIP]->rules));
	link_close(&l);
}

static void an_unknown_key_gets_rules_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct link l;

	fixture_put(f, VILLAGE, 20);
	newer_rules(f);
	adopt_at(f, TOWNSHIP);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	end_close(&l.parent);
	end_open(&l.parent, f->node[TOWNSHIP], SESSION_PARENT, "");
	drive(&l);
	assert_int_equal(status(&l.child).state, SESSION_RESTART);
	link_close(&l);

	link_open(&l, f, VILLAGE, TOWNSHIP);
	end_close(&l.parent);
	end_open(&l.parent, f->node[TOWNSHIP], SESSION_PARENT, "");
	drive(&l);
	assert_int_equal(status(&l.child).state, SESSION_CLOSED);
	assert_int_equal(status(&l.parent).state, SESSION_CLOSED);
	assert_non_null(strstr(status(&l.child).waiting_for, "unknown-key"));
	assert_int_equal(status(&l.child).packages_out, 0);
	link_close(&l);
}

/* ---- what is refused ---- */

static void alter_first_package(struct link *l, struct end *from, unsigned kind,
	uint8_t *payload, size_t len)
{
	int *done = l->tap_arg;

	(void)from;
	if (kind != MESSAGE_PACKAGE || *done)
		return;
	payload[len / 2] ^= 1;
	*done = 1;
}

static void an_altered_package_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct link l;
	int done = 0;

	fixture_put(f, VILLAGE, 100);
	fixture_put(f, OTHER, 50);
	fixture_put(f, TOWNSHIP, 20);
	sync_once(f, VILLAGE, TOWNSHIP);
	sync_once(f, OTHER, TOWNSHIP);
	link_open(&l, f, TOWNSHIP, COUNTY);
	l.tap = alter_first_package;
	l.tap_arg = &done;
	drive(&l);
	assert_int_equal(done, 1);
	assert_int_equal(status(&l.child).state, SESSION_OPEN);
	assert_false(status(&l.child).complete);
	/* Our own went first and is refused; the others went on. */
	assert_non_null(strstr(
		status(&l.child).waiting_for, f->node[TOWNSHIP]->origin));
	expect_same_log(f, VILLAGE, COUNTY, f->node[VILLAGE]->origin);
	expect_same_log(f, OTHER, COUNTY, f->node[OTHER]->origin);
	assert_int_equal(log_at(f, COUNTY, f->node[TOWNSHIP]->origin).size, 0);
	link_close(&l);
	sync_once(f, TOWNSHIP, COUNTY);
	expect_same_log(f, TOWNSHIP, COUNTY, f->node[TOWNSHIP]->origin);
}

/* Records of the village that a node has, by id: each id once. */
struct census {
	struct node *node;
	size_t records, epochs;
	uint64_t entered;
};

static enum err_code count_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct census *c = arg;
	enum err_code rc = ERR_OK;

	if (memcmp(origin_code(log->origin), fixture_code(VILLAGE), CODE_LEN))
		return ERR_OK;
	for (uint64_t at = 0; rc == ERR_OK && at < log->size; at++) {
		struct run run = {0};
		struct entry e;

		rc = store_read(c->node->store, log->id, at, 1, 0, &run, err);
		if (rc == ERR_OK)
			rc = entry_parse(run.record[0].entry,
				run.record[0].entry_len, &e, err);
		c->records += rc == ERR_OK && strncmp(e.series, "sys-", 4);
		c->epochs += rc == ERR_OK && !strcmp(e.series, "sys-epoch");
		run_free(&run);
	}
	return rc;
}

static struct census count_village(struct fixture *f, enum fixture_place p)
{
	struct census c = {.node = f->node[p]};
	struct err err;

	fixture_ok(
		store_log_each(f->node[p]->store, count_log, &c, &err), &err);
	return c;
}

/* The village's disk comes back from an old copy and goes on from there. */
static void a_fork_is_refused_and_a_new_epoch_goes_on(void **state)
{
	struct fixture *f = *state;
	char data[128], old[128], command[512], before[ORIGIN_SIZE];
	struct epoch_story story;
	struct census there;
	struct settled s;
	struct link l;
	struct err err;

	snprintf(data, sizeof(data), "%s", f->node[VILLAGE]->data);
	snprintf(old, sizeof(old), "%s/old", f->dir);
	fixture_put(f, VILLAGE, 20);
	node_close(f->node[VILLAGE]);
	fixture_clone(data, old);
	fixture_ok(node_open(data, STORE_WRITE, &f->node[VILLAGE], &err), &err);
	fixture_put(f, VILLAGE, 30);
	sync_once(f, VILLAGE, TOWNSHIP);

	node_close(f->node[VILLAGE]);
	snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s' '%s'", data,
		old, data);
	assert_int_equal(system(command), 0);
	fixture_ok(node_open(data, STORE_WRITE, &f->node[VILLAGE], &err), &err);
	assert_false(f->node[VILLAGE]->copied);
	node_origin(f->node[VILLAGE], before);
	fixture_put(f, VILLAGE, 50);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	/* There may be orders among what only the township has. */
	assert_int_equal(status(&l.child).state, SESSION_RESTART);
	link_close(&l);
	sync_once(f, VILLAGE, TOWNSHIP);
	assert_string_not_equal(f->node[VILLAGE]->origin, before);
	fixture_ok(epoch_tell(f->node[VILLAGE], &story, &err), &err);
	assert_true(story.any && story.settled);
	assert_int_equal(story.reason, EPOCH_FORKED);
	assert_string_equal(story.origin, before);
	assert_int_equal(story.entered, 50);
	assert_true(epoch_settled(f->node[VILLAGE], before, &s));
	/* 20 of the copy, 30 that only the township has, 50 of here. */
	there = count_village(f, TOWNSHIP);
	assert_int_equal(there.records, 100);
	assert_int_equal(there.epochs, 2);
	sync_once(f, VILLAGE, TOWNSHIP);
	assert_int_equal(count_village(f, TOWNSHIP).records, 100);
	snprintf(command, sizeof(command),
		"test $(cat '%s'/forks/*.txt | grep -c ^cundang.example/) = 2",
		f->node[TOWNSHIP]->data);
	assert_int_equal(system(command), 0);
}

static void absurd_bytes_end_the_session_with_a_reason(void **state)
{
	struct fixture *f = *state;
	static const uint8_t frame[] = {1, 4, 1, 1, 0xff, 0xff, 0xff, 0xff};
	struct link l;
	struct err err;

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(
		session_receive(l.parent.s, frame, sizeof(frame), &err),
		ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "4294967295"));
	assert_true(session_over(l.parent.s));
	assert_false(session_wants_input(l.parent.s));
	drive(&l);
	assert_int_equal(status(&l.child).state, SESSION_CLOSED);
	assert_non_null(strstr(status(&l.child).waiting_for, "protocol"));
	link_close(&l);
}

/* As when an ended session's package is stored after this one's HELLO: a part
 * of the next package is there already. */
static void what_came_beside_the_session_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct log_info log;
	struct link l;
	struct ask *a;
	bool beside = false;

	fixture_put(f, VILLAGE, 20);
	log = fixture_log(f, VILLAGE);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	for (int i = 0; i < 50 && !beside; i++) {
		run_asks(&l.child);
		carry(&l, &l.child, &l.parent);
		while ((a = session_next_ask(l.parent.s))) {
			if (a->kind == ASK_TAKE_PACKAGE) {
				a->rc = err_set(&a->err, ERR_BUSY, "beside");
				a->size = log.size - 1;
				a->next = log.size;
				beside = true;
			} else {
				ask_run(a, l.parent.node, l.parent.writer);
			}
			fixture_ok(session_answer(l.parent.s, a, &l.parent.err),
				&l.parent.err);
		}
		carry(&l, &l.parent, &l.child);
	}
	assert_true(beside);
	drive(&l);
	assert_int_equal(status(&l.parent).state, SESSION_RESTART);
	assert_int_equal(status(&l.child).state, SESSION_RESTART);
	link_close(&l);
	sync_once(f, VILLAGE, TOWNSHIP);
	expect_same_log(f, VILLAGE, TOWNSHIP, log.origin);
}

static void pings_are_answered_while_the_peer_listens(void **state)
{
	struct fixture *f = *state;
	struct buf ping = BUF_EMPTY;
	enum err_code rc = ERR_OK;
	struct link l;
	struct err err;
	int sent = 0;

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	session_ping(l.child.s);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(status(&l.child).received, status(&l.parent).sent);
	frame_write(MESSAGE_PING, LANE_URGENT, true, NULL, 0, &ping);
	while (rc == ERR_OK && sent++ < 10000)
		rc = session_receive(l.parent.s, ping.data, ping.len, &err);
	assert_int_equal(rc, ERR_PROTOCOL);
	assert_true(sent < 5000);
	buf_free(&ping);
	link_close(&l);
}

/* A child asks at once, and where its parent did not know yet it does not wait
 * for its next PING. */
static void what_the_parent_learns_of_orders_later_is_told(void **state)
{
	struct fixture *f = *state;
	struct node *above = f->node[TOWNSHIP];
	struct rules *rules = node_rules(above);
	struct digest down;
	struct link l;
	struct err err;
	bool news;

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	assert_int_equal(orders_now(f->node[VILLAGE]), 0);
	fixture_ok(orders_down_digest(
			   above, rules, fixture_code(TOWNSHIP), &down, &err),
		&err);
	fixture_ok(orders_fresh(above, &down, 0, &news, &err), &err);
	assert_false(news);
	fixture_ok(orders_fresh(above, &down, 1800000000, &news, &err), &err);
	assert_true(news);
	drive(&l);
	assert_int_equal(orders_now(f->node[VILLAGE]), 0);
	session_wake(l.parent.s);
	drive(&l);
	assert_int_equal(orders_now(f->node[VILLAGE]), 1800000000);
	link_close(&l);
	rules_unref(rules);
}

static void a_full_disk_is_told_and_ends_the_session(void **state)
{
	struct fixture *f = *state;
	struct link l;
	struct ask *a;
	bool full = false;

	fixture_put(f, VILLAGE, 20);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	for (int i = 0; i < 50 && !full; i++) {
		run_asks(&l.child);
		carry(&l, &l.child, &l.parent);
		while ((a = session_next_ask(l.parent.s))) {
			if (a->kind == ASK_TAKE_PACKAGE) {
				a->rc = err_set(&a->err, ERR_FULL, "no space");
				full = true;
			} else {
				ask_run(a, l.parent.node, l.parent.writer);
			}
			fixture_ok(session_answer(l.parent.s, a, &l.parent.err),
				&l.parent.err);
		}
		carry(&l, &l.parent, &l.child);
	}
	assert_true(full);
	assert_int_equal(status(&l.child).state, SESSION_BUSY);
	assert_true(status(&l.child).retry_s > 0);
	assert_int_equal(status(&l.parent).state, SESSION_CLOSED);
	link_close(&l);
	sync_once(f, VILLAGE, TOWNSHIP);
}

/* One turn in which the child has no room to put anything on record. */
static unsigned turn_without_room(struct link *l)
{
	unsigned refused = 0;
	struct ask *a;

	while ((a = session_next_ask(l->child.s))) {
		if (a->kind == ASK_GIVE_PACKAGE) {
			a->rc = err_set(&a->err, ERR_FULL, "no space");
			refused++;
		} else {
			ask_run(a, l->child.node, l->child.writer);
		}
		fixture_ok(answer(&l->child, a), &l->child.err);
	}
	carry(l, &l->child, &l->parent);
	run_asks(&l->parent);
	carry(l, &l->parent, &l->child);
	return refused;
}

static void what_finds_no_room_on_record_waits_and_holds_up_nothing_else(
	void **state)
{
	struct fixture *f = *state;
	unsigned refused = 0;
	struct receipt r;
	struct link l;

	fixture_put(f, VILLAGE, 20);
	fixture_capture(f, TOWNSHIP, fixture_document_of("alert", TOWNSHIP),
		NULL, NULL, &r);
	link_open(&l, f, VILLAGE, TOWNSHIP);
	for (int i = 0; i < 50; i++)
		refused += turn_without_room(&l);
	/* Not again and again: once, and when something came. */
	assert_true(refused > 0 && refused < 5);
	assert_int_equal(status(&l.child).state, SESSION_OPEN);
	assert_false(status(&l.child).complete);
	assert_non_null(strstr(status(&l.child).waiting_for, "room"));
	assert_int_equal(status(&l.child).packages_out, 0);
	assert_int_equal(status(&l.child).proved_in, 1);
	session_retry(l.child.s);
	drive(&l);
	expect_complete(&l);
	expect_same_log(f, VILLAGE, TOWNSHIP, f->node[VILLAGE]->origin);
	link_close(&l);
}

/* ---- attachments ---- */

#define FILE_SIZE ((size_t)700 << 10)

static enum err_code find_file(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	(void)plain;
	*path = strdup(arg);
	return *path ? ERR_OK : err_nomem(err);
}

static struct receipt put_with_attachment(
	struct fixture *f, enum fixture_place p, const char *series)
{
	struct json *doc = fixture_document_of(series, p);
	struct json *list = json_new_array(), *one = json_new_object();
	uint8_t *bytes = malloc(FILE_SIZE);
	char hex[DIGEST_HEX_SIZE], path[96];
	struct digest plain;
	struct receipt r;
	struct err err;

	assert_non_null(bytes);
	for (size_t i = 0; i < FILE_SIZE; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	plain = digest_of(bytes, FILE_SIZE);
	digest_hex(&plain, hex);
	snprintf(path, sizeof(path), "%s/file", f->dir);
	fixture_ok(file_replace(path, bytes, FILE_SIZE, 0600, &err), &err);
	free(bytes);
	assert_true(json_set(one, "sha256", json_new_string(hex, 64)) &&
		json_set(one, "name", json_new_string("a.pdf", 5)) &&
		json_set(one, "media_type",
			json_new_string("application/pdf", 15)) &&
		json_set(one, "size", json_new_u64(FILE_SIZE)) &&
		json_append(list, one) && json_set(doc, "attachments", list));
	fixture_capture(f, p, doc, find_file, path, &r);
	return r;
}

static void attachments_resume_after_a_cut(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes = 0;
	unsigned cuts = 0;
	bool done = false;

	put_with_attachment(f, VILLAGE, "alert");
	for (; !done; cuts++) {
		struct link l;

		link_open(&l, f, VILLAGE, TOWNSHIP);
		l.step = 5003;
		l.child.budget = 250000;
		drive(&l);
		bytes += status(&l.parent).attachment_bytes_in;
		done = status(&l.parent).complete &&
			store_wanted_count(f->node[TOWNSHIP]->store) == 0;
		link_close(&l);
		assert_true(cuts < 20);
	}
	assert_true(cuts >= 3);
	assert_int_equal(bytes, FILE_SIZE);
}

static void an_attachment_that_comes_late_is_passed_on(void **state)
{
	struct fixture *f = *state;
	struct link upper, lower;

	put_with_attachment(f, VILLAGE, "alert");
	link_open(&lower, f, VILLAGE, TOWNSHIP);
	lower.child.budget = 100000; /* the log and a bit of the file */
	drive(&lower);
	assert_int_equal(store_wanted_count(f->node[TOWNSHIP]->store), 1);
	link_close(&lower);

	link_open(&upper, f, TOWNSHIP, COUNTY);
	drive(&upper);
	assert_int_equal(status(&upper.parent).wanted, 1);
	assert_false(status(&upper.parent).complete);
	writer_stop(upper.child.writer);
	sync_once(f, VILLAGE, TOWNSHIP);
	upper.child.writer = NULL;
	session_wake(upper.child.s);
	drive(&upper);
	assert_int_equal(status(&upper.parent).wanted, 0);
	assert_int_equal(store_wanted_count(f->node[COUNTY]->store), 0);
	link_close(&upper);
}

static void attachments_of_alerts_come_down(void **state)
{
	struct fixture *f = *state;
	struct link l;

	put_with_attachment(f, TOWNSHIP, "alert");
	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(status(&l.child).attachment_bytes_in, FILE_SIZE);
	assert_int_equal(store_wanted_count(f->node[VILLAGE]->store), 0);
	link_close(&l);
}

static void a_range_above_the_clearance_is_denied(void **state)
{
	struct fixture *f = *state;
	struct rules *rules = node_rules(f->node[VILLAGE]);
	struct attachment_ref ref = {0};
	struct run run = {0};
	struct link l;
	struct ask *a;
	struct receipt r;
	struct log_info log;
	size_t count = 0;
	struct attachment_ref *refs = NULL;
	struct err err;

	r = put_with_attachment(f, VILLAGE, "household");
	log = fixture_log(f, VILLAGE);
	fixture_ok(store_read(f->node[VILLAGE]->store, log.id, r.seq, 1,
			   LABEL_ALL, &run, &err),
		&err);
	fixture_ok(view_attachments(rules, &run.record[0], &refs, &count, &err),
		&err);
	assert_int_equal(count, 1);
	ref = refs[0];
	free(refs);
	run_free(&run);
	rules_unref(rules);

	link_open(&l, f, VILLAGE, TOWNSHIP);
	drive(&l);
	expect_complete(&l);
	assert_int_equal(status(&l.parent).attachment_bytes_in, 0);
	a = ask_new(ASK_GIVE_RANGE);
	assert_non_null(a);
	a->object = ref.object;
	a->role = SESSION_CHILD;
	a->size = 100;
	snprintf(a->peer, sizeof(a->peer), "%s", fixture_code(COUNTY));
	ask_run(a, f->node[VILLAGE], l.child.writer);
	assert_int_equal(a->rc, ERR_DENIED);
	ask_free(a);
	link_close(&l);
}

/* ---- all at once ---- */

static void any_order_of_asks_ends_complete(void **state)
{
	struct fixture *f = *state;
	const char *village = f->node[VILLAGE]->origin;
	unsigned ran = 0;

	for (uint32_t seed = 1; seed <= 6; seed++, ran++) {
		struct link l;
		struct err err;

		fixture_put(f, VILLAGE, 300);
		put_with_attachment(f, VILLAGE, "alert");
		put_with_attachment(f, TOWNSHIP, "alert");
		link_open(&l, f, VILLAGE, TOWNSHIP);
		l.seed = seed * 7919;
		l.step = 20000;
		for (int i = 0; i < 40; i++)
			turn(&l);
		/* More comes in the middle of it. */
		writer_stop(l.child.writer);
		fixture_put(f, VILLAGE, 20);
		fixture_ok(writer_start(f->node[VILLAGE]->store, node_sign,
				   f->node[VILLAGE], &l.child.writer, &err),
			&err);
		session_wake(l.child.s);
		drive(&l);
		if (!status(&l.child).complete || !status(&l.parent).complete)
			fail_msg("seed %u: \"%s\" and \"%s\"", seed,
				status(&l.child).waiting_for,
				status(&l.parent).waiting_for);
		link_close(&l);
		expect_same_log(f, VILLAGE, TOWNSHIP, village);
		assert_int_equal(fixture_log(f, VILLAGE).cosigned_size,
			fixture_log(f, VILLAGE).size);
	}
	assert_int_equal(ran, 6);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_goes_up_whole_and_is_cosigned),
		TEST(nothing_new_costs_a_kilobyte_and_one_round_trip),
		TEST(a_middle_node_relays_logs_up_and_cosignatures_down),
		TEST(a_cut_costs_at_most_a_window),
		TEST(a_cut_inside_the_first_bytes_leaves_nothing),
		TEST(lost_acknowledgements_cost_nothing_twice),
		TEST(an_alert_comes_down_while_the_backlog_moves),
		TEST(many_alerts_come_down_once_each),
		TEST(newer_rules_come_first_and_alone),
		TEST(rules_that_change_while_open_are_sent_at_once),
		TEST(an_unknown_key_gets_rules_and_nothing_else),
		TEST(an_altered_package_is_refused_by_name),
		TEST(a_fork_is_refused_and_a_new_epoch_goes_on),
		TEST(absurd_bytes_end_the_session_with_a_reason),
		TEST(what_came_beside_the_session_is_not_waited_for),
		TEST(pings_are_answered_while_the_peer_listens),
		TEST(what_the_parent_learns_of_orders_later_is_told),
		TEST(a_full_disk_is_told_and_ends_the_session),
		TEST(what_finds_no_room_on_record_waits_and_holds_up_nothing_else),
		TEST(attachments_resume_after_a_cut),
		TEST(an_attachment_that_comes_late_is_passed_on),
		TEST(attachments_of_alerts_come_down),
		TEST(a_range_above_the_clearance_is_denied),
		TEST(any_order_of_asks_ends_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
