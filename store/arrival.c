/* arrival.c - the order in which records came, and the index by id over it. */
#include <inttypes.h>
#include <string.h>

#include "store/inside.h"

static enum err_code read_run(struct bytes key, struct bytes value,
	uint64_t *first, struct arrival_run *out, struct err *err)
{
	struct cursor k = value_cursor(key);
	struct cursor c = value_cursor(value);

	*first = cursor_u64(&k);
	out->log = cursor_u32(&c);
	out->first = cursor_u64(&c);
	out->count = cursor_u32(&c);
	out->again = out->count & RUN_AGAIN;
	out->count &= RUN_COUNT_LIMIT;
	if (!cursor_done(&k) || !cursor_done(&c) || !out->count)
		return row_corrupt(err, "arrivals");
	return ERR_OK;
}

/* The run with the greatest first arrival not behind `arrival`. */
static enum err_code run_at(struct index_txn *t, uint64_t arrival,
	uint64_t *first, struct arrival_run *out, struct err *err)
{
	struct key k = KEY_EMPTY;
	struct bytes found;
	struct bytes value;
	enum err_code rc;

	key_u64(&k, arrival);
	rc = index_floor(t, DB_ARRIVAL, key_bytes(&k), &found, &value, err);
	return rc ? rc : read_run(found, value, first, out, err);
}

static enum err_code run_behind(struct index_txn *t, uint64_t arrival,
	uint64_t *first, struct arrival_run *out, struct err *err)
{
	struct key k = KEY_EMPTY;
	struct bytes found;
	struct bytes value;
	enum err_code rc;

	key_u64(&k, arrival);
	rc = index_ceil(t, DB_ARRIVAL, key_bytes(&k), &found, &value, err);
	return rc ? rc : read_run(found, value, first, out, err);
}

enum err_code arrival_newest(
	struct index_txn *t, uint64_t *out, struct err *err)
{
	struct arrival_run run;
	uint64_t first;
	enum err_code rc = run_at(t, UINT64_MAX, &first, &run, err);

	if (rc == ERR_NOT_FOUND) {
		*out = 0;
		return ERR_OK;
	}
	if (!rc)
		*out = first + run.count - 1;
	return rc;
}

static enum err_code no_arrival(uint64_t arrival, struct err *err)
{
	return err_set(
		err, ERR_NOT_FOUND, "arrival %" PRIu64 " is not here", arrival);
}

enum err_code arrival_get(const struct view *v, uint64_t arrival, uint32_t *log,
	uint64_t *seq, struct err *err)
{
	struct arrival_run run;
	uint64_t first;
	enum err_code rc;

	if (v->batch && batch_arrival(v->batch, arrival, log, seq))
		return ERR_OK;
	rc = run_at(v->txn, arrival, &first, &run, err);
	if (rc == ERR_NOT_FOUND || (!rc && arrival - first >= run.count))
		return no_arrival(arrival, err);
	if (rc)
		return rc;
	*log = run.log;
	*seq = run.first + (arrival - first);
	return ERR_OK;
}

enum err_code arrival_put(struct index_txn *t, uint64_t arrival,
	const struct arrival_run *run, struct err *err)
{
	struct arrival_run row = *run;
	struct arrival_run last;
	struct key value = KEY_EMPTY;
	struct key k = KEY_EMPTY;
	uint64_t first;
	enum err_code rc = run_at(t, UINT64_MAX, &first, &last, err);

	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (!rc && last.log == run->log && last.again == run->again &&
		first + last.count == arrival &&
		last.first + last.count == run->first &&
		last.count <= RUN_COUNT_LIMIT - run->count) {
		row = last;
		row.count += run->count;
		arrival = first;
	}
	key_u64(&k, arrival);
	key_u32(&value, row.log);
	key_u64(&value, row.first);
	key_u32(&value, row.count | (row.again ? RUN_AGAIN : 0));
	return index_put(t, DB_ARRIVAL, key_bytes(&k), key_bytes(&value), err);
}

uint64_t store_arrivals(struct store *s)
{
	uint64_t newest = 0;
	struct view v;

	if (view_open(s, &v, NULL))
		return 0;
	if (arrival_newest(v.txn, &newest, NULL))
		newest = 0;
	view_close(&v);
	return newest;
}

const char *store_arrival_epoch(const struct store *s)
{
	return s->epoch;
}

/* A transaction for each run: a visit may take its time. */
enum err_code store_arrival_each(struct store *s, uint64_t after, size_t limit,
	store_arrival_visit *visit, void *arg, struct err *err)
{
	while (limit && after < UINT64_MAX) {
		struct arrival_run run;
		uint64_t first;
		struct view v;
		enum err_code rc;

		if ((rc = view_open(s, &v, err)))
			return rc;
		rc = run_at(v.txn, after + 1, &first, &run, err);
		/* Numbers went where blocks were lost: on behind them. */
		if (rc == ERR_NOT_FOUND ||
			(!rc && after + 1 - first >= run.count)) {
			rc = run_behind(v.txn, after + 1, &first, &run, err);
			after = rc ? after : first - 1;
		}
		view_close(&v);
		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc)
			return rc;
		for (; limit && after + 1 - first < run.count; limit--) {
			after++;
			rc = visit(arg, after, run.log,
				run.first + (after - first), run.again, err);
			if (rc)
				return rc;
		}
	}
	return ERR_OK;
}

enum err_code arrival_index(struct index_txn *t, struct ids *ids,
	const struct entry *e, uint32_t log, uint64_t seq, uint64_t arrival,
	struct err *err)
{
	struct key down = key_of_seq(log, seq);
	enum err_code rc = ids_add(ids, e, arrival, err);

