/* bag.h - a bag's manifests as bytes.  Internal to store/. */
#pragma once

#include "crypto/crypto.h"
#include "store/package.h"

/* Appends "HEX  path LF", with CR, LF and % in the path percent-encoded. */
void manifest_line(const struct digest *d, const char *path, struct buf *out);

struct manifest_item {
	struct digest digest;
	const char *path; /* decoded, plain */
};
struct manifest {
	struct manifest_item *item; /* sorted by path, no path twice */
	size_t count;
	char *paths;
};
/* ERR_INVALID with the line's number; pure. */
enum err_code manifest_parse(
	const void *text, size_t len, struct manifest *out, struct err *err);
void manifest_free(struct manifest *m); /* leaves it empty */

/* "bytes.files" of the line "Payload-Oxum: " in bag-info.txt. */
bool oxum_parse(const void *text, size_t len, uint64_t *bytes, uint64_t *files);
