/* governance.c - opening, checking, signing and reading governance heads. */
#include "policies/governance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policies/heads.h"

static enum err_code governance_over(
	struct repo *repo, struct governance **out, struct err *err)
{
	struct governance *g = calloc(1, sizeof(*g));

	if (!g) {
		repo_close(repo);
		return err_nomem(err);
	}
	g->repo = repo;
	*out = g;
	return ERR_OK;
}

enum err_code governance_open(
	const char *path, struct governance **out, struct err *err)
{
	struct repo *repo = NULL;
	enum err_code rc;

	if ((rc = repo_open(path, &repo, err)))
		return rc;
	return governance_over(repo, out, err);
}

enum err_code governance_create(
	const char *path, struct governance **out, struct err *err)
{
	struct repo *repo = NULL;
	enum err_code rc;

	if ((rc = repo_create(path, &repo, err)))
		return rc;
	return governance_over(repo, out, err);
}

void governance_close(struct governance *g)
{
	if (!g)
		return;
	repo_close(g->repo);
	free(g);
}

enum err_code governance_sweep(struct governance *g, struct err *err)
{
	return repo_sweep(g->repo, err);
}

enum err_code governance_sync(struct governance *g, struct err *err)
{
	return repo_sync(g->repo, err);
}

/* What no rank may hold stays where it is entered, unless it is sealed. */
static void note_series(
	const struct rules *rules, governance_note *note, void *arg)
{
	for (size_t i = 0; i < rules_series_count(rules); i++) {
		const struct series *s = rules_series_at(rules, i);
		uint8_t held = 0;

		for (size_t k = 0; k < ARRAY_LEN(s->clearance); k++)
			held |= s->clearance[k];
		if (!s->system && !s->sealed[0] && !held)
			note(arg, s->name);
	}
}

enum err_code governance_check(struct governance *g, const char *rev,
	governance_fault *fault, governance_note *note, void *arg,
	struct err *err)
{
	struct statement none = {.serial = 0};
	struct fileset files = {.file = NULL};
	struct rules *rules = NULL;
	char commit[GIT_HEX_SIZE];
	enum err_code rc;

	if ((rc = repo_resolve(g->repo, rev, commit, err)) ||
		(rc = repo_files(g->repo, commit, &files, err)) ||
		(rc = rules_load(
			 &files, &none, &none.digest, fault, arg, &rules, err)))
		rc = err_while(err, rc, "check %s", rev);
	else if (note)
		note_series(rules, note, arg);
	rules_unref(rules);
	fileset_free(&files);
	return rc;
}

enum err_code governance_publish(
	struct governance *g, struct statement *out, struct err *err)
{
	char commit[GIT_HEX_SIZE];
	enum err_code rc;

	if ((rc = repo_resolve(g->repo, MAIN_REF, commit, err)))
		return rc;
	return heads_propose(g, commit, PROPOSE_CHANGE, out, err);
}

enum err_code governance_renew(
	struct governance *g, struct statement *out, struct err *err)
{
	struct statement newest;
	enum err_code rc;

	if ((rc = governance_head(g, &newest, err)))
		return rc;
	return heads_propose(g, newest.commit, PROPOSE_SAME, out, err);
}

/* ---- signing ---- */

/* The open proposal and the chain that it shall follow. */
struct proposal {
	struct chain chain;
	struct statement statement;
	struct head_text text;
	struct fileset files;
	char ref[HEAD_REF_SIZE], tree[GIT_HEX_SIZE];
};

static void proposal_fini(struct proposal *p)
{
	chain_free(&p->chain);
	head_text_free(&p->text);
	fileset_free(&p->files);
}

static enum err_code proposal_open(
	struct governance *g, struct proposal *p, struct err *err)
{
	uint64_t serial;
	enum err_code rc;

	if ((rc = heads_follow(g, &p->chain, 0, err)))
		return rc;
	serial = p->chain.last.serial + 1;
	proposal_ref(serial, p->ref);
	rc = repo_ref_get(g->repo, p->ref, p->tree, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc,
			"no head %" PRIu64 " is proposed; publish one first",
			serial);
	if (rc || (rc = repo_head_read(g->repo, p->tree, &p->text, err)) ||
		(rc = statement_parse(p->text.statement.data,
			 p->text.statement.len, &p->statement, err)))
		return rc;
	return repo_files(g->repo, p->statement.commit, &p->files, err);
}