	if (!rc && e->to_count)
		rc = index_put(t, DB_DOWN, key_bytes(&down),
			(struct bytes){"", 0}, err);
	return rc;
}

struct finding {
	const struct view *v;
	const uint8_t *uuid;
	store_id_visit *visit;
	void *arg;
};

/* Whether the id is the one is told by what stands in the block itself: no
 * part is read for it. */
static enum err_code on_print(void *arg, uint64_t arrival, struct err *err)
{
	const struct finding *f = arg;
	struct entry_place at;
	struct block *b;
	uint64_t rev = 0;
	bool found = false;
	uint32_t log;
	uint64_t seq;
	size_t i;
	enum err_code rc;

	if ((rc = arrival_get(f->v, arrival, &log, &seq, err)) ||
		(rc = entry_locate_any(f->v, log, seq, &at, err)) ||
		(rc = block_entries(f->v, at.block, at.commit, &b, err)))
		return rc;
	i = (size_t)(seq - b->head.first);
	if (i < b->count)
		found = !memcmp(b->stubs[i].uuid, f->uuid, UUID_SIZE);
	if (i >= b->count || (found && !block_rev(b, i, &rev)))
		rc = row_corrupt(err, "entries");
	block_unpin(b);
	return found && !rc ? f->visit(f->arg, log, seq, rev, err) : rc;
}

enum err_code view_find_id(const struct view *v, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err)
{
	const struct ids *ids = v->batch ? batch_ids(v->batch) : NULL;
	struct finding f = {v, uuid, visit, arg};
	enum err_code rc = ids_each(v->txn, uuid, on_print, &f, err);
	uint32_t i = ids && !rc ? ids_find(ids, uuid) : 0;

	/* By number: visits may add rows to a batch. */
	for (; i && !rc; i = ids->rows[i].more) {
		uint64_t rev = (uint64_t)ids->rows[i].rev + 1;
		uint32_t log;
		uint64_t seq;

		rc = arrival_get(v, ids->rows[i].arrival, &log, &seq, err);
		if (!rc)
			rc = visit(arg, log, seq, rev, err);
	}
	return rc;
}

/* What was found, taken out of the transaction before it is visited. */
#define REVISIONS_AT_ONCE 64

struct revision {
	uint32_t log;
	uint64_t seq;
	uint64_t rev;
};

struct revisions {
	size_t skip;
	size_t count;
	struct revision at[REVISIONS_AT_ONCE];
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct revisions *r = arg;

	(void)err;
	if (r->skip)
		r->skip--;
	else if (r->count < REVISIONS_AT_ONCE)
		r->at[r->count++] = (struct revision){log, seq, rev};
	return ERR_OK;
}

enum err_code store_find_id(struct store *s, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err)
{
	struct revisions r;
	size_t seen = 0;

	do {
		struct view v;
		enum err_code rc;

		r.skip = seen;
		r.count = 0;
		if ((rc = view_open(s, &v, err)))
			return rc;
		rc = view_find_id(&v, uuid, on_revision, &r, err);
		view_close(&v);
		for (size_t i = 0; i < r.count && !rc; i++)
			rc = visit(arg, r.at[i].log, r.at[i].seq, r.at[i].rev,
				err);
		if (rc)
			return rc;
		seen += r.count;
	} while (r.count == REVISIONS_AT_ONCE);
	return ERR_OK;
}

enum err_code store_revisions(struct store *s, uint32_t log, uint64_t seq,
	store_id_visit *visit, void *arg, struct err *err)
{
	struct entry e;
	enum err_code rc = store_entry(s, log, seq, &e, err);

	return rc ? rc : store_find_id(s, e.uuid, visit, arg, err);
}

struct telling {
	const struct view *v;
	uint32_t log;
	uint64_t seq;
	uint64_t arrival; /* 0 while it is not found */
};

static enum err_code on_arrival(void *arg, uint64_t arrival, struct err *err)
{
	struct telling *t = arg;
	uint32_t log;
	uint64_t seq;
	enum err_code rc = arrival_get(t->v, arrival, &log, &seq, err);

	if (!rc && !t->arrival && log == t->log && seq == t->seq)
		t->arrival = arrival;
	return rc;
}

enum err_code store_arrival_of(struct store *s, const uint8_t uuid[UUID_SIZE],
	uint32_t log, uint64_t seq, uint64_t *out, struct err *err)
{
	struct telling t = {.log = log, .seq = seq};
	struct view v;
	enum err_code rc = view_open(s, &v, err);

	if (rc)
		return rc;
	t.v = &v;
	rc = ids_each(v.txn, uuid, on_arrival, &t, err);
	view_close(&v);
	if (rc)
		return rc;
	if (!t.arrival)
		return err_set(err, ERR_NOT_FOUND, "no such record");
	*out = t.arrival;
	return ERR_OK;
}

enum err_code arrival_find(struct index_txn *t, uint32_t log, uint64_t first,
	size_t count, uint64_t *out, struct err *err)
{
	struct arrival_run run;
	uint64_t from = 0;
	uint64_t arrival;
	enum err_code rc;

	memset(out, 0, count * sizeof(*out));
	while (!(rc = run_behind(t, from, &arrival, &run, err))) {
		from = arrival + 1;
		if (run.again || run.log != log || run.first >= first + count)
			continue;
		for (size_t i = 0; i < count; i++)
			if (first + i >= run.first &&
				first + i - run.first < run.count && !out[i])
				out[i] = arrival + (first + i - run.first);
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}
