/* log.c - logs and their notes. */
#include <string.h>

#include "store/inside.h"

enum err_code view_open(struct store *s, struct view *v, struct err *err)
{
	*v = (struct view){.s = s};
	return index_begin(s->index, false, &v->txn, err);
}

void view_close(struct view *v)
{
	index_abort(v->txn);
	v->txn = NULL;
}

static bool row_read(struct bytes value, struct log_row *r)
{
	struct cursor c = value_cursor(value);
	const uint8_t *origin;
	size_t len;

	r->kind = cursor_u8(&c);
	len = cursor_u8(&c);
	origin = cursor_bytes(&c, len);
	if (!origin || len >= ORIGIN_SIZE)
		return false;
	memcpy(r->origin, origin, len);
	r->origin[len] = '\0';
	r->edge.size = cursor_u64(&c);
	for (unsigned i = 0; i < tree_edge_count(r->edge.size); i++)
		cursor_copy(&c, r->edge.hash[i].b, DIGEST_SIZE);
	for (int i = 0; i < 3; i++) {
		r->has[i] = cursor_u8(&c) != 0;
		r->size[i] = cursor_u64(&c);
	}
	cursor_copy(&c, r->pending_root.b, DIGEST_SIZE);
	r->lost = cursor_u64(&c);
	return cursor_done(&c);
}

enum err_code log_get(
	const struct view *v, uint32_t id, struct log_row *out, struct err *err)
{
	struct key k = key_of_log(id);
	struct bytes value;
	enum err_code rc;

	if (v->batch && batch_row(v->batch, id)) {
		*out = *batch_row(v->batch, id);
		return ERR_OK;
	}
	rc = index_get(v->txn, DB_LOG, key_bytes(&k), &value, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "log %u is not here", id);
	if (rc)
		return rc;
	out->id = id;
	return row_read(value, out) ? ERR_OK : row_corrupt(err, "logs");
}

enum err_code log_find(const struct view *v, const char *origin,
	struct log_row *out, struct err *err)
{
	struct bytes key = {origin, strlen(origin)};
	struct bytes value;
	struct cursor c;
	uint32_t id;
	enum err_code rc = ERR_NOT_FOUND;

	if (v->batch && batch_row_find(v->batch, origin)) {
		*out = *batch_row_find(v->batch, origin);
		return ERR_OK;
	}
	if (key.len > 0 && key.len < ORIGIN_SIZE)
		rc = index_get(v->txn, DB_ORIGIN, key, &value, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "log %s is not here", origin);
	if (rc)
		return rc;
	c = value_cursor(value);
	id = cursor_u32(&c);
	if (!cursor_done(&c))
		return row_corrupt(err, "origins");
	return log_get(v, id, out, err);
}

enum err_code log_put(
	struct index_txn *t, const struct log_row *row, struct err *err)
{
	struct bytes origin = {row->origin, strlen(row->origin)};
	struct key k = key_of_log(row->id);
	struct buf b = BUF_EMPTY;
	enum err_code rc;

	buf_u8(&b, (uint8_t)row->kind);
	buf_u8(&b, (uint8_t)origin.len);
	buf_add(&b, origin.data, origin.len);
	buf_u64(&b, row->edge.size);
	buf_add(&b, row->edge.hash,
		tree_edge_count(row->edge.size) * sizeof(struct digest));
	for (int i = 0; i < 3; i++) {
		buf_u8(&b, row->has[i]);
		buf_u64(&b, row->size[i]);
	}
	buf_add(&b, row->pending_root.b, DIGEST_SIZE);
	buf_u64(&b, row->lost);
	if ((rc = buf_ok(&b, err)) ||
		(rc = index_put(t, DB_LOG, key_bytes(&k),
			 (struct bytes){b.data, b.len}, err)))
		goto out;
	rc = index_put(t, DB_ORIGIN, origin, key_bytes(&k), err);
out:
	buf_free(&b);
	return rc;
}

void log_tell(const struct log_row *row, struct log_info *out)
{
	struct log_info info = {
		.id = row->id,
		.kind = row->kind,
		.size = row->edge.size,
		.root = tree_root(&row->edge),
		.checkpoint_size = row->size[NOTE_COMPLETE],
		.pending_size = row->has[NOTE_PENDING]
			? row->size[NOTE_PENDING]
			: row->size[NOTE_COMPLETE],
		.cosigned_size = row->size[NOTE_COSIGNED],
	};

	memcpy(info.origin, row->origin, sizeof(info.origin));
	*out = info;
}

void store_sign_later(struct store *s, batch_sign *sign, void *arg)
{
	s->sign = sign;
	s->sign_arg = arg;
}

/* Is a checkpoint over all of the log there for the asking?  Only over what is
 * durable, which an index that was made aside may be ahead of, and never of an
 * epoch that ended: another may have gone on in it. */
