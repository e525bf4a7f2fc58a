/* difference.c - `cundang governance diff`: the difference of two heads. */
#include "cli/difference.h"

#include <string.h>

struct printing {
	FILE *f;
	enum page_language in;
	size_t count;
};

static enum err_code print_line(
	void *arg, const struct difference_line *line, struct err *err)
{
	struct printing *p = arg;
	const char *text = line->text[p->in];

	(void)err;
	fputs("  ", p->f);
	out_plain(p->f, text, strlen(text));
	fputs(" [", p->f);
	out_plain(p->f, line->file, strlen(line->file));
	fputs("]\n", p->f);
	p->count++;
	return ERR_OK;
}

enum err_code difference_print(FILE *f, const struct version *a,
	const struct version *b, struct err *err)
{
	struct printing p = {.f = f,
		.in = locale_wants_chinese() ? PAGE_CHINESE : PAGE_ENGLISH};
	enum err_code rc = difference_each(a, b, print_line, &p, err);

	if (rc == ERR_OK && p.count == 0)
		fprintf(f, "  %s\n", _("Nothing changes."));
	return rc;
}

static enum err_code add_line(
	void *arg, const struct difference_line *line, struct err *err)
{
	struct json *v = json_new_object();

	if (json_set(v, "file", json_new_text(line->file)) &&
		json_set(v, "en", json_new_text(line->text[PAGE_ENGLISH])) &&
		json_set(v, "zh", json_new_text(line->text[PAGE_CHINESE])))
		return json_append(arg, v) ? ERR_OK : err_nomem(err);
	json_free(v);
	return err_nomem(err);
}

enum err_code difference_json(const struct version *a, const struct version *b,
	struct json **out, struct err *err)
{
	struct json *list = json_new_array();
	enum err_code rc = list ? difference_each(a, b, add_line, list, err)
				: err_nomem(err);

	if (rc)
		json_free(list);
	else
		*out = list;
	return rc;
}

/* Before the first head there is nothing: *out stays NULL. */
static enum err_code open_newest(
	struct governance *g, struct version **out, struct err *err)
{
	enum err_code rc = version_open(g, EDITION_HEAD, 0, out, err);

	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_code difference_open(struct governance *g, struct version **head,
	struct version **proposal, struct err *err)
{
	enum err_code rc = open_newest(g, head, err);

	return rc ? rc : version_open(g, EDITION_PROPOSAL, 0, proposal, err);
}

/* ---- governance diff ---- */

/* "main", "proposal", or a serial. */
static enum err_code open_named(struct governance *g, const char *name,
	struct version **out, struct err *err)
{
	uint64_t serial = 0;

