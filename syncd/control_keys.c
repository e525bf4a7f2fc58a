/* control_keys.c - the call that changes the node's keys. */
#include "syncd/control_inside.h"

/* The body is {"kinds":N}, a sum of ROTATE_LOG and its like. */
static enum err_code read_kinds(
	const struct buf *body, uint64_t *kinds, struct err *err)
{
	struct json *o = NULL;
	enum err_code rc;

	if ((rc = json_parse(body->data, body->len, (size_t)CONTROL_BODY_LIMIT,
		     &o, err)))
		return rc;
	if (json_count(o) != 1 || !json_get_u64(o, "kinds", kinds) ||
		*kinds == 0 || *kinds > ROTATE_ALL)
		rc = err_set(err, ERR_USAGE,
			"the body is not {\"kinds\":NUMBER} of 1 to %d",
			ROTATE_ALL);
	json_free(o);
	return rc;
}

static enum err_code run_rotate(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct json *v = json_new_object();
	struct buf request = BUF_EMPTY;
	uint64_t kinds = 0;
	enum err_code rc;

	if ((rc = read_kinds(&j->in, &kinds, err)) ||
		(rc = node_rotate(
			 d->node, d->writer, (unsigned)kinds, &request, err)))
		goto out;
	if (!json_set(v, "request",
		    json_new_string((const char *)request.data, request.len))) {
		rc = err_nomem(err);
		goto out;
	}
	if (!(rc = json_write(v, &j->body, err))) {
		buf_u8(&j->body, '\n');
		rc = buf_ok(&j->body, err);
	}
out:
	json_free(v);
	buf_free(&request);
	return rc;
}

static void ran_rotate(struct job *j)
{
	daemon_changed(j->control->d);
}

void call_rotate(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	struct job *j = job_new(c, x, run_rotate);

	(void)rest;
	(void)len;
	if (!j)
		return;
	j->ran = ran_rotate;
	job_submit(j, loop_job);
}
