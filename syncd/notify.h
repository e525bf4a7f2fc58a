/* notify.h - tells systemd how the daemon is, without its library. */
#pragma once

#include "base/base.h"

/* Sends `state` ("READY=1", "STOPPING=1", "WATCHDOG=1") to NOTIFY_SOCKET; does
 * nothing where there is none. */
void notify_systemd(const char *state);
/* How often WATCHDOG=1 is wanted, 0 for never: half of WATCHDOG_USEC. */
uint64_t notify_watchdog_ms(void);
