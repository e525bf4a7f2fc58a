/* rotate.c - a node changes its keys while it goes on. */
#include "policies/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/capture.h"
#include "policies/nodefile.h"

#define MARK_FILE NODE_KEYS "/changed"
#define MARK_LIMIT ((size_t)256)

struct rotation {
	pthread_mutex_t lock; /* one change at a time */
	/* Written under the node's lock by the writer alone. */
	struct sign_key *next[ROTATED_KEYS], *old[ROTATED_KEYS];
	/* What a change is about to put in place. */
	struct sign_key *made[ROTATED_KEYS];
};

static const char *const kind_names[ROTATED_KEYS] = {"log", "witness", "tls"};

enum err_code rotation_new(struct rotation **out, struct err *err)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (!r || pthread_mutex_init(&r->lock, NULL)) {
		free(r);
		return err_nomem(err);
	}
	*out = r;
	return ERR_OK;
}

static void keys_free(struct sign_key *keys[ROTATED_KEYS])
{
	for (size_t i = 0; i < ROTATED_KEYS; i++) {
		sign_key_free(keys[i]);
		keys[i] = NULL;
	}
}

void rotation_free(struct rotation *r)
{
	if (!r)
		return;
	keys_free(r->next);
	keys_free(r->old);
	keys_free(r->made);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct sign_key **in_force(struct node *n, size_t i)
{
	struct sign_key **const keys[ROTATED_KEYS] = {
		&n->log, &n->witness, &n->tls};

	return keys[i];
}

static enum err_code load(const struct node *n, const char *name,
	struct sign_key **out, struct err *err)
{
	char *path = file_join(n->data, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = sign_key_load(path, out, err);
	free(path);
	return rc == ERR_NOMEM ? rc : ERR_OK;
}

enum err_code rotation_load(struct node *n, struct err *err)
{
	struct rotation *r = n->rotation;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < ROTATED_KEYS; i++)
		if (!(rc = load(n, node_key_next(i), &r->next[i], err)))
			rc = load(n, node_key_old(i), &r->old[i], err);
	return rc;
}

enum err_code rotation_sign(const struct node *n, const struct checkpoint *cp,
	struct buf *note, struct err *err)
{
	const struct rotation *r = n->rotation;
	const struct sign_key *k = r->next[0] ? r->next[0] : r->old[0];

	return k ? checkpoint_sign_too(cp, k, note, err) : ERR_OK;
}

static unsigned kinds_of(struct sign_key *const keys[ROTATED_KEYS])
{
	unsigned kinds = 0;

	for (size_t i = 0; i < ROTATED_KEYS; i++)
		kinds |= keys[i] ? 1u << i : 0;
	return kinds;
}

void node_rotating(struct node *n, unsigned *next, unsigned *old)
{
	pthread_rwlock_rdlock(n->lock);
	*next = kinds_of(n->rotation->next);
	*old = kinds_of(n->rotation->old);
	pthread_rwlock_unlock(n->lock);
}

enum err_code node_tls_key(
	struct node *n, struct sign_key **out, struct err *err)
{
	uint8_t seed[SIGN_SEED_SIZE];
	enum err_code rc;

	pthread_rwlock_rdlock(n->lock);
	sign_key_seed(n->tls, seed);
	pthread_rwlock_unlock(n->lock);
	rc = sign_key_from_seed(seed, out, err);
	explicit_bzero(seed, sizeof(seed));
	return rc;
}

/* ---- sys-key ---- */

static bool set_text(struct json *o, const char *name, const char *text)
{
	return json_set(o, name, json_new_text(text));
}

static bool set_public(
	struct json *o, const char *name, const struct sign_key *key)
{
	struct sign_public pub = sign_key_public(key);
	char text[BASE64_SIZE(SIGN_PUBLIC_SIZE)];

	base64_encode(pub.b, sizeof(pub.b), text);
	return set_text(o, name, text);
}

static bool add_key(struct json *list, const char *kind,
	const struct sign_key *from, const struct sign_key *to)
{
	struct json *o = json_new_object();

	if (o && set_public(o, "from", from) && set_text(o, "key", kind) &&
		set_public(o, "to", to))
		return json_append(list, o);
	json_free(o);
	return false;
}

/* NULL when out of memory. */
static struct json *change_json(
	struct node *n, const char *change, unsigned kinds, uint64_t size)
{
	struct json *o = json_new_object(), *list = json_new_array();
	bool ok = o && list && set_text(o, "change", change) &&
		json_set(o, "size", json_new_u64(size));

	for (size_t i = 0; ok && i < ROTATED_KEYS; i++)
		if (kinds & 1u << i)
			ok = add_key(list, kind_names[i], *in_force(n, i),
				n->rotation->next[i]);
	if (ok && json_set(o, "keys", list))
		return o;
	if (!ok)
		json_free(list);
	json_free(o);
	return NULL;
}

/* What is committed of it: what the open group adds is signed by both. */
static enum err_code own_size(
	struct node *n, struct log_info *own, struct err *err)
{
	enum err_code rc = store_log_own(n->store, own, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	*own = (struct log_info){.size = 0};
	return ERR_OK;
}

/* The kinds whose new keys the rules name; none where they name keys that are
 * neither the new ones nor those in force. */
static unsigned named_by(struct node *n, const struct rules *rules)
{
	const struct node_info *us = rules_node(rules, n->config.code);
	unsigned kinds = 0;

	if (!us || !us->enrolled)
		return 0;
	for (size_t i = 0; i < ROTATED_KEYS; i++) {
		const struct sign_public *told[ROTATED_KEYS] = {
			&us->log, &us->witness, &us->tls};
		struct sign_public pub = sign_key_public(*in_force(n, i));

		if (!memcmp(&pub, told[i], sizeof(pub)))
			continue;
		if (!n->rotation->next[i])
			return 0;
		pub = sign_key_public(n->rotation->next[i]);
		if (memcmp(&pub, told[i], sizeof(pub)))
			return 0;
		kinds |= 1u << i;
	}
	return kinds;
}

enum err_code rotation_note(struct batch *b, struct node *n,
	const struct rules *rules, struct err *err)
{
	unsigned kinds = named_by(n, rules);
	struct receipt receipt;
	struct log_info own;
	enum err_code rc;

	if (!kinds)
		return ERR_OK;
	if ((rc = own_size(n, &own, err)))
		return rc;
	return system_record(b, n, "sys-key",
		change_json(n, "done", kinds, own.size), &receipt, err);
}

/* ---- the beginning ---- */

struct beginning {
	struct node *node;
	unsigned kinds;
	struct log_info own;
};

/* From here on both sign; should the group fail, that does no harm. */
static enum err_code begin_job(struct batch *b, void *arg, struct err *err)
{
	struct beginning *begin = arg;
	struct node *n = begin->node;
	struct receipt receipt;
	enum err_code rc;

	if ((rc = own_size(n, &begin->own, err)))
		return rc;
	pthread_rwlock_wrlock(n->lock);
	for (size_t i = 0; i < ROTATED_KEYS; i++) {
		if (n->rotation->made[i]) {
			n->rotation->next[i] = n->rotation->made[i];
			n->rotation->made[i] = NULL;
		}
	}
	pthread_rwlock_unlock(n->lock);
	return system_record(b, n, "sys-key",
		change_json(n, "begun", begin->kinds, begin->own.size),
		&receipt, err);
}

/* The files first: a key that signed is not forgotten by a crash. */
static enum err_code make_key(struct node *n, size_t i, struct err *err)
{
	char *path = file_join(n->data, node_key_next(i));
	struct sign_key *k = NULL;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = sign_key_new(&k, err)) &&
		!(rc = sign_key_save(k, path, err))) {
		crash_point("rotate.made");
		n->rotation->made[i] = k;
		k = NULL;
	}
	sign_key_free(k);
	free(path);
	return rc;
}

