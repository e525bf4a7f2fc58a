/* node.h - a node's identity: its configuration, keys, rules and store, opened
 * together; what the daemon and the command both start from. */
#pragma once

#include "policies/account.h"
#include "policies/governance.h"

struct node_config { /* node.yaml */
	char code[CODE_SIZE];
	char domain[DOMAIN_SIZE];
	struct digest root;	   /* pinned root fingerprint */
	char epoch[17];		   /* of the own log */
	char parent[ADDRESS_SIZE]; /* host:port, "" for none */
	char listen[ADDRESS_SIZE]; /* for children, "" for none */
	char http[ADDRESS_SIZE];   /* loopback HTTP, "" for none */
	uint64_t bandwidth; /* bytes a second to the parent, 0: no limit */
	struct accounts accounts;
};
#define NODE_CONFIG_LIMIT ((size_t)64 << 10)
enum err_code node_config_load(
	const char *path, struct node_config *out, struct err *err);

/* The head that the last sys-policy below `end` of a log names. */
struct policy_memo {
	uint32_t log;
	uint64_t end, serial; /* serial 0: none kept */
};

struct node {
	char *data;
	struct node_config config;
	/* Of the own log; it and config.epoch change when a new epoch begins,
	 * so other threads than the one that opened the node take
	 * node_origin(). */
	char origin[ORIGIN_SIZE];
	struct sign_key *log, *witness, *tls;
	struct store *store;
	struct governance *governance; /* only for the thread that opened it */
	struct rules *rules; /* swapped by node_adopted(); take node_rules() */
	/* The serial of the newest sys-policy of this process in the own log,
	 * or in the open batch; 0 before any. */
	_Atomic uint64_t recorded;
	struct rules *earlier; /* the last that node_rules_of() had to load */
	/* What bounds.c remembers of earlier heads and of logs. */
	struct clearances *clearances;
	struct policy_memo memo[64];
	struct settled *settled; /* closed logs of ours (policies/epoch.h) */
	size_t settled_count;
	struct repair *repair;	       /* what is damaged (policies/repair.h) */
	struct orders *orders;	       /* of officers (policies/orders.h) */
	struct provisions *provisions; /* (policies/provision.h) */
	bool cut;    /* ... because the log's end is damaged or gone */
	bool copied; /* a new epoch began at the opening: DATA is a copy */
	struct rotation *rotation; /* new keys beside those in force */
	void *lock;
};

struct node_init_options {
	const char *code;
	const char *governance; /* a repository to copy heads from */
	const struct digest *pin;
	const char *parent, *listen, *http; /* may be NULL */
	uint64_t bandwidth;
};
/* Makes DATA: keys, epoch, store, governance.git with the heads of `governance`
 * (its newest final head at least), and the first record sys-policy.
 * ERR_EXISTS when DATA holds a node. */
enum err_code node_init(
	const char *data, const struct node_init_options *opt, struct err *err);

/* Is a file gone without which a node that was here cannot be opened?  Such an
 * opening fails with ERR_CORRUPT. */
bool node_file_gone(const char *data);
/* Opens everything, the store in `mode`.  The rules are those of the newest
 * sys-policy record of the own log; with STORE_WRITE a newer head that lies in
 * governance.git is adopted first, and before that, where DATA is a copy of
 * another directory, a new epoch begins. */
enum err_code node_open(const char *data, enum store_mode mode,
	struct node **out, struct err *err);
void node_close(struct node *n);
/* Sets `damage` in a status object where opening met any: docs/http.md section
 * 1.1. */
enum err_code node_damage_status(
	struct node *n, struct json *status, struct err *err);
/* The origin of the own log.  Any thread. */
void node_origin(struct node *n, char out[ORIGIN_SIZE]);
/* A reference to the rules in force; rules_unref it.  Any thread. */
struct rules *node_rules(struct node *n);
/* The rules of any head that is here, to judge what was made under them;
 * rules_unref them.  ERR_NOT_FOUND when there is no such head.  Any thread. */
enum err_code node_rules_of(
	struct node *n, uint64_t serial, struct rules **out, struct err *err);
/* Signs checkpoints of the own log: pass with the node as argument.  Any
 * thread. */
enum err_code node_sign(void *node, const struct checkpoint *cp,
	struct buf *note, struct err *err);

/* Adopts the newest head of n->governance when it is newer than the rules in
 * force: records sys-policy in the own log (through `w`, or a batch of its own
 * when w is NULL) and swaps n->rules.  *adopted tells the serial, 0 for none.
 */
enum err_code node_adopt(
	struct node *n, struct writer *w, uint64_t *adopted, struct err *err);
/* The request as it stands with the keys in force. */
enum err_code node_make_request(
	struct node *n, struct node_request *out, struct err *err);

/* ---- a change of keys (policies/rotate.c) ---- */

enum { ROTATE_LOG = 1, ROTATE_WITNESS = 2, ROTATE_TLS = 4, ROTATE_ALL = 7 };
/* Makes new keys of those kinds where none are waiting yet, signs by both log
 * keys from then on, notes it as sys-key, and appends the request that names
 * them.  ERR_BUSY while keys of before still wait for a countersignature. */
enum err_code node_rotate(struct node *n, struct writer *w, unsigned kinds,
	struct buf *request, struct err *err);
/* Does what is due: puts new keys in the place of old ones once the roster in
 * force names them, and destroys the old ones once they have done their part.
 * Cheap where nothing is; any thread. */
enum err_code node_rotate_settle(
	struct node *n, struct writer *w, struct err *err);
/* The kinds of which new keys wait for the roster, and those of which old ones
 * wait for a countersignature.  Any thread. */
void node_rotating(struct node *n, unsigned *next, unsigned *old);
/* A copy of the TLS key in force; sign_key_free() it.  Any thread. */
enum err_code node_tls_key(
	struct node *n, struct sign_key **out, struct err *err);
