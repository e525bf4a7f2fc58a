/* difference.h - what a change of the rules is, shown to who answers for it.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* A line for each change; one that says so when there is none. */
enum err_code difference_print(FILE *f, const struct version *a,
	const struct version *b, struct err *err);
/* [{"en","file","zh"}, ...] */
enum err_code difference_json(const struct version *a, const struct version *b,
	struct json **out, struct err *err);
/* The open proposal against the newest head, NULL where there is none yet. */
enum err_code difference_open(struct governance *g, struct version **head,
	struct version **proposal, struct err *err);
