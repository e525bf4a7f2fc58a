/* request.h - a node's request on its way to an officer.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

#define REQUEST_LIMIT NOTE_SIZE_LIMIT
#define CHECK_SIZE 8

/* Six digits of a request's digest, to be read out on the phone. */
void request_check(const struct buf *request, char out[CHECK_SIZE]);
/* The request of a node as it stands. */
enum err_code request_make(struct node *n, struct buf *out, struct err *err);
/* Writes a request to the file `path`, "-" for standard output, and tells its
 * check number. */
enum err_code request_save(const struct buf *request, const char *path,
	char check[CHECK_SIZE], struct err *err);
/* Tells that; nothing where the request itself went to standard output. */
enum err_code request_tell(struct cli *c, const char *path, const char *code,
	const char *check, struct err *err);

struct request_file {
	struct node_request r;
	char check[CHECK_SIZE];
	char *path;
};
struct request_files {
	struct request_file *file;
	size_t count, cap;
};
/* Reads the files, and of folders the files *.request by name.  Every one has
 * to be a request: ERR_INVALID names the first that is none.  ERR_NOT_FOUND
 * when there is not one. */
enum err_code request_files_load(const char *const *paths, size_t count,
	struct request_files *out, struct err *err);
void request_files_free(struct request_files *f);
