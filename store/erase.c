/* erase.c - destroying parts: write anew what lay under their keys, drop the
 * keys, overwrite the old blocks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/compact.h"

#define MARKS_AT_ONCE ((size_t)1 << 20)
#define DROP_BLOCK 1
#define DROP_OBJECT 2

/* ---- the plan ---- */

static enum err_code doom(struct batch *b, const struct view *v,
	struct place at, size_t *cap, struct err *err)
{
	struct item it;
	struct place now;
	enum err_code rc;

	if ((rc = block_now(v, at, &now, err)) ||
		(rc = segment_head_at(b->s->segments, now, &it, err)))
		return rc;
	for (size_t i = 0; i < b->doomed_count; i++)
		if (b->doomed[i] == it.key)
			return ERR_OK;
	if (!grow(&b->doomed, cap, b->doomed_count, sizeof(*b->doomed)))
		return err_nomem(err);
	b->doomed[b->doomed_count++] = it.key;
	return ERR_OK;
}

struct planning {
	struct batch *b;
	size_t cap;
	struct erase_target *mended; /* of mended entries */
	size_t mended_count, mended_cap;
	bool refers; /* a part refers to attachments, or may have */
};

/* Blocks that a mended entry was in before hold its parts still. */
static enum err_code doom_older(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct planning *p = arg;
	struct batch *b = p->b;

	(void)at;
	for (size_t i = 0; i < p->mended_count; i++) {
		const struct erase_target *t = &p->mended[i];

		if (it->kind != ITEM_PARTS || it->log != t->log ||
			it->label != t->label || t->seq < it->first ||
			t->seq > it->last)
			continue;
		for (size_t k = 0; k < b->doomed_count; k++)
			if (b->doomed[k] == it->key)
				return ERR_OK;
		if (!grow(&b->doomed, &p->cap, b->doomed_count,
			    sizeof(*b->doomed)))
			return err_nomem(err);
		b->doomed[b->doomed_count++] = it->key;
		return ERR_OK;
	}
	return ERR_OK;
}

static enum err_code plan_older(struct planning *p, struct err *err)
{
	uint32_t count = segments_count(p->b->s->segments);
	enum err_code rc = ERR_OK;

	for (uint32_t n = 1; n <= count && p->mended_count && !rc; n++)
		rc = segment_walk(p->b->s->segments,
			segment_now(p->b->s->segments, n), 0, UINT64_MAX,
			doom_older, NULL, p, err);
	return rc;
}

static enum err_code doom_place(void *arg, struct place at, struct err *err)
{
	struct planning *p = arg;

	return doom(p->b, &p->b->view, at, &p->cap, err);
}

static enum err_code doom_refs(void *arg, struct place at, struct err *err)
{
	struct planning *p = arg;

	p->refers = true;
	return doom_place(arg, at, err);
}

/* The block of the part, when the entry at `at` has it. */
static enum err_code doom_part(struct planning *p, const struct erase_target *t,
	const struct entry_place *at, struct err *err)
{
	const struct view *v = &p->b->view;
	struct block *entries = NULL;
	struct block *directory = NULL;
	const struct block_entry *e;
	struct place part;
	enum err_code rc;

	if ((rc = block_entry(v, at, t->seq, &entries, &e, err)) ||
		(rc = block_directory(v, at->commit, &directory, err)))
		goto out;
	if (entries->head.kind == ITEM_MENDED ||
		(entries->head.kind == ITEM_PROVED &&
			mend_proved_is(v, t->log, t->seq))) {
		if (!grow(&p->mended, &p->mended_cap, p->mended_count,
			    sizeof(*p->mended))) {
			rc = err_nomem(err);
			goto out;
		}
		p->mended[p->mended_count++] = *t;
	}
	p->b->blind |= e->damaged || !(e->computed & LABEL_BIT(t->label));
	if (!(e->computed & LABEL_BIT(t->label)))
		goto out;
	part = block_of_part(directory, t->log, e, (uint8_t)t->label, t->seq);
	if (part.segment)
		rc = doom_place(p, part, err);
	else
		p->b->blind = true;
out:
	block_unpin(entries);
	block_unpin(directory);
	return rc;
}

static enum err_code plan_target(
	struct planning *p, const struct erase_target *t, struct err *err)
{
	const struct view *v = &p->b->view;
	struct batch_log *l;
	struct entry_place at;
	enum err_code rc;

