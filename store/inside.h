/* inside.h - what the files of the store share: the store, views of it, rows
 * of its index.  Internal to store/. */
#pragma once

#include <pthread.h>

#include "store/cache.h"
#include "store/groups.h"
#include "store/ids.h"
#include "store/index.h"
#include "store/keyring.h"
#include "store/store.h"

#define STORE_EPOCH_SIZE HEX_SIZE(STORE_ID_SIZE)
#define SPARE_KEYS 16

struct store {
	char *data;
	enum store_mode mode;
	struct store_options opt;
	char epoch[STORE_EPOCH_SIZE];
	struct keyring *keyring;
	struct segments *segments;
	struct index *index;
	struct cache *cache;
	struct packers *packers;
	/* Of a writer. */
	int lock;
	struct pool *pool;
	uint64_t segment_limit;
	uint64_t end;	 /* where the groups of the newest segment end */
	uint64_t newest; /* where the last of them begins, or one before */
	bool torn;	 /* bytes of a broken group stand behind that */
	bool broken;	 /* nobody knows what stands behind that */
	bool batching;	 /* there is a batch */
	bool drops;	 /* an erasure has something left to destroy */
	bool copies;	 /* and so has what was packed */
	bool moving;	 /* a batch that wrote blocks anew is on its way */
	bool sealed;	 /* a new segment was begun */
	uint64_t groups; /* in the newest segment */
	struct compactor *compactor;
	batch_sign *sign; /* of store_sign_later(), or NULL */
	void *sign_arg;
	pthread_mutex_t reserve_lock;
	uint64_t spare[SPARE_KEYS]; /* keys that no block uses yet */
	size_t spare_count;
	uint64_t readers_checked_ms;
	bool marks_behind; /* DATA/erased lacks marks that the index has */
	/* Damage. */
	uint64_t marks_lost; /* of destroyed parts, nobody knows which */
	pthread_mutex_t extent_lock; /* taken by who looks beside a writer */
	struct extent extent;
	int extent_fd;		/* the file once it is followed, or -1 */
	bool extent_known;	/* there was one when the store was opened */
	bool extent_bad;	/* it could not be read */
	struct damage *damages; /* what was found at opening */
	size_t damage_count, damage_cap;
	struct log_cut cut; /* origin "" when the own log is whole */
	/* Logs whose whole edge the newest segment tells. */
	bool marked_bad; /* DATA/index/bad is there */
	bool scratch;	 /* the index is for this process only */
	char *index_dir;
	uint32_t *edged;
	size_t edged_count, edged_cap;
	int reserve;   /* the file, or -1 */
	bool reserved; /* it has its whole size */
};

/* ERR_IO when nothing may be written before it was opened anew. */
enum err_code store_check_broken(const struct store *s, struct err *err);

struct damage {
	struct place at; /* segment 0: of no segment */
	char where[64];
	char what[ERR_TEXT_SIZE];
};

/* ---- room for a full disk (reserve.c) ---- */

enum reserve_when { RESERVE_IF_SCARCE, RESERVE_ALWAYS };
void reserve_open(struct store *s);
/* Gives the room to whoever writes next. */
void reserve_release(struct store *s, enum reserve_when when);
/* ERR_FULL when there is no room for it. */
enum err_code reserve_take(struct store *s, struct err *err);
void reserve_close(struct store *s);

/* ---- keys and values of the index ---- */

#define KEY_LIMIT 160

/* Bytes of a key or a small value; built in order, big-endian. */
struct key {
	uint8_t b[KEY_LIMIT];
	size_t len;
};
#define KEY_EMPTY ((struct key){{0}, 0})
void key_u8(struct key *k, uint8_t v);
void key_u32(struct key *k, uint32_t v);
void key_u64(struct key *k, uint64_t v);
void key_add(struct key *k, const void *data, size_t len);
struct bytes key_bytes(const struct key *k);
struct key key_of_log(uint32_t log);
struct key key_of_seq(uint32_t log, uint64_t seq);
struct key key_of_part(uint32_t log, uint8_t label, uint64_t seq);
struct key key_of_place(struct place at);
struct cursor value_cursor(struct bytes v);
/* A row of ours that cannot be read. */
enum err_code row_corrupt(struct err *err, const char *what);

