/* extent.h - DATA/extent: how far the segments went, told by a file beside
 * them.  Internal to store/.
 *
 * Segments that were cut or removed do not tell of it themselves, and the index
 * may be gone with them.  Written without a sync after each group that is
 * durable: it never tells more than was there, and after a power cut perhaps
 * less.  docs/format.md section 4.5.
 */
#pragma once

#include "store/item.h"

struct extent {
	uint8_t store[STORE_ID_SIZE];
	uint64_t count;	  /* how often it was written */
	uint32_t segment; /* where the groups end */
	uint64_t end;
	uint64_t arrivals;
	uint64_t next_key; /* of the keyring */
	uint64_t marks;	   /* of destroyed parts */
	/* The own log that is being written. */
	uint64_t own_size;
	char own[ORIGIN_SIZE];
};

#define EXTENT_SLOT_SIZE ((size_t)512)
#define EXTENT_SIZE (2 * EXTENT_SLOT_SIZE)
void extent_write_slot(const struct extent *e, uint8_t out[EXTENT_SLOT_SIZE]);
bool extent_read_slot(const uint8_t *data, size_t len, struct extent *out);

/* The newer of the two slots that are whole.  ERR_NOT_FOUND without the file,
 * or where nothing was ever written to it; ERR_CORRUPT when no slot is
 * whole. */
enum err_code extent_read(
	const char *data, struct extent *out, struct err *err);
/* The file, for writing; made when it is not there. */
enum err_code extent_open(const char *data, int *fd, struct err *err);
/* Writes over the older slot; count goes up. */
enum err_code extent_write(int fd, struct extent *e, struct err *err);
