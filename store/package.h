/* package.h - deterministic tar files and bags (libarchive lives here). */
#pragma once

#include "crypto/crypto.h"

#define PACKAGE_FILE_LIMIT ((uint64_t)8 << 30)	  /* bytes in one file */
#define PACKAGE_TOTAL_LIMIT ((uint64_t)256 << 30) /* bytes in all */
#define PACKAGE_FILES_LIMIT ((size_t)4 << 20)
#define PACKAGE_NAME_SIZE 512

/* Writes the folder `dir` as a tar at `path`: regular files only, sorted by
 * name below one top folder `top`, mtime 0, mode 0644, no owners; the same
 * input gives the same bytes.  The file appears whole or not at all. */
enum err_code package_tar(
	const char *dir, const char *top, const char *path, struct err *err);
/* Unpacks a plain tar into the folder `dir`, new or empty (ERR_EXISTS), without
 * the one top folder: regular files with plain relative names only, folders are
 * made as needed; anything else is ERR_INVALID.  Bounds as above, counted while
 * reading.  After an error what was unpacked so far is still there. */
enum err_code package_untar(const char *path, const char *dir, struct err *err);

/* Makes `dir` (which holds data/) a BagIt 1.0 bag: bagit.txt, bag-info.txt with
 * the given lines and Payload-Oxum, manifest-sha256.txt,
 * tagmanifest-sha256.txt (RFC 8493). */
enum err_code bag_seal(const char *dir, const char *const *info, size_t count,
	struct err *err);
/* Checks a bag's declaration, manifests both ways, and Payload-Oxum. Tells each
 * fault to `fault` and goes on; ERR_CORRUPT at the end when there was one. */
typedef void bag_fault(void *arg, const char *path, const char *what);
enum err_code bag_check(
	const char *dir, bag_fault *fault, void *arg, struct err *err);
