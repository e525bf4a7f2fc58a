/* take.c - what a node takes from another, verified before it is stored. */
#include "policies/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/epoch.h"
#include "policies/judge.h"
#include "policies/logs.h"
#include "policies/message.h"
#include "policies/orders.h"

struct taken {
	struct node *node;
	enum taken_kind kind;
	enum log_kind log_kind; /* to start the log with */
	char origin[ORIGIN_SIZE];
	uint64_t size;	  /* taken_size() */
	uint64_t pending; /* checkpoint: the pending size it was judged by */
	bool cosigned;
	struct buf text; /* the note, or the proof */
	struct run run;
	struct erasure *erasures;    /* of the run's records */
	struct attachment_ref *refs; /* log is not yet set */
	size_t ref_count;
};

void taken_free(struct taken *t)
{
	if (!t)
		return;
	buf_free(&t->text);
	run_free(&t->run);
	free(t->erasures);
	free(t->refs);
	free(t);
}

enum taken_kind taken_kind(const struct taken *t)
{
	return t->kind;
}

const char *taken_origin(const struct taken *t)
{
	return t->origin;
}

uint64_t taken_size(const struct taken *t)
{
	return t->size;
}

static struct taken *taken_new(
	struct node *n, enum taken_kind kind, const char *origin)
{
	struct taken *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->node = n;
	t->kind = kind;
	t->log_kind = LOG_FULL;
	memcpy(t->origin, origin, sizeof(t->origin));
	return t;
}

/* ---- who may bring what ---- */

/* protocol 4.1: "A child brings its own logs and those of nodes below it." */
static enum err_code check_bearer(const struct node *n,
	const struct rules *rules, const char *from, const char *origin,
	struct err *err)
{
	const struct node_info *peer = rules_node(rules, from);
	char code[CODE_SIZE];

	if (!peer || strcmp(peer->parent, n->config.code))
		return err_set(err, ERR_DENIED,
			"%s is not a child of %s and brings no logs", from,
			n->config.code);
	if (!log_code(origin, code) || !code_within(code, from))
		return err_set(err, ERR_DENIED, "%s may not bring the log %s",
			from, origin);
	return ERR_OK;
}

/* ---- checkpoints ---- */

static enum err_code known_log(struct node *n, const char *origin,
	struct log_info *out, struct err *err)
{
	enum err_code rc = store_log_find(n->store, origin, out, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	*out = (struct log_info){.kind = LOG_FULL, .root = tree_empty()};
	return ERR_OK;
}

/* Both notes, ours first. */
static enum err_code fork_found(struct node *n, const struct log_info *log,
	const struct checkpoint *cp, const struct checkpoint_message *m,
	struct buf *evidence, struct err *err)
{
	struct buf ours = BUF_EMPTY;
	enum err_code rc;

	rc = store_note(n->store, log->id,
		log->pending_size > log->size ? NOTE_PENDING : NOTE_COMPLETE,
		&ours, err);
	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	if (rc == ERR_OK && evidence) {
		buf_add(evidence, ours.data, ours.len);
		buf_add(evidence, m->note, m->note_len);
		rc = buf_ok(evidence, err);
	}
	buf_free(&ours);
	if (rc)
		return rc;
	return err_set(err, ERR_FORK,
		"%s contradicts itself: its checkpoint of %" PRIu64
		" does not continue the one of %" PRIu64 " here",
		cp->origin, cp->size, exchange_known_size(log));
}

/* How a checkpoint stands to what is here: ERR_OK new and consistent,
 * ERR_BUSY nothing new, ERR_FORK, or ERR_PROTOCOL. */
static enum err_code judge_checkpoint(struct node *n,
	const struct log_info *log, const struct checkpoint *cp,
	const struct checkpoint_message *m, struct buf *evidence,
	struct err *err)
{
	struct digest root, here;
	uint64_t size;
	enum err_code rc;

