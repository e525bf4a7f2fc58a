/* compress.h - zstd for the layers above: one frame, bounded both ways. */
#pragma once

#include <stddef.h>

#include "base/base.h"

/* Appends one frame with a declared size. */
enum err_code store_compress(const void *data, size_t len, int level,
	struct buf *out, struct err *err);
/* Takes exactly one frame that declares at most `limit` bytes. */
enum err_code store_decompress(const void *data, size_t len, size_t limit,
	struct buf *out, struct err *err);
