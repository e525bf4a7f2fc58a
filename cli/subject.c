/* subject.c - `cundang subject ...`: what a person asks about their own
 * records. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/order.h"

/* ---- who it is ---- */

/* Never from the command line: others on the machine would read it there. */
static void ask(const char *what)
{
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "%s: ", what);
}

static bool read_line(char *out, size_t size)
{
	if (!fgets(out, (int)size, stdin))
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static bool begins_with_digit(const char *s)
{
	char room[VALUE_ROOM];
	struct value_text t;

	if (!utf8_valid(s, strlen(s)))
		return false;
	t = value_normal(TYPE_ID_NO, s, strlen(s), room);
	return t.len > 0 && t.s[0] >= '0' && t.s[0] <= '9';
}

/* A number, or a name and in the next line the telephone. */
static enum err_code read_person(struct person *out, struct err *err)
{
	char first[PERSON_TEXT_SIZE] = "", phone[PERSON_TEXT_SIZE] = "";
	bool number;
	enum err_code rc;

	ask(_("identity number, or name"));
	(void)read_line(first, sizeof(first));
	number = begins_with_digit(first);
	if (!number && *first) {
		ask(_("telephone"));
		(void)read_line(phone, sizeof(phone));
	}
	rc = person_set(out, number ? first : NULL, number ? NULL : first,
		phone, time_now(), err);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(phone, sizeof(phone));
	return rc;
}

/* ---- asking ---- */

static bool put_text(struct json *v, const char *name, const char *s)
{
	return !s || !*s || json_set(v, name, json_new_text(s));
}

static struct json *body_of(
	const struct subject_ask *ask, const struct person *p)
{
	struct json *v = json_new_object();

	if (put_text(v, "act", ask->copy ? "export" : "find") &&
		put_text(v, "id_no", p->id_no) &&
		put_text(v, "name", p->name) &&
		put_text(v, "phone", p->phone) &&
		put_text(v, "reason", ask->reason) &&
		put_text(v, "request", ask->request))
		return v;
	json_free(v);
	return NULL;
}

enum err_code subject_ask_for(struct cli *c, const struct args *a, bool copy,
	struct json **out, struct err *err)
{
	struct control *control = NULL;
	struct node *node = NULL;
	struct person person;
	struct subject_ask ask = {.person = &person,
		.reason = args_get(a, "reason"),
		.request = args_get(a, "request"),
		.copy = copy};
	enum err_code rc;

	if (!ask.reason)
		return err_set(err, ERR_USAGE,
			"it needs --reason TEXT: why it has to be looked for");
	if ((rc = read_person(&person, err)) ||
		(rc = open_access(c, &control, &node, err)))
		goto out;
	if (control) {
		rc = control_post_json(
			control, "/subject", body_of(&ask, &person), out, err);
	} else {
		who_of(&node->config.accounts, node->data, getuid(), &ask.who);
		rc = subject_look(node, NULL, NULL, &ask, out, err);
	}
out:
	person_wipe(&person);
	control_close(control);
	node_close(node);
	return rc;
}

void subject_places_free(char **place, size_t count)
{
	for (size_t i = 0; place && i < count; i++)
		free(place[i]);
	free(place);
}

enum err_code subject_places(
	const struct json *answer, char ***out, size_t *count, struct err *err)
{
	const struct json *found = json_get(answer, "found");
	size_t n = json_count(found);
	char **place;

	if (n == 0)
		return err_set(err, ERR_NOT_FOUND,
			"no record that is here names this person");
	if (!(place = calloc(n, sizeof(*place))))
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const struct json *f = json_at(found, i);
		const char *origin = json_get_string(f, "origin");
		uint64_t seq = 0;

		(void)json_get_u64(f, "seq", &seq);
		if (!origin ||
			asprintf(&place[i], "%s/%llu", origin,
				(unsigned long long)seq) < 0) {
			place[i] = NULL;
			subject_places_free(place, n);
			return err_nomem(err);
		}
	}
	*out = place;
	*count = n;
	return ERR_OK;
}

/* ---- find ---- */

static const char *text_of(const struct json *v, const char *name)
{
	const char *s = json_get_string(v, name);

	return s ? s : "";
}

static void print_found(const struct json *f)
{
	const struct json *where = json_get(f, "where");
	uint64_t seq = 0;

	(void)json_get_u64(f, "seq", &seq);
	printf("%.10s  ", text_of(f, "at"));
	out_column(text_of(f, "series"), 18);
	printf(" %s  %s/%llu\n", text_of(f, "id"), text_of(f, "origin"),
		(unsigned long long)seq);
	if (json_get(f, "restricted"))
		printf(_("    restricted by order %s\n"),
			text_of(f, "restricted"));
	for (size_t i = 0; i < json_count(where); i++) {
		const struct json *w = json_at(where, i);
		const char *value = text_of(w, "value");

		printf("    %s: ", text_of(w, "path"));
		out_plain(stdout, value, strlen(value));
		putchar('\n');
	}
}

