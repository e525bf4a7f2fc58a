/* pack.c - a sealed segment written anew, with many groups in one.
 *
 * A part keeps the key that it lies under: whoever copied the files of before
 * must not be able to open, with the keys of after, what is erased later.  So
 * rows of a block that an erasure wrote anew elsewhere come home under the key
 * they have there. */
#include "store/pack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACK_BYTES ((size_t)4 << 20) /* plain, of one group */
#define PACK_RECORDS ((size_t)8192)
#define ROWS ((size_t)256) /* in a block */
#define REFS_ROWS ((uint32_t)4096)
#define WRITE_STEP ((size_t)512 << 10) /* synced at once */

/* Bytes lie in the arena, named by offset. */
struct pack_entry {
	uint32_t log;
	uint64_t seq;
	size_t text, len;
	struct digest leaf;
	uint8_t computed;
	struct digest digest[LABEL_COUNT];
};

struct pack_part {
	uint32_t log;
	uint32_t series; /* among the names */
	uint8_t label;
	uint64_t seq, key;
	bool erased;
	struct digest digest;
	uint8_t seed[SEED_SIZE];
	size_t json, len;
};

/* An item whose payload stays as it is, or a block of references. */
struct pack_item {
	struct item it;
	size_t at, len;
};

struct pack_items {
	struct pack_item *at;
	size_t count, cap;
};

struct pack_edge {
	uint32_t log;
	uint64_t from, to;
	struct digest hash[64];
};

/* What a log of the group has; an entry must not come twice in it, proved and
 * in its turn. */
struct pack_log {
	uint32_t log;
	bool turns, proved;
};

struct pack {
	struct store *s;
	uint32_t from, to;
	int fd;
	struct buf out;	   /* not written yet */
	uint64_t out_from; /* where it goes */
	bool damaged;
	/* Of one group of before: a longer one would keep pages of the index
	 * from being used again while others put. */
	struct view view;
	/* The group under way. */
	bool open;
	bool whole;	   /* its items are taken one by one, as they are */
	uint64_t arrivals; /* the number that comes next */
	size_t bytes;
	struct directory d;
	size_t run_cap, block_cap;
	struct buf arena;
	struct pack_entry *entries;
	size_t entry_count, entry_cap;
	struct pack_part *parts;
	size_t part_count, part_cap;
	struct pack_items logs, refs, kept, notes;
	struct pack_edge *edges;
	size_t edge_count, edge_cap;
	struct pack_log *seen;
	size_t seen_count, seen_cap;
	char (*series)[SERIES_NAME_SIZE];
	size_t series_count, series_cap;
};

/* ---- writing ---- */

static uint64_t end_of(const struct pack *p)
{
	return p->out_from + p->out.len;
}

static enum err_code flush(struct pack *p, struct err *err)
{
	enum err_code rc;

	if ((rc = buf_ok(&p->out, err)) ||
		(rc = file_write_at(
			 p->fd, p->out_from, p->out.data, p->out.len, err)))
		return rc;
	p->out_from += p->out.len;
	buf_clear(&p->out);
	/* In small steps: whoever puts beside us waits for the same disk. */
	return file_sync_data(p->fd, segment_name(p->to).text, err);
}

/* Counts the item that was appended to p->out from `at` on. */
static enum err_code count_item(
	struct pack *p, const struct item *it, uint64_t at, struct err *err)
{
	struct directory *d = &p->d;
	enum err_code rc;

	d->heads_crc = item_chain(d->heads_crc, it);
	d->items++;
	if ((rc = directory_add(d, &p->block_cap, it, at, err)))
		return rc;
	return p->out.len >= WRITE_STEP ? flush(p, err) : buf_ok(&p->out, err);
}

static enum err_code write_raw(struct pack *p, const struct item *head,
	const void *payload, size_t len, struct err *err)
{
	struct item it = *head;
	uint64_t at = end_of(p);

	item_write(&it, payload, len, &p->out);
	return count_item(p, &it, at, err);
}

