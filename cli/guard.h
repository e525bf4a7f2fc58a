/* guard.h - a fault of the machine while the store is read, in plain words.
 * Internal to cli/. */
#pragma once

#include "cli/cli.h"

/* From now on SIGSEGV, SIGBUS and SIGABRT end the process with exit code 7 and
 * the words for a damaged index on stderr.  Not for a process that writes. */
void guard_reads(const struct cli *c);
