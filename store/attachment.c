/* attachment.c - files beside the records: sealed chunk by chunk, resumable. */
#include "store/attachment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/keyring.h"

#define MAGIC "cundangA"
#define MAGIC_SIZE 8
#define FILE_VERSION 1
#define HEADER_SIZE ((size_t)20) /* magic, u32 version, u64 key id */
#define SEALED_CHUNK (ATTACHMENT_CHUNK + SEAL_OVERHEAD)
#define CHUNK_AAD 9 /* u64 number, u8 1 for the last */
#define UNNAMED "new-"
#define NOTED "put-"
#define UNNAMED_RANDOM 8

/* Invariant: the chunks of `done` bytes are in the file, `held` bytes wait in
 * `plain`; a full chunk is held until it is known whether it is the last. */
struct attachment_writer {
	char *data, *path;
	struct keyring *keyring;
	int fd;
	bool resumed;
	struct digest object; /* the name it must come to, when resumed */
	uint64_t size;	      /* the size it must come to, when resumed */
	uint8_t salt[ATTACHMENT_SALT_SIZE];
	uint64_t key_id;
	struct seal_secret key;
	struct sha256 named, plain_hash;
	uint64_t done;
	size_t held;
	uint8_t plain[ATTACHMENT_CHUNK];
	uint8_t sealed[SEALED_CHUNK];
};

struct attachment_reader {
	int fd;
	struct seal_secret key;
	uint64_t size;
	uint64_t chunks;
	uint64_t cached; /* the number of the chunk in `plain` */
	bool any;
	char name[DIGEST_HEX_SIZE];
	uint8_t plain[ATTACHMENT_CHUNK];
	uint8_t sealed[SEALED_CHUNK];
};

/* ---- places ---- */

/* data/attachments/xx, or the same and "/NAME". */
static char *place_of(
	const char *data, const struct digest *object, bool folder_only)
{
	struct buf b = BUF_EMPTY;
	char name[DIGEST_HEX_SIZE];

	digest_hex(object, name);
	buf_str(&b, data);
	buf_str(&b, "/attachments/");
	buf_add(&b, name, 2);
	if (!folder_only) {
		buf_u8(&b, '/');
		buf_str(&b, name);
	}
	if (buf_cstr(&b))
		return (char *)b.data;
	buf_free(&b);
	return NULL;
}

static char *incoming_folder(const char *data)
{
	return file_join(data, "attachments/incoming");
}

/* An empty file for an object in place that no record refers to yet. */
static char *note_path(const char *data, const struct digest *object)
{
	char name[sizeof(NOTED) + DIGEST_HEX_SIZE] = NOTED;
	char *folder = incoming_folder(data);
	char *path;

	digest_hex(object, name + strlen(NOTED));
	path = folder ? file_join(folder, name) : NULL;
	free(folder);
	return path;
}

bool attachment_noted(const char *data, const struct digest *object)
{
	char *path = note_path(data, object);
	bool noted = path && file_exists(path);

	free(path);
	return noted;
}

void attachment_settled(const char *data, const struct digest *object)
{
	char *path = note_path(data, object);

	if (path)
		(void)unlink(path);
	free(path);
}

/* Makes the folder, durably: what is renamed into it must not vanish.  One that
 * is there may have been made this very moment by another thread, so the folder
 * above is synced in any case; that costs nothing where there is nothing new.
 */
static enum err_code make_folder(
	const char *data, const char *folder, struct err *err)
{
	char *above = file_join(data, "attachments");
	bool is_new = !file_exists(folder);
	enum err_code rc = ERR_OK;

	if (!above)
		return err_nomem(err);
	if (is_new)
		rc = file_make_dirs(folder, err);
	if (rc == ERR_OK)
		rc = file_sync_dir(above, err);
	if (rc == ERR_OK && is_new)
		rc = file_sync_dir(data, err);
	free(above);
	return rc;
}

