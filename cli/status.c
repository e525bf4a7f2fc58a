/* status.c - `cundang status`. */
#include <inttypes.h>
#include <string.h>

#include "cli/control.h"
#include "cli/state.h"

static void print_own(const struct json *v)
{
	const struct json *rules = json_get(v, "governance");
	const char *name = json_get_string(v, "name");
	const char *root = json_get_string(v, "root");
	const char *at = json_get_string(rules, "at");
	char n[COUNT_TEXT_SIZE];

	out_column(_("node"), 10);
	printf("%s", json_get_string(v, "code"));
	if (name) {
		putchar(' ');
		out_plain(stdout, name, strlen(name));
	}
	printf(" (%s)\n", json_get_string(v, "domain"));
	out_column(_("log"), 10);
	printf(ngettext("%s entry, root %s\n", "%s entries, root %s\n",
		       json_count_of(v, "size")),
		out_count(json_count_of(v, "size"), n), root ? root : "");
	out_column(_("rules"), 10);
	printf(_("number %" PRIu64 " of %.10s\n"),
		json_count_of(rules, "serial"), at ? at : "");
	if (json_bool(json_get(rules, "old"))) {
		out_column("", 10);
		printf(_("ALARM: they are more than %d days old. Newer ones "
			 "may be held back from here: ask an officer which "
			 "number is the newest.\n"),
			RULES_OLD_DAYS);
	}
	out_column(_("daemon"), 10);
	puts(json_bool(json_get(v, "running"))
			? _("running")
			: _("not running: records are kept, nothing is sent"));
}

/* What the node cannot do anything about by waiting. */
static void print_lacks(struct cli *c, const struct json *v)
{
	const char *retired = json_get_string(v, "retired");
	struct node *n = NULL;
	struct rules *rules;

	if (retired) {
		const char *successor = json_get_string(v, "successor");

		printf(_("This node was retired on %s. It takes no records any "
			 "more; its successor is %s.\n"),
			retired, successor && *successor ? successor : "-");
		return;
	}
	if (!json_bool(json_get(v, "enrolled")))
		printf("%s\n  %s %s\n",
			_("The rules here do not have this node's keys: it is "
			  "not admitted yet, or the rules are old."),
			_("next:"),
			_("cundang node request -o FILE; an officer then: "
			  "cundang node admit --check NUMBER GOV FILE"));
	if (state_parent(v) || open_reader(c, &n, NULL))
		return;
	rules = node_rules(n);
	if (!n->config.parent[0] && !state_is_root(rules, n->config.code))
		printf(_("node.yaml names no parent, so nothing is ever sent; "
			 "by the rules it is %s.\n"),
			rules_node(rules, n->config.code)
				? rules_node(rules, n->config.code)->parent
				: "");
	rules_unref(rules);
	node_close(n);
}

static void print_waiting(const struct json *v)
{
	const struct json *parent = state_parent(v);
	uint64_t waiting = parent ? peer_backlog(v, parent) : 0;
	char n[COUNT_TEXT_SIZE];

	if (!json_bool(json_get(v, "running")))
		waiting = state_own_waiting(v);
	out_column(_("records"), 10);
	if (waiting)
		printf(ngettext("kept here, waiting to go up: %s\n",
			       "kept here, waiting to go up: %s\n", waiting),
			out_count(waiting, n));
	else if (parent)
		puts(_("kept here, and all acknowledged above"));
	else
		puts(_("kept here"));
	if (json_count_of(v, "wanted")) {
		out_column("", 10);
		printf(_("attachments still to come: %s\n"),
			out_count(json_count_of(v, "wanted"), n));
	}
}

static void print_forks(const struct json *v, const char *data)
{
	const struct json *forks = json_get(v, "forks");

	for (size_t i = 0; i < json_count(forks); i++) {
		const struct json *f = json_at(forks, i);
		const char *now = json_get_string(f, "now");

		out_column(_("fork"), 10);
		printf(_("%s contradicts itself since %s: both notes are in "
			 "%s/%s.\n"),
			json_get_string(f, "origin"),
			json_get_string(f, "date"), data,
			json_get_string(f, "file"));
		out_column("", 10);
		if (now && *now)
			printf(_("What is here of it stays; its node goes on "
				 "as "
				 "%s and sends again what only it has.\n"),
				now);
		else
			puts(_("What is here of it stays; its node begins a "
			       "new log when it connects."));
	}
}

/* Damage that was met, and what it holds up. */
static void print_damage(struct cli *c, const struct json *v)
{
	const struct json *list = json_get(v, "damage");
	const char *held = json_get_string(v, "feed_held_text");

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *d = json_at(list, i);

		out_column(_("damage"), 10);
		printf("%s: ", json_get_string(d, "where"));
		out_reason(stdout, json_get_string(d, "what"));
		putchar('\n');
	}
	if (held) {
		out_column(_("feed"), 10);
		out_reason(stdout, held);
		putchar('\n');
	}
	if (json_count(list) || held)
		printf("  %s cundang -C %s fsck\n", _("next:"), c->quoted);
}

static void print_peers(const struct json *v, bool children)
{
	const struct json *peers = json_get(v, "peers");
	size_t hidden = 0;

	for (size_t i = 0; i < json_count(peers); i++) {
		if (children || peer_is(json_at(peers, i), "parent"))
			peer_print(v, json_at(peers, i));
		else
			hidden++;
	}
	if (hidden)
		printf(ngettext("%zu node below (status --children)\n",
			       "%zu nodes below (status --children)\n", hidden),
			hidden);
}

static enum err_code run_status(
	struct cli *c, const struct args *a, struct err *err)
{
	struct control *control = NULL;
	struct json *v = NULL;
	enum err_code rc = state_get(c, &control, &v, err);

	if (rc)
		return rc;
	if (c->json) {
		rc = out_json(v, err);
	} else {
		print_own(v);
		print_waiting(v);
		epoch_print(v);
		print_forks(v, c->data);
		print_damage(c, v);
		print_peers(v, args_has(a, "children"));
		print_lacks(c, v);
		json_free(v);
	}
	control_close(control);
	return rc;
}

static const struct option_spec options[] = {
	{"children", 0, NULL, N_("list the nodes below too")},
	{NULL, 0, NULL, NULL},
};

const struct command command_status = {
	.name = "status",
	.words = "",
	.summary = N_("tell how the node is, and what waits to go up"),
	.options = options,
	.run = run_status,
};
