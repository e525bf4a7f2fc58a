/* fuzz_checkpoint_message.c - what parses is written back to the byte. */
#include <stdlib.h>
#include <string.h>

#include "policies/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint_message m;
	struct buf again = BUF_EMPTY;
	struct err err;

	if (checkpoint_message_parse(data, size, &m, &err))
		return 0;
	checkpoint_message_write(&m, &again);
	check(!again.failed && again.len == size);
	check(!memcmp(again.data, data, size));
	buf_free(&again);
	return 0;
}
