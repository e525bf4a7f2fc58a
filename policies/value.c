/* value.c - is a value of its field's type, and if not, why. */
#include "policies/series.h"

#include <math.h>
#include <string.h>

/* Bytes, not characters: what stands in a log for decades has a bound. */
#define STRING_LIMIT 1024
#define TEXT_LIMIT ((size_t)256 << 10)
#define NAME_LIMIT 128
#define ADDRESS_LIMIT 512

#define ID_NO_LEN 18
#define MOBILE_LEN 11
#define INTEGER_LIMIT 9007199254740991.0 /* 2^53-1 */

static bool digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

static char id_no_check(const char *s)
{
	/* 2^(17-i) mod 11 */
	static const unsigned weight[17] = {
		7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	unsigned sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(weight); i++)
		sum += (unsigned)(s[i] - '0') * weight[i];
	return "10X98765432"[sum % 11];
}

static const char *id_no_reason(const char *s, size_t len, int64_t now)
{
	char birth[] = "0000-00-00T00:00:00+08:00";
	int64_t born;

	if (len != ID_NO_LEN || !digits(s, ID_NO_LEN - 1))
		return "not 17 digits and a check digit";
	/* lower case is accepted here and stored as X */
	if ((s[17] == 'x' ? 'X' : s[17]) != id_no_check(s))
		return "wrong check digit";
	memcpy(birth, s + 6, 4);
	memcpy(birth + 5, s + 10, 2);
	memcpy(birth + 8, s + 12, 2);
	if (!time_parse(birth, sizeof(birth) - 1, &born))
		return "no real date of birth";
	if (born > now)
		return "date of birth in the future";
	return NULL;
}

bool id_no_valid(const char *s, size_t len, int64_t now)
{
	return id_no_reason(s, len, now) == NULL;
}

bool mobile_valid(const char *s, size_t len)
{
	return len == MOBILE_LEN && digits(s, len) && s[0] == '1' &&
		s[1] >= '3';
}

/* 0 and 2 or 3 digits of area, a hyphen or none, 7 or 8 digits. */
static bool landline_valid(const char *s, size_t len)
{
	for (size_t area = 3; area <= 4; area++) {
		size_t at = area;

		if (len <= area || s[0] != '0' || !digits(s, area))
			continue;
		at += s[at] == '-';
		if ((len - at == 7 || len - at == 8) &&
			digits(s + at, len - at))
			return true;
	}
	return false;
}

bool phone_valid(const char *s, size_t len)
{
	return mobile_valid(s, len) || landline_valid(s, len);
}

bool char_unseen(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
		(c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* C0, DEL and C1 (C2 80 to C2 9F). */
static bool has_control(const char *s, size_t len, bool text)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c < 0x7f)
			continue;
		if (c < 0x20 && !(text && c == '\n'))
			return true;
		if (c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < len && (unsigned char)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static const char *string_reason(
	const char *s, size_t len, size_t limit, bool text)
{
	if (len > limit)
		return "too long";
	return has_control(s, len, text) ? "holds a control character" : NULL;
}

static const char *filled_reason(const char *s, size_t len, size_t limit)
{
	return len == 0 ? "empty" : string_reason(s, len, limit, false);
}

static const char *phone_reason(const char *s, size_t len)
{
	if (len == 0 || phone_valid(s, len))
		return NULL;
	return "neither a mobile nor a landline number";
}

static const char *choice_reason(const struct field *f, const char *s)
{
	for (char **c = f->choices; c && *c; c++) {
		if (strcmp(*c, s) == 0)
			return NULL;
	}
	return "not one of the choices";
}

static const char *number_reason(const struct field *f, const struct json *v)
{
	double n = json_number(v);

	if (json_kind(v) != JSON_KIND_NUMBER)
		return "not a number";
	if (f->type == TYPE_INTEGER &&
		(n != floor(n) || fabs(n) > INTEGER_LIMIT))
		return "not a whole number";
	return NULL;
}

static const char *text_reason(const struct field *f, const char *s, size_t len)
{
	int64_t t;

	switch (f->type) {
	case TYPE_STRING:
		return string_reason(s, len, STRING_LIMIT, false);
	case TYPE_TEXT:
		return string_reason(s, len, TEXT_LIMIT, true);
	case TYPE_DATE:
		return date_valid(s, len) ? NULL : "no real date (YYYY-MM-DD)";
	case TYPE_TIME:
		return time_parse(s, len, &t)
			? NULL
			: "no time with an offset (RFC 3339)";
	case TYPE_NAME:
		return filled_reason(s, len, NAME_LIMIT);
	case TYPE_ID_NO:
		return id_no_reason(s, len, time_now());
	case TYPE_PHONE:
		return phone_reason(s, len);
	case TYPE_ADDRESS:
		return filled_reason(s, len, ADDRESS_LIMIT);
	case TYPE_DIVISION:
		return code_valid(s, len) ? NULL : "no 12-digit division code";
	case TYPE_CHOICE:
		return choice_reason(f, s);
	case TYPE_INTEGER:
	case TYPE_NUMBER:
	case TYPE_BOOLEAN:
		break;
	}
	return "not a string";
}

const char *value_check(const struct field *f, const struct json *v)
{
	const char *s;
	size_t len = 0;

	if (f->type == TYPE_INTEGER || f->type == TYPE_NUMBER)
		return number_reason(f, v);
	if (f->type == TYPE_BOOLEAN)
		return json_kind(v) == JSON_KIND_BOOL ? NULL
						      : "not true or false";
	s = json_string(v, &len);
	return s ? text_reason(f, s, len) : "not a string";
}
