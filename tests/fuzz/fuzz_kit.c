/* fuzz_kit.c - a kit takes any bytes, also behind a last line that fits them;
 * what parses stays within its limits and its input. */
#include <stdlib.h>
#include <string.h>

#include "policies/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_kit(const uint8_t *data, size_t size)
{
	struct kit k;

	if (kit_parse(data, size, &k, NULL))
		return;
	if (!k.exchanges || k.exchanges > KIT_EXCHANGES_LIMIT ||
		k.parents > KIT_PARENTS_LIMIT || !k.serial)
		abort();
	for (size_t i = 0; i < k.exchanges; i++)
		if (k.exchange[i].data < data ||
			k.exchange[i].len >
				(size_t)(data + size - k.exchange[i].data))
			abort();
	for (size_t i = 0; i < k.parents; i++)
		if (!code_valid(k.parent[i].code, strlen(k.parent[i].code)) ||
			!strchr(k.parent[i].address, ':'))
			abort();
	kit_free(&k);
}

/* A fuzzer finds no SHA-256: the input is tried with the right end, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest all = digest_of(data, size);
	struct buf with = BUF_EMPTY;
	char hex[DIGEST_HEX_SIZE];

	try_kit(data, size);
	digest_hex(&all, hex);
	buf_add(&with, data, size);
	buf_printf(&with, "sha256 %s\n", hex);
	if (!with.failed)
		try_kit(with.data, with.len);
	buf_free(&with);
	return 0;
}
