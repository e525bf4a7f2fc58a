/* replay.c - runs a fuzz target over each file of a corpus folder, once. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		struct buf bytes = BUF_EMPTY;
		struct err err;
		char *path;

		if (entry->d_name[0] == '.')
			continue;
		path = file_join(argv[1], entry->d_name);
		if (!path || file_read(path, (size_t)16 << 20, &bytes, &err)) {
			fprintf(stderr, "%s: unreadable\n", entry->d_name);
			return 1;
		}
		/* A copy of the exact size, so ASan sees one byte too far. */
		uint8_t *exact = malloc(bytes.len ? bytes.len : 1);
		if (!exact)
			return 1;
		if (bytes.len)
			memcpy(exact, bytes.data, bytes.len);
		LLVMFuzzerTestOneInput(exact, bytes.len);
		free(exact);
		buf_free(&bytes);
		free(path);
		count++;
	}
	closedir(dir);
	printf("%zu inputs replayed\n", count);
	return count ? 0 : 1;
}
