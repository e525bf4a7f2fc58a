/* fuzz_entry.c - what parses as an entry is written back to the byte. */
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again = BUF_EMPTY;
	struct entry e;

	if (entry_parse((const char *)data, size, &e, NULL) != ERR_OK)
		return 0;
	if (entry_write(&e, &again, NULL) != ERR_OK || again.len != size ||
		memcmp(again.data, data, size) != 0)
		abort();
	buf_free(&again);
	return 0;
}
