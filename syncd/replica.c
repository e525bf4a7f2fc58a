/* replica.c - runs a session's asks against its node: dispatch and rules. */
#include "syncd/ask.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* n->governance has one owner at a time: whoever holds this.  The daemon has
 * one node, so one lock is enough. */
static pthread_mutex_t adopting = PTHREAD_MUTEX_INITIALIZER;

/* ---- digests ---- */

enum err_code digests_add(
	struct digests *list, const struct digest *d, struct err *err)
{
	if (!grow(&list->d, &list->cap, list->count, sizeof(*list->d)))
		return err_nomem(err);
	list->d[list->count++] = *d;
	return ERR_OK;
}

bool digests_have(const struct digests *list, const struct digest *d)
{
	for (size_t i = 0; i < list->count; i++) {
		if (digest_equal(&list->d[i], d))
			return true;
	}
	return false;
}

void digests_remove(struct digests *list, const struct digest *d)
{
	for (size_t i = 0; i < list->count; i++) {
		if (digest_equal(&list->d[i], d))
			list->d[i--] = list->d[--list->count];
	}
}

void digests_free(struct digests *list)
{
	free(list->d);
	*list = (struct digests){0};
}

/* ---- asks ---- */

struct ask *ask_new(enum ask_kind kind)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (a)
		a->kind = kind;
	return a;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	if (a->writer)
		attachment_pause(a->writer);
	for (size_t i = 0; i < a->proved_count; i++)
		buf_free(&a->proved[i].message);
	buf_free(&a->data);
	buf_free(&a->out);
	digests_free(&a->skip);
	digests_free(&a->absent);
	digests_free(&a->here);
	rows_free(&a->cursors);
	rows_free(&a->closed);
	hello_fini(&a->hello);
	free(a->logs.log);
	free(a);
}

static const char *kind_text(enum ask_kind kind)
{
	switch (kind) {
	case ASK_HELLO:
		return "hello";
	case ASK_EXPORT:
		return "give rules after";
	case ASK_IMPORT:
		return "take rules";
	case ASK_LOOK:
		return "look for news";
	case ASK_GIVE_CHECKPOINT:
		return "give checkpoint";
	case ASK_GIVE_PACKAGE:
		return "give package";
	case ASK_GIVE_PROVED:
		return "give proved entries";
	case ASK_GIVE_COSIGNED:
		return "give cosignature";
	case ASK_GIVE_RANGE:
		return "give attachment";
	case ASK_TAKE_CHECKPOINT:
		return "take checkpoint";
	case ASK_TAKE_PACKAGE:
		return "take package";
	case ASK_TAKE_PROVED:
		return "take proved entry";
	case ASK_TAKE_COSIGNED:
		return "take cosignature";
	case ASK_RESUME:
		return "resume attachment";
	case ASK_TAKE_RANGE:
		return "take attachment";
	case ASK_TAKE_PREFIX:
		return "take proof of";
	case ASK_SETTLE:
		return "settle";
	case ASK_GIVE_ENTRIES:
		return "give entries once more";
	case ASK_MEND:
		return "mend";
	case ASK_GIVE_ORDERS:
		return "tell of orders";
	case ASK_TAKE_ORDERS:
		return "carry out orders";
	}
	return "ask";
}

/* Written when the ask is run or shown, not when it is made: asks are made by
 * the thousand. */
const char *ask_text(const struct ask *a)
{
	struct ask *own = (struct ask *)a;
	char name[DIGEST_TEXT_SIZE];

	switch (a->kind) {
	case ASK_GIVE_RANGE:
	case ASK_RESUME:
	case ASK_TAKE_RANGE:
		digest_base64url(
			a->kind == ASK_GIVE_RANGE ? &a->object : &a->ref.object,
			name);
		break;
	default:
		name[0] = '\0';
	}
	snprintf(own->text, sizeof(own->text), "%s %s%s%s%" PRIu64,
		kind_text(a->kind), a->origin, name,
		a->origin[0] || name[0] ? " " : "", a->from);
	return a->text;
}

bool ask_changed(const struct ask *a)
{
	return a->changed;
}

const char *ask_problem(const struct ask *a)
{
	return a->rc == ERR_OK || a->rc == ERR_BUSY ? NULL : a->err.text;
}

const char *ask_news(const struct ask *a)
{
	return a->news[0] ? a->news : NULL;
}

/* ---- rules ---- */

enum err_code replica_adopt(
	struct node *n, struct writer *w, uint64_t *adopted, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&adopting);
	rc = node_adopt(n, w, adopted, err);
	pthread_mutex_unlock(&adopting);
	return rc;
}

/* Asks run beside one another, so each has a handle of its own. */
static enum err_code open_governance(
	struct node *n, struct governance **out, struct err *err)
{
	char *path = file_join(n->data, "governance.git");
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = governance_open(path, out, err);
	free(path);
	return rc;
}

enum err_code replica_agree(
	struct node *n, struct governance *other, struct err *err)
{
	struct governance *g = NULL;
	enum err_code rc = open_governance(n, &g, err);

