/* differ_people.c - what changes about the domain, its officers, consumers and
 * working days, in words. */
#include "policies/differ.h"

#include <stdio.h>
#include <string.h>

static void arrow(struct differ *d)
{
	differ_text(d, " → ");
}

/* ---- domain.yaml ---- */

static void founded(struct differ *d, const struct rules *b)
{
	size_t enrolled = 0;

	for (size_t i = 0; i < b->node_count; i++)
		enrolled += b->node[i].enrolled;
	differ_put(d, "the domain ", "建立域 ");
	differ_text(d, b->council.domain);
	differ_put(d, " is founded below ", "，根区划 ");
	differ_text(d, b->council.root_name);
	differ_put(d, " (", "（");
	differ_text(d, b->council.root_code);
	differ_put(d, "); divisions: ", "）；区划数 ");
	differ_number(d, b->node_count);
	differ_put(d, ", of them with a node: ", "，其中已有节点 ");
	differ_number(d, enrolled);
	differ_end(d);
}

static void approvals(struct differ *d, const char *english,
	const char *chinese, unsigned a, unsigned b)
{
	if (a == b)
		return;
	differ_put(d, "signatures that ", "签名数，");
	differ_put(d, english, chinese);
	differ_put(d, " needs: ", "：");
	if (a) {
		differ_number(d, a);
		arrow(d);
	}
	differ_number(d, b);
	differ_end(d);
}

static void period(struct differ *d, const char *text)
{
	word_period(text, PAGE_ENGLISH, &d->text[PAGE_ENGLISH]);
	word_period(text, PAGE_CHINESE, &d->text[PAGE_CHINESE]);
	differ_put(d, " (", "（");
	differ_text(d, text);
	differ_put(d, ")", "）");
}

static void kept(struct differ *d, const struct rules *a, const struct rules *b)
{
	const struct series *s;

	for (size_t i = 0; (s = series_system_at(i)); i++) {
		const char *x = rules_kept(a, s->name);
		const char *y = rules_kept(b, s->name);

		if (!strcmp(x, y))
			continue;
		differ_text(d, s->name);
		differ_put(d, " is kept: ", "的保管期限：");
		period(d, x);
		arrow(d);
		period(d, y);
		differ_end(d);
	}
}

static void waiting(
	struct differ *d, const struct council *x, const struct council *y)
{
	if (x->waiting_days == y->waiting_days)
		return;
	differ_put(d, "days between a disposal's order and its carrying out: ",
		"销毁等待天数：");
	if (*x->domain) {
		differ_number(d, x->waiting_days);
		arrow(d);
	}
	differ_number(d, y->waiting_days);
	differ_end(d);
}

void differ_domain(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	const struct council *x = &a->council, *y = &b->council;

	if (a->node_count == 0) {
		founded(d, b);
	} else {
		if (strcmp(x->root_name, y->root_name)) {
			differ_put(d, "the root is renamed", "根区划更名：");
			differ_texts(d, x->root_name, y->root_name);
			differ_end(d);
		}
		if (x->root_rank != y->root_rank) {
			differ_put(d, "rank of the root: ", "根区划的层级：");
			differ_ranks(d, RANK_BIT(x->root_rank));
			arrow(d);
			differ_ranks(d, RANK_BIT(y->root_rank));
			differ_end(d);
		}
	}
	approvals(d, "a change of rules and officers", "规则和官员的变更",
		x->approvals, y->approvals);
	approvals(d, "a change of a roster", "名册的变更", x->roster_approvals,
		y->roster_approvals);
	approvals(d, "a disposal", "销毁", x->disposal, y->disposal);
	approvals(d, "a disposal of accounts", "会计档案的销毁", x->accounts,
		y->accounts);
	approvals(d, "a hold", "冻结", x->hold, y->hold);
	waiting(d, x, y);
	kept(d, a, b);
}

/* ---- officers.yaml ---- */

