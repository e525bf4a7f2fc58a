/* bounds.c - which parts of a record a node may hold by the rules of now and by
 * those of its capture. */
#include "policies/bounds.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "policies/clearances.h"
#include "policies/policy.h"

enum err_code bounds_begin(struct bounds *b, struct node *n,
	const struct rules *rules, const char *origin,
	const struct log_info *log, const char *holder, struct err *err)
{
	*b = (struct bounds){
		.node = n, .rules = rules, .log = log, .holder = holder};
	if (!log_code(origin, b->code))
		return err_set(err, ERR_PROTOCOL, "no origin: %s", origin);
	return ERR_OK;
}

/* ---- the head of its capture ---- */

/* What lies below the end of a log does not change, so it is looked at once:
 * records are given and taken in their order. */
static struct policy_memo memo_of(const struct bounds *b, uint64_t seq)
{
	struct policy_memo m;

	pthread_rwlock_rdlock(b->node->lock);
	m = b->node->memo[b->log->id % ARRAY_LEN(b->node->memo)];
	pthread_rwlock_unlock(b->node->lock);
	return m.log == b->log->id && m.serial && m.end <= seq
		? m
		: (struct policy_memo){.end = 0};
}

static void keep_memo(const struct bounds *b, uint64_t end, uint64_t serial)
{
	pthread_rwlock_wrlock(b->node->lock);
	b->node->memo[b->log->id % ARRAY_LEN(b->node->memo)] =
		(struct policy_memo){b->log->id, end, serial};
	pthread_rwlock_unlock(b->node->lock);
}

/* A record that is damaged may have named any head from the one before it on;
 * so may those of which we have single ones only. */
static enum err_code ask_log(
	struct bounds *b, uint64_t seq, uint64_t newest, struct err *err)
{
	struct policy_memo memo = {.end = 0};
	uint64_t serial = 0;
	uint64_t end = seq;
	bool sure = false;
	enum err_code rc;

	if (b->log) {
		/* What comes behind its end was told by bounds_past(). */
		if (end > b->log->size)
			end = b->log->size;
		memo = memo_of(b, end);
		rc = policy_between(b->node->store, b->log->id, memo.end, end,
			&serial, &sure, err);
		if (rc)
			return rc;
		if (!serial)
			serial = memo.serial;
		if (serial && sure)
			keep_memo(b, end, serial);
	}
	b->first = serial ? serial : 1;
	b->last = serial && sure ? serial : newest;
	b->asked = true;
	b->end = seq;
	return ERR_OK;
}

void bounds_past(struct bounds *b, uint64_t seq, const struct record *r)
{
	struct entry e;
	uint64_t serial;

	if (entry_parse(r->entry, r->entry_len, &e, NULL) ||
		strcmp(e.series, "sys-policy"))
		return;
	b->asked = policy_of(r, &serial);
	if (b->asked)
		b->first = b->last = serial;
	b->end = seq + 1;
}

/* ---- bounds ---- */

static uint8_t ask(const struct bounds *b, const struct entry *e,
	uint64_t first, uint64_t last, bool same, bool *fits)
{
	struct clearance_asked a = {.rules = b->rules,
		.entry = e,
		.code = b->code,
		.holder = b->holder,
		.first = first,
		.last = last};

	return clearances_of(b->node, &a, same, fits);
}

static void bound_then(const struct bounds *b, const struct entry *e,
	uint64_t newest, struct bound *out)
{
	uint64_t first = b->first < newest ? b->first : newest;
	uint64_t last = b->last < newest ? b->last : newest;
	bool fits, any;
	uint8_t then = ask(b, e, first, last, true, &fits);

	/* A log may name a head that is another one here (docs/rules.md,
	 * rivals): then it may be of any. */
	if (!fits) {
		first = 1;
		then = ask(b, e, first, newest, true, &any);
		if (!any)
			then = 0;
	}
	out->sure = fits && first == last;
	out->fits = fits;
	out->must = out->may & then & ask(b, e, first, newest, false, &any);
	out->may &= then;
}

enum err_code bounds_of(struct bounds *b, uint64_t seq, const struct entry *e,
	struct bound *out, struct err *err)
{
	const struct series *s = rules_series(b->rules, e->series);
	uint8_t now = entry_clearance(b->rules, e, b->code, b->holder);
	struct rules *force;
	uint64_t newest;
	bool as_now, any;
	enum err_code rc;

	as_now = s && (size_t)__builtin_popcount(s->labels) == e->sd_count;
	*out = (struct bound){
		.may = now, .must = now, .sure = true, .fits = as_now};
	if (!s || s->system || (!now && as_now) || !strcmp(b->code, b->holder))
		return ERR_OK;
	force = node_rules(b->node);
	newest = rules_serial(force);
	rc = clearances_reach(b->node, force, err);
	rules_unref(force);
	if (rc)
		return err_while(err, rc, "rules before those in force");
	if (as_now && !(now & (uint8_t)~ask(b, e, 1, newest, false, &any)))
		return ERR_OK;
	if ((!b->asked || b->end > seq) && (rc = ask_log(b, seq, newest, err)))
		return rc;
	bound_then(b, e, newest, out);
	return ERR_OK;
}

enum err_code bounds_cut(struct bounds *b, struct run *run, struct err *err)
{
	struct entry e;
	enum err_code rc;

	for (size_t i = 0; i < run->count; i++) {
		struct record *r = &run->record[i];
		uint64_t seq = run->start + i;
		struct bound bound;

		if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
			return err_while(err, ERR_CORRUPT,
				"entry %" PRIu64 " in the store", seq);
		if ((rc = bounds_of(b, seq, &e, &bound, err)))
			return rc;
		bounds_past(b, seq, r);
		r->have &= bound.may;
		r->erased &= bound.may;
	}
	return ERR_OK;
}