	if (rc == ERR_OK)
		rc = governance_agree(g, other, err);
	governance_close(g);
	return rc;
}

static enum err_code export_rules(
	struct ask *a, struct replica *r, struct err *err)
{
	struct governance *g = NULL;
	enum err_code rc;

	if ((rc = open_governance(r->node, &g, err)) == ERR_OK)
		rc = governance_export(g, a->from, &a->out, err);
	governance_close(g);
	return rc;
}

/* Two sessions may bring the same heads: the second finds nothing new, which
 * is as good. */
static enum err_code import_rules(
	struct ask *a, struct replica *r, struct err *err)
{
	struct governance *g = NULL;
	uint64_t adopted = 0;
	enum err_code rc;

	pthread_mutex_lock(&adopting);
	if ((rc = open_governance(r->node, &g, err)) == ERR_OK)
		rc = governance_import(g, a->data.data, a->data.len,
			&r->node->config.root, &a->size, err);
	governance_close(g);
	if (rc == ERR_OK || rc == ERR_EXISTS)
		rc = node_adopt(r->node, r->writer, &adopted, err);
	pthread_mutex_unlock(&adopting);
	a->changed = adopted != 0;
	if (rc == ERR_OK) {
		struct rules *now = node_rules(r->node);

		a->serial = rules_serial(now);
		rules_unref(now);
	}
	return rc;
}

/* ---- epochs ---- */

/* protocol 3.10: "Once it is proved that the parent has another log, or more of
 * it, the child signs no more under that epoch." */
static enum err_code take_prefix(
	struct ask *a, struct replica *r, struct err *err)
{
	struct prefix *p = &a->prefix;
	enum epoch_reason why;
	enum err_code rc;

	if ((rc = exchange_take_prefix(r->node, r->rules, a->from,
		     a->data.data + a->head, a->data.len - a->head, p, err)) ||
		!p->other || p->here == 0)
		return rc;
	why = p->size > p->here ? EPOCH_RESTORED : EPOCH_FORKED;
	pthread_mutex_lock(&adopting);
	rc = epoch_begin(r->node, r->writer, p->origin, why, &a->changed, err);
	pthread_mutex_unlock(&adopting);
	if (a->changed)
		snprintf(a->news, sizeof(a->news),
			"%s cannot go on (%s): a new epoch begins", p->origin,
			epoch_reason_name(why));
	return rc;
}

enum err_code replica_renew(
	struct node *n, struct writer *w, struct renewed *out, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&adopting);
	rc = repair_renew(n, w, out, err);
	pthread_mutex_unlock(&adopting);
	return rc;
}

/* No rules are adopted meanwhile: what is entered again names those in
 * force. */
static enum err_code settle(struct ask *a, struct replica *r, struct err *err)
{
	struct settled *s = &a->settled;
	enum err_code rc;

	pthread_mutex_lock(&adopting);
	rc = epoch_settle(r->node, r->writer, s, err);
	pthread_mutex_unlock(&adopting);
	a->changed = rc == ERR_OK;
	if (rc == ERR_OK)
		snprintf(a->news, sizeof(a->news),
			"%s is closed at %" PRIu64 ", entered again: %" PRIu64,
			s->origin, s->common, s->entered);
	return rc;
}

/* ---- dispatch ---- */

static enum err_code run(struct ask *a, struct replica *r, struct err *err)
{
	switch (a->kind) {
	case ASK_HELLO:
		return hello_run(a, r, err);
	case ASK_EXPORT:
		return export_rules(a, r, err);
	case ASK_IMPORT:
		return import_rules(a, r, err);
	case ASK_LOOK:
		return look_run(a, r, err);
	case ASK_GIVE_CHECKPOINT:
	case ASK_GIVE_PACKAGE:
	case ASK_GIVE_PROVED:
	case ASK_GIVE_COSIGNED:
	case ASK_GIVE_RANGE:
		return give_run(a, r, err);
	case ASK_TAKE_CHECKPOINT:
	case ASK_TAKE_PACKAGE:
	case ASK_TAKE_PROVED:
	case ASK_TAKE_COSIGNED:
	case ASK_RESUME:
	case ASK_TAKE_RANGE:
		return take_run(a, r, err);
	case ASK_TAKE_PREFIX:
		return take_prefix(a, r, err);
	case ASK_SETTLE:
		return settle(a, r, err);
	case ASK_GIVE_ENTRIES:
		return give_run(a, r, err);
	case ASK_MEND:
		return mend_run(a, r, err);
	case ASK_GIVE_ORDERS:
		return orders_give(a, r, err);
	case ASK_TAKE_ORDERS:
		return orders_take(a, r, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown ask %d", (int)a->kind);
}

void ask_run(struct ask *a, struct node *n, struct writer *w)
{
	struct replica r = {.node = n, .writer = w, .rules = node_rules(n)};

	a->serial = rules_serial(r.rules);
	a->rc = run(a, &r, &a->err);
	if (a->rc)
		a->err.code = a->rc;
	rules_unref(r.rules);
}
