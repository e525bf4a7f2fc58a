/* divisions.c - a CSV of divisions: code,name,parent. */
#include "policies/divisions.h"

#include <stdlib.h>
#include <string.h>

#include "policies/roster.h"

#define FIELD_SIZE 256

struct row {
	char field[3][FIELD_SIZE];
};

struct csv {
	struct cursor in;
	size_t line;
};

/* One field up to its comma or the end of the line, which is in *last. */
static bool field_read(struct csv *csv, char out[FIELD_SIZE], bool *last)
{
	struct cursor *c = &csv->in;
	bool quoted = c->left && *c->at == '"';
	size_t n = 0;

	if (quoted)
		(void)cursor_u8(c);
	for (*last = false;;) {
		uint8_t b;

		if (!c->left) {
			*last = true;
			out[n] = '\0';
			return !quoted;
		}
		b = cursor_u8(c);
		if (quoted && b == '"') {
			if (c->left && *c->at == '"') {
				(void)cursor_u8(c);
			} else {
				quoted = false;
				if (c->left && !strchr(",\r\n", *c->at))
					return false;
				continue;
			}
		} else if (!quoted && b == '\r' && c->left && *c->at == '\n') {
			continue;
		} else if (!quoted && (b == ',' || b == '\n')) {
			*last = b == '\n';
			out[n] = '\0';
			return true;
		}
		if (b < 0x20 || n + 1 >= FIELD_SIZE)
			return false;
		out[n++] = (char)b;
	}
}

static enum err_code row_read(struct csv *csv, struct row *row, struct err *err)
{
	bool last = false;

	csv->line++;
	for (int i = 0; i < 3; i++)
		if (last || !field_read(csv, row->field[i], &last))
			return err_set(err, ERR_INVALID,
				"divisions, line %zu: not three fields "
				"code,name,parent",
				csv->line);
	if (!last)
		return err_set(err, ERR_INVALID,
			"divisions, line %zu: more than three fields",
			csv->line);
	return ERR_OK;
}

static enum err_code division_set(const struct row *row, size_t line,
	const char *root, struct division *d, struct err *err)
{
	const char *code = row->field[0], *parent = row->field[2];

	if (!code_valid(code, strlen(code)))
		return err_set(err, ERR_INVALID,
			"divisions, line %zu: code is not of 12 digits", line);
	if (!title_valid(row->field[1], NODE_TITLE_SIZE))
		return err_set(err, ERR_INVALID,
			"divisions, line %zu: %s has no name of 1 to %d bytes",
			line, code, NODE_TITLE_SIZE - 1);
	if (!code_within(code, root))
		return err_set(err, ERR_INVALID,
			"divisions, line %zu: %s does not lie within the root "
			"%s",
			line, code, root);
	if (strcmp(code, root)) {
		if (!code_valid(parent, strlen(parent)) ||
			!strcmp(code, parent) || !code_within(code, parent))
			return err_set(err, ERR_INVALID,
				"divisions, line %zu: %s does not lie within "
				"its parent \"%s\"",
				line, code, parent);
		memcpy(d->parent, parent, CODE_SIZE);
	} else {
		/* The root's own parent is of no interest here. */
		d->parent[0] = '\0';
	}
	memcpy(d->code, code, CODE_SIZE);
	memcpy(d->name, row->field[1], strlen(row->field[1]) + 1);
	return ERR_OK;
}

struct numbered {
	struct division d;
	size_t line;
};

static int by_code(const void *a, const void *b)
{
	return strcmp(((const struct division *)a)->code,
		((const struct division *)b)->code);
}

const struct division *divisions_find(
	const struct division *list, size_t count, const char *code)
{
	struct division key;

	memcpy(key.code, code, CODE_SIZE);
	return bsearch(&key, list, count, sizeof(key), by_code);
}

static int by_code_then_line(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int c = strcmp(x->d.code, y->d.code);

	return c ? c : x->line < y->line ? -1 : 1;
}

/* `rows` sorted: codes once, parents known, the root there. */
static enum err_code divisions_check(const struct numbered *rows, size_t count,
	const struct division *list, const char *root, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct division *d = &rows[i].d;

		if (i && !strcmp(rows[i - 1].d.code, d->code))
			return err_set(err, ERR_INVALID,
				"divisions, line %zu: %s is on line %zu too",
				rows[i].line, d->code, rows[i - 1].line);
		if (d->parent[0] && !divisions_find(list, count, d->parent))
			return err_set(err, ERR_INVALID,
				"divisions, line %zu: unknown parent %s of %s",
				rows[i].line, d->parent, d->code);
	}
	if (!divisions_find(list, count, root))
		return err_set(err, ERR_INVALID,
			"divisions: no line for the root %s", root);
	return ERR_OK;
}

static enum err_code rows_read(struct csv *csv, const char *root,
	struct numbered **rows, size_t *count, struct err *err)
{
	size_t cap = 0;
	struct row row;
	enum err_code rc;

	if ((rc = row_read(csv, &row, err)))
		return rc;
	if (strcmp(row.field[0], "code") || strcmp(row.field[1], "name") ||
		strcmp(row.field[2], "parent"))
		return err_set(err, ERR_INVALID,
			"divisions, line 1: not \"code,name,parent\"");
	while (csv->in.left) {
		if (*count == DIVISIONS_LIMIT)
			return err_set(err, ERR_LIMIT,
				"more than %zu divisions", DIVISIONS_LIMIT);
		if (!grow(rows, &cap, *count, sizeof(**rows)))
			return err_nomem(err);
		if ((rc = row_read(csv, &row, err)) ||
			(rc = division_set(&row, csv->line, root,
				 &(*rows)[*count].d, err)))
			return rc;
		(*rows)[(*count)++].line = csv->line;
	}
	return ERR_OK;
}

enum err_code divisions_parse(const void *text, size_t len, const char *root,
	struct division **out, size_t *count, struct err *err)
{
	struct csv csv = {cursor_over(text, len), 0};
	struct division *list = NULL;
	struct numbered *rows = NULL;
	enum err_code rc;
	size_t n = 0;

	if (len > DIVISIONS_TEXT_LIMIT)
		return err_set(err, ERR_LIMIT,
			"divisions of %zu bytes, limit %zu", len,
			DIVISIONS_TEXT_LIMIT);
	if (!utf8_valid(text, len))
		return err_set(err, ERR_INVALID, "divisions: not UTF-8");
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		(void)cursor_bytes(&csv.in, 3);
	if ((rc = rows_read(&csv, root, &rows, &n, err)))
		goto out;
	if (!(list = calloc(n + 1, sizeof(*list)))) {
		rc = err_nomem(err);
		goto out;
	}
	if (n)
		qsort(rows, n, sizeof(*rows), by_code_then_line);
	for (size_t i = 0; i < n; i++)
		list[i] = rows[i].d;
	if ((rc = divisions_check(rows, n, list, root, err)))
		goto out;
	*out = list;
	*count = n;
	list = NULL;
out:
	free(list);
	free(rows);
	return rc;
}
