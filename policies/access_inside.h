/* access_inside.h - what is revealed and recorded of it.  Internal to
 * policies/access*.c. */
#pragma once

#include "policies/access.h"
#include "policies/capture.h"

/* ---- policies/access_look.c: what of a record is meant ---- */

bool access_path_valid(const char *s);
/* What of `v` lies at the path, with what leads there; NULL: nothing, or
 * *failed without memory. */
struct json *access_pick(const struct json *v, const char *path, bool *failed);
/* Takes the labels away that have nothing at the path: a minor's values lie in
 * another part than the series says. */
enum err_code access_labels_at(const struct record *r, const char *path,
	uint8_t *labels, struct err *err);
/* Is the record about minors?  `s` may be NULL. */
enum err_code access_about_minor(const struct series *s, const struct entry *e,
	const struct record *r, bool *out, struct err *err);

/* ---- policies/access.c ---- */

/* Is the newest revision of a request, of the time `at`, this result, and does
 * it still count? */
bool access_counts(
	const struct json *fields, const char *at, const char *result);

/* ---- policies/access_note.c: what is recorded ---- */

/* What was asked for, as far as it was found. */
struct access_target {
	bool found;
	struct log_info log;
	uint64_t seq;
	struct entry e;
	uint8_t labels;
};
/* {"account","act","result","role"}; NULL without memory. */
struct json *access_fields(
	const struct who *who, const char *act, const char *result);
/* The same for a try to see, with what was meant and why. */
struct json *access_reveal_fields(const struct access_ask *ask,
	const struct access_target *t, const char *result);
/* A sys-access record of its own, durable when it returns.  Takes `fields`,
 * `out` may be NULL. */
enum err_code access_note(struct node *n, struct writer *w, struct json *fields,
	struct receipt *out, struct err *err);
/* Records the try, or counts it, and returns ERR_DENIED with the text that err
 * has; what keeps it from being recorded is told instead.  Takes `fields`. */
enum err_code access_denied(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who, struct json *fields,
	struct err *err);
