/* frames.c - messages cut into frames and put together again. */
#include "syncd/frames.h"

#include <assert.h>
#include <string.h>

void frame_reader_init(struct frame_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->hello_limit = HELLO_SIZE_LIMIT;
}

void frame_reader_fini(struct frame_reader *r)
{
	for (size_t i = 0; i < LANE_COUNT; i++)
		buf_free(&r->lanes[i].body);
}

/* What may begin is asked with the first frame of a message, before its bytes
 * are kept: a stranger cannot fill memory with what will be refused. */
static enum err_code begin_message(struct frame_reader *r, unsigned kind,
	const struct message_spec *spec, struct err *err)
{
	struct frame_lane *lane = &r->lanes[spec->lane];

	if (lane->kind && lane->kind != kind)
		return err_set(err, ERR_PROTOCOL,
			"frame of %s inside a message of %s", spec->name,
			message_spec(lane->kind)->name);
	if (!lane->kind && !(r->allowed & MESSAGE_BIT(kind)))
		return err_set(err, ERR_PROTOCOL,
			"%s is not allowed in this state", spec->name);
	lane->kind = kind;
	return ERR_OK;
}

static enum err_code read_header(struct frame_reader *r, struct err *err)
{
	struct cursor c = cursor_over(r->header, FRAME_HEADER_SIZE);
	uint8_t version = cursor_u8(&c);
	uint8_t kind = cursor_u8(&c);
	uint8_t lane = cursor_u8(&c);
	uint8_t flags = cursor_u8(&c);
	uint32_t len = cursor_u32(&c);
	const struct message_spec *spec = message_spec(kind);
	size_t limit, have;
	enum err_code rc;

	if (version != FRAME_VERSION)
		return err_set(err, ERR_PROTOCOL,
			"frame of version %u, this is version %u", version,
			FRAME_VERSION);
	if (!spec)
		return err_set(err, ERR_PROTOCOL,
			"frame of unknown kind %u, kinds are 1 to %u", kind,
			MESSAGE_KINDS - 1);
	if (lane != spec->lane)
		return err_set(err, ERR_PROTOCOL,
			"%s in lane %u, its lane is %u", spec->name, lane,
			(unsigned)spec->lane);
	if (flags & ~FRAME_LAST)
		return err_set(err, ERR_PROTOCOL,
			"frame with unknown flags 0x%02x", flags);
	if (len > FRAME_PAYLOAD_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"frame with %u bytes of payload, limit %zu", len,
			FRAME_PAYLOAD_LIMIT);
	if (len == 0 && !(flags & FRAME_LAST))
		return err_set(err, ERR_PROTOCOL,
			"empty frame that is not the last of its message");
	if ((rc = begin_message(r, kind, spec, err)))
		return rc;

	have = r->lanes[lane].body.len;
	limit = kind == MESSAGE_HELLO ? r->hello_limit : spec->limit;
	if (len > limit - have)
		return err_set(err, ERR_PROTOCOL,
			"%s of %zu bytes or more, limit %zu", spec->name,
			have + len, limit);
	r->lane = lane;
	r->last = flags & FRAME_LAST;
	r->left = len;
	return ERR_OK;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* true = the header is whole. */
static bool fill_header(struct frame_reader *r, struct cursor *c)
{
	size_t take = smaller(FRAME_HEADER_SIZE - r->header_len, c->left);

	cursor_copy(c, r->header + r->header_len, take);
	r->header_len += take;
	return r->header_len == FRAME_HEADER_SIZE;
}

static enum err_code fill_payload(
	struct frame_reader *r, struct cursor *c, struct err *err)
{
	struct buf *body = &r->lanes[r->lane].body;
	size_t take = smaller(r->left, c->left);
	const uint8_t *bytes = cursor_bytes(c, take);

	if (take)
		buf_add(body, bytes, take);
	r->left -= take;
	return buf_ok(body, err);
}

enum err_code frame_read(struct frame_reader *r, struct cursor *c,
	unsigned *kind, struct buf *body, struct err *err)
{
	enum err_code rc;

	*kind = 0;
	while (c->left) {
		struct frame_lane *lane;

		if (r->header_len < FRAME_HEADER_SIZE) {
			if (!fill_header(r, c))
				break;
			if ((rc = read_header(r, err)))
				return rc;
		}
		if ((rc = fill_payload(r, c, err)))
			return rc;
		if (r->left)
			break;
		r->header_len = 0;
		if (!r->last)
			continue;
		lane = &r->lanes[r->lane];
		*kind = lane->kind;
		*body = lane->body;
		*lane = (struct frame_lane){0};
		break;
	}
	return ERR_OK;
}

void frame_write(enum message_kind kind, enum lane lane, bool last,
	const void *payload, size_t len, struct buf *out)
{
	assert(len <= FRAME_PAYLOAD_LIMIT);
	buf_u8(out, FRAME_VERSION);
	buf_u8(out, (uint8_t)kind);
	buf_u8(out, (uint8_t)lane);
	buf_u8(out, last ? FRAME_LAST : 0);
	buf_u32(out, (uint32_t)len);
	if (len)
		buf_add(out, payload, len);
}
