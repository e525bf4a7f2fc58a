/* replica_orders.c - what PING and PONG are about: does the child know every
 * order that goes down to it, and up to when. */
#include "syncd/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum err_code orders_give(struct ask *a, struct replica *r, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest down;
	/* Before the digest: what comes meanwhile is then in it. */
	int64_t now = orders_now(r->node);
	enum err_code rc =
		orders_down_digest(r->node, r->rules, a->peer, &down, err);

	if (rc)
		return rc;
	digest_base64url(&down, text);
	buf_printf(
		&a->out, "{\"now\":%" PRId64 ",\"orders\":\"%s\"}", now, text);
	return buf_ok(&a->out, err);
}

enum err_code pong_parse(const void *data, size_t len, struct digest *down,
	uint64_t *now, struct err *err)
{
	struct json *v = NULL;
	const char *text;
	enum err_code rc;

	if ((rc = json_parse_canonical(data, len, PONG_LIMIT, &v, err)))
		return err_while(err, ERR_PROTOCOL, "PONG");
	text = json_get_string(v, "orders");
	if (json_count(v) != 2 || !json_get_u64(v, "now", now) || !text ||
		!digest_from_base64url(text, strlen(text), down))
		rc = err_set(err, ERR_PROTOCOL,
			"PONG: a member is missing, unknown or malformed");
	json_free(v);
	return rc;
}

enum err_code orders_take(struct ask *a, struct replica *r, struct err *err)
{
	struct digest down;
	uint64_t now = 0;
	size_t done = 0;
	bool news = false;
	enum err_code rc;

	if ((rc = pong_parse(a->data.data, a->data.len, &down, &now, err)) ||
		(rc = orders_fresh(r->node, &down, (int64_t)now, &news, err)) ||
		(rc = orders_run(r->node, r->writer, &done, err)))
		return rc;
	a->changed = done > 0 || news;
	if (done)
		snprintf(a->news, sizeof(a->news), "orders carried out: %zu",
			done);
	return ERR_OK;
}
