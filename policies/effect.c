/* effect.c - what other rules would do to what is stored at this node. */
#include "policies/effect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/exchange.h"
#include "policies/logs.h"
#include "policies/merge.h"
#include "policies/split.h"

void effect_free(struct effect *e)
{
	free(e->seen);
	free(e->unfit);
	free(e->due);
	*e = (struct effect){.seen_count = 0};
}

struct finding {
	struct node *node;
	struct rules *from, *to;
	struct effect *out;
	/* The log that is walked. */
	const struct log_info *log;
	char code[CODE_SIZE];
};

/* ---- who sees ---- */

static enum err_code add_seen(struct finding *f, const struct entry *e,
	uint64_t seq, enum rank rank, uint8_t more, uint8_t less,
	struct err *err)
{
	struct effect *out = f->out;
	struct effect_seen *s;
	size_t i = 0;

	for (; i < out->seen_count; i++) {
		s = &out->seen[i];
		if (s->rank == rank && s->more == more && s->less == less &&
			!strcmp(s->series, e->series))
			break;
	}
	if (i == out->seen_count) {
		if (!grow(&out->seen, &out->seen_cap, i, sizeof(*s)))
			return err_nomem(err);
		s = &out->seen[out->seen_count++];
		*s = (struct effect_seen){
			.rank = rank, .more = more, .less = less};
		memcpy(s->series, e->series, sizeof(s->series));
	}
	s = &out->seen[i];
	s->records++;
	s->waiting += f->log->kind == LOG_OWN && seq >= f->log->cosigned_size;
	return ERR_OK;
}

/* The stricter of these rules and those of its capture. */
static enum err_code may_hold(struct finding *f, const struct rules *rules,
	const struct entry *e, uint64_t seq, const char *holder,
	uint8_t *labels, struct err *err)
{
	return exchange_may_hold(
		f->node, rules, f->log, seq, e, holder, labels, err);
}

/* The nodes above the one that captured it, by the rules that shall come. */
static enum err_code look_up(
	struct finding *f, const struct entry *e, uint64_t seq, struct err *err)
{
	const struct node_info *n = rules_node(f->to, f->code);
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && n && *n->parent &&
		(n = rules_node(f->to, n->parent))) {
		uint8_t before, after;

		if ((rc = may_hold(
			     f, f->from, e, seq, n->code, &before, err)) ||
			(rc = may_hold(f, f->to, e, seq, n->code, &after, err)))
			break;
		if (after & (uint8_t)~before)
			rc = add_seen(f, e, seq, n->rank,
				after & (uint8_t)~before, 0, err);
		if (rc == ERR_OK && (before & (uint8_t)~after))
			rc = add_seen(f, e, seq, n->rank, 0,
				before & (uint8_t)~after, err);
	}
	return rc;
}

/* ---- what no longer passes ---- */

struct newest {
	uint64_t rev;
	uint32_t log;
	uint64_t seq;
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct newest *n = arg;

	(void)err;
	if (rev >= n->rev)
		*n = (struct newest){rev, log, seq};
	return ERR_OK;
}

/* Is it the newest revision of ours, and all of it here? */
static enum err_code is_whole(struct finding *f, const struct entry *e,
	const struct record *r, const struct series *s, uint64_t seq,
	bool *whole, struct err *err)
{
	struct newest n = {.rev = 0};
	enum err_code rc;

	*whole = false;
	if (f->log->kind != LOG_OWN || r->have != s->labels)
		return ERR_OK;
	if ((rc = store_find_id(f->node->store, e->uuid, on_revision, &n, err)))
		return rc;
	*whole = n.log == f->log->id && n.seq == seq;
	return ERR_OK;
}

static enum err_code refused(const struct series *s, struct json *fields,
	const char *at, struct err *err)
{
	struct buf out[LABEL_COUNT] = {BUF_EMPTY};
	enum err_code rc;

	if (!s)
		return err_set(err, ERR_INVALID, "the series is taken out");
	if (!s->attachments && json_get(fields, SHAPE_ATTACHMENTS))
		return err_set(
			err, ERR_INVALID, "attachments: the series takes none");
	json_remove(fields, SHAPE_ATTACHMENTS);
	rc = split_fields(s, fields, NULL, at, out, err);
	for (size_t i = 0; i < LABEL_COUNT; i++)
		buf_free(&out[i]);
	return rc;
}

static enum err_code add_unfit(
	struct finding *f, const char *series, const char *why, struct err *err)
{
	struct effect *out = f->out;
	struct effect_unfit *u;
	size_t i = 0;

	while (i < out->unfit_count && strcmp(out->unfit[i].series, series))
		i++;
	if (i == out->unfit_count) {
		if (!grow(&out->unfit, &out->unfit_cap, i, sizeof(*u)))
			return err_nomem(err);
		u = &out->unfit[out->unfit_count++];
		*u = (struct effect_unfit){.documents = 0};
		snprintf(u->series, sizeof(u->series), "%s", series);
		snprintf(u->why, sizeof(u->why), "%s", why);
	}
	out->unfit[i].documents++;
	return ERR_OK;
}

