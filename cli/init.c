/* init.c - `cundang init`: makes a node. */
#include <stdlib.h>
#include <string.h>

#include "cli/choose.h"
#include "cli/request.h"
#include "cli/scratch.h"

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

/* What there is to tell of a node that was made. */
struct made {
	const char *code, *name, *parent;
	char check[CHECK_SIZE]; /* "" without a request */
	const char *request;
};

static enum err_code tell_json(const struct cli *c, const struct node *n,
	const struct made *m, struct err *err)
{
	struct json *v = json_new_object();

	if (!json_set(v, "code", json_new_text(m->code)) ||
		!json_set(v, "origin", json_new_text(n->origin)) ||
		!json_set(v, "data", json_new_text(c->data)) ||
		(m->check[0] &&
			(!json_set(v, "name", json_new_text(m->name)) ||
				!json_set(v, "parent",
					json_new_text(m->parent)) ||
				!json_set(
					v, "check", json_new_text(m->check)) ||
				!json_set(v, "request",
					json_new_text(m->request))))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static void tell(
	const struct cli *c, const struct node *n, const struct made *m)
{
	char root[DIGEST_HEX_SIZE];

	printf(_("Node %s was made in %s. Records can be put from now on.\n"),
		m->code, c->data);
	if (!m->check[0]) {
		printf(_("Next, ask to be admitted:\n"
			 "  cundang -C %s node request -o %s.request\n"
			 "and bring that file to an officer of the domain.\n"),
			c->quoted, m->code);
		return;
	}
	digest_hex(&n->config.root, root);
	printf(_("It is the node of %s in the domain %s, whose root "
		 "fingerprint is\n\n    %s\n\n"),
		m->name, n->config.domain, root);
	if (n->config.parent[0])
		printf(_("The node above listens at %s.\n"), n->config.parent);
	else if (m->parent[0])
		printf(_("Nobody says where the node above listens: ask, and "
			 "write it into %s/node.yaml as \"parent\".\n"),
			c->data);
	printf(_("Bring %s to an officer of the domain, and read out on the "
		 "phone its check number: %s\n"),
		m->request, m->check);
}

static enum err_code save_request(
	struct node *n, struct made *m, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = request_make(n, &text, err);

	if (rc == ERR_OK)
		rc = request_save(&text, m->request, m->check, err);
	buf_free(&text);
	return rc;
}

static enum err_code finish(struct cli *c, struct made *m, struct err *err)
{
	struct rules *rules = NULL;
	struct node *n = NULL;
	const struct node_info *us;
	enum err_code rc;

	if ((rc = node_open(c->data, STORE_READ, &n, err)))
		return rc;
	rules = node_rules(n);
	us = rules_node(rules, m->code);
	m->name = us ? us->name : "";
	m->parent = us ? us->parent : "";
	if (m->request)
		rc = save_request(n, m, err);
	if (rc == ERR_OK && c->json)
		rc = tell_json(c, n, m, err);
	else if (rc == ERR_OK)
		tell(c, n, m);
	rules_unref(rules);
	node_close(n);
	return rc;
}

static enum err_code make(struct cli *c, const struct node_init_options *o,
	const char *request, struct err *err)
{
	struct made m = {.code = o->code, .request = request};
	enum err_code rc = node_init(c->data, o, err);

	if (rc == ERR_INVALID)
		rc = ERR_USAGE; /* the options are all it was given */
	if (rc == ERR_EXISTS && open_check(c, NULL) == ERR_OK) {
		cli_safe(c, _("The node that is there was not touched."));
		cli_next_command(c, "status");
	}
	return rc ? rc : finish(c, &m, err);
}

/* ---- from a kit ---- */

/* The rules of the kit lie in `folder` while the node is made. */
static enum err_code make_of(struct cli *c, const struct args *a,
	const struct kit *k, const char *folder, struct node_init_options *o,
	struct err *err)
{
	const char *code = args_get(a, "code");
	const struct node_info *which = NULL;
	struct governance *g = NULL;
	struct rules *rules = NULL;
	char *request = NULL;
	enum err_code rc;

	if ((rc = cli_input(kit_unpack(k, folder, o->pin, &g, err), err)) ||
		(rc = governance_rules(g, 0, &k->root, &rules, err)) ||
		(rc = choose_division(c, rules,
			 code ? code : args_get(a, "name"), &which, err)))
		goto out;
	o->code = which->code;
	o->governance = folder;
	o->pin = &k->root;
	if (!o->parent)
		o->parent = kit_parent_address(k, rules, which->code);
	if (asprintf(&request, "%s/%s.request", c->data, which->code) < 0) {
		request = NULL;
		rc = err_nomem(err);
		goto out;
	}
	rc = make(c, o, args_get(a, "output") ? args_get(a, "output") : request,
		err);
out:
	free(request);
	rules_unref(rules);
	governance_close(g);
	return rc;
}

static enum err_code run_kit(struct cli *c, const struct args *a,
	struct node_init_options *o, struct err *err)
{
	const char *path = args_get(a, "kit"), *tmp = getenv("TMPDIR");
	struct buf text = BUF_EMPTY;
	char *folder = NULL;
	struct kit k = {0};
	enum err_code rc;

	if (args_get(a, "governance"))
		return err_set(err, ERR_USAGE,
			"init takes --kit or --governance, not both");
	if (args_get(a, "code") && args_get(a, "name"))
		return err_set(err, ERR_USAGE,
			"init takes --code or --name, not both");
	if ((rc = file_read(path, KIT_LIMIT, &text, err)) ||
		(rc = kit_parse(text.data, text.len, &k, err))) {
		rc = err_while(err, rc, "%s", path);
		goto out;
	}
	if (asprintf(&folder, "%s/cundang-XXXXXX", tmp && *tmp ? tmp : "/tmp") <
		0) {
		folder = NULL;
		rc = err_nomem(err);
	} else if (!(rc = scratch_enter(folder, err))) {
		rc = make_of(c, a, &k, folder, o, err);
	}
out:
	free(folder);
	kit_free(&k);
	buf_free(&text);
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
	const char *pin = args_get(a, "pin");
	struct digest root;
	enum err_code rc;

	if ((pin && (rc = read_pin(pin, &root, err))) ||
		(rc = args_number(
			 a, "bandwidth", UINT32_MAX, &o.bandwidth, err)))
		return rc;
	o.pin = pin ? &root : NULL;
	if (args_get(a, "kit"))
		return run_kit(c, a, &o, err);
	if (args_get(a, "name"))
		return err_set(
			err, ERR_USAGE, "init takes --name with --kit only");
	if ((rc = need(a, "code", err)) || (rc = need(a, "governance", err)) ||
		(rc = need(a, "pin", err)))
		return rc;
	return make(c, &o, args_get(a, "output"), err);
}

static const struct option_spec options[] = {
	{"code", 0, "CODE", N_("the division's 12 digits")},
	{"name", 0, "NAME",
		N_("with --kit: its name, a part of it, or the first letters "
		   "of its pinyin")},
	{"kit", 0, "FILE", N_("the domain's kit, instead of --governance")},
	{"governance", 0, "GOV", N_("the domain's governance repository")},
	{"pin", 0, "SHA256", N_("the root fingerprint, as it is on paper")},
	{"parent", 0, "HOST:PORT", N_("where the node above listens")},
	{"listen", 0, "HOST:PORT",
		N_("where this node listens for those below")},
	{"http", 0, "HOST:PORT", N_("loopback address of the feed")},
	{"bandwidth", 0, "BYTES",
		N_("bytes a second to the node above at most")},
	{"output", 'o', "FILE",
		N_("where to write the request to be admitted")},
	{NULL, 0, NULL, NULL},
};

const struct command command_init = {
	.name = "init",
	.words = "--kit FILE [--name NAME] | --code CODE --governance GOV "
		 "--pin SHA256",
	.summary = N_("make a node: its keys, its log, its rules"),
	.options = options,
	.run = run_init,
};
