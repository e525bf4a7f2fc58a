/* control.c - the calls of the command on this machine. */
#include "syncd/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "syncd/ask.h"
#include "syncd/control_inside.h"
#include "syncd/log.h"
#include "syncd/peers.h"
#include "syncd/repair_report.h"
#include "syncd/staged.h"
#include "syncd/status.h"

#define NDJSON_TYPE "application/x-ndjson"
#define ADOPT_ROUNDS 1024 /* of GOVERNANCE_HEADS_LIMIT heads */

size_t control_busy(const struct control_server *c)
{
	return c ? server_exchanges(c->server) : 0;
}

/* ---- jobs ---- */

void job_free(struct job *j)
{
	json_free(j->status);
	buf_free(&j->in);
	buf_free(&j->body);
	free(j->path);
	free(j);
}

static void on_work(void *arg)
{
	struct job *j = arg;

	j->rc = j->run(j, &j->err);
}

static void on_worked(void *arg)
{
	struct job *j = arg;

	if (j->ran)
		j->ran(j);
	if (j->rc) {
		if (exchange_status(j->rc) >= 500)
			log_warn("control: %s", j->err.text);
		exchange_error(j->x, j->rc, j->err.text);
	} else {
		exchange_reply(j->x, 200, j->type, &j->body);
	}
	job_free(j);
}

struct job *job_new(struct control_server *c, struct exchange *x,
	enum err_code (*run)(struct job *j, struct err *err))
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) {
		exchange_error(x, ERR_NOMEM, "out of memory");
		return NULL;
	}
	j->control = c;
	j->x = x;
	j->run = run;
	j->type = JSON_TYPE;
	j->in = *exchange_body(x);
	*exchange_body(x) = BUF_EMPTY;
	return j;
}

void job_submit(
	struct job *j, bool (*to)(struct loop *, loop_fn *, loop_fn *, void *))
{
	if (to(j->control->d->loop, on_work, on_worked, j))
		return;
	if (j->ran)
		j->ran(j);
	exchange_error(j->x, ERR_BUSY, "this node is out of workers");
	job_free(j);
}

/* ---- POST /put ---- */

struct lines {
	const char **text;
	size_t *len;
	size_t count;
};

static void lines_free(struct lines *l)
{
	free(l->text);
	free(l->len);
}

/* The last line may lack its line feed. */
static enum err_code split_lines(
	const struct buf *in, struct lines *out, struct err *err)
{
	const char *at = (const char *)in->data, *end = at + in->len;
	struct lines l = {
		.text = calloc(INTAKE_LINES_LIMIT, sizeof(char *)),
		.len = calloc(INTAKE_LINES_LIMIT, sizeof(size_t)),
	};

	if (!l.text || !l.len) {
		lines_free(&l);
		return err_nomem(err);
	}
	while (in->len > 0 && at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((lf ? lf : end) - at);

		if (l.count == INTAKE_LINES_LIMIT) {
			lines_free(&l);
			return err_set(err, ERR_LIMIT,
				"more than %d lines in one put",
				INTAKE_LINES_LIMIT);
		}
		l.text[l.count] = at;
		l.len[l.count++] = len;
		at += len + 1;
	}
	*out = l;
	return ERR_OK;
}

/* One line of answer a line of input; an empty one is nothing to keep. */
static void write_result(struct job *j, const struct intake_result *r)
{
	if (r->rc) {
		j->refused++;
		exchange_error_text(&j->body, r->rc, r->text);
		buf_str(&j->body, "}\n");
	} else if (r->receipt.rev == 0) {
		buf_str(&j->body, "{}\n");
	} else {
		j->kept++;
		receipt_write(&r->receipt, &j->body);
	}
}

/* How often a put waits for rules that are just coming into force. */
#define RULES_TURNS 50
#define RULES_WAIT_US 20000

static bool any_busy(const struct intake_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (results[i].rc == ERR_BUSY)
			return true;
	}
	return false;
}

static enum err_code take_lines(struct job *j, const struct lines *l,
	struct intake_result *results, struct err *err)
{
	struct control_server *c = j->control;
	struct capture_source src = {
		.node = c->d->node,
		.find = staged_find,
		.find_arg = c->staged,
	};
	enum err_code rc;

