/* request.h - a node's request on its way to an officer.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

#define REQUEST_LIMIT NOTE_SIZE_LIMIT
#define CHECK_SIZE 8

/* Six digits of a request's digest, to be read out on the phone. */
void request_check(const struct buf *request, char out[CHECK_SIZE]);
/* Writes the request of an open node to the file `path`, "-" for standard
 * output. */
enum err_code request_save(struct node *n, const char *path,
	char check[CHECK_SIZE], struct err *err);
/* Reads a file.  ERR_INVALID when it is no request. */
enum err_code request_load(const char *path, struct node_request *r,
	char check[CHECK_SIZE], struct err *err);
