/* archive.c - a package for the archive: log, records, attachments and rules of
 * one origin in a bag. */
#include "policies/archive.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/allowed.h"
#include "policies/packagefile.h"
#include "policies/policy.h"
#include "policies/tiles.h"

/* The file of one series and label. */
struct sheet {
	char name[PACKAGE_SHEET_SIZE]; /* "service-case.personal" */
	FILE *file;		       /* once there is a line */
	uint64_t withheld;
	uint64_t *erased; /* sequences */
	size_t erased_count, erased_cap;
};

/* Where the log names a head. */
struct policy {
	uint64_t seq, serial;
};

struct making {
	struct node *node;
	struct rules *rules;
	struct allowed allowed;
	struct policy *policy;
	size_t policy_count, policy_cap;
	struct log_info log;
	char code[CODE_SIZE]; /* of the origin */
	struct buf note;
	struct note_key key; /* that signed it */
	struct checkpoint cp;
	unsigned cosignatures;
	uint64_t from, to;
	char *dir; /* the bag under construction */
	struct sheet *sheet;
	size_t sheet_count, sheet_cap;
	struct archive_made made;
};

static int remove_one(
	const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void package_remove_folder(const char *dir)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- which log, which tree ---- */

struct choice {
	const struct archive_options *opt;
	struct log_info log;
	bool found;
};

static enum err_code on_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct choice *c = arg;
	char code[CODE_SIZE];
	const char *epoch = strrchr(log->origin, '/');

	(void)err;
	if (log->kind == LOG_SPARSE || !log_code(log->origin, code) ||
		strcmp(code, c->opt->code) ||
		(c->opt->epoch && strcmp(epoch + 1, c->opt->epoch)))
		return ERR_OK;
	c->log = *log; /* the last one is the newest */
	c->found = true;
	return ERR_OK;
}

static enum err_code choose_log(
	struct making *m, const struct archive_options *opt, struct err *err)
{
	struct choice c = {.opt = opt};
	enum err_code rc;

	if ((rc = store_log_each(m->node->store, on_log, &c, err)))
		return rc;
	if (!c.found)
		return err_set(err, ERR_NOT_FOUND, "no log of %s%s%s here",
			opt->code, opt->epoch ? "/" : "",
			opt->epoch ? opt->epoch : "");
	m->log = c.log;
	memcpy(m->made.origin, c.log.origin, sizeof(m->made.origin));
	if (!log_code(c.log.origin, m->code))
		return err_set(err, ERR_INTERNAL, "log without a code");
	return ERR_OK;
}

/* The note without lines that no verifier could judge. */
static enum err_code clean_note(
	struct making *m, const struct buf *bytes, struct err *err)
{
	struct checkpoint cp;
	struct note note;
	enum err_code rc;

	if ((rc = log_note_open(m->rules, m->log.origin, bytes->data,
		     bytes->len, &note, &cp, &m->key, err)))
		return rc;
	return note_clean(NOTE_JUDGED, m->rules, &note, &m->key, &m->note,
		&m->cosignatures, err);
}

static enum err_code choose_tree(
	struct making *m, const struct archive_options *opt, struct err *err)
{
	bool cosigned = m->log.cosigned_size > 0 &&
		m->log.cosigned_size <= m->log.checkpoint_size;
	struct buf bytes = BUF_EMPTY;
	struct note note;
	enum err_code rc;

	if ((rc = log_note(m->node->store, m->log.id,
		     cosigned ? NOTE_COSIGNED : NOTE_COMPLETE, &bytes, &note,
		     &m->cp, err)) ||
		(rc = clean_note(m, &bytes, err)))
		goto out;
	m->from = opt->has_from ? opt->from : 0;
	m->to = opt->has_to ? opt->to : m->cp.size;
	if (m->from >= m->to || m->to > m->cp.size)
		rc = err_set(err, ERR_USAGE,
			"no entries %" PRIu64 " to %" PRIu64 " in %s, whose %s"
			"checkpoint has %" PRIu64,
			m->from, m->to, m->log.origin,
			cosigned ? "cosigned " : "", m->cp.size);
out:
	buf_free(&bytes);
	return rc;
}

/* ---- records ---- */

static struct sheet *sheet_of(
	struct making *m, const char *series, enum label label)
{
	char name[PACKAGE_SHEET_SIZE];
	struct sheet *more;

