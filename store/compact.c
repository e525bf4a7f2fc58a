/* compact.c - sealed segments are packed, and the index led over to them.
 *
 * docs/format.md 4.8.  What is packed is written aside without disturbing
 * anybody, and thrown away when an erasure came meanwhile.  Then the index
 * tells that it is about to take the segment's place (DB_META "packing"), it
 * gets its name, and block by block the index is led over to it, each in a
 * transaction of its own, so that a put waits for one of them at most.  At the
 * end nothing leads to the old file, which goes.
 *
 * From the moment it has its name the packed file is the segment: an erasure
 * leads the index over in its own transaction before it looks for anything. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/compact.h"
#include "store/pack.h"

#define PACKING "packing"     /* the id on its way, or 0 */
#define MOVES "moves"	      /* counts batches that wrote blocks anew */
#define COMPACTED "compacted" /* segments up to this need no look */
#define PACKS "packs"	      /* how often all segments were, by the index */

#define SMALL_ROWS 128	/* a block with fewer is small */
#define SMALL_BLOCKS 32 /* fewer are not worth writing a segment anew */
#define SURVEY_STEP 1024
/* What failed is tried again: a check ends soon, room comes back some day. */
#define RETRY_BUSY 1 /* seconds */
#define RETRY_FULL 60
#define NICE 10
#define READERS_WAITS 500 /* of 10 ms */

struct compactor {
	struct store *s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool woken;
	bool stop;
};

/* ---- is it worth it? ---- */

struct survey {
	struct view view;
	struct store *s;
	uint64_t items, blocks;
	uint64_t live, dead; /* bytes */
	uint64_t need;	     /* what is packed takes, about */
	uint64_t small;	     /* blocks that would be joined */
	bool mends;
	/* Of the group under the eye. */
	struct {
		uint64_t bytes, records, whole, joined, small;
	} group;
};

static bool is_small(const struct item *it)
{
	return (it->kind == ITEM_ENTRIES || it->kind == ITEM_PARTS) &&
		it->count < SMALL_ROWS;
}

/* Rows of small blocks are compressed together; of notes and commit items few
 * are left. */
static uint64_t size_joined(const struct item *it)
{
	if (it->kind == ITEM_NOTE)
		return 0;
	return is_small(it) ? it->plain_len / 2 : item_size(it);
}

static void survey_group(struct survey *v)
{
	if (pack_is_large(v->group.bytes, v->group.records)) {
		v->need += v->group.whole;
	} else {
		v->need += v->group.joined;
		v->small += v->group.small;
	}
	memset(&v->group, 0, sizeof(v->group));
}

static enum err_code survey_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct survey *v = arg;
	struct place now = at;
	enum err_code rc = ERR_OK;

	/* No snapshot for long: it would keep pages from being used again. */
	if (++v->items % SURVEY_STEP == 0) {
		view_close(&v->view);
		rc = view_open(v->s, &v->view, err);
	}
	if (!rc && it->suite == SUITE_SEALED)
		rc = block_now(&v->view, it->origin.segment ? it->origin : at,
			&now, err);
	*(place_equal(now, at) ? &v->live : &v->dead) += item_size(it);
	v->mends |= it->kind == ITEM_MENDED;
	if (it->kind == ITEM_COMMIT) {
		survey_group(v);
		return rc;
	}
	v->blocks += it->kind == ITEM_ENTRIES || it->kind == ITEM_PARTS;
	v->group.bytes += (uint64_t)it->plain_len + it->payload_len;
	v->group.records += it->kind == ITEM_ENTRIES ? it->count : 0;
	v->group.small += is_small(it);
	v->group.whole += item_size(it);
	v->group.joined += size_joined(it);
	return rc;
}

static enum err_code survey(
	struct store *s, uint32_t id, struct survey *out, struct err *err)
{
	uint64_t end;
	enum err_code rc;

	*out = (struct survey){.s = s};
	if ((rc = segment_end(s->segments, id, &end, err)) ||
		(rc = view_open(s, &out->view, err)))
		return rc;
	rc = segment_all(s->segments, id, end, survey_item, out, err);
	view_close(&out->view);
	return rc;
}

/* A packed one has as few blocks as there can be.  Which mended block counts
 * for an entry goes by where they stand: they do not move. */
static bool is_worth(const struct survey *v, uint32_t id)
{
	if (v->mends)
		return false;
	if (v->dead >= v->live && v->dead)
		return true;
	return !segment_packs(id) && v->small >= SMALL_BLOCKS &&
		v->small >= v->blocks / 2;
}

