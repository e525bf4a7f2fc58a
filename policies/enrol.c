/* enrol.c - a node's request for its place in the roster, and its admission. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/heads.h"

#define REQUEST_FIRST_LINE "cundang node request v1"
#define REQUEST_KEY_SUFFIX                                                     \
	"request" /* the signing key's name: domain/code/                      \
		   */

/* ---- the request ---- */

static enum err_code request_key(const struct node_request *r,
	const struct sign_public *log, struct note_key *out, struct err *err)
{
	char name[NOTE_NAME_SIZE];

	snprintf(name, sizeof(name), "%s/%s/" REQUEST_KEY_SUFFIX, r->domain,
		r->code);
	return note_key_make(name, NOTE_ED25519, log, out, err);
}

static void line_key(
	struct buf *out, const char *word, const void *key, size_t len)
{
	char text[BASE64_SIZE(256)];

	base64_encode(key, len, text);
	buf_printf(out, "%s %s\n", word, text);
}

static void request_text(const struct node_request *r, struct buf *out)
{
	buf_printf(out, REQUEST_FIRST_LINE "\ndomain %s\ncode %s\naddress %s\n",
		r->domain, r->code, r->address[0] ? r->address : "-");
	line_key(out, "log", r->log.b, sizeof(r->log.b));
	line_key(out, "witness", r->witness.b, sizeof(r->witness.b));
	line_key(out, "tls", r->tls.b, sizeof(r->tls.b));
	line_key(out, "seal", r->seal, r->seal_len);
	if (r->epoch[0])
		buf_printf(out, "until %s/%" PRIu64 "\n", r->epoch, r->size);
}

static enum err_code add_signature(const struct node_request *r,
	const struct buf *text, const struct sign_key *by, struct buf *out,
	struct err *err)
{
	struct sign_public pub = sign_key_public(by);
	uint8_t raw[4 + SIGNATURE_SIZE];
	char sig[BASE64_SIZE(sizeof(raw))];
	struct note_key key;
	enum err_code rc;

	if ((rc = request_key(r, &pub, &key, err)) ||
		(rc = sign_make(by, text->data, text->len, raw + 4, err)))
		return rc;
	for (unsigned i = 0; i < 4; i++)
		raw[i] = (uint8_t)(key.id >> (24 - 8 * i));
	base64_encode(raw, sizeof(raw), sig);
	buf_printf(out, "\xe2\x80\x94 %s %s\n", key.name, sig);
	return buf_ok(out, err);
}

enum err_code node_request_write(const struct node_request *r,
	const struct sign_key *log, const struct sign_key *before,
	struct buf *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	request_text(r, &text);
	buf_add(out, text.data, text.len);
	buf_u8(out, '\n');
	if ((rc = buf_ok(&text, err)) ||
		(rc = add_signature(r, &text, log, out, err)))
		goto out;
	if (before)
		rc = add_signature(r, &text, before, out, err);
out:
	buf_free(&text);
	return rc;
}

bool node_request_by(
	const struct node_request *r, const struct sign_public *log)
{
	struct buf text = BUF_EMPTY;
	struct note_key key;
	bool good;

	if (!memcmp(&r->log, log, sizeof(*log)))
		return true;
	if (!r->epoch[0] || request_key(r, log, &key, NULL) ||
		key.id != r->before_id)
		return false;
	request_text(r, &text);
	good = !buf_ok(&text, NULL) &&
		sign_check(log, text.data, text.len, r->before);
	buf_free(&text);
	return good;
}

/* The next line, "WORD VALUE"; the value into out, which holds `size` bytes. */
static bool line_value(
	struct cursor *c, const char *word, char *out, size_t size)
{
	size_t len = 0, n = strlen(word);
	const char *line = cursor_line(c, &len);

	if (!line || len <= n || memcmp(line, word, n) || line[n] != ' ' ||
		len - n - 1 >= size || memchr(line, '\0', len))
		return false;
	memcpy(out, line + n + 1, len - n - 1);
	out[len - n - 1] = '\0';
	return true;
}

