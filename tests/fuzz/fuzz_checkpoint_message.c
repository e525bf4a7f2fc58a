/* fuzz_checkpoint_message.c - what parses is written back to the byte. */
#include <assert.h>
#include <string.h>

#include "policies/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint_message m;
	struct buf again = BUF_EMPTY;
	struct err err;

	if (checkpoint_message_parse(data, size, &m, &err))
		return 0;
	checkpoint_message_write(&m, &again);
	assert(!again.failed && again.len == size);
	assert(!memcmp(again.data, data, size));
	buf_free(&again);
	return 0;
}
