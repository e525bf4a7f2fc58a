/* command.c - the table of commands, their help, and how errors are told. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define DATA_DEFAULT "/var/lib/cundang"

static const struct command *const commands[] = {
	&command_init,
	&command_put,
	&command_sync,
	&command_status,
	&command_why,
	&command_list,
	&command_aggregate,
	&command_show,
	&command_reveal_list,
	&command_reveal,
	&command_unseal,
	&command_audit_access,
	&command_audit_rules,
	&command_audit_retention,
	&command_audit_provision,
	&command_incident_report,
	&command_log,
	&command_governance_init,
	&command_governance_publish,
	&command_governance_sign,
	&command_governance_to_sign,
	&command_governance_check,
	&command_governance_diff,
	&command_governance_docs,
	&command_governance_log,
	&command_governance_adopt,
	&command_governance_kit,
	&command_node_request,
	&command_node_pending,
	&command_node_admit,
	&command_node_retire,
	&command_disposal_list,
	&command_disposal_propose,
	&command_archive_create,
	&command_verify,
	&command_fsck,
	&command_repair,
	&command_hold_add,
	&command_hold_release,
	&command_hold_list,
	&command_restrict_add,
	&command_restrict_lift,
	&command_restrict_list,
	&command_erase,
	&command_subject_find,
	&command_subject_export,
	&command_subject_erase,
	&command_subject_restrict,
	&command_subject_refuse,
	&command_disposal_run,
	&command_disposal_status,
	&command_disposal_register,
	&command_disposal_cancel,
	&command_order_sign,
	&command_order_enter,
	&command_order_list,
	&command_key_show,
	&command_key_rotate,
	&command_store_dump,
};

static const struct option_spec common[] = {
	{"data", 'C', "DIRECTORY", N_("the node's directory")},
	{"json", 0, NULL, N_("output for programs: canonical JSON")},
	{"help", 'h', NULL, N_("tell about the command, and do nothing")},
	{NULL, 0, NULL, NULL},
};
static const struct option_spec leading[] = {
	{"version", 'V', NULL, N_("tell the version")},
	{NULL, 0, NULL, NULL},
};

static const struct {
	int code;
	const char *text;
} exits[] = {
	{0, N_("done")},
	{1, N_("some lines or a file were refused, or a check found faults")},
	{2, N_("the command line is wrong")},
	{3, N_("it is not here")},
	{4, N_("not allowed: key, signature, clearance")},
	{5, N_("somebody else has it now, or it takes longer: try again")},
	{6, N_("the disk is full")},
	{7, N_("stored bytes are damaged, or a log contradicts itself")},
	{8, N_("something else failed")},
	{9, N_("it is there already, and was not touched")},
};

void cli_safe(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->safe, sizeof(c->safe), fmt, ap);
	va_end(ap);
}

void cli_next(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->next, sizeof(c->next), fmt, ap);
	va_end(ap);
}

enum err_code cli_input(enum err_code rc, struct err *err)
{
	if (rc == ERR_CORRUPT || rc == ERR_PROTOCOL)
		return err_set(err, ERR_INVALID, "%s", err->text);
	return rc;
}

void cli_next_command(struct cli *c, const char *words)
{
	cli_next(c, "cundang -C %s %s", c->quoted, words);
}

void cli_next_daemon(struct cli *c)
{
	cli_next(c, "cundangd -C %s", c->quoted);
}

/* Help */

static void print_option(const struct option_spec *o)
{
	char left[80];

	snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", o->letter ? '-' : ' ',
		o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
		o->value ? " " : "", o->value ? o->value : "");
	out_column(left, 30);
	printf(" %s\n", _(o->help));
}

static void print_help(const struct command *cmd)
{
	printf("%s: cundang [-C %s] %s%s%s\n\n%s\n", _("usage"), "DIRECTORY",
		cmd->name, cmd->words[0] ? " " : "", cmd->words,
		_(cmd->summary));
	if (cmd->detail)
		printf("\n%s\n", _(cmd->detail));
	printf("\n%s\n", _("Options:"));
	for (const struct option_spec *o = cmd->options; o && o->name; o++)
		print_option(o);
	for (const struct option_spec *o = common; o->name; o++)
		print_option(o);
}

