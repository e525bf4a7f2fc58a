/* test_pool.c - threads, the bounded queue, and pool_each(). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/base.h"

static void count_up(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void pause_ms(long ms)
{
	struct timespec wait = {.tv_nsec = ms * 1000000};

	nanosleep(&wait, NULL);
}

static struct pool *new_pool(size_t threads, size_t queue)
{
	struct pool *p = NULL;

	assert_int_equal(pool_new(threads, queue, &p, NULL), ERR_OK);
	return p;
}

static void runs_all_that_is_submitted(void **state)
{
	struct pool *p = new_pool(3, 2);
	atomic_int count = 0;

	(void)state;
	assert_int_equal(pool_threads(p), 3);
	for (int i = 0; i < 1000; i++)
		pool_submit(p, count_up, &count);
	pool_free(p);
	assert_int_equal(atomic_load(&count), 1000);
	pool_free(NULL);
}

static void asks_the_machine_for_the_number_of_threads(void **state)
{
	struct pool *p = new_pool(0, 0);

	(void)state;
	assert_true(pool_threads(p) >= 1 && pool_threads(p) <= 16);
	pool_free(p);
}

struct gate {
	atomic_bool open;
	atomic_int waiting;
};

static void wait_at_gate(void *arg)
{
	struct gate *gate = arg;

	atomic_fetch_add(&gate->waiting, 1);
	while (!atomic_load(&gate->open))
		pause_ms(1);
}

struct submitter {
	struct pool *pool;
	struct gate *gate;
	atomic_int submitted;
};

static void *submit_four(void *arg)
{
	struct submitter *s = arg;

	for (int i = 0; i < 4; i++) {
		pool_submit(s->pool, wait_at_gate, s->gate);
		atomic_fetch_add(&s->submitted, 1);
	}
	return NULL;
}

/* One job runs, two wait; the fourth submit has no room. */
static void a_full_queue_blocks_the_submitter(void **state)
{
	struct gate gate = {.open = false};
	struct submitter s = {.pool = new_pool(1, 2), .gate = &gate};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, submit_four, &s), 0);
	while (atomic_load(&s.submitted) < 3 || atomic_load(&gate.waiting) < 1)
		pause_ms(1);
	pause_ms(20);
	assert_int_equal(atomic_load(&s.submitted), 3);
	assert_int_equal(atomic_load(&gate.waiting), 1);
	atomic_store(&gate.open, true);
	pthread_join(thread, NULL);
	pool_free(s.pool);
	assert_int_equal(atomic_load(&s.submitted), 4);
	assert_int_equal(atomic_load(&gate.waiting), 4);
}

struct item {
	int in;
	int out;
	pthread_t by;
};

static void square(void *arg)
{
	struct item *item = arg;

	item->out = item->in * item->in;
	item->by = pthread_self();
}

static void each_reaches_every_item_once(void **state)
{
	struct item items[100];
	struct pool *p = new_pool(4, 1);

	(void)state;
	for (size_t n = 0; n <= ARRAY_LEN(items); n++) {
		for (size_t i = 0; i < ARRAY_LEN(items); i++)
			items[i] = (struct item){.in = (int)i, .out = -1};
		pool_each(p, square, items, sizeof(items[0]), n);
		for (size_t i = 0; i < ARRAY_LEN(items); i++)
			assert_int_equal(
				items[i].out, i < n ? (int)(i * i) : -1);
	}
	pool_free(p);
}

static void slow_square(void *arg)
{
	square(arg);
	pause_ms(2);
}

static void each_uses_the_calling_thread_too(void **state)
{
	struct gate gate = {.open = false};
	struct pool *p = new_pool(1, 1);
	struct item items[5] = {{.in = 3}};

	(void)state;
	pool_submit(p, wait_at_gate, &gate);
	while (atomic_load(&gate.waiting) == 0)
		pause_ms(1);
	/* The only thread is held: all must be done here. */
	pool_each(p, square, items, sizeof(items[0]), 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(pthread_equal(items[i].by, pthread_self()));
	atomic_store(&gate.open, true);
	pool_free(p);
}

static void each_shares_the_work(void **state)
{
	struct item items[40] = {{.in = 3}};
	struct pool *p = new_pool(3, 1);
	size_t elsewhere = 0;

	(void)state;
	pool_each(p, slow_square, items, sizeof(items[0]), ARRAY_LEN(items));
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		elsewhere += !pthread_equal(items[i].by, pthread_self());
	assert_true(elsewhere > 0);
	pool_free(p);
}

struct caller {
	struct pool *pool;
	int wrong;
};

static void *call_each(void *arg)
{
	struct caller *c = arg;
	struct item items[50];

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 50; i++)
			items[i] = (struct item){.in = i + round};
		pool_each(c->pool, square, items, sizeof(items[0]), 50);
		for (int i = 0; i < 50; i++)
			c->wrong += items[i].out != (i + round) * (i + round);
	}
	return NULL;
}

static void several_threads_call_each_at_once(void **state)
{
	struct pool *p = new_pool(3, 4);
	struct caller callers[4];
	pthread_t threads[4];
	atomic_int count = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		callers[i] = (struct caller){.pool = p};
		assert_int_equal(pthread_create(&threads[i], NULL, call_each,
					 &callers[i]),
			0);
	}
	for (int i = 0; i < 500; i++)
		pool_submit(p, count_up, &count);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].wrong, 0);
	}
	pool_free(p);
	assert_int_equal(atomic_load(&count), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_all_that_is_submitted),
		cmocka_unit_test(asks_the_machine_for_the_number_of_threads),
		cmocka_unit_test(a_full_queue_blocks_the_submitter),
		cmocka_unit_test(each_reaches_every_item_once),
		cmocka_unit_test(each_uses_the_calling_thread_too),
		cmocka_unit_test(each_shares_the_work),
		cmocka_unit_test(several_threads_call_each_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
