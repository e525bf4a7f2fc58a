/* refs.c - which attachments the records refer to, and which are wanted.
 *
 * The salt of an object would confirm a guess at its content, so it stands
 * only in sealed blocks that an erasure rewrites, never in the index. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"

#define ROWS_LIMIT ((size_t)65536) /* references in one block */

/* One reference in a block. */
struct ref_row {
	bool erased;
	struct attachment_ref ref;
};

static void row_write(const struct ref_row *r, struct buf *out)
{
	static const uint8_t nothing[ATTACHMENT_SALT_SIZE];

	buf_u8(out, r->erased);
	buf_add(out, r->ref.object.b, DIGEST_SIZE);
	buf_add(out, r->erased ? nothing : r->ref.salt, ATTACHMENT_SALT_SIZE);
	buf_u64(out, r->ref.size);
	buf_u32(out, r->ref.log);
	buf_u64(out, r->ref.seq);
}

static struct ref_row row_read(struct cursor *c, uint8_t label)
{
	struct ref_row r = {.erased = cursor_u8(c) != 0};

	cursor_copy(c, r.ref.object.b, DIGEST_SIZE);
	cursor_copy(c, r.ref.salt, ATTACHMENT_SALT_SIZE);
	r.ref.size = cursor_u64(c);
	r.ref.log = cursor_u32(c);
	r.ref.seq = cursor_u64(c);
	r.ref.label = label;
	return r;
}

static struct key key_of_ref(
	const struct digest *object, uint32_t log, uint64_t seq, uint8_t label)
{
	struct key k = KEY_EMPTY;

	key_add(&k, object->b, DIGEST_SIZE);
	key_u32(&k, log);
	key_u64(&k, seq);
	key_u8(&k, label);
	return k;
}

static struct key key_of_record(uint32_t log, uint64_t seq, uint8_t label)
{
	struct key k = key_of_seq(log, seq);

	key_u8(&k, label);
	return k;
}

/* The rows of one reference: where its salt stands, and the way back from the
 * record.  segment 0: row of the batch. */
static enum err_code ref_put(struct index_txn *t, const struct ref_row *r,
	struct place at, uint32_t row, struct err *err)
{
	const struct attachment_ref *ref = &r->ref;
	struct key k = key_of_ref(
		&ref->object, ref->log, ref->seq, (uint8_t)ref->label);
	struct key back =
		key_of_record(ref->log, ref->seq, (uint8_t)ref->label);
	struct key value = KEY_EMPTY;
	enum err_code rc;

	key_u8(&value, r->erased);
	key_u64(&value, ref->size);
	key_u32(&value, at.segment);
	key_u64(&value, at.offset);
	key_u32(&value, row);
	key_add(&back, ref->object.b, DIGEST_SIZE);
	if ((rc = index_put(t, DB_REF, key_bytes(&k), key_bytes(&value), err)))
		return rc;
	return index_put(
		t, DB_REF_RECORD, key_bytes(&back), (struct bytes){"", 0}, err);
}

struct ref_at {
	struct attachment_ref ref; /* without its salt */
	bool erased;
	struct place at;
	uint32_t row;
};

/* The first reference to the object from (log, seq, label) on. */
static enum err_code ref_next(struct index_txn *t, const struct digest *object,
	const struct key *from, struct ref_at *out, struct err *err)
{
	struct bytes found;
	struct bytes value;
	struct cursor c;
	enum err_code rc;

	rc = index_ceil(t, DB_REF, key_bytes(from), &found, &value, err);
	if (rc)
		return rc;
	c = value_cursor(found);
	cursor_copy(&c, out->ref.object.b, DIGEST_SIZE);
	out->ref.log = cursor_u32(&c);
	out->ref.seq = cursor_u64(&c);
	out->ref.label = cursor_u8(&c);
	if (!cursor_done(&c))
		return row_corrupt(err, "references");
	if (!digest_equal(&out->ref.object, object))
		return ERR_NOT_FOUND;
	c = value_cursor(value);
	out->erased = cursor_u8(&c) != 0;
	out->ref.size = cursor_u64(&c);
	out->at.segment = cursor_u32(&c);
	out->at.offset = cursor_u64(&c);
	out->row = cursor_u32(&c);
	return cursor_done(&c) ? ERR_OK : row_corrupt(err, "references");
}

/* The first that was not erased; ERR_ERASED when all were. */
static enum err_code ref_live(struct index_txn *t, const struct digest *object,
	struct ref_at *out, struct err *err)
{
	struct key from = KEY_EMPTY;
	bool erased = false;
	enum err_code rc;

