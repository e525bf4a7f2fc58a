/* mend.c - entries that a peer proved take the place of damaged ones; damage
 * that nothing needs any more is closed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"

/* ---- places ---- */

/* The row that stands at `seq` or before, and where it begins. */
static enum err_code row_at(struct index_txn *t, uint32_t log, uint64_t seq,
	uint64_t *first, struct key *value, struct err *err)
{
	struct key k = key_of_seq(log, seq);
	struct bytes found;
	struct bytes v;
	struct cursor c;
	enum err_code rc;

	rc = index_floor(t, DB_ENTRIES, key_bytes(&k), &found, &v, err);
	if (rc)
		return rc;
	c = value_cursor(found);
	if (cursor_u32(&c) != log)
		return ERR_NOT_FOUND;
	*first = cursor_u64(&c);
	if (!cursor_done(&c) || v.len >= KEY_LIMIT)
		return row_corrupt(err, "entries");
	*value = KEY_EMPTY;
	key_add(value, v.data, v.len);
	return ERR_OK;
}

static enum err_code drop_rows(struct index_txn *t, enum index_db db,
	uint32_t log, uint64_t first, uint64_t last, struct err *err)
{
	struct key from = key_of_seq(log, first);
	struct bytes found;
	enum err_code rc;

	while (!(rc = index_ceil(t, db, key_bytes(&from), &found, NULL, err))) {
		struct cursor c = value_cursor(found);
		struct key k = KEY_EMPTY;

		if (cursor_u32(&c) != log || cursor_u64(&c) > last)
			return ERR_OK;
		key_add(&k, found.data, found.len);
		if ((rc = index_del(t, db, key_bytes(&k), err)))
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* What stood behind the last one goes on to stand there. */
static enum err_code keep_rest(struct index_txn *t, const struct log_row *row,
	uint64_t last, struct err *err)
{
	struct key k = key_of_seq(row->id, last + 1);
	struct key value;
	uint64_t first;
	enum err_code rc;

	if (last + 1 >= row->edge.size)
		return ERR_OK;
	rc = row_at(t, row->id, last + 1, &first, &value, err);
	if (rc || first == last + 1)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	return index_put(t, DB_ENTRIES, key_bytes(&k), key_bytes(&value), err);
}

static enum err_code put_rows(struct index_txn *t, const struct log_row *row,
	uint64_t first, uint64_t last, const struct entry_place *at,
	struct err *err)
{
	struct key k = key_of_seq(row->id, first);
	struct key value = KEY_EMPTY;
	enum err_code rc;

	key_u64(&value, last);
	if ((rc = keep_rest(t, row, last, err)) ||
		(rc = drop_rows(t, DB_ENTRIES, row->id, first, last, err)) ||
		(rc = entry_place_put(t, DB_ENTRIES, row->id, first, at, err)))
		return rc;
	return index_put(t, DB_MENDED, key_bytes(&k), key_bytes(&value), err);
}

enum err_code mend_places(const struct view *v, struct log_row *row,
	const struct item *it, const struct entry_place *at,
	const struct digest *leaves, struct err *err)
{
	enum err_code rc;

	if (it->last >= row->edge.size)
		return err_set(err, ERR_CORRUPT,
			"log %s: entries up to %" PRIu64
			" were mended, %" PRIu64 " are here",
			row->origin, it->last, row->edge.size);
	if ((rc = put_rows(v->txn, row, it->first, it->last, at, err)))
		return rc;
	for (uint64_t i = 0; i <= it->last - it->first && !rc; i++) {
		struct key k = key_of_seq(row->id, it->first + i);

		rc = index_put(v->txn, DB_LEAF, key_bytes(&k),
			(struct bytes){leaves[i].b, DIGEST_SIZE}, err);
	}
	return rc ? rc : leaves_mend(v, row, it->first, err);
}

/* ---- by id and digest ---- */

enum err_code mend_finds(const struct view *v, struct ids *ids,
	struct finds *finds, const struct entry *e, const struct digest *leaf,
	uint32_t log, uint64_t seq, uint64_t arrival, struct err *err)
{
	struct finder_entry print = finder_entry_of(v->txn, leaf, arrival);
	struct id_row id = {.arrival = arrival};
	size_t known = 0;
	bool all;
	enum err_code rc;

	memcpy(id.uuid, e->uuid, UUID_SIZE);
	if ((rc = ids_known(v->txn, &id, 1, &all, err)) ||
		(!all &&
			(rc = arrival_index(
				 v->txn, ids, e, log, seq, arrival, err))) ||
		(rc = finder_count(v->txn, DB_DIGEST, &print, 1, &known, err)))
		return rc;
	for (size_t i = 0; i <= e->sd_count && !known; i++) {
		if (!grow(finds->at, finds->cap, *finds->count,
			    sizeof(**finds->at)))
			return err_nomem(err);
		(*finds->at)[(*finds->count)++] = finder_entry_of(
			v->txn, i < e->sd_count ? &e->sd[i] : leaf, arrival);
	}
	return ERR_OK;
}

/* ---- into a batch ---- */

/* Parts that can still be read here and did not come along; `pins` hold what
 * they borrow from. */
static enum err_code salvage(const struct view *v, uint32_t log, uint64_t seq,
	const struct entry *e, struct record *r,
	struct block *pins[LABEL_COUNT], struct err *err)
{
	struct block_entry key = {
		.series = e->series, .series_len = strlen(e->series)};
	struct block *directory = NULL;
	struct entry_place at;
	enum err_code rc;

	if ((rc = entry_locate(v, log, seq, &at, err)) == ERR_OK)
		rc = at.commit.offset == PLACE_LOST
			? ERR_NOT_FOUND
			: block_directory(v, at.commit, &directory, err);
	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++) {
		const struct part_row *row = NULL;
		struct place place =
			block_of_part(directory, log, &key, l, seq);
		struct digest d;

		if (r->have & LABEL_BIT(l) || !place.segment)
			continue;
		rc = block_parts(v, place, &pins[l], err);
		if (!rc)
			row = part_find(pins[l], seq);
		if (row && !row->erased)
			rc = part_digest(row->part.seed, l, row->part.json,
				row->part.len, &d, err);
		if (is_damage(rc))
			rc = ERR_OK;
		for (size_t i = 0;
			row && !row->erased && !rc && i < e->sd_count; i++) {
			if (!digest_equal(&e->sd[i], &d))
				continue;
			r->part[l] = row->part;
			r->have |= LABEL_BIT(l);
		}
	}
	block_unpin(directory);
	return is_damage(rc) ? ERR_OK : rc;
}

static enum err_code mend_one(struct batch *b, struct batch_log *l,
	uint64_t seq, const struct record *from, uint64_t arrival,
	struct err *err)
{
	struct finds finds = {&b->prints, &b->print_count, &b->print_cap};
	struct block *pins[LABEL_COUNT] = {NULL};
	struct record r = *from;
	struct pending *p;
	uint8_t erased;
	struct entry e;
	enum err_code rc;

	if (!grow(&b->mends, &b->mend_cap, b->mend_count, sizeof(*b->mends)))
		return err_nomem(err);
	if (b->s->marks_lost)
		r.have = 0; /* it may have been destroyed here */
	if ((rc = entry_parse(r.entry, r.entry_len, &e, err)) ||
		(rc = salvage(&b->view, l->row.id, seq, &e, &r, pins, err)) ||
		(rc = view_erased(
			 &b->view, l->row.id, seq, &erased, NULL, err)))
		goto out;
	/* What was destroyed here does not come back by a peer. */
	r.have &= (uint8_t)~erased;
	r.digested = 0;
	if ((rc = batch_take(b, l->row.id, seq, &r, &e, err)))
		goto out;
	p = &b->pending[b->pending_count];
	p->mended = true;
	b->mends[b->mend_count++] = b->pending_count++;
	l->changed = true;
	rc = arrival ? mend_finds(&b->view, &b->ids, &finds, &e, &p->leaf,
			       l->row.id, seq, arrival, err)
		     : batch_arrive(b, p, &e, err);
	if (rc)
		b->spoiled = rc;
out:
	for (int i = 0; i < LABEL_COUNT; i++)
		block_unpin(pins[i]);
	return rc;
}

enum err_code batch_mend(struct batch *b, uint32_t log, uint64_t from,
	const struct record *records, size_t count, struct err *err)
{
	uint64_t *arrivals = calloc(count + 1, sizeof(*arrivals));
	struct batch_log *l;
	enum err_code rc = arrivals ? ERR_OK : err_nomem(err);

	if (rc || (rc = batch_log_of(b, log, &l, err)))
		goto out;
	if (l->row.kind == LOG_SPARSE || from > l->first_new ||
		count > l->first_new - from) {
		rc = err_set(err, ERR_USAGE,
			"log %s: entries %" PRIu64 " to %" PRIu64
			" are not here to be mended",
			l->row.origin, from, from + count);
		goto out;
	}
	rc = arrival_find(b->view.txn, log, from, count, arrivals, err);
	for (size_t i = 0; i < count && !rc; i++)
		rc = mend_one(b, l, from + i, &records[i], arrivals[i], err);
out:
	free(arrivals);
	return rc;
}

/* ---- which are damaged ---- */

struct looking {
	struct store *s;
	struct log_row row;
	damaged_visit *visit;
	void *arg;
	struct damaged_run run; /* not told yet */
};

static enum err_code tell_run(struct looking *l, struct err *err)
{
	struct damaged_run run = l->run;

	l->run.count = 0;
	return run.count ? l->visit(l->arg, &run, err) : ERR_OK;
}

static enum err_code add_damaged(struct looking *l, uint64_t seq,
	uint64_t count, struct place need, bool lost, struct err *err)
{
	struct damaged_run *run = &l->run;
	enum err_code rc;

	if (run->count && run->from + run->count == seq && run->lost == lost &&
		place_equal(run->need, need)) {
		run->count += count;
		return ERR_OK;
	}
	if ((rc = tell_run(l, err)))
		return rc;
	*run = (struct damaged_run){l->row.id, seq, count, need, lost};
	return ERR_OK;
}

/* Entries from *seq on to the end of the row that it stands in. */
static enum err_code look_at_row(
	struct looking *l, uint64_t *seq, struct err *err)
{
	struct entry_place at = {.end = UINT64_MAX};
	struct block *b = NULL;
	uint64_t end = l->row.edge.size;
	uint64_t from = *seq;
	struct key k = key_of_seq(l->row.id, from + 1);
	struct bytes found;
	struct cursor c;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(l->s, &v, err)))
		return rc;
	if (!index_ceil(v.txn, DB_ENTRIES, key_bytes(&k), &found, NULL, NULL)) {
		c = value_cursor(found);
		if (cursor_u32(&c) == l->row.id)
			end = cursor_u64(&c);
	}
	if (end > l->row.edge.size)
		end = l->row.edge.size;
	if ((rc = entry_locate(&v, l->row.id, from, &at, err)))
		goto out;
	rc = block_made(&v, at.block, at.commit, &b, err);
	if (is_damage(rc))
		rc = add_damaged(l, from, end - from, at.block,
			at.commit.offset == PLACE_LOST, err);
	for (uint64_t i = from; b && i < end && !rc; i++) {
		size_t n = (size_t)(i - b->head.first);

		if (n >= b->count)
			rc = add_damaged(l, i, 1, at.block, true, err);
		else if (b->entries[n]->damaged)
			rc = add_damaged(
				l, i, 1, b->entries[n]->damage, false, err);
	}
	*seq = end;
