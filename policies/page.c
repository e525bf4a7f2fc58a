/* page.c - a series as a page of Markdown, in English or in Chinese.
 *
 * Both languages are written in one run: words.h says why their texts are no
 * messages.
 */
#include "policies/words.h"

#include <stdio.h>
#include <string.h>

struct page {
	struct buf *out;
	const struct series *s;
	enum page_language in;
};

static void put(const struct page *p, const char *const w[PAGE_LANGUAGES])
{
	buf_str(p->out, w[p->in]);
}

static void heading(const struct page *p, const char *const w[PAGE_LANGUAGES])
{
	buf_printf(p->out, "\n## %s\n\n", w[p->in]);
}

/* Text from a file of rules: a bar would end the cell, a tag would begin. */
static void cell(const struct page *p, const char *s)
{
	for (; *s; s++) {
		if (strchr("|<>`*_[]\\", *s))
			buf_u8(p->out, '\\');
		buf_u8(p->out, (uint8_t)*s);
	}
}

/* ---- head ---- */

static void put_direction(const struct page *p)
{
	static const char *const up[PAGE_LANGUAGES] = {
		"- Goes up: village, township, county.\n",
		"- 流向：逐级上报（村、乡镇、县）。\n"};
	static const char *const below[PAGE_LANGUAGES] = {
		"- Goes up; and down to all below, when entered by: ",
		"- 流向：逐级上报；由以下层级录入的，下发至其全部下级："};
	static const char *const node[PAGE_LANGUAGES] = {
		"- Goes up; and down to the one division it is "
		"about, when entered by: ",
		"- 流向：逐级上报；由以下层级录入的，下发至记录所属的区划："};
	static const char *const comma[PAGE_LANGUAGES] = {", ", "、"};
	static const char *const stop[PAGE_LANGUAGES] = {".\n", "。\n"};
	bool first = true;

	if (p->s->direction == DIRECTION_UP) {
		put(p, up);
		return;
	}
	if (p->s->reach == REACH_BELOW)
		put(p, below);
	else
		put(p, node);
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		if (!(p->s->senders & RANK_BIT(r)))
			continue;
		if (!first)
			put(p, comma);
		buf_str(p->out, word_rank((enum rank)r, p->in));
		first = false;
	}
	put(p, stop);
}

static void put_head(const struct page *p)
{
	static const char *const plan[PAGE_LANGUAGES] = {
		"- The plan's words: ", "- 规划依据："};
	static const char *const urgent[PAGE_LANGUAGES] = {
		"- Urgent: sent before everything else.\n",
		"- 紧急：优先传输。\n"};
	static const char *const files[PAGE_LANGUAGES] = {
		"- Attachments: ", "- 附件："};
	static const char *const no_files[PAGE_LANGUAGES] = {
		"none are taken", "不接收"};

	buf_str(p->out, "# ");
	cell(p, p->s->title);
	buf_printf(p->out, " `%s`\n\n", p->s->name);
	put(p, plan);
	cell(p, p->s->plan);
	buf_str(p->out, "\n");
	put_direction(p);
	if (p->s->urgent)
		put(p, urgent);
	put(p, files);
	if (p->s->attachments)
		buf_str(p->out, word_label(p->s->attachments_label, p->in));
	else
		put(p, no_files);
	buf_str(p->out, "\n");
}

/* ---- who may hold what, and how long ---- */

