/* proposal.c - the register of what is to be destroyed, and its order. */
#include "policies/proposal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

/* ---- what fits ---- */

/* So much of groups stands below a sequence. */
struct amount {
	uint64_t parts;
	size_t ranges;
};

static struct amount below(
	const struct due_group *g, size_t count, uint64_t end)
{
	struct amount a = {0, 0};

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < g[i].range_count; k++) {
			const struct due_range *r = &g[i].range[k];

			if (r->from >= end)
				break;
			a.parts += (r->to < end ? r->to : end) - r->from;
			a.ranges++;
		}
	}
	return a;
}

static bool fits(const struct amount *taken, const struct amount *more)
{
	return taken->parts + more->parts <= PROPOSAL_PARTS_LIMIT &&
		taken->ranges + more->ranges <= PROPOSAL_RANGES_LIMIT;
}

/* The greatest sequence below which all fits. */
static uint64_t end_of(
	const struct due_group *g, size_t count, const struct amount *taken)
{
	uint64_t lo = 0, hi = TREE_SIZE_LIMIT;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo + 1) / 2;
		struct amount a = below(g, count, mid);

		if (fits(taken, &a))
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

static void cut(struct due_group *g, uint64_t end)
{
	size_t i;

	g->count = 0;
	for (i = 0; i < g->range_count && g->range[i].from < end; i++) {
		if (g->range[i].to > end)
			g->range[i].to = end;
		g->count += g->range[i].to - g->range[i].from;
	}
	g->range_count = i;
}

/* Groups [at, *end) are of one log and series. */
static size_t set_end(const struct due *due, size_t at)
{
	size_t end = at + 1;

	while (end < due->count &&
		!strcmp(due->group[end].origin, due->group[at].origin) &&
		!strcmp(due->group[end].series, due->group[at].series))
		end++;
	return end;
}

/* A record is taken with all its labels or not at all, and its older revisions
 * before the newer ones: what tells when the rest may go goes last. */
enum err_code proposal_make(const struct rules *rules, const char *node,
	const char *reason, int64_t as_of, struct due *due,
	struct proposal *out, struct err *err)
{
	struct proposal p = {.reason = reason, .rules = rules, .as_of = as_of};
	struct amount taken = {0, 0};
	uint64_t all = due->parts;
	bool full = false;

	if (!due->count)
		return err_set(
			err, ERR_NOT_FOUND, "nothing may be destroyed by now");
	snprintf(p.node, sizeof(p.node), "%s", node);
	for (size_t at = 0, end; at < due->count; at = end) {
		uint64_t to = 0;
		struct amount a;

		end = set_end(due, at);
		if (!full && end <= PROPOSAL_GROUPS_LIMIT)
			to = end_of(due->group + at, end - at, &taken);
		full = to != TREE_SIZE_LIMIT;
		a = below(due->group + at, end - at, to);
		taken.parts += a.parts;
		taken.ranges += a.ranges;
		for (size_t i = at; i < end; i++) {
			struct due_group *g = &due->group[i];
			const struct series *s = rules_series(rules, g->series);

			cut(g, to);
			if (!g->count) {
				free(g->range);
				continue;
			}
			p.accounts = p.accounts || (s && s->accounts);
			due->group[p.due.count++] = *g;
		}
	}
	p.due.group = due->group;
	p.due.cap = due->cap;
	p.due.parts = taken.parts;
	p.left = all - taken.parts;
	*due = (struct due){.count = 0};
	*out = p;
	return ERR_OK;
}