	snprintf(name, sizeof(name), "%s.%s", series, label_name(label));
	for (size_t i = 0; i < m->sheet_count; i++) {
		if (!strcmp(m->sheet[i].name, name))
			return &m->sheet[i];
	}
	if (!grow(&m->sheet, &m->sheet_cap, m->sheet_count, sizeof(*m->sheet)))
		return NULL;
	more = &m->sheet[m->sheet_count++];
	*more = (struct sheet){.file = NULL};
	memcpy(more->name, name, sizeof(more->name));
	return more;
}

static enum err_code sheet_open(
	struct making *m, struct sheet *s, struct err *err)
{
	char name[PACKAGE_SHEET_SIZE + 32];
	enum err_code rc;
	char *path;

	if (s->file)
		return ERR_OK;
	snprintf(name, sizeof(name), "data/records/%s.ndjson", s->name);
	if ((rc = tiles_put(m->dir, name, NULL, 0, err)))
		return rc;
	if (!(path = file_join(m->dir, name)))
		return err_nomem(err);
	if (!(s->file = fopen(path, "ae")))
		rc = err_sys(err, "open %s", path);
	free(path);
	return rc;
}

static enum err_code put_line(struct making *m, struct sheet *s, uint64_t seq,
	const struct part *p, struct err *err)
{
	struct buf line = BUF_EMPTY;
	enum err_code rc;

	if (!s)
		return err_nomem(err);
	package_line_write(seq, p, &line);
	if ((rc = buf_ok(&line, err)) == ERR_OK &&
		(rc = sheet_open(m, s, err)) == ERR_OK &&
		fwrite(line.data, 1, line.len, s->file) != line.len)
		rc = err_sys(err, "write %s.ndjson", s->name);
	buf_free(&line);
	m->made.parts++;
	return rc;
}

static enum err_code note_erased(struct sheet *s, uint64_t seq, struct err *err)
{
	if (!grow(&s->erased, &s->erased_cap, s->erased_count,
		    sizeof(*s->erased)))
		return err_nomem(err);
	s->erased[s->erased_count++] = seq;
	return ERR_OK;
}

static enum err_code put_part(struct making *m, const struct entry *e,
	uint64_t seq, const struct record *r, enum label label, uint8_t clear,
	struct err *err)
{
	struct sheet *s = sheet_of(m, e->series, label);

	if (!s)
		return err_nomem(err);
	if (r->erased & LABEL_BIT(label)) {
		m->made.erased++;
		return note_erased(s, seq, err);
	}
	if (!(clear & LABEL_BIT(label))) {
		m->made.withheld++;
		s->withheld++;
		return ERR_OK;
	}
	if (!(r->have & LABEL_BIT(label)))
		return err_set(err, ERR_NOT_FOUND,
			"part %s of %s/%" PRIu64 " is not here",
			label_name(label), m->log.origin, seq);
	return put_line(m, s, seq, &r->part[label], err);
}

/* ---- attachments ---- */

static enum err_code copy_attachment(struct making *m,
	struct attachment_reader *reader, const char *path, struct err *err)
{
	uint8_t chunk[ATTACHMENT_CHUNK / 2];
	FILE *f = fopen(path, "wxe");
	enum err_code rc = ERR_OK;
	uint64_t at = 0;
	size_t got = 1;

	if (!f)
		return err_sys(err, "write %s", path);
	while (got) {
		rc = attachment_read(
			reader, at, chunk, sizeof(chunk), &got, err);
		if (rc)
			break;
		if (got && fwrite(chunk, 1, got, f) != got) {
			rc = err_sys(err, "write %s", path);
			break;
		}
		at += got;
	}
	if (fclose(f) && rc == ERR_OK)
		rc = err_sys(err, "write %s", path);
	m->made.attachments += rc == ERR_OK;
	return rc;
}

