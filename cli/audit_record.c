/* audit_record.c - `cundang audit rules` and `audit retention`: which rules
 * held for a record and who signed them, and when it may go. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

struct asked {
	struct node *node;
	struct log_info log;
	uint64_t seq;
};

static enum err_code ask(
	struct cli *c, const struct args *a, struct asked *out, struct err *err)
{
	struct point p;
	enum err_code rc;

	if ((rc = point_parse(a->word[0], strlen(a->word[0]), &p, err)) ||
		(rc = open_reader(c, &out->node, err)))
		return rc;
	return sealed_find(out->node, &p, &out->log, &out->seq, err);
}

static bool set_place(struct json *v, const struct asked *q)
{
	return json_set(v, "origin", json_new_text(q->log.origin)) &&
		json_set(v, "seq", json_new_u64(q->seq));
}

/* ---- rules ---- */

static enum err_code on_head(void *arg, const struct statement *s,
	unsigned signatures, bool final, struct err *err)
{
	struct statement *wanted = arg;

	(void)signatures;
	(void)err;
	if (final && s->serial == wanted->serial)
		*wanted = *s;
	return ERR_OK;
}

static enum err_code add_signer(
	void *arg, const struct officer *o, struct err *err)
{
	struct json *list = arg, *v = json_new_object();

	if (v && json_set(v, "name", json_new_text(o->name)) &&
		json_set(v, "role", json_new_text(o->role)) &&
		json_set(v, "scope", json_new_text(o->scope)))
		return json_append(list, v) ? ERR_OK : err_nomem(err);
	json_free(v);
	return err_nomem(err);
}

static void print_rules(const char *data, const struct asked *q,
	const struct statement *s, const struct json *by)
{
	char when[TIME_TEXT_SIZE];

	time_format(s->at, when);
	printf(_("%s/%" PRIu64 " was captured under head %" PRIu64
		 " of the rules, made %s.\n"),
		q->log.origin, q->seq, s->serial, when);
	for (size_t i = 0; i < json_count(by); i++) {
		const struct json *o = json_at(by, i);

		fputs(_("signed by "), stdout);
		out_column(json_get_string(o, "name"), 16);
		printf("  %-9s %s\n", json_get_string(o, "role"),
			json_get_string(o, "scope"));
	}
	printf(_("Its files: git --git-dir %s/governance.git show %s:\n"), data,
		s->commit);
}

static enum err_code run_rules(
	struct cli *c, const struct args *a, struct err *err)
{
	struct statement s = {.serial = 0};
	struct json *by = json_new_array(), *v = NULL;
	struct asked q = {.node = NULL};
	char when[TIME_TEXT_SIZE];
	enum err_code rc;

	if (!by)
		return err_nomem(err);
	if ((rc = ask(c, a, &q, err)) ||
		(rc = asked_rules(q.node, &q.log, q.seq, &s.serial, err)) ||
		(rc = governance_signers(q.node->governance, s.serial,
			 &q.node->config.root, add_signer, by, err)) ||
		(rc = governance_each(q.node->governance, on_head, &s, err)))
		goto out;
	if (!c->json) {
		print_rules(c->data, &q, &s, by);
		goto out;
	}
	time_format(s.at, when);
	v = json_new_object();
	if (!v || !set_place(v, &q) ||
		!json_set(v, "made_at", json_new_text(when)) ||
		!json_set(v, "serial", json_new_u64(s.serial)) ||
		!json_set(v, "signed_by", by)) {
		json_free(v);
		by = NULL;
		rc = err_nomem(err);
		goto out;
	}
	by = NULL;
	rc = out_json(v, err);
out:
	json_free(by);
	node_close(q.node);
	return rc;
}

const struct command command_audit_rules = {
	.name = "audit rules",
	.words = "RECORD",
	.summary = N_("tell which rules held for a record, and who signed "
		      "them"),
	.least = 1,
	.most = 1,
	.run = run_rules,
};

/* ---- retention ---- */

