/* segment.c - segment files: the truth and the write-ahead log. */
#include "store/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/crc.h"

#define NUMBER_DIGITS 8
/* What file_sweep() takes for half made. */
#define ASIDE ".seg.new-packed"

struct segments {
	char *dir;
	uint32_t count;
	bool writes; /* files come and go by this alone */
	uint8_t store[STORE_ID_SIZE];
	int newest;   /* open for writing once something is appended, or -1 */
	uint64_t end; /* of what was appended to it last; 0: nothing is known */
	pthread_mutex_t lock;
	/* How often each was packed, by number; those behind were not. */
	uint8_t *packs;
	uint32_t packs_count;
};

static char *path_of(const struct segments *g, uint32_t id, const char *ending)
{
	char name[48];

	snprintf(name, sizeof(name), "%s%s", segment_name(id).text, ending);
	return file_join(g->dir, name);
}

char *segment_path(const struct segments *g, uint32_t id)
{
	return path_of(g, id, ".seg");
}

static enum err_code open_file(
	struct segments *g, uint32_t id, int flags, int *fd, struct err *err)
{
	char *path = segment_path(g, id);
	enum err_code rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	*fd = open(path, flags | O_CLOEXEC, 0600);
	if (*fd < 0)
		rc = err_sys(err, "open %s", path);
	free(path);
	return rc;
}

enum err_code segment_while(struct err *err, enum err_code rc, struct place at)
{
	if (rc)
		rc = err_while(err, rc, "segment %s at %" PRIu64,
			segment_name(at.segment).text, at.offset);
	return rc;
}

static enum err_code read_head(struct segments *g, uint32_t id,
	struct segment_head *out, struct err *err)
{
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	enum err_code rc;
	int fd = -1;

	if ((rc = open_file(g, id, O_RDONLY, &fd, err)))
		return rc;
	rc = file_read_at(fd, 0, bytes, sizeof(bytes), err);
	close(fd);
	if (!rc &&
		(!segment_head_parse(bytes, sizeof(bytes), out) ||
			out->id != id))
		rc = err_set(err, ERR_CORRUPT, "no segment head");
	return segment_while(err, rc, (struct place){id, 0});
}

enum err_code segment_check_head(
	struct segments *g, uint32_t id, struct err *err)
{
	struct segment_head head;
	enum err_code rc = read_head(g, id, &head, err);

	if (!rc && memcmp(head.store, g->store, STORE_ID_SIZE) != 0)
		rc = err_set(err, ERR_CORRUPT, "segment %s is of another store",
			segment_name(id).text);
	return rc;
}

/* ---- which files there are ---- */

uint32_t segment_now(struct segments *g, uint32_t number)
{
	uint32_t packs = 0;

	pthread_mutex_lock(&g->lock);
	if (number < g->packs_count)
		packs = g->packs[number];
	pthread_mutex_unlock(&g->lock);
	return segment_id(number, packs);
}

/* Room to tell that it is packed. */
static enum err_code room_for(
	struct segments *g, uint32_t number, struct err *err)
{
	uint32_t count = (number | 0xff) + 1;
	enum err_code rc = ERR_OK;
	uint8_t *more;

