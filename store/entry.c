/* entry.c - writes entries as canonical JSON and reads exactly that form. */
#include "store/entry.h"

#include <string.h>

#define SD_TEXT (DIGEST_TEXT_SIZE - 1)
#define AT_TEXT (TIME_TEXT_SIZE - 1)
#define UUID_TEXT (UUID_TEXT_SIZE - 1)
#define EPOCH_LEN 16
/* A domain must leave room for its longest use, an origin. */
#define DOMAIN_LIMIT (ORIGIN_SIZE - 1 - 1 - CODE_LEN - 1 - EPOCH_LEN)

/* The rest of a text that is being matched; failure sticks. */
struct scan {
	const char *at;
	size_t left;
	bool failed;
};

/* The next `len` bytes, or NULL. */
static const char *scan_bytes(struct scan *s, size_t len)
{
	const char *p = s->at;

	if (s->failed || s->left < len) {
		s->failed = true;
		return NULL;
	}
	s->at += len;
	s->left -= len;
	return p;
}

static void scan_literal(struct scan *s, const char *literal, size_t len)
{
	const char *p = scan_bytes(s, len);

	if (p && memcmp(p, literal, len) != 0)
		s->failed = true;
}

#define SCAN(s, literal) scan_literal(s, literal, sizeof(literal) - 1)

static bool scan_peek(const struct scan *s, char c)
{
	return !s->failed && s->left > 0 && *s->at == c;
}

/* Up to the next '"', which is taken too; at most `limit` bytes. */
static const char *scan_string(struct scan *s, size_t limit, size_t *len)
{
	size_t most = s->left < limit + 1 ? s->left : limit + 1;
	const char *end = s->failed ? NULL : memchr(s->at, '"', most);
	const char *p = s->at;

	if (!end) {
		s->failed = true;
		return NULL;
	}
	*len = (size_t)(end - p);
	s->at = end + 1;
	s->left -= *len + 1;
	return p;
}

static void scan_copy(struct scan *s, char *out, size_t size,
	bool (*valid)(const char *, size_t))
{
	size_t len = 0;
	const char *p = scan_string(s, size - 1, &len);

	if (!p)
		return;
	if (!valid(p, len)) {
		s->failed = true;
		return;
	}
	memcpy(out, p, len);
	out[len] = '\0';
}

static void scan_digest(struct scan *s, struct digest *out)
{
	const char *p = scan_bytes(s, SD_TEXT);

	if (p && !digest_from_base64url(p, SD_TEXT, out))
		s->failed = true;
}

static void scan_sd(struct scan *s, struct entry *e)
{
	const char *before = NULL;

	SCAN(s, "{\"_sd\":[");
	do {
		const char *text;

		if (before)
			SCAN(s, ",");
		if (e->sd_count == LABEL_COUNT)
			s->failed = true;
		SCAN(s, "\"");
		text = s->at;
		if (!s->failed)
			scan_digest(s, &e->sd[e->sd_count++]);
		if (!s->failed && before && memcmp(before, text, SD_TEXT) >= 0)
			s->failed = true;
		before = text;
		SCAN(s, "\"");
	} while (scan_peek(s, ','));
	SCAN(s, "]");
}

static bool at_valid(const char *text, size_t len)
{
	char again[TIME_TEXT_SIZE];
	int64_t t;

	if (len != AT_TEXT || !time_parse(text, len, &t))
		return false;
	time_format(t, again);
	return memcmp(text, again, len) == 0;
}

