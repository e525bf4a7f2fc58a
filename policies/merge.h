/* merge.h - the parts of a record back to its fields.  Internal to policies/.
 */
#pragma once

#include "policies/series.h"

enum merge_mode {
	MERGE_ALL,     /* everything at hand */
	MERGE_MASKED,  /* no raw value labelled personal or sensitive */
	MERGE_CONTENT, /* what was put in: nothing derived, no salts */
};

/* Merges the parts of r that are here; `attachments` stands among the fields
 * where a part has it.  `s` may be NULL when the series is unknown; then
 * MERGE_MASKED leaves out all of labels personal and sensitive.  ERR_CORRUPT
 * when the parts contradict each other or are not what parts are. */
enum err_code merge_parts(const struct series *s, const struct record *r,
	enum merge_mode mode, struct json **out, struct err *err);
/* Do both records say the same, derived values, salts and object names left
 * aside?  Parts that only one has make a difference. */
enum err_code merge_same(const struct series *s, const struct record *a,
	const struct record *b, bool *same, struct err *err);
/* Would the parts merge?  NULL for one that is not here. */
bool merge_fits(struct json *const part[LABEL_COUNT]);
