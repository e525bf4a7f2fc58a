/* epoch.c - a new epoch begun, and the story of how it began. */
#include "policies/epoch.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/logs.h"
#include "policies/nodefile.h"
#include "policies/policy.h"
#include "policies/settle.h"

#define FORKS_FOLDER "forks"

static const char *const reasons[] = {
	[EPOCH_COPIED] = "copied",
	[EPOCH_RESTORED] = "restored",
	[EPOCH_FORKED] = "forked",
	[EPOCH_LOST] = "lost",
	[EPOCH_CUT] = "cut",
	[EPOCH_DAMAGED] = "damaged",
	[EPOCH_ENTERED] = "entered-again",
};

const char *epoch_reason_name(enum epoch_reason r)
{
	return reasons[r];
}

/* ---- records ---- */

static bool set_text(struct json *o, const char *name, const char *s)
{
	return json_set(o, name, json_new_text(s));
}

static struct json *last_json(
	const char *origin, uint64_t size, const struct digest *root)
{
	struct json *o = json_new_object();
	char text[BASE64_SIZE(DIGEST_SIZE)];

	base64_encode(root->b, sizeof(root->b), text);
	if (o && set_text(o, "origin", origin) && set_text(o, "root", text) &&
		json_set(o, "size", json_new_u64(size)))
		return o;
	json_free(o);
	return NULL;
}

/* What a log that was cut had is known of it, too. */
static bool set_had(struct json *o, enum epoch_reason reason, uint64_t had)
{
	return reason != EPOCH_CUT || json_set(o, "had", json_new_u64(had));
}

struct json *epoch_cut_fields(const struct log_cut *cut)
{
	struct digest root = tree_empty();
	struct json *o = epoch_fields(EPOCH_CUT, cut->origin, 0, &root);

	if (o && set_had(o, EPOCH_CUT, cut->had))
		return o;
	json_free(o);
	return NULL;
}

struct json *epoch_fields(enum epoch_reason reason, const char *origin,
	uint64_t size, const struct digest *root)
{
	struct json *o = json_new_object();

	if (o && set_text(o, "reason", reasons[reason]) &&
		json_set(o, "last", last_json(origin, size, root)))
		return o;
	json_free(o);
	return NULL;
}

bool epoch_fields_parse(const struct record *r, enum epoch_reason *reason,
	char origin[ORIGIN_SIZE], uint64_t *size, uint64_t *had)
{
	const struct part *p = &r->part[LABEL_INTERNAL];
	const char *name = NULL, *why;
	struct json *fields = NULL;
	struct entry e;
	bool good = false;

	if (!(r->have & LABEL_BIT(LABEL_INTERNAL)) ||
		entry_parse(r->entry, r->entry_len, &e, NULL) ||
		strcmp(e.series, EPOCH_SERIES) ||
		json_parse(p->json, p->len, PART_SIZE_LIMIT, &fields, NULL))
		return false;
	why = json_get_string(fields, "reason");
	name = json_get_string(json_get(fields, "last"), "origin");
	for (size_t i = 0; why && i < ARRAY_LEN(reasons) && !good; i++) {
		good = !strcmp(why, reasons[i]);
		*reason = (enum epoch_reason)i;
	}
	good = good && name && origin_valid(name, strlen(name)) &&
		json_get_u64(json_get(fields, "last"), "size", size);
	if (good)
		snprintf(origin, ORIGIN_SIZE, "%s", name);
	if (good && had && !json_get_u64(fields, "had", had))
		*had = 0;
	json_free(fields);
	return good;
}

enum err_code policy_text(struct store *s, const struct log_info *log,
	uint64_t end, uint64_t *serial, struct buf *out, struct err *err)
{
	struct run run = {0};
	uint64_t seq = 0;
	enum err_code rc;

	buf_clear(out);
	if ((rc = policy_before(s, log->id, end, serial, &seq, err)) ||
		*serial == 0)
		return rc;
	rc = store_read(
		s, log->id, seq, 1, LABEL_BIT(LABEL_INTERNAL), &run, err);
	if (rc == ERR_OK) {
		buf_add(out, run.record[0].part[LABEL_INTERNAL].json,
			run.record[0].part[LABEL_INTERNAL].len);
		rc = buf_ok(out, err);
	}
	run_free(&run);
	return rc;
}

