/* block.c - from a place in the segments to decoded rows. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"

#define PARTS_BITS 8
#define PARTS_SLOTS ((size_t)1 << PARTS_BITS)
#define TEXT_SIZE 384 /* of an entry, about */

static enum err_code open_sealed(struct store *s, const struct item *it,
	const struct buf *payload, struct buf *out, struct err *err)
{
	uint8_t aad[ITEM_HEAD_LIMIT];
	size_t aad_len = item_aad(it, aad);
	struct seal_secret key;
	uint8_t *to;
	enum err_code rc;

	if (payload->len < SEAL_OVERHEAD)
		return err_set(err, ERR_CORRUPT, "sealed block of %zu bytes",
			payload->len);
	/* An erasure beside us drops keys first, and then what they open: no
	 * record is absent for that. */
	if ((rc = keyring_get(s->keyring, it->key, &key, err)))
		return rc == ERR_NOT_FOUND
			? err_while(err, ERR_CORRUPT, "keyring")
			: rc;
	if ((to = buf_reserve(out, payload->len))) {
		rc = seal_open(&key, aad, aad_len, payload->data, payload->len,
			to, err);
		if (!rc)
			out->len += payload->len - SEAL_OVERHEAD;
	} else {
		rc = err_nomem(err);
	}
	seal_secret_wipe(&key);
	return rc;
}

static enum err_code unpack(struct store *s, const struct item *it,
	const struct buf *payload, struct buf *plain, struct err *err)
{
	struct buf packed = BUF_EMPTY;
	const struct buf *from = payload;
	enum err_code rc = ERR_OK;

	switch (it->suite) {
	case SUITE_RAW:
		buf_add(plain, payload->data, payload->len);
		return buf_ok(plain, err);
	case SUITE_SEALED:
		if ((rc = open_sealed(s, it, payload, &packed, err)))
			goto out;
		from = &packed;
		break;
	case SUITE_ZSTD:
		break;
	}
	rc = block_decompress(s->packers, from->data, from->len,
		ITEM_PLAIN_LIMIT, plain, err);
	if (!rc && plain->len != it->plain_len)
		rc = err_set(err, ERR_CORRUPT,
			"block of %zu bytes says it has %" PRIu32, plain->len,
			it->plain_len);
out:
	buf_free(&packed);
	return rc;
}

enum err_code block_plain(struct store *s, struct place at, struct item *head,
	struct buf *plain, struct err *err)
{
	struct buf payload = BUF_EMPTY;
	enum err_code rc;

	if (!(rc = segment_item(s->segments, at, head, &payload, err)))
		rc = segment_while(
			err, unpack(s, head, &payload, plain, err), at);
	buf_free(&payload);
	return rc;
}

/* A fresh block of the kind with its item's plain bytes. */
static enum err_code load(struct store *s, struct place at,
	enum block_kind kind, struct block **out, struct err *err)
{
	struct block *b = block_new(kind, at);
	enum err_code rc;

	if (!b)
		return err_nomem(err);
	if ((rc = block_plain(s, at, &b->head, &b->plain, err))) {
		block_unpin(b);
		return rc;
	}
	b->bytes = sizeof(*b) + b->plain.cap;
	*out = b;
	return ERR_OK;
}

static enum err_code wrong_kind(struct err *err, struct place at)
{
	return segment_while(err,
		err_set(err, ERR_CORRUPT, "another item than was looked for"),
		at);
}

/* ---- a group that lost its directory ---- */

struct directory_again {
	struct directory *d;
	size_t block_cap, run_cap;
};

static enum err_code list_again(
	void *arg, struct place at, const struct item *it, struct err *err)
{
	struct directory_again *a = arg;
	struct directory *d = a->d;

	if (it->kind == ITEM_ENTRIES || it->kind == ITEM_PROVED) {
		if (!grow(&d->runs, &a->run_cap, d->run_count,
			    sizeof(*d->runs)))
			return err_nomem(err);
		d->runs[d->run_count++] = (struct arrival_run){
			it->log, it->first, it->count, false};
	}
	return directory_add(d, &a->block_cap, it, at.offset, err);
}

