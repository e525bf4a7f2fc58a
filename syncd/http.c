/* http.c - routes of loopback HTTP; feeds that wait; attachments in pieces. */
#include "syncd/http.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syncd/address.h"
#include "syncd/feed.h"
#include "syncd/log.h"
#include "syncd/loop.h"
#include "syncd/metrics.h"
#include "syncd/server.h"
#include "syncd/tlog.h"

#define PIECE ATTACHMENT_CHUNK
#define TARGET_SIZE 256
#define JSON_TYPE "application/json"
#define NDJSON_TYPE "application/x-ndjson"
#define IMMUTABLE "public, max-age=31536000, immutable"

/* One request on its way through a worker.  The worker reads what stands above
 * the answer and writes the answer; the loop's thread has the rest. */
struct job {
	struct http *http;
	struct exchange *x;
	struct job *prev, *next; /* while parked */
	bool parked, working;
	struct event *deadline;
	bool late; /* the time to wait is over */

	enum err_code (*read)(struct job *j, struct err *err);
	bool has_token;
	struct digest token;
	struct rules *rules;
	struct grant grant;
	char target[TARGET_SIZE]; /* the path behind the route */
	struct feed_query query;

	struct provided_list given; /* personal data in the answer */
	bool noted;		    /* a record tells of it */

	struct feed_cursor at; /* feed: how far it has come */
	bool placed, more;
	size_t lines;
	uint64_t seen; /* arrivals when it was read */

	enum err_code rc;
	struct err err;
	bool unauthorized, stale;
	const char *type;
	const char *cache; /* Cache-Control, or NULL */
	struct buf body;

	struct attachment_reader *file; /* an answer in pieces */
	uint64_t file_size, file_at;
	uint8_t *piece;
	size_t piece_len;
};

struct http {
	struct daemon *d;
	struct server *server;
	struct job *parked;
	size_t parked_count, jobs;
	bool stopping;
};

size_t http_busy(const struct http *h)
{
	return h ? server_exchanges(h->server) : 0;
}

/* ---- jobs ---- */

static void job_free(struct job *j)
{
	j->http->jobs--;
	if (j->deadline)
		event_free(j->deadline);
	attachment_close(j->file);
	rules_unref(j->rules);
	buf_free(&j->body);
	provided_free(&j->given);
	free(j->piece);
	free(j);
}

static void unpark(struct job *j)
{
	struct http *h = j->http;

	if (!j->parked)
		return;
	j->parked = false;
	h->parked_count--;
	if (j->prev)
		j->prev->next = j->next;
	else
		h->parked = j->next;
	if (j->next)
		j->next->prev = j->prev;
}

static void park(struct job *j)
{
	struct http *h = j->http;

	j->parked = true;
	h->parked_count++;
	j->prev = NULL;
	j->next = h->parked;
	if (h->parked)
		h->parked->prev = j;
	h->parked = j;
}

static void answer_stale(struct job *j)
{
	struct feed_cursor start;
	char cursor[FEED_CURSOR_SIZE];

	feed_start(j->http->d->node, &j->grant, &j->query, &start);
	feed_cursor_write(&start, cursor);
	buf_clear(&j->body);
	exchange_error_text(&j->body, ERR_EXISTS, j->err.text);
	buf_printf(&j->body, ",\"restart\":\"%s\"}\n", cursor);
	exchange_reply(j->x, 409, JSON_TYPE, &j->body);
}

static void answer_unauthorized(struct job *j)
{
	buf_clear(&j->body);
	exchange_error_text(&j->body, ERR_DENIED, j->err.text);
	buf_str(&j->body, "}\n");
	exchange_header(j->x, "WWW-Authenticate", "Bearer");
	exchange_reply(j->x, 401, JSON_TYPE, &j->body);
}

/* Damage is told once, not to each that asks. */
static void note_feed(const struct job *j)
{
	struct daemon *d = j->http->d;
	uint64_t next = j->at.arrival + 1;

	if (j->rc == ERR_CORRUPT && d->feed_held != next) {
		log_warn("http: %s", j->err.text);
		d->feed_held = next;
		memcpy(d->feed_held_text, j->err.text,
			sizeof(d->feed_held_text));
	} else if (j->rc == ERR_OK && next > d->feed_held) {
		d->feed_held = 0;
	}
}