static enum err_code put_attachment(struct making *m, uint64_t seq,
	const struct attachment_ref *ref, struct err *err)
{
	struct attachment_reader *reader = NULL;
	char hex[DIGEST_HEX_SIZE], name[DIGEST_HEX_SIZE + 32];
	enum err_code rc;
	uint64_t size;
	char *path;

	digest_hex(&ref->object, hex);
	snprintf(name, sizeof(name), "data/attachments/%s", hex);
	if (!(path = file_join(m->dir, name)))
		return err_nomem(err);
	if (!attachment_here(m->node->data, &ref->object)) {
		rc = err_set(err, ERR_NOT_FOUND,
			"attachment %s of %s/%" PRIu64 " is not here yet", hex,
			m->log.origin, seq);
		goto out;
	}
	if ((rc = attachment_open(m->node->data, store_keyring(m->node->store),
		     &ref->object, &reader, &size, err)))
		goto out;
	*strrchr(path, '/') = 0;
	rc = file_make_dirs(path, err);
	path[strlen(path)] = '/';
	if (rc == ERR_OK)
		rc = copy_attachment(m, reader, path, err);
	attachment_close(reader);
out:
	free(path);
	return rc;
}

static enum err_code put_attachments(
	struct making *m, uint64_t seq, const struct record *r, struct err *err)
{
	struct attachment_ref *refs = NULL;
	enum err_code rc;
	size_t count = 0;

	rc = view_attachments(m->rules, r, &refs, &count, err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = put_attachment(m, seq, &refs[i], err);
	free(refs);
	return rc;
}

/* Notes it for the entries behind it. */
static enum err_code note_policy(
	struct making *m, uint64_t seq, uint64_t serial, struct err *err)
{
	if (serial == 0 || serial > m->allowed.count)
		return err_set(err, ERR_NOT_FOUND,
			"%s/%" PRIu64 " names governance head %" PRIu64
			", the newest in force here is %zu",
			m->log.origin, seq, serial, m->allowed.count);
	if (!grow(&m->policy, &m->policy_cap, m->policy_count,
		    sizeof(*m->policy)))
		return err_nomem(err);
	m->policy[m->policy_count++] = (struct policy){seq, serial};
	return ERR_OK;
}

/* The head in force for the next entry; the newest where none is named. */
static uint64_t serial_now(const struct making *m)
{
	return m->policy_count ? m->policy[m->policy_count - 1].serial
			       : m->allowed.count;
}

static enum err_code put_record(
	struct making *m, uint64_t seq, const struct record *r, struct err *err)
{
	const struct allowed_series *s;
	struct record shown = *r;
	struct entry e;
	enum err_code rc;
	uint64_t serial;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	m->made.records++;
	if (!(s = allowed_find(&m->allowed, serial_now(m), e.series)))
		return ERR_OK;
	shown.have &= s->shown;
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (s->labels & LABEL_BIT(l) &&
			(rc = put_part(m, &e, seq, &shown, (enum label)l,
				 s->shown, err)))
			return rc;
	}
	if (policy_of(&shown, &serial) &&
		(rc = note_policy(m, seq, serial, err)))
		return rc;
	return put_attachments(m, seq, &shown, err);
}

/* The record that says which rules hold where the range begins, with the
 * bundle of its entry. */
static enum err_code put_policy_before(struct making *m, struct err *err)
{
	struct run run = {0};
	uint64_t seq = 0, serial = 0;
	char *dir = NULL;
	enum err_code rc;

	if ((rc = policy_before(
		     m->node->store, m->log.id, m->from, &serial, &seq, err)) ||
		serial == 0)
		return rc;
	if ((rc = note_policy(m, seq, serial, err)) ||
		(rc = store_read(m->node->store, m->log.id, seq, 1,
			 LABEL_BIT(LABEL_INTERNAL), &run, err)) ||
		(rc = put_line(m, sheet_of(m, "sys-policy", LABEL_INTERNAL),
			 seq, &run.record[0].part[LABEL_INTERNAL], err)))
		goto out;
	if (seq / TILE_WIDTH == m->from / TILE_WIDTH)
		goto out;
	if (!(dir = file_join(m->dir, "data/log")))
		rc = err_nomem(err);
	else
		rc = tiles_write_bundle(
			m->node->store, &m->log, m->cp.size, seq, dir, err);
out:
	free(dir);
	run_free(&run);
	return rc;
}

static enum err_code put_records(struct making *m, struct err *err)
{
	enum err_code rc = ERR_OK;
	uint64_t at = m->from;

