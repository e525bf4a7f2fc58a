/* rules.c - questions to one loaded governance head. */
#include "policies/rules.h"

#include <stdlib.h>
#include <string.h>

#include "policies/rules_load.h"

struct rules *rules_ref(struct rules *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void rules_unref(struct rules *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	council_free(&r->council);
	for (size_t i = 0; i < r->owned_count; i++)
		series_free(r->owned[i]);
	free(r->owned);
	free(r->series);
	free(r->consumer);
	seals_free(&r->seals);
	free(r->day);
	free(r->by_tls);
	free(r->parent);
	free(r->node);
	free(r);
}

uint64_t rules_serial(const struct rules *r)
{
	return r->head.serial;
}

const char *rules_domain(const struct rules *r)
{
	return r->council.domain;
}

const struct digest *rules_statement(const struct rules *r)
{
	return &r->head.digest;
}

const struct digest *rules_root_fingerprint(const struct rules *r)
{
	return &r->fingerprint;
}

int64_t rules_at(const struct rules *r)
{
	return r->head.at;
}

bool rules_old(const struct rules *r, int64_t now)
{
	return now - r->head.at > (int64_t)RULES_OLD_DAYS * 24 * 3600;
}

static int by_code(const void *key, const void *node)
{
	return strcmp(key, ((const struct node_info *)node)->code);
}

const struct node_info *rules_node(const struct rules *r, const char *code)
{
	return bsearch(code, r->node, r->node_count, sizeof(*r->node), by_code);
}

const struct node_info *rules_root(const struct rules *r)
{
	return &r->node[r->root];
}

const struct node_info *rules_node_by_tls(
	const struct rules *r, const struct sign_public *tls)
{
	size_t from = 0, to = r->tls_count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const struct node_info *n = &r->node[r->by_tls[mid]];
		int c = memcmp(tls->b, n->tls.b, sizeof(tls->b));

		if (c == 0)
			return n;
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

/* The loader has seen to it that successors end somewhere. */
bool rules_answers_for(
	const struct rules *r, const char *own, const char *about)
{
	const struct node_info *n;

	while (!code_within(about, own)) {
		n = rules_node(r, about);
		if (!n || !n->retired[0] || !n->successor[0])
			return false;
		about = n->successor;
	}
	return true;
}

size_t rules_node_count(const struct rules *r)
{
	return r->node_count;
}

const struct node_info *rules_node_at(const struct rules *r, size_t i)
{
	return &r->node[i];
}

size_t rules_officer_count(const struct rules *r)
{
	return r->council.count;
}

const struct officer *rules_officer_at(const struct rules *r, size_t i)
{
	return &r->council.officer[i];
}

unsigned rules_approvals(const struct rules *r)
{
	return r->council.approvals;
}

unsigned rules_roster_approvals(const struct rules *r)
{
	return r->council.roster_approvals;
}

unsigned rules_disposal_approvals(const struct rules *r)
{
	return r->council.disposal;
}

unsigned rules_accounts_approvals(const struct rules *r)
{
	return r->council.accounts;
}

unsigned rules_hold_approvals(const struct rules *r)
{
	return r->council.hold;
}

unsigned rules_waiting_days(const struct rules *r)
{
	return r->council.waiting_days;
}

const struct consumer *rules_consumer(
	const struct rules *r, const struct digest *token)
{
	for (size_t i = 0; i < r->consumer_count; i++)
		if (digest_equal(&r->consumer[i].token, token))
			return &r->consumer[i];
	return NULL;
}

enum err_code rules_seal_to(const struct rules *r, const struct series *s,
	const char *node, struct seal_public to[RULES_SEAL_TO_LIMIT],
	size_t *count, struct err *err)
{
	size_t n = 0;

	to[n++] = r->seals.recovery;
	for (size_t i = 0; i < r->seals.count; i++) {
		const struct seal_recipient *one = &r->seals.item[i];

		if (strcmp(one->role, s->sealed) ||
			!code_within(node, one->scope))
			continue;
		if (n == RULES_SEAL_TO_LIMIT)
			return err_set(err, ERR_LIMIT,
				"more than %d keys to seal to",
				RULES_SEAL_TO_LIMIT);
		to[n++] = one->key;
	}
	*count = n;
	return ERR_OK;
}

const struct consumer *rules_consumer_named(
	const struct rules *r, const char *name)
{
	for (size_t i = 0; i < r->consumer_count; i++)
		if (!strcmp(r->consumer[i].name, name))
			return &r->consumer[i];
	return NULL;
}

static int by_name(const void *key, const void *series)
{
	return strcmp(key, (*(const struct series *const *)series)->name);
}

const struct series *rules_series(const struct rules *r, const char *name)
{
	const struct series *const *s = bsearch(
		name, r->series, r->series_count, sizeof(*r->series), by_name);

	return s ? *s : NULL;
}

size_t rules_series_count(const struct rules *r)
{
	return r->series_count;
}

const struct series *rules_series_at(const struct rules *r, size_t i)
{
	return r->series[i];
}

const char *rules_kept(const struct rules *r, const char *series)
{
	for (size_t i = 0; i < r->council.kept_count; i++)
		if (!strcmp(r->council.kept[i].series, series))
			return r->council.kept[i].period;
	return "Y";
}

/* What all nodes from `below` up to `above`, `origin` aside, may hold; 0 when
 * `above` is not above. */
static uint8_t clearance_between(const struct rules *r, const struct series *s,
	size_t below, size_t above, size_t origin)
{
	uint8_t labels = s->labels;

	for (size_t at = below;; at = r->parent[at]) {
		if (at != origin)
			labels &= s->clearance[r->node[at].rank];
		if (at == above)
			return labels;
		if (at == r->root)
			return 0;
	}
}

uint8_t rules_clearance(const struct rules *r, const struct series *s,
	const char *origin, const char *holder)
{
	const struct node_info *o = rules_node(r, origin);
	const struct node_info *h = rules_node(r, holder);
	size_t from, to;
	uint8_t labels;

	if (!o || !h)
		return 0;
	from = (size_t)(o - r->node);
	to = (size_t)(h - r->node);
	labels = clearance_between(r, s, from, to, from);
	if (!labels && s->direction == DIRECTION_DOWN)
		labels = clearance_between(r, s, to, from, from);
	return labels;
}

static enum err_code log_node(const struct rules *r, const char *origin,
	const struct node_info **out, struct err *err)
{
	size_t domain = strlen(r->council.domain);
	const struct node_info *n;
	char code[CODE_SIZE];

	if (!origin_valid(origin, strlen(origin)))
		return err_set(
			err, ERR_DENIED, "no origin of a log: \"%s\"", origin);
	if (strncmp(origin, r->council.domain, domain) || origin[domain] != '/')
		return err_set(err, ERR_DENIED,
			"log %s is not of the domain %s", origin,
			r->council.domain);
	memcpy(code, origin + domain + 1, CODE_LEN);
	code[CODE_LEN] = '\0';
	if (!(n = rules_node(r, code)) || !n->enrolled)
		return err_set(err, ERR_DENIED,
			"node %s is not enrolled in head %llu", code,
			(unsigned long long)r->head.serial);
	*out = n;
	return ERR_OK;
}

enum err_code rules_log_key_at(const struct rules *r, const char *origin,
	size_t i, struct former_key *out, struct err *err)
{
	const struct node_info *n = NULL;
	enum err_code rc = log_node(r, origin, &n, err);
	size_t had = 1;

	if (rc)
		return rc;
	if (i == 0) {
		*out = (struct former_key){.key = n->log};
		return ERR_OK;
	}
	for (size_t k = 0; k < n->former_count; k++) {
		if (n->former[k].kind == FORMER_LOG && had++ == i) {
			*out = n->former[k];
			return ERR_OK;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "node %s has had %zu log keys",
		n->code, had);
}

enum err_code rules_log_key(const struct rules *r, const char *origin,
	struct sign_public *out, struct err *err)
{
	struct former_key key;
	enum err_code rc = rules_log_key_at(r, origin, 0, &key, err);

	if (rc == ERR_OK)
		*out = key.key;
	return rc;
}
