/* intake.c - many lines at once: prepared on the pool, committed as one job. */
#include "policies/capture.h"

#include <stdlib.h>
#include <string.h>

struct line {
	const struct capture_source *src;
	const char *text;
	size_t len;
	struct captured *captured; /* NULL: refused or empty */
	struct intake_result *result;
};

struct intake {
	struct line *line;
	size_t count;
};

static void result_set(
	struct intake_result *r, enum err_code rc, const struct err *err)
{
	r->rc = rc;
	memset(&r->receipt, 0, sizeof(r->receipt));
	memcpy(r->text, err->text, sizeof(r->text));
}

static bool is_empty(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\n')
			return false;
	}
	return true;
}

static void prepare(void *arg)
{
	struct line *l = arg;
	struct err err = {.code = ERR_OK};
	enum err_code rc = ERR_OK;

	if (!is_empty(l->text, l->len))
		rc = capture_prepare(
			l->src, l->text, l->len, &l->captured, &err);
	result_set(l->result, rc, &err);
}

/* Failures of one document, found before anything of it is in the batch; any
 * other failure is the store's, and takes the job with it. */
static bool of_document(enum err_code rc)
{
	return rc == ERR_EXISTS || rc == ERR_ERASED || rc == ERR_BUSY ||
		rc == ERR_LIMIT;
}

static enum err_code commit(struct batch *b, void *arg, struct err *err)
{
	struct intake *in = arg;

	for (size_t i = 0; i < in->count; i++) {
		struct line *l = &in->line[i];
		struct err own = {.code = ERR_OK};
		enum err_code rc;

		if (!l->captured)
			continue;
		result_set(l->result, ERR_OK, &own);
		rc = capture_commit(b, l->captured, &l->result->receipt, &own);
		if (rc && !of_document(rc)) {
			if (err)
				*err = own;
			return rc;
		}
		if (rc)
			result_set(l->result, rc, &own);
	}
	return ERR_OK;
}

enum err_code intake_lines(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct err *err)
{
	struct intake in = {.count = count};
	struct err why = {.code = ERR_OK};
	size_t prepared = 0;
	enum err_code rc = ERR_OK;

	if (count > INTAKE_LINES_LIMIT)
		return err_set(err, ERR_LIMIT, "%zu lines at once, limit %d",
			count, INTAKE_LINES_LIMIT);
	if (count == 0)
		return ERR_OK;
	in.line = calloc(count, sizeof(*in.line));
	if (!in.line)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		in.line[i] = (struct line){
			src, lines[i], lens[i], NULL, &results[i]};
	pool_each(pool, prepare, in.line, sizeof(*in.line), count);
	for (size_t i = 0; i < count; i++)
		prepared += in.line[i].captured != NULL;
	if (prepared > 0)
		rc = writer_run(w, commit, &in, &why);
	for (size_t i = 0; i < count; i++) {
		if (rc && in.line[i].captured)
			result_set(&results[i], rc, &why);
		captured_free(in.line[i].captured);
	}
	free(in.line);
	if (rc && err)
		*err = why;
	return rc;
}
