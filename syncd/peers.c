/* peers.c - the list of connections, the listener and the wake-up. */
#include "syncd/peers.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "syncd/address.h"
#include "syncd/dialer.h"
#include "syncd/log.h"
#include "syncd/loop.h"

#define WAKE_EVERY_MS 10
#define STRANGER_GRACE_MS 1000

struct peers {
	struct daemon *d;
	struct tls *tls;
	struct sign_public key; /* that it shows */
	struct evconnlistener *listener;
	struct dialer *dialer; /* NULL without a parent's address */
	struct conn *first;
	size_t count;
	uint64_t serial; /* of the rules the peers were judged by */
	struct event *wake;
	bool waking;
	uint64_t woke_ms;
	bool stopping;
	struct peers_totals ended; /* bytes of connections that are gone */
};

static bool unknown(const struct conn *c)
{
	return c->session && !c->code[0];
}

static size_t count_if(const struct peers *p, bool (*is)(const struct conn *))
{
	size_t n = 0;

	for (const struct conn *c = p->first; c; c = c->next)
		n += is(c);
	return n;
}

static bool shaking_hands(const struct conn *c)
{
	return !c->session && c->role == SESSION_PARENT;
}

size_t peers_count(const struct peers *p)
{
	return p->count;
}

static void add(struct peers *p, struct conn *c)
{
	c->prev = NULL;
	c->next = p->first;
	if (p->first)
		p->first->prev = c;
	p->first = c;
	p->count++;
}

static void take_out(struct peers *p, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		p->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	p->count--;
}

/* ---- judging ---- */

/* The code behind a key, "" when the roster does not have it on this side. */
static void judge(const struct peers *p, const struct conn *c,
	const struct rules *rules, char code[CODE_SIZE])
{
	const char *self = p->d->node->config.code;
	const struct node_info *us = rules_node(rules, self);
	const struct node_info *peer = rules_node_by_tls(rules, &c->key);

	memset(code, 0, CODE_SIZE);
	if (!us || !peer)
		return;
	if (c->role == SESSION_CHILD ? !strcmp(us->parent, peer->code)
				     : !strcmp(peer->parent, self))
		memcpy(code, peer->code, CODE_SIZE);
}

/* A second connection of one child: the first one is a link that is gone, and
 * this end only does not know it yet. */
static void replace(struct peers *p, const struct conn *by)
{
	struct conn *next;

	for (struct conn *c = p->first; c; c = next) {
		next = c->next;
		if (c != by && c->role == by->role && c->session &&
			!strcmp(c->code, by->code)) {
			conn_close(c, "replaced by a newer connection");
			return;
		}
	}
}

enum err_code peers_admit(struct peers *p, struct conn *c, struct err *err)
{
	struct rules *rules = node_rules(p->d->node);

	judge(p, c, rules, c->code);
	rules_unref(rules);
	if (c->code[0]) {
		memcpy(c->label, c->code, sizeof(c->code));
		replace(p, c);
		return ERR_OK;
	}
	snprintf(
		c->label, sizeof(c->label), "unknown key at %.90s", c->address);
	if (c->role == SESSION_PARENT &&
		count_if(p, unknown) >= UNKNOWN_LIMIT) {
		p->ended.refused++;
		return err_set(err, ERR_BUSY,
			"%d unknown keys are here already", UNKNOWN_LIMIT);
	}
	return ERR_OK;
}

size_t peers_frame_limit(const struct peers *p, const struct conn *c)
{
	uint64_t bandwidth = p->d->node->config.bandwidth;

	return c->role == SESSION_CHILD && bandwidth > 0 &&
			bandwidth < SLOW_BANDWIDTH
		? FRAME_SLOW_LIMIT
		: FRAME_SIZE_LIMIT;
}

static enum err_code load_tls(struct peers *p, struct err *err)
{
	struct sign_key *key = NULL;
	struct sign_public public;
	struct tls *tls = NULL;
	enum err_code rc = node_tls_key(p->d->node, &key, err);

	if (rc)
		return rc;
	public = sign_key_public(key);
	if (p->tls && !memcmp(&public, &p->key, sizeof(public))) {
		sign_key_free(key);
		return ERR_OK;
	}
	if (!(rc = tls_new(key, &tls, err))) {
		tls_free(p->tls);
		p->tls = tls;
		p->key = public;
	}
	sign_key_free(key);
	return rc;
}

