/* control.h - the daemon's control socket (docs/http.md section 1; libcurl
 * lives here).  Internal to cli/. */
#pragma once

#include "base/base.h"

struct control;

#define CONTROL_ANSWER_LIMIT ((size_t)64 << 20)

/* ERR_NOT_FOUND when no daemon answers at `data`, ERR_DENIED when its socket is
 * not for us. */
enum err_code control_open(
	const char *data, struct control **out, struct err *err);
void control_close(struct control *c); /* NULL does nothing */
/* One call and its answer's bytes, replacing what *answer held.  An error that
 * the daemon tells becomes ours, code and text; ERR_IO when the daemon went
 * away before it answered. */
enum err_code control_get(struct control *c, const char *path,
	struct buf *answer, struct err *err);
enum err_code control_post(struct control *c, const char *path,
	const void *body, size_t len, struct buf *answer, struct err *err);
enum err_code control_put_file(
	struct control *c, const char *path, const char *file, struct err *err);
/* GET with a JSON answer, which the caller frees. */
enum err_code control_get_json(struct control *c, const char *path,
	struct json **out, struct err *err);
/* POST of a JSON body, which is taken, with a JSON answer (`out` may be NULL).
 */
enum err_code control_post_json(struct control *c, const char *path,
	struct json *body, struct json **out, struct err *err);
/* {"error":{"code","text"}} as an error of ours.  Pure.  false = it is none. */
bool control_error(const struct json *v, enum err_code *code, struct err *err);
