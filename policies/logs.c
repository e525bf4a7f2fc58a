/* logs.c - what exchange and archives ask of a log: its code, roots, notes,
 * and what its records show to whom. */
#include "policies/logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool log_code(const char *origin, char out[CODE_SIZE])
{
	const char *code = origin_code(origin);

	if (!code)
		return false;
	memcpy(out, code, CODE_LEN);
	out[CODE_LEN] = 0;
	return true;
}

bool log_issuer_is(const char *origin, const char *iss)
{
	const char *code = origin_code(origin);
	size_t len;

	if (!code)
		return false;
	len = (size_t)(code - origin) + CODE_LEN;
	return strlen(iss) == len && !memcmp(iss, origin, len);
}

enum err_code log_note(struct store *s, uint32_t log, enum which_note which,
	struct buf *bytes, struct note *note, struct checkpoint *cp,
	struct err *err)
{
	enum err_code rc;

	buf_clear(bytes);
	if ((rc = store_note(s, log, which, bytes, err)) ||
		(rc = note_parse(bytes->data, bytes->len, note, err)) ||
		(rc = checkpoint_parse(note->text, note->text_len, cp, err)))
		return rc == ERR_PROTOCOL
			? err_while(err, ERR_CORRUPT, "note in the store")
			: rc;
	return ERR_OK;
}

enum err_code log_noted_root(struct store *s, uint32_t log, uint64_t size,
	struct digest *root, struct err *err)
{
	static const enum which_note which[] = {
		NOTE_COMPLETE, NOTE_COSIGNED, NOTE_PENDING};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(which); i++) {
		struct buf bytes = BUF_EMPTY;
		struct checkpoint cp;
		struct note note;

		rc = log_note(s, log, which[i], &bytes, &note, &cp, err);
		buf_free(&bytes);
		if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
		else if (rc == ERR_OK && cp.size == size) {
			*root = cp.root;
			return ERR_OK;
		}
	}
	return rc ? rc
		  : err_set(err, ERR_NOT_FOUND,
			    "no note here is of %" PRIu64 " entries", size);
}

/* Leaves that the tree needs there may be damaged. */
enum err_code log_root_at(struct store *s, const struct log_info *log,
	uint64_t size, struct digest *root, struct err *err)
{
	struct log_reader reader = {s, log->id};
	enum err_code rc;

	if (size == log->size) {
		*root = log->root;
		return ERR_OK;
	}
	rc = tree_root_at(size, store_tree_read, &reader, root, err);
	if (rc == ERR_CORRUPT && !log_noted_root(s, log->id, size, root, NULL))
		rc = ERR_OK;
	return rc;
}

enum err_code log_known(struct store *s, const struct log_info *log,
	uint64_t *size, struct digest *root, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if (log->pending_size <= log->size) {
		*size = log->size;
		*root = log->root;
		return ERR_OK;
	}
	rc = log_note(s, log->id, NOTE_PENDING, &bytes, &note, &cp, err);
	if (rc == ERR_OK) {
		*size = cp.size;
		*root = cp.root;
	}
	buf_free(&bytes);
	return rc;
}

static bool key_of_line(const struct note_line *line,
	const struct sign_public *pub, struct note_key *out)
{
	return note_key_make(line->name, NOTE_COSIGNATURE, pub, out, NULL) ==
		ERR_OK &&
		out->id == line->id;
}

bool witness_key(const struct rules *rules, const struct note_line *line,
	struct note_key *out)
{
	static const char tail[] = "/witness";
	const char *domain = rules_domain(rules);
	const char *name = line->name;
	const struct node_info *node;
	size_t len = strlen(domain);
	char code[CODE_SIZE];

	if (strlen(name) != len + 1 + CODE_LEN + sizeof(tail) - 1 ||
		memcmp(name, domain, len) || name[len] != '/' ||
		strcmp(name + len + 1 + CODE_LEN, tail))
		return false;
	memcpy(code, name + len + 1, CODE_LEN);
	code[CODE_LEN] = 0;
	node = rules_node(rules, code);
	if (!node || !node->enrolled)
		return false;
	if (key_of_line(line, &node->witness, out))
		return true;
	for (size_t i = 0; i < node->former_count; i++)
		if (node->former[i].kind == FORMER_WITNESS &&
			key_of_line(line, &node->former[i].key, out))
			return true;
	return false;
}

/* Custody is what a node above says; a node's own witness, or one beside it,
 * says nothing of it. */
bool witness_above(const char *witness, const char *origin)
{
	const char *above =
		strchr(witness, '/') + 1; /* witness_key() took it */
	const char *code = origin_code(origin);

	return code && memcmp(above, code, CODE_LEN) &&
		code_within(code, above);
}

