/* run.c - runs of records: entries without the digests that their parts give
 * back, and the parts. */
#include "store/run.h"

#include <stdlib.h>
#include <string.h>

#include "store/columns.h"

#define RUN_VERSION 1
/* The most that entry_rebuild() makes of a stub: its tail is bounded. */
#define ENTRY_ROOM (ENTRY_SIZE_LIMIT + 512)

void run_free(struct run *r)
{
	free(r->record);
	buf_free(&r->arena);
	*r = (struct run){0};
}

/* What a stub says of its series: from the name on to the entry's end, which
 * is as good for sorting. */
struct series {
	const char *name;
	size_t len;
};

static struct series series_of(const struct entry_stub *stub)
{
	static const char key[] = "\"series\":";
	const char *at =
		memmem(stub->tail, stub->tail_len, key, sizeof(key) - 1);

	if (!at)
		return (struct series){stub->tail, 0};
	return (struct series){at, stub->tail_len - (size_t)(at - stub->tail)};
}

static bool series_before(const struct series *a, const struct series *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->name, b->name, len);

	return order != 0 ? order < 0 : a->len < b->len;
}

/* Parts stand by label, then by series, then in the order of their entries:
 * like beside like makes runs 4 % smaller. */
static void order_by_series(
	const struct entry_stub *stubs, size_t count, uint16_t order[RUN_LIMIT])
{
	struct series series[RUN_LIMIT];

	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		series[i] = series_of(&stubs[i]);
		for (; at > 0 &&
			series_before(&series[i], &series[order[at - 1]]);
			at--)
			order[at] = order[at - 1];
		order[at] = (uint16_t)i;
	}
}

/* ---- writing ---- */

static enum err_code stub_of(const struct record *r, uint8_t labels,
	struct digest digests[LABEL_COUNT], struct entry_stub *out,
	struct err *err)
{
	struct entry_row row = {
		.entry = r->entry,
		.entry_len = r->entry_len,
		.leaf = r->leaf,
		.computed = r->have & labels & LABEL_ALL,
	};
	enum err_code rc;

	for (int l = 0; l < LABEL_COUNT; l++) {
		const struct part *p = &r->part[l];

		if (!(row.computed & LABEL_BIT(l)))
			continue;
		if (!part_text_valid(p))
			return err_set(err, ERR_INVALID,
				"a %s part of %zu bytes is not canonical, or "
				"exceeds the limit of %zu",
				label_name((enum label)l), p->len,
				PART_SIZE_LIMIT);
		if ((rc = part_digest(p->seed, (enum label)l, p->json, p->len,
			     &row.digest[l], err)))
			return rc;
	}
	return entry_stub_make(&row, digests, out, err);
}

static void write_parts(const struct run *r, const struct entry_stub *stubs,
	bool seeds, struct buf *out)
{
	uint16_t order[RUN_LIMIT];

	order_by_series(stubs, r->count, order);
	for (int l = 0; l < LABEL_COUNT; l++)
		for (size_t k = 0; k < r->count; k++) {
			size_t i = order[k];
			const struct part *p = &r->record[i].part[l];

			if (!(stubs[i].computed & LABEL_BIT(l)))
				continue;
			if (seeds) {
				buf_add(out, p->seed, SEED_SIZE);
			} else {
				buf_add(out, p->json, p->len);
				buf_u8(out, '\n');
			}
		}
}

static void write_plain(
	const struct run *r, const struct entry_stub *stubs, struct buf *out)
{
	struct columns_head h = {.rows = r->count};

	for (size_t i = 0; i < r->count; i++) {
		h.digests += stubs[i].explicit_count;
		h.seeds += (size_t)__builtin_popcount(stubs[i].computed);
	}
	h.random = stubs_random_size(&h);
	columns_head_write(&h, out);
	stubs_write_random(stubs, r->count, out);
	write_parts(r, stubs, true, out);
	stubs_write(stubs, r->count, out);
	write_parts(r, stubs, false, out);
}

enum err_code run_encode(const struct run *r, uint8_t labels, int level,
	struct buf *out, struct err *err)
{
	struct entry_stub *stubs = NULL;
	struct digest(*digests)[LABEL_COUNT] = NULL;
	struct buf plain = BUF_EMPTY;
	size_t start = out->len;
	enum err_code rc = ERR_OK;

	if (r->count == 0 || r->count > RUN_LIMIT)
		return err_set(err, ERR_LIMIT,
			"run of %zu records, limits 1 and %d", r->count,
			RUN_LIMIT);
	stubs = calloc(r->count, sizeof(*stubs));
	digests = calloc(r->count, sizeof(*digests));
	if (!stubs || !digests) {
		rc = err_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < r->count; i++)
		if ((rc = stub_of(&r->record[i], labels, digests[i], &stubs[i],
			     err))) {
			rc = err_while(err, rc, "record %llu",
				(unsigned long long)(r->start + i));
			goto out;
		}
	write_plain(r, stubs, &plain);
	if ((rc = buf_ok(&plain, err)))
		goto out;
	if (plain.len > RUN_PLAIN_LIMIT) {
		rc = err_set(err, ERR_LIMIT, "run of %zu bytes, limit %zu",
			plain.len, RUN_PLAIN_LIMIT);
		goto out;
	}
	buf_u8(out, RUN_VERSION);
	rc = block_compress(NULL, plain.data, plain.len, level, out, err);
out:
	if (rc != ERR_OK)
		out->len = start;
	buf_free(&plain);
	free(stubs);
	free(digests);
	return rc;
}

