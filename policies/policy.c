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

/* ---- without reading entries ---- */

struct passing {
	uint64_t serial; /* of the newest seen */
	uint64_t next;	 /* behind it */
	uint64_t after;	 /* records seen from there on */
	bool sure;
};

static bool is_policy(const struct sketch *r)
{
	static const char name[] = "sys-policy";

	return r->series_len == sizeof(name) - 1 &&
		!memcmp(r->series, name, sizeof(name) - 1);
}

static uint8_t wants_policy(void *arg, const struct sketch *r)
{
	(void)arg;
	return is_policy(r) ? LABEL_BIT(LABEL_INTERNAL) : 0;
}

static enum err_code pass(void *arg, const struct sketch *r, struct err *err)
{
	struct passing *p = arg;
	const struct part *part = &r->part[LABEL_INTERNAL];
	struct json *fields = NULL;

	(void)err;
	p->after++;
	if (!is_policy(r))
		return ERR_OK;
	if (r->have & LABEL_BIT(LABEL_INTERNAL) &&
		json_parse(part->json, part->len, PART_SIZE_LIMIT, &fields,
			NULL) == ERR_OK &&
		json_get_u64(fields, "serial", &p->serial)) {
		p->next = r->seq + 1;
		p->after = 0;
		p->sure = true;
	} else {
		p->sure = false;
	}
	json_free(fields);
	return ERR_OK;
}

#define CHUNK 4096 /* records: to look back costs a few milliseconds */

enum err_code policy_between(struct store *s, uint32_t log, uint64_t from,
	uint64_t end, uint64_t *serial, bool *sure, struct err *err)
{
	bool whole = true;

	*serial = 0;
	*sure = true;
	while (!*serial && from < end) {
		uint64_t start = end - from > CHUNK ? end - CHUNK : from;
		struct passing p = {.next = start, .sure = true};
		struct sketch_visitor v = {wants_policy, pass, &p};
		enum err_code rc =
			store_sketch_each(s, log, start, end, &v, err);

		if (rc)
			return rc;
		/* What is damaged is left out. */
		whole = whole && p.sure && p.after == end - p.next;
		*serial = p.serial;
		end = start;
	}
	*sure = whole;
	return ERR_OK;
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
