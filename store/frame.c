/* frame.c - the columns of entries and parts, and zstd around them. */
#include "store/frame.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "store/columns.h"

/* ---- zstd ---- */

/* More are freed: no pool has more threads. */
#define PACKERS_KEPT 16

struct packers {
	pthread_mutex_t lock;
	ZSTD_CCtx *idle[PACKERS_KEPT];
	size_t count;
	ZSTD_DCtx *openers[PACKERS_KEPT];
	size_t opener_count;
};

enum err_code packers_new(struct packers **out, struct err *err)
{
	struct packers *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return ERR_OK;
}

void packers_clear(struct packers *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->count)
		ZSTD_freeCCtx(p->idle[--p->count]);
	while (p->opener_count)
		ZSTD_freeDCtx(p->openers[--p->opener_count]);
	pthread_mutex_unlock(&p->lock);
}

void packers_free(struct packers *p)
{
	if (!p)
		return;
	packers_clear(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static ZSTD_CCtx *packer_take(struct packers *p)
{
	ZSTD_CCtx *z = NULL;

	if (p) {
		pthread_mutex_lock(&p->lock);
		if (p->count)
			z = p->idle[--p->count];
		pthread_mutex_unlock(&p->lock);
	}
	return z ? z : ZSTD_createCCtx();
}

static void packer_give(struct packers *p, ZSTD_CCtx *z)
{
	if (p) {
		pthread_mutex_lock(&p->lock);
		if (p->count < PACKERS_KEPT) {
			p->idle[p->count++] = z;
			z = NULL;
		}
		pthread_mutex_unlock(&p->lock);
	}
	ZSTD_freeCCtx(z);
}

static ZSTD_DCtx *opener_take(struct packers *p)
{
	ZSTD_DCtx *z = NULL;

	if (p) {
		pthread_mutex_lock(&p->lock);
		if (p->opener_count)
			z = p->openers[--p->opener_count];
		pthread_mutex_unlock(&p->lock);
	}
	return z ? z : ZSTD_createDCtx();
}

static void opener_give(struct packers *p, ZSTD_DCtx *z)
{
	if (p) {
		pthread_mutex_lock(&p->lock);
		if (p->opener_count < PACKERS_KEPT) {
			p->openers[p->opener_count++] = z;
			z = NULL;
		}
		pthread_mutex_unlock(&p->lock);
	}
	ZSTD_freeDCtx(z);
}

static enum err_code compress_step(ZSTD_CCtx *z, const uint8_t *data,
	size_t len, ZSTD_EndDirective end, ZSTD_outBuffer *to, struct err *err)
{
	ZSTD_inBuffer from = {data, len, 0};
	size_t left = ZSTD_compressStream2(z, to, &from, end);

	if (ZSTD_isError(left))
		return err_set(
			err, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
	if (left > 0 || from.pos < from.size)
		return err_set(err, ERR_INTERNAL,
			"zstd: %zu bytes do not fit their bound", len);
	return ERR_OK;
}

/* A third of the memory for a hundredth more bytes: most blocks are not much
 * larger than the window. */
static bool keep_small(ZSTD_CCtx *z)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 16)) &&
		!ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_hashLog, 15)) &&
		!ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_chainLog, 15));
}

/* One frame, with a block border behind the first `cut` bytes. */
static enum err_code compress(struct packers *p, const uint8_t *data,
	size_t len, size_t cut, int level, struct buf *out, struct err *err)
{
	size_t bound = ZSTD_compressBound(len) + ZSTD_compressBound(0);
	uint8_t *room = buf_reserve(out, bound);
	ZSTD_outBuffer to = {room, bound, 0};
	ZSTD_CCtx *z = packer_take(p);
	enum err_code rc = ERR_OK;

	if (!room || !z) {
		rc = err_nomem(err);
		goto out;
	}
	/* What a frame that failed may have left goes with the session. */
	if (ZSTD_isError(ZSTD_CCtx_reset(z, ZSTD_reset_session_only)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(
			z, ZSTD_c_compressionLevel, level)) ||
		(p && !keep_small(z)) ||
		ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(z, len))) {
		rc = err_set(err, ERR_INTERNAL, "zstd refuses level %d", level);
		goto out;
	}
	if ((cut > 0 &&
		    (rc = compress_step(
			     z, data, cut, ZSTD_e_flush, &to, err))) ||
		(rc = compress_step(
			 z, data + cut, len - cut, ZSTD_e_end, &to, err)))
		goto out;
	out->len += to.pos;
