/* dump.c - `cundang store dump`: every byte that the keys here open, for
 * privacy scanners. */
#include <string.h>

#include "cli/cli.h"

/* "== WHERE LENGTH", the bytes, a line feed. */
static enum err_code on_plain(void *arg, const char *where, const void *plain,
	size_t len, struct err *err)
{
	(void)arg;
	printf("== %s %zu\n", where, len);
	fwrite(plain, 1, len, stdout);
	putchar('\n');
	return ferror(stdout) ? err_sys(err, "standard output") : ERR_OK;
}

static enum err_code run_dump(
	struct cli *c, const struct args *a, struct err *err)
{
	enum err_code rc = open_check(c, err);

	(void)a;
	return rc ? rc : store_dump(c->data, on_plain, NULL, err);
}

const struct command command_store_dump = {
	.name = "store dump",
	.words = "",
	.summary = N_("print all that the keys in the directory open"),
	.hidden = true,
	.run = run_dump,
};