void proposal_free(struct proposal *p)
{
	due_free(&p->due);
	*p = (struct proposal){.left = 0};
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
 * program finds the parts.  Numbers that only filing gives, and the day of
 * destruction, stay empty. */
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

/* Whole years, or days where the period is one of days. */
static void kept(const struct proposal *p, const struct due_group *g,
	struct period *period, uint64_t *count)
{
	int64_t since = year_start(g->start);

	if (!period_parse(g->period, period))
		period->unit = PERIOD_YEARS;
	if (since > p->as_of)
		*count = 0;
	else if (period->unit == PERIOD_DAYS)
		*count = (uint64_t)(p->as_of - since) / DAY_S;
	else
		*count = (uint64_t)(time_year(p->as_of) - g->start);
}

/* Labels of the parts that keep a masked value of what is destroyed: those that
 * are not in the register for the same records. */
static uint8_t derived_in(const struct proposal *p, const struct due_group *g)
{
	const struct series *s = rules_series(p->rules, g->series);
	uint8_t labels = 0;

	for (size_t i = 0; s && i < s->field_count; i++) {
		const struct field *f = &s->fields[i];

		if (f->derive != DERIVE_NONE && f->label == g->label)
			labels |= LABEL_BIT(f->derive_label);
	}
	for (size_t i = 0; i < p->due.count; i++) {
		const struct due_group *o = &p->due.group[i];

		if (o->since <= g->since && o->count >= g->count &&
			!strcmp(o->origin, g->origin) &&
			!strcmp(o->series, g->series))
			labels &= (uint8_t)~LABEL_BIT(o->label);
	}
	return labels;
}

static void cell_remark(
	const struct proposal *p, const struct due_group *g, struct buf *out)
{
	uint8_t labels = derived_in(p, g);
	const char *comma = "脱敏值仍在：";

	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (!(labels & LABEL_BIT(l)))
			continue;
		buf_str(out, comma);
		buf_str(out, label_titles[l]);
		comma = "、";
	}
}

static void cell_entries(const struct due_group *g, struct buf *out)
{
	for (size_t i = 0; i < g->range_count; i++) {
		const struct due_range *r = &g->range[i];

		if (i)
			buf_u8(out, ' ');
		if (r->to - r->from == 1)
			buf_printf(out, "%" PRIu64, r->from);
		else
			buf_printf(out, "%" PRIu64 "-%" PRIu64, r->from,
				r->to - 1);
	}
}

static const struct node_info *source_of(const struct proposal *p,
	const struct due_group *g, char code[CODE_SIZE])
{
	const char *at = origin_code(g->origin);

	snprintf(code, CODE_SIZE, "%.12s", at ? at : "");
	return rules_node(p->rules, code);
}

static void cell_period(const struct due_group *g, struct buf *out)
{
	struct period period;

	if (period_parse(g->period, &period))
		buf_printf(out, "%u%s", period.count,
			period.unit == PERIOD_DAYS ? "天" : "年");
}

static void cell_years(const struct due_group *g, struct buf *out)
{
	buf_printf(out, "%d", g->first_year);
	if (g->last_year != g->first_year)
		buf_printf(out, "-%d", g->last_year);
}

/* The plain text of a cell. */
static void cell(
	const struct proposal *p, size_t row, enum column c, struct buf *out)
{
	const struct due_group *g = &p->due.group[row];
	const struct series *s = rules_series(p->rules, g->series);
	const struct node_info *node;
	char code[CODE_SIZE], since[TIME_TEXT_SIZE];
	struct period period;
	uint64_t count;

	switch (c) {
	case COL_NUMBER:
		buf_printf(out, "%zu", row + 1);
		return;
	case COL_NAME:
		buf_str(out, s && s->title ? s->title : g->series);
		return;
	case COL_YEARS:
		cell_years(g, out);
		return;
	case COL_PERIOD:
		cell_period(g, out);
		return;
	case COL_KEPT:
		kept(p, g, &period, &count);
		buf_printf(out, "%" PRIu64 "%s", count,
			period.unit == PERIOD_DAYS ? "天" : "年");
		return;
	case COL_COUNT:
		buf_printf(out, "%" PRIu64, g->count);
		return;
	case COL_SOURCE:
		node = source_of(p, g, code);
		buf_printf(out, "%s %s", code, node ? node->name : "");
		return;
	case COL_LABEL:
		buf_str(out, label_titles[g->label]);
		return;
	case COL_SINCE:
		time_format(g->since, since);
		buf_add(out, since, 10);
		return;
	case COL_LOG:
		buf_str(out, g->origin);
		return;
	case COL_ENTRIES:
		cell_entries(g, out);
		return;
	case COL_REMARK:
		cell_remark(p, g, out);
		return;
	case COL_VOLUME:
	case COL_BOOK:
	case COL_ARCHIVE_NO:
	case COL_DESTROYED:
	case COLUMNS:
		return;
	}
}

