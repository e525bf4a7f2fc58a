/* crc.h - CRC-32C (Castagnoli), what segments are checked by.  Internal to
 * store/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc` (0 to begin). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
