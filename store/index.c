/* index.c - ordered keys and values in one file (LMDB lives here). */
#include "store/index.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_SIZE (sizeof(size_t) > 4 ? (size_t)64 << 30 : (size_t)1 << 30)
#define READERS_LIMIT 512

static const char *const names[DB_COUNT] = {"meta", "log", "origin", "note",
	"entries", "proved", "tree", "leaf", "id", "arrival", "erased", "ref",
	"ref-record", "wanted", "digest", "moved", "down", "key", "drop"};

/* When a write of its head fails, LMDB gives the environment up until it is
 * opened anew, which can be done while no transaction runs: `live` counts
 * them. */
struct index {
	MDB_env *env;
	MDB_dbi dbi[DB_COUNT];
	char *dir;
	bool read_only;
	pthread_mutex_t lock;
	size_t live;
	bool given_up;
};

struct index_txn {
	struct index *ix;
	MDB_txn *txn;
	bool write;
	MDB_cursor *cursor[DB_COUNT]; /* opened when first needed */
};

static enum err_code lmdb_err(struct err *err, int code, const char *doing)
{
	enum err_code rc = ERR_INTERNAL;

	if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
		code == MDB_VERSION_MISMATCH || code == MDB_INVALID)
		rc = ERR_CORRUPT;
	else if (code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT)
		rc = ERR_FULL;
	else if (code == MDB_READERS_FULL)
		rc = ERR_BUSY;
	else if (code == ENOMEM)
		rc = ERR_NOMEM;
	else if (code == ENOENT)
		rc = ERR_NOT_FOUND;
	else if (code > 0)
		rc = ERR_IO;
	return err_set(err, rc, "index: %s: %s", doing, mdb_strerror(code));
}

static enum err_code open_dbs(
	struct index *ix, bool create, bool read_only, struct err *err)
{
	MDB_txn *txn;
	int code =
		mdb_txn_begin(ix->env, NULL, read_only ? MDB_RDONLY : 0, &txn);

	if (code)
		return lmdb_err(err, code, "begin");
	for (int i = 0; i < DB_COUNT && !code; i++)
		code = mdb_dbi_open(
			txn, names[i], create ? MDB_CREATE : 0, &ix->dbi[i]);
	if (code) {
		mdb_txn_abort(txn);
		return lmdb_err(
			err, code == MDB_NOTFOUND ? MDB_INVALID : code, "open");
	}
	code = mdb_txn_commit(txn);
	return code ? lmdb_err(err, code, "open") : ERR_OK;
}

static enum err_code open_env(struct index *ix, bool create, struct err *err)
{
	/* No MDB_NOMEMINIT: it would write what the heap held before. */
	unsigned flags = MDB_NOTLS | MDB_NOSYNC;
	int code;

	if (ix->read_only)
		flags |= MDB_RDONLY;
	if ((code = mdb_env_create(&ix->env))) {
		ix->env = NULL;
		return lmdb_err(err, code, ix->dir);
	}
	if ((code = mdb_env_set_mapsize(ix->env, MAP_SIZE)) ||
		(code = mdb_env_set_maxdbs(ix->env, DB_COUNT)) ||
		(code = mdb_env_set_maxreaders(ix->env, READERS_LIMIT)) ||
		(code = mdb_env_open(ix->env, ix->dir, flags, 0600)))
		return lmdb_err(err, code, ix->dir);
	return open_dbs(ix, create, ix->read_only, err);
}

static void index_free(struct index *ix)
{
	if (ix->env)
		mdb_env_close(ix->env);
	pthread_mutex_destroy(&ix->lock);
	free(ix->dir);
	free(ix);
}

enum err_code index_open(const char *data, bool create, bool read_only,
	struct index **out, struct err *err)
{
	struct index *ix = calloc(1, sizeof(*ix));
	enum err_code rc = ERR_OK;

	if (!ix)
		return err_nomem(err);
	pthread_mutex_init(&ix->lock, NULL);
	ix->read_only = read_only;
	if (!(ix->dir = file_join(data, "index")))
		rc = err_nomem(err);
	else if (create)
		rc = file_make_dirs(ix->dir, err);
	if (rc || (rc = open_env(ix, create, err)))
		index_free(ix);
	else
		*out = ix;
	return rc;
}