static enum err_code write_sealed(struct pack *p, struct item *it,
	const struct buf *plain, struct err *err)
{
	uint64_t at = end_of(p);
	bool columns = it->kind == ITEM_ENTRIES || it->kind == ITEM_PARTS;
	enum err_code rc;

	if ((rc = buf_ok(plain, err)) ||
		(rc = seal_item(p->s, it, plain, columns, &p->out, err)))
		return rc;
	return count_item(p, it, at, err);
}

/* ---- what a group of before adds ---- */

static size_t arena_add(struct pack *p, const void *data, size_t len)
{
	size_t at = p->arena.len;

	buf_add(&p->arena, data, len);
	p->bytes += len;
	return at;
}

static enum err_code intern(
	struct pack *p, const char *name, uint32_t *out, struct err *err)
{
	size_t i = p->series_count;

	while (i && strcmp(p->series[i - 1], name) != 0)
		i--;
	if (!i) {
		if (!grow(&p->series, &p->series_cap, p->series_count,
			    sizeof(*p->series)))
			return err_nomem(err);
		memcpy(p->series[p->series_count++], name, SERIES_NAME_SIZE);
		i = p->series_count;
	}
	*out = (uint32_t)(i - 1);
	return ERR_OK;
}

static enum err_code keep(struct pack *p, struct pack_items *list,
	const struct item *it, const struct buf *payload, struct err *err)
{
	struct pack_item *k;

	if (p->whole)
		return write_raw(p, it, payload->data, payload->len, err);
	if (!grow(&list->at, &list->cap, list->count, sizeof(*list->at)))
		return err_nomem(err);
	k = &list->at[list->count++];
	k->it = *it;
	k->at = arena_add(p, payload->data, payload->len);
	k->len = payload->len;
	return buf_ok(&p->arena, err);
}

/* The item as it stands. */
static enum err_code keep_item(struct pack *p, struct pack_items *list,
	struct place at, struct err *err)
{
	struct buf payload = BUF_EMPTY;
	struct item it;
	enum err_code rc;

	if (!(rc = segment_item(p->s->segments, at, &it, &payload, err)))
		rc = keep(p, list, &it, &payload, err);
	buf_free(&payload);
	return rc;
}

/* The last item of a log tells what it is called and of which kind. */
static enum err_code take_log(
	struct pack *p, struct place at, const struct item *it, struct err *err)
{
	for (size_t i = 0; i < p->logs.count; i++)
		if (p->logs.at[i].it.log == it->log) {
			p->logs.at[i] = p->logs.at[--p->logs.count];
			break;
		}
	return keep_item(p, &p->logs, at, err);
}

/* The newest note of each slot is enough. */
static enum err_code take_note(
	struct pack *p, struct place at, const struct item *it, struct err *err)
{
	size_t left = 0;

	for (size_t i = 0; i < p->notes.count; i++) {
		struct pack_item *n = &p->notes.at[i];

		if (n->it.log == it->log)
			n->it.flags &= (uint8_t)~it->flags;
		if (n->it.flags)
			p->notes.at[left++] = *n;
	}
	p->notes.count = left;
	return keep_item(p, &p->notes, at, err);
}

static enum err_code take_entries(
	struct pack *p, struct place at, struct place commit, struct err *err)
{
	struct block *b = NULL;
	enum err_code rc;

	if ((rc = block_made(&p->view, at, commit, &b, err)))
		return rc;
	for (size_t i = 0; i < b->count && !rc; i++) {
		const struct block_entry *from = b->entries[i];
		struct pack_entry *e;

		if (from->damaged) {
			rc = entry_damaged(
				b->head.log, b->head.first + i, from, err);
		} else if (!grow(&p->entries, &p->entry_cap, p->entry_count,
				   sizeof(*p->entries))) {
			rc = err_nomem(err);
		} else {
			e = &p->entries[p->entry_count++];
			e->log = b->head.log;
			e->seq = b->head.first + i;
			e->text = arena_add(p, from->text, from->len);
			e->len = from->len;
			e->leaf = from->leaf;
			e->computed = from->computed;
			memcpy(e->digest, from->digest, sizeof(e->digest));
		}
	}
	block_unpin(b);
	return rc ? rc : buf_ok(&p->arena, err);
}

