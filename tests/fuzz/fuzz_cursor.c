/* fuzz_cursor.c - a feed cursor that is taken is written back to the byte. */
#include <stdlib.h>
#include <string.h>

#include "syncd/syncd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed_cursor c;
	char text[FEED_CURSOR_SIZE];

	if (!feed_cursor_parse((const char *)data, size, &c))
		return 0;
	feed_cursor_write(&c, text);
	if (strlen(text) != size || memcmp(text, data, size))
		abort();
	return 0;
}
