/* state.c - what the node is doing, from its daemon or its directory. */
#include "cli/state.h"

#include <inttypes.h>
#include <string.h>

#include "cli/control.h"

static struct json *root_text(const struct digest *root)
{
	char text[BASE64_SIZE(DIGEST_SIZE)];

	base64_encode(root->b, sizeof(root->b), text);
	return json_new_text(text);
}

static struct json *log_json(const struct log_info *log)
{
	static const char *const kinds[] = {[LOG_OWN] = "own",
		[LOG_FULL] = "full",
		[LOG_SPARSE] = "sparse"};
	struct json *v = json_new_object();

	if (json_set(v, "origin", json_new_text(log->origin)) &&
		json_set(v, "kind", json_new_text(kinds[log->kind])) &&
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
		json_set(g, "at", json_new_text(at)) &&
		json_set(g, "old", json_new_bool(rules_old(rules, time_now())));
	good = json_set(v, "governance", g) && good;
	good = good &&
		json_set(v, "enrolled", json_new_bool(me && me->enrolled));
	if (me)
		good = good && json_set(v, "name", json_new_text(me->name)) &&
			json_set(v, "rank", json_new_text(rank_name(me->rank)));
	if (me && me->retired[0])
		good = good &&
			json_set(v, "retired", json_new_text(me->retired)) &&
			json_set(v, "successor", json_new_text(me->successor));
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
		!json_set(v, "code", json_new_text(n->config.code)) ||
		!json_set(v, "domain", json_new_text(n->config.domain)) ||
		!json_set(v, "origin", json_new_text(own.origin)) ||
		!json_set(v, "size", json_new_u64(own.size)) ||
		!json_set(v, "root", root_text(&own.root)) ||
		!json_set(v, "arrivals",
			json_new_u64(store_arrivals(n->store))) ||
		!json_set(v, "wanted",
			json_new_u64(store_wanted_count(n->store))) ||
		!json_set(v, "peers", json_new_array()) || !add_rules(v, n) ||
		!json_set(v, "logs", json_copy(logs)))
		rc = err_nomem(err);
	else if (!(rc = node_damage_status(n, v, err)))
		rc = epoch_status(n, v, err);
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

const struct json *state_parent(const struct json *state)
{
	const struct json *peers = json_get(state, "peers");

	for (size_t i = 0; i < json_count(peers); i++) {
		if (peer_is(json_at(peers, i), "parent"))
			return json_at(peers, i);
	}
	return NULL;
}

uint64_t state_own_waiting(const struct json *state)
{
	const char *origin = json_get_string(state, "origin");
	const struct json *logs = json_get(state, "logs");
	uint64_t size = json_count_of(state, "size"), cosigned = 0;

	for (size_t i = 0; origin && i < json_count(logs); i++) {
		const char *o = json_get_string(json_at(logs, i), "origin");

		if (o && !strcmp(o, origin))
			cosigned = json_count_of(json_at(logs, i), "cosigned");
	}
	return size > cosigned ? size - cosigned : 0;
}

/* Before hello nothing is compared, and a session counts nothing. */
uint64_t peer_backlog(const struct json *state, const struct json *peer)
{
	uint64_t said = json_count_of(peer, "backlog");
	uint64_t own = state_own_waiting(state);

	if (!peer_is(peer, "parent") ||
		!strcmp(text_of(peer, "state"), "open") ||
		!strcmp(text_of(peer, "state"), "waiting"))
		return said;
	return own > said ? own : said;
}

bool state_is_root(const struct rules *rules, const char *code)
{
	const struct node_info *us = rules_node(rules, code);

	return us && !us->parent[0];
}

/* By the words with which sessions end (docs/protocol.md), which the peer says
 * in its own language behind them. */
static const struct {
	const char *word, *text, *next;
} endings[] = {
	{"unknown-key",
		N_("the node above is reached, but its rules do not know this "
		   "node's key yet"),
		N_("cundang node request -o FILE; an officer then: cundang "
		   "node admit --check NUMBER GOV FILE")},
	{"domain", N_("the node at that address is of another domain"), ""},
	{"code", N_("the node at that address is another one"), ""},
	{"fork",
		N_("this log and what is held of it above contradict each "
		   "other; waiting does not help"),
		N_("cundang fsck, and ask who else has this node's keys")},
	{"stopped", N_("the node above was stopped"), ""},
	{"internal", N_("the node above failed; its log tells why"), ""},
};

/* Its keys went with its code; it has the rules that say so. */
static bool is_of_retired(const struct json *state, const char *word)
{
	return json_get(state, "retired") && !strcmp(word, "unknown-key");
}

const char *peer_reason(
	const struct json *state, const struct json *peer, const char **next)
{
	const char *said = text_of(peer, "waiting_for");
	size_t len = strcspn(said, ":");

	*next = "";
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		if (strlen(endings[i].word) != len ||
			strncmp(endings[i].word, said, len))
			continue;
		if (is_of_retired(state, endings[i].word)) {
			*next = _("its records go on at its successor, which "
				  "cundang status names");
			return _("this node was retired: the node above takes "
				 "nothing from it any more");
		}
		*next = endings[i].next[0] ? _(endings[i].next) : "";
		return _(endings[i].text);
	}
	return said;
}

