/* peers.h - the connections to other nodes: who may, how many, when to dial.
 *
 * Children dial us, we dial our parent.  A key counts as known when the roster
 * in force has it on the right side: our parent's when we dialled, a child's
 * when we were.  All others exchange governance only, UNKNOWN_LIMIT at once.
 * Loop's thread only.
 */
#pragma once

#include "syncd/conn.h"

struct json;

#define CONNECTIONS_LIMIT 2048
#define HANDSHAKES_LIMIT 256 /* of those, before the peer's key is known */
#define UNKNOWN_LIMIT 16
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LIMIT_MS 60000
#define SLOW_BANDWIDTH ((uint64_t)128 << 10) /* below: short frames */

/* Listens and starts dialling as node.yaml says. */
enum err_code peers_new(struct daemon *d, struct peers **out, struct err *err);
/* Says good-bye to all and dials no more. */
void peers_stop(struct peers *p);
void peers_free(struct peers *p); /* closes what is left */
size_t peers_count(const struct peers *p);

/* Wakes all sessions and judges the peers by the rules in force, in a later
 * turn, at most every few milliseconds. */
void peers_changed(struct peers *p);
/* Dials the parent without waiting.  ERR_NOT_FOUND when `code` is not it; NULL:
 * any; ERR_USAGE when there is none. */
enum err_code peers_sync(struct peers *p, const char *code, struct err *err);
/* The peers of /status, docs/http.md section 1.1: appends to `array`.  false
 * when out of memory. */
bool peers_status(struct peers *p, struct json *array);
/* The ranges that open sessions are still to ask for, and the codes of the
 * neighbours that could be asked and are not there: appends to `array`. */
bool peers_repair(struct peers *p, uint64_t *asking, struct json *array);
/* Ends the sessions with nodes above: the next one finds what can go on. */
void peers_again(struct peers *p);
/* Totals since the start, for /metrics. */
struct peers_totals {
	uint64_t connections, refused;	      /* accepted, turned away */
	uint64_t sent, received;	      /* bytes of frames */
	uint64_t sessions, children, unknown; /* now; open, of them children */
	uint64_t backlog;		      /* to the parent */
	bool parent_open, complete;
};
void peers_totals(struct peers *p, struct peers_totals *out);

/* ---- for conn.c ---- */

/* After a handshake: sets the peer's code and label.  ERR_BUSY: too many. */
enum err_code peers_admit(struct peers *p, struct conn *c, struct err *err);
size_t peers_frame_limit(const struct peers *p, const struct conn *c);
void peers_opened(struct peers *p, struct conn *c);
void peers_ended(struct peers *p, struct conn *c);