/* ---- reading ---- */

static void read_parts(struct cursor *random, struct cursor *c,
	const struct entry_stub *stubs, struct run *r)
{
	uint16_t order[RUN_LIMIT];

	order_by_series(stubs, r->count, order);
	for (int l = 0; l < LABEL_COUNT; l++)
		for (size_t k = 0; k < r->count; k++) {
			size_t i = order[k];
			struct part *p = &r->record[i].part[l];

			if (!(stubs[i].computed & LABEL_BIT(l)))
				continue;
			cursor_copy(random, p->seed, SEED_SIZE);
			p->json = cursor_line(c, &p->len);
			if (p->len > PART_SIZE_LIMIT)
				c->failed = true;
			r->record[i].have |= LABEL_BIT(l);
		}
}

static enum err_code read_plain(const uint8_t *plain, size_t len,
	struct entry_stub **stubs, struct run *r, struct err *err)
{
	struct cursor c = cursor_over(plain, len);
	struct columns_head h = {0};
	struct cursor random;

	if (!columns_head_read(&c, &h) || h.rows == 0 || h.rows > RUN_LIMIT ||
		h.random != stubs_random_size(&h))
		return err_set(err, ERR_PROTOCOL,
			"run of %zu bytes and %zu records, limit %d", len,
			h.rows, RUN_LIMIT);
	*stubs = calloc(h.rows, sizeof(**stubs));
	r->record = calloc(h.rows, sizeof(*r->record));
	if (!*stubs || !r->record)
		return err_nomem(err);
	r->count = h.rows;
	random = cursor_over(plain + (len - c.left) - h.random, h.random);
	stubs_read(&random, &c, *stubs, h.rows);
	if (cursor_ok(&random) && cursor_ok(&c))
		read_parts(&random, &c, *stubs, r);
	if (!cursor_done(&random) || !cursor_done(&c))
		return err_set(err, ERR_PROTOCOL,
			"run of %zu bytes does not add up", len);
	return ERR_OK;
}

static enum err_code rebuild(const struct entry_stub *stub, struct record *r,
	struct buf *arena, struct err *err)
{
	size_t start = arena->len;
	struct entry e;
	enum err_code rc;

	for (int l = 0; l < LABEL_COUNT; l++)
		if (r->have & LABEL_BIT(l) &&
			(rc = part_digest(r->part[l].seed, (enum label)l,
				 r->part[l].json, r->part[l].len, &r->digest[l],
				 err)))
			return rc;
	if ((rc = entry_rebuild(stub, r->digest, arena, &r->leaf, err)))
		return rc;
	r->hashed = true;
	r->digested = r->have;
	r->entry = (const char *)arena->data + start;
	r->entry_len = arena->len - start;
	return entry_parse(r->entry, r->entry_len, &e, err);
}

/* Everything borrows from the arena, so it must not move once it is borrowed
 * from: the room for the entries is reserved before the columns are read. */
static enum err_code decode(const uint8_t *data, size_t len,
	struct entry_stub **stubs, struct run *r, struct err *err)
{
	struct columns_head h = {0};
	struct cursor c;
	size_t plain;
	enum err_code rc;

	if (len == 0 || data[0] != RUN_VERSION)
		return err_set(err, ERR_PROTOCOL,
			"run of %zu bytes is not of version %d", len,
			RUN_VERSION);
	if ((rc = frame_decompress(
		     data + 1, len - 1, RUN_PLAIN_LIMIT, &r->arena, err)))
		return rc;
	plain = r->arena.len;
	c = cursor_over(r->arena.data, plain);
	if (columns_head_read(&c, &h) && h.rows <= RUN_LIMIT &&
		!buf_reserve(&r->arena, h.rows * ENTRY_ROOM))
		return err_nomem(err);
	if ((rc = read_plain(r->arena.data, plain, stubs, r, err)))
		return rc;
	for (size_t i = 0; i < r->count; i++)
		if ((rc = rebuild(&(*stubs)[i], &r->record[i], &r->arena, err)))
			return err_while(err, rc, "record %llu",
				(unsigned long long)(r->start + i));
	return ERR_OK;
}

enum err_code run_decode(const void *data, size_t len, uint64_t start,
	struct run *out, struct err *err)
{
	struct entry_stub *stubs = NULL;
	struct run r = {.start = start};
	enum err_code rc;

	rc = decode(data, len, &stubs, &r, err);
	free(stubs);
	if (rc == ERR_OK) {
		*out = r;
		return ERR_OK;
	}
	run_free(&r);
	/* Whatever is wrong with a peer's bytes is the peer's fault. */
	if (rc == ERR_NOMEM || rc == ERR_INTERNAL)
		return rc;
	return err_while(err, ERR_PROTOCOL, "run");
}
