/* chain.c - the heads of a domain, each judged by the one before it. */
#include "policies/chain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void head_text_free(struct head_text *h)
{
	buf_free(&h->statement);
	for (size_t i = 0; i < h->count; i++)
		buf_free(&h->sig[i].armor);
	h->count = 0;
}

enum err_code head_text_add(struct head_text *h, const char *name,
	const void *data, size_t len, struct err *err)
{
	struct buf *to;

	if (!strcmp(name, "statement.json")) {
		if (h->statement.len || len == 0 || len > STATEMENT_LIMIT)
			return err_set(err, ERR_LIMIT,
				"statement of %zu bytes, limit %zu", len,
				STATEMENT_LIMIT);
		to = &h->statement;
	} else {
		if (!signature_name_valid(name))
			return err_set(err, ERR_INVALID,
				"a governance head has no such file");
		if (len > SSHSIG_TEXT_LIMIT)
			return err_set(err, ERR_LIMIT,
				"signature of %zu bytes, limit %zu", len,
				SSHSIG_TEXT_LIMIT);
		if (h->count >= GOVERNANCE_SIGNATURES_LIMIT)
			return err_set(err, ERR_LIMIT,
				"more than %d signatures on a governance head",
				GOVERNANCE_SIGNATURES_LIMIT);
		memcpy(h->sig[h->count].name, name, SIGNATURE_NAME_SIZE);
		h->sig[h->count].armor = BUF_EMPTY;
		to = &h->sig[h->count++].armor;
	}
	buf_add(to, data, len);
	return buf_ok(to, err);
}

void chain_free(struct chain *c)
{
	fileset_free(&c->files);
	council_free(&c->council);
	*c = (struct chain){.last = {.serial = 0}};
}

/* ---- what changed ---- */

/* What the officers that sign have to cover. */
struct change {
	bool rules; /* something else than rosters */
	char (*code)[CODE_SIZE];
	size_t count, cap;
};

static enum err_code change_add(
	struct change *ch, const char *code, struct err *err)
{
	if (!grow(&ch->code, &ch->cap, ch->count, sizeof(*ch->code)))
		return err_nomem(err);
	memcpy(ch->code[ch->count++], code, CODE_SIZE);
	return ERR_OK;
}

static enum err_code roster_read(const struct fileset *fs,
	const struct gov_file *f, const char *parent, struct roster *out,
	struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if (!f)
		return ERR_OK;
	if (!(rc = fileset_read(fs, f, &text, err)))
		rc = roster_load(
			f->path, parent, text.data, text.len, out, err);
	buf_free(&text);
	return rc;
}

/* The codes in `a` that `b` does not have or has otherwise. */
static enum err_code compare_one_way(const struct roster *a,
	const struct roster *b, struct change *ch, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < a->count; i++) {
		const char *code = a->child[i].info.code;
		const struct roster_child *other = roster_find(b, code);

		if (!other || !roster_child_equal(&a->child[i], other))
			rc = change_add(ch, code, err);
	}
	return rc;
}

/* A change of a file without one of its children (a comment) counts as one of
 * the division whose file it is. */
static enum err_code compare_rosters(const struct chain *c, const char *path,
	const struct fileset *files, struct change *ch, struct err *err)
{
	struct roster old = {NULL, 0}, new = {NULL, 0};
	size_t before = ch->count;
	char parent[CODE_SIZE];
	enum err_code rc;

	if (!roster_path_parse(path, parent)) {
		ch->rules = true;
		return ERR_OK;
	}
	if ((rc = roster_read(&c->files, fileset_find(&c->files, path), parent,
		     &old, err)) ||
		(rc = roster_read(files, fileset_find(files, path), parent,
			 &new, err)) ||
		(rc = compare_one_way(&old, &new, ch, err)) ||
		(rc = compare_one_way(&new, &old, ch, err)))
		goto out;
	if (ch->count == before)
		rc = change_add(
			ch, *parent ? parent : c->council.root_code, err);
out:
	roster_free(&old);
	roster_free(&new);
	return rc;
}

