/* clearances.c - who could hold what of each series, head by head. */
#include "policies/clearances.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "policies/nodefile.h"

/* A series as heads in a row have it.  Heads are many, since each node that
 * comes makes one, and changes of a clearance are few. */
struct span {
	uint64_t first, last;
	struct series series; /* what rules_clearance() reads, and the name */
};

struct clearances {
	struct span *span;
	size_t count, cap;
	uint64_t reach; /* the last head */
};

void clearances_free(struct clearances *c)
{
	if (!c)
		return;
	free(c->span);
	free(c);
}

/* ---- heads ---- */

static bool same_series(const struct series *a, const struct series *b)
{
	return a->labels == b->labels && a->direction == b->direction &&
		!memcmp(a->clearance, b->clearance, sizeof(a->clearance));
}

static enum err_code add_series(struct clearances *c, uint64_t serial,
	const struct series *s, struct err *err)
{
	struct span *at;

	for (size_t i = 0; i < c->count; i++) {
		at = &c->span[i];
		if (at->last + 1 == serial &&
			!strcmp(at->series.name, s->name) &&
			same_series(&at->series, s)) {
			at->last = serial;
			return ERR_OK;
		}
	}
	if (!grow(&c->span, &c->cap, c->count, sizeof(*c->span)))
		return err_nomem(err);
	at = &c->span[c->count++];
	*at = (struct span){.first = serial, .last = serial};
	memcpy(at->series.name, s->name, sizeof(s->name));
	at->series.direction = s->direction;
	at->series.labels = s->labels;
	memcpy(at->series.clearance, s->clearance, sizeof(s->clearance));
	return ERR_OK;
}

static enum err_code add_rules(
	struct clearances *c, const struct rules *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < rules_series_count(r); i++) {
		const struct series *s = rules_series_at(r, i);

		if (!s->system)
			rc = add_series(c, rules_serial(r), s, err);
	}
	c->reach = rules_serial(r);
	return rc;
}

static enum err_code add_head(void *arg, struct rules *r, struct err *err)
{
	return add_rules(arg, r, err);
}

/* A governance of one's own, as for node_rules_of(). */
static enum err_code add_all(const struct node *n, struct clearances *c,
	uint64_t serial, struct err *err)
{
	char *path = file_join(n->data, NODE_GOVERNANCE);
	struct governance *g = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = governance_open(path, &g, err)))
		rc = governance_each_rules(
			g, serial, &n->config.root, add_head, c, err);
	governance_close(g);
	free(path);
	return rc;
}

/* One head more than is known needs no loading. */
static enum err_code copy_known(
	struct node *n, struct clearances *c, uint64_t serial, struct err *err)
{
	const struct clearances *old;
	enum err_code rc = ERR_OK;

	pthread_rwlock_rdlock(n->lock);
	old = n->clearances;
	if (old && old->reach + 1 == serial) {
		c->span = calloc(old->cap, sizeof(*c->span));
		if (c->span) {
			memcpy(c->span, old->span,
				old->count * sizeof(*c->span));
			c->count = old->count;
			c->cap = old->cap;
			c->reach = old->reach;
		} else {
			rc = err_nomem(err);
		}
	}
	pthread_rwlock_unlock(n->lock);
	return rc;
}

static bool reaches(struct node *n, uint64_t serial)
{
	bool is;

	pthread_rwlock_rdlock(n->lock);
	is = n->clearances && n->clearances->reach >= serial;
	pthread_rwlock_unlock(n->lock);
	return is;
}

enum err_code clearances_reach(
	struct node *n, const struct rules *rules, struct err *err)
{
	const uint64_t serial = rules_serial(rules);
	struct clearances *c, *old;
	enum err_code rc;

	if (reaches(n, serial))
		return ERR_OK;
	if (!(c = calloc(1, sizeof(*c))))
		return err_nomem(err);
	rc = copy_known(n, c, serial, err);
	if (!rc)
		rc = c->reach || serial == 1 ? add_rules(c, rules, err)
					     : add_all(n, c, serial, err);
	if (!rc) {
		pthread_rwlock_wrlock(n->lock);
		old = n->clearances;
		if (!old || old->reach < c->reach) {
			n->clearances = c;
			c = old;
		}
		pthread_rwlock_unlock(n->lock);
	}
	clearances_free(c);
	return rc;
}

/* ---- asking ---- */

uint8_t clearances_of(
	struct node *n, const struct clearance_asked *a, bool same, bool *fits)
{
	uint8_t labels = LABEL_ALL;

	*fits = false;
	pthread_rwlock_rdlock(n->lock);
	for (size_t i = 0; i < n->clearances->count; i++) {
		const struct span *at = &n->clearances->span[i];
		const struct series *s = &at->series;
		bool fit;

		if (at->last < a->first || at->first > a->last ||
			strcmp(s->name, a->entry->series))
			continue;
		fit = (size_t)__builtin_popcount(s->labels) ==
			a->entry->sd_count;
		*fits = *fits || fit;
		if (fit || !same)
			labels &= s->labels &
				rules_clearance(
					a->rules, s, a->code, a->holder);
	}
	pthread_rwlock_unlock(n->lock);
	return labels;
}

uint8_t clearances_ever(struct node *n, const struct rules *rules,
	const char *series, const char *code, const char *holder)
{
	uint8_t labels = 0;

	pthread_rwlock_rdlock(n->lock);
	for (size_t i = 0; i < n->clearances->count; i++) {
		const struct series *s = &n->clearances->span[i].series;

		if (!strcmp(s->name, series))
			labels |= s->labels &
				rules_clearance(rules, s, code, holder);
	}
	pthread_rwlock_unlock(n->lock);
	return labels;
}
