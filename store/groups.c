/* groups.c - which groups of a segment are whole, and what is damaged. */
#include "store/groups.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/batch.h"

/* A scan of one segment. */
struct scan {
	struct groups *g;
	uint32_t number;
	/* The group that is under way. */
	uint64_t start;
	uint32_t items;
	uint32_t heads_crc;
	size_t first_move;
	bool gap;
	bool ended;	     /* what follows is no group */
	uint64_t first_item; /* 0 for none yet */
};

static void begin_group(struct scan *s, uint64_t start)
{
	s->start = start;
	s->items = 0;
	s->heads_crc = 0;
	s->first_item = 0;
	s->gap = false;
	s->first_move = s->g->move_count;
}

static enum err_code push_group(struct scan *s, uint64_t commit, uint64_t end,
	bool damaged, struct err *err)
{
	struct groups *g = s->g;

	if (!grow(&g->at, &g->cap, g->count, sizeof(*g->at)))
		return err_nomem(err);
	g->at[g->count++] =
		(struct group_at){s->number, s->start, commit, end, damaged};
	begin_group(s, end);
	return ERR_OK;
}

static enum err_code add_item(
	struct scan *s, struct place at, const struct item *it, struct err *err)
{
	struct groups *g = s->g;

	s->heads_crc = item_chain(s->heads_crc, it);
	if (!s->items++)
		s->first_item = at.offset;
	if (!it->origin.segment)
		return ERR_OK;
	if (!grow(&g->moves, &g->move_cap, g->move_count, sizeof(*g->moves)))
		return err_nomem(err);
	g->moves[g->move_count++] = (struct move){it->origin, at};
	return ERR_OK;
}

/* What the commit item says, where it can be read.  Other errors are those of
 * the machine. */
static enum err_code read_commit(
	struct scan *s, struct place at, struct directory *out, struct err *err)
{
	struct buf payload = BUF_EMPTY;
	struct item it;
	enum err_code rc;

	rc = segment_item(s->g->segments, at, &it, &payload, err);
	if (!rc)
		rc = directory_parse(payload.data, payload.len, out, err);
	buf_free(&payload);
	return rc;
}

/* ---- as it should be ---- */

static enum err_code end_group(
	struct scan *s, struct place at, const struct item *it, struct err *err)
{
	struct directory d = {0};
	enum err_code rc = read_commit(s, at, &d, err);

	if (rc && rc != ERR_CORRUPT)
		return rc;
	s->ended = rc || d.start != s->start || d.items != s->items ||
		d.heads_crc != s->heads_crc;
	directory_free(&d);
	return s->ended ? ERR_OK
			: push_group(s, at.offset, at.offset + item_size(it),
				  false, err);
}

static enum err_code on_scan(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct scan *s = arg;

	if (s->ended)
		return ERR_OK;
	return it->kind == ITEM_COMMIT ? end_group(s, at, it, err)
				       : add_item(s, at, it, err);
}

/* ---- past damage ---- */

/* A group whose commit item is lost, up to `end`; nothing when no item of it
 * is left. */
static enum err_code push_headless(
	struct scan *s, uint64_t end, struct err *err)
{
	if (s->first_item && s->first_item < end)
		return push_group(s, end - 1, end, true, err);
	begin_group(s, end);
	return ERR_OK;
}

static enum err_code end_damaged(
	struct scan *s, struct place at, const struct item *it, struct err *err)
{
	uint64_t end = at.offset + item_size(it);
	struct directory d = {0};
	enum err_code rc = read_commit(s, at, &d, err);
	struct err told;
	bool whole;

	if (rc && rc != ERR_CORRUPT)
		return rc;
	if (rc) {
		(void)err_set(&told, ERR_CORRUPT,
			"the end of a group does not match its crc");
		s->g->damage(s->g->arg, at, item_size(it), told.text);
		return push_group(s, at.offset, end, true, err);
	}
	if (d.start > s->start && d.start <= at.offset) {
		uint64_t first = s->first_item;
		uint32_t items = s->items;
		uint32_t crc = s->heads_crc;
		bool gap = s->gap && first >= d.start;

		/* The items belong to either one group or the other. */
		if (first && first < d.start) {
			rc = push_headless(s, d.start, err);
			items = 0;
		} else {
			size_t moves = s->first_move;

			begin_group(s, d.start);
			s->items = items;
			s->heads_crc = crc;
			s->first_move = moves;
			s->gap = gap;
		}
	}
	whole = !s->gap && d.start == s->start && d.items == s->items &&
		d.heads_crc == s->heads_crc;
	directory_free(&d);
	return rc ? rc : push_group(s, at.offset, end, !whole, err);
}

static enum err_code on_walk(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct scan *s = arg;

	return it->kind == ITEM_COMMIT ? end_damaged(s, at, it, err)
				       : add_item(s, at, it, err);
}

static enum err_code on_gap(
	void *arg, struct place at, uint64_t len, struct err *err)
{
	struct scan *s = arg;
	struct err told;

	(void)err;
	s->gap = true;
	s->g->damaged = true;
	(void)err_set(&told, ERR_CORRUPT,
		"%" PRIu64 " bytes are damaged or gone", len);
	s->g->damage(s->g->arg, at, len, told.text);
	return ERR_OK;
}

