/* divisions.h - a CSV of divisions: code,name,parent.  Internal to
 * policies/. */
#pragma once

#include "policies/rules.h"

#define DIVISIONS_TEXT_LIMIT ((size_t)8 << 20)
#define DIVISIONS_LIMIT ((size_t)65536)

struct division {
	char code[CODE_SIZE];
	char name[NODE_TITLE_SIZE];
	char parent[CODE_SIZE]; /* "" for the root */
};

/* Pure.  The header line "code,name,parent", then a row a line; a byte order
 * mark, CRLF and quoted fields are taken.  All rows lie within `root`, whose
 * own parent is not looked at.
 * ERR_INVALID with the line.  Sorted by code; free(*out) is the caller's. */
enum err_code divisions_parse(const void *text, size_t len, const char *root,
	struct division **out, size_t *count, struct err *err);
/* The row of `code` in a sorted list; NULL when there is none. */
const struct division *divisions_find(
	const struct division *list, size_t count, const char *code);
