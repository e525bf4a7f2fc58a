/* session_give.c - a session's giving side: logs up, entries and cosigned
 * notes down, ranges of attachments, all within the window. */
#include "syncd/session_inside.h"

#include <string.h>

/* ---- the window ---- */

/* Room is reserved while the bytes are being made.  The first package goes
 * whatever its size. */
static bool window_reserve(struct session *s, size_t bytes)
{
	size_t flights = s->flight_count + s->reserved_count;

	if (flights > 0 &&
		(flights >= FLIGHTS_LIMIT ||
			s->unacked + s->reserved + bytes > SESSION_WINDOW))
		return false;
	s->reserved += bytes;
	s->reserved_count++;
	return true;
}

static void window_release(struct session *s, size_t bytes)
{
	s->reserved -= bytes;
	s->reserved_count--;
}

static void fly(struct session *s, size_t row, const struct digest *object,
	uint64_t end, size_t bytes)
{
	struct flight *f = &s->flights[s->flight_count++];

	*f = (struct flight){.row = row, .end = end, .bytes = bytes};
	if (object)
		f->object = *object;
	s->unacked += bytes;
}

/* Ends the flights of a log or object up to `end`. */
static bool land(struct session *s, size_t row, const struct digest *object,
	uint64_t end)
{
	size_t kept = 0;
	bool any = false;

	for (size_t i = 0; i < s->flight_count; i++) {
		const struct flight *f = &s->flights[i];

		if (f->row == row && f->end <= end &&
			(!object || digest_equal(&f->object, object))) {
			s->unacked -= f->bytes;
			any = true;
		} else {
			s->flights[kept++] = *f;
		}
	}
	s->flight_count = kept;
	return any;
}

/* ---- logs up ---- */

/* What the parent has of our logs.  Equal hashes: all that we said.  Rows that
 * tell no difference where the hashes do: some log must be another one there,
 * and a checkpoint finds out which. */
static void open_rows(struct session *s)
{
	bool differs = false;

	for (size_t i = 0; i < s->row_count; i++) {
		struct log_row *row = &s->rows[i];
		const struct row *theirs =
			rows_find(&s->theirs.rows, row->origin);

		if (s->matched)
			row->acked = row->known = row->here;
		else if (theirs) {
			row->acked = theirs->n;
			row->known = theirs->known;
		}
		differs = differs || row->acked != row->here;
	}
	for (size_t i = 0; i < s->theirs.rows.count; i++) {
		const struct row *theirs = &s->theirs.rows.row[i];
		const struct row *closed =
			rows_find(&s->closed, theirs->origin);
		size_t row;

		if (session_find_row(s, theirs->origin) ||
			(closed && closed->n == theirs->known))
			continue;
		differs = true;
		if ((row = session_row(s, theirs->origin)) == NO_ROW)
			continue;
		s->rows[row].acked = theirs->n;
		s->rows[row].known = theirs->known;
		s->rows[row].settle = s->rows[row].mine;
	}
	for (size_t i = 0; i < s->row_count; i++) {
		struct log_row *row = &s->rows[i];

		row->verify = row->here > 0 && !s->matched &&
			(!differs || row->known > row->here);
		row->unverified = row->verify;
	}
}

void give_open(struct session *s)
{
	if (s->opt.role == SESSION_CHILD) {
		open_rows(s);
		return;
	}
	s->cursors = s->theirs.down;
	s->theirs.down = (struct rows){0};
}

static bool row_idle_with_work(const struct log_row *row)
{
	if (row->refused || row->settle || row->closed || row->target ||
		row->here == 0)
		return false;
	return row->verify || row->here > row->known ||
		(row->here == row->known && row->acked < row->here);
}

static bool row_sending(const struct log_row *row)
{
	return !row->refused && !row->settle && !row->closed && row->target &&
		row->next < row->target;
}

