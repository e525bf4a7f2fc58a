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
static handler on_hello, on_governance, on_control, on_bye, on_ping, on_pong,
	on_data;

/* protocol section 5: what is not a row is ERR_PROTOCOL. */
static const struct rule {
	unsigned states, roles;
	enum message_kind kind;
	handler *handle;
} rules[] = {
	{IN(SESSION_HELLO), TO_BOTH, MESSAGE_HELLO, on_hello},
	{IN(SESSION_GOVERNANCE) | IN(SESSION_OPEN), TO_BOTH, MESSAGE_GOVERNANCE,
		on_governance},
	{IN(SESSION_OPEN), TO_PARENT, MESSAGE_CHECKPOINT, take_on_log},
	{IN(SESSION_OPEN), TO_PARENT, MESSAGE_PACKAGE, take_on_log},
	{IN(SESSION_OPEN), TO_CHILD, MESSAGE_PROVED, take_on_log},
	{IN(SESSION_OPEN), TO_CHILD, MESSAGE_COSIGNED, take_on_log},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_ACK, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_WANT, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_DATA, on_data},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_NONE, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_HAVE, on_control},
	{IN(SESSION_OPEN), TO_BOTH, MESSAGE_REFUSED, on_control},
	{LIVE, TO_BOTH, MESSAGE_BUSY, on_control},
	{LIVE, TO_BOTH, MESSAGE_BYE, on_bye},
	{LIVE, TO_BOTH, MESSAGE_PING, on_ping},
	{LIVE, TO_BOTH, MESSAGE_PONG, on_pong},
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

static void set_state(struct session *s, enum session_state state)
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
	set_state(s, SESSION_HELLO);
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
	set_state(s, state);
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
		m->body.data + m->at, len, out);
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

	if (!session_over(s) && !s->out[LANE_URGENT].first)
		(void)session_send(s, MESSAGE_PING, &empty, NULL);
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
}

bool rc_is_ours(enum err_code rc)
{
	return rc == ERR_IO || rc == ERR_NOMEM || rc == ERR_INTERNAL ||
		rc == ERR_CORRUPT;
}

void session_problem(struct session *s, const char *thing, const char *text)
{
	if (!s->problem[0])
		snprintf(s->problem, sizeof(s->problem), "%s%s%s", thing,
			thing[0] ? ": " : "", text);
}

/* ---- rows ---- */

struct log_row *session_find_row(struct session *s, const char *origin)
{
	for (size_t i = 0; i < s->row_count; i++) {
		if (!strcmp(s->rows[i].origin, origin))
			return &s->rows[i];
	}
	return NULL;
}

size_t session_row(struct session *s, const char *origin)
{
	struct log_row *row = session_find_row(s, origin);

	if (row)
		return (size_t)(row - s->rows);
	if (s->row_count == SESSION_ROWS_LIMIT)
		return NO_ROW;
	if (s->row_count == s->row_cap) {
		size_t cap = s->row_cap ? 2 * s->row_cap : 8;
		struct log_row *more =
			reallocarray(s->rows, cap, sizeof(*more));

		if (!more)
			return NO_ROW;
		s->rows = more;
		s->row_cap = cap;
	}
	row = &s->rows[s->row_count];
	*row = (struct log_row){0};
	snprintf(row->origin, sizeof(row->origin), "%s", origin);
	return s->row_count++;
}

/* ---- hello and rules ---- */

static enum err_code give_rules(struct session *s, struct err *err)
{
	struct ask *a = session_ask(s, ASK_EXPORT);

	if (!a)
		return err_nomem(err);
	a->from = s->theirs.governance;
	s->outdated = true;
	return ERR_OK;
}

/* protocol 5.1: "While serials differ nothing else is exchanged." */
static enum err_code compare_rules(struct session *s, struct err *err)
{
	char ours[DIGEST_HEX_SIZE], theirs[DIGEST_HEX_SIZE];

	if (s->ours.governance != s->theirs.governance) {
		set_state(s, SESSION_GOVERNANCE);
		if (s->ours.governance > s->theirs.governance)
			return give_rules(s, err);
		return ERR_OK;
	}
	if (!digest_equal(&s->ours.statement, &s->theirs.statement)) {
		digest_hex(&s->ours.statement, ours);
		digest_hex(&s->theirs.statement, theirs);
		return err_set(err, ERR_FORK,
			"rules %" PRIu64 " are %s here and %s at the peer",
			s->ours.governance, ours, theirs);
	}
	return ERR_OK;
}