	if ((rc = batch_log_of(p->b, t->log, &l, err)))
		return rc;
	if (t->seq < l->first_new &&
		((rc = entry_locate(v, t->log, t->seq, &at, err)) ||
			(rc = doom_part(p, t, &at, err))))
		return rc;
	rc = entry_locate_proved(v, t->log, t->seq, &at, err);
	if (!rc && at.block.segment)
		rc = doom_part(p, t, &at, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	return refs_places(v, t, doom_refs, p, err);
}

enum err_code erase_plan(struct batch *b, struct err *err)
{
	struct planning p = {.b = b};
	enum err_code rc = b->erasing ? refs_lost_check(&b->view, err) : ERR_OK;

	if (!rc && b->mark_count)
		rc = compact_settle(&b->view, err);
	for (size_t i = 0; i < b->mark_count && !rc; i++)
		rc = plan_target(&p, &b->marks[i].part, err);
	if (!rc && (p.refers || b->blind))
		rc = refs_lost_places(&b->view, doom_place, &p, err);
	if (!rc)
		rc = plan_older(&p, err);
	free(p.mended);
	if (b->doomed_count)
		qsort(b->doomed, b->doomed_count, sizeof(*b->doomed),
			compare_u64);
	return rc;
}

/* ---- writing anew ---- */

static enum err_code mark_rows(const struct view *v, const struct item *it,
	struct part_row *rows, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct part_row *r = &rows[i];
		struct key k = key_of_part(it->log, it->label, r->seq);
		enum err_code rc;

		if (r->erased)
			continue;
		rc = index_get(v->txn, DB_ERASED, key_bytes(&k), NULL, err);
		if (rc == ERR_NOT_FOUND)
			continue;
		if (rc ||
			(rc = part_digest(r->part.seed, it->label, r->part.json,
				 r->part.len, &r->digest, err)))
			return rc;
		r->erased = true;
	}
	return ERR_OK;
}

static enum err_code parts_rewrite(const struct view *v, const struct item *it,
	const struct buf *plain, struct buf *out, struct err *err)
{
	struct part_row *rows = calloc(it->count + (size_t)1, sizeof(*rows));
	size_t count;
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	if (!(rc = parts_block_read(
		      plain->data, plain->len, rows, it->count, &count, err)) &&
		!(rc = mark_rows(v, it, rows, count, err)))
		rc = parts_block(rows, count, out, err);
	free(rows);
	return rc;
}

static enum err_code rewrite(struct group *g, struct place at,
	const struct item *old, struct err *err)
{
	const struct view *v = &g->b->view;
	struct item it = *old;
	struct buf plain = BUF_EMPTY;
	struct buf fresh = BUF_EMPTY;
	struct buf out = BUF_EMPTY;
	struct place now;
	enum err_code rc;

	if (!it.origin.segment)
		it.origin = at;
	if ((rc = batch_key(g->b, it.name, it.label, &it.key, err)))
		goto out;
	rc = block_plain(g->b->s, at, &(struct item){0}, &plain, err);
	/* Damage that nothing needs goes with its key. */
	if (is_damage(rc) && place_closed(v, at)) {
		it.count = 0;
		rc = it.kind == ITEM_PARTS ? parts_block(NULL, 0, &fresh, err)
					   : ERR_OK;
	} else if (rc) {
		goto out;
	} else if (it.kind == ITEM_PARTS) {
		rc = parts_rewrite(v, &it, &plain, &fresh, err);
	} else {
		rc = refs_rewrite(v, &it, &plain, &fresh, err);
	}
	if (rc ||
		(rc = seal_item(g->b->s, &it, &fresh, it.kind == ITEM_PARTS,
			 &out, err)) ||
		(rc = group_add(g, &it, &out, &now, err)))
		goto out;
	rc = erase_moved(v, it.origin, now, err);
out:
	buf_wipe(&plain);
	buf_wipe(&fresh);
	buf_free(&out);
	return rc;
}

static enum err_code on_old(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct group *g = arg;
	struct place now;
	enum err_code rc;

	if (it->suite != SUITE_SEALED ||
		!bsearch(&it->key, g->b->doomed, g->b->doomed_count,
			sizeof(it->key), compare_u64))
		return ERR_OK;
	rc = block_now(
		&g->b->view, it->origin.segment ? it->origin : at, &now, err);
	/* One that was moved on already is none of the living. */
	if (rc || !place_equal(now, at) ||
		(rc = compact_again(
			 g->b->view.txn, segment_number(at.segment), err)))
		return rc;
	return rewrite(g, at, it, err);
}

