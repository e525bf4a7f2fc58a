/* read.c - records: where they stand, and back to runs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/finder.h"
#include "store/inside.h"

enum err_code entry_place_put(struct index_txn *t, enum index_db db,
	uint32_t log, uint64_t first, const struct entry_place *at,
	struct err *err)
{
	struct key k = key_of_seq(log, first);
	struct key value = KEY_EMPTY;

	key_u32(&value, at->block.segment);
	key_u64(&value, at->block.offset);
	key_u64(&value, at->commit.offset);
	return index_put(t, db, key_bytes(&k), key_bytes(&value), err);
}

static enum err_code read_place(
	struct bytes value, struct entry_place *out, struct err *err)
{
	struct cursor c = value_cursor(value);

	out->block.segment = cursor_u32(&c);
	out->block.offset = cursor_u64(&c);
	out->commit.segment = out->block.segment;
	out->commit.offset = cursor_u64(&c);
	return cursor_done(&c) ? ERR_OK : row_corrupt(err, "entries");
}

static enum err_code not_here(uint32_t log, uint64_t seq, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND,
		"log %" PRIu32 " has no entry %" PRIu64 " here", log, seq);
}

/* Where the next row begins: a block that was mended in part has others in
 * between. */
static enum err_code row_end(const struct view *v, uint32_t log, uint64_t seq,
	uint64_t *end, struct err *err)
{
	struct key k = key_of_seq(log, seq + 1);
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	*end = UINT64_MAX;
	if (!index_count(v->txn, DB_MENDED))
		return ERR_OK;
	rc = index_ceil(v->txn, DB_ENTRIES, key_bytes(&k), &found, NULL, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	if (cursor_u32(&c) == log)
		*end = cursor_u64(&c);
	return ERR_OK;
}

enum err_code entry_locate(const struct view *v, uint32_t log, uint64_t seq,
	struct entry_place *out, struct err *err)
{
	struct key k = key_of_seq(log, seq);
	struct bytes found;
	struct bytes value;
	struct cursor c;
	enum err_code rc;

	rc = index_floor(
		v->txn, DB_ENTRIES, key_bytes(&k), &found, &value, err);
	if (rc == ERR_NOT_FOUND)
		return not_here(log, seq, err);
	if (rc)
		return rc;
	c = value_cursor(found);
	if (cursor_u32(&c) != log)
		return not_here(log, seq, err);
	out->first = cursor_u64(&c);
	out->proved = false;
	if (!cursor_done(&c))
		return row_corrupt(err, "entries");
	if ((rc = read_place(value, out, err)))
		return rc;
	return row_end(v, log, seq, &out->end, err);
}

enum err_code entry_locate_proved(const struct view *v, uint32_t log,
	uint64_t seq, struct entry_place *out, struct err *err)
{
	struct key k = key_of_seq(log, seq);
	struct bytes value;
	enum err_code rc;

	rc = index_get(v->txn, DB_PROVED, key_bytes(&k), &value, err);
	if (rc == ERR_NOT_FOUND)
		return not_here(log, seq, err);
	if (rc)
		return rc;
	out->first = seq;
	out->end = seq + 1;
	out->proved = true;
	return read_place(value, out, err);
}

enum err_code erased_put(struct index_txn *t, const struct erase_target *part,
	const struct erasure *why, struct err *err)
{
	struct key k = key_of_part(part->log, (uint8_t)part->label, part->seq);
	struct buf value = BUF_EMPTY;
	enum err_code rc;

	erasure_write(why, &value);
	if (!(rc = buf_ok(&value, err)))
		rc = index_put(t, DB_ERASED, key_bytes(&k),
			(struct bytes){value.data, value.len}, err);
	buf_free(&value);
	return rc;
}

enum err_code view_erased(const struct view *v, uint32_t log, uint64_t seq,
	uint8_t *labels, struct erasure *out, struct err *err)
{
	*labels = 0;
	for (uint8_t l = 0; l < LABEL_COUNT; l++) {
		struct key k = key_of_part(log, l, seq);
		struct erasure why = {0};
		struct bytes value;
		struct cursor c;
		enum err_code rc = index_get(
			v->txn, DB_ERASED, key_bytes(&k), &value, err);

		if (!rc) {
			c = value_cursor(value);
			if (!erasure_read(&c, &why) || !cursor_done(&c))
				return row_corrupt(err, "erased");
			*labels |= LABEL_BIT(l);
		} else if (rc != ERR_NOT_FOUND) {
			return rc;
		}
		if (out)
			out[l] = why;
	}
	return ERR_OK;
}

/* Records on their way into a run; they borrow from the pinned blocks. */
struct reading {
	const struct view *v;
	uint32_t log;
	uint8_t labels;
	bool erasures; /* there are marks at all */
	struct record *record;
	size_t count;
	struct block **pins;
	size_t pin_count;
	size_t pin_cap;
	struct block *entries; /* pinned */
	struct block *directory;
	struct entry_place at;
};

static enum err_code keep_pin(
	struct reading *r, struct block *b, struct err *err)
{
	if (!grow(&r->pins, &r->pin_cap, r->pin_count, sizeof(*r->pins))) {
		block_unpin(b);
		return err_nomem(err);
	}
	r->pins[r->pin_count++] = b;
	return ERR_OK;
}

static enum err_code open_place(
	struct reading *r, const struct entry_place *at, struct err *err)
{
	struct block *b;
	enum err_code rc;

	if ((rc = block_entries(r->v, at->block, at->commit, &b, err)) ||
		(rc = keep_pin(r, b, err)))
		return rc;
	r->entries = b;
	if ((rc = block_directory(r->v, at->commit, &b, err)) ||
		(rc = keep_pin(r, b, err)))
		return rc;
	r->directory = b;
	r->at = *at;
	return ERR_OK;
}

static enum err_code read_part(struct reading *r, const struct block_entry *e,
	uint64_t seq, uint8_t label, struct record *out, struct err *err)
{
	struct place at = block_of_part(r->directory, r->log, e, label, seq);
	const struct part_row *row = NULL;
	struct block *b;
	enum err_code rc;

	if (at.segment) {
		if ((rc = block_parts(r->v, at, &b, err)) ||
			(rc = keep_pin(r, b, err)))
			return rc;
		row = part_find(b, seq);
	}
	if (!row)
		return err_set(err, ERR_CORRUPT,
			"log %" PRIu32 " entry %" PRIu64
			": the %s part is missing",
			r->log, seq, label_name(label));
	if (row->erased) {
		out->erased |= LABEL_BIT(label);
	} else {
		out->have |= LABEL_BIT(label);
		out->part[label] = row->part;
	}
	return ERR_OK;
}

static enum err_code read_entry(
	struct reading *r, uint64_t seq, struct record *out, struct err *err)
{
	const struct block_entry *e =
		r->entries->entries[seq - r->entries->head.first];
	enum err_code rc = ERR_OK;

	if (e->damaged)
		return entry_damaged(r->log, seq, e, err);
	out->entry = e->text;
	out->entry_len = e->len;
	out->leaf = e->leaf;
	if (r->erasures)
		rc = view_erased(r->v, r->log, seq, &out->erased, NULL, err);
	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++)
		if (e->computed & r->labels & LABEL_BIT(l) & ~out->erased)
			rc = read_part(r, e, seq, l, out, err);
	return rc;
}

