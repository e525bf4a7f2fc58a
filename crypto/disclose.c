/* disclose.c - salted commitments to the fields of a part (RFC 9901). */
#include "crypto/disclose.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SALT_SIZE 16
#define SALT_TEXT_SIZE BASE64URL_SIZE(SALT_SIZE)

static const char *const names[LABEL_COUNT] = {
	[LABEL_PUBLIC] = "public",
	[LABEL_INTERNAL] = "internal",
	[LABEL_PERSONAL] = "personal",
	[LABEL_SENSITIVE] = "sensitive",
};

const char *label_name(enum label l)
{
	return names[l];
}

bool label_parse(const char *s, size_t len, enum label *out)
{
	for (unsigned i = 0; i < LABEL_COUNT; i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], s, len)) {
			*out = (enum label)i;
			return true;
		}
	}
	return false;
}

struct json *labels_json(uint8_t labels)
{
	struct json *v = json_new_array();

	for (unsigned l = 0; v && l < LABEL_COUNT; l++) {
		if ((labels & LABEL_BIT(l)) &&
			!json_append(
				v, json_new_text(label_name((enum label)l)))) {
			json_free(v);
			return NULL;
		}
	}
	return v;
}

/* A look over JSON in its compact form.  Every function answers false where
 * the bytes stop being that. */
struct scan {
	const char *at, *end;
};

struct span {
	const char *s;
	size_t len;
};

static bool take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Behind a backslash: the short escapes, or \u00XX of another control
 * character, never NUL.  RFC 8785 writes no others, so a text in canonical
 * form has one spelling for a name. */
