/* pinyin.h - finding a division by the first letters of its name's pinyin. */
#pragma once

#include "base/base.h"

/* Is `letters` ("xxj") what the name begins with, read letter by letter?  Pure.
 * A hanzi fits each letter that one of its readings begins with; one that is
 * not among the 3,755 of GB 2312's first level fits every letter, so that
 * nobody is unfindable.  Latin letters and digits fit themselves in either
 * case; what else stands in the name is passed over.  An empty `letters` fits
 * nothing. */
bool pinyin_begins(const char *name, const char *letters);
