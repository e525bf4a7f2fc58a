/* repeat.c - the same record in two logs of one node. */
#include "policies/repeat.h"

#include <string.h>

#include "policies/logs.h"

#define EARLIER_LIMIT 16 /* more epochs than one record was ever in */

struct others {
	const struct log_info *log;
	char code[CODE_SIZE];
	bool any;
};

static enum err_code look_other(
	void *arg, const struct log_info *log, struct err *err)
{
	struct others *o = arg;
	char code[CODE_SIZE];

	(void)err;
	o->any |= log->id != o->log->id && log_code(log->origin, code) &&
		!strcmp(code, o->code);
	return ERR_OK;
}

enum err_code log_has_others(
	struct node *n, const struct log_info *log, bool *out, struct err *err)
{
	struct others o = {.log = log};
	enum err_code rc = ERR_OK;

	if (log_code(log->origin, o.code))
		rc = store_log_each(n->store, look_other, &o, err);
	if (rc == ERR_OK)
		*out = o.any;
	return rc;
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
