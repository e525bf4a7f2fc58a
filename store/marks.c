/* marks.c - DATA/erased: which parts were destroyed, told a second time. */
#include "store/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/batch.h"
#include "store/crc.h"

#define MARKS_FILE "erased"
#define MARKS_NEW "erased.new"
#define MARKS_KEPT "erased.kept"
#define MAGIC "CDERASED"
#define MAGIC_SIZE 8
#define VERSION 1
#define ROWS_AT_ONCE ((size_t)4096)

/* ---- bytes ---- */

static uint8_t *put(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	return p + bytes;
}

static bool crc_fits(const uint8_t *data, size_t len)
{
	struct cursor c = cursor_over(data + len - 4, 4);

	return cursor_u32(&c) == crc32c(0, data, len - 4);
}

void marks_head_write(
	const uint8_t store[STORE_ID_SIZE], uint8_t out[MARKS_HEAD_SIZE])
{
	memcpy(out, MAGIC, MAGIC_SIZE);
	(void)put(out + 8, VERSION, 4);
	memcpy(out + 12, store, STORE_ID_SIZE);
	(void)put(out + 20, crc32c(0, out, 20), 4);
}

bool marks_head_read(
	const uint8_t *data, size_t len, uint8_t store[STORE_ID_SIZE])
{
	struct cursor c = cursor_over(data + 8, 4);

	if (len != MARKS_HEAD_SIZE || !crc_fits(data, len) ||
		memcmp(data, MAGIC, MAGIC_SIZE) != 0 ||
		cursor_u32(&c) != VERSION)
		return false;
	memcpy(store, data + 12, STORE_ID_SIZE);
	return true;
}

void mark_row_write(const struct mark_row *m, uint8_t out[MARK_ROW_SIZE])
{
	uint8_t *p = put(out, m->part.log, 4);

	p = put(p, m->part.seq, 8);
	p = put(p, m->part.label, 1);
	p = put(p, m->at, 8);
	(void)put(p, crc32c(0, out, MARK_ROW_SIZE - 4), 4);
}

bool mark_row_read(const uint8_t *data, size_t len, struct mark_row *out)
{
	struct cursor c = cursor_over(data, len);
	struct erasure why = {0};
	struct mark_row m;

	if (len != MARK_ROW_SIZE || !crc_fits(data, len))
		return false;
	m.part.log = cursor_u32(&c);
	m.part.seq = cursor_u64(&c);
	m.part.label = cursor_u8(&c);
	m.at = why.at = cursor_u64(&c);
	if (m.part.label >= LABEL_COUNT || !erasure_valid(&why))
		return false;
	*out = m;
	return true;
}

/* ---- reading ---- */

static void see_bad(struct marks_seen *seen, uint64_t *behind, uint64_t at)
{
	if (!seen->bad && !*behind)
		seen->first = at;
	++*behind;
}

static enum err_code read_rows(int fd, uint64_t size, mark_visit *visit,
	void *arg, struct marks_seen *seen, struct err *err)
{
	uint64_t all = (size - MARKS_HEAD_SIZE) / MARK_ROW_SIZE;
	uint8_t *bytes = malloc(ROWS_AT_ONCE * MARK_ROW_SIZE);
	uint64_t behind = 0; /* bad ones behind the last good one */
	enum err_code rc = bytes ? ERR_OK : err_nomem(err);

	for (uint64_t i = 0; i < all && !rc; i += ROWS_AT_ONCE) {
		size_t n = all - i < ROWS_AT_ONCE ? (size_t)(all - i)
						  : ROWS_AT_ONCE;

		rc = file_read_at(fd, MARKS_HEAD_SIZE + i * MARK_ROW_SIZE,
			bytes, n * MARK_ROW_SIZE, err);
		for (size_t k = 0; k < n && !rc; k++) {
			struct mark_row m;

			if (!mark_row_read(bytes + k * MARK_ROW_SIZE,
				    MARK_ROW_SIZE, &m)) {
				see_bad(seen, &behind,
					MARKS_HEAD_SIZE +
						(i + k) * MARK_ROW_SIZE);
				continue;
			}
			seen->bad += behind;
			seen->rows += behind + 1;
			behind = 0;
			rc = visit(arg, &m, err);
		}
	}
	seen->tail = behind || (size - MARKS_HEAD_SIZE) % MARK_ROW_SIZE;
	free(bytes);
	return rc;
}

/* A file of another store tells of other logs. */
static bool head_fits(struct store *s, int fd)
{
	uint8_t head[MARKS_HEAD_SIZE];
	uint8_t store[STORE_ID_SIZE];

	return !file_read_at(fd, 0, head, sizeof(head), NULL) &&
		marks_head_read(head, sizeof(head), store) &&
		memcmp(store, segments_store_id(s->segments), STORE_ID_SIZE) ==
		0;
}