	while (rc == ERR_OK && at < m->to) {
		uint64_t left = m->to - at;
		struct run run = {0};

		rc = store_read(m->node->store, m->log.id, at,
			left < RUN_LIMIT ? (size_t)left : RUN_LIMIT, LABEL_ALL,
			&run, err);
		if (rc == ERR_OK && run.count == 0)
			rc = err_set(err, ERR_CORRUPT,
				"no entry %" PRIu64 " in %s", at,
				m->log.origin);
		for (size_t i = 0; rc == ERR_OK && i < run.count; i++)
			rc = put_record(m, at + i, &run.record[i], err);
		at += run.count;
		run_free(&run);
	}
	for (size_t i = 0; i < m->sheet_count; i++) {
		FILE *f = m->sheet[i].file;

		m->sheet[i].file = NULL;
		if (f && fclose(f) && rc == ERR_OK)
			rc = err_sys(err, "write %s.ndjson", m->sheet[i].name);
	}
	return rc;
}

/* ---- what surrounds them ---- */

static enum err_code put_keys(struct making *m, struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct note note;
	enum err_code rc;

	if ((rc = note_parse(m->note.data, m->note.len, &note, err)) ||
		(rc = package_vkeys(m->rules, &m->key, &note, &text, err)))
		goto out;
	rc = tiles_put(m->dir, "data/log/vkeys", text.data, text.len, err);
out:
	buf_free(&text);
	return rc;
}

static enum err_code put_log(struct making *m, struct err *err)
{
	enum err_code rc;
	char *dir = file_join(m->dir, "data/log");

	if (!dir)
		return err_nomem(err);
	if ((rc = tiles_put(m->dir, "data/log/checkpoint", m->note.data,
		     m->note.len, err)) ||
		(rc = put_keys(m, err)) ||
		(rc = tiles_write(m->node->store, &m->log, m->cp.size, m->from,
			 m->to, dir, err)))
		goto out;
out:
	free(dir);
	return rc;
}

static enum err_code put_governance(struct making *m, struct err *err)
{
	char *dir = file_join(m->dir, "data/governance");
	enum err_code rc;

	if (!dir)
		return err_nomem(err);
	rc = file_make_dirs(dir, err);
	if (rc == ERR_OK)
		rc = governance_files(
			m->node->governance, rules_serial(m->rules), dir, err);
	free(dir);
	return rc;
}

static struct json *erased_list(const struct sheet *s)
{
	struct json *list = json_new_array();

	for (size_t i = 0; list && i < s->erased_count; i++) {
		if (!json_append(list, json_new_u64(s->erased[i]))) {
			json_free(list);
			return NULL;
		}
	}
	return list;
}

static struct json *policy_list(const struct making *m)
{
	struct json *list = json_new_array();

	for (size_t i = 0; list && i < m->policy_count; i++) {
		struct json *pair = json_new_array();

		if (!pair ||
			!json_append(pair, json_new_u64(m->policy[i].seq)) ||
			!json_append(pair, json_new_u64(m->policy[i].serial))) {
			json_free(pair);
			pair = NULL;
		}
		if (!json_append(list, pair)) {
			json_free(list);
			return NULL;
		}
	}
	return list;
}

static bool set_text(struct json *v, const char *name, const char *text)
{
	return json_set(v, name, json_new_text(text));
}

static bool describe_sheets(const struct making *m, struct json *v)
{
	struct json *withheld = json_new_object(), *erased = json_new_object();
	bool ok = withheld && erased;

	for (size_t i = 0; ok && i < m->sheet_count; i++) {
		const struct sheet *s = &m->sheet[i];

		if (s->withheld)
			ok = json_set(
				withheld, s->name, json_new_u64(s->withheld));
		if (ok && s->erased_count)
			ok = json_set(erased, s->name, erased_list(s));
	}
	ok = json_set(v, "withheld", withheld) && ok;
	return json_set(v, "erased", erased) && ok;
}

