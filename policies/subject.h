/* subject.h - what a person may ask about their own records: which there are, a
 * copy of them, or why not.  Each is a look, and recorded before it is answered
 * (docs/format.md 8.9); nothing that tells who the person is is kept.
 */
#pragma once

#include "policies/access.h"
#include "policies/person.h"

#define SUBJECT_RECORDS_LIMIT 4096

struct subject_ask {
	struct who who;
	const struct person *person;
	const char *reason;
	const char *request; /* the number it has here; may be NULL */
	bool copy;	     /* what the records say, for the person */
};
/* {"access":{"origin","seq"},"damaged":N,"found":[{"at","id","node","origin",
 * "rev","seq","series","where":[{"path","value"}]}],"looked":N}, values masked;
 * of a restricted record "restricted" and no "where".  With `copy` each has
 * "document", or "left_out": "restricted", "minor" or "series".  All records of
 * all series that this node holds are read.  ERR_DENIED when the role may not:
 * recorded too.  ERR_LIMIT over SUBJECT_RECORDS_LIMIT. */
enum err_code subject_look(struct node *n, struct writer *w,
	struct access_tries *tries, const struct subject_ask *ask,
	struct json **out, struct err *err);
/* Records that a request was refused, by which article and why.
 * {"access":{"origin","seq"}}. */
enum err_code subject_refuse(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who, const char *article,
	const char *reason, const char *request, struct json **out,
	struct err *err);
