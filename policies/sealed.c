/* sealed.c - records of sealed series: into the message, and out of it. */
#include "policies/sealed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/merge.h"
#include "policies/nodefile.h"
#include "policies/point.h"
#include "policies/rules.h"

/* Sizes of plaintexts: a power of two, this at least. */
#define SIZE_LEAST ((size_t)4 << 10)
#define PAD_EMPTY "\"pad\":\"\""
#define SECRET_OF_IDS "cundang sealed ids"

void opened_free(struct opened *o)
{
	buf_wipe(&o->text);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_wipe(&o->part[i]);
	*o = (struct opened){.text = BUF_EMPTY};
}

/* ---- out of the message ---- */

static bool copy_text(
	const struct json *v, const char *name, char *out, size_t size)
{
	size_t len = 0;
	const char *s = json_string(json_get(v, name), &len);

	if (!s || len >= size)
		return false;
	memcpy(out, s, len + 1);
	return true;
}

static bool read_head(
	const struct entry *outer, const struct json *v, struct entry *e)
{
	const char *of = json_get_string(v, "sealed");

	e->sd_count = 0;
	memcpy(e->iss, outer->iss, sizeof(e->iss));
	return of && !strcmp(of, outer->id) &&
		copy_text(v, "series", e->series, sizeof(e->series)) &&
		copy_text(v, "id", e->id, sizeof(e->id)) &&
		uuid_parse(e->id, strlen(e->id), e->uuid) &&
		copy_text(v, "node", e->node, sizeof(e->node)) &&
		copy_text(v, "at", e->at, sizeof(e->at)) &&
		json_get_u64(v, "rev", &e->rev);
}

static enum err_code read_part(struct opened *o, enum label label,
	const struct json *v, struct err *err)
{
	struct record *r = &o->record;
	struct buf *text = &o->part[label];
	enum err_code rc;

	if (json_kind(v) != JSON_KIND_OBJECT)
		return err_set(err, ERR_CORRUPT, "a part is not an object");
	if ((rc = json_write(v, text, err)) || (rc = buf_ok(text, err)))
		return rc;
	r->part[label] = (struct part){
		.json = (const char *)text->data, .len = text->len};
	r->have |= LABEL_BIT(label);
	/* Of seeds that are all zero: this entry stands in no log. */
	return part_digest(r->part[label].seed, label, r->part[label].json,
		text->len, &o->entry.sd[o->entry.sd_count++], err);
}

static enum err_code read_parts(
	struct opened *o, const struct json *v, struct err *err)
{
	const struct json *part;
	const char *name;
	void *walk = NULL;
	enum err_code rc = ERR_OK;

	while (!rc && json_next(v, &walk, &name, &part)) {
		enum label label;

		if (!label_parse(name, strlen(name), &label))
			rc = err_set(err, ERR_CORRUPT, "a part of no label");
		else
			rc = read_part(o, label, part, err);
	}
	return rc;
}

enum err_code sealed_parse(const struct entry *outer, const void *plain,
	size_t len, struct opened *out, struct err *err)
{
	struct opened o = {.text = BUF_EMPTY};
	struct json *v = NULL;
	enum err_code rc;

	rc = json_parse_canonical(plain, len, CMS_PLAIN_LIMIT, &v, err);
	if (!rc && !read_head(outer, v, &o.entry))
		rc = err_set(err, ERR_CORRUPT,
			"what is sealed is not of record %s", outer->id);
	if (rc || (rc = read_parts(&o, json_get(v, "parts"), err)) ||
		(rc = entry_write(&o.entry, &o.text, err)))
		goto out;
	o.record.entry = (const char *)o.text.data;
	o.record.entry_len = o.text.len;
	*out = o;
	o = (struct opened){.text = BUF_EMPTY};
out:
	if (rc && rc != ERR_NOMEM)
		rc = err_while(err, ERR_CORRUPT, "sealed record");
	json_free(v);
	opened_free(&o);
	return rc;
}

