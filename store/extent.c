/* extent.c - DATA/extent: how far the segments went. */
#include "store/extent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"

#define MAGIC "CDEXTENT"
#define MAGIC_SIZE 8
#define VERSION 1
#define CRC_AT (EXTENT_SLOT_SIZE - 4)

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint8_t *put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
	return p + 8;
}

void extent_write_slot(const struct extent *e, uint8_t out[EXTENT_SLOT_SIZE])
{
	size_t len = strlen(e->own);
	uint8_t *p = out;

	memset(out, 0, EXTENT_SLOT_SIZE);
	memcpy(p, MAGIC, MAGIC_SIZE);
	put_u32(p + 8, VERSION);
	memcpy(p + 12, e->store, STORE_ID_SIZE);
	p = put_u64(p + 20, e->count);
	put_u32(p, e->segment);
	p = put_u64(p + 4, e->end);
	p = put_u64(p, e->arrivals);
	p = put_u64(p, e->next_key);
	p = put_u64(p, e->marks);
	p = put_u64(p, e->own_size);
	*p = (uint8_t)len;
	memcpy(p + 1, e->own, len);
	put_u32(out + CRC_AT, crc32c(0, out, CRC_AT));
}

bool extent_read_slot(const uint8_t *data, size_t len, struct extent *out)
{
	struct cursor c = cursor_over(data, len);
	const uint8_t *magic = cursor_bytes(&c, MAGIC_SIZE);
	uint32_t version = cursor_u32(&c);
	struct extent e = {.count = 0};
	const uint8_t *own;
	size_t own_len;

	if (len != EXTENT_SLOT_SIZE)
		return false;
	cursor_copy(&c, e.store, STORE_ID_SIZE);
	e.count = cursor_u64(&c);
	e.segment = cursor_u32(&c);
	e.end = cursor_u64(&c);
	e.arrivals = cursor_u64(&c);
	e.next_key = cursor_u64(&c);
	e.marks = cursor_u64(&c);
	e.own_size = cursor_u64(&c);
	own_len = cursor_u8(&c);
	own = cursor_bytes(&c, own_len);
	if (!cursor_ok(&c) || memcmp(magic, MAGIC, MAGIC_SIZE) != 0 ||
		version != VERSION || own_len >= ORIGIN_SIZE ||
		memchr(own, '\0', own_len))
		return false;
	c = cursor_over(data + CRC_AT, 4);
	if (cursor_u32(&c) != crc32c(0, data, CRC_AT))
		return false;
	memcpy(e.own, own, own_len);
	*out = e;
	return true;
}

static bool all_zero(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i])
			return false;
	return true;
}

static bool newest(const struct buf *b, struct extent *out)
{
	struct extent e;
	bool found = false;

	for (size_t at = 0; at + EXTENT_SLOT_SIZE <= b->len;
		at += EXTENT_SLOT_SIZE) {
		if (!extent_read_slot(b->data + at, EXTENT_SLOT_SIZE, &e) ||
			(found && e.count <= out->count))
			continue;
		*out = e;
		found = true;
	}
	return found;
}

enum err_code extent_read(const char *data, struct extent *out, struct err *err)
{
	char *path = file_join(data, "extent");
	struct buf b = BUF_EMPTY;
	struct extent e;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = file_read(path, EXTENT_SIZE, &b, err))) {
		if (newest(&b, &e))
			*out = e;
		else if (all_zero(&b))
			rc = err_set(err, ERR_NOT_FOUND, "%s is empty", path);
		else
			rc = err_set(err, ERR_CORRUPT, "%s is damaged", path);
	} else if (rc == ERR_LIMIT) {
		rc = err_set(err, ERR_CORRUPT, "%s is damaged", path);
	}
	buf_free(&b);
	free(path);
	return rc;
}

enum err_code extent_open(const char *data, int *fd, struct err *err)
{
	char *path = file_join(data, "extent");
	enum err_code rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	*fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		rc = err_sys(err, "open %s", path);
	free(path);
	return rc;
}

enum err_code extent_write(int fd, struct extent *e, struct err *err)
{
	uint8_t slot[EXTENT_SLOT_SIZE];

	e->count++;
	extent_write_slot(e, slot);
	return file_write_at(fd, e->count % 2 ? 0 : EXTENT_SLOT_SIZE, slot,
		sizeof(slot), err);
}
