/* file.h - files that survive a power cut: staged writes, syncs, locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Reads a whole file of at most `limit` bytes (ERR_LIMIT; ERR_INVALID for a
 * folder); a NUL is kept behind the bytes, not counted. */
enum err_code file_read(
	const char *path, size_t limit, struct buf *out, struct err *err);
/* Replaces or makes `path` with mode `mode`: a temporary file beside it, fsync,
 * rename, fsync of the directory.  After success the new bytes survive a power
 * cut; at any instant the path holds the old bytes or the new ones.  A crash
 * can leave a file named `path`.new-XXXXXX behind. */
enum err_code file_replace(const char *path, const void *data, size_t len,
	mode_t mode, struct err *err);
/* Removes such files from a folder; only while nobody replaces files there. */
enum err_code file_sweep(const char *dir, struct err *err);
/* pread/pwrite of exactly len bytes; a short read is ERR_CORRUPT. */
enum err_code file_read_at(
	int fd, uint64_t offset, void *out, size_t len, struct err *err);
enum err_code file_write_at(
	int fd, uint64_t offset, const void *data, size_t len, struct err *err);
enum err_code file_sync_data(int fd, const char *path, struct err *err);
enum err_code file_sync_dir(const char *path, struct err *err);
/* Syncs a folder and all folders below it, and with FILE_SYNC_ALL the files in
 * them; symbolic links are not followed. */
enum file_sync { FILE_SYNC_FOLDERS, FILE_SYNC_ALL };
enum err_code file_sync_tree(
	const char *path, enum file_sync what, struct err *err);
/* mkdir -p with mode 0700 for what is made; existing folders are fine. */
enum err_code file_make_dirs(const char *path, struct err *err);
bool file_exists(const char *path);
/* Exclusive flock, held while the descriptor is open.  ERR_BUSY. */
enum err_code file_lock(const char *path, int *fd, struct err *err);
/* dir "/" name into a fresh string; NULL when out of memory. */
char *file_join(const char *dir, const char *name);
/* How often this process called fsync or fdatasync; tests assert it. */
uint64_t file_sync_count(void);

/* Marks an instant between two durable steps.  In builds with
 * CUNDANG_CRASH_POINTS the process dies at once (_exit 137) when the
 * environment's CUNDANG_CRASH is "name" or "name*K" (the K-th passing). */
#ifdef CUNDANG_CRASH_POINTS
void crash_point(const char *name);
#else
#define crash_point(name) ((void)0)
#endif