enum err_code sealed_open(const struct seal_key *key, const struct record *r,
	struct opened *out, struct err *err)
{
	const struct part *p = &r->part[LABEL_SENSITIVE];
	struct buf message = BUF_EMPTY, plain = BUF_EMPTY;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	if (!e.sealed || !(r->have & LABEL_BIT(LABEL_SENSITIVE)))
		return err_set(
			err, ERR_NOT_FOUND, "no sealed record: %s", e.id);
	if (!sealed_message(&e, p->json, p->len, &message))
		rc = err_set(err, ERR_CORRUPT,
			"record %s: its message is not the one that its entry "
			"names",
			e.id);
	if (!rc &&
		!(rc = cms_open(key, message.data, message.len, &plain, err)))
		rc = sealed_parse(&e, plain.data, plain.len, out, err);
	buf_free(&message);
	buf_wipe(&plain);
	return rc;
}

static enum err_code own_key(
	const struct node *n, struct seal_key **out, struct err *err)
{
	char *path = file_join(n->data, NODE_KEY_SEAL);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = seal_key_load(path, out, err);
	free(path);
	return rc;
}

static bool is_sealed(const struct record *r)
{
	static const char series[] = "\"series\":\"" SERIES_SEALED "\"}";
	const size_t len = sizeof(series) - 1;

	return r->entry_len > len &&
		!memcmp(r->entry + r->entry_len - len, series, len);
}

/* Whatever keeps it shut, the record is there all the same. */
const struct record *sealed_shown(
	struct node *n, const struct record *r, struct opened *room)
{
	struct seal_key *key = NULL;
	bool open;

	if (!is_sealed(r) || own_key(n, &key, NULL))
		return r;
	open = sealed_open(key, r, room, NULL) == ERR_OK;
	seal_key_free(key);
	return open ? &room->record : r;
}

static bool set_text(struct json *v, const char *name, const char *s)
{
	return json_set(v, name, json_new_text(s));
}

enum err_code opened_document(
	const struct opened *o, struct json **out, struct err *err)
{
	const struct entry *e = &o->entry;
	struct json *v = json_new_object(), *fields = NULL;
	enum err_code rc =
		merge_parts(NULL, &o->record, MERGE_ALL, &fields, err);

	if (!rc &&
		(!set_text(v, "series", e->series) ||
			!set_text(v, "id", e->id) ||
			!set_text(v, "node", e->node) ||
			!set_text(v, "created_at", e->at) ||
			!json_set(v, "rev", json_new_u64(e->rev))))
		rc = err_nomem(err);
	if (rc) {
		json_free(fields);
	} else if (!json_set(v, "fields", fields)) {
		rc = err_nomem(err);
	}
	if (rc)
		json_free(v);
	else
		*out = v;
	return rc;
}

/* ---- which records of ours are revisions of one ---- */

/* Ids that only this node can tell from others: nothing else is kept of which
 * records belong together. */
