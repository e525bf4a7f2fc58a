/* access.c - revealing: judged, recorded, and only then shown. */
#include "policies/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/access_inside.h"
#include "policies/nodefile.h"
#include "policies/archive.h"
#include "policies/orders.h"
#include "policies/sealed.h"
#include "policies/shape.h"

#define CLOCK_SLACK_S 600

/* ---- reasons ---- */

/* A run of digits that is somebody's number. */
static bool is_number_of_person(const char *s, size_t len)
{
	return mobile_valid(s, len) || id_no_valid(s, len, time_now()) ||
		(len >= 16 && bank_card_valid(s, len));
}

static bool has_number_of_person(const char *reason)
{
	char room[VALUE_ROOM];
	struct value_text t =
		value_normal(TYPE_ID_NO, reason, strlen(reason), room);

	for (size_t i = 0; i < t.len;) {
		size_t n = 0;

		while (i + n < t.len && t.s[i + n] >= '0' && t.s[i + n] <= '9')
			n++;
		if (n == 17 && i + n < t.len && t.s[i + n] == 'X')
			n++;
		if (n > 0 && is_number_of_person(t.s + i, n))
			return true;
		i += n ? n : 1;
	}
	return false;
}

enum err_code access_reason_check(const char *reason, struct err *err)
{
	size_t len = strlen(reason);

	if (len == 0)
		return err_set(err, ERR_USAGE, "the reason is empty");
	if (len > ACCESS_REASON_LIMIT)
		return err_set(err, ERR_USAGE,
			"the reason has %zu bytes, limit %d", len,
			ACCESS_REASON_LIMIT);
	if (!utf8_valid(reason, len))
		return err_set(err, ERR_USAGE, "the reason is not UTF-8");
	for (size_t i = 0, n; i < len; i += n) {
		if (char_unseen(utf8_next(reason + i, len - i, &n)))
			return err_set(err, ERR_USAGE,
				"the reason holds control characters");
	}
	/* It is kept for years, and read at every level above. */
	if (has_number_of_person(reason))
		return err_set(err, ERR_USAGE,
			"the reason holds a number of a person: name the "
			"matter, not the person");
	return ERR_OK;
}

/* ---- requests and approvals ---- */

/* The newest revision of a request in logs of ours: another's log says nothing
 * here, whatever ids it uses. */
struct state {
	struct batch *batch;
	struct store *store;
	struct system_place place; /* of the next revision */
	uint32_t log;
	uint64_t seq;
	struct json *fields; /* NULL: there is none, or no request */
	char at[TIME_TEXT_SIZE];
};

static enum err_code on_revision(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct state *s = arg;
	struct log_info info;
	enum err_code rc = store_log_by_id(s->store, log, &info, err);

	/* A log that this very batch began is ours. */
	if (rc == ERR_NOT_FOUND)
		rc = batch_log_own(s->batch, &info, err);
	if (rc == ERR_OK && info.kind == LOG_OWN && rev >= s->place.rev) {
		s->place.rev = rev + 1;
		s->log = log;
		s->seq = seq;
	}
	return rc;
}

static enum err_code state_read(struct state *s, struct err *err)
{
	const struct part *p;
	struct run run = {0};
	struct entry e;
	enum err_code rc;

	s->place.rev = 1;
	rc = batch_find_id(s->batch, s->place.uuid, on_revision, s, err);
	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && s->place.rev == 1))
		return ERR_OK;
	if (rc ||
		(rc = batch_read(s->batch, s->log, s->seq, 1,
			 LABEL_BIT(LABEL_INTERNAL), &run, err)) ||
		(rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			 &e, err)))
		goto out;
	s->place.prev = run.record[0].leaf;
	p = &run.record[0].part[LABEL_INTERNAL];
	if (!strcmp(e.series, ACCESS_SERIES) &&
		(run.record[0].have & LABEL_BIT(LABEL_INTERNAL)))
		rc = json_parse(
			p->json, p->len, PART_SIZE_LIMIT, &s->fields, err);
	memcpy(s->at, e.at, sizeof(s->at));
out:
	run_free(&run);
	return rc;
}

/* Is its newest revision this, and does it still count?  A clock that was set
 * back does not make it last longer. */
bool access_counts(
	const struct json *fields, const char *at, const char *result)
{
	const char *is = json_get_string(fields, "result");
	const char *until = json_get_string(fields, "until");
	int64_t from, to, now = time_now();

	return is && until && !strcmp(is, result) &&
		time_parse(at, strlen(at), &from) &&
		time_parse(until, strlen(until), &to) && now < to &&
		now >= from - CLOCK_SLACK_S;
}

