/* objects.c - governance heads given to peers and taken from them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/heads.h"

#define EXPORT_LEVEL 9 /* zstd's: few bytes, sent often */

/* ---- giving ---- */

/* Names of objects, open addressing; grows at half full. */
struct idset {
	uint8_t (*id)[GIT_ID_SIZE];
	bool *used;
	size_t count, cap;
};

static void idset_free(struct idset *s)
{
	free(s->id);
	free(s->used);
}

static size_t idset_place(const struct idset *s, const uint8_t *id)
{
	size_t at;

	memcpy(&at, id, sizeof(at));
	for (at &= s->cap - 1; s->used[at]; at = (at + 1) & (s->cap - 1))
		if (!memcmp(s->id[at], id, GIT_ID_SIZE))
			break;
	return at;
}

static enum err_code idset_grow(struct idset *s, struct err *err)
{
	struct idset more = {.cap = s->cap ? s->cap * 2 : 256};

	more.id = calloc(more.cap, sizeof(*more.id));
	more.used = calloc(more.cap, sizeof(*more.used));
	if (!more.id || !more.used) {
		idset_free(&more);
		return err_nomem(err);
	}
	for (size_t i = 0; i < s->cap; i++) {
		size_t at;

		if (!s->used[i])
			continue;
		at = idset_place(&more, s->id[i]);
		memcpy(more.id[at], s->id[i], GIT_ID_SIZE);
		more.used[at] = true;
	}
	more.count = s->count;
	idset_free(s);
	*s = more;
	return ERR_OK;
}

/* *fresh tells whether it was not there yet. */
static enum err_code idset_add(
	struct idset *s, const uint8_t *id, bool *fresh, struct err *err)
{
	enum err_code rc;
	size_t at;

	if (s->count * 2 >= s->cap && (rc = idset_grow(s, err)))
		return rc;
	at = idset_place(s, id);
	*fresh = !s->used[at];
	if (*fresh) {
		s->used[at] = true;
		memcpy(s->id[at], id, GIT_ID_SIZE);
		s->count++;
	}
	return ERR_OK;
}

struct giving {
	struct repo *repo;
	struct idset seen; /* what the taker has or gets */
	struct buf *out;   /* NULL: only marks as seen */
};

static enum err_code give_tree(
	struct giving *g, const uint8_t *id, struct err *err);

static enum err_code give_entry(
	void *arg, const struct gitobj_entry *e, struct err *err)
{
	struct giving *g = arg;
	struct buf blob = BUF_EMPTY;
	char id[GIT_HEX_SIZE];
	bool fresh = false;
	enum err_code rc;

	if (e->folder)
		return give_tree(g, e->id, err);
	if ((rc = idset_add(&g->seen, e->id, &fresh, err)) || !fresh || !g->out)
		return rc;
	hex_encode(e->id, GIT_ID_SIZE, id);
	if (!(rc = repo_read(g->repo, id, GITOBJ_BLOB, &blob, err)))
		bundle_item_write(ITEM_BLOB, blob.data, blob.len, g->out);
	buf_free(&blob);
	return rc;
}

/* What it names goes first, so that a prefix never names what is missing. */
static enum err_code give_tree(
	struct giving *g, const uint8_t *id, struct err *err)
{
	struct buf tree = BUF_EMPTY;
	char hex[GIT_HEX_SIZE];
	bool fresh = false;
	enum err_code rc;

	if ((rc = idset_add(&g->seen, id, &fresh, err)) || !fresh)
		return rc;
	hex_encode(id, GIT_ID_SIZE, hex);
	if (!(rc = repo_read(g->repo, hex, GITOBJ_TREE, &tree, err)) &&
		!(rc = gitobj_tree_each(
			  tree.data, tree.len, give_entry, g, err)) &&
		g->out)
		bundle_item_write(ITEM_TREE, tree.data, tree.len, g->out);
	buf_free(&tree);
	return rc;
}

