/* keyring.c - the keyring file, its master key, and how keys vanish. */
#include "store/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_SIZE 8
#define KEYRING_MAGIC "cundangK"
#define MASTER_MAGIC "cundangM"
#define FILE_VERSION 1

/* The header: magic, u32 version, u64 master id, u64 next id, u64 count of the
 * records that were written with it, 8 bytes zero; then nothing sealed, which
 * proves the rest.  A record: u64 id, u32 flags, the sealed key.  Both are 72
 * bytes, so a sector's edge falls on a multiple of 8 within a record:
 * record_torn() counts on it. */
#define RECORD_SIZE ((size_t)72)
#define HEADER_AAD (RECORD_SIZE - SEAL_OVERHEAD)
#define RECORD_AAD ((size_t)12)
_Static_assert(RECORD_AAD + SEAL_KEY_SIZE + SEAL_OVERHEAD == RECORD_SIZE,
	"a record has the size of the header");

#define MASTERS_LIMIT 2
#define MASTERS_FILE_LIMIT ((size_t)256)
#define READ_RECORDS ((size_t)1024) /* at a time */
/* A reader that meets a rotation looks again this often. */
#define OPEN_TRIES 16

struct key {
	uint64_t id;
	struct seal_secret secret;
};

struct master {
	uint64_t id;
	struct seal_secret secret;
};

struct masters {
	size_t count;
	struct master list[MASTERS_LIMIT];
};

struct keyring {
	pthread_mutex_t lock;
	char *path, *master_path;
	bool read_only;
	bool unfinished; /* keys/master still holds a key that is done with */
	int fd;		 /* kept open, so that its inode number stays taken */
	ino_t ino;
	dev_t dev;
	struct master master;
	uint64_t next_id;
	uint64_t told;	  /* keys that the header knows of */
	uint64_t end;	  /* bytes of the file that are in `keys` */
	struct key *keys; /* ascending ids */
	size_t count, cap;
};

static void wipe_keys(struct keyring *k)
{
	if (k->keys)
		explicit_bzero(k->keys, k->cap * sizeof(*k->keys));
	free(k->keys);
	k->keys = NULL;
	k->count = k->cap = 0;
}

/* realloc would leave a copy of the keys behind. */
static enum err_code reserve_keys(
	struct keyring *k, size_t more, struct err *err)
{
	size_t need = k->count + more, cap = k->cap ? k->cap : 64;
	struct key *keys;

	if (need <= k->cap)
		return ERR_OK;
	while (cap < need)
		cap *= 2;
	if (!(keys = calloc(cap, sizeof(*keys))))
		return err_nomem(err);
	if (k->count > 0)
		memcpy(keys, k->keys, k->count * sizeof(*keys));
	need = k->count;
	wipe_keys(k);
	k->keys = keys;
	k->count = need;
	k->cap = cap;
	return ERR_OK;
}

/* ---- keys/master ---- */

static enum err_code masters_write(
	const struct keyring *k, const struct masters *m, struct err *err)
{
	struct buf b = BUF_EMPTY;
	struct digest check;
	enum err_code rc;

	buf_add(&b, MASTER_MAGIC, MAGIC_SIZE);
	buf_u32(&b, FILE_VERSION);
	buf_u32(&b, (uint32_t)m->count);
	for (size_t i = 0; i < m->count; i++) {
		buf_u64(&b, m->list[i].id);
		buf_add(&b, m->list[i].secret.b, SEAL_KEY_SIZE);
	}
	if (!(rc = buf_ok(&b, err))) {
		check = digest_of(b.data, b.len);
		buf_add(&b, check.b, DIGEST_SIZE);
		rc = buf_ok(&b, err);
	}
	if (rc == ERR_OK)
		rc = file_replace(k->master_path, b.data, b.len, 0600, err);
	buf_wipe(&b);
	return rc;
}

static bool masters_parse(const struct buf *b, struct masters *out)
{
	struct cursor c = cursor_over(b->data, b->len);
	const uint8_t *magic = cursor_bytes(&c, MAGIC_SIZE);
	uint32_t version = cursor_u32(&c);
	struct digest check, real;

	out->count = cursor_u32(&c);
	if (!magic || memcmp(magic, MASTER_MAGIC, MAGIC_SIZE) != 0 ||
		version != FILE_VERSION || out->count == 0 ||
		out->count > MASTERS_LIMIT)
		return false;
	for (size_t i = 0; i < out->count; i++) {
		out->list[i].id = cursor_u64(&c);
		cursor_copy(&c, out->list[i].secret.b, SEAL_KEY_SIZE);
	}
	cursor_copy(&c, check.b, DIGEST_SIZE);
	if (!cursor_done(&c))
		return false;
	real = digest_of(b->data, b->len - DIGEST_SIZE);
	return digest_equal(&real, &check);
}