static bool state_is(const struct state *s, const char *result)
{
	return access_counts(s->fields, s->at, result);
}

static bool set_until(struct json *v, char until[TIME_TEXT_SIZE])
{
	time_format(time_now() + ACCESS_VALID_S, until);
	return json_set(v, "until", json_new_text(until));
}

/* Account, record, labels and reason give it: the same question finds it again,
 * and what was approved for one reason is not shown for another. */
static void request_id(const struct node *n, const struct access_ask *ask,
	const struct access_target *t, uint8_t out[UUID_SIZE])
{
	struct buf text = BUF_EMPTY;
	struct digest d;

	buf_printf(&text, "%s %s %s %s/%" PRIu64 " %u %s %s", ACCESS_SERIES,
		n->config.code, ask->who.account, t->log.origin, t->seq,
		t->labels, ask->field ? ask->field : "", ask->reason);
	d = digest_of(text.data, text.len);
	memcpy(out, d.b, UUID_SIZE);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
	buf_free(&text);
}

struct request {
	struct node *node;
	const struct access_ask *ask;
	const struct access_target *target;
	uint8_t uuid[UUID_SIZE];
	bool shown;
	struct receipt receipt;
	char until[TIME_TEXT_SIZE];
};

/* Uses an approval up, or asks for one.  May run twice. */
static enum err_code request_job(struct batch *b, void *arg, struct err *err)
{
	struct request *q = arg;
	struct state s = {.batch = b, .store = q->node->store};
	const char *until;
	struct json *v;
	enum err_code rc;

	memcpy(s.place.uuid, q->uuid, UUID_SIZE);
	if ((rc = state_read(&s, err)))
		goto out;
	q->shown = state_is(&s, "approved");
	if (!q->shown && state_is(&s, "waiting")) {
		until = json_get_string(s.fields, "until");
		snprintf(q->until, sizeof(q->until), "%s", until);
		goto out;
	}
	v = access_reveal_fields(
		q->ask, q->target, q->shown ? "shown" : "waiting");
	if (!v || (!q->shown && !set_until(v, q->until))) {
		json_free(v);
		rc = err_nomem(err);
		goto out;
	}
	rc = system_revision(
		b, q->node, ACCESS_SERIES, &s.place, v, &q->receipt, err);
out:
	json_free(s.fields);
	return rc;
}

struct approval {
	struct node *node;
	const struct who *who;
	enum access_decision what;
	uint8_t uuid[UUID_SIZE];
	struct json *fields; /* what was decided */
};

static bool copy_member(
	const struct json *from, const char *name, struct json *to)
{
	const struct json *v = json_get(from, name);

	return !v || json_set(to, name, json_copy(v));
}

/* `asked` may be an approval that is taken back. */
static struct json *approval_fields(const struct who *who,
	enum access_decision what, const struct json *asked)
{
	const char *account = json_get_string(asked, "for");
	bool refuse = what == ACCESS_REFUSE;
	struct json *v =
		access_fields(who, "approve", refuse ? "refused" : "approved");
	char until[TIME_TEXT_SIZE];

	if (!account)
		account = json_get_string(asked, "account");

	if (v && json_set(v, "for", json_new_text(account ? account : "")) &&
		copy_member(asked, "field", v) &&
		copy_member(asked, "labels", v) &&
		copy_member(asked, "reason", v) &&
		copy_member(asked, "record", v) &&
		(refuse || set_until(v, until)))
		return v;
	json_free(v);
	return NULL;
}

/* May run twice. */
static enum err_code approval_job(struct batch *b, void *arg, struct err *err)
{
	struct approval *a = arg;
	struct state s = {.batch = b, .store = a->node->store};
	struct receipt receipt;
	const char *asked;
	enum err_code rc;

	json_free(a->fields);
	a->fields = NULL;
	memcpy(s.place.uuid, a->uuid, UUID_SIZE);
	if ((rc = state_read(&s, err)))
		goto out;
	if (!state_is(&s, "waiting") &&
		(a->what == ACCESS_APPROVE || !state_is(&s, "approved"))) {
		rc = err_set(err, ERR_NOT_FOUND,
			"no such request waits here: it was approved, refused "
			"or shown already, or its day is over");
		goto out;
	}
	asked = json_get_string(s.fields, "account");
	if (a->what == ACCESS_APPROVE && asked &&
		!strcmp(asked, a->who->account)) {
		rc = err_set(err, ERR_DENIED,
			"%s made the request: another person has to approve it",
			asked);
		goto out;
	}
	if (!(a->fields = approval_fields(a->who, a->what, s.fields)))
		rc = err_nomem(err);
	else
		rc = system_revision(b, a->node, ACCESS_SERIES, &s.place,
			json_copy(a->fields), &receipt, err);
out:
	json_free(s.fields);
	return rc;
}

