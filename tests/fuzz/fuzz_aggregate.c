/* fuzz_aggregate.c - the counts of a month: none is small, and what was read is
 * written and read again as it was. */
#include <stdlib.h>
#include <string.h>

#include "policies/aggregate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void compare_cells(
	const struct aggregate_cell *a, const struct aggregate_cell *b)
{
	must(a->count == b->count && a->withheld == b->withheld &&
		!strcmp(a->value, b->value));
}

static void compare(const struct aggregate *a, const struct aggregate *b)
{
	must(a->k == b->k && a->tables == b->tables &&
		!strcmp(a->series, b->series) && !strcmp(a->month, b->month));
	compare_cells(&a->total, &b->total);
	for (size_t i = 0; i < a->tables; i++) {
		const struct aggregate_table *x = &a->table[i];
		const struct aggregate_table *y = &b->table[i];

		must(x->count == y->count && !strcmp(x->field, y->field));
		for (size_t k = 0; k < x->count; k++) {
			must(x->cell[k].count == 0 || x->cell[k].count >= a->k);
			compare_cells(&x->cell[k], &y->cell[k]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_EMPTY;
	struct aggregate a, again;
	struct json *v = NULL;

	if (aggregate_parse(data, size, &a, NULL))
		return 0;
	if (aggregate_write(&a, &v, NULL) == ERR_OK &&
		json_write(v, &text, NULL) == ERR_OK) {
		must(aggregate_parse(text.data, text.len, &again, NULL) ==
			ERR_OK);
		compare(&a, &again);
		aggregate_free(&again);
	}
	aggregate_free(&a);
	json_free(v);
	buf_free(&text);
	return 0;
}
