/* damage.c - what was here and is not: told, remembered, and not written over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/batch.h"

#define DAMAGES_LIMIT 1000

void damage_tell(struct store *s, const char *where, const char *what)
{
	struct damage *d;

	if (s->damage_count == DAMAGES_LIMIT ||
		!grow(&s->damages, &s->damage_cap, s->damage_count,
			sizeof(*s->damages)))
		return; /* fsck tells of all */
	d = &s->damages[s->damage_count++];
	d->at = (struct place){0, 0};
	snprintf(d->where, sizeof(d->where), "%s", where);
	snprintf(d->what, sizeof(d->what), "%s", what);
}

void damage_where(struct place at, char out[DAMAGE_WHERE_SIZE])
{
	snprintf(out, DAMAGE_WHERE_SIZE, "segments/%s.seg at %" PRIu64,
		segment_name(at.segment).text, at.offset);
}

void damage_tell_at(struct store *s, struct place at, const char *what)
{
	char where[DAMAGE_WHERE_SIZE];
	size_t before;

	damage_where(at, where);
	before = s->damage_count;
	damage_tell(s, where, what);
	if (s->damage_count > before)
		s->damages[before].at = at;
}

enum err_code damage_forget_closed(struct store *s, struct err *err)
{
	size_t kept = 0;
	struct view v;
	enum err_code rc;

	if (!s->damage_count)
		return ERR_OK;
	if ((rc = view_open(s, &v, err)))
		return rc;
	for (size_t i = 0; i < s->damage_count; i++)
		if (!s->damages[i].at.segment ||
			!place_closed(&v, s->damages[i].at))
			s->damages[kept++] = s->damages[i];
	s->damage_count = kept;
	view_close(&v);
	return ERR_OK;
}

enum err_code store_damage_each(
	struct store *s, store_damage_visit *visit, void *arg, struct err *err)
{
	struct view v;
	enum err_code rc;

	if (!s->damage_count)
		return ERR_OK;
	if ((rc = view_open(s, &v, err)))
		return rc;
	for (size_t i = 0; i < s->damage_count && !rc; i++)
		if (!s->damages[i].at.segment ||
			!place_closed(&v, s->damages[i].at))
			rc = visit(arg, s->damages[i].where, s->damages[i].what,
				err);
	view_close(&v);
	return rc;
}

/* ---- the own log ---- */

bool store_log_cut(const struct store *s, struct log_cut *out)
{
	if (!s->cut.origin[0])
		return false;
	if (out)
		*out = s->cut;
	return true;
}

static enum err_code refuse(const struct log_cut *c, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"log %s had %" PRIu64 " entries and %" PRIu64
		" are left: it cannot go on under this epoch",
		c->origin, c->had, c->left);
}

enum err_code damage_check_log(
	struct store *s, const struct log_row *row, struct err *err)
{
	if (s->cut.origin[0] && strcmp(row->origin, s->cut.origin) == 0)
		return refuse(&s->cut, err);
	if (row->lost)
		return err_set(err, ERR_CORRUPT,
			"log %s: the end of its tree went with damaged blocks",
			row->origin);
	return ERR_OK;
}

enum err_code damage_check_new(
	struct store *s, const char *origin, struct err *err)
{
	if (s->cut.origin[0] && strcmp(origin, s->cut.origin) == 0)
		return refuse(&s->cut, err);
	return ERR_OK;
}

/* The newest entry as it was acknowledged: block, parts and commit item. */
static bool newest_reads(const struct view *v, const struct log_row *row)
{
	uint64_t newest = row->edge.size - 1;
	const struct block_entry *e;
	struct entry_place at;
	struct block *b;
	bool reads;

	if (!row->edge.size)
		return true;
	if (entry_locate(v, row->id, newest, &at, NULL) ||
		block_entry(v, &at, newest, &b, &e, NULL))
		return false;
	reads = !e->damaged;
	block_unpin(b);
	return reads;
}

static void set_cut(
	struct store *s, const char *origin, uint64_t had, uint64_t left)
{
	snprintf(s->cut.origin, sizeof(s->cut.origin), "%s", origin);
	s->cut.had = had;
	s->cut.left = left;
}

/* Entries that were acknowledged and stand at the log's end are gone: whoever
 * wrote on would give their numbers, or the root over them, another meaning.
 * Damage further back leaves the log as it is. */
static enum err_code look_at_own(struct store *s, const struct view *v,
	uint32_t own, bool was_cut, struct err *err)
{
	const struct extent *e = &s->extent;
	struct log_row row = {.id = 0};
	bool same;
	enum err_code rc;

	if (own && (rc = log_get(v, own, &row, err)))
		return rc;
	same = s->extent_known && strcmp(e->own, row.origin) == 0;
	if (!own && s->extent_known && e->own[0])
		set_cut(s, e->own, e->own_size, 0);
	else if (own && same && row.edge.size < e->own_size)
		set_cut(s, row.origin, e->own_size, row.edge.size);
	else if (own && row.lost)
		set_cut(s, row.origin, row.edge.size, 0);
	else if (own &&
		(was_cut ||
			(s->torn && s->damage_count && !newest_reads(v, &row))))
		set_cut(s, row.origin, row.edge.size, 0);
	else
		return ERR_OK;
	/* How many of them can be read is for fsck to count. */
	if (!s->cut.left)
		s->cut.left = row.lost ? 0 : row.size[NOTE_COSIGNED];
	return ERR_OK;
}

