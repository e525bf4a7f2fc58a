/* order.c - `cundang order ...`: officers' orders signed, entered, listed. */
#include "cli/order.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"

#define ANY (~0u)
#define REGISTER_FILE "register.json"

/* ---- files ---- */

enum err_code order_save(
	struct cli *c, const char *path, struct order *o, struct err *err)
{
	struct buf text = BUF_EMPTY;
	char name[96], quoted[QUOTED_SIZE];
	struct json *v;
	enum err_code rc;

	snprintf(name, sizeof(name), "%s-%.13s.order", order_kind_name(o->kind),
		o->id);
	path = path ? path : name;
	if ((rc = order_write(o, &text, err)))
		goto out;
	if (file_exists(path)) {
		rc = err_set(err, ERR_EXISTS, "%s is there already", path);
		goto out;
	}
	if ((rc = file_replace(path, text.data, text.len, 0644, err)))
		goto out;
	if (c->json) {
		v = json_new_object();
		if (!json_set(v, "order", json_new_text(o->id)) ||
			!json_set(v, "file", json_new_text(path))) {
			json_free(v);
			v = NULL;
		}
		rc = out_json(v, err);
		goto out;
	}
	out_quoted(path, quoted);
	printf(_("The order is in %s. Officers sign it, then it is entered:\n"
		 "  cundang order sign %s --key KEY\n"
		 "  cundang -C %s order enter %s\n"),
		path, quoted, c->quoted, quoted);
out:
	buf_free(&text);
	return rc;
}

static enum err_code add_signature(
	struct signed_order *s, const char *path, struct err *err)
{
	struct buf armor = BUF_EMPTY;
	enum err_code rc = file_read(path, SSHSIG_TEXT_LIMIT, &armor, err);

	if (rc == ERR_OK &&
		(rc = signed_order_add(s, armor.data, armor.len, err)))
		rc = err_while(err, rc, "%s", path);
	buf_free(&armor);
	return rc;
}

static enum err_code add_beside(
	struct signed_order *s, const char *path, struct err *err)
{
	glob_t found = {0};
	struct buf pattern = BUF_EMPTY;
	enum err_code rc;

	for (const char *p = path; *p; p++) {
		if (strchr("*?[\\", *p))
			buf_u8(&pattern, '\\');
		buf_u8(&pattern, (uint8_t)*p);
	}
	buf_str(&pattern, "*.sig");
	rc = buf_cstr(&pattern) ? ERR_OK : err_nomem(err);
	if (rc == ERR_OK &&
		glob((const char *)pattern.data, 0, NULL, &found) == 0)
		for (size_t i = 0; rc == ERR_OK && i < found.gl_pathc; i++)
			rc = add_signature(s, found.gl_pathv[i], err);
	globfree(&found);
	buf_free(&pattern);
	return rc;
}

/* Of a disposal: beside the order, where `disposal propose` put it. */
static enum err_code read_register(
	struct signed_order *s, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *name;
	enum err_code rc;

	if (asprintf(&name, "%.*s" REGISTER_FILE,
		    slash ? (int)(slash + 1 - path) : 0, path) < 0)
		return err_nomem(err);
	if ((rc = file_read(name, REGISTER_SIZE_LIMIT, &s->reg, err)))
		rc = cli_input(
			err_while(err, rc, "the register of %s", path), err);
	free(name);
	return rc;
}

static enum err_code read_signed(const char *path, char **sig, size_t count,
	struct signed_order *s, struct order *o, struct err *err)
{
	enum err_code rc;

	if ((rc = file_read(path, ORDER_TEXT_LIMIT, &s->text, err)) ||
		(rc = order_parse(s->text.data, s->text.len, o, err)))
		return cli_input(rc, err);
	for (size_t i = 0; rc == ERR_OK && i < count; i++)
		rc = add_signature(s, sig[i], err);
	if (rc || (o->has_register && (rc = read_register(s, path, err))))
		return rc;
	return count ? ERR_OK : add_beside(s, path, err);
}

/* ---- enter ---- */

static enum err_code send(
	struct control *control, const struct signed_order *s, struct err *err)
{
	struct json *v = signed_order_json(s), *reg = NULL;
	enum err_code rc;

	if (v && s->reg.len) {
		if ((rc = register_parse(s->reg.data, s->reg.len, &reg, err))) {
			json_free(v);
			return rc;
		}
		if (!json_set(v, "register", reg)) {
			json_free(v);
			v = NULL;
		}
	}
	return control_post_json(control, "/orders", v, NULL, err);
}

/* Without a daemon the root carries out at once what can be; other nodes need
 * a session first. */
static enum err_code enter_here(
	struct node *n, const struct signed_order *s, struct err *err)
{
	struct receipt receipt;
	size_t done;
	enum err_code rc = orders_enter(n, NULL, s, &receipt, err);

	return rc ? rc : orders_run(n, NULL, &done, err);
}

