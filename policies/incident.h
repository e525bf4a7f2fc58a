/* incident.h - whom an incident reaches: of what was lost, stolen or leaked,
 * which records, which kinds of data and how many people, for who has to report
 * it.  Reads only, and shows no value of anybody.
 */
#pragma once

#include "policies/node.h"
#include "policies/point.h"

enum incident_kind {
	INCIDENT_NODE,	   /* its machine: all that it may hold */
	INCIDENT_CONSUMER, /* its token: all that left by it */
	INCIDENT_RECORD,   /* all its revisions */
	INCIDENT_SERIES,
};
struct incident_ask {
	enum incident_kind kind;
	const char *name;   /* a code, a consumer's name, a series */
	struct point point; /* INCIDENT_RECORD */
	/* Records made in [from, to); of a consumer what was given on days
	 * that begin there.  0 and INT64_MAX for all time. */
	int64_t from, to;
};
/* {"about":{"node"|"consumer"|"record"|"series":NAME},"at","damaged","data":
 * [{"count","fields":[TITLE],"first","label","last","origin","ranges":
 * [[from,to]],"series","title"}],"destroyed","first","given":[{"consumer"|"to",
 * "first_day","labels","last_day"}],"last","mentions","persons","records",
 * "uncounted"}.
 * docs/cli.md, section 2, tells what each means.  ERR_NOT_FOUND for a division,
 * series or record that is not here.  Any thread. */
enum err_code incident_find(struct node *n, const struct incident_ask *ask,
	struct json **out, struct err *err);
/* The same of an archive package, by nothing but its own files, with "about":
 * {"package":ORIGIN}.  It is not verified.  ERR_INVALID when it is none. */
enum err_code incident_package(const char *path, const struct rules *rules,
	struct json **out, struct err *err);
/* Appends `data` of such a report as CSV for a spreadsheet. */
enum err_code incident_csv(
	const struct json *report, struct buf *out, struct err *err);
