/* messages.c - the kinds of messages, and the bytes of the control messages. */
#include "syncd/messages.h"

#include <stdlib.h>
#include <string.h>

/* protocol section 6 has the same table. */
static const struct message_spec specs[MESSAGE_KINDS] = {
	[MESSAGE_HELLO] = {"HELLO", LANE_URGENT, HELLO_SIZE_LIMIT},
	[MESSAGE_GOVERNANCE] = {"GOVERNANCE", LANE_URGENT,
		GOVERNANCE_BUNDLE_LIMIT},
	[MESSAGE_CHECKPOINT] = {"CHECKPOINT", LANE_RECORDS,
		NOTE_SIZE_LIMIT + ((size_t)4 << 10)},
	[MESSAGE_PACKAGE] = {"PACKAGE", LANE_RECORDS, PACKAGE_SIZE_LIMIT},
	[MESSAGE_ACK] = {"ACK", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_COSIGNED] = {"COSIGNED", LANE_URGENT, NOTE_SIZE_LIMIT},
	[MESSAGE_PROVED] = {"PROVED", LANE_URGENT, PROVED_SIZE_LIMIT},
	[MESSAGE_WANT] = {"WANT", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_DATA] = {"DATA", LANE_ATTACHMENTS,
		ATTACHMENT_RANGE + DIGEST_SIZE + 8},
	[MESSAGE_NONE] = {"NONE", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_HAVE] = {"HAVE", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_BUSY] = {"BUSY", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_REFUSED] = {"REFUSED", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_BYE] = {"BYE", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_PING] = {"PING", LANE_URGENT, 0},
	[MESSAGE_PONG] = {"PONG", LANE_URGENT, PONG_LIMIT},
	[MESSAGE_PROVE] = {"PROVE", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_AGAIN] = {"AGAIN", LANE_URGENT, CONTROL_SIZE_LIMIT},
	[MESSAGE_ENTRIES] = {"ENTRIES", LANE_RECORDS, ENTRIES_SIZE_LIMIT},
};

const struct message_spec *message_spec(unsigned kind)
{
	if (kind == 0 || kind >= MESSAGE_KINDS)
		return NULL;
	return &specs[kind];
}

/* ---- rows ---- */

enum err_code rows_add(struct rows *r, const char *origin, uint64_t n,
	uint64_t known, struct err *err)
{
	if (r->count == SESSION_ROWS_LIMIT)
		return err_set(err, ERR_LIMIT, "more than %d logs",
			SESSION_ROWS_LIMIT);
	if (!grow(&r->row, &r->cap, r->count, sizeof(*r->row)))
		return err_nomem(err);
	r->row[r->count] = (struct row){.n = n, .known = known};
	memcpy(r->row[r->count].origin, origin, strlen(origin) + 1);
	r->count++;
	return ERR_OK;
}

struct row *rows_find(const struct rows *r, const char *origin)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!strcmp(r->row[i].origin, origin))
			return &r->row[i];
	}
	return NULL;
}

void rows_free(struct rows *r)
{
	free(r->row);
	*r = (struct rows){0};
}

/* ---- values of members ---- */

static bool read_origin(const struct json *v, char out[ORIGIN_SIZE])
{
	size_t len = 0;
	const char *s = json_string(v, &len);

	if (!s || len >= ORIGIN_SIZE || !origin_valid(s, len))
		return false;
	memcpy(out, s, len);
	out[len] = '\0';
	return true;
}

static bool read_digest(const struct json *v, struct digest *out)
{
	size_t len = 0;
	const char *s = json_string(v, &len);

	return s && digest_from_base64url(s, len, out);
}

/* Shown to people later: no control bytes, so a peer cannot paint the screen
 * or forge lines of the log. */
