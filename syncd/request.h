/* request.h - the head of an HTTP/1.1 request, parsed strictly.
 *
 * Pure.  RFC 9112 with less tolerance: lines end in CRLF, the target starts
 * with "/", no folding, no Transfer-Encoding, one Content-Length.
 */
#pragma once

#include "base/base.h"

#define REQUEST_HEAD_LIMIT ((size_t)8 << 10) /* bytes, blank line included */

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_OTHER };

/* Borrows the bytes it was parsed from; none of the texts ends in NUL. */
struct request {
	enum method method;
	const char *path; /* without the query */
	size_t path_len;
	const char *query; /* behind the "?", or NULL */
	size_t query_len;
	bool has_length;
	uint64_t length; /* of the body */
	bool keep_alive;
	bool expects_continue;
	const char *host; /* of the Host header, or NULL */
	size_t host_len;
	const char *bearer; /* the token of Authorization: Bearer, or NULL */
	size_t bearer_len;
};

/* Where the head ends: the count of bytes up to and with the blank line, 0 when
 * it is not there yet. */
size_t request_head_end(const void *data, size_t len);
/* `len` as request_head_end() told.  ERR_PROTOCOL with the reason; ERR_LIMIT
 * past REQUEST_HEAD_LIMIT. */
enum err_code request_parse(
	const void *data, size_t len, struct request *out, struct err *err);
/* No Host at all, or "localhost" or a loopback address, with or without a port.
 * A page that a browser loaded under another name (DNS rebinding) sends that
 * name here. */
bool request_host_loopback(const struct request *r);
bool request_path_is(const struct request *r, const char *path);
/* The path starts with `prefix`; *rest is what is behind it. */
bool request_path_under(const struct request *r, const char *prefix,
	const char **rest, size_t *rest_len);
