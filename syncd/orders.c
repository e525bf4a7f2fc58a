/* orders.c - the daemon's own work with orders. */
#include "syncd/orders.h"

#include <event2/event.h>
#include <stdlib.h>

#include "syncd/log.h"
#include "syncd/loop.h"

struct work {
	struct daemon *d;
	size_t done;
	enum err_code rc;
	struct err err;
};

static void on_work(void *arg)
{
	struct work *w = arg;

	w->rc = orders_run(w->d->node, w->d->writer, &w->done, &w->err);
}

static void on_worked(void *arg)
{
	struct work *w = arg;

	if (w->rc)
		log_warn("orders: %s", w->err.text);
	if (w->done) {
		log_info("orders carried out: %zu", w->done);
		daemon_changed(w->d);
	}
	free(w);
}

/* Where there is no memory or no worker it is tried again by the next call. */
void orders_work(struct daemon *d)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	w->d = d;
	if (!loop_job(d->loop, on_work, on_worked, w))
		free(w);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	orders_work(arg);
}

void orders_soon(struct daemon *d)
{
	static const struct timeval soon = {.tv_usec = 500000};

	if (d->orders && !evtimer_pending(d->orders, NULL))
		(void)evtimer_add(d->orders, &soon);
}

enum err_code orders_start(struct daemon *d, struct err *err)
{
	d->orders = evtimer_new(loop_base(d->loop), on_soon, d);
	if (!d->orders)
		return err_nomem(err);
	orders_work(d);
	return ERR_OK;
}

void orders_stop(struct daemon *d)
{
	if (d->orders)
		event_free(d->orders);
	d->orders = NULL;
}
