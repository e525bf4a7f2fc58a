/* intake.c - many lines at once: prepared on the pool, committed as one job. */
#include "policies/capture.h"

#include <pthread.h>
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
	/* Told by the writer's thread. */
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done;
	enum err_code rc;
	struct err why;
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

static void on_committed(void *arg, enum err_code rc, const struct err *err)
{
	struct intake *in = arg;

	pthread_mutex_lock(&in->lock);
	in->rc = rc;
	in->why = *err;
	in->done = true;
	pthread_cond_signal(&in->told);
	pthread_mutex_unlock(&in->lock);
}

static void intake_free(struct intake *in)
{
	/* After ERR_IO nobody knows whether the records are there. */
	for (size_t i = 0; i < in->count; i++) {
		if (in->rc && in->rc != ERR_IO && in->line[i].captured)
			captured_undo(in->line[i].captured);
		captured_free(in->line[i].captured);
	}
	pthread_cond_destroy(&in->told);
	pthread_mutex_destroy(&in->lock);
	free(in->line);
	free(in);
}

enum err_code intake_begin(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct intake **out,
	struct err *err)
{
	struct intake *in;
	size_t prepared = 0;
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
	in->done = true;
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->told, NULL);
	for (size_t i = 0; i < count; i++)
		in->line[i] = (struct line){
			src, lines[i], lens[i], NULL, &results[i]};
	if ((rc = prepare_all(in, pool, err))) {
		in->rc = rc;
		intake_free(in);
		return rc;
	}
	for (size_t i = 0; i < count; i++)
		prepared += in->line[i].captured != NULL;
	if (prepared > 0) {
		in->done = false;
		writer_submit(w, commit, on_committed, in);
	}
	*out = in;
	return ERR_OK;
}

enum err_code intake_finish(struct intake *in, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&in->lock);
	while (!in->done)
		pthread_cond_wait(&in->told, &in->lock);
	pthread_mutex_unlock(&in->lock);
	rc = in->rc;
	for (size_t i = 0; rc && i < in->count; i++)
		if (in->line[i].captured)
			result_set(in->line[i].result, rc, &in->why);
	if (rc && err)
		*err = in->why;
	intake_free(in);
	return rc;
}

enum err_code intake_lines(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *const *lines, const size_t *lens,
	size_t count, struct intake_result *results, struct err *err)
{
	struct intake *in;
	enum err_code rc = intake_begin(
		src, pool, w, lines, lens, count, results, &in, err);

	return rc ? rc : intake_finish(in, err);
}