enum err_code order_enter(struct cli *c, const char *path, char **sig,
	size_t count, unsigned kind, struct err *err)
{
	struct signed_order s = {.count = 0};
	struct order o = {.part = NULL};
	struct control *control = NULL;
	struct node *n = NULL;
	struct json *v;
	enum err_code rc;

	if ((rc = read_signed(path, sig, count, &s, &o, err)))
		goto out;
	if (kind != ORDER_KINDS && o.kind != kind) {
		rc = err_set(err, ERR_INVALID, "%s is an order of kind %s",
			path, order_kind_name(o.kind));
		goto out;
	}
	if ((rc = open_writer(c, &control, &n, err)) ||
		(rc = control ? send(control, &s, err)
			      : enter_here(n, &s, err)))
		goto out;
	if (c->json) {
		v = json_new_object();
		if (!json_set(v, "order", json_new_text(o.id))) {
			json_free(v);
			v = NULL;
		}
		rc = out_json(v, err);
	} else {
		printf(_("Entered: the order %s (%s).\n"), o.id,
			order_kind_name(o.kind));
	}
out:
	signed_order_free(&s);
	order_free(&o);
	control_close(control);
	node_close(n);
	return rc;
}

static enum err_code run_enter(
	struct cli *c, const struct args *a, struct err *err)
{
	return order_enter(
		c, a->word[0], a->word + 1, a->count - 1, ORDER_KINDS, err);
}

const struct command command_order_enter = {
	.name = "order enter",
	.words = "FILE [SIGNATURE...]",
	.summary = N_("enter a signed order into this node's log"),
	.detail = N_("Without SIGNATURE: the files FILE*.sig. It is judged "
		     "here and by every node that it reaches."),
	.least = 1,
	.most = 1 + ORDER_SIGNATURES_LIMIT,
	.run = run_enter,
};

/* ---- sign ---- */

static uint64_t parts_in(const struct order_part *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += p->range[i].to - p->range[i].from;
	return n;
}

/* Which series they are of only a node could tell, and no officer needs one. */
static void show_parts(const struct order *o)
{
	char number[COUNT_TEXT_SIZE];

	for (size_t i = 0; i < o->part_count; i++) {
		const struct order_part *p = &o->part[i];

		printf(_("  destroys %s parts (%s) of %.12s\n"),
			out_count(parts_in(p), number),
			out_label(label_name(p->label)),
			origin_code(p->origin));
	}
	if (o->kind == ORDER_ERASE && o->accounts)
		printf("  %s\n", _("parts of accounts are among them"));
}

static void show_select(const struct order *o)
{
	char number[COUNT_TEXT_SIZE];

	if (o->record_count)
		printf(_("  names %s records\n"),
			out_count(o->record_count, number));
	if (*o->series)
		printf("  --series %s\n", o->series);
	if (*o->prefix)
		printf("  --node %s\n", o->prefix);
	if (*o->since)
		printf("  --from %s\n", o->since);
	if (*o->until)
		printf("  --to %s\n", o->until);
	if (*o->about)
		printf(_("  ends order %s\n"), o->about);
}

static void show_order(const struct order *o)
{
	printf("%s  %s  %s\n", order_kind_name(o->kind), o->id, o->node);
	out_plain(stdout, o->reason, strlen(o->reason));
	putchar('\n');
	show_parts(o);
	show_select(o);
}

static enum err_code run_sign(
	struct cli *c, const struct args *a, struct err *err)
{
	const char *key = args_get(a, "key"), *path = a->word[0];
	struct buf text = BUF_EMPTY, armor = BUF_EMPTY;
	struct order o = {.part = NULL};
	char out[QUOTED_SIZE];
	enum err_code rc;

	if (!key) {
		cli_next(c,
			"ssh-keygen -Y sign -n " ORDER_NAMESPACE
			" -f KEY FILE");
		return err_set(err, ERR_USAGE, "order sign needs --key");
	}
	snprintf(out, sizeof(out), "%s.%s.sig", path,
		strrchr(key, '/') ? strrchr(key, '/') + 1 : key);
	if ((rc = file_read(path, ORDER_TEXT_LIMIT, &text, err)) ||
		(rc = order_parse(text.data, text.len, &o, err)) ||
		(rc = access_reason_check(o.reason, err)) ||
		(rc = sshsig_make(key, ORDER_NAMESPACE, text.data, text.len,
			 &armor, err)) ||
		(rc = file_replace(out, armor.data, armor.len, 0644, err))) {
		rc = cli_input(rc, err);
		goto out;
	}
	if (!c->json) {
		show_order(&o);
		printf(_("Signed: %s\n"), out);
	}
out:
	order_free(&o);
	buf_free(&text);
	buf_free(&armor);
	return rc;
}

static const struct option_spec sign_options[] = {
	{"key", 0, "FILE", N_("the officer's private key")},
	{NULL, 0, NULL, NULL},
};