/* Our own log first, then each in turn, so that a busy one below us cannot
 * hold up the others. */
static size_t pick(
	const struct session *s, bool (*fits)(const struct log_row *))
{
	for (size_t i = 0; i < s->row_count; i++) {
		if (s->rows[i].own && fits(&s->rows[i]))
			return i;
	}
	for (size_t i = 0; i < s->row_count; i++) {
		size_t row = (s->turn + i) % s->row_count;

		if (fits(&s->rows[row]))
			return row;
	}
	return NO_ROW;
}

static void begin_row(struct session *s, size_t i)
{
	struct log_row *row = &s->rows[i];
	struct ask *a;

	s->turn = i + 1;
	if (!row->verify && row->here == row->known) {
		/* The parent has this checkpoint and lacks entries of it. */
		row->target = row->here;
		row->next = row->acked;
		return;
	}
	if (!(a = session_ask(s, ASK_GIVE_CHECKPOINT)))
		return;
	memcpy(a->origin, row->origin, ORIGIN_SIZE);
	a->from = row->known;
	row->verify = false;
	s->giving = true;
}

static void give_up(struct session *s)
{
	size_t i = pick(s, row_sending);
	struct ask *a;

	if (i == NO_ROW) {
		if ((i = pick(s, row_idle_with_work)) == NO_ROW)
			return;
		begin_row(s, i);
		if (s->giving || !row_sending(&s->rows[i]))
			return;
	}
	if (!window_reserve(s, PACKAGE_TARGET))
		return;
	if (!(a = session_ask(s, ASK_GIVE_PACKAGE))) {
		window_release(s, PACKAGE_TARGET);
		return;
	}
	memcpy(a->origin, s->rows[i].origin, ORIGIN_SIZE);
	a->from = s->rows[i].next;
	a->size = s->rows[i].target;
	s->giving = true;
}

/* What cannot be given is named and left; the other logs go on. */
static void stuck(struct session *s, struct log_row *row, struct ask *a)
{
	row->target = 0;
	/* One that is closed is entered again, as far as it is whole. */
	if (a->rc == ERR_CORRUPT && row->mine && !row->own && !row->damaged) {
		row->damaged = row->settle = true;
		return;
	}
	row->refused = true;
	if (a->rc == ERR_CORRUPT)
		(void)!err_while(&a->err, a->rc,
			"held up by damage here (cundang repair)");
	session_problem(s, a->origin, a->err.text);
}

/* ---- what there is of a log of the child ---- */

enum err_code give_on_prove(
	struct session *s, const struct control *c, struct err *err)
{
	struct ask *a;

	if (s->proving_prefix)
		return err_set(err, ERR_PROTOCOL,
			"PROVE before the one before is answered");
	if (!(a = session_ask(s, ASK_GIVE_CHECKPOINT)))
		return err_nomem(err);
	memcpy(a->origin, c->origin, ORIGIN_SIZE);
	a->from = c->size;
	s->proving_prefix = true;
	return ERR_OK;
}

static enum err_code prefix_given(
	struct session *s, struct ask *a, struct err *err)
{
	struct control c = {
		.members = MEMBER_ORIGIN | MEMBER_TEXT | MEMBER_WHY};

	s->proving_prefix = false;
	if (a->rc == ERR_OK)
		return session_send(s, MESSAGE_CHECKPOINT, &a->out, err);
	if (rc_is_ours(a->rc)) {
		*err = a->err;
		return a->rc;
	}
	memcpy(c.origin, a->origin, ORIGIN_SIZE);
	memcpy(c.text, a->err.text, sizeof(c.text));
	strncpy(c.why, err_name(a->rc), WHY_SIZE - 1);
	return session_say(s, MESSAGE_REFUSED, &c, err);
}

static enum err_code checkpoint_given(
	struct session *s, struct ask *a, struct err *err)
{
	struct log_row *row = session_find_row(s, a->origin);

