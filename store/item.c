/* item.c - the items that segments are made of, as bytes. */
#include "store/item.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"

#define SEGMENT_MAGIC "CDSEGMNT"
#define ITEM_MAGIC 0x43446974u /* CDit */
#define FORMAT_VERSION 1
#define CRCS_SIZE 8 /* payload_crc and head_crc end the fixed head */

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

void segment_head_write(
	const struct segment_head *h, uint8_t out[SEGMENT_HEAD_SIZE])
{
	memcpy(out, SEGMENT_MAGIC, 8);
	put32(out + 8, FORMAT_VERSION);
	put32(out + 12, h->id);
	memcpy(out + 16, h->store, STORE_ID_SIZE);
	put64(out + 24, h->prev_end);
	put32(out + 32, h->end);
	put32(out + 36, crc32c(0, out, SEGMENT_HEAD_SIZE - 4));
}

bool segment_head_parse(
	const uint8_t *data, size_t len, struct segment_head *out)
{
	struct cursor c = cursor_over(data, len);
	const uint8_t *magic = cursor_bytes(&c, 8);
	uint32_t version = cursor_u32(&c);
	struct segment_head h;

	h.id = cursor_u32(&c);
	cursor_copy(&c, h.store, STORE_ID_SIZE);
	h.prev_end = cursor_u64(&c);
	h.end = cursor_u32(&c);
	if (cursor_u32(&c) != crc32c(0, data, len < 36 ? len : 36) ||
		!cursor_done(&c) || memcmp(magic, SEGMENT_MAGIC, 8) != 0 ||
		version != FORMAT_VERSION || !segment_number(h.id))
		return false;
	*out = h;
	return true;
}

struct segment_name segment_name(uint32_t id)
{
	struct segment_name name;
	uint32_t packs = segment_packs(id);

	if (packs)
		snprintf(name.text, sizeof(name.text), "%08" PRIu32 "-%" PRIu32,
			segment_number(id), packs);
	else
		snprintf(name.text, sizeof(name.text), "%08" PRIu32, id);
	return name;
}

bool place_before(struct place a, struct place b)
{
	if (segment_number(a.segment) != segment_number(b.segment))
		return segment_number(a.segment) < segment_number(b.segment);
	if (a.segment != b.segment)
		return a.segment < b.segment;
	return a.offset < b.offset;
}

uint32_t item_chain(uint32_t crc, const struct item *it)
{
	uint8_t bytes[4];

	put32(bytes, it->head_crc);
	return crc32c(crc, bytes, sizeof(bytes));
}

size_t item_head_size(const struct item *it)
{
	return ITEM_HEAD_SIZE + strlen(it->name);
}

uint64_t item_size(const struct item *it)
{
	return (uint64_t)item_head_size(it) + it->payload_len;
}

static void fixed_head(const struct item *it, uint8_t out[ITEM_HEAD_SIZE])
{
	put32(out, ITEM_MAGIC);
	out[4] = FORMAT_VERSION;
	out[5] = (uint8_t)it->kind;
	out[6] = (uint8_t)it->suite;
	out[7] = it->label;
	out[8] = (uint8_t)strlen(it->name);
	out[9] = it->flags;
	out[10] = out[11] = 0;
	put32(out + 12, it->payload_len);
	put32(out + 16, it->log);
	put32(out + 20, it->count);
	put64(out + 24, it->first);
	put64(out + 32, it->last);
	put32(out + 40, it->plain_len);
	put64(out + 44, it->key);
	put32(out + 52, it->origin.segment);
	put64(out + 56, it->origin.offset);
	put32(out + 64, it->payload_crc);
}

size_t item_aad(const struct item *it, uint8_t out[ITEM_HEAD_LIMIT])
{
	uint8_t head[ITEM_HEAD_SIZE];
	size_t name_len = strlen(it->name);

	fixed_head(it, head);
	memcpy(out, head, ITEM_HEAD_SIZE - CRCS_SIZE);
	memcpy(out + ITEM_HEAD_SIZE - CRCS_SIZE, it->name, name_len);
	return ITEM_HEAD_SIZE - CRCS_SIZE + name_len;
}

void item_write(
	struct item *it, const void *payload, size_t len, struct buf *out)
{
	uint8_t head[ITEM_HEAD_SIZE];
	size_t name_len = strlen(it->name);

	it->payload_len = (uint32_t)len;
	it->payload_crc = crc32c(0, payload, len);
	fixed_head(it, head);
	it->head_crc = crc32c(0, head, ITEM_HEAD_SIZE - 4);
	it->head_crc = crc32c(it->head_crc, it->name, name_len);
	put32(head + 68, it->head_crc);
	buf_add(out, head, sizeof(head));
	buf_add(out, it->name, name_len);
	buf_add(out, payload, len);
}