enum err_code index_close(struct index *ix, bool sync, struct err *err)
{
	enum err_code rc = ERR_OK;
	int code;

	if (!ix)
		return ERR_OK;
	if (sync && (code = mdb_env_sync(ix->env, 1)))
		rc = lmdb_err(err, code, "sync");
	index_free(ix);
	return rc;
}

enum err_code index_delete(const char *data, struct err *err)
{
	static const char *const files[] = {"index/data.mdb", "index/lock.mdb"};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(files) && !rc; i++) {
		char *path = file_join(data, files[i]);

		if (!path)
			return err_nomem(err);
		if (unlink(path) < 0 && errno != ENOENT)
			rc = err_sys(err, "remove %s", path);
		free(path);
	}
	return rc;
}

void index_check_readers(struct index *ix)
{
	int dead;

	/* Only growth of the file depends on it. */
	(void)mdb_reader_check(ix->env, &dead);
}

static int txn_begin(MDB_env *env, unsigned flags, MDB_txn **out)
{
	int code = mdb_txn_begin(env, NULL, flags, out);

	if (code == MDB_MAP_RESIZED) {
		mdb_env_set_mapsize(env, 0);
		code = mdb_txn_begin(env, NULL, flags, out);
	}
	return code;
}

/* With the lock held. */
static enum err_code open_anew(struct index *ix, struct err *err)
{
	enum err_code rc;

	if (ix->live)
		return err_set(err, ERR_BUSY,
			"index: a write failed; it is opened anew when %zu "
			"others are done with it",
			ix->live);
	if (ix->env)
		mdb_env_close(ix->env);
	ix->env = NULL;
	if (!(rc = open_env(ix, false, err))) {
		ix->given_up = false;
	} else if (ix->env) {
		mdb_env_close(ix->env);
		ix->env = NULL;
	}
	return rc;
}

/* From now on the environment stays open until leave(). */
static enum err_code enter(struct index *ix, struct err *err)
{
	enum err_code rc = ERR_OK;

	pthread_mutex_lock(&ix->lock);
	if (ix->given_up)
		rc = open_anew(ix, err);
	if (!rc)
		ix->live++;
	pthread_mutex_unlock(&ix->lock);
	return rc;
}

static void leave(struct index *ix, int code)
{
	pthread_mutex_lock(&ix->lock);
	ix->live--;
	ix->given_up |= code == MDB_PANIC;
	pthread_mutex_unlock(&ix->lock);
}

enum err_code index_begin(
	struct index *ix, bool write, struct index_txn **out, struct err *err)
{
	struct index_txn *t = calloc(1, sizeof(*t));
	unsigned flags = write ? 0 : MDB_RDONLY;
	enum err_code rc = ERR_OK;
	int code = 0;

	if (!t)
		return err_nomem(err);
	t->ix = ix;
	t->write = write;
	for (int i = 0; i < 2 && !(rc = enter(ix, err)); i++) {
		if (!(code = txn_begin(ix->env, flags, &t->txn))) {
			*out = t;
			return ERR_OK;
		}
		leave(ix, code);
		if (code != MDB_PANIC)
			break;
	}
	free(t);
	return rc ? rc : lmdb_err(err, code, "begin");
}

/* The transaction is over. */
static void txn_end(struct index_txn *t)
{
	leave(t->ix, 0);
	free(t);
}

static void close_cursors(struct index_txn *t)
{
	for (int i = 0; i < DB_COUNT; i++)
		if (t->cursor[i])
			mdb_cursor_close(t->cursor[i]);
}

void index_abort(struct index_txn *t)
{
	if (!t)
		return;
	close_cursors(t);
	mdb_txn_abort(t->txn);
	txn_end(t);
}

#define NEARLY_FULL ((unsigned long long)1 << 20)

/* LMDB says EIO where a write of several pages came short. */
static bool no_room(MDB_env *env)
{
	mdb_filehandle_t fd;
	struct statvfs st;

	return mdb_env_get_fd(env, &fd) == 0 && fstatvfs(fd, &st) == 0 &&
		(unsigned long long)st.f_bavail * st.f_frsize < NEARLY_FULL;
}

