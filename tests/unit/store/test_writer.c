/* test_writer.c - jobs commit in groups, and fail alone. */
#include "records.h"

#include <pthread.h>

#include "store/inside.h"

#define THREADS 8
#define JOBS 20

struct put_job {
	uint64_t i;
	bool bad;      /* fails in the job */
	bool bad_part; /* fails at commit */
	uint64_t seq;
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

static void a_failing_job_takes_nothing_with_it(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct put_job jobs[60];
	struct submitted sent[ARRAY_LEN(jobs)];
	struct writer *w;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct put_job){
			.i = i, .bad = i % 7 == 3, .bad_part = i % 11 == 5};
		sent[i] = (struct submitted){.job = run_put, .arg = &jobs[i]};
		writer_submit(w, &sent[i]);
	}
	writer_stop(w);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		struct run run = {0};

		assert_true(sent[i].done);
		if (jobs[i].bad) {
			assert_int_equal(sent[i].rc, ERR_DENIED);
		} else if (jobs[i].bad_part) {
			assert_int_equal(sent[i].rc, ERR_INVALID);
		} else {
			assert_int_equal(sent[i].rc, ERR_OK);
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

static enum err_code note_thread(struct batch *b, void *arg, struct err *err)
{
	pthread_t *on = arg;

	(void)b;
	(void)err;
	*on = pthread_self();
	return ERR_OK;
}

static void who_waits_alone_needs_no_other_thread(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct writer *w;
	pthread_t on;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (int i = 0; i < 3; i++) {
		memset(&on, 0, sizeof(on));
		OK(writer_run(w, note_thread, &on, &test_err));
		assert_true(pthread_equal(on, pthread_self()));
	}
	writer_stop(w);
	store_close(s);
}

static enum err_code note_turn(struct batch *b, void *arg, struct err *err)
{
	unsigned *turn = arg;

	(void)b;
	(void)err;
	turn[0] = turn[-1] + 1;
	return ERR_OK;
}

static void jobs_run_in_the_order_in_which_they_came(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct submitted sent[100];
	unsigned turn[ARRAY_LEN(sent) + 2] = {0};
	struct writer *w;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
		sent[i] = (struct submitted){
			.job = note_turn, .arg = &turn[i + 1]};
		writer_submit(w, &sent[i]);
	}
	/* Comes last, whoever commits it. */
	OK(writer_run(w, note_turn, &turn[ARRAY_LEN(sent) + 1], &test_err));
	assert_int_equal(turn[ARRAY_LEN(sent) + 1], ARRAY_LEN(sent) + 1);
	for (size_t i = 0; i < ARRAY_LEN(sent); i++)
		OK(writer_wait(w, &sent[i], &test_err));
	writer_stop(w);
	store_close(s);
}

static enum err_code refuse_to_sign(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	(void)arg;
	(void)cp;
	(void)note;
	return err_set(err, ERR_DENIED, "no signature");
}

static void all_of_a_group_are_told_that_it_failed(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct put_job jobs[10];
	struct submitted sent[ARRAY_LEN(jobs)];
	struct log_info log;
	struct writer *w;

	OK(writer_start(s, refuse_to_sign, NULL, &w, &test_err));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct put_job){.i = i};
		sent[i] = (struct submitted){.job = run_put, .arg = &jobs[i]};
		writer_submit(w, &sent[i]);
	}
	for (size_t i = ARRAY_LEN(jobs); i-- > 0;) {
		assert_int_equal(
			writer_wait(w, &sent[i], &test_err), ERR_DENIED);
		assert_string_equal(test_err.text, "no signature");
	}
	writer_stop(w);
	assert_int_equal(store_log_own(s, &log, &test_err), ERR_NOT_FOUND);
	store_close(s);
}

/* Only the first two members are the caller's. */
static void a_job_may_stand_in_memory_of_before(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 0);
	struct put_job jobs[2] = {{.i = 0}, {.i = 1}};
	struct submitted sent[ARRAY_LEN(jobs)];
	struct log_info log;
	struct writer *w;

	OK(writer_start(s, test_sign, NULL, &w, &test_err));
	memset(sent, 0xff, sizeof(sent));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		sent[i].job = run_put;
		sent[i].arg = &jobs[i];
		writer_submit(w, &sent[i]);
		OK(writer_wait(w, &sent[i], &test_err));
	}
	writer_stop(w);
	OK(store_log_own(s, &log, &test_err));
	assert_int_equal(log.size, ARRAY_LEN(jobs));
	store_close(s);
}

static void a_look_for_damage_beside_puts_finds_none(void **state)
{
	struct store *s = open_store(*state, STORE_WRITE, 30000);
	struct damage_places *places;
	struct putter p = {.from = 0};

	OK(writer_start(s, test_sign, NULL, &p.w, &test_err));
	assert_int_equal(pthread_create(&p.thread, NULL, put_some, &p), 0);
	for (int i = 0; i < 5; i++) {
		OK(store_damage_look(s, 1, NULL, NULL, &places, &test_err));
		assert_int_equal(places->count, 0);
		damage_places_free(places);
	}
	pthread_join(p.thread, NULL);
	assert_false(p.failed);
	writer_stop(p.w);
	store_close(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_failing_job_takes_nothing_with_it),
		test(concurrent_puts_share_their_syncs),
		test(who_waits_alone_needs_no_other_thread),
		test(jobs_run_in_the_order_in_which_they_came),
		test(all_of_a_group_are_told_that_it_failed),
		test(a_job_may_stand_in_memory_of_before),
		test(a_look_for_damage_beside_puts_finds_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
