/* listing.h - the regular files below a folder, by name.  Internal to store/.
 */
#pragma once

#include "base/base.h"

struct listing {
	char **name; /* relative to the folder, sorted bytewise */
	size_t count, cap;
};

/* ERR_INVALID for anything that is neither a folder nor a regular file, or has
 * no plain name; ERR_LIMIT past PACKAGE_FILES_LIMIT. */
enum err_code listing_make(
	const char *dir, struct listing *out, struct err *err);
void listing_free(struct listing *l); /* leaves it empty */

/* A relative path of UTF-8 without control characters, without empty, "." and
 * ".." components, shorter than PACKAGE_NAME_SIZE. */
bool name_plain(const char *name, size_t len);
