/* capture.c - from a document to an entry and its parts. */
#include "policies/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/attached.h"
#include "policies/merge.h"
#include "policies/sealed.h"
#include "policies/split.h"

/* Thousands of them wait for a commit: no larger than need be. */
struct captured {
	struct node *node;
	const struct rules *rules;
	const struct series *series;
	uint64_t serial; /* of the rules it was prepared under */
	uint8_t uuid[UUID_SIZE];
	char id[UUID_TEXT_SIZE];
	char division[CODE_SIZE];
	char at[TIME_TEXT_SIZE];
	const char *entry; /* as revision 1; behind this, as the parts are */
	size_t entry_len;
	struct digest leaf; /* of that */
	bool fresh;	    /* the id was made here: nobody has it */
	const char *part[LABEL_COUNT];
	size_t part_len[LABEL_COUNT];
	uint8_t seed[LABEL_COUNT][SEED_SIZE];
	struct digest digest[LABEL_COUNT];
	struct attached_list *attached; /* or NULL */
	/* A repetition when it was prepared: its files were not stored. */
	bool files_left_out;
	bool committed;
	struct buf
		later; /* the entry as it was appended, of a later revision */
};

/* One on its way, its texts still in the scratch. */
struct draft {
	struct captured c;
	struct entry entry;
	struct capture_scratch *scratch;
};

static void release(struct captured *c)
{
	if (!c->committed)
		attached_remove(c->attached, c->node);
	attached_free(c->attached);
	buf_free(&c->later);
}

void captured_free(struct captured *c)
{
	if (!c)
		return;
	release(c);
	free(c);
}

void capture_scratch_free(struct capture_scratch *s)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_free(&s->part[i]);
	buf_free(&s->entry);
}

void captured_undo(struct captured *c)
{
	c->committed = false;
}

void receipt_write(const struct receipt *r, struct buf *out)
{
	char leaf[DIGEST_TEXT_SIZE];

	digest_base64url(&r->leaf, leaf);
	buf_printf(out,
		"{\"id\":\"%s\",\"leaf\":\"%s\",\"origin\":\"%s\",\"rev\":%llu,"
		"\"seq\":%llu}\n",
		r->id, leaf, r->origin, (unsigned long long)r->rev,
		(unsigned long long)r->seq);
}

/* ---- the envelope ---- */

struct envelope {
	const struct json *fields, *attachments;
};

static enum err_code read_series(struct draft *d, const struct rules *rules,
	const struct json *doc, struct err *err)
{
	const char *name = json_get_string(doc, "series");
	char shown[SHOWN_SIZE];

	if (!name)
		return err_set(err, ERR_INVALID, "series: missing");
	d->c.series = rules_series(rules, name);
	if (!d->c.series)
		return err_set(err, ERR_NOT_FOUND, "series: %s is unknown",
			shown_name(name, shown));
	if (d->c.series->system)
		return err_set(err, ERR_INVALID,
			"series: %s is written by the node itself", name);
	memcpy(d->entry.series, d->c.series->name, sizeof(d->entry.series));
	return ERR_OK;
}

static enum err_code make_id(struct draft *d, struct err *err)
{
	enum err_code rc = uuid_v7(time_now_ms(), d->entry.uuid, err);

	if (rc == ERR_OK)
		uuid_format(d->entry.uuid, d->entry.id);
	d->c.fresh = true;
	return rc;
}

static enum err_code read_id(
	struct draft *d, const struct json *doc, struct err *err)
{
	const struct json *v = json_get(doc, "id");
	size_t len = 0;
	const char *id = json_string(v, &len);

	if (!v)
		return make_id(d, err);
	if (!id || !uuid_parse(id, len, d->entry.uuid))
		return err_set(err, ERR_INVALID, "id: no lower-case UUID");
	memcpy(d->entry.id, id, sizeof(d->entry.id));
	return ERR_OK;
}

