/* give.c - what a node gives another: checkpoints, packages, proved entries. */
#include "policies/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bounds.h"
#include "policies/epoch.h"
#include "policies/logs.h"
#include "policies/message.h"
#include "policies/provision.h"

#define RUN_LEVEL 3 /* zstd's */

/* ---- which logs ---- */

struct log_list {
	struct node *node;
	const char *within; /* a code: logs of it and below */
	bool own;	    /* with ours */
	bool settled;	    /* and those of ours that are settled */
	struct log_info *log;
	size_t count, cap;
};

static enum err_code keep_log(
	struct log_list *list, const struct log_info *log, struct err *err)
{
	if (!grow(&list->log, &list->cap, list->count, sizeof(*list->log)))
		return err_nomem(err);
	list->log[list->count++] = *log;
	return ERR_OK;
}

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct log_list *list = arg;
	char code[CODE_SIZE];

	if (log->kind == LOG_SPARSE || log->checkpoint_size == 0 ||
		(log->kind == LOG_OWN &&
			(!list->own ||
				epoch_settled(
					list->node, log->origin, NULL))) ||
		!log_code(log->origin, code) ||
		!code_within(code, list->within))
		return ERR_OK;
	return keep_log(list, log, err);
}

/* A settled log counts as the parent has it, where it has any of it complete;
 * it has no number here. */
static enum err_code add_settled(
	struct node *n, struct log_list *list, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct settled s;

	for (size_t i = 0; rc == ERR_OK && epoch_settled_at(n, i, &s); i++) {
		struct log_info log = {.kind = LOG_OWN,
			.root = s.root,
			.size = s.size,
			.checkpoint_size = s.size};

		memcpy(log.origin, s.origin, sizeof(log.origin));
		if (s.size)
			rc = keep_log(list, &log, err);
	}
	return rc;
}

static int compare_logs(const void *a, const void *b)
{
	const struct log_info *x = a, *y = b;

	return strcmp(x->origin, y->origin);
}

/* Gathered first, so that a visitor may read the store. */
static enum err_code gather(
	struct node *n, struct log_list *list, struct err *err)
{
	enum err_code rc;

	list->node = n;
	rc = store_log_each(n->store, on_log, list, err);
	if (rc == ERR_OK && list->settled)
		rc = add_settled(n, list, err);
	if (rc == ERR_OK && list->count > 1)
		qsort(list->log, list->count, sizeof(list->log[0]),
			compare_logs);
	return rc;
}

enum err_code exchange_each_up(
	struct node *n, store_log_visit *visit, void *arg, struct err *err)
{
	struct log_list list = {.within = n->config.code, .own = true};
	enum err_code rc = gather(n, &list, err);

	for (size_t i = 0; rc == ERR_OK && i < list.count; i++)
		rc = visit(arg, &list.log[i], err);
	free(list.log);
	return rc;
}

static enum err_code hash_logs(struct node *n, const struct log_list *list,
	struct digest *out, struct err *err)
{
	struct buf lines = BUF_EMPTY;
	char text[BASE64_SIZE(DIGEST_SIZE)];
	enum err_code rc = ERR_OK;
	struct digest root;

	for (size_t i = 0; rc == ERR_OK && i < list->count; i++) {
		const struct log_info *log = &list->log[i];

		rc = log_root_at(
			n->store, log, log->checkpoint_size, &root, err);
		if (rc == ERR_OK) {
			base64_encode(root.b, sizeof(root.b), text);
			buf_printf(&lines, "%s %" PRIu64 " %s\n", log->origin,
				log->checkpoint_size, text);
		}
	}
	if (rc == ERR_OK && (rc = buf_ok(&lines, err)) == ERR_OK)
		*out = digest_of(lines.data, lines.len);
	buf_free(&lines);
	return rc;
}

static enum err_code hash_list(struct node *n, struct log_list *list,
	struct digest *out, struct err *err)
{
	enum err_code rc = gather(n, list, err);

	if (rc == ERR_OK)
		rc = hash_logs(n, list, out, err);
	free(list->log);
	return rc;
}

enum err_code exchange_hash_up(
	struct node *n, struct digest *out, struct err *err)
{
	struct log_list list = {
		.within = n->config.code, .own = true, .settled = true};

	return hash_list(n, &list, out, err);
}

enum err_code exchange_hash_from(
	struct node *n, const char *child, struct digest *out, struct err *err)
{
	struct log_list list = {.within = child};

	return hash_list(n, &list, out, err);
}

/* ---- checkpoints ---- */

uint64_t exchange_known_size(const struct log_info *log)
{
	return log->pending_size > log->size ? log->pending_size : log->size;
}

