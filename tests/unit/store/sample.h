/* sample.h - records that tests put in runs and blocks. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/run.h"

#define RECORD_ISSUER "xihu.example/330106110201"

/* A record with parts of `labels`; i varies everything that can vary. */
static inline void record_make(struct record *r, size_t i, uint8_t labels)
{
	static const char *const series[] = {
		"service-case", "alert", "household"};
	struct entry e = {.rev = 1};
	struct buf text = BUF_EMPTY;
	uint8_t uuid[UUID_SIZE] = {1, 0x94, 0x1d, 0xf6, (uint8_t)i, 2, 0x70};

	*r = (struct record){.have = labels};
	snprintf(e.series, sizeof(e.series), "%s", series[i % 3]);
	snprintf(e.iss, sizeof(e.iss), "%s", RECORD_ISSUER);
	snprintf(e.node, sizeof(e.node), "330106110201");
	time_format(1735669474 + (int64_t)i * 60, e.at);
	uuid[15] = (uint8_t)(i * 7);
	uuid_format(uuid, e.id);
	if (i % 4 == 3) {
		e.rev = 2 + i;
		e.has_prev = true;
		e.prev = digest_of(&i, sizeof(i));
	}
	if (i % 3 == 1) {
		e.to_count = 2;
		snprintf(e.to[0], sizeof(e.to[0]), "330106");
		snprintf(e.to[1], sizeof(e.to[1]), "330106110");
	}
	for (int l = 0; l < LABEL_COUNT; l++) {
		struct part *p = &r->part[l];
		struct buf json = BUF_EMPTY;

		if (!(labels & LABEL_BIT(l)))
			continue;
		memset(p->seed, (int)(i * 4 + (size_t)l), sizeof(p->seed));
		if ((i + (size_t)l) % 5 == 0)
			buf_str(&json, "{}");
		else
			buf_printf(&json,
				"{\"label\":\"%s\",\"n\":%zu,"
				"\"note\":\"上门走访\"}",
				label_name((enum label)l), i);
		p->json = buf_cstr(&json);
		p->len = json.len;
		if (part_digest(p->seed, (enum label)l, p->json, p->len,
			    &e.sd[e.sd_count++], NULL) != ERR_OK)
			abort();
	}
	if (entry_write(&e, &text, NULL) != ERR_OK)
		abort();
	r->entry = (const char *)text.data;
	r->entry_len = text.len;
	r->leaf = tree_leaf(text.data, text.len);
}

static inline void record_free(struct record *r)
{
	free((void *)(uintptr_t)r->entry);
	for (int l = 0; l < LABEL_COUNT; l++)
		free((void *)(uintptr_t)r->part[l].json);
}
