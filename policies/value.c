/* value.c - is a value of its field's type, and if not, why; how it is stored.
 */
#include "policies/series.h"

#include <math.h>
#include <string.h>

/* Bytes, not characters: what stands in a log for decades has a bound. */
#define STRING_LIMIT 1024
#define TEXT_LIMIT ((size_t)256 << 10)
#define NAME_LIMIT 128
#define ADDRESS_LIMIT 512

#define ID_NO_LEN 18
#define USCC_LEN 18
#define MOBILE_LEN 11
#define CARD_LEN_MIN 16
#define CARD_LEN_MAX 19
#define DATE_LEN 10
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

/* YYYY-MM-DD of an identity number's date of birth. */
static void id_no_birth(const char *s, char out[DATE_LEN + 1])
{
	memcpy(out, s + 6, 4);
	out[4] = '-';
	memcpy(out + 5, s + 10, 2);
	out[7] = '-';
	memcpy(out + 8, s + 12, 2);
	out[DATE_LEN] = '\0';
}

/* Numbers were given to people born in the 19th century too; the calendar
 * comes again after 400 years. */
static bool birth_real(const char *birth)
{
	char later[DATE_LEN + 1];

	memcpy(later, birth, sizeof(later));
	if (birth[0] == '1' && birth[1] == '8')
		memcpy(later, "22", 2);
	return date_valid(later, DATE_LEN);
}

static const char *id_no_reason(const char *s, size_t len, int64_t now)
{
	char birth[DATE_LEN + 1], today[TIME_TEXT_SIZE];

	if (len != ID_NO_LEN || !digits(s, ID_NO_LEN - 1))
		return "not 17 digits and a check digit";
	/* lower case is accepted here and stored as X */
	if ((s[17] == 'x' ? 'X' : s[17]) != id_no_check(s))
		return "wrong check digit";
	id_no_birth(s, birth);
	if (!birth_real(birth))
		return "no real date of birth";
	time_format(now, today);
	if (memcmp(birth, today, DATE_LEN) > 0)
		return "date of birth in the future";
	return NULL;
}

bool id_no_valid(const char *s, size_t len, int64_t now)
{
	return id_no_reason(s, len, now) == NULL;
}

/* GB 32100: kind and office, 6 digits of area, 9 of the organisation, a check
 * character; without I, O, S, V and Z. */
static const char *uscc_reason(const char *s, size_t len)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
	unsigned sum = 0, weight = 1;

	if (len != USCC_LEN || !digits(s + 2, 6))
		return "not 18 characters with 6 digits of area";
	for (size_t i = 0; i < USCC_LEN; i++) {
		const char *c = s[i] ? strchr(alphabet, s[i]) : NULL;

		if (!c)
			return "a character that no such code has";
		if (i == USCC_LEN - 1)
			break;
		sum += (unsigned)(c - alphabet) * weight;
		weight = weight * 3 % 31;
	}
	/* 31 wraps to 0 */
	return s[17] == alphabet[(31 - sum % 31) % 31]
		? NULL
		: "wrong check character";
}

