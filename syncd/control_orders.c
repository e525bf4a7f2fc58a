/* control_orders.c - the calls about officers' orders. */
#include "syncd/control_inside.h"
#include "syncd/orders.h"

/* The body is a record's fields: text and signatures (docs/format.md 10), and
 * the register of a disposal. */
static enum err_code read_body(
	struct job *j, struct signed_order *s, struct err *err)
{
	struct buf fields = BUF_EMPTY, reg = BUF_EMPTY;
	struct json *v = NULL;
	enum err_code rc = json_parse_canonical(
		j->in.data, j->in.len, ORDERS_BODY_LIMIT, &v, err);

	if (!rc && json_get(v, "register")) {
		rc = json_write(json_get(v, "register"), &reg, err);
		json_remove(v, "register");
	}
	if (rc || (rc = json_write(v, &fields, err)) ||
		(rc = buf_ok(&fields, err)) || (rc = buf_ok(&reg, err)) ||
		(rc = signed_order_parse(fields.data, fields.len, s, err)))
		goto out;
	s->reg = reg;
	reg = BUF_EMPTY;
out:
	buf_free(&reg);
	buf_free(&fields);
	json_free(v);
	return rc;
}

static enum err_code run_enter(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct signed_order s = {.count = 0};
	struct receipt receipt;
	enum err_code rc;

	if (!(rc = read_body(j, &s, err)) &&
		!(rc = orders_enter(d->node, d->writer, &s, &receipt, err))) {
		receipt_write(&receipt, &j->body);
		rc = buf_ok(&j->body, err);
	}
	signed_order_free(&s);
	return rc;
}

static void ran_enter(struct job *j)
{
	daemon_changed(j->control->d);
	orders_work(j->control->d);
}

static enum err_code run_list(struct job *j, struct err *err)
{
	struct json *v = NULL;
	enum err_code rc = orders_json(j->control->d->node, &v, err);

	if (rc == ERR_OK)
		rc = json_write(v, &j->body, err);
	if (rc == ERR_OK)
		buf_u8(&j->body, '\n');
	json_free(v);
	return rc ? rc : buf_ok(&j->body, err);
}

void call_order(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	struct job *j = job_new(c, x, run_enter);

	(void)rest;
	(void)len;
	if (!j)
		return;
	j->ran = ran_enter;
	job_submit(j, loop_job);
}

void call_orders(struct control_server *c, struct exchange *x, const char *rest,
	size_t len)
{
	struct job *j = job_new(c, x, run_list);

	(void)rest;
	(void)len;
	if (j)
		job_submit(j, loop_job);
}