/* ---- chunks ---- */

static void chunk_aad(uint64_t number, bool last, uint8_t aad[CHUNK_AAD])
{
	for (int i = 0; i < 8; i++)
		aad[i] = (uint8_t)(number >> (56 - 8 * i));
	aad[8] = last;
}

static uint64_t chunk_place(uint64_t number)
{
	return HEADER_SIZE + number * SEALED_CHUNK;
}

/* Opens chunk `number` with `len` plain bytes. */
static enum err_code chunk_read(int fd, const struct seal_secret *key,
	uint64_t number, bool last, size_t len, uint8_t *sealed, uint8_t *plain,
	struct err *err)
{
	uint8_t aad[CHUNK_AAD];
	enum err_code rc;

	chunk_aad(number, last, aad);
	if ((rc = file_read_at(fd, chunk_place(number), sealed,
		     len + SEAL_OVERHEAD, err)) ||
		(rc = seal_open(key, aad, sizeof(aad), sealed,
			 len + SEAL_OVERHEAD, plain, err)))
		return err_while(
			err, rc, "chunk %llu", (unsigned long long)number);
	return ERR_OK;
}

/* Seals what is held behind what is done. */
static enum err_code chunk_write(
	struct attachment_writer *w, bool last, struct err *err)
{
	uint64_t number = w->done / ATTACHMENT_CHUNK;
	uint8_t aad[CHUNK_AAD];
	enum err_code rc;

	chunk_aad(number, last, aad);
	if ((rc = seal_close(&w->key, aad, sizeof(aad), w->plain, w->held,
		     w->sealed, err)) ||
		(rc = file_write_at(w->fd, chunk_place(number), w->sealed,
			 w->held + SEAL_OVERHEAD, err)))
		return rc;
	w->done += w->held;
	w->held = 0;
	return ERR_OK;
}

static enum err_code header_read(
	int fd, const char *path, uint64_t *key_id, struct err *err)
{
	uint8_t header[HEADER_SIZE] = {0};
	struct cursor c = cursor_over(header, sizeof(header));
	enum err_code rc;

	if ((rc = file_read_at(fd, 0, header, sizeof(header), err)))
		return err_while(err, rc, "%s", path);
	if (memcmp(cursor_bytes(&c, MAGIC_SIZE), MAGIC, MAGIC_SIZE) != 0 ||
		cursor_u32(&c) != FILE_VERSION)
		return err_set(
			err, ERR_CORRUPT, "%s is not an attachment", path);
	*key_id = cursor_u64(&c);
	return ERR_OK;
}

static enum err_code header_write(struct attachment_writer *w, struct err *err)
{
	struct buf b = BUF_EMPTY;
	enum err_code rc;

	buf_add(&b, MAGIC, MAGIC_SIZE);
	buf_u32(&b, FILE_VERSION);
	buf_u64(&b, w->key_id);
	rc = buf_ok(&b, err);
	if (rc == ERR_OK)
		rc = file_write_at(w->fd, 0, b.data, b.len, err);
	buf_free(&b);
	return rc;
}

/* ---- writing ---- */

static void writer_free(struct attachment_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w->data);
	explicit_bzero(w, sizeof(*w));
	free(w);
}

static enum err_code writer_new(const char *data, struct keyring *k,
	struct attachment_writer **out, struct err *err)
{
	struct attachment_writer *w = calloc(1, sizeof(*w));
	char *folder = incoming_folder(data);
	enum err_code rc = ERR_OK;

	if (!w || !folder || !(w->data = strdup(data))) {
		rc = err_nomem(err);
		goto out;
	}
	w->fd = -1;
	w->keyring = k;
	rc = make_folder(data, folder, err);
out:
	free(folder);
	if (rc == ERR_OK) {
		*out = w;
		return ERR_OK;
	}
	if (w)
		w->fd = -1;
	writer_free(w);
	return rc;
}

