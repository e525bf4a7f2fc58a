/* session.c - one sync session: its states, its words, its bytes. */
#include "syncd/session_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what may come when ---- */

#define IN(state) (1u << (state))
#define LIVE (IN(SESSION_HELLO) | IN(SESSION_GOVERNANCE) | IN(SESSION_OPEN))
#define TO_CHILD (1u << SESSION_CHILD)
#define TO_PARENT (1u << SESSION_PARENT)
#define TO_BOTH (TO_CHILD | TO_PARENT)

/* Takes `body` by emptying it, or leaves it. */
typedef enum err_code handler(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err);
static handler on_control, on_bye, on_data;

/* protocol section 5: what is not a row is ERR_PROTOCOL. */
static const struct rule {
	unsigned states, roles;
	enum message_kind kind;
	handler *handle;
} rules[] = {
	{IN(SESSION_HELLO), TO_BOTH, MESSAGE_HELLO, session_on_hello},
	{IN(SESSION_GOVERNANCE) | IN(SESSION_OPEN), TO_BOTH, MESSAGE_GOVERNANCE,
		session_on_governance},
	{IN(SESSION_OPEN), TO_PARENT, MESSAGE_CHECKPOINT, take_on_log},
	{IN(SESSION_OPEN), TO_CHILD, MESSAGE_CHECKPOINT, settle_on_checkpoint},
	{IN(SESSION_OPEN), TO_PARENT, MESSAGE_PROVE, on_control},
	{IN(SESSION_OPEN), TO_PARENT, MESSAGE_PACKAGE, take_on_log},
	{IN(SESSION_OPEN), TO_CHILD, MESSAGE_PROVED, take_on_log},
	{IN(SESSION_OPEN), TO_CHILD, MESSAGE_COSIGNED, take_on_log},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_ACK, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_WANT, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_DATA, on_data},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_NONE, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_HAVE, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_REFUSED, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_AGAIN, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_ENTRIES, mend_on_entries},
	{LIVE, TO_BOTH, MESSAGE_BUSY, on_control},
	{LIVE, TO_BOTH, MESSAGE_BYE, on_bye},
	{LIVE, TO_BOTH, MESSAGE_PING, session_on_ping},
	{LIVE, TO_BOTH, MESSAGE_PONG, session_on_pong},
};

static const struct rule *find_rule(const struct session *s, unsigned kind)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].kind == kind && rules[i].states & IN(s->state) &&
			rules[i].roles & (1u << s->opt.role))
			return &rules[i];
	}
	return NULL;
}

void session_set_state(struct session *s, enum session_state state)
{
	s->state = state;
	s->reader.allowed = 0;
	for (unsigned kind = 1; kind < MESSAGE_KINDS; kind++) {
		if (find_rule(s, kind))
			s->reader.allowed |= MESSAGE_BIT(kind);
	}
	/* protocol 3.1: "There is one HELLO each way." */
	if (s->have_theirs)
		s->reader.allowed &= ~MESSAGE_BIT(MESSAGE_HELLO);
}

/* ---- making and ending ---- */

static void queue_init(struct lane_queue *q)
{
	*q = (struct lane_queue){0};
	q->end = &q->first;
}

static void queue_clear(struct lane_queue *q)
{
	struct outgoing *m;

	while ((m = q->first)) {
		q->first = m->later;
		buf_free(&m->body);
		free(m);
	}
	queue_init(q);
}

static void drop_asks(struct session *s)
{
	struct ask *a;

	while ((a = s->asks)) {
		s->asks = a->later;
		ask_free(a);
	}
	s->asks_end = &s->asks;
}

enum err_code session_new(const struct session_options *opt,
	struct session **out, struct err *err)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->opt = *opt;
	if (s->opt.frame_limit <= FRAME_HEADER_SIZE ||
		s->opt.frame_limit > FRAME_SIZE_LIMIT)
		s->opt.frame_limit = FRAME_SIZE_LIMIT;
	for (size_t i = 0; i < LANE_COUNT; i++)
		queue_init(&s->out[i]);
	s->asks_end = &s->asks;
	s->inbox_end = &s->inbox;
	frame_reader_init(&s->reader);
	if (!s->opt.peer[0])
		s->reader.hello_limit = HELLO_STRANGER_LIMIT;
	session_set_state(s, SESSION_HELLO);
	if (opt->role == SESSION_CHILD && !session_ask(s, ASK_HELLO)) {
		session_free(s);
		return err_nomem(err);
	}
	*out = s;
	return ERR_OK;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	take_close(s);
	drop_asks(s);
	for (size_t i = 0; i < LANE_COUNT; i++)
		queue_clear(&s->out[i]);
	frame_reader_fini(&s->reader);
	hello_fini(&s->ours);
	hello_fini(&s->theirs);
	rows_free(&s->cursors);
	rows_free(&s->refused_down);
	rows_free(&s->closed);
	digests_free(&s->sought);
	free(s->rows);
	free(s);
}

