/* differ_series.c - what changes about a kind of record, in words. */
#include "policies/differ.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* "complaint (投诉): " */
static void subject(struct differ *d, const struct series *s)
{
	if (s->title) {
		differ_put(d, s->name, s->title);
		differ_put(d, " (", "（");
		differ_put(d, s->title, s->name);
		differ_put(d, "): ", "）：");
	} else {
		differ_text(d, s->name);
		differ_put(d, ": ", "：");
	}
}

static void field_name(
	struct differ *d, const struct field *f, const char *behind)
{
	if (f->title) {
		buf_printf(&d->text[PAGE_ENGLISH], "%s%s (%s)", f->path, behind,
			f->title);
		buf_printf(&d->text[PAGE_CHINESE], "%s（%s%s）", f->title,
			f->path, behind);
		return;
	}
	differ_text(d, f->path);
	differ_text(d, behind);
}

static void label(struct differ *d, enum label l)
{
	differ_labels(d, LABEL_BIT(l));
}

static void arrow(struct differ *d)
{
	differ_text(d, " → ");
}

static void yes_no(struct differ *d, bool yes)
{
	differ_put(d, yes ? "yes" : "no", yes ? "是" : "否");
}

/* ---- clearance ---- */

/* All that bears a label. */
static void fields_of(struct differ *d, const struct series *s, enum label l)
{
	bool first = true;

	for (size_t i = 0; i < s->field_count; i++) {
		const struct field *f = &s->fields[i];

		if (f->label == l) {
			differ_comma(d, &first);
			field_name(d, f, "");
		}
		if (f->derive != DERIVE_NONE && f->derive_label == l) {
			differ_comma(d, &first);
			field_name(d, f, "_masked");
		}
	}
	if (s->attachments && s->attachments_label == l) {
		differ_comma(d, &first);
		differ_put(d, "the attachments", "附件");
	}
	if (first)
		differ_put(d, "no field has it now", "目前没有字段使用");
}

static void sees(struct differ *d, const struct series *s, enum rank r,
	enum label l, const char *english, const char *chinese)
{
	subject(d, s);
	differ_ranks(d, RANK_BIT(r));
	differ_put(d, english, chinese);
	label(d, l);
	differ_put(d, ": ", "：");
	fields_of(d, s, l);
	differ_end(d);
}

static void clearance(
	struct differ *d, const struct series *a, const struct series *b)
{
	for (unsigned r = 0; r < RANK_COUNT; r++)
		for (unsigned l = 0; l < LABEL_COUNT; l++) {
			bool before = a->clearance[r] & LABEL_BIT(l);
			bool after = b->clearance[r] & LABEL_BIT(l);

			if (before && !after)
				sees(d, a, (enum rank)r, (enum label)l,
					" no longer sees ", "不再看到");
			if (!before && after)
				sees(d, b, (enum rank)r, (enum label)l,
					" comes to see ", "可以看到");
		}
}

static uint8_t seen_by(const struct series *s, enum label l)
{
	uint8_t ranks = 0;

	for (unsigned r = 0; r < RANK_COUNT; r++)
		if (s->clearance[r] & LABEL_BIT(l))
			ranks |= RANK_BIT(r);
	return ranks;
}

/* ---- fields ---- */

static const struct field *field_find(const struct series *s, const char *path)
{
	for (size_t i = 0; i < s->field_count; i++)
		if (!strcmp(s->fields[i].path, path))
			return &s->fields[i];
	return NULL;
}

static void field_begin(
	struct differ *d, const struct series *s, const struct field *f)
{
	subject(d, s);
	differ_put(d, "field ", "字段");
	field_name(d, f, "");
}

static void type(struct differ *d, const struct field *f)
{
	differ_put(d, word_type(f->type, PAGE_ENGLISH),
		word_type(f->type, PAGE_CHINESE));
}

static void field_added(
	struct differ *d, const struct series *s, const struct field *f)
{
	field_begin(d, s, f);
	differ_put(d, " is added: ", "新增：");
	type(d, f);
	differ_put(d, ", ", "，");
	label(d, f->label);
	if (f->required)
		differ_put(d, ", required", "，必填");
	differ_put(d, "; seen by the node that captures it and by ",
		"；除录入节点外，可看到的层级：");
	differ_ranks(d, seen_by(s, f->label));
	differ_end(d);
}

