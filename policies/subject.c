/* subject.c - a person's records found, copied for them, or refused. */
#include "policies/subject.h"

#include <stdlib.h>
#include <string.h>

#include "policies/access_inside.h"
#include "policies/merge.h"
#include "policies/nodefile.h"
#include "policies/orders.h"
#include "policies/sealed.h"
#include "policies/walk.h"

struct look {
	struct node *node;
	struct rules *rules;
	const struct subject_ask *ask;
	struct json *found; /* an array */
	size_t looked, damaged, count;
	/* Of the record being looked at. */
	struct json *where;
	const struct entry *sealed; /* what is in it, where it is */
	/* Of those copied, for what is recorded of them. */
	struct access_target *copied;
	size_t copied_count;
};

static enum err_code on_place(
	void *arg, const char *path, const struct buf *masked, struct err *err)
{
	struct look *l = arg;
	struct json *v = json_new_object();

	if (json_set(v, "path", json_new_text(path)) &&
		json_set(v, "value",
			json_new_string(
				(const char *)masked->data, masked->len)))
		return json_append(l->where, v) ? ERR_OK : err_nomem(err);
	json_free(v);
	return err_nomem(err);
}

static bool put_head(struct json *v, const struct log_info *log, uint64_t seq,
	const struct entry *e)
{
	return json_set(v, "at", json_new_text(e->at)) &&
		json_set(v, "id", json_new_text(e->id)) &&
		json_set(v, "node", json_new_text(e->node)) &&
		json_set(v, "origin", json_new_text(log->origin)) &&
		json_set(v, "rev", json_new_u64(e->rev)) &&
		json_set(v, "seq", json_new_u64(seq)) &&
		json_set(v, "series", json_new_text(e->series));
}

static enum err_code keep_copied(struct look *l, const struct log_info *log,
	uint64_t seq, const struct entry *e, uint8_t labels, struct err *err)
{
	struct access_target *more =
		reallocarray(l->copied, l->copied_count + 1, sizeof(*more));

	if (!more)
		return err_nomem(err);
	l->copied = more;
	more[l->copied_count++] = (struct access_target){.found = true,
		.log = *log,
		.seq = seq,
		.e = *e,
		.labels = labels & LABELS_MASKED};
	return ERR_OK;
}

/* What is about minors is shown to a second person first, one by one. */
static enum err_code copy(struct look *l, const struct log_info *log,
	uint64_t seq, const struct record *r, const struct entry *e,
	const struct json *fields, struct json *v, struct err *err)
{
	const struct series *s = rules_series(l->rules, e->series);
	struct json *doc = NULL;
	bool minor = false;
	enum err_code rc;

	if (l->sealed)
		return json_set(v, "left_out", json_new_text("sealed"))
			? ERR_OK
			: err_nomem(err);
	if (!s)
		return json_set(v, "left_out", json_new_text("series"))
			? ERR_OK
			: err_nomem(err);
	if ((rc = access_about_minor(s, e, r, &minor, err)))
		return rc;
	if (minor)
		return json_set(v, "left_out", json_new_text("minor"))
			? ERR_OK
			: err_nomem(err);
	if ((rc = person_copy(l->ask->person, s, fields, &doc, err)))
		return rc;
	if (!json_set(v, "document", doc))
		return err_nomem(err);
	return keep_copied(l, log, seq, e, r->have, err);
}

