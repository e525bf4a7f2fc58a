/* query.c - the query of /v1/feed, and cursors. */
#include "syncd/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_LEN (FEED_EPOCH_SIZE - 1)
#define FILTER_LEN 8

static bool is_hex(const char *s, size_t len)
{
	uint8_t bytes[8];

	return hex_decode(s, len, bytes, len / 2);
}

bool feed_cursor_parse(const char *s, size_t len, struct feed_cursor *out)
{
	struct feed_cursor c = {0};
	size_t around = EPOCH_LEN + 1 + 1 + FILTER_LEN;
	const char *filter;

	if (len <= around || len >= FEED_CURSOR_SIZE || s[EPOCH_LEN] != '-')
		return false;
	filter = s + len - FILTER_LEN;
	if (filter[-1] != '-' || !is_hex(s, EPOCH_LEN) ||
		!is_hex(filter, FILTER_LEN) ||
		!number_parse(s + EPOCH_LEN + 1, len - around, TREE_SIZE_LIMIT,
			&c.arrival))
		return false;
	memcpy(c.epoch, s, EPOCH_LEN);
	memcpy(c.filter, filter, FILTER_LEN);
	*out = c;
	return true;
}

void feed_cursor_write(const struct feed_cursor *c, char out[FEED_CURSOR_SIZE])
{
	snprintf(out, FEED_CURSOR_SIZE, "%.16s-%" PRIu64 "-%.8s", c->epoch,
		c->arrival, c->filter);
}

/* %XX is undone; "+" stays what it is.  false: a bad escape, a byte that no
 * value here has, or no room. */
static bool decode(const char *s, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s[i];
		char low[2];

		if (c == '%') {
			if (len - i < 3)
				return false;
			for (unsigned k = 0; k < 2; k++) {
				low[k] = s[i + 1 + k];
				if (low[k] >= 'A' && low[k] <= 'F')
					low[k] = (char)(low[k] + 32);
			}
			if (!hex_decode(low, 2, &c, 1))
				return false;
			i += 2;
		}
		if (c <= 0x20 || c >= 0x7f || n + 1 >= size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

static bool series_name(const char *s, size_t len)
{
	if (len == 0 || len >= SERIES_NAME_SIZE || s[0] < 'a' || s[0] > 'z')
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((s[i] < 'a' || s[i] > 'z') && (s[i] < '0' || s[i] > '9') &&
			s[i] != '-')
			return false;
	}
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort_series(struct feed_query *q)
{
	size_t n = 0;

	qsort(q->series, q->series_count, sizeof(q->series[0]), compare_names);
	for (size_t i = 0; i < q->series_count; i++) {
		if (n > 0 && !strcmp(q->series[n - 1], q->series[i]))
			continue;
		if (n != i)
			memcpy(q->series[n], q->series[i],
				sizeof(q->series[0]));
		n++;
	}
	memset(q->series[n == QUERY_SERIES_LIMIT ? 0 : n], 0,
		n == QUERY_SERIES_LIMIT
			? 0
			: (QUERY_SERIES_LIMIT - n) * sizeof(q->series[0]));
	q->series_count = n;
}

static enum err_code set_series(
	struct feed_query *q, const char *v, struct err *err)
{
	for (;;) {
		size_t len = strcspn(v, ",");

		if (!series_name(v, len))
			return err_set(err, ERR_USAGE,
				"series: names like \"alert\", parted by "
				"commas");
		if (q->series_count == QUERY_SERIES_LIMIT)
			return err_set(err, ERR_USAGE,
				"series: more than %d names",
				QUERY_SERIES_LIMIT);
		memcpy(q->series[q->series_count++], v, len);
		v += len;
		if (!*v++)
			break;
	}
	sort_series(q);
	return ERR_OK;
}

static enum err_code set_parameter(
	struct feed_query *q, const char *name, const char *v, struct err *err)
{
	if (!strcmp(name, "after")) {
		q->has_after = *v != '\0';
		if (q->has_after && !feed_cursor_parse(v, strlen(v), &q->after))
			return err_set(err, ERR_USAGE, "after: not a cursor");
	} else if (!strcmp(name, "series")) {
		return set_series(q, v, err);
	} else if (!strcmp(name, "limit")) {
		if (!number_parse(v, strlen(v), FEED_LIMIT_MOST, &q->limit) ||
			q->limit == 0)
			return err_set(err, ERR_USAGE, "limit: 1 to %d",
				FEED_LIMIT_MOST);
	} else {
		if (!number_parse(v, strlen(v), FEED_WAIT_MOST, &q->wait_s))
			return err_set(err, ERR_USAGE, "wait: 0 to %d seconds",
				FEED_WAIT_MOST);
	}
	return ERR_OK;
}

/* Remembers each name's bit, so none comes twice. */
static enum err_code check_name(
	const char *name, unsigned *seen, struct err *err)
{
	static const char *const names[] = {"after", "series", "limit", "wait"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]))
			continue;
		if (*seen & (1u << i))
			return err_set(err, ERR_USAGE, "%s: given twice", name);
		*seen |= 1u << i;
		return ERR_OK;
	}
	return err_set(err, ERR_USAGE,
		"unknown parameter; there are after, "
		"series, limit and wait");
}

enum err_code feed_query_parse(
	const char *s, size_t len, struct feed_query *out, struct err *err)
{
	char name[16], value[QUERY_LIMIT + 1];
	unsigned seen = 0;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	out->limit = FEED_LIMIT_DEFAULT;
	if (len > QUERY_LIMIT)
		return err_set(err, ERR_LIMIT, "query of %zu bytes, limit %zu",
			len, QUERY_LIMIT);
	while (len > 0) {
		const char *amp = memchr(s, '&', len);
		size_t part = amp ? (size_t)(amp - s) : len;
		const char *is = memchr(s, '=', part);

		if (!is || !decode(s, (size_t)(is - s), name, sizeof(name)) ||
			!decode(is + 1, part - (size_t)(is + 1 - s), value,
				sizeof(value)))
			return err_set(
				err, ERR_USAGE, "query: not NAME=VALUE&...");
		if ((rc = check_name(name, &seen, err)) ||
			(rc = set_parameter(out, name, value, err)))
			return rc;
		s += part;
		len -= part;
		if (amp) {
			s++;
			if (--len == 0)
				return err_set(
					err, ERR_USAGE, "query: ends in \"&\"");
		}
	}
	return ERR_OK;
}

void feed_query_write(const struct feed_query *q, struct buf *out)
{
	char cursor[FEED_CURSOR_SIZE];

	buf_printf(out, "limit=%" PRIu64 "&wait=%" PRIu64, q->limit, q->wait_s);
	if (q->has_after) {
		feed_cursor_write(&q->after, cursor);
		buf_printf(out, "&after=%s", cursor);
	}
	for (size_t i = 0; i < q->series_count; i++)
		buf_printf(out, "%s%s", i ? "," : "&series=", q->series[i]);
}
