/* repair_report.c - the end of a repair, as the command is told. */
#include "syncd/repair_report.h"

#include <string.h>

#include "syncd/replica.h"

#define LOST_TOLD 10000
#define FAULTS_TOLD 100

struct lost {
	struct json *list;
	uint64_t count;
};

static enum err_code on_lost(
	void *arg, const struct repair_lost *lost, struct err *err)
{
	struct lost *l = arg;
	struct json *o;

	if (l->count++ >= LOST_TOLD)
		return ERR_OK;
	o = json_new_object();
	if (!o || !json_set(o, "entry", json_new_bool(lost->entry)) ||
		!json_set(o, "labels", labels_json(lost->labels)) ||
		!json_set(o, "origin", json_new_text(lost->origin)) ||
		!json_set(o, "seq", json_new_u64(lost->seq)) ||
		!json_set(o, "series", json_new_text(lost->series))) {
		json_free(o);
		return err_nomem(err);
	}
	return json_append(l->list, o) ? ERR_OK : err_nomem(err);
}

struct wanted {
	struct store *store;
	struct json *list;
};

/* An attachment that did not come yet, or that nobody holds. */
static enum err_code on_wanted(
	void *arg, const struct attachment_ref *ref, struct err *err)
{
	struct wanted *w = arg;
	char name[DIGEST_HEX_SIZE];
	struct log_info log;
	struct json *o;
	enum err_code rc;

	if (json_count(w->list) >= LOST_TOLD)
		return ERR_OK;
	if ((rc = store_log_by_id(w->store, ref->log, &log, err)))
		return rc;
	digest_hex(&ref->object, name);
	o = json_new_object();
	if (!o ||
		!json_set(o, "label", json_new_text(label_name(ref->label))) ||
		!json_set(o, "object", json_new_text(name)) ||
		!json_set(o, "origin", json_new_text(log.origin)) ||
		!json_set(o, "seq", json_new_u64(ref->seq))) {
		json_free(o);
		return err_nomem(err);
	}
	return json_append(w->list, o) ? ERR_OK : err_nomem(err);
}

/* ---- faults that no record's damage explains ---- */

struct faults {
	struct json *list;
	uint64_t count;
	bool starved;
};

static void on_fault(void *arg, const char *where, const char *what)
{
	struct faults *f = arg;
	struct json *pair;

	if (f->count++ >= FAULTS_TOLD)
		return;
	pair = json_new_array();
	if (!json_append(pair, json_new_text(where)) ||
		!json_append(pair, json_new_text(what))) {
		json_free(pair);
		f->starved = true;
	} else if (!json_append(f->list, pair)) {
		f->starved = true;
	}
}

/* ---- a log that lost its end ---- */

/* `held`: of it, at a node above, as far as that is known. */
static enum err_code add_cut(struct node *n, struct json *o, struct err *err)
{
	struct json *cut = NULL;
	struct epoch_story story;
	enum err_code rc = epoch_tell(n, &story, err);

	if (rc || !story.any || !story.had)
		return rc;
	cut = json_new_object();
	if (json_set(cut, "gone", json_new_bool(story.gone)) &&
		json_set(cut, "had", json_new_u64(story.had)) &&
		json_set(cut, "held", json_new_u64(story.last)) &&
		json_set(cut, "origin", json_new_text(story.origin)))
		return json_set(o, "cut", cut) ? ERR_OK : err_nomem(err);
	json_free(cut);
	return err_nomem(err);
}

/* ---- all of it ---- */

static bool set_counts(struct json *o, const struct repair_count *counts,
	const struct renewed *renewed)
{
	return json_set(o, "attachments", json_new_u64(counts->attachments)) &&
		json_set(o, "entered", json_new_u64(renewed->entered)) &&
		json_set(o, "mended", json_new_u64(counts->mended)) &&
		json_set(o, "renewed", json_new_u64(renewed->logs));
}

enum err_code repair_report(struct node *n, struct writer *w, struct json **out,
	bool *again, struct err *err)
{
	struct faults faults = {.list = json_new_array()};
	struct lost lost = {.list = json_new_array()};
	struct wanted wanted = {n->store, json_new_array()};
	struct json *o = json_new_object();
	struct repair_count counts;
	struct renewed renewed;
	enum err_code rc;

	if (!faults.list || !lost.list || !wanted.list || !o) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = replica_renew(n, w, &renewed, err)) ||
		(rc = repair_end(n, w, on_fault, &faults, err)) ||
		(rc = repair_list(n, on_lost, &lost, err)) ||
		(rc = store_wanted_each(n->store, on_wanted, &wanted, err)))
		goto out;
	repair_tell(n, &counts);
	if (faults.starved || !set_counts(o, &counts, &renewed) ||
		!json_set(o, "count", json_new_u64(lost.count)) ||
		!json_set(o, "faults", json_copy(faults.list)) ||
		!json_set(o, "lost", json_copy(lost.list)) ||
		!json_set(o, "wanted", json_copy(wanted.list))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = add_cut(n, o, err)))
		goto out;
	*again = counts.mended || renewed.logs;
	*out = o;
	o = NULL;
out:
	json_free(faults.list);
	json_free(lost.list);
	json_free(wanted.list);
	json_free(o);
	return rc;
}
