/* json_parse.c - strict parsing in one pass over a copy of the text.
 *
 * The copy becomes part of the tree: strings are decoded where they stand, as
 * no escape is shorter than what it stands for.  A NUL ends it, so that most
 * looks ahead need no bounds.  Messages never quote the text, which may be
 * personal.
 */
#include "base/json_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

#define SPARE 8 /* zero bytes behind the copy */
#define CHUNK_SIZE ((size_t)64 << 10)

/* Line and the characters of it before the byte at `end`, in front of the
 * text; a document is one line, and which one its reader knows. */
static enum err_code err_at(
	struct err *err, enum err_code code, const char *text, size_t end)
{
	size_t line = 1;
	size_t column = 0;

	for (size_t i = 0; i < end; i++) {
		if (text[i] == '\n') {
			line++;
			column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	if (line == 1)
		return err_while(err, code, "column %zu", column ? column : 1);
	return err_while(err, code, "line %zu column %zu", line, column);
}

/* ---- memory ---- */

static void *chunk_take(struct json_chunk *c, size_t size)
{
	uint8_t *p = (uint8_t *)(c + 1) + c->used;

	c->used += size;
	return p;
}

static struct json_chunk *chunk_new(size_t cap)
{
	struct json_chunk *c = malloc(sizeof(*c) + cap);

	if (c)
		*c = (struct json_chunk){NULL, 0, cap};
	return c;
}

static size_t aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* ---- parsing ---- */

struct parser {
	const char *text; /* as given */
	size_t len;
	char *start; /* the copy */
	char *at;
	struct json_document *doc;
	/* Members of the containers that are open. */
	struct json_member *open;
	size_t open_count, open_cap;
	size_t depth;
	struct err *err;
};

static enum err_code fail_at(
	const struct parser *p, const char *what, size_t end)
{
	return err_at(
		p->err, err_set(p->err, ERR_INVALID, "%s", what), p->text, end);
}

/* Up to and with the character at `at`, or at the end. */
static enum err_code unexpected(const struct parser *p, const char *at)
{
	size_t end = (size_t)(at - p->start);

	if (end >= p->len)
		return fail_at(p, "text ends too early", p->len);
	return fail_at(p, "not json", end + 1);
}

static void *take(struct parser *p, size_t size)
{
	struct json_chunk *c = p->doc->chunks;
	struct json_chunk *more;

	size = aligned(size);
	if (size <= c->cap - c->used)
		return chunk_take(c, size);
	more = chunk_new(size > CHUNK_SIZE ? size : CHUNK_SIZE);
	if (!more)
		return NULL;
	more->next = c;
	p->doc->chunks = more;
	return chunk_take(more, size);
}

static void skip_space(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' ||
		*p->at == '\t')
		p->at++;
}

static enum err_code take_number(struct parser *p, double *out)
{
	const char *end = p->at;
	enum json_number is = json_take_number(p->at, &end, out);
	size_t from = (size_t)(p->at - p->start);

