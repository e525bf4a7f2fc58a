/* replay.c - brings the index up to the segments, from nothing if need be. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"

#define GROUPS_AT_ONCE 256 /* groups in one transaction of the index */

struct replay {
	struct store *s;
	struct view view;
	struct groups groups;
	uint64_t arrival; /* what the next record is expected to have */
	struct place gap; /* the newest place that could not be read */
	enum err_code rc; /* of what was done for it */
};

/* ---- which groups there are ---- */

static void on_damage(
	void *arg, struct place at, uint64_t len, const char *what)
{
	struct replay *r = arg;

	(void)len;
	damage_tell_at(r->s, at, what);
	/* A segment's head hides no item; with a file go the documents too. */
	if (!r->rc && at.offset)
		r->rc = refs_lose(&r->view, at, NULL);
	if (!r->gap.segment)
		r->gap = at;
}

/* What the index has and the segments have not is not forgotten for that: it
 * goes on behind it, in another segment. */
static void short_of(struct store *s, struct place from, uint64_t size)
{
	struct err told;

	(void)err_set(&told, ERR_CORRUPT,
		"%" PRIu64 " bytes are left of %" PRIu64, size, from.offset);
	damage_tell_at(s, (struct place){from.segment, size}, told.text);
	s->end = from.offset;
	s->torn = true;
}

static enum err_code scan(struct replay *r, struct place from, struct err *err)
{
	struct store *s = r->s;
	uint32_t count = segments_count(s->segments);
	uint64_t size = 0;
	enum err_code rc;

	if (!count && !from.segment)
		return ERR_OK;
	if (from.segment) {
		segments_raise(s->segments, from.segment);
		count = segments_count(s->segments);
		rc = segment_size(s->segments, from.segment, &size, err);
		if (rc && rc != ERR_NOT_FOUND)
			return rc;
		if (from.offset > size) {
			short_of(s, from, size);
			from = (struct place){from.segment + 1, 0};
		}
	} else {
		from = (struct place){1, 0};
	}
	for (uint32_t n = from.segment; n <= count; n++) {
		uint32_t id = segment_now(s->segments, n);

		rc = groups_scan(&r->groups, id,
			n == from.segment ? from.offset : 0, err);
		if (rc || (rc = r->rc))
			return rc;
		s->end = r->groups.end;
		/* Nothing is added to a packed one. */
		s->torn = r->groups.torn || segment_packs(id);
	}
	return ERR_OK;
}

/* ---- groups into the index ---- */

/* The origin of a log whose item is damaged, from a checkpoint of it, or an
 * item that told it once more. */
struct origin_search {
	struct store *store;
	uint32_t log;
	struct log_row *row;
};

static void origin_of_note(struct log_row *row, struct bytes note)
{
	struct checkpoint cp;

	if (!note_checkpoint(note, &cp, NULL))
		memcpy(row->origin, cp.origin, sizeof(cp.origin));
}

/* A single entry came with one. */
static void origin_of_proved(struct log_row *row, const struct buf *plain)
{
	struct cursor c = cursor_over(plain->data, plain->len);
	struct proof proof;

	(void)cursor_bytes(&c, cursor_u32(&c));
	if (!cursor_ok(&c) || proof_parse(c.at, c.left, &proof, NULL))
		return;
	origin_of_note(row, (struct bytes){proof.note, proof.note_len});
	proof_fini(&proof);
}

static void origin_of_item(struct log_row *row, const struct buf *plain)
{
	const char *origin = (const char *)plain->data;

	if (plain->len >= ORIGIN_SIZE || !origin_valid(origin, plain->len))
		return;
	memcpy(row->origin, origin, plain->len);
	row->origin[plain->len] = '\0';
}

static enum err_code on_naming(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct origin_search *o = arg;
	struct buf plain = BUF_EMPTY;
	struct item again;

	(void)err;
	if (it->log != o->log || o->row->origin[0] ||
		(it->kind != ITEM_NOTE && it->kind != ITEM_PROVED &&
			it->kind != ITEM_LOG) ||
		block_plain(o->store, at, &again, &plain, NULL))
		goto out;
	if (it->kind == ITEM_NOTE)
		origin_of_note(o->row, (struct bytes){plain.data, plain.len});
	else if (it->kind == ITEM_PROVED)
		origin_of_proved(o->row, &plain);
	else
		origin_of_item(o->row, &plain);
out:
	buf_free(&plain);
	return ERR_OK;
}

/* The newest; an older one may be told once more. */
static enum err_code own_put(struct replay *r, uint32_t log, struct err *err)
{
	uint64_t own;
	enum err_code rc = meta_get_u64(r->view.txn, "own", &own, err);

