/* fuzz_order.c - an order that parses is written back as it was, and asking it
 * about anything is safe. */
#include <stdlib.h>
#include <string.h>

#include "policies/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct order *o)
{
	const char *origin = o->part_count ? o->part[0].origin
		: o->record_count	   ? o->record[0].origin
					   : "a.example/330106110201/"
					     "0123456789abcdef";

	if (o->part_count &&
		!order_names(
			o, origin, o->part[0].label, o->part[0].range[0].from))
		abort();
	(void)order_reaches(o, origin, o->node,
		o->record_count ? o->record[0].seq : 0, "alert",
		"2026-04-22T17:48:35+08:00");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signed_order s = {.count = 0};
	struct buf text = BUF_EMPTY;
	struct order o = {.part = NULL};

	if (signed_order_parse(data, size, &s, NULL) == ERR_OK)
		signed_order_free(&s);
	if (order_parse(data, size, &o, NULL) != ERR_OK)
		return 0;
	if (order_write(&o, &text, NULL) != ERR_OK || text.len != size ||
		memcmp(text.data, data, size))
		abort();
	ask(&o);
	buf_free(&text);
	order_free(&o);
	return 0;
}