out:
	block_unpin(b);
	view_close(&v);
	return rc;
}

/* Single entries with proofs. */
static enum err_code look_at_proved(struct looking *l, struct err *err)
{
	struct key from = key_of_seq(l->row.id, 0);
	struct view v;
	enum err_code rc;

	if ((rc = view_open(l->s, &v, err)))
		return rc;
	while (!rc) {
		struct entry_place at;
		struct block *b = NULL;
		struct bytes found;
		struct cursor c;
		uint64_t seq;

		rc = index_ceil(
			v.txn, DB_PROVED, key_bytes(&from), &found, NULL, err);
		if (rc)
			break;
		c = value_cursor(found);
		if (cursor_u32(&c) != l->row.id)
			break;
		seq = cursor_u64(&c);
		from = key_of_seq(l->row.id, seq + 1);
		if (seq < l->row.edge.size)
			continue; /* its turn came */
		if ((rc = entry_locate_proved(&v, l->row.id, seq, &at, err)))
			break;
		rc = block_made(&v, at.block, at.commit, &b, err);
		if (is_damage(rc))
			rc = add_damaged(l, seq, 1, at.block, false, err);
		else if (!rc && b->entries[0]->damaged)
			rc = add_damaged(
				l, seq, 1, b->entries[0]->damage, false, err);
		block_unpin(b);
	}
	view_close(&v);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code damaged_each(struct store *s, uint32_t log, bool proved,
	damaged_visit *visit, void *arg, struct err *err)
{
	struct looking l = {.s = s, .visit = visit, .arg = arg};
	uint64_t seq = 0;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = log_get(&v, log, &l.row, err);
	view_close(&v);
	while (!rc && !proved && seq < l.row.edge.size)
		rc = look_at_row(&l, &seq, err);
	if (!rc && proved)
		rc = look_at_proved(&l, err);
	return rc ? rc : tell_run(&l, err);
}

struct ranges {
	store_range_visit *visit;
	void *arg;
};

static enum err_code on_damaged(
	void *arg, const struct damaged_run *run, struct err *err)
{
	struct ranges *r = arg;

	return r->visit(r->arg, run->from, run->count, err);
}

enum err_code store_damaged_each(struct store *s, uint32_t log,
	store_range_visit *visit, void *arg, struct err *err)
{
	struct ranges r = {visit, arg};
	struct log_info info;
	enum err_code rc = store_log_by_id(s, log, &info, err);

	cache_clear(s->cache);
	return rc ? rc
		  : damaged_each(s, log, info.kind == LOG_SPARSE, on_damaged,
			    &r, err);
}

enum err_code store_mended_each(struct store *s, uint32_t log,
	store_range_visit *visit, void *arg, struct err *err)
{
	struct key from = key_of_seq(log, 0);
	uint64_t next = 0; /* what was mended twice is told once */

	for (;;) {
		struct bytes found;
		struct bytes value;
		uint64_t first = 0;
		uint64_t last = 0;
		struct cursor c;
		struct view v;
		enum err_code rc;

		if ((rc = view_open(s, &v, err)))
			return rc;
		rc = index_ceil(v.txn, DB_MENDED, key_bytes(&from), &found,
			&value, err);
		if (!rc) {
			c = value_cursor(found);
			if (cursor_u32(&c) != log)
				rc = ERR_NOT_FOUND;
			first = cursor_u64(&c);
			c = value_cursor(value);
			last = cursor_u64(&c);
		}
		view_close(&v);
		if (rc)
			return rc == ERR_NOT_FOUND ? ERR_OK : rc;
		from = key_of_seq(log, first + 1);
		if (first < next)
			first = next;
		if (first > last)
			continue;
		if ((rc = visit(arg, first, last - first + 1, err)))
			return rc;
		next = last + 1;
	}
}

bool store_was_mended(struct store *s, uint32_t log, uint64_t seq)
{
	struct key k = key_of_seq(log, seq);
	struct bytes found, value;
	struct cursor c;
	bool is = false;
	struct view v;

	if (view_open(s, &v, NULL))
		return false;
	if (!index_floor(
		    v.txn, DB_MENDED, key_bytes(&k), &found, &value, NULL)) {
		c = value_cursor(found);
		is = cursor_u32(&c) == log;
		c = value_cursor(value);
		is = is && cursor_u64(&c) >= seq;
	}
	view_close(&v);
	return is;
}

/* ---- closing ---- */

bool place_closed(const struct view *v, struct place at)
{
	struct key k = key_of_place(at);

	return index_get(v->txn, DB_CLOSED, key_bytes(&k), NULL, NULL) ==
		ERR_OK;
}

bool store_closed(struct store *s, uint32_t log, uint64_t seq)
{
	const struct block_entry *e;
	struct entry_place at;
	struct block *b = NULL;
	bool closed = false;
	struct place need;
	struct view v;

	if (view_open(s, &v, NULL))
		return false;
	if (!entry_locate(&v, log, seq, &at, NULL)) {
		need = at.block;
		if (!block_entry(&v, &at, seq, &b, &e, NULL))
			need = e->damage;
		closed = need.segment && place_closed(&v, need);
	}
	block_unpin(b);
	view_close(&v);
	return closed;
}

enum err_code batch_close(
	struct batch *b, const struct damage_places *d, struct err *err)
{
	bool again = false;

