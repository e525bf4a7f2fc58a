/* session_hello.c - how a session begins: hello both ways, and rules before
 * anything else. */
#include "syncd/session_inside.h"

#include <inttypes.h>
#include <string.h>

enum err_code session_give_rules(struct session *s, struct err *err)
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
		session_set_state(s, SESSION_GOVERNANCE);
		if (s->ours.governance > s->theirs.governance)
			return session_give_rules(s, err);
		return ERR_OK;
	}
	if (!digest_equal(&s->ours.statement, &s->theirs.statement)) {
		digest_hex(&s->ours.statement, ours);
		digest_hex(&s->theirs.statement, theirs);
		return err_set(err, ERR_FORK,
			"rival heads of the rules: number %" PRIu64
			" is %.16s here and %.16s there",
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
		session_set_state(s, SESSION_GOVERNANCE);
		return ERR_OK;
	}
	s->matched = digest_equal(&s->ours.origins, &t->origins);
	s->dirty = s->down_due = true;
	session_set_state(s, SESSION_OPEN);
	give_open(s);
	return ERR_OK;
}

enum err_code session_on_hello(struct session *s, enum message_kind kind,
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

void session_keep_sizes(struct session *s, const struct seen_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		size_t row = session_row(s, logs->log[i].origin);

		if (row == NO_ROW)
			continue;
		/* A look may be older than what was given since. */
		if (s->rows[row].here < logs->log[i].size)
			s->rows[row].here = logs->log[i].size;
		s->rows[row].own = logs->log[i].own;
	}
}

enum err_code session_hello_answer(
	struct session *s, struct ask *a, struct err *err)
{
	enum err_code rc;

	if (a->rc) {
		*err = a->err;
		return a->rc;
	}
	s->ours = a->hello;
	a->hello = (struct hello){0};
	s->closed = a->closed;
	a->closed = (struct rows){0};
	s->have_ours = true;
	if (s->opt.role == SESSION_PARENT)
		keep_marks(s, &a->logs);
	else
		session_keep_sizes(s, &a->logs);
	if ((rc = session_send(s, MESSAGE_HELLO, &a->out, err)))
		return rc;
	return s->have_theirs ? both_said_hello(s, err) : ERR_OK;
}

enum err_code session_on_governance(struct session *s, enum message_kind kind,
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
enum err_code session_import_answer(
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

enum err_code session_export_answer(
	struct session *s, struct ask *a, struct err *err)
{
	if (a->rc) {
		*err = a->err;
		return a->rc;
	}
	return session_send(s, MESSAGE_GOVERNANCE, &a->out, err);
}