const struct command command_order_sign = {
	.name = "order sign",
	.words = "FILE --key KEY",
	.summary = N_("sign an order as an officer"),
	.detail = N_("Makes FILE.KEY.sig. Or by OpenSSH alone:\n"
		     "  ssh-keygen -Y sign -n cundang-approval -f KEY FILE"),
	.least = 1,
	.most = 1,
	.options = sign_options,
	.run = run_sign,
};

/* ---- list, show ---- */

enum err_code order_rows(struct cli *c, struct json **out, struct err *err)
{
	struct control *control = NULL;
	struct node *n = NULL;
	enum err_code rc;

	rc = open_check(c, err);
	if (rc && rc != ERR_DENIED)
		return rc;
	rc = control_open(c->data, &control, err);
	if (rc == ERR_OK)
		rc = control_get_json(control, "/orders", out, err);
	else if ((rc = open_reader(c, &n, err)) == ERR_OK)
		rc = orders_json(n, out, err);
	control_close(control);
	node_close(n);
	return rc;
}

static bool has_word(unsigned set, const char *word,
	const char *(*name)(unsigned), unsigned count)
{
	for (unsigned i = 0; word && i < count; i++)
		if ((set & (1u << i)) && !strcmp(name(i), word))
			return true;
	return false;
}

static const char *kind_at(unsigned i)
{
	return order_kind_name((enum order_kind)i);
}

static const char *state_at(unsigned i)
{
	return order_state_name((enum order_state)i);
}

/* For people. */
static const char *state_text(const char *state)
{
	static const struct {
		const char *state, *text;
	} words[] = {
		{"void", N_("does not count")},
		{"in-force", N_("in force")},
		{"ended", N_("ended")},
		{"waiting", N_("waiting")},
		{"done", N_("carried out here")},
	};

	for (size_t i = 0; state && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].state, state))
			return _(words[i].text);
	return "";
}

static void print_nodes(const struct json *row)
{
	const struct json *no = json_get(row, "unconfirmed");

	if (!no)
		return;
	printf(_("    told at %zu nodes"),
		json_count(json_get(row, "confirmed")));
	for (size_t i = 0; i < json_count(no); i++)
		printf("%s%s", i ? _(", ") : _("; not confirmed yet: "),
			json_string(json_at(no, i), NULL));
	putchar('\n');
}

static void print_row(const struct json *row)
{
	const char *why = json_get_string(row, "why");
	const char *reason = json_get_string(row, "reason");

	printf("%s  ", json_get_string(row, "order"));
	out_column(json_get_string(row, "kind"), 9);
	out_column(state_text(json_get_string(row, "state")), 18);
	printf("%s  ", json_get_string(row, "node"));
	out_plain(stdout, reason, strlen(reason));
	putchar('\n');
	if (why) {
		fputs("    ", stdout);
		out_reason(stdout, why);
		putchar('\n');
	}
	print_nodes(row);
}

/* Of the kinds (a set of 1 << kind) those that are in `states` (likewise). */
static enum err_code print_rows(struct cli *c, const struct json *rows,
	unsigned kinds, unsigned states, struct err *err)
{
	const struct json *list = json_get(rows, "orders");
	struct json *kept = json_new_array();
	bool ok = kept != NULL;
	struct json *v;

	for (size_t i = 0; ok && i < json_count(list); i++) {
		const struct json *row = json_at(list, i);

		if (!has_word(kinds, json_get_string(row, "kind"), kind_at,
			    ORDER_KINDS) ||
			!has_word(states, json_get_string(row, "state"),
				state_at, ORDER_STATES))
			continue;
		if (c->json)
			ok = json_append(kept, json_copy(row));
		else
			print_row(row);
	}
	if (!c->json || !ok) {
		json_free(kept);
		return ok ? ERR_OK : err_nomem(err);
	}
	v = json_new_object();
	if (!json_set(v, "orders", kept)) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

const struct option_spec order_list_options[] = {
	{"all", 0, NULL, N_("ended ones and those that do not count, too")},
	{NULL, 0, NULL, NULL},
};

static enum err_code list(
	struct cli *c, unsigned kinds, unsigned states, struct err *err)
{
	struct json *rows = NULL;
	enum err_code rc;

	if ((rc = order_rows(c, &rows, err)) == ERR_OK)
		rc = print_rows(c, rows, kinds, states, err);
	json_free(rows);
	return rc;
}

enum err_code order_list(struct cli *c, const struct args *a, unsigned kinds,
	unsigned ending, struct err *err)
{
	return args_has(a, "all") ? list(c, kinds | ending, ANY, err)
				  : list(c, kinds, 1u << ORDER_FORCE, err);
}

static enum err_code run_list(
	struct cli *c, const struct args *a, struct err *err)
{
	(void)a;
	return list(c, ANY, ANY, err);
}

const struct command command_order_list = {
	.name = "order list",
	.words = "",
	.summary = N_("list the orders of officers that are here"),
	.run = run_list,
};
