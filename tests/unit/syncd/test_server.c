/* test_server.c - the HTTP server over real sockets: answers now, later and in
 * pieces, clients that leave, and bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "syncd/server.h"

#define PIECES 50
#define PIECE 10000
#define BODY_LIMIT 100

static struct {
	struct loop *loop;
	struct server *server;
	char path[64];
	struct exchange *kept; /* by /later */
	unsigned gone;
	unsigned pieces;
} t;

static void reply_text(struct exchange *x, unsigned status, const char *text)
{
	struct buf body = BUF_EMPTY;

	buf_str(&body, text);
	exchange_reply(x, status, "text/plain", &body);
}

static void on_gone(void *arg)
{
	(void)arg;
	t.gone++;
	reply_text(t.kept, 200, "to nobody");
	t.kept = NULL;
}

static void on_pull(void *arg)
{
	static char piece[PIECE];
	struct exchange *x = arg;

	memset(piece, 'p', sizeof(piece));
	exchange_write(x, piece, sizeof(piece));
	if (++t.pieces == PIECES)
		exchange_end(x);
}

static void on_request(void *arg, struct exchange *x)
{
	const struct request *r = exchange_request(x);

	(void)arg;
	if (request_path_is(r, "/now")) {
		reply_text(x, 200, "now");
	} else if (request_path_is(r, "/echo")) {
		struct buf body = *exchange_body(x);

		*exchange_body(x) = BUF_EMPTY;
		exchange_reply(x, 200, "text/plain", &body);
	} else if (request_path_is(r, "/later")) {
		t.kept = x;
		exchange_on_gone(x, on_gone, NULL);
	} else if (request_path_is(r, "/pieces")) {
		t.pieces = 0;
		exchange_begin(
			x, "text/plain", (uint64_t)PIECES * PIECE, on_pull, x);
	} else {
		exchange_error(x, ERR_NOT_FOUND, "no \"such\" thing");
	}
}

static uint64_t on_body(void *arg, const struct request *r)
{
	(void)arg;
	(void)r;
	return BODY_LIMIT;
}

static int open_server(void **state)
{
	struct server_options opt = {.name = "test",
		.connections = 3,
		.handler = on_request,
		.body_limit = on_body};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(t.path, sizeof(t.path), "/tmp/cundang-server-%d",
		(int)getpid());
	strcpy(to.sun_path, t.path);
	unlink(t.path);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
		loop_new(&t.loop, NULL) ||
		server_new(t.loop, fd, &opt, &t.server, NULL))
		return -1;
	return 0;
}

static int close_server(void **state)
{
	(void)state;
	loop_finish(t.loop);
	server_free(t.server);
	loop_free(t.loop);
	unlink(t.path);
	return 0;
}