static bool item_plausible(const struct item *it)
{
	return it->kind >= ITEM_LOG && it->kind <= ITEM_CLOSED &&
		it->suite <= SUITE_SEALED && it->label < LABEL_COUNT &&
		it->payload_len <= ITEM_PAYLOAD_LIMIT &&
		it->plain_len <= ITEM_PLAIN_LIMIT && it->first <= it->last;
}

enum err_code item_parse(
	const void *data, size_t len, struct item *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	uint32_t magic = cursor_u32(&c);
	uint8_t version = cursor_u8(&c);
	struct item it = {0};
	size_t name_len;
	uint16_t reserved;
	const uint8_t *name;
	uint32_t crc;

	it.kind = cursor_u8(&c);
	it.suite = cursor_u8(&c);
	it.label = cursor_u8(&c);
	name_len = cursor_u8(&c);
	it.flags = cursor_u8(&c);
	reserved = cursor_u16(&c);
	it.payload_len = cursor_u32(&c);
	it.log = cursor_u32(&c);
	it.count = cursor_u32(&c);
	it.first = cursor_u64(&c);
	it.last = cursor_u64(&c);
	it.plain_len = cursor_u32(&c);
	it.key = cursor_u64(&c);
	it.origin.segment = cursor_u32(&c);
	it.origin.offset = cursor_u64(&c);
	it.payload_crc = cursor_u32(&c);
	it.head_crc = cursor_u32(&c);
	name = cursor_bytes(&c, name_len);
	if (!cursor_ok(&c) || magic != ITEM_MAGIC || reserved ||
		name_len >= SERIES_NAME_SIZE)
		return err_set(err, ERR_CORRUPT, "no item");
	crc = crc32c(0, data, ITEM_HEAD_SIZE - 4);
	if (crc32c(crc, name, name_len) != it.head_crc)
		return err_set(err, ERR_CORRUPT,
			"item head does not match "
			"its crc");
	if (version != FORMAT_VERSION)
		return err_set(err, ERR_CORRUPT,
			"item of version %u, this program knows %u", version,
			FORMAT_VERSION);
	memcpy(it.name, name, name_len);
	if (!item_plausible(&it) || strlen(it.name) != name_len)
		return err_set(err, ERR_CORRUPT, "item head out of bounds");
	*out = it;
	return ERR_OK;
}

unsigned edge_fresh(uint64_t from, uint64_t to)
{
	uint64_t differ = from ^ to;

	if (from && differ)
		to &= UINT64_MAX >> __builtin_clzll(differ);
	return (unsigned)__builtin_popcountll(to);
}

static void edges_write(const struct directory *d, struct buf *out)
{
	if (!d->edge_count)
		return; /* so it was before there were edges */
	buf_u32(out, (uint32_t)d->edge_count);
	for (size_t i = 0; i < d->edge_count; i++) {
		const struct directory_edge *e = &d->edges[i];

		buf_u32(out, e->log);
		buf_u64(out, e->from);
		buf_u64(out, e->to);
		buf_add(out, &d->hashes[e->at],
			edge_fresh(e->from, e->to) * sizeof(*d->hashes));
	}
}

void directory_write(const struct directory *d, struct buf *out)
{
	buf_u64(out, d->start);
	buf_u32(out, d->items);
	buf_u32(out, d->heads_crc);
	buf_u64(out, d->arrival);
	buf_u32(out, (uint32_t)d->run_count);
	buf_u32(out, (uint32_t)d->block_count);
	for (size_t i = 0; i < d->run_count; i++) {
		buf_u32(out, d->runs[i].log);
		buf_u64(out, d->runs[i].first);
		buf_u32(out,
			d->runs[i].count | (d->runs[i].again ? RUN_AGAIN : 0));
	}
	for (size_t i = 0; i < d->block_count; i++) {
		const struct directory_block *b = &d->blocks[i];
		size_t len = strlen(b->name);

		buf_u32(out, b->log);
		buf_u8(out, b->label);
		buf_u64(out, b->first);
		buf_u64(out, b->last);
		buf_u64(out, b->offset);
		buf_u8(out, (uint8_t)len);
		buf_add(out, b->name, len);
	}
	edges_write(d, out);
}

#define RUN_BYTES 16
#define BLOCK_BYTES 30 /* without the name */
#define EDGE_BYTES 20  /* without the hashes */

static int name_compare(
	const char *a, size_t a_len, const char *b, size_t b_len)
{
	int diff = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return diff ? diff : (a_len > b_len) - (a_len < b_len);
}

/* Order of (log, series, label, first). */
static int block_compare(const struct directory_block *b, uint32_t log,
	const char *name, size_t name_len, uint8_t label, uint64_t first)
{
	int diff;

	if (b->log != log)
		return b->log < log ? -1 : 1;
	diff = name_compare(b->name, strlen(b->name), name, name_len);
	if (diff)
		return diff;
	if (b->label != label)
		return b->label < label ? -1 : 1;
	return (b->first > first) - (b->first < first);
}

static int compare_blocks(const void *a, const void *b)
{
	const struct directory_block *y = b;

	return block_compare(
		a, y->log, y->name, strlen(y->name), y->label, y->first);
}