	staged_hold(c->staged);
	/* Rules that come into force between check and commit make lines be
	 * checked again; those that are in get the same receipts. */
	for (unsigned turn = 0; turn < RULES_TURNS; turn++) {
		struct rules *rules = node_rules(c->d->node);

		src.rules = rules;
		rc = intake_lines(&src, loop_prepare_pool(c->d->loop),
			c->d->writer, l->text, l->len, l->count, results, err);
		rules_unref(rules);
		if (rc || !any_busy(results, l->count))
			break;
		(void)usleep(RULES_WAIT_US);
	}
	staged_release(c->staged);
	return rc;
}

static enum err_code run_put(struct job *j, struct err *err)
{
	struct intake_result *results = NULL;
	struct lines l = {0};
	enum err_code rc;

	if ((rc = split_lines(&j->in, &l, err)))
		return rc;
	results = calloc(l.count ? l.count : 1, sizeof(*results));
	if (!results)
		rc = err_nomem(err);
	else if (l.count > 0)
		rc = take_lines(j, &l, results, err);
	for (size_t i = 0; rc == ERR_OK && i < l.count; i++)
		write_result(j, &results[i]);
	if (rc == ERR_OK)
		rc = buf_ok(&j->body, err);
	j->type = NDJSON_TYPE;
	free(results);
	lines_free(&l);
	return rc;
}

static void ran_put(struct job *j)
{
	struct daemon *d = j->control->d;

	d->put_records += j->kept;
	d->put_refused += j->refused;
	daemon_changed(d);
}

/* ---- PUT /attachments/SHA256 ---- */

static enum err_code run_attachment(struct job *j, struct err *err)
{
	staged_expire(j->control->staged);
	buf_str(&j->body, "{}\n");
	return staged_add(
		j->control->staged, &j->name, j->in.data, j->in.len, err);
}

/* ---- GET /status ---- */

static enum err_code run_status(struct job *j, struct err *err)
{
	enum err_code rc;

	if ((rc = status_finish(j->control->d->node, j->status, err)) ||
		(rc = json_write(j->status, &j->body, err)))
		return rc;
	buf_str(&j->body, "\n");
	return ERR_OK;
}

/* ---- POST /governance/adopt ---- */

/* As if a peer had given them: ASK_IMPORT checks, stores and adopts, under the
 * lock that sessions' asks take. */
static enum err_code import_heads(
	struct job *j, struct buf *heads, uint64_t *newest, struct err *err)
{
	struct ask *a = ask_new(ASK_IMPORT);
	enum err_code rc;

	if (!a)
		return err_nomem(err);
	a->data = *heads;
	*heads = BUF_EMPTY;
	ask_run(a, j->control->d->node, j->control->d->writer);
	rc = a->rc;
	if (rc)
		(void)err_set(err, rc, "%s", a->err.text);
	else
		*newest = a->size;
	ask_free(a);
	return rc;
}

static uint64_t serial_in_force(struct node *n)
{
	struct rules *rules = node_rules(n);
	uint64_t serial = rules_serial(rules);

	rules_unref(rules);
	return serial;
}

static enum err_code adopt_from(
	struct job *j, struct governance *g, struct err *err)
{
	struct node *n = j->control->d->node;
	struct buf heads = BUF_EMPTY;
	struct statement newest;
	uint64_t serial, adopted;
	enum err_code rc;

	if ((rc = governance_head(g, &newest, err)))
		return rc;
	for (unsigned i = 0; rc == ERR_OK && i < ADOPT_ROUNDS; i++) {
		serial = serial_in_force(n);
		if (serial >= newest.serial)
			break;
		if ((rc = governance_export(g, serial, &heads, err)) == ERR_OK)
			rc = import_heads(j, &heads, &adopted, err);
		buf_free(&heads);
		/* Heads that are here already and only wait to be adopted. */
		if (rc == ERR_EXISTS)
			rc = replica_adopt(
				n, j->control->d->writer, &adopted, err);
		if (rc == ERR_OK && serial_in_force(n) == serial)
			break;
	}
	return rc;
}

static enum err_code run_adopt(struct job *j, struct err *err)
{
	struct governance *g;
	enum err_code rc;

