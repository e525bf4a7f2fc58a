/* difference.c - `cundang governance diff`: the difference of two heads. */
#include "cli/difference.h"

#include <string.h>

struct printing {
	FILE *f;
	enum page_language in;
	size_t count;
};

static enum err_code print_line(
	void *arg, const struct difference_line *line, struct err *err)
{
	struct printing *p = arg;
	const char *text = line->text[p->in];

	(void)err;
	fputs("  ", p->f);
	out_plain(p->f, text, strlen(text));
	fputs(" [", p->f);
	out_plain(p->f, line->file, strlen(line->file));
	fputs("]\n", p->f);
	p->count++;
	return ERR_OK;
}

enum err_code difference_print(FILE *f, const struct version *a,
	const struct version *b, struct err *err)
{
	struct printing p = {.f = f,
		.in = locale_wants_chinese() ? PAGE_CHINESE : PAGE_ENGLISH};
	enum err_code rc = difference_each(a, b, print_line, &p, err);

	if (rc == ERR_OK && p.count == 0)
		fprintf(f, "  %s\n", _("Nothing changes."));
	return rc;
}

static enum err_code add_line(
	void *arg, const struct difference_line *line, struct err *err)
{
	struct json *v = json_new_object();

	if (json_set(v, "file", out_text(line->file)) &&
		json_set(v, "en", out_text(line->text[PAGE_ENGLISH])) &&
		json_set(v, "zh", out_text(line->text[PAGE_CHINESE])))
		return json_append(arg, v) ? ERR_OK : err_nomem(err);
	json_free(v);
	return err_nomem(err);
}

enum err_code difference_json(const struct version *a, const struct version *b,
	struct json **out, struct err *err)
{
	struct json *list = json_new_array();
	enum err_code rc = list ? difference_each(a, b, add_line, list, err)
				: err_nomem(err);

	if (rc)
		json_free(list);
	else
		*out = list;
	return rc;
}

/* Before the first head there is nothing: *out stays NULL. */
static enum err_code open_newest(
	struct governance *g, struct version **out, struct err *err)
{
	enum err_code rc = version_open(g, EDITION_HEAD, 0, out, err);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code difference_open(struct governance *g, struct version **head,
	struct version **proposal, struct err *err)
{
	enum err_code rc = open_newest(g, head, err);

	return rc ? rc : version_open(g, EDITION_PROPOSAL, 0, proposal, err);
}

/* ---- governance diff ---- */

/* "main", "proposal", or a serial. */
static enum err_code open_named(struct governance *g, const char *name,
	struct version **out, struct err *err)
{
	uint64_t serial = 0;

	if (!strcmp(name, "main"))
		return version_open(g, EDITION_MAIN, 0, out, err);
	if (!strcmp(name, "proposal"))
		return version_open(g, EDITION_PROPOSAL, 0, out, err);
	if (!number_parse(name, strlen(name), UINT64_MAX, &serial) || !serial)
		return err_set(err, ERR_USAGE,
			"%s is neither the number of a head nor main or "
			"proposal",
			name);
	return version_open(g, EDITION_HEAD, serial, out, err);
}

static enum err_code tell(struct cli *c, const struct version *a,
	const struct version *b, struct err *err)
{
	struct json *v, *changes = NULL;
	enum err_code rc;

	if (!c->json)
		return difference_print(stdout, a, b, err);
	if ((rc = difference_json(a, b, &changes, err)))
		return rc;
	v = json_new_object();
	if (!json_set(v, "changes", changes)) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_diff(
	struct cli *c, const struct args *a, struct err *err)
{
	struct version *from = NULL, *to = NULL;
	struct governance *g = NULL;
	char quoted[QUOTED_SIZE];
	enum err_code rc;

	if ((rc = governance_open(a->word[0], &g, err)))
		return rc;
	rc = a->count > 1 ? open_named(g, a->word[1], &from, err)
			  : open_newest(g, &from, err);
	if (rc == ERR_OK)
		rc = open_named(
			g, a->count > 2 ? a->word[2] : "main", &to, err);
	if (rc == ERR_INVALID)
		cli_next(c, "cundang governance check %s",
			out_quoted(a->word[0], quoted));
	if (rc == ERR_OK)
		rc = tell(c, from, to, err);
	version_free(from);
	version_free(to);
	governance_close(g);
	return rc;
}

const struct command command_governance_diff = {
	.name = "governance diff",
	.words = "GOV [A] [B]",
	.summary = N_("tell in words what changes from one head to another"),
	.detail = N_("A and B are numbers of heads, main or proposal. Without "
		     "them: from the newest head to what main has."),
	.least = 1,
	.most = 3,
	.run = run_diff,
};
