/* init.c - a new domain: template, roster from divisions, first officers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/divisions.h"
#include "policies/heads.h"
#include "policies/template.h"

#define KEY_FILE_LIMIT ((size_t)16 << 10)

static enum rank rank_of(const char *code)
{
	switch (code_prefix_len(code)) {
	case 6:
		return RANK_COUNTY;
	case 9:
		return RANK_TOWNSHIP;
	default:
		return RANK_VILLAGE;
	}
}

static enum err_code council_make(const char *domain,
	const struct division *root, const struct governance_officer *officers,
	size_t count, struct council *c, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	if (count < 2)
		return err_set(
			err, ERR_USAGE, "a domain needs at least two officers");
	if (!(c->officer = calloc(count, sizeof(*c->officer))))
		return err_nomem(err);
	snprintf(c->domain, sizeof(c->domain), "%s", domain);
	snprintf(c->root_code, sizeof(c->root_code), "%s", root->code);
	snprintf(c->root_name, sizeof(c->root_name), "%s", root->name);
	c->root_rank = rank_of(root->code);
	c->approvals = 2;
	c->roster_approvals = 1;
	for (; !rc && c->count < count; c->count++) {
		const struct governance_officer *from = &officers[c->count];
		struct officer *o = &c->officer[c->count];

		buf_clear(&text);
		if (!title_valid(from->name, sizeof(o->name)))
			rc = err_set(err, ERR_USAGE,
				"an officer's name is not one line of 1 to %zu "
				"bytes",
				sizeof(o->name) - 1);
		else if (!(rc = file_read(from->key_path, KEY_FILE_LIMIT, &text,
				   err)) &&
			(rc = ssh_public_parse((const char *)text.data,
				 strcspn((const char *)text.data, "\r\n"),
				 &o->key, err)))
			rc = err_while(err, rc, "%s", from->key_path);
		snprintf(o->name, sizeof(o->name), "%s", from->name);
		snprintf(o->role, sizeof(o->role), "governor");
		snprintf(o->scope, sizeof(o->scope), "%s", root->code);
	}
	buf_free(&text);
	return rc;
}

static enum err_code put_text(struct fileset *fs, const char *path,
	const struct buf *text, struct err *err)
{
	return fileset_put(fs, path, text->data, text->len, err);
}

/* roster/PARENT.yaml with the divisions right below. */
static enum err_code put_roster(struct fileset *fs, const char *parent,
	const struct division *const *below, size_t count, struct err *err)
{
	struct roster r = {calloc(count, sizeof(*r.child)), count};
	struct buf text = BUF_EMPTY;
	char path[FILESET_PATH_SIZE];
	enum err_code rc;

	if (!r.child)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct node_info *n = &r.child[i].info;

		memcpy(n->code, below[i]->code, CODE_SIZE);
		memcpy(n->name, below[i]->name, NODE_TITLE_SIZE);
		n->rank = rank_of(n->code);
	}
	roster_path(parent, path, sizeof(path));
	if (!(rc = roster_write(&r, &text, err)))
		rc = put_text(fs, path, &text, err);
	buf_free(&text);
	roster_free(&r);
	return rc;
}

static int by_parent(const void *a, const void *b)
{
	const struct division *x = *(const struct division *const *)a;
	const struct division *y = *(const struct division *const *)b;
	int c = strcmp(x->parent, y->parent);

	return c ? c : strcmp(x->code, y->code);
}

static enum err_code put_rosters(struct fileset *fs,
	const struct division *list, size_t count, struct err *err)
{
	const struct division **sorted = calloc(count, sizeof(*sorted));
	enum err_code rc = ERR_OK;

	if (!sorted)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		sorted[i] = &list[i];
	qsort(sorted, count, sizeof(*sorted), by_parent);
	for (size_t i = 0, next; !rc && i < count; i = next) {
		for (next = i + 1; next < count; next++)
			if (strcmp(sorted[next]->parent, sorted[i]->parent))
				break;
		rc = put_roster(
			fs, sorted[i]->parent, sorted + i, next - i, err);
	}
	free(sorted);
	return rc;
}

static enum err_code tree_make(const struct council *c,
	const struct division *list, size_t count, struct fileset *fs,
	struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < template_count; i++)
		rc = fileset_put(fs, template_files[i].path,
			template_files[i].data, template_files[i].len, err);
	if (rc || (rc = council_write_domain(c, &text, err)) ||
		(rc = put_text(fs, "domain.yaml", &text, err)))
		goto out;
	buf_clear(&text);
	if ((rc = council_write_officers(c, &text, err)) ||
		(rc = put_text(fs, "officers.yaml", &text, err)) ||
		(rc = put_rosters(fs, list, count, err)))
		goto out;
	rc = fileset_seal(fs, err);
out:
	buf_free(&text);
	return rc;
}

/* The tree loads before anything is written. */
static enum err_code tree_check(const struct fileset *fs, struct err *err)
{
	struct statement none = {.serial = 0};
	struct rules *rules = NULL;
	enum err_code rc;

	rc = rules_load(fs, &none, &none.digest, NULL, NULL, &rules, err);
	rules_unref(rules);
	return rc;
}

static enum err_code repository_make(const char *path, const struct fileset *fs,
	const char *domain, struct digest *fingerprint, struct err *err)
{
	struct governance *g = NULL;
	char commit[GIT_HEX_SIZE], message[DOMAIN_SIZE + 32];
	struct statement s;
	enum err_code rc;

	snprintf(message, sizeof(message), "The rules of %s", domain);
	if ((rc = governance_create(path, &g, err)) ||
		(rc = repo_commit(g->repo, fs, "", message, commit, err)) ||
		(rc = repo_ref_set(g->repo, MAIN_REF, commit, NULL, err)) ||
		(rc = governance_publish(g, &s, err)))
		goto out;
	*fingerprint = s.digest;
out:
	governance_close(g);
	return rc;
}

enum err_code governance_init(const char *path, const char *domain,
	const char *root_code, const char *divisions_csv,
	const struct governance_officer *officers, size_t count,
	struct digest *fingerprint, struct err *err)
{
	struct council council = {.officer = NULL};
	struct fileset fs = {.file = NULL};
	struct division *list = NULL;
	struct buf csv = BUF_EMPTY;
	enum err_code rc;
	size_t n = 0;

	if (!domain_valid(domain))
		return err_set(err, ERR_USAGE,
			"domain \"%s\" has other characters than a-z, 0-9, . "
			"and -, or more than %d",
			domain, DOMAIN_SIZE - 1);
	if (!code_valid(root_code, strlen(root_code)))
		return err_set(err, ERR_USAGE,
			"root \"%s\" is no 12-digit code", root_code);
	if ((rc = file_read(divisions_csv, DIVISIONS_TEXT_LIMIT, &csv, err)) ||
		(rc = divisions_parse(
			 csv.data, csv.len, root_code, &list, &n, err)) ||
		(rc = council_make(domain, divisions_find(list, n, root_code),
			 officers, count, &council, err)) ||
		(rc = tree_make(&council, list, n, &fs, err)) ||
		(rc = tree_check(&fs, err)))
		goto out;
	rc = repository_make(path, &fs, domain, fingerprint, err);
out:
	buf_free(&csv);
	free(list);
	council_free(&council);
	fileset_free(&fs);
	return rc;
}
