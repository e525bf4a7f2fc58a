/* marks.h - DATA/erased: which parts were destroyed, told a second time.
 * Internal to store/.
 *
 * The marks in the segments are the truth.  Were one of them damaged, and this
 * file not there, what was destroyed under an order could come back from any
 * old copy.  Appended and synced before a key is dropped.  docs/format.md
 * section 4.5.
 */
#pragma once

#include "store/item.h"
#include "store/store.h"

#define MARKS_HEAD_SIZE ((size_t)24)
#define MARK_ROW_SIZE ((size_t)25)

void marks_head_write(
	const uint8_t store[STORE_ID_SIZE], uint8_t out[MARKS_HEAD_SIZE]);
bool marks_head_read(
	const uint8_t *data, size_t len, uint8_t store[STORE_ID_SIZE]);

struct mark_row {
	struct erase_target part;
	uint64_t at; /* of the order */
};
void mark_row_write(const struct mark_row *m, uint8_t out[MARK_ROW_SIZE]);
bool mark_row_read(const uint8_t *data, size_t len, struct mark_row *out);

struct marks_seen {
	uint64_t rows;	/* up to the last good one */
	uint64_t bad;	/* of them */
	uint64_t first; /* where the first bad one stands, or the head */
	bool headless;	/* the head is damaged, or of another store */
	bool tail;	/* something else stands behind */
};
typedef enum err_code mark_visit(
	void *arg, const struct mark_row *m, struct err *err);
/* Each row that is whole; none where there is no file. */
enum err_code marks_each(struct store *s, mark_visit *visit, void *arg,
	struct marks_seen *seen, struct err *err);
