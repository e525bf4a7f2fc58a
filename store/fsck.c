/* fsck.c - reads and recomputes everything that is here. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/batch.h"
#include "store/marks.h"
#include "store/compact.h"

#define TASKS_AT_ONCE ((size_t)512) /* items looked at before trees go on */
#define WHERE_SIZE 192
#define READ_STEP ((size_t)1 << 20)

/* A log as its entries add up to. */
struct tree {
	struct log_row row;	  /* its edge, and what of it is not known */
	uint64_t had;		  /* entries by the index, at the beginning */
	struct checkpoint *notes; /* sorted by size */
	size_t note_count, note_cap;
	size_t note_next;
};

struct leaf {
	struct digest hash;
	bool known;
};

struct task {
	struct fsck *f;
	struct place at;
	struct place commit;
	struct item item;
	struct block *parts; /* that can be read, with their digests */
	struct leaf *leaves; /* of a block of entries that can be read */
	size_t leaf_count;
};

struct fsck {
	struct store *s;
	struct pool *pool;
	fsck_fault *fault;
	void *arg;
	pthread_mutex_t lock; /* for faults and result */
	struct fsck_result result;
	struct tree *trees; /* by log */
	size_t tree_count;
	struct task *tasks;
	size_t task_count, task_cap;
	struct held held; /* the parts of the tasks */
	size_t held_cap;
	struct place last;	      /* where what the index covers ends */
	struct groups groups;	      /* of the segment under the eye */
	struct place commit;	      /* of the group */
	struct damage_places *places; /* that the faults are at, or NULL */
	bool lossy;		      /* something of a log cannot be read */
	uint32_t packing; /* the index is being led over to it, or 0 */
	bool starved;	  /* memory ran out: what seems missing may be there */
};

/* Notes where it was memory that failed; passes the code on. */
static enum err_code mind(struct fsck *f, enum err_code rc)
{
	if (rc == ERR_NOMEM)
		__atomic_store_n(&f->starved, true, __ATOMIC_RELAXED);
	return rc;
}

static bool starved(const struct fsck *f)
{
	return __atomic_load_n(&f->starved, __ATOMIC_RELAXED);
}

static void tell_text(struct fsck *f, const char *where, const char *what)
{
	if (starved(f))
		return;
	pthread_mutex_lock(&f->lock);
	f->result.faults++;
	if (f->fault)
		f->fault(f->arg, where, what);
	pthread_mutex_unlock(&f->lock);
}

