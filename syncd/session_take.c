/* session_take.c - a session's taking side: what came waits for its ask, in
 * order by log; attachments are asked for range by range. */
#include "syncd/session_inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- the inbox ---- */

static void free_incoming(struct incoming *m)
{
	buf_free(&m->body);
	free(m);
}

static enum err_code read_head(
	enum message_kind kind, struct incoming *m, struct err *err)
{
	struct cursor c = cursor_over(m->body.data, m->body.len);
	enum err_code rc;

	if (kind == MESSAGE_COSIGNED)
		return ERR_OK;
	if ((rc = origin_head_read(&c, m->origin, err)))
		return rc;
	if (kind == MESSAGE_PROVED)
		m->seq = cursor_u64(&c);
	if (!cursor_ok(&c) || c.left == 0)
		return err_set(err, ERR_PROTOCOL, "%s of %s without a body",
			message_spec(kind)->name, m->origin);
	m->head = m->body.len - c.left;
	return ERR_OK;
}

/* Whether we refused this log before: what is still on its way of it is of no
 * use. */
static bool refused(struct session *s, const char *origin)
{
	const struct log_row *row = session_find_row(s, origin);

	if (s->opt.role == SESSION_PARENT)
		return row && row->refused;
	return rows_find(&s->refused_down, origin);
}

enum err_code take_on_log(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct incoming *m = calloc(1, sizeof(*m));
	enum err_code rc;

	if (!m)
		return err_nomem(err);
	m->kind = kind;
	m->body = *body;
	m->bytes = body->len;
	*body = BUF_EMPTY;
	rc = read_head(kind, m, err);
	if (rc || refused(s, m->origin)) {
		free_incoming(m);
		return rc;
	}
	*s->inbox_end = m;
	s->inbox_end = &m->later;
	s->inbox_count++;
	s->inbox_bytes += m->bytes;
	return ERR_OK;
}

static void unlink_incoming(struct session *s, struct incoming **link)
{
	struct incoming *m = *link;

	*link = m->later;
	if (!*link)
		s->inbox_end = link;
	s->inbox_count--;
	s->inbox_bytes -= m->bytes;
	free_incoming(m);
}

static void forget_log(struct session *s, const char *origin)
{
	struct incoming **link = &s->inbox;

	while (*link) {
		if (!(*link)->running && !strcmp((*link)->origin, origin))
			unlink_incoming(s, link);
		else
			link = &(*link)->later;
	}
}

static enum ask_kind take_kind(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_CHECKPOINT:
		return ASK_TAKE_CHECKPOINT;
	case MESSAGE_PACKAGE:
		return ASK_TAKE_PACKAGE;
	case MESSAGE_PROVED:
		return ASK_TAKE_PROVED;
	default:
		return ASK_TAKE_COSIGNED;
	}
}

/* One log's messages are taken one after the other: each is judged by what
 * the one before left. */
static bool has_turn(const struct session *s, const struct incoming *m)
{
	const struct incoming *before;

	for (before = s->inbox; before != m; before = before->later) {
		if (!strcmp(before->origin, m->origin))
			return false;
	}
	return !m->running;
}

static void take_logs(struct session *s)
{
	struct incoming *m;

	for (m = s->inbox; m && s->takes < TAKES_LIMIT; m = m->later) {
		struct ask *a;

		if (!has_turn(s, m))
			continue;
		if (!(a = session_ask(s, take_kind(m->kind))))
			return;
		memcpy(a->origin, m->origin, ORIGIN_SIZE);
		a->from = m->seq;
		a->head = m->head;
		a->data = m->body;
		m->body = BUF_EMPTY;
		m->running = a;
		s->takes++;
	}
}

/* ---- answers to logs ---- */

static enum err_code say_taken(
	struct session *s, const struct ask *a, struct err *err)
{
	struct control c = {.size = a->size, .seq = a->from};

	memcpy(c.origin, a->origin, ORIGIN_SIZE);
	c.members = MEMBER_ORIGIN |
		(a->kind == ASK_TAKE_PROVED ? MEMBER_SEQ : MEMBER_SIZE);
	return session_say(s, MESSAGE_ACK, &c, err);
}

/* protocol 3.9: "A log that contradicts itself or does not verify is refused
 * by name; other logs go on." */
static enum err_code refuse_log(
	struct session *s, const struct ask *a, struct err *err)
{
	struct control c = {
		.members = MEMBER_ORIGIN | MEMBER_TEXT | MEMBER_WHY};
	enum err_code rc = ERR_OK;
	size_t row;