/* An empty file with a key of its own.  The key comes when there is room for
 * the file: on a full disk a peer tries again and again. */
static enum err_code writer_start(struct attachment_writer *w, struct err *err)
{
	enum err_code rc = ERR_OK;

	w->fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (w->fd < 0)
		return err_sys(err, "make %s", w->path);
	errno = posix_fallocate(w->fd, 0, HEADER_SIZE);
	if (errno == ENOSPC || errno == EDQUOT)
		rc = err_sys(err, "make %s", w->path);
	if (rc || (rc = keyring_add(w->keyring, &w->key_id, 1, err)) ||
		(rc = keyring_get(w->keyring, w->key_id, &w->key, err)) ||
		(rc = header_write(w, err)))
		(void)unlink(w->path);
	return rc;
}

static void hash_start(struct attachment_writer *w)
{
	sha256_init(&w->plain_hash);
	sha256_init(&w->named);
	sha256_update(&w->named, w->salt, sizeof(w->salt));
}

static void hash_more(struct attachment_writer *w, const void *data, size_t len)
{
	sha256_update(&w->plain_hash, data, len);
	sha256_update(&w->named, data, len);
}

enum err_code attachment_create(const char *data, struct keyring *k,
	struct attachment_writer **out, struct err *err)
{
	struct attachment_writer *w = NULL;
	uint8_t random[UNNAMED_RANDOM];
	char hex[HEX_SIZE(UNNAMED_RANDOM)], name[64];
	char *folder = NULL;
	enum err_code rc;

	if ((rc = writer_new(data, k, &w, err)) ||
		(rc = random_bytes(random, sizeof(random), err)) ||
		(rc = random_bytes(w->salt, sizeof(w->salt), err)))
		goto out;
	hex_encode(random, sizeof(random), hex);
	snprintf(name, sizeof(name), UNNAMED "%s", hex);
	folder = incoming_folder(data);
	w->path = folder ? file_join(folder, name) : NULL;
	if (!w->path) {
		rc = err_nomem(err);
		goto out;
	}
	hash_start(w);
	rc = writer_start(w, err);
out:
	free(folder);
	if (rc == ERR_OK)
		*out = w;
	else
		attachment_pause(w);
	return rc ? err_while(err, rc, "make an attachment") : ERR_OK;
}

/* Takes whole chunks that are there already, as far as they open. */
static enum err_code take_chunks(struct attachment_writer *w, struct err *err)
{
	struct stat st;

	if (fstat(w->fd, &st) != 0)
		return err_sys(err, "stat %s", w->path);
	while (w->done + ATTACHMENT_CHUNK < w->size &&
		chunk_place(w->done / ATTACHMENT_CHUNK + 1) <=
			(uint64_t)st.st_size) {
		if (chunk_read(w->fd, &w->key, w->done / ATTACHMENT_CHUNK,
			    false, ATTACHMENT_CHUNK, w->sealed, w->plain,
			    NULL) != ERR_OK)
			break;
		hash_more(w, w->plain, ATTACHMENT_CHUNK);
		w->done += ATTACHMENT_CHUNK;
	}
	if (ftruncate(w->fd, (off_t)chunk_place(w->done / ATTACHMENT_CHUNK)))
		return err_sys(err, "cut %s", w->path);
	return ERR_OK;
}

/* Goes on with a file that is there; ERR_NOT_FOUND or ERR_CORRUPT when it is of
 * no use. */
static enum err_code writer_resume(struct attachment_writer *w, struct err *err)
{
	enum err_code rc;

	w->fd = open(w->path, O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return err_sys(err, "open %s", w->path);
	if ((rc = header_read(w->fd, w->path, &w->key_id, err)) ||
		(rc = keyring_get(w->keyring, w->key_id, &w->key, err)))
		return rc;
	return take_chunks(w, err);
}

enum err_code attachment_resume(const char *data, struct keyring *k,
	const struct digest *object, const uint8_t salt[ATTACHMENT_SALT_SIZE],
	uint64_t size, struct attachment_writer **out, uint64_t *offset,
	struct err *err)
{
	struct attachment_writer *w = NULL;
	char name[DIGEST_HEX_SIZE];
	char *folder = NULL;
	enum err_code rc;

