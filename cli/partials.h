/* partials.h - partial tiles of every width, beside a tree of tiles.  Internal
 * to cli/. */
#pragma once

#include "crypto/crypto.h"

/* For each tile of the tree of `size` leaves in `dir`, writes its partial tiles
 * of all smaller widths: prefixes of its bytes. */
enum err_code partials_write(const char *dir, uint64_t size, struct err *err);
/* Where the first `width` entries of a bundle (tile/entries/N: u16 length,
 * bytes, ...) end.  Pure.  ERR_CORRUPT when there are fewer. */
enum err_code partials_cut(const void *data, size_t len, unsigned width,
	size_t *end, struct err *err);
