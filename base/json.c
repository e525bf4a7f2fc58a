/* json.c - strict parsing by jansson, RFC 8785 writing by hand.
 *
 * A struct json is jansson's json_t under another name.  jansson writes
 * neither UTF-16 order nor ECMAScript numbers, and its messages quote the
 * input, which may be personal; both are done here.
 */
#include "base/json.h"

/* Three names of json.h are also jansson's, for other things. */
#define json_string jansson_string
#define json_equal jansson_equal
#define json_copy jansson_copy
#include <jansson.h>
#undef json_string
#undef json_equal
#undef json_copy

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

#define INTEGER_MAX INT64_C(9007199254740991) /* 2^53-1 */
#define INTEGER_MAX_TEXT "9007199254740991"
#define INTEGER_MAX_DIGITS 16
#define WRITE_DEPTH_LIMIT 64 /* of trees we made: guards the stack */
#define MEMBERS_ON_STACK 24

static json_t *in(const struct json *v)
{
	return (json_t *)v;
}

static struct json *of(const json_t *v)
{
	return (struct json *)v;
}

/* Parsing */

/* Puts line and column of the byte at `at` in front of the text. */
static enum err_code err_at(
	struct err *err, enum err_code code, const char *text, size_t at)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return err_while(err, code, "line %zu column %zu", line, column);
}

/* A number token, taken apart without rounding: its significant digits stand
 * left of the decimal point shifted by `magnitude`. */
struct token {
	size_t len;
	bool integer; /* neither fraction nor exponent */
	long magnitude;
	char digits[INTEGER_MAX_DIGITS];
	size_t digit_count;
	bool more; /* non-zero digits behind those */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void token_digit(struct token *t, char c, bool fraction)
{
	bool leading = t->digit_count == 0 && c == '0';

	if (fraction ? leading : false)
		t->magnitude--;
	if (!fraction && !leading)
		t->magnitude++;
	if (leading)
		return;
	if (t->digit_count < INTEGER_MAX_DIGITS)
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
			if (exponent < 100000000)
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

	if (t->digit_count == 0 || t->magnitude < INTEGER_MAX_DIGITS)
		return false;
	if (t->magnitude > INTEGER_MAX_DIGITS)
		return t->integer || t->magnitude <= 21;
	order = memcmp(t->digits, INTEGER_MAX_TEXT, t->digit_count);
	return order > 0 ||
		(order == 0 && t->digit_count == INTEGER_MAX_DIGITS && t->more);
}

/* The length of the run at s that stands for itself in a string; by eights,
 * as most of a document is such runs. */
static size_t plain_run(const char *s, size_t len)
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

/* Where the string whose inside begins at `at` ends: at its quote. */
static size_t string_end(const char *text, size_t len, size_t at)
{
	while (at < len) {
		at += plain_run(text + at, len - at);
		if (at >= len || text[at] == '"')
			break;
		at += text[at] == '\\' ? 2 : 1;
	}
	return at;
}

/* Looks over the text before jansson does: nesting, because jansson recurses,
 * and numbers, because afterwards their spelling is gone.  Up to the first
 * error strings end here where they end for jansson. */
static enum err_code scan(const char *text, size_t len, struct err *err)
{
	/* jansson skips a NUL behind a number. */
	const char *nul = memchr(text, '\0', len);
	size_t depth = 0;

	if (nul)
		return err_at(err, err_set(err, ERR_INVALID, "NUL in the text"),
			text, (size_t)(nul - text));
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"') {
			i = string_end(text, len, i + 1);
		} else if (c == '[' || c == '{') {
			if (++depth > JSON_DEPTH_LIMIT)
				return err_at(err,
					err_set(err, ERR_INVALID,
						"nested deeper than %d",
						JSON_DEPTH_LIMIT),
					text, i);
		} else if (c == ']' || c == '}') {
			depth -= depth > 0;
		} else if (c == '-' || is_digit(c)) {
			struct token t = token_read(text + i, len - i);

			if (token_too_large(&t))
				return err_at(err,
					err_set(err, ERR_INVALID,
						"number beyond 2^53-1"),
					text, i);
			i += t.len - 1;
		}
	}
	return ERR_OK;
}

