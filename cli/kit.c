/* kit.c - `cundang governance kit`: one file for all nodes of a domain. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* "CODE=HOST:PORT" */
static enum err_code read_parent(
	const char *said, struct kit_parent *out, struct err *err)
{
	const char *eq = strchr(said, '=');

	if (!eq || (size_t)(eq - said) != CODE_LEN ||
		!code_valid(said, CODE_LEN) ||
		strlen(eq + 1) >= sizeof(out->address))
		return err_set(err, ERR_USAGE,
			"--parent %s is not CODE=HOST:PORT", said);
	memcpy(out->code, said, CODE_LEN);
	out->code[CODE_LEN] = '\0';
	memcpy(out->address, eq + 1, strlen(eq + 1) + 1);
	return ERR_OK;
}

static enum err_code tell(struct cli *c, const char *path,
	const struct rules *rules, size_t bytes, struct err *err)
{
	char root[DIGEST_HEX_SIZE];
	struct json *v;

	digest_hex(rules_root_fingerprint(rules), root);
	if (!c->json) {
		printf(_("The kit of %s with head %" PRIu64 " is in %s. Each "
			 "node is made with it:\n"
			 "  cundang -C DIRECTORY init --kit FILE\n"
			 "Its root fingerprint, to compare with the paper:\n"
			 "    %s\n"),
			rules_domain(rules), rules_serial(rules), path, root);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "bytes", json_new_u64(bytes)) ||
		!json_set(v, "file", json_new_text(path)) ||
		!json_set(v, "root", json_new_text(root)) ||
		!json_set(v, "serial", json_new_u64(rules_serial(rules)))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_governance_kit(
	struct cli *c, const struct args *a, struct err *err)
{
	struct kit_parent parents[ARGS_GIVEN_LIMIT];
	const char *path = args_get(a, "output"), *said;
	struct governance *g = NULL;
	struct rules *rules = NULL;
	struct buf kit = BUF_EMPTY;
	enum err_code rc;
	size_t count = 0;

	if (!path)
		return err_set(err, ERR_USAGE, "governance kit needs -o FILE");
	if (strcmp(path, "-") != 0 && file_exists(path) &&
		!args_has(a, "force")) {
		cli_safe(c, _("The file that is there was not touched."));
		cli_next(c, _("name another file, or add --force"));
		return err_set(err, ERR_EXISTS, "%s is there already", path);
	}
	for (; (said = args_nth(a, "parent", count)); count++)
		if ((rc = read_parent(said, &parents[count], err)))
			return rc;
	if ((rc = governance_open(a->word[0], &g, err)) ||
		(rc = kit_write(g, parents, count, &kit, err)))
		goto out;
	if (!strcmp(path, "-")) {
		fwrite(kit.data, 1, kit.len, stdout);
		goto out;
	}
	if ((rc = governance_rules(g, 0, NULL, &rules, err)) ||
		(rc = file_replace(path, kit.data, kit.len, 0644, err)))
		goto out;
	rc = tell(c, path, rules, kit.len, err);
out:
	rules_unref(rules);
	buf_free(&kit);
	governance_close(g);
	return rc;
}

static const struct option_spec kit_options[] = {
	{"output", 'o', "FILE", N_("the file to write")},
	{"force", 0, NULL, N_("replace the file that is there")},
	{"parent", 0, "CODE=HOST:PORT",
		N_("where that node listens for those below, if not where the "
		   "roster says; for each that differs")},
	{NULL, 0, NULL, NULL},
};
const struct command command_governance_kit = {
	.name = "governance kit",
	.words = "GOV -o FILE",
	.summary = N_("write one file from which every node can be made"),
	.least = 1,
	.most = 1,
	.options = kit_options,
	.run = run_governance_kit,
};