	return rc || own > log ? rc
			       : meta_put_u64(r->view.txn, "own", log, err);
}

static enum err_code log_again(struct replay *r, uint32_t log,
	enum log_kind kind, struct log_row *row, struct err *err)
{
	struct origin_search o = {r->s, log, row};
	uint32_t count = segments_count(r->s->segments);
	enum err_code rc = ERR_OK;

	*row = (struct log_row){.id = log, .kind = kind};
	for (uint32_t n = 1; n <= count && !rc && !row->origin[0]; n++)
		rc = segment_walk(r->s->segments,
			segment_now(r->s->segments, n), 0, UINT64_MAX,
			on_naming, NULL, &o, err);
	if (!rc && !row->origin[0]) {
		uint64_t last;

		if ((rc = meta_get_u64(r->view.txn, "nameless", &last, err)) ||
			(log > last &&
				(rc = meta_put_u64(
					 r->view.txn, "nameless", log, err))))
			return rc;
		return err_set(err, ERR_CORRUPT,
			"what log %" PRIu32 " is called is lost", log);
	}
	if (!rc && !(rc = log_put(r->view.txn, row, err)) && kind == LOG_OWN)
		rc = own_put(r, log, err);
	return rc;
}

/* The row, also where the item that names the log is lost. */
static enum err_code log_row_of(
	struct replay *r, uint32_t log, struct log_row *row, struct err *err)
{
	const char *own = r->s->extent_known ? r->s->extent.own : "";
	enum err_code rc = log_get(&r->view, log, row, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	if ((rc = log_again(r, log, LOG_FULL, row, err)) ||
		strcmp(row->origin, own) != 0)
		return rc;
	return log_again(r, log, LOG_OWN, row, err);
}

static enum err_code replay_log(
	struct replay *r, struct place at, struct err *err)
{
	struct buf origin = BUF_EMPTY;
	struct log_row row = {0};
	struct item it;
	enum err_code rc;

	if ((rc = segment_item(r->s->segments, at, &it, &origin, err))) {
		if (rc == ERR_CORRUPT && it.log && it.flags <= LOG_SPARSE &&
			!log_again(r, it.log, it.flags, &row, NULL))
			damage_tell_at(r->s, at, err->text);
		else
			goto out;
		rc = ERR_OK;
		goto out;
	}
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
	if (!(rc = log_put(r->view.txn, &row, err)) && row.kind == LOG_OWN)
		rc = own_put(r, row.id, err);
out:
	buf_free(&origin);
	return rc;
}

/* Entries up to `to` are nowhere: reading them names the place where blocks
 * were lost. */
static enum err_code lose_entries(struct replay *r, struct log_row *row,
	uint64_t to, struct place near, struct err *err)
{
	struct entry_place at = {.block = r->gap.segment ? r->gap : near,
		.commit = {0, PLACE_LOST}};
	struct err told;
	enum err_code rc;

	if (to <= row->edge.size)
		return ERR_OK;
	if (to - row->edge.size > LOST_LIMIT)
		return err_set(err, ERR_CORRUPT,
			"log %s: block from %" PRIu64 " behind %" PRIu64
			" entries",
			row->origin, to, row->edge.size);
	(void)err_set(&told, ERR_CORRUPT,
		"log %s: entries %" PRIu64 " to %" PRIu64 " are lost",
		row->origin, row->edge.size, to - 1);
	damage_tell_at(r->s, at.block, told.text);
	if ((rc = entry_place_put(r->view.txn, DB_ENTRIES, row->id,
		     row->edge.size, &at, err)))
		return rc;
	return leaves_lose(r->view.txn, row, to - row->edge.size, err);
}

static enum err_code replay_leaves(struct replay *r, const struct item *it,
	const struct block *b, struct log_row *row, struct err *err)
{
	struct index_txn *t = r->view.txn;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->count && !rc; i++) {
		struct key k = key_of_seq(row->id, it->first + i);
		struct digest leaf = b->entries[i]->leaf;

		if (b->entries[i]->damaged) {
			rc = leaves_lose(t, row, 1, err);
			continue;
		}
		rc = leaf_append(t, row, &leaf, err);
		if (!rc && it->count < LEAVES_KEPT_BELOW)
			rc = index_put(t, DB_LEAF, key_bytes(&k),
				(struct bytes){leaf.b, DIGEST_SIZE}, err);
	}
	return rc;
}

/* Damage of each block once, and how many entries need it. */
static void tell_entries(
	struct replay *r, const struct log_row *row, const struct block *b)
{
	struct err told;