/* ---- leading the index over ---- */

struct leading {
	struct store *s;
	uint32_t id;
	struct index_txn *txn; /* of an erasure, or NULL: one for each item */
	struct place commit;
	bool settled; /* an erasure was faster */
};

/* The row from `seq` on, which leads to the segment's old file; `go_on`: the
 * row before it leads to the packed block already. */
static enum err_code lead_row(const struct view *v, const struct item *it,
	uint64_t seq, bool go_on, const struct entry_place *to, struct err *err)
{
	struct key k = key_of_seq(it->log, seq);

	return go_on
		? index_del(v->txn, DB_ENTRIES, key_bytes(&k), err)
		: entry_place_put(v->txn, DB_ENTRIES, it->log, seq, to, err);
}

/* Where the next row begins, within the block; else its end. */
static enum err_code next_first(const struct view *v, const struct item *it,
	uint64_t seq, uint64_t *out, struct err *err)
{
	struct key k = key_of_seq(it->log, seq + 1);
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	*out = it->last + 1;
	rc = index_ceil(v->txn, DB_ENTRIES, key_bytes(&k), &found, NULL, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	if (cursor_u32(&c) != it->log)
		return ERR_OK;
	seq = cursor_u64(&c);
	if (seq < *out)
		*out = seq;
	return cursor_done(&c) ? ERR_OK : row_corrupt(err, "entries");
}

static enum err_code drop_leaves(const struct view *v, uint32_t log,
	uint64_t from, uint64_t to, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (uint64_t seq = from; seq < to && !rc; seq++) {
		struct key k = key_of_seq(log, seq);

		rc = index_del(v->txn, DB_LEAF, key_bytes(&k), err);
	}
	return rc;
}

/* Rows that lead to a block that mends an entry stay. */
static enum err_code lead_entries(const struct view *v, const struct item *it,
	const struct entry_place *to, struct err *err)
{
	bool go_on = false;
	uint64_t end;
	enum err_code rc = ERR_OK;

	for (uint64_t seq = it->first; seq <= it->last && !rc; seq = end) {
		struct entry_place was;

		if ((rc = entry_locate(v, it->log, seq, &was, err)) ||
			(rc = next_first(v, it, seq, &end, err)))
			break;
		if (segment_number(was.block.segment) !=
			segment_number(to->block.segment)) {
			go_on = false;
			continue;
		}
		rc = lead_row(v, it, seq, go_on, to, err);
		go_on = true;
		if (!rc && it->count >= LEAVES_KEPT_BELOW)
			rc = drop_leaves(v, it->log, seq, end, err);
	}
	return rc;
}

/* An erasure that a crash kept from the index may have moved it on: then what
 * was packed is left to destroy. */
static enum err_code lead_moved(const struct view *v, const struct item *it,
	struct place to, struct err *err)
{
	struct key k = key_of_place(it->origin);
	struct key value = key_of_place(to);
	struct place now;
	enum err_code rc;

	if ((rc = block_now(v, it->origin, &now, err)))
		return rc;
	if (place_before(to, now))
		return erase_drop(v->txn, to, it->key, err);
	return index_put(
		v->txn, DB_MOVED, key_bytes(&k), key_bytes(&value), err);
}

static enum err_code lead_in(struct view *v, const struct leading *l,
	struct place at, const struct item *it, struct err *err)
{
	struct entry_place to = {.block = at, .commit = l->commit};

	if (it->origin.segment)
		return lead_moved(v, it, at, err);
	switch (it->kind) {
	case ITEM_ENTRIES:
		return lead_entries(v, it, &to, err);
	case ITEM_PROVED:
		return entry_place_put(
			v->txn, DB_PROVED, it->log, it->first, &to, err);
	case ITEM_REFS:
		return refs_lead(v, at, err);
	case ITEM_LOG:
	case ITEM_PARTS:
	case ITEM_NOTE:
	case ITEM_ERASED:
	case ITEM_COMMIT:
	case ITEM_MENDED:
	case ITEM_CLOSED:
		break;
	}
	return ERR_OK;
}

static bool leads(const struct item *it)
{
	return it->origin.segment || it->kind == ITEM_ENTRIES ||
		it->kind == ITEM_PROVED || it->kind == ITEM_REFS;
}

/* Whether the segment is still on its way. */
static enum err_code still(
	struct index_txn *t, uint32_t id, bool *out, struct err *err)
{
	uint32_t now = 0;
	enum err_code rc = compact_underway(t, &now, err);

	*out = !rc && now == id;
	return rc;
}

static enum err_code lead_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct leading *l = arg;
	struct view v = {.s = l->s, .txn = l->txn};
	bool here = true;
	enum err_code rc;

	if (!leads(it) || l->settled)
		return ERR_OK;
	if (l->txn)
		return lead_in(&v, l, at, it, err);
	if ((rc = index_begin(l->s->index, true, &v.txn, err)))
		return rc;
	if ((rc = still(v.txn, l->id, &here, err)) ||
		(here && (rc = lead_in(&v, l, at, it, err)))) {
		index_abort(v.txn);
		return rc;
	}
	l->settled = !here;
	rc = index_commit(v.txn, err);
	crash_point("compact.led-some");
	return rc;
}

