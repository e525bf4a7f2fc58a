/* orders_json.c - the orders of a node as JSON, for people and programs. */
#include <stdlib.h>
#include <string.h>

#include "policies/orders.h"

static bool put_text(struct json *v, const char *name, const char *s)
{
	return !*s || json_set(v, name, json_new_text(s));
}

static bool put_time(struct json *v, const char *name, int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return put_text(v, name, text);
}

static uint64_t parts_of(const struct order *o)
{
	uint64_t n = 0;

	for (size_t i = 0; i < o->part_count; i++)
		for (size_t k = 0; k < o->part[i].count; k++)
			n += o->part[i].range[k].to - o->part[i].range[k].from;
	return n;
}

static bool put_kind(struct json *v, const struct order *o)
{
	switch (o->kind) {
	case ORDER_HOLD:
	case ORDER_RESTRICT:
		return put_text(v, "series", o->series) &&
			put_text(v, "prefix", o->prefix) &&
			put_text(v, "from", o->since) &&
			put_text(v, "to", o->until) &&
			json_set(v, "records", json_new_u64(o->record_count));
	case ORDER_ERASE:
		return put_time(v, "not_before", o->not_before) &&
			json_set(v, "accounts", json_new_bool(o->accounts)) &&
			json_set(v, "parts", json_new_u64(parts_of(o)));
	case ORDER_RELEASE:
	case ORDER_CANCEL:
	case ORDER_LIFT:
		break;
	}
	return put_text(v, "about", o->about);
}

struct rows {
	struct node *node;
	const struct rules *rules;
	struct json *list;
};

/* Receipts of nodes within the order's and above it, as far as they are here.
 */
static enum err_code confirmed(struct node *n, const struct order *o,
	const char *code, bool *out, struct err *err)
{
	struct receipt r;
	enum err_code rc = orders_receipt(n, o->id, code, &r, err);

	*out = rc == ERR_OK;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code put_nodes(const struct rows *rows, const struct order *o,
	struct json *v, struct err *err)
{
	struct json *yes = json_new_array(), *no = json_new_array();
	enum err_code rc = ERR_OK;
	bool ok = true, is;

	for (size_t i = 0; !rc && i < rules_node_count(rows->rules); i++) {
		const struct node_info *n = rules_node_at(rows->rules, i);

		if (!n->enrolled ||
			(!code_within(n->code, o->node) &&
				!code_within(o->node, n->code)))
			continue;
		if (!(rc = confirmed(rows->node, o, n->code, &is, err)))
			ok &= json_append(
				is ? yes : no, json_new_text(n->code));
	}
	ok = json_set(v, "confirmed", yes) && ok;
	ok = json_set(v, "unconfirmed", no) && ok;
	return rc || ok ? rc : err_nomem(err);
}

static bool is_restriction(const struct order_row *row)
{
	return (row->order->kind == ORDER_RESTRICT ||
		       row->order->kind == ORDER_LIFT) &&
		row->state != ORDER_VOID;
}

static enum err_code on_row(
	void *arg, const struct order_row *row, struct err *err)
{
	const struct rows *rows = arg;
	const struct order *o = row->order;
	struct json *v = json_new_object();
	enum err_code rc = ERR_OK;

	if (v && is_restriction(row) && (rc = put_nodes(rows, o, v, err))) {
		json_free(v);
		return rc;
	}
	if (put_text(v, "order", o->id) &&
		put_text(v, "kind", order_kind_name(o->kind)) &&
		put_text(v, "node", o->node) &&
		put_text(v, "reason", o->reason) &&
		put_time(v, "made_at", o->made_at) &&
		json_set(v, "rules", json_new_u64(o->rules)) &&
		put_text(v, "origin", row->origin) &&
		json_set(v, "seq", json_new_u64(row->seq)) &&
		put_text(v, "state", order_state_name(row->state)) &&
		put_text(v, "why", row->why) && put_kind(v, o) &&
		json_append(rows->list, json_copy(v))) {
		json_free(v);
		return ERR_OK;
	}
	json_free(v);
	return err_nomem(err);
}

enum err_code orders_json(struct node *n, struct json **out, struct err *err)
{
	struct json *list = json_new_array(), *v = json_new_object();
	struct rules *rules = node_rules(n);
	struct rows rows = {n, rules, list};
	enum err_code rc =
		list && v ? orders_each(n, on_row, &rows, err) : err_nomem(err);

	rules_unref(rules);
	if (rc) {
		json_free(list);
	} else if (!json_set(v, "orders", list)) {
		rc = err_nomem(err);
	} else {
		*out = v;
		return ERR_OK;
	}
	json_free(v);
	return rc;
}
