/* kit.h - one file from which every node of a domain is made: the root
 * fingerprint, the signed heads, and where the nodes above listen.
 *
 * docs/format.md section 8.8.  The same repository and addresses give the same
 * bytes.  Whoever takes a kit trusts its fingerprint, unless told another;
 * everything else in it is held against that. */
#pragma once

#include "policies/governance.h"

#define KIT_LIMIT ((size_t)64 << 20)
#define KIT_PARENTS_LIMIT 4096
#define KIT_EXCHANGES_LIMIT 256

struct kit_parent {
	char code[CODE_SIZE];
	char address[ADDRESS_SIZE]; /* where its children reach it */
};
struct kit_exchange {
	const uint8_t *data; /* as governance_export() gave it; borrowed */
	size_t len;
};
struct kit {
	char domain[DOMAIN_SIZE];
	struct digest root;
	uint64_t serial;
	struct kit_parent *parent; /* by code */
	size_t parents;
	struct kit_exchange exchange[KIT_EXCHANGES_LIMIT];
	size_t exchanges;
};

/* Appends a kit of the heads of `g` up to its newest.  `parent` comes before
 * what the roster says of a node's address.  ERR_NOT_FOUND: no head counts
 * yet, or a code that is no division; ERR_EXISTS: a code twice; ERR_USAGE: no
 * host:port. */
enum err_code kit_write(struct governance *g, const struct kit_parent *parent,
	size_t parents, struct buf *out, struct err *err);
/* Pure; borrows `data`.  ERR_INVALID when it is no kit, or a byte of it was
 * changed on the way. */
enum err_code kit_parse(
	const void *data, size_t len, struct kit *out, struct err *err);
void kit_free(struct kit *k);

/* Makes a governance repository at `path` from the kit: every head judged as
 * if a peer had brought it.  ERR_DENIED when they are not those that `pin`, or
 * where that is NULL the kit's own fingerprint, pins. */
enum err_code kit_unpack(const struct kit *k, const char *path,
	const struct digest *pin, struct governance **out, struct err *err);
/* Where the node above `code` is reached; "" when nobody says. */
const char *kit_parent_address(
	const struct kit *k, const struct rules *rules, const char *code);