static const char *const state_names[] = {
	[ASKED_NONE] = "none",
	[ASKED_DESTROYED] = "destroyed",
	[ASKED_FOR_EVER] = "for-ever",
	[ASKED_OPEN] = "open",
	[ASKED_ENDS] = "ends",
	[ASKED_SEALED] = "sealed",
};

static struct json *label_json(
	enum label label, const struct asked_retention *r)
{
	struct json *v = json_new_object();
	char since[TIME_TEXT_SIZE];

	time_format(r->since, since);
	since[10] = '\0';
	if (v && json_set(v, "label", json_new_text(label_name(label))) &&
		json_set(v, "state", json_new_text(state_names[r->state])) &&
		(!r->period[0] ||
			json_set(v, "period", json_new_text(r->period))) &&
		(r->state != ASKED_ENDS ||
			json_set(v, "since", json_new_text(since))))
		return v;
	json_free(v);
	return NULL;
}

static void print_label(const struct asked *q, enum label label,
	const struct asked_retention *r)
{
	char since[TIME_TEXT_SIZE];

	time_format(r->since, since);
	out_column(out_label(label_name(label)), 10);
	switch (r->state) {
	case ASKED_NONE:
		break;
	case ASKED_DESTROYED:
		puts(_("  was destroyed"));
		break;
	case ASKED_FOR_EVER:
		puts(_("  is kept for ever"));
		break;
	case ASKED_OPEN:
		printf(_("  is kept %s from a day that is still open, or not "
			 "known here\n"),
			r->period);
		break;
	case ASKED_ENDS:
		printf(_("  may be destroyed from %.10s on (%s)\n"), since,
			r->period);
		break;
	case ASKED_SEALED:
		printf(_("  is sealed: only %.12s, where it was captured, can "
			 "tell how long it is kept\n"),
			origin_code(q->log.origin));
		break;
	}
}

static enum err_code print_retention(struct cli *c, const struct asked *q,
	const struct asked_retention r[LABEL_COUNT], const char *hold,
	struct err *err)
{
	struct json *list = json_new_array(), *v = json_new_object();
	bool ok = list && v;

	for (unsigned l = 0; ok && l < LABEL_COUNT; l++) {
		if (r[l].state == ASKED_NONE)
			continue;
		if (c->json)
			ok = json_append(
				list, label_json((enum label)l, &r[l]));
		else
			print_label(q, (enum label)l, &r[l]);
	}
	if (!c->json && *hold)
		printf(_("Nothing of it goes while the hold %s lasts.\n"),
			hold);
	ok = ok && set_place(v, q) &&
		(!*hold || json_set(v, "hold", json_new_text(hold)));
	if (ok && json_set(v, "labels", list)) {
		if (c->json)
			return out_json(v, err);
		json_free(v);
		return ERR_OK;
	}
	if (!ok)
		json_free(list);
	json_free(v);
	return err_nomem(err);
}

static enum err_code run_retention(
	struct cli *c, const struct args *a, struct err *err)
{
	struct asked_retention r[LABEL_COUNT];
	struct asked q = {.node = NULL};
	struct rules *rules = NULL;
	char hold[UUID_TEXT_SIZE] = "";
	struct entry e;
	enum err_code rc;

	if ((rc = ask(c, a, &q, err)))
		goto out;
	rules = node_rules(q.node);
	if ((rc = asked_retention(q.node, rules, &q.log, q.seq, r, err)) ||
		(rc = orders_refresh(q.node, err)) ||
		(rc = store_entry(q.node->store, q.log.id, q.seq, &e, err)))
		goto out;
	if (!orders_held(q.node, q.log.origin, q.seq, e.series, e.at, hold))
		hold[0] = '\0';
	rc = print_retention(c, &q, r, hold, err);
out:
	rules_unref(rules);
	node_close(q.node);
	return rc;
}

const struct command command_audit_retention = {
	.name = "audit retention",
	.words = "RECORD",
	.summary = N_("tell how long a record is kept, and why"),
	.detail = N_("Label by label, by the longer of the periods at its "
		     "capture and now; a hold is named."),
	.least = 1,
	.most = 1,
	.run = run_retention,
};
