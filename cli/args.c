/* args.c - options by a table, and what a mistyped one may have meant. */
#include "cli/args.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_LIMIT 40

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Insertions, deletions and exchanged letters from a to b. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_LIMIT + 1], m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < m; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least(above + 1, row[j] + 1,
				diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[m];
}

const char *args_nearest(const char *word, const char *const *names, size_t n)
{
	size_t best = 1 + strlen(word) / 3;
	const char *found = NULL;

	if (strlen(word) > WORD_LIMIT)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]), d;

		if (len > WORD_LIMIT)
			continue;
		if (len > strlen(word) && strlen(word) >= 3 &&
			!strncmp(names[i], word, strlen(word)))
			return names[i];
		d = distance(word, names[i]);
		if (d <= best && d < len) {
			found = names[i];
			best = d - (d > 0);
		}
	}
	return found;
}

/* The tables in getopt's words. */
struct table {
	size_t count;
	const struct option_spec *spec[ARGS_OPTIONS_LIMIT];
	struct option option[ARGS_OPTIONS_LIMIT + 1];
	char letters[3 * ARGS_OPTIONS_LIMIT + 3];
};

static void table_add(struct table *t, const struct option_spec *specs)
{
	for (; specs && specs->name && t->count < ARGS_OPTIONS_LIMIT; specs++) {
		size_t at = strlen(t->letters);

		t->spec[t->count] = specs;
		t->option[t->count].name = specs->name;
		t->option[t->count].has_arg =
			specs->value ? required_argument : no_argument;
		t->option[t->count].val = 256 + (int)t->count;
		t->count++;
		if (!specs->letter)
			continue;
		t->letters[at] = specs->letter;
		if (specs->value)
			t->letters[at + 1] = ':';
	}
}

static const struct option_spec *table_find(const struct table *t, int c)
{
	if (c >= 256 && (size_t)(c - 256) < t->count)
		return t->spec[c - 256];
	for (size_t i = 0; i < t->count; i++) {
		if (t->spec[i]->letter && t->spec[i]->letter == c)
			return t->spec[i];
	}
	return NULL;
}

static enum err_code unknown(
	const struct table *t, const char *word, struct err *err)
{
	const char *names[ARGS_OPTIONS_LIMIT], *near;
	char name[WORD_LIMIT + 1] = "";

	for (size_t i = 0; i < t->count; i++)
		names[i] = t->spec[i]->name;
	if (strncmp(word, "--", 2))
		return err_set(err, ERR_USAGE, "there is no option %s", word);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="),
		word + 2);
	near = args_nearest(name, names, t->count);
	if (near)
		return err_set(err, ERR_USAGE,
			"there is no option %s; is it --%s", word, near);
	return err_set(err, ERR_USAGE, "there is no option %s", word);
}

static enum err_code refuse(
	const struct table *t, int c, char **argv, struct err *err)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	const struct option_spec *spec = optopt ? table_find(t, optopt) : NULL;

	if (c == ':' && spec)
		return err_set(err, ERR_USAGE, "option --%s needs a value: %s",
			spec->name, spec->value);
	if (spec)
		return err_set(err, ERR_USAGE, "option --%s takes no value",
			spec->name);
	return unknown(t, optopt ? letter : argv[optind - 1], err);
}

enum err_code args_parse(int argc, char **argv, enum args_mode mode,
	const struct option_spec *specs, const struct option_spec *common,
	struct args *out, struct err *err)
{
	struct table t = {.letters = "+:"};
	int c;

	if (mode == ARGS_ALL)
		memcpy(t.letters, ":", 2);
	table_add(&t, specs);
	table_add(&t, common);
	memset(out, 0, sizeof(*out));
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, t.letters, t.option, NULL)) != -1) {
		const struct option_spec *spec = table_find(&t, c);

		if (c == '?' || c == ':')
			return refuse(&t, c, argv, err);
		if (out->given_count == ARGS_GIVEN_LIMIT)
			return err_set(err, ERR_USAGE, "more than %d options",
				ARGS_GIVEN_LIMIT);
		out->given[out->given_count].spec = spec;
		out->given[out->given_count++].value =
			spec->value ? optarg : NULL;
	}
	out->word = argv + optind;
	out->count = (size_t)(argc - optind);
	return ERR_OK;
}

bool args_has(const struct args *a, const char *name)
{
	for (size_t i = 0; i < a->given_count; i++) {
		if (!strcmp(a->given[i].spec->name, name))
			return true;
	}
	return false;
}

const char *args_get(const struct args *a, const char *name)
{
	for (size_t i = a->given_count; i-- > 0;) {
		if (!strcmp(a->given[i].spec->name, name))
			return a->given[i].value;
	}
	return NULL;
}

const char *args_nth(const struct args *a, const char *name, size_t nth)
{
	for (size_t i = 0; i < a->given_count; i++) {
		if (!strcmp(a->given[i].spec->name, name) && nth-- == 0)
			return a->given[i].value;
	}
	return NULL;
}

enum err_code args_number(const struct args *a, const char *name, uint64_t max,
	uint64_t *out, struct err *err)
{
	const char *s = args_get(a, name);

	if (!s || number_parse(s, strlen(s), max, out))
		return ERR_OK;
	return err_set(err, ERR_USAGE,
		"--%s %s is no whole number from 0 to %" PRIu64, name, s, max);
}
