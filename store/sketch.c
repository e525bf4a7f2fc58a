/* sketch.c - goes through the records of a log without making their entries. */
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

/* As in read.c: an erasure beside us may destroy a block between the look at
 * the index and the look at the segment. */
#define SKETCH_TRIES 3

/* The sketches of one block, and what they borrow. */
struct sketching {
	struct view view;
	uint32_t log;
	const struct sketch_visitor *visitor;
	struct block *entries, *directory;
	struct sketch *row;
	size_t count;
	struct block **pins; /* of parts */
	size_t pin_count, pin_cap;
	/* By label, the first destroyed part not before the row in hand. */
	uint64_t erased_next[LABEL_COUNT];
};

static void let_go(struct sketching *k)
{
	for (size_t i = 0; i < k->pin_count; i++)
		block_unpin(k->pins[i]);
	free(k->pins);
	free(k->row);
	block_unpin(k->entries);
	block_unpin(k->directory);
	view_close(&k->view);
}

/* ---- which parts were destroyed ---- */

static enum err_code erased_from(struct sketching *k, uint8_t label,
	uint64_t seq, uint64_t *next, struct err *err)
{
	struct key at = key_of_part(k->log, label, seq);
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	*next = UINT64_MAX;
	rc = index_ceil(
		k->view.txn, DB_ERASED, key_bytes(&at), &found, NULL, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	if (cursor_u32(&c) == k->log && cursor_u8(&c) == label)
		*next = cursor_u64(&c);
	return ERR_OK;
}

static enum err_code start_erased(
	struct sketching *k, uint64_t seq, struct err *err)
{
	bool any = index_count(k->view.txn, DB_ERASED) > 0;
	enum err_code rc = ERR_OK;

	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++) {
		k->erased_next[l] = UINT64_MAX;
		if (any)
			rc = erased_from(k, l, seq, &k->erased_next[l], err);
	}
	return rc;
}

static enum err_code look_erased(
	struct sketching *k, struct sketch *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++) {
		if (k->erased_next[l] != r->seq)
			continue;
		r->erased |= LABEL_BIT(l);
		rc = erased_from(k, l, r->seq + 1, &k->erased_next[l], err);
	}
	return rc;
}

/* ---- rows ---- */

static enum err_code sketch_part(
	struct sketching *k, struct sketch *r, uint8_t label, struct err *err)
{
	const struct block_entry e = {
		.series = r->series, .series_len = r->series_len};
	struct place at =
		block_of_part(k->directory, k->log, &e, label, r->seq);
	const struct part_row *row;
	struct block *b;
	enum err_code rc;

	if (!at.segment)
		return ERR_OK;
	if ((rc = block_parts(&k->view, at, &b, err)))
		return rc;
	if (k->pin_count > 0 && k->pins[k->pin_count - 1] == b) {
		block_unpin(b);
	} else {
		if (!grow(&k->pins, &k->pin_cap, k->pin_count,
			    sizeof(*k->pins))) {
			block_unpin(b);
			return err_nomem(err);
		}
		k->pins[k->pin_count++] = b;
	}
	row = part_find(b, r->seq);
	if (row && !row->erased) {
		r->part[label] = row->part;
		r->have |= LABEL_BIT(label);
	}
	return ERR_OK;
}

static enum err_code sketch_row(
	struct sketching *k, size_t i, bool last_try, struct err *err)
{
	const struct entry_stub *stub = &k->entries->stubs[i];
	struct sketch *r = &k->row[k->count];
	uint8_t wants = 0;
	enum err_code rc;

	*r = (struct sketch){.seq = k->entries->head.first + i,
		.at = stub->at,
		.here = stub->computed};
	memcpy(r->uuid, stub->uuid, sizeof(r->uuid));
	if ((rc = look_erased(k, r, err)))
		return rc;
	if (!block_rev(k->entries, i, &r->rev) ||
		!block_series(k->entries, i, &r->series, &r->series_len))
		return ERR_OK; /* damaged */
	k->count++;
	if (k->visitor->wants)
		wants = k->visitor->wants(k->visitor->arg, r);
	wants &= (uint8_t)(r->here & ~r->erased);
	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++) {
		if (!(wants & LABEL_BIT(l)))
			continue;
		rc = sketch_part(k, r, l, err);
		if (rc == ERR_CORRUPT &&
			last_try) /* as if it had not come here */
			rc = ERR_OK;
	}
	return rc;
}

