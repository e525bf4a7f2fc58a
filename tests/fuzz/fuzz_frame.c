/* fuzz_frame.c - frames and control messages of a peer: read whole and byte by
 * byte alike; what reads as a control message writes to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "syncd/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void read_control(enum message_kind kind, const struct buf *body)
{
	struct buf again = BUF_EMPTY;
	struct control c;
	struct err err;

	if (control_parse(kind, body->data, body->len, &c, &err))
		return;
	check(control_write(kind, &c, &again, &err) == ERR_OK);
	/* A text with control bytes is kept without them. */
	if (!(c.members & MEMBER_TEXT))
		check(again.len == body->len &&
			!memcmp(again.data, body->data, body->len));
	buf_free(&again);
}

static void read_hello(const struct buf *body)
{
	struct hello h, back;
	struct buf text = BUF_EMPTY;
	struct err err;

	if (hello_parse(body->data, body->len, &h, &err))
		return;
	check(hello_write(&h, &text, &err) == ERR_OK);
	check(hello_parse(text.data, text.len, &back, &err) == ERR_OK);
	check(back.rows.count == h.rows.count);
	hello_fini(&back);
	hello_fini(&h);
	buf_free(&text);
}

static void read_message(unsigned kind, const struct buf *body)
{
	struct cursor c = cursor_over(body->data, body->len);
	char origin[ORIGIN_SIZE];
	struct digest object;
	uint64_t offset;
	struct err err;

	switch (kind) {
	case MESSAGE_HELLO:
		read_hello(body);
		break;
	case MESSAGE_CHECKPOINT:
	case MESSAGE_PACKAGE:
	case MESSAGE_PROVED:
		if (origin_head_read(&c, origin, &err) == ERR_OK)
			check(origin_valid(origin, strlen(origin)));
		break;
	case MESSAGE_DATA:
		if (data_head_read(&c, &object, &offset, &err) == ERR_OK)
			check(c.left > 0);
		break;
	case MESSAGE_GOVERNANCE:
	case MESSAGE_COSIGNED:
	case MESSAGE_PING:
	case MESSAGE_PONG:
		break;
	default:
		read_control((enum message_kind)kind, body);
	}
}

/* The number of messages and a digest over them, fed in pieces. */
static size_t feed(const uint8_t *data, size_t size, size_t step,
	struct sha256 *sum, bool parse)
{
	struct frame_reader r;
	enum err_code rc = ERR_OK;
	size_t count = 0;
	struct err err;

	frame_reader_init(&r);
	r.allowed = 0xffffffffu;
	for (size_t at = 0; rc == ERR_OK && at < size; at += step) {
		struct cursor c = cursor_over(
			data + at, size - at < step ? size - at : step);

		while (rc == ERR_OK && c.left) {
			struct buf body = BUF_EMPTY;
			unsigned kind;

			rc = frame_read(&r, &c, &kind, &body, &err);
			if (rc == ERR_OK && kind) {
				count++;
				if (body.len)
					sha256_update(sum, body.data, body.len);
				if (parse)
					read_message(kind, &body);
			}
			buf_free(&body);
		}
	}
	frame_reader_fini(&r);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest whole, single;
	struct sha256 sum;
	size_t count;

	sha256_init(&sum);
	count = feed(data, size, size ? size : 1, &sum, true);
	whole = sha256_final(&sum);
	sha256_init(&sum);
	check(feed(data, size, 1, &sum, false) == count);
	single = sha256_final(&sum);
	check(digest_equal(&whole, &single));
	return 0;
}
