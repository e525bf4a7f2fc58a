/* control_inside.h - what the calls of the control socket share.  Internal to
 * syncd/control*.c. */
#pragma once

#include "syncd/control.h"
#include "syncd/loop.h"
#include "syncd/server.h"

#define JSON_TYPE "application/json"

/* One request on its way through a worker. */
struct job {
	struct control_server *control;
	struct exchange *x;
	enum err_code (*run)(struct job *j, struct err *err);
	void (*ran)(struct job *j); /* on the loop's thread; may be NULL */
	struct buf in;
	struct digest name;	/* PUT /attachments */
	struct json *status;	/* GET /status */
	char *path;		/* POST /governance/adopt */
	uint64_t kept, refused; /* POST /put */
	bool again;		/* POST /repair/end */
	struct who who;		/* the calls about access */
	enum err_code rc;
	struct err err;
	const char *type;
	struct buf body;
};

struct control_server {
	struct daemon *d;
	struct server *server;
	struct staged *staged;
	struct access_tries *tries;
	bool telling; /* a job that records counted tries is under way */
	char *path;
};

/* Takes the body; NULL: answered already. */
struct job *job_new(struct control_server *c, struct exchange *x,
	enum err_code (*run)(struct job *j, struct err *err));
void job_free(struct job *j);
/* To loop_job or loop_put_job; answers in every case. */
void job_submit(
	struct job *j, bool (*to)(struct loop *, loop_fn *, loop_fn *, void *));

typedef void control_call(struct control_server *c, struct exchange *x,
	const char *rest, size_t len);

/* ---- syncd/control_orders.c ---- */

/* An order and its register. */
#define ORDERS_BODY_LIMIT (2 * JSON_TEXT_LIMIT)

control_call call_order, call_orders;

/* ---- syncd/control_keys.c ---- */

control_call call_rotate;

/* ---- syncd/control_subject.c ---- */

control_call call_subject;

/* ---- syncd/control_access.c ---- */

control_call call_reveal, call_approve, call_pending, call_audit,
	call_provision, call_show, call_list, call_why, call_incident;
/* A call that is answered for who asks (job->who). */
void control_call_as(struct control_server *c, struct exchange *x,
	enum err_code (*run)(struct job *j, struct err *err),
	void (*ran)(struct job *j));
/* What was shown or denied is a record that goes up: for `ran`. */
void control_noted(struct job *j);
enum err_code control_parse_body(
	struct job *j, struct json **out, struct err *err);
/* Takes `v`. */
enum err_code control_answer(struct job *j, struct json *v, struct err *err);
/* Who asks; false: it cannot be told. */
bool control_who(
	const struct control_server *c, struct exchange *x, struct who *out);
/* Records denied tries that were only counted, once their minute is over. */
void control_tell_tries(struct control_server *c);
/* The same for all of them, before the writer ends. */
void control_tell_last(struct control_server *c);