static enum err_code can_sign(const struct view *v, const struct log_row *row,
	bool *out, struct err *err)
{
	uint64_t own = 0;
	enum err_code rc = ERR_OK;

	*out = false;
	if (row->kind != LOG_OWN || !v->s->sign || v->s->scratch || row->lost ||
		row->has[NOTE_PENDING] || !row->has[NOTE_COMPLETE] ||
		row->size[NOTE_COMPLETE] >= row->edge.size ||
		row->size[NOTE_COSIGNED] > row->edge.size)
		return ERR_OK;
	if (!(rc = meta_get_u64(v->txn, "own", &own, err)))
		*out = own == row->id;
	return rc;
}

static enum err_code tell(const struct view *v, const struct log_row *row,
	struct log_info *out, struct err *err)
{
	bool later;
	enum err_code rc = can_sign(v, row, &later, err);

	if (rc)
		return rc;
	log_tell(row, out);
	if (later)
		out->checkpoint_size = out->pending_size = out->size;
	return ERR_OK;
}

enum err_code store_log_find(struct store *s, const char *origin,
	struct log_info *out, struct err *err)
{
	struct log_row row;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = log_find(&v, origin, &row, err)))
		rc = tell(&v, &row, out, err);
	view_close(&v);
	return rc;
}

enum err_code store_log_by_id(
	struct store *s, uint32_t id, struct log_info *out, struct err *err)
{
	struct log_row row;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = log_get(&v, id, &row, err)))
		rc = tell(&v, &row, out, err);
	view_close(&v);
	return rc;
}

enum err_code store_log_own(
	struct store *s, struct log_info *out, struct err *err)
{
	struct log_row row;
	struct view v;
	enum err_code rc;
	uint64_t id;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if ((rc = meta_get_u64(v.txn, "own", &id, err)))
		goto out;
	if (!id)
		rc = err_set(err, ERR_NOT_FOUND, "no log of our own yet");
	else if (!(rc = log_get(&v, (uint32_t)id, &row, err)))
		rc = tell(&v, &row, out, err);
out:
	view_close(&v);
	return rc;
}

/* The number behind *id; some may have been lost. */
static enum err_code next_log(struct store *s, uint32_t *id, struct err *err)
{
	struct key k = key_of_log(*id + 1);
	struct bytes found;
	struct cursor c;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = index_ceil(v.txn, DB_LOG, key_bytes(&k), &found, NULL, err);
	if (!rc) {
		c = value_cursor(found);
		*id = cursor_u32(&c);
		if (!cursor_done(&c))
			rc = row_corrupt(err, "logs");
	}
	view_close(&v);
	return rc;
}

/* Each in a transaction of its own: a visit may take its time. */
enum err_code store_log_each(
	struct store *s, store_log_visit *visit, void *arg, struct err *err)
{
	struct log_info info;
	uint32_t id = 0;
	enum err_code rc;

	while (!(rc = next_log(s, &id, err)))
		if ((rc = store_log_by_id(s, id, &info, err)) ||
			(rc = visit(arg, &info, err)))
			return rc;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static struct key key_of_note(uint32_t log, enum which_note which)
{
	struct key k = key_of_log(log);

	key_u8(&k, (uint8_t)which);
	return k;
}

enum err_code note_get(const struct view *v, uint32_t log,
	enum which_note which, struct buf *out, struct err *err)
{
	static const char *const names[] = {"complete", "pending", "cosigned"};
	struct key k = key_of_note(log, which);
	struct bytes value;
	enum err_code rc;

	rc = index_get(v->txn, DB_NOTE, key_bytes(&k), &value, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "log %u has no %s checkpoint", log,
			names[which]);
	if (rc)
		return rc;
	buf_add(out, value.data, value.len);
	return buf_ok(out, err);
}

enum err_code note_put(struct index_txn *t, uint32_t log, enum which_note which,
	struct bytes note, struct err *err)
{
	struct key k = key_of_note(log, which);

	return index_put(t, DB_NOTE, key_bytes(&k), note, err);
}

enum err_code note_checkpoint(
	struct bytes note, struct checkpoint *out, struct err *err)
{
	struct note n;
	enum err_code rc;

	if ((rc = note_parse(note.data, note.len, &n, err)))
		return rc;
	return checkpoint_parse(n.text, n.text_len, out, err);
}

bool note_cosigned(const struct note *n, const char *origin)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->line[i].name, origin) != 0)
			return true;
	return false;
}

static enum err_code sign(struct store *s, const struct log_row *row,
	struct buf *out, struct err *err)
{
	struct checkpoint cp = {
		.size = row->edge.size, .root = tree_root(&row->edge)};

	memcpy(cp.origin, row->origin, sizeof(cp.origin));
	return s->sign(s->sign_arg, &cp, out, err);
}

enum err_code store_note(struct store *s, uint32_t log, enum which_note which,
	struct buf *out, struct err *err)
{
	bool later = false;
	struct log_row row;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if ((rc = log_get(&v, log, &row, err)) ||
		(which != NOTE_COSIGNED &&
			(rc = can_sign(&v, &row, &later, err))))
		goto out;
	if (which == NOTE_PENDING && !row.has[NOTE_PENDING])
		which = NOTE_COMPLETE;
	if (!later)
		rc = note_get(&v, log, which, out, err);
out:
	view_close(&v);
	return rc || !later ? rc : sign(s, &row, out, err);
}
