/* fuzz_http_request.c - the head of an HTTP request: what is taken lies within
 * the bytes given, and holds what request.h promises. */
#include <stdlib.h>
#include <string.h>

#include "syncd/syncd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_within(
	const uint8_t *data, size_t size, const char *s, size_t len)
{
	const uint8_t *at = (const uint8_t *)s;

	check(at >= data && len <= size && at + len <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = request_head_end(data, size);
	struct request r;

	check(len <= size);
	if (len == 0 || request_parse(data, len, &r, NULL))
		return 0;
	check(len <= REQUEST_HEAD_LIMIT);
	check_within(data, len, r.path, r.path_len);
	check(r.path_len > 0 && r.path[0] == '/');
	check(!memchr(r.path, '?', r.path_len));
	if (r.query)
		check_within(data, len, r.query, r.query_len);
	if (r.bearer)
		check_within(data, len, r.bearer, r.bearer_len);
	check(r.has_length || r.length == 0);
	return 0;
}
