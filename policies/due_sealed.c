/* due_sealed.c - when sealed records may go. */
#include "policies/due_sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/automatic.h"
#include "policies/register.h"

/* ---- what was told ---- */

static bool read_row(
	const struct json *v, const char *code, struct due_told_range *out)
{
	const char *origin = json_get_string(v, "origin");
	char at[TIME_TEXT_SIZE];

	if (strcmp(json_get_string(v, "series"), SERIES_SEALED) ||
		strncmp(origin_code(origin), code, CODE_LEN))
		return false;
	snprintf(at, sizeof(at), "%.10sT00:00:00+08:00",
		json_get_string(v, "since"));
	snprintf(out->origin, sizeof(out->origin), "%s", origin);
	snprintf(out->period, sizeof(out->period), "%s",
		json_get_string(v, "period"));
	return time_parse(at, strlen(at), &out->since);
}

/* The year that the period began with, which the row does not have. */
static int year_began(const struct due_told_range *r)
{
	struct period p;
	int year = time_year(r->since);

	return period_parse(r->period, &p) && p.unit == PERIOD_YEARS
		? year - (int)p.count
		: year;
}

enum err_code due_told_read(struct due_told *t, const char *json, size_t len,
	const char *code, struct err *err)
{
	struct json *v = NULL;
	const struct json *rows;
	enum err_code rc = ERR_OK;

	if (register_parse(json, len, &v, NULL))
		return ERR_OK; /* whatever it is, it tells nothing */
	rows = strcmp(json_get_string(v, "reason"), AUTOMATIC_REASON)
		? NULL
		: json_get(v, "rows");
	for (size_t i = 0; i < json_count(rows) && !rc; i++) {
		const struct json *seqs = json_get(json_at(rows, i), "seqs");
		struct due_told_range r;

		if (!read_row(json_at(rows, i), code, &r))
			continue;
		r.start = year_began(&r);
		for (size_t k = 0; k < json_count(seqs) && !rc; k++) {
			const struct json *pair = json_at(seqs, k);

			(void)json_u64(json_at(pair, 0), &r.range.from);
			(void)json_u64(json_at(pair, 1), &r.range.to);
			if (grow(&t->at, &t->cap, t->count, sizeof(*t->at)))
				t->at[t->count++] = r;
			else
				rc = err_nomem(err);
		}
	}
	json_free(v);
	return rc;
}

const struct due_told_range *due_told_of(
	const struct due_told *t, const char *origin, uint64_t seq)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct due_told_range *r = &t->at[i];

		if (seq >= r->range.from && seq < r->range.to &&
			!strcmp(r->origin, origin))
			return r;
	}
	return NULL;
}

void due_told_free(struct due_told *t)
{
	free(t->at);
	*t = (struct due_told){.at = NULL};
}

/* ---- what can be read ---- */

bool due_sealed_open(struct node *n, uint32_t log, uint64_t seq,
	struct opened *room, struct sketch *out)
{
	const struct entry *e = &room->entry;
	struct run run = {0};
	int64_t at;
	bool open;

	open = !store_read(n->store, log, seq, 1, LABEL_BIT(LABEL_SENSITIVE),
		       &run, NULL) &&
		sealed_shown(n, &run.record[0], room) == &room->record &&
		time_parse(e->at, strlen(e->at), &at);
	run_free(&run);
	if (!open)
		return false;
	*out = (struct sketch){.seq = seq,
		.rev = e->rev,
		.at = at,
		.series = e->series,
		.series_len = strlen(e->series),
		.here = room->record.have,
		.have = room->record.have};
	memcpy(out->uuid, e->uuid, sizeof(out->uuid));
	memcpy(out->part, room->record.part, sizeof(out->part));
	return true;
}

/* The message goes as one: what lasts longest keeps all of it. */
int64_t due_sealed_of(const struct retention *r, const int64_t due[LABEL_COUNT],
	enum label *longest)
{
	int64_t last = INT64_MIN;

	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		if (!(r->labels & LABEL_BIT(l)) || due[l] <= last)
			continue;
		last = due[l];
		*longest = (enum label)l;
	}
	return last == INT64_MIN ? RETENTION_NEVER : last;
}
