/* fuzz_register.c - a register that parses is written, and names parts, without
 * surprise. */
#include <stdlib.h>

#include "policies/register.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct order o = {.kind = ORDER_ERASE, .has_register = true};
	struct buf csv = BUF_EMPTY, html = BUF_EMPTY;
	struct json *reg = NULL;

	if (register_parse(data, size, &reg, NULL) != ERR_OK)
		return 0;
	if (register_csv(reg, "", &csv, NULL) != ERR_OK ||
		register_html(reg, "2026-04-22", &html, NULL) != ERR_OK)
		abort();
	(void)register_parts(reg, &o, NULL);
	order_free(&o);
	json_free(reg);
	buf_free(&csv);
	buf_free(&html);
	return 0;
}
