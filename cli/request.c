/* request.c - a node's request on its way to an officer. */
#include "cli/request.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REQUEST_SUFFIX ".request"

void request_check(const struct buf *request, char out[CHECK_SIZE])
{
	struct digest d = digest_of(request->data, request->len);
	struct cursor c = cursor_over(d.b, sizeof(d.b));

	snprintf(out, CHECK_SIZE, "%06" PRIu64, cursor_u64(&c) % 1000000);
}

enum err_code request_make(struct node *n, struct buf *out, struct err *err)
{
	struct node_request r;
	enum err_code rc = node_make_request(n, &r, err);

	return rc ? rc : node_request_write(&r, n->log, NULL, out, err);
}

enum err_code request_save(const struct buf *request, const char *path,
	char check[CHECK_SIZE], struct err *err)
{
	request_check(request, check);
	if (strcmp(path, "-"))
		return file_replace(
			path, request->data, request->len, 0644, err);
	fwrite(request->data, 1, request->len, stdout);
	return ERR_OK;
}

enum err_code request_tell(struct cli *c, const char *path, const char *code,
	const char *check, struct err *err)
{
	struct json *v;

	if (!strcmp(path, "-"))
		return ERR_OK;
	if (!c->json) {
		printf(_("The request of %s is in %s. Its check number is %s: "
			 "the officer sees the same.\n"),
			code, path, check);
		return ERR_OK;
	}
	v = json_new_object();
	if (!json_set(v, "code", json_new_text(code)) ||
		!json_set(v, "check", json_new_text(check)) ||
		!json_set(v, "file", json_new_text(path))) {
		json_free(v);
		v = NULL;
	}
	return out_json(v, err);
}

/* ---- reading ---- */

static enum err_code request_load(
	const char *path, struct request_file *f, struct err *err)
{
	struct buf text = BUF_EMPTY;
	enum err_code rc;

	if ((rc = file_read(path, REQUEST_LIMIT, &text, err)))
		return rc;
	request_check(&text, f->check);
	if ((rc = cli_input(
		     node_request_parse(text.data, text.len, &f->r, err), err)))
		rc = err_while(err, rc, "%s is no request of a node", path);
	buf_free(&text);
	return rc;
}

/* Takes the path. */
static enum err_code add(struct request_files *f, char *path, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (!path || !grow(&f->file, &f->cap, f->count, sizeof(*f->file)))
		rc = err_nomem(err);
	else if (!(rc = request_load(path, &f->file[f->count], err)))
		f->file[f->count++].path = path;
	if (rc)
		free(path);
	return rc;
}

static int is_request(const struct dirent *d)
{
	size_t len = strlen(d->d_name), n = strlen(REQUEST_SUFFIX);

	return len > n && !strcmp(d->d_name + len - n, REQUEST_SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum err_code add_folder(
	struct request_files *f, const char *path, struct err *err)
{
	struct dirent **entry = NULL;
	int count = scandir(path, &entry, is_request, by_name);
	enum err_code rc = ERR_OK;

	if (count < 0)
		return err_sys(err, "%s", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = add(f, file_join(path, entry[i]->d_name), err);
		free(entry[i]);
	}
	free(entry);
	return rc;
}

enum err_code request_files_load(const char *const *paths, size_t count,
	struct request_files *out, struct err *err)
{
	struct request_files f = {.file = NULL};
	enum err_code rc = ERR_OK;
	struct stat st;

	for (size_t i = 0; !rc && i < count; i++)
		rc = stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode)
			? add_folder(&f, paths[i], err)
			: add(&f, strdup(paths[i]), err);
	if (!rc && f.count == 0)
		rc = err_set(err, ERR_NOT_FOUND, "no file *.request in %s",
			paths[0]);
	if (rc)
		request_files_free(&f);
	else
		*out = f;
	return rc;
}

void request_files_free(struct request_files *f)
{
	while (f->count)
		free(f->file[--f->count].path);
	free(f->file);
	*f = (struct request_files){.file = NULL};
}