static enum err_code make_keys(struct node *n, unsigned kinds, struct err *err)
{
	enum err_code rc = ERR_OK;

	keys_free(n->rotation->made);
	for (size_t i = 0; !rc && i < ROTATED_KEYS; i++)
		if (kinds & 1u << i && !n->rotation->next[i])
			rc = make_key(n, i, err);
	return rc ? rc : node_keys_note(n->data, err);
}

static enum err_code write_request(struct node *n, const struct beginning *b,
	struct buf *out, struct err *err)
{
	struct sign_key *const *next = n->rotation->next;
	struct node_request r;
	enum err_code rc;

	if ((rc = node_make_request(n, &r, err)))
		return rc;
	if (next[0]) {
		r.log = sign_key_public(next[0]);
		snprintf(r.epoch, sizeof(r.epoch), "%s", n->config.epoch);
		r.size = b->own.size;
	}
	if (next[1])
		r.witness = sign_key_public(next[1]);
	if (next[2])
		r.tls = sign_key_public(next[2]);
	return node_request_write(&r, next[0] ? next[0] : n->log,
		next[0] ? n->log : NULL, out, err);
}

enum err_code node_rotate(struct node *n, struct writer *w, unsigned kinds,
	struct buf *request, struct err *err)
{
	struct rotation *r = n->rotation;
	struct beginning b = {.node = n};
	enum err_code rc;

