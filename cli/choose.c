/* choose.c - a division found by what a person says of it. */
#include "cli/choose.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_LIMIT 40
#define WORDS_SIZE NODE_TITLE_SIZE

struct choice {
	const struct node_info *node[SHOWN_LIMIT];
	size_t count; /* may be more than are in node */
};

static bool is_exact(const struct node_info *n, const char *words)
{
	return !strcmp(n->name, words) || !strcmp(n->code, words);
}

static bool is_near(const struct node_info *n, const char *words)
{
	return strstr(n->name, words) || pinyin_begins(n->name, words);
}

static struct choice find(const struct rules *rules, const char *words,
	bool (*fits)(const struct node_info *n, const char *words))
{
	struct choice f = {.count = 0};

	for (size_t i = 0; i < rules_node_count(rules); i++) {
		const struct node_info *n = rules_node_at(rules, i);

		if (n->retired[0] || !fits(n, words))
			continue;
		if (f.count < SHOWN_LIMIT)
			f.node[f.count] = n;
		f.count++;
	}
	return f;
}

static enum err_code show_json(const struct node_info *n, struct err *err)
{
	struct json *v = json_new_object();

	if (!json_set(v, "code", json_new_text(n->code)) ||
		!json_set(v, "name", json_new_text(n->name)) ||
		!json_set(v, "parent", json_new_text(n->parent)) ||
		!json_set(v, "enrolled", json_new_bool(n->enrolled))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

static void show(
	const struct rules *rules, size_t number, const struct node_info *n)
{
	const struct node_info *above = rules_node(rules, n->parent);

	printf("%4zu  %s  ", number, n->code);
	out_column(n->name, 28);
	out_column(above ? above->name : "", 20);
	printf(" %s\n", n->enrolled ? _("admitted already") : "");
}

static enum err_code show_all(struct cli *c, const struct rules *rules,
	const struct choice *f, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t i;

	for (i = 0; rc == ERR_OK && i < f->count && i < SHOWN_LIMIT; i++) {
		if (c->json)
			rc = show_json(f->node[i], err);
		else
			show(rules, i + 1, f->node[i]);
	}
	if (i < f->count && !c->json)
		printf(_("      and %zu more\n"), f->count - i);
	return rc;
}

static bool can_ask(const struct cli *c)
{
	return !c->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* A line of the terminal without its end; false at its end. */
static bool ask(const char *question, char out[WORDS_SIZE])
{
	printf("%s ", question);
	fflush(stdout);
	if (!fgets(out, WORDS_SIZE, stdin))
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

/* One of those listed, by its number. */
static const struct node_info *ask_which(const struct choice *f)
{
	size_t most = f->count < SHOWN_LIMIT ? f->count : SHOWN_LIMIT;
	char line[WORDS_SIZE];
	uint64_t n;

	while (ask(_("Which number?"), line) && line[0])
		if (number_parse(line, strlen(line), most, &n) && n > 0)
			return f->node[n - 1];
	return NULL;
}

static enum err_code settle(struct cli *c, const struct rules *rules,
	const char *words, const struct choice *f, const struct node_info **out,
	struct err *err)
{
	enum err_code rc;

	if (f->count == 0)
		return err_set(err, ERR_NOT_FOUND,
			"no division of %s is named like \"%s\"",
			rules_domain(rules), words);
	if (f->count == 1) {
		*out = f->node[0];
		return ERR_OK;
	}
	if ((rc = show_all(c, rules, f, err)))
		return rc;
	if (can_ask(c) && (*out = ask_which(f)))
		return ERR_OK;
	cli_next(c, "cundang -C %s init --kit FILE --code CODE", c->quoted);
	return err_set(err, ERR_USAGE,
		"%zu divisions are named like \"%s\": say which, by its code",
		f->count, words);
}

enum err_code choose_division(struct cli *c, const struct rules *rules,
	const char *words, const struct node_info **out, struct err *err)
{
	char line[WORDS_SIZE];
	struct choice f;

	if (!words && can_ask(c) &&
		ask(_("Name of the village, or its first letters:"), line))
		words = line;
	if (!words || !*words)
		return err_set(err, ERR_USAGE,
			"init --kit needs --name, a part of the name or its "
			"first letters, or --code");
	f = find(rules, words, is_exact);
	if (f.count == 0)
		f = find(rules, words, is_near);
	return settle(c, rules, words, &f, out, err);
}