static enum err_code both_said_hello(struct session *s, struct err *err)
{
	const struct hello *t = &s->theirs;
	enum err_code rc;

	if (strcmp(s->ours.domain, t->domain)) {
		session_end(s, SESSION_CLOSED, "domain",
			"this node is of another domain");
		return ERR_OK;
	}
	if (s->opt.peer[0] && strcmp(s->opt.peer, t->code)) {
		session_end(
			s, SESSION_CLOSED, "code", "the key is another node's");
		return ERR_OK;
	}
	if ((rc = compare_rules(s, err)) || s->state == SESSION_GOVERNANCE)
		return rc;
	if (!s->opt.peer[0]) {
		session_end(s, SESSION_CLOSED, "unknown-key",
			"the roster has no such key");
		return ERR_OK;
	}
	if (!t->known) {
		/* The peer does not know us and will say so. */
		set_state(s, SESSION_GOVERNANCE);
		return ERR_OK;
	}
	s->matched = digest_equal(&s->ours.origins, &t->origins);
	s->dirty = s->down_due = true;
	set_state(s, SESSION_OPEN);
	give_open(s);
	return ERR_OK;
}

static enum err_code on_hello(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct ask *a;
	enum err_code rc;

	(void)kind;
	if (s->have_theirs)
		return err_set(err, ERR_PROTOCOL, "a second HELLO");
	if ((rc = hello_parse(body->data, body->len, &s->theirs, err)))
		return rc;
	s->have_theirs = true;
	if (s->have_ours)
		return both_said_hello(s, err);
	if (s->opt.role == SESSION_PARENT) {
		if (!(a = session_ask(s, ASK_HELLO)))
			return err_nomem(err);
		a->hello.known = s->theirs.known;
		a->hello.origins = s->theirs.origins;
	}
	return ERR_OK;
}

/* Parent: the notes as they were before anything of this session. */
static void keep_marks(struct session *s, const struct seen_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		const struct seen_log *log = &logs->log[i];
		const struct row *theirs = &s->theirs.cosigned;
		const char *code = origin_code(log->origin);
		size_t row = session_row(s, log->origin);

		if (row == NO_ROW)
			continue;
		s->rows[row].note = log->note;
		/* protocol 3.1: "cosigned tells which note of its own log the
		 * child has." */
		if (theirs->origin[0])
			s->rows[row].note_due =
				!strcmp(theirs->origin, log->origin) &&
				theirs->n < log->cosigned_size;
		else
			s->rows[row].note_due =
				code && !memcmp(code, s->opt.peer, CODE_LEN);
	}
}

static void keep_sizes(struct session *s, const struct seen_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		size_t row = session_row(s, logs->log[i].origin);

		if (row == NO_ROW)
			continue;
		s->rows[row].here = logs->log[i].size;
		s->rows[row].own = logs->log[i].own;
	}
}

static enum err_code hello_answer(
	struct session *s, struct ask *a, struct err *err)
{
	enum err_code rc;

	if (a->rc) {
		*err = a->err;
		return a->rc;
	}
	s->ours = a->hello;
	a->hello = (struct hello){0};
	s->have_ours = true;
	if (s->opt.role == SESSION_PARENT)
		keep_marks(s, &a->logs);
	else
		keep_sizes(s, &a->logs);
	if ((rc = session_send(s, MESSAGE_HELLO, &a->out, err)))
		return rc;
	return s->have_theirs ? both_said_hello(s, err) : ERR_OK;
}

static enum err_code on_governance(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct ask *a;

	(void)kind;
	if (s->importing)
		return err_set(err, ERR_PROTOCOL, "a second GOVERNANCE");
	if (!(a = session_ask(s, ASK_IMPORT)))
		return err_nomem(err);
	a->data = *body;
	*body = BUF_EMPTY;
	s->importing = true;
	return ERR_OK;
}

/* A restart that changed nothing would be a loop, so it is an end. */
static enum err_code import_answer(
	struct session *s, struct ask *a, struct err *err)
{
	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	if (a->rc && a->rc != ERR_EXISTS) {
		session_end(s, SESSION_CLOSED,
			rc_is_ours(a->rc) ? "internal" : err_name(a->rc),
			rc_is_ours(a->rc) ? "" : a->err.text);
		*err = a->err;
		return a->rc;
	}
	if (a->serial > s->ours.governance)
		session_end(s, SESSION_RESTART, "rules", "");
	else
		session_end(s, SESSION_CLOSED, "no-news",
			"these rules are not newer than ours");
	return ERR_OK;
}