static bool take_escape(struct scan *s, char *out)
{
	static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t";
	const char *short_form, *u;
	int high, low;

	if (s->at == s->end)
		return false;
	u = s->at + 1;
	short_form = memchr(from, *s->at, sizeof(from) - 1);
	if (short_form) {
		*out = to[short_form - from];
		s->at++;
		return true;
	}
	if (*s->at != 'u' || s->end - s->at < 5 || u[0] != '0' || u[1] != '0')
		return false;
	high = hex_value(u[2]);
	low = hex_value(u[3]);
	if (high < 0 || high > 1 || low < 0 || high + low == 0)
		return false;
	*out = (char)(high << 4 | low);
	s->at += 5;
	return !memchr(to, *out, sizeof(to) - 1);
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS (ONES << 7)

/* Eight bytes at a time, to the first that does not stand for itself: a quote,
 * a backslash or what is below a blank.  Borrows go upwards only, so the lowest
 * byte that is told is one. */
static void skip_plain(struct scan *s)
{
	uint64_t x, quote, slash, found;

	for (; s->end - s->at >= 8; s->at += 8) {
		memcpy(&x, s->at, 8);
		x = le64toh(x);
		quote = x ^ ONES * '"';
		slash = x ^ ONES * '\\';
		found = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
			((x - ONES * ' ') & ~x);
		if ((found &= HIGHS)) {
			s->at += __builtin_ctzll(found) / 8;
			return;
		}
	}
}

/* A string; `out` is what stands between its quotes, as written. */
static bool take_string(struct scan *s, struct span *out)
{
	const char *start;
	char c;

	if (!take(s, '"'))
		return false;
	start = s->at;
	while (s->at < s->end) {
		skip_plain(s);
		if (s->at == s->end)
			break;
		c = *s->at++;
		if (c == '"') {
			*out = (struct span){
				start, (size_t)(s->at - 1 - start)};
			return true;
		}
		if ((unsigned char)c < 0x20 ||
			(c == '\\' && !take_escape(s, &c)))
			return false;
	}
	return false;
}

static bool skip_word(struct scan *s, const char *word, size_t len)
{
	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

static bool skip_number(struct scan *s)
{
	const char *start = s->at;

	while (s->at < s->end && *s->at &&
		((*s->at >= '0' && *s->at <= '9') || strchr("+-.eE", *s->at)))
		s->at++;
	return s->at > start;
}

static bool skip_value(struct scan *s, unsigned depth);

static bool skip_container(struct scan *s, bool object, unsigned depth)
{
	const char close = object ? '}' : ']';
	struct span name;

	s->at++;
	if (take(s, close))
		return true;
	do {
		if (object && (!take_string(s, &name) || !take(s, ':')))
			return false;
		if (!skip_value(s, depth))
			return false;
	} while (take(s, ','));
	return take(s, close);
}

/* `depth` is how many levels may still open, which bounds the recursion. */
static bool skip_value(struct scan *s, unsigned depth)
{
	struct span string;

	if (s->at == s->end)
		return false;
	switch (*s->at) {
	case '"':
		return take_string(s, &string);
	case '{':
	case '[':
		return depth && skip_container(s, *s->at == '{', depth - 1);
	case 't':
		return skip_word(s, "true", 4);
	case 'f':
		return skip_word(s, "false", 5);
	case 'n':
		return skip_word(s, "null", 4);
	default:
		return skip_number(s);
	}
}

#define NESTED_LIMIT (JSON_DEPTH_LIMIT + 2)

/* Names with a meaning of their own in RFC 9901, and the empty one, whose salt
 * is the part's. */
static bool name_reserved(const struct span *name)
{
	return name->len == 0 ||
		(name->len == 3 &&
			(!memcmp(name->s, "_sd", 3) ||
				!memcmp(name->s, "...", 3)));
}

/* Feeds what a string as written stands for. */
static void feed_unescaped(struct sha256 *h, const struct span *raw)
{
	struct scan s = {raw->s, raw->s + raw->len};

	while (s.at < s.end) {
		const char *from = s.at;
		const char *slash = memchr(from, '\\', (size_t)(s.end - from));
		char c;

		s.at = slash ? slash : s.end;
		sha256_update(h, from, (size_t)(s.at - from));
		if (!slash)
			return;
		s.at++;
		if (!take_escape(&s, &c))
			return; /* take_string() saw to it */
		sha256_update(h, &c, 1);
	}
}

/* Names are short, and few have an escape: the others go in one piece. */
#define NAME_ROOM 112
#define PREFIX_ROOM 16 /* a label and the NUL behind it, the separator */

static void salt_of(const struct hmac_key *k, enum label label,
	const struct span *raw_name, char out[SALT_TEXT_SIZE])
{
	uint8_t text[PREFIX_ROOM + NAME_ROOM + SHA256_PAD];
	size_t len = strlen(names[label]) + 1;
	struct sha256 h = k->inner;
	struct digest d;

	memcpy(text, names[label], len);
	if (raw_name->len <= NAME_ROOM &&
		!memchr(raw_name->s, '\\', raw_name->len)) {
		memcpy(text + len, raw_name->s, raw_name->len);
		len += raw_name->len;
	} else {
		sha256_update(&h, text, len);
		feed_unescaped(&h, raw_name);
		len = 0;
	}
	d = hmac_finish(k, &h, text, len);
	base64url_encode(d.b, SALT_SIZE, out);
}

/* SHA-256 over the base64url of what is added. */
#define PIECE 768
#define PIECE_TEXT (PIECE / 3 * 4)

struct encoder {
	struct sha256 h;
	size_t len;
	uint8_t piece[PIECE];
};

_Static_assert(PIECE % 3 == 0, "a piece must encode without padding");
_Static_assert(PIECE_TEXT % 64 == 0, "a piece must encode to whole blocks");

static void encoder_init(struct encoder *e)
{
	sha256_init(&e->h);
	e->len = 0;
}

static void encoder_flush(struct encoder *e)
{
	char text[PIECE_TEXT + 1];

	sha256_update(&e->h, text, base64url_encode(e->piece, e->len, text));
	e->len = 0;
}

static void encoder_add_long(struct encoder *e, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t n = PIECE - e->len;

		if (n > len)
			n = len;
		memcpy(e->piece + e->len, p, n);
		e->len += n;
		p += n;
		len -= n;
		if (e->len == PIECE)
			encoder_flush(e);
	}
}

static inline void encoder_add(struct encoder *e, const void *data, size_t len)
{
	if (len >= PIECE - e->len) {
		encoder_add_long(e, data, len);
		return;
	}
	memcpy(e->piece + e->len, data, len);
	e->len += len;
}

#define ENCODE(e, literal) encoder_add(e, literal, sizeof(literal) - 1)

static struct digest encoder_final(struct encoder *e)
{
	char text[PIECE_TEXT + SHA256_PAD];
	size_t len = base64url_encode(e->piece, e->len, text);

	return sha256_finish(&e->h, (uint8_t *)text, len);
}

/* A field digest as text.  They are sorted as text, which is not the order of
 * the digests: "-" comes before "0" and "_" between the cases. */
struct field {
	char text[DIGEST_TEXT_SIZE];
};

/* The first bytes settle nearly every comparison. */
static uint32_t field_head(const struct field *f)
{
	uint32_t head;

	memcpy(&head, f->text, sizeof(head));
	return be32toh(head);
}

static void field_digest(const char *salt, const struct span *name,
	const struct span *value, struct field *out)
{
	struct encoder e;
	struct digest d;

	encoder_init(&e);
	ENCODE(&e, "[\"");
	encoder_add(&e, salt, SALT_TEXT_SIZE - 1);
	ENCODE(&e, "\",\"");
	encoder_add(&e, name->s, name->len);
	ENCODE(&e, "\",");
	encoder_add(&e, value->s, value->len);
	ENCODE(&e, "]");
	d = encoder_final(&e);
	digest_base64url(&d, out->text);
}

static int compare_fields(const void *a, const void *b)
{
	uint32_t x = field_head(a), y = field_head(b);

	return x != y ? (x > y) - (x < y) : memcmp(a, b, sizeof(struct field));
}

/* Most parts have a handful of fields, where insertion beats a call of qsort
 * for each comparison. */
static void sort_fields(struct field *f, size_t n)
{
	if (n > 16) {
		qsort(f, n, sizeof(*f), compare_fields);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct field x = f[i];
		size_t j = i;

		for (; j > 0 && compare_fields(&f[j - 1], &x) > 0; j--)
			f[j] = f[j - 1];
		f[j] = x;
	}
}

static struct digest close_part(const struct hmac_key *k, enum label label,
	struct field *fields, size_t count)
{
	static const struct span no_name = {"", 0};
	char salt[SALT_TEXT_SIZE];
	struct encoder e;

	sort_fields(fields, count);
	salt_of(k, label, &no_name, salt);
	encoder_init(&e);
	ENCODE(&e, "[\"");
	encoder_add(&e, salt, SALT_TEXT_SIZE - 1);
	ENCODE(&e, "\",\"");
	encoder_add(&e, names[label], strlen(names[label]));
	ENCODE(&e, "\",{\"_sd\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			ENCODE(&e, ",");
		ENCODE(&e, "\"");
		encoder_add(&e, fields[i].text, DIGEST_TEXT_SIZE - 1);
		ENCODE(&e, "\"");
	}
	ENCODE(&e, "]}]");
	return encoder_final(&e);
}

static enum err_code not_compact(
	const struct scan *s, const char *json, size_t len, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"part is not a compact json object: byte %zu of %zu",
		(size_t)(s->at - json), len);
}