static void print_looked(struct cli *c, const struct json *answer)
{
	const struct json *access = json_get(answer, "access");
	uint64_t looked = 0, damaged = 0, seq = 0;

	(void)json_get_u64(answer, "looked", &looked);
	(void)json_get_u64(answer, "damaged", &damaged);
	(void)json_get_u64(access, "seq", &seq);
	fprintf(stderr,
		_("%zu of %llu records that this node holds name the person. "
		  "That it was looked for is recorded as %s/%llu.\n"),
		json_count(json_get(answer, "found")),
		(unsigned long long)looked, text_of(access, "origin"),
		(unsigned long long)seq);
	if (damaged) {
		fprintf(stderr,
			_("%llu records are damaged and were not "
			  "read: cundang repair.\n"),
			(unsigned long long)damaged);
		c->damaged = true;
	}
}

static enum err_code run_find(
	struct cli *c, const struct args *a, struct err *err)
{
	struct json *answer = NULL;
	const struct json *found;
	enum err_code rc;

	if ((rc = subject_ask_for(c, a, false, &answer, err)))
		return rc;
	if (c->json)
		return out_json(answer, err);
	found = json_get(answer, "found");
	for (size_t i = 0; i < json_count(found); i++)
		print_found(json_at(found, i));
	print_looked(c, answer);
	json_free(answer);
	return ERR_OK;
}

static const struct option_spec find_options[] = {
	{"reason", 0, "TEXT", N_("why; kept, without the names of people")},
	{"request", 0, "NO", N_("the number of the person's request")},
	{NULL, 0, NULL, NULL},
};

const struct command command_subject_find = {
	.name = "subject find",
	.words = "--reason TEXT [--request NO]",
	.summary = N_("find the records that name a person"),
	.detail = N_("Asks for an identity number, or a name and in the next "
		     "line a telephone number, on the terminal\nor standard "
		     "input. All records that this node holds are read; "
		     "nothing is kept but that it was looked for."),
	.options = find_options,
	.run = run_find,
};

/* ---- export ---- */

static enum err_code add_line(
	struct buf *out, const struct json *f, size_t *left, struct err *err)
{
	struct json *v;
	enum err_code rc;

	if (!json_get(f, "document")) {
		++*left;
		return ERR_OK;
	}
	if (!(v = json_copy(f)))
		return err_nomem(err);
	json_remove(v, "where");
	if ((rc = json_write(v, out, err)) == ERR_OK)
		buf_u8(out, '\n');
	json_free(v);
	return rc;
}

static void print_left_out(const struct json *found)
{
	for (size_t i = 0; i < json_count(found); i++) {
		const struct json *f = json_at(found, i);
		const char *why = json_get_string(f, "left_out");
		uint64_t seq = 0;

		if (!why)
			continue;
		(void)json_get_u64(f, "seq", &seq);
		fprintf(stderr, _("Left out: %s/%llu, "), text_of(f, "origin"),
			(unsigned long long)seq);
		if (!strcmp(why, "minor"))
			fputs(_("about minors: cundang reveal, with a second "
				"person's approval"),
				stderr);
		else if (!strcmp(why, "sealed"))
			fputs(_("sealed: cundang reveal, with a second "
				"person's approval"),
				stderr);
		else if (!strcmp(why, "restricted"))
			fputs(_("restricted by an order"), stderr);
		else
			fputs(_("of a series that no rule knows any more"),
				stderr);
		fputc('\n', stderr);
	}
}

static enum err_code export_to(struct cli *c, const char *path,
	const struct json *answer, struct err *err)
{
	const struct json *found = json_get(answer, "found");
	struct buf out = BUF_EMPTY;
	char quoted[QUOTED_SIZE];
	size_t left = 0;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; !rc && i < json_count(found); i++)
		rc = add_line(&out, json_at(found, i), &left, err);
	if (!rc && !(rc = buf_ok(&out, err)))
		rc = file_replace(path, out.data, out.len, 0600, err);
	if (rc == ERR_OK && !c->json) {
		printf(_("%zu records are in %s, which only its owner can "
			 "read. Attachments are not in it.\n"),
			json_count(found) - left, out_quoted(path, quoted));
		print_left_out(found);
	}
	buf_wipe(&out);
	return rc;
}

static enum err_code run_export(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *path = args_get(a, "output");
	struct json *answer = NULL;
	enum err_code rc;

	if (!path)
		return err_set(err, ERR_USAGE, "subject export needs -o FILE");
	if (file_exists(path))
		return err_set(err, ERR_EXISTS, "%s is there already", path);
	if ((rc = subject_ask_for(c, a, true, &answer, err)) == ERR_OK)
		rc = export_to(c, path, answer, err);
	if (rc == ERR_OK && !c->json)
		print_looked(c, answer);
	json_free(answer);
	return rc;
}