	if (a->kind == ASK_TAKE_COSIGNED && a->rc == ERR_FORK) {
		/* The note of a log of ours, which proves itself. */
		if (!settle_due(s, a->origin) &&
			!rows_find(&s->closed, a->origin))
			session_problem(s, a->origin, a->err.text);
		return ERR_OK;
	}
	session_problem(s, a->origin, a->err.text);
	if (a->kind == ASK_TAKE_COSIGNED)
		return ERR_OK;
	if (s->opt.role == SESSION_CHILD)
		rc = rows_add(&s->refused_down, a->origin, 0, 0, err);
	else if ((row = session_row(s, a->origin)) != NO_ROW)
		s->rows[row].refused = true;
	forget_log(s, a->origin);
	if (rc)
		return rc;
	memcpy(c.origin, a->origin, ORIGIN_SIZE);
	memcpy(c.text, a->err.text, sizeof(c.text));
	strncpy(c.why, err_name(a->rc), WHY_SIZE - 1);
	return session_say(s, MESSAGE_REFUSED, &c, err);
}

static enum err_code checkpoint_taken(
	struct session *s, const struct ask *a, struct err *err)
{
	size_t row = session_row(s, a->origin);

	if (row != NO_ROW && a->rc == ERR_OK)
		s->rows[row].partial = true;
	return a->rc == ERR_BUSY ? say_taken(s, a, err) : ERR_OK;
}

static enum err_code package_taken(
	struct session *s, const struct ask *a, struct err *err)
{
	size_t row = session_row(s, a->origin);

	/* protocol 3.4: "a package of which a part is here already" */
	if (a->rc == ERR_BUSY && a->size < a->next) {
		session_end(s, SESSION_RESTART, "again", a->err.text);
		return ERR_OK;
	}
	if (a->rc == ERR_OK) {
		s->status.packages_in++;
		s->status.entries_in += a->count;
	}
	/* Complete: it gets our cosignature, and its attachments are asked
	 * for. */
	if (a->changed) {
		session_wake(s);
		if (row != NO_ROW)
			s->rows[row].partial = false;
	}
	return say_taken(s, a, err);
}

static enum err_code log_taken(
	struct session *s, const struct ask *a, struct err *err)
{
	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	if (rc_is_ours(a->rc)) {
		*err = a->err;
		return a->rc;
	}
	if (a->rc && a->rc != ERR_BUSY)
		return refuse_log(s, a, err);
	switch (a->kind) {
	case ASK_TAKE_CHECKPOINT:
		return checkpoint_taken(s, a, err);
	case ASK_TAKE_PACKAGE:
		return package_taken(s, a, err);
	case ASK_TAKE_PROVED:
		if (a->rc == ERR_OK) {
			s->status.proved_in++;
			session_wake(s);
		}
		return say_taken(s, a, err);
	default:
		return ERR_OK;
	}
}

static enum err_code log_answer(
	struct session *s, struct ask *a, struct err *err)
{
	struct incoming **link = &s->inbox;

	while (*link && (*link)->running != a)
		link = &(*link)->later;
	if (*link)
		unlink_incoming(s, link);
	s->takes--;
	return log_taken(s, a, err);
}

/* ---- attachments ---- */

static struct want *find_want(struct session *s, const struct digest *object)
{
	for (size_t i = 0; i < RANGES_LIMIT; i++) {
		struct want *w = &s->wants[i];

		if (w->used && digest_equal(&w->ref.object, object))
			return w;
	}
	return NULL;
}

/* Ends a want; what came of it stays for the next session. */
static void end_want(struct session *s, struct want *w)
{
	if (w->writer)
		attachment_pause(w->writer);
	*w = (struct want){0};
	if (s->queue_count == 0)
		s->dirty = s->dirty || s->wanted_total > 0;
}

/* Not asked for again in this session, unless the peer says HAVE.  Past the
 * limit the rest waits for the next session. */
static void give_up_want(struct session *s, struct want *w)
{
	if (s->lacking.count < OBJECTS_LIMIT)
		(void)digests_add(&s->lacking, &w->ref.object, NULL);
	end_want(s, w);
}

static void take_attachments(struct session *s)
{
	for (size_t i = 0; i < RANGES_LIMIT; i++) {
		struct want *w = &s->wants[i];
		struct ask *a;

		if (w->used || s->queue_count == 0 ||
			s->lacking.count >= OBJECTS_LIMIT)
			continue;
		if (!(a = session_ask(s, ASK_RESUME)))
			return;
		*w = (struct want){.used = true,
			.asking = true,
			.ref = s->queue[--s->queue_count]};
		a->ref = w->ref;
	}
}

static enum err_code say_want(
	struct session *s, struct want *w, struct err *err)
{
	struct control c = {.object = w->ref.object, .offset = w->offset};
	uint64_t left = w->ref.size - w->offset;

	c.members = MEMBER_OBJECT | MEMBER_OFFSET | MEMBER_LENGTH;
	c.length = w->length =
		left < ATTACHMENT_RANGE ? left : ATTACHMENT_RANGE;
	w->waiting = true;
	return session_say(s, MESSAGE_WANT, &c, err);
}

