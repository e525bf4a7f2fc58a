/* note.c - C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. */
#include "crypto/note.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE 4
#define TIME_SIZE 8
#define PLAIN_SIZE (ID_SIZE + SIGNATURE_SIZE)
#define COSIGNATURE_SIZE (ID_SIZE + TIME_SIZE + SIGNATURE_SIZE)
#define DASH "\xe2\x80\x94 " /* U+2014 and a space open a signature line */
#define DASH_LEN (sizeof(DASH) - 1)
#define COSIGNATURE_HEAD "cosignature/v1"

/* White_Space of the Unicode character database. */
static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 ||
		c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
		c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
		c == 0x3000;
}

bool note_name_valid(const char *name, size_t len)
{
	size_t n;

	if (len == 0 || len >= NOTE_NAME_SIZE || !utf8_valid(name, len))
		return false;
	for (size_t i = 0; i < len; i += n) {
		uint32_t c = utf8_next(name + i, len - i, &n);

		if (c < 0x20 || c == 0x7f || c == '+' || is_space(c))
			return false;
	}
	/* As an origin it would make a checkpoint look like the message of a
	 * cosignature. */
	return len != strlen(COSIGNATURE_HEAD) ||
		memcmp(name, COSIGNATURE_HEAD, len) != 0;
}

static uint32_t get_u32(const uint8_t *p)
{
	struct cursor c = cursor_over(p, 4);

	return cursor_u32(&c);
}

