/* automatic.h - the daemon has parts go by themselves when they may, and tells
 * the counts of months that are over, once a day of the time from above.
 * Internal to syncd/. */
#pragma once

#include "syncd/daemon.h"

enum err_code automatic_start(struct daemon *d, struct err *err);
/* Behind loop_finish(). */
void automatic_stop(struct daemon *d);