/* Members up to the closing brace, into fields[]. */
static enum err_code scan_members(const struct hmac_key *k, enum label label,
	struct scan *s, struct field *fields, size_t *count, struct err *err)
{
	const char *json = s->at - 1;
	const size_t len = (size_t)(s->end - json);
	char salt[SALT_TEXT_SIZE];
	struct span name, value;

	do {
		if (!take_string(s, &name))
			return not_compact(s, json, len, err);
		if (name_reserved(&name))
			return err_set(err, ERR_INVALID,
				"part has a field named \"%.*s\"",
				(int)name.len, name.s);
		if (*count == PART_FIELDS_LIMIT)
			return err_set(err, ERR_INVALID,
				"part of more than %d fields",
				PART_FIELDS_LIMIT);
		if (!take(s, ':'))
			return not_compact(s, json, len, err);
		value.s = s->at;
		if (!skip_value(s, NESTED_LIMIT))
			return not_compact(s, json, len, err);
		value.len = (size_t)(s->at - value.s);
		salt_of(k, label, &name, salt);
		field_digest(salt, &name, &value, &fields[(*count)++]);
	} while (take(s, ','));
	if (!take(s, '}'))
		return not_compact(s, json, len, err);
	return ERR_OK;
}

enum err_code part_digest(const uint8_t seed[SEED_SIZE], enum label label,
	const char *json, size_t len, struct digest *out, struct err *err)
{
	struct field fields[PART_FIELDS_LIMIT];
	enum err_code rc = ERR_OK;
	struct hmac_key k;
	size_t count = 0;
	struct scan s;

	if (!len)
		return err_set(err, ERR_INVALID, "part of 0 bytes");
	s = (struct scan){json, json + len};
	if (!take(&s, '{'))
		return not_compact(&s, json, len, err);
	hmac_init(&k, seed, SEED_SIZE);
	if (!take(&s, '}'))
		rc = scan_members(&k, label, &s, fields, &count, err);
	if (rc == ERR_OK && s.at != s.end)
		rc = not_compact(&s, json, len, err);
	if (rc == ERR_OK)
		*out = close_part(&k, label, fields, count);
	hmac_fini(&k);
	return rc;
}

enum err_code field_disclosure(const uint8_t seed[SEED_SIZE], enum label label,
	const char *name, const char *value, size_t value_len, struct buf *out,
	struct err *err)
{
	struct buf quoted = BUF_EMPTY;
	char salt[SALT_TEXT_SIZE];
	struct scan s = {value, value + value_len};
	struct hmac_key k;
	struct span raw;
	enum err_code rc;

	if (!utf8_valid(name, strlen(name)))
		return err_set(err, ERR_INVALID, "field name is not utf-8");
	if (!skip_value(&s, NESTED_LIMIT) || s.at != s.end)
		return err_set(err, ERR_INVALID,
			"value of field \"%s\" is not compact json", name);
	json_write_string(&quoted, name, strlen(name));
	if ((rc = buf_ok(&quoted, err)))
		goto out;
	raw = (struct span){(const char *)quoted.data + 1, quoted.len - 2};
	if (name_reserved(&raw)) {
		rc = err_set(
			err, ERR_INVALID, "no field is named \"%s\"", name);
		goto out;
	}
	hmac_init(&k, seed, SEED_SIZE);
	salt_of(&k, label, &raw, salt);
	hmac_fini(&k);
	buf_printf(out, "[\"%s\",", salt);
	buf_add(out, quoted.data, quoted.len);
	buf_u8(out, ',');
	buf_add(out, value, value_len);
	buf_u8(out, ']');
	rc = buf_ok(out, err);
out:
	buf_free(&quoted);
	return rc;
}