	for (size_t i = 0; i < d->count; i++) {
		const bool told = d->at[i].sort == DAMAGED_TOLD;
		const bool refs = d->at[i].sort == DAMAGED_REFS;
		struct key k = key_of_place(d->at[i].at);
		enum err_code rc;

		if (d->at[i].needed || place_closed(&b->view, d->at[i].at) ||
			(told && !retell_can(b, d->at[i].at)) ||
			(refs && !refs_told(&b->view, d->at[i].at)))
			continue;
		again |= told;
		if (!grow(&b->closes, &b->close_cap, b->close_count,
			    sizeof(*b->closes)))
			return err_nomem(err);
		b->closes[b->close_count++] = d->at[i].at;
		rc = index_put(b->view.txn, DB_CLOSED, key_bytes(&k),
			(struct bytes){"", 0}, err);
		if (!rc && told)
			rc = retell_log(b, d->at[i].at, err);
		if (rc) {
			b->spoiled = rc;
			return rc;
		}
	}
	if (d->marks)
		marks_mend(b->s);
	return again ? retell(b, err) : ERR_OK;
}

#define CLOSES_AT_ONCE ((size_t)1 << 16)

enum err_code mend_write_closes(struct group *g, struct err *err)
{
	struct batch *b = g->b;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->close_count && !rc; i += CLOSES_AT_ONCE) {
		struct item it = {.kind = ITEM_CLOSED};
		struct buf payload = BUF_EMPTY;
		struct buf bytes = BUF_EMPTY;