/* In words of ours: jansson's quote the text, which may be personal. */
static enum err_code err_reason(struct err *err, const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_out_of_memory:
		return err_nomem(err);
	case json_error_invalid_utf8:
		return err_set(err, ERR_INVALID, "invalid utf-8");
	case json_error_premature_end_of_input:
		return err_set(err, ERR_INVALID, "text ends too early");
	case json_error_end_of_input_expected:
		return err_set(
			err, ERR_INVALID, "text goes on behind the value");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return err_set(err, ERR_INVALID, "NUL in a string");
	case json_error_duplicate_key:
		return err_set(err, ERR_INVALID, "duplicate name");
	case json_error_numeric_overflow:
		return err_set(err, ERR_INVALID, "number too large");
	default:
		return err_set(err, ERR_INVALID, "not json");
	}
}

enum err_code json_parse(const void *text, size_t len, size_t limit,
	struct json **out, struct err *err)
{
	json_error_t error;
	json_t *v;
	enum err_code rc;

	if (len > limit)
		return err_set(err, ERR_LIMIT,
			"json text of %zu bytes, limit %zu", len, limit);
	if (len > 0 && (rc = scan(text, len, err)))
		return rc;
	v = json_loadb(len > 0 ? text : "", len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (v) {
		*out = of(v);
		return ERR_OK;
	}
	rc = err_reason(err, &error);
	return rc == ERR_NOMEM ? rc
			       : err_while(err, rc, "line %d column %d",
					 error.line, error.column);
}

static enum err_code compare_canonical(
	const struct json *v, const char *text, size_t len, struct err *err)
{
	struct buf canonical = BUF_EMPTY;
	size_t same = 0;
	enum err_code rc;

	if ((rc = json_write(v, &canonical, err)))
		goto out;
	if (canonical.len == len && memcmp(canonical.data, text, len) == 0)
		goto out;
	while (same < len && same < canonical.len &&
		(uint8_t)text[same] == canonical.data[same])
		same++;
	rc = err_at(err, err_set(err, ERR_INVALID, "not in canonical form"),
		text, same);
out:
	buf_free(&canonical);
	return rc;
}

enum err_code json_parse_canonical(const void *text, size_t len, size_t limit,
	struct json **out, struct err *err)
{
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = json_parse(text, len, limit, &v, err)))
		return rc;
	if ((rc = compare_canonical(v, text, len, err))) {
		json_free(v);
		return rc;
	}
	*out = v;
	return ERR_OK;
}

/* Writing */

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
		size_t run = plain_run(s, len);

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

static bool is_whole(double v)
{
	return v >= -(double)INTEGER_MAX && v <= (double)INTEGER_MAX &&
		v == (double)(int64_t)v;
}

