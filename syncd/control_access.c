/* control_access.c - the calls about who may see what, and who did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "syncd/control_inside.h"
#include "syncd/log.h"

#define LINES_LIMIT 10000

bool control_who(
	const struct control_server *c, struct exchange *x, struct who *out)
{
	const struct node *n = c->d->node;
	uid_t uid;

	if (!exchange_uid(x, &uid))
		return false;
	who_of(&n->config.accounts, n->data, uid, out);
	return true;
}

void control_noted(struct job *j)
{
	daemon_changed(j->control->d);
}

void control_call_as(struct control_server *c, struct exchange *x,
	enum err_code (*run)(struct job *j, struct err *err),
	void (*ran)(struct job *j))
{
	struct who who;
	struct job *j;

	if (!control_who(c, x, &who)) {
		exchange_error(x, ERR_DENIED, "nobody knows who asks");
		return;
	}
	if (!(j = job_new(c, x, run)))
		return;
	j->who = who;
	j->ran = ran;
	job_submit(j, loop_job);
}

enum err_code control_parse_body(
	struct job *j, struct json **out, struct err *err)
{
	return json_parse(j->in.data ? (const void *)j->in.data : "", j->in.len,
		(size_t)CONTROL_BODY_LIMIT, out, err);
}

enum err_code control_answer(struct job *j, struct json *v, struct err *err)
{
	enum err_code rc = json_write(v, &j->body, err);

	buf_u8(&j->body, '\n');
	json_free(v);
	return rc ? rc : buf_ok(&j->body, err);
}

static enum err_code point_of(
	const struct json *v, struct point *out, struct err *err)
{
	const char *record = json_get_string(v, "record");

	if (!record)
		return err_set(err, ERR_USAGE, "the body has no \"record\"");
	return point_parse(record, strlen(record), out, err);
}

/* ---- POST /reveal ---- */

static enum err_code labels_of(
	const struct json *v, uint8_t *out, struct err *err)
{
	*out = 0;
	for (size_t i = 0; i < json_count(v); i++) {
		size_t len = 0;
		const char *s = json_string(json_at(v, i), &len);
		enum label l;

		if (!s || !label_parse(s, len, &l) ||
			!(LABEL_BIT(l) & LABELS_MASKED))
			return err_set(err, ERR_USAGE,
				"labels are personal and sensitive");
		*out |= LABEL_BIT(l);
	}
	return ERR_OK;
}

static enum err_code run_reveal(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct access_ask ask = {.who = j->who};
	struct json *v = NULL, *out = NULL;
	enum err_code rc;

	if ((rc = control_parse_body(j, &v, err)) ||
		(rc = point_of(v, &ask.point, err)) ||
		(rc = labels_of(json_get(v, "labels"), &ask.labels, err)))
		goto out;
	ask.reason = json_get_string(v, "reason");
	ask.field = json_get_string(v, "field");
	ask.proof = json_bool(json_get(v, "proof"));
	if (!ask.reason)
		rc = err_set(err, ERR_USAGE, "the body has no \"reason\"");
	else if ((rc = access_reveal(d->node, d->writer, j->control->tries,
			  &ask, &out, err)) == ERR_OK)
		rc = control_answer(j, out, err);
out:
	json_free(v);
	return rc;
}

void call_reveal(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_reveal, control_noted);
}

/* ---- POST /approve ---- */

static enum err_code run_approve(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct json *v = NULL, *out = NULL;
	const char *request;
	enum err_code rc;

	if ((rc = control_parse_body(j, &v, err)))
		return rc;
	request = json_get_string(v, "request");
	if (!request)
		rc = err_set(err, ERR_USAGE, "the body has no \"request\"");
	else if ((rc = access_decide(d->node, d->writer, j->control->tries,
			  &j->who,
			  json_bool(json_get(v, "refuse")) ? ACCESS_REFUSE
							   : ACCESS_APPROVE,
			  request, &out, err)) == ERR_OK)
		rc = control_answer(j, out, err);
	json_free(v);
	return rc;
}

void call_approve(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_approve, control_noted);
}

/* ---- GET /requests ---- */

static enum err_code run_pending(struct job *j, struct err *err)
{
	struct json *out = NULL;
	enum err_code rc =
		access_pending(j->control->d->node, &j->who, &out, err);

	return rc ? rc : control_answer(j, out, err);
}

