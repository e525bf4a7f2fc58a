/* replay.c - brings the index up to the segments, from nothing if need be. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/crc.h"

#define GROUPS_AT_ONCE 256 /* groups in one transaction of the index */

struct group_at {
	uint32_t segment;
	uint64_t start;
	uint64_t commit; /* offset of the commit item */
	uint64_t end;
};

struct move {
	struct place origin;
	struct place now;
};

struct replay {
	struct store *s;
	struct view view;
	struct group_at *groups;
	size_t group_count, group_cap;
	struct move *moves; /* of whole groups */
	size_t move_count, move_cap;
	/* The group being scanned. */
	uint64_t start;
	uint32_t items;
	uint32_t heads_crc;
	size_t group_moves; /* moves before it */
	bool ended;	    /* what follows is no group */
};

/* ---- which groups are whole ---- */

static bool directory_fits(struct replay *r, struct place at, struct err *err)
{
	struct directory d = {0};
	struct buf payload = BUF_EMPTY;
	struct item it;
	bool fits;

	fits = !segment_item(r->s->segments, at, &it, &payload, err) &&
		!directory_parse(payload.data, payload.len, &d, err) &&
		d.start == r->start && d.items == r->items &&
		d.heads_crc == r->heads_crc;
	directory_free(&d);
	buf_free(&payload);
	return fits;
}

static enum err_code end_group(struct replay *r, struct place at,
	const struct item *it, struct err *err)
{
	if (!directory_fits(r, at, NULL)) {
		r->ended = true;
		return ERR_OK;
	}
	if (!grow(&r->groups, &r->group_cap, r->group_count,
		    sizeof(*r->groups)))
		return err_nomem(err);
	r->groups[r->group_count++] = (struct group_at){
		at.segment, r->start, at.offset, at.offset + item_size(it)};
	r->start = at.offset + item_size(it);
	r->items = 0;
	r->heads_crc = 0;
	r->group_moves = r->move_count;
	return ERR_OK;
}

static enum err_code on_scan(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct replay *r = arg;
	uint8_t crc[4];

	if (r->ended)
		return ERR_OK;
	if (it->kind == ITEM_COMMIT)
		return end_group(r, at, it, err);
	for (int i = 0; i < 4; i++)
		crc[i] = (uint8_t)(it->head_crc >> (24 - 8 * i));
	r->heads_crc = crc32c(r->heads_crc, crc, 4);
	r->items++;
	if (!it->origin.segment)
		return ERR_OK;
	if (!grow(&r->moves, &r->move_cap, r->move_count, sizeof(*r->moves)))
		return err_nomem(err);
	r->moves[r->move_count++] = (struct move){it->origin, at};
	return ERR_OK;
}

static enum err_code on_payload(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct store *s = arg;
	struct buf payload = BUF_EMPTY;
	struct item again;
	enum err_code rc = segment_item(s->segments, at, &again, &payload, err);

	(void)it;
	buf_free(&payload);
	return rc;
}

/* Only the newest group can have been cut off by a power failure: all others
 * were synced before the next one was written. */
static enum err_code check_newest(
	struct replay *r, uint32_t number, struct err *err)
{
	struct group_at *g;
	uint64_t end;

	if (!r->group_count || r->groups[r->group_count - 1].segment != number)
		return ERR_OK;
	g = &r->groups[r->group_count - 1];
	if (!segment_each(r->s->segments, number, g->start, g->end, on_payload,
		    r->s, &end, err))
		return ERR_OK;
	r->start = g->start;
	r->group_count--;
	while (r->move_count &&
		r->moves[r->move_count - 1].now.segment == number &&
		r->moves[r->move_count - 1].now.offset >= g->start)
		r->move_count--;
	return ERR_OK;
}

static enum err_code damaged(uint32_t number, uint64_t at, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"segment %08" PRIu32 " at %" PRIu64
		": no whole group, and others stand behind it",
		number, at);
}

/* The tail of the newest segment: a group that was never acknowledged, or
 * damage?  Two commit items behind the end are of two groups, and the first of
 * them was synced before the second was written. */
static enum err_code judge_tail(
	struct replay *r, uint32_t number, struct err *err)
{
	struct store *s = r->s;
	uint64_t size;
	size_t commits;
	enum err_code rc;

