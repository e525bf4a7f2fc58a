/* frames.h - messages cut into frames and put together again, without I/O.
 *
 * A frame: u8 version, u8 kind, u8 lane, u8 flags, u32 payload length, payload.
 * docs/protocol.md section 2.
 */
#pragma once

#include "syncd/messages.h"

#define FRAME_VERSION 1
#define FRAME_LAST 0x01 /* flag: the last frame of its message */
#define FRAME_PAYLOAD_LIMIT (FRAME_SIZE_LIMIT - FRAME_HEADER_SIZE)

/* What has come of a message; one can be under way in each lane. */
struct frame_lane {
	unsigned kind; /* 0: none begun */
	struct buf body;
};
struct frame_reader {
	uint32_t allowed;   /* MESSAGE_BITs that may begin now */
	size_t hello_limit; /* bytes of a HELLO */
	uint8_t header[FRAME_HEADER_SIZE];
	size_t header_len;
	enum lane lane; /* of the frame under way */
	bool last;
	size_t left; /* payload still to come */
	struct frame_lane lanes[LANE_COUNT];
};
void frame_reader_init(struct frame_reader *r);
void frame_reader_fini(struct frame_reader *r);
/* Takes bytes until a message is whole (*kind, and `body` is the caller's) or
 * none are left (*kind 0).  Memory grows with the bytes that came, up to the
 * limit of the kind.  After ERR_PROTOCOL the reader is of no more use. */
enum err_code frame_read(struct frame_reader *r, struct cursor *c,
	unsigned *kind, struct buf *body, struct err *err);

/* Appends one frame; len <= FRAME_PAYLOAD_LIMIT. */
void frame_write(enum message_kind kind, enum lane lane, bool last,
	const void *payload, size_t len, struct buf *out);