bool session_over(const struct session *s)
{
	return !(LIVE & IN(s->state));
}

/* What is begun or queued in lanes 1 and 2 is of no more use to the peer; what
 * lane 0 holds (acknowledgements) still is. */
static void close_down(struct session *s, enum session_state state)
{
	queue_clear(&s->out[LANE_RECORDS]);
	queue_clear(&s->out[LANE_ATTACHMENTS]);
	drop_asks(s);
	take_close(s);
	session_set_state(s, state);
}

static void say_end(struct session *s, const char *why, const char *text)
{
	if (!s->end_text[0])
		snprintf(s->end_text, sizeof(s->end_text), "%s%s%s", why,
			text[0] ? ": " : "", text);
}

void session_end(struct session *s, enum session_state state, const char *why,
	const char *text)
{
	struct control c = {.members = MEMBER_TEXT | MEMBER_WHY};

	if (session_over(s))
		return;
	snprintf(c.why, sizeof(c.why), "%s", why);
	snprintf(c.text, sizeof(c.text), "%s", text);
	say_end(s, why, text);
	close_down(s, state);
	/* Without memory for it the peer sees the connection close. */
	(void)session_say(s, MESSAGE_BYE, &c, NULL);
}

void session_full(struct session *s)
{
	struct control c = {.members = MEMBER_RETRY | MEMBER_WHY,
		.retry_s = BUSY_RETRY_S,
		.why = "full"};

	if (session_over(s))
		return;
	say_end(s, "full", "no space left here");
	close_down(s, SESSION_CLOSED);
	(void)session_say(s, MESSAGE_BUSY, &c, NULL);
}

/* ---- bytes out ---- */

enum err_code session_send(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	const struct message_spec *spec = message_spec(kind);
	struct lane_queue *q = &s->out[spec->lane];
	struct outgoing *m = NULL;
	enum err_code rc;

	if ((rc = buf_ok(body, err)))
		goto out;
	if (body->len > spec->limit) {
		rc = err_set(err, ERR_LIMIT, "%s of %zu bytes, limit %zu",
			spec->name, body->len, spec->limit);
		goto out;
	}
	if (q->count >= OUT_LIMIT) {
		rc = err_set(err, ERR_PROTOCOL,
			"the peer asks and does not take %d answers",
			OUT_LIMIT);
		goto out;
	}
	if (!(m = calloc(1, sizeof(*m)))) {
		rc = err_nomem(err);
		goto out;
	}
	m->kind = kind;
	m->body = *body;
	*body = BUF_EMPTY;
	*q->end = m;
	q->end = &m->later;
	q->count++;
out:
	buf_free(body);
	return rc;
}

enum err_code session_say(struct session *s, enum message_kind kind,
	const struct control *c, struct err *err)
{
	struct buf body = BUF_EMPTY;
	enum err_code rc = control_write(kind, c, &body, err);

	if (rc == ERR_OK)
		return session_send(s, kind, &body, err);
	buf_free(&body);
	return rc;
}

static void pop_message(struct lane_queue *q)
{
	struct outgoing *m = q->first;

	q->first = m->later;
	if (!q->first)
		q->end = &q->first;
	q->count--;
	buf_free(&m->body);
	free(m);
}

#define FRAME_FLOOR ((size_t)1024) /* frames are not cut smaller for room */

static void put_frame(
	struct session *s, enum lane lane, size_t room, struct buf *out)
{
	struct outgoing *m = s->out[lane].first;
	size_t len = m->body.len - m->at;
	size_t most = s->opt.frame_limit - FRAME_HEADER_SIZE;

	if (room < most)
		most = room > FRAME_FLOOR ? room : FRAME_FLOOR;
	if (most > s->opt.frame_limit - FRAME_HEADER_SIZE)
		most = s->opt.frame_limit - FRAME_HEADER_SIZE;
	if (len > most)
		len = most;
	frame_write(m->kind, lane, m->at + len == m->body.len,
		len ? m->body.data + m->at : NULL, len, out);
	m->at += len;
	s->status.sent += FRAME_HEADER_SIZE + len;
	if (m->at == m->body.len)
		pop_message(&s->out[lane]);
}

