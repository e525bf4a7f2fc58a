/* batch.c - what one group of writes gathers before it is committed. */
#include "store/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define READER_CHECK_MS 15000

#define PIECE_SIZE ((size_t)64 << 10)

struct arena_piece {
	struct arena_piece *before;
	size_t len, cap;
	char bytes[];
};

/* A copy of the bytes; NULL when out of memory. */
static const char *arena_add(struct arena *a, const void *data, size_t len)
{
	struct arena_piece *p = a->newest;
	char *to;

	if (!p || p->cap - p->len < len) {
		size_t cap = len > PIECE_SIZE ? len : PIECE_SIZE;

		if (!(p = malloc(sizeof(*p) + cap)))
			return NULL;
		*p = (struct arena_piece){.before = a->newest, .cap = cap};
		a->newest = p;
	}
	to = p->bytes + p->len;
	if (len)
		memcpy(to, data, len);
	p->len += len;
	a->bytes += len;
	return to;
}

static void arena_wipe(struct arena *a)
{
	while (a->newest) {
		struct arena_piece *p = a->newest;

		a->newest = p->before;
		explicit_bzero(p->bytes, p->len);
		free(p);
	}
	a->bytes = 0;
}

static enum err_code batch_open(
	struct store *s, struct batch *b, struct err *err)
{
	uint64_t now = time_mono_ms();
	uint64_t newest;
	enum err_code rc;

	if (now - s->readers_checked_ms >= READER_CHECK_MS) {
		index_check_readers(s->index);
		s->readers_checked_ms = now;
	}
	b->s = s;
	b->view.s = s;
	b->view.batch = b;
	if ((rc = index_begin(s->index, true, &b->view.txn, err)))
		return rc;
	if ((rc = arrival_newest(b->view.txn, &newest, err)))
		return rc;
	if (b->s->extent_known && b->s->extent.arrivals > newest)
		newest = b->s->extent.arrivals; /* numbers never mean two */
	b->arrival = newest + 1;
	return ERR_OK;
}

enum err_code store_check_broken(const struct store *s, struct err *err)
{
	if (!__atomic_load_n(&s->broken, __ATOMIC_ACQUIRE))
		return ERR_OK;
	return err_set(err, ERR_IO,
		"an earlier write failed: the store must be opened anew");
}

enum err_code batch_begin(struct store *s, struct batch **out, struct err *err)
{
	struct batch *b;
	enum err_code rc;

	if (s->mode != STORE_WRITE)
		return err_set(
			err, ERR_USAGE, "the store was opened for reading");
	if (s->batching)
		return err_set(err, ERR_BUSY, "there is a batch already");
	if ((rc = store_check_broken(s, err)))
		return rc;
	if (index_bad(s->index))
		return err_set(err, ERR_CORRUPT,
			"%s/index is damaged: it is made anew when the node is "
			"opened next",
			s->data);
	if (!(b = calloc(1, sizeof(*b))))
		return err_nomem(err);
	s->batching = true;
	if ((rc = batch_open(s, b, err)))
		batch_abort(b);
	else
		*out = b;
	return rc;
}

size_t batch_records(const struct batch *b)
{
	return b->pending_count;
}

/* Keys that an undone batch took may serve the next one. */
static void give_back(struct batch *b)
{
	struct store *s = b->s;

	while (b->taken_count && s->spare_count < SPARE_KEYS)
		s->spare[s->spare_count++] = b->taken[--b->taken_count];
}

void batch_abort(struct batch *b)
{
	if (!b)
		return;
	give_back(b);
	index_abort(b->view.txn);
	for (size_t i = 0; i < b->log_count; i++) {
		free(b->logs[i]->turn);
		free(b->logs[i]);
	}
	free(b->logs);
	free(b->pending);
	arena_wipe(&b->arena);
	free(b->runs);
	ids_free(&b->ids);
	free(b->prints);
	free(b->refs);
	free(b->marks);
	free(b->orders);
	free(b->taken);
	free(b->doomed);
	free(b->mends);
	free(b->closes);
	b->s->batching = false;
	store_mark_bad(b->s);
	free(b);
}