static void entry_id(const struct seal_secret *secret,
	const uint8_t id[UUID_SIZE], uint64_t rev, uint8_t out[UUID_SIZE])
{
	uint8_t text[UUID_SIZE + 8];
	struct hmac_key k;
	struct digest d;

	memcpy(text, id, UUID_SIZE);
	for (unsigned i = 0; i < 8; i++)
		text[UUID_SIZE + i] = (uint8_t)(rev >> (56 - 8 * i));
	hmac_init(&k, secret->b, sizeof(secret->b));
	d = hmac_of(&k, text, sizeof(text));
	hmac_fini(&k);
	memcpy(out, d.b, UUID_SIZE);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static enum err_code id_secret(
	const struct node *n, struct seal_secret *out, struct err *err)
{
	struct seal_key *key = NULL;
	enum err_code rc = own_key(n, &key, err);

	if (!rc)
		rc = seal_key_secret(key, SECRET_OF_IDS, out, err);
	seal_key_free(key);
	return rc;
}

struct looking {
	struct node *node;
	struct batch *batch; /* or NULL */
	struct sealed_place *out;
	bool found;
};

/* Of one that was entered again in a later epoch, the later. */
static enum err_code see(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct looking *l = arg;
	struct log_info info;
	enum err_code rc = store_log_by_id(l->node->store, log, &info, err);

	(void)rev;
	/* A log that this very batch began is ours. */
	if (rc == ERR_NOT_FOUND && l->batch)
		rc = batch_log_own(l->batch, &info, err);
	if (rc == ERR_OK && info.kind == LOG_OWN && info.id == log &&
		(!l->found || log > l->out->log.id)) {
		l->found = true;
		l->out->log = info;
		l->out->seq = seq;
	}
	return rc;
}

static enum err_code look(struct looking *l, const struct seal_secret *secret,
	const uint8_t uuid[UUID_SIZE], uint64_t rev, struct err *err)
{
	uint8_t id[UUID_SIZE];
	enum err_code rc;

	entry_id(secret, uuid, rev, id);
	l->found = false;
	rc = l->batch ? batch_find_id(l->batch, id, see, l, err)
		      : store_find_id(l->node->store, id, see, l, err);
	if (l->found) {
		l->out->rev = rev;
		memcpy(l->out->uuid, id, UUID_SIZE);
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code sealed_revision(struct node *n, struct batch *b,
	const uint8_t uuid[UUID_SIZE], uint64_t rev, struct sealed_place *out,
	struct err *err)
{
	struct looking l = {.node = n, .batch = b, .out = out};
	struct seal_secret secret;
	enum err_code rc = id_secret(n, &secret, err);

	out->rev = 0;
	if (!rc)
		rc = look(&l, &secret, uuid, rev, err);
	seal_secret_wipe(&secret);
	return rc;
}

enum err_code sealed_newest(struct node *n, struct batch *b,
	const uint8_t uuid[UUID_SIZE], struct sealed_place *out,
	struct err *err)
{
	struct looking l = {.node = n, .batch = b, .out = out, .found = true};
	struct seal_secret secret;
	enum err_code rc = id_secret(n, &secret, err);

	out->rev = 0;
	for (uint64_t rev = 1; !rc && l.found && rev <= REV_LIMIT; rev++)
		rc = look(&l, &secret, uuid, rev, err);
	seal_secret_wipe(&secret);
	return rc;
}

enum err_code sealed_find(struct node *n, const struct point *p,
	struct log_info *log, uint64_t *seq, struct err *err)
{
	struct sealed_place at = {.rev = 0};
	enum err_code rc = point_find(n->store, p, log, seq, err);

	if (rc != ERR_NOT_FOUND || p->kind != POINT_ID ||
		sealed_newest(n, NULL, p->uuid, &at, NULL) || !at.rev)
		return rc;
	*log = at.log;
	*seq = at.seq;
	return ERR_OK;
}

/* ---- into the message ---- */

static void write_plain(const struct sealed_draft *d, const struct entry *outer,
	struct buf *out)
{
	char before[UUID_TEXT_SIZE];
	const char *comma = "";

	buf_printf(out,
		"{\"at\":\"%s\",\"id\":\"%s\",\"node\":\"%s\"," PAD_EMPTY
		",\"parts\":{",
		d->entry.at, d->entry.id, d->entry.node);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		static const enum label order[LABEL_COUNT] = {LABEL_INTERNAL,
			LABEL_PERSONAL, LABEL_PUBLIC, LABEL_SENSITIVE};
		const struct part *p = &d->record->part[order[i]];

		if (!(d->record->have & LABEL_BIT(order[i])))
			continue;
		buf_printf(out, "%s\"%s\":", comma, label_name(order[i]));
		buf_add(out, p->json, p->len);
		comma = ",";
	}
	buf_str(out, "}");
	if (d->before) {
		uuid_format(d->before, before);
		buf_printf(out, ",\"prev\":\"%s\"", before);
	}
	buf_printf(out,
		",\"rev\":%" PRIu64 ",\"sealed\":\"%s\",\"series\":\"%s\"}",
		d->rev, outer->id, d->series->name);
}

/* Fills the empty pad, so that the length is that of a class. */
static enum err_code pad(struct buf *text, struct err *err)
{
	static const char empty[] = PAD_EMPTY;
	size_t size = SIZE_LEAST, more, at;
	uint8_t *hole;
	enum err_code rc;

	if ((rc = buf_ok(text, err)))
		return rc;
	while (size < text->len)
		size *= 2;
	if (size > CMS_PLAIN_LIMIT)
		return err_set(err, ERR_LIMIT,
			"sealed record of %zu bytes, limit %zu", text->len,
			CMS_PLAIN_LIMIT);
	more = size - text->len;
	hole = memmem(text->data, text->len, empty, sizeof(empty) - 1);
	at = (size_t)(hole - text->data) + sizeof(empty) - 2;
	if (!buf_reserve(text, more))
		return err_nomem(err);
	memmove(text->data + at + more, text->data + at, text->len - at);
	text->len += more;
	if ((rc = random_bytes(text->data + at, more, err)))
		return rc;
	for (size_t i = 0; i < more; i++)
		text->data[at + i] = (uint8_t)('a' + text->data[at + i] % 16);
	return ERR_OK;
}

static enum err_code seal_to(const struct sealed_draft *d, struct node *n,
	const struct buf *plain, struct buf *out, struct err *err)
{
	struct seal_public to[RULES_SEAL_TO_LIMIT + 1];
	struct seal_key *own = NULL;
	size_t count = 0;
	enum err_code rc;

	if ((rc = rules_seal_to(
		     d->rules, d->series, n->config.code, to, &count, err)) ||
		(rc = own_key(n, &own, err)))
		return rc;
	to[count++] = seal_key_own(own);
	seal_key_free(own);
	return cms_seal(to, count, plain->data, plain->len, out, err);
}

/* Who sees the entry learns the month. */
static void outer_head(const struct sealed_draft *d, struct entry *e)
{
	static const char first[] = "01T00:00:00+08:00";
	const size_t month = sizeof("2026-04-") - 1;

	*e = (struct entry){.sealed = true, .rev = 1, .sd_count = 1};
	memcpy(e->series, SERIES_SEALED, sizeof(SERIES_SEALED));
	memcpy(e->iss, d->entry.iss, sizeof(e->iss));
	memcpy(e->node, d->entry.node, sizeof(e->node));
	memcpy(e->at, d->entry.at, month);
	memcpy(e->at + month, first, sizeof(first));
}

static enum err_code make(const struct sealed_draft *d, struct node *n,
	struct entry *e, struct buf *part, struct err *err)
{
	struct buf plain = BUF_EMPTY, message = BUF_EMPTY;
	struct seal_secret secret;
	enum err_code rc;

	outer_head(d, e);
	if ((rc = id_secret(n, &secret, err)))
		return rc;
	entry_id(&secret, d->entry.uuid, d->rev, e->uuid);
	seal_secret_wipe(&secret);
	uuid_format(e->uuid, e->id);
	write_plain(d, e, &plain);
	if ((rc = pad(&plain, err)) ||
		(rc = seal_to(d, n, &plain, &message, err)))
		goto out;
	e->seal = digest_of(message.data, message.len);
	sealed_part(message.data, message.len, part);
	rc = buf_ok(part, err);
out:
	buf_wipe(&plain);
	buf_free(&message);
	return rc;
}

enum err_code sealed_append(struct batch *b, struct node *n,
	const struct log_info *own, const struct sealed_draft *d, uint64_t *seq,
	struct digest *leaf, struct err *err)
{
	struct record r = {.have = LABEL_BIT(LABEL_SENSITIVE)};
	struct part *p = &r.part[LABEL_SENSITIVE];
	struct buf text = BUF_EMPTY, part = BUF_EMPTY;
	struct entry e;
	enum err_code rc;

	if ((rc = make(d, n, &e, &part, err)) ||
		(rc = random_bytes(p->seed, SEED_SIZE, err)))
		goto out;
	p->json = (const char *)part.data;
	p->len = part.len;
	if ((rc = part_digest(p->seed, LABEL_SENSITIVE, p->json, p->len,
		     &e.sd[0], err)) ||
		(rc = entry_write(&e, &text, err)))
		goto out;
	r.entry = (const char *)text.data;
	r.entry_len = text.len;
	r.leaf = tree_leaf(text.data, text.len);
	rc = batch_append(b, own->id, &r, seq, err);
	if (!rc)
		*leaf = r.leaf;
out:
	buf_free(&text);
	buf_free(&part);
	return rc;
}
