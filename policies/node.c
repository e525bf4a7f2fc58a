/* node.c - a node opened: keys, store, and the rules it has adopted. */
#include "policies/node.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/capture.h"
#include "policies/clearances.h"
#include "policies/nodefile.h"
#include "policies/orders.h"
#include "policies/policy.h"
#include "policies/provision.h"
#include "policies/settle.h"
#include "policies/repair.h"
#include "policies/rotate.h"

static void node_free(struct node *n)
{
	rules_unref(n->rules);
	rules_unref(n->earlier);
	clearances_free(n->clearances);
	governance_close(n->governance);
	store_close(n->store);
	sign_key_free(n->log);
	sign_key_free(n->witness);
	sign_key_free(n->tls);
	if (n->lock) {
		pthread_rwlock_destroy(n->lock);
		free(n->lock);
	}
	repair_free(n->repair);
	rotation_free(n->rotation);
	orders_free(n->orders);
	provisions_free(n->provisions);
	free(n->settled);
	free(n->data);
	free(n);
}

void node_close(struct node *n)
{
	if (n)
		node_free(n);
}

static enum err_code node_new(
	const char *data, struct node **out, struct err *err)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return err_nomem(err);
	n->data = strdup(data);
	n->lock = calloc(1, sizeof(pthread_rwlock_t));
	if (!n->data || !n->lock || pthread_rwlock_init(n->lock, NULL)) {
		free(n->data);
		free(n->lock);
		free(n);
		return err_nomem(err);
	}
	if (repair_new(&n->repair, err) || orders_new(&n->orders, err) ||
		rotation_new(&n->rotation, err) ||
		provisions_new(&n->provisions, err)) {
		node_free(n);
		return ERR_NOMEM;
	}
	*out = n;
	return ERR_OK;
}

void node_origin(struct node *n, char out[ORIGIN_SIZE])
{
	pthread_rwlock_rdlock(n->lock);
	memcpy(out, n->origin, ORIGIN_SIZE);
	pthread_rwlock_unlock(n->lock);
}

struct rules *node_rules(struct node *n)
{
	struct rules *r;

	pthread_rwlock_rdlock(n->lock);
	r = rules_ref(n->rules);
	pthread_rwlock_unlock(n->lock);
	return r;
}

static void swap_rules(struct node *n, struct rules *r)
{
	struct rules *old;

	pthread_rwlock_wrlock(n->lock);
	old = n->rules;
	n->rules = r;
	pthread_rwlock_unlock(n->lock);
	rules_unref(old);
}

/* A governance of one's own: any thread may ask.  Checking the chain takes a
 * while, and who asks once asks for many records. */
static enum err_code load_earlier(const struct node *n, uint64_t serial,
	struct rules **out, struct err *err)
{
	char *path = file_join(n->data, NODE_GOVERNANCE);
	struct governance *g = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = governance_open(path, &g, err)))
		rc = governance_rules(g, serial, &n->config.root, out, err);
	governance_close(g);
	free(path);
	return rc;
}

enum err_code node_rules_of(
	struct node *n, uint64_t serial, struct rules **out, struct err *err)
{
	struct rules *r = NULL, *old;
	enum err_code rc;

	pthread_rwlock_rdlock(n->lock);
	if (rules_serial(n->rules) == serial)
		r = rules_ref(n->rules);
	else if (n->earlier && rules_serial(n->earlier) == serial)
		r = rules_ref(n->earlier);
	pthread_rwlock_unlock(n->lock);
	if (!r) {
		if ((rc = load_earlier(n, serial, &r, err)))
			return rc;
		pthread_rwlock_wrlock(n->lock);
		old = n->earlier;
		n->earlier = rules_ref(r);
		pthread_rwlock_unlock(n->lock);
		rules_unref(old);
	}
	*out = r;
	return ERR_OK;
}

enum err_code node_sign(void *node, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	struct node *n = node;
	enum err_code rc;

	pthread_rwlock_rdlock(n->lock);
	rc = checkpoint_sign(cp, n->log, note, err);
	if (!rc)
		rc = rotation_sign(n, cp, note, err);
	pthread_rwlock_unlock(n->lock);
	return rc;
}