static void put_clearance(const struct page *p)
{
	static const char *const title[PAGE_LANGUAGES] = {
		"Who may hold what", "各级可保存的内容"};
	static const char *const first[PAGE_LANGUAGES] = {"| Rank ", "| 层级 "};
	static const char *const yes[PAGE_LANGUAGES] = {"yes", "可"};
	static const char *const own[PAGE_LANGUAGES] = {
		"The node that captured a record holds all of it.\n",
		"录入记录的节点保存全部内容。\n"};
	static const char *const minors[PAGE_LANGUAGES] = {
		"Where a record tells that somebody is under 18, what is "
		"personal about them counts as sensitive.\n",
		"记录显示当事人未满18周岁的，其个人信息按敏感个人信息处理。\n"};
	static const char *const sealed[PAGE_LANGUAGES] = {
		"Its records are carried up sealed: only people of this role "
		"can open them: ",
		"记录密封后上报，仅下列角色的人员可以开启："};
	bool about_minors = false;

	heading(p, title);
	put(p, first);
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (p->s->labels & LABEL_BIT(l))
			buf_printf(p->out, "| %s ",
				word_label((enum label)l, p->in));
	}
	buf_str(p->out, "|\n|---");
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		buf_str(p->out, p->s->labels & LABEL_BIT(l) ? "|---" : "");
	buf_str(p->out, "|\n");
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		buf_printf(p->out, "| %s ", word_rank((enum rank)r, p->in));
		for (unsigned l = 0; l < LABEL_COUNT; l++) {
			bool may = p->s->clearance[r] & LABEL_BIT(l);

			if (p->s->labels & LABEL_BIT(l))
				buf_printf(p->out, "| %s ",
					may ? yes[p->in] : "–");
		}
		buf_str(p->out, "|\n");
	}
	buf_str(p->out, "\n");
	put(p, own);
	if (p->s->sealed[0]) {
		put(p, sealed);
		buf_printf(p->out, "%s\n", p->s->sealed);
	}
	for (size_t i = 0; i < p->s->field_count; i++)
		about_minors |= p->s->fields[i].minors;
	if (about_minors)
		put(p, minors);
}

static void put_counts(const struct page *p)
{
	static const char *const title[PAGE_LANGUAGES] = {
		"What is counted", "汇总统计"};
	static const char *const month[PAGE_LANGUAGES] = {
		"Each node tells the nodes above once a month how many records "
		"it captured",
		"各节点每月向上级报送一次录入记录的数量"};
	static const char *const by[PAGE_LANGUAGES] = {", by ", "，分项："};
	static const char *const and[PAGE_LANGUAGES] = {" and by ", "、"};
	const struct aggregate_rule *r = &p->s->aggregate;

	if (!r->k)
		return;
	heading(p, title);
	put(p, month);
	for (size_t i = 0; i < r->by_count; i++) {
		put(p, i ? and : by);
		if (r->by[i]->title)
			cell(p, r->by[i]->title);
		buf_printf(p->out, " `%s`", r->by[i]->path);
	}
	buf_printf(p->out,
		p->in == PAGE_ENGLISH ? ". Counts below %u are withheld.\n"
				      : "。低于 %u 的数不公布。\n",
		r->k);
}

static void put_retention(const struct page *p)
{
	static const char *const title[PAGE_LANGUAGES] = {
		"How long it is kept", "保管期限"};
	static const char *const columns[PAGE_LANGUAGES] = {
		"| Label | Period | Counted from | At the end |\n"
		"|---|---|---|---|\n",
		"| 标签 | 期限 | 起算 | 到期 |\n|---|---|---|---|\n"};
	static const char *const made[PAGE_LANGUAGES] = {
		"the record's date", "记录日期"};
	static const char *const itself[PAGE_LANGUAGES] = {
		"goes by itself", "自动清除"};
	static const char *const approved[PAGE_LANGUAGES] = {
		"may be disposed of", "可提请销毁"};

	heading(p, title);
	put(p, columns);
	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		const char *period = p->s->retention[l];

		if (!period)
			continue;
		buf_printf(p->out, "| %s | ", word_label((enum label)l, p->in));
		word_period(period, p->in, p->out);
		buf_str(p->out, " | ");
		if (p->s->anchor[l])
			buf_printf(p->out, "`%s`", p->s->anchor[l]);
		else
			put(p, made);
		buf_printf(p->out, " | %s |\n",
			strcmp(period, "Y") == 0     ? "–"
				: p->s->automatic[l] ? itself[p->in]
						     : approved[p->in]);
	}
}

/* ---- fields ---- */

