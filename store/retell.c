/* retell.c - what the index knows is told again where the item that told it is
 * damaged: notes, marks of destroyed parts, closed damage. */
#include "store/batch.h"

#define MARKS_AT_ONCE ((uint32_t)1 << 20)

bool retell_can(struct batch *b, struct place at)
{
	struct batch_log *l;
	struct item it;

	if (segment_head_at(b->s->segments, at, &it, NULL))
		return false;
	switch (it.kind) {
	case ITEM_LOG:
	case ITEM_NOTE:
		return !batch_log_of(b, it.log, &l, NULL);
	case ITEM_ERASED:
		return b->s->extent_known && !b->s->marks_lost;
	case ITEM_CLOSED:
		return true;
	default:
		return false;
	}
}

enum err_code retell_log(struct batch *b, struct place at, struct err *err)
{
	struct batch_log *l;
	struct item it;
	enum err_code rc = segment_head_at(b->s->segments, at, &it, err);

	if (rc || it.kind != ITEM_LOG)
		return rc;
	if (!(rc = batch_log_of(b, it.log, &l, err)))
		l->fresh = true;
	return rc;
}

/* ---- notes, closed damage ---- */

static enum err_code notes_again(struct batch *b, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found;
	enum err_code rc;

	key_u32(&from, 0);
	while (!(rc = index_ceil(b->view.txn, DB_NOTE, key_bytes(&from), &found,
			 NULL, err))) {
		struct cursor c = value_cursor(found);
		uint32_t log = cursor_u32(&c);
		struct batch_log *l;

		if (!cursor_ok(&c))
			return row_corrupt(err, "notes");
		if ((rc = batch_log_of(b, log, &l, err)))
			return rc;
		for (int i = 0; i < 3; i++)
			l->note_new[i] = true;
		from = KEY_EMPTY;
		key_u32(&from, log + 1);
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code closes_again(struct batch *b, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found;
	enum err_code rc;

	b->close_count = 0; /* these are there too */
	key_u32(&from, 0);
	while (!(rc = index_ceil(b->view.txn, DB_CLOSED, key_bytes(&from),
			 &found, NULL, err))) {
		struct cursor c = value_cursor(found);
		struct place at = {.segment = cursor_u32(&c)};

		at.offset = cursor_u64(&c);
		if (!cursor_done(&c))
			return row_corrupt(err, "closed");
		if (!grow(&b->closes, &b->close_cap, b->close_count,
			    sizeof(*b->closes)))
			return err_nomem(err);
		b->closes[b->close_count++] = at;
		from = key_of_place(at);
		key_u8(&from, 0); /* right behind */
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code retell(struct batch *b, struct err *err)
{
	enum err_code rc;

	if ((rc = notes_again(b, err)) || (rc = closes_again(b, err)))
		return rc;
	b->retells = true;
	return ERR_OK;
}

/* ---- marks ---- */

/* Marks of one order that follow one another. */
struct marking {
	struct group *g;
	struct erasure why;
	struct item item;
	struct buf payload;
};

static enum err_code flush(struct marking *m, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	if (m->item.count) {
		m->item.plain_len = (uint32_t)m->payload.len;
		item_write(&m->item, m->payload.data, m->payload.len, &bytes);
		if (!(rc = buf_ok(&m->payload, err)) &&
			!(rc = buf_ok(&bytes, err)))
			rc = group_add(m->g, &m->item, &bytes, NULL, err);
	}
	m->item = (struct item){.kind = ITEM_ERASED};
	buf_clear(&m->payload);
	buf_free(&bytes);
	return rc;
}

static enum err_code add_mark(struct marking *m, const struct erase_target *t,
	const struct erasure *why, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (!m->item.count || !erasure_equal(&m->why, why) ||
		m->item.count == MARKS_AT_ONCE) {
		if ((rc = flush(m, err)))
			return rc;
		m->why = *why;
		erasure_write(why, &m->payload);
	}
	buf_u32(&m->payload, t->log);
	buf_u64(&m->payload, t->seq);
	buf_u8(&m->payload, (uint8_t)t->label);
	m->item.count++;
	return ERR_OK;
}

enum err_code retell_marks(struct group *g, struct err *err)
{
	struct marking m = {.g = g, .payload = BUF_EMPTY};
	struct key from = KEY_EMPTY;
	struct bytes found, value;
	enum err_code rc = ERR_OK;

	if (!g->b->retells)
		return ERR_OK;
	key_u32(&from, 0);
	while (!rc &&
		!(rc = index_ceil(g->b->view.txn, DB_ERASED, key_bytes(&from),
			  &found, &value, err))) {
		struct cursor c = value_cursor(found);
		struct cursor told = value_cursor(value);
		struct erase_target t = {.log = cursor_u32(&c)};
		struct erasure why;

		t.label = cursor_u8(&c);
		t.seq = cursor_u64(&c);
		if (!cursor_done(&c) || !erasure_read(&told, &why))
			rc = row_corrupt(err, "erased");
		else
			rc = add_mark(&m, &t, &why, err);
		from = key_of_part(t.log, (uint8_t)t.label, t.seq);
		key_u8(&from, 0); /* right behind */
	}
	if (rc == ERR_NOT_FOUND)
		rc = flush(&m, err);
	buf_free(&m.payload);
	return rc;
}
