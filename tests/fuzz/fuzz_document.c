/* fuzz_document.c - fields of any kind are refused, or become canonical parts
 * that merge into fields which give the same parts again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policies/merge.h"
#include "policies/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char series_text[] =
	"name: sample\n"
	"title: t\n"
	"plan: p\n"
	"direction: up\n"
	"urgent: no\n"
	"attachments: sensitive\n"
	"clearance: {village: [public], township: [public], county: []}\n"
	"retention:\n"
	"  - {label: public, period: D10, anchor: closed}\n"
	"  - {label: internal, period: Y}\n"
	"  - {label: personal, period: T3y}\n"
	"  - {label: sensitive, period: T90d}\n"
	"fields:\n"
	"  - {path: no, type: string, label: public, required: yes}\n"
	"  - {path: closed, type: date, label: public}\n"
	"  - {path: at, type: time, label: internal}\n"
	"  - {path: code, type: division, label: public}\n"
	"  - {path: level, type: choice, label: public, choices: [a, b]}\n"
	"  - {path: n, type: integer, label: public}\n"
	"  - {path: x, type: number, label: personal}\n"
	"  - {path: flag, type: boolean, label: internal}\n"
	"  - {path: text, type: text, label: personal}\n"
	"  - {path: \"tags[]\", type: string, label: sensitive}\n"
	"  - {path: who.name, type: name, label: personal, derive: mask,\n"
	"     derive_label: public}\n"
	"  - {path: fee, type: money, label: public}\n"
	"  - {path: org, type: uscc, label: public}\n"
	"  - {path: child.birth, type: date, label: sensitive, minors: yes}\n"
	"  - {path: child.name, type: name, label: personal, derive: mask,\n"
	"     derive_label: internal}\n"
	"  - {path: child.card, type: bank_card, label: sensitive,\n"
	"     derive: mask, derive_label: personal}\n"
	"  - {path: \"child.toys[].name\", type: string, label: personal}\n"
	"  - {path: \"child.tags[]\", type: string, label: personal}\n"
	"  - {path: \"rows[].id_no\", type: id_no, label: sensitive,\n"
	"     minors: yes, derive: mask, derive_label: internal}\n"
	"  - {path: \"rows[].phone\", type: phone, label: personal,\n"
	"     derive: mask, derive_label: internal}\n"
	"  - {path: \"rows[].place.address\", type: address,\n"
	"     label: personal, derive: mask, derive_label: public}\n"
	"  - {path: \"rows[].inner[].v\", type: number, label: public}\n"
	"  - {path: \"rows[].inner[].w\", type: string, label: sensitive}\n";

static struct series *series_get(void)
{
	static struct series *s;
	struct err err;

	if (!s &&
		series_load("sample.yaml", series_text, strlen(series_text), &s,
			&err) != ERR_OK)
		abort();
	return s;
}

static bool split(const struct json *fields, struct buf out[LABEL_COUNT])
{
	struct err err;

	return split_fields(series_get(), fields, NULL, "2026-04-22", out,
		       &err) == ERR_OK;
}

static void check_parts(const struct buf part[LABEL_COUNT])
{
	struct buf again[LABEL_COUNT] = {BUF_EMPTY};
	struct record r = {.have = LABEL_ALL};
	struct json *content = NULL;
	struct digest d;
	const uint8_t seed[SEED_SIZE] = {0};

	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		struct json *v = NULL;

		r.part[i].json = (const char *)part[i].data;
		r.part[i].len = part[i].len;
		if (json_parse_canonical(part[i].data, part[i].len,
			    PART_SIZE_LIMIT, &v, NULL) ||
			part_digest(seed, (enum label)i, r.part[i].json,
				r.part[i].len, &d, NULL))
			abort();
		json_free(v);
	}
	if (merge_parts(series_get(), &r, MERGE_CONTENT, &content, NULL) ||
		!split(content, again))
		abort();
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if (again[i].len != part[i].len ||
			memcmp(again[i].data, part[i].data, part[i].len) != 0)
			abort();
		buf_free(&again[i]);
	}
	json_free(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf part[LABEL_COUNT] = {BUF_EMPTY};
	struct json *fields = NULL;

	if (json_parse(data, size, JSON_TEXT_LIMIT, &fields, NULL))
		return 0;
	if (split(fields, part))
		check_parts(part);
	for (unsigned i = 0; i < LABEL_COUNT; i++)
		buf_free(&part[i]);
	json_free(fields);
	return 0;
}