enum err_code exchange_make_checkpoint(struct node *n,
	const struct log_info *log, uint64_t old_size, struct buf *out,
	struct err *err)
{
	struct checkpoint_message m = {.old_size = old_size};
	struct log_reader reader = {n->store, log->id};
	struct buf bytes = BUF_EMPTY;
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if ((rc = log_note(n->store, log->id, NOTE_COMPLETE, &bytes, &note, &cp,
		     err)))
		goto out;
	if (old_size > cp.size) {
		rc = err_set(err, ERR_USAGE,
			"proof from size %" PRIu64 " of %s, which has %" PRIu64,
			old_size, log->origin, cp.size);
		goto out;
	}
	if (old_size > 0 &&
		(rc = tree_prove_subtree(0, old_size, cp.size, store_tree_read,
			 &reader, &m.proof, err)))
		goto out;
	memcpy(m.origin, log->origin, sizeof(m.origin));
	m.note = bytes.data;
	m.note_len = bytes.len;
	checkpoint_message_write(&m, out);
	rc = buf_ok(out, err);
out:
	buf_free(&bytes);
	return rc;
}

/* ---- packages ---- */

/* Records that are not here in their turn do not tell the rules before them. */
static enum err_code begin(struct bounds *b, struct node *n,
	const struct rules *rules, const struct log_info *log, uint64_t seq,
	const char *to, struct err *err)
{
	bool turn = log->kind != LOG_SPARSE && seq < log->size;

	return bounds_begin(
		b, n, rules, log->origin, turn ? log : NULL, to, err);
}

enum err_code exchange_may_hold(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq, const struct entry *e,
	const char *to, uint8_t *labels, struct err *err)
{
	struct bound bound;
	struct bounds b;
	enum err_code rc;

	if ((rc = begin(&b, n, rules, log, seq, to, err)) ||
		(rc = bounds_of(&b, seq, e, &bound, err)))
		return rc;
	*labels = bound.may;
	return ERR_OK;
}

/* Leaves of each record only what `to` may hold, or might have held.  The
 * clearance is by series, so one mask for the whole run would not do. */
static enum err_code cut_parts(struct run *run, struct node *n,
	const struct rules *rules, const struct log_info *log, const char *to,
	struct err *err)
{
	struct bounds b;
	enum err_code rc = begin(&b, n, rules, log, run->start, to, err);

	return rc ? rc : bounds_cut(&b, run, err);
}

/* Of the first `count` records. */
static uint8_t given_by(const struct run *run, size_t count)
{
	uint8_t labels = 0;

	for (size_t i = 0; i < count; i++)
		labels |= provided_labels(&run->record[i]);
	return labels;
}

/* Encodes the first *count records, fewer where they do not fit. */
static enum err_code encode_some(struct run *run, size_t target, size_t *count,
	struct buf *out, struct err *err)
{
	const size_t all = run->count;
	enum err_code rc;

	for (size_t n = all;; n /= 2) {
		buf_clear(out);
		run->count = n;
		rc = run_encode(run, LABEL_ALL, RUN_LEVEL, out, err);
		run->count = all;
		if (rc || n == 1 || out->len <= target) {
			*count = n;
			return rc;
		}
	}
}

static size_t package_count(uint64_t from, uint64_t tree_size)
{
	uint64_t end = PACKAGE_FLOOR(from) + TILE_WIDTH;

	return (size_t)((end < tree_size ? end : tree_size) - from);
}

enum err_code exchange_make_package(struct node *n, const struct rules *rules,
	const struct log_info *log, const char *to, uint64_t from,
	uint64_t tree_size, size_t target_bytes, struct buf *out,
	uint64_t *next, uint8_t *given, struct err *err)
{
	struct log_reader reader = {n->store, log->id};
	struct package_message m = {.tree_size = tree_size, .start = from};
	struct run run = {0};
	struct buf body = BUF_EMPTY, marks = BUF_EMPTY;
	char code[CODE_SIZE];
	enum err_code rc;
	size_t count;

	if (from >= tree_size || !log_code(log->origin, code))
		return err_set(err, ERR_USAGE,
			"no package of %s from %" PRIu64 " of %" PRIu64,
			log->origin, from, tree_size);
	count = package_count(from, tree_size);
	if ((rc = store_read(
		     n->store, log->id, from, count, LABEL_ALL, &run, err)))
		goto out;
	if (run.count == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "%s has no entry %" PRIu64,
			log->origin, from);
		goto out;
	}
	if ((rc = cut_parts(&run, n, rules, log, to, err)) ||
		(rc = encode_some(&run, target_bytes, &count, &body, err)))
		goto out;
	m.end = from + count;
	if ((rc = tree_prove_subtree(PACKAGE_FLOOR(from), m.end, tree_size,
		     store_tree_read, &reader, &m.proof, err)))
		goto out;
	marks_write(&run, count, &marks);
	if ((rc = buf_ok(&marks, err)))
		goto out;
	m.marks = (struct marks){marks.data, marks.len};
	memcpy(m.origin, log->origin, sizeof(m.origin));
	package_message_write(&m, out);
	buf_add(out, body.data, body.len);
	rc = buf_ok(out, err);