static struct json *denied_approval(const struct who *who, const uint8_t *uuid)
{
	struct json *v = access_fields(who, "approve", "denied");
	char id[UUID_TEXT_SIZE];

	uuid_format(uuid, id);
	if (json_set(v, "request", json_new_text(id)))
		return v;
	json_free(v);
	return NULL;
}

enum err_code access_decide(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who,
	enum access_decision what, const char *request, struct json **out,
	struct err *err)
{
	struct approval a = {.node = n, .who = who, .what = what};
	enum err_code rc;

	if (!uuid_parse(request, strlen(request), a.uuid))
		return err_set(err, ERR_USAGE, "that is no id of a request");
	if ((rc = who_may(who, POWER_APPROVE, err)) == ERR_OK)
		rc = node_run_job(n, w, approval_job, &a, err);
	if (rc == ERR_DENIED)
		rc = access_denied(
			n, w, tries, who, denied_approval(who, a.uuid), err);
	if (rc) {
		json_free(a.fields);
		return rc;
	}
	json_remove(a.fields, "account");
	json_remove(a.fields, "act");
	json_remove(a.fields, "result");
	json_remove(a.fields, "role");
	*out = a.fields;
	return ERR_OK;
}

/* ---- revealing ---- */

struct reveal {
	struct node *node;
	struct rules *rules;
	const struct access_ask *ask;
	struct access_target target;
	struct run run;
	struct opened opened; /* where it is sealed, and to us too */
	const struct record *shown;
	bool second; /* another person has to approve */
};

static enum err_code find_target(struct reveal *r, struct err *err)
{
	struct access_target *t = &r->target;
	enum err_code rc;

	if ((rc = sealed_find(
		     r->node, &r->ask->point, &t->log, &t->seq, err)) ||
		(rc = store_read(r->node->store, t->log.id, t->seq, 1,
			 LABEL_ALL, &r->run, err)) ||
		(rc = entry_parse(r->run.record[0].entry,
			 r->run.record[0].entry_len, &t->e, err)))
		return rc;
	r->shown = sealed_shown(r->node, &r->run.record[0], &r->opened);
	t->found = true;
	return ERR_OK;
}

/* What there is to show, and whether one may decide that alone. */
static enum err_code judge(struct reveal *r, struct err *err)
{
	const struct record *record = &r->run.record[0];
	struct access_target *t = &r->target;
	uint8_t wanted =
		r->ask->labels ? r->ask->labels & LABELS_MASKED : LABELS_MASKED;
	enum err_code rc;

	/* What is recorded of the look is read at every level above. */
	if (t->e.sealed && r->ask->field)
		return err_set(err, ERR_USAGE,
			"a sealed record is shown whole: leave --field out");
	t->labels = record->have & wanted;
	if (r->ask->field &&
		(rc = access_labels_at(record, r->ask->field, &t->labels, err)))
		return rc;
	if (!t->labels && (record->erased & wanted))
		return err_set(
			err, ERR_ERASED, "what of it was masked is destroyed");
	if (!t->labels)
		return err_set(err, ERR_NOT_FOUND,
			"nothing of that is kept here and masked");
	/* Whom a message is about nobody here may be able to tell. */
	r->second = t->e.sealed;
	return r->second
		? ERR_OK
		: access_about_minor(rules_series(r->rules, t->e.series), &t->e,
			  record, &r->second, err);
}

static bool keep_field(struct json *doc, const char *path)
{
	bool failed = false;
	struct json *some = access_pick(json_get(doc, "fields"), path, &failed);

	json_remove(doc, SHAPE_ATTACHMENTS);
	return !failed && json_set(doc, "fields", some);
}

static enum err_code add_document(
	const struct reveal *r, struct json *o, struct err *err)
{
	const struct access_target *t = &r->target;
	struct json *doc = NULL;
	enum err_code rc = view_revealed(r->rules, t->log.origin, t->seq,
		r->shown,
		r->shown == &r->opened.record ? LABELS_MASKED : t->labels, &doc,
		err);

	if (rc)
		return rc;
	if (r->ask->field && !keep_field(doc, r->ask->field)) {
		json_free(doc);
		return err_nomem(err);
	}
	return json_set(o, "document", doc) ? ERR_OK : err_nomem(err);
}

