/* fuzz_bag.c - a manifest that parses is written and parses the same. */
#include <stdlib.h>
#include <string.h>

#include "store/bag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest m = {0}, again = {0};
	struct buf text = BUF_EMPTY;
	uint64_t bytes, files;

	(void)oxum_parse(data, size, &bytes, &files);
	if (manifest_parse(data, size, &m, NULL) != ERR_OK)
		return 0;
	for (size_t i = 0; i < m.count; i++)
		manifest_line(&m.item[i].digest, m.item[i].path, &text);
	if (manifest_parse(text.data, text.len, &again, NULL) != ERR_OK ||
		again.count != m.count)
		abort();
	for (size_t i = 0; i < m.count; i++)
		if (strcmp(m.item[i].path, again.item[i].path) != 0 ||
			!digest_equal(&m.item[i].digest, &again.item[i].digest))
			abort();
	manifest_free(&m);
	manifest_free(&again);
	buf_free(&text);
	return 0;
}
