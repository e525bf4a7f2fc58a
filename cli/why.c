/* why.c - `cundang why`: what is in the way of a record, or of a node. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/state.h"

/* A node */

static bool has_log_of(const struct json *state, const char *code)
{
	const struct json *logs = json_get(state, "logs");

	for (size_t i = 0; i < json_count(logs); i++) {
		const char *o = json_get_string(json_at(logs, i), "origin");
		const char *its = o ? origin_code(o) : NULL;

		if (its && !strncmp(its, code, CODE_LEN))
			return true;
	}
	return false;
}

/* It is not connected: what the rules and the logs here know of it. */
static enum err_code why_absent(struct cli *c, const struct json *state,
	const char *code, struct err *err)
{
	const char *self = json_get_string(state, "code");
	struct node *n = NULL;
	struct rules *rules;
	const struct node_info *about;
	enum err_code rc;

	if ((rc = open_reader(c, &n, err)))
		return rc;
	rules = node_rules(n);
	about = rules_node(rules, code);
	if (self && !strcmp(self, code)) {
		rc = err_set(err, ERR_NOT_FOUND,
			"%s is this node itself: cundang status tells of it",
			code);
	} else if (!about) {
		rc = err_set(err, ERR_NOT_FOUND,
			"%s is no division of this domain", code);
	} else if (!self || strcmp(about->parent, self)) {
		rc = err_set(err, ERR_NOT_FOUND,
			"%s is not right above or below this node", code);
	} else if (about->retired[0]) {
		rc = err_set(err, ERR_NOT_FOUND,
			"%s was retired on %s: nothing more comes from it; its "
			"successor is %s",
			code, about->retired,
			about->successor[0] ? about->successor : "-");
	} else if (!about->enrolled) {
		rc = err_set(err, ERR_NOT_FOUND,
			"%s is in the list of divisions, but not admitted: the "
			"rules have no keys of it",
			code);
		cli_next(c,
			_("there: cundang node request -o FILE; an officer: "
			  "cundang node admit --check NUMBER GOV FILE"));
	} else {
		rc = err_set(err, ERR_NOT_FOUND,
			has_log_of(state, code)
				? "%s is admitted and has sent entries, but "
				  "is not connected now"
				: "%s is admitted, but has never connected",
			code);
		cli_next(c, _("there: cundang status tells what it waits for"));
	}
	rules_unref(rules);
	node_close(n);
	return rc;
}

static enum err_code why_peer(struct cli *c, const char *code, struct err *err)
{
	struct control *control = NULL;
	struct json *state = NULL;
	const struct json *peer;
	enum err_code rc = state_get(c, &control, &state, err);

	if (rc)
		return rc;
	peer = state_peer(state, code);
	if (!control) {
		rc = err_set(err, ERR_NOT_FOUND,
			"the daemon is not running: nothing goes to %s", code);
		cli_safe(c, _("What was put is kept; the daemon sends it."));
		cli_next_daemon(c);
	} else if (!peer) {
		rc = why_absent(c, state, code, err);
	} else if (c->json) {
		rc = out_json(json_copy(peer), err);
	} else {
		peer_print(state, peer);
		if (peer_is(peer, "parent"))
			epoch_print(state);
	}
	json_free(state);
	control_close(control);
	return rc;
}

/* A record */

struct story {
	struct node *node;
	struct rules *rules;
	struct log_info log;
	uint64_t seq, arrival;
	struct entry entry;
	uint8_t have, labels, gone, lost; /* gone: destroyed */
	struct json *erased;		  /* the same, with when and why */
	uint64_t wanted;
};

static enum err_code on_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct story *s = arg;

	(void)err;
	if (!again && log == s->log.id && seq == s->seq)
		s->arrival = arrival;
	return ERR_OK;
}

static enum err_code on_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct story *s = arg;

	(void)err;
	s->wanted += ref->log == s->log.id && ref->seq == s->seq;
	return ERR_OK;
}

/* Arrival numbers are not indexed by record: the newest are looked at first. */
static enum err_code find_arrival(struct story *s, struct err *err)
{
	const uint64_t window = 65536;
	uint64_t end = store_arrivals(s->node->store);
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && end > 0 && s->arrival == 0) {
		uint64_t from = end > window ? end - window : 0;

		rc = store_arrival_each(s->node->store, from,
			(size_t)(end - from), on_arrival, s, err);
		end = from;
	}
	return rc;
}

static enum err_code read_story(struct story *s, struct err *err)
{
	const struct series *series;
	struct run run = {0};
	enum err_code rc;

	rc = store_read(
		s->node->store, s->log.id, s->seq, 1, LABEL_ALL, &run, err);
	if (rc == ERR_OK)
		rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			&s->entry, err);
	if (rc == ERR_OK) {
		s->have = run.record[0].have;
		s->gone = run.record[0].erased;
		s->lost = view_lost(s->rules, &s->log, &run.record[0]);
		s->erased = view_destroyed(&run.record[0]);
		series = rules_series(s->rules, s->entry.series);
		s->labels = series ? series->labels : s->have;
		if ((rc = find_arrival(s, err)) == ERR_OK)
			rc = store_wanted_each(
				s->node->store, on_wanted, s, err);
	}
	run_free(&run);
	return rc;
}

