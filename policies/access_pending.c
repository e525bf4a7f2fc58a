/* access_pending.c - requests about minors that wait here, and approvals that
 * are not used yet. */
#include <stdlib.h>
#include <string.h>

#include "policies/access_inside.h"

#define CLOCK_SPAN_S (2 * ACCESS_VALID_S)

/* One request, by its newest revision. */
struct pending_row {
	char id[UUID_TEXT_SIZE], at[TIME_TEXT_SIZE];
	uint64_t rev;
	struct json *fields;
};
struct pending {
	struct node *node;
	struct pending_row *row;
	size_t count, cap;
};

static void pending_free(struct pending *p)
{
	for (size_t i = 0; i < p->count; i++)
		json_free(p->row[i].fields);
	free(p->row);
}

/* Takes `fields`. */
static enum err_code add(struct pending *p, const struct entry *e,
	struct json *fields, struct err *err)
{
	struct pending_row *r = NULL;

	for (size_t i = 0; i < p->count && !r; i++)
		if (!strcmp(p->row[i].id, e->id))
			r = &p->row[i];
	if (r && r->rev >= e->rev) {
		json_free(fields);
		return ERR_OK;
	}
	if (!r) {
		if (!grow(&p->row, &p->cap, p->count, sizeof(*p->row))) {
			json_free(fields);
			return err_nomem(err);
		}
		r = &p->row[p->count++];
		*r = (struct pending_row){.rev = 0};
	}
	json_free(r->fields);
	r->fields = fields;
	r->rev = e->rev;
	memcpy(r->id, e->id, sizeof(r->id));
	memcpy(r->at, e->at, sizeof(r->at));
	return ERR_OK;
}

static enum err_code see(struct pending *p, uint32_t log, uint64_t seq,
	const struct entry *e, struct err *err)
{
	struct json *fields = NULL;
	struct run run = {0};
	const struct part *part;
	enum err_code rc = store_read(p->node->store, log, seq, 1,
		LABEL_BIT(LABEL_INTERNAL), &run, err);

	part = rc ? NULL : &run.record[0].part[LABEL_INTERNAL];
	if (part && (run.record[0].have & LABEL_BIT(LABEL_INTERNAL)) &&
		!(rc = json_parse(part->json, part->len, PART_SIZE_LIMIT,
			  &fields, err)))
		rc = add(p, e, fields, err);
	run_free(&run);
	return rc;
}

/* Was it written so long ago that nothing before it can count any more? */
static bool is_over(const struct entry *e)
{
	int64_t at;

	return time_parse(e->at, strlen(e->at), &at) &&
		at < time_now() - CLOCK_SPAN_S;
}

/* From the end of the log backwards, to what is days old. */
static enum err_code see_log(
	void *arg, const struct log_info *log, struct err *err)
{
	struct pending *p = arg;
	uint64_t end = log->kind == LOG_OWN ? log->size : 0;
	bool over = false;
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && end > 0 && !over) {
		uint64_t from = end > RUN_LIMIT ? end - RUN_LIMIT : 0, at;
		struct run run = {0};
		size_t skipped = 0;

		rc = store_read_past(p->node->store, log->id, from,
			(size_t)(end - from), 0, &run, &skipped, err);
		at = from + skipped;
		for (size_t i = 0; rc == ERR_OK && i < run.count; i++, at++) {
			struct entry e;

			rc = entry_parse(run.record[i].entry,
				run.record[i].entry_len, &e, err);
			over = over || (rc == ERR_OK && is_over(&e));
			if (rc == ERR_OK && !strcmp(e.series, ACCESS_SERIES))
				rc = see(p, log->id, at, &e, err);
		}
		run_free(&run);
		end = from;
	}
	return rc;
}

static bool copy(const struct json *from, const char *name, struct json *to,
	const char *as)
{
	const struct json *v = json_get(from, name);

	return !v || json_set(to, as, json_copy(v));
}

static struct json *row_json(const struct pending_row *r, bool approved)
{
	struct json *v = json_new_object();

	if (json_set(v, "request", json_new_text(r->id)) &&
		json_set(v, "at", json_new_text(r->at)) &&
		json_set(v, "state",
			json_new_text(approved ? "approved" : "waiting")) &&
		copy(r->fields, approved ? "for" : "account", v, "account") &&
		(!approved || copy(r->fields, "account", v, "approved_by")) &&
		copy(r->fields, "field", v, "field") &&
		copy(r->fields, "labels", v, "labels") &&
		copy(r->fields, "reason", v, "reason") &&
		copy(r->fields, "record", v, "record") &&
		copy(r->fields, "until", v, "until"))
		return v;
	json_free(v);
	return NULL;
}

/* Whoever may approve or audit sees all, others what they asked for. */
static bool may_see(const struct who *who, const struct json *row)
{
	uint8_t powers = account_powers(who->role);
	const char *account = json_get_string(row, "account");

	return (powers & (POWER_APPROVE | POWER_AUDIT)) ||
		(account && !strcmp(account, who->account));
}

static enum err_code tell(const struct pending *p, const struct who *who,
	struct json *rows, struct err *err)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct pending_row *r = &p->row[i];
		bool approved = access_counts(r->fields, r->at, "approved");
		struct json *v;

		if (!approved && !access_counts(r->fields, r->at, "waiting"))
			continue;
		if (!(v = row_json(r, approved)))
			return err_nomem(err);
		if (!may_see(who, v))
			json_free(v);
		else if (!json_append(rows, v))
			return err_nomem(err);
	}
	return ERR_OK;
}

enum err_code access_pending(struct node *n, const struct who *who,
	struct json **out, struct err *err)
{
	struct pending p = {.node = n};
	struct json *rows, *v;
	enum err_code rc;

	if (!(account_powers(who->role) & POWER_AUDIT) &&
		!(account_powers(who->role) & POWER_APPROVE) &&
		(rc = who_may(who, POWER_REVEAL, err)))
		return rc;
	v = json_new_object();
	rows = json_new_array();
	if (!(rc = store_log_each(n->store, see_log, &p, err)))
		rc = tell(&p, who, rows, err);
	pending_free(&p);
	if (rc || !json_set(v, "requests", rows)) {
		if (rc)
			json_free(rows);
		json_free(v);
		return rc ? rc : err_nomem(err);
	}
	*out = v;
	return ERR_OK;
}