static enum err_code put_description(struct making *m, struct err *err)
{
	char root[BASE64_SIZE(DIGEST_SIZE)];
	struct json *v = json_new_object();
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	base64_encode(m->cp.root.b, DIGEST_SIZE, root);
	if (!v || !set_text(v, "domain", rules_domain(m->rules)) ||
		!set_text(v, "holder", m->node->config.code) ||
		!set_text(v, "origin", m->log.origin) ||
		!set_text(v, "root", root) ||
		!json_set(v, "from", json_new_u64(m->from)) ||
		!json_set(v, "to", json_new_u64(m->to)) ||
		!json_set(v, "size", json_new_u64(m->cp.size)) ||
		!json_set(v, "serial", json_new_u64(rules_serial(m->rules))) ||
		!json_set(v, "version", json_new_u64(PACKAGE_VERSION)) ||
		!json_set(v, "policies", policy_list(m)) ||
		!describe_sheets(m, v)) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = json_write(v, &text, err)) == ERR_OK)
		rc = tiles_put(
			m->dir, "data/package.json", text.data, text.len, err);
out:
	json_free(v);
	buf_free(&text);
	return rc;
}

static enum err_code seal(struct making *m, const char *path, struct err *err)
{
	char identifier[ORIGIN_SIZE + 80], sender[ORIGIN_SIZE + 40], tree[160],
		top[80];
	const char *info[] = {sender, identifier, tree};
	enum err_code rc;

	snprintf(sender, sizeof(sender), "Source-Organization: %s/%s",
		m->node->config.domain, m->node->config.code);
	snprintf(identifier, sizeof(identifier),
		"External-Identifier: %s %" PRIu64 "-%" PRIu64, m->log.origin,
		m->from, m->to);
	if (m->cosignatures)
		snprintf(tree, sizeof(tree),
			"External-Description: tree of %" PRIu64
			" entries, cosignatures: %u",
			m->cp.size, m->cosignatures);
	else
		snprintf(tree, sizeof(tree),
			"External-Description: tree of %" PRIu64
			" entries, not cosigned",
			m->cp.size);
	snprintf(top, sizeof(top), "cundang-%s-%s-%" PRIu64 "-%" PRIu64,
		m->code, strrchr(m->log.origin, '/') + 1, m->from, m->to);
	if ((rc = bag_seal(m->dir, info, ARRAY_LEN(info), err)))
		return rc;
	return package_tar(m->dir, top, path, err);
}

static enum err_code fill(struct making *m, struct err *err)
{
	enum err_code rc;

	allowed_begin(&m->allowed, m->code, m->node->config.code);
	if ((rc = governance_each_rules(m->node->governance,
		     rules_serial(m->rules), &m->node->config.root, allowed_add,
		     &m->allowed, err)))
		return rc;
	allowed_end(&m->allowed);
	if ((rc = put_log(m, err)) || (rc = put_policy_before(m, err)) ||
		(rc = put_records(m, err)) || (rc = put_governance(m, err)))
		return rc;
	return put_description(m, err);
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static void making_fini(struct making *m)
{
	for (size_t i = 0; i < m->sheet_count; i++) {
		if (m->sheet[i].file)
			fclose(m->sheet[i].file);
		free(m->sheet[i].erased);
	}
	free(m->sheet);
	free(m->policy);
	allowed_free(&m->allowed);
	buf_free(&m->note);
	rules_unref(m->rules);
	if (m->dir)
		package_remove_folder(m->dir);
	free(m->dir);
}

/* The bag is built beside the package, so that both lie on one disk. */
static char *fresh_folder(const char *path, struct err *err)
{
	char *dir = NULL;

	if (asprintf(&dir, "%s.XXXXXX", path) < 0) {
		(void)err_nomem(err);
		return NULL;
	}
	if (mkdtemp(dir))
		return dir;
	(void)err_sys(err, "make a folder beside %s", path);
	free(dir);
	return NULL;
}

enum err_code archive_create(struct node *n, const struct archive_options *opt,
	const char *path, struct archive_made *out, struct err *err)
{
	struct making m = {.node = n};
	struct err why = {.code = ERR_OK};
	enum err_code rc;

	m.rules = node_rules(n);
	if ((rc = choose_log(&m, opt, err)) || (rc = choose_tree(&m, opt, err)))
		goto out;
	if (!(m.dir = fresh_folder(path, &why))) {
		rc = err_set(err, why.code, "%s", why.text);
		goto out;
	}
	if ((rc = fill(&m, err)) || (rc = seal(&m, path, err)))
		goto out;
	m.made.from = m.from;
	m.made.to = m.to;
	m.made.bytes = file_size(path);
	*out = m.made;
out:
	making_fini(&m);
	return rc;
}