static bool series_valid(const char *s, size_t len)
{
	if (len == 0 || s[0] < 'a' || s[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
			!(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return false;
	return true;
}

static bool domain_valid(const char *s, size_t len)
{
	if (len == 0 || len > DOMAIN_LIMIT)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
			!(s[i] >= '0' && s[i] <= '9') && s[i] != '.' &&
			s[i] != '-')
			return false;
	return true;
}

static bool issuer_valid(const char *s, size_t len)
{
	size_t domain = len - CODE_LEN - 1;

	return len > CODE_LEN + 1 && s[domain] == '/' &&
		domain_valid(s, domain) && code_valid(s + domain + 1, CODE_LEN);
}

static bool prefix_valid(const char *s, size_t len)
{
	if (len != 6 && len != 9 && len != CODE_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

static bool id_valid(const char *s, size_t len)
{
	uint8_t uuid[UUID_SIZE];

	return uuid_parse(s, len, uuid);
}

static void scan_rev(struct scan *s, struct entry *e)
{
	size_t len = 0;

	while (len < s->left && s->at[len] >= '0' && s->at[len] <= '9')
		len++;
	if (s->failed || !number_parse(s->at, len, REV_LIMIT, &e->rev) ||
		e->rev == 0 || (e->has_prev && e->rev == 1)) {
		s->failed = true;
		return;
	}
	(void)scan_bytes(s, len);
}

static void scan_to(struct scan *s, struct entry *e)
{
	SCAN(s, ",\"to\":[");
	do {
		if (e->to_count > 0)
			SCAN(s, ",");
		if (e->to_count == ENTRY_TO_LIMIT)
			s->failed = true;
		SCAN(s, "\"");
		if (s->failed)
			return;
		scan_copy(s, e->to[e->to_count], CODE_SIZE, prefix_valid);
		if (e->to_count > 0 &&
			strcmp(e->to[e->to_count - 1], e->to[e->to_count]) >= 0)
			s->failed = true;
		e->to_count++;
	} while (scan_peek(s, ','));
	SCAN(s, "]");
}

static void scan_numbers(struct scan *s, struct entry *e)
{
	if (scan_peek(s, 'p')) {
		SCAN(s, "prev\":\"");
		scan_digest(s, &e->prev);
		SCAN(s, "\",\"");
		e->has_prev = true;
	}
	SCAN(s, "rev\":");
	scan_rev(s, e);
	SCAN(s, ",\"series\":\"");
	scan_copy(s, e->series, sizeof(e->series), series_valid);
	if (!strcmp(e->series, SERIES_SEALED))
		s->failed = true;
	if (scan_peek(s, ','))
		scan_to(s, e);
}

/* Which revision of what it is stands inside, and nothing goes down. */
static void scan_sealed(struct scan *s, struct entry *e)
{
	SCAN(s, "seal\":\"");
	scan_digest(s, &e->seal);
	SCAN(s, "\",\"series\":\"" SERIES_SEALED "\"");
	memcpy(e->series, SERIES_SEALED, sizeof(SERIES_SEALED));
	e->sealed = true;
	e->rev = 1;
}

static void scan_entry(struct scan *s, struct entry *e)
{
	scan_sd(s, e);
	SCAN(s, ENTRY_AT);
	scan_copy(s, e->at, sizeof(e->at), at_valid);
	SCAN(s, ",\"id\":\"");
	scan_copy(s, e->id, sizeof(e->id), id_valid);
	SCAN(s, ",\"iss\":\"");
	scan_copy(s, e->iss, sizeof(e->iss), issuer_valid);
	SCAN(s, ",\"node\":\"");
	scan_copy(s, e->node, sizeof(e->node), code_valid);
	SCAN(s, ",\"");
	if (scan_peek(s, 's'))
		scan_sealed(s, e);
	else
		scan_numbers(s, e);
	SCAN(s, "}");
}

enum err_code entry_parse(
	const char *text, size_t len, struct entry *out, struct err *err)
{
	struct scan s = {text, len, false};
	struct entry e = {0};

	if (len > ENTRY_SIZE_LIMIT)
		return err_set(err, ERR_INVALID,
			"entry of %zu bytes, limit %zu", len, ENTRY_SIZE_LIMIT);
	scan_entry(&s, &e);
	if (s.failed || s.left > 0)
		return err_set(err, ERR_INVALID,
			"entry is not of the canonical form, seen at byte %zu",
			(size_t)(s.at - text));
	(void)uuid_parse(e.id, UUID_TEXT, e.uuid);
	*out = e;
	return ERR_OK;
}

void entry_sd_write(const struct digest *sd, size_t count, struct buf *out)
{
	char text[LABEL_COUNT][DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		char one[DIGEST_TEXT_SIZE];
		size_t at = i;

		digest_base64url(&sd[i], one);
		for (; at > 0 && memcmp(one, text[at - 1], SD_TEXT) < 0; at--)
			memcpy(text[at], text[at - 1], sizeof(one));
		memcpy(text[at], one, sizeof(one));
	}
	buf_str(out, "{\"_sd\":[");
	for (size_t i = 0; i < count; i++) {
		buf_str(out, i > 0 ? ",\"" : "\"");
		buf_add(out, text[i], SD_TEXT);
		buf_u8(out, '"');
	}
	buf_u8(out, ']');
}

static void write_to(const struct entry *e, struct buf *out)
{
	buf_str(out, ",\"to\":[");
	for (size_t i = 0; i < e->to_count; i++) {
		buf_str(out, i > 0 ? ",\"" : "\"");
		buf_str(out, e->to[i]);
		buf_u8(out, '"');
	}
	buf_u8(out, ']');
}

static void write_numbers(const struct entry *e, struct buf *out)
{
	char prev[DIGEST_TEXT_SIZE];

	if (e->has_prev) {
		digest_base64url(&e->prev, prev);
		buf_str(out, "prev\":\"");
		buf_str(out, prev);
		buf_str(out, "\",\"");
	}
	buf_printf(out, "rev\":%llu", (unsigned long long)e->rev);
}

static void write_entry(const struct entry *e, struct buf *out)
{
	char seal[DIGEST_TEXT_SIZE];

	entry_sd_write(e->sd, e->sd_count, out);
	buf_str(out, ENTRY_AT);
	buf_str(out, e->at);
	buf_str(out, ENTRY_ID);
	buf_str(out, e->id);
	buf_str(out, "\",\"iss\":\"");
	buf_str(out, e->iss);
	buf_str(out, "\",\"node\":\"");
	buf_str(out, e->node);
	buf_str(out, "\",\"");
	if (e->sealed) {
		digest_base64url(&e->seal, seal);
		buf_printf(out, "seal\":\"%s\"", seal);
	} else {
		write_numbers(e, out);
	}
	buf_str(out, ",\"series\":\"");
	buf_str(out, e->series);
	buf_u8(out, '"');
	if (e->to_count > 0)
		write_to(e, out);
	buf_u8(out, '}');
}

static bool text_fits(const char *s, bool (*valid)(const char *, size_t))
{
	return valid(s, strlen(s));
}

static bool digests_differ(const struct entry *e)
{
	for (size_t i = 1; i < e->sd_count; i++)
		for (size_t k = 0; k < i; k++)
			if (!digest_compare(&e->sd[i], &e->sd[k]))
				return false;
	return e->sd_count > 0;
}

static bool receivers_fit(const struct entry *e)
{
	for (size_t i = 0; i < e->to_count; i++)
		if (!text_fits(e->to[i], prefix_valid) ||
			(i > 0 && strcmp(e->to[i - 1], e->to[i]) >= 0))
			return false;
	return true;
}

/* Would entry_parse() take what is written of it?  By the same rules, without
 * reading it back: batch_append() does that once more. */
static bool fits(const struct entry *e)
{
	bool named_sealed = strcmp(e->series, SERIES_SEALED) == 0;

	if (e->sealed != named_sealed || (e->sealed && e->to_count > 0))
		return false;
	if (!e->sealed &&
		(e->rev == 0 || e->rev > REV_LIMIT ||
			(e->has_prev && e->rev == 1)))
		return false;
	return digests_differ(e) && receivers_fit(e) &&
		text_fits(e->at, at_valid) && text_fits(e->id, id_valid) &&
		text_fits(e->iss, issuer_valid) &&
		text_fits(e->node, code_valid) &&
		text_fits(e->series, series_valid);
}

/* A log never holds an entry that nobody can read. */
enum err_code entry_write(
	const struct entry *e, struct buf *out, struct err *err)
{
	size_t start = out->len, len;

	if (e->sd_count > LABEL_COUNT || e->to_count > ENTRY_TO_LIMIT)
		return err_set(err, ERR_LIMIT,
			"entry of %zu digests and %zu receivers, limits %d, %d",
			e->sd_count, e->to_count, LABEL_COUNT, ENTRY_TO_LIMIT);
	if (!fits(e))
		return err_set(err, ERR_INVALID,
			"entry has a field that none may have");
	write_entry(e, out);
	if (out->failed)
		return err_nomem(err);
	len = out->len - start;
	if (len <= ENTRY_SIZE_LIMIT)
		return ERR_OK;
	out->len = start;
	return err_set(err, ERR_LIMIT, "entry of %zu bytes, limit %zu", len,
		ENTRY_SIZE_LIMIT);
}

/* ---- sealed ---- */

#define PART_BEGIN "{\"cms\":\""
#define PART_END "\"}"

void sealed_part(const void *message, size_t len, struct buf *out)
{
	char *to;

	buf_str(out, PART_BEGIN);
	to = (char *)buf_reserve(out, BASE64URL_SIZE(len));
	if (to)
		out->len += base64url_encode(message, len, to);
	buf_str(out, PART_END);
}

bool sealed_message(
	const struct entry *e, const char *part, size_t len, struct buf *out)
{
	const size_t frame = sizeof(PART_BEGIN) - 1 + sizeof(PART_END) - 1;
	size_t text_len, size = 0;
	const char *text;
	struct digest d;
	uint8_t *to;

	if (!e->sealed || len < frame ||
		memcmp(part, PART_BEGIN, sizeof(PART_BEGIN) - 1) ||
		memcmp(part + len - 2, PART_END, 2))
		return false;
	text = part + sizeof(PART_BEGIN) - 1;
	text_len = len - frame;
	if (!(to = buf_reserve(out, text_len + 1)) ||
		!base64url_decode(text, text_len, to, text_len, &size))
		return false;
	d = digest_of(to, size);
	if (!digest_equal(&d, &e->seal))
		return false;
	out->len += size;
	return true;
}

/* Where the domain ends in an origin or issuer, 0 for neither. */
static size_t domain_len(const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);

	return slash ? (size_t)(slash - s) : 0;
}

const char *origin_code(const char *origin)
{
	size_t len = strlen(origin);
	size_t domain = domain_len(origin, len);
	bool issuer = len == domain + 1 + CODE_LEN;

	if (origin_valid(origin, len) || (issuer && issuer_valid(origin, len)))
		return origin + domain + 1;
	return NULL;
}

bool origin_valid(const char *origin, size_t len)
{
	size_t domain = domain_len(origin, len);
	size_t issuer = domain + 1 + CODE_LEN;
	uint8_t epoch[EPOCH_LEN / 2];

	return len == issuer + 1 + EPOCH_LEN && issuer_valid(origin, issuer) &&
		origin[issuer] == '/' &&
		hex_decode(
			origin + issuer + 1, EPOCH_LEN, epoch, sizeof(epoch));
}
