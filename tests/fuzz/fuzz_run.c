/* fuzz_run.c - a run that decodes encodes again, to the same records.
 *
 * The first byte tells whether a run follows, or the columns within one: behind
 * the compression a fuzzer would hardly get. */
#include <stdlib.h>
#include <string.h>

#include "store/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_records(const struct run *a, const struct run *b)
{
	if (a->count != b->count)
		abort();
	for (size_t i = 0; i < a->count; i++) {
		const struct record *x = &a->record[i], *y = &b->record[i];

		if (x->entry_len != y->entry_len || x->have != y->have ||
			memcmp(x->entry, y->entry, x->entry_len) != 0)
			abort();
		for (int l = 0; l < LABEL_COUNT; l++)
			if (x->part[l].len != y->part[l].len ||
				memcmp(x->part[l].seed, y->part[l].seed,
					SEED_SIZE) != 0)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf bytes = BUF_EMPTY, again = BUF_EMPTY;
	struct run a = {0}, b = {0};

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		buf_u8(&bytes, 1);
		if (frame_compress(data + 1, size - 1, 1, &bytes, NULL))
			abort();
	} else {
		buf_add(&bytes, data + 1, size - 1);
	}
	if (run_decode(bytes.data, bytes.len, 7, &a, NULL) == ERR_OK) {
		if (run_encode(&a, LABEL_ALL, 1, &again, NULL) != ERR_OK ||
			run_decode(again.data, again.len, 7, &b, NULL) !=
				ERR_OK)
			abort();
		same_records(&a, &b);
	}
	run_free(&a);
	run_free(&b);
	buf_free(&bytes);
	buf_free(&again);
	return 0;
}
