/* register.c - the register of what is destroyed: read, held against its order,
 * found, and written as CSV and as a page. */
#include "policies/register.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/csv.h"
#include "policies/logs.h"
#include "policies/orders.h"
#include "policies/roster.h"

#define YEAR_LIMIT 9999
#define PERIOD_SIZE 8
#define NAME_SIZE 201 /* of a series, for people */

/* ---- reading ---- */

static bool has_text(const struct json *v, const char *member, size_t size)
{
	size_t len = 0;
	const char *s = json_string(json_get(v, member), &len);

	return s && strlen(s) == len && len < size &&
		(!len || title_valid(s, size));
}

/* What only filing gives, and the day of destruction: receipts tell it. */
static bool is_empty(const struct json *v, const char *member)
{
	size_t len = 1;

	return json_string(json_get(v, member), &len) && len == 0;
}

static bool has_count(const struct json *v, const char *member, uint64_t limit)
{
	uint64_t n;

	return json_get_u64(v, member, &n) && n <= limit;
}

static bool has_day(const struct json *v, const char *member)
{
	const char *s = json_get_string(v, member);

	return s && date_valid(s, strlen(s));
}

static bool read_label(const struct json *v, enum label *out)
{
	size_t len = 0;
	const char *s = json_string(v, &len);

	return s && label_parse(s, len, out);
}

static bool has_labels(const struct json *v, const char *member)
{
	const struct json *list = json_get(v, member);
	int last = -1;
	enum label l;

	if (json_kind(list) != JSON_KIND_ARRAY)
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		if (!read_label(json_at(list, i), &l) || (int)l <= last)
			return false;
		last = (int)l;
	}
	return true;
}

static bool read_range(const struct json *v, uint64_t *from, uint64_t *to)
{
	return json_kind(v) == JSON_KIND_ARRAY && json_count(v) == 2 &&
		json_u64(json_at(v, 0), from) && json_u64(json_at(v, 1), to) &&
		*from < *to && *to <= TREE_SIZE_LIMIT;
}

/* Ascending, and as many as the row counts. */
static bool has_ranges(const struct json *row, size_t *ranges)
{
	const struct json *list = json_get(row, "seqs");
	uint64_t last = 0, sum = 0, count, from, to;

	if (json_kind(list) != JSON_KIND_ARRAY || !json_count(list) ||
		!json_get_u64(row, "count", &count))
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		if (!read_range(json_at(list, i), &from, &to) ||
			(i && from < last))
			return false;
		last = to;
		sum += to - from;
	}
	*ranges += json_count(list);
	return sum == count;
}

