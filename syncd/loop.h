/* loop.h - the event loop's thread, and the threads that work for it.
 *
 * The loop's thread owns all shared state of the daemon.  What blocks or
 * computes runs as a job on another thread, which gets values and gives values
 * back: `work` there, then `done` on the loop's thread.  Functions are for the
 * loop's thread where nothing else is said.
 */
#pragma once

#include "base/base.h"

struct event_base;
struct loop;
typedef void loop_fn(void *arg);

/* Jobs that can wait, so that submitting never blocks the loop. */
#define LOOP_JOBS_LIMIT ((size_t)17000)
#define LOOP_PUTS_LIMIT ((size_t)64)

enum err_code loop_new(struct loop **out, struct err *err);
/* After loop_finish(). */
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);
/* Threads for pool_each() inside put jobs, one a core. */
struct pool *loop_prepare_pool(struct loop *l);

void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);
/* No further jobs; waits for those under way and calls their `done`. */
void loop_finish(struct loop *l);

/* false: LOOP_JOBS_LIMIT are under way, or the loop has finished; nothing is
 * called then. */
bool loop_job(struct loop *l, loop_fn *work, loop_fn *done, void *arg);
/* As loop_job, for jobs that use the prepare pool. */
bool loop_put_job(struct loop *l, loop_fn *work, loop_fn *done, void *arg);
/* Calls done(arg) in a later turn. false when out of memory. */
bool loop_later(struct loop *l, loop_fn *done, void *arg);
size_t loop_jobs(const struct loop *l); /* under way */
