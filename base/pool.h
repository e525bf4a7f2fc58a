/* pool.h - a fixed set of threads that run jobs from one bounded queue. */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct pool;
typedef void pool_job(void *arg);

/* `threads` 0 means one a core, at most 16.  `queue` bounds what waits. */
enum err_code pool_new(
	size_t threads, size_t queue, struct pool **out, struct err *err);
/* Runs job(arg) on some thread.  Blocks while the queue is full. */
void pool_submit(struct pool *p, pool_job *job, void *arg);
/* Runs job(args + i * stride) for i < n over the pool and this thread, and
 * returns when all are done.  Never call it from a job. */
void pool_each(
	struct pool *p, pool_job *job, void *args, size_t stride, size_t n);
size_t pool_threads(const struct pool *p);
/* Waits for what is queued, then ends the threads.  NULL does nothing. */
void pool_free(struct pool *p);