static enum err_code on_gap(
	void *arg, struct place at, uint64_t len, struct err *err)
{
	struct group *g = arg;

	if (place_closed(&g->b->view, at))
		return ERR_OK;
	return err_set(err, ERR_CORRUPT,
		"segment %s at %" PRIu64 ": %" PRIu64 " bytes are no item",
		segment_name(at.segment).text, at.offset, len);
}

/* All blocks of a segment; behind damage that nothing needs any more too. */
static enum err_code each_block(
	struct group *g, uint32_t id, uint64_t end, struct err *err)
{
	struct segments *s = g->b->s->segments;

	if (!index_count(g->b->view.txn, DB_CLOSED))
		return segment_all(s, id, end, on_old, g, err);
	return segment_walk(s, id, 0, end, on_old, on_gap, g, err);
}

/* Marks of one order from marks[*from] on. */
static enum err_code write_marks(struct group *g, size_t *from, struct err *err)
{
	const struct batch *b = g->b;
	const size_t order = b->marks[*from].order;
	struct item it = {.kind = ITEM_ERASED};
	struct buf payload = BUF_EMPTY;
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	erasure_write(&b->orders[order], &payload);
	for (; *from < b->mark_count && b->marks[*from].order == order &&
		it.count < MARKS_AT_ONCE;
		++*from, it.count++) {
		const struct erase_target *t = &b->marks[*from].part;

		buf_u32(&payload, t->log);
		buf_u64(&payload, t->seq);
		buf_u8(&payload, (uint8_t)t->label);
	}
	it.plain_len = (uint32_t)payload.len;
	item_write(&it, payload.data, payload.len, &bytes);
	if (!(rc = buf_ok(&payload, err)) && !(rc = buf_ok(&bytes, err)))
		rc = group_add(g, &it, &bytes, NULL, err);
	buf_free(&payload);
	buf_free(&bytes);
	return rc;
}

/* Where the groups of a segment end; where the head that tells it is lost, all
 * that is there may be some. */
static enum err_code end_of(
	struct store *s, uint32_t number, uint64_t *end, struct err *err)
{
	uint32_t id = segment_now(s->segments, number);
	enum err_code rc;

	*end = s->end;
	if (number == segments_count(s->segments))
		return ERR_OK;
	rc = segment_end(s->segments, id, end, err);
	if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND)
		return rc;
	*end = 0;
	rc = segment_size(s->segments, id, end, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* A key is of one segment; which one its blocks tell.  All are walked when
 * there is something to drop: heads only, and whole, or what a damaged head
 * hides would go with its key. */
enum err_code erase_write(struct group *g, struct err *err)
{
	struct batch *b = g->b;
	uint32_t count = segments_count(b->s->segments);
	uint64_t end;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->mark_count && !rc;)
		rc = write_marks(g, &i, err);
	for (size_t i = 0; i < b->mark_count && !rc; i++)
		rc = refs_erase(&b->view, &b->marks[i].part, err);
	if (!rc && b->erasing && b->blind)
		rc = refs_drop_strays(&b->view, err);
	if (!b->doomed_count)
		return rc;
	for (uint32_t n = 1; n <= count && !rc; n++) {
		if (!(rc = end_of(b->s, n, &end, err)))
			rc = each_block(
				g, segment_now(b->s->segments, n), end, err);
	}
	return rc;
}

/* Places only ever move forward, so replaying a move twice does no harm. */
enum err_code erase_moved(const struct view *v, struct place origin,
	struct place now, struct err *err)
{
	struct key value = key_of_place(now);
	struct key k = key_of_place(origin);
	struct place before;
	struct item it;
	enum err_code rc;

	if ((rc = block_now(v, origin, &before, err)) ||
		(rc = segment_head_at(v->s->segments, before, &it, err)))
		return rc;
	if (!place_before(before, now))
		return ERR_OK;
	if ((rc = index_put(
		     v->txn, DB_MOVED, key_bytes(&k), key_bytes(&value), err)))
		return rc;
	return erase_drop(v->txn, before, it.key, err);
}

