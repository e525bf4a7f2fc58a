/* commit.c - from a batch to a durable group: blocks, one write, one sync. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/compact.h"

#define BLOCK_ROWS ((size_t)256)
#define BLOCK_PLAIN ((size_t)16 << 20) /* a parts block is cut past it */
#define INLINE_RECORDS 64 /* fewer are not worth waking threads for */
#define DIGEST_STRETCH 32 /* records digested by one job */
#define GROUP_LIMIT ((size_t)1 << 30)
#define SMALL_GROUP ((size_t)8 << 10) /* more may follow soon */
/* Who puts so many at once looks at blocks by chance, where the print of a new
 * id is that of another: they are not worth keeping. */
#define BULK_RECORDS 1024

/* ---- digests of the parts ---- */

struct digest_job {
	struct batch *b;
	size_t from, to;
	enum err_code rc;
	struct err err;
};

static enum err_code digest_parts(struct pending *p, struct err *err)
{
	bool used[LABEL_COUNT] = {false};
	enum err_code rc;

	for (uint8_t l = 0; l < LABEL_COUNT; l++) {
		size_t i = 0;

		if (!(p->have & LABEL_BIT(l)))
			continue;
		if (!(p->digested & LABEL_BIT(l)) &&
			(rc = part_digest(p->seed[l], l, p->part[l],
				 p->part_len[l], &p->digest[l], err)))
			return rc;
		while (i < p->sd_count &&
			(used[i] || digest_compare(&p->sd[i], &p->digest[l])))
			i++;
		if (i == p->sd_count)
			return err_set(err, ERR_INVALID,
				"its %s part is not what the entry commits to",
				label_name(l));
		used[i] = true;
	}
	return ERR_OK;
}

static void run_digest_job(void *arg)
{
	struct digest_job *j = arg;

	for (size_t i = j->from; i < j->to && !j->rc; i++) {
		struct pending *p = &j->b->pending[i];

		j->rc = digest_parts(p, &j->err);
		if (j->rc)
			j->rc = err_while(&j->err, j->rc,
				"log %" PRIu32 " entry %" PRIu64, p->log,
				p->seq);
	}
}

static void run_jobs(
	struct batch *b, pool_job *job, void *jobs, size_t size, size_t count)
{
	if (b->pending_count >= INLINE_RECORDS)
		pool_each(b->s->pool, job, jobs, size, count);
	else
		for (size_t i = 0; i < count; i++)
			job((char *)jobs + i * size);
}

static enum err_code digest_all(struct batch *b, struct err *err)
{
	size_t count = (b->pending_count + DIGEST_STRETCH - 1) / DIGEST_STRETCH;
	struct digest_job *jobs = calloc(count + 1, sizeof(*jobs));
	enum err_code rc = ERR_OK;

	if (!jobs)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		jobs[i].b = b;
		jobs[i].from = i * DIGEST_STRETCH;
		jobs[i].to = jobs[i].from + DIGEST_STRETCH;
		if (jobs[i].to > b->pending_count)
			jobs[i].to = b->pending_count;
	}
	run_jobs(b, run_digest_job, jobs, sizeof(*jobs), count);
	for (size_t i = 0; i < count && !rc; i++)
		if ((rc = jobs[i].rc) && err)
			*err = jobs[i].err;
	free(jobs);
	return rc;
}

/* ---- blocks ---- */

struct block_job {
	struct batch *b;
	struct item item;
	size_t *rows; /* pending records, in order */
	size_t count;
	struct buf out;
	enum err_code rc;
	struct err err;
};

struct block_jobs {
	struct block_job *at;
	size_t count, cap;
};

static enum err_code entries_plain(
	const struct block_job *j, struct buf *out, struct err *err)
{
	struct entry_row *rows = calloc(j->count, sizeof(*rows));
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	for (size_t i = 0; i < j->count; i++) {
		const struct pending *p = &j->b->pending[j->rows[i]];

		rows[i].entry = p->entry;
		rows[i].entry_len = p->entry_len;
		rows[i].leaf = p->leaf;
		rows[i].computed = p->have;
		rows[i].sd = p->sd;
		rows[i].sd_count = p->sd_count;
		memcpy(rows[i].digest, p->digest, sizeof(p->digest));
	}
	rc = entries_block(rows, j->count, out, err);
	free(rows);
	return rc;
}