static enum err_code take_parts(
	struct pack *p, struct place at, const struct item *it, struct err *err)
{
	struct block *b = NULL;
	uint32_t series;
	enum err_code rc;

	if ((rc = intern(p, it->name, &series, err)) ||
		(rc = block_parts(&p->view, at, &b, err)))
		return rc;
	for (size_t i = 0; i < b->count && !rc; i++) {
		const struct part_row *from = &b->parts[i];
		struct pack_part *to;

		if (!grow(&p->parts, &p->part_cap, p->part_count,
			    sizeof(*p->parts))) {
			rc = err_nomem(err);
			break;
		}
		to = &p->parts[p->part_count++];
		*to = (struct pack_part){.log = it->log,
			.series = series,
			.label = it->label,
			.seq = from->seq,
			.key = b->head.key,
			.erased = from->erased,
			.digest = from->digest};
		if (from->erased)
			continue;
		memcpy(to->seed, from->part.seed, SEED_SIZE);
		to->json = arena_add(p, from->part.json, from->part.len);
		to->len = from->part.len;
	}
	block_unpin(b);
	return rc ? rc : buf_ok(&p->arena, err);
}

/* Rows of references are all of one size: blocks are joined end to end. */
static enum err_code take_refs(struct pack *p, struct place at, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct place now;
	struct item it;
	enum err_code rc;

	if ((rc = block_now(&p->view, at, &now, err)) ||
		(rc = block_plain(p->s, now, &it, &plain, err)))
		goto out;
	it.origin = (struct place){0, 0};
	rc = p->whole ? write_sealed(p, &it, &plain, err)
		      : keep(p, &p->refs, &it, &plain, err);
out:
	buf_wipe(&plain);
	return rc;
}

/* A block that is whole as it is; where it was written anew it comes home. */
static enum err_code copy_block(struct pack *p, struct place at,
	const struct item *head, struct err *err)
{
	struct item it = *head;
	struct buf plain = BUF_EMPTY;
	struct place now;
	struct item moved;
	enum err_code rc;

	if ((rc = block_now(&p->view, at, &now, err)))
		return rc;
	if (place_equal(now, at))
		return keep_item(p, &p->kept, at, err);
	if (!(rc = block_plain(p->s, now, &moved, &plain, err))) {
		it.key = moved.key;
		rc = write_sealed(p, &it, &plain, err);
	}
	buf_wipe(&plain);
	return rc;
}

/* A block of another segment's that was written anew here: it stays what it is,
 * if it still is the newest, and its segment was not packed since. */
static enum err_code carry(
	struct pack *p, struct place at, const struct item *it, struct err *err)
{
	uint32_t number = segment_number(it->origin.segment);
	struct place now;
	enum err_code rc;

	if (number == segment_number(p->from) ||
		it->origin.segment != segment_now(p->s->segments, number))
		return ERR_OK;
	if ((rc = block_now(&p->view, it->origin, &now, err)) ||
		!place_equal(now, at))
		return rc;
	return keep_item(p, &p->kept, at, err);
}

struct taking {
	struct pack *p;
	struct place commit;
};

static enum err_code take_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct taking *t = arg;
	struct pack *p = t->p;

	if (it->origin.segment)
		return carry(p, at, it, err);
	switch (it->kind) {
	case ITEM_LOG:
		return take_log(p, at, it, err);
	case ITEM_NOTE:
		return take_note(p, at, it, err);
	case ITEM_ENTRIES:
		return p->whole ? copy_block(p, at, it, err)
				: take_entries(p, at, t->commit, err);
	case ITEM_PARTS:
		return p->whole ? copy_block(p, at, it, err)
				: take_parts(p, at, it, err);
	case ITEM_REFS:
		return take_refs(p, at, err);
	case ITEM_PROVED:
	case ITEM_ERASED:
	case ITEM_CLOSED:
		return keep_item(p, &p->kept, at, err);
	case ITEM_MENDED:
		return err_set(err, ERR_CORRUPT,
			"segment %s mends another and stays as it is",
			segment_name(at.segment).text);
	case ITEM_COMMIT:
		break;
	}
	return ERR_OK;
}