static void field_removed(
	struct differ *d, const struct series *s, const struct field *f)
{
	field_begin(d, s, f);
	differ_put(d, " is taken out: documents with it are refused",
		"删除：含有此字段的文档将被拒收");
	differ_end(d);
}

static void moved(struct differ *d, uint8_t before, uint8_t after)
{
	uint8_t more = after & (uint8_t)~before;
	uint8_t less = before & (uint8_t)~after;

	if (more) {
		differ_put(d, "; now seen by ", "；新增可看到的层级：");
		differ_ranks(d, more);
	}
	if (less) {
		differ_put(d, "; no longer seen by ", "；不再看到的层级：");
		differ_ranks(d, less);
	}
}

static void field_label(struct differ *d, const struct series *a,
	const struct series *b, const struct field *x, const struct field *y)
{
	field_begin(d, b, y);
	differ_put(d, ": label ", "：标签");
	label(d, x->label);
	arrow(d);
	label(d, y->label);
	moved(d, seen_by(a, x->label), seen_by(b, y->label));
	differ_end(d);
}

static void derived(struct differ *d, const struct field *f)
{
	if (f->derive == DERIVE_NONE)
		differ_put(d, "none", "无");
	else
		label(d, f->derive_label);
}

static void field_derive(struct differ *d, const struct series *a,
	const struct series *b, const struct field *x, const struct field *y)
{
	field_begin(d, b, y);
	differ_put(d, ": masked value ", "：脱敏值");
	derived(d, x);
	arrow(d);
	derived(d, y);
	moved(d, x->derive ? seen_by(a, x->derive_label) : 0,
		y->derive ? seen_by(b, y->derive_label) : 0);
	differ_end(d);
}

static bool has_choice(const struct field *f, const char *choice)
{
	for (char **c = f->choices; c && *c; c++)
		if (!strcmp(*c, choice))
			return true;
	return false;
}

/* The choices of `y` that `x` does not have. */
static void new_choices(struct differ *d, const struct series *s,
	const struct field *x, const struct field *y, const char *english,
	const char *chinese)
{
	bool first = true;

	for (char **c = y->choices; c && *c; c++) {
		if (has_choice(x, *c))
			continue;
		if (first) {
			field_begin(d, s, y);
			differ_put(d, english, chinese);
		}
		differ_comma(d, &first);
		differ_text(d, *c);
	}
	if (!first)
		differ_end(d);
}

