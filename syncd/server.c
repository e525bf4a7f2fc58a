/* server.c - HTTP/1.1 on bufferevents.
 *
 * evhttp knows neither how many connections there are nor a deadline for a
 * whole request, and streams without telling when a client is gone.
 */
#include "syncd/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syncd/log.h"

struct client;

struct exchange {
	struct server *server;
	struct client *client; /* NULL: gone */
	struct buf head;       /* what `request` borrows from */
	struct request request;
	struct buf body;
	struct buf headers; /* of the answer */
	loop_fn *gone;
	void *gone_arg;
	loop_fn *pull; /* while streaming */
	void *pull_arg;
};

enum client_state { READING_HEAD, READING_BODY, ANSWERING, CLOSING };

struct client {
	struct server *server;
	struct client *prev, *next;
	struct bufferevent *bev;
	struct event *deadline;
	enum client_state state;
	struct exchange *x;
	bool keep_alive;
	bool known; /* `uid` is who connected */
	uid_t uid;
	bool in_reader; /* the loop of read_requests() runs */
	bool broken;	/* close it once that is back */
};

struct server {
	struct loop *loop;
	struct server_options opt;
	struct evconnlistener *listener;
	struct client *first;
	size_t clients, exchanges;
};

/* ---- exchanges ---- */

static void exchange_free(struct exchange *x)
{
	x->server->exchanges--;
	if (x->client)
		x->client->x = NULL;
	buf_free(&x->head);
	buf_free(&x->body);
	buf_free(&x->headers);
	free(x);
}

const struct request *exchange_request(const struct exchange *x)
{
	return &x->request;
}

struct buf *exchange_body(struct exchange *x)
{
	return &x->body;
}

bool exchange_uid(const struct exchange *x, uid_t *out)
{
	if (!x->client || !x->client->known)
		return false;
	*out = x->client->uid;
	return true;
}

bool exchange_gone(const struct exchange *x)
{
	return !x->client;
}

void exchange_on_gone(struct exchange *x, loop_fn *gone, void *arg)
{
	x->gone = gone;
	x->gone_arg = arg;
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
	buf_printf(&x->headers, "%s: %s\r\n", name, value);
}

size_t server_exchanges(const struct server *s)
{
	return s->exchanges;
}

/* ---- clients ---- */

static void client_free(struct client *c)
{
	struct server *s = c->server;
	struct exchange *x = c->x;

	if (c->prev)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->clients--;
	bufferevent_free(c->bev);
	event_free(c->deadline);
	free(c);
	if (x) {
		x->client = NULL;
		if (x->gone)
			x->gone(x->gone_arg);
	}
}

/* Not under the feet of read_requests(). */
static void client_drop(struct client *c)
{
	if (c->in_reader)
		c->broken = true;
	else
		client_free(c);
}

static void set_deadline(struct client *c, int seconds)
{
	struct timeval in = {.tv_sec = seconds};

	(void)event_add(c->deadline, &in);
}

static const char *reason(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 413:
		return "Content Too Large";
	case 503:
		return "Service Unavailable";
	case 507:
		return "Insufficient Storage";
	default:
		return "Internal Server Error";
	}
}

static void write_head(struct client *c, unsigned status, const char *type,
	uint64_t length, const struct buf *headers)
{
	evbuffer_add_printf(bufferevent_get_output(c->bev),
		"HTTP/1.1 %u %s\r\nContent-Type: %s\r\n"
		"Content-Length: %" PRIu64 "\r\n%s%.*s\r\n",
		status, reason(status), type, length,
		c->keep_alive ? "" : "Connection: close\r\n", (int)headers->len,
		headers->len ? (const char *)headers->data : "");
}

static void read_requests(struct client *c);

/* The answer is in the output buffer: the next request, or the end. */
static void finish(struct client *c)
{
	c->x = NULL;
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	if (!c->keep_alive) {
		c->state = CLOSING;
		event_del(c->deadline);
		if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
			client_drop(c);
		return;
	}
	c->state = READING_HEAD;
	set_deadline(c, SERVER_HEAD_S);
	read_requests(c);
}

static void free_bytes(const void *data, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	free((void *)data);
}

void exchange_reply(
	struct exchange *x, unsigned status, const char *type, struct buf *body)
{
	struct client *c = x->client;

	if (!c || body->failed || x->headers.failed) {
		buf_free(body);
		exchange_free(x);
		if (c) {
			log_warn("%s: out of memory", c->server->opt.name);
			client_drop(c);
		}
		return;
	}
	write_head(c, status, type, body->len, &x->headers);
	if (body->len > 0 && x->request.method != METHOD_HEAD &&
		evbuffer_add_reference(bufferevent_get_output(c->bev),
			body->data, body->len, free_bytes, NULL) == 0)
		*body = BUF_EMPTY;
	buf_free(body);
	exchange_free(x);
	finish(c);
}