static bool is_series(const char *s)
{
	size_t len = strlen(s);

	return len && len < SERIES_NAME_SIZE &&
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

#define ROW_MEMBERS 17

static bool is_row(const struct json *v, size_t *ranges)
{
	const char *origin = json_get_string(v, "origin");
	const char *period = json_get_string(v, "period");
	const char *series = json_get_string(v, "series");
	struct period p;
	enum label l;

	return json_kind(v) == JSON_KIND_OBJECT &&
		json_count(v) == ROW_MEMBERS && is_empty(v, "archive_no") &&
		is_empty(v, "book") && is_empty(v, "destroyed_at") &&
		is_empty(v, "volume") &&
		has_count(v, "first_year", YEAR_LIMIT) &&
		has_count(v, "last_year", YEAR_LIMIT) &&
		(has_count(v, "kept_years", YEAR_LIMIT) ||
			has_count(v, "kept_days", UINT32_MAX)) &&
		read_label(json_get(v, "label"), &l) &&
		has_labels(v, "masked_in") && has_text(v, "name", NAME_SIZE) &&
		has_text(v, "source", NODE_TITLE_SIZE) && origin &&
		strlen(origin) < ORIGIN_SIZE &&
		origin_valid(origin, strlen(origin)) && period &&
		strlen(period) < PERIOD_SIZE && period_parse(period, &p) &&
		series && is_series(series) && has_day(v, "since") &&
		has_ranges(v, ranges);
}

static enum err_code bad(const char *what, struct err *err)
{
	return err_set(
		err, ERR_INVALID, "register: %s is missing or malformed", what);
}

#define MEMBERS 9

static enum err_code check_head(const struct json *v, struct err *err)
{
	const char *node = json_get_string(v, "node");
	const char *domain = json_get_string(v, "domain");
	uint64_t n;

	if (json_kind(v) != JSON_KIND_OBJECT || json_count(v) != MEMBERS)
		return bad("a member", err);
	if (json_kind(json_get(v, "accounts")) != JSON_KIND_BOOL)
		return bad("accounts", err);
	if (!has_day(v, "as_of"))
		return bad("as_of", err);
	if (!domain || !domain_valid(domain))
		return bad("domain", err);
	if (!node || !code_valid(node, strlen(node)))
		return bad("node", err);
	if (!has_text(v, "reason", ORDER_REASON_LIMIT + 1) ||
		is_empty(v, "reason"))
		return bad("reason", err);
	if (!json_get_u64(v, "rules", &n))
		return bad("rules", err);
	return has_text(v, "unit", NODE_TITLE_SIZE) ? ERR_OK : bad("unit", err);
}

static enum err_code check_rows(const struct json *v, struct err *err)
{
	const struct json *rows = json_get(v, "rows");
	uint64_t all, sum = 0, n = 0;
	size_t ranges = 0;

	if (json_kind(rows) != JSON_KIND_ARRAY || !json_count(rows))
		return bad("rows", err);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);

		if (!is_row(row, &ranges) || ranges > ORDER_RANGES_LIMIT)
			return err_set(err, ERR_INVALID,
				"register: row %zu is malformed", i + 1);
		(void)json_get_u64(row, "count", &n);
		sum += n;
	}
	if (!json_get_u64(v, "count", &all) || all != sum)
		return bad("count", err);
	return ERR_OK;
}

enum err_code register_parse(
	const void *text, size_t len, struct json **out, struct err *err)
{
	struct json *v = NULL;
	enum err_code rc =
		json_parse_canonical(text, len, REGISTER_SIZE_LIMIT, &v, err);

	if (rc)
		return err_while(err, rc, "register");
	if ((rc = check_head(v, err)) || (rc = check_rows(v, err))) {
		json_free(v);
		return rc;
	}
	*out = v;
	return ERR_OK;
}

/* ---- what it names ---- */

struct named {
	const char *origin;
	enum label label;
	uint64_t from, to;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int c = strcmp(x->origin, y->origin);

	if (c)
		return c;
	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static void name_row(const struct json *row, struct named **to)
{
	const struct json *list = json_get(row, "seqs");
	struct named n = {.origin = json_get_string(row, "origin")};

	(void)read_label(json_get(row, "label"), &n.label);
	for (size_t i = 0; i < json_count(list); i++) {
		(void)read_range(json_at(list, i), &n.from, &n.to);
		*(*to)++ = n;
	}
}

enum err_code register_parts(
	const struct json *reg, struct order *o, struct err *err)
{
	const struct json *rows = json_get(reg, "rows");
	struct named *all, *end;
	size_t count = 0;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < json_count(rows); i++)
		count += json_count(json_get(json_at(rows, i), "seqs"));
	if (!(all = end = calloc(count + 1, sizeof(*all))))
		return err_nomem(err);
	for (size_t i = 0; i < json_count(rows); i++)
		name_row(json_at(rows, i), &end);
	qsort(all, count, sizeof(*all), compare_named);
	for (size_t i = 0; i < count && !rc; i++)
		rc = order_add_part(o, all[i].origin, all[i].label, all[i].from,
			all[i].to, err);
	free(all);
	return rc;
}

static bool same_parts(const struct order *a, const struct order *b)
{
	if (a->part_count != b->part_count)
		return false;
	for (size_t i = 0; i < a->part_count; i++) {
		const struct order_part *x = &a->part[i], *y = &b->part[i];

		if (strcmp(x->origin, y->origin) || x->label != y->label ||
			x->count != y->count)
			return false;
		for (size_t k = 0; k < x->count; k++)
			if (x->range[k].from != y->range[k].from ||
				x->range[k].to != y->range[k].to)
				return false;
	}
	return true;
}