static void print_overview(void)
{
	puts(_("cundang - the village archive: records, kept and proved"));
	printf("\n%s: cundang [-C %s] %s ...\n\n", _("usage"), "DIRECTORY",
		_("COMMAND"));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i]->hidden)
			continue;
		printf("  %-20s %s\n", commands[i]->name,
			_(commands[i]->summary));
	}
	printf("\n%s\n%s\n",
		_("cundang help COMMAND tells about one of them, cundang help "
		  "exit-codes about exit codes."),
		_("The node's directory: -C, else CUNDANG_DATA, else "
		  "/var/lib/cundang."));
}

static void print_exits(void)
{
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		printf("%d  %s\n", exits[i].code, _(exits[i].text));
}

/* Finding the command */

/* How many of the words are the command's name; 0: it is another. */
static int match(const struct command *cmd, int n, char **word)
{
	const char *space = strchr(cmd->name, ' ');
	size_t first = space ? (size_t)(space - cmd->name) : 0;

	if (!space)
		return n >= 1 && !strcmp(word[0], cmd->name) ? 1 : 0;
	if (n < 2 || strlen(word[0]) != first ||
		strncmp(word[0], cmd->name, first) ||
		strcmp(word[1], space + 1))
		return 0;
	return 2;
}

static const struct command *find(int n, char **word, int *used)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if ((*used = match(commands[i], n, word)) > 0)
			return commands[i];
	}
	return NULL;
}

/* Is the word the first of two-word commands: "governance". */
static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!strncmp(commands[i]->name, word, len) &&
			commands[i]->name[len] == ' ')
			return true;
	}
	return false;
}

static void print_group(FILE *f, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!strncmp(commands[i]->name, word, len) &&
			commands[i]->name[len] == ' ')
			fprintf(f, "  %-20s %s\n", commands[i]->name,
				_(commands[i]->summary));
	}
}

static enum err_code no_command(int n, char **word, struct err *err)
{
	const char *names[ARRAY_LEN(commands)], *near;
	char said[120];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i]->name;
	if (n > 1 && word[1][0] != '-')
		snprintf(said, sizeof(said), "%s %s", word[0], word[1]);
	else
		snprintf(said, sizeof(said), "%s", word[0]);
	near = args_nearest(said, names, ARRAY_LEN(names));
	if (!near)
		near = args_nearest(word[0], names, ARRAY_LEN(names));
	if (near)
		return err_set(err, ERR_USAGE,
			"there is no command \"%s\"; is it \"%s\"", said, near);
	return err_set(err, ERR_USAGE, "there is no command \"%s\"", said);
}

static enum err_code help(int n, char **word, struct err *err)
{
	const struct command *cmd;
	int used;

	if (n == 0) {
		print_overview();
		return ERR_OK;
	}
	if ((cmd = find(n, word, &used))) {
		print_help(cmd);
		return ERR_OK;
	}
	if (!strcmp(word[0], "exit-codes")) {
		print_exits();
		return ERR_OK;
	}
	if (n == 1 && is_group(word[0])) {
		print_group(stdout, word[0]);
		return ERR_OK;
	}
	return no_command(n, word, err);
}

/* Running */

static enum err_code version(struct cli *c, struct err *err)
{
	struct json *v;