/* Named numbers and blobs in DB_META. */
enum err_code meta_get_u64(struct index_txn *t, const char *name, uint64_t *out,
	struct err *err); /* 0 when absent */
enum err_code meta_put_u64(
	struct index_txn *t, const char *name, uint64_t v, struct err *err);

/* ---- views ---- */

/* Blocks of parts that a reader of everything has looked at, ascending by
 * place.  It needs each block once, so nothing of what it reads is cached. */
struct held {
	struct block **blocks;
	size_t count;
};

/* What one reader sees: a transaction, and the batch it runs inside of. */
struct view {
	struct store *s;
	struct index_txn *txn;
	struct batch *batch;	 /* or NULL */
	const struct held *held; /* or NULL */
};
enum err_code view_open(struct store *s, struct view *v, struct err *err);
void view_close(struct view *v);

/* ---- logs (log.c) ---- */

struct log_row {
	uint32_t id;
	enum log_kind kind;
	char origin[ORIGIN_SIZE];
	struct tree_edge edge;
	uint64_t size[3]; /* of the notes, by enum which_note */
	bool has[3];
	struct digest pending_root; /* where has[NOTE_PENDING] */
	/* Levels of the edge whose hashes went with damaged blocks. */
	uint64_t lost;
};
enum err_code log_get(const struct view *v, uint32_t id, struct log_row *out,
	struct err *err);
enum err_code log_find(const struct view *v, const char *origin,
	struct log_row *out, struct err *err);
enum err_code log_put(
	struct index_txn *t, const struct log_row *row, struct err *err);
void log_tell(const struct log_row *row, struct log_info *out);
enum err_code note_get(const struct view *v, uint32_t log,
	enum which_note which, struct buf *out, struct err *err);
enum err_code note_put(struct index_txn *t, uint32_t log, enum which_note which,
	struct bytes note, struct err *err);
/* Text, size and root of a note's checkpoint. */
enum err_code note_checkpoint(
	struct bytes note, struct checkpoint *out, struct err *err);
bool note_cosigned(const struct note *n, const char *origin);

/* ---- the tree (leaves.c) ---- */

/* Leaves of smaller blocks of entries are kept one by one, so that a proof over
 * records that came singly need not decode a block for each. */
#define LEAVES_KEPT_BELOW 64

/* So many entries may be missing before a block; more is no truth. */
#define LOST_LIMIT ((uint64_t)1 << 30)

/* Appends the leaf (NULL: nobody knows it any more) to the row's edge, and the
 * hash of each subtree it completes at levels 8, 16, ... to the index. */
enum err_code leaf_append(struct index_txn *t, struct log_row *row,
	const struct digest *leaf, struct err *err);
/* The same for `count` leaves that nobody knows any more. */
enum err_code leaves_lose(struct index_txn *t, struct log_row *row,
	uint64_t count, struct err *err);
/* What a group says of the edge it left, at the size that the row has. */
enum err_code edge_restore(struct index_txn *t, struct log_row *row,
	const struct directory *d, const struct directory_edge *e,
	struct err *err);
/* Computes what damage took from the tree, as far as the leaves around `seq`
 * are known again. */
enum err_code leaves_mend(const struct view *v, struct log_row *row,
	uint64_t seq, struct err *err);
enum err_code view_leaves(const struct view *v, uint32_t log, uint64_t from,
	size_t count, struct digest *out, struct err *err);
/* A tree_read; arg is a struct tree_view. */
struct tree_view {
	const struct view *view;
	uint32_t log;
};
enum err_code view_tree_read(void *arg, unsigned level, uint64_t index,
	struct digest *out, struct err *err);

/* ---- blocks (block.c) ---- */

/* An entry that is damaged, in words. */
enum err_code entry_damaged(uint32_t log, uint64_t seq,
	const struct block_entry *e, struct err *err);
/* All give a pinned block. */
enum err_code block_directory(const struct view *v, struct place at,
	struct block **out, struct err *err);
/* Follows a rewritten block to where it is now. */
enum err_code block_parts(const struct view *v, struct place at,
	struct block **out, struct err *err);
/* Of stubs: none of its entries is made. */
enum err_code block_entries(const struct view *v, struct place at,
	struct place commit, struct block **out, struct err *err);
