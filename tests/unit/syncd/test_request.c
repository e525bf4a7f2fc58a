/* test_request.c - heads of HTTP requests, taken and refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "syncd/syncd.h"

static struct request r;

static enum err_code parse(const char *s)
{
	return request_parse(s, strlen(s), &r, NULL);
}

static void a_request_line_and_its_headers_are_read(void **state)
{
	(void)state;
	assert_int_equal(parse("GET /v1/feed?limit=1&wait=2 HTTP/1.1\r\n"
			       "Host: localhost\r\n"
			       "AUTHORIZATION:  bearer abc \r\n\r\n"),
		ERR_OK);
	assert_int_equal(r.method, METHOD_GET);
	assert_true(request_path_is(&r, "/v1/feed"));
	assert_int_equal(r.query_len, strlen("limit=1&wait=2"));
	assert_memory_equal(r.query, "limit=1&wait=2", r.query_len);
	assert_int_equal(r.bearer_len, 3);
	assert_memory_equal(r.bearer, "abc", 3);
	assert_true(r.keep_alive);
	assert_false(r.has_length);
}

static void a_body_and_the_end_of_the_connection_are_announced(void **state)
{
	(void)state;
	assert_int_equal(parse("PUT /a HTTP/1.1\r\nContent-Length: 5\r\n"
			       "Expect: 100-Continue\r\nConnection: Close\r\n"
			       "\r\n"),
		ERR_OK);
	assert_int_equal(r.method, METHOD_PUT);
	assert_true(r.has_length && r.length == 5);
	assert_true(r.expects_continue);
	assert_false(r.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), ERR_OK);
	assert_false(r.keep_alive);
}

static void only_loopback_names_are_loopback_hosts(void **state)
{
	static const char *const good[] = {"localhost", "LOCALHOST:80",
		"127.0.0.1", "127.9.9.9:8080", "[::1]", "[::1]:80"};
	static const char *const bad[] = {"evil.example",
		"127.0.0.1.evil.example", "localhost.evil.example:80",
		"128.0.0.1", "", ":80", "[::2]", "127.1", "1270.0.0.1"};
	char text[256];

	(void)state;
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), ERR_OK);
	assert_true(request_host_loopback(&r));
	for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		bool fine = i < ARRAY_LEN(good);

		snprintf(text, sizeof(text),
			"GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
			fine ? good[i] : bad[i - ARRAY_LEN(good)]);
		assert_int_equal(parse(text), ERR_OK);
		assert_int_equal(request_host_loopback(&r), fine);
	}
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
		ERR_PROTOCOL);
}

static void another_scheme_is_a_token_that_nobody_has(void **state)
{
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n"
			       "Authorization: Basic eHl6\r\n\r\n"),
		ERR_OK);
	assert_non_null(r.bearer);
	assert_int_equal(r.bearer_len, 0);
}

static void what_is_not_strictly_a_request_is_refused(void **state)
{
	static const char *const bad[] = {"", "\r\n\r\n", "GET /\r\n\r\n",
		"GET / HTTP/2\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
		"GET x HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n",
		"GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
		"GET / HTTP/1.1\r\n: c\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1\r\n"
		"Content-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n",
		"GET / HTTP/1.1\r\nAuthorization: Bearer a\r\n"
		"Authorization: Bearer b\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\nrest", "GET /\xc3\xa9 HTTP/1.1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i]), ERR_PROTOCOL);
}

static void a_head_over_the_limit_is_refused(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_str(&b, "GET /");
	while (b.len <= REQUEST_HEAD_LIMIT)
		buf_str(&b, "aaaaaaaa");
	buf_str(&b, " HTTP/1.1\r\n\r\n");
	assert_int_equal(parse(buf_cstr(&b)), ERR_LIMIT);
	buf_free(&b);
}

static void the_end_of_a_head_is_its_blank_line(void **state)
{
	(void)state;
	assert_int_equal(request_head_end("", 0), 0);
	assert_int_equal(request_head_end("GET / HTTP/1.1\r\n\r", 17), 0);
	assert_int_equal(request_head_end("GET / HTTP/1.1\r\n\r\nxy", 20), 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_loopback_names_are_loopback_hosts),
		cmocka_unit_test(a_request_line_and_its_headers_are_read),
		cmocka_unit_test(
			a_body_and_the_end_of_the_connection_are_announced),
		cmocka_unit_test(another_scheme_is_a_token_that_nobody_has),
		cmocka_unit_test(what_is_not_strictly_a_request_is_refused),
		cmocka_unit_test(a_head_over_the_limit_is_refused),
		cmocka_unit_test(the_end_of_a_head_is_its_blank_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