/* ---- what commit items tell ---- */

static enum err_code take_runs(
	struct pack *p, const struct directory *d, struct err *err)
{
	struct directory *to = &p->d;

	for (size_t i = 0; i < d->run_count; i++) {
		const struct arrival_run *run = &d->runs[i];
		struct arrival_run *last =
			to->run_count ? &to->runs[to->run_count - 1] : NULL;

		p->arrivals += run->count;
		if (last && last->log == run->log &&
			last->again == run->again &&
			last->first + last->count == run->first &&
			last->count <= RUN_COUNT_LIMIT - run->count) {
			last->count += run->count;
			continue;
		}
		if (!grow(&to->runs, &p->run_cap, to->run_count,
			    sizeof(*to->runs)))
			return err_nomem(err);
		to->runs[to->run_count++] = *run;
	}
	return ERR_OK;
}

/* The edge at `to`: what it shares with the one before stays, behind that
 * stands what is new.  Of what `from` had already the hashes are not known, and
 * not needed. */
static enum err_code take_edge(struct pack *p, const struct directory *d,
	const struct directory_edge *e, struct err *err)
{
	unsigned fresh = edge_fresh(e->from, e->to);
	unsigned all = tree_edge_count(e->to);
	struct pack_edge *to = NULL;

	for (size_t i = 0; i < p->edge_count && !to; i++)
		if (p->edges[i].log == e->log)
			to = &p->edges[i];
	if (to && e->from && e->from != to->to)
		return err_set(err, ERR_CORRUPT,
			"log %" PRIu32 " grows from %" PRIu64
			" and had %" PRIu64 " entries",
			e->log, e->from, to->to);
	if (!to) {
		if (!grow(&p->edges, &p->edge_cap, p->edge_count,
			    sizeof(*p->edges)))
			return err_nomem(err);
		to = &p->edges[p->edge_count++];
		*to = (struct pack_edge){.log = e->log, .from = e->from};
	}
	to->to = e->to;
	memcpy(&to->hash[all - fresh], &d->hashes[e->at],
		fresh * sizeof(*to->hash));
	return ERR_OK;
}

static enum err_code take_directory(
	struct pack *p, const struct directory *d, struct err *err)
{
	enum err_code rc = take_runs(p, d, err);

	for (size_t i = 0; i < d->edge_count && !rc; i++)
		rc = take_edge(p, d, &d->edges[i], err);
	return rc;
}

/* ---- a group, from its rows ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct pack_entry *x = a;
	const struct pack_entry *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int compare_parts(const void *a, const void *b)
{
	const struct pack_part *x = a;
	const struct pack_part *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static enum err_code write_entries(struct pack *p, const struct pack_entry *e,
	size_t count, struct err *err)
{
	struct item it = {.kind = ITEM_ENTRIES,
		.suite = SUITE_ZSTD,
		.log = e->log,
		.count = (uint32_t)count,
		.first = e->seq,
		.last = e[count - 1].seq};
	struct entry_row *rows = calloc(count, sizeof(*rows));
	struct buf plain = BUF_EMPTY;
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		rows[i].entry = (const char *)p->arena.data + e[i].text;
		rows[i].entry_len = e[i].len;
		rows[i].leaf = e[i].leaf;
		rows[i].computed = e[i].computed;
		memcpy(rows[i].digest, e[i].digest, sizeof(rows[i].digest));
	}
	if (!(rc = entries_block(rows, count, &plain, err)))
		rc = write_sealed(p, &it, &plain, err);
	buf_free(&plain);
	free(rows);
	return rc;
}

/* Blocks of entries end where the sequence is a multiple of 256. */
static enum err_code write_all_entries(struct pack *p, struct err *err)
{
	const struct pack_entry *e = p->entries;
	size_t to;
	enum err_code rc = ERR_OK;

