/* session_orders.c - PING and PONG: a child whose erasures wait asks its parent
 * whether it knows all orders from above. */
#include "syncd/session_inside.h"

/* protocol 3.3: "A child that has an erasure to carry out sends PING". */
void orders_news(struct session *s, const struct ask *look)
{
	struct buf empty = BUF_EMPTY;

	if (s->opt.role != SESSION_CHILD || !look->orders || s->pinged)
		return;
	if (session_send(s, MESSAGE_PING, &empty, NULL) == ERR_OK)
		s->pinged = true;
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
		s->ponging = false;
		if (a->rc == ERR_OK)
			return session_send(s, MESSAGE_PONG, &a->out, err);
		*err = a->err;
		return a->rc;
	}
	/* What keeps an erasure waiting is told by orders themselves. */
	if (a->rc == ERR_PROTOCOL) {
		*err = a->err;
		return a->rc;
	}
	if (a->rc)
		session_problem(s, "orders", a->err.text);
	return ERR_OK;
}
