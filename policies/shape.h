/* shape.h - a series' fields as a tree, made once so that documents are walked
 * without looking up paths.  Internal to policies/. */
#pragma once

#include "policies/series.h"

enum shape_kind {
	SHAPE_VALUE,  /* "a" */
	SHAPE_LIST,   /* "a[]": an array of scalars */
	SHAPE_OBJECT, /* what "a.b" goes through */
	SHAPE_ROWS,   /* what "a[].b" goes through: an array of objects */
	SHAPE_FILES,  /* the attachments of a document */
};

#define SHAPE_DEPTH_LIMIT 8
#define SHAPE_ATTACHMENTS "attachments"

/* One place in a document. */
struct shape {
	char name[FIELD_PATH_SIZE];
	char key[FIELD_PATH_SIZE +
		4]; /* "\"name\":" as canonical JSON has it */
	size_t key_len;
	enum shape_kind kind;
	bool required;
	bool tells_age; /* OBJECT and ROWS: a member of it has field->minors */
	/* VALUE, LIST and FILES: of all that is in it.  ROWS: of an empty
	 * array, the most public below, where the length of a full one shows
	 * too. */
	enum label label;
	const struct field
		*field; /* VALUE and LIST; of the source if derived */
	bool derived;
	char source[FIELD_PATH_SIZE]; /* the sibling it is derived from */
	struct shape *members;	      /* OBJECT and ROWS, in canonical order */
	size_t member_count, member_cap;
};

/* A field that cannot be, and why: a constant text. */
struct shape_fault {
	const struct field *field;
	const char *reason;
};

/* The root, of kind SHAPE_OBJECT and with the attachments as a member where
 * the series may have some.  Borrows s->fields.  ERR_INVALID with *fault. */
enum err_code shape_make(
	struct series *s, struct shape_fault *fault, struct err *err);
void shape_free(struct shape *shape);
/* Among the members; NULL when there is none, or `shape` is NULL. */
const struct shape *shape_member(const struct shape *shape, const char *name);
