/* finder.c - finds records by digests of theirs in few bytes a digest. */
#include "store/finder.h"

#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

#define FAN 16 /* runs merged at a time */
#define RUN_ENTRIES_LIMIT ((size_t)1 << 20)
#define PRINT_BYTES 4
#define SMALL_RUN 4 /* entries of a record that came singly, at level 0 */

uint64_t mix_keyed(uint64_t a, uint64_t b, uint64_t key_a, uint64_t key_b)
{
	__extension__ unsigned __int128 product = a ^ key_a;

	product *= b ^ key_b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

struct finder_entry finder_entry_of(
	const struct index_txn *t, const struct digest *d, uint64_t arrival)
{
	struct cursor c = cursor_over(d->b, sizeof(d->b));
	struct cursor k = cursor_over(index_salt(t), INDEX_SALT_SIZE);
	uint64_t a = cursor_u64(&c), b = cursor_u64(&c);
	uint64_t key_a = cursor_u64(&k), key_b = cursor_u64(&k);

	return (struct finder_entry){
		(uint32_t)(mix_keyed(a, b, key_a, key_b) >> 32), arrival};
}

static int compare(const void *a, const void *b)
{
	const struct finder_entry *x = a;
	const struct finder_entry *y = b;

	if (x->print != y->print)
		return x->print < y->print ? -1 : 1;
	return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

static struct key run_key(uint8_t level, uint64_t first)
{
	struct key k = KEY_EMPTY;

	key_u8(&k, level);
	key_u64(&k, first);
	return k;
}

/* A run as it lies in the index: a byte that tells how many bytes an arrival
 * takes, less the first one of the run; then the entries. */
struct packed {
	const uint8_t *at;
	size_t count;
	size_t width; /* of an arrival */
};

static bool packed_parse(struct bytes value, struct packed *out)
{
	const uint8_t *bytes = value.data;
	size_t size;

	if (value.len == 0 || bytes[0] > 8)
		return false;
	size = PRINT_BYTES + (size_t)bytes[0];
	*out = (struct packed){bytes + 1, (value.len - 1) / size, bytes[0]};
	return (value.len - 1) % size == 0;
}

static uint32_t packed_print(const struct packed *p, size_t i)
{
	const uint8_t *at = p->at + i * (PRINT_BYTES + p->width);

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
		(uint32_t)at[2] << 8 | at[3];
}

static uint64_t packed_arrival(const struct packed *p, size_t i)
{
	const uint8_t *at = p->at + i * (PRINT_BYTES + p->width) + PRINT_BYTES;
	uint64_t v = 0;

	for (size_t k = 0; k < p->width; k++)
		v = v << 8 | at[k];
	return v;
}

static void packed_write(const struct finder_entry *e, uint64_t first,
	int width, struct buf *out)
{
	uint64_t step = e->arrival - first;

	buf_u32(out, e->print);
	for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
		buf_u8(out, (uint8_t)(step >> shift));
}

/* Bytes that an arrival takes in a run of those from `first` to `last`. */
static int width_of(uint64_t first, uint64_t last)
{
	int width = 0;

	while (width < 8 && (last - first) >> (8 * width))
		width++;
	return width;
}

static enum err_code put_packed(struct index_txn *t, enum index_db db,
	uint8_t level, uint64_t first, const struct buf *b, struct err *err)
{
	struct key k = run_key(level, first);
	enum err_code rc = buf_ok(b, err);

	return rc ? rc
		  : index_put(t, db, key_bytes(&k),
			    (struct bytes){b->data, b->len}, err);
}

#define DIGIT_BITS 8
#define DIGITS ((size_t)1 << DIGIT_BITS)

/* One step of a radix sort: by the digit at `shift`, the order stays among
 * those that have the same. */
static void deal(const struct finder_entry *from, size_t count, unsigned shift,
	struct finder_entry *to)
{
	size_t at[DIGITS + 1] = {0};

	for (size_t i = 0; i < count; i++)
		at[(from[i].print >> shift & (DIGITS - 1)) + 1]++;
	for (size_t d = 1; d < DIGITS; d++)
		at[d] += at[d - 1];
	for (size_t i = 0; i < count; i++)
		to[at[from[i].print >> shift & (DIGITS - 1)]++] = from[i];
}

/* By print and arrival.  Those of a large commit come by arrival, and digit by
 * digit is a fifth of the time of comparing them. */
static void sort(struct finder_entry *entries, size_t count, bool by_arrival)
{
	struct finder_entry *room = by_arrival && count > DIGITS
		? calloc(count, sizeof(*room))
		: NULL;

	if (!room) {
		qsort(entries, count, sizeof(*entries), compare);
		return;
	}
	for (unsigned shift = 0; shift < 32; shift += 2 * DIGIT_BITS) {
		deal(entries, count, shift, room);
		deal(room, count, shift + DIGIT_BITS, entries);
	}
	free(room);
}

static enum err_code put_run(struct index_txn *t, enum index_db db,
	uint8_t level, struct finder_entry *entries, size_t count,
	struct err *err)
{
	uint64_t first = UINT64_MAX;
	uint64_t last = 0;
	bool by_arrival = true;
	struct buf b = BUF_EMPTY;
	int width;
	enum err_code rc;

	for (size_t i = 0; i < count; i++) {
		by_arrival &=
			!i || entries[i].arrival >= entries[i - 1].arrival;
		if (entries[i].arrival < first)
			first = entries[i].arrival;
		if (entries[i].arrival > last)
			last = entries[i].arrival;
	}
	width = width_of(first, last);
	sort(entries, count, by_arrival);
	if (!buf_reserve(&b, 1 + count * (PRINT_BYTES + (size_t)width)))
		return err_nomem(err);
	buf_u8(&b, (uint8_t)width);
	for (size_t i = 0; i < count; i++)
		packed_write(&entries[i], first, width, &b);
	rc = put_packed(t, db, level, first, &b, err);
	buf_free(&b);
	return rc;
}

static enum err_code run_of(struct bytes found, struct bytes value,
	uint8_t *level, uint64_t *first, struct packed *out, struct err *err)
{
	struct cursor c = value_cursor(found);

	*level = cursor_u8(&c);
	*first = cursor_u64(&c);
	if (!cursor_done(&c) || !packed_parse(value, out))
		return row_corrupt(err, "digests");
	return ERR_OK;
}

struct runs {
	size_t count;
	size_t entries;
	uint64_t first[FAN];
};

/* The newest runs of a level, newest first. */
static enum err_code newest_runs(struct index_txn *t, enum index_db db,
	uint8_t level, struct runs *out, struct err *err)
{
	uint64_t before = UINT64_MAX;

	*out = (struct runs){0};
	while (out->count < FAN) {
		struct key k = run_key(level, before);
		struct bytes found;
		struct bytes value;
		struct packed run;
		uint8_t at;
		enum err_code rc =
			index_floor(t, db, key_bytes(&k), &found, &value, err);

		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc || (rc = run_of(found, value, &at, &before, &run, err)))
			return rc;
		if (at != level)
			return ERR_OK;
		out->first[out->count++] = before;
		out->entries += run.count;
		if (!before--)
			return ERR_OK;
	}
	return ERR_OK;
}

/* A run that is being merged: `next` is its entry at `at`. */
struct source {
	struct packed run;
	uint64_t first;
	size_t at;
	struct finder_entry next;
};

static bool source_next(struct source *s)
{
	if (s->at == s->run.count)
		return false;
	s->next = (struct finder_entry){packed_print(&s->run, s->at),
		s->first + packed_arrival(&s->run, s->at)};
	return true;
}

static uint64_t source_last(const struct source *s)
{
	uint64_t last = 0;

	for (size_t i = 0; i < s->run.count; i++)
		if (packed_arrival(&s->run, i) > last)
			last = packed_arrival(&s->run, i);
	return s->first + last;
}

/* Appends the entries of all sources in order.  They are as few as FAN: to
 * look at each is quick. */
static void merge_sources(struct source *sources, size_t count, uint64_t first,
	int width, struct buf *out)
{
	while (count) {
		struct source *least = &sources[0];

		for (size_t i = 1; i < count; i++)
			if (compare(&sources[i].next, &least->next) < 0)
				least = &sources[i];
		packed_write(&least->next, first, width, out);
		least->at++;
		if (!source_next(least))
			*least = sources[--count];
	}
}

/* From the index's own pages straight into the new run: a large one has a
 * million entries. */
static enum err_code merge(struct index_txn *t, enum index_db db, uint8_t level,
	const struct runs *runs, struct err *err)
{
	struct source sources[FAN];
	uint64_t first = UINT64_MAX;
	uint64_t last = 0;
	size_t count = 0;
	size_t entries = 0;
	struct buf out = BUF_EMPTY;
	int width;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < runs->count; i++) {
		struct source *s = &sources[count];
		struct key k = run_key(level, runs->first[i]);
		struct bytes value;

		*s = (struct source){.first = runs->first[i]};
		if ((rc = index_get(t, db, key_bytes(&k), &value, err)))
			return rc;
		if (!packed_parse(value, &s->run))
			return row_corrupt(err, "digests");
		entries += s->run.count;
		if (s->first < first)
			first = s->first;
		if (source_last(s) > last)
			last = source_last(s);
		count += source_next(s);
	}
	width = width_of(first, last);
	if (!buf_reserve(&out, 1 + entries * (PRINT_BYTES + (size_t)width)))
		return err_nomem(err);
	buf_u8(&out, (uint8_t)width);
	merge_sources(sources, count, first, width, &out);
	for (size_t i = 0; i < runs->count && !rc; i++) {
		struct key k = run_key(level, runs->first[i]);

		rc = index_del(t, db, key_bytes(&k), err);
	}
	if (!rc)
		rc = put_packed(t, db, (uint8_t)(level + 1), first, &out, err);
	buf_free(&out);
	return rc;
}

