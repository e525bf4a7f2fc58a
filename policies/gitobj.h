/* gitobj.h - the bytes of git's trees and commits, read strictly and written.
 * Internal to policies/; pure. */
#pragma once

#include "policies/fileset.h"

#define GIT_HEX_SIZE 41
#define GITOBJ_TREE_LIMIT ((size_t)1 << 20)
#define GITOBJ_COMMIT_LIMIT ((size_t)64 << 10)

enum gitobj_type { GITOBJ_BLOB, GITOBJ_TREE, GITOBJ_COMMIT };

struct gitobj_entry {
	const char *name; /* borrowed, name_len long */
	size_t name_len;
	bool folder;
	const uint8_t *id; /* GIT_ID_SIZE */
};
typedef enum err_code gitobj_visit(
	void *arg, const struct gitobj_entry *e, struct err *err);
/* Regular files and folders with plain names only; links, submodules, other
 * modes and names out of order are ERR_INVALID. */
enum err_code gitobj_tree_each(const void *data, size_t len,
	gitobj_visit *visit, void *arg, struct err *err);
/* Appends one entry; the caller keeps git's order. */
void gitobj_tree_add(struct buf *out, const char *name, size_t len, bool folder,
	const uint8_t id[GIT_ID_SIZE]);

struct gitobj_commit {
	char tree[GIT_HEX_SIZE];
	char parent[GIT_HEX_SIZE]; /* "" for the first */
};
/* ERR_DENIED for a merge. */
enum err_code gitobj_commit_parse(const void *data, size_t len,
	struct gitobj_commit *out, struct err *err);
void gitobj_commit_write(const struct gitobj_commit *c, int64_t at,
	const char *message, struct buf *out);
