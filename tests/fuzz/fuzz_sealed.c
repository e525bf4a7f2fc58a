/* fuzz_sealed.c - what somebody sealed to us: a first line that is the entry,
 * then the plaintext; and the same bytes as the part of that entry. */
#include <stdlib.h>
#include <string.h>

#include "policies/merge.h"
#include "policies/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was opened is a record like any other. */
static void check(const struct opened *o)
{
	struct json *doc = NULL;
	struct entry again;

	if (entry_parse(o->record.entry, o->record.entry_len, &again, NULL) ||
		strcmp(again.series, o->entry.series) ||
		strcmp(again.id, o->entry.id))
		abort();
	if (opened_document(o, &doc, NULL) == ERR_OK)
		json_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : 0, left;
	struct opened o = {.text = BUF_EMPTY};
	struct buf message = BUF_EMPTY, part = BUF_EMPTY;
	struct entry e;

	if (!end || entry_parse((const char *)data, len, &e, NULL))
		return 0;
	left = size - len - 1;
	if (sealed_parse(&e, end + 1, left, &o, NULL) == ERR_OK) {
		check(&o);
		opened_free(&o);
	}
	if (sealed_message(&e, (const char *)end + 1, left, &message)) {
		sealed_part(message.data, message.len, &part);
		if (part.len != left || memcmp(part.data, end + 1, left))
			abort();
	}
	buf_free(&message);
	buf_free(&part);
	return 0;
}
