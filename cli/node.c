/* node.c - `cundang node request`: a node asks to be admitted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/request.h"

static enum err_code tell_request(struct cli *c, const char *path,
	const char *code, const char *check, struct err *err)
{
	struct json *v;

	if (!c->json) {
		printf(_("The request of %s is in %s. Its check number is %s: "
			 "the officer sees the same.\n"),
			code, path, check);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "code", out_text(code)) ||
		!json_set(v, "check", out_text(check)) ||
		!json_set(v, "file", out_text(path))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_request(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *path = args_get(a, "output");
	char check[CHECK_SIZE];
	struct node *n = NULL;
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "node request needs -o FILE");
	if ((rc = open_reader(c, &n, err)) ||
		(rc = request_save(n, path, check, err)))
		goto out;
	if (strcmp(path, "-"))
		rc = tell_request(c, path, n->config.code, check, err);
out:
	node_close(n);
	return rc;
}

static const struct option_spec request_options[] = {
	{"output", 'o', "FILE", N_("the file to bring to an officer")},
	{NULL, 0, NULL, NULL},
};
const struct command command_node_request = {
	.name = "node request",
	.words = "-o FILE",
	.summary = N_("write this node's public keys, to be admitted"),
	.options = request_options,
	.run = run_request,
};
