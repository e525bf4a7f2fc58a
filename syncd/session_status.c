/* session_status.c - a session's rows of logs, and what it waits for. */
#include "syncd/session_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

struct log_row *session_find_row(struct session *s, const char *origin)
{
	for (size_t i = 0; i < s->row_count; i++) {
		if (!strcmp(s->rows[i].origin, origin))
			return &s->rows[i];
	}
	return NULL;
}

size_t session_row(struct session *s, const char *origin)
{
	struct log_row *row = session_find_row(s, origin);

	if (row)
		return (size_t)(row - s->rows);
	if (s->row_count == SESSION_ROWS_LIMIT)
		return NO_ROW;
	if (!grow(&s->rows, &s->row_cap, s->row_count, sizeof(*s->rows)))
		return NO_ROW;
	row = &s->rows[s->row_count];
	*row = (struct log_row){0};
	snprintf(row->origin, sizeof(row->origin), "%s", origin);
	row->mine = s->opt.role == SESSION_CHILD && origin_code(origin) &&
		!memcmp(origin_code(origin), s->ours.code, CODE_LEN);
	return s->row_count++;
}

/* ---- status ---- */

void session_problem(struct session *s, const char *thing, const char *text)
{
	if (!s->problem[0])
		snprintf(s->problem, sizeof(s->problem), "%s%s%s", thing,
			thing[0] ? ": " : "", text);
}

static uint64_t backlog(const struct session *s)
{
	uint64_t sum = 0;

	if (s->opt.role == SESSION_PARENT || !s->have_theirs)
		return 0;
	for (size_t i = 0; i < s->row_count; i++) {
		if (!s->rows[i].closed && s->rows[i].here > s->rows[i].acked)
			sum += s->rows[i].here - s->rows[i].acked;
	}
	return sum;
}

/* The first row in the way of "complete", as words; false where none is. */
static bool row_in_way(const struct session *s, char *text, size_t size)
{
	for (size_t i = 0; i < s->row_count; i++) {
		const struct log_row *row = &s->rows[i];

		if (row->closed)
			continue;
		if (row->settle)
			snprintf(text, size,
				"to find what the parent has of %s",
				row->origin);
		else if (row->refused)
			snprintf(text, size, "%s is refused", row->origin);
		else if (s->opt.role == SESSION_CHILD && row->known > row->here)
			snprintf(text, size,
				"parent has %" PRIu64
				" of %s, here are %" PRIu64,
				row->known, row->origin, row->here);
		else if (s->opt.role == SESSION_CHILD &&
			(row->acked < row->here || row->unverified))
			snprintf(text, size, "%" PRIu64 " entries of %s to go",
				row->here - row->acked, row->origin);
		else if (row->partial)
			snprintf(text, size, "entries of %s", row->origin);
		else
			continue;
		return true;
	}
	return false;
}

static bool open_and_quiet(const struct session *s)
{
	return s->state == SESSION_OPEN && s->looked && !s->dirty &&
		!s->looking && !s->outdated && take_idle(s) &&
		s->proved_count == 0 && s->flight_count == 0;
}

static void end_or_wait(const struct session *s, char *text, size_t size)
{
	uint64_t ours = s->ours.governance, theirs = s->theirs.governance;

	if (session_over(s))
		snprintf(text, size, "%s", s->end_text);
	else if (s->state == SESSION_HELLO)
		snprintf(text, size, "the peer's hello");
	else if (s->state == SESSION_GOVERNANCE || s->outdated)
		snprintf(text, size, "rules %" PRIu64,
			ours > theirs ? ours : theirs);
	else if (s->no_room)
		snprintf(text, size, "room on the disk here");
	else if (s->problem[0])
		snprintf(text, size, "%s", s->problem);
}

void session_status(const struct session *s, struct session_status *out)
{
	char text[sizeof(s->end_text)] = "", row[ORIGIN_SIZE + 96] = "";
	bool blocked = row_in_way(s, row, sizeof(row));

	*out = s->status;
	out->state = s->state;
	out->backlog = backlog(s);
	out->wanted = s->wanted_total;
	out->complete =
		open_and_quiet(s) && !blocked && !s->problem[0] && !s->no_room;
	end_or_wait(s, text, sizeof(text));
	if (!text[0] && blocked)
		memcpy(text, row, sizeof(row));
	if (!text[0] && s->wanted_total)
		snprintf(text, sizeof(text), "%" PRIu64 " attachments",
			s->wanted_total);
	/* Cut at a whole character, as errors are. */
	if (strlen(text) >= sizeof(out->waiting_for)) {
		size_t end = sizeof(out->waiting_for) - 1;

		while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
			end--;
		text[end] = '\0';
	}
	memcpy(out->waiting_for, text, strlen(text) + 1);
}
