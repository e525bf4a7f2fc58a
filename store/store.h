/* store.h - what a node keeps: logs, entries, parts, attachments.
 *
 * DATA/segments is the truth and the write-ahead log, DATA/index (LMDB) is
 * derived from it and rebuilt where it is missing or suspect, DATA/keyring and
 * DATA/attachments belong to both.  One process writes, any number read beside
 * it.  Reads are safe from any thread; all of batch.* belongs to one thread.
 * A process that has a store open reads through it: a second struct store on
 * the same DATA in one process would break LMDB's locks, and so would one that
 * is used across a fork.
 *
 * When batch_commit() returns ERR_OK the batch is durable as a whole and
 * readers in every process see it.  A crash before that leaves nothing of it.
 */
#pragma once

#include "crypto/crypto.h"
#include "store/attachment.h"
#include "store/compress.h"
#include "store/entry.h"
#include "store/package.h"
#include "store/run.h"

struct store;

enum store_mode { STORE_READ, STORE_WRITE };
struct store_options {
	enum store_mode mode;
	bool create;	    /* with STORE_WRITE: make what is missing */
	bool rebuild_index; /* from the segments, even where it looks well */
	/* With STORE_READ: where no index can be used, one is made aside from
	 * the segments, for this process only. */
	bool scratch_index;
	uint64_t segment_size; /* when a new segment begins; 0: 64 MiB */
	/* Told while the index is rebuilt or fsck runs; may be NULL. */
	void (*progress)(
		void *arg, const char *doing, uint64_t done, uint64_t all);
	void *arg;
};

/* `data` is the node's directory.  ERR_BUSY when another process writes. */
enum err_code store_open(const char *data, const struct store_options *opt,
	struct store **out, struct err *err);
/* An orderly end: the index is synced and marked clean. */
void store_close(struct store *s);
/* Gives back what was kept of records that nobody looked at since this was
 * called last.  Any thread. */
void store_tidy(struct store *s);
const char *store_path(const struct store *s);

/* What opening found damaged or gone, and is not closed: the file, under DATA,
 * with the place in it, and what is wrong in words.  Nothing of it was deleted,
 * and what is left can be read.  Damage that an earlier opening found is for
 * store_fsck(). */
typedef enum err_code store_damage_visit(
	void *arg, const char *where, const char *what, struct err *err);
enum err_code store_damage_each(
	struct store *s, store_damage_visit *visit, void *arg, struct err *err);

/* The own log lost entries at its end that were acknowledged: nothing is
 * appended to it any more (ERR_CORRUPT), nor does a log begin under its origin.
 * Writing goes on in an own log of another origin: a new epoch. */
struct log_cut {
	char origin[ORIGIN_SIZE];
	uint64_t had;  /* entries */
	uint64_t left; /* of them, from the first on, at least */
};
/* False when it is whole.  `out` may be NULL. */
bool store_log_cut(const struct store *s, struct log_cut *out);

struct keyring *store_keyring(struct store *s);

/* ---- logs ---- */

enum log_kind {
	LOG_OWN,    /* ours, in this epoch or an earlier one */
	LOG_FULL,   /* another's, from 0 on without gaps */
	LOG_SPARSE, /* single entries with their own proofs */
};

struct log_info {
	uint32_t id; /* of this store only */
	enum log_kind kind;
	char origin[ORIGIN_SIZE];
	uint64_t size;		  /* entries here, without a gap */
	struct digest root;	  /* at size */
	uint64_t checkpoint_size; /* newest checkpoint with all its entries here
				   */
	uint64_t pending_size;	  /* newest verified checkpoint, >= the above */
	uint64_t cosigned_size; /* newest checkpoint here with a cosignature */
};

enum err_code store_log_find(struct store *s, const char *origin,
	struct log_info *out, struct err *err); /* ERR_NOT_FOUND */
enum err_code store_log_by_id(
	struct store *s, uint32_t id, struct log_info *out, struct err *err);
/* The own log that is being written: the newest LOG_OWN. */
enum err_code store_log_own(
	struct store *s, struct log_info *out, struct err *err);
typedef enum err_code store_log_visit(
	void *arg, const struct log_info *log, struct err *err);
/* In the order they were first seen; a visit that returns an error ends it.  A
 * visit may read the store and take its time. */
enum err_code store_log_each(
	struct store *s, store_log_visit *visit, void *arg, struct err *err);