static void role(struct differ *d, const struct officer *o)
{
	static const char *const chinese[] = {
		[ROLE_GOVERNOR] = "治理员（governor）",
		[ROLE_REGISTRAR] = "登记员（registrar）",
		[ROLE_ARCHIVIST] = "档案员（archivist）",
	};
	enum role r;

	differ_put(d, o->role,
		role_parse(o->role, &r) && r < ARRAY_LEN(chinese) ? chinese[r]
								  : o->role);
}

static void fingerprint(struct differ *d, const struct officer *o)
{
	ssh_public_fingerprint(&o->key, &d->text[PAGE_ENGLISH]);
	ssh_public_fingerprint(&o->key, &d->text[PAGE_CHINESE]);
}

static void until(struct differ *d, const struct officer *o)
{
	if (*o->until)
		differ_text(d, o->until);
	else
		differ_put(d, "no last day", "长期");
}

static void officer_begin(struct differ *d, const char *name)
{
	differ_put(d, "officer ", "官员");
	differ_text(d, name);
}

static void officer_in(struct differ *d, const struct officer *o)
{
	officer_begin(d, o->name);
	differ_put(d, " comes in: ", "加入：");
	role(d, o);
	differ_put(d, " of ", "，辖区 ");
	differ_text(d, o->scope);
	differ_put(d, ", key ", "，密钥 ");
	fingerprint(d, o);
	if (*o->until) {
		differ_put(d, ", until ", "，有效期至 ");
		until(d, o);
	}
	differ_end(d);
}

static void officer_out(struct differ *d, const struct officer *o)
{
	officer_begin(d, o->name);
	differ_put(d, " goes: the key ", "退出：此后该密钥的签名无效，密钥 ");
	fingerprint(d, o);
	differ_put(d, " signs nothing from the next head on", "");
	differ_end(d);
}

static void officer_changed(
	struct differ *d, const struct officer *x, const struct officer *y)
{
	if (strcmp(x->name, y->name)) {
		officer_begin(d, y->name);
		differ_put(d, " is renamed", "更名：");
		differ_texts(d, x->name, y->name);
		differ_end(d);
	}
	if (strcmp(x->role, y->role)) {
		officer_begin(d, y->name);
		differ_put(d, ": role ", "：角色 ");
		role(d, x);
		arrow(d);
		role(d, y);
		differ_end(d);
	}
	if (strcmp(x->scope, y->scope)) {
		officer_begin(d, y->name);
		differ_put(d, ": scope ", "：辖区 ");
		differ_text(d, x->scope);
		arrow(d);
		differ_text(d, y->scope);
		differ_end(d);
	}
	if (!ssh_public_equal(&x->key, &y->key)) {
		officer_begin(d, y->name);
		differ_put(d, ": another key ", "：更换密钥 ");
		fingerprint(d, x);
		arrow(d);
		fingerprint(d, y);
		differ_end(d);
	}
	if (strcmp(x->until, y->until)) {
		officer_begin(d, y->name);
		differ_put(d, ": the key counts until ", "：密钥有效期至 ");
		until(d, x);
		arrow(d);
		until(d, y);
		differ_end(d);
	}
}

static const struct officer *named(const struct council *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->officer[i].name, name))
			return &c->officer[i];
	return NULL;
}

/* By name; by key where the name is not on the other side at all. */
static const struct officer *same_officer(const struct council *c,
	const struct officer *o, const struct council *own)
{
	const struct officer *found = named(c, o->name);

	if (found)
		return found;
	found = council_find(c, &o->key);
	return found && !named(own, found->name) ? found : NULL;
}

void differ_officers(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	const struct council *x = &a->council, *y = &b->council;

	for (size_t i = 0; i < x->count; i++)
		if (!same_officer(y, &x->officer[i], x))
			officer_out(d, &x->officer[i]);
	for (size_t i = 0; i < y->count; i++) {
		const struct officer *o = &y->officer[i];
		const struct officer *old = same_officer(x, o, y);

		if (old)
			officer_changed(d, old, o);
		else
			officer_in(d, o);
	}
}

/* ---- consumers.yaml ---- */