static enum err_code proved_plain(
	const struct block_job *j, struct buf *out, struct err *err)
{
	const struct pending *p = &j->b->pending[j->rows[0]];
	struct buf block = BUF_EMPTY;
	enum err_code rc;

	if (!(rc = entries_plain(j, &block, err))) {
		buf_u32(out, (uint32_t)block.len);
		buf_add(out, block.data, block.len);
		buf_add(out, p->proof, p->proof_len);
		rc = buf_ok(out, err);
	}
	buf_free(&block);
	return rc;
}

static enum err_code parts_plain(
	const struct block_job *j, struct buf *out, struct err *err)
{
	struct part_row *rows = calloc(j->count, sizeof(*rows));
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	for (size_t i = 0; i < j->count; i++) {
		const struct pending *p = &j->b->pending[j->rows[i]];
		uint8_t l = j->item.label;

		rows[i].seq = p->seq;
		memcpy(rows[i].part.seed, p->seed[l], SEED_SIZE);
		rows[i].part.json = p->part[l];
		rows[i].part.len = p->part_len[l];
	}
	rc = parts_block(rows, j->count, out, err);
	free(rows);
	return rc;
}

enum err_code seal_item(struct store *s, struct item *it,
	const struct buf *plain, bool columns, struct buf *out, struct err *err)
{
	struct buf packed = BUF_EMPTY;
	struct buf sealed = BUF_EMPTY;
	uint8_t aad[ITEM_HEAD_LIMIT];
	struct seal_secret key = {{0}};
	int level = plain->len < SMALL_BLOCK ? SMALL_LEVEL : BLOCK_LEVEL;
	uint8_t *to;
	enum err_code rc;

	it->plain_len = (uint32_t)plain->len;
	rc = columns
		? block_compress(s->packers, plain->data, plain->len, level,
			  &packed, err)
		: frame_compress(plain->data, plain->len, level, &packed, err);
	if (rc)
		goto out;
	if (it->suite == SUITE_ZSTD) {
		item_write(it, packed.data, packed.len, out);
		rc = buf_ok(out, err);
		goto out;
	}
	/* The length stands in the head, and the head is sealed too. */
	it->payload_len = (uint32_t)(packed.len + SEAL_OVERHEAD);
	if (!(to = buf_reserve(&sealed, it->payload_len))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = keyring_get(s->keyring, it->key, &key, err)) ||
		(rc = seal_close(&key, aad, item_aad(it, aad), packed.data,
			 packed.len, to, err)))
		goto out;
	item_write(it, to, it->payload_len, out);
	rc = buf_ok(out, err);
out:
	seal_secret_wipe(&key);
	buf_wipe(&packed);
	buf_free(&sealed);
	return rc;
}

static void run_block_job(void *arg)
{
	struct block_job *j = arg;
	struct buf plain = BUF_EMPTY;

	if (j->item.kind == ITEM_PARTS)
		j->rc = parts_plain(j, &plain, &j->err);
	else if (j->item.kind != ITEM_PROVED)
		j->rc = entries_plain(j, &plain, &j->err);
	else
		j->rc = proved_plain(j, &plain, &j->err);
	if (!j->rc)
		j->rc = seal_item(j->b->s, &j->item, &plain,
			j->item.kind != ITEM_PROVED, &j->out, &j->err);
	buf_wipe(&plain);
}

static enum err_code add_job(struct batch *b, struct block_jobs *jobs,
	struct item *item, size_t *rows, size_t count, struct err *err)
{
	if (!grow(&jobs->at, &jobs->cap, jobs->count, sizeof(*jobs->at)))
		return err_nomem(err);
	item->count = (uint32_t)count;
	item->first = b->pending[rows[0]].seq;
	item->last = b->pending[rows[count - 1]].seq;
	jobs->at[jobs->count++] = (struct block_job){
		.b = b, .item = *item, .rows = rows, .count = count};
	return ERR_OK;
}

/* Blocks of entries end where the sequence is a multiple of 256. */
static enum err_code entries_jobs(
	struct batch *b, struct block_jobs *jobs, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->log_count && !rc; i++) {
		struct batch_log *l = b->logs[i];

		for (size_t at = 0; at < l->turn_count && !rc;) {
			struct item it = {.kind = ITEM_ENTRIES,
				.suite = SUITE_ZSTD,
				.log = l->row.id};
			size_t count = BLOCK_ROWS -
				(size_t)((l->first_new + at) % BLOCK_ROWS);

			if (count > l->turn_count - at)
				count = l->turn_count - at;
			rc = add_job(b, jobs, &it, &l->turn[at], count, err);
			at += count;
		}
	}
	return rc;
}