	/* protocol 4.1: "A first checkpoint comes with an empty proof." */
	if (m->old_size == 0 && m->proof.count != 0)
		return err_set(err, ERR_PROTOCOL,
			"proof of %s from size 0 is not empty", cp->origin);
	if ((rc = log_known(n->store, log, &size, &root, err)))
		return rc;
	if (cp->size <= log->size || cp->size == size) {
		here = root;
		if (cp->size != size &&
			(rc = log_root_at(n->store, log, cp->size, &here, err)))
			return rc;
		if (!digest_equal(&here, &cp->root))
			return fork_found(n, log, cp, m, evidence, err);
	}
	if (cp->size <= size)
		return err_set(err, ERR_BUSY,
			"checkpoint of %" PRIu64 " of %s, %" PRIu64
			" is known here",
			cp->size, cp->origin, size);
	if (m->old_size != size)
		return err_set(err, ERR_PROTOCOL,
			"proof of %s from size %" PRIu64 ", %" PRIu64
			" is known here",
			cp->origin, m->old_size, size);
	if (size == 0)
		return ERR_OK;
	if (!tree_check_subtree(0, size, cp->size, &root, &m->proof, &cp->root))
		return fork_found(n, log, cp, m, evidence, err);
	return ERR_OK;
}

/* Opens a note of a log of the roster and appends its clean form. */
static enum err_code open_note(const struct rules *rules, const char *origin,
	const void *data, size_t len, struct checkpoint *cp, struct buf *clean,
	unsigned *cosignatures, struct err *err)
{
	struct note_key key;
	struct note note;
	enum err_code rc;

	if ((rc = log_note_open(
		     rules, origin, data, len, &note, cp, &key, err)))
		return rc;
	return note_clean(
		NOTE_BESIDE, rules, &note, &key, clean, cosignatures, err);
}

enum err_code exchange_take_checkpoint(struct node *n,
	const struct rules *rules, const char *from, const void *data,
	size_t len, struct taken **out, struct buf *evidence, struct err *err)
{
	struct checkpoint_message m;
	struct taken *t = NULL;
	unsigned cosignatures;
	struct checkpoint cp;
	struct log_info log;
	enum err_code rc;

	if ((rc = checkpoint_message_parse(data, len, &m, err)) ||
		(rc = check_bearer(n, rules, from, m.origin, err)) ||
		(rc = known_log(n, m.origin, &log, err)))
		return rc;
	if (!(t = taken_new(n, TAKEN_CHECKPOINT, m.origin)))
		return err_nomem(err);
	if ((rc = open_note(rules, m.origin, m.note, m.note_len, &cp, &t->text,
		     &cosignatures, err)) ||
		(rc = judge_checkpoint(n, &log, &cp, &m, evidence, err)))
		goto out;
	t->size = cp.size;
	t->pending = exchange_known_size(&log);
	t->cosigned = cosignatures > 0;
	*out = t;
	t = NULL;
out:
	taken_free(t);
	return rc;
}

/* ---- records ---- */

/* Adds the attachments that the record's parts refer to. */
static enum err_code add_refs(struct taken *t, const struct rules *rules,
	const struct record *r, uint64_t seq, struct err *err)
{
	struct attachment_ref *refs = NULL, *more;
	size_t count = 0;
	enum err_code rc;

	if ((rc = view_attachments(rules, r, &refs, &count, err))) {
		if (rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_CORRUPT)
			rc = err_while(err, ERR_PROTOCOL,
				"%s/%" PRIu64 ", attachments", t->origin, seq);
		return rc;
	}
	if (count) {
		more = reallocarray(
			t->refs, t->ref_count + count, sizeof(*more));
		if (!more) {
			free(refs);
			return err_nomem(err);
		}
		t->refs = more;
	}
	for (size_t i = 0; i < count; i++) {
		t->refs[t->ref_count] = refs[i];
		t->refs[t->ref_count++].seq = seq;
	}
	free(refs);
	return ERR_OK;
}

/* `log` where the records come in turn, NULL for a single entry. */
static enum err_code check_records(struct node *n, const struct rules *rules,
	const struct log_info *log, struct taken *t, struct err *err)
{
	struct judge j;
	enum err_code rc = judge_begin(&j, n, rules, t->origin, log, err);

	for (size_t i = 0; rc == ERR_OK && i < t->run.count; i++) {
		const struct record *r = &t->run.record[i];
		uint64_t seq = t->run.start + i;

		rc = judge_record(&j, seq, r, err);
		if (rc == ERR_OK && r->have)
			rc = add_refs(t, rules, r, seq, err);
	}
	return rc;
}

/* ---- packages ---- */

/* The hash of [floor256(start), end): what is here of it, then the new leaves.
 * Perfect subtrees are read whole, eight at most. */
static enum err_code subtree_hash(struct node *n, const struct log_info *log,
	const struct run *run, struct digest *out, struct err *err)
{
	struct log_reader reader = {n->store, log->id};
	uint64_t at = PACKAGE_FLOOR(run->start);
	struct tree_edge edge = {0};
	struct digest d;
	enum err_code rc;

	for (unsigned level = 8; level-- > 0;) {
		uint64_t width = (uint64_t)1 << level;

		if (run->start - at < width)
			continue;
		if ((rc = store_tree_read(
			     &reader, level, at >> level, &d, err)))
			return rc;
		tree_append_subtree(&edge, level, &d);
		at += width;
	}
	for (size_t i = 0; i < run->count; i++)
		tree_append(&edge, &run->record[i].leaf);
	*out = tree_root(&edge);
	return ERR_OK;
}

static enum err_code check_subtree(struct node *n, const struct log_info *log,
	const struct package_message *m, const struct run *run, struct err *err)
{
	struct digest root, hash;
	uint64_t size;
	enum err_code rc;

	if (run->count != m->end - m->start)
		return err_set(err, ERR_PROTOCOL,
			"package of %zu entries, %" PRIu64 " announced",
			run->count, m->end - m->start);
	if ((rc = log_known(n->store, log, &size, &root, err)))
		return rc;
	if (m->tree_size != size)
		return err_set(err, ERR_PROTOCOL,
			"package of %s proved for size %" PRIu64
			", pending is %" PRIu64,
			m->origin, m->tree_size, size);
	if ((rc = subtree_hash(n, log, run, &hash, err)))
		return rc;
	if (!tree_check_subtree(PACKAGE_FLOOR(m->start), m->end, m->tree_size,
		    &hash, &m->proof, &root))
		return err_set(err, ERR_PROTOCOL,
			"package of %s: entries %" PRIu64 " to %" PRIu64
			" are not under its checkpoint",
			m->origin, m->start, m->end);
	return ERR_OK;
}

static enum err_code check_start(struct node *n,
	const struct package_message *m, struct log_info *log, struct err *err)
{
	enum err_code rc = store_log_find(n->store, m->origin, log, err);

	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_PROTOCOL,
			"package of %s before a checkpoint", m->origin);
	if (rc)
		return rc;
	if (log->kind != LOG_FULL)
		return err_set(err, ERR_PROTOCOL,
			"package of %s, which is not taken whole", m->origin);
	if (m->start != log->size)
		/* What an ended session had sent may have come meanwhile. */
		return err_set(err,
			m->start < log->size ? ERR_EXISTS : ERR_PROTOCOL,
			"package of %s starts at %" PRIu64 ", %" PRIu64
			" entries are here",
			m->origin, m->start, log->size);
	return ERR_OK;
}

