/* noted.c - the registers of provision that are here, read item by item. */
#include "policies/noted.h"

#include <stdlib.h>
#include <string.h>

#include "policies/epoch.h"
#include "policies/policy.h"

struct reading {
	struct node *node;
	noted_wanted *wanted;
	void *arg;
	struct noted *out;
	const struct log_info *giver; /* being read */
};

void noted_free(struct noted *r)
{
	free(r->item);
	*r = (struct noted){.count = 0};
}

static enum err_code add_item(struct reading *g, const struct sketch *r,
	const struct provision *p, const struct provision_item *what,
	struct err *err)
{
	struct noted *out = g->out;
	struct noted_item *item;

	if (!grow(&out->item, &out->cap, out->count, sizeof(*item)))
		return err_nomem(err);
	item = &out->item[out->count++];
	item->log = g->giver->id;
	memcpy(item->giver, g->giver->origin, sizeof(item->giver));
	item->seq = r->seq;
	item->rev = r->rev;
	item->at = r->at;
	uuid_format(r->uuid, item->id);
	memcpy(item->day, p->day, sizeof(item->day));
	memcpy(item->to, p->to, sizeof(item->to));
	item->consumer = p->consumer;
	item->what = *what;
	return ERR_OK;
}

static uint8_t wants_register(void *arg, const struct sketch *r)
{
	(void)arg;
	return r->series_len == sizeof(PROVISION_SERIES) - 1 &&
			!memcmp(r->series, PROVISION_SERIES, r->series_len)
		? LABEL_BIT(LABEL_INTERNAL)
		: 0;
}

static enum err_code see_register(
	void *arg, const struct sketch *r, struct err *err)
{
	const struct part *part = &r->part[LABEL_INTERNAL];
	struct reading *g = arg;
	struct provision p;
	enum err_code rc = ERR_OK;

	/* A register that is none says nothing. */
	if (!(r->have & LABEL_BIT(LABEL_INTERNAL)) ||
		provision_parse(part->json, part->len, &p, NULL))
		return ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < p.count; i++)
		if (g->wanted(g->arg, &p, &p.item[i]))
			rc = add_item(g, r, &p, &p.item[i], err);
	provision_free(&p);
	return rc;
}

static enum err_code see_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct reading *g = arg;
	const struct sketch_visitor v = {wants_register, see_register, g};

	/* Registers never go down. */
	if (log->kind == LOG_SPARSE || !origin_code(log->origin))
		return ERR_OK;
	g->giver = log;
	return store_sketch_each(g->node->store, log->id, 0,
		epoch_common(g->node, log), &v, err);
}

enum err_code noted_read(struct node *n, noted_wanted *wanted, void *arg,
	struct noted *out, struct err *err)
{
	struct reading g = {
		.node = n, .wanted = wanted, .arg = arg, .out = out};

	return store_log_each(n->store, see_log, &g, err);
}

static bool same_chain(const struct noted_item *a, const struct noted_item *b)
{
	return a->consumer == b->consumer && !strcmp(a->to, b->to) &&
		!strcmp(a->what.origin, b->what.origin) &&
		!memcmp(origin_code(a->giver), origin_code(b->giver), CODE_LEN);
}

uint64_t noted_end(const struct noted *r, size_t at, enum label label)
{
	const struct noted_item *item = &r->item[at];

	for (size_t i = at + 1; i < r->count; i++) {
		const struct noted_item *next = &r->item[i];

		if (!(next->what.labels & LABEL_BIT(label)) ||
			!same_chain(item, next))
			continue;
		if (next->what.before)
			return next->what.before;
		if (next->what.from > item->what.from)
			return next->what.from;
	}
	return NOTED_OPEN;
}

enum err_code noted_serial(struct node *n, const struct noted_item *item,
	uint64_t *serial, struct err *err)
{
	uint64_t at = 0;

	*serial = 0;
	return policy_before(n->store, item->log, item->seq, serial, &at, err);
}

enum err_code noted_rules(struct node *n, struct rules *now, uint64_t serial,
	struct rules **out, struct err *err)
{
	enum err_code rc =
		serial ? node_rules_of(n, serial, out, err) : ERR_NOT_FOUND;

	if (rc == ERR_NOT_FOUND) {
		*out = rules_ref(now);
		rc = ERR_OK;
	}
	return rc;
}

uint8_t noted_consumer_may(
	const struct rules *rules, const char *name, const char *series)
{
	const struct consumer *c = rules_consumer_named(rules, name);

	if (!c || c->series_count == 0)
		return c ? c->labels : LABEL_ALL;
	for (size_t i = 0; i < c->series_count; i++)
		if (!strcmp(c->series[i], series))
			return c->labels;
	return 0;
}