static void no_damage(
	void *arg, struct place at, uint64_t len, const char *what)
{
	(void)arg;
	(void)at;
	(void)len;
	(void)what;
}

/* The heads of the blocks tell what the directory told. */
static enum err_code directory_again(
	struct store *s, struct place at, struct directory *d, struct err *err)
{
	struct groups g = {.segments = s->segments, .damage = no_damage};
	struct directory_again a = {.d = d};
	const struct group_at *of = NULL;
	struct extent known;
	enum err_code rc;

	g.known = extent_look(s, &known);
	if ((rc = groups_scan(&g, at.segment, 0, err)))
		goto out;
	for (size_t i = 0; i < g.count && !of; i++)
		if (g.at[i].commit == at.offset && g.at[i].damaged)
			of = &g.at[i];
	if (!of)
		rc = wrong_kind(err, at);
	else
		rc = segment_walk(s->segments, at.segment, of->start,
			of->commit, list_again, NULL, &a, err);
	directory_sort(d);
out:
	groups_free(&g);
	return rc;
}

static enum err_code load_directory(
	struct store *s, struct place at, struct block **out, struct err *err)
{
	enum err_code rc = load(s, at, BLOCK_DIRECTORY, out, err);

	if (!rc && (*out)->head.kind == ITEM_COMMIT)
		rc = segment_while(err,
			directory_parse((*out)->plain.data, (*out)->plain.len,
				&(*out)->directory, err),
			at);
	else if (!rc)
		rc = wrong_kind(err, at);
	if (rc != ERR_CORRUPT)
		return rc;
	if (!*out && !(*out = block_new(BLOCK_DIRECTORY, at)))
		return err_nomem(err);
	return directory_again(s, at, &(*out)->directory, NULL) ? rc : ERR_OK;
}

enum err_code block_directory(const struct view *v, struct place at,
	struct block **out, struct err *err)
{
	struct block *b = cache_get(v->s->cache, at);
	enum err_code rc;

	if (b && b->kind == BLOCK_DIRECTORY) {
		*out = b;
		return ERR_OK;
	}
	block_unpin(b);
	b = NULL;
	if ((rc = load_directory(v->s, at, &b, err))) {
		block_unpin(b);
		return rc;
	}
	b->bytes += b->directory.block_count * sizeof(*b->directory.blocks) +
		b->directory.run_count * sizeof(*b->directory.runs) +
		b->directory.hash_count * sizeof(*b->directory.hashes);
	cache_put(v->s->cache, b);
	*out = b;
	return ERR_OK;
}

enum err_code block_now(const struct view *v, struct place at,
	struct place *out, struct err *err)
{
	struct key k = key_of_place(at);
	struct place now;
	struct bytes value;
	struct cursor c;
	enum err_code rc;

	rc = index_get(v->txn, DB_MOVED, key_bytes(&k), &value, err);
	if (rc == ERR_NOT_FOUND) {
		*out = at;
		return ERR_OK;
	}
	if (rc)
		return rc;
	c = value_cursor(value);
	now.segment = cursor_u32(&c);
	now.offset = cursor_u64(&c);
	if (!cursor_done(&c))
		return row_corrupt(err, "moved blocks");
	*out = now;
	return ERR_OK;
}

static enum err_code parse_parts(struct block *b, struct err *err)
{
	size_t room = b->head.count;

	if (b->head.kind != ITEM_PARTS)
		return wrong_kind(err, b->at);
	if (room > BLOCK_ROWS_LIMIT)
		return err_set(err, ERR_CORRUPT, "block of %zu parts", room);
	if (!(b->parts = calloc(room + 1, sizeof(*b->parts))))
		return err_nomem(err);
	b->bytes += room * sizeof(*b->parts);
	return parts_block_read(
		b->plain.data, b->plain.len, b->parts, room, &b->count, err);
}

