/* scratch.h - a folder for files that must not stay: unpacked records of
 * people.  Internal to cli/. */
#pragma once

#include "base/base.h"

/* Makes a folder for this user only, named by `pattern` ("/tmp/x-XXXXXX", which
 * is filled in), and goes on in a child process.  The caller's process waits
 * for it, removes the folder and ends as the child did: by an exit code, or by
 * the signal that either of them got (TERM, INT, HUP).  So this returns in the
 * child only.  Call it before there are threads, open files to lock, or
 * output. */
enum err_code scratch_enter(char *pattern, struct err *err);
