/* yamlfile.h - strict YAML into structs, mistakes told with file and line.
 * Internal to policies/ (libcyaml and its traps live here).  The names do not
 * begin with yaml_: libyaml has a yaml_free() that ours would stand in for. */
#pragma once

#include <cyaml/cyaml.h>

#include "base/base.h"

/* Loads one document by `schema`, whose top is a pointer to a mapping.
 * Unknown, duplicate and missing keys, aliases and further documents are
 * ERR_INVALID.  Numbers and times are loaded as strings: libcyaml would take
 * "30d" for 30.  The caller frees *out by yamlfile_free(). */
enum err_code yamlfile_load(const char *file, const void *text, size_t len,
	const cyaml_schema_value_t *schema, void *out, struct err *err);
void yamlfile_free(const cyaml_schema_value_t *schema, void *data);

#define YAMLFILE_KEY SIZE_MAX
/* For messages: the line of a key of the top mapping, or of element `index` of
 * the sequence there; 0 when there is none. */
size_t yamlfile_line(
	const void *text, size_t len, const char *key, size_t index);

/* `text` without "FILE: " in front of it. */
const char *yamlfile_behind(const char *text, const char *file);
/* Puts the line of element `index` of `key` behind the file of err's text,
 * where rc says that the rules are wrong.  Returns rc. */
enum err_code yamlfile_at(enum err_code rc, const char *file, const void *text,
	size_t len, const char *key, size_t index, struct err *err);

/* Appends a double-quoted scalar. */
void yamlfile_string(struct buf *out, const char *s);