out:
	if (z)
		packer_give(p, z);
	return rc;
}

enum err_code frame_compress(const void *data, size_t len, int level,
	struct buf *out, struct err *err)
{
	return compress(NULL, len ? data : "", len, 0, level, out, err);
}

enum err_code block_compress(struct packers *p, const void *plain, size_t len,
	int level, struct buf *out, struct err *err)
{
	struct cursor c = cursor_over(plain, len);
	struct columns_head h;

	if (!columns_head_read(&c, &h))
		return frame_compress(plain, len, level, out, err);
	/* Without tables there are no statistics to spoil. */
	return compress(
		p, plain, len, level < 0 ? 0 : len - c.left, level, out, err);
}

/* ZSTD_decompress would also take several frames and skippable ones. */
static bool one_frame(const void *data, size_t len)
{
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};

	return len >= sizeof(magic) &&
		memcmp(data, magic, sizeof(magic)) == 0 &&
		ZSTD_findFrameCompressedSize(data, len) == len;
}

enum err_code frame_decompress(const void *data, size_t len, size_t limit,
	struct buf *out, struct err *err)
{
	return block_decompress(NULL, data, len, limit, out, err);
}

enum err_code block_decompress(struct packers *p, const void *data, size_t len,
	size_t limit, struct buf *out, struct err *err)
{
	unsigned long long size;
	ZSTD_DCtx *z;
	uint8_t *room;
	size_t got;

	if (!one_frame(data, len))
		return err_set(err, ERR_CORRUPT,
			"%zu bytes are not one zstd frame", len);
	size = ZSTD_getFrameContentSize(data, len);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR)
		return err_set(err, ERR_CORRUPT,
			"zstd frame does not declare its size");
	if (size > limit)
		return err_set(err, ERR_LIMIT,
			"zstd frame of %llu bytes, limit %zu", size, limit);
	/* One byte more: a frame of nothing still needs a place to go. */
	if (!(room = buf_reserve(out, (size_t)size + 1)) ||
		!(z = opener_take(p)))
		return err_nomem(err);
	got = ZSTD_decompressDCtx(z, room, (size_t)size, data, len);
	opener_give(p, z);
	if (ZSTD_isError(got) || got != size)
		return err_set(err, ERR_CORRUPT, "zstd: %s",
			ZSTD_isError(got) ? ZSTD_getErrorName(got)
					  : "frame is shorter than declared");
	out->len += got;
	return ERR_OK;
}

/* ---- entries ---- */

/* The digests in the entry that no part at hand computes to. */
static enum err_code explicit_digests(const struct entry_row *row,
	struct digest digests[LABEL_COUNT], size_t *count, struct err *err)
{
	bool used[LABEL_COUNT] = {false};

	for (int l = 0; l < LABEL_COUNT; l++) {
		size_t i = 0;

		if (!(row->computed & LABEL_BIT(l)))
			continue;
		while (i < row->sd_count &&
			(used[i] ||
				digest_compare(&row->sd[i], &row->digest[l])))
			i++;
		if (i == row->sd_count)
			return err_set(err, ERR_INVALID,
				"the %s part is not what its entry commits to",
				label_name((enum label)l));
		used[i] = true;
	}
	for (size_t i = 0; i < row->sd_count; i++)
		if (!used[i])
			digests[(*count)++] = row->sd[i];
	return ERR_OK;
}

enum err_code entry_stub_make(const struct entry_row *row,
	struct digest digests[LABEL_COUNT], struct entry_stub *out,
	struct err *err)
{
	struct entry_stub stub = {
		.computed = row->computed & LABEL_ALL,
		.explicit_digest = digests,
	};
	struct entry_row parsed = *row;
	const char *at;
	struct entry e;
	enum err_code rc;