bool bank_card_valid(const char *s, size_t len)
{
	unsigned sum = 0;

	if (len < CARD_LEN_MIN || len > CARD_LEN_MAX || !digits(s, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned d = (unsigned)(s[len - 1 - i] - '0') << (i % 2);

		sum += d > 9 ? d - 9 : d;
	}
	return sum % 10 == 0;
}

/* The provinces of GB/T 2260, and below a level without a number nothing. */
static const char *division_reason(const char *s, size_t len)
{
	static const char provinces[] = "11 12 13 14 15 21 22 23 31 32 33 34 "
					"35 36 37 41 42 43 44 45 46 50 51 52 "
					"53 54 61 62 63 64 65 71 81 82";
	static const size_t level[] = {2, 4, 6, 9, CODE_LEN};
	bool ended = false;

	if (!code_valid(s, len))
		return "no 12-digit division code";
	for (const char *p = provinces;; p += 3) {
		if (memcmp(p, s, 2) == 0)
			break;
		if (!p[2])
			return "a division code of no province";
	}
	for (size_t i = 1; i < ARRAY_LEN(level); i++) {
		size_t n = level[i] - level[i - 1];
		bool none = memcmp(s + level[i - 1], "000", n) == 0;

		if (ended && !none)
			return "a division code with a level left out";
		ended = none;
	}
	return NULL;
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

/* The mark of a state secret, as it stands on the paper, or alone in a field of
 * its own.  保守国家秘密法 art. 31 forbids to keep one here. */
static bool is_secret(const char *s, size_t len)
{
	static const char *const levels[] = {"秘密", "机密", "绝密"};
	static const char star[] = "密★";
	const char *mark = memmem(s, len, star, strlen(star));

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		size_t n = strlen(levels[i]);

		if (len == n && memcmp(s, levels[i], n) == 0)
			return true;
		/* its first character stands right before the mark */
		if (mark && mark - s >= 3 &&
			memcmp(mark - 3, levels[i], 3) == 0)
			return true;
	}
	return false;
}

static const char *long_reason(size_t limit)
{
	switch (limit) {
	case NAME_LIMIT:
		return "longer than 128 bytes";
	case ADDRESS_LIMIT:
		return "longer than 512 bytes";
	case STRING_LIMIT:
		return "longer than 1,024 bytes: a field of the type text may "
		       "be";
	default:
		return "longer than 262,144 bytes: attach it as a file";
	}
}

static const char *string_reason(
	const char *s, size_t len, size_t limit, bool text)
{
	if (len > limit)
		return long_reason(limit);
	if (is_secret(s, len))
		return "marked as a state secret: it must not be kept here";
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

static const char *choice_reason(
	const struct field *f, const char *s, size_t len)
{
	for (char **c = f->choices; c && *c; c++) {
		if (strlen(*c) == len && memcmp(*c, s, len) == 0)
			return NULL;
	}
	return "not one of the choices";
}

static const char *number_reason(const struct field *f, const struct json *v)
{
	double n = json_number(v);

	if (json_kind(v) != JSON_KIND_NUMBER)
		return "not a number";
	if (f->type != TYPE_NUMBER &&
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
		return division_reason(s, len);
	case TYPE_USCC:
		return uscc_reason(s, len);
	case TYPE_BANK_CARD:
		return bank_card_valid(s, len)
			? NULL
			: "not 16 to 19 digits with a check digit";
	case TYPE_CHOICE:
		return choice_reason(f, s, len);
	case TYPE_MONEY:
	case TYPE_INTEGER:
	case TYPE_NUMBER:
	case TYPE_BOOLEAN:
		break;
	}
	return "not a string";
}

/* ---- as it is stored ---- */

#define FULL_WIDTH 0xff01 /* "!" to "~", as wide as a hanzi */
#define FULL_WIDTH_END 0xff5e

static bool is_space(uint32_t c)
{
	return c == ' ' || c == 0xa0 || c == 0x3000 ||
		(c >= 0x200b && c <= 0x200f) || c == 0x2060 || c == 0xfeff;
}

static bool is_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		(c >= 'a' && c <= 'z');
}

/* How much of the text changes. */
enum tidy {
	TIDY_NOTHING,
	TIDY_ENDS,  /* no spaces around it */
	TIDY_WORDS, /* and plain digits and letters, no spaces in hanzi */
	TIDY_CODE,  /* plain characters, no spaces at all */
};

static enum tidy tidy_of(enum field_type type)
{
	switch (type) {
	case TYPE_ID_NO:
	case TYPE_USCC:
	case TYPE_PHONE:
	case TYPE_BANK_CARD:
	case TYPE_DIVISION:
	case TYPE_DATE:
	case TYPE_TIME:
		return TIDY_CODE;
	case TYPE_NAME:
	case TYPE_ADDRESS:
		return TIDY_WORDS;
	case TYPE_CHOICE:
		return TIDY_ENDS;
	case TYPE_STRING:
	case TYPE_TEXT:
	case TYPE_INTEGER:
	case TYPE_NUMBER:
	case TYPE_MONEY:
	case TYPE_BOOLEAN:
		break;
	}
	return TIDY_NOTHING;
}

/* Most values need nothing done: their bytes say so at once. */
static bool may_differ(const char *s, size_t len, enum tidy tidy)
{
	if (tidy == TIDY_CODE) {
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)s[i];

			if (c <= ' ' || c >= 'a')
				return true;
		}
		return false;
	}
	return len > 0 &&
		(memchr(s, ' ', len) || memchr(s, '\xef', len) ||
			memchr(s, '\xc2', len) || memchr(s, '\xe2', len) ||
			memmem(s, len, "\xe3\x80\x80", 3));
}

static bool is_hanzi(uint32_t c)
{
	return c >= 0x2e80 && !is_space(c) &&
		!(c >= FULL_WIDTH && c <= FULL_WIDTH_END);
}