	if (size > ATTACHMENT_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"attachment of %llu bytes, limit %llu",
			(unsigned long long)size,
			(unsigned long long)ATTACHMENT_SIZE_LIMIT);
	if ((rc = writer_new(data, k, &w, err)))
		goto out;
	w->resumed = true;
	w->object = *object;
	w->size = size;
	memcpy(w->salt, salt, sizeof(w->salt));
	digest_hex(object, name);
	folder = incoming_folder(data);
	w->path = folder ? file_join(folder, name) : NULL;
	if (!w->path) {
		rc = err_nomem(err);
		goto out;
	}
	hash_start(w);
	rc = writer_resume(w, err);
	if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT) {
		if (w->fd >= 0)
			close(w->fd);
		w->fd = -1;
		rc = writer_start(w, err);
	}
out:
	free(folder);
	if (rc == ERR_OK) {
		*offset = w->done;
		*out = w;
		return ERR_OK;
	}
	writer_free(w);
	return err_while(err, rc, "receive an attachment");
}

static enum err_code size_check(
	const struct attachment_writer *w, size_t len, struct err *err)
{
	uint64_t limit = w->resumed ? w->size : ATTACHMENT_SIZE_LIMIT;

	if (len > limit - w->done - w->held)
		return err_set(err, w->resumed ? ERR_PROTOCOL : ERR_LIMIT,
			"attachment of more than %llu bytes",
			(unsigned long long)limit);
	return ERR_OK;
}

enum err_code attachment_write(struct attachment_writer *w, const void *data,
	size_t len, struct err *err)
{
	const uint8_t *at = data;
	enum err_code rc;

	if ((rc = size_check(w, len, err)))
		return rc;
	hash_more(w, data, len);
	while (len > 0) {
		size_t room = ATTACHMENT_CHUNK - w->held;
		size_t n = len < room ? len : room;

		if (n == 0) {
			if ((rc = chunk_write(w, false, err)))
				return rc;
			continue;
		}
		memcpy(w->plain + w->held, at, n);
		w->held += n;
		at += n;
		len -= n;
	}
	return ERR_OK;
}

/* Were the object in place without its note, a crash before its record could
 * leave for ever what the next try stores again, and no erasure would reach. */
static enum err_code note(const struct attachment_writer *w,
	const struct digest *object, struct err *err)
{
	char *folder = incoming_folder(w->data);
	char *path = note_path(w->data, object);
	enum err_code rc = ERR_OK;
	int fd = -1;

	if (!folder || !path) {
		rc = err_nomem(err);
		goto out;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	rc = fd < 0 ? err_sys(err, "make %s", path)
		    : file_sync_dir(folder, err);
	crash_point("attachment.noted");
out:
	if (fd >= 0)
		close(fd);
	free(folder);
	free(path);
	return rc;
}

/* The bytes are on disk before the name is, and the name before anybody is told
 * that the object is here. */
static enum err_code publish(struct attachment_writer *w,
	const struct digest *object, struct err *err)
{
	char *folder = place_of(w->data, object, true);
	char *path = place_of(w->data, object, false);
	enum err_code rc;

	if (!folder || !path) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = file_sync_data(w->fd, w->path, err)) ||
		(rc = make_folder(w->data, folder, err)) ||
		(!w->resumed && (rc = note(w, object, err))))
		goto out;
	crash_point("attachment.synced");
	if (rename(w->path, path) != 0) {
		rc = err_sys(err, "move an attachment to %s", path);
		goto out;
	}
	crash_point("attachment.renamed");
	/* Where discard() finds it. */
	free(w->path);
	w->path = path;
	path = NULL;
	rc = file_sync_dir(folder, err);