static void no_damage(
	void *arg, struct place at, uint64_t len, const char *what)
{
	(void)at;
	(void)len;
	(void)what;
	*(bool *)arg = true;
}

/* What is led over is led over again without harm. */
static enum err_code lead_all(struct leading *l, struct err *err)
{
	bool damaged = false;
	struct groups g = {.segments = l->s->segments,
		.damage = no_damage,
		.arg = &damaged};
	enum err_code rc = groups_scan(&g, l->id, 0, err);

	if (!rc && (damaged || g.damaged))
		rc = err_set(err, ERR_CORRUPT, "segment %s is damaged",
			segment_name(l->id).text);
	for (size_t i = 0; i < g.count && !rc && !l->settled; i++) {
		l->commit = (struct place){l->id, g.at[i].commit};
		rc = segment_walk(l->s->segments, l->id, g.at[i].start,
			g.at[i].commit, lead_item, NULL, l, err);
	}
	groups_free(&g);
	return rc;
}

/* ---- the end of it ---- */

/* The first row from the old file's first place on; ERR_NOT_FOUND. */
static enum err_code next_row(struct index_txn *t, enum index_db db,
	uint32_t old, struct key *key, struct bytes *value, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	key_u32(&from, old);
	if ((rc = index_ceil(t, db, key_bytes(&from), &found, value, err)))
		return rc;
	c = value_cursor(found);
	if (cursor_u32(&c) != old || found.len >= KEY_LIMIT)
		return ERR_NOT_FOUND;
	*key = KEY_EMPTY;
	key_add(key, found.data, found.len);
	return ERR_OK;
}

/* What came home is to be destroyed where it was; its key stays in use. */
static enum err_code drop_copy(
	struct index_txn *t, uint32_t old, struct bytes value, struct err *err)
{
	struct cursor c = value_cursor(value);
	struct place now = {.segment = cursor_u32(&c)};

	now.offset = cursor_u64(&c);
	if (!cursor_done(&c))
		return row_corrupt(err, "moved blocks");
	if (segment_number(now.segment) == segment_number(old))
		return ERR_OK;
	return erase_drop(t, now, 0, err);
}

static enum err_code forget_old(
	struct index_txn *t, uint32_t old, struct err *err)
{
	struct bytes value;
	struct key k;
	enum err_code rc;

	while (!(rc = next_row(t, DB_MOVED, old, &k, &value, err)))
		if ((rc = drop_copy(t, old, value, err)) ||
			(rc = index_del(t, DB_MOVED, key_bytes(&k), err)))
			return rc;
	if (rc != ERR_NOT_FOUND)
		return rc;
	while (!(rc = next_row(t, DB_KEY, old, &k, &value, err)))
		if ((rc = index_del(t, DB_KEY, key_bytes(&k), err)))
			return rc;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Nothing leads to the old file any more. */
static enum err_code settle_in(
	struct index_txn *t, uint32_t id, struct err *err)
{
	uint64_t packs;
	enum err_code rc;

	if ((rc = forget_old(t,
		     segment_id(segment_number(id), segment_packs(id) - 1),
		     err)))
		return rc;
	if ((rc = meta_get_u64(t, PACKS, &packs, err)) ||
		(rc = meta_put_u64(t, PACKS, packs + 1, err)))
		return rc;
	return meta_put_u64(t, PACKING, 0, err);
}

static enum err_code settle(
	struct store *s, uint32_t id, uint64_t *txn_id, struct err *err)
{
	struct index_txn *t;
	bool here;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if (!(rc = still(t, id, &here, err)) && here)
		rc = settle_in(t, id, err);
	if (rc) {
		index_abort(t);
		return rc;
	}
	*txn_id = index_txn_id(t);
	if (index_count(t, DB_DROP))
		__atomic_store_n(&s->copies, true, __ATOMIC_RELAXED);
	return index_commit(t, err);
}

static bool is_stopped(const struct compactor *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_RELAXED);
}