/* Another own log may have begun before DATA/extent told of it. */
static enum err_code look_at_extent_own(
	struct store *s, const struct view *v, struct err *err)
{
	struct log_row row;
	enum err_code rc;

	if (!s->extent_known || !s->extent.own[0])
		return ERR_OK;
	rc = log_find(v, s->extent.own, &row, err);
	if (rc == ERR_NOT_FOUND) {
		set_cut(s, s->extent.own, s->extent.own_size, 0);
		return ERR_OK;
	}
	return rc;
}

static bool keys_missing(struct store *s, uint64_t *last)
{
	uint64_t next = s->extent_known ? s->extent.next_key : 0;

	return keyring_short(s->keyring, next, last);
}

enum err_code damage_check_keys(struct store *s, struct err *err)
{
	uint64_t last;

	if (s->opt.rebuild_index || !keys_missing(s, &last))
		return ERR_OK;
	return err_set(err, ERR_CORRUPT,
		"%s/keyring lost its keys behind %" PRIu64
		"; nothing was deleted: put the newest backup of keyring and "
		"keys/master back, or go on without those keys: "
		"cundang fsck --rebuild",
		s->data, last);
}

/* Who goes on without them does so for good: a copy from before, put back
 * later, is told from a keyring that is whole. */
static enum err_code look_at_keys(struct store *s, struct err *err)
{
	struct err told;
	uint64_t last;

	if (!keys_missing(s, &last))
		return ERR_OK;
	(void)err_set(&told, ERR_CORRUPT,
		"the keys behind %" PRIu64 " are missing at its end", last);
	damage_tell(s, "keyring", told.text);
	return s->mode == STORE_WRITE
		? keyring_forgo(s->keyring, s->extent.next_key, err)
		: ERR_OK;
}

static void look_at_files(struct store *s)
{
	struct err told;
	uint64_t size;

	for (uint32_t n = 1; n <= segments_count(s->segments); n++) {
		struct place at = {segment_now(s->segments, n), 0};

		if (segment_size(s->segments, at.segment, &size, NULL) !=
			ERR_NOT_FOUND)
			continue;
		(void)err_set(&told, ERR_CORRUPT, "the file is gone");
		damage_tell_at(s, at, told.text);
	}
}

enum err_code damage_look(struct store *s, struct err *err)
{
	uint64_t own, cut;
	struct err told;
	struct view v;
	enum err_code rc;

	if (s->extent_bad) {
		(void)err_set(&told, ERR_CORRUPT, "it cannot be read");
		damage_tell(s, "extent", told.text);
	}
	if ((rc = look_at_keys(s, err)))
		return rc;
	if (!s->damage_count)
		look_at_files(s);
	if ((rc = view_open(s, &v, err)))
		return rc;
	if (!(rc = meta_get_u64(v.txn, "own", &own, err)) &&
		!(rc = meta_get_u64(v.txn, "cut", &cut, err)) &&
		!(rc = look_at_extent_own(s, &v, err)))
		rc = look_at_own(s, &v, (uint32_t)own, own && cut == own, err);
	view_close(&v);
	return rc;
}

/* ---- DATA/extent ---- */

const struct extent *extent_look(struct store *s, struct extent *out)
{
	bool known;

	pthread_mutex_lock(&s->extent_lock);
	*out = s->extent;
	known = s->extent_known;
	pthread_mutex_unlock(&s->extent_lock);
	return known ? out : NULL;
}

/* Also where it was taken away, or another was put in its place. */
static bool open_extent(struct store *s)
{
	struct stat st;

	if (s->extent_fd >= 0 && !fstat(s->extent_fd, &st) && st.st_nlink)
		return true;
	if (s->extent_fd >= 0)
		close(s->extent_fd);
	s->extent_fd = -1;
	return !extent_open(s->data, &s->extent_fd, NULL);
}

void extent_follow(struct store *s)
{
	struct extent now = s->extent;
	struct extent *e = &now;
	struct log_row row;
	struct view v;
	uint64_t own;
	bool written;

	memcpy(e->store, segments_store_id(s->segments), STORE_ID_SIZE);
	e->segment = segments_count(s->segments);
	e->end = s->end;
	e->next_key = keyring_next(s->keyring);
	if (view_open(s, &v, NULL))
		return;
	if (!arrival_newest(v.txn, &own, NULL) && own > e->arrivals)
		e->arrivals = own;
	if (index_count(v.txn, DB_ERASED) > e->marks)
		e->marks = index_count(v.txn, DB_ERASED);
	/* Of a log that was cut, what it had stays. */
	if (!meta_get_u64(v.txn, "own", &own, NULL) && own &&
		!log_get(&v, (uint32_t)own, &row, NULL) &&
		strcmp(row.origin, s->cut.origin) != 0) {
		memcpy(e->own, row.origin, sizeof(e->own));
		e->own_size = row.edge.size;
	}
	view_close(&v);
	/* It is a lower bound: without room it is one of before. */
	written = open_extent(s) && !extent_write(s->extent_fd, e, NULL);
	pthread_mutex_lock(&s->extent_lock);
	s->extent = now;
	s->extent_known |= written;
	pthread_mutex_unlock(&s->extent_lock);
}