/* Blocks of mended entries: those that follow each other, as far as a multiple
 * of 256. */
static enum err_code mended_jobs(
	struct batch *b, struct block_jobs *jobs, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t count;

	for (size_t at = 0; at < b->mend_count && !rc; at += count) {
		const struct pending *p = &b->pending[b->mends[at]];
		struct item it = {.kind = ITEM_MENDED,
			.suite = SUITE_ZSTD,
			.log = p->log};

		for (count = 1; at + count < b->mend_count; count++) {
			const struct pending *q =
				&b->pending[b->mends[at + count]];

			if (q->log != p->log || q->seq != p->seq + count ||
				q->seq % BLOCK_ROWS == 0)
				break;
		}
		rc = add_job(b, jobs, &it, &b->mends[at], count, err);
	}
	return rc;
}

static enum err_code proved_jobs(struct batch *b, size_t *order,
	struct block_jobs *jobs, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->pending_count && !rc; i++) {
		const struct pending *p = &b->pending[order[i]];
		struct item it = {.kind = ITEM_PROVED,
			.suite = SUITE_ZSTD,
			.log = p->log};

		if (p->proved)
			rc = add_job(b, jobs, &it, &order[i], 1, err);
	}
	return rc;
}

static int compare_pending(const void *a, const void *c, void *arg)
{
	const struct batch *b = arg;
	const struct pending *x = &b->pending[*(const size_t *)a];
	const struct pending *y = &b->pending[*(const size_t *)c];
	int series;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	if ((series = strcmp(x->series, y->series)))
		return series;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* The parts of `label` of order[from, to), all of one log and series; what
 * came twice (proved, then in its turn) is written once.  `rows` has room for
 * them and is used up. */
static enum err_code label_jobs(struct batch *b, const size_t *order,
	size_t count, uint8_t label, size_t **rows, struct block_jobs *jobs,
	struct err *err)
{
	const struct pending *head = &b->pending[order[0]];
	struct item it = {.kind = ITEM_PARTS,
		.suite = SUITE_SEALED,
		.label = label,
		.log = head->log};
	size_t plain = 0;
	size_t n = 0;
	enum err_code rc;

	memcpy(it.name, head->series, sizeof(it.name));
	for (size_t i = 0; i < count; i++) {
		const struct pending *p = &b->pending[order[i]];

		if (!(p->have & LABEL_BIT(label)) ||
			(n && b->pending[(*rows)[n - 1]].seq == p->seq))
			continue;
		if (n == BLOCK_ROWS ||
			(n && plain + p->part_len[label] > BLOCK_PLAIN)) {
			if ((rc = add_job(b, jobs, &it, *rows, n, err)))
				return rc;
			*rows += n;
			plain = n = 0;
		}
		if (!n && !it.key &&
			(rc = batch_key(b, it.name, label, &it.key, err)))
			return rc;
		(*rows)[n++] = order[i];
		plain += p->part_len[label];
	}
	rc = n ? add_job(b, jobs, &it, *rows, n, err) : ERR_OK;
	*rows += n;
	return rc;
}

static bool same_series(const struct pending *x, const struct pending *y)
{
	return x->log == y->log && strcmp(x->series, y->series) == 0;
}

static enum err_code parts_jobs(struct batch *b, const size_t *order,
	size_t *rows, struct block_jobs *jobs, struct err *err)
{
	size_t to;
	enum err_code rc = ERR_OK;

	for (size_t from = 0; from < b->pending_count && !rc; from = to) {
		for (to = from + 1; to < b->pending_count &&
			same_series(&b->pending[order[from]],
				&b->pending[order[to]]);
			to++)
			;
		for (uint8_t l = 0; l < LABEL_COUNT && !rc; l++)
			rc = label_jobs(b, order + from, to - from, l, &rows,
				jobs, err);
	}
	return rc;
}

/* ---- keys ---- */

int compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static enum err_code take_spare(struct batch *b, uint64_t *id, struct err *err)
{
	struct store *s = b->s;
	enum err_code rc;

	if (!grow(&b->taken, &b->taken_cap, b->taken_count, sizeof(*b->taken)))
		return err_nomem(err);
	if (!s->spare_count) {
		rc = keyring_add(s->keyring, s->spare, SPARE_KEYS, err);
		if (rc)
			return rc;
		s->spare_count = SPARE_KEYS;
		crash_point("batch.keys");
	}
	*id = s->spare[--s->spare_count];
	b->taken[b->taken_count++] = *id;
	return ERR_OK;
}

/* Neither about to go nor lost with a part of the keyring. */
static bool key_serves(const struct batch *b, uint64_t id)
{
	struct seal_secret key;
	enum err_code rc;

	if (b->doomed_count &&
		bsearch(&id, b->doomed, b->doomed_count, sizeof(id),
			compare_u64))
		return false;
	rc = keyring_get(b->s->keyring, id, &key, NULL);
	seal_secret_wipe(&key);
	return rc != ERR_NOT_FOUND;
}

enum err_code batch_key(struct batch *b, const char *series, uint8_t label,
	uint64_t *id, struct err *err)
{
	struct key value = KEY_EMPTY;
	struct key k = KEY_EMPTY;
	struct bytes found;
	struct cursor c;
	enum err_code rc;

	key_u32(&k, segments_count(b->s->segments));
	key_u8(&k, label);
	key_add(&k, series, strlen(series));
	rc = index_get(b->view.txn, DB_KEY, key_bytes(&k), &found, err);
	if (!rc) {
		c = value_cursor(found);
		*id = cursor_u64(&c);
		if (!cursor_done(&c))
			return row_corrupt(err, "keys");
		if (key_serves(b, *id))
			return ERR_OK;
	} else if (rc != ERR_NOT_FOUND) {
		return rc;
	}
	if ((rc = take_spare(b, id, err)))
		return rc;
	key_u64(&value, *id);
	return index_put(
		b->view.txn, DB_KEY, key_bytes(&k), key_bytes(&value), err);
}

/* ---- the group ---- */

static enum err_code count_item(
	struct group *g, const struct item *it, struct err *err)
{
	g->directory.heads_crc = item_chain(g->directory.heads_crc, it);
	g->directory.items++;
	if (g->bytes.len > GROUP_LIMIT)
		return err_set(err, ERR_LIMIT, "group of more than %zu bytes",
			GROUP_LIMIT);
	return buf_ok(&g->bytes, err);
}

enum err_code directory_add(struct directory *d, size_t *cap,
	const struct item *it, uint64_t at, struct err *err)
{
	struct directory_block *b;

	if (it->kind != ITEM_PARTS || it->origin.segment)
		return ERR_OK;
	if (!grow(&d->blocks, cap, d->block_count, sizeof(*d->blocks)))
		return err_nomem(err);
	b = &d->blocks[d->block_count++];
	*b = (struct directory_block){.log = it->log,
		.label = it->label,
		.first = it->first,
		.last = it->last,
		.offset = at};
	memcpy(b->name, it->name, sizeof(b->name));
	return ERR_OK;
}

enum err_code group_add(struct group *g, const struct item *it,
	const struct buf *bytes, struct place *at, struct err *err)
{
	uint64_t offset = g->start + g->bytes.len;

	if (at)
		*at = (struct place){segments_count(g->b->s->segments), offset};
	buf_add(&g->bytes, bytes->data, bytes->len);
	if (directory_add(&g->directory, &g->block_cap, it, offset, err))
		return ERR_NOMEM;
	return count_item(g, it, err);
}

/* An item whose payload stands as it is. */
static enum err_code add_raw(struct group *g, struct item *it,
	const void *payload, size_t len, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	item_write(it, payload, len, &bytes);
	if (!(rc = buf_ok(&bytes, err)))
		rc = group_add(g, it, &bytes, NULL, err);
	buf_free(&bytes);
	return rc;
}

static enum err_code add_logs(struct group *g, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < g->b->log_count && !rc; i++) {
		const struct log_row *row = &g->b->logs[i]->row;
		struct item it = {.kind = ITEM_LOG,
			.flags = (uint8_t)row->kind,
			.log = row->id};

		if (g->b->logs[i]->fresh)
			rc = add_raw(
				g, &it, row->origin, strlen(row->origin), err);
	}
	return rc;
}

