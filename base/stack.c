/* stack.c - what functions leave on the stack behind them. */
#include "base/stack.h"

#include <stdint.h>
#include <string.h>

/* The deepest of our threads were 88 KiB deep, with a sanitizer 104. */
#define DEEPEST ((size_t)128 << 10)

/* Inlined it would have its room in the caller's frame, and leave what is
 * below that. */
__attribute__((noinline)) void stack_forget(void)
{
	uint8_t room[DEEPEST];

	explicit_bzero(room, sizeof(room));
}
