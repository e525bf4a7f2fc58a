/* disposal.c - `cundang disposal run|status`: orders to destroy, and who has
 * done it. */
#include <stdlib.h>
#include <string.h>

#include "cli/disposal.h"
#include "cli/order.h"

static enum err_code run_run(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_enter(
		c, a->word[0], a->word + 1, a->count - 1, ORDER_ERASE, err);
}

const struct command command_disposal_run = {
	.name = "disposal run",
	.words = "FILE [SIGNATURE...]",
	.summary = N_("enter a signed order to destroy"),
	.detail = N_("Each node that holds any of it judges the order by "
		     "itself, carries it out when the waiting time is over "
		     "and nothing holds it, and sends a receipt."),
	.least = 1,
	.most = 1 + ORDER_SIGNATURES_LIMIT,
	.run = run_run,
};

/* ---- status ---- */

/* What an order names, as far as who may hold it depends on it. */
struct kind_of_part {
	char code[CODE_SIZE];
	char series[SERIES_NAME_SIZE];
	enum label label;
};

struct status {
	struct node *node;
	const char *only; /* an order, or NULL */
	struct json *out;
	struct kind_of_part *kind;
	size_t kinds, kind_cap;
	struct order *order; /* copies, for outside the visit */
	enum order_state *state;
	size_t count, order_cap, state_cap;
};

/* A copy by its own text: the visit asks nothing of the store. */
static enum err_code on_row(
	void *arg, const struct order_row *row, struct err *err)
{
	struct status *s = arg;
	struct order copy = *row->order;
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (row->order->kind != ORDER_ERASE ||
		(s->only && strcmp(s->only, row->order->id)))
		return ERR_OK;
	if (!grow(&s->order, &s->order_cap, s->count, sizeof(*s->order)) ||
		!grow(&s->state, &s->state_cap, s->count, sizeof(*s->state)))
		return err_nomem(err);
	if (!(rc = order_write(&copy, &text, err)) &&
		!(rc = order_parse(
			  text.data, text.len, &s->order[s->count], err)))
		s->state[s->count++] = row->state;
	buf_free(&text);
	return rc;
}

static enum err_code add_kind(struct status *s, const char *origin,
	const char *series, enum label label, struct err *err)
{
	const char *code = origin_code(origin);
	struct kind_of_part *k;

	for (size_t i = 0; i < s->kinds; i++) {
		k = &s->kind[i];
		if (k->label == label && !strcmp(k->series, series) &&
			!strncmp(k->code, code, CODE_LEN))
			return ERR_OK;
	}
	if (!grow(&s->kind, &s->kind_cap, s->kinds, sizeof(*s->kind)))
		return err_nomem(err);
	k = &s->kind[s->kinds++];
	*k = (struct kind_of_part){.label = label};
	memcpy(k->code, code, CODE_LEN);
	snprintf(k->series, sizeof(k->series), "%s", series);
	return ERR_OK;
}

