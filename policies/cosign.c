/* cosign.c - the custody receipt: a node's cosignature on another's
 * checkpoint, given and taken. */
#include "policies/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/logs.h"

/* The note of `bytes` with one more line by this node. */
static enum err_code add_cosignature(const struct node *n,
	const struct note *note, struct buf *merged, struct err *err)
{
	char name[NOTE_NAME_SIZE];
	struct buf ours = BUF_EMPTY;
	struct note second;
	enum err_code rc;

	snprintf(name, sizeof(name), "%s/%s/witness", n->config.domain,
		n->config.code);
	buf_add(&ours, note->text, note->text_len);
	buf_u8(&ours, '\n');
	if ((rc = checkpoint_cosign(note, name, n->witness,
		     (uint64_t)time_now(), &ours, err)) ||
		(rc = buf_ok(&ours, err)) ||
		(rc = note_parse(ours.data, ours.len, &second, err)))
		goto out;
	rc = note_merge(note, &second, merged, err);
out:
	buf_free(&ours);
	return rc;
}

enum err_code exchange_cosign(struct batch *b, struct node *n,
	const char *origin, struct buf *note, struct err *err)
{
	struct buf bytes = BUF_EMPTY, merged = BUF_EMPTY;
	struct checkpoint cp;
	struct log_info log;
	struct note parsed;
	enum err_code rc;

	if ((rc = batch_log_find(b, origin, &log, err)))
		return rc;
	if (log.kind != LOG_FULL)
		return err_set(err, ERR_DENIED,
			"%s is not held whole here and gets no cosignature",
			origin);
	if ((rc = log_note(n->store, log.id, NOTE_COMPLETE, &bytes, &parsed,
		     &cp, err)) ||
		(rc = add_cosignature(n, &parsed, &merged, err)) ||
		(rc = batch_note(
			 b, log.id, merged.data, merged.len, true, err)))
		goto out;
	buf_add(note, merged.data, merged.len);
	rc = buf_ok(note, err);
out:
	buf_free(&bytes);
	buf_free(&merged);
	return rc;
}

/* More than is here: of a log of ours it is proof that another goes on with
 * it; of a log below it is merely early. */
static enum err_code ahead(struct node *n, const char *code, bool ours,
	const struct checkpoint *cp, uint64_t here, struct err *err)
{
	if (ours && !strcmp(code, n->config.code))
		return err_set(err, ERR_FORK,
			"%s has %" PRIu64 " entries above, here are %" PRIu64,
			cp->origin, cp->size, here);
	return err_set(err, ERR_BUSY,
		"cosigned note of %s at %" PRIu64
		", its newest checkpoint here is %" PRIu64,
		cp->origin, cp->size, here);
}

/* The note must be of a log and a tree that we have. */
static enum err_code check_ours(
	struct node *n, const struct checkpoint *cp, struct err *err)
{
	struct log_info log = {.kind = LOG_FULL};
	struct digest root;
	char code[CODE_SIZE];
	enum err_code rc;

	if (!log_code(cp->origin, code) || !code_within(code, n->config.code))
		return err_set(err, ERR_DENIED,
			"cosigned note of %s, which %s did not give",
			cp->origin, n->config.code);
	rc = store_log_find(n->store, cp->origin, &log, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (rc || cp->size > log.checkpoint_size)
		return ahead(
			n, code, rc == ERR_OK, cp, log.checkpoint_size, err);
	if ((rc = log_root_at(n->store, &log, cp->size, &root, err)))
		return rc;
	if (!digest_equal(&root, &cp->root))
		return err_set(err, ERR_FORK,
			"cosigned note of %s at %" PRIu64
			" has another root than here",
			cp->origin, cp->size);
	return ERR_OK;
}

enum err_code exchange_take_cosigned(struct node *n, const struct rules *rules,
	const void *data, size_t len, char origin[ORIGIN_SIZE],
	struct buf *merged, struct err *err)
{
	struct buf clean = BUF_EMPTY;
	unsigned cosignatures = 0;
	char name[ORIGIN_SIZE];
	struct checkpoint cp;
	struct note_key key;
	struct note note;
	enum err_code rc;

	if ((rc = note_parse(data, len, &note, err)) ||
		(rc = checkpoint_parse(note.text, note.text_len, &cp, err)))
		return rc;
	if (!origin_valid(cp.origin, strlen(cp.origin)))
		return err_set(err, ERR_PROTOCOL,
			"cosigned note without a valid origin");
	memcpy(name, cp.origin, sizeof(name));
	if ((rc = log_note_open(
		     rules, name, data, len, &note, &cp, &key, err)) ||
		(rc = check_ours(n, &cp, err)) ||
		(rc = note_clean(NOTE_BESIDE, rules, &note, &key, &clean,
			 &cosignatures, err)))
		goto out;
	if (!cosignatures) {
		rc = err_set(err, ERR_DENIED,
			"note of %s without a cosignature of the roster",
			cp.origin);
		goto out;
	}
	buf_add(merged, clean.data, clean.len);
	rc = buf_ok(merged, err);
out:
	if (rc == ERR_OK || rc == ERR_FORK)
		memcpy(origin, name, ORIGIN_SIZE);
	buf_free(&clean);
	return rc;
}
