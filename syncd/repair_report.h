/* repair_report.h - the end of a repair, as the command is told. */
#pragma once

#include "policies/policies.h"

/* Goes on where damage cannot be mended, closes what nothing needs, and tells
 * what is left: docs/http.md section 1, POST /repair/end.  *again: what was
 * held up can go on, in a new session.  Takes a while; not on the loop's
 * thread. */
enum err_code repair_report(struct node *n, struct writer *w, struct json **out,
	bool *again, struct err *err);
