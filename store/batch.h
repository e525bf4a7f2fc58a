/* batch.h - a batch on its way to a group.  Internal to store/. */
#pragma once

#include "store/finder.h"
#include "store/inside.h"

#define BATCH_BYTES_LIMIT ((size_t)512 << 20)

/* A record of the batch; its bytes lie in the arena, or where they last. */
struct pending {
	uint32_t log;
	uint64_t seq;
	bool proved;
	bool mended;
	const char *entry;
	size_t entry_len;
	uint8_t have;
	uint8_t erased;
	uint8_t seed[LABEL_COUNT][SEED_SIZE];
	const char *part[LABEL_COUNT];
	size_t part_len[LABEL_COUNT];
	struct digest leaf;
	size_t sd_count;
	struct digest sd[LABEL_COUNT]; /* as the entry says */
	uint8_t digested; /* LABEL_BITs of digest[] that came along */
	struct digest digest[LABEL_COUNT]; /* of the parts; all at commit */
	char series[SERIES_NAME_SIZE];
	const char *proof;
	size_t proof_len;
};

struct mark {
	struct erase_target part;
	size_t order;
};

/* Bytes that do not move while the batch is there. */
struct arena_piece;
struct arena {
	struct arena_piece *newest;
	size_t bytes; /* with those that last elsewhere */
};

struct batch_log {
	struct log_row row;
	bool fresh; /* the segments do not know it yet */
	bool changed;
	bool note_new[3];
	uint64_t first_new; /* size when the batch began */
	size_t *turn;	    /* pending records from first_new on */
	size_t turn_count, turn_cap;
};

struct batch {
	struct store *s;
	bool use_reserve;
	bool sign_now;
	struct view view;      /* its txn is the writer's */
	enum err_code spoiled; /* a step was left half done */
	struct batch_log **logs;
	size_t log_count, log_cap;
	struct pending *pending;
	size_t pending_count, pending_cap;
	struct arena arena;
	uint64_t arrival; /* of the first that arrives in this batch */
	uint64_t arrived;
	struct arrival_run *runs;
	size_t run_count, run_cap;
	struct ids ids;
	struct finder_entry *prints;
	size_t print_count, print_cap;
	struct attachment_ref *refs;
	size_t ref_count, ref_cap;
	struct mark *marks; /* newly erased */
	size_t mark_count, mark_cap;
	bool erasing;		/* some are of parts that may be here */
	struct erasure *orders; /* that the marks name */
	size_t order_count, order_cap;
	uint64_t *taken; /* spare keys in use by this batch */
	size_t taken_count, taken_cap;
	uint64_t *doomed; /* keys that this batch drops, sorted */
	size_t doomed_count;
	size_t *mends; /* pending records that take a damaged one's place */
	size_t mend_count, mend_cap;
	struct place *closes; /* damage that nothing needs any more */
	size_t close_count, close_cap;
	bool retells; /* all marks of destroyed parts are written once more */
	bool blind;   /* an erased part cannot be read */
	struct place refs_at; /* of references, looked at last */
	bool refs_read;	      /* it can be read */
};

/* Lists an item that stands at `at` of its segment where it is a block of parts
 * in its first place.  `cap` is of d->blocks. */
enum err_code directory_add(struct directory *d, size_t *cap,
	const struct item *it, uint64_t at, struct err *err);
/* For qsort and bsearch over uint64_t. */
int compare_u64(const void *a, const void *b);

enum err_code batch_log_of(
	struct batch *b, uint32_t id, struct batch_log **out, struct err *err);
/* Fills a slot of the log with a note; also what replay does. */
enum err_code note_set(struct index_txn *t, struct log_row *row,
	enum which_note which, struct bytes note, const struct checkpoint *cp,
	struct err *err);
/* The key of the blocks of (series, label) in the newest segment. */
enum err_code batch_key(struct batch *b, const char *series, uint8_t label,
	uint64_t *id, struct err *err);

/* ---- the group under construction (commit.c) ---- */

struct group {
	struct batch *b;
	struct buf bytes;
	uint64_t start; /* its offset in the segment */
	struct directory directory;
	size_t run_cap, block_cap;
};
/* Takes over the written item; tells where it will stand. */
enum err_code group_add(struct group *g, const struct item *it,
	const struct buf *bytes, struct place *at, struct err *err);
/* Ends the newest segment where its groups end: the head of the next one, which
 * is there for good on success, tells the place.  Of a writer. */
enum err_code commit_new_segment(struct store *s, struct err *err);
/* Seals plain bytes under it->key and appends the item. */
enum err_code seal_item(struct store *s, struct item *it,
	const struct buf *plain, bool columns, struct buf *out,
	struct err *err);

/* ---- references to attachments (refs.c) ---- */

enum err_code refs_write(struct group *g, struct err *err);
/* Rows of a block of references into the index, for replay. */
enum err_code refs_replay(
	const struct view *v, struct place at, struct err *err);
