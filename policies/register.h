/* register.h - the register (清册) of what is destroyed: read, held against its
 * order, found in a log, and written for people.
 *
 * Its text is canonical JSON (docs/cli.md section 6 has the members).  It holds
 * nothing personal: titles of series, names of divisions, counts and places.
 * The one of an order is a record of the log where the order was entered, in
 * the same group, and is never destroyed.
 */
#pragma once

#include "policies/node.h"
#include "policies/order.h"

#define REGISTER_SERIES "sys-disposal"
#define REGISTER_SIZE_LIMIT PART_SIZE_LIMIT
#define DAY_TEXT_SIZE 11 /* 2026-04-22 */

/* Pure and strict: exactly the canonical text, all members known, ranges
 * ascending.  ERR_INVALID, ERR_LIMIT.  The caller frees *out. */
enum err_code register_parse(
	const void *text, size_t len, struct json **out, struct err *err);
/* Adds the parts that it names to those of `o`, which has none. */
enum err_code register_parts(
	const struct json *reg, struct order *o, struct err *err);
/* It is that of the order: the digest, the parts, and all that is said twice;
 * its titles and names are those of `rules`, the order's head.  ERR_INVALID. */
enum err_code register_check(const struct json *reg, const void *text,
	size_t len, const struct rules *rules, const struct order *o,
	struct err *err);
/* The id of the record of an order's register. */
void register_id(const char *order, uint8_t uuid[UUID_SIZE]);

struct register_found {
	struct buf text;
	char origin[ORIGIN_SIZE];
	uint64_t seq;
	char at[TIME_TEXT_SIZE]; /* of its entry */
	bool automatic;		 /* of what went by itself, no order's */
};
/* The register of an order that is here, or the one whose record has this id.
 * ERR_NOT_FOUND.  The caller frees out->text. */
enum err_code register_find(struct node *n, const char *id,
	struct register_found *out, struct err *err);

/* Appends it as CSV in UTF-8 with a byte order mark, lines that end with CR LF,
 * and no cell that a spreadsheet takes for a formula; as a page to print and
 * sign.  `destroyed` is the day for 销毁时间, "" while it is not done. */
enum err_code register_csv(const struct json *reg, const char *destroyed,
	struct buf *out, struct err *err);
enum err_code register_html(const struct json *reg, const char *destroyed,
	struct buf *out, struct err *err);