out:
	free(folder);
	free(path);
	return rc;
}

/* Removes the file, and its key with it: a peer that sends rubbish over and
 * over must not fill the keyring. */
static void discard(struct attachment_writer *w)
{
	/* A failure leaves a file that nobody refers to, swept later. */
	if (w->fd >= 0)
		(void)unlink(w->path);
	if (w->key_id != 0)
		(void)keyring_drop(w->keyring, &w->key_id, 1, NULL);
}

enum err_code attachment_finish(struct attachment_writer *w,
	struct attachment_made *out, struct err *err)
{
	struct attachment_made made = {.size = w->done + w->held};
	enum err_code rc;

	memcpy(made.salt, w->salt, sizeof(made.salt));
	made.object = sha256_final(&w->named);
	made.plain = sha256_final(&w->plain_hash);
	if (w->resumed && !digest_equal(&made.object, &w->object)) {
		rc = err_set(err, ERR_PROTOCOL,
			"attachment of %llu bytes does not match its name",
			(unsigned long long)made.size);
		discard(w);
		goto out;
	}
	if ((rc = chunk_write(w, true, err)) ||
		(rc = publish(w, &made.object, err))) {
		rc = err_while(err, rc, "finish an attachment");
		if (!w->resumed) {
			discard(w);
			attachment_settled(w->data, &made.object);
		}
	}
out:
	writer_free(w);
	if (rc == ERR_OK)
		*out = made;
	return rc;
}

void attachment_pause(struct attachment_writer *w)
{
	if (!w)
		return;
	/* What cannot be written now is sent again. */
	if (w->resumed && w->held == ATTACHMENT_CHUNK &&
		w->done + w->held < w->size)
		(void)chunk_write(w, false, NULL);
	else if (!w->resumed)
		discard(w);
	writer_free(w);
}

static enum err_code key_in_folder(
	const char *folder, uint64_t key_id, bool *used, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *d;

	if (!dir)
		return err_sys(err, "open %s", folder);
	while (!*used && (d = readdir(dir))) {
		int fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC);
		uint64_t id;

		if (fd >= 0 && header_read(fd, d->d_name, &id, NULL) == ERR_OK)
			*used = id == key_id;
		if (fd >= 0)
			close(fd);
	}
	closedir(dir);
	return ERR_OK;
}

/* Is there a file in place under this key? */
static enum err_code key_in_place(
	const char *data, uint64_t key_id, bool *used, struct err *err)
{
	enum err_code rc = ERR_OK;

	*used = false;
	for (unsigned i = 0; i < 256 && !*used && rc == ERR_OK; i++) {
		struct digest object = {.b = {(uint8_t)i}};
		char *folder = place_of(data, &object, true);

		if (!folder)
			return err_nomem(err);
		if (file_exists(folder))
			rc = key_in_folder(folder, key_id, used, err);
		free(folder);
	}
	return rc;
}

/* The key goes first: without its file nobody would know it.  But a power cut
 * may leave a file under both of its names, and then the other one counts. */
static enum err_code sweep_file(const char *data, struct keyring *k, int dir,
	const char *name, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	enum err_code rc = ERR_OK;
	uint64_t key_id;
	bool used = false;

	if (fd < 0)
		return err_sys(err, "open %s", name);
	if (header_read(fd, name, &key_id, NULL) == ERR_OK) {
		rc = key_in_place(data, key_id, &used, err);
		if (rc == ERR_OK && !used)
			rc = keyring_drop(k, &key_id, 1, err);
	}
	close(fd);
	crash_point("attachment.swept");
	if (rc == ERR_OK && unlinkat(dir, name, 0) != 0)
		rc = err_sys(err, "remove %s", name);
	return rc;
}