static enum err_code open_marks(
	struct store *s, int flags, int *fd, uint64_t *size, struct err *err)
{
	char *path = file_join(s->data, MARKS_FILE);
	enum err_code rc = ERR_OK;
	struct stat st;

	if (!path)
		return err_nomem(err);
	*fd = open(path, flags | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		rc = err_sys(err, "open %s", path);
	else
		*size = (uint64_t)st.st_size;
	if (rc && *fd >= 0)
		close(*fd);
	free(path);
	return rc;
}

enum err_code marks_each(struct store *s, mark_visit *visit, void *arg,
	struct marks_seen *seen, struct err *err)
{
	uint64_t size = 0;
	enum err_code rc;
	int fd = -1;

	*seen = (struct marks_seen){.rows = 0};
	rc = open_marks(s, O_RDONLY, &fd, &size, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	seen->headless = !head_fits(s, fd);
	if (!seen->headless)
		rc = read_rows(fd, size, visit, arg, seen, err);
	close(fd);
	return rc;
}

/* ---- writing ---- */

static enum err_code flush(
	int fd, uint64_t *at, struct buf *rows, struct err *err)
{
	enum err_code rc = buf_ok(rows, err);

	if (!rc)
		rc = file_write_at(fd, *at, rows->data, rows->len, err);
	*at += rows->len;
	buf_clear(rows);
	return rc;
}

static void add_row(
	const struct erase_target *part, uint64_t at, struct buf *out)
{
	struct mark_row m = {.part = *part, .at = at};
	uint8_t row[MARK_ROW_SIZE];

	mark_row_write(&m, row);
	buf_add(out, row, sizeof(row));
}

/* All marks of the index, as the bytes of a whole file. */
static enum err_code write_all(struct store *s, int fd, struct err *err)
{
	uint8_t head[MARKS_HEAD_SIZE];
	struct buf rows = BUF_EMPTY;
	struct key from = KEY_EMPTY;
	struct index_txn *t;
	struct bytes found, value;
	uint64_t at = 0;
	enum err_code rc;

	if ((rc = index_begin(s->index, false, &t, err)))
		return rc;
	marks_head_write(segments_store_id(s->segments), head);
	buf_add(&rows, head, sizeof(head));
	key_u8(&from, 0);
	while (!(rc = index_ceil(t, DB_ERASED, key_bytes(&from), &found, &value,
			 err))) {
		struct cursor c = value_cursor(found);
		struct cursor why = value_cursor(value);
		struct erase_target part = {.log = cursor_u32(&c)};

		part.label = cursor_u8(&c);
		part.seq = cursor_u64(&c);
		if (!cursor_done(&c)) {
			rc = row_corrupt(err, "erased");
			break;
		}
		add_row(&part, cursor_u64(&why), &rows);
		from = key_of_part(part.log, (uint8_t)part.label, part.seq);
		key_u8(&from, 0); /* right behind */
		if (rows.len >= ROWS_AT_ONCE * MARK_ROW_SIZE &&
			(rc = flush(fd, &at, &rows, err)))
			break;
	}
	index_abort(t);
	if (rc == ERR_NOT_FOUND)
		rc = flush(fd, &at, &rows, err);
	buf_free(&rows);
	return rc;
}

static enum err_code write_anew(
	struct store *s, const char *fresh, const char *path, struct err *err)
{
	enum err_code rc;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "make %s", fresh);
	if (!(rc = write_all(s, fd, err)))
		rc = file_sync_data(fd, fresh, err);
	close(fd);
	if (!rc && rename(fresh, path) < 0)
		rc = err_sys(err, "rename %s", fresh);
	if (rc)
		(void)unlink(fresh);
	return rc ? rc : file_sync_dir(s->data, err);
}

enum err_code marks_rewrite(struct store *s, struct err *err)
{
	char *fresh = file_join(s->data, MARKS_NEW);
	char *path = file_join(s->data, MARKS_FILE);
	enum err_code rc;

	if (!fresh || !path)
		rc = err_nomem(err);
	else if (!(rc = write_anew(s, fresh, path, err)))
		s->marks_behind = false;
	free(fresh);
	free(path);
	return rc;
}

static enum err_code append(const struct batch *b, struct err *err)
{
	struct buf rows = BUF_EMPTY;
	uint64_t size = 0;
	enum err_code rc;
	int fd = -1;