/* ---- the rules in force: the newest sys-policy of the own log ---- */

/* DATA/policy tells where that record lies; it is a hint only, written after
 * the record and checked against it. */
static bool policy_by_hint(
	struct node *n, const struct log_info *own, uint64_t *serial)
{
	struct buf text = BUF_EMPTY;
	char *path = file_join(n->data, POLICY_HINT);
	struct run run = {.count = 0};
	uint64_t seq = 0;
	bool found = false;

	if (path && !file_read(path, 64, &text, NULL) && text.len > 1 &&
		number_parse((const char *)text.data, text.len - 1, UINT64_MAX,
			&seq) &&
		seq < own->size &&
		!store_read(n->store, own->id, seq, 1,
			LABEL_BIT(LABEL_INTERNAL), &run, NULL) &&
		run.count == 1)
		found = policy_of(&run.record[0], serial);
	run_free(&run);
	buf_free(&text);
	free(path);
	return found;
}

static void write_hint(struct node *n, uint64_t seq)
{
	char *path = file_join(n->data, POLICY_HINT);
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", seq);
	/* Without it the next start only looks longer. */
	if (path)
		(void)file_replace(path, text, strlen(text), 0600, NULL);
	free(path);
}

/* *serial is 0 when the log has none.  The hint counts when it names the newest
 * head there is; an older one may be from before a crash, so then the log is
 * asked. */
static enum err_code policy_find(
	struct node *n, uint64_t newest, uint64_t *serial, struct err *err)
{
	struct log_info own;
	uint64_t seq = 0;
	enum err_code rc;

	rc = store_log_own(n->store, &own, err);
	if (rc == ERR_NOT_FOUND) {
		*serial = 0;
		return ERR_OK;
	}
	if (rc || (policy_by_hint(n, &own, serial) && *serial == newest))
		return rc;
	return policy_before(n->store, own.id, own.size, serial, &seq, err);
}

/* ---- adoption ---- */

struct adoption {
	struct node *node;
	const struct statement *head;
	const struct rules *rules; /* of that head */
	struct receipt receipt;
};

/* The first log of a node whose log before is gone whole. */
static enum err_code record_cut(
	struct batch *b, struct node *n, struct err *err)
{
	struct receipt receipt;
	struct log_info log;
	struct log_cut cut;

	if (!n->cut || !store_log_cut(n->store, &cut) ||
		store_log_find(n->store, cut.origin, &log, NULL) !=
			ERR_NOT_FOUND)
		return ERR_OK;
	return system_record(
		b, n, "sys-epoch", epoch_cut_fields(&cut), &receipt, err);
}

/* May run twice. */
static enum err_code record_policy(struct batch *b, void *arg, struct err *err)
{
	enum err_code rc;
	struct adoption *a = arg;
	struct json *fields = json_new_object();
	const struct statement *s = a->head;
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&s->digest, hex);
	if (!fields || !json_set(fields, "commit", json_new_text(s->commit)) ||
		!json_set(fields, "serial", json_new_u64(s->serial)) ||
		!json_set(fields, "statement", json_new_text(hex))) {
		json_free(fields);
		return err_nomem(err);
	}
	/* What was prepared under earlier rules is not entered behind this,
	 * where those no longer hold. */
	a->node->recorded = s->serial;
	rc = system_record(b, a->node, "sys-policy", fields, &a->receipt, err);
	if (!rc && a->receipt.seq == 0)
		rc = record_cut(b, a->node, err);
	return rc ? rc : rotation_note(b, a->node, a->rules, err);
}

enum err_code node_run_job(struct node *n, struct writer *w, writer_job *job,
	void *arg, struct err *err)
{
	struct batch *b = NULL;
	enum err_code rc;

	if (w)
		return writer_run(w, job, arg, err);
	if ((rc = batch_begin(n->store, &b, err)))
		return rc;
	if ((rc = job(b, arg, err))) {
		batch_abort(b);
		return rc;
	}
	return batch_commit(b, node_sign, n, err);
}

