/* bench_put.c - single durable puts against single fdatasyncs, in one run.
 *
 * bench_put DATA FILE N: puts the first N lines of FILE one by one, each its
 * own commit, and between them appends 4 KiB to a file of its own beside DATA
 * and syncs that.  Prints both medians in microseconds, and that of the
 * processor's time, as JSON.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policies/policies.h"

static double now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static double sync_once(int fd)
{
	static const char page[4096];
	double start = now_us(CLOCK_MONOTONIC);

	if (write(fd, page, sizeof(page)) != sizeof(page) || fdatasync(fd))
		abort();
	return now_us(CLOCK_MONOTONIC) - start;
}

static double put_once(const struct capture_source *src, struct pool *pool,
	struct writer *w, const char *line, size_t len)
{
	struct intake_result result;
	struct err err;
	double start = now_us(CLOCK_MONOTONIC);

	if (intake_lines(src, pool, w, &line, &len, 1, &result, &err) ||
		result.rc) {
		fprintf(stderr, "put: %s\n", result.text);
		exit(1);
	}
	return now_us(CLOCK_MONOTONIC) - start;
}

int main(int argc, char **argv)
{
	size_t n = argc == 4 ? (size_t)atoi(argv[3]) : 0, count = 0, cap = 0;
	double *puts = calloc(n + 1, sizeof(*puts));
	double *cpu = calloc(n + 1, sizeof(*cpu));
	double *syncs = calloc(n + 1, sizeof(*syncs));
	struct capture_source src = {0};
	struct node *node = NULL;
	struct writer *w = NULL;
	struct pool *pool = NULL;
	uint64_t before;
	char path[512], *line = NULL;
	struct err err;
	ssize_t len;
	FILE *in;
	int fd;

	heap_start();
	if (!n || !(in = fopen(argv[2], "r")) || !puts || !cpu || !syncs)
		return 2;
	snprintf(path, sizeof(path), "%s.sync", argv[1]);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (node_open(argv[1], STORE_WRITE, &node, &err) ||
		writer_start(node->store, node_sign, node, &w, &err) ||
		pool_new(0, 64, &pool, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	src.node = node;
	src.rules = node->rules;
	before = file_sync_count();
	while (count < n && (len = getline(&line, &cap, in)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		double spent = now_us(CLOCK_PROCESS_CPUTIME_ID);

		puts[count] = put_once(&src, pool, w, line, (size_t)len);
		cpu[count] = now_us(CLOCK_PROCESS_CPUTIME_ID) - spent;
		syncs[count++] = sync_once(fd);
	}
	double p = median(puts, count), s = median(syncs, count);
	printf("{\"fdatasync_us\":%.1f,\"put_us\":%.1f,"
	       "\"put_cpu_us\":%.1f,\"puts\":%zu,"
	       "\"ratio\":%.2f,\"syncs_a_put\":%.3f}\n",
		s, p, median(cpu, count), count, p / s,
		(double)(file_sync_count() - before) / (double)count);
	writer_stop(w);
	pool_free(pool);
	node_close(node);
	close(fd);
	unlink(path);
	fclose(in);
	free(line);
	free(puts);
	free(cpu);
	free(syncs);
	return 0;
}
