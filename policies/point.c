/* point.c - how people name records, and where those are. */
#include "policies/point.h"

#include <inttypes.h>
#include <string.h>

#define SEQ_LIMIT (((uint64_t)1 << 53) - 1)

static enum err_code malformed(const char *s, size_t len, struct err *err)
{
	return err_set(err, ERR_USAGE,
		"\"%.*s\" is no record: give an id, a digest, ORIGIN/NUMBER or "
		"CODE/NUMBER",
		(int)(len < 200 ? len : 200), s);
}

/* The last slash, or NULL. */
static const char *last_slash(const char *s, size_t len)
{
	while (len > 0 && s[len - 1] != '/')
		len--;
	return len > 0 ? s + len - 1 : NULL;
}

enum err_code point_parse(
	const char *s, size_t len, struct point *out, struct err *err)
{
	const char *slash = last_slash(s, len);
	struct point p = {.kind = POINT_ID};
	size_t head = slash ? (size_t)(slash - s) : 0;

	if (!slash) {
		p.kind = POINT_DIGEST;
		if (uuid_parse(s, len, p.uuid))
			p.kind = POINT_ID;
		else if (!digest_from_base64url(s, len, &p.digest) &&
			!digest_from_hex(s, len, &p.digest))
			return malformed(s, len, err);
		*out = p;
		return ERR_OK;
	}
	if (!number_parse(slash + 1, len - head - 1, SEQ_LIMIT, &p.seq))
		return malformed(s, len, err);
	if (code_valid(s, head)) {
		p.kind = POINT_CODE;
		memcpy(p.code, s, CODE_LEN);
	} else if (head < ORIGIN_SIZE && origin_valid(s, head)) {
		p.kind = POINT_ORIGIN;
		memcpy(p.origin, s, head);
	} else {
		return malformed(s, len, err);
	}
	*out = p;
	return ERR_OK;
}

static bool is_of_code(const struct log_info *log, const char *code)
{
	const char *c = origin_code(log->origin);

	return c && !strncmp(c, code, CODE_LEN);
}

/* Whether the log has that record here. */
static enum err_code log_has(struct store *s, const struct log_info *log,
	uint64_t seq, struct err *err)
{
	struct run run = {0};
	enum err_code rc = store_read(s, log->id, seq, 1, 0, &run, err);

	run_free(&run);
	return rc;
}

struct by_code {
	struct store *store;
	const char *code;
	bool any_seq;
	uint64_t seq;
	struct log_info *out;
	bool found;
};

/* The last one stands: a later log of a code is a newer epoch. */
static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct by_code *b = arg;
	enum err_code rc;

	if (!is_of_code(log, b->code))
		return ERR_OK;
	rc = b->any_seq ? ERR_OK : log_has(b->store, log, b->seq, err);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc == ERR_OK) {
		*b->out = *log;
		b->found = true;
	}
	return rc;
}

static enum err_code find_by_code(struct by_code *b, struct err *err)
{
	enum err_code rc = store_log_each(b->store, on_log, b, err);

	if (rc == ERR_OK && !b->found && b->any_seq)
		rc = err_set(err, ERR_NOT_FOUND, "there is no log of %s here",
			b->code);
	else if (rc == ERR_OK && !b->found)
		rc = err_set(err, ERR_NOT_FOUND,
			"there is no record %" PRIu64 " of %s here", b->seq,
			b->code);
	return rc;
}

enum err_code point_log(struct store *s, const char *name, struct log_info *out,
	struct err *err)
{
	struct by_code b = {
		.store = s, .code = name, .any_seq = true, .out = out};
	enum err_code rc;

	if (code_valid(name, strlen(name)))
		return find_by_code(&b, err);
	if (!origin_valid(name, strlen(name)))
		return err_set(err, ERR_USAGE,
			"\"%s\" is neither a 12-digit code nor an origin",
			name);
	if ((rc = store_log_find(s, name, out, err)) == ERR_NOT_FOUND)
		rc = err_set(
			err, ERR_NOT_FOUND, "there is no log %s here", name);
	return rc;
}

struct newest {
	uint32_t log;
	uint64_t seq, rev;
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct newest *n = arg;

	(void)err;
	if (rev >= n->rev)
		*n = (struct newest){log, seq, rev};
	return ERR_OK;
}

static enum err_code find_id(struct store *s, const uint8_t uuid[UUID_SIZE],
	struct log_info *log, uint64_t *seq, struct err *err)
{
	struct newest n = {0};
	char text[UUID_TEXT_SIZE];
	enum err_code rc = store_find_id(s, uuid, on_revision, &n, err);

	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && n.rev == 0)) {
		uuid_format(uuid, text);
		return err_set(
			err, ERR_NOT_FOUND, "there is no record %s here", text);
	}
	*seq = n.seq;
	return rc ? rc : store_log_by_id(s, n.log, log, err);
}

static enum err_code find_digest(struct store *s, const struct digest *d,
	struct log_info *log, uint64_t *seq, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct found f;
	enum err_code rc = store_find_digest(s, d, &f, err);

	if (rc == ERR_NOT_FOUND) {
		digest_base64url(d, text);
		return err_set(err, ERR_NOT_FOUND,
			"there is nothing with digest %s here", text);
	}
	if (rc)
		return rc;
	*seq = f.seq;
	return store_log_by_id(s, f.log, log, err);
}

enum err_code point_find(struct store *s, const struct point *p,
	struct log_info *log, uint64_t *seq, struct err *err)
{
	struct by_code b = {
		.store = s, .code = p->code, .seq = p->seq, .out = log};
	enum err_code rc = ERR_OK;

	switch (p->kind) {
	case POINT_ID:
		return find_id(s, p->uuid, log, seq, err);
	case POINT_DIGEST:
		return find_digest(s, &p->digest, log, seq, err);
	case POINT_CODE:
		*seq = p->seq;
		return find_by_code(&b, err);
	case POINT_ORIGIN:
		break;
	}
	*seq = p->seq;
	if ((rc = point_log(s, p->origin, log, err)))
		return rc;
	if ((rc = log_has(s, log, p->seq, err)) == ERR_NOT_FOUND)
		rc = err_set(err, ERR_NOT_FOUND,
			"there is no record %" PRIu64 " of %s here", p->seq,
			p->origin);
	return rc;
}

enum err_code labels_parse(const char *s, uint8_t *labels, struct err *err)
{
	*labels = 0;
	while (*s) {
		size_t len = strcspn(s, ",");
		enum label l;

		if (!label_parse(s, len, &l))
			return err_set(err, ERR_USAGE,
				"\"%.*s\" is no label: public, internal, "
				"personal, sensitive",
				(int)(len < 40 ? len : 40), s);
		*labels |= LABEL_BIT(l);
		s += len + (s[len] == ',');
	}
	return ERR_OK;
}