static void read_pending(struct reading *r, uint64_t seq, struct record *out)
{
	batch_record(r->v->batch, r->log, seq, out);
	out->have &= r->labels;
}

/* Those that are asked for of the block that was opened for `seq`. */
static enum err_code make_rest(
	struct reading *r, uint64_t seq, uint64_t to, struct err *err)
{
	uint64_t first = r->entries->head.first;
	uint64_t end = first + r->entries->count;

	if (end > r->at.end)
		end = r->at.end;
	if (end > to)
		end = to;
	return block_make(r->v, r->entries, (size_t)(seq - first),
		(size_t)(end - seq), err);
}

static enum err_code read_turns(
	struct reading *r, uint64_t from, size_t count, struct err *err)
{
	uint64_t ours = UINT64_MAX;
	enum err_code rc = ERR_OK;

	if (r->v->batch)
		ours = batch_from(r->v->batch, r->log, UINT64_MAX);
	for (uint64_t seq = from; seq < from + count && !rc; seq++) {
		struct record *to = &r->record[r->count++];
		struct entry_place at;

		if (seq >= ours) {
			read_pending(r, seq, to);
			continue;
		}
		if (!r->entries || seq >= r->at.end ||
			seq - r->entries->head.first >= r->entries->count) {
			if ((rc = entry_locate(r->v, r->log, seq, &at, err)) ||
				(rc = open_place(r, &at, err)))
				break;
			if ((rc = make_rest(r, seq, from + count, err)))
				break;
		}
		rc = read_entry(r, seq, to, err);
	}
	return rc;
}