static enum err_code add_run(struct status *s, const struct order_part *p,
	const struct log_info *log, uint64_t from, uint64_t to, struct err *err)
{
	struct run run = {0};
	struct entry e;
	size_t skipped = 0;
	enum err_code rc = store_read_past(s->node->store, log->id, from,
		(size_t)(to - from), 0, &run, &skipped, err);

	for (size_t i = 0; rc == ERR_OK && i < run.count; i++)
		if (!(rc = entry_parse(run.record[i].entry,
			      run.record[i].entry_len, &e, err)))
			rc = add_kind(s, p->origin, e.series, p->label, err);
	run_free(&run);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code find_kinds(
	struct status *s, const struct order *o, struct err *err)
{
	enum err_code rc = ERR_OK;

	s->kinds = 0;
	for (size_t i = 0; rc == ERR_OK && i < o->part_count; i++) {
		const struct order_part *p = &o->part[i];
		struct log_info log;

		rc = store_log_find(s->node->store, p->origin, &log, err);
		for (size_t k = 0; rc == ERR_OK && k < p->count; k++) {
			uint64_t at = p->range[k].from, to = p->range[k].to;

			if (log.kind != LOG_SPARSE && to > log.size)
				to = log.size;
			for (; rc == ERR_OK && at < to; at += RUN_LIMIT)
				rc = add_run(s, p, &log, at,
					to - at < RUN_LIMIT ? to
							    : at + RUN_LIMIT,
					err);
		}
		if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
	}
	return rc;
}

static bool may_hold(const struct status *s, const char *code)
{
	const struct rules *r = s->node->rules;

	for (size_t i = 0; i < s->kinds; i++) {
		const struct kind_of_part *k = &s->kind[i];
		const struct series *series = rules_series(r, k->series);

		if (!strcmp(k->code, code) ||
			(series &&
				(rules_clearance(r, series, k->code, code) &
					LABEL_BIT(k->label))))
			return true;
	}
	return false;
}

static enum err_code receipt_json(struct node *n, const struct receipt *r,
	struct json **out, struct err *err)
{
	struct log_info log;
	struct run run = {0};
	const struct part *p;
	enum err_code rc;

	if ((rc = store_log_find(n->store, r->origin, &log, err)) ||
		(rc = store_read(n->store, log.id, r->seq, 1,
			 LABEL_BIT(LABEL_INTERNAL), &run, err)))
		return rc;
	p = &run.record[0].part[LABEL_INTERNAL];
	rc = json_parse(p->json, p->len, JSON_TEXT_LIMIT, out, err);
	run_free(&run);
	return rc;
}

/* Of an order that was ended, or never counted, nobody is waited for. */
static bool is_awaited(enum order_state state)
{
	return state == ORDER_WAITING || state == ORDER_DONE;
}

static enum err_code add_node(struct status *s, size_t i, const char *code,
	struct json *nodes, struct err *err)
{
	const struct order *o = &s->order[i];
	struct json *v = NULL;
	struct receipt r;
	char at[TIME_TEXT_SIZE];
	enum err_code rc = orders_receipt(s->node, o->id, code, &r, err);
	bool confirmed = rc == ERR_OK;

	if (rc == ERR_OK)
		rc = receipt_json(s->node, &r, &v, err);
	else if (rc == ERR_NOT_FOUND && !is_awaited(s->state[i]))
		return ERR_OK;
	else if (rc == ERR_NOT_FOUND)
		rc = (v = json_new_object()) ? ERR_OK : err_nomem(err);
	if (rc)
		return rc;
	time_format(o->not_before, at);
	if (!json_set(v, "node", json_new_text(code)) ||
		!json_set(v, "confirmed", json_new_bool(confirmed)) ||
		(!confirmed && !json_set(v, "since", json_new_text(at)))) {
		json_free(v);
		v = NULL;
	}
	return json_append(nodes, v) ? ERR_OK : err_nomem(err);
}

static enum err_code status_of(struct status *s, size_t i, struct err *err)
{
	const struct order *o = &s->order[i];
	const struct rules *rules = s->node->rules;
	struct json *v = json_new_object(), *nodes = json_new_array();
	enum err_code rc = find_kinds(s, o, err);

	for (size_t k = 0; rc == ERR_OK && k < rules_node_count(rules); k++) {
		const struct node_info *n = rules_node_at(rules, k);

		/* Receipts go up: of who is above or beside nothing is known.
		 */
		if (n->enrolled && code_within(n->code, s->node->config.code) &&
			may_hold(s, n->code))
			rc = add_node(s, i, n->code, nodes, err);
	}
	if (rc || !json_set(v, "order", json_new_text(o->id)) ||
		!json_set(v, "reason", json_new_text(o->reason)) ||
		!json_set(v, "state",
			json_new_text(order_state_name(s->state[i])))) {
		json_free(nodes);
		json_free(v);
		return rc ? rc : err_nomem(err);
	}
	if (!json_set(v, "nodes", nodes)) {
		json_free(v);
		v = NULL;
	}
	return json_append(s->out, v) ? ERR_OK : err_nomem(err);
}

/* Of all, or of one of them. */
static enum err_code status_all(
	struct node *n, const char *only, struct json *out, struct err *err)
{
	struct status s = {.node = n, .only = only, .out = out};
	enum err_code rc = orders_each(n, on_row, &s, err);

	for (size_t i = 0; rc == ERR_OK && i < s.count; i++)
		rc = status_of(&s, i, err);
	if (rc == ERR_OK && only && !s.count)
		rc = err_set(
			err, ERR_NOT_FOUND, "no order %s to destroy", only);
	for (size_t i = 0; i < s.count; i++)
		order_free(&s.order[i]);
	free(s.order);
	free(s.state);
	free(s.kind);
	return rc;
}

enum err_code disposal_state(
	struct node *n, const char *order, struct json **out, struct err *err)
{
	struct json *all = json_new_array();
	enum err_code rc = all ? ERR_OK : err_nomem(err);

	if (!rc && !(rc = status_all(n, order, all, err)) &&
		!(*out = json_copy(json_at(all, 0))))
		rc = err_nomem(err);
	json_free(all);
	return rc;
}

static void print_node(const struct json *n)
{
	printf("  %s  ", json_get_string(n, "node"));
	if (json_bool(json_get(n, "confirmed"))) {
		uint64_t destroyed = 0, absent = 0;

		(void)json_get_u64(n, "destroyed", &destroyed);
		(void)json_get_u64(n, "absent", &absent);
		printf(_("confirmed %s: %llu parts destroyed, %llu were not "
			 "there"),
			json_get_string(n, "at"), (unsigned long long)destroyed,
			(unsigned long long)absent);
	} else {
		printf(_("not confirmed; due since %s"),
			json_get_string(n, "since"));
	}
	putchar('\n');
}

static void print_status(const struct json *list, const struct json *rows)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *o = json_at(list, i);
		const struct json *nodes = json_get(o, "nodes");
		const char *id = json_get_string(o, "order");
		const char *reason = json_get_string(o, "reason");
		const struct json *known = json_get(rows, "orders");

		printf("%s  ", id);
		out_plain(stdout, reason, strlen(reason));
		putchar('\n');
		for (size_t k = 0; k < json_count(known); k++) {
			const struct json *row = json_at(known, k);
			const char *why = json_get_string(row, "why");

			if (!why || strcmp(id, json_get_string(row, "order")))
				continue;
			printf("  %s", _("here: "));
			out_reason(stdout, why);
			putchar('\n');
		}
		if (!strcmp(json_get_string(o, "state"), "ended"))
			printf("  %s\n",
				_("cancelled: nobody carries it out any more"));
		for (size_t k = 0; k < json_count(nodes); k++)
			print_node(json_at(nodes, k));
	}
}

/* Takes `list`. */
static enum err_code tell(struct cli *c, struct json *list, struct err *err)
{
	struct json *rows = NULL, *v;
	enum err_code rc;

	if (c->json) {
		v = json_new_object();
		rc = json_set(v, "orders", list) ? ERR_OK : err_nomem(err);
		if (rc == ERR_OK)
			return out_json(v, err);
		json_free(v);
		return rc;
	}
	if ((rc = order_rows(c, &rows, err)) == ERR_OK)
		print_status(list, rows);
	json_free(list);
	json_free(rows);
	return rc;
}

static enum err_code run_status(
	struct cli *c, const struct args *a, struct err *err)
{
	struct json *list = json_new_array();
	struct node *n = NULL;
	enum err_code rc;

	if (!list)
		return err_nomem(err);
	if (!(rc = open_reader(c, &n, err)))
		rc = status_all(n, a->count ? a->word[0] : NULL, list, err);
	if (rc)
		json_free(list);
	else
		rc = tell(c, list, err);
	node_close(n);
	return rc;
}

const struct command command_disposal_status = {
	.name = "disposal status",
	.words = "[ORDER]",
	.summary = N_("which nodes have destroyed, and which have not yet"),
	.most = 1,
	.run = run_status,
};