static bool line_bytes(struct cursor *c, const char *word, uint8_t *out,
	size_t cap, size_t *len)
{
	char text[BASE64_SIZE(256)];

	return line_value(c, word, text, sizeof(text)) &&
		base64_decode(text, strlen(text), out, cap, len);
}

static bool line_sign_key(
	struct cursor *c, const char *word, struct sign_public *out)
{
	size_t len = 0;

	return line_bytes(c, word, out->b, sizeof(out->b), &len) &&
		len == sizeof(out->b) && sign_public_sound(out);
}

/* Written by request_text(), or it is none: what is signed is what it says. */
static bool request_same(const struct note *n, const struct node_request *r)
{
	struct buf text = BUF_EMPTY;
	bool same;

	request_text(r, &text);
	same = !buf_ok(&text, NULL) && text.len == n->text_len &&
		!memcmp(text.data, n->text, text.len);
	buf_free(&text);
	return same;
}

static bool request_set(const struct note *n, struct node_request *r)
{
	struct cursor c = cursor_over(n->text, n->text_len);
	char until[UNTIL_SIZE] = "";
	size_t len = 0;
	const char *line = cursor_line(&c, &len);

	if (!line || len != strlen(REQUEST_FIRST_LINE) ||
		memcmp(line, REQUEST_FIRST_LINE, len) ||
		!line_value(&c, "domain", r->domain, sizeof(r->domain)) ||
		!line_value(&c, "code", r->code, sizeof(r->code)) ||
		!line_value(&c, "address", r->address, sizeof(r->address)) ||
		!line_sign_key(&c, "log", &r->log) ||
		!line_sign_key(&c, "witness", &r->witness) ||
		!line_sign_key(&c, "tls", &r->tls) ||
		!line_bytes(&c, "seal", r->seal, sizeof(r->seal), &r->seal_len))
		return false;
	if (!cursor_done(&c) &&
		(!line_value(&c, "until", until, sizeof(until)) ||
			!until_parse(until, r->epoch, &r->size) ||
			!cursor_done(&c)))
		return false;
	if (!strcmp(r->address, "-"))
		r->address[0] = '\0';
	return domain_valid(r->domain) &&
		code_valid(r->code, strlen(r->code)) &&
		(!r->address[0] || address_valid(r->address)) &&
		seal_spki_valid(r->seal, r->seal_len) && request_same(n, r);
}

/* The line that is not by the key of the request.  Whether it holds tells the
 * roster, which knows the key of before. */
static bool before_set(const struct note *n, const struct note_key *key,
	struct node_request *r)
{
	uint8_t raw[4 + SIGNATURE_SIZE];
	size_t len = 0;

	for (size_t i = 0; i < n->count; i++) {
		const struct note_line *line = &n->line[i];

		if (line->id == key->id)
			continue;
		if (!base64_decode(
			    line->raw, line->raw_len, raw, sizeof(raw), &len) ||
			len != sizeof(raw))
			return false;
		r->before_id = line->id;
		memcpy(r->before, raw + 4, SIGNATURE_SIZE);
		return true;
	}
	return false;
}

enum err_code node_request_parse(
	const void *data, size_t len, struct node_request *out, struct err *err)
{
	struct node_request r = {.seal_len = 0};
	struct note_key key;
	struct note note;
	enum err_code rc;

	if ((rc = note_parse(data, len, &note, err)))
		return err_while(err, rc, "node request");
	if (!request_set(&note, &r))
		return err_set(err, ERR_PROTOCOL,
			"node request: a line is missing or malformed");
	if ((rc = request_key(&r, &r.log, &key, err)))
		return err_while(err, rc, "node request");
	if (note.count != (r.epoch[0] ? 2 : 1) ||
		note_check(&note, &key, NULL) != NOTE_GOOD ||
		(r.epoch[0] && !before_set(&note, &key, &r)))
		return err_set(err, ERR_DENIED,
			"node request of %s is not signed by its log key",
			r.code);
	*out = r;
	return ERR_OK;
}

/* ---- edits of the rosters ---- */

/* The tree of main with some rosters in other words. */
struct edit {
	struct governance *g;
	char main[GIT_HEX_SIZE];
	struct fileset old;
	struct fileset changed; /* held files */
	struct rules *rules;	/* of old */
};

