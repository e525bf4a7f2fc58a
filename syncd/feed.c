/* feed.c - records in the order of their arrival, as CloudEvents. */
#include "syncd/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One record of the store, by arrival. */
struct place {
	uint64_t arrival;
	uint32_t log;
	uint64_t seq;
	bool again; /* parts of it were destroyed since it came */
};

struct places {
	struct place *place;
	size_t count;
	uint64_t upto; /* arrivals behind which orders were read */
};

struct reading {
	struct node *node;
	const struct rules *rules;
	const struct grant *grant;
	const struct feed_query *query;
	struct feed_cursor at;
	struct buf *out;
	size_t room, lines;
	struct log_info log; /* of the records being read; id 0 for none */
	bool has_log;
	bool others; /* its node has other logs here */
	struct log_families families;
	struct provided_list *given;
};

/* ---- filter ---- */

static void add_names(
	struct sha256 *h, const char (*name)[SERIES_NAME_SIZE], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sha256_update(h, name[i], strlen(name[i]));
		sha256_update(h, ",", 1);
	}
	sha256_update(h, "\n", 1);
}

/* A cursor made under one filter would skip under another. */
static void filter_text(
	const struct grant *g, const struct feed_query *q, char out[9])
{
	struct sha256 h;
	struct digest d;

	sha256_init(&h);
	sha256_update(&h, &g->labels, sizeof(g->labels));
	add_names(&h, g->series, g->series_count);
	add_names(&h, q->series, q->series_count);
	d = sha256_final(&h);
	hex_encode(d.b, 4, out);
}

void feed_start(const struct node *n, const struct grant *g,
	const struct feed_query *q, struct feed_cursor *out)
{
	memset(out, 0, sizeof(*out));
	strncpy(out->epoch, store_arrival_epoch(n->store),
		sizeof(out->epoch) - 1);
	filter_text(g, q, out->filter);
}

