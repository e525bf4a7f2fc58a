/* replica_look.c - what a session has to know of its node: hello and news. */
#include "syncd/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- logs, gathered first so that nothing is read inside a walk ---- */

struct logs {
	struct log_info *log;
	size_t count, cap;
};

static enum err_code add_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct logs *list = arg;

	if (!grow(&list->log, &list->cap, list->count, sizeof(*list->log)))
		return err_nomem(err);
	list->log[list->count++] = *log;
	return ERR_OK;
}

static enum err_code add_seen(struct seen_logs *list,
	const struct log_info *log, uint64_t note, struct err *err)
{
	struct seen_log *s;

	if (list->count == SESSION_ROWS_LIMIT)
		return err_set(err, ERR_LIMIT, "more than %d logs",
			SESSION_ROWS_LIMIT);
	if (!grow(&list->log, &list->cap, list->count, sizeof(*list->log)))
		return err_nomem(err);
	s = &list->log[list->count++];
	*s = (struct seen_log){.size = log->checkpoint_size,
		.note = note,
		.cosigned_size = log->cosigned_size};
	memcpy(s->origin, log->origin, sizeof(s->origin));
	return ERR_OK;
}

static enum err_code see_up(
	void *arg, const struct log_info *log, struct err *err)
{
	return add_seen(arg, log, 0, err);
}

static enum err_code look_up(struct ask *a, struct node *n, struct err *err)
{
	struct log_info own;
	enum err_code rc;

	a->logs.count = 0;
	if ((rc = exchange_each_up(n, see_up, &a->logs, err)))
		return rc;
	rc = store_log_own(n->store, &own, err);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < a->logs.count; i++)
		a->logs.log[i].own = !strcmp(a->logs.log[i].origin, own.origin);
	return rc;
}

/* ---- cosigned notes ---- */

static bool is_below(const struct log_info *log, const char *code)
{
	const char *origin = origin_code(log->origin);

	return origin && code_within(origin, code);
}

static enum err_code note_mark(struct node *n, const struct log_info *log,
	uint64_t *mark, struct err *err)
{
	struct buf note = BUF_EMPTY;
	struct digest d;
	struct cursor c;
	enum err_code rc;

	rc = store_note(n->store, log->id, NOTE_COSIGNED, &note, err);
	if (rc == ERR_OK) {
		d = digest_of(note.data, note.len);
		c = cursor_over(d.b, sizeof(d.b));
		*mark = cursor_u64(&c);
	}
	buf_free(&note);
	return rc;
}

/* Parent: the notes that the child may lack. */
static enum err_code look_notes(
	struct ask *a, struct node *n, const struct logs *all, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < all->count; i++) {
		const struct log_info *log = &all->log[i];
		uint64_t mark = 0;

		if (log->kind != LOG_FULL || log->cosigned_size == 0 ||
			!is_below(log, a->peer))
			continue;
		if ((rc = note_mark(n, log, &mark, err)) == ERR_OK)
			rc = add_seen(&a->logs, log, mark, err);
	}
	return rc;
}

/* ---- hello ---- */

static bool same_sizes(const struct seen_logs *a, const struct seen_logs *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->log[i].origin, b->log[i].origin) ||
			a->log[i].size != b->log[i].size)
			return false;
	}
	return true;
}

/* The hash and the rows it stands for must be of one instant, while records
 * are being put: taken until two looks agree.  Where they never do the hash is
 * zero, which matches nothing, and the parent sends its rows. */
static enum err_code hash_up(struct ask *a, struct node *n, struct err *err)
{
	struct seen_logs before = {0};
	bool same = false;
	enum err_code rc = look_up(a, n, err);

	for (int i = 0; rc == ERR_OK && !same && i < 4; i++) {
		struct seen_logs swap = before;

		before = a->logs;
		a->logs = swap;
		if ((rc = exchange_hash_up(n, &a->hello.origins, err)) ||
			(rc = look_up(a, n, err)))
			break;
		same = same_sizes(&before, &a->logs);
	}
	if (!same)
		memset(&a->hello.origins, 0, sizeof(a->hello.origins));
	free(before.log);
	return rc;
}

static enum err_code last_seq(void *arg, uint64_t seq, struct err *err)
{
	uint64_t *next = arg;

	(void)err;
	*next = seq + 1;
	return ERR_OK;
}

/* protocol 3.1: "until it knows that it has all orders, its settled logs of
 * which the parent has more". */
