/* metrics.h - Prometheus text: what the loop knows, then what the store says.
 */
#pragma once

#include "syncd/daemon.h"

/* On the loop's thread. */
void metrics_start(struct daemon *d, struct buf *out);
/* On a worker: appends what is read from the store. */
enum err_code metrics_finish(struct node *n, struct buf *out, struct err *err);