static void add_line(const struct note_line *line, struct buf *out)
{
	buf_printf(out, "\xe2\x80\x94 %s ", line->name);
	buf_add(out, line->raw, line->raw_len);
	buf_u8(out, '\n');
}

enum err_code note_clean(enum note_lines lines, const struct rules *rules,
	const struct note *note, const struct note_key *log_key,
	struct buf *out, unsigned *cosignatures, struct err *err)
{
	unsigned count = 0, beside = 0;
	struct note_key key;

	buf_add(out, note->text, note->text_len);
	buf_u8(out, '\n');
	for (size_t i = 0; i < note->count; i++) {
		const struct note_line *line = &note->line[i];

		if (!strcmp(line->name, log_key->name)) {
			if (line->id == log_key->id ||
				(lines == NOTE_BESIDE && beside++ == 0))
				add_line(line, out);
			continue;
		}
		if (!witness_key(rules, line, &key))
			continue;
		if (note_check(note, &key, NULL) != NOTE_GOOD)
			return err_set(err, ERR_DENIED,
				"cosignature by %s does not verify",
				line->name);
		add_line(line, out);
		count += witness_above(line->name, log_key->name);
	}
	*cosignatures = count;
	return buf_ok(out, err);
}

/* A key that is replaced, or whose node is retired, may be a thief's by now:
 * what it signed counts where a node above has seen it. */
static enum err_code check_seen(const struct rules *rules,
	const struct note *note, const struct note_key *key, struct err *err)
{
	struct buf clean = BUF_EMPTY;
	unsigned cosignatures = 0;
	enum err_code rc;

	rc = note_clean(
		NOTE_JUDGED, rules, note, key, &clean, &cosignatures, err);
	buf_free(&clean);
	if (rc == ERR_OK && cosignatures == 0)
		return err_set(err, ERR_DENIED,
			"note of %s by a key that was replaced or retired, "
			"which no node above has countersigned",
			key->name);
	return rc;
}

/* The size is that of the log when the node began to sign by the new key too:
 * a longer tree without that one is nobody's but a thief's. */
static enum err_code check_former(const struct rules *rules,
	const struct note *note, const struct checkpoint *cp,
	const struct note_key *key, const struct former_key *former,
	struct err *err)
{
	bool told = former->epoch[0] &&
		!strcmp(strrchr(cp->origin, '/') + 1, former->epoch);
	char code[CODE_SIZE];

	if (told && cp->size > former->size)
		return err_set(err, ERR_DENIED,
			"note of %s at %" PRIu64
			" by a key that was replaced at %" PRIu64,
			cp->origin, cp->size, former->size);
	if (told && log_code(cp->origin, code) &&
		!strcmp(code, rules_root(rules)->code))
		return ERR_OK;
	return check_seen(rules, note, key, err);
}

static bool is_retired(const struct rules *rules, const char *origin)
{
	const struct node_info *n;
	char code[CODE_SIZE];

	return log_code(origin, code) && (n = rules_node(rules, code)) &&
		n->retired[0];
}

enum err_code log_note_open(const struct rules *rules, const char *origin,
	const void *data, size_t len, struct note *note, struct checkpoint *cp,
	struct note_key *key, struct err *err)
{
	struct former_key by;
	enum err_code rc, first = ERR_OK;
	struct err other;
	size_t i;

	for (i = 0; !(rc = rules_log_key_at(
			      rules, origin, i, &by, i ? &other : err));
		i++) {
		rc = checkpoint_open(
			data, len, &by.key, note, cp, i ? &other : err);
		if (rc == ERR_OK)
			break;
		if (i == 0)
			first = rc;
		if (rc != ERR_DENIED)
			return first;
	}
	if (rc)
		return i ? first : rc;
	if (strcmp(cp->origin, origin))
		return err_set(err, ERR_PROTOCOL,
			"message of %s with a checkpoint of %s", origin,
			cp->origin);
	if ((rc = note_key_make(origin, NOTE_ED25519, &by.key, key, err)))
		return rc;
	if (i)
		return check_former(rules, note, cp, key, &by, err);
	return is_retired(rules, origin) ? check_seen(rules, note, key, err)
					 : ERR_OK;
}

uint8_t entry_clearance(const struct rules *rules, const struct entry *e,
	const char *code, const char *holder)
{
	const struct series *s = rules_series(rules, e->series);

	if (!s)
		return 0;
	return s->labels & rules_clearance(rules, s, code, holder);
}
