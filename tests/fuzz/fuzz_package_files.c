/* fuzz_package_files.c - lines of records, descriptions and entry bundles of a
 * package; what parses is written back to the byte. */
#include <stdlib.h>
#include <string.h>

#include "policies/packagefile.h"
#include "policies/tiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_line(const char *text, size_t len)
{
	struct buf again = BUF_EMPTY;
	struct part part;
	uint64_t seq;

	if (!package_line_parse(text, len, &seq, &part))
		return;
	package_line_write(seq, &part, &again);
	check(!again.failed && again.len == len + 1);
	check(!memcmp(again.data, text, len));
	buf_free(&again);
}

static void check_bundle(const uint8_t *data, size_t size)
{
	struct tiles_entry entry[TILE_WIDTH];
	size_t sum = 0;

	if (!tiles_bundle_parse(data, size, 3, entry))
		return;
	for (int i = 0; i < 3; i++)
		sum += 2 + entry[i].len;
	check(sum == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package_description d;
	char series[SERIES_NAME_SIZE];
	enum label label;
	char *name;

	check_line((const char *)data, size);
	check_bundle(data, size);
	if (package_description_parse(data, size, &d, NULL) == ERR_OK) {
		check(d.from < d.to && d.to <= d.size);
		(void)package_erased(&d, "alert", LABEL_PUBLIC, 7);
		package_description_fini(&d);
	}
	if (!(name = strndup((const char *)data, size)))
		return 0;
	if (package_sheet_parse(name, series, &label))
		check(strlen(series) < SERIES_NAME_SIZE);
	free(name);
	return 0;
}
