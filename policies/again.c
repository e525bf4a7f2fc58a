/* again.c - entries that a peer lost, given once more, and taken under the root
 * that a note of ours signs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bounds.h"
#include "policies/judge.h"
#include "policies/logs.h"
#include "policies/message.h"
#include "policies/orders.h"
#include "policies/provision.h"
#include "policies/repair.h"

#define RUN_LEVEL 3 /* zstd's */
#define ENTRIES_TARGET ((size_t)256 << 10)

/* ---- giving ---- */

/* protocol 4.5: "Parts of the entries asked for come along, as far as the asker
 * may hold them; of its own logs all." */
static enum err_code cut_parts(struct run *run, struct node *n,
	const struct rules *rules, const struct log_info *log, const char *to,
	struct err *err)
{
	struct bounds b;
	enum err_code rc =
		bounds_begin(&b, n, rules, log->origin, log, to, err);

	if (rc || strcmp(b.code, to) == 0)
		return rc;
	return bounds_cut(&b, run, err);
}

/* Parts of the entries from `from` up to `to` only. */
static void keep_parts(struct run *run, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < run->count; i++)
		if (run->start + i < from || run->start + i >= to)
			run->record[i].have = 0;
}

static enum err_code encode_parts(struct run *run, const struct again *a,
	uint64_t *to, struct buf *out, struct err *err)
{
	uint64_t count = a->count;
	enum err_code rc;

	for (;; count /= 2) {
		keep_parts(run, a->from, a->from + count);
		buf_clear(out);
		rc = run_encode(run, LABEL_ALL, RUN_LEVEL, out, err);
		if ((rc && rc != ERR_LIMIT) || count == 1 ||
			(!rc && out->len <= ENTRIES_TARGET))
			break;
	}
	*to = a->from + count;
	return rc;
}

static bool again_valid(const struct again *a)
{
	return a->count && a->from < a->size && a->size <= TREE_SIZE_LIMIT &&
		a->count <= tile_end(a->from, a->size) - a->from;
}

static enum err_code not_all_here(const struct again *a, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND,
		"entries of %s from %" PRIu64 " are not all here", a->origin,
		PACKAGE_FLOOR(a->from));
}

/* protocol 3.11: "A single entry that came down". */
static enum err_code make_single(struct node *n, const struct rules *rules,
	const struct again *a, const char *to, struct buf *out,
	struct provided_list *given, struct err *err)
{
	struct run run = {0};
	uint8_t labels = 0;
	struct log_info log;
	struct entry e;
	enum err_code rc;

	if (a->count != 1)
		return err_set(err, ERR_PROTOCOL,
			"%" PRIu64 " single entries asked for, limit 1",
			a->count);
	if ((rc = store_log_find(n->store, a->origin, &log, err)))
		return rc;
	rc = store_read(n->store, log.id, a->from, 1, 0, &run, err);
	if (rc == ERR_CORRUPT)
		rc = not_all_here(a, err);
	if (!rc)
		rc = entry_parse(
			run.record[0].entry, run.record[0].entry_len, &e, err);
	run_free(&run);
	if (rc)
		return rc;
	if (!exchange_goes_down(rules, &e, to))
		return err_set(err, ERR_DENIED,
			"%s/%" PRIu64 " does not go down to %s", a->origin,
			a->from, to);
	if ((rc = exchange_make_proved(
		     n, rules, &log, a->from, to, out, &labels, err)))
		return rc;
	return provided_add(given, log.id, a->from, labels, err);
}

enum err_code exchange_make_entries(struct node *n, const struct rules *rules,
	const struct again *a, const char *to, struct buf *out,
	struct provided_list *given, struct err *err)
{
	struct entries_message m = {.tree_size = a->size, .from = a->from};
	struct log_reader reader = {.store = n->store};
	struct buf body = BUF_EMPTY;
	struct run run = {0};
	struct log_info log;
	uint64_t start = PACKAGE_FLOOR(a->from);
	uint64_t end;
	enum err_code rc;