static enum err_code read_node(struct draft *d, const struct rules *rules,
	const struct json *doc, struct err *err)
{
	const char *own = d->c.node->config.code;
	size_t len = 0;
	const char *code = json_string(json_get(doc, "node"), &len);
	const struct node_info *self;

	if (!code || !code_valid(code, len))
		return err_set(
			err, ERR_INVALID, "node: no 12-digit division code");
	if (!rules_answers_for(rules, own, code))
		return err_set(err, ERR_DENIED,
			"node: %s is not within %s, which this node is for",
			code, own);
	if ((self = rules_node(rules, own)) && self->retired[0])
		return err_set(err, ERR_DENIED,
			"%s was retired on %s: nobody would take the record; "
			"its successor is %s",
			own, self->retired,
			self->successor[0] ? self->successor : "-");
	if (!rules_node(rules, code))
		return err_set(err, ERR_DENIED, "node: %s is no division of %s",
			code, rules_domain(rules));
	memcpy(d->entry.node, code, CODE_SIZE);
	return ERR_OK;
}

static enum err_code read_time(
	struct draft *d, const struct json *doc, struct err *err)
{
	size_t len = 0;
	const char *at = json_string(json_get(doc, "created_at"), &len);
	int64_t t;

	if (!at || !time_parse(at, len, &t))
		return err_set(err, ERR_INVALID,
			"created_at: no time with an offset (RFC 3339)");
	time_format(t, d->entry.at);
	return ERR_OK;
}

static enum err_code refuse_member(const struct json *doc, struct err *err)
{
	static const char *const known[] = {
		"series", "id", "node", "created_at", "fields", "attachments"};
	const struct json *v;
	const char *name;
	char shown[SHOWN_SIZE];
	void *at = NULL;

	while (json_next(doc, &at, &name, &v)) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			is_known |= strcmp(known[i], name) == 0;
		if (!is_known)
			return err_set(err, ERR_INVALID, "%s: unknown member",
				shown_name(name, shown));
	}
	return ERR_OK;
}

static enum err_code read_envelope(struct draft *d, const struct rules *rules,
	const struct json *doc, struct envelope *out, struct err *err)
{
	enum err_code rc;

	if (json_kind(doc) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "document: not an object");
	if ((rc = refuse_member(doc, err)) ||
		(rc = read_series(d, rules, doc, err)) ||
		(rc = read_id(d, doc, err)) ||
		(rc = read_node(d, rules, doc, err)) ||
		(rc = read_time(d, doc, err)))
		return rc;
	memcpy(d->c.uuid, d->entry.uuid, UUID_SIZE);
	memcpy(d->c.id, d->entry.id, sizeof(d->c.id));
	memcpy(d->c.division, d->entry.node, CODE_SIZE);
	memcpy(d->c.at, d->entry.at, sizeof(d->c.at));
	out->fields = json_get(doc, "fields");
	out->attachments = json_get(doc, "attachments");
	if (!out->fields)
		return err_set(err, ERR_INVALID, "fields: missing");
	/* Whoever carries a message carries nothing beside it. */
	if (out->attachments && d->c.series->sealed[0])
		return err_set(err, ERR_INVALID,
			"attachments: series %s is sealed, and takes none: put "
			"the text into its fields, and keep the files at hand",
			d->c.series->name);
	if (out->attachments && !d->c.series->attachments)
		return err_set(err, ERR_INVALID,
			"attachments: series %s takes none", d->c.series->name);
	return ERR_OK;
}

/* ---- the earlier revision ---- */

static struct record record_of(const struct captured *c)
{
	struct record r = {
		.entry = c->entry,
		.entry_len = c->entry_len,
		.leaf = c->leaf,
		.hashed = true,
		.lasting = true,
		.have = c->series->labels,
		.digested = c->series->labels,
	};

	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		memcpy(r.part[i].seed, c->seed[i], SEED_SIZE);
		r.digest[i] = c->digest[i];
		r.part[i].json = c->part[i];
		r.part[i].len = c->part_len[i];
	}
	return r;
}

/* Where revisions of an id are looked up: in the store or through a batch. */
struct lookup {
	struct store *store;
	struct batch *batch; /* or NULL */
	struct log_info own; /* of the batch */
	bool found;	     /* in a log of ours */
	bool elsewhere;
	char origin[ORIGIN_SIZE]; /* of the newest of ours, else of another's */
	uint32_t log;
	uint64_t seq, rev;
};

