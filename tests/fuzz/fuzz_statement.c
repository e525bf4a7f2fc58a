/* fuzz_statement.c - a statement that parses is written back as it was. */
#include <stdlib.h>
#include <string.h>

#include "policies/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_EMPTY;
	struct statement s;

	if (statement_parse(data, size, &s, NULL) != ERR_OK)
		return 0;
	if (statement_write(&s, &text, NULL) != ERR_OK || text.len != size ||
		memcmp(text.data, data, size))
		abort();
	buf_free(&text);
	return 0;
}