/* Whoever looked at the index before finds the old file a while yet; who takes
 * longer looks again. */
static void wait_for_readers(struct store *s, uint64_t settled)
{
	static const struct timespec pause = {.tv_nsec = 10000000};

	for (int i = 0; i < READERS_WAITS; i++) {
		if (!index_read_before(s->index, settled) ||
			(s->compactor && is_stopped(s->compactor)))
			return;
		nanosleep(&pause, NULL);
	}
}

/* The packed file has its name: the rest can be done again after a crash. */
/* What a waiting erasure has left to destroy may stand in the old file, too. */
static enum segments_removal removal(struct store *s)
{
	struct index_txn *t;
	bool waits;

	if (index_begin(s->index, false, &t, NULL))
		return SEGMENTS_OVERWRITE;
	waits = index_count(t, DB_DROP) > 0;
	index_abort(t);
	return waits ? SEGMENTS_OVERWRITE : SEGMENTS_UNLINK;
}

static enum err_code take_over(struct store *s, uint32_t id, struct err *err)
{
	struct leading l = {.s = s, .id = id};
	uint64_t settled;
	enum err_code rc;

	if ((rc = lead_all(&l, err)))
		return rc;
	crash_point("compact.led");
	if ((rc = settle(s, id, &settled, err)))
		return rc;
	crash_point("compact.settled");
	wait_for_readers(s, settled);
	rc = segments_remove_old(s->segments, removal(s), err);
	crash_point("compact.removed");
	return rc;
}

enum err_code compact_settle(const struct view *v, struct err *err)
{
	struct leading l = {.s = v->s, .txn = v->txn};
	uint64_t moves;
	enum err_code rc;

	if ((rc = compact_underway(v->txn, &l.id, err)) ||
		(rc = meta_get_u64(v->txn, MOVES, &moves, err)) ||
		(rc = meta_put_u64(v->txn, MOVES, moves + 1, err)) || !l.id)
		return rc;
	/* It has no name yet, and does not get it then. */
	if (segment_now(v->s->segments, segment_number(l.id)) != l.id)
		return meta_put_u64(v->txn, PACKING, 0, err);
	rc = lead_all(&l, err);
	return rc ? rc : settle_in(v->txn, l.id, err);
}

/* ---- does the index fit? ---- */

static uint64_t count_packs(struct store *s)
{
	uint64_t packs = 0;

	for (uint32_t n = 1; n <= segments_count(s->segments); n++)
		packs += segment_packs(segment_now(s->segments, n));
	return packs;
}

enum err_code compact_note(
	struct store *s, struct index_txn *t, struct err *err)
{
	return meta_put_u64(t, PACKS, count_packs(s), err);
}

enum err_code compact_fits(struct store *s, struct err *err)
{
	uint64_t packs = 0;
	uint32_t id = 0;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = meta_get_u64(v.txn, PACKS, &packs, err)))
		rc = compact_underway(v.txn, &id, err);
	view_close(&v);
	if (rc)
		return rc;
	if (id && segment_now(s->segments, segment_number(id)) == id)
		packs++;
	/* Files that are gone are told of as damage. */
	if (count_packs(s) <= packs)
		return ERR_OK;
	return err_set(err, ERR_CORRUPT, "%s/index is older than its segments",
		s->data);
}

/* What has its name is led to in the end; what has none does not get it. */
static enum err_code resume(struct store *s, struct err *err)
{
	struct index_txn *t;
	uint32_t id;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	rc = compact_underway(t, &id, err);
	if (!rc && id && segment_now(s->segments, segment_number(id)) != id) {
		rc = meta_put_u64(t, PACKING, 0, err);
		id = 0;
	}
	if (rc) {
		index_abort(t);
		return rc;
	}
	if ((rc = index_commit(t, err)) || !id)
		return rc;
	return take_over(s, id, err);
}

enum err_code compact_recover(struct store *s, struct err *err)
{
	enum err_code rc = resume(s, err);

	/* With damage about, what is left may be worth something. */
	return rc || s->damage_count ? rc : compact_sweep(s, err);
}

