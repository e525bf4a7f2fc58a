/* settle.c - what only we have of a closed epoch is entered again. */
#include "policies/settle.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/policy.h"
#include "policies/repair.h"

#define SETTLED_FILE "epochs"
#define SETTLED_FILE_LIMIT ((size_t)SETTLED_LIMIT * 256)

/* ---- the list, in memory and in DATA/epochs ---- */

static bool settled_parse_line(const char *line, size_t len, struct settled *s)
{
	char text[256], root[BASE64_SIZE(DIGEST_SIZE)];
	size_t got = 0;
	int used = 0;

	if (len >= sizeof(text))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	memset(s, 0, sizeof(*s));
	return sscanf(text,
		       "%127s %20" SCNu64 " %44s %20" SCNu64 " %20" SCNu64 "%n",
		       s->origin, &s->size, root, &s->common, &s->entered,
		       &used) == 5 &&
		(size_t)used == len &&
		origin_valid(s->origin, strlen(s->origin)) &&
		base64_decode(root, strlen(root), s->root.b, sizeof(s->root.b),
			&got) &&
		got == sizeof(s->root.b);
}

/* It only saves work: without it a log is settled once more, which adds
 * nothing. */
enum err_code settled_load(struct node *n, struct err *err)
{
	char *path = file_join(n->data, SETTLED_FILE);
	struct settled *list = calloc(SETTLED_LIMIT, sizeof(*list));
	struct buf text = BUF_EMPTY;
	struct cursor c;
	size_t count = 0, len;
	const char *line;

	if (!path || !list) {
		free(path);
		free(list);
		return err_nomem(err);
	}
	if (file_read(path, SETTLED_FILE_LIMIT, &text, NULL) == ERR_OK) {
		c = cursor_over(text.data, text.len);
		while (count < SETTLED_LIMIT && (line = cursor_line(&c, &len)))
			count += settled_parse_line(line, len, &list[count]);
	}
	n->settled = list;
	n->settled_count = count;
	buf_free(&text);
	free(path);
	return ERR_OK;
}

static enum err_code settled_save(struct node *n, struct err *err)
{
	char *path = file_join(n->data, SETTLED_FILE);
	struct buf text = BUF_EMPTY;
	char root[BASE64_SIZE(DIGEST_SIZE)];
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	for (size_t i = 0; i < n->settled_count; i++) {
		const struct settled *s = &n->settled[i];

		base64_encode(s->root.b, sizeof(s->root.b), root);
		buf_printf(&text, "%s %" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n",
			s->origin, s->size, root, s->common, s->entered);
	}
	if ((rc = buf_ok(&text, err)) == ERR_OK)
		rc = file_replace(path, text.data, text.len, 0600, err);
	buf_free(&text);
	free(path);
	return rc;
}

static struct settled *find(const struct node *n, const char *origin)
{
	for (size_t i = 0; i < n->settled_count; i++)
		if (!strcmp(n->settled[i].origin, origin))
			return &n->settled[i];
	return NULL;
}

/* One caller at a time; readers take the lock. */
static enum err_code settled_add(
	struct node *n, const struct settled *s, struct err *err)
{
	struct settled *old;
	bool room;

	pthread_rwlock_wrlock(n->lock);
	old = find(n, s->origin);
	room = old || n->settled_count < SETTLED_LIMIT;
	if (old)
		*old = *s;
	else if (room)
		n->settled[n->settled_count++] = *s;
	pthread_rwlock_unlock(n->lock);
	if (!room)
		return err_set(err, ERR_LIMIT, "more than %d closed logs",
			SETTLED_LIMIT);
	return settled_save(n, err);
}

bool epoch_settled(struct node *n, const char *origin, struct settled *out)
{
	const struct settled *s;

	pthread_rwlock_rdlock(n->lock);
	s = find(n, origin);
	if (s && out)
		*out = *s;
	pthread_rwlock_unlock(n->lock);
	return s != NULL;
}

uint64_t epoch_common(struct node *n, const struct log_info *log)
{
	struct settled s;

	if (log->kind == LOG_OWN && epoch_settled(n, log->origin, &s) &&
		s.common < log->size)
		return s.common;
	return log->size;
}

bool epoch_settled_at(struct node *n, size_t i, struct settled *out)
{
	bool is;

	pthread_rwlock_rdlock(n->lock);
	if ((is = i < n->settled_count))
		*out = n->settled[i];
	pthread_rwlock_unlock(n->lock);
	return is;
}

/* ---- one record again ---- */