static enum err_code add_found(struct look *l, const struct log_info *log,
	uint64_t seq, const struct record *r, const struct entry *e,
	const struct json *fields, struct err *err)
{
	struct restriction by;
	struct json *v;
	enum err_code rc =
		orders_restricted(l->node, log->origin, seq, e, &by, err);

	if (rc)
		return rc;
	if (l->count++ == SUBJECT_RECORDS_LIMIT)
		return err_set(err, ERR_LIMIT,
			"more than %d records name the person",
			SUBJECT_RECORDS_LIMIT);
	v = json_new_object();
	if (!v || !put_head(v, log, seq, l->sealed ? l->sealed : e))
		rc = err_nomem(err);
	else if (by.order[0])
		rc = json_set(v, "restricted", json_new_text(by.order)) &&
				(!l->ask->copy ||
					json_set(v, "left_out",
						json_new_text("restricted")))
			? ERR_OK
			: err_nomem(err);
	else if (!json_set(v, "where", json_copy(l->where)))
		rc = err_nomem(err);
	else if (l->ask->copy)
		rc = copy(l, log, seq, r, e, fields, v, err);
	if (rc) {
		json_free(v);
		return rc;
	}
	return json_append(l->found, v) ? ERR_OK : err_nomem(err);
}

static enum err_code look_in(struct look *l, const struct log_info *log,
	uint64_t seq, const struct record *r, const struct entry *e,
	struct err *err)
{
	const char *series = l->sealed ? l->sealed->series : e->series;
	struct json *fields = NULL;
	enum err_code rc = merge_parts(
		rules_series(l->rules, series), r, MERGE_ALL, &fields, err);

	if (rc == ERR_CORRUPT) {
		l->damaged++;
		return ERR_OK;
	}
	if (rc)
		return rc;
	json_free(l->where);
	if (!(l->where = json_new_array()))
		rc = err_nomem(err);
	else if (!(rc = person_find(
			   l->ask->person, fields, on_place, l, err)) &&
		json_count(l->where))
		rc = add_found(l, log, seq, r, e, fields, err);
	json_free(fields);
	return rc;
}

/* In a sealed one who captured it looks too; nobody else can. */
static enum err_code on_record(void *arg, const struct log_info *log,
	uint64_t seq, const struct record *r, struct err *err)
{
	struct look *l = arg;
	struct opened opened = {.text = BUF_EMPTY};
	const struct record *shown = r;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	if (!strncmp(e.series, "sys-", 4))
		return ERR_OK;
	l->looked++;
	l->sealed = NULL;
	if (e.sealed && log->kind == LOG_OWN &&
		(shown = sealed_shown(l->node, r, &opened)) != r)
		l->sealed = &opened.entry;
	rc = look_in(l, log, seq, shown, &e, err);
	opened_free(&opened);
	return rc;
}

/* ---- what is recorded ---- */

static struct json *look_fields(const struct look *l, const char *result)
{
	const struct subject_ask *ask = l->ask;
	struct json *v =
		access_fields(&ask->who, ask->copy ? "export" : "find", result);

	if (v &&
		(!ask->reason ||
			json_set(v, "reason", json_new_text(ask->reason))) &&
		(!ask->request ||
			json_set(v, "request", json_new_text(ask->request))) &&
		(strcmp(result, "shown") != 0 ||
			json_set(v, "found", json_new_u64(l->count))))
		return v;
	json_free(v);
	return NULL;
}

struct noted {
	const struct look *look;
	struct receipt receipt; /* of the look itself */
};

static enum err_code note_copy(struct batch *b, const struct noted *note,
	const struct access_target *t, struct err *err)
{
	const struct subject_ask *ask = note->look->ask;
	const struct access_ask one = {.who = ask->who, .reason = ask->reason};
	struct json *v = access_reveal_fields(&one, t, "shown");
	struct receipt receipt;

	if (!json_set(v, "act", json_new_text("export")) ||
		(ask->request &&
			!json_set(v, "request", json_new_text(ask->request)))) {
		json_free(v);
		return err_nomem(err);
	}
	return system_record(
		b, note->look->node, ACCESS_SERIES, v, &receipt, err);
}

/* One of the look, and one of each record that is shown raw, so that whoever
 * asks who saw a record finds it.  May run twice. */
static enum err_code note_job(struct batch *b, void *arg, struct err *err)
{
	struct noted *note = arg;
	const struct look *l = note->look;
	struct json *v = look_fields(l, "shown");
	enum err_code rc = v ? system_record(b, l->node, ACCESS_SERIES, v,
				       &note->receipt, err)
			     : err_nomem(err);