	if (!row->sd) {
		if ((rc = entry_parse(row->entry, row->entry_len, &e, err)))
			return rc;
		parsed.sd = e.sd;
		parsed.sd_count = e.sd_count;
	}
	if ((rc = explicit_digests(
		     &parsed, digests, &stub.explicit_count, err)))
		return rc;
	/* `{"_sd":[` and, for each digest, two quotes and a comma or `]`. */
	at = row->entry + 8 + parsed.sd_count * (DIGEST_TEXT_SIZE - 1 + 3) +
		strlen(ENTRY_AT);
	(void)time_parse(at, TIME_TEXT_SIZE - 1, &stub.at);
	at += TIME_TEXT_SIZE - 1 + strlen(ENTRY_ID);
	(void)uuid_parse(at, UUID_TEXT_SIZE - 1, stub.uuid);
	stub.tail = at + UUID_TEXT_SIZE - 1;
	stub.tail_len = row->entry_len - (size_t)(stub.tail - row->entry);
	memcpy(stub.leaf_check, row->leaf.b, sizeof(stub.leaf_check));
	*out = stub;
	return ERR_OK;
}

enum err_code entries_block(const struct entry_row *rows, size_t count,
	struct buf *out, struct err *err)
{
	struct entry_stub *stubs = NULL;
	struct digest(*digests)[LABEL_COUNT] = NULL;
	struct columns_head h = {.rows = count};
	enum err_code rc = ERR_OK;

	if (count > BLOCK_ROWS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"block of %zu entries, limit %zu", count,
			BLOCK_ROWS_LIMIT);
	stubs = calloc(count + 1, sizeof(*stubs));
	digests = calloc(count + 1, sizeof(*digests));
	if (!stubs || !digests) {
		rc = err_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		if ((rc = entry_stub_make(
			     &rows[i], digests[i], &stubs[i], err))) {
			rc = err_while(err, rc, "entry %zu of the block", i);
			goto out;
		}
		h.digests += stubs[i].explicit_count;
	}
	h.random = stubs_random_size(&h);
	columns_head_write(&h, out);
	stubs_write_random(stubs, count, out);
	stubs_write(stubs, count, out);
	rc = buf_ok(out, err);
out:
	free(stubs);
	free(digests);
	return rc;
}

enum err_code entries_block_read(const void *plain, size_t len,
	struct entry_stub *stubs, size_t cap, size_t *count, struct err *err)
{
	struct cursor c = cursor_over(plain, len);
	struct columns_head h = {0};
	struct cursor random;

	if (!columns_head_read(&c, &h) || h.rows > cap || h.seeds != 0 ||
		h.random != stubs_random_size(&h))
		return err_set(err, ERR_CORRUPT,
			"entries block of %zu bytes, %zu entries, room for %zu",
			len, h.rows, cap);
	random = cursor_over(
		(const uint8_t *)plain + (len - c.left) - h.random, h.random);
	stubs_read(&random, &c, stubs, h.rows);
	if (!cursor_done(&random) || !cursor_done(&c))
		return err_set(err, ERR_CORRUPT,
			"entries block of %zu bytes does not add up", len);
	*count = h.rows;
	return ERR_OK;
}

enum err_code entry_rebuild(const struct entry_stub *stub,
	const struct digest digest[LABEL_COUNT], struct buf *out,
	struct digest *leaf, struct err *err)
{
	struct digest sd[LABEL_COUNT];
	size_t count = stub->explicit_count, start = out->len;
	char at[TIME_TEXT_SIZE], id[UUID_TEXT_SIZE];
	enum err_code rc;