	if (!c->json) {
		printf("cundang %s\n", CUNDANG_VERSION);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "version", json_new_text(CUNDANG_VERSION))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static void take_common(struct cli *c, const struct args *a)
{
	if (args_get(a, "data"))
		c->data = args_get(a, "data");
	c->json |= args_has(a, "json");
	out_quoted(c->data, c->quoted);
}

static enum err_code run(struct cli *c, const struct command *cmd, int argc,
	char **argv, struct err *err)
{
	struct args a;
	enum err_code rc;

	rc = args_parse(argc, argv, ARGS_ALL, cmd->options, common, &a, err);
	if (rc == ERR_OK) {
		take_common(c, &a);
		if (args_has(&a, "help")) {
			print_help(cmd);
			return ERR_OK;
		}
		if (a.count < cmd->least)
			rc = err_set(err, ERR_USAGE, "%s needs %s", cmd->name,
				cmd->words);
		else if (a.count > cmd->most)
			rc = err_set(err, ERR_USAGE,
				"%s does not know what to do with \"%s\"",
				cmd->name, a.word[cmd->most]);
	}
	if (rc == ERR_OK)
		rc = cmd->run(c, &a, err);
	if (rc == ERR_USAGE && !c->next[0])
		cli_next(c, "cundang help %s", cmd->name);
	return rc;
}

static enum err_code dispatch(
	struct cli *c, int argc, char **argv, struct err *err)
{
	const struct command *cmd;
	struct args a;
	enum err_code rc;
	int n, used;

	if ((rc = args_parse(
		     argc, argv, ARGS_LEADING, leading, common, &a, err)))
		return rc;
	take_common(c, &a);
	n = (int)a.count;
	if (args_has(&a, "version") || (n > 0 && !strcmp(a.word[0], "version")))
		return version(c, err);
	if (n == 0 || args_has(&a, "help"))
		return help(n, a.word, err);
	if (!strcmp(a.word[0], "help"))
		return help(n - 1, a.word + 1, err);
	if ((cmd = find(n, a.word, &used)))
		return run(c, cmd, n - used + 1, a.word + used - 1, err);
	if (n == 1 && is_group(a.word[0])) {
		print_group(stderr, a.word[0]);
		return err_set(
			err, ERR_USAGE, "%s needs another word", a.word[0]);
	}
	cli_next(c, "cundang help");
	return no_command(n, a.word, err);
}

static void tell_json(const struct err *err)
{
	struct json *v = json_new_object(), *e = json_new_object();
	struct buf text = BUF_EMPTY;

	bool good = json_set(e, "code", json_new_text(err_name(err->code))) &&
		json_set(e, "text", json_new_text(err->text));

	good = json_set(v, "error", e) && good;
	if (good && json_write(v, &text, NULL) == ERR_OK && !text.failed)
		fprintf(stderr, "%.*s\n", (int)text.len, text.data);
	else
		fprintf(stderr, "{\"error\":{\"code\":\"%s\"}}\n",
			err_name(err->code));
	buf_free(&text);
	json_free(v);
}

static void tell(const struct cli *c, const struct err *err)
{
	if (c->json) {
		tell_json(err);
		return;
	}
	fputs("cundang: ", stderr);
	out_reason(stderr, err->text);
	fputc('\n', stderr);
	if (c->safe[0])
		fprintf(stderr, "  %s\n", c->safe);
	if (c->next[0])
		fprintf(stderr, "  %s %s\n", _("next:"), c->next);
}

/* The same words for whatever the full disk stopped. */
static void add_full(struct cli *c)
{
	if (!c->safe[0])
		cli_safe(c,
			_("What was acknowledged is safe, and nothing is half "
			  "there."));
	if (!c->next[0])
		cli_next(c,
			_("the disk is full: make room on it, then do the same "
			  "again; nothing has to be started anew"));
}

int cli_main(int argc, char **argv)
{
	const char *data = getenv("CUNDANG_DATA");
	struct cli c = {.data = data && *data ? data : DATA_DEFAULT};
	struct err err = {.code = ERR_OK};
	enum err_code rc;

	locale_start();
	for (int i = 1; i < argc; i++)
		c.json |= !strcmp(argv[i], "--json");
	rc = dispatch(&c, argc, argv, &err);
	if (rc == ERR_OK)
		rc = out_flush(&err);
	else
		fflush(stdout);
	if (rc == ERR_FULL)
		add_full(&c);
	if (rc == ERR_OK && c.damaged)
		return err_exit_code(ERR_CORRUPT);
	if (rc == ERR_OK)
		return c.failed ? 1 : 0;
	err.code = rc;
	tell(&c, &err);
	return err_exit_code(rc);
}
