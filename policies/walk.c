/* walk.c - every record that is here, window by window. */
#include "policies/walk.h"

#include <stdlib.h>

#define WINDOW ((size_t)4096) /* arrivals looked at in one go */

enum err_code walk_add(
	struct walk_places *p, uint32_t log, uint64_t seq, struct err *err)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 256;
		struct walk_place *more =
			reallocarray(p->at, cap, sizeof(*more));

		if (!more)
			return err_nomem(err);
		p->at = more;
		p->cap = cap;
	}
	p->at[p->count++] = (struct walk_place){log, seq};
	return ERR_OK;
}

static int compare_place(const void *a, const void *b)
{
	const struct walk_place *x = a, *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

void walk_sort(struct walk_places *p)
{
	size_t n = 0;

	if (p->count)
		qsort(p->at, p->count, sizeof(*p->at), compare_place);
	for (size_t i = 0; i < p->count; i++)
		if (!n || compare_place(&p->at[n - 1], &p->at[i]))
			p->at[n++] = p->at[i];
	p->count = n;
}

static enum err_code on_arrival(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct walk *w = arg;

	(void)arrival;
	return again ? ERR_OK : walk_add(&w->window, log, seq, err);
}

/* How many from `i` on follow one another in one log. */
static size_t stretch(
	const struct walk_places *p, size_t i, const struct log_info *log)
{
	size_t n = 1;

	if (log->kind == LOG_SPARSE || p->at[i].seq >= log->size)
		return 1;
	while (n < RUN_LIMIT && i + n < p->count &&
		p->at[i + n].log == p->at[i].log &&
		p->at[i + n].seq == p->at[i].seq + n &&
		p->at[i + n].seq < log->size)
		n++;
	return n;
}

static enum err_code look_at(struct walk *w, const struct log_info *log,
	size_t i, size_t count, size_t *took, struct err *err)
{
	uint64_t first = w->window.at[i].seq;
	struct run run = {0};
	enum err_code rc = store_read(
		w->node->store, log->id, first, count, w->labels, &run, err);

	*took = 1;
	if (rc == ERR_CORRUPT && count > 1)
		return look_at(w, log, i, 1, took, err);
	if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) {
		w->damaged += rc == ERR_CORRUPT;
		return ERR_OK;
	}
	for (size_t k = 0; !rc && k < run.count; k++)
		rc = w->visit(w->arg, log, first + k, &run.record[k], err);
	if (run.count)
		*took = run.count;
	run_free(&run);
	return rc;
}

enum err_code walk_window(struct walk *w, struct err *err)
{
	struct log_info log = {.id = 0};
	bool known = false;
	enum err_code rc = ERR_OK;

	for (size_t i = 0, took; !rc && i < w->window.count; i += took) {
		uint32_t id = w->window.at[i].log;

		took = 1;
		if ((!known || log.id != id) &&
			(rc = store_log_by_id(w->node->store, id, &log, err)))
			break;
		known = true;
		rc = look_at(
			w, &log, i, stretch(&w->window, i, &log), &took, err);
	}
	return rc;
}

enum err_code walk_arrivals(
	struct walk *w, uint64_t from, uint64_t to, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (; !rc && from < to; from += WINDOW) {
		w->window.count = 0;
		if (!(rc = store_arrival_each(w->node->store, from,
			      to - from < WINDOW ? (size_t)(to - from) : WINDOW,
			      on_arrival, w, err)))
			rc = walk_window(w, err);
	}
	return rc;
}

void walk_free(struct walk *w)
{
	free(w->window.at);
	w->window = (struct walk_places){.at = NULL};
}
