/* json.h - JSON as RFC 8785 knows it: strict in, canonical out.
 *
 * Parsing refuses: invalid UTF-8, duplicate names, trailing bytes, NUL in
 * strings, lone surrogates, nesting beyond JSON_DEPTH_LIMIT, texts beyond the
 * caller's limit, integer tokens beyond 2^53-1 (and reals from there to 1e21,
 * whose canonical spelling is such a token), and numbers no double holds.
 * Writing is RFC 8785: names sorted by UTF-16, ECMAScript numbers, -0 is 0.
 * A value is a tree without sharing: set and append take their child.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct json; /* a value of any type */

enum json_kind {
	JSON_KIND_NULL,
	JSON_KIND_BOOL,
	JSON_KIND_NUMBER,
	JSON_KIND_STRING,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT,
};

#define JSON_DEPTH_LIMIT 16
#define JSON_TEXT_LIMIT ((size_t)1 << 20) /* of a document */

/* ERR_INVALID with line and column; ERR_LIMIT past `limit` bytes.  The root
 * may be any type.  The caller frees *out by json_free(). */
enum err_code json_parse(const void *text, size_t len, size_t limit,
	struct json **out, struct err *err);
/* As json_parse, and the text must be its own canonical form to the byte. */
enum err_code json_parse_canonical(const void *text, size_t len, size_t limit,
	struct json **out, struct err *err);
/* Appends the canonical text. */
enum err_code json_write(
	const struct json *v, struct buf *out, struct err *err);
/* Appends one quoted string as canonical JSON. */
void json_write_string(struct buf *out, const char *s, size_t len);
void json_free(struct json *v);
struct json *json_copy(const struct json *v); /* NULL when out of memory */

enum json_kind json_kind(const struct json *v);
bool json_equal(const struct json *a, const struct json *b);

/* Getters answer NULL, 0 or false where the value is of another type. */
const char *json_string(
	const struct json *v, size_t *len); /* len may be NULL */
double json_number(const struct json *v);
/* A number that is a whole one in [0, 2^53-1]. */
bool json_u64(const struct json *v, uint64_t *out);
bool json_bool(const struct json *v);

size_t json_count(const struct json *v); /* elements or members */
const struct json *json_at(const struct json *array, size_t i);
const struct json *json_get(const struct json *object, const char *name);
/* Walks the members of an object: start with *at == NULL, go on while true.
 * The object must not change meanwhile. */
bool json_next(const struct json *object, void **at, const char **name,
	const struct json **value);
/* Member i in the order of insertion (no order is promised beyond stability).
 * Counts from the first: walk large objects by json_next(). */
const struct json *json_member(
	const struct json *object, size_t i, const char **name);
/* Shorthand: the string member `name`, or NULL. */
const char *json_get_string(const struct json *object, const char *name);
bool json_get_u64(const struct json *object, const char *name, uint64_t *out);

/* Makers answer NULL when out of memory (or on invalid UTF-8). */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *s, size_t len);
struct json *json_new_text(const char *s); /* up to its NUL */
struct json *json_new_number(double v);
struct json *json_new_u64(uint64_t v); /* at most 2^53-1 */
struct json *json_new_bool(bool v);
struct json *json_new_null(void);
/* Take `child` in every case and free it on failure; a NULL child fails, so
 * makers nest and one check at the end is enough.  false = failed. */
bool json_set(struct json *object, const char *name, struct json *child);
bool json_append(struct json *array, struct json *child);
void json_remove(struct json *object, const char *name);
