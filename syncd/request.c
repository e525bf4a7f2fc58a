/* request.c - the head of an HTTP/1.1 request. */
#include "syncd/request.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static const char *const methods[] = {
	[METHOD_GET] = "GET",
	[METHOD_HEAD] = "HEAD",
	[METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",
};

size_t request_head_end(const void *data, size_t len)
{
	const char *end = len ? memmem(data, len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - (const char *)data) + 4 : 0;
}

static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		(c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!token_char(s[i]))
			return false;
	}
	return len > 0;
}

static bool is_text(const char *s, size_t len, const char *text)
{
	return len == strlen(text) && !memcmp(s, text, len);
}

static bool is_name(const char *s, size_t len, const char *text)
{
	return len == strlen(text) && !strncasecmp(s, text, len);
}

/* A line without its CRLF. */
static bool next_line(struct cursor *c, const char **line, size_t *len)
{
	*line = cursor_line(c, len);
	if (!*line || *len == 0 || (*line)[*len - 1] != '\r')
		return false;
	--*len;
	return true;
}

static enum method find_method(const char *s, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (is_text(s, len, methods[i]))
			return (enum method)i;
	}
	return METHOD_OTHER;
}

static bool set_target(const char *s, size_t len, struct request *r)
{
	const char *mark = memchr(s, '?', len);

	if (len == 0 || s[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= 0x20 || s[i] >= 0x7f)
			return false;
	}
	r->path = s;
	r->path_len = mark ? (size_t)(mark - s) : len;
	if (mark) {
		r->query = mark + 1;
		r->query_len = len - r->path_len - 1;
	}
	return true;
}

/* METHOD SP TARGET SP VERSION */
static bool set_first_line(const char *s, size_t len, struct request *r)
{
	const char *one = memchr(s, ' ', len);
	const char *two =
		one ? memchr(one + 1, ' ', len - (size_t)(one + 1 - s)) : NULL;
	const char *version;
	size_t version_len;

	if (!two || !is_token(s, (size_t)(one - s)))
		return false;
	r->method = find_method(s, (size_t)(one - s));
	version = two + 1;
	version_len = len - (size_t)(version - s);
	r->keep_alive = is_text(version, version_len, "HTTP/1.1");
	if (!r->keep_alive && !is_text(version, version_len, "HTTP/1.0"))
		return false;
	return set_target(one + 1, (size_t)(two - one - 1), r);
}

static void set_bearer(const char *v, size_t len, struct request *r)
{
	static const char scheme[] = "Bearer ";
	size_t skip = sizeof(scheme) - 1;

	/* Any other scheme is an unknown token: 401, not "nobody". */
	r->bearer = v;
	r->bearer_len = 0;
	if (len > skip && !strncasecmp(v, scheme, skip)) {
		r->bearer = v + skip;
		r->bearer_len = len - skip;
	}
}

static enum err_code set_header(const char *name, size_t name_len,
	const char *v, size_t len, struct request *r, struct err *err)
{
	if (is_name(name, name_len, "content-length")) {
		if (r->has_length ||
			!number_parse(v, len, UINT64_MAX, &r->length))
			return err_set(err, ERR_PROTOCOL,
				"http: bad or second "
				"content-length");
		r->has_length = true;
	} else if (is_name(name, name_len, "transfer-encoding")) {
		return err_set(err, ERR_PROTOCOL,
			"http: transfer-encoding, "
			"content-length is wanted");
	} else if (is_name(name, name_len, "connection")) {
		if (is_name(v, len, "close"))
			r->keep_alive = false;
	} else if (is_name(name, name_len, "expect")) {
		if (!is_name(v, len, "100-continue"))
			return err_set(err, ERR_PROTOCOL,
				"http: unknown "
				"expectation");
		r->expects_continue = true;
	} else if (is_name(name, name_len, "host")) {
		if (r->host)
			return err_set(err, ERR_PROTOCOL, "http: second host");
		r->host = v;
		r->host_len = len;
	} else if (is_name(name, name_len, "authorization")) {
		if (r->bearer)
			return err_set(err, ERR_PROTOCOL,
				"http: second "
				"authorization");
		set_bearer(v, len, r);
	}
	return ERR_OK;
}

static enum err_code read_header(
	const char *line, size_t len, struct request *r, struct err *err)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon ? (size_t)(colon - line) : 0;
	const char *v = colon ? colon + 1 : NULL;
	size_t v_len = colon ? len - name_len - 1 : 0;

	if (!is_token(line, name_len))
		return err_set(err, ERR_PROTOCOL,
			"http: a header without a "
			"name");
	while (v_len > 0 && (*v == ' ' || *v == '\t')) {
		v++;
		v_len--;
	}
	while (v_len > 0 && (v[v_len - 1] == ' ' || v[v_len - 1] == '\t'))
		v_len--;
	for (size_t i = 0; i < v_len; i++) {
		if (((unsigned char)v[i] < 0x20 && v[i] != '\t') ||
			v[i] == 0x7f)
			return err_set(err, ERR_PROTOCOL,
				"http: a control "
				"byte in a header");
	}
	return set_header(line, name_len, v, v_len, r, err);
}

enum err_code request_parse(
	const void *data, size_t len, struct request *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct request r = {0};
	const char *line;
	size_t line_len;
	enum err_code rc;

	if (len > REQUEST_HEAD_LIMIT)
		return err_set(err, ERR_LIMIT,
			"http: head of %zu bytes, limit "
			"%zu",
			len, REQUEST_HEAD_LIMIT);
	if (!next_line(&c, &line, &line_len) ||
		!set_first_line(line, line_len, &r))
		return err_set(err, ERR_PROTOCOL, "http: no request line");
	for (;;) {
		if (!next_line(&c, &line, &line_len))
			return err_set(err, ERR_PROTOCOL,
				"http: a line without "
				"its end");
		if (line_len == 0)
			break;
		if ((rc = read_header(line, line_len, &r, err)))
			return rc;
	}
	if (!cursor_done(&c))
		return err_set(
			err, ERR_PROTOCOL, "http: bytes behind the head");
	*out = r;
	return ERR_OK;
}

bool request_host_loopback(const struct request *r)
{
	static const char *const names[] = {"localhost", "[::1]"};
	const char *h = r->host;
	size_t len = r->host_len;
	struct in_addr addr;
	char text[sizeof("255.255.255.255")];
	const char *colon;

	if (!h)
		return true;
	colon = len && h[len - 1] == ']' ? NULL : memrchr(h, ':', len);
	if (colon)
		len = (size_t)(colon - h);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (is_name(h, len, names[i]))
			return true;
	}
	if (len >= sizeof(text))
		return false;
	memcpy(text, h, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &addr) == 1 &&
		ntohl(addr.s_addr) >> 24 == 127;
}

bool request_path_is(const struct request *r, const char *path)
{
	return is_text(r->path, r->path_len, path);
}

bool request_path_under(const struct request *r, const char *prefix,
	const char **rest, size_t *rest_len)
{
	size_t len = strlen(prefix);

	if (r->path_len < len || memcmp(r->path, prefix, len))
		return false;
	*rest = r->path + len;
	*rest_len = r->path_len - len;
	return true;
}
