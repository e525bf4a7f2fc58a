/* fuzz_provision.c - the fields of a register of provision: what was read is
 * written and read again as it was. */
#include <stdlib.h>
#include <string.h>

#include "policies/provision.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void compare(const struct provision *a, const struct provision *b)
{
	must(!strcmp(a->day, b->day) && !strcmp(a->to, b->to) &&
		a->consumer == b->consumer && a->count == b->count);
	for (size_t i = 0; i < a->count; i++)
		must(!strcmp(a->item[i].origin, b->item[i].origin) &&
			a->item[i].from == b->item[i].from &&
			a->item[i].before == b->item[i].before &&
			a->item[i].labels == b->item[i].labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_EMPTY;
	struct provision p, again;
	struct json *v = NULL;

	if (provision_parse(data, size, &p, NULL))
		return 0;
	if (provision_write(&p, &v, NULL) == ERR_OK &&
		json_write(v, &text, NULL) == ERR_OK) {
		must(provision_parse(text.data, text.len, &again, NULL) ==
			ERR_OK);
		compare(&p, &again);
		provision_free(&again);
	}
	provision_free(&p);
	json_free(v);
	buf_free(&text);
	return 0;
}
