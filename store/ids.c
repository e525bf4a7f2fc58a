/* ids.c - records by their id, in the index and on their way into it. */
#include "store/ids.h"

#include <stdlib.h>
#include <string.h>

#include "store/finder.h"

#define FIRST_SLOTS 64

static size_t slot_of(const struct ids *s, const uint8_t uuid[UUID_SIZE])
{
	uint64_t half[2];

	memcpy(half, uuid, sizeof(half));
	return (size_t)mix_keyed(half[0], half[1], s->seed[0], s->seed[1]) &
		(s->slot_count - 1);
}

uint32_t ids_find(const struct ids *s, const uint8_t uuid[UUID_SIZE])
{
	uint32_t i = s->slot_count ? s->slots[slot_of(s, uuid)] : 0;

	while (i && memcmp(s->rows[i].uuid, uuid, UUID_SIZE) != 0)
		i = s->rows[i].next;
	return i;
}

static void link_head(struct ids *s, uint32_t i)
{
	uint32_t *slot = &s->slots[slot_of(s, s->rows[i].uuid)];

	s->rows[i].next = *slot;
	*slot = i;
}

/* As many slots as there is room for rows. */
static enum err_code ids_grow(struct ids *s, struct err *err)
{
	size_t cap = s->cap ? s->cap * 2 : FIRST_SLOTS;
	struct id_row *rows;
	uint32_t *slots;
	enum err_code rc;

	if (cap > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "batch of %zu records", cap);
	if (!s->cap && (rc = random_bytes(s->seed, sizeof(s->seed), err)))
		return rc;
	if (!(rows = reallocarray(s->rows, cap, sizeof(*rows))))
		return err_nomem(err);
	s->rows = rows;
	if (!(slots = calloc(cap, sizeof(*slots))))
		return err_nomem(err);
	free(s->slots);
	s->slots = slots;
	s->slot_count = s->cap = cap;
	for (uint32_t i = 1; i <= s->count; i++)
		if (s->rows[i].last)
			link_head(s, i);
	return ERR_OK;
}

enum err_code ids_add(
	struct ids *s, const struct entry *e, uint64_t arrival, struct err *err)
{
	struct id_row row = {.arrival = arrival, .rev = (uint32_t)(e->rev - 1)};
	uint32_t head;
	uint32_t i;
	enum err_code rc;

	if (s->count + 1 >= s->cap && (rc = ids_grow(s, err)))
		return rc;
	memcpy(row.uuid, e->uuid, UUID_SIZE);
	head = ids_find(s, e->uuid);
	i = (uint32_t)++s->count;
	s->rows[i] = row;
	if (head) {
		s->rows[s->rows[head].last].more = i;
		s->rows[head].last = i;
	} else {
		s->rows[i].last = i;
		link_head(s, i);
	}
	return ERR_OK;
}

/* A digest: some ids have nothing but the time in their first bytes, others
 * nothing but a machine's number in their last. */
static struct digest print_of(const uint8_t uuid[UUID_SIZE])
{
	return digest_of(uuid, UUID_SIZE);
}

static struct finder_entry *entries_of(
	const struct index_txn *t, const struct id_row *rows, size_t count)
{
	struct finder_entry *entries = calloc(count + 1, sizeof(*entries));

	for (size_t i = 0; entries && i < count; i++) {
		struct digest d = print_of(rows[i].uuid);

		entries[i] = finder_entry_of(t, &d, rows[i].arrival);
	}
	return entries;
}

enum err_code ids_flush(struct ids *s, struct index_txn *t, struct err *err)
{
	struct finder_entry *entries;
	enum err_code rc;

	if (!s->count)
		return ERR_OK;
	if (!(entries = entries_of(t, s->rows + 1, s->count)))
		return err_nomem(err);
	rc = finder_add(t, DB_ID, entries, s->count, err);
	free(entries);
	ids_free(s);
	return rc;
}

void ids_free(struct ids *s)
{
	free(s->rows);
	free(s->slots);
	*s = (struct ids){0};
}

/* ---- in the index ---- */

struct arrivals {
	uint64_t *at;
	size_t count, cap;
};

static enum err_code on_arrival(void *arg, uint64_t arrival, struct err *err)
{
	struct arrivals *a = arg;

	if (!grow(&a->at, &a->cap, a->count, sizeof(*a->at)))
		return err_nomem(err);
	a->at[a->count++] = arrival;
	return ERR_NOT_FOUND; /* go on */
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

enum err_code ids_each(struct index_txn *t, const uint8_t uuid[UUID_SIZE],
	id_visit *visit, void *arg, struct err *err)
{
	struct digest d = print_of(uuid);
	struct arrivals a = {0};
	enum err_code rc = finder_find(t, DB_ID, &d, on_arrival, &a, err);

	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	if (a.count > 1)
		qsort(a.at, a.count, sizeof(*a.at), compare);
	for (size_t i = 0; i < a.count && !rc; i++)
		rc = visit(arg, a.at[i], err);
	free(a.at);
	return rc;
}

enum err_code ids_known(struct index_txn *t, const struct id_row *rows,
	size_t count, bool *all, struct err *err)
{
	struct finder_entry *entries = entries_of(t, rows, count);
	size_t found = 0;
	enum err_code rc;

	if (!entries)
		return err_nomem(err);
	rc = finder_count(t, DB_ID, entries, count, &found, err);
	free(entries);
	*all = found == count;
	return rc;
}
