/* writer.c - jobs of many threads, committed in groups by one at a time.
 *
 * Who waits for a job commits all that is queued, when nobody else does: a
 * single put costs no turn of another thread, and while one group is being
 * synced the next one gathers.  The writer's own thread is for what is
 * submitted and not waited for yet.
 */
#include <pthread.h>
#include <stdlib.h>

#include "store/compact.h"

struct writer {
	struct store *store;
	struct compactor *compactor;
	batch_sign *sign;
	void *sign_arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the thread: something came, or the end */
	pthread_cond_t told; /* a group is through */
	struct submitted *first, **last;
	bool busy; /* somebody commits */
	bool ending;
};

static void settle(struct submitted *j, enum err_code rc, const struct err *err)
{
	j->settled = true;
	j->rc = rc;
	j->err = *err;
}

/* Runs the jobs before `end` that are not settled in one batch.  *failed is the
 * one that failed, or NULL when it was the batch itself. */
static enum err_code run_batch(struct writer *w, struct submitted *jobs,
	const struct submitted *end, struct submitted **failed, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	*failed = NULL;
	if ((rc = batch_begin(w->store, &b, err)))
		return rc;
	for (struct submitted *j = jobs; j != end; j = j->next) {
		if (j->settled)
			continue;
		if ((rc = j->job(b, j->arg, err))) {
			*failed = j;
			batch_abort(b);
			return rc;
		}
	}
	return batch_commit(b, w->sign, w->sign_arg, err);
}

/* A job that fails is told so, and the others run again without it. */
static enum err_code run_without_failing(struct writer *w,
	struct submitted *jobs, const struct submitted *end, struct err *err)
{
	struct submitted *failed;
	enum err_code rc;

	while ((rc = run_batch(w, jobs, end, &failed, err)) && failed)
		settle(failed, rc, err);
	return rc;
}

/* When the commit of several jobs fails, one of them may be the reason: each
 * gets a batch of its own. */
static void run_group(struct writer *w, struct submitted *jobs)
{
	struct err err = {ERR_OK, ""};
	enum err_code rc = run_without_failing(w, jobs, NULL, &err);
	size_t left = 0;

	for (struct submitted *j = jobs; j; j = j->next)
		left += !j->settled;
	for (struct submitted *j = jobs; j; j = j->next) {
		enum err_code one = rc;

		if (j->settled)
			continue;
		if (rc && left > 1)
			one = run_without_failing(w, j, j->next, &err);
		if (!j->settled)
			settle(j, one, &err);
	}
}

/* Commits all that is queued.  Called and left under lock, while nobody else
 * does; once a job is done it is its caller's again. */
static void commit_queued(struct writer *w)
{
	struct submitted *jobs = w->first;

	w->first = NULL;
	w->last = &w->first;
	w->busy = true;
	pthread_mutex_unlock(&w->lock);
	run_group(w, jobs);
	pthread_mutex_lock(&w->lock);
	w->busy = false;
	for (; jobs; jobs = jobs->next)
		jobs->done = true;
	pthread_cond_broadcast(&w->told);
	if (w->first)
		pthread_cond_signal(&w->work);
}

static void *run(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->ending || w->first) {
		if (w->first && !w->busy) {
			commit_queued(w);
			stack_forget();
		} else {
			pthread_cond_wait(&w->work, &w->lock);
		}
	}
	pthread_mutex_unlock(&w->lock);
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
	w->last = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->told, NULL);
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

static void enqueue(struct writer *w, struct submitted *j)
{
	*j = (struct submitted){.job = j->job, .arg = j->arg};
	*w->last = j;
	w->last = &j->next;
}

void writer_submit(struct writer *w, struct submitted *j)
{
	pthread_mutex_lock(&w->lock);
	enqueue(w, j);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

/* Called under lock, and left without it. */
static enum err_code wait_for(
	struct writer *w, const struct submitted *j, struct err *err)
{
	while (!j->done) {
		if (!w->busy)
			commit_queued(w);
		else
			pthread_cond_wait(&w->told, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	if (j->rc && err)
		*err = j->err;
	return j->rc;
}

enum err_code writer_wait(
	struct writer *w, const struct submitted *j, struct err *err)
{
	pthread_mutex_lock(&w->lock);
	return wait_for(w, j, err);
}

enum err_code writer_run(
	struct writer *w, writer_job *job, void *arg, struct err *err)
{
	struct submitted j = {.job = job, .arg = arg};

	pthread_mutex_lock(&w->lock);
	enqueue(w, &j);
	return wait_for(w, &j, err);
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
	pthread_cond_destroy(&w->told);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
