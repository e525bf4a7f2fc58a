/* automatic.h - the daemon has parts go by themselves when they may, once a day
 * by the countersigned time.  Internal to syncd/. */
#pragma once

#include "syncd/daemon.h"

enum err_code automatic_start(struct daemon *d, struct err *err);
/* Behind loop_finish(). */
void automatic_stop(struct daemon *d);