static uint64_t get_u64(const uint8_t *p)
{
	struct cursor c = cursor_over(p, 8);

	return cursor_u64(&c);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

enum err_code note_key_make(const char *name, enum note_type type,
	const struct sign_public *pub, struct note_key *out, struct err *err)
{
	const uint8_t middle[2] = {'\n', (uint8_t)type};
	struct sha256 h;
	struct digest d;

	if (!note_name_valid(name, strlen(name)))
		return err_set(err, ERR_USAGE,
			"\"%.128s\" cannot name a signing key", name);
	sha256_init(&h);
	sha256_update(&h, name, strlen(name));
	sha256_update(&h, middle, sizeof(middle));
	sha256_update(&h, pub->b, sizeof(pub->b));
	d = sha256_final(&h);

	memset(out->name, 0, sizeof(out->name));
	memcpy(out->name, name, strlen(name));
	out->type = type;
	out->pub = *pub;
	out->id = get_u32(d.b);
	return ERR_OK;
}

void note_key_vkey(const struct note_key *k, char out[VKEY_SIZE])
{
	uint8_t raw[1 + SIGN_PUBLIC_SIZE];
	char text[BASE64_SIZE(sizeof(raw))];

	raw[0] = (uint8_t)k->type;
	memcpy(raw + 1, k->pub.b, SIGN_PUBLIC_SIZE);
	base64_encode(raw, sizeof(raw), text);
	snprintf(out, VKEY_SIZE, "%s+%08" PRIx32 "+%s", k->name, k->id, text);
}

/* name "+" id "+" key; the base64 may hold more of "+". */
static bool split_vkey(const char *vkey, char name[NOTE_NAME_SIZE],
	uint8_t id[ID_SIZE], uint8_t raw[1 + SIGN_PUBLIC_SIZE])
{
	const char *first = strchr(vkey, '+');
	const char *second = first ? strchr(first + 1, '+') : NULL;
	size_t len, raw_len;

	if (!second || (len = (size_t)(first - vkey)) >= NOTE_NAME_SIZE)
		return false;
	memcpy(name, vkey, len);
	name[len] = 0;
	return second - first == 2 * ID_SIZE + 1 &&
		hex_decode(first + 1, 2 * ID_SIZE, id, ID_SIZE) &&
		base64_decode(second + 1, strlen(second + 1), raw,
			1 + SIGN_PUBLIC_SIZE, &raw_len) &&
		raw_len == 1 + SIGN_PUBLIC_SIZE;
}

enum err_code note_key_parse(
	const char *vkey, struct note_key *out, struct err *err)
{
	uint8_t id[ID_SIZE], raw[1 + SIGN_PUBLIC_SIZE];
	char name[NOTE_NAME_SIZE];
	struct sign_public pub;
	struct note_key k;

	if (!split_vkey(vkey, name, id, raw) ||
		!note_name_valid(name, strlen(name)))
		return err_set(err, ERR_INVALID,
			"\"%.200s\" is not a verifier key", vkey);
	if (raw[0] != NOTE_ED25519 && raw[0] != NOTE_COSIGNATURE)
		return err_set(err, ERR_INVALID,
			"key %s has type %u, known are 1 and 4", name, raw[0]);
	memcpy(pub.b, raw + 1, sizeof(pub.b));
	if (!sign_public_sound(&pub))
		return err_set(err, ERR_INVALID,
			"key %s is not a sound ed25519 point", name);
	if (note_key_make(name, (enum note_type)raw[0], &pub, &k, err))
		return ERR_INVALID;
	if (k.id != get_u32(id))
		return err_set(err, ERR_INVALID,
			"key %s has id %08" PRIx32 ", its bytes say %08" PRIx32,
			name, get_u32(id), k.id);
	*out = k;
	return ERR_OK;
}

/* Decodes in pieces, since a signature of another kind may be of any size up
 * to the note's; tells only the key id. */
static bool check_base64(const char *s, size_t len, uint32_t *id)
{
	enum { CHARS = 1024, BYTES = CHARS / 4 * 3 };
	uint8_t bytes[BYTES];
	size_t got, total = 0;

	for (size_t i = 0; i < len; i += CHARS) {
		size_t n = len - i < CHARS ? len - i : CHARS;

		if (!base64_decode(s + i, n, bytes, sizeof(bytes), &got))
			return false;
		if (n == CHARS && i + n < len && got != BYTES)
			return false;
		if (i == 0 && got > ID_SIZE)
			*id = get_u32(bytes);
		total += got;
	}
	return total > ID_SIZE;
}

static bool parse_line(const char *s, size_t len, struct note_line *out)
{
	const char *name = s + DASH_LEN, *space;
	size_t name_len;

	if (len < DASH_LEN || memcmp(s, DASH, DASH_LEN))
		return false;
	space = memchr(name, ' ', len - DASH_LEN);
	if (!space)
		return false;
	name_len = (size_t)(space - name);
	if (!note_name_valid(name, name_len))
		return false;
	memset(out->name, 0, sizeof(out->name));
	memcpy(out->name, name, name_len);
	out->raw = space + 1;
	out->raw_len = (size_t)(s + len - out->raw);
	return check_base64(out->raw, out->raw_len, &out->id);
}

/* Where the last blank line begins: the "\n" before it belongs to the text. */
static const char *find_blank(const char *s, size_t len)
{
	for (size_t i = len; i-- > 1;)
		if (s[i] == '\n' && s[i - 1] == '\n')
			return s + i;
	return NULL;
}

static bool text_allowed(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\n')
			return false;
	return utf8_valid(s, len);
}

enum err_code note_parse(
	const void *data, size_t len, struct note *out, struct err *err)
{
	const char *text = data, *blank, *line;
	struct note n = {.text = text};
	struct cursor c;
	size_t line_len;

	if (len == 0 || len > NOTE_SIZE_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"note of %zu bytes, limit %zu", len, NOTE_SIZE_LIMIT);
	if (!text_allowed(text, len))
		return err_set(err, ERR_PROTOCOL,
			"note with control bytes or not in utf-8");
	if (!(blank = find_blank(text, len)))
		return err_set(err, ERR_PROTOCOL, "note without signatures");
	n.text_len = (size_t)(blank - text);

	c = cursor_over(blank + 1, len - n.text_len - 1);
	while (c.left) {
		line = cursor_line(&c, &line_len);
		if (n.count == NOTE_SIGNATURES_LIMIT)
			return err_set(err, ERR_PROTOCOL,
				"note with more than %d signatures",
				NOTE_SIGNATURES_LIMIT);
		if (!line || !parse_line(line, line_len, &n.line[n.count]))
			return err_set(err, ERR_PROTOCOL,
				"note whose signature line %zu is malformed",
				n.count + 1);
		n.count++;
	}
	if (!n.count)
		return err_set(err, ERR_PROTOCOL, "note without signatures");
	*out = n;
	return ERR_OK;
}

/* What an Ed25519 cosigner signs.  It does not name the cosigner, hence one
 * key for one name. */
static void cosignature_message(
	uint64_t time, const char *text, size_t len, struct buf *out)
{
	buf_printf(out, COSIGNATURE_HEAD "\ntime %" PRIu64 "\n", time);
	buf_add(out, text, len);
}

/* The bytes of a line, when they are as many as `cap`. */
static bool line_bytes(const struct note_line *l, uint8_t *out, size_t cap)
{
	size_t got;

	return l->raw_len == BASE64_SIZE(cap) - 1 &&
		base64_decode(l->raw, l->raw_len, out, cap, &got) && got == cap;
}

static bool check_cosignature(const struct note *n, const struct note_line *l,
	const struct sign_public *pub, uint64_t *time)
{
	uint8_t raw[COSIGNATURE_SIZE];
	struct buf msg = BUF_EMPTY;
	bool good;

	if (!line_bytes(l, raw, sizeof(raw)))
		return false;
	*time = get_u64(raw + ID_SIZE);
	if (*time > INT64_MAX)
		return false;
	cosignature_message(*time, n->text, n->text_len, &msg);
	good = !msg.failed &&
		sign_check(pub, msg.data, msg.len, raw + ID_SIZE + TIME_SIZE);
	buf_free(&msg);
	return good;
}

static bool check_line(const struct note *n, const struct note_line *l,
	const struct note_key *k, uint64_t *time)
{
	uint8_t raw[PLAIN_SIZE];

	*time = 0;
	switch (k->type) {
	case NOTE_ED25519:
		return line_bytes(l, raw, sizeof(raw)) &&
			sign_check(
				&k->pub, n->text, n->text_len, raw + ID_SIZE);
	case NOTE_COSIGNATURE:
		return check_cosignature(n, l, &k->pub, time);
	}
	return false;
}

/* signed-note: a known key's bad signature spoils the note, so every line of
 * the key is looked at. */
enum note_verdict note_check(
	const struct note *n, const struct note_key *k, uint64_t *time)
{
	enum note_verdict verdict = NOTE_ABSENT;
	uint64_t newest = 0, t;

	for (size_t i = 0; i < n->count; i++) {
		const struct note_line *l = &n->line[i];

		if (l->id != k->id || strcmp(l->name, k->name))
			continue;
		if (!check_line(n, l, k, &t))
			return NOTE_BAD;
		verdict = NOTE_GOOD;
		if (t > newest)
			newest = t;
	}
	if (verdict == NOTE_GOOD && time)
		*time = newest;
	return verdict;
}

static bool digest_line(const char *s, size_t len, struct digest *out)
{
	size_t got;

	return len == BASE64_SIZE(DIGEST_SIZE) - 1 &&
		base64_decode(s, len, out->b, sizeof(out->b), &got) &&
		got == DIGEST_SIZE;
}

enum err_code checkpoint_parse(
	const char *text, size_t len, struct checkpoint *out, struct err *err)
{
	struct cursor c = cursor_over(text, len);
	size_t origin_len = 0, size_len = 0, root_len = 0;
	const char *origin = cursor_line(&c, &origin_len);
	const char *size = cursor_line(&c, &size_len);
	const char *root = cursor_line(&c, &root_len);
	struct digest empty = tree_empty();
	struct checkpoint cp = {0};

	if (!cursor_done(&c))
		return err_set(err, ERR_PROTOCOL,
			"checkpoint that is not just three lines");
	if (!note_name_valid(origin, origin_len))
		return err_set(err, ERR_PROTOCOL,
			"checkpoint with a malformed origin");
	memcpy(cp.origin, origin, origin_len);
	if (!number_parse(size, size_len, TREE_SIZE_LIMIT, &cp.size))
		return err_set(err, ERR_PROTOCOL,
			"checkpoint of %s with a malformed size", cp.origin);
	if (!digest_line(root, root_len, &cp.root))
		return err_set(err, ERR_PROTOCOL,
			"checkpoint of %s with a malformed root", cp.origin);
	if (cp.size == 0 && !digest_equal(&cp.root, &empty))
		return err_set(err, ERR_PROTOCOL,
			"checkpoint of %s with size 0 and a root", cp.origin);
	*out = cp;
	return ERR_OK;
}

static void add_digest_line(const struct digest *d, struct buf *out)
{
	char text[BASE64_SIZE(DIGEST_SIZE)];

	base64_encode(d->b, sizeof(d->b), text);
	buf_printf(out, "%s\n", text);
}

void checkpoint_text(const struct checkpoint *cp, struct buf *out)
{
	buf_printf(out, "%s\n%" PRIu64 "\n", cp->origin, cp->size);
	add_digest_line(&cp->root, out);
}

static void add_signature_line(
	const char *name, const uint8_t *raw, size_t raw_len, struct buf *out)
{
	char text[BASE64_SIZE(COSIGNATURE_SIZE)];

	base64_encode(raw, raw_len, text);
	buf_printf(out, DASH "%s %s\n", name, text);
}

enum whole { LINE_ALONE, NOTE_WHOLE };

static enum err_code sign_as(enum whole whole, const struct checkpoint *cp,
	const struct sign_key *k, struct buf *out, struct err *err)
{
	struct sign_public pub = sign_key_public(k);
	struct buf text = BUF_EMPTY;
	uint8_t raw[PLAIN_SIZE];
	struct note_key key;
	enum err_code rc;

	if ((rc = note_key_make(cp->origin, NOTE_ED25519, &pub, &key, err)))
		return rc;
	put_u32(raw, key.id);
	checkpoint_text(cp, &text);
	if ((rc = buf_ok(&text, err)) ||
		(rc = sign_make(k, text.data, text.len, raw + ID_SIZE, err)))
		goto out;
	if (whole == NOTE_WHOLE) {
		buf_add(out, text.data, text.len);
		buf_u8(out, '\n');
	}
	add_signature_line(key.name, raw, sizeof(raw), out);
	rc = buf_ok(out, err);
out:
	buf_free(&text);
	return rc;
}

enum err_code checkpoint_sign(const struct checkpoint *cp,
	const struct sign_key *k, struct buf *out, struct err *err)
{
	return sign_as(NOTE_WHOLE, cp, k, out, err);
}

enum err_code checkpoint_sign_too(const struct checkpoint *cp,
	const struct sign_key *k, struct buf *out, struct err *err)
{
	return sign_as(LINE_ALONE, cp, k, out, err);
}

enum err_code checkpoint_open(const void *data, size_t len,
	const struct sign_public *log_key, struct note *note,
	struct checkpoint *cp, struct err *err)
{
	struct checkpoint c;
	struct note_key key;
	enum err_code rc;
	struct note n;

	if ((rc = note_parse(data, len, &n, err)) ||
		(rc = checkpoint_parse(n.text, n.text_len, &c, err)) ||
		(rc = note_key_make(
			 c.origin, NOTE_ED25519, log_key, &key, err)))
		return rc;
	switch (note_check(&n, &key, NULL)) {
	case NOTE_ABSENT:
		return err_set(err, ERR_DENIED,
			"checkpoint of %s at %" PRIu64
			" without a signature of key %08" PRIx32,
			c.origin, c.size, key.id);
	case NOTE_BAD:
		return err_set(err, ERR_DENIED,
			"checkpoint of %s at %" PRIu64
			" with a bad signature of key %08" PRIx32,
			c.origin, c.size, key.id);
	case NOTE_GOOD:
		break;
	}
	*note = n;
	*cp = c;
	return ERR_OK;
}

enum err_code checkpoint_cosign(const struct note *note, const char *name,
	const struct sign_key *k, uint64_t time, struct buf *out,
	struct err *err)
{
	struct sign_public pub = sign_key_public(k);
	uint8_t raw[COSIGNATURE_SIZE];
	struct buf msg = BUF_EMPTY;
	struct checkpoint cp;
	struct note_key key;
	enum err_code rc;

	if (time == 0 || time > INT64_MAX)
		return err_set(err, ERR_USAGE,
			"cosignature at time %" PRIu64 ", 1 to %" PRId64, time,
			INT64_MAX);
	if ((rc = checkpoint_parse(note->text, note->text_len, &cp, err)) ||
		(rc = note_key_make(name, NOTE_COSIGNATURE, &pub, &key, err)))
		return rc;
	put_u32(raw, key.id);
	put_u64(raw + ID_SIZE, time);
	cosignature_message(time, note->text, note->text_len, &msg);
	if ((rc = buf_ok(&msg, err)) ||
		(rc = sign_make(
			 k, msg.data, msg.len, raw + ID_SIZE + TIME_SIZE, err)))
		goto out;
	add_signature_line(key.name, raw, sizeof(raw), out);
	rc = buf_ok(out, err);
out:
	buf_free(&msg);
	return rc;
}

/* The time of a line that has a cosignature's size, 0 for any other. */
static uint64_t line_time(const struct note_line *l)
{
	uint8_t raw[COSIGNATURE_SIZE];

	return line_bytes(l, raw, sizeof(raw)) ? get_u64(raw + ID_SIZE) : 0;
}

/* Puts a line in its key's place when it is newer, or behind the others.
 * false = there is no room. */
static bool merge_line(const struct note_line **lines, size_t *count,
	const struct note_line *l)
{
	for (size_t i = 0; i < *count; i++) {
		if (lines[i]->id != l->id || strcmp(lines[i]->name, l->name))
			continue;
		if (line_time(l) > line_time(lines[i]))
			lines[i] = l;
		return true;
	}
	if (*count == NOTE_SIGNATURES_LIMIT)
		return false;
	lines[(*count)++] = l;
	return true;
}

enum err_code note_merge(const struct note *a, const struct note *b,
	struct buf *out, struct err *err)
{
	const struct note_line *lines[NOTE_SIGNATURES_LIMIT];
	size_t count = 0, len = a->text_len + 1;
	bool fits = true;

	if (a->text_len != b->text_len || memcmp(a->text, b->text, a->text_len))
		return err_set(err, ERR_USAGE, "notes of different texts");
	for (size_t i = 0; i < a->count; i++)
		fits = fits && merge_line(lines, &count, &a->line[i]);
	for (size_t i = 0; i < b->count; i++)
		fits = fits && merge_line(lines, &count, &b->line[i]);
	for (size_t i = 0; i < count; i++)
		len += DASH_LEN + strlen(lines[i]->name) + lines[i]->raw_len +
			2;
	if (!fits || len > NOTE_SIZE_LIMIT)
		return err_set(err, ERR_LIMIT,
			"merged note past %d signatures or %zu bytes",
			NOTE_SIGNATURES_LIMIT, NOTE_SIZE_LIMIT);

	buf_add(out, a->text, a->text_len);
	buf_u8(out, '\n');
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, DASH "%s ", lines[i]->name);
		buf_add(out, lines[i]->raw, lines[i]->raw_len);
		buf_u8(out, '\n');
	}
	return buf_ok(out, err);
}