	pthread_mutex_lock(&r->lock);
	if (kinds_of(r->old)) {
		rc = err_set(err, ERR_BUSY,
			"the keys of before were changed, and no node above "
			"has "
			"countersigned since");
		goto out;
	}
	if ((rc = make_keys(n, kinds, err)))
		goto out;
	b.kinds = kinds_of(r->next) | kinds_of(r->made);
	if ((rc = node_run_job(n, w, begin_job, &b, err)))
		goto out;
	crash_point("rotate.begun");
	rc = write_request(n, &b, request, err);
out:
	pthread_mutex_unlock(&r->lock);
	return rc ? err_while(err, rc, "change keys") : rc;
}

/* ---- the switch ---- */

static enum err_code write_mark(struct node *n, struct err *err)
{
	char *path = file_join(n->data, MARK_FILE);
	char text[ORIGIN_SIZE + 32];
	struct log_info own;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = own_size(n, &own, err))) {
		snprintf(text, sizeof(text), "%s %" PRIu64 "\n", own.origin,
			own.size);
		rc = file_replace(path, text, strlen(text), 0600, err);
	}
	free(path);
	return rc;
}

/* A lost one only makes the old keys wait a little longer. */
static enum err_code mark_again(struct node *n, struct err *err)
{
	char *path = file_join(n->data, MARK_FILE);
	enum err_code rc = path ? ERR_OK : err_nomem(err);

	if (!rc && !file_exists(path))
		rc = write_mark(n, err);
	free(path);
	return rc;
}

static enum err_code keep_old(struct node *n, size_t i, struct err *err)
{
	char *path = file_join(n->data, node_key_old(i));
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = sign_key_save(*in_force(n, i), path, err)))
		crash_point("rotate.kept");
	free(path);
	return rc;
}

static enum err_code put_in_place(struct node *n, size_t i, struct err *err)
{
	char *from = file_join(n->data, node_key_next(i));
	char *to = file_join(n->data, node_key_file(i));
	char *dir = file_join(n->data, NODE_KEYS);
	enum err_code rc;

	if (!from || !to || !dir)
		rc = err_nomem(err);
	else if (rename(from, to))
		rc = err_sys(err, "rename %s", from);
	else if (!(rc = file_sync_dir(dir, err)))
		crash_point("rotate.switched");
	free(dir);
	free(to);
	free(from);
	return rc;
}

struct swapping {
	struct node *node;
	unsigned kinds;
};

/* Between two groups, for the writer signs with these. */
static enum err_code swap_job(struct batch *b, void *arg, struct err *err)
{
	const struct swapping *s = arg;
	struct rotation *r = s->node->rotation;

	(void)b;
	(void)err;
	pthread_rwlock_wrlock(s->node->lock);
	for (size_t i = 0; i < ROTATED_KEYS; i++) {
		if (!(s->kinds & 1u << i) || !r->next[i])
			continue;
		sign_key_free(r->old[i]);
		r->old[i] = *in_force(s->node, i);
		*in_force(s->node, i) = r->next[i];
		r->next[i] = NULL;
	}
	pthread_rwlock_unlock(s->node->lock);
	return ERR_OK;
}

