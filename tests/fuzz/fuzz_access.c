/* fuzz_access.c - what a person asks to see: a first line that is a reason and
 * a path, and a part that the path is looked for in. */
#include <stdlib.h>
#include <string.h>

#include "policies/access_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was picked has nothing else, so picking again gives the same. */
static void pick_twice(const struct json *v, const char *path)
{
	bool failed = false;
	struct json *once = access_pick(v, path, &failed), *twice;

	if (!once)
		return;
	twice = access_pick(once, path, &failed);
	if (!failed && (!twice || !json_equal(once, twice)))
		abort();
	json_free(once);
	json_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	struct json *v = NULL;
	char line[512];
	size_t len = end ? (size_t)(end - data) : 0;

	if (!end || len >= sizeof(line))
		return 0;
	memcpy(line, data, len);
	line[len] = '\0';
	if (access_reason_check(line, NULL) == ERR_OK &&
		strlen(line) > ACCESS_REASON_LIMIT)
		abort();
	if (!access_path_valid(line) ||
		json_parse(end + 1, size - len - 1, PART_SIZE_LIMIT, &v, NULL))
		return 0;
	pick_twice(v, line);
	json_free(v);
	return 0;
}
