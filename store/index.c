/* index.c - ordered keys and values in one file (LMDB lives here). */
#include "store/index.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAP_SIZE (sizeof(size_t) > 4 ? (size_t)64 << 30 : (size_t)1 << 30)
#define READERS_LIMIT 512
#define SALT "salt" /* in DB_META */

static const char *const names[DB_COUNT] = {"meta", "log", "origin", "note",
	"entries", "proved", "tree", "leaf", "id", "arrival", "erased", "ref",
	"ref-record", "wanted", "digest", "moved", "down", "key", "drop",
	"mended", "closed", "lost-refs"};

/* When a write of its head fails, LMDB gives the environment up until it is
 * opened anew, which can be done while no transaction runs: `live` counts
 * them. */
struct index {
	MDB_env *env;
	MDB_dbi dbi[DB_COUNT];
	uint8_t salt[INDEX_SALT_SIZE];
	char *dir;
	bool read_only;
	pthread_mutex_t lock;
	size_t live;
	size_t commits; /* since the file was mapped */
	bool given_up;
	bool bad; /* LMDB found pages that are none of its own */
};

struct index_txn {
	struct index *ix;
	MDB_txn *txn;
	bool write;
	MDB_cursor *cursor[DB_COUNT]; /* opened when first needed */
};

static bool is_bad(int code)
{
	return code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
		code == MDB_VERSION_MISMATCH || code == MDB_INVALID;
}

static enum err_code lmdb_err(struct err *err, int code, const char *doing)
{
	enum err_code rc = ERR_INTERNAL;

	if (is_bad(code))
		return err_set(err, ERR_CORRUPT,
			"index: %s: %s; it is made anew when the node is "
			"opened next",
			doing, mdb_strerror(code));
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

static enum err_code txn_err(
	struct index_txn *t, struct err *err, int code, const char *doing)
{
	if (is_bad(code))
		__atomic_store_n(&t->ix->bad, true, __ATOMIC_RELEASE);
	return lmdb_err(err, code, doing);
}

bool index_bad(const struct index *ix)
{
	return __atomic_load_n(&ix->bad, __ATOMIC_ACQUIRE);
}

/* One that is made now gets its own. */
static int open_salt(struct index *ix, MDB_txn *txn, bool create)
{
	MDB_val k = {strlen(SALT), (void *)(uintptr_t)SALT};
	MDB_val v = {sizeof(ix->salt), ix->salt};
	int code = mdb_get(txn, ix->dbi[DB_META], &k, &v);

	if (!code && v.mv_size != sizeof(ix->salt))
		return MDB_INVALID;
	if (!code)
		memcpy(ix->salt, v.mv_data, sizeof(ix->salt));
	if (code != MDB_NOTFOUND || !create)
		return code;
	if (random_bytes(ix->salt, sizeof(ix->salt), NULL))
		return EIO;
	return mdb_put(txn, ix->dbi[DB_META], &k, &v, 0);
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
	if (!code)
		code = open_salt(ix, txn, create);
	if (code) {
		mdb_txn_abort(txn);
		return lmdb_err(
			err, code == MDB_NOTFOUND ? MDB_INVALID : code, "open");
	}
	code = mdb_txn_commit(txn);
	return code ? lmdb_err(err, code, "open") : ERR_OK;
}

/* Pages that the newest transaction counts are not in the file: some of those
 * nothing refers to, or it was cut short. */
static bool is_short(const struct index *ix)
{
	struct stat st;
	MDB_stat stat;
	MDB_envinfo info;
	int fd;

	return !mdb_env_get_fd(ix->env, &fd) && !fstat(fd, &st) &&
		!mdb_env_stat(ix->env, &stat) &&
		!mdb_env_info(ix->env, &info) &&
		(uint64_t)st.st_size / stat.ms_psize <= info.me_last_pgno;
}

static enum err_code open_env(struct index *ix, bool create, struct err *err)
{
	/* No MDB_NOMEMINIT: it would write what the heap held before. */
	unsigned flags = MDB_NOTLS | MDB_NOSYNC;
	enum err_code rc;
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
	if (!create && is_short(ix) && (rc = index_walk(ix->dir, err)))
		return rc;
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

enum err_code index_open(const char *dir, bool create, bool read_only,
	struct index **out, struct err *err)
{
	struct index *ix = calloc(1, sizeof(*ix));
	enum err_code rc = ERR_OK;

	if (!ix)
		return err_nomem(err);
	pthread_mutex_init(&ix->lock, NULL);
	ix->read_only = read_only;
	if (!(ix->dir = strdup(dir)))
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

enum err_code index_moved(struct index *ix, const char *dir, struct err *err)
{
	char *copy = strdup(dir);

	if (!copy)
		return err_nomem(err);
	pthread_mutex_lock(&ix->lock);
	free(ix->dir);
	ix->dir = copy;
	pthread_mutex_unlock(&ix->lock);
	return ERR_OK;
}

enum err_code index_delete(const char *dir, struct err *err)
{
	static const char *const files[] = {
		"data.mdb", "lock.mdb", "boot", "clean", "bad"};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(files) && !rc; i++) {
		char *path = file_join(dir, files[i]);

		if (!path)
			return err_nomem(err);
		if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
			rc = err_sys(err, "remove %s", path);
		free(path);
	}
	if (!rc && rmdir(dir) < 0 && errno != ENOENT)
		rc = err_sys(err, "remove %s", dir);
	return rc;
}

/* ---- is it sound? ---- */

static int walk_table(MDB_txn *txn, const char *name)
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	MDB_dbi dbi;
	uint8_t sum = 0;
	int code;