/* After this node changed its key, the one above is dialled anew under it.
 * Those below go on, and find the new one when they dial next. */
static void show_new_key(struct peers *p)
{
	struct sign_public before = p->key;
	struct conn *next;
	struct err err;

	if (load_tls(p, &err)) {
		log_warn("peers: the new TLS key: %s", err.text);
		return;
	}
	if (!memcmp(&before, &p->key, sizeof(before)))
		return;
	for (struct conn *c = p->first; c; c = next) {
		next = c->next;
		if (c->role == SESSION_CHILD)
			conn_end(c, "again", "this node has a new key");
	}
}

/* After the rules changed: connections whose key means another now have to
 * start anew.  The wake before gave a stranger the rules that name it. */
static void judge_all(struct peers *p)
{
	struct rules *rules = node_rules(p->d->node);
	char code[CODE_SIZE];
	struct conn *next;

	if (rules_serial(rules) != p->serial) {
		p->serial = rules_serial(rules);
		log_note("rules: serial %" PRIu64 " holds", p->serial);
		for (struct conn *c = p->first; c; c = next) {
			next = c->next;
			if (!c->session)
				continue;
			judge(p, c, rules, code);
			if (strcmp(code, c->code))
				conn_end(c, "rules",
					"its key means another now");
		}
	}
	rules_unref(rules);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct peers *p = arg;
	struct conn *next;

	(void)fd;
	(void)what;
	p->waking = false;
	p->woke_ms = time_mono_ms();
	for (struct conn *c = p->first; c; c = next) {
		next = c->next;
		conn_wake(c);
	}
	show_new_key(p);
	judge_all(p);
}

void peers_changed(struct peers *p)
{
	uint64_t since = time_mono_ms() - p->woke_ms;
	struct timeval in = {0};

	if (p->waking || p->stopping)
		return;
	p->waking = true;
	if (since < WAKE_EVERY_MS)
		in.tv_usec = (suseconds_t)(WAKE_EVERY_MS - since) * 1000;
	(void)event_add(p->wake, &in);
}

/* ---- coming and going ---- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *from, int from_len, void *arg)
{
	struct peers *p = arg;
	char address[ADDRESS_SIZE];
	struct conn *c;
	struct err err;

	(void)listener;
	address_text(from, (socklen_t)from_len, address);
	if (p->stopping || p->count >= CONNECTIONS_LIMIT ||
		count_if(p, shaking_hands) >= HANDSHAKES_LIMIT) {
		p->ended.refused++;
		evutil_closesocket(fd);
		return;
	}
	if (conn_accept(p->d, p->tls, (int)fd, address, &c, &err)) {
		log_warn("peer %s: %s", address, err.text);
		return;
	}
	p->ended.connections++;
	add(p, c);
}

/* Out of descriptors, most likely: pausing would hide it, so it is said. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	(void)arg;
	log_warn("peers: cannot accept: %s", strerror(errno));
}

void peers_dialled(struct peers *p, struct conn *c)
{
	add(p, c);
}

struct tls *peers_tls(struct peers *p)
{
	return p->tls;
}

void peers_opened(struct peers *p, struct conn *c)
{
	if (c->role == SESSION_CHILD)
		dialer_opened(p->dialer);
}

void peers_ended(struct peers *p, struct conn *c)
{
	struct session_status st;

	conn_status(c, &st);
	p->ended.sent += st.sent;
	p->ended.received += st.received;
	take_out(p, c);
	if (c->role == SESSION_CHILD)
		dialer_ended(p->dialer, c, &st);
	else if (c->session)
		log_info("peer %s: session ended: %s", c->label, c->why);
}

enum err_code peers_sync(struct peers *p, const char *code, struct err *err)
{
	if (!p->dialer)
		return err_set(err, ERR_USAGE,
			"this node has no parent to "
			"dial");
	if (code && strcmp(code, dialer_code(p->dialer)))
		return err_set(err, ERR_NOT_FOUND,
			"%s is not the parent of "
			"this node",
			code);
	dialer_now(p->dialer);
	return ERR_OK;
}

/* ---- starting and stopping ---- */

static enum err_code start_listening(struct peers *p, struct err *err)
{
	const char *listen = p->d->node->config.listen;
	struct address to;
	enum err_code rc;

