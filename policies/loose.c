/* loose.c - is a loose object of a git repository a whole stream? (zlib) */
#include "policies/loose.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define LOOSE_LIMIT ((size_t)64 << 20)
#define WINDOW ((size_t)64 << 10)

static enum err_code inflates(
	const struct buf *bytes, const char *path, struct err *err)
{
	uint8_t *window = malloc(WINDOW);
	z_stream z = {.next_in = bytes->data, .avail_in = (uInt)bytes->len};
	int rc = window ? inflateInit(&z) : Z_MEM_ERROR;

	while (rc == Z_OK) {
		z.next_out = window;
		z.avail_out = (uInt)WINDOW;
		rc = inflate(&z, Z_NO_FLUSH);
	}
	if (window)
		inflateEnd(&z);
	free(window);
	if (rc == Z_MEM_ERROR)
		return err_nomem(err);
	if (rc != Z_STREAM_END || z.avail_in > 0)
		return err_set(err, ERR_CORRUPT,
			"%s is damaged: its stream does not end", path);
	return ERR_OK;
}

enum err_code loose_check(const char *objects, const char *id, struct err *err)
{
	struct buf bytes = BUF_EMPTY;
	char name[80];
	char *path;
	enum err_code rc;

	snprintf(name, sizeof(name), "%.2s/%s", id, id + 2);
	if (!(path = file_join(objects, name)))
		return err_nomem(err);
	rc = file_read(path, LOOSE_LIMIT, &bytes, err);
	if (!rc)
		rc = inflates(&bytes, path, err);
	buf_free(&bytes);
	free(path);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}