void peer_print(const struct json *state, const struct json *peer)
{
	char n[COUNT_TEXT_SIZE];
	uint64_t next = json_count_of(peer, "next_try_s");
	const char *fix, *reason = peer_reason(state, peer, &fix);

	out_column(word(text_of(peer, "role")), 8);
	out_column(text_of(peer, "code"), 14);
	out_column(text_of(peer, "name"), 16);
	out_column(word(text_of(peer, "state")), 12);
	if (json_bool(json_get(peer, "complete")))
		fputs(_("complete"), stdout);
	else if (json_get(peer, "backlog"))
		printf(_("%s to go"), out_count(peer_backlog(state, peer), n));
	if (!json_bool(json_get(peer, "complete")) && *reason) {
		fputs(_("; "), stdout);
		out_reason(stdout, reason);
	}
	if (json_get(peer, "next_try_s") &&
		!strcmp(text_of(peer, "state"), "waiting"))
		printf(_(", next try in %s s"), out_count(next, n));
	putchar('\n');
	if (*fix && !json_bool(json_get(peer, "complete")))
		printf("  %s %s\n", _("next:"), fix);
}

static bool reason_is(const struct json *epoch, enum epoch_reason r)
{
	return !strcmp(text_of(epoch, "reason"), epoch_reason_name(r));
}

/* What became of the log before. */
static void print_before(const struct json *epoch)
{
	const char *before = text_of(epoch, "origin");
	char common[COUNT_TEXT_SIZE], entered[COUNT_TEXT_SIZE];

	out_column("", 10);
	if (json_bool(json_get(epoch, "gone")))
		printf(_("It had %s entries, and nothing of it is here any "
			 "more: what the node above has of it is told once it "
			 "is connected.\n"),
			out_count(json_count_of(epoch, "had"), common));
	else if (json_bool(json_get(epoch, "settled")))
		printf(_("Both have %s entries of %s; records that only this "
			 "node had, entered again: %s.\n"),
			out_count(json_count_of(epoch, "common"), common),
			before,
			out_count(json_count_of(epoch, "entered"), entered));
	else if (reason_is(epoch, EPOCH_COPIED))
		printf(_("What was copied stays in %s, and nothing is lost.\n"),
			before);
	else
		printf(_("What only this node has of %s is entered again once "
			 "the node above has told what it has.\n"),
			before);
}

void epoch_print(const struct json *state)
{
	const struct json *epoch = json_get(state, "epoch");
	char n[COUNT_TEXT_SIZE];

	if (!epoch)
		return;
	out_column(_("epoch"), 10);
	if (reason_is(epoch, EPOCH_LOST)) {
		printf(_("The node above has %s entries of %s, which are not "
			 "here any more.\n"),
			out_count(json_count_of(epoch, "last"), n),
			text_of(epoch, "origin"));
		out_column("", 10);
		puts(_("They are kept there; this node goes on in a log of its "
		       "own."));
		return;
	}
	if (reason_is(epoch, EPOCH_COPIED))
		printf(_("This directory is a copy of another one, so a new "
			 "log goes on since %.10s.\n"),
			text_of(epoch, "since"));
	else if (reason_is(epoch, EPOCH_DAMAGED))
		printf(_("Records of this node's log are damaged and no other "
			 "node held them, so a new log goes on since "
			 "%.10s.\n"),
			text_of(epoch, "since"));
	else if (reason_is(epoch, EPOCH_CUT))
		printf(_("The end of this node's log was damaged or gone, so a "
			 "new log goes on since %.10s.\n"),
			text_of(epoch, "since"));
	else
		printf(_("This node's data came from an older copy than what "
			 "the node above has, so a new log goes on since "
			 "%.10s.\n"),
			text_of(epoch, "since"));
	print_before(epoch);
}
