/* access_note.c - what is recorded of tries to see, and how many of them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/access_inside.h"
#include "policies/nodefile.h"

#define TRIES_SLOTS 64

static bool set_record(struct json *fields, const struct access_target *t)
{
	struct json *o = json_new_object();

	if (json_set(o, "id", json_new_text(t->e.id)) &&
		json_set(o, "origin", json_new_text(t->log.origin)) &&
		json_set(o, "seq", json_new_u64(t->seq)) &&
		json_set(o, "series", json_new_text(t->e.series)))
		return json_set(fields, "record", o);
	json_free(o);
	return false;
}

struct json *access_fields(
	const struct who *who, const char *act, const char *result)
{
	struct json *v = json_new_object();

	if (json_set(v, "account", json_new_text(who->account)) &&
		json_set(v, "act", json_new_text(act)) &&
		json_set(v, "result", json_new_text(result)) &&
		json_set(
			v, "role", json_new_text(account_role_name(who->role))))
		return v;
	json_free(v);
	return NULL;
}

struct json *access_reveal_fields(const struct access_ask *ask,
	const struct access_target *t, const char *result)
{
	struct json *v = access_fields(&ask->who, "reveal", result);

	if (v && (!t->found || set_record(v, t)) &&
		(!t->labels || json_set(v, "labels", labels_json(t->labels))) &&
		(!ask->field ||
			json_set(v, "field", json_new_text(ask->field))) &&
		(!ask->reason ||
			json_set(v, "reason", json_new_text(ask->reason))))
		return v;
	json_free(v);
	return NULL;
}

struct noted {
	struct node *node;
	struct json *fields;
	struct receipt receipt;
};

/* May run twice. */
static enum err_code note_job(struct batch *b, void *arg, struct err *err)
{
	struct noted *note = arg;

	return system_record(b, note->node, ACCESS_SERIES,
		json_copy(note->fields), &note->receipt, err);
}

enum err_code access_note(struct node *n, struct writer *w, struct json *fields,
	struct receipt *out, struct err *err)
{
	struct noted note = {.node = n, .fields = fields};
	enum err_code rc;

	if (!fields)
		return err_nomem(err);
	rc = node_run_job(n, w, note_job, &note, err);
	json_free(fields);
	if (rc == ERR_OK && out)
		*out = note.receipt;
	return rc;
}

/* ---- denied tries ---- */

struct
try {
	struct who who;
	int64_t since; /* monotonic seconds */
	unsigned recorded;
	uint64_t counted;
};

struct access_tries {
	pthread_mutex_t lock;
	size_t count;
	struct try slot[TRIES_SLOTS];
};

struct access_tries *access_tries_new(void)
{
	struct access_tries *t = calloc(1, sizeof(*t));

	if (t && pthread_mutex_init(&t->lock, NULL)) {
		free(t);
		return NULL;
	}
	return t;
}

void access_tries_free(struct access_tries *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int64_t seconds(void)
{
	return (int64_t)(time_mono_ms() / 1000);
}

/* One place an account; when there are more than places, the last is for all
 * the others. */
static struct try *try_of(struct access_tries *t, const struct who *who)
{
	size_t i = 0;

	while (i < t->count && strcmp(t->slot[i].who.account, who->account))
		i++;
	if (i == t->count && t->count < TRIES_SLOTS)
		t->count++;
	if (i == TRIES_SLOTS)
		i--;
	if (!t->slot[i].who.account[0])
		t->slot[i] = (struct try){.who = *who, .since = seconds()};
	return &t->slot[i];
}

/* Is this one to be recorded? */
static bool tries_take(struct access_tries *t, const struct who *who)
{
	struct try *one;
	bool record;

	if (!t)
		return true;
	pthread_mutex_lock(&t->lock);
	one = try_of(t, who);
	if (one->counted == 0 && seconds() >= one->since + ACCESS_MINUTE_S) {
		one->since = seconds();
		one->recorded = 0;
	}
	record = one->recorded < ACCESS_DENIED_LIMIT;
	one->recorded += record;
	one->counted += !record;
	pthread_mutex_unlock(&t->lock);
	return record;
}

/* Takes the count of one whose time has come; false: there is none. */
static bool tries_due(struct access_tries *t, bool all, struct try *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; !found && i < t->count; i++) {
		struct try *one = &t->slot[i];

		if (one->counted == 0 ||
			(!all && seconds() < one->since + ACCESS_MINUTE_S))
			continue;
		*out = *one;
		one->counted = 0;
		one->recorded = 0;
		one->since = seconds();
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

bool access_tries_due(struct access_tries *t)
{
	bool due = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		due |= t->slot[i].counted > 0 &&
			seconds() >= t->slot[i].since + ACCESS_MINUTE_S;
	pthread_mutex_unlock(&t->lock);
	return due;
}

static void tries_give_back(struct access_tries *t, const struct try *due)
{
	pthread_mutex_lock(&t->lock);
	try_of(t, &due->who)->counted += due->counted;
	pthread_mutex_unlock(&t->lock);
}

enum err_code access_tries_flush(struct node *n, struct writer *w,
	struct access_tries *t, bool all, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct try due;

	while (rc == ERR_OK && tries_due(t, all, &due)) {
		struct json *v = access_fields(&due.who, "reveal", "denied");

		if (!json_set(v, "count", json_new_u64(due.counted))) {
			json_free(v);
			v = NULL;
		}
		rc = access_note(n, w, v, NULL, err);
		if (rc)
			tries_give_back(t, &due);
	}
	return rc;
}

enum err_code access_denied(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who, struct json *fields,
	struct err *err)
{
	struct err own;
	enum err_code rc = ERR_OK;

	if (tries_take(tries, who)) {
		rc = access_note(n, w, fields, NULL, &own);
	} else {
		json_free(fields);
		if (tries)
			rc = access_tries_flush(n, w, tries, false, &own);
	}
	return rc ? err_set(err, rc, "%s", own.text) : ERR_DENIED;
}
