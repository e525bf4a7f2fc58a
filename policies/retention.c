/* retention.c - how long a part is kept: the arithmetic. */
#include "policies/retention.h"

#include <string.h>

#define DAY_S 86400

int retention_year(const char *value, size_t len)
{
	char midnight[TIME_TEXT_SIZE];
	int64_t t;

	if (time_parse(value, len, &t))
		return time_year(t);
	if (!date_valid(value, len))
		return RETENTION_OPEN;
	memcpy(midnight, value, len);
	memcpy(midnight + len, "T00:00:00+08:00", sizeof("T00:00:00+08:00"));
	return time_parse(midnight, strlen(midnight), &t) ? time_year(t)
							  : RETENTION_OPEN;
}

int64_t retention_due(const struct period *p, int anchor_year)
{
	int start = anchor_year + 1;

	if (p->unit == PERIOD_FOREVER || anchor_year == RETENTION_OPEN)
		return RETENTION_NEVER;
	if (p->unit == PERIOD_YEARS)
		return year_start(start + (int)p->count);
	return year_start(start) + (int64_t)p->count * DAY_S;
}

static bool find_anchor(
	const struct series *s, const char *path, enum label *of)
{
	for (size_t i = 0; i < s->field_count; i++) {
		if (strcmp(s->fields[i].path, path))
			continue;
		*of = s->fields[i].label;
		return true;
	}
	return false;
}

void retention_make(const struct series *s, struct retention *out)
{
	struct retention r = {.labels = s->labels};

	for (unsigned l = 0; l < LABEL_COUNT; l++) {
		r.period[l].unit = PERIOD_FOREVER;
		if (!(s->labels & LABEL_BIT(l)) || !s->retention[l] ||
			!period_parse(s->retention[l], &r.period[l]) ||
			r.period[l].unit == PERIOD_FOREVER)
			continue;
		r.ending |= LABEL_BIT(l);
		if (s->anchor[l] && find_anchor(s, s->anchor[l], &r.of[l]))
			r.anchored |= LABEL_BIT(l);
	}
	*out = r;
}

void retention_longer(
	int64_t due[LABEL_COUNT], const int64_t other[LABEL_COUNT])
{
	for (unsigned l = 0; l < LABEL_COUNT; l++)
		if (due[l] < other[l])
			due[l] = other[l];
}

void retention_of(const struct retention *r, const int year[LABEL_COUNT],
	int64_t due[LABEL_COUNT])
{
	bool longer = r->anchored != 0;

	for (unsigned l = 0; l < LABEL_COUNT; l++)
		due[l] = r->labels & LABEL_BIT(l)
			? retention_due(&r->period[l], year[l])
			: RETENTION_NEVER;
	while (longer) {
		longer = false;
		for (unsigned l = 0; l < LABEL_COUNT; l++) {
			if (!(r->anchored & LABEL_BIT(l)) ||
				due[r->of[l]] >= due[l])
				continue;
			due[r->of[l]] = due[l];
			longer = true;
		}
	}
}

/* Behind the string that begins at *at with its quote; false when it does not
 * end. */
static bool skip_string(const char *json, size_t len, size_t *at)
{
	for (size_t i = *at + 1; i < len; i++) {
		if (json[i] == '\\') {
			i++;
		} else if (json[i] == '"') {
			*at = i + 1;
			return true;
		}
	}
	return false;
}

/* Behind the value that begins at *at. */
static bool skip_value(const char *json, size_t len, size_t *at)
{
	size_t depth = 0;

	while (*at < len) {
		char c = json[*at];

		if (c == '"') {
			if (!skip_string(json, len, at))
				return false;
		} else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
			return true;
		} else {
			depth += c == '{' || c == '[';
			depth -= c == '}' || c == ']';
			++*at;
		}
	}
	return false;
}

/* To the value of a member of the object that begins at *at. */
static bool enter(const char *json, size_t len, size_t *at, const char *name,
	size_t name_len)
{
	if (*at >= len || json[*at] != '{')
		return false;
	for (++*at; *at < len && json[*at] == '"';) {
		size_t start = *at + 1;

		if (!skip_string(json, len, at) || *at >= len ||
			json[*at] != ':')
			return false;
		++*at;
		if (*at - 2 - start == name_len &&
			memcmp(json + start, name, name_len) == 0)
			return true;
		if (!skip_value(json, len, at) || json[*at] != ',')
			return false;
		++*at;
	}
	return false;
}

bool retention_find(const char *json, size_t len, const char *path,
	const char **value, size_t *value_len)
{
	size_t at = 0, start;

	for (;;) {
		size_t name_len = strcspn(path, ".");

		if (!enter(json, len, &at, path, name_len))
			return false;
		path += name_len;
		if (!*path)
			break;
		path++;
	}
	start = at + 1;
	if (at >= len || json[at] != '"' || !skip_string(json, len, &at))
		return false;
	*value = json + start;
	*value_len = at - 1 - start;
	return true;
}