static enum err_code masters_read(
	const struct keyring *k, struct masters *out, struct err *err)
{
	struct buf b = BUF_EMPTY;
	enum err_code rc;

	if ((rc = file_read(k->master_path, MASTERS_FILE_LIMIT, &b, err)))
		return rc;
	if (!masters_parse(&b, out))
		rc = err_set(err, ERR_CORRUPT, "%s is damaged", k->master_path);
	buf_wipe(&b);
	return rc;
}

static enum err_code master_new(struct master *out, struct err *err)
{
	enum err_code rc = random_bytes(&out->id, sizeof(out->id), err);

	return rc ? rc : seal_secret_new(&out->secret, err);
}

/* ---- the bytes of the keyring ---- */

static enum err_code header_write(const struct master *m, uint64_t next_id,
	uint64_t count, struct buf *out, struct err *err)
{
	size_t start = out->len;
	uint8_t *room;
	enum err_code rc;

	buf_add(out, KEYRING_MAGIC, MAGIC_SIZE);
	buf_u32(out, FILE_VERSION);
	buf_u64(out, m->id);
	buf_u64(out, next_id);
	buf_u64(out, count);
	buf_u64(out, 0);
	if (!(room = buf_reserve(out, SEAL_OVERHEAD)))
		return err_nomem(err);
	rc = seal_close(
		&m->secret, out->data + start, HEADER_AAD, NULL, 0, room, err);
	if (rc == ERR_OK)
		out->len += SEAL_OVERHEAD;
	return rc;
}

static enum err_code record_write(const struct master *m, const struct key *key,
	struct buf *out, struct err *err)
{
	size_t start = out->len;
	uint8_t *room;
	enum err_code rc;

	buf_u64(out, key->id);
	buf_u32(out, 0);
	if (!(room = buf_reserve(out, SEAL_KEY_SIZE + SEAL_OVERHEAD)))
		return err_nomem(err);
	rc = seal_close(&m->secret, out->data + start, RECORD_AAD,
		key->secret.b, SEAL_KEY_SIZE, room, err);
	if (rc == ERR_OK)
		out->len += SEAL_KEY_SIZE + SEAL_OVERHEAD;
	return rc;
}

static bool header_parse(const uint8_t header[RECORD_SIZE], uint64_t *master_id,
	uint64_t *next_id, uint64_t *count)
{
	struct cursor c = cursor_over(header, RECORD_SIZE);
	const uint8_t *magic = cursor_bytes(&c, MAGIC_SIZE);
	uint32_t version = cursor_u32(&c);

	*master_id = cursor_u64(&c);
	*next_id = cursor_u64(&c);
	*count = cursor_u64(&c);
	return magic && memcmp(magic, KEYRING_MAGIC, MAGIC_SIZE) == 0 &&
		version == FILE_VERSION && *next_id > 0;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	while (len > 0 && *p == 0)
		p++, len--;
	return len == 0;
}

/* A power cut writes some sectors of an append and leaves others zero. */
static bool record_torn(const uint8_t *record)
{
	return all_zero(record, 8) || all_zero(record + RECORD_SIZE - 8, 8);
}

static enum err_code record_take(
	struct keyring *k, const uint8_t *record, struct err *err)
{
	struct cursor c = cursor_over(record, RECORD_AAD);
	struct key key = {.id = cursor_u64(&c)};
	enum err_code rc;

	if (k->count > 0 && key.id <= k->keys[k->count - 1].id)
		return err_set(err, ERR_CORRUPT, "key %llu out of order",
			(unsigned long long)key.id);
	if ((rc = reserve_keys(k, 1, err)) ||
		(rc = seal_open(&k->master.secret, record, RECORD_AAD,
			 record + RECORD_AAD, RECORD_SIZE - RECORD_AAD,
			 key.secret.b, err)))
		return rc;
	k->keys[k->count++] = key;
	if (key.id >= k->next_id)
		k->next_id = key.id + 1;
	explicit_bzero(&key, sizeof(key));
	return ERR_OK;
}