static enum err_code see_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct lookup *l = arg;
	struct log_info info = l->own;
	enum err_code rc;

	/* A log that this very batch starts is not in the store yet. */
	if (!l->batch || log != l->own.id) {
		rc = store_log_by_id(l->store, log, &info, err);
		if (rc == ERR_NOT_FOUND)
			info = (struct log_info){
				.kind = LOG_SPARSE, .origin = "another node"};
		else if (rc)
			return rc;
	}
	if (info.kind != LOG_OWN) {
		l->elsewhere = true;
		if (!l->found)
			memcpy(l->origin, info.origin, sizeof(l->origin));
		return ERR_OK;
	}
	/* One that was entered again in a later epoch takes the place of the
	 * one that nobody above will have. */
	if (l->found && (rev < l->rev || (rev == l->rev && log < l->log)))
		return ERR_OK;
	l->found = true;
	l->log = log;
	l->seq = seq;
	l->rev = rev;
	memcpy(l->origin, info.origin, sizeof(l->origin));
	return ERR_OK;
}

static enum err_code find_earlier(
	struct lookup *l, const struct captured *c, struct err *err)
{
	enum err_code rc;

	if (c->fresh)
		return ERR_OK;
	rc = l->batch ? batch_find_id(l->batch, c->uuid, see_revision, l, err)
		      : store_find_id(l->store, c->uuid, see_revision, l, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (l->elsewhere && !l->found)
		return err_set(err, ERR_EXISTS, "id %s is a record of %s",
			c->id, l->origin);
	return ERR_OK;
}

/* The newest revision there is.  Capture goes on where that one is damaged:
 * then the run is empty, and `known` is what there is. */
struct earlier {
	struct run run;
	struct record_known known;
};

static enum err_code read_earlier(
	const struct lookup *l, struct earlier *out, struct err *err)
{
	struct run *run = &out->run;
	const struct record *r;
	enum err_code rc = l->batch
		? batch_read(l->batch, l->log, l->seq, 1, LABEL_ALL, run, err)
		: store_read(l->store, l->log, l->seq, 1, LABEL_ALL, run, err);

	if (rc == ERR_CORRUPT)
		return store_known(l->store, l->log, l->seq, &out->known, err);
	if (rc)
		return rc;
	r = &run->record[0];
	out->known = (struct record_known){
		.has_leaf = true, .leaf = r->leaf, .erased = r->erased};
	return ERR_OK;
}

/* What was destroyed under an order does not come back by being put again. */
static enum err_code check_erased(
	const struct captured *c, uint8_t erased, struct err *err)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if ((erased & LABEL_BIT(i)) && c->part_len[i] > 2)
			return err_set(err, ERR_ERASED,
				"id %s: its part %s was destroyed under an "
				"order",
				c->id, label_name((enum label)i));
	}
	return ERR_OK;
}

static enum err_code compare(const struct captured *c,
	const struct earlier *earlier, bool *same, struct err *err)
{
	const struct record *before = earlier->run.record;
	const char *series = earlier->known.series;
	struct record r = record_of(c);
	struct entry e;
	enum err_code rc;

	*same = false;
	if (before) {
		rc = entry_parse(before->entry, before->entry_len, &e, err);
		if (rc)
			return rc;
		series = e.series;
	}
	if (*series && strcmp(series, c->series->name) != 0)
		return err_set(err, ERR_EXISTS,
			"id %s is a record of series %s", c->id, series);
	if ((rc = check_erased(c, earlier->known.erased, err)) || !before ||
		strcmp(e.node, c->division) != 0 || strcmp(e.at, c->at) != 0)
		return rc;
	/* An erased part, empty in the document, makes no difference. */
	r.have &= (uint8_t)~before->erased;
	return merge_same(c->series, before, &r, same, err);
}

/* Is the document in the store already?  Asked before files are stored. */
static enum err_code is_repetition(
	const struct captured *c, bool *same, struct err *err)
{
	struct lookup l = {.store = c->node->store};
	struct earlier earlier = {0};
	enum err_code rc;

	*same = false;
	if ((rc = find_earlier(&l, c, err)) || !l.found)
		return rc;
	rc = read_earlier(&l, &earlier, err);
	if (rc == ERR_OK)
		rc = compare(c, &earlier, same, err);
	run_free(&earlier.run);
	return rc;
}

/* ---- preparing ---- */

static enum err_code split(
	struct draft *d, const struct json *fields, struct err *err)
{
	struct captured *c = &d->c;
	struct buf *part = d->scratch->part;
	struct buf field = BUF_EMPTY;
	enum err_code rc;