void batch_sign_now(struct batch *b)
{
	b->sign_now = true;
}

void batch_use_reserve(struct batch *b)
{
	b->use_reserve = true;
}

/* ---- what views ask ---- */

static struct batch_log *loaded(const struct batch *b, uint32_t id)
{
	for (size_t i = 0; i < b->log_count; i++)
		if (b->logs[i]->row.id == id)
			return b->logs[i];
	return NULL;
}

const struct log_row *batch_row(const struct batch *b, uint32_t log)
{
	const struct batch_log *l = loaded(b, log);

	return l ? &l->row : NULL;
}

const struct log_row *batch_row_find(const struct batch *b, const char *origin)
{
	for (size_t i = 0; i < b->log_count; i++)
		if (strcmp(b->logs[i]->row.origin, origin) == 0)
			return &b->logs[i]->row;
	return NULL;
}

uint64_t batch_from(const struct batch *b, uint32_t log, uint64_t size)
{
	const struct batch_log *l = loaded(b, log);

	return l ? l->first_new : size;
}

static const struct pending *turn_of(
	const struct batch *b, uint32_t log, uint64_t seq)
{
	const struct batch_log *l = loaded(b, log);

	return &b->pending[l->turn[seq - l->first_new]];
}

const struct digest *batch_leaf(
	const struct batch *b, uint32_t log, uint64_t seq)
{
	return &turn_of(b, log, seq)->leaf;
}

static void tell_record(const struct pending *p, struct record *out)
{
	*out = (struct record){.entry = p->entry,
		.entry_len = p->entry_len,
		.leaf = p->leaf,
		.have = p->have,
		.erased = p->erased};
	for (int l = 0; l < LABEL_COUNT; l++) {
		if (!(p->have & LABEL_BIT(l)))
			continue;
		out->part[l].json = p->part[l];
		out->part[l].len = p->part_len[l];
		memcpy(out->part[l].seed, p->seed[l], SEED_SIZE);
	}
}

void batch_record(
	const struct batch *b, uint32_t log, uint64_t seq, struct record *out)
{
	tell_record(turn_of(b, log, seq), out);
}

void batch_record_proved(
	const struct batch *b, uint64_t pending, struct record *out)
{
	tell_record(&b->pending[pending], out);
}

const struct ids *batch_ids(const struct batch *b)
{
	return &b->ids;
}

bool batch_arrival(
	const struct batch *b, uint64_t arrival, uint32_t *log, uint64_t *seq)
{
	uint64_t skip = arrival - b->arrival;

	if (arrival < b->arrival)
		return false;
	for (size_t i = 0; i < b->run_count; i++) {
		if (skip < b->runs[i].count) {
			*log = b->runs[i].log;
			*seq = b->runs[i].first + skip;
			return true;
		}
		skip -= b->runs[i].count;
	}
	return false;
}

/* ---- logs ---- */

static enum err_code add_log(struct batch *b, const struct log_row *row,
	struct batch_log **out, struct err *err)
{
	struct batch_log *l;

	if (!grow(&b->logs, &b->log_cap, b->log_count, sizeof(*b->logs)) ||
		!(l = calloc(1, sizeof(*l))))
		return err_nomem(err);
	l->row = *row;
	l->first_new = row->edge.size;
	b->logs[b->log_count++] = l;
	*out = l;
	return ERR_OK;
}

enum err_code batch_log_of(
	struct batch *b, uint32_t id, struct batch_log **out, struct err *err)
{
	struct log_row row;
	enum err_code rc;

	if ((*out = loaded(b, id)))
		return ERR_OK;
	if ((rc = log_get(&b->view, id, &row, err)))
		return rc;
	return add_log(b, &row, out, err);
}

