/* csv.h - cells of a spreadsheet's text.  Internal to policies/. */
#pragma once

#include "base/base.h"

/* Appends a cell in quotes.  What a spreadsheet would take for a formula,
 * behind blanks too, gets an apostrophe in front; a quote is doubled. */
void csv_cell(const char *text, size_t len, struct buf *out);
