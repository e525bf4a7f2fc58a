/* order.c - the text of an order of officers: read, written, asked. */
#include "policies/order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/access.h"
#include "policies/logs.h"
#include "policies/roster.h"

static const struct kind_words {
	const char *name, *series;
} kinds[ORDER_KINDS] = {
	[ORDER_HOLD] = {"hold", "sys-hold"},
	[ORDER_RELEASE] = {"release", "sys-hold"},
	[ORDER_ERASE] = {"erase", "sys-erasure"},
	[ORDER_CANCEL] = {"cancel", "sys-erasure"},
	[ORDER_RESTRICT] = {"restrict", "sys-restrict"},
	[ORDER_LIFT] = {"lift", "sys-restrict"},
};

const char *order_kind_name(enum order_kind kind)
{
	return kinds[kind].name;
}

const char *order_series(enum order_kind kind)
{
	return kinds[kind].series;
}

bool order_is_series(const char *series)
{
	for (size_t i = 0; i < ORDER_KINDS; i++)
		if (!strcmp(kinds[i].series, series))
			return true;
	return false;
}

void order_free(struct order *o)
{
	for (size_t i = 0; i < o->part_count; i++)
		free(o->part[i].range);
	free(o->part);
	free(o->record);
	*o = (struct order){.part = NULL};
}

/* ---- making ---- */

enum err_code order_reason_check(const char *reason, struct err *err)
{
	if (!title_valid(reason, ORDER_REASON_LIMIT + 1))
		return err_set(err, ERR_USAGE,
			"the reason of an order is one line of 1 to %d bytes",
			ORDER_REASON_LIMIT);
	return access_reason_check(reason, err);
}

enum err_code order_new(enum order_kind kind, const struct rules *rules,
	const char *node, const char *reason, struct order *out,
	struct err *err)
{
	struct order o = {.kind = kind,
		.made_at = time_now(),
		.rules = rules_serial(rules)};
	uint8_t uuid[UUID_SIZE];
	enum err_code rc;

	if ((rc = order_reason_check(reason, err)) ||
		(rc = uuid_v7(time_now_ms(), uuid, err)))
		return rc;
	uuid_format(uuid, o.id);
	/* A clock that is behind does not make it void. */
	if (o.made_at < rules_at(rules))
		o.made_at = rules_at(rules);
	snprintf(o.domain, sizeof(o.domain), "%s", rules_domain(rules));
	snprintf(o.node, sizeof(o.node), "%s", node);
	snprintf(o.reason, sizeof(o.reason), "%s", reason);
	*out = o;
	return ERR_OK;
}

static enum err_code too_many(const char *what, size_t limit, struct err *err)
{
	return err_set(err, ERR_LIMIT,
		"order: %s: more than %zu: make several orders", what, limit);
}

static size_t ranges_of(const struct order *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->part_count; i++)
		n += o->part[i].count;
	return n;
}

/* Memory grows in powers of two: it is full where the count is one. */
static bool is_full(size_t count)
{
	return (count & (count - 1)) == 0;
}

static void *grown(void *list, size_t count, size_t size)
{
	return is_full(count) ? reallocarray(list, count ? 2 * count : 1, size)
			      : list;
}

static struct order_part *last_part(
	struct order *o, const char *origin, enum label label, struct err *err)
{
	struct order_part *p =
		o->part_count ? &o->part[o->part_count - 1] : NULL;

	if (p && p->label == label && !strcmp(p->origin, origin))
		return p;
	if (o->part_count == ORDER_PARTS_LIMIT) {
		(void)too_many("parts", ORDER_PARTS_LIMIT, err);
		return NULL;
	}
	p = grown(o->part, o->part_count, sizeof(*p));
	if (!p) {
		(void)err_nomem(err);
		return NULL;
	}
	o->part = p;
	p = &o->part[o->part_count++];
	*p = (struct order_part){.label = label};
	snprintf(p->origin, sizeof(p->origin), "%s", origin);
	return p;
}

enum err_code order_add_part(struct order *o, const char *origin,
	enum label label, uint64_t from, uint64_t to, struct err *err)
{
	struct err own;
	struct order_part *p;
	struct order_range *r;