static enum err_code read_proved(
	struct reading *r, uint64_t seq, struct err *err)
{
	struct record *to = &r->record[r->count++];
	struct entry_place at;
	enum err_code rc;

	if ((rc = entry_locate_proved(r->v, r->log, seq, &at, err)))
		return rc;
	if (!at.block.segment) {
		batch_record_proved(r->v->batch, at.block.offset, to);
		to->have &= r->labels;
		return ERR_OK;
	}
	if ((rc = open_place(r, &at, err)) ||
		(rc = block_make(r->v, r->entries, 0, 1, err)))
		return rc;
	return read_entry(r, seq, to, err);
}

/* Why parts were destroyed goes to the head of the run's memory, which is
 * aligned for it; *to moves behind. */
static enum err_code settle_erasures(
	struct reading *r, uint64_t from, uint8_t **to, struct err *err)
{
	for (size_t i = 0; i < r->count; i++) {
		struct erasure *why = (void *)*to;
		uint8_t marked;
		enum err_code rc;

		if (!r->record[i].erased)
			continue;
		if ((rc = view_erased(
			     r->v, r->log, from + i, &marked, why, err)))
			return rc;
		r->record[i].erasure = why;
		*to += LABEL_COUNT * sizeof(*why);
	}
	return ERR_OK;
}

/* Copies what the records borrow into the run's own memory. */
static enum err_code settle(
	struct reading *r, uint64_t from, struct run *out, struct err *err)
{
	struct run run = {.start = from, .count = r->count};
	size_t need = 1;
	uint8_t *to;
	enum err_code rc;

	for (size_t i = 0; i < r->count; i++) {
		need += r->record[i].entry_len;
		if (r->record[i].erased)
			need += LABEL_COUNT * sizeof(struct erasure);
		for (int l = 0; l < LABEL_COUNT; l++)
			if (r->record[i].have & LABEL_BIT(l))
				need += r->record[i].part[l].len;
	}
	if (!(to = buf_reserve(&run.arena, need)))
		return err_nomem(err);
	if ((rc = settle_erasures(r, from, &to, err))) {
		buf_free(&run.arena);
		return rc;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct record *rec = &r->record[i];

		memcpy(to, rec->entry, rec->entry_len);
		rec->entry = (char *)to;
		to += rec->entry_len;
		for (int l = 0; l < LABEL_COUNT; l++) {
			struct part *p = &rec->part[l];

			if (!(rec->have & LABEL_BIT(l))) {
				*p = (struct part){0};
				continue;
			}
			memcpy(to, p->json, p->len);
			p->json = (char *)to;
			to += p->len;
		}
	}
	run.arena.len = need - 1;
	run.record = r->record;
	r->record = NULL;
	*out = run;
	return ERR_OK;
}

enum err_code view_read(const struct view *v, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err)
{
	struct reading r = {.v = v, .log = log, .labels = labels};
	struct log_row row;
	enum err_code rc;

	if (!count || count > RUN_LIMIT)
		return err_set(err, ERR_LIMIT, "run of %zu records, limit %d",
			count, RUN_LIMIT);
	if ((rc = log_get(v, log, &row, err)))
		return rc;
	if (from >= row.edge.size)
		count = 1;
	else if (row.edge.size - from < count)
		count = (size_t)(row.edge.size - from);
	r.erasures = index_count(v->txn, DB_ERASED) > 0;
	if (!(r.record = calloc(count, sizeof(*r.record))))
		return err_nomem(err);
	rc = from < row.edge.size ? read_turns(&r, from, count, err)
				  : read_proved(&r, from, err);
	if (!rc)
		rc = settle(&r, from, out, err);
	for (size_t i = 0; i < r.pin_count; i++)
		block_unpin(r.pins[i]);
	free(r.pins);
	free(r.record);
	return rc;
}

/* An erasure beside us may destroy a block between the look at the index and
 * the look at the segment: then the index knows better now. */
#define READ_TRIES 3

enum err_code store_read(struct store *s, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int i = 0; i < READ_TRIES; i++) {
		struct view v;

