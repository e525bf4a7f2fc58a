/* docs.c - `cundang governance docs`: pages for people about every series. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static enum err_code write_file(const char *dir, const char *name,
	const struct buf *text, struct err *err)
{
	char *path = file_join(dir, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = file_replace(path, text->data, text->len, 0644, err);
	free(path);
	return rc;
}

/* The page of a series, of the list of all without one. */
static enum err_code write_page(const char *dir, const struct rules *rules,
	const struct series *s, enum page_language language, struct err *err)
{
	struct buf text = BUF_EMPTY;
	char name[PAGE_NAME_SIZE];
	enum err_code rc;

	page_name(s, language, name);
	rc = s ? page_write(s, language, &text, err)
	       : page_write_index(rules, language, &text, err);
	if (rc == ERR_OK)
		rc = write_file(dir, name, &text, err);
	buf_free(&text);
	return rc;
}

static enum err_code write_both(const char *dir, const struct rules *rules,
	const struct series *s, size_t *count, struct err *err)
{
	enum err_code rc;

	if ((rc = write_page(dir, rules, s, PAGE_ENGLISH, err)) ||
		(rc = write_page(dir, rules, s, PAGE_CHINESE, err)))
		return rc;
	*count += PAGE_LANGUAGES;
	return ERR_OK;
}

static enum err_code write_pages(const char *dir, const struct rules *rules,
	size_t *count, struct err *err)
{
	enum err_code rc;

	if ((rc = file_make_dirs(dir, err)))
		return rc;
	rc = write_both(dir, rules, NULL, count, err);
	for (size_t i = 0; rc == ERR_OK && i < rules_series_count(rules); i++) {
		const struct series *s = rules_series_at(rules, i);

		if (!s->system)
			rc = write_both(dir, rules, s, count, err);
	}
	return rc;
}

static enum err_code tell(
	struct cli *c, const char *dir, size_t count, struct err *err)
{
	struct json *v;

	if (!c->json) {
		printf(ngettext("%zu page written to %s.\n",
			       "%zu pages written to %s.\n", count),
			count, dir);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "pages", json_new_u64(count))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static enum err_code run_docs(
	struct cli *c, const struct args *a, struct err *err)
{
	char *path = a->count > 1 ? strdup(a->word[1])
				  : file_join(c->data, "governance.git");
	struct governance *g = NULL;
	struct rules *rules = NULL;
	size_t count = 0;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = governance_open(path, &g, err)) == ERR_OK &&
		(rc = governance_rules(g, 0, NULL, &rules, err)) == ERR_OK &&
		(rc = write_pages(a->word[0], rules, &count, err)) == ERR_OK)
		rc = tell(c, a->word[0], count, err);
	rules_unref(rules);
	governance_close(g);
	free(path);
	return rc;
}

const struct command command_governance_docs = {
	.name = "governance docs",
	.words = "DIR [GOV]",
	.summary = N_("write a page about every series, in Chinese and "
		      "English"),
	.least = 1,
	.most = 2,
	.run = run_docs,
};
