/* replica_give.c - what the node gives: checkpoints, packages, proved entries,
 * cosigned notes, ranges of attachments. */
#include "syncd/ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Nothing leaves that is not on record (policies/provision.h). */
static enum err_code put_on_record(struct ask *a, struct replica *r,
	const struct provided_list *list, struct err *err)
{
	const struct provision_to to = {.code = a->peer};
	bool noted = false;
	enum err_code rc =
		provision_note(r->node, r->writer, &to, list, &noted, err);

	a->changed = a->changed || noted;
	return rc;
}

static enum err_code put_one_on_record(struct ask *a, struct replica *r,
	const struct provided *given, struct err *err)
{
	struct provided one = *given;
	const struct provided_list list = {.given = &one, .count = 1};

	return one.labels ? put_on_record(a, r, &list, err) : ERR_OK;
}

/* ---- up ---- */

/* The note and its size must be of one instant. */
static enum err_code give_checkpoint(
	struct ask *a, struct node *n, struct err *err)
{
	struct log_info log, again;
	uint64_t old;
	enum err_code rc;

	for (;;) {
		if ((rc = store_log_find(n->store, a->origin, &log, err)))
			return rc;
		/* protocol 3.4: "A sender whose checkpoint is older than what
		 * the taker knows sends it with old size 0." */
		old = a->from > log.checkpoint_size ? 0 : a->from;
		buf_clear(&a->out);
		origin_head_write(a->origin, &a->out);
		if ((rc = exchange_make_checkpoint(
			     n, &log, old, &a->out, err)) ||
			(rc = store_log_find(n->store, a->origin, &again, err)))
			return rc;
		if (again.checkpoint_size == log.checkpoint_size)
			break;
	}
	a->size = log.checkpoint_size;
	return buf_ok(&a->out, err);
}

/* protocol 3.10: "The parent answers for logs of that child only." */
static enum err_code give_prefix(struct ask *a, struct node *n, struct err *err)
{
	const char *code = origin_code(a->origin);
	struct log_info log;
	enum err_code rc;

	if (!code || memcmp(code, a->peer, CODE_LEN))
		return err_set(err, ERR_DENIED, "%s is no log of %s", a->origin,
			a->peer);
	origin_head_write(a->origin, &a->out);
	if ((rc = store_log_find(n->store, a->origin, &log, err)) ||
		(rc = exchange_make_prefix(n, &log, a->from, &a->out, err)))
		return rc;
	return buf_ok(&a->out, err);
}

static enum err_code give_package(
	struct ask *a, struct replica *r, struct err *err)
{
	struct provided given = {.from = a->from};
	struct log_info log;
	enum err_code rc;

	origin_head_write(a->origin, &a->out);
	if ((rc = store_log_find(r->node->store, a->origin, &log, err)) ||
		(rc = exchange_make_package(r->node, r->rules, &log, a->peer,
			 a->from, a->size, PACKAGE_TARGET, &a->out, &a->next,
			 &given.labels, err)) ||
		(rc = buf_ok(&a->out, err)))
		return rc;
	a->count = a->next - a->from;
	given.log = log.id;
	given.end = a->next;
	return put_one_on_record(a, r, &given, err);
}

/* ---- down ---- */

#define SEQS_AT_ONCE 64

struct seqs {
	uint64_t seq[SEQS_AT_ONCE];
	size_t count;
};

static enum err_code add_seq(void *arg, uint64_t seq, struct err *err)
{
	struct seqs *list = arg;

	if (list->count == SEQS_AT_ONCE)
		return err_set(err, ERR_LIMIT, "enough for now");
	list->seq[list->count++] = seq;
	return ERR_OK;
}

static bool is_of(const struct log_info *log, const char *code)
{
	const char *own = origin_code(log->origin);

	return own && !memcmp(own, code, CODE_LEN);
}

static enum err_code give_entry(struct ask *a, struct replica *r,
	const struct log_info *log, uint64_t seq, struct err *err)
{
	struct proved_item *item = &a->proved[a->proved_count];
	struct provided given = {.log = log->id, .from = seq, .end = seq + 1};
	struct entry e;
	enum err_code rc;

	if ((rc = store_entry(r->node->store, log->id, seq, &e, err)) ||
		!exchange_goes_down(r->rules, &e, a->peer) ||
		(is_of(log, a->peer) && !order_is_series(e.series)))
		return rc;
	origin_head_write(log->origin, &item->message);
	buf_u64(&item->message, seq);
	if ((rc = exchange_make_proved(r->node, r->rules, log, seq, a->peer,
		     &item->message, &given.labels, err)) ||
		(rc = buf_ok(&item->message, err)) ||
		(rc = put_one_on_record(a, r, &given, err))) {
		buf_free(&item->message);
		return rc;
	}
	memcpy(item->origin, log->origin, ORIGIN_SIZE);
	item->seq = seq;
	a->proved_count++;
	a->size += item->message.len;
	return ERR_OK;
}