static const struct option_spec export_options[] = {
	{"reason", 0, "TEXT", N_("why; kept, without the names of people")},
	{"request", 0, "NO", N_("the number of the person's request")},
	{"output", 'o', "FILE", N_("where to write the copy")},
	{NULL, 0, NULL, NULL},
};

const struct command command_subject_export = {
	.name = "subject export",
	.words = "--reason TEXT [--request NO] -o FILE",
	.summary = N_("write a copy of a person's records for the person"),
	.detail = N_("A record a line, as JSON: what is theirs raw, what is "
		     "other people's masked. Each is recorded as a look "
		     "before."),
	.options = export_options,
	.run = run_export,
};

/* ---- erase, restrict ---- */

static const struct option_spec order_options[] = {
	{"reason", 0, "TEXT", N_("the article; nothing personal")},
	{"request", 0, "NO", N_("the number of the person's request")},
	{"out", 'o', "FILE", N_("where to write the order")},
	{NULL, 0, NULL, NULL},
};

static enum err_code run_erase(
	struct cli *c, const struct args *a, struct err *err)
{
	struct json *answer = NULL;
	char **place = NULL;
	size_t count = 0;
	enum err_code rc;

	if (!(rc = subject_ask_for(c, a, false, &answer, err)) &&
		!(rc = subject_places(answer, &place, &count, err)))
		rc = order_erase_records(c, a, place, count, err);
	subject_places_free(place, count);
	json_free(answer);
	return rc;
}

const struct command command_subject_erase = {
	.name = "subject erase",
	.words = "--reason TEXT [--request NO]",
	.summary = N_("write an order to destroy a person's records"),
	.detail = N_("What `subject find` finds, in all revisions, the parts "
		     "personal and sensitive, with those of others in the "
		     "same record. Officers sign the order."),
	.options = order_options,
	.run = run_erase,
};

static enum err_code run_restrict(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_person(c, a, ORDER_RESTRICT, err);
}

const struct command command_subject_restrict = {
	.name = "subject restrict",
	.words = "--reason TEXT [--request NO]",
	.summary = N_("write an order to restrict a person's records"),
	.detail = N_("What `subject find` finds, in all revisions. Officers "
		     "sign the order."),
	.options = order_options,
	.run = run_restrict,
};

/* ---- refuse ---- */

static enum err_code refuse(
	struct cli *c, const struct args *a, struct json **out, struct err *err)
{
	const char *article = args_get(a, "article");
	const char *reason = args_get(a, "reason");
	const char *request = args_get(a, "request");
	struct control *control = NULL;
	struct node *node = NULL;
	struct json *body;
	struct who who;
	enum err_code rc;

	if ((rc = open_access(c, &control, &node, err)))
		return rc;
	if (control) {
		body = json_new_object();
		if (!put_text(body, "act", "refuse") ||
			!put_text(body, "article", article) ||
			!put_text(body, "reason", reason) ||
			!put_text(body, "request", request)) {
			json_free(body);
			body = NULL;
		}
		rc = control_post_json(control, "/subject", body, out, err);
	} else {
		who_of(&node->config.accounts, node->data, getuid(), &who);
		rc = subject_refuse(node, NULL, NULL, &who, article, reason,
			request, out, err);
	}
	control_close(control);
	node_close(node);
	return rc;
}

static enum err_code run_refuse(
	struct cli *c, const struct args *a, struct err *err)
{
	struct json *answer = NULL;
	const struct json *access;
	uint64_t seq = 0;
	enum err_code rc;

	if (!args_has(a, "article") || !args_has(a, "reason"))
		return err_set(err, ERR_USAGE,
			"subject refuse needs --article and --reason");
	if ((rc = refuse(c, a, &answer, err)))
		return rc;
	if (c->json)
		return out_json(answer, err);
	access = json_get(answer, "access");
	(void)json_get_u64(access, "seq", &seq);
	printf(_("The refusal is recorded as %s/%llu.\n"),
		text_of(access, "origin"), (unsigned long long)seq);
	json_free(answer);
	return ERR_OK;
}

static const struct option_spec refuse_options[] = {
	{"article", 0, "TEXT", N_("the law and article it is refused by")},
	{"reason", 0, "TEXT", N_("why; kept, without the names of people")},
	{"request", 0, "NO", N_("the number of the person's request")},
	{NULL, 0, NULL, NULL},
};

const struct command command_subject_refuse = {
	.name = "subject refuse",
	.words = "--article TEXT --reason TEXT [--request NO]",
	.summary = N_("record that a person's request was refused, and why"),
	.options = refuse_options,
	.run = run_refuse,
};
