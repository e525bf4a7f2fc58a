/* messages.h - the kinds of messages, and the bytes of the control messages.
 *
 * Control messages are canonical JSON, docs/protocol.md section 3.  What is
 * read here is a peer's: every refusal is ERR_PROTOCOL with the reason.
 */
#pragma once

#include "syncd/session.h"

enum message_kind {
	MESSAGE_HELLO = 1,
	MESSAGE_GOVERNANCE,
	MESSAGE_CHECKPOINT,
	MESSAGE_PACKAGE,
	MESSAGE_ACK,
	MESSAGE_COSIGNED,
	MESSAGE_PROVED,
	MESSAGE_WANT,
	MESSAGE_DATA,
	MESSAGE_NONE,
	MESSAGE_HAVE,
	MESSAGE_BUSY,
	MESSAGE_REFUSED,
	MESSAGE_BYE,
	MESSAGE_PING,
	MESSAGE_PONG,
	MESSAGE_PROVE,
	MESSAGE_AGAIN,
	MESSAGE_ENTRIES,
};
#define MESSAGE_KINDS 20 /* kinds are 1 .. 19 */
#define MESSAGE_BIT(k) (1u << (k))

#define HELLO_SIZE_LIMIT ((size_t)768 << 10)
#define HELLO_STRANGER_LIMIT ((size_t)4 << 10) /* from an unknown key */
#define CONTROL_SIZE_LIMIT ((size_t)4 << 10)
#define ATTACHMENT_RANGE ((size_t)64 << 10) /* bytes in one DATA at most */
#define WHY_SIZE 24
#define RETRY_LIMIT 86400 /* seconds a peer can put us off */

struct message_spec {
	const char *name;
	enum lane lane;
	size_t limit; /* bytes of the whole message */
};
/* NULL when no message has this kind. */
const struct message_spec *message_spec(unsigned kind);

/* ---- HELLO ---- */

struct row {
	char origin[ORIGIN_SIZE];
	uint64_t n; /* entries there, or the next sequence that is lacking */
	uint64_t known; /* HELLO's rows: the newest checkpoint there, >= n */
};
struct rows {
	struct row *row;
	size_t count, cap;
};
/* ERR_LIMIT past SESSION_ROWS_LIMIT. */
enum err_code rows_add(struct rows *r, const char *origin, uint64_t n,
	uint64_t known, struct err *err);
struct row *rows_find(const struct rows *r, const char *origin); /* or NULL */
void rows_free(struct rows *r); /* leaves it empty */

struct hello {
	uint64_t version;
	char code[CODE_SIZE]; /* "" for none */
	char domain[DOMAIN_SIZE];
	uint64_t governance;	 /* serial */
	struct digest statement; /* of that head */
	bool known; /* the sender knows our key: the members below count */
	struct digest origins;
	struct row cosigned; /* child: its own log's; origin "" for none */
	struct rows down;    /* child: what it lacks of logs from elsewhere */
	struct rows rows;    /* parent, where the hashes differ */
};
void hello_fini(struct hello *h);
enum err_code hello_write(
	const struct hello *h, struct buf *out, struct err *err);
enum err_code hello_parse(
	const void *data, size_t len, struct hello *out, struct err *err);

/* ---- the small ones ---- */

#define PONG_LIMIT ((size_t)256)
/* What a parent's PONG tells, empty ones aside.  Pure.  ERR_PROTOCOL. */
enum err_code pong_parse(const void *data, size_t len, struct digest *down,
	uint64_t *now, struct err *err);

enum member {
	MEMBER_LENGTH = 1 << 0,
	MEMBER_OBJECT = 1 << 1,
	MEMBER_OFFSET = 1 << 2,
	MEMBER_ORIGIN = 1 << 3,
	MEMBER_RETRY = 1 << 4,
	MEMBER_SEQ = 1 << 5,
	MEMBER_SIZE = 1 << 6,
	MEMBER_TEXT = 1 << 7,
	MEMBER_WHY = 1 << 8,
	MEMBER_COUNT = 1 << 9,
	MEMBER_FROM = 1 << 10,
};
/* ACK, WANT, NONE, HAVE, BUSY, REFUSED, BYE, PROVE, AGAIN: which members count
 * is told by `members`, a set that the kind allows. */
struct control {
	unsigned members;
	uint64_t length, offset, retry_s, seq, size, count, from;
	struct digest object;
	char origin[ORIGIN_SIZE];
	char text[ERR_TEXT_SIZE]; /* no control bytes */
	char why[WHY_SIZE];	  /* [a-z-]+ */
};
enum err_code control_write(enum message_kind kind, const struct control *c,
	struct buf *out, struct err *err);
enum err_code control_parse(enum message_kind kind, const void *data,
	size_t len, struct control *out, struct err *err);

/* ---- heads of the binary ones ---- */

/* CHECKPOINT, PACKAGE, PROVED, ENTRIES: u8 length, origin, then bytes of
 * policies/exchange.h. */
void origin_head_write(const char *origin, struct buf *out);
/* The cursor stands behind the head then. */
enum err_code origin_head_read(
	struct cursor *c, char origin[ORIGIN_SIZE], struct err *err);
/* DATA: object, u64 offset, then the bytes. */
void data_head_write(
	const struct digest *object, uint64_t offset, struct buf *out);
enum err_code data_head_read(struct cursor *c, struct digest *object,
	uint64_t *offset, struct err *err);
