/* audit.h - how the commands that audit ask: the daemon, or the store itself.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* Looks without a daemon. */
typedef enum err_code audit_look(
	struct node *n, audit_visit *visit, void *arg, struct err *err);

/* Asks the daemon by POST of `body` to `path`, or looks where none runs, if the
 * account may; each line goes to `visit`, as `arg` does.  Takes `body`. */
enum err_code audit_ask(struct cli *c, const char *path, struct json *body,
	audit_look *look, audit_visit *visit, void *arg, struct err *err);
/* A member of a line, "" for none. */
const char *audit_text(const struct json *v, const char *name);
/* `before` and `s` without control characters; nothing where `s` is "". */
void audit_print(const char *before, const char *s);
/* The names of labels behind one another, with two spaces before. */
void audit_print_labels(const struct json *labels);
/* --from DAY and --to DAY of the legal time as [from, to); what is not said
 * stays as it is.  ERR_USAGE. */
enum err_code audit_days(
	const struct args *a, int64_t *from, int64_t *to, struct err *err);
/* A time of RFC 3339 as a member of what is asked. */
bool audit_set_time(struct json *v, const char *name, int64_t t);
