/* mask.c - values that tell a person's record apart without telling the
 * person: the masked forms of docs/rules.md. */
#include "policies/series.h"

#include <string.h>

#define STAR '*'

struct text {
	const char *s;
	size_t len;
};

/* How much stays in view, in bytes at either end. */
struct kept {
	size_t head, tail;
};

#define NOTHING ((struct kept){0, 0})
#define AT_ENDS(h, t) ((struct kept){(h), (t)})

static bool of_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == 'X' || c == 'x';
}

/* A number that was masked before: stars between the ends. */
static bool masked(struct text t, struct kept k)
{
	if (t.len <= k.head + k.tail)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		bool middle = i >= k.head && i < t.len - k.tail;

		if (middle ? t.s[i] != STAR : !of_number(t.s[i]))
			return false;
	}
	return true;
}

static struct kept keep_id_no(struct text t, int64_t now)
{
	struct kept k = AT_ENDS(1, 2);

	if ((t.len == 18 && masked(t, k)) || id_no_valid(t.s, t.len, now))
		return k;
	return NOTHING;
}

static struct kept keep_phone(struct text t)
{
	struct kept mobile = AT_ENDS(3, 4), landline = AT_ENDS(4, 2);

	if (mobile_valid(t.s, t.len) || (t.len == 11 && masked(t, mobile)))
		return mobile;
	if (t.len >= 10 && (masked(t, landline) || phone_valid(t.s, t.len)))
		return landline;
	return NOTHING;
}

static struct kept keep_bank_card(struct text t)
{
	struct kept k = AT_ENDS(4, 4);
	bool before = t.len >= 16 && t.len <= 19 && masked(t, k);

	return before || bank_card_valid(t.s, t.len) ? k : NOTHING;
}

/* Nothing that a reader would count: spaces, what is not seen, accents and the
 * selectors that choose a form of the hanzi before them. */
static bool is_extra(uint32_t c)
{
	return char_unseen(c) || c == ' ' || c == 0x3000 ||
		(c >= 0x300 && c <= 0x36f) || (c >= 0xfe00 && c <= 0xfe0f) ||
		(c >= 0xe0100 && c <= 0xe01ef);
}

/* A name of one character would be shown whole. */
static struct kept keep_name(struct text t)
{
	size_t first, n;

	if (t.len == 0 || is_extra(utf8_next(t.s, t.len, &first)))
		return NOTHING;
	for (size_t at = first; at < t.len; at += n) {
		if (!is_extra(utf8_next(t.s + at, t.len - at, &n)))
			return AT_ENDS(first, 0);
	}
	return NOTHING;
}

static bool is_digit(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 0xff10 && c <= 0xff19);
}

/* Just behind the first of the words, unless a number stands before it: then
 * the word belongs to something below the division. */
static size_t behind_first(struct text t, const char *const *words)
{
	size_t best = 0;

	for (; *words; words++) {
		size_t len = strlen(*words);
		const char *at = memmem(t.s, t.len, *words, len);
		size_t end = at ? (size_t)(at - t.s) + len : 0;

		if (end && (!best || end < best))
			best = end;
	}
	for (size_t i = 0, n; i < best; i += n) {
		if (is_digit(utf8_next(t.s + i, t.len - i, &n)))
			return 0;
	}
	return best;
}

static struct kept keep_address(struct text t)
{
	static const char *const levels[][6] = {
		{"村", "社区", NULL},
		{"街道", "镇", "乡", NULL},
		{"区", "县", "旗", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		size_t end = behind_first(t, levels[i]);

		if (end)
			return AT_ENDS(end, 0);
	}
	return NOTHING;
}

static struct kept keep(enum field_type type, struct text t)
{
	if (type == TYPE_ID_NO)
		return keep_id_no(t, time_now());
	if (type == TYPE_PHONE)
		return keep_phone(t);
	if (type == TYPE_BANK_CARD)
		return keep_bank_card(t);
	if (type == TYPE_NAME)
		return keep_name(t);
	if (type == TYPE_ADDRESS)
		return keep_address(t);
	return NOTHING;
}

void value_mask(
	enum field_type type, const char *s, size_t len, struct buf *out)
{
	struct kept k = keep(type, (struct text){s, len});
	size_t stars = utf8_count(s + k.head, len - k.head - k.tail);
	uint8_t *to = buf_reserve(out, k.head + stars + k.tail);

	if (!to)
		return;
	memcpy(to, s, k.head);
	memset(to + k.head, STAR, stars);
	memcpy(to + k.head + stars, s + len - k.tail, k.tail);
	out->len += k.head + stars + k.tail;
}