	err = err ? err : &own;
	if (!(p = last_part(o, origin, label, err)))
		return err->code;
	if (p->count && p->range[p->count - 1].to == from) {
		p->range[p->count - 1].to = to;
		return ERR_OK;
	}
	if (p->count == ORDER_RANGES_LIMIT ||
		(is_full(p->count) && ranges_of(o) >= ORDER_RANGES_LIMIT))
		return too_many("ranges", ORDER_RANGES_LIMIT, err);
	if (!(r = grown(p->range, p->count, sizeof(*r))))
		return err_nomem(err);
	p->range = r;
	p->range[p->count++] = (struct order_range){from, to};
	return ERR_OK;
}

static int compare_record(const void *a, const void *b)
{
	const struct order_record *x = a, *y = b;
	int c = strcmp(x->origin, y->origin);

	return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

enum err_code order_add_record(
	struct order *o, const char *origin, uint64_t seq, struct err *err)
{
	struct order_record add = {.seq = seq}, *r;
	size_t at = o->record_count;

	snprintf(add.origin, sizeof(add.origin), "%s", origin);
	while (at > 0 && compare_record(&add, &o->record[at - 1]) < 0)
		at--;
	if (at > 0 && !compare_record(&add, &o->record[at - 1]))
		return ERR_OK;
	if (o->record_count == ORDER_RECORDS_LIMIT)
		return too_many("records", ORDER_RECORDS_LIMIT, err);
	if (!(r = grown(o->record, o->record_count, sizeof(*r))))
		return err_nomem(err);
	o->record = r;
	memmove(&r[at + 1], &r[at], (o->record_count - at) * sizeof(*r));
	r[at] = add;
	o->record_count++;
	return ERR_OK;
}

/* ---- reading ---- */

struct reading {
	const struct json *v;
	struct order *o;
	struct err *err;
};

static enum err_code bad(const struct reading *r, const char *member)
{
	return err_set(r->err, ERR_INVALID, "order: %s is missing or malformed",
		member);
}

static bool read_text(
	const struct json *v, const char *member, char *out, size_t size)
{
	size_t len = 0;
	const char *s = json_string(json_get(v, member), &len);

	if (!s || len == 0 || len >= size || strlen(s) != len)
		return false;
	memcpy(out, s, len + 1);
	return true;
}

/* Time as it is written here, and no other spelling of it. */
static bool read_time(const struct json *v, const char *member, int64_t *out)
{
	char text[TIME_TEXT_SIZE], shown[TIME_TEXT_SIZE];

	if (!read_text(v, member, text, sizeof(text)) ||
		!time_parse(text, strlen(text), out))
		return false;
	time_format(*out, shown);
	return !strcmp(shown, text);
}

static bool read_digest(
	const struct json *v, const char *member, struct digest *out)
{
	const char *s = json_get_string(v, member);

	return s && digest_from_base64url(s, strlen(s), out);
}

static bool read_id(const struct json *v, const char *member, char *out)
{
	uint8_t uuid[UUID_SIZE];

	return read_text(v, member, out, UUID_TEXT_SIZE) &&
		uuid_parse(out, strlen(out), uuid) && out[14] == '7';
}

static bool read_kind(const struct json *v, enum order_kind *out)
{
	const char *s = json_get_string(v, "kind");

	for (unsigned i = 0; s && i < ORDER_KINDS; i++)
		if (!strcmp(kinds[i].name, s)) {
			*out = (enum order_kind)i;
			return true;
		}
	return false;
}

static enum err_code read_common(struct reading *r)
{
	struct order *o = r->o;

	if (!read_kind(r->v, &o->kind))
		return bad(r, "kind");
	if (!read_text(r->v, "domain", o->domain, sizeof(o->domain)) ||
		!domain_valid(o->domain))
		return bad(r, "domain");
	if (!read_id(r->v, "order", o->id))
		return bad(r, "order");
	if (!read_text(r->v, "node", o->node, sizeof(o->node)) ||
		!code_valid(o->node, strlen(o->node)))
		return bad(r, "node");
	if (!read_text(r->v, "reason", o->reason, sizeof(o->reason)) ||
		!title_valid(o->reason, sizeof(o->reason)))
		return bad(r, "reason");
	if (!read_time(r->v, "made_at", &o->made_at))
		return bad(r, "made_at");
	if (!json_get_u64(r->v, "rules", &o->rules) || o->rules == 0)
		return bad(r, "rules");
	return ERR_OK;
}

/* A log of the order's own domain. */
static bool read_origin(
	const struct order *o, const struct json *v, const char **out)
{
	size_t len = 0, domain = strlen(o->domain);
	const char *s = json_string(v, &len);

	if (!s || strlen(s) != len || !origin_valid(s, len) ||
		strncmp(s, o->domain, domain) || s[domain] != '/')
		return false;
	*out = s;
	return true;
}

static enum err_code read_records(
	struct reading *r, const struct json *list, const char *member)
{
	size_t count = json_count(list);
	enum err_code rc = ERR_OK;

	if (json_kind(list) != JSON_KIND_ARRAY || count == 0)
		return bad(r, member);
	if (count > ORDER_RECORDS_LIMIT)
		return too_many(member, ORDER_RECORDS_LIMIT, r->err);
	for (size_t i = 0; !rc && i < count; i++) {
		const struct json *v = json_at(list, i);
		const char *origin = NULL;
		uint64_t seq;

		if (json_count(v) != 2 ||
			!read_origin(r->o, json_at(v, 0), &origin) ||
			!json_u64(json_at(v, 1), &seq))
			return bad(r, member);
		rc = order_add_record(r->o, origin, seq, r->err);
		/* Ascending, so that it is last where it was added. */
		if (!rc &&
			(r->o->record_count != i + 1 ||
				r->o->record[i].seq != seq ||
				strcmp(r->o->record[i].origin, origin)))
			return bad(r, member);
	}
	return rc;
}

static bool read_date(const struct json *v, const char *member, char out[11])
{
	return !json_get(v, member) ||
		(read_text(v, member, out, 11) && date_valid(out, strlen(out)));
}

static enum err_code read_select(struct reading *r)
{
	const struct json *v = json_get(r->v, "select");
	const struct json *records = json_get(v, "records");
	struct order *o = r->o;
	enum err_code rc;

	if (json_kind(v) != JSON_KIND_OBJECT || json_count(v) == 0)
		return bad(r, "select");
	if (records && (rc = read_records(r, records, "select.records")))
		return rc;
	if (json_get(v, "series") &&
		!read_text(v, "series", o->series, sizeof(o->series)))
		return bad(r, "select.series");
	if (json_get(v, "node") &&
		(!read_text(v, "node", o->prefix, sizeof(o->prefix)) ||
			!code_valid(o->prefix, strlen(o->prefix))))
		return bad(r, "select.node");
	if (!read_date(v, "from", o->since))
		return bad(r, "select.from");
	/* With the days the wrong way round it would select nothing. */
	if (!read_date(v, "to", o->until) ||
		(*o->until && strcmp(o->since, o->until) > 0))
		return bad(r, "select.to");
	return ERR_OK;
}

static enum err_code read_ranges(struct reading *r, const struct json *list,
	const char *origin, enum label label)
{
	uint64_t from, to, last = 0;
	enum err_code rc = ERR_OK;

	if (json_kind(list) != JSON_KIND_ARRAY || json_count(list) == 0)
		return bad(r, "parts");
	for (size_t i = 0; !rc && i < json_count(list); i++) {
		const struct json *v = json_at(list, i);

		if (json_count(v) != 2 || !json_u64(json_at(v, 0), &from) ||
			!json_u64(json_at(v, 1), &to) || from >= to ||
			(i > 0 && from <= last))
			return bad(r, "parts");
		last = to;
		rc = order_add_part(r->o, origin, label, from, to, r->err);
	}
	return rc;
}

static bool is_behind(
	const struct order *o, const char *origin, enum label label)
{
	const struct order_part *p;
	int c;

	if (o->part_count == 0)
		return true;
	p = &o->part[o->part_count - 1];
	c = strcmp(p->origin, origin);
	return c < 0 || (c == 0 && p->label < label);
}

static enum err_code read_parts(struct reading *r)
{
	const struct json *list = json_get(r->v, "parts");
	size_t count = json_count(list);
	enum err_code rc = ERR_OK;

	if (json_kind(list) != JSON_KIND_ARRAY || count == 0)
		return bad(r, "parts");
	if (count > ORDER_PARTS_LIMIT)
		return too_many("parts", ORDER_PARTS_LIMIT, r->err);
	for (size_t i = 0; !rc && i < count; i++) {
		const struct json *v = json_at(list, i);
		const char *label = json_get_string(v, "label");
		const char *origin = NULL;
		enum label l;

		if (!label || !label_parse(label, strlen(label), &l) ||
			!read_origin(r->o, json_get(v, "origin"), &origin) ||
			!is_behind(r->o, origin, l))
			return bad(r, "parts");
		rc = read_ranges(r, json_get(v, "seqs"), origin, l);
	}
	return rc;
}

static enum err_code read_erase(struct reading *r)
{
	struct order *o = r->o;

	if (!read_digest(r->v, "holds", &o->holds))
		return bad(r, "holds");
	o->has_register = json_get(r->v, "register") != NULL;
	if (o->has_register && !read_digest(r->v, "register", &o->reg))
		return bad(r, "register");
	if (!read_time(r->v, "not_before", &o->not_before))
		return bad(r, "not_before");
	if (json_kind(json_get(r->v, "accounts")) != JSON_KIND_BOOL)
		return bad(r, "accounts");
	o->accounts = json_bool(json_get(r->v, "accounts"));
	return read_parts(r);
}

/* The member that names the order which is ended. */
static const char *about_member(enum order_kind kind)
{
	switch (kind) {
	case ORDER_RELEASE:
		return "hold";
	case ORDER_CANCEL:
		return "erasure";
	case ORDER_LIFT:
		return "restriction";
	case ORDER_HOLD:
	case ORDER_RESTRICT:
	case ORDER_ERASE:
		break;
	}
	return NULL;
}

static enum err_code read_order(struct reading *r)
{
	const char *about;
	enum err_code rc;

	if ((rc = read_common(r)))
		return rc;
	switch (r->o->kind) {
	case ORDER_HOLD:
	case ORDER_RESTRICT:
		return read_select(r);
	case ORDER_ERASE:
		return read_erase(r);
	case ORDER_RELEASE:
	case ORDER_CANCEL:
	case ORDER_LIFT:
		break;
	}
	about = about_member(r->o->kind);
	return read_id(r->v, about, r->o->about) ? ERR_OK : bad(r, about);
}

/* What was read is written again: were there a member that is not known, or
 * anything said in another way, the bytes would differ. */
static enum err_code same_again(
	struct order *o, const void *text, size_t len, struct err *err)
{
	struct buf again = BUF_EMPTY;
	enum err_code rc = order_write(o, &again, err);

	if (!rc && (again.len != len || memcmp(again.data, text, len)))
		rc = err_set(err, ERR_INVALID,
			"order: a member is unknown, or not in its order");
	buf_free(&again);
	return rc;
}

enum err_code order_parse(
	const void *text, size_t len, struct order *out, struct err *err)
{
	struct order o = {.part = NULL};
	struct reading r = {.o = &o, .err = err};
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = json_parse_canonical(text, len, ORDER_TEXT_LIMIT, &v, err)))
		return err_while(err, rc, "order");
	r.v = v;
	if (!(rc = read_order(&r)) && !(rc = same_again(&o, text, len, err))) {
		*out = o;
		o = (struct order){.part = NULL};
	}
	order_free(&o);
	json_free(v);
	return rc;
}

