/* stack.h - what functions leave on the stack behind them. */
#pragma once

/* For a thread that is about to wait: what lies below its frame is overwritten.
 * What it worked on may be destroyed before it works again. */
void stack_forget(void);