#define PROOF_HEAD "c2sp.org/tlog-proof@v1"

void proof_write(uint64_t index, const struct tree_proof *p, const void *extra,
	size_t extra_len, const char *note, size_t note_len, struct buf *out)
{
	uint8_t *room;

	buf_str(out, PROOF_HEAD "\n");
	if (extra) {
		buf_str(out, "extra ");
		room = buf_reserve(out, BASE64_SIZE(extra_len));
		if (room)
			out->len +=
				base64_encode(extra, extra_len, (char *)room);
		buf_u8(out, '\n');
	}
	buf_printf(out, "index %" PRIu64 "\n", index);
	for (unsigned i = 0; i < p->count; i++)
		add_digest_line(&p->hash[i], out);
	buf_u8(out, '\n');
	buf_add(out, note, note_len);
}

/* What follows `word` and a space in a line; NULL when it opens otherwise. */
static const char *after_word(
	const char *line, size_t len, const char *word, size_t *rest)
{
	size_t n = strlen(word);

	if (!line || len <= n || memcmp(line, word, n) || line[n] != ' ')
		return NULL;
	*rest = len - n - 1;
	return line + n + 1;
}

/* The optional second line. */
static enum err_code parse_extra(
	const char *s, size_t len, struct proof *out, struct err *err)
{
	size_t cap = len / 4 * 3;

	if (!(out->extra = malloc(cap + 1)))
		return err_nomem(err);
	if (!base64_decode(s, len, out->extra, cap, &out->extra_len))
		return err_set(err, ERR_PROTOCOL,
			"proof whose extra line is not base64");
	return ERR_OK;
}