	if (s->opt.role == SESSION_PARENT)
		return prefix_given(s, a, err);
	s->giving = false;
	if (a->rc) {
		stuck(s, row, a);
		return ERR_OK;
	}
	if (a->size > row->here)
		row->here = a->size;
	if (a->size > row->known)
		row->known = a->size;
	if (a->size == row->known && a->size > row->acked) {
		row->target = a->size;
		row->next = row->acked;
	}
	return session_send(s, MESSAGE_CHECKPOINT, &a->out, err);
}

static enum err_code package_given(
	struct session *s, struct ask *a, struct err *err)
{
	struct log_row *row = session_find_row(s, a->origin);

	s->giving = false;
	window_release(s, PACKAGE_TARGET);
	if (row->refused || row->next != a->from || row->target != a->size)
		return ERR_OK; /* overtaken by an answer of the peer */
	if (a->rc == ERR_FULL) {
		s->no_room = true;
		return ERR_OK;
	}
	if (a->rc) {
		stuck(s, row, a);
		return ERR_OK;
	}
	row->next = a->next;
	fly(s, (size_t)(row - s->rows), NULL, a->next, a->out.len);
	s->status.packages_out++;
	s->status.entries_out += a->count;
	return session_send(s, MESSAGE_PACKAGE, &a->out, err);
}

static enum err_code size_acked(
	struct session *s, const struct control *c, struct err *err)
{
	struct log_row *row = session_find_row(s, c->origin);

	if (!row || s->opt.role == SESSION_PARENT)
		return err_set(err, ERR_PROTOCOL,
			"ACK of %s, which was not given", c->origin);
	land(s, (size_t)(row - s->rows), NULL, c->size);
	row->unverified = false;
	/* It was asked, and is the same so far: the parent has more. */
	if (row->known > row->here)
		settle_due(s, c->origin);
	if (c->size > row->acked)
		row->acked = c->size;
	if (row->known < row->acked)
		row->known = row->acked;
	if (row->next < row->acked)
		row->next = row->acked;
	if (row->target && row->acked >= row->target)
		row->target = 0;
	return ERR_OK;
}

/* ---- entries down ---- */

static void give_down(struct session *s)
{
	struct ask *a;

	if (s->opt.role == SESSION_CHILD || !s->down_due || s->proving ||
		s->proved_count == PROVED_AT_ONCE ||
		!(a = session_ask(s, ASK_GIVE_PROVED)))
		return;
	a->cursors = s->cursors;
	s->cursors = (struct rows){0};
	a->room = PROVED_AT_ONCE - s->proved_count;
	s->down_due = false;
	s->proving = true;
}

/* No entry has this sequence, so the log gives nothing more. */
static void stop_refused(struct session *s)
{
	for (size_t i = 0; i < s->refused_down.count; i++) {
		struct row *cursor =
			rows_find(&s->cursors, s->refused_down.row[i].origin);

		if (cursor)
			cursor->n = TREE_SIZE_LIMIT;
	}
}

static enum err_code proved_given(
	struct session *s, struct ask *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	s->proving = false;
	s->cursors = a->cursors;
	a->cursors = (struct rows){0};
	stop_refused(s);
	if (a->rc == ERR_FULL)
		s->no_room = true;
	else if (a->rc)
		session_problem(s, "entries down", a->err.text);
	for (size_t i = 0; rc == ERR_OK && i < a->proved_count; i++) {
		struct proved_item *item = &a->proved[i];
		struct proved_flight *f;

		if (rows_find(&s->refused_down, item->origin))
			continue;
		f = &s->proved[s->proved_count++];
		memcpy(f->origin, item->origin, ORIGIN_SIZE);
		f->seq = item->seq;
		s->status.proved_out++;
		rc = session_send(s, MESSAGE_PROVED, &item->message, err);
	}
	s->down_due = s->down_due || a->more;
	return rc;
}