	if ((rc = check_newest(r, number, err)) ||
		(rc = segment_size(s->segments, number, &size, err)))
		return rc;
	s->end = r->start;
	s->torn = size > r->start;
	if (!s->torn)
		return ERR_OK;
	rc = segment_commits_behind(s->segments, number, s->end, &commits, err);
	return rc || commits < 2 ? rc : damaged(number, s->end, err);
}

static enum err_code scan_segment(
	struct replay *r, uint32_t number, uint64_t from, struct err *err)
{
	bool newest = number == segments_count(r->s->segments);
	uint64_t to = 0;
	uint64_t end;
	enum err_code rc;

	/* Behind the groups of an older one may stand what was refused. */
	if (!newest && (rc = segment_end(r->s->segments, number, &to, err)))
		return rc;
	r->start = from ? from : SEGMENT_HEAD_SIZE;
	r->items = 0;
	r->heads_crc = 0;
	r->ended = false;
	r->group_moves = r->move_count;
	rc = segment_each(
		r->s->segments, number, r->start, to, on_scan, r, &end, err);
	if (rc)
		return rc;
	r->move_count = r->group_moves;
	if (newest)
		return judge_tail(r, number, err);
	return r->start == to ? ERR_OK : damaged(number, r->start, err);
}

static enum err_code scan(struct replay *r, struct place from, struct err *err)
{
	uint32_t count = segments_count(r->s->segments);
	uint64_t size;
	enum err_code rc;

