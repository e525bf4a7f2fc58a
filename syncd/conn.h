/* conn.h - one connection between nodes: TLS below, a session above.
 *
 * The connection pumps bytes between the two and carries the session's asks to
 * the workers.  Who the peer is, and what happens after the end, is for
 * peers.c to say.  Loop's thread only.
 */
#pragma once

#include "syncd/daemon.h"
#include "syncd/session.h"
#include "syncd/tls.h"

struct bufferevent;
struct event;
struct sockaddr;
struct ev_token_bucket_cfg;

#define CONN_HANDSHAKE_S 20
#define CONN_CHECK_S 30 /* how often silence is looked at */
#define CONN_PING_S 60
#define CONN_SILENT_S 180
#define CONN_STRANGER_S 120 /* an unknown key's whole stay */
#define CONN_DRAIN_S 5	    /* for the last words */
#define CONN_LINGER_S 2	    /* for the peer's, after ours */
/* Waiting for TLS, above the kernel's TCP_NOTSENT_LOWAT: what an urgent message
 * has in front of it. */
#define CONN_OUTPUT_LIMIT ((size_t)32 << 10)
#define CONN_OUTPUT_LOW ((size_t)8 << 10)
#define CONN_NOTSENT_LOWAT (16 << 10)

/* The members are read by peers.c; conn.c alone writes them, but for `code`,
 * `label` and the links. */
struct conn {
	struct daemon *d;
	struct conn *prev, *next; /* in peers' list */
	enum session_role role;
	struct sign_public key;	  /* after the handshake */
	char code[CODE_SIZE];	  /* the known peer's, "" for none */
	char label[ADDRESS_SIZE]; /* for the log: its code or its address */
	char address[ADDRESS_SIZE];
	struct bufferevent *bev;
	struct session *session; /* NULL before the handshake's end */
	struct event *timer;
	uint64_t started_ms, heard_ms, pinged_ms;
	int64_t since;
	size_t output_limit; /* one short frame on slow links */
	unsigned asks_out;
	bool said_open; /* the session has been OPEN */
	bool ending;	/* only last words still go out */
	bool lingering; /* they are out */
	bool pumping;
	bool closed;
	char why[ERR_TEXT_SIZE]; /* of the end */
};

/* Takes the accepted `fd` in every case. */
enum err_code conn_accept(struct daemon *d, struct tls *tls, int fd,
	const char *address, struct conn **out, struct err *err);
/* Starts connecting; the outcome comes by peers_admit() or peers_ended(). */
enum err_code conn_dial(struct daemon *d, struct tls *tls,
	const struct sockaddr *to, int to_len, const char *address,
	const struct ev_token_bucket_cfg *limit, struct conn **out,
	struct err *err);
/* Something changed in the node. */
void conn_wake(struct conn *c);
/* Says good-bye: `why` is the word of protocol 3's BYE ("rules": start anew at
 * once), `text` is for people.  What is written goes out, then it closes. */
void conn_end(struct conn *c, const char *why, const char *text);
/* The only end: detaches, tells peers_ended(), frees in a later turn. */
void conn_close(struct conn *c, const char *why);
void conn_status(const struct conn *c, struct session_status *out);
const char *conn_state_name(enum session_state state);