void call_pending(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_pending, NULL);
}

/* ---- POST /audit/access ---- */

struct lines {
	struct job *job;
	size_t count;
};

static enum err_code on_line(void *arg, struct json *line, struct err *err)
{
	struct lines *l = arg;

	if (l->count++ == LINES_LIMIT) {
		json_free(line);
		return err_set(err, ERR_LIMIT,
			"more than %d lines: name a record, an account or a "
			"time",
			LINES_LIMIT);
	}
	return control_answer(l->job, line, err);
}

static enum err_code span_of(
	const struct json *v, int64_t *begin, int64_t *end, struct err *err)
{
	const char *from = json_get_string(v, "from");
	const char *to = json_get_string(v, "to");

	*end = INT64_MAX;
	if ((from && !time_parse(from, strlen(from), begin)) ||
		(to && !time_parse(to, strlen(to), end)))
		return err_set(err, ERR_USAGE,
			"\"from\" and \"to\" are times of RFC 3339");
	return ERR_OK;
}

static enum err_code filter_of(
	const struct json *v, struct audit_filter *f, struct err *err)
{
	enum err_code rc = span_of(v, &f->from, &f->to, err);

	f->account = json_get_string(v, "account");
	f->by_record = json_get(v, "record") != NULL;
	return rc || !f->by_record ? rc : point_of(v, &f->point, err);
}

static enum err_code run_audit(struct job *j, struct err *err)
{
	struct audit_filter filter = {.by_record = false};
	struct lines lines = {.job = j};
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = who_may(&j->who, POWER_AUDIT, err)) ||
		(rc = control_parse_body(j, &v, err)))
		return rc;
	if ((rc = filter_of(v, &filter, err)) == ERR_OK)
		rc = audit_access(
			j->control->d->node, &filter, on_line, &lines, err);
	j->type = "application/x-ndjson";
	json_free(v);
	return rc;
}

void call_audit(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_audit, NULL);
}

/* ---- POST /audit/provision ---- */

static enum err_code run_provision(struct job *j, struct err *err)
{
	struct lines lines = {.job = j};
	struct json *v = NULL;
	struct point point;
	enum err_code rc;

	if ((rc = who_may(&j->who, POWER_AUDIT, err)) ||
		(rc = control_parse_body(j, &v, err)))
		return rc;
	if ((rc = point_of(v, &point, err)) == ERR_OK)
		rc = audit_provision(
			j->control->d->node, &point, on_line, &lines, err);
	j->type = "application/x-ndjson";
	json_free(v);
	return rc;
}

void call_provision(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_provision, NULL);
}

/* ---- POST /incident ---- */

static enum err_code incident_of(
	const struct json *v, struct incident_ask *ask, struct err *err)
{
	static const char *const names[] = {
		[INCIDENT_NODE] = "node",
		[INCIDENT_CONSUMER] = "consumer",
		[INCIDENT_RECORD] = "record",
		[INCIDENT_SERIES] = "series",
	};
	enum err_code rc;

	*ask = (struct incident_ask){.name = NULL};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!json_get_string(v, names[i]))
			continue;
		ask->kind = (enum incident_kind)i;
		ask->name = json_get_string(v, names[i]);
	}
	if (!ask->name)
		return err_set(err, ERR_USAGE,
			"\"node\", \"consumer\", \"record\" or \"series\" is "
			"missing");
	if (ask->kind == INCIDENT_RECORD &&
		(rc = point_of(v, &ask->point, err)))
		return rc;
	return span_of(v, &ask->from, &ask->to, err);
}

static enum err_code run_incident(struct job *j, struct err *err)
{
	struct json *v = NULL, *report = NULL;
	struct incident_ask ask;
	enum err_code rc;

	if ((rc = who_may(&j->who, POWER_AUDIT, err)) ||
		(rc = control_parse_body(j, &v, err)))
		return rc;
	if ((rc = incident_of(v, &ask, err)) == ERR_OK &&
		(rc = incident_find(j->control->d->node, &ask, &report, err)) ==
			ERR_OK)
		rc = control_answer(j, report, err);
	json_free(v);
	return rc;
}

void call_incident(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_incident, NULL);
}

/* ---- POST /show ---- */

