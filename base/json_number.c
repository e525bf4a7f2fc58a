/* json_number.c - number tokens: the grammar, the bounds, the nearest double.
 */
#include "base/json_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX_TEXT "9007199254740991"
#define DIGITS 16
#define EXACT_DIGITS 15 /* a double holds any integer of as many */
#define EXACT_POWER 22	/* and any power of ten up to this one */
#define EXPONENT_LIMIT 100000000

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number token, taken apart without rounding: its significant digits stand
 * left of the decimal point shifted by `magnitude`. */
struct token {
	size_t len;
	bool integer; /* neither fraction nor exponent */
	long magnitude;
	char digits[DIGITS];
	size_t digit_count;
	bool more; /* non-zero digits behind those */
};

static void token_digit(struct token *t, char c, bool fraction)
{
	bool leading = t->digit_count == 0 && c == '0';

	if (fraction ? leading : false)
		t->magnitude--;
	if (!fraction && !leading)
		t->magnitude++;
	if (leading)
		return;
	if (t->digit_count < DIGITS)
		t->digits[t->digit_count++] = c;
	else if (c != '0')
		t->more = true;
}

static struct token token_read(const char *s, size_t len)
{
	struct token t = {.integer = true};
	bool fraction = false;
	bool negative = false;
	long exponent = 0;
	size_t i = s[0] == '-';

	for (; i < len && (is_digit(s[i]) || s[i] == '.'); i++) {
		if (s[i] == '.')
			fraction = true;
		else
			token_digit(&t, s[i], fraction);
	}
	t.integer = !fraction;
	if (i < len && (s[i] == 'e' || s[i] == 'E')) {
		t.integer = false;
		i++;
		if (i < len && (s[i] == '+' || s[i] == '-'))
			negative = s[i++] == '-';
		for (; i < len && is_digit(s[i]); i++) {
			if (exponent < EXPONENT_LIMIT)
				exponent = exponent * 10 + (s[i] - '0');
		}
	}
	t.magnitude += negative ? -exponent : exponent;
	t.len = i;
	return t;
}

/* Beyond 2^53-1 an integer may have been rounded by somebody on the way.  A
 * real below 1e21 is spelled as an integer in canonical form, so it is held to
 * the same bound: what is accepted can be written and read again. */
static bool token_too_large(const struct token *t)
{
	int order;

	if (t->digit_count == 0 || t->magnitude < DIGITS)
		return false;
	if (t->magnitude > DIGITS)
		return t->integer || t->magnitude <= 21;
	order = memcmp(t->digits, INTEGER_MAX_TEXT, t->digit_count);
	return order > 0 || (order == 0 && t->digit_count == DIGITS && t->more);
}

/* An integer of up to 15 digits, by far the most; false for all others. */
static bool take_small(const char *s, const char **end, double *out)
{
	bool negative = *s == '-';
	int64_t v = 0;
	size_t n = 0;

	s += negative;
	for (; n <= EXACT_DIGITS && is_digit(s[n]); n++)
		v = v * 10 + (s[n] - '0');
	if (n == 0 || n > EXACT_DIGITS || (s[0] == '0' && n > 1) ||
		s[n] == '.' || s[n] == 'e' || s[n] == 'E')
		return false;
	*out = (double)(negative ? -v : v);
	*end = s + n;
	return true;
}

static const char *skip_digits(const char *s)
{
	while (is_digit(*s))
		s++;
	return s;
}

/* Where the token that begins here leaves the grammar, which is its end when
 * *whole. */
static const char *number_end(const char *s, bool *whole)
{
	*whole = false;
	s += *s == '-';
	if (!is_digit(*s))
		return s;
	s = *s == '0' ? s + 1 : skip_digits(s);
	if (is_digit(*s))
		return s;
	if (*s == '.') {
		if (!is_digit(*++s))
			return s;
		s = skip_digits(s);
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		if (!is_digit(*s))
			return s;
		s = skip_digits(s);
	}
	*whole = true;
	return s;
}

/* Correctly rounded where digits and power are exact doubles: one operation
 * rounds once. */
static bool scale_exactly(const struct token *t, double *out)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
		1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
		1e19, 1e20, 1e21, 1e22};
	long shift = t->magnitude - (long)t->digit_count;
	int64_t digits = 0;

	if (t->more || t->digit_count > EXACT_DIGITS || shift > EXACT_POWER ||
		shift < -EXACT_POWER)
		return false;
	for (size_t i = 0; i < t->digit_count; i++)
		digits = digits * 10 + (t->digits[i] - '0');
	*out = shift < 0 ? (double)digits / power[-shift]
			 : (double)digits * power[shift];
	return true;
}

/* By strtod(), without a point, which it would take from the locale. */
static bool scale(const char *s, size_t len, double *out)
{
	struct buf digits = BUF_EMPTY;
	bool fraction = false;
	long exponent = 0;
	size_t i = 0;
	const char *text;

	for (; i < len && (is_digit(s[i]) || s[i] == '.'); i++) {
		if (s[i] == '.') {
			fraction = true;
			continue;
		}
		buf_u8(&digits, (uint8_t)s[i]);
		exponent -= fraction;
	}
	if (i < len) { /* the sign, then as far as a double can care */
		bool negative = s[++i] == '-';
		long given = 0;

		i += negative || s[i] == '+';
		for (; i < len; i++)
			if (given < EXPONENT_LIMIT)
				given = given * 10 + (s[i] - '0');
		exponent += negative ? -given : given;
	}
	buf_printf(&digits, "e%ld", exponent);
	text = buf_cstr(&digits);
	if (text)
		*out = strtod(text, NULL);
	buf_free(&digits);
	return text != NULL;
}

enum json_number json_take_number(const char *s, const char **end, double *out)
{
	bool negative = *s == '-';
	bool whole;
	struct token t;

	if (take_small(s, end, out))
		return JSON_NUMBER_WELL;
	*end = number_end(s, &whole);
	if (!whole)
		return JSON_NUMBER_BROKEN;
	t = token_read(s, (size_t)(*end - s));
	if (token_too_large(&t))
		return JSON_NUMBER_BEYOND;
	s += negative;
	if (t.digit_count == 0)
		*out = 0;
	else if (!scale_exactly(&t, out) && !scale(s, (size_t)(*end - s), out))
		return JSON_NUMBER_NOMEM;
	if (isinf(*out))
		return JSON_NUMBER_LARGE;
	if (negative)
		*out = -*out;
	return JSON_NUMBER_WELL;
}