		if ((rc = view_open(s, &v, err)))
			return rc;
		rc = view_read(&v, log, from, count, labels, out, err);
		view_close(&v);
		if (rc != ERR_ERASED && rc != ERR_CORRUPT)
			break;
	}
	return rc;
}

enum err_code store_entry(struct store *s, uint32_t log, uint64_t seq,
	struct entry *out, struct err *err)
{
	struct run run = {0};
	enum err_code rc = store_read(s, log, seq, 1, 0, &run, err);

	if (rc == ERR_OK)
		rc = entry_parse(
			run.record[0].entry, run.record[0].entry_len, out, err);
	run_free(&run);
	return rc;
}

/* Halves what is asked for until it reads, or is one that does not. */
enum err_code store_read_past(struct store *s, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, size_t *skipped,
	struct err *err)
{
	enum err_code rc;

	for (*skipped = 0;;) {
		rc = store_read(
			s, log, from + *skipped, count, labels, out, err);
		if (rc == ERR_NOT_FOUND && *skipped) {
			*out = (struct run){.start = from + *skipped};
			return ERR_OK;
		}
		if (rc != ERR_CORRUPT)
			return rc;
		if (count > 1) {
			count /= 2;
			continue;
		}
		if (++*skipped < RUN_LIMIT)
			continue;
		*out = (struct run){.start = from + *skipped};
		return ERR_OK;
	}
}

static void known_series(const struct view *v, uint32_t log, uint64_t seq,
	struct record_known *out)
{
	const struct block_entry *e;
	struct entry_place at;
	struct block *b;

	if (entry_locate_any(v, log, seq, &at, NULL) ||
		block_entry(v, &at, seq, &b, &e, NULL))
		return;
	if (e->series_len < sizeof(out->series))
		memcpy(out->series, e->series, e->series_len);
	block_unpin(b);
}

enum err_code store_known(struct store *s, uint32_t log, uint64_t seq,
	struct record_known *out, struct err *err)
{
	struct record_known known = {.has_leaf = false};
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = view_leaves(&v, log, seq, 1, &known.leaf, err);
	known.has_leaf = rc == ERR_OK;
	if (is_damage(rc))
		rc = ERR_OK;
	if (!rc &&
		!(rc = view_erased(&v, log, seq, &known.erased, NULL, err))) {
		known_series(&v, log, seq, &known);
		*out = known;
	}
	view_close(&v);
	return rc;
}

/* ---- by digest ---- */

struct finding {
	const struct view *v;
	const struct digest *digest;
	struct found found;
};

enum err_code entry_locate_any(const struct view *v, uint32_t log, uint64_t seq,
	struct entry_place *at, struct err *err)
{
	struct log_row row;
	enum err_code rc;

	if ((rc = log_get(v, log, &row, err)))
		return rc;
	if (seq < row.edge.size)
		return entry_locate(v, log, seq, at, err);
	return entry_locate_proved(v, log, seq, at, err);
}

static bool entry_has(const struct block_entry *e, const struct digest *d,
	size_t *count, struct err *err)
{
	struct entry entry;

	*count = 0;
	if (entry_parse(e->text, e->len, &entry, err))
		return false;
	*count = entry.sd_count;
	for (size_t i = 0; i < entry.sd_count; i++)
		if (digest_equal(&entry.sd[i], d))
			return true;
	return false;
}

static enum err_code part_erased(
	enum label label, const struct erasure *why, struct err *err)
{
	char text[ERASURE_TEXT_SIZE];

	return err_set(err, ERR_ERASED, "the %s part was destroyed: %s",
		label_name(label), erasure_text(why, text));
}

/* ERR_NOT_FOUND when it is not this one.  A digest without its part has no
 * label of its own: it was destroyed when all such digests of the entry
 * were. */
static enum err_code match(
	struct finding *f, const struct block_entry *e, struct err *err)
{
	struct erasure why[LABEL_COUNT];
	uint8_t erased;
	size_t count;
	enum err_code rc;