static enum err_code switch_keys(
	struct node *n, struct writer *w, unsigned kinds, struct err *err)
{
	struct swapping s = {n, kinds};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < ROTATED_KEYS; i++)
		if (kinds & 1u << i)
			rc = keep_old(n, i, err);
	if (rc || (rc = write_mark(n, err)))
		return rc;
	crash_point("rotate.marked");
	for (size_t i = 0; !rc && i < ROTATED_KEYS; i++)
		if (kinds & 1u << i)
			rc = put_in_place(n, i, err);
	return rc ? rc : node_run_job(n, w, swap_job, &s, err);
}

/* ---- the end of the old ones ---- */

/* Without the mark nobody can tell since when: nothing is destroyed then. */
static bool countersigned(struct node *n, const struct rules *rules)
{
	char *path = file_join(n->data, MARK_FILE);
	struct buf text = BUF_EMPTY;
	struct log_info own;
	uint64_t size = 0;
	char *space;
	bool done = false;

	if (path && !file_read(path, MARK_LIMIT, &text, NULL) &&
		!own_size(n, &own, NULL) && text.len &&
		(space = strchr((char *)text.data, ' '))) {
		*space++ = '\0';
		space[strcspn(space, "\n")] = '\0';
		if (!strcmp(rules_root(rules)->code, n->config.code))
			done = true;
		else if (strcmp((char *)text.data, own.origin))
			done = own.cosigned_size > 0;
		else
			done = number_parse(space, strlen(space), UINT64_MAX,
				       &size) &&
				own.cosigned_size >= size &&
				own.cosigned_size > 0;
	}
	buf_free(&text);
	free(path);
	return done;
}

/* Zeros over the bytes, as far as the disk writes where it read. */
static enum err_code wipe(const char *path, struct err *err)
{
	static const uint8_t zeros[4096];
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size;
	enum err_code rc = ERR_OK;

	if (fd < 0)
		return errno == ENOENT ? ERR_OK : err_sys(err, "open %s", path);
	size = lseek(fd, 0, SEEK_END);
	if (size > 0 && size <= (off_t)sizeof(zeros))
		rc = file_write_at(fd, 0, zeros, (size_t)size, err);
	if (!rc)
		rc = file_sync_data(fd, path, err);
	close(fd);
	if (!rc && unlink(path))
		rc = err_sys(err, "remove %s", path);
	return rc;
}

static enum err_code wipe_named(
	struct node *n, const char *name, struct err *err)
{
	char *path = file_join(n->data, name);
	enum err_code rc = path ? wipe(path, err) : err_nomem(err);

	free(path);
	return rc;
}

static enum err_code forget_job(struct batch *b, void *arg, struct err *err)
{
	struct node *n = arg;

	(void)b;
	(void)err;
	pthread_rwlock_wrlock(n->lock);
	keys_free(n->rotation->old);
	pthread_rwlock_unlock(n->lock);
	return ERR_OK;
}

static enum err_code destroy_old(
	struct node *n, struct writer *w, struct err *err)
{
	char *dir = file_join(n->data, NODE_KEYS);
	enum err_code rc = dir ? node_keys_note(n->data, err) : err_nomem(err);

	for (size_t i = 0; !rc && i < ROTATED_KEYS; i++)
		if (!(rc = wipe_named(n, node_key_old(i), err)))
			crash_point("rotate.wiped");
	if (!rc && !(rc = file_sync_dir(dir, err)) &&
		!(rc = node_run_job(n, w, forget_job, n, err)))
		rc = wipe_named(n, MARK_FILE, err);
	free(dir);
	return rc;
}

enum err_code node_rotate_settle(
	struct node *n, struct writer *w, struct err *err)
{
	struct rotation *r = n->rotation;
	struct rules *rules = node_rules(n);
	enum err_code rc = ERR_OK;
	unsigned kinds;

	pthread_mutex_lock(&r->lock);
	if ((kinds = named_by(n, rules)))
		rc = switch_keys(n, w, kinds, err);
	if (!rc && kinds_of(r->old) && !(rc = mark_again(n, err)) &&
		countersigned(n, rules))
		rc = destroy_old(n, w, err);
	pthread_mutex_unlock(&r->lock);
	rules_unref(rules);
	return rc ? err_while(err, rc, "change keys") : rc;
}
