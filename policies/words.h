/* words.h - the words for labels, ranks, types and periods, in both languages.
 * Internal to policies/.
 *
 * They stand here and not in the message catalogue: pages and differences are
 * written in both languages at once. */
#pragma once

#include "policies/schema.h"

const char *word_label(enum label l, enum page_language in);
const char *word_rank(enum rank r, enum page_language in);
const char *word_type(enum field_type t, enum page_language in);
/* Appends "10 years", "10年", "for ever" of a period that was checked. */
void word_period(const char *period, enum page_language in, struct buf *out);