/* Slots of the same size hold the same note. */
static enum err_code add_notes_of(
	struct group *g, struct batch_log *l, struct err *err)
{
	struct buf note = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 3 && !rc; i++) {
		struct item it = {.kind = ITEM_NOTE,
			.log = l->row.id,
			.first = l->row.size[i],
			.last = l->row.size[i]};

		if (!l->note_new[i] || !l->row.has[i])
			continue;
		for (int k = i; k < 3; k++) {
			if (!l->note_new[k] || !l->row.has[k] ||
				l->row.size[k] != l->row.size[i])
				continue;
			it.flags |= (uint8_t)(1 << k);
			l->note_new[k] = false;
		}
		buf_clear(&note);
		if (!(rc = note_get(&g->b->view, l->row.id, (enum which_note)i,
			      &note, err)))
			rc = add_raw(g, &it, note.data, note.len, err);
	}
	buf_free(&note);
	return rc;
}

static enum err_code add_notes(struct group *g, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < g->b->log_count && !rc; i++)
		rc = add_notes_of(g, g->b->logs[i], err);
	return rc;
}

/* The first group of a segment that a log grows in tells its whole edge, the
 * others what is new of it: after damage the edge is known again soon. */
static bool edge_told(const struct store *s, uint32_t log)
{
	for (size_t i = 0; i < s->edged_count; i++)
		if (s->edged[i] == log)
			return true;
	return false;
}