uint64_t exchange_package_end(const void *data, size_t len)
{
	struct package_message m;

	return package_message_parse(data, len, &m, NULL) ? 0 : m.end;
}

enum err_code exchange_take_package(struct node *n, const struct rules *rules,
	const char *from, const void *data, size_t len, struct taken **out,
	struct err *err)
{
	struct package_message m;
	struct taken *t = NULL;
	struct log_info log;
	enum err_code rc;

	if (len > PACKAGE_SIZE_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"package of %zu bytes, limit %zu", len,
			PACKAGE_SIZE_LIMIT);
	if ((rc = package_message_parse(data, len, &m, err)) ||
		(rc = check_bearer(n, rules, from, m.origin, err)) ||
		(rc = check_start(n, &m, &log, err)))
		return rc;
	if (!(t = taken_new(n, TAKEN_PACKAGE, m.origin)))
		return err_nomem(err);
	t->size = m.end;
	if ((rc = run_decode(m.run, m.run_len, m.start, &t->run, err)) ||
		(rc = check_subtree(n, &log, &m, &t->run, err)) ||
		(rc = marks_apply(&m.marks, &t->run, &t->erasures, err)) ||
		(rc = check_records(n, rules, &log, t, err)))
		goto out;
	*out = t;
	t = NULL;
out:
	taken_free(t);
	return rc;
}