static enum err_code give_commit(
	struct giving *g, const char *id, struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct gitobj_commit c;
	uint8_t tree[GIT_ID_SIZE];
	enum err_code rc;

	if ((rc = repo_read(g->repo, id, GITOBJ_COMMIT, &text, err)) ||
		(rc = gitobj_commit_parse(text.data, text.len, &c, err)))
		goto out;
	if (!hex_decode(c.tree, 40, tree, sizeof(tree))) {
		rc = err_set(
			err, ERR_CORRUPT, "commit %.12s names no tree", id);
		goto out;
	}
	if (!(rc = give_tree(g, tree, err)) && g->out)
		bundle_item_write(ITEM_COMMIT, text.data, text.len, g->out);
out:
	buf_free(&text);
	return rc;
}

struct commits {
	char (*id)[GIT_HEX_SIZE];
	size_t count, cap;
};

static enum err_code remember_commit(void *arg, const char *id,
	const struct gitobj_commit *c, struct err *err)
{
	struct commits *list = arg;

	(void)c;
	if (!grow(&list->id, &list->cap, list->count, sizeof(*list->id)))
		return err_nomem(err);
	memcpy(list->id[list->count++], id, GIT_HEX_SIZE);
	return ERR_OK;
}

/* Statement, signatures, and the commits since `before`, oldest first. */
static enum err_code give_head(struct giving *g, const struct head_text *h,
	const struct statement *s, const char *before, struct err *err)
{
	struct commits list = {0};
	enum err_code rc;

	bundle_item_write(
		ITEM_STATEMENT, h->statement.data, h->statement.len, g->out);
	for (size_t i = 0; i < h->count; i++)
		bundle_item_write(ITEM_SIGNATURE, h->sig[i].armor.data,
			h->sig[i].armor.len, g->out);
	rc = repo_history(
		g->repo, s->commit, before, remember_commit, &list, err);
	for (size_t i = list.count; !rc && i > 0; i--)
		rc = give_commit(g, list.id[i - 1], err);
	free(list.id);
	return rc ? rc : buf_ok(g->out, err);
}

static enum err_code mark_seen(
	struct giving *g, const char *commit, struct err *err)
{
	struct buf *out = g->out;
	enum err_code rc;

	g->out = NULL;
	rc = give_commit(g, commit, err);
	g->out = out;
	return rc;
}

/* A head that no longer fits waits for the next exchange. */
static enum err_code give_heads(struct governance *gov, struct giving *g,
	uint64_t after, size_t *heads, struct err *err)
{
	char ref[HEAD_REF_SIZE];
	struct statement s = {.serial = 0};
	enum err_code rc;

	if (after) {
		head_ref(after, ref);
		if ((rc = head_get(gov, ref, &s, NULL, NULL, err)) ||
			(rc = mark_seen(g, s.commit, err)))
			return rc;
	}
	for (*heads = 0; *heads < GOVERNANCE_HEADS_LIMIT; (*heads)++) {
		struct head_text h = {.count = 0};
		struct statement before = s;
		size_t len = g->out->len;

		head_ref(after + *heads + 1, ref);
		if ((rc = head_get(gov, ref, &s, &h, NULL, err)))
			return rc == ERR_NOT_FOUND ? ERR_OK : rc;
		rc = give_head(g, &h, &s, before.commit, err);
		head_text_free(&h);
		if (rc)
			return rc;
		if (g->out->len > BUNDLE_PLAIN_LIMIT) {
			g->out->len = len;
			return ERR_OK;
		}
	}
	return ERR_OK;
}

enum err_code governance_export(struct governance *gov, uint64_t after,
	struct buf *out, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	struct giving g = {.repo = gov->repo, .out = &plain};
	enum err_code rc;
	size_t heads = 0;

	buf_str(&plain, BUNDLE_MAGIC);
	if ((rc = give_heads(gov, &g, after, &heads, err)))
		goto out;
	if (heads == 0)
		rc = err_set(err, ERR_NOT_FOUND,
			"no governance head after %" PRIu64, after);
	else if (!(rc = buf_ok(&plain, err)))
		rc = store_compress(
			plain.data, plain.len, EXPORT_LEVEL, out, err);
	if (!rc && out->len > GOVERNANCE_BUNDLE_LIMIT)
		rc = err_set(err, ERR_LIMIT,
			"governance exchange of %zu bytes, limit %zu", out->len,
			GOVERNANCE_BUNDLE_LIMIT);
out:
	idset_free(&g.seen);
	buf_free(&plain);
	return rc;
}

