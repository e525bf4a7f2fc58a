/* server.h - a small HTTP/1.1 server over one listening socket.
 *
 * Bounded in all a client says: connections, head, body, time to say it, time
 * to listen.  One request at a time on a connection.  A handler gets an
 * exchange and answers it now or later, once, by exchange_reply() or one of its
 * sisters; until then the exchange is valid even when the client has gone.
 * Loop's thread only.
 */
#pragma once

#include <sys/types.h>

#include "syncd/loop.h"
#include "syncd/request.h"

#define SERVER_HEAD_S 30  /* for a request's head, also between requests */
#define SERVER_BODY_S 120 /* for its body */
#define SERVER_WRITE_S 60 /* without progress */
#define SERVER_OUTPUT_LOW ((size_t)64 << 10)

struct server;
struct exchange;

typedef void server_handler(void *arg, struct exchange *x);
struct server_options {
	const char *name;   /* for the log */
	size_t connections; /* at once; more are closed */
	/* Of those, of one account that is neither root nor the daemon's, and
	 * of all such accounts together; 0: no such bound. */
	size_t each, others;
	server_handler *handler;
	/* Bytes that a body may have; may be NULL: none. */
	uint64_t (*body_limit)(void *arg, const struct request *r);
	void *arg;
};

/* Takes the listening socket `fd` in every case. */
enum err_code server_new(struct loop *loop, int fd,
	const struct server_options *opt, struct server **out, struct err *err);
void server_stop(struct server *s); /* accepts no more */
/* Closes all; exchanges under way must have been answered. */
void server_free(struct server *s);
size_t server_exchanges(const struct server *s); /* not yet answered */

/* ---- an exchange ---- */

const struct request *exchange_request(const struct exchange *x);
/* The body; the handler may take it by leaving BUF_EMPTY there. */
struct buf *exchange_body(struct exchange *x);
/* Who is at the other end of a Unix socket.  false: it cannot be told. */
bool exchange_uid(const struct exchange *x, uid_t *out);
/* The client went away: what is answered goes nowhere. */
bool exchange_gone(const struct exchange *x);
/* Called when the client goes before the answer.  The handler still owes it;
 * `gone` may answer at once. */
void exchange_on_gone(struct exchange *x, loop_fn *gone, void *arg);
/* A header line "Name: value" of the answer to come. */
void exchange_header(struct exchange *x, const char *name, const char *value);

/* Answers and frees the exchange; takes the bytes of `body`. */
void exchange_reply(struct exchange *x, unsigned status, const char *type,
	struct buf *body);
/* {"error":{"code","text"}} with the status that fits the code. */
void exchange_error(struct exchange *x, enum err_code code, const char *text);
/* The same with further members: appends the object without its last brace. */
void exchange_error_text(struct buf *out, enum err_code code, const char *text);
unsigned exchange_status(enum err_code code);
/* Answers in pieces of `length` bytes together: exchange_write() each time that
 * `pull` is called, which is when the client has taken nearly all; *done* by
 * exchange_end(), or exchange_abort() when the rest cannot be had. */
void exchange_begin(struct exchange *x, const char *type, uint64_t length,
	loop_fn *pull, void *arg);
void exchange_write(struct exchange *x, const void *data, size_t len);
void exchange_end(struct exchange *x);
void exchange_abort(struct exchange *x);