static bool land_proved(
	struct session *s, const char *origin, uint64_t seq, bool all)
{
	size_t kept = 0, count = s->proved_count;

	for (size_t i = 0; i < count; i++) {
		struct proved_flight f = s->proved[i];

		if (strcmp(f.origin, origin) || (!all && f.seq != seq))
			s->proved[kept++] = f;
	}
	s->proved_count = kept;
	return kept < count;
}

static enum err_code seq_acked(
	struct session *s, const struct control *c, struct err *err)
{
	if (!land_proved(s, c->origin, c->seq, false))
		return err_set(err, ERR_PROTOCOL,
			"ACK of an entry of %s that was not given", c->origin);
	return ERR_OK;
}

/* ---- cosigned notes down ---- */

static void give_note(struct session *s)
{
	struct ask *a;

	if (s->opt.role == SESSION_CHILD || s->noting)
		return;
	for (size_t i = 0; i < s->row_count; i++) {
		if (!s->rows[i].note_due)
			continue;
		if (!(a = session_ask(s, ASK_GIVE_COSIGNED)))
			return;
		memcpy(a->origin, s->rows[i].origin, ORIGIN_SIZE);
		s->rows[i].note_due = false;
		s->noting = true;
		return;
	}
}

static enum err_code note_given(
	struct session *s, struct ask *a, struct err *err)
{
	struct log_row *row = session_find_row(s, a->origin);

	s->noting = false;
	if (a->rc) {
		session_problem(s, a->origin, a->err.text);
		return ERR_OK;
	}
	row->note = a->note;
	return session_send(s, MESSAGE_COSIGNED, &a->out, err);
}

static void see_notes(struct session *s, const struct seen_logs *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		size_t row = session_row(s, logs->log[i].origin);

		if (row != NO_ROW && s->rows[row].note != logs->log[i].note)
			s->rows[row].note_due = true;
	}
}

/* ---- attachments ---- */

enum err_code give_on_want(
	struct session *s, const struct control *c, struct err *err)
{
	if (s->serve_count == RANGES_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"WANT of more than %d attachments at once",
			RANGES_LIMIT);
	s->serves[s->serve_count++] = (struct serve){
		.object = c->object, .offset = c->offset, .length = c->length};
	return ERR_OK;
}

static void give_ranges(struct session *s)
{
	for (size_t i = 0; i < s->serve_count; i++) {
		struct serve *serve = &s->serves[i];
		struct ask *a;

		if (serve->asking)
			continue;
		if (!window_reserve(s, (size_t)serve->length))
			return;
		if (!(a = session_ask(s, ASK_GIVE_RANGE))) {
			window_release(s, (size_t)serve->length);
			return;
		}
		a->object = serve->object;
		a->from = serve->offset;
		a->size = serve->length;
		serve->asking = true;
	}
}

static void served(struct session *s, const struct ask *a)
{
	for (size_t i = 0; i < s->serve_count; i++) {
		if (s->serves[i].asking && s->serves[i].offset == a->from &&
			digest_equal(&s->serves[i].object, &a->object)) {
			s->serves[i] = s->serves[--s->serve_count];
			return;
		}
	}
}

/* An object that is not here is remembered, and told when it comes. */
static enum err_code say_none(
	struct session *s, const struct ask *a, struct err *err)
{
	struct control c = {.members = MEMBER_OBJECT | MEMBER_WHY,
		.object = a->object,
		.why = "absent"};

	if (a->rc == ERR_DENIED || a->rc == ERR_PROTOCOL) {
		memcpy(c.why, "denied", sizeof("denied"));
	} else {
		if (a->rc == ERR_FULL)
			s->no_room = true;
		else if (a->rc != ERR_NOT_FOUND)
			session_problem(s, "attachment", a->err.text);
		if (s->sought.count < OBJECTS_LIMIT &&
			!digests_have(&s->sought, &a->object) &&
			digests_add(&s->sought, &a->object, err))
			return ERR_NOMEM;
	}
	return session_say(s, MESSAGE_NONE, &c, err);
}