	for (size_t i = 0; !rc && i < l->copied_count; i++)
		rc = note_copy(b, note, &l->copied[i], err);
	return rc;
}

static bool put_access(struct json *v, const struct receipt *r)
{
	struct json *a = json_new_object();

	if (json_set(a, "origin", json_new_text(r->origin)) &&
		json_set(a, "seq", json_new_u64(r->seq)))
		return json_set(v, "access", a);
	json_free(a);
	return false;
}

static enum err_code answer(struct look *l, const struct receipt *r,
	size_t damaged, struct json **out, struct err *err)
{
	struct json *v = json_new_object();

	if (put_access(v, r) && json_set(v, "damaged", json_new_u64(damaged)) &&
		json_set(v, "looked", json_new_u64(l->looked))) {
		bool ok = json_set(v, "found", l->found);

		l->found = NULL;
		if (ok) {
			*out = v;
			return ERR_OK;
		}
	}
	json_free(v);
	return err_nomem(err);
}

static enum err_code look(
	struct look *l, struct writer *w, struct json **out, struct err *err)
{
	struct walk walk = {.node = l->node,
		.labels = LABEL_ALL,
		.visit = on_record,
		.arg = l};
	struct noted note = {.look = l};
	enum err_code rc;

	if (!(l->found = json_new_array()))
		return err_nomem(err);
	if (!(rc = orders_catch_up(l->node, err)) &&
		!(rc = walk_arrivals(
			  &walk, 0, store_arrivals(l->node->store), err)) &&
		!(rc = node_run_job(l->node, w, note_job, &note, err)))
		rc = answer(
			l, &note.receipt, walk.damaged + l->damaged, out, err);
	walk_free(&walk);
	return rc;
}

static enum err_code check_words(
	const char *reason, const char *request, struct err *err)
{
	enum err_code rc = access_reason_check(reason, err);

	if (!rc && request && (rc = access_reason_check(request, err)))
		rc = err_while(err, rc, "request");
	return rc;
}

enum err_code subject_look(struct node *n, struct writer *w,
	struct access_tries *tries, const struct subject_ask *ask,
	struct json **out, struct err *err)
{
	struct subject_ask bare = *ask;
	struct look l = {.node = n, .ask = ask};
	enum err_code rc;

	if ((rc = who_may(&ask->who, POWER_REVEAL, err))) {
		bare.reason = bare.request = NULL;
		l.ask = &bare;
		return access_denied(
			n, w, tries, &ask->who, look_fields(&l, "denied"), err);
	}
	if ((rc = check_words(ask->reason, ask->request, err)))
		return rc;
	l.rules = node_rules(n);
	rc = look(&l, w, out, err);
	json_free(l.found);
	json_free(l.where);
	free(l.copied);
	rules_unref(l.rules);
	return rc;
}

/* ---- refusing ---- */

enum err_code subject_refuse(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who, const char *article,
	const char *reason, const char *request, struct json **out,
	struct err *err)
{
	struct json *v, *o;
	struct receipt r;
	enum err_code rc;

	if ((rc = who_may(who, POWER_REVEAL, err)))
		return access_denied(n, w, tries, who,
			access_fields(who, "refuse", "denied"), err);
	if ((rc = check_words(reason, request, err)))
		return rc;
	if ((rc = access_reason_check(article, err)))
		return err_while(err, rc, "article");
	v = access_fields(who, "refuse", "refused");
	if (!v || !json_set(v, "article", json_new_text(article)) ||
		!json_set(v, "reason", json_new_text(reason)) ||
		(request && !json_set(v, "request", json_new_text(request)))) {
		json_free(v);
		return err_nomem(err);
	}
	if ((rc = access_note(n, w, v, &r, err)))
		return rc;
	o = json_new_object();
	if (!put_access(o, &r)) {
		json_free(o);
		return err_nomem(err);
	}
	*out = o;
	return ERR_OK;
}
