/* audit.c - who saw what is masked, or tried: the sys-access records of this
 * node and of those below it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/access.h"
#include "policies/capture.h"
#include "policies/epoch.h"

struct audit {
	struct node *node;
	const struct audit_filter *filter;
	char id[UUID_TEXT_SIZE]; /* of the record meant, "" for any */
	audit_visit *visit;
	void *arg;
};

/* All revisions of it; of one that is not here the id is enough. */
static enum err_code find_record(struct audit *a, struct err *err)
{
	const struct point *p = &a->filter->point;
	struct log_info log;
	struct entry e;
	uint64_t seq;
	enum err_code rc = point_find(a->node->store, p, &log, &seq, err);

	if (rc == ERR_OK &&
		(rc = store_entry(a->node->store, log.id, seq, &e, err)) ==
			ERR_OK)
		memcpy(a->id, e.id, sizeof(a->id));
	if (rc == ERR_NOT_FOUND && p->kind == POINT_ID) {
		uuid_format(p->uuid, a->id);
		rc = ERR_OK;
	}
	return rc;
}

static bool is_about(const struct audit *a, const struct json *fields)
{
	const struct json *r = json_get(fields, "record");
	const char *id = json_get_string(r, "id");

	return !a->id[0] || (id && !strcmp(id, a->id));
}

static bool is_wanted(
	const struct audit *a, const struct entry *e, const struct json *fields)
{
	const char *account = json_get_string(fields, "account");
	const char *wanted = a->filter->account;
	int64_t at;

	return is_about(a, fields) &&
		(!wanted || (account && !strcmp(account, wanted))) &&
		time_parse(e->at, strlen(e->at), &at) &&
		at >= a->filter->from && at < a->filter->to;
}

/* Takes `fields`. */
static struct json *line_of(const struct entry *e, const char *origin,
	uint64_t seq, struct json *fields)
{
	struct json *v = json_new_object();

	if (!v)
		json_free(fields);
	if (v && json_set(v, "access", fields) &&
		json_set(v, "at", json_new_text(e->at)) &&
		json_set(v, "id", json_new_text(e->id)) &&
		json_set(v, "origin", json_new_text(origin)) &&
		json_set(v, "rev", json_new_u64(e->rev)) &&
		json_set(v, "seq", json_new_u64(seq)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code see(struct audit *a, const struct log_info *log,
	uint64_t seq, const struct entry *e, struct err *err)
{
	struct json *fields = NULL, *line;
	struct run run = {0};
	const struct part *p;
	enum err_code rc = store_read(a->node->store, log->id, seq, 1,
		LABEL_BIT(LABEL_INTERNAL), &run, err);

	if (rc || !(run.record[0].have & LABEL_BIT(LABEL_INTERNAL)))
		goto out;
	p = &run.record[0].part[LABEL_INTERNAL];
	if ((rc = json_parse(p->json, p->len, PART_SIZE_LIMIT, &fields, err)) ||
		!is_wanted(a, e, fields))
		goto out;
	line = line_of(e, log->origin, seq, fields);
	fields = NULL;
	rc = line ? a->visit(a->arg, line, err) : err_nomem(err);
out:
	json_free(fields);
	run_free(&run);
	return rc;
}

static bool is_access(const struct record *r)
{
	static const char series[] = "\"series\":\"" ACCESS_SERIES "\"";

	return memmem(r->entry, r->entry_len, series, sizeof(series) - 1);
}

static enum err_code see_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct audit *a = arg;
	uint64_t from = 0, end = epoch_common(a->node, log);
	enum err_code rc = ERR_OK;

	/* What a node does itself never goes down. */
	if (log->kind == LOG_SPARSE)
		return ERR_OK;
	while (rc == ERR_OK && from < end) {
		struct run run = {0};
		size_t skipped = 0;
		struct entry e;

		rc = store_read_past(a->node->store, log->id, from, RUN_LIMIT,
			0, &run, &skipped, err);
		from += skipped;
		for (size_t i = 0; rc == ERR_OK && i < run.count; i++, from++) {
			if (from >= end || !is_access(&run.record[i]))
				continue;
			rc = entry_parse(run.record[i].entry,
				run.record[i].entry_len, &e, err);
			if (rc == ERR_OK && !strcmp(e.series, ACCESS_SERIES))
				rc = see(a, log, from, &e, err);
		}
		run_free(&run);
	}
	return rc;
}

enum err_code audit_access(struct node *n, const struct audit_filter *f,
	audit_visit *visit, void *arg, struct err *err)
{
	struct audit a = {.node = n, .filter = f, .visit = visit, .arg = arg};
	enum err_code rc = f->by_record ? find_record(&a, err) : ERR_OK;

	return rc ? rc : store_log_each(n->store, see_log, &a, err);
}
