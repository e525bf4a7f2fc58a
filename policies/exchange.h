/* exchange.h - what one node gives another and what it takes: packages of
 * entries with proofs, single proved entries, cosignatures.
 *
 * Everything taken is verified before it reaches the store: the log key of the
 * roster, consistency, subtree or inclusion proofs, part digests, clearance.
 * Pure of sockets; docs/protocol.md section 4 has the bytes.
 */
#pragma once

#include "policies/capture.h"

#define PACKAGE_SIZE_LIMIT ((size_t)32 << 20) /* bytes on the wire */
#define PROVED_SIZE_LIMIT ((size_t)4 << 20)

/* ---- giving ---- */

/* The origins that `to` shall get whole from us: our own logs, those that are
 * settled aside, and those of nodes below us, when `to` is our parent.  Visits
 * log_info with checkpoint_size > 0 in the order of origin text. */
enum err_code exchange_each_up(
	struct node *n, store_log_visit *visit, void *arg, struct err *err);
/* SHA-256 over sorted lines "origin SP size SP base64-root LF" of the complete
 * checkpoints of those, and of what the parent has of settled ones (giving
 * side) or of the logs of `child` and below (taking side). */
enum err_code exchange_hash_up(
	struct node *n, struct digest *out, struct err *err);
enum err_code exchange_hash_from(
	struct node *n, const char *child, struct digest *out, struct err *err);

/* The size to ask a proof from: that of the newest checkpoint a taker knows of
 * a log, complete or still pending (not log->size: after a cut there is a
 * pending checkpoint beyond it). */
uint64_t exchange_known_size(const struct log_info *log);
/* The checkpoint message: note, and the consistency proof from old_size (the
 * taker's exchange_known_size(); 0 for none) to the note's size.  ERR_USAGE
 * when the taker knows more than there is here: send it with old_size 0, so
 * that the taker can tell a fork from an older state. */
enum err_code exchange_make_checkpoint(struct node *n,
	const struct log_info *log, uint64_t old_size, struct buf *out,
	struct err *err);
/* A package for `to`: entries [from, next) of the tree of `tree_size`, cut at
 * multiples of 256 and at about target_bytes, with the parts `to` may hold and
 * the subtree proof of [floor256(from), next).  *given, where it is
 * asked for, are the labels of personal data in it: they are put on record
 * before it leaves (policies/provision.h).  So with the next one. */
enum err_code exchange_make_package(struct node *n, const struct rules *rules,
	const struct log_info *log, const char *to, uint64_t from,
	uint64_t tree_size, size_t target_bytes, struct buf *out,
	uint64_t *next, uint8_t *given, struct err *err);
/* One entry with its inclusion proof under the log's complete checkpoint, and
 * the parts `to` may hold.  For LOG_SPARSE: the proof it came with. */
enum err_code exchange_make_proved(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq, const char *to,
	struct buf *out, uint8_t *given, struct err *err);
/* The labels that `to` may hold of the entry `seq` of a log, by the rules of
 * now and by those of its capture: what the three above give, and repair. */
enum err_code exchange_may_hold(struct node *n, const struct rules *rules,
	const struct log_info *log, uint64_t seq, const struct entry *e,
	const char *to, uint8_t *labels, struct err *err);
/* Does the entry go down to `to`: its `to` prefixes meet the node or what is
 * below it, the node lies within its issuer, and its series goes down.  */
bool exchange_goes_down(
	const struct rules *rules, const struct entry *e, const char *to);

/* ---- taking ---- */

/* A verified thing, ready for the store; made on any thread, stored in a writer
 * job (which may run twice), then freed. */
struct taken;
enum taken_kind {
	TAKEN_CHECKPOINT,
	TAKEN_PACKAGE,
	TAKEN_PROVED,
	TAKEN_ORDER, /* ours, that a settled log lost: it is entered again */
	TAKEN_AGAIN, /* a proved entry in place of a damaged one */
};
void taken_free(struct taken *t);
enum taken_kind taken_kind(const struct taken *t);
const char *taken_origin(const struct taken *t);
/* Package: the sequence after its last entry.  Checkpoint: its size. */
uint64_t taken_size(const struct taken *t);

