/* replica_take.c - what the node takes: verified first, then stored by the
 * writer; evidence of forks. */
#include "syncd/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- evidence ---- */

/* DATA/forks/ORIGIN-WITH-DASHES.YYYY-MM-DD.txt.  The first of a day is kept:
 * it proves as much as the next, and a peer cannot fill the disk by it. */
static enum err_code keep_evidence(struct node *n, const char *origin,
	const struct buf *evidence, struct err *err)
{
	char time[TIME_TEXT_SIZE];
	char *dir = NULL, *path = NULL;
	struct fork fork;
	enum err_code rc;

	time_format(time_now(), time);
	fork_file(origin, time, &fork);
	if (!(path = file_join(n->data, fork.file)) ||
		!(dir = strndup(path, (size_t)(strrchr(path, '/') - path)))) {
		rc = err_nomem(err);
		goto out;
	}
	rc = ERR_OK;
	if (file_exists(path))
		goto out;
	if ((rc = file_make_dirs(dir, err)) ||
		(rc = file_replace(
			 path, evidence->data, evidence->len, 0600, err)))
		rc = err_while(err, rc, "keep evidence of a fork");
out:
	free(path);
	free(dir);
	return rc;
}

/* ---- logs ---- */

static enum err_code store_job(struct batch *b, void *arg, struct err *err)
{
	return taken_store(b, arg, err);
}

static enum err_code verify(struct ask *a, struct replica *r,
	struct buf *evidence, struct taken **out, struct err *err)
{
	const uint8_t *data = a->data.data + a->head;
	size_t len = a->data.len - a->head;

	if (a->kind == ASK_TAKE_CHECKPOINT)
		return exchange_take_checkpoint(r->node, r->rules, a->peer,
			data, len, out, evidence, err);
	if (a->kind == ASK_TAKE_PACKAGE)
		return exchange_take_package(
			r->node, r->rules, a->peer, data, len, out, err);
	return exchange_take_proved(
		r->node, r->rules, a->peer, data, len, out, err);
}

static enum err_code check_head(
	const struct ask *a, const struct taken *t, struct err *err)
{
	if (strcmp(taken_origin(t), a->origin))
		return err_set(err, ERR_PROTOCOL,
			"message of %s under the head of %s", taken_origin(t),
			a->origin);
	if (a->kind == ASK_TAKE_PROVED && taken_size(t) != a->from + 1)
		return err_set(err, ERR_PROTOCOL,
			"entry of %s under the head of another",
			taken_origin(t));
	return ERR_OK;
}

/* Tells how much of the log is here now, also where nothing was new: the
 * giver goes on from there. */
static enum err_code measure(
	struct ask *a, struct node *n, enum err_code rc, struct err *err)
{
	struct log_info log;
	enum err_code found;

	if (a->kind == ASK_TAKE_PROVED) {
		a->changed = rc == ERR_OK;
		return rc;
	}
	found = store_log_find(n->store, a->origin, &log, err);
	if (found)
		return rc ? rc : found;
	a->size = log.size;
	if (rc == ERR_OK && a->kind == ASK_TAKE_PACKAGE)
		a->changed = log.checkpoint_size == log.size;
	return rc;
}

static enum err_code take_log(struct ask *a, struct replica *r, struct err *err)
{
	struct buf evidence = BUF_EMPTY;
	struct log_info before = {0};
	struct taken *t = NULL;
	struct err kept;
	enum err_code rc;