static void tell(struct fsck *f, const char *where, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
static void tell(struct fsck *f, const char *where, const char *fmt, ...)
{
	struct err told;
	va_list ap;

	va_start(ap, fmt);
	(void)!err_vset(&told, ERR_CORRUPT, fmt, ap);
	va_end(ap);
	tell_text(f, where, told.text);
}

/* Known, and dealt with. */
static bool closed(struct fsck *f, struct place at)
{
	struct view v;
	bool is;

	if (mind(f, view_open(f->s, &v, NULL)))
		return false;
	is = place_closed(&v, at);
	view_close(&v);
	return is;
}

static void tell_at(
	struct fsck *f, struct place at, const char *what, const char *more)
{
	char where[WHERE_SIZE];
	char text[ERR_TEXT_SIZE];

	if (closed(f, at))
		return;
	damage_where(at, where);
	snprintf(text, sizeof(text), "%s%s", what, more);
	tell_text(f, where, text);
}

/* Bytes that cannot be read, or not be right. */
static void tell_bad(struct fsck *f, struct place at, enum damage_sort sort,
	const char *what)
{
	if (f->places && !starved(f)) {
		pthread_mutex_lock(&f->lock);
		if (damage_places_add(f->places, at, sort, NULL))
			(void)mind(f, ERR_NOMEM);
		pthread_mutex_unlock(&f->lock);
	}
	tell_at(f, at, "", what);
}

/* What is not a fault of the data ends the check. */
static bool is_fault(enum err_code rc)
{
	return rc == ERR_CORRUPT || rc == ERR_NOT_FOUND || rc == ERR_ERASED ||
		rc == ERR_INVALID || rc == ERR_PROTOCOL || rc == ERR_LIMIT ||
		rc == ERR_IO;
}

/* ---- one item, on any thread ---- */

/* The place is of a block that took this one's, in part or whole. */
static bool mended_by(struct task *t, struct place at)
{
	struct item it;

	return place_before(t->at, at) &&
		!mind(t->f,
			segment_head_at(t->f->s->segments, at, &it, NULL)) &&
		(it.kind == ITEM_MENDED || it.kind == ITEM_PROVED);
}

/* A crash came while the index was led over to the packed segment: the next
 * writer ends that. */
static bool is_underway(const struct task *t)
{
	return t->f->packing == t->at.segment;
}

static void check_location(struct task *t, const struct view *v)
{
	struct entry_place known;
	enum err_code rc;

	if (is_underway(t))
		return;
	rc = t->item.kind != ITEM_PROVED
		? entry_locate(v, t->item.log, t->item.first, &known, NULL)
		: entry_locate_proved(
			  v, t->item.log, t->item.first, &known, NULL);
	if (mind(t->f, rc) ||
		(!place_equal(known.block, t->at) &&
			!mended_by(t, known.block)) ||
		(place_equal(known.block, t->at) &&
			known.first != t->item.first))
		tell_at(t->f, t->at, "the index does not lead to this block",
			"");
}

/* Records of the block that arrived with its group, up to `count`. */
static enum err_code arrived_rows(struct task *t, const struct view *v,
	const struct block *b, struct id_row *rows, size_t *count,
	struct err *err)
{
	struct block *commit;
	uint64_t arrival;
	enum err_code rc;

	if ((rc = block_directory(v, t->commit, &commit, err)))
		return rc;
	arrival = commit->directory.arrival;
	for (size_t i = 0; arrival && i < commit->directory.run_count; i++) {
		const struct arrival_run *run = &commit->directory.runs[i];

		for (size_t k = 0; k < b->count && !rc; k++) {
			const struct block_entry *row = b->entries[k];
			uint64_t seq = t->item.first + k;
			struct entry e;

			if (run->again || run->log != t->item.log ||
				seq < run->first ||
				seq - run->first >= run->count ||
				(rc = entry_parse(
					 row->text, row->len, &e, err)) ||
				*count == b->count)
				continue;
			rows[*count].arrival = arrival + (seq - run->first);
			memcpy(rows[(*count)++].uuid, e.uuid, UUID_SIZE);
		}
		arrival += run->count;
	}
	block_unpin(commit);
	return rc;
}

/* The leaf of an entry that was mended; its block is checked by itself. */
static enum err_code leaf_elsewhere(
	struct task *t, const struct view *v, uint64_t seq, struct digest *out)
{
	const struct block_entry *e;
	struct entry_place at;
	struct block *b = NULL;
	enum err_code rc;

	if (t->item.kind == ITEM_PROVED || !index_count(v->txn, DB_MENDED) ||
		(rc = entry_locate(v, t->item.log, seq, &at, NULL)) ||
		!mended_by(t, at.block))
		return ERR_NOT_FOUND;
	rc = mind(t->f, block_entry(v, &at, seq, &b, &e, NULL));
	if (!rc && !e->damaged)
		*out = e->leaf;
	else
		rc = rc ? rc : ERR_NOT_FOUND;
	block_unpin(b);
	return rc;
}

/* Of a block that cannot be read all entries may have been mended. */
static bool leaves_elsewhere(struct task *t, const struct view *v)
{
	size_t count = (size_t)(t->item.last - t->item.first) + 1;
	bool all = true;

	if (t->item.kind != ITEM_ENTRIES || count > BLOCK_ROWS_LIMIT ||
		!index_count(v->txn, DB_MENDED))
		return false;
	if (!(t->leaves = calloc(count, sizeof(*t->leaves)))) {
		(void)mind(t->f, ERR_NOMEM);
		return false;
	}
	t->leaf_count = count;
	for (size_t i = 0; i < count; i++) {
		t->leaves[i].known = !leaf_elsewhere(
			t, v, t->item.first + i, &t->leaves[i].hash);
		all = all && t->leaves[i].known;
	}
	return all;
}

/* The block of parts that they need tells of itself; one that does not hold
 * what it should is told of here. */
static void tell_damaged(
	struct task *t, const struct view *v, const struct block *b)
{
	const struct block_entry *first = NULL;
	uint64_t from = 0;
	size_t count = 0;
	struct err told;

	for (size_t i = 0; i < b->count; i++) {
		struct digest leaf;

		if (!b->entries[i]->damaged ||
			!leaf_elsewhere(t, v, t->item.first + i, &leaf))
			continue;
		if (!count++) {
			first = b->entries[i];
			from = t->item.first + i;
		}
	}
	if (!first)
		return;
	(void)err_set(&told, ERR_CORRUPT,
		"%zu entries of log %" PRIu32 " from %" PRIu64
		" on need this block, which is damaged",
		count, t->item.log, from);
	tell_at(t->f, first->damage, "", told.text);
}

/* They are known to the index by their ids; one fault tells of all. */
static enum err_code check_ids(struct task *t, const struct view *v,
	const struct block *b, struct err *err)
{
	struct id_row *rows = calloc(b->count + 1, sizeof(*rows));
	size_t count = 0;
	bool all = true;
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	if (!(rc = arrived_rows(t, v, b, rows, &count, err)))
		rc = ids_known(v->txn, rows, count, &all, err);
	if (!rc && !all)
		rc = err_set(err, ERR_CORRUPT,
			"the index does not know all entries of log %" PRIu32
			" from %" PRIu64 " to %" PRIu64 " by their ids",
			t->item.log, t->item.first, t->item.last);
	free(rows);
	return rc;
}

static void check_entries(struct task *t, const struct view *v)
{
	struct block *b;
	struct err err;
	enum err_code rc = block_made(v, t->at, t->commit, &b, &err);

	if (mind(t->f, rc)) {
		(void)leaves_elsewhere(t, v);
		tell_bad(t->f, t->at, DAMAGED_ITEM, err.text);
		return;
	}
	check_location(t, v);
	tell_damaged(t, v, b);
	if (mind(t->f, check_ids(t, v, b, &err)))
		tell_at(t->f, t->at, "", err.text);
	for (size_t i = 0; i < b->count; i++)
		if (mind(t->f,
			    seal_holds(t->f->s, t->item.log, t->item.first + i,
				    b->entries[i], &err)))
			tell_at(t->f, t->at, "", err.text);
	if (t->item.kind == ITEM_ENTRIES) {
		t->leaves = calloc(b->count, sizeof(*t->leaves));
		for (size_t i = 0; t->leaves && i < b->count; i++) {
			struct leaf *l = &t->leaves[i];

			*l = (struct leaf){
				b->entries[i]->leaf, !b->entries[i]->damaged};
			l->known = l->known ||
				!leaf_elsewhere(
					t, v, t->item.first + i, &l->hash);
		}
		t->leaf_count = t->leaves ? b->count : 0;
		if (!t->leaves)
			(void)mind(t->f, ERR_NOMEM);
	}
	block_unpin(b);
}

/* Parts are digested for the entries that come after; where that fails, these
 * will tell of it. */
static enum err_code check_parts(
	struct task *t, const struct view *v, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct item it;
	enum err_code rc = block_digested(v, t->at, &t->parts, err);

	if (mind(t->f, rc) && rc != ERR_NOMEM)
		rc = block_plain(t->f->s, t->at, &it, &plain, err);
	buf_wipe(&plain);
	return rc;
}

static enum err_code check_plain(
	struct task *t, const struct view *v, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct item it;
	enum err_code rc;

	if (t->item.kind == ITEM_PARTS)
		return check_parts(t, v, err);
	rc = block_plain(t->f->s, t->at, &it, &plain, err);
	buf_wipe(&plain);
	return rc;
}

/* A block that was written anew elsewhere must be empty by now. */
static void check_sealed(struct task *t, const struct view *v)
{
	struct place origin = t->item.origin.segment ? t->item.origin : t->at;
	struct buf plain = BUF_EMPTY;
	struct place now;
	struct item it;
	struct err err;
	enum err_code rc = block_now(v, origin, &now, &err);

	if (!rc && place_equal(now, t->at)) {
		if (mind(t->f, check_plain(t, v, &err)))
			tell_bad(t->f, t->at,
				t->item.kind == ITEM_PARTS ? DAMAGED_ITEM
							   : DAMAGED_REFS,
				err.text);
	} else if (!rc && !is_underway(t)) {
		struct key drop = KEY_EMPTY;

		key_u8(&drop, 1);
		key_u32(&drop, t->at.segment);
		key_u64(&drop, t->at.offset);
		rc = segment_item(t->f->s->segments, t->at, &it, &plain, NULL);
		if (mind(t->f, rc) != ERR_ERASED &&
			index_get(
				v->txn, DB_DROP, key_bytes(&drop), NULL, NULL))
			tell_at(t->f, t->at,
				"block that was destroyed is still there", "");
	} else if (rc) {
		(void)mind(t->f, rc);
		tell_at(t->f, t->at, "", err.text);
	}
	buf_wipe(&plain);
}

static void check_raw(struct task *t)
{
	struct buf payload = BUF_EMPTY;
	struct item it;
	struct err err;

	if (mind(t->f,
		    segment_item(
			    t->f->s->segments, t->at, &it, &payload, &err))) {
		tell_bad(t->f, t->at, DAMAGED_TOLD, err.text);
		if (t->item.kind == ITEM_ERASED && !closed(t->f, t->at)) {
			pthread_mutex_lock(&t->f->lock);
			t->f->result.marks++;
			pthread_mutex_unlock(&t->f->lock);
		}
	}
	buf_free(&payload);
}

/* The entry itself is checked with the block that holds it, which is of the
 * same group. */
static enum err_code check_arrival(struct task *t, const struct view *v,
	uint64_t arrival, const struct arrival_run *run, uint32_t k,
	struct err *err)
{
	struct entry_place at;
	const uint32_t log = run->log;
	const uint64_t seq = run->first + k;
	uint32_t known_log;
	uint64_t known_seq;
	enum err_code rc;

	if ((rc = arrival_get(v, arrival, &known_log, &known_seq, err)))
		return rc;
	if (known_log != log || known_seq != seq)
		return err_set(err, ERR_CORRUPT,
			"arrival %" PRIu64 " is another record in the index",
			arrival);
	if (run->again ||
		(!entry_locate(v, log, seq, &at, NULL) &&
			mended_by(t, at.block)))
		return ERR_OK;
	if (mind(t->f, entry_locate_proved(v, log, seq, &at, NULL)) &&
		(rc = entry_locate(v, log, seq, &at, err)))
		return rc;
	if (mended_by(t, at.block))
		return ERR_OK;
	if (at.commit.offset != PLACE_LOST && !is_underway(t) &&
		!place_equal(at.commit, t->at))
		return err_set(err, ERR_CORRUPT,
			"arrival %" PRIu64 " is not of its group in the index",
			arrival);
	return ERR_OK;
}

/* What arrived with a group is there in the index; one fault tells of all. */
static void check_commit(struct task *t, const struct view *v)
{
	struct block *b;
	struct err err;
	enum err_code rc = block_directory(v, t->at, &b, &err);
	uint64_t arrival;

	if (mind(t->f, rc)) {
		tell_bad(t->f, t->at, DAMAGED_BYTES, err.text);
		return;
	}
	arrival = b->directory.arrival;
	for (size_t i = 0; i < b->directory.run_count && !rc; i++) {
		const struct arrival_run *run = &b->directory.runs[i];

		for (uint32_t k = 0; k < run->count && !rc; k++)
			rc = check_arrival(t, v, arrival + k, run, k, &err);
		arrival += run->count;
	}
	if (mind(t->f, rc))
		tell_at(t->f, t->at, "", err.text);
	block_unpin(b);
}

static bool task_view(struct task *t, struct view *v)
{
	if (!mind(t->f, view_open(t->f->s, v, NULL))) {
		v->held = &t->f->held;
		return true;
	}
	tell_at(t->f, t->at, "the index cannot be read", "");
	return false;
}

/* Before the entries, which need their digests. */
static void run_parts(void *arg)
{
	struct task *t = arg;
	struct view v;

	if (t->item.kind != ITEM_PARTS || !task_view(t, &v))
		return;
	check_sealed(t, &v);
	view_close(&v);
}

static void run_others(void *arg)
{
	struct task *t = arg;
	struct view v;

	if (t->item.kind == ITEM_PARTS || !task_view(t, &v))
		return;
	switch (t->item.kind) {
	case ITEM_ENTRIES:
	case ITEM_PROVED:
	case ITEM_MENDED:
		check_entries(t, &v);
		break;
	case ITEM_PARTS:
		break;
	case ITEM_REFS:
		check_sealed(t, &v);
		break;
	case ITEM_COMMIT:
		check_commit(t, &v);
		break;
	case ITEM_LOG:
	case ITEM_NOTE:
	case ITEM_ERASED:
	case ITEM_CLOSED:
		check_raw(t);
		break;
	}
	view_close(&v);
}

/* ---- trees ---- */

static struct tree *tree_of(struct fsck *f, uint32_t log)
{
	size_t i = log < f->tree_count ? log : f->tree_count;

	/* Some numbers may have been lost before it. */
	while (i && f->trees[i - 1].row.id > log)
		i--;
	return i && f->trees[i - 1].row.id == log ? &f->trees[i - 1] : NULL;
}

static int compare_notes(const void *a, const void *b)
{
	const struct checkpoint *x = a;
	const struct checkpoint *y = b;

	return (x->size > y->size) - (x->size < y->size);
}

static void check_notes(struct fsck *f, struct tree *t)
{
	const struct tree_edge *e = &t->row.edge;

	while (t->note_next < t->note_count &&
		t->notes[t->note_next].size <= e->size) {
		const struct checkpoint *cp = &t->notes[t->note_next++];
		struct digest root = tree_root(e);

		if (cp->size == e->size && !t->row.lost &&
			!digest_equal(&root, &cp->root))
			tell(f, cp->origin,
				"the first %" PRIu64
				" entries do not have the root of their "
				"checkpoint",
				cp->size);
	}
}

/* Entries up to `to` are nowhere. */
static void lose(
	struct fsck *f, const struct task *t, struct tree *tree, uint64_t to)
{
	struct task whole = {.f = f, .item = {.log = tree->row.id}};
	uint64_t from = tree->row.edge.size;
	struct err told;
	struct view v;

	if (to <= from || to - from > LOST_LIMIT ||
		mind(f, view_open(f->s, &v, NULL)))
		return;
	for (struct digest leaf; from < to; from++) {
		if (leaf_elsewhere(&whole, &v, from, &leaf) ||
			leaf_append(NULL, &tree->row, &leaf, NULL))
			break;
		check_notes(f, tree);
	}
	view_close(&v);
	if (from == to)
		return;
	(void)err_set(&told, ERR_CORRUPT,
		"entries %" PRIu64 " to %" PRIu64 " of log %" PRIu32
		" are lost before this block",
		from, to - 1, tree->row.id);
	tell_at(f, t->at, "", told.text);
	if (leaves_lose(NULL, &tree->row, to - from, NULL))
		tree->row.lost = UINT64_MAX; /* it does not fail */
}

static void grow_entries(
	struct fsck *f, const struct task *t, struct tree *tree)
{
	struct log_row *row = &tree->row;

	lose(f, t, tree, t->item.first);
	if (row->edge.size != t->item.first) {
		tell_at(f, t->at, "entries that stand here stood before", "");
		return;
	}
	for (uint64_t i = 0; i <= t->item.last - t->item.first; i++) {
		bool known = i < t->leaf_count && t->leaves[i].known;

		if (leaf_append(
			    NULL, row, known ? &t->leaves[i].hash : NULL, NULL))
			return;
		if (tree->note_next < tree->note_count)
			check_notes(f, tree);
	}
}

/* What the group tells of the edge mends what damage took. */
static void grow_edges(struct fsck *f, const struct task *t)
{
	const struct directory *d;
	struct block *b;
	struct view v;

	if (!f->lossy || mind(f, view_open(f->s, &v, NULL)))
		return;
	if (mind(f, block_directory(&v, t->at, &b, NULL)) == ERR_OK) {
		d = &b->directory;
		for (size_t i = 0; i < d->edge_count; i++) {
			struct tree *tree = tree_of(f, d->edges[i].log);

			if (!tree)
				continue;
			lose(f, t, tree, d->edges[i].to);
			if (edge_restore(NULL, &tree->row, d, &d->edges[i],
				    NULL) == ERR_OK)
				check_notes(f, tree);
		}
		block_unpin(b);
	}
	view_close(&v);
}

static void grow_tree(struct fsck *f, const struct task *t)
{
	struct tree *tree = tree_of(f, t->item.log);

	if (t->item.kind == ITEM_COMMIT)
		grow_edges(f, t);
	if (t->item.kind == ITEM_ENTRIES && tree) {
		f->lossy |= t->item.first != tree->row.edge.size ||
			t->leaf_count != t->item.last - t->item.first + 1;
		for (size_t i = 0; i < t->leaf_count; i++)
			f->lossy |= !t->leaves[i].known;
		grow_entries(f, t, tree);
	}
}

static void count_task(struct fsck *f, const struct task *t)
{
	struct fsck_result *r = &f->result;

	r->blocks++;
	r->bytes += item_size(&t->item);
	if (t->item.kind == ITEM_ENTRIES || t->item.kind == ITEM_PROVED)
		r->records += t->item.count;
	if (t->item.kind == ITEM_PARTS && !t->item.origin.segment)
		r->parts += t->item.count;
}

/* Tasks stand in the order of their places. */
static void hold_parts(struct fsck *f)
{
	for (size_t i = 0; i < f->task_count; i++) {
		struct block *parts = f->tasks[i].parts;

		if (!parts)
			continue;
		if (grow(&f->held.blocks, &f->held_cap, f->held.count,
			    sizeof(parts)))
			f->held.blocks[f->held.count++] = parts;
		else
			(void)mind(f, ERR_NOMEM);
	}
}

static void forget_tasks(struct fsck *f)
{
	for (size_t i = 0; i < f->task_count; i++) {
		block_unpin(f->tasks[i].parts);
		free(f->tasks[i].leaves);
	}
	f->task_count = 0;
	f->held.count = 0;
}

static void run_tasks(struct fsck *f)
{
	size_t count = f->task_count;

	if (!count)
		return;
	pool_each(f->pool, run_parts, f->tasks, sizeof(*f->tasks), count);
	hold_parts(f);
	pool_each(f->pool, run_others, f->tasks, sizeof(*f->tasks), count);
	for (size_t i = 0; i < count; i++) {
		grow_tree(f, &f->tasks[i]);
		count_task(f, &f->tasks[i]);
	}
	forget_tasks(f);
}

/* ---- segments ---- */

static bool commit_reads(struct fsck *f, struct place at)
{
	struct directory d = {0};
	struct buf payload = BUF_EMPTY;
	struct item it;
	bool reads;

	reads = !mind(f,
			segment_item(
				f->s->segments, at, &it, &payload, NULL)) &&
		!mind(f, directory_parse(payload.data, payload.len, &d, NULL));
	directory_free(&d);
	buf_free(&payload);
	return reads;
}

/* Behind what the index covers a group may be on its way. */
static void on_damage(
	void *arg, struct place at, uint64_t len, const char *what)
{
	struct fsck *f = arg;

	(void)len;
	if (at.segment == f->last.segment && at.offset >= f->last.offset)
		return;
	f->lossy = true;
	tell_bad(f, at, DAMAGED_BYTES, what);
}

static enum err_code add_task(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct fsck *f = arg;

	if (!grow(&f->tasks, &f->task_cap, f->task_count, sizeof(*f->tasks)))
		return err_nomem(err);
	f->tasks[f->task_count++] = (struct task){
		.f = f, .at = at, .commit = f->commit, .item = *it};
	return ERR_OK;
}

static enum err_code check_group(
	struct fsck *f, const struct group_at *g, struct err *err)
{
	struct place commit = {g->segment, g->commit};
	struct item it;
	enum err_code rc;

	f->commit = commit;
	f->lossy |= g->damaged;
	rc = segment_walk(f->s->segments, g->segment, g->start, g->commit,
		add_task, NULL, f, err);
	if (!rc &&
		!mind(f, segment_head_at(f->s->segments, commit, &it, NULL)) &&
		it.kind == ITEM_COMMIT && commit_reads(f, commit))
		rc = add_task(f, commit, &it, err);
	if (!rc && f->task_count >= TASKS_AT_ONCE)
		run_tasks(f);
	return rc;
}

/* Up to what the index covers: behind it a group may be on its way, or the
 * rest of one that a crash cut off. */
static enum err_code check_segment(struct fsck *f, uint32_t id, struct err *err)
{
	const struct place last = f->last;
	struct place at = {id, SEGMENT_HEAD_SIZE};
	struct err told;
	enum err_code rc;

	f->result.segments++;
	groups_clear(&f->groups);
	if ((rc = groups_scan(&f->groups, id, 0, err)))
		return rc;
	for (size_t i = 0; i < f->groups.count && !rc; i++) {
		const struct group_at *g = &f->groups.at[i];

		if (id != last.segment || g->end <= last.offset)
			rc = check_group(f, g, err);
	}
	if (!rc && id == last.segment && f->groups.end < last.offset) {
		at.offset = f->groups.end;
		(void)err_set(&told, ERR_CORRUPT,
			"the index knows groups up to %" PRIu64
			" and none can be read from here on",
			last.offset);
		on_damage(f, at, 0, told.text);
	}
	return rc;
}

static enum err_code covered(struct fsck *f, struct err *err)
{
	struct place *out = &f->last;
	const struct extent *known = f->groups.known;
	uint64_t segment;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(f->s, &v, err)))
		return rc;
	if (!(rc = meta_get_u64(v.txn, "segment", &segment, err)) &&
		!(rc = meta_get_u64(v.txn, "offset", &out->offset, err)))
		out->segment = (uint32_t)segment;
	if (!rc)
		rc = compact_underway(v.txn, &f->packing, err);
	f->result.erased = index_count(v.txn, DB_ERASED);
	f->result.mended = index_count(v.txn, DB_CLOSED);
	view_close(&v);
	/* Where the index is made from what is left, this knows of the rest. */
	if (known &&
		(known->segment > out->segment ||
			(known->segment == out->segment &&
				known->end > out->offset)))
		*out = (struct place){known->segment, known->end};
	return rc;
}

