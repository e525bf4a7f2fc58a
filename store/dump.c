/* dump.c - everything that the keys in a node's folder open, past the index:
 * what a privacy scanner searches. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/keyring.h"
#include "store/frame.h"
#include "store/item.h"
#include "store/segment.h"
#include "store/store.h"

#define WHERE_SIZE 512
#define SEGMENT_FILE_LIMIT ((size_t)1 << 30)
/* An attachment is shown in pieces that overlap, so that what is looked for
 * does not fall between two of them. */
#define OVERLAP ((size_t)4096)
#define PIECE (OVERLAP + ATTACHMENT_CHUNK)

struct dumping {
	const char *data;
	struct keyring *keyring;
	dump_visit *visit;
	void *arg;
};

/* ---- segments ---- */

/* The plain bytes of an item; false when no key here opens it. */
static bool open_item(struct dumping *d, const struct item *it,
	const uint8_t *payload, struct buf *plain)
{
	struct buf packed = BUF_EMPTY;
	uint8_t aad[ITEM_HEAD_LIMIT];
	struct seal_secret key;
	uint8_t *to;
	bool open = false;

	if (it->suite == SUITE_RAW) {
		buf_add(plain, payload, it->payload_len);
		return true;
	}
	if (it->suite == SUITE_ZSTD)
		return !frame_decompress(payload, it->payload_len,
			ITEM_PLAIN_LIMIT, plain, NULL);
	if (it->payload_len < SEAL_OVERHEAD ||
		keyring_get(d->keyring, it->key, &key, NULL))
		return false;
	to = buf_reserve(&packed, it->payload_len);
	if (to &&
		!seal_open(&key, aad, item_aad(it, aad), payload,
			it->payload_len, to, NULL))
		open = !frame_decompress(to, it->payload_len - SEAL_OVERHEAD,
			ITEM_PLAIN_LIMIT, plain, NULL);
	seal_secret_wipe(&key);
	buf_wipe(&packed);
	return open;
}

static enum err_code dump_item(struct dumping *d, const char *name,
	uint64_t offset, const struct item *it, const uint8_t *payload,
	struct err *err)
{
	struct buf plain = BUF_EMPTY;
	char where[WHERE_SIZE];
	enum err_code rc = ERR_OK;

	if (it->kind == ITEM_PARTS && it->label < LABEL_COUNT)
		snprintf(where, sizeof(where),
			"segments/%s at %" PRIu64
			": parts %s %s of log %" PRIu32,
			name, offset, it->name,
			label_name((enum label)it->label), it->log);
	else
		snprintf(where, sizeof(where), "segments/%s at %" PRIu64, name,
			offset);
	if (open_item(d, it, payload, &plain))
		rc = d->visit(d->arg, where, plain.data, plain.len, err);
	buf_wipe(&plain);
	return rc;
}

/* Items stand wherever their magic and CRC say so: also behind damage. */
static enum err_code dump_bytes(struct dumping *d, const char *name,
	const uint8_t *bytes, size_t len, struct err *err)
{
	size_t at = 0;
	enum err_code rc = ERR_OK;

	while (at < len && !rc) {
		struct item it;

		if (bytes[at] != 'C' ||
			item_parse(bytes + at, len - at, &it, NULL) ||
			item_size(&it) > len - at) {
			at++;
			continue;
		}
		rc = dump_item(d, name, at, &it,
			bytes + at + item_head_size(&it), err);
		at += (size_t)item_size(&it);
	}
	return rc;
}

static enum err_code dump_segment(struct dumping *d, const char *folder,
	const char *name, struct err *err)
{
	char *path = file_join(folder, name);
	struct buf bytes = BUF_EMPTY;
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = file_read(path, SEGMENT_FILE_LIMIT, &bytes, err)))
		rc = dump_bytes(d, name, bytes.data, bytes.len, err);
	buf_free(&bytes);
	free(path);
	return rc;
}

/* ---- attachments ---- */

static enum err_code dump_reader(struct dumping *d, const char *where,
	struct attachment_reader *r, struct err *err)
{
	uint8_t *piece = malloc(PIECE);
	uint64_t offset = 0;
	size_t kept = 0;
	size_t got;
	enum err_code rc = ERR_OK;

	if (!piece)
		return err_nomem(err);
	/* A chunk at a time: what does not open is nobody's to read. */
	while (!rc &&
		!attachment_read(r, offset, piece + kept, ATTACHMENT_CHUNK,
			&got, NULL) &&
		got) {
		offset += got;
		kept += got;
		rc = d->visit(d->arg, where, piece, kept, err);
		if (kept > OVERLAP) {
			memmove(piece, piece + kept - OVERLAP, OVERLAP);
			kept = OVERLAP;
		}
	}
	explicit_bzero(piece, PIECE);
	free(piece);
	return rc;
}

/* Both as a whole file and as one on its way: what a crash left may be
 * either. */
static enum err_code dump_attachment(struct dumping *d, const char *folder,
	const char *name, struct err *err)
{
	char *path = file_join(folder, name);
	enum err_code rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	for (int partial = 0; partial < 2 && !rc; partial++) {
		struct attachment_reader *r;
		uint64_t size;

		if (attachment_open_path(
			    path, partial, d->keyring, &r, &size, NULL))
			continue;
		rc = dump_reader(d, path + strlen(d->data) + 1, r, err);
		attachment_close(r);
	}
	free(path);
	return rc;
}

/* ---- folders ---- */

typedef enum err_code file_visit(struct dumping *d, const char *folder,
	const char *name, struct err *err);

static enum err_code each_file(struct dumping *d, const char *folder,
	file_visit *visit, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	enum err_code rc = ERR_OK;

	if (!dir) {
		rc = err_sys(err, "open %s", folder);
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	}
	while (!rc && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = visit(d, folder, e->d_name, err);
	closedir(dir);
	return rc;
}

static enum err_code dump_folder(struct dumping *d, const char *folder,
	const char *name, struct err *err)
{
	char *path = file_join(folder, name);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	rc = each_file(d, path, dump_attachment, err);
	free(path);
	return rc;
}

enum err_code store_dump(
	const char *data, dump_visit *visit, void *arg, struct err *err)
{
	struct dumping d = {.data = data, .visit = visit, .arg = arg};
	char *segments = file_join(data, "segments");
	char *attachments = file_join(data, "attachments");
	enum err_code rc;

	if (!segments || !attachments)
		rc = err_nomem(err);
	else if (!(rc = keyring_open(data, false, true, &d.keyring, err)) &&
		!(rc = each_file(&d, segments, dump_segment, err)))
		rc = each_file(&d, attachments, dump_folder, err);
	keyring_close(d.keyring);
	free(segments);
	free(attachments);
	return rc;
}