enum err_code index_commit(struct index_txn *t, struct err *err)
{
	int code;

	close_cursors(t);
	code = mdb_txn_commit(t->txn);
	if (code == EIO && no_room(t->ix->env))
		code = ENOSPC;
	txn_end(t);
	return code ? lmdb_err(err, code, "commit") : ERR_OK;
}

static MDB_val val(struct bytes b)
{
	return (MDB_val){b.len, (void *)(uintptr_t)b.data};
}

enum err_code index_get(struct index_txn *t, enum index_db db, struct bytes key,
	struct bytes *value, struct err *err)
{
	MDB_val k = val(key);
	MDB_val v = {0, NULL};
	int code = mdb_get(t->txn, t->ix->dbi[db], &k, &v);

	if (code == MDB_NOTFOUND)
		return ERR_NOT_FOUND;
	if (code)
		return lmdb_err(err, code, names[db]);
	if (value)
		*value = (struct bytes){v.mv_data, v.mv_size};
	return ERR_OK;
}

static int cursor_of(struct index_txn *t, enum index_db db, MDB_cursor **out)
{
	int code = 0;

	if (!t->cursor[db])
		code = mdb_cursor_open(t->txn, t->ix->dbi[db], &t->cursor[db]);
	*out = t->cursor[db];
	return code;
}

/* A key behind all others goes by MDB_APPEND, which fills pages to the brim;
 * most keys here come nearly in order. */
enum err_code index_put(struct index_txn *t, enum index_db db, struct bytes key,
	struct bytes value, struct err *err)
{
	MDB_val k = val(key);
	MDB_val v = val(value);
	MDB_cursor *c;
	int code = cursor_of(t, db, &c);

	if (!code &&
		(code = mdb_cursor_put(c, &k, &v, MDB_APPEND)) == MDB_KEYEXIST)
		code = mdb_cursor_put(c, &k, &v, 0);
	return code ? lmdb_err(err, code, names[db]) : ERR_OK;
}

enum err_code index_del(struct index_txn *t, enum index_db db, struct bytes key,
	struct err *err)
{
	MDB_val k = val(key);
	int code = mdb_del(t->txn, t->ix->dbi[db], &k, NULL);

	return code && code != MDB_NOTFOUND ? lmdb_err(err, code, names[db])
					    : ERR_OK;
}

static enum err_code found_at(int code, enum index_db db, MDB_val k, MDB_val v,
	struct bytes *found, struct bytes *value, struct err *err)
{
	if (code == MDB_NOTFOUND)
		return ERR_NOT_FOUND;
	if (code)
		return lmdb_err(err, code, names[db]);
	if (found)
		*found = (struct bytes){k.mv_data, k.mv_size};
	if (value)
		*value = (struct bytes){v.mv_data, v.mv_size};
	return ERR_OK;
}

enum err_code index_ceil(struct index_txn *t, enum index_db db,
	struct bytes key, struct bytes *found, struct bytes *value,
	struct err *err)
{
	MDB_val k = val(key);
	MDB_val v = {0, NULL};
	MDB_cursor *c;
	int code = cursor_of(t, db, &c);

	if (!code)
		code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	return found_at(code, db, k, v, found, value, err);
}

enum err_code index_floor(struct index_txn *t, enum index_db db,
	struct bytes key, struct bytes *found, struct bytes *value,
	struct err *err)
{
	MDB_val k = val(key);
	MDB_val v = {0, NULL};
	MDB_cursor *c;
	int code = cursor_of(t, db, &c);

	if (!code)
		code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (code == MDB_NOTFOUND)
		code = mdb_cursor_get(c, &k, &v, MDB_LAST);
	else if (!code &&
		(k.mv_size != key.len ||
			memcmp(k.mv_data, key.data, key.len) != 0))
		code = mdb_cursor_get(c, &k, &v, MDB_PREV);
	return found_at(code, db, k, v, found, value, err);
}

uint64_t index_count(struct index_txn *t, enum index_db db)
{
	MDB_stat st;

	return mdb_stat(t->txn, t->ix->dbi[db], &st) ? 0 : st.ms_entries;
}
