/* audit_provision.c - who received a record: the registers of provision of this
 * node and of those below it. */
#include <stdlib.h>
#include <string.h>

#include "policies/bounds.h"
#include "policies/noted.h"

/* A revision of the record, in one log. */
struct target {
	struct log_info log;
	uint64_t seq;
	struct entry e;
	uint8_t labels; /* of personal data that it has */
};

struct audit {
	struct node *node;
	struct rules *rules;
	struct target *target;
	size_t target_count, target_cap;
	struct noted noted;
};

/* ---- the record ---- */

/* What is empty was given to nobody; of what is not here nobody can tell. */
static uint8_t labels_of(
	const struct audit *a, const struct record *r, const struct entry *e)
{
	const struct series *s = rules_series(a->rules, e->series);
	uint8_t known = s ? s->labels : PROVISION_LABELS;

	return (uint8_t)(provided_labels(r) |
		(known & PROVISION_LABELS & (uint8_t)~r->have));
}

static enum err_code add_target(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct audit *a = arg;
	struct run run = {0};
	struct target *t;
	enum err_code rc;

	(void)rev;
	if (!grow(&a->target, &a->target_cap, a->target_count, sizeof(*t)))
		return err_nomem(err);
	t = &a->target[a->target_count++];
	*t = (struct target){.seq = seq};
	rc = store_read(a->node->store, log, seq, 1, LABEL_ALL, &run, err);
	/* Of a damaged revision there is nothing to ask for. */
	if (rc == ERR_CORRUPT) {
		a->target_count--;
		return ERR_OK;
	}
	if (rc || (rc = store_log_by_id(a->node->store, log, &t->log, err)) ||
		(rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			 &t->e, err)))
		goto out;
	t->labels = labels_of(a, &run.record[0], &t->e);
out:
	run_free(&run);
	return rc;
}

static enum err_code find_targets(
	struct audit *a, const struct point *point, struct err *err)
{
	struct log_info log;
	uint64_t seq;
	enum err_code rc = point_find(a->node->store, point, &log, &seq, err);

	return rc ? rc
		  : store_revisions(
			    a->node->store, log.id, seq, add_target, a, err);
}

/* ---- the registers ---- */

static bool is_about(
	void *arg, const struct provision *p, const struct provision_item *what)
{
	const struct audit *a = arg;

	(void)p;
	for (size_t i = 0; i < a->target_count; i++)
		if (!strcmp(a->target[i].log.origin, what->origin))
			return true;
	return false;
}

/* ---- what a register says of a record ---- */

static bool covers(const struct audit *a, size_t at, enum label label,
	uint64_t seq, bool *open)
{
	uint64_t end = noted_end(&a->noted, at, label);

	*open = end == NOTED_OPEN;
	return seq >= a->noted.item[at].what.from && seq < end;
}

/* The labels of it that the recipient may have been given by the rules of that
 * day. */
static enum err_code may_have(struct audit *a, const struct noted_item *item,
	const struct target *t, uint8_t *out, struct err *err)
{
	struct rules *rules = NULL;
	struct bound bound;
	struct bounds b;
	bool turn = t->log.kind != LOG_SPARSE && t->seq < t->log.size;
	uint64_t serial;
	enum err_code rc;

	if ((rc = noted_serial(a->node, item, &serial, err)) ||
		(rc = noted_rules(a->node, a->rules, serial, &rules, err)))
		return rc;
	if (item->consumer)
		*out = noted_consumer_may(rules, item->to, t->e.series);
	else if (!(rc = bounds_begin(&b, a->node, rules, t->log.origin,
			   turn ? &t->log : NULL, item->to, err)) &&
		!(rc = bounds_of(&b, t->seq, &t->e, &bound, err)))
		*out = bound.may;
	rules_unref(rules);
	return rc;
}