static void field_bool(struct differ *d, const struct series *s,
	const struct field *f, const char *english, const char *chinese,
	bool now)
{
	field_begin(d, s, f);
	differ_put(d, english, chinese);
	yes_no(d, !now);
	arrow(d);
	yes_no(d, now);
	differ_end(d);
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static void field_changed(struct differ *d, const struct series *a,
	const struct series *b, const struct field *x, const struct field *y)
{
	if (x->type != y->type) {
		field_begin(d, b, y);
		differ_put(d, ": type ", "：类型");
		type(d, x);
		arrow(d);
		type(d, y);
		differ_end(d);
	}
	if (x->label != y->label)
		field_label(d, a, b, x, y);
	if (x->required != y->required)
		field_bool(d, b, y, ": required ", "：必填", y->required);
	if (x->minors != y->minors)
		field_bool(d, b, y, ": tells of minors ", "：判定未成年人",
			y->minors);
	if (x->derive != y->derive ||
		(x->derive && x->derive_label != y->derive_label))
		field_derive(d, a, b, x, y);
	new_choices(d, b, x, y, ": new choices: ", "：新增选项：");
	new_choices(d, b, y, x, ": choices taken out: ", "：删除选项：");
	if (!same_text(x->title, y->title)) {
		field_begin(d, b, y);
		differ_put(d, " is renamed", "更名：");
		differ_texts(
			d, x->title ? x->title : "", y->title ? y->title : "");
		differ_end(d);
	}
}

static void fields(
	struct differ *d, const struct series *a, const struct series *b)
{
	for (size_t i = 0; i < a->field_count; i++)
		if (!field_find(b, a->fields[i].path))
			field_removed(d, b, &a->fields[i]);
	for (size_t i = 0; i < b->field_count; i++) {
		const struct field *f = &b->fields[i];
		const struct field *old = field_find(a, f->path);

		if (old)
			field_changed(d, a, b, old, f);
		else
			field_added(d, b, f);
	}
}

/* ---- retention ---- */

static unsigned days(const struct period *p)
{
	if (p->unit == PERIOD_FOREVER)
		return UINT_MAX;
	return p->unit == PERIOD_DAYS ? p->count : p->count * 365 + 1;
}

static void period(struct differ *d, const char *text)
{
	if (!text) {
		differ_put(d, "none", "无");
		return;
	}
	word_period(text, PAGE_ENGLISH, &d->text[PAGE_ENGLISH]);
	word_period(text, PAGE_CHINESE, &d->text[PAGE_CHINESE]);
	differ_put(d, " (", "（");
	differ_text(d, text);
	differ_put(d, ")", "）");
}

static void period_changed(struct differ *d, const struct series *s,
	enum label l, const char *a, const char *b)
{
	struct period x, y;

	subject(d, s);
	differ_put(d, "period of ", "保管期限，");
	label(d, l);
	differ_put(d, ": ", "：");
	period(d, a);
	arrow(d);
	period(d, b);
	if (a && b && period_parse(a, &x) && period_parse(b, &y)) {
		if (days(&y) > days(&x))
			differ_put(d, ", longer", "，延长");
		if (days(&y) < days(&x))
			differ_put(d,
				", shorter: what was captured under the "
				"longer one keeps it",
				"，缩短：此前录入的记录仍适用较长的期限");
	}
	differ_end(d);
}

static void anchor(struct differ *d, const char *path)
{
	if (path)
		differ_text(d, path);
	else
		differ_put(d, "the record's date", "记录日期");
}

static void retention(
	struct differ *d, const struct series *a, const struct series *b)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		enum label l = (enum label)i;

		if (!same_text(a->retention[i], b->retention[i]))
			period_changed(
				d, b, l, a->retention[i], b->retention[i]);
		if (a->retention[i] && b->retention[i] &&
			!same_text(a->anchor[i], b->anchor[i])) {
			subject(d, b);
			differ_put(d, "period of ", "保管期限，");
			label(d, l);
			differ_put(d, " is counted from: ", "，起算：");
			anchor(d, a->anchor[i]);
			arrow(d);
			anchor(d, b->anchor[i]);
			differ_end(d);
		}
		if (a->automatic[i] != b->automatic[i] && b->retention[i]) {
			subject(d, b);
			label(d, l);
			differ_put(d, " goes by itself at the end: ",
				"到期自动清除：");
			yes_no(d, a->automatic[i]);
			arrow(d);
			yes_no(d, b->automatic[i]);
			differ_end(d);
		}
	}
}

/* ---- where it goes ---- */

static void way(struct differ *d, const struct series *s)
{
	if (s->direction == DIRECTION_UP) {
		differ_put(d, "up", "上报");
		return;
	}
	if (s->reach == REACH_BELOW)
		differ_put(d, "up, and down to all below from ",
			"上报，并由以下层级下发至全部下级：");
	else
		differ_put(d, "up, and down to the division it is about from ",
			"上报，并由以下层级下发至记录所属区划：");
	differ_ranks(d, s->senders);
}

static bool same_way(const struct series *a, const struct series *b)
{
	if (a->direction != b->direction)
		return false;
	return a->direction == DIRECTION_UP ||
		(a->reach == b->reach && a->senders == b->senders);
}

static void files(struct differ *d, const struct series *s)
{
	if (s->attachments)
		label(d, s->attachments_label);
	else
		differ_put(d, "none are taken", "不接收");
}

static void sealed(struct differ *d, const struct series *s)
{
	if (s->sealed[0]) {
		differ_put(d, "for the role ", "交由角色开启 ");
		differ_text(d, s->sealed);
	} else {
		differ_put(d, "no", "否");
	}
}

/* ---- counts ---- */

static void counts(struct differ *d, const struct series *s)
{
	const struct aggregate_rule *r = &s->aggregate;

	if (!r->k) {
		differ_put(d, "none are made", "不统计");
		return;
	}
	differ_put(d, "by month", "按月");
	for (size_t i = 0; i < r->by_count; i++) {
		differ_put(d, " and ", "、");
		field_name(d, r->by[i], "");
	}
	differ_put(d, ", those below ", "，低于 ");
	differ_number(d, r->k);
	differ_put(d, " withheld", " 的数不公布");
}

