/* time.h - instants as POSIX seconds, shown at +08:00, the legal time.
 *
 * The host's time zone never matters here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_SIZE 26 /* 2026-04-22T17:48:35+08:00 */

/* RFC 3339 with an offset (Z or +hh:mm), fractions dropped, real dates of the
 * years 1900 to 9999 only.  false = it is not one. */
bool time_parse(const char *s, size_t len, int64_t *out);
void time_format(int64_t t, char out[TIME_TEXT_SIZE]);
/* The year of an instant, and the first instant of a year, at +08:00. */
int time_year(int64_t t);
int64_t year_start(int year);
/* YYYY-MM-DD, a real date. */
bool date_valid(const char *s, size_t len);
int64_t time_now(void);
uint64_t time_now_ms(void);
/* Monotonic milliseconds, for deadlines. */
uint64_t time_mono_ms(void);