	if (!a->size)
		return make_single(n, rules, a, to, out, given, err);
	if (!again_valid(a))
		return err_set(err, ERR_PROTOCOL,
			"%" PRIu64 " entries from %" PRIu64 " of %" PRIu64
			" are not in one tile",
			a->count, a->from, a->size);
	end = tile_end(a->from, a->size);
	if ((rc = store_log_find(n->store, a->origin, &log, err)))
		return rc;
	if (log.kind == LOG_SPARSE || a->size > log.size)
		return not_all_here(a, err);
	rc = store_read(n->store, log.id, start, (size_t)(end - start),
		LABEL_ALL, &run, err);
	if (rc == ERR_CORRUPT || (!rc && run.count != end - start))
		rc = not_all_here(a, err);
	reader.log = log.id;
	if (rc || (rc = cut_parts(&run, n, rules, &log, to, err)) ||
		(rc = encode_parts(&run, a, &m.to, &body, err)) ||
		(rc = tree_prove_subtree(start, end, a->size, store_tree_read,
			 &reader, &m.proof, err)))
		goto out;
	memcpy(m.origin, a->origin, sizeof(m.origin));
	entries_message_write(&m, out);
	buf_add(out, body.data, body.len);
	rc = buf_ok(out, err);
	for (size_t i = 0; rc == ERR_OK && i < run.count; i++)
		rc = provided_add(given, log.id, start + i,
			provided_labels(&run.record[i]), err);
out:
	buf_free(&body);
	run_free(&run);
	return rc;
}

/* ---- taking ---- */

struct brought {
	struct node *node;
	struct rules *rules;
	char origin[ORIGIN_SIZE];
	uint64_t from, count;
	struct taken *single; /* NULL: a tile */
	struct run run;	      /* the tile */
	bool useful[TILE_WIDTH];
};

void brought_free(struct brought *b)
{
	if (!b)
		return;
	taken_free(b->single);
	run_free(&b->run);
	rules_unref(b->rules);
	free(b);
}

static enum err_code signed_root(struct node *n, const char *origin,
	uint64_t size, struct digest *root, struct err *err)
{
	struct log_info log;
	enum err_code rc = store_log_find(n->store, origin, &log, err);

	if (rc == ERR_OK &&
		(rc = log_noted_root(n->store, log.id, size, root, err)) ==
			ERR_NOT_FOUND)
		rc = err_set(err, ERR_BUSY,
			"%s: the note of %" PRIu64 " is not the newest any "
			"more",
			origin, size);
	return rc;
}

static enum err_code check_tile(struct node *n, const struct again *a,
	const struct entries_message *m, const struct run *run, struct err *err)
{
	uint64_t start = PACKAGE_FLOOR(a->from);
	uint64_t end = tile_end(a->from, a->size);
	struct tree_edge edge = {0};
	struct digest root;
	struct digest hash;
	enum err_code rc;

	if (run->count != end - start)
		return err_set(err, ERR_PROTOCOL,
			"%zu entries of a tile of %" PRIu64, run->count,
			end - start);
	if ((rc = signed_root(n, a->origin, a->size, &root, err)))
		return rc;
	for (size_t i = 0; i < run->count; i++)
		tree_append(&edge, &run->record[i].leaf);
	hash = tree_root(&edge);
	if (!tree_check_subtree(start, end, a->size, &hash, &m->proof, &root))
		return err_set(err, ERR_PROTOCOL,
			"%s: entries %" PRIu64 " to %" PRIu64
			" are not those under its signed root",
			a->origin, start, end);
	return ERR_OK;
}

static enum err_code check_answer(
	const struct again *a, const struct entries_message *m, struct err *err)
{
	if (strcmp(m->origin, a->origin) || m->tree_size != a->size ||
		m->from != a->from || m->to > a->from + a->count)
		return err_set(err, ERR_PROTOCOL,
			"entries %" PRIu64 " to %" PRIu64 " of %s that were "
			"not asked for",
			m->from, m->to, m->origin);
	return ERR_OK;
}

/* Is the record damaged here, or lacks a part that came? */
static enum err_code find_useful(
	struct node *n, struct brought *b, uint64_t *useful, struct err *err)
{
	struct log_info log;
	enum err_code rc = store_log_find(n->store, b->origin, &log, err);