	for (size_t i = 0; i < b->count; i++) {
		if (!b->entries[i]->damaged)
			continue;
		(void)err_set(&told, ERR_CORRUPT,
			"log %s: %zu entries from %" PRIu64 " on need this "
			"block, which is damaged",
			row->origin, b->damaged, b->head.first + i);
		damage_tell_at(r->s, b->entries[i]->damage, told.text);
		return;
	}
}

static enum err_code replay_entries(struct replay *r, const struct item *it,
	const struct entry_place *at, struct err *err)
{
	struct index_txn *t = r->view.txn;
	struct block *b = NULL;
	struct log_row row;
	enum err_code rc;

	if ((rc = log_row_of(r, it->log, &row, err)))
		return rc;
	if (row.edge.size > it->first)
		return err_set(err, ERR_CORRUPT,
			"log %s: block from %" PRIu64 " behind %" PRIu64
			" entries",
			row.origin, it->first, row.edge.size);
	if ((rc = lose_entries(r, &row, it->first, at->block, err)) ||
		(rc = entry_place_put(
			 t, DB_ENTRIES, it->log, it->first, at, err)))
		goto out;
	rc = block_made(&r->view, at->block, at->commit, &b, err);
	if (!rc) {
		tell_entries(r, &row, b);
		rc = replay_leaves(r, it, b, &row, err);
	} else if (is_damage(rc)) {
		damage_tell_at(r->s, at->block, err->text);
		rc = leaves_lose(t, &row, it->last - it->first + 1, err);
	}
	if (!rc)
		rc = log_put(t, &row, err);
out:
	block_unpin(b);
	return rc;
}

/* What the group says of the edges mends what damage took from them. */
static enum err_code replay_edges(
	struct replay *r, struct place commit, struct err *err)
{
	const struct directory *d;
	struct block *b = NULL;
	enum err_code rc = block_directory(&r->view, commit, &b, err);

	if (rc)
		return is_damage(rc) ? ERR_OK : rc;
	d = &b->directory;
	for (size_t i = 0; i < d->edge_count && !rc; i++) {
		const struct directory_edge *e = &d->edges[i];
		struct log_row row;

		rc = log_row_of(r, e->log, &row, err);
		if (rc || (!row.lost && row.edge.size >= e->to))
			continue;
		if (!(rc = lose_entries(r, &row, e->to, commit, err)) &&
			!(rc = edge_restore(r->view.txn, &row, d, e, err)))
			rc = log_put(r->view.txn, &row, err);
	}
	block_unpin(b);
	return is_damage(rc) ? ERR_OK : rc;
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
		(rc = log_row_of(r, it.log, &row, err)) ||
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

struct prints {
	struct finder_entry *at;
	size_t count, cap;
	struct ids ids;
};

static enum err_code mended_find(struct replay *r, const struct block *b,
	const uint64_t *arrivals, struct prints *prints, struct err *err)
{
	struct finds finds = {&prints->at, &prints->count, &prints->cap};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->count && !rc; i++) {
		const struct block_entry *be = b->entries[i];
		struct entry e;

		if (arrivals[i] &&
			!(rc = entry_parse(be->text, be->len, &e, err)))
			rc = mend_finds(&r->view, &prints->ids, &finds, &e,
				&be->leaf, b->head.log, b->head.first + i,
				arrivals[i], err);
	}
	return rc;
}

/* A block of mended entries that is damaged itself mends nothing. */
static enum err_code replay_mended(struct replay *r, const struct item *it,
	const struct entry_place *at, struct err *err)
{
	struct digest leaves[RUN_LIMIT];
	uint64_t arrivals[RUN_LIMIT];
	struct prints prints = {0};
	struct block *b = NULL;
	struct log_row row;
	enum err_code rc;

	if ((rc = log_row_of(r, it->log, &row, err)) ||
		(rc = block_made(&r->view, at->block, at->commit, &b, err)))
		return rc;
	if (b->damaged || b->count > RUN_LIMIT) {
		rc = err_set(err, ERR_CORRUPT,
			"log %s: %zu mended entries from %" PRIu64
			" on are damaged",
			row.origin, b->damaged, it->first);
		goto out;
	}
	for (size_t i = 0; i < b->count; i++)
		leaves[i] = b->entries[i]->leaf;
	if ((rc = mend_places(&r->view, &row, it, at, leaves, err)) ||
		(rc = log_put(r->view.txn, &row, err)) ||
		(rc = arrival_find(r->view.txn, it->log, it->first, b->count,
			 arrivals, err)) ||
		(rc = mended_find(r, b, arrivals, &prints, err)) ||
		(rc = ids_flush(&prints.ids, r->view.txn, err)))
		goto out;
	rc = finder_add(r->view.txn, DB_DIGEST, prints.at, prints.count, err);
out:
	ids_free(&prints.ids);
	free(prints.at);
	block_unpin(b);
	return rc;
}