unsigned exchange_status(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return 200;
	case ERR_USAGE:
	case ERR_INVALID:
	case ERR_PROTOCOL:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_FORK:
		return 409;
	case ERR_ERASED:
		return 410;
	case ERR_LIMIT:
		return 413;
	case ERR_BUSY:
	case ERR_CORRUPT: /* until it is mended */
		return 503;
	case ERR_FULL:
		return 507;
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_INTERNAL:
		return 500;
	}
	return 500;
}

void exchange_error_text(struct buf *out, enum err_code code, const char *text)
{
	buf_printf(
		out, "{\"error\":{\"code\":\"%s\",\"text\":", err_name(code));
	json_write_string(out, text, strlen(text));
	buf_str(out, "}");
}

void exchange_error(struct exchange *x, enum err_code code, const char *text)
{
	struct buf body = BUF_EMPTY;

	exchange_error_text(&body, code, text);
	buf_str(&body, "}\n");
	exchange_reply(x, exchange_status(code), "application/json", &body);
}

/* ---- streams ---- */

void exchange_begin(struct exchange *x, const char *type, uint64_t length,
	loop_fn *pull, void *arg)
{
	struct client *c = x->client;

	x->pull = pull;
	x->pull_arg = arg;
	if (!c)
		return;
	bufferevent_setwatermark(c->bev, EV_WRITE, SERVER_OUTPUT_LOW, 0);
	write_head(c, 200, type, length, &x->headers);
}

void exchange_write(struct exchange *x, const void *data, size_t len)
{
	if (x->client && bufferevent_write(x->client->bev, data, len))
		log_warn("%s: out of memory", x->server->opt.name);
}

void exchange_end(struct exchange *x)
{
	struct client *c = x->client;

	exchange_free(x);
	if (c)
		finish(c);
}

void exchange_abort(struct exchange *x)
{
	struct client *c = x->client;

	exchange_free(x);
	if (c)
		client_drop(c);
}

/* ---- reading requests ---- */

static struct exchange *exchange_new(struct client *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->server = c->server;
	x->client = c;
	c->x = x;
	c->server->exchanges++;
	return x;
}

/* Nothing that comes behind a bad request can be trusted to be one. */
static void refuse(struct client *c, enum err_code code, const char *text)
{
	c->keep_alive = false;
	c->state = ANSWERING;
	exchange_error(c->x, code, text);
}

static void take_body_limit(struct client *c)
{
	struct server_options *opt = &c->server->opt;
	struct request *r = &c->x->request;
	uint64_t limit = opt->body_limit ? opt->body_limit(opt->arg, r) : 0;
	char text[128];

	/* The handler says why (405 where it is the method), the body is not
	 * read and the connection ends. */
	if (r->length > 0 && limit == 0 && r->method != METHOD_GET) {
		c->keep_alive = false;
		c->state = ANSWERING;
		c->server->opt.handler(c->server->opt.arg, c->x);
		return;
	}
	if (r->length > limit) {
		snprintf(text, sizeof(text),
			"body of %" PRIu64 " bytes, limit %" PRIu64, r->length,
			limit);
		refuse(c, ERR_LIMIT, text);
		return;
	}
	c->state = READING_BODY;
	set_deadline(c, SERVER_BODY_S);
	if (r->expects_continue && r->length > 0)
		evbuffer_add_printf(bufferevent_get_output(c->bev),
			"HTTP/1.1 100 Continue\r\n\r\n");
}

/* true: go on. */
static bool read_head(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	struct exchange *x;
	struct err err;
	enum err_code rc;
	size_t len = end.pos >= 0 ? (size_t)end.pos + 4 : 0;

	if (len == 0 && evbuffer_get_length(in) <= REQUEST_HEAD_LIMIT)
		return false;
	x = exchange_new(c);
	if (!x) {
		c->broken = true;
		return false;
	}
	if (len <= REQUEST_HEAD_LIMIT && !buf_reserve(&x->head, len + 1)) {
		exchange_free(x);
		c->broken = true;
		return false;
	}
	if (len == 0 || len > REQUEST_HEAD_LIMIT) {
		refuse(c, ERR_LIMIT, "http: the head is too long");
		return false;
	}
	evbuffer_remove(in, x->head.data, len);
	x->head.len = len;
	if ((rc = request_parse(x->head.data, len, &x->request, &err))) {
		refuse(c, rc, err.text);
		return false;
	}
	c->keep_alive = x->request.keep_alive;
	take_body_limit(c);
	return c->state == READING_BODY;
}

