/* automatic.c - what the daemon does by itself once a day: parts go that may,
 * and the counts of a month that is over are told. */
#include "syncd/automatic.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

#include "policies/policies.h"
#include "syncd/log.h"
#include "syncd/loop.h"

#define LOOK_S 5 /* how often it is asked what day it is */
#define DAY_S 86400
#define LEGAL_OFFSET_S (8 * 3600)

struct automatic {
	struct daemon *d;
	struct event *look;
	int64_t day; /* the last that was done, at +08:00 */
	int64_t now; /* of the work under way, 0 for none */
	uint64_t parts;
	enum err_code rc;
	struct err err;
	/* Likewise of counts, which go by another clock. */
	int64_t counted;
	size_t counts;
	enum err_code counts_rc;
	struct err counts_err;
};

static int64_t day_of(int64_t t)
{
	return (t + LEGAL_OFFSET_S) / DAY_S;
}

/* What failed is tried again tomorrow. */
static void count(struct automatic *a)
{
	int64_t now = aggregate_now(a->d->node);

	a->counts = 0;
	a->counts_rc = ERR_OK;
	if (!now || day_of(now) == a->counted)
		return;
	a->counts_rc = aggregate_tell(
		a->d->node, a->d->writer, now, &a->counts, &a->counts_err);
	a->counted = day_of(now);
}

/* First the counts: what goes today was there in the month that is over. */
static void on_work(void *arg)
{
	struct automatic *a = arg;

	count(a);
	a->now = automatic_now(a->d->node, NULL);
	a->parts = 0;
	a->rc = ERR_OK;
	if (a->now && day_of(a->now) != a->day)
		a->rc = automatic_run(
			a->d->node, a->d->writer, a->now, &a->parts, &a->err);
}

static void next_look(struct automatic *a)
{
	static const struct timeval soon = {.tv_sec = LOOK_S};

	(void)evtimer_add(a->look, &soon);
}

static void on_worked(void *arg)
{
	struct automatic *a = arg;

	if (a->rc && a->rc != ERR_BUSY)
		log_warn("retention: %s", a->err.text);
	if (a->counts_rc)
		log_warn("counts: %s", a->counts_err.text);
	if (a->counts) {
		log_info("counts: %zu told of months that are over", a->counts);
		daemon_changed(a->d);
	}
	if (a->parts) {
		log_info("retention: %" PRIu64
			 " parts of automatic series were destroyed",
			a->parts);
		daemon_changed(a->d);
	}
	/* What failed is tried again tomorrow, a busy one at once. */
	if (a->now && a->rc != ERR_BUSY)
		a->day = day_of(a->now);
	next_look(a);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct automatic *a = arg;

	(void)fd;
	(void)what;
	if (!loop_job(a->d->loop, on_work, on_worked, a))
		next_look(a);
}

enum err_code automatic_start(struct daemon *d, struct err *err)
{
	struct automatic *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err);
	a->d = d;
	a->look = evtimer_new(loop_base(d->loop), on_look, a);
	if (!a->look) {
		free(a);
		return err_nomem(err);
	}
	d->automatic = a;
	next_look(a);
	return ERR_OK;
}

void automatic_stop(struct daemon *d)
{
	if (!d->automatic)
		return;
	event_free(d->automatic->look);
	free(d->automatic);
	d->automatic = NULL;
}