void directory_sort(struct directory *d)
{
	if (d->block_count)
		qsort(d->blocks, d->block_count, sizeof(*d->blocks),
			compare_blocks);
}

static void read_block(struct cursor *c, struct directory_block *b)
{
	size_t len;
	const uint8_t *name;

	b->log = cursor_u32(c);
	b->label = cursor_u8(c);
	b->first = cursor_u64(c);
	b->last = cursor_u64(c);
	b->offset = cursor_u64(c);
	len = cursor_u8(c);
	name = cursor_bytes(c, len);
	if (!name || len >= SERIES_NAME_SIZE || memchr(name, '\0', len) ||
		b->label >= LABEL_COUNT || b->first > b->last)
		c->failed = true;
	else
		memcpy(b->name, name, len);
}

static bool blocks_sorted(const struct directory *d)
{
	for (size_t i = 1; i < d->block_count; i++) {
		const struct directory_block *b = &d->blocks[i];

		if (block_compare(&d->blocks[i - 1], b->log, b->name,
			    strlen(b->name), b->label, b->first) >= 0)
			return false;
	}
	return true;
}

static enum err_code read_edges(
	struct cursor *c, struct directory *d, struct err *err)
{
	d->edge_count = cursor_u32(c);
	if (!cursor_ok(c) || !d->edge_count ||
		d->edge_count > c->left / EDGE_BYTES)
		return err_set(err, ERR_CORRUPT,
			"commit item does not hold the edges it says");
	d->edges = calloc(d->edge_count, sizeof(*d->edges));
	d->hashes = calloc(c->left / DIGEST_SIZE + 1, sizeof(*d->hashes));
	if (!d->edges || !d->hashes)
		return err_nomem(err);
	for (size_t i = 0; i < d->edge_count && cursor_ok(c); i++) {
		struct directory_edge *e = &d->edges[i];
		size_t more;

		e->log = cursor_u32(c);
		e->from = cursor_u64(c);
		e->to = cursor_u64(c);
		e->at = d->hash_count;
		more = edge_fresh(e->from, e->to) * sizeof(*d->hashes);
		if (e->from >= e->to || more > c->left) {
			c->failed = true;
			break;
		}
		cursor_copy(c, d->hashes[e->at].b, more);
		d->hash_count += more / sizeof(*d->hashes);
	}
	return ERR_OK;
}

enum err_code directory_parse(
	const void *data, size_t len, struct directory *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct directory d = {0};
	enum err_code rc = ERR_OK;

	d.start = cursor_u64(&c);
	d.items = cursor_u32(&c);
	d.heads_crc = cursor_u32(&c);
	d.arrival = cursor_u64(&c);
	d.run_count = cursor_u32(&c);
	d.block_count = cursor_u32(&c);
	if (!cursor_ok(&c) || d.run_count > c.left / RUN_BYTES ||
		d.block_count > c.left / BLOCK_BYTES)
		return err_set(err, ERR_CORRUPT,
			"commit item of %zu bytes does not hold what it says",
			len);
	d.runs = calloc(d.run_count + 1, sizeof(*d.runs));
	d.blocks = calloc(d.block_count + 1, sizeof(*d.blocks));
	if (!d.runs || !d.blocks) {
		rc = err_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < d.run_count; i++) {
		d.runs[i].log = cursor_u32(&c);
		d.runs[i].first = cursor_u64(&c);
		d.runs[i].count = cursor_u32(&c);
		d.runs[i].again = d.runs[i].count & RUN_AGAIN;
		d.runs[i].count &= RUN_COUNT_LIMIT;
	}
	for (size_t i = 0; i < d.block_count && cursor_ok(&c); i++)
		read_block(&c, &d.blocks[i]);
	if (cursor_ok(&c) && c.left && (rc = read_edges(&c, &d, err)))
		goto out;
	if (!cursor_done(&c) || !blocks_sorted(&d))
		rc = err_set(err, ERR_CORRUPT,
			"commit item of %zu bytes is malformed", len);
out:
	if (rc)
		directory_free(&d);
	else
		*out = d;
	return rc;
}

void directory_free(struct directory *d)
{
	free(d->runs);
	free(d->blocks);
	free(d->edges);
	free(d->hashes);
	*d = (struct directory){0};
}

const struct directory_block *directory_find(const struct directory *d,
	uint32_t log, const char *name, size_t name_len, uint8_t label,
	uint64_t seq)
{
	size_t lo = 0;
	size_t hi = d->block_count;
	const struct directory_block *b;

	while (lo < hi) { /* the first block past (log, name, label, seq) */
		size_t mid = lo + (hi - lo) / 2;

		if (block_compare(&d->blocks[mid], log, name, name_len, label,
			    seq) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	b = &d->blocks[lo - 1];
	if (b->log != log || b->label != label || seq > b->last ||
		name_compare(b->name, strlen(b->name), name, name_len) != 0)
		return NULL;
	return b;
}