enum err_code take_on_data(struct session *s, struct buf *body, struct err *err)
{
	struct cursor c = cursor_over(body->data, body->len);
	struct digest object;
	struct want *w;
	uint64_t offset;
	struct ask *a;
	enum err_code rc;

	if ((rc = data_head_read(&c, &object, &offset, err)))
		return rc;
	w = find_want(s, &object);
	if (!w || !w->waiting || offset != w->offset || c.left != w->length)
		return err_set(err, ERR_PROTOCOL,
			"DATA that was not asked for, %zu bytes", c.left);
	if (!(a = session_ask(s, ASK_TAKE_RANGE)))
		return err_nomem(err);
	s->status.attachment_bytes_in += c.left;
	a->ref = w->ref;
	a->from = w->offset;
	a->head = body->len - c.left;
	a->data = *body;
	*body = BUF_EMPTY;
	a->writer = w->writer;
	w->writer = NULL;
	w->waiting = false;
	w->asking = true;
	return ERR_OK;
}

static enum err_code say_range(
	struct session *s, const struct ask *a, struct err *err)
{
	struct control c = {.members = MEMBER_OBJECT | MEMBER_OFFSET,
		.object = a->ref.object,
		.offset = a->from};

	return session_say(s, MESSAGE_ACK, &c, err);
}

static enum err_code refuse_range(
	struct session *s, const struct ask *a, struct err *err)
{
	struct control c = {.members = MEMBER_OBJECT | MEMBER_TEXT | MEMBER_WHY,
		.object = a->ref.object};

	memcpy(c.text, a->err.text, sizeof(c.text));
	strncpy(c.why, err_name(a->rc), WHY_SIZE - 1);
	return session_say(s, MESSAGE_REFUSED, &c, err);
}

static enum err_code attachment_failed(
	struct session *s, struct want *w, struct ask *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	/* Another session is at it: not a problem, and not ours. */
	if (a->rc != ERR_BUSY)
		session_problem(s, "attachment", a->err.text);
	if (a->kind == ASK_TAKE_RANGE)
		rc = refuse_range(s, a, err);
	give_up_want(s, w);
	return rc;
}

static enum err_code attachment_answer(
	struct session *s, struct ask *a, struct err *err)
{
	struct want *w = find_want(s, &a->ref.object);
	enum err_code rc = ERR_OK;

	w->asking = false;
	if (a->rc)
		return attachment_failed(s, w, a, err);
	if (a->kind == ASK_TAKE_RANGE)
		rc = say_range(s, a, err);
	w->writer = a->writer;
	a->writer = NULL;
	w->offset = a->from;
	if (rc)
		return rc;
	if (!a->done)
		return say_want(s, w, err);
	if (s->wanted_total)
		s->wanted_total--;
	end_want(s, w);
	return ERR_OK;
}

enum err_code take_on_none(
	struct session *s, const struct control *c, struct err *err)
{
	struct want *w;

	if (c->members & MEMBER_ORIGIN)
		return mend_on_none(s, c, err);
	w = find_want(s, &c->object);
	if (!w || !w->waiting)
		return err_set(
			err, ERR_PROTOCOL, "NONE for what was not asked for");
	give_up_want(s, w);
	return ERR_OK;
}

enum err_code take_on_have(
	struct session *s, const struct control *c, struct err *err)
{
	(void)err;
	digests_remove(&s->lacking, &c->object);
	s->dirty = true;
	return ERR_OK;
}

/* ---- together ---- */

static bool is_wanted(const struct session *s, const struct digest *object)
{
	for (size_t i = 0; i < RANGES_LIMIT; i++) {
		if (s->wants[i].used &&
			digest_equal(&s->wants[i].ref.object, object))
			return true;
	}
	return digests_have(&s->lacking, object);
}

void take_news(struct session *s, const struct ask *look)
{
	s->wanted_total = look->wanted_total;
	s->queue_count = 0;
	for (size_t i = 0; i < look->wanted_count; i++) {
		/* The look may be older than what happened since. */
		if (!is_wanted(s, &look->wanted[i].object))
			s->queue[s->queue_count++] = look->wanted[i];
	}
}

void take_pump(struct session *s)
{
	take_logs(s);
	take_attachments(s);
}

enum err_code take_answer(struct session *s, struct ask *a, struct err *err)
{
	if (a->kind == ASK_RESUME || a->kind == ASK_TAKE_RANGE)
		return attachment_answer(s, a, err);
	return log_answer(s, a, err);
}

bool take_idle(const struct session *s)
{
	return s->inbox_count == 0 && s->wanted_total == 0 &&
		s->queue_count == 0;
}

void take_close(struct session *s)
{
	while (s->inbox)
		unlink_incoming(s, &s->inbox);
	for (size_t i = 0; i < RANGES_LIMIT; i++) {
		if (s->wants[i].writer)
			attachment_pause(s->wants[i].writer);
		s->wants[i] = (struct want){0};
	}
	digests_free(&s->lacking);
}
