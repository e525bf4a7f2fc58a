/* package.c - deterministic tar files, written and read through libarchive. */
#include "store/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/listing.h"

#define COPY_SIZE ((size_t)64 << 10)
#define TAR_BLOCK 10240 /* what tar(1) writes */

/* libarchive converts names by the locale and crashes on Chinese ones in the C
 * locale, so its calls run in one that is UTF-8, for this thread only. */
struct utf8_scope {
	locale_t utf8, before;
};

static enum err_code utf8_enter(struct utf8_scope *s, struct err *err)
{
	s->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (s->utf8 == (locale_t)0)
		return err_set(
			err, ERR_INTERNAL, "the locale C.UTF-8 is missing");
	s->before = uselocale(s->utf8);
	return ERR_OK;
}

static void utf8_leave(struct utf8_scope *s)
{
	if (s->utf8 == (locale_t)0)
		return;
	uselocale(s->before);
	freelocale(s->utf8);
}

static enum err_code archive_failed(struct archive *a, enum err_code code,
	const char *what, struct err *err)
{
	const char *why = archive_error_string(a);

	if (archive_errno(a) == ENOSPC || archive_errno(a) == EDQUOT)
		code = ERR_FULL;
	return err_set(err, code, "%s: %s", what, why ? why : "unknown");
}

/* ---- writing ---- */

static enum err_code write_header(
	struct archive *a, const char *name, uint64_t size, struct err *err)
{
	struct archive_entry *e = archive_entry_new2(a);
	enum err_code rc = ERR_OK;

	if (!e)
		return err_nomem(err);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 0, 0);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	archive_entry_set_uname(e, "");
	archive_entry_set_gname(e, "");
	if (archive_write_header(a, e) != ARCHIVE_OK)
		rc = archive_failed(a, ERR_IO, name, err);
	archive_entry_free(e);
	return rc;
}

static enum err_code write_bytes(struct archive *a, int fd, const char *name,
	uint64_t size, struct err *err)
{
	uint8_t *piece = malloc(COPY_SIZE);
	enum err_code rc = piece ? ERR_OK : err_nomem(err);

	for (uint64_t at = 0; rc == ERR_OK && at < size;) {
		size_t n =
			size - at < COPY_SIZE ? (size_t)(size - at) : COPY_SIZE;

		if ((rc = file_read_at(fd, at, piece, n, err)))
			rc = err_while(err, rc, "%s", name);
		else if (archive_write_data(a, piece, n) != (la_ssize_t)n)
			rc = archive_failed(a, ERR_IO, name, err);
		at += n;
	}
	free(piece);
	return rc;
}

static enum err_code write_file(struct archive *a, int dir, const char *top,
	const char *name, uint64_t *total, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *full = file_join(top, name);
	struct stat st;
	enum err_code rc;

	if (fd < 0 || !full || fstat(fd, &st) != 0) {
		rc = full ? err_sys(err, "open %s", name) : err_nomem(err);
		goto out;
	}
	*total += (uint64_t)st.st_size;
	if ((uint64_t)st.st_size > PACKAGE_FILE_LIMIT ||
		*total > PACKAGE_TOTAL_LIMIT) {
		rc = err_set(err, ERR_LIMIT,
			"%s has %lld bytes, limits %llu a file, %llu in all",
			name, (long long)st.st_size,
			(unsigned long long)PACKAGE_FILE_LIMIT,
			(unsigned long long)PACKAGE_TOTAL_LIMIT);
		goto out;
	}
	if (!(rc = write_header(a, full, (uint64_t)st.st_size, err)))
		rc = write_bytes(a, fd, name, (uint64_t)st.st_size, err);
out:
	if (fd >= 0)
		close(fd);
	free(full);
	return rc;
}

static enum err_code write_tar(int fd, const char *dir,
	const struct listing *files, const char *top, struct err *err)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct archive *a = archive_write_new();
	uint64_t total = 0;
	enum err_code rc = ERR_OK;

	if (folder < 0 || !a) {
		rc = a ? err_sys(err, "open %s", dir) : err_nomem(err);
		goto out;
	}
	if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(a, TAR_BLOCK) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(a, TAR_BLOCK) !=
			ARCHIVE_OK ||
		archive_write_open_fd(a, fd) != ARCHIVE_OK) {
		rc = archive_failed(a, ERR_INTERNAL, "tar", err);
		goto out;
	}
	for (size_t i = 0; rc == ERR_OK && i < files->count; i++)
		rc = write_file(a, folder, top, files->name[i], &total, err);
	if (rc == ERR_OK && archive_write_close(a) != ARCHIVE_OK)
		rc = archive_failed(a, ERR_IO, "tar", err);