static enum err_code look_at(struct finding *f, const struct entry *e,
	const struct record *r, uint64_t seq, struct err *err)
{
	const struct series *s = rules_series(f->from, e->series);
	struct json *fields = NULL;
	struct err why = {.code = ERR_OK};
	bool whole = false;
	enum err_code rc;

	if (!s || (rc = is_whole(f, e, r, s, seq, &whole, err)) || !whole)
		return s ? rc : ERR_OK;
	if ((rc = merge_parts(s, r, MERGE_CONTENT, &fields, err)))
		return rc;
	rc = refused(rules_series(f->to, e->series), fields, e->at, &why);
	json_free(fields);
	if (rc == ERR_OK)
		return rc;
	if (rc == ERR_NOMEM)
		return err_nomem(err);
	return add_unfit(f, e->series, why.text, err);
}

/* ---- all records ---- */

static enum err_code look(struct finding *f, uint64_t seq,
	const struct record *r, struct err *err)
{
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	if (series_system(e.series))
		return ERR_OK;
	if ((rc = look_up(f, &e, seq, err)))
		return rc;
	return look_at(f, &e, r, seq, err);
}

static enum err_code walk(struct finding *f, struct err *err)
{
	uint8_t labels = f->log->kind == LOG_OWN ? LABEL_ALL : 0;
	enum err_code rc = ERR_OK;
	uint64_t seq = 0;

	while (rc == ERR_OK && seq < f->log->size) {
		struct run run = {.count = 0};
		uint64_t left = f->log->size - seq;
		size_t skipped = 0;

		rc = store_read_past(f->node->store, f->log->id, seq,
			left < RUN_LIMIT ? (size_t)left : RUN_LIMIT, labels,
			&run, &skipped, err);
		seq += skipped;
		for (size_t i = 0; rc == ERR_OK && i < run.count; i++, seq++)
			rc = look(f, seq, &run.record[i], err);
		if (rc == ERR_OK && run.count == 0 && skipped == 0)
			seq = f->log->size;
		run_free(&run);
	}
	return rc;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct finding *f = arg;

	if (log->kind == LOG_SPARSE || !log_code(log->origin, f->code))
		return ERR_OK;
	f->log = log;
	return walk(f, err);
}

/* ---- what may go ---- */

static enum err_code add_due(
	struct effect *out, const struct due *due, bool after, struct err *err)
{
	for (size_t k = 0; k < due->count; k++) {
		const struct due_group *g = &due->group[k];
		struct effect_due *d;
		size_t i = 0;

		while (i < out->due_count &&
			(out->due[i].label != g->label ||
				strcmp(out->due[i].series, g->series)))
			i++;
		if (i == out->due_count) {
			if (!grow(&out->due, &out->due_cap, i, sizeof(*d)))
				return err_nomem(err);
			d = &out->due[out->due_count++];
			*d = (struct effect_due){.label = g->label};
			memcpy(d->series, g->series, sizeof(d->series));
		}
		*(after ? &out->due[i].after : &out->due[i].before) += g->count;
	}
	return ERR_OK;
}

static enum err_code count_due(
	struct finding *f, struct rules *rules, bool after, struct err *err)
{
	struct due_options opt = {.labels = LABEL_ALL};
	struct due due = {.count = 0};
	enum err_code rc;

	if ((rc = cosigned_now(f->node, f->from, &opt.now, err)) ||
		(rc = due_find(f->node, rules, NULL, &opt, &due, err)))
		return rc;
	rc = add_due(f->out, &due, after, err);
	due_free(&due);
	return rc;
}

static void drop_same(struct effect *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->due_count; i++)
		if (out->due[i].before != out->due[i].after)
			out->due[kept++] = out->due[i];
	out->due_count = kept;
}

static enum err_code find_due(struct finding *f, struct err *err)
{
	enum err_code rc = count_due(f, f->from, false, err);

	if (rc == ERR_DENIED)
		return ERR_OK; /* nobody told the time yet: nothing may go */
	if (rc || (rc = count_due(f, f->to, true, err)))
		return rc;
	f->out->clock = true;
	drop_same(f->out);
	return ERR_OK;
}

enum err_code effect_find(struct node *n, struct rules *from, struct rules *to,
	struct effect *out, struct err *err)
{
	struct effect e = {.seen_count = 0};
	struct finding f = {.node = n, .from = from, .to = to, .out = &e};
	enum err_code rc;

	if ((rc = store_log_each(n->store, on_log, &f, err)) ||
		(rc = find_due(&f, err)))
		effect_free(&e);
	else
		*out = e;
	return rc;
}
