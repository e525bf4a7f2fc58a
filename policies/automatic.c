/* automatic.c - parts that go by themselves when their period is over. */
#include "policies/automatic.h"

#include <stdlib.h>
#include <string.h>

#include "policies/register.h"

int64_t automatic_now(struct node *n, struct err *why)
{
	struct rules *rules = node_rules(n);
	int64_t now = 0, known = orders_now(n);

	if (cosigned_now(n, rules, &now, why))
		now = 0;
	else if (known < now)
		now = known;
	if (!now)
		(void)err_set(why, ERR_DENIED,
			"no node above has told yet what day it is and what is "
			"held");
	else if (rules_fresh(rules, now, why))
		now = 0;
	rules_unref(rules);
	return now;
}

bool held_by_orders(void *node, const char *origin, uint64_t seq,
	const char *series, int64_t at)
{
	char text[TIME_TEXT_SIZE], hold[UUID_TEXT_SIZE];

	time_format(at, text);
	return orders_held(node, origin, seq, series, text, hold);
}

/* The holds there are, whatever they reach. */
static enum err_code holds_digest(
	struct node *n, struct digest *out, struct err *err)
{
	struct rules *rules = node_rules(n);
	const struct node_info *root = rules_root(rules);
	enum err_code rc = orders_whole(n, err);

	if (rc == ERR_OK)
		rc = orders_holds(n, root->code, out, err);
	rules_unref(rules);
	return rc;
}

/* One group: what is destroyed, and the record of it. */
struct going {
	struct node *node;
	struct erase_target *target;
	size_t count;
	struct digest holds; /* when the parts were looked for */
	struct buf reg;	     /* the register's JSON */
	struct erasure why;
};

static enum err_code name_targets(
	struct going *g, const struct due *due, struct err *err)
{
	enum err_code rc;

	if (!(g->target = calloc(due->parts + 1, sizeof(*g->target))))
		return err_nomem(err);
	for (size_t i = 0; i < due->count; i++) {
		const struct due_group *d = &due->group[i];
		struct log_info log;

		if ((rc = store_log_find(g->node->store, d->origin, &log, err)))
			return rc;
		for (size_t k = 0; k < d->range_count; k++)
			for (uint64_t seq = d->range[k].from;
				seq < d->range[k].to; seq++)
				g->target[g->count++] = (struct erase_target){
					log.id, seq, d->label};
	}
	return ERR_OK;
}

/* Orders come in through the writer too: none comes while this runs, but one
 * that comes in the same group, before this, is not in the store yet. */
static enum err_code go(struct batch *b, void *arg, struct err *err)
{
	struct going *g = arg;
	struct json *fields = NULL;
	struct receipt receipt;
	struct digest holds;
	enum err_code rc;

	if (batch_records(b))
		return err_set(err, ERR_BUSY,
			"records are being entered just now, maybe a hold: "
			"what may go is looked for again");
	if ((rc = holds_digest(g->node, &holds, err)))
		return rc;
	if (!digest_equal(&holds, &g->holds))
		return err_set(err, ERR_BUSY,
			"a hold came or ended: what may go is looked for "
			"again");
	if ((rc = json_parse(
		     g->reg.data, g->reg.len, JSON_TEXT_LIMIT, &fields, err)) ||
		(rc = batch_erase(b, g->target, g->count, &g->why, err))) {
		json_free(fields);
		return rc;
	}
	return system_record(
		b, g->node, REGISTER_SERIES, fields, &receipt, err);
}

static enum err_code go_alone(struct going *g, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc = batch_begin(g->node->store, &b, err);

	if (rc)
		return rc;
	if ((rc = go(b, g, err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, node_sign, g->node, err);
}

/* So much of it as fits into one record; the rest stays due. */
static enum err_code destroy(struct node *n, struct writer *w,
	const struct rules *rules, int64_t now, const struct digest *holds,
	struct due *due, uint64_t *parts, struct err *err)
{
	struct going g = {.node = n,
		.holds = *holds,
		.why = {.at = (uint64_t)now, .why = AUTOMATIC_REASON}};
	struct proposal p = {.left = 0};
	enum err_code rc;

	if ((rc = proposal_make(rules, n->config.code, AUTOMATIC_REASON, now,
		     due, &p, err)) ||
		(rc = proposal_json(&p, &g.reg, err)) ||
		(rc = name_targets(&g, &p.due, err)) ||
		(rc = w ? writer_run(w, go, &g, err) : go_alone(&g, err)))
		goto out;
	*parts += p.due.parts;
out:
	proposal_free(&p);
	buf_free(&g.reg);
	free(g.target);
	return rc;
}

enum err_code automatic_run(struct node *n, struct writer *w, int64_t now,
	uint64_t *parts, struct err *err)
{
	const struct due_options opt = {.now = now,
		.labels = LABEL_ALL,
		.automatic = true,
		.held = held_by_orders,
		.arg = n};
	struct rules *rules = node_rules(n);
	uint64_t gone = 0;
	bool more = true;
	enum err_code rc = ERR_OK;

	while (more && !rc) {
		struct due due = {.count = 0};
		struct digest holds;

		if ((rc = holds_digest(n, &holds, err)) ||
			(rc = due_find(n, rules, NULL, &opt, &due, err)))
			break;
		more = due.parts > 0;
		if (more)
			rc = destroy(
				n, w, rules, now, &holds, &due, &gone, err);
		due_free(&due);
	}
	rules_unref(rules);
	*parts = gone;
	return rc;
}