	if (c->attached)
		attached_write(c->attached, &field);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_clear(&part[i]);
	rc = buf_ok(&field, err);
	if (rc == ERR_OK)
		rc = split_fields(c->series, fields,
			c->attached ? &field : NULL, d->entry.at, part, err);
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		c->part[i] = (const char *)part[i].data;
		c->part_len[i] = part[i].len;
	}
	buf_free(&field);
	return rc;
}

/* Checks first, files last: what is refused or repeated stores nothing. */
static enum err_code split_with_files(struct draft *d,
	const struct capture_source *src, const struct envelope *v,
	struct err *err)
{
	struct captured *c = &d->c;
	enum err_code rc;

	if (v->attachments &&
		(rc = attached_read(v->attachments, &c->attached, err)))
		return rc;
	if ((rc = split(d, v->fields, err)) || !c->attached ||
		c->attached->count == 0)
		return rc;
	if ((rc = is_repetition(c, &c->files_left_out, err)) ||
		c->files_left_out)
		return rc;
	if ((rc = attached_store(c->attached, src, err)))
		return rc;
	return split(d, v->fields, err);
}

static enum err_code digest_parts(struct draft *d, struct err *err)
{
	struct captured *c = &d->c;
	struct entry *e = &d->entry;
	enum err_code rc = ERR_OK;

	if ((rc = random_bytes(c->seed, sizeof(c->seed), err)))
		return rc;
	for (unsigned i = 0; rc == ERR_OK && i < LABEL_COUNT; i++) {
		if (!(c->series->labels & LABEL_BIT(i)))
			continue;
		rc = part_digest(c->seed[i], (enum label)i, c->part[i],
			c->part_len[i], &c->digest[i], err);
		e->sd[e->sd_count++] = c->digest[i];
	}
	return rc;
}

static void issuer(const struct node *n, char out[ISSUER_SIZE])
{
	snprintf(out, ISSUER_SIZE, "%s/%s", n->config.domain, n->config.code);
}

/* Whom the record is sent down to, where its series is sent down. */
static void address(struct draft *d, const struct rules *rules, const char *own)
{
	const struct series *s = d->c.series;
	const struct node_info *self = rules_node(rules, own);
	struct entry *e = &d->entry;
	const char *to = s->reach == REACH_NODE ? e->node : own;

	if (s->direction == DIRECTION_UP || !self ||
		!(s->senders & RANK_BIT(self->rank)) ||
		(s->reach == REACH_NODE &&
			(strcmp(to, own) == 0 || !code_within(to, own))))
		return;
	e->to_count = 1;
	memcpy(e->to[0], to, code_prefix_len(to));
}

static enum err_code write_entry(
	struct draft *d, const struct rules *rules, struct err *err)
{
	struct entry *e = &d->entry;
	struct buf *text = &d->scratch->entry;
	const char *own = d->c.node->config.code;
	enum err_code rc;

	issuer(d->c.node, e->iss);
	e->rev = 1;
	address(d, rules, own);
	buf_clear(text);
	if ((rc = entry_write(e, text, err)) || (rc = buf_ok(text, err)))
		return rc;
	d->c.entry = (const char *)text->data;
	d->c.entry_len = text->len;
	d->c.leaf = tree_leaf(text->data, text->len);
	return ERR_OK;
}

/* The text from the scratch to where it stays. */
static void settle(const char **text, size_t len, char **to)
{
	if (len)
		memcpy(*to, *text, len);
	*text = *to;
	*to += len;
}

/* The draft in memory of its own. */
static enum err_code finish(
	const struct draft *d, struct captured **out, struct err *err)
{
	size_t size = sizeof(d->c) + d->c.entry_len;
	struct captured *c;
	char *to;

	for (unsigned i = 0; i < LABEL_COUNT; i++)
		size += d->c.part_len[i];
	if (!(c = malloc(size)))
		return err_nomem(err);
	*c = d->c;
	to = (char *)(c + 1);
	settle(&c->entry, c->entry_len, &to);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		settle(&c->part[i], c->part_len[i], &to);
	*out = c;
	return ERR_OK;
}

enum err_code capture_prepare(const struct capture_source *src,
	const char *text, size_t len, struct capture_scratch *scratch,
	struct captured **out, struct err *err)
{
	struct capture_scratch own = {0};
	struct draft d = {.scratch = scratch ? scratch : &own};
	struct json *doc = NULL;
	struct envelope v;
	enum err_code rc;