static bool room_left(const struct ask *a)
{
	return a->proved_count < a->room && a->proved_count < PROVED_AT_ONCE &&
		a->size < PROVED_ROOM;
}

static enum err_code find_cursor(
	struct ask *a, const char *origin, struct row **out, struct err *err)
{
	enum err_code rc = ERR_OK;

	*out = rows_find(&a->cursors, origin);
	if (!*out && (rc = rows_add(&a->cursors, origin, 0, 0, err)) == ERR_OK)
		*out = &a->cursors.row[a->cursors.count - 1];
	return rc;
}

/* Entries of one log that go down, in their order: one that cannot be proved
 * yet holds back those behind it, else the child's cursor would pass it. */
static enum err_code give_log_down(struct ask *a, struct replica *r,
	const struct log_info *log, struct err *err)
{
	struct seqs seqs = {0};
	struct row *cursor;
	enum err_code rc;

	if ((rc = find_cursor(a, log->origin, &cursor, err)))
		return rc;
	rc = store_down_each(
		r->node->store, log->id, cursor->n, add_seq, &seqs, err);
	if (rc && !(rc == ERR_LIMIT && seqs.count == SEQS_AT_ONCE))
		return rc;
	a->more = a->more || seqs.count == SEQS_AT_ONCE;
	for (size_t i = 0; i < seqs.count; i++) {
		if (!room_left(a)) {
			a->more = true;
			return ERR_OK;
		}
		rc = give_entry(a, r, log, seqs.seq[i], err);
		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc == ERR_CORRUPT &&
			record_given_up(r->node, log, seqs.seq[i]))
			rc = ERR_OK;
		if (rc)
			return rc;
		cursor->n = seqs.seq[i] + 1;
	}
	return ERR_OK;
}

struct giving_down {
	struct ask *ask;
	struct replica *replica;
	size_t count;
	bool full; /* a log waits for room: it holds up no other */
	struct err why;
};

/* protocol 5.3: "Down go entries of logs that are not of the child or below it;
 * of a log of its own that the child named in HELLO orders only." */
static enum err_code give_if_down(
	void *arg, const struct log_info *log, struct err *err)
{
	struct giving_down *g = arg;
	const char *code = origin_code(log->origin);
	enum err_code rc;

	if (!code ||
		(code_within(code, g->ask->peer) &&
			!(is_of(log, g->ask->peer) &&
				rows_find(&g->ask->cursors, log->origin))) ||
		g->count == SESSION_ROWS_LIMIT)
		return ERR_OK;
	g->count++;
	rc = give_log_down(g->ask, g->replica, log, err);
	if (rc != ERR_FULL)
		return rc;
	g->full = true;
	if (err)
		g->why = *err;
	return ERR_OK;
}

static enum err_code give_proved(
	struct ask *a, struct replica *r, struct err *err)
{
	struct giving_down g = {.ask = a, .replica = r};
	enum err_code rc;

	a->size = 0;
	rc = store_log_each(r->node->store, give_if_down, &g, err);
	if (rc == ERR_OK && g.full)
		rc = err_set(err, ERR_FULL, "%s", g.why.text);
	return rc;
}

static enum err_code give_cosigned(
	struct ask *a, struct node *n, struct err *err)
{
	struct log_info log;
	struct digest d;
	struct cursor c;
	enum err_code rc;

	if ((rc = store_log_find(n->store, a->origin, &log, err)) ||
		(rc = store_note(
			 n->store, log.id, NOTE_COSIGNED, &a->out, err)))
		return rc;
	d = digest_of(a->out.data, a->out.len);
	c = cursor_over(d.b, sizeof(d.b));
	a->note = cursor_u64(&c);
	return ERR_OK;
}

/* ---- attachments ---- */

/* The peer may have what it may have of the record: its clearance for the
 * label, and downwards only of entries that go down to it. */
static enum err_code check_range(struct ask *a, struct replica *r,
	struct provided *given, struct err *err)
{
	struct attachment_ref ref;
	uint8_t labels = 0;
	char code[CODE_SIZE] = "";
	struct log_info log;
	struct entry e;
	enum err_code rc;

