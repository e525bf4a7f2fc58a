/* gitobj.c - the bytes of git's trees and commits. */
#include "policies/gitobj.h"

#include <inttypes.h>
#include <string.h>

/* git sorts a folder as if its name ended in a slash. */
static int entry_order(
	const struct gitobj_entry *a, const struct gitobj_entry *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, n);
	int x, y;

	if (c)
		return c;
	x = a->name_len > n ? (uint8_t)a->name[n] : a->folder ? '/' : 0;
	y = b->name_len > n ? (uint8_t)b->name[n] : b->folder ? '/' : 0;
	return x - y;
}

/* "100644 name NUL id"; false = none of the kinds we take. */
static bool entry_read(struct cursor *c, struct gitobj_entry *e)
{
	const char *text = (const char *)c->at;
	const char *end = memchr(text, '\0', c->left);
	size_t mode;

	if (!end)
		return false;
	if (!strncmp(text, "40000 ", 6)) {
		e->folder = true;
		mode = 6;
	} else if (!strncmp(text, "100644 ", 7) ||
		!strncmp(text, "100755 ", 7)) {
		e->folder = false;
		mode = 7;
	} else {
		return false;
	}
	e->name = text + mode;
	e->name_len = (size_t)(end - text) - mode;
	(void)cursor_bytes(c, (size_t)(end - text) + 1);
	e->id = cursor_bytes(c, GIT_ID_SIZE);
	return e->id && fileset_name_valid(e->name, e->name_len);
}

enum err_code gitobj_tree_each(const void *data, size_t len,
	gitobj_visit *visit, void *arg, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct gitobj_entry e, before = {.name = NULL};
	enum err_code rc = ERR_OK;

	if (len > GITOBJ_TREE_LIMIT)
		return err_set(err, ERR_LIMIT, "tree of %zu bytes, limit %zu",
			len, GITOBJ_TREE_LIMIT);
	while (!rc && c.left) {
		if (!entry_read(&c, &e))
			return err_set(err, ERR_INVALID,
				"a tree holds something else than regular "
				"files with plain names");
		if (before.name && entry_order(&before, &e) >= 0)
			return err_set(err, ERR_INVALID,
				"the names of a tree are not in order");
		before = e;
		if (visit)
			rc = visit(arg, &e, err);
	}
	return rc;
}

void gitobj_tree_add(struct buf *out, const char *name, size_t len, bool folder,
	const uint8_t id[GIT_ID_SIZE])
{
	buf_str(out, folder ? "40000 " : "100644 ");
	buf_add(out, name, len);
	buf_u8(out, 0);
	buf_add(out, id, GIT_ID_SIZE);
}

static bool line_id(const char *line, size_t len, const char *word, char *out)
{
	size_t n = strlen(word);

	if (len != n + 40 || memcmp(line, word, n))
		return false;
	for (size_t i = n; i < len; i++)
		if (!strchr("0123456789abcdef", line[i]))
			return false;
	memcpy(out, line + n, 40);
	out[40] = '\0';
	return true;
}

static bool line_is(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && !memcmp(line, word, strlen(word));
}

enum err_code gitobj_commit_parse(const void *data, size_t len,
	struct gitobj_commit *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct gitobj_commit commit = {"", ""};
	const char *line;
	size_t n = 0;

	if (len > GITOBJ_COMMIT_LIMIT)
		return err_set(err, ERR_LIMIT, "commit of %zu bytes, limit %zu",
			len, GITOBJ_COMMIT_LIMIT);
	if (memchr(data, '\0', len) || !(line = cursor_line(&c, &n)) ||
		!line_id(line, n, "tree ", commit.tree))
		goto malformed;
	if (!(line = cursor_line(&c, &n)))
		goto malformed;
	if (line_id(line, n, "parent ", commit.parent) &&
		!(line = cursor_line(&c, &n)))
		goto malformed;
	if (line_is(line, n, "parent "))
		return err_set(err, ERR_DENIED,
			"a merge, and the history of the rules has none: "
			"docs/rules.md (A merge) tells how to undo it");
	if (!line_is(line, n, "author ") || !(line = cursor_line(&c, &n)) ||
		!line_is(line, n, "committer "))
		goto malformed;
	while ((line = cursor_line(&c, &n)) && n)
		if (line_is(line, n, "parent ") || line_is(line, n, "tree "))
			goto malformed;
	if (!line)
		goto malformed;
	*out = commit;
	return ERR_OK;
malformed:
	return err_set(
		err, ERR_INVALID, "a commit of %zu bytes is malformed", len);
}

void gitobj_commit_write(const struct gitobj_commit *c, int64_t at,
	const char *message, struct buf *out)
{
	buf_printf(out, "tree %s\n", c->tree);
	if (c->parent[0])
		buf_printf(out, "parent %s\n", c->parent);
	for (int i = 0; i < 2; i++)
		buf_printf(out,
			"%s cundang <cundang@localhost> %" PRId64 " +0800\n",
			i ? "committer" : "author", at);
	buf_printf(out, "\n%s\n", message);
}