enum err_code policy_again(struct batch *b, struct node *n,
	const struct buf *text, struct err *err)
{
	struct json *fields = NULL;
	struct receipt r;
	enum err_code rc;

	if (text->len == 0)
		return ERR_OK;
	if ((rc = json_parse((const char *)text->data, text->len,
		     PART_SIZE_LIMIT, &fields, err)))
		return rc;
	return system_record(b, n, "sys-policy", fields, &r, err);
}

/* ---- beginning ---- */

struct beginning {
	struct node *node;
	const char *origin;
	enum epoch_reason reason;
	char next[ORIGIN_SIZE];
	char epoch[HEX_SIZE(8)];
	bool begun;
};

/* The last checkpoint that both sides knew: a copy has all that it copied,
 * else what a node above cosigned. */
static enum err_code last_known(struct beginning *g, const struct log_info *log,
	struct json **out, struct err *err)
{
	uint64_t size =
		g->reason == EPOCH_COPIED ? log->size : log->cosigned_size;
	struct digest root = tree_empty();
	struct log_cut cut = {.had = log->size};
	enum err_code rc = ERR_OK;

	if (size > 0)
		rc = log_root_at(g->node->store, log, size, &root, err);
	if (rc)
		return rc;
	(void)store_log_cut(g->node->store, &cut);
	*out = epoch_fields(g->reason, log->origin, size, &root);
	return *out && set_had(*out, g->reason, cut.had) ? ERR_OK
							 : err_nomem(err);
}

/* Nobody signs for the old log any more.  One that others went on with, or that
 * we did where they had not been, is left as it is. */
static enum err_code last_note(
	struct beginning *g, struct batch *b, uint32_t log, struct err *err)
{
	struct buf note = BUF_EMPTY;
	enum err_code rc;

	if (g->reason != EPOCH_COPIED && g->reason != EPOCH_CUT &&
		g->reason != EPOCH_DAMAGED)
		return ERR_OK;
	rc = store_note(g->node->store, log, NOTE_COMPLETE, &note, err);
	if (!rc)
		rc = batch_note(b, log, note.data, note.len, false, err);
	buf_free(&note);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* May run twice. */
static enum err_code begin_job(struct batch *b, void *arg, struct err *err)
{
	struct beginning *g = arg;
	struct buf policy = BUF_EMPTY;
	struct json *fields = NULL;
	struct log_info own, next;
	struct receipt r;
	uint64_t serial = 0;
	enum err_code rc;

	g->begun = false;
	if ((rc = batch_log_own(b, &own, err)) || strcmp(own.origin, g->origin))
		return rc;
	/* What is committed of it: its records can be read. */
	if ((rc = store_log_by_id(g->node->store, own.id, &own, err)) ||
		(rc = policy_text(g->node->store, &own, own.size, &serial,
			 &policy, err)) ||
		(rc = last_known(g, &own, &fields, err)) ||
		(rc = last_note(g, b, own.id, err)) ||
		(rc = batch_log(b, g->next, LOG_OWN, &next, err)) ||
		(rc = policy_again(b, g->node, &policy, err)))
		goto out;
	rc = system_record(b, g->node, EPOCH_SERIES, fields, &r, err);
	fields = NULL;
	g->begun = rc == ERR_OK;
out:
	json_free(fields);
	buf_free(&policy);
	return rc;
}

enum err_code epoch_begin(struct node *n, struct writer *w, const char *origin,
	enum epoch_reason reason, bool *begun, struct err *err)
{
	struct beginning g = {.node = n, .origin = origin, .reason = reason};
	uint8_t random[8];
	enum err_code rc;

	if ((rc = random_bytes(random, sizeof(random), err)))
		return rc;
	hex_encode(random, sizeof(random), g.epoch);
	snprintf(g.next, sizeof(g.next), "%s/%s/%s", n->config.domain,
		n->config.code, g.epoch);
	if ((rc = node_run_job(n, w, begin_job, &g, err)))
		return err_while(err, rc, "begin a new epoch");
	*begun = g.begun;
	if (!g.begun)
		return ERR_OK;
	crash_point("epoch.begun");
	return node_set_epoch(n, g.epoch, err);
}

/* ---- telling ---- */

static enum err_code read_first(
	struct node *n, struct epoch_story *out, struct err *err)
{
	struct run run = {0};
	struct log_info own;
	size_t skipped;
	enum err_code rc;

