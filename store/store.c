/* store.c - opening and closing: the lock, the index and whether to trust
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/batch.h"

#define INDEX_FORMAT 3
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_FILE "index/boot"
#define CLEAN_FILE "index/clean"
#define POOL_QUEUE 256

const char *store_path(const struct store *s)
{
	return s->data;
}

struct keyring *store_keyring(struct store *s)
{
	return s->keyring;
}

/* ---- can the index be trusted? ----
 *
 * It is written without syncs.  What a crash of a process leaves is whole,
 * since the kernel has it; what a crash of the machine leaves is not.  So an
 * index counts when it was closed in order, or when the machine has not been
 * started again since. */

static enum err_code read_boot(
	const char *path, struct buf *out, struct err *err)
{
	enum err_code rc = file_read(path, 256, out, err);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code same_boot(
	struct store *s, bool *same, struct buf *now, struct err *err)
{
	char *path = file_join(s->data, BOOT_FILE);
	struct buf then = BUF_EMPTY;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = read_boot(BOOT_ID, now, err)) &&
		!(rc = read_boot(path, &then, err)))
		*same = now->len && now->len == then.len &&
			memcmp(now->data, then.data, now->len) == 0;
	buf_free(&then);
	free(path);
	return rc;
}

/* Takes the mark of an orderly end away, durably: from now on the index is
 * under way. */
static enum err_code take_clean(
	struct store *s, bool *was_clean, struct err *err)
{
	char *path = file_join(s->data, CLEAN_FILE);
	char *dir = file_join(s->data, "index");
	enum err_code rc = ERR_OK;

	if (!path || !dir)
		rc = err_nomem(err);
	else if (unlink(path) == 0) {
		*was_clean = true;
		rc = file_sync_dir(dir, err);
		crash_point("index.unclean");
	} else if (errno != ENOENT) {
		rc = err_sys(err, "remove %s", path);
	}
	free(path);
	free(dir);
	return rc;
}