static void put_type(const struct page *p, const struct field *f)
{
	static const char *const many[PAGE_LANGUAGES] = {"list: ", "列表："};
	static const char *const or [PAGE_LANGUAGES] = {", ", "、"};
	static const char *const colon[PAGE_LANGUAGES] = {": ", "："};
	size_t len = strlen(f->path);

	if (len > 2 && strcmp(f->path + len - 2, "[]") == 0)
		put(p, many);
	buf_str(p->out, word_type(f->type, p->in));
	for (char **c = f->choices; c && *c; c++) {
		put(p, c == f->choices ? colon : or);
		cell(p, *c);
	}
}

static void put_field(const struct page *p, const struct field *f)
{
	static const char *const yes[PAGE_LANGUAGES] = {"yes", "是"};
	static const char *const masked[PAGE_LANGUAGES] = {
		"masked: ", "脱敏值："};
	static const char *const age[PAGE_LANGUAGES] = {
		"tells of minors", "判定未成年人"};

	buf_printf(p->out, "| `%s` | ", f->path);
	cell(p, f->title ? f->title : "");
	buf_str(p->out, " | ");
	put_type(p, f);
	buf_printf(p->out, " | %s | %s | ", f->required ? yes[p->in] : "",
		word_label(f->label, p->in));
	if (f->derive == DERIVE_MASK)
		buf_printf(p->out, "%s%s", masked[p->in],
			word_label(f->derive_label, p->in));
	if (f->derive == DERIVE_MASK && f->minors)
		buf_str(p->out, p->in == PAGE_ENGLISH ? "; " : "；");
	if (f->minors)
		put(p, age);
	buf_str(p->out, " |\n");
}

static void put_fields(const struct page *p)
{
	static const char *const title[PAGE_LANGUAGES] = {"Fields", "字段"};
	static const char *const columns[PAGE_LANGUAGES] = {
		"| Field | Name | Type | Required | Label | Note |\n"
		"|---|---|---|---|---|---|\n",
		"| 字段 | 名称 | 类型 | 必填 | 标签 | 说明 |\n"
		"|---|---|---|---|---|---|\n"};

	heading(p, title);
	put(p, columns);
	for (size_t i = 0; i < p->s->field_count; i++)
		put_field(p, &p->s->fields[i]);
}

/* ---- pages ---- */

void page_name(const struct series *s, enum page_language language,
	char out[PAGE_NAME_SIZE])
{
	snprintf(out, PAGE_NAME_SIZE, "%s%s.md", s ? s->name : "README",
		language == PAGE_CHINESE ? ".zh-CN" : "");
}

static void put_other_language(const struct page *p)
{
	static const char *const other[PAGE_LANGUAGES] = {"中文", "English"};
	char name[PAGE_NAME_SIZE];

	page_name(p->s, p->in == PAGE_ENGLISH ? PAGE_CHINESE : PAGE_ENGLISH,
		name);
	buf_printf(p->out, "\n[%s](%s)\n", other[p->in], name);
}

enum err_code page_write(const struct series *s, enum page_language language,
	struct buf *out, struct err *err)
{
	const struct page p = {.out = out, .s = s, .in = language};

	put_head(&p);
	put_fields(&p);
	put_clearance(&p);
	put_retention(&p);
	put_counts(&p);
	put_other_language(&p);
	return buf_ok(out, err);
}

enum err_code page_write_index(const struct rules *r,
	enum page_language language, struct buf *out, struct err *err)
{
	static const char *const title[PAGE_LANGUAGES] = {
		"# Records of ", "# 记录目录："};
	static const char *const columns[PAGE_LANGUAGES] = {
		"\n\n| Series | Title | The plan's words |\n"
		"|---|---|---|\n",
		"\n\n| 系列 | 名称 | 规划依据 |\n|---|---|---|\n"};
	const struct page p = {.out = out, .in = language};
	char name[PAGE_NAME_SIZE];

	put(&p, title);
	cell(&p, rules_domain(r));
	put(&p, columns);
	for (size_t i = 0; i < rules_series_count(r); i++) {
		const struct series *s = rules_series_at(r, i);

		if (s->system)
			continue;
		page_name(s, language, name);
		buf_printf(out, "| [%s](%s) | ", s->name, name);
		cell(&p, s->title);
		buf_str(out, " | ");
		cell(&p, s->plan);
		buf_str(out, " |\n");
	}
	put_other_language(&p);
	return buf_ok(out, err);
}
