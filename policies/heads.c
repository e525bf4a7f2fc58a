/* heads.c - heads and proposals of a governance repository. */
#include "policies/heads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void head_ref(uint64_t serial, char out[HEAD_REF_SIZE])
{
	snprintf(out, HEAD_REF_SIZE, "refs/cundang/heads/%010" PRIu64, serial);
}

void proposal_ref(uint64_t serial, char out[HEAD_REF_SIZE])
{
	snprintf(out, HEAD_REF_SIZE, "refs/cundang/proposals/%010" PRIu64,
		serial);
}

enum err_code head_get(struct governance *g, const char *ref,
	struct statement *s, struct head_text *text, unsigned *signatures,
	struct err *err)
{
	struct head_text h = {.count = 0};
	char tree[GIT_HEX_SIZE];
	enum err_code rc;

	if ((rc = repo_ref_get(g->repo, ref, tree, err)))
		return rc;
	if ((rc = repo_head_read(g->repo, tree, &h, err)) ||
		(rc = statement_parse(
			 h.statement.data, h.statement.len, s, err))) {
		head_text_free(&h);
		return err_while(err, rc, "%s", ref);
	}
	if (signatures)
		*signatures = (unsigned)h.count;
	if (text)
		*text = h;
	else
		head_text_free(&h);
	return ERR_OK;
}

enum err_code heads_step(struct repo *r, struct chain *c,
	const struct head_text *h, struct err *err)
{
	struct fileset files = {.file = NULL};
	struct statement s;
	enum err_code rc;

	if ((rc = statement_parse(
		     h->statement.data, h->statement.len, &s, err)))
		return rc;
	if ((rc = repo_history(r, s.commit, c->last.commit, NULL, NULL, err)) ||
		(rc = repo_files(r, s.commit, &files, err)) ||
		(rc = chain_step(c, h, &files, err)))
		rc = err_while(err, rc, "governance head %" PRIu64, s.serial);
	fileset_free(&files);
	return rc;
}

enum err_code heads_follow(
	struct governance *g, struct chain *c, uint64_t serial, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (!rc && (serial == 0 || c->last.serial < serial)) {
		struct head_text h = {.count = 0};
		char ref[HEAD_REF_SIZE];
		struct statement s;

		head_ref(c->last.serial + 1, ref);
		rc = head_get(g, ref, &s, &h, NULL, err);
		if (rc == ERR_NOT_FOUND && serial == 0)
			return ERR_OK;
		if (rc == ERR_NOT_FOUND)
			return err_set(err, rc,
				"there is no head %" PRIu64
				": the newest here is %" PRIu64,
				serial, c->last.serial);
		if (!rc)
			rc = heads_step(g->repo, c, &h, err);
		head_text_free(&h);
	}
	return rc;
}

enum err_code heads_advance_main(
	struct governance *g, const char *commit, struct err *err)
{
	char main[GIT_HEX_SIZE];
	enum err_code rc;

	if ((rc = repo_ref_get(g->repo, MAIN_REF, main, err))) {
		if (rc != ERR_NOT_FOUND)
			return rc;
		return repo_ref_set(g->repo, MAIN_REF, commit, NULL, err);
	}
	if (!strcmp(main, commit) ||
		repo_history(g->repo, commit, main, NULL, NULL, NULL))
		return ERR_OK;
	return repo_ref_set(g->repo, MAIN_REF, commit, main, err);
}

/* The new proposal in place of the one that is open; an equal one stays with
 * the signatures it has. */
static enum err_code proposal_put(
	struct governance *g, struct statement *s, struct err *err)
{
	struct head_text h = {.count = 0};
	char ref[HEAD_REF_SIZE], tree[GIT_HEX_SIZE], old[GIT_HEX_SIZE];
	struct statement open;
	bool replaces = false;
	enum err_code rc;

	proposal_ref(s->serial, ref);
	rc = head_get(g, ref, &open, NULL, NULL, err);
	if (!rc && !strcmp(open.commit, s->commit))
		return err_set(err, ERR_EXISTS,
			"commit %.12s is proposed already as head %" PRIu64,
			s->commit, s->serial);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (!rc) {
		replaces = true;
		if ((rc = repo_ref_get(g->repo, ref, old, err)))
			return rc;
	}
	if ((rc = statement_write(s, &h.statement, err)) ||
		(rc = repo_head_write(g->repo, &h, tree, err)))
		goto out;
	crash_point("governance.written");
	rc = repo_ref_set(g->repo, ref, tree, replaces ? old : NULL, err);
out:
	if (rc)
		rc = err_while(err, rc, "propose head %" PRIu64, s->serial);
	head_text_free(&h);
	return rc;
}

enum err_code heads_propose(struct governance *g, const char *commit,
	enum propose what, struct statement *out, struct err *err)
{
	struct fileset files = {.file = NULL};
	struct council council = {.officer = NULL};
	struct chain c = {.last = {.serial = 0}};
	struct rules *rules = NULL;
	struct statement s = {.serial = 0};
	enum err_code rc;

	if ((rc = heads_follow(g, &c, 0, err)) ||
		(rc = repo_files(g->repo, commit, &files, err)))
		goto out;
	s.serial = c.last.serial + 1;
	/* A head that was made with a clock ahead holds up none after it. */
	s.at = time_now() < c.last.at ? c.last.at : time_now();
	s.tree = fileset_digest(&files);
	s.has_previous = c.last.serial > 0;
	s.previous = c.last.digest;
	memcpy(s.commit, commit, sizeof(s.commit));
	if (what == PROPOSE_CHANGE && s.has_previous &&
		digest_equal(&s.tree, &c.last.tree)) {
		rc = err_set(err, ERR_EXISTS,
			"nothing changed since head %" PRIu64, c.last.serial);
		goto out;
	}
	if ((rc = council_load(&files, &council, err)))
		goto out;
	memcpy(s.domain, council.domain, sizeof(s.domain));
	if (s.has_previous &&
		(strcmp(s.domain, c.last.domain) ||
			strcmp(council.root_code, c.council.root_code))) {
		rc = err_set(err, ERR_INVALID,
			"domain.yaml: the name and the root of a domain stay");
		goto out;
	}
	if ((rc = repo_history_check(g->repo, commit, c.last.commit, err)) ||
		(rc = rules_load(
			 &files, &s, &s.digest, NULL, NULL, &rules, err)) ||
		(rc = proposal_put(g, &s, err)))
		goto out;
	*out = s;
out:
	rules_unref(rules);
	council_free(&council);
	fileset_free(&files);
	chain_free(&c);
	return rc;
}