static enum err_code check_parts(
	const struct json *reg, const struct order *o, struct err *err)
{
	struct order named = {.part = NULL};
	enum err_code rc = register_parts(reg, &named, err);

	if (!rc && !same_parts(&named, o))
		rc = err_set(err, ERR_INVALID,
			"the register and order %s name other parts", o->id);
	order_free(&named);
	return rc;
}

static bool is_text(const struct json *v, const char *member, const char *want)
{
	return !strcmp(json_get_string(v, member), want);
}

static const char *name_of(const struct rules *rules, const char *code)
{
	const struct node_info *n = rules_node(rules, code);

	return n ? n->name : "";
}

/* What people wrote in it stands in the rules, or in the order. */
static enum err_code check_names(const struct json *reg,
	const struct rules *rules, const struct order *o, struct err *err)
{
	const struct json *rows = json_get(reg, "rows");

	if (!is_text(reg, "unit", name_of(rules, o->node)))
		return bad("unit", err);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);
		const char *series = json_get_string(row, "series");
		const struct series *s = rules_series(rules, series);
		char code[CODE_SIZE] = "";

		(void)log_code(json_get_string(row, "origin"), code);
		if (!is_text(row, "name", s && s->title ? s->title : series) ||
			!is_text(row, "source", name_of(rules, code)))
			return err_set(err, ERR_INVALID,
				"register: row %zu has another name than the "
				"rules",
				i + 1);
	}
	return ERR_OK;
}

enum err_code register_check(const struct json *reg, const void *text,
	size_t len, const struct rules *rules, const struct order *o,
	struct err *err)
{
	struct digest d = digest_of(text, len);
	uint64_t serial = 0;
	enum err_code rc;

	if (!o->has_register || !digest_equal(&d, &o->reg))
		return err_set(err, ERR_INVALID,
			"the register is not the one that order %s names",
			o->id);
	(void)json_get_u64(reg, "rules", &serial);
	if (serial != o->rules || !is_text(reg, "domain", o->domain) ||
		!is_text(reg, "node", o->node) ||
		!is_text(reg, "reason", o->reason) ||
		json_bool(json_get(reg, "accounts")) != o->accounts)
		return err_set(err, ERR_INVALID,
			"the register and order %s tell different things",
			o->id);
	if ((rc = check_parts(reg, o, err)))
		return rc;
	return check_names(reg, rules, o, err);
}

/* ---- finding it ---- */