enum which_note { NOTE_COMPLETE, NOTE_PENDING, NOTE_COSIGNED };
/* Appends the note with all signature lines known.  ERR_NOT_FOUND. */
enum err_code store_note(struct store *s, uint32_t log, enum which_note which,
	struct buf *out, struct err *err);

/* A tree_read over a log (crypto/tree.h): arg is a struct log_reader. */
struct log_reader {
	struct store *store;
	uint32_t log;
};
enum err_code store_tree_read(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err);

/* ---- reading records ---- */

/* Records [from, from + count) of a log, count <= RUN_LIMIT, with the parts of
 * `labels` that are here.  ERR_NOT_FOUND when from is not below size; fewer
 * come when the log ends.  LOG_SPARSE: exactly one, by its sequence. */
enum err_code store_read(struct store *s, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err);
/* What the entry of one record says; errors as of store_read(). */
enum err_code store_entry(struct store *s, uint32_t log, uint64_t seq,
	struct entry *out, struct err *err);

/* As store_read, but past damage: *skipped records from `from` on cannot be
 * read, then come those of the run, of which there may be none. */
enum err_code store_read_past(struct store *s, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, size_t *skipped,
	struct err *err);

/* A record as whoever goes through all of them sees it: what its entry says,
 * and the parts asked for.  No digest is computed, so it is many times faster
 * than store_read(), and proves nothing.  Borrowed until the visit returns. */
struct sketch {
	uint64_t seq, rev;
	int64_t at;
	uint8_t uuid[UUID_SIZE];
	const char *series; /* series_len bytes */
	size_t series_len;
	uint8_t here;	/* LABEL_BITs of parts that came here */
	uint8_t erased; /* LABEL_BITs destroyed */
	uint8_t have;	/* LABEL_BITs of part[] */
	struct part part[LABEL_COUNT];
};
struct sketch_visitor {
	/* LABEL_BITs of the parts that the visit needs; NULL: none. */
	uint8_t (*wants)(void *arg, const struct sketch *r);
	enum err_code (*visit)(
		void *arg, const struct sketch *r, struct err *err);
	void *arg;
};
/* The records of a log with sequences in [from, to), ascending, those of a
 * sparse log and those ahead of their turn too.  What is damaged is left out.
 * Any thread. */
enum err_code store_sketch_each(struct store *s, uint32_t log, uint64_t from,
	uint64_t to, const struct sketch_visitor *v, struct err *err);

/* What is known of a record, also of one that is damaged. */
struct record_known {
	bool has_leaf;
	struct digest leaf;
	char series[SERIES_NAME_SIZE]; /* "" when nobody knows */
	uint8_t erased;		       /* LABEL_BITs of parts destroyed */
};
enum err_code store_known(struct store *s, uint32_t log, uint64_t seq,
	struct record_known *out, struct err *err);

/* Entries in a row that cannot be read, ascending. */
typedef enum err_code store_range_visit(
	void *arg, uint64_t from, uint64_t count, struct err *err);
enum err_code store_damaged_each(struct store *s, uint32_t log,
	store_range_visit *visit, void *arg, struct err *err);
/* Is what cannot be read of the entry at a place that batch_close() closed? */
bool store_closed(struct store *s, uint32_t log, uint64_t seq);
/* Those that batch_mend() wrote, which may lack parts that were here. */
enum err_code store_mended_each(struct store *s, uint32_t log,
	store_range_visit *visit, void *arg, struct err *err);
bool store_was_mended(struct store *s, uint32_t log, uint64_t seq);

/* Revisions of an id in the order of arrival; an unknown id has none. */
typedef enum err_code store_id_visit(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err);
enum err_code store_find_id(struct store *s, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err);
/* Those of the record at a place, itself too; errors as of store_read(). */
enum err_code store_revisions(struct store *s, uint32_t log, uint64_t seq,
	store_id_visit *visit, void *arg, struct err *err);

enum found_kind { FOUND_ENTRY, FOUND_PART, FOUND_ATTACHMENT };
struct found {
	enum found_kind kind;
	uint32_t log;
	uint64_t seq;
	enum label label; /* of a part or an attachment */
};
/* By leaf hash, part digest or object name.  ERR_NOT_FOUND; ERR_ERASED for a
 * part that was destroyed. */
enum err_code store_find_digest(struct store *s, const struct digest *d,
	struct found *out, struct err *err);

