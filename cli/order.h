/* order.h - what the commands about orders share.  Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* Writes the text of an order to `path`, or to KIND-ID.order in the working
 * directory, never over a file, and tells what comes next. */
enum err_code order_save(
	struct cli *c, const char *path, struct order *o, struct err *err);
/* Enters the order in a file with its signatures: those of `sig`, or, where
 * there are none, the files beside it named FILE*.sig.  ERR_INVALID when it is
 * of another kind than `kind` (ORDER_KINDS: any). */
enum err_code order_enter(struct cli *c, const char *path, char **sig,
	size_t count, unsigned kind, struct err *err);
/* {"orders":[...]}: of the daemon, which knows why some wait, or of the node
 * itself.  The caller frees *out. */
enum err_code order_rows(struct cli *c, struct json **out, struct err *err);
/* Prints the orders in force of the kinds; with --all all of them, and those
 * of the kinds `ending`. */
enum err_code order_list(struct cli *c, const struct args *a, unsigned kinds,
	unsigned ending, struct err *err);
extern const struct option_spec order_list_options[];

/* ---- cli/order_make.c ---- */

/* Writes an order of the kind, a hold or restriction, about the records that
 * --record, --series, --node, --from and --to select, or --person; ERR_USAGE
 * where they select nothing. */
enum err_code order_add(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err);
/* The same about the records that name a person, who is asked for. */
enum err_code order_person(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err);
/* Writes an order that ends the one which a->word[0] names. */
enum err_code order_end(struct cli *c, const struct args *a,
	enum order_kind kind, struct err *err);
extern const struct option_spec order_end_options[];

/* ---- cli/erase.c ---- */

/* Writes the order to destroy the records by --label, --reason and --out. */
enum err_code order_erase_records(struct cli *c, const struct args *a,
	char **record, size_t count, struct err *err);

/* ---- cli/subject.c ---- */

/* Asks who the person is, by the terminal or standard input, and looks which
 * records name them, with --reason and --request; the answer of subject_look().
 */
enum err_code subject_ask_for(struct cli *c, const struct args *a, bool copy,
	struct json **out, struct err *err);
/* The places of what was found, "ORIGIN/SEQ"; the caller frees each. */
enum err_code subject_places(
	const struct json *answer, char ***out, size_t *count, struct err *err);
void subject_places_free(char **place, size_t count);