enum err_code feed_position(const struct node *n, const struct grant *g,
	const struct feed_query *q, struct feed_cursor *at, struct err *err)
{
	struct feed_cursor start;

	feed_start(n, g, q, &start);
	if (q->has_after) {
		if (strcmp(q->after.epoch, start.epoch))
			return err_set(err, ERR_EXISTS,
				"the cursor is of another numbering");
		if (strcmp(q->after.filter, start.filter))
			return err_set(err, ERR_EXISTS,
				"the cursor is of another filter or grant");
		if (q->after.arrival > store_arrivals(n->store))
			return err_set(err, ERR_EXISTS,
				"the cursor is beyond the newest arrival");
		start.arrival = q->after.arrival;
	}
	*at = start;
	return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool wanted(const struct reading *r, const struct entry *e,
	const struct record *record)
{
	if (r->query->series_count &&
		!bsearch(e->series, r->query->series, r->query->series_count,
			sizeof(r->query->series[0]), compare_names))
		return false;
	return grant_sees_record(r->grant, r->rules, e, record);
}

/* ---- lines ---- */

/* What the grant hides is treated as if it were not here. */
static enum err_code write_document(const struct rules *rules,
	const struct grant *g, const char *origin, uint64_t seq,
	const struct record *r, struct buf *out, struct err *err)
{
	struct record shown = *r;
	struct json *doc;
	enum err_code rc;

	shown.have &= g->labels;
	shown.erased &= g->labels;
	if ((rc = view_document(
		     rules, origin, seq, &shown, VIEW_RAW, &doc, err)))
		return rc;
	rc = json_write(doc, out, err);
	json_free(doc);
	return rc;
}

/* What the grant hides of what was destroyed stays hidden. */
static enum err_code write_restricted(const struct grant *g, const char *origin,
	uint64_t seq, const struct record *r, const struct restriction *by,
	struct buf *out, struct err *err)
{
	struct record shown = *r;
	struct json *doc;
	enum err_code rc;

	shown.erased &= g->labels;
	if ((rc = view_restricted(origin, seq, &shown, by, &doc, err)))
		return rc;
	rc = json_write(doc, out, err);
	json_free(doc);
	return rc;
}

enum err_code feed_record(struct node *n, const struct rules *rules,
	const struct grant *g, const char *origin, uint64_t seq,
	const struct record *r, struct buf *out, struct err *err)
{
	struct restriction by;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	if (!grant_sees_record(g, rules, &e, r))
		return err_set(err, ERR_NOT_FOUND, "no such record");
	if ((rc = orders_catch_up(n, err)) ||
		(rc = orders_restricted(n, origin, seq, &e, &by, err)))
		return rc;
	if (by.order[0])
		return write_restricted(g, origin, seq, r, &by, out, err);
	return write_document(rules, g, origin, seq, r, out, err);
}

/* What is told of a record under one number. */
enum line {
	LINE_NONE,
	LINE_RECORD,
	LINE_ERASURE,
	LINE_RESTRICTION,
};

/* A line of its own, unless the record is not asked for, came before, or what
 * was destroyed of it was never shown.  An event is the same, under the same
 * id, to whoever reads it when: who was away for a restriction and its end
 * hears of both.  Only what is restricted now stays hidden, until the end of
 * that tells of it.  A restriction whose head is not here yet is none to a
 * consumer: when it turns out to be void, nothing tells of the record again. */
static enum err_code judge_line(struct reading *rd, const struct place *p,
	const struct entry *e, const struct record *r, struct restriction *by,
	enum line *out, struct err *err)
{
	const bool erased = r->erased & rd->grant->labels;
	struct retold retold;
	bool repeats = false;
	enum err_code rc;

	*out = LINE_NONE;
	if (!wanted(rd, e, r))
		return ERR_OK;
	retold = orders_retold(rd->node, p->log, p->seq, p->arrival);
	if ((rc = orders_restricted(
		     rd->node, rd->log.origin, p->seq, e, by, err)))
		return rc;
	if (by->order[0] && !by->open) {
		*out = p->again && !retold.lifted ? LINE_RESTRICTION
						  : LINE_NONE;
		return ERR_OK;
	}
	if (retold.restricted) {
		*by = retold.by;
		*out = LINE_RESTRICTION;
		return ERR_OK;
	}
	if (p->again && !retold.lifted && !erased)
		return ERR_OK;
	if (rd->others &&
		(rc = record_repeats(
			 rd->node, &rd->log, p->seq, e, &repeats, err)))
		return rc;
	if (!repeats)
		*out = p->again && !retold.lifted ? LINE_ERASURE : LINE_RECORD;
	return ERR_OK;
}

/* When the newest of its parts was destroyed, where that is known. */
static void erased_at(const struct record *r, char out[TIME_TEXT_SIZE])
{
	uint64_t at = 0;

	for (int l = 0; r->erasure && l < LABEL_COUNT; l++)
		if (r->erased & LABEL_BIT(l) && r->erasure[l].at > at)
			at = r->erasure[l].at;
	if (at)
		time_format((int64_t)at, out);
}

/* What tells the event from others of its source. */
static void write_event(struct reading *rd, const struct place *p,
	const struct entry *e, const struct record *r,
	const struct restriction *by, enum line line)
{
	static const char *const types[] = {
		[LINE_NONE] = "",
		[LINE_RECORD] = "record",
		[LINE_ERASURE] = "erasure",
		[LINE_RESTRICTION] = "restriction",
	};
	char time[TIME_TEXT_SIZE];
	struct buf *out = rd->out;

	buf_printf(out,
		",\"datacontenttype\":\"application/json\",\"id\":\"%s/"
		"%" PRIu64,
		rd->log.origin, p->seq);
	if (p->again)
		buf_printf(out, "/%" PRIu64, p->arrival);
	snprintf(time, sizeof(time), "%s", e->at);
	if (line == LINE_ERASURE)
		erased_at(r, time);
	if (line == LINE_RESTRICTION)
		snprintf(time, sizeof(time), "%s", by->since);
	buf_printf(out,
		"\",\"source\":\"cundang://%s\",\"specversion\":\"1.0\","
		"\"subject\":\"%s\",\"time\":\"%s\","
		"\"type\":\"cundang.%s.v1\"}\n",
		e->iss, e->id, time, types[line]);
}

static enum err_code write_line(struct reading *rd, const struct place *p,
	const struct entry *e, const struct record *r,
	const struct restriction *by, enum line line, struct err *err)
{
	struct buf *out = rd->out;
	char cursor[FEED_CURSOR_SIZE];
	enum err_code rc;

	feed_cursor_write(&rd->at, cursor);
	buf_printf(out, "{\"cursor\":\"%s\",\"data\":", cursor);
	if (line == LINE_RESTRICTION)
		rc = write_restricted(
			rd->grant, rd->log.origin, p->seq, r, by, out, err);
	else
		rc = write_document(rd->rules, rd->grant, rd->log.origin,
			p->seq, r, out, err);
	if (rc)
		return rc;
	write_event(rd, p, e, r, by, line);
	if ((rc = buf_ok(out, err)) ||
		(line != LINE_RESTRICTION &&
			(rc = provided_add(rd->given, rd->log.id, p->seq,
				 provided_labels(r) & rd->grant->labels, err))))
		return rc;
	rd->lines++;
	return ERR_OK;
}

static bool full(const struct reading *rd)
{
	return rd->lines >= rd->room || rd->out->len >= FEED_BODY_LIMIT;
}

/* Moves rd->at over the records of `run`, which are at places[0..]. */
static enum err_code write_run(struct reading *rd, const struct place *places,
	const struct run *run, struct err *err)
{
	struct restriction by;
	struct entry e;
	size_t len = rd->out->len;
	enum err_code rc;
	enum line line;

	for (size_t i = 0; i < run->count && !full(rd); i++) {
		const struct record *r = &run->record[i];
		struct feed_cursor before = rd->at;

		if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
			return rc;
		if ((rc = judge_line(rd, &places[i], &e, r, &by, &line, err)))
			return rc;
		rd->at.arrival = places[i].arrival;
		len = rd->out->len;
		if (line != LINE_NONE &&
			(rc = write_line(
				 rd, &places[i], &e, r, &by, line, err))) {
			/* Half a line is none. */
			rd->out->len = len;
			rd->at = before;
			return rc;
		}
	}
	return ERR_OK;
}

/* ---- reading ---- */

static enum err_code add_place(void *arg, uint64_t arrival, uint32_t log,
	uint64_t seq, bool again, struct err *err)
{
	struct places *p = arg;

	if (arrival > p->upto)
		return ERR_OK;
	if (p->count == FEED_SCAN_LIMIT)
		return err_set(err, ERR_INTERNAL, "more arrivals than asked");
	p->place[p->count++] = (struct place){arrival, log, seq, again};
	return ERR_OK;
}

/* How many from the first follow one another in one log. */
static size_t stretch(const struct places *p, size_t from)
{
	const struct place *first = &p->place[from];
	size_t n = 1;

	while (n < RUN_LIMIT && from + n < p->count &&
		first[n].log == first->log && first[n].again == first->again &&
		first[n].seq == first->seq + n)
		n++;
	return n;
}

/* As many as can be read up to one that is damaged.  That one holds up whoever
 * follows the feed, so that nobody misses it. */
static enum err_code read_good(struct reading *rd, const struct place *first,
	size_t count, struct run *run, struct err *err)
{
	enum err_code rc;

	for (;; count /= 2) {
		rc = store_read(rd->node->store, first->log, first->seq, count,
			rd->grant->labels, run, err);
		if (rc != ERR_CORRUPT || count == 1)
			break;
	}
	if (rc != ERR_CORRUPT)
		return rc;
	return err_while(err, rc,
		"the feed is held up at %s/%" PRIu64
		", which is damaged (cundang repair can bring it back where a "
		"peer has it)",
		rd->log.origin, first->seq);
}

static enum err_code read_stretch(struct reading *rd, const struct place *first,
	size_t count, size_t *took, struct err *err)
{
	struct run run = {0};
	enum err_code rc;

	if (!rd->has_log || rd->log.id != first->log) {
		if ((rc = store_log_by_id(
			     rd->node->store, first->log, &rd->log, err)))
			return rc;
		rd->others = log_has_others(&rd->families, &rd->log);
	}
	rd->has_log = true;
	/* Singles of a sparse log, and those ahead of their turn. */
	if (rd->log.kind == LOG_SPARSE || first->seq >= rd->log.size)
		count = 1;
	rc = read_good(rd, first, count, &run, err);
	if (rc == ERR_CORRUPT &&
		record_given_up(rd->node, &rd->log, first->seq)) {
		rd->at.arrival = first->arrival;
		*took = 1;
		return ERR_OK;
	}
	if (rc)
		return rc;
	if (run.count == 0)
		rc = err_set(err, ERR_CORRUPT,
			"arrival %" PRIu64 " has no record", first->arrival);
	else
		rc = write_run(rd, first, &run, err);
	*took = run.count;
	run_free(&run);
	return rc;
}

static enum err_code read_places(
	struct reading *rd, const struct places *p, struct err *err)
{
	size_t took;
	enum err_code rc = ERR_OK;

	if (p->count)
		rc = log_families_read(rd->node, &rd->families, err);
	for (size_t i = 0; rc == ERR_OK && i < p->count && !full(rd); i += took)
		rc = read_stretch(rd, &p->place[i], stretch(p, i), &took, err);
	return rc;
}

enum err_code feed_read(struct node *n, const struct rules *rules,
	const struct grant *g, const struct feed_query *q, size_t room,
	struct feed_cursor *at, struct buf *out, size_t *lines, bool *more,
	struct provided_list *given, struct err *err)
{
	struct reading rd = {
		.node = n,
		.rules = rules,
		.grant = g,
		.query = q,
		.at = *at,
		.out = out,
		.room = room,
		.given = given,
	};
	struct places places = {
		.place = calloc(FEED_SCAN_LIMIT, sizeof(struct place)),
	};
	enum err_code rc;

	if (!places.place)
		return err_nomem(err);
	/* First how far, then the orders: those that tell of a record once
	 * more are known wherever its number is. */
	places.upto = store_arrivals(n->store);
	if ((rc = orders_catch_up(n, err)) == ERR_OK &&
		(rc = store_arrival_each(n->store, at->arrival, FEED_SCAN_LIMIT,
			 add_place, &places, err)) == ERR_OK)
		rc = read_places(&rd, &places, err);
	log_families_free(&rd.families);
	free(places.place);
	*at = rd.at;
	/* What was written before a fault is good. */
	if (rc != ERR_OK && rd.lines == 0)
		return rc;
	*lines = rd.lines;
	*more = rd.at.arrival < store_arrivals(n->store);
	return ERR_OK;
}
