/* pool.c - threads that run jobs from one bounded queue. */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/stack.h"

#define THREADS_MAX 16

struct task {
	pool_job *job;
	void *arg;
};

/* A pool_each() under way: items [next, n) are still to be taken.  It lives on
 * its caller's stack, and stands in the pool's list while next < n. */
struct batch {
	pool_job *job;
	uint8_t *args;
	size_t stride;
	size_t n;
	size_t next;
	size_t done;
	pthread_cond_t all_done;
	struct batch *below;
};

/* Everything but `threads` is under `lock`. */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;  /* something to run, or ending */
	pthread_cond_t space; /* room in the queue */
	struct task *queue;   /* a ring */
	size_t queue_cap;
	size_t queue_head;
	size_t queue_len;
	struct batch *batches;
	bool ending;
	pthread_t *threads;
	size_t thread_count;
};

/* Takes the next item of a batch and runs it.  Called and left under lock. */
static void run_item(struct pool *p, struct batch *b)
{
	size_t i = b->next++;

	if (b->next == b->n) {
		struct batch **link = &p->batches;

		while (*link != b)
			link = &(*link)->below;
		*link = b->below;
	}
	pthread_mutex_unlock(&p->lock);
	b->job(b->args + i * b->stride);
	pthread_mutex_lock(&p->lock);
	/* Once done == n and the lock is free, the batch is gone. */
	if (++b->done == b->n)
		pthread_cond_signal(&b->all_done);
}

static void run_task(struct pool *p)
{
	struct task task = p->queue[p->queue_head];

	p->queue_head = (p->queue_head + 1) % p->queue_cap;
	p->queue_len--;
	pthread_cond_signal(&p->space);
	pthread_mutex_unlock(&p->lock);
	task.job(task.arg);
	pthread_mutex_lock(&p->lock);
}

static void *run_thread(void *arg)
{
	struct pool *p = arg;
	/* By turns, so that neither kind of work starves the other. */
	bool queue_first = false, worked = false;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		bool idle = p->queue_len == 0 && !p->batches;

		if (idle && worked) {
			pthread_mutex_unlock(&p->lock);
			stack_forget();
			pthread_mutex_lock(&p->lock);
		} else if (idle) {
			if (p->ending)
				break;
			pthread_cond_wait(&p->work, &p->lock);
		} else if (p->queue_len > 0 && (queue_first || !p->batches)) {
			run_task(p);
		} else {
			run_item(p, p->batches);
		}
		worked = !idle;
		queue_first = !queue_first;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static size_t core_count(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		return 1;
	return n > THREADS_MAX ? THREADS_MAX : (size_t)n;
}

enum err_code pool_new(
	size_t threads, size_t queue, struct pool **out, struct err *err)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->space, NULL);
	if (threads == 0)
		threads = core_count();
	p->queue_cap = queue > 0 ? queue : 1;
	p->queue = calloc(p->queue_cap, sizeof(*p->queue));
	p->threads = calloc(threads, sizeof(*p->threads));
	if (!p->queue || !p->threads) {
		pool_free(p);
		return err_nomem(err);
	}
	while (p->thread_count < threads) {
		int rc = pthread_create(
			&p->threads[p->thread_count], NULL, run_thread, p);

		if (rc != 0) {
			pool_free(p);
			errno = rc;
			return err_sys(err, "start a thread");
		}
		p->thread_count++;
	}
	*out = p;
	return ERR_OK;
}

void pool_submit(struct pool *p, pool_job *job, void *arg)
{
	size_t tail;

	pthread_mutex_lock(&p->lock);
	while (p->queue_len == p->queue_cap)
		pthread_cond_wait(&p->space, &p->lock);
	tail = (p->queue_head + p->queue_len) % p->queue_cap;
	p->queue[tail] = (struct task){job, arg};
	p->queue_len++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void pool_each(
	struct pool *p, pool_job *job, void *args, size_t stride, size_t n)
{
	struct batch b = {.job = job, .args = args, .stride = stride, .n = n};

	if (n == 0)
		return;
	pthread_cond_init(&b.all_done, NULL);
	pthread_mutex_lock(&p->lock);
	b.below = p->batches;
	p->batches = &b;
	if (n > 1)
		pthread_cond_broadcast(&p->work);
	while (b.next < b.n)
		run_item(p, &b);
	while (b.done < b.n)
		pthread_cond_wait(&b.all_done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&b.all_done);
}

size_t pool_threads(const struct pool *p)
{
	return p->thread_count;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->space);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p->queue);
	free(p);
}
