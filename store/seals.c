/* seals.c - is the message of a sealed record the one that its entry names? */
#include <inttypes.h>
#include <string.h>

#include "store/inside.h"

/* What cannot be read is told by the block that it lies in. */
enum err_code seal_holds(struct store *s, uint32_t log, uint64_t seq,
	const struct block_entry *row, struct err *err)
{
	const size_t len = sizeof(SERIES_SEALED) - 1;
	struct buf message = BUF_EMPTY;
	struct run run = {0};
	const struct part *p;
	struct entry e;
	enum err_code rc;

	if (row->damaged || row->series_len != len ||
		memcmp(row->series, SERIES_SEALED, len))
		return ERR_OK;
	if ((rc = entry_parse(row->text, row->len, &e, err)))
		return rc;
	rc = store_read(s, log, seq, 1, LABEL_BIT(LABEL_SENSITIVE), &run, NULL);
	if (!rc && (run.record[0].have & LABEL_BIT(LABEL_SENSITIVE))) {
		p = &run.record[0].part[LABEL_SENSITIVE];
		if (!sealed_message(&e, p->json, p->len, &message))
			rc = err_set(err, ERR_CORRUPT,
				"the message of log %" PRIu32 ", entry %" PRIu64
				", is not the one that its seal names",
				log, seq);
	} else {
		rc = rc == ERR_NOMEM ? err_nomem(err) : ERR_OK;
	}
	buf_free(&message);
	run_free(&run);
	return rc;
}
