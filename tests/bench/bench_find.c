/* bench_find.c - records found by id and by digest, and shown, at random.
 *
 * bench_find DATA N: opens the store for reading, takes N records of the own
 * log at random, then of its newest 10,000 and 1,000, and looks N up by their
 * id, their leaf hash and the digest of one of their parts, and by id and by
 * leaf hash with all of it read; no longer than LIMIT_S each.  The newest have
 * been looked at once before.  Prints how many a second of each, and the
 * milliseconds that opening took, as JSON; of the processor's time, so that
 * what else runs on the machine matters less.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "store/store.h"

#define RECENT 10000
#define NEWEST 1000
#define LIMIT_S 2.0

struct wanted {
	uint8_t uuid[UUID_SIZE];
	struct digest leaf, part;
	uint64_t seq;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum err_code rc, const struct err *err)
{
	if (rc == ERR_OK)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9u;

	return z ^ z >> 27;
}

static void fill(struct wanted *w, const struct record *r, uint64_t seq)
{
	struct entry e;
	struct err err;

	must(entry_parse(r->entry, r->entry_len, &e, &err), &err);
	memcpy(w->uuid, e.uuid, UUID_SIZE);
	w->leaf = r->leaf;
	w->part = e.sd[seq % e.sd_count];
	w->seq = seq;
}

/* `n` of the records from `from` on, shuffled. */
static void choose(struct store *s, const struct log_info *log, uint64_t from,
	struct wanted *w, size_t n)
{
	uint64_t state = 1;
	uint64_t seen = 0;
	struct err err;

	while (from < log->size) {
		struct run run = {0};

		must(store_read(s, log->id, from, RUN_LIMIT, 0, &run, &err),
			&err);
		for (size_t i = 0; i < run.count; i++, from++, seen++) {
			uint64_t at =
				seen < n ? seen : next_random(&state) % seen;

			if (at < n)
				fill(&w[at], &run.record[i], from);
		}
		run_free(&run);
	}
	for (size_t i = seen < n ? (size_t)seen : n; i > 1; i--) {
		size_t k = (size_t)(next_random(&state) % i);
		struct wanted was = w[i - 1];

		w[i - 1] = w[k];
		w[k] = was;
	}
}

struct sought {
	uint64_t seq;
	bool found;
};

static enum err_code on_found(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct sought *s = arg;

	(void)log;
	(void)rev;
	(void)err;
	s->found |= seq == s->seq;
	return ERR_OK;
}

static void find_id(struct store *s, uint32_t log, const struct wanted *w)
{
	struct sought sought = {.seq = w->seq};
	struct err err;

	(void)log;
	must(store_find_id(s, w->uuid, on_found, &sought, &err), &err);
	if (!sought.found)
		abort();
}

static void find_digest(struct store *s, const struct digest *d, uint64_t seq)
{
	struct found found;
	struct err err;

	must(store_find_digest(s, d, &found, &err), &err);
	if (found.seq != seq)
		abort();
}

static void find_leaf(struct store *s, uint32_t log, const struct wanted *w)
{
	(void)log;
	find_digest(s, &w->leaf, w->seq);
}

static void find_part(struct store *s, uint32_t log, const struct wanted *w)
{
	(void)log;
	find_digest(s, &w->part, w->seq);
}

static void read_all(struct store *s, uint32_t log, const struct wanted *w)
{
	struct run run = {0};
	struct err err;

	must(store_read(s, log, w->seq, 1, LABEL_ALL, &run, &err), &err);
	run_free(&run);
}

static void show(struct store *s, uint32_t log, const struct wanted *w)
{
	find_id(s, log, w);
	read_all(s, log, w);
}

static void show_leaf(struct store *s, uint32_t log, const struct wanted *w)
{
	find_leaf(s, log, w);
	read_all(s, log, w);
}

typedef void lookup(struct store *s, uint32_t log, const struct wanted *w);

/* Looks up the `count` wanted in turn, `n` times in all; how many a second. */
static double rate(struct store *s, uint32_t log, lookup *look,
	const struct wanted *w, size_t count, size_t n)
{
	double start = now_s();
	size_t done = 0;

	while (done < n && now_s() - start < LIMIT_S)
		look(s, log, &w[done++ % count]);
	return (double)done / (now_s() - start);
}

/* Of the `newest` records, or of all for 0. */
static void tell(struct store *s, const struct log_info *log, const char *name,
	uint64_t newest, size_t n)
{
	static const struct {
		const char *name;
		lookup *look;
	} ways[] = {{"id", find_id}, {"leaf", find_leaf}, {"part", find_part},
		{"show", show}, {"show_leaf", show_leaf}};
	uint64_t from = newest && newest < log->size ? log->size - newest : 0;
	size_t count = log->size - from < n ? (size_t)(log->size - from) : n;
	struct wanted *w = calloc(count, sizeof(*w));

	if (!w)
		abort();
	choose(s, log, from, w, count);
	for (size_t i = 0; newest && i < count; i++)
		show(s, log->id, &w[i]);
	printf(",\"%s\":{", name);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		printf("%s\"%s\":%.0f", i ? "," : "", ways[i].name,
			rate(s, log->id, ways[i].look, w, count, n));
	printf("}");
	free(w);
}

int main(int argc, char **argv)
{
	struct store_options opt = {.mode = STORE_READ};
	size_t n = argc == 3 ? (size_t)atoi(argv[2]) : 0;
	double start = now_s();
	struct store *s = NULL;
	struct log_info log;
	struct err err;

	heap_start();
	if (!n)
		return 2;
	must(store_open(argv[1], &opt, &s, &err), &err);
	printf("{\"open_ms\":%.2f", (now_s() - start) * 1e3);
	must(store_log_own(s, &log, &err), &err);
	tell(s, &log, "all", 0, n);
	tell(s, &log, "recent", RECENT, n);
	tell(s, &log, "newest", NEWEST, n);
	printf(",\"records\":%llu}\n", (unsigned long long)log.size);
	store_close(s);
	return 0;
}