/* Its witness has signed the log with the record in it; or it is this node. */
static bool has_received(
	struct audit *a, const struct noted_item *item, const struct target *t)
{
	struct buf bytes = BUF_EMPTY;
	struct checkpoint cp;
	struct note note;
	bool has = false;

	if (item->consumer)
		return false;
	if (!strcmp(item->to, a->node->config.code))
		return true;
	if (log_note(a->node->store, t->log.id, NOTE_COSIGNED, &bytes, &note,
		    &cp, NULL) == ERR_OK &&
		t->seq < cp.size) {
		for (size_t i = 0; !has && i < note.count; i++) {
			const char *name = note.line[i].name;
			struct note_key key;
			uint64_t at = 0;

			has = witness_key(a->rules, &note.line[i], &key) &&
				!memcmp(strchr(name, '/') + 1, item->to,
					CODE_LEN) &&
				note_check(&note, &key, &at) == NOTE_GOOD;
		}
	}
	buf_free(&bytes);
	return has;
}

/* ---- telling ---- */

static struct json *new_record(const struct target *t)
{
	struct json *v = json_new_object();

	if (json_set(v, "id", json_new_text(t->e.id)) &&
		json_set(v, "origin", json_new_text(t->log.origin)) &&
		json_set(v, "rev", json_new_u64(t->e.rev)) &&
		json_set(v, "seq", json_new_u64(t->seq)) &&
		json_set(v, "series", json_new_text(t->e.series)))
		return v;
	json_free(v);
	return NULL;
}

static struct json *new_line(const struct noted_item *item,
	const struct target *t, uint8_t labels, const char *state)
{
	struct json *v = json_new_object();
	char at[TIME_TEXT_SIZE];

	time_format(item->at, at);
	if (json_set(v, "at", json_new_text(at)) &&
		json_set(v, "day", json_new_text(item->day)) &&
		json_set(v, "id", json_new_text(item->id)) &&
		json_set(v, "labels", labels_json(labels)) &&
		json_set(v, "origin", json_new_text(item->giver)) &&
		json_set(v, "record", new_record(t)) &&
		json_set(v, "rev", json_new_u64(item->rev)) &&
		json_set(v, "seq", json_new_u64(item->seq)) &&
		json_set(v, "state", json_new_text(state)) &&
		json_set(v, item->consumer ? "consumer" : "to",
			json_new_text(item->to)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code judge(struct audit *a, size_t at, const struct target *t,
	audit_visit *visit, void *arg, struct err *err)
{
	const struct noted_item *item = &a->noted.item[at];
	uint8_t labels = 0, may = 0;
	bool open = false, one;
	const char *state;
	struct json *line;
	enum err_code rc;

	if (strcmp(item->what.origin, t->log.origin))
		return ERR_OK;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (!(item->what.labels & t->labels & LABEL_BIT(l)) ||
			!covers(a, at, (enum label)l, t->seq, &one))
			continue;
		labels |= LABEL_BIT(l);
		open = open || one;
	}
	if (!labels || (rc = may_have(a, item, t, &may, err)) ||
		!(labels & may))
		return labels ? rc : ERR_OK;
	state = has_received(a, item, t) ? "received" : open ? "open" : "given";
	line = new_line(item, t, labels & may, state);
	return line ? visit(arg, line, err) : err_nomem(err);
}

enum err_code audit_provision(struct node *n, const struct point *point,
	audit_visit *visit, void *arg, struct err *err)
{
	struct audit a = {.node = n, .rules = node_rules(n)};
	enum err_code rc;

	if ((rc = find_targets(&a, point, err)) ||
		(rc = noted_read(n, is_about, &a, &a.noted, err)))
		goto out;
	for (size_t i = 0; rc == ERR_OK && i < a.target_count; i++)
		for (size_t k = 0; rc == ERR_OK && k < a.noted.count; k++)
			rc = judge(&a, k, &a.target[i], visit, arg, err);
out:
	free(a.target);
	noted_free(&a.noted);
	rules_unref(a.rules);
	return rc;
}