/* The proof a sparse entry came with: a tlog-proof text. */
enum err_code store_sparse_proof(struct store *s, uint32_t log, uint64_t seq,
	struct buf *out, struct err *err);
/* Sparse sequences of a log, ascending, from `from` on. */
typedef enum err_code store_seq_visit(void *arg, uint64_t seq, struct err *err);
enum err_code store_sparse_each(struct store *s, uint32_t log, uint64_t from,
	store_seq_visit *visit, void *arg, struct err *err);

/* Entries that carry `to` (they go down), ascending, from `from` on; in logs of
 * every kind. */
enum err_code store_down_each(struct store *s, uint32_t log, uint64_t from,
	store_seq_visit *visit, void *arg, struct err *err);

/* ---- arrival ---- */

/* Arrival numbers start at 1, have no gaps, and never change. */
uint64_t store_arrivals(struct store *s); /* the newest, 0 for none */
/* `again`: the record has an earlier number, and lost parts by an erasure, or
 * was told once more (batch_tell). */
typedef enum err_code store_arrival_visit(void *arg, uint64_t arrival,
	uint32_t log, uint64_t seq, bool again, struct err *err);
/* Those in (after, after + limit]. */
enum err_code store_arrival_each(struct store *s, uint64_t after, size_t limit,
	store_arrival_visit *visit, void *arg, struct err *err);
/* The number under which the record came first, by its id and place.
 * ERR_NOT_FOUND. */
enum err_code store_arrival_of(struct store *s, const uint8_t uuid[UUID_SIZE],
	uint32_t log, uint64_t seq, uint64_t *out, struct err *err);
/* 16 hex digits that change whenever the arrival numbers start anew. */
const char *store_arrival_epoch(const struct store *s);

/* ---- attachments ---- */

struct attachment_ref {
	struct digest object;
	uint8_t salt[ATTACHMENT_SALT_SIZE];
	uint64_t size;
	uint32_t log; /* the record that refers to it */
	uint64_t seq;
	enum label label;
};
enum err_code store_attachment_find(struct store *s,
	const struct digest *object, struct attachment_ref *out,
	struct err *err);
typedef enum err_code store_attachment_visit(
	void *arg, const struct attachment_ref *ref, struct err *err);
/* Referred to by records here, and not here. */
enum err_code store_wanted_each(struct store *s, store_attachment_visit *visit,
	void *arg, struct err *err);
uint64_t store_wanted_count(struct store *s);
/* ERR_CORRUPT while damage may have taken references that nobody told again:
 * until batch_refs_told() nothing that is here can be erased. */
enum err_code store_refs_check(struct store *s, struct err *err);

/* ---- writing ---- */

/* Room that DATA/reserve holds, where the disk has 16 times as much; a
 * sixteenth of a smaller one.  It is given up for erasing, for what the node
 * itself records (batch_use_reserve) and for an orderly end, and taken again as
 * soon as there is room: other batches with records fail with ERR_FULL until
 * then. */
#define STORE_RESERVE ((uint64_t)16 << 20)

struct batch;

/* Opens the one batch there can be. */
enum err_code batch_begin(struct store *s, struct batch **out, struct err *err);
void batch_abort(struct batch *b);
/* Records that it holds so far: what they say is not in the store yet. */
size_t batch_records(const struct batch *b);
/* The batch may be written where nothing but the reserve is left. */
void batch_use_reserve(struct batch *b);

/* Signs the own log's checkpoint. */
typedef enum err_code batch_sign(void *arg, const struct checkpoint *cp,
	struct buf *note, struct err *err);
/* From now on the newest checkpoint of the own log may be missing, while no
 * more than NOTE_LAG entries lack one: store_note() makes it when somebody
 * asks, and log_info tells of it.  To be called before other threads use the
 * store, of which any may call `sign`. */
#define NOTE_LAG 64
void store_sign_later(struct store *s, batch_sign *sign, void *arg);
/* The group of this batch has the checkpoint all the same. */
void batch_sign_now(struct batch *b);
/* Durable when it returns ERR_OK; the batch is gone in every case.  `sign` is
 * called when the own log grew; NULL is an error then.  Here it is checked that
 * each part's digest, computed unless it came along (r->digested), stands in
 * its entry (ERR_INVALID names log and entry).
 * ERR_FULL: nothing of it is left and the store goes on.  ERR_IO on a sync that
 * failed: the store must be opened anew. */