/* Walks both sorted lists at once. */
static enum err_code changes_find(const struct chain *c,
	const struct fileset *files, struct change *ch, struct err *err)
{
	const struct fileset *old = &c->files;
	enum err_code rc = ERR_OK;
	size_t i = 0, j = 0;

	while (!rc && !ch->rules && (i < old->count || j < files->count)) {
		const struct gov_file *a =
			i < old->count ? &old->file[i] : NULL;
		const struct gov_file *b =
			j < files->count ? &files->file[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);

		i += order <= 0;
		j += order >= 0;
		if (order || !digest_equal(&a->digest, &b->digest))
			rc = compare_rosters(c, order <= 0 ? a->path : b->path,
				files, ch, err);
	}
	return rc;
}

static bool covers(const struct council *council, const struct officer *o,
	const struct change *ch)
{
	enum role role;

	if (!role_parse(o->role, &role))
		return false;
	if (role == ROLE_ARCHIVIST)
		return false;
	if (ch->rules)
		return role == ROLE_GOVERNOR &&
			!strcmp(o->scope, council->root_code);
	for (size_t i = 0; i < ch->count; i++)
		if (!code_within(ch->code[i], o->scope))
			return false;
	return true;
}

/* ---- judging ---- */

static enum err_code signature_judge(const struct council *council,
	const struct head_text *h, size_t i, const struct change *ch,
	int64_t at, struct err *err)
{
	char name[SIGNATURE_NAME_SIZE];
	const struct officer *o;
	struct ssh_public key;
	enum err_code rc;

	if ((rc = sshsig_check(h->sig[i].armor.data, h->sig[i].armor.len,
		     GOVERNANCE_NAMESPACE, h->statement.data, h->statement.len,
		     &key, err)))
		return err_while(
			err, ERR_DENIED, "signature %zu of the head", i + 1);
	signature_name(&key, name);
	if (strcmp(name, h->sig[i].name))
		return err_set(err, ERR_DENIED,
			"signature %s is of another key than its name says",
			h->sig[i].name);
	for (size_t j = 0; j < i; j++)
		if (!strcmp(h->sig[j].name, name))
			return err_set(err, ERR_DENIED,
				"a key signed the same head twice");
	if (!(o = council_find(council, &key)))
		return err_set(err, ERR_DENIED,
			"the head is signed by a key that is no officer's");
	if (!officer_valid_at(o, at))
		return err_set(err, ERR_DENIED,
			"the key of %s counted until %s only", o->name,
			o->until);
	if (!covers(council, o, ch))
		return err_set(err, ERR_DENIED,
			"%s (%s of %s) may not sign this change", o->name,
			o->role, o->scope);
	return ERR_OK;
}

/* Asked first, by the names of the signatures: a stranger's files are not read
 * at all, let alone compared. */
static enum err_code signers_known(const struct council *council,
	const struct head_text *h, struct err *err)
{
	char name[SIGNATURE_NAME_SIZE];
	bool known = h->count > 0;

	for (size_t i = 0; known && i < h->count; i++) {
		known = false;
		for (size_t j = 0; !known && j < council->count; j++) {
			signature_name(&council->officer[j].key, name);
			known = !strcmp(name, h->sig[i].name);
		}
	}
	return known ? ERR_OK
		     : err_set(err, ERR_DENIED,
			       "the head is signed by nobody, or by a key that "
			       "is no officer's");
}