static enum err_code add_edges(struct group *g, struct err *err)
{
	struct directory *d = &g->directory;
	struct batch *b = g->b;

	d->edges = calloc(b->log_count + 1, sizeof(*d->edges));
	d->hashes = calloc(b->log_count + 1, 64 * sizeof(*d->hashes));
	if (!d->edges || !d->hashes)
		return err_nomem(err);
	for (size_t i = 0; i < b->log_count; i++) {
		const struct batch_log *l = b->logs[i];
		struct directory_edge *e = &d->edges[d->edge_count];
		unsigned fresh;

		if (!l->turn_count)
			continue;
		d->edge_count++;
		e->log = l->row.id;
		e->from = edge_told(b->s, e->log) ? l->first_new : 0;
		e->to = l->row.edge.size;
		e->at = d->hash_count;
		fresh = edge_fresh(e->from, e->to);
		memcpy(&d->hashes[e->at],
			&l->row.edge.hash[tree_edge_count(e->to) - fresh],
			fresh * sizeof(*d->hashes));
		d->hash_count += fresh;
	}
	return ERR_OK;
}

/* Without memory for it the next group tells all once more. */
static void note_edges(struct group *g)
{
	struct store *s = g->b->s;

	for (size_t i = 0; i < g->directory.edge_count; i++)
		if (!edge_told(s, g->directory.edges[i].log) &&
			grow(&s->edged, &s->edged_cap, s->edged_count,
				sizeof(*s->edged)))
			s->edged[s->edged_count++] = g->directory.edges[i].log;
}

/* The commit item, which makes the group whole. */
static enum err_code add_commit(
	struct group *g, struct place *at, struct err *err)
{
	struct item it = {.kind = ITEM_COMMIT};
	struct buf payload = BUF_EMPTY;
	enum err_code rc;

	g->directory.start = g->start;
	g->directory.arrival = g->b->arrival;
	g->directory.runs = g->b->runs;
	g->directory.run_count = g->b->run_count;
	if ((rc = add_edges(g, err)))
		return rc;
	directory_write(&g->directory, &payload);
	it.count = g->directory.items;
	it.plain_len = (uint32_t)payload.len;
	*at = (struct place){
		segments_count(g->b->s->segments), g->start + g->bytes.len};
	if (payload.len > ITEM_PLAIN_LIMIT)
		rc = err_set(err, ERR_LIMIT, "group of %zu blocks",
			g->directory.block_count);
	else if (!(rc = buf_ok(&payload, err))) {
		item_write(&it, payload.data, payload.len, &g->bytes);
		rc = buf_ok(&g->bytes, err);
	}
	buf_free(&payload);
	return rc;
}

/* ---- the index behind the group ---- */

static enum err_code put_leaves(
	struct batch *b, const struct item *it, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (it->count >= LEAVES_KEPT_BELOW)
		return ERR_OK;
	for (uint64_t seq = it->first; seq <= it->last && !rc; seq++) {
		struct key k = key_of_seq(it->log, seq);

		rc = index_put(b->view.txn, DB_LEAF, key_bytes(&k),
			(struct bytes){
				batch_leaf(b, it->log, seq)->b, DIGEST_SIZE},
			err);
	}
	return rc;
}