enum err_code batch_commit(
	struct batch *b, batch_sign *sign, void *arg, struct err *err);

/* Finds a log or starts it; batch-local until commit. */
enum err_code batch_log(struct batch *b, const char *origin, enum log_kind kind,
	struct log_info *out, struct err *err);
/* As store_log_find and store_find_id, but seeing what this batch holds. */
enum err_code batch_log_find(struct batch *b, const char *origin,
	struct log_info *out, struct err *err);
/* As store_log_own, seeing a log that this batch started. */
enum err_code batch_log_own(
	struct batch *b, struct log_info *out, struct err *err);
enum err_code batch_find_id(struct batch *b, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err);
/* As store_read, also for records of this very batch. */
enum err_code batch_read(struct batch *b, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err);

/* Appends one record to a LOG_OWN or LOG_FULL log; the bytes are copied unless
 * they are r->lasting, the leaf is computed unless it came along (r->hashed),
 * r->erased is not looked at (batch_erase() marks).  The record's entry must
 * parse.  ERR_ERASED when a part of it was destroyed here before; ERR_FORK when
 * the log comes to a pending checkpoint with another root, or the entry was
 * proved (batch_proved) to be another one.  After these the batch goes on as if
 * it had not been called. */
enum err_code batch_append(struct batch *b, uint32_t log,
	const struct record *r, uint64_t *seq, struct err *err);
/* One entry of a sparse log, or ahead of its turn in a LOG_FULL one, with its
 * tlog-proof.  Known already: ERR_EXISTS. */
enum err_code batch_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, const void *proof, size_t proof_len,
	struct err *err);
/* A verified checkpoint of another's log (or one of ours with cosignatures):
 * its size may lie beyond the entries here (pending).  When it has the same
 * size as a note here, the signature lines are merged. */
enum err_code batch_note(struct batch *b, uint32_t log, const void *note,
	size_t len, bool cosigned, struct err *err);
/* The record refers to an attachment; it is wanted until its file is here.  One
 * that is known already is told again only where damage took its salt. */
enum err_code batch_refer(
	struct batch *b, const struct attachment_ref *ref, struct err *err);
/* Its file is in place now (attachment_finish). */
enum err_code batch_attached(
	struct batch *b, const struct digest *object, struct err *err);
/* Entries [from, from + count) of a log, which are here and damaged, again as a
 * peer has them: the caller has proved that they are those of the log.  Parts
 * that did not come along are taken from here where they can be read, others
 * are lost; parts that were destroyed here stay so.  Numbers of arrival stay; a
 * record that has none any more arrives anew. */
enum err_code batch_mend(struct batch *b, uint32_t log, uint64_t from,
	const struct record *records, size_t count, struct err *err);
/* The same of a single entry that came with a proof (batch_proved), which comes
 * along again; no part of it is taken from here. */
enum err_code batch_mend_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, const void *proof, size_t proof_len,
	struct err *err);
/* Damage that no entry needs any more, as store_damage_look() found it, is no
 * fault from now on.  Its bytes stay where they are until an erasure that
 * reaches them. */
struct damage_places;
enum err_code batch_close(
	struct batch *b, const struct damage_places *d, struct err *err);
/* All references to attachments that the documents here make were told once
 * more by batch_refer(), in this batch or before: what damage took of them
 * holds up no erasure any more, and batch_close() closes it. */
enum err_code batch_refs_told(
	struct batch *b, const struct damage_places *d, struct err *err);
/* The attachment's file is damaged or gone: it is moved to DATA/quarantine, and
 * wanted.  ERR_NOT_FOUND or ERR_ERASED when no record refers to it any more. */
enum err_code batch_want(
	struct batch *b, const struct digest *object, struct err *err);
/* Destroys parts: after commit neither their bytes nor their keys are anywhere
 * in DATA, and no put or import brings them back.  What lies with them in a
 * block is rewritten once.  The parts' digests stay.  Where destroying fails,
 * on a full disk for instance, the batch is durable all the same, and
 * destroying is tried again with the next batch and at the next opening:
 * store_finish_erasing() tells. */
struct erase_target {
	uint32_t log;
	uint64_t seq;
	enum label label;
};
/* `order` is kept with the marks, that of the first order where a part was
 * destroyed before.  ERR_INVALID when it is not erasure_valid(). */
enum err_code batch_erase(struct batch *b, const struct erase_target *targets,
	size_t count, const struct erasure *order, struct err *err);