/* Records the head and lets its rules be in force. */
static enum err_code adopt(struct node *n, struct writer *w,
	const struct statement *head, struct err *err)
{
	struct adoption a = {.node = n, .head = head};
	struct rules *rules = NULL;
	enum err_code rc;

	/* The record below is for ever, and leads nowhere without the head. */
	if ((rc = governance_sync(n->governance, err)) ||
		(rc = governance_rules(n->governance, head->serial,
			 &n->config.root, &rules, err)))
		return rc;
	a.rules = rules;
	if ((rc = node_run_job(n, w, record_policy, &a, err))) {
		/* There are none yet while the node is being opened. */
		n->recorded = n->rules ? rules_serial(n->rules) : 0;
		rules_unref(rules);
		return err_while(err, rc, "adopt governance head %" PRIu64,
			head->serial);
	}
	crash_point("node.adopted");
	write_hint(n, a.receipt.seq);
	swap_rules(n, rules);
	return ERR_OK;
}

enum err_code node_adopt(
	struct node *n, struct writer *w, uint64_t *adopted, struct err *err)
{
	struct statement head;
	enum err_code rc;

	if ((rc = governance_head(n->governance, &head, err)))
		return rc;
	if (head.serial <= rules_serial(n->rules)) {
		*adopted = 0;
		return ERR_OK;
	}
	if ((rc = adopt(n, w, &head, err)))
		return rc;
	*adopted = head.serial;
	return node_rotate_settle(n, w, err);
}

/* ---- epochs ---- */

/* The line as it was written by init or by an operator, with another value:
 * the rest of the file is not ours to change. */
static enum err_code write_epoch(
	struct node *n, const char *old, const char *epoch, struct err *err)
{
	char *path = file_join(n->data, NODE_FILE);
	struct buf text = BUF_EMPTY;
	char *line, *value = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = file_read(path, NODE_CONFIG_LIMIT, &text, err)))
		goto out;
	line = (char *)text.data;
	while (line && strncmp(line, "epoch:", 6))
		line = (line = strchr(line, '\n')) ? line + 1 : NULL;
	if (line)
		value = strstr(line, old);
	if (!value || memchr(line, '\n', (size_t)(value - line))) {
		rc = err_set(err, ERR_INVALID, "%s: has no line epoch: %s",
			path, old);
		goto out;
	}
	memcpy(value, epoch, strlen(old));
	rc = file_replace(path, text.data, text.len, 0600, err);
out:
	buf_free(&text);
	free(path);
	return rc;
}

static void set_origin(struct node *n, const char *epoch)
{
	pthread_rwlock_wrlock(n->lock);
	snprintf(n->config.epoch, sizeof(n->config.epoch), "%s", epoch);
	snprintf(n->origin, sizeof(n->origin), "%s/%s/%s", n->config.domain,
		n->config.code, n->config.epoch);
	pthread_rwlock_unlock(n->lock);
}

enum err_code node_set_epoch(struct node *n, const char *epoch, struct err *err)
{
	char old[sizeof(n->config.epoch)];

	memcpy(old, n->config.epoch, sizeof(old));
	set_origin(n, epoch);
	return write_epoch(n, old, n->config.epoch, err);
}

/* The store tells which log is being written; a crash may have come before
 * node.yaml told it too. */
static enum err_code open_epoch(
	struct node *n, enum store_mode mode, struct err *err)
{
	struct log_info own;
	const char *epoch;
	enum err_code rc = store_log_own(n->store, &own, err);

	if (rc)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	epoch = strrchr(own.origin, '/') + 1;
	if (strncmp(own.origin, n->origin, (size_t)(epoch - own.origin)) != 0)
		return err_set(err, ERR_CORRUPT,
			"node.yaml says %s/%s, but the records here are of "
			"%.*s: put domain and code back as they were",
			n->config.domain, n->config.code,
			(int)(epoch - own.origin) - 1, own.origin);
	if (!strcmp(epoch, n->config.epoch))
		return ERR_OK;
	if (mode == STORE_WRITE)
		return node_set_epoch(n, epoch, err);
	set_origin(n, epoch);
	return ERR_OK;
}

/* Before anything is signed.  Two directories of one node must not write one
 * log, so whichever is the copy begins a new one. */
static enum err_code open_instance(struct node *n, struct err *err)
{
	enum instance is = INSTANCE_NONE;
	struct log_info own;
	enum err_code rc;