static enum err_code statement_judge(const struct chain *c,
	const struct statement *s, const struct fileset *files, struct err *err)
{
	struct digest tree = fileset_digest(files);

	if (s->serial != c->last.serial + 1)
		return err_set(err, ERR_DENIED,
			"statement of serial %" PRIu64 " after %" PRIu64,
			s->serial, c->last.serial);
	if (c->last.serial && !digest_equal(&s->previous, &c->last.digest))
		return err_set(err, ERR_DENIED,
			"statement %" PRIu64 " names another predecessor",
			s->serial);
	if (c->last.serial && strcmp(s->domain, c->last.domain))
		return err_set(err, ERR_DENIED,
			"statement %" PRIu64 " is of the domain %s, not %s",
			s->serial, s->domain, c->last.domain);
	/* Else who has a key that no longer counts would only have to write an
	 * older day. */
	if (s->at < c->last.at)
		return err_set(err, ERR_DENIED,
			"statement %" PRIu64 " is of an earlier time than the "
			"one before it",
			s->serial);
	if (!digest_equal(&s->tree, &tree))
		return err_set(err, ERR_DENIED,
			"the files of head %" PRIu64
			" are not those that were signed",
			s->serial);
	return ERR_OK;
}

/* The judges: the officers of the head before; of the first head its own. */
static enum err_code council_judging(const struct chain *c,
	const struct statement *s, const struct fileset *files,
	struct council *own, const struct council **judges, struct err *err)
{
	enum err_code rc;

	if ((rc = council_load(files, own, err)))
		return rc;
	if (strcmp(own->domain, s->domain))
		return err_set(err, ERR_DENIED,
			"statement %" PRIu64
			" is of the domain %s, its files of %s",
			s->serial, s->domain, own->domain);
	if (c->last.serial && strcmp(own->root_code, c->council.root_code))
		return err_set(err, ERR_DENIED,
			"head %" PRIu64 " changes the root from %s to %s",
			s->serial, c->council.root_code, own->root_code);
	*judges = c->last.serial ? &c->council : own;
	return ERR_OK;
}

/* As chain_judge(); `own` gets the officers of the head itself. */
static enum err_code judge(const struct chain *c, const struct head_text *h,
	const struct fileset *files, struct statement *s, struct quorum *q,
	struct council *own, struct err *err)
{
	struct change ch = {.rules = c->last.serial == 0};
	const struct council *judges = NULL;
	enum err_code rc;

	if ((rc = statement_parse(
		     h->statement.data, h->statement.len, s, err)) ||
		(c->last.serial && (rc = signers_known(&c->council, h, err))) ||
		(rc = statement_judge(c, s, files, err)) ||
		(rc = council_judging(c, s, files, own, &judges, err)) ||
		(rc = changes_find(c, files, &ch, err)))
		goto out;
	/* The same files again: what that is for, governors must know. */
	ch.rules |= ch.count == 0;
	for (size_t i = 0; i < h->count; i++)
		if ((rc = signature_judge(judges, h, i, &ch, s->at, err)))
			goto out;
	q->have = (unsigned)h->count;
	q->want = ch.rules ? judges->approvals : judges->roster_approvals;
	q->rules = ch.rules;
out:
	free(ch.code);
	return rc;
}

enum err_code chain_judge(const struct chain *c, const struct head_text *h,
	const struct fileset *files, struct statement *s, struct quorum *q,
	struct err *err)
{
	struct council own = {.officer = NULL};
	enum err_code rc = judge(c, h, files, s, q, &own, err);

	council_free(&own);
	return rc;
}

enum err_code chain_step(struct chain *c, const struct head_text *h,
	struct fileset *files, struct err *err)
{
	struct council own = {.officer = NULL};
	struct statement s;
	struct quorum q;
	enum err_code rc;

	if ((rc = judge(c, h, files, &s, &q, &own, err)))
		goto out;
	if (q.have < q.want) {
		rc = err_set(err, ERR_DENIED,
			"head %" PRIu64 " has %u signatures, it needs %u",
			s.serial, q.have, q.want);
		goto out;
	}
	if (s.serial == 1)
		c->fingerprint = s.digest;
	c->last = s;
	fileset_free(&c->files);
	c->files = *files;
	*files = (struct fileset){.file = NULL};
	council_free(&c->council);
	c->council = own;
	own.officer = NULL;
out:
	council_free(&own);
	return rc;
}