/* By the rules. */
static uint8_t story_withheld(const struct story *s)
{
	return (uint8_t)(s->labels & ~s->have & ~s->gone & ~s->lost);
}

static struct json *story_json(const struct story *s)
{
	struct json *v = json_new_object();

	if (json_set(v, "id", json_new_text(s->entry.id)) &&
		json_set(v, "origin", json_new_text(s->log.origin)) &&
		json_set(v, "seq", json_new_u64(s->seq)) &&
		json_set(v, "arrival", json_new_u64(s->arrival)) &&
		json_set(v, "cosigned",
			json_new_bool(s->log.cosigned_size > s->seq)) &&
		json_set(v, "withheld", labels_json(story_withheld(s))) &&
		json_set(v, "lost", labels_json(s->lost)) &&
		json_set(v, "erased", json_copy(s->erased)) &&
		json_set(v, "wanted", json_new_u64(s->wanted)))
		return v;
	json_free(v);
	return NULL;
}

static void print_labels(const char *title, uint8_t labels)
{
	if (!labels)
		return;
	out_label_list(title, labels);
	putchar('\n');
}

/* Who has countersigned a checkpoint that covers it. */
static void print_witnesses(const struct story *s)
{
	struct buf text = BUF_EMPTY;
	struct note note;

	if (s->log.cosigned_size <= s->seq ||
		store_note(s->node->store, s->log.id, NOTE_COSIGNED, &text,
			NULL) ||
		note_parse(text.data, text.len, &note, NULL))
		goto out;
	for (size_t i = 0; i < note.count; i++) {
		const char *slash = strchr(note.line[i].name, '/');
		const struct node_info *who;
		char code[CODE_SIZE];

		if (!slash || strcmp(slash + 1 + CODE_LEN, "/witness"))
			continue;
		memcpy(code, slash + 1, CODE_LEN);
		code[CODE_LEN] = '\0';
		who = rules_node(s->rules, code);
		printf(_("Countersigned by %s %s: it is kept there too.\n"),
			code, who ? who->name : "");
	}
out:
	buf_free(&text);
}

/* Why nobody has, as far as the daemon knows. */
static void print_waiting(const struct story *s, const struct json *state)
{
	const struct json *parent = state_parent(state);

	if (state_is_root(s->rules, s->node->config.code)) {
		puts(_("This node is the root of its domain: there is nobody "
		       "above to countersign."));
		return;
	}
	puts(_("No node above has acknowledged it yet."));
	if (!s->node->config.parent[0])
		puts(_("node.yaml names no parent, so nothing is sent."));
	else if (!json_bool(json_get(state, "running")))
		puts(_("The daemon is not running, so nothing is sent."));
	else if (parent)
		peer_print(state, parent);
}

static void print_story(const struct story *s, const struct json *state)
{
	printf(_("It is here: number %" PRIu64 " of %s, arrival %" PRIu64
		 ".\n"),
		s->seq, s->log.origin, s->arrival);
	print_witnesses(s);
	if (s->log.cosigned_size <= s->seq && s->log.kind == LOG_OWN)
		print_waiting(s, state);
	print_labels(_("Kept whole, and not shown raw:"),
		(uint8_t)(s->have &
			(LABEL_BIT(LABEL_PERSONAL) |
				LABEL_BIT(LABEL_SENSITIVE))));
	print_labels(_("Not held here, by the rules:"), story_withheld(s));
	print_labels(
		_("Lost here by damage, and not brought back by any node:"),
		s->lost);
	if (s->gone) {
		printf("%s ", _("Destroyed under an order:"));
		out_erased(stdout, s->erased);
		putchar('\n');
	}
	if (s->wanted)
		printf(_("Attachments still to come: %" PRIu64 "\n"),
			s->wanted);
}

static enum err_code why_record(
	struct cli *c, const char *word, struct err *err)
{
	struct control *control = NULL;
	struct json *state = NULL;
	struct story s = {0};
	struct point p;
	enum err_code rc;

	if ((rc = point_parse(word, strlen(word), &p, err)) ||
		(rc = open_reader(c, &s.node, err)))
		return rc;
	s.rules = node_rules(s.node);
	rc = point_find(s.node->store, &p, &s.log, &s.seq, err);
	if (rc == ERR_OK && (rc = read_story(&s, err)) == ERR_OK) {
		if (c->json)
			rc = out_json(story_json(&s), err);
		else
			rc = state_get(c, &control, &state, err);
		if (state)
			print_story(&s, state);
	}
	json_free(s.erased);
	json_free(state);
	control_close(control);
	rules_unref(s.rules);
	node_close(s.node);
	return rc;
}

static enum err_code run_why(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *word = a->word[0];

	return code_valid(word, strlen(word)) ? why_peer(c, word, err)
					      : why_record(c, word, err);
}

const struct command command_why = {
	.name = "why",
	.words = "NODE|ID|DIGEST|ORIGIN/NUMBER|CODE/NUMBER",
	.summary = N_("tell what is in the way of a node or a record"),
	.least = 1,
	.most = 1,
	.run = run_why,
};