out:
	if (rc == ERR_OK) {
		*next = m.end;
		if (given)
			*given = given_by(&run, count);
	}
	buf_free(&marks);
	buf_free(&body);
	run_free(&run);
	return rc;
}

/* ---- single entries ---- */

/* Appends a tlog-proof under the log's complete checkpoint, or the one that
 * the entry came with where it has no turn yet. */
static enum err_code prove_entry(struct store *s, const struct log_info *log,
	uint64_t seq, struct buf *out, struct err *err)
{
	struct log_reader reader = {s, log->id};
	struct buf bytes = BUF_EMPTY;
	struct tree_proof path;
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if (log->kind == LOG_SPARSE || seq >= log->checkpoint_size)
		return store_sparse_proof(s, log->id, seq, out, err);
	if ((rc = log_note(
		     s, log->id, NOTE_COMPLETE, &bytes, &note, &cp, err)) ||
		(rc = tree_prove_inclusion(
			 seq, cp.size, store_tree_read, &reader, &path, err)))
		goto out;
	proof_write(
		seq, &path, NULL, 0, (const char *)bytes.data, bytes.len, out);
	rc = buf_ok(out, err);
out:
	buf_free(&bytes);
	return rc;
}

enum err_code exchange_make_proved(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq, const char *to,
	struct buf *out, uint8_t *given, struct err *err)
{
	struct proved_message m = {0};
	struct buf proof = BUF_EMPTY, body = BUF_EMPTY, marks = BUF_EMPTY;
	struct run run = {0};
	char code[CODE_SIZE];
	enum err_code rc;

	if (!log_code(log->origin, code))
		return err_set(err, ERR_USAGE, "no origin: %s", log->origin);
	if ((rc = store_read(
		     n->store, log->id, seq, 1, LABEL_ALL, &run, err)) ||
		(rc = prove_entry(n->store, log, seq, &proof, err)) ||
		(rc = cut_parts(&run, n, rules, log, to, err)) ||
		(rc = run_encode(&run, LABEL_ALL, RUN_LEVEL, &body, err)))
		goto out;
	marks_write(&run, run.count, &marks);
	if ((rc = buf_ok(&marks, err)))
		goto out;
	m.marks = (struct marks){marks.data, marks.len};
	m.proof = proof.data;
	m.proof_len = proof.len;
	m.run = body.data;
	m.run_len = body.len;
	proved_message_write(&m, out);
	rc = buf_ok(out, err);
out:
	if (rc == ERR_OK && given)
		*given = given_by(&run, run.count);
	buf_free(&proof);
	buf_free(&body);
	buf_free(&marks);
	run_free(&run);
	return rc;
}

/* One of two prefixes is a prefix of the other: the entry is for `to` itself,
 * for all around it, or for somebody below it. */
static bool prefix_meets(const char *prefix, const char *to)
{
	size_t a = strlen(prefix), b = code_prefix_len(to);

	if (a == CODE_LEN)
		a = code_prefix_len(prefix);
	return !memcmp(prefix, to, a < b ? a : b);
}

static bool sends_down(
	const struct rules *rules, const struct series *s, const char *issuer)
{
	char code[CODE_SIZE] = {0};
	const struct node_info *n;

	memcpy(code, issuer, CODE_LEN);
	n = rules_node(rules, code);
	return s->direction == DIRECTION_DOWN && n &&
		(s->senders & RANK_BIT(n->rank));
}

/* An issuer sends down to what lies below it: what it writes beyond that into
 * `to` is its own word only. */
bool exchange_goes_down(
	const struct rules *rules, const struct entry *e, const char *to)
{
	const struct series *s = rules_series(rules, e->series);
	const char *issuer = origin_code(e->iss);

	if (!s || !issuer || !code_within(to, issuer) ||
		!sends_down(rules, s, issuer))
		return false;
	/* What is for one division is for no other, whatever `to` says. */
	if (s->reach == REACH_NODE &&
		(!strcmp(e->node, issuer) || !prefix_meets(e->node, to)))
		return false;
	for (size_t i = 0; i < e->to_count; i++) {
		if (prefix_meets(e->to[i], to))
			return true;
	}
	return false;
}
