/* session_orders.c - PING and PONG: a child whose erasures wait, or that was
 * just started, asks its parent whether it knows all orders from above. */
#include "syncd/session_inside.h"

/* protocol 3.3: "A parent that has answered sends PONG once more when it would
 * answer otherwise": a child does not know when that is. */
static void tell_more(struct session *s)
{
	if (s->asked && !s->ponging && !s->telling)
		s->telling = session_ask(s, ASK_GIVE_ORDERS) != NULL;
}

/* protocol 3.3: "A child that has an erasure to carry out, or no such time yet,
 * sends PING". */
void orders_news(struct session *s, const struct ask *look)
{
	struct buf empty = BUF_EMPTY;

	if (s->opt.role == SESSION_PARENT)
		tell_more(s);
	else if (look->orders && !s->pinged)
		s->pinged =
			session_send(s, MESSAGE_PING, &empty, NULL) == ERR_OK;
}

static enum err_code give(struct session *s, struct ask *a, struct err *err)
{
	struct digest told = digest_of(a->out.data, a->out.len);
	bool answer = s->ponging;

	s->ponging = s->telling = false;
	if (!answer && digest_equal(&told, &s->told))
		return ERR_OK;
	s->asked = answer;
	s->told = told;
	return session_send(s, MESSAGE_PONG, &a->out, err);
}

enum err_code session_on_ping(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	(void)kind;
	if (s->opt.role == SESSION_CHILD || s->state != SESSION_OPEN)
		return session_send(s, MESSAGE_PONG, body, err);
	if (s->ponging)
		return err_set(err, ERR_PROTOCOL,
			"PING before the one before is answered");
	if (!session_ask(s, ASK_GIVE_ORDERS))
		return err_nomem(err);
	s->ponging = true;
	return ERR_OK;
}

enum err_code session_on_pong(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct ask *a;

	(void)kind;
	s->pinged = false;
	if (body->len == 0 || s->opt.role == SESSION_PARENT ||
		s->state != SESSION_OPEN)
		return ERR_OK;
	if (!(a = session_ask(s, ASK_TAKE_ORDERS)))
		return err_nomem(err);
	a->data = *body;
	*body = BUF_EMPTY;
	return ERR_OK;
}

enum err_code orders_answer(struct session *s, struct ask *a, struct err *err)
{
	if (a->kind == ASK_GIVE_ORDERS) {
		if (a->rc == ERR_OK)
			return give(s, a, err);
		*err = a->err;
		return a->rc;
	}
	/* What keeps an erasure waiting is told by orders themselves, and what
	 * is damaged by its log: neither holds up anything else. */
	if (a->rc == ERR_PROTOCOL) {
		*err = a->err;
		return a->rc;
	}
	if (a->rc && a->rc != ERR_CORRUPT)
		session_problem(s, "orders", a->err.text);
	return ERR_OK;
}
