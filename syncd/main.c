/* main.c - cundangd: opens a node, serves it until it is told to stop. */
#include <event2/event.h>
#include <getopt.h>
#include <libintl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "syncd/automatic.h"
#include "syncd/control.h"
#include "syncd/http.h"
#include "syncd/log.h"
#include "syncd/loop.h"
#include "syncd/notify.h"
#include "syncd/orders.h"
#include "syncd/peers.h"
#include "syncd/replica.h"

#define DATA_DEFAULT "/var/lib/cundang"
#define STOP_MS 8000 /* for good-byes and requests under way */
#define TICK_MS 50
#define TIDY_S 60
#define ARENAS 4 /* of the allocator: memory for threads that mostly wait */
#define DESCRIPTORS 8192

struct service {
	struct daemon d;
	struct event *term, *interrupt, *tick, *watchdog, *tidy;
	uint64_t stopping_ms; /* 0: not */
};

/* ---- stopping ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;
	bool idle = peers_count(s->d.peers) == 0 && loop_jobs(s->d.loop) == 0 &&
		http_busy(s->d.http) == 0 && control_busy(s->d.control) == 0;

	(void)fd;
	(void)what;
	if (idle || time_mono_ms() - s->stopping_ms >= STOP_MS)
		loop_stop(s->d.loop);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;
	struct timeval every = {.tv_usec = TICK_MS * 1000};

	(void)fd;
	(void)what;
	if (s->stopping_ms)
		return;
	s->stopping_ms = time_mono_ms();
	log_info("node: stopping");
	notify_systemd("STOPPING=1");
	control_stop(s->d.control);
	http_stop(s->d.http);
	peers_stop(s->d.peers);
	(void)event_add(s->tick, &every);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	notify_systemd("WATCHDOG=1");
}

/* ---- the loop ---- */

/* After a large put, or many looks at records, we and the allocator keep what a
 * village's machine could use. */
static void on_tidy(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	control_tidy(s->d.control);
	store_tidy(s->d.node->store);
	orders_work(&s->d);
	if (loop_jobs(s->d.loop) == 0)
		malloc_trim(0);
}

static enum err_code add_events(struct service *s, struct err *err)
{
	struct event_base *base = loop_base(s->d.loop);
	uint64_t ms = notify_watchdog_ms();
	struct timeval tidy = {.tv_sec = TIDY_S};
	struct timeval every = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	s->term = evsignal_new(base, SIGTERM, on_stop, s);
	s->interrupt = evsignal_new(base, SIGINT, on_stop, s);
	s->tick = event_new(base, -1, EV_PERSIST, on_tick, s);
	s->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, s);
	s->tidy = event_new(base, -1, EV_PERSIST, on_tidy, s);
	if (!s->term || !s->interrupt || !s->tick || !s->watchdog || !s->tidy ||
		event_add(s->tidy, &tidy) || event_add(s->term, NULL) ||
		event_add(s->interrupt, NULL) ||
		(ms > 0 && event_add(s->watchdog, &every)))
		return err_set(err, ERR_INTERNAL, "no events for signals");
	return ERR_OK;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

/* Heads that came in before a crash and were not adopted yet. */
static enum err_code catch_up(struct daemon *d, struct err *err)
{
	uint64_t adopted = 0;
	enum err_code rc = replica_adopt(d->node, d->writer, &adopted, err);

	if (rc)
		return err_while(err, rc, "adopt rules");
	return ERR_OK;
}

static enum err_code log_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	(void)arg;
	(void)err;
	log_error("damage: %s: %s", where, what);
	return ERR_OK;
}

static enum err_code serve(struct service *s, struct err *err)
{
	struct daemon *d = &s->d;
	enum err_code rc;

	if ((rc = loop_new(&d->loop, err)) || (rc = add_events(s, err)) ||
		(rc = catch_up(d, err)) || (rc = peers_new(d, &d->peers, err)))
		return rc;
	if (d->node->config.http[0] && (rc = http_new(d, &d->http, err)))
		return rc;
	if ((rc = control_new(d, &d->control, err)))
		return rc;
	(void)!store_damage_each(d->node->store, log_damage, NULL, NULL);
	if (d->node->cut)
		log_warn("node: the end of the log is damaged or gone: a new "
			 "epoch begins; see cundang fsck");
	if (d->node->copied)
		log_warn("node: DATA is a copy of another directory: a new "
			 "epoch begins");
	if ((rc = orders_start(d, err)) || (rc = automatic_start(d, err)))
		return rc;
	log_info(LINE_READY ": %s", d->node->origin);
	notify_systemd("READY=1");
	loop_run(d->loop);
	return ERR_OK;
}

/* What workers still do ends first: nothing they touch goes before them. */
static void close_all(struct service *s)
{
	struct daemon *d = &s->d;

	if (d->loop)
		loop_finish(d->loop);
	control_stop(d->control);
	control_free(d->control);
	http_free(d->http);
	peers_free(d->peers);
	free_event(s->term);
	free_event(s->interrupt);
	free_event(s->tick);
	free_event(s->watchdog);
	free_event(s->tidy);
	orders_stop(d);
	automatic_stop(d);
	loop_free(d->loop);
	writer_stop(d->writer);
	node_close(d->node);
}

static enum err_code run(const char *data, struct err *err)
{
	struct service s = {.d = {.started = time_now()}};
	enum err_code rc;

	if ((rc = node_open(data, STORE_WRITE, &s.d.node, err)))
		return rc;
	rc = writer_start(
		s.d.node->store, node_sign, s.d.node, &s.d.writer, err);
	if (rc == ERR_OK)
		rc = serve(&s, err);
	close_all(&s);
	return rc;
}

/* ---- the process ---- */

static void prepare_process(void)
{
	struct rlimit files;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_ARENA_MAX, ARENAS);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
		files.rlim_cur < DESCRIPTORS) {
		files.rlim_cur = files.rlim_max < DESCRIPTORS ? files.rlim_max
							      : DESCRIPTORS;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	log_init();
}

static int usage(FILE *to, int status)
{
	fprintf(to,
		gettext("usage: cundangd [-C DATA]\n\n"
			"Serves the node in DATA (or CUNDANG_DATA, or %s)\n"
			"in the foreground until SIGTERM.\n"),
		DATA_DEFAULT);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	const char *data = getenv("CUNDANG_DATA");
	enum err_code rc;
	struct err err;
	int c;

	heap_start();
	heap_overwrite_freed();
	locale_start();
	while ((c = getopt_long(argc, argv, "C:hV", options, NULL)) != -1) {
		if (c == 'C') {
			data = optarg;
		} else if (c == 'V') {
			printf("cundangd %s\n", CUNDANG_VERSION);
			return EXIT_SUCCESS;
		} else {
			return c == 'h'
				? usage(stdout, EXIT_SUCCESS)
				: usage(stderr, err_exit_code(ERR_USAGE));
		}
	}
	if (optind != argc)
		return usage(stderr, err_exit_code(ERR_USAGE));
	prepare_process();
	if ((rc = run(data && data[0] ? data : DATA_DEFAULT, &err))) {
		log_error("node: %s", err.text);
		return err_exit_code(rc);
	}
	log_info(LINE_STOPPED);
	return EXIT_SUCCESS;
}
