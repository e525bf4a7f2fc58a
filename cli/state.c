/* state.c - what the node is doing, from its daemon or its directory. */
#include "cli/state.h"

#include <inttypes.h>
#include <string.h>

#include "cli/control.h"

static struct json *root_text(const struct digest *root)
{
	char text[BASE64_SIZE(DIGEST_SIZE)];

	base64_encode(root->b, sizeof(root->b), text);
	return out_text(text);
}

static struct json *log_json(const struct log_info *log)
{
	static const char *const kinds[] = {[LOG_OWN] = "own",
		[LOG_FULL] = "full",
		[LOG_SPARSE] = "sparse"};
	struct json *v = json_new_object();

	if (json_set(v, "origin", out_text(log->origin)) &&
		json_set(v, "kind", out_text(kinds[log->kind])) &&
		json_set(v, "size", json_new_u64(log->size)) &&
		json_set(v, "root", root_text(&log->root)) &&
		json_set(v, "checkpoint", json_new_u64(log->checkpoint_size)) &&
		json_set(v, "cosigned", json_new_u64(log->cosigned_size)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	return json_append(arg, log_json(log)) ? ERR_OK : err_nomem(err);
}

static bool add_rules(struct json *v, struct node *n)
{
	struct rules *rules = node_rules(n);
	const struct node_info *me = rules_node(rules, n->config.code);
	struct json *g = json_new_object();
	char at[TIME_TEXT_SIZE];
	bool good;

	time_format(rules_at(rules), at);
	good = json_set(g, "serial", json_new_u64(rules_serial(rules))) &&
		json_set(g, "at", out_text(at));
	good = json_set(v, "governance", g) && good;
	if (me)
		good = good && json_set(v, "name", out_text(me->name)) &&
			json_set(v, "rank", out_text(rank_name(me->rank)));
	rules_unref(rules);
	return good;
}

static enum err_code from_store(struct cli *c, struct json *v, struct err *err)
{
	struct json *logs = json_new_array();
	struct log_info own;
	struct node *n = NULL;
	enum err_code rc;

	if ((rc = open_reader(c, &n, err)) ||
		(rc = store_log_own(n->store, &own, err)) ||
		(rc = store_log_each(n->store, on_log, logs, err)))
		goto out;
	if (!json_set(v, "running", json_new_bool(false)) ||
		!json_set(v, "code", out_text(n->config.code)) ||
		!json_set(v, "domain", out_text(n->config.domain)) ||
		!json_set(v, "origin", out_text(own.origin)) ||
		!json_set(v, "size", json_new_u64(own.size)) ||
		!json_set(v, "root", root_text(&own.root)) ||
		!json_set(v, "arrivals",
			json_new_u64(store_arrivals(n->store))) ||
		!json_set(v, "wanted",
			json_new_u64(store_wanted_count(n->store))) ||
		!json_set(v, "peers", json_new_array()) || !add_rules(v, n) ||
		!json_set(v, "logs", json_copy(logs)))
		rc = err_nomem(err);
out:
	json_free(logs);
	node_close(n);
	return rc;
}

enum err_code state_get(struct cli *c, struct control **control,
	struct json **out, struct err *err)
{
	struct control *daemon = NULL;
	struct json *v = NULL;
	enum err_code rc = control_open(c->data, &daemon, err);

	if (rc == ERR_OK) {
		rc = control_get_json(daemon, "/status", &v, err);
		if (rc == ERR_OK &&
			!json_set(v, "running", json_new_bool(true)))
			rc = err_nomem(err);
	} else if (rc == ERR_NOT_FOUND) {
		v = json_new_object();
		rc = v ? from_store(c, v, err) : err_nomem(err);
	}
	if (rc == ERR_OK) {
		*out = v;
		*control = daemon;
		return rc;
	}
	json_free(v);
	control_close(daemon);
	return rc;
}

const struct json *state_peer(const struct json *state, const char *code)
{
	const struct json *peers = json_get(state, "peers");

	for (size_t i = 0; i < json_count(peers); i++) {
		const char *c = json_get_string(json_at(peers, i), "code");

		if (c && !strcmp(c, code))
			return json_at(peers, i);
	}
	return NULL;
}

bool peer_is(const struct json *peer, const char *role)
{
	const char *r = json_get_string(peer, "role");

	return r && !strcmp(r, role);
}

uint64_t json_count_of(const struct json *v, const char *name)
{
	uint64_t n = 0;

	return json_get_u64(v, name, &n) ? n : 0;
}

static const char *text_of(const struct json *v, const char *name)
{
	const char *s = json_get_string(v, name);

	return s ? s : "";
}

/* The words of the daemon that people read, so that they are translated. */
static const char *const states[] = {N_("waiting"), N_("connecting"),
	N_("hello"), N_("governance"), N_("open"), N_("restart"), N_("busy"),
	N_("closed"), N_("connected"), N_("parent"), N_("child")};

static const char *word(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!strcmp(states[i], s))
			return _(states[i]);
	}
	return s;
}

void peer_print(const struct json *peer)
{
	char n[COUNT_TEXT_SIZE];
	uint64_t next = json_count_of(peer, "next_try_s");
	const char *waiting_for = text_of(peer, "waiting_for");

	out_column(word(text_of(peer, "role")), 8);
	out_column(text_of(peer, "code"), 14);
	out_column(text_of(peer, "name"), 16);
	out_column(word(text_of(peer, "state")), 12);
	if (json_bool(json_get(peer, "complete")))
		fputs(_("complete"), stdout);
	else if (json_get(peer, "backlog"))
		printf(_("%s to go"),
			out_count(json_count_of(peer, "backlog"), n));
	if (!json_bool(json_get(peer, "complete")) && *waiting_for) {
		fputs(", ", stdout);
		out_plain(stdout, waiting_for, strlen(waiting_for));
	}
	if (json_get(peer, "next_try_s") &&
		!strcmp(text_of(peer, "state"), "waiting"))
		printf(_(", next try in %s s"), out_count(next, n));
	putchar('\n');
}