/* One that is here already comes in place of a damaged one. */
static enum err_code replay_proved(struct replay *r, const struct item *it,
	const struct entry_place *at, struct err *err)
{
	struct entry_place before;
	struct prints prints = {0};
	struct block *b = NULL;
	struct log_row row;
	uint64_t arrival;
	bool again = !entry_locate_proved(
		&r->view, it->log, it->first, &before, NULL);
	enum err_code rc = entry_place_put(
		r->view.txn, DB_PROVED, it->log, it->first, at, err);

	if (!rc && log_get(&r->view, it->log, &row, NULL) == ERR_NOT_FOUND)
		rc = log_again(r, it->log, LOG_SPARSE, &row, err);
	if (rc || !again)
		return rc;
	if ((rc = mend_proved_put(&r->view, it->log, it->first, err)) ||
		(rc = block_made(&r->view, at->block, at->commit, &b, err)) ||
		(rc = arrival_find(
			 r->view.txn, it->log, it->first, 1, &arrival, err)) ||
		(rc = mended_find(r, b, &arrival, &prints, err)) ||
		(rc = ids_flush(&prints.ids, r->view.txn, err)))
		goto out;
	rc = finder_add(r->view.txn, DB_DIGEST, prints.at, prints.count, err);
out:
	ids_free(&prints.ids);
	free(prints.at);
	block_unpin(b);
	return rc;
}

static enum err_code replay_closed(
	struct replay *r, struct place at, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct item it;
	enum err_code rc;

	if (!(rc = block_plain(r->s, at, &it, &plain, err)))
		rc = mend_replay_closes(&r->view, &plain, err);
	buf_free(&plain);
	return rc;
}

struct group_replay {
	struct replay *r;
	struct place commit;
};

static enum err_code replay_item(
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
		return replay_proved(r, it, &place, err);
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
	case ITEM_MENDED:
		return replay_mended(r, it, &place, err);
	case ITEM_CLOSED:
		return replay_closed(r, at, err);
	case ITEM_COMMIT:
		break;
	}
	return rc;
}

/* One item that cannot be read keeps none of the others out. */
static enum err_code on_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct group_replay *g = arg;
	enum err_code rc = replay_item(arg, at, it, err);

	if (!is_damage(rc))
		return rc;
	damage_tell_at(g->r->s, at, err->text);
	return ERR_OK;
}

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
		(rc = block_entry(&r->view, &at, seq, &b, &be, err)))
		return rc;
	/* Its id is known, its digests are not. */
	if (be->damaged) {
		if (!entry_parse(be->text, be->len, &e, NULL))
			rc = arrival_index(r->view.txn, &prints->ids, &e, log,
				seq, arrival, err);
		goto out;
	}
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
				r->view.txn,
				i < e.sd_count ? &e.sd[i] : &be->leaf, arrival);
	}
out:
	block_unpin(b);
	return rc;
}

/* Where the next group that tells it begins to count. */
static uint64_t arrival_limit(struct replay *r, size_t group)
{
	for (size_t i = group + 1; i < r->groups.count; i++) {
		const struct group_at *g = &r->groups.at[i];
		struct place at = {g->segment, g->commit};
		uint64_t arrival = UINT64_MAX;
		struct block *b;

		if (g->damaged || block_directory(&r->view, at, &b, NULL))
			continue;
		arrival = b->directory.arrival;
		block_unpin(b);
		return arrival;
	}
	return UINT64_MAX;
}

static enum err_code replay_run(struct replay *r, const struct arrival_run *run,
	struct prints *prints, struct err *err)
{
	enum err_code rc = ERR_OK;

	/* What arrived again is found by its first number. */
	for (uint32_t k = 0; k < run->count && !run->again && !rc; k++) {
		rc = replay_arrival(r, run->log, run->first + k, r->arrival + k,
			prints, err);
		if (is_damage(rc)) /* told of with its block */
			rc = ERR_OK;
	}
	if (!rc)
		rc = arrival_put(r->view.txn, r->arrival, run, err);
	r->arrival += run->count;
	return rc;
}

static enum err_code replay_arrivals(
	struct replay *r, struct place commit, size_t group, struct err *err)
{
	struct prints prints = {0};
	uint64_t limit = UINT64_MAX;
	struct block *b = NULL;
	enum err_code rc;