	if ((rc = store_log_own(n->store, &own, err)) ||
		(rc = store_read_past(n->store, own.id, 0, 2,
			 LABEL_BIT(LABEL_INTERNAL), &run, &skipped, err)))
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	for (size_t i = 0; i < run.count && !out->any; i++) {
		const struct record *r = &run.record[i];
		struct entry e;

		out->any = epoch_fields_parse(
			r, &out->reason, out->origin, &out->last, &out->had);
		if (out->any &&
			entry_parse(r->entry, r->entry_len, &e, NULL) == ERR_OK)
			memcpy(out->since, e.at, sizeof(out->since));
	}
	run_free(&run);
	return ERR_OK;
}

/* The log of a disk that is lost. */
static enum err_code find_lost(
	struct node *n, struct epoch_story *out, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct log_info log;
	struct settled s;

	for (size_t i = 0; !out->any && epoch_settled_at(n, i, &s); i++) {
		rc = store_log_find(n->store, s.origin, &log, err);
		if (rc == ERR_OK)
			continue;
		if (rc != ERR_NOT_FOUND)
			return rc;
		out->any = true;
		out->reason = EPOCH_LOST;
		out->last = s.size;
		memcpy(out->origin, s.origin, sizeof(out->origin));
	}
	return ERR_OK;
}

enum err_code epoch_tell(
	struct node *n, struct epoch_story *out, struct err *err)
{
	struct epoch_story story = {.any = false};
	struct settled s;
	struct log_info log;
	enum err_code rc;

	if ((rc = read_first(n, &story, err)) ||
		(!story.any && (rc = find_lost(n, &story, err))))
		return rc;
	rc = store_log_find(n->store, story.origin, &log, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	story.gone = story.any && rc == ERR_NOT_FOUND;
	if (story.any && epoch_settled(n, story.origin, &s)) {
		story.settled = true;
		story.common = s.common;
		story.entered = s.entered;
	}
	/* Nothing of it was left, and now a node above told what it has. */
	if (story.gone && story.settled && story.reason == EPOCH_CUT) {
		story.reason = EPOCH_LOST;
		story.last = s.size;
	}
	*out = story;
	return ERR_OK;
}

/* ---- forks of others ---- */

void fork_file(const char *origin, const char *date, struct fork *out)
{
	struct fork f = {.date = ""};

	snprintf(f.origin, sizeof(f.origin), "%s", origin);
	snprintf(f.date, sizeof(f.date), "%.10s", date);
	snprintf(f.file, sizeof(f.file), FORKS_FOLDER "/%s.%s.txt", f.origin,
		f.date);
	for (char *p = f.file + sizeof(FORKS_FOLDER); *p; p++) {
		if (*p == '/')
			*p = '-';
	}
	*out = f;
}

/* "domain-code-epoch.YYYY-MM-DD.txt": both dashes are known by their place. */
static bool fork_parse(const char *name, struct fork *out)
{
	char origin[ORIGIN_SIZE], date[11];
	size_t len = strlen(name), tail = strlen(".YYYY-MM-DD.txt");
	size_t epoch = 1 + 16, code = 1 + CODE_LEN;

	if (len <= tail + epoch + code || len - tail >= sizeof(origin) ||
		strcmp(name + len - 4, ".txt") || name[len - tail] != '.' ||
		!date_valid(name + len - tail + 1, 10))
		return false;
	memcpy(origin, name, len - tail);
	origin[len - tail] = '\0';
	origin[len - tail - epoch] = origin[len - tail - epoch - code] = '/';
	memcpy(date, name + len - tail + 1, 10);
	date[10] = '\0';
	if (!origin_valid(origin, len - tail))
		return false;
	fork_file(origin, date, out);
	return !strcmp(out->file + sizeof(FORKS_FOLDER), name);
}

/* Newest first, then by name. */
static int compare_forks(const void *a, const void *b)
{
	const struct fork *x = a, *y = b;
	int c = strcmp(y->date, x->date);

	return c ? c : strcmp(x->file, y->file);
}

/* The last one makes room for a newer one. */
static void keep_fork(struct fork *list, size_t *kept, const struct fork *f)
{
	if (*kept < FORKS_LIMIT)
		list[(*kept)++] = *f;
	else if (compare_forks(f, &list[FORKS_LIMIT - 1]) < 0)
		list[FORKS_LIMIT - 1] = *f;
	else
		return;
	qsort(list, *kept, sizeof(*list), compare_forks);
}

enum err_code forks_list(const char *data, struct fork out[FORKS_LIMIT],
	size_t *count, struct err *err)
{
	char *path = file_join(data, FORKS_FOLDER);
	enum err_code rc = ERR_OK;
	struct dirent *entry;
	struct fork f;
	size_t kept = 0;
	DIR *dir;

	if (!path)
		return err_nomem(err);
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		rc = err_sys(err, "open %s", path);
	while (dir && (entry = readdir(dir))) {
		if (fork_parse(entry->d_name, &f))
			keep_fork(out, &kept, &f);
	}
	if (dir)
		closedir(dir);
	free(path);
	if (rc == ERR_OK)
		*count = kept;
	return rc;
}

/* ---- both, for status ---- */

static bool set_number(struct json *o, const char *name, uint64_t v)
{
	return json_set(o, name, json_new_u64(v));
}

static struct json *story_json(const struct epoch_story *t)
{
	struct json *o = json_new_object();

