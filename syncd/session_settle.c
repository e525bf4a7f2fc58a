/* session_settle.c - a child whose log is another one at its parent: what both
 * have in common is found by proofs, and the log is settled. */
#include "syncd/session_inside.h"

#include <string.h>

bool settle_due(struct session *s, const char *origin)
{
	const struct row *closed = rows_find(&s->closed, origin);
	size_t row;

	if (s->opt.role == SESSION_PARENT || closed ||
		(row = session_row(s, origin)) == NO_ROW || !s->rows[row].mine)
		return false;
	if (!s->rows[row].closed)
		s->rows[row].settle = true;
	return true;
}

static void done(struct session *s, struct log_row *row)
{
	row->settle = false;
	s->settling = (struct settling){.active = false};
}

static enum err_code say_prove(struct session *s, uint64_t at, struct err *err)
{
	struct control c = {.members = MEMBER_ORIGIN | MEMBER_SIZE, .size = at};

	memcpy(c.origin, s->rows[s->settling.row].origin, ORIGIN_SIZE);
	s->settling.at = at;
	s->settling.waiting = true;
	return session_say(s, MESSAGE_PROVE, &c, err);
}

void settle_pump(struct session *s)
{
	if (s->opt.role == SESSION_PARENT || s->outdated || s->settling.active)
		return;
	for (size_t i = 0; i < s->row_count; i++) {
		struct log_row *row = &s->rows[i];

		if (!row->settle)
			continue;
		s->settling = (struct settling){.active = true, .row = i};
		memcpy(s->settling.what.origin, row->origin, ORIGIN_SIZE);
		/* Most likely all that is here is there too; of a damaged one
		 * not.  Out of memory: the next session finds it the same. */
		if (say_prove(s, row->damaged ? 0 : row->here, NULL))
			done(s, row);
		return;
	}
}

enum err_code settle_on_checkpoint(struct session *s, enum message_kind kind,
	struct buf *body, struct err *err)
{
	struct cursor c = cursor_over(body->data, body->len);
	char origin[ORIGIN_SIZE];
	struct ask *a;
	enum err_code rc;

	(void)kind;
	if ((rc = origin_head_read(&c, origin, err)))
		return rc;
	/* A refusal that crossed the question may have ended it. */
	if (!s->settling.waiting ||
		strcmp(origin, s->rows[s->settling.row].origin))
		return ERR_OK;
	if (!(a = session_ask(s, ASK_TAKE_PREFIX)))
		return err_nomem(err);
	memcpy(a->origin, origin, ORIGIN_SIZE);
	a->from = s->settling.at;
	a->head = body->len - c.left;
	a->data = *body;
	*body = BUF_EMPTY;
	s->settling.waiting = false;
	return ERR_OK;
}

void settle_refused(struct session *s, const struct log_row *row)
{
	if (s->settling.waiting && &s->rows[s->settling.row] == row)
		done(s, &s->rows[s->settling.row]);
}

/* Where to ask next; false when nothing is open any more. */
static bool narrow(struct settling *g, const struct prefix *p)
{
	if (!g->judged) {
		g->judged = true;
		g->high = p->size <= p->here ? p->size - 1 : p->here;
	}
	if (p->size > g->what.size) {
		g->what.size = p->size;
		g->what.root = p->root;
	}
	if (p->proven && g->at > g->low)
		g->low = g->at;
	else if (!p->proven && g->at > 0 && g->at <= g->high)
		g->high = g->at - 1;
	if (g->low >= g->high)
		return false;
	g->at = g->low + (g->high - g->low + 1) / 2;
	return true;
}

static enum err_code settle(struct session *s, struct err *err)
{
	struct settling *g = &s->settling;
	struct ask *next = session_ask(s, ASK_SETTLE);

	if (!next)
		return err_nomem(err);
	g->what.common = g->low;
	next->settled = g->what;
	memcpy(next->origin, g->what.origin, ORIGIN_SIZE);
	return ERR_OK;
}

/* A note of more than its entries is one whose tree the parent lacks. */
static enum err_code same_so_far(struct session *s, struct log_row *row,
	const struct prefix *p, struct err *err)
{
	const struct row *closed = rows_find(&s->closed, row->origin);
	struct settling *g = &s->settling;
	bool whole = p->size <= row->acked;

	row->closed = closed != NULL;
	if (row->damaged || (closed && whole && p->size != closed->n)) {
		g->what.size = g->low = whole ? p->size : 0;
		g->what.root = whole ? p->root : tree_empty();
		return settle(s, err);
	}
	done(s, row);
	return ERR_OK;
}

static enum err_code prefix_taken(
	struct session *s, const struct ask *a, struct err *err)
{
	struct settling *g = &s->settling;
	struct log_row *row = &s->rows[g->row];

	/* What the parent has is the beginning of what is here. */
	if (!g->judged && !a->prefix.other)
		return same_so_far(s, row, &a->prefix, err);
	return narrow(g, &a->prefix) ? say_prove(s, g->at, err)
				     : settle(s, err);
}

static enum err_code settled(
	struct session *s, const struct ask *a, struct err *err)
{
	struct log_row *row = &s->rows[s->settling.row];

	row->closed = true;
	row->target = 0;
	done(s, row);
	session_wake(s);
	/* The next HELLO asks for the orders among them. */
	if (a->settled.size > a->settled.common)
		session_end(s, SESSION_RESTART, "settled", "");
	if (rows_find(&s->closed, row->origin))
		return ERR_OK;
	return rows_add(
		&s->closed, row->origin, a->settled.size, a->settled.size, err);
}

enum err_code settle_answer(struct session *s, struct ask *a, struct err *err)
{
	struct log_row *row = &s->rows[s->settling.row];

	if (a->rc == ERR_FULL) {
		session_full(s);
		return ERR_OK;
	}
	/* Damage in one log holds up no other. */
	if (rc_is_ours(a->rc) && a->rc != ERR_CORRUPT) {
		*err = a->err;
		return a->rc;
	}
	if (a->rc) {
		session_problem(s, a->origin, a->err.text);
		done(s, row);
		row->refused = true;
		return ERR_OK;
	}
	return a->kind == ASK_TAKE_PREFIX ? prefix_taken(s, a, err)
					  : settled(s, a, err);
}