/* The log of the last row of a table, or `other` where that is more. */
static enum err_code last_log(
	struct index_txn *t, enum index_db db, uint64_t *other, struct err *err)
{
	struct key k = key_of_log(UINT32_MAX);
	struct bytes found;
	struct cursor c;
	uint32_t log;
	enum err_code rc = index_floor(t, db, key_bytes(&k), &found, NULL, err);

	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	log = cursor_u32(&c);
	if (!cursor_ok(&c))
		return row_corrupt(err, "logs");
	if (log > *other)
		*other = log;
	return ERR_OK;
}

/* No number is used twice, also where a log was lost: its marks and entries
 * would be taken for the other's. */
static enum err_code new_number(
	struct index_txn *t, uint32_t *out, struct err *err)
{
	uint64_t last;
	enum err_code rc;

	if ((rc = meta_get_u64(t, "nameless", &last, err)) ||
		(rc = last_log(t, DB_LOG, &last, err)) ||
		(rc = last_log(t, DB_ERASED, &last, err)))
		return rc;
	*out = (uint32_t)last + 1;
	return ERR_OK;
}

static enum err_code new_log(struct batch *b, const char *origin,
	enum log_kind kind, struct batch_log **out, struct err *err)
{
	struct log_row row = {.kind = kind};
	enum err_code rc;

	if (!origin_valid(origin, strlen(origin)))
		return err_set(
			err, ERR_INVALID, "%.200s is not an origin", origin);
	if (kind == LOG_OWN && (rc = damage_check_new(b->s, origin, err)))
		return rc;
	if ((rc = new_number(b->view.txn, &row.id, err)))
		return rc;
	memcpy(row.origin, origin, strlen(origin) + 1);
	if ((rc = log_put(b->view.txn, &row, err)) ||
		(kind == LOG_OWN &&
			(rc = meta_put_u64(b->view.txn, "own", row.id, err))) ||
		(rc = add_log(b, &row, out, err)))
		b->spoiled = rc;
	else
		(*out)->fresh = true;
	return rc;
}

enum err_code batch_log(struct batch *b, const char *origin, enum log_kind kind,
	struct log_info *out, struct err *err)
{
	struct batch_log *l;
	struct log_row row;
	enum err_code rc = log_find(&b->view, origin, &row, err);

	if (rc == ERR_NOT_FOUND)
		rc = new_log(b, origin, kind, &l, err);
	else if (!rc)
		rc = batch_log_of(b, row.id, &l, err);
	if (rc)
		return rc;
	if (l->row.kind == LOG_SPARSE && kind == LOG_FULL) {
		/* From now on it also comes in order. */
		l->row.kind = LOG_FULL;
		l->fresh = true;
	}
	log_tell(&l->row, out);
	return ERR_OK;
}

enum err_code batch_log_find(struct batch *b, const char *origin,
	struct log_info *out, struct err *err)
{
	struct log_row row;
	enum err_code rc = log_find(&b->view, origin, &row, err);

	if (!rc)
		log_tell(&row, out);
	return rc;
}

enum err_code batch_log_own(
	struct batch *b, struct log_info *out, struct err *err)
{
	struct log_row row;
	enum err_code rc;
	uint64_t id;

	if ((rc = meta_get_u64(b->view.txn, "own", &id, err)))
		return rc;
	if (!id)
		return err_set(err, ERR_NOT_FOUND, "no log of our own yet");
	if (!(rc = log_get(&b->view, (uint32_t)id, &row, err)))
		log_tell(&row, out);
	return rc;
}

enum err_code batch_find_id(struct batch *b, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err)
{
	return view_find_id(&b->view, uuid, visit, arg, err);
}

enum err_code batch_read(struct batch *b, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err)
{
	return view_read(&b->view, log, from, count, labels, out, err);
}

/* ---- records ---- */

static enum err_code check_room(
	struct batch *b, const struct record *r, struct err *err)
{
	size_t need = r->entry_len;