static bool read_text(const struct json *v, char *out, size_t size)
{
	size_t len = 0;
	const char *s = json_string(v, &len);

	if (!s || len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] =
			(unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	out[len] = '\0';
	return true;
}

static bool read_why(const struct json *v, char out[WHY_SIZE])
{
	if (!read_text(v, out, WHY_SIZE) || !*out)
		return false;
	return strspn(out, "abcdefghijklmnopqrstuvwxyz-") == strlen(out);
}

static struct json *digest_value(const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	digest_base64url(d, text);
	return json_new_text(text);
}

/* ---- HELLO ---- */

void hello_fini(struct hello *h)
{
	rows_free(&h->down);
	rows_free(&h->rows);
}

static struct json *row_value(const struct row *r)
{
	struct json *v = json_new_array();

	if (!v || !json_append(v, json_new_text(r->origin)) ||
		!json_append(v, json_new_u64(r->n)) ||
		(r->known > r->n && !json_append(v, json_new_u64(r->known)))) {
		json_free(v);
		return NULL;
	}
	return v;
}

static struct json *rows_value(const struct rows *r)
{
	struct json *v = json_new_array();

	for (size_t i = 0; v && i < r->count; i++) {
		if (!json_append(v, row_value(&r->row[i]))) {
			json_free(v);
			v = NULL;
		}
	}
	return v;
}

static bool hello_members(const struct hello *h, struct json *v)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&h->statement, hex);
	if (!json_set(v, "code", json_new_text(h->code)) ||
		!json_set(v, "domain", json_new_text(h->domain)) ||
		!json_set(v, "governance", json_new_u64(h->governance)) ||
		!json_set(v, "statement", json_new_text(hex)) ||
		!json_set(v, "version", json_new_u64(h->version)))
		return false;
	if (!h->known)
		return true;
	if (!json_set(v, "origins", digest_value(&h->origins)) ||
		(h->cosigned.origin[0] &&
			!json_set(v, "cosigned", row_value(&h->cosigned))) ||
		(h->down.count && !json_set(v, "down", rows_value(&h->down))) ||
		(h->rows.count && !json_set(v, "rows", rows_value(&h->rows))))
		return false;
	return true;
}

enum err_code hello_write(
	const struct hello *h, struct buf *out, struct err *err)
{
	struct json *v = json_new_object();
	enum err_code rc;

	if (!v || !hello_members(h, v))
		rc = err_nomem(err);
	else
		rc = json_write(v, out, err);
	json_free(v);
	return rc;
}

static bool read_row(const struct json *v, struct row *out)
{
	size_t count = json_count(v);

	if (json_kind(v) != JSON_KIND_ARRAY || count < 2 || count > 3 ||
		!read_origin(json_at(v, 0), out->origin) ||
		!json_u64(json_at(v, 1), &out->n))
		return false;
	out->known = out->n;
	return count == 2 ||
		(json_u64(json_at(v, 2), &out->known) && out->known > out->n);
}

static enum err_code read_rows(const struct json *v, const char *name,
	struct rows *out, struct err *err)
{
	const struct json *list = json_get(v, name);
	struct row row;
	enum err_code rc;

	if (!list)
		return ERR_OK;
	if (json_kind(list) != JSON_KIND_ARRAY ||
		json_count(list) > SESSION_ROWS_LIMIT)
		return err_set(err, ERR_PROTOCOL,
			"%s is no list of at most %d logs", name,
			SESSION_ROWS_LIMIT);
	for (size_t i = 0; i < json_count(list); i++) {
		if (!read_row(json_at(list, i), &row))
			return err_set(err, ERR_PROTOCOL,
				"%s[%zu] is no [origin, number]", name, i);
		if ((rc = rows_add(out, row.origin, row.n, row.known, err)))
			return rc;
	}
	return ERR_OK;
}

static bool read_head(const struct json *v, struct hello *h)
{
	const char *statement = json_get_string(v, "statement");

	return json_get_u64(v, "version", &h->version) && h->version >= 1 &&
		read_text(json_get(v, "code"), h->code, CODE_SIZE) &&
		(!h->code[0] || code_valid(h->code, strlen(h->code))) &&
		read_text(json_get(v, "domain"), h->domain, DOMAIN_SIZE) &&
		json_get_u64(v, "governance", &h->governance) && statement &&
		digest_from_hex(statement, strlen(statement), &h->statement);
}

static enum err_code read_hello(
	const struct json *v, struct hello *h, struct err *err)
{
	const struct json *cosigned = json_get(v, "cosigned");
	enum err_code rc;

	if (json_kind(v) != JSON_KIND_OBJECT || !read_head(v, h))
		return err_set(err, ERR_PROTOCOL,
			"version, code, domain, governance or statement is "
			"missing or wrong");
	h->known = json_get(v, "origins");
	if (!h->known)
		return ERR_OK;
	if (!read_digest(json_get(v, "origins"), &h->origins) ||
		(cosigned && !read_row(cosigned, &h->cosigned)))
		return err_set(
			err, ERR_PROTOCOL, "origins or cosigned is wrong");
	if ((rc = read_rows(v, "down", &h->down, err)) ||
		(rc = read_rows(v, "rows", &h->rows, err)))
		return rc;
	return ERR_OK;
}

