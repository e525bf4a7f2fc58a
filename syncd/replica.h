/* replica.h - what a session asks of its node, run on a worker thread. */
#pragma once

#include "syncd/session.h"

/* Runs the ask against the node; verification here, writing through `w`.  The
 * outcome lies in the ask.  Blocks; never call it on the loop's thread. */
void ask_run(struct ask *a, struct node *n, struct writer *w);
void ask_free(struct ask *a);
/* What it is about, for logs: "package xihu.example/330106110201/... 256". */
const char *ask_text(const struct ask *a);
