/* session_mend.c - entries that are damaged at one end and given once more by
 * the other; each end may ask, one range at a time. */
#include "syncd/session_inside.h"

#include <string.h>

/* ---- asking ---- */

static enum err_code say_again(struct session *s, struct err *err)
{
	struct control c = {.members = MEMBER_ORIGIN | MEMBER_FROM |
			MEMBER_COUNT | MEMBER_SIZE,
		.from = s->again.from,
		.count = s->again.count,
		.size = s->again.size};

	memcpy(c.origin, s->again.origin, ORIGIN_SIZE);
	s->mending = s->again_out = true;
	return session_say(s, MESSAGE_AGAIN, &c, err);
}

enum err_code mend_news(struct session *s, const struct ask *a, struct err *err)
{
	if (!a->lacks || s->mending || s->outdated)
		return ERR_OK;
	s->again = a->again;
	return say_again(s, err);
}

/* Takes `body`; an empty one says that the peer does not have it. */
static enum err_code work_on(
	struct session *s, struct buf *body, size_t head, struct err *err)
{
	struct ask *a = session_ask(s, ASK_MEND);

	if (!a)
		return err_nomem(err);
	memcpy(a->origin, s->again.origin, ORIGIN_SIZE);
	a->from = s->again.from;
	a->again = s->again;
	a->head = head;
	a->data = *body;
	*body = BUF_EMPTY;
	s->again_out = false;
	return ERR_OK;
}

enum err_code mend_on_entries(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct cursor c = cursor_over(body->data, body->len);
	char origin[ORIGIN_SIZE];
	enum err_code rc;

	(void)kind;
	if ((rc = origin_head_read(&c, origin, err)))
		return rc;
	if (!s->again_out || strcmp(origin, s->again.origin) || !c.left)
		return err_set(err, ERR_PROTOCOL,
			"ENTRIES of %s that were not asked for", origin);
	return work_on(s, body, body->len - c.left, err);
}

enum err_code mend_on_none(
	struct session *s, const struct control *c, struct err *err)
{
	struct buf nothing = BUF_EMPTY;

	if (!s->again_out || strcmp(c->origin, s->again.origin))
		return err_set(
			err, ERR_PROTOCOL, "NONE for what was not asked for");
	return work_on(s, &nothing, 0, err);
}

static enum err_code mended(
	struct session *s, const struct ask *a, struct err *err)
{
	s->mending = false;
	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	if (a->rc == ERR_IO || a->rc == ERR_NOMEM) {
		*err = a->err;
		return a->rc;
	}
	if (a->rc)
		session_problem(s, a->origin, a->err.text);
	return mend_news(s, a, err);
}

/* ---- giving ---- */

enum err_code mend_on_again(
	struct session *s, const struct control *c, struct err *err)
{
	struct ask *a;

	if (s->again_serving)
		return err_set(err, ERR_PROTOCOL,
			"AGAIN before the one before is answered");
	if (!(a = session_ask(s, ASK_GIVE_ENTRIES)))
		return err_nomem(err);
	memcpy(a->origin, c->origin, ORIGIN_SIZE);
	memcpy(a->again.origin, c->origin, ORIGIN_SIZE);
	a->from = a->again.from = c->from;
	a->again.count = c->count;
	a->again.size = c->size;
	s->again_serving = true;
	return ERR_OK;
}

static enum err_code entries_given(
	struct session *s, struct ask *a, struct err *err)
{
	struct control c = {
		.members = MEMBER_ORIGIN | MEMBER_WHY, .why = "absent"};

	s->again_serving = false;
	if (a->rc == ERR_OK)
		return session_send(s, MESSAGE_ENTRIES, &a->out, err);
	if (a->rc == ERR_DENIED || a->rc == ERR_PROTOCOL)
		memcpy(c.why, "denied", sizeof("denied"));
	memcpy(c.origin, a->origin, ORIGIN_SIZE);
	return session_say(s, MESSAGE_NONE, &c, err);
}

enum err_code mend_answer(struct session *s, struct ask *a, struct err *err)
{
	return a->kind == ASK_MEND ? mended(s, a, err)
				   : entries_given(s, a, err);
}
