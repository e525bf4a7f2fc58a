/* folder.c - attachment files by the hexadecimal digits of their names. */
#include "cli/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEX_LEN (DIGEST_HEX_SIZE - 1)

struct folder {
	char *path;
	char **name; /* sorted */
	size_t count, cap;
};

static bool is_ours(const char *name)
{
	struct digest d;

	return strlen(name) >= HEX_LEN && digest_from_hex(name, HEX_LEN, &d) &&
		(name[HEX_LEN] == '\0' || name[HEX_LEN] == '.');
}

static enum err_code add(struct folder *f, const char *name, struct err *err)
{
	if (!grow(&f->name, &f->cap, f->count, sizeof(*f->name)) ||
		!(f->name[f->count] = strdup(name)))
		return err_nomem(err);
	f->count++;
	return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err_code fill(struct folder *f, DIR *dir, struct err *err)
{
	const struct dirent *d;
	enum err_code rc = ERR_OK;

	errno = 0;
	while (rc == ERR_OK && (d = readdir(dir)))
		if (is_ours(d->d_name))
			rc = add(f, d->d_name, err);
	if (rc == ERR_OK && errno)
		rc = err_sys(err, "%s", f->path);
	if (f->count > 0)
		qsort(f->name, f->count, sizeof(*f->name), by_name);
	return rc;
}

enum err_code folder_open(
	const char *path, struct folder **out, struct err *err)
{
	struct folder *f = calloc(1, sizeof(*f));
	DIR *dir = opendir(path);
	enum err_code rc;

	if (!dir)
		rc = err_sys(err, "%s", path);
	else if (!f || !(f->path = strdup(path)))
		rc = err_nomem(err);
	else
		rc = fill(f, dir, err);
	if (dir)
		closedir(dir);
	if (rc == ERR_OK)
		*out = f;
	else
		folder_close(f);
	return rc;
}

void folder_close(struct folder *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count; i++)
		free(f->name[i]);
	free(f->name);
	free(f->path);
	free(f);
}

static int starts_with(const void *key, const void *element)
{
	return strncmp(key, *(char *const *)element, HEX_LEN);
}

enum err_code folder_find(
	void *arg, const struct digest *plain, char **path, struct err *err)
{
	struct folder *f = arg;
	char hex[DIGEST_HEX_SIZE];
	char **found = NULL;

	digest_hex(plain, hex);
	if (f->count > 0)
		found = bsearch(
			hex, f->name, f->count, sizeof(*f->name), starts_with);
	if (!found)
		return err_set(err, ERR_NOT_FOUND,
			"no file named %s in the attachments folder", hex);
	if (!(*path = file_join(f->path, *found)))
		return err_nomem(err);
	return ERR_OK;
}
