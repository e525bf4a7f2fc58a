/* check.c - the files of a node beside its store: are they what they were? */
#include "policies/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/heads.h"
#include "policies/nodefile.h"

struct check {
	const char *data;
	node_fault *fault;
	void *arg;
	size_t count;
};

static void tell(struct check *k, const char *where, const char *what)
{
	k->count++;
	k->fault(k->arg, where, what);
}

/* What is not the bytes' fault ends the check. */
static bool is_machine(enum err_code rc)
{
	return rc == ERR_NOMEM || rc == ERR_FULL || rc == ERR_BUSY;
}

/* ---- keys ---- */

static enum err_code check_keys(struct check *k, struct err *err)
{
	struct err told;
	enum err_code rc;

	for (size_t i = 0; i < NODE_KEY_COUNT; i++) {
		rc = node_key_check(k->data, i, &told);
		if (is_machine(rc))
			return err_set(err, rc, "%s", told.text);
		if (rc)
			tell(k, node_key_file(i), told.text);
	}
	return ERR_OK;
}

/* ---- governance ---- */

static void on_object(void *arg, const char *id, const char *what)
{
	char where[96];

	snprintf(where, sizeof(where), NODE_GOVERNANCE "/objects/%.2s/%s", id,
		id + 2);
	tell(arg, where, what);
}

/* Nothing here reads by it, but officers clone it. */
static void check_main(struct check *k, struct governance *g)
{
	struct buf bytes = BUF_EMPTY;
	char id[GIT_HEX_SIZE];
	struct err told;
	enum err_code rc = repo_ref_get(g->repo, MAIN_REF, id, &told);

	if (!rc)
		rc = repo_read(g->repo, id, GITOBJ_COMMIT, &bytes, &told);
	if (rc && !is_machine(rc))
		tell(k, NODE_GOVERNANCE "/" MAIN_REF, told.text);
	buf_free(&bytes);
}

static enum err_code check_governance(
	struct check *k, const struct digest *root, struct err *err)
{
	char *path = file_join(k->data, NODE_GOVERNANCE);
	struct governance *g = NULL;
	struct rules *rules = NULL;
	struct statement head;
	struct err told;
	const char *where = NODE_GOVERNANCE;
	size_t before = k->count;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = governance_open(path, &g, &told)) &&
		!(rc = repo_check(g->repo, on_object, k, &told)) &&
		!(rc = governance_head(g, &head, &told)) && root &&
		(rc = governance_rules(g, head.serial, root, &rules, &told)))
		where = NODE_GOVERNANCE ", or root in " NODE_FILE;
	if (!rc)
		check_main(k, g);
	rules_unref(rules);
	if (is_machine(rc))
		rc = err_set(err, rc, "%s", told.text);
	else if (rc && k->count == before)
		tell(k, where, told.text);
	governance_close(g);
	free(path);
	return is_machine(rc) ? rc : ERR_OK;
}

/* ---- node.yaml ---- */

static void ignore(void *arg, const char *where, const char *what)
{
	(void)arg;
	(void)where;
	(void)what;
}

static enum err_code check_config(struct check *k, struct node_config *config,
	bool *good, struct err *err)
{
	char *path = file_join(k->data, NODE_FILE);
	struct err told;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = node_config_load(path, config, &told);
	*good = rc == ERR_OK;
	free(path);
	if (is_machine(rc))
		return err_set(err, rc, "%s", told.text);
	if (rc)
		tell(k, NODE_FILE, told.text);
	return ERR_OK;
}

enum err_code node_check_files(const char *data, node_fault *fault, void *arg,
	size_t *count, struct err *err)
{
	struct check k = {.data = data, .fault = fault, .arg = arg};
	struct node_config config;
	bool good = false;
	enum err_code rc;

	if ((rc = check_config(&k, &config, &good, err)) ||
		(rc = check_keys(&k, err)) ||
		(rc = check_governance(&k, good ? &config.root : NULL, err)))
		return rc;
	*count = k.count;
	return ERR_OK;
}

enum err_code node_check_origin(const char *data, struct store *s,
	node_fault *fault, void *arg, struct err *err)
{
	struct check k = {.data = data, .fault = fault, .arg = arg};
	struct node_config config;
	struct log_info own;
	char origin[ORIGIN_SIZE];
	struct err told;
	bool good = false;
	enum err_code rc;

	k.fault = ignore;
	if ((rc = check_config(&k, &config, &good, err)) || !good)
		return rc; /* told before */
	k.fault = fault;
	rc = store_log_own(s, &own, err);
	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	snprintf(origin, sizeof(origin), "%s/%s/%s", config.domain, config.code,
		config.epoch);
	if (strcmp(origin, own.origin) != 0) {
		(void)err_set(&told, ERR_CORRUPT,
			"it names the log %s, and the log being written is %s",
			origin, own.origin);
		tell(&k, NODE_FILE, told.text);
	}
	return ERR_OK;
}