	key_add(&from, object->b, DIGEST_SIZE);
	while (!(rc = ref_next(t, object, &from, out, err)) && out->erased) {
		erased = true;
		from = key_of_ref(object, out->ref.log, out->ref.seq,
			(uint8_t)out->ref.label);
		key_u8(&from, 0); /* right behind */
	}
	if (rc == ERR_NOT_FOUND && erased)
		return err_set(err, ERR_ERASED, "the attachment was destroyed");
	return rc;
}

static struct key key_of_drop(const struct digest *object)
{
	struct key k = KEY_EMPTY;

	key_u8(&k, 2);
	key_add(&k, object->b, DIGEST_SIZE);
	return k;
}

/* A record refers to the object.  It may do so after others that did were
 * erased, and with an index made anew the file that came again is here, while
 * the first erasure is read as having it left to destroy. */
static enum err_code wanted_put(
	const struct view *v, const struct digest *object, struct err *err)
{
	struct bytes key = {object->b, DIGEST_SIZE};
	struct key drop = key_of_drop(object);
	enum err_code rc;

	if ((rc = index_del(v->txn, DB_DROP, key_bytes(&drop), err)))
		return rc;
	if (attachment_here(v->s->data, object))
		return ERR_OK;
	return index_put(v->txn, DB_WANTED, key, (struct bytes){"", 0}, err);
}

/* ---- writing ---- */

/* Can the block be read that tells the reference's salt?  One is asked for
 * after the other where all are told again. */
static enum err_code row_reads(
	struct batch *b, struct place at, bool *reads, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct place now = at;
	struct item it;
	enum err_code rc;

	if (!at.segment || place_equal(at, b->refs_at)) {
		*reads = !at.segment || b->refs_read;
		return ERR_OK;
	}
	if (!(rc = block_now(&b->view, at, &now, err)))
		rc = block_plain(b->s, now, &it, &plain, err);
	buf_wipe(&plain);
	*reads = rc == ERR_OK;
	if (rc && !is_damage(rc))
		return rc;
	b->refs_at = at;
	b->refs_read = *reads;
	return ERR_OK;
}

/* Is the reference here already, with its salt or erased? */
static enum err_code ref_known(struct batch *b,
	const struct attachment_ref *ref, bool *known, struct err *err)
{
	struct key k = key_of_ref(
		&ref->object, ref->log, ref->seq, (uint8_t)ref->label);
	struct ref_at at = {0};
	struct bytes value;
	enum err_code rc =
		index_get(b->view.txn, DB_REF, key_bytes(&k), &value, err);

	*known = false;
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	if ((rc = ref_next(b->view.txn, &ref->object, &k, &at, err)))
		return rc;
	*known = at.erased;
	return at.erased ? ERR_OK : row_reads(b, at.at, known, err);
}

enum err_code batch_refer(
	struct batch *b, const struct attachment_ref *ref, struct err *err)
{
	struct key mark = key_of_part(ref->log, (uint8_t)ref->label, ref->seq);
	struct ref_row row = {.ref = *ref};
	bool known;
	enum err_code rc;

	rc = index_get(b->view.txn, DB_ERASED, key_bytes(&mark), NULL, err);
	if (rc == ERR_OK)
		return err_set(err, ERR_ERASED,
			"the part that refers to the attachment was "
			"destroyed here");
	if (rc != ERR_NOT_FOUND)
		return rc;
	if ((rc = ref_known(b, ref, &known, err)) || known)
		return rc;
	if (ref->size > ATTACHMENT_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"attachment of %" PRIu64 " bytes, limit %" PRIu64,
			ref->size, ATTACHMENT_SIZE_LIMIT);
	if (!grow(&b->refs, &b->ref_cap, b->ref_count, sizeof(*b->refs)))
		return err_nomem(err);
	b->refs[b->ref_count++] = *ref;
	if ((rc = ref_put(b->view.txn, &row, (struct place){0, 0},
		     (uint32_t)(b->ref_count - 1), err)) ||
		(rc = wanted_put(&b->view, &ref->object, err)))
		b->spoiled = rc;
	return rc;
}

enum err_code batch_attached(
	struct batch *b, const struct digest *object, struct err *err)
{
	if (!attachment_here(b->s->data, object))
		return err_set(err, ERR_NOT_FOUND,
			"the attachment's file is not in place");
	return index_del(b->view.txn, DB_WANTED,
		(struct bytes){object->b, DIGEST_SIZE}, err);
}

enum err_code batch_want(
	struct batch *b, const struct digest *object, struct err *err)
{
	struct ref_at at = {0};
	enum err_code rc = ref_live(b->view.txn, object, &at, err);

