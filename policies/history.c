/* history.c - commits, trees and heads on top of bare objects. */
#include <string.h>

#include "policies/repo.h"

enum err_code repo_commit_read(struct repo *r, const char *id,
	struct gitobj_commit *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if ((rc = repo_read(r, id, GITOBJ_COMMIT, &text, err)) ||
		(rc = gitobj_commit_parse(text.data, text.len, out, err)))
		rc = err_while(err, rc, "commit %.12s", id);
	buf_free(&text);
	return rc;
}

/* ---- reading trees ---- */

struct listing {
	struct repo *repo;
	struct fileset *fs;
	size_t folders;
	const char *below;
};

static enum err_code list_tree(
	struct listing *l, const char *id, const char *below, struct err *err);

static enum err_code list_entry(
	void *arg, const struct gitobj_entry *e, struct err *err)
{
	struct listing *l = arg;
	const char *below = l->below;
	char path[FILESET_PATH_SIZE], id[GIT_HEX_SIZE];
	struct digest d;
	enum err_code rc;
	uint64_t len;

	if (strlen(below) + 1 + e->name_len >= sizeof(path))
		return err_set(err, ERR_LIMIT,
			"a path of the tree is longer than %zu bytes",
			sizeof(path) - 1);
	path[0] = '\0';
	if (*below)
		strcat(strcpy(path, below), "/");
	strncat(path, e->name, e->name_len);
	if (e->folder) {
		hex_encode(e->id, GIT_ID_SIZE, id);
		rc = list_tree(l, id, path, err);
		l->below = below;
		return rc;
	}
	if ((rc = repo_blob_digest(l->repo, e->id, &d, &len, err)))
		return err_while(err, rc, "%s", path);
	return fileset_add(l->fs, path, &d, len, e->id, err);
}

static enum err_code list_tree(
	struct listing *l, const char *id, const char *below, struct err *err)
{
	struct buf text = BUF_EMPTY;
	size_t depth = 0;
	enum err_code rc;

	for (const char *s = below; *s; s++)
		depth += *s == '/';
	if (depth >= FILESET_DEPTH_LIMIT || l->folders++ > 1024)
		return err_set(err, ERR_LIMIT,
			"the governance tree is too deep or has too many "
			"folders");
	if (!(rc = repo_read(l->repo, id, GITOBJ_TREE, &text, err))) {
		l->below = below;
		rc = gitobj_tree_each(text.data, text.len, list_entry, l, err);
	}
	buf_free(&text);
	return rc;
}

static enum err_code read_blob(
	void *arg, const struct gov_file *f, struct buf *out, struct err *err)
{
	char id[GIT_HEX_SIZE];

	hex_encode(f->id, GIT_ID_SIZE, id);
	return repo_read(arg, id, GITOBJ_BLOB, out, err);
}

static enum err_code files_of_tree(
	struct repo *r, const char *tree, struct fileset *out, struct err *err)
{
	struct fileset fs = {.source = read_blob, .arg = r};
	struct listing l = {.repo = r, .fs = &fs};
	enum err_code rc;

	if ((rc = list_tree(&l, tree, "", err)) ||
		(rc = fileset_seal(&fs, err))) {
		fileset_free(&fs);
		return rc;
	}
	*out = fs;
	return ERR_OK;
}

enum err_code repo_files(struct repo *r, const char *commit,
	struct fileset *out, struct err *err)
{
	struct gitobj_commit c;
	enum err_code rc;

	if ((rc = repo_commit_read(r, commit, &c, err)))
		return rc;
	return files_of_tree(r, c.tree, out, err);
}

/* ---- writing ---- */

/* Writes the files [from, to), which share `skip` bytes of path, as a tree.
 * Bytewise order of whole paths is git's order of entries. */
static enum err_code write_tree(struct repo *r, const struct fileset *fs,
	size_t from, size_t to, size_t skip, char id[GIT_HEX_SIZE],
	struct err *err)
{
	struct buf tree = BUF_EMPTY, text = BUF_EMPTY;
	enum err_code rc = ERR_OK;
	uint8_t raw[GIT_ID_SIZE];