	if ((rc = store_attachment_find(
		     r->node->store, &a->object, &ref, err)) ||
		(rc = store_log_by_id(r->node->store, ref.log, &log, err)) ||
		(rc = store_entry(r->node->store, ref.log, ref.seq, &e, err)))
		return rc;
	if ((rc = exchange_may_hold(r->node, r->rules, &log, ref.seq, &e,
		     a->peer, &labels, err)))
		return rc;
	if (origin_code(log.origin))
		memcpy(code, origin_code(log.origin), CODE_LEN);
	if (!(labels & LABEL_BIT(ref.label)))
		return err_set(err, ERR_DENIED,
			"%s may not hold the attachment of %s/%" PRIu64,
			a->peer, log.origin, ref.seq);
	if (a->role == SESSION_PARENT && !code_within(code, a->peer) &&
		!exchange_goes_down(r->rules, &e, a->peer))
		return err_set(err, ERR_DENIED,
			"%s/%" PRIu64 " does not go down to %s", log.origin,
			ref.seq, a->peer);
	*given = (struct provided){.log = ref.log,
		.from = ref.seq,
		.end = ref.seq + 1,
		.labels = LABEL_BIT(ref.label) & PROVISION_LABELS};
	return ERR_OK;
}

static enum err_code read_range(struct ask *a, struct node *n, struct err *err)
{
	struct attachment_reader *reader = NULL;
	uint64_t size;
	size_t got = 0, done = 0;
	uint8_t *room;
	enum err_code rc;

	if ((rc = attachment_open(n->data, store_keyring(n->store), &a->object,
		     &reader, &size, err)))
		return rc;
	if (a->from >= size || a->size > size - a->from) {
		rc = err_set(err, ERR_PROTOCOL,
			"range %" PRIu64 " + %" PRIu64
			" of an attachment of %" PRIu64 " bytes",
			a->from, a->size, size);
		goto out;
	}
	data_head_write(&a->object, a->from, &a->out);
	room = buf_reserve(&a->out, (size_t)a->size);
	if (!room) {
		rc = err_nomem(err);
		goto out;
	}
	while (done < a->size) {
		if ((rc = attachment_read(reader, a->from + done, room + done,
			     (size_t)a->size - done, &got, err)))
			goto out;
		if (got == 0) {
			rc = err_set(err, ERR_CORRUPT,
				"attachment ends at %" PRIu64 " of %" PRIu64,
				a->from + done, size);
			goto out;
		}
		done += got;
	}
	a->out.len += done;
out:
	attachment_close(reader);
	return rc;
}

static enum err_code give_range(
	struct ask *a, struct replica *r, struct err *err)
{
	struct provided given;
	enum err_code rc;

	if ((rc = check_range(a, r, &given, err)))
		return rc;
	if (!attachment_here(r->node->data, &a->object))
		return err_set(err, ERR_NOT_FOUND, "attachment is not here");
	if ((rc = read_range(a, r->node, err)))
		return rc;
	return put_one_on_record(a, r, &given, err);
}

/* protocol 3.11: "A parent gives a child entries of the child's logs and of
 * those below it, a child its parent those of its own and below." */
static enum err_code give_entries(
	struct ask *a, struct replica *r, struct err *err)
{
	const char *code = origin_code(a->origin);
	const char *within =
		a->role == SESSION_PARENT ? a->peer : r->node->config.code;
	/* What came down is asked for by itself. */
	bool single = a->role == SESSION_PARENT && !a->again.size;
	struct provided_list given = {.count = 0};
	enum err_code rc;

	if (!code || (!single && !code_within(code, within)))
		return err_set(err, ERR_DENIED, "%s is no log of %s", a->origin,
			within);
	origin_head_write(a->origin, &a->out);
	rc = exchange_make_entries(
		r->node, r->rules, &a->again, a->peer, &a->out, &given, err);
	if (rc == ERR_OK)
		rc = put_on_record(a, r, &given, err);
	provided_free(&given);
	return rc;
}

enum err_code give_run(struct ask *a, struct replica *r, struct err *err)
{
	switch (a->kind) {
	case ASK_GIVE_CHECKPOINT:
		return a->role == SESSION_PARENT
			? give_prefix(a, r->node, err)
			: give_checkpoint(a, r->node, err);
	case ASK_GIVE_PACKAGE:
		return give_package(a, r, err);
	case ASK_GIVE_PROVED:
		return give_proved(a, r, err);
	case ASK_GIVE_COSIGNED:
		return give_cosigned(a, r->node, err);
	case ASK_GIVE_RANGE:
		return give_range(a, r, err);
	case ASK_GIVE_ENTRIES:
		return give_entries(a, r, err);
	default:
		return err_set(err, ERR_INTERNAL, "no giving ask");
	}
}