static bool same_counts(const struct series *a, const struct series *b)
{
	const struct aggregate_rule *x = &a->aggregate, *y = &b->aggregate;

	if (x->k != y->k || x->by_count != y->by_count)
		return false;
	for (size_t i = 0; i < x->by_count; i++)
		if (strcmp(x->by[i]->path, y->by[i]->path))
			return false;
	return true;
}

static void head(
	struct differ *d, const struct series *a, const struct series *b)
{
	if (!same_text(a->title, b->title)) {
		subject(d, b);
		differ_put(d, "its title changes", "名称");
		differ_texts(d, a->title, b->title);
		differ_end(d);
	}
	if (!same_text(a->plan, b->plan)) {
		subject(d, b);
		differ_put(d, "the plan's words change", "规划依据");
		differ_texts(d, a->plan, b->plan);
		differ_end(d);
	}
	if (!same_way(a, b)) {
		subject(d, b);
		differ_put(d, "goes ", "流向：");
		way(d, a);
		arrow(d);
		way(d, b);
		differ_end(d);
	}
	if (a->urgent != b->urgent) {
		subject(d, b);
		differ_put(d, "urgent ", "紧急：");
		yes_no(d, a->urgent);
		arrow(d);
		yes_no(d, b->urgent);
		differ_end(d);
	}
	if (a->accounts != b->accounts) {
		subject(d, b);
		differ_put(d, "holds accounts: ", "会计资料：");
		yes_no(d, a->accounts);
		arrow(d);
		yes_no(d, b->accounts);
		differ_end(d);
	}
	if (strcmp(a->sealed, b->sealed)) {
		subject(d, b);
		differ_put(d, "sealed: ", "密封：");
		sealed(d, a);
		arrow(d);
		sealed(d, b);
		differ_end(d);
	}
	if (!same_counts(a, b)) {
		subject(d, b);
		differ_put(d, "counts told upwards: ", "向上汇总的统计：");
		counts(d, a);
		arrow(d);
		counts(d, b);
		differ_end(d);
	}
	if (a->attachments != b->attachments ||
		(a->attachments &&
			a->attachments_label != b->attachments_label)) {
		subject(d, b);
		differ_put(d, "attachments: ", "附件：");
		files(d, a);
		arrow(d);
		files(d, b);
		moved(d, a->attachments ? seen_by(a, a->attachments_label) : 0,
			b->attachments ? seen_by(b, b->attachments_label) : 0);
		differ_end(d);
	}
}

/* ---- whole series ---- */

static void series_added(struct differ *d, const struct series *s)
{
	subject(d, s);
	differ_put(d, "is added, with ", "新增，字段数 ");
	differ_number(d, s->field_count);
	differ_put(d, " fields", "");
	if (s->sealed[0]) {
		differ_put(d, "; sealed: ", "；密封：");
		sealed(d, s);
	}
	if (s->aggregate.k) {
		differ_put(d, "; counts told upwards: ", "；向上汇总的统计：");
		counts(d, s);
	}
	for (unsigned r = 0; r < RANK_COUNT; r++) {
		differ_put(d, "; ", "；");
		differ_ranks(d, RANK_BIT(r));
		differ_put(d, " sees ", "可看到：");
		differ_labels(d, s->clearance[r]);
	}
	differ_end(d);
}

static void series_removed(struct differ *d, const struct series *s)
{
	subject(d, s);
	differ_put(d,
		"is taken out: nothing more of it is captured, what is there "
		"stays",
		"删除：不再录入，已有记录保留");
	differ_end(d);
}

static void series_changed(
	struct differ *d, const struct series *a, const struct series *b)
{
	head(d, a, b);
	clearance(d, a, b);
	fields(d, a, b);
	retention(d, a, b);
}

static void set_file(struct differ *d, const struct series *s)
{
	snprintf(d->file, sizeof(d->file), "series/%s.yaml", s->name);
}

void differ_series(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	for (size_t i = 0; i < rules_series_count(a); i++) {
		const struct series *s = rules_series_at(a, i);

		if (s->system || rules_series(b, s->name))
			continue;
		set_file(d, s);
		series_removed(d, s);
	}
	for (size_t i = 0; i < rules_series_count(b); i++) {
		const struct series *s = rules_series_at(b, i);
		const struct series *old;

		if (s->system)
			continue;
		set_file(d, s);
		if ((old = rules_series(a, s->name)))
			series_changed(d, old, s);
		else
			series_added(d, s);
	}
}
