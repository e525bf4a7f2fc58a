/* items.h - finds an item in the first segment of a test's store, and damages
 * it. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "records.h"

#define ITEMS_SEGMENT "segments/00000001.seg"
#define ITEMS_START 40 /* behind the segment's head */
#define ITEM_HEAD 72   /* its name follows */

struct item_place {
	off_t head, payload;
	size_t len;
};

/* The first one of the kind. */
static inline struct item_place find_item(void **state, uint8_t kind)
{
	int fd = open(scratch_path(state, ITEMS_SEGMENT), O_RDONLY);
	uint8_t h[ITEM_HEAD];
	off_t at = ITEMS_START;

	assert_true(fd >= 0);
	for (;;) {
		size_t len;

		assert_int_equal(pread(fd, h, sizeof(h), at), sizeof(h));
		assert_memory_equal(h, "CDit", 4);
		len = (size_t)h[12] << 24 | (size_t)h[13] << 16 |
			(size_t)h[14] << 8 | h[15];
		if (h[5] == kind) {
			close(fd);
			return (struct item_place){
				at, at + ITEM_HEAD + h[8], len};
		}
		at += ITEM_HEAD + h[8] + (off_t)len;
	}
}

static inline void flip_byte(void **state, off_t at)
{
	int fd = open(scratch_path(state, ITEMS_SEGMENT), O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}