static enum err_code check_segments(struct fsck *f, struct err *err)
{
	const struct place last = f->last;
	const struct store_options *opt = &f->s->opt;
	uint32_t id;
	enum err_code rc = ERR_OK;

	for (uint32_t n = 1; n <= last.segment && !rc; n++) {
		if (opt->progress)
			opt->progress(
				opt->arg, "segments", n - 1, last.segment);
		id = segment_now(f->s->segments, n);
		rc = check_segment(f, id, err);
		if (rc && is_fault(rc)) {
			tell_at(f, (struct place){id, 0}, "",
				err ? err->text : "cannot be read");
			rc = ERR_OK;
		}
	}
	if (!rc)
		run_tasks(f);
	return rc;
}

/* ---- the index's logs against the trees ---- */

/* The checkpoints that the index keeps are those the segments hold newest. */
static enum err_code load_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct fsck *f = arg;
	size_t cap = f->tree_count;
	struct tree *t;

	if (!grow(&f->trees, &cap, f->tree_count, sizeof(*f->trees)))
		return err_nomem(err);
	t = &f->trees[f->tree_count++];
	*t = (struct tree){.row = {.id = log->id}, .had = log->size};
	return ERR_OK;
}

static enum err_code on_note(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct fsck *f = arg;
	struct tree *t = tree_of(f, it->log);
	struct buf note = BUF_EMPTY;
	struct checkpoint cp;
	struct item again;

	if (it->kind != ITEM_NOTE || !t)
		return ERR_OK;
	/* One that cannot be read is told of later. */
	if (!mind(f, segment_item(f->s->segments, at, &again, &note, NULL))) {
		if (note_checkpoint(
			    (struct bytes){note.data, note.len}, &cp, NULL)) {
			tell_at(f, at, "the note is malformed", "");
		} else if (!grow(&t->notes, &t->note_cap, t->note_count,
				   sizeof(*t->notes))) {
			buf_free(&note);
			return err_nomem(err);
		} else {
			t->notes[t->note_count++] = cp;
		}
	}
	buf_free(&note);
	return ERR_OK;
}

