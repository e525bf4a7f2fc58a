/* fileset.c - the files of one governance tree, sorted by path. */
#include "policies/fileset.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILESET_NAME_LIMIT 128

void fileset_free(struct fileset *fs)
{
	for (size_t i = 0; i < fs->count; i++) {
		free(fs->file[i].path);
		free(fs->file[i].held);
	}
	free(fs->file);
	free(fs->dir);
	*fs = (struct fileset){.file = NULL};
}

bool fileset_name_valid(const char *name, size_t len)
{
	if (len == 0 || len > FILESET_NAME_LIMIT || name[0] == '.' ||
		!utf8_valid(name, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f ||
			strchr("/\\:", name[i]))
			return false;
	return true;
}

static bool path_valid(const char *path)
{
	size_t depth = 0;

	if (strlen(path) >= FILESET_PATH_SIZE)
		return false;
	for (;;) {
		size_t n = strcspn(path, "/");

		if (!fileset_name_valid(path, n) ||
			++depth > FILESET_DEPTH_LIMIT)
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

enum err_code fileset_add(struct fileset *fs, const char *path,
	const struct digest *d, uint64_t len, const uint8_t *id,
	struct err *err)
{
	struct gov_file f = {.digest = *d, .len = len};

	if (!path_valid(path))
		return err_set(err, ERR_INVALID,
			"a file name in the governance tree is not plain");
	if (fs->count >= GOVERNANCE_FILES_LIMIT)
		return err_set(err, ERR_LIMIT,
			"governance tree of more than %d files",
			GOVERNANCE_FILES_LIMIT);
	if (len > GOVERNANCE_FILE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"%s: %" PRIu64 " bytes, limit %zu", path, len,
			GOVERNANCE_FILE_LIMIT);
	if (fs->bytes + len > GOVERNANCE_TREE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"governance tree of more than %zu bytes",
			GOVERNANCE_TREE_LIMIT);
	if (!grow(&fs->file, &fs->cap, fs->count, sizeof(*fs->file)) ||
		!(f.path = strdup(path)))
		return err_nomem(err);
	if (id)
		memcpy(f.id, id, sizeof(f.id));
	fs->bytes += len;
	fs->file[fs->count++] = f;
	return ERR_OK;
}

enum err_code fileset_put(struct fileset *fs, const char *path,
	const void *data, size_t len, struct err *err)
{
	struct digest d = digest_of(data, len);
	uint8_t *held = malloc(len ? len : 1);
	enum err_code rc;

	if (!held)
		return err_nomem(err);
	if ((rc = fileset_add(fs, path, &d, len, NULL, err))) {
		free(held);
		return rc;
	}
	if (len)
		memcpy(held, data, len);
	fs->file[fs->count - 1].held = held;
	return ERR_OK;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct gov_file *)a)->path,
		((const struct gov_file *)b)->path);
}

enum err_code fileset_seal(struct fileset *fs, struct err *err)
{
	if (fs->count)
		qsort(fs->file, fs->count, sizeof(*fs->file), by_path);
	for (size_t i = 1; i < fs->count; i++)
		if (!by_path(&fs->file[i - 1], &fs->file[i]))
			return err_set(err, ERR_INVALID, "%s: there twice",
				fs->file[i].path);
	return ERR_OK;
}

const struct gov_file *fileset_find(const struct fileset *fs, const char *path)
{
	struct gov_file key = {.path = (char *)path};

	return fs->count
		? bsearch(&key, fs->file, fs->count, sizeof(key), by_path)
		: NULL;
}

enum err_code fileset_read(const struct fileset *fs, const struct gov_file *f,
	struct buf *out, struct err *err)
{
	size_t before = out->len;
	struct digest d;
	enum err_code rc;

	if (f->held) {
		buf_add(out, f->held, f->len);
		return buf_ok(out, err);
	}
	if ((rc = fs->source(fs->arg, f, out, err)))
		return rc;
	d = digest_of(out->data + before, out->len - before);
	if (out->len - before != f->len || !digest_equal(&d, &f->digest)) {
		out->len = before;
		return err_set(err, ERR_CORRUPT,
			"%s: its bytes do not match their digest", f->path);
	}
	return ERR_OK;
}

struct digest fileset_digest(const struct fileset *fs)
{
	struct sha256 h;

	sha256_init(&h);
	for (size_t i = 0; i < fs->count; i++) {
		const struct gov_file *f = &fs->file[i];
		char line[DIGEST_HEX_SIZE + 24];
		char hex[DIGEST_HEX_SIZE];
		int n;

		digest_hex(&f->digest, hex);
		n = snprintf(line, sizeof(line), "%" PRIu64 "%c%s\n", f->len, 0,
			hex);
		sha256_update(&h, f->path, strlen(f->path) + 1);
		sha256_update(&h, line, (size_t)n);
	}
	return sha256_final(&h);
}

/* ---- folders ---- */

static enum err_code read_folder_file(
	void *arg, const struct gov_file *f, struct buf *out, struct err *err)
{
	struct buf text = BUF_EMPTY;
	char *path = file_join(arg, f->path);
	enum err_code rc;

	if (!path)
		return err_nomem(err);
	if (!(rc = file_read(path, GOVERNANCE_FILE_LIMIT, &text, err))) {
		buf_add(out, text.data, text.len);
		rc = buf_ok(out, err);
	}
	buf_free(&text);
	free(path);
	return rc;
}

static enum err_code add_folder(
	struct fileset *fs, const char *below, unsigned depth, struct err *err);

static enum err_code add_folder_entry(struct fileset *fs, const char *below,
	const char *name, unsigned depth, struct err *err)
{
	struct buf text = BUF_EMPTY;
	char *inner = *below ? file_join(below, name) : strdup(name);
	char *path = inner ? file_join(fs->dir, inner) : NULL;
	enum err_code rc;
	struct digest d;
	struct stat st;

	if (!path)
		rc = err_nomem(err);
	else if (lstat(path, &st))
		rc = err_sys(err, "look at %s", path);
	else if (S_ISDIR(st.st_mode))
		rc = add_folder(fs, inner, depth + 1, err);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(err, ERR_INVALID, "%s: not a regular file", inner);
	else if (!(rc = file_read(path, GOVERNANCE_FILE_LIMIT, &text, err))) {
		d = digest_of(text.data, text.len);
		rc = fileset_add(fs, inner, &d, text.len, NULL, err);
	}
	buf_free(&text);
	free(inner);
	free(path);
	return rc;
}

static enum err_code add_folder(
	struct fileset *fs, const char *below, unsigned depth, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct dirent *entry;
	char *path;
	DIR *dir;

	if (depth >= FILESET_DEPTH_LIMIT)
		return err_set(err, ERR_INVALID, "%s: too deep", below);
	if (!(path = *below ? file_join(fs->dir, below) : strdup(fs->dir)))
		return err_nomem(err);
	if (!(dir = opendir(path))) {
		rc = err_sys(err, "open %s", path);
		free(path);
		return rc;
	}
	while (!rc && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc = add_folder_entry(
				fs, below, entry->d_name, depth, err);
	closedir(dir);
	free(path);
	return rc;
}

enum err_code fileset_from_folder(
	const char *dir, struct fileset *out, struct err *err)
{
	struct fileset fs = {.source = read_folder_file};
	enum err_code rc;

	if (!(fs.dir = strdup(dir)))
		return err_nomem(err);
	fs.arg = fs.dir;
	if ((rc = add_folder(&fs, "", 0, err)) ||
		(rc = fileset_seal(&fs, err))) {
		fileset_free(&fs);
		return rc;
	}
	*out = fs;
	return ERR_OK;
}
