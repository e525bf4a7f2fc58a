/* schema.h - a series explained: to machines as JSON Schema, to people as a
 * page of Markdown. */
#pragma once

#include "policies/rules.h"

/* Appends the JSON Schema (2020-12) of the series' documents in their normal
 * form, as canonical JSON.  Derived members are readOnly: they come back, and
 * are not taken.  ERR_NOT_FOUND for a system series, whose form is free. */
enum err_code schema_write(
	const struct series *s, struct buf *out, struct err *err);

enum page_language { PAGE_ENGLISH, PAGE_CHINESE };
#define PAGE_LANGUAGES 2
#define PAGE_NAME_SIZE (SERIES_NAME_SIZE + 16)
/* "household.md", "household.zh-CN.md"; "README.md" without a series. */
void page_name(const struct series *s, enum page_language language,
	char out[PAGE_NAME_SIZE]);
/* A series of a tree; system series have no page. */
enum err_code page_write(const struct series *s, enum page_language language,
	struct buf *out, struct err *err);
/* A list of all of them. */
enum err_code page_write_index(const struct rules *r,
	enum page_language language, struct buf *out, struct err *err);