static void answer(struct job *j)
{
	char cursor[FEED_CURSOR_SIZE];

	if (j->placed)
		note_feed(j);

	if (j->unauthorized) {
		answer_unauthorized(j);
	} else if (j->stale) {
		answer_stale(j);
	} else if (j->rc) {
		if (exchange_status(j->rc) == 500 ||
			(j->rc == ERR_CORRUPT && !j->placed))
			log_warn("http: %s", j->err.text);
		exchange_error(j->x, j->rc, j->err.text);
	} else {
		if (j->placed) {
			feed_cursor_write(&j->at, cursor);
			exchange_header(j->x, "Cundang-Cursor", cursor);
		}
		exchange_header(j->x, "Cache-Control",
			j->cache ? j->cache : "no-store");
		exchange_reply(j->x, 200, j->type, &j->body);
	}
	job_free(j);
}

static void on_work(void *arg);
static void on_worked(void *arg);

static void submit(struct job *j)
{
	struct http *h = j->http;

	j->working = true;
	if (loop_job(h->d->loop, on_work, on_worked, j))
		return;
	j->working = false;
	exchange_error(j->x, ERR_BUSY, "this node is out of workers");
	job_free(j);
}

/* Nothing leaves that is not on record (policies/provision.h). */
static enum err_code put_on_record(struct job *j, struct err *err)
{
	struct daemon *d = j->http->d;
	const struct provision_to to = {.consumer = j->grant.name};

	return provision_note(
		d->node, d->writer, &to, &j->given, &j->noted, err);
}

/* By the rules of now: a token can be withdrawn while its feed waits. */
static void on_work(void *arg)
{
	struct job *j = arg;

	rules_unref(j->rules);
	j->rules = node_rules(j->http->d->node);
	j->rc = grant_find(
		j->rules, j->has_token ? &j->token : NULL, &j->grant, &j->err);
	j->unauthorized = j->rc != ERR_OK;
	if (j->rc == ERR_OK)
		j->rc = j->read(j, &j->err);
	if (j->rc == ERR_OK)
		j->rc = put_on_record(j, &j->err);
}

/* ---- attachments in pieces ---- */

static void on_piece_work(void *arg)
{
	struct job *j = arg;

	j->rc = attachment_read(
		j->file, j->file_at, j->piece, PIECE, &j->piece_len, &j->err);
	if (j->rc == ERR_OK && j->piece_len == 0)
		j->rc = err_set(&j->err, ERR_CORRUPT, "attachment ends early");
}

static void on_piece(void *arg)
{
	struct job *j = arg;

	j->working = false;
	if (exchange_gone(j->x) || j->rc) {
		if (j->rc)
			log_warn("http: %s", j->err.text);
		exchange_abort(j->x);
		job_free(j);
		return;
	}
	exchange_write(j->x, j->piece, j->piece_len);
	j->file_at += j->piece_len;
	if (j->file_at == j->file_size) {
		exchange_end(j->x);
		job_free(j);
	}
}

static void on_pull(void *arg)
{
	struct job *j = arg;

	if (j->working)
		return;
	j->working = true;
	if (loop_job(j->http->d->loop, on_piece_work, on_piece, j))
		return;
	exchange_abort(j->x);
	job_free(j);
}

static void on_reader_gone(void *arg)
{
	struct job *j = arg;

	if (j->working)
		return; /* on_piece() will see it */
	exchange_abort(j->x);
	job_free(j);
}

static void answer_file(struct job *j)
{
	exchange_header(j->x, "Cache-Control", IMMUTABLE);
	exchange_on_gone(j->x, on_reader_gone, j);
	exchange_begin(j->x, j->type, j->file_size, on_pull, j);
	if (exchange_request(j->x)->method == METHOD_HEAD ||
		j->file_size == 0) {
		exchange_end(j->x);
		job_free(j);
	} else if (exchange_gone(j->x)) {
		exchange_abort(j->x);
		job_free(j);
	}
}

/* ---- feeds that wait ---- */

static bool may_wait(const struct job *j)
{
	return j->placed && j->rc == ERR_OK && j->lines == 0 && !j->more &&
		j->query.wait_s > 0 && !j->late && !j->http->stopping &&
		!exchange_gone(j->x) &&
		j->http->parked_count < HTTP_PARKED_LIMIT;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;

	(void)fd;
	(void)what;
	j->late = true;
	if (j->parked) {
		unpark(j);
		answer(j);
	}
}

static void on_waiter_gone(void *arg)
{
	struct job *j = arg;

	if (j->parked) {
		unpark(j);
		answer(j);
	}
}

static bool set_deadline(struct job *j)
{
	struct timeval in = {.tv_sec = (time_t)j->query.wait_s};

	if (j->deadline)
		return true;
	j->deadline = evtimer_new(loop_base(j->http->d->loop), on_late, j);
	return j->deadline && event_add(j->deadline, &in) == 0;
}