/* Leads the rows of the block's references to where it is now. */
enum err_code refs_lead(const struct view *v, struct place at, struct err *err);
/* The plain bytes with the rows that were erased emptied. */
enum err_code refs_rewrite(const struct view *v, const struct item *it,
	const struct buf *plain, struct buf *out, struct err *err);
/* Takes the references of an erased part out of the index; an object that
 * nothing refers to any more is left to destroy. */
enum err_code refs_erase(
	const struct view *v, const struct erase_target *t, struct err *err);
/* Where blocks with references of the part stand, as they were written. */
typedef enum err_code place_visit(void *arg, struct place at, struct err *err);
enum err_code refs_places(const struct view *v, const struct erase_target *t,
	place_visit *visit, void *arg, struct err *err);
/* Does any record refer to it, or did one that was erased? */
enum err_code refs_any(const struct view *v, const struct digest *object,
	bool *any, struct err *err);
/* What came while nobody told the index. */
enum err_code refs_sweep(const struct view *v, struct err *err);
/* Objects that live records refer to, neither here nor wanted. */
typedef void object_visit(void *arg, const struct digest *object);
enum err_code refs_missing(
	const struct view *v, object_visit *visit, void *arg, struct err *err);

/* It is left to destroy, and wanted no more. */
enum err_code refs_drop_object(
	const struct view *v, const struct digest *object, struct err *err);

/* ---- references that damage took (refs_lost.c) ---- */

/* At that place there may have been references. */
enum err_code refs_lose(const struct view *v, struct place at, struct err *err);
/* ERR_CORRUPT while some were not told again. */
enum err_code refs_lost_check(const struct view *v, struct err *err);
/* Were those of the block there told again? */
bool refs_told(const struct view *v, struct place at);
/* Damaged blocks of references that no erasure emptied yet. */
enum err_code refs_lost_places(
	const struct view *v, place_visit *visit, void *arg, struct err *err);
/* Where references were lost: objects that none is left of are left to
 * destroy. */
enum err_code refs_drop_strays(const struct view *v, struct err *err);

/* ---- telling again (retell.c) ---- */

/* Does the index know all that the damaged item told? */
bool retell_can(struct batch *b, struct place at);
/* Where that is the name of a log, it is written once more. */
enum err_code retell_log(struct batch *b, struct place at, struct err *err);
/* Has notes, marks of destroyed parts and closed damage written once more. */
enum err_code retell(struct batch *b, struct err *err);
enum err_code retell_marks(struct group *g, struct err *err);

/* ---- mending (mend.c) ---- */

struct finds {
	struct finder_entry **at;
	size_t *count, *cap;
};
/* A mended entry is found by its id and digests, where it is not yet. */
enum err_code mend_finds(const struct view *v, struct ids *ids,
	struct finds *finds, const struct entry *e, const struct digest *leaf,
	uint32_t log, uint64_t seq, uint64_t arrival, struct err *err);
/* A block of mended entries takes the place of what stood at theirs. */
enum err_code mend_places(const struct view *v, struct log_row *row,
	const struct item *it, const struct entry_place *at,
	const struct digest *leaves, struct err *err);
enum err_code mend_write_closes(struct group *g, struct err *err);
enum err_code mend_replay_closes(
	const struct view *v, const struct buf *plain, struct err *err);
/* What batch_append() does, for it. */
enum err_code batch_take(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, struct entry *e, struct err *err);
enum err_code batch_arrive(struct batch *b, const struct pending *p,
	const struct entry *e, struct err *err);
/* What batch_proved() does, for it, but for the arrival. */
enum err_code batch_place_proved(struct batch *b, uint32_t log, uint64_t seq,
	const struct record *r, const void *proof, size_t proof_len,
	struct entry *e, struct err *err);
/* A single entry with its proof stands here in place of a damaged one. */
enum err_code mend_proved_put(
	const struct view *v, uint32_t log, uint64_t seq, struct err *err);
bool mend_proved_is(const struct view *v, uint32_t log, uint64_t seq);

/* ---- erasing (erase.c) ---- */

/* Finds the keys to drop; before any key is asked for. */
enum err_code erase_plan(struct batch *b, struct err *err);
/* Writes the mark items, and anew what lies under the doomed keys. */
enum err_code erase_write(struct group *g, struct err *err);
/* Notes that a block moved, and what is left to destroy. */
enum err_code erase_moved(const struct view *v, struct place origin,
	struct place now, struct err *err);
/* The marks of a durable batch into DATA/erased; where that fails, before the
 * next key is dropped. */
void marks_follow(struct batch *b);
/* The block is left to destroy, with its key; 0: its key stays in use. */
enum err_code erase_drop(
	struct index_txn *t, struct place at, uint64_t key, struct err *err);
enum err_code erase_marks_replay(
	const struct view *v, const struct buf *plain, struct err *err);