	if (!listen[0])
		return ERR_OK;
	if ((rc = address_resolve(listen, &to, err)))
		return err_while(err, rc, "listen");
	p->listener =
		evconnlistener_new_bind(loop_base(p->d->loop), on_accept, p,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
				LEV_OPT_REUSEABLE,
			512, (struct sockaddr *)&to.addr, (int)to.len);
	if (!p->listener)
		return err_sys(err, "listen on %s", listen);
	evconnlistener_set_error_cb(p->listener, on_accept_error);
	log_info("peers: listening on %s", listen);
	return ERR_OK;
}

enum err_code peers_new(struct daemon *d, struct peers **out, struct err *err)
{
	struct peers *p = calloc(1, sizeof(*p));
	struct rules *rules = node_rules(d->node);
	enum err_code rc;

	if (!p) {
		rules_unref(rules);
		return err_nomem(err);
	}
	p->d = d;
	p->serial = rules_serial(rules);
	rules_unref(rules);
	p->wake = evtimer_new(loop_base(d->loop), on_wake, p);
	if (!p->wake)
		rc = err_nomem(err);
	else if ((rc = load_tls(p, err)) == ERR_OK &&
		(rc = start_listening(p, err)) == ERR_OK &&
		d->node->config.parent[0])
		rc = dialer_new(d, p, &p->dialer, err);
	if (rc) {
		peers_free(p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

void peers_stop(struct peers *p)
{
	struct conn *next;

	p->stopping = true;
	if (p->listener)
		evconnlistener_disable(p->listener);
	dialer_stop(p->dialer);
	for (struct conn *c = p->first; c; c = next) {
		next = c->next;
		conn_end(c, "stopped", "this node stops");
	}
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	while (p->first)
		conn_close(p->first, "this node stops");
	dialer_free(p->dialer);
	if (p->listener)
		evconnlistener_free(p->listener);
	if (p->wake)
		event_free(p->wake);
	tls_free(p->tls);
	free(p);
}

/* ---- status ---- */

static bool set_text(struct json *o, const char *name, const char *s)
{
	return json_set(o, name, json_new_text(s));
}

static bool set_number(struct json *o, const char *name, uint64_t v)
{
	return json_set(o, name, json_new_u64(v));
}

static bool set_head(struct json *o, const struct rules *rules,
	const char *code, const char *role, const char *address,
	const char *state)
{
	const struct node_info *n = code[0] ? rules_node(rules, code) : NULL;

	return set_text(o, "code", code) &&
		set_text(o, "name", n ? n->name : "") &&
		set_text(o, "role", role) && set_text(o, "address", address) &&
		set_text(o, "state", state);
}

static bool set_counts(
	struct json *o, const struct session_status *st, uint64_t backlog)
{
	return set_number(o, "sent", st->sent) &&
		set_number(o, "received", st->received) &&
		set_number(o, "backlog", backlog) &&
		set_number(o, "wanted", st->wanted) &&
		set_number(o, "entries_in", st->entries_in) &&
		set_number(o, "entries_out", st->entries_out) &&
		set_number(o, "packages_in", st->packages_in) &&
		set_number(o, "packages_out", st->packages_out) &&
		set_number(o, "proved_in", st->proved_in) &&
		set_number(o, "proved_out", st->proved_out) &&
		set_number(o, "attachment_bytes_in", st->attachment_bytes_in) &&
		set_number(
			o, "attachment_bytes_out", st->attachment_bytes_out) &&
		json_set(o, "complete", json_new_bool(st->complete)) &&
		set_text(o, "waiting_for", st->waiting_for);
}

/* Cut at a whole character. */
static void set_waiting_for(struct session_status *st, const char *text)
{
	size_t len = strlen(text), most = sizeof(st->waiting_for) - 1;

	if (len > most) {
		len = most;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(st->waiting_for, text, len);
	st->waiting_for[len] = '\0';
}

/* What was told by peers_changed() may still have to go to the peer. */
static void status_of(
	const struct peers *p, const struct conn *c, struct session_status *out)
{
	conn_status(c, out);
	out->complete = out->complete && !p->waking;
}

/* The parent goes by its code even while its key is unknown here. */
static struct json *conn_json(
	struct peers *p, const struct conn *c, const struct rules *rules)
{
	const char *code =
		c->role == SESSION_CHILD ? dialer_code(p->dialer) : c->code;
	struct json *o = json_new_object();
	struct session_status st;
	char since[TIME_TEXT_SIZE];

	status_of(p, c, &st);
	/* Until the two have compared, a session counts nothing; and why the
	 * last one failed tells more than what this one waits for. */
	if (c->role == SESSION_CHILD && !c->said_open) {
		st.backlog = dialer_backlog(p->dialer);
		if (dialer_problem(p->dialer)[0])
			set_waiting_for(&st, dialer_problem(p->dialer));
	}
	time_format(c->since, since);
	if (o &&
		set_head(o, rules, code,
			c->role == SESSION_CHILD ? "parent" : "child",
			c->address,
			c->session ? conn_state_name(st.state)
				   : "connecting") &&
		set_text(o, "since", since) && set_counts(o, &st, st.backlog) &&
		set_number(o, "next_try_s", 0))
		return o;
	json_free(o);
	return NULL;
}

static struct json *waiting_json(
	struct dialer *dialer, const struct rules *rules)
{
	struct session_status none = {0};
	struct json *o = json_new_object();

	set_waiting_for(&none, dialer_problem(dialer));
	if (o &&
		set_head(o, rules, dialer_code(dialer), "parent",
			dialer_address(dialer), "waiting") &&
		set_text(o, "since", "") &&
		set_counts(o, &none, dialer_backlog(dialer)) &&
		set_number(o, "next_try_s", dialer_next_try_s(dialer)))
		return o;
	json_free(o);
	return NULL;
}

bool peers_status(struct peers *p, struct json *array)
{
	struct rules *rules = node_rules(p->d->node);
	bool ok = true;

	if (p->dialer && !dialer_conn(p->dialer))
		ok = json_append(array, waiting_json(p->dialer, rules));
	for (const struct conn *c = p->first; ok && c; c = c->next) {
		if (c->session || c->role == SESSION_CHILD)
			ok = json_append(array, conn_json(p, c, rules));
	}
	rules_unref(rules);
	return ok;
}

void peers_totals(struct peers *p, struct peers_totals *out)
{
	*out = p->ended;
	for (const struct conn *c = p->first; c; c = c->next) {
		struct session_status st;
		bool open;

		status_of(p, c, &st);
		open = c->session && st.state == SESSION_OPEN;
		out->sent += st.sent;
		out->received += st.received;
		out->sessions += open;
		out->children += open && c->role == SESSION_PARENT;
		out->unknown += unknown(c);
		if (c->role == SESSION_CHILD) {
			out->parent_open = open;
			out->complete = open && st.complete;
			out->backlog = st.backlog;
		}
	}
	if (p->dialer && !dialer_conn(p->dialer))
		out->backlog = dialer_backlog(p->dialer);
}

/* ---- repairing ---- */

static bool is_open(const struct peers *p, const char *code)
{
	for (const struct conn *c = p->first; c; c = c->next) {
		struct session_status st;

		if (!c->session || strcmp(c->code, code))
			continue;
		conn_status(c, &st);
		if (st.state == SESSION_OPEN)
			return true;
	}
	return false;
}

bool peers_repair(struct peers *p, uint64_t *asking, struct json *array)
{
	struct rules *rules = node_rules(p->d->node);
	const char *self = p->d->node->config.code;
	const struct node_info *us = rules_node(rules, self);
	bool ok = true;

	*asking = 0;
	for (size_t i = 0; us && ok && i < rules_node_count(rules); i++) {
		const struct node_info *n = rules_node_at(rules, i);
		enum repair_side side = REPAIR_CHILD;
		size_t open;

		if (!n->enrolled)
			continue;
		if (!strcmp(n->code, us->parent))
			side = REPAIR_PARENT;
		else if (strcmp(n->parent, self))
			continue;
		open = repair_open(p->d->node, n->code, side);
		if (is_open(p, n->code))
			*asking += open;
		else if (open)
			ok = json_append(array, json_new_text(n->code));
	}
	rules_unref(rules);
	return ok;
}

void peers_again(struct peers *p)
{
	struct conn *next;

	for (struct conn *c = p->first; c; c = next) {
		next = c->next;
		if (c->role == SESSION_CHILD)
			conn_end(c, "again", "damage was dealt with here");
	}
}
