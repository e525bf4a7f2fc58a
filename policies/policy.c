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

/* From the end back: heads are adopted often enough that it is near. */
enum err_code policy_before(struct store *s, uint32_t log, uint64_t end,
	uint64_t *serial, uint64_t *seq, struct err *err)
{
	enum err_code rc = ERR_OK;

	*serial = 0;
	while (!rc && !*serial && end > 0) {
		uint64_t from = (end - 1) / RUN_LIMIT * RUN_LIMIT;
		struct run run = {.count = 0};

		rc = store_read(s, log, from, (size_t)(end - from),
			LABEL_BIT(LABEL_INTERNAL), &run, err);
		for (size_t i = run.count; !rc && i > 0 && !*serial; i--)
			if (policy_of(&run.record[i - 1], serial))
				*seq = from + i - 1;
		run_free(&run);
		end = from;
	}
	return rc;
}