	switch (is) {
	case JSON_NUMBER_WELL:
		break;
	case JSON_NUMBER_BROKEN:
		return unexpected(p, end);
	case JSON_NUMBER_BEYOND:
		return fail_at(p, "number beyond 2^53-1", from + 1);
	case JSON_NUMBER_LARGE:
		return fail_at(p, "number too large", (size_t)(end - p->start));
	case JSON_NUMBER_NOMEM:
		return err_nomem(p->err);
	}
	p->at += end - p->at;
	return ERR_OK;
}

/* Strings */

static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = s[i];
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static char *put_utf8(char *to, int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* Behind "\\u".  -1 for what stands for no character. */
static int unicode_escape(char **at)
{
	int c = hex4(*at);
	int low;

	if (c < 0)
		return -1;
	*at += 4;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c > 0xdbff || (*at)[0] != '\\' || (*at)[1] != 'u')
		return -1;
	low = hex4(*at + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*at += 6;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* Behind a backslash; false where the escape is none. */
static bool take_escape(struct parser *p, char **to, bool *nul)
{
	static const char from[] = "\"\\/bfnrt";
	static const char means[] = "\"\\/\b\f\n\r\t";
	const char *known = *p->at ? strchr(from, *p->at) : NULL;
	int c;

	if (known) {
		*(*to)++ = means[known - from];
		p->at++;
		return true;
	}
	if (*p->at != 'u')
		return false;
	p->at++;
	if ((c = unicode_escape(&p->at)) < 0)
		return false;
	*nul |= c == 0;
	*to = put_utf8(*to, c);
	return true;
}

/* Runs of characters beyond ASCII, most of them of three bytes. */
static bool take_beyond_ascii(struct parser *p)
{
	const uint8_t *s = (const uint8_t *)p->at;
	size_t left = p->len - (size_t)(p->at - p->start);

	while (*s >= 0x80) {
		size_t n = 3;

		if (*s <= 0xe0 || *s == 0xed || *s >= 0xf0 ||
			(s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80) {
			(void)utf8_next((const char *)s, left, &n);
			if (n == 1)
				break;
		}
		s += n;
		left -= n;
	}
	p->at = (char *)(uintptr_t)s;
	return *s < 0x80;
}

static size_t plain_ascii(const char *s)
{
	const uint64_t ones = UINT64_MAX / 255;
	size_t i = 0;

	/* SPARE bytes behind the end are zero, which is not plain. */
	for (;; i += 8) {
		uint64_t x, quote, slash, stop;

		memcpy(&x, s + i, 8);
		quote = x ^ (ones * '"');
		slash = x ^ (ones * '\\');
		stop = (x | ((x - ones * 0x20) & ~x) |
			       ((quote - ones) & ~quote) |
			       ((slash - ones) & ~slash)) &
			(ones << 7);
		if (stop)
			break;
	}
	while ((uint8_t)s[i] >= 0x20 && (uint8_t)s[i] < 0x80 && s[i] != '"' &&
		s[i] != '\\')
		i++;
	return i;
}

/* The string whose inside begins here; what it stands for is put there. */
static enum err_code take_string(
	struct parser *p, const char **out, size_t *out_len)
{
	char *start = p->at;
	char *to = start;
	bool nul = false;

	for (;;) {
		char *from = p->at;

		p->at += plain_ascii(p->at);
		if ((uint8_t)*p->at >= 0x80 && !take_beyond_ascii(p))
			return fail_at(
				p, "invalid utf-8", (size_t)(p->at - p->start));
		if (to != from)
			memmove(to, from, (size_t)(p->at - from));
		to += p->at - from;
		if (*p->at == '"')
			break;
		if (*p->at == '\\') {
			p->at++;
			if (!take_escape(p, &to, &nul))
				return unexpected(p, p->at);
		} else if ((uint8_t)*p->at < 0x20) {
			return unexpected(p, p->at);
		}
	}
	p->at++;
	if (nul)
		return fail_at(
			p, "NUL in a string", (size_t)(p->at - p->start));
	*to = '\0';
	*out = start;
	*out_len = (size_t)(to - start);
	return ERR_OK;
}

/* Containers */

static enum err_code take_value(struct parser *p, struct json *v);

static enum err_code push(struct parser *p, const struct json_member *m)
{
	if (!grow(&p->open, &p->open_cap, p->open_count, sizeof(*p->open)))
		return err_nomem(p->err);
	p->open[p->open_count++] = *m;
	return ERR_OK;
}

/* Where the second of two equal names ends in the text. */
static enum err_code duplicate(
	const struct parser *p, const char *a, const char *b)
{
	size_t end = (size_t)((a > b ? a : b) - p->start);

	while (p->text[end] != '"')
		end += p->text[end] == '\\' ? 2 : 1;
	return fail_at(p, "duplicate name", end + 1);
}

static enum err_code check_names(struct parser *p, struct json *v)
{
	if (v->count > JSON_FEW) {
		json_sort(v);
		for (size_t i = 1; i < v->count; i++) {
			const struct json_member *a = &v->at[v->order[i - 1]];
			const struct json_member *b = &v->at[v->order[i]];

			if (a->len == b->len &&
				memcmp(a->name, b->name, a->len) == 0)
				return duplicate(p, a->name, b->name);
		}
		return ERR_OK;
	}
	for (size_t i = 1; i < v->count; i++)
		for (size_t k = 0; k < i; k++)
			if (v->at[i].len == v->at[k].len &&
				memcmp(v->at[i].name, v->at[k].name,
					v->at[i].len) == 0)
				return duplicate(
					p, v->at[i].name, v->at[k].name);
	return ERR_OK;
}

/* What was pushed since `from` becomes the container's. */
static enum err_code close_container(
	struct parser *p, struct json *v, size_t from)
{
	size_t count = p->open_count - from;
	size_t size = count * sizeof(*v->at);

	p->open_count = from;
	if (count == 0)
		return ERR_OK;
	v->at = take(p, json_room(count));
	if (!v->at)
		return err_nomem(p->err);
	memcpy(v->at, p->open + from, size);
	v->count = count;
	if (v->kind == JSON_KIND_ARRAY)
		return ERR_OK;
	v->order = (uint32_t *)(v->at + count);
	return check_names(p, v);
}

static enum err_code take_name(struct parser *p, struct json_member *m)
{
	size_t len;
	enum err_code rc;

	skip_space(p);
	if (*p->at != '"')
		return unexpected(p, p->at);
	p->at++;
	if ((rc = take_string(p, &m->name, &len)))
		return rc;
	m->len = (uint32_t)len;
	skip_space(p);
	if (*p->at != ':')
		return unexpected(p, p->at);
	p->at++;
	return ERR_OK;
}

static enum err_code take_members(struct parser *p, char close)
{
	enum err_code rc;

	for (;;) {
		struct json_member m = {0};

		if (close == '}' && (rc = take_name(p, &m)))
			return rc;
		if (!(m.value = take(p, sizeof(*m.value))))
			return err_nomem(p->err);
		if ((rc = take_value(p, m.value)) || (rc = push(p, &m)))
			return rc;
		skip_space(p);
		if (*p->at == close)
			break;
		if (*p->at != ',')
			return unexpected(p, p->at);
		p->at++;
	}
	p->at++;
	return ERR_OK;
}

static enum err_code take_container(struct parser *p, struct json *v)
{
	char close = v->kind == JSON_KIND_OBJECT ? '}' : ']';
	size_t from = p->open_count;
	enum err_code rc;

	if (++p->depth > JSON_DEPTH_LIMIT) {
		rc = err_set(p->err, ERR_INVALID, "nested deeper than %d",
			JSON_DEPTH_LIMIT);
		return err_at(
			p->err, rc, p->text, (size_t)(p->at - p->start) + 1);
	}
	p->at++;
	skip_space(p);
	if (*p->at == close)
		p->at++;
	else if ((rc = take_members(p, close)))
		return rc;
	p->depth--;
	return close_container(p, v, from);
}

static enum err_code take_word(struct parser *p, const char *word)
{
	for (; *word; word++, p->at++)
		if (*p->at != *word)
			return unexpected(p, p->at);
	return ERR_OK;
}

static enum err_code take_value(struct parser *p, struct json *v)
{
	skip_space(p);
	*v = (struct json){.kind = JSON_KIND_NULL};
	switch (*p->at) {
	case '"':
		v->kind = JSON_KIND_STRING;
		p->at++;
		return take_string(p, &v->text, &v->count);
	case '{':
	case '[':
		v->kind = *p->at == '{' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
		return take_container(p, v);
	case 't':
		v->truth = true;
		v->kind = JSON_KIND_BOOL;
		return take_word(p, "true");
	case 'f':
		v->kind = JSON_KIND_BOOL;
		return take_word(p, "false");
	case 'n':
		return take_word(p, "null");
	default:
		v->kind = JSON_KIND_NUMBER;
		return take_number(p, &v->number);
	}
}

/* Room for the copy and, in texts like most, for the whole tree. */
static enum err_code begin(
	struct parser *p, const char *text, size_t len, struct err *err)
{
	size_t doc = aligned(sizeof(*p->doc));
	size_t copy = aligned(len + SPARE);
	struct json_chunk *c = chunk_new(doc + copy + len * 5 + 256);

	if (!c)
		return err_nomem(err);
	p->doc = chunk_take(c, doc);
	*p->doc = (struct json_document){.chunks = c};
	p->start = p->at = chunk_take(c, copy);
	if (len > 0)
		memcpy(p->start, text, len);
	memset(p->start + len, 0, SPARE);
	p->text = text;
	p->len = len;
	p->err = err;
	return ERR_OK;
}

enum err_code json_parse(const void *text, size_t len, size_t limit,
	struct json **out, struct err *err)
{
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
	struct parser p = {0};
	enum err_code rc;

	if (len > limit || len > UINT32_MAX / 8)
		return err_set(err, ERR_LIMIT,
			"json text of %zu bytes, limit %zu", len, limit);
	if (nul)
		return err_at(err, err_set(err, ERR_INVALID, "NUL in the text"),
			text, (size_t)(nul - (const char *)text) + 1);
	if ((rc = begin(&p, text, len, err)))
		return rc;
	if (!(rc = take_value(&p, &p.doc->root))) {
		skip_space(&p);
		if (p.at != p.start + len)
			rc = fail_at(&p, "text goes on behind the value",
				(size_t)(p.at - p.start) + 1);
	}
	p.doc->root.document = true;
	free(p.open);
	if (rc)
		json_document_free(p.doc);
	else
		*out = &p.doc->root;
	return rc;
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
		text, same + 1);
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
