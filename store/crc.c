/* crc.c - CRC-32C by the processor's instruction, or by tables. */
#include "store/crc.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

/* Four bits at a time: 16 words, computed as constants by hand would be longer
 * than computing them here. */
static uint32_t nibble(uint32_t v)
{
	for (int i = 0; i < 4; i++)
		v = v & 1 ? v >> 1 ^ POLYNOMIAL : v >> 1;
	return v;
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
	uint32_t table[16];

	for (uint32_t i = 0; i < 16; i++)
		table[i] = nibble(i);
	for (; len; len--, p++) {
		crc = crc >> 4 ^ table[(crc ^ *p) & 15];
		crc = crc >> 4 ^ table[(crc ^ (uint32_t)*p >> 4) & 15];
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(
	uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t wide = crc;
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; len; len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(crc, data, len);
#endif
	return ~by_table(crc, data, len);
}
