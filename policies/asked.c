/* asked.c - what an auditor asks of one record. */
#include "policies/asked.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/policy.h"
#include "policies/sealed.h"

enum err_code asked_rules(struct node *n, const struct log_info *log,
	uint64_t seq, uint64_t *serial, struct err *err)
{
	uint64_t found = 0;
	bool sure = false;
	enum err_code rc =
		policy_between(n->store, log->id, 0, seq, &found, &sure, err);

	if (rc)
		return rc;
	if (log->kind == LOG_SPARSE || !found || !sure)
		return err_set(err, ERR_NOT_FOUND,
			"which rules held at %s/%" PRIu64
			" is not known at this node",
			log->origin, seq);
	*serial = found;
	return ERR_OK;
}

static const struct due_group *group_with(const struct due *d,
	const struct log_info *log, uint64_t seq, enum label label)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct due_group *g = &d->group[i];

		if (g->label != label || strcmp(g->origin, log->origin))
			continue;
		for (size_t j = 0; j < g->range_count; j++)
			if (seq >= g->range[j].from && seq < g->range[j].to)
				return g;
	}
	return NULL;
}

static struct asked_retention retention_in(const struct due *d,
	const struct series *s, const struct log_info *log, uint64_t seq,
	enum label label, uint8_t gone)
{
	const struct due_group *g = group_with(d, log, seq, label);
	struct asked_retention r = {.state = ASKED_OPEN};

	if (!(s->labels & LABEL_BIT(label)))
		return (struct asked_retention){.state = ASKED_NONE};
	if (gone & LABEL_BIT(label))
		return (struct asked_retention){.state = ASKED_DESTROYED};
	if (g) {
		r.state = ASKED_ENDS;
		r.since = g->since;
		memcpy(r.period, g->period, sizeof(r.period));
		return r;
	}
	strncpy(r.period, s->retention[label], sizeof(r.period) - 1);
	if (!strcmp(r.period, "Y"))
		r.state = ASKED_FOR_EVER;
	return r;
}

/* Of the message, which goes as one: what is said of the label that keeps it
 * longest. */
static void sealed_retention(struct node *n, const struct rules *rules,
	const struct due *d, const struct log_info *log, uint64_t seq,
	const struct record *record, struct asked_retention *out)
{
	const struct due_group *g = group_with(d, log, seq, LABEL_SENSITIVE);
	struct opened opened = {.text = BUF_EMPTY};
	const struct series *s = NULL;

	*out = (struct asked_retention){.state = ASKED_SEALED};
	if (record->erased & LABEL_BIT(LABEL_SENSITIVE)) {
		out->state = ASKED_DESTROYED;
		return;
	}
	if (g) {
		out->state = ASKED_ENDS;
		out->since = g->since;
		memcpy(out->period, g->period, sizeof(out->period));
		return;
	}
	if (log->kind == LOG_OWN && sealed_shown(n, record, &opened) != record)
		s = rules_series(rules, opened.entry.series);
	for (unsigned l = 0; s && l < LABEL_COUNT; l++) {
		if (!(s->labels & LABEL_BIT(l)) || out->state == ASKED_FOR_EVER)
			continue;
		out->state = strcmp(s->retention[l], "Y") ? ASKED_OPEN
							  : ASKED_FOR_EVER;
		snprintf(out->period, sizeof(out->period), "%s",
			s->retention[l]);
	}
	opened_free(&opened);
}

enum err_code asked_retention(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq,
	struct asked_retention out[LABEL_COUNT], struct err *err)
{
	/* A day by which all that ends has ended. */
	struct due_options o = {.now = RETENTION_NEVER - 1,
		.labels = LABEL_BIT(LABEL_COUNT) - 1};
	struct run run = {0};
	struct due due = {.count = 0};
	const struct series *s = NULL;
	struct entry e;
	enum err_code rc;

	memset(out, 0, sizeof(*out) * LABEL_COUNT);
	if ((rc = store_read(
		     n->store, log->id, seq, 1, LABEL_ALL, &run, err)) ||
		(rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			 &e, err)))
		goto out;
	if (!(s = rules_series(rules, e.series))) {
		rc = err_set(err, ERR_NOT_FOUND,
			"the rules do not know the series %s", e.series);
		goto out;
	}
	o.series = e.series;
	if ((!s->system || e.sealed) &&
		(rc = due_find(n, rules, NULL, &o, &due, err)))
		goto out;
	if (e.sealed)
		sealed_retention(n, rules, &due, log, seq, &run.record[0],
			&out[LABEL_SENSITIVE]);
	for (unsigned l = 0; !e.sealed && l < LABEL_COUNT; l++)
		out[l] = retention_in(
			&due, s, log, seq, (enum label)l, run.record[0].erased);
out:
	due_free(&due);
	run_free(&run);
	return rc;
}
