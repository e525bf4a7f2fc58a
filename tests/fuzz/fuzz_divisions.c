/* fuzz_divisions.c - divisions that parse are sorted, once each, and their
 * parents are there. */
#include <stdlib.h>
#include <string.h>

#include "policies/divisions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct division *list = NULL;
	size_t count = 0;

	if (divisions_parse(data, size, "330106000000", &list, &count, NULL) !=
		ERR_OK)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (i && strcmp(list[i - 1].code, list[i].code) >= 0)
			abort();
		if (list[i].parent[0] &&
			!divisions_find(list, count, list[i].parent))
			abort();
	}
	free(list);
	return 0;
}