/* ---- writing ---- */

static bool put_text(struct json *v, const char *name, const char *s)
{
	return json_set(v, name, json_new_text(s));
}

static bool put_time(struct json *v, const char *name, int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return put_text(v, name, text);
}

static bool put_digest(struct json *v, const char *name, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	digest_base64url(d, text);
	return put_text(v, name, text);
}

static struct json *records_json(const struct order *o)
{
	struct json *list = json_new_array();

	for (size_t i = 0; list && i < o->record_count; i++) {
		const struct order_record *r = &o->record[i];
		struct json *pair = json_new_array();

		if (!json_append(pair, json_new_text(r->origin)) ||
			!json_append(pair, json_new_u64(r->seq))) {
			json_free(pair);
			json_free(list);
			return NULL;
		}
		if (!json_append(list, pair)) {
			json_free(list);
			return NULL;
		}
	}
	return list;
}

static bool put_select(struct json *v, const struct order *o)
{
	struct json *s = json_new_object();
	bool ok =
		(!o->record_count || json_set(s, "records", records_json(o))) &&
		(!*o->series || put_text(s, "series", o->series)) &&
		(!*o->prefix || put_text(s, "node", o->prefix)) &&
		(!*o->since || put_text(s, "from", o->since)) &&
		(!*o->until || put_text(s, "to", o->until));

	if (!ok) {
		json_free(s);
		return false;
	}
	return json_set(v, "select", s);
}

