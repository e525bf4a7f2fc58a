/* fuzz_json.c - what parses is written, reads back equal, and is a fixpoint. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *v = NULL;
	struct json *back = NULL;
	struct json *again = NULL;
	struct buf first = BUF_EMPTY;
	struct buf second = BUF_EMPTY;
	struct err err;
	enum err_code rc;

	if (json_parse(data, size, 1 << 16, &v, &err)) {
		check(v == NULL && utf8_valid(err.text, strlen(err.text)));
		return 0;
	}
	check(json_write(v, &first, &err) == ERR_OK);
	check(utf8_valid((char *)first.data, first.len));
	check(json_parse_canonical(first.data, first.len, JSON_TEXT_LIMIT,
		      &back, &err) == ERR_OK);
	check(json_equal(v, back) && json_equal(back, v));
	check(json_write(back, &second, &err) == ERR_OK);
	check(second.len == first.len &&
		memcmp(first.data, second.data, first.len) == 0);
	/* Canonical is said exactly of texts that are their own writing. */
	rc = json_parse_canonical(data, size, 1 << 16, &again, &err);
	check((rc == ERR_OK) ==
		(first.len == size && memcmp(first.data, data, size) == 0));
	json_free(again);
	json_free(back);
	json_free(v);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
