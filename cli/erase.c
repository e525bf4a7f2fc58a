/* erase.c - `cundang erase`: an order to destroy what a person asked for. */
#include <stdlib.h>
#include <string.h>

#include "cli/order.h"

/* What identifies people; what is derived from it, masked, is not. */
#define LABELS_OF_PEOPLE                                                       \
	(LABEL_BIT(LABEL_PERSONAL) | LABEL_BIT(LABEL_SENSITIVE))

#define REVISIONS_LIMIT 4096

struct doomed {
	char origin[ORIGIN_SIZE];
	enum label label;
	uint64_t seq;
};

struct erasing {
	struct node *node;
	uint8_t labels;
	bool accounts;
	struct doomed *part;
	size_t count, cap;
};

static enum err_code add(struct erasing *e, const char *origin, uint64_t seq,
	enum label label, struct err *err)
{
	struct doomed *more;

	if (!grow(&e->part, &e->cap, e->count, sizeof(*e->part)))
		return err_nomem(err);
	more = &e->part[e->count++];
	*more = (struct doomed){.label = label, .seq = seq};
	snprintf(more->origin, sizeof(more->origin), "%s", origin);
	return ERR_OK;
}

struct places {
	uint32_t log[REVISIONS_LIMIT];
	uint64_t seq[REVISIONS_LIMIT];
	size_t count;
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct places *p = arg;

	(void)rev;
	if (p->count == REVISIONS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"more than %d revisions of a record", REVISIONS_LIMIT);
	p->log[p->count] = log;
	p->seq[p->count++] = seq;
	return ERR_OK;
}

static enum err_code add_revision(
	struct erasing *e, uint32_t log, uint64_t seq, struct err *err)
{
	const struct series *s;
	struct log_info info;
	struct entry entry;
	enum err_code rc;

	if ((rc = store_log_by_id(e->node->store, log, &info, err)) ||
		(rc = store_entry(e->node->store, log, seq, &entry, err)))
		return rc;
	s = rules_series(e->node->rules, entry.series);
	e->accounts |= s && s->accounts;
	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++)
		if ((e->labels & LABEL_BIT(l)) &&
			(!s || (s->labels & LABEL_BIT(l))))
			rc = add(e, info.origin, seq, (enum label)l, err);
	return rc;
}

/* All that was sealed here under one id, which only this node can tell. */
static enum err_code add_sealed(struct erasing *e, const struct point *p,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	struct opened opened = {.text = BUF_EMPTY};
	const uint8_t *uuid = p->uuid;
	struct sealed_place at = {.rev = 1};
	struct run run = {0};
	enum err_code rc = store_read(
		e->node->store, log->id, seq, 1, LABEL_ALL, &run, err);

	if (!rc && sealed_shown(e->node, run.record, &opened) != run.record)
		uuid = opened.entry.uuid;
	for (uint64_t rev = 1; !rc && at.rev; rev++) {
		rc = sealed_revision(e->node, NULL, uuid, rev, &at, err);
		if (!rc && at.rev)
			rc = add_revision(e, at.log.id, at.seq, err);
	}
	opened_free(&opened);
	run_free(&run);
	return rc;
}

/* The record that is meant, in all its revisions. */
static enum err_code add_record(
	struct erasing *e, const char *text, struct err *err)
{
	struct places *places = calloc(1, sizeof(*places));
	struct log_info log;
	struct entry entry = {.sealed = false};
	struct point p;
	uint64_t seq = 0;
	enum err_code rc;

	if (!places)
		return err_nomem(err);
	if (!(rc = point_parse(text, strlen(text), &p, err)) &&
		!(rc = sealed_find(e->node, &p, &log, &seq, err)) &&
		!(rc = store_entry(e->node->store, log.id, seq, &entry, err)))
		rc = store_find_id(
			e->node->store, entry.uuid, on_revision, places, err);
	for (size_t i = 0; rc == ERR_OK && i < places->count; i++)
		rc = add_revision(e, places->log[i], places->seq[i], err);
	if (rc == ERR_OK && entry.sealed)
		rc = add_sealed(e, &p, &log, seq, err);
	free(places);
	return rc;
}

static int by_place(const void *a, const void *b)
{
	const struct doomed *x = a, *y = b;
	int c = strcmp(x->origin, y->origin);

	if (!c)
		c = (x->label > y->label) - (x->label < y->label);
	return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static enum err_code fill(struct erasing *e, struct order *o, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (e->count)
		qsort(e->part, e->count, sizeof(*e->part), by_place);
	for (size_t i = 0; rc == ERR_OK && i < e->count; i++) {
		const struct doomed *d = &e->part[i];

		if (i && !by_place(d, d - 1))
			continue;
		rc = order_add_part(
			o, d->origin, d->label, d->seq, d->seq + 1, err);
	}
	if (rc == ERR_OK && !e->count)
		rc = err_set(err, ERR_NOT_FOUND,
			"these records have no part of these labels");
	o->not_before = o->made_at;
	o->accounts = e->accounts;
	return rc;
}

static enum err_code read_labels(
	const struct args *a, uint8_t *out, struct err *err)
{
	const char *text;
	enum label l;

	for (size_t i = 0; (text = args_nth(a, "label", i)); i++) {
		if (!label_parse(text, strlen(text), &l))
			return err_set(
				err, ERR_USAGE, "unknown label %s", text);
		*out |= LABEL_BIT(l);
	}
	if (!*out)
		*out = LABELS_OF_PEOPLE;
	return ERR_OK;
}

enum err_code order_erase_records(struct cli *c, const struct args *a,
	char **record, size_t count, struct err *err)
{
	struct order o = {.part = NULL};
	struct erasing e = {.count = 0};
	const char *reason = args_get(a, "reason");
	enum err_code rc;

	if ((rc = read_labels(a, &e.labels, err)) ||
		(rc = open_reader(c, &e.node, err)) ||
		(rc = order_new(ORDER_ERASE, e.node->rules, e.node->config.code,
			 reason, &o, err)))
		goto out;
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = add_record(&e, record[i], err);
	if (rc == ERR_OK && !(rc = fill(&e, &o, err)) &&
		!(rc = orders_holds(e.node, o.node, &o.holds, err)))
		rc = order_save(c, args_get(a, "out"), &o, err);
out:
	free(e.part);
	order_free(&o);
	node_close(e.node);
	return rc;
}

static enum err_code run_erase(
	struct cli *c, const struct args *a, struct err *err)
{
	if (!args_has(a, "reason"))
		return err_set(err, ERR_USAGE,
			"erase needs --reason: the article and the request's "
			"number");
	return order_erase_records(c, a, a->word, a->count, err);
}

static const struct option_spec options[] = {
	{"label", 0, "LABEL",
		N_("parts of this label; may be repeated; personal and "
		   "sensitive otherwise")},
	{"reason", 0, "TEXT", N_("the article; nothing personal")},
	{"out", 'o', "FILE", N_("where to write the order")},
	{NULL, 0, NULL, NULL},
};

const struct command command_erase = {
	.name = "erase",
	.words = "RECORD... --reason TEXT",
	.summary = N_("write an order to destroy what a person asked for"),
	.detail = N_("All revisions of the records. Nothing is destroyed "
		     "before officers have signed the order and it is "
		     "entered."),
	.least = 1,
	.most = WORDS_ANY,
	.options = options,
	.run = run_erase,
};
