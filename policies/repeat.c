/* repeat.c - the same record in two logs of one node. */
#include "policies/repeat.h"

#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"

#define EARLIER_LIMIT 16 /* more epochs than one record was ever in */

static enum err_code add_family(
	void *arg, const struct log_info *log, struct err *err)
{
	struct log_families *f = arg;
	struct log_family row = {.log = log->id};

	if (!log_code(log->origin, row.code))
		return ERR_OK;
	if (f->count == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct log_family *grown =
			realloc(f->row, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err);
		f->row = grown;
		f->cap = cap;
	}
	f->row[f->count++] = row;
	return ERR_OK;
}

static int compare_codes(const void *a, const void *b)
{
	const struct log_family *x = a;
	const struct log_family *y = b;

	return strcmp(x->code, y->code);
}

enum err_code log_families_read(
	struct node *n, struct log_families *out, struct err *err)
{
	enum err_code rc = store_log_each(n->store, add_family, out, err);

	if (out->count)
		qsort(out->row, out->count, sizeof(*out->row), compare_codes);
	return rc;
}

void log_families_free(struct log_families *f)
{
	free(f->row);
	*f = LOG_FAMILIES_EMPTY;
}

bool log_has_others(const struct log_families *f, const struct log_info *log)
{
	struct log_family key = {.log = log->id};
	const struct log_family *at;

	if (!f->count || !log_code(log->origin, key.code))
		return false;
	at = bsearch(&key, f->row, f->count, sizeof(*f->row), compare_codes);
	/* Its brothers stand beside it. */
	return at &&
		(at->log != log->id ||
			(at > f->row && !compare_codes(at - 1, at)) ||
			(at + 1 < f->row + f->count &&
				!compare_codes(at, at + 1)));
}

/* ---- earlier ones ---- */

struct earlier {
	uint32_t log;
	uint64_t seq, rev;
	bool met; /* the record itself: what comes now is later */
	size_t count;
	struct {
		uint32_t log;
		uint64_t seq;
	} at[EARLIER_LIMIT];
};

static enum err_code add_earlier(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct earlier *e = arg;

	(void)err;
	e->met |= log == e->log && seq == e->seq;
	if (!e->met && log != e->log && rev == e->rev &&
		e->count < EARLIER_LIMIT) {
		e->at[e->count].log = log;
		e->at[e->count++].seq = seq;
	}
	return ERR_OK;
}

static bool same_content(const struct record *a, const struct record *b)
{
	uint8_t both = a->have & b->have;

	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		const struct part *p = &a->part[i], *q = &b->part[i];

		if ((both & LABEL_BIT(i)) &&
			(p->len != q->len || memcmp(p->json, q->json, p->len)))
			return false;
	}
	return both != 0;
}

static bool same_head(const struct entry *a, const struct record *r)
{
	struct entry b;

	return entry_parse(r->entry, r->entry_len, &b, NULL) == ERR_OK &&
		!strcmp(a->iss, b.iss) && !strcmp(a->series, b.series) &&
		!strcmp(a->node, b.node) && !strcmp(a->at, b.at);
}

enum err_code record_repeats(struct node *n, const struct log_info *log,
	uint64_t seq, const struct entry *e, bool *out, struct err *err)
{
	struct earlier earlier = {.log = log->id, .seq = seq, .rev = e->rev};
	struct run own = {0}, run = {0};
	enum err_code rc;

	if ((rc = store_find_id(n->store, e->uuid, add_earlier, &earlier, err)))
		return rc;
	*out = false;
	if (!earlier.count)
		return ERR_OK;
	rc = store_read(n->store, log->id, seq, 1, LABEL_ALL, &own, err);
	for (size_t i = 0; rc == ERR_OK && i < earlier.count && !*out; i++) {
		run_free(&run);
		rc = store_read(n->store, earlier.at[i].log, earlier.at[i].seq,
			1, LABEL_ALL, &run, err);
		if (rc == ERR_CORRUPT) { /* nobody can tell any more */
			rc = ERR_OK;
			continue;
		}
		*out = rc == ERR_OK && own.count && run.count &&
			same_head(e, &run.record[0]) &&
			same_content(&own.record[0], &run.record[0]);
	}
	run_free(&own);
	run_free(&run);
	return rc;
}