static int dial(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(to.sun_path, t.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Lets the loop do what there is to do. */
static void turn(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		event_base_loop(
			loop_base(t.loop), EVLOOP_NONBLOCK | EVLOOP_ONCE);
		usleep(200);
	}
}

static void say(int fd, const char *text)
{
	assert_int_equal(
		send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come by now; *ended when the server closed. */
static void hear(int fd, struct buf *out, bool *ended)
{
	char bytes[4096];
	ssize_t n;

	*ended = false;
	for (unsigned i = 0; i < 400 && !*ended; i++) {
		turn(1);
		while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			buf_add(out, bytes, (size_t)n);
		*ended = n == 0;
	}
	assert_non_null(buf_cstr(out));
}

static void check_answer(const char *request, const char *want, bool end)
{
	struct buf got = BUF_EMPTY;
	bool ended;
	int fd = dial();

	say(fd, request);
	hear(fd, &got, &ended);
	if (!strstr((char *)got.data, want))
		fail_msg("%s\nnot in\n%s", want, (char *)got.data);
	assert_int_equal(ended, end);
	close(fd);
	turn(5);
	buf_free(&got);
}

static void a_request_is_answered_and_the_connection_stays(void **state)
{
	struct buf got = BUF_EMPTY;
	int fd = dial();
	bool ended;

	(void)state;
	/* Two at once, the second in halves. */
	say(fd, "GET /now HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Le");
	turn(5);
	say(fd, "ngth: 4\r\n\r\nwo");
	turn(5);
	say(fd, "rd");
	hear(fd, &got, &ended);
	assert_false(ended);
	assert_non_null(strstr((char *)got.data, "\r\n\r\nnow"));
	assert_non_null(strstr((char *)got.data, "\r\n\r\nword"));
	close(fd);
	turn(5);
	buf_free(&got);
}

static void a_head_answer_has_no_body_and_a_close_closes(void **state)
{
	(void)state;
	check_answer("HEAD /now HTTP/1.1\r\nConnection: close\r\n\r\n",
		"Content-Length: 3\r\nConnection: close\r\n\r\n", true);
	check_answer("GET /now HTTP/1.0\r\n\r\n", "now", true);
}

static void bad_requests_are_told_and_closed(void **state)
{
	(void)state;
	check_answer("GET now HTTP/1.1\r\n\r\n", "400 Bad Request", true);
	check_answer("GET /none HTTP/1.1\r\n\r\n",
		"{\"error\":{\"code\":\"not-found\",\"text\":"
		"\"no \\\"such\\\" thing\"}}",
		false);
	check_answer("POST /echo HTTP/1.1\r\nContent-Length: 101\r\n\r\n",
		"413 Content Too Large", true);
	check_answer(
		"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"400 Bad Request", true);
}

static void a_head_without_end_is_cut_off(void **state)
{
	struct buf request = BUF_EMPTY;

	(void)state;
	buf_str(&request, "GET /");
	while (request.len <= REQUEST_HEAD_LIMIT + 10)
		buf_str(&request, "aaaaaaaa");
	check_answer(buf_cstr(&request), "413 Content Too Large", true);
	buf_free(&request);
}

static void a_body_is_asked_for_where_the_client_waits(void **state)
{
	struct buf got = BUF_EMPTY;
	int fd = dial();
	bool ended;

	(void)state;
	say(fd,
		"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n"
		"Expect: 100-continue\r\n\r\n");
	hear(fd, &got, &ended);
	assert_string_equal((char *)got.data, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "ok");
	hear(fd, &got, &ended);
	assert_non_null(strstr((char *)got.data, "\r\n\r\nok"));
	close(fd);
	turn(5);
	buf_free(&got);
}

static void an_answer_in_pieces_comes_whole(void **state)
{
	struct buf got = BUF_EMPTY;
	const char *body;
	int fd = dial();
	bool ended;

	(void)state;
	say(fd, "GET /pieces HTTP/1.1\r\n\r\nGET /now HTTP/1.1\r\n\r\n");
	hear(fd, &got, &ended);
	body = strstr((char *)got.data, "\r\n\r\n") + 4;
	assert_int_equal(strspn(body, "p"), PIECES * PIECE);
	assert_non_null(strstr(body + PIECES * PIECE, "\r\n\r\nnow"));
	close(fd);
	turn(5);
	buf_free(&got);
}

static void an_answer_to_one_who_left_goes_nowhere(void **state)
{
	int fd = dial();

	(void)state;
	t.gone = 0;
	say(fd, "GET /later HTTP/1.1\r\n\r\n");
	turn(5);
	assert_non_null(t.kept);
	assert_int_equal(server_exchanges(t.server), 1);
	close(fd);
	turn(5);
	assert_int_equal(t.gone, 1);
	assert_int_equal(server_exchanges(t.server), 0);
}

static void one_connection_too_many_is_closed(void **state)
{
	struct buf got = BUF_EMPTY;
	int fd[4];
	bool ended;

	(void)state;
	for (int i = 0; i < 4; i++) {
		fd[i] = dial();
		turn(5);
	}
	hear(fd[3], &got, &ended);
	assert_true(ended);
	say(fd[0], "GET /now HTTP/1.1\r\n\r\n");
	hear(fd[0], &got, &ended);
	assert_false(ended);
	assert_non_null(strstr((char *)got.data, "\r\n\r\nnow"));
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	turn(5);
	buf_free(&got);
}

static void requests_piled_up_behind_a_slow_one_are_cut_off(void **state)
{
	struct buf request = BUF_EMPTY, got = BUF_EMPTY;
	int fd = dial();
	bool ended;

	(void)state;
	t.gone = 0;
	buf_str(&request, "GET /later HTTP/1.1\r\n\r\n");
	while (request.len < 3 * REQUEST_HEAD_LIMIT)
		buf_str(&request, "GET /now HTTP/1.1\r\n\r\n");
	say(fd, buf_cstr(&request));
	hear(fd, &got, &ended);
	assert_true(ended || got.len == 0);
	assert_int_equal(t.gone, 1);
	close(fd);
	turn(5);
	buf_free(&request);
	buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_request_is_answered_and_the_connection_stays),
		cmocka_unit_test(a_head_answer_has_no_body_and_a_close_closes),
		cmocka_unit_test(bad_requests_are_told_and_closed),
		cmocka_unit_test(a_head_without_end_is_cut_off),
		cmocka_unit_test(a_body_is_asked_for_where_the_client_waits),
		cmocka_unit_test(an_answer_in_pieces_comes_whole),
		cmocka_unit_test(an_answer_to_one_who_left_goes_nowhere),
		cmocka_unit_test(one_connection_too_many_is_closed),
		cmocka_unit_test(
			requests_piled_up_behind_a_slow_one_are_cut_off),
	};

	return cmocka_run_group_tests(tests, open_server, close_server);
}