/* ---- proved entries ---- */

/* What a proof says of the entry and its log. */
struct claim {
	struct proof proof;
	struct checkpoint cp;
	char origin[ORIGIN_SIZE];
};

/* Reads the origin out of a note that is not yet verified. */
static enum err_code claim_origin(struct claim *c, struct err *err)
{
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if ((rc = note_parse(c->proof.note, c->proof.note_len, &note, err)) ||
		(rc = checkpoint_parse(note.text, note.text_len, &cp, err)))
		return rc;
	if (c->proof.extra)
		return err_set(err, ERR_PROTOCOL,
			"proof with an extra line in a proved message");
	if (!origin_valid(cp.origin, strlen(cp.origin)))
		return err_set(err, ERR_PROTOCOL,
			"proof under a checkpoint without a valid origin");
	memcpy(c->origin, cp.origin, sizeof(c->origin));
	return ERR_OK;
}

/* The note's signatures and the way from the leaf to its root; the proof as we
 * keep it goes to t->text. */
static enum err_code check_claim(const struct rules *rules, struct claim *c,
	struct taken *t, struct err *err)
{
	struct buf clean = BUF_EMPTY;
	unsigned cosignatures;
	enum err_code rc;

	if ((rc = open_note(rules, c->origin, c->proof.note, c->proof.note_len,
		     &c->cp, &clean, &cosignatures, err)))
		goto out;
	if (t->run.count != 1 ||
		!tree_check_inclusion(c->proof.index, c->cp.size,
			&t->run.record[0].leaf, &c->proof.path, &c->cp.root)) {
		rc = err_set(err, ERR_PROTOCOL,
			"entry %" PRIu64 " of %s is not under its checkpoint",
			c->proof.index, c->origin);
		goto out;
	}
	proof_write(c->proof.index, &c->proof.path, NULL, 0,
		(const char *)clean.data, clean.len, &t->text);
	rc = buf_ok(&t->text, err);
out:
	buf_free(&clean);
	return rc;
}

static enum err_code contradiction(const struct taken *t, struct err *err)
{
	return err_set(err, ERR_FORK,
		"%s contradicts itself: another entry %" PRIu64 " is here",
		t->origin, t->run.start);
}

