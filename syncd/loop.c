/* loop.c - libevent's loop, worker threads, and the way back from them. */
#include "syncd/loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Asks mostly wait for the disk, so there may be more of them than cores. */
#define WORK_THREADS 6
#define PUT_THREADS 2

struct task {
	struct loop *loop;
	loop_fn *work;
	loop_fn *done;
	void *arg;
	size_t *under_way; /* NULL for loop_later() */
	struct task *next;
};

struct loop {
	struct event_base *base;
	struct event *wake;
	int fd; /* eventfd: `first` is not empty */
	struct pool *work, *put, *prepare;
	size_t works, puts; /* under way */
	bool finished;
	pthread_mutex_t lock; /* of the list */
	struct task *first, **last;
};

static void push(struct loop *l, struct task *t)
{
	uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	t->next = NULL;
	*l->last = t;
	l->last = &t->next;
	pthread_mutex_unlock(&l->lock);
	/* Only a counter at its top could refuse, and then it is awake. */
	if (write(l->fd, &one, sizeof(one)) < 0)
		return;
}

static void run_done(struct loop *l)
{
	struct task *t, *next;

	pthread_mutex_lock(&l->lock);
	t = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	for (; t; t = next) {
		next = t->next;
		if (t->under_way)
			--*t->under_way;
		t->done(t->arg);
		free(t);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t count;

	(void)what;
	if (read((int)fd, &count, sizeof(count)) < 0)
		return;
	run_done(l);
}

static enum err_code open_base(struct loop *l, struct err *err)
{
	if (evthread_use_pthreads())
		return err_set(err, ERR_INTERNAL, "libevent without threads");
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0)
		return err_sys(err, "eventfd");
	l->base = event_base_new();
	if (!l->base)
		return err_set(err, ERR_INTERNAL, "no event loop");
	l->wake = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_wake, l);
	if (!l->wake || event_add(l->wake, NULL))
		return err_set(err, ERR_INTERNAL, "no event for the workers");
	return ERR_OK;
}

enum err_code loop_new(struct loop **out, struct err *err)
{
	struct loop *l = calloc(1, sizeof(*l));
	enum err_code rc;

	if (!l)
		return err_nomem(err);
	l->fd = -1;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	if ((rc = open_base(l, err)) ||
		(rc = pool_new(WORK_THREADS, LOOP_JOBS_LIMIT, &l->work, err)) ||
		(rc = pool_new(PUT_THREADS, LOOP_PUTS_LIMIT, &l->put, err)) ||
		(rc = pool_new(0, 16, &l->prepare, err))) {
		loop_free(l);
		return rc;
	}
	*out = l;
	return ERR_OK;
}

void loop_finish(struct loop *l)
{
	l->finished = true;
	pool_free(l->put);
	pool_free(l->work);
	pool_free(l->prepare);
	l->put = l->work = l->prepare = NULL;
	while (l->first)
		run_done(l);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_finish(l);
	if (l->wake)
		event_free(l->wake);
	if (l->base)
		event_base_free(l->base);
	if (l->fd >= 0)
		close(l->fd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

struct pool *loop_prepare_pool(struct loop *l)
{
	return l->prepare;
}

void loop_run(struct loop *l)
{
	/* Once round, so that nothing of it stays on the stack. */
	do
		stack_forget();
	while (event_base_loop(l->base, EVLOOP_ONCE) == 0 &&
		!event_base_got_break(l->base));
}

void loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

size_t loop_jobs(const struct loop *l)
{
	return l->works + l->puts;
}

static void run_work(void *arg)
{
	struct task *t = arg;

	t->work(t->arg);
	push(t->loop, t);
}

static bool submit(struct loop *l, struct pool *pool, size_t *under_way,
	size_t limit, const struct task *task)
{
	struct task *t;

	if (l->finished || *under_way >= limit)
		return false;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	*t = *task;
	t->under_way = under_way;
	++*under_way;
	pool_submit(pool, run_work, t);
	return true;
}

bool loop_job(struct loop *l, loop_fn *work, loop_fn *done, void *arg)
{
	struct task t = {.loop = l, .work = work, .done = done, .arg = arg};

	return submit(l, l->work, &l->works, LOOP_JOBS_LIMIT, &t);
}

bool loop_put_job(struct loop *l, loop_fn *work, loop_fn *done, void *arg)
{
	struct task t = {.loop = l, .work = work, .done = done, .arg = arg};

	return submit(l, l->put, &l->puts, LOOP_PUTS_LIMIT, &t);
}

bool loop_later(struct loop *l, loop_fn *done, void *arg)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return false;
	t->loop = l;
	t->done = done;
	t->arg = arg;
	push(l, t);
	return true;
}
