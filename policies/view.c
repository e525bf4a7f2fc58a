/* view.c - a record as a document again, as much of it as is here. */
#include "policies/capture.h"

#include <string.h>

#include "policies/attached.h"
#include "policies/merge.h"
#include "policies/orders.h"
#include "policies/shape.h"

static bool set_erasure(struct json *v, const struct erasure *why)
{
	char at[TIME_TEXT_SIZE];

	if (why->at) {
		time_format((int64_t)why->at, at);
		if (!json_set(v, "at", json_new_text(at)))
			return false;
	}
	return !*why->why || json_set(v, "why", json_new_text(why->why));
}

struct json *view_destroyed(const struct record *r)
{
	struct json *v = json_new_object();

	for (unsigned i = 0; v && i < LABEL_COUNT; i++) {
		struct json *one;

		if (!(r->erased & LABEL_BIT(i)))
			continue;
		one = json_new_object();
		if (!one || (r->erasure && !set_erasure(one, &r->erasure[i]))) {
			json_free(one);
			json_free(v);
			return NULL;
		}
		if (!json_set(v, label_name((enum label)i), one)) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

/* How many attachments a part lists, without showing them. */
static size_t count_hidden(const struct record *r)
{
	size_t count = 0;

	for (unsigned i = LABEL_PERSONAL; i < LABEL_COUNT; i++) {
		if (r->have & LABEL_BIT(i))
			count += attached_count(&r->part[i]);
	}
	return count;
}

static bool move_attachments(struct json *fields, struct json *doc)
{
	const struct json *v = json_get(fields, SHAPE_ATTACHMENTS);

	if (!v)
		return true;
	if (!json_set(doc, SHAPE_ATTACHMENTS, json_copy(v)))
		return false;
	json_remove(fields, SHAPE_ATTACHMENTS);
	return true;
}

/* What of the series is not here and not destroyed.  Of an unknown series only
 * the number of parts is known. */
static uint8_t withheld(const struct series *s, const struct record *r)
{
	uint8_t labels = s ? s->labels : r->have;

	return (uint8_t)(labels & ~r->have & ~r->erased);
}

uint8_t view_lost(const struct rules *rules, const struct log_info *log,
	const struct record *r)
{
	const struct series *s;
	struct entry e;

	if (log->kind != LOG_OWN ||
		entry_parse(r->entry, r->entry_len, &e, NULL) ||
		!(s = rules_series(rules, e.series)) ||
		(size_t)__builtin_popcount(s->labels) != e.sd_count)
		return 0; /* other rules may have held then */
	return withheld(s, r);
}

/* What is here and not shown raw. */
static uint8_t masked(const struct record *r, enum view view)
{
	return view == VIEW_MASKED ? (uint8_t)(r->have & LABELS_MASKED) : 0;
}

static bool add_head(struct json *doc, const struct entry *e)
{
	return json_set(doc, "series", json_new_text(e->series)) &&
		json_set(doc, "id", json_new_text(e->id)) &&
		json_set(doc, "node", json_new_text(e->node)) &&
		json_set(doc, "created_at", json_new_text(e->at)) &&
		json_set(doc, "rev", json_new_u64(e->rev));
}

enum err_code view_document(const struct rules *rules, const char *origin,
	uint64_t seq, const struct record *r, enum view view, struct json **out,
	struct err *err)
{
	const struct series *s;
	struct json *fields = NULL, *doc = NULL;
	struct entry e;
	enum merge_mode mode = view == VIEW_RAW ? MERGE_ALL : MERGE_MASKED;
	size_t hidden = view == VIEW_RAW ? 0 : count_hidden(r);
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	s = rules_series(rules, e.series);
	if ((rc = merge_parts(s, r, mode, &fields, err)))
		return rc;
	doc = json_new_object();
	if (!doc || !add_head(doc, &e) ||
		(!(s && s->system) && !move_attachments(fields, doc)) ||
		(hidden > 0 &&
			!json_set(doc, "attachment_count",
				json_new_u64(hidden))) ||
		!json_set(doc, "origin", json_new_text(origin)) ||
		!json_set(doc, "seq", json_new_u64(seq)) ||
		(view == VIEW_MASKED &&
			!json_set(
				doc, "masked", labels_json(masked(r, view)))) ||
		!json_set(doc, "withheld", labels_json(withheld(s, r))) ||
		!json_set(doc, "erased", view_destroyed(r))) {
		rc = err_nomem(err);
		goto out;
	}
	if (!json_set(doc, "fields", fields))
		rc = err_nomem(err);
	fields = NULL;
	if (rc == ERR_OK) {
		*out = doc;
		doc = NULL;
	}
out:
	json_free(fields);
	json_free(doc);
	return rc;
}

enum err_code view_restricted(const char *origin, uint64_t seq,
	const struct record *r, const struct restriction *by, struct json **out,
	struct err *err)
{
	struct json *doc = json_new_object(), *v = json_new_object();
	struct entry e;
	enum err_code rc = entry_parse(r->entry, r->entry_len, &e, err);

	if (rc == ERR_OK &&
		(!json_set(v, "order", json_new_text(by->order)) ||
			!json_set(v, "since", json_new_text(by->since)) ||
			!add_head(doc, &e) ||
			!json_set(doc, "origin", json_new_text(origin)) ||
			!json_set(doc, "seq", json_new_u64(seq)) ||
			!json_set(doc, "erased", view_destroyed(r))))
		rc = err_nomem(err);
	if (rc) {
		json_free(v);
		json_free(doc);
		return rc;
	}
	if (!json_set(doc, "restricted", v)) {
		json_free(doc);
		return err_nomem(err);
	}
	*out = doc;
	return ERR_OK;
}

enum err_code view_revealed(const struct rules *rules, const char *origin,
	uint64_t seq, const struct record *r, uint8_t labels, struct json **out,
	struct err *err)
{
	uint8_t hidden = r->have & LABELS_MASKED & (uint8_t)~labels;
	struct record some = *r;
	struct json *doc = NULL;
	struct entry e;
	enum err_code rc;

	if ((rc = entry_parse(r->entry, r->entry_len, &e, err)))
		return rc;
	some.have = r->have & (uint8_t)~hidden;
	if ((rc = view_document(
		     rules, origin, seq, &some, VIEW_RAW, &doc, err)))
		return rc;
	/* What is here and was not asked for is not withheld. */
	if (!json_set(doc, "masked", labels_json(hidden)) ||
		!json_set(doc, "withheld",
			labels_json(
				withheld(rules_series(rules, e.series), r)))) {
		json_free(doc);
		return err_nomem(err);
	}
	*out = doc;
	return ERR_OK;
}
