/* recordproof.c - one record that verifies by itself: a tlog-proof whose extra
 * line carries the entry and the parts shown. */
#include "policies/archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/merge.h"

#define SEED_TEXT_SIZE BASE64URL_SIZE(SEED_SIZE)
/* What still fits in a proof, whose extra line is base64. */
#define EXTRA_LIMIT (PROOF_SIZE_LIMIT / 4 * 3 - NOTE_SIZE_LIMIT - 4096)

/* {"entry":E,"parts":{"internal":{"part":P,"seed":"S"},...}}, canonical. */
static enum err_code write_extra(const struct record *r, uint8_t labels,
	struct buf *out, struct err *err)
{
	/* In the order of names: internal, personal, public, sensitive. */
	static const enum label order[] = {
		LABEL_INTERNAL, LABEL_PERSONAL, LABEL_PUBLIC, LABEL_SENSITIVE};
	char seed[SEED_TEXT_SIZE];
	const char *comma = "";

	buf_str(out, "{\"entry\":");
	buf_add(out, r->entry, r->entry_len);
	buf_str(out, ",\"parts\":{");
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const struct part *p = &r->part[order[i]];

		if (!(r->have & labels & LABEL_BIT(order[i])))
			continue;
		base64url_encode(p->seed, sizeof(p->seed), seed);
		buf_printf(out, "%s\"%s\":{\"part\":", comma,
			label_name(order[i]));
		buf_add(out, p->json, p->len);
		buf_printf(out, ",\"seed\":\"%s\"}", seed);
		comma = ",";
	}
	buf_str(out, "}}");
	if (out->len > EXTRA_LIMIT)
		return err_set(err, ERR_LIMIT,
			"parts of %zu bytes for a proof, limit %zu", out->len,
			(size_t)EXTRA_LIMIT);
	return buf_ok(out, err);
}

/* The inclusion path and note of an entry: under the complete checkpoint, or
 * those that a single entry came with. */
static enum err_code entry_path(struct store *s, const struct log_info *log,
	uint64_t seq, struct tree_proof *path, struct buf *note,
	struct err *err)
{
	struct log_reader reader = {s, log->id};
	struct buf bytes = BUF_EMPTY;
	struct checkpoint cp;
	struct proof proof = {0};
	struct note parsed;
	enum err_code rc;

	if (log->kind != LOG_SPARSE && seq < log->checkpoint_size) {
		if ((rc = log_note(s, log->id, NOTE_COMPLETE, note, &parsed,
			     &cp, err)))
			return rc;
		return tree_prove_inclusion(
			seq, cp.size, store_tree_read, &reader, path, err);
	}
	if ((rc = store_sparse_proof(s, log->id, seq, &bytes, err)) ||
		(rc = proof_parse(bytes.data, bytes.len, &proof, err)))
		goto out;
	*path = proof.path;
	buf_add(note, proof.note, proof.note_len);
	rc = buf_ok(note, err);
out:
	proof_fini(&proof);
	buf_free(&bytes);
	return rc;
}

enum err_code proof_make(struct node *n, const struct log_info *log,
	uint64_t seq, uint8_t labels, struct buf *out, struct err *err)
{
	struct buf extra = BUF_EMPTY, note = BUF_EMPTY;
	struct tree_proof path;
	struct run run = {0};
	enum err_code rc;

	if ((rc = store_read(n->store, log->id, seq, 1, labels, &run, err)) ||
		(rc = entry_path(n->store, log, seq, &path, &note, err)) ||
		(rc = write_extra(&run.record[0], labels, &extra, err)))
		goto out;
	proof_write(seq, &path, extra.data, extra.len, (const char *)note.data,
		note.len, out);
	rc = buf_ok(out, err);
out:
	buf_wipe(&extra);
	buf_free(&note);
	run_free(&run);
	return rc;
}

/* ---- verifying ---- */

/* What the extra line holds, taken apart. */
struct shown {
	struct json *extra;
	struct buf entry;
	struct buf part[LABEL_COUNT];
	struct record record;
};

static void shown_free(struct shown *s)
{
	json_free(s->extra);
	buf_free(&s->entry);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_wipe(&s->part[i]);
}

static bool digest_in(const struct entry *e, const struct digest *d)
{
	for (size_t i = 0; i < e->sd_count; i++) {
		if (digest_equal(&e->sd[i], d))
			return true;
	}
	return false;
}

static enum err_code show_part(struct shown *s, const struct entry *e,
	enum label label, const struct json *v, struct err *err)
{
	const char *seed = json_get_string(v, "seed");
	struct part *p = &s->record.part[label];
	struct digest d;
	enum err_code rc;
	size_t got = 0;

