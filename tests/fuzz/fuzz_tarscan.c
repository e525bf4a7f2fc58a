/* fuzz_tarscan.c - one header of a tar: what passes has a size that is bounded
 * and fails with any one bit flipped in its name. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policies/tarscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t block[TAR_BLOCK_SIZE] = {0};
	struct tar_header h;

	memcpy(block, data, len < sizeof(block) ? len : sizeof(block));
	if (!tar_header_parse(block, &h) || h.end)
		return 0;
	if (h.size >> 33)
		abort();
	block[0] ^= 1;
	if (tar_header_parse(block, &h))
		abort();
	return 0;
}