/* Makes `count` of its entries, from number `from` on, where they are not. */
enum err_code block_make(const struct view *v, struct block *b, size_t from,
	size_t count, struct err *err);
/* All of them are made. */
enum err_code block_made(const struct view *v, struct place at,
	struct place commit, struct block **out, struct err *err);
/* The revision of an entry that need not be made. */
bool block_rev(const struct block *b, size_t i, uint64_t *rev);
/* Its series likewise, which borrows from the block. */
bool block_series(const struct block *b, size_t i, const char **series,
	size_t *series_len);
/* The block of parts that is at this very place, past the cache: its digests
 * are made and its texts gone. */
enum err_code block_digested(const struct view *v, struct place at,
	struct block **out, struct err *err);
/* Where the content of a block first written at `at` is now. */
enum err_code block_now(const struct view *v, struct place at,
	struct place *out, struct err *err);
/* Reads an item and opens it; plain is appended to. */
enum err_code block_plain(struct store *s, struct place at, struct item *head,
	struct buf *plain, struct err *err);
/* The parts block that held the part of `e` when it was written; segment 0
 * when there is none. */
struct place block_of_part(const struct block *directory, uint32_t log,
	const struct block_entry *e, uint8_t label, uint64_t seq);
const struct part_row *part_find(const struct block *parts, uint64_t seq);

/* ---- records (read.c) ---- */

/* In place of the commit item: the block is gone with its head. */
#define PLACE_LOST UINT64_MAX

struct entry_place {
	struct place block;
	struct place commit;
	uint64_t first; /* that stand there by the index, and behind the last */
	uint64_t end;
	bool proved;
};
/* Where the entry stands: in its turn, or proved. */
enum err_code entry_locate(const struct view *v, uint32_t log, uint64_t seq,
	struct entry_place *out, struct err *err);
/* Proved or in its turn, whichever there is. */
enum err_code entry_locate_any(const struct view *v, uint32_t log, uint64_t seq,
	struct entry_place *out, struct err *err);
enum err_code entry_locate_proved(const struct view *v, uint32_t log,
	uint64_t seq, struct entry_place *out, struct err *err);
/* The entry there, made; it borrows from the pinned block. */
enum err_code block_entry(const struct view *v, const struct entry_place *at,
	uint64_t seq, struct block **block, const struct block_entry **out,
	struct err *err);
enum err_code entry_place_put(struct index_txn *t, enum index_db db,
	uint32_t log, uint64_t first, const struct entry_place *at,
	struct err *err);
enum err_code view_read(const struct view *v, uint32_t log, uint64_t from,
	size_t count, uint8_t labels, struct run *out, struct err *err);
enum err_code view_find_id(const struct view *v, const uint8_t uuid[UUID_SIZE],
	store_id_visit *visit, void *arg, struct err *err);
/* `out` has LABEL_COUNT places, by label, or is NULL. */
enum err_code view_erased(const struct view *v, uint32_t log, uint64_t seq,
	uint8_t *labels, struct erasure *out, struct err *err);
enum err_code erased_put(struct index_txn *t, const struct erase_target *part,
	const struct erasure *why, struct err *err);

/* ---- arrival (arrival.c) ---- */

enum err_code arrival_newest(
	struct index_txn *t, uint64_t *out, struct err *err);
enum err_code arrival_get(const struct view *v, uint64_t arrival, uint32_t *log,
	uint64_t *seq, struct err *err);
/* Puts a run behind the newest, joined with it where it goes on. */
enum err_code arrival_put(struct index_txn *t, uint64_t arrival,
	const struct arrival_run *run, struct err *err);
/* The arrival numbers of [first, first + count), 0 where there is none. */
enum err_code arrival_find(struct index_txn *t, uint32_t log, uint64_t first,
	size_t count, uint64_t *out, struct err *err);
/* A record that arrives is found by its id, and among those that go down. */
enum err_code arrival_index(struct index_txn *t, struct ids *ids,
	const struct entry *e, uint32_t log, uint64_t seq, uint64_t arrival,
	struct err *err);

/* ---- what a batch adds to a view (batch.c) ---- */