/* ---- taking ---- */

/* The head whose statement is item *at; *at moves to its first object. */
static enum err_code take_head_text(const struct bundle *b, size_t *at,
	struct head_text *out, struct err *err)
{
	const struct bundle_item *item = &b->item[*at];
	struct ssh_public key;
	char name[SIGNATURE_NAME_SIZE];
	enum err_code rc;

	rc = head_text_add(out, "statement.json", item->data, item->len, err);
	for ((*at)++; !rc && *at < b->count; (*at)++) {
		const struct bundle_item *sig = &b->item[*at];

		if (sig->type != ITEM_SIGNATURE)
			break;
		if ((rc = sshsig_check(sig->data, sig->len,
			     GOVERNANCE_NAMESPACE, item->data, item->len, &key,
			     err)))
			return rc;
		signature_name(&key, name);
		rc = head_text_add(out, name, sig->data, sig->len, err);
	}
	return rc;
}

static size_t next_head(const struct bundle *b, size_t at)
{
	while (at < b->count && b->item[at].type != ITEM_STATEMENT)
		at++;
	return at;
}

static enum err_code write_objects(
	struct repo *r, const struct bundle *b, struct err *err)
{
	static const enum gitobj_type types[] = {
		[ITEM_BLOB] = GITOBJ_BLOB,
		[ITEM_TREE] = GITOBJ_TREE,
		[ITEM_COMMIT] = GITOBJ_COMMIT,
	};
	char id[GIT_HEX_SIZE];
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < b->count; i++)
		if (b->item[i].type >= ITEM_BLOB)
			rc = repo_write(r, types[b->item[i].type],
				b->item[i].data, b->item[i].len, id, err);
	return rc;
}

static enum err_code rivals(const struct statement *ours, uint64_t serial,
	const struct digest *theirs, struct err *err)
{
	char here[DIGEST_HEX_SIZE], there[DIGEST_HEX_SIZE];

	digest_hex(&ours->digest, here);
	digest_hex(theirs, there);
	return err_set(err, ERR_FORK,
		"rival heads of the rules: number %" PRIu64
		" is %.16s here and %.16s there",
		serial, here, there);
}

/* A head that is here: the same one, or the domain was split. */
static enum err_code compare_head(
	struct governance *g, const struct bundle_item *item, struct err *err)
{
	struct statement theirs, ours;
	char ref[HEAD_REF_SIZE];
	enum err_code rc;

	if ((rc = statement_parse(item->data, item->len, &theirs, err)))
		return rc;
	head_ref(theirs.serial, ref);
	if ((rc = head_get(g, ref, &ours, NULL, NULL, err)))
		return rc;
	if (!digest_equal(&theirs.digest, &ours.digest))
		return rivals(&ours, theirs.serial, &theirs.digest, err);
	return ERR_OK;
}

static enum err_code check_root(
	const struct chain *c, const struct digest *root, struct err *err)
{
	if (root && !digest_equal(root, &c->fingerprint))
		return err_set(err, ERR_DENIED,
			"the first governance head is not the pinned one");
	return ERR_OK;
}

/* One new head, judged in the quarantine. */
static enum err_code judge_head(struct repo *quarantine, struct chain *c,
	const struct digest *root, const struct head_text *h, struct err *err)
{
	struct rules *rules = NULL;
	char before[GIT_HEX_SIZE];
	enum err_code rc;

	memcpy(before, c->last.commit, sizeof(before));
	if ((rc = heads_step(quarantine, c, h, err)) ||
		(rc = check_root(c, root, err)) ||
		(rc = repo_history_check(
			 quarantine, c->last.commit, before, err)) ||
		(rc = rules_load(&c->files, &c->last, &c->fingerprint, NULL,
			 NULL, &rules, err)))
		return rc;
	rules_unref(rules);
	return ERR_OK;
}

/* Judges the heads of the bundle one after the other; those that are new from
 * *head on.  The quarantine has to outlive the chain. */
static enum err_code judge_bundle(struct governance *g, struct repo *quarantine,
	const struct bundle *b, const struct digest *root, struct chain *c,
	struct head_text *heads, size_t *count, struct err *err)
{
	enum err_code rc;

