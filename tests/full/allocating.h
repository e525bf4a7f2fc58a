/* allocating.h - memory that gives out at the n-th request of our own code.
 *
 * The linker puts it in front of malloc and its kin (--wrap) for all that is
 * linked statically: the folders of this project and the test.  Libraries of
 * others keep the real ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* From now on the n-th request (from 1), of whatever thread, gets nothing. */
void allocating_start(uint64_t n);
/* All get what they ask for again; tells whether one had not. */
bool allocating_stop(void);