static struct json *range_json(const struct order_range *r)
{
	struct json *pair = json_new_array();

	if (json_append(pair, json_new_u64(r->from)) &&
		json_append(pair, json_new_u64(r->to)))
		return pair;
	json_free(pair);
	return NULL;
}

static struct json *part_json(const struct order_part *p)
{
	struct json *v = json_new_object(), *seqs = json_new_array();
	bool ok = true;

	for (size_t i = 0; ok && i < p->count; i++)
		ok = json_append(seqs, range_json(&p->range[i]));
	if (ok && put_text(v, "label", label_name(p->label)) &&
		put_text(v, "origin", p->origin)) {
		if (json_set(v, "seqs", seqs))
			return v;
	} else {
		json_free(seqs);
	}
	json_free(v);
	return NULL;
}

static bool put_erase(struct json *v, const struct order *o)
{
	struct json *parts = json_new_array();

	for (size_t i = 0; i < o->part_count; i++)
		if (!json_append(parts, part_json(&o->part[i]))) {
			json_free(parts);
			return false;
		}
	return json_set(v, "parts", parts) &&
		put_digest(v, "holds", &o->holds) &&
		(!o->has_register || put_digest(v, "register", &o->reg)) &&
		put_time(v, "not_before", o->not_before) &&
		json_set(v, "accounts", json_new_bool(o->accounts));
}