	if (!count && !from.segment)
		return ERR_OK;
	if (!from.segment)
		from = (struct place){1, SEGMENT_HEAD_SIZE};
	if (from.segment > count)
		return err_set(err, ERR_CORRUPT,
			"the index knows segment %08" PRIu32
			", the newest here is %08" PRIu32,
			from.segment, count);
	if ((rc = segment_size(r->s->segments, from.segment, &size, err)))
		return rc;
	if (from.offset > size)
		return err_set(err, ERR_CORRUPT,
			"segment %08" PRIu32 " has %" PRIu64
			" bytes, the index knows %" PRIu64,
			from.segment, size, from.offset);
	for (uint32_t n = from.segment; n <= count; n++) {
		rc = scan_segment(
			r, n, n == from.segment ? from.offset : 0, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* ---- groups into the index ---- */

static enum err_code replay_log(
	struct replay *r, struct place at, struct err *err)
{
	struct buf origin = BUF_EMPTY;
	struct log_row row = {0};
	struct item it;
	enum err_code rc;

	if ((rc = segment_item(r->s->segments, at, &it, &origin, err)))
		goto out;
	if (it.flags > LOG_SPARSE || origin.len >= ORIGIN_SIZE) {
		rc = err_set(err, ERR_CORRUPT, "log item is malformed");
		goto out;
	}
	rc = log_get(&r->view, it.log, &row, err);
	if (rc && rc != ERR_NOT_FOUND)
		goto out;
	row.id = it.log;
	row.kind = it.flags;
	memcpy(row.origin, origin.data, origin.len);
	row.origin[origin.len] = '\0';
	rc = log_put(r->view.txn, &row, err);
	if (!rc && row.kind == LOG_OWN)
		rc = meta_put_u64(r->view.txn, "own", row.id, err);
out:
	buf_free(&origin);
	return rc;
}

static enum err_code replay_leaves(struct replay *r, const struct item *it,
	const struct block *b, struct log_row *row, struct err *err)
{
	struct index_txn *t = r->view.txn;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->count && !rc; i++) {
		struct key k = key_of_seq(row->id, it->first + i);
		struct digest leaf = b->entries[i].leaf;

		rc = leaf_append(t, row, &leaf, err);
		if (!rc && it->count < LEAVES_KEPT_BELOW)
			rc = index_put(t, DB_LEAF, key_bytes(&k),
				(struct bytes){leaf.b, DIGEST_SIZE}, err);
	}
	return rc;
}

static enum err_code replay_entries(struct replay *r, const struct item *it,
	const struct entry_place *at, struct err *err)
{
	struct block *b = NULL;
	struct log_row row;
	enum err_code rc;

	if ((rc = log_get(&r->view, it->log, &row, err)))
		return rc;
	if (row.edge.size != it->first)
		return err_set(err, ERR_CORRUPT,
			"log %s: block from %" PRIu64 " behind %" PRIu64
			" entries",
			row.origin, it->first, row.edge.size);
	if ((rc = block_entries(&r->view, at->block, at->commit, &b, err)) ||
		(rc = replay_leaves(r, it, b, &row, err)) ||
		(rc = entry_place_put(
			 r->view.txn, DB_ENTRIES, it->log, it->first, at, err)))
		goto out;
	rc = log_put(r->view.txn, &row, err);
out:
	block_unpin(b);
	return rc;
}

static enum err_code replay_note(
	struct replay *r, struct place at, struct err *err)
{
	struct buf note = BUF_EMPTY;
	struct checkpoint cp;
	struct log_row row;
	struct item it;
	enum err_code rc;

	if ((rc = segment_item(r->s->segments, at, &it, &note, err)) ||
		(rc = log_get(&r->view, it.log, &row, err)) ||
		(rc = note_checkpoint(
			 (struct bytes){note.data, note.len}, &cp, err)))
		goto out;
	for (int i = 0; i < 3 && !rc; i++)
		if (it.flags >> i & 1)
			rc = note_set(r->view.txn, &row, (enum which_note)i,
				(struct bytes){note.data, note.len}, &cp, err);
	if (!rc)
		rc = log_put(r->view.txn, &row, err);
out:
	buf_free(&note);
	return rc;
}

static enum err_code replay_key(struct replay *r, struct place at,
	const struct item *it, struct err *err)
{
	struct key value = KEY_EMPTY;
	struct key k = KEY_EMPTY;

	key_u32(&k, at.segment);
	key_u8(&k, it->label);
	key_add(&k, it->name, strlen(it->name));
	key_u64(&value, it->key);
	return index_put(
		r->view.txn, DB_KEY, key_bytes(&k), key_bytes(&value), err);
}

static enum err_code replay_erased(
	struct replay *r, struct place at, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct item it;
	enum err_code rc;

	if (!(rc = block_plain(r->s, at, &it, &plain, err)))
		rc = erase_marks_replay(&r->view, &plain, err);
	buf_free(&plain);
	return rc;
}

struct group_replay {
	struct replay *r;
	struct place commit;
};

static enum err_code on_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct group_replay *g = arg;
	struct replay *r = g->r;
	struct entry_place place = {.block = at, .commit = g->commit};
	enum err_code rc = ERR_OK;

	switch (it->kind) {
	case ITEM_LOG:
		return replay_log(r, at, err);
	case ITEM_ENTRIES:
		return replay_entries(r, it, &place, err);
	case ITEM_PROVED:
		return entry_place_put(r->view.txn, DB_PROVED, it->log,
			it->first, &place, err);
	case ITEM_NOTE:
		return replay_note(r, at, err);
	case ITEM_PARTS:
		return replay_key(r, at, it, err);
	case ITEM_REFS:
		if (!(rc = replay_key(r, at, it, err)) && !it->origin.segment)
			rc = refs_replay(&r->view, at, err);
		return rc;
	case ITEM_ERASED:
		return replay_erased(r, at, err);
	case ITEM_COMMIT:
		break;
	}
	return rc;
}

struct prints {
	struct finder_entry *at;
	size_t count, cap;
	struct ids ids;
};

static enum err_code replay_arrival(struct replay *r, uint32_t log,
	uint64_t seq, uint64_t arrival, struct prints *prints, struct err *err)
{
	struct block *b = NULL;
	struct entry_place at;
	struct log_row row;
	struct entry e;
	const struct block_entry *be;
	enum err_code rc;

	if ((rc = log_get(&r->view, log, &row, err)) ||
		(rc = seq < row.edge.size
				? entry_locate(&r->view, log, seq, &at, err)
				: entry_locate_proved(
					  &r->view, log, seq, &at, err)) ||
		(rc = block_entries(&r->view, at.block, at.commit, &b, err)))
		return rc;
	if (seq - at.first >= b->count) {
		rc = err_set(err, ERR_CORRUPT,
			"log %s: entry %" PRIu64 " arrived and is not there",
			row.origin, seq);
		goto out;
	}
	be = &b->entries[seq - at.first];
	if ((rc = entry_parse(be->text, be->len, &e, err)) ||
		(rc = arrival_index(r->view.txn, &prints->ids, &e, log, seq,
			 arrival, err)))
		goto out;
	for (size_t i = 0; i <= e.sd_count && !rc; i++) {
		if (!grow(&prints->at, &prints->cap, prints->count,
			    sizeof(*prints->at)))
			rc = err_nomem(err);
		else
			prints->at[prints->count++] = finder_entry_of(
				i < e.sd_count ? &e.sd[i] : &be->leaf, arrival);
	}
out:
	block_unpin(b);
	return rc;
}

static enum err_code replay_arrivals(
	struct replay *r, struct place commit, struct err *err)
{
	struct prints prints = {0};
	struct block *b = NULL;
	uint64_t arrival;
	enum err_code rc;