	for (int l = 0; l < LABEL_COUNT; l++) {
		if (!(r->have & LABEL_BIT(l)))
			continue;
		if (r->part[l].len > PART_SIZE_LIMIT)
			return err_set(err, ERR_LIMIT,
				"%s part of %zu bytes, limit %zu",
				label_name((enum label)l), r->part[l].len,
				PART_SIZE_LIMIT);
		need += r->part[l].len;
	}
	if (need > BATCH_BYTES_LIMIT - b->arena.bytes)
		return err_set(err, ERR_LIMIT, "batch of more than %zu bytes",
			BATCH_BYTES_LIMIT);
	if (!grow(&b->pending, &b->pending_cap, b->pending_count,
		    sizeof(*b->pending)))
		return err_nomem(err);
	return ERR_OK;
}

/* The plane that comes again: an old copy elsewhere may have what was destroyed
 * here. */
static enum err_code check_marks(const struct batch *b,
	const struct batch_log *l, const struct record *r, struct err *err)
{
	if (!b->s->marks_lost || !r->have || l->row.kind == LOG_OWN)
		return ERR_OK;
	return err_set(err, ERR_ERASED,
		"marks of %" PRIu64
		" destroyed parts are lost here: parts are not taken from "
		"other nodes, or those could come back",
		b->s->marks_lost);
}

static enum err_code check_erased(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, struct err *err)
{
	struct erasure why[LABEL_COUNT];
	char text[ERASURE_TEXT_SIZE];
	uint8_t erased = 0;
	enum err_code rc;

	if (!index_count(b->view.txn, DB_ERASED))
		return ERR_OK;
	if ((rc = view_erased(&b->view, log, seq, &erased, why, err)))
		return rc;
	for (int l = 0; l < LABEL_COUNT; l++)
		if (erased & r->have & LABEL_BIT(l))
			return err_set(err, ERR_ERASED,
				"the %s part of entry %" PRIu64
				" was destroyed here: %s",
				label_name((enum label)l), seq,
				erasure_text(&why[l], text));
	return ERR_OK;
}

static const char *keep(
	struct batch *b, const struct record *r, const char *bytes, size_t len)
{
	if (!r->lasting)
		return arena_add(&b->arena, bytes, len);
	b->arena.bytes += len;
	return bytes;
}

/* Copies the record; *e is its entry. */
enum err_code batch_take(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, struct entry *e, struct err *err)
{
	struct pending *p;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, e, err)) ||
		(rc = check_room(b, r, err)) ||
		(rc = check_erased(b, log, seq, r, err)))
		return rc;
	p = &b->pending[b->pending_count];
	*p = (struct pending){.log = log,
		.seq = seq,
		.entry_len = r->entry_len,
		.have = r->have & LABEL_ALL,
		.digested = r->digested & r->have,
		.sd_count = e->sd_count};
	memcpy(p->sd, e->sd, sizeof(p->sd));
	memcpy(p->digest, r->digest, sizeof(p->digest));
	memcpy(p->series, e->series, sizeof(p->series));
	p->leaf = r->hashed ? r->leaf : tree_leaf(r->entry, r->entry_len);
	if (!(p->entry = keep(b, r, r->entry, r->entry_len)))
		return err_nomem(err);
	for (int l = 0; l < LABEL_COUNT; l++) {
		if (!(p->have & LABEL_BIT(l)))
			continue;
		memcpy(p->seed[l], r->part[l].seed, SEED_SIZE);
		p->part_len[l] = r->part[l].len;
		p->part[l] = keep(b, r, r->part[l].json, r->part[l].len);
		if (!p->part[l])
			return err_nomem(err);
	}
	return ERR_OK;
}

/* A record gets an arrival number. */
static enum err_code number(
	struct batch *b, const struct arrival_run *next, struct err *err)
{
	struct arrival_run *last =
		b->run_count ? &b->runs[b->run_count - 1] : NULL;

