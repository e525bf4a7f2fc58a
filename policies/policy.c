/* policy.c - sys-policy records: which rules hold for what follows them. */
#include "policies/policy.h"

#include <string.h>

bool policy_of(const struct record *r, uint64_t *serial)
{
	const struct part *p = &r->part[LABEL_INTERNAL];
	struct json *fields = NULL;
	struct entry e;
	bool is;

	if (entry_parse(r->entry, r->entry_len, &e, NULL) ||
		strcmp(e.series, "sys-policy") ||
		!(r->have & LABEL_BIT(LABEL_INTERNAL)) ||
		json_parse(p->json, p->len, PART_SIZE_LIMIT, &fields, NULL))
		return false;
	is = json_get_u64(fields, "serial", serial);
	json_free(fields);
	return is;
}

/* The last in [from, end), past records that are damaged. */
static enum err_code last_policy(struct store *s, uint32_t log, uint64_t from,
	uint64_t end, uint64_t *serial, uint64_t *seq, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (!rc && from < end) {
		struct run run = {.count = 0};
		size_t skipped = 0;

		rc = store_read_past(s, log, from, (size_t)(end - from),
			LABEL_BIT(LABEL_INTERNAL), &run, &skipped, err);
		from += skipped;
		for (size_t i = 0; !rc && i < run.count; i++, from++)
			if (policy_of(&run.record[i], serial))
				*seq = from;
		run_free(&run);
	}
	return rc;
}

/* From the end back: heads are adopted often enough that it is near. */
enum err_code policy_before(struct store *s, uint32_t log, uint64_t end,
	uint64_t *serial, uint64_t *seq, struct err *err)
{
	enum err_code rc = ERR_OK;

	*serial = 0;
	while (!rc && !*serial && end > 0) {
		uint64_t from = (end - 1) / RUN_LIMIT * RUN_LIMIT;

		rc = last_policy(s, log, from, end, serial, seq, err);
		end = from;
	}
	return rc;
}