	if (p->entry_count)
		qsort(p->entries, p->entry_count, sizeof(*e), compare_entries);
	for (size_t from = 0; from < p->entry_count && !rc; from = to) {
		for (to = from + 1;
			to < p->entry_count && e[to].log == e[from].log &&
			e[to].seq == e[to - 1].seq + 1 && e[to].seq % ROWS;
			to++)
			;
		rc = write_entries(p, &e[from], to - from, err);
	}
	return rc;
}

static enum err_code write_parts(struct pack *p, const struct pack_part *from,
	size_t count, struct err *err)
{
	struct item it = {.kind = ITEM_PARTS,
		.suite = SUITE_SEALED,
		.label = from->label,
		.log = from->log,
		.count = (uint32_t)count,
		.first = from->seq,
		.last = from[count - 1].seq,
		.key = from->key};
	struct part_row *rows = calloc(count, sizeof(*rows));
	struct buf plain = BUF_EMPTY;
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	memcpy(it.name, p->series[from->series], sizeof(it.name));
	for (size_t i = 0; i < count; i++) {
		rows[i].seq = from[i].seq;
		rows[i].erased = from[i].erased;
		rows[i].digest = from[i].digest;
		memcpy(rows[i].part.seed, from[i].seed, SEED_SIZE);
		rows[i].part.json = (const char *)p->arena.data + from[i].json;
		rows[i].part.len = from[i].len;
	}
	if (!(rc = parts_block(rows, count, &plain, err)))
		rc = write_sealed(p, &it, &plain, err);
	buf_wipe(&plain);
	free(rows);
	return rc;
}

static bool same_block(const struct pack_part *x, const struct pack_part *y)
{
	return x->log == y->log && x->series == y->series &&
		x->label == y->label && x->key == y->key;
}

static enum err_code write_all_parts(struct pack *p, struct err *err)
{
	const struct pack_part *r = p->parts;
	size_t to;
	enum err_code rc = ERR_OK;

	if (p->part_count)
		qsort(p->parts, p->part_count, sizeof(*r), compare_parts);
	for (size_t from = 0; from < p->part_count && !rc; from = to) {
		for (to = from + 1; to < p->part_count && to - from < ROWS &&
			same_block(&r[to], &r[from]) &&
			r[to].seq > r[to - 1].seq;
			to++)
			;
		rc = write_parts(p, &r[from], to - from, err);
	}
	return rc;
}

static enum err_code write_items(
	struct pack *p, const struct pack_items *list, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < list->count && !rc; i++)
		rc = write_raw(p, &list->at[i].it,
			p->arena.data + list->at[i].at, list->at[i].len, err);
	return rc;
}

/* Those of one label and key, joined. */
static enum err_code write_refs(struct pack *p, size_t first, struct err *err)
{
	struct pack_items *list = &p->refs;
	struct item it = list->at[first].it;
	struct buf plain = BUF_EMPTY;
	enum err_code rc;

	it.count = 0;
	for (size_t i = first; i < list->count; i++) {
		struct pack_item *r = &list->at[i];

		if (r->it.label != it.label || r->it.key != it.key ||
			!r->it.count ||
			(it.count && r->it.count > REFS_ROWS - it.count))
			continue;
		buf_add(&plain, p->arena.data + r->at, r->len);
		it.count += r->it.count;
		r->it.count = 0;
		if (it.count >= REFS_ROWS)
			break;
	}
	rc = write_sealed(p, &it, &plain, err);
	buf_wipe(&plain);
	return rc;
}

static enum err_code write_all_refs(struct pack *p, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < p->refs.count && !rc; i++)
		if (p->refs.at[i].it.count)
			rc = write_refs(p, i, err);
	return rc;
}

