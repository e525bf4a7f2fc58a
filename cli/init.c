/* init.c - `cundang init`: makes a node. */
#include <string.h>

#include "cli/cli.h"

static enum err_code read_pin(
	const char *hex, struct digest *pin, struct err *err)
{
	if (!digest_from_hex(hex, strlen(hex), pin))
		return err_set(err, ERR_USAGE,
			"--pin %s is not the 64 lower-case hexadecimal digits "
			"of a root fingerprint",
			hex);
	return ERR_OK;
}

static enum err_code need(
	const struct args *a, const char *name, struct err *err)
{
	if (args_get(a, name))
		return ERR_OK;
	return err_set(err, ERR_USAGE, "init needs --%s", name);
}

static enum err_code tell(struct cli *c, const char *code, struct err *err)
{
	struct node *n = NULL;
	struct json *v;
	enum err_code rc;

	if ((rc = node_open(c->data, STORE_READ, &n, err)))
		return rc;
	if (c->json) {
		v = json_new_object();
		if (!json_set(v, "code", out_text(code)) ||
			!json_set(v, "origin", out_text(n->origin)) ||
			!json_set(v, "data", out_text(c->data))) {
			json_free(v);
			v = NULL;
		}
		rc = out_json(v, err);
	} else {
		printf(_("Node %s was made in %s. Records can be put from now "
			 "on.\n"),
			code, c->data);
		printf(_("Next, ask to be admitted:\n"
			 "  cundang -C %s node request -o %s.request\n"
			 "and bring that file to an officer of the domain.\n"),
			c->quoted, code);
	}
	node_close(n);
	return rc;
}

static enum err_code run_init(
	struct cli *c, const struct args *a, struct err *err)
{
	struct node_init_options o = {
		.code = args_get(a, "code"),
		.governance = args_get(a, "governance"),
		.parent = args_get(a, "parent"),
		.listen = args_get(a, "listen"),
		.http = args_get(a, "http"),
	};
	struct digest pin;
	enum err_code rc;

	if ((rc = need(a, "code", err)) || (rc = need(a, "governance", err)) ||
		(rc = need(a, "pin", err)) ||
		(rc = read_pin(args_get(a, "pin"), &pin, err)) ||
		(rc = args_number(
			 a, "bandwidth", UINT32_MAX, &o.bandwidth, err)))
		return rc;
	o.pin = &pin;
	rc = node_init(c->data, &o, err);
	if (rc == ERR_INVALID)
		rc = ERR_USAGE; /* the options are all it was given */
	if (rc == ERR_EXISTS && open_check(c, NULL) == ERR_OK) {
		cli_safe(c, _("The node that is there was not touched."));
		cli_next_command(c, "status");
	}
	return rc ? rc : tell(c, o.code, err);
}

static const struct option_spec options[] = {
	{"code", 0, "CODE", N_("the division's 12 digits")},
	{"governance", 0, "GOV", N_("the domain's governance repository")},
	{"pin", 0, "SHA256", N_("the root fingerprint, as it is on paper")},
	{"parent", 0, "HOST:PORT", N_("where the node above listens")},
	{"listen", 0, "HOST:PORT",
		N_("where this node listens for those below")},
	{"http", 0, "HOST:PORT", N_("loopback address of the feed")},
	{"bandwidth", 0, "BYTES",
		N_("bytes a second to the node above at most")},
	{NULL, 0, NULL, NULL},
};

const struct command command_init = {
	.name = "init",
	.words = "--code CODE --governance GOV --pin SHA256",
	.summary = N_("make a node: its keys, its log, its rules"),
	.options = options,
	.run = run_init,
};
