/* fuzz_entries.c - entries once more: what parses is written back to the byte,
 * and lies in one tile. */
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
	struct entries_message m;
	struct buf again = BUF_EMPTY;
	struct err err;

	if (entries_message_parse(data, size, &m, &err))
		return 0;
	check(m.from < m.to && m.to <= m.tree_size);
	check(m.from / TILE_WIDTH == (m.to - 1) / TILE_WIDTH);
	entries_message_write(&m, &again);
	buf_add(&again, m.run, m.run_len);
	check(!again.failed && again.len == size);
	check(!memcmp(again.data, data, size));
	buf_free(&again);
	return 0;
}