static enum err_code edit_begin(
	struct edit *e, struct governance *g, struct err *err)
{
	struct statement none = {.serial = 0};
	enum err_code rc;

	e->g = g;
	if ((rc = repo_resolve(g->repo, MAIN_REF, e->main, err)) ||
		(rc = repo_files(g->repo, e->main, &e->old, err)))
		return rc;
	return rules_load(
		&e->old, &none, &none.digest, NULL, NULL, &e->rules, err);
}

static void edit_free(struct edit *e)
{
	rules_unref(e->rules);
	fileset_free(&e->changed);
	fileset_free(&e->old);
}

static enum err_code edit_read(const struct edit *e, const char *parent,
	struct roster *out, struct err *err)
{
	char path[FILESET_PATH_SIZE];
	struct buf text = BUF_EMPTY;
	const struct gov_file *f;
	enum err_code rc;

	roster_path(parent, path, sizeof(path));
	if (!(f = fileset_find(&e->old, path)))
		return err_set(err, ERR_NOT_FOUND, "%s: missing", path);
	if (!(rc = fileset_read(&e->old, f, &text, err)))
		rc = roster_load(path, parent, text.data, text.len, out, err);
	buf_free(&text);
	return rc;
}

/* Each roster is written at most once. */
static enum err_code edit_write(struct edit *e, const char *parent,
	const struct roster *roster, struct err *err)
{
	char path[FILESET_PATH_SIZE];
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	roster_path(parent, path, sizeof(path));
	if (!(rc = roster_write(roster, &text, err)))
		rc = fileset_put(&e->changed, path, text.data, text.len, err);
	buf_free(&text);
	return rc;
}

static const struct gov_file *changed_find(
	const struct edit *e, const char *path)
{
	for (size_t i = 0; i < e->changed.count; i++)
		if (!strcmp(e->changed.file[i].path, path))
			return &e->changed.file[i];
	return NULL;
}

/* The whole tree as it would be. */
static enum err_code edit_apply(
	const struct edit *e, struct fileset *out, struct err *err)
{
	struct fileset fs = {.source = e->old.source, .arg = e->old.arg};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < e->old.count; i++) {
		const struct gov_file *f = &e->old.file[i];
		const struct gov_file *new = changed_find(e, f->path);

		rc = new ? fileset_put(&fs, f->path, new->held, new->len, err)
			 : fileset_add(&fs, f->path, &f->digest, f->len, f->id,
				   err);
	}
	if (rc || (rc = fileset_seal(&fs, err))) {
		fileset_free(&fs);
		return rc;
	}
	*out = fs;
	return ERR_OK;
}

/* Nothing is written unless the edited tree loads as a whole. */
static enum err_code edit_commit(const struct edit *e, const char *message,
	char commit[GIT_HEX_SIZE], struct err *err)
{
	struct statement none = {.serial = 0};
	struct fileset files = {.file = NULL};
	struct rules *rules = NULL;
	enum err_code rc;

	if ((rc = edit_apply(e, &files, err)) ||
		(rc = rules_load(&files, &none, &none.digest, NULL, NULL,
			 &rules, err)) ||
		(rc = repo_commit(
			 e->g->repo, &files, e->main, message, commit, err)))
		goto out;
	rc = repo_ref_set(e->g->repo, MAIN_REF, commit, e->main, err);
out:
	rules_unref(rules);
	fileset_free(&files);
	return rc;
}

static enum err_code edit_propose(const struct edit *e, const char *message,
	struct statement *out, struct err *err)
{
	char commit[GIT_HEX_SIZE];
	enum err_code rc;

	memcpy(commit, e->main, sizeof(commit));
	if (e->changed.count && (rc = edit_commit(e, message, commit, err)))
		return rc;
	return heads_propose(e->g, commit, PROPOSE_CHANGE, out, err);
}

/* ---- admission ---- */

static bool same_keys(
	const struct roster_child *c, const struct node_request *r)
{
	return !memcmp(&c->info.log, &r->log, sizeof(r->log)) &&
		!memcmp(&c->info.witness, &r->witness, sizeof(r->witness)) &&
		!memcmp(&c->info.tls, &r->tls, sizeof(r->tls)) &&
		!memcmp(c->seal, r->seal, sizeof(c->seal));
}

