/* refs_lost.c - references to attachments that damage took: what waits until
 * they are told again, and what an erasure reaches all the same. */
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/listing.h"

/* A place in DB_LOST_REFS: what stood there may have been references. */
#define REFS_OPEN 0
#define REFS_TOLD 1 /* the documents told them again */

static enum err_code put(
	struct index_txn *t, struct place at, uint8_t state, struct err *err)
{
	struct key k = key_of_place(at);
	struct key value = KEY_EMPTY;

	key_u8(&value, state);
	return index_put(
		t, DB_LOST_REFS, key_bytes(&k), key_bytes(&value), err);
}

enum err_code refs_lose(const struct view *v, struct place at, struct err *err)
{
	return put(v->txn, at, REFS_OPEN, err);
}

typedef enum err_code lost_visit(
	void *arg, struct place at, uint8_t state, struct err *err);

static enum err_code each_lost(
	const struct view *v, lost_visit *visit, void *arg, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found, value;
	enum err_code rc;

	key_u8(&from, 0);
	while (!(rc = index_ceil(v->txn, DB_LOST_REFS, key_bytes(&from), &found,
			 &value, err))) {
		struct cursor c = value_cursor(found);
		struct cursor state = value_cursor(value);
		struct place at = {.segment = cursor_u32(&c)};
		uint8_t is = cursor_u8(&state);

		at.offset = cursor_u64(&c);
		if (!cursor_done(&c) || !cursor_done(&state))
			return row_corrupt(err, "lost references");
		from = key_of_place(at);
		key_u8(&from, 0); /* right behind */
		if ((rc = visit(arg, at, is, err)))
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* ---- what waits ---- */

static enum err_code refuse_open(
	void *arg, struct place at, uint8_t state, struct err *err)
{
	char where[DAMAGE_WHERE_SIZE];

	if (state == REFS_TOLD || place_closed(arg, at))
		return ERR_OK;
	damage_where(at, where);
	return err_set(err, ERR_CORRUPT,
		"%s: references to attachments may be lost: nothing is "
		"destroyed before cundang repair",
		where);
}

enum err_code refs_lost_check(const struct view *v, struct err *err)
{
	struct view own = *v;

	return each_lost(v, refuse_open, &own, err);
}

enum err_code store_refs_check(struct store *s, struct err *err)
{
	struct view v;
	enum err_code rc = view_open(s, &v, err);

	if (rc)
		return rc;
	rc = refs_lost_check(&v, err);
	view_close(&v);
	return rc;
}

static enum err_code tell_row(
	void *arg, struct place at, uint8_t state, struct err *err)
{
	const struct batch *b = arg;

	return state == REFS_TOLD ? ERR_OK
				  : put(b->view.txn, at, REFS_TOLD, err);
}

enum err_code batch_refs_told(
	struct batch *b, const struct damage_places *d, struct err *err)
{
	enum err_code rc = each_lost(&b->view, tell_row, b, err);

	for (size_t i = 0; i < d->count && !rc; i++)
		if (d->at[i].sort == DAMAGED_REFS)
			rc = put(b->view.txn, d->at[i].at, REFS_TOLD, err);
	if (rc)
		b->spoiled = rc;
	return rc;
}

bool refs_told(const struct view *v, struct place at)
{
	struct key k = key_of_place(at);
	struct bytes value;

	return !index_get(v->txn, DB_LOST_REFS, key_bytes(&k), &value, NULL) &&
		value.len == 1 && *(const uint8_t *)value.data == REFS_TOLD;
}

/* ---- what an erasure reaches ---- */

struct reaching {
	const struct view *view;
	place_visit *visit;
	void *arg;
};

static enum err_code reach(
	void *arg, struct place at, uint8_t state, struct err *err)
{
	const struct reaching *r = arg;
	struct place now;
	struct item it;

	(void)state;
	if (segment_head_at(r->view->s->segments, at, &it, NULL) ||
		it.kind != ITEM_REFS || block_now(r->view, at, &now, NULL) ||
		!place_equal(now, at))
		return ERR_OK; /* it is empty since, or nobody knows its key */
	return r->visit(r->arg, at, err);
}

enum err_code refs_lost_places(
	const struct view *v, place_visit *visit, void *arg, struct err *err)
{
	struct reaching r = {v, visit, arg};

	return each_lost(v, reach, &r, err);
}

static bool is_object(const char *name, struct digest *out)
{
	return strlen(name) > 3 && name[2] == '/' &&
		digest_from_hex(name + 3, strlen(name + 3), out);
}

/* A part that cannot be read does not tell what it referred to; what is of no
 * part that can be read is of such a one. */
enum err_code refs_drop_strays(const struct view *v, struct err *err)
{
	struct listing files = {0};
	char *path = NULL;
	enum err_code rc = ERR_OK;

	if (!index_count(v->txn, DB_LOST_REFS))
		return ERR_OK;
	if (!(path = file_join(v->s->data, "attachments")))
		rc = err_nomem(err);
	else
		rc = listing_make(path, &files, err);
	for (size_t i = 0; i < files.count && !rc; i++) {
		struct digest object;
		bool any;

		if (is_object(files.name[i], &object) &&
			!attachment_noted(v->s->data, &object) &&
			!(rc = refs_any(v, &object, &any, err)) && !any)
			rc = refs_drop_object(v, &object, err);
	}
	listing_free(&files);
	free(path);
	return rc;
}
