/* control.c - calls to the daemon over its Unix socket. */
#include "cli/control.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "control.sock"
/* A look at the status is answered within this; what works on records may take
 * longer, as long as the daemon answers such looks. */
#define ANSWER_S 10

struct control {
	CURL *curl;
	struct curl_slist *headers;
	int dir; /* the data directory: its path may be too long for a socket */
	long pid; /* the daemon's, 0: unknown */
	uint64_t asked_ms;
	bool silent; /* it did not answer a look */
	char path[64];
};

/* Whether somebody accepts at the socket. */
static enum err_code try_connect(const char *path, long *pid, struct err *err)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum err_code rc = ERR_OK;

	if (fd < 0)
		return err_sys(err, "socket");
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to))) {
		if (errno == EACCES || errno == EPERM)
			rc = err_set(err, ERR_DENIED,
				"the control socket belongs to another user");
		else
			rc = err_set(err, ERR_NOT_FOUND,
				"the daemon is not running");
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
		*pid = peer.pid;
	}
	close(fd);
	return rc;
}

enum err_code control_open(
	const char *data, struct control **out, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	enum err_code rc = ERR_OK;

	if (!c)
		return err_nomem(err);
	if ((c->dir = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		free(c);
		return err_set(err, ERR_NOT_FOUND, "the daemon is not running");
	}
	snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d/" SOCKET_NAME,
		c->dir);
	if ((rc = try_connect(c->path, &c->pid, err)))
		goto out;
	c->headers = curl_slist_append(NULL, "Expect:");
	if (!c->headers || curl_global_init(CURL_GLOBAL_DEFAULT) ||
		!(c->curl = curl_easy_init()))
		rc = err_nomem(err);
out:
	if (rc == ERR_OK)
		*out = c;
	else
		control_close(c);
	return rc;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	close(c->dir);
	free(c);
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
	struct buf *answer = arg;

	if (answer->len + size * n > CONTROL_ANSWER_LIMIT)
		return 0;
	buf_add(answer, data, size * n);
	return answer->failed ? 0 : size * n;
}

static enum err_code code_of(const char *name)
{
	for (int i = ERR_USAGE; name && i <= ERR_INTERNAL; i++) {
		if (!strcmp(name, err_name((enum err_code)i)))
			return (enum err_code)i;
	}
	return ERR_INTERNAL;
}

bool control_error(const struct json *v, enum err_code *code, struct err *err)
{
	const struct json *e = json_get(v, "error");
	const char *text = json_get_string(e, "text");

	if (!e || !text)
		return false;
	*code = err_set(err, code_of(json_get_string(e, "code")), "%s", text);
	return true;
}

/* What an answer that is no 2xx says. */
static enum err_code refused(
	long status, const struct buf *answer, struct err *err)
{
	struct json *v = NULL;
	enum err_code rc;

	if (json_parse(answer->data ? (const void *)answer->data : "",
		    answer->len, JSON_TEXT_LIMIT, &v, NULL) != ERR_OK ||
		!control_error(v, &rc, err))
		rc = err_set(err, ERR_INTERNAL,
			"the daemon answered with HTTP status %ld", status);
	json_free(v);
	return rc;
}

static void prepare(struct control *c, const char *path, struct buf *answer)
{
	char url[256];

	snprintf(url, sizeof(url), "http://localhost%s", path);
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->path);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	c->asked_ms = time_mono_ms();
	c->silent = false;
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, answer);
	buf_clear(answer);
}

/* Whether the daemon answers at all, asked beside a call that takes long. */
static bool answers(const struct control *c)
{
	struct buf answer = BUF_EMPTY;
	CURL *curl = curl_easy_init();
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (curl) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->path);
		curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/status");
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
		rc = curl_easy_perform(curl);
		curl_easy_cleanup(curl);
	}
	buf_free(&answer);
	return rc == CURLE_OK;
}

static int on_progress(void *arg, curl_off_t dl_all, curl_off_t dl,
	curl_off_t ul_all, curl_off_t ul)
{
	struct control *c = arg;

	(void)dl_all;
	(void)dl;
	(void)ul_all;
	(void)ul;
	if (time_mono_ms() - c->asked_ms < ANSWER_S * 1000)
		return 0;
	c->silent = !answers(c);
	c->asked_ms = time_mono_ms();
	return c->silent;
}

static void keep_looking(struct control *c)
{
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
}

static enum err_code perform(
	struct control *c, const struct buf *answer, struct err *err)
{
	CURLcode rc = curl_easy_perform(c->curl);
	long status = 0;

	if (answer->failed)
		return err_nomem(err);
	if (rc == CURLE_OPERATION_TIMEDOUT || c->silent)
		return err_set(err, ERR_IO,
			"the daemon (process %ld) does not answer; what it "
			"acknowledged is safe, and it may be stopped and "
			"started",
			c->pid);
	if (rc != CURLE_OK)
		return err_set(err, ERR_IO,
			"the daemon went away before it answered: %s",
			curl_easy_strerror(rc));
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return refused(status, answer, err);
	return ERR_OK;
}

enum err_code control_get(struct control *c, const char *path,
	struct buf *answer, struct err *err)
{
	prepare(c, path, answer);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
	return perform(c, answer, err);
}

enum err_code control_post(struct control *c, const char *path,
	const void *body, size_t len, struct buf *answer, struct err *err)
{
	prepare(c, path, answer);
	keep_looking(c);
	curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	return perform(c, answer, err);
}

enum err_code control_put_file(
	struct control *c, const char *path, const char *file, struct err *err)
{
	struct buf answer = BUF_EMPTY;
	struct stat st;
	FILE *f = fopen(file, "rbe");
	enum err_code rc;

	if (!f || fstat(fileno(f), &st)) {
		rc = err_sys(err, "%s", file);
		goto out;
	}
	prepare(c, path, &answer);
	keep_looking(c);
	curl_easy_setopt(c->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c->curl, CURLOPT_READDATA, f);
	curl_easy_setopt(
		c->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
	rc = perform(c, &answer, err);
out:
	if (f)
		fclose(f);
	buf_free(&answer);
	return rc;
}

static enum err_code parse(
	const struct buf *answer, struct json **out, struct err *err)
{
	enum err_code rc =
		json_parse(answer->data ? (const void *)answer->data : "",
			answer->len, CONTROL_ANSWER_LIMIT, out, err);

	return rc ? err_while(err, ERR_INTERNAL, "answer of the daemon") : rc;
}

enum err_code control_get_json(
	struct control *c, const char *path, struct json **out, struct err *err)
{
	struct buf answer = BUF_EMPTY;
	enum err_code rc = control_get(c, path, &answer, err);

	if (rc == ERR_OK)
		rc = parse(&answer, out, err);
	buf_free(&answer);
	return rc;
}

enum err_code control_post_json(struct control *c, const char *path,
	struct json *body, struct json **out, struct err *err)
{
	struct buf text = BUF_EMPTY, answer = BUF_EMPTY;
	enum err_code rc;

	if (!body) {
		rc = err_nomem(err);
	} else if ((rc = json_write(body, &text, err)) == ERR_OK &&
		(rc = control_post(c, path, text.data, text.len, &answer,
			 err)) == ERR_OK &&
		out) {
		rc = parse(&answer, out, err);
	}
	buf_free(&text);
	buf_free(&answer);
	json_free(body);
	return rc;
}
