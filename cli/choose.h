/* choose.h - a division found by what a person says of it.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* The division that `words` means: its code, its name or a part of it, or the
 * first letters of its name's pinyin.  Where several fit, they are listed and,
 * on a terminal, asked about.  `words` NULL: on a terminal, asks for them.
 * ERR_NOT_FOUND when none fits, ERR_USAGE when it stays open. */
enum err_code choose_division(struct cli *c, const struct rules *rules,
	const char *words, const struct node_info **out, struct err *err);
