/* statement.h - the signed words about one governance head.
 * Internal to policies/; statement_parse() stands in governance.h. */
#pragma once

#include "policies/governance.h"

#define STATEMENT_LIMIT ((size_t)4096)

/* Appends the canonical text and sets s->digest. */
enum err_code statement_write(
	struct statement *s, struct buf *out, struct err *err);
/* The name of a signature's file: 32 hex digits of SHA-256 of the key blob,
 * and ".sig". */
#define SIGNATURE_NAME_SIZE 37
void signature_name(
	const struct ssh_public *key, char out[SIGNATURE_NAME_SIZE]);
bool signature_name_valid(const char *name);
