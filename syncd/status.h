/* status.h - the answer of GET /status: docs/http.md section 1.1. */
#pragma once

#include "syncd/daemon.h"

/* On the loop's thread: who, and the peers.  The caller frees *out. */
enum err_code status_start(
	struct daemon *d, struct json **out, struct err *err);
/* On a worker: adds what the store says. */
enum err_code status_finish(
	struct node *n, struct json *status, struct err *err);