/* What JSON itself refuses is the peer's fault here; memory is not. */
static enum err_code parse_json(const char *name, const void *data, size_t len,
	size_t limit, struct json **out, struct err *err)
{
	enum err_code rc = json_parse_canonical(data, len, limit, out, err);

	if (rc == ERR_INVALID || rc == ERR_LIMIT)
		rc = err_while(err, ERR_PROTOCOL, "%s", name);
	return rc;
}

enum err_code hello_parse(
	const void *data, size_t len, struct hello *out, struct err *err)
{
	struct hello h = {0};
	struct json *v = NULL;
	enum err_code rc;

	if ((rc = parse_json("HELLO", data, len, HELLO_SIZE_LIMIT, &v, err)))
		return rc;
	if ((rc = read_hello(v, &h, err))) {
		hello_fini(&h);
		rc = err_while(err, rc, "HELLO");
	} else {
		*out = h;
	}
	json_free(v);
	return rc;
}

/* ---- the small ones ---- */

static const struct {
	const char *name;
	enum member member;
} members[] = {
	{"count", MEMBER_COUNT},
	{"from", MEMBER_FROM},
	{"length", MEMBER_LENGTH},
	{"object", MEMBER_OBJECT},
	{"offset", MEMBER_OFFSET},
	{"origin", MEMBER_ORIGIN},
	{"retry_s", MEMBER_RETRY},
	{"seq", MEMBER_SEQ},
	{"size", MEMBER_SIZE},
	{"text", MEMBER_TEXT},
	{"why", MEMBER_WHY},
};

/* protocol section 3: the sets of members that a kind may have. */
static const struct {
	enum message_kind kind;
	unsigned members;
} shapes[] = {
	{MESSAGE_ACK, MEMBER_ORIGIN | MEMBER_SIZE},
	{MESSAGE_ACK, MEMBER_ORIGIN | MEMBER_SEQ},
	{MESSAGE_ACK, MEMBER_OBJECT | MEMBER_OFFSET},
	{MESSAGE_WANT, MEMBER_OBJECT | MEMBER_OFFSET | MEMBER_LENGTH},
	{MESSAGE_NONE, MEMBER_OBJECT | MEMBER_WHY},
	{MESSAGE_NONE, MEMBER_ORIGIN | MEMBER_WHY},
	{MESSAGE_HAVE, MEMBER_OBJECT},
	{MESSAGE_BUSY, MEMBER_RETRY | MEMBER_WHY},
	{MESSAGE_REFUSED, MEMBER_ORIGIN | MEMBER_TEXT | MEMBER_WHY},
	{MESSAGE_REFUSED, MEMBER_OBJECT | MEMBER_TEXT | MEMBER_WHY},
	{MESSAGE_BYE, MEMBER_TEXT | MEMBER_WHY},
	{MESSAGE_PROVE, MEMBER_ORIGIN | MEMBER_SIZE},
	{MESSAGE_AGAIN,
		MEMBER_ORIGIN | MEMBER_FROM | MEMBER_COUNT | MEMBER_SIZE},
};

static bool shape_allowed(enum message_kind kind, unsigned set)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		if (shapes[i].kind == kind && shapes[i].members == set)
			return true;
	}
	return false;
}

static struct json *member_value(const struct control *c, enum member m)
{
	switch (m) {
	case MEMBER_LENGTH:
		return json_new_u64(c->length);
	case MEMBER_OBJECT:
		return digest_value(&c->object);
	case MEMBER_OFFSET:
		return json_new_u64(c->offset);
	case MEMBER_ORIGIN:
		return json_new_text(c->origin);
	case MEMBER_RETRY:
		return json_new_u64(c->retry_s);
	case MEMBER_SEQ:
		return json_new_u64(c->seq);
	case MEMBER_SIZE:
		return json_new_u64(c->size);
	case MEMBER_TEXT:
		return json_new_text(c->text);
	case MEMBER_WHY:
		return json_new_text(c->why);
	case MEMBER_COUNT:
		return json_new_u64(c->count);
	case MEMBER_FROM:
		return json_new_u64(c->from);
	}
	return NULL;
}

enum err_code control_write(enum message_kind kind, const struct control *c,
	struct buf *out, struct err *err)
{
	struct json *v = json_new_object();
	enum err_code rc = v ? ERR_OK : err_nomem(err);