	if ((rc = governance_open(j->path, &g, err)))
		return rc;
	if ((rc = replica_agree(j->control->d->node, g, err)) == ERR_OK)
		rc = adopt_from(j, g, err);
	governance_close(g);
	if (rc)
		return rc;
	buf_printf(&j->body, "{\"serial\":%" PRIu64 "}\n",
		serial_in_force(j->control->d->node));
	return ERR_OK;
}

static void ran_adopt(struct job *j)
{
	daemon_changed(j->control->d);
}

/* ---- /repair ---- */

static enum err_code write_counts(
	struct job *j, const struct repair_count *c, struct err *err)
{
	buf_printf(&j->body,
		"{\"attachments\":%" PRIu64 ",\"mended\":%" PRIu64
		",\"records\":%" PRIu64 "}\n",
		c->attachments, c->mended, c->records);
	return buf_ok(&j->body, err);
}

static enum err_code run_repair(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct repair_count found;
	enum err_code rc = repair_look(d->node, d->writer, &found, err);

	return rc ? rc : write_counts(j, &found, err);
}

static void ran_repair(struct job *j)
{
	daemon_changed(j->control->d);
}

static enum err_code run_repair_end(struct job *j, struct err *err)
{
	struct daemon *d = j->control->d;
	struct json *report = NULL;
	enum err_code rc =
		repair_report(d->node, d->writer, &report, &j->again, err);

	if (!rc && !(rc = json_write(report, &j->body, err)))
		buf_str(&j->body, "\n");
	json_free(report);
	return rc;
}

/* What was held up by damage is for a new session. */
static void ran_repair_end(struct job *j)
{
	daemon_changed(j->control->d);
	if (j->again)
		peers_again(j->control->d->peers);
}

static void call_repair(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct job *j = job_new(c, x, run_repair);

	(void)rest;
	(void)len;
	if (!j)
		return;
	j->ran = ran_repair;
	job_submit(j, loop_job);
}

static void call_repair_end(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct job *j = job_new(c, x, run_repair_end);

	(void)rest;
	(void)len;
	if (!j)
		return;
	j->ran = ran_repair_end;
	job_submit(j, loop_job);
}

static void call_repair_state(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct json *away = json_new_array();
	struct json *o = json_new_object();
	struct buf body = BUF_EMPTY;
	struct repair_count counts;
	uint64_t asking = 0;

	(void)rest;
	(void)len;
	repair_tell(c->d->node, &counts);
	if (away && o && peers_repair(c->d->peers, &asking, away) &&
		json_set(o, "asking", json_new_u64(asking)) &&
		json_set(o, "attachments", json_new_u64(counts.attachments)) &&
		json_set(o, "away", json_copy(away)) &&
		json_set(o, "mended", json_new_u64(counts.mended)) &&
		json_set(o, "records", json_new_u64(counts.records)) &&
		!json_write(o, &body, NULL)) {
		buf_str(&body, "\n");
		exchange_reply(x, 200, JSON_TYPE, &body);
	} else {
		exchange_error(x, ERR_NOMEM, "out of memory");
	}
	buf_free(&body);
	json_free(away);
	json_free(o);
}

/* ---- calls ---- */

static void call_status(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct job *j = job_new(c, x, run_status);
	struct err err;

	(void)rest;
	(void)len;
	if (!j)
		return;
	if (status_start(c->d, &j->status, &err)) {
		exchange_error(x, err.code, err.text);
		job_free(j);
		return;
	}
	job_submit(j, loop_job);
}

static void call_put(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct job *j = job_new(c, x, run_put);

	(void)rest;
	(void)len;
	if (!j)
		return;
	j->ran = ran_put;
	job_submit(j, loop_put_job);
}

static void call_attachment(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct digest name;
	struct job *j;

	if (!digest_from_hex(rest, len, &name)) {
		exchange_error(x, ERR_USAGE,
			"the path does not end in a "
			"SHA-256");
		return;
	}
	if (!(j = job_new(c, x, run_attachment)))
		return;
	j->name = name;
	job_submit(j, loop_job);
}

/* The body as an object whose only member may be `name`, a string. */
static enum err_code read_member(
	struct exchange *x, const char *name, char **out, struct err *err)
{
	const struct buf *body = exchange_body(x);
	struct json *o = NULL;
	const char *text;
	enum err_code rc;