/* A large commit begins where small ones get by merging. */
static uint8_t level_of(size_t count)
{
	uint8_t level = 0;

	for (; count >= SMALL_RUN * FAN; count /= FAN)
		level++;
	return level;
}

enum err_code finder_add(struct index_txn *t, enum index_db db,
	struct finder_entry *entries, size_t count, struct err *err)
{
	uint8_t level = level_of(count);
	enum err_code rc;

	if (!count)
		return ERR_OK;
	rc = put_run(t, db, level, entries, count, err);
	for (; !rc; level++) {
		struct runs runs;

		rc = newest_runs(t, db, level, &runs, err);
		if (rc || runs.count < FAN || runs.entries > RUN_ENTRIES_LIMIT)
			break;
		rc = merge(t, db, level, &runs, err);
	}
	return rc;
}

/* Index of the first entry whose print is not below. */
static size_t lower_bound(const struct packed *run, uint32_t print)
{
	size_t lo = 0;
	size_t hi = run->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (packed_print(run, mid) < print)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum err_code find_in(const struct packed *run, uint64_t first,
	uint32_t print, finder_visit *visit, void *arg, struct err *err)
{
	for (size_t i = lower_bound(run, print);
		i < run->count && packed_print(run, i) == print; i++) {
		enum err_code rc =
			visit(arg, first + packed_arrival(run, i), err);

		if (rc != ERR_NOT_FOUND)
			return rc;
	}
	return ERR_NOT_FOUND;
}

enum err_code finder_find(struct index_txn *t, enum index_db db,
	const struct digest *d, finder_visit *visit, void *arg, struct err *err)
{
	uint32_t print = finder_entry_of(t, d, 0).print;
	struct key k = run_key(0, 0);

	for (;;) {
		struct bytes found;
		struct bytes value;
		struct packed run;
		uint8_t level;
		uint64_t first;
		enum err_code rc =
			index_ceil(t, db, key_bytes(&k), &found, &value, err);

		if (rc ||
			(rc = run_of(found, value, &level, &first, &run, err)))
			return rc;
		k = run_key(level, first + 1);
		rc = find_in(&run, first, print, visit, arg, err);
		if (rc != ERR_NOT_FOUND)
			return rc;
	}
}

static bool run_has(
	const struct packed *run, uint64_t first, const struct finder_entry *e)
{
	uint64_t step = e->arrival - first;

	if (e->arrival < first || (run->width < 8 && step >> (8 * run->width)))
		return false;
	for (size_t i = lower_bound(run, e->print);
		i < run->count && packed_print(run, i) == e->print; i++)
		if (packed_arrival(run, i) == step)
			return true;
	return false;
}

/* Each stands in one run: entries are added once. */
enum err_code finder_count(struct index_txn *t, enum index_db db,
	const struct finder_entry *entries, size_t count, size_t *found,
	struct err *err)
{
	struct key k = run_key(0, 0);

	for (*found = 0;;) {
		struct bytes at;
		struct bytes value;
		struct packed run;
		uint8_t level;
		uint64_t first;
		enum err_code rc =
			index_ceil(t, db, key_bytes(&k), &at, &value, err);

		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc || (rc = run_of(at, value, &level, &first, &run, err)))
			return rc;
		for (size_t i = 0; i < count; i++)
			*found += run_has(&run, first, &entries[i]);
		k = run_key(level, first + 1);
	}
}