struct reentry {
	struct node *node;
	struct rules *rules;
	struct log_info old;
	const struct run *run; /* a chunk of it under one head's rules */
	uint64_t then, now;    /* that head, and the one in force */
	struct buf then_text, now_text;
};

/* Revisions of an id that are ours. */
struct ours {
	const struct reentry *a;
	uint64_t rev;
	bool there;    /* in a later epoch */
	bool has_prev; /* the revision before is in a later epoch */
	uint32_t log;
	uint64_t seq;
};

static enum err_code see_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct ours *o = arg;
	struct log_info info;
	enum err_code rc;

	if (log <= o->a->old.id || (rev != o->rev && rev + 1 != o->rev))
		return ERR_OK;
	if ((rc = store_log_by_id(o->a->node->store, log, &info, err)))
		return rc;
	if (info.kind != LOG_OWN)
		return ERR_OK;
	if (rev == o->rev) {
		o->there = true;
	} else {
		o->has_prev = true;
		o->log = log;
		o->seq = seq;
	}
	return ERR_OK;
}

/* Which rules hold, and how it came to this epoch, the new log says itself. */
static bool goes_again(const struct entry *e)
{
	return strcmp(e->series, "sys-policy") != 0 &&
		strcmp(e->series, EPOCH_SERIES) != 0;
}

/* The digests of the parts that are not here stand as they stood. */
static enum err_code fresh_digests(const struct record *from, struct record *to,
	struct entry *e, struct err *err)
{
	struct digest old;
	enum err_code rc = ERR_OK;

	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
		const struct part *p = &from->part[l];
		bool found = false;

		if (!(from->have & LABEL_BIT(l)))
			continue;
		if ((rc = part_digest(p->seed, (enum label)l, p->json, p->len,
			     &old, err)) ||
			(rc = random_bytes(to->part[l].seed, SEED_SIZE, err)))
			break;
		for (size_t i = 0; rc == ERR_OK && !found && i < e->sd_count;
			i++) {
			if (!(found = digest_equal(&e->sd[i], &old)))
				continue;
			rc = part_digest(to->part[l].seed, (enum label)l,
				p->json, p->len, &e->sd[i], err);
		}
		if (rc == ERR_OK && !found)
			rc = err_set(err, ERR_CORRUPT,
				"part %s of a record is not in its entry",
				label_name((enum label)l));
	}
	return rc;
}

/* What was destroyed stays destroyed. */
static enum err_code erase_again(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *from, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
		struct erase_target t = {log, seq, (enum label)l};

		if (from->erased & LABEL_BIT(l))
			rc = batch_erase(b, &t, 1, &from->erasure[l], err);
	}
	return rc;
}

static enum err_code append_again(struct batch *b, const struct reentry *a,
	const struct record *from, struct entry *e, struct err *err)
{
	struct record r = *from;
	struct buf text = BUF_EMPTY;
	struct log_info own;
	uint64_t seq = 0;
	enum err_code rc;

	r.digested = 0;
	if ((rc = fresh_digests(from, &r, e, err)) ||
		(rc = entry_write(e, &text, err)) || (rc = buf_ok(&text, err)))
		goto out;
	r.entry = (const char *)text.data;
	r.entry_len = text.len;
	r.leaf = tree_leaf(text.data, text.len);
	if ((rc = batch_log_own(b, &own, err)) ||
		(rc = batch_append(b, own.id, &r, &seq, err)) ||
		(rc = erase_again(b, own.id, seq, from, err)))
		goto out;
	rc = refer_record(b, a->rules, own.id, seq, &r, err);
out:
	buf_free(&text);
	return rc;
}

/* *added stays false where a later epoch has it. */
static enum err_code enter_again(struct batch *b, const struct reentry *a,
	const struct record *from, struct entry *e, bool *added,
	struct err *err)
{
	struct ours o = {.a = a, .rev = e->rev};
	struct record_known before;
	struct run run = {0};
	enum err_code rc;

	rc = batch_find_id(b, e->uuid, see_revision, &o, err);
	if ((rc && rc != ERR_NOT_FOUND) || o.there)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	if (e->has_prev && o.has_prev) {
		rc = batch_read(b, o.log, o.seq, 1, 0, &run, err);
		if (rc == ERR_OK)
			e->prev = run.record[0].leaf;
		else if (rc == ERR_CORRUPT &&
			!(rc = store_known(a->node->store, o.log, o.seq,
				  &before, err))) {
			e->has_prev = before.has_leaf;
			e->prev = before.leaf;
		}
		run_free(&run);
		if (rc)
			return rc;
	}
	if (!*added && a->then != a->now &&
		(rc = policy_again(b, a->node, &a->then_text, err)))
		return rc;
	*added = true;
	return append_again(b, a, from, e, err);
}