/* ---- reading ---- */

/* Takes whole records; `torn` is told when the last of them is not. */
static enum err_code take_records(struct keyring *k, const uint8_t *records,
	size_t count, bool *torn, struct err *err)
{
	for (size_t i = 0; i < count && !*torn; i++) {
		enum err_code rc;

		if (record_torn(records + i * RECORD_SIZE)) {
			*torn = true;
			break;
		}
		rc = record_take(k, records + i * RECORD_SIZE, err);
		if (rc != ERR_OK)
			return err_while(err, rc, "%s: record at byte %llu",
				k->path, (unsigned long long)k->end);
		k->end += RECORD_SIZE;
	}
	return ERR_OK;
}

/* Reads on from `end`.  What a torn append left was never acknowledged: the
 * writer cuts it off, a reader stops in front of it. */
static enum err_code read_records(struct keyring *k, struct err *err)
{
	uint8_t *records = malloc(READ_RECORDS * RECORD_SIZE);
	bool torn = false;
	struct stat st;
	enum err_code rc = ERR_OK;

	if (!records)
		return err_nomem(err);
	if (fstat(k->fd, &st) != 0) {
		rc = err_sys(err, "stat %s", k->path);
		goto out;
	}
	while (!torn && k->end + RECORD_SIZE <= (uint64_t)st.st_size) {
		uint64_t left = (uint64_t)st.st_size - k->end;
		size_t count = left / RECORD_SIZE < READ_RECORDS
			? (size_t)(left / RECORD_SIZE)
			: READ_RECORDS;

		if ((rc = file_read_at(k->fd, k->end, records,
			     count * RECORD_SIZE, err)) ||
			(rc = take_records(k, records, count, &torn, err)))
			goto out;
	}
	if (!k->read_only && k->end < (uint64_t)st.st_size &&
		ftruncate(k->fd, (off_t)k->end) != 0)
		rc = err_sys(err, "cut the torn end of %s", k->path);
	else if (!k->read_only && k->end < (uint64_t)st.st_size)
		rc = file_sync_data(k->fd, k->path, err);
out:
	free(records);
	return rc;
}