		for (; it.count < CLOSES_AT_ONCE &&
			i + it.count < b->close_count;
			it.count++) {
			buf_u32(&payload, b->closes[i + it.count].segment);
			buf_u64(&payload, b->closes[i + it.count].offset);
		}
		it.plain_len = (uint32_t)payload.len;
		item_write(&it, payload.data, payload.len, &bytes);
		if (!(rc = buf_ok(&payload, err)) &&
			!(rc = buf_ok(&bytes, err)))
			rc = group_add(g, &it, &bytes, NULL, err);
		buf_free(&payload);
		buf_free(&bytes);
	}
	return rc;
}

enum err_code mend_replay_closes(
	const struct view *v, const struct buf *plain, struct err *err)
{
	struct cursor c = cursor_over(plain->data, plain->len);

	while (c.left && cursor_ok(&c)) {
		struct place at = {.segment = cursor_u32(&c)};
		struct key k;
		enum err_code rc;

		at.offset = cursor_u64(&c);
		k = key_of_place(at);
		if (cursor_ok(&c) &&
			(rc = index_put(v->txn, DB_CLOSED, key_bytes(&k),
				 (struct bytes){"", 0}, err)))
			return rc;
	}
	return cursor_done(&c)
		? ERR_OK
		: err_set(err, ERR_CORRUPT,
			  "places of closed damage are malformed");
}

