/* order_make.c - orders about records that conditions select, and orders that
 * end others: what hold, restrict, disposal and subject share. */
#include <string.h>

#include "cli/order.h"

struct adding {
	struct node *node;
	struct order *order;
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct adding *a = arg;
	struct log_info info;
	enum err_code rc = store_log_by_id(a->node->store, log, &info, err);

	(void)rev;
	return rc ? rc : order_add_record(a->order, info.origin, seq, err);
}

static enum err_code add_records(
	struct node *n, const struct args *a, struct order *o, struct err *err)
{
	struct adding adding = {n, o};
	const char *text;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && (text = args_nth(a, "record", i)); i++) {
		struct log_info log;
		struct point p;
		uint64_t seq = 0;

		if (!(rc = point_parse(text, strlen(text), &p, err)) &&
			!(rc = point_find(n->store, &p, &log, &seq, err)) &&
			!(rc = order_add_record(o, log.origin, seq, err)) &&
			o->kind == ORDER_RESTRICT)
			/* A restriction names all revisions of a record. */
			rc = store_revisions(n->store, log.id, seq, on_revision,
				&adding, err);
	}
	return rc;
}

static enum err_code set_select(
	struct node *n, const struct args *a, struct order *o, struct err *err)
{
	const char *series = args_get(a, "series"), *node = args_get(a, "node");
	const char *from = args_get(a, "from"), *to = args_get(a, "to");

	if (series && !rules_series(n->rules, series))
		return err_set(err, ERR_NOT_FOUND, "no series %s", series);
	if (node &&
		!(code_valid(node, strlen(node)) && rules_node(n->rules, node)))
		return err_set(err, ERR_NOT_FOUND, "no division %s", node);
	if ((from && !date_valid(from, strlen(from))) ||
		(to && !date_valid(to, strlen(to))))
		return err_set(err, ERR_USAGE,
			"--from and --to take dates YYYY-MM-DD");
	if (from && to && strcmp(from, to) > 0)
		return err_set(
			err, ERR_USAGE, "--from %s is after --to %s", from, to);
	snprintf(o->series, sizeof(o->series), "%s", series ? series : "");
	snprintf(o->prefix, sizeof(o->prefix), "%s", node ? node : "");
	snprintf(o->since, sizeof(o->since), "%s", from ? from : "");
	snprintf(o->until, sizeof(o->until), "%s", to ? to : "");
	if (!o->record_count && !series && !node && !from && !to)
		return err_set(err, ERR_USAGE,
			"nothing is selected: it needs --record, --series, "
			"--node, --from or --to");
	return ERR_OK;
}

static enum err_code add_places(struct node *n, char **place, size_t count,
	struct order *o, struct err *err)
{
	struct adding adding = {n, o};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < count; i++) {
		struct log_info log;
		struct point p;
		uint64_t seq = 0;

		if (!(rc = point_parse(place[i], strlen(place[i]), &p, err)) &&
			!(rc = point_find(n->store, &p, &log, &seq, err)))
			rc = store_revisions(n->store, log.id, seq, on_revision,
				&adding, err);
	}
	return rc;
}

/* The nodes above hold the records, too. */
static void tell_reach(const struct cli *c, const struct node *n)
{
	if (!c->json && strcmp(rules_root(n->rules)->code, n->config.code))
		printf(_("It is about what was captured at %s and below. "
			 "Nodes above hold copies and go on showing them until "
			 "the order has reached them; entered at the highest "
			 "node that holds them it goes to all from there.\n"),
			n->config.code);
}

static enum err_code save_person(struct cli *c, const struct args *a,
	enum order_kind kind, char **place, size_t count, struct err *err)
{
	struct order o = {.part = NULL};
	struct node *n = NULL;
	enum err_code rc;

	if (!(rc = open_reader(c, &n, err)) &&
		!(rc = order_new(kind, n->rules, n->config.code,
			  args_get(a, "reason"), &o, err)) &&
		!(rc = add_places(n, place, count, &o, err)) &&
		!(rc = order_save(c, args_get(a, "out"), &o, err))) {
		if (!c->json)
			printf(_("It names what is here now (%zu): records of "
				 "the person that come later are not in it.\n"),
				o.record_count);
		if (kind == ORDER_RESTRICT)
			tell_reach(c, n);
	}
	order_free(&o);
	node_close(n);
	return rc;
}

enum err_code order_person(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err)
{
	static const char *const beside[] = {
		"record", "series", "node", "from", "to"};
	struct json *answer = NULL;
	char **place = NULL;
	size_t count = 0;
	enum err_code rc;

	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (args_has(a, beside[i]))
			return err_set(err, ERR_USAGE,
				"--person takes no other condition");
	if (!(rc = subject_ask_for(c, a, false, &answer, err)) &&
		!(rc = subject_places(answer, &place, &count, err)))
		rc = save_person(c, a, kind, place, count, err);
	subject_places_free(place, count);
	json_free(answer);
	return rc;
}

enum err_code order_add(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err)
{
	struct order o = {.part = NULL};
	const char *reason = args_get(a, "reason");
	struct node *n = NULL;
	enum err_code rc;

	if (!reason)
		return err_set(err, ERR_USAGE, "%s add needs --reason",
			order_kind_name(kind));
	if (args_has(a, "person"))
		return order_person(c, a, kind, err);
	if (!(rc = open_reader(c, &n, err)) &&
		!(rc = order_new(
			  kind, n->rules, n->config.code, reason, &o, err)) &&
		!(rc = add_records(n, a, &o, err)) &&
		!(rc = set_select(n, a, &o, err)) &&
		!(rc = order_save(c, args_get(a, "out"), &o, err)) &&
		kind == ORDER_RESTRICT)
		tell_reach(c, n);
	order_free(&o);
	node_close(n);
	return rc;
}

const struct option_spec order_end_options[] = {
	{"reason", 0, "TEXT", N_("a reference; nothing personal")},
	{"out", 'o', "FILE", N_("where to write the order")},
	{NULL, 0, NULL, NULL},
};

enum err_code order_end(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err)
{
	struct order o = {.part = NULL};
	const char *reason = args_get(a, "reason");
	uint8_t uuid[UUID_SIZE];
	struct node *n = NULL;
	enum err_code rc;

	if (!reason)
		return err_set(err, ERR_USAGE, "it needs --reason");
	if (!uuid_parse(a->word[0], strlen(a->word[0]), uuid))
		return err_set(
			err, ERR_USAGE, "%s is no id of an order", a->word[0]);
	if (!(rc = open_reader(c, &n, err)) &&
		!(rc = order_new(
			  kind, n->rules, n->config.code, reason, &o, err))) {
		snprintf(o.about, sizeof(o.about), "%s", a->word[0]);
		rc = order_save(c, args_get(a, "out"), &o, err);
	}
	order_free(&o);
	node_close(n);
	return rc;
}
