/* fuzz_segment.c - segment heads, item heads and directories: what parses is
 * written back to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "store/extent.h"
#include "store/marks.h"

static void segment_round_trip(const uint8_t *data, size_t len)
{
	uint8_t again[SEGMENT_HEAD_SIZE];
	struct segment_head h;

	if (!segment_head_parse(data, len, &h))
		return;
	segment_head_write(&h, again);
	if (len != sizeof(again) || memcmp(again, data, len) != 0)
		abort();
}

static void directory_round_trip(const uint8_t *data, size_t len)
{
	struct directory d;
	struct buf again = BUF_EMPTY;

	if (directory_parse(data, len, &d, NULL))
		return;
	directory_write(&d, &again);
	if (buf_ok(&again, NULL) || again.len != len ||
		memcmp(again.data, data, len) != 0)
		abort();
	for (size_t i = 0; i < d.block_count; i++) {
		const struct directory_block *b = &d.blocks[i];

		if (!directory_find(&d, b->log, b->name, strlen(b->name),
			    b->label, b->last) &&
			(i + 1 == d.block_count ||
				d.blocks[i + 1].first > b->last))
			abort();
	}
	buf_free(&again);
	directory_free(&d);
}

static void item_round_trip(const uint8_t *data, size_t len)
{
	struct buf again = BUF_EMPTY;
	struct item it;

	if (item_parse(data, len, &it, NULL) || item_size(&it) > len)
		return;
	item_write(&it, data + item_head_size(&it), it.payload_len, &again);
	if (buf_ok(&again, NULL) || again.len != item_size(&it) ||
		memcmp(again.data, data, 64) != 0)
		abort();
	if (it.kind == ITEM_COMMIT)
		directory_round_trip(
			data + item_head_size(&it), it.payload_len);
	buf_free(&again);
}

static void extent_round_trip(const uint8_t *data, size_t len)
{
	uint8_t again[EXTENT_SLOT_SIZE];
	struct extent e;

	if (!extent_read_slot(data, len, &e))
		return;
	extent_write_slot(&e, again);
	/* The CRC covers zeros that nobody looks at. */
	if (memcmp(again, data, 60) != 0)
		abort();
}

static void marks_round_trip(const uint8_t *data, size_t len)
{
	uint8_t head[MARKS_HEAD_SIZE];
	uint8_t row[MARK_ROW_SIZE];
	uint8_t store[STORE_ID_SIZE];
	struct mark_row m;

	if (mark_row_read(data, len, &m)) {
		mark_row_write(&m, row);
		if (memcmp(row, data, sizeof(row)) != 0)
			abort();
	}
	if (len == sizeof(head) && marks_head_read(data, len, store)) {
		marks_head_write(store, head);
		if (memcmp(head, data, sizeof(head)) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	switch (data[0]) {
	case 's':
		segment_round_trip(data + 1, len - 1);
		break;
	case 'd':
		directory_round_trip(data + 1, len - 1);
		break;
	case 'e':
		extent_round_trip(data + 1, len - 1);
		break;
	case 'm':
		marks_round_trip(data + 1, len - 1);
		break;
	case 'i':
		item_round_trip(data + 1, len - 1);
		break;
	}
	return 0;
}