	*out = NULL;
	if (body->len == 0)
		return ERR_OK;
	if ((rc = json_parse(body->data, body->len, (size_t)CONTROL_BODY_LIMIT,
		     &o, err)))
		return rc;
	text = json_get_string(o, name);
	if (json_kind(o) != JSON_KIND_OBJECT ||
		json_count(o) > (text ? 1u : 0u))
		rc = err_set(
			err, ERR_USAGE, "the body is not {\"%s\":TEXT}", name);
	else if (text && !(*out = strdup(text)))
		rc = err_nomem(err);
	json_free(o);
	return rc;
}

static void call_sync(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	struct buf body = BUF_EMPTY;
	char *code = NULL;
	struct err err;
	enum err_code rc;

	(void)rest;
	(void)len;
	if ((rc = read_member(x, "peer", &code, &err)) ||
		(rc = peers_sync(c->d->peers, code, &err))) {
		exchange_error(x, rc, err.text);
	} else {
		buf_str(&body, "{}\n");
		exchange_reply(x, 200, JSON_TYPE, &body);
	}
	free(code);
}

static void call_adopt(struct control_server *c, struct exchange *x,
	const char *rest, size_t len)
{
	char *path = NULL;
	struct job *j;
	struct err err;
	enum err_code rc;

	(void)rest;
	(void)len;
	rc = read_member(x, "path", &path, &err);
	if (rc == ERR_OK && (!path || path[0] != '/'))
		rc = err_set(&err, ERR_USAGE,
			"\"path\" must be an absolute "
			"path");
	if (rc) {
		exchange_error(x, rc, err.text);
		free(path);
		return;
	}
	if (!(j = job_new(c, x, run_adopt))) {
		free(path);
		return;
	}
	j->path = path;
	j->ran = ran_adopt;
	job_submit(j, loop_job);
}

struct call {
	enum method method;
	const char *path;
	bool exact;
	uint64_t body_limit;
	/* What the caller's role must have, 0: nothing; calls about access
	 * judge for themselves, for they record who was denied. */
	uint8_t power;
	control_call *call;
};
static const struct call calls[] = {
	{METHOD_GET, "/status", true, 0, 0, call_status},
	{METHOD_POST, "/put", true, CONTROL_PUT_LIMIT, POWER_PUT, call_put},
	{METHOD_PUT, "/attachments/", false, STAGED_FILE_LIMIT, POWER_PUT,
		call_attachment},
	{METHOD_POST, "/sync", true, CONTROL_BODY_LIMIT, POWER_PUT, call_sync},
	{METHOD_GET, "/orders", true, 0, 0, call_orders},
	{METHOD_POST, "/orders", true, ORDERS_BODY_LIMIT, POWER_OPERATE,
		call_order},
	{METHOD_POST, "/repair", true, CONTROL_BODY_LIMIT, POWER_OPERATE,
		call_repair},
	{METHOD_GET, "/repair", true, 0, POWER_OPERATE, call_repair_state},
	{METHOD_POST, "/repair/end", true, CONTROL_BODY_LIMIT, POWER_OPERATE,
		call_repair_end},
	{METHOD_POST, "/governance/adopt", true, CONTROL_BODY_LIMIT,
		POWER_OPERATE, call_adopt},
	{METHOD_POST, "/keys", true, CONTROL_BODY_LIMIT, POWER_OPERATE,
		call_rotate},
	{METHOD_POST, "/reveal", true, CONTROL_BODY_LIMIT, 0, call_reveal},
	{METHOD_POST, "/approve", true, CONTROL_BODY_LIMIT, 0, call_approve},
	{METHOD_GET, "/requests", true, 0, 0, call_pending},
	{METHOD_POST, "/audit/access", true, CONTROL_BODY_LIMIT, 0, call_audit},
	{METHOD_POST, "/subject", true, CONTROL_BODY_LIMIT, 0, call_subject},
	{METHOD_POST, "/audit/provision", true, CONTROL_BODY_LIMIT, 0,
		call_provision},
	{METHOD_POST, "/incident", true, CONTROL_BODY_LIMIT, 0, call_incident},
	{METHOD_POST, "/list", true, CONTROL_BODY_LIMIT, 0, call_list},
	{METHOD_POST, "/why", true, CONTROL_BODY_LIMIT, 0, call_why},
	{METHOD_POST, "/show", true, CONTROL_BODY_LIMIT, 0, call_show},
};

