/* json_inside.h - how JSON values lie in memory.  Internal to base/json*.c.
 *
 * A parsed tree lies in one document: nodes, arrays of members and the text,
 * whose strings were decoded in place.  Made values are allocated one by one.
 * Both mix: what hangs in a tree is freed with it, each in its own way.
 */
#pragma once

#include "base/json.h"

/* Objects of more members find them by binary search. */
#define JSON_FEW 16

struct json_member {
	const char *name; /* NULL in arrays */
	struct json *value;
	uint32_t len; /* of the name */
	bool own;     /* the name is freed with the member */
};

struct json {
	enum json_kind kind;
	bool truth;
	bool own;      /* allocated by itself */
	bool own_at;   /* `at` was allocated by itself */
	bool document; /* the root of a struct json_document */
	uint32_t cap;  /* of `at`, where own_at */
	size_t count;  /* members, elements or bytes of text */
	union {
		double number;
		const char *text; /* with a NUL behind it */
		struct {
			struct json_member *at;
			/* Of an object of more than JSON_FEW: members in
			 * canonical order; lies behind at[]. */
			uint32_t *order;
		};
	};
};

/* Bytes for `count` members and their order. */
size_t json_room(size_t count);
/* Canonical order: that of UTF-16 code units. */
int json_compare_names(
	const char *a, size_t a_len, const char *b, size_t b_len);
/* Sets order[] of an object of more than JSON_FEW members. */
void json_sort(struct json *object);

/* What a document's nodes and arrays are taken from. */
struct json_chunk {
	struct json_chunk *next;
	size_t used, cap; /* of the bytes behind this */
};

struct json_document {
	struct json root;
	struct json_chunk *chunks;
};
void json_document_free(struct json_document *d);

/* The length of the run at s that stands for itself in a string. */
size_t json_plain_run(const char *s, size_t len);

/* The number that begins at s, in a text that a NUL ends.  *end is behind it,
 * or where it leaves the grammar (JSON_NUMBER_BROKEN). */
enum json_number {
	JSON_NUMBER_WELL,
	JSON_NUMBER_BROKEN,
	JSON_NUMBER_BEYOND, /* 2^53-1 */
	JSON_NUMBER_LARGE,  /* for any double */
	JSON_NUMBER_NOMEM,
};
enum json_number json_take_number(const char *s, const char **end, double *out);

#define JSON_INTEGER_MAX INT64_C(9007199254740991) /* 2^53-1 */
bool json_is_whole(double v);