	if (rc == ERR_NOT_FOUND)
		return err_set(
			err, rc, "no record here refers to the attachment");
	if (rc || (rc = attachment_set_aside(b->s->data, object, err)))
		return rc;
	return wanted_put(&b->view, object, err);
}

/* References of refs[*from...] with the label, up to a block's worth; their
 * numbers go to `rows`. */
static size_t block_rows(const struct batch *b, uint8_t label, size_t *from,
	size_t *rows, struct buf *plain)
{
	size_t count = 0;

	for (; *from < b->ref_count && count < ROWS_LIMIT; ++*from) {
		struct ref_row row = {.ref = b->refs[*from]};

		if (row.ref.label != label)
			continue;
		row_write(&row, plain);
		rows[count++] = *from;
	}
	return count;
}

static enum err_code write_block(struct group *g, uint8_t label,
	const size_t *rows, size_t count, const struct buf *plain,
	struct err *err)
{
	struct item it = {.kind = ITEM_REFS,
		.suite = SUITE_SEALED,
		.label = label,
		.count = (uint32_t)count};
	struct batch *b = g->b;
	struct buf out = BUF_EMPTY;
	struct place at;
	enum err_code rc;

	if ((rc = buf_ok(plain, err)) ||
		(rc = batch_key(b, "", label, &it.key, err)) ||
		(rc = seal_item(b->s, &it, plain, false, &out, err)) ||
		(rc = group_add(g, &it, &out, &at, err)))
		goto out;
	for (size_t i = 0; i < count && !rc; i++) {
		struct ref_row row = {.ref = b->refs[rows[i]]};

		rc = ref_put(b->view.txn, &row, at, (uint32_t)i, err);
	}
out:
	buf_free(&out);
	return rc;
}

/* What was erased in the very batch that referred to it is not written. */
static void drop_erased(struct batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->ref_count; i++) {
		const struct attachment_ref *r = &b->refs[i];
		struct key k = key_of_part(r->log, (uint8_t)r->label, r->seq);

		if (index_get(b->view.txn, DB_ERASED, key_bytes(&k), NULL,
			    NULL) == ERR_NOT_FOUND)
			b->refs[kept++] = *r;
	}
	b->ref_count = kept;
}

enum err_code refs_write(struct group *g, struct err *err)
{
	struct batch *b = g->b;
	struct buf plain = BUF_EMPTY;
	size_t *rows;
	enum err_code rc = ERR_OK;

	if (b->mark_count)
		drop_erased(b);
	if (!b->ref_count)
		return ERR_OK;
	if (!(rows = calloc(b->ref_count, sizeof(*rows))))
		return err_nomem(err);
	for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++) {
		size_t from = 0;

		while (from < b->ref_count && !rc) {
			size_t count;

			buf_clear(&plain);
			count = block_rows(b, l, &from, rows, &plain);
			if (count)
				rc = write_block(
					g, l, rows, count, &plain, err);
		}
	}
	buf_wipe(&plain);
	free(rows);
	return rc;
}

/* ---- replay, erasing ---- */

enum err_code refs_replay(
	const struct view *v, struct place at, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct place now = at;
	struct item it;
	struct cursor c;
	enum err_code rc;

	if ((rc = block_now(v, at, &now, err)) ||
		(rc = block_plain(v->s, now, &it, &plain, err)))
		goto out;
	c = cursor_over(plain.data, plain.len);
	for (uint32_t i = 0; i < it.count && !rc; i++) {
		struct ref_row row = row_read(&c, it.label);

		if (!cursor_ok(&c))
			break;
		rc = ref_put(v->txn, &row, at, i, err);
		if (!rc && !row.erased)
			rc = wanted_put(v, &row.ref.object, err);
	}
	if (!rc && !cursor_done(&c))
		rc = err_set(err, ERR_CORRUPT,
			"block of references does not add up");
out:
	buf_wipe(&plain);
	if (is_damage(rc)) {
		enum err_code lost = refs_lose(v, now, NULL);

		return lost ? lost : rc;
	}
	return rc;
}

enum err_code refs_lead(const struct view *v, struct place at, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct item it;
	struct cursor c;
	enum err_code rc = block_plain(v->s, at, &it, &plain, err);

	c = cursor_over(plain.data, plain.len);
	for (uint32_t i = 0; !rc && i < it.count; i++) {
		struct ref_row row = row_read(&c, it.label);
		struct key k = key_of_ref(
			&row.ref.object, row.ref.log, row.ref.seq, it.label);
		struct ref_at was;

		if (!(rc = ref_next(v->txn, &row.ref.object, &k, &was, err))) {
			row.erased = was.erased;
			rc = ref_put(v->txn, &row, at, i, err);
		}
	}
	if (!rc && !cursor_done(&c))
		rc = err_set(err, ERR_CORRUPT,
			"block of references does not add up");
	buf_wipe(&plain);
	return rc;
}