static enum err_code parse_hashes(
	struct cursor *c, struct tree_proof *out, struct err *err)
{
	const char *line;
	size_t len;

	while ((line = cursor_line(c, &len)) && len) {
		if (out->count == TREE_PROOF_LIMIT)
			return err_set(err, ERR_PROTOCOL,
				"proof of more than %d hashes",
				TREE_PROOF_LIMIT);
		if (!digest_line(line, len, &out->hash[out->count]))
			return err_set(err, ERR_PROTOCOL,
				"proof whose hash %u is malformed",
				out->count + 1);
		out->count++;
	}
	if (!line)
		return err_set(err, ERR_PROTOCOL, "proof without a checkpoint");
	return ERR_OK;
}

static enum err_code parse_proof(
	struct cursor *c, struct proof *p, struct err *err)
{
	size_t len = 0, rest = 0;
	const char *line = cursor_line(c, &len), *value;
	enum err_code rc;

	if (!line || len != strlen(PROOF_HEAD) || memcmp(line, PROOF_HEAD, len))
		return err_set(err, ERR_PROTOCOL,
			"proof that does not open with " PROOF_HEAD);
	line = cursor_line(c, &len);
	if ((value = after_word(line, len, "extra", &rest))) {
		if ((rc = parse_extra(value, rest, p, err)))
			return rc;
		line = cursor_line(c, &len);
	}
	value = after_word(line, len, "index", &rest);
	if (!value || !number_parse(value, rest, TREE_SIZE_LIMIT, &p->index))
		return err_set(
			err, ERR_PROTOCOL, "proof with a malformed index");
	if ((rc = parse_hashes(c, &p->path, err)))
		return rc;
	if (c->left == 0 || c->left > NOTE_SIZE_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"proof with a checkpoint of %zu bytes, limit %zu",
			c->left, NOTE_SIZE_LIMIT);
	p->note_len = c->left;
	p->note = (const char *)cursor_bytes(c, c->left);
	return ERR_OK;
}

enum err_code proof_parse(
	const void *data, size_t len, struct proof *out, struct err *err)
{
	struct cursor c = cursor_over(data, len);
	struct proof p = {0};
	enum err_code rc;

	if (len > PROOF_SIZE_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"proof of %zu bytes, limit %zu", len, PROOF_SIZE_LIMIT);
	if ((rc = parse_proof(&c, &p, err))) {
		proof_fini(&p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

void proof_fini(struct proof *p)
{
	free(p->extra);
	*p = (struct proof){0};
}
