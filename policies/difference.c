/* difference.c - what changes from one governance head to another. */
#include "policies/differ.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- versions ---- */

struct version {
	struct rules *rules;
	struct fileset files;
	struct statement statement;
};

void version_free(struct version *v)
{
	if (!v)
		return;
	rules_unref(v->rules);
	fileset_free(&v->files);
	free(v);
}

struct rules *version_rules(const struct version *v)
{
	return v->rules;
}

const struct digest *version_statement(const struct version *v)
{
	return &v->statement.digest;
}

static enum err_code take_head(
	struct chain *c, struct version *v, struct err *err)
{
	if (c->last.serial == 0)
		return err_set(
			err, ERR_NOT_FOUND, "no governance head is final");
	v->statement = c->last;
	v->files = c->files;
	c->files = (struct fileset){.file = NULL};
	return ERR_OK;
}

static enum err_code take_proposal(struct governance *g, const struct chain *c,
	struct version *v, struct err *err)
{
	char ref[HEAD_REF_SIZE];
	enum err_code rc;

	proposal_ref(c->last.serial + 1, ref);
	rc = head_get(g, ref, &v->statement, NULL, NULL, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc,
			"no head %" PRIu64 " is proposed; publish one first",
			c->last.serial + 1);
	return rc ? rc
		  : repo_files(g->repo, v->statement.commit, &v->files, err);
}

static enum err_code take_main(
	struct governance *g, struct version *v, struct err *err)
{
	char commit[GIT_HEX_SIZE];
	enum err_code rc = repo_resolve(g->repo, MAIN_REF, commit, err);

	return rc ? rc : repo_files(g->repo, commit, &v->files, err);
}

static enum err_code version_take(struct governance *g, enum edition edition,
	uint64_t serial, struct version *v, struct err *err)
{
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc =
		heads_follow(g, &c, edition == EDITION_HEAD ? serial : 0, err);

	if (rc == ERR_OK)
		switch (edition) {
		case EDITION_HEAD:
			rc = take_head(&c, v, err);
			break;
		case EDITION_PROPOSAL:
			rc = take_proposal(g, &c, v, err);
			break;
		case EDITION_MAIN:
			rc = take_main(g, v, err);
			break;
		}
	if (rc == ERR_OK)
		rc = rules_load(&v->files, &v->statement, &c.fingerprint, NULL,
			NULL, &v->rules, err);
	chain_free(&c);
	return rc;
}

enum err_code version_open(struct governance *g, enum edition edition,
	uint64_t serial, struct version **out, struct err *err)
{
	struct version *v = calloc(1, sizeof(*v));
	enum err_code rc;

	if (!v)
		return err_nomem(err);
	if ((rc = version_take(g, edition, serial, v, err))) {
		version_free(v);
		return rc;
	}
	*out = v;
	return ERR_OK;
}

/* ---- lines ---- */

void differ_put(struct differ *d, const char *english, const char *chinese)
{
	buf_str(&d->text[PAGE_ENGLISH], english);
	buf_str(&d->text[PAGE_CHINESE], chinese);
}

void differ_text(struct differ *d, const char *s)
{
	differ_put(d, s, s);
}

void differ_number(struct differ *d, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	differ_text(d, text);
}

void differ_comma(struct differ *d, bool *first)
{
	if (!*first)
		differ_put(d, ", ", "、");
	*first = false;
}

void differ_labels(struct differ *d, uint8_t labels)
{
	bool first = true;

	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		enum label l = (enum label)i;

		if (!(labels & LABEL_BIT(i)))
			continue;
		differ_comma(d, &first);
		differ_put(d, word_label(l, PAGE_ENGLISH),
			word_label(l, PAGE_CHINESE));
	}
	if (first)
		differ_put(d, "nothing", "无");
}

void differ_ranks(struct differ *d, uint8_t ranks)
{
	bool first = true;

	for (unsigned i = 0; i < RANK_COUNT; i++) {
		enum rank r = (enum rank)i;

		if (!(ranks & RANK_BIT(i)))
			continue;
		differ_comma(d, &first);
		differ_put(d, word_rank(r, PAGE_ENGLISH),
			word_rank(r, PAGE_CHINESE));
	}
	if (first)
		differ_put(d, "nobody else", "无");
}

