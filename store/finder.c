/* finder.c - finds records by digests of theirs in 8 bytes a digest. */
#include "store/finder.h"

#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

#define FAN 16 /* runs merged at a time */
#define RUN_ENTRIES_LIMIT ((size_t)1 << 20)
#define ENTRY_BYTES 8

struct finder_entry finder_entry_of(const struct digest *d, uint64_t arrival)
{
	struct cursor c = cursor_over(d->b, 4);

	return (struct finder_entry){cursor_u32(&c), arrival};
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

static enum err_code put_run(struct index_txn *t, uint8_t level,
	struct finder_entry *entries, size_t count, struct err *err)
{
	uint64_t first = UINT64_MAX;
	struct buf b = BUF_EMPTY;
	struct key k;
	enum err_code rc;

	for (size_t i = 0; i < count; i++)
		if (entries[i].arrival < first)
			first = entries[i].arrival;
	qsort(entries, count, sizeof(*entries), compare);
	for (size_t i = 0; i < count; i++) {
		buf_u32(&b, entries[i].print);
		buf_u32(&b, (uint32_t)(entries[i].arrival - first));
	}
	k = run_key(level, first);
	if (!(rc = buf_ok(&b, err)))
		rc = index_put(t, DB_DIGEST, key_bytes(&k),
			(struct bytes){b.data, b.len}, err);
	buf_free(&b);
	return rc;
}

static enum err_code run_of(struct bytes found, struct bytes value,
	uint8_t *level, uint64_t *first, struct err *err)
{
	struct cursor c = value_cursor(found);

	*level = cursor_u8(&c);
	*first = cursor_u64(&c);
	if (!cursor_done(&c) || value.len % ENTRY_BYTES)
		return row_corrupt(err, "digests");
	return ERR_OK;
}

struct runs {
	size_t count;
	size_t entries;
	uint64_t first[FAN];
};

/* The newest runs of a level, newest first. */
static enum err_code newest_runs(
	struct index_txn *t, uint8_t level, struct runs *out, struct err *err)
{
	uint64_t before = UINT64_MAX;

	*out = (struct runs){0};
	while (out->count < FAN) {
		struct key k = run_key(level, before);
		struct bytes found;
		struct bytes value;
		uint8_t at;
		enum err_code rc = index_floor(
			t, DB_DIGEST, key_bytes(&k), &found, &value, err);

		if (rc == ERR_NOT_FOUND)
			return ERR_OK;
		if (rc || (rc = run_of(found, value, &at, &before, err)))
			return rc;
		if (at != level)
			return ERR_OK;
		out->first[out->count++] = before;
		out->entries += value.len / ENTRY_BYTES;
		if (!before--)
			return ERR_OK;
	}
	return ERR_OK;
}

static enum err_code merge(struct index_txn *t, uint8_t level,
	const struct runs *runs, struct err *err)
{
	struct finder_entry *all = calloc(runs->entries, sizeof(*all));
	size_t count = 0;
	enum err_code rc = ERR_OK;

	if (!all)
		return err_nomem(err);
	for (size_t i = 0; i < runs->count && !rc; i++) {
		struct key k = run_key(level, runs->first[i]);
		struct bytes value;
		struct cursor c;

		rc = index_get(t, DB_DIGEST, key_bytes(&k), &value, err);
		if (rc)
			break;
		for (c = value_cursor(value); c.left; count++) {
			all[count].print = cursor_u32(&c);
			all[count].arrival = runs->first[i] + cursor_u32(&c);
		}
		rc = index_del(t, DB_DIGEST, key_bytes(&k), err);
	}
	if (!rc)
		rc = put_run(t, (uint8_t)(level + 1), all, count, err);
	free(all);
	return rc;
}

enum err_code finder_add(struct index_txn *t, struct finder_entry *entries,
	size_t count, struct err *err)
{
	enum err_code rc;

	if (!count)
		return ERR_OK;
	rc = put_run(t, 0, entries, count, err);
	for (uint8_t level = 0; !rc; level++) {
		struct runs runs;

		rc = newest_runs(t, level, &runs, err);
		if (rc || runs.count < FAN || runs.entries > RUN_ENTRIES_LIMIT)
			break;
		rc = merge(t, level, &runs, err);
	}
	return rc;
}

static uint32_t print_at(struct bytes run, size_t i)
{
	struct cursor c = cursor_over(
		(const uint8_t *)run.data + i * ENTRY_BYTES, ENTRY_BYTES);

	return cursor_u32(&c);
}

/* Index of the first entry whose print is not below. */
static size_t lower_bound(struct bytes run, uint32_t print)
{
	size_t lo = 0;
	size_t hi = run.len / ENTRY_BYTES;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (print_at(run, mid) < print)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum err_code find_in(struct bytes run, uint64_t first, uint32_t print,
	finder_visit *visit, void *arg, struct err *err)
{
	for (size_t i = lower_bound(run, print);
		i < run.len / ENTRY_BYTES && print_at(run, i) == print; i++) {
		struct cursor c = cursor_over(
			(const uint8_t *)run.data + i * ENTRY_BYTES + 4, 4);
		enum err_code rc = visit(arg, first + cursor_u32(&c), err);

		if (rc != ERR_NOT_FOUND)
			return rc;
	}
	return ERR_NOT_FOUND;
}

enum err_code finder_find(struct index_txn *t, const struct digest *d,
	finder_visit *visit, void *arg, struct err *err)
{
	uint32_t print = finder_entry_of(d, 0).print;
	struct key k = run_key(0, 0);

	for (;;) {
		struct bytes found;
		struct bytes run;
		uint8_t level;
		uint64_t first;
		enum err_code rc = index_ceil(
			t, DB_DIGEST, key_bytes(&k), &found, &run, err);

		if (rc || (rc = run_of(found, run, &level, &first, err)))
			return rc;
		k = run_key(level, first + 1);
		rc = find_in(run, first, print, visit, arg, err);
		if (rc != ERR_NOT_FOUND)
			return rc;
	}
}
