/* split.h - the fields of a document to the texts of its parts, checked on the
 * way.  Internal to policies/. */
#pragma once

#include "policies/shape.h"

/* Elements of one array. */
#define ARRAY_LIMIT 4096

/* Checks `fields` against the series, derives what it asks for, and appends to
 * out[l] the canonical text of the part of each label the series knows.
 * `attachments` is the canonical text of the reserved field, or NULL; `at` is
 * when the record was made, at +08:00: who is under 18 then is more sensitive.
 * ERR_INVALID names the path and the reason, never the value. */
enum err_code split_fields(const struct series *s, const struct json *fields,
	const struct buf *attachments, const char *at,
	struct buf out[LABEL_COUNT], struct err *err);

/* A name from outside for a message: cut, and "?" for what is not plain. */
#define SHOWN_SIZE 64
const char *shown_name(const char *name, char out[SHOWN_SIZE]);