	if ((rc = block_directory(&r->view, commit, &b, err)))
		return rc;
	if (b->directory.arrival)
		r->arrival = b->directory.arrival;
	else
		limit = arrival_limit(r, group);
	for (size_t i = 0; i < b->directory.run_count && !rc; i++) {
		const struct arrival_run *run = &b->directory.runs[i];

		if (run->count > limit - r->arrival)
			break;
		rc = replay_run(r, run, &prints, err);
	}
	if (!rc && !(rc = ids_flush(&prints.ids, r->view.txn, err)))
		rc = finder_add(
			r->view.txn, DB_DIGEST, prints.at, prints.count, err);
	ids_free(&prints.ids);
	free(prints.at);
	block_unpin(b);
	return rc;
}

static enum err_code replay_position(
	struct index_txn *t, const struct group_at *at, struct err *err)
{
	uint64_t number = segment_number(at->segment);
	uint64_t segment, groups;
	enum err_code rc;

	if ((rc = meta_get_u64(t, "segment", &segment, err)) ||
		(rc = meta_get_u64(t, "groups", &groups, err)))
		return rc;
	groups = segment == number ? groups + 1 : 1;
	if ((rc = meta_put_u64(t, "groups", groups, err)) ||
		(rc = meta_put_u64(t, "segment", number, err)))
		return rc;
	return meta_put_u64(t, "offset", at->end, err);
}

static enum err_code replay_group(
	struct replay *r, size_t group, struct err *err)
{
	const struct group_at *at = &r->groups.at[group];
	struct group_replay g = {r, {at->segment, at->commit}};
	enum err_code rc;

	if ((rc = segment_walk(r->s->segments, at->segment, at->start,
		     at->commit, on_item, NULL, &g, err)))
		return rc;
	rc = replay_arrivals(r, g.commit, group, err);
	if (is_damage(rc)) {
		damage_tell_at(r->s, g.commit, err->text);
		rc = ERR_OK;
	}
	if (rc || (rc = replay_edges(r, g.commit, err)))
		return rc;
	return replay_position(r->view.txn, at, err);
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

/* What was written anew came home when its segment was packed: what stands
 * where it was is a copy, left to destroy. */
static enum err_code replay_move(
	struct replay *r, const struct move *m, struct err *err)
{
	uint32_t number = segment_number(m->origin.segment);

	if (m->origin.segment != segment_now(r->s->segments, number))
		return erase_drop(r->view.txn, m->now, 0, err);
	return erase_moved(&r->view, m->origin, m->now, err);
}

/* All moves first: a block may be needed that a later group moved.  Spare keys
 * of before may be in use by what is replayed. */
static enum err_code apply(struct replay *r, struct err *err)
{
	const struct store_options *opt = &r->s->opt;
	enum err_code rc;

	rc = index_del(r->view.txn, DB_META, (struct bytes){"spare", 5}, err);
	for (size_t i = 0; i < r->groups.move_count && !rc; i++) {
		const struct move *m = &r->groups.moves[i];

		rc = replay_move(r, m, err);
		if (is_damage(rc)) {
			damage_tell_at(r->s, m->origin, err->text);
			rc = ERR_OK;
		}
	}
	for (size_t i = 0; i < r->groups.count && !rc; i++) {
		if (i % GROUPS_AT_ONCE == 0 && (rc = next_txn(r, err)))
			break;
		if (opt->progress)
			opt->progress(opt->arg, "index", i, r->groups.count);
		rc = replay_group(r, i, err);
		if (rc)
			rc = err_while(err, rc,
				"replay segment %s from %" PRIu64,
				segment_name(r->groups.at[i].segment).text,
				r->groups.at[i].start);
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
	struct err own; /* its text is needed even where the caller's is not */
	struct place from;
	uint64_t segment;
	enum err_code rc;

	r.groups = (struct groups){.segments = s->segments,
		.known = s->extent_known ? &s->extent : NULL,
		.damage = on_damage,
		.arg = &r};
	if ((rc = next_txn(&r, &own)) ||
		(rc = meta_get_u64(r.view.txn, "segment", &segment, &own)) ||
		(rc = meta_get_u64(r.view.txn, "offset", &from.offset, &own)) ||
		(rc = arrival_newest(r.view.txn, &r.arrival, &own)))
		goto out;
	r.arrival++;
	from.segment = (uint32_t)segment;
	if (!(rc = scan(&r, from, &own)) && r.groups.count)
		rc = apply(&r, &own);
	if (!rc)
		rc = damage_forget_closed(s, &own);
out:
	index_abort(r.view.txn);
	groups_free(&r.groups);
	if (rc && err)
		*err = own;
	return rc;
}