	if ((rc = instance_check(n->data, &is, err)) || is == INSTANCE_SAME)
		return rc;
	rc = store_log_own(n->store, &own, err);
	if (rc == ERR_OK && is == INSTANCE_OTHER)
		rc = epoch_begin(
			n, NULL, own.origin, EPOCH_COPIED, &n->copied, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	crash_point("node.instance");
	rc = instance_write(n->data, err);
	/* A directory without a marker opens on a full disk too; the next
	 * opening makes it. */
	return is == INSTANCE_NONE && rc == ERR_FULL ? ERR_OK : rc;
}

/* A log that lost its end goes on under another name, at once. */
static enum err_code open_cut(struct node *n, struct err *err)
{
	char epoch[HEX_SIZE(8)];
	struct log_info own;
	struct log_cut cut;
	uint8_t random[8];
	enum err_code rc;

	if (!store_log_cut(n->store, &cut) || strcmp(cut.origin, n->origin))
		return ERR_OK;
	rc = store_log_own(n->store, &own, err);
	if (rc == ERR_OK)
		return epoch_begin(
			n, NULL, cut.origin, EPOCH_CUT, &n->cut, err);
	/* Nothing of it is left: the next begins as the first did. */
	if (rc != ERR_NOT_FOUND ||
		(rc = random_bytes(random, sizeof(random), err)))
		return rc;
	hex_encode(random, sizeof(random), epoch);
	n->cut = true;
	return node_set_epoch(n, epoch, err);
}

static enum err_code open_log(
	struct node *n, enum store_mode mode, struct err *err)
{
	enum err_code rc;

	if ((rc = settled_load(n, err)) || (rc = open_epoch(n, mode, err)))
		return rc;
	if (mode != STORE_WRITE)
		return ERR_OK;
	return (rc = open_cut(n, err)) ? rc : open_instance(n, err);
}

#define DAMAGES_TOLD 8

static enum err_code add_damage(
	void *arg, const char *where, const char *what, struct err *err)
{
	struct json *list = arg;
	struct json *o = json_new_object();

	if (json_count(list) == DAMAGES_TOLD) {
		json_free(o);
		return ERR_OK;
	}
	if (o && json_set(o, "where", json_new_text(where)) &&
		json_set(o, "what", json_new_text(what)))
		return json_append(list, o) ? ERR_OK : err_nomem(err);
	json_free(o);
	return err_nomem(err);
}

enum err_code node_damage_status(
	struct node *n, struct json *status, struct err *err)
{
	struct json *list = json_new_array();
	struct log_cut cut;
	struct err told;
	enum err_code rc;

	if (!list)
		return err_nomem(err);
	rc = store_damage_each(n->store, add_damage, list, err);
	if (!rc && store_log_cut(n->store, &cut)) {
		(void)err_set(&told, ERR_CORRUPT,
			"%" PRIu64 " entries were acknowledged; what is left "
			"at the end is not all of them",
			cut.had);
		rc = add_damage(list, cut.origin, told.text, err);
	}
	if (rc || !json_count(list)) {
		json_free(list);
		return rc;
	}
	return json_set(status, "damage", list) ? ERR_OK : err_nomem(err);
}

/* ---- opening ---- */

static enum err_code key_load(const struct node *n, const char *name,
	struct sign_key **out, struct err *err)
{
	char *path = file_join(n->data, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = sign_key_load(path, out, err);
	free(path);
	return rc;
}

static enum err_code open_parts(
	struct node *n, enum store_mode mode, bool create, struct err *err)
{
	struct store_options opt = {.mode = mode, .create = create};
	char *path = file_join(n->data, NODE_GOVERNANCE);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	snprintf(n->origin, sizeof(n->origin), "%s/%s/%s", n->config.domain,
		n->config.code, n->config.epoch);
	if ((rc = key_load(n, NODE_KEY_LOG, &n->log, err)) ||
		(rc = key_load(n, NODE_KEY_WITNESS, &n->witness, err)) ||
		(rc = key_load(n, NODE_KEY_TLS, &n->tls, err)) ||
		(rc = rotation_load(n, err)) ||
		(rc = node_keys_check(n->data, mode == STORE_WRITE, err)) ||
		(rc = store_open(n->data, &opt, &n->store, err)) ||
		(rc = governance_open(path, &n->governance, err)) ||
		(mode == STORE_WRITE &&
			(rc = governance_sweep(n->governance, err))))
		rc = err_while(err, rc, "open node %s", n->data);
	else
		store_sign_later(n->store, node_sign, n);
	free(path);
	return rc;
}

/* Brings n->rules to what the own log says, and a writer's log to what
 * governance says: a crash may have come between the two. */
static enum err_code open_rules(
	struct node *n, enum store_mode mode, struct err *err)
{
	struct statement head;
	uint64_t serial = 0;
	enum err_code rc;