static enum err_code put_mended(struct batch *b, const struct block_job *j,
	const struct entry_place *at, struct err *err)
{
	struct digest leaves[BLOCK_ROWS];
	struct batch_log *l;
	enum err_code rc = batch_log_of(b, j->item.log, &l, err);

	for (size_t i = 0; i < j->count; i++)
		leaves[i] = b->pending[j->rows[i]].leaf;
	return rc ? rc
		  : mend_places(&b->view, &l->row, &j->item, at, leaves, err);
}

static enum err_code put_places(struct batch *b, const struct block_jobs *jobs,
	const struct place *places, struct place commit, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < jobs->count && !rc; i++) {
		const struct item *it = &jobs->at[i].item;
		struct entry_place at = {.block = places[i], .commit = commit};

		if (it->kind == ITEM_PARTS)
			continue;
		if (it->kind == ITEM_MENDED) {
			rc = put_mended(b, &jobs->at[i], &at, err);
			continue;
		}
		rc = entry_place_put(b->view.txn,
			it->kind == ITEM_ENTRIES ? DB_ENTRIES : DB_PROVED,
			it->log, it->first, &at, err);
		if (!rc && it->kind == ITEM_ENTRIES)
			rc = put_leaves(b, it, err);
	}
	return rc;
}

static enum err_code put_rows(struct batch *b, struct err *err)
{
	uint64_t arrival = b->arrival;
	enum err_code rc;

	for (size_t i = 0; i < b->log_count; i++)
		if ((b->logs[i]->changed || b->logs[i]->fresh) &&
			(rc = log_put(b->view.txn, &b->logs[i]->row, err)))
			return rc;
	for (size_t i = 0; i < b->run_count; i++) {
		rc = arrival_put(b->view.txn, arrival, &b->runs[i], err);
		if (rc)
			return rc;
		arrival += b->runs[i].count;
	}
	if ((rc = ids_flush(&b->ids, b->view.txn, err)))
		return rc;
	return finder_add(
		b->view.txn, DB_DIGEST, b->prints, b->print_count, err);
}

/* The index is about to cover the place where the log was cut. */
static enum err_code mark_cut(struct batch *b, struct err *err)
{
	struct log_row row;
	enum err_code rc = log_find(&b->view, b->s->cut.origin, &row, err);

	return rc == ERR_NOT_FOUND ? ERR_OK
		: rc		   ? rc
		     : meta_put_u64(b->view.txn, "cut", row.id, err);
}

static enum err_code put_position(
	struct batch *b, uint64_t end, struct err *err)
{
	struct index_txn *t = b->view.txn;
	struct key value = KEY_EMPTY;
	enum err_code rc;

	for (size_t i = 0; i < b->s->spare_count; i++)
		key_u64(&value, b->s->spare[i]);
	if ((b->taken_count &&
		    (rc = index_put(t, DB_META, (struct bytes){"spare", 5},
			     key_bytes(&value), err))) ||
		(rc = meta_put_u64(
			 t, "segment", segments_count(b->s->segments), err)))
		return rc;
	if (b->s->cut.origin[0] && (rc = mark_cut(b, err)))
		return rc;
	if ((rc = meta_put_u64(t, "groups", b->s->groups + 1, err)))
		return rc;
	return meta_put_u64(t, "offset", end, err);
}

/* ---- all of it ---- */

/* What a signature takes is a seventh of a single put. */
static bool signed_later(const struct batch *b, const struct log_row *row)
{
	return b->s->sign && !b->sign_now && row->has[NOTE_COMPLETE] &&
		row->edge.size - row->size[NOTE_COMPLETE] < NOTE_LAG;
}

static enum err_code sign_own(
	struct batch *b, batch_sign *sign, void *arg, struct err *err)
{
	struct buf note = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < b->log_count && !rc; i++) {
		struct batch_log *l = b->logs[i];
		struct checkpoint cp = {.size = l->row.edge.size};

		if (l->row.kind != LOG_OWN || !l->turn_count)
			continue;
		if (!sign)
			return err_set(err, ERR_USAGE,
				"own log %s grew and nobody signs it",
				l->row.origin);
		if (signed_later(b, &l->row))
			continue;
		memcpy(cp.origin, l->row.origin, sizeof(cp.origin));
		cp.root = tree_root(&l->row.edge);
		buf_clear(&note);
		if ((rc = sign(arg, &cp, &note, err)))
			break;
		rc = note_set(b->view.txn, &l->row, NOTE_COMPLETE,
			(struct bytes){note.data, note.len}, &cp, err);
		l->note_new[NOTE_COMPLETE] = true;
		l->changed = true;
	}
	buf_free(&note);
	return rc;
}