static enum err_code write_in(struct store *s, const char *name,
	const struct buf *bytes, struct err *err)
{
	char *path = file_join(s->data, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = file_replace(path, bytes->data, bytes->len, 0600, err);
	free(path);
	return rc;
}

static enum err_code check_format(struct store *s, struct err *err)
{
	struct index_txn *t;
	uint64_t format;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if ((rc = meta_get_u64(t, "format", &format, err)))
		goto out;
	if (format && format != INDEX_FORMAT)
		rc = err_set(err, ERR_CORRUPT,
			"index of format %llu, this program knows %d",
			(unsigned long long)format, INDEX_FORMAT);
	else if (!format &&
		!(rc = meta_put_u64(t, "format", INDEX_FORMAT, err)))
		return index_commit(t, err);
out:
	index_abort(t);
	return rc;
}

static enum err_code open_index(struct store *s, struct err *err)
{
	enum err_code rc = index_open(s->data, true, false, &s->index, err);

	if (!rc && (rc = check_format(s, err))) {
		(void)index_close(s->index, false, NULL);
		s->index = NULL;
	}
	return rc;
}

static enum err_code open_trusted(struct store *s, struct err *err)
{
	struct buf boot = BUF_EMPTY;
	bool same = false;
	bool clean = false;
	enum err_code rc;

	char *dir = file_join(s->data, "index");

	if (!dir)
		return err_nomem(err);
	if ((rc = file_make_dirs(dir, err)) || (rc = file_sweep(dir, err)) ||
		(rc = same_boot(s, &same, &boot, err)) ||
		(rc = take_clean(s, &clean, err)))
		goto out;
	if (s->opt.rebuild_index || (!clean && !same))
		if ((rc = index_delete(s->data, err)))
			goto out;
	crash_point("index.deleted");
	/* Without room for the mark, a crash costs making the index anew. */
	if (!same && (rc = write_in(s, BOOT_FILE, &boot, err)) &&
		rc != ERR_FULL)
		goto out;
	rc = open_index(s, err);
	if (rc == ERR_CORRUPT && !(rc = index_delete(s->data, err)))
		rc = open_index(s, err);
out:
	free(dir);
	buf_free(&boot);
	return rc;
}

/* An index that does not fit its segments is made anew, once. */
static enum err_code bring_up(struct store *s, struct err *err)
{
	enum err_code rc = store_replay(s, err);

	if (rc != ERR_CORRUPT)
		return rc;
	(void)index_close(s->index, false, NULL);
	s->index = NULL;
	cache_clear(s->cache);
	if ((rc = index_delete(s->data, err)) || (rc = open_index(s, err)))
		return rc;
	return store_replay(s, err);
}

static enum err_code load_spare(struct store *s, struct err *err)
{
	struct index_txn *t;
	struct bytes value;
	struct cursor c;
	enum err_code rc;

	if ((rc = index_begin(s->index, false, &t, err)))
		return rc;
	rc = index_get(t, DB_META, (struct bytes){"spare", 5}, &value, err);
	if (!rc) {
		c = value_cursor(value);
		while (c.left && s->spare_count < SPARE_KEYS)
			s->spare[s->spare_count++] = cursor_u64(&c);
	}
	s->drops = index_count(t, DB_DROP) > 0;
	index_abort(t);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code lock_store(struct store *s, struct err *err)
{
	char *path = file_join(s->data, "lock");
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = file_lock(path, &s->lock, err);
	if (rc == ERR_BUSY)
		rc = err_set(err, rc, "%s: another process is writing here",
			s->data);
	free(path);
	return rc;
}

static enum err_code open_writer(struct store *s, struct err *err)
{
	bool create = s->opt.create;
	enum err_code rc;

	if ((create && (rc = file_make_dirs(s->data, err))) ||
		(rc = lock_store(s, err)))
		return rc;
	reserve_open(s);
	reserve_release(s, RESERVE_IF_SCARCE);
	if ((rc = keyring_open(s->data, create, false, &s->keyring, err)) ||
		(rc = segments_open(s->data,
			 create ? SEGMENTS_CREATE : SEGMENTS_WRITE,
			 &s->segments, err)) ||
		(rc = pool_new(0, POOL_QUEUE, &s->pool, err)) ||
		(rc = open_trusted(s, err)) || (rc = bring_up(s, err)) ||
		(rc = load_spare(s, err)) ||
		(rc = attachment_sweep(s->data, s->keyring, err)))
		return rc;
	index_check_readers(s->index);
	s->readers_checked_ms = time_mono_ms();
	/* A full disk must not keep a store from being opened. */
	rc = store_finish_erasing(s, err);
	(void)reserve_take(s, NULL);
	return rc == ERR_FULL ? ERR_OK : rc;
}

static enum err_code open_reader(struct store *s, struct err *err)
{
	enum err_code rc;

	if ((rc = keyring_open(s->data, false, true, &s->keyring, err)) ||
		(rc = segments_open(s->data, SEGMENTS_READ, &s->segments, err)))
		return rc;
	rc = index_open(s->data, false, true, &s->index, err);
	if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT)
		return err_set(err, rc,
			"%s has no usable index: start the daemon, or run "
			"cundang fsck --rebuild",
			s->data);
	return rc;
}

enum err_code store_open(const char *data, const struct store_options *opt,
	struct store **out, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	enum err_code rc = ERR_OK;

	if (!s)
		return err_nomem(err);
	s->lock = -1;
	s->reserve = -1;
	s->mode = opt->mode;
	s->opt = *opt;
	s->segment_limit = opt->segment_size ? opt->segment_size : SEGMENT_SIZE;
	s->data = strdup(data);
	s->cache = cache_new();
	if (!s->data || !s->cache)
		rc = err_nomem(err);
	else
		rc = opt->mode == STORE_WRITE ? open_writer(s, err)
					      : open_reader(s, err);
	if (rc) {
		/* Not in order: the next opening looks again. */
		(void)index_close(s->index, false, NULL);
		s->index = NULL;
		store_close(s);
		return rc;
	}
	hex_encode(segments_store_id(s->segments), STORE_ID_SIZE, s->epoch);
	*out = s;
	return ERR_OK;
}

static enum err_code mark_clean(struct store *s)
{
	enum err_code rc = write_in(s, CLEAN_FILE, &BUF_EMPTY, NULL);

	if (rc == ERR_FULL && s->reserved) {
		reserve_release(s, RESERVE_ALWAYS);
		rc = write_in(s, CLEAN_FILE, &BUF_EMPTY, NULL);
		(void)reserve_take(s, NULL);
	}
	return rc;
}

void store_close(struct store *s)
{
	bool writer;
	enum err_code rc;

	if (!s)
		return;
	writer = s->mode == STORE_WRITE && s->index;
	rc = index_close(s->index, writer, NULL);
	crash_point("index.closed");
	/* Without the mark the index is only checked more closely. */
	if (writer && !rc && !s->broken)
		(void)mark_clean(s);
	reserve_close(s);
	pool_free(s->pool);
	cache_free(s->cache);
	segments_close(s->segments);
	keyring_close(s->keyring);
	if (s->lock >= 0)
		close(s->lock);
	free(s->data);
	free(s);
}
