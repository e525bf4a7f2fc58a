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

/* Lines that one thread prepares in turn, in the same working memory. */
#define STRETCH 32

struct stretch {
	struct line *line;
	size_t count;
};

struct intake {
	struct line *line;
	size_t count;
	struct writer *writer;
	struct submitted job;
	bool prepared; /* something of it is to be committed */
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
	const struct stretch *s = arg;
	struct capture_scratch scratch = {0};

	for (size_t i = 0; i < s->count; i++) {
		struct line *l = &s->line[i];
		struct err err = {.code = ERR_OK};
		enum err_code rc = ERR_OK;

		if (!is_empty(l->text, l->len))
			rc = capture_prepare(l->src, l->text, l->len, &scratch,
				&l->captured, &err);
		result_set(l->result, rc, &err);
	}
	capture_scratch_free(&scratch);
}

static enum err_code prepare_all(
	struct intake *in, struct pool *pool, struct err *err)
{
	size_t count = (in->count + STRETCH - 1) / STRETCH;
	struct stretch *s = calloc(count + 1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		size_t left = in->count - i * STRETCH;

		s[i].line = &in->line[i * STRETCH];
		s[i].count = left < STRETCH ? left : STRETCH;
	}
	pool_each(pool, prepare, s, sizeof(*s), count);
	free(s);
	return ERR_OK;
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

static void intake_free(struct intake *in)
{
	for (size_t i = 0; i < in->count; i++)
		captured_free(in->line[i].captured);
	free(in->line);
	free(in);
}

static enum err_code intake_prepare(const struct capture_source *src,
	struct pool *pool, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct intake **out,
	struct err *err)
{
	struct intake *in;
	enum err_code rc;

	if (count > INTAKE_LINES_LIMIT)
		return err_set(err, ERR_LIMIT, "%zu lines at once, limit %d",
			count, INTAKE_LINES_LIMIT);
	if (!(in = calloc(1, sizeof(*in))))
		return err_nomem(err);
	if (!(in->line = calloc(count + 1, sizeof(*in->line)))) {
		free(in);
		return err_nomem(err);
	}
	in->count = count;
	for (size_t i = 0; i < count; i++)
		in->line[i] = (struct line){
			src, lines[i], lens[i], NULL, &results[i]};
	if ((rc = prepare_all(in, pool, err))) {
		intake_free(in);
		return rc;
	}
	for (size_t i = 0; i < count; i++)
		in->prepared |= in->line[i].captured != NULL;
	*out = in;
	return ERR_OK;
}

/* Tells how the commit went, and ends. */
static enum err_code conclude(
	struct intake *in, enum err_code rc, const struct err *why)
{
	for (size_t i = 0; rc && i < in->count; i++) {
		struct line *l = &in->line[i];

		if (!l->captured)
			continue;
		result_set(l->result, rc, why);
		/* After ERR_IO nobody knows whether the records are there. */
		if (rc != ERR_IO)
			captured_undo(l->captured);
	}
	intake_free(in);
	return rc;
}

enum err_code intake_begin(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct intake **out,
	struct err *err)
{
	enum err_code rc = intake_prepare(
		src, pool, lines, lens, count, results, out, err);

	if (rc)
		return rc;
	(*out)->writer = w;
	(*out)->job = (struct submitted){.job = commit, .arg = *out};
	if ((*out)->prepared)
		writer_submit(w, &(*out)->job);
	return ERR_OK;
}

enum err_code intake_finish(struct intake *in, struct err *err)
{
	struct err why = {.code = ERR_OK};
	enum err_code rc = ERR_OK;

	if (in->prepared && (rc = writer_wait(in->writer, &in->job, &why)) &&
		err)
		*err = why;
	return conclude(in, rc, &why);
}

enum err_code intake_lines(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct err *err)
{
	struct err why = {.code = ERR_OK};
	struct intake *in;
	enum err_code rc = intake_prepare(
		src, pool, lines, lens, count, results, &in, err);

	if (rc)
		return rc;
	if (in->prepared && (rc = writer_run(w, commit, in, &why)) && err)
		*err = why;
	return conclude(in, rc, &why);
}
