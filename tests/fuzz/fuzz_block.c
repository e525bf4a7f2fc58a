/* fuzz_block.c - blocks of entries and of parts, by the first byte. */
#include <stdlib.h>
#include <string.h>

#include "store/frame.h"

#define ROWS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stubs are rebuilt, with whatever digests; those that come out right are
 * entries or not, but never a crash. */
static void read_entries(const uint8_t *data, size_t size)
{
	static struct entry_stub stubs[ROWS];
	struct digest digest[LABEL_COUNT] = {0};
	struct buf text = BUF_EMPTY;
	size_t count;

	if (entries_block_read(data, size, stubs, ROWS, &count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		struct digest leaf;
		struct entry e;

		buf_clear(&text);
		if (entry_rebuild(&stubs[i], digest, &text, &leaf, NULL) ==
			ERR_OK)
			(void)entry_parse(
				(const char *)text.data, text.len, &e, NULL);
	}
	buf_free(&text);
}

static void read_parts(const uint8_t *data, size_t size)
{
	static struct part_row rows[ROWS], again[ROWS];
	struct buf plain = BUF_EMPTY;
	size_t count, count_again;

	if (parts_block_read(data, size, rows, ROWS, &count, NULL))
		return;
	if (parts_block(rows, count, &plain, NULL) != ERR_OK ||
		parts_block_read(plain.data, plain.len, again, ROWS,
			&count_again, NULL) != ERR_OK ||
		count != count_again)
		abort();
	for (size_t i = 0; i < count; i++)
		if (rows[i].seq != again[i].seq ||
			rows[i].erased != again[i].erased ||
			rows[i].part.len != again[i].part.len)
			abort();
	buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf plain = BUF_EMPTY;

	if (size == 0)
		return 0;
	if (data[0] % 3 == 0)
		read_entries(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		read_parts(data + 1, size - 1);
	else
		(void)frame_decompress(
			data + 1, size - 1, 1 << 20, &plain, NULL);
	buf_free(&plain);
	return 0;
}