	if (rc == ERR_OK && !shape_allowed(kind, c->members))
		rc = err_set(err, ERR_USAGE, "%s cannot have members 0x%x",
			message_spec(kind)->name, c->members);
	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(members); i++) {
		if (c->members & members[i].member &&
			!json_set(v, members[i].name,
				member_value(c, members[i].member)))
			rc = err_nomem(err);
	}
	if (rc == ERR_OK)
		rc = json_write(v, out, err);
	json_free(v);
	return rc;
}

static bool read_member(const struct json *v, enum member m, struct control *c)
{
	switch (m) {
	case MEMBER_LENGTH:
		return json_u64(v, &c->length) && c->length > 0 &&
			c->length <= ATTACHMENT_RANGE;
	case MEMBER_OBJECT:
		return read_digest(v, &c->object);
	case MEMBER_OFFSET:
		return json_u64(v, &c->offset) &&
			c->offset <= ATTACHMENT_SIZE_LIMIT;
	case MEMBER_ORIGIN:
		return read_origin(v, c->origin);
	case MEMBER_RETRY:
		return json_u64(v, &c->retry_s) && c->retry_s <= RETRY_LIMIT;
	case MEMBER_SEQ:
		return json_u64(v, &c->seq);
	case MEMBER_SIZE:
		return json_u64(v, &c->size);
	case MEMBER_TEXT:
		return read_text(v, c->text, sizeof(c->text));
	case MEMBER_WHY:
		return read_why(v, c->why);
	case MEMBER_COUNT:
		return json_u64(v, &c->count) && c->count > 0 &&
			c->count <= TILE_WIDTH;
	case MEMBER_FROM:
		return json_u64(v, &c->from) && c->from < TREE_SIZE_LIMIT;
	}
	return false;
}

static enum err_code read_named(const char *kind, const char *name,
	const struct json *v, struct control *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (strcmp(members[i].name, name))
			continue;
		if (!read_member(v, members[i].member, c))
			return err_set(err, ERR_PROTOCOL,
				"%s: %s has a value that it cannot have", kind,
				name);
		c->members |= members[i].member;
		return ERR_OK;
	}
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")])
		name = "(not a plain word)";
	return err_set(err, ERR_PROTOCOL, "%s: unknown member %s", kind, name);
}

enum err_code control_parse(enum message_kind kind, const void *data,
	size_t len, struct control *out, struct err *err)
{
	const char *kind_name = message_spec(kind)->name;
	const struct json *value;
	struct control c = {0};
	struct json *v = NULL;
	const char *name;
	void *at = NULL;
	enum err_code rc;

	if ((rc = parse_json(
		     kind_name, data, len, CONTROL_SIZE_LIMIT, &v, err)))
		return rc;
	if (json_kind(v) != JSON_KIND_OBJECT)
		rc = err_set(err, ERR_PROTOCOL, "%s is no object", kind_name);
	while (rc == ERR_OK && json_next(v, &at, &name, &value))
		rc = read_named(kind_name, name, value, &c, err);
	if (rc == ERR_OK && !shape_allowed(kind, c.members))
		rc = err_set(err, ERR_PROTOCOL,
			"%s lacks a member or has one too many", kind_name);
	if (rc == ERR_OK)
		*out = c;
	json_free(v);
	return rc;
}

/* ---- heads of the binary ones ---- */

void origin_head_write(const char *origin, struct buf *out)
{
	buf_u8(out, (uint8_t)strlen(origin));
	buf_str(out, origin);
}

enum err_code origin_head_read(
	struct cursor *c, char origin[ORIGIN_SIZE], struct err *err)
{
	uint8_t len = cursor_u8(c);
	const uint8_t *text = cursor_bytes(c, len);

	if (!text || len >= ORIGIN_SIZE ||
		!origin_valid((const char *)text, len))
		return err_set(err, ERR_PROTOCOL,
			"message without a valid origin at its head");
	memcpy(origin, text, len);
	origin[len] = '\0';
	return ERR_OK;
}

void data_head_write(
	const struct digest *object, uint64_t offset, struct buf *out)
{
	buf_add(out, object->b, DIGEST_SIZE);
	buf_u64(out, offset);
}

enum err_code data_head_read(struct cursor *c, struct digest *object,
	uint64_t *offset, struct err *err)
{
	cursor_copy(c, object->b, DIGEST_SIZE);
	*offset = cursor_u64(c);
	if (!cursor_ok(c) || c->left == 0)
		return err_set(err, ERR_PROTOCOL,
			"DATA without an object, an offset and bytes");
	return ERR_OK;
}
