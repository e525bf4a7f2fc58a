/* args.h - the options of a command as a table, read by getopt_long. */
#pragma once

#include "base/base.h"

#define ARGS_OPTIONS_LIMIT 24
#define ARGS_GIVEN_LIMIT 256

/* A table of these ends with one without a name. */
struct option_spec {
	const char *name;
	char letter;	   /* 0: none */
	const char *value; /* what it takes, for the help; NULL: a flag */
	const char *help;  /* N_() */
};

struct given {
	const struct option_spec *spec;
	const char *value; /* NULL for a flag */
};

/* What stood on the command line; borrows argv. */
struct args {
	size_t count; /* words that are no options */
	char **word;
	size_t given_count;
	struct given given[ARGS_GIVEN_LIMIT];
};

enum args_mode {
	ARGS_ALL,
	ARGS_LEADING, /* stop at the first word that is no option */
};

/* argv[0] is skipped.  `specs` and `common` are tables, the latter may be NULL.
 * ERR_USAGE names what is wrong, and the nearest option there is. */
enum err_code args_parse(int argc, char **argv, enum args_mode mode,
	const struct option_spec *specs, const struct option_spec *common,
	struct args *out, struct err *err);
bool args_has(const struct args *a, const char *name);
/* The last value given, or NULL. */
const char *args_get(const struct args *a, const char *name);
/* The i-th value given of an option that may be repeated, or NULL. */
const char *args_nth(const struct args *a, const char *name, size_t i);
/* A whole number in [0, max]; *out stays as it is where the option is absent.
 * ERR_USAGE names the option and the bound. */
enum err_code args_number(const struct args *a, const char *name, uint64_t max,
	uint64_t *out, struct err *err);

/* Of `n` names the one that a mistyped `word` most likely means; NULL when none
 * is near. */
const char *args_nearest(const char *word, const char *const *names, size_t n);
