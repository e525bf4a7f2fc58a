/* listing.c - lists a folder's regular files, in one order everywhere. */
#include "store/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/package.h"

bool name_plain(const char *name, size_t len)
{
	size_t start = 0;

	if (len == 0 || len >= PACKAGE_NAME_SIZE || !utf8_valid(name, len))
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '/') {
			if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
				return false;
			continue;
		}
		if (i == start || (i == start + 1 && name[start] == '.') ||
			(i == start + 2 && name[start] == '.' &&
				name[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->name[i]);
	free(l->name);
	*l = (struct listing){0};
}

static enum err_code add_name(
	struct listing *l, const char *name, struct err *err)
{
	if (l->count == PACKAGE_FILES_LIMIT)
		return err_set(err, ERR_LIMIT, "more than %zu files",
			PACKAGE_FILES_LIMIT);
	if (!grow(&l->name, &l->cap, l->count, sizeof(*l->name)) ||
		!(l->name[l->count] = strdup(name)))
		return err_nomem(err);
	l->count++;
	return ERR_OK;
}

static enum err_code list_folder(
	int fd, const char *below, struct listing *l, struct err *err);

static enum err_code list_one(int folder, const char *name, const char *path,
	struct listing *l, struct err *err)
{
	struct stat st;
	int fd;

	if (!name_plain(path, strlen(path)))
		return err_set(err, ERR_INVALID,
			"a file name of %zu bytes is not plain, limit %d",
			strlen(path), PACKAGE_NAME_SIZE - 1);
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, "stat %s", path);
	if (S_ISREG(st.st_mode))
		return add_name(l, path, err);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID,
			"%s is neither a folder nor a regular file", path);
	fd = openat(
		folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", path);
	return list_folder(fd, path, l, err);
}

/* Closes fd.  The depth is bounded by the length of a name. */
static enum err_code list_folder(
	int fd, const char *below, struct listing *l, struct err *err)
{
	struct buf path = BUF_EMPTY;
	DIR *dir = fdopendir(fd);
	enum err_code rc = ERR_OK;
	struct dirent *d;

	if (!dir) {
		rc = err_sys(err, "open %s", below);
		close(fd);
		return rc;
	}
	while (rc == ERR_OK && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		buf_clear(&path);
		if (*below) {
			buf_str(&path, below);
			buf_u8(&path, '/');
		}
		buf_str(&path, d->d_name);
		if (!buf_cstr(&path))
			rc = err_nomem(err);
		else
			rc = list_one(dirfd(dir), d->d_name,
				(const char *)path.data, l, err);
	}
	closedir(dir);
	buf_free(&path);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err_code listing_make(
	const char *dir, struct listing *out, struct err *err)
{
	struct listing l = {0};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, "open %s", dir);
	if ((rc = list_folder(fd, "", &l, err))) {
		listing_free(&l);
		return rc;
	}
	if (l.count > 0)
		qsort(l.name, l.count, sizeof(*l.name), compare_names);
	*out = l;
	return ERR_OK;
}
