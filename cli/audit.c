/* audit.c - `cundang audit access`: who saw what is masked, or tried. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/audit.h"
#include "cli/control.h"

#define DAY_S 86400

struct audit {
	struct cli *cli;
	struct audit_filter filter;
	const char *record;
	uint64_t lines;
};

/* ---- what is told ---- */

const char *audit_text(const struct json *v, const char *name)
{
	const char *s = json_get_string(v, name);

	return s ? s : "";
}

void audit_print(const char *before, const char *s)
{
	if (!*s)
		return;
	fputs(before, stdout);
	out_plain(stdout, s, strlen(s));
}

void audit_print_labels(const struct json *labels)
{
	for (size_t i = 0; i < json_count(labels); i++) {
		const char *l = json_string(json_at(labels, i), NULL);

		printf("%s%s", i ? _(", ") : "  ", l ? out_label(l) : "");
	}
}

static const char *result_words(const char *act, const char *result)
{
	if (!strcmp(act, "find") && !strcmp(result, "shown"))
		return _("looked for a person's records");
	if (!strcmp(act, "export") && !strcmp(result, "shown"))
		return _("copied for the person");
	if (!strcmp(result, "shown"))
		return _("was shown");
	if (!strcmp(result, "waiting"))
		return _("asked to see");
	if (!strcmp(result, "approved"))
		return _("approved");
	if (!strcmp(result, "refused"))
		return _("refused a request");
	if (!strcmp(result, "denied"))
		return !strcmp(act, "approve") ? _("was denied to approve")
					       : _("was denied");
	return "?";
}

static void print_line(const struct json *line)
{
	const struct json *access = json_get(line, "access");
	const struct json *record = json_get(access, "record");
	const struct json *labels = json_get(access, "labels");
	uint64_t seq = 0, count = 0;

	(void)json_get_u64(line, "seq", &seq);
	printf("%.16s", audit_text(line, "at"));
	audit_print("  ", audit_text(access, "account"));
	audit_print(" (", audit_text(access, "role"));
	printf(")  %s",
		result_words(audit_text(access, "act"),
			audit_text(access, "result")));
	if (json_get_u64(access, "count", &count))
		printf(_(" %llu times more"), (unsigned long long)count);
	audit_print("  ", audit_text(record, "id"));
	audit_print_labels(labels);
	audit_print("  ", audit_text(access, "field"));
	audit_print("  ", audit_text(access, "article"));
	audit_print("  ", audit_text(access, "request"));
	audit_print("  ", audit_text(access, "reason"));
	printf("  [%s/%llu]\n", audit_text(line, "origin"),
		(unsigned long long)seq);
}

static enum err_code on_line(void *arg, struct json *line, struct err *err)
{
	struct audit *a = arg;

	a->lines++;
	if (a->cli->json)
		return out_json(line, err);
	print_line(line);
	json_free(line);
	return ERR_OK;
}

/* ---- asking ---- */

static enum err_code each_line(const struct buf *answer, audit_visit *visit,
	void *arg, struct err *err)
{
	struct cursor c = cursor_over(answer->data, answer->len);
	enum err_code rc = ERR_OK;
	const char *text;
	size_t len;

	while (rc == ERR_OK && (text = cursor_line(&c, &len))) {
		struct json *line = NULL;

		rc = json_parse(text, len, JSON_TEXT_LIMIT, &line, err);
		if (rc == ERR_OK)
			rc = visit(arg, line, err);
	}
	return rc;
}

static enum err_code ask_daemon(struct control *control, const char *path,
	const struct json *body, audit_visit *visit, void *arg, struct err *err)
{
	struct buf text = BUF_EMPTY, answer = BUF_EMPTY;
	enum err_code rc;

	if ((rc = json_write(body, &text, err)) == ERR_OK &&
		(rc = control_post(control, path, text.data, text.len, &answer,
			 err)) == ERR_OK)
		rc = each_line(&answer, visit, arg, err);
	buf_free(&text);
	buf_free(&answer);
	return rc;
}

static enum err_code look_here(struct cli *c, audit_look *look_at,
	audit_visit *visit, void *arg, struct err *err)
{
	struct node *n = NULL;
	struct who who;
	enum err_code rc = open_reader(c, &n, err);

	if (rc)
		return rc;
	who_of(&n->config.accounts, n->data, getuid(), &who);
	if ((rc = who_may(&who, POWER_AUDIT, err)) == ERR_OK)
		rc = look_at(n, visit, arg, err);
	node_close(n);
	return rc;
}

