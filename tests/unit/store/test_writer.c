/* test_writer.c - jobs commit in groups, and fail alone. */
#include "records.h"

#include <pthread.h>

#define THREADS 8
#define JOBS 20

struct put_job {
	uint64_t i;
	bool bad;      /* fails in the job */
	bool bad_part; /* fails at commit */
	uint64_t seq;
	enum err_code rc;
	unsigned told;
};

static enum err_code run_put(struct batch *b, void *arg, struct err *err)
{
	struct put_job *j = arg;
	struct log_info log;
	struct made m;
	enum err_code rc;

	if (j->bad)
		return err_set(err, ERR_DENIED, "no");
	if ((rc = batch_log(b, ORIGIN, LOG_OWN, &log, err)))
		return rc;
	make_record(&m, j->i, 1);
	if (j->bad_part)
		m.record.part[0].seed[0] ^= 1;
	rc = batch_append(b, log.id, &m.record, &j->seq, err);
	free_record(&m);
	return rc;
}

static void on_done(void *arg, enum err_code rc, const struct err *err)
{
	struct put_job *j = arg;

	(void)err;
	j->rc = rc;
	j->told++;
}

static void a_failing_job_takes_nothing_with_it(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct put_job jobs[60];
	struct writer *w;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct put_job){
			.i = i, .bad = i % 7 == 3, .bad_part = i % 11 == 5};
		writer_submit(w, run_put, on_done, &jobs[i]);
	}
	writer_stop(w);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		struct run run = {0};

		assert_int_equal(jobs[i].told, 1);
		if (jobs[i].bad) {
			assert_int_equal(jobs[i].rc, ERR_DENIED);
		} else if (jobs[i].bad_part) {
			assert_int_equal(jobs[i].rc, ERR_INVALID);
		} else {
			assert_int_equal(jobs[i].rc, ERR_OK);
			OK(store_read(s, 1, jobs[i].seq, 1, LABEL_ALL, &run,
				&test_err));
			assert_record(&run.record[0], i, LABEL_ALL, 0);
			run_free(&run);
		}
	}
	store_close(s);
}

struct putter {
	struct writer *w;
	uint64_t from;
	pthread_t thread;
	bool failed;
};

static void *put_some(void *arg)
{
	struct putter *p = arg;

	for (uint64_t i = 0; i < JOBS; i++) {
		struct put_job j = {.i = p->from + i};

		if (writer_run(p->w, run_put, &j, NULL))
			p->failed = true;
	}
	return NULL;
}

static void concurrent_puts_share_their_syncs(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct putter putters[THREADS];
	struct log_info log;
	struct writer *w;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (size_t i = 0; i < THREADS; i++) {
		putters[i] = (struct putter){.w = w, .from = i * JOBS};
		assert_int_equal(pthread_create(&putters[i].thread, NULL,
					 put_some, &putters[i]),
			0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(putters[i].thread, NULL);
		assert_false(putters[i].failed);
	}
	writer_stop(w);
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.size, THREADS * JOBS);
	assert_int_equal(log.checkpoint_size, THREADS * JOBS);
	store_close(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_failing_job_takes_nothing_with_it),
		test(concurrent_puts_share_their_syncs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