/* One chunk.  Its rules are named before it where they are others than those
 * in force, which are named again behind it: so the newest sys-policy is that
 * of the rules in force whenever a group ends.  May run twice. */
static enum err_code again_job(struct batch *b, void *arg, struct err *err)
{
	const struct reentry *a = arg;
	bool added = false;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < a->run->count; i++) {
		const struct record *r = &a->run->record[i];
		struct entry e;

		if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
			rc = err_while(err, ERR_CORRUPT, "closed log");
		else if (goes_again(&e))
			rc = enter_again(b, a, r, &e, &added, err);
	}
	if (rc == ERR_OK && added && a->then != a->now)
		rc = policy_again(b, a->node, &a->now_text, err);
	return rc;
}

/* The order that a log of ours lost with its end is signed by officers: where
 * it stands does not count. */
enum err_code epoch_enter_order(struct batch *b, struct node *n,
	const struct record *from, struct err *err)
{
	struct reentry a = {.node = n, .rules = node_rules(n)};
	struct ours o = {.a = &a, .rev = 1};
	struct entry e;
	enum err_code rc;

	if (!(rc = entry_parse(from->entry, from->entry_len, &e, err)) &&
		(rc = batch_find_id(b, e.uuid, see_revision, &o, err)) ==
			ERR_NOT_FOUND)
		rc = ERR_OK;
	if (!rc)
		rc = o.there ? err_set(err, ERR_EXISTS,
				       "order %s was entered before", e.id)
			     : append_again(b, &a, from, &e, err);
	rules_unref(a.rules);
	return rc;
}

/* ---- a closed log ---- */

/* Cuts the run behind its first sys-policy, so that one head's rules hold for
 * what is left; tells how many records are to be entered again. */
static uint64_t cut_chunk(struct run *run)
{
	uint64_t serial, count = 0;
	struct entry e;

	for (size_t i = 0; i < run->count; i++) {
		const struct record *r = &run->record[i];

		if (policy_of(r, &serial))
			run->count = i + 1;
		else if (entry_parse(r->entry, r->entry_len, &e, NULL) ==
				ERR_OK &&
			goes_again(&e))
			count++;
	}
	return count;
}

static enum err_code enter_chunk(struct reentry *a, struct writer *w,
	uint64_t *at, uint64_t *entered, struct err *err)
{
	struct store *s = a->node->store;
	uint64_t end = (*at / RUN_LIMIT + 1) * RUN_LIMIT;
	struct log_info own;
	struct run run = {0};
	size_t skipped;
	uint64_t count;
	enum err_code rc;

	if (end > a->old.size)
		end = a->old.size;
	/* What is damaged cannot be entered again. */
	if ((rc = store_read_past(s, a->old.id, *at, (size_t)(end - *at),
		     LABEL_ALL, &run, &skipped, err)))
		return rc;
	*at += skipped;
	count = cut_chunk(&run);
	a->run = &run;
	if (count &&
		((rc = policy_text(
			  s, &a->old, *at, &a->then, &a->then_text, err)) ||
			(rc = store_log_own(s, &own, err)) ||
			(rc = policy_text(s, &own, own.size, &a->now,
				 &a->now_text, err)) ||
			(rc = node_run_job(a->node, w, again_job, a, err))))
		goto out;
	*at += run.count;
	*entered += count;
	crash_point("epoch.entered-some");
out:
	run_free(&run);
	return rc;
}

struct mark {
	struct node *node;
	enum epoch_reason reason;
	struct settled *s;
	struct digest root; /* at s->common; lost: what is above */
	uint64_t size, to;
};

static struct json *mark_fields(const struct mark *m)
{
	struct json *fields =
		epoch_fields(m->reason, m->s->origin, m->size, &m->root);
	struct json *entered;

	if (!fields || m->reason != EPOCH_ENTERED)
		return fields;
	entered = json_new_object();
	if (entered &&
		json_set(entered, "count", json_new_u64(m->s->entered)) &&
		json_set(entered, "from", json_new_u64(m->s->common)) &&
		json_set(entered, "to", json_new_u64(m->to))) {
		if (json_set(fields, "entered", entered))
			return fields;
		entered = NULL;
	}
	json_free(entered);
	json_free(fields);
	return NULL;
}

