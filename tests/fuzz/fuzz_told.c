/* fuzz_told.c - what a node told of sealed records that went by themselves: the
 * fields of a sys-disposal. */
#include <stdlib.h>
#include <string.h>

#include "policies/due_sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char code[] = "330106110201";
	struct due_told t = {.at = NULL};

	if (due_told_read(&t, (const char *)data, size, code, NULL))
		return 0;
	for (size_t i = 0; i < t.count; i++) {
		const struct due_told_range *r = &t.at[i];

		/* Nobody tells of another's records. */
		if (strncmp(origin_code(r->origin), code, CODE_LEN) ||
			r->range.from >= r->range.to ||
			!due_told_of(&t, r->origin, r->range.to - 1))
			abort();
	}
	due_told_free(&t);
	return 0;
}
