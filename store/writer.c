/* writer.c - the thread that commits jobs in groups. */
#include <pthread.h>
#include <stdlib.h>

#include "store/compact.h"

struct queued {
	writer_job *job;
	writer_done *done;
	void *arg;
};

/* A job of a group, and how it went. */
struct grouped {
	struct queued q;
	bool told;
};

struct writer {
	struct store *store;
	struct compactor *compactor;
	batch_sign *sign;
	void *sign_arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* something came, or the end */
	pthread_cond_t room;
	struct queued queue[WRITER_QUEUE_LIMIT]; /* a ring */
	size_t first, count;
	bool ending;
};

static void tell(struct grouped *g, enum err_code rc, const struct err *err)
{
	g->told = true;
	g->q.done(g->q.arg, rc, err);
}

/* Runs the jobs that were not told yet in one batch.  *failed is the one that
 * failed, or NULL when it was the batch itself. */
static enum err_code run_batch(struct writer *w, struct grouped *jobs,
	size_t count, struct grouped **failed, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	*failed = NULL;
	if ((rc = batch_begin(w->store, &b, err)))
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].told)
			continue;
		if ((rc = jobs[i].q.job(b, jobs[i].q.arg, err))) {
			*failed = &jobs[i];
			batch_abort(b);
			return rc;
		}
	}
	return batch_commit(b, w->sign, w->sign_arg, err);
}

/* A job that fails is told so, and the others run again without it. */
static enum err_code run_without_failing(
	struct writer *w, struct grouped *jobs, size_t count, struct err *err)
{
	struct grouped *failed;
	enum err_code rc;

	while ((rc = run_batch(w, jobs, count, &failed, err)) && failed)
		tell(failed, rc, err);
	return rc;
}

/* When the commit of several jobs fails, one of them may be the reason: each
 * gets a batch of its own. */
static void run_group(struct writer *w, struct grouped *jobs, size_t count)
{
	struct err err = {ERR_OK, ""};
	enum err_code rc = run_without_failing(w, jobs, count, &err);
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += !jobs[i].told;
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].told)
			continue;
		if (rc && left > 1) {
			enum err_code one =
				run_without_failing(w, &jobs[i], 1, &err);

			if (!jobs[i].told)
				tell(&jobs[i], one, &err);
		} else {
			tell(&jobs[i], rc, &err);
		}
	}
}

/* All that is queued; 0 at the end. */
static size_t take(struct writer *w, struct grouped *jobs)
{
	size_t count;

	pthread_mutex_lock(&w->lock);
	while (!w->count && !w->ending)
		pthread_cond_wait(&w->work, &w->lock);
	count = w->count;
	for (size_t i = 0; i < count; i++)
		jobs[i] = (struct grouped){
			.q = w->queue[(w->first + i) % WRITER_QUEUE_LIMIT]};
	w->first = (w->first + count) % WRITER_QUEUE_LIMIT;
	w->count = 0;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	return count;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct grouped jobs[WRITER_QUEUE_LIMIT];
	size_t count;

	while ((count = take(w, jobs)))
		run_group(w, jobs, count);
	return NULL;
}

enum err_code writer_start(struct store *s, batch_sign *sign, void *sign_arg,
	struct writer **out, struct err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	enum err_code rc;

	if (!w)
		return err_nomem(err);
	w->store = s;
	w->sign = sign;
	w->sign_arg = sign_arg;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->room, NULL);
	rc = compactor_start(s, &w->compactor, err);
	if (!rc && pthread_create(&w->thread, NULL, run, w)) {
		compactor_stop(w->compactor);
		rc = err_set(err, ERR_NOMEM, "no thread for the writer");
	}
	if (rc)
		free(w);
	else
		*out = w;
	return rc;
}

void writer_submit(
	struct writer *w, writer_job *job, writer_done *done, void *arg)
{
	pthread_mutex_lock(&w->lock);
	while (w->count == WRITER_QUEUE_LIMIT)
		pthread_cond_wait(&w->room, &w->lock);
	w->queue[(w->first + w->count++) % WRITER_QUEUE_LIMIT] =
		(struct queued){job, done, arg};
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

/* A job that somebody waits for. */
struct awaited {
	writer_job *job;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done;
	enum err_code rc;
	struct err err;
};

static enum err_code run_awaited(struct batch *b, void *arg, struct err *err)
{
	struct awaited *a = arg;

	return a->job(b, a->arg, err);
}

static void on_awaited(void *arg, enum err_code rc, const struct err *err)
{
	struct awaited *a = arg;

	pthread_mutex_lock(&a->lock);
	a->rc = rc;
	a->err = *err;
	a->done = true;
	pthread_cond_signal(&a->told);
	pthread_mutex_unlock(&a->lock);
}

enum err_code writer_run(
	struct writer *w, writer_job *job, void *arg, struct err *err)
{
	struct awaited a = {.job = job, .arg = arg};

	pthread_mutex_init(&a.lock, NULL);
	pthread_cond_init(&a.told, NULL);
	writer_submit(w, run_awaited, on_awaited, &a);
	pthread_mutex_lock(&a.lock);
	while (!a.done)
		pthread_cond_wait(&a.told, &a.lock);
	pthread_mutex_unlock(&a.lock);
	pthread_cond_destroy(&a.told);
	pthread_mutex_destroy(&a.lock);
	if (a.rc && err)
		*err = a.err;
	return a.rc;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	compactor_stop(w->compactor);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
