/* store.c - opening and closing: the lock, the index and whether to trust
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/batch.h"
#include "store/compact.h"

#define INDEX_FORMAT 8
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_FILE "index/boot"
#define CLEAN_FILE "index/clean"
#define BAD_FILE "index/bad"
#define INDEX_DIR "index"
#define INDEX_NEW "index.new"	  /* under construction */
#define INDEX_OLD "index.old"	  /* what it replaces */
#define INDEX_KEPT "index.kept"	  /* of before the first damage */
#define INDEX_CHECK "index.check" /* for one process that checks */
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

/* The format, the store it belongs to, and that it was made to its end. */
static enum err_code check_index(
	struct store *s, struct index *ix, struct err *err)
{
	const uint8_t *id = segments_store_id(s->segments);
	struct cursor c = cursor_over(id, STORE_ID_SIZE);
	uint64_t store, format, complete;
	struct index_txn *t;
	enum err_code rc;

	if ((rc = index_begin(ix, false, &t, err)))
		return rc;
	if (!(rc = meta_get_u64(t, "format", &format, err)) &&
		!(rc = meta_get_u64(t, "complete", &complete, err)) &&
		!(rc = meta_get_u64(t, "store", &store, err)) &&
		(format != INDEX_FORMAT || !complete ||
			store != cursor_u64(&c)))
		rc = err_set(err, ERR_CORRUPT,
			"%s/index is unfinished or of another format or store",
			s->data);
	index_abort(t);
	return rc;
}

static enum err_code finish_index(struct store *s, struct err *err)
{
	const uint8_t *id = segments_store_id(s->segments);
	struct cursor c = cursor_over(id, STORE_ID_SIZE);
	struct index_txn *t;
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &t, err)))
		return rc;
	if ((rc = meta_put_u64(t, "format", INDEX_FORMAT, err)) ||
		(rc = meta_put_u64(t, "store", cursor_u64(&c), err)) ||
		(rc = compact_note(s, t, err)) ||
		(rc = meta_put_u64(t, "complete", 1, err))) {
		index_abort(t);
		return rc;
	}
	return index_commit(t, err);
}

static enum err_code open_index(struct store *s, const char *dir, bool create,
	bool read_only, struct err *err)
{
	char *data = file_join(dir, "data.mdb");
	enum err_code rc = ERR_OK;

	if (!data)
		return err_nomem(err);
	if (!create && !file_exists(data))
		rc = err_set(err, ERR_NOT_FOUND, "%s is not there", data);
	if (!rc && !(rc = index_open(dir, create, read_only, &s->index, err)) &&
		!create && (rc = check_index(s, s->index, err))) {
		(void)index_close(s->index, false, NULL);
		s->index = NULL;
	}
	free(data);
	return rc;
}

/* Whether the index that is here may be used; it is under way from now on. */
static enum err_code may_trust(
	struct store *s, bool *trust, bool *same, struct err *err)
{
	char *bad = file_join(s->data, BAD_FILE);
	struct buf boot = BUF_EMPTY;
	bool clean = false;
	enum err_code rc;

	if (!bad)
		return err_nomem(err);
	if ((rc = file_make_dirs(s->index_dir, err)) ||
		(rc = file_sweep(s->index_dir, err)) ||
		(rc = same_boot(s, same, &boot, err)) ||
		(rc = take_clean(s, &clean, err)))
		goto out;
	*trust = (clean || *same) && !s->opt.rebuild_index && !file_exists(bad);
	/* Who died over it may have died of it. */
	if (*trust && !clean && index_walk(s->index_dir, err))
		*trust = false;
out:
	buf_free(&boot);
	free(bad);
	return rc;
}

/* Without a sync: after a crash of the machine it is another boot anyway. */
static enum err_code note_boot(struct store *s, struct err *err)
{
	char *path = file_join(s->data, BOOT_FILE);
	struct buf boot = BUF_EMPTY;
	enum err_code rc;
	int fd = -1;

