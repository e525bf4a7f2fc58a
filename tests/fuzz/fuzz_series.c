/* fuzz_series.c - a series file of any bytes is a series or a mistake; each
 * field of a series is found in its tree. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policies/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t leaves(const struct shape *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->member_count; i++) {
		const struct shape *m = &s->members[i];

		if (i > 0 && strcmp(s->members[i - 1].name, m->name) >= 0)
			abort();
		if (m->kind == SHAPE_VALUE || m->kind == SHAPE_LIST)
			count += !m->derived;
		else
			count += leaves(m);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct series *s = NULL;
	struct err err;

	if (series_load("series.yaml", data, size, &s, &err) != ERR_OK)
		return 0;
	if (leaves(s->shape) != s->field_count || s->labels == 0)
		abort();
	series_free(s);
	return 0;
}
