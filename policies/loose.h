/* loose.h - is a loose object of a git repository a whole stream?  Internal to
 * policies/. */
#pragma once

#include "base/base.h"

/* libgit2 1.5 reads a loose object that was cut short for ever, so this looks
 * first.  ERR_CORRUPT when the file objects/ID[0..2]/ID[2..] is there and
 * is not one zlib stream that ends with it; an object that is not loose is
 * none of its business. */
enum err_code loose_check(const char *objects, const char *id, struct err *err);