	for (size_t i = from, next; !rc && i < to; i = next) {
		const char *name = fs->file[i].path + skip;
		size_t n = strcspn(name, "/");
		bool folder = name[n] == '/';

		for (next = i + 1; folder && next < to; next++)
			if (strncmp(fs->file[next].path + skip, name, n + 1))
				break;
		buf_clear(&text);
		if (folder)
			rc = write_tree(r, fs, i, next, skip + n + 1, id, err);
		else if (!(rc = fileset_read(fs, &fs->file[i], &text, err)))
			rc = repo_write(
				r, GITOBJ_BLOB, text.data, text.len, id, err);
		if (!rc && hex_decode(id, 40, raw, sizeof(raw)))
			gitobj_tree_add(&tree, name, n, folder, raw);
	}
	if (!rc && !(rc = buf_ok(&tree, err)))
		rc = repo_write(r, GITOBJ_TREE, tree.data, tree.len, id, err);
	buf_free(&text);
	buf_free(&tree);
	return rc;
}

enum err_code repo_commit(struct repo *r, const struct fileset *fs,
	const char *parent, const char *message, char id[GIT_HEX_SIZE],
	struct err *err)
{
	struct gitobj_commit c = {"", ""};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	memcpy(c.parent, parent, strlen(parent) + 1);
	if ((rc = write_tree(r, fs, 0, fs->count, 0, c.tree, err)))
		return rc;
	gitobj_commit_write(&c, time_now(), message, &text);
	if (!(rc = buf_ok(&text, err)))
		rc = repo_write(r, GITOBJ_COMMIT, text.data, text.len, id, err);
	buf_free(&text);
	return rc;
}

/* ---- history ---- */

enum err_code repo_history(struct repo *r, const char *commit,
	const char *before, repo_commit_visit *visit, void *arg,
	struct err *err)
{
	char id[GIT_HEX_SIZE];
	struct gitobj_commit c;
	enum err_code rc;

	memcpy(id, commit, sizeof(id));
	for (int i = 0; strcmp(id, before); i++) {
		if (i == HISTORY_LIMIT)
			return err_set(err, ERR_LIMIT,
				"more than %d commits in one governance head",
				HISTORY_LIMIT);
		if (!id[0])
			return err_set(err, ERR_DENIED,
				"commit %.12s does not follow %.12s, the head "
				"before it",
				commit, before);
		if ((rc = repo_commit_read(r, id, &c, err)) ||
			(visit && (rc = visit(arg, id, &c, err))))
			return rc;
		memcpy(id, c.parent, sizeof(id));
	}
	return ERR_OK;
}

static enum err_code check_files(void *arg, const char *id,
	const struct gitobj_commit *c, struct err *err)
{
	struct fileset fs = {.file = NULL};
	enum err_code rc = files_of_tree(arg, c->tree, &fs, err);

	fileset_free(&fs);
	return rc ? err_while(err, rc, "commit %.12s", id) : ERR_OK;
}

enum err_code repo_history_check(
	struct repo *r, const char *commit, const char *before, struct err *err)
{
	return repo_history(r, commit, before, check_files, r, err);
}

/* ---- heads ---- */

struct reading {
	struct repo *repo;
	struct head_text *head;
};

static enum err_code read_entry(
	void *arg, const struct gitobj_entry *e, struct err *err)
{
	struct reading *rd = arg;
	struct buf text = BUF_EMPTY;
	char name[FILESET_PATH_SIZE] = "", id[GIT_HEX_SIZE];
	enum err_code rc;

	strncat(name, e->name, e->name_len);
	hex_encode(e->id, GIT_ID_SIZE, id);
	if (!(rc = repo_read(rd->repo, id, GITOBJ_BLOB, &text, err)))
		rc = head_text_add(rd->head, name, text.data, text.len, err);
	buf_free(&text);
	return rc;
}

enum err_code repo_head_read(struct repo *r, const char *tree,
	struct head_text *out, struct err *err)
{
	struct head_text h = {.count = 0};
	struct reading rd = {r, &h};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if ((rc = repo_read(r, tree, GITOBJ_TREE, &text, err)) ||
		(rc = gitobj_tree_each(
			 text.data, text.len, read_entry, &rd, err))) {
		head_text_free(&h);
	} else {
		*out = h;
	}
	buf_free(&text);
	return rc;
}

enum err_code repo_head_write(struct repo *r, const struct head_text *h,
	char tree[GIT_HEX_SIZE], struct err *err)
{
	struct fileset fs = {.file = NULL};
	enum err_code rc;

	rc = fileset_put(&fs, "statement.json", h->statement.data,
		h->statement.len, err);
	for (size_t i = 0; !rc && i < h->count; i++)
		rc = fileset_put(&fs, h->sig[i].name, h->sig[i].armor.data,
			h->sig[i].armor.len, err);
	if (!rc && !(rc = fileset_seal(&fs, err)))
		rc = write_tree(r, &fs, 0, fs.count, 0, tree, err);
	fileset_free(&fs);
	return rc;
}