	if (last && last->log == next->log && last->again == next->again &&
		last->first + last->count == next->first &&
		last->count < RUN_COUNT_LIMIT)
		last->count++;
	else if (grow(&b->runs, &b->run_cap, b->run_count, sizeof(*b->runs)))
		b->runs[b->run_count++] = *next;
	else
		return err_nomem(err);
	b->arrived++;
	return ERR_OK;
}

/* The record gets its arrival, and is found by id and digests. */
enum err_code batch_arrive(struct batch *b, const struct pending *p,
	const struct entry *e, struct err *err)
{
	uint64_t arrival = b->arrival + b->arrived;
	const struct arrival_run next = {
		.log = p->log, .first = p->seq, .count = 1};
	enum err_code rc;

	rc = arrival_index(
		b->view.txn, &b->ids, e, p->log, p->seq, arrival, err);
	if (rc)
		return rc;
	for (size_t i = 0; i <= p->sd_count; i++) {
		if (!grow(&b->prints, &b->print_cap, b->print_count,
			    sizeof(*b->prints)))
			return err_nomem(err);
		b->prints[b->print_count++] = finder_entry_of(b->view.txn,
			i < p->sd_count ? &p->sd[i] : &p->leaf, arrival);
	}
	return number(b, &next, err);
}

/* The log reaches its pending checkpoint with the entry that comes next: the
 * root must be the one that was signed. */
static enum err_code check_pending(const struct batch_log *l,
	const struct digest *leaf, bool *reached, struct err *err)
{
	struct tree_edge e;
	struct digest root;

	*reached = l->row.has[NOTE_PENDING] &&
		l->row.edge.size + 1 == l->row.size[NOTE_PENDING];
	if (!*reached)
		return ERR_OK;
	e = l->row.edge;
	tree_append(&e, leaf);
	root = tree_root(&e);
	if (!digest_equal(&root, &l->row.pending_root))
		return err_set(err, ERR_FORK,
			"log %s: entries up to %" PRIu64
			" do not have the root of its checkpoint",
			l->row.origin, e.size);
	return ERR_OK;
}

static enum err_code promote(
	struct batch *b, struct batch_log *l, struct err *err)
{
	struct buf note = BUF_EMPTY;
	struct checkpoint cp;
	enum err_code rc;

	if (!(rc = note_get(&b->view, l->row.id, NOTE_PENDING, &note, err)) &&
		!(rc = note_checkpoint(
			  (struct bytes){note.data, note.len}, &cp, err)))
		rc = note_set(b->view.txn, &l->row, NOTE_COMPLETE,
			(struct bytes){note.data, note.len}, &cp, err);
	l->note_new[NOTE_COMPLETE] = true;
	buf_free(&note);
	return rc;
}

static enum err_code arrived_before(struct batch *b, uint32_t log, uint64_t seq,
	struct entry_place *at, bool *out, struct err *err)
{
	enum err_code rc = ERR_NOT_FOUND;