/* Log and witness keys of before stay in the roster: what they signed stands.
 */
static enum err_code former_add(
	struct node_info *n, const struct former_key *key, struct err *err)
{
	if (n->former_count == FORMER_KEYS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"%s has had %d keys before these, which is the limit",
			n->code, FORMER_KEYS_LIMIT);
	memmove(n->former + 1, n->former,
		n->former_count * sizeof(n->former[0]));
	n->former[0] = *key;
	n->former_count++;
	return ERR_OK;
}

static enum err_code former_keep(struct node_info *n,
	const struct node_request *r, bool proven, struct err *err)
{
	struct former_key log = {.key = n->log, .kind = FORMER_LOG};
	struct former_key witness = {.key = n->witness, .kind = FORMER_WITNESS};
	enum err_code rc = ERR_OK;

	if (proven) {
		memcpy(log.epoch, r->epoch, sizeof(log.epoch));
		log.size = r->size;
	}
	if (memcmp(&n->witness, &r->witness, sizeof(r->witness)))
		rc = former_add(n, &witness, err);
	if (!rc && memcmp(&n->log, &r->log, sizeof(r->log)))
		rc = former_add(n, &log, err);
	return rc;
}

static enum err_code child_admit(struct roster_child *c,
	const struct node_request *r, enum admit mode, bool *changed,
	struct err *err)
{
	struct roster_child before = *c;
	bool other = c->info.enrolled && !same_keys(c, r);
	bool proven = other && node_request_by(r, &c->info.log);
	enum err_code rc;

	if (other && mode == ADMIT_NEW && !proven)
		return err_set(err, ERR_EXISTS,
			"%s is enrolled with other keys already", r->code);
	if (other && (rc = former_keep(&c->info, r, proven, err)))
		return rc;
	c->info.enrolled = true;
	c->info.log = r->log;
	c->info.witness = r->witness;
	c->info.tls = r->tls;
	memcpy(c->seal, r->seal, sizeof(c->seal));
	if (r->address[0])
		memcpy(c->info.address, r->address, sizeof(r->address));
	*changed |= !roster_child_equal(&before, c);
	return ERR_OK;
}

/* A request and the node above the one that asks. */
struct asked {
	const struct node_request *r;
	const char *parent;
};

static int by_parent(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;
	int c = strcmp(x->parent, y->parent);

	return c ? c : strcmp(x->r->code, y->r->code);
}

static enum err_code asked_set(const struct rules *rules,
	const struct node_request *r, struct asked *out, struct err *err)
{
	const struct node_info *n = rules_node(rules, r->code);

	if (strcmp(r->domain, rules_domain(rules)))
		return err_set(err, ERR_DENIED,
			"node request of %s is for the domain %s, not %s",
			r->code, r->domain, rules_domain(rules));
	if (!n)
		return err_set(err, ERR_NOT_FOUND, "%s is no division of %s",
			r->code, rules_domain(rules));
	if (n->retired[0])
		return err_set(err, ERR_DENIED,
			"%s was retired on %s: its code takes no node any more",
			r->code, n->retired);
	*out = (struct asked){r, n->parent};
	return ERR_OK;
}

static enum err_code asked_sort(const struct rules *rules,
	const struct node_request *requests, size_t count, struct asked *out,
	struct err *err)
{
	enum err_code rc;

	for (size_t i = 0; i < count; i++)
		if ((rc = asked_set(rules, &requests[i], &out[i], err)))
			return rc;
	qsort(out, count, sizeof(*out), by_parent);
	for (size_t i = 1; i < count; i++)
		if (!by_parent(&out[i - 1], &out[i]))
			return err_set(err, ERR_EXISTS,
				"two requests ask for %s", out[i].r->code);
	return ERR_OK;
}