/* The single entry of a log that may be here at the place of this one. */
static enum err_code check_single(struct node *n, const struct log_info *log,
	const struct taken *t, struct err *err)
{
	struct run run = {0};
	enum err_code rc =
		store_read(n->store, log->id, t->run.start, 1, 0, &run, err);

	if (rc == ERR_OK && run.count == 1 &&
		!digest_equal(&run.record[0].leaf, &t->run.record[0].leaf))
		rc = contradiction(t, err);
	run_free(&run);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Known already, or in contradiction to what is here?  A settled log of ours
 * is known to be another one above. */
static enum err_code check_news(
	struct node *n, const struct taken *t, struct err *err)
{
	struct log_reader reader = {n->store, 0};
	uint64_t seq = t->run.start;
	struct log_info log;
	struct digest leaf;
	struct found found;
	enum err_code rc;

	if (epoch_settled(n, t->origin, NULL))
		return ERR_OK;
	rc = store_log_find(n->store, t->origin, &log, err);
	if (rc == ERR_OK && log.kind != LOG_SPARSE && seq < log.size) {
		reader.log = log.id;
		if ((rc = store_tree_read(&reader, 0, seq, &leaf, err)))
			return rc;
		if (!digest_equal(&leaf, &t->run.record[0].leaf))
			return contradiction(t, err);
		return err_set(err, ERR_BUSY, "entry %" PRIu64 " of %s is here",
			seq, t->origin);
	}
	if (rc == ERR_OK && log.kind == LOG_SPARSE)
		rc = check_single(n, &log, t, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	rc = store_find_digest(n->store, &t->run.record[0].leaf, &found, err);
	if (rc == ERR_OK)
		return err_set(err, ERR_BUSY, "entry %" PRIu64 " of %s is here",
			seq, t->origin);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Down to us, or up ahead of its turn: urgent, of a log that comes whole.  The
 * log of a node below us starts as one that will have no gaps. */
static enum err_code check_way(struct node *n, const struct rules *rules,
	struct taken *t, struct err *err)
{
	const struct record *r = &t->run.record[0];
	const struct series *s;
	char code[CODE_SIZE];
	struct settled lost;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	if (!log_code(t->origin, code) || !strcmp(code, n->config.code)) {
		if (!order_is_series(e.series) ||
			!epoch_settled(n, t->origin, &lost) ||
			t->run.start < lost.common)
			return err_set(err, ERR_BUSY, "entry of our own log %s",
				t->origin);
		t->kind = TAKEN_ORDER;
		return ERR_OK;
	}
	s = rules_series(rules, e.series);
	if (code_within(code, n->config.code)) {
		t->log_kind = LOG_FULL;
		if (s && s->urgent)
			return ERR_OK;
	} else {
		t->log_kind = LOG_SPARSE;
		if (exchange_goes_down(rules, &e, n->config.code))
			return ERR_OK;
	}
	return err_set(err, ERR_DENIED,
		"entry %" PRIu64 " of %s (%s) does not go to %s", t->run.start,
		t->origin, e.series, n->config.code);
}

static enum err_code take_claim(struct node *n, const struct rules *rules,
	const struct proved_message *m, struct claim *c, struct taken *t,
	struct err *err)
{
	enum err_code rc;

	t->size = c->proof.index + 1;
	if ((rc = run_decode(
		     m->run, m->run_len, c->proof.index, &t->run, err)) ||
		(rc = check_claim(rules, c, t, err)) ||
		(t->kind == TAKEN_PROVED && (rc = check_news(n, t, err))) ||
		(rc = marks_apply(&m->marks, &t->run, &t->erasures, err)) ||
		(rc = check_records(n, rules, NULL, t, err)) ||
		(rc = check_way(n, rules, t, err)))
		return rc;
	return ERR_OK;
}

static enum err_code take_single(struct node *n, const struct rules *rules,
	enum taken_kind kind, const void *data, size_t len, struct taken **out,
	struct err *err)
{
	struct proved_message m;
	struct claim c = {0};
	struct taken *t = NULL;
	enum err_code rc;

	if (len > PROVED_SIZE_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"proved entry of %zu bytes, limit %zu", len,
			PROVED_SIZE_LIMIT);
	if ((rc = proved_message_parse(data, len, &m, err)) ||
		(rc = proof_parse(m.proof, m.proof_len, &c.proof, err)))
		return rc;
	if ((rc = claim_origin(&c, err)))
		goto out;
	if (!(t = taken_new(n, kind, c.origin))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = take_claim(n, rules, &m, &c, t, err)))
		goto out;
	*out = t;
	t = NULL;
out:
	proof_fini(&c.proof);
	taken_free(t);
	return rc;
}

enum err_code exchange_take_proved(struct node *n, const struct rules *rules,
	const char *from, const void *data, size_t len, struct taken **out,
	struct err *err)
{
	if (!rules_node(rules, from))
		return err_set(err, ERR_DENIED, "%s is no node here", from);
	return take_single(n, rules, TAKEN_PROVED, data, len, out, err);
}

enum err_code exchange_take_again(struct node *n, const struct rules *rules,
	const char *origin, uint64_t seq, const void *data, size_t len,
	struct taken **out, struct err *err)
{
	struct taken *t = NULL;
	enum err_code rc =
		take_single(n, rules, TAKEN_AGAIN, data, len, &t, err);

	if (!rc && (strcmp(t->origin, origin) || t->run.start != seq))
		rc = err_set(err, ERR_PROTOCOL,
			"entries %" PRIu64 " to %" PRIu64
			" of %s that were not asked for",
			t->run.start, t->size, t->origin);
	if (rc)
		taken_free(t);
	else
		*out = t;
	return rc;
}

/* ---- storing ---- */

static enum err_code overtaken(const struct taken *t, struct err *err)
{
	return err_set(
		err, ERR_BUSY, "%s: another session was quicker", t->origin);
}

static enum err_code store_refs(
	struct batch *b, uint32_t log, const struct taken *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < t->ref_count; i++) {
		struct attachment_ref ref = t->refs[i];

		if (orders_destroyed(t->node, t->origin, ref.label, ref.seq))
			continue;
		ref.log = log;
		rc = batch_refer(b, &ref, err);
	}
	return rc;
}

static enum err_code store_checkpoint(struct batch *b,
	const struct log_info *log, const struct taken *t, struct err *err)
{
	if (exchange_known_size(log) != t->pending)
		return overtaken(t, err);
	return batch_note(
		b, log->id, t->text.data, t->text.len, t->cosigned, err);
}

/* The parts are gone on the way here: they do not come by another one. */
static enum err_code store_marks(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
		struct erase_target part = {log, seq, (enum label)l};

		if (r->erased & LABEL_BIT(l))
			rc = batch_erase(b, &part, 1, &r->erasure[l], err);
	}
	return rc;
}