static const struct consumer *consumer_find(
	const struct rules *r, const char *name)
{
	for (size_t i = 0; i < r->consumer_count; i++)
		if (!strcmp(r->consumer[i].name, name))
			return &r->consumer[i];
	return NULL;
}

static void consumer_begin(struct differ *d, const struct consumer *c)
{
	differ_put(d, "consumer ", "上级系统 ");
	differ_text(d, c->name);
}

static void granted(struct differ *d, const struct consumer *c)
{
	bool first = true;

	if (c->series_count == 0)
		differ_put(d, "every series but the system ones",
			"除系统记录外的全部系列");
	for (size_t i = 0; i < c->series_count; i++) {
		differ_comma(d, &first);
		differ_text(d, c->series[i]);
	}
}

static bool has_series(const struct consumer *c, const char *name)
{
	for (size_t i = 0; i < c->series_count; i++)
		if (!strcmp(c->series[i], name))
			return true;
	return false;
}

static bool same_grant(const struct consumer *x, const struct consumer *y)
{
	if (x->series_count != y->series_count)
		return false;
	for (size_t i = 0; i < x->series_count; i++)
		if (!has_series(y, x->series[i]))
			return false;
	return true;
}

static void consumer_added(struct differ *d, const struct consumer *c)
{
	consumer_begin(d, c);
	differ_put(d, " comes in and is granted ", "加入，授权标签：");
	differ_labels(d, c->labels);
	differ_put(d, " of ", "；系列：");
	granted(d, c);
	differ_end(d);
}

static void consumer_changed(
	struct differ *d, const struct consumer *x, const struct consumer *y)
{
	if (x->labels != y->labels) {
		consumer_begin(d, y);
		differ_put(d, ": labels granted: ", "：授权标签：");
		differ_labels(d, x->labels);
		arrow(d);
		differ_labels(d, y->labels);
		differ_end(d);
	}
	if (!same_grant(x, y)) {
		consumer_begin(d, y);
		differ_put(d, ": series granted: ", "：授权系列：");
		granted(d, x);
		arrow(d);
		granted(d, y);
		differ_end(d);
	}
	if (!digest_equal(&x->token, &y->token)) {
		consumer_begin(d, y);
		differ_put(d, ": another token, the one of before is refused",
			"：更换令牌，原令牌失效");
		differ_end(d);
	}
}

void differ_consumers(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	for (size_t i = 0; i < a->consumer_count; i++) {
		const struct consumer *c = &a->consumer[i];

		if (consumer_find(b, c->name))
			continue;
		consumer_begin(d, c);
		differ_put(
			d, " goes: its token is refused", "退出：其令牌失效");
		differ_end(d);
	}
	for (size_t i = 0; i < b->consumer_count; i++) {
		const struct consumer *c = &b->consumer[i];
		const struct consumer *old = consumer_find(a, c->name);

		if (old)
			consumer_changed(d, old, c);
		else
			consumer_added(d, c);
	}
}

/* ---- calendar.yaml ---- */

static void kind(struct differ *d, const struct calendar_day *day)
{
	if (!day)
		differ_put(d, "as the weekday says", "按星期");
	else if (day->workday)
		differ_put(d, "a working day", "工作日");
	else
		differ_put(d, "a holiday", "休息日");
}

static void day_changed(struct differ *d, const struct calendar_day *x,
	const struct calendar_day *y)
{
	if (x && y && x->workday == y->workday)
		return;
	differ_text(d, y ? y->date : x->date);
	differ_put(d, ": ", "：");
	kind(d, x);
	arrow(d);
	kind(d, y);
	differ_end(d);
}

/* Both ascend. */
void differ_calendar(
	struct differ *d, const struct rules *a, const struct rules *b)
{
	size_t i = 0, j = 0;

	while (i < a->day_count || j < b->day_count) {
		const struct calendar_day *x =
			i < a->day_count ? &a->day[i] : NULL;
		const struct calendar_day *y =
			j < b->day_count ? &b->day[j] : NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->date, y->date);

		i += order <= 0;
		j += order >= 0;
		day_changed(d, order <= 0 ? x : NULL, order >= 0 ? y : NULL);
	}
}