	rc = store_log_find(r->node->store, a->origin, &before, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if ((rc = verify(a, r, &evidence, &t, err)) == ERR_OK &&
		(rc = check_head(a, t, err)) == ERR_OK)
		rc = writer_run(r->writer, store_job, t, err);
	if (rc == ERR_EXISTS)
		rc = ERR_BUSY;
	if (rc == ERR_BUSY && a->kind == ASK_TAKE_PACKAGE)
		a->next = exchange_package_end(
			a->data.data + a->head, a->data.len - a->head);
	if (rc == ERR_FORK && evidence.len) {
		a->changed = true;
		/* The refusal stands, whether it could be written down or
		 * not. */
		(void)keep_evidence(r->node, a->origin, &evidence, &kept);
	}
	if (rc == ERR_OK || rc == ERR_BUSY)
		rc = measure(a, r->node, rc, err);
	if (rc == ERR_OK && a->kind == ASK_TAKE_PACKAGE)
		a->count = a->size - before.size;
	taken_free(t);
	buf_free(&evidence);
	return rc;
}

/* ---- cosigned notes ---- */

struct note_store {
	const char *origin;
	const struct buf *note;
};

static enum err_code note_job(struct batch *b, void *arg, struct err *err)
{
	const struct note_store *s = arg;
	struct log_info log;
	enum err_code rc;

	if ((rc = batch_log_find(b, s->origin, &log, err)))
		return rc;
	return batch_note(b, log.id, s->note->data, s->note->len, true, err);
}

static enum err_code take_cosigned(
	struct ask *a, struct replica *r, struct err *err)
{
	struct buf merged = BUF_EMPTY;
	struct note_store s = {a->origin, &merged};
	enum err_code rc;

	if ((rc = exchange_take_cosigned(r->node, r->rules, a->data.data,
		     a->data.len, a->origin, &merged, err)) == ERR_OK)
		rc = writer_run(r->writer, note_job, &s, err);
	/* Where it does not go now, the next one tries again. */
	if (rc == ERR_OK)
		(void)node_rotate_settle(r->node, r->writer, NULL);
	a->changed = rc == ERR_OK;
	buf_free(&merged);
	return rc;
}

/* ---- attachments ---- */

static enum err_code attached_job(struct batch *b, void *arg, struct err *err)
{
	const struct attachment_ref *ref = arg;

	return batch_attached(b, &ref->object, err);
}

static enum err_code attached(struct ask *a, struct replica *r, struct err *err)
{
	enum err_code rc = writer_run(r->writer, attached_job, &a->ref, err);

	a->done = a->changed = rc == ERR_OK;
	return rc;
}

static enum err_code finish(struct ask *a, struct replica *r, struct err *err)
{
	struct attachment_writer *w = a->writer;
	struct attachment_made made;
	enum err_code rc;

	a->writer = NULL;
	if ((rc = attachment_finish(w, &made, err)))
		return rc;
	return attached(a, r, err);
}

/* What is whole already only lacks the word of it: a crash came between. */
static enum err_code resume(struct ask *a, struct replica *r, struct err *err)
{
	struct node *n = r->node;
	enum err_code rc;

	if (attachment_here(n->data, &a->ref.object))
		return attached(a, r, err);
	if (a->ref.size > ATTACHMENT_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"attachment of %" PRIu64 " bytes, limit %" PRIu64,
			a->ref.size, ATTACHMENT_SIZE_LIMIT);
	if ((rc = attachment_resume(n->data, store_keyring(n->store),
		     &a->ref.object, a->ref.salt, a->ref.size, &a->writer,
		     &a->from, err)))
		return rc;
	return a->from == a->ref.size ? finish(a, r, err) : ERR_OK;
}

static enum err_code take_range(
	struct ask *a, struct replica *r, struct err *err)
{
	size_t len = a->data.len - a->head;
	enum err_code rc;

	if ((rc = attachment_write(
		     a->writer, a->data.data + a->head, len, err))) {
		attachment_pause(a->writer);
		a->writer = NULL;
		return rc;
	}
	a->from += len;
	return a->from == a->ref.size ? finish(a, r, err) : ERR_OK;
}

enum err_code take_run(struct ask *a, struct replica *r, struct err *err)
{
	switch (a->kind) {
	case ASK_TAKE_CHECKPOINT:
	case ASK_TAKE_PACKAGE:
	case ASK_TAKE_PROVED:
		return take_log(a, r, err);
	case ASK_TAKE_COSIGNED:
		return take_cosigned(a, r, err);
	case ASK_RESUME:
		return resume(a, r, err);
	case ASK_TAKE_RANGE:
		return take_range(a, r, err);
	default:
		return err_set(err, ERR_INTERNAL, "no taking ask");
	}
}