/* The record is told once more, under another arrival number; *told is false
 * where it is not here. */
enum err_code batch_tell(struct batch *b, uint32_t log, uint64_t seq,
	bool *told, struct err *err);
/* Destroys what is left to destroy; ERR_OK when nothing is.  For the thread of
 * the batches, while there is none. */
enum err_code store_finish_erasing(struct store *s, struct err *err);

/* Packs up to `limit` sealed segments where that is worth it: single puts
 * become blocks of 256, the room of what was erased comes back.  Readers beside
 * it, in every process, go on.  For the thread of the batches, while there is
 * none and no writer; beside a writer it is done in the background.  ERR_BUSY
 * while somebody checks the store, ERR_FULL when what is packed does not fit:
 * another time. */
enum err_code store_compact(struct store *s, size_t limit, struct err *err);

/* ---- the writer ---- */

struct writer;
/* A job adds to the batch or fails; jobs of one group commit together.  A job
 * that fails takes nothing else with it: its group is undone and the others
 * run again, so a job must be able to run twice.  It runs on any thread that
 * waits for one, or on the writer's; one at a time, in the order in which they
 * came. */
typedef enum err_code writer_job(struct batch *b, void *arg, struct err *err);

/* The caller sets the first two, the rest is the writer's. */
struct submitted {
	writer_job *job;
	void *arg;
	struct submitted *next;
	bool settled, done;
	enum err_code rc;
	struct err err;
};

enum err_code writer_start(struct store *s, batch_sign *sign, void *sign_arg,
	struct writer **out, struct err *err);
/* Commits beside the caller, who keeps `j` until writer_wait() returned or the
 * writer was stopped. */
void writer_submit(struct writer *w, struct submitted *j);
/* The job's group is durable, or has failed. */
enum err_code writer_wait(
	struct writer *w, const struct submitted *j, struct err *err);
/* Both in one, without a turn of another thread where none is committing. */
enum err_code writer_run(
	struct writer *w, writer_job *job, void *arg, struct err *err);
/* Finishes what was submitted.  Nobody waits any more, nor comes.  NULL does
 * nothing. */
void writer_stop(struct writer *w);

/* ---- checking ---- */

struct fsck_result {
	uint64_t segments, blocks, records, parts, attachments, bytes;
	uint64_t erased; /* parts destroyed under orders */
	uint64_t mended; /* places of damage that nothing needs any more */
	uint64_t lost;	 /* records of own logs that were mended without all of
			    their parts: no node held these */
	uint64_t gone;	 /* records of own logs that cannot be read and were
			    given up; counted where there are no faults */
	uint64_t marks;	 /* faults at marks of destroyed parts in segments */
	uint64_t faults;
};
typedef void fsck_fault(void *arg, const char *where, const char *what);
/* Reads and recomputes everything: CRCs, seals, entries, roots against the
 * notes, parts against entries, attachments against names, the index against
 * the segments.  Each fault is told with its file and place; ERR_CORRUPT at
 * the end when there was one.  threads 0: one a core. */
enum err_code store_fsck(struct store *s, size_t threads, fsck_fault *fault,
	void *arg, struct fsck_result *out, struct err *err);

/* As store_fsck(), and tells which damage of the segments entries still need.
 * ERR_OK with faults, too. */
enum err_code store_damage_look(struct store *s, size_t threads,
	fsck_fault *fault, void *arg, struct damage_places **out,
	struct err *err);
void damage_places_free(struct damage_places *d); /* NULL does nothing */
/* Are these entries, which are damaged, given up?  Damage that only such need
 * is needed no more. */
typedef bool store_forgone(
	void *arg, const struct log_info *log, uint64_t from, uint64_t count);
enum err_code store_damage_need(struct store *s, struct damage_places *d,
	store_forgone *forgone, void *arg, struct err *err);
/* Is the fault at `where` damage that entries need? */
bool damage_needed(const struct damage_places *d, const char *where);

/* Shows every byte that the keys found in `data` open, block by block and
 * attachment by attachment, past the index: for privacy scanners.  `where` is
 * the file and place, and for parts "...: parts SERIES LABEL". */
typedef enum err_code dump_visit(void *arg, const char *where,
	const void *plain, size_t len, struct err *err);
enum err_code store_dump(
	const char *data, dump_visit *visit, void *arg, struct err *err);
