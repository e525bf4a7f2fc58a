/* repair.h - damaged records of a node, and how other nodes bring them back.
 *
 * The node keeps a list of what it lacks: made by repair_look(), worked off by
 * the sessions, one tile of a log at a time.  What comes is held against the
 * root that a note here signs, before anything is stored.
 */
#pragma once

#include "policies/exchange.h"
#include "policies/provision.h"

#define ENTRIES_SIZE_LIMIT ((size_t)8 << 20) /* bytes on the wire */

/* ---- one exchange ---- */

/* Entries [from, from + count) of a log, which lie in one tile, under the root
 * of a note that is here; or one that came down, with a proof of its own. */
struct again {
	char origin[ORIGIN_SIZE];
	uint64_t from, count;
	uint64_t size; /* of the note's tree; 0: the single one */
};
/* What `to` may have of them: the entries of the tile, with the parts of as
 * many as fit; what personal data that gives is added to `given`.
 * ERR_NOT_FOUND when not all entries are here, or damaged. */
enum err_code exchange_make_entries(struct node *n, const struct rules *rules,
	const struct again *a, const char *to, struct buf *out,
	struct provided_list *given, struct err *err);
/* The answer to `a`, verified: ERR_PROTOCOL when it is no answer or not under
 * the signed root, ERR_DENIED for a part above our clearance.  Parts of
 * *count entries came along, and *useful of them are damaged here, or lack a
 * part that came. */
struct brought;
enum err_code exchange_take_entries(struct node *n, const struct rules *rules,
	const struct again *a, const void *data, size_t len,
	struct brought **out, uint64_t *count, uint64_t *useful,
	struct err *err);
void brought_free(struct brought *b); /* NULL does nothing */
/* In a writer job. */
enum err_code brought_store(
	struct batch *b, const struct brought *m, struct err *err);

/* ---- what is lacking ---- */

struct repair;
enum err_code repair_new(struct repair **out, struct err *err);
void repair_free(struct repair *r); /* NULL does nothing */

enum repair_side { REPAIR_PARENT = 1, REPAIR_CHILD = 2 };

/* What was found, or is left. */
struct repair_count {
	uint64_t records;     /* damaged, or without a part that was here */
	uint64_t attachments; /* damaged or gone: wanted from now on */
	uint64_t mended;      /* records, since the last look */
};
/* Reads everything, as fsck does; damaged attachments are moved to
 * DATA/quarantine.  Takes a while; not on the loop's thread. */
enum err_code repair_look(struct node *n, struct writer *w,
	struct repair_count *out, struct err *err);
void repair_tell(struct node *n, struct repair_count *out);

/* What to ask next of a peer on that side; false for nothing. */
bool repair_next(struct node *n, const char *peer, enum repair_side side,
	struct again *out);
/* How many ranges that would be. */
size_t repair_open(struct node *n, const char *peer, enum repair_side side);
/* The peer does not have them, or what it brought does not verify. */
void repair_denied(
	struct node *n, const struct again *a, enum repair_side side);
/* Of the first `count` of them what is useful was stored: `useful`.  Records
 * that lack a part still may be asked of the other side. */
enum err_code repair_stored(struct node *n, const struct again *a,
	enum repair_side side, uint64_t count, uint64_t useful,
	struct err *err);

/* A record that nobody who was asked holds whole. */
struct repair_lost {
	char origin[ORIGIN_SIZE];
	uint64_t seq;
	bool entry;	/* not even its entry can be read */
	uint8_t labels; /* parts that are lost, where the entry can be read */
	char series[SERIES_NAME_SIZE]; /* "" where nobody knows */
};
typedef enum err_code repair_visit(
	void *arg, const struct repair_lost *lost, struct err *err);
/* All of them. */
enum err_code repair_list(
	struct node *n, repair_visit *visit, void *arg, struct err *err);

/* ---- the end ---- */

/* Was everybody who may hold that damaged entry asked for it?  *count tells for
 * how many from there on the same holds, 0 for one that nobody looks for. */
bool repair_given_up(
	struct node *n, const char *origin, uint64_t from, uint64_t *count);

struct renewed {
	uint64_t logs;	  /* closed: nothing more is given of them */
	uint64_t entered; /* records of them, entered again */
};
/* Closes the logs of ours that wait for a damaged entry which is given up, and
 * enters again what is whole behind what a node above has cosigned: a new epoch
 * where it was the log being written.  While it runs nothing may adopt rules.
 * It can be cut and run again. */
enum err_code repair_renew(
	struct node *n, struct writer *w, struct renewed *out, struct err *err);

/* Of a record that is damaged: was everybody asked, and the loss told?  What
 * waits for it goes on without it. */
bool record_given_up(struct node *n, const struct log_info *log, uint64_t seq);

/* References to attachments, told again from the documents that can be read:
 * damage at `places` may have taken blocks of them.  Erasures wait for it. */
enum err_code repair_refer(struct node *n, struct writer *w,
	const struct damage_places *places, struct err *err);
/* Those of one record. */
enum err_code refer_record(struct batch *b, const struct rules *rules,
	uint32_t log, uint64_t seq, const struct record *r, struct err *err);

/* Looks once more and closes the damage that nothing needs any more, or only
 * entries that are given up.  `fault` is told what is left of faults, but for
 * damage that entries need: repair_list() tells these. */
enum err_code repair_end(struct node *n, struct writer *w, fsck_fault *fault,
	void *arg, struct err *err);