	if ((rc = open_marks(b->s, O_WRONLY, &fd, &size, err)))
		return rc;
	if (size < MARKS_HEAD_SIZE || (size - MARKS_HEAD_SIZE) % MARK_ROW_SIZE)
		rc = err_set(
			err, ERR_CORRUPT, "%s ends within a mark", MARKS_FILE);
	for (size_t i = 0; i < b->mark_count; i++)
		add_row(&b->marks[i].part, b->orders[b->marks[i].order].at,
			&rows);
	if (!rc && !(rc = flush(fd, &size, &rows, err)))
		rc = file_sync_data(fd, MARKS_FILE, err);
	close(fd);
	buf_free(&rows);
	return rc;
}

void marks_follow(struct batch *b)
{
	if (append(b, NULL))
		b->s->marks_behind = true;
}

/* ---- looking ---- */

/* A mark that the segments lost. */
static enum err_code merge(void *arg, const struct mark_row *m, struct err *err)
{
	const struct view *v = arg;
	struct key k =
		key_of_part(m->part.log, (uint8_t)m->part.label, m->part.seq);
	struct erasure why = {.at = m->at};
	enum err_code rc;

	rc = index_get(v->txn, DB_ERASED, key_bytes(&k), NULL, err);
	if (rc != ERR_NOT_FOUND)
		return rc;
	if ((rc = erased_put(v->txn, &m->part, &why, err)))
		return rc;
	return refs_erase(v, &m->part, err);
}

static enum err_code merge_all(struct store *s, struct marks_seen *seen,
	uint64_t *count, struct err *err)
{
	struct view v = {.s = s};
	enum err_code rc;

	if ((rc = index_begin(s->index, true, &v.txn, err)))
		return rc;
	if ((rc = marks_each(s, merge, &v, seen, err))) {
		index_abort(v.txn);
		return rc;
	}
	*count = index_count(v.txn, DB_ERASED);
	return index_commit(v.txn, err);
}

/* Nothing of it is lost, but what is damaged is not written over. */
static enum err_code keep_aside(struct store *s, struct err *err)
{
	char *kept = file_join(s->data, MARKS_KEPT);
	char *path = file_join(s->data, MARKS_FILE);
	enum err_code rc = ERR_OK;

	if (!kept || !path)
		rc = err_nomem(err);
	else if (!file_exists(kept) && rename(path, kept) < 0 &&
		errno != ENOENT)
		rc = err_sys(err, "rename %s", path);
	free(kept);
	free(path);
	return rc;
}

static void tell_file(struct store *s, const struct marks_seen *seen)
{
	struct err told;

	if (!seen->bad && !seen->headless)
		return;
	(void)err_set(&told, ERR_CORRUPT,
		"damaged at %" PRIu64 ": marks of %" PRIu64
		" destroyed parts cannot be read",
		seen->first, seen->bad);
	damage_tell(s, MARKS_FILE, told.text);
}

static void tell_lost(struct store *s, uint64_t count)
{
	struct err told;

	if (!s->extent_known || count >= s->extent.marks)
		return;
	s->marks_lost = s->extent.marks - count;
	(void)err_set(&told, ERR_CORRUPT,
		"marks of %" PRIu64
		" destroyed parts are lost here and in the segments: parts "
		"are not taken from other nodes, or those could come back",
		s->marks_lost);
	damage_tell(s, MARKS_FILE, told.text);
}

static enum err_code pass(void *arg, const struct mark_row *m, struct err *err)
{
	(void)arg;
	(void)m;
	(void)err;
	return ERR_OK;
}

void marks_mend(struct store *s)
{
	struct marks_seen seen;

	if (s->marks_lost || marks_each(s, pass, NULL, &seen, NULL) ||
		(!seen.bad && !seen.headless) || keep_aside(s, NULL))
		return;
	s->marks_behind = true;
	/* Where there is no room for it the next erasure writes it. */
	(void)marks_rewrite(s, NULL);
}

static uint64_t rows_by_size(struct store *s)
{
	uint64_t size = 0;
	int fd = -1;

	if (open_marks(s, O_RDONLY, &fd, &size, NULL))
		return 0;
	close(fd);
	return size < MARKS_HEAD_SIZE
		? UINT64_MAX
		: (size - MARKS_HEAD_SIZE) / MARK_ROW_SIZE;
}

enum err_code marks_look(struct store *s, bool anew, struct err *err)
{
	struct marks_seen seen = {.rows = 0};
	struct index_txn *t;
	uint64_t count;
	enum err_code rc;

	if ((rc = index_begin(s->index, false, &t, err)))
		return rc;
	count = index_count(t, DB_ERASED);
	index_abort(t);
	if (!anew && rows_by_size(s) == count) {
		tell_lost(s, count);
		return ERR_OK;
	}
	if ((rc = merge_all(s, &seen, &count, err)))
		return rc;
	tell_file(s, &seen);
	tell_lost(s, count);
	if (s->mode != STORE_WRITE ||
		(!seen.bad && !seen.headless && !seen.tail &&
			seen.rows == count))
		return ERR_OK;
	if ((seen.bad || seen.headless) && (rc = keep_aside(s, err)))
		return rc;
	s->marks_behind = true;
	/* Without room it is written before the next key is dropped. */
	rc = marks_rewrite(s, err);
	return rc == ERR_FULL ? ERR_OK : rc;
}