static enum err_code sketch_rows(struct sketching *k,
	const struct entry_place *at, uint64_t seq, uint64_t to, bool last_try,
	uint64_t *next, struct err *err)
{
	uint64_t first, end;
	enum err_code rc;

	if ((rc = block_entries(
		     &k->view, at->block, at->commit, &k->entries, err)) ||
		(rc = block_directory(
			 &k->view, at->commit, &k->directory, err)))
		return rc;
	first = k->entries->head.first;
	end = first + k->entries->count;
	if (end > at->end)
		end = at->end;
	if (end > to)
		end = to;
	if (seq < first || seq >= end)
		return err_set(err, ERR_CORRUPT, "a block of other entries");
	if (!(k->row = calloc((size_t)(end - seq), sizeof(*k->row))))
		return err_nomem(err);
	rc = start_erased(k, seq, err);
	for (uint64_t i = seq; i < end && !rc; i++)
		rc = sketch_row(k, (size_t)(i - first), last_try, err);
	*next = end;
	return rc;
}

/* Where the damage ends: at the next row of the index. */
static enum err_code next_row(struct sketching *k, uint64_t seq, uint64_t size,
	uint64_t *next, struct err *err)
{
	struct key at = key_of_seq(k->log, seq + 1);
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	*next = size;
	rc = index_ceil(
		k->view.txn, DB_ENTRIES, key_bytes(&at), &found, NULL, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	if (cursor_u32(&c) == k->log)
		*next = cursor_u64(&c);
	return ERR_OK;
}

/* The next sequence from `seq` on that was proved, UINT64_MAX for none. */
static enum err_code next_proved(
	struct sketching *k, uint64_t seq, uint64_t *next, struct err *err)
{
	struct key at = key_of_seq(k->log, seq);
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	*next = UINT64_MAX;
	rc = index_ceil(
		k->view.txn, DB_PROVED, key_bytes(&at), &found, NULL, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	c = value_cursor(found);
	if (cursor_u32(&c) == k->log)
		*next = cursor_u64(&c);
	return ERR_OK;
}

static enum err_code sketch_at(struct sketching *k, uint64_t seq, uint64_t to,
	bool last_try, uint64_t *next, struct err *err)
{
	struct entry_place at;
	struct log_row row;
	enum err_code rc;

	if ((rc = log_get(&k->view, k->log, &row, err)))
		return rc;
	if (seq >= row.edge.size) {
		if ((rc = next_proved(k, seq, &seq, err)) || seq >= to) {
			*next = to;
			return rc;
		}
		rc = entry_locate_proved(&k->view, k->log, seq, &at, err);
		*next = seq + 1;
	} else {
		rc = entry_locate(&k->view, k->log, seq, &at, err);
	}
	if (!rc)
		rc = sketch_rows(k, &at, seq, to, last_try, next, err);
	if (rc != ERR_CORRUPT || !last_try)
		return rc;
	k->count = 0;
	if (seq >= row.edge.size)
		return ERR_OK;
	return next_row(k, seq, row.edge.size, next, err);
}

/* The sketches of the block that holds `seq`, which *next lies behind. */
static enum err_code sketch_block(struct store *s, struct sketching *k,
	uint64_t seq, uint64_t to, uint64_t *next, struct err *err)
{
	const struct sketching empty = *k;
	enum err_code rc;

	for (int i = 1;; i++) {
		*k = empty;
		if ((rc = view_open(s, &k->view, err)))
			return rc;
		rc = sketch_at(k, seq, to, i == SKETCH_TRIES, next, err);
		if (i == SKETCH_TRIES ||
			(rc != ERR_ERASED && rc != ERR_CORRUPT))
			break;
		let_go(k);
	}
	if (rc)
		let_go(k);
	return rc;
}

enum err_code store_sketch_each(struct store *s, uint32_t log, uint64_t from,
	uint64_t to, const struct sketch_visitor *v, struct err *err)
{
	enum err_code rc = ERR_OK;
	uint64_t next = from;

	for (uint64_t seq = from; seq < to && !rc; seq = next) {
		struct sketching k = {.log = log, .visitor = v};

		if ((rc = sketch_block(s, &k, seq, to, &next, err)))
			break;
		for (size_t i = 0; i < k.count && !rc; i++)
			rc = v->visit(v->arg, &k.row[i], err);
		let_go(&k);
	}
	return rc;
}
