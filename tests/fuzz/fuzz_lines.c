/* fuzz_lines.c - a stream cut into lines, whole and in pieces: the same. */
#include <stdlib.h>
#include <string.h>

#include "cli/lines.h"

#define LIMIT 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is told, as bytes to compare. */
static void drain(struct lines *l, struct buf *told)
{
	const char *text;
	size_t len;

	for (;;) {
		enum lines_next next = lines_next(l, &text, &len);

		if (next == LINES_MORE)
			return;
		buf_u8(told, (uint8_t)next);
		buf_u64(told, l->number);
		if (next == LINES_LONG)
			continue;
		if (len > LIMIT)
			abort();
		buf_u64(told, len);
		buf_add(told, text, len);
	}
}

static void cut(const uint8_t *data, size_t size, size_t step, struct buf *told)
{
	struct lines l;

	lines_init(&l, LIMIT);
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (lines_feed(&l, data + at, n, NULL) != ERR_OK)
			abort();
		drain(&l, told);
	}
	lines_end(&l);
	drain(&l, told);
	lines_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, pieces = BUF_EMPTY;

	if (size > 4096)
		return 0;
	cut(data, size, size + 1, &whole);
	cut(data, size, size ? 1 + data[0] % 7 : 1, &pieces);
	if (whole.len != pieces.len ||
		(whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
