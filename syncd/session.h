/* session.h - one sync session as a state machine: bytes in, bytes out.
 *
 * A session does no I/O and keeps no clock.  What it needs of the node it asks
 * for: session_next_ask() hands out an ask, the host runs it on any thread by
 * ask_run() (syncd/replica.c) and brings it back by session_answer().  So two
 * sessions can be driven against each other in memory.  docs/protocol.md has
 * the frames, messages and states.
 */
#pragma once

#include "policies/policies.h"

#define PROTOCOL_VERSION 1
#define FRAME_HEADER_SIZE 8
#define FRAME_SIZE_LIMIT ((size_t)64 << 10) /* header included */
#define FRAME_SLOW_LIMIT ((size_t)16 << 10) /* on slow links */
#define SESSION_WINDOW ((size_t)256 << 10)  /* sent, not acknowledged */
#define SESSION_ROWS_LIMIT 4096
#define SESSION_ASKS_LIMIT 8 /* under way at once */

enum lane { LANE_URGENT, LANE_RECORDS, LANE_ATTACHMENTS };
#define LANE_COUNT 3

enum session_role {
	SESSION_CHILD, /* dials its parent */
	SESSION_PARENT,
};

enum session_state {
	SESSION_HELLO,	    /* waiting for the peer's hello */
	SESSION_GOVERNANCE, /* exchanging heads, nothing else */
	SESSION_OPEN,
	SESSION_RESTART, /* rules were adopted: reconnect at once */
	SESSION_BUSY,	 /* the peer is full: reconnect after retry_s */
	SESSION_CLOSED,
};

struct session;
struct ask; /* docs in replica.h */

struct session_options {
	enum session_role role;
	char peer[CODE_SIZE]; /* the roster's node behind the TLS key, or "" for
			       * a key that is unknown: governance only */
	size_t frame_limit;   /* FRAME_SIZE_LIMIT or FRAME_SLOW_LIMIT */
};

enum err_code session_new(const struct session_options *opt,
	struct session **out, struct err *err);
/* Asks that are out stay valid; end them by ask_free().  Pauses attachments on
 * their way, so call it before node_close().  NULL does nothing. */
void session_free(struct session *s);

/* Bytes of the peer.  An error ends the session: send what session_output()
 * still gives (the reason for the peer), then close. */
enum err_code session_receive(
	struct session *s, const void *data, size_t len, struct err *err);
/* Whether the host should go on reading; false while asks are piled up. */
bool session_wants_input(const struct session *s);
/* Appends at most about `room` bytes of whole frames, lower lanes first. */
enum err_code session_output(
	struct session *s, size_t room, struct buf *out, struct err *err);
/* The next ask to run, or NULL for now; it belongs to the host until
 * session_answer() (which frees it) or ask_free(). */
struct ask *session_next_ask(struct session *s);
enum err_code session_answer(struct session *s, struct ask *a, struct err *err);

/* True when nothing more will come of it (state RESTART, BUSY, CLOSED): send
 * what session_output() still gives, then close. */
bool session_over(const struct session *s);
/* Ends it with a BYE: `why` is a short word of [a-z-], `text` may be empty and
 * is the peer's to read.  Nothing where it has ended. */
void session_end(struct session *s, enum session_state state, const char *why,
	const char *text);
/* Sends a PING, for a link that has been silent; the PONG is bytes received. */
void session_ping(struct session *s);

/* Something changed in the node: own log or a relayed one grew, a cosigned note
 * came, the rules changed.  Cheap; call it often. */
void session_wake(struct session *s);
/* Tries again what found no room on the disk: twice a minute or so. */
void session_retry(struct session *s);

struct session_status {
	enum session_state state;
	uint64_t sent, received; /* bytes of frames */
	uint64_t packages_out, packages_in, entries_out, entries_in;
	uint64_t proved_out, proved_in;
	uint64_t attachment_bytes_out, attachment_bytes_in;
	uint64_t backlog; /* child: entries the parent has not acknowledged */
	uint64_t wanted;  /* attachments asked for or still to ask */
	unsigned retry_s;
	bool complete; /* roots of all logs match at both ends, nothing wanted
			*/
	char waiting_for[256]; /* the first thing in the way, for `why`; in an
				* end state the peer's or our reason */
};
void session_status(const struct session *s, struct session_status *out);
