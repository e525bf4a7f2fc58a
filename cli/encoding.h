/* encoding.h - which text a file of documents is, from its first bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum encoding {
	ENCODING_UTF8, /* or nothing that speaks against it */
	ENCODING_UTF16,
	ENCODING_GB /* GBK or GB 18030: every line beyond ASCII is */
};
/* `end`: nothing comes behind; else a last line without its end is not looked
 * at.  Pure. */
enum encoding encoding_of(const void *data, size_t len, bool end);
