/* access.h - raw values for who may see them: a reason, a record of it that is
 * durable before anything is shown, and for minors and what is sealed a second
 * person.
 *
 * docs/format.md 8.9 has the fields of the sys-access records.  Such a request,
 * its approval and the one reading of it are revisions of one record of
 * the own log, under an id that account, record, labels and reason give: what
 * waits needs no other place to be kept.
 */
#pragma once

#include "policies/account.h"
#include "policies/node.h"
#include "policies/point.h"

#define ACCESS_SERIES "sys-access"
#define ACCESS_VALID_S 86400 /* a request, and an approval */
#define ACCESS_REASON_LIMIT 200
#define ACCESS_DENIED_LIMIT 6 /* recorded a minute and account */
#define ACCESS_MINUTE_S 60

/* Denied tries of the last minute, so that they cannot fill the disk. */
struct access_tries;
struct access_tries *access_tries_new(void); /* NULL without memory */
void access_tries_free(struct access_tries *t);
/* Is there anything for the next?  Any thread. */
bool access_tries_due(struct access_tries *t);
/* Records how many were only counted, for each account whose minute is over;
 * with `all` for each.  Any thread. */
enum err_code access_tries_flush(struct node *n, struct writer *w,
	struct access_tries *t, bool all, struct err *err);

struct access_ask {
	struct who who;
	struct point point;
	const char *reason;
	uint8_t labels;	   /* of personal and sensitive; 0: both */
	const char *field; /* a path, or NULL: all of the record */
	bool proof;	   /* a proof with the parts, instead of the document */
};
/* {"access":{"origin","seq"},"document":{...}}, or with "proof":TEXT, or, where
 * a second person has to approve first, {"request":ID,"until":TIME}.  Any
 * thread; `w` and `tries` may be NULL, as in a command of its own.  ERR_DENIED
 * when the role may not: recorded too.  ERR_NOT_FOUND and ERR_ERASED when
 * nothing of what was asked for is here. */
enum err_code access_reveal(struct node *n, struct writer *w,
	struct access_tries *tries, const struct access_ask *ask,
	struct json **out, struct err *err);
/* Approves a request of another account, or refuses one, approved or not, that
 * was not shown yet.  *out tells which: {"for","labels","reason","record",
 * "until"}, the last of what is approved. */
enum access_decision { ACCESS_APPROVE, ACCESS_REFUSE };
enum err_code access_decide(struct node *n, struct writer *w,
	struct access_tries *tries, const struct who *who,
	enum access_decision what, const char *request, struct json **out,
	struct err *err);
/* {"requests":[{"account","approved_by","at","field","labels","reason",
 * "record","request","state","until"}]}: what waits here or is approved, and
 * counts.  Who may approve or audit sees all of them, a clerk the own ones.
 * ERR_DENIED for others. */
enum err_code access_pending(struct node *n, const struct who *who,
	struct json **out, struct err *err);

/* Pure: what a person may give as a reason; ERR_USAGE says why not. */
enum err_code access_reason_check(const char *reason, struct err *err);

/* ---- who saw or tried (policies/audit.c) ---- */

struct audit_filter {
	bool by_record;
	struct point point;  /* where by_record */
	const char *account; /* NULL: every */
	int64_t from, to;    /* in [from, to); 0 and INT64_MAX for all time */
};
/* {"access":{...fields},"at","id","origin","rev","seq"}, taken; a log after the
 * other, each in its order. */
typedef enum err_code audit_visit(
	void *arg, struct json *line, struct err *err);
enum err_code audit_access(struct node *n, const struct audit_filter *f,
	audit_visit *visit, void *arg, struct err *err);