	for (size_t at = 0; at < b->count; at = next_head(b, at)) {
		const struct bundle_item *item = &b->item[at];
		struct statement s;

		if ((rc = statement_parse(item->data, item->len, &s, err)))
			return rc;
		if (s.serial <= c->last.serial) {
			if ((rc = compare_head(g, item, err)))
				return rc;
			at++;
			continue;
		}
		if (s.serial != c->last.serial + 1)
			return err_set(err, ERR_PROTOCOL,
				"governance exchange from serial %" PRIu64
				" on, but %" PRIu64 " is the newest here",
				s.serial, c->last.serial);
		if (c->last.serial &&
			!digest_equal(&s.previous, &c->last.digest))
			return rivals(
				&c->last, c->last.serial, &s.previous, err);
		if ((rc = take_head_text(b, &at, &heads[(*count)++], err)) ||
			(rc = judge_head(
				 quarantine, c, root, &heads[*count - 1], err)))
			return rc;
	}
	return ERR_OK;
}

/* Objects first, then the refs: a crash between leaves objects that nothing
 * names, and the next import finds them there. */
static enum err_code adopt_heads(struct governance *g, const struct bundle *b,
	const struct head_text *heads, size_t count,
	const struct statement *newest, struct err *err)
{
	enum err_code rc;

	if ((rc = write_objects(g->repo, b, err)))
		return rc;
	crash_point("governance.objects");
	for (size_t i = 0; i < count; i++) {
		char ref[HEAD_REF_SIZE], tree[GIT_HEX_SIZE];

		head_ref(newest->serial - count + i + 1, ref);
		if ((rc = repo_head_write(g->repo, &heads[i], tree, err)) ||
			(rc = repo_ref_set(g->repo, ref, tree, NULL, err)))
			return rc;
		crash_point("governance.head");
	}
	return heads_advance_main(g, newest->commit, err);
}

enum err_code governance_agree(
	struct governance *g, struct governance *other, struct err *err)
{
	struct statement ours, theirs;
	char ref[HEAD_REF_SIZE];
	enum err_code rc;

	for (uint64_t serial = 1;; serial++) {
		head_ref(serial, ref);
		if ((rc = head_get(g, ref, &ours, NULL, NULL, err)) ||
			(rc = head_get(other, ref, &theirs, NULL, NULL, err)))
			return rc == ERR_NOT_FOUND ? ERR_OK : rc;
		if (!digest_equal(&ours.digest, &theirs.digest))
			return rivals(&ours, serial, &theirs.digest, err);
	}
}

enum err_code governance_import(struct governance *g, const void *data,
	size_t len, const struct digest *root, uint64_t *newest,
	struct err *err)
{
	struct head_text *heads = NULL;
	struct repo *quarantine = NULL;
	struct bundle b = {.item = NULL};
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc;
	size_t count = 0;

	if ((rc = bundle_scan(data, len, &b, err)))
		return rc;
	if (!(heads = calloc(b.heads + 1, sizeof(*heads)))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = heads_follow(g, &c, 0, err)) ||
		(c.last.serial && (rc = check_root(&c, root, err))) ||
		(rc = repo_quarantine(g->repo, &quarantine, err)) ||
		(rc = write_objects(quarantine, &b, err)))
		goto out;
	if ((rc = judge_bundle(
		     g, quarantine, &b, root, &c, heads, &count, err))) {
		/* What a peer's heads name and do not bring is its mistake. */
		if (rc == ERR_NOT_FOUND)
			rc = err_while(
				err, ERR_PROTOCOL, "governance exchange");
		goto out;
	}
	if (count == 0)
		rc = err_set(err, ERR_EXISTS,
			"no governance head after %" PRIu64 " in the exchange",
			c.last.serial);
	else if (!(rc = adopt_heads(g, &b, heads, count, &c.last, err)))
		*newest = c.last.serial;
out:
	for (size_t i = 0; i < count; i++)
		head_text_free(&heads[i]);
	free(heads);
	chain_free(&c);
	repo_close(quarantine);
	bundle_free(&b);
	return rc;
}