enum err_code refs_rewrite(const struct view *v, const struct item *it,
	const struct buf *plain, struct buf *out, struct err *err)
{
	struct cursor c = cursor_over(plain->data, plain->len);

	for (uint32_t i = 0; i < it->count; i++) {
		struct ref_row row = row_read(&c, it->label);
		struct key k = key_of_part(row.ref.log, it->label, row.ref.seq);
		enum err_code rc =
			index_get(v->txn, DB_ERASED, key_bytes(&k), NULL, err);

		if (rc && rc != ERR_NOT_FOUND)
			return rc;
		row.erased = row.erased || rc == ERR_OK;
		row_write(&row, out);
	}
	if (!cursor_done(&c))
		return err_set(err, ERR_CORRUPT,
			"block of references does not add up");
	return buf_ok(out, err);
}

/* Each object that the part refers to. */
static enum err_code next_object(struct index_txn *t, struct key *from,
	const struct erase_target *target, struct digest *object,
	struct err *err)
{
	struct key prefix =
		key_of_record(target->log, target->seq, (uint8_t)target->label);
	struct bytes found;
	enum err_code rc;

	rc = index_ceil(t, DB_REF_RECORD, key_bytes(from), &found, NULL, err);
	if (rc)
		return rc;
	if (found.len != prefix.len + DIGEST_SIZE)
		return row_corrupt(err, "references");
	if (memcmp(found.data, prefix.b, prefix.len) != 0)
		return ERR_NOT_FOUND;
	memcpy(object->b, (const uint8_t *)found.data + prefix.len,
		DIGEST_SIZE);
	*from = prefix;
	key_add(from, object->b, DIGEST_SIZE);
	key_u8(from, 0); /* right behind */
	return ERR_OK;
}

enum err_code refs_drop_object(
	const struct view *v, const struct digest *object, struct err *err)
{
	struct key k = key_of_drop(object);
	enum err_code rc;

	if ((rc = index_del(v->txn, DB_WANTED,
		     (struct bytes){object->b, DIGEST_SIZE}, err)))
		return rc;
	return index_put(
		v->txn, DB_DROP, key_bytes(&k), (struct bytes){"", 0}, err);
}

