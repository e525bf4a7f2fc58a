/* epoch.h - a log of our own that cannot go on, and the one that follows it.
 *
 * A log that was restored from an older copy would contradict what others have
 * of it as soon as it grows.  So it is closed where it stands, and a new log
 * (another epoch in its name) goes on.  Once a node above has proved what it
 * holds of the closed one, the records that only we have are entered again.
 */
#pragma once

#include "policies/capture.h"

enum epoch_reason {
	EPOCH_COPIED,	/* DATA is a copy; the original may go on */
	EPOCH_RESTORED, /* a node above has more of the log than is here */
	EPOCH_FORKED,	/* a node above has other entries than are here */
	EPOCH_LOST,	/* a node above has a log of ours that is not here */
	EPOCH_CUT,     /* what was acknowledged at its end is damaged or gone */
	EPOCH_DAMAGED, /* records in it are damaged that nobody else holds */
	EPOCH_ENTERED, /* what only we had of an epoch was entered again */
};
const char *epoch_reason_name(enum epoch_reason r);

/* Begins a new epoch when `origin` is still the log being written, else does
 * nothing: sys-policy and sys-epoch are the first records of the new log, in
 * one group.  node.yaml and n->origin follow.  *begun tells whether it did. */
enum err_code epoch_begin(struct node *n, struct writer *w, const char *origin,
	enum epoch_reason reason, bool *begun, struct err *err);

/* How a closed log of ours, or one that is not here any more, ended. */
struct settled {
	char origin[ORIGIN_SIZE];
	uint64_t size; /* what a node above holds of it ... */
	struct digest root;
	uint64_t common;  /* ... of which so many entries are ours too */
	uint64_t entered; /* records of ours behind them, entered again */
};
#define SETTLED_LIMIT 1024

/* Enters again what the closed log s->origin has behind s->common entries, in
 * chunks: same id, node, time and revision, fresh seeds.  What is in a later
 * epoch already is left alone, so it can be cut and run again.  A log that is
 * not here is written down as lost.  From then on the log is settled and not
 * given any more.  ERR_USAGE for the log being written.  While it runs nothing
 * may adopt rules.  s->entered is set. */
enum err_code epoch_settle(
	struct node *n, struct writer *w, struct settled *s, struct err *err);
/* Any thread. */
bool epoch_settled(struct node *n, const char *origin, struct settled *out);
/* How many entries of a log stand in no later one: what its copies have in
 * common where it is settled, else all.  Any thread. */
uint64_t epoch_common(struct node *n, const struct log_info *log);
/* Of a settled log the node above has entries that are not here: an order among
 * them, as the caller has verified, is entered in the log of now.  In a writer
 * job.  ERR_EXISTS: it is in a log of ours already. */
enum err_code epoch_enter_order(struct batch *b, struct node *n,
	const struct record *from, struct err *err);
bool epoch_settled_at(struct node *n, size_t i, struct settled *out);

/* The own log's beginning, for people. */
struct epoch_story {
	bool any; /* false: it is the first there is */
	enum epoch_reason reason;
	char since[TIME_TEXT_SIZE];
	char origin[ORIGIN_SIZE]; /* of the log before */
	uint64_t last;		  /* entries of it that both knew then */
	uint64_t had; /* EPOCH_CUT: it had, at least; 0 where that is lost */
	bool gone;    /* nothing of it is here */
	bool settled;
	uint64_t common, entered; /* where settled */
};
enum err_code epoch_tell(
	struct node *n, struct epoch_story *out, struct err *err);

/* A fork that was refused here: DATA/forks has both notes. */
struct fork {
	char origin[ORIGIN_SIZE];
	char date[11];
	char file[ORIGIN_SIZE + 32]; /* within DATA */
};
#define FORKS_LIMIT 64
/* The newest FORKS_LIMIT, newest first; *count tells how many.  None where
 * there is no such folder. */
enum err_code forks_list(const char *data, struct fork out[FORKS_LIMIT],
	size_t *count, struct err *err);
/* The file of a fork found on `date` (YYYY-MM-DD). */
void fork_file(const char *origin, const char *date, struct fork *out);

/* Sets `epoch` (only where there is a story) and `forks` in a status object:
 * docs/http.md section 1.1. */
enum err_code epoch_status(
	struct node *n, struct json *status, struct err *err);

/* ---- the marker of a directory (policies/instance.c) ---- */

enum instance { INSTANCE_SAME, INSTANCE_NONE, INSTANCE_OTHER };
/* DATA/instance names its own file (inode and time of birth) and the machine:
 * a copy of it elsewhere says another thing than it is. */
enum err_code instance_check(
	const char *data, enum instance *out, struct err *err);
enum err_code instance_write(const char *data, struct err *err);
