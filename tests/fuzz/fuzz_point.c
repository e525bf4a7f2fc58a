/* fuzz_point.c - names of records as people type them. */
#include <stdlib.h>
#include <string.h>

#include "policies/point.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct point p;

	if (point_parse((const char *)data, size, &p, NULL) != ERR_OK)
		return 0;
	if (p.kind == POINT_ORIGIN && !origin_valid(p.origin, strlen(p.origin)))
		abort();
	if (p.kind == POINT_CODE && !code_valid(p.code, strlen(p.code)))
		abort();
	return 0;
}