static void write_real(struct buf *out, double v)
{
	struct decimal d;

	if (is_whole(v)) {
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

struct member {
	const char *name;
	size_t len;
	const json_t *value;
};

/* UTF-16 order of UTF-8 names.  Bytewise order is that of code points; UTF-16
 * differs where a surrogate (U+10000 up, lead byte F0..F4) meets U+E000..U+FFFF
 * (lead byte EE or EF), and lead bytes meet as the first difference. */
static int compare_names(const void *a, const void *b)
{
	const unsigned char *x =
		(const unsigned char *)((const struct member *)a)->name;
	const unsigned char *y =
		(const unsigned char *)((const struct member *)b)->name;

	while (*x == *y && *x)
		x++, y++;
	if (*x >= 0xee && *y >= 0xee && (*x < 0xf0) != (*y < 0xf0))
		return *x < 0xf0 ? 1 : -1;
	return *x - *y;
}

static void sort_members(struct member *m, size_t n)
{
	if (n > MEMBERS_ON_STACK) {
		qsort(m, n, sizeof(*m), compare_names);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct member one = m[i];
		size_t j = i;

		for (; j > 0 && compare_names(&m[j - 1], &one) > 0; j--)
			m[j] = m[j - 1];
		m[j] = one;
	}
}

static enum err_code write_value(
	const json_t *v, size_t depth, struct buf *out, struct err *err);

static enum err_code write_object(
	const json_t *v, size_t depth, struct buf *out, struct err *err)
{
	struct member some[MEMBERS_ON_STACK];
	struct member *m = some;
	json_t *object = in(of(v));
	size_t n = json_object_size(v);
	size_t i = 0;
	enum err_code rc = ERR_OK;

	if (n > ARRAY_LEN(some))
		m = calloc(n, sizeof(*m));
	if (!m)
		return err_nomem(err);
	for (void *it = json_object_iter(object); it;
		it = json_object_iter_next(object, it))
		m[i++] = (struct member){json_object_iter_key(it),
			json_object_iter_key_len(it),
			json_object_iter_value(it)};
	sort_members(m, n);
	put(out, '{');
	for (i = 0; i < n && rc == ERR_OK; i++) {
		if (i > 0)
			put(out, ',');
		json_write_string(out, m[i].name, m[i].len);
		put(out, ':');
		rc = write_value(m[i].value, depth, out, err);
	}
	put(out, '}');
	if (m != some)
		free(m);
	return rc;
}

static enum err_code write_array(
	const json_t *v, size_t depth, struct buf *out, struct err *err)
{
	size_t n = json_array_size(v);
	enum err_code rc = ERR_OK;

	put(out, '[');
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		if (i > 0)
			put(out, ',');
		rc = write_value(json_array_get(v, i), depth, out, err);
	}
	put(out, ']');
	return rc;
}

static enum err_code write_value(
	const json_t *v, size_t depth, struct buf *out, struct err *err)
{
	if (depth > WRITE_DEPTH_LIMIT)
		return err_set(err, ERR_LIMIT,
			"json value nested more than %d deep",
			WRITE_DEPTH_LIMIT);
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return write_object(v, depth + 1, out, err);
	case JSON_ARRAY:
		return write_array(v, depth + 1, out, err);
	case JSON_STRING:
		json_write_string(
			out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		write_integer(out, json_integer_value(v));
		break;
	case JSON_REAL:
		write_real(out, json_real_value(v));
		break;
	case JSON_TRUE:
		buf_str(out, "true");
		break;
	case JSON_FALSE:
		buf_str(out, "false");
		break;
	case JSON_NULL:
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
	if ((rc = write_value(in(v), 0, out, err)) || (rc = buf_ok(out, err)))
		out->len = start;
	return rc;
}

/* Values */

void json_free(struct json *v)
{
	json_decref(in(v));
}

struct json *json_copy(const struct json *v)
{
	return of(json_deep_copy(in(v)));
}

enum json_kind json_kind(const struct json *v)
{
	if (!v)
		return JSON_KIND_NULL;
	switch (json_typeof(in(v))) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_STRING;
	case JSON_INTEGER:
	case JSON_REAL:
		return JSON_KIND_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_NULL:
		return JSON_KIND_NULL;
	}
	return JSON_KIND_NULL;
}

static bool equal_objects(json_t *a, json_t *b)
{
	if (json_object_size(a) != json_object_size(b))
		return false;
	for (void *it = json_object_iter(a); it;
		it = json_object_iter_next(a, it)) {
		const json_t *other =
			json_object_get(b, json_object_iter_key(it));

		if (!other ||
			!json_equal(of(json_object_iter_value(it)), of(other)))
			return false;
	}
	return true;
}

static bool equal_arrays(const json_t *a, const json_t *b)
{
	size_t n = json_array_size(a);

	if (n != json_array_size(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!json_equal(
			    of(json_array_get(a, i)), of(json_array_get(b, i))))
			return false;
	}
	return true;
}

/* Not jansson's: there 1 and 1.0 differ, and in canonical text they do not. */
bool json_equal(const struct json *a, const struct json *b)
{
	enum json_kind kind = json_kind(a);

	if (!a || !b)
		return a == b;
	if (kind != json_kind(b))
		return false;
	switch (kind) {
	case JSON_KIND_NULL:
		return true;
	case JSON_KIND_BOOL:
		return json_bool(a) == json_bool(b);
	case JSON_KIND_NUMBER:
		return json_number(a) == json_number(b);
	case JSON_KIND_STRING:
		return json_string_length(in(a)) == json_string_length(in(b)) &&
			memcmp(json_string_value(in(a)),
				json_string_value(in(b)),
				json_string_length(in(a))) == 0;
	case JSON_KIND_ARRAY:
		return equal_arrays(in(a), in(b));
	case JSON_KIND_OBJECT:
		return equal_objects(in(a), in(b));
	}
	return false;
}

const char *json_string(const struct json *v, size_t *len)
{
	if (len)
		*len = json_string_length(in(v));
	return json_string_value(in(v));
}

double json_number(const struct json *v)
{
	return json_number_value(in(v));
}

bool json_u64(const struct json *v, uint64_t *out)
{
	double number = json_number(v);

	if (json_kind(v) != JSON_KIND_NUMBER || number < 0 || !is_whole(number))
		return false;
	*out = (uint64_t)number;
	return true;
}

bool json_bool(const struct json *v)
{
	return json_is_true(in(v));
}

size_t json_count(const struct json *v)
{
	return json_is_array(in(v)) ? json_array_size(in(v))
				    : json_object_size(in(v));
}

const struct json *json_at(const struct json *array, size_t i)
{
	return of(json_array_get(in(array), i));
}

const struct json *json_get(const struct json *object, const char *name)
{
	return of(json_object_get(in(object), name));
}

bool json_next(const struct json *object, void **at, const char **name,
	const struct json **value)
{
	void *it = *at ? json_object_iter_next(in(object), *at)
		       : json_object_iter(in(object));

	if (!it)
		return false;
	*at = it;
	*name = json_object_iter_key(it);
	*value = of(json_object_iter_value(it));
	return true;
}

const struct json *json_member(
	const struct json *object, size_t i, const char **name)
{
	void *it = json_object_iter(in(object));

	while (it && i-- > 0)
		it = json_object_iter_next(in(object), it);
	if (!it)
		return NULL;
	if (name)
		*name = json_object_iter_key(it);
	return of(json_object_iter_value(it));
}

const char *json_get_string(const struct json *object, const char *name)
{
	return json_string(json_get(object, name), NULL);
}

bool json_get_u64(const struct json *object, const char *name, uint64_t *out)
{
	return json_u64(json_get(object, name), out);
}

struct json *json_new_object(void)
{
	return of(json_object());
}

struct json *json_new_array(void)
{
	return of(json_array());
}

/* The parser refuses NUL in strings, so makers do too: what is written can be
 * read again. */
struct json *json_new_string(const char *s, size_t len)
{
	if (!s || (len > 0 && memchr(s, '\0', len)))
		return NULL;
	return of(json_stringn(s, len));
}

struct json *json_new_number(double v)
{
	return of(is_whole(v) ? json_integer((int64_t)v) : json_real(v));
}

struct json *json_new_u64(uint64_t v)
{
	return v > INTEGER_MAX ? NULL : of(json_integer((int64_t)v));
}

struct json *json_new_bool(bool v)
{
	return of(json_boolean(v));
}

struct json *json_new_null(void)
{
	return of(json_null());
}

bool json_set(struct json *object, const char *name, struct json *child)
{
	return json_object_set_new(in(object), name, in(child)) == 0;
}

bool json_append(struct json *array, struct json *child)
{
	return json_array_append_new(in(array), in(child)) == 0;
}

void json_remove(struct json *object, const char *name)
{
	json_object_del(in(object), name);
}
