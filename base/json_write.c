/* json_write.c - RFC 8785 writing: UTF-16 order, ECMAScript numbers. */
#include "base/json_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_DEPTH_LIMIT 64 /* of trees we made: guards the stack */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of the run at s that stands for itself in a string; by eights,
 * as most of a document is such runs. */
size_t json_plain_run(const char *s, size_t len)
{
	const uint64_t ones = UINT64_MAX / 255;
	size_t i = 0;

	for (; len - i >= 8; i += 8) {
		uint64_t x, quote, slash;

		memcpy(&x, s + i, 8);
		quote = x ^ (ones * '"');
		slash = x ^ (ones * '\\');
		if ((((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) |
			    ((slash - ones) & ~slash)) &
			(ones << 7))
			break;
	}
	while (i < len && (unsigned char)s[i] >= 0x20 && s[i] != '"' &&
		s[i] != '\\')
		i++;
	return i;
}

static void put(struct buf *out, char c)
{
	uint8_t *to = buf_reserve(out, 1);

	if (!to)
		return;
	*to = (uint8_t)c;
	out->len++;
}

static void put_escape(struct buf *out, char c)
{
	static const char short_form[0x20] = {['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r'};
	unsigned char u = (unsigned char)c;

	put(out, '\\');
	if (u >= 0x20) {
		put(out, c);
	} else if (short_form[u]) {
		put(out, short_form[u]);
	} else {
		buf_str(out, "u00");
		put(out, u >= 0x10 ? '1' : '0');
		put(out, "0123456789abcdef"[u & 15]);
	}
}

void json_write_string(struct buf *out, const char *s, size_t len)
{
	put(out, '"');
	while (len > 0) {
		size_t run = json_plain_run(s, len);

		buf_add(out, s, run);
		s += run;
		len -= run;
		if (len == 0)
			break;
		put_escape(out, *s);
		s++;
		len--;
	}
	put(out, '"');
}

static void write_integer(struct buf *out, int64_t v)
{
	char text[24];
	size_t at = sizeof(text);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		text[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		text[--at] = '-';
	buf_add(out, text + at, sizeof(text) - at);
}

/* A positive double as 0.DIGITS * 10^point, without trailing zeros. */
struct decimal {
	char digits[20];
	int count;
	int point;
};

static void trim(struct decimal *d)
{
	while (d->count > 1 && d->digits[d->count - 1] == '0')
		d->count--;
}

/* From printf's d.ddde+xx.  Whatever the locale writes for the point is
 * skipped. */
static void decimal_read(struct decimal *d, const char *text)
{
	const char *e = strchr(text, 'e');

	d->count = 0;
	for (const char *c = text; c < e; c++) {
		if (is_digit(*c))
			d->digits[d->count++] = *c;
	}
	d->point = atoi(e + 1) + 1;
	trim(d);
}

/* Adds one to the last digit of printf's d.ddde+xx.  false where that would
 * carry out of the first digit. */
static bool increment(char *text)
{
	for (char *c = strchr(text, 'e'); c-- > text;) {
		if (!is_digit(*c))
			continue;
		if (*c != '9') {
			++*c;
			return true;
		}
		*c = '0';
	}
	return false;
}

/* The shortest digits that read back as v (ECMA-262, Number::toString).  15
 * digits hold for any normal double, so what they read back as v is shortest
 * once zeros are trimmed; subnormals have fewer.  Below a power of two the
 * doubles lie closer than above it: there the nearest decimal of 16 digits can
 * miss v while its upper neighbour hits. */
static void shortest(double v, struct decimal *d)
{
	char text[40];
	int exponent;
	bool power = frexp(v, &exponent) == 0.5;

	for (int n = fpclassify(v) == FP_SUBNORMAL ? 1 : 15; n <= 17; n++) {
		snprintf(text, sizeof(text), "%.*e", n - 1, v);
		if (n == 17 || strtod(text, NULL) == v)
			break;
		if (n == 16 && power && increment(text) &&
			strtod(text, NULL) == v)
			break;
	}
	decimal_read(d, text);
}

/* Measurements and amounts have few decimals.  n / 10^k is rounded correctly
 * for n below 2^53, so where it gives v again its digits are those of the
 * shortest decimal. */
static bool few_decimals(double v, struct decimal *d)
{
	double scale = 10;

	if (v >= 1e9 || v < 1e-3)
		return false;
	for (int k = 1; k <= 4; k++, scale *= 10) {
		double n = nearbyint(v * scale);
		int64_t digits = (int64_t)n;
		char text[24];
		int count = 0;

		if (n / scale != v)
			continue;
		for (; digits > 0; digits /= 10)
			text[count++] = (char)('0' + digits % 10);
		for (int i = 0; i < count; i++)
			d->digits[i] = text[count - 1 - i];
		d->count = count;
		d->point = count - k;
		return true;
	}
	return false;
}

static void put_zeros(struct buf *out, int n)
{
	while (n-- > 0)
		put(out, '0');
}

/* Number::toString, steps 6 to 10; n and k are the names there. */
static void write_decimal(struct buf *out, const struct decimal *d)
{
	int n = d->point;
	int k = d->count;

	if (k <= n && n <= 21) {
		buf_add(out, d->digits, (size_t)k);
		put_zeros(out, n - k);
	} else if (0 < n && n <= 21) {
		buf_add(out, d->digits, (size_t)n);
		put(out, '.');
		buf_add(out, d->digits + n, (size_t)(k - n));
	} else if (-6 < n && n <= 0) {
		buf_str(out, "0.");
		put_zeros(out, -n);
		buf_add(out, d->digits, (size_t)k);
	} else {
		put(out, d->digits[0]);
		if (k > 1) {
			put(out, '.');
			buf_add(out, d->digits + 1, (size_t)(k - 1));
		}
		buf_str(out, n > 0 ? "e+" : "e-");
		write_integer(out, abs(n - 1));
	}
}

static void write_real(struct buf *out, double v)
{
	struct decimal d;

	if (json_is_whole(v)) {
		write_integer(out, (int64_t)v);
		return;
	}
	if (v < 0) {
		put(out, '-');
		v = -v;
	}
	if (!few_decimals(v, &d))
		shortest(v, &d);
	write_decimal(out, &d);
}

static enum err_code write_value(
	const struct json *v, size_t depth, struct buf *out, struct err *err);

/* Members in canonical order: as they lie, or as order[] has them. */
static void sort_few(const struct json *v, const struct json_member **m)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct json_member *one = &v->at[i];
		size_t j = i;

		for (; j > 0 &&
			json_compare_names(m[j - 1]->name, m[j - 1]->len,
				one->name, one->len) > 0;
			j--)
			m[j] = m[j - 1];
		m[j] = one;
	}
}

static enum err_code write_object(
	const struct json *v, size_t depth, struct buf *out, struct err *err)
{
	const struct json_member *few[JSON_FEW];
	bool many = v->count > JSON_FEW;
	enum err_code rc = ERR_OK;

	if (!many)
		sort_few(v, few);
	put(out, '{');
	for (size_t i = 0; i < v->count && rc == ERR_OK; i++) {
		const struct json_member *m =
			many ? &v->at[v->order[i]] : few[i];

		if (i > 0)
			put(out, ',');
		json_write_string(out, m->name, m->len);
		put(out, ':');
		rc = write_value(m->value, depth, out, err);
	}
	put(out, '}');
	return rc;
}

static enum err_code write_array(
	const struct json *v, size_t depth, struct buf *out, struct err *err)
{
	enum err_code rc = ERR_OK;

	put(out, '[');
	for (size_t i = 0; i < v->count && rc == ERR_OK; i++) {
		if (i > 0)
			put(out, ',');
		rc = write_value(v->at[i].value, depth, out, err);
	}
	put(out, ']');
	return rc;
}

static enum err_code write_value(
	const struct json *v, size_t depth, struct buf *out, struct err *err)
{
	if (depth > WRITE_DEPTH_LIMIT)
		return err_set(err, ERR_LIMIT,
			"json value nested more than %d deep",
			WRITE_DEPTH_LIMIT);
	switch (v->kind) {
	case JSON_KIND_OBJECT:
		return write_object(v, depth + 1, out, err);
	case JSON_KIND_ARRAY:
		return write_array(v, depth + 1, out, err);
	case JSON_KIND_STRING:
		json_write_string(out, v->text, v->count);
		break;
	case JSON_KIND_NUMBER:
		write_real(out, v->number);
		break;
	case JSON_KIND_BOOL:
		buf_str(out, v->truth ? "true" : "false");
		break;
	case JSON_KIND_NULL:
		buf_str(out, "null");
		break;
	}
	return ERR_OK;
}

enum err_code json_write(const struct json *v, struct buf *out, struct err *err)
{
	size_t start = out->len;
	enum err_code rc;

	if (!v)
		return err_nomem(err);
	if ((rc = write_value(v, 0, out, err)) || (rc = buf_ok(out, err)))
		out->len = start;
	return rc;
}