enum err_code compact_sweep(struct store *s, struct err *err)
{
	struct index_txn *t;
	uint32_t id;
	enum err_code rc;

	/* While it writes, no segment becomes an old one. */
	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if (!(rc = compact_underway(t, &id, err)) && !id)
		rc = segments_remove_old(s->segments,
			s->drops ? SEGMENTS_OVERWRITE : SEGMENTS_UNLINK, err);
	index_abort(t);
	return rc;
}

enum err_code compact_underway(
	struct index_txn *t, uint32_t *id, struct err *err)
{
	uint64_t packing;
	enum err_code rc = meta_get_u64(t, PACKING, &packing, err);

	if (!rc)
		*id = (uint32_t)packing;
	return rc;
}

enum err_code compact_again(
	struct index_txn *t, uint32_t number, struct err *err)
{
	uint64_t compacted;
	enum err_code rc = meta_get_u64(t, COMPACTED, &compacted, err);

	if (rc || compacted < number)
		return rc;
	return meta_put_u64(t, COMPACTED, number - 1, err);
}

/* ---- one segment ---- */

static enum err_code read_moves(
	struct store *s, uint64_t *moves, struct err *err)
{
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = meta_get_u64(v.txn, MOVES, moves, err);
	view_close(&v);
	return rc;
}

static enum err_code is_late(struct err *err)
{
	return err_set(
		err, ERR_BUSY, "an erasure came while a segment was packed");
}

/* Tells what is about to come, before it may be there. */
static enum err_code claim(
	struct store *s, uint32_t id, uint64_t moves, struct err *err)
{
	struct index_txn *t;
	uint64_t now;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if (!(rc = meta_get_u64(t, MOVES, &now, err)) && now != moves)
		rc = is_late(err);
	if (rc || (rc = meta_put_u64(t, PACKING, id, err))) {
		index_abort(t);
		return rc;
	}
	rc = index_commit(t, err);
	crash_point("compact.claimed");
	return rc;
}

/* Nobody writes while the file gets its name: the transaction is there to keep
 * batches out. */
static enum err_code replace(struct store *s, uint32_t id, struct err *err)
{
	struct index_txn *t;
	bool unknown = false;
	bool here;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if (!(rc = still(t, id, &here, err)) &&
		(!here || __atomic_load_n(&s->moving, __ATOMIC_RELAXED)))
		rc = is_late(err);
	if (!rc)
		rc = segment_replace(s->segments, id, &unknown, err);
	if (unknown)
		__atomic_store_n(&s->broken, true, __ATOMIC_RELEASE);
	crash_point("compact.replaced");
	if (rc && !unknown && !meta_put_u64(t, PACKING, 0, NULL)) {
		(void)index_commit(t, NULL);
		return rc;
	}
	index_abort(t);
	return rc;
}

/* Room for it, out of the reserve too, and half as much for an erasure that may
 * come: afterwards the old one goes. */
static enum err_code claim_room(
	struct store *s, uint32_t id, uint64_t need, struct err *err)
{
	struct statvfs st;
	uint64_t room;

	need += need / 2;
	reserve_release(s, RESERVE_IF_SCARCE);
	if (statvfs(s->data, &st) < 0)
		return err_sys(err, "%s", s->data);
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (room >= need)
		return ERR_OK;
	return err_set(err, ERR_FULL,
		"packing segment %s waits for room: %" PRIu64 " bytes, %" PRIu64
		" are free",
		segment_name(id).text, need, room);
}

static enum err_code publish(
	struct store *s, uint32_t to, uint64_t moves, struct err *err)
{
	enum err_code rc;
	int hold = -1;

	if ((rc = segments_hold(s->segments, SEGMENTS_REPLACED, &hold, err)))
		return rc;
	if (!(rc = claim(s, to, moves, err)) && !(rc = replace(s, to, err)))
		rc = take_over(s, to, err);
	close(hold);
	return rc;
}

/* What cannot be read is no reason to stop at: fsck tells of it. */
static enum err_code compact_one(
	struct store *s, uint32_t number, const bool *stop, struct err *err)
{
	uint32_t from = segment_now(s->segments, number);
	uint32_t to = segment_id(number, segment_packs(from) + 1);
	struct survey v;
	uint64_t moves, now;
	enum err_code rc;

