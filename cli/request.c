/* request.c - a node's request on its way to an officer. */
#include "cli/request.h"

#include <inttypes.h>
#include <string.h>

void request_check(const struct buf *request, char out[CHECK_SIZE])
{
	struct digest d = digest_of(request->data, request->len);
	struct cursor c = cursor_over(d.b, sizeof(d.b));

	snprintf(out, CHECK_SIZE, "%06" PRIu64, cursor_u64(&c) % 1000000);
}

enum err_code request_save(struct node *n, const char *path,
	char check[CHECK_SIZE], struct err *err)
{
	struct buf text = BUF_EMPTY;
	struct node_request r;
	enum err_code rc;

	if ((rc = node_make_request(n, &r, err)) ||
		(rc = node_request_write(&r, n->log, &text, err)))
		goto out;
	request_check(&text, check);
	if (!strcmp(path, "-"))
		fwrite(text.data, 1, text.len, stdout);
	else
		rc = file_replace(path, text.data, text.len, 0644, err);
out:
	buf_free(&text);
	return rc;
}

enum err_code request_load(const char *path, struct node_request *r,
	char check[CHECK_SIZE], struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if ((rc = file_read(path, REQUEST_LIMIT, &text, err)))
		return rc;
	request_check(&text, check);
	if ((rc = cli_input(
		     node_request_parse(text.data, text.len, r, err), err)))
		rc = err_while(err, rc, "%s is no request of a node", path);
	buf_free(&text);
	return rc;
}
