/* settle.h - what settling a closed epoch shares with beginning a new one.
 * Internal to policies/. */
#pragma once

#include "policies/epoch.h"

#define EPOCH_SERIES "sys-epoch"

/* The fields of a sys-epoch record; NULL when out of memory. */
struct json *epoch_fields(enum epoch_reason reason, const char *origin,
	uint64_t size, const struct digest *root);
/* Of a log of which nothing is left. */
struct json *epoch_cut_fields(const struct log_cut *cut);
/* Reads them; false = no sys-epoch, or its part is not here.  `had` may be
 * NULL. */
bool epoch_fields_parse(const struct record *r, enum epoch_reason *reason,
	char origin[ORIGIN_SIZE], uint64_t *size, uint64_t *had);

/* The text of the newest sys-policy below `end`; nothing, and *serial 0, where
 * there is none. */
enum err_code policy_text(struct store *s, const struct log_info *log,
	uint64_t end, uint64_t *serial, struct buf *out, struct err *err);
/* Records it once more in the own log. */
enum err_code policy_again(struct batch *b, struct node *n,
	const struct buf *text, struct err *err);

/* Reads DATA/epochs; one that cannot be read counts as none. */
enum err_code settled_load(struct node *n, struct err *err);