static enum err_code write_commit(struct pack *p, struct err *err)
{
	struct directory *d = &p->d;
	struct item it = {.kind = ITEM_COMMIT, .count = d->items};
	struct buf payload = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	d->edges = calloc(p->edge_count + 1, sizeof(*d->edges));
	d->hashes = calloc(p->edge_count + 1, 64 * sizeof(*d->hashes));
	if (!d->edges || !d->hashes)
		return err_nomem(err);
	for (size_t i = 0; i < p->edge_count; i++) {
		const struct pack_edge *e = &p->edges[i];
		unsigned fresh = edge_fresh(e->from, e->to);

		d->edges[i] = (struct directory_edge){
			e->log, e->from, e->to, d->hash_count};
		memcpy(&d->hashes[d->hash_count],
			&e->hash[tree_edge_count(e->to) - fresh],
			fresh * sizeof(*d->hashes));
		d->hash_count += fresh;
	}
	d->edge_count = p->edge_count;
	directory_sort(d);
	directory_write(d, &payload);
	it.plain_len = (uint32_t)payload.len;
	if (payload.len > ITEM_PLAIN_LIMIT)
		rc = err_set(
			err, ERR_LIMIT, "group of %zu blocks", d->block_count);
	else if (!(rc = buf_ok(&payload, err)))
		item_write(&it, payload.data, payload.len, &p->out);
	buf_free(&payload);
	return rc ? rc : buf_ok(&p->out, err);
}

static void forget_group(struct pack *p)
{
	directory_free(&p->d);
	p->run_cap = p->block_cap = 0;
	buf_wipe(&p->arena);
	p->entry_count = p->part_count = p->edge_count = p->seen_count = 0;
	p->logs.count = p->refs.count = p->kept.count = p->notes.count = 0;
	p->bytes = 0;
	p->open = false;
}

static enum err_code end_group(struct pack *p, struct err *err)
{
	enum err_code rc;

	if (!p->open)
		return ERR_OK;
	if ((rc = write_items(p, &p->logs, err)) ||
		(rc = write_all_entries(p, err)) ||
		(rc = write_all_parts(p, err)) ||
		(rc = write_all_refs(p, err)) ||
		(rc = write_items(p, &p->kept, err)) ||
		(rc = write_items(p, &p->notes, err)) ||
		(rc = write_commit(p, err)) || (rc = flush(p, err)))
		return rc;
	forget_group(p);
	return ERR_OK;
}

static void begin_group(
	struct pack *p, const struct directory *first, bool whole)
{
	p->open = true;
	p->whole = whole;
	p->arrivals = first->arrival;
	p->d.start = end_of(p);
	p->d.arrival = first->arrival;
}

/* ---- which groups go together ---- */

bool pack_is_large(uint64_t bytes, uint64_t records)
{
	return bytes > PACK_BYTES / 2 || records > PACK_RECORDS / 2;
}

/* What the heads of a group tell. */
struct sum {
	struct pack *p;
	uint64_t bytes;
	uint64_t records;
	bool clash; /* an entry may come twice */
};

static enum err_code sum_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct sum *s = arg;
	bool turns = it->kind == ITEM_ENTRIES;
	bool proved = it->kind == ITEM_PROVED;

	(void)at;
	(void)err;
	s->bytes += (uint64_t)it->plain_len + it->payload_len;
	s->records += turns ? it->count : 0;
	if (!turns && !proved)
		return ERR_OK;
	for (size_t i = 0; i < s->p->seen_count; i++) {
		const struct pack_log *l = &s->p->seen[i];

		s->clash |= l->log == it->log &&
			((turns && l->proved) || (proved && l->turns));
	}
	return ERR_OK;
}

static enum err_code note_item(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct pack *p = arg;
	struct pack_log *l;
	size_t i = 0;

	(void)at;
	if (it->kind != ITEM_ENTRIES && it->kind != ITEM_PROVED)
		return ERR_OK;
	while (i < p->seen_count && p->seen[i].log != it->log)
		i++;
	if (i == p->seen_count) {
		if (!grow(&p->seen, &p->seen_cap, p->seen_count,
			    sizeof(*p->seen)))
			return err_nomem(err);
		p->seen[p->seen_count++] = (struct pack_log){.log = it->log};
	}
	l = &p->seen[i];
	l->turns |= it->kind == ITEM_ENTRIES;
	l->proved |= it->kind == ITEM_PROVED;
	return ERR_OK;
}

static enum err_code read_directory(struct pack *p, struct place commit,
	struct directory *out, struct err *err)
{
	struct buf payload = BUF_EMPTY;
	struct item it;
	enum err_code rc =
		segment_item(p->s->segments, commit, &it, &payload, err);