/* `from` is the peer's code: it may bring logs of itself and of nodes below it
 * (when it is our child), and proved entries of any node.  ERR_FORK with
 * *evidence (both notes, one after the other) when the log contradicts what is
 * here.  ERR_BUSY: known already or older than what is here (no harm; where
 * log_info.pending_size is beyond its size, packages can go on). */
enum err_code exchange_take_checkpoint(struct node *n,
	const struct rules *rules, const char *from, const void *data,
	size_t len, struct taken **out, struct buf *evidence, struct err *err);
/* Against the pending checkpoint here.  ERR_EXISTS: starts before our size, in
 * which case exchange_package_end() tells whether any of it is missing here.
 * ERR_PROTOCOL: starts behind it, bad proof, bad part; ERR_DENIED: a part above
 * our clearance or one that we should hold and the sender could have had is
 * missing. */
enum err_code exchange_take_package(struct node *n, const struct rules *rules,
	const char *from, const void *data, size_t len, struct taken **out,
	struct err *err);
/* The size that the log would have with it; 0 when it is no package. */
uint64_t exchange_package_end(const void *data, size_t len);
/* The entry `seq` of `origin`, which came so before and is damaged:
 * ERR_PROTOCOL for another one. */
enum err_code exchange_take_again(struct node *n, const struct rules *rules,
	const char *origin, uint64_t seq, const void *data, size_t len,
	struct taken **out, struct err *err);
/* ERR_BUSY when it is here already. */
enum err_code exchange_take_proved(struct node *n, const struct rules *rules,
	const char *from, const void *data, size_t len, struct taken **out,
	struct err *err);
/* In a writer job: ERR_BUSY when another session was quicker. */
enum err_code taken_store(
	struct batch *b, const struct taken *t, struct err *err);

/* Our cosignature on the newest complete checkpoint of a log, as a note with
 * all lines known; also kept in the store by the writer job that calls it.
 * Sees what is committed: call it once the last package's job is done. */
enum err_code exchange_cosign(struct batch *b, struct node *n,
	const char *origin, struct buf *note, struct err *err);
/* A cosigned note of one of the logs we gave: our own or below us.  Every line
 * of a roster witness is checked; unknown ones are dropped.  Store `merged` by
 * batch_note(log of origin, cosigned = true).  ERR_BUSY: of entries or a log
 * that is not here.  ERR_FORK: a log of ours is another one there, or has more
 * entries; `origin` is set then too. */
enum err_code exchange_take_cosigned(struct node *n, const struct rules *rules,
	const void *note, size_t len, char origin[ORIGIN_SIZE],
	struct buf *merged, struct err *err);

/* ---- what the parent has of a log of ours ---- */

/* A signed note that another node holds of one of our logs: it bears our own
 * signature, so it proves itself. */
struct prefix {
	char origin[ORIGIN_SIZE];
	uint64_t size; /* of the note's tree */
	struct digest root;
	uint64_t here; /* entries of that log here, 0 for none */
	bool other;    /* that tree is not a beginning of the log here */
	bool proven;   /* the first `asked` entries are the same */
};
/* The answer to "do we have the first `asked` entries in common": a checkpoint
 * message with a proof from that size.  ERR_DENIED for another node's log. */
enum err_code exchange_take_prefix(struct node *n, const struct rules *rules,
	uint64_t asked, const void *data, size_t len, struct prefix *out,
	struct err *err);
/* That answer: with the complete checkpoint and its proof where it reaches so
 * far, else with the newest known and no proof. */
enum err_code exchange_make_prefix(struct node *n, const struct log_info *log,
	uint64_t asked, struct buf *out, struct err *err);