/* What a proposal must be before anybody puts a name to it. */
static enum err_code proposal_check(
	struct governance *g, const struct proposal *p, struct err *err)
{
	struct rules *rules = NULL;
	enum err_code rc;

	if ((rc = repo_history_check(g->repo, p->statement.commit,
		     p->chain.last.commit, err)) ||
		(rc = rules_load(&p->files, &p->statement, &p->statement.digest,
			 NULL, NULL, &rules, err)))
		rc = err_while(
			err, rc, "proposed head %" PRIu64, p->statement.serial);
	rules_unref(rules);
	return rc;
}

static enum err_code signature_add(struct proposal *p, const char *key_path,
	const void *armor, size_t armor_len, struct err *err)
{
	const struct buf *text = &p->text.statement;
	char name[SIGNATURE_NAME_SIZE];
	struct buf made = BUF_EMPTY;
	struct ssh_public key;
	enum err_code rc;

	if (key_path) {
		if ((rc = sshsig_make(key_path, GOVERNANCE_NAMESPACE,
			     text->data, text->len, &made, err)))
			goto out;
		armor = made.data;
		armor_len = made.len;
	}
	if ((rc = sshsig_check(armor, armor_len, GOVERNANCE_NAMESPACE,
		     text->data, text->len, &key, err)))
		goto out;
	signature_name(&key, name);
	for (size_t i = 0; i < p->text.count; i++)
		if (!strcmp(p->text.sig[i].name, name)) {
			rc = err_set(err, ERR_EXISTS,
				"this key has signed head %" PRIu64 " already",
				p->statement.serial);
			goto out;
		}
	rc = head_text_add(&p->text, name, armor, armor_len, err);
out:
	buf_free(&made);
	return rc;
}

/* A crash after the first step leaves a head and a proposal that is no longer
 * looked at: its serial is not the next one. */
static enum err_code proposal_finish(
	struct governance *g, const struct proposal *p, struct err *err)
{
	char ref[HEAD_REF_SIZE];
	enum err_code rc;

	head_ref(p->statement.serial, ref);
	if ((rc = repo_ref_set(g->repo, ref, p->tree, NULL, err)))
		return rc;
	crash_point("governance.final");
	return repo_ref_delete(g->repo, p->ref, err);
}

enum err_code governance_sign(struct governance *g, const char *key_path,
	const void *armor, size_t armor_len, unsigned *have, unsigned *want,
	struct err *err)
{
	struct proposal p = {.ref = ""};
	char old[GIT_HEX_SIZE];
	struct statement s;
	struct quorum q;
	enum err_code rc;

	if ((rc = proposal_open(g, &p, err)) ||
		(rc = proposal_check(g, &p, err)) ||
		(rc = signature_add(&p, key_path, armor, armor_len, err)) ||
		(rc = chain_judge(&p.chain, &p.text, &p.files, &s, &q, err)))
		goto out;
	memcpy(old, p.tree, sizeof(old));
	if ((rc = repo_head_write(g->repo, &p.text, p.tree, err)) ||
		(rc = repo_ref_set(g->repo, p.ref, p.tree, old, err)))
		goto out;
	crash_point("governance.signed");
	if (q.have >= q.want && (rc = proposal_finish(g, &p, err)))
		goto out;
	*have = q.have;
	*want = q.want;
out:
	proposal_fini(&p);
	return rc;
}

enum err_code governance_to_sign(
	struct governance *g, struct buf *out, struct err *err)
{
	struct proposal p = {.ref = ""};
	enum err_code rc;

	if (!(rc = proposal_open(g, &p, err)) &&
		!(rc = proposal_check(g, &p, err))) {
		buf_add(out, p.text.statement.data, p.text.statement.len);
		rc = buf_ok(out, err);
	}
	proposal_fini(&p);
	return rc;
}

/* ---- reading ---- */

enum err_code governance_each(struct governance *g, governance_head_visit *v,
	void *arg, struct err *err)
{
	char ref[HEAD_REF_SIZE];
	unsigned signatures;
	struct statement s;
	enum err_code rc;
	bool final = true;

	for (uint64_t serial = 1;;) {
		if (final)
			head_ref(serial, ref);
		else
			proposal_ref(serial, ref);
		rc = head_get(g, ref, &s, NULL, &signatures, err);
		if (rc == ERR_NOT_FOUND && final) {
			final = false;
			continue;
		}
		if (rc)
			return rc == ERR_NOT_FOUND ? ERR_OK : rc;
		if ((rc = v(arg, &s, signatures, final, err)) || !final)
			return rc;
		serial++;
	}
}