static void on_worked(void *arg)
{
	struct job *j = arg;

	j->working = false;
	if (j->noted)
		daemon_changed(j->http->d);
	j->noted = false;
	if (j->rc == ERR_OK && j->file) {
		answer_file(j);
	} else if (may_wait(j) && set_deadline(j)) {
		exchange_on_gone(j->x, on_waiter_gone, j);
		/* What came while it was read has woken nobody. */
		if (store_arrivals(j->http->d->node->store) > j->seen)
			submit(j);
		else
			park(j);
	} else {
		answer(j);
	}
}

void http_changed(struct http *h)
{
	uint64_t arrivals;
	struct job *next;

	if (!h || !h->parked)
		return;
	arrivals = store_arrivals(h->d->node->store);
	for (struct job *j = h->parked; j; j = next) {
		next = j->next;
		if (arrivals > j->seen) {
			unpark(j);
			submit(j);
		}
	}
}

/* ---- what workers read ---- */

static enum err_code read_feed(struct job *j, struct err *err)
{
	struct node *n = j->http->d->node;
	const struct feed_query *q = &j->query;
	struct feed_query from = *q;
	enum err_code rc;

	for (size_t i = 0; i < q->series_count; i++) {
		if (!rules_series(j->rules, q->series[i]))
			return err_set(err, ERR_NOT_FOUND,
				"series %s is not known here", q->series[i]);
	}
	/* Goes on where it came to, under the filter of now. */
	if (j->placed) {
		from.has_after = true;
		from.after = j->at;
	}
	if ((rc = feed_position(n, &j->grant, &from, &j->at, err))) {
		j->stale = rc == ERR_EXISTS;
		return rc;
	}
	j->placed = true;
	j->type = NDJSON_TYPE;
	j->seen = store_arrivals(n->store);
	return feed_read(n, j->rules, &j->grant, q, (size_t)q->limit, &j->at,
		&j->body, &j->lines, &j->more, &j->given, err);
}

/* "CODE/EPOCH/rest": the origin, and what is behind it. */
static enum err_code split_origin(const struct job *j, char origin[ORIGIN_SIZE],
	const char **rest, struct err *err)
{
	size_t len = CODE_LEN + 1 + 16;
	int n;

	if (strlen(j->target) > len && j->target[len] == '/') {
		n = snprintf(origin, ORIGIN_SIZE, "%s/%.*s",
			rules_domain(j->rules), (int)len, j->target);
		*rest = j->target + len + 1;
		if (n > 0 && n < ORIGIN_SIZE && origin_valid(origin, (size_t)n))
			return ERR_OK;
	}
	return err_set(err, ERR_NOT_FOUND, "no such log");
}

/* What is restricted gave nothing. */
static enum err_code note_shown(struct job *j, const struct log_info *log,
	uint64_t seq, const struct record *r, struct err *err)
{
	struct entry e;
	enum err_code rc = entry_parse(r->entry, r->entry_len, &e, err);

	if (rc)
		return rc;
	if (orders_check_shown(j->http->d->node, log->origin, seq, &e, NULL) ==
		ERR_DENIED)
		return ERR_OK;
	return provided_add(&j->given, log->id, seq, provided_labels(r), err);
}

static enum err_code read_record(struct job *j, struct err *err)
{
	struct store *s = j->http->d->node->store;
	char origin[ORIGIN_SIZE];
	struct run run = {0};
	struct log_info log;
	const char *rest;
	uint64_t seq;
	enum err_code rc;

	if ((rc = split_origin(j, origin, &rest, err)))
		return rc;
	if (!number_parse(rest, strlen(rest), TREE_SIZE_LIMIT, &seq))
		return err_set(err, ERR_NOT_FOUND, "no such record");
	if ((rc = store_log_find(s, origin, &log, err)) ||
		(rc = store_read(
			 s, log.id, seq, 1, j->grant.labels, &run, err)))
		return rc;
	j->type = JSON_TYPE;
	if (run.count != 1)
		rc = err_set(err, ERR_NOT_FOUND, "no such record");
	else
		rc = feed_record(j->http->d->node, j->rules, &j->grant, origin,
			seq, &run.record[0], &j->body, err);
	if (rc == ERR_OK)
		rc = note_shown(j, &log, seq, &run.record[0], err);
	run_free(&run);
	buf_str(&j->body, "\n");
	return rc;
}

static enum err_code read_tlog(struct job *j, struct err *err)
{
	char origin[ORIGIN_SIZE];
	const char *rest;
	enum tlog_kind kind;
	enum err_code rc;