enum err_code session_output(
	struct session *s, size_t room, struct buf *out, struct err *err)
{
	size_t start = out->len;

	while (out->len - start < room && !out->failed) {
		unsigned lane = 0;

		while (lane < LANE_COUNT && !s->out[lane].first)
			lane++;
		if (lane == LANE_COUNT)
			break;
		put_frame(s, (enum lane)lane, room - (out->len - start), out);
	}
	return buf_ok(out, err);
}

void session_ping(struct session *s)
{
	struct buf empty = BUF_EMPTY;

	/* protocol 3.3: "one at a time" */
	if (session_over(s) || s->out[LANE_URGENT].first || s->pinged)
		return;
	if (session_send(s, MESSAGE_PING, &empty, NULL) == ERR_OK)
		s->pinged = s->opt.role == SESSION_CHILD;
}

/* ---- bytes in ---- */

static enum err_code handle(
	struct session *s, unsigned kind, struct buf *body, struct err *err)
{
	const struct rule *rule = find_rule(s, kind);

	if (!rule)
		return err_set(err, ERR_PROTOCOL,
			"%s is not allowed in this state",
			message_spec(kind)->name);
	return rule->handle(s, (enum message_kind)kind, body, err);
}

static enum err_code receive(
	struct session *s, const void *data, size_t len, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && c.left && !session_over(s)) {
		struct buf body = BUF_EMPTY;
		unsigned kind;

		rc = frame_read(&s->reader, &c, &kind, &body, err);
		if (rc == ERR_OK && kind)
			rc = handle(s, kind, &body, err);
		buf_free(&body);
	}
	return rc;
}

/* An error is told to the peer, and the end of the session. */
static enum err_code failed(
	struct session *s, enum err_code rc, const struct err *err)
{
	if (rc == ERR_OK)
		return rc;
	if (rc == ERR_PROTOCOL)
		session_end(s, SESSION_CLOSED, "protocol", err->text);
	else if (rc == ERR_FORK)
		session_end(s, SESSION_CLOSED, "fork", err->text);
	else
		session_end(s, SESSION_CLOSED, "internal", "");
	return rc;
}

enum err_code session_receive(
	struct session *s, const void *data, size_t len, struct err *err)
{
	struct err own;
	enum err_code rc;

	s->status.received += len;
	if (session_over(s))
		return ERR_OK;
	rc = receive(s, data, len, &own);
	if (rc && err)
		*err = own;
	return failed(s, rc, &own);
}

bool session_wants_input(const struct session *s)
{
	return !session_over(s) && s->inbox_count < INBOX_LIMIT &&
		s->inbox_bytes < INBOX_BYTES_LIMIT;
}

/* ---- asks ---- */

struct ask *session_ask(struct session *s, enum ask_kind kind)
{
	struct ask *a = ask_new(kind);

	if (!a)
		return NULL;
	a->role = s->opt.role;
	memcpy(a->peer, s->opt.peer, CODE_SIZE);
	*s->asks_end = a;
	s->asks_end = &a->later;
	return a;
}

static void look(struct session *s)
{
	struct ask *a;

	if (!s->dirty || s->looking || !(a = session_ask(s, ASK_LOOK)))
		return;
	/* Copies may fail: then an object is looked for later. */
	for (size_t i = 0; i < s->lacking.count; i++)
		(void)digests_add(&a->skip, &s->lacking.d[i], NULL);
	for (size_t i = 0; i < RANGES_LIMIT; i++) {
		if (s->wants[i].used)
			(void)digests_add(
				&a->skip, &s->wants[i].ref.object, NULL);
	}
	for (size_t i = 0; i < s->sought.count; i++)
		(void)digests_add(&a->absent, &s->sought.d[i], NULL);
	a->room = s->mending ? 0 : 1;
	s->dirty = false;
	s->looking = true;
}

struct ask *session_next_ask(struct session *s)
{
	struct ask *a;

	if (s->state == SESSION_OPEN) {
		look(s);
		take_pump(s);
		give_pump(s);
		settle_pump(s);
	}
	if (!s->asks || s->asks_out >= SESSION_ASKS_LIMIT)
		return NULL;
	a = s->asks;
	s->asks = a->later;
	if (!s->asks)
		s->asks_end = &s->asks;
	a->later = NULL;
	s->asks_out++;
	return a;
}