	if (index_count(b->view.txn, DB_PROVED))
		rc = entry_locate_proved(&b->view, log, seq, at, err);
	*out = rc == ERR_OK;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* The entry that came ahead of its turn must be the one whose turn it is. */
static enum err_code check_proved(const struct batch *b,
	const struct entry_place *at, const struct pending *p, struct err *err)
{
	const struct digest *leaf = NULL;
	const struct block_entry *e = NULL;
	struct block *block = NULL;
	enum err_code rc = ERR_OK;

	if (!at->block.segment)
		leaf = &b->pending[at->block.offset].leaf;
	else if (!(rc = block_entry(&b->view, at, p->seq, &block, &e, err)))
		leaf = &e->leaf;
	if (e && e->damaged)
		rc = entry_damaged(p->log, p->seq, e, err);
	if (!rc && !digest_equal(leaf, &p->leaf))
		rc = err_set(err, ERR_FORK,
			"log %" PRIu32 ": entry %" PRIu64
			" was proved to be another one",
			p->log, p->seq);
	block_unpin(block);
	return rc;
}

enum err_code batch_append(struct batch *b, uint32_t log,
	const struct record *r, uint64_t *seq, struct err *err)
{
	bool reached = false;
	bool before = false;
	struct entry_place at;
	struct batch_log *l;
	struct pending *p;
	struct entry e;
	enum err_code rc;

	if ((rc = batch_log_of(b, log, &l, err)))
		return rc;
	if (l->row.kind == LOG_SPARSE)
		return err_set(err, ERR_USAGE,
			"log %s takes single entries with proofs only",
			l->row.origin);
	if ((rc = damage_check_log(b->s, &l->row, err)))
		return rc;
	if (!grow(&l->turn, &l->turn_cap, l->turn_count, sizeof(*l->turn)))
		return err_nomem(err);
	if ((rc = check_marks(b, l, r, err)) ||
		(rc = batch_take(b, log, l->row.edge.size, r, &e, err)))
		return rc;
	p = &b->pending[b->pending_count];
	if ((rc = check_pending(l, &p->leaf, &reached, err)) ||
		(rc = arrived_before(b, log, p->seq, &at, &before, err)) ||
		(before && (rc = check_proved(b, &at, p, err))))
		return rc;
	l->turn[l->turn_count++] = b->pending_count++;
	l->changed = true;
	if ((rc = leaf_append(b->view.txn, &l->row, &p->leaf, err)) ||
		(!before && (rc = batch_arrive(b, p, &e, err))) ||
		(reached && (rc = promote(b, l, err))))
		b->spoiled = rc;
	else if (seq)
		*seq = p->seq;
	return rc;
}

enum err_code batch_place_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, const void *proof, size_t proof_len,
	struct entry *e, struct err *err)
{
	struct entry_place at = {.first = seq};
	struct pending *p;
	enum err_code rc;

	if (proof_len > NOTE_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT, "proof of %zu bytes, limit %zu",
			proof_len, NOTE_SIZE_LIMIT);
	if ((rc = batch_take(b, log, seq, r, e, err)))
		return rc;
	p = &b->pending[b->pending_count];
	p->proved = true;
	p->proof = arena_add(&b->arena, proof, proof_len);
	p->proof_len = proof_len;
	at.block.offset = b->pending_count++;
	if ((!p->proof && (rc = err_nomem(err))) ||
		(rc = entry_place_put(
			 b->view.txn, DB_PROVED, log, seq, &at, err)))
		b->spoiled = rc;
	return rc;
}

enum err_code batch_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, const void *proof, size_t proof_len,
	struct err *err)
{
	struct entry_place at;
	bool before;
	struct batch_log *l;
	struct entry e;
	enum err_code rc;

	if ((rc = batch_log_of(b, log, &l, err)) ||
		(rc = arrived_before(b, log, seq, &at, &before, err)))
		return rc;
	if (before || seq < l->row.edge.size)
		return err_set(err, ERR_EXISTS,
			"log %s: entry %" PRIu64 " is here", l->row.origin,
			seq);
	if ((rc = check_marks(b, l, r, err)) ||
		(rc = batch_place_proved(
			 b, log, seq, r, proof, proof_len, &e, err)))
		return rc;
	rc = batch_arrive(b, &b->pending[b->pending_count - 1], &e, err);
	if (rc)
		b->spoiled = rc;
	return rc;
}

/* ---- notes ---- */

enum err_code note_set(struct index_txn *t, struct log_row *row,
	enum which_note which, struct bytes note, const struct checkpoint *cp,
	struct err *err)
{
	enum err_code rc = note_put(t, row->id, which, note, err);

	if (rc)
		return rc;
	row->has[which] = true;
	row->size[which] = cp->size;
	if (which == NOTE_PENDING)
		row->pending_root = cp->root;
	if (which == NOTE_COMPLETE && row->has[NOTE_PENDING] &&
		row->size[NOTE_PENDING] <= cp->size)
		row->has[NOTE_PENDING] = false;
	return ERR_OK;
}

