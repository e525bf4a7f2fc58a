/* index.h - ordered keys and values in one file (LMDB lives here).  Internal
 * to store/.
 *
 * Nothing here is the truth: all of it is derived from the segments.  Keys
 * sort bytewise.  Values are borrowed until the next write of the same
 * transaction, or its end.  docs/format.md section 7.
 */
#pragma once

#include "base/base.h"

struct index;
struct index_txn;

enum index_db {
	DB_META,       /* name -> value */
	DB_LOG,	       /* log -> row */
	DB_ORIGIN,     /* origin -> log */
	DB_NOTE,       /* log, slot -> note */
	DB_ENTRIES,    /* log, first seq -> places of block and commit item */
	DB_PROVED,     /* log, seq -> places of block and commit item */
	DB_TREE,       /* log, level, index -> hash; levels 8, 16, ... */
	DB_LEAF,       /* log, seq -> leaf hash; records that came singly */
	DB_ID,	       /* level, first arrival -> finder run, of ids */
	DB_ARRIVAL,    /* first arrival -> log, first seq, count */
	DB_ERASED,     /* log, label, seq -> when and why */
	DB_REF,	       /* object -> what refers to it */
	DB_REF_RECORD, /* log, seq, label, object -> nothing */
	DB_WANTED,     /* object -> nothing */
	DB_DIGEST,     /* level, first arrival -> finder run */
	DB_MOVED,      /* place of a rewritten block -> where it is now */
	DB_DOWN,       /* log, seq -> nothing; entries that carry `to` */
	DB_KEY,	       /* segment, label, series -> key id */
	DB_DROP,       /* what an erasure has yet to destroy */
	DB_MENDED,     /* log, first seq -> last seq; entries mended */
	DB_CLOSED,     /* place of damage that nothing needs -> nothing */
	DB_LOST_REFS,  /* place where references were -> told again? */
	DB_COUNT,
};

/* In the folder `dir`.  ERR_NOT_FOUND when it is not there and not `create`;
 * ERR_CORRUPT when LMDB says so. */
enum err_code index_open(const char *dir, bool create, bool read_only,
	struct index **out, struct err *err);
/* `sync`: what was committed reaches the disk first. */
enum err_code index_close(struct index *ix, bool sync, struct err *err);
/* Its folder has another name now. */
enum err_code index_moved(struct index *ix, const char *dir, struct err *err);
/* Deletes the folder with the files that belong to an index. */
enum err_code index_delete(const char *dir, struct err *err);
/* Reads every table from end to end, in a process of its own.  ERR_CORRUPT. */
enum err_code index_walk(const char *dir, struct err *err);
/* Damage was met since it was opened. */
bool index_bad(const struct index *ix);
/* Frees the slots of readers that died. */
void index_check_readers(struct index *ix);

enum err_code index_begin(
	struct index *ix, bool write, struct index_txn **out, struct err *err);
void index_abort(struct index_txn *t); /* NULL does nothing */
/* Not synced: a crash of the machine may lose it, see store.c.  The
 * transaction is gone in every case. */
enum err_code index_commit(struct index_txn *t, struct err *err);

/* Of a transaction that writes: those that begin behind its commit see it. */
uint64_t index_txn_id(const struct index_txn *t);
/* Whether somebody, in any process, reads what was before it. */
bool index_read_before(struct index *ix, uint64_t txn_id);

struct bytes {
	const void *data;
	size_t len;
};
/* Random bytes of this very index, made with it. */
#define INDEX_SALT_SIZE 16
const uint8_t *index_salt(const struct index_txn *t);
/* ERR_NOT_FOUND without a text. */
enum err_code index_get(struct index_txn *t, enum index_db db, struct bytes key,
	struct bytes *value, struct err *err);
enum err_code index_put(struct index_txn *t, enum index_db db, struct bytes key,
	struct bytes value, struct err *err);
/* Absent is fine. */
enum err_code index_del(struct index_txn *t, enum index_db db, struct bytes key,
	struct err *err);
/* The first key not before `key` and the last one not behind it. */
enum err_code index_ceil(struct index_txn *t, enum index_db db,
	struct bytes key, struct bytes *found, struct bytes *value,
	struct err *err);
enum err_code index_floor(struct index_txn *t, enum index_db db,
	struct bytes key, struct bytes *found, struct bytes *value,
	struct err *err);
uint64_t index_count(struct index_txn *t, enum index_db db);