static enum err_code add_lost(struct ask *a, struct node *n, struct err *err)
{
	struct settled s;
	enum err_code rc = ERR_OK;

	if (orders_now(n))
		return ERR_OK;
	for (size_t i = 0; rc == ERR_OK && epoch_settled_at(n, i, &s) &&
		a->hello.down.count < SESSION_ROWS_LIMIT;
		i++)
		if (s.size > s.common)
			rc = rows_add(&a->hello.down, s.origin, s.common,
				s.common, err);
	return rc;
}

/* Where the entries that come down to us go on. */
static enum err_code add_down(struct ask *a, struct node *n, struct err *err)
{
	struct logs logs = {0};
	enum err_code rc = store_log_each(n->store, add_log, &logs, err);

	for (size_t i = 0; rc == ERR_OK && i < logs.count &&
		a->hello.down.count < SESSION_ROWS_LIMIT;
		i++) {
		uint64_t next = 0;

		if (logs.log[i].kind != LOG_SPARSE)
			continue;
		rc = store_sparse_each(
			n->store, logs.log[i].id, 0, last_seq, &next, err);
		if (rc == ERR_OK && next > 0)
			rc = rows_add(&a->hello.down, logs.log[i].origin, next,
				next, err);
	}
	free(logs.log);
	return rc ? rc : add_lost(a, n, err);
}

static enum err_code add_closed(struct ask *a, struct node *n, struct err *err)
{
	struct settled s;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && epoch_settled_at(n, i, &s); i++)
		rc = rows_add(&a->closed, s.origin, s.size, s.size, err);
	return rc;
}

static enum err_code hello_child(struct ask *a, struct node *n, struct err *err)
{
	enum err_code rc;

	if ((rc = hash_up(a, n, err)) || (rc = add_closed(a, n, err)))
		return rc;
	for (size_t i = 0; i < a->logs.count; i++) {
		const struct seen_log *s = &a->logs.log[i];

		if (!s->own || s->cosigned_size == 0)
			continue;
		memcpy(a->hello.cosigned.origin, s->origin, ORIGIN_SIZE);
		a->hello.cosigned.n = a->hello.cosigned.known =
			s->cosigned_size;
	}
	return add_down(a, n, err);
}

static enum err_code hello_parent(struct ask *a, struct node *n,
	const struct digest *theirs, struct err *err)
{
	struct logs logs = {0};
	enum err_code rc;
	bool same;

	if ((rc = exchange_hash_from(n, a->peer, &a->hello.origins, err)) ||
		(rc = store_log_each(n->store, add_log, &logs, err)) ||
		(rc = look_notes(a, n, &logs, err)))
		goto out;
	same = digest_equal(&a->hello.origins, theirs);
	for (size_t i = 0; rc == ERR_OK && !same && i < logs.count; i++) {
		const struct log_info *log = &logs.log[i];

		if (log->kind == LOG_FULL && is_below(log, a->peer))
			rc = rows_add(&a->hello.rows, log->origin, log->size,
				exchange_known_size(log), err);
	}
out:
	free(logs.log);
	return rc;
}

/* A stranger gets the head of our rules and no more: not even how much there
 * is here. */
enum err_code hello_run(struct ask *a, struct replica *r, struct err *err)
{
	struct hello theirs = a->hello;
	struct hello *h = &a->hello;
	enum err_code rc = ERR_OK;

	*h = (struct hello){.version = PROTOCOL_VERSION,
		.governance = rules_serial(r->rules),
		.statement = *rules_statement(r->rules)};
	memcpy(h->code, r->node->config.code, CODE_SIZE);
	memcpy(h->domain, r->node->config.domain, DOMAIN_SIZE);
	if (a->peer[0] && a->role == SESSION_CHILD) {
		h->known = true;
		rc = hello_child(a, r->node, err);
	} else if (a->peer[0] && theirs.known) {
		h->known = true;
		rc = hello_parent(a, r->node, &theirs.origins, err);
	}
	if (rc == ERR_OK)
		rc = hello_write(h, &a->out, err);
	hello_fini(&theirs);
	return rc;
}

/* ---- news ---- */

struct cosigning {
	struct node *node;
	const struct logs *logs; /* those that lack it */
};

/* A note that came with others' lines still lacks ours. */
static enum err_code has_our_line(
	struct node *n, const struct log_info *log, bool *has, struct err *err)
{
	char name[NOTE_NAME_SIZE];
	struct buf bytes = BUF_EMPTY;
	struct note note = {0};
	enum err_code rc;