static enum err_code fork_at(
	const struct batch_log *l, uint64_t size, struct err *err)
{
	return err_set(err, ERR_FORK,
		"log %s: two roots for its first %" PRIu64 " entries",
		l->row.origin, size);
}

static enum err_code check_root(struct batch *b, const struct batch_log *l,
	const struct checkpoint *cp, struct err *err)
{
	struct tree_view tree = {&b->view, l->row.id};
	struct digest root;
	enum err_code rc = ERR_OK;

	if (cp->size > l->row.edge.size)
		return ERR_OK;
	if (cp->size == l->row.edge.size)
		root = tree_root(&l->row.edge);
	else
		rc = tree_root_at(cp->size, view_tree_read, &tree, &root, err);
	if (!rc && !digest_equal(&root, &cp->root))
		rc = fork_at(l, cp->size, err);
	return rc;
}

/* Joins the lines of what is known of the same size; `merged` holds the note
 * on entry. */
static enum err_code merge_known(struct batch *b, const struct batch_log *l,
	const struct checkpoint *cp, struct buf *merged, struct err *err)
{
	struct buf known = BUF_EMPTY;
	struct buf both = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (int which = 0; which < 3 && !rc; which++) {
		struct note x;
		struct note y;

		if (!l->row.has[which] || l->row.size[which] != cp->size)
			continue;
		buf_clear(&known);
		buf_clear(&both);
		if ((rc = note_get(&b->view, l->row.id, (enum which_note)which,
			     &known, err)) ||
			(rc = note_parse(known.data, known.len, &x, err)) ||
			(rc = note_parse(merged->data, merged->len, &y, err)))
			break;
		if (x.text_len != y.text_len ||
			memcmp(x.text, y.text, x.text_len) != 0) {
			rc = fork_at(l, cp->size, err);
			break;
		}
		if (!(rc = note_merge(&x, &y, &both, err))) {
			struct buf was = *merged;

			*merged = both;
			both = was;
		}
	}
	buf_free(&known);
	buf_free(&both);
	return rc;
}

/* Which slots the note is the newest for. */
static void choose_slots(const struct log_row *row, const struct checkpoint *cp,
	bool cosigned, bool slot[3])
{
	bool here = cp->size <= row->edge.size;

	slot[NOTE_COMPLETE] = here &&
		(!row->has[NOTE_COMPLETE] ||
			cp->size >= row->size[NOTE_COMPLETE]);
	slot[NOTE_PENDING] = !here &&
		(!row->has[NOTE_PENDING] ||
			cp->size >= row->size[NOTE_PENDING]);
	slot[NOTE_COSIGNED] = cosigned &&
		(!row->has[NOTE_COSIGNED] ||
			cp->size >= row->size[NOTE_COSIGNED]);
}

enum err_code batch_note(struct batch *b, uint32_t log, const void *note,
	size_t len, bool cosigned, struct err *err)
{
	struct buf merged = BUF_EMPTY;
	struct checkpoint cp;
	struct batch_log *l;
	bool slot[3];
	enum err_code rc;

	if ((rc = batch_log_of(b, log, &l, err)) ||
		(rc = note_checkpoint((struct bytes){note, len}, &cp, err)))
		return rc;
	if (strcmp(cp.origin, l->row.origin) != 0)
		return err_set(err, ERR_INVALID,
			"checkpoint of %s for the log %s", cp.origin,
			l->row.origin);
	buf_add(&merged, note, len);
	if ((rc = buf_ok(&merged, err)) ||
		(l->row.kind != LOG_SPARSE &&
			(rc = check_root(b, l, &cp, err))) ||
		(rc = merge_known(b, l, &cp, &merged, err)))
		goto out;
	choose_slots(&l->row, &cp, cosigned, slot);
	for (int i = 0; i < 3 && !rc; i++) {
		if (!slot[i])
			continue;
		rc = note_set(b->view.txn, &l->row, (enum which_note)i,
			(struct bytes){merged.data, merged.len}, &cp, err);
		l->note_new[i] = true;
		l->changed = true;
	}
	if (rc)
		b->spoiled = rc;
out:
	buf_free(&merged);
	return rc;
}

