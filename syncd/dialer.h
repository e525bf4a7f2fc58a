/* dialer.h - keeps one connection to the parent: dials, waits, dials again.
 *
 * After a failure it waits between 0 and a bound (full jitter) that doubles
 * from BACKOFF_FIRST_MS to BACKOFF_LIMIT_MS and is reset by a session that was
 * OPEN.  Loop's thread only; NULL is allowed where void is returned.
 */
#pragma once

#include "syncd/peers.h"

struct dialer;

enum err_code dialer_new(struct daemon *d, struct peers *p, struct dialer **out,
	struct err *err);
void dialer_stop(struct dialer *d); /* dials no more */
/* After loop_finish(). */
void dialer_free(struct dialer *d);
void dialer_now(struct dialer *d); /* at once, and the back-off starts anew */
void dialer_opened(struct dialer *d);
void dialer_ended(
	struct dialer *d, struct conn *c, const struct session_status *st);

struct conn *dialer_conn(const struct dialer *d); /* or NULL */
/* The parent's code by the rules in force, "" when they name none. */
const char *dialer_code(struct dialer *d);
const char *dialer_address(const struct dialer *d);
const char *dialer_problem(const struct dialer *d); /* of the last try */
uint64_t dialer_next_try_s(const struct dialer *d);
/* Entries that the parent has not acknowledged, as far as is known while there
 * is no connection. */
uint64_t dialer_backlog(const struct dialer *d);

/* ---- of peers.c, for the dialer ---- */
void peers_dialled(struct peers *p, struct conn *c);
struct tls *peers_tls(struct peers *p);

/* The bound of the wait after `failures` failures in a row.  Pure. */
uint64_t backoff_bound_ms(unsigned failures);
