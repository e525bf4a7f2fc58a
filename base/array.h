/* array.h - room for one more element of an array that grows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Makes sure that an array on the heap holds one element more than its `count`
 * of `size` bytes each.  `array` is the address of the pointer to it, of
 * whatever type; NULL with a cap of 0 is an empty array.  The room doubles, so
 * n elements are moved O(log n) times; a pointer into the array is good until
 * the next call.  False when out of memory: all stays as it was. */
bool grow(void *array, size_t *cap, size_t count, size_t size);
