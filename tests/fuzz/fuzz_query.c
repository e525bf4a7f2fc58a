/* fuzz_query.c - a feed query that is taken is written back and taken again as
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "syncd/syncd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct feed_query q, again;
	struct buf text = BUF_EMPTY;

	if (feed_query_parse((const char *)data, size, &q, NULL))
		return 0;
	check(q.limit >= 1 && q.limit <= FEED_LIMIT_MOST);
	check(q.wait_s <= FEED_WAIT_MOST);
	check(q.series_count <= QUERY_SERIES_LIMIT);
	for (size_t i = 1; i < q.series_count; i++)
		check(strcmp(q.series[i - 1], q.series[i]) < 0);
	feed_query_write(&q, &text);
	/* Leaving out the defaults can have made it the shorter one. */
	if (text.len <= QUERY_LIMIT) {
		check(feed_query_parse((const char *)text.data, text.len,
			      &again, NULL) == ERR_OK);
		check(!memcmp(&q, &again, sizeof(q)));
	}
	buf_free(&text);
	return 0;
}
