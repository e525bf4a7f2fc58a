/* number.c - strict decimal numbers. */
#include "base/number.h"

bool number_parse(const char *s, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (len == 0 || (len > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || ckd_mul(&v, v, 10U) ||
			ckd_add(&v, v, (uint64_t)(s[i] - '0')))
			return false;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}