	if (segment_packs(from) == SEGMENT_PACKS_LIMIT)
		return ERR_OK;
	if ((rc = read_moves(s, &moves, err)))
		return rc;
	if ((rc = survey(s, from, &v, err)))
		return is_damage(rc) ? ERR_OK : rc;
	if (!is_worth(&v, from))
		return ERR_OK;
	if (!(rc = claim_room(s, from, v.need, err)))
		rc = pack_segment(s, from, to, stop, err);
	if (!rc) {
		crash_point("compact.written");
		if ((rc = publish(s, to, moves, err)))
			segment_drop_aside(s->segments, to);
	}
	(void)reserve_take(s, NULL);
	if (is_damage(rc) && !read_moves(s, &now, NULL) && now == moves)
		return ERR_OK;
	return is_damage(rc) ? is_late(err) : rc;
}

/* ---- all of them ---- */

/* The first sealed segment that nobody looked at; 0 for none. */
static enum err_code next_segment(
	struct store *s, uint32_t *number, struct err *err)
{
	uint64_t segment, compacted;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = meta_get_u64(v.txn, COMPACTED, &compacted, err)) &&
		!(rc = meta_get_u64(v.txn, "segment", &segment, err)))
		*number = compacted + 1 < segment ? (uint32_t)compacted + 1 : 0;
	view_close(&v);
	return rc;
}

static enum err_code tick_off(struct store *s, uint32_t number, struct err *err)
{
	struct index_txn *t;
	uint64_t compacted;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	/* An erasure may have put it back meanwhile. */
	if (!(rc = meta_get_u64(t, COMPACTED, &compacted, err)) &&
		compacted + 1 == number)
		rc = meta_put_u64(t, COMPACTED, number, err);
	if (!rc)
		return index_commit(t, err);
	index_abort(t);
	return rc;
}

static enum err_code resume_held(struct store *s, struct err *err)
{
	enum err_code rc;
	int hold = -1;

	if ((rc = segments_hold(s->segments, SEGMENTS_REPLACED, &hold, err)))
		return rc;
	rc = resume(s, err);
	close(hold);
	return rc;
}

static enum err_code compact_some(
	struct store *s, size_t limit, const bool *stop, struct err *err)
{
	uint32_t number;
	enum err_code rc;

	if (s->damage_count)
		return ERR_OK;
	if ((rc = store_check_broken(s, err)) || (rc = resume_held(s, err)))
		return rc;
	while (limit-- && !(rc = next_segment(s, &number, err)) && number)
		if ((rc = compact_one(s, number, stop, err)) ||
			(rc = tick_off(s, number, err)))
			return rc;
	return rc;
}

enum err_code store_compact(struct store *s, size_t limit, struct err *err)
{
	static const bool never;
	enum err_code rc = compact_some(s, limit, &never, err);

	s->drops |= __atomic_exchange_n(&s->copies, false, __ATOMIC_RELAXED);
	return rc ? rc : store_finish_erasing(s, err);
}

/* ---- beside a writer ---- */

static void lower_priority(void)
{
	/* Of this thread alone. */
	(void)!setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
}

static void wait_for_work(struct compactor *c, enum err_code rc)
{
	struct timespec until;

	stack_forget();
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += rc == ERR_BUSY ? RETRY_BUSY : RETRY_FULL;
	pthread_mutex_lock(&c->lock);
	while (!c->woken && !c->stop)
		if (!rc)
			pthread_cond_wait(&c->wake, &c->lock);
		else if (pthread_cond_timedwait(&c->wake, &c->lock, &until))
			break;
	c->woken = false;
	pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
	struct compactor *c = arg;

	lower_priority();
	while (!is_stopped(c))
		wait_for_work(c, compact_some(c->s, SIZE_MAX, &c->stop, NULL));
	return NULL;
}

enum err_code compactor_start(
	struct store *s, struct compactor **out, struct err *err)
{
	struct compactor *c = calloc(1, sizeof(*c));
	pthread_condattr_t clock;

	if (!c)
		return err_nomem(err);
	c->s = s;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &clock);
	pthread_condattr_destroy(&clock);
	if (pthread_create(&c->thread, NULL, run, c)) {
		pthread_cond_destroy(&c->wake);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return err_set(err, ERR_NOMEM, "no thread for packing");
	}
	*out = c;
	__atomic_store_n(&s->compactor, c, __ATOMIC_RELEASE);
	return ERR_OK;
}

void compactor_wake(struct compactor *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->woken = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void compactor_stop(struct compactor *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->s->compactor = NULL;
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