static bool put_kind(struct json *v, const struct order *o)
{
	const char *about = about_member(o->kind);

	if (about)
		return put_text(v, about, o->about);
	return o->kind == ORDER_ERASE ? put_erase(v, o) : put_select(v, o);
}

enum err_code order_write(struct order *o, struct buf *out, struct err *err)
{
	struct json *v = json_new_object();
	size_t before = out->len;
	enum err_code rc;

	if (put_text(v, "kind", kinds[o->kind].name) &&
		put_text(v, "domain", o->domain) &&
		put_text(v, "order", o->id) && put_text(v, "node", o->node) &&
		put_text(v, "reason", o->reason) &&
		put_time(v, "made_at", o->made_at) &&
		json_set(v, "rules", json_new_u64(o->rules)) && put_kind(v, o))
		rc = json_write(v, out, err);
	else
		rc = err_nomem(err);
	json_free(v);
	if (!rc && out->len - before > ORDER_TEXT_LIMIT)
		rc = err_set(err, ERR_LIMIT,
			"order of %zu bytes, limit %zu: make several orders",
			out->len - before, ORDER_TEXT_LIMIT);
	if (!rc)
		o->digest = digest_of(out->data + before, out->len - before);
	return rc;
}

/* ---- asking ---- */

static int compare_id(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct digest order_holds_digest(char (*ids)[UUID_TEXT_SIZE], size_t count)
{
	struct sha256 h;

	if (count > 1)
		qsort(ids, count, sizeof(*ids), compare_id);
	sha256_init(&h);
	for (size_t i = 0; i < count; i++) {
		if (i && !strcmp(ids[i], ids[i - 1]))
			continue; /* it stands in two logs */
		sha256_update(&h, ids[i], strlen(ids[i]));
		sha256_update(&h, "\n", 1);
	}
	return sha256_final(&h);
}

bool order_has_record(const struct order *o, const char *origin, uint64_t seq)
{
	struct order_record key = {.seq = seq};

	snprintf(key.origin, sizeof(key.origin), "%s", origin);
	return bsearch(&key, o->record, o->record_count, sizeof(key),
		       compare_record) != NULL;
}

bool order_reaches_beside(const struct order *o, const char *code,
	const char *series, const char *at)
{
	if (o->kind != ORDER_HOLD && o->kind != ORDER_RESTRICT)
		return false;
	return code_within(code, o->node) &&
		(!*o->series || !strcmp(o->series, series)) &&
		(!*o->prefix || code_within(code, o->prefix)) &&
		(!*o->since || strncmp(at, o->since, 10) >= 0) &&
		(!*o->until || strncmp(at, o->until, 10) <= 0);
}

bool order_reaches(const struct order *o, const char *origin, const char *code,
	uint64_t seq, const char *series, const char *at)
{
	return order_reaches_beside(o, code, series, at) &&
		(!o->record_count || order_has_record(o, origin, seq));
}

static bool in_ranges(const struct order_part *p, uint64_t seq)
{
	size_t from = 0, to = p->count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (seq < p->range[mid].from)
			to = mid;
		else if (seq >= p->range[mid].to)
			from = mid + 1;
		else
			return true;
	}
	return false;
}

bool order_names(const struct order *o, const char *origin, enum label label,
	uint64_t seq)
{
	for (size_t i = 0; i < o->part_count; i++) {
		const struct order_part *p = &o->part[i];

		if (p->label == label && !strcmp(p->origin, origin))
			return in_ranges(p, seq);
	}
	return false;
}