enum err_code erase_drop(
	struct index_txn *t, struct place at, uint64_t key, struct err *err)
{
	struct key value = KEY_EMPTY;
	struct key k = KEY_EMPTY;

	key_u64(&value, key);
	key_u8(&k, DROP_BLOCK);
	key_u32(&k, at.segment);
	key_u64(&k, at.offset);
	return index_put(t, DB_DROP, key_bytes(&k), key_bytes(&value), err);
}

enum err_code erase_marks_replay(
	const struct view *v, const struct buf *plain, struct err *err)
{
	struct cursor c = cursor_over(plain->data, plain->len);
	struct erasure why;
	bool whole = erasure_read(&c, &why);
	enum err_code rc;

	while (whole && c.left) {
		struct erase_target t = {.log = cursor_u32(&c)};

		t.seq = cursor_u64(&c);
		t.label = cursor_u8(&c);
		whole = cursor_ok(&c) && t.label < LABEL_COUNT;
		if (whole &&
			((rc = erased_put(v->txn, &t, &why, err)) ||
				(rc = refs_erase(v, &t, err))))
			return rc;
	}
	if (!whole)
		return err_set(err, ERR_CORRUPT,
			"marks of erased parts are malformed");
	return ERR_OK;
}

/* ---- destroying ---- */

struct drops {
	struct place *blocks;
	size_t block_count, block_cap;
	uint64_t *keys;
	size_t key_count, key_cap;
	struct digest *objects;
	size_t object_count, object_cap;
};

static enum err_code add_key(
	struct store *s, struct drops *d, uint64_t id, struct err *err)
{
	struct seal_secret key;
	enum err_code rc = keyring_get(s->keyring, id, &key, err);

	seal_secret_wipe(&key);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK; /* dropped before a crash */
	if (rc)
		return rc;
	for (size_t i = 0; i < d->key_count; i++)
		if (d->keys[i] == id)
			return ERR_OK;
	if (!grow(&d->keys, &d->key_cap, d->key_count, sizeof(*d->keys)))
		return err_nomem(err);
	d->keys[d->key_count++] = id;
	return ERR_OK;
}

static enum err_code add_drop(struct store *s, struct drops *d,
	struct bytes found, struct bytes value, struct err *err)
{
	struct cursor c = value_cursor(found);
	uint8_t what = cursor_u8(&c);
	uint64_t id;

	if (what == DROP_OBJECT) {
		if (!grow(&d->objects, &d->object_cap, d->object_count,
			    sizeof(*d->objects)))
			return err_nomem(err);
		cursor_copy(&c, d->objects[d->object_count++].b, DIGEST_SIZE);
		return cursor_done(&c) ? ERR_OK : row_corrupt(err, "drops");
	}
	if (!grow(&d->blocks, &d->block_cap, d->block_count,
		    sizeof(*d->blocks)))
		return err_nomem(err);
	d->blocks[d->block_count].segment = cursor_u32(&c);
	d->blocks[d->block_count++].offset = cursor_u64(&c);
	if (!cursor_done(&c))
		return row_corrupt(err, "drops");
	c = value_cursor(value);
	id = cursor_u64(&c);
	return cursor_done(&c) ? add_key(s, d, id, err)
			       : row_corrupt(err, "drops");
}

