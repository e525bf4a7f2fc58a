/* csv.c - cells of a spreadsheet's text. */
#include "policies/csv.h"

#include <string.h>

void csv_cell(const char *text, size_t len, struct buf *out)
{
	size_t i = 0;

	buf_u8(out, '"');
	while (i < len && (unsigned char)text[i] <= ' ')
		i++;
	if (i < len && strchr("=+-@", text[i]))
		buf_u8(out, '\'');
	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			buf_u8(out, '"');
		buf_u8(out, (uint8_t)text[i]);
	}
	buf_u8(out, '"');
}
