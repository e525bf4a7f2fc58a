/* time.c - POSIX seconds to and from RFC 3339, without the host's zone. */
#include "base/time.h"

#include <string.h>
#include <time.h>

#define DAY_S 86400
#define LEGAL_OFFSET_S (8 * 3600)
#define YEAR_MIN 1900
#define YEAR_MAX 9999
/* 1900-01-01T00:00:00+08:00 and 9999-12-31T23:59:59+08:00. */
#define INSTANT_MIN (INT64_C(-2208988800) - LEGAL_OFFSET_S)
#define INSTANT_MAX (INT64_C(253402300799) - LEGAL_OFFSET_S)

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted in years
 * that begin in March so that the leap day comes last.  m is 1..12. */
static int64_t days_from_date(int y, int m, int d)
{
	int64_t year = m <= 2 ? y - 1 : y;
	int64_t era = year / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
		of_year - 719468;
}

/* The inverse, for days of the years that this module allows. */
static void date_from_days(int64_t days, int *y, int *m, int *d)
{
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
		365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	*d = (int)(of_year - (153 * month + 2) / 5 + 1);
	*m = (int)(month < 10 ? month + 3 : month - 9);
	*y = (int)(year + era * 400 + (*m <= 2));
}

static int days_in_month(int y, int m)
{
	static const int days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

	return m == 2 && leap ? 29 : days[m - 1];
}

/* `n` digits at s; -1 when one of them is none. */
static int digits(const char *s, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static bool date_parse(const char *s, int *y, int *m, int *d)
{
	*y = digits(s, 4);
	*m = digits(s + 5, 2);
	*d = digits(s + 8, 2);
	return s[4] == '-' && s[7] == '-' && *y >= YEAR_MIN && *y <= YEAR_MAX &&
		*m >= 1 && *m <= 12 && *d >= 1 && *d <= days_in_month(*y, *m);
}

bool date_valid(const char *s, size_t len)
{
	int y, m, d;

	return len == 10 && date_parse(s, &y, &m, &d);
}

/* HH:MM:SS at s as seconds of the day, -1 when it is none.  A leap second has
 * no number among POSIX seconds and is refused. */
static int clock_parse(const char *s)
{
	int h = digits(s, 2);
	int m = digits(s + 3, 2);
	int sec = digits(s + 6, 2);

	if (s[2] != ':' || s[5] != ':' || h < 0 || h > 23 || m < 0 || m > 59 ||
		sec < 0 || sec > 59)
		return -1;
	return h * 3600 + m * 60 + sec;
}

/* Z or +hh:mm over the whole of s, as seconds east. */
static bool offset_parse(const char *s, size_t len, int *out)
{
	int h, m;

	if (len == 1 && (s[0] == 'Z' || s[0] == 'z')) {
		*out = 0;
		return true;
	}
	if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':')
		return false;
	h = digits(s + 1, 2);
	m = digits(s + 4, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return false;
	*out = (h * 3600 + m * 60) * (s[0] == '-' ? -1 : 1);
	return true;
}

bool time_parse(const char *s, size_t len, int64_t *out)
{
	size_t at = 19;
	int y, m, d, clock, offset;
	int64_t t;

	if (len < 20 || !date_parse(s, &y, &m, &d) ||
		(s[10] != 'T' && s[10] != 't'))
		return false;
	clock = clock_parse(s + 11);
	if (clock < 0)
		return false;
	if (s[at] == '.') {
		size_t start = ++at;

		while (at < len && s[at] >= '0' && s[at] <= '9')
			at++;
		if (at == start)
			return false;
	}
	if (!offset_parse(s + at, len - at, &offset))
		return false;
	t = days_from_date(y, m, d) * DAY_S + clock - offset;
	/* A foreign offset must not lead past what time_format() can show. */
	if (t < INSTANT_MIN || t > INSTANT_MAX)
		return false;
	*out = t;
	return true;
}

static void put_digits(char *to, int v, size_t n)
{
	while (n-- > 0) {
		to[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void time_format(int64_t t, char out[TIME_TEXT_SIZE])
{
	int y, m, d, clock;
	int64_t local;

	if (t < INSTANT_MIN)
		t = INSTANT_MIN;
	if (t > INSTANT_MAX)
		t = INSTANT_MAX;
	/* Counted from 1900 so that the division never sees a negative. */
	local = t - INSTANT_MIN;
	clock = (int)(local % DAY_S);
	date_from_days(
		local / DAY_S + days_from_date(YEAR_MIN, 1, 1), &y, &m, &d);
	memcpy(out, "0000-00-00T00:00:00+08:00", TIME_TEXT_SIZE);
	put_digits(out, y, 4);
	put_digits(out + 5, m, 2);
	put_digits(out + 8, d, 2);
	put_digits(out + 11, clock / 3600, 2);
	put_digits(out + 14, clock / 60 % 60, 2);
	put_digits(out + 17, clock % 60, 2);
}

int time_year(int64_t t)
{
	char text[TIME_TEXT_SIZE];

	time_format(t, text);
	return digits(text, 4);
}

int64_t year_start(int year)
{
	return days_from_date(year, 1, 1) * DAY_S - LEGAL_OFFSET_S;
}

static uint64_t clock_ms(clockid_t which)
{
	struct timespec now;

	if (clock_gettime(which, &now) != 0 || now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t time_now(void)
{
	return (int64_t)(clock_ms(CLOCK_REALTIME) / 1000);
}

uint64_t time_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t time_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}