/* An object that was put when its record was not committed. */
static enum err_code sweep_noted(const char *data, struct keyring *k,
	const char *hex, attachment_referred *referred, void *arg,
	struct err *err)
{
	struct digest object;
	uint64_t ids[ATTACHMENT_KEYS];
	size_t count = 0;
	bool kept = false;
	enum err_code rc;

	if (!digest_from_hex(hex, strlen(hex), &object))
		return ERR_OK;
	if ((rc = referred(arg, &object, &kept, err)))
		return rc;
	if (!kept) {
		if ((rc = attachment_keys(data, &object, ids, &count, err)) ||
			(count && (rc = keyring_drop(k, ids, count, err))) ||
			(rc = attachment_destroy(data, &object, err)))
			return rc;
	}
	attachment_settled(data, &object);
	return ERR_OK;
}

enum err_code attachment_sweep(const char *data, struct keyring *k,
	attachment_referred *referred, void *arg, struct err *err)
{
	char *folder = incoming_folder(data);
	DIR *dir = folder ? opendir(folder) : NULL;
	enum err_code rc = ERR_OK;
	struct dirent *d;

	if (!dir) {
		rc = err_sys(err, "open %s", folder ? folder : data);
		goto out;
	}
	while (rc == ERR_OK && (d = readdir(dir)))
		if (strncmp(d->d_name, UNNAMED, strlen(UNNAMED)) == 0)
			rc = sweep_file(data, k, dirfd(dir), d->d_name, err);
		else if (referred &&
			strncmp(d->d_name, NOTED, strlen(NOTED)) == 0)
			rc = sweep_noted(data, k, d->d_name + strlen(NOTED),
				referred, arg, err);
	if (rc)
		rc = err_while(err, rc, "sweep %s", folder);
out:
	if (dir)
		closedir(dir);
	free(folder);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* ---- reading ---- */

bool attachment_here(const char *data, const struct digest *object)
{
	char *path = place_of(data, object, false);
	bool here = path && file_exists(path);

	free(path);
	return here;
}

/* The plain size follows from the file's; the last chunk may be empty only in
 * an empty attachment, which keeps the two in step. */
static bool sizes_of(uint64_t file, uint64_t *chunks, uint64_t *size)
{
	uint64_t body = file - HEADER_SIZE;
	uint64_t rest = body % SEALED_CHUNK;

	if (file < HEADER_SIZE + SEAL_OVERHEAD)
		return false;
	*chunks = body / SEALED_CHUNK + (rest > 0);
	if (rest > 0 &&
		(rest < SEAL_OVERHEAD ||
			(rest == SEAL_OVERHEAD && *chunks > 1)))
		return false;
	*size = body - *chunks * SEAL_OVERHEAD;
	return *size <= ATTACHMENT_SIZE_LIMIT;
}

static enum err_code open_reader(struct attachment_reader *r, const char *path,
	struct keyring *k, struct err *err)
{
	uint64_t key_id;
	struct stat st;
	enum err_code rc;

	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return err_sys(err, "open attachment %s", r->name);
	if (!sizes_of((uint64_t)st.st_size, &r->chunks, &r->size))
		return err_set(err, ERR_CORRUPT,
			"attachment %s cannot be %lld bytes long", r->name,
			(long long)st.st_size);
	if ((rc = header_read(r->fd, path, &key_id, err)) ||
		(rc = keyring_get(k, key_id, &r->key, err)))
		return err_while(err, rc, "attachment %s", r->name);
	return ERR_OK;
}

enum err_code attachment_open(const char *data, struct keyring *k,
	const struct digest *object, struct attachment_reader **out,
	uint64_t *size, struct err *err)
{
	struct attachment_reader *r = calloc(1, sizeof(*r));
	char *path = place_of(data, object, false);
	enum err_code rc;

	if (!r || !path) {
		free(r);
		free(path);
		return err_nomem(err);
	}
	digest_hex(object, r->name);
	rc = open_reader(r, path, k, err);
	free(path);
	if (rc != ERR_OK) {
		attachment_close(r);
		return rc;
	}
	*size = r->size;
	*out = r;
	return ERR_OK;
}

static enum err_code cache_chunk(
	struct attachment_reader *r, uint64_t number, struct err *err)
{
	bool last = number + 1 == r->chunks;
	uint64_t left = r->size - number * ATTACHMENT_CHUNK;
	enum err_code rc;

	if (r->any && r->cached == number)
		return ERR_OK;
	r->any = false;
	rc = chunk_read(r->fd, &r->key, number, last,
		left < ATTACHMENT_CHUNK ? (size_t)left : ATTACHMENT_CHUNK,
		r->sealed, r->plain, err);
	if (rc != ERR_OK)
		return err_while(err, rc, "attachment %s", r->name);
	r->any = true;
	r->cached = number;
	return ERR_OK;
}

enum err_code attachment_read(struct attachment_reader *r, uint64_t offset,
	void *out, size_t len, size_t *got, struct err *err)
{
	size_t done = 0;
	enum err_code rc;

	if (offset > r->size)
		return err_set(err, ERR_USAGE,
			"offset %llu in an attachment of %llu bytes",
			(unsigned long long)offset,
			(unsigned long long)r->size);
	/* Even of nothing the seal is proved. */
	if (r->size == 0 && (rc = cache_chunk(r, 0, err)))
		return rc;
	if (len > r->size - offset)
		len = (size_t)(r->size - offset);
	while (done < len) {
		uint64_t at = offset + done;
		size_t in = (size_t)(at % ATTACHMENT_CHUNK);
		size_t n = ATTACHMENT_CHUNK - in;

		if (n > len - done)
			n = len - done;
		if ((rc = cache_chunk(r, at / ATTACHMENT_CHUNK, err)))
			return rc;
		memcpy((uint8_t *)out + done, r->plain + in, n);
		done += n;
	}
	*got = done;
	return ERR_OK;
}

void attachment_close(struct attachment_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	explicit_bzero(r, sizeof(*r));
	free(r);
}

enum err_code attachment_remove(const char *data, const struct digest *object,
	uint64_t *key_id, struct err *err)
{
	char *folder = place_of(data, object, true);
	char *path = place_of(data, object, false);
	uint64_t id;
	int fd = -1;
	enum err_code rc;

	if (!folder || !path) {
		rc = err_nomem(err);
		goto out;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(err, "open %s", path);
		goto out;
	}
	if ((rc = header_read(fd, path, &id, err)))
		goto out;
	if (unlink(path) != 0) {
		rc = err_sys(err, "remove %s", path);
		goto out;
	}
	if (!(rc = file_sync_dir(folder, err)))
		*key_id = id;
	attachment_settled(data, object);
out:
	if (fd >= 0)
		close(fd);
	free(folder);
	free(path);
	return rc;
}

/* ---- erasing ---- */

static char *incoming_path(const char *data, const struct digest *object)
{
	char name[DIGEST_HEX_SIZE];
	char *folder = incoming_folder(data);
	char *path;

	digest_hex(object, name);
	path = folder ? file_join(folder, name) : NULL;
	free(folder);
	return path;
}

/* DATA/quarantine, or the object's file in it. */
static char *aside_path(const char *data, const struct digest *object)
{
	char name[DIGEST_HEX_SIZE];
	char *folder = file_join(data, "quarantine");
	char *path;

	if (!object || !folder)
		return folder;
	digest_hex(object, name);
	path = file_join(folder, name);
	free(folder);
	return path;
}

/* A crash before it is wanted leaves it gone, as if it had been lost: the next
 * look finds that. */
enum err_code attachment_set_aside(
	const char *data, const struct digest *object, struct err *err)
{
	char *folder = place_of(data, object, true);
	char *path = place_of(data, object, false);
	char *aside = aside_path(data, NULL);
	char *to = aside_path(data, object);
	enum err_code rc;

	if (!folder || !path || !aside || !to)
		rc = err_nomem(err);
	else if ((rc = file_make_dirs(aside, err)))
		goto out;
	else if (rename(path, to) != 0)
		rc = errno == ENOENT ? ERR_OK
				     : err_sys(err, "move %s away", path);
	else if (!(rc = file_sync_dir(aside, err)))
		rc = file_sync_dir(folder, err);
out:
	free(folder);
	free(path);
	free(aside);
	free(to);
	return rc;
}

static enum err_code key_of_file(
	const char *path, uint64_t *ids, size_t *count, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return errno == ENOENT ? ERR_OK : err_sys(err, "open %s", path);
	rc = header_read(fd, path, &ids[*count], err);
	close(fd);
	/* One that was cut off before its header has no key to drop. */
	if (rc == ERR_CORRUPT)
		return ERR_OK;
	if (!rc)
		++*count;
	return rc;
}

enum err_code attachment_keys(const char *data, const struct digest *object,
	uint64_t ids[ATTACHMENT_KEYS], size_t *count, struct err *err)
{
	char *path = place_of(data, object, false);
	char *incoming = incoming_path(data, object);
	char *aside = aside_path(data, object);
	enum err_code rc;

	*count = 0;
	if (!path || !incoming || !aside)
		rc = err_nomem(err);
	else if (!(rc = key_of_file(path, ids, count, err)) &&
		!(rc = key_of_file(incoming, ids, count, err)))
		rc = key_of_file(aside, ids, count, err);
	free(path);
	free(incoming);
	free(aside);
	return rc;
}

static enum err_code unlink_in(
	const char *folder, const char *path, struct err *err)
{
	if (unlink(path) != 0)
		return errno == ENOENT ? ERR_OK
				       : err_sys(err, "remove %s", path);
	crash_point("attachment.unlinked");
	return file_sync_dir(folder, err);
}

enum err_code attachment_destroy(
	const char *data, const struct digest *object, struct err *err)
{
	char *folder = place_of(data, object, true);
	char *path = place_of(data, object, false);
	char *coming = incoming_folder(data);
	char *coming_path = incoming_path(data, object);
	char *aside = aside_path(data, NULL);
	char *aside_file = aside_path(data, object);
	enum err_code rc;

	if (!folder || !path || !coming || !coming_path || !aside ||
		!aside_file)
		rc = err_nomem(err);
	else if (!(rc = unlink_in(folder, path, err)) &&
		!(rc = unlink_in(coming, coming_path, err)))
		rc = unlink_in(aside, aside_file, err);
	free(aside);
	free(aside_file);
	free(folder);
	free(path);
	free(coming);
	free(coming_path);
	return rc;
}

/* ---- scanning ---- */

enum err_code attachment_open_path(const char *path, bool partial,
	struct keyring *k, struct attachment_reader **out, uint64_t *size,
	struct err *err)
{
	struct attachment_reader *r = calloc(1, sizeof(*r));
	uint64_t key_id;
	struct stat st;
	enum err_code rc = ERR_OK;

	if (!r)
		return err_nomem(err);
	if (!partial) {
		rc = open_reader(r, path, k, err);
		goto out;
	}
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0) {
		rc = err_sys(err, "open %s", path);
		goto out;
	}
	if ((rc = header_read(r->fd, path, &key_id, err)) ||
		(rc = keyring_get(k, key_id, &r->key, err)))
		goto out;
	/* One more than there are: none is read as the last. */
	r->chunks = ((uint64_t)st.st_size - HEADER_SIZE) / SEALED_CHUNK + 1;
	r->size = (r->chunks - 1) * ATTACHMENT_CHUNK;
out:
	if (rc) {
		attachment_close(r);
		return rc;
	}
	*size = r->size;
	*out = r;
	return ERR_OK;
}
