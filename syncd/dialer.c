/* dialer.c - one connection to the parent, again and again. */
#include "syncd/dialer.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "syncd/address.h"
#include "syncd/log.h"
#include "syncd/loop.h"

#define RESTARTS_LIMIT 8 /* at once and in a row; then it is a failure */
#define RESTARTS_WITHIN_MS 20000
#define BUSY_LEAST_S 1

struct dialer {
	struct daemon *d;
	struct peers *peers;
	struct ev_token_bucket_cfg *limit; /* NULL: none */
	struct conn *conn;
	struct event *timer;
	uint64_t next_ms; /* the timer's, 0: none */
	bool resolving, stopped;
	unsigned failures, restarts;
	uint64_t restarts_from_ms;
	char code[CODE_SIZE];
	char problem[ERR_TEXT_SIZE];
	/* What the last session left: `left` of `total` entries. */
	bool met;
	uint64_t left, total;
	/* Of the look-up under way. */
	struct address to;
	enum err_code found;
	struct err err;
};

uint64_t backoff_bound_ms(unsigned failures)
{
	if (failures >= 6)
		return BACKOFF_LIMIT_MS;
	return (uint64_t)BACKOFF_FIRST_MS << failures;
}

struct conn *dialer_conn(const struct dialer *d)
{
	return d->conn;
}

const char *dialer_address(const struct dialer *d)
{
	return d->d->node->config.parent;
}

const char *dialer_problem(const struct dialer *d)
{
	return d->problem;
}

const char *dialer_code(struct dialer *d)
{
	struct rules *rules = node_rules(d->d->node);
	const struct node_info *us = rules_node(rules, d->d->node->config.code);

	memset(d->code, 0, sizeof(d->code));
	if (us)
		memcpy(d->code, us->parent, sizeof(d->code));
	rules_unref(rules);
	return d->code;
}

uint64_t dialer_next_try_s(const struct dialer *d)
{
	uint64_t now = time_mono_ms();

	return d->next_ms > now ? (d->next_ms - now + 999) / 1000 : 0;
}

/* ---- what waits ---- */

struct entries {
	uint64_t total;	      /* that go up */
	uint64_t own_waiting; /* of our own logs, without a cosignature */
};

static enum err_code add_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct entries *e = arg;

	(void)err;
	e->total += log->checkpoint_size;
	if (log->kind == LOG_OWN && log->size > log->cosigned_size)
		e->own_waiting += log->size - log->cosigned_size;
	return ERR_OK;
}

static struct entries count_entries(const struct dialer *d)
{
	struct entries e = {0};

	/* A log that cannot be read is told by those that need it. */
	(void)exchange_each_up(d->d->node, add_log, &e, NULL);
	return e;
}

uint64_t dialer_backlog(const struct dialer *d)
{
	struct entries e = count_entries(d);

	if (!d->met)
		return e.own_waiting;
	return d->left + (e.total > d->total ? e.total - d->total : 0);
}

/* ---- waiting ---- */

static void dial(struct dialer *d);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dialer *d = arg;

	(void)fd;
	(void)what;
	d->next_ms = 0;
	dial(d);
}

static void wait_ms(struct dialer *d, uint64_t ms)
{
	struct timeval in = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	d->next_ms = time_mono_ms() + ms;
	(void)event_add(d->timer, &in);
}

static uint64_t random_below(uint64_t bound)
{
	uint64_t r;

	if (random_bytes(&r, sizeof(r), NULL))
		return bound / 2;
	return r % bound;
}

static void failed(struct dialer *d, const char *why)
{
	/* Once a streak is enough: a link can be down for days. */
	if (d->failures == 0 || strcmp(d->problem, why))
		log_info("parent %s: %s", dialer_address(d), why);
	strncpy(d->problem, why, sizeof(d->problem) - 1);
	wait_ms(d, random_below(backoff_bound_ms(d->failures)));
	if (d->failures < 32)
		d->failures++;
}

/* ---- dialling ---- */

static void connect_to(struct dialer *d)
{
	struct err err;

	if (conn_dial(d->d, peers_tls(d->peers), (struct sockaddr *)&d->to.addr,
		    (int)d->to.len, dialer_address(d), d->limit, &d->conn,
		    &err))
		failed(d, err.text);
	else
		peers_dialled(d->peers, d->conn);
}

