/* fuzz_request.c - a node's request takes any bytes, and one that parses is
 * written back with the same first part. */
#include <stdlib.h>
#include <string.h>

#include "policies/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node_request r;

	if (node_request_parse(data, size, &r, NULL) == ERR_OK &&
		(!code_valid(r.code, strlen(r.code)) ||
			r.seal_len > sizeof(r.seal) ||
			!sign_public_sound(&r.log)))
		abort();
	return 0;
}
