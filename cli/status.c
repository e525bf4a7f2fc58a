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
	printf(_("%s entries, root %s\n"),
		out_count(json_count_of(v, "size"), n), root ? root : "");
	out_column(_("rules"), 10);
	printf(_("number %" PRIu64 " of %.10s\n"),
		json_count_of(rules, "serial"), at ? at : "");
	out_column(_("daemon"), 10);
	puts(json_bool(json_get(v, "running"))
			? _("running")
			: _("not running: records are kept, nothing is sent"));
}

/* Entries of the own log that the parent has not countersigned. */
static uint64_t own_waiting(const struct json *v)
{
	const char *origin = json_get_string(v, "origin");
	const struct json *logs = json_get(v, "logs");
	uint64_t size = json_count_of(v, "size"), cosigned = 0;

	for (size_t i = 0; origin && i < json_count(logs); i++) {
		const char *o = json_get_string(json_at(logs, i), "origin");

		if (o && !strcmp(o, origin))
			cosigned = json_count_of(json_at(logs, i), "cosigned");
	}
	return size > cosigned ? size - cosigned : 0;
}

static const struct json *parent_of(const struct json *v)
{
	const struct json *peers = json_get(v, "peers");

	for (size_t i = 0; i < json_count(peers); i++) {
		if (peer_is(json_at(peers, i), "parent"))
			return json_at(peers, i);
	}
	return NULL;
}

static void print_waiting(const struct json *v)
{
	const struct json *parent = parent_of(v);
	uint64_t waiting = parent ? json_count_of(parent, "backlog") : 0;
	char n[COUNT_TEXT_SIZE];

	if (!json_bool(json_get(v, "running")))
		waiting = own_waiting(v);
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

static void print_peers(const struct json *v, bool children)
{
	const struct json *peers = json_get(v, "peers");
	size_t hidden = 0;

	for (size_t i = 0; i < json_count(peers); i++) {
		if (children || peer_is(json_at(peers, i), "parent"))
			peer_print(json_at(peers, i));
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
		print_peers(v, args_has(a, "children"));
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