	if ((rc = governance_head(n->governance, &head, err)) ||
		(rc = policy_find(n, head.serial, &serial, err)))
		return rc;
	if (mode == STORE_WRITE && serial < head.serial)
		return adopt(n, NULL, &head, err);
	return governance_rules(
		n->governance, serial, &n->config.root, &n->rules, err);
}

bool node_file_gone(const char *data)
{
	static const char *const names[] = {"keyring", "segments",
		"keys/master", NODE_KEY_LOG, NODE_KEY_WITNESS, NODE_KEY_TLS};
	char *path = file_join(data, NODE_FILE);
	bool gone = path && !file_exists(path);

	free(path);
	if (gone) {
		/* Else there is no node. */
		path = file_join(data, "extent");
		gone = path && file_exists(path);
		free(path);
		return gone;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !gone; i++) {
		path = file_join(data, names[i]);
		gone = path && !file_exists(path);
		free(path);
	}
	return gone;
}

enum err_code node_open(const char *data, enum store_mode mode,
	struct node **out, struct err *err)
{
	struct node *n = NULL;
	char *path = file_join(data, NODE_FILE);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if ((rc = node_new(data, &n, err)) ||
		(rc = node_config_load(path, &n->config, err)) ||
		(rc = open_parts(n, mode, false, err)) ||
		(rc = open_log(n, mode, err)) ||
		(rc = open_rules(n, mode, err))) {
		if (n)
			node_free(n);
		if (rc == ERR_NOT_FOUND && node_file_gone(data))
			rc = err_while(err, ERR_CORRUPT,
				"part of the node is gone, and nothing was "
				"deleted by it; bring it back from a backup");
	} else {
		/* What does not go now goes with the next countersignature. */
		if (mode == STORE_WRITE)
			(void)node_rotate_settle(n, NULL, NULL);
		*out = n;
	}
	free(path);
	return rc;
}

enum err_code node_start(
	const char *data, const struct node_config *config, struct err *err)
{
	struct node *n = NULL;
	enum err_code rc;

	if ((rc = node_new(data, &n, err)))
		return rc;
	n->config = *config;
	if (!(rc = open_parts(n, STORE_WRITE, true, err)) &&
		!(rc = open_log(n, STORE_WRITE, err)))
		rc = open_rules(n, STORE_WRITE, err);
	node_free(n);
	return rc;
}

enum err_code node_make_request(
	struct node *n, struct node_request *out, struct err *err)
{
	struct node_request r = {.seal_len = 0};
	char *path = file_join(n->data, NODE_KEY_SEAL);
	struct buf spki = BUF_EMPTY;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	snprintf(r.domain, sizeof(r.domain), "%s", n->config.domain);
	snprintf(r.code, sizeof(r.code), "%s", n->config.code);
	snprintf(r.address, sizeof(r.address), "%s", n->config.listen);
	r.log = sign_key_public(n->log);
	r.witness = sign_key_public(n->witness);
	r.tls = sign_key_public(n->tls);
	if ((rc = seal_key_public(path, &spki, err)))
		goto out;
	if (spki.len > sizeof(r.seal)) {
		rc = err_set(err, ERR_LIMIT, "seal key of %zu bytes, limit %zu",
			spki.len, sizeof(r.seal));
		goto out;
	}
	memcpy(r.seal, spki.data, spki.len);
	r.seal_len = spki.len;
	*out = r;
out:
	buf_free(&spki);
	free(path);
	return rc;
}
