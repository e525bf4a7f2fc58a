/* differ_roster.c - what changes about divisions and their nodes, in words. */
#include "policies/differ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The children of all files that differ. */
struct children {
	struct roster_child *child;
	size_t count;
};

static enum err_code add_file(const struct fileset *fs,
	const struct gov_file *f, const char *parent, struct children *all,
	struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct roster r = {NULL, 0};
	struct roster_child *more;
	enum err_code rc;

	if ((rc = fileset_read(fs, f, &text, err)) ||
		(rc = roster_load(
			 f->path, parent, text.data, text.len, &r, err)))
		goto out;
	more = reallocarray(
		all->child, all->count + r.count + 1, sizeof(*more));
	if (!more) {
		rc = err_nomem(err);
		goto out;
	}
	all->child = more;
	memcpy(more + all->count, r.child, r.count * sizeof(*more));
	all->count += r.count;
out:
	roster_free(&r);
	buf_free(&text);
	return rc;
}

static int by_code(const void *a, const void *b)
{
	const struct roster_child *x = a, *y = b;

	return strcmp(x->info.code, y->info.code);
}

static enum err_code gather(const struct fileset *fs,
	const struct fileset *other, struct children *all, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < fs->count; i++) {
		const struct gov_file *f = &fs->file[i];
		const struct gov_file *o = fileset_find(other, f->path);
		char parent[CODE_SIZE];

		if (roster_path_parse(f->path, parent) &&
			(!o || !digest_equal(&o->digest, &f->digest)))
			rc = add_file(fs, f, parent, all, err);
	}
	if (all->count)
		qsort(all->child, all->count, sizeof(*all->child), by_code);
	return rc;
}

/* ---- one division ---- */

static void begin(struct differ *d, const struct node_info *n)
{
	differ_text(d, n->name);
	differ_put(d, " (", "（");
	differ_text(d, n->code);
	differ_put(d, ")", "）");
}

static void log_key(struct differ *d, const struct node_info *n)
{
	char text[BASE64_SIZE(SIGN_PUBLIC_SIZE)];

	base64_encode(n->log.b, SIGN_PUBLIC_SIZE, text);
	differ_text(d, text);
}

static void below(struct differ *d, const struct rules *r, const char *parent)
{
	const struct node_info *p = *parent ? rules_node(r, parent) : NULL;

	if (p)
		begin(d, p);
	else
		differ_text(d, *parent ? parent : "-");
}

static void admitted(struct differ *d, const struct node_info *n)
{
	begin(d, n);
	differ_put(d, ": its node is admitted, with the log key ",
		"：准入节点，日志公钥 ");
	log_key(d, n);
	differ_end(d);
}

static void retirement(
	struct differ *d, const struct rules *r, const struct node_info *n)
{
	begin(d, n);
	if (!n->retired[0]) {
		differ_put(d, " is in service again", "恢复使用");
	} else {
		differ_put(d, " is retired since ", "停用，日期 ");
		differ_text(d, n->retired);
		differ_put(d, ", its successor is ", "，承接者：");
		below(d, r, n->successor);
	}
	differ_end(d);
}

static void added(
	struct differ *d, const struct rules *r, const struct node_info *n)
{
	begin(d, n);
	differ_put(d, " is added, a ", "新增，层级 ");
	differ_ranks(d, RANK_BIT(n->rank));
	differ_put(d, " below ", "，上级 ");
	below(d, r, n->parent);
	differ_end(d);
	if (n->enrolled)
		admitted(d, n);
	if (n->retired[0])
		retirement(d, r, n);
}

static void removed(struct differ *d, const struct node_info *n)
{
	begin(d, n);
	differ_put(d, " is abolished", "撤销");
	if (n->enrolled)
		differ_put(d, ": the keys of its node count no more",
			"：其节点的密钥不再有效");
	differ_end(d);
}

