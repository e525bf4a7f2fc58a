/* conn.c - bytes between TLS and a session, asks between it and workers. */
#include "syncd/conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "syncd/log.h"
#include "syncd/loop.h"
#include "syncd/peers.h"
#include "syncd/session_inside.h"

#define READ_SIZE ((size_t)16 << 10)

/* An ask on its way; the connection waits for it before it is freed. */
struct errand {
	struct conn *conn;
	struct ask *ask;
};

static void pump(struct conn *c);

const char *conn_state_name(enum session_state state)
{
	switch (state) {
	case SESSION_HELLO:
		return "hello";
	case SESSION_GOVERNANCE:
		return "governance";
	case SESSION_OPEN:
		return "open";
	case SESSION_RESTART:
		return "restart";
	case SESSION_BUSY:
		return "busy";
	case SESSION_CLOSED:
		return "closed";
	}
	return "unknown";
}

void conn_status(const struct conn *c, struct session_status *out)
{
	memset(out, 0, sizeof(*out));
	if (c->session)
		session_status(c->session, out);
}

/* ---- the end ---- */

static void on_free(void *arg)
{
	struct conn *c = arg;

	free(c);
}

/* Freed once the last ask is back, and never under a caller's feet. */
static void free_when_idle(struct conn *c)
{
	if (c->asks_out > 0)
		return;
	if (!loop_later(c->d->loop, on_free, c))
		log_error("peer %s: out of memory at its end", c->label);
}

void conn_close(struct conn *c, const char *why)
{
	if (c->closed)
		return;
	c->closed = true;
	if (!c->why[0])
		strncpy(c->why, why, sizeof(c->why) - 1);
	peers_ended(c->d->peers, c);
	/* bufferevent_free() sends no close_notify. */
	if (c->session && !c->lingering)
		tls_say_last_bye(bufferevent_openssl_get_ssl(c->bev));
	bufferevent_free(c->bev);
	c->bev = NULL;
	event_free(c->timer);
	c->timer = NULL;
	session_free(c->session);
	c->session = NULL;
	free_when_idle(c);
}

static void set_timer(struct conn *c, int seconds)
{
	struct timeval in = {.tv_sec = seconds};

	(void)event_add(c->timer, &in);
}

void conn_end(struct conn *c, const char *why, const char *text)
{
	if (c->closed || c->ending)
		return;
	c->ending = true;
	strncpy(c->why, text, sizeof(c->why) - 1);
	if (!c->session) {
		conn_close(c, text);
		return;
	}
	/* Nothing where the session has ended by itself. */
	session_end(c->session, SESSION_CLOSED, why, text);
	bufferevent_disable(c->bev, EV_READ);
	set_timer(c, CONN_DRAIN_S);
	pump(c);
}

/* ---- asks ---- */

static void on_errand(void *arg)
{
	struct errand *e = arg;
	struct conn *c = e->conn;

	ask_run(e->ask, c->d->node, c->d->writer);
}

/* A relay is asked for attachments before they have come to it, and a peer for
 * what it need not have. */
static bool is_usual(const struct ask *a)
{
	return (a->kind == ASK_GIVE_RANGE || a->kind == ASK_GIVE_ENTRIES) &&
		a->rc == ERR_NOT_FOUND;
}

static void on_errand_done(void *arg)
{
	struct errand *e = arg;
	struct conn *c = e->conn;
	struct ask *ask = e->ask;
	struct err err;

	free(e);
	c->asks_out--;
	if (ask_problem(ask) && !is_usual(ask))
		log_warn("peer %s: %s: %s", c->label, ask_text(ask),
			ask_problem(ask));
	if (ask_news(ask))
		log_warn("node: %s", ask_news(ask));
	if (ask_changed(ask))
		daemon_changed(c->d);
	if (c->closed) {
		ask_free(ask);
		free_when_idle(c);
		return;
	}
	if (session_answer(c->session, ask, &err) != ERR_OK)
		conn_end(c, "error", err.text);
	else
		pump(c);
}

/* false: not even one more job can be noted down; the session ends then. */
static bool send_out(struct conn *c, struct ask *ask)
{
	struct errand *e = malloc(sizeof(*e));

	if (!e)
		return false;
	*e = (struct errand){c, ask};
	if (!loop_job(c->d->loop, on_errand, on_errand_done, e)) {
		free(e);
		return false;
	}
	c->asks_out++;
	return true;
}