enum err_code commit_new_segment(struct store *s, struct err *err)
{
	enum err_code rc;

	if ((rc = segment_create(s->segments, s->end, err)))
		return rc;
	s->end = SEGMENT_HEAD_SIZE;
	s->newest = SEGMENT_HEAD_SIZE;
	s->groups = 0;
	s->sealed = true;
	s->torn = false;
	s->edged_count = 0;
	return ERR_OK;
}

static enum err_code make_room(struct store *s, struct err *err)
{
	if (segments_count(s->segments) && !s->torn &&
		s->end < s->segment_limit && s->groups < SEGMENT_GROUPS)
		return ERR_OK;
	return commit_new_segment(s, err);
}

static enum err_code make_blocks(struct batch *b, size_t *order, size_t *rows,
	struct block_jobs *jobs, struct err *err)
{
	enum err_code rc;

	for (size_t i = 0; i < b->pending_count; i++)
		order[i] = i;
	if ((rc = digest_all(b, err)))
		return rc;
	qsort_r(order, b->pending_count, sizeof(*order), compare_pending, b);
	if ((rc = entries_jobs(b, jobs, err)) ||
		(rc = mended_jobs(b, jobs, err)) ||
		(rc = proved_jobs(b, order, jobs, err)) ||
		(rc = parts_jobs(b, order, rows, jobs, err)))
		return rc;
	run_jobs(b, run_block_job, jobs->at, sizeof(*jobs->at), jobs->count);
	for (size_t i = 0; i < jobs->count; i++) {
		if (!jobs->at[i].rc)
			continue;
		if (err)
			*err = jobs->at[i].err;
		return jobs->at[i].rc;
	}
	return ERR_OK;
}

static enum err_code add_blocks(struct group *g, struct block_jobs *jobs,
	struct place *places, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < jobs->count && !rc; i++) {
		rc = group_add(g, &jobs->at[i].item, &jobs->at[i].out,
			&places[i], err);
		buf_free(&jobs->at[i].out);
	}
	return rc;
}

/* What is not acknowledged had better not be there. */
static enum err_code take_back(
	const struct group *g, enum err_code why, struct err *err)
{
	struct store *s = g->b->s;

	if (!segment_cut(s->segments, g->start, NULL))
		return why;
	s->torn = true;
	return err_while(err, ERR_IO, "cannot be taken back");
}

static enum err_code index_group(struct group *g, const struct block_jobs *jobs,
	const struct place *places, struct place commit, struct err *err)
{
	enum err_code rc;

	if ((rc = put_places(g->b, jobs, places, commit, err)) ||
		(rc = put_rows(g->b, err)))
		return rc;
	return put_position(g->b, g->start + g->bytes.len, err);
}

/* Single puts follow each other; what must work on a full disk takes no more
 * than it needs. */
static size_t room_behind(const struct group *g)
{
	return g->bytes.len > SMALL_GROUP || g->b->use_reserve || g->b->erasing
		? 0
		: SEGMENT_ROOM;
}

/* The disk writes while the index is told, and what the index was told is seen
 * once the disk has it all. */
static enum err_code append_group(struct group *g,
	const struct block_jobs *jobs, const struct place *places,
	struct err *err)
{
	struct store *s = g->b->s;
	struct place commit;
	enum err_code rc;

	if ((rc = add_commit(g, &commit, err)) ||
		(rc = segment_append(s->segments, g->start, &g->bytes,
			 room_behind(g), &s->torn, err)))
		return rc;
	if ((rc = index_group(g, jobs, places, commit, err)))
		return take_back(g, rc, err);
	rc = segment_settle(s->segments, g->start, &s->torn, &s->broken, err);
	if (!rc)
		crash_point("batch.synced");
	return rc;
}