static enum err_code load_notes(struct fsck *f, struct err *err)
{
	const struct place last = f->last;
	enum err_code rc = ERR_OK;

	for (uint32_t n = 1; n <= last.segment && !rc; n++) {
		uint32_t id = segment_now(f->s->segments, n);
		uint64_t to = last.offset;

		/* What cannot be told, or is damaged, is told of later. */
		if (n < last.segment &&
			mind(f, segment_end(f->s->segments, id, &to, NULL)))
			to = UINT64_MAX;
		rc = segment_walk(
			f->s->segments, id, 0, to, on_note, NULL, f, err);
	}
	for (size_t i = 0; i < f->tree_count; i++) {
		struct tree *t = &f->trees[i];

		if (t->note_count)
			qsort(t->notes, t->note_count, sizeof(*t->notes),
				compare_notes);
		check_notes(f, t);
	}
	return rc;
}

static enum err_code check_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct fsck *f = arg;
	struct tree *t = tree_of(f, log->id);
	const struct tree_edge *e;
	struct log_row row;
	struct digest root;
	struct view v;
	enum err_code rc;

	if (!t)
		return ERR_OK; /* it began while we were looking */
	if ((rc = view_open(f->s, &v, err)))
		return rc;
	rc = log_get(&v, log->id, &row, err);
	view_close(&v);
	if (rc)
		return rc;
	e = &t->row.edge;
	root = tree_root(e);
	if (row.lost || t->row.lost)
		tell(f, log->origin,
			"the end of its tree went with damaged blocks");
	else if (e->size > log->size ||
		(e->size == log->size && !digest_equal(&root, &log->root)))
		tell(f, log->origin,
			"the index tells another tree than the segments hold");
	if (e->size < t->had)
		tell(f, log->origin,
			"%" PRIu64 " entries in the index, %" PRIu64
			" whole ones in the segments",
			t->had, e->size);
	return ERR_OK;
}