	if (!strcmp(name, "main"))
		return version_open(g, EDITION_MAIN, 0, out, err);
	if (!strcmp(name, "proposal"))
		return version_open(g, EDITION_PROPOSAL, 0, out, err);
	if (!number_parse(name, strlen(name), UINT64_MAX, &serial) || !serial)
		return err_set(err, ERR_USAGE,
			"%s is neither the number of a head nor main or "
			"proposal",
			name);
	return version_open(g, EDITION_HEAD, serial, out, err);
}

static enum err_code tell(struct cli *c, const struct version *a,
	const struct version *b, struct err *err)
{
	struct json *v, *changes = NULL;
	enum err_code rc;

	if (!c->json)
		return difference_print(stdout, a, b, err);
	if ((rc = difference_json(a, b, &changes, err)))
		return rc;
	v = json_new_object();
	if (!json_set(v, "changes", changes)) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

/* ---- what is stored here ---- */

/* By enum rank. */
static const char *const ranks[] = {
	N_("village"), N_("township"), N_("county")};

static void print_seen(const struct effect_seen *s)
{
	char n[COUNT_TEXT_SIZE], w[COUNT_TEXT_SIZE];
	uint8_t labels = s->more | s->less;

	printf("  ");
	if (s->more)
		printf(_("%s: %s records here, captured when it was as wide, "
			 "come to be seen more of by the rank %s:"),
			s->series, out_count(s->records, n), _(ranks[s->rank]));
	else
		printf(_("%s: %s records here come to be seen less of by the "
			 "rank %s:"),
			s->series, out_count(s->records, n), _(ranks[s->rank]));
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		if (labels & LABEL_BIT(i))
			printf(" %s", out_label(label_name((enum label)i)));
	putchar('\n');
	printf(s->more ? _("    %s of them are still to be sent, and go with "
			   "it; what was sent is not sent again\n")
		       : _("    %s of them are still to be sent, and go "
			   "without it; what was sent stays there\n"),
		out_count(s->waiting, w));
}

static void print_effect(const struct effect *e)
{
	char n[COUNT_TEXT_SIZE], m[COUNT_TEXT_SIZE];

	puts(_("What it does to what is stored here:"));
	puts(_("  (A wider clearance is for what is captured under it: what is "
	       "here and was withheld at its capture stays withheld.)"));
	for (size_t i = 0; i < e->seen_count; i++)
		print_seen(&e->seen[i]);
	for (size_t i = 0; i < e->due_count; i++)
		printf(_("  %s, %s: %s parts may be destroyed by now, instead "
			 "of %s\n"),
			e->due[i].series,
			out_label(label_name(e->due[i].label)),
			out_count(e->due[i].after, n),
			out_count(e->due[i].before, m));
	if (!e->clock)
		puts(_("  No node above has told the time yet: what may be "
		       "destroyed is not counted."));
	for (size_t i = 0; i < e->unfit_count; i++) {
		printf(_("  %s: %s documents of this node would be refused as "
			 "they are, when they are put again: "),
			e->unfit[i].series,
			out_count(e->unfit[i].documents, n));
		out_reason(stdout, e->unfit[i].why);
		putchar('\n');
	}
	if (!e->seen_count && !e->due_count && !e->unfit_count)
		printf("  %s\n", _("Nothing changes."));
}

static bool add_seen(struct json *list, const struct effect_seen *s)
{
	struct json *v = json_new_object();

	if (json_set(v, "less", labels_json(s->less)) &&
		json_set(v, "more", labels_json(s->more)) &&
		json_set(v, "rank", json_new_text(rank_name(s->rank))) &&
		json_set(v, "records", json_new_u64(s->records)) &&
		json_set(v, "series", json_new_text(s->series)) &&
		json_set(v, "waiting", json_new_u64(s->waiting)))
		return json_append(list, v);
	json_free(v);
	return false;
}

static bool add_due(struct json *list, const struct effect_due *d)
{
	struct json *v = json_new_object();

	if (json_set(v, "after", json_new_u64(d->after)) &&
		json_set(v, "before", json_new_u64(d->before)) &&
		json_set(v, "label", json_new_text(label_name(d->label))) &&
		json_set(v, "series", json_new_text(d->series)))
		return json_append(list, v);
	json_free(v);
	return false;
}

static bool add_unfit(struct json *list, const struct effect_unfit *u)
{
	struct json *v = json_new_object();

	if (json_set(v, "documents", json_new_u64(u->documents)) &&
		json_set(v, "series", json_new_text(u->series)) &&
		json_set(v, "why", json_new_text(u->why)))
		return json_append(list, v);
	json_free(v);
	return false;
}

static struct json *effect_json(const struct effect *e)
{
	struct json *v = json_new_object();
	struct json *seen = json_new_array(), *due = json_new_array();
	struct json *unfit = json_new_array();
	bool well = v && seen && due && unfit;

	for (size_t i = 0; well && i < e->seen_count; i++)
		well = add_seen(seen, &e->seen[i]);
	for (size_t i = 0; well && i < e->due_count; i++)
		well = add_due(due, &e->due[i]);
	for (size_t i = 0; well && i < e->unfit_count; i++)
		well = add_unfit(unfit, &e->unfit[i]);
	if (well && json_set(v, "clock", json_new_bool(e->clock))) {
		well = json_set(v, "due", due);
		well = json_set(v, "seen", seen) && well;
		if (json_set(v, "unfit", unfit) && well)
			return v;
	} else {
		json_free(seen);
		json_free(due);
		json_free(unfit);
	}
	json_free(v);
	return NULL;
}

static enum err_code count_here(struct cli *c, const struct version *from,
	const struct version *to, struct effect *out, struct err *err)
{
	struct node *n = NULL;
	enum err_code rc;

	if (!from)
		return err_set(
			err, ERR_NOT_FOUND, "no governance head is final");
	if ((rc = open_reader(c, &n, err)) == ERR_OK)
		rc = effect_find(
			n, version_rules(from), version_rules(to), out, err);
	node_close(n);
	return rc;
}

static enum err_code tell_here(struct cli *c, const struct version *from,
	const struct version *to, struct err *err)
{
	struct effect e = {.seen_count = 0};
	struct json *v, *changes = NULL;
	enum err_code rc;

	if ((rc = count_here(c, from, to, &e, err)))
		return rc;
	if (!c->json) {
		rc = difference_print(stdout, from, to, err);
		print_effect(&e);
	} else if ((rc = difference_json(from, to, &changes, err)) == ERR_OK) {
		v = json_new_object();
		if (!json_set(v, "changes", changes) ||
			!json_set(v, "here", effect_json(&e))) {
			json_free(v);
			v = NULL;
		}
		rc = out_json(v, err);
	}
	effect_free(&e);
	return rc;
}

static enum err_code run_diff(
	struct cli *c, const struct args *a, struct err *err)
{
	struct version *from = NULL, *to = NULL;
	struct governance *g = NULL;
	char quoted[QUOTED_SIZE];
	enum err_code rc;

	if ((rc = governance_open(a->word[0], &g, err)))
		return rc;
	rc = a->count > 1 ? open_named(g, a->word[1], &from, err)
			  : open_newest(g, &from, err);
	if (rc == ERR_OK)
		rc = open_named(
			g, a->count > 2 ? a->word[2] : "main", &to, err);
	if (rc == ERR_INVALID)
		cli_next(c, "cundang governance check %s",
			out_quoted(a->word[0], quoted));
	if (rc == ERR_OK)
		rc = args_has(a, "here") ? tell_here(c, from, to, err)
					 : tell(c, from, to, err);
	version_free(from);
	version_free(to);
	governance_close(g);
	return rc;
}

static const struct option_spec diff_options[] = {
	{"here", 0, NULL,
		N_("what it would do to what is stored at this node, too")},
	{NULL, 0, NULL, NULL},
};
const struct command command_governance_diff = {
	.name = "governance diff",
	.words = "GOV [A] [B]",
	.summary = N_("tell in words what changes from one head to another"),
	.detail = N_("A and B are numbers of heads, main or proposal. Without "
		     "them: from the newest head to what main has."),
	.least = 1,
	.most = 3,
	.options = diff_options,
	.run = run_diff,
};
