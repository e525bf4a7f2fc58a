/* locale.h - the user's language, the same for the command and the daemon. */
#pragma once

#include <stdbool.h>

/* Of the message catalogue. */
#define TEXT_DOMAIN "cundang"

/* Sets locale and catalogue; call it first, before there are threads.  Chinese
 * comes out also where no Chinese locale is installed, numbers always as in
 * the C locale.  The catalogue lies beside the program, or in
 * CUNDANG_LOCALEDIR. */
void locale_start(void);
/* Whether the environment asks for Chinese: the first of LC_ALL, LC_MESSAGES,
 * LANG that is set decides. */
bool locale_wants_chinese(void);