	if (!path)
		return err_nomem(err);
	if ((rc = read_boot(BOOT_ID, &boot, err)))
		goto out;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		rc = err_sys(err, "open %s", path);
	else
		rc = file_write_at(fd, 0, boot.data, boot.len, err);
	/* Without room for the mark, a crash costs making the index anew. */
	if (rc == ERR_FULL)
		rc = ERR_OK;
out:
	if (fd >= 0)
		close(fd);
	buf_free(&boot);
	free(path);
	return rc;
}

static enum err_code move_dir(
	struct store *s, const char *from, const char *to, struct err *err)
{
	char *a = file_join(s->data, from);
	char *b = file_join(s->data, to);
	enum err_code rc = ERR_OK;

	if (!a || !b)
		rc = err_nomem(err);
	else if (rename(a, b) < 0 && errno != ENOENT)
		rc = err_sys(err, "rename %s", a);
	free(a);
	free(b);
	return rc;
}

static enum err_code delete_dir(
	struct store *s, const char *name, struct err *err)
{
	char *dir = file_join(s->data, name);
	enum err_code rc;

	if (!dir)
		return err_nomem(err);
	rc = index_delete(dir, err);
	free(dir);
	return rc;
}

/* With damage about, the first index that went is kept: it may know what the
 * segments do not tell any more. */
static enum err_code put_away(struct store *s, struct err *err)
{
	char *kept = file_join(s->data, INDEX_KEPT);
	enum err_code rc;

	if (!kept)
		return err_nomem(err);
	rc = s->damage_count && !file_exists(kept)
		? move_dir(s, INDEX_OLD, INDEX_KEPT, err)
		: delete_dir(s, INDEX_OLD, err);
	free(kept);
	return rc;
}

static enum err_code fill_index(struct store *s, struct err *err)
{
	enum err_code rc;

	if ((rc = store_replay(s, err)) || (rc = finish_index(s, err)))
		return rc;
	crash_point("index.filled");
	if (index_bad(s->index))
		return err_set(err, ERR_CORRUPT, "the new index does not read");
	return ERR_OK;
}

/* From nothing, aside: what is half made never stands where an index is looked
 * for.  On failure the old one is back, untrusted as it was. */
static enum err_code remake_index(struct store *s, struct err *err)
{
	char *fresh = file_join(s->data, INDEX_NEW);
	enum err_code rc;

	if (!fresh)
		return err_nomem(err);
	cache_clear(s->cache);
	if ((rc = index_delete(fresh, err)) ||
		(rc = delete_dir(s, INDEX_OLD, err)) ||
		(rc = move_dir(s, INDEX_DIR, INDEX_OLD, err)))
		goto out;
	crash_point("index.deleted");
	if ((rc = open_index(s, fresh, true, false, err)) ||
		(rc = fill_index(s, err)) ||
		(rc = move_dir(s, INDEX_NEW, INDEX_DIR, err)) ||
		(rc = index_moved(s->index, s->index_dir, err))) {
		(void)index_close(s->index, false, NULL);
		s->index = NULL;
		(void)index_delete(fresh, NULL);
		(void)move_dir(s, INDEX_OLD, INDEX_DIR, NULL);
		goto out;
	}
	crash_point("index.moved");
	if (!(rc = note_boot(s, err)))
		rc = put_away(s, err);
out:
	free(fresh);
	return rc;
}

/* And what it said of damage. */
static void forget_index(struct store *s)
{
	(void)index_close(s->index, false, NULL);
	s->index = NULL;
	s->damage_count = 0;
	s->marks_lost = 0;
	s->cut = (struct log_cut){.had = 0};
}

/* An index that does not fit its segments is made anew, once. */
static enum err_code open_trusted(struct store *s, struct err *err)
{
	bool trust = false;
	bool same = false;
	enum err_code rc;