/* ---- erasing ---- */

/* A record of this very batch loses the part; false when there is none. */
static bool erase_pending(struct batch *b, const struct erase_target *t)
{
	bool found = false;

	for (size_t i = 0; i < b->pending_count; i++) {
		struct pending *p = &b->pending[i];

		if (p->log != t->log || p->seq != t->seq)
			continue;
		p->have &= (uint8_t)~LABEL_BIT(t->label);
		p->erased |= LABEL_BIT(t->label);
		found = true;
	}
	return found;
}

static enum err_code add_order(
	struct batch *b, const struct erasure *order, struct err *err)
{
	if (!erasure_valid(order))
		return err_set(err, ERR_INVALID,
			"an erasure needs a time up to the year 9999, and a "
			"reason of at most %d bytes of text",
			ERASURE_WHY_SIZE - 1);
	if (b->order_count &&
		erasure_equal(&b->orders[b->order_count - 1], order))
		return ERR_OK;
	if (!grow(&b->orders, &b->order_cap, b->order_count,
		    sizeof(*b->orders)))
		return err_nomem(err);
	b->orders[b->order_count++] = *order;
	return ERR_OK;
}

static enum err_code add_mark(struct batch *b, const struct erase_target *t,
	const struct erasure *order, struct err *err)
{
	if (!grow(&b->marks, &b->mark_cap, b->mark_count, sizeof(*b->marks)))
		return err_nomem(err);
	b->marks[b->mark_count++] = (struct mark){*t, b->order_count - 1};
	return erased_put(b->view.txn, t, order, err);
}

/* Of a record that came before, it is told under a new number: once, where its
 * parts are named one after the other. */
static enum err_code arrive_again(
	struct batch *b, const struct erase_target *t, struct err *err)
{
	const struct arrival_run next = {t->log, t->seq, 1, true};
	const struct arrival_run *last =
		b->run_count ? &b->runs[b->run_count - 1] : NULL;
	struct entry_place at;
	enum err_code rc;

	if (last && last->again && last->log == t->log &&
		t->seq - last->first < last->count)
		return ERR_OK;
	rc = entry_locate_any(&b->view, t->log, t->seq, &at, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	return number(b, &next, err);
}

enum err_code batch_tell(struct batch *b, uint32_t log, uint64_t seq,
	bool *told, struct err *err)
{
	const struct arrival_run next = {log, seq, 1, true};
	struct entry_place at;
	enum err_code rc = entry_locate_any(&b->view, log, seq, &at, err);

	*told = false;
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	if ((rc = number(b, &next, err)))
		return b->spoiled = rc;
	*told = true;
	return ERR_OK;
}

enum err_code batch_erase(struct batch *b, const struct erase_target *targets,
	size_t count, const struct erasure *order, struct err *err)
{
	enum err_code rc = add_order(b, order, err);

	for (size_t i = 0; i < count && !rc; i++) {
		const struct erase_target *t = &targets[i];
		struct key k = key_of_part(t->log, (uint8_t)t->label, t->seq);
		struct batch_log *l;
		bool fresh;

		if ((rc = batch_log_of(b, t->log, &l, err)))
			break;
		rc = index_get(
			b->view.txn, DB_ERASED, key_bytes(&k), NULL, err);
		if (rc == ERR_OK)
			continue;
		fresh = erase_pending(b, t);
		b->erasing |= !fresh;
		if (rc != ERR_NOT_FOUND || (rc = add_mark(b, t, order, err)) ||
			(!fresh && (rc = arrive_again(b, t, err))))
			b->spoiled = rc;
	}
	return rc;
}