/* As every account may see it that can reach the socket. */
static enum err_code run_show(struct job *j, struct err *err)
{
	struct node *n = j->control->d->node;
	struct rules *rules = node_rules(n);
	struct json *v = NULL, *doc = NULL;
	struct run run = {0};
	struct log_info log;
	struct point point;
	uint64_t seq;
	enum err_code rc;

	if ((rc = control_parse_body(j, &v, err)) ||
		(rc = point_of(v, &point, err)) ||
		(rc = sealed_find(n, &point, &log, &seq, err)) ||
		(rc = store_read(
			 n->store, log.id, seq, 1, LABEL_ALL, &run, err)) ||
		(rc = view_shown(
			 n, rules, log.origin, seq, &run.record[0], &doc, err)))
		goto out;
	rc = control_answer(j, doc, err);
out:
	run_free(&run);
	json_free(v);
	rules_unref(rules);
	return rc;
}

void call_show(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_show, NULL);
}

/* ---- POST /why ---- */

static enum err_code run_why(struct job *j, struct err *err)
{
	struct json *v = NULL, *out = NULL;
	struct point point;
	enum err_code rc;

	if (!(rc = control_parse_body(j, &v, err)) &&
		!(rc = point_of(v, &point, err)) &&
		!(rc = story_tell(j->control->d->node, &point, &out, err)))
		rc = control_answer(j, out, err);
	json_free(v);
	return rc;
}

void call_why(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_why, NULL);
}

/* ---- POST /list ---- */

static enum err_code on_row(void *arg, struct json *row, struct err *err)
{
	return json_append(arg, row) ? ERR_OK : err_nomem(err);
}

/* Of the system's own records only an auditor is told: they say who saw what.
 */
static enum err_code listing_of(const struct job *j, const struct json *v,
	struct listing *out, struct err *err)
{
	uint64_t limit = 0;

	out->series = json_get_string(v, "series");
	out->from = json_get_string(v, "from");
	out->system = json_bool(json_get(v, "system"));
	out->has_after = json_get_u64(v, "after", &out->after);
	if (!json_get_u64(v, "limit", &limit) || limit > LINES_LIMIT)
		return err_set(err, ERR_USAGE, "\"limit\" is a number up to %d",
			LINES_LIMIT);
	if (out->from && !code_valid(out->from, strlen(out->from)))
		return err_set(err, ERR_USAGE, "\"from\" is a 12-digit code");
	out->limit = (size_t)limit;
	if (out->system || (out->series && !strncmp(out->series, "sys-", 4)))
		return who_may(&j->who, POWER_AUDIT, err);
	return ERR_OK;
}

static enum err_code run_list(struct job *j, struct err *err)
{
	struct listing_left left = {.damaged = 0};
	struct listing what = {.series = NULL};
	struct json *v = NULL, *rows = json_new_array(), *out;
	enum err_code rc;

	if (!rows)
		return err_nomem(err);
	if ((rc = control_parse_body(j, &v, err)) ||
		(rc = listing_of(j, v, &what, err)) ||
		(rc = listing_read(
			 j->control->d->node, &what, on_row, rows, &left, err)))
		goto out;
	out = json_new_object();
	if (!json_set(out, "damaged", json_new_u64(left.damaged)) ||
		!json_set(out, "restricted", json_new_u64(left.restricted))) {
		json_free(out);
		rc = err_nomem(err);
		goto out;
	}
	if (json_set(out, "rows", rows)) {
		rc = control_answer(j, out, err);
	} else {
		json_free(out);
		rc = err_nomem(err);
	}
	rows = NULL;
out:
	json_free(rows);
	json_free(v);
	return rc;
}

void call_list(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	(void)rest;
	(void)len;
	control_call_as(c, x, run_list, NULL);
}

/* ---- denied tries that were counted ---- */

static void tell(struct control_server *c, bool all)
{
	struct err err;

	if (access_tries_flush(c->d->node, c->d->writer, c->tries, all, &err))
		log_warn("denied tries are not recorded yet: %s", err.text);
}

static void tell_work(void *arg)
{
	tell(arg, false);
}

void control_tell_last(struct control_server *c)
{
	tell(c, true);
}

static void told(void *arg)
{
	struct control_server *c = arg;

	c->telling = false;
	daemon_changed(c->d);
}

void control_tell_tries(struct control_server *c)
{
	if (!c->telling && access_tries_due(c->tries))
		c->telling = loop_job(c->d->loop, tell_work, told, c);
}