out:
	if (folder >= 0)
		close(folder);
	if (a)
		archive_write_free(a);
	return rc;
}

/* fsync, rename, fsync of the folder it is in. */
static enum err_code publish(
	int fd, const char *staged, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	enum err_code rc;

	if (!folder)
		return err_nomem(err);
	if (!(rc = file_sync_data(fd, path, err)) && rename(staged, path) != 0)
		rc = err_sys(err, "make %s", path);
	if (rc == ERR_OK)
		rc = file_sync_dir(folder, err);
	free(folder);
	return rc;
}

enum err_code package_tar(
	const char *dir, const char *top, const char *path, struct err *err)
{
	struct utf8_scope scope = {0};
	struct listing files = {0};
	struct buf staged = BUF_EMPTY;
	int fd = -1;
	enum err_code rc;

	if (!name_plain(top, strlen(top)) || strchr(top, '/'))
		return err_set(
			err, ERR_USAGE, "%s is no name for a folder", top);
	buf_str(&staged, path);
	buf_str(&staged, ".new-XXXXXX");
	if (!buf_cstr(&staged))
		return err_nomem(err);
	if ((rc = utf8_enter(&scope, err)) ||
		(rc = listing_make(dir, &files, err)))
		goto out;
	fd = mkostemp((char *)staged.data, O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(err, "make a file beside %s", path);
		goto out;
	}
	if ((rc = write_tar(fd, dir, &files, top, err)) ||
		(rc = publish(fd, (char *)staged.data, path, err)))
		unlink((char *)staged.data);
out:
	if (fd >= 0)
		close(fd);
	buf_free(&staged);
	listing_free(&files);
	utf8_leave(&scope);
	return rc;
}

/* ---- reading ---- */

struct unpack {
	struct archive *archive;
	int dir;
	char top[PACKAGE_NAME_SIZE]; /* of the first file, and of all */
	uint64_t total;
	size_t files;
};

/* The name below the top folder, NULL when it is not a plain one. */
static const char *name_below(struct unpack *u, const char *name)
{
	size_t len = name ? strlen(name) : 0;
	const char *slash;
	size_t top;

	if (!name || !name_plain(name, len))
		return NULL;
	slash = memchr(name, '/', len);
	top = slash ? (size_t)(slash - name) : len;
	if (!u->top[0])
		memcpy(u->top, name, top);
	if (strncmp(u->top, name, top) != 0 || u->top[top] != '\0')
		return NULL;
	return slash ? slash + 1 : "";
}

/* The folder of `name` below u->dir, made where it is missing; *last is the
 * component left.  Symbolic links cannot be there: the folder was empty. */