static bool has_signed(const struct head_text *h, const struct officer *o)
{
	char name[SIGNATURE_NAME_SIZE];

	signature_name(&o->key, name);
	for (size_t i = 0; i < h->count; i++)
		if (!strcmp(h->sig[i].name, name))
			return true;
	return false;
}

enum err_code governance_signers(struct governance *g, uint64_t serial,
	const struct digest *root, governance_signer_visit *visit, void *arg,
	struct err *err)
{
	struct officer signer[GOVERNANCE_SIGNATURES_LIMIT];
	struct chain c = {.last = {.serial = 0}};
	struct head_text text = {.count = 0};
	char ref[HEAD_REF_SIZE];
	struct statement s;
	size_t count = 0;
	enum err_code rc;

	head_ref(serial, ref);
	if ((rc = heads_follow(g, &c, serial > 1 ? serial - 1 : 1, err)) ||
		(rc = head_get(g, ref, &s, &text, NULL, err)))
		goto out;
	for (size_t i = 0; i < c.council.count && count < text.count; i++)
		if (has_signed(&text, &c.council.officer[i]))
			signer[count++] = c.council.officer[i];
	/* Whether the signatures hold is known behind this. */
	if ((rc = heads_follow(g, &c, serial, err)))
		goto out;
	if (!digest_equal(root, &c.fingerprint))
		rc = err_set(err, ERR_DENIED,
			"the first governance head is not the pinned one");
	for (size_t i = 0; i < count && !rc; i++)
		rc = visit(arg, &signer[i], err);
out:
	head_text_free(&text);
	chain_free(&c);
	return rc;
}

enum err_code governance_head(
	struct governance *g, struct statement *out, struct err *err)
{
	char ref[HEAD_REF_SIZE];
	struct statement s;
	enum err_code rc;

	for (uint64_t serial = 1;; serial++) {
		head_ref(serial, ref);
		rc = head_get(g, ref, &s, NULL, NULL, err);
		if (rc == ERR_NOT_FOUND && serial > 1)
			return ERR_OK;
		if (rc == ERR_NOT_FOUND)
			return err_set(err, rc, "no governance head is final");
		if (rc)
			return rc;
		*out = s;
	}
}

enum err_code governance_rules(struct governance *g, uint64_t serial,
	const struct digest *root, struct rules **out, struct err *err)
{
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc;

	if ((rc = heads_follow(g, &c, serial, err)))
		goto out;
	if (c.last.serial == 0)
		rc = err_set(err, ERR_NOT_FOUND, "no governance head is final");
	else if (root && !digest_equal(root, &c.fingerprint))
		rc = err_set(err, ERR_DENIED,
			"the first governance head is not the pinned one");
	else
		rc = rules_load(&c.files, &c.last, &c.fingerprint, NULL, NULL,
			out, err);
out:
	chain_free(&c);
	return rc;
}

static enum err_code visit_rules(const struct chain *c,
	const struct digest *root, governance_rules_visit *visit, void *arg,
	struct err *err)
{
	struct rules *r = NULL;
	enum err_code rc;

	if (!digest_equal(root, &c->fingerprint))
		return err_set(err, ERR_DENIED,
			"the first governance head is not the one of the root "
			"fingerprint");
	rc = rules_load(
		&c->files, &c->last, &c->fingerprint, NULL, NULL, &r, err);
	if (rc == ERR_OK)
		rc = visit(arg, r, err);
	rules_unref(r);
	return rc;
}

enum err_code governance_each_rules(struct governance *g, uint64_t serial,
	const struct digest *root, governance_rules_visit *visit, void *arg,
	struct err *err)
{
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && c.last.serial < serial) {
		rc = heads_follow(g, &c, c.last.serial + 1, err);
		if (rc == ERR_OK)
			rc = visit_rules(&c, root, visit, arg, err);
	}
	chain_free(&c);
	return rc;
}

/* ---- for packages ---- */

static enum err_code put_file(const char *dir, const char *name,
	const void *data, size_t len, struct err *err)
{
	char *path = file_join(dir, name);
	char *slash;
	enum err_code rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	if ((slash = strrchr(path, '/'))) {
		*slash = '\0';
		rc = file_make_dirs(path, err);
		*slash = '/';
	}
	if (!rc)
		rc = file_replace(path, data, len, 0644, err);
	free(path);
	return rc;
}