static uint32_t plain(uint32_t c, enum tidy tidy)
{
	uint32_t narrow = c - FULL_WIDTH + '!';

	if (c < FULL_WIDTH || c > FULL_WIDTH_END)
		return c;
	return tidy == TIDY_CODE || (tidy == TIDY_WORDS && is_alnum(narrow))
		? narrow
		: c;
}

/* A space between words stays, one. */
static bool space_stays(uint32_t before, uint32_t after, enum tidy tidy)
{
	if (!before || tidy == TIDY_CODE)
		return false;
	return tidy == TIDY_ENDS || !is_hanzi(before) || !is_hanzi(after);
}

/* Never longer than what it is made from. */
static size_t tidy_write(const char *s, size_t len, enum tidy tidy, char *out)
{
	size_t at = 0, used = 0, spaces = 0, from = 0, n;
	uint32_t before = 0;

	for (; at < len; at += n) {
		uint32_t c = utf8_next(s + at, len - at, &n);
		uint32_t to = plain(c, tidy);

		if (is_space(c)) {
			from = spaces ? from : at;
			spaces += n;
			continue;
		}
		if (spaces && space_stays(before, to, tidy)) {
			if (tidy == TIDY_ENDS)
				memcpy(out + used, s + from, spaces);
			else
				out[used] = ' ';
			used += tidy == TIDY_ENDS ? spaces : 1;
		}
		spaces = 0;
		if (to == c)
			memcpy(out + used, s + at, n);
		else
			out[used] = (char)to;
		used += to == c ? n : 1;
		before = to;
	}
	return used;
}

static void raise_case(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] >= 'a' && s[i] <= 'z')
			s[i] = (char)(s[i] - 'a' + 'A');
	}
}

/* Legal time everywhere: what is compared and counted has one offset. */
static void at_legal_time(struct value_text *t, char room[VALUE_ROOM])
{
	int64_t at;

	if (t->len == TIME_TEXT_SIZE - 1 &&
		memcmp(t->s + DATE_LEN + 9, "+08:00", 6) == 0)
		return;
	if (!time_parse(t->s, t->len, &at))
		return;
	time_format(at, room);
	*t = (struct value_text){room, TIME_TEXT_SIZE - 1};
}

struct value_text value_normal(
	enum field_type type, const char *s, size_t len, char room[VALUE_ROOM])
{
	struct value_text t = {s, len};
	enum tidy tidy = tidy_of(type);

	if (tidy != TIDY_NOTHING && len <= VALUE_ROOM &&
		may_differ(s, len, tidy)) {
		t = (struct value_text){room, tidy_write(s, len, tidy, room)};
		if (type == TYPE_ID_NO || type == TYPE_USCC)
			raise_case(room, t.len);
	}
	if (type == TYPE_TIME)
		at_legal_time(&t, room);
	return t;
}

const char *value_check(const struct field *f, const struct json *v)
{
	char room[VALUE_ROOM];
	struct value_text t;
	const char *s;
	size_t len = 0;

	if (f->type == TYPE_INTEGER || f->type == TYPE_NUMBER ||
		f->type == TYPE_MONEY)
		return number_reason(f, v);
	if (f->type == TYPE_BOOLEAN)
		return json_kind(v) == JSON_KIND_BOOL ? NULL
						      : "not true or false";
	if (!(s = json_string(v, &len)))
		return "not a string";
	t = value_normal(f->type, s, len, room);
	return text_reason(f, t.s, t.len);
}

/* ---- age ---- */

#define ADULT 18 /* 未成年人保护法 art. 2 */

/* The birthday itself is still under: whoever is in doubt is protected. */
bool value_minor(const struct field *f, const struct json *v, const char *at)
{
	char room[VALUE_ROOM], birth[DATE_LEN + 1];
	struct value_text t;
	const char *s;
	size_t len = 0;
	unsigned year = 0;

	if (!(s = json_string(v, &len)))
		return false;
	t = value_normal(f->type, s, len, room);
	if (f->type == TYPE_ID_NO && id_no_valid(t.s, t.len, time_now()))
		id_no_birth(t.s, birth);
	else if (f->type == TYPE_DATE && date_valid(t.s, t.len))
		memcpy(birth, t.s, DATE_LEN);
	else
		return false;
	for (size_t i = 0; i < 4; i++)
		year = year * 10 + (unsigned)(birth[i] - '0');
	for (size_t i = 4, left = year + ADULT; i-- > 0; left /= 10)
		birth[i] = (char)('0' + left % 10);
	return memcmp(at, birth, DATE_LEN) <= 0;
}
