/* text.c - base64, hex, UTF-8, UUIDs and division codes. */
#include "base/text.h"

#include <endian.h>
#include <string.h>

#include "base/random.h"

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

/* Sixteen digits at a time; any processor has something for these. */
typedef int8_t lanes __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Values below 64 to digits: runs of the alphabet, each a step from the one
 * before, the last two of one digit. */
static lanes digits_of(lanes x, int8_t step62, int8_t step63)
{
	lanes c = x + 'A';

	c += (lanes)(x > 25) & ('a' - 'Z' - 1);
	c += (lanes)(x > 51) & ('0' - 'z' - 1);
	c += (lanes)(x > 61) & step62;
	return c + ((lanes)(x > 62) & step63);
}

/* The first six of the eight bytes that are read. */
static uint64_t six_bytes(const uint8_t *in)
{
	uint64_t x;

	memcpy(&x, in, 8);
	return be64toh(x) >> 16;
}

/* From twelve bytes of the fourteen that are read: halves of six bytes are
 * spread to two of three, to four of twelve bits, to eight of six. */
static inline void encode_sixteen(
	const uint8_t *in, char *out, int8_t step62, int8_t step63)
{
	halves v = {six_bytes(in), six_bytes(in + 6)};
	uint64_t x;

	v = (v & 0xffffff000000) << 8 | (v & 0xffffff);
	v = (v & 0x00fff00000fff000) << 4 | (v & 0x00000fff00000fff);
	v = (v & 0x0fc00fc00fc00fc0) << 2 | (v & 0x003f003f003f003f);
	v = (halves)digits_of((lanes)v, step62, step63);
	x = htobe64(v[0]);
	memcpy(out, &x, 8);
	x = htobe64(v[1]);
	memcpy(out + 8, &x, 8);
}

/* Without padding and NUL; returns the length. */
static size_t encode(
	const char *alphabet, const uint8_t *in, size_t len, char *out)
{
	const int8_t step62 = (int8_t)(alphabet[62] - ('9' + 1));
	const int8_t step63 = (int8_t)(alphabet[63] - alphabet[62] - 1);
	char *to = out;
	uint32_t v;

	for (; len >= 14; len -= 12, in += 12, to += 16)
		encode_sixteen(in, to, step62, step63);
	for (; len >= 3; len -= 3, in += 3) {
		v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = alphabet[v >> 6 & 63];
		*to++ = alphabet[v & 63];
	}
	if (len == 0)
		return (size_t)(to - out);
	v = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
	*to++ = alphabet[v >> 18];
	*to++ = alphabet[v >> 12 & 63];
	if (len == 2)
		*to++ = alphabet[v >> 6 & 63];
	return (size_t)(to - out);
}

size_t base64_encode(const void *data, size_t len, char *out)
{
	size_t n = encode(base64_alphabet, data, len, out);

	while (n % 4 != 0)
		out[n++] = '=';
	out[n] = '\0';
	return n;
}

size_t base64url_encode(const void *data, size_t len, char *out)
{
	size_t n = encode(base64url_alphabet, data, len, out);

	out[n] = '\0';
	return n;
}

/* One more than the values of the digits; c62 and c63 tell the alphabets
 * apart. */
/* clang-format off */
static const uint8_t digits[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
	43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
};
/* clang-format on */

static uint32_t digit(char c, char c62, char c63)
{
	uint32_t v = digits[(uint8_t)c];

	return v ? v - 1 : c == c62 ? 62 : c == c63 ? 63 : UINT32_MAX;
}

/* `len` digits without padding.  The bits behind the last whole byte must be
 * zero, so that every value has one spelling. */
