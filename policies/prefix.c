/* prefix.c - what a node above has of a log of ours, proved by our own
 * signature. */
#include "policies/exchange.h"

#include <inttypes.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/message.h"

enum err_code exchange_make_prefix(struct node *n, const struct log_info *log,
	uint64_t asked, struct buf *out, struct err *err)
{
	struct checkpoint_message m = {.old_size = 0};
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	if (log->checkpoint_size > 0 &&
		(asked <= log->checkpoint_size ||
			log->pending_size <= log->checkpoint_size))
		return exchange_make_checkpoint(n, log,
			asked <= log->checkpoint_size ? asked : 0, out, err);
	if ((rc = store_note(n->store, log->id, NOTE_PENDING, &bytes, err)))
		goto out;
	memcpy(m.origin, log->origin, sizeof(m.origin));
	m.note = bytes.data;
	m.note_len = bytes.len;
	checkpoint_message_write(&m, out);
	rc = buf_ok(out, err);
out:
	buf_free(&bytes);
	return rc;
}

/* The two trees held against each other. */
static enum err_code compare(struct node *n, const struct log_info *log,
	const struct checkpoint_message *m, struct prefix *p, struct err *err)
{
	struct digest root;
	enum err_code rc;

	p->here = log->size;
	p->other = p->size > log->size;
	if (!p->other) {
		if ((rc = log_root_at(n->store, log, p->size, &root, err)))
			return rc;
		p->other = !digest_equal(&root, &p->root);
	}
	if (m->old_size == 0 || m->old_size > log->size ||
		m->old_size > p->size)
		return ERR_OK;
	if ((rc = log_root_at(n->store, log, m->old_size, &root, err)))
		return rc;
	p->proven = m->old_size == p->size
		? digest_equal(&root, &p->root)
		: tree_check_subtree(
			  0, m->old_size, p->size, &root, &m->proof, &p->root);
	return ERR_OK;
}

enum err_code exchange_take_prefix(struct node *n, const struct rules *rules,
	uint64_t asked, const void *data, size_t len, struct prefix *out,
	struct err *err)
{
	struct prefix p = {.other = true};
	struct checkpoint_message m;
	struct checkpoint cp;
	struct note_key key;
	struct log_info log;
	char code[CODE_SIZE];
	struct note note;
	enum err_code rc;

	if ((rc = checkpoint_message_parse(data, len, &m, err)))
		return rc;
	if (!log_code(m.origin, code) || strcmp(code, n->config.code))
		return err_set(err, ERR_DENIED, "%s is no log of %s", m.origin,
			n->config.code);
	if ((rc = log_note_open(rules, m.origin, m.note, m.note_len, &note, &cp,
		     &key, err)))
		return rc;
	memcpy(p.origin, m.origin, sizeof(p.origin));
	p.size = cp.size;
	p.root = cp.root;
	rc = store_log_find(n->store, m.origin, &log, err);
	if (rc == ERR_OK && log.kind != LOG_OWN)
		return err_set(
			err, ERR_DENIED, "%s is no log of our own", m.origin);
	if (rc == ERR_OK)
		rc = compare(n, &log, &m, &p, err);
	else if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	if (rc == ERR_OK && m.old_size != asked)
		p.proven = false;
	if (rc == ERR_OK)
		*out = p;
	return rc;
}