	if (count)
		memcpy(sd, stub->explicit_digest, count * sizeof(*sd));
	for (int l = 0; l < LABEL_COUNT; l++)
		if (stub->computed & LABEL_BIT(l) && count < LABEL_COUNT)
			sd[count++] = digest[l];
	time_format(stub->at, at);
	uuid_format(stub->uuid, id);
	entry_sd_write(sd, count, out);
	buf_str(out, ENTRY_AT);
	buf_str(out, at);
	buf_str(out, ENTRY_ID);
	buf_str(out, id);
	buf_add(out, stub->tail, stub->tail_len);
	if ((rc = buf_ok(out, err)))
		return rc;
	*leaf = tree_leaf(out->data + start, out->len - start);
	if (memcmp(leaf->b, stub->leaf_check, sizeof(stub->leaf_check)) != 0)
		return err_set(err, ERR_CORRUPT,
			"entry %s does not match its leaf hash", id);
	return ERR_OK;
}

/* ---- parts ---- */

static enum err_code parts_check(const struct part_row *rows, size_t count,
	struct columns_head *h, struct err *err)
{
	if (count > BLOCK_ROWS_LIMIT)
		return err_set(err, ERR_LIMIT, "block of %zu parts, limit %zu",
			count, BLOCK_ROWS_LIMIT);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && rows[i].seq <= rows[i - 1].seq)
			return err_set(err, ERR_INVALID,
				"part %zu of the block is not behind its "
				"predecessor",
				i);
		if (rows[i].erased)
			h->digests++;
		else if (!part_text_valid(&rows[i].part))
			return err_set(err, ERR_INVALID,
				"part %zu of the block is not canonical, or "
				"its %zu bytes exceed the limit of %zu",
				i, rows[i].part.len, PART_SIZE_LIMIT);
		else
			h->seeds++;
	}
	h->rows = count;
	h->random = h->digests * DIGEST_SIZE + h->seeds * SEED_SIZE;
	return ERR_OK;
}

enum err_code parts_block(const struct part_row *rows, size_t count,
	struct buf *out, struct err *err)
{
	struct columns_head h = {0};
	uint64_t last = 0;
	enum err_code rc;

	if ((rc = parts_check(rows, count, &h, err)))
		return rc;
	columns_head_write(&h, out);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].erased)
			buf_add(out, rows[i].digest.b, DIGEST_SIZE);
		else
			buf_add(out, rows[i].part.seed, SEED_SIZE);
	}
	for (size_t i = 0; i < count; i++) {
		varint_write(rows[i].seq - last, out);
		last = rows[i].seq;
	}
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].erased)
			buf_add(out, rows[i].part.json, rows[i].part.len);
		buf_u8(out, '\n');
	}
	return buf_ok(out, err);
}

static void parts_read(struct cursor *random, struct cursor *c,
	struct part_row *rows, size_t count)
{
	uint64_t last = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t step = varint_read(c);

		if ((i > 0 && step == 0) || ckd_add(&rows[i].seq, last, step))
			c->failed = true;
		last = rows[i].seq;
	}
	for (size_t i = 0; i < count; i++) {
		struct part *p = &rows[i].part;

		memset(p, 0, sizeof(*p));
		memset(&rows[i].digest, 0, sizeof(rows[i].digest));
		p->json = cursor_line(c, &p->len);
		rows[i].erased = p->json && p->len == 0;
		if (rows[i].erased)
			cursor_copy(random, rows[i].digest.b, DIGEST_SIZE);
		else
			cursor_copy(random, p->seed, SEED_SIZE);
	}
}

enum err_code parts_block_read(const void *plain, size_t len,
	struct part_row *rows, size_t cap, size_t *count, struct err *err)
{
	struct cursor c = cursor_over(plain, len);
	struct columns_head h = {0};
	struct cursor random;

	if (!columns_head_read(&c, &h) || h.rows > cap ||
		h.rows != h.digests + h.seeds)
		return err_set(err, ERR_CORRUPT,
			"parts block of %zu bytes, %zu parts, room for %zu",
			len, h.rows, cap);
	random = cursor_over(
		(const uint8_t *)plain + (len - c.left) - h.random, h.random);
	parts_read(&random, &c, rows, h.rows);
	if (!cursor_done(&random) || !cursor_done(&c))
		return err_set(err, ERR_CORRUPT,
			"parts block of %zu bytes does not add up", len);
	*count = h.rows;
	return ERR_OK;
}