static enum err_code mark_job(struct batch *b, void *arg, struct err *err)
{
	const struct mark *m = arg;
	struct receipt r;

	return system_record(b, m->node, "sys-epoch", mark_fields(m), &r, err);
}

/* Is there a sys-epoch of this reason about the log already, in one of ours
 * that is newer than `after`? */
struct marks {
	struct store *store;
	const struct mark *mark;
	uint32_t after;
	bool found;
};

static enum err_code look_in_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct marks *m = arg;
	enum err_code rc = ERR_OK;

	if (log->kind != LOG_OWN || log->id <= m->after)
		return ERR_OK;
	for (uint64_t end = log->size; !rc && !m->found && end > 0;) {
		uint64_t from = (end - 1) / RUN_LIMIT * RUN_LIMIT, size;
		char origin[ORIGIN_SIZE];
		enum epoch_reason reason;
		struct run run = {0};
		size_t skipped;

		rc = store_read_past(m->store, log->id, from,
			(size_t)(end - from), LABEL_BIT(LABEL_INTERNAL), &run,
			&skipped, err);
		for (size_t i = 0; !rc && !m->found && i < run.count; i++)
			m->found = epoch_fields_parse(&run.record[i], &reason,
					   origin, &size, NULL) &&
				reason == m->mark->reason &&
				!strcmp(origin, m->mark->s->origin);
		run_free(&run);
		end = from;
	}
	return rc;
}

static enum err_code write_mark(struct node *n, struct writer *w,
	struct mark *m, uint32_t after, struct err *err)
{
	struct marks marks = {.store = n->store, .mark = m, .after = after};
	enum err_code rc;

	if ((rc = store_log_each(n->store, look_in_log, &marks, err)) ||
		marks.found)
		return rc;
	return node_run_job(n, w, mark_job, m, err);
}

static enum err_code settle_here(struct node *n, struct writer *w,
	const struct log_info *log, struct settled *s, struct err *err)
{
	struct reentry a = {.node = n, .old = *log, .rules = node_rules(n)};
	struct mark m = {.node = n, .reason = EPOCH_ENTERED, .s = s};
	uint64_t at = s->common;
	enum err_code rc = ERR_OK;

	s->entered = 0;
	while (rc == ERR_OK && at < log->size)
		rc = enter_chunk(&a, w, &at, &s->entered, err);
	m.size = s->common;
	m.to = log->size;
	m.root = tree_empty();
	if (rc == ERR_OK && s->common > 0)
		rc = log_root_at(n->store, log, s->common, &m.root, err);
	if (rc == ERR_OK && s->entered > 0)
		rc = write_mark(n, w, &m, log->id, err);
	rules_unref(a.rules);
	buf_free(&a.then_text);
	buf_free(&a.now_text);
	return rc;
}

static enum err_code settle_lost(
	struct node *n, struct writer *w, struct settled *s, struct err *err)
{
	struct mark m = {.node = n,
		.reason = EPOCH_LOST,
		.s = s,
		.root = s->root,
		.size = s->size};

	s->common = s->entered = 0;
	return write_mark(n, w, &m, 0, err);
}

enum err_code epoch_settle(
	struct node *n, struct writer *w, struct settled *s, struct err *err)
{
	struct log_info log, own;
	struct settled before;
	bool known = epoch_settled(n, s->origin, &before);
	enum err_code rc;

	if ((rc = store_log_own(n->store, &own, err)))
		return rc;
	if (!strcmp(own.origin, s->origin))
		return err_set(
			err, ERR_USAGE, "%s is being written", s->origin);
	rc = store_log_find(n->store, s->origin, &log, err);
	if (known && (rc == ERR_OK || rc == ERR_NOT_FOUND)) {
		s->common = before.common;
		s->entered = before.entered;
		return settled_add(n, s, err);
	}
	if (rc == ERR_NOT_FOUND)
		rc = settle_lost(n, w, s, err);
	else if (rc == ERR_OK && log.kind != LOG_OWN)
		return err_set(err, ERR_DENIED, "%s is not a log of this node",
			s->origin);
	else if (rc == ERR_OK)
		rc = s->common > log.size
			? err_set(err, ERR_USAGE,
				  "%" PRIu64
				  " entries of %s, here are %" PRIu64,
				  s->common, s->origin, log.size)
			: settle_here(n, w, &log, s, err);
	if (rc)
		return err_while(err, rc, "settle %s", s->origin);
	crash_point("epoch.marked");
	return settled_add(n, s, err);
}
