/* array.c - room for one more element of an array that grows. */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 16

bool grow(void *array, size_t *cap, size_t count, size_t size)
{
	size_t more = *cap ? *cap * 2 : FIRST_CAP;
	void *p;

	if (count < *cap)
		return true;
	memcpy(&p, array, sizeof(p)); /* a pointer of whatever type */
	if (!(p = reallocarray(p, more, size)))
		return false;
	memcpy(array, &p, sizeof(p));
	*cap = more;
	return true;
}