enum err_code refs_erase(
	const struct view *v, const struct erase_target *t, struct err *err)
{
	struct key from = key_of_record(t->log, t->seq, (uint8_t)t->label);
	struct digest object;
	enum err_code rc;

	while (!(rc = next_object(v->txn, &from, t, &object, err))) {
		struct key k =
			key_of_ref(&object, t->log, t->seq, (uint8_t)t->label);
		struct ref_at at;
		struct ref_row row = {.erased = true};

		if ((rc = ref_next(v->txn, &object, &k, &at, err)))
			return rc;
		row.ref = at.ref;
		if ((rc = ref_put(v->txn, &row, at.at, at.row, err)))
			return rc;
		rc = ref_live(v->txn, &object, &at, err);
		if (rc == ERR_ERASED)
			rc = refs_drop_object(v, &object, err);
		if (rc)
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code refs_places(const struct view *v, const struct erase_target *t,
	place_visit *visit, void *arg, struct err *err)
{
	struct key from = key_of_record(t->log, t->seq, (uint8_t)t->label);
	struct digest object;
	enum err_code rc;

	while (!(rc = next_object(v->txn, &from, t, &object, err))) {
		struct key k =
			key_of_ref(&object, t->log, t->seq, (uint8_t)t->label);
		struct ref_at at;

		if ((rc = ref_next(v->txn, &object, &k, &at, err)) ||
			(at.at.segment && (rc = visit(arg, at.at, err))))
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* ---- reading ---- */

/* The salt, from the block that holds it. */
static enum err_code ref_salt(
	const struct view *v, struct ref_at *r, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct cursor c;
	struct place now;
	struct item it;
	enum err_code rc;

	if ((rc = block_now(v, r->at, &now, err)) ||
		(rc = block_plain(v->s, now, &it, &plain, err)))
		goto out;
	c = cursor_over(plain.data, plain.len);
	for (uint32_t i = 0; i <= r->row && cursor_ok(&c); i++) {
		struct ref_row row = row_read(&c, it.label);

		if (i == r->row &&
			digest_equal(&row.ref.object, &r->ref.object))
			memcpy(r->ref.salt, row.ref.salt, sizeof(r->ref.salt));
		else if (i == r->row)
			c.failed = true;
	}
	if (!cursor_ok(&c))
		rc = err_set(err, ERR_CORRUPT,
			"block of references does not add up");
out:
	buf_wipe(&plain);
	return rc;
}

static enum err_code find_ref(struct store *s, const struct digest *object,
	struct ref_at *out, struct err *err)
{
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = ref_live(v.txn, object, out, err)))
		rc = ref_salt(&v, out, err);
	view_close(&v);
	return rc;
}

enum err_code store_attachment_find(struct store *s,
	const struct digest *object, struct attachment_ref *out,
	struct err *err)
{
	struct ref_at at = {0};
	enum err_code rc = find_ref(s, object, &at, err);

	if (!rc)
		*out = at.ref;
	else if (rc == ERR_NOT_FOUND)
		return err_set(
			err, rc, "no record here refers to the attachment");
	return rc;
}

static enum err_code next_wanted(struct store *s, struct key *from,
	struct digest *object, struct err *err)
{
	struct bytes found;
	struct view v;
	enum err_code rc;

	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = index_ceil(v.txn, DB_WANTED, key_bytes(from), &found, NULL, err);
	if (!rc && found.len != DIGEST_SIZE)
		rc = row_corrupt(err, "wanted attachments");
	if (!rc)
		memcpy(object->b, found.data, DIGEST_SIZE);
	view_close(&v);
	if (!rc) {
		*from = KEY_EMPTY;
		key_add(from, object->b, DIGEST_SIZE);
		key_u8(from, 0); /* right behind */
	}
	return rc;
}

enum err_code store_wanted_each(struct store *s, store_attachment_visit *visit,
	void *arg, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct digest object;
	enum err_code rc;

	key_u8(&from, 0);
	while (!(rc = next_wanted(s, &from, &object, err))) {
		struct ref_at at = {0};

		rc = find_ref(s, &object, &at, err);
		if (rc == ERR_ERASED || rc == ERR_NOT_FOUND)
			continue; /* erased meanwhile */
		if (rc || (rc = visit(arg, &at.ref, err)))
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

uint64_t store_wanted_count(struct store *s)
{
	uint64_t count = 0;
	struct view v;

	if (view_open(s, &v, NULL))
		return 0;
	count = index_count(v.txn, DB_WANTED);
	view_close(&v);
	return count;
}

enum err_code refs_any(const struct view *v, const struct digest *object,
	bool *any, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct ref_at at;
	enum err_code rc;

	key_add(&from, object->b, DIGEST_SIZE);
	rc = ref_next(v->txn, object, &from, &at, err);
	*any = rc == ERR_OK;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Files that came into place while a crash kept the index from hearing. */
enum err_code refs_sweep(const struct view *v, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct digest object;
	struct bytes found;
	enum err_code rc;

	key_u8(&from, 0);
	while (!(rc = index_ceil(v->txn, DB_WANTED, key_bytes(&from), &found,
			 NULL, err))) {
		if (found.len != DIGEST_SIZE)
			return row_corrupt(err, "wanted attachments");
		memcpy(object.b, found.data, DIGEST_SIZE);
		from = KEY_EMPTY;
		key_add(&from, object.b, DIGEST_SIZE);
		if (attachment_here(v->s->data, &object) &&
			(rc = index_del(
				 v->txn, DB_WANTED, key_bytes(&from), err)))
			return rc;
		key_u8(&from, 0);
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code refs_missing(
	const struct view *v, object_visit *visit, void *arg, struct err *err)
{
	struct key from = KEY_EMPTY;
	struct bytes found;
	struct bytes value;
	enum err_code rc;

	key_u8(&from, 0);
	while (!(rc = index_ceil(v->txn, DB_REF, key_bytes(&from), &found,
			 &value, err))) {
		struct digest object;
		struct cursor c = value_cursor(value);
		bool erased = cursor_u8(&c) != 0;

		if (found.len < DIGEST_SIZE || found.len >= KEY_LIMIT)
			return row_corrupt(err, "references");
		memcpy(object.b, found.data, DIGEST_SIZE);
		from = KEY_EMPTY;
		key_add(&from, found.data, found.len);
		key_u8(&from, 0); /* right behind */
		if (erased || attachment_here(v->s->data, &object))
			continue;
		rc = index_get(v->txn, DB_WANTED,
			(struct bytes){object.b, DIGEST_SIZE}, NULL, err);
		if (rc == ERR_NOT_FOUND)
			visit(arg, &object);
		else if (rc)
			return rc;
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}
