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

static bool is(const struct json *story, const char *member)
{
	return json_bool(json_get(story, member));
}

static uint64_t number_of(const struct json *story, const char *member)
{
	uint64_t n = 0;

	(void)json_get_u64(story, member, &n);
	return n;
}

static void print_labels(const char *title, const struct json *list)
{
	size_t count = json_count(list);

	if (!count)
		return;
	printf("%s ", title);
	for (size_t i = 0; i < count; i++) {
		const char *l = json_string(json_at(list, i), NULL);

		printf("%s%s", i ? _(", ") : "", l ? out_label(l) : "");
	}
	putchar('\n');
}

static void print_witnesses(const struct json *story)
{
	const struct json *list = json_get(story, "cosigned_by");

	for (size_t i = 0; i < json_count(list); i++)
		printf(_("Countersigned by %s %s: it is kept there too.\n"),
			json_get_string(json_at(list, i), "code"),
			json_get_string(json_at(list, i), "name"));
}

/* Why nobody has, as far as the daemon knows. */
static void print_waiting(const struct json *story, const struct json *state)
{
	const struct json *parent = state_parent(state);

	if (is(story, "root")) {
		puts(_("This node is the root of its domain: there is nobody "
		       "above to countersign."));
		return;
	}
	puts(_("No node above has acknowledged it yet."));
	if (!is(story, "parent"))
		puts(_("node.yaml names no parent, so nothing is sent."));
	else if (!json_bool(json_get(state, "running")))
		puts(_("The daemon is not running, so nothing is sent."));
	else if (parent)
		peer_print(state, parent);
}

static void print_story(const struct json *story, const struct json *state)
{
	const struct json *erased = json_get(story, "erased");
	void *at = NULL;
	const char *name;
	const struct json *v;

	printf(_("It is here: number %" PRIu64 " of %s, arrival %" PRIu64
		 ".\n"),
		number_of(story, "seq"), json_get_string(story, "origin"),
		number_of(story, "arrival"));
	print_witnesses(story);
	if (!is(story, "cosigned") && is(story, "own"))
		print_waiting(story, state);
	print_labels(
		_("Kept whole, and not shown raw:"), json_get(story, "masked"));
	print_labels(
		_("Not held here, by the rules:"), json_get(story, "withheld"));
	print_labels(
		_("Lost here by damage, and not brought back by any node:"),
		json_get(story, "lost"));
	if (json_next(erased, &at, &name, &v)) {
		printf("%s ", _("Destroyed under an order:"));
		out_erased(stdout, erased);
		putchar('\n');
	}
	if (number_of(story, "wanted"))
		printf(_("Attachments still to come: %" PRIu64 "\n"),
			number_of(story, "wanted"));
}

/* Of the node itself, or of its daemon where the directory is another
 * account's. */
static enum err_code story_of(
	struct cli *c, const char *word, struct json **out, struct err *err)
{
	struct control *control = NULL;
	struct json *body = NULL;
	struct node *n = NULL;
	struct point p;
	enum err_code rc = point_parse(word, strlen(word), &p, err);

	if (rc)
		return rc;
	rc = open_check(c, err);
	if (rc == ERR_DENIED && !control_open(c->data, &control, NULL)) {
		body = json_new_object();
		if (!json_set(body, "record", json_new_text(word))) {
			json_free(body);
			body = NULL;
		}
		rc = control_post_json(control, "/why", body, out, err);
	} else if (!rc && !(rc = open_reader(c, &n, err))) {
		rc = story_tell(n, &p, out, err);
	}
	control_close(control);
	node_close(n);
	return rc;
}

static enum err_code why_record(
	struct cli *c, const char *word, struct err *err)
{
	struct control *control = NULL;
	struct json *story = NULL, *state = NULL;
	enum err_code rc = story_of(c, word, &story, err);

	if (rc)
		return rc;
	if (c->json)
		return out_json(story, err);
	if (!(rc = state_get(c, &control, &state, err)))
		print_story(story, state);
	json_free(story);
	json_free(state);
	control_close(control);
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
