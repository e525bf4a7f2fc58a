/* roster.h - roster/CODE.yaml: the children of a division and their keys.
 * Internal to policies/. */
#pragma once

#include "policies/rules.h"

#define ROSTER_CHILDREN_LIMIT 4096
#define ROSTER_SEAL_SIZE 91 /* SubjectPublicKeyInfo of a P-256 key */

struct roster_child {
	struct node_info info; /* parent is the file's */
	uint8_t seal[ROSTER_SEAL_SIZE];
};
struct roster {
	struct roster_child *child;
	size_t count;
};

/* "roster/root.yaml" or "roster/CODE.yaml": the parent into `parent`, "" for
 * the root's own file.  false = neither. */
bool roster_path_parse(const char *path, char parent[CODE_SIZE]);
void roster_path(const char *parent, char *out, size_t size);

/* Pure.  Codes, ranks, names, addresses and keys are checked one by one;
 * whether they fit the tree is the caller's. */
enum err_code roster_load(const char *file, const char *parent,
	const void *text, size_t len, struct roster *out, struct err *err);
enum err_code roster_write(
	const struct roster *r, struct buf *out, struct err *err);
void roster_free(struct roster *r);
const struct roster_child *roster_find(
	const struct roster *r, const char *code);
bool roster_child_equal(
	const struct roster_child *a, const struct roster_child *b);
/* The keys that two had before are the same. */
bool former_equal(const struct node_info *a, const struct node_info *b);

/* Up to which entries a replaced log key counts: "EPOCH/SIZE". */
#define UNTIL_SIZE (EPOCH_SIZE + 21)
bool until_parse(const char *text, char epoch[EPOCH_SIZE], uint64_t *size);

/* "host:port", port 1..65535; IPv6 hosts in brackets. */
bool address_valid(const char *s);
/* One line of valid UTF-8 without control characters. */
bool title_valid(const char *s, size_t size);
bool seal_spki_valid(const uint8_t *spki, size_t len);
bool domain_valid(const char *s);