	if ((rc = may_trust(s, &trust, &same, err)))
		return rc;
	if (trust) {
		rc = open_index(s, s->index_dir, false, false, err);
		if (!rc && !same)
			rc = note_boot(s, err);
		if (!rc && !(rc = compact_fits(s, err)) &&
			!(rc = store_replay(s, err)) &&
			!(rc = marks_look(s, false, err)) &&
			!(rc = damage_look(s, err)) && index_bad(s->index))
			rc = ERR_CORRUPT;
		if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND)
			return rc;
		forget_index(s);
	}
	if ((rc = remake_index(s, err)) || (rc = marks_look(s, true, err)))
		return rc;
	return damage_look(s, err);
}

static enum err_code load_groups(
	struct store *s, struct index_txn *t, struct err *err)
{
	uint64_t segment;
	enum err_code rc;

	if ((rc = meta_get_u64(t, "segment", &segment, err)) ||
		segment != segments_count(s->segments))
		return rc;
	return meta_get_u64(t, "groups", &s->groups, err);
}

static enum err_code load_spare(struct store *s, struct err *err)
{
	struct index_txn *t;
	struct bytes value;
	struct cursor c;
	struct seal_secret key;
	uint64_t id;
	enum err_code rc;

	if ((rc = index_begin(s->index, false, &t, err)))
		return rc;
	rc = index_get(t, DB_META, (struct bytes){"spare", 5}, &value, err);
	if (!rc) {
		c = value_cursor(value);
		while (c.left && s->spare_count < SPARE_KEYS) {
			id = cursor_u64(&c);
			/* Some may have gone with the keyring's end. */
			if (!keyring_get(s->keyring, id, &key, NULL))
				s->spare[s->spare_count++] = id;
			seal_secret_wipe(&key);
		}
	}
	s->drops = index_count(t, DB_DROP) > 0;
	if (!rc || rc == ERR_NOT_FOUND)
		rc = load_groups(s, t, err);
	index_abort(t);
	return rc;
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

static enum err_code read_extent(struct store *s, struct err *err)
{
	struct err told;
	enum err_code rc = extent_read(s->data, &s->extent, &told);

	s->extent_known = rc == ERR_OK;
	s->extent_bad = rc == ERR_CORRUPT;
	if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc && err)
		*err = told;
	return rc;
}

static enum err_code open_segments(
	struct store *s, enum segments_mode mode, struct err *err)
{
	return segments_open(s->data, mode, s->extent_known ? &s->extent : NULL,
		&s->segments, err);
}

/* With damage about, references may be lost: then nothing goes. */
static enum err_code is_referred(
	void *arg, const struct digest *object, bool *referred, struct err *err)
{
	struct store *s = arg;
	struct view v;
	enum err_code rc;

	*referred = true;
	if (s->damage_count)
		return ERR_OK;
	if ((rc = view_open(s, &v, err)))
		return rc;
	rc = refs_any(&v, object, referred, err);
	view_close(&v);
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
		(rc = read_extent(s, err)) ||
		(rc = damage_check_keys(s, err)) ||
		(rc = open_segments(
			 s, create ? SEGMENTS_CREATE : SEGMENTS_WRITE, err)) ||
		(rc = pool_new(0, POOL_QUEUE, &s->pool, err)) ||
		(rc = open_trusted(s, err)) || (rc = load_spare(s, err)) ||
		(rc = attachment_sweep(
			 s->data, s->keyring, is_referred, s, err)))
		return rc;
	/* Both files are there until it comes to its end. */
	rc = compact_recover(s, err);
	if (rc && rc != ERR_FULL && !is_damage(rc))
		return rc;
	/* What is left is not written over. */
	s->torn = s->torn || s->damage_count;
	if (segments_count(s->segments))
		extent_follow(s);
	index_check_readers(s->index);
	s->readers_checked_ms = time_mono_ms();
	/* A full disk must not keep a store from being opened. */
	rc = store_finish_erasing(s, err);
	(void)reserve_take(s, NULL);
	return rc == ERR_FULL ? ERR_OK : rc;
}

/* For one process that checks and is done: the index of the store is left as
 * it is. */
static enum err_code make_scratch(struct store *s, struct err *err)
{
	char name[32];
	enum err_code rc;