static enum err_code load_parts(
	struct store *s, struct place at, struct block **out, struct err *err)
{
	struct block *b = NULL;
	enum err_code rc;

	if ((rc = load(s, at, BLOCK_PARTS, &b, err)))
		return rc;
	if ((rc = segment_while(err, parse_parts(b, err), at)))
		block_unpin(b);
	else
		*out = b;
	return rc;
}

enum err_code block_digested(const struct view *v, struct place at,
	struct block **out, struct err *err)
{
	struct block *b = NULL;
	enum err_code rc;

	if ((rc = load_parts(v->s, at, &b, err)))
		return rc;
	for (size_t i = 0; i < b->count && !rc; i++) {
		struct part_row *row = &b->parts[i];

		if (!row->erased)
			rc = part_digest(row->part.seed, b->head.label,
				row->part.json, row->part.len, &row->digest,
				err);
		row->part = (struct part){.json = NULL};
	}
	buf_wipe(&b->plain);
	b->digested = true;
	if (rc)
		block_unpin(b);
	else
		*out = b;
	return rc;
}

static struct block *held_find(const struct held *h, struct place at)
{
	size_t lo = 0;
	size_t hi = h ? h->count : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct place *p = &h->blocks[mid]->at;

		if (place_equal(*p, at))
			return h->blocks[mid];
		if (place_before(*p, at))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum err_code block_parts(const struct view *v, struct place at,
	struct block **out, struct err *err)
{
	struct block *b;
	enum err_code rc;