/* What opening found that no segment tells. */
static enum err_code tell_opening(
	void *arg, const char *where, const char *what, struct err *err)
{
	(void)err;
	if (strncmp(where, "segments/", strlen("segments/")) != 0)
		tell_text(arg, where, what);
	return ERR_OK;
}

static enum err_code check_cut(struct fsck *f)
{
	struct log_cut cut;

	if (store_log_cut(f->s, &cut))
		tell(f, cut.origin,
			"%" PRIu64 " entries were acknowledged; what is left "
			"at the end is not all of them",
			cut.had);
	return ERR_OK;
}

static enum err_code check_tables(struct fsck *f, struct err *err)
{
	struct err told;
	enum err_code rc = index_walk(f->s->index_dir, &told);

	if (rc == ERR_CORRUPT)
		tell_text(f, "index/data.mdb", told.text);
	else if (rc && err)
		*err = told;
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* ---- marks of destroyed parts ---- */

struct marking {
	struct fsck *f;
	struct view view;
	bool after; /* the view began behind the file's size */
	uint64_t unknown;
};

static enum err_code on_mark(
	void *arg, const struct mark_row *m, struct err *err)
{
	struct marking *g = arg;
	struct key k =
		key_of_part(m->part.log, (uint8_t)m->part.label, m->part.seq);
	enum err_code rc =
		index_get(g->view.txn, DB_ERASED, key_bytes(&k), NULL, err);

	/* It may have come since: the index knows it before the file does. */
	if (rc == ERR_NOT_FOUND && !g->after) {
		view_close(&g->view);
		if ((rc = view_open(g->f->s, &g->view, err)))
			return rc;
		g->after = true;
		rc = index_get(
			g->view.txn, DB_ERASED, key_bytes(&k), NULL, err);
	}
	g->unknown += rc == ERR_NOT_FOUND;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* A daemon writes to the file behind the index. */
static enum err_code check_marks(struct fsck *f, struct err *err)
{
	struct marking g = {.f = f};
	struct marks_seen seen = {.rows = 0};
	enum err_code rc;

	if ((rc = view_open(f->s, &g.view, err)))
		return rc;
	if ((rc = marks_each(f->s, on_mark, &g, &seen, err)))
		goto out;
	if (f->places)
		f->places->marks = seen.headless || seen.bad;
	if (seen.headless || seen.bad)
		tell(f, "erased",
			"damaged at %" PRIu64 ": marks of %" PRIu64
			" destroyed parts cannot be read",
			seen.first, seen.bad);
	if (g.unknown && f->s->mode == STORE_WRITE)
		tell(f, "erased",
			"%" PRIu64 " destroyed parts that the index does not "
			"know",
			g.unknown);
out:
	view_close(&g.view);
	return rc;
}

/* ---- attachments ---- */

static enum err_code hash_object(struct fsck *f, const struct digest *object,
	const struct attachment_ref *ref, struct err *err)
{
	struct attachment_reader *r = NULL;
	uint8_t *piece = malloc(READ_STEP);
	uint64_t size = 0;
	uint64_t at = 0;
	struct sha256 h;
	struct digest d;
	size_t got = 1;
	enum err_code rc;

	if (!piece)
		return err_nomem(err);
	sha256_init(&h);
	if (ref)
		sha256_update(&h, ref->salt, sizeof(ref->salt));
	rc = attachment_open(f->s->data, f->s->keyring, object, &r, &size, err);
	for (; !rc && got; at += got) {
		rc = attachment_read(r, at, piece, READ_STEP, &got, err);
		if (!rc)
			sha256_update(&h, piece, got);
	}
	d = sha256_final(&h);
	if (!rc && ref && !digest_equal(&d, object))
		rc = err_set(err, ERR_CORRUPT,
			"the content does not match the name");
	pthread_mutex_lock(&f->lock);
	f->result.attachments++;
	f->result.bytes += size;
	pthread_mutex_unlock(&f->lock);
	attachment_close(r);
	explicit_bzero(piece, READ_STEP);
	free(piece);
	return rc;
}

struct object_task {
	struct fsck *f;
	struct digest object;
};

static void run_object(void *arg)
{
	struct object_task *t = arg;
	struct attachment_ref ref;
	char where[WHERE_SIZE];
	char name[DIGEST_HEX_SIZE];
	struct err err;
	bool noted;
	enum err_code rc;

	noted = attachment_noted(t->f->s->data, &t->object);
	rc = store_attachment_find(t->f->s, &t->object, &ref, &err);
	digest_hex(&t->object, name);
	snprintf(where, sizeof(where), "attachments/%.2s/%s", name, name);
	if (rc == ERR_NOT_FOUND && !noted &&
		attachment_here(t->f->s->data, &t->object))
		tell(t->f, where, "no record here refers to it");
	/* Without a record yet there is no salt; the seals are still checked.
	 */
	if (!rc || rc == ERR_NOT_FOUND)
		rc = hash_object(t->f, &t->object, rc ? NULL : &ref, &err);
	if (mind(t->f, rc))
		tell_text(t->f, where, err.text);
}

struct objects {
	struct object_task *at;
	size_t count, cap;
};

static enum err_code list_folder(
	struct fsck *f, const char *path, struct objects *out, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	enum err_code rc = ERR_OK;

	if (!dir)
		return err_sys(err, "open %s", path);
	while (!rc && (e = readdir(dir))) {
		struct object_task t = {.f = f};

		if (!digest_from_hex(e->d_name, strlen(e->d_name), &t.object))
			continue;
		if (grow(&out->at, &out->cap, out->count, sizeof(*out->at)))
			out->at[out->count++] = t;
		else
			rc = err_nomem(err);
	}
	closedir(dir);
	return rc;
}

static enum err_code list_objects(
	struct fsck *f, struct objects *out, struct err *err)
{
	char *top = file_join(f->s->data, "attachments");
	enum err_code rc = top ? ERR_OK : err_nomem(err);

	for (unsigned i = 0; i < 256 && !rc; i++) {
		char name[3];
		char *path;

		snprintf(name, sizeof(name), "%02x", i);
		if (!(path = file_join(top, name)))
			rc = err_nomem(err);
		else if (file_exists(path))
			rc = list_folder(f, path, out, err);
		free(path);
	}
	free(top);
	return rc;
}

static enum err_code check_objects(struct fsck *f, struct err *err)
{
	struct objects objects = {0};
	enum err_code rc = list_objects(f, &objects, err);

	if (!rc)
		pool_each(f->pool, run_object, objects.at, sizeof(*objects.at),
			objects.count);
	free(objects.at);
	return rc;
}

static void tell_missing(void *arg, const struct digest *object)
{
	char name[DIGEST_HEX_SIZE];
	char where[WHERE_SIZE];

	digest_hex(object, name);
	snprintf(where, sizeof(where), "attachments/%.2s/%s", name, name);
	tell(arg, where, "the attachment is gone and nobody wants it");
}

static enum err_code check_missing(struct fsck *f, struct err *err)
{
	struct view v;
	enum err_code rc;

	if ((rc = view_open(f->s, &v, err)))
		return rc;
	rc = refs_missing(&v, tell_missing, f, err);
	view_close(&v);
	return rc;
}

/* ---- parts that are gone for good ---- */

struct losing {
	struct fsck *f;
	uint32_t log;
};

/* Or known to be destroyed. */
static size_t parts_here(const struct record *r)
{
	return (size_t)__builtin_popcount(r->have | r->erased);
}

static enum err_code on_mended(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct losing *l = arg;
	enum err_code rc = ERR_OK;

	for (uint64_t i = from; i < from + count && !rc; i++) {
		struct run run = {0};
		struct entry e;

		rc = store_read(l->f->s, l->log, i, 1, LABEL_ALL, &run, err);
		if (!rc &&
			!(rc = entry_parse(run.record[0].entry,
				  run.record[0].entry_len, &e, err)))
			l->f->result.lost +=
				parts_here(&run.record[0]) < e.sd_count;
		run_free(&run);
		if (is_damage(rc))
			rc = ERR_OK; /* it was told of */
	}
	return rc;
}

static enum err_code on_gone(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct losing *l = arg;

	(void)from;
	(void)err;
	l->f->result.gone += count;
	return ERR_OK;
}

/* Of its own records a node holds every part, unless it was destroyed.  Where
 * damage is closed and no other is left, what cannot be read was given up. */
static enum err_code check_own(
	void *arg, const struct log_info *log, struct err *err)
{
	struct losing l = {arg, log->id};
	const struct fsck_result *r = &l.f->result;
	enum err_code rc;

	if (log->kind != LOG_OWN ||
		(rc = store_mended_each(l.f->s, log->id, on_mended, &l, err)) ||
		r->faults || !r->mended)
		return log->kind == LOG_OWN ? rc : ERR_OK;
	return store_damaged_each(l.f->s, log->id, on_gone, &l, err);
}

static enum err_code check_all(struct store *s, size_t threads,
	fsck_fault *fault, void *arg, struct damage_places *places,
	struct fsck_result *out, struct err *err)
{
	struct fsck f = {.s = s, .fault = fault, .arg = arg, .places = places};
	struct err own; /* its text is needed even where the caller's is not */
	struct extent known;
	enum err_code rc;
	int hold = -1;

	own.text[0] = '\0';
	pthread_mutex_init(&f.lock, NULL);
	cache_clear(s->cache);
	f.groups = (struct groups){.segments = s->segments,
		.known = extent_look(s, &known),
		.damage = on_damage,
		.arg = &f};
	if ((rc = segments_hold(s->segments, SEGMENTS_KEPT, &hold, &own)) ||
		(rc = check_tables(&f, &own)) ||
		(rc = store_damage_each(s, tell_opening, &f, &own)) ||
		(rc = pool_new(threads, TASKS_AT_ONCE, &f.pool, &own)) ||
		(rc = segments_recount(s->segments, &own)) ||
		(rc = store_log_each(s, load_log, &f, &own)) ||
		(rc = covered(&f, &own)) || (rc = load_notes(&f, &own)) ||
		(rc = check_segments(&f, &own)) ||
		(rc = store_log_each(s, check_log, &f, &own)) ||
		(rc = check_cut(&f)) || (rc = check_marks(&f, &own)) ||
		(rc = check_objects(&f, &own)) ||
		(rc = check_missing(&f, &own)) ||
		(rc = store_log_each(s, check_own, &f, &own)))
		goto out;
	if (starved(&f))
		rc = err_nomem(&own);
	else if (f.result.faults)
		rc = err_set(&own, ERR_CORRUPT, "%" PRIu64 " faults in %s",
			f.result.faults, s->data);
out:
	if (hold >= 0)
		close(hold);
	*out = f.result;
	if (rc && err)
		*err = own;
	pool_free(f.pool);
	forget_tasks(&f);
	for (size_t i = 0; i < f.tree_count; i++)
		free(f.trees[i].notes);
	free(f.trees);
	free(f.tasks);
	free(f.held.blocks);
	groups_free(&f.groups);
	pthread_mutex_destroy(&f.lock);
	return rc;
}

enum err_code store_fsck(struct store *s, size_t threads, fsck_fault *fault,
	void *arg, struct fsck_result *out, struct err *err)
{
	return check_all(s, threads, fault, arg, NULL, out, err);
}

enum err_code store_damage_look(struct store *s, size_t threads,
	fsck_fault *fault, void *arg, struct damage_places **out,
	struct err *err)
{
	struct damage_places *d = calloc(1, sizeof(*d));
	struct fsck_result result;
	enum err_code rc;

	if (!d)
		return err_nomem(err);
	rc = check_all(s, threads, fault, arg, d, &result, err);
	if (rc == ERR_OK || rc == ERR_CORRUPT)
		rc = store_damage_need(s, d, NULL, NULL, err);
	if (rc)
		damage_places_free(d);
	else
		*out = d;
	return rc;
}