	if (!rc)
		rc = directory_parse(payload.data, payload.len, out, err);
	buf_free(&payload);
	return rc;
}

static enum err_code add_group(
	struct pack *p, const struct group_at *g, struct err *err)
{
	struct taking taking = {p, {g->segment, g->commit}};
	struct segments *segments = p->s->segments;
	struct sum sum = {.p = p};
	struct directory d = {0};
	bool large;
	enum err_code rc;

	if ((rc = read_directory(p, taking.commit, &d, err)) ||
		(rc = segment_walk(segments, g->segment, g->start, g->commit,
			 sum_item, NULL, &sum, err)))
		goto out;
	large = pack_is_large(sum.bytes, sum.records);
	if (p->open &&
		(large || p->whole || sum.clash || d.arrival != p->arrivals ||
			p->bytes + sum.bytes > PACK_BYTES ||
			p->entry_count + sum.records > PACK_RECORDS) &&
		(rc = end_group(p, err)))
		goto out;
	if (!p->open)
		begin_group(p, &d, large);
	if ((rc = segment_walk(segments, g->segment, g->start, g->commit,
		     note_item, NULL, p, err)) ||
		(rc = view_open(p->s, &p->view, err)))
		goto out;
	rc = segment_walk(segments, g->segment, g->start, g->commit, take_item,
		NULL, &taking, err);
	view_close(&p->view);
	if (!rc)
		rc = take_directory(p, &d, err);
out:
	directory_free(&d);
	return rc;
}

static void on_damage(
	void *arg, struct place at, uint64_t len, const char *what)
{
	struct pack *p = arg;

	(void)at;
	(void)len;
	(void)what;
	p->damaged = true;
}

static enum err_code add_groups(struct pack *p, const struct groups *groups,
	const bool *stop, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < groups->count && !rc; i++) {
		if (__atomic_load_n(stop, __ATOMIC_RELAXED))
			rc = err_set(err, ERR_BUSY, "packing was broken off");
		else
			rc = add_group(p, &groups->at[i], err);
	}
	return rc ? rc : end_group(p, err);
}

/* Damaged bytes may be worth something to somebody: they stay where they are.
 */
static enum err_code scan(
	struct pack *p, struct groups *groups, struct err *err)
{
	enum err_code rc = groups_scan(groups, p->from, 0, err);

	if (!rc && (p->damaged || groups->damaged))
		rc = err_set(err, ERR_CORRUPT,
			"segment %s is damaged and stays as it is",
			segment_name(p->from).text);
	return rc;
}

static void pack_free(struct pack *p)
{
	forget_group(p);
	buf_free(&p->out);
	free(p->entries);
	free(p->parts);
	free(p->logs.at);
	free(p->refs.at);
	free(p->kept.at);
	free(p->notes.at);
	free(p->edges);
	free(p->seen);
	free(p->series);
	if (p->fd >= 0)
		close(p->fd);
}

enum err_code pack_segment(struct store *s, uint32_t from, uint32_t to,
	const bool *stop, struct err *err)
{
	struct pack p = {.s = s,
		.from = from,
		.to = to,
		.fd = -1,
		.out_from = SEGMENT_HEAD_SIZE};
	struct groups groups = {
		.segments = s->segments, .damage = on_damage, .arg = &p};
	enum err_code rc;

	if ((rc = scan(&p, &groups, err)) ||
		(rc = segment_make_aside(s->segments, to, &p.fd, err)) ||
		(rc = add_groups(&p, &groups, stop, err)))
		goto out;
	if (end_of(&p) > UINT32_MAX)
		rc = err_set(err, ERR_LIMIT,
			"packed segment of %" PRIu64 " bytes, limit %" PRIu32,
			end_of(&p), UINT32_MAX);
	else
		rc = segment_close_aside(
			s->segments, p.fd, to, (uint32_t)end_of(&p), err);
out:
	if (rc && p.fd >= 0)
		segment_drop_aside(s->segments, to);
	pack_free(&p);
	groups_free(&groups);
	return rc;
}
