/* fileset.h - the files of one governance tree, sorted by path; where they
 * lie (repository, folder, memory) makes no difference to its readers.
 * Internal to policies/. */
#pragma once

#include "policies/governance.h"

#define FILESET_PATH_SIZE 256
#define FILESET_DEPTH_LIMIT 4
#define GIT_ID_SIZE 20

struct gov_file {
	char *path;
	struct digest digest; /* SHA-256 of its bytes */
	uint64_t len;
	uint8_t id[GIT_ID_SIZE]; /* of the blob, where it lies in git */
	uint8_t *held;		 /* its bytes, where they lie in memory */
};

typedef enum err_code fileset_source(
	void *arg, const struct gov_file *f, struct buf *out, struct err *err);

/* All zero is an empty one. */
struct fileset {
	struct gov_file *file;
	size_t count, cap;
	uint64_t bytes;
	fileset_source *source; /* of files that are not held */
	void *arg;		/* borrowed, but for a folder's path */
	char *dir;
};

void fileset_free(struct fileset *fs); /* leaves it empty */
/* A component that any file system and git take: not empty, no leading dot,
 * no control character, slash, backslash or colon, valid UTF-8. */
bool fileset_name_valid(const char *name, size_t len);
/* Adds a file by its digest, or with its bytes (copied).  ERR_LIMIT past the
 * bounds of governance.h, ERR_INVALID for a path we do not take. */
enum err_code fileset_add(struct fileset *fs, const char *path,
	const struct digest *d, uint64_t len, const uint8_t *id,
	struct err *err);
enum err_code fileset_put(struct fileset *fs, const char *path,
	const void *data, size_t len, struct err *err);
/* Sorts; to be called once after the last file.  ERR_INVALID for a path that
 * is there twice. */
enum err_code fileset_seal(struct fileset *fs, struct err *err);
const struct gov_file *fileset_find(const struct fileset *fs, const char *path);
/* Appends the bytes, checked against the digest. */
enum err_code fileset_read(const struct fileset *fs, const struct gov_file *f,
	struct buf *out, struct err *err);
/* SHA-256 over lines `path NUL length NUL hex-sha256 LF`. */
struct digest fileset_digest(const struct fileset *fs);
/* The regular files below `dir`; ERR_INVALID for anything else there. */
enum err_code fileset_from_folder(
	const char *dir, struct fileset *out, struct err *err);
