/* disposal.h - what the commands about disposal share.  Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* What `disposal status` tells of one order to destroy: {"order","reason",
 * "state","nodes":[...]}.  ERR_NOT_FOUND.  The caller frees *out. */
enum err_code disposal_state(
	struct node *n, const char *order, struct json **out, struct err *err);

/* Writes the register into the folder, as the text that is signed, as a page
 * and as CSV, also in GB18030.  `destroyed` as of register_csv(). */
enum err_code disposal_save(const char *dir, const struct json *reg,
	const struct buf *text, const char *destroyed, struct err *err);
