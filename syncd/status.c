/* status.c - the answer of GET /status. */
#include "syncd/status.h"

#include <string.h>
#include <unistd.h>

#include "syncd/peers.h"

static bool set_text(struct json *o, const char *name, const char *s)
{
	return json_set(o, name, json_new_text(s));
}

static bool set_number(struct json *o, const char *name, uint64_t v)
{
	return json_set(o, name, json_new_u64(v));
}

static bool set_time(struct json *o, const char *name, int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return set_text(o, name, text);
}

static bool set_digest(struct json *o, const char *name, const struct digest *d)
{
	char text[BASE64_SIZE(DIGEST_SIZE)];

	base64_encode(d->b, sizeof(d->b), text);
	return set_text(o, name, text);
}

static bool add_rules(
	struct json *o, const struct daemon *d, const struct rules *rules)
{
	const struct node_info *us = rules_node(rules, d->node->config.code);
	struct json *g = json_new_object();

	if (!g || !set_number(g, "serial", rules_serial(rules)) ||
		!set_time(g, "at", rules_at(rules)) ||
		!json_set(g, "old",
			json_new_bool(rules_old(rules, time_now())))) {
		json_free(g);
		return false;
	}
	return json_set(o, "governance", g) &&
		set_text(o, "name", us ? us->name : "") &&
		set_text(o, "rank", us ? rank_name(us->rank) : "") &&
		json_set(o, "enrolled", json_new_bool(us && us->enrolled)) &&
		(!us || !us->retired[0] ||
			(set_text(o, "retired", us->retired) &&
				set_text(o, "successor", us->successor)));
}

enum err_code status_start(struct daemon *d, struct json **out, struct err *err)
{
	struct json *o = json_new_object(), *peers = json_new_array();
	struct rules *rules = node_rules(d->node);
	bool ok = o && peers && add_rules(o, d, rules) &&
		set_text(o, "code", d->node->config.code) &&
		set_text(o, "domain", d->node->config.domain) &&
		set_number(o, "pid", (uint64_t)getpid()) &&
		set_time(o, "started", d->started) &&
		peers_status(d->peers, peers);

	rules_unref(rules);
	if (ok) {
		ok = json_set(o, "peers", peers);
		peers = NULL;
	}
	if (ok && d->feed_held)
		ok = set_number(o, "feed_held", d->feed_held) &&
			set_text(o, "feed_held_text", d->feed_held_text);
	if (!ok) {
		json_free(peers);
		json_free(o);
		return err_nomem(err);
	}
	*out = o;
	return ERR_OK;
}

static const char *kind_name(enum log_kind kind)
{
	switch (kind) {
	case LOG_OWN:
		return "own";
	case LOG_FULL:
		return "full";
	case LOG_SPARSE:
		return "sparse";
	}
	return "unknown";
}

static enum err_code add_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct json *logs = arg, *o = json_new_object();

	if (o && set_text(o, "origin", log->origin) &&
		set_text(o, "kind", kind_name(log->kind)) &&
		set_number(o, "size", log->size) &&
		set_digest(o, "root", &log->root) &&
		set_number(o, "checkpoint", log->checkpoint_size) &&
		set_number(o, "pending", log->pending_size) &&
		set_number(o, "cosigned", log->cosigned_size)) {
		if (json_append(logs, o))
			return ERR_OK;
		return err_nomem(err);
	}
	json_free(o);
	return err_nomem(err);
}

enum err_code status_finish(
	struct node *n, struct json *status, struct err *err)
{
	struct json *logs = json_new_array();
	struct log_info own;
	enum err_code rc;

	if (!logs)
		return err_nomem(err);
	if ((rc = store_log_own(n->store, &own, err)) ||
		(rc = store_log_each(n->store, add_log, logs, err))) {
		json_free(logs);
		return rc;
	}
	if (!json_set(status, "logs", logs) ||
		!set_text(status, "origin", own.origin) ||
		!set_number(status, "size", own.size) ||
		!set_digest(status, "root", &own.root) ||
		!set_number(status, "arrivals", store_arrivals(n->store)) ||
		!set_number(status, "wanted", store_wanted_count(n->store)))
		return err_nomem(err);
	if ((rc = node_damage_status(n, status, err)))
		return rc;
	return epoch_status(n, status, err);
}