	if ((rc = block_directory(&r->view, commit, &b, err)))
		return rc;
	arrival = b->directory.arrival;
	for (size_t i = 0; i < b->directory.run_count && !rc; i++) {
		const struct arrival_run *run = &b->directory.runs[i];

		for (uint32_t k = 0; k < run->count && !rc; k++)
			rc = replay_arrival(r, run->log, run->first + k,
				arrival + k, &prints, err);
		if (!rc)
			rc = arrival_put(r->view.txn, arrival, run, err);
		arrival += run->count;
	}
	if (!rc && !(rc = ids_flush(&prints.ids, r->view.txn, err)))
		rc = finder_add(
			r->view.txn, DB_DIGEST, prints.at, prints.count, err);
	ids_free(&prints.ids);
	free(prints.at);
	block_unpin(b);
	return rc;
}

static enum err_code replay_group(
	struct replay *r, const struct group_at *at, struct err *err)
{
	struct group_replay g = {r, {at->segment, at->commit}};
	uint64_t end;
	enum err_code rc;

	if ((rc = segment_each(r->s->segments, at->segment, at->start,
		     at->commit, on_item, &g, &end, err)) ||
		(rc = replay_arrivals(r, g.commit, err)) ||
		(rc = meta_put_u64(r->view.txn, "segment", at->segment, err)))
		return rc;
	return meta_put_u64(r->view.txn, "offset", at->end, err);
}

static enum err_code next_txn(struct replay *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (r->view.txn)
		rc = index_commit(r->view.txn, err);
	r->view.txn = NULL;
	crash_point("index.replaying");
	return rc ? rc : index_begin(r->s->index, true, &r->view.txn, err);
}

/* All moves first: a block may be needed that a later group moved.  Spare keys
 * of before may be in use by what is replayed. */
static enum err_code apply(struct replay *r, struct err *err)
{
	const struct store_options *opt = &r->s->opt;
	enum err_code rc;

	rc = index_del(r->view.txn, DB_META, (struct bytes){"spare", 5}, err);
	for (size_t i = 0; i < r->move_count && !rc; i++)
		rc = erase_moved(
			&r->view, r->moves[i].origin, r->moves[i].now, err);
	for (size_t i = 0; i < r->group_count && !rc; i++) {
		if (i % GROUPS_AT_ONCE == 0 && (rc = next_txn(r, err)))
			break;
		if (opt->progress)
			opt->progress(opt->arg, "index", i, r->group_count);
		rc = replay_group(r, &r->groups[i], err);
		if (rc)
			rc = err_while(err, rc,
				"replay segment %08" PRIu32 " from %" PRIu64,
				r->groups[i].segment, r->groups[i].start);
	}
	if (!rc && !(rc = refs_sweep(&r->view, err))) {
		rc = index_commit(r->view.txn, err);
		r->view.txn = NULL;
		crash_point("index.replayed");
	}
	return rc;
}

enum err_code store_replay(struct store *s, struct err *err)
{
	struct replay r = {.s = s, .view = {.s = s}};
	struct place from;
	uint64_t segment;
	enum err_code rc;

	if ((rc = next_txn(&r, err)) ||
		(rc = meta_get_u64(r.view.txn, "segment", &segment, err)) ||
		(rc = meta_get_u64(r.view.txn, "offset", &from.offset, err)))
		goto out;
	from.segment = (uint32_t)segment;
	if (!(rc = scan(&r, from, err)) && r.group_count)
		rc = apply(&r, err);
out:
	index_abort(r.view.txn);
	free(r.groups);
	free(r.moves);
	return rc;
}