static int folder_of(
	const struct unpack *u, const char *name, const char **last)
{
	int fd = fcntl(u->dir, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	while (fd >= 0 && (slash = strchr(name, '/'))) {
		char part[PACKAGE_NAME_SIZE];
		size_t len = (size_t)(slash - name);
		int next;

		memcpy(part, name, len);
		part[len] = '\0';
		(void)mkdirat(fd, part, 0700);
		next = openat(fd, part,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		name = slash + 1;
	}
	*last = name;
	return fd;
}

static enum err_code write_all(int fd, const uint8_t *data, size_t len,
	const char *name, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write %s", name);
		data += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

/* Counts what really comes, whatever the header says. */
static enum err_code unpack_bytes(
	struct unpack *u, int fd, const char *name, struct err *err)
{
	uint8_t *piece = malloc(COPY_SIZE);
	uint64_t size = 0;
	enum err_code rc = piece ? ERR_OK : err_nomem(err);

	while (rc == ERR_OK) {
		la_ssize_t n = archive_read_data(u->archive, piece, COPY_SIZE);

		if (n == 0)
			break;
		if (n < 0) {
			rc = archive_failed(u->archive, ERR_INVALID, name, err);
			break;
		}
		size += (uint64_t)n;
		u->total += (uint64_t)n;
		if (size > PACKAGE_FILE_LIMIT || u->total > PACKAGE_TOTAL_LIMIT)
			rc = err_set(err, ERR_LIMIT,
				"%s: more than %llu bytes, or %llu in all",
				name, (unsigned long long)PACKAGE_FILE_LIMIT,
				(unsigned long long)PACKAGE_TOTAL_LIMIT);
		else
			rc = write_all(fd, piece, (size_t)n, name, err);
	}
	free(piece);
	return rc;
}

static enum err_code unpack_file(
	struct unpack *u, const char *name, struct err *err)
{
	const char *last;
	int folder, fd;
	enum err_code rc;

	if (++u->files > PACKAGE_FILES_LIMIT)
		return err_set(err, ERR_LIMIT, "more than %zu files",
			PACKAGE_FILES_LIMIT);
	folder = folder_of(u, name, &last);
	fd = folder < 0
		? -1
		: openat(folder, last,
			  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	if (fd < 0 && (errno == EEXIST || errno == ENOTDIR))
		rc = err_set(err, ERR_INVALID,
			"%s is in the package twice, or below a file", name);
	else if (fd < 0)
		rc = err_sys(err, "make %s", name);
	else
		rc = unpack_bytes(u, fd, name, err);
	if (fd >= 0 && close(fd) != 0 && rc == ERR_OK)
		rc = err_sys(err, "write %s", name);
	if (folder >= 0)
		close(folder);
	return rc;
}

static enum err_code unpack_entry(
	struct unpack *u, struct archive_entry *e, struct err *err)
{
	const char *name = archive_entry_pathname_utf8(e);
	bool folder = archive_entry_filetype(e) == AE_IFDIR;
	char copy[PACKAGE_NAME_SIZE];
	size_t len = name ? strlen(name) : 0;
	const char *below;

	if (len == 0 || len >= sizeof(copy))
		return err_set(err, ERR_INVALID,
			"file %zu of the package has no name of at most %d "
			"bytes",
			u->files + 1, PACKAGE_NAME_SIZE - 1);
	memcpy(copy, name, len + 1);
	if (folder && copy[len - 1] == '/')
		copy[len - 1] = '\0';
	below = name_below(u, copy);
	if (!below || (!folder && !*below))
		return err_set(err, ERR_INVALID,
			"file %zu of the package has no plain name below the "
			"top folder",
			u->files + 1);
	if (folder)
		return ERR_OK;
	if (archive_entry_filetype(e) != AE_IFREG ||
		archive_entry_hardlink(e) || archive_entry_sparse_count(e) > 0)
		return err_set(
			err, ERR_INVALID, "%s is not a regular file", below);
	return unpack_file(u, below, err);
}

static enum err_code unpack_all(struct unpack *u, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK) {
		struct archive_entry *e = NULL;
		int got = archive_read_next_header(u->archive, &e);

		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK)
			return archive_failed(
				u->archive, ERR_INVALID, "package", err);
		rc = unpack_entry(u, e, err);
	}
	if (rc == ERR_OK && u->files == 0)
		return err_set(err, ERR_INVALID, "no file in the package");
	return rc;
}

/* The folder may be there already, empty. */
static enum err_code fresh_folder(const char *dir, int *out, struct err *err)
{
	struct dirent *d;
	size_t count = 0;
	DIR *open_dir;
	int fd;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_sys(err, "make %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", dir);
	open_dir = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	while (open_dir && (d = readdir(open_dir)))
		count += strcmp(d->d_name, ".") != 0 &&
			strcmp(d->d_name, "..") != 0;
	if (!open_dir || count > 0) {
		close(fd);
		if (!open_dir)
			return err_sys(err, "open %s", dir);
		closedir(open_dir);
		return err_set(err, ERR_EXISTS, "%s is not empty", dir);
	}
	closedir(open_dir);
	*out = fd;
	return ERR_OK;
}

enum err_code package_untar(const char *path, const char *dir, struct err *err)
{
	struct unpack u = {.dir = -1};
	struct utf8_scope scope = {0};
	enum err_code rc;

	if (!file_exists(path))
		return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
	if ((rc = utf8_enter(&scope, err)) ||
		(rc = fresh_folder(dir, &u.dir, err)))
		goto out;
	if (!(u.archive = archive_read_new())) {
		rc = err_nomem(err);
		goto out;
	}
	if (archive_read_support_format_tar(u.archive) != ARCHIVE_OK ||
		archive_read_open_filename(u.archive, path, COPY_SIZE) !=
			ARCHIVE_OK)
		rc = archive_failed(u.archive, ERR_INVALID, path, err);
	else
		rc = unpack_all(&u, err);
out:
	if (u.archive)
		archive_read_free(u.archive);
	if (u.dir >= 0)
		close(u.dir);
	utf8_leave(&scope);
	return rc;
}