static enum err_code range_given(
	struct session *s, struct ask *a, struct err *err)
{
	served(s, a);
	window_release(s, (size_t)a->size);
	if (a->rc)
		return say_none(s, a, err);
	fly(s, NO_ROW, &a->object, a->from + a->size, a->out.len);
	s->status.attachment_bytes_out += a->size;
	return session_send(s, MESSAGE_DATA, &a->out, err);
}

static enum err_code say_here(
	struct session *s, const struct digests *here, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < here->count; i++) {
		struct control c = {
			.members = MEMBER_OBJECT, .object = here->d[i]};

		digests_remove(&s->sought, &here->d[i]);
		rc = session_say(s, MESSAGE_HAVE, &c, err);
	}
	return rc;
}

/* ---- together ---- */

void give_pump(struct session *s)
{
	if (s->outdated)
		return;
	give_down(s);
	give_note(s);
	if (s->opt.role == SESSION_CHILD && !s->giving && !s->no_room)
		give_up(s);
	give_ranges(s);
}

enum err_code give_news(struct session *s, struct ask *look, struct err *err)
{
	if (s->opt.role == SESSION_PARENT)
		see_notes(s, &look->logs);
	return say_here(s, &look->here, err);
}

enum err_code give_answer(struct session *s, struct ask *a, struct err *err)
{
	switch (a->kind) {
	case ASK_GIVE_CHECKPOINT:
		return checkpoint_given(s, a, err);
	case ASK_GIVE_PACKAGE:
		return package_given(s, a, err);
	case ASK_GIVE_PROVED:
		return proved_given(s, a, err);
	case ASK_GIVE_COSIGNED:
		return note_given(s, a, err);
	case ASK_GIVE_RANGE:
		return range_given(s, a, err);
	default:
		return err_set(err, ERR_INTERNAL, "no giving ask");
	}
}

enum err_code give_on_ack(
	struct session *s, const struct control *c, struct err *err)
{
	if (c->members & MEMBER_SIZE)
		return size_acked(s, c, err);
	if (c->members & MEMBER_SEQ)
		return seq_acked(s, c, err);
	if (!land(s, NO_ROW, &c->object, c->offset))
		return err_set(err, ERR_PROTOCOL,
			"ACK of an attachment that was not given");
	return ERR_OK;
}

/* protocol 3.9: "The giver stops this log in this session; other logs go
 * on." */
enum err_code give_on_refused(
	struct session *s, const struct control *c, struct err *err)
{
	struct log_row *row;

	if (c->members & MEMBER_OBJECT) {
		land(s, NO_ROW, &c->object, UINT64_MAX);
		session_problem(s, "attachment refused", c->text);
		return ERR_OK;
	}
	row = session_find_row(s, c->origin);
	if (row && row->mine && strcmp(c->why, "fork"))
		settle_refused(s, row);
	/* A fork of a log of ours is dealt with, unless that failed. */
	if (!row || !row->mine || strcmp(c->why, "fork") ||
		!settle_due(s, c->origin))
		session_problem(s, c->origin, c->text);
	if (s->opt.role == SESSION_PARENT) {
		struct row *cursor = rows_find(&s->cursors, c->origin);

		land_proved(s, c->origin, 0, true);
		if (cursor)
			cursor->n = TREE_SIZE_LIMIT;
		if (rows_find(&s->refused_down, c->origin))
			return ERR_OK;
		return rows_add(&s->refused_down, c->origin, 0, 0, err);
	}
	if (!row)
		return err_set(err, ERR_PROTOCOL,
			"REFUSED %s, which was not given", c->origin);
	row->refused = true;
	row->target = 0;
	land(s, (size_t)(row - s->rows), NULL, UINT64_MAX);
	return ERR_OK;
}
