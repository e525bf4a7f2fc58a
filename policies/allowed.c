/* allowed.c - what one node may show of another's log, head by head. */
#include "policies/allowed.h"

#include <stdlib.h>
#include <string.h>

void allowed_begin(struct allowed *a, const char *code, const char *holder)
{
	allowed_free(a);
	memcpy(a->code, code, CODE_SIZE);
	memcpy(a->holder, holder, CODE_SIZE);
}

void allowed_free(struct allowed *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->head[i].series);
	free(a->head);
	*a = (struct allowed){.count = 0};
}

/* A node may show all that it captured, whatever the rules are by now. */
static bool is_own(const struct allowed *a)
{
	return !strcmp(a->code, a->holder);
}

static void set_series(const struct allowed *a, const struct rules *r,
	const struct series *s, struct allowed_series *out)
{
	memcpy(out->name, s->name, sizeof(out->name));
	out->labels = s->labels;
	out->shown = is_own(a)
		? s->labels
		: s->labels & rules_clearance(r, s, a->code, a->holder);
}

enum err_code allowed_add(void *allowed, struct rules *r, struct err *err)
{
	struct allowed *a = allowed;
	struct allowed_head head = {.count = rules_series_count(r)};

	if (!grow(&a->head, &a->cap, a->count, sizeof(*a->head)))
		return err_nomem(err);
	if (!(head.series = calloc(head.count + 1, sizeof(*head.series))))
		return err_nomem(err);
	for (size_t i = 0; i < head.count; i++)
		set_series(a, r, rules_series_at(r, i), &head.series[i]);
	a->head[a->count++] = head;
	return ERR_OK;
}

static int compare_name(const void *name, const void *series)
{
	return strcmp(name, ((const struct allowed_series *)series)->name);
}

const struct allowed_series *allowed_find(
	const struct allowed *a, uint64_t serial, const char *series)
{
	const struct allowed_head *h;

	if (serial == 0 || serial > a->count)
		return NULL;
	h = &a->head[serial - 1];
	return bsearch(
		series, h->series, h->count, sizeof(*h->series), compare_name);
}

/* A part that a head between did not let through may never have arrived, so
 * it is not enough that the first and the last one would. */
void allowed_end(struct allowed *a)
{
	for (size_t serial = a->count; !is_own(a) && serial > 1; serial--) {
		struct allowed_head *h = &a->head[serial - 2];

		for (size_t i = 0; i < h->count; i++) {
			struct allowed_series *s = &h->series[i];
			const struct allowed_series *later =
				allowed_find(a, serial, s->name);

			s->shown &= later ? later->shown : 0;
		}
	}
}
