/* refer.c - references to attachments told again from the documents, where
 * damage may have taken the blocks that tell them. */
#include <stdlib.h>

#include "policies/attached.h"
#include "policies/repair.h"

#define RECORDS_AT_ONCE 256 /* in one group */

/* ---- which documents have attachments ---- */

struct naming {
	struct store *store;
	struct log_info *log;
	size_t log_count;
	uint64_t *seq; /* of the log being looked at */
	size_t count, cap;
};

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct naming *n = arg;
	struct log_info *more =
		reallocarray(n->log, n->log_count + 1, sizeof(*more));

	if (!more)
		return err_nomem(err);
	n->log = more;
	n->log[n->log_count++] = *log;
	return ERR_OK;
}

static uint8_t wants(void *arg, const struct sketch *r)
{
	(void)arg;
	(void)r;
	return LABEL_ALL;
}

static enum err_code on_record(
	void *arg, const struct sketch *r, struct err *err)
{
	struct naming *n = arg;
	size_t attachments = 0;

	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (r->have & LABEL_BIT(l))
			attachments += attached_count(&r->part[l]);
	if (!attachments)
		return ERR_OK;
	if (n->count == n->cap) {
		size_t cap = n->cap ? 2 * n->cap : 64;
		uint64_t *more = reallocarray(n->seq, cap, sizeof(*more));

		if (!more)
			return err_nomem(err);
		n->seq = more;
		n->cap = cap;
	}
	n->seq[n->count++] = r->seq;
	return ERR_OK;
}

/* ---- telling them ---- */

enum err_code refer_record(struct batch *b, const struct rules *rules,
	uint32_t log, uint64_t seq, const struct record *r, struct err *err)
{
	struct attachment_ref *refs = NULL;
	size_t count = 0;
	enum err_code rc = view_attachments(rules, r, &refs, &count, err);

	for (size_t i = 0; i < count && !rc; i++) {
		refs[i].log = log;
		refs[i].seq = seq;
		rc = batch_refer(b, &refs[i], err);
		if (rc == ERR_ERASED)
			rc = ERR_OK;
	}
	free(refs);
	return rc;
}

struct telling {
	const struct rules *rules;
	uint32_t log;
	const uint64_t *seq;
	size_t count;
	const struct damage_places *places;
};

/* One that is damaged, or was erased meanwhile, tells nothing. */
static enum err_code tell_job(struct batch *b, void *arg, struct err *err)
{
	const struct telling *t = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < t->count && !rc; i++) {
		struct run run = {0};

		rc = batch_read(b, t->log, t->seq[i], 1, LABEL_ALL, &run, err);
		if (rc == ERR_CORRUPT)
			rc = ERR_OK;
		else if (!rc)
			rc = refer_record(b, t->rules, t->log, t->seq[i],
				&run.record[0], err);
		run_free(&run);
	}
	return rc;
}

static enum err_code tell_log(struct naming *n, struct telling *t,
	struct writer *w, uint32_t log, struct err *err)
{
	const struct sketch_visitor v = {wants, on_record, n};
	enum err_code rc;

	n->count = 0;
	if ((rc = store_sketch_each(n->store, log, 0, UINT64_MAX, &v, err)))
		return rc;
	t->log = log;
	for (size_t i = 0; i < n->count && !rc; i += t->count) {
		t->seq = n->seq + i;
		t->count = n->count - i < RECORDS_AT_ONCE ? n->count - i
							  : RECORDS_AT_ONCE;
		rc = writer_run(w, tell_job, t, err);
	}
	return rc;
}

static enum err_code told_job(struct batch *b, void *arg, struct err *err)
{
	const struct telling *t = arg;

	return batch_refs_told(b, t->places, err);
}

enum err_code repair_refer(struct node *n, struct writer *w,
	const struct damage_places *places, struct err *err)
{
	struct rules *rules = node_rules(n);
	struct telling t = {.rules = rules, .places = places};
	struct naming names = {.store = n->store};
	enum err_code rc = store_log_each(n->store, on_log, &names, err);

	for (size_t i = 0; i < names.log_count && !rc; i++)
		rc = tell_log(&names, &t, w, names.log[i].id, err);
	if (!rc)
		rc = writer_run(w, told_job, &t, err);
	free(names.log);
	free(names.seq);
	rules_unref(rules);
	return rc;
}