static enum err_code export_answer(
	struct session *s, struct ask *a, struct err *err)
{
	if (a->rc) {
		*err = a->err;
		return a->rc;
	}
	return session_send(s, MESSAGE_GOVERNANCE, &a->out, err);
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
	close_down(
		s, strcmp(c.why, "rules") ? SESSION_CLOSED : SESSION_RESTART);
	return ERR_OK;
}

static enum err_code on_ping(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	(void)kind;
	return session_send(s, MESSAGE_PONG, body, err);
}

static enum err_code on_pong(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	(void)s;
	(void)kind;
	(void)body;
	(void)err;
	return ERR_OK;
}

/* ---- answers ---- */

static enum err_code look_answer(
	struct session *s, struct ask *a, struct err *err)
{
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
		return give_rules(s, err);
	if (s->opt.role == SESSION_CHILD)
		keep_sizes(s, &a->logs);
	take_news(s, a);
	return give_news(s, a, err);
}

static enum err_code answer(struct session *s, struct ask *a, struct err *err)
{
	switch (a->kind) {
	case ASK_HELLO:
		return hello_answer(s, a, err);
	case ASK_EXPORT:
		return export_answer(s, a, err);
	case ASK_IMPORT:
		return import_answer(s, a, err);
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

/* ---- status ---- */

static uint64_t backlog(const struct session *s)
{
	uint64_t sum = 0;

	if (s->opt.role == SESSION_PARENT || !s->have_theirs)
		return 0;
	for (size_t i = 0; i < s->row_count; i++) {
		if (s->rows[i].here > s->rows[i].acked)
			sum += s->rows[i].here - s->rows[i].acked;
	}
	return sum;
}

/* The first row in the way of "complete", as words; false where none is. */
static bool row_in_way(const struct session *s, char *text, size_t size)
{
	for (size_t i = 0; i < s->row_count; i++) {
		const struct log_row *row = &s->rows[i];

		if (row->refused)
			snprintf(text, size, "%s is refused", row->origin);
		else if (s->opt.role == SESSION_CHILD && row->known > row->here)
			snprintf(text, size,
				"parent has %" PRIu64
				" of %s, here are %" PRIu64,
				row->known, row->origin, row->here);
		else if (s->opt.role == SESSION_CHILD &&
			(row->acked < row->here || row->unverified))
			snprintf(text, size, "%" PRIu64 " entries of %s to go",
				row->here - row->acked, row->origin);
		else if (row->partial)
			snprintf(text, size, "entries of %s", row->origin);
		else
			continue;
		return true;
	}
	return false;
}

static bool open_and_quiet(const struct session *s)
{
	return s->state == SESSION_OPEN && s->looked && !s->dirty &&
		!s->looking && !s->outdated && take_idle(s) &&
		s->proved_count == 0 && s->flight_count == 0;
}

static void end_or_wait(const struct session *s, char *text, size_t size)
{
	uint64_t ours = s->ours.governance, theirs = s->theirs.governance;

	if (session_over(s))
		snprintf(text, size, "%s", s->end_text);
	else if (s->state == SESSION_HELLO)
		snprintf(text, size, "the peer's hello");
	else if (s->state == SESSION_GOVERNANCE || s->outdated)
		snprintf(text, size, "rules %" PRIu64,
			ours > theirs ? ours : theirs);
	else if (s->problem[0])
		snprintf(text, size, "%s", s->problem);
}

void session_status(const struct session *s, struct session_status *out)
{
	char text[sizeof(s->end_text)] = "", row[ORIGIN_SIZE + 96] = "";
	bool blocked = row_in_way(s, row, sizeof(row));

	*out = s->status;
	out->state = s->state;
	out->backlog = backlog(s);
	out->wanted = s->wanted_total;
	out->complete = open_and_quiet(s) && !blocked && !s->problem[0];
	end_or_wait(s, text, sizeof(text));
	if (!text[0] && blocked)
		memcpy(text, row, sizeof(row));
	if (!text[0] && s->wanted_total)
		snprintf(text, sizeof(text), "%" PRIu64 " attachments",
			s->wanted_total);
	/* Cut at a whole character, as errors are. */
	if (strlen(text) >= sizeof(out->waiting_for)) {
		size_t end = sizeof(out->waiting_for) - 1;

		while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
			end--;
		text[end] = '\0';
	}
	memcpy(out->waiting_for, text, strlen(text) + 1);
}