	if ((rc = json_parse(text, len, DOCUMENT_LIMIT, &doc, err)))
		return err_while(err, rc, "document");
	d.c.node = src->node;
	d.c.rules = src->rules;
	d.c.serial = rules_serial(src->rules);
	if ((rc = read_envelope(&d, src->rules, doc, &v, err)) ||
		(rc = split_with_files(&d, src, &v, err)) ||
		(rc = digest_parts(&d, err)) ||
		(rc = write_entry(&d, src->rules, err)) ||
		(rc = finish(&d, out, err)))
		release(&d.c);
	capture_scratch_free(&own);
	json_free(doc);
	return rc;
}

/* ---- committing ---- */

static enum err_code refer(struct batch *b, const struct captured *c,
	uint32_t log, uint64_t seq, struct err *err)
{
	size_t count = c->attached ? c->attached->count : 0;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		const struct attached *a = &c->attached->item[i];
		struct attachment_ref ref = {
			.object = a->object,
			.size = a->size,
			.log = log,
			.seq = seq,
			.label = c->series->attachments_label,
		};

		memcpy(ref.salt, a->salt, sizeof(ref.salt));
		rc = batch_refer(b, &ref, err);
		if (rc == ERR_OK)
			rc = batch_attached(b, &a->object, err);
	}
	return rc;
}

static void receipt_fill(struct receipt *r, const struct captured *c,
	const char *origin, uint64_t seq)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->id, c->id, sizeof(r->id));
	snprintf(r->origin, sizeof(r->origin), "%s", origin);
	r->seq = seq;
}

static enum err_code append(struct batch *b, struct captured *c,
	const struct log_info *own, const struct entry *later,
	struct receipt *r, struct err *err)
{
	struct record record = record_of(c);
	struct buf *text = &c->later;
	uint64_t seq = 0;
	enum err_code rc = ERR_OK;

	if (later) {
		buf_clear(text);
		if ((rc = entry_write(later, text, err)) ||
			(rc = buf_ok(text, err)))
			return rc;
		record.entry = (const char *)text->data;
		record.entry_len = text->len;
		record.leaf = tree_leaf(text->data, text->len);
	}
	if ((rc = batch_append(b, own->id, &record, &seq, err)))
		return rc;
	if ((rc = refer(b, c, own->id, seq, err))) {
		/* The record is in the batch: no failure of its own alone. */
		if (rc != ERR_FULL && rc != ERR_NOMEM)
			rc = err_while(err, ERR_INTERNAL, "refer to a file");
		return rc;
	}
	receipt_fill(r, c, own->origin, seq);
	r->rev = later ? later->rev : 1;
	r->leaf = record.leaf;
	return ERR_OK;
}

/* The newest log of ours: this very batch may have begun a new epoch. */
static enum err_code own_log(
	struct batch *b, struct node *n, struct log_info *out, struct err *err)
{
	enum err_code rc = batch_log_own(b, out, err);

	if (rc == ERR_NOT_FOUND)
		return batch_log(b, n->origin, LOG_OWN, out, err);
	return rc;
}

static enum err_code came_between(const struct captured *c, struct err *err)
{
	return err_set(err, ERR_BUSY, "id %s: another revision came in between",
		c->id);
}

static enum err_code commit_later(struct batch *b, struct captured *c,
	const struct lookup *l, struct receipt *r, struct err *err)
{
	struct earlier earlier = {0};
	struct entry later;
	bool same = false;
	enum err_code rc;

	if ((rc = read_earlier(l, &earlier, err)) ||
		(rc = compare(c, &earlier, &same, err)))
		goto out;
	if (same) {
		receipt_fill(r, c, l->origin, l->seq);
		r->rev = l->rev;
		r->leaf = earlier.known.leaf;
		r->repeated = true;
		goto out;
	}
	if (l->rev >= REV_LIMIT) {
		rc = err_set(err, ERR_LIMIT, "id %s: revision %llu, limit %llu",
			c->id, (unsigned long long)l->rev + 1,
			(unsigned long long)REV_LIMIT);
		goto out;
	}
	if (c->files_left_out) {
		rc = came_between(c, err);
		goto out;
	}
	if ((rc = entry_parse(c->entry, c->entry_len, &later, err)))
		goto out;
	later.rev = l->rev + 1;
	later.has_prev = earlier.known.has_leaf;
	later.prev = earlier.known.leaf;
	rc = append(b, c, &l->own, &later, r, err);
out:
	run_free(&earlier.run);
	return rc;
}