static enum err_code put_head(const char *dir, const struct head_text *h,
	const struct fileset *files, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	rc = put_file(dir, "statement.json", h->statement.data,
		h->statement.len, err);
	for (size_t i = 0; !rc && i < h->count; i++)
		rc = put_file(dir, h->sig[i].name, h->sig[i].armor.data,
			h->sig[i].armor.len, err);
	for (size_t i = 0; !rc && i < files->count; i++) {
		char *name = file_join("tree", files->file[i].path);

		buf_clear(&text);
		if (!name)
			rc = err_nomem(err);
		else if (!(rc = fileset_read(
				   files, &files->file[i], &text, err)))
			rc = put_file(dir, name, text.data, text.len, err);
		free(name);
	}
	buf_free(&text);
	return rc;
}

static char *head_dir(const char *dir, uint64_t serial)
{
	char ref[HEAD_REF_SIZE];

	head_ref(serial, ref);
	return file_join(dir, strrchr(ref, '/') + 1);
}

enum err_code governance_files(
	struct governance *g, uint64_t serial, const char *dir, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (uint64_t i = 1; !rc && i <= serial; i++) {
		struct head_text h = {.count = 0};
		struct fileset files = {.file = NULL};
		char *path = head_dir(dir, i);
		char ref[HEAD_REF_SIZE];
		struct statement s;

		head_ref(i, ref);
		if (!path)
			rc = err_nomem(err);
		else if (!(rc = head_get(g, ref, &s, &h, NULL, err)) &&
			!(rc = repo_files(g->repo, s.commit, &files, err)))
			rc = put_head(path, &h, &files, err);
		free(path);
		fileset_free(&files);
		head_text_free(&h);
	}
	return rc;
}

/* A head's folder holds its statement, signatures and tree/, nothing else. */
static enum err_code folder_split(const struct fileset *all,
	struct head_text *h, struct fileset *files, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < all->count; i++) {
		const struct gov_file *f = &all->file[i];

		buf_clear(&text);
		if ((rc = fileset_read(all, f, &text, err)))
			break;
		if (!strncmp(f->path, "tree/", 5))
			rc = fileset_put(
				files, f->path + 5, text.data, text.len, err);
		else
			rc = head_text_add(
				h, f->path, text.data, text.len, err);
	}
	buf_free(&text);
	return rc ? rc : fileset_seal(files, err);
}

static enum err_code folder_step(
	struct chain *c, const char *path, struct err *err)
{
	struct fileset all = {.file = NULL}, files = {.file = NULL};
	struct head_text h = {.count = 0};
	enum err_code rc;

	if ((rc = fileset_from_folder(path, &all, err)) ||
		(rc = folder_split(&all, &h, &files, err)) ||
		(rc = chain_step(c, &h, &files, err)))
		rc = err_while(err, rc, "governance head %" PRIu64,
			c->last.serial + 1);
	fileset_free(&all);
	fileset_free(&files);
	head_text_free(&h);
	return rc;
}

enum err_code governance_rules_from_files(const char *dir,
	const struct digest *root, uint64_t serial, struct rules **out,
	struct err *err)
{
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc = ERR_OK;

	while (!rc && (serial == 0 || c.last.serial < serial)) {
		char *path = head_dir(dir, c.last.serial + 1);

		if (!path)
			rc = err_nomem(err);
		else if (serial == 0 && c.last.serial && !file_exists(path))
			serial = c.last.serial;
		else
			rc = folder_step(&c, path, err);
		free(path);
		if (!rc && root && !digest_equal(root, &c.fingerprint))
			rc = err_set(err, ERR_DENIED,
				"the first governance head is not the one of "
				"the root fingerprint");
	}
	if (!rc)
		rc = rules_load(&c.files, &c.last, &c.fingerprint, NULL, NULL,
			out, err);
	chain_free(&c);
	return rc;
}

enum err_code governance_each_from_files(const char *dir,
	const struct digest *root, uint64_t serial,
	governance_rules_visit *visit, void *arg, struct err *err)
{
	struct chain c = {.last = {.serial = 0}};
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && c.last.serial < serial) {
		char *path = head_dir(dir, c.last.serial + 1);

		rc = path ? folder_step(&c, path, err) : err_nomem(err);
		free(path);
		if (rc == ERR_OK)
			rc = visit_rules(&c, root, visit, arg, err);
	}
	chain_free(&c);
	return rc;
}