	if (json_count(v) != 2 || !seed ||
		json_kind(json_get(v, "part")) != JSON_KIND_OBJECT ||
		!base64url_decode(
			seed, strlen(seed), p->seed, SEED_SIZE, &got) ||
		got != SEED_SIZE)
		return err_set(err, ERR_PROTOCOL,
			"proof whose part %s is malformed", label_name(label));
	if ((rc = json_write(json_get(v, "part"), &s->part[label], err)))
		return rc;
	p->json = (const char *)s->part[label].data;
	p->len = s->part[label].len;
	rc = part_digest(p->seed, label, p->json, p->len, &d, err);
	if (rc == ERR_OK && !digest_in(e, &d))
		rc = err_set(err, ERR_DENIED,
			"part %s is not the one the entry commits to",
			label_name(label));
	s->record.have |= LABEL_BIT(label);
	return rc;
}

static enum err_code show_parts(struct shown *s, const struct entry *e,
	const struct json *parts, struct err *err)
{
	enum err_code rc = ERR_OK;
	const struct json *v;
	enum label label;
	const char *name;
	void *walk = NULL;

	if (json_kind(parts) != JSON_KIND_OBJECT)
		return err_set(err, ERR_PROTOCOL, "proof without parts");
	while (rc == ERR_OK && json_next(parts, &walk, &name, &v)) {
		if (!label_parse(name, strlen(name), &label))
			return err_set(err, ERR_PROTOCOL,
				"proof with a part of an unknown label");
		rc = show_part(s, e, label, v, err);
	}
	return rc;
}

static enum err_code read_shown(const struct proof *p, struct shown *s,
	struct entry *e, struct err *err)
{
	enum err_code rc;

	if (!p->extra)
		return err_set(
			err, ERR_PROTOCOL, "proof that carries no record");
	if ((rc = json_parse_canonical(
		     p->extra, p->extra_len, EXTRA_LIMIT, &s->extra, err)))
		return err_while(err, ERR_PROTOCOL, "record in a proof");
	if (json_kind(s->extra) != JSON_KIND_OBJECT ||
		json_count(s->extra) != 2 || !json_get(s->extra, "entry"))
		return err_set(
			err, ERR_PROTOCOL, "proof that carries no record");
	if ((rc = json_write(json_get(s->extra, "entry"), &s->entry, err)))
		return rc;
	s->record.entry = (const char *)s->entry.data;
	s->record.entry_len = s->entry.len;
	s->record.leaf = tree_leaf(s->entry.data, s->entry.len);
	rc = entry_parse(s->record.entry, s->record.entry_len, e, err);
	if (rc)
		return err_while(err, ERR_PROTOCOL, "entry in a proof");
	return show_parts(s, e, json_get(s->extra, "parts"), err);
}

static enum err_code check_path(const struct proof *p,
	const struct note_key *log_key, const struct shown *s,
	struct checkpoint *cp, struct err *err)
{
	struct note note;
	enum err_code rc;

	if (log_key->type != NOTE_ED25519)
		return err_set(err, ERR_USAGE, "%s is not the key of a log",
			log_key->name);
	if ((rc = checkpoint_open(
		     p->note, p->note_len, &log_key->pub, &note, cp, err)))
		return rc;
	if (strcmp(cp->origin, log_key->name))
		return err_set(err, ERR_DENIED,
			"checkpoint of %s, the key is that of %s", cp->origin,
			log_key->name);
	if (!tree_check_inclusion(
		    p->index, cp->size, &s->record.leaf, &p->path, &cp->root))
		return err_set(err, ERR_DENIED,
			"the entry is not number %" PRIu64 " of %s", p->index,
			cp->origin);
	return ERR_OK;
}

enum err_code proof_verify(const void *data, size_t len,
	const struct note_key *log_key, struct proof_report *out,
	struct err *err)
{
	struct proof_report report = {0};
	struct shown s = {0};
	struct checkpoint cp;
	struct proof p = {0};
	enum err_code rc;

	if ((rc = proof_parse(data, len, &p, err)))
		return rc;
	if ((rc = read_shown(&p, &s, &report.entry, err)) ||
		(rc = check_path(&p, log_key, &s, &cp, err)))
		goto out;
	if (!log_issuer_is(cp.origin, report.entry.iss)) {
		rc = err_set(err, ERR_DENIED, "entry issued by %s in %s",
			report.entry.iss, cp.origin);
		goto out;
	}
	if ((rc = merge_parts(NULL, &s.record, MERGE_ALL, &report.fields, err)))
		goto out;
	memcpy(report.origin, cp.origin, sizeof(report.origin));
	report.seq = p.index;
	report.size = cp.size;
	report.labels = s.record.have;
	*out = report;
out:
	shown_free(&s);
	proof_fini(&p);
	return rc;
}