	*useful = 0;
	for (uint64_t i = b->from; i < b->from + b->count && !rc; i++) {
		const struct record *r = &b->run.record[i - b->run.start];
		struct run run = {0};
		bool is = true;

		rc = store_read(n->store, log.id, i, 1, LABEL_ALL, &run, err);
		if (rc == ERR_OK)
			is = r->have & ~run.record[0].have &
				~run.record[0].erased;
		else if (rc == ERR_CORRUPT)
			rc = ERR_OK;
		b->useful[i - b->run.start] = is;
		*useful += is;
		run_free(&run);
	}
	return rc;
}

static enum err_code take_single(struct node *n, const struct rules *rules,
	const struct again *a, const void *data, size_t len, struct brought *b,
	uint64_t *useful, struct err *err)
{
	struct run run = {0};
	struct log_info log;
	enum err_code rc;

	if ((rc = exchange_take_again(n, rules, a->origin, a->from, data, len,
		     &b->single, err)) ||
		(rc = store_log_find(n->store, a->origin, &log, err)))
		return rc;
	rc = store_read(n->store, log.id, a->from, 1, LABEL_ALL, &run, err);
	run_free(&run);
	*useful = rc == ERR_CORRUPT;
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

enum err_code exchange_take_entries(struct node *n, const struct rules *rules,
	const struct again *a, const void *data, size_t len,
	struct brought **out, uint64_t *count, uint64_t *useful,
	struct err *err)
{
	struct brought *b = calloc(1, sizeof(*b));
	struct entries_message m;
	struct judge j;
	enum err_code rc;

	if (!b)
		return err_nomem(err);
	if (!a->size) {
		if ((rc = take_single(n, rules, a, data, len, b, useful, err)))
			goto out;
		*count = 1;
		*out = b;
		return ERR_OK;
	}
	if ((rc = entries_message_parse(data, len, &m, err)) ||
		(rc = check_answer(a, &m, err)) ||
		(rc = run_decode(m.run, m.run_len, PACKAGE_FLOOR(a->from),
			 &b->run, err)) ||
		(rc = check_tile(n, a, &m, &b->run, err)) ||
		(rc = judge_begin(&j, n, rules, a->origin, NULL, err)))
		goto out;
	b->node = n;
	b->rules = node_rules(n);
	memcpy(b->origin, a->origin, sizeof(b->origin));
	b->from = m.from;
	b->count = m.to - m.from;
	for (uint64_t i = m.from; i < m.to && !rc; i++)
		rc = judge_again(&j, i, &b->run.record[i - b->run.start], err);
	if (rc || (rc = find_useful(n, b, useful, err)))
		goto out;
	*count = b->count;
	*out = b;
	b = NULL;
out:
	brought_free(b);
	return rc;
}

/* Parts that an erasure names do not come this way either. */
static enum err_code store_one(struct batch *b, uint32_t log,
	const struct brought *m, uint64_t seq, struct err *err)
{
	struct record r = m->run.record[seq - m->run.start];
	struct erasure room[LABEL_COUNT] = {{0}};
	enum err_code rc;

	r.erased = 0;
	orders_strip(m->node, m->origin, seq, &r, room);
	rc = batch_mend(b, log, seq, &r, 1, err);
	for (unsigned l = 0; rc == ERR_OK && l < LABEL_COUNT; l++) {
		struct erase_target part = {log, seq, (enum label)l};

		if (r.erased & LABEL_BIT(l))
			rc = batch_erase(b, &part, 1, &room[l], err);
	}
	return rc ? rc : refer_record(b, m->rules, log, seq, &r, err);
}

enum err_code brought_store(
	struct batch *b, const struct brought *m, struct err *err)
{
	struct log_info log;
	enum err_code rc;

	if (m->single)
		return taken_store(b, m->single, err);
	if ((rc = orders_ready(m->node, err)) ||
		(rc = batch_log_find(b, m->origin, &log, err)))
		return rc;
	for (uint64_t i = m->from; i < m->from + m->count && !rc; i++)
		if (m->useful[i - m->run.start])
			rc = store_one(b, log.id, m, i, err);
	return rc;
}