static void on_resolve(void *arg)
{
	struct dialer *d = arg;

	d->found = address_resolve(dialer_address(d), &d->to, &d->err);
}

static void on_resolved(void *arg)
{
	struct dialer *d = arg;

	d->resolving = false;
	if (d->stopped)
		return;
	if (d->found)
		failed(d, d->err.text);
	else
		connect_to(d);
}

static void dial(struct dialer *d)
{
	if (d->stopped || d->conn || d->resolving)
		return;
	if (address_numeric(dialer_address(d), &d->to))
		connect_to(d);
	else if (loop_job(d->d->loop, on_resolve, on_resolved, d))
		d->resolving = true;
	else
		failed(d, "this node is out of workers");
}

static void stop_timer(struct dialer *d)
{
	event_del(d->timer);
	d->next_ms = 0;
}

void dialer_now(struct dialer *d)
{
	if (d->stopped || d->conn || d->resolving)
		return;
	stop_timer(d);
	d->failures = 0;
	dial(d);
}

void dialer_opened(struct dialer *d)
{
	d->failures = 0;
	d->restarts = 0;
	d->problem[0] = '\0';
}

/* Rules that never settle between two nodes must not make a busy loop. */
static bool restarts_at_once(struct dialer *d)
{
	uint64_t now = time_mono_ms();

	if (d->restarts == 0 ||
		now - d->restarts_from_ms > RESTARTS_WITHIN_MS) {
		d->restarts = 0;
		d->restarts_from_ms = now;
	}
	return ++d->restarts <= RESTARTS_LIMIT;
}

void dialer_ended(
	struct dialer *d, struct conn *c, const struct session_status *st)
{
	if (!d || d->conn != c)
		return;
	d->conn = NULL;
	if (c->said_open) {
		d->met = true;
		d->left = st->backlog;
		d->total = count_entries(d).total;
	}
	if (d->stopped)
		return;
	if (c->session && st->state == SESSION_RESTART && restarts_at_once(d)) {
		log_info("parent %s: rules came, starting anew",
			dialer_address(d));
		wait_ms(d, 1);
	} else if (c->session && st->state == SESSION_BUSY) {
		uint64_t s =
			st->retry_s > BUSY_LEAST_S ? st->retry_s : BUSY_LEAST_S;

		strncpy(d->problem, c->why, sizeof(d->problem) - 1);
		log_info("parent %s: busy: %s", dialer_address(d), c->why);
		wait_ms(d, s * 1000 + random_below(s * 250));
	} else {
		failed(d, c->why);
	}
}

void dialer_stop(struct dialer *d)
{
	if (!d)
		return;
	d->stopped = true;
	stop_timer(d);
}

void dialer_free(struct dialer *d)
{
	if (!d)
		return;
	if (d->timer)
		event_free(d->timer);
	if (d->limit)
		ev_token_bucket_cfg_free(d->limit);
	free(d);
}

/* Ten ticks a second, so a small limit runs evenly. */
static struct ev_token_bucket_cfg *make_limit(uint64_t bandwidth)
{
	struct timeval tick = {.tv_usec = 100000};
	size_t rate = bandwidth / 10 > 0 ? (size_t)(bandwidth / 10) : 1;

	if (rate > EV_RATE_LIMIT_MAX)
		rate = EV_RATE_LIMIT_MAX;
	return ev_token_bucket_cfg_new(rate, rate, rate, rate, &tick);
}

enum err_code dialer_new(struct daemon *daemon, struct peers *p,
	struct dialer **out, struct err *err)
{
	char host[ADDRESS_SIZE], port[6];
	struct dialer *d = calloc(1, sizeof(*d));

	if (!d)
		return err_nomem(err);
	d->d = daemon;
	d->peers = p;
	d->timer = evtimer_new(loop_base(daemon->loop), on_timer, d);
	if (daemon->node->config.bandwidth > 0)
		d->limit = make_limit(daemon->node->config.bandwidth);
	if (!d->timer || (daemon->node->config.bandwidth > 0 && !d->limit)) {
		dialer_free(d);
		return err_nomem(err);
	}
	if (!address_split(dialer_address(d), host, port)) {
		dialer_free(d);
		return err_set(err, ERR_INVALID,
			"node.yaml: parent \"%s\" is "
			"not HOST:PORT",
			daemon->node->config.parent);
	}
	wait_ms(d, 1);
	*out = d;
	return ERR_OK;
}
