/* daemon.c - what one part of the daemon tells the others. */
#include "syncd/daemon.h"

#include "syncd/http.h"
#include "syncd/orders.h"
#include "syncd/peers.h"

void daemon_changed(struct daemon *d)
{
	peers_changed(d->peers);
	http_changed(d->http);
	orders_soon(d);
}