	pthread_mutex_lock(&g->lock);
	if (number >= g->packs_count) {
		if ((more = realloc(g->packs, count))) {
			memset(more + g->packs_count, 0,
				count - g->packs_count);
			g->packs = more;
			g->packs_count = count;
		} else {
			rc = err_nomem(err);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* From now on the segment is the file `id`, if it was packed less often. */
static void set_now(struct segments *g, uint32_t id)
{
	uint8_t *packs;

	pthread_mutex_lock(&g->lock);
	packs = &g->packs[segment_number(id)];
	if (*packs < segment_packs(id))
		*packs = (uint8_t)segment_packs(id);
	pthread_mutex_unlock(&g->lock);
}

/* The id in a file's name; 0 when it is none of a segment. */
static uint32_t id_of(const char *name)
{
	size_t zeros = strspn(name, "0");
	size_t len = strspn(name, "0123456789");
	uint64_t number = 0;
	uint64_t packs = 0;

	if (len != NUMBER_DIGITS || zeros >= NUMBER_DIGITS ||
		!number_parse(name + zeros, NUMBER_DIGITS - zeros,
			SEGMENT_NUMBER_LIMIT, &number))
		return 0;
	name += NUMBER_DIGITS;
	if (*name == '-') {
		len = strspn(++name, "0123456789");
		if (!number_parse(name, len, SEGMENT_PACKS_LIMIT, &packs) ||
			!packs)
			return 0;
		name += len;
	}
	if (strcmp(name, ".seg") != 0)
		return 0;
	return segment_id((uint32_t)number, (uint32_t)packs);
}

static enum err_code count_file(
	void *arg, uint32_t id, const char *name, struct err *err)
{
	struct segments *g = arg;
	enum err_code rc = ERR_OK;

	(void)name;
	segments_raise(g, segment_number(id));
	if (segment_packs(id) && !(rc = room_for(g, segment_number(id), err)))
		set_now(g, id);
	return rc;
}

typedef enum err_code file_visit(
	void *arg, uint32_t id, const char *name, struct err *err);

static enum err_code each_file(
	struct segments *g, file_visit *visit, void *arg, struct err *err)
{
	DIR *dir = opendir(g->dir);
	enum err_code rc = ERR_OK;
	struct dirent *e;
	uint32_t id;

	if (!dir)
		return err_sys(err, "open %s", g->dir);
	while (!rc && (e = readdir(dir)))
		if ((id = id_of(e->d_name)))
			rc = visit(arg, id, e->d_name, err);
	closedir(dir);
	return rc;
}

/* The file that a writer makes just now is none of its segments yet. */
enum err_code segments_recount(struct segments *g, struct err *err)
{
	return g->writes ? ERR_OK : each_file(g, count_file, g, err);
}

/* A crash while the newest segment was made leaves a file without a head, or
 * one whose bytes never reached the disk: nothing was ever in it. */
static enum err_code drop_unborn(struct segments *g, struct err *err)
{
	struct segment_head head;
	uint64_t size;
	enum err_code rc;
	char *path;

	/* One that was packed had another behind it. */
	if (segment_packs(segment_now(g, g->count)))
		return ERR_OK;
	if ((rc = segment_size(g, g->count, &size, err)))
		return rc;
	if (size > SEGMENT_HEAD_SIZE ||
		read_head(g, g->count, &head, NULL) == ERR_OK)
		return ERR_OK;
	if (!(path = segment_path(g, g->count)))
		return err_nomem(err);
	if (unlink(path) < 0)
		rc = err_sys(err, "remove %s", path);
	else
		g->count--;
	free(path);
	return rc;
}

/* A killed writer may have left what only the kernel has.  From now on it is
 * told to others, so it has to be on the disk first. */
static enum err_code settle(struct segments *g, struct err *err)
{
	enum err_code rc = file_sync_dir(g->dir, err);

	if (rc || !g->count)
		return rc;
	rc = segment_sync(g, g->count, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* From whichever segment still tells it. */
static enum err_code find_store_id(
	struct segments *g, const struct extent *known, struct err *err)
{
	struct segment_head head;
	enum err_code rc;

	for (uint32_t n = 1; n <= g->count; n++) {
		rc = read_head(g, segment_now(g, n), &head, err);
		if (!rc)
			memcpy(g->store, head.store, STORE_ID_SIZE);
		if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND)
			return rc;
	}
	if (!known)
		return random_bytes(g->store, STORE_ID_SIZE, err);
	memcpy(g->store, known->store, STORE_ID_SIZE);
	return ERR_OK;
}

enum err_code segments_open(const char *data, enum segments_mode mode,
	const struct extent *known, struct segments **out, struct err *err)
{
	struct segments *g = calloc(1, sizeof(*g));
	enum err_code rc = ERR_OK;

	if (!g)
		return err_nomem(err);
	g->newest = -1;
	pthread_mutex_init(&g->lock, NULL);
	if (!(g->dir = file_join(data, "segments"))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((mode == SEGMENTS_CREATE && (rc = file_make_dirs(g->dir, err))) ||
		(mode != SEGMENTS_READ && (rc = file_sweep(g->dir, err))) ||
		(rc = segments_recount(g, err)))
		goto out;
	g->writes = mode != SEGMENTS_READ;
	if (mode != SEGMENTS_READ && g->count &&
		(!known || known->segment < g->count) &&
		(rc = drop_unborn(g, err)))
		goto out;
	if (mode != SEGMENTS_READ && (rc = settle(g, err)))
		goto out;
	/* A number is not used twice, also where the file is gone. */
	if (known && known->segment > g->count)
		g->count = known->segment;
	rc = find_store_id(g, known, err);
out:
	if (rc)
		segments_close(g);
	else
		*out = g;
	return rc;
}

/* Room that stays behind harms nobody. */
static void close_newest(struct segments *g)
{
	if (g->newest >= 0) {
		if (g->end)
			(void)!ftruncate(g->newest, (off_t)g->end);
		close(g->newest);
	}
	g->newest = -1;
	g->end = 0;
}

void segments_close(struct segments *g)
{
	if (!g)
		return;
	close_newest(g);
	pthread_mutex_destroy(&g->lock);
	free(g->packs);
	free(g->dir);
	free(g);
}

uint32_t segments_count(const struct segments *g)
{
	return __atomic_load_n(&g->count, __ATOMIC_ACQUIRE);
}

void segments_raise(struct segments *g, uint32_t number)
{
	if (number > g->count)
		__atomic_store_n(&g->count, number, __ATOMIC_RELEASE);
}

const uint8_t *segments_store_id(const struct segments *g)
{
	return g->store;
}

/* The head of the item at `offset`; fewer bytes than a longest head may be
 * left in the file. */
static enum err_code head_from(
	int fd, uint64_t offset, struct item *out, struct err *err)
{
	uint8_t bytes[ITEM_HEAD_LIMIT];
	ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)offset);

	if (n < 0)
		return err_sys(err, "read");
	return item_parse(bytes, (size_t)n, out, err);
}

/* For an item: where a file is gone, what stood in it is damaged. */
static enum err_code open_for(
	struct segments *g, struct place at, int *fd, struct err *err)
{
	enum err_code rc = open_file(g, at.segment, O_RDONLY, fd, err);

	return rc == ERR_NOT_FOUND
		? segment_while(err,
			  err_set(err, ERR_CORRUPT, "the file is gone"), at)
		: rc;
}

enum err_code segment_head_at(
	struct segments *g, struct place at, struct item *out, struct err *err)
{
	enum err_code rc;
	int fd = -1;

	if ((rc = open_for(g, at, &fd, err)))
		return rc;
	rc = head_from(fd, at.offset, out, err);
	close(fd);
	return segment_while(err, rc, at);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* `payload` begins at its own length 0. */
static enum err_code payload_from(int fd, uint64_t offset,
	const struct item *it, struct buf *payload, struct err *err)
{
	uint8_t *to = buf_reserve(payload, it->payload_len);
	enum err_code rc;

	if (!to)
		return err_nomem(err);
	rc = file_read_at(
		fd, offset + item_head_size(it), to, it->payload_len, err);
	if (rc)
		return rc;
	if (crc32c(0, to, it->payload_len) == it->payload_crc) {
		payload->len += it->payload_len;
		return ERR_OK;
	}
	if (it->suite == SUITE_SEALED && all_zero(to, it->payload_len))
		return err_set(err, ERR_ERASED, "the block was destroyed");
	return err_set(err, ERR_CORRUPT, "item does not match its crc");
}

enum err_code segment_item(struct segments *g, struct place at,
	struct item *head, struct buf *payload, struct err *err)
{
	enum err_code rc;
	int fd = -1;

	if ((rc = open_for(g, at, &fd, err)))
		return rc;
	buf_clear(payload);
	rc = head_from(fd, at.offset, head, err);
	if (!rc)
		rc = payload_from(fd, at.offset, head, payload, err);
	close(fd);
	return segment_while(err, rc, at);
}

#define SEEK_STEP ((size_t)1 << 20)

/* The next offset from `from` on where an item stands that ends before `to`;
 * `to` when there is none. */
static enum err_code seek_item(
	int fd, uint64_t from, uint64_t to, uint64_t *out, struct err *err)
{
	uint8_t *bytes = malloc(SEEK_STEP);
	struct item it;
	enum err_code rc = ERR_OK;

	if (!bytes)
		return err_nomem(err);
	for (*out = to; from < to && *out == to;) {
		size_t n =
			to - from < SEEK_STEP ? (size_t)(to - from) : SEEK_STEP;
		size_t i = 0;

		if ((rc = file_read_at(fd, from, bytes, n, err)))
			break;
		for (; i < n && *out == to; i++)
			if (bytes[i] == 'C' &&
				(n - i >= ITEM_HEAD_LIMIT || from + n == to) &&
				!item_parse(bytes + i, n - i, &it, NULL) &&
				item_size(&it) <= to - from - i)
				*out = from + i;
		from += n == SEEK_STEP ? n - ITEM_HEAD_LIMIT : n;
	}
	free(bytes);
	return rc;
}

static enum err_code walk_fd(int fd, struct place at, uint64_t to,
	item_visit *visit, gap_visit *gap, void *arg, struct err *err)
{
	struct item it;
	uint64_t next;
	enum err_code rc = ERR_OK;

	while (at.offset < to && !rc) {
		next = at.offset;
		if (!head_from(fd, at.offset, &it, NULL) &&
			item_size(&it) <= to - at.offset) {
			rc = visit(arg, at, &it, err);
			at.offset += item_size(&it);
			continue;
		}
		if ((rc = seek_item(fd, at.offset + 1, to, &next, err)))
			break;
		if (gap)
			rc = gap(arg, at, next - at.offset, err);
		at.offset = next;
	}
	return rc;
}

enum err_code segment_walk(struct segments *g, uint32_t id, uint64_t from,
	uint64_t to, item_visit *visit, gap_visit *gap, void *arg,
	struct err *err)
{
	struct place at = {id, from ? from : SEGMENT_HEAD_SIZE};
	uint64_t size = 0;
	enum err_code rc;
	int fd = -1;

	rc = segment_size(g, id, &size, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (to < size)
		size = to;
	if (size > at.offset) {
		if ((rc = open_file(g, id, O_RDONLY, &fd, err)))
			return rc;
		rc = walk_fd(fd, at, size, visit, gap, arg, err);
		close(fd);
		if (rc)
			return rc;
		at.offset = size;
	}
	/* What the file no longer has. */
	return gap && to > at.offset ? gap(arg, at, to - at.offset, err)
				     : ERR_OK;
}

enum err_code segment_each(struct segments *g, uint32_t id, uint64_t from,
	uint64_t to, item_visit *visit, void *arg, uint64_t *end,
	struct err *err)
{
	struct place at = {id, from ? from : SEGMENT_HEAD_SIZE};
	struct stat st;
	struct item it;
	enum err_code rc;
	int fd = -1;

	if ((rc = open_file(g, id, O_RDONLY, &fd, err)))
		return rc;
	if (fstat(fd, &st) < 0) {
		rc = err_sys(err, "segment %s", segment_name(id).text);
		goto out;
	}
	if (!to || to > (uint64_t)st.st_size)
		to = (uint64_t)st.st_size;
	while (at.offset < to) {
		rc = head_from(fd, at.offset, &it, err);
		if (rc == ERR_IO) {
			rc = segment_while(err, rc, at);
			goto out;
		}
		if (rc || item_size(&it) > to - at.offset)
			break;
		if ((rc = visit(arg, at, &it, err)))
			goto out;
		at.offset += item_size(&it);
	}
	rc = ERR_OK;
	*end = at.offset;
out:
	close(fd);
	return rc;
}

/* Nothing stands behind. */
static bool ends_at(struct segments *g, uint32_t id, uint64_t offset)
{
	uint64_t size;

	return !segment_size(g, id, &size, NULL) && size <= offset;
}

enum err_code segment_all(struct segments *g, uint32_t id, uint64_t end,
	item_visit *visit, void *arg, struct err *err)
{
	uint64_t seen = end;
	enum err_code rc = segment_each(g, id, 0, end, visit, arg, &seen, err);

	/* A file that is gone hides nothing. */
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (!rc && seen != end && !ends_at(g, id, seen))
		rc = segment_while(err,
			err_set(err, ERR_CORRUPT,
				"no item, and the groups end at %" PRIu64, end),
			(struct place){id, seen});
	return rc;
}

enum err_code segment_size(
	struct segments *g, uint32_t id, uint64_t *size, struct err *err)
{
	char *path = segment_path(g, id);
	enum err_code rc = ERR_OK;
	struct stat st;

	if (!path)
		return err_nomem(err);
	if (stat(path, &st) < 0)
		rc = err_sys(err, "%s", path);
	else
		*size = (uint64_t)st.st_size;
	free(path);
	return rc;
}

enum err_code segment_torn(struct segments *g, uint32_t id, uint64_t end,
	uint64_t *size, bool *torn, struct err *err)
{
	uint8_t bytes[4096];
	enum err_code rc;
	int fd = -1;

	*torn = false;
	if ((rc = segment_size(g, id, size, err)) || *size <= end)
		return rc;
	if ((rc = open_file(g, id, O_RDONLY, &fd, err)))
		return rc;
	for (size_t n; end < *size && !rc && !*torn; end += n) {
		n = *size - end < sizeof(bytes) ? (size_t)(*size - end)
						: sizeof(bytes);
		if (!(rc = file_read_at(fd, end, bytes, n, err)))
			*torn = !all_zero(bytes, n);
	}
	close(fd);
	/* Cut meanwhile by who writes. */
	return rc == ERR_CORRUPT
		? ERR_OK
		: segment_while(err, rc, (struct place){id, end});
}

enum err_code segment_end(
	struct segments *g, uint32_t id, uint64_t *end, struct err *err)
{
	uint32_t number = segment_number(id);
	struct segment_head head;
	enum err_code rc;

	if (segment_packs(id)) {
		if (!(rc = read_head(g, id, &head, err)))
			*end = head.end;
		return rc;
	}
	if (number >= segments_count(g))
		return err_set(err, ERR_NOT_FOUND, "segment %s is the newest",
			segment_name(id).text);
	if (!(rc = read_head(g, segment_now(g, number + 1), &head, err)))
		*end = head.prev_end;
	return rc;
}

/* Whether the commit item at `offset` is whole, of a group that begins between
 * `from` and itself.  Others choose some of the bytes of entries, and may make
 * them look like a head: not like all of this. */
static enum err_code commit_stands(int fd, uint64_t from, uint64_t offset,
	const struct item *it, bool *out, struct err *err)
{
	struct buf payload = BUF_EMPTY;
	struct directory d = {0};
	enum err_code rc;

	*out = false;
	if (it->suite != SUITE_RAW || it->log || it->first || it->last ||
		it->key || it->origin.segment)
		return ERR_OK;
	if (!(rc = payload_from(fd, offset, it, &payload, err)) &&
		!(rc = directory_parse(payload.data, payload.len, &d, err)))
		*out = d.start >= from && d.start < offset;
	directory_free(&d);
	buf_free(&payload);
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* Those whose heads begin in the first `count` of the `len` bytes that stand at
 * `at`. */
static enum err_code count_commits(int fd, uint64_t from, uint64_t at,
	const uint8_t *bytes, size_t len, size_t count, size_t *out,
	struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < count && !rc; i++) {
		struct item it;
		bool stands;

		if (bytes[i] != 'C' ||
			item_parse(bytes + i, len - i, &it, NULL) ||
			it.kind != ITEM_COMMIT)
			continue;
		rc = commit_stands(fd, from, at + i, &it, &stands, err);
		*out += !rc && stands;
	}
	return rc;
}

enum err_code segment_commits_behind(struct segments *g, uint32_t id,
	uint64_t from, size_t *count, struct err *err)
{
	uint8_t *bytes = malloc(SEEK_STEP);
	uint64_t at = from;
	uint64_t size;
	enum err_code rc;
	int fd = -1;

	*count = 0;
	if (!bytes)
		return err_nomem(err);
	if ((rc = segment_size(g, id, &size, err)) ||
		(rc = open_file(g, id, O_RDONLY, &fd, err)))
		goto out;
	while (at < size && !rc) {
		size_t len =
			size - at < SEEK_STEP ? (size_t)(size - at) : SEEK_STEP;
		/* A head at the end of the piece is looked at in the next. */
		size_t step = at + len < size ? len - ITEM_HEAD_LIMIT : len;

		if (!(rc = file_read_at(fd, at, bytes, len, err)))
			rc = count_commits(
				fd, from, at, bytes, len, step, count, err);
		at += step;
	}
	close(fd);
out:
	free(bytes);
	return rc;
}

static enum err_code write_new(
	struct segments *g, int fd, uint64_t prev_end, struct err *err)
{
	struct segment_head head = {.id = g->count + 1, .prev_end = prev_end};
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	enum err_code rc;

	memcpy(head.store, g->store, STORE_ID_SIZE);
	segment_head_write(&head, bytes);
	if ((rc = file_write_at(fd, 0, bytes, sizeof(bytes), err)) ||
		(rc = file_sync_data(fd, g->dir, err)))
		return rc;
	crash_point("segment.written");
	return file_sync_dir(g->dir, err);
}

enum err_code segment_create(
	struct segments *g, uint64_t prev_end, struct err *err)
{
	char *path;
	enum err_code rc;
	int fd;

	if (g->count == SEGMENT_NUMBER_LIMIT)
		return err_set(err, ERR_LIMIT,
			"%" PRIu32 " segments, limit %" PRIu32, g->count,
			SEGMENT_NUMBER_LIMIT);
	if (!(path = segment_path(g, g->count + 1)))
		return err_nomem(err);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = err_sys(err, "make %s", path);
		goto out;
	}
	crash_point("segment.opened");
	if ((rc = write_new(g, fd, prev_end, err))) {
		close(fd);
		unlink(path);
		goto out;
	}
	crash_point("segment.created");
	close_newest(g);
	g->newest = fd;
	__atomic_store_n(&g->count, g->count + 1, __ATOMIC_RELEASE);
out:
	free(path);
	return rc;
}

static enum err_code open_newest(struct segments *g, struct err *err)
{
	if (g->newest >= 0)
		return ERR_OK;
	return open_file(g, g->count, O_RDWR, &g->newest, err);
}

static enum err_code cut_back(struct segments *g, uint64_t offset,
	enum err_code why, bool *torn, struct err *err)
{
	g->end = 0;
	*torn |= ftruncate(g->newest, (off_t)offset) < 0;
	return err_while(err, why, "segment %08" PRIu32, g->count);
}

/* A sync waits for the inode where the file grew: a small group that makes it
 * grow brings zeros along, and those behind it only write over them. */
static size_t bring_room(struct segments *g, uint64_t end, size_t room)
{
	static const uint8_t zeros[SEGMENT_ROOM];
	struct stat st;

	if (!room || fstat(g->newest, &st) < 0 || end <= (uint64_t)st.st_size)
		return 0;
	return file_write_at(g->newest, end, zeros, room, NULL) ? 0 : room;
}

/* The disk begins with it; segment_settle() waits. */
enum err_code segment_append(struct segments *g, uint64_t offset,
	const struct buf *group, size_t room, bool *torn, struct err *err)
{
	uint64_t end = offset + group->len;
	enum err_code rc;

	if ((rc = open_newest(g, err)))
		return rc;
	room = bring_room(g, end, room);
	rc = file_write_at(g->newest, offset, group->data, group->len, err);
	if (rc)
		return cut_back(g, offset, rc, torn, err);
	g->end = end;
	(void)!sync_file_range(g->newest, (off_t)offset,
		(off_t)(group->len + room), SYNC_FILE_RANGE_WRITE);
	crash_point("batch.appended");
	return ERR_OK;
}

/* After a failed sync the kernel may have dropped the pages: nobody knows what
 * is on the disk, but in front of it all is. */
enum err_code segment_settle(struct segments *g, uint64_t offset, bool *torn,
	bool *broken, struct err *err)
{
	enum err_code rc = file_sync_data(g->newest, g->dir, err);
	bool stands = false;

	if (!rc)
		return ERR_OK;
	rc = cut_back(g, offset, rc, &stands, err);
	*torn = true;
	*broken |= stands;
	return rc;
}

enum err_code segment_cut(struct segments *g, uint64_t offset, struct err *err)
{
	enum err_code rc;

	if ((rc = open_newest(g, err)))
		return rc;
	g->end = 0;
	if (ftruncate(g->newest, (off_t)offset) < 0)
		return err_sys(err, "cut segment %08" PRIu32, g->count);
	return file_sync_data(g->newest, g->dir, err);
}

static enum err_code write_zeros(
	int fd, uint64_t offset, uint64_t len, struct err *err)
{
	static const uint8_t zeros[4096];
	enum err_code rc = ERR_OK;

	for (size_t n; len && !rc; offset += n, len -= n) {
		n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		rc = file_write_at(fd, offset, zeros, n, err);
	}
	return rc;
}

/* Zeros are written before the hole is punched: a hole alone leaves the old
 * bytes on the medium until the file system uses the room again. */
enum err_code segment_punch(
	struct segments *g, struct place at, struct err *err)
{
	struct item it;
	uint64_t from;
	enum err_code rc;
	int fd = -1;

	if ((rc = open_file(g, at.segment, O_RDWR, &fd, err)))
		return rc;
	if ((rc = head_from(fd, at.offset, &it, err)))
		goto out;
	from = at.offset + item_head_size(&it);
	rc = write_zeros(fd, from, it.payload_len, err);
	crash_point("segment.punched");
out:
	close(fd);
	return segment_while(err, rc, at);
}

void segment_give_back(struct segments *g, struct place at)
{
	struct item it;
	int fd = -1;

	if (open_file(g, at.segment, O_RDWR, &fd, NULL))
		return;
	if (!head_from(fd, at.offset, &it, NULL))
		(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)(at.offset + item_head_size(&it)),
			it.payload_len);
	close(fd);
}

enum err_code segment_sync(struct segments *g, uint32_t id, struct err *err)
{
	enum err_code rc;
	int fd = -1;

	if ((rc = open_file(g, id, O_RDWR, &fd, err)))
		return rc;
	rc = file_sync_data(fd, g->dir, err);
	close(fd);
	return rc;
}

enum err_code segment_cut_tail(
	struct segments *g, uint32_t id, uint64_t end, struct err *err)
{
	uint64_t size;
	bool torn;
	enum err_code rc;
	int fd = -1;

	rc = segment_torn(g, id, end, &size, &torn, err);
	if (rc == ERR_NOT_FOUND || (!rc && !torn))
		return ERR_OK;
	if (rc || (rc = open_file(g, id, O_RDWR, &fd, err)))
		return rc;
	if ((rc = write_zeros(fd, end, size - end, err)) ||
		(rc = file_sync_data(fd, g->dir, err)))
		goto out;
	crash_point("segment.zeroed");
	if (ftruncate(fd, (off_t)end) < 0)
		rc = err_sys(err, "cut segment %s", segment_name(id).text);
	else
		rc = file_sync_data(fd, g->dir, err);
out:
	close(fd);
	return rc;
}

/* ---- packing ---- */

enum err_code segments_hold(
	struct segments *g, enum segments_claim claim, int *fd, struct err *err)
{
	int how = claim == SEGMENTS_KEPT ? LOCK_SH : LOCK_EX | LOCK_NB;
	enum err_code rc = ERR_OK;
	int rv;

	*fd = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(err, "open %s", g->dir);
	do
		rv = flock(*fd, how);
	while (rv < 0 && errno == EINTR);
	if (rv < 0 && errno == EWOULDBLOCK)
		rc = err_set(err, ERR_BUSY, "%s is being checked", g->dir);
	else if (rv < 0)
		rc = err_sys(err, "lock %s", g->dir);
	if (rc) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

enum err_code segment_make_aside(
	struct segments *g, uint32_t id, int *fd, struct err *err)
{
	char *path;
	enum err_code rc;

	if ((rc = room_for(g, segment_number(id), err)))
		return rc;
	if (!(path = path_of(g, id, ASIDE)))
		return err_nomem(err);
	*fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (*fd < 0)
		rc = err_sys(err, "make %s", path);
	free(path);
	return rc;
}

enum err_code segment_close_aside(
	struct segments *g, int fd, uint32_t id, uint32_t end, struct err *err)
{
	struct segment_head head = {.id = id, .end = end};
	struct segment_head old;
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	enum err_code rc;

	if ((rc = read_head(g,
		     segment_id(segment_number(id), segment_packs(id) - 1),
		     &old, err)))
		return rc;
	head.prev_end = old.prev_end;
	memcpy(head.store, g->store, STORE_ID_SIZE);
	segment_head_write(&head, bytes);
	if ((rc = file_write_at(fd, 0, bytes, sizeof(bytes), err)))
		return rc;
	return file_sync_data(fd, g->dir, err);
}

void segment_drop_aside(struct segments *g, uint32_t id)
{
	char *path = path_of(g, id, ASIDE);

	/* Otherwise the next writer does it. */
	if (path)
		unlink(path);
	free(path);
}

enum err_code segment_replace(
	struct segments *g, uint32_t id, bool *unknown, struct err *err)
{
	char *aside = path_of(g, id, ASIDE);
	char *path = segment_path(g, id);
	enum err_code rc = ERR_OK;

	if (!aside || !path)
		rc = err_nomem(err);
	else if (rename(aside, path) < 0)
		rc = err_sys(err, "rename %s", aside);
	else
		*unknown = (rc = file_sync_dir(g->dir, err)) != ERR_OK;
	if (!rc || *unknown)
		set_now(g, id);
	free(aside);
	free(path);
	return rc;
}

struct removal {
	struct segments *g;
	enum segments_removal how;
	bool removed;
};

static enum err_code overwrite(struct segments *g, uint32_t id, struct err *err)
{
	uint64_t size;
	enum err_code rc;
	int fd = -1;

	if ((rc = segment_size(g, id, &size, err)) ||
		(rc = open_file(g, id, O_RDWR, &fd, err)))
		return rc;
	if (!(rc = write_zeros(fd, 0, size, err)))
		rc = file_sync_data(fd, g->dir, err);
	close(fd);
	return rc;
}

static enum err_code remove_old(
	void *arg, uint32_t id, const char *name, struct err *err)
{
	struct removal *r = arg;
	enum err_code rc = ERR_OK;
	char *path;

	if (id == segment_now(r->g, segment_number(id)))
		return ERR_OK;
	if (!(path = file_join(r->g->dir, name)))
		return err_nomem(err);
	if (r->how == SEGMENTS_OVERWRITE)
		rc = overwrite(r->g, id, err);
	/* Both the writer and who packs remove. */
	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	else if (!rc && unlink(path) < 0 && errno != ENOENT)
		rc = err_sys(err, "remove %s", path);
	r->removed = true;
	free(path);
	return rc;
}

enum err_code segments_remove_old(
	struct segments *g, enum segments_removal how, struct err *err)
{
	struct removal r = {.g = g, .how = how};
	enum err_code rc = each_file(g, remove_old, &r, err);

	if (!rc && r.removed)
		rc = file_sync_dir(g->dir, err);
	return rc;
}