void differ_texts(struct differ *d, const char *a, const char *b)
{
	differ_put(d, " from \"", "由“");
	differ_text(d, a);
	differ_put(d, "\" to \"", "”改为“");
	differ_text(d, b);
	differ_put(d, "\"", "”");
}

static bool is_told(const struct differ *d, const char *file)
{
	for (size_t at = 0; at < d->told.len;) {
		const char *s = (const char *)d->told.data + at;

		if (!strcmp(s, file))
			return true;
		at += strlen(s) + 1;
	}
	return false;
}

void differ_end(struct differ *d)
{
	struct difference_line line = {.file = d->file};

	for (size_t i = 0; d->rc == ERR_OK && i < PAGE_LANGUAGES; i++) {
		d->rc = buf_ok(&d->text[i], d->err);
		if (d->rc == ERR_OK && !(line.text[i] = buf_cstr(&d->text[i])))
			d->rc = err_nomem(d->err);
	}
	if (d->rc == ERR_OK)
		d->rc = d->visit(d->arg, &line, d->err);
	if (d->rc == ERR_OK && !is_told(d, d->file)) {
		buf_add(&d->told, d->file, strlen(d->file) + 1);
		d->rc = buf_ok(&d->told, d->err);
	}
	for (size_t i = 0; i < PAGE_LANGUAGES; i++)
		buf_clear(&d->text[i]);
}

/* ---- a whole tree ---- */

/* What the readers of a file do not ask about: comments, layout, README.md,
 * and whatever has no words above. */
static void differ_rest(struct differ *d, const struct fileset *a,
	const struct fileset *b, const char *english, const char *chinese)
{
	for (size_t i = 0; d->rc == ERR_OK && i < b->count; i++) {
		const struct gov_file *f = &b->file[i];
		const struct gov_file *old = fileset_find(a, f->path);

		if ((old && digest_equal(&old->digest, &f->digest)) ||
			is_told(d, f->path))
			continue;
		snprintf(d->file, sizeof(d->file), "%s", f->path);
		differ_put(d, english, chinese);
		differ_end(d);
	}
}

static void set_file(struct differ *d, const char *file)
{
	snprintf(d->file, sizeof(d->file), "%s", file);
}

static void differ_all(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	set_file(d, "domain.yaml");
	differ_domain(d, a, b);
	set_file(d, "officers.yaml");
	differ_officers(d, a, b);
	set_file(d, "seals.yaml");
	differ_seals(d, a, b);
	differ_series(d, a, b);
	set_file(d, "consumers.yaml");
	differ_consumers(d, a, b);
	set_file(d, "calendar.yaml");
	differ_calendar(d, a, b);
}

enum err_code difference_each(const struct version *a, const struct version *b,
	difference_visit *visit, void *arg, struct err *err)
{
	struct differ d = {.visit = visit, .arg = arg, .err = err};
	static const char *const other[PAGE_LANGUAGES] = {
		"comments, layout, or what this command has no words for: git "
		"diff shows it",
		"注释、格式或本命令未能用文字说明的内容有改动：请用 git diff "
		"查看"};
	struct fileset nothing = {.file = NULL};
	const struct series *no_series = NULL;
	struct rules none = {.series = &no_series};
	const struct fileset *old = a ? &a->files : &nothing;

	differ_all(&d, a ? a->rules : &none, b->rules);
	if (a) {
		differ_rosters(&d, old, &b->files, b->rules);
		differ_rest(&d, old, &b->files, other[PAGE_ENGLISH],
			other[PAGE_CHINESE]);
		differ_rest(&d, &b->files, old, other[PAGE_ENGLISH],
			other[PAGE_CHINESE]);
	}
	for (size_t i = 0; i < PAGE_LANGUAGES; i++)
		buf_free(&d.text[i]);
	buf_free(&d.told);
	return d.rc;
}
