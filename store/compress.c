/* compress.c - zstd for the layers above, who have no business in blocks. */
#include "store/compress.h"

#include "store/frame.h"

enum err_code store_compress(const void *data, size_t len, int level,
	struct buf *out, struct err *err)
{
	return frame_compress(data, len, level, out, err);
}

enum err_code store_decompress(const void *data, size_t len, size_t limit,
	struct buf *out, struct err *err)
{
	return frame_decompress(data, len, limit, out, err);
}