	if ((rc = split_origin(j, origin, &rest, err)) ||
		(rc = tlog_read(j->http->d->node->store, origin, rest,
			 strlen(rest), &kind, &j->body, err)))
		return rc;
	j->type = kind == TLOG_CHECKPOINT ? "text/plain; charset=utf-8"
					  : "application/octet-stream";
	j->cache = kind == TLOG_CHECKPOINT ? "no-cache" : IMMUTABLE;
	return ERR_OK;
}

static enum err_code write_part(struct job *j, const struct record *r,
	enum label label, struct err *err)
{
	char seed[BASE64URL_SIZE(SEED_SIZE)];
	const struct part *p = &r->part[label];

	if (!(r->have & LABEL_BIT(label)))
		return err_set(err, ERR_NOT_FOUND, "no such object");
	base64url_encode(p->seed, SEED_SIZE, seed);
	buf_printf(&j->body, "{\"label\":\"%s\",\"part\":", label_name(label));
	buf_add(&j->body, p->json, p->len);
	buf_printf(&j->body, ",\"seed\":\"%s\"}\n", seed);
	return buf_ok(&j->body, err);
}

static enum err_code open_file(
	struct job *j, const struct digest *object, struct err *err)
{
	struct node *n = j->http->d->node;

	j->type = "application/octet-stream";
	j->piece = malloc(PIECE);
	if (!j->piece)
		return err_nomem(err);
	return attachment_open(n->data, store_keyring(n->store), object,
		&j->file, &j->file_size, err);
}

/* An object outside the grant is as absent as one that never was. */
static enum err_code read_found(struct job *j, const struct digest *object,
	const struct found *f, struct err *err)
{
	struct node *n = j->http->d->node;
	struct store *s = n->store;
	struct run run = {0};
	struct log_info log;
	uint8_t given = 0;
	struct entry e;
	enum err_code rc;

	if ((rc = store_log_by_id(s, f->log, &log, err)) ||
		(rc = store_read(
			 s, f->log, f->seq, 1, j->grant.labels, &run, err)))
		return rc;
	j->type = JSON_TYPE;
	j->cache = f->kind == FOUND_ENTRY ? IMMUTABLE : "no-cache";
	if (run.count == 1)
		rc = entry_parse(
			run.record[0].entry, run.record[0].entry_len, &e, err);
	if (rc == ERR_OK &&
		(run.count != 1 ||
			!grant_sees_record(
				&j->grant, j->rules, &e, &run.record[0]) ||
			(f->kind != FOUND_ENTRY &&
				!(j->grant.labels & LABEL_BIT(f->label)))))
		rc = err_set(err, ERR_NOT_FOUND, "no such object");
	/* An entry says nothing of what is in the record. */
	if (rc == ERR_OK && f->kind != FOUND_ENTRY)
		rc = orders_check_shown(n, log.origin, f->seq, &e, err);
	if (rc)
		goto out;
	if (f->kind == FOUND_PART)
		given = provided_labels(&run.record[0]) & LABEL_BIT(f->label);
	else if (f->kind == FOUND_ATTACHMENT)
		given = LABEL_BIT(f->label);
	if ((rc = provided_add(&j->given, f->log, f->seq, given, err)))
		goto out;
	if (f->kind == FOUND_ENTRY)
		buf_add(&j->body, run.record[0].entry, run.record[0].entry_len);
	else if (f->kind == FOUND_PART)
		rc = write_part(j, &run.record[0], f->label, err);
	else
		rc = open_file(j, object, err);
out:
	run_free(&run);
	return rc;
}

static enum err_code read_object(struct job *j, struct err *err)
{
	struct digest object;
	struct found f;
	enum err_code rc;

	if (!digest_from_base64url(j->target, strlen(j->target), &object))
		return err_set(err, ERR_NOT_FOUND, "no such object");
	if ((rc = store_find_digest(j->http->d->node->store, &object, &f, err)))
		return rc;
	return read_found(j, &object, &f, err);
}

static enum err_code read_schema(struct job *j, struct err *err)
{
	const struct series *s = rules_series(j->rules, j->target);
	enum err_code rc;

	if (!s || !grant_sees(&j->grant, j->rules, s->name))
		return err_set(err, ERR_NOT_FOUND, "no such series");
	j->type = "application/schema+json";
	rc = schema_write(s, &j->body, err);
	buf_str(&j->body, "\n");
	return rc;
}

static enum err_code read_metrics(struct job *j, struct err *err)
{
	j->type = "text/plain; version=0.0.4; charset=utf-8";
	return metrics_finish(j->http->d->node, &j->body, err);
}

/* ---- routes ---- */