	*has = false;
	snprintf(name, sizeof(name), "%s/%s/witness", n->config.domain,
		n->config.code);
	if ((rc = store_note(n->store, log->id, NOTE_COSIGNED, &bytes, err)) ||
		(rc = note_parse(bytes.data, bytes.len, &note, err)))
		goto out;
	for (size_t i = 0; i < note.count; i++)
		*has = *has || !strcmp(note.line[i].name, name);
out:
	buf_free(&bytes);
	return rc;
}

static enum err_code add_lacking(struct node *n, const struct log_info *log,
	const char *peer, struct logs *lacking, struct err *err)
{
	bool has = false;
	enum err_code rc = ERR_OK;

	if (log->kind != LOG_FULL || log->checkpoint_size == 0 ||
		!is_below(log, peer))
		return ERR_OK;
	if (log->cosigned_size >= log->checkpoint_size)
		rc = has_our_line(n, log, &has, err);
	return rc || has ? rc : add_log(lacking, log, err);
}

static enum err_code cosign_job(struct batch *b, void *arg, struct err *err)
{
	struct cosigning *c = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < c->logs->count; i++) {
		struct buf note = BUF_EMPTY;

		rc = exchange_cosign(
			b, c->node, c->logs->log[i].origin, &note, err);
		buf_free(&note);
	}
	return rc;
}

/* Whatever is complete and lacks our cosignature gets it here, also what a
 * crash left without: one path, one sync for all. */
static enum err_code cosign(
	struct ask *a, struct replica *r, struct logs *all, struct err *err)
{
	struct logs lacking = {0};
	struct cosigning c = {r->node, &lacking};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < all->count; i++)
		rc = add_lacking(r->node, &all->log[i], a->peer, &lacking, err);
	if (rc == ERR_OK && lacking.count) {
		rc = writer_run(r->writer, cosign_job, &c, err);
		a->changed = rc == ERR_OK;
		all->count = 0;
		if (rc == ERR_OK)
			rc = store_log_each(r->node->store, add_log, all, err);
	}
	free(lacking.log);
	return rc;
}

struct wanting {
	struct ask *ask;
	const struct logs *logs;
	const char *code; /* the child's, whichever side we are */
};

/* What came from below the child is asked of the child, the rest of the parent;
 * of the parent too what we had ourselves, and lost. */
static bool other_has_it(const struct wanting *w, uint32_t log)
{
	for (size_t i = 0; i < w->logs->count; i++) {
		const struct log_info *l = &w->logs->log[i];

		if (l->id != log)
			continue;
		if (w->ask->role == SESSION_CHILD && l->kind == LOG_OWN)
			return true;
		return is_below(l, w->code) == (w->ask->role == SESSION_PARENT);
	}
	return false;
}

static enum err_code on_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct wanting *w = arg;
	struct ask *a = w->ask;

	(void)err;
	if (!other_has_it(w, ref->log))
		return ERR_OK;
	a->wanted_total++;
	if (a->wanted_count < WANTED_AT_ONCE &&
		!digests_have(&a->skip, &ref->object))
		a->wanted[a->wanted_count++] = *ref;
	return ERR_OK;
}

static enum err_code look_here(struct ask *a, struct node *n, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < a->absent.count; i++) {
		if (attachment_here(n->data, &a->absent.d[i]))
			rc = digests_add(&a->here, &a->absent.d[i], err);
	}
	return rc;
}

enum err_code look_run(struct ask *a, struct replica *r, struct err *err)
{
	struct node *n = r->node;
	struct logs all = {0};
	struct wanting w = {a, &all, n->config.code};
	enum err_code rc;

	if ((rc = store_log_each(n->store, add_log, &all, err)))
		goto out;
	if (a->role == SESSION_PARENT) {
		w.code = a->peer;
		if ((rc = cosign(a, r, &all, err)) ||
			(rc = look_notes(a, n, &all, err)))
			goto out;
	} else if ((rc = look_up(a, n, err)) || (rc = orders_refresh(n, err))) {
		goto out;
	} else {
		/* Parts that go by themselves wait for it, too. */
		a->orders = orders_waiting(n) || !orders_now(n);
	}
	if ((rc = store_wanted_each(n->store, on_wanted, &w, err)) ||
		(rc = look_here(a, n, err)))
		goto out;
	if (a->room)
		a->lacks = repair_next(n, a->peer,
			a->role == SESSION_CHILD ? REPAIR_PARENT : REPAIR_CHILD,
			&a->again);
out:
	free(all.log);
	return rc;
}