/* Puts requests of one parent's children into its roster. */
static enum err_code admit_below(struct edit *e, const struct asked *asked,
	size_t count, enum admit mode, struct err *err)
{
	struct roster roster = {NULL, 0};
	bool changed = false;
	enum err_code rc;

	if ((rc = edit_read(e, asked->parent, &roster, err)))
		return rc;
	for (size_t i = 0; !rc && i < count; i++)
		for (size_t k = 0; !rc && k < roster.count; k++)
			if (!strcmp(roster.child[k].info.code,
				    asked[i].r->code))
				rc = child_admit(&roster.child[k], asked[i].r,
					mode, &changed, err);
	if (!rc && changed)
		rc = edit_write(e, asked->parent, &roster, err);
	roster_free(&roster);
	return rc;
}

enum err_code governance_admit(struct governance *g,
	const struct node_request *requests, size_t count,
	struct statement *out, struct err *err)
{
	return governance_admit_as(g, requests, count, ADMIT_NEW, out, err);
}

enum err_code governance_admit_as(struct governance *g,
	const struct node_request *requests, size_t count, enum admit mode,
	struct statement *out, struct err *err)
{
	struct asked *asked = calloc(count + 1, sizeof(*asked));
	struct edit e = {.g = NULL};
	char message[64];
	enum err_code rc;

	if (!asked)
		return err_nomem(err);
	if ((rc = edit_begin(&e, g, err)) ||
		(rc = asked_sort(e.rules, requests, count, asked, err)))
		goto out;
	for (size_t i = 0, next; !rc && i < count; i = next) {
		for (next = i + 1; next < count; next++)
			if (strcmp(asked[next].parent, asked[i].parent))
				break;
		rc = admit_below(&e, asked + i, next - i, mode, err);
	}
	if (rc)
		goto out;
	snprintf(message, sizeof(message), "Admit %zu node%s", count,
		count == 1 ? "" : "s");
	if ((rc = edit_propose(&e, message, out, err)))
		rc = err_while(err, rc, "admit nodes");
out:
	edit_free(&e);
	free(asked);
	return rc;
}

/* ---- retirement ---- */

static enum err_code check_retire(
	const struct rules *rules, const struct retirement *t, struct err *err)
{
	const struct node_info *n = rules_node(rules, t->code);

	if (!n)
		return err_set(err, ERR_NOT_FOUND, "%s is no division of %s",
			t->code, rules_domain(rules));
	if (n->retired[0])
		return err_set(err, ERR_EXISTS, "%s was retired on %s", t->code,
			n->retired);
	for (size_t i = 0; i < rules_node_count(rules); i++) {
		const struct node_info *below = rules_node_at(rules, i);

		if (!strcmp(below->parent, t->code) && !below->retired[0])
			return err_set(err, ERR_DENIED,
				"%s has %s below it: retire that first",
				t->code, below->code);
	}
	if (!*t->successor)
		return ERR_OK;
	if (!(n = rules_node(rules, t->successor)))
		return err_set(err, ERR_NOT_FOUND, "%s is no division of %s",
			t->successor, rules_domain(rules));
	if (n->retired[0])
		return err_set(err, ERR_DENIED,
			"the successor %s was retired on %s", t->successor,
			n->retired);
	return ERR_OK;
}

enum err_code governance_retire(struct governance *g,
	const struct retirement *t, struct statement *out, struct err *err)
{
	struct roster roster = {NULL, 0};
	struct edit e = {.g = NULL};
	const char *parent;
	char message[64];
	enum err_code rc;

	if ((rc = edit_begin(&e, g, err)) ||
		(rc = check_retire(e.rules, t, err)))
		goto out;
	parent = rules_node(e.rules, t->code)->parent;
	if ((rc = edit_read(&e, parent, &roster, err)))
		goto out;
	for (size_t i = 0; i < roster.count; i++) {
		struct node_info *n = &roster.child[i].info;

		if (strcmp(n->code, t->code))
			continue;
		snprintf(n->retired, sizeof(n->retired), "%s", t->date);
		snprintf(
			n->successor, sizeof(n->successor), "%s", t->successor);
	}
	snprintf(message, sizeof(message), "Retire %s", t->code);
	if ((rc = edit_write(&e, parent, &roster, err)) ||
		(rc = edit_propose(&e, message, out, err)))
		rc = err_while(err, rc, "retire %s", t->code);
out:
	roster_free(&roster);
	edit_free(&e);
	return rc;
}