	if (e->damaged)
		return ERR_NOT_FOUND;
	if (digest_equal(&e->leaf, f->digest)) {
		f->found.kind = FOUND_ENTRY;
		return ERR_OK;
	}
	rc = view_erased(f->v, f->found.log, f->found.seq, &erased, why, err);
	if (rc)
		return rc;
	f->found.kind = FOUND_PART;
	for (uint8_t l = 0; l < LABEL_COUNT; l++) {
		if (!(e->computed & LABEL_BIT(l)) ||
			!digest_equal(&e->digest[l], f->digest))
			continue;
		f->found.label = l;
		if (erased & LABEL_BIT(l))
			return part_erased(l, &why[l], err);
		return ERR_OK;
	}
	erased &= (uint8_t)~e->computed;
	if (entry_has(e, f->digest, &count, err) && erased &&
		(size_t)__builtin_popcount(erased | e->computed) == count) {
		enum label l = (enum label)__builtin_ctz(erased);

		if (erased == LABEL_BIT(l))
			return part_erased(l, &why[l], err);
		return err_set(err, ERR_ERASED, "the part was destroyed");
	}
	return ERR_NOT_FOUND;
}

static enum err_code on_candidate(void *arg, uint64_t arrival, struct err *err)
{
	struct finding *f = arg;
	const struct block_entry *e;
	struct entry_place at;
	struct block *b;
	enum err_code rc;

	if ((rc = arrival_get(
		     f->v, arrival, &f->found.log, &f->found.seq, err)) ||
		(rc = entry_locate_any(
			 f->v, f->found.log, f->found.seq, &at, err)) ||
		(rc = block_entry(f->v, &at, f->found.seq, &b, &e, err)))
		return rc;
	rc = match(f, e, err);
	block_unpin(b);
	return rc;
}

static enum err_code find_object(struct store *s, const struct digest *d,
	struct found *out, struct err *err)
{
	struct attachment_ref ref;
	enum err_code rc = store_attachment_find(s, d, &ref, err);

	if (rc)
		return rc;
	*out = (struct found){FOUND_ATTACHMENT, ref.log, ref.seq, ref.label};
	return ERR_OK;
}

enum err_code store_find_digest(struct store *s, const struct digest *d,
	struct found *out, struct err *err)
{
	struct finding f = {.digest = d};
	char text[DIGEST_TEXT_SIZE];
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	f.v = &v;
	rc = finder_find(v.txn, DB_DIGEST, d, on_candidate, &f, err);
	view_close(&v);
	if (!rc)
		*out = f.found;
	if (rc == ERR_NOT_FOUND)
		rc = find_object(s, d, out, err);
	if (rc != ERR_NOT_FOUND)
		return rc;
	digest_base64url(d, text);
	return err_set(err, rc, "nothing here has the digest %s", text);
}

/* ---- sparse logs ---- */

enum err_code store_sparse_proof(struct store *s, uint32_t log, uint64_t seq,
	struct buf *out, struct err *err)
{
	struct entry_place at;
	struct block *b;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = entry_locate_proved(&v, log, seq, &at, err)) &&
		!(rc = block_entries(&v, at.block, at.commit, &b, err))) {
		buf_add(out, b->proof, b->proof_len);
		rc = buf_ok(out, err);
		block_unpin(b);
	}
	view_close(&v);
	return rc;
}

/* The first sequence of the log from `from` on in a table of (log, seq). */
static enum err_code next_seq(struct store *s, enum index_db db, uint32_t log,
	uint64_t from, uint64_t *seq, struct err *err)
{
	struct key k = key_of_seq(log, from);
	struct bytes found;
	struct cursor c;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = index_ceil(v.txn, db, key_bytes(&k), &found, NULL, err);
	if (!rc) {
		c = value_cursor(found);
		if (cursor_u32(&c) != log)
			rc = ERR_NOT_FOUND;
		*seq = cursor_u64(&c);
	}
	view_close(&v);
	return rc;
}

static enum err_code each_seq(struct store *s, enum index_db db, uint32_t log,
	uint64_t from, store_seq_visit *visit, void *arg, struct err *err)
{
	uint64_t seq;
	enum err_code rc;

	for (;; from = seq + 1) {
		rc = next_seq(s, db, log, from, &seq, err);
		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc || (rc = visit(arg, seq, err)))
			return rc;
	}
}

enum err_code store_sparse_each(struct store *s, uint32_t log, uint64_t from,
	store_seq_visit *visit, void *arg, struct err *err)
{
	return each_seq(s, DB_PROVED, log, from, visit, arg, err);
}

enum err_code store_down_each(struct store *s, uint32_t log, uint64_t from,
	store_seq_visit *visit, void *arg, struct err *err)
{
	return each_seq(s, DB_DOWN, log, from, visit, arg, err);
}