	snprintf(name, sizeof(name), INDEX_CHECK "-%ld", (long)getpid());
	free(s->index_dir);
	if (!(s->index_dir = file_join(s->data, name)))
		return err_nomem(err);
	s->scratch = true;
	if ((rc = index_delete(s->index_dir, err)) ||
		(rc = file_make_dirs(s->index_dir, err)) ||
		(rc = open_index(s, s->index_dir, true, false, err)) ||
		(rc = fill_index(s, err)) || (rc = marks_look(s, true, err)))
		return rc;
	return damage_look(s, err);
}

static enum err_code open_reader(struct store *s, struct err *err)
{
	struct err told;
	enum err_code rc;

	if ((rc = keyring_open(s->data, false, true, &s->keyring, err)) ||
		(rc = read_extent(s, err)) ||
		(rc = open_segments(s, SEGMENTS_READ, err)))
		return rc;
	rc = s->opt.scratch_index ? index_walk(s->index_dir, &told) : ERR_OK;
	if (!rc && !(rc = open_index(s, s->index_dir, false, true, &told)))
		rc = damage_look(s, &told);
	if (rc && err)
		*err = told;
	if (rc != ERR_NOT_FOUND && rc != ERR_CORRUPT)
		return rc;
	if (s->opt.scratch_index) {
		forget_index(s);
		if (rc == ERR_CORRUPT)
			damage_tell(s, "index/data.mdb", told.text);
		return make_scratch(s, err);
	}
	return err_set(err, rc,
		"%s has no usable index: start the daemon, or run "
		"cundang fsck --rebuild",
		s->data);
}

void store_mark_bad(struct store *s)
{
	if (s->marked_bad || s->scratch || !s->index || !index_bad(s->index))
		return;
	s->marked_bad = true;
	/* Without the mark the next one to die over it finds out. */
	(void)write_in(s, BAD_FILE, &BUF_EMPTY, NULL);
}

static uint64_t segment_limit(const struct store_options *opt)
{
	const char *asked = NULL;
	uint64_t size;

#ifdef CUNDANG_CRASH_POINTS
	/* So that a daemon that tests kill packs what little it holds. */
	asked = getenv("CUNDANG_SEGMENT_SIZE");
#endif
	if (asked && number_parse(asked, strlen(asked), UINT32_MAX, &size))
		return size;
	return opt->segment_size ? opt->segment_size : SEGMENT_SIZE;
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
	s->extent_fd = -1;
	pthread_mutex_init(&s->reserve_lock, NULL);
	pthread_mutex_init(&s->extent_lock, NULL);
	s->mode = opt->mode;
	s->opt = *opt;
	s->segment_limit = segment_limit(opt);
	s->data = strdup(data);
	s->index_dir = file_join(data, INDEX_DIR);
	s->cache = cache_new(cache_room());
	if (!s->data || !s->index_dir || !s->cache)
		rc = err_nomem(err);
	else if (!(rc = packers_new(&s->packers, err)))
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

void store_tidy(struct store *s)
{
	cache_tidy(s->cache);
	packers_clear(s->packers);
}

void store_close(struct store *s)
{
	bool writer;
	enum err_code rc;

	if (!s)
		return;
	writer = s->mode == STORE_WRITE && s->index;
	store_mark_bad(s);
	rc = index_close(s->index, writer, NULL);
	crash_point("index.closed");
	/* Without the mark the index is only checked more closely. */
	if (s->scratch)
		(void)index_delete(s->index_dir, NULL);
	if (writer && !rc && !s->broken && !s->marked_bad)
		(void)mark_clean(s);
	reserve_close(s);
	if (s->extent_fd >= 0)
		close(s->extent_fd);
	pthread_mutex_destroy(&s->extent_lock);
	pthread_mutex_destroy(&s->reserve_lock);
	pool_free(s->pool);
	packers_free(s->packers);
	cache_free(s->cache);
	segments_close(s->segments);
	keyring_close(s->keyring);
	if (s->lock >= 0)
		close(s->lock);
	free(s->damages);
	free(s->edged);
	free(s->index_dir);
	free(s->data);
	free(s);
}