struct route {
	const char *path;
	bool exact;
	enum err_code (*read)(struct job *j, struct err *err);
};
static const struct route routes[] = {
	{"/v1/feed", true, read_feed},
	{"/v1/records/", false, read_record},
	{"/v1/objects/", false, read_object},
	{"/v1/schemas/", false, read_schema},
	{"/tlog/", false, read_tlog},
	{"/metrics", true, read_metrics},
};

static const struct route *find_route(
	const struct request *r, const char **rest, size_t *rest_len)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (request_path_under(r, routes[i].path, rest, rest_len) &&
			(!routes[i].exact || *rest_len == 0))
			return &routes[i];
	}
	return NULL;
}

static struct job *job_new(struct http *h, struct exchange *x)
{
	struct job *j = h->jobs < HTTP_JOBS_LIMIT + HTTP_PARKED_LIMIT
		? calloc(1, sizeof(*j))
		: NULL;

	if (!j)
		return NULL;
	j->http = h;
	j->x = x;
	h->jobs++;
	return j;
}

static enum err_code fill_job(struct job *j, const struct route *route,
	const struct request *r, const char *rest, size_t rest_len,
	struct err *err)
{
	if (rest_len >= sizeof(j->target) || memchr(rest, '%', rest_len))
		return err_set(err, ERR_NOT_FOUND, "no such resource");
	memcpy(j->target, rest, rest_len);
	j->read = route->read;
	j->has_token = r->bearer != NULL;
	if (r->bearer)
		j->token = digest_of(r->bearer, r->bearer_len);
	if (route->read == read_feed)
		return feed_query_parse(r->query, r->query_len, &j->query, err);
	if (r->query_len > 0)
		return err_set(err, ERR_USAGE, "query: none is known here");
	if (route->read == read_metrics)
		metrics_start(j->http->d, &j->body);
	return ERR_OK;
}

static void on_request(void *arg, struct exchange *x)
{
	struct http *h = arg;
	const struct request *r = exchange_request(x);
	const struct route *route;
	const char *rest;
	size_t rest_len;
	struct job *j;
	struct err err;
	enum err_code rc;

	if (r->method != METHOD_GET && r->method != METHOD_HEAD) {
		struct buf body = BUF_EMPTY;

		exchange_error_text(&body, ERR_USAGE, "only GET and HEAD");
		buf_str(&body, "}\n");
		exchange_header(x, "Allow", "GET, HEAD");
		exchange_reply(x, 405, JSON_TYPE, &body);
		return;
	}
	if (!request_host_loopback(r)) {
		exchange_error(x, ERR_DENIED,
			"this address is asked under a name that is not "
			"loopback's");
		return;
	}
	if (!(route = find_route(r, &rest, &rest_len))) {
		exchange_error(x, ERR_NOT_FOUND, "no such resource");
		return;
	}
	j = h->stopping ? NULL : job_new(h, x);
	if (!j) {
		exchange_error(x, ERR_BUSY, "this node is busy: try again");
		return;
	}
	if ((rc = fill_job(j, route, r, rest, rest_len, &err))) {
		exchange_error(x, rc, err.text);
		job_free(j);
		return;
	}
	submit(j);
}

/* ---- starting and stopping ---- */

static enum err_code listen_loopback(
	const char *where, int *fd, struct err *err)
{
	struct address to;
	int on = 1, s;
	enum err_code rc;

	if ((rc = address_resolve(where, &to, err)))
		return err_while(err, rc, "http");
	if (!address_loopback(&to))
		return err_set(err, ERR_DENIED,
			"http: %s is not a loopback "
			"address",
			where);
	s = socket(to.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_sys(err, "http: socket");
	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&to.addr, to.len)) {
		rc = err_sys(err, "http: listen on %s", where);
		close(s);
		return rc;
	}
	*fd = s;
	return ERR_OK;
}

enum err_code http_new(struct daemon *d, struct http **out, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));
	struct server_options opt = {
		.name = "http",
		.connections = HTTP_CONNECTIONS_LIMIT,
		.handler = on_request,
		.arg = h,
	};
	int fd;
	enum err_code rc;

	if (!h)
		return err_nomem(err);
	h->d = d;
	if ((rc = listen_loopback(d->node->config.http, &fd, err)) ||
		(rc = server_new(d->loop, fd, &opt, &h->server, err))) {
		free(h);
		return rc;
	}
	log_info("http: listening on %s", d->node->config.http);
	*out = h;
	return ERR_OK;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	h->stopping = true;
	server_stop(h->server);
	while (h->parked) {
		struct job *j = h->parked;

		unpark(j);
		answer(j);
	}
}

void http_free(struct http *h)
{
	if (!h)
		return;
	server_free(h->server);
	free(h);
}