void session_wake(struct session *s)
{
	s->dirty = true;
	s->down_due = true;
	s->no_room = false;
}

void session_retry(struct session *s)
{
	if (s->no_room)
		session_wake(s);
}

bool rc_is_ours(enum err_code rc)
{
	return rc == ERR_IO || rc == ERR_NOMEM || rc == ERR_INTERNAL ||
		rc == ERR_CORRUPT;
}

/* ---- the small messages ---- */

static enum err_code on_busy(struct session *s, const struct control *c)
{
	s->status.retry_s = (unsigned)c->retry_s;
	say_end(s, "busy", c->why);
	close_down(s, SESSION_BUSY);
	return ERR_OK;
}

static enum err_code on_control(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct control c;
	enum err_code rc = control_parse(kind, body->data, body->len, &c, err);

	if (rc)
		return rc;
	switch (kind) {
	case MESSAGE_ACK:
		return give_on_ack(s, &c, err);
	case MESSAGE_REFUSED:
		return give_on_refused(s, &c, err);
	case MESSAGE_WANT:
		return give_on_want(s, &c, err);
	case MESSAGE_NONE:
		return take_on_none(s, &c, err);
	case MESSAGE_HAVE:
		return take_on_have(s, &c, err);
	case MESSAGE_PROVE:
		return give_on_prove(s, &c, err);
	case MESSAGE_AGAIN:
		return mend_on_again(s, &c, err);
	case MESSAGE_BUSY:
		return on_busy(s, &c);
	default:
		return err_set(err, ERR_INTERNAL, "no control message");
	}
}

static enum err_code on_data(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	(void)kind;
	return take_on_data(s, body, err);
}

static enum err_code on_bye(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct control c;
	enum err_code rc = control_parse(kind, body->data, body->len, &c, err);

	if (rc)
		return rc;
	say_end(s, c.why, c.text);
	close_down(s,
		strcmp(c.why, "rules") && strcmp(c.why, "again")
			? SESSION_CLOSED
			: SESSION_RESTART);
	return ERR_OK;
}

/* ---- answers ---- */

static enum err_code look_answer(
	struct session *s, struct ask *a, struct err *err)
{
	enum err_code rc;

	s->looking = false;
	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	if (a->rc) {
		*err = a->err;
		return a->rc;
	}
	s->looked = true;
	/* protocol 5.1: "A side whose rules change sends GOVERNANCE at
	 * once." */
	if (a->serial > s->theirs.governance && !s->outdated)
		return session_give_rules(s, err);
	if (s->opt.role == SESSION_CHILD)
		session_keep_sizes(s, &a->logs);
	take_news(s, a);
	orders_news(s, a);
	if ((rc = mend_news(s, a, err)))
		return rc;
	return give_news(s, a, err);
}

static enum err_code answer(struct session *s, struct ask *a, struct err *err)
{
	switch (a->kind) {
	case ASK_HELLO:
		return session_hello_answer(s, a, err);
	case ASK_EXPORT:
		return session_export_answer(s, a, err);
	case ASK_IMPORT:
		return session_import_answer(s, a, err);
	case ASK_LOOK:
		return look_answer(s, a, err);
	case ASK_GIVE_CHECKPOINT:
	case ASK_GIVE_PACKAGE:
	case ASK_GIVE_PROVED:
	case ASK_GIVE_COSIGNED:
	case ASK_GIVE_RANGE:
		return give_answer(s, a, err);
	case ASK_TAKE_CHECKPOINT:
	case ASK_TAKE_PACKAGE:
	case ASK_TAKE_PROVED:
	case ASK_TAKE_COSIGNED:
	case ASK_RESUME:
	case ASK_TAKE_RANGE:
		return take_answer(s, a, err);
	case ASK_TAKE_PREFIX:
	case ASK_SETTLE:
		return settle_answer(s, a, err);
	case ASK_GIVE_ENTRIES:
	case ASK_MEND:
		return mend_answer(s, a, err);
	case ASK_GIVE_ORDERS:
	case ASK_TAKE_ORDERS:
		return orders_answer(s, a, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown ask %d", (int)a->kind);
}

enum err_code session_answer(struct session *s, struct ask *a, struct err *err)
{
	struct err own;
	enum err_code rc = ERR_OK;

	s->asks_out--;
	if (!session_over(s))
		rc = answer(s, a, &own);
	ask_free(a);
	if (rc && err)
		*err = own;
	return failed(s, rc, &own);
}