static void close_file(struct keyring *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

/* Opens the file and finds its master key; ERR_BUSY when keys/master has moved
 * on meanwhile. */
static enum err_code open_file(
	struct keyring *k, struct masters *m, struct err *err)
{
	uint8_t header[RECORD_SIZE];
	uint64_t master_id;
	struct stat st;
	size_t i = 0;
	enum err_code rc;

	close_file(k);
	k->fd = open(k->path, (k->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (k->fd < 0 || fstat(k->fd, &st) != 0)
		return err_sys(err, "open %s", k->path);
	k->ino = st.st_ino;
	k->dev = st.st_dev;
	if ((rc = file_read_at(k->fd, 0, header, sizeof(header), err)))
		return err_while(err, rc, "%s", k->path);
	if (!header_parse(header, &master_id, &k->next_id, &k->told))
		return err_set(
			err, ERR_CORRUPT, "%s has no sound header", k->path);
	rc = masters_read(k, m, err);
	if (rc != ERR_OK)
		return rc == ERR_NOT_FOUND
			? err_while(err, ERR_CORRUPT, "%s cannot be read",
				  k->path)
			: rc;
	while (i < m->count && m->list[i].id != master_id)
		i++;
	if (i == m->count)
		return err_set(err, ERR_BUSY,
			"%s does not hold the key %016llx of %s",
			k->master_path, (unsigned long long)master_id, k->path);
	k->master = m->list[i];
	k->unfinished = m->count > 1;
	if ((rc = seal_open(&k->master.secret, header, HEADER_AAD,
		     header + HEADER_AAD, SEAL_OVERHEAD, header, err)))
		return err_while(err, rc, "%s: header", k->path);
	k->end = RECORD_SIZE;
	return ERR_OK;
}

static enum err_code load(struct keyring *k, struct err *err)
{
	struct masters m = {0};
	enum err_code rc = ERR_BUSY;

	wipe_keys(k);
	for (int i = 0; i < OPEN_TRIES && rc == ERR_BUSY; i++)
		rc = open_file(k, &m, err);
	explicit_bzero(&m, sizeof(m));
	if (rc == ERR_BUSY || rc == ERR_NOT_FOUND)
		rc = err_while(
			err, rc == ERR_BUSY ? ERR_CORRUPT : rc, "keyring");
	if (rc == ERR_OK)
		rc = read_records(k, err);
	if (rc != ERR_OK)
		close_file(k); /* so that a reader starts afresh */
	return rc;
}

/* A reader follows what the writer did. */
static enum err_code refresh(struct keyring *k, struct err *err)
{
	struct stat st;

	if (!k->read_only)
		return ERR_OK;
	if (stat(k->path, &st) != 0)
		return err_sys(err, "stat %s", k->path);
	if (k->fd < 0 || st.st_ino != k->ino || st.st_dev != k->dev)
		return load(k, err);
	if ((uint64_t)st.st_size > k->end)
		return read_records(k, err);
	return ERR_OK;
}

/* ---- opening ---- */

/* A keyring that never held a key, beside no master key: creation was cut. */
static bool unborn(const struct keyring *k)
{
	struct buf b = BUF_EMPTY;
	uint64_t master_id, next_id = 0, count;
	bool yes;

	yes = file_read(k->path, RECORD_SIZE, &b, NULL) == ERR_OK &&
		b.len == RECORD_SIZE &&
		header_parse(b.data, &master_id, &next_id, &count) &&
		next_id == 1;
	buf_free(&b);
	return yes;
}

/* The keyring first: without keys/master it counts as not there. */
static enum err_code create_files(struct keyring *k, struct err *err)
{
	struct masters m = {.count = 1};
	struct buf b = BUF_EMPTY;
	enum err_code rc;

	if (file_exists(k->master_path))
		return err_set(err, ERR_CORRUPT,
			"%s is there, but %s is missing", k->master_path,
			k->path);
	if ((rc = master_new(&m.list[0], err)) ||
		(rc = header_write(&m.list[0], 1, 0, &b, err)) ||
		(rc = file_replace(k->path, b.data, b.len, 0600, err)))
		goto out;
	crash_point("keyring.create.file");
	rc = masters_write(k, &m, err);
out:
	explicit_bzero(&m, sizeof(m));
	buf_free(&b);
	return rc;
}

/* What a crash within file_replace() left may hold keys that are meant to be
 * gone; and what it put in place has to be there for good before anything is
 * added to it.  So has what a killed writer appended: DATA/extent will count
 * it. */
static enum err_code sweep(
	const struct keyring *k, const char *data, struct err *err)
{
	char *keys = file_join(data, "keys");
	enum err_code rc = keys ? file_sweep(data, err) : err_nomem(err);

	if (rc == ERR_OK &&
		(rc = file_sync_data(k->fd, k->path, err)) == ERR_OK &&
		(rc = file_sweep(keys, err)) == ERR_OK &&
		(rc = file_sync_dir(keys, err)) == ERR_OK)
		rc = file_sync_dir(data, err);
	free(keys);
	return rc;
}

/* A rotation that was cut short ends here: the file that is in place rules. */
static enum err_code settle(struct keyring *k, struct err *err)
{
	struct masters m = {.count = 1, .list = {k->master}};
	enum err_code rc;

	rc = masters_write(k, &m, err);
	if (rc == ERR_OK)
		k->unfinished = false;
	explicit_bzero(&m, sizeof(m));
	return rc;
}

static enum err_code make_paths(
	struct keyring *k, const char *data, bool create, struct err *err)
{
	char *keys = file_join(data, "keys");
	enum err_code rc = ERR_OK;

	k->path = file_join(data, "keyring");
	k->master_path = keys ? file_join(keys, "master") : NULL;
	if (!k->path || !k->master_path)
		rc = err_nomem(err);
	else if (create)
		rc = file_make_dirs(keys, err);
	free(keys);
	return rc;
}

enum err_code keyring_open(const char *data, bool create, bool read_only,
	struct keyring **out, struct err *err)
{
	struct keyring *k = calloc(1, sizeof(*k));
	enum err_code rc;

	if (!k)
		return err_nomem(err);
	k->fd = -1;
	k->read_only = read_only;
	pthread_mutex_init(&k->lock, NULL);
	create = create && !read_only;
	if ((rc = make_paths(k, data, create, err)))
		goto out;
	if (create &&
		(!file_exists(k->path) ||
			(!file_exists(k->master_path) && unborn(k))) &&
		(rc = create_files(k, err)))
		goto out;
	if ((rc = load(k, err)))
		goto out;
	if (!read_only &&
		((rc = sweep(k, data, err)) ||
			(k->unfinished && (rc = settle(k, err)))))
		goto out;
	*out = k;
	return ERR_OK;
out:
	keyring_close(k);
	return rc;
}

void keyring_close(struct keyring *k)
{
	if (!k)
		return;
	wipe_keys(k);
	close_file(k);
	free(k->path);
	free(k->master_path);
	pthread_mutex_destroy(&k->lock);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

/* ---- keys ---- */

static enum err_code add_locked(
	struct keyring *k, uint64_t *ids, size_t count, struct err *err)
{
	struct buf b = BUF_EMPTY;
	enum err_code rc;

	if (k->read_only)
		return err_set(
			err, ERR_USAGE, "%s is open for reading only", k->path);
	if ((rc = reserve_keys(k, count, err)))
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct key *key = &k->keys[k->count + i];

		key->id = k->next_id + i;
		if ((rc = seal_secret_new(&key->secret, err)) ||
			(rc = record_write(&k->master, key, &b, err)))
			goto out;
	}
	if (!(rc = file_write_at(k->fd, k->end, b.data, b.len, err))) {
		crash_point("keyring.add.written");
		rc = file_sync_data(k->fd, k->path, err);
	}
	if (rc) {
		/* Best effort: what stays is cut off or overwritten later. */
		if (ftruncate(k->fd, (off_t)k->end) != 0)
			rc = err_while(err, rc, "cannot cut %s", k->path);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		ids[i] = k->next_id + i;
	k->count += count;
	k->next_id += count;
	k->end += b.len;
out:
	buf_free(&b);
	return rc;
}

enum err_code keyring_add(
	struct keyring *k, uint64_t *ids, size_t count, struct err *err)
{
	enum err_code rc;

	if (count == 0)
		return ERR_OK;
	pthread_mutex_lock(&k->lock);
	rc = add_locked(k, ids, count, err);
	pthread_mutex_unlock(&k->lock);
	return rc ? err_while(err, rc, "add keys") : ERR_OK;
}

uint64_t keyring_next(struct keyring *k)
{
	uint64_t next;

	pthread_mutex_lock(&k->lock);
	next = k->next_id;
	pthread_mutex_unlock(&k->lock);
	return next;
}

bool keyring_short(struct keyring *k, uint64_t next, uint64_t *last)
{
	bool is;

	pthread_mutex_lock(&k->lock);
	/* What `next` tells may be newer than what a reader has read. */
	(void)refresh(k, NULL);
	*last = k->count ? k->keys[k->count - 1].id : 0;
	is = k->count < k->told || k->next_id < next;
	pthread_mutex_unlock(&k->lock);
	return is;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* `id` stands first in struct key. */
static const struct key *find_key(const struct keyring *k, uint64_t id)
{
	return k->count > 0
		? bsearch(&id, k->keys, k->count, sizeof(*k->keys), compare_ids)
		: NULL;
}

enum err_code keyring_get(struct keyring *k, uint64_t id,
	struct seal_secret *out, struct err *err)
{
	const struct key *key = NULL;
	enum err_code rc;

	pthread_mutex_lock(&k->lock);
	rc = refresh(k, err);
	if (rc == ERR_OK && (key = find_key(k, id)))
		*out = key->secret;
	pthread_mutex_unlock(&k->lock);
	if (rc == ERR_OK && !key)
		return err_set(err, ERR_NOT_FOUND,
			"key %llu is not in the keyring",
			(unsigned long long)id);
	return rc;
}

/* The keys that stay, in memory only. */
static enum err_code keep_others(const struct keyring *k, const uint64_t *ids,
	size_t count, struct keyring *out, struct err *err)
{
	enum err_code rc = reserve_keys(out, k->count, err);

	for (size_t i = 0; rc == ERR_OK && i < k->count; i++) {
		size_t d = 0;

		while (d < count && ids[d] != k->keys[i].id)
			d++;
		if (d == count)
			out->keys[out->count++] = k->keys[i];
	}
	return rc;
}

static enum err_code rewrite(const struct keyring *k,
	const struct keyring *kept, const struct master *m, struct err *err)
{
	struct buf b = BUF_EMPTY;
	enum err_code rc = header_write(m, k->next_id, kept->count, &b, err);

	for (size_t i = 0; rc == ERR_OK && i < kept->count; i++)
		rc = record_write(m, &kept->keys[i], &b, err);
	if (rc == ERR_OK)
		rc = file_replace(k->path, b.data, b.len, 0600, err);
	buf_free(&b);
	return rc;
}

/* The file that was put in place of the one that is open. */
static enum err_code reopen(struct keyring *k, struct err *err)
{
	struct stat st;

	k->told = k->count;
	k->end = RECORD_SIZE * (1 + (uint64_t)k->count);
	close_file(k);
	k->fd = open(k->path, O_RDWR | O_CLOEXEC);
	if (k->fd < 0 || fstat(k->fd, &st) != 0)
		return err_sys(err, "open %s", k->path);
	k->ino = st.st_ino;
	k->dev = st.st_dev;
	return ERR_OK;
}

/* The rewritten file and its keys take the place of the old ones. */
static enum err_code adopt(struct keyring *k, struct keyring *kept,
	const struct master *m, struct err *err)
{
	wipe_keys(k);
	k->keys = kept->keys;
	k->count = kept->count;
	k->cap = kept->cap;
	kept->keys = NULL;
	kept->count = kept->cap = 0;
	k->master = *m;
	return reopen(k, err);
}

/* From the first step to the last, keys/master opens the file that is in place,
 * whichever it is; after the last it opens the new one only. */
static enum err_code rotate(
	struct keyring *k, struct keyring *kept, struct err *err)
{
	struct masters m = {.count = 2, .list = {k->master}};
	enum err_code rc;

	if ((rc = master_new(&m.list[1], err)) ||
		(rc = masters_write(k, &m, err)))
		goto out;
	k->unfinished = true;
	crash_point("keyring.drop.masters");
	if ((rc = rewrite(k, kept, &m.list[1], err)))
		goto out;
	crash_point("keyring.drop.rewritten");
	rc = adopt(k, kept, &m.list[1], err);
	if (rc == ERR_OK)
		rc = settle(k, err);
	crash_point("keyring.drop.settled");
out:
	explicit_bzero(&m, sizeof(m));
	return rc;
}

static enum err_code drop_locked(
	struct keyring *k, const uint64_t *ids, size_t count, struct err *err)
{
	struct keyring kept = {0};
	enum err_code rc;

	if (k->read_only)
		return err_set(
			err, ERR_USAGE, "%s is open for reading only", k->path);
	if (k->unfinished && (rc = settle(k, err)))
		return rc;
	rc = keep_others(k, ids, count, &kept, err);
	if (rc == ERR_OK && kept.count < k->count)
		rc = rotate(k, &kept, err);
	wipe_keys(&kept);
	return rc;
}

enum err_code keyring_drop(
	struct keyring *k, const uint64_t *ids, size_t count, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&k->lock);
	rc = drop_locked(k, ids, count, err);
	pthread_mutex_unlock(&k->lock);
	return rc ? err_while(err, rc, "drop keys") : ERR_OK;
}

enum err_code keyring_forgo(struct keyring *k, uint64_t next, struct err *err)
{
	enum err_code rc;

	pthread_mutex_lock(&k->lock);
	if (next > k->next_id)
		k->next_id = next;
	rc = rewrite(k, k, &k->master, err);
	if (rc == ERR_OK)
		rc = reopen(k, err);
	pthread_mutex_unlock(&k->lock);
	return rc ? err_while(err, rc, "go on without keys") : ERR_OK;
}

enum err_code keyring_each(
	struct keyring *k, keyring_visit *visit, void *arg, struct err *err)
{
	uint64_t *ids = NULL;
	size_t count = 0;
	enum err_code rc;

	/* Visitors ask for keys, so they run without the lock. */
	pthread_mutex_lock(&k->lock);
	rc = refresh(k, err);
	if (rc == ERR_OK) {
		count = k->count;
		if (!(ids = calloc(count + 1, sizeof(*ids))))
			rc = err_nomem(err);
	}
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		ids[i] = k->keys[i].id;
	pthread_mutex_unlock(&k->lock);
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = visit(arg, ids[i], err);
	free(ids);
	return rc;
}