void damage_places_free(struct damage_places *d)
{
	if (!d)
		return;
	free(d->at);
	free(d);
}

enum err_code damage_places_add(struct damage_places *d, struct place at,
	enum damage_sort sort, struct err *err)
{
	for (size_t i = 0; i < d->count; i++)
		if (place_equal(d->at[i].at, at))
			return ERR_OK;
	if (!grow(&d->at, &d->cap, d->count, sizeof(*d->at)))
		return err_nomem(err);
	d->at[d->count++] = (struct damage_place){.at = at, .sort = sort};
	return ERR_OK;
}

struct needing {
	struct store *s;
	struct damage_places *places;
	store_forgone *forgone; /* or NULL */
	void *arg;
	const struct log_info *log;
};

/* An item that an entry needs is named by the entry.  What stood where no item
 * can be told apart any more is needed by each entry that is lost. */
static enum err_code on_needed(
	void *arg, const struct damaged_run *run, struct err *err)
{
	const struct needing *need = arg;
	struct damage_places *d = need->places;
	bool found = false;

	(void)err;
	if (need->forgone &&
		need->forgone(need->arg, need->log, run->from, run->count))
		return ERR_OK;
	for (size_t i = 0; i < d->count; i++) {
		struct damage_place *p = &d->at[i];

		if (!place_equal(p->at, run->need))
			continue;
		found |= p->sort == DAMAGED_ITEM;
		p->needed = true;
	}
	for (size_t i = 0; i < d->count && !found; i++)
		d->at[i].needed |= d->at[i].sort == DAMAGED_BYTES;
	return ERR_OK;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct needing *n = arg;
	enum err_code rc;

	n->log = log;
	rc = damaged_each(n->s, log->id, false, on_needed, n, err);
	return rc ? rc : damaged_each(n->s, log->id, true, on_needed, n, err);
}

enum err_code store_damage_need(struct store *s, struct damage_places *d,
	store_forgone *forgone, void *arg, struct err *err)
{
	struct needing n = {s, d, forgone, arg, NULL};

	for (size_t i = 0; i < d->count; i++)
		d->at[i].needed = false;
	return store_log_each(s, on_log, &n, err);
}

bool damage_needed(const struct damage_places *d, const char *where)
{
	char place[DAMAGE_WHERE_SIZE];

	for (size_t i = 0; i < d->count; i++) {
		damage_where(d->at[i].at, place);
		if (d->at[i].needed && !strcmp(place, where))
			return true;
	}
	return false;
}
