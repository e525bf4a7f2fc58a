/* scratch.h - a folder for a test's files, gone when the test ends. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_SIZE 256

static inline int scratch_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* cmocka's setup: *state is the path. */
static inline int scratch_make(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *path = malloc(SCRATCH_SIZE);

	if (!path)
		return -1;
	snprintf(path, SCRATCH_SIZE, "%s/cundang-test-XXXXXX",
		tmp ? tmp : "/tmp");
	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
	int rc = nftw(*state, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return rc;
}

/* dir/name in a static place; the last four answers stay. */
static inline const char *scratch_path(void **state, const char *name)
{
	static char paths[4][SCRATCH_SIZE * 2];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", (char *)*state, name);
	return path;
}