/* protocol 4.4: "A mark destroys nothing that the taker holds": parts that came
 * ahead of their turn stay. */
static void keep_held(struct record *r, const struct record *held)
{
	uint8_t both = r->erased & held->have;

	if (!digest_equal(&r->leaf, &held->leaf))
		return;
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (both & LABEL_BIT(l))
			r->part[l] = held->part[l];
	r->have |= both;
	r->erased &= (uint8_t)~both;
}

static bool is_doomed(const struct taken *t)
{
	return orders_doom(
		t->node, t->origin, t->run.start, t->run.start + t->run.count);
}

static enum err_code append_taken(struct batch *b, uint32_t log,
	const struct taken *t, size_t i, struct err *err)
{
	struct record r = t->run.record[i];
	struct erasure room[LABEL_COUNT] = {{0}};
	struct run held = {0};
	uint64_t seq = t->run.start + i;
	enum err_code rc = ERR_NOT_FOUND;

	if (is_doomed(t))
		orders_strip(t->node, t->origin, seq, &r, room);
	if (r.erased)
		rc = batch_read(b, log, seq, 1, r.erased, &held, err);
	if (rc == ERR_OK)
		keep_held(&r, &held.record[0]);
	if (rc == ERR_OK || rc == ERR_NOT_FOUND)
		rc = batch_append(b, log, &r, &seq, err);
	if (rc == ERR_OK)
		rc = store_marks(b, log, seq, &r, err);
	run_free(&held);
	return rc;
}

static enum err_code store_package(struct batch *b, const struct log_info *log,
	const struct taken *t, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (log->size != t->run.start)
		return overtaken(t, err);
	for (size_t i = 0; rc == ERR_OK && i < t->run.count; i++)
		rc = append_taken(b, log->id, t, i, err);
	return rc ? rc : store_refs(b, log->id, t, err);
}

static enum err_code store_proved(struct batch *b, const struct log_info *log,
	const struct taken *t, struct err *err)
{
	struct record r = t->run.record[0];
	struct erasure room[LABEL_COUNT] = {{0}};
	enum err_code rc;

	if (is_doomed(t))
		orders_strip(t->node, t->origin, t->run.start, &r, room);
	rc = (t->kind == TAKEN_AGAIN ? batch_mend_proved : batch_proved)(
		b, log->id, t->run.start, &r, t->text.data, t->text.len, err);
	if (rc == ERR_EXISTS)
		return overtaken(t, err);
	if (rc == ERR_OK)
		rc = store_marks(b, log->id, t->run.start, &r, err);
	return rc ? rc : store_refs(b, log->id, t, err);
}

enum err_code taken_store(
	struct batch *b, const struct taken *t, struct err *err)
{
	struct log_info log;
	enum err_code rc;

	if ((rc = orders_ready(t->node, err)))
		return rc;
	if (t->kind == TAKEN_ORDER)
		return epoch_enter_order(b, t->node, &t->run.record[0], err);
	rc = batch_log_find(b, t->origin, &log, err);
	if (rc == ERR_NOT_FOUND)
		rc = batch_log(b, t->origin, t->log_kind, &log, err);
	if (rc)
		return rc;
	switch (t->kind) {
	case TAKEN_CHECKPOINT:
		return store_checkpoint(b, &log, t, err);
	case TAKEN_PACKAGE:
		return store_package(b, &log, t, err);
	case TAKEN_PROVED:
	case TAKEN_AGAIN:
		return store_proved(b, &log, t, err);
	case TAKEN_ORDER:
		break;
	}
	return err_set(err, ERR_INTERNAL, "taken thing of no kind");
}