struct pending; /* a record of the batch */
const struct log_row *batch_row(const struct batch *b, uint32_t log);
const struct log_row *batch_row_find(const struct batch *b, const char *origin);
/* Sequence of the first record of the log that only the batch has. */
uint64_t batch_from(const struct batch *b, uint32_t log, uint64_t size);
const struct digest *batch_leaf(
	const struct batch *b, uint32_t log, uint64_t seq);
/* The record at its turn, or the proved one at place.offset. */
void batch_record(
	const struct batch *b, uint32_t log, uint64_t seq, struct record *out);
void batch_record_proved(
	const struct batch *b, uint64_t pending, struct record *out);
const struct ids *batch_ids(const struct batch *b);
bool batch_arrival(
	const struct batch *b, uint64_t arrival, uint32_t *log, uint64_t *seq);

/* ---- mending (mend.c) ---- */

/* Entries of a log in a row that cannot be read, and the damage that they need;
 * lost: not even where they stood is known. */
struct damaged_run {
	uint32_t log;
	uint64_t from, count;
	struct place need;
	bool lost;
};
typedef enum err_code damaged_visit(
	void *arg, const struct damaged_run *run, struct err *err);
enum err_code damaged_each(struct store *s, uint32_t log, bool proved,
	damaged_visit *visit, void *arg, struct err *err);

/* Damage as fsck finds it: a block of entries or parts whose head can be read,
 * a block of references, bytes, or an item that told what the index keeps. */
enum damage_sort { DAMAGED_ITEM, DAMAGED_REFS, DAMAGED_BYTES, DAMAGED_TOLD };
struct damage_place {
	struct place at;
	enum damage_sort sort;
	bool needed;
};
struct damage_places {
	struct damage_place *at;
	size_t count, cap;
	bool marks; /* DATA/erased is damaged */
};
enum err_code damage_places_add(struct damage_places *d, struct place at,
	enum damage_sort sort, struct err *err);
/* The file and place, as people are told. */
#define DAMAGE_WHERE_SIZE 64
void damage_where(struct place at, char out[DAMAGE_WHERE_SIZE]);
bool place_closed(const struct view *v, struct place at);

/* ---- replay (replay.c) ---- */

/* Brings the index up to the segments; finds where the groups end.  Goes on
 * past damage, and tells of it. */
enum err_code store_replay(struct store *s, struct err *err);

/* ---- marks of destroyed parts (marks.c) ---- */

/* Brings into the index what only DATA/erased tells; with `anew`, or where
 * their numbers differ, all of it is read.  A writer makes the file whole. */
enum err_code marks_look(struct store *s, bool anew, struct err *err);
/* DATA/erased as the index has it. */
enum err_code marks_rewrite(struct store *s, struct err *err);
/* Makes a damaged file anew from the index, which has all marks: it is kept
 * aside.  For the thread of the batches. */
void marks_mend(struct store *s);

/* ---- damage (damage.c) ---- */

/* Notes it for store_damage_each(). */
void damage_tell(struct store *s, const char *where, const char *what);
void damage_tell_at(struct store *s, struct place at, const char *what);
/* Damage that was found and that nothing needs any more is not told. */
enum err_code damage_forget_closed(struct store *s, struct err *err);
/* Is it the bytes, not the machine? */
bool is_damage(enum err_code rc);
/* ERR_CORRUPT when the entry is sealed and its part is here, and the message in
 * that is not the one of its `seal`. */
enum err_code seal_holds(struct store *s, uint32_t log, uint64_t seq,
	const struct block_entry *row, struct err *err);
/* Finds what DATA/extent knows and the store does not have any more. */
enum err_code damage_look(struct store *s, struct err *err);
/* ERR_CORRUPT where keys that DATA/extent knows are not in the keyring, unless
 * the index is being made anew: that goes on without them. */
enum err_code damage_check_keys(struct store *s, struct err *err);
/* Why the log may not be written; ERR_OK when it may. */
enum err_code damage_check_log(
	struct store *s, const struct log_row *row, struct err *err);
/* A new log of our own must not take the name of the one that was cut. */
enum err_code damage_check_new(
	struct store *s, const char *origin, struct err *err);
/* An index that was met damaged is not trusted again. */
void store_mark_bad(struct store *s);
/* What DATA/extent tells by now, in `out`, or NULL.  Any thread. */
const struct extent *extent_look(struct store *s, struct extent *out);
/* DATA/extent follows what is durable. */
void extent_follow(struct store *s);