static enum err_code write_group(
	struct group *g, struct block_jobs *jobs, struct err *err)
{
	struct batch *b = g->b;
	struct store *s = b->s;
	struct place *places = calloc(jobs->count + 1, sizeof(*places));
	enum err_code rc;

	if (!places)
		return err_nomem(err);
	if ((rc = add_logs(g, err)) ||
		(rc = add_blocks(g, jobs, places, err)) ||
		(rc = refs_write(g, err)) || (rc = erase_write(g, err)) ||
		(rc = retell_marks(g, err)) ||
		(rc = mend_write_closes(g, err)) || (rc = add_notes(g, err)) ||
		(g->directory.items &&
			(rc = append_group(g, jobs, places, err))))
		goto out;
	rc = index_commit(b->view.txn, err);
	b->view.txn = NULL;
	if (rc) {
		if (g->directory.items)
			rc = take_back(g, rc, err);
		goto out;
	}
	s->end = g->start + g->bytes.len;
	if (g->directory.items) {
		s->newest = g->start;
		s->groups++;
	}
	note_edges(g);
	crash_point("batch.indexed");
out:
	free(places);
	return rc;
}

static enum err_code commit(
	struct batch *b, batch_sign *sign, void *arg, struct err *err)
{
	size_t n = b->pending_count;
	size_t *order = calloc(n + 1, sizeof(*order));
	/* A record has a row in up to LABEL_COUNT blocks of parts. */
	size_t *rows = calloc(n + 1, LABEL_COUNT * sizeof(*rows));
	struct block_jobs jobs = {0};
	struct group g = {.b = b};
	enum err_code rc = b->spoiled;

	if (rc)
		rc = err_set(err, rc, "an earlier step of the batch failed");
	else if (!order || !rows)
		rc = err_nomem(err);
	if (rc || (rc = store_check_broken(b->s, err)) ||
		(rc = sign_own(b, sign, arg, err)) ||
		(rc = make_room(b->s, err)) || (rc = erase_plan(b, err)) ||
		(rc = make_blocks(b, order, rows, &jobs, err)))
		goto out;
	g.start = b->s->end;
	rc = write_group(&g, &jobs, err);
out:
	for (size_t i = 0; i < jobs.count; i++)
		buf_free(&jobs.at[i].out);
	free(jobs.at);
	free(order);
	free(rows);
	free(g.directory.blocks);
	free(g.directory.edges);
	free(g.directory.hashes);
	buf_free(&g.bytes);
	return rc;
}

/* Records do not take the room that is kept for erasing, nor do those that come
 * with marks of their own. */
static enum err_code claim_room(struct batch *b, struct err *err)
{
	if (b->use_reserve || b->erasing) {
		reserve_release(b->s, RESERVE_IF_SCARCE);
		return ERR_OK;
	}
	return b->pending_count ? reserve_take(b->s, err) : ERR_OK;
}

static void set_moving(struct store *s, bool moving)
{
	__atomic_store_n(&s->moving, moving, __ATOMIC_RELAXED);
}

/* What was erased is destroyed after its group is durable.  A failure then is
 * none of the batch's: who was told of one would put it again. */
enum err_code batch_commit(
	struct batch *b, batch_sign *sign, void *arg, struct err *err)
{
	struct store *s = b->s;
	bool erased = b->mark_count > 0;
	bool bulk = b->pending_count >= BULK_RECORDS;
	enum err_code rc = claim_room(b, err);

	if (erased)
		set_moving(s, true);
	if (!rc && !(rc = commit(b, sign, arg, err)))
		b->taken_count = 0;
	for (size_t i = 0; !rc && i < b->ref_count; i++)
		attachment_settled(s->data, &b->refs[i].object);
	if (!rc && erased) {
		marks_follow(b);
		crash_point("erase.told");
	}
	batch_abort(b);
	/* While it may come to life again, what is packed without what it wrote
	 * anew takes nobody's place. */
	if (!rc || !(s->torn || s->broken))
		set_moving(s, false);
	if (bulk)
		cache_clear(s->cache);
	if (!rc) {
		extent_follow(s);
		s->drops |= erased |
			__atomic_exchange_n(
				&s->copies, false, __ATOMIC_RELAXED);
		(void)store_finish_erasing(s, NULL);
		if (s->sealed || erased)
			compactor_wake(s->compactor);
		s->sealed = false;
	}
	/* Where there is none, the next batch of records says so. */
	(void)reserve_take(s, NULL);
	return rc;
}