static enum err_code add_proof(
	const struct reveal *r, struct json *o, struct err *err)
{
	const struct access_target *t = &r->target;
	uint8_t labels = (uint8_t)(t->labels | (uint8_t)~LABELS_MASKED);
	struct buf text = BUF_EMPTY;
	enum err_code rc = proof_make(
		r->node, &t->log, t->seq, labels & LABEL_ALL, &text, err);

	if (rc == ERR_OK &&
		!json_set(o, "proof",
			json_new_string((const char *)text.data, text.len)))
		rc = err_nomem(err);
	buf_wipe(&text);
	return rc;
}

static enum err_code show(const struct reveal *r, const struct receipt *receipt,
	struct json **out, struct err *err)
{
	struct json *o = json_new_object(), *access = json_new_object();
	enum err_code rc;

	if (!json_set(access, "origin", json_new_text(receipt->origin)) ||
		!json_set(access, "seq", json_new_u64(receipt->seq))) {
		json_free(access);
		json_free(o);
		return err_nomem(err);
	}
	rc = r->ask->proof ? add_proof(r, o, err) : add_document(r, o, err);
	if (!json_set(o, "access", access) && rc == ERR_OK)
		rc = err_nomem(err);
	if (rc)
		json_free(o);
	else
		*out = o;
	return rc;
}

static enum err_code tell_request(
	const struct request *q, struct json **out, struct err *err)
{
	struct json *o = json_new_object();
	char id[UUID_TEXT_SIZE];

	uuid_format(q->uuid, id);
	if (!json_set(o, "request", json_new_text(id)) ||
		!json_set(o, "until", json_new_text(q->until))) {
		json_free(o);
		return err_nomem(err);
	}
	*out = o;
	return ERR_OK;
}

static enum err_code reveal_second(
	struct reveal *r, struct writer *w, struct json **out, struct err *err)
{
	struct request q = {
		.node = r->node, .ask = r->ask, .target = &r->target};
	enum err_code rc;

	request_id(r->node, r->ask, &r->target, q.uuid);
	if ((rc = node_run_job(r->node, w, request_job, &q, err)))
		return rc;
	return q.shown ? show(r, &q.receipt, out, err)
		       : tell_request(&q, out, err);
}

static enum err_code reveal(
	struct reveal *r, struct writer *w, struct json **out, struct err *err)
{
	struct receipt receipt;
	enum err_code rc;

	if ((rc = find_target(r, err)) ||
		(rc = orders_check_shown(r->node, r->target.log.origin,
			 r->target.seq, &r->target.e, err)) ||
		(rc = judge(r, err)))
		return rc;
	if (r->second)
		return reveal_second(r, w, out, err);
	if ((rc = access_note(r->node, w,
		     access_reveal_fields(r->ask, &r->target, "shown"),
		     &receipt, err)))
		return rc;
	return show(r, &receipt, out, err);
}

/* The answer does not tell whether there is such a record; what is recorded
 * does, where there is one.  Of the person's own words nothing is kept. */
static enum err_code reveal_denied(struct reveal *r, struct writer *w,
	struct access_tries *tries, struct err *err)
{
	struct access_ask bare = *r->ask;

	bare.reason = NULL;
	if (!r->target.found)
		(void)!find_target(r, NULL);
	r->target.labels = r->ask->labels;
	return access_denied(r->node, w, tries, &r->ask->who,
		access_reveal_fields(&bare, &r->target, "denied"), err);
}

enum err_code access_reveal(struct node *n, struct writer *w,
	struct access_tries *tries, const struct access_ask *ask,
	struct json **out, struct err *err)
{
	struct reveal r = {.node = n, .ask = ask};
	enum err_code rc;

	if (ask->field && !access_path_valid(ask->field))
		return err_set(err, ERR_USAGE, "that is no path of a field");
	if (ask->field && ask->proof)
		return err_set(err, ERR_USAGE,
			"a proof shows whole parts, not one field");
	r.rules = node_rules(n);
	if ((rc = who_may(&ask->who, POWER_REVEAL, err)))
		rc = reveal_denied(&r, w, tries, err);
	else if ((rc = access_reason_check(ask->reason, err)) == ERR_OK &&
		(rc = reveal(&r, w, out, err)) == ERR_DENIED)
		rc = reveal_denied(&r, w, tries, err);
	opened_free(&r.opened);
	run_free(&r.run);
	rules_unref(r.rules);
	return rc;
}