/* ---- of a sealed series ---- */

/* The newest revision, where it can be read, against what is put now. */
static enum err_code compare_sealed(struct batch *b, const struct captured *c,
	const struct sealed_place *at, struct earlier *before, bool *same,
	struct err *err)
{
	struct lookup l = {.store = c->node->store,
		.batch = b,
		.log = at->log.id,
		.seq = at->seq};
	struct record r = record_of(c);
	struct opened o = {.text = BUF_EMPTY};
	const struct record *shown;
	enum err_code rc;

	*same = false;
	if ((rc = read_earlier(&l, before, err)))
		return rc;
	if (before->known.erased)
		return err_set(err, ERR_ERASED,
			"id %s: its part %s was destroyed under an order",
			c->id, label_name(LABEL_SENSITIVE));
	if (!before->run.count)
		return ERR_OK;
	shown = sealed_shown(c->node, before->run.record, &o);
	if (shown == &o.record && strcmp(o.entry.series, c->series->name))
		rc = err_set(err, ERR_EXISTS, "id %s is a record of series %s",
			c->id, o.entry.series);
	else if (shown == &o.record && !strcmp(o.entry.node, c->division) &&
		!strcmp(o.entry.at, c->at))
		rc = merge_same(c->series, shown, &r, same, err);
	opened_free(&o);
	return rc;
}

/* A record of before its series was sealed. */
static enum err_code repeats_open(const struct captured *c, struct lookup *l,
	struct earlier *before, bool *same, struct err *err)
{
	enum err_code rc;

	*same = false;
	if ((rc = find_earlier(l, c, err)) || !l->found)
		return rc;
	if (!(rc = read_earlier(l, before, err)))
		rc = compare(c, before, same, err);
	return rc;
}

static enum err_code append_sealed(struct batch *b, const struct captured *c,
	const struct log_info *own, const struct sealed_place *at,
	struct receipt *r, struct err *err)
{
	struct record record = record_of(c);
	struct sealed_draft d = {
		.rules = c->rules,
		.series = c->series,
		.record = &record,
		.rev = at->rev + 1,
		.before = at->rev ? at->uuid : NULL,
	};
	struct digest leaf;
	uint64_t seq = 0;
	enum err_code rc;

	if ((rc = entry_parse(c->entry, c->entry_len, &d.entry, err)) ||
		(rc = sealed_append(b, c->node, own, &d, &seq, &leaf, err)))
		return rc;
	receipt_fill(r, c, own->origin, seq);
	r->rev = d.rev;
	r->leaf = leaf;
	return ERR_OK;
}

static enum err_code commit_sealed(struct batch *b, const struct captured *c,
	struct lookup *l, struct receipt *r, struct err *err)
{
	struct earlier before = {0};
	struct sealed_place at = {.rev = 0};
	bool same = false;
	enum err_code rc = ERR_OK;

	if (!c->fresh)
		rc = sealed_newest(c->node, b, c->uuid, &at, err);
	if (!rc && at.rev) {
		rc = compare_sealed(b, c, &at, &before, &same, err);
		l->seq = at.seq;
		l->rev = at.rev;
		memcpy(l->origin, at.log.origin, sizeof(l->origin));
	} else if (!rc) {
		rc = repeats_open(c, l, &before, &same, err);
	}
	if (!rc && same) {
		receipt_fill(r, c, l->origin, l->seq);
		r->rev = l->rev;
		r->leaf = before.known.leaf;
		r->repeated = true;
	} else if (!rc) {
		rc = append_sealed(b, c, &l->own, &at, r, err);
	}
	run_free(&before.run);
	return rc;
}

enum err_code capture_commit(struct batch *b, struct captured *c,
	struct receipt *out, struct err *err)
{
	struct lookup l = {.store = c->node->store, .batch = b};
	struct receipt r;
	enum err_code rc;