static bool read_body(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct exchange *x = c->x;
	size_t want = (size_t)x->request.length - x->body.len;
	size_t here = evbuffer_get_length(in);
	size_t n = here < want ? here : want;

	/* Memory grows with what came, not with what was announced. */
	if (n > 0) {
		if (!buf_reserve(&x->body, n)) {
			c->broken = true;
			return false;
		}
		evbuffer_remove(in, x->body.data + x->body.len, n);
		x->body.len += n;
	}
	if (n < want)
		return false;
	c->state = ANSWERING;
	event_del(c->deadline);
	c->server->opt.handler(c->server->opt.arg, x);
	return true;
}

/* A handler may answer at once, and then there may be a next request: a loop,
 * not a recursion. */
static void read_requests(struct client *c)
{
	bool more = true;

	if (c->in_reader)
		return;
	c->in_reader = true;
	while (more && !c->broken) {
		if (c->state == READING_HEAD)
			more = read_head(c);
		else if (c->state == READING_BODY)
			more = read_body(c);
		else
			more = false;
	}
	c->in_reader = false;
	if (c->broken)
		client_free(c);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	/* A client may send the next request early, but not pile them up. */
	if (c->state >= ANSWERING &&
		evbuffer_get_length(bufferevent_get_input(bev)) >
			REQUEST_HEAD_LIMIT)
		client_drop(c);
	else
		read_requests(c);
}

static void on_writable(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (c->state == CLOSING)
		client_drop(c);
	else if (c->x && c->x->pull)
		c->x->pull(c->x->pull_arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	client_drop(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)what;
	/* A handler never saw what is incomplete. */
	if (c->x)
		exchange_free(c->x);
	client_drop(c);
}

/* As it was when it connected; a peer by TCP has none. */
static bool peer_uid(int fd, uid_t *out)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
		peer.pid == 0)
		return false;
	*out = peer.uid;
	return true;
}

/* Somebody who only may look must not keep those out who put. */
static bool has_room(const struct server *s, bool known, uid_t uid)
{
	size_t each = 0, others = 0;

	if (s->clients >= s->opt.connections)
		return false;
	if (!s->opt.each || !known || uid == 0 || uid == geteuid())
		return true;
	for (const struct client *c = s->first; c; c = c->next) {
		others += c->known && c->uid != 0 && c->uid != geteuid();
		each += c->known && c->uid == uid;
	}
	return each < s->opt.each && others < s->opt.others;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *from, int from_len, void *arg)
{
	struct server *s = arg;
	struct timeval write_within = {.tv_sec = SERVER_WRITE_S};
	struct client *c = NULL;
	uid_t uid = 0;
	bool known = peer_uid(fd, &uid);

	(void)listener;
	(void)from;
	(void)from_len;
	if (has_room(s, known, uid))
		c = calloc(1, sizeof(*c));
	if (!c) {
		evutil_closesocket(fd);
		return;
	}
	c->server = s;
	c->known = known;
	c->uid = uid;
	c->bev = bufferevent_socket_new(
		loop_base(s->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = evtimer_new(loop_base(s->loop), on_deadline, c);
	if (!c->bev || !c->deadline) {
		if (c->bev)
			bufferevent_free(c->bev);
		else
			evutil_closesocket(fd);
		if (c->deadline)
			event_free(c->deadline);
		free(c);
		return;
	}
	c->next = s->first;
	if (s->first)
		s->first->prev = c;
	s->first = c;
	s->clients++;
	bufferevent_setcb(c->bev, on_readable, on_writable, on_event, c);
	bufferevent_set_timeouts(c->bev, NULL, &write_within);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	set_deadline(c, SERVER_HEAD_S);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct server *s = arg;

	(void)listener;
	log_warn("%s: cannot accept: %s", s->opt.name, strerror(errno));
}

enum err_code server_new(struct loop *loop, int fd,
	const struct server_options *opt, struct server **out, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return err_nomem(err);
	}
	s->loop = loop;
	s->opt = *opt;
	evutil_make_socket_nonblocking(fd);
	s->listener = evconnlistener_new(loop_base(loop), on_accept, s,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 128, fd);
	if (!s->listener) {
		close(fd);
		free(s);
		return err_sys(err, "%s: listen", opt->name);
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*out = s;
	return ERR_OK;
}

void server_stop(struct server *s)
{
	if (s)
		evconnlistener_disable(s->listener);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (s->first) {
		/* Half a request that no handler has seen. */
		if (s->first->x && s->first->state < ANSWERING)
			exchange_free(s->first->x);
		client_free(s->first);
	}
	evconnlistener_free(s->listener);
	free(s);
}
