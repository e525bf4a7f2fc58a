/* marks.h - which parts of a run's records were destroyed, as messages tell it
 * (docs/protocol.md section 4.4).  Internal to policies/.
 */
#pragma once

#include "store/store.h"

#define MARKS_LIMIT (RUN_LIMIT * LABEL_COUNT)

/* As they stand in a message, read and found well-formed; borrows. */
struct marks {
	const void *data;
	size_t len;
};
/* Those of the first `count` records of the run. */
void marks_write(const struct run *run, size_t count, struct buf *out);
/* False when they are malformed. */
bool marks_read(struct cursor *c, struct marks *out);
/* Puts them into the records: `erased`, and `erasure`, whose memory is *room,
 * freed by the caller after the run.  ERR_PROTOCOL when there is no such
 * record, or the part is there all the same. */
enum err_code marks_apply(const struct marks *m, struct run *run,
	struct erasure **room, struct err *err);
