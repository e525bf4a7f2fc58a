/* columns.c - writes and reads the columns that blocks and runs share. */
#include "store/columns.h"

#include <string.h>

#define ID_HEAD 6		      /* bytes of milliseconds in a UUIDv7 */
#define ID_TAIL (UUID_SIZE - ID_HEAD) /* version, variant, random bits */
#define LEAF_CHECK 4
/* What time_format() shows: the years 1900 to 9999, at +08:00. */
#define AT_FIRST ((int64_t)-2209017600)
#define AT_LAST ((int64_t)253402271999)

void columns_head_write(const struct columns_head *h, struct buf *out)
{
	buf_u32(out, (uint32_t)h->random);
	buf_u16(out, (uint16_t)h->rows);
	buf_u16(out, (uint16_t)h->digests);
	buf_u16(out, (uint16_t)h->seeds);
}

bool columns_head_read(struct cursor *c, struct columns_head *h)
{
	h->random = cursor_u32(c);
	h->rows = cursor_u16(c);
	h->digests = cursor_u16(c);
	h->seeds = cursor_u16(c);
	(void)cursor_bytes(c, h->random);
	return cursor_ok(c) && h->rows <= BLOCK_ROWS_LIMIT &&
		h->digests <= BLOCK_ROWS_LIMIT * LABEL_COUNT &&
		h->seeds <= BLOCK_ROWS_LIMIT * LABEL_COUNT;
}

void varint_write(uint64_t v, struct buf *out)
{
	for (; v > 0x7f; v >>= 7)
		buf_u8(out, (uint8_t)(v | 0x80));
	buf_u8(out, (uint8_t)v);
}

uint64_t varint_read(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cursor_u8(c);

		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return c->failed ? 0 : v;
	}
	c->failed = true;
	return 0;
}

/* Small numbers of either sign stay small. */
static uint64_t zigzag(uint64_t v)
{
	return (v << 1) ^ (0 - (v >> 63));
}

static uint64_t unzigzag(uint64_t v)
{
	return (v >> 1) ^ (0 - (v & 1));
}

static uint64_t id_ms(const uint8_t uuid[UUID_SIZE])
{
	uint64_t ms = 0;

	for (int i = 0; i < ID_HEAD; i++)
		ms = ms << 8 | uuid[i];
	return ms;
}

/* How far the id's time is from `at`, modulo 2^48, nearest to zero: little for
 * a UUIDv7 made with the record, and still exact for any other UUID. */
static uint64_t id_step(const struct entry_stub *stub)
{
	uint64_t step = (id_ms(stub->uuid) - (uint64_t)stub->at * 1000) << 16;

	return step >> 63 ? ~(~step >> 16) : step >> 16;
}

size_t stubs_random_size(const struct columns_head *h)
{
	return h->rows * (LEAF_CHECK + ID_TAIL) + h->digests * DIGEST_SIZE +
		h->seeds * SEED_SIZE;
}

void stubs_write_random(
	const struct entry_stub *stubs, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		buf_add(out, stubs[i].leaf_check, LEAF_CHECK);
		buf_add(out, stubs[i].uuid + ID_HEAD, ID_TAIL);
		buf_add(out, stubs[i].explicit_digest,
			stubs[i].explicit_count * DIGEST_SIZE);
	}
}

/* A column a kind: the compressor does better on things that are alike. */
void stubs_write(const struct entry_stub *stubs, size_t count, struct buf *out)
{
	uint64_t last = 0;

	for (size_t i = 0; i < count; i++)
		buf_u8(out,
			(uint8_t)(stubs[i].explicit_count << 4 |
				stubs[i].computed));
	for (size_t i = 0; i < count; i++) {
		varint_write(zigzag((uint64_t)stubs[i].at - last), out);
		last = (uint64_t)stubs[i].at;
	}
	for (size_t i = 0; i < count; i++)
		varint_write(zigzag(id_step(&stubs[i])), out);
	for (size_t i = 0; i < count; i++) {
		buf_add(out, stubs[i].tail, stubs[i].tail_len);
		buf_u8(out, '\n');
	}
}

static unsigned labels_in(uint8_t mask)
{
	return (unsigned)__builtin_popcount(mask);
}

static void mask_read(struct cursor *c, struct entry_stub *stub)
{
	uint8_t mask = cursor_u8(c);

	stub->computed = mask & LABEL_ALL;
	stub->explicit_count = mask >> 4;
	if (stub->explicit_count + labels_in(stub->computed) > LABEL_COUNT ||
		mask == 0) {
		stub->explicit_count = 0;
		c->failed = true;
	}
}

static void at_read(struct cursor *c, struct entry_stub *stub, uint64_t *last)
{
	int64_t at = (int64_t)(*last + unzigzag(varint_read(c)));

	if (at < AT_FIRST || at > AT_LAST) {
		c->failed = true;
		at = 0;
	}
	stub->at = at;
	*last = (uint64_t)at;
}

static void id_read(struct cursor *c, struct entry_stub *stub)
{
	uint64_t ms =
		unzigzag(varint_read(c)) + (uint64_t)stub->at * (uint64_t)1000;

	for (int i = ID_HEAD; i-- > 0; ms >>= 8)
		stub->uuid[i] = (uint8_t)ms;
}

static void random_read(struct cursor *random, struct entry_stub *stub)
{
	cursor_copy(random, stub->leaf_check, LEAF_CHECK);
	cursor_copy(random, stub->uuid + ID_HEAD, ID_TAIL);
	stub->explicit_digest = (const struct digest *)cursor_bytes(
		random, stub->explicit_count * DIGEST_SIZE);
}

void stubs_read(struct cursor *random, struct cursor *c,
	struct entry_stub *stubs, size_t count)
{
	uint64_t last = 0;

	for (size_t i = 0; i < count; i++)
		mask_read(c, &stubs[i]);
	for (size_t i = 0; i < count; i++)
		at_read(c, &stubs[i], &last);
	for (size_t i = 0; i < count; i++)
		id_read(c, &stubs[i]);
	for (size_t i = 0; i < count; i++) {
		random_read(random, &stubs[i]);
		stubs[i].tail = cursor_line(c, &stubs[i].tail_len);
		if (stubs[i].tail_len > ENTRY_SIZE_LIMIT)
			c->failed = true;
	}
}

bool part_text_valid(const struct part *p)
{
	return p->len > 0 && p->len <= PART_SIZE_LIMIT &&
		!memchr(p->json, '\n', p->len);
}