enum err_code audit_ask(struct cli *c, const char *path, struct json *body,
	audit_look *look_at, audit_visit *visit, void *arg, struct err *err)
{
	struct control *control = NULL;
	enum err_code rc;

	if (!body)
		return err_nomem(err);
	rc = control_open(c->data, &control, err);
	if (rc == ERR_NOT_FOUND)
		rc = look_here(c, look_at, visit, arg, err);
	else if (rc == ERR_OK)
		rc = ask_daemon(control, path, body, visit, arg, err);
	control_close(control);
	json_free(body);
	return rc;
}

bool audit_set_time(struct json *v, const char *name, int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return json_set(v, name, json_new_text(text));
}

static struct json *body_of(const struct audit *a)
{
	const struct audit_filter *f = &a->filter;
	struct json *v = json_new_object();

	if (v &&
		(!a->record ||
			json_set(v, "record", json_new_text(a->record))) &&
		(!f->account ||
			json_set(v, "account", json_new_text(f->account))) &&
		(!f->from || audit_set_time(v, "from", f->from)) &&
		(f->to == INT64_MAX || audit_set_time(v, "to", f->to)))
		return v;
	json_free(v);
	return NULL;
}

static enum err_code look(
	struct node *n, audit_visit *visit, void *arg, struct err *err)
{
	struct audit *a = arg;

	return audit_access(n, &a->filter, visit, arg, err);
}

/* A day of the legal time. */
static enum err_code take_day(const struct args *a, const char *name,
	int64_t more, int64_t *out, struct err *err)
{
	const char *s = args_get(a, name);
	char text[TIME_TEXT_SIZE + 8];

	if (!s)
		return ERR_OK;
	snprintf(text, sizeof(text), "%.10sT00:00:00+08:00", s);
	if (strlen(s) != 10 || !time_parse(text, strlen(text), out))
		return err_set(err, ERR_USAGE,
			"--%s %.40s is no day like "
			"2026-04-22",
			name, s);
	*out += more;
	return ERR_OK;
}

enum err_code audit_days(
	const struct args *a, int64_t *from, int64_t *to, struct err *err)
{
	enum err_code rc;

	if ((rc = take_day(a, "from", 0, from, err)) ||
		(rc = take_day(a, "to", DAY_S, to, err)))
		return rc;
	return args_get(a, "from") && args_get(a, "to") && *from >= *to
		? err_set(err, ERR_USAGE, "--from %s is after --to %s",
			  args_get(a, "from"), args_get(a, "to"))
		: ERR_OK;
}

static enum err_code run_audit(
	struct cli *c, const struct args *a, struct err *err)
{
	struct audit audit = {
		.cli = c,
		.filter = {.account = args_get(a, "account"), .to = INT64_MAX},
		.record = args_get(a, "record"),
	};
	enum err_code rc;

	audit.filter.by_record = audit.record != NULL;
	if ((audit.record &&
		    (rc = point_parse(audit.record, strlen(audit.record),
			     &audit.filter.point, err))) ||
		(rc = audit_days(a, &audit.filter.from, &audit.filter.to, err)))
		return rc;
	rc = audit_ask(c, "/audit/access", body_of(&audit), look, on_line,
		&audit, err);
	if (rc == ERR_OK && !audit.lines && !c->json)
		puts(_("Nobody saw or tried, as far as this node knows."));
	return rc;
}

static const struct option_spec options[] = {
	{"record", 0, "RECORD", N_("about this record, all its revisions")},
	{"account", 0, "NAME", N_("by this account")},
	{"from", 0, "DAY", N_("from this day on")},
	{"to", 0, "DAY", N_("up to and with this day")},
	{NULL, 0, NULL, NULL},
};

const struct command command_audit_access = {
	.name = "audit access",
	.words = "",
	.summary = N_("tell who saw what is masked, or tried"),
	.detail = N_("From the records of this node and of those below it "
		     "whose logs are here. Each line ends\nin the place of "
		     "its record, of which show --proof makes a proof."),
	.options = options,
	.run = run_audit,
};
