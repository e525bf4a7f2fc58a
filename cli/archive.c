/* archive.c - `cundang archive create`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/scratch.h"

/* "CODE" or "domain/CODE/EPOCH"; the parts point into `text`. */
static enum err_code parse_origin(const char *said, char text[ORIGIN_SIZE],
	struct archive_options *opt, struct err *err)
{
	size_t len = strlen(said);

	if (code_valid(said, len)) {
		memcpy(text, said, len + 1);
		opt->code = text;
		return ERR_OK;
	}
	if (len >= ORIGIN_SIZE || !origin_valid(said, len))
		return err_set(err, ERR_USAGE,
			"--origin %s is neither a 12-digit code nor an origin",
			said);
	memcpy(text, said, len + 1);
	opt->epoch = strrchr(text, '/') + 1;
	*strrchr(text, '/') = '\0';
	opt->code = strrchr(text, '/') + 1;
	return ERR_OK;
}

static enum err_code tell(struct cli *c, const char *path,
	const struct archive_made *m, struct err *err)
{
	char records[COUNT_TEXT_SIZE], bytes[COUNT_TEXT_SIZE];
	char quoted[QUOTED_SIZE];
	struct json *v;

	if (!c->json) {
		printf(ngettext("%s record of %s is in %s (%s bytes).\n",
			       "%s records of %s are in %s (%s bytes).\n",
			       m->records),
			out_count(m->records, records), m->origin, path,
			out_count(m->bytes, bytes));
		printf(_("It is checked by:\n"
			 "  cundang verify %s --root ROOT-FINGERPRINT\n"),
			out_quoted(path, quoted));
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "file", json_new_text(path)) ||
		!json_set(v, "origin", json_new_text(m->origin)) ||
		!json_set(v, "from", json_new_u64(m->from)) ||
		!json_set(v, "to", json_new_u64(m->to)) ||
		!json_set(v, "records", json_new_u64(m->records)) ||
		!json_set(v, "parts", json_new_u64(m->parts)) ||
		!json_set(v, "withheld", json_new_u64(m->withheld)) ||
		!json_set(v, "erased", json_new_u64(m->erased)) ||
		!json_set(v, "attachments", json_new_u64(m->attachments)) ||
		!json_set(v, "bytes", json_new_u64(m->bytes))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code sync_folder_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	enum err_code rc = folder ? file_sync_dir(folder, err) : err_nomem(err);

	free(folder);
	return rc;
}

/* In a folder beside the package, which goes with us whatever comes; then the
 * package is moved in one step. */
static enum err_code create(struct cli *c, struct archive_options *opt,
	const char *path, struct archive_made *made, struct err *err)
{
	char *folder = NULL, *staged = NULL;
	struct node *n = NULL;
	enum err_code rc;

	if (asprintf(&folder, "%s.XXXXXX", path) < 0)
		return err_nomem(err);
	if ((rc = scratch_enter(folder, err)) || (rc = open_reader(c, &n, err)))
		goto out;
	if (!opt->code)
		opt->code = n->config.code;
	if (!(staged = file_join(folder, "package.tar")))
		rc = err_nomem(err);
	else if ((rc = archive_create(n, opt, staged, made, err)) == ERR_OK &&
		rename(staged, path))
		rc = err_sys(err, "make %s", path);
	if (rc == ERR_OK)
		rc = sync_folder_of(path, err);
out:
	node_close(n);
	free(staged);
	free(folder);
	return rc;
}

static enum err_code run_create(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *origin = args_get(a, "origin");
	const char *path = args_get(a, "output");
	struct archive_options opt = {
		.has_from = args_has(a, "from"), .has_to = args_has(a, "to")};
	struct archive_made made = {0};
	char text[ORIGIN_SIZE];
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "archive create needs -o FILE");
	if ((origin && (rc = parse_origin(origin, text, &opt, err))) ||
		(rc = args_number(
			 a, "from", TREE_SIZE_LIMIT, &opt.from, err)) ||
		(rc = args_number(a, "to", TREE_SIZE_LIMIT, &opt.to, err)) ||
		(rc = open_check(c, err)))
		return rc;
	if (args_get(a, "epoch"))
		opt.epoch = args_get(a, "epoch");
	if (file_exists(path) && !args_has(a, "force")) {
		cli_safe(c, _("The file that is there was not touched."));
		cli_next(c, _("name another file, or add --force"));
		return err_set(err, ERR_EXISTS, "%s is there already", path);
	}
	rc = create(c, &opt, path, &made, err);
	return rc ? rc : tell(c, path, &made, err);
}

static const struct option_spec options[] = {
	{"origin", 0, "CODE|ORIGIN", N_("whose log (this node's)")},
	{"epoch", 0, "EPOCH", N_("which of its logs (the newest)")},
	{"from", 0, "A", N_("from this entry on")},
	{"to", 0, "B", N_("up to the entry before this one")},
	{"output", 'o', "FILE.tar", N_("the package")},
	{"force", 0, NULL, N_("replace the file that is there")},
	{NULL, 0, NULL, NULL},
};

const struct command command_archive_create = {
	.name = "archive create",
	.words = "-o FILE.tar",
	.summary = N_("make a package for the archive"),
	.options = options,
	.run = run_create,
};