	if (o && set_text(o, "reason", reasons[t->reason]) &&
		set_text(o, "since", t->since) &&
		set_text(o, "origin", t->origin) &&
		set_number(o, "last", t->last) &&
		set_number(o, "had", t->had) &&
		json_set(o, "gone", json_new_bool(t->gone)) &&
		json_set(o, "settled", json_new_bool(t->settled)) &&
		set_number(o, "common", t->common) &&
		set_number(o, "entered", t->entered))
		return o;
	json_free(o);
	return NULL;
}

/* The newest other log of the code of `fork`. */
struct newer {
	const struct fork *fork;
	char origin[ORIGIN_SIZE];
};

static enum err_code see_newer(
	void *arg, const struct log_info *log, struct err *err)
{
	struct newer *n = arg;
	size_t len = strlen(n->fork->origin) - 16;

	(void)err;
	if (!strncmp(log->origin, n->fork->origin, len) &&
		strcmp(log->origin, n->fork->origin))
		memcpy(n->origin, log->origin, sizeof(n->origin));
	return ERR_OK;
}

static enum err_code add_fork(struct node *n, struct json *list,
	const struct fork *f, struct err *err)
{
	struct newer newer = {.fork = f};
	struct json *o;
	enum err_code rc;

	if ((rc = store_log_each(n->store, see_newer, &newer, err)))
		return rc;
	o = json_new_object();
	if (o && set_text(o, "origin", f->origin) &&
		set_text(o, "date", f->date) && set_text(o, "file", f->file) &&
		set_text(o, "now", newer.origin))
		return json_append(list, o) ? ERR_OK : err_nomem(err);
	json_free(o);
	return err_nomem(err);
}

static enum err_code set_forks(
	struct node *n, struct json *status, struct err *err)
{
	struct fork *forks = calloc(FORKS_LIMIT, sizeof(*forks));
	struct json *list = json_new_array();
	enum err_code rc = forks && list ? ERR_OK : err_nomem(err);
	size_t count = 0;

	if (rc == ERR_OK)
		rc = forks_list(n->data, forks, &count, err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = add_fork(n, list, &forks[i], err);
	free(forks);
	if (rc) {
		json_free(list);
		return rc;
	}
	return json_set(status, "forks", list) ? ERR_OK : err_nomem(err);
}

enum err_code epoch_status(struct node *n, struct json *status, struct err *err)
{
	struct epoch_story story;
	enum err_code rc;

	if ((rc = epoch_tell(n, &story, err)))
		return rc;
	if (story.any && !json_set(status, "epoch", story_json(&story)))
		return err_nomem(err);
	return set_forks(n, status, err);
}