static const struct call *find_call(
	const struct request *r, const char **rest, size_t *len)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (calls[i].method == r->method &&
			request_path_under(r, calls[i].path, rest, len) &&
			(!calls[i].exact || *len == 0))
			return &calls[i];
	}
	return NULL;
}

static uint64_t on_body(void *arg, const struct request *r)
{
	const char *rest;
	size_t len;
	const struct call *call = find_call(r, &rest, &len);

	(void)arg;
	/* An unknown call hears that it is unknown. */
	return call ? call->body_limit : CONTROL_BODY_LIMIT;
}

static void on_request(void *arg, struct exchange *x)
{
	const char *rest;
	size_t len;
	const struct call *call = find_call(exchange_request(x), &rest, &len);

	struct control_server *c = arg;
	struct who who;
	struct err err;

	if (!call)
		exchange_error(x, ERR_NOT_FOUND, "no such call");
	else if (call->power && !control_who(c, x, &who))
		exchange_error(x, ERR_DENIED, "nobody knows who asks");
	else if (call->power && who_may(&who, call->power, &err))
		exchange_error(x, ERR_DENIED, err.text);
	else
		call->call(c, x, rest, len);
}

/* ---- the socket ---- */

/* A socket file whose daemon is gone refuses connections. */
static enum err_code clear_stale(const struct sockaddr_un *to, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return err_sys(err, "control socket");
	rc = connect(fd, (const struct sockaddr *)to, sizeof(*to));
	close(fd);
	if (rc == 0)
		return err_set(err, ERR_BUSY, "another process answers at %s",
			to->sun_path);
	if (unlink(to->sun_path) && errno != ENOENT)
		return err_sys(err, "unlink %s", to->sun_path);
	return ERR_OK;
}

static enum err_code listen_unix(
	const char *path, mode_t mode, int *out, struct err *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, bound;
	enum err_code rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(err, ERR_LIMIT,
			"path of the control socket has %zu bytes, limit %zu",
			strlen(path), sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, strlen(path));
	if ((rc = clear_stale(&to, err)))
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "control socket");
	mask = umask(0777 & ~mode);
	bound = bind(fd, (struct sockaddr *)&to, sizeof(to));
	umask(mask);
	if (bound) {
		rc = err_sys(err, "bind %s", path);
		close(fd);
		return rc;
	}
	*out = fd;
	return ERR_OK;
}

enum err_code control_new(
	struct daemon *d, struct control_server **out, struct err *err)
{
	struct control_server *c = calloc(1, sizeof(*c));
	struct server_options opt = {
		.name = "control",
		.connections = CONTROL_CONNECTIONS_LIMIT,
		.each = CONTROL_ACCOUNT_LIMIT,
		.others = CONTROL_OTHERS_LIMIT,
		.handler = on_request,
		.body_limit = on_body,
		.arg = c,
	};
	/* Where accounts are named, each may come, and is judged by its role;
	 * else the file's mode judges. */
	mode_t mode = d->node->config.accounts.count ? 0666 : 0600;
	int fd;
	enum err_code rc;

	if (!c)
		return err_nomem(err);
	c->d = d;
	c->path = file_join(d->node->data, CONTROL_SOCKET);
	c->staged = staged_new();
	c->tries = access_tries_new();
	if (!c->path || !c->staged || !c->tries)
		rc = err_nomem(err);
	else if ((rc = listen_unix(c->path, mode, &fd, err)) == ERR_OK)
		rc = server_new(d->loop, fd, &opt, &c->server, err);
	if (rc) {
		staged_free(c->staged);
		access_tries_free(c->tries);
		free(c->path);
		free(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void control_tidy(struct control_server *c)
{
	if (!c)
		return;
	staged_expire(c->staged);
	control_tell_tries(c);
}

void control_stop(struct control_server *c)
{
	if (!c)
		return;
	server_stop(c->server);
	(void)unlink(c->path);
}

void control_free(struct control_server *c)
{
	if (!c)
		return;
	server_free(c->server);
	control_tell_last(c);
	staged_free(c->staged);
	access_tries_free(c->tries);
	free(c->path);
	free(c);
}