/* ---- CSV ---- */

/* What a spreadsheet would take for a formula, behind blanks too, gets an
 * apostrophe in front; a quote is doubled. */
static void csv_cell(const struct buf *text, struct buf *out)
{
	size_t i = 0;

	buf_u8(out, '"');
	while (i < text->len && text->data[i] <= ' ')
		i++;
	if (i < text->len && strchr("=+-@", text->data[i]))
		buf_u8(out, '\'');
	for (i = 0; i < text->len; i++) {
		if (text->data[i] == '"')
			buf_u8(out, '"');
		buf_u8(out, text->data[i]);
	}
	buf_u8(out, '"');
}

enum err_code proposal_csv(
	const struct proposal *p, struct buf *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	buf_str(out, "\xef\xbb\xbf");
	for (int c = 0; c < COLUMNS; c++) {
		buf_str(out, titles[c]);
		buf_str(out, c + 1 < COLUMNS ? "," : "\r\n");
	}
	for (size_t row = 0; row < p->due.count; row++) {
		for (int c = 0; c < COLUMNS; c++) {
			buf_clear(&text);
			cell(p, row, (enum column)c, &text);
			csv_cell(&text, out);
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

static void html_head(const struct proposal *p, struct buf *out)
{
	const struct node_info *node = rules_node(p->rules, p->node);
	char day[TIME_TEXT_SIZE];

	time_format(p->as_of, day);
	day[10] = '\0';
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
	buf_printf(out, "%s ", p->node);
	html_str(node ? node->name : "", out);
	buf_printf(out,
		"　域：%s　截至：%s　规则：第 %" PRIu64 "版　份数：%" PRIu64
		"<br>\n依据：",
		rules_domain(p->rules), day, rules_serial(p->rules),
		p->due.parts);
	html_str(p->reason, out);
	buf_str(out, "</p>\n<table>\n<thead><tr>");
	for (int c = 0; c < COLUMNS; c++)
		buf_printf(out, "<th>%s</th>", titles[c]);
	buf_str(out, "</tr></thead>\n<tbody>\n");
}

/* Who signs on paper: of accounts five, and those who watch. */
static void html_signatures(const struct proposal *p, struct buf *out)
{
	static const char *const plain[] = {
		"鉴定", "批准", "监销一", "监销二", NULL};
	static const char *const accounts[] = {"单位负责人", "档案机构负责人",
		"会计机构负责人", "档案机构经办人", "会计机构经办人",
		"监销（档案）", "监销（会计）", "监销（信息系统）", NULL};
	const char *const *who = p->accounts ? accounts : plain;

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

enum err_code proposal_html(
	const struct proposal *p, struct buf *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	html_head(p, out);
	for (size_t row = 0; row < p->due.count; row++) {
		buf_str(out, "<tr>");
		for (int c = 0; c < COLUMNS; c++) {
			buf_clear(&text);
			cell(p, row, (enum column)c, &text);
			buf_str(out, "<td>");
			html_text(text.data, text.len, out);
			buf_str(out, "</td>");
		}
		buf_str(out, "</tr>\n");
	}
	html_signatures(p, out);
	rc = text.failed ? err_nomem(err) : buf_ok(out, err);
	buf_free(&text);
	return rc;
}

/* ---- JSON ---- */

struct json *due_ranges_json(const struct due_group *g)
{
	struct json *all = json_new_array();

	for (size_t i = 0; all && i < g->range_count; i++) {
		struct json *one = json_new_array();
		bool made = json_append(one, json_new_u64(g->range[i].from)) &&
			json_append(one, json_new_u64(g->range[i].to));

		if (!made)
			json_free(one);
		if (!made || !json_append(all, one)) {
			json_free(all);
			return NULL;
		}
	}
	return all;
}

static bool set_day(struct json *v, const char *name, int64_t t)
{
	char day[TIME_TEXT_SIZE];

	time_format(t, day);
	return json_set(v, name, json_new_string(day, 10));
}

static struct json *row_json(const struct proposal *p, size_t row)
{
	const struct due_group *g = &p->due.group[row];
	const struct series *s = rules_series(p->rules, g->series);
	struct json *v = json_new_object();
	const struct node_info *node;
	char code[CODE_SIZE];
	struct period period;
	uint64_t count;

	node = source_of(p, g, code);
	kept(p, g, &period, &count);
	if (json_set(v, "archive_no", json_new_text("")) &&
		json_set(v, "book", json_new_text("")) &&
		json_set(v, "count", json_new_u64(g->count)) &&
		json_set(v, "destroyed_at", json_new_text("")) &&
		json_set(v, "first_year",
			json_new_u64((uint64_t)g->first_year)) &&
		json_set(v,
			period.unit == PERIOD_DAYS ? "kept_days" : "kept_years",
			json_new_u64(count)) &&
		json_set(v, "label", json_new_text(label_name(g->label))) &&
		json_set(
			v, "last_year", json_new_u64((uint64_t)g->last_year)) &&
		json_set(v, "masked_in", labels_json(derived_in(p, g))) &&
		json_set(v, "name",
			json_new_text(s && s->title ? s->title : g->series)) &&
		json_set(v, "origin", json_new_text(g->origin)) &&
		json_set(v, "period", json_new_text(g->period)) &&
		json_set(v, "seqs", due_ranges_json(g)) &&
		json_set(v, "series", json_new_text(g->series)) &&
		set_day(v, "since", g->since) &&
		json_set(v, "source", json_new_text(node ? node->name : "")) &&
		json_set(v, "volume", json_new_text("")))
		return v;
	json_free(v);
	return NULL;
}

enum err_code proposal_json(
	const struct proposal *p, struct buf *out, struct err *err)
{
	struct json *v = json_new_object(), *rows = json_new_array();
	enum err_code rc = ERR_OK;
	bool made = v && rows;

	for (size_t i = 0; made && i < p->due.count; i++)
		made = json_append(rows, row_json(p, i));
	made = made && set_day(v, "as_of", p->as_of) &&
		json_set(v, "accounts", json_new_bool(p->accounts)) &&
		json_set(v, "count", json_new_u64(p->due.parts)) &&
		json_set(v, "domain", json_new_text(rules_domain(p->rules))) &&
		json_set(v, "node", json_new_text(p->node)) &&
		json_set(v, "reason", json_new_text(p->reason)) &&
		json_set(v, "rules", json_new_u64(rules_serial(p->rules)));
	if (made) {
		made = json_set(v, "rows", rows);
		rows = NULL;
	}
	rc = made ? json_write(v, out, err) : err_nomem(err);
	json_free(rows);
	json_free(v);
	return rc ? rc : buf_ok(out, err);
}

/* ---- the order ---- */

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

static enum err_code add_parts(
	const struct proposal *p, struct order *o, struct err *err)
{
	size_t count = 0, at = 0;
	struct named *n;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < p->due.count; i++)
		count += p->due.group[i].range_count;
	if (!(n = calloc(count + 1, sizeof(*n))))
		return err_nomem(err);
	for (size_t i = 0; i < p->due.count; i++) {
		const struct due_group *g = &p->due.group[i];

		for (size_t k = 0; k < g->range_count; k++)
			n[at++] = (struct named){g->origin, g->label,
				g->range[k].from, g->range[k].to};
	}
	qsort(n, count, sizeof(*n), compare_named);
	for (size_t i = 0; i < count && !rc; i++)
		rc = order_add_part(
			o, n[i].origin, n[i].label, n[i].from, n[i].to, err);
	free(n);
	return rc;
}

enum err_code proposal_order(const struct proposal *p,
	const struct digest *holds, struct order *out, struct err *err)
{
	struct order o = {.part = NULL};
	enum err_code rc =
		order_new(ORDER_ERASE, p->rules, p->node, p->reason, &o, err);

	if (rc == ERR_OK && !(rc = add_parts(p, &o, err))) {
		o.holds = *holds;
		o.has_register = true;
		o.accounts = p->accounts;
		o.not_before = o.made_at +
			(int64_t)rules_waiting_days(p->rules) * DAY_S;
		*out = o;
		return ERR_OK;
	}
	order_free(&o);
	return rc;
}