static enum err_code read_drops(
	struct store *s, struct drops *d, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found;
	struct bytes value;
	struct index_txn *t;
	enum err_code rc;

	if ((rc = index_begin(s->index, false, &t, err)))
		return rc;
	key_u8(&from, 0);
	while (!(rc = index_ceil(
			 t, DB_DROP, key_bytes(&from), &found, &value, err))) {
		from = KEY_EMPTY;
		key_add(&from, found.data, found.len);
		key_u8(&from, 0); /* right behind */
		if ((rc = add_drop(s, d, found, value, err)))
			break;
	}
	index_abort(t);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a;
	const struct place *y = b;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Of the newest group nothing is overwritten: without the index one whose
 * payloads do not fit looks like one that a power cut tore.  A head behind it
 * says that it is whole.  Such blocks are those that packing took. */
static enum err_code leave_newest_group(
	struct store *s, const struct drops *d, struct err *err)
{
	for (size_t i = 0; i < d->block_count; i++) {
		const struct place *at = &d->blocks[i];

		if (segment_number(at->segment) ==
				segments_count(s->segments) &&
			at->offset >= s->newest)
			return commit_new_segment(s, err);
	}
	return ERR_OK;
}

static enum err_code punch(struct store *s, struct drops *d, struct err *err)
{
	enum err_code rc = leave_newest_group(s, d, err);

	crash_point("erase.left");
	if (d->block_count)
		qsort(d->blocks, d->block_count, sizeof(*d->blocks),
			compare_places);
	for (size_t i = 0; i < d->block_count && !rc; i++) {
		uint32_t segment = d->blocks[i].segment;

		rc = segment_punch(s->segments, d->blocks[i], err);
		if (!rc &&
			(i + 1 == d->block_count ||
				d->blocks[i + 1].segment != segment))
			rc = segment_sync(s->segments, segment, err);
		/* What was packed since is not there to be destroyed. */
		if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
	}
	for (size_t i = 0; i < d->block_count && !rc; i++)
		segment_give_back(s->segments, d->blocks[i]);
	return rc;
}

/* What a crash cut off before it was acknowledged may have been put again, and
 * now be erased: no mark names what stands there. */
static enum err_code cut_tails(struct store *s, struct err *err)
{
	uint32_t count = segments_count(s->segments);
	enum err_code rc = ERR_OK;

	for (uint32_t n = 1; n <= count && !rc; n++) {
		uint64_t end;

		if (!(rc = end_of(s, n, &end, err)))
			rc = segment_cut_tail(s->segments,
				segment_now(s->segments, n), end, err);
	}
	return rc;
}

static enum err_code object_keys(
	struct store *s, struct drops *d, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < d->object_count && !rc; i++) {
		uint64_t ids[ATTACHMENT_KEYS];
		size_t count;

		rc = attachment_keys(s->data, &d->objects[i], ids, &count, err);
		for (size_t k = 0; k < count && !rc; k++)
			rc = add_key(s, d, ids[k], err);
	}
	return rc;
}

static enum err_code destroy_objects(
	struct store *s, const struct drops *d, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < d->object_count && !rc; i++)
		rc = attachment_destroy(s->data, &d->objects[i], err);
	return rc;
}

static enum err_code forget_drops(
	struct store *s, const struct drops *d, struct err *err)
{
	struct index_txn *t;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	for (size_t i = 0; i < d->block_count && !rc; i++) {
		struct key k = KEY_EMPTY;

		key_u8(&k, DROP_BLOCK);
		key_u32(&k, d->blocks[i].segment);
		key_u64(&k, d->blocks[i].offset);
		rc = index_del(t, DB_DROP, key_bytes(&k), err);
	}
	for (size_t i = 0; i < d->object_count && !rc; i++) {
		struct key k = KEY_EMPTY;

		key_u8(&k, DROP_OBJECT);
		key_add(&k, d->objects[i].b, DIGEST_SIZE);
		rc = index_del(t, DB_DROP, key_bytes(&k), err);
	}
	if (!rc)
		return index_commit(t, err);
	index_abort(t);
	return rc;
}

/* Keys first: from then on nothing opens the old blocks, and overwriting them
 * is for those who copied the keyring before.  Every step can be done again
 * after a crash. */
enum err_code store_finish_erasing(struct store *s, struct err *err)
{
	struct drops d = {0};
	enum err_code rc;

	if (!s->drops)
		return ERR_OK;
	cache_clear(s->cache);
	reserve_release(s, RESERVE_IF_SCARCE);
	if ((s->marks_behind && (rc = marks_rewrite(s, err))) ||
		(rc = read_drops(s, &d, err)) || (rc = object_keys(s, &d, err)))
		goto out;
	crash_point("erase.committed");
	if (d.key_count &&
		(rc = keyring_drop(s->keyring, d.keys, d.key_count, err)))
		goto out;
	crash_point("erase.dropped");
	if ((rc = compact_sweep(s, err)) || (rc = punch(s, &d, err)) ||
		(rc = cut_tails(s, err)))
		goto out;
	crash_point("erase.punched");
	if ((rc = destroy_objects(s, &d, err)))
		goto out;
	crash_point("erase.destroyed");
	if (!(rc = forget_drops(s, &d, err)))
		s->drops = false;
	crash_point("erase.forgotten");
out:
	free(d.blocks);
	free(d.keys);
	free(d.objects);
	packers_clear(s->packers);
	(void)reserve_take(s, NULL);
	return rc ? err_while(err, rc, "finish an erasure") : ERR_OK;
}