	if ((rc = block_now(v, at, &at, err)))
		return rc;
	if ((b = held_find(v->held, at))) {
		*out = block_pin(b);
		return ERR_OK;
	}
	b = cache_get(v->s->cache, at);
	if (b && b->kind == BLOCK_PARTS) {
		*out = b;
		return ERR_OK;
	}
	block_unpin(b);
	if ((rc = load_parts(v->s, at, &b, err)))
		return rc;
	cache_put(v->s->cache, b);
	*out = b;
	return ERR_OK;
}

struct place block_of_part(const struct block *directory, uint32_t log,
	const struct block_entry *e, uint8_t label, uint64_t seq)
{
	const struct directory_block *b = directory_find(&directory->directory,
		log, e->series, e->series_len, label, seq);

	if (!b)
		return (struct place){0, 0};
	return (struct place){directory->at.segment, b->offset};
}

const struct part_row *part_find(const struct block *parts, uint64_t seq)
{
	size_t lo = 0;
	size_t hi = parts->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (parts->parts[mid].seq == seq)
			return &parts->parts[mid];
		if (parts->parts[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The name of the series in an entry's text, or in what a stub keeps of it:
 * no value in an entry has a quote in it. */
static bool series_in(
	const char *text, size_t len, const char **series, size_t *series_len)
{
	static const char member[] = ",\"series\":\"";
	const char *at = memmem(text, len, member, sizeof(member) - 1);
	const char *end;

	if (!at)
		return false;
	at += sizeof(member) - 1;
	end = memchr(at, '"', len - (size_t)(at - text));
	if (!end)
		return false;
	*series = at;
	*series_len = (size_t)(end - at);
	return true;
}

/* Entries on their way from stubs to texts. */
struct rebuild {
	const struct view *v;
	struct block *b;
	const struct block *directory;
	struct made_entries *made;
	/* Blocks of parts in use, each at the slot of its place: rows of a
	 * block of entries lie in some dozens, by turns. */
	struct block *parts[PARTS_SLOTS];
	struct place parts_at[PARTS_SLOTS];
};

/* As written, not where it may have been moved to. */
static enum err_code parts_of(struct rebuild *r, struct place at,
	const struct block **out, struct err *err)
{
	size_t slot = (size_t)((at.offset * UINT64_C(0x9e3779b97f4a7c15)) >>
		(64 - PARTS_BITS));
	enum err_code rc;

	if (!r->parts[slot] || !place_equal(at, r->parts_at[slot])) {
		block_unpin(r->parts[slot]);
		r->parts[slot] = NULL;
		if ((rc = block_parts(r->v, at, &r->parts[slot], err)))
			return rc;
		r->parts_at[slot] = at;
	}
	*out = r->parts[slot];
	return ERR_OK;
}

static enum err_code part_digest_at(struct rebuild *r,
	const struct block_entry *e, uint8_t label, uint64_t seq,
	struct digest *out, struct err *err)
{
	struct place at =
		block_of_part(r->directory, r->b->head.log, e, label, seq);
	const struct part_row *row;
	const struct block *parts;
	enum err_code rc;

	if (!at.segment)
		return err_set(err, ERR_CORRUPT, "the %s part is missing",
			label_name(label));
	if ((rc = parts_of(r, at, &parts, err)))
		return rc;
	if (!(row = part_find(parts, seq)))
		return err_set(err, ERR_CORRUPT, "the %s part is missing",
			label_name(label));
	if (row->erased || parts->digested) {
		*out = row->digest;
		return ERR_OK;
	}
	return part_digest(
		row->part.seed, label, row->part.json, row->part.len, out, err);
}

bool is_damage(enum err_code rc)
{
	return rc == ERR_CORRUPT || rc == ERR_NOT_FOUND || rc == ERR_ERASED ||
		rc == ERR_INVALID || rc == ERR_PROTOCOL || rc == ERR_LIMIT;
}

enum err_code entry_damaged(uint32_t log, uint64_t seq,
	const struct block_entry *e, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"segment %s at %" PRIu64
		": the block is damaged that entry %" PRIu64 " of log %" PRIu32
		" needs",
		segment_name(e->damage.segment).text, e->damage.offset, seq,
		log);
}

/* Where the part's block is now; of what is no place, the entries' own. */
static void set_damage(
	struct rebuild *r, struct block_entry *e, int label, uint64_t seq)
{
	struct place at = {0, 0};

	if (label >= 0)
		at = block_of_part(
			r->directory, r->b->head.log, e, (uint8_t)label, seq);
	/* What stands for digests nobody knows still makes an entry. */
	for (uint8_t l = 0; l < LABEL_COUNT; l++)
		e->digest[l] = (struct digest){{l}};
	e->damaged = true;
	e->damage = r->b->at;
	if (at.segment && block_now(r->v, at, &e->damage, NULL))
		e->damage = at;
}

/* An entry whose parts cannot be read does not take the others with it. */
static enum err_code rebuild_one(
	struct rebuild *r, size_t i, struct block_entry *e, struct err *err)
{
	const struct entry_stub *stub = &r->b->stubs[i];
	uint64_t seq = r->b->head.first + i;
	size_t start = r->made->texts.len;
	enum err_code rc = ERR_OK;

	e->computed = stub->computed;
	if (!series_in(stub->tail, stub->tail_len, &e->series, &e->series_len))
		return err_set(err, ERR_CORRUPT, "the entry has no series");
	for (uint8_t l = 0; l < LABEL_COUNT && !e->damaged; l++) {
		if (!(stub->computed & LABEL_BIT(l)))
			continue;
		rc = part_digest_at(r, e, l, seq, &e->digest[l], err);
		if (is_damage(rc))
			set_damage(r, e, l, seq);
		else if (rc)
			return rc;
	}
	rc = entry_rebuild(stub, e->digest, &r->made->texts, &e->leaf, err);
	if (rc == ERR_CORRUPT && !e->damaged)
		set_damage(r, e, -1, seq);
	e->len = r->made->texts.len - start;
	return e->damaged && rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* Those of its entries that are damaged were mended. */
static bool damage_closed(const struct view *v, const struct block *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i] && b->entries[i]->damaged &&
			!place_closed(v, b->entries[i]->damage))
			return false;
	return true;
}

/* The block keeps what was made; the texts moved while they grew. */
static void keep_made(struct rebuild *r, size_t from, size_t count)
{
	struct made_entries *made = r->made;
	struct block *b = r->b;
	const char *at = (const char *)made->texts.data;
	struct block_entry *e = made->entries;
	bool damaged = false;

	for (size_t i = from; i < from + count; i++) {
		const struct entry_stub *stub = &b->stubs[i];

		if (b->entries[i])
			continue;
		e->text = at;
		at += e->len;
		e->series = at - stub->tail_len + (e->series - stub->tail);
		b->damaged += e->damaged;
		damaged |= e->damaged;
		b->entries[i] = e++;
	}
	made->below = b->made;
	b->made = made;
	r->made = NULL;
	/* What looks damaged may be what an erasure beside us moved. */
	if (damaged && !damage_closed(r->v, b))
		cache_drop(r->v->s->cache, b);
}

static size_t count_unmade(const struct block *b, size_t from, size_t count)
{
	size_t n = 0;

	for (size_t i = from; i < from + count; i++)
		n += !b->entries[i];
	return n;
}

static enum err_code make_entries(
	struct rebuild *r, size_t from, size_t count, struct err *err)
{
	struct block *b = r->b;
	size_t unmade = count_unmade(b, from, count);
	size_t bytes = sizeof(struct made_entries) +
		unmade * (sizeof(struct block_entry) + TEXT_SIZE);
	struct block *directory;
	struct block_entry *e;
	enum err_code rc;

	if ((rc = block_directory(r->v, b->commit, &directory, err)))
		return rc;
	r->directory = directory;
	r->made = made_entries_new(unmade);
	if (!r->made || !buf_reserve(&r->made->texts, unmade * TEXT_SIZE))
		rc = err_nomem(err);
	e = r->made ? r->made->entries : NULL;
	for (size_t i = from; i < from + count && !rc; i++)
		if (!b->entries[i] && (rc = rebuild_one(r, i, e++, err)))
			rc = err_while(err, rc,
				"log %" PRIu32 " entry %" PRIu64, b->head.log,
				b->head.first + i);
	if (!rc) {
		keep_made(r, from, count);
		cache_grew(r->v->s->cache, b, bytes);
	}
	for (size_t i = 0; i < PARTS_SLOTS; i++)
		block_unpin(r->parts[i]);
	block_unpin(directory);
	made_entries_free(r->made);
	return rc;
}

enum err_code block_make(const struct view *v, struct block *b, size_t from,
	size_t count, struct err *err)
{
	struct rebuild r = {.v = v, .b = b};
	enum err_code rc = ERR_OK;

	if (from >= b->count || count > b->count - from)
		return row_corrupt(err, "entries");
	pthread_mutex_lock(&b->lock);
	for (; count && b->entries[from]; count--)
		from++;
	if (count)
		rc = make_entries(&r, from, count, err);
	pthread_mutex_unlock(&b->lock);
	return segment_while(err, rc, b->at);
}

enum err_code block_entry(const struct view *v, const struct entry_place *at,
	uint64_t seq, struct block **block, const struct block_entry **out,
	struct err *err)
{
	struct block *b;
	size_t i;
	enum err_code rc;

	if ((rc = block_entries(v, at->block, at->commit, &b, err)))
		return rc;
	i = (size_t)(seq - b->head.first);
	if ((rc = block_make(v, b, i, 1, err))) {
		block_unpin(b);
		return rc;
	}
	*block = b;
	*out = b->entries[i];
	return ERR_OK;
}

enum err_code block_made(const struct view *v, struct place at,
	struct place commit, struct block **out, struct err *err)
{
	struct block *b = NULL;
	enum err_code rc = block_entries(v, at, commit, &b, err);

	if (!rc && (rc = block_make(v, b, 0, b->count, err)))
		block_unpin(b);
	if (!rc)
		*out = b;
	return rc;
}

bool block_series(const struct block *b, size_t i, const char **series,
	size_t *series_len)
{
	return series_in(
		b->stubs[i].tail, b->stubs[i].tail_len, series, series_len);
}

bool block_rev(const struct block *b, size_t i, uint64_t *rev)
{
	static const char member[] = ",\"rev\":";
	static const char sealed[] = ",\"series\":\"" SERIES_SEALED "\"";
	const struct entry_stub *stub = &b->stubs[i];
	const char *end = stub->tail + stub->tail_len;
	const char *at =
		memmem(stub->tail, stub->tail_len, member, sizeof(member) - 1);
	const char *comma;

	/* A sealed one does not tell. */
	if (!at) {
		*rev = 1;
		return memmem(stub->tail, stub->tail_len, sealed,
			       sizeof(sealed) - 1) != NULL;
	}
	at += sizeof(member) - 1;
	comma = memchr(at, ',', (size_t)(end - at));
	return comma && number_parse(at, (size_t)(comma - at), REV_LIMIT, rev);
}

static enum err_code read_stubs(
	struct block *b, const void *plain, size_t len, struct err *err)
{
	size_t room = b->head.count;
	enum err_code rc;

	if (room > BLOCK_ROWS_LIMIT)
		return err_set(err, ERR_CORRUPT, "block of %zu entries", room);
	b->stubs = calloc(room + 1, sizeof(*b->stubs));
	b->entries = calloc(room + 1, sizeof(*b->entries));
	if (!b->stubs || !b->entries)
		return err_nomem(err);
	b->bytes += room * (sizeof(*b->stubs) + sizeof(*b->entries));
	rc = entries_block_read(plain, len, b->stubs, room, &b->count, err);
	if (!rc &&
		(b->count != room || b->head.last - b->head.first + 1 != room))
		rc = err_set(err, ERR_CORRUPT,
			"block of %zu entries says it has %zu", b->count, room);
	return rc;
}

/* A proved entry's plain bytes: u32 length, block of one, proof. */
static enum err_code split_proved(
	struct block *b, const uint8_t **plain, size_t *len, struct err *err)
{
	struct cursor c = cursor_over(b->plain.data, b->plain.len);

	*len = cursor_u32(&c);
	*plain = cursor_bytes(&c, *len);
	if (!cursor_ok(&c) || b->head.count != 1)
		return err_set(err, ERR_CORRUPT, "proved entry is malformed");
	b->proof = c.at;
	b->proof_len = c.left;
	return ERR_OK;
}

static enum err_code parse_entries(struct block *b, struct err *err)
{
	const uint8_t *plain = b->plain.data;
	size_t len = b->plain.len;
	enum err_code rc = ERR_OK;

	if (b->head.kind == ITEM_PROVED)
		rc = split_proved(b, &plain, &len, err);
	else if (b->head.kind != ITEM_ENTRIES && b->head.kind != ITEM_MENDED)
		rc = wrong_kind(err, b->at);
	return rc ? rc : read_stubs(b, plain, len, err);
}

enum err_code block_entries(const struct view *v, struct place at,
	struct place commit, struct block **out, struct err *err)
{
	struct block *b = cache_get(v->s->cache, at);
	enum err_code rc;

	if (b && b->kind == BLOCK_ENTRIES) {
		*out = b;
		return ERR_OK;
	}
	block_unpin(b);
	b = NULL;
	if (commit.offset == PLACE_LOST)
		return segment_while(err,
			err_set(err, ERR_CORRUPT,
				"entries stood here, and no block can be read"),
			at);
	if ((rc = load(v->s, at, BLOCK_ENTRIES, &b, err)))
		return rc;
	b->commit = commit;
	if ((rc = segment_while(err, parse_entries(b, err), at))) {
		block_unpin(b);
		return rc;
	}
	if (!v->held)
		cache_put(v->s->cache, b);
	*out = b;
	return ERR_OK;
}
