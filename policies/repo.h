/* repo.h - one bare git repository: objects and refs (libgit2 lives here).
 * Internal to policies/. */
#pragma once

#include "policies/chain.h"
#include "policies/gitobj.h"

struct repo;

/* Opens `path` or `path`/.git.  ERR_NOT_FOUND. */
enum err_code repo_open(const char *path, struct repo **out, struct err *err);
enum err_code repo_create(const char *path, struct repo **out, struct err *err);
/* Sees the objects of `base`; what is written stays in memory.  No refs. */
enum err_code repo_quarantine(
	struct repo *base, struct repo **out, struct err *err);
void repo_close(struct repo *r); /* NULL does nothing */
/* Reads every object there is and holds it against its name. */
typedef void repo_bad(void *arg, const char *id, const char *what);
enum err_code repo_check(
	struct repo *r, repo_bad *bad, void *arg, struct err *err);

/* Appends the object's bytes, checked against its name.  ERR_NOT_FOUND;
 * ERR_CORRUPT when it is of another type; ERR_LIMIT. */
enum err_code repo_read(struct repo *r, const char *id, enum gitobj_type type,
	struct buf *out, struct err *err);
enum err_code repo_write(struct repo *r, enum gitobj_type type,
	const void *data, size_t len, char id[GIT_HEX_SIZE], struct err *err);
/* SHA-256 and size of a blob, remembered. */
enum err_code repo_blob_digest(struct repo *r, const uint8_t id[GIT_ID_SIZE],
	struct digest *out, uint64_t *len, struct err *err);

/* The commit that a branch, ref or id names.  ERR_NOT_FOUND. */
enum err_code repo_resolve(struct repo *r, const char *rev,
	char id[GIT_HEX_SIZE], struct err *err);
enum err_code repo_ref_get(struct repo *r, const char *name,
	char id[GIT_HEX_SIZE], struct err *err);
/* Compare and swap: `old` NULL for a ref that must not be there.  ERR_EXISTS
 * or ERR_BUSY when somebody else was quicker.  What was written through `r`,
 * and then the ref, survive a power cut. */
enum err_code repo_ref_set(struct repo *r, const char *name, const char *id,
	const char *old, struct err *err);
enum err_code repo_ref_delete(
	struct repo *r, const char *name, struct err *err);
/* Removes locks and half-written files that a killed process left: only where
 * no other can be at work. */
enum err_code repo_sweep(struct repo *r, struct err *err);
/* Whatever a killed process put into the repository survives a power cut. */
enum err_code repo_sync(struct repo *r, struct err *err);

/* ---- on top of those (policies/history.c) ---- */

enum err_code repo_commit_read(struct repo *r, const char *id,
	struct gitobj_commit *out, struct err *err);
/* The files of a commit; borrows `r`. */
enum err_code repo_files(struct repo *r, const char *commit,
	struct fileset *out, struct err *err);
/* Writes the files as a commit. */
enum err_code repo_commit(struct repo *r, const struct fileset *fs,
	const char *parent, const char *message, char id[GIT_HEX_SIZE],
	struct err *err);
/* From `commit` back to `before` ("" for the first commit), at most
 * HISTORY_LIMIT, each without a second parent.  ERR_DENIED when `before` is
 * not reached. */
#define HISTORY_LIMIT 1000
typedef enum err_code repo_commit_visit(void *arg, const char *id,
	const struct gitobj_commit *c, struct err *err);
enum err_code repo_history(struct repo *r, const char *commit,
	const char *before, repo_commit_visit *visit, void *arg,
	struct err *err);
/* As repo_history, the files of each commit checked. */
enum err_code repo_history_check(struct repo *r, const char *commit,
	const char *before, struct err *err);

/* Heads and proposals: a tree with statement.json and signatures. */
enum err_code repo_head_read(struct repo *r, const char *tree,
	struct head_text *out, struct err *err);
enum err_code repo_head_write(struct repo *r, const struct head_text *h,
	char tree[GIT_HEX_SIZE], struct err *err);
