/* orders.h - the daemon's own work with orders.  Internal to syncd/. */
#pragma once

#include "syncd/daemon.h"

/* Reads the orders, and carries out what can be, on a worker; for the root and
 * for what became due meanwhile. */
void orders_work(struct daemon *d);
/* The same a little later, once for all that comes meanwhile: an order or its
 * end may be among it. */
void orders_soon(struct daemon *d);
enum err_code orders_start(struct daemon *d, struct err *err);
void orders_stop(struct daemon *d);
