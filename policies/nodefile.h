/* nodefile.h - the names in a node's directory, and its configuration.
 * Internal to policies/. */
#pragma once

#include "policies/node.h"

#define NODE_FILE "node.yaml"
#define NODE_GOVERNANCE "governance.git"
#define NODE_KEYS "keys"
#define NODE_KEY_LOG "keys/log.pem"
#define NODE_KEY_WITNESS "keys/witness.pem"
#define NODE_KEY_TLS "keys/tls.pem"
#define NODE_KEY_SEAL "keys/seal.pem"
#define POLICY_HINT "policy"

enum err_code node_config_parse(const char *file, const void *text, size_t len,
	struct node_config *out, struct err *err);
enum err_code node_config_write(
	const struct node_config *c, struct buf *out, struct err *err);
/* Opens a node that has no node.yaml yet, its store made, and records the
 * first sys-policy. */
enum err_code node_start(
	const char *data, const struct node_config *config, struct err *err);
/* Runs a job through `w`, or in a batch of its own when w is NULL. */
enum err_code node_run_job(struct node *n, struct writer *w, writer_job *job,
	void *arg, struct err *err);
/* The own log is that of `epoch` from now on, in node.yaml too. */
enum err_code node_set_epoch(
	struct node *n, const char *epoch, struct err *err);

/* ---- keys (policies/nodekeys.c) ---- */

#define NODE_KEY_COUNT 4
const char *node_key_file(size_t i); /* under DATA */
/* A key that waits to take the place of that one, or was there before it. */
const char *node_key_next(size_t i);
const char *node_key_old(size_t i);
/* Lists in DATA/keys/public what the keys are now, and which may be in their
 * place next. */
enum err_code node_keys_note(const char *data, struct err *err);
/* ERR_CORRUPT when a key is not the one listed.  `note`: where there is no
 * list, one is made. */
enum err_code node_keys_check(const char *data, bool note, struct err *err);
/* The same for one. */
enum err_code node_key_check(const char *data, size_t i, struct err *err);