	c->committed = false;
	if (c->serial < c->node->recorded)
		return err_set(err, ERR_BUSY,
			"the rules changed meanwhile: put the document again");
	if ((rc = own_log(b, c->node, &l.own, err)))
		return rc;
	if (c->series->sealed[0]) {
		if ((rc = commit_sealed(b, c, &l, &r, err)))
			return rc;
		*out = r;
		return ERR_OK;
	}
	if ((rc = find_earlier(&l, c, err)))
		return rc;
	if (l.found)
		rc = commit_later(b, c, &l, &r, err);
	else if (c->files_left_out)
		rc = came_between(c, err);
	else
		rc = append(b, c, &l.own, NULL, &r, err);
	if (rc)
		return rc;
	/* A repetition leaves its files, stored before another commit made it
	 * one, to captured_free(). */
	c->committed = !r.repeated;
	*out = r;
	return ERR_OK;
}

/* ---- what the node itself records ---- */

static enum err_code system_entry(struct node *n, const struct series *s,
	const struct system_place *at, struct entry *e, struct err *err)
{
	const char *about = at && at->node ? at->node : n->config.code;
	enum err_code rc = ERR_OK;

	memcpy(e->series, s->name, sizeof(e->series));
	issuer(n, e->iss);
	memcpy(e->node, about, CODE_SIZE);
	if (at && at->down) {
		e->to_count = 1;
		memcpy(e->to[0], about, code_prefix_len(about));
	}
	time_format(time_now(), e->at);
	e->rev = at ? at->rev : 1;
	if (at)
		memcpy(e->uuid, at->uuid, sizeof(e->uuid));
	else
		rc = uuid_v7(time_now_ms(), e->uuid, err);
	if (e->rev > 1 && !at->prev_lost) {
		e->has_prev = true;
		e->prev = at->prev;
	}
	uuid_format(e->uuid, e->id);
	return rc;
}

static enum err_code system_append(struct batch *b, struct node *n,
	const struct entry *e, const struct record *r, struct receipt *out,
	struct err *err)
{
	struct log_info own;
	uint64_t seq = 0;
	enum err_code rc;

	if ((rc = own_log(b, n, &own, err)) ||
		(rc = batch_append(b, own.id, r, &seq, err)))
		return rc;
	*out = (struct receipt){.rev = e->rev, .seq = seq, .leaf = r->leaf};
	memcpy(out->id, e->id, sizeof(out->id));
	memcpy(out->origin, own.origin, sizeof(out->origin));
	return ERR_OK;
}

enum err_code system_record(struct batch *b, struct node *n, const char *series,
	struct json *fields, struct receipt *out, struct err *err)
{
	return system_revision(b, n, series, NULL, fields, out, err);
}

enum err_code system_revision(struct batch *b, struct node *n,
	const char *series, const struct system_place *at, struct json *fields,
	struct receipt *out, struct err *err)
{
	const struct series *s = series_system(series);
	struct entry e = {.sd_count = 1};
	struct buf text = BUF_EMPTY, part = BUF_EMPTY;
	struct record r = {.have = LABEL_BIT(LABEL_INTERNAL)};
	struct part *p = &r.part[LABEL_INTERNAL];
	enum err_code rc;

	if (!fields) {
		rc = err_nomem(err);
		goto out;
	}
	if (!s) {
		rc = err_set(err, ERR_NOT_FOUND, "no system series %s", series);
		goto out;
	}
	if ((rc = system_entry(n, s, at, &e, err)) ||
		(rc = json_write(fields, &part, err)) ||
		(rc = buf_ok(&part, err)) ||
		(rc = random_bytes(p->seed, SEED_SIZE, err)))
		goto out;
	p->json = (const char *)part.data;
	p->len = part.len;
	if ((rc = part_digest(p->seed, LABEL_INTERNAL, p->json, p->len,
		     &e.sd[0], err)) ||
		(rc = entry_write(&e, &text, err)) || (rc = buf_ok(&text, err)))
		goto out;
	r.entry = (const char *)text.data;
	r.entry_len = text.len;
	r.leaf = tree_leaf(text.data, text.len);
	batch_use_reserve(b);
	/* What the node itself says is under its signature when it is said. */
	batch_sign_now(b);
	rc = system_append(b, n, &e, &r, out, err);
out:
	json_free(fields);
	buf_free(&text);
	buf_free(&part);
	return rc;
}