static void take_asks(struct conn *c)
{
	struct ask *ask;

	while (!c->ending && (ask = session_next_ask(c->session))) {
		if (!send_out(c, ask)) {
			ask_free(ask);
			conn_end(
				c, "overloaded", "this node is out of workers");
		}
	}
}

/* ---- bytes ---- */

static void take_input(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	uint8_t bytes[READ_SIZE];
	struct err err;
	int n;

	while (!c->ending && session_wants_input(c->session) &&
		(n = evbuffer_remove(in, bytes, sizeof(bytes))) > 0) {
		c->heard_ms = time_mono_ms();
		if (session_receive(c->session, bytes, (size_t)n, &err))
			conn_end(c, "error", err.text);
	}
}

/* Fills up to the limit, so that what becomes urgent later waits for no
 * more than that.  false: there is nothing to send. */
static bool give_output(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	size_t waiting = evbuffer_get_length(out);
	struct buf bytes = BUF_EMPTY;
	struct err err;

	if (waiting < c->output_limit) {
		if (session_output(c->session, c->output_limit - waiting,
			    &bytes, &err))
			log_warn("peer %s: %s", c->label, err.text);
		if (bytes.len > 0 &&
			bufferevent_write(c->bev, bytes.data, bytes.len))
			log_warn("peer %s: out of memory", c->label);
		buf_free(&bytes);
	}
	return evbuffer_get_length(out) > 0;
}

static void note_open(struct conn *c)
{
	struct session_status st;

	session_status(c->session, &st);
	if (st.state != SESSION_OPEN || c->said_open)
		return;
	c->said_open = true;
	log_info("peer %s: " LINE_OPEN, c->label);
	peers_opened(c->d->peers, c);
}

/* Bytes of the peer that nobody reads would make the kernel reset the link, and
 * with it our last words: so this end says that it is through, and hears the
 * other one out. */
static void linger(struct conn *c)
{
	c->lingering = true;
	tls_say_bye(bufferevent_openssl_get_ssl(c->bev));
	(void)shutdown((int)bufferevent_getfd(c->bev), SHUT_WR);
	bufferevent_enable(c->bev, EV_READ);
	set_timer(c, CONN_LINGER_S);
}

static void drain_input(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	evbuffer_drain(in, evbuffer_get_length(in));
}

/* Moves all that can move.  Not entered twice: a session's answer may lead back
 * here through conn_end(). */
static void pump(struct conn *c)
{
	struct session_status st;
	bool more;

	if (c->closed || c->pumping || !c->session)
		return;
	if (c->lingering) {
		drain_input(c);
		return;
	}
	c->pumping = true;
	take_input(c);
	take_asks(c);
	note_open(c);
	more = give_output(c);
	if (session_over(c->session) && !c->ending) {
		session_status(c->session, &st);
		c->ending = true;
		strncpy(c->why, st.waiting_for, sizeof(c->why) - 1);
		set_timer(c, CONN_DRAIN_S);
	}
	if (c->ending || !session_wants_input(c->session))
		bufferevent_disable(c->bev, EV_READ);
	else
		bufferevent_enable(c->bev, EV_READ);
	c->pumping = false;
	if (c->ending && !more)
		linger(c);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	pump(arg);
}

static void on_writable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	pump(arg);
}

void conn_wake(struct conn *c)
{
	if (c->closed || c->ending || !c->session)
		return;
	session_wake(c->session);
	pump(c);
}

/* ---- the link ---- */

static void set_socket(struct conn *c)
{
	int fd = (int)bufferevent_getfd(c->bev), on = 1;
	int lowat = CONN_NOTSENT_LOWAT;

	/* Without either the link works, only slower. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(
		fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

static enum err_code start_session(struct conn *c, struct err *err)
{
	struct session_options opt = {.role = c->role};
	enum err_code rc;

	if ((rc = tls_peer(
		     bufferevent_openssl_get_ssl(c->bev), &c->key, err)) ||
		(rc = peers_admit(c->d->peers, c, err)))
		return rc;
	memcpy(opt.peer, c->code, sizeof(opt.peer));
	opt.frame_limit = peers_frame_limit(c->d->peers, c);
	c->output_limit = opt.frame_limit < CONN_OUTPUT_LIMIT
		? opt.frame_limit
		: CONN_OUTPUT_LIMIT;
	return session_new(&opt, &c->session, err);
}

static void on_connected(struct conn *c)
{
	struct err err;

	set_socket(c);
	c->heard_ms = time_mono_ms();
	if (start_session(c, &err) != ERR_OK) {
		conn_close(c, err.text);
		return;
	}
	bufferevent_setwatermark(c->bev, EV_WRITE, CONN_OUTPUT_LOW, 0);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	set_timer(c, CONN_CHECK_S);
	pump(c);
}

static const char *broken_text(struct conn *c, short what)
{
	int socket_error = EVUTIL_SOCKET_ERROR();
	unsigned long e = bufferevent_get_openssl_error(c->bev);
	const char *reason = tls_reason(e);

	if (what & BEV_EVENT_EOF)
		return "the peer closed the link";
	if (reason)
		return reason;
	if (!e && socket_error && socket_error != EAGAIN)
		return evutil_socket_error_to_string(socket_error);
	return "the link is gone";
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		on_connected(c);
		return;
	}
	/* What came before the end still counts. */
	pump(c);
	if (!c->closed)
		conn_close(c, broken_text(c, what));
}

