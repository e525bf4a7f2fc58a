/* renew.c - logs of ours that damage holds up, and that nobody can mend: what
 * is whole in them goes on in a new epoch. */
#include "policies/repair.h"

#include <stdlib.h>
#include <string.h>

#include "policies/epoch.h"
#include "policies/logs.h"

struct held_logs {
	struct node *node;
	struct log_info *log;
	size_t count, cap;
};

struct held {
	struct node *node;
	const struct log_info *log;
	bool given_up;
};

/* What a node above has cosigned it holds: only what lies behind that does the
 * log wait for. */
static enum err_code on_damaged(
	void *arg, uint64_t from, uint64_t count, struct err *err)
{
	struct held *h = arg;
	uint64_t end = from + count;
	uint64_t many = 0;

	(void)err;
	if (from < h->log->cosigned_size)
		from = h->log->cosigned_size;
	for (; from < end && !h->given_up; from += many ? many : 1)
		h->given_up =
			repair_given_up(h->node, h->log->origin, from, &many);
	return ERR_OK;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct held_logs *list = arg;

	if (log->kind != LOG_OWN || log->size <= log->cosigned_size ||
		epoch_settled(list->node, log->origin, NULL))
		return ERR_OK;
	if (!grow(&list->log, &list->cap, list->count, sizeof(*list->log)))
		return err_nomem(err);
	list->log[list->count++] = *log;
	return ERR_OK;
}

static enum err_code renew(struct node *n, struct writer *w,
	const struct log_info *log, struct renewed *out, struct err *err)
{
	struct settled s = {
		.size = log->cosigned_size, .common = log->cosigned_size};
	bool begun = false;
	enum err_code rc;

	memcpy(s.origin, log->origin, sizeof(s.origin));
	s.root = tree_empty();
	if (s.size && (rc = log_root_at(n->store, log, s.size, &s.root, err)))
		return rc;
	if ((rc = epoch_begin(n, w, log->origin, EPOCH_DAMAGED, &begun, err)) ||
		(rc = epoch_settle(n, w, &s, err)))
		return rc;
	out->logs++;
	out->entered += s.entered;
	return ERR_OK;
}

enum err_code repair_renew(
	struct node *n, struct writer *w, struct renewed *out, struct err *err)
{
	struct held_logs list = {.node = n};
	struct rules *rules = node_rules(n);
	const struct node_info *us = rules_node(rules, n->config.code);
	bool above = us && us->parent[0];
	enum err_code rc = ERR_OK;

	rules_unref(rules);
	*out = (struct renewed){0};
	if (above)
		rc = store_log_each(n->store, on_log, &list, err);
	for (size_t i = 0; i < list.count && !rc; i++) {
		struct held h = {.node = n, .log = &list.log[i]};

		rc = store_damaged_each(
			n->store, h.log->id, on_damaged, &h, err);
		if (!rc && h.given_up)
			rc = renew(n, w, h.log, out, err);
	}
	free(list.log);
	return rc;
}

bool record_given_up(struct node *n, const struct log_info *log, uint64_t seq)
{
	return store_closed(n->store, log->id, seq);
}
