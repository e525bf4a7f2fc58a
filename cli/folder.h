/* folder.h - a folder of attachment files, found by their SHA-256.  Internal to
 * cli/. */
#pragma once

#include "crypto/crypto.h"

struct folder;

/* Reads the names once: those that begin with 64 hexadecimal digits, alone or
 * with a "." behind. */
enum err_code folder_open(
	const char *path, struct folder **out, struct err *err);
void folder_close(struct folder *f);
/* An attachment_find: `arg` is a struct folder; any thread. */
enum err_code folder_find(
	void *arg, const struct digest *plain, char **path, struct err *err);