static bool decode(const char *s, size_t len, char c62, char c63, uint8_t *out,
	size_t cap, size_t *out_len)
{
	size_t left = len % 4;
	size_t want = len / 4 * 3 + (left == 0 ? 0 : left - 1);
	uint8_t *to = out;
	uint32_t bits = 0;

	if (left == 1 || want > cap)
		return false;
	for (; len >= 4; len -= 4, s += 4, to += 3) {
		uint32_t a = digit(s[0], c62, c63), b = digit(s[1], c62, c63);
		uint32_t c = digit(s[2], c62, c63), d = digit(s[3], c62, c63);

		if ((a | b | c | d) > 63)
			return false;
		bits = a << 18 | b << 12 | c << 6 | d;
		to[0] = (uint8_t)(bits >> 16);
		to[1] = (uint8_t)(bits >> 8);
		to[2] = (uint8_t)bits;
	}
	bits = 0;
	for (size_t i = 0; i < left; i++) {
		uint32_t v = digit(s[i], c62, c63);

		if (v > 63)
			return false;
		bits = bits << 6 | v;
	}
	if (left == 2)
		to[0] = (uint8_t)(bits >> 4);
	if (left == 3) {
		to[0] = (uint8_t)(bits >> 10);
		to[1] = (uint8_t)(bits >> 2);
	}
	if (left > 0 && bits & ((1U << (left == 2 ? 4 : 2)) - 1))
		return false;
	*out_len = want;
	return true;
}

bool base64_decode(
	const char *s, size_t len, void *out, size_t cap, size_t *out_len)
{
	size_t padding = 0;

	if (len % 4 != 0)
		return false;
	while (padding < 2 && padding < len && s[len - 1 - padding] == '=')
		padding++;
	return decode(s, len - padding, '+', '/', out, cap, out_len);
}

bool base64url_decode(
	const char *s, size_t len, void *out, size_t cap, size_t *out_len)
{
	return decode(s, len, '-', '_', out, cap, out_len);
}

size_t hex_encode(const void *data, size_t len, char *out)
{
	const uint8_t *in = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
	out[2 * len] = '\0';
	return 2 * len;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(const char *s, size_t len, void *out, size_t out_len)
{
	uint8_t *to = out;

	if (len % 2 != 0 || len / 2 != out_len)
		return false;
	for (size_t i = 0; i < out_len; i++) {
		int high = hex_digit(s[2 * i]);
		int low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The length of the well-formed character at s (Unicode table 3-7), or 0. */
static size_t utf8_sequence(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	const uint8_t *at = (const uint8_t *)s;

	while (len > 0) {
		size_t n = utf8_sequence(at, len);

		if (n == 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

uint32_t utf8_next(const char *s, size_t len, size_t *n)
{
	static const uint8_t lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const uint8_t *at = (const uint8_t *)s;
	size_t size = len > 0 ? utf8_sequence(at, len) : 0;
	uint32_t v;

	/* Steps over what is no character, so that a loop always ends. */
	*n = size > 0 ? size : 1;
	if (size == 0)
		return 0xfffd;
	v = at[0] & lead_bits[size];
	for (size_t i = 1; i < size; i++)
		v = v << 6 | (at[i] & 0x3fU);
	return v;
}

size_t utf8_count(const char *s, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((uint8_t)s[i] & 0xc0) != 0x80;
	return count;
}

bool uuid_parse(const char *s, size_t len, uint8_t out[UUID_SIZE])
{
	char hex[2 * UUID_SIZE];
	size_t used = 0;

	if (len != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (s[i] == '-'))
			return false;
		if (!dash)
			hex[used++] = s[i];
	}
	return hex_decode(hex, used, out, UUID_SIZE);
}

void uuid_format(const uint8_t id[UUID_SIZE], char out[UUID_TEXT_SIZE])
{
	static const size_t groups[] = {4, 2, 2, 2, 6};
	char *to = out;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (i > 0)
			*to++ = '-';
		to += hex_encode(id, groups[i], to);
		id += groups[i];
	}
}

enum err_code uuid_v7(uint64_t now_ms, uint8_t out[UUID_SIZE], struct err *err)
{
	uint8_t id[UUID_SIZE];
	enum err_code rc;

	if ((rc = random_bytes(id + 6, sizeof(id) - 6, err)))
		return rc;
	for (size_t i = 0; i < 6; i++)
		id[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x70);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	memcpy(out, id, sizeof(id));
	return ERR_OK;
}

static bool zeros(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '0')
			return false;
	}
	return true;
}

bool code_valid(const char *s, size_t len)
{
	if (len != CODE_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return !zeros(s, len);
}

size_t code_prefix_len(const char *code)
{
	if (zeros(code + 6, 6))
		return 6;
	return zeros(code + 9, 3) ? 9 : CODE_LEN;
}

bool code_within(const char *code, const char *above)
{
	return memcmp(code, above, code_prefix_len(above)) == 0;
}