static bool same_key(const struct sign_public *a, const struct sign_public *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

static void key_name(struct differ *d, bool changed, const char *name,
	const char *chinese, bool *first)
{
	if (!changed)
		return;
	if (*first)
		differ_put(d, ": other keys: ", "：更换密钥：");
	differ_comma(d, first);
	differ_put(d, name, chinese);
}

static void keys(struct differ *d, const struct roster_child *x,
	const struct roster_child *y)
{
	const struct node_info *a = &x->info, *b = &y->info;
	bool seal = memcmp(x->seal, y->seal, sizeof(x->seal)) != 0;
	bool first = true;

	if (same_key(&a->log, &b->log) && same_key(&a->tls, &b->tls) &&
		same_key(&a->witness, &b->witness) && !seal)
		return;
	begin(d, b);
	key_name(d, !same_key(&a->log, &b->log), "log", "日志", &first);
	key_name(d, !same_key(&a->witness, &b->witness), "witness", "见证",
		&first);
	key_name(d, !same_key(&a->tls, &b->tls), "TLS", "传输", &first);
	key_name(d, seal, "seal", "封装", &first);
	if (!same_key(&a->log, &b->log)) {
		differ_put(d, "; the log key is now ", "；日志公钥现为 ");
		log_key(d, b);
	}
	differ_end(d);
}

static void enrolment(struct differ *d, const struct roster_child *x,
	const struct roster_child *y)
{
	const struct node_info *a = &x->info, *b = &y->info;

	if (!a->enrolled && b->enrolled) {
		admitted(d, b);
	} else if (a->enrolled && !b->enrolled) {
		begin(d, b);
		differ_put(d, ": its node is retired, its keys count no more",
			"：节点注销，其密钥不再有效");
		differ_end(d);
	} else if (b->enrolled) {
		keys(d, x, y);
	}
	if (!former_equal(a, b)) {
		begin(d, b);
		differ_put(d, ": former keys: ", "：曾用公钥数：");
		differ_number(d, a->former_count);
		differ_text(d, " → ");
		differ_number(d, b->former_count);
		differ_end(d);
	}
}

static void changed(struct differ *d, const struct rules *r,
	const struct roster_child *x, const struct roster_child *y)
{
	const struct node_info *a = &x->info, *b = &y->info;

	if (strcmp(a->name, b->name)) {
		begin(d, b);
		differ_put(d, " is renamed", "更名：");
		differ_texts(d, a->name, b->name);
		differ_end(d);
	}
	if (a->rank != b->rank) {
		begin(d, b);
		differ_put(d, ": rank ", "：层级 ");
		differ_ranks(d, RANK_BIT(a->rank));
		differ_text(d, " → ");
		differ_ranks(d, RANK_BIT(b->rank));
		differ_end(d);
	}
	if (strcmp(a->parent, b->parent)) {
		begin(d, b);
		differ_put(d, ": now below ", "：上级改为 ");
		below(d, r, b->parent);
		differ_end(d);
	}
	if (strcmp(a->address, b->address)) {
		begin(d, b);
		differ_put(d, ": its address changes", "：地址");
		differ_texts(d, a->address, b->address);
		differ_end(d);
	}
	if (strcmp(a->retired, b->retired) ||
		strcmp(a->successor, b->successor))
		retirement(d, r, b);
	enrolment(d, x, y);
}

static void set_file(struct differ *d, const char *parent)
{
	roster_path(parent, d->file, sizeof(d->file));
}

static void walk(struct differ *d, const struct children *a,
	const struct children *b, const struct rules *rules)
{
	size_t i = 0, j = 0;

	while (d->rc == ERR_OK && (i < a->count || j < b->count)) {
		const struct roster_child *x =
			i < a->count ? &a->child[i] : NULL;
		const struct roster_child *y =
			j < b->count ? &b->child[j] : NULL;
		int order = !x ? 1 : !y ? -1 : by_code(x, y);

		i += order <= 0;
		j += order >= 0;
		set_file(d, order < 0 ? x->info.parent : y->info.parent);
		if (order < 0)
			removed(d, &x->info);
		else if (order > 0)
			added(d, rules, &y->info);
		else if (!roster_child_equal(x, y))
			changed(d, rules, x, y);
	}
}

void differ_rosters(struct differ *d, const struct fileset *a,
	const struct fileset *b, const struct rules *rules)
{
	struct children x = {NULL, 0}, y = {NULL, 0};

	if (d->rc == ERR_OK)
		d->rc = gather(a, b, &x, d->err);
	if (d->rc == ERR_OK)
		d->rc = gather(b, a, &y, d->err);
	if (d->rc == ERR_OK)
		walk(d, &x, &y, rules);
	free(x.child);
	free(y.child);
}