/* As that of a receipt: found without a search. */
void register_id(const char *order, uint8_t uuid[UUID_SIZE])
{
	char text[UUID_TEXT_SIZE + 16];
	struct digest d;

	snprintf(text, sizeof(text), "register\n%s\n", order);
	d = digest_of(text, strlen(text));
	memcpy(uuid, d.b, UUID_SIZE);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

struct search {
	struct node *node;
	const struct digest *want; /* NULL: any */
	struct register_found *out;
	bool found;
};

/* Who else takes the id hides nothing: an order names the digest. */
static enum err_code on_register(
	void *arg, uint32_t log, uint64_t seq, uint64_t rev, struct err *err)
{
	struct search *s = arg;
	struct log_info info;
	struct run run = {0};
	const struct part *p;
	struct entry e;
	struct digest d;
	enum err_code rc;

	(void)rev;
	if (s->found)
		return ERR_OK;
	if ((rc = store_log_by_id(s->node->store, log, &info, err)) ||
		(rc = store_read(s->node->store, log, seq, 1,
			 LABEL_BIT(LABEL_INTERNAL), &run, err)) ||
		(rc = entry_parse(run.record[0].entry, run.record[0].entry_len,
			 &e, err)))
		goto out;
	p = &run.record[0].part[LABEL_INTERNAL];
	if (strcmp(e.series, REGISTER_SERIES) ||
		!(run.record[0].have & LABEL_BIT(LABEL_INTERNAL)))
		goto out;
	d = digest_of(p->json, p->len);
	if (s->want && !digest_equal(&d, s->want))
		goto out;
	buf_add(&s->out->text, p->json, p->len);
	memcpy(s->out->origin, info.origin, sizeof(info.origin));
	memcpy(s->out->at, e.at, sizeof(e.at));
	s->out->seq = seq;
	s->found = true;
	rc = buf_ok(&s->out->text, err);
out:
	run_free(&run);
	return rc;
}

struct lookup {
	const char *id;
	struct digest want;
	bool here, has;
};

static enum err_code on_order(
	void *arg, const struct order_row *row, struct err *err)
{
	struct lookup *l = arg;

	(void)err;
	if (strcmp(row->order->id, l->id) || row->state == ORDER_VOID)
		return ERR_OK;
	l->here = true;
	l->has = row->order->has_register;
	l->want = row->order->reg;
	return ERR_OK;
}

enum err_code register_find(struct node *n, const char *id,
	struct register_found *out, struct err *err)
{
	struct lookup l = {.id = id};
	struct search s = {.node = n, .out = out};
	uint8_t uuid[UUID_SIZE];
	enum err_code rc;

	*out = (struct register_found){.text = BUF_EMPTY};
	if (!uuid_parse(id, strlen(id), uuid))
		return err_set(err, ERR_USAGE, "%.40s is no order's id", id);
	if ((rc = orders_each(n, on_order, &l, err)))
		return rc;
	if (l.here && !l.has)
		return err_set(err, ERR_NOT_FOUND,
			"order %s destroys what a person asked for: it has no "
			"register",
			id);
	if (l.here)
		register_id(id, uuid);
	s.want = l.here ? &l.want : NULL;
	out->automatic = !l.here;
	rc = store_find_id(n->store, uuid, on_register, &s, err);
	if ((rc == ERR_OK || rc == ERR_NOT_FOUND) && !s.found)
		rc = l.here
			? err_set(err, ERR_NOT_FOUND,
				  "the register of order %s is not here: it is "
				  "in the log of the node where the order was "
				  "entered, and at those above",
				  id)
			: err_set(err, ERR_NOT_FOUND, "no order or register %s",
				  id);
	if (rc)
		buf_free(&out->text);
	return rc;
}

/* ---- cells ---- */

enum column {
	COL_NUMBER,
	COL_NAME,
	COL_VOLUME,
	COL_BOOK,
	COL_YEARS,
	COL_ARCHIVE_NO,
	COL_PERIOD,
	COL_KEPT,
	COL_DESTROYED,
	COL_COUNT,
	COL_SOURCE,
	COL_LABEL,
	COL_SINCE,
	COL_LOG,
	COL_ENTRIES,
	COL_REMARK,
	COLUMNS,
};

/* The columns of a register by the rules of archives, then those by which a
 * program finds the parts.  Numbers that only filing gives stay empty. */
static const char *const titles[COLUMNS] = {
	[COL_NUMBER] = "序号",
	[COL_NAME] = "名称",
	[COL_VOLUME] = "卷号",
	[COL_BOOK] = "册号",
	[COL_YEARS] = "起止年度",
	[COL_ARCHIVE_NO] = "档号",
	[COL_PERIOD] = "应保管期限",
	[COL_KEPT] = "已保管期限",
	[COL_DESTROYED] = "销毁时间",
	[COL_COUNT] = "件数",
	[COL_SOURCE] = "形成单位",
	[COL_LABEL] = "标签",
	[COL_SINCE] = "可销毁起日",
	[COL_LOG] = "日志",
	[COL_ENTRIES] = "日志序号",
	[COL_REMARK] = "备注",
};

static const char *const label_titles[LABEL_COUNT] = {
	[LABEL_PUBLIC] = "公开",
	[LABEL_INTERNAL] = "内部",
	[LABEL_PERSONAL] = "个人",
	[LABEL_SENSITIVE] = "敏感",
};

static void cell_remark(const struct json *row, struct buf *out)
{
	const struct json *labels = json_get(row, "masked_in");
	const char *comma = "脱敏值仍在：";
	enum label l;

	for (size_t i = 0; i < json_count(labels); i++) {
		(void)read_label(json_at(labels, i), &l);
		buf_str(out, comma);
		buf_str(out, label_titles[l]);
		comma = "、";
	}
}

static void cell_entries(const struct json *row, struct buf *out)
{
	const struct json *list = json_get(row, "seqs");
	uint64_t from, to;

	for (size_t i = 0; i < json_count(list); i++) {
		if (!read_range(json_at(list, i), &from, &to))
			continue;
		if (i)
			buf_u8(out, ' ');
		if (to - from == 1)
			buf_printf(out, "%" PRIu64, from);
		else
			buf_printf(out, "%" PRIu64 "-%" PRIu64, from, to - 1);
	}
}

static void cell_period(const struct json *row, struct buf *out)
{
	struct period period;

	if (period_parse(json_get_string(row, "period"), &period) &&
		period.unit != PERIOD_FOREVER)
		buf_printf(out, "%u%s", period.count,
			period.unit == PERIOD_DAYS ? "天" : "年");
}

static uint64_t count_of(const struct json *v, const char *member)
{
	uint64_t n = 0;

	(void)json_get_u64(v, member, &n);
	return n;
}

static void cell_kept(const struct json *row, struct buf *out)
{
	if (json_get(row, "kept_days"))
		buf_printf(out, "%" PRIu64 "天", count_of(row, "kept_days"));
	else
		buf_printf(out, "%" PRIu64 "年", count_of(row, "kept_years"));
}

static void cell_years(const struct json *row, struct buf *out)
{
	uint64_t first = count_of(row, "first_year"),
		 last = count_of(row, "last_year");

	buf_printf(out, "%" PRIu64, first);
	if (last != first)
		buf_printf(out, "-%" PRIu64, last);
}

static void cell_label(const struct json *row, struct buf *out)
{
	enum label l;

	if (read_label(json_get(row, "label"), &l))
		buf_str(out, label_titles[l]);
}

static void cell_source(const struct json *row, struct buf *out)
{
	char code[CODE_SIZE] = "";

	(void)log_code(json_get_string(row, "origin"), code);
	buf_printf(out, "%s %s", code, json_get_string(row, "source"));
}

struct table {
	const struct json *reg;
	const char *destroyed;
};

/* The plain text of a cell. */
static void cell(
	const struct table *t, size_t number, enum column c, struct buf *out)
{
	const struct json *row = json_at(json_get(t->reg, "rows"), number);

	switch (c) {
	case COL_NUMBER:
		buf_printf(out, "%zu", number + 1);
		return;
	case COL_NAME:
		buf_str(out, json_get_string(row, "name"));
		return;
	case COL_YEARS:
		cell_years(row, out);
		return;
	case COL_PERIOD:
		cell_period(row, out);
		return;
	case COL_KEPT:
		cell_kept(row, out);
		return;
	case COL_DESTROYED:
		buf_str(out, t->destroyed);
		return;
	case COL_COUNT:
		buf_printf(out, "%" PRIu64, count_of(row, "count"));
		return;
	case COL_SOURCE:
		cell_source(row, out);
		return;
	case COL_LABEL:
		cell_label(row, out);
		return;
	case COL_SINCE:
		buf_str(out, json_get_string(row, "since"));
		return;
	case COL_LOG:
		buf_str(out, json_get_string(row, "origin"));
		return;
	case COL_ENTRIES:
		cell_entries(row, out);
		return;
	case COL_REMARK:
		cell_remark(row, out);
		return;
	case COL_VOLUME:
	case COL_BOOK:
	case COL_ARCHIVE_NO:
	case COLUMNS:
		return;
	}
}

/* ---- CSV ---- */

enum err_code register_csv(const struct json *reg, const char *destroyed,
	struct buf *out, struct err *err)
{
	const struct table t = {reg, destroyed};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	buf_str(out, "\xef\xbb\xbf");
	for (int c = 0; c < COLUMNS; c++) {
		buf_str(out, titles[c]);
		buf_str(out, c + 1 < COLUMNS ? "," : "\r\n");
	}
	for (size_t i = 0; i < json_count(json_get(reg, "rows")); i++) {
		for (int c = 0; c < COLUMNS; c++) {
			buf_clear(&text);
			cell(&t, i, (enum column)c, &text);
			csv_cell((const char *)text.data, text.len, out);
			buf_str(out, c + 1 < COLUMNS ? "," : "\r\n");
		}
	}
	rc = text.failed ? err_nomem(err) : buf_ok(out, err);
	buf_free(&text);
	return rc;
}

/* ---- HTML ---- */

static void html_text(const void *text, size_t len, struct buf *out)
{
	const char *s = text;

	for (size_t i = 0; i < len; i++) {
		switch (s[i]) {
		case '&':
			buf_str(out, "&amp;");
			break;
		case '<':
			buf_str(out, "&lt;");
			break;
		case '>':
			buf_str(out, "&gt;");
			break;
		case '"':
			buf_str(out, "&quot;");
			break;
		case '\'':
			buf_str(out, "&#39;");
			break;
		default:
			buf_u8(out, (uint8_t)s[i]);
		}
	}
}

static void html_str(const char *s, struct buf *out)
{
	html_text(s, strlen(s), out);
}

static void html_head(const struct json *reg, struct buf *out)
{
	buf_str(out,
		"<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n"
		"<meta charset=\"utf-8\">\n<title>销毁清册</title>\n<style>\n"
		"@page { size: A4 landscape; margin: 12mm }\n"
		"body { font-family: SimSun, serif; font-size: 10pt }\n"
		"h1 { text-align: center; font-size: 16pt }\n"
		"table { border-collapse: collapse; width: 100% }\n"
		"th, td { border: 1px solid #000; padding: 2px 4px;\n"
		"  word-break: break-all; vertical-align: top }\n"
		"thead { display: table-header-group }\n"
		".sign td { height: 14mm; width: 25% }\n</style>\n</head>\n"
		"<body>\n<h1>电子档案销毁清册</h1>\n<p>单位：");
	buf_printf(out, "%s ", json_get_string(reg, "node"));
	html_str(json_get_string(reg, "unit"), out);
	buf_printf(out,
		"　域：%s　截至：%s　规则：第 %" PRIu64 "版　份数：%" PRIu64
		"<br>\n依据：",
		json_get_string(reg, "domain"), json_get_string(reg, "as_of"),
		count_of(reg, "rules"), count_of(reg, "count"));
	html_str(json_get_string(reg, "reason"), out);
	buf_str(out, "</p>\n<table>\n<thead><tr>");
	for (int c = 0; c < COLUMNS; c++)
		buf_printf(out, "<th>%s</th>", titles[c]);
	buf_str(out, "</tr></thead>\n<tbody>\n");
}

/* Who signs on paper: of accounts five, and those who watch. */
static void html_signatures(const struct json *reg, struct buf *out)
{
	static const char *const plain[] = {
		"鉴定", "批准", "监销一", "监销二", NULL};
	static const char *const accounts[] = {"单位负责人", "档案机构负责人",
		"会计机构负责人", "档案机构经办人", "会计机构经办人",
		"监销（档案）", "监销（会计）", "监销（信息系统）", NULL};
	const char *const *who =
		json_bool(json_get(reg, "accounts")) ? accounts : plain;

	buf_str(out,
		"</tbody>\n</table>\n<p>签字：</p>\n"
		"<table class=\"sign\">\n");
	for (size_t i = 0; who[i]; i += 4) {
		buf_str(out, "<tr>");
		for (size_t k = i; who[k] && k < i + 4; k++)
			buf_printf(out, "<td>%s：</td>", who[k]);
		buf_str(out, "</tr>\n");
	}
	buf_str(out, "</table>\n</body>\n</html>\n");
}

enum err_code register_html(const struct json *reg, const char *destroyed,
	struct buf *out, struct err *err)
{
	const struct table t = {reg, destroyed};
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	html_head(reg, out);
	for (size_t i = 0; i < json_count(json_get(reg, "rows")); i++) {
		buf_str(out, "<tr>");
		for (int c = 0; c < COLUMNS; c++) {
			buf_clear(&text);
			cell(&t, i, (enum column)c, &text);
			buf_str(out, "<td>");
			html_text(text.data, text.len, out);
			buf_str(out, "</td>");
		}
		buf_str(out, "</tr>\n");
	}
	html_signatures(reg, out);
	rc = text.failed ? err_nomem(err) : buf_ok(out, err);
	buf_free(&text);
	return rc;
}