	if ((code = mdb_dbi_open(txn, name, 0, &dbi)) ||
		(code = mdb_cursor_open(txn, dbi, &c)))
		return code;
	while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)))
		for (size_t i = 0; i < v.mv_size; i += 64)
			sum ^= ((const uint8_t *)v.mv_data)[i];
	mdb_cursor_close(c);
	(void)sum;
	return code == MDB_NOTFOUND ? 0 : code;
}

/* The number of the first table that does not read, DB_COUNT for the file
 * itself, -1 for none. */
static int walk_tables(const char *dir)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	int bad = DB_COUNT;

	if (mdb_env_create(&env) || mdb_env_set_mapsize(env, MAP_SIZE) ||
		mdb_env_set_maxdbs(env, DB_COUNT) ||
		mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK, 0600) ||
		mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
		return bad;
	for (bad = 0; bad < DB_COUNT && !walk_table(txn, names[bad]); bad++)
		;
	return bad == DB_COUNT ? -1 : bad;
}

/* LMDB believes what its pages say and may fall over one that is damaged: it
 * does so in a process of its own. */
enum err_code index_walk(const char *dir, struct err *err)
{
	char *path = file_join(dir, "data.mdb");
	bool there;
	int status;
	pid_t pid;
	int bad;

	if (!path)
		return err_nomem(err);
	there = file_exists(path);
	free(path);
	if (!there)
		return err_set(
			err, ERR_NOT_FOUND, "there is no index in %s", dir);
	if ((pid = fork()) < 0)
		return err_sys(err, "fork");
	if (pid == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		for (int i = 0; i < 3; i++)
			close(i);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		bad = walk_tables(dir);
		_exit(bad < 0 ? 0 : bad + 1);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "wait");
	bad = WIFEXITED(status) ? WEXITSTATUS(status) : DB_COUNT + 1;
	if (!bad)
		return ERR_OK;
	return err_set(err, ERR_CORRUPT, "%s/data.mdb: table %s cannot be read",
		dir, bad > DB_COUNT ? "?" : names[bad - 1]);
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

/* So many commits may touch what they will, then the file is mapped anew: the
 * pages stay in the kernel's cache, and count for us no longer.  With the lock
 * held. */
#define COMMITS_A_MAPPING 16

static void map_anew(struct index *ix)
{
	if (ix->commits < COMMITS_A_MAPPING || ix->live || ix->given_up)
		return;
	ix->given_up = mdb_env_set_mapsize(ix->env, MAP_SIZE) != 0;
	ix->commits = 0;
}

static void leave(struct index *ix, int code, bool wrote)
{
	pthread_mutex_lock(&ix->lock);
	ix->live--;
	ix->commits += wrote;
	ix->given_up |= code == MDB_PANIC;
	map_anew(ix);
	pthread_mutex_unlock(&ix->lock);
}

const uint8_t *index_salt(const struct index_txn *t)
{
	return t->ix->salt;
}

uint64_t index_txn_id(const struct index_txn *t)
{
	return mdb_txn_id(t->txn);
}

struct oldest {
	uint64_t txn_id;
};

/* A line of LMDB's table: process, thread, transaction or "-". */
static int on_reader(const char *line, void *arg)
{
	const char *at = strrchr(line, ' ');
	struct oldest *o = arg;
	size_t len = at ? strspn(at + 1, "0123456789") : 0;
	uint64_t id;

	if (len && number_parse(at + 1, len, UINT64_MAX, &id) && id < o->txn_id)
		o->txn_id = id;
	return 0;
}

bool index_read_before(struct index *ix, uint64_t txn_id)
{
	struct oldest o = {UINT64_MAX};

	if (enter(ix, NULL))
		return false;
	index_check_readers(ix);
	(void)mdb_reader_list(ix->env, on_reader, &o);
	leave(ix, 0, false);
	return o.txn_id < txn_id;
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
		leave(ix, code, false);
		if (code != MDB_PANIC)
			break;
	}
	if (!rc)
		rc = txn_err(t, err, code, "begin");
	free(t);
	return rc;
}

/* The transaction is over. */
static void txn_end(struct index_txn *t)
{
	leave(t->ix, 0, t->write);
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
	enum err_code rc;
	int code;

	close_cursors(t);
	code = mdb_txn_commit(t->txn);
	if (code == EIO && no_room(t->ix->env))
		code = ENOSPC;
	rc = code ? txn_err(t, err, code, "commit") : ERR_OK;
	txn_end(t);
	return rc;
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
		return txn_err(t, err, code, names[db]);
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
	return code ? txn_err(t, err, code, names[db]) : ERR_OK;
}

enum err_code index_del(struct index_txn *t, enum index_db db, struct bytes key,
	struct err *err)
{
	MDB_val k = val(key);
	int code = mdb_del(t->txn, t->ix->dbi[db], &k, NULL);

	return code && code != MDB_NOTFOUND ? txn_err(t, err, code, names[db])
					    : ERR_OK;
}

static enum err_code found_at(struct index_txn *t, int code, enum index_db db,
	MDB_val k, MDB_val v, struct bytes *found, struct bytes *value,
	struct err *err)
{
	if (code == MDB_NOTFOUND)
		return ERR_NOT_FOUND;
	if (code)
		return txn_err(t, err, code, names[db]);
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
	return found_at(t, code, db, k, v, found, value, err);
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
	return found_at(t, code, db, k, v, found, value, err);
}

uint64_t index_count(struct index_txn *t, enum index_db db)
{
	MDB_stat st;

	return mdb_stat(t->txn, t->ix->dbi[db], &st) ? 0 : st.ms_entries;
}