/* From the last whole group on, as far as `to`. */
static enum err_code walk_damaged(struct scan *s, uint64_t to, struct err *err)
{
	s->g->damaged = true;
	s->g->move_count = s->first_move;
	begin_group(s, s->start);
	return segment_walk(s->g->segments, s->number, s->start, to, on_walk,
		on_gap, s, err);
}

/* ---- segments ---- */

static enum err_code on_payload(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct scan *s = arg;
	struct buf payload = BUF_EMPTY;
	struct item again;
	enum err_code rc =
		segment_item(s->g->segments, at, &again, &payload, err);

	(void)it;
	buf_free(&payload);
	return rc;
}

/* Only the newest group can have been cut off by a power failure: all others
 * were synced before the next one was written.  One that cannot be read just
 * now is not given up for that. */
static enum err_code check_newest(
	struct scan *s, uint64_t acked, struct err *err)
{
	struct groups *g = s->g;
	struct group_at *last = g->count ? &g->at[g->count - 1] : NULL;
	uint64_t end;
	enum err_code rc;

	if (!last || last->segment != s->number || last->end <= acked)
		return ERR_OK;
	rc = segment_each(g->segments, s->number, last->start, last->end,
		on_payload, s, &end, err);
	if (rc != ERR_CORRUPT && rc != ERR_ERASED)
		return rc;
	s->start = last->start;
	g->count--;
	while (g->move_count &&
		g->moves[g->move_count - 1].now.segment == s->number &&
		g->moves[g->move_count - 1].now.offset >= s->start)
		g->move_count--;
	s->first_move = g->move_count;
	return ERR_OK;
}

/* The tail of the newest segment: a group that was never acknowledged, or
 * damage, or room?  What DATA/extent knows was acknowledged.  Two commit items
 * behind the end are of two groups, and the first of them was synced before the
 * second was written. */
static enum err_code scan_tail(struct scan *s, struct err *err)
{
	struct groups *g = s->g;
	uint64_t acked = 0;
	uint64_t size = 0;
	size_t commits = 0;
	enum err_code rc;

	if (g->known && g->known->segment == s->number)
		acked = g->known->end;
	if ((rc = check_newest(s, acked, err)))
		return rc;
	rc = segment_torn(
		g->segments, s->number, s->start, &size, &g->torn, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	g->end = s->start;
	if (s->start >= acked) {
		if (!g->torn)
			return ERR_OK;
		rc = segment_commits_behind(
			g->segments, s->number, s->start, &commits, err);
		if (rc || commits < 2)
			return rc;
	}
	g->torn = true;
	if ((rc = walk_damaged(s, size > acked ? size : acked, err)))
		return rc;
	if (s->start < acked)
		rc = push_headless(s, acked, err);
	g->move_count = s->first_move;
	g->end = s->start;
	return rc;
}

static enum err_code check_head(struct scan *s, struct err *err)
{
	struct err told;
	enum err_code rc = segment_check_head(s->g->segments, s->number, &told);

	if (rc == ERR_CORRUPT)
		s->g->damage(s->g->arg, (struct place){s->number, 0},
			SEGMENT_HEAD_SIZE, told.text);
	if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc && err)
		*err = told;
	return rc;
}

static enum err_code scan_newest(struct scan *s, struct err *err)
{
	uint64_t seen;
	enum err_code rc = segment_each(
		s->g->segments, s->number, s->start, 0, on_scan, s, &seen, err);

	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	s->g->move_count = s->first_move;
	return scan_tail(s, err);
}

/* Where the groups end, as the next segment tells; where it does not, all that
 * is there may be some. */
static enum err_code known_end(struct scan *s, uint64_t *end, struct err *err)
{
	struct groups *g = s->g;
	struct err told;
	enum err_code rc = segment_end(g->segments, s->number, end, err);

	if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND)
		return rc;
	rc = segment_size(g->segments, s->number, end, err);
	if (rc != ERR_NOT_FOUND)
		return rc;
	*end = s->start;
	(void)err_set(&told, ERR_CORRUPT, "the file is gone");
	g->damage(g->arg, (struct place){s->number, 0}, 0, told.text);
	return ERR_OK;
}

enum err_code groups_scan(
	struct groups *g, uint32_t number, uint64_t from, struct err *err)
{
	struct scan s = {.g = g, .number = number};
	uint64_t seen;
	uint64_t end;
	enum err_code rc;

	g->damaged = false;
	g->torn = false;
	begin_group(&s, from ? from : SEGMENT_HEAD_SIZE);
	if (!from && (rc = check_head(&s, err)))
		return rc;
	if (number == segments_count(g->segments))
		return scan_newest(&s, err);
	if ((rc = known_end(&s, &end, err)))
		return rc;
	/* Behind the groups may stand what was refused. */
	rc = segment_each(
		g->segments, number, s.start, end, on_scan, &s, &seen, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	g->move_count = s.first_move;
	rc = ERR_OK;
	if (s.start != end)
		rc = walk_damaged(&s, end, err);
	if (!rc && s.start < end)
		rc = push_headless(&s, end, err);
	g->end = end;
	return rc;
}

void groups_clear(struct groups *g)
{
	g->count = 0;
	g->move_count = 0;
}

void groups_free(struct groups *g)
{
	free(g->at);
	free(g->moves);
	g->at = NULL;
	g->moves = NULL;
	g->count = g->cap = g->move_count = g->move_cap = 0;
}