/* A child's PING asks about orders, too: what else it hears is no answer. */
static void ping_in_time(struct conn *c, uint64_t now)
{
	uint64_t since = c->role == SESSION_CHILD ? c->pinged_ms : c->heard_ms;

	if (now - since < CONN_PING_S * 1000)
		return;
	session_ping(c->session);
	c->pinged_ms = now;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	uint64_t now = time_mono_ms();

	(void)fd;
	(void)what;
	if (!c->session)
		conn_close(c, "no TLS handshake in time");
	else if (c->ending)
		conn_close(c, "");
	else if (!c->code[0] && now - c->started_ms >= CONN_STRANGER_S * 1000)
		conn_end(c, "stranger", "an unknown key has stayed enough");
	else if (session_wants_input(c->session) &&
		now - c->heard_ms >= CONN_SILENT_S * 1000)
		conn_close(c, "silent for too long");
	else {
		ping_in_time(c, now);
		session_retry(c->session);
		set_timer(c, CONN_CHECK_S);
		pump(c);
	}
}

static struct conn *new_conn(
	struct daemon *d, enum session_role role, const char *address)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->d = d;
	c->role = role;
	c->started_ms = c->heard_ms = c->pinged_ms = time_mono_ms();
	c->since = time_now();
	strncpy(c->address, address, sizeof(c->address) - 1);
	memcpy(c->label, c->address, sizeof(c->label));
	c->timer = evtimer_new(loop_base(d->loop), on_timer, c);
	if (!c->timer) {
		free(c);
		return NULL;
	}
	return c;
}

static enum err_code open_link(struct conn *c, struct tls *tls, int fd,
	enum tls_side side, struct err *err)
{
	struct ssl_st *ssl = tls_connection(tls, side);

	/* Freeing the bufferevent frees the SSL and closes the socket. */
	if (ssl)
		c->bev = bufferevent_openssl_socket_new(loop_base(c->d->loop),
			fd, ssl,
			side == TLS_ACCEPTS ? BUFFEREVENT_SSL_ACCEPTING
					    : BUFFEREVENT_SSL_CONNECTING,
			BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev) {
		if (ssl)
			tls_drop(ssl);
		return err_nomem(err);
	}
	bufferevent_setcb(c->bev, on_readable, on_writable, on_event, c);
	set_timer(c, CONN_HANDSHAKE_S);
	return ERR_OK;
}

static void drop_new(struct conn *c)
{
	if (!c)
		return;
	if (c->bev)
		bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

enum err_code conn_accept(struct daemon *d, struct tls *tls, int fd,
	const char *address, struct conn **out, struct err *err)
{
	struct conn *c = new_conn(d, SESSION_PARENT, address);
	enum err_code rc;

	if (!c || (rc = open_link(c, tls, fd, TLS_ACCEPTS, err))) {
		evutil_closesocket(fd);
		drop_new(c);
		return err_nomem(err);
	}
	*out = c;
	return ERR_OK;
}

enum err_code conn_dial(struct daemon *d, struct tls *tls,
	const struct sockaddr *to, int to_len, const char *address,
	const struct ev_token_bucket_cfg *limit, struct conn **out,
	struct err *err)
{
	struct conn *c = new_conn(d, SESSION_CHILD, address);
	enum err_code rc;

	if (!c)
		return err_nomem(err);
	if ((rc = open_link(c, tls, -1, TLS_DIALS, err)))
		goto out;
	if (limit)
		(void)bufferevent_set_rate_limit(
			c->bev, (struct ev_token_bucket_cfg *)limit);
	if (bufferevent_socket_connect(c->bev, to, to_len)) {
		rc = err_sys(err, "connect to %s", address);
		goto out;
	}
	*out = c;
	c = NULL;
out:
	drop_new(c);
	return rc;
}
